// SPDX-License-Identifier: GPL-2.0-only
/*
 * The way of a write, from map() to end_io (seed 0 Fig. 5):
 *
 *   block lock           queued, never slept for
 *   copy-out             if the older chunk references a block of it
 *   (dirty bits)         place of the durable dirty bitmap
 *   chunk                counted in; from here on it bears the cycle's seq
 *   capture              slots (the host's data is copied into them once), or references
 *   local disk           from the slots' pages, or from the host's
 *   end                  an error turns it into references; counted out; unlocked
 *
 * Nothing here waits: what must wait is called back or done by a worker. No
 * allocation may fail the write or wait: without memory it becomes references.
 */
#include <linux/blk-cgroup.h>
#include <linux/device-mapper.h>
#include <linux/mm.h>
#include "primary_priv.h"
#include "trace.h"

/* Slots at hand; @used: emptied ones, or with a page that was replaced. */
struct spares {
	struct list_head with_page, bare, used;
	u32 nr_page, nr_bare;
};

static u8 io_mask(const struct dmo_io *io, u64 block)
{
	u64 start = block * DMO_BLOCK_SECTORS;
	u64 from = max(start, io->sector);
	u64 to = min(start + DMO_BLOCK_SECTORS, io->sector + io->nr);

	return dmo_sector_mask(from - start, to - from);
}

/* A block zeroed as a whole needs no page. */
static bool is_bare(const struct dmo_io *io, u64 block)
{
	return io->zero && io_mask(io, block) == DMO_FULL_MASK;
}

/* A page that somebody else holds (the send thread) is replaced, not modified. */
static bool needs_page(const struct dmo_slot *s)
{
	return !s->page || page_count(s->page) > 1;
}

bool dmo_write_needs_copyout(struct dmo_io *io, u8 old)
{
	struct dmo_store *st = io->p->store;
	struct dmo_vol *v = io->vol;
	struct dmo_stripe *sp;
	unsigned long flags;
	bool need = false;
	u64 b;

	if (likely(!dmo_ref_any(v, old, dmo_io_first(io), dmo_io_last(io))))
		return false;
	sp = dmo_store_stripe(st, v->index, io->range.first);
	spin_lock_irqsave(&sp->lock, flags);
	for (b = dmo_io_first(io); b <= dmo_io_last(io) && !need; b++)
		need = dmo_ref_test(v, old, b) && !dmo_slot_find(st, sp, v->index, b, old);
	spin_unlock_irqrestore(&sp->lock, flags);
	return need;
}

static void free_spares(struct dmo_store *st, struct spares *sps)
{
	dmo_slot_free_list(st, &sps->with_page);
	dmo_slot_free_list(st, &sps->bare);
	dmo_slot_free_list(st, &sps->used);
}

static bool alloc_spares(struct dmo_store *st, struct list_head *list, u32 nr, bool with_page)
{
	struct dmo_slot *s;

	while (nr--) {
		s = dmo_slot_alloc(st, with_page);
		if (!s)
			return false;
		list_add(&s->list, list);
	}
	return true;
}

/*
 * How many slots and pages does the write lack in @parity? Stripe locked.
 * Return: false if it can't have slots because of a reference.
 */
static bool count_missing(struct dmo_io *io, struct dmo_stripe *sp, u8 parity, u32 *pages,
			  u32 *bare)
{
	struct dmo_store *st = io->p->store;
	struct dmo_slot *s;
	u64 b;

	*pages = *bare = 0;
	for (b = dmo_io_first(io); b <= dmo_io_last(io); b++) {
		s = dmo_slot_find(st, sp, io->vol->index, b, parity);
		if (!s && dmo_ref_test(io->vol, parity, b))
			return false;
		if (is_bare(io, b))
			*bare += !s;
		else
			*pages += !s || needs_page(s);
	}
	return true;
}

/* Get ready to capture into slots; false: references it is. */
static bool prepare(struct dmo_io *io, struct spares *sps, struct bio **local)
{
	struct dmo_primary *p = io->p;
	struct dmo_store *st = p->store;
	struct dmo_stripe *sp = dmo_store_stripe(st, io->vol->index, io->range.first);
	unsigned long flags;
	bool ok;

	INIT_LIST_HEAD(&sps->with_page);
	INIT_LIST_HEAD(&sps->bare);
	INIT_LIST_HEAD(&sps->used);
	*local = NULL;
	spin_lock_irqsave(&sp->lock, flags);
	ok = count_missing(io, sp, dmo_cycle_active(&st->cycle), &sps->nr_page, &sps->nr_bare);
	spin_unlock_irqrestore(&sp->lock, flags);
	if (!ok)
		return false;
	if (!alloc_spares(st, &sps->with_page, sps->nr_page, true) ||
	    !alloc_spares(st, &sps->bare, sps->nr_bare, false))
		goto none;
	if (io->zero)
		return true;
	*local = bio_alloc_bioset(io->vol->bdev, dmo_io_last(io) - dmo_io_first(io) + 1,
				  io->bio->bi_opf & ~(REQ_POLLED | REQ_ALLOC_CACHE), GFP_NOWAIT | __GFP_NOWARN, &p->bios);
	if (*local)
		return true;
none:
	free_spares(st, sps);
	return false;
}

