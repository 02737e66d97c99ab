// SPDX-License-Identifier: GPL-2.0-only
/*
 * dmocut: pull the plug of one end of a session, or of both, or only the link, again and again while
 * the host writes, and see each time what the secondary has.
 *
 *   dmocut NAME VOLUMES MODE CUTS SEED [OPTION...]		CUTS includes those in recovery
 *
 * MODE: sec, pri, both: power; link; frames: the link ends at, or has a byte flipped in, one frame after the
 * other, of either direction; fail: a write or flush of a disk of sec fails, or FUA, and the power may go behind it.
 *
 * NAME is a session of session_make (ordered.sh) with disk=power mdisk=power (but for link and frames), allowed to
 * be read at sec, not linked. All is done from this one process, so that a cut takes a fraction of a second:
 * dm devices are removed and created again from their own table lines, links are socket pairs.
 *
 *   --area KIB	of each volume that a lane writes to (256)
 *   --pause US	between writes of a lane (0)
 *   --hits PERCENT	fail if fewer of the cuts (but those in recovery) hit unflushed writes (0)
 *   --direct 1	cuts may come in the midst of a copy
 *   --wait MS	at most, between a link that is up and the next cut (120)
 *   --deep N	so many cuts in the midst of recovery behind each (default: now and then)
 *   --null 1	the disks of sec are null_blk under dm-linear (disk=lin+null mdisk=lin+null): mode sec only
 *
 * The oracle. Each of four lanes writes in a fixed order, scattered over its area of all volumes, one write
 * at a time, pass after pass, and stamps each sector with the number of the pass. So at any instant
 * what it has written is a prefix of its order: the first positions bear pass g, the others g - 1. If the
 * secondary shows anything else, it is torn. How long the prefix must be at least is known from the command
 * `switch`, whose answer is a cut that covers all that had ended before; at most it is what was issued.
 *
 * What is checked after each cut (of the secondary: after recovery from what its disks kept):
 *   its boundary is not below what the primary was told is COMPLETE, its commit not below what was
 *   acknowledged or ever reported; it is not INCONSISTENT unless a copy was under way; its volumes
 *   show one prefix a lane, long enough for that commit, not longer than what was issued.
 * After a cut of the primary both sides must say that a full copy is due, until it begins.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libdevmapper.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "genl.h"
#include "spoil.h"

#define LANES		4
#define MAX_VOLS	256
#define MAX_RECORDS	65536
#define SECTOR		512u
#define STAMP		0x706d6174532d4f44ull
#define STALL_US	10000000ull

enum mode { CUT_SEC, CUT_PRI, CUT_BOTH, CUT_LINK, CUT_FRAMES, CUT_FAIL };

static const char *name;
static unsigned int nvol;
static enum mode mode;
static uint64_t rng;
static unsigned int area_kib = 256, pause_us, min_hits, direct_ok, wait_ms = 120, deep;
static bool nulls;

/* one end of the session */
static struct end {
	char letter;
	uint32_t major, minor;		/* metadata device */
	char *params[MAX_VOLS];
	uint64_t len[MAX_VOLS];
} pri = { .letter = 'p' }, sec = { .letter = 's' };

struct lane {
	pthread_t thread;
	unsigned int nr;
	size_t unit;
	unsigned int units, stride;
	uint64_t total;			/* positions: units * nvol */
	_Atomic uint64_t issued, done;	/* writes */
	_Atomic bool parked;
	uint64_t max_us;
	unsigned char *buf;
};

static struct lane lanes[LANES];
static int fds[MAX_VOLS];
static atomic_bool park, quit;
static atomic_int write_errors;

/* what each lane had done when a cut was asked for */
static struct { struct dmo_uapi_cut cut; uint64_t done[LANES]; } records[MAX_RECORDS];
static unsigned int nr_records;

static struct dmo_uapi_cut floor_committed, floor_complete;
static struct genl_answer answer;

/* ---- small things ---- */

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("dmocut: ");
	vprintf(fmt, ap);
	printf("\n");
	va_end(ap);
	fflush(stdout);
	_exit(1);
}

