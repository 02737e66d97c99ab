/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The metadata device: superblock and state block in memory and on disk.
 */
#ifndef DMO_META_H
#define DMO_META_H

#include <linux/blkdev.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include "format/ondisk.h"

struct dmo_witness_known;

/**
 * struct dmo_meta - an open metadata device
 * @bdev: held by the tables that name it
 * @lock: serialises all writes of superblock and state block; whoever changes
 *	@sb or @st holds it from the change until it is written. Sleeps. Taken
 *	inside the session's mutex, never in an I/O path of the host.
 * @sb: superblock as on disk (plus the change in hand)
 * @st: state block as on disk (plus the change in hand)
 * @witness: what is known of the data devices (witness.h), under @lock
 * @failed: sticky: a write failed, why in @why; every later write fails too
 */
struct dmo_meta {
	struct block_device *bdev;
	struct mutex lock;
	struct dmo_super sb;
	struct dmo_state st;
	int sb_copy;		/* copy last written */
	bool sb_stale;		/* the other one is older, or damaged; under @lock */
	int st_slot;
	void *buf;		/* DMO_SB_BYTES, under @lock */
	/* witness.c */
	struct dmo_witness witness;
	struct dmo_witness_known *known;	/* a volume each, in the order of @sb */
	int wit_copy;		/* copy last written */
	bool wit_changed;	/* in memory: not written yet */
	bool wit_damaged;	/* neither copy could be read, until one is written */
	struct dmo_reason wit_why;	/* how it is damaged */
	void *wit_buf;		/* DMO_WIT_BYTES, under @lock */
	spinlock_t fail_lock;	/* see meta.c */
	bool failed;		/* read it by dmo_meta_failed() */
	unsigned long failed_since;	/* jiffies; as @why */
	struct dmo_reason why;
};

/**
 * dmo_meta_write_super - write @m->sb durably (PREFLUSH, FUA) to both copies.
 * Holds: @m->lock.
 */
int dmo_meta_write_super(struct dmo_meta *m);
/**
 * dmo_meta_write_state - write @m->st durably to both slots. Holds: @m->lock.
 */
int dmo_meta_write_state(struct dmo_meta *m);

/**
 * dmo_meta_fail - a write failed: set @failed and @why, the first time only, and log
 * it. Any context.
 */
void dmo_meta_fail(struct dmo_meta *m, const char *fmt, ...) __printf(2, 3);
/**
 * dmo_meta_failed - has it? Then @m->why.text is whole and does not change. Any context.
 */
bool dmo_meta_failed(const struct dmo_meta *m);

/**
 * dmo_meta_rw - synchronous I/O of whole blocks at @block of the device
 * @opf: REQ_OP_READ, or REQ_OP_WRITE with REQ_PREFLUSH/REQ_FUA
 * @buf: kmalloc'ed or vmalloc'ed memory, nr * 4096 bytes
 */
int dmo_meta_rw(struct dmo_meta *m, blk_opf_t opf, u64 block, void *buf, u32 nr);

#endif /* DMO_META_H */
