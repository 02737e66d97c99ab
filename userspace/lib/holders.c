// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/holders.h"
#include "lib/util.h"

#define POLL_MS	50

static void __printf(3, 4) add(char *buf, size_t size, const char *fmt, ...)
{
	size_t len = strlen(buf);
	va_list ap;

	if (len + 3 >= size)
		return;
	if (len) {
		strcpy(buf + len, ", ");
		len += 2;
	}
	va_start(ap, fmt);
	vsnprintf(buf + len, size - len, fmt, ap);
	va_end(ap);
}

/* Has the process behind /proc/@pid the device open? */
static bool process_has(const char *pid, dev_t dev)
{
	char path[300];
	struct dirent *d;
	struct stat st;
	bool has = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	dir = opendir(path);
	while (dir && !has && (d = readdir(dir)))
		has = !fstatat(dirfd(dir), d->d_name, &st, 0) && S_ISBLK(st.st_mode) &&
		      st.st_rdev == dev;
	if (dir)
		closedir(dir);
	return has;
}

static void add_processes(dev_t dev, char *buf, size_t size)
{
	char path[300], comm[64];
	struct dirent *d;
	DIR *dir = opendir("/proc");
	FILE *f;

	while (dir && (d = readdir(dir))) {
		if (!isdigit((unsigned char)d->d_name[0]) || !process_has(d->d_name, dev))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/comm", d->d_name);
		f = fopen(path, "r");
		if (!f || !fgets(comm, sizeof(comm), f))
			strcpy(comm, "?");
		if (f)
			fclose(f);
		comm[strcspn(comm, "\n")] = '\0';
		add(buf, size, "process %s (%s)", d->d_name, comm);
	}
	if (dir)
		closedir(dir);
}

static void add_mounts(uint32_t major, uint32_t minor, char *buf, size_t size)
{
	FILE *f = fopen("/proc/self/mountinfo", "r");
	char line[4096], where[1024];
	uint32_t ma, mi;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%*u %*u %" SCNu32 ":%" SCNu32 " %*s %1023s", &ma, &mi, where) == 3 &&
		    ma == major && mi == minor)
			add(buf, size, "mounted on %s", where);
	if (f)
		fclose(f);
}

static void add_swaps(dev_t dev, char *buf, size_t size)
{
	FILE *f = fopen("/proc/swaps", "r");
	char line[4096], path[1024];
	struct stat st;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%1023s", path) == 1 && !stat(path, &st) &&
		    S_ISBLK(st.st_mode) && st.st_rdev == dev)
			add(buf, size, "in use as swap");
	if (f)
		fclose(f);
}

static void add_holders(uint32_t major, uint32_t minor, char *buf, size_t size)
{
	char path[64];
	struct dirent *d;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/dev/block/%" PRIu32 ":%" PRIu32 "/holders", major, minor);
	dir = opendir(path);
	while (dir && (d = readdir(dir)))
		if (d->d_name[0] != '.')
			add(buf, size, "device %s on top of it", d->d_name);
	if (dir)
		closedir(dir);
}

/* Processes, mounts, swap, devices on top; "": nobody was found (it may be another mount namespace). */
static void name_holders(uint32_t major, uint32_t minor, char *buf, size_t size)
{
	dev_t dev = makedev(major, minor);

	*buf = '\0';
	add_processes(dev, buf, size);
	add_mounts(major, minor, buf, size);
	add_swaps(dev, buf, size);
	add_holders(major, minor, buf, size);
}

int ord_holders_wait(struct ord_dm *dm, const struct ord_dm_volume *v, uint64_t wait_ms, char *who,
		     size_t size)
{
	uint64_t deadline = ord_mono_ms() + wait_ms;
	int n;

	while ((n = ord_dm_open_count(dm, v->name)) > 0 && ord_mono_ms() < deadline)
		ord_sleep_ms(POLL_MS);
	if (n <= 0)
		return 0;
	name_holders(v->major, v->minor, who, size);
	return -EBUSY;
}

int ord_session_lock(uint32_t meta_major, uint32_t meta_minor)
{
	char path[80];
	int fd;

	snprintf(path, sizeof(path), "/run/orderedctl-%" PRIu32 ":%" PRIu32, meta_major,
		 meta_minor);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -1;
	while (flock(fd, LOCK_EX))
		if (errno != EINTR)
			break;
	return fd;
}
