/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The store of a primary: which blocks belong to the active and to the older
 * chunk, and in which form: slot, zero, or reference.
 *
 * Parity. Two chunks exist at most; each has the parity (0 or 1) of its cycle
 * (cycle.h). A slot bears the parity of its chunk: the "cache stamp" of seed 0
 * Fig. 4. A block may have a slot in each parity: the "duplicate slot" of Fig. 5.
 *
 * Slot. One 4 KiB page and a mask of the 512-byte sectors that changed. The
 * page is what is written to the local disk, so what is shipped is what was
 * written. A zero slot has no page and a full mask.
 *
 * Zero zone. A bit in another bitmap of the volume and parity, one a zone: what long discards and
 * write-zeroes leave. It is the ground on which the chunk's references and slots of that zone
 * lie, so it is shipped before them. One set in a chunk takes away what the chunk held of the zone.
 *
 * Reference. A bit in the volume's bitmap of that parity. Its granularity is
 * the volume's unit: 4 KiB, or more on very large sessions. The data is on the
 * data device only.
 *
 * Rule: where a chunk has a slot for a block, the slot is all that the chunk
 * holds of it, whatever the reference bit of its unit says. Where it has none
 * and the bit is set, the whole block is shipped from the disk. Hence a write
 * to a block with the bit set and no slot never makes one.
 *
 * Stripes. The blocks of one zone (1 MiB, aligned; no write crosses it) hash
 * to one of DMO_STRIPES stripes. A stripe's lock guards its block locks, its
 * slots and their lists; nothing is done under it beyond list operations over
 * the blocks of one write. Reference bits are set and cleared with atomic bit
 * operations; a bit of a unit changes only under a block lock on that unit or
 * under the stripe's lock with no block lock on it, except in a merge, and in dmo_store_full().
 * A zero zone's bit changes under a block lock on all of the zone, with the same exceptions.
 *
 * Block locks (struct dmo_range) are queued, first come first served; they cover whole
 * units and are never slept for in map(): the holder-to-be is called back. One on many zones is
 * a struct dmo_long.
 *
 * Lock order: stripe->lock is innermost and taken with interrupts disabled
 * (bio completions take it). Inside it nothing is taken but a wait queue's lock, to
 * wake the cycle thread. @fill_lock, a mutex, is taken outside of it, block locks outside of that.
 */
#ifndef DMO_CHUNK_H
#define DMO_CHUNK_H

#include <linux/blkdev.h>
#include <linux/completion.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include "format/fold.h"
#include "format/ondisk.h"
#include "store/cycle.h"

#ifndef DMO_ZONE_SHIFT
#define DMO_ZONE_SHIFT		20	/* bytes; the simulator's volumes are small */
#endif
#define DMO_ZONE_SECTORS	(1u << (DMO_ZONE_SHIFT - 9))
#define DMO_ZONE_BLOCKS		(1u << (DMO_ZONE_SHIFT - DMO_BLOCK_SHIFT))
#define DMO_STRIPES		256
#define DMO_ZONE_BLOCK_SHIFT	(DMO_ZONE_SHIFT - DMO_BLOCK_SHIFT)
#define DMO_STRIPE_BATCH	16	/* slots a visit of a stripe, at most */
#define DMO_FLUSH_BITS		32768u	/* regions of the unflushed map, at most */

struct dmo_range;
struct dmo_vol;

struct dmo_slot {
	struct hlist_node hash;
	struct list_head list;	/* stripe->unsent[parity] or ->sent[parity], or private */
	struct page *page;	/* NULL: zero slot */
	u64 block;
	u16 vol;		/* index of the volume */
	u8 parity;
	u8 mask;
	bool sent;		/* on the current link, and unchanged since */
};

struct dmo_stripe {
	spinlock_t lock;		/* see above */
	struct list_head ranges;	/* block locks held and queued, in order of arrival */
	u8 cover[DMO_ZONE_BLOCKS];	/* how many of them cover a block of any of its zones ... */
	bool cover_full;		/* ... which were too many to count since the list was empty */
	struct list_head unsent[2];	/* slots by parity, coldest first */
	struct list_head sent[2];
	struct hlist_head *heads;
} ____cacheline_aligned_in_smp;

