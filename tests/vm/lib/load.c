// SPDX-License-Identifier: GPL-2.0-only
/*
 * dmoload: I/O on a block device, past the page cache.
 *
 *   dmoload run DEV [OPTION...]	mixed writes by several lanes, until --ops or --seconds are
 *	over or SIGTERM comes; prints one line: ops=... bytes=... max_ms=... errors=...
 *   dmoload fill DEV [OPTION...]	write all of it once (--seed, --max, --fsync)
 *   dmoload scribble DEV [OPTION...]	writes whose buffers change while they are in flight
 *   dmoload cmp A B			equal? names the first differences, and how many blocks
 *
 * A lane is a thread with one operation in flight. Without --overlap each lane has a slice of the area
 * to itself (the slices are not aligned to blocks), remembers what it wrote, and at the end
 * (with --verify) reads it again; what its --read operations bring is compared, too. Sectors that --verify has no
 * knowledge of aren't looked at.
 *
 *   --seed N      --lanes N (4)     --ops N (per lane)   --seconds N
 *   --min B --max B (512 .. 1 MiB)  --align B (512)      --area FIRST:LENGTH (bytes)
 *   --hot PERCENT of the operations go to the first 64 KiB of the slice
 *   --discard P --zero P --fua P --flush P --read P   percent of the operations; the rest are writes
 *   --pause US    between operations of a lane
 *   --iov N       buffers in up to N pieces of odd sizes and places; none may be changed by a write, and nothing
 *                 between them by a read
 *   --overlap     --verify          --errors  count failed operations instead of ending
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define MAX_LANES	64
#define BUF_ALIGN	4096
#define MAX_IOV		64
#define GAP		0xa5

static struct {
	const char *dev;
	int fd;
	uint64_t seed, ops, first, len, min, max, align;
	unsigned int seconds, lanes, discard, zero, fua, flush, read, hot, pause_us, iov;
	bool overlap, verify, errors_ok, fsync;
} o = {
	.seed = 1, .min = 512, .max = 1 << 20, .align = 512, .lanes = 4, .iov = 1,
};

struct lane {
	pthread_t thread;
	unsigned int nr;
	uint64_t rng;
	uint64_t first, len;	/* bytes */
	unsigned char *buf;
	unsigned char *vec;	/* with --iov: where the pieces are */
	unsigned char *shadow;	/* what the slice must hold */
	unsigned char *known;	/* a byte a sector: 1 when the shadow says what is there */
	uint64_t ops, bytes, errors, max_us;
};

