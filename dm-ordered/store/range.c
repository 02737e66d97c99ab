// SPDX-License-Identifier: GPL-2.0-only
/*
 * Block locks: overlapping writes in flight are serialised (R2).
 *
 * A stripe's list holds the locks that are held and those that wait, in order
 * of arrival. A lock is held when no earlier one overlaps it. Because no such lock
 * crosses a zone, one list knows all that can overlap; because nobody asks for a
 * second lock while it holds one, nothing can deadlock.
 *
 * The list is walked only for a lock that may meet another. For each block of a zone the stripe
 * counts how many locks cover it, whichever of its zones it is of: where none does, there is
 * nothing to look for. So many writes into one zone cost no more than one.
 *
 * A lock on many zones (struct dmo_long) is one in each stripe that they are of, 256 at most however
 * many zones there are. They are taken one after the other, by ascending stripe, so that two
 * long ones meet in the same order everywhere.
 */
#include <linux/bitmap.h>
#include <linux/completion.h>
#include <linux/hash.h>
#include <linux/slab.h>
#include "store/chunk.h"

struct dmo_stripe *dmo_store_stripe(struct dmo_store *st, u16 vol, u64 block)
{
	u64 zone = block >> (DMO_ZONE_SHIFT - DMO_BLOCK_SHIFT);

	return &st->stripes[hash_64(zone ^ ((u64)vol << 48), ilog2(DMO_STRIPES))];
}

static bool overlaps(const struct dmo_range *a, const struct dmo_range *b)
{
	return a->vol == b->vol && a->first <= b->last && b->first <= a->last;
}

void dmo_range_init(struct dmo_store *st, struct dmo_range *r, u16 vol, u64 block, u64 nr,
		    void (*granted)(struct dmo_range *r))
{
	u64 mask = (1ULL << st->vols[vol].unit_shift) - 1;

	INIT_LIST_HEAD(&r->node);
	r->vol = vol;
	r->first = block & ~mask;
	r->last = (block + nr - 1) | mask;
	r->blockers = 0;
	r->granted = granted;
}

#define COVER_FULL	U8_MAX	/* that many, or more */

/* Count @r in. Return: is any of its blocks covered by another? */
static bool cover(struct dmo_stripe *sp, const struct dmo_range *r)
{
	u64 i, end = min_t(u64, r->last, r->first + DMO_ZONE_BLOCKS - 1);
	bool met = false;

	lockdep_assert_held(&sp->lock);
	for (i = r->first; i <= end; i++) {
		u8 *n = &sp->cover[i % DMO_ZONE_BLOCKS];

		met |= *n;
		if (*n == COVER_FULL || ++*n == COVER_FULL)
			sp->cover_full = true;
	}
	return met;
}

/* Count @r, which is out of the list, out. Return: does another cover any of its blocks? */
static bool uncover(struct dmo_stripe *sp, const struct dmo_range *r)
{
	u64 i, end = min_t(u64, r->last, r->first + DMO_ZONE_BLOCKS - 1);
	bool met = false;

	lockdep_assert_held(&sp->lock);
	for (i = r->first; i <= end; i++) {
		u8 *n = &sp->cover[i % DMO_ZONE_BLOCKS];

		if (*n != COVER_FULL)
			--*n;
		met |= *n;
	}
	/* how many there were above that nobody knows, but now there is none */
	if (sp->cover_full && list_empty(&sp->ranges)) {
		memset(sp->cover, 0, sizeof(sp->cover));
		sp->cover_full = false;
	}
	return met;
}

bool dmo_range_busy(struct dmo_stripe *sp, u16 vol, u64 first, u64 last)
{
	struct dmo_range unit = { .vol = vol, .first = first, .last = last }, *q;

	lockdep_assert_held(&sp->lock);
	/* a lock has all of a unit or nothing of it */
	if (!sp->cover[first % DMO_ZONE_BLOCKS])
		return false;
	list_for_each_entry(q, &sp->ranges, node)
		if (overlaps(q, &unit))
			return true;
	return false;
}

