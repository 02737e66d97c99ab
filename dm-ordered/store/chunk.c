// SPDX-License-Identifier: GPL-2.0-only
/* The store: chunks, their slots, references and zero zones; see chunk.h. */
#include <linux/bitmap.h>
#include <linux/hash.h>
#include <linux/ktime.h>
#include <linux/timekeeping.h>
#include <linux/mm.h>
#include <linux/vmalloc.h>
#include "format/policy.h"
#include "store/chunk.h"

#define SLOT_GFP	(GFP_NOWAIT | __GFP_NORETRY | __GFP_NOWARN | __GFP_NOMEMALLOC)

static struct kmem_cache *slot_cache;

int dmo_chunk_init(void)
{
	slot_cache = kmem_cache_create("dm_ordered_slot", sizeof(struct dmo_slot), 0, 0, NULL);
	return slot_cache ? 0 : -ENOMEM;
}

void dmo_chunk_exit(void)
{
	kmem_cache_destroy(slot_cache);
}

/* ---- creation ---- */

static void vol_free(struct dmo_vol *v)
{
	int i;

	free_percpu(v->stats);
	for (i = 0; i < 2; i++)
		kvfree(v->unflushed[i]);
}

static void *bits_alloc(u64 bits)
{
	return kvcalloc(BITS_TO_LONGS(bits), sizeof(long), GFP_KERNEL);
}

/*
 * Bits @first..@end - 1 to @set, atomically. bitmap_set() does not do that, and counts in ints: not
 * enough from 8 TiB on. Return: how many of them changed
 */
static u64 bits_change(unsigned long *map, u64 first, u64 end, bool set)
{
	unsigned long mask, was, *word;
	u64 at, changed = 0;

	for (at = first; at < end; at = round_down(at, BITS_PER_LONG) + BITS_PER_LONG) {
		word = &map[at / BITS_PER_LONG];
		mask = ~0UL << (at % BITS_PER_LONG);
		if (end - round_down(at, BITS_PER_LONG) < BITS_PER_LONG)
			mask &= BITMAP_LAST_WORD_MASK(end);
		was = READ_ONCE(*word);
		if ((set ? ~was : was) & mask) {
			was = set ? atomic_long_fetch_or(mask, (atomic_long_t *)word) :
				    atomic_long_fetch_andnot(mask, (atomic_long_t *)word);
			changed += hweight_long((set ? ~was : was) & mask);
		}
	}
	return changed;
}

static int vol_init(struct dmo_vol *v, const struct dmo_volume_info *info, u16 index,
		    u8 unit_shift)
{
	int i;

	v->id = info->id;
	v->index = index;
	v->sectors = info->sectors;
	v->blocks = (info->sectors + DMO_BLOCK_SECTORS - 1) / DMO_BLOCK_SECTORS;
	v->unit_shift = unit_shift;
	v->units = (v->blocks + (1ULL << unit_shift) - 1) >> unit_shift;
	v->nr_zones = info->sectors / DMO_ZONE_SECTORS;
	v->region_shift = ilog2(DMO_ZONE_SECTORS);
	while ((v->sectors >> v->region_shift) >= DMO_FLUSH_BITS)
		v->region_shift++;
	v->regions = (v->sectors >> v->region_shift) + 1;
	spin_lock_init(&v->flush_lock);
	v->stats = alloc_percpu(struct dmo_vol_stats);
	if (!v->stats)
		return -ENOMEM;
	for (i = 0; i < 2; i++) {
		v->unflushed[i] = bits_alloc(v->regions);
		if (!v->unflushed[i])
			return -ENOMEM;
	}
	return 0;
}

static int chunk_vol_init(struct dmo_chunk_vol *cv, const struct dmo_vol *v)
{
	cv->refs = bits_alloc(v->units);
	cv->zones = bits_alloc(v->nr_zones + 1);
	return cv->refs && cv->zones ? 0 : -ENOMEM;
}

