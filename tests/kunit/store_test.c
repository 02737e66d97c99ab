// SPDX-License-Identifier: GPL-2.0-only
/*
 * The store of a primary under a random story of writes, zeroes, failed
 * writes, cuts, merges, demotions, completions and lost links, against a model
 * of what it is for: at any moment, each chunk must hold every sector that was
 * written in its cycle, as it was at its cut.
 *
 * The model knows the disk, the disk at the cut, and per chunk which sectors
 * were written. It knows nothing of slots, masks and merging.
 */
#include <linux/bitmap.h>
#include <linux/err.h>
#include <linux/mm.h>
#include "store/chunk.h"
#include "random.h"

#define VOLS		2
#define BLOCKS		(DMO_ZONE_BLOCKS + 21)
#define SECTORS		((BLOCKS - 1) * DMO_BLOCK_SECTORS + 5)
#define STEPS		600
#define STORIES		4

/*
 * @disk, @cut: number of the write that each sector holds; 0: zeroes
 * @need: sectors of the chunk, by its index
 * @loose: the block may be held as a whole: its unit was referenced in this chunk
 */
struct block {
	u32 disk[DMO_BLOCK_SECTORS], cut[DMO_BLOCK_SECTORS];
	u8 need[2];
	bool loose[2];
};

struct model {
	struct block b[VOLS][BLOCKS];
	struct rnd rnd;
	u32 stamp;
	bool older;
	u64 slots[2], zeroes[2];
	u32 merges, demotions, copyouts, releases;
	const char *wrong;
};

static struct dmo_store *st;

static u8 active(void)
{
	return dmo_store_active(st)->idx;
}

static struct dmo_slot *find(struct dmo_vol *v, u64 block, u8 idx)
{
	struct dmo_stripe *sp = dmo_store_stripe(st, v->index, block);
	struct dmo_slot *s;

	spin_lock_irq(&sp->lock);
	s = dmo_slot_find(st->chunks[idx], sp, v->index, block);
	spin_unlock_irq(&sp->lock);
	return s;
}

static u32 *sector(struct page *page, u32 i)
{
	return page_address(page) + i * DMO_SECTOR;
}

static void fill(struct page *page, u8 mask, const u32 *stamps)
{
	u32 i, k;

	for (i = 0; i < DMO_BLOCK_SECTORS; i++)
		for (k = 0; (mask & (1u << i)) && k < DMO_SECTOR / 4; k++)
			sector(page, i)[k] = stamps[i];
}

static u8 part(u64 block, u64 first, u64 nr)
{
	u64 from = max(block * DMO_BLOCK_SECTORS, first);
	u64 to = min((block + 1) * DMO_BLOCK_SECTORS, first + nr);

	return dmo_sector_mask(from % DMO_BLOCK_SECTORS, to - from);
}

/* ---- what the model demands ---- */

static void check_slot(struct model *m, struct dmo_vol *v, u64 block, u8 p, struct dmo_slot *s)
{
	struct block *b = &m->b[v->index][block];
	const u32 *want = p == active() ? b->disk : b->cut;
	u32 i;

	if (b->need[p] & ~s->mask)
		m->wrong = "a written sector is not in the slot";
	if (!b->loose[p] && s->mask != b->need[p])
		m->wrong = "a sector that was not written is in the slot";
	if (!s->page && s->mask != DMO_FULL_MASK)
		m->wrong = "a zero slot without a full mask";
	for (i = 0; i < DMO_BLOCK_SECTORS; i++) {
		if (!(s->mask & dmo_vol_block_mask(v, block) & (1u << i)))
			continue;
		if (!s->page ? want[i] : sector(s->page, i)[0] != want[i] ||
		    sector(s->page, i)[57] != want[i] || sector(s->page, i)[127] != want[i])
			m->wrong = "a slot holds other bytes than the chunk's";
	}
	if (s->page)
		m->slots[p]++;
	else
		m->zeroes[p]++;
}

static void check_block(struct model *m, struct dmo_vol *v, u64 block, u8 p)
{
	struct block *b = &m->b[v->index][block];
	struct dmo_slot *s = find(v, block, p);
	u32 i;

	if (s) {
		check_slot(m, v, block, p, s);
	} else if (!dmo_ref_test(st->chunks[p], v, block)) {
		if (b->need[p])
			m->wrong = "a written block is not in its chunk";
	} else if (p != active()) {
		for (i = 0; i < DMO_BLOCK_SECTORS; i++)
			if ((dmo_vol_block_mask(v, block) & (1u << i)) && b->disk[i] != b->cut[i])
				m->wrong = "a reference of the older chunk was written over";
	}
	if (p != active() && !m->older && (s || dmo_ref_test(st->chunks[p], v, block)))
		m->wrong = "a chunk that is gone holds a block";
}

