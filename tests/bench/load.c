// SPDX-License-Identifier: GPL-2.0-only
/*
 * dmobench DEV OPTION...: a load on a block device whose own cost is small and the same for
 * every device: all addresses are drawn, and all memory is touched, before the clock starts.
 * With --depth 1 it is pread() and pwrite(), else the kernel's AIO, by its system calls.
 *
 *   --op write|read      default write       --size N      bytes, default 4k
 *   --walk random|once|seq                   once: each block of the area once, in random order
 *   --depth N            default 1           --ops N       default 1000; once: at most the area's blocks
 *   --area FIRST:LENGTH  bytes (k, M)        --seed N      --zipf T  random: skewed, T in thousandths
 *   --seconds N          no operation begins later than that
 *   --rate N             operations a second, each due at its time; default: as fast as they go
 *   --arrive even|random default even; random: with exponential gaps, so that it falls in with nothing
 *   --latencies FILE     one a line, in ns
 *   --warm N             seconds before that, of which nothing is reported
 *   --counter FILE       what is there is a number that grows: by how much
 *
 * Prints ops=N ns=N per_op=NS counted=N p50=NS p99=NS max=NS late=N; per_op is elapsed time by number, late how many began
 * more than a ms behind their time. counted only with --counter, latencies only with --rate or --latencies: they cost something.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MAX_DEPTH	1024

static struct {
	const char *dev, *walk, *latencies, *counter;
	bool read, random;
	uint64_t size, depth, ops, first, len, seed, rate, zipf, seconds, warm;
} o = { .walk = "random", .size = 4096, .depth = 1, .ops = 1000, .seed = 1 };

static int fd;
static uint64_t *at;		/* where operation i goes */
static uint64_t *due;		/* with --rate: when, from the start */
static uint64_t *took;		/* how long it took, or NULL */
static char *buf[MAX_DEPTH];
static struct iocb cb[MAX_DEPTH];
static uint64_t begun[MAX_DEPTH];
static uint64_t late;
static uint64_t warm;		/* when it is warm */
static uint64_t end;		/* when to stop, or 0 */
static struct { uint64_t ns, ops, counter; } from;	/* what was then */

static void die(const char *what)
{
	fprintf(stderr, "dmobench: %s: %s: %s\n", o.dev, what, strerror(errno));
	exit(1);
}

