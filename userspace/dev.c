// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <dirent.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "dev.h"
#include "util.h"

#define MAX_DEPTH	16	/* of a stack of devices; against loops */
#define SIG_BYTES	(72 * 1024)

int dev_open(const char *path, int flags, bool file_ok, struct dev_info *info, char *why)
{
	struct stat st;
	int fd, lbs, rc;

	memset(info, 0, sizeof(*info));
	fd = open(path, flags | O_CLOEXEC);
	if (fd < 0) {
		rc = -errno;
		if (rc == -EBUSY)
			snprintf(why, DMO_REASON_LEN,
				 "%s is in use (mounted, part of another device, or an active session); free it first",
				 path);
		else
			snprintf(why, DMO_REASON_LEN, "can't open %s: %s%s", path, strerror(-rc),
				 rc == -EACCES ? "; run it as root" :
				 rc == -ENOENT ? "; check the name" : "");
		return rc;
	}
	if (fstat(fd, &st)) {
		rc = -errno;
		snprintf(why, DMO_REASON_LEN, "can't look at %s: %s", path, strerror(-rc));
		goto fail;
	}
	if (S_ISREG(st.st_mode) && file_ok) {
		info->bytes = (uint64_t)st.st_size;
		info->lbs = 512;
		return fd;
	}
	if (!S_ISBLK(st.st_mode)) {
		rc = -ENOTBLK;
		snprintf(why, DMO_REASON_LEN, "%s is not a block device%s; check the name", path,
			 file_ok ? " or a regular file" : "");
		goto fail;
	}
	info->is_block = true;
	info->major = major(st.st_rdev);
	info->minor = minor(st.st_rdev);
	if (ioctl(fd, BLKGETSIZE64, &info->bytes) || ioctl(fd, BLKSSZGET, &lbs)) {
		rc = -errno;
		snprintf(why, DMO_REASON_LEN, "can't get the size of %s: %s", path, strerror(-rc));
		goto fail;
	}
	info->lbs = (uint32_t)lbs;
	return fd;
fail:
	close(fd);
	return rc;
}

int dev_stat(const char *path, uint32_t *major, uint32_t *minor, char *why)
{
	struct stat st;

	if (stat(path, &st)) {
		int rc = -errno;

		snprintf(why, DMO_REASON_LEN, "can't look at %s: %s; check the name", path,
			 strerror(-rc));
		return rc;
	}
	if (!S_ISBLK(st.st_mode)) {
		snprintf(why, DMO_REASON_LEN, "%s is not a block device; check the name", path);
		return -ENOTBLK;
	}
	*major = major(st.st_rdev);
	*minor = minor(st.st_rdev);
	return 0;
}

bool dev_in_use(const char *path)
{
	int fd = open(path, O_RDONLY | O_EXCL | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd < 0 && errno == EBUSY;
}

static int visit(uint32_t major, uint32_t minor,
		 int (*fn)(uint32_t major, uint32_t minor, void *arg), void *arg, int depth);

static int visit_dir(const char *dir, int (*fn)(uint32_t, uint32_t, void *), void *arg, int depth)
{
	unsigned int maj, min;
	char path[PATH_MAX];
	FILE *f;
	int rc = 0;

	if (snprintf(path, sizeof(path), "%s/dev", dir) >= (int)sizeof(path))
		return 0;
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fscanf(f, "%u:%u", &maj, &min) == 2)
		rc = visit(maj, min, fn, arg, depth);
	fclose(f);
	return rc;
}

static int visit_slaves(const char *base, int (*fn)(uint32_t, uint32_t, void *), void *arg,
			int depth)
{
	char path[PATH_MAX];
	struct dirent *e;
	int rc = 0;
	DIR *dir;

	if (snprintf(path, sizeof(path), "%s/slaves", base) >= (int)sizeof(path))
		return 0;
	dir = opendir(path);
	if (!dir)
		return 0;
	while (!rc && (e = readdir(dir))) {
		if (e->d_name[0] == '.')
			continue;
		if (snprintf(path, sizeof(path), "%s/slaves/%s", base, e->d_name) <
		    (int)sizeof(path))
			rc = visit_dir(path, fn, arg, depth);
	}
	closedir(dir);
	return rc;
}

