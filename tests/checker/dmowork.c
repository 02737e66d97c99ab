// SPDX-License-Identifier: GPL-2.0-only
/*
 * dmowork: writes to block devices whose order a checker can judge (check.h), and the history of them.
 *
 *   dmowork --history FILE --run HEX --volume ID=DEVICE... [OPTION...]
 *
 * Lanes are threads with one write in flight each, past the page cache. Each lane has a piece of every
 * volume to itself, and each token has one, which whoever holds the token writes to: so a sector has one owner at a
 * time, and its versions are totally ordered. A token carries the vector clock of the lane that passed
 * it on; passed to another host it is a message over TCP, and orders the writes of both. Pieces begin
 * and end anywhere: blocks are shared.
 *
 * At the beginning every sector is written once ("prefilled" goes to the history and to stdout), then at random until
 * --seconds or --ops are over or SIGTERM comes. A lane ends at its first failed write, of which
 * nobody knows what it left behind.
 *
 *   --seed N		--seconds N		--ops N (a lane)	--pause US (after each write of a lane)
 *   --max BYTES	the largest write (512 .. 1 MiB; default 1 MiB); small ones are more frequent
 *   --align BYTES	of writes (512)		--hot P		in a hundred go to the first 32 KiB of the piece
 *   --discard P  --zero P  --fua P  --flush P		in a hundred
 *   --tokens N (2)	--ladder		one token; who has it writes once, to the next volume, and passes it on
 *   --no-prefill	--prefill-only
 *   --mark MS,COMMAND	that often: the command ends a cycle and prints the cut EPOCH.N, which covers what had
 *			ended before
 *   --commit MS,COMMAND	that often: it prints the newest cut known as committed
 *   --errors-ok	failed writes are no failure
 * Several hosts (machines, or processes that play them), each with volumes of its own:
 *   --host N --hosts N		this one, and how many there are; --lanes is the same on all (4)
 *   --listen ADDRESS:PORT	where tokens come in	--peer N=ADDRESS:PORT	where those for host N go
 *
 * The history (lines: check.h) is written unbuffered: before a write is submitted its line is in the file, that
 * is the write() of it has returned; its end is put into the file before anything that may depend on it. Lines of several
 * lanes go out together. On a 9p mount without a cache, as /outbox of the test machines is, a write() that has
 * returned is in the memory of the host around the machine, and outlives the machine, whatever kills it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include "stamp.h"

#define MAX_VOLS	64
#define MAX_HOSTS	8
#define MAX_TOKENS	16
#define HOT_BYTES	32768u
#define PREFILL_MAX	262144u

struct volume {
	uint32_t id;
	const char *path;
	int fd;
	uint64_t sectors;
};

static struct {
	const char *history;
	uint64_t run, seed, ops;
	unsigned int seconds, pause_us, lanes, tokens, host, hosts;
	uint64_t max, align;
	unsigned int hot, discard, zero, fua, flush;
	bool ladder, no_prefill, prefill_only, errors_ok;
	struct sockaddr_in listen, peer[MAX_HOSTS];
	unsigned int mark_ms, commit_ms;
	const char *mark, *commit;
} o = {
	.seed = 1, .lanes = 4, .tokens = 2, .hosts = 1, .max = 1 << 20, .align = CK_SECTOR, .hot = 30,
};

static struct volume vols[MAX_VOLS];
static unsigned int nr_vols, all_lanes;

struct token {
	uint32_t id, to;			/* lane, of all hosts */
	uint64_t clock[CK_MAX_LANES];
};

struct lane {
	pthread_t thread;
	unsigned int nr;			/* of all hosts */
	uint64_t rng, seq, done;
	uint64_t clock[CK_MAX_LANES];		/* own entry: writes that have ended */
	unsigned char *buf;
	/* tokens that came, under its lock; and those it holds */
	pthread_mutex_t lock;
	pthread_cond_t come;
	struct token in[MAX_TOKENS], held[MAX_TOKENS];
	unsigned int nr_in, nr_held;
	uint64_t rungs;				/* ladder: writes, to choose the volume */
};

