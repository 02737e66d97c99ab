// SPDX-License-Identifier: GPL-2.0-only
/*
 * The send thread's work on a primary (seed 0 Fig. 6, 13, 19, 20): the older chunk's
 * zero zones, on which the rest of it lies, its slots, then its references read from the
 * disk, then LAST; or, in direct mode, references of the active chunk.
 *
 * Slots may be taken back by a merge at any time; so a batch takes references
 * to their pages, marks them sent, and sends without any lock. Whoever wants to
 * modify such a page replaces it (write.c, own_page()).
 *
 * A reference is read under its block lock, so that no host write is in flight to it,
 * and sent after the lock was dropped: a host write waits for the disk, never for the
 * network. A copy-out that comes later than the read puts a slot into the chunk that is not needed
 * any more; one that came earlier is found here, and its slot is sent by the scan of slots that
 * follows the references.
 */
#include <linux/mm.h>
#include "meta/witness.h"
#include "primary/primary_priv.h"

#define READ_RETRY_MS	1000

int dmo_ship_init(struct dmo_peer *peer)
{
	struct dmo_ship *sh = &peer->ship;
	struct dmo_copy *c = &peer->copy;
	int i;

	sh->desc = kcalloc(DMO_WIRE_MAX_DESC, sizeof(*sh->desc), GFP_KERNEL);
	sh->page = kcalloc(DMO_WIRE_MAX_DESC, sizeof(*sh->page), GFP_KERNEL);
	sh->own = kcalloc(DMO_WIRE_MAX_DESC, sizeof(*sh->own), GFP_KERNEL);
	sh->copy = kcalloc(DMO_WIRE_MAX_DESC, sizeof(*sh->copy), GFP_KERNEL);
	sh->bvec = kcalloc(DMO_WIRE_MAX_DESC * 4, sizeof(*sh->bvec), GFP_KERNEL);
	if (!sh->desc || !sh->page || !sh->own || !sh->bvec || !sh->copy)
		return -ENOMEM;
	for (i = 0; i < 2; i++) {
		c->win[i] = kvzalloc(sizeof(*c->win[i]), GFP_KERNEL);
		if (!c->win[i])
			return -ENOMEM;
	}
	for (i = 0; i < DMO_WIRE_MAX_DESC; i++) {
		sh->own[i] = alloc_page(GFP_KERNEL);
		if (!sh->own[i])
			return -ENOMEM;
	}
	return 0;
}

void dmo_ship_destroy(struct dmo_peer *peer)
{
	struct dmo_ship *sh = &peer->ship;
	int i;

	for (i = 0; sh->own && i < DMO_WIRE_MAX_DESC; i++)
		if (sh->own[i])
			put_page(sh->own[i]);
	kvfree(peer->copy.win[0]);
	kvfree(peer->copy.win[1]);
	kfree(sh->bvec);
	kfree(sh->copy);
	kfree(sh->own);
	kfree(sh->page);
	kfree(sh->desc);
}

static void rewind_walk(struct dmo_ship *sh)
{
	sh->zone_vol = 0;
	sh->zone = 0;
	sh->stripe = 0;
	sh->vol = 0;
	sh->block = 0;
}

static void reset_totals(struct dmo_ship *sh)
{
	sh->records = 0;
	sh->first = 0;
	sh->descs = 0;
	sh->csum = 0;
	sh->ring_bytes = 0;
}

void dmo_ship_reset(struct dmo_peer *peer)
{
	struct dmo_copy *c = &peer->copy;

	rewind_walk(&peer->ship);
	reset_totals(&peer->ship);
	peer->ship.frames = 0;
	c->syncing = false;
	c->win[0]->nr = 0;
	c->win[1]->nr = 0;
	c->win[0]->bytes = 0;
	c->win[1]->bytes = 0;
}

void dmo_ship_unack(struct dmo_peer *peer)
{
	struct dmo_primary *p = peer->p;
	struct dmo_store *st = p->store;
	struct dmo_range_waiter w;
	struct dmo_window *win;
	u32 i, k, n;

	for (i = 0; i < 2; i++) {
		win = peer->copy.win[i];
		for (k = 0; k < win->nr; k++) {
			struct dmo_extent *e = &win->ext[k];
			struct dmo_vol *v = &st->vols[e->vol];

			for (n = 0; n < e->nr; n++) {
				dmo_range_lock_wait(st, &w, e->vol, (e->unit + n) << v->unit_shift, 1);
				dmo_store_make_refs(dmo_store_active(st), v, w.range.first,
						    w.range.last);
				dmo_range_unlock(st, &w.range);
			}
		}
		win->nr = 0;
		win->bytes = 0;
	}
}