static uint64_t rnd(void)
{
	uint64_t z = rng += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static int cmp(struct dmo_uapi_cut a, struct dmo_uapi_cut b)
{
	if (a.epoch != b.epoch)
		return a.epoch < b.epoch ? -1 : 1;
	return a.n < b.n ? -1 : a.n > b.n;
}

static void raise_to(struct dmo_uapi_cut *f, struct dmo_uapi_cut c)
{
	if (cmp(c, *f) > 0)
		*f = c;
}

/* ---- device-mapper ---- */

static struct dm_task *dm_begin(int type, const char *dev)
{
	struct dm_task *t = dm_task_create(type);

	if (!t || !dm_task_set_name(t, dev))
		die("no dm task for %s", dev);
	return t;
}

static void dm_message(const char *dev, const char *text)
{
	struct dm_task *t = dm_begin(DM_DEVICE_TARGET_MSG, dev);

	if (!dm_task_set_sector(t, 0) || !dm_task_set_message(t, text) || !dm_task_run(t))
		die("message '%s' to %s failed", text, dev);
	dm_task_destroy(t);
}

static void dm_line(int type, const char *dev, uint64_t *len, char *text, size_t size)
{
	struct dm_task *t = dm_begin(type, dev);
	char *target = NULL, *params = NULL;
	uint64_t start;

	if (!dm_task_run(t))
		die("%s: no table or status", dev);
	dm_get_next_target(t, NULL, &start, len, &target, &params);
	if (!params)
		die("%s has no table", dev);
	snprintf(text, size, "%s", params);
	dm_task_destroy(t);
}

static const char *vol_name(const struct end *e, unsigned int v)
{
	static char buf[2][128];
	static unsigned int which;

	which ^= 1;
	snprintf(buf[which], sizeof(buf[0]), "%s-%c-%u", name, e->letter, v + 1);
	return buf[which];
}

static void learn_tables(struct end *e)
{
	char text[512];
	unsigned int v;

	for (v = 0; v < nvol; v++) {
		dm_line(DM_DEVICE_TABLE, vol_name(e, v), &e->len[v], text, sizeof(text));
		e->params[v] = strdup(text);
		if (sscanf(text, "%*s %u:%u", &e->major, &e->minor) != 2)
			die("%s: strange table '%s'", vol_name(e, v), text);
	}
}

static void remove_volumes(struct end *e, unsigned int n)
{
	unsigned int v;

	for (v = 0; v < n; v++) {
		struct dm_task *t = dm_begin(DM_DEVICE_REMOVE, vol_name(e, v));
		uint64_t since = now_us();

		if (!dm_task_run(t))
			die("%s can't be removed: %s", vol_name(e, v), strerror(dm_task_get_errno(t)));
		dm_task_destroy(t);
		if (now_us() - since > STALL_US)
			die("removing %s took %" PRIu64 " ms", vol_name(e, v), (now_us() - since) / 1000);
	}
}

static void remove_end(struct end *e)
{
	remove_volumes(e, nvol);
}

/* False when it failed, and nothing is left of it. */
static bool try_create(struct end *e)
{
	unsigned int v;
	bool ok = true;

	for (v = 0; v < nvol && ok; v++) {
		struct dm_task *t = dm_begin(DM_DEVICE_CREATE, vol_name(e, v));

		ok = dm_task_add_target(t, 0, e->len[v], "ordered", e->params[v]) &&
		     dm_task_run(t);
		dm_task_destroy(t);
	}
	if (!ok)
		remove_volumes(e, v - 1);
	return ok;
}

static void create_end(struct end *e)
{
	if (!try_create(e))
		die("side %c can't be created again: the kernel log says why", e->letter);
}

static void no_log(int level, const char *file, int line, int err, const char *f, ...)
{
	(void)level; (void)file; (void)line; (void)err; (void)f;
}

/* Of the disks NAME-LETTERm (meta) or NAME-LETTERd*: blocks caught unflushed by cuts, and I/O failed, so far. */
static void disk_counts(char letter, bool meta, uint64_t *caught, uint64_t *failed)
{
	unsigned int v, n = meta ? 1 : nvol;

	*caught = 0;
	if (failed)
		*failed = 0;
	for (v = 0; v < n; v++) {
		unsigned long c, f;
		char dev[128], text[256];
		uint64_t len;

		if (meta)
			snprintf(dev, sizeof(dev), "%s-%cm", name, letter);
		else
			snprintf(dev, sizeof(dev), "%s-%cd%u", name, letter, v + 1);
		dm_line(DM_DEVICE_STATUS, dev, &len, text, sizeof(text));
		if (sscanf(text, "%*s %*u %*u %*u %*u %lu %lu", &c, &f) != 2)
			die("%s: strange status '%s'", dev, text);
		*caught += c;
		if (failed)
			*failed += f;
	}
}

static void get_status(const struct end *e);

/* ---- disks of null_blk: NAME.dev, under the dm-linear NAME ---- */

static const char *null_name(unsigned int i)
{
	static char buf[64];

	if (!i)
		snprintf(buf, sizeof(buf), "%s-sm", name);
	else
		snprintf(buf, sizeof(buf), "%s-sd%u", name, i);
	return buf;
}

static void null_set(const char *disk, const char *what, const char *value)
{
	char path[160];
	int fd;

	snprintf(path, sizeof(path), "/sys/kernel/config/nullb/%s.dev/%s", disk, what);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		die("%s: %s", path, strerror(errno));
	close(fd);
}

static const char *null_dev(const char *disk)
{
	static char dev[96];
	char path[160], text[16] = "";
	int fd;

	snprintf(dev, sizeof(dev), "/dev/%s.dev", disk);
	if (!access(dev, F_OK))
		return dev;
	snprintf(path, sizeof(path), "/sys/kernel/config/nullb/%s.dev/index", disk);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 1)
		die("%s: %s", path, strerror(errno));
	close(fd);
	snprintf(dev, sizeof(dev), "/dev/nullb%d", atoi(text));
	return dev;
}

static void null_task(int type, const char *disk, uint64_t len, const char *target, const char *params)
{
	struct dm_task *t = dm_begin(type, disk);

	if (target && !dm_task_add_target(t, 0, len, target, params))
		die("%s: no table", disk);
	if (type == DM_DEVICE_SUSPEND && (!dm_task_no_flush(t) || !dm_task_skip_lockfs(t)))
		die("%s: no flags", disk);
	if (!dm_task_run(t))
		die("%s: task %d failed", disk, type);
	dm_task_destroy(t);
}

/* Writes, sectors written and flushes of the disk of the ring so far. */
static void null_stat(uint64_t stat[3])
{
	char path[128], text[512] = "";
	int fd;

	snprintf(path, sizeof(path), "/sys/block/%s/stat", null_dev(null_name(0)) + strlen("/dev/"));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || pread(fd, text, sizeof(text) - 1, 0) < 1 ||
	    sscanf(text, "%*u %*u %*u %*u %" SCNu64 " %*u %" SCNu64 " %*u %*u %*u %*u %*u %*u %*u %*u %" SCNu64,
		   &stat[0], &stat[1], &stat[2]) != 3)
		die("no statistics of %s", null_name(0));
	close(fd);
}

