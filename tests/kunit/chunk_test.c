// SPDX-License-Identifier: GPL-2.0-only
/* The store of a primary, one rule after another; store_test.c has the random model. */
#include <kunit/test.h>
#include <linux/bitmap.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include "store/chunk.h"

#define BUDGET		(4ull << 20)
#define PAGE_SLOT	(sizeof(struct dmo_slot) + PAGE_SIZE)

static struct dmo_store *st;
static u32 kicks;

static int init_suite(struct kunit_suite *suite)
{
	return dmo_chunk_init();
}

static void exit_suite(struct kunit_suite *suite)
{
	dmo_chunk_exit();
}

static struct dmo_store *create(u64 sectors, u32 nr, u64 budget, bool full, struct dmo_reason *why)
{
	struct dmo_volume_info *info = kcalloc(nr, sizeof(*info), GFP_KERNEL);
	struct dmo_store *s;
	u32 i;

	for (i = 0; info && i < nr; i++) {
		info[i].id = i;
		info[i].lbs = 512;
		info[i].sectors = sectors;
	}
	s = info ? dmo_store_create(info, nr, budget, 5, full, why) : ERR_PTR(-ENOMEM);
	kfree(info);
	return s;
}

/* Two volumes of two zones and 20 blocks, the last of 3 sectors. */
#define BLOCKS	(2 * DMO_ZONE_BLOCKS + 20)
#define SECTORS	((BLOCKS - 1) * DMO_BLOCK_SECTORS + 3)

static int init(struct kunit *test)
{
	struct dmo_reason why;

	kicks = 0;
	st = create(SECTORS, 2, BUDGET, false, &why);
	KUNIT_ASSERT_FALSE(test, IS_ERR(st));
	return 0;
}

static void exit_test(struct kunit *test)
{
	if (!IS_ERR_OR_NULL(st))
		dmo_store_destroy(st);
	st = NULL;
}

static void kick(struct dmo_store *s)
{
	kicks++;
}

/* Chunks are told by their index: 0 is active at first. */
static struct dmo_slot *find(u16 vol, u64 block, u8 idx)
{
	struct dmo_stripe *sp = dmo_store_stripe(st, vol, block);
	struct dmo_slot *s;

	spin_lock_irq(&sp->lock);
	s = dmo_slot_find(st->chunks[idx], sp, vol, block);
	spin_unlock_irq(&sp->lock);
	return s;
}

static struct dmo_slot *put(struct kunit *test, u16 vol, u64 block, u8 idx, u8 mask, int byte)
{
	struct dmo_stripe *sp = dmo_store_stripe(st, vol, block);
	struct dmo_slot *s = dmo_slot_alloc(st, mask);

	KUNIT_ASSERT_NOT_NULL(test, s);
	s->vol = vol;
	s->block = block;
	s->mask = mask ?: DMO_FULL_MASK;
	if (s->page)
		memset(page_address(s->page), byte, PAGE_SIZE);
	spin_lock_irq(&sp->lock);
	dmo_slot_add(st->chunks[idx], sp, s);
	spin_unlock_irq(&sp->lock);
	return s;
}

static struct dmo_slot *must_find(struct kunit *test, u16 vol, u64 block, u8 idx)
{
	struct dmo_slot *s = find(vol, block, idx);

	KUNIT_ASSERT_NOT_NULL_MSG(test, s, "no slot of block %llu", block);
	return s;
}

static void touch(struct dmo_slot *s)
{
	struct dmo_stripe *sp = dmo_store_stripe(st, s->vol, s->block);

	spin_lock_irq(&sp->lock);
	dmo_slot_touch(sp, s);
	spin_unlock_irq(&sp->lock);
}

/* As the send thread does. */
static void mark_sent(struct dmo_slot *s)
{
	struct dmo_stripe *sp = dmo_store_stripe(st, s->vol, s->block);

	spin_lock_irq(&sp->lock);
	s->sent = true;
	list_move_tail(&s->list, &sp->lists[s->chunk].sent);
	spin_unlock_irq(&sp->lock);
}

static bool counts_are(u8 idx, u64 slots, u64 zeroes, u64 refs)
{
	const struct dmo_chunk *c = st->chunks[idx];

	return atomic64_read(&c->slots) == slots && atomic64_read(&c->zeroes) == zeroes &&
	       atomic64_read(&c->refs) == refs;
}

/* ---- creation ---- */