static void chunk_free(struct dmo_chunk *c)
{
	u32 i;

	if (!c)
		return;
	for (i = 0; i < c->st->nr_vols; i++) {
		kvfree(c->vol[i].refs);
		kvfree(c->vol[i].zones);
	}
	dmo_inflight_destroy(&c->writers);
	kvfree(c);
}

/* Both, without their bitmaps. */
static int chunks_alloc(struct dmo_store *st, u32 nr_vols, u64 seq)
{
	struct dmo_chunk *c;
	int i;

	for (i = 0; i < 2; i++) {
		c = kvzalloc(struct_size(c, vol, nr_vols), GFP_KERNEL);
		st->chunks[i] = c;
		if (!c)
			return -ENOMEM;
		c->st = st;
		c->idx = i;
		if (dmo_inflight_init(&c->writers))
			return -ENOMEM;
	}
	st->chunks[0]->other = st->chunks[1];
	st->chunks[1]->other = st->chunks[0];
	st->chunks[0]->seq = seq;
	dmo_cycle_init(&st->cycle, &st->chunks[0]->writers);
	return 0;
}

/* The volumes, and what both chunks have of them. */
static int vols_init(struct dmo_store *st, const struct dmo_volume_info *info, u32 nr, u8 unit_shift)
{
	struct dmo_vol *v;
	int k, rc;
	u32 i;

	for (i = 0; i < nr; i++) {
		v = &st->vols[i];
		st->nr_vols = i + 1;
		rc = vol_init(v, &info[i], i, unit_shift);
		for (k = 0; k < 2 && !rc; k++)
			rc = chunk_vol_init(&st->chunks[k]->vol[i], v);
		if (rc)
			return rc;
		st->fixed += (v->units + v->nr_zones + v->regions) / 4;
	}
	return 0;
}

/* Every block of every volume becomes a reference. */
static void ref_all(struct dmo_chunk *c)
{
	struct dmo_store *st = c->st;
	struct dmo_vol *v;
	u32 i;

	for (i = 0; i < st->nr_vols; i++) {
		v = &st->vols[i];
		mutex_lock(&st->fill_lock);
		atomic64_add(bits_change(c->vol[i].refs, 0, v->units, true), &c->refs);
		atomic64_sub(bits_change(c->vol[i].zones, 0, v->nr_zones, false), &c->zones);
		mutex_unlock(&st->fill_lock);
	}
}

static void stripes_init(struct dmo_store *st, u32 heads_bits)
{
	struct dmo_stripe *sp;
	int i, k;

	for (i = 0; i < DMO_STRIPES; i++) {
		sp = &st->stripes[i];
		spin_lock_init(&sp->lock);
		INIT_LIST_HEAD(&sp->ranges);
		for (k = 0; k < 2; k++) {
			INIT_LIST_HEAD(&sp->lists[k].unsent);
			INIT_LIST_HEAD(&sp->lists[k].sent);
		}
		sp->heads = st->heads + ((size_t)i << heads_bits);
		sp->heads_bits = heads_bits;
	}
}

struct dmo_store *dmo_store_create(const struct dmo_volume_info *info, u32 nr, u64 budget,
				   u64 seq, bool full, struct dmo_reason *why)
{
	struct dmo_store *st;
	int shift, rc = -ENOMEM;
	u32 heads_bits;

	shift = dmo_ref_unit(info, nr, budget, why);
	if (shift < 0)
		return ERR_PTR(shift);
	dmo_refuse(why, -ENOMEM, "no memory for the chunks of %u volumes", nr);
	st = kzalloc(sizeof(*st), GFP_KERNEL);
	if (!st)
		return ERR_PTR(-ENOMEM);
	st->budget = budget;
	st->kick_bytes = U64_MAX;
	mutex_init(&st->fill_lock);
	heads_bits = ilog2(max_t(u64, roundup_pow_of_two(budget / DMO_BLOCK / DMO_STRIPES), 16));
	heads_bits = min_t(u32, heads_bits, 16);
	st->heads = kvcalloc((size_t)DMO_STRIPES << heads_bits, sizeof(*st->heads), GFP_KERNEL);
	st->stripes = kvcalloc(DMO_STRIPES, sizeof(*st->stripes), GFP_KERNEL);
	st->vols = kvcalloc(nr, sizeof(*st->vols), GFP_KERNEL);
	if (!st->heads || !st->stripes || !st->vols || chunks_alloc(st, nr, seq))
		goto bad;
	stripes_init(st, heads_bits);
	st->fixed = ((u64)DMO_STRIPES << heads_bits) * sizeof(*st->heads);
	rc = vols_init(st, info, nr, shift);
	if (rc)
		goto bad;
	if (full) {
		ref_all(st->chunks[0]);
		st->chunks[0]->since = ktime_get();
	}
	return st;
bad:
	dmo_store_destroy(st);
	return ERR_PTR(rc);
}