static struct lane lanes[CK_MAX_LANES];		/* of this host */
static atomic_bool quit;
static atomic_uint failed, prefilled;
static atomic_ullong bytes_written, tokens_sent, tokens_away;

static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("dmowork: ");
	vprintf(fmt, ap);
	printf("\n");
	va_end(ap);
	fflush(stdout);
	_exit(2);
}

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static uint64_t rnd(struct lane *l)
{
	return l->rng = ck_mix(l->rng, l->nr);
}

/* ---- the history ---- */

/*
 * Whoever puts a line has its place in the file by then; whoever must know that it is there waits, and the first
 * of those that wait writes for all.
 */
static struct {
	int fd;
	pthread_mutex_t lock;
	pthread_cond_t written;
	char buf[2][1 << 18];
	unsigned int filling;
	size_t len;
	uint64_t put, out;		/* bytes */
	bool writing;
} hist = { .lock = PTHREAD_MUTEX_INITIALIZER, .written = PTHREAD_COND_INITIALIZER };

static void write_out(const char *p, size_t len)
{
	while (len) {
		ssize_t n = write(hist.fd, p, len);

		if (n <= 0)
			die("the history can't be written: %s", strerror(errno));
		p += n;
		len -= (size_t)n;
	}
}

static void hist_wait_locked(uint64_t until)
{
	while (hist.out < until) {
		size_t len = hist.len;
		char *p = hist.buf[hist.filling];

		if (hist.writing) {
			pthread_cond_wait(&hist.written, &hist.lock);
			continue;
		}
		hist.writing = true;
		hist.filling ^= 1;
		hist.len = 0;
		pthread_mutex_unlock(&hist.lock);
		write_out(p, len);
		pthread_mutex_lock(&hist.lock);
		hist.writing = false;
		hist.out += len;
		pthread_cond_broadcast(&hist.written);
	}
}

/* One line; @wait: until it is in the file. The time is taken when its place is. */
static void __attribute__((format(printf, 3, 4))) hist_put(char type, bool wait, const char *fmt, ...)
{
	char line[1024];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line) - 32, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(line) - 32)
		die("a line too long");
	pthread_mutex_lock(&hist.lock);
	if (hist.len + sizeof(line) > sizeof(hist.buf[0]))
		hist_wait_locked(hist.put);
	if (type == 'H')
		n = sprintf(hist.buf[hist.filling] + hist.len, "H %s\n", line);
	else
		n = sprintf(hist.buf[hist.filling] + hist.len, "%c %" PRIu64 " %s\n", type, now_us(), line);
	hist.len += (size_t)n;
	hist.put += (uint64_t)n;
	if (wait)
		hist_wait_locked(hist.put);
	pthread_mutex_unlock(&hist.lock);
}

static void hist_open(void)
{
	char line[900];
	unsigned int i;
	int n;

	hist.fd = open(o.history, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0644);
	if (hist.fd < 0)
		die("%s: %s", o.history, strerror(errno));
	n = snprintf(line, sizeof(line), "1 %" PRIx64 " %u %u %u %u ", o.run, o.host, all_lanes, o.host * o.lanes,
		     o.lanes);
	for (i = 0; i < nr_vols; i++)
		n += snprintf(line + n, sizeof(line) - (size_t)n, "%s%u:%" PRIu64, i ? "," : "", vols[i].id,
			      vols[i].sectors);
	hist_put('H', true, "%s", line);
}

static void clock_text(const uint64_t *clock, char *text)
{
	unsigned int k;

	for (k = 0; k < all_lanes; k++)
		text += sprintf(text, k ? ",%" PRIu64 : "%" PRIu64, clock[k]);
}

/* ---- a write ---- */

