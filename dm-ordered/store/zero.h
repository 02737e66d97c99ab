/* SPDX-License-Identifier: GPL-2.0-only */
/* Zeroes onto a data device, in the way it takes them; see zero.c. */
#ifndef DMO_ZERO_H
#define DMO_ZERO_H

#include <linux/blkdev.h>
#include "compat.h"

/* What was found out about a device, bits of an unsigned long that the caller keeps for it. */
#define DMO_ZERO_NO_KEEP	0	/* no write-zeroes that leave the blocks allocated */
#define DMO_ZERO_NO_FREE	1	/* none that may free them */

/**
 * dmo_zero_keep - make sectors zero; the space stays allocated
 * @known: DMO_ZERO_*, of the device
 *
 * Context: sleeps, GFP_NOIO, one range at a time no other write overlaps.
 * Return: 0: all of it reads as zeroes, or the device's error.
 */
int dmo_zero_keep(struct block_device *bdev, u64 sector, u64 nr, unsigned long *known);

/**
 * dmo_zero_free - make sectors zero, giving their space back where the device can
 * Parameters, context and return value as above.
 */
int dmo_zero_free(struct block_device *bdev, u64 sector, u64 nr, unsigned long *known);

/**
 * dmo_discard - discard sectors; the device is known to offer it
 * @left: called, in ascending order, for runs within the range that don't read as zeroes now, or
 *	couldn't be read; NULL: they are zeroed by writing
 *
 * Context and return value as above; 0: what @left was not called for reads as zeroes.
 */
int dmo_discard(struct block_device *bdev, u64 sector, u64 nr, unsigned long *known,
		void (*left)(void *arg, u64 sector, u64 nr), void *arg);

#endif /* DMO_ZERO_H */
