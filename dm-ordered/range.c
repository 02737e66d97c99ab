// SPDX-License-Identifier: GPL-2.0-only
/*
 * Block locks: overlapping writes in flight are serialised (design R2).
 *
 * A stripe's list holds the locks that are held and those that wait, in order
 * of arrival. A lock is held when no earlier one overlaps it. Because no lock
 * crosses a zone, one list knows all that can overlap; because nobody asks for a
 * second lock while it holds one, nothing can deadlock.
 */
#include <linux/completion.h>
#include <linux/hash.h>
#include "chunk.h"

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

bool dmo_range_lock(struct dmo_store *st, struct dmo_range *r)
{
	struct dmo_stripe *sp = dmo_store_stripe(st, r->vol, r->first);
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

void dmo_range_unlock(struct dmo_store *st, struct dmo_range *r)
{
	struct dmo_stripe *sp = dmo_store_stripe(st, r->vol, r->first);
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