/* Return: 0 or -errno. */
static int submit(struct lane *l, struct volume *v, char kind, bool fua, uint64_t lba, uint32_t n)
{
	uint64_t range[2] = { lba * CK_SECTOR, (uint64_t)n * CK_SECTOR };
	struct iovec iov = { l->buf, (size_t)range[1] };
	ssize_t r;

	switch (kind) {
	case 'Z':
		return ioctl(v->fd, BLKZEROOUT, range) ? -errno : 0;
	case 'X':
		return ioctl(v->fd, BLKDISCARD, range) ? -errno : 0;
	default:
		r = pwritev2(v->fd, &iov, 1, (off_t)range[0], fua ? RWF_DSYNC : 0);
		return r == (ssize_t)range[1] ? 0 : r < 0 ? -errno : -EIO;
	}
}

/* False: it failed, the lane is at its end. */
static bool do_write(struct lane *l, struct volume *v, char kind, bool fua, uint64_t lba, uint32_t n)
{
	struct stamp s = {
		.run = o.run, .seq = ++l->seq, .volume = v->id, .lane = (uint16_t)l->nr, .lanes = (uint16_t)all_lanes,
	};
	char clock[CK_MAX_LANES * 21];
	int r;

	if (kind == 'D')
		for (s.index = 0; s.index < n; s.index++) {
			s.lba = lba + s.index;
			stamp_fill(l->buf + (size_t)s.index * CK_SECTOR, &s, l->clock);
		}
	clock_text(l->clock, clock);
	hist_put('I', true, "%u %" PRIu64 " %c %s %u %" PRIu64 " %u %s", l->nr, s.seq, kind, fua ? "F" : "-", v->id, lba,
		 n, clock);
	r = submit(l, v, kind, fua, lba, n);
	hist_put('A', false, "%u %" PRIu64 " %d", l->nr, s.seq, r);
	if (r) {
		failed++;
		if (!o.errors_ok)
			printf("dmowork: lane %u: write %" PRIu64 " (%c) to volume %u failed: %s\n", l->nr, s.seq, kind, v->id,
			       strerror(-r));
		return false;
	}
	l->clock[l->nr] = s.seq;
	bytes_written += (uint64_t)n * CK_SECTOR;
	return true;
}

/* Piece @p of a volume: of a lane of this host, or behind those, of a token. */
static void piece(const struct volume *v, unsigned int p, uint64_t *first, uint64_t *count)
{
	uint64_t unit = o.align / CK_SECTOR, pieces = o.lanes + o.tokens;
	uint64_t each = v->sectors / unit / pieces;

	*first = p * each * unit;
	*count = p + 1 == pieces ? v->sectors - *first : each * unit;
}

static bool random_write(struct lane *l, struct volume *v, unsigned int p)
{
	uint64_t first, count, n, unit = o.align / CK_SECTOR, at;
	unsigned int what = (unsigned int)(rnd(l) % 100);
	char kind = 'D';

	piece(v, p, &first, &count);
	/* any power of two is as likely as any other, then anything up to it */
	for (n = unit; n < o.max / CK_SECTOR && rnd(l) % 3; n *= 2)
		;
	n = 1 + rnd(l) % n;
	n = (n + unit - 1) / unit * unit;
	if (n > count / 2)
		n = unit;
	at = count - n;
	if (rnd(l) % 100 < o.hot && at > HOT_BYTES / CK_SECTOR)
		at = HOT_BYTES / CK_SECTOR;
	at = rnd(l) % (at + 1) / unit * unit;
	if (what < o.discard)
		kind = 'X';
	else if (what < o.discard + o.zero)
		kind = 'Z';
	return do_write(l, v, kind, kind == 'D' && rnd(l) % 100 < o.fua, first + at, (uint32_t)n);
}

