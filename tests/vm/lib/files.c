// SPDX-License-Identifier: GPL-2.0-only
/*
 * dmofiles: files on several file systems whose order is known, and a look at what is left of them.
 *
 *   dmofiles write ACKS DIR...	until SIGTERM or an error; ACKS (on another file system) counts what was done
 *   dmofiles acks ACKS		print these counts, "N,N,..."
 *   dmofiles check ACKS LEAST DIR...	look at what is there; LEAST is what `acks` printed at a time whose
 *	writes must all be there; prints files=... newest=N,N,...
 *
 *   --lanes N (2)	--max BYTES of a file (40000)	--keep N files a lane and directory (16)
 *   --pause US	between operations	--errors	(write) an error ends it well: the disk was taken away
 *
 * A lane is a thread. Its operation k goes to directory (lane + k) modulo their number and is, each step done when
 * the next begins: record k overwrites a place in the file ring.LANE, fdatasync; file LANE.k.tmp is written, fsync,
 * renamed to LANE.k, an old file is removed, fsync of the directory; ACKS[lane] = k. Record and file name the counts of
 * all lanes when the operation began: that many were durable before it, on whichever file system.
 *
 * Checked: of each lane the files up to its newest are there, whole, but for those removed; none that was to be
 * gone is; the records are those of these operations (only the operation in hand may have left a torn one); what the newest
 * files and records name as done before them is there, in all lanes and directories; not less than LEAST, and not
 * more than was begun according to ACKS.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_LANES	8
#define MAX_DIRS	8
#define SLOTS		8	/* of a ring */
#define RECORD		8192u
#define MAGIC		0x73656c6966306d64ull

struct head {
	uint64_t magic, lane, k, len;
	uint64_t acks[MAX_LANES];
	uint64_t sum;		/* of all of it, with 0 here */
};

static unsigned int nlanes = 2, ndirs, pause_us;
static uint64_t max_len = 40000, keep = 16;
static bool errors_ok;
static char *dirs[MAX_DIRS];
static _Atomic uint64_t *acks;
static atomic_bool stop, failed;

static bool bad(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	atomic_store(&failed, true);
	return false;
}

static uint64_t fnv(const unsigned char *p, uint64_t len)
{
	uint64_t h = 0xcbf29ce484222325ull, w;

	for (; len >= 8; p += 8, len -= 8) {
		memcpy(&w, p, 8);
		h = (h ^ w) * 0x100000001b3ull;
		h ^= h >> 29;
	}
	while (len--)
		h = (h ^ *p++) * 0x100000001b3ull;
	return h;
}

static void make(unsigned char *buf, unsigned int lane, uint64_t k, uint64_t len)
{
	struct head *h = (struct head *)buf;
	uint64_t x = lane * 1000003 + k + 1, i;
	unsigned int l;

	for (i = 0; i < len; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		buf[i] = (unsigned char)x;
	}
	memset(h, 0, sizeof(*h));
	h->magic = MAGIC;
	h->lane = lane;
	h->k = k;
	h->len = len;
	for (l = 0; l < nlanes; l++)
		h->acks[l] = atomic_load(&acks[l]);
	h->sum = fnv(buf, len);
}

static bool whole(unsigned char *buf, unsigned int lane, uint64_t len)
{
	struct head *h = (struct head *)buf;
	uint64_t sum = h->sum;

	if (len < sizeof(*h) || h->magic != MAGIC || h->lane != lane || h->len != len)
		return false;
	h->sum = 0;
	h->sum = fnv(buf, len);
	return h->sum == sum;
}

static unsigned int dir_of(unsigned int lane, uint64_t k) { return (unsigned int)((lane + k) % ndirs); }
static off_t slot_of(uint64_t k) { return (off_t)(k / ndirs % SLOTS * RECORD); }

/* ---- write ---- */

struct lane {
	pthread_t thread;
	unsigned int nr;
	int dir[MAX_DIRS], ring[MAX_DIRS];
	unsigned char *buf;
};

static bool put(int fd, const unsigned char *buf, uint64_t len, off_t at)
{
	return pwrite(fd, buf, len, at) == (ssize_t)len;
}

