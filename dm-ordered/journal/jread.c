// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads the ring; see jread.h.
 *
 * While the caller looks at what one buffer holds, AHEAD blocks behind it are read
 * into the other. Where a record begins in one and ends in the other, its first
 * part is copied in front of the second: each buffer has room for that. So no
 * block is read twice, and the disk is not idle while the caller computes.
 *
 * What can't be read ahead may still be readable where it matters: then only
 * the blocks that were asked for are read.
 */
#include <linux/bio.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include "journal/jread.h"

#define AHEAD	512u			/* blocks: 2 MiB */
#define PIECE	128u			/* blocks of a bio */
#define ROOM	DMO_RECORD_PAGES	/* blocks in front of the others */

static void *behind_room(struct dmo_jread *r, u32 i)
{
	return r->buf[i] + (ROOM << DMO_BLOCK_SHIFT);
}

static void read_end(struct bio *bio)
{
	struct dmo_jread *r = bio->bi_private;
	int rc = blk_status_to_errno(bio->bi_status);
	unsigned long flags;

	bio_put(bio);
	/* the waiter takes the lock once more: @r stays until it is released */
	spin_lock_irqsave(&r->lock, flags);
	if (rc && !r->error)
		r->error = rc;
	r->inflight--;
	wake_up_all(&r->wait);
	spin_unlock_irqrestore(&r->lock, flags);
}

/* Begin to read @nr blocks at @pos to @to. */
static void submit(struct dmo_jread *r, u64 pos, void *to, u32 nr)
{
	struct dmo_journal *j = r->j;

	while (nr) {
		u32 n = min(nr, PIECE), i;
		struct bio *bio = bio_alloc_bioset(j->m->bdev, n, REQ_OP_READ, GFP_NOIO, &j->bs);

		bio->bi_iter.bi_sector = (j->base + pos) * DMO_BLOCK_SECTORS;
		bio->bi_end_io = read_end;
		bio->bi_private = r;
		for (i = 0; i < n; i++, to += DMO_BLOCK) {
			struct page *page = is_vmalloc_addr(to) ? vmalloc_to_page(to) :
								  virt_to_page(to);

			__bio_add_page(bio, page, DMO_BLOCK, offset_in_page(to));
		}
		spin_lock_irq(&r->lock);
		r->inflight++;
		spin_unlock_irq(&r->lock);
		submit_bio(bio);
		pos += n;
		nr -= n;
	}
}

/* Until @nr blocks at @to are there. */
static int wait_for(struct dmo_jread *r, void *to, u32 nr)
{
	int rc;

	wait_event_idle(r->wait, !READ_ONCE(r->inflight));
	spin_lock_irq(&r->lock);
	rc = r->error;
	r->error = 0;
	spin_unlock_irq(&r->lock);
	if (is_vmalloc_addr(to))
		invalidate_kernel_vmap_range(to, nr << DMO_BLOCK_SHIFT);
	return rc;
}

/* Forget all; @pos is where it goes on. */
static void restart(struct dmo_jread *r, u64 pos)
{
	wait_for(r, behind_room(r, !r->cur), r->ahead);
	r->ahead = 0;
	r->first = behind_room(r, r->cur);
	r->start = pos;
	r->nr = 0;
}

static void read_ahead(struct dmo_jread *r)
{
	u64 pos = r->start + r->nr;

	r->ahead = min_t(u64, AHEAD, r->j->size - pos);
	submit(r, pos, behind_room(r, !r->cur), r->ahead);
}

/* The other buffer is next. What this one has from @pos on goes along. */
static int turn(struct dmo_jread *r, u64 pos)
{
	u32 left = r->start + r->nr - pos;
	void *next = behind_room(r, !r->cur);
	int rc;

	if (!r->ahead)
		read_ahead(r);
	rc = wait_for(r, next, r->ahead);
	if (rc)
		return rc;
	memcpy(next - (left << DMO_BLOCK_SHIFT), r->first + ((pos - r->start) << DMO_BLOCK_SHIFT),
	       left << DMO_BLOCK_SHIFT);
	r->first = next - (left << DMO_BLOCK_SHIFT);
	r->start = pos;
	r->nr = left + r->ahead;
	r->cur = !r->cur;
	read_ahead(r);
	return 0;
}

/* Nothing but what was asked for. */
static int read_exactly(struct dmo_jread *r, u64 pos, u32 nr)
{
	int rc;

	restart(r, pos);
	submit(r, pos, r->first, nr);
	rc = wait_for(r, r->first, nr);
	if (!rc)
		r->nr = nr;
	return rc;
}

void *dmo_jread_blocks(struct dmo_jread *r, u64 pos, u32 nr, int *rc)
{
	*rc = -EINVAL;
	if (nr > ROOM || pos >= r->j->size || nr > r->j->size - pos)
		return NULL;
	*rc = 0;
	if (pos < r->start || pos > r->start + r->nr)
		restart(r, pos);
	/* of what is at hand less than @nr goes along: it fits the room */
	if (pos + nr > r->start + r->nr)
		*rc = turn(r, pos);
	if (*rc)
		*rc = read_exactly(r, pos, nr);
	return *rc ? NULL : r->first + ((pos - r->start) << DMO_BLOCK_SHIFT);
}

int dmo_jread_init(struct dmo_jread *r, struct dmo_journal *j)
{
	u32 i;

	memset(r, 0, sizeof(*r));
	r->j = j;
	spin_lock_init(&r->lock);
	init_waitqueue_head(&r->wait);
	for (i = 0; i < 2; i++) {
		r->buf[i] = kvmalloc((ROOM + AHEAD) << DMO_BLOCK_SHIFT, GFP_KERNEL);
		if (!r->buf[i]) {
			dmo_jread_exit(r);
			return -ENOMEM;
		}
	}
	r->first = behind_room(r, 0);
	return 0;
}

void dmo_jread_exit(struct dmo_jread *r)
{
	wait_for(r, r->buf[0], 0);
	kvfree(r->buf[0]);
	kvfree(r->buf[1]);
}