/* ---- a batch: one frame ---- */

static void batch_begin(struct dmo_ship *sh)
{
	sh->nr = 0;
	sh->nr_bvec = 0;
	sh->data_len = 0;
	sh->nr_own = 0;
	sh->data_blocks = 0;
}

static void batch_zero(struct dmo_ship *sh, u32 vol, u64 block, u64 count)
{
	struct dmo_desc *d = sh->nr ? &sh->desc[sh->nr - 1] : NULL;

	if (d && d->type == DMO_DESC_ZERO && le32_to_cpu(d->volume) == vol &&
	    le64_to_cpu(d->block) + le64_to_cpu(d->count) == block) {
		le64_add_cpu(&d->count, count);
		return;
	}
	d = &sh->desc[sh->nr];
	memset(d, 0, sizeof(*d));
	d->volume = cpu_to_le32(vol);
	d->type = DMO_DESC_ZERO;
	d->mask = DMO_FULL_MASK;
	d->block = cpu_to_le64(block);
	d->count = cpu_to_le64(count);
	sh->page[sh->nr++] = NULL;
}

static void batch_data(struct dmo_ship *sh, u32 vol, u64 block, struct page *page, u8 mask)
{
	struct dmo_desc *d = &sh->desc[sh->nr];
	u32 from, to;

	memset(d, 0, sizeof(*d));
	d->volume = cpu_to_le32(vol);
	d->type = DMO_DESC_DATA;
	d->mask = mask;
	d->block = cpu_to_le64(block);
	d->len = cpu_to_le32(hweight8(mask) * DMO_SECTOR);
	d->csum = cpu_to_le32(dmo_mask_csum(page_address(page), mask));
	for (from = 0; from < DMO_BLOCK_SECTORS; from = to) {
		to = from + 1;
		if (!(mask & (1u << from)))
			continue;
		while (to < DMO_BLOCK_SECTORS && (mask & (1u << to)))
			to++;
		bvec_set_page(&sh->bvec[sh->nr_bvec++], page, (to - from) * DMO_SECTOR,
			      from * DMO_SECTOR);
		sh->data_len += (to - from) * DMO_SECTOR;
	}
	sh->page[sh->nr++] = page;
	sh->data_blocks++;
}

static int batch_send(struct dmo_peer *peer, struct dmo_link *l, u16 type, struct dmo_reason *why)
{
	struct dmo_primary *p = peer->p;
	struct dmo_ship *sh = &peer->ship;
	u32 len = sh->nr * sizeof(*sh->desc);
	bool direct = type == DMO_FRAME_DIRECT;
	u64 arg = direct ? dmo_primary_refs_bytes(p) : sh->frames + 1;
	int rc;

	dmo_witness_note(p->meta, le32_to_cpu(sh->desc->volume), le64_to_cpu(sh->desc->block));
	rc = dmo_link_send(l, type, direct ? (struct dmo_cut){} : sh->cut, arg, sh->desc, len,
			   sh->bvec, sh->nr_bvec, sh->data_len, why);
	if (!rc && !direct) {
		sh->frames++;
		if (!sh->records++)
			sh->first = sh->frames;
		sh->ring_bytes += (1 + sh->data_blocks) * DMO_BLOCK;
		sh->descs += sh->nr;
		sh->csum = dmo_crc(sh->csum, sh->desc, len);
	}
	return rc;
}

/*
 * Stripe locked: is the older chunk still the one that the walk is about? A merge, and whatever
 * comes after it, changes the generation before it takes the lock of any stripe. Without this a
 * slot could be moved to a list that the merge has done with, and would come back in a later chunk.
 */
static bool walk_holds(struct dmo_peer *peer)
{
	return READ_ONCE(peer->ship_gen) == peer->ship.gen;
}

/* ---- slots ---- */