/*
 * Since a flush that was seen: is more in its cache than writes of one block, which are FUA? @base: then.
 * Nobody says that they were not flushed one after the other, so what is counted is less than what is there.
 */
static bool null_unflushed(uint64_t base[3])
{
	uint64_t is[3];

	null_stat(is);
	if (is[2] != base[2])
		memcpy(base, is, sizeof(is));
	return is[1] - base[1] > 8 * (is[0] - base[0]);
}

static bool restore_in_hand(void)
{
	get_status(&sec);
	return cmp(genl_getcut(&answer, DMO_A_CUT_RESTORED),
		   genl_getcut(&answer, DMO_A_CUT_COMMITTED)) < 0;
}

/* A moment at which there is something to lose. The first disk to stop is that of the ring: no restore ends then. */
static void null_await(uint64_t base[3])
{
	uint64_t end = now_us() + 200000;

	null_stat(base);
	while (!null_unflushed(base) && !restore_in_hand() && now_us() < end)
		;
}

static unsigned int hits, hit_journal, hit_restore, hit_host, inconsistent_seen, recovery_cuts, recovery_hits;
static unsigned int null_hits;

/* What is in flight ends; from here on all I/O fails, and what was not flushed is gone. */
static void null_off(void)
{
	static uint64_t len[MAX_VOLS + 1];
	char text[160];
	bool restore, journal;
	uint64_t base[3];
	unsigned int i;

	for (i = 0; i <= nvol; i++)
		dm_line(DM_DEVICE_TABLE, null_name(i), &len[i], text, sizeof(text));
	for (i = 0; i <= nvol; i++)
		null_task(DM_DEVICE_RELOAD, null_name(i), len[i], "error", "");
	null_await(base);
	for (i = 0; i <= nvol; i++)
		null_task(DM_DEVICE_SUSPEND, null_name(i), 0, NULL, NULL);
	restore = restore_in_hand();	/* nothing moves now */
	journal = null_unflushed(base);
	hit_restore += restore;
	hit_journal += journal;
	null_hits += restore || journal;
	for (i = 0; i <= nvol; i++)
		null_task(DM_DEVICE_RESUME, null_name(i), 0, NULL, NULL);
	for (i = 0; i <= nvol; i++) {
		null_set(null_name(i), "power", "0");
		null_set(null_name(i), "power", "1");
	}
}

static void null_on(void)
{
	unsigned int i;

	for (i = 0; i <= nvol; i++) {
		const char *disk = null_name(i);
		char text[160];
		uint64_t len;

		dm_line(DM_DEVICE_TABLE, disk, &len, text, sizeof(text));
		snprintf(text, sizeof(text), "%s 0", null_dev(disk));
		null_task(DM_DEVICE_RELOAD, disk, len, "linear", text);
		null_task(DM_DEVICE_SUSPEND, disk, 0, NULL, NULL);
		null_task(DM_DEVICE_RESUME, disk, 0, NULL, NULL);
	}
}

static void power_message(const char *text)
{
	char dev[128];

	if (nulls) {
		if (!strcmp(text, "on"))
			null_on();
		else
			null_off();
		return;
	}
	snprintf(dev, sizeof(dev), "%s-%cm", name, mode == CUT_PRI ? 'p' : 's');
	dm_message(dev, text);
}

/* Cut behind some write soon to come, of the journal or of a data device. */
static void power_arm(unsigned int percent)
{
	bool meta = mode != CUT_PRI && rnd() & 1;
	unsigned int after = 1 + (unsigned int)(rnd() % (meta ? 6 : 1u << (1 + rnd() % 8)));
	char text[80], dev[128];

	if (meta)
		snprintf(dev, sizeof(dev), "%s-sm", name);
	else
		snprintf(dev, sizeof(dev), "%s-%cd%u", name, mode == CUT_PRI || rnd() % 4 == 0 ?
			 (mode == CUT_SEC ? 's' : 'p') : 's', (unsigned int)(1 + rnd() % nvol));
	snprintf(text, sizeof(text), "cutafter %u %" PRIu64 " %u", after, rnd() >> 8, percent);
	dm_message(dev, text);
}

static bool power_is_off(void)
{
	char text[256], dev[128];
	uint64_t len;

	snprintf(dev, sizeof(dev), "%s-%cm", name, mode == CUT_PRI ? 'p' : 's');
	dm_line(DM_DEVICE_STATUS, dev, &len, text, sizeof(text));
	return !strncmp(text, "off", 3);
}

/* Of what is unflushed that many of a hundred blocks survive. */
static unsigned int some_percent(void)
{
	static const unsigned int percent[] = { 50, 0, 90, 30 };

	return percent[rnd() % 4];
}

static void power_off(bool arm, unsigned int ms)
{
	uint64_t end = now_us() + ms * 1000;
	unsigned int percent = some_percent();
	char text[80];

	if (arm)
		power_arm(percent);
	while (ms && !power_is_off() && now_us() < end)
		usleep(1000);
	snprintf(text, sizeof(text), "cut %" PRIu64 " %u", rnd() >> 8, percent);
	power_message(text);
}

/* ---- the session ---- */