static void check_lists(struct model *m)
{
	u64 used = 0, n[2] = { };
	struct dmo_slot *s;
	u32 i, p;

	for (i = 0; i < DMO_STRIPES; i++) {
		for (p = 0; p < 2; p++) {
			list_for_each_entry(s, &st->stripes[i].lists[p].unsent, list) {
				if (s->sent || s->chunk != p)
					m->wrong = "a slot on the wrong list";
				used += sizeof(*s) + (s->page ? PAGE_SIZE : 0);
				n[p]++;
			}
			list_for_each_entry(s, &st->stripes[i].lists[p].sent, list) {
				if (!s->sent || s->chunk != p)
					m->wrong = "a slot on the wrong list";
				used += sizeof(*s) + (s->page ? PAGE_SIZE : 0);
				n[p]++;
			}
		}
	}
	for (p = 0; p < 2; p++) {
		if (n[p] != m->slots[p] + m->zeroes[p])
			m->wrong = "lists and hash don't agree";
		if (atomic64_read(&st->chunks[p]->slots) != m->slots[p] ||
		    atomic64_read(&st->chunks[p]->zeroes) != m->zeroes[p])
			m->wrong = "slots are miscounted";
	}
	if (atomic64_read(&st->used) != used)
		m->wrong = "memory is miscounted";
}

static void check(struct model *m)
{
	u64 refs, block;
	u32 i, p;

	memset(m->slots, 0, sizeof(m->slots));
	memset(m->zeroes, 0, sizeof(m->zeroes));
	for (p = 0; p < 2; p++) {
		refs = 0;
		for (i = 0; i < VOLS; i++) {
			struct dmo_vol *v = &st->vols[i];

			refs += bitmap_weight(st->chunks[p]->vol[i].refs, v->units);
			for (block = 0; block < BLOCKS; block++) {
				m->b[i][block].loose[p] |= dmo_ref_test(st->chunks[p], v, block);
				check_block(m, v, block, p);
			}
		}
		if (atomic64_read(&st->chunks[p]->refs) != refs)
			m->wrong = "references are miscounted";
		if (dmo_store_empty(st->chunks[p]) != !(m->slots[p] + m->zeroes[p] + refs))
			m->wrong = "empty or not?";
		if (dmo_store_bytes(st->chunks[p]) < (m->slots[p] + refs) * DMO_BLOCK)
			m->wrong = "more to ship than it says";
	}
	check_lists(m);
}

/* ---- what happens ---- */

static void merge(struct model *m)
{
	u8 new = active();
	u32 i, k;

	if (!m->older)
		return;
	dmo_store_merge(st);
	m->older = false;
	m->merges++;
	for (i = 0; i < VOLS; i++) {
		for (k = 0; k < BLOCKS; k++) {
			struct block *b = &m->b[i][k];

			b->need[new] |= b->need[new ^ 1];
			b->loose[new] |= b->loose[new ^ 1];
			b->need[new ^ 1] = 0;
			b->loose[new ^ 1] = false;
		}
	}
}

static void cut_or_release(struct model *m)
{
	u8 p = active();
	u32 i, k;

	if (m->older) {
		dmo_store_release(st);
		m->releases++;
		for (i = 0; i < VOLS; i++) {
			for (k = 0; k < BLOCKS; k++) {
				m->b[i][k].need[p ^ 1] = 0;
				m->b[i][k].loose[p ^ 1] = false;
			}
		}
	} else {
		for (i = 0; i < VOLS; i++)
			for (k = 0; k < BLOCKS; k++)
				memcpy(m->b[i][k].cut, m->b[i][k].disk, sizeof(m->b[i][k].cut));
		dmo_store_switch(st, st->chunks[p]->seq + 1);
	}
	m->older = !m->older;
}

/* As copyout.c: no memory for it: merge. */
static void copy_out(struct model *m, struct dmo_vol *v, u64 first, u64 last)
{
	struct dmo_stripe *sp = dmo_store_stripe(st, v->index, first);
	struct dmo_slot *s;
	u64 block;

	for (block = first; block <= last; block++) {
		u8 old = active() ^ 1;

		if (!dmo_ref_test(st->chunks[old], v, block) || find(v, block, old))
			continue;
		s = rnd_one_in(&m->rnd, 60) ? NULL : dmo_slot_alloc(st, true);
		if (!s) {
			merge(m);
			return;
		}
		s->vol = v->index;
		s->block = block;
		s->mask = dmo_vol_block_mask(v, block);
		clear_page(page_address(s->page));
		fill(s->page, s->mask, m->b[v->index][block].disk);
		spin_lock_irq(&sp->lock);
		dmo_slot_add(st->chunks[old], sp, s);
		spin_unlock_irq(&sp->lock);
		m->copyouts++;
	}
}

