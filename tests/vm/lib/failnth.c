// SPDX-License-Identifier: GPL-2.0-only
/*
 * dmofailnth: make the 1st, 2nd, 3rd ... allocation (or copy from or to user space) of a system call fail,
 * until one runs through with none left to fail; the debug kernel's /proc/self/fail-nth does it.
 *
 *   dmofailnth NAME VOLUMES OPERATION [OPTION...]	NAME is a session of session_make (ordered.sh)
 *   --task PID		fail not in the caller but in that task: 2 is kthreadd, which makes all threads
 *   --every N		not each of them but every Nth, from a place that --seed N chooses
 *
 * Each time: the operation, with one failure, succeeds or returns an error that says so (ENOMEM, or EFAULT for
 * a copy); then, without a failure, it succeeds. What an operation needs and leaves:
 *   create-p create-s	table load and resume of all volumes of an end; needs them, unlinked; leaves them
 *   reload-p reload-s	table load and resume over a live one; the same
 *   link-p link-s	attach of a socket at that end; needs no link, leaves none; each time both ends must say up
 *   unlink-p unlink-s	detach; the same
 *   status-p status-s	netlink's status, one and all, dm's status and table
 *   set-p set-s, switch
 *   io		reads and writes of all kinds of the primary's volume 1: only ENOMEM, EAGAIN and EFAULT, never EIO
 *   promote	of the secondary, unlinked; each time from a copy of its metadata device; removes the primary
 *   remove-p remove-s	suspend and remove; leaves them created again
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

static ssize_t faulted_send(int fd, const void *buf, size_t len);
#define GENL_SEND(fd, buf, len) faulted_send(fd, buf, len)
#include "genl.h"

#define MAX_VOLS	8
#define MAX_POINTS	20000

static const char *name;
static unsigned int nvol;
static int fail_fd, control;
static unsigned int left;		/* that many more until the failure; 0: none wanted, or over */
static bool injected;
static struct genl_answer answer;

static struct end {
	char letter;
	uint32_t major, minor;		/* metadata device */
	char *params[MAX_VOLS];
	uint64_t len[MAX_VOLS];
} pri = { .letter = 'p' }, sec = { .letter = 's' };

static struct end *end;			/* the one that the operation is about */
/* Of the secondary's metadata device and its data devices: as they were together. */
static struct image {
	int fd;
	void *bytes;
	size_t len;
} images[MAX_VOLS + 1];
static unsigned int nr_images;

static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("dmofailnth: ");
	vprintf(fmt, ap);
	printf("\n");
	va_end(ap);
	fflush(stdout);
	_exit(1);
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- the failure ---- */

static void set_nth(unsigned int n)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", n), i;

	/* the copy of this very write may be what fails */
	for (i = 0; pwrite(fail_fd, text, (size_t)len, 0) != len; i++)
		if (i == 3)
			die("fail-nth can't be written: %s", strerror(errno));
}

/* Around each system call that an operation consists of. */
static void before_call(void)
{
	if (left)
		set_nth(left);
}

static void after_call(void)
{
	int e = errno;
	char text[16] = "";

	if (!left)
		return;
	if (pread(fail_fd, text, sizeof(text) - 1, 0) > 0) {
		left = (unsigned int)strtoul(text, NULL, 0);
		injected = !left;
	} else {
		left = 1;	/* this very read failed: the call left one */
	}
	set_nth(0);
	errno = e;
}

static ssize_t faulted_send(int fd, const void *buf, size_t len)
{
	ssize_t r;

	before_call();
	r = send(fd, buf, len, 0);
	after_call();
	return r;
}

/* ---- device-mapper, without a library that tries again ---- */

static struct dm_ioctl *dm_buf(const char *dev, uint32_t flags)
{
	static char buf[16384] __attribute__((aligned(8)));
	struct dm_ioctl *d = (void *)buf;

	memset(buf, 0, sizeof(buf));
	d->version[0] = DM_VERSION_MAJOR;
	d->data_size = sizeof(buf);
	d->data_start = sizeof(*d);
	d->flags = flags;
	snprintf(d->name, sizeof(d->name), "%s", dev);
	return d;
}

static int dm_call(unsigned long cmd, struct dm_ioctl *d)
{
	int r;

	before_call();
	r = ioctl(control, cmd, d);
	r = r < 0 ? -errno : 0;
	after_call();
	return r;
}

static int dm_simple(unsigned long cmd, const char *dev, uint32_t flags)
{
	return dm_call(cmd, dm_buf(dev, flags));
}