static int ask(const struct end *e, int cmd)
{
	struct genl_msg m;

	genl_command(&m, cmd, e->major, e->minor);
	return genl_talk(&m, &answer);
}

static void get_status(const struct end *e)
{
	if (ask(e, DM_ORDERED_CMD_SESSION_GET))
		die("no status of %c: %s", e->letter, answer.text);
}

static const char *reason(void)
{
	const char *r = genl_find(answer.attrs, answer.len, DMO_A_REASON, NULL);

	return r ? r : "";
}

/* Why its last link ended, which is told a moment after it has. */
static bool has_reason(const struct end *e)
{
	uint64_t end = now_us() + 2000000;

	for (;;) {
		get_status(e);
		if (reason()[0] || now_us() > end)
			return reason()[0];
		usleep(1000);
	}
}

/* A connected pair; every other one is TCP. */
static void make_pair(int sv[2], bool tcp)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int l;

	if (!tcp) {
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv))
			die("socketpair: %s", strerror(errno));
		return;
	}
	l = socket(AF_INET, SOCK_STREAM, 0);
	if (l < 0 || bind(l, (void *)&a, len) || listen(l, 1) ||
	    getsockname(l, (void *)&a, &len))
		die("listen: %s", strerror(errno));
	sv[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(sv[0], (void *)&a, len))
		die("connect: %s", strerror(errno));
	sv[1] = accept(l, NULL, NULL);
	close(l);
}

static bool takes(const struct end *e, int fd)
{
	struct genl_msg m;

	genl_command(&m, DM_ORDERED_CMD_SET, e->major, e->minor);	/* after a disconnect */
	genl_put(&m, DMO_A_LINK_WANTED, "", 0);
	genl_talk(&m, &answer);
	genl_command(&m, DM_ORDERED_CMD_LINK_ATTACH, e->major, e->minor);
	genl_put32(&m, DMO_A_LINK_FD, (uint32_t)fd);
	return !genl_talk(&m, &answer);
}

static void attach(const struct end *e, int fd)
{
	if (!takes(e, fd))
		die("%c takes no link: %s", e->letter, answer.text);
}

static void wait_link(const struct end *e, bool up)
{
	uint64_t end = now_us() + 20000000;

	for (;;) {
		uint32_t state;

		get_status(e);
		state = genl_get32(&answer, DMO_A_LINK_STATE);
		if (state == (up ? DMO_LINK_UP : DMO_LINK_NONE))
			return;
		if (up && state == DMO_LINK_NONE)
			die("link of %c ended: %s", e->letter, reason());
		if (now_us() > end)
			die("link of %c isn't %s after 20 s", e->letter, up ? "up" : "down");
		usleep(2000);
	}
}

static void link_up(void)
{
	static unsigned int nr;
	int sv[2];

	make_pair(sv, nr++ & 1);
	attach(&sec, sv[1]);
	attach(&pri, sv[0]);
	close(sv[0]);
	close(sv[1]);
	wait_link(&pri, true);
	wait_link(&sec, true);
}

static void link_away(void)
{
	int r = ask(&pri, DM_ORDERED_CMD_LINK_DETACH);

	if (r && r != -ENOTCONN)
		die("detach: %s", answer.text);
}

/*
 * The secondary has a chunk of this primary: a full copy, if one was due, has ended. From here on
 * INCONSISTENT is a lie, until the primary restarts.
 */
static bool synced;

static void wait_synced(void)
{
	uint64_t end = now_us() + 60000000;

	for (;;) {
		struct dmo_uapi_cut c;

		get_status(&sec);
		c = genl_getcut(&answer, DMO_A_CUT_COMMITTED);
		if (!(genl_get32(&answer, DMO_A_FLAGS) & DMO_F_INCONSISTENT) &&
		    cmp(c, floor_committed) > 0 && cmp(c, floor_complete) > 0)
			break;
		if (now_us() > end)
			die("no full copy in 60 s: %s", reason());
		usleep(3000);
	}
	synced = true;
}

/* ---- the lanes ---- */

static void where(const struct lane *l, uint64_t k, unsigned int *vol, uint64_t *off)
{
	*vol = (unsigned int)(k % nvol);
	*off = (uint64_t)l->nr * area_kib * 1024 + k / nvol * l->stride % l->units * l->unit;
}

static void stamp(const struct lane *l, uint64_t pass, uint64_t k, void *buf)
{
	uint64_t *w = buf;
	size_t s, i;

	for (s = 0; s < l->unit / SECTOR; s++, w += SECTOR / 8) {
		w[0] = STAMP;
		w[1] = (uint64_t)l->nr << 32 | s;
		w[2] = pass;
		w[3] = k;
		for (i = 4; i < SECTOR / 8; i++)
			w[i] = pass;
	}
}

static void *lane_main(void *arg)
{
	struct lane *l = arg;

	while (!quit) {
		uint64_t n = l->issued, k = n % l->total, pass = n / l->total + 1, off, t;
		unsigned int vol;

		if (park) {
			l->parked = true;
			usleep(2000);
			continue;
		}
		l->parked = false;
		if (park)
			continue;
		where(l, k, &vol, &off);
		stamp(l, pass, k, l->buf);
		l->issued = n + 1;
		t = now_us();
		if (pwrite(fds[vol], l->buf, l->unit, (off_t)off) != (ssize_t)l->unit) {
			if (mode != CUT_PRI && mode != CUT_BOTH)
				die("a write of lane %u failed: %s", l->nr, strerror(errno));
			write_errors++;
			park = true;
			continue;
		}
		t = now_us() - t;
		if (t > l->max_us)
			l->max_us = t;
		l->done = n + 1;
		if (pause_us)
			usleep(pause_us);
	}
	l->parked = true;
	return NULL;
}