static void created_empty_and_full(struct kunit *test)
{
	struct dmo_store *s;
	struct dmo_reason why;
	u32 i;

	KUNIT_EXPECT_EQ(test, st->nr_vols, 2);
	KUNIT_EXPECT_EQ(test, st->vols[1].blocks, BLOCKS);
	KUNIT_EXPECT_EQ(test, st->vols[1].units, BLOCKS);
	KUNIT_EXPECT_EQ(test, st->vols[1].index, 1);
	KUNIT_EXPECT_PTR_EQ(test, dmo_store_active(st), st->chunks[0]);
	KUNIT_EXPECT_PTR_EQ(test, dmo_store_older(st), st->chunks[1]);
	KUNIT_EXPECT_EQ(test, st->chunks[0]->seq, 5);
	KUNIT_EXPECT_TRUE(test, dmo_store_empty(st->chunks[0]) && dmo_store_empty(st->chunks[1]));
	KUNIT_EXPECT_LE(test, st->fixed, BUDGET / 2);

	s = create(SECTORS, 3, BUDGET, true, &why);
	KUNIT_ASSERT_FALSE(test, IS_ERR(s));
	KUNIT_EXPECT_EQ(test, atomic64_read(&s->chunks[0]->refs), 3 * BLOCKS);
	KUNIT_EXPECT_FALSE(test, dmo_store_empty(s->chunks[0]));
	KUNIT_EXPECT_TRUE(test, dmo_store_empty(s->chunks[1]));
	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_EQ(test, bitmap_weight(s->chunks[0]->vol[i].refs, BLOCKS), BLOCKS);
		/* merge counts whole words */
		KUNIT_EXPECT_EQ(test, bitmap_weight(s->chunks[0]->vol[i].refs,
						    BITS_TO_LONGS(BLOCKS) * BITS_PER_LONG), BLOCKS);
		KUNIT_EXPECT_TRUE(test, bitmap_empty(s->chunks[1]->vol[i].refs, BLOCKS));
	}
	dmo_store_destroy(s);
}

static void unit_by_budget(struct kunit *test)
{
	u64 most = (1 << 20) / 4 - 32;	/* bytes of references in a budget of 1 MiB */
	struct dmo_reason why;
	char want[DMO_REASON_LEN];
	u64 blocks, mib;
	struct dmo_store *s;
	u32 shift, over;

	for (shift = 0; shift <= DMO_UNIT_SHIFT_MAX; shift++) {
		for (over = 0; over < 2; over++) {
			/* one block is added for the last, partial one */
			blocks = ((most * 4 + 4) << shift) - 2 + over;
			s = create(blocks * DMO_BLOCK_SECTORS, 1, 1 << 20, true, &why);
			if (over && shift == DMO_UNIT_SHIFT_MAX) {
				KUNIT_ASSERT_EQ(test, PTR_ERR_OR_ZERO(s), -ENOSPC);
				break;
			}
			KUNIT_ASSERT_FALSE(test, IS_ERR(s));
			KUNIT_EXPECT_EQ(test, s->vols[0].unit_shift, shift + over);
			KUNIT_EXPECT_LE(test, s->fixed, (1 << 20) / 2);
			KUNIT_EXPECT_EQ(test, bitmap_weight(s->chunks[0]->vol[0].refs, s->vols[0].units),
					s->vols[0].units);
			KUNIT_EXPECT_LT(test, s->vols[0].regions, DMO_FLUSH_BITS + 1);
			dmo_store_destroy(s);
		}
	}
	mib = 2;
	snprintf(want, sizeof(want),
		 "memory budget of 1 MiB is too small for the references of %llu GiB: set at least %llu MiB",
		 (blocks + 1) >> 18, mib);
	KUNIT_EXPECT_STREQ(test, why.text, want);
	s = create(blocks * DMO_BLOCK_SECTORS, 1, mib << 20, false, &why);
	KUNIT_ASSERT_FALSE(test, IS_ERR(s));
	dmo_store_destroy(s);
}

/* What the refusal asks for is enough, and a MiB less is not. */
static void refusal_names_the_budget(struct kunit *test)
{
	static const u32 tib[] = { 3, 17, 64 };
	struct dmo_reason why;
	struct dmo_store *s;
	u64 mib;
	char *p;
	int got;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(tib); i++) {
		u64 sectors = ((u64)tib[i] << 40) / DMO_SECTOR / 16;

		s = create(sectors, 16, 1 << 20, false, &why);
		KUNIT_ASSERT_EQ(test, PTR_ERR_OR_ZERO(s), -ENOSPC);
		p = strstr(why.text, "at least ");
		KUNIT_ASSERT_NOT_NULL(test, p);
		got = sscanf(p, "at least %llu MiB", &mib);
		KUNIT_ASSERT_EQ(test, got, 1);
		s = create(sectors, 16, (mib - 1) << 20, false, &why);
		KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(s), -ENOSPC);
		s = create(sectors, 16, mib << 20, true, &why);
		KUNIT_ASSERT_FALSE(test, IS_ERR(s));
		KUNIT_EXPECT_LE(test, s->fixed, (mib << 20) / 2);
		dmo_store_destroy(s);
	}
}

#ifndef CONFIG_UML	/* takes half a GiB */
static void more_units_than_an_int(struct kunit *test)
{
	struct dmo_store *s;
	struct dmo_reason why;
	u64 units = (1ull << 31) + 4096, i, set = 0;

	s = create(units * DMO_BLOCK_SECTORS, 1, 3ull << 30, true, &why);
	if (PTR_ERR_OR_ZERO(s) == -ENOMEM)
		kunit_skip(test, "no memory for it");
	KUNIT_ASSERT_FALSE(test, IS_ERR(s));
	KUNIT_ASSERT_EQ(test, s->vols[0].units, units);
	for (i = 0; i < units / BITS_PER_LONG; i++) {
		set += hweight_long(s->chunks[0]->vol[0].refs[i]);
		if (!(i & 0xfffff))
			cond_resched();
	}
	KUNIT_EXPECT_EQ(test, set, units);
	dmo_store_switch(s, 6);
	dmo_store_release(s);
	KUNIT_EXPECT_EQ(test, find_first_bit(s->chunks[0]->vol[0].refs, units), units);
	dmo_store_destroy(s);
}
#endif