static struct dmo_slot *take(struct list_head *list)
{
	struct dmo_slot *s = list_first_entry(list, struct dmo_slot, list);

	list_del_init(&s->list);
	return s;
}

static struct dmo_slot *new_slot(struct dmo_io *io, struct dmo_stripe *sp, struct list_head *from,
				 u64 block)
{
	struct dmo_slot *s = take(from);

	s->vol = io->vol->index;
	s->block = block;
	s->parity = io->parity;
	s->mask = 0;
	dmo_slot_add(io->p->store, sp, s);
	return s;
}

/* The page of an existing slot that may be written to; an old one goes back to @sps. */
static void own_page(struct dmo_io *io, struct dmo_slot *s, struct spares *sps)
{
	struct dmo_slot *spare;
	struct page *old;

	if (!needs_page(s))
		return;
	spare = take(&sps->with_page);
	old = s->page;
	if (old) {
		copy_page(page_address(spare->page), page_address(old));
		s->page = spare->page;
	} else {
		dmo_slot_unzero(io->p->store, s, spare->page);
	}
	spare->page = old;
	list_add(&spare->list, &sps->used);
}

/* One block into its slot. Stripe locked. */
static void capture_block(struct dmo_io *io, struct dmo_stripe *sp, u64 block,
			  struct spares *sps, struct bio *local, struct list_head *pages)
{
	struct dmo_store *st = io->p->store;
	struct dmo_slot *s = dmo_slot_find(st, sp, io->vol->index, block, io->parity);
	u8 mask = io_mask(io, block);
	u32 off = __ffs(mask) * DMO_SECTOR, len = hweight8(mask) * DMO_SECTOR;
	struct page *page;

	if (s) {
		this_cpu_inc(io->vol->stats->folded);
		dmo_slot_touch(sp, s);
	}
	if (is_bare(io, block)) {
		if (!s)
			s = new_slot(io, sp, &sps->bare, block);
		page = dmo_slot_zero(st, s);
		if (page)
			list_add(&page->lru, pages);
		return;
	}
	if (s)
		own_page(io, s, sps);
	else
		s = new_slot(io, sp, &sps->with_page, block);
	s->mask |= mask;
	if (io->zero)
		memset(page_address(s->page) + off, 0, len);
	else
		__bio_add_page(local, s->page, len, off);
}

static bool capture(struct dmo_io *io, struct spares *sps, struct bio *local)
{
	struct dmo_store *st = io->p->store;
	struct dmo_stripe *sp = dmo_store_stripe(st, io->vol->index, io->range.first);
	struct page *page, *n;
	unsigned long flags;
	LIST_HEAD(pages);
	u32 nr_page, nr_bare;
	bool ok;
	u64 b;

	spin_lock_irqsave(&sp->lock, flags);
	ok = count_missing(io, sp, io->parity, &nr_page, &nr_bare) &&
	     nr_page <= sps->nr_page && nr_bare <= sps->nr_bare;
	for (b = dmo_io_first(io); ok && b <= dmo_io_last(io); b++)
		capture_block(io, sp, b, sps, local, &pages);
	spin_unlock_irqrestore(&sp->lock, flags);
	list_for_each_entry_safe(page, n, &pages, lru)
		put_page(page);
	free_spares(st, sps);
	return ok;
}

static void local_end(struct bio *local)
{
	struct dmo_io *io = local->bi_private;

	io->bio->bi_status = local->bi_status;
	bio_put(local);
	bio_endio(io->bio);
}

static void flush_failed(struct dmo_io *io, bool tracked)
{
	if (dmo_vol_flush_end(io->vol, tracked, false)) {
		set_bit(DMO_PF_FLUSH_ERROR, &io->p->flags);
		dmo_primary_kick(io->p);
	}
}

/*
 * A discard is carried out as write-zeroes, unmapping where the device can; what a
 * discard leaves behind depends on the device (R2).
 */
static void zero_work(struct work_struct *work)
{
	struct dmo_io *io = container_of(work, struct dmo_io, work);
	struct bio *bio = io->bio;
	unsigned int flags = 0;
	int r;

	if (bio_op(bio) == REQ_OP_WRITE_ZEROES && (bio->bi_opf & REQ_NOUNMAP))
		flags = BLKDEV_ZERO_NOUNMAP;
	r = blkdev_issue_zeroout(io->vol->bdev, io->sector, io->nr, GFP_NOIO, flags);
	if (!r && (bio->bi_opf & REQ_FUA)) {
		r = blkdev_issue_flush(io->vol->bdev);
		if (r)
			flush_failed(io, false);
	}
	bio->bi_status = errno_to_blk_status(r);
	bio_endio(bio);
}