static void open_volumes(void)
{
	unsigned int v;
	char path[160];

	for (v = 0; v < nvol; v++) {
		snprintf(path, sizeof(path), "/dev/mapper/%s", vol_name(&pri, v));
		fds[v] = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
		if (fds[v] < 0)
			die("%s: %s", path, strerror(errno));
	}
}

static void close_volumes(void)
{
	unsigned int v;

	for (v = 0; v < nvol; v++)
		close(fds[v]);
}

static void park_lanes(void)
{
	uint64_t end = now_us() + STALL_US;
	unsigned int i;

	park = true;
	for (i = 0; i < LANES; i++)
		while (!lanes[i].parked) {
			if (now_us() > end)
				die("a write of lane %u hangs", i);
			usleep(1000);
		}
}

static void start_lanes(void)
{
	static const size_t units[LANES] = { 4096, 512, 16384, 1024 };
	unsigned int i;

	for (i = 0; i < LANES; i++) {
		struct lane *l = &lanes[i];

		l->nr = i;
		l->unit = units[i];
		l->units = 32;
		while (l->units * l->unit > (size_t)area_kib * 1024)
			l->units /= 2;
		l->stride = 13;
		l->total = (uint64_t)l->units * nvol;
		if (posix_memalign((void **)&l->buf, 4096, l->unit))
			die("no memory");
		if (pthread_create(&l->thread, NULL, lane_main, l))
			die("no thread");
	}
}

/* After a cut of the primary nobody knows what its disks kept: each lane writes a whole pass. */
static void whole_pass(void)
{
	uint64_t until[LANES], end = now_us() + 60000000;
	unsigned int i;

	for (i = 0; i < LANES; i++) {
		struct lane *l = &lanes[i];
		uint64_t n = (l->issued + l->total - 1) / l->total * l->total;

		l->done = n;
		l->issued = n;
		until[i] = n + l->total;
	}
	park = false;
	for (i = 0; i < LANES; i++)
		while (lanes[i].done < until[i]) {
			if (now_us() > end)
				die("lane %u can't write a pass in 60 s", i);
			usleep(2000);
		}
}

static void take_record(void)
{
	unsigned int i;

	if (nr_records == MAX_RECORDS)
		return;
	for (i = 0; i < LANES; i++)
		records[nr_records].done[i] = lanes[i].done;
	if (ask(&pri, DM_ORDERED_CMD_SWITCH))
		die("switch: %s", answer.text);
	records[nr_records].cut = genl_getcut(&answer, DMO_A_CUT);
	if (nr_records && cmp(records[nr_records].cut, records[nr_records - 1].cut) < 0)
		die("switch answered an older cut than before");
	nr_records++;
}

/* ---- what the secondary shows ---- */

static uint64_t sector_pass(const struct lane *l, const uint64_t *w, uint64_t k, size_t s, bool *bad)
{
	size_t i;

	for (i = 0; i < SECTOR / 8 && !w[i]; i++)
		;
	if (i == SECTOR / 8)
		return 0;
	*bad = w[0] != STAMP || w[1] != ((uint64_t)l->nr << 32 | s) || w[3] != k;
	for (i = 4; i < SECTOR / 8; i++)
		*bad |= w[i] != w[2];
	return w[2];
}

/* How many writes of the lane are there? Dies when it is not a prefix. */
static uint64_t prefix(const struct lane *l, unsigned char **area, const char *when)
{
	uint64_t k, first = 0, last = 0, prev_end = 0;

	for (k = 0; k < l->total; k++) {
		uint64_t off, pass = 0, p;
		unsigned int vol;
		size_t s;

		where(l, k, &vol, &off);
		for (s = 0; s < l->unit / SECTOR; s++) {
			bool bad = false;

			p = sector_pass(l, (const void *)(area[vol] + off + s * SECTOR), k, s, &bad);
			if (bad)
				die("%s: volume %u, byte %" PRIu64 ": not what was written there",
				    when, vol + 1, off + s * SECTOR);
			if (s && p != pass)
				die("%s: torn write: volume %u, byte %" PRIu64 ": pass %" PRIu64
				    ", before it %" PRIu64, when, vol + 1, off + s * SECTOR, p, pass);
			pass = p;
		}
		if (!k) {
			first = last = pass;
			prev_end = 1;
			continue;
		}
		if (pass == first && last == first) {
			prev_end = k + 1;
			continue;
		}
		if (!first || pass + 1 != first)
			die("%s: torn: lane %u, position %" PRIu64 " of %" PRIu64 " (volume %u, byte %" PRIu64
			    ") is of pass %" PRIu64 ", position 0 of pass %" PRIu64 ", the one before of %" PRIu64,
			    when, l->nr, k, l->total, vol + 1, off, pass, first, last);
		last = pass;
	}
	return first ? (first - 1) * l->total + prev_end : 0;
}