static int dm_load(const char *dev, uint64_t len, const char *type, const char *params)
{
	struct dm_ioctl *d = dm_buf(dev, 0);
	struct dm_target_spec *s = (void *)((char *)d + d->data_start);

	d->target_count = 1;
	s->length = len;
	strcpy(s->target_type, type);
	strcpy((char *)(s + 1), params);
	return dm_call(DM_TABLE_LOAD, d);
}

static const char *vol_name(const struct end *e, unsigned int v)
{
	static char buf[DM_NAME_LEN];

	snprintf(buf, sizeof(buf), "%s-%c-%u", name, e->letter, v + 1);
	return buf;
}

static void learn_tables(struct end *e)
{
	unsigned int v;

	for (v = 0; v < nvol; v++) {
		struct dm_ioctl *d = dm_buf(vol_name(e, v), DM_STATUS_TABLE_FLAG);
		struct dm_target_spec *s = (void *)((char *)d + d->data_start);

		if (ioctl(control, DM_TABLE_STATUS, d))
			die("%s has no table", vol_name(e, v));
		e->len[v] = s->length;
		e->params[v] = strdup((char *)(s + 1));
		if (sscanf(e->params[v], "%*s %u:%u", &e->major, &e->minor) != 2)
			die("%s: strange table '%s'", vol_name(e, v), e->params[v]);
	}
}

static void must(int r, const char *what, const char *of)
{
	if (r)
		die("%s of %s without a failure: %s %s", what, of, strerror(-r), answer.text);
}

static void remove_all(struct end *e)
{
	unsigned int v;

	for (v = 0; v < nvol; v++)
		must(dm_simple(DM_DEV_REMOVE, vol_name(e, v), 0), "remove", vol_name(e, v));
}

/* With another table, so that what device-mapper itself needs for a new device isn't failed, too. */
static void make_empty(struct end *e)
{
	unsigned int v;

	for (v = 0; v < nvol; v++) {
		must(dm_simple(DM_DEV_CREATE, vol_name(e, v), 0), "making", vol_name(e, v));
		must(dm_load(vol_name(e, v), e->len[v], "zero", ""), "load of a zero target", vol_name(e, v));
		must(dm_simple(DM_DEV_SUSPEND, vol_name(e, v), 0), "resume of a zero target", vol_name(e, v));
	}
}

static bool is_ordered(const char *dev, bool *suspended)
{
	struct dm_ioctl *d = dm_buf(dev, DM_STATUS_TABLE_FLAG);
	struct dm_target_spec *s = (void *)((char *)d + d->data_start);

	if (ioctl(control, DM_TABLE_STATUS, d))
		die("%s is not there", dev);
	*suspended = d->flags & DM_SUSPEND_FLAG;
	return d->target_count == 1 && !strcmp(s->target_type, "ordered");
}

/* Load and resume what isn't active and running yet. */
static int activate(struct end *e)
{
	unsigned int v;
	bool suspended;

	for (v = 0; v < nvol; v++) {
		const char *dev = vol_name(e, v);
		bool is = is_ordered(dev, &suspended);
		int r;

		if (is && !suspended)
			continue;
		if (!is) {
			r = dm_load(dev, e->len[v], "ordered", e->params[v]);
			if (r)
				return r;
		}
		r = dm_simple(DM_DEV_SUSPEND, dev, 0);	/* without the flag: resume */
		if (r)
			return r;
	}
	return 0;
}

static int reload(struct end *e)
{
	unsigned int v;
	int r;

	for (v = 0; v < nvol; v++) {
		r = dm_load(vol_name(e, v), e->len[v], "ordered", e->params[v]);
		if (!r)
			r = dm_simple(DM_DEV_SUSPEND, vol_name(e, v), 0);
		if (r)
			return r;
	}
	return 0;
}

/* ---- netlink ---- */

static int ask(const struct end *e, int cmd)
{
	struct genl_msg m;

	genl_command(&m, cmd, e->major, e->minor);
	return genl_talk(&m, &answer);
}

static void get_status(const struct end *e)
{
	unsigned int l = left;

	left = 0;
	if (ask(e, DM_ORDERED_CMD_SESSION_GET))
		die("no status of %c: %s", e->letter, answer.text);
	left = l;
}

static uint32_t link_state(const struct end *e)
{
	get_status(e);
	return genl_get32(&answer, DMO_A_LINK_STATE);
}

static const char *reason(void)
{
	const char *r = genl_find(answer.attrs, answer.len, DMO_A_REASON, NULL);

	return r ? r : "";
}