static struct lane lanes[MAX_LANES];
static atomic_bool stop;
static atomic_int failed;

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static uint64_t rnd(uint64_t *s)
{
	uint64_t z = *s += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static void pattern(unsigned char *buf, uint64_t len, uint64_t *s)
{
	uint64_t x = rnd(s) | 1, i, *p = (uint64_t *)buf;

	for (i = 0; i < len / 8; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		p[i] = x;
	}
}

static void die(const char *what, const char *name)
{
	fprintf(stderr, "%s: %s: %s\n", what, name, strerror(errno));
	exit(1);
}

static void *alloc(uint64_t len)
{
	void *p = NULL;

	if (posix_memalign(&p, BUF_ALIGN, len ? len : BUF_ALIGN))
		die("memory", "");
	memset(p, 0, len);
	return p;
}

static uint64_t dev_size(int fd)
{
	uint64_t size = 0;

	if (ioctl(fd, BLKGETSIZE64, &size)) {
		off_t end = lseek(fd, 0, SEEK_END);

		size = end > 0 ? (uint64_t)end : 0;
	}
	return size;
}

/* A file on tmpfs knows no O_DIRECT, and needs none. */
static int open_direct(const char *name, int flags)
{
	int fd = open(name, flags | O_DIRECT);

	if (fd < 0 && errno == EINVAL)
		fd = open(name, flags);
	if (fd < 0)
		die("open", name);
	return fd;
}

static void on_term(int sig)
{
	(void)sig;
	atomic_store(&stop, true);
}

/* ---- one operation ---- */

enum op { OP_WRITE, OP_DISCARD, OP_ZERO, OP_FUA, OP_FLUSH, OP_READ };
static const char * const op_name[] = { "write", "discard", "zero", "fua write", "flush", "read" };

static enum op choose_op(uint64_t *s)
{
	unsigned int x = rnd(s) % 100;

	if (x < o.discard)
		return OP_DISCARD;
	x -= o.discard;
	if (x < o.zero)
		return OP_ZERO;
	x -= o.zero;
	if (x < o.fua)
		return OP_FUA;
	x -= o.fua;
	if (x < o.flush)
		return OP_FLUSH;
	x -= o.flush;
	return x < o.read ? OP_READ : OP_WRITE;
}

/* Small sizes and large ones alike: the size's logarithm is what is even. */
static uint64_t choose_len(struct lane *l, uint64_t max)
{
	uint64_t units = max / o.align, lo = o.min / o.align, bits, len;

	if (units <= lo)
		return units * o.align;
	bits = 64 - (unsigned int)__builtin_clzll(units);
	len = rnd(&l->rng) & ((2ull << (rnd(&l->rng) % bits)) - 1);
	if (len < lo)
		len = lo;
	if (len > units)
		len = units;
	return (len ? len : 1) * o.align;
}

static uint64_t vec_size(void) { return o.max + (o.iov + 1) * 4096ull; }

/* Cut @len bytes into pieces, multiples of --align, at any sector, with gaps between; their number. */
static int make_pieces(struct lane *l, struct iovec *iov, uint64_t len)
{
	uint64_t left = len / o.align, n, at = 0;
	unsigned int i = 0;

	memset(l->vec, GAP, vec_size());
	while (left) {
		at += rnd(&l->rng) % 8 * 512;
		n = i + 1 == o.iov ? left : rnd(&l->rng) % (2 * left / (o.iov - i) + 1) + 1;
		if (n > left)
			n = left;
		iov[i].iov_base = l->vec + at;
		iov[i++].iov_len = n * o.align;
		at += n * o.align;
		left -= n;
	}
	return (int)i;
}

/* Between the pieces (write: in them, too) memory must be as it was. */
static bool pieces_good(struct lane *l, const struct iovec *iov, int n, bool write)
{
	unsigned char *p = l->vec, *piece, *data = l->buf;
	int i;

	for (i = 0; i <= n; i++) {
		piece = i < n ? iov[i].iov_base : l->vec + vec_size();
		while (p < piece)
			if (*p++ != GAP)
				return false;
		if (i == n)
			break;
		if (write && memcmp(piece, data, iov[i].iov_len))
			return false;
		data += iov[i].iov_len;
		p = piece + iov[i].iov_len;
	}
	return true;
}

static int do_rw(struct lane *l, enum op op, uint64_t off, uint64_t len)
{
	struct iovec iov[MAX_IOV] = { { l->buf, len } };
	unsigned char *p = l->buf;
	bool write = op != OP_READ;
	int i, n = 1;
	ssize_t rc;

	if (o.iov > 1) {
		n = make_pieces(l, iov, len);
		for (i = 0; write && i < n; p += iov[i++].iov_len)
			memcpy(iov[i].iov_base, p, iov[i].iov_len);
	}
	rc = write ? pwritev2(o.fd, iov, n, (off_t)off, op == OP_FUA ? RWF_DSYNC : 0)
		   : preadv2(o.fd, iov, n, (off_t)off, 0);
	if (o.iov > 1) {
		if (!pieces_good(l, iov, n, write)) {
			fprintf(stderr, "lane %u: the buffers of %llu bytes at %llu were changed\n", l->nr,
				(unsigned long long)len, (unsigned long long)off);
			atomic_store(&failed, 1);
			atomic_store(&stop, true);
		}
		for (i = 0, p = l->buf; !write && i < n; p += iov[i++].iov_len)
			memcpy(p, iov[i].iov_base, iov[i].iov_len);
	}
	if (rc >= 0 && (uint64_t)rc != len) {
		errno = EIO;
		return -1;
	}
	return rc < 0 ? -1 : 0;
}

static int do_op(struct lane *l, enum op op, uint64_t off, uint64_t len)
{
	uint64_t range[2] = { off, len };

	switch (op) {
	case OP_WRITE:
	case OP_FUA:
	case OP_READ:
		return do_rw(l, op, off, len);
	case OP_DISCARD:
		return ioctl(o.fd, BLKDISCARD, range);
	case OP_ZERO:
		return ioctl(o.fd, BLKZEROOUT, range);
	default:
		return fdatasync(o.fd);
	}
}

/* Is what was read at @off what the lane knows of it? */
static void compare(struct lane *l, uint64_t off, uint64_t len)
{
	uint64_t at = off - l->first, i;

	for (i = 0; i < len; i += 512) {
		if (!l->known[(at + i) / 512] || !memcmp(l->buf + i, l->shadow + at + i, 512))
			continue;
		fprintf(stderr, "lane %u: sector %llu isn't what was written\n", l->nr,
			(unsigned long long)((off + i) / 512));
		atomic_store(&failed, 1);
		atomic_store(&stop, true);
		return;
	}
}

static void remember(struct lane *l, enum op op, uint64_t off, uint64_t len, bool ok)
{
	uint64_t at = off - l->first;

	if (!l->shadow || op == OP_FLUSH || op == OP_READ)
		return;
	memset(l->known + at / 512, ok, len / 512);
	if (op == OP_WRITE || op == OP_FUA)
		memcpy(l->shadow + at, l->buf, len);
	else
		memset(l->shadow + at, 0, len);
}

static void one_op(struct lane *l)
{
	enum op op = choose_op(&l->rng);
	uint64_t room = l->len, off = 0, len, t;
	bool hot = rnd(&l->rng) % 100 < o.hot;
	int rc, err;

	if (hot && room > 65536)
		room = 65536;
	len = choose_len(l, room < o.max ? room : o.max);
	if (room > len)
		off = rnd(&l->rng) % ((room - len) / o.align + 1) * o.align;
	off += l->first;
	if (op == OP_WRITE || op == OP_FUA)
		pattern(l->buf, len, &l->rng);
	t = now_us();
	rc = do_op(l, op, off, len);
	err = errno;
	t = now_us() - t;
	if (t > l->max_us)
		l->max_us = t;
	if (op == OP_READ && !rc && l->shadow)
		compare(l, off, len);
	remember(l, op, off, len, !rc);
	l->ops++;
	if (!rc) {
		l->bytes += op == OP_FLUSH || op == OP_READ ? 0 : len;
		return;
	}
	l->errors++;
	if (o.errors_ok)
		return;
	fprintf(stderr, "lane %u: %s of %llu bytes at %llu: %s\n", l->nr, op_name[op],
		(unsigned long long)len, (unsigned long long)off, strerror(err));
	atomic_store(&failed, 1);
	atomic_store(&stop, true);
}

static void *run_lane(void *arg)
{
	struct lane *l = arg;

	while (!atomic_load(&stop) && (!o.ops || l->ops < o.ops)) {
		one_op(l);
		if (o.pause_us)
			usleep(o.pause_us);
	}
	return NULL;
}

static void verify_lane(struct lane *l)
{
	uint64_t at, n;

	for (at = 0; at < l->len; at += n) {
		n = l->len - at < o.max ? l->len - at : o.max;
		if (pread(o.fd, l->buf, n, (off_t)(l->first + at)) != (ssize_t)n)
			die("reading to verify", o.dev);
		compare(l, l->first + at, n);
	}
}

static int cmd_run(void)
{
	uint64_t ops = 0, bytes = 0, errors = 0, max = 0, slice = o.len / o.lanes;
	pthread_attr_t attr;
	unsigned int i;

	slice -= slice % o.align;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 256 << 10);
	for (i = 0; i < o.lanes; i++) {
		struct lane *l = &lanes[i];

		l->nr = i;
		l->rng = o.seed * 1000003 + i;
		l->first = o.first + (o.overlap ? 0 : i * slice);
		l->len = o.overlap ? o.len : i == o.lanes - 1 ? o.len - i * slice : slice;
		l->len -= l->len % o.align;
		if (l->len < o.align) {
			fprintf(stderr, "the area is too small for %u lanes\n", o.lanes);
			return 2;
		}
		l->buf = alloc(o.max);
		if (o.iov > 1)
			l->vec = alloc(vec_size());
		if (o.verify && !o.overlap) {
			l->shadow = alloc(l->len);
			l->known = alloc(l->len / 512);
		}
	}
	for (i = 0; i < o.lanes; i++)
		if (pthread_create(&lanes[i].thread, &attr, run_lane, &lanes[i]))
			die("thread", "");
	if (o.seconds) {
		uint64_t end = now_us() + o.seconds * 1000000ull;

		while (!atomic_load(&stop) && now_us() < end)
			usleep(20000);
		atomic_store(&stop, true);
	}
	for (i = 0; i < o.lanes; i++) {
		struct lane *l = &lanes[i];

		pthread_join(l->thread, NULL);
		ops += l->ops;
		bytes += l->bytes;
		errors += l->errors;
		if (l->max_us > max)
			max = l->max_us;
	}
	for (i = 0; i < o.lanes; i++)
		if (lanes[i].shadow)
			verify_lane(&lanes[i]);
	printf("ops=%llu bytes=%llu max_ms=%llu errors=%llu%s\n", (unsigned long long)ops,
	       (unsigned long long)bytes, (unsigned long long)(max / 1000),
	       (unsigned long long)errors, o.verify && !failed ? " verified" : "");
	return failed;
}