static void check_content(struct dmo_uapi_cut committed, const uint64_t *issued, const char *when)
{
	static unsigned char *area[MAX_VOLS];
	size_t len = (size_t)LANES * area_kib * 1024;
	unsigned int v, i, r;
	char path[160];

	for (v = 0; v < nvol; v++) {
		int fd;

		if (!area[v] && posix_memalign((void **)&area[v], 4096, len))
			die("no memory");
		snprintf(path, sizeof(path), "/dev/mapper/%s", vol_name(&sec, v));
		fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
		if (fd < 0 || pread(fd, area[v], len, 0) != (ssize_t)len)
			die("%s: %s", path, strerror(errno));
		close(fd);
	}
	for (r = nr_records; r && cmp(records[r - 1].cut, committed) > 0; r--)
		;
	for (i = 0; i < LANES; i++) {
		uint64_t n = prefix(&lanes[i], area, when);

		if (r && n < records[r - 1].done[i])
			die("%s: lane %u: %" PRIu64 " writes are there, but cut %llu.%llu covers %" PRIu64,
			    when, i, n, records[r - 1].cut.epoch, records[r - 1].cut.n,
			    records[r - 1].done[i]);
		if (n > issued[i])
			die("%s: lane %u: %" PRIu64 " writes are there, only %" PRIu64 " were issued",
			    when, i, n, issued[i]);
	}
}

static bool is_inconsistent(void)
{
	bool bad;

	get_status(&sec);
	bad = genl_get32(&answer, DMO_A_FLAGS) & DMO_F_INCONSISTENT;
	if (bad && synced)
		die("the secondary says INCONSISTENT, but no copy was under way: %s", reason());
	return bad;
}

/* After a cut, with no link: cuts not below what was said, content a boundary. @what: what was cut */
static void check_secondary(const char *what, unsigned int nr, const uint64_t *issued)
{
	struct dmo_uapi_cut complete, committed, restored;
	uint64_t end = now_us() + 20000000;
	char when[64];

	snprintf(when, sizeof(when), "%s %u", what, nr);
	for (;;) {
		is_inconsistent();
		complete = genl_getcut(&answer, DMO_A_CUT_COMPLETE);
		committed = genl_getcut(&answer, DMO_A_CUT_COMMITTED);
		restored = genl_getcut(&answer, DMO_A_CUT_RESTORED);
		if (cmp(committed, floor_committed) < 0)
			die("%s: went back to %llu.%llu, %llu.%llu was acknowledged as committed", when,
			    committed.epoch, committed.n, floor_committed.epoch, floor_committed.n);
		if (cmp(complete, floor_complete) < 0)
			die("%s: boundary is %llu.%llu, %llu.%llu was acknowledged as complete", when,
			    complete.epoch, complete.n, floor_complete.epoch, floor_complete.n);
		if (genl_get32(&answer, DMO_A_STATE) == DMO_STATE_FAILED)
			die("%s: failed: %s", when, reason());
		if (!cmp(restored, committed))
			break;
		if (now_us() > end)
			die("%s: no restore in 20 s: %s", when, reason());
		usleep(1000);
	}
	raise_to(&floor_committed, committed);
	raise_to(&floor_complete, complete);
	if (!is_inconsistent())
		check_content(committed, issued, when);
}

/* ---- cuts ---- */

static void acknowledged(void)
{
	get_status(&pri);
	raise_to(&floor_committed, genl_getcut(&answer, DMO_A_CUT_COMMITTED));
	if (synced)
		raise_to(&floor_complete, genl_getcut(&answer, DMO_A_CUT_COMPLETE));
}

static uint64_t caught_was[3];

static void caught(uint64_t *n)
{
	if (mode != CUT_PRI) {
		disk_counts('s', true, &n[0], NULL);
		disk_counts('s', false, &n[1], NULL);
	}
	if (mode == CUT_PRI || mode == CUT_BOTH)
		disk_counts('p', false, &n[2], NULL);
}

static void count_hits(unsigned int *sum)
{
	uint64_t is[3] = { 0 };

	if (nulls) {
		if (sum == &hits)
			hits = null_hits;
		return;
	}
	caught(is);
	*sum += memcmp(is, caught_was, sizeof(is)) != 0;
	hit_journal += is[0] != caught_was[0];
	hit_restore += is[1] != caught_was[1];
	hit_host += is[2] != caught_was[2];
	memcpy(caught_was, is, sizeof(is));
}

static void cut_power(void)
{
	if (mode != CUT_PRI) {
		get_status(&sec);
		raise_to(&floor_committed, genl_getcut(&answer, DMO_A_CUT_COMMITTED));
	}
	if (rnd() % 16 && !nulls)
		power_off(true, 500);
	else
		power_off(false, 0);
	count_hits(&hits);
}

static void issued_now(uint64_t *issued)
{
	unsigned int i;

	for (i = 0; i < LANES; i++)
		issued[i] = lanes[i].issued;
}

static void restart_secondary(void)
{
	unsigned int nr = 0;

	remove_end(&sec);
	/* crashes in the midst of recovery */
	while (deep ? nr++ < deep : !nulls && rnd() % 5 == 0) {
		power_message("on");
		power_arm(some_percent());
		recovery_cuts++;
		if (try_create(&sec)) {
			power_off(false, 50);
			remove_end(&sec);
		} else {
			power_off(false, 0);
		}
		count_hits(&recovery_hits);
	}
	power_message("on");
	create_end(&sec);
}

static void check_copy_due(unsigned int nr)
{
	get_status(&pri);
	if (!(genl_get32(&answer, DMO_A_FLAGS) & DMO_F_COPY_PENDING))
		die("cut %u: the primary restarted and doesn't say that a full copy is due", nr);
}