static void partial_last_block(struct kunit *test)
{
	struct dmo_vol v = { };
	u32 i;

	for (i = 1; i <= 8; i++) {
		v.sectors = 80 + i;
		KUNIT_EXPECT_EQ(test, dmo_vol_block_mask(&v, 10), (1 << i) - 1);
		KUNIT_EXPECT_EQ(test, dmo_vol_block_mask(&v, 9), DMO_FULL_MASK);
		KUNIT_EXPECT_EQ(test, dmo_vol_block_mask(&v, 0), DMO_FULL_MASK);
	}
	KUNIT_EXPECT_EQ(test, dmo_vol_block_mask(&st->vols[0], BLOCKS - 1), 7);
}

/* ---- slots ---- */

static void budget_to_the_byte(struct kunit *test)
{
	u64 room = st->budget - st->fixed, n = 0, expect = 0;
	struct dmo_slot *s;
	LIST_HEAD(list);

	st->kick = kick;
	for (;;) {
		bool page = n % 3;

		s = dmo_slot_alloc(st, page);
		if (!s)
			break;
		KUNIT_EXPECT_EQ(test, !!s->page, page);
		list_add(&s->list, &list);
		n++;
		expect += page ? PAGE_SLOT : sizeof(*s);
		KUNIT_ASSERT_EQ(test, atomic64_read(&st->used), expect);
		KUNIT_EXPECT_EQ(test, kicks, expect > room - room / 16);
	}
	KUNIT_EXPECT_LE(test, expect, room);
	KUNIT_EXPECT_GT(test, expect + PAGE_SLOT, room);
	/* what was refused costs nothing; it may have told again that memory is short */
	KUNIT_EXPECT_EQ(test, atomic64_read(&st->used), expect);
	/* a smaller budget takes hold at once, and takes nothing away */
	st->budget /= 2;
	KUNIT_EXPECT_PTR_EQ(test, dmo_slot_alloc(st, false), NULL);
	KUNIT_EXPECT_EQ(test, atomic64_read(&st->used), expect);
	dmo_slot_free_list(st, &list);
	KUNIT_EXPECT_EQ(test, atomic64_read(&st->used), 0);
	KUNIT_EXPECT_TRUE(test, list_empty(&list));
}

/* Issue: at most 4.4 KiB a buffered block. */
static void size_of_a_slot(struct kunit *test)
{
	KUNIT_EXPECT_LE(test, PAGE_SLOT, 4505);
}

static void slots(struct kunit *test)
{
	struct dmo_slot *a = put(test, 0, 7, 0, 0x11, 1), *b = put(test, 1, 7, 0, 0x22, 2);
	struct dmo_slot *c = put(test, 0, 7, 1, 0x33, 3), *z = put(test, 0, 8, 0, 0, 0);
	struct dmo_stripe *sp = dmo_store_stripe(st, 0, 7);
	struct page *page;

	KUNIT_EXPECT_PTR_EQ(test, find(0, 7, 0), a);
	KUNIT_EXPECT_PTR_EQ(test, find(1, 7, 0), b);
	KUNIT_EXPECT_PTR_EQ(test, find(0, 7, 1), c);
	KUNIT_EXPECT_PTR_EQ(test, find(1, 7, 1), NULL);
	KUNIT_EXPECT_PTR_EQ(test, find(0, 8, 0), z);
	KUNIT_EXPECT_PTR_EQ(test, find(0, 6, 0), NULL);
	KUNIT_EXPECT_TRUE(test, counts_are(0, 2, 1, 0));
	KUNIT_EXPECT_TRUE(test, counts_are(1, 1, 0, 0));
	KUNIT_EXPECT_EQ(test, atomic64_read(&st->used), 3 * PAGE_SLOT + sizeof(*z));

	spin_lock_irq(&sp->lock);
	page = dmo_slot_zero(st->chunks[0], a);
	spin_unlock_irq(&sp->lock);
	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_EXPECT_EQ(test, a->mask, DMO_FULL_MASK);
	KUNIT_EXPECT_TRUE(test, counts_are(0, 1, 2, 0));
	KUNIT_EXPECT_EQ(test, atomic64_read(&st->used), 2 * PAGE_SLOT + 2 * sizeof(*z));
	spin_lock_irq(&sp->lock);
	KUNIT_EXPECT_PTR_EQ(test, dmo_slot_zero(st->chunks[0], a), NULL);
	/* back again, with a page that the caller has charged */
	atomic64_add(PAGE_SIZE, &st->used);
	dmo_slot_unzero(st->chunks[0], a, page);
	spin_unlock_irq(&sp->lock);
	KUNIT_EXPECT_EQ(test, a->mask, DMO_FULL_MASK);
	KUNIT_EXPECT_TRUE(test, dmo_block_is_zero(page_address(page)));
	KUNIT_EXPECT_TRUE(test, counts_are(0, 2, 1, 0));

	spin_lock_irq(&sp->lock);
	dmo_slot_del(st->chunks[0], sp, a);
	spin_unlock_irq(&sp->lock);
	KUNIT_EXPECT_PTR_EQ(test, find(0, 7, 0), NULL);
	KUNIT_EXPECT_PTR_EQ(test, find(0, 7, 1), c);
	KUNIT_EXPECT_TRUE(test, counts_are(0, 1, 1, 0));
	dmo_slot_free(st, a);
	KUNIT_EXPECT_EQ(test, atomic64_read(&st->used), 2 * PAGE_SLOT + sizeof(*z));
}