/* ---- fill ---- */

static int cmd_fill(void)
{
	unsigned char *buf = alloc(o.max);
	uint64_t at, n, s = o.seed;

	for (at = o.first; at < o.first + o.len; at += n) {
		n = o.first + o.len - at < o.max ? o.first + o.len - at : o.max;
		pattern(buf, n, &s);
		if (pwrite(o.fd, buf, n, (off_t)at) != (ssize_t)n)
			die("write", o.dev);
	}
	if (o.fsync && fdatasync(o.fd))
		die("flush", o.dev);
	return 0;
}

/* ---- scribble ---- */

/* The partner of a lane: changes its buffer all the time, without order. */
static void *scribbler(void *arg)
{
	struct lane *l = arg;
	uint64_t s = o.seed * 77 + l->nr, i;
	volatile uint64_t *p = (volatile uint64_t *)l->buf;

	while (!atomic_load(&stop)) {
		for (i = 0; i < 64; i++)
			p[rnd(&s) % (o.max / 8)] = s;
		if (!(rnd(&s) & 15))
			sched_yield();
	}
	return NULL;
}

static void *scribble_lane(void *arg)
{
	struct lane *l = arg;
	uint64_t len, off, t;

	while (!atomic_load(&stop) && (!o.ops || l->ops < o.ops)) {
		len = choose_len(l, o.max);
		off = o.first + rnd(&l->rng) % ((o.len - len) / o.align + 1) * o.align;
		t = now_us();
		if (pwrite(o.fd, l->buf, len, (off_t)off) != (ssize_t)len)
			die("write", o.dev);
		t = now_us() - t;
		l->max_us = t > l->max_us ? t : l->max_us;
		l->ops++;
		l->bytes += len;
		if (o.pause_us)
			usleep(o.pause_us);
	}
	return NULL;
}

