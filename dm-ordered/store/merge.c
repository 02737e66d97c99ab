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

static void clear_bits(struct dmo_store *st, u8 parity)
{
	u32 i;

	for (i = 0; i < st->nr_vols; i++) {
		bits_clear(st->vols[i].refs[parity], st->vols[i].units);
		bits_clear(st->vols[i].zones[parity], st->vols[i].nr_zones);
		cond_resched();
	}
	atomic64_set(&st->refs[parity], 0);
	atomic64_set(&st->zones[parity], 0);
	atomic64_set(&st->runs[parity], 0);
}

/* One slot of the older chunk into the active one. Stripe locked. */
static void merge_slot(struct dmo_store *st, struct dmo_stripe *sp, struct dmo_slot *s, u8 new,
		       struct list_head *freed)
{
	u8 old = new ^ 1;
	struct dmo_vol *v = &st->vols[s->vol];
	struct dmo_slot *t = dmo_slot_find(st, sp, s->vol, s->block, new);

	if (dmo_zone_test(v, new, s->block)) {
		/* zeroed since: not the older chunk's zero zones, those come last */
		dmo_slot_del(st, sp, s);
		list_add(&s->list, freed);
		return;
	}
	/* the zone is sent again, which undoes what was sent of it */
	if (dmo_zone_test(v, old, s->block))
		s->sent = false;
	if (!t && !dmo_ref_test(v, new, s->block)) {
		dmo_slot_move(st, sp, s, new);
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
	dmo_slot_del(st, sp, s);
	list_add(&s->list, freed);
}

static void merge_stripe(struct dmo_store *st, struct dmo_stripe *sp, u8 new, u8 old)
{
	struct list_head *lists[] = { &sp->sent[old], &sp->unsent[old] };
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
				merge_slot(st, sp, s, new, &freed);
			}
			spin_unlock_irqrestore(&sp->lock, flags);
			dmo_slot_free_list(st, &freed);
		} while (n == DMO_STRIPE_BATCH);
	}
}

void dmo_store_merge(struct dmo_store *st)
{
	u8 new = dmo_cycle_active(&st->cycle), old = new ^ 1;
	u32 i;

	if (dmo_store_empty(st, new) || ktime_before(st->since[old], st->since[new]))
		st->since[new] = st->since[old];
	WRITE_ONCE(st->merging, true);	/* copy-outs read it under a stripe lock */
	for (i = 0; i < st->nr_vols; i++) {
		struct dmo_vol *v = &st->vols[i];

		merge_bits(v->refs[new], v->refs[old], v->units, &st->refs[new]);
		cond_resched();
	}
	for (i = 0; i < DMO_STRIPES; i++) {
		merge_stripe(st, &st->stripes[i], new, old);
		cond_resched();
	}
	for (i = 0; i < st->nr_vols; i++) {
		struct dmo_vol *v = &st->vols[i];

		merge_bits(v->zones[new], v->zones[old], v->nr_zones, &st->zones[new]);
	}
	atomic64_add(atomic64_read(&st->runs[old]), &st->runs[new]);
	clear_bits(st, old);
	WRITE_ONCE(st->merging, false);
}

void dmo_store_release(struct dmo_store *st)
{
	u8 old = dmo_cycle_active(&st->cycle) ^ 1;
	struct dmo_stripe *sp;
	struct dmo_slot *s;
	unsigned long flags;
	LIST_HEAD(freed);
	int i, n;

	/* bits first: from here on nobody copies out for this chunk */
	clear_bits(st, old);
	for (i = 0; i < DMO_STRIPES; i++) {
		sp = &st->stripes[i];
		do {
			n = 0;
			spin_lock_irqsave(&sp->lock, flags);
			list_splice_tail_init(&sp->unsent[old], &sp->sent[old]);
			while (n < DMO_STRIPE_BATCH && !list_empty(&sp->sent[old])) {
				s = list_first_entry(&sp->sent[old], struct dmo_slot, list);
				dmo_slot_del(st, sp, s);
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
	struct dmo_stripe *sp;
	struct dmo_slot *s;
	unsigned long flags;
	int i, k, n;

	for (i = 0; i < 2 * DMO_STRIPES; i++) {
		sp = &st->stripes[i / 2];
		k = i & 1;
		do {
			n = 0;
			spin_lock_irqsave(&sp->lock, flags);
			while (n++ < DMO_STRIPE_BATCH && !list_empty(&sp->sent[k])) {
				s = list_last_entry(&sp->sent[k], struct dmo_slot, list);
				s->sent = false;
				list_move(&s->list, &sp->unsent[k]);
			}
			spin_unlock_irqrestore(&sp->lock, flags);
		} while (n > DMO_STRIPE_BATCH);
		cond_resched();
	}
}