static void kick_at_a_size(struct kunit *test)
{
	u32 i;

	st->kick = kick;
	put(test, 0, 1, 0, 1, 1);
	put(test, 0, 2, 0, 1, 1);
	dmo_ref_set(st->chunks[0], &st->vols[0], 3);
	st->kick_bytes = dmo_store_bytes(st->chunks[0]);
	KUNIT_ASSERT_TRUE(test, dmo_ref_clear(st->chunks[0], &st->vols[0], 3));
	dmo_store_grown(st->chunks[0]);
	KUNIT_EXPECT_EQ(test, kicks, 0);
	/* whatever it consists of; once, until it was looked at */
	dmo_ref_set(st->chunks[0], &st->vols[0], 4);
	for (i = 0; i < 2; i++) {
		dmo_store_grown(st->chunks[1]);
		dmo_store_grown(st->chunks[0]);
		KUNIT_EXPECT_EQ(test, kicks, 1);
	}
	st->chunks[0]->large = false;
	dmo_store_grown(st->chunks[0]);
	KUNIT_EXPECT_EQ(test, kicks, 2);
}

/* ---- references ---- */

static void references(struct kunit *test)
{
	struct dmo_vol *v = &st->vols[0];
	u64 b;

	for (v->unit_shift = 0; v->unit_shift <= 3; v->unit_shift++) {
		u64 unit = 1ull << v->unit_shift, first = 5 * unit;

		v->units = (v->blocks + unit - 1) >> v->unit_shift;
		dmo_ref_set(st->chunks[0], v, first + unit - 1);
		dmo_ref_set(st->chunks[0], v, first);
		dmo_ref_set(st->chunks[0], v, v->blocks - 1);
		KUNIT_EXPECT_TRUE(test, counts_are(0, 0, 0, 2));
		KUNIT_EXPECT_TRUE(test, counts_are(1, 0, 0, 0));
		for (b = 0; b < v->blocks; b++) {
			bool want = b >> v->unit_shift == 5 ||
				    b >> v->unit_shift == v->units - 1;

			KUNIT_EXPECT_EQ(test, dmo_ref_test(st->chunks[0], v, b), want);
			KUNIT_EXPECT_EQ(test, dmo_ref_any(st->chunks[0], v, b, b), want);
			KUNIT_EXPECT_FALSE(test, dmo_ref_test(st->chunks[1], v, b));
		}
		KUNIT_EXPECT_TRUE(test, dmo_ref_any(st->chunks[0], v, first - 1, first));
		KUNIT_EXPECT_FALSE(test, dmo_ref_any(st->chunks[0], v, 0, first - 1));
		KUNIT_EXPECT_TRUE(test, dmo_ref_any(st->chunks[0], v, first + unit - 1, first + unit));
		KUNIT_EXPECT_FALSE(test, dmo_ref_any(st->chunks[0], v, first + unit, first + 2 * unit));
		/* a block lock on the last unit reaches beyond the volume */
		KUNIT_EXPECT_TRUE(test, dmo_ref_any(st->chunks[0], v, v->blocks - 1, v->blocks + unit + 200));
		KUNIT_EXPECT_TRUE(test, dmo_ref_clear(st->chunks[0], v, first));
		KUNIT_EXPECT_FALSE(test, dmo_ref_clear(st->chunks[0], v, first + unit - 1));
		KUNIT_EXPECT_TRUE(test, dmo_ref_clear(st->chunks[0], v, v->blocks - 1));
		KUNIT_EXPECT_TRUE(test, dmo_store_empty(st->chunks[0]));
	}
}

static void slots_become_references(struct kunit *test)
{
	struct dmo_vol *v = &st->vols[1];
	struct dmo_slot *keep;

	v->unit_shift = 3;
	v->units = (v->blocks + 7) / 8;
	put(test, 1, 9, 0, 1, 1);
	put(test, 1, 10, 0, 0, 0);
	keep = put(test, 1, 12, 0, 1, 1);
	put(test, 1, 10, 1, 1, 1);
	put(test, 0, 10, 0, 1, 1);
	dmo_store_make_refs(st->chunks[0], v, 9, 11);
	KUNIT_EXPECT_PTR_EQ(test, find(1, 9, 0), NULL);
	KUNIT_EXPECT_PTR_EQ(test, find(1, 10, 0), NULL);
	/* of the same unit, but not told to go: its slot is all that the chunk holds of it */
	KUNIT_EXPECT_PTR_EQ(test, find(1, 12, 0), keep);
	KUNIT_EXPECT_NOT_NULL(test, find(1, 10, 1));
	KUNIT_EXPECT_NOT_NULL(test, find(0, 10, 0));
	KUNIT_EXPECT_TRUE(test, counts_are(0, 2, 0, 1));
	KUNIT_EXPECT_TRUE(test, counts_are(1, 1, 0, 0));
	KUNIT_EXPECT_EQ(test, atomic64_read(&st->used), 3 * PAGE_SLOT);
	/* the last unit is partial: what a block lock covers is more than there is */
	put(test, 1, BLOCKS - 1, 0, 1, 1);
	dmo_store_make_refs(st->chunks[0], v, BLOCKS - 4, BLOCKS + 3);
	KUNIT_EXPECT_TRUE(test, counts_are(0, 2, 0, 2));
	KUNIT_EXPECT_TRUE(test, dmo_ref_test(st->chunks[0], v, BLOCKS - 1));
	KUNIT_EXPECT_PTR_EQ(test, find(1, BLOCKS - 1, 0), NULL);
}

