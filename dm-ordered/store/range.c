// SPDX-License-Identifier: GPL-2.0-only
/*
 * Block locks: overlapping writes in flight are serialised (R2).
 *
 * A stripe's list holds the locks that are held and those that wait, in order
 * of arrival. A lock is held when no earlier one overlaps it. Because no such lock
 * crosses a zone, one list knows all that can overlap; because nobody asks for a
 * second lock while it holds one, nothing can deadlock.
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

static bool lock_in(struct dmo_stripe *sp, struct dmo_range *r)
{
	struct dmo_range *q;
	unsigned long flags;
	bool held;

	spin_lock_irqsave(&sp->lock, flags);
	list_for_each_entry(q, &sp->ranges, node)
		if (overlaps(q, r))
			r->blockers++;
	list_add_tail(&r->node, &sp->ranges);
	/* once the lock is dropped a queued range may be granted, and gone */
	held = !r->blockers;
	if (held)
		r->granted = NULL;
	spin_unlock_irqrestore(&sp->lock, flags);
	return held;
}

bool dmo_range_lock(struct dmo_store *st, struct dmo_range *r)
{
	return lock_in(dmo_store_stripe(st, r->vol, r->first), r);
}

static void unlock_in(struct dmo_stripe *sp, struct dmo_range *r)
{
	struct dmo_range *q, *next;
	unsigned long flags;

	for (;;) {
		next = NULL;
		spin_lock_irqsave(&sp->lock, flags);
		if (!list_empty(&r->node)) {
			q = r;
			list_for_each_entry_continue(q, &sp->ranges, node)
				if (overlaps(q, r))
					q->blockers--;
			list_del_init(&r->node);
		}
		/*
		 * Those that became free are still in the list and held now; call them back
		 * one at a time, outside the lock. @granted marks the ones not told yet.
		 */
		list_for_each_entry(q, &sp->ranges, node) {
			if (!q->blockers && q->granted) {
				next = q;
				break;
			}
		}
		if (next) {
			void (*fn)(struct dmo_range *) = next->granted;

			next->granted = NULL;
			spin_unlock_irqrestore(&sp->lock, flags);
			fn(next);
			continue;
		}
		spin_unlock_irqrestore(&sp->lock, flags);
		return;
	}
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