static bool prefill_piece(struct lane *l, unsigned int p)
{
	unsigned int i;

	for (i = 0; i < nr_vols; i++) {
		uint64_t first, count, n, at;

		piece(&vols[i], p, &first, &count);
		for (at = 0; at < count; at += n) {
			n = PREFILL_MAX / CK_SECTOR;
			if (n > count - at)
				n = count - at;
			if (quit || !do_write(l, &vols[i], 'D', false, first + at, (uint32_t)n))
				return false;
		}
	}
	return true;
}

/* ---- tokens ---- */

static void put_token(const struct token *t)
{
	struct lane *l = &lanes[t->to - o.host * o.lanes];

	pthread_mutex_lock(&l->lock);
	if (l->nr_in == MAX_TOKENS)
		die("too many tokens");
	l->in[l->nr_in++] = *t;
	pthread_cond_signal(&l->come);
	pthread_mutex_unlock(&l->lock);
}

static bool send_away(const struct token *t)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static int fds[MAX_HOSTS];
	unsigned int host = t->to / o.lanes, tries;
	bool sent = false;
	int one = 1;

	pthread_mutex_lock(&lock);
	for (tries = 0; !sent && !quit && tries < 200; tries++) {
		if (fds[host] <= 0) {
			fds[host] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
			if (connect(fds[host], (void *)&o.peer[host], sizeof(o.peer[host]))) {
				close(fds[host]);
				fds[host] = -1;
				usleep(50000);
				continue;
			}
			setsockopt(fds[host], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		}
		sent = send(fds[host], t, sizeof(*t), MSG_NOSIGNAL) == sizeof(*t);
		if (!sent) {
			/* It may have come there, or not: a token isn't sent twice. */
			close(fds[host]);
			fds[host] = -1;
			break;
		}
	}
	pthread_mutex_unlock(&lock);
	tokens_away += sent;
	return sent;
}

static bool recv_all(int fd, void *p, size_t len)
{
	return recv(fd, p, len, MSG_WAITALL) == (ssize_t)len;
}

static void *from_peer(void *arg)
{
	int fd = (int)(intptr_t)arg;
	struct token t;

	while (recv_all(fd, &t, sizeof(t))) {
		if (t.to / o.lanes != o.host || t.to >= all_lanes || t.id >= o.tokens * o.hosts)
			die("a token that isn't for this host");
		put_token(&t);
	}
	close(fd);
	return NULL;
}

static void *listen_main(void *arg)
{
	int fd = (int)(intptr_t)arg;

	for (;;) {
		int c = accept(fd, NULL, NULL);
		pthread_t t;

		if (c >= 0 && !pthread_create(&t, NULL, from_peer, (void *)(intptr_t)c))
			pthread_detach(t);
	}
	return NULL;
}

static void start_listening(void)
{
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pthread_t t;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (void *)&o.listen, sizeof(o.listen)) || listen(fd, 8))
		die("can't listen: %s", strerror(errno));
	if (pthread_create(&t, NULL, listen_main, (void *)(intptr_t)fd))
		die("no thread");
}

/* Tokens [i] of those held goes to lane @to. */
static void pass_token(struct lane *l, unsigned int i, unsigned int to)
{
	struct token t = l->held[i];

	l->held[i] = l->held[--l->nr_held];
	t.to = to;
	memcpy(t.clock, l->clock, sizeof(t.clock));
	tokens_sent++;
	hist_put('T', false, "%u %u %u", t.id, l->nr, to);
	if (to / o.lanes == o.host) {
		put_token(&t);
	} else if (!send_away(&t)) {
		hist_put('T', false, "%u is lost", t.id);
		if (o.ladder)
			quit = true;
	}
}