static bool lock_in(struct dmo_stripe *sp, struct dmo_range *r)
{
	struct dmo_range *q;
	unsigned long flags;
	bool held;

	spin_lock_irqsave(&sp->lock, flags);
	if (cover(sp, r))
		list_for_each_entry(q, &sp->ranges, node)
			if (overlaps(q, r))
				r->blockers++;
	list_add_tail(&r->node, &sp->ranges);
	/* once the lock is dropped a queued range may be granted, and gone */
	held = !r->blockers;
	spin_unlock_irqrestore(&sp->lock, flags);
	return held;
}

static void unlock_in(struct dmo_stripe *sp, struct dmo_range *r)
{
	struct dmo_range *q, *next;
	LIST_HEAD(ready);	/* held from here on, and not told yet: nobody else has them in hand */
	unsigned long flags;

	spin_lock_irqsave(&sp->lock, flags);
	q = list_next_entry(r, node);
	list_del_init(&r->node);
	if (uncover(sp, r))
		list_for_each_entry_from(q, &sp->ranges, node)
			if (overlaps(q, r) && !--q->blockers)
				list_add_tail(&q->ready, &ready);
	spin_unlock_irqrestore(&sp->lock, flags);
	/* outside of the lock; who is told may unlock, and be gone */
	list_for_each_entry_safe(q, next, &ready, ready)
		q->granted(q);
}

bool dmo_range_lock(struct dmo_store *st, struct dmo_range *r)
{
	return lock_in(dmo_store_stripe(st, r->vol, r->first), r);
}

void dmo_range_unlock(struct dmo_store *st, struct dmo_range *r)
{
	unlock_in(dmo_store_stripe(st, r->vol, r->first), r);
}

/* ---- many zones ---- */

/* The next parts, until one has to wait. Nothing is touched after that: it may be held, and gone. */
static bool lock_parts(struct dmo_long *l)
{
	struct dmo_long_part *part;

	while (l->held < l->nr) {
		part = &l->part[l->held++];
		if (!lock_in(part->stripe, &part->range))
			return false;
	}
	return true;
}

static void part_granted(struct dmo_range *r)
{
	struct dmo_long *l = container_of(r, struct dmo_long_part, range)->of;

	if (lock_parts(l))
		l->granted(l);
}

struct dmo_long *dmo_long_alloc(struct dmo_store *st, u16 vol, u64 zone, u64 nr,
				void (*granted)(struct dmo_long *l), void *owner)
{
	DECLARE_BITMAP(stripes, DMO_STRIPES);
	struct dmo_long *l;
	u32 i, n = 0;
	u64 z;

	bitmap_zero(stripes, DMO_STRIPES);
	for (z = zone; z < zone + nr && n < DMO_STRIPES; z++) {
		i = dmo_store_stripe(st, vol, z * DMO_ZONE_BLOCKS) - st->stripes;
		n += !test_bit(i, stripes);
		__set_bit(i, stripes);
	}
	l = kmalloc(struct_size(l, part, n), GFP_NOWAIT | __GFP_NOWARN);
	if (!l)
		return NULL;
	l->nr = 0;
	l->held = 0;
	l->granted = granted;
	l->owner = owner;
	for_each_set_bit(i, stripes, DMO_STRIPES) {
		struct dmo_long_part *part = &l->part[l->nr++];

		dmo_range_init(st, &part->range, vol, zone * DMO_ZONE_BLOCKS, nr * DMO_ZONE_BLOCKS,
			       part_granted);
		part->of = l;
		part->stripe = &st->stripes[i];
	}
	return l;
}

bool dmo_long_lock(struct dmo_long *l)
{
	return lock_parts(l);
}

void dmo_long_unlock(struct dmo_long *l)
{
	u32 i;

	for (i = 0; i < l->nr; i++)
		unlock_in(l->part[i].stripe, &l->part[i].range);
	kfree(l);
}

static void wake_waiter(struct dmo_range *r)
{
	complete(&container_of(r, struct dmo_range_waiter, range)->done);
}

void dmo_range_lock_wait(struct dmo_store *st, struct dmo_range_waiter *w, u16 vol, u64 block,
			 u64 nr)
{
	init_completion(&w->done);
	dmo_range_init(st, &w->range, vol, block, nr, wake_waiter);
	if (!dmo_range_lock(st, &w->range))
		wait_for_completion_io(&w->done);
}