/* One operation; what it returns is the step that failed, or NULL. */
static const char *operation(struct lane *l, uint64_t k)
{
	unsigned int d = dir_of(l->nr, k);
	uint64_t len = sizeof(struct head) + k * 2654435761u % max_len;
	char name[64], tmp[72];
	int fd, rc;

	make(l->buf, l->nr, k, RECORD);
	if (!put(l->ring[d], l->buf, RECORD, slot_of(k)) || fdatasync(l->ring[d]))
		return "the ring";
	snprintf(name, sizeof(name), "%u.%llu", l->nr, (unsigned long long)k);
	snprintf(tmp, sizeof(tmp), "%s.tmp", name);
	make(l->buf, l->nr, k, len);
	fd = openat(l->dir[d], tmp, O_CREAT | O_EXCL | O_WRONLY, 0600);
	if (fd < 0)
		return "creating a file";
	rc = put(fd, l->buf, len, 0) ? fsync(fd) : -1;
	if (close(fd) || rc)
		return "writing a file";
	if (renameat(l->dir[d], tmp, l->dir[d], name))
		return "renaming";
	if (k > keep * ndirs) {
		snprintf(name, sizeof(name), "%u.%llu", l->nr, (unsigned long long)(k - keep * ndirs));
		if (unlinkat(l->dir[d], name, 0))
			return "removing";
	}
	return fsync(l->dir[d]) ? "fsync of the directory" : NULL;
}

static void *run_lane(void *arg)
{
	struct lane *l = arg;
	const char *what;
	uint64_t k;

	for (k = 1; !atomic_load(&stop); k++) {
		what = operation(l, k);
		if (what) {
			if (!errors_ok)
				bad("lane %u, operation %llu: %s: %s", l->nr, (unsigned long long)k, what,
				    strerror(errno));
			atomic_store(&stop, true);
			break;
		}
		atomic_store(&acks[l->nr], k);
		if (pause_us)
			usleep(pause_us);
	}
	return NULL;
}

static void open_lane(struct lane *l)
{
	unsigned char zero[RECORD] = { 0 };
	char name[32];
	unsigned int d, s;

	l->buf = calloc(1, max_len + sizeof(struct head) + RECORD);
	snprintf(name, sizeof(name), "ring.%u", l->nr);
	for (d = 0; d < ndirs; d++) {
		l->dir[d] = open(dirs[d], O_RDONLY | O_DIRECTORY);
		l->ring[d] = openat(l->dir[d], name, O_CREAT | O_RDWR, 0600);
		for (s = 0; s < SLOTS; s++)
			if (!put(l->ring[d], zero, RECORD, s * RECORD)) {
				perror(dirs[d]);
				exit(1);
			}
		if (fsync(l->ring[d]) || fsync(l->dir[d])) {
			perror(dirs[d]);
			exit(1);
		}
	}
}

static void on_term(int sig)
{
	(void)sig;
	atomic_store(&stop, true);
}

static int cmd_write(void)
{
	struct sigaction sa = { .sa_handler = on_term };
	static struct lane lanes[MAX_LANES];
	unsigned int i;

	sigaction(SIGTERM, &sa, NULL);
	for (i = 0; i < nlanes; i++) {
		lanes[i].nr = i;
		open_lane(&lanes[i]);
	}
	for (i = 0; i < nlanes; i++)
		if (pthread_create(&lanes[i].thread, NULL, run_lane, &lanes[i]))
			return 1;
	for (i = 0; i < nlanes; i++)
		pthread_join(lanes[i].thread, NULL);
	return failed;
}

/* ---- check ---- */

static uint64_t newest[MAX_LANES], files;

/* Lane and number of a file of ours; *tmp says that it is not yet one. */
static bool parse_name(const char *name, unsigned int *lane, uint64_t *k, bool *tmp)
{
	char *end;

	*lane = (unsigned int)strtoul(name, &end, 10);
	if (end == name || *end != '.' || *lane >= nlanes)
		return false;
	name = end + 1;
	*k = strtoull(name, &end, 10);
	*tmp = !strcmp(end, ".tmp");
	return end != name && (*tmp || !*end);
}