/* Take what has come; @wait: at least one must be held. */
static void take_tokens(struct lane *l, bool wait)
{
	unsigned int i, k;

	pthread_mutex_lock(&l->lock);
	while (wait && !l->nr_held && !l->nr_in && !quit) {
		struct timespec until;

		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += 50000000;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		pthread_cond_timedwait(&l->come, &l->lock, &until);
	}
	for (i = 0; i < l->nr_in; i++) {
		for (k = 0; k < all_lanes; k++)
			if (k != l->nr && l->in[i].clock[k] > l->clock[k])
				l->clock[k] = l->in[i].clock[k];
		l->held[l->nr_held++] = l->in[i];
	}
	l->nr_in = 0;
	pthread_mutex_unlock(&l->lock);
}

/*
 * Each host has the pieces of its own tokens, on its own volumes; a token of another host that comes
 * along brings its clock and no piece. Piece of a held token, or of the lane itself.
 */
static unsigned int choose_piece(struct lane *l)
{
	unsigned int own = l->nr - o.host * o.lanes;

	if (l->nr_held && rnd(l) % 2) {
		struct token *t = &l->held[rnd(l) % l->nr_held];

		if (t->id / o.tokens == o.host)
			return o.lanes + t->id % o.tokens;
	}
	return own;
}

/* ---- a lane ---- */

static void *lane_main(void *arg)
{
	struct lane *l = arg;
	unsigned int own = l->nr - o.host * o.lanes, i;
	bool ok = true;

	if (!o.no_prefill) {
		ok = prefill_piece(l, own);
		/* tokens begin where their pieces are prefilled */
		for (i = own; ok && i < o.tokens; i += o.lanes)
			ok = prefill_piece(l, o.lanes + i);
	}
	for (i = own; i < o.tokens; i += o.lanes)
		if (!o.ladder || o.host * o.tokens + i == 0) {
			l->held[l->nr_held] = (struct token){ .id = o.host * o.tokens + i };
			l->nr_held++;
		}
	prefilled++;
	while (ok && !o.prefill_only && !quit && (!o.ops || l->done < o.ops)) {
		struct volume *v;

		take_tokens(l, o.ladder);
		if (quit)
			break;
		v = o.ladder ? &vols[l->rungs++ % nr_vols] : &vols[rnd(l) % nr_vols];
		if (rnd(l) % 100 < o.flush && fsync(v->fd))
			ok = false;
		ok = ok && random_write(l, v, choose_piece(l));
		l->done++;
		if (ok && o.ladder)
			pass_token(l, 0, (l->nr + 1) % all_lanes);
		else if (ok && l->nr_held && all_lanes > 1 && rnd(l) % 4 == 0)
			pass_token(l, (unsigned int)(rnd(l) % l->nr_held),
				   (unsigned int)((l->nr + 1 + rnd(l) % (all_lanes - 1)) % all_lanes));
		if (o.pause_us)
			usleep(o.pause_us);
	}
	return NULL;
}

/* ---- cuts and commits ---- */

static bool ask(const char *command, uint64_t *epoch, uint64_t *n)
{
	FILE *f = popen(command, "re");
	bool ok = f && fscanf(f, "%" SCNu64 ".%" SCNu64, epoch, n) == 2;

	if (f)
		pclose(f);
	return ok;
}

static void *asker_main(void *arg)
{
	bool mark = arg;
	uint64_t id, epoch, n, had_epoch = 0, had_n = 0;

	for (id = 1; !quit; id++) {
		usleep((mark ? o.mark_ms : o.commit_ms) * 1000);
		if (mark)
			hist_put('M', true, "%" PRIu64, id);
		if (!ask(mark ? o.mark : o.commit, &epoch, &n))
			continue;
		if (mark)
			hist_put('N', true, "%" PRIu64 " %" PRIu64 " %" PRIu64, id, epoch, n);
		else if (epoch != had_epoch || n != had_n)
			hist_put('C', true, "%" PRIu64 " %" PRIu64, epoch, n);
		had_epoch = epoch;
		had_n = n;
	}
	return NULL;
}

/* ---- begin and end ---- */

static void stop(int sig)
{
	(void)sig;
	quit = true;
}