/* As write.c captures one block; false: no memory. */
static bool capture(struct model *m, struct dmo_vol *v, u64 block, u8 mask, bool zero)
{
	struct dmo_stripe *sp = dmo_store_stripe(st, v->index, block);
	bool bare = zero && mask == DMO_FULL_MASK;
	struct dmo_slot *s = find(v, block, active()), *spare;
	struct dmo_chunk *c = dmo_store_active(st);
	struct page *page = NULL;

	spare = dmo_slot_alloc(st, !bare);
	if (!spare)
		return false;
	if (spare->page)
		clear_page(page_address(spare->page));
	spin_lock_irq(&sp->lock);
	if (s) {
		dmo_slot_touch(sp, s);
	} else {
		s = spare;
		spare = NULL;
		s->vol = v->index;
		s->block = block;
		s->mask = bare ? DMO_FULL_MASK : 0;
		dmo_slot_add(c, sp, s);
	}
	if (bare)
		page = dmo_slot_zero(c, s);
	else if (!s->page) {
		dmo_slot_unzero(c, s, spare->page);
		spare->page = NULL;
	}
	spin_unlock_irq(&sp->lock);
	if (page)
		put_page(page);
	s->mask |= mask;
	if (s->page)
		fill(s->page, mask, m->b[v->index][block].disk);
	if (spare)
		dmo_slot_free(st, spare);
	return true;
}

static void write(struct model *m)
{
	static const u32 places[] = { 0, 0, DMO_ZONE_BLOCKS - 12, DMO_ZONE_BLOCKS, BLOCKS - 9 };
	struct dmo_vol *v = &st->vols[rnd_below(&m->rnd, VOLS)];
	u64 sec = places[rnd_below(&m->rnd, ARRAY_SIZE(places))] * DMO_BLOCK_SECTORS +
		  rnd_below(&m->rnd, 70);
	u32 nr = rnd_one_in(&m->rnd, 2) ? 8 : 1 + rnd_below(&m->rnd, 40), i;
	bool zero = rnd_one_in(&m->rnd, 4), fail = rnd_one_in(&m->rnd, 40);
	bool refs = rnd_one_in(&m->rnd, 12);
	struct dmo_range r;
	u64 first, last, block;

	if (rnd_one_in(&m->rnd, 2))
		sec = round_down(sec, DMO_BLOCK_SECTORS);
	sec = min_t(u64, sec, SECTORS - 1);
	nr = min_t(u64, nr, min_t(u64, SECTORS, round_up(sec + 1, DMO_ZONE_SECTORS)) - sec);
	first = sec / DMO_BLOCK_SECTORS;
	last = (sec + nr - 1) / DMO_BLOCK_SECTORS;
	dmo_range_init(st, &r, v->index, first, last - first + 1, NULL);
	if (!dmo_range_lock(st, &r))
		m->wrong = "a block lock without a reason";
	copy_out(m, v, first, last);
	for (block = first; block <= last; block++)
		refs |= dmo_ref_test(dmo_store_active(st), v, block) && !find(v, block, active());

	m->stamp++;
	for (block = first; block <= last; block++) {
		struct block *b = &m->b[v->index][block];
		u8 mask = part(block, sec, nr);

		b->need[active()] |= mask;
		for (i = 0; i < DMO_BLOCK_SECTORS; i++)
			if (mask & (1u << i) && !(fail && rnd_one_in(&m->rnd, 2)))
				b->disk[i] = zero ? 0 : m->stamp;
		if (!refs)
			refs = !capture(m, v, block, mask, zero);
	}
	if (refs || fail)
		dmo_store_make_refs(dmo_store_active(st), v, first, last);
	dmo_range_unlock(st, &r);
}

/* While a write to a unit is in flight its slots stay. */
static void demote(struct model *m)
{
	struct dmo_vol *v = &st->vols[rnd_below(&m->rnd, VOLS)];
	struct dmo_slot *was[DMO_ZONE_BLOCKS / 4];
	u64 used = atomic64_read(&st->used), b;
	struct dmo_range r;
	u32 n;

	dmo_range_init(st, &r, v->index, rnd_below(&m->rnd, 60), 1, NULL);
	dmo_range_lock(st, &r);
	for (b = r.first, n = 0; b <= r.last && n < ARRAY_SIZE(was); b++, n++)
		was[n] = find(v, b, active());
	m->demotions += dmo_store_demote(st, used - min_t(u64, used, rnd_below(&m->rnd, 200000)));
	for (b = r.first, n = 0; b <= r.last && n < ARRAY_SIZE(was); b++, n++)
		if (was[n] != find(v, b, active()))
			m->wrong = "demoted with a write in flight";
	dmo_range_unlock(st, &r);
}