void dmo_store_destroy(struct dmo_store *st)
{
	struct dmo_stripe *sp;
	u32 i;
	int k;

	for (i = 0; st->stripes && i < DMO_STRIPES; i++) {
		sp = &st->stripes[i];
		if (!sp->heads)
			break;
		WARN_ON_ONCE(!list_empty(&sp->ranges));
		for (k = 0; k < 2; k++) {
			dmo_slot_free_list(st, &sp->lists[k].unsent);
			dmo_slot_free_list(st, &sp->lists[k].sent);
		}
	}
	WARN_ON_ONCE(atomic64_read(&st->used));
	chunk_free(st->chunks[0]);
	chunk_free(st->chunks[1]);
	for (i = 0; i < st->nr_vols; i++)
		vol_free(&st->vols[i]);
	kvfree(st->vols);
	kvfree(st->stripes);
	kvfree(st->heads);
	kfree(st);
}

/* ---- slots ---- */

static u64 slot_bytes(bool with_page)
{
	return sizeof(struct dmo_slot) + (with_page ? PAGE_SIZE : 0);
}

static bool charge(struct dmo_store *st, u64 bytes)
{
	u64 budget = READ_ONCE(st->budget) - st->fixed;
	u64 used = atomic64_add_return(bytes, &st->used);

	if (used > DMO_DEMOTE_ABOVE(budget) && used - bytes <= DMO_DEMOTE_ABOVE(budget) && st->kick)
		st->kick(st);
	if (used <= budget)
		return true;
	atomic64_sub(bytes, &st->used);
	return false;
}

struct dmo_slot *dmo_slot_alloc(struct dmo_store *st, bool with_page)
{
	struct dmo_slot *s;

	if (!charge(st, slot_bytes(with_page)))
		return NULL;
	s = kmem_cache_alloc(slot_cache, SLOT_GFP);
	if (!s)
		goto uncharge;
	s->page = NULL;
	if (with_page) {
		s->page = alloc_page(SLOT_GFP);
		if (!s->page)
			goto free;
	}
	INIT_HLIST_NODE(&s->hash);
	INIT_LIST_HEAD(&s->list);
	s->mask = 0;
	s->sent = false;
	return s;
free:
	kmem_cache_free(slot_cache, s);
uncharge:
	atomic64_sub(slot_bytes(with_page), &st->used);
	return NULL;
}

void dmo_slot_free(struct dmo_store *st, struct dmo_slot *s)
{
	atomic64_sub(slot_bytes(s->page), &st->used);
	if (s->page)
		put_page(s->page);
	kmem_cache_free(slot_cache, s);
}

void dmo_slot_free_list(struct dmo_store *st, struct list_head *list)
{
	struct dmo_slot *s, *n;

	list_for_each_entry_safe(s, n, list, list) {
		list_del(&s->list);
		dmo_slot_free(st, s);
	}
}

static struct hlist_head *slot_head(struct dmo_stripe *sp, u16 vol, u64 block)
{
	return &sp->heads[hash_64(block ^ ((u64)vol << 48), sp->heads_bits)];
}

struct dmo_slot *dmo_slot_find(struct dmo_chunk *c, struct dmo_stripe *sp, u16 vol, u64 block)
{
	struct dmo_slot *s;
	u8 idx = c->idx;

