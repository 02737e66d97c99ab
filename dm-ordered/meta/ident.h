/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DMO_IDENT_H
#define DMO_IDENT_H

#include <linux/blkdev.h>

/**
 * dmo_ident_read - the persistent identity of a block device
 * @out: DMO_IDENT_LEN bytes; NUL-padded text; "" if the device has none that the kernel knows
 *
 * A device-mapper device's UUID, a partition's PARTUUID, a disk's unique id (WWID) as its
 * driver gives it. Never a name or number, which change from boot to boot.
 * Context: sleeps; no lock of device-mapper held.
 */
void dmo_ident_read(struct block_device *bdev, char *out);

#endif /* DMO_IDENT_H */