static void wait_link(const struct end *e, uint32_t wanted)
{
	uint64_t until = now_ms() + 20000;
	uint32_t is;

	while ((is = link_state(e)) != wanted) {
		if (now_ms() > until || (wanted == DMO_LINK_UP && is == DMO_LINK_NONE))
			die("link of %c is %u, not %u: %s", e->letter, is, wanted, reason());
		usleep(1000);
	}
}

static int attach(const struct end *e, int fd)
{
	struct genl_msg m;

	genl_command(&m, DM_ORDERED_CMD_LINK_ATTACH, e->major, e->minor);
	genl_put32(&m, DMO_A_LINK_FD, (uint32_t)fd);
	return genl_talk(&m, &answer);
}

/* ---- the operations ---- */

static struct end *other(void)
{
	return end == &pri ? &sec : &pri;
}

static void create_prepare(void)
{
	unsigned int i;

	remove_all(end);
	make_empty(end);
	for (i = 0; end == &sec && i < nr_images; i++)
		if (pwrite(images[i].fd, images[i].bytes, images[i].len, 0) != (ssize_t)images[i].len)
			die("an image can't be put back: %s", strerror(errno));
}

static int create_act(void) { return activate(end); }
static int reload_act(void) { return reload(end); }

static int sv[2];

static void link_prepare(void)
{
	unsigned int l = left;

	wait_link(&pri, DMO_LINK_NONE);
	wait_link(&sec, DMO_LINK_NONE);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv))
		die("socketpair: %s", strerror(errno));
	left = 0;
	must(attach(other(), sv[1]), "attach", "the other end");
	left = l;
}

static int link_act(void)
{
	return attach(end, sv[0]);
}

static bool link_done(void) { return link_state(end) != DMO_LINK_NONE; }

/* After an error: the other end's link may have got nothing to talk to. */
static void link_again(void)
{
	close(sv[0]);
	close(sv[1]);
	sv[0] = -1;
	link_prepare();
}

static void link_undo(void)
{
	close(sv[0]);
	close(sv[1]);
	wait_link(&pri, DMO_LINK_UP);
	wait_link(&sec, DMO_LINK_UP);
	must(ask(end, DM_ORDERED_CMD_LINK_DETACH), "detach", "this end");
}

static void unlink_prepare(void)
{
	unsigned int l = left;

	link_prepare();
	left = 0;
	must(attach(end, sv[0]), "attach", "this end");
	left = l;
	close(sv[0]);
	close(sv[1]);
	wait_link(&pri, DMO_LINK_UP);
	wait_link(&sec, DMO_LINK_UP);
}

static int unlink_act(void)
{
	return ask(end, DM_ORDERED_CMD_LINK_DETACH);
}

static bool unlink_done(void) { return link_state(end) == DMO_LINK_NONE; }

static int status_act(void)
{
	struct genl_msg m;
	int r;

	r = ask(end, DM_ORDERED_CMD_SESSION_GET);
	if (!r) {
		genl_begin(&m, genl_family, DM_ORDERED_CMD_SESSION_GET, DM_ORDERED_GENL_VERSION, NLM_F_DUMP);
		r = genl_talk(&m, &answer);
	}
	if (!r)
		r = dm_simple(DM_TABLE_STATUS, vol_name(end, 0), DM_NOFLUSH_FLAG);
	if (!r)
		r = dm_simple(DM_TABLE_STATUS, vol_name(end, 0), DM_STATUS_TABLE_FLAG);
	return r;
}

static int set_act(void)
{
	static uint32_t n;
	struct genl_msg m;
	uint32_t cycle = 50 + n++ % 7;
	int r;

	genl_command(&m, DM_ORDERED_CMD_SET, end->major, end->minor);
	genl_put32(&m, DMO_A_CYCLE_MS, cycle);
	genl_put32(&m, DMO_A_BUDGET_MIB, 8 + cycle % 2);
	r = genl_talk(&m, &answer);
	if (r)
		return r;
	get_status(end);
	if (genl_get32(&answer, DMO_A_CYCLE_MS) != cycle)
		die("set was accepted, but cycle_ms is %u", genl_get32(&answer, DMO_A_CYCLE_MS));
	return 0;
}

static int switch_act(void) { return ask(&pri, DM_ORDERED_CMD_SWITCH); }

static int promote_act(void) { return ask(&sec, DM_ORDERED_CMD_PROMOTE); }

static bool promote_done(void)
{
	get_status(&sec);
	return genl_get32(&answer, DMO_A_ROLE) == DMO_ROLE_PRIMARY;
}

static void promote_prepare(void)
{
	unsigned int l = left;

	create_prepare();
	left = 0;
	must(activate(&sec), "create", "the secondary");
	left = l;
}

static void promote_undo(void)
{
	if (!promote_done())
		die("promoted, and its role is none of a primary");
}