/* The send thread takes some. */
static void send(struct model *m)
{
	struct dmo_slot_lists *l;
	struct dmo_slot *s, *n;
	u32 i;

	for (i = 0; i < DMO_STRIPES; i++) {
		l = dmo_stripe_lists(&st->stripes[i], dmo_store_older(st));
		list_for_each_entry_safe(s, n, &l->unsent, list) {
			if (rnd_one_in(&m->rnd, 3)) {
				s->sent = true;
				list_move_tail(&s->list, &l->sent);
			}
		}
	}
}

static void reship(struct model *m)
{
	struct dmo_vol *v = &st->vols[rnd_below(&m->rnd, VOLS)];
	u64 zone = rnd_below(&m->rnd, 2) * DMO_ZONE_BLOCKS, b;

	if (m->older)
		return;
	dmo_vol_written(v, zone * DMO_BLOCK_SECTORS, 1);
	dmo_vol_flush_end(v, dmo_vol_flush_begin(v), false);
	dmo_store_reship(st, v);
	for (b = zone; b < min_t(u64, zone + DMO_ZONE_BLOCKS, BLOCKS); b++)
		if (!dmo_ref_test(dmo_store_active(st), v, b) || find(v, b, active()))
			m->wrong = "not shipped again after a failed flush";
	/* forget it, or it all becomes references soon */
	dmo_vol_flush_end(v, dmo_vol_flush_begin(v), true);
	dmo_vol_flush_end(v, dmo_vol_flush_begin(v), true);
}

static const char *one_step(struct model *m)
{
	switch (rnd_below(&m->rnd, 60)) {
	case 0 ... 2:
		cut_or_release(m);
		return "cut or release";
	case 3:
		merge(m);
		return "merge";
	case 4:
		demote(m);
		return "demote";
	case 5 ... 6:
		send(m);
		return "send";
	case 7:
		dmo_store_resend(st);
		return "resend";
	case 8:
		if (rnd_one_in(&m->rnd, 4))
			reship(m);
		return "reship";
	case 9:
		if (!m->older && rnd_one_in(&m->rnd, 8))
			dmo_store_full(st);
		return "full";
	default:
		write(m);
		return "write";
	}
}

static void one_story(struct kunit *test, struct model *m, u8 unit_shift)
{
	struct dmo_volume_info info[VOLS] = { { .sectors = SECTORS }, { .sectors = SECTORS } };
	struct dmo_reason why;
	const char *what;
	u64 i, k;
	u32 n;

	/* memory is short now and then */
	st = dmo_store_create(info, VOLS, 1 << 20, 1, false, &why);
	KUNIT_ASSERT_FALSE(test, IS_ERR(st));
	for (i = 0; i < VOLS; i++) {
		st->vols[i].unit_shift = unit_shift;
		st->vols[i].units = ((BLOCKS - 1) >> unit_shift) + 1;
	}
	memset(m->b, 0, sizeof(m->b));
	m->stamp = 1;
	m->older = false;
	for (i = 0; i < VOLS; i++)
		for (k = 0; k < BLOCKS * DMO_BLOCK_SECTORS; k++)
			m->b[i][k / DMO_BLOCK_SECTORS].disk[k % DMO_BLOCK_SECTORS] = 1;
	for (n = 0; n < STEPS * rounds && !m->wrong; n++) {
		what = one_step(m);
		check(m);
		cond_resched();
	}
	if (m->wrong)
		KUNIT_FAIL(test, "%s: after step %u, %s, units of %u blocks", m->wrong, n, what,
			   1u << unit_shift);
	dmo_store_destroy(st);
}

static void story(struct kunit *test)
{
	static const u8 shifts[STORIES] = { 0, 0, 3, 7 };
	struct model *m = kvzalloc(sizeof(*m), GFP_KERNEL);
	u32 i;

	KUNIT_ASSERT_NOT_NULL(test, m);
	rnd_seed(test, &m->rnd);
	KUNIT_ASSERT_EQ(test, dmo_chunk_init(), 0);
	for (i = 0; i < STORIES && !m->wrong; i++)
		one_story(test, m, shifts[i]);
	dmo_chunk_exit();
	kunit_info(test, "%u merges, %u demoted, %u copied out, %u released\n", m->merges,
		   m->demotions, m->copyouts, m->releases);
	if (!m->wrong) {
		KUNIT_EXPECT_GT(test, m->merges, 10);
		KUNIT_EXPECT_GT(test, m->demotions, 10);
		KUNIT_EXPECT_GT(test, m->copyouts, 10);
		KUNIT_EXPECT_GT(test, m->releases, 10);
	}
	kvfree(m);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(story),
	{}
};

static struct kunit_suite suite = {
	.name = "dm-ordered-store",
	.test_cases = cases,
};
kunit_test_suite(suite);
