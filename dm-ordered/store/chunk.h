/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The store of a primary: which blocks belong to the active and to the older
 * chunk, and in which form: slot, zero, or reference.
 *
 * Chunk. All that one cycle has, a struct dmo_chunk. Two exist, for as long as the store does: the
 * active one, and the other one, which is the older chunk, or is empty and waits to be active
 * next. A switch exchanges a pointer. So whoever asks of the other chunk whether it holds a block needs
 * no lock to ask it, and bits can be set without memory.
 *
 * A slot bears the index of its chunk: the "cache stamp" of seed 0
 * Fig. 4. A block may have a slot in each chunk: the "duplicate slot" of Fig. 5.
 *
 * Slot. One 4 KiB page and a mask of the 512-byte sectors that changed. The
 * page is what is written to the local disk, so what is shipped is what was
 * written. A zero slot has no page and a full mask.
 *
 * Zero zone. A bit in another bitmap of chunk and volume, one a zone: what long discards and
 * write-zeroes leave. It is the ground on which the chunk's references and slots of that zone
 * lie, so it is shipped before them. One set in a chunk takes away what the chunk held of the zone.
 *
 * Reference. A bit in the chunk's bitmap of the volume. Its granularity is
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
#include "format/cstate.h"
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
struct dmo_store;

struct dmo_slot {
	struct hlist_node hash;
	struct list_head list;	/* one of its chunk's in the stripe, or private */
	struct page *page;	/* NULL: zero slot */
	u64 block;
	u16 vol;		/* index of the volume */
	u8 chunk;		/* its idx; by dmo_slot_add() */
	u8 mask;
	bool sent;		/* on the current link, and unchanged since */
};

/* The slots of a stripe and chunk. */
struct dmo_slot_lists {
	struct list_head unsent;	/* coldest first */
	struct list_head sent;
};

struct dmo_stripe {
	spinlock_t lock;		/* see above */
	struct list_head ranges;	/* block locks held and queued, in order of arrival */
	u8 cover[DMO_ZONE_BLOCKS];	/* how many of them cover a block of any of its zones ... */
	bool cover_full;		/* ... which were too many to count since the list was empty */
	struct dmo_slot_lists lists[2];	/* by the chunk's idx */
	struct hlist_head *heads;
	u32 heads_bits;			/* log2 of how many they are */
} ____cacheline_aligned_in_smp;

/* Counted per CPU; units as in enum dmo_volume_attr. */
struct dmo_vol_stats {
	u64 reads, writes, written, folded, copyouts, errors;
};

/**
 * struct dmo_vol - what the store keeps of a volume
 * @bdev: data device; set while the volume's table is alive
 * @zero_known: DMO_ZERO_*, atomic; of another data device they would only cost speed
 * @nr_zones: only whole zones can be zero zones
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
	u64 nr_zones;
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

/* What a chunk has of a volume. */
struct dmo_chunk_vol {
	unsigned long *refs;	/* a bit a unit */
	unsigned long *zones;	/* a bit a zone, and one more */
};

/**
 * struct dmo_chunk - one cycle's
 * @writers: the writes that are counted into it
 * @other: the store's other chunk, for ever
 * @seq: written before the chunk becomes active; READ_ONCE
 * @large: it has outgrown the store's kick_bytes since the owner looked at it; READ_ONCE
 * @since: when it got its first block; for the lag
 * @state: by dmo_chunk_next() only. This and what follows it up to @state_since is the primary's, guarded
 *	by p->lock; what was said of a chunk as it was cut holds until it is active again
 * @cut: where it ends
 * @last_flags: DMO_LASTF_* of its LAST
 * @cut_ns: wall clock of its cut
 * @state_since: jiffies of the last change of @state, or of its LAST
 * @slots: slots with a page, @zeroes: without, @refs: bits set, @zones: bits set; of all volumes
 * @runs: runs of zero zones, at most
 * @vol: by index of the volume
 *
 * It is used again when all have let go of it: its writers when it has drained, everyone else when @state
 * is DMO_CHUNK_NONE.
 */