static void parse_address(const char *text, struct sockaddr_in *a)
{
	char host[64];
	unsigned int port;

	if (sscanf(text, "%63[^:]:%u", host, &port) != 2 || inet_pton(AF_INET, host, &a->sin_addr) != 1)
		die("'%s' is no ADDRESS:PORT", text);
	a->sin_family = AF_INET;
	a->sin_port = htons((uint16_t)port);
}

static void parse_asker(char *text, unsigned int *ms, const char **command)
{
	char *comma = strchr(text, ',');

	if (!comma)
		die("'%s' is no MS,COMMAND", text);
	*comma = '\0';
	*ms = (unsigned int)atoi(text);
	*command = comma + 1;
}

static void add_volume(char *text)
{
	struct volume *v = &vols[nr_vols++];
	char *is = strchr(text, '=');

	if (!is || nr_vols > MAX_VOLS)
		die("'%s' is no ID=DEVICE", text);
	v->id = (uint32_t)atoi(text);
	v->path = is + 1;
}

static void parse_options(int argc, char **argv)
{
	enum { HISTORY = 1, RUN, VOLUME, SEED, SECONDS, OPS, PAUSE, MAX, ALIGN, HOT, DISCARD, ZERO, FUA, FLUSH, TOKENS,
	       LADDER, NO_PREFILL, PREFILL_ONLY, MARK, COMMIT, ERRORS_OK, HOST, HOSTS, LANES, LISTEN, PEER };
	static const struct option options[] = {
		{ "history", 1, NULL, HISTORY }, { "run", 1, NULL, RUN }, { "volume", 1, NULL, VOLUME },
		{ "seed", 1, NULL, SEED }, { "seconds", 1, NULL, SECONDS }, { "ops", 1, NULL, OPS },
		{ "pause", 1, NULL, PAUSE }, { "max", 1, NULL, MAX }, { "align", 1, NULL, ALIGN },
		{ "hot", 1, NULL, HOT }, { "discard", 1, NULL, DISCARD }, { "zero", 1, NULL, ZERO },
		{ "fua", 1, NULL, FUA }, { "flush", 1, NULL, FLUSH }, { "tokens", 1, NULL, TOKENS },
		{ "ladder", 0, NULL, LADDER }, { "no-prefill", 0, NULL, NO_PREFILL },
		{ "prefill-only", 0, NULL, PREFILL_ONLY }, { "mark", 1, NULL, MARK }, { "commit", 1, NULL, COMMIT },
		{ "errors-ok", 0, NULL, ERRORS_OK }, { "host", 1, NULL, HOST }, { "hosts", 1, NULL, HOSTS },
		{ "lanes", 1, NULL, LANES }, { "listen", 1, NULL, LISTEN }, { "peer", 1, NULL, PEER }, { 0 }
	};
	unsigned int n, *u;
	uint64_t *q;
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		u = NULL;
		q = NULL;
		switch (opt) {
		case HISTORY: o.history = optarg; break;
		case RUN: o.run = strtoull(optarg, NULL, 16); break;
		case VOLUME: add_volume(optarg); break;
		case SEED: q = &o.seed; break;
		case SECONDS: u = &o.seconds; break;
		case OPS: q = &o.ops; break;
		case PAUSE: u = &o.pause_us; break;
		case MAX: q = &o.max; break;
		case ALIGN: q = &o.align; break;
		case HOT: u = &o.hot; break;
		case DISCARD: u = &o.discard; break;
		case ZERO: u = &o.zero; break;
		case FUA: u = &o.fua; break;
		case FLUSH: u = &o.flush; break;
		case TOKENS: u = &o.tokens; break;
		case LADDER: o.ladder = true; break;
		case NO_PREFILL: o.no_prefill = true; break;
		case PREFILL_ONLY: o.prefill_only = true; break;
		case MARK: parse_asker(optarg, &o.mark_ms, &o.mark); break;
		case COMMIT: parse_asker(optarg, &o.commit_ms, &o.commit); break;
		case ERRORS_OK: o.errors_ok = true; break;
		case HOST: u = &o.host; break;
		case HOSTS: u = &o.hosts; break;
		case LANES: u = &o.lanes; break;
		case LISTEN: parse_address(optarg, &o.listen); break;
		case PEER:
			n = (unsigned int)atoi(optarg);
			if (n >= MAX_HOSTS || !strchr(optarg, '='))
				die("'%s' is no HOST=ADDRESS:PORT", optarg);
			parse_address(strchr(optarg, '=') + 1, &o.peer[n]);
			break;
		default: die("wrong arguments");
		}
		if (u)
			*u = (unsigned int)strtoul(optarg, NULL, 0);
		if (q)
			*q = strtoull(optarg, NULL, 0);
	}
	all_lanes = o.lanes * o.hosts;
	if (o.ladder)
		o.tokens = 1;
	if (optind < argc || !o.history || !o.run || !nr_vols || !o.lanes || o.hosts > MAX_HOSTS ||
	    o.host >= o.hosts || all_lanes > CK_MAX_LANES || o.tokens * o.hosts > MAX_TOKENS ||
	    o.max > 1 << 20 || o.align < CK_SECTOR || o.align % CK_SECTOR || o.max < o.align)
		die("wrong arguments");
}