static void each_file(void (*fn)(unsigned int d, int dirfd, unsigned int lane, uint64_t k, bool tmp))
{
	unsigned int d, lane;
	struct dirent *e;
	uint64_t k;
	bool tmp;
	DIR *dir;

	for (d = 0; d < ndirs; d++) {
		dir = opendir(dirs[d]);
		if (!dir) {
			bad("%s: %s", dirs[d], strerror(errno));
			continue;
		}
		while ((e = readdir(dir)))
			if (parse_name(e->d_name, &lane, &k, &tmp))
				fn(d, dirfd(dir), lane, k, tmp);
			else if (e->d_name[0] != '.' && strncmp(e->d_name, "ring.", 5) &&
				 strcmp(e->d_name, "lost+found"))
				bad("%s: what is %s?", dirs[d], e->d_name);
		closedir(dir);
	}
}

static void find_newest(unsigned int d, int dirfd, unsigned int lane, uint64_t k, bool tmp)
{
	(void)d;
	(void)dirfd;
	if (!tmp && k > newest[lane])
		newest[lane] = k;
}

static void check_before(const char *what, const struct head *h)
{
	unsigned int l;

	for (l = 0; l < nlanes; l++)
		if (h->acks[l] > newest[l])
			bad("%s %llu of lane %llu is there, but was begun after %llu of lane %u, and that lane ends with %llu",
			    what, (unsigned long long)h->k, (unsigned long long)h->lane,
			    (unsigned long long)h->acks[l], l, (unsigned long long)newest[l]);
}

static void check_file(unsigned int d, int dirfd, unsigned int lane, uint64_t k, bool tmp)
{
	static unsigned char *buf;
	uint64_t size = max_len + sizeof(struct head) + 1;
	char name[64];
	ssize_t n;
	int fd;

	if (tmp) {
		if (k != newest[lane] + 1)
			bad("%s/%u.%llu.tmp is there, the newest file is %llu", dirs[d], lane,
			    (unsigned long long)k, (unsigned long long)newest[lane]);
		return;
	}
	files++;
	if (d != dir_of(lane, k))
		bad("%s/%u.%llu: that's the wrong directory", dirs[d], lane, (unsigned long long)k);
	if (k + keep * ndirs < newest[lane])
		bad("%s/%u.%llu was removed before %llu was written", dirs[d], lane,
		    (unsigned long long)k, (unsigned long long)newest[lane]);
	if (!buf)
		buf = malloc(size);
	snprintf(name, sizeof(name), "%u.%llu", lane, (unsigned long long)k);
	fd = openat(dirfd, name, O_RDONLY);
	n = fd < 0 ? -1 : read(fd, buf, size);
	if (n < 0)
		bad("%s/%s: %s", dirs[d], name, strerror(errno));
	else if (!whole(buf, lane, (uint64_t)n) || ((struct head *)buf)->k != k)
		bad("%s/%s, %zd bytes, isn't what was written", dirs[d], name, n);
	else
		check_before("file", (struct head *)buf);
	if (fd >= 0)
		close(fd);
}

/* Of the operations up to @last, the newest with its record in this place. */
static uint64_t expected(unsigned int lane, unsigned int d, off_t at, uint64_t last)
{
	uint64_t k;

	for (k = last; k; k--)
		if (dir_of(lane, k) == d && slot_of(k) == at)
			return k;
	return 0;
}

