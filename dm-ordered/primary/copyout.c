// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copy-out: a write to a block that the older chunk references first reads
 * the old content into a slot of the older chunk. The write waits,
 * with its block lock and without a chunk, for the local disk only.
 *
 * If there is no memory for it, or the block can't be read, the older chunk is
 * merged into the active one instead; then nothing needs to be preserved.
 */
#include <linux/mm.h>
#include "primary/primary_priv.h"

int dmo_read_blocks(struct dmo_primary *p, struct dmo_vol *v, u64 block, u32 nr,
		    struct page **pages)
{
	u64 sector = block * DMO_BLOCK_SECTORS;
	u64 left = min_t(u64, v->sectors - sector, (u64)nr * DMO_BLOCK_SECTORS) * DMO_SECTOR;
	struct bio *bio;
	u32 i, len;
	int rc;

	bio = bio_alloc_bioset(v->bdev, nr, REQ_OP_READ, GFP_NOIO, &p->bios);
	bio->bi_iter.bi_sector = sector;
	for (i = 0; i < nr; i++) {
		len = min_t(u64, left, DMO_BLOCK);
		if (len < DMO_BLOCK)
			memset(page_address(pages[i]) + len, 0, DMO_BLOCK - len);
		__bio_add_page(bio, pages[i], len, 0);
		left -= len;
	}
	rc = submit_bio_wait(bio);
	bio_put(bio);
	return rc;
}

/* Slots for the blocks that need one, in ascending order. */
static int collect(struct dmo_io *io, struct dmo_chunk *old, struct list_head *slots)
{
	struct dmo_store *st = io->p->store;
	struct dmo_vol *v = io->vol;
	struct dmo_stripe *sp = dmo_store_stripe(st, v->index, io->range.first);
	struct dmo_slot *s;
	bool need;
	u64 b;

	for (b = dmo_io_first(io); b <= dmo_io_last(io); b++) {
		spin_lock_irq(&sp->lock);
		need = dmo_ref_test(old, v, b) && !dmo_slot_find(old, sp, v->index, b);
		spin_unlock_irq(&sp->lock);
		if (!need)
			continue;
		s = dmo_slot_alloc(st, true);
		if (!s)
			return -ENOMEM;
		s->vol = v->index;
		s->block = b;
		s->mask = dmo_vol_block_mask(v, b);
		list_add_tail(&s->list, slots);
	}
	return 0;
}

static int read_slots(struct dmo_io *io, struct list_head *slots)
{
	struct page *pages[32];
	struct dmo_slot *s;
	u64 first = 0;
	u32 n = 0;
	int rc = 0;

	list_for_each_entry(s, slots, list) {
		if (n && (s->block != first + n || n == ARRAY_SIZE(pages))) {
			rc = dmo_read_blocks(io->p, io->vol, first, n, pages);
			if (rc)
				return rc;
			n = 0;
		}
		if (!n)
			first = s->block;
		pages[n++] = s->page;
	}
	if (n)
		rc = dmo_read_blocks(io->p, io->vol, first, n, pages);
	return rc;
}

/*
 * Without p->lock. Under a stripe's lock: if not, a merge has yet to come to that stripe; or is over, and the
 * older chunk's bits are clear.
 */
static bool merge_runs(const struct dmo_primary *p)
{
	return smp_load_acquire(&p->merge) == DMO_MERGE_RUNNING;	/* before the bits; pairs with step_merge() */
}

/* Into the older chunk, if there still is one. */
static void insert(struct dmo_io *io, struct dmo_chunk *old, struct list_head *slots)
{
	struct dmo_store *st = io->p->store;
	struct dmo_stripe *sp = dmo_store_stripe(st, io->vol->index, io->range.first);
	struct dmo_slot *s, *n;

	spin_lock_irq(&sp->lock);
	list_for_each_entry_safe(s, n, slots, list) {
		if (merge_runs(io->p) || !dmo_ref_test(old, io->vol, s->block))
			continue;
		list_del_init(&s->list);
		dmo_slot_add(old, sp, s);
		this_cpu_inc(io->vol->stats->copyouts);
	}
	spin_unlock_irq(&sp->lock);
	dmo_slot_free_list(st, slots);
}

static void copyout_work(struct work_struct *work)
{
	struct dmo_io *io = container_of(work, struct dmo_io, work);
	struct dmo_store *st = io->p->store;
	struct dmo_chunk *old;
	LIST_HEAD(slots);
	int rc;

	if (merge_runs(io->p)) {
		dmo_primary_want_merge(io->p, io, "copy-out while a merge runs");
		return;
	}
	old = dmo_store_older(st);
	rc = collect(io, old, &slots);
	if (rc) {
		dmo_slot_free_list(st, &slots);
		dmo_primary_want_merge(io->p, io, "no memory to preserve blocks of the older chunk");
		return;
	}
	rc = read_slots(io, &slots);
	if (rc) {
		dmo_slot_free_list(st, &slots);
		dmo_primary_error(io->p, io->vol->id,
				  "volume %u: reading blocks %llu..%llu to preserve them failed: %d",
				  io->vol->id, dmo_io_first(io), dmo_io_last(io), rc);
		dmo_primary_want_merge(io->p, io, "a block of the older chunk can't be read");
		return;
	}
	insert(io, old, &slots);
	dmo_write_restart(io);
}

void dmo_copyout_start(struct dmo_io *io)
{
	if (io->zones) {
		/* there may be any number of blocks */
		dmo_primary_want_merge(io->p, io, "zones are zeroed that the older chunk has yet to read");
		return;
	}
	INIT_WORK(&io->work, copyout_work);
	queue_work(io->p->wq, &io->work);
}