/* Take unsent slots of the older chunk: pages, masks, addresses. Return: how many. */
static u32 take_slots(struct dmo_peer *peer, struct dmo_slot *copy)
{
	struct dmo_primary *p = peer->p;
	struct dmo_ship *sh = &peer->ship;
	struct dmo_store *st = p->store;
	struct dmo_chunk *old = dmo_store_older(st);
	u32 n = 0;

	for (; sh->stripe < DMO_STRIPES; sh->stripe++) {
		struct dmo_stripe *sp = &st->stripes[sh->stripe];
		struct dmo_slot_lists *l = dmo_stripe_lists(sp, old);
		struct dmo_slot *s;

		if (list_empty_careful(&l->unsent))
			continue;
		spin_lock_irq(&sp->lock);
		while (n < DMO_WIRE_MAX_DESC && walk_holds(peer) && !list_empty(&l->unsent)) {
			s = list_first_entry(&l->unsent, struct dmo_slot, list);
			s->sent = true;
			list_move_tail(&s->list, &l->sent);
			if (s->page)
				get_page(s->page);
			copy[n++] = *s;
		}
		spin_unlock_irq(&sp->lock);
		if (n == DMO_WIRE_MAX_DESC)
			break;
	}
	return n;
}

static int ship_slots(struct dmo_peer *peer, struct dmo_link *l, struct dmo_reason *why)
{
	struct dmo_primary *p = peer->p;
	struct dmo_ship *sh = &peer->ship;
	u32 n, i;
	int rc;

	n = take_slots(peer, sh->copy);
	if (!n)
		return 0;
	batch_begin(sh);
	for (i = 0; i < n; i++) {
		struct dmo_slot *s = &sh->copy[i];
		u32 vol = p->store->vols[s->vol].id;

		if (s->page)
			batch_data(sh, vol, s->block, s->page, s->mask);
		else
			batch_zero(sh, vol, s->block, 1);
	}
	rc = batch_send(peer, l, DMO_FRAME_DATA, why);
	for (i = 0; i < n; i++)
		if (sh->copy[i].page)
			put_page(sh->copy[i].page);
	return rc ?: 1;
}

/* ---- zero zones ---- */

/* The next run of zero zones. Return: how many, 0: none left */
static u32 next_zones(struct dmo_peer *peer, const struct dmo_chunk *c)
{
	struct dmo_primary *p = peer->p;
	struct dmo_ship *sh = &peer->ship;
	unsigned long *zones;
	u64 end, nr;

	for (; sh->zone_vol < p->store->nr_vols; sh->zone_vol++, sh->zone = 0) {
		nr = p->store->vols[sh->zone_vol].nr_zones;
		zones = c->vol[sh->zone_vol].zones;
		sh->zone = find_next_bit(zones, nr, sh->zone);
		if (sh->zone >= nr)
			continue;
		end = find_next_zero_bit(zones, nr, sh->zone);
		return end - sh->zone;
	}
	return 0;
}

static int ship_zones(struct dmo_peer *peer, struct dmo_link *l, struct dmo_reason *why)
{
	struct dmo_primary *p = peer->p;
	struct dmo_ship *sh = &peer->ship;
	struct dmo_chunk *old = dmo_store_older(p->store);
	bool holds;
	u32 n;

	batch_begin(sh);
	while (sh->nr < DMO_WIRE_MAX_DESC && (n = next_zones(peer, old))) {
		batch_zero(sh, p->store->vols[sh->zone_vol].id, sh->zone * DMO_ZONE_BLOCKS,
			   (u64)n * DMO_ZONE_BLOCKS);
		sh->zone += n;
	}
	if (!sh->nr)
		return 0;
	/* after that, since bits of what came later may have been read */
	spin_lock_irq(&p->lock);
	holds = walk_holds(peer);
	spin_unlock_irq(&p->lock);
	return holds ? batch_send(peer, l, DMO_FRAME_DATA, why) ?: 1 : 1;
}

/* ---- references ---- */