/* Counted per CPU; units as in enum dmo_volume_attr. */
struct dmo_vol_stats {
	u64 reads, writes, written, folded, copyouts, errors;
};

/**
 * struct dmo_vol - what the store keeps of a volume
 * @bdev: data device; set while the volume's table is alive
 * @zero_known: DMO_ZERO_*, atomic; of another data device they would only cost speed
 * @refs: reference bitmaps, by parity, one bit a unit
 * @zones: zero zones, by parity; only whole zones can be
 * @unflushed: regions written since the last good flush: [cur] since the flush
 *	in hand was issued, [cur ^ 1] before it; @flush_lock guards @cur and @flushing
 */
struct dmo_vol {
	u32 id;
	u16 index;
	u64 sectors;
	u64 blocks;		/* the last one may be partial */
	u8 unit_shift;		/* log2 of blocks a unit */
	u64 units;
	struct block_device *bdev;
	unsigned long zero_known;
	unsigned long *refs[2];
	u64 nr_zones;		/* whole ones */
	unsigned long *zones[2];
	unsigned long *unflushed[2];
	u8 region_shift;	/* log2 of sectors an unflushed bit covers */
	u32 regions;
	spinlock_t flush_lock;	/* irq-safe, innermost */
	u8 cur;
	bool flushing;
	bool reship;		/* a flush failed: nothing leaves @unflushed until the reship */
	u32 flush_errors;
	struct dmo_vol_stats __percpu *stats;
};

/**
 * struct dmo_store - the chunks of a session
 * @zones: zero zones, by parity; @runs: runs of them, at most
 * @fill_lock: dmo_store_full() against dmo_store_zero_zones()
 */
struct dmo_store {
	struct dmo_cycle cycle;
	struct dmo_stripe *stripes;
	struct hlist_head *heads;	/* all stripes' heads */
	u32 heads_bits;			/* log2 of heads a stripe */
	u32 nr_vols;
	struct dmo_vol *vols;
	u64 budget;			/* bytes; READ_ONCE */
	u64 fixed;			/* bytes: bitmaps and heads */
	atomic64_t used;		/* bytes of slots and pages */
	atomic64_t slots[2], zeroes[2], refs[2];
	atomic64_t zones[2], runs[2];
	struct mutex fill_lock;
	ktime_t since[2];		/* when the chunk got its first block; for the lag */
	u64 kick_bytes;			/* dmo_store_bytes() at which @kick is called */
	bool large[2];			/* ... and was, by parity, since the owner has looked at it */
	void (*kick)(struct dmo_store *st);	/* any context: size or memory needs attention */
	void *owner;
	bool merging;			/* older into active; under every stripe lock in turn */
};

/**
 * struct dmo_range - a block lock on whole units within one zone
 * @granted: called when a queued lock becomes held; any context, also hard irq,
 *	no stripe lock held
 */
struct dmo_range {
	struct list_head node;
	struct list_head ready;	/* of whoever unlocks: held now, and not told yet */
	u64 first, last;	/* blocks, inclusive, unit-aligned */
	u16 vol;
	u32 blockers;		/* earlier overlapping ones still in the list */
	void (*granted)(struct dmo_range *r);
};

/* A block lock that is slept for. */
struct dmo_range_waiter {
	struct dmo_range range;
	struct completion done;
};

struct dmo_long_part {
	struct dmo_range range;
	struct dmo_long *of;
	struct dmo_stripe *stripe;
};

/**
 * struct dmo_long - a block lock on many zones
 * @held: parts asked for; whoever got the last one goes on
 * @granted: as in struct dmo_range
 */
struct dmo_long {
	u32 nr, held;
	void (*granted)(struct dmo_long *l);
	void *owner;
	struct dmo_long_part part[];
};

int dmo_chunk_init(void);	/* module init: slab */
void dmo_chunk_exit(void);

/**
 * dmo_store_create - allocate for the listed volumes
 * @info: the superblock's list
 * @budget: bytes for everything, bitmaps included (at most half of it)
 * @seq: of the first active chunk
 * @full: every block of every volume is a reference of the active chunk
 * Context: sleeps, GFP_NOIO.
 * Return: store, or ERR_PTR(-ENOSPC) with the budget needed in @why, -ENOMEM.
 */
