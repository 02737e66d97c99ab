// SPDX-License-Identifier: GPL-2.0-only
/*
 * dmocheck: does an image of the secondary's volumes agree with the histories of dmowork and the
 * trace of the primary? What is checked, and why it is sound: check.h.
 *
 *   dmocheck --history FILE... --volume ID=FILE... [OPTION...]
 *
 *   --history FILE	one for each dmowork of the run
 *   --volume ID=FILE	file or device that shows what the secondary has of volume ID
 *   --cut EPOCH.N	the cut at which the secondary says it is
 *   --trace FILE	of the primary, from before its first write on: checks B, too; needs --cut
 *   --dev MAJOR:MINOR	only events of that session
 *   --need-b		it is a failure if B can't be done, since the trace ends too early
 *   --all		everything that was acknowledged must be there
 *   --rpo MS		the oldest write that was acknowledged and is lost may be that old
 *   --atomic KIB	a write within an aligned piece of this size is whole or not there (1024; 0: no such claim)
 *   --tokens-only	only clocks order writes, not the order of the lines of a history
 *
 * Prints what it found, then one line that says ok or FAILED. Ends with 0: all is well; 1: a failure; 2: it
 * could not check; 3: well, but B could not be done.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "check.h"
#include "stamp.h"

#define MAX_FILES 64

static void die(const char *what, const char *why)
{
	printf("dmocheck: %s: %s\n", what, why);
	exit(2);
}

/* Past the page cache if it is a device. */
static void *load(const char *path, size_t *len)
{
	struct stat st;
	off_t size;
	char *p;
	size_t at;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st))
		die(path, strerror(errno));
	if (S_ISBLK(st.st_mode)) {
		close(fd);
		fd = open(path, O_RDONLY | O_CLOEXEC | O_DIRECT);
		if (fd < 0)
			die(path, strerror(errno));
	}
	size = lseek(fd, 0, SEEK_END);
	if (size < 0 || posix_memalign((void **)&p, 4096, (size_t)size + 4096))
		die(path, "no memory, or no size");
	for (at = 0; at < (size_t)size;) {
		size_t want = (size_t)size - at < 1 << 20 ? (size_t)size - at : 1 << 20;
		ssize_t n = pread(fd, p + at, want, (off_t)at);

		if (n < 0)
			die(path, strerror(errno));
		if (!n)
			break;
		at += (size_t)n;
	}
	close(fd);
	*len = at;
	return p;
}

static void say(void *arg, const char *text)
{
	(void)arg;
	printf("%s\n", text);
}

static void parse_cut(const char *text, struct ck_options *o)
{
	if (sscanf(text, "%" SCNu64 ".%" SCNu64, &o->cut.epoch, &o->cut.n) != 2)
		die(text, "no cut");
	o->has_cut = true;
}

static void print_result(const struct ck_options *o, const struct ck_result *r)
{
	unsigned int i;

	for (i = 0; i < CK_KINDS; i++)
		if (r->failures[i])
			printf("%s: %u times\n", ck_kind_names[i], r->failures[i]);
	printf("%s ops=%" PRIu64 " acked=%" PRIu64 " lost=%" PRIu64 " oldest_lost_ms=%" PRIu64 " sectors=%" PRIu64 " stamped=%"
	       PRIu64 " zero=%" PRIu64 " initial=%" PRIu64 " required=%" PRIu64 " marks=%" PRIu64 " commits=%" PRIu64,
	       r->failed ? "FAILED" : "ok", r->ops, r->acked, r->lost, r->oldest_lost_us / 1000, r->sectors, r->stamped,
	       r->zero, r->initial, r->required, r->marks, r->commits);
	if (o->has_cut)
		printf(" cut=%" PRIu64 ".%" PRIu64, o->cut.epoch, o->cut.n);
	if (o->b)
		printf(" events=%" PRIu64 " cuts=%" PRIu64 " B=%s%s", r->events, r->cuts, r->b_done ? "done" : "not done: ",
		       r->b_done ? "" : r->b_why);
	printf("\n");
}

int main(int argc, char **argv)
{
	enum { HISTORY = 1, VOLUME, CUT, TRACE, DEV, NEED_B, ALL, RPO, ATOMIC, TOKENS };
	static const struct option options[] = {
		{ "history", required_argument, NULL, HISTORY },
		{ "volume", required_argument, NULL, VOLUME },
		{ "cut", required_argument, NULL, CUT },
		{ "trace", required_argument, NULL, TRACE },
		{ "dev", required_argument, NULL, DEV },
		{ "need-b", no_argument, NULL, NEED_B },
		{ "all", no_argument, NULL, ALL },
		{ "rpo", required_argument, NULL, RPO },
		{ "atomic", required_argument, NULL, ATOMIC },
		{ "tokens-only", no_argument, NULL, TOKENS },
		{ 0 }
	};
	const char *volumes[256], *traces[MAX_FILES], *histories[MAX_FILES], *dev = NULL;
	struct ck_options o = { .atomic = 2048 };
	unsigned int nr_vols = 0, nr_traces = 0, nr_histories = 0, i;
	struct ck *c = ck_new();
	bool need_b = false;
	struct ck_result r;
	size_t len;
	char *text;
	int opt;

	ck_say(c, say, NULL);
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case HISTORY:
			if (nr_histories == MAX_FILES)
				die(optarg, "too many");
			histories[nr_histories++] = optarg;
			break;
		case VOLUME:
			if (nr_vols == 256)
				die(optarg, "too many");
			volumes[nr_vols++] = optarg;
			break;
		case CUT:
			parse_cut(optarg, &o);
			break;
		case TRACE:
			if (nr_traces == MAX_FILES)
				die(optarg, "too many");
			traces[nr_traces++] = optarg;
			o.b = true;
			break;
		case DEV:
			dev = optarg;
			break;
		case NEED_B:
			need_b = true;
			break;
		case ALL:
			o.all = true;
			break;
		case RPO:
			o.rpo_us = strtoull(optarg, NULL, 0) * 1000;
			break;
		case ATOMIC:
			o.atomic = (uint32_t)strtoul(optarg, NULL, 0) * 2;
			break;
		case TOKENS:
			o.tokens_only = true;
			break;
		default:
			return 2;
		}
	}
	if (optind < argc || !nr_histories || !nr_vols)
		die("arguments", "name histories and volumes");
	/* Both may still grow: what a trace tells of has been in the history by then. */
	for (i = 0; i < nr_traces; i++) {
		text = load(traces[i], &len);
		ck_add_trace(c, traces[i], text, len, dev);
		free(text);
	}
	for (i = 0; i < nr_histories; i++) {
		text = load(histories[i], &len);
		if (ck_add_history(c, histories[i], text, len))
			return 2;
		free(text);
	}
	for (i = 0; i < nr_vols; i++) {
		unsigned int id;
		int n = 0;

		if (sscanf(volumes[i], "%u=%n", &id, &n) != 1 || !n)
			die(volumes[i], "expected ID=FILE");
		text = load(volumes[i] + n, &len);
		ck_add_image(c, id, text, len / CK_SECTOR);
	}
	ck_check(c, &o, &r);
	print_result(&o, &r);
	if (r.failures[CK_HISTORY])
		return 2;
	if (r.failed || (need_b && !r.b_done))
		return 1;
	return o.b && !r.b_done ? 3 : 0;
}