	lockdep_assert_held(&sp->lock);
	hlist_for_each_entry(s, slot_head(sp, vol, block), hash)
		if (s->block == block && s->vol == vol && s->chunk == idx)
			return s;
	return NULL;
}

static atomic64_t *slot_count(struct dmo_chunk *c, const struct dmo_slot *s)
{
	return s->page ? &c->slots : &c->zeroes;
}

static u64 held(const struct dmo_chunk *c)
{
	return atomic64_read(&c->slots) + atomic64_read(&c->zeroes) +
	       atomic64_read(&c->refs) + atomic64_read(&c->zones);
}

/* A chunk's first block: from now on there is something to lose. */
static void note_first(struct dmo_chunk *c, u64 count)
{
	if (unlikely(count == 1) && held(c) == 1)
		c->since = ktime_get();
}

void dmo_slot_add(struct dmo_chunk *c, struct dmo_stripe *sp, struct dmo_slot *s)
{
	u64 count;

	lockdep_assert_held(&sp->lock);
	s->chunk = c->idx;
	hlist_add_head(&s->hash, slot_head(sp, s->vol, s->block));
	list_add_tail(&s->list, &sp->lists[s->chunk].unsent);
	count = atomic64_inc_return(slot_count(c, s));
	note_first(c, count);
}

void dmo_slot_del(struct dmo_chunk *c, struct dmo_stripe *sp, struct dmo_slot *s)
{
	lockdep_assert_held(&sp->lock);
	hlist_del(&s->hash);
	list_del_init(&s->list);
	atomic64_dec(slot_count(c, s));
}

void dmo_slot_touch(struct dmo_stripe *sp, struct dmo_slot *s)
{
	lockdep_assert_held(&sp->lock);
	s->sent = false;
	list_move_tail(&s->list, &sp->lists[s->chunk].unsent);
}

void dmo_slot_move(struct dmo_chunk *from, struct dmo_chunk *to, struct dmo_stripe *sp, struct dmo_slot *s)
{
	struct dmo_slot_lists *l = dmo_stripe_lists(sp, to);

	lockdep_assert_held(&sp->lock);
	atomic64_dec(slot_count(from, s));
	s->chunk = to->idx;
	atomic64_inc(slot_count(to, s));
	list_move(&s->list, s->sent ? &l->sent : &l->unsent);
}

void dmo_slot_unzero(struct dmo_chunk *c, struct dmo_slot *s, struct page *page)
{
	atomic64_dec(&c->zeroes);
	atomic64_inc(&c->slots);
	clear_highpage(page);
	s->page = page;
}

struct page *dmo_slot_zero(struct dmo_chunk *c, struct dmo_slot *s)
{
	struct page *page = s->page;

	s->mask = DMO_FULL_MASK;
	if (!page)
		return NULL;
	atomic64_dec(&c->slots);
	atomic64_inc(&c->zeroes);
	atomic64_sub(PAGE_SIZE, &c->st->used);
	s->page = NULL;
	return page;
}

/* ---- references ---- */

void dmo_ref_set(struct dmo_chunk *c, struct dmo_vol *v, u64 block)
{
	if (!test_and_set_bit(block >> v->unit_shift, c->vol[v->index].refs))
		note_first(c, atomic64_inc_return(&c->refs));
}

bool dmo_ref_clear(struct dmo_chunk *c, struct dmo_vol *v, u64 block)
{
	if (!test_and_clear_bit(block >> v->unit_shift, c->vol[v->index].refs))
		return false;
	atomic64_dec(&c->refs);
	return true;
}

bool dmo_ref_any(const struct dmo_chunk *c, const struct dmo_vol *v, u64 first, u64 last)
{
	u64 end = min(last >> v->unit_shift, v->units - 1) + 1;

	return find_next_bit(c->vol[v->index].refs, end, first >> v->unit_shift) < end;
}