struct dmo_store *dmo_store_create(const struct dmo_volume_info *info, u32 nr, u64 budget,
				   u64 seq, bool full, char *why);
void dmo_store_destroy(struct dmo_store *st);

struct dmo_stripe *dmo_store_stripe(struct dmo_store *st, u16 vol, u64 block);

/**
 * dmo_range_init - for @nr blocks from @block; widened to units
 */
void dmo_range_init(struct dmo_store *st, struct dmo_range *r, u16 vol, u64 block, u64 nr,
		    void (*granted)(struct dmo_range *r));
/**
 * dmo_range_lock - Return: true: held; false: queued, @granted follows
 */
bool dmo_range_lock(struct dmo_store *st, struct dmo_range *r);
/**
 * dmo_range_lock_wait - init and lock, for a context that may sleep
 */
void dmo_range_lock_wait(struct dmo_store *st, struct dmo_range_waiter *w, u16 vol, u64 block,
			 u64 nr);
void dmo_range_unlock(struct dmo_store *st, struct dmo_range *r);
/**
 * dmo_range_busy - does any lock, held or queued, cover the unit? Holds: the stripe's lock
 */
bool dmo_range_busy(struct dmo_stripe *sp, u16 vol, u64 first, u64 last);

/**
 * dmo_long_alloc - for @nr zones from @zone; never waits. Return: NULL: no memory
 */
struct dmo_long *dmo_long_alloc(struct dmo_store *st, u16 vol, u64 zone, u64 nr,
				void (*granted)(struct dmo_long *l), void *owner);
/**
 * dmo_long_lock - Return: true: held; false: queued, @granted follows
 */
bool dmo_long_lock(struct dmo_long *l);
/**
 * dmo_long_unlock - and free
 */
void dmo_long_unlock(struct dmo_long *l);

/**
 * dmo_slot_alloc - never waits; counted against the budget. NULL: no memory or over budget
 */
struct dmo_slot *dmo_slot_alloc(struct dmo_store *st, bool with_page);
void dmo_slot_free(struct dmo_store *st, struct dmo_slot *s);
void dmo_slot_free_list(struct dmo_store *st, struct list_head *list);
/**
 * dmo_slot_find - Holds: the stripe's lock
 */
struct dmo_slot *dmo_slot_find(struct dmo_store *st, struct dmo_stripe *sp, u16 vol, u64 block,
			       u8 parity);
/**
 * dmo_slot_add - new slot, unsent, at the hot end. Holds: the stripe's lock
 */
void dmo_slot_add(struct dmo_store *st, struct dmo_stripe *sp, struct dmo_slot *s);
/**
 * dmo_slot_del - out of hash, list and counts; the caller frees. Holds: the stripe's lock
 */
void dmo_slot_del(struct dmo_store *st, struct dmo_stripe *sp, struct dmo_slot *s);
/**
 * dmo_slot_touch - written again: unsent, at the hot end. Holds: the stripe's lock
 */
void dmo_slot_touch(struct dmo_stripe *sp, struct dmo_slot *s);
/**
 * dmo_slot_move - becomes one of @parity's, at the cold end. Holds: the stripe's lock
 */
void dmo_slot_move(struct dmo_store *st, struct dmo_stripe *sp, struct dmo_slot *s, u8 parity);
/**
 * dmo_slot_unzero - zero slot gets @page, zero-filled. Holds: the stripe's lock
 */
void dmo_slot_unzero(struct dmo_store *st, struct dmo_slot *s, struct page *page);
/**
 * dmo_slot_zero - becomes a zero slot; Return: its page, for the caller to put.
 * Holds: the stripe's lock
 */
struct page *dmo_slot_zero(struct dmo_store *st, struct dmo_slot *s);

/**
 * dmo_ref_test - is the block's unit a reference of @parity?
 */
static inline bool dmo_ref_test(struct dmo_vol *v, u8 parity, u64 block)
{
	return test_bit(block >> v->unit_shift, v->refs[parity]);
}
/**
 * dmo_ref_set - can't fail; any context
 */
