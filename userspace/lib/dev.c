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

#include "lib/dev.h"

#include <blkid/blkid.h>
#include "lib/util.h"

#define MAX_DEPTH	16	/* of a stack of devices; against loops */
#define SIG_BYTES	(72 * 1024)

int ord_dev_open(const char *path, int flags, bool file_ok, struct ord_dev_info *info, struct dmo_reason *why)
{
	struct stat st;
	int fd, lbs, rc;

	memset(info, 0, sizeof(*info));
	fd = open(path, flags | O_CLOEXEC);
	if (fd < 0) {
		rc = -errno;
		if (rc == -EBUSY)
			snprintf(why->text, DMO_REASON_LEN,
				 "%s is in use (mounted, part of another device, or an active session); free it first",
				 path);
		else
			snprintf(why->text, DMO_REASON_LEN, "can't open %s: %s%s", path, strerror(-rc),
				 rc == -EACCES ? "; run it as root" :
				 rc == -ENOENT ? "; check the name" : "");
		return rc;
	}
	if (fstat(fd, &st)) {
		rc = -errno;
		snprintf(why->text, DMO_REASON_LEN, "can't look at %s: %s", path, strerror(-rc));
		goto fail;
	}
	if (S_ISREG(st.st_mode) && file_ok) {
		info->bytes = (uint64_t)st.st_size;
		info->lbs = 512;
		return fd;
	}
	if (!S_ISBLK(st.st_mode)) {
		rc = -ENOTBLK;
		snprintf(why->text, DMO_REASON_LEN, "%s is not a block device%s; check the name", path,
			 file_ok ? " or a regular file" : "");
		goto fail;
	}
	info->is_block = true;
	info->major = major(st.st_rdev);
	info->minor = minor(st.st_rdev);
	if (ioctl(fd, BLKGETSIZE64, &info->bytes) || ioctl(fd, BLKSSZGET, &lbs)) {
		rc = -errno;
		snprintf(why->text, DMO_REASON_LEN, "can't get the size of %s: %s", path, strerror(-rc));
		goto fail;
	}
	info->lbs = (uint32_t)lbs;
	return fd;
fail:
	close(fd);
	return rc;
}

int ord_dev_stat(const char *path, uint32_t *major, uint32_t *minor, struct dmo_reason *why)
{
	struct stat st;

	if (stat(path, &st)) {
		int rc = -errno;

		snprintf(why->text, DMO_REASON_LEN, "can't look at %s: %s; check the name", path,
			 strerror(-rc));
		return rc;
	}
	if (!S_ISBLK(st.st_mode)) {
		snprintf(why->text, DMO_REASON_LEN, "%s is not a block device; check the name", path);
		return -ENOTBLK;
	}
	*major = major(st.st_rdev);
	*minor = minor(st.st_rdev);
	return 0;
}

bool ord_dev_in_use(const char *path)
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

int ord_dev_stack_visit(uint32_t major, uint32_t minor,
		    int (*fn)(uint32_t major, uint32_t minor, void *arg), void *arg)
{
	return visit(major, minor, fn, arg, 0);
}

int ord_dev_flush(const char *path)
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

int ord_dev_pread(int fd, void *buf, uint64_t len, uint64_t off)
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

/* What libblkid found: words into @text. */
static bool probed(blkid_probe pr, char *text, size_t size)
{
	const char *type, *usage = "";

	if (!blkid_probe_lookup_value(pr, "PTTYPE", &type, NULL)) {
		snprintf(text, size, "a partition table (%s)", type);
		return true;
	}
	if (blkid_probe_lookup_value(pr, "TYPE", &type, NULL))
		return false;
	blkid_probe_lookup_value(pr, "USAGE", &usage, NULL);
	if (!strcmp(usage, "filesystem"))
		snprintf(text, size, "a file system (%s)", type);
	else if (!strcmp(usage, "raid"))
		snprintf(text, size, "a member of a volume group or array (%s)", type);
	else
		snprintf(text, size, "something else (%s)", type);
	return true;
}

/* A dm-integrity that wasn't wiped can't be read where nothing was written to it. */
static bool never_written(int fd)
{
	void *buf;
	int rc;

	if (posix_memalign(&buf, 4096, 4096))
		return false;
	rc = ord_dev_pread(fd, buf, 4096, 0);
	free(buf);
	return rc == -EILSEQ;
}

int ord_dev_wipe(int fd)
{
	blkid_probe pr = blkid_new_probe();
	int rc = -1;

	if (!pr)
		return -1;
	if (!blkid_probe_set_device(pr, fd, 0, 0) && !blkid_probe_enable_superblocks(pr, 1) &&
	    !blkid_probe_set_superblocks_flags(pr, BLKID_SUBLKS_MAGIC | BLKID_SUBLKS_BADCSUM) &&
	    !blkid_probe_enable_partitions(pr, 1) &&
	    !blkid_probe_set_partitions_flags(pr, BLKID_PARTS_MAGIC)) {
		while (!(rc = blkid_do_probe(pr)))
			if (blkid_do_wipe(pr, 0))
				break;
	}
	blkid_free_probe(pr);
	return rc > 0 || (rc < 0 && never_written(fd)) ? 0 : -1;
}

const char *ord_dev_signature_to(char *text, int fd)
{
	blkid_probe pr = blkid_new_probe();
	bool found = false;

	if (!pr)
		return "something that can't be told: out of memory";
	/* a damaged one is one, too */
	if (blkid_probe_set_device(pr, fd, 0, 0) ||
	    blkid_probe_enable_superblocks(pr, 1) ||
	    blkid_probe_set_superblocks_flags(pr, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_USAGE |
					      BLKID_SUBLKS_BADCSUM) ||
	    blkid_probe_enable_partitions(pr, 1))
		found = !!snprintf(text, ORD_TEXT_LEN, "something that libblkid can't look at");
	while (!found) {
		int rc = blkid_do_probe(pr);

		if (rc > 0 || (rc < 0 && never_written(fd)))
			break;
		if (rc < 0)
			found = !!snprintf(text, ORD_TEXT_LEN, "blocks that can't be read");
		else
			found = probed(pr, text, ORD_TEXT_LEN);
	}
	blkid_free_probe(pr);
	return found ? text : NULL;
}