/* ---- demote ---- */

static void coldest_first(struct kunit *test)
{
	struct dmo_slot *s[6];
	u32 i;

	for (i = 0; i < 6; i++)
		s[i] = put(test, 0, i, 0, 1, i);
	touch(s[0]);
	touch(s[2]);	/* by warmth: 1 3 4 5 0 2 */
	KUNIT_EXPECT_EQ(test, dmo_store_demote(st, 6 * PAGE_SLOT), 0);
	/* a visit takes up to 16: the order shows by what a lock keeps */
	for (i = 0; i < 40; i++)
		put(test, 0, 100 + i, 0, 1, i);
	KUNIT_EXPECT_EQ(test, dmo_store_demote(st, 46 * PAGE_SLOT - 1), 16);
	KUNIT_EXPECT_PTR_EQ(test, find(0, 109, 0), NULL);
	KUNIT_EXPECT_NOT_NULL(test, find(0, 110, 0));
	KUNIT_EXPECT_TRUE(test, dmo_ref_test(st->chunks[0], &st->vols[0], 0));
	KUNIT_EXPECT_TRUE(test, dmo_ref_test(st->chunks[0], &st->vols[0], 109));
	KUNIT_EXPECT_FALSE(test, dmo_ref_test(st->chunks[0], &st->vols[0], 110));
	KUNIT_EXPECT_TRUE(test, counts_are(0, 30, 0, 16));
	KUNIT_EXPECT_EQ(test, atomic64_read(&st->used), 30 * PAGE_SLOT);
	/* one that is written again is spared */
	touch(must_find(test, 0, 110, 0));
	KUNIT_EXPECT_EQ(test, dmo_store_demote(st, 30 * PAGE_SLOT - 1), 16);
	KUNIT_EXPECT_NOT_NULL(test, find(0, 110, 0));
	KUNIT_EXPECT_PTR_EQ(test, find(0, 126, 0), NULL);
	KUNIT_EXPECT_NOT_NULL(test, find(0, 127, 0));
	KUNIT_EXPECT_EQ(test, dmo_store_demote(st, 0), 14);
	KUNIT_EXPECT_TRUE(test, counts_are(0, 0, 0, 46));
	KUNIT_EXPECT_EQ(test, atomic64_read(&st->used), 0);
}

static void not_asked(struct dmo_range *r)
{
}

static void no_demotion_in_flight(struct kunit *test)
{
	struct dmo_range held, queued;
	struct dmo_slot *s;
	u32 i;

	st->vols[0].unit_shift = 2;
	for (i = 0; i < 40; i++)
		put(test, 0, i, 0, 1, i);
	s = put(test, 0, 300, 0, 1, 1);		/* of another zone */
	mark_sent(put(test, 0, 50, 0, 1, 1));	/* early data: the peer has it */
	put(test, 0, 60, 1, 1, 1);		/* of the older chunk */
	put(test, 1, 9, 0, 1, 1);		/* another volume is not locked */
	dmo_range_init(st, &held, 0, 9, 1, NULL);
	KUNIT_ASSERT_TRUE(test, dmo_range_lock(st, &held));
	dmo_range_init(st, &queued, 0, 10, 6, not_asked);
	KUNIT_ASSERT_FALSE(test, dmo_range_lock(st, &queued));
	KUNIT_EXPECT_EQ(test, dmo_store_demote(st, 0), 40 - 8 + 1 + 1);
	for (i = 0; i < 40; i++) {
		bool kept = i >= 8 && i <= 15;

		KUNIT_EXPECT_EQ(test, !!find(0, i, 0), kept);
		KUNIT_EXPECT_EQ(test, dmo_ref_test(st->chunks[0], &st->vols[0], i), !kept);
	}
	KUNIT_EXPECT_NOT_NULL(test, find(0, 50, 0));
	KUNIT_EXPECT_NOT_NULL(test, find(0, 60, 1));
	KUNIT_EXPECT_PTR_EQ(test, find(1, 9, 0), NULL);
	dmo_range_unlock(st, &held);
	dmo_range_unlock(st, &queued);
	KUNIT_EXPECT_EQ(test, dmo_store_demote(st, 0), 8);
}

/* ---- merge, release, resend ---- */