static void check_rings(void)
{
	unsigned char buf[RECORD];
	struct head *h = (struct head *)buf;
	unsigned int d, l, s;
	char path[512];
	uint64_t k, next;
	bool zero;
	int fd;

	for (d = 0; d < ndirs; d++) {
		for (l = 0; l < nlanes; l++) {
			snprintf(path, sizeof(path), "%s/ring.%u", dirs[d], l);
			fd = open(path, O_RDONLY);
			for (s = 0; s < SLOTS; s++) {
				if (fd < 0 || pread(fd, buf, RECORD, s * RECORD) != RECORD) {
					bad("%s: %s", path, strerror(errno));
					break;
				}
				k = expected(l, d, s * RECORD, newest[l]);
				next = expected(l, d, s * RECORD, newest[l] + 1);
				zero = !h->magic;
				if (whole(buf, l, RECORD) && (h->k == k || h->k == next))
					check_before("record", h);
				else if (next == k && !(k == 0 && zero))
					bad("%s: record %llu should be there", path, (unsigned long long)k);
			}
			if (fd >= 0)
				close(fd);
		}
	}
}

static void check_gaps(unsigned int l)
{
	uint64_t k, oldest = newest[l] + 1 > keep * ndirs ? newest[l] + 2 - keep * ndirs : 1;
	char path[512];

	for (k = oldest; k <= newest[l]; k++) {
		snprintf(path, sizeof(path), "%s/%u.%llu", dirs[dir_of(l, k)], l, (unsigned long long)k);
		if (access(path, F_OK))
			bad("%s is missing, %llu is there", path, (unsigned long long)newest[l]);
	}
}

static int cmd_check(const char *least)
{
	unsigned int l;
	char *end;

	each_file(find_newest);
	each_file(check_file);
	check_rings();
	for (l = 0; l < nlanes; l++) {
		check_gaps(l);
		if (newest[l] < strtoull(least, &end, 10))
			bad("lane %u ends with %llu, at least %s was to be there", l,
			    (unsigned long long)newest[l], least);
		if (newest[l] > atomic_load(&acks[l]) + 1)
			bad("lane %u ends with %llu, only %llu were written", l,
			    (unsigned long long)newest[l], (unsigned long long)atomic_load(&acks[l]));
		least = end + (*end == ',');
	}
	printf("files=%llu newest=", (unsigned long long)files);
	for (l = 0; l < nlanes; l++)
		printf("%s%llu", l ? "," : "", (unsigned long long)newest[l]);
	puts("");
	return failed;
}

static int cmd_acks(void)
{
	unsigned int l;

	for (l = 0; l < nlanes; l++)
		printf("%s%llu", l ? "," : "", (unsigned long long)atomic_load(&acks[l]));
	puts("");
	return 0;
}

static void map_acks(const char *name)
{
	int fd = open(name, O_CREAT | O_RDWR, 0600);
	void *p = MAP_FAILED;

	if (fd >= 0 && !ftruncate(fd, 4096))
		p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED) {
		perror(name);
		exit(2);
	}
	acks = p;
}

int main(int argc, char **argv)
{
	const char *words[3] = { "", "", "" };
	unsigned int n = 0, want;
	int i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	want = argc > 1 && !strcmp(argv[1], "check") ? 3 : 2;
	for (i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--errors"))
			errors_ok = true;
		else if (!strcmp(argv[i], "--lanes") && i + 1 < argc)
			nlanes = (unsigned int)strtoul(argv[++i], NULL, 0);
		else if (!strcmp(argv[i], "--max") && i + 1 < argc)
			max_len = strtoull(argv[++i], NULL, 0);
		else if (!strcmp(argv[i], "--pause") && i + 1 < argc)
			pause_us = (unsigned int)strtoul(argv[++i], NULL, 0);
		else if (!strcmp(argv[i], "--keep") && i + 1 < argc)
			keep = strtoull(argv[++i], NULL, 0);
		else if (n < want)
			words[n++] = argv[i];
		else if (ndirs < MAX_DIRS)
			dirs[ndirs++] = argv[i];
	}
	if (n == want && nlanes && nlanes <= MAX_LANES && max_len && keep) {
		map_acks(words[1]);
		if (!strcmp(words[0], "write") && ndirs)
			return cmd_write();
		if (!strcmp(words[0], "check") && ndirs)
			return cmd_check(words[2]);
		if (!strcmp(words[0], "acks") && !ndirs)
			return cmd_acks();
	}
	fprintf(stderr, "usage: dmofiles write ACKS DIR... | acks ACKS | check ACKS LEAST DIR...\n");
	return 2;
}
