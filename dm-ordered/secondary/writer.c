// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writes to the data devices; see writer.h.
 *
 * Adjacent sectors of one record become one bio. The block layer may reorder
 * bios, so two that overlap must not be in flight together: before sectors are
 * added to a bio they are compared with all that are in flight (at most
 * MAX_BIOS, so a list does), and an overlap is waited for. The bio under
 * construction is not in that list; sectors that do not follow its last one
 * submit it first.
 *
 * A bio's end puts its record, then, under the lock, takes it off the list and
 * wakes; whoever waits for the end takes the lock once more before it lets go
 * of the writer, so no completion touches a writer that is gone.
 */
#include <linux/device-mapper.h>
#include "secondary/writer.h"
#include "store/zero.h"

#define MAX_BIOS	64u
#define MAX_PAGES	1024u		/* in flight: 4 MiB */
#define ZERO_SECTORS	(256u << 11)	/* between two looks at @stop: 256 MiB */

struct dmo_wbio {
	struct list_head node;
	struct dmo_writer *w;
	struct dmo_record *record;	/* NULL: flush */
	u32 volume;			/* id */
	u32 pages;
	u64 start, end;			/* sectors, end exclusive */
	struct bio bio;			/* last: has its vectors behind it */
};

int dmo_writer_init(struct dmo_writer *w, const struct dmo_volume_info *vols, u32 nr_vols,
		    struct block_device *(*bdev)(void *owner, u32 volume),
		    bool (*stop)(void *owner), void *owner)
{
	memset(w, 0, sizeof(*w));
	spin_lock_init(&w->lock);
	init_waitqueue_head(&w->wait);
	INIT_LIST_HEAD(&w->inflight);
	w->vols = vols;
	w->nr_vols = nr_vols;
	w->bdev = bdev;
	w->stop = stop;
	w->owner = owner;
	return bioset_init(&w->bs, 4, offsetof(struct dmo_wbio, bio), BIOSET_NEED_BVECS);
}

void dmo_writer_exit(struct dmo_writer *w)
{
	dmo_writer_wait(w);
	bioset_exit(&w->bs);
}

void dmo_writer_begin(struct dmo_writer *w)
{
	spin_lock_irq(&w->lock);
	w->error = 0;
	spin_unlock_irq(&w->lock);
}

static int writer_error(struct dmo_writer *w)
{
	int rc;

	spin_lock_irq(&w->lock);
	rc = w->error;
	spin_unlock_irq(&w->lock);
	return rc;
}

static void note_error(struct dmo_writer *w, u32 volume, int rc)
{
	lockdep_assert_held(&w->lock);
	if (rc && !w->error) {
		w->error = rc;
		w->error_volume = volume;
	}
}

static int fail(struct dmo_writer *w, u32 volume, int rc)
{
	spin_lock_irq(&w->lock);
	note_error(w, volume, rc);
	rc = w->error;
	spin_unlock_irq(&w->lock);
	return rc;
}

static void write_end(struct bio *bio)
{
	struct dmo_wbio *b = container_of(bio, struct dmo_wbio, bio);
	struct dmo_record *r = b->record;
	struct dmo_writer *w = b->w;
	unsigned long flags;

	spin_lock_irqsave(&w->lock, flags);
	note_error(w, b->volume, blk_status_to_errno(bio->bi_status));
	list_del(&b->node);
	w->pages -= b->pages;
	spin_unlock_irqrestore(&w->lock, flags);
	bio_put(bio);
	if (r)
		dmo_record_put(r);

	spin_lock_irqsave(&w->lock, flags);
	w->nr--;
	wake_up_all(&w->wait);
	spin_unlock_irqrestore(&w->lock, flags);
}

static bool overlaps(struct dmo_writer *w, u32 volume, u64 start, u64 end)
{
	struct dmo_wbio *b;
	bool found = false;

	spin_lock_irq(&w->lock);
	list_for_each_entry(b, &w->inflight, node) {
		if (b->volume == volume && b->start < end && start < b->end) {
			found = true;
			break;
		}
	}
	spin_unlock_irq(&w->lock);
	return found;
}

static bool has_room(struct dmo_writer *w)
{
	return READ_ONCE(w->nr) < MAX_BIOS && READ_ONCE(w->pages) < MAX_PAGES;
}

static void submit(struct dmo_writer *w, struct dmo_wbio *b)
{
	b->pages = b->bio.bi_vcnt;
	spin_lock_irq(&w->lock);
	list_add_tail(&b->node, &w->inflight);
	w->nr++;
	w->pages += b->pages;
	spin_unlock_irq(&w->lock);
	submit_bio(&b->bio);
}

static void submit_cur(struct dmo_writer *w)
{
	struct dmo_wbio *b = w->cur;

	if (!b)
		return;
	w->cur = NULL;
	submit(w, b);
}