static void merge_by_hand(struct kunit *test)
{
	struct dmo_slot *t, *s;
	struct page *page, *gone;
	u8 *data;

	/* older chunk, the first one */
	put(test, 0, 1, 0, 0x0f, 0xaa);		/* slot with slot */
	put(test, 0, 2, 0, 0x0f, 0xaa);		/* slot with reference */
	put(test, 0, 3, 0, 0x0f, 0xaa);		/* slot with nothing */
	put(test, 0, 4, 0, 0x0f, 0xaa);		/* slot with zero */
	put(test, 0, 5, 0, 0, 0);		/* zero with slot */
	put(test, 0, 6, 0, 0, 0);		/* zero with nothing */
	dmo_ref_set(st->chunks[0], &st->vols[0], 7);	/* reference with nothing */
	dmo_ref_set(st->chunks[0], &st->vols[0], 8);	/* copied out, and then a slot */
	put(test, 0, 8, 0, 0xff, 0xaa);
	dmo_ref_set(st->chunks[0], &st->vols[0], 9);	/* reference with reference */
	mark_sent(put(test, 0, 11, 0, 0x0f, 0xaa));
	mark_sent(put(test, 0, 12, 0, 0x0f, 0xaa));
	dmo_store_switch(st, 6);
	t = put(test, 0, 1, 1, 0x3c, 0xbb);
	page = t->page;
	dmo_ref_set(st->chunks[1], &st->vols[0], 2);
	put(test, 0, 4, 1, 0, 0);
	put(test, 0, 5, 1, 0x01, 0xbb);
	put(test, 0, 8, 1, 0x01, 0xbb);
	dmo_ref_set(st->chunks[1], &st->vols[0], 9);
	put(test, 0, 10, 1, 0x01, 0xbb);	/* nothing with slot */
	mark_sent(put(test, 0, 12, 1, 0xf0, 0xbb));	/* sent, and then changed by the merge */
	gone = must_find(test, 0, 1, 0)->page;
	get_page(gone);
	dmo_store_merge(st);

	KUNIT_EXPECT_TRUE(test, dmo_store_empty(st->chunks[0]));
	/* 1 3 5 8 10 11 12; 4 6; 2 7 8 9 */
	KUNIT_EXPECT_TRUE(test, counts_are(1, 7, 2, 4));
	KUNIT_EXPECT_EQ(test, atomic64_read(&st->used), 7 * PAGE_SLOT + 2 * sizeof(*s));
	s = find(0, 1, 1);
	KUNIT_ASSERT_PTR_EQ(test, s, t);
	KUNIT_EXPECT_PTR_EQ(test, s->page, page);	/* a local write may read it now */
	KUNIT_EXPECT_EQ(test, s->mask, 0x3f);
	data = page_address(page);
	KUNIT_EXPECT_PTR_EQ(test, memchr_inv(data, 0xaa, 1024), NULL);
	KUNIT_EXPECT_PTR_EQ(test, memchr_inv(data + 1024, 0xbb, 3072), NULL);
	KUNIT_EXPECT_EQ(test, page_count(gone), 1);
	KUNIT_EXPECT_PTR_EQ(test, memchr_inv(page_address(gone), 0xaa, 4096), NULL);
	put_page(gone);
	KUNIT_EXPECT_PTR_EQ(test, find(0, 2, 1), NULL);
	KUNIT_EXPECT_EQ(test, must_find(test, 0, 3, 1)->mask, 0x0f);
	KUNIT_EXPECT_PTR_EQ(test, must_find(test, 0, 4, 1)->page, NULL);
	KUNIT_EXPECT_EQ(test, must_find(test, 0, 5, 1)->mask, 0xff);
	data = page_address(must_find(test, 0, 5, 1)->page);
	KUNIT_EXPECT_PTR_EQ(test, memchr_inv(data, 0xbb, 512), NULL);
	KUNIT_EXPECT_PTR_EQ(test, memchr_inv(data + 512, 0, 3584), NULL);
	KUNIT_EXPECT_PTR_EQ(test, must_find(test, 0, 6, 1)->page, NULL);
	KUNIT_EXPECT_PTR_EQ(test, find(0, 7, 1), NULL);
	KUNIT_EXPECT_EQ(test, must_find(test, 0, 8, 1)->mask, 0xff);
	KUNIT_EXPECT_TRUE(test, must_find(test, 0, 11, 1)->sent);
	KUNIT_EXPECT_FALSE(test, must_find(test, 0, 12, 1)->sent);
	KUNIT_EXPECT_FALSE(test, must_find(test, 0, 3, 1)->sent);
}

/* What was the older chunk's is colder than what is the active one's, and keeps its order. */
static void merge_keeps_warmth(struct kunit *test)
{
	u32 i;

	for (i = 0; i < 24; i++)
		put(test, 0, i, 0, 1, i);
	dmo_store_switch(st, 6);
	for (i = 24; i < 48; i++)
		put(test, 0, i, 1, 1, i);
	dmo_store_merge(st);
	for (i = 16; i <= 48; i += 16) {
		KUNIT_EXPECT_EQ(test, dmo_store_demote(st, (64 - i) * PAGE_SLOT - 1), 16);
		KUNIT_EXPECT_PTR_EQ(test, find(0, i - 1, 1), NULL);
		KUNIT_EXPECT_PTR_EQ(test, find(0, i - 16, 1), NULL);
		KUNIT_EXPECT_EQ(test, !!find(0, i, 1), i < 48);
	}
}

static void release_older(struct kunit *test)
{
	u32 i;

	for (i = 0; i < 100; i++) {
		struct dmo_slot *s = put(test, i & 1, i * 5, 0, i % 7, i);

		if (i % 3)
			mark_sent(s);
		dmo_ref_set(st->chunks[0], &st->vols[0], i);
	}
	dmo_store_switch(st, 6);
	put(test, 0, 5, 1, 1, 1);
	dmo_ref_set(st->chunks[1], &st->vols[0], 6);
	dmo_store_release(st);
	KUNIT_EXPECT_TRUE(test, dmo_store_empty(st->chunks[0]));
	KUNIT_EXPECT_TRUE(test, bitmap_empty(st->chunks[0]->vol[0].refs, BLOCKS));
	KUNIT_EXPECT_TRUE(test, counts_are(1, 1, 0, 1));
	KUNIT_EXPECT_EQ(test, atomic64_read(&st->used), PAGE_SLOT);
}