static unsigned int removed;

static void remove_prepare(void)
{
	removed = 0;
}

static int remove_act(void)
{
	int r;

	for (; removed < nvol; removed++) {
		r = dm_simple(DM_DEV_SUSPEND, vol_name(end, removed), DM_SUSPEND_FLAG);
		if (!r)
			r = dm_simple(DM_DEV_REMOVE, vol_name(end, removed), 0);
		if (r && r != -ENXIO)	/* -ENXIO: it was removed, only the answer got lost */
			return r;
	}
	return 0;
}

static void remove_undo(void)
{
	make_empty(end);
	must(activate(end), "create", "that end");
}

/* What the host does with its device. Errors of the layers above (no memory for the call) it may get. */
static int io_fd = -1;
static char *io_buf;
static unsigned int io_kind;

#define IO_KINDS	9

static const char * const io_names[IO_KINDS] = {
	"write of 4 KiB", "the same again", "write of 64 KiB", "write of 512 B", "write over a zone's end", "discard", "zeroes",
	"flush", "read",
};

static int io_act(void)
{
	static unsigned int n;
	uint64_t range[2];
	ssize_t r;

	n++;
	memset(io_buf, (int)(n % 255) + 1, 1 << 20);
	before_call();
	switch (io_kind) {
	case 0:
		r = pwrite(io_fd, io_buf, 4096, 4096 * (n % 512));
		break;
	case 1:
		r = pwrite(io_fd, io_buf, 4096, 4096 * (n / 8 % 512));
		break;
	case 2:
		r = pwrite(io_fd, io_buf, 65536, 65536 * (n % 32));
		break;
	case 3:
		r = pwrite(io_fd, io_buf, 512, 512 * (n % 4096));
		break;
	case 4:
		r = pwrite(io_fd, io_buf, 512 << 10, (1 << 20) - 4096 * (off_t)(1 + n % 64));
		break;
	case 5:
	case 6:
		range[0] = 4096 * (n % 300) + 512 * (n % 8);
		range[1] = 4096 * 33;
		r = ioctl(io_fd, io_kind == 5 ? BLKDISCARD : BLKZEROOUT, range);
		break;
	case 7:
		r = fsync(io_fd);
		break;
	default:
		r = pread(io_fd, io_buf, 128 << 10, 4096 * (n % 300));
		break;
	}
	r = r < 0 ? -errno : 0;
	after_call();
	return (int)r;
}

static const struct op {
	const char *name;
	void (*prepare)(void);		/* what the operation needs */
	int (*act)(void);		/* it itself, with the failure */
	bool (*done)(void);		/* netlink's answer got lost: has it been done all the same? */
	void (*again)(void);		/* before it is tried without a failure */
	void (*undo)(void);		/* after it has succeeded */
} ops[] = {
	{ .name = "create", .prepare = create_prepare, .act = create_act },
	{ .name = "reload", .act = reload_act },
	{ .name = "link", .prepare = link_prepare, .act = link_act, .done = link_done, .again = link_again,
	  .undo = link_undo },
	{ .name = "unlink", .prepare = unlink_prepare, .act = unlink_act, .done = unlink_done },
	{ .name = "status", .act = status_act },
	{ .name = "set", .act = set_act },
	{ .name = "switch", .act = switch_act },
	{ .name = "promote", .prepare = promote_prepare, .act = promote_act, .done = promote_done,
	  .undo = promote_undo },
	{ .name = "remove", .prepare = remove_prepare, .act = remove_act, .undo = remove_undo },
	{ .name = "io", .act = io_act },
};

static void sweep(const struct op *op, const char *what, unsigned int from, unsigned int every)
{
	unsigned int n, points = 0, failed = 0;

	for (n = from;; n += every) {
		int r;

		if (n > MAX_POINTS)
			die("%s: still not through with %u failures", what, n);
		left = 0;
		if (op->prepare)
			op->prepare();
		left = n;
		injected = false;
		alarm(100);
		r = op->act();
		left = 0;
		if (!injected && r)
			die("%s: no failure was injected before the %uth, and yet: %s %s", what, n, strerror(-r), answer.text);
		points += injected;
		if (r) {
			failed++;
			/* -EINVAL: device-mapper's own words for a queue that can't be made */
			if (r != -ENOMEM && r != -EFAULT && r != -EAGAIN && r != -ENOBUFS && (r != -EINVAL || op->act == io_act))
				die("%s: with the %uth failing: %s %s", what, n, strerror(-r), answer.text);
			if (!op->done || !op->done()) {
				if (op->again)
					op->again();
				r = op->act();
				if (r)
					die("%s: again, after the %uth failed: %s %s", what, n, strerror(-r), answer.text);
			}
		}
		if (op->undo)
			op->undo();
		alarm(0);
		if (!injected)
			break;
	}
	printf("ok: %s: %u failures injected, %u of them were errors\n", what, points, failed);
	if (!points)
		die("%s: no failure was injected", what);
	fflush(stdout);
}

