// SPDX-License-Identifier: GPL-2.0-only
/*
 * dmoseq: numbered writes, one at a time, whose order can be checked on any copy.
 *
 *   dmoseq write FROM RESERVED DONE DEV...	until killed. Before it issues a number at or above the one in the
 *		file RESERVED it raises that, so that whoever goes on from there after a crash repeats none.
 *		DONE: a file of 8 bytes in memory, the number last completed
 *   dmoseq done FILE			print that number
 *   dmoseq check DEV...	print the newest number, 0: never written; fails, with words, unless the devices
 *		together are what one who stopped after that write would have
 *
 * Number i is written to place i % PLACES: device i % N of them, and within it scattered. A block bears its
 * number in each sector. Whoever begins writes all places once; then what is there is the newest PLACES numbers.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PLACES	256u
#define BLOCK	4096u
#define RESERVE	512u
#define STRIDE	37u	/* odd: scatters over PLACES */

static int fds[16];
static unsigned int nr;
static uint64_t *buf;

static void __attribute__((noreturn)) die(const char *what)
{
	printf("dmoseq: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void open_all(char **dev, int flags)
{
	for (; *dev && nr < 16; dev++) {
		fds[nr] = open(*dev, flags | O_DIRECT);
		if (fds[nr++] < 0)
			die(*dev);
	}
	if (!nr || posix_memalign((void **)&buf, BLOCK, BLOCK))
		die("devices");
}

static off_t offset(uint64_t place)
{
	return (off_t)(place * STRIDE % PLACES * BLOCK);
}

static void reserve(const char *path, uint64_t upto)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0644);
	char text[32];
	int len = snprintf(text, sizeof(text), "%020" PRIu64 "\n", upto);

	if (fd < 0 || pwrite(fd, text, (size_t)len, 0) != len || fsync(fd))
		die(path);
	close(fd);
}

static uint64_t *map_done(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0644);
	void *p;

	if (fd < 0 || (flags & O_CREAT && ftruncate(fd, 8)))
		die(path);
	p = mmap(NULL, 8, flags & O_CREAT ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		die(path);
	close(fd);
	return p;
}

static void write_all(uint64_t i, const char *reserved, volatile uint64_t *done)
{
	uint64_t upto = 0;
	size_t k;

	for (;; i++) {
		if (i >= upto) {
			upto = i + RESERVE;
			reserve(reserved, upto);
		}
		for (k = 0; k < BLOCK / 8; k++)
			buf[k] = i;
		if (pwrite(fds[i % nr], buf, BLOCK, offset(i % PLACES)) != BLOCK)
			die("write");
		*done = i;
	}
}

static int check(void)
{
	uint64_t v[PLACES], newest = 0, p;
	size_t k;

	for (p = 0; p < PLACES; p++) {
		if (pread(fds[p % nr], buf, BLOCK, offset(p)) != BLOCK)
			die("read");
		v[p] = buf[0];
		for (k = 0; k < BLOCK / 8; k++)
			if (buf[k] != v[p]) {
				printf("place %" PRIu64 " is torn: %" PRIu64 " and %" PRIu64 "\n", p, v[p], buf[k]);
				return 1;
			}
		if (v[p] > newest)
			newest = v[p];
	}
	for (p = 0; p < PLACES && newest; p++) {
		uint64_t want = newest - (newest - p) % PLACES;

		if (v[p] != want) {
			printf("newest is %" PRIu64 ", place %" PRIu64 " should have %" PRIu64 ", has %" PRIu64 "\n",
			       newest, p, want, v[p]);
			return 1;
		}
	}
	printf("%" PRIu64 "\n", newest);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 5 && !strcmp(argv[1], "write")) {
		open_all(argv + 5, O_WRONLY);
		write_all(strtoull(argv[2], NULL, 10), argv[3], map_done(argv[4], O_RDWR | O_CREAT));
	}
	if (argc == 3 && !strcmp(argv[1], "done")) {
		printf("%" PRIu64 "\n", *map_done(argv[2], O_RDONLY));
		return 0;
	}
	if (argc > 2 && !strcmp(argv[1], "check")) {
		open_all(argv + 2, O_RDONLY);
		return check();
	}
	fprintf(stderr, "dmoseq: wrong arguments\n");
	return 2;
}