/* The primary comes back; before the link the secondary must be as good as it was. */
static void restart_primary(void)
{
	park_lanes();
	close_volumes();
	remove_end(&pri);
	if (mode == CUT_BOTH)
		remove_end(&sec);
	power_message("on");
	create_end(&pri);
	if (mode == CUT_BOTH)
		create_end(&sec);
	open_volumes();
}

/* ---- one frame after the other ---- */

#define SWEEP	12		/* frames a direction */

static unsigned int types_hit[256];

static void wait_links_gone(unsigned int nr)
{
	uint64_t end = now_us() + 20000000;
	const struct end *e[] = { &pri, &sec };
	int i;

	for (i = 0; i < 2; i++)
		for (;;) {
			get_status(e[i]);
			if (genl_get32(&answer, DMO_A_LINK_STATE) == DMO_LINK_NONE)
				break;
			if (now_us() > end)
				die("cut %u: the link of %c did not end", nr, e[i]->letter);
			usleep(1000);
		}
}

/* A link through the relay, which spoils one frame of it; without a link to begin with. */
static void one_frame(unsigned int nr)
{
	unsigned int i = nr - 1, type;
	struct spoil_fault f = {
		.where = (enum spoil_where)(i % 3),
		.dir = i / 3 % 2,
		.frame = i / 6 % SWEEP + 1,
		.what = i / (6 * SWEEP) % 2 ? SPOIL_FLIP : SPOIL_CLOSE,
	};
	uint64_t end, issued[LANES];
	int a[2], b[2];

	make_pair(a, nr & 1);
	make_pair(b, nr & 2);
	spoil_start(a[1], b[1], &f);
	attach(&sec, b[0]);
	/* the relay may have closed it already: the secondary speaks first here */
	if (!takes(&pri, a[0]) && !spoil_hit(&type))
		die("p takes no link: %s", answer.text);
	close(a[0]);
	close(b[0]);
	end = now_us() + 1000000;
	while (!spoil_hit(&type) && now_us() < end) {
		get_status(&pri);
		if (genl_get32(&answer, DMO_A_LINK_STATE) == DMO_LINK_UP)
			take_record();
		usleep(2000);
	}
	types_hit[type & 255]++;
	hits += type != 0;
	if (type && f.what == SPOIL_FLIP) {	/* whoever got it must have ended the link, and said why */
		wait_link(f.dir ? &pri : &sec, false);
		if (!has_reason(f.dir ? &pri : &sec))
			die("cut %u: a flipped bit in frame %u of type %u: no reason", nr, f.frame, type);
	}
	spoil_stop();
	wait_links_gone(nr);
	issued_now(issued);
	acknowledged();
	check_secondary("frame", nr, issued);
}

static void frames(unsigned int cuts)
{
	unsigned int i;

	link_away();
	wait_links_gone(0);
	for (i = 1; i <= cuts; i++)
		one_frame(i);
	for (i = 1; i < 256; i++)
		if (types_hit[i])
			printf("%u frames of type %u, ", types_hit[i], i);
	link_up();
	wait_synced();
}

/* ---- writes and flushes that fail ---- */

static unsigned int meta_failures, data_failures;

static void set_fault(const char *dev, const char *what, unsigned int n)
{
	char text[64];

	snprintf(text, sizeof(text), "fail%s %u %u", what, n, n ? (unsigned int)(rnd() % (rnd() & 1 ? 4 : 16)) : 0);
	dm_message(dev, text);
}

static void one_failure(unsigned int nr)
{
	static const char * const kinds[] = { "write", "flush", "fua" };
	bool meta = nr & 1, in_recovery;
	const char *kind = kinds[rnd() % (meta ? 3 : 2)];
	uint64_t c, was, is, issued[LANES], end;
	unsigned int state, block;
	char dev[128];

	if (meta)
		snprintf(dev, sizeof(dev), "%s-sm", name);
	else
		snprintf(dev, sizeof(dev), "%s-sd%u", name, (unsigned int)(1 + rnd() % nvol));
	for (end = now_us() + rnd() % (wait_ms * 1000); now_us() < end; usleep(2000))
		take_record();
	disk_counts('s', meta, &c, &was);
	set_fault(dev, kind, meta ? 1 : 3);
	for (is = was, end = now_us() + 300000; is == was && now_us() < end; usleep(1000))
		disk_counts('s', meta, &c, &is);
	hits += is != was;
	/* it says so: of the metadata device for good, of a data device until the retry */
	for (end = now_us() + 3000000; is != was; usleep(1000)) {
		get_status(&sec);
		state = genl_get32(&answer, DMO_A_STATE);
		block = genl_get32(&answer, DMO_A_BLOCK);
		if (meta ? state == DMO_STATE_FAILED : block == DMO_BLOCK_RESTORE_ERROR)
			break;
		if (now_us() > end)
			die("failure %u: a %s of %s failed, state is %u, block %u", nr, kind, dev, state, block);
	}
	if (is != was && meta)
		meta_failures++;
	else if (is != was)
		data_failures++;
	set_fault(dev, kind, 0);
	if (rnd() & 1)
		power_off(false, 0);
	issued_now(issued);
	link_away();
	acknowledged();
	remove_end(&sec);
	power_message("on");
	in_recovery = meta && rnd() & 1;
	if (in_recovery) {
		set_fault(dev, kind, 1);
		if (try_create(&sec))
			remove_end(&sec);
		set_fault(dev, kind, 0);
	}
	create_end(&sec);
	wait_link(&sec, false);
	check_secondary(in_recovery ? "failure, also in recovery," : "failure", nr, issued);
	link_up();
	wait_synced();
}

