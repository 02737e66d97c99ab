// SPDX-License-Identifier: GPL-2.0-only
/* The store: chunks, their slots, references and zero zones; see chunk.h. */
#include <linux/bitmap.h>
#include <linux/hash.h>
#include <linux/ktime.h>
#include <linux/timekeeping.h>
#include <linux/mm.h>
#include <linux/vmalloc.h>
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
	for (i = 0; i < 2; i++) {
		kvfree(v->refs[i]);
		kvfree(v->zones[i]);
		kvfree(v->unflushed[i]);
	}
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
		v->refs[i] = bits_alloc(v->units);
		v->zones[i] = bits_alloc(v->nr_zones + 1);
		v->unflushed[i] = bits_alloc(v->regions);
		if (!v->refs[i] || !v->zones[i] || !v->unflushed[i])
			return -ENOMEM;
	}
	return 0;
}

static void stripes_init(struct dmo_store *st)
{
	struct dmo_stripe *sp;
	int i;

	for (i = 0; i < DMO_STRIPES; i++) {
		sp = &st->stripes[i];
		spin_lock_init(&sp->lock);
		INIT_LIST_HEAD(&sp->ranges);
		INIT_LIST_HEAD(&sp->unsent[0]);
		INIT_LIST_HEAD(&sp->unsent[1]);
		INIT_LIST_HEAD(&sp->sent[0]);
		INIT_LIST_HEAD(&sp->sent[1]);
		sp->heads = st->heads + ((size_t)i << st->heads_bits);
	}
}

struct dmo_store *dmo_store_create(const struct dmo_volume_info *info, u32 nr, u64 budget,
				   u64 seq, bool full, char *why)
{
	struct dmo_store *st;
	int shift, r = -ENOMEM;
	u32 i;

	shift = dmo_ref_unit(info, nr, budget, why);
	if (shift < 0)
		return ERR_PTR(shift);
	snprintf(why, DMO_REASON_LEN, "no memory for the chunks of %u volumes", nr);
	st = kzalloc(sizeof(*st), GFP_KERNEL);
	if (!st)
		return ERR_PTR(-ENOMEM);
	st->budget = budget;
	st->kick_bytes = U64_MAX;
	mutex_init(&st->fill_lock);
	st->heads_bits = ilog2(max_t(u64, roundup_pow_of_two(budget / DMO_BLOCK / DMO_STRIPES), 16));
	st->heads_bits = min_t(u32, st->heads_bits, 16);
	st->heads = kvcalloc((size_t)DMO_STRIPES << st->heads_bits, sizeof(*st->heads), GFP_KERNEL);
	st->stripes = kvcalloc(DMO_STRIPES, sizeof(*st->stripes), GFP_KERNEL);
	st->vols = kvcalloc(nr, sizeof(*st->vols), GFP_KERNEL);
	if (!st->heads || !st->stripes || !st->vols || dmo_cycle_init(&st->cycle, seq))
		goto bad;
	stripes_init(st);
	st->fixed = ((u64)DMO_STRIPES << st->heads_bits) * sizeof(*st->heads);
	for (i = 0; i < nr; i++) {
		struct dmo_vol *v = &st->vols[i];

		st->nr_vols = i + 1;
		r = vol_init(v, &info[i], i, shift);
		if (r)
			goto bad;
		st->fixed += (v->units + v->nr_zones + v->regions) / 4;
		if (full) {
			atomic64_add(bits_change(v->refs[0], 0, v->units, true), &st->refs[0]);
			st->since[0] = ktime_get();
		}
	}
	return st;
bad:
	dmo_store_destroy(st);
	return ERR_PTR(r);
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
			dmo_slot_free_list(st, &sp->unsent[k]);
			dmo_slot_free_list(st, &sp->sent[k]);
		}
	}
	WARN_ON_ONCE(atomic64_read(&st->used));
	for (i = 0; i < st->nr_vols; i++)
		vol_free(&st->vols[i]);
	dmo_cycle_destroy(&st->cycle);
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

	if (used > budget - budget / 16 && used - bytes <= budget - budget / 16 && st->kick)
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