static int cmd_scribble(void)
{
	pthread_t helper[MAX_LANES];
	uint64_t end = now_us() + (o.seconds ? o.seconds : 10) * 1000000ull, ops = 0, max = 0;
	unsigned int i;

	for (i = 0; i < o.lanes; i++) {
		lanes[i].nr = i;
		lanes[i].rng = o.seed * 1000003 + i;
		lanes[i].buf = alloc(o.max);
		pattern(lanes[i].buf, o.max, &lanes[i].rng);
		if (pthread_create(&helper[i], NULL, scribbler, &lanes[i]) ||
		    pthread_create(&lanes[i].thread, NULL, scribble_lane, &lanes[i]))
			die("thread", "");
	}
	if (!o.ops) {
		while (!atomic_load(&stop) && now_us() < end)
			usleep(20000);
		atomic_store(&stop, true);
	}
	for (i = 0; i < o.lanes; i++) {
		pthread_join(lanes[i].thread, NULL);
		ops += lanes[i].ops;
		max = lanes[i].max_us > max ? lanes[i].max_us : max;
	}
	atomic_store(&stop, true);
	for (i = 0; i < o.lanes; i++)
		pthread_join(helper[i], NULL);
	printf("ops=%llu max_ms=%llu\n", (unsigned long long)ops, (unsigned long long)(max / 1000));
	return 0;
}

/* ---- cmp ---- */

static int cmd_cmp(const char *a, const char *b)
{
	uint64_t size, at, n, k, bad = 0, step = 1 << 20;
	unsigned char *x = alloc(step), *y = alloc(step);
	int fa = open_direct(a, O_RDONLY), fb = open_direct(b, O_RDONLY);

	size = dev_size(fa);
	if (size != dev_size(fb) || !size) {
		printf("%s has %llu bytes, %s %llu\n", a, (unsigned long long)size, b,
		       (unsigned long long)dev_size(fb));
		return 1;
	}
	for (at = 0; at < size; at += n) {
		n = size - at < step ? size - at : step;
		if (pread(fa, x, n, (off_t)at) != (ssize_t)n)
			die("read", a);
		if (pread(fb, y, n, (off_t)at) != (ssize_t)n)
			die("read", b);
		for (k = 0; k < n && memcmp(x, y, n); k += 512) {
			if (!memcmp(x + k, y + k, 512))
				continue;
			if (bad++ < 8)
				printf("sector %llu (block %llu): %02x%02x%02x%02x.. is %02x%02x%02x%02x..\n",
				       (unsigned long long)(at + k) / 512,
				       (unsigned long long)(at + k) / 4096, x[k], x[k + 1],
				       x[k + 2], x[k + 3], y[k], y[k + 1], y[k + 2], y[k + 3]);
		}
	}
	if (bad)
		printf("%s and %s differ in %llu sectors\n", a, b, (unsigned long long)bad);
	return bad ? 1 : 0;
}