struct dmo_chunk {
	struct dmo_inflight writers;
	struct dmo_store *st;
	struct dmo_chunk *other;
	u8 idx;			/* 0 or 1, for ever */
	bool large;
	u64 seq;
	ktime_t since;

	enum dmo_chunk_state state;
	u32 last_flags;
	struct dmo_cut cut;
	u64 cut_ns;
	unsigned long state_since;

	atomic64_t slots ____cacheline_aligned_in_smp;
	atomic64_t zeroes, refs, zones, runs;
	struct dmo_chunk_vol vol[];
};

/**
 * struct dmo_store - the chunks of a session
 * @cycle: which chunk is active; see dmo_store_active()
 * @fill_lock: dmo_store_full() against dmo_store_zero_zones()
 */
struct dmo_store {
	struct dmo_cycle cycle;
	struct dmo_chunk *chunks[2];	/* by idx */
	struct dmo_stripe *stripes;
	struct hlist_head *heads;	/* all stripes' heads */
	u32 nr_vols;
	struct dmo_vol *vols;
	u64 budget;			/* bytes; READ_ONCE */
	u64 fixed;			/* bytes: bitmaps and heads */
	atomic64_t used;		/* bytes of slots and pages */
	struct mutex fill_lock;
	u64 kick_bytes;			/* dmo_store_bytes() at which @kick is called */
	void (*kick)(struct dmo_store *st);	/* any context: size or memory needs attention */
	void *owner;
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
				   u64 seq, bool full, struct dmo_reason *why);
void dmo_store_destroy(struct dmo_store *st);

static inline struct dmo_chunk *dmo_chunk_of(struct dmo_inflight *f)
{
	return container_of(f, struct dmo_chunk, writers);
}
/**
 * dmo_store_active - the chunk that collects writes. May be switched from at any time, but for the caller
 * of dmo_store_switch()
 */
static inline struct dmo_chunk *dmo_store_active(struct dmo_store *st)
{
	return dmo_chunk_of(dmo_cycle_active(&st->cycle));
}
/**
 * dmo_store_older - the other one: the older chunk, or one that holds nothing
 */
static inline struct dmo_chunk *dmo_store_older(struct dmo_store *st)
{
	return dmo_store_active(st)->other;
}
/**
 * dmo_store_enter - count a write into the active chunk; as dmo_cycle_enter()
 */
static inline struct dmo_chunk *dmo_store_enter(struct dmo_store *st, bool *left)
{
	return dmo_chunk_of(dmo_cycle_enter(&st->cycle, left));
}
/**
 * dmo_store_exit - count it out again; as dmo_cycle_exit()
 */
static inline bool dmo_store_exit(struct dmo_store *st, struct dmo_chunk *c)
{
	return dmo_cycle_exit(&st->cycle, &c->writers);
}
/**
 * dmo_store_switch - the other chunk becomes active, as that of cycle @seq
 * It has drained and holds nothing; one caller at a time.
 * When it returns no write can enter the chunk that was active.
 */
static inline void dmo_store_switch(struct dmo_store *st, u64 seq)
{
	struct dmo_chunk *new = dmo_chunk_of(st->cycle.active)->other;

	WRITE_ONCE(new->seq, seq);
	dmo_cycle_switch(&st->cycle, &new->writers);
}

/* The lists of @c in a stripe, whose lock guards them. */
static inline struct dmo_slot_lists *dmo_stripe_lists(struct dmo_stripe *sp, const struct dmo_chunk *c)
{
	return &sp->lists[c->idx];
}

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
struct dmo_slot *dmo_slot_find(struct dmo_chunk *c, struct dmo_stripe *sp, u16 vol, u64 block);
/**
 * dmo_slot_add - new slot of @c, unsent, at the hot end. Holds: the stripe's lock
 */
void dmo_slot_add(struct dmo_chunk *c, struct dmo_stripe *sp, struct dmo_slot *s);
/**
 * dmo_slot_del - out of hash, list and counts of @c; the caller frees. Holds: the stripe's lock
 */
