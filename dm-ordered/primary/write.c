// SPDX-License-Identifier: GPL-2.0-only
/*
 * The way of a write, from map() to end_io (seed 0 Fig. 5):
 *
 *   block lock           queued, never slept for
 *   (dirty bits)         place of the durable dirty bitmap
 *   chunk                counted in; from here on it bears the cycle's seq
 *   copy-out             if the older chunk references a block of it: out of the chunk, and again
 *   capture              slots (the host's data is copied into them once), or references; of whole
 *                        zones that become zero, bits
 *   local disk           from the slots' pages, or from the host's: dm's clone is sent on
 *   end                  an error turns it into references; counted out; unlocked
 *
 * Nothing here waits: what must wait is called back or done by a worker. No
 * allocation may fail the write or wait: without memory it becomes references.
 */
#include <linux/device-mapper.h>
#include <linux/mm.h>
#include "primary/primary_priv.h"
#include "store/zero.h"
#include "trace.h"

/*
 * What capturing has at hand besides the stripe.
 * @spare: a slot without a page, one with
 * @used: slots with a page that was replaced, or emptied: to be freed
 * @pages: of slots that became zero: to be put
 * @vecs: filled so far
 */
struct capture {
	struct dmo_slot *spare[2];
	struct list_head used, pages;
	u32 vecs;
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

bool dmo_write_needs_copyout(struct dmo_io *io, struct dmo_chunk *old)
{
	struct dmo_vol *v = io->vol;
	struct dmo_stripe *sp;
	unsigned long flags;
	bool need = false;
	u64 b;

	if (likely(!dmo_ref_any(old, v, dmo_io_first(io), dmo_io_last(io))))
		return false;
	sp = dmo_store_stripe(io->p->store, v->index, io->range.first);
	if (io->zones)
		return true;
	spin_lock_irqsave(&sp->lock, flags);
	for (b = dmo_io_first(io); b <= dmo_io_last(io) && !need; b++)
		need = dmo_ref_test(old, v, b) && !dmo_slot_find(old, sp, v->index, b);
	spin_unlock_irqrestore(&sp->lock, flags);
	return need;
}

static struct dmo_slot *take(struct capture *c, bool page)
{
	struct dmo_slot *s = c->spare[page];