/* ---- cuts of a whole host ---- */

static void one_cut(unsigned int nr)
{
	uint64_t end = now_us() + rnd() % (wait_ms * 1000), issued[LANES];
	bool host = mode == CUT_PRI || mode == CUT_BOTH;

	do {
		take_record();
		usleep(rnd() % (wait_ms * 1000 / 6));
	} while (now_us() < end);
	if (mode != CUT_LINK)
		cut_power();
	issued_now(issued);
	if (mode == CUT_LINK && rnd() & 1) {
		ask(&sec, DM_ORDERED_CMD_LINK_DETACH);
		wait_link(&pri, false);
	}
	link_away();
	if (mode == CUT_LINK)
		issued_now(issued);
	acknowledged();
	if (mode == CUT_SEC)
		restart_secondary();
	else if (host)
		restart_primary();
	if (mode == CUT_PRI || mode == CUT_LINK)
		wait_link(&sec, false);
	check_secondary(mode == CUT_LINK ? "link cut" : "power cut", nr, issued);
	if (host) {
		check_copy_due(nr);
		whole_pass();
		inconsistent_seen += is_inconsistent();
		synced = false;
	}
	link_up();
	if (!synced && !(direct_ok && rnd() % 4 == 0))
		wait_synced();
}

/* ---- the end ---- */

static void drain(void)
{
	uint64_t end = now_us() + 60000000;
	struct dmo_uapi_cut cut;

	if (!synced)
		wait_synced();
	park_lanes();
	if (ask(&pri, DM_ORDERED_CMD_SWITCH))
		die("switch: %s", answer.text);
	cut = genl_getcut(&answer, DMO_A_CUT);
	for (;;) {
		get_status(&sec);
		if (cmp(genl_getcut(&answer, DMO_A_CUT_RESTORED), cut) >= 0)
			break;
		if (now_us() > end)
			die("not drained in 60 s: restored %llu.%llu, wanted %llu.%llu: %s",
			    genl_getcut(&answer, DMO_A_CUT_RESTORED).epoch,
			    genl_getcut(&answer, DMO_A_CUT_RESTORED).n, cut.epoch, cut.n, reason());
		usleep(5000);
	}
}

static void options(int argc, char **argv)
{
	static const char * const modes[] = { "sec", "pri", "both", "link", "frames", "fail" };
	int i;

	if (argc < 6)
		die("wrong arguments");
	name = argv[1];
	nvol = (unsigned int)atoi(argv[2]);
	for (i = 0; i < 6 && strcmp(argv[3], modes[i]); i++)
		;
	mode = (enum mode)i;
	rng = strtoull(argv[5], NULL, 0);
	for (i = 6; i + 1 < argc; i += 2) {
		unsigned int v = (unsigned int)atoi(argv[i + 1]);

		if (!strcmp(argv[i], "--area"))
			area_kib = v;
		else if (!strcmp(argv[i], "--pause"))
			pause_us = v;
		else if (!strcmp(argv[i], "--hits"))
			min_hits = v;
		else if (!strcmp(argv[i], "--direct"))
			direct_ok = v;
		else if (!strcmp(argv[i], "--wait"))
			wait_ms = v;
		else if (!strcmp(argv[i], "--deep"))
			deep = v;
		else if (!strcmp(argv[i], "--null"))
			nulls = v;
		else
			die("no option %s", argv[i]);
	}
	if (mode > CUT_FAIL || wait_ms < 6 || !nvol || nvol > MAX_VOLS)
		die("wrong arguments");
}

int main(int argc, char **argv)
{
	unsigned int cuts = argc > 4 ? (unsigned int)atoi(argv[4]) : 0, i, all;
	uint64_t since = now_us(), max_us = 0, writes = 0;

	options(argc, argv);
	dm_udev_set_sync_support(0);
	dm_log_with_errno_init(no_log);
	if (genl_resolve())
		die("no generic netlink family: is the module loaded?");
	learn_tables(&pri);
	learn_tables(&sec);
	open_volumes();
	start_lanes();
	link_up();
	wait_synced();
	if (mode == CUT_FRAMES)
		frames(cuts);
	for (i = 1; i + recovery_cuts <= cuts && mode != CUT_FRAMES; i++)
		mode == CUT_FAIL ? one_failure(i) : one_cut(i);
	all = mode == CUT_FRAMES ? cuts : i - 1;
	drain();
	quit = true;
	for (i = 0; i < LANES; i++) {
		pthread_join(lanes[i].thread, NULL);
		writes += lanes[i].done;
		if (lanes[i].max_us > max_us)
			max_us = lanes[i].max_us;
	}
	close_volumes();
	printf("cuts=%u hits=%u in_recovery=%u hits=%u journal=%u restore=%u host=%u torn_copies=%u records=%u writes=%"
	       PRIu64 " max_ms=%" PRIu64 " ms=%" PRIu64 "\n", all, hits, recovery_cuts, recovery_hits,
	       hit_journal, hit_restore, hit_host, inconsistent_seen, nr_records, writes, max_us / 1000, (now_us() - since) / 1000);
	if (mode == CUT_FAIL)
		printf("failures of the journal's disk: %u, of data: %u\n", meta_failures, data_failures);
	if (mode != CUT_PRI && mode != CUT_BOTH && max_us > STALL_US)
		die("a write took %" PRIu64 " ms", max_us / 1000);
	if (hits * 100 < all * min_hits)
		die("only %u of %u cuts hit something unflushed", hits, all);
	return 0;
}