static struct hlist_head *slot_head(struct dmo_store *st, struct dmo_stripe *sp, u16 vol, u64 block)
{
	return &sp->heads[hash_64(block ^ ((u64)vol << 48), st->heads_bits)];
}

struct dmo_slot *dmo_slot_find(struct dmo_store *st, struct dmo_stripe *sp, u16 vol, u64 block,
			       u8 parity)
{
	struct dmo_slot *s;

	lockdep_assert_held(&sp->lock);
	hlist_for_each_entry(s, slot_head(st, sp, vol, block), hash)
		if (s->block == block && s->vol == vol && s->parity == parity)
			return s;
	return NULL;
}

static atomic64_t *slot_count(struct dmo_store *st, const struct dmo_slot *s)
{
	return s->page ? &st->slots[s->parity] : &st->zeroes[s->parity];
}

static u64 held(struct dmo_store *st, u8 parity)
{
	return atomic64_read(&st->slots[parity]) + atomic64_read(&st->zeroes[parity]) +
	       atomic64_read(&st->refs[parity]) + atomic64_read(&st->zones[parity]);
}

/* A chunk's first block: from now on there is something to lose. */
static void note_first(struct dmo_store *st, u8 parity, u64 count)
{
	if (unlikely(count == 1) && held(st, parity) == 1)
		st->since[parity] = ktime_get();
}

void dmo_slot_add(struct dmo_store *st, struct dmo_stripe *sp, struct dmo_slot *s)
{
	u64 count;

	lockdep_assert_held(&sp->lock);
	hlist_add_head(&s->hash, slot_head(st, sp, s->vol, s->block));
	list_add_tail(&s->list, &sp->unsent[s->parity]);
	count = atomic64_inc_return(slot_count(st, s));
	note_first(st, s->parity, count);
}

void dmo_slot_del(struct dmo_store *st, struct dmo_stripe *sp, struct dmo_slot *s)
{
	lockdep_assert_held(&sp->lock);
	hlist_del(&s->hash);
	list_del_init(&s->list);
	atomic64_dec(slot_count(st, s));
}

void dmo_slot_touch(struct dmo_stripe *sp, struct dmo_slot *s)
{
	lockdep_assert_held(&sp->lock);
	s->sent = false;
	list_move_tail(&s->list, &sp->unsent[s->parity]);
}

void dmo_slot_move(struct dmo_store *st, struct dmo_stripe *sp, struct dmo_slot *s, u8 parity)
{
	lockdep_assert_held(&sp->lock);
	atomic64_dec(slot_count(st, s));
	s->parity = parity;
	atomic64_inc(slot_count(st, s));
	list_move(&s->list, s->sent ? &sp->sent[parity] : &sp->unsent[parity]);
}

void dmo_slot_unzero(struct dmo_store *st, struct dmo_slot *s, struct page *page)
{
	atomic64_dec(&st->zeroes[s->parity]);
	atomic64_inc(&st->slots[s->parity]);
	clear_highpage(page);
	s->page = page;
}

struct page *dmo_slot_zero(struct dmo_store *st, struct dmo_slot *s)
{
	struct page *page = s->page;

	s->mask = DMO_FULL_MASK;
	if (!page)
		return NULL;
	atomic64_dec(&st->slots[s->parity]);
	atomic64_inc(&st->zeroes[s->parity]);
	atomic64_sub(PAGE_SIZE, &st->used);
	s->page = NULL;
	return page;
}

/* ---- references ---- */

void dmo_ref_set(struct dmo_store *st, struct dmo_vol *v, u8 parity, u64 block)
{
	if (!test_and_set_bit(block >> v->unit_shift, v->refs[parity]))
		note_first(st, parity, atomic64_inc_return(&st->refs[parity]));
}

bool dmo_ref_clear(struct dmo_store *st, struct dmo_vol *v, u8 parity, u64 block)
{
	if (!test_and_clear_bit(block >> v->unit_shift, v->refs[parity]))
		return false;
	atomic64_dec(&st->refs[parity]);
	return true;
}