static void usage(const char *what)
{
	fprintf(stderr, "dmobench: %s\n", what);
	exit(2);
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void sleep_until(uint64_t ns)
{
	struct timespec t = { (time_t)(ns / 1000000000), (long)(ns % 1000000000) };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		;
}

static uint64_t rnd(void)
{
	uint64_t z = (o.seed += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static void *memory(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (p == MAP_FAILED)
		die("memory");
	return p;
}

/* ---- where to ---- */

static void shuffle(uint64_t *a, uint64_t n)
{
	uint64_t i, k, t;

	for (i = n; i > 1; i--) {
		k = rnd() % i;
		t = a[i - 1];
		a[i - 1] = a[k];
		a[k] = t;
	}
}

/* The rank-th block is drawn with a weight of 1/rank^zipf; which block that is, is random. */
static void draw_zipf(uint64_t *order, uint64_t blocks)
{
	double *sum = memory(blocks * sizeof(*sum)), total = 0, x;
	uint64_t i, low, high, mid;

	for (i = 0; i < blocks; i++)
		sum[i] = total += pow((double)(i + 1), -(double)o.zipf / 1000);
	for (i = 0; i < o.ops; i++) {
		x = (double)(rnd() >> 11) / 9007199254740992.0 * total;
		for (low = 0, high = blocks - 1; low < high;) {
			mid = (low + high) / 2;
			if (sum[mid] < x)
				low = mid + 1;
			else
				high = mid;
		}
		at[i] = order[low];
	}
	munmap(sum, blocks * sizeof(*sum));
}

static void draw(void)
{
	uint64_t blocks = o.len / o.size, i, *order;

	if (!strcmp(o.walk, "once") && o.ops > blocks)
		o.ops = blocks;
	at = memory(o.ops * sizeof(*at));
	order = memory(blocks * sizeof(*order));
	for (i = 0; i < blocks; i++)
		order[i] = i;
	if (!strcmp(o.walk, "once") || o.zipf)
		shuffle(order, blocks);
	if (o.zipf)
		draw_zipf(order, blocks);
	for (i = 0; i < o.ops; i++) {
		if (!o.zipf)
			at[i] = !strcmp(o.walk, "random") ? rnd() % blocks : order[i % blocks];
		at[i] = o.first + at[i] * o.size;
	}
	munmap(order, blocks * sizeof(*order));
}

/* Of an even pace any interval that is kept by something else makes a beat. */
static void draw_times(void)
{
	double t = 0;
	uint64_t i;

	due = memory(o.ops * sizeof(*due));
	for (i = 0; i < o.ops; i++) {
		due[i] = o.random ? (uint64_t)t : i * 1000000000 / o.rate;
		t -= log(((double)(rnd() >> 11) + 1) / 9007199254740992.0) * 1e9 / (double)o.rate;
	}
}

/* ---- the load ---- */

static uint64_t counter(void)
{
	unsigned long long n = 0;
	FILE *f;

	if (!o.counter)
		return 0;
	f = fopen(o.counter, "r");
	if (!f || fscanf(f, "%llu", &n) != 1)
		die(o.counter);
	fclose(f);
	return n;
}

/* All that were drawn were begun, or time is over: then that is how many there were. */
static bool over(uint64_t i)
{
	uint64_t t = end || warm ? now() : 0;

	if (warm && t >= warm) {
		from.ns = t;
		from.ops = i;
		from.counter = counter();
		warm = 0;
	}
	if (i < o.ops && (!end || t < end))
		return false;
	o.ops = i;
	return true;
}

static void wait_due(uint64_t start, uint64_t i)
{
	uint64_t when = start + due[i], t = now();

	if (t < when)
		sleep_until(when);
	else if (t - when > 1000000)
		late++;
}

static void run_sync(uint64_t start)
{
	uint64_t i, t = 0;
	ssize_t n;

	for (i = 0; !over(i); i++) {
		if (o.rate)
			wait_due(start, i);
		if (took)
			t = now();
		n = o.read ? pread(fd, buf[0], o.size, (off_t)at[i])
			   : pwrite(fd, buf[0], o.size, (off_t)at[i]);
		if (n != (ssize_t)o.size)
			die(o.read ? "read" : "write");
		if (took)
			took[i] = now() - t;
	}
}

/* Collect at least @min of those in flight; the places they had are put on @idle. */
static unsigned int reap(aio_context_t ctx, long min, unsigned int *idle, struct timespec *limit)
{
	struct io_event ev[MAX_DEPTH];
	uint64_t t;
	long n, i;

	n = syscall(SYS_io_getevents, ctx, min, (long)o.depth, ev, limit);
	if (n < 0)
		die("io_getevents");
	t = took ? now() : 0;
	for (i = 0; i < n; i++) {
		struct iocb *c = (struct iocb *)(uintptr_t)ev[i].obj;

		if (ev[i].res != (int64_t)o.size) {
			errno = (int)-ev[i].res;
			die("I/O");
		}
		if (took)
			took[c->aio_data] = t - begun[c - cb];
		idle[i] = (unsigned int)(c - cb);
	}
	return (unsigned int)n;
}

static void submit(aio_context_t ctx, const unsigned int *places, unsigned int n, uint64_t i)
{
	struct iocb *list[MAX_DEPTH];
	uint64_t t = took ? now() : 0;
	unsigned int k;

	for (k = 0; k < n; k++) {
		struct iocb *c = &cb[places[k]];

		c->aio_offset = (int64_t)at[i + k];
		c->aio_data = i + k;
		begun[places[k]] = t;
		list[k] = c;
	}
	if (syscall(SYS_io_submit, ctx, (long)n, list) != (long)n)
		die("io_submit");
}

/* Until operation @i is due collect what ends; the number of places idle then. */
static unsigned int collect_until_due(aio_context_t ctx, unsigned int *idle, unsigned int nr_idle,
				      uint64_t start, uint64_t i)
{
	uint64_t when = start + due[i], t;
	struct timespec limit;

	while (nr_idle < o.depth && (t = now()) < when) {
		limit.tv_sec = (time_t)((when - t) / 1000000000);
		limit.tv_nsec = (long)((when - t) % 1000000000);
		nr_idle += reap(ctx, 1, idle + nr_idle, &limit);
	}
	wait_due(start, i);
	return nr_idle;
}

static void run_async(uint64_t start)
{
	unsigned int idle[MAX_DEPTH], nr_idle = (unsigned int)o.depth, n, k;
	aio_context_t ctx = 0;
	uint64_t i = 0;

	if (syscall(SYS_io_setup, (unsigned int)o.depth, &ctx))
		die("io_setup");
	for (k = 0; k < o.depth; k++) {
		idle[k] = k;
		cb[k].aio_fildes = (uint32_t)fd;
		cb[k].aio_lio_opcode = o.read ? IOCB_CMD_PREAD : IOCB_CMD_PWRITE;
		cb[k].aio_buf = (uintptr_t)buf[k];
		cb[k].aio_nbytes = o.size;
	}
	while (!over(i)) {
		if (o.rate)
			nr_idle = collect_until_due(ctx, idle, nr_idle, start, i);
		while (!nr_idle)
			nr_idle = reap(ctx, 1, idle, NULL);
		n = o.rate ? 1 : nr_idle;
		if (n > o.ops - i)
			n = (unsigned int)(o.ops - i);
		nr_idle -= n;
		submit(ctx, idle + nr_idle, n, i);
		i += n;
	}
	while (nr_idle < o.depth)
		nr_idle += reap(ctx, (long)(o.depth - nr_idle), idle + nr_idle, NULL);
	/* taking the context down would wait for a grace period: that is not the load's */
}

/* ---- what came of it ---- */

static int by_size(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void write_latencies(void)
{
	FILE *f = fopen(o.latencies, "w");
	uint64_t i;

	if (!f)
		die(o.latencies);
	for (i = 0; i < o.ops; i++)
		fprintf(f, "%llu\n", (unsigned long long)took[i]);
	if (fclose(f))
		die(o.latencies);
}

static void report(uint64_t ns)
{
	o.ops -= from.ops;
	printf("ops=%llu ns=%llu per_op=%.1f", (unsigned long long)o.ops, (unsigned long long)ns,
	       (double)ns / (double)o.ops);
	if (o.counter)
		printf(" counted=%llu", (unsigned long long)(counter() - from.counter));
	if (took) {
		uint64_t i, sum = 0;

		took += from.ops;
		for (i = 0; i < o.ops; i++)
			sum += took[i];
		if (o.latencies)
			write_latencies();
		qsort(took, o.ops, sizeof(*took), by_size);
		printf(" mean=%.1f p50=%llu p99=%llu max=%llu late=%llu", (double)sum / (double)o.ops,
		       (unsigned long long)took[o.ops / 2],
		       (unsigned long long)took[o.ops * 99 / 100],
		       (unsigned long long)took[o.ops - 1], (unsigned long long)late);
	}
	putchar('\n');
}

static uint64_t number(const char *text)
{
	char *rest;
	uint64_t n = strtoull(text, &rest, 0);

	if (*rest == 'k')
		n <<= 10;
	else if (*rest == 'M')
		n <<= 20;
	else if (rest == text || (*rest && *rest != ':'))
		usage("an option has no number");
	return n;
}

static void parse(int argc, char **argv)
{
	int i;

	for (i = 0; i + 1 < argc; i += 2) {
		const char *name = argv[i], *arg = argv[i + 1];

		if (!strcmp(name, "--op"))
			o.read = !strcmp(arg, "read");
		else if (!strcmp(name, "--walk"))
			o.walk = arg;
		else if (!strcmp(name, "--latencies"))
			o.latencies = arg;
		else if (!strcmp(name, "--counter"))
			o.counter = arg;
		else if (!strcmp(name, "--warm"))
			o.warm = number(arg);
		else if (!strcmp(name, "--size"))
			o.size = number(arg);
		else if (!strcmp(name, "--depth"))
			o.depth = number(arg);
		else if (!strcmp(name, "--ops"))
			o.ops = number(arg);
		else if (!strcmp(name, "--seconds"))
			o.seconds = number(arg);
		else if (!strcmp(name, "--seed"))
			o.seed = number(arg);
		else if (!strcmp(name, "--rate"))
			o.rate = number(arg);
		else if (!strcmp(name, "--arrive"))
			o.random = !strcmp(arg, "random");
		else if (!strcmp(name, "--zipf"))
			o.zipf = number(arg);
		else if (!strcmp(name, "--area") && strchr(arg, ':')) {
			o.first = number(arg);
			o.len = number(strchr(arg, ':') + 1);
		} else {
			usage("unknown option; see the head of load.c");
		}
	}
	if (i < argc)
		usage("the last option has no value");
}

int main(int argc, char **argv)
{
	uint64_t start, size = 0;
	unsigned int i;
	size_t k;

	if (argc < 2)
		usage("no device");
	o.dev = argv[1];
	parse(argc - 2, argv + 2);
	fd = open(o.dev, O_RDWR | O_DIRECT);
	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &size))
		die("open");
	if (!o.len)
		o.len = size - o.first;
	if (!o.depth || o.depth > MAX_DEPTH || !o.size || o.len < o.size || !o.ops)
		usage("these numbers don't go together");
	draw();
	for (i = 0; i < o.depth; i++) {
		buf[i] = memory(o.size);
		for (k = 0; k < o.size; k += 8)
			*(uint64_t *)(buf[i] + k) = rnd();
	}
	if (o.rate)
		draw_times();
	if (o.rate || o.latencies)
		took = memory(o.ops * sizeof(*took));
	start = now();
	from.ns = start;
	from.counter = counter();
	warm = o.warm ? start + o.warm * 1000000000 : 0;
	end = o.seconds ? start + (o.warm + o.seconds) * 1000000000 : 0;
	if (o.depth == 1)
		run_sync(start);
	else
		run_async(start);
	if (warm || from.ops == o.ops)
		usage("it was over before it was warm");
	report(now() - from.ns);
	return 0;
}