static void note_read_error(struct dmo_peer *peer, struct dmo_vol *v, u64 block, int err)
{
	struct dmo_primary *p = peer->p;
	bool first;

	spin_lock_irq(&p->lock);
	first = !peer->read_error;
	if (first)
		peer->read_error_since = jiffies;
	peer->read_error = true;
	peer->read_retry = jiffies + msecs_to_jiffies(READ_RETRY_MS);
	spin_unlock_irq(&p->lock);
	/* said once, tried again each READ_RETRY_MS */
	if (first)
		dmo_primary_error(p, v->id,
				  "volume %u: block %llu can't be read to be shipped: %d; its cycle waits for it",
				  v->id, block, err);
}

/* The next run of referenced blocks within one zone, at most @room of them; 0: none left. */
static u32 next_run(struct dmo_peer *peer, const struct dmo_chunk *c, u32 room)
{
	struct dmo_primary *p = peer->p;
	struct dmo_ship *sh = &peer->ship;
	struct dmo_vol *v;
	unsigned long *refs;
	u64 unit, end, zone_end;

	for (; sh->vol < p->store->nr_vols; sh->vol++, sh->block = 0) {
		v = &p->store->vols[sh->vol];
		refs = c->vol[sh->vol].refs;
		unit = find_next_bit(refs, v->units, sh->block >> v->unit_shift);
		if (unit >= v->units)
			continue;
		sh->block = unit << v->unit_shift;
		zone_end = min((sh->block | (DMO_ZONE_BLOCKS - 1)) + 1, v->blocks);
		end = sh->block;
		while (end < zone_end && end - sh->block + (1u << v->unit_shift) <= room &&
		       test_bit(end >> v->unit_shift, refs))
			end += 1u << v->unit_shift;
		return min(end, zone_end) - sh->block;
	}
	return 0;
}

/* Which blocks of the run are to be read: those that are still referenced and have no slot. */
static u32 choose_blocks(struct dmo_peer *peer, struct dmo_chunk *c, struct dmo_vol *v, u64 first,
			 u32 nr, unsigned long *want)
{
	struct dmo_primary *p = peer->p;
	struct dmo_stripe *sp = dmo_store_stripe(p->store, v->index, first);
	u32 i, n = 0;

	bitmap_zero(want, DMO_ZONE_BLOCKS);
	spin_lock_irq(&sp->lock);
	for (i = 0; i < nr && walk_holds(peer); i++) {
		if (!dmo_ref_test(c, v, first + i) ||
		    dmo_slot_find(c, sp, v->index, first + i))
			continue;
		__set_bit(i, want);
		n++;
	}
	spin_unlock_irq(&sp->lock);
	return n;
}

static int read_chosen(struct dmo_peer *peer, struct dmo_vol *v, u64 first, u32 nr,
		       unsigned long *want)
{
	struct dmo_primary *p = peer->p;
	struct dmo_ship *sh = &peer->ship;
	u32 from, to, n = sh->nr_own;
	int rc;

	for (from = find_first_bit(want, nr); from < nr; from = find_next_bit(want, nr, to)) {
		to = find_next_zero_bit(want, nr, from);
		rc = dmo_read_blocks(p, v, first + from, to - from, &sh->own[n]);
		if (rc) {
			note_read_error(peer, v, first + from, rc);
			return rc;
		}
		n += to - from;
	}
	return 0;
}

static void batch_chosen(struct dmo_ship *sh, struct dmo_vol *v, u64 first, u32 nr,
			 unsigned long *want)
{
	struct page *page;
	u8 mask;
	u32 i;

	for_each_set_bit(i, want, nr) {
		page = sh->own[sh->nr_own++];
		mask = dmo_vol_block_mask(v, first + i);
		if (mask == DMO_FULL_MASK && dmo_block_is_zero(page_address(page)))
			batch_zero(sh, v->id, first + i, 1);
		else
			batch_data(sh, v->id, first + i, page, mask);
	}
}