static void resend(struct kunit *test)
{
	struct dmo_stripe *sp = dmo_store_stripe(st, 0, 0);
	struct dmo_slot *s;
	u64 next = 0;
	u32 i;

	for (i = 0; i < 50; i++)
		put(test, 0, i, i % 5 == 4, 1, i);
	for (i = 0; i < 50; i++)
		if (i < 33)
			mark_sent(must_find(test, 0, i, i % 5 == 4));
	dmo_store_resend(st);
	KUNIT_EXPECT_TRUE(test, list_empty(&sp->lists[0].sent) && list_empty(&sp->lists[1].sent));
	for (i = 0; i < 50; i++)
		KUNIT_EXPECT_FALSE(test, must_find(test, 0, i, i % 5 == 4)->sent);
	/* in the order in which they were */
	list_for_each_entry(s, &sp->lists[0].unsent, list) {
		KUNIT_EXPECT_EQ(test, s->block, next);
		next += next % 5 == 3 ? 2 : 1;
	}
	KUNIT_EXPECT_TRUE(test, counts_are(0, 40, 0, 0));
	KUNIT_EXPECT_TRUE(test, counts_are(1, 10, 0, 0));
}

static void full(struct kunit *test)
{
	u32 i;

	for (i = 0; i < 40; i++) {
		struct dmo_slot *s = put(test, i & 1, i * 13, 0, i % 3, i);

		if (i % 5 == 1)
			mark_sent(s);
	}
	dmo_ref_set(st->chunks[0], &st->vols[0], 3);
	dmo_store_full(st);
	KUNIT_EXPECT_TRUE(test, counts_are(0, 0, 0, 2 * BLOCKS));
	KUNIT_EXPECT_EQ(test, atomic64_read(&st->used), 0);
	KUNIT_EXPECT_EQ(test, bitmap_weight(st->chunks[0]->vol[1].refs,
					    BITS_TO_LONGS(BLOCKS) * BITS_PER_LONG), BLOCKS);
	KUNIT_EXPECT_TRUE(test, dmo_store_empty(st->chunks[1]));
}

/* Data, a record's header for up to 128 of it, and what is to be had besides. */
static void bytes(struct kunit *test)
{
	u32 i;

	for (i = 0; i < 300; i++)
		put(test, 0, i, 0, i < 260, i);
	KUNIT_EXPECT_GE(test, dmo_store_bytes(st->chunks[0]), (260 + 3 + 1) * 4096);
	KUNIT_EXPECT_LE(test, dmo_store_bytes(st->chunks[0]), (260 + 3 + 70) * 4096);
	st->vols[0].unit_shift = 2;
	dmo_ref_set(st->chunks[0], &st->vols[0], 400);
	KUNIT_EXPECT_GE(test, dmo_store_bytes(st->chunks[0]), (264 + 3 + 1) * 4096);
	KUNIT_EXPECT_FALSE(test, dmo_store_empty(st->chunks[0]));
	KUNIT_EXPECT_TRUE(test, dmo_store_empty(st->chunks[1]));
}

/* ---- flush tracking ---- */

static bool unflushed(struct dmo_vol *v, u64 sector)
{
	u64 r = sector >> v->region_shift;

	return test_bit(r, v->unflushed[0]) || test_bit(r, v->unflushed[1]);
}

static bool flush(struct dmo_vol *v, bool ok)
{
	return dmo_vol_flush_end(v, dmo_vol_flush_begin(v), ok);
}

static void flushes(struct kunit *test)
{
	struct dmo_vol *v = &st->vols[0];
	bool a, b;

	dmo_vol_written(v, 10, 1);
	dmo_vol_written(v, 2047, 2);	/* two regions */
	KUNIT_EXPECT_TRUE(test, unflushed(v, 0) && unflushed(v, 2048) && !unflushed(v, 4096));
	a = dmo_vol_flush_begin(v);
	b = dmo_vol_flush_begin(v);
	KUNIT_EXPECT_TRUE(test, a);
	KUNIT_EXPECT_FALSE(test, b);	/* one is tracked at a time */
	dmo_vol_written(v, 4096, 8);	/* ends while the flush is in hand: not in it */
	KUNIT_EXPECT_FALSE(test, dmo_vol_flush_end(v, b, true));
	KUNIT_EXPECT_TRUE(test, unflushed(v, 0));
	KUNIT_EXPECT_FALSE(test, dmo_vol_flush_end(v, a, true));
	KUNIT_EXPECT_FALSE(test, unflushed(v, 0) || unflushed(v, 2048));
	KUNIT_EXPECT_TRUE(test, unflushed(v, 4096));
	KUNIT_EXPECT_FALSE(test, flush(v, true));
	KUNIT_EXPECT_FALSE(test, unflushed(v, 4096));
}

