// SPDX-License-Identifier: GPL-2.0-only
/* What comes of the older chunk: a merge, its end, or that it is sent once more; see chunk.h. */
#include <linux/bitmap.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include "store/chunk.h"

static void merge_bits(unsigned long *new, const unsigned long *old, u64 bits, atomic64_t *count)
{
	unsigned long i, n = BITS_TO_LONGS(bits), add, was;

	for (i = 0; i < n; i++) {
		add = old[i];
		if (!add)
			continue;
		was = atomic_long_fetch_or(add, (atomic_long_t *)&new[i]);
		atomic64_add(hweight_long(add & ~was), count);
	}
}

static void bits_clear(unsigned long *map, u64 bits)
{
	memset(map, 0, BITS_TO_LONGS(bits) * sizeof(long));
}

static void clear_bits(struct dmo_chunk *c)
{
	struct dmo_store *st = c->st;
	u32 i;

	for (i = 0; i < st->nr_vols; i++) {
		bits_clear(c->vol[i].refs, st->vols[i].units);
		bits_clear(c->vol[i].zones, st->vols[i].nr_zones);
		cond_resched();
	}
	atomic64_set(&c->refs, 0);
	atomic64_set(&c->zones, 0);
	atomic64_set(&c->runs, 0);
}

/* One slot of the older chunk into the active one. Stripe locked. */
static void merge_slot(struct dmo_chunk *new, struct dmo_stripe *sp, struct dmo_slot *s,
		       struct list_head *freed)
{
	struct dmo_chunk *old = new->other;
	struct dmo_vol *v = &new->st->vols[s->vol];
	struct dmo_slot *t = dmo_slot_find(new, sp, s->vol, s->block);

	if (dmo_zone_test(new, v, s->block)) {
		/* zeroed since: not the older chunk's zero zones, those come last */
		dmo_slot_del(old, sp, s);
		list_add(&s->list, freed);
		return;
	}
	/* the zone is sent again, which undoes what was sent of it */
	if (dmo_zone_test(old, v, s->block))
		s->sent = false;
	if (!t && !dmo_ref_test(new, v, s->block)) {
		dmo_slot_move(old, new, sp, s);
		return;
	}
	if (t && t->page && t->mask != DMO_FULL_MASK) {
		/*
		 * The sectors copied are none that a local write in flight from this page
		 * holds: those are in its mask already. The page is not in a socket: a slot of
		 * the active chunk was sent only before an earlier merge.
		 */
		void *src = s->page ? page_address(s->page) : NULL;

		t->mask = dmo_fold_union(page_address(t->page), t->mask, src, s->mask);
		dmo_slot_touch(sp, t);
	}
	dmo_slot_del(old, sp, s);
	list_add(&s->list, freed);
}

static void merge_stripe(struct dmo_chunk *new, struct dmo_stripe *sp)
{
	struct dmo_slot_lists *old = dmo_stripe_lists(sp, new->other);
	struct list_head *lists[] = { &old->sent, &old->unsent };
	struct dmo_slot *s;
	unsigned long flags;
	LIST_HEAD(freed);
	int i, n;

	for (i = 0; i < 2; i++) {
		do {
			spin_lock_irqsave(&sp->lock, flags);
			for (n = 0; n < DMO_STRIPE_BATCH && !list_empty(lists[i]); n++) {
				/* to the cold end, one before the other */
				s = list_last_entry(lists[i], struct dmo_slot, list);
				merge_slot(new, sp, s, &freed);
			}
			spin_unlock_irqrestore(&sp->lock, flags);
			dmo_slot_free_list(new->st, &freed);
		} while (n == DMO_STRIPE_BATCH);
	}
}

void dmo_store_merge(struct dmo_store *st)
{
	struct dmo_chunk *new = dmo_store_active(st), *old = new->other;
	u32 i;

	if (dmo_store_empty(new) || ktime_before(old->since, new->since))
		new->since = old->since;
	for (i = 0; i < st->nr_vols; i++) {
		merge_bits(new->vol[i].refs, old->vol[i].refs, st->vols[i].units, &new->refs);
		cond_resched();
	}
	for (i = 0; i < DMO_STRIPES; i++) {
		merge_stripe(new, &st->stripes[i]);
		cond_resched();
	}
	for (i = 0; i < st->nr_vols; i++)
		merge_bits(new->vol[i].zones, old->vol[i].zones, st->vols[i].nr_zones, &new->zones);
	atomic64_add(atomic64_read(&old->runs), &new->runs);
	clear_bits(old);
}

void dmo_store_release(struct dmo_store *st)
{
	struct dmo_chunk *old = dmo_store_older(st);
	struct dmo_slot_lists *l;
	struct dmo_stripe *sp;
	struct dmo_slot *s;
	unsigned long flags;
	LIST_HEAD(freed);
	int i, n;

	/* bits first: from here on nobody copies out for this chunk */
	clear_bits(old);
	for (i = 0; i < DMO_STRIPES; i++) {
		sp = &st->stripes[i];
		l = dmo_stripe_lists(sp, old);
		do {
			n = 0;
			spin_lock_irqsave(&sp->lock, flags);
			list_splice_tail_init(&l->unsent, &l->sent);
			while (n < DMO_STRIPE_BATCH && !list_empty(&l->sent)) {
				s = list_first_entry(&l->sent, struct dmo_slot, list);
				dmo_slot_del(old, sp, s);
				list_add(&s->list, &freed);
				n++;
			}
			spin_unlock_irqrestore(&sp->lock, flags);
			dmo_slot_free_list(st, &freed);
		} while (n == DMO_STRIPE_BATCH);
		cond_resched();
	}
}

void dmo_store_resend(struct dmo_store *st)
{
	struct dmo_slot_lists *l;
	struct dmo_stripe *sp;
	struct dmo_slot *s;
	unsigned long flags;
	int i, n;

	for (i = 0; i < 2 * DMO_STRIPES; i++) {
		sp = &st->stripes[i / 2];
		l = &sp->lists[i & 1];
		do {
			n = 0;
			spin_lock_irqsave(&sp->lock, flags);
			while (n++ < DMO_STRIPE_BATCH && !list_empty(&l->sent)) {
				s = list_last_entry(&l->sent, struct dmo_slot, list);
				s->sent = false;
				list_move(&s->list, &l->unsent);
			}
			spin_unlock_irqrestore(&sp->lock, flags);
		} while (n > DMO_STRIPE_BATCH);
		cond_resched();
	}
}