void dmo_ref_set(struct dmo_store *st, struct dmo_vol *v, u8 parity, u64 block);
bool dmo_ref_clear(struct dmo_store *st, struct dmo_vol *v, u8 parity, u64 block);
/**
 * dmo_ref_any - is any of the blocks first..last a reference of @parity?
 */
bool dmo_ref_any(struct dmo_vol *v, u8 parity, u64 first, u64 last);

/**
 * dmo_store_make_refs - first..last of @parity become references, their slots of
 * that parity go
 * Holds: a block lock on them. Any context.
 */
void dmo_store_make_refs(struct dmo_store *st, struct dmo_vol *v, u8 parity, u64 first, u64 last);

/**
 * dmo_zone_test - is the block in a zero zone of @parity?
 */
static inline bool dmo_zone_test(struct dmo_vol *v, u8 parity, u64 block)
{
	u64 zone = block >> DMO_ZONE_BLOCK_SHIFT;

	return zone < v->nr_zones && test_bit(zone, v->zones[parity]);
}

/**
 * dmo_store_zero_zones - @nr zones from @zone become zero zones of the active chunk @parity, and
 * what it held of them goes
 * Holds: a block lock on them, counted in; no older chunk has references there.
 * Context: process, sleeps for @fill_lock
 */
void dmo_store_zero_zones(struct dmo_store *st, struct dmo_vol *v, u8 parity, u64 zone, u64 nr);

/**
 * dmo_store_unzero - the block's zone, if it is a zero zone of @parity, becomes references
 * No merge runs. Context: process, sleeps for its block lock.
 */
void dmo_store_unzero(struct dmo_store *st, struct dmo_vol *v, u8 parity, u64 block);

/**
 * dmo_store_demote - turn the coldest slots of the active chunk into
 * references until at most @target bytes are used
 * Context: process. Return: slots demoted.
 */
u64 dmo_store_demote(struct dmo_store *st, u64 target);

/**
 * dmo_store_merge - fold the older chunk into the active one
 * The older chunk has drained; the caller is the only one that switches.
 * Context: process.
 */
void dmo_store_merge(struct dmo_store *st);

/**
 * dmo_store_release - the older chunk is COMPLETE: free its slots and references
 */
void dmo_store_release(struct dmo_store *st);

/**
 * dmo_store_resend - link lost: every slot counts as unsent again
 */
void dmo_store_resend(struct dmo_store *st);

/**
 * dmo_store_full - every block of every volume becomes a reference of the active chunk;
 * no older chunk exists. Context: process, sleeps for block locks.
 */
void dmo_store_full(struct dmo_store *st);

/**
 * dmo_store_reship - after a failed flush of @v: all that was written since the last good
 * one becomes references of the active chunk. There is no older chunk: a write that waits for
 * a merge has its block lock. Context: process.
 * Return: false if a flush failed meanwhile: call again
 */
bool dmo_store_reship(struct dmo_store *st, struct dmo_vol *v);

/**
 * dmo_store_bytes - upper bound of what shipping @parity puts into the peer's journal
 */
u64 dmo_store_bytes(struct dmo_store *st, u8 parity);
/**
 * dmo_store_grown - blocks of @parity have become slots or references: @kick if it is large by now. Any context
 */
void dmo_store_grown(struct dmo_store *st, u8 parity);
bool dmo_store_empty(struct dmo_store *st, u8 parity);

/* Flush tracking, any context */
void dmo_vol_written(struct dmo_vol *v, u64 sector, u32 nr);
bool dmo_vol_flush_begin(struct dmo_vol *v);
/**
 * dmo_vol_flush_end - Return: true if the flush failed and a reship is due now
 */
bool dmo_vol_flush_end(struct dmo_vol *v, bool tracked, bool ok);

/**
 * dmo_vol_block_mask - sectors of @block that exist (all but in a partial last block)
 */
static inline u8 dmo_vol_block_mask(const struct dmo_vol *v, u64 block)
{
	u64 left = v->sectors - block * DMO_BLOCK_SECTORS;

	return left >= DMO_BLOCK_SECTORS ? DMO_FULL_MASK : (1u << left) - 1;
}

#endif /* DMO_CHUNK_H */