/* ---- command line ---- */

static uint64_t number(const char *text)
{
	char *end;
	uint64_t n = strtoull(text, &end, 0);

	switch (*end) {
	case 'k':
		n <<= 10;
		end++;
		break;
	case 'M':
		n <<= 20;
		end++;
		break;
	}
	if (*end && *end != ':') {
		fprintf(stderr, "%s is no number\n", text);
		exit(2);
	}
	return n;
}

static void parse(int argc, char **argv)
{
	int i;

	for (i = 0; i < argc; i++) {
		const char *name = argv[i], *arg;

		if (!strcmp(name, "--overlap")) {
			o.overlap = true;
			continue;
		} else if (!strcmp(name, "--verify")) {
			o.verify = true;
			continue;
		} else if (!strcmp(name, "--errors")) {
			o.errors_ok = true;
			continue;
		} else if (!strcmp(name, "--fsync")) {
			o.fsync = true;
			continue;
		}
		if (++i == argc) {
			fprintf(stderr, "%s: unknown, or its value is missing\n", name);
			exit(2);
		}
		arg = argv[i];
		if (!strcmp(name, "--seed"))
			o.seed = number(arg);
		else if (!strcmp(name, "--lanes"))
			o.lanes = (unsigned int)number(arg);
		else if (!strcmp(name, "--ops"))
			o.ops = number(arg);
		else if (!strcmp(name, "--seconds"))
			o.seconds = (unsigned int)number(arg);
		else if (!strcmp(name, "--min"))
			o.min = number(arg);
		else if (!strcmp(name, "--max"))
			o.max = number(arg);
		else if (!strcmp(name, "--align"))
			o.align = number(arg);
		else if (!strcmp(name, "--pause"))
			o.pause_us = (unsigned int)number(arg);
		else if (!strcmp(name, "--iov"))
			o.iov = (unsigned int)number(arg);
		else if (!strcmp(name, "--hot"))
			o.hot = (unsigned int)number(arg);
		else if (!strcmp(name, "--discard"))
			o.discard = (unsigned int)number(arg);
		else if (!strcmp(name, "--zero"))
			o.zero = (unsigned int)number(arg);
		else if (!strcmp(name, "--fua"))
			o.fua = (unsigned int)number(arg);
		else if (!strcmp(name, "--flush"))
			o.flush = (unsigned int)number(arg);
		else if (!strcmp(name, "--read"))
			o.read = (unsigned int)number(arg);
		else if (!strcmp(name, "--area") && strchr(arg, ':')) {
			o.first = number(arg);
			o.len = number(strchr(arg, ':') + 1);
		} else {
			fprintf(stderr, "%s: unknown\n", name);
			exit(2);
		}
	}
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_term };

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 4 && !strcmp(argv[1], "cmp"))
		return cmd_cmp(argv[2], argv[3]);
	if (argc < 3) {
		fprintf(stderr, "usage: dmoload run|fill|scribble DEV [OPTION...] | cmp A B\n");
		return 2;
	}
	o.dev = argv[2];
	parse(argc - 3, argv + 3);
	o.fd = open_direct(o.dev, O_RDWR);
	if (!o.len)
		o.len = dev_size(o.fd) - o.first;
	if (!o.lanes || o.lanes > MAX_LANES || o.max > o.len || o.min > o.max || !o.align ||
	    !o.iov || o.iov > MAX_IOV) {
		fprintf(stderr, "these numbers don't go together\n");
		return 2;
	}
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	if (!strcmp(argv[1], "run"))
		return cmd_run();
	if (!strcmp(argv[1], "fill"))
		return cmd_fill();
	if (!strcmp(argv[1], "scribble"))
		return cmd_scribble();
	fprintf(stderr, "%s: unknown\n", argv[1]);
	return 2;
}