void dmo_slot_del(struct dmo_chunk *c, struct dmo_stripe *sp, struct dmo_slot *s);
/**
 * dmo_slot_touch - written again: unsent, at the hot end. Holds: the stripe's lock
 */
void dmo_slot_touch(struct dmo_stripe *sp, struct dmo_slot *s);
/**
 * dmo_slot_move - one of @from becomes one of @to, at the cold end. Holds: the stripe's lock
 */
void dmo_slot_move(struct dmo_chunk *from, struct dmo_chunk *to, struct dmo_stripe *sp, struct dmo_slot *s);
/**
 * dmo_slot_unzero - zero slot of @c gets @page, zero-filled. Holds: the stripe's lock
 */
void dmo_slot_unzero(struct dmo_chunk *c, struct dmo_slot *s, struct page *page);
/**
 * dmo_slot_zero - one of @c becomes a zero slot; Return: its page, for the caller to put.
 * Holds: the stripe's lock
 */
struct page *dmo_slot_zero(struct dmo_chunk *c, struct dmo_slot *s);

/**
 * dmo_ref_test - is the block's unit a reference of @c?
 */
static inline bool dmo_ref_test(const struct dmo_chunk *c, const struct dmo_vol *v, u64 block)
{
	return test_bit(block >> v->unit_shift, c->vol[v->index].refs);
}
/**
 * dmo_ref_set - can't fail; any context
 */
void dmo_ref_set(struct dmo_chunk *c, struct dmo_vol *v, u64 block);
bool dmo_ref_clear(struct dmo_chunk *c, struct dmo_vol *v, u64 block);
/**
 * dmo_ref_any - is any of the blocks first..last a reference of @c?
 */
bool dmo_ref_any(const struct dmo_chunk *c, const struct dmo_vol *v, u64 first, u64 last);

/**
 * dmo_store_make_refs - first..last become references of @c, their slots of @c go
 * Holds: a block lock on them. Any context.
 */
void dmo_store_make_refs(struct dmo_chunk *c, struct dmo_vol *v, u64 first, u64 last);

/**
 * dmo_zone_test - is the block in a zero zone of @c?
 */
static inline bool dmo_zone_test(const struct dmo_chunk *c, const struct dmo_vol *v, u64 block)
{
	u64 zone = block >> DMO_ZONE_BLOCK_SHIFT;

	return zone < v->nr_zones && test_bit(zone, c->vol[v->index].zones);
}

/**
 * dmo_store_zero_zones - @nr zones from @zone become zero zones of @c, the active chunk, and
 * what it held of them goes
 * Holds: a block lock on them, counted in; no older chunk has references there.
 * Context: process, sleeps for @fill_lock
 */
void dmo_store_zero_zones(struct dmo_chunk *c, struct dmo_vol *v, u64 zone, u64 nr);

/**
 * dmo_store_unzero - the block's zone, if it is a zero zone of @c, becomes references
 * No merge runs. Context: process, sleeps for its block lock.
 */
void dmo_store_unzero(struct dmo_chunk *c, struct dmo_vol *v, u64 block);

/**
 * dmo_store_demote - turn the coldest slots of the active chunk into
 * references until at most @target bytes are used
 * Context: process. Return: slots demoted.
 */
u64 dmo_store_demote(struct dmo_store *st, u64 target);

/**
 * dmo_store_merge - fold the older chunk into the active one
 * The older chunk has drained; the caller is the only one that switches. Nothing is added to the older chunk
 * meanwhile: who would do it under a stripe's lock knows of the merge since before it begins.
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
 * dmo_store_bytes - upper bound of what shipping @c puts into the peer's journal
 */
u64 dmo_store_bytes(const struct dmo_chunk *c);
/**
 * dmo_store_grown - blocks have become slots or references of @c: @kick if it is large by now. Any context
 */
void dmo_store_grown(struct dmo_chunk *c);
bool dmo_store_empty(const struct dmo_chunk *c);

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