/* Blocks of one zone. */
static void make_refs(struct dmo_chunk *c, struct dmo_vol *v, u64 first, u64 last)
{
	struct dmo_stripe *sp = dmo_store_stripe(c->st, v->index, first);
	struct dmo_slot *s;
	unsigned long flags;
	LIST_HEAD(freed);
	u64 b;

	spin_lock_irqsave(&sp->lock, flags);
	for (b = first; b <= last; b++) {
		dmo_ref_set(c, v, b);
		s = dmo_slot_find(c, sp, v->index, b);
		if (s) {
			dmo_slot_del(c, sp, s);
			list_add(&s->list, &freed);
		}
	}
	spin_unlock_irqrestore(&sp->lock, flags);
	dmo_slot_free_list(c->st, &freed);
}

void dmo_store_make_refs(struct dmo_chunk *c, struct dmo_vol *v, u64 first, u64 last)
{
	u64 end = min(last, v->blocks - 1) + 1, next;

	for (; first < end; first = next) {
		next = min(end, (first | (DMO_ZONE_BLOCKS - 1)) + 1);
		make_refs(c, v, first, next - 1);
	}
	/* what failed, or is not zero, becomes them long after the write has been counted */
	dmo_store_grown(c);
}

/* ---- zero zones ---- */

/* The slots of first..last of @c in @sp go. */
static void delete_slots(struct dmo_chunk *c, struct dmo_stripe *sp, u16 vol, u64 first, u64 last)
{
	struct dmo_slot_lists *l = dmo_stripe_lists(sp, c);
	struct list_head *lists[] = { &l->sent, &l->unsent };
	struct dmo_slot *s, *n;
	unsigned long flags;
	LIST_HEAD(freed);
	int i;

	spin_lock_irqsave(&sp->lock, flags);
	for (i = 0; i < 2; i++) {
		list_for_each_entry_safe(s, n, lists[i], list) {
			if (s->vol != vol || s->block < first || s->block > last)
				continue;
			dmo_slot_del(c, sp, s);
			list_add(&s->list, &freed);
		}
	}
	spin_unlock_irqrestore(&sp->lock, flags);
	dmo_slot_free_list(c->st, &freed);
}

void dmo_store_zero_zones(struct dmo_chunk *c, struct dmo_vol *v, u64 zone, u64 nr)
{
	u64 first = zone * DMO_ZONE_BLOCKS, end = (zone + nr) * DMO_ZONE_BLOCKS, n;
	struct dmo_chunk_vol *cv = &c->vol[v->index];
	struct dmo_store *st = c->st;
	u32 i;

	/*
	 * The bits first: a merge that comes to a slot of the older chunk later drops it; one that
	 * came to it before has put it where it is found below.
	 */
	mutex_lock(&st->fill_lock);
	n = bits_change(cv->zones, zone, zone + nr, true);
	atomic64_inc(&c->runs);
	if (atomic64_add_return(n, &c->zones) == n && held(c) == n)
		c->since = ktime_get();
	atomic64_sub(bits_change(cv->refs, first >> v->unit_shift, end >> v->unit_shift, false),
		     &c->refs);
	mutex_unlock(&st->fill_lock);
	for (i = 0; i < DMO_STRIPES; i++)
		delete_slots(c, &st->stripes[i], v->index, first, end - 1);
}

void dmo_store_unzero(struct dmo_chunk *c, struct dmo_vol *v, u64 block)
{
	u64 zone = block >> DMO_ZONE_BLOCK_SHIFT;
	struct dmo_range_waiter w;

	dmo_range_lock_wait(c->st, &w, v->index, zone * DMO_ZONE_BLOCKS, DMO_ZONE_BLOCKS);
	if (dmo_zone_test(c, v, block)) {
		dmo_store_make_refs(c, v, w.range.first, w.range.last);
		atomic64_sub(bits_change(c->vol[v->index].zones, zone, zone + 1, false), &c->zones);
		atomic64_inc(&c->runs);
	}
	dmo_range_unlock(c->st, &w.range);
}

/*
 * Only of the active chunk, so no newer chunk can hold the block, and only if
 * no local write to its unit is in flight. Should the cycle be switched in between: a writer
 * of the new chunk has its block lock queued here before it looks at the bits, so either it is
 * seen here, or it sees the bit and copies out.
 */