static struct dmo_wbio *new_bio(struct dmo_writer *w, struct block_device *bdev, u32 volume,
				blk_opf_t opf, u32 vecs, u64 start)
{
	struct bio *bio;
	struct dmo_wbio *b;

	wait_event_idle(w->wait, has_room(w));
	bio = bio_alloc_bioset(bdev, vecs, opf, GFP_NOIO, &w->bs);
	bio->bi_iter.bi_sector = start;
	bio->bi_end_io = write_end;
	b = container_of(bio, struct dmo_wbio, bio);
	b->w = w;
	b->record = NULL;
	b->volume = volume;
	b->start = start;
	b->end = start;
	return b;
}

/* Sectors @start.. of @volume, @len bytes at @off of @page. */
static void add_sectors(struct dmo_writer *w, struct block_device *bdev, u32 volume, u64 start,
			struct dmo_record *r, struct page *page, u32 off, u32 len)
{
	struct dmo_wbio *b = w->cur;
	u64 end = start + len / DMO_SECTOR;

	if (b && (b->volume != volume || b->end != start ||
		  b->bio.bi_vcnt == b->bio.bi_max_vecs || overlaps(w, volume, start, end))) {
		submit_cur(w);
		b = NULL;
	}
	if (!b) {
		wait_event_idle(w->wait, !overlaps(w, volume, start, end));
		b = new_bio(w, bdev, volume, REQ_OP_WRITE, DMO_REC_MAX_DESC, start);
		dmo_record_get(r);
		b->record = r;
		w->cur = b;
	}
	__bio_add_page(&b->bio, page, len, off);
	b->end = end;
}

static int write_zeroes(struct dmo_writer *w, struct block_device *bdev, u32 index, u64 start,
			u64 end)
{
	u32 id = w->vols[index].id;
	int rc = 0;

	submit_cur(w);
	wait_event_idle(w->wait, !overlaps(w, id, start, end));
	while (!rc && start < end) {
		u64 n = min_t(u64, end - start, ZERO_SECTORS);

		if (w->stop && w->stop(w->owner))
			return -ECANCELED;
		rc = dmo_zero_free(bdev, start, n, &w->zero_known[index]);
		start += n;
	}
	return rc ? fail(w, id, rc) : 0;
}

static u32 find_volume(struct dmo_writer *w, u32 id, u32 guess)
{
	u32 i;

	if (guess < w->nr_vols && w->vols[guess].id == id)
		return guess;
	for (i = 0; i < w->nr_vols; i++)
		if (w->vols[i].id == id)
			break;
	return i;
}

static int write_desc(struct dmo_writer *w, struct dmo_record *r, const struct dmo_desc *d,
		      u32 *index, u32 *block)
{
	u32 id = le32_to_cpu(d->volume), i, n;
	u64 start = le64_to_cpu(d->block) * DMO_BLOCK_SECTORS;
	const struct dmo_volume_info *v;
	struct block_device *bdev;

	*index = find_volume(w, id, *index);
	if (*index == w->nr_vols)
		return fail(w, id, -ENODEV);
	v = &w->vols[*index];
	bdev = w->bdev(w->owner, id);
	if (!bdev)
		return fail(w, id, -ENODEV);
	set_bit(*index, w->dirty);
	if (d->type == DMO_DESC_ZERO)
		return write_zeroes(w, bdev, *index, start,
				    min_t(u64, v->sectors, start + le64_to_cpu(d->count) *
							   DMO_BLOCK_SECTORS));
	for (i = 0; i < DMO_BLOCK_SECTORS; i += n) {
		n = 1;
		if (!(d->mask & (1u << i)))
			continue;
		while (i + n < DMO_BLOCK_SECTORS && d->mask & (1u << (i + n)))
			n++;
		add_sectors(w, bdev, id, start + i, r, r->pages[*block],
			    i * DMO_SECTOR, n * DMO_SECTOR);
	}
	++*block;
	return 0;
}

int dmo_writer_write(struct dmo_writer *w, struct dmo_record *r)
{
	const struct dmo_desc *d = dmo_record_desc(r);
	u32 index = 0, block = 1, i;
	struct blk_plug plug;
	int rc = 0;

	blk_start_plug(&plug);
	for (i = 0; i < r->nr_desc && !rc; i++) {
		rc = writer_error(w);
		if (!rc && w->stop && w->stop(w->owner))
			rc = -ECANCELED;
		if (!rc)
			rc = write_desc(w, r, &d[i], &index, &block);
	}
	submit_cur(w);
	blk_finish_plug(&plug);
	return rc;
}

int dmo_writer_wait(struct dmo_writer *w)
{
	wait_event_idle(w->wait, !READ_ONCE(w->nr));
	/* the last completion has let go of the lock: see the top */
	return writer_error(w);
}

int dmo_writer_flush(struct dmo_writer *w)
{
	u32 i;
	int rc = dmo_writer_wait(w);

	if (rc)
		return rc;
	for_each_set_bit(i, w->dirty, w->nr_vols) {
		u32 id = w->vols[i].id;
		struct block_device *bdev = w->bdev(w->owner, id);

		if (!bdev) {
			fail(w, id, -ENODEV);
			break;
		}
		submit(w, new_bio(w, bdev, id, REQ_OP_WRITE | REQ_PREFLUSH, 0, 0));
	}
	rc = dmo_writer_wait(w);
	if (!rc)
		bitmap_zero(w->dirty, DMO_MAX_VOLUMES);
	return rc;
}