static void leave(struct dmo_primary *p, u8 parity)
{
	if (dmo_cycle_exit(&p->store->cycle, parity))
		dmo_primary_kick(p);
}

/* The block lock is held. */
static void write_start(struct dmo_io *io)
{
	struct dmo_primary *p = io->p;
	struct dmo_store *st = p->store;
	struct bio *bio = io->bio, *local;
	struct spares sps;
	bool slots, left = false;

	for (;;) {
		if (dmo_write_needs_copyout(io, dmo_cycle_active(&st->cycle) ^ 1)) {
			dmo_copyout_start(io);
			return;
		}
		slots = prepare(io, &sps, &local);
		io->parity = dmo_cycle_enter(&st->cycle, &left);
		if (unlikely(left))
			dmo_primary_kick(p);
		/* what was the active chunk may be the older one by now */
		if (likely(!dmo_write_needs_copyout(io, io->parity ^ 1)))
			break;
		leave(p, io->parity);
		if (slots)
			free_spares(st, &sps);
		if (local)
			bio_put(local);
	}
	if (slots && !capture(io, &sps, local)) {
		slots = false;
		if (local)
			bio_put(local);
	}
	if (!slots)
		dmo_store_make_refs(st, io->vol, io->parity, dmo_io_first(io), dmo_io_last(io));
	if (trace_dmo_write_enabled())
		trace_dmo_write(p->meta->bdev->bd_dev, dmo_trace_nr(p), io->vol->id, io->sector,
				io->nr, READ_ONCE(st->cycle.seq[io->parity]), io->zero);

	if (io->zero) {
		INIT_WORK(&io->work, zero_work);
		queue_work(p->wq, &io->work);
	} else if (slots) {
		local->bi_iter.bi_sector = io->sector;
		local->bi_ioprio = bio->bi_ioprio;
		local->bi_end_io = local_end;
		local->bi_private = io;
		bio_clone_blkg_association(local, bio);
		bio_copy_data(local, bio);
		dm_submit_bio_remap(bio, local);
	} else {
		bio_set_dev(bio, io->vol->bdev);
		bio->bi_iter.bi_sector = io->sector;
		dm_submit_bio_remap(bio, NULL);
	}
}

static void restart_work(struct work_struct *work)
{
	write_start(container_of(work, struct dmo_io, work));
}

void dmo_write_restart(struct dmo_io *io)
{
	INIT_WORK(&io->work, restart_work);
	queue_work(io->p->wq, &io->work);
}

static void range_granted(struct dmo_range *r)
{
	dmo_write_restart(container_of(r, struct dmo_io, range));
}

void dmo_primary_map_write(struct dmo_primary *p, u32 index, struct dmo_io *io, struct bio *bio)
{
	u32 left;

	io->p = p;
	io->vol = &p->store->vols[index];
	io->bio = bio;
	io->kind = DMO_IO_WRITE;
	io->zero = bio_op(bio) != REQ_OP_WRITE;
	io->sector = bio->bi_iter.bi_sector;
	io->nr = bio_sectors(bio);
	left = DMO_ZONE_SECTORS - (io->sector & (DMO_ZONE_SECTORS - 1));
	if (io->nr > left) {
		/* max_io_len splits reads and writes, but neither discard nor write-zeroes */
		io->nr = left;
		dm_accept_partial_bio(bio, left);
	}
	this_cpu_inc(io->vol->stats->writes);
	this_cpu_add(io->vol->stats->written, (u64)io->nr * DMO_SECTOR);
	dmo_range_init(p->store, &io->range, index, dmo_io_first(io),
		       dmo_io_last(io) - dmo_io_first(io) + 1, range_granted);
	if (dmo_range_lock(p->store, &io->range))
		write_start(io);
}

void dmo_primary_map_flush(struct dmo_primary *p, u32 index, struct dmo_io *io)
{
	io->p = p;
	io->vol = &p->store->vols[index];
	io->kind = DMO_IO_FLUSH;
	io->tracked = dmo_vol_flush_begin(io->vol);
}

void dmo_primary_end(struct dmo_io *io, blk_status_t status)
{
	struct dmo_primary *p = io->p;

	if (io->kind == DMO_IO_FLUSH) {
		if (unlikely(status))
			flush_failed(io, io->tracked);
		else
			dmo_vol_flush_end(io->vol, io->tracked, true);
		return;
	}
	if (unlikely(status)) {
		/* What the disk holds now is what counts: never a slot (R2). */
		dmo_store_make_refs(p->store, io->vol, io->parity, dmo_io_first(io),
				    dmo_io_last(io));
		this_cpu_inc(io->vol->stats->errors);
		WRITE_ONCE(p->error_vol, io->vol->id);
		set_bit(DMO_PF_WRITE_ERROR, &p->flags);
		dmo_primary_kick(p);
	}
	dmo_vol_written(io->vol, io->sector, io->nr);
	leave(p, io->parity);
	dmo_range_unlock(p->store, &io->range);
}