static void open_volumes(void)
{
	unsigned int i;

	for (i = 0; i < nr_vols; i++) {
		struct volume *v = &vols[i];
		off_t size;

		v->fd = open(v->path, O_RDWR | O_DIRECT | O_CLOEXEC);
		size = v->fd < 0 ? -1 : lseek(v->fd, 0, SEEK_END);
		if (size <= 0)
			die("%s: %s", v->path, strerror(errno));
		v->sectors = (uint64_t)size / CK_SECTOR;
	}
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = stop };
	uint64_t end, ops = 0;
	pthread_t asker;
	unsigned int i;

	parse_options(argc, argv);
	open_volumes();
	hist_open();
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	for (i = 0; i < o.lanes; i++) {
		struct lane *l = &lanes[i];

		l->nr = o.host * o.lanes + i;
		l->rng = ck_mix(o.seed, l->nr);
		pthread_mutex_init(&l->lock, NULL);
		pthread_cond_init(&l->come, NULL);
		if (posix_memalign((void **)&l->buf, 4096, 1 << 20))
			die("no memory");
	}
	if (o.hosts > 1)
		start_listening();
	for (i = 0; i < o.lanes; i++)
		if (pthread_create(&lanes[i].thread, NULL, lane_main, &lanes[i]))
			die("no thread");
	while (prefilled < o.lanes && !quit)
		usleep(10000);
	hist_put('P', true, "prefilled");
	printf("prefilled\n");
	fflush(stdout);
	if ((o.mark && pthread_create(&asker, NULL, asker_main, &o)) ||
	    (o.commit && pthread_create(&asker, NULL, asker_main, NULL)))
		die("no thread");
	end = o.seconds ? now_us() + (uint64_t)o.seconds * 1000000 : UINT64_MAX;
	while (!quit && !o.ops && !o.prefill_only && now_us() < end)
		usleep(10000);
	if (!o.ops)
		quit = true;
	for (i = 0; i < o.lanes; i++) {
		pthread_join(lanes[i].thread, NULL);
		ops += lanes[i].seq;
	}
	hist_put('E', true, "end");
	printf("ops=%" PRIu64 " bytes=%llu tokens=%llu away=%llu failed=%u\n", ops, (unsigned long long)bytes_written,
	       (unsigned long long)tokens_sent, (unsigned long long)tokens_away, (unsigned int)failed);
	fflush(stdout);
	_exit(failed && !o.errors_ok ? 1 : 0);
}