static void failed_flush(struct kunit *test)
{
	struct dmo_vol *v = &st->vols[0];
	u32 b, refs = 0;

	dmo_vol_written(v, 0, 8);
	KUNIT_EXPECT_TRUE(test, flush(v, false));
	KUNIT_EXPECT_FALSE(test, flush(v, false));	/* told once */
	dmo_vol_written(v, SECTORS - 1, 1);
	KUNIT_EXPECT_FALSE(test, flush(v, true));	/* a good one in between changes nothing */
	KUNIT_EXPECT_TRUE(test, unflushed(v, 0) && unflushed(v, SECTORS - 1));
	put(test, 0, 7, 0, 1, 1);
	put(test, 0, DMO_ZONE_BLOCKS, 0, 1, 1);
	dmo_store_reship(st, v);
	/* whole zones: the first, and the last one of 20 blocks */
	for (b = 0; b < BLOCKS; b++)
		refs += dmo_ref_test(st->chunks[0], v, b);
	KUNIT_EXPECT_EQ(test, refs, DMO_ZONE_BLOCKS + 20);
	KUNIT_EXPECT_FALSE(test, dmo_ref_test(st->chunks[0], v, DMO_ZONE_BLOCKS));
	KUNIT_EXPECT_TRUE(test, counts_are(0, 1, 0, refs));
	KUNIT_EXPECT_FALSE(test, v->reship);
	/* what was written is forgotten only by good flushes from then on */
	KUNIT_EXPECT_TRUE(test, unflushed(v, 0));
	KUNIT_EXPECT_FALSE(test, flush(v, true));
	KUNIT_EXPECT_FALSE(test, flush(v, true));
	KUNIT_EXPECT_FALSE(test, unflushed(v, 0) || unflushed(v, SECTORS - 1));
	KUNIT_EXPECT_TRUE(test, flush(v, false));
}

/* The one that failed was issued after the one that is good. */
static void failed_beside_a_good_flush(struct kunit *test)
{
	struct dmo_vol *v = &st->vols[0];
	bool a, b;

	dmo_vol_written(v, 0, 8);
	a = dmo_vol_flush_begin(v);
	b = dmo_vol_flush_begin(v);
	KUNIT_EXPECT_TRUE(test, dmo_vol_flush_end(v, b, false));
	KUNIT_EXPECT_FALSE(test, dmo_vol_flush_end(v, a, true));
	KUNIT_EXPECT_TRUE(test, unflushed(v, 0));
}

static int reshipper(void *data)
{
	/* as the cycle thread does */
	while (!dmo_store_reship(st, &st->vols[0]))
		cond_resched();
	complete(data);
	return 0;
}

/* While the zones are walked, one waits for a write; flushes go on. */
static void flush_during_reship(struct kunit *test)
{
	DECLARE_COMPLETION_ONSTACK(done);
	struct dmo_vol *v = &st->vols[0];
	struct dmo_range hold;
	struct task_struct *t;

	dmo_vol_written(v, 0, 8);
	dmo_vol_written(v, DMO_ZONE_SECTORS, 8);
	KUNIT_EXPECT_TRUE(test, flush(v, false));
	dmo_range_init(st, &hold, 0, 3, 1, NULL);
	KUNIT_ASSERT_TRUE(test, dmo_range_lock(st, &hold));
	t = kthread_run(reshipper, &done, "dmo_test/reship");
	KUNIT_ASSERT_FALSE(test, IS_ERR(t));
	while (list_is_singular(&dmo_store_stripe(st, 0, 3)->ranges))
		schedule_timeout_uninterruptible(1);
	flush(v, true);
	flush(v, true);
	/* and one fails: once more; what was written before is still known */
	KUNIT_EXPECT_FALSE(test, flush(v, false));
	dmo_range_unlock(st, &hold);
	wait_for_completion(&done);
	KUNIT_EXPECT_TRUE(test, dmo_ref_test(st->chunks[0], v, 0));
	KUNIT_EXPECT_TRUE(test, dmo_ref_test(st->chunks[0], v, DMO_ZONE_BLOCKS));
	KUNIT_EXPECT_TRUE(test, unflushed(v, 0));
	KUNIT_EXPECT_FALSE(test, v->reship);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(created_empty_and_full),
	KUNIT_CASE(unit_by_budget),
	KUNIT_CASE(refusal_names_the_budget),
#ifndef CONFIG_UML
	KUNIT_CASE(more_units_than_an_int),
#endif
	KUNIT_CASE(partial_last_block),
	KUNIT_CASE(budget_to_the_byte),
	KUNIT_CASE(size_of_a_slot),
	KUNIT_CASE(slots),
	KUNIT_CASE(kick_at_a_size),
	KUNIT_CASE(references),
	KUNIT_CASE(slots_become_references),
	KUNIT_CASE(coldest_first),
	KUNIT_CASE(no_demotion_in_flight),
	KUNIT_CASE(merge_by_hand),
	KUNIT_CASE(merge_keeps_warmth),
	KUNIT_CASE(release_older),
	KUNIT_CASE(resend),
	KUNIT_CASE(full),
	KUNIT_CASE(bytes),
	KUNIT_CASE(flushes),
	KUNIT_CASE(failed_flush),
	KUNIT_CASE(failed_beside_a_good_flush),
	KUNIT_CASE(flush_during_reship),
	{}
};

static struct kunit_suite suite = {
	.name = "dm-ordered-chunk",
	.suite_init = init_suite,
	.suite_exit = exit_suite,
	.init = init,
	.exit = exit_test,
	.test_cases = cases,
};
kunit_test_suite(suite);