static int ship_refs(struct dmo_peer *peer, struct dmo_link *l, struct dmo_reason *why)
{
	struct dmo_primary *p = peer->p;
	struct dmo_store *st = p->store;
	struct dmo_ship *sh = &peer->ship;
	struct dmo_chunk *old = dmo_store_older(st);
	DECLARE_BITMAP(want, DMO_ZONE_BLOCKS);
	struct dmo_range_waiter w;
	struct dmo_vol *v;
	int rc = 0;
	u32 n;

	batch_begin(sh);
	down_read(&p->active_sem);
	while (p->active && (n = next_run(peer, old, DMO_WIRE_MAX_DESC - sh->nr_own))) {
		v = &st->vols[sh->vol];
		dmo_range_lock_wait(st, &w, sh->vol, sh->block, n);
		if (choose_blocks(peer, old, v, sh->block, n, want))
			rc = read_chosen(peer, v, sh->block, n, want);
		dmo_range_unlock(st, &w.range);
		if (rc)
			break;
		batch_chosen(sh, v, sh->block, n, want);
		sh->block += n;
		if (sh->nr_own == DMO_WIRE_MAX_DESC)
			break;
	}
	if (!p->active && next_run(peer, old, DMO_WIRE_MAX_DESC))
		rc = -EAGAIN;
	up_read(&p->active_sem);
	if (!rc)
		WRITE_ONCE(peer->read_error, false);
	if (sh->nr)
		return batch_send(peer, l, DMO_FRAME_DATA, why) ?: 1;
	if (rc)
		return -EAGAIN;
	return sh->vol < st->nr_vols;
}

/* ---- LAST ---- */

static int ship_last(struct dmo_peer *peer, struct dmo_link *l, struct dmo_reason *why)
{
	struct dmo_primary *p = peer->p;
	struct dmo_ship *sh = &peer->ship;
	struct dmo_chunk *older;
	u8 wire[DMO_WIRE_LAST_LEN];
	struct dmo_last last = {
		.activation = dmo_line_newest(&p->meta->sb.line),
		.first = sh->first,
		.total_records = sh->records,
		.total_desc = sh->descs,
		.total_csum = sh->csum,
	};
	struct dmo_cut cut;

	spin_lock_irq(&p->lock);
	older = dmo_store_older(p->store);
	if (older->state != DMO_CHUNK_SHIPPING || peer->last_sent || sh->gen != peer->ship_gen) {
		spin_unlock_irq(&p->lock);
		return 1;	/* merged in between: look again */
	}
	last.time_ns = older->cut_ns;
	last.flags = older->last_flags;
	cut = older->cut;
	peer->last_sent = true;
	peer->last_cut_sent = cut;
	peer->last_ends_copy = last.flags & DMO_LASTF_END_OF_COPY;
	peer->tracked = DMO_TRACKED_BASED;
	older->state_since = jiffies;
	spin_unlock_irq(&p->lock);
	reset_totals(sh);
	dmo_last_encode(&last, wire);
	return dmo_link_send(l, DMO_FRAME_LAST, cut, 0, wire, sizeof(wire), NULL, 0, 0, why) ?: 1;
}

/* ---- direct mode ---- */

static void window_add(struct dmo_window *w, u16 vol, u64 unit, u32 bytes)
{
	struct dmo_extent *e = w->nr ? &w->ext[w->nr - 1] : NULL;

	w->bytes += bytes;
	if (e && e->vol == vol && e->unit + e->nr == unit) {
		e->nr++;
		return;
	}
	e = &w->ext[w->nr++];
	e->vol = vol;
	e->unit = unit;
	e->nr = 1;
}

/*
 * Sending a block clears its reference, a write sets it again.
 * Return: -ESTALE: the blocks are in a zero zone, which is sent at the end and would undo them
 */
static int direct_read(struct dmo_peer *peer, struct dmo_chunk *chunk, struct dmo_vol *v, u64 first,
		       u32 nr)
{
	struct dmo_primary *p = peer->p;
	struct dmo_copy *c = &peer->copy;
	struct dmo_store *st = p->store;
	DECLARE_BITMAP(want, DMO_ZONE_BLOCKS);
	struct dmo_range_waiter w;
	u64 b;
	int rc;

	bitmap_fill(want, DMO_ZONE_BLOCKS);
	dmo_range_lock_wait(st, &w, v->index, first, nr);
	rc = dmo_zone_test(chunk, v, first) ? -ESTALE : read_chosen(peer, v, first, nr, want);
	for (b = first; !rc && b < first + nr; b += 1u << v->unit_shift)
		if (dmo_ref_clear(chunk, v, b))
			window_add(c->win[c->filling], v->index, b >> v->unit_shift,
				   DMO_BLOCK << v->unit_shift);
	dmo_range_unlock(st, &w.range);
	if (!rc)
		batch_chosen(&peer->ship, v, first, nr, want);
	return rc;
}