	c->spare[page] = NULL;
	return s;
}

/* A slot whose page may be written to; an old page goes with the spare to @c->used. */
static void own_page(struct dmo_io *io, struct dmo_slot *s, struct capture *c)
{
	struct dmo_slot *spare = take(c, true);
	struct page *old = s->page;

	if (old) {
		copy_page(page_address(spare->page), page_address(old));
		s->page = spare->page;
	} else {
		dmo_slot_unzero(io->chunk, s, spare->page);
	}
	spare->page = old;
	list_add(&spare->list, &c->used);
}

static struct dmo_slot *new_slot(struct dmo_io *io, struct dmo_stripe *sp, struct dmo_slot *s,
				 u64 block)
{
	s->vol = io->vol->index;
	s->block = block;
	s->mask = 0;
	dmo_slot_add(io->chunk, sp, s);
	return s;
}

/*
 * One block into its slot. Stripe locked.
 * Return: 0; -EAGAIN: there is no spare for it, nothing was done; -ENOENT: it is a reference,
 * and that it stays.
 */
static int capture_block(struct dmo_io *io, struct dmo_stripe *sp, u64 block, struct capture *c)
{
	struct dmo_slot *s = dmo_slot_find(io->chunk, sp, io->vol->index, block);
	u8 mask = io_mask(io, block);
	u32 off = __ffs(mask) * DMO_SECTOR, len = hweight8(mask) * DMO_SECTOR;
	bool page = !is_bare(io, block);
	/* asked once: whoever meets the page by a stale pointer may hold it for a moment */
	bool own = s && page && needs_page(s);
	struct page *freed;

	if (!s && dmo_ref_test(io->chunk, io->vol, block))
		return -ENOENT;
	if ((!s || own) && !c->spare[page])
		return -EAGAIN;
	if (s) {
		this_cpu_inc(io->vol->stats->folded);
		dmo_slot_touch(sp, s);
		if (own)
			own_page(io, s, c);
	} else {
		s = new_slot(io, sp, take(c, page), block);
	}
	if (!page) {
		freed = dmo_slot_zero(io->chunk, s);
		if (freed)
			list_add(&freed->lru, &c->pages);
		return 0;
	}
	s->mask |= mask;
	if (io->zero)
		memset(page_address(s->page) + off, 0, len);
	else
		io->vecs[c->vecs++] = (struct bio_vec){ s->page, len, off };
	return 0;
}

static void capture_end(struct dmo_store *st, struct capture *c)
{
	struct page *page, *n;

	list_for_each_entry_safe(page, n, &c->pages, lru)
		put_page(page);
	dmo_slot_free_list(st, &c->used);
	if (c->spare[0])
		dmo_slot_free(st, c->spare[0]);
	if (c->spare[1])
		dmo_slot_free(st, c->spare[1]);
}

static void free_vecs(struct dmo_io *io)
{
	if (io->vecs != io->own_vecs)
		kfree(io->vecs);
	io->vecs = NULL;
}

static bool alloc_vecs(struct dmo_io *io)
{
	u32 nr = dmo_io_last(io) - dmo_io_first(io) + 1;

	io->vecs = io->own_vecs;
	if (nr > ARRAY_SIZE(io->own_vecs))
		io->vecs = kmalloc_array(nr, sizeof(*io->vecs), GFP_NOWAIT | __GFP_NOWARN);
	return io->vecs;
}

/*
 * All blocks into slots; a spare is allocated when one is found to be missing, without the lock.
 * Return: false: all of them are to become references, also those captured already.
 */
static bool capture(struct dmo_io *io)
{
	struct dmo_store *st = io->p->store;
	struct dmo_stripe *sp = dmo_store_stripe(st, io->vol->index, io->range.first);
	u64 b = dmo_io_first(io), last = dmo_io_last(io);
	struct capture c = {};
	unsigned long flags;
	bool page;
	int rc = 0;

	if (io->zones) {
		dmo_store_zero_zones(io->chunk, io->vol, io->sector / DMO_ZONE_SECTORS,
				     io->nr / DMO_ZONE_SECTORS);
		return true;
	}
	if (!io->zero && !alloc_vecs(io))
		return false;
	INIT_LIST_HEAD(&c.used);
	INIT_LIST_HEAD(&c.pages);
	spin_lock_irqsave(&sp->lock, flags);
	while (b <= last) {
		rc = capture_block(io, sp, b, &c);
		if (!rc) {
			b++;
			continue;
		}
		if (rc != -EAGAIN)
			break;
		spin_unlock_irqrestore(&sp->lock, flags);
		page = !is_bare(io, b);
		c.spare[page] = dmo_slot_alloc(st, page);
		spin_lock_irqsave(&sp->lock, flags);
		if (!c.spare[page])
			break;
	}
	spin_unlock_irqrestore(&sp->lock, flags);
	capture_end(st, &c);
	if (rc)
		free_vecs(io);
	return !rc;
}

/*
 * The host's data into the slots' pages, once (R2: what is captured is what is written); from
 * them the bio, which is dm's clone, is written to the disk.
 */
static void copy_data(struct dmo_io *io)
{
	struct bio *bio = io->bio;
	struct bvec_iter from = bio->bi_iter;
	struct bio_vec *v = io->vecs, bv;
	u32 done = 0;

	while (from.bi_size) {
		bv = bio_iter_iovec(bio, from);
		bv.bv_len = min(bv.bv_len, v->bv_len - done);
		memcpy_from_bvec(page_address(v->bv_page) + v->bv_offset + done, &bv);
		bio_advance_iter_single(bio, &from, bv.bv_len);
		done += bv.bv_len;
		if (done == v->bv_len) {
			v++;
			done = 0;
		}
	}
	bio->bi_io_vec = io->vecs;
	bio->bi_iter.bi_idx = 0;
	bio->bi_iter.bi_bvec_done = 0;
}

static void flush_failed(struct dmo_io *io, bool tracked)
{
	if (dmo_vol_flush_end(io->vol, tracked, false)) {
		set_bit(DMO_PF_FLUSH_ERROR, &io->p->flags);
		dmo_primary_kick(io->p);
	}
}

/* What a discard left behind is not zero, or not known: then it is what the disk holds (R2). */
static void not_zeroed(void *arg, u64 sector, u64 nr)
{
	struct dmo_io *io = arg;

	dmo_store_make_refs(io->chunk, io->vol, sector / DMO_BLOCK_SECTORS,
			    (sector + nr - 1) / DMO_BLOCK_SECTORS);
}

static void zero_work(struct work_struct *work)
{
	struct dmo_io *io = container_of(work, struct dmo_io, work);
	struct bio *bio = io->bio;
	struct dmo_vol *v = io->vol;
	int rc;

	if (bio_op(bio) == REQ_OP_DISCARD)
		rc = dmo_discard(v->bdev, io->sector, io->nr, &v->zero_known, not_zeroed, io);
	else if (bio->bi_opf & REQ_NOUNMAP)
		rc = dmo_zero_keep(v->bdev, io->sector, io->nr, &v->zero_known);
	else
		rc = dmo_zero_free(v->bdev, io->sector, io->nr, &v->zero_known);
	if (!rc && (bio->bi_opf & REQ_FUA)) {
		rc = blkdev_issue_flush(v->bdev);
		if (rc)
			flush_failed(io, false);
	}
	bio->bi_status = errno_to_blk_status(rc);
	bio_endio(bio);
}

static void leave(struct dmo_io *io)
{
	if (dmo_store_exit(io->p->store, io->chunk))
		dmo_primary_kick(io->p);
}

/*
 * The block layer cuts a long discard in pieces that meet within a zone: as soon as all of the zone is
 * zero slots, it is a zero zone. The block lock is on all of it.
 */
static void close_zone(struct dmo_io *io)
{
	struct dmo_vol *v = io->vol;
	struct dmo_stripe *sp = dmo_store_stripe(io->p->store, v->index, io->range.first);
	u64 b = io->range.first, last = io->range.last;
	struct dmo_slot *s;
	unsigned long flags;

	if (dmo_ref_any(io->chunk->other, v, b, last))
		return;
	spin_lock_irqsave(&sp->lock, flags);
	while (b <= last) {
		s = dmo_slot_find(io->chunk, sp, v->index, b);
		if (!s || s->page)
			break;
		b++;
	}
	spin_unlock_irqrestore(&sp->lock, flags);
	if (b > last)
		dmo_store_zero_zones(io->chunk, v, io->sector / DMO_ZONE_SECTORS, 1);
}

/* The block lock is held. */
static void write_start(struct dmo_io *io)
{
	struct dmo_primary *p = io->p;
	struct bio *bio = io->bio;
	bool slots, left = false;

	io->chunk = dmo_store_enter(p->store, &left);
	if (unlikely(left))
		dmo_primary_kick(p);
	/* not before: only now is it certain which chunk is the older one */
	if (unlikely(dmo_write_needs_copyout(io, io->chunk->other))) {
		leave(io);
		dmo_copyout_start(io);
		return;
	}
	slots = capture(io);
	if (unlikely(!slots))
		dmo_store_make_refs(io->chunk, io->vol, dmo_io_first(io), dmo_io_last(io));
	else if (io->closing)
		close_zone(io);
	dmo_store_grown(io->chunk);
	if (trace_dmo_write_enabled())
		trace_dmo_write(p->meta->bdev->bd_dev, dmo_trace_nr(p), io->vol->id, io->sector,
				io->nr, READ_ONCE(io->chunk->seq), io->zero);

	if (io->zero) {
		INIT_WORK(&io->work, zero_work);
		queue_work(p->wq, &io->work);
		return;
	}
	if (likely(slots))
		copy_data(io);
	bio_set_dev(bio, io->vol->bdev);
	bio->bi_iter.bi_sector = io->sector;
	/* its end lets others go on, and must not wait until its submitter looks for it */
	bio_clear_polled(bio);
	dm_submit_bio_remap(bio, NULL);
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

static void zones_granted(struct dmo_long *l)
{
	dmo_write_restart(l->owner);
}

/*
 * Zeroes over whole zones go as one, however many they are. Return: how many sectors of @io are
 * taken, 0: it begins or ends within a zone, or there is no memory: they go zone by zone.
 */
static u32 take_zones(struct dmo_io *io, u32 index)
{
	struct dmo_vol *v = io->vol;
	u64 zone = io->sector / DMO_ZONE_SECTORS, nr;

	if (!io->zero || io->sector % DMO_ZONE_SECTORS || zone >= v->nr_zones)
		return 0;
	nr = min_t(u64, io->nr / DMO_ZONE_SECTORS, v->nr_zones - zone);
	if (nr)
		io->zones = dmo_long_alloc(io->p->store, index, zone, nr, zones_granted, io);
	return io->zones ? nr * DMO_ZONE_SECTORS : 0;
}

/* Zeroes up to a zone's begin or end, which may be what the zone lacks to be all zero? */
static bool closes_zone(const struct dmo_io *io)
{
	return io->zero && io->sector / DMO_ZONE_SECTORS < io->vol->nr_zones &&
	       (!(io->sector % DMO_ZONE_SECTORS) || !((io->sector + io->nr) % DMO_ZONE_SECTORS));
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
	io->vecs = NULL;
	io->sector = bio->bi_iter.bi_sector;
	io->nr = bio_sectors(bio);
	io->zones = NULL;
	io->closing = false;
	left = take_zones(io, index) ?: DMO_ZONE_SECTORS - (io->sector & (DMO_ZONE_SECTORS - 1));
	if (io->nr > left) {
		/* max_io_len splits reads and writes, but neither discard nor write-zeroes */
		io->nr = left;
		dm_accept_partial_bio(bio, left);
	}
	this_cpu_inc(io->vol->stats->writes);
	this_cpu_add(io->vol->stats->written, (u64)io->nr * DMO_SECTOR);
	if (io->zones) {
		/* not here: it may sleep */
		if (dmo_long_lock(io->zones))
			dmo_write_restart(io);
		return;
	}
	io->closing = closes_zone(io);
	if (io->closing) {
		dmo_range_init(p->store, &io->range, index,
			       round_down(dmo_io_first(io), DMO_ZONE_BLOCKS), DMO_ZONE_BLOCKS,
			       range_granted);
		if (dmo_range_lock(p->store, &io->range))
			dmo_write_restart(io);	/* as above */
		return;
	}
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
	if (io->vecs)
		free_vecs(io);
	if (unlikely(status)) {
		/* What the disk holds now is what counts: never a slot (R2). */
		dmo_store_make_refs(io->chunk, io->vol, dmo_io_first(io), dmo_io_last(io));
		this_cpu_inc(io->vol->stats->errors);
		WRITE_ONCE(p->error_vol, io->vol->id);
		set_bit(DMO_PF_WRITE_ERROR, &p->flags);
		dmo_primary_kick(p);
	}
	dmo_vol_written(io->vol, io->sector, io->nr);
	leave(io);
	if (io->zones)
		dmo_long_unlock(io->zones);
	else
		dmo_range_unlock(p->store, &io->range);
}