bool dmo_ref_any(struct dmo_vol *v, u8 parity, u64 first, u64 last)
{
	u64 end = min(last >> v->unit_shift, v->units - 1) + 1;

	return find_next_bit(v->refs[parity], end, first >> v->unit_shift) < end;
}

/* Blocks of one zone. */
static void make_refs(struct dmo_store *st, struct dmo_vol *v, u8 parity, u64 first, u64 last)
{
	struct dmo_stripe *sp = dmo_store_stripe(st, v->index, first);
	struct dmo_slot *s;
	unsigned long flags;
	LIST_HEAD(freed);
	u64 b;

	spin_lock_irqsave(&sp->lock, flags);
	for (b = first; b <= last; b++) {
		dmo_ref_set(st, v, parity, b);
		s = dmo_slot_find(st, sp, v->index, b, parity);
		if (s) {
			dmo_slot_del(st, sp, s);
			list_add(&s->list, &freed);
		}
	}
	spin_unlock_irqrestore(&sp->lock, flags);
	dmo_slot_free_list(st, &freed);
}

void dmo_store_make_refs(struct dmo_store *st, struct dmo_vol *v, u8 parity, u64 first, u64 last)
{
	u64 end = min(last, v->blocks - 1) + 1, next;

	for (; first < end; first = next) {
		next = min(end, (first | (DMO_ZONE_BLOCKS - 1)) + 1);
		make_refs(st, v, parity, first, next - 1);
	}
	/* what failed, or is not zero, becomes them long after the write has been counted */
	dmo_store_grown(st, parity);
}

/* ---- zero zones ---- */

/* The slots of first..last of @parity in @sp go. */
static void delete_slots(struct dmo_store *st, struct dmo_stripe *sp, u16 vol, u8 parity, u64 first,
			 u64 last)
{
	struct list_head *lists[] = { &sp->sent[parity], &sp->unsent[parity] };
	struct dmo_slot *s, *n;
	unsigned long flags;
	LIST_HEAD(freed);
	int i;

	spin_lock_irqsave(&sp->lock, flags);
	for (i = 0; i < 2; i++) {
		list_for_each_entry_safe(s, n, lists[i], list) {
			if (s->vol != vol || s->block < first || s->block > last)
				continue;
			dmo_slot_del(st, sp, s);
			list_add(&s->list, &freed);
		}
	}
	spin_unlock_irqrestore(&sp->lock, flags);
	dmo_slot_free_list(st, &freed);
}

void dmo_store_zero_zones(struct dmo_store *st, struct dmo_vol *v, u8 parity, u64 zone, u64 nr)
{
	u64 first = zone * DMO_ZONE_BLOCKS, end = (zone + nr) * DMO_ZONE_BLOCKS, n;
	u32 i;

	/*
	 * The bits first: a merge that comes to a slot of the older chunk later drops it; one that
	 * came to it before has put it where it is found below.
	 */
	mutex_lock(&st->fill_lock);
	n = bits_change(v->zones[parity], zone, zone + nr, true);
	atomic64_inc(&st->runs[parity]);
	if (atomic64_add_return(n, &st->zones[parity]) == n && held(st, parity) == n)
		st->since[parity] = ktime_get();
	atomic64_sub(bits_change(v->refs[parity], first >> v->unit_shift, end >> v->unit_shift,
				 false), &st->refs[parity]);
	mutex_unlock(&st->fill_lock);
	for (i = 0; i < DMO_STRIPES; i++)
		delete_slots(st, &st->stripes[i], v->index, parity, first, end - 1);
}