/* The file system on which a loop device's file lies. */
static int visit_loop(const char *base, int (*fn)(uint32_t, uint32_t, void *), void *arg,
		      int depth)
{
	char path[PATH_MAX], file[PATH_MAX];
	struct stat st;
	int rc = 0;
	FILE *f;

	if (snprintf(path, sizeof(path), "%s/loop/backing_file", base) >= (int)sizeof(path))
		return 0;
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fgets(file, sizeof(file), f)) {
		file[strcspn(file, "\n")] = '\0';
		if (!stat(file, &st)) {
			dev_t d = S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev;

			rc = visit(major(d), minor(d), fn, arg, depth);
		}
	}
	fclose(f);
	return rc;
}

static int visit(uint32_t major, uint32_t minor,
		 int (*fn)(uint32_t major, uint32_t minor, void *arg), void *arg, int depth)
{
	char link[64], base[PATH_MAX], path[PATH_MAX];
	char *slash;
	int rc;

	if (depth > MAX_DEPTH)
		return 0;
	rc = fn(major, minor, arg);
	if (rc)
		return rc;
	snprintf(link, sizeof(link), "/sys/dev/block/%u:%u", major, minor);
	if (!realpath(link, base))
		return 0;
	rc = visit_slaves(base, fn, arg, depth + 1);
	if (!rc)
		rc = visit_loop(base, fn, arg, depth + 1);
	if (!rc && snprintf(path, sizeof(path), "%s/partition", base) < (int)sizeof(path) &&
	    !access(path, F_OK)) {
		slash = strrchr(base, '/');
		if (slash)
			*slash = '\0';
		rc = visit_dir(base, fn, arg, depth + 1);
	}
	return rc;
}

int dev_stack_visit(uint32_t major, uint32_t minor,
		    int (*fn)(uint32_t major, uint32_t minor, void *arg), void *arg)
{
	return visit(major, minor, fn, arg, 0);
}

int dev_flush(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc = 0;

	if (fd < 0)
		return -errno;
	if (ioctl(fd, BLKFLSBUF, 0))
		rc = -errno;
	close(fd);
	return rc;
}

static int pread_all(int fd, char *buf, uint64_t len, uint64_t off)
{
	while (len) {
		ssize_t n = pread(fd, buf, len, (off_t)off);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (!n) {
			memset(buf, 0, len);
			return 0;
		}
		buf += n;
		off += (uint64_t)n;
		len -= (uint64_t)n;
	}
	return 0;
}

int dev_pread(int fd, void *buf, uint64_t len, uint64_t off)
{
	int flags = fcntl(fd, F_GETFL), rc;

	if (flags >= 0 && !fcntl(fd, F_SETFL, flags | O_DIRECT)) {
		rc = pread_all(fd, buf, len, off);
		fcntl(fd, F_SETFL, flags);
		if (rc != -EINVAL)
			return rc;
	}
	return pread_all(fd, buf, len, off);
}

static const struct {
	const char *name;
	unsigned int off, len;
	const char *magic;
} signatures[] = {
	{ "an ext2/3/4 file system", 1080, 2, "\x53\xef" },
	{ "an XFS file system", 0, 4, "XFSB" },
	{ "a btrfs file system", 65600, 8, "_BHRfS_M" },
	{ "an F2FS file system", 1024, 4, "\x10\x20\xf5\xf2" },
	{ "swap space", 4086, 10, "SWAPSPACE2" },
	{ "an LVM physical volume", 512, 8, "LABELONE" },
	{ "an LVM physical volume", 536, 8, "LVM2 001" },
	{ "a LUKS volume", 0, 6, "LUKS\xba\xbe" },
	{ "an MD RAID member", 4096, 4, "\xfc\x4e\x2b\xa9" },
	{ "an MD RAID member", 0, 4, "\xfc\x4e\x2b\xa9" },
	{ "a bcache device", 4120, 16,
	  "\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81" },
	{ "a GPT partition table", 512, 8, "EFI PART" },
	{ "a GPT partition table", 4096, 8, "EFI PART" },
	{ "a partition table or boot sector", 510, 2, "\x55\xaa" },
};

const char *dev_signature(int fd)
{
	const char *name = NULL;
	unsigned int i;
	char *buf;

	if (posix_memalign((void **)&buf, 4096, SIG_BYTES))
		return NULL;
	if (!dev_pread(fd, buf, SIG_BYTES, 0)) {
		for (i = 0; i < ARRAY_LEN(signatures) && !name; i++)
			if (!memcmp(buf + signatures[i].off, signatures[i].magic,
				    signatures[i].len))
				name = signatures[i].name;
	}
	free(buf);
	return name;
}
