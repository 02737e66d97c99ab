/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one place that tells kernels apart (6.1 and 6.12), and, for the core
 * files that are also built in userspace, the kernel from userspace.
 *
 * Core files (no I/O, no locks) are those of format/. They include this header
 * first and use nothing that userspace/kcompat.h does not offer.
 */
#ifndef DMO_COMPAT_H
#define DMO_COMPAT_H

#ifdef __KERNEL__
#include <linux/bitops.h>
#include <linux/build_bug.h>
#include <linux/crc32c.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/types.h>
#include <linux/version.h>
#include <asm/byteorder.h>
#else
#include "kcompat.h"
#endif

#define DMO_SECTOR		512u
#define DMO_BLOCK		4096u	/* a block */
#define DMO_BLOCK_SHIFT		12
#define DMO_BLOCK_SECTORS	8u
#define DMO_FULL_MASK		0xffu

/* CRC-32C as used on disk and on the wire: seed ~0, result inverted. */
static inline u32 dmo_crc(u32 crc, const void *p, size_t len)
{
	return ~crc32c(~crc, p, len);
}

/**
 * struct dmo_cut - a cut, named by its tag (epoch, n)
 * @epoch: epoch of the coordinator that made it
 * @n: number within, and the seq of the chunk that ends at it
 */
struct dmo_cut {
	u64 epoch;
	u64 n;
};

static inline int dmo_cut_cmp(struct dmo_cut a, struct dmo_cut b)
{
	if (a.epoch != b.epoch)
		return a.epoch < b.epoch ? -1 : 1;
	return a.n < b.n ? -1 : a.n > b.n;
}

static inline bool dmo_cut_is_zero(struct dmo_cut a)
{
	return !a.epoch && !a.n;
}

#endif /* DMO_COMPAT_H */
