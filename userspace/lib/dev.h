/* SPDX-License-Identifier: GPL-2.0-only */
/* Block devices and regular files as seen from outside: what they are. */
#ifndef ORD_DEV_H
#define ORD_DEV_H

#include <stdbool.h>
#include <stdint.h>

#include "format/ondisk.h"
#include "lib/util.h"

struct ord_dev_info {
	uint64_t bytes;
	uint32_t lbs;		/* logical block size; 512 for a regular file */
	uint32_t major, minor;	/* of a block device, else 0 */
	bool is_block;
};

/*
 * ord_dev_open - open a block device or, if @file_ok, a regular file
 * @flags: of open(2); O_CLOEXEC is added
 * @why: what is wrong and what to do
 * Return: the fd or a negative errno.
 */
int ord_dev_open(const char *path, int flags, bool file_ok, struct ord_dev_info *info,
		 struct dmo_reason *why);

/* ord_dev_stat - device number of a block device, without opening it; 0 or -errno */
int ord_dev_stat(const char *path, uint32_t *major, uint32_t *minor, struct dmo_reason *why);

/* ord_dev_in_use - does something hold @path exclusively (a mount, dm, swap ...)? */
bool ord_dev_in_use(const char *path);

/*
 * ord_dev_stack_visit - walk what a device lies on: itself, slaves, the disk of a
 * partition, the file system under a loop file
 * @fn: called for each; not 0 ends the walk
 * Return: what @fn returned last.
 */
int ord_dev_stack_visit(uint32_t major, uint32_t minor,
			int (*fn)(uint32_t major, uint32_t minor, void *arg), void *arg);

/* ord_dev_flush - write back and drop the page cache of a block device; 0 or -errno */
int ord_dev_flush(const char *path);

/*
 * ord_dev_pread - read @len bytes at @off past the page cache where possible, so
 * that what the kernel wrote is seen
 * @buf: aligned to 4096; @len and @off multiples of 4096
 * A file's last bytes that don't make a block read as zero.
 * Return: 0 or -errno.
 */
int ord_dev_pread(int fd, void *buf, uint64_t len, uint64_t off);

/* ord_dev_signature - what libblkid finds on the device, in words; NULL: nothing */
const char *ord_dev_signature_to(char *buf, int fd);
#define ord_dev_signature(fd)	ord_dev_signature_to(ORD_TEXT, fd)

/* ord_dev_wipe - remove the signatures of all that libblkid finds. Return: 0, or -1: some are left */
int ord_dev_wipe(int fd);

#endif /* ORD_DEV_H */