void dmo_store_unzero(struct dmo_store *st, struct dmo_vol *v, u8 parity, u64 block)
{
	u64 zone = block >> DMO_ZONE_BLOCK_SHIFT;
	struct dmo_range_waiter w;

	dmo_range_lock_wait(st, &w, v->index, zone * DMO_ZONE_BLOCKS, DMO_ZONE_BLOCKS);
	if (dmo_zone_test(v, parity, block)) {
		dmo_store_make_refs(st, v, parity, w.range.first, w.range.last);
		atomic64_sub(bits_change(v->zones[parity], zone, zone + 1, false),
			     &st->zones[parity]);
		atomic64_inc(&st->runs[parity]);
	}
	dmo_range_unlock(st, &w.range);
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
	unsigned long flags;
	LIST_HEAD(freed);
	u64 done = 0;
	u8 parity;

	spin_lock_irqsave(&sp->lock, flags);
	parity = dmo_cycle_active(&st->cycle);
	list_for_each_entry_safe(s, n, &sp->unsent[parity], list) {
		struct dmo_vol *v = &st->vols[s->vol];
		u64 mask = (1ULL << v->unit_shift) - 1;

		if (done == DMO_STRIPE_BATCH)
			break;
		if (dmo_range_busy(sp, s->vol, s->block & ~mask, s->block | mask))
			continue;
		dmo_ref_set(st, v, parity, s->block);
		dmo_slot_del(st, sp, s);
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

/* Every slot of @parity in @sp becomes a reference, each under its block lock. */
static void drop_slots(struct dmo_store *st, struct dmo_stripe *sp, u8 parity)
{
	struct dmo_range_waiter w;
	struct dmo_slot *s;
	u16 vol;
	u64 block;

	for (;;) {
		spin_lock_irq(&sp->lock);
		s = list_first_entry_or_null(&sp->unsent[parity], struct dmo_slot, list);
		if (!s)
			s = list_first_entry_or_null(&sp->sent[parity], struct dmo_slot, list);
		if (s) {
			vol = s->vol;
			block = s->block;
		}
		spin_unlock_irq(&sp->lock);
		if (!s)
			return;
		dmo_range_lock_wait(st, &w, vol, block, 1);
		dmo_store_make_refs(st, &st->vols[vol], parity, w.range.first, w.range.last);
		dmo_range_unlock(st, &w.range);
	}
}

void dmo_store_full(struct dmo_store *st)
{
	u8 parity = dmo_cycle_active(&st->cycle);
	struct dmo_vol *v;
	u64 i;

	if (dmo_store_empty(st, parity))
		st->since[parity] = ktime_get();
	/* From here on no write makes a slot; those that there are go one by one. */
	for (i = 0; i < st->nr_vols; i++) {
		v = &st->vols[i];
		mutex_lock(&st->fill_lock);
		atomic64_add(bits_change(v->refs[parity], 0, v->units, true), &st->refs[parity]);
		atomic64_sub(bits_change(v->zones[parity], 0, v->nr_zones, false),
			     &st->zones[parity]);
		mutex_unlock(&st->fill_lock);
	}
	for (i = 0; i < DMO_STRIPES; i++)
		drop_slots(st, &st->stripes[i], parity);
}

/* ---- size ---- */

u64 dmo_store_bytes(struct dmo_store *st, u8 parity)
{
	u64 slots = atomic64_read(&st->slots[parity]);
	u64 zeroes = atomic64_read(&st->zeroes[parity]);
	u64 refs = atomic64_read(&st->refs[parity]);
	u64 blocks = 0;

	zeroes += min(atomic64_read(&st->zones[parity]), atomic64_read(&st->runs[parity]));
	if (refs && st->nr_vols)
		blocks = refs << st->vols[0].unit_shift;
	return dmo_chunk_bytes(slots, blocks, zeroes);
}

void dmo_store_grown(struct dmo_store *st, u8 parity)
{
	if (READ_ONCE(st->large[parity]) || dmo_store_bytes(st, parity) < READ_ONCE(st->kick_bytes))
		return;
	/* once, until it was looked at: whoever can't cut it now looks again when it can */
	WRITE_ONCE(st->large[parity], true);
	if (st->kick)
		st->kick(st);
}

bool dmo_store_empty(struct dmo_store *st, u8 parity)
{
	return !held(st, parity);
}