static int direct_sync(struct dmo_peer *peer, struct dmo_link *l, bool end, struct dmo_reason *why)
{
	struct dmo_primary *p = peer->p;
	struct dmo_copy *c = &peer->copy;

	spin_lock_irq(&p->lock);
	if (c->syncing) {
		spin_unlock_irq(&p->lock);
		return 0;	/* one at a time; SYNCED kicks */
	}
	c->syncing = true;
	c->filling ^= 1;
	c->sync_sent = c->sync_sent + 1 ?: 1;
	if (end) {
		dmo_peer_step_direct(peer, DMO_DIRECT_EV_PASSED);
		c->direct_since = jiffies;
	}
	spin_unlock_irq(&p->lock);
	return dmo_link_send(l, DMO_FRAME_SYNC, (struct dmo_cut){}, c->sync_sent, NULL, 0, NULL, 0,
			     0, why) ?: 1;
}

static int ship_direct(struct dmo_peer *peer, struct dmo_link *l, struct dmo_reason *why)
{
	struct dmo_primary *p = peer->p;
	struct dmo_ship *sh = &peer->ship;
	struct dmo_window *w = peer->copy.win[peer->copy.filling];
	struct dmo_chunk *c = dmo_store_active(p->store);
	int rc = 0;
	u32 n;

	if (w->nr + DMO_WIRE_MAX_DESC > DMO_SYNC_EXTENTS || w->bytes >= DMO_SYNC_BYTES)
		return direct_sync(peer, l, false, why);
	batch_begin(sh);
	down_read(&p->active_sem);
	while (p->active && (n = next_run(peer, c, DMO_WIRE_MAX_DESC - sh->nr_own))) {
		rc = direct_read(peer, c, &p->store->vols[sh->vol], sh->block, n);
		if (rc == -ESTALE) {
			dmo_store_unzero(c, &p->store->vols[sh->vol], sh->block);
			sh->block &= ~(u64)(DMO_ZONE_BLOCKS - 1);
			rc = 0;
			continue;
		}
		if (rc)
			break;
		sh->block += n;
		if (sh->nr_own == DMO_WIRE_MAX_DESC)
			break;
	}
	if (!p->active)
		rc = -EAGAIN;
	up_read(&p->active_sem);
	if (!rc)
		WRITE_ONCE(peer->read_error, false);
	if (sh->nr)
		return batch_send(peer, l, DMO_FRAME_DIRECT, why) ?: 1;
	if (rc)
		return 0;
	if (sh->vol < p->store->nr_vols)
		return 1;
	return direct_sync(peer, l, true, why);
}

int dmo_primary_produce(struct dmo_primary *p, struct dmo_link *l, struct dmo_reason *why)
{
	struct dmo_peer *peer = &p->peer;
	struct dmo_ship *sh = &peer->ship;
	struct dmo_chunk *older;
	enum dmo_direct direct;
	bool ship;
	int rc;

	spin_lock_irq(&p->lock);
	direct = peer->copy.direct;
	older = dmo_store_older(p->store);
	ship = older->state == DMO_CHUNK_SHIPPING && !peer->last_sent;
	sh->cut = older->cut;
	if (peer->link != DMO_PEER_UP || (peer->read_error && time_before(jiffies, peer->read_retry))) {
		spin_unlock_irq(&p->lock);
		return 0;
	}
	if (sh->gen != peer->ship_gen) {
		sh->gen = peer->ship_gen;
		rewind_walk(sh);
		if (direct == DMO_DIRECT_RUN)
			reset_totals(sh);	/* DIRECT_BEGIN dropped early data */
	}
	spin_unlock_irq(&p->lock);

	if (direct == DMO_DIRECT_RUN)
		return ship_direct(peer, l, why);
	if (!ship)
		return 0;
	rc = ship_zones(peer, l, why);
	if (rc)
		return rc;
	rc = ship_slots(peer, l, why);
	if (rc)
		return rc;
	rc = ship_refs(peer, l, why);
	if (rc == -EAGAIN)
		return 0;
	if (rc)
		return rc;
	sh->stripe = 0;		/* slots that copy-outs left behind the walk */
	rc = ship_slots(peer, l, why);
	if (rc)
		return rc;
	return ship_last(peer, l, why);
}