static u64 demote_some(struct dmo_store *st, struct dmo_stripe *sp)
{
	struct dmo_slot *s, *n;
	struct dmo_chunk *c;
	unsigned long flags;
	LIST_HEAD(freed);
	u64 done = 0;

	spin_lock_irqsave(&sp->lock, flags);
	c = dmo_store_active(st);
	list_for_each_entry_safe(s, n, &dmo_stripe_lists(sp, c)->unsent, list) {
		struct dmo_vol *v = &st->vols[s->vol];
		u64 mask = (1ULL << v->unit_shift) - 1;

		if (done == DMO_STRIPE_BATCH)
			break;
		if (dmo_range_busy(sp, s->vol, s->block & ~mask, s->block | mask))
			continue;
		dmo_ref_set(c, v, s->block);
		dmo_slot_del(c, sp, s);
		list_add(&s->list, &freed);
		done++;
	}
	spin_unlock_irqrestore(&sp->lock, flags);
	dmo_slot_free_list(st, &freed);
	return done;
}

u64 dmo_store_demote(struct dmo_store *st, u64 target)
{
	u64 done, total = 0;
	int i;

	do {
		done = 0;
		for (i = 0; i < DMO_STRIPES; i++) {
			if (atomic64_read(&st->used) <= target)
				return total + done;
			done += demote_some(st, &st->stripes[i]);
			cond_resched();
		}
		total += done;
	} while (done);
	return total;
}

/* Every slot of @c in @sp becomes a reference, each under its block lock. */
static void drop_slots(struct dmo_chunk *c, struct dmo_stripe *sp)
{
	struct dmo_slot_lists *l = dmo_stripe_lists(sp, c);
	struct dmo_store *st = c->st;
	struct dmo_range_waiter w;
	struct dmo_slot *s;
	u16 vol;
	u64 block;

	for (;;) {
		spin_lock_irq(&sp->lock);
		s = list_first_entry_or_null(&l->unsent, struct dmo_slot, list);
		if (!s)
			s = list_first_entry_or_null(&l->sent, struct dmo_slot, list);
		if (s) {
			vol = s->vol;
			block = s->block;
		}
		spin_unlock_irq(&sp->lock);
		if (!s)
			return;
		dmo_range_lock_wait(st, &w, vol, block, 1);
		dmo_store_make_refs(c, &st->vols[vol], w.range.first, w.range.last);
		dmo_range_unlock(st, &w.range);
	}
}

void dmo_store_full(struct dmo_store *st)
{
	struct dmo_chunk *c = dmo_store_active(st);
	u32 i;

	if (dmo_store_empty(c))
		c->since = ktime_get();
	/* From here on no write makes a slot; those that there are go one by one. */
	ref_all(c);
	for (i = 0; i < DMO_STRIPES; i++)
		drop_slots(c, &st->stripes[i]);
}

/* ---- size ---- */

u64 dmo_store_bytes(const struct dmo_chunk *c)
{
	u64 slots = atomic64_read(&c->slots);
	u64 zeroes = atomic64_read(&c->zeroes);
	u64 refs = atomic64_read(&c->refs);
	u64 blocks = 0;

	zeroes += min(atomic64_read(&c->zones), atomic64_read(&c->runs));
	if (refs && c->st->nr_vols)
		blocks = refs << c->st->vols[0].unit_shift;
	return dmo_chunk_bytes(slots, blocks, zeroes);
}

void dmo_store_grown(struct dmo_chunk *c)
{
	struct dmo_store *st = c->st;

	if (READ_ONCE(c->large) || dmo_store_bytes(c) < READ_ONCE(st->kick_bytes))
		return;
	/* once, until it was looked at: whoever can't cut it now looks again when it can */
	WRITE_ONCE(c->large, true);
	if (st->kick)
		st->kick(st);
}

bool dmo_store_empty(const struct dmo_chunk *c)
{
	return !held(c);
}