static void on_alarm(int sig)
{
	static const char text[] = "dmofailnth: hangs for 100 s\n";

	(void)sig;
	if (write(1, text, sizeof(text) - 1) < 0)
		_exit(2);
	_exit(1);
}

static void read_image(unsigned int major, unsigned int minor)
{
	struct image *im = &images[nr_images++];
	char dev[] = "/run/dmofailnth-image";
	uint64_t size;

	unlink(dev);
	if (mknod(dev, S_IFBLK | 0600, makedev(major, minor)))
		die("mknod: %s", strerror(errno));
	im->fd = open(dev, O_RDWR | O_DIRECT);
	if (im->fd < 0 || ioctl(im->fd, BLKGETSIZE64, &size))
		die("device %u:%u: %s", major, minor, strerror(errno));
	im->len = size;
	if (posix_memalign(&im->bytes, 4096, im->len) || pread(im->fd, im->bytes, im->len, 0) != (ssize_t)im->len)
		die("device %u:%u can't be read: %s", major, minor, strerror(errno));
}

static void read_images(void)
{
	unsigned int v, major, minor;

	read_image(sec.major, sec.minor);
	for (v = 0; v < nvol; v++) {
		if (sscanf(sec.params[v], "%u:%u", &major, &minor) != 2)
			die("strange table '%s'", sec.params[v]);
		read_image(major, minor);
	}
}

int main(int argc, char **argv)
{
	char path[64] = "/proc/thread-self/fail-nth", op_name[32], *dash;
	unsigned int every = 1, seed = 1, i;
	const struct op *op = NULL;

	if (argc < 4 || argc % 2)
		die("wrong arguments");
	name = argv[1];
	nvol = (unsigned int)atoi(argv[2]);
	for (i = 4; i < (unsigned int)argc; i += 2) {
		if (!strcmp(argv[i], "--task"))
			snprintf(path, sizeof(path), "/proc/%s/fail-nth", argv[i + 1]);
		else if (!strcmp(argv[i], "--every"))
			every = (unsigned int)atoi(argv[i + 1]);
		else if (!strcmp(argv[i], "--seed"))
			seed = (unsigned int)strtoul(argv[i + 1], NULL, 0);
		else
			die("unknown option %s", argv[i]);
	}
	snprintf(op_name, sizeof(op_name), "%s", argv[3]);
	end = &pri;
	dash = strchr(op_name, '-');
	if (dash) {
		end = dash[1] == 's' ? &sec : &pri;
		*dash = '\0';
	}
	if (!strcmp(op_name, "promote"))
		end = &sec;
	for (i = 0; i < sizeof(ops) / sizeof(*ops); i++)
		if (!strcmp(ops[i].name, op_name))
			op = &ops[i];
	if (!op || !nvol || nvol > MAX_VOLS || !every)
		die("wrong arguments");
	signal(SIGALRM, on_alarm);
	fail_fd = open(path, O_RDWR);
	if (fail_fd < 0)
		die("%s: %s", path, strerror(errno));
	control = open("/dev/mapper/control", O_RDWR);
	if (control < 0)
		die("/dev/mapper/control: %s", strerror(errno));
	if (genl_resolve())
		die("no generic netlink family: is the module loaded?");
	learn_tables(&pri);
	learn_tables(&sec);
	if (end == &sec && (op->prepare == create_prepare || op->prepare == promote_prepare)) {
		remove_all(&sec);
		if (op->act == promote_act)
			remove_all(&pri);	/* no two primaries of one session in a kernel */
		read_images();
		make_empty(&sec);
		must(activate(&sec), "create", "the secondary");
	}
	if (op->act == io_act) {
		char dev[160];

		snprintf(dev, sizeof(dev), "/dev/mapper/%s", vol_name(&pri, 0));
		io_fd = open(dev, O_RDWR | O_DIRECT);
		if (io_fd < 0 || posix_memalign((void **)&io_buf, 4096, 1 << 20))
			die("%s: %s", dev, strerror(errno));
		for (io_kind = 0; io_kind < IO_KINDS; io_kind++)
			sweep(op, io_names[io_kind], 1, 1);
		return 0;
	}
	sweep(op, argv[3], 1 + seed % every, every);
	return 0;
}
