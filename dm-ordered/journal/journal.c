// SPDX-License-Identifier: GPL-2.0-only
/*
 * The journal ring of a secondary.
 *
 * tail                              good            head
 *   | chunk | LAST | COMMIT | chunk | LAST | COMMIT | open chunk ... |  free
 *
 * Chain. Every record bears the sequence that follows its predecessor's and its
 * predecessor's checksum; a scan that starts at the tail with the values in
 * the state block takes the successor and nothing else (jscan.c). So what a
 * scan sees is a gapless run of records, and a record counts only if all before
 * it, from the tail on, are whole. Hence:
 *
 * - LAST is written when all records of its chunk have been, and with a
 *   flush before it. Seen, it proves the chunk; durable, so is the chunk.
 * - COMMIT is durable only if the records in front of it are, those of an open
 *   chunk included: it waits for them, and is flushed for if there are any.
 *
 * Dropping the open chunk: a link was lost, or the machine was. Its records,
 * whole or torn, seen or not, must never be taken for the continuation of what
 * is written in their place. The new records might repeat the old ones byte for
 * byte (the primary sends the same chunk again) and thereby revive an old
 * successor. So the sequence jumps, to a value that no record ever had:
 *
 *   1. state block: seq_floor += SEQ_STEP, flushed before, FUA. Be F its old value.
 *   2. JUMP at @good, with @good's sequence, and next_seq = F. FUA.
 *   3. Records from F on, behind the JUMP.
 *
 * seq_floor says: no record at or above it was ever written. It is made true
 * anew by (1) before anything at or above F is written, and raised in good time
 * when the running sequence comes near it. What if the power fails
 *
 * - before (1) is durable: nothing has happened.
 * - between (1) and (2), or in (2), so that the JUMP is torn or lost: the scan
 *   ends at @good, or runs on into the chunk that was to be dropped; no LAST of
 *   it was ever written, so it is still dropped, at the same place, with the
 *   floor raised again. The next JUMP leads to F + SEQ_STEP, not to F. This is
 *   what the floor is for: were next_seq derived from what the scan sees, two
 *   incarnations could choose the same, the first JUMP's records could survive
 *   out of sight, and be revived by the second's.
 * - after (2): the scan follows the JUMP.
 *
 * (3) must not overtake (2), or a record from F on could be there while the
 * JUMP is not; it could not be seen, but (2) is waited for all the same.
 *
 * A JUMP replaces the one before it if no LAST or COMMIT came in between: @good
 * stays in front of it. Both have the same sequence and predecessor. If the
 * second is torn, the scan ends there, where nothing was complete; if it is
 * lost, the first leads to records of a chunk that has no LAST. So links that
 * flap, or crashes in recovery, take no more space than one block. Unless the
 * tail has passed the JUMP: then @good is the tail.
 *
 * After a crash the scan can't know what the device holds beyond what it sees,
 * so recovery always jumps. Its state write also flushes: what was only in
 * the device's cache when the scan saw it (the machine crashed, the device
 * did not) is durable before it is built upon.
 *
 * Space. The tail moves when the chunks before it are restored and the data
 * devices flushed, with the state block; only when that is durable is the space
 * free. A record that does not fit before the end of the ring begins at 0. The
 * ring is never full: head == tail means empty. Room is kept for two blocks
 * for every boundary that has no COMMIT (that, and a JUMP behind it), and two
 * more, so that a full ring can always be committed, and the open chunk dropped:
 *
 *   free >= 2 * uncommitted + 2 after a LAST,
 *   free >= 2 * (uncommitted + 1) + 3 after a DATA record, so that its LAST fits.
 *
 * A COMMIT takes one and gives back two or more; at most one JUMP comes between
 * two of them or behind a LAST.
 *
 * Reach. A scan that ends looks for a LAST or a COMMIT behind the end, which would
 * prove damage (recover.c). How far must it look? The state block says: none since
 * the tail's record was written reach blocks or more behind the tail. Every state
 * write that moves the tail sets it REACH_STEP behind the head; a LAST or a COMMIT
 * that would lie farther away has it raised before, durably. So it costs a state
 * write only where more than REACH_STEP came since the last one. The place that
 * reach tells never goes back but at a JUMP, behind which there is neither.
 */
#include <linux/slab.h>
#include "journal/journal.h"

#define SEQ_STEP	(1ULL << 40)
#define SEQ_NEAR	(1ULL << 20)	/* so near the floor it is raised */
#define REACH_STEP	1024u		/* blocks: 4 MiB */
#define MAX_INFLIGHT	8u		/* records: 4 MiB */

/* -- positions ----------------------------------------------------------- */

static u64 distance(const struct dmo_journal *j, u64 from, u64 to)
{
	return to >= from ? to - from : to + j->size - from;
}

/* With the tail and the head there: room for what comes until it is raised again. */
static u64 reach_of(const struct dmo_journal *j, u64 tail, u64 head)
{
	return min(distance(j, tail, head) + REACH_STEP, j->size);
}

static struct dmo_jpos behind(const struct dmo_journal *j, u64 pos, u32 blocks, u64 next_seq,
			      u32 csum)
{
	struct dmo_jpos p = {
		.pos = pos + blocks == j->size ? 0 : pos + blocks,
		.seq = next_seq,
		.prev_csum = csum,
	};

	return p;
}

u64 dmo_journal_chunk_max(const struct dmo_journal *j)
{
	return dmo_chunk_max(j->size);
}

u64 dmo_journal_activation(struct dmo_journal *j)
{
	u64 activation;

	spin_lock_irq(&j->lock);
	activation = j->activation;
	spin_unlock_irq(&j->lock);
	return activation;
}

void dmo_journal_cuts(struct dmo_journal *j, struct dmo_cut *complete,
		      struct dmo_cut *committed, struct dmo_cut *restored)
{
	spin_lock_irq(&j->lock);
	if (complete)
		*complete = j->complete;
	if (committed)
		*committed = j->committed;
	if (restored)
		*restored = j->restored;
	spin_unlock_irq(&j->lock);
}

void dmo_journal_status(struct dmo_journal *j, struct dmo_journal_status *st)
{
	spin_lock_irq(&j->lock);
	st->complete = j->complete;
	st->committed = j->committed;
	st->committed_ns = j->committed_ns;
	st->restored = j->restored;
	st->bytes = j->size * DMO_BLOCK;
	st->used = distance(j, j->tail.pos, j->head.pos) * DMO_BLOCK;
	spin_unlock_irq(&j->lock);
}

u64 dmo_journal_used(struct dmo_journal *j)
{
	u64 used;

	spin_lock_irq(&j->lock);
	used = distance(j, j->tail.pos, j->head.pos);
	spin_unlock_irq(&j->lock);
	return used;
}

u64 dmo_journal_behind(struct dmo_journal *j, u64 pos)
{
	u64 blocks;

	spin_lock_irq(&j->lock);
	blocks = distance(j, pos, j->good.pos);
	spin_unlock_irq(&j->lock);
	return blocks;
}

static bool fits(struct dmo_journal *j, u32 blocks, u32 reserve)
{
	u32 skip;
	bool ok;

	lockdep_assert_held(&j->append);
	spin_lock_irq(&j->lock);
	dmo_jpos_fit(j->head.pos, j->size, blocks, &skip);
	ok = distance(j, j->tail.pos, j->head.pos) + skip + blocks +
	     2 * ((u64)j->uncommitted + 1) + reserve <= j->size;
	spin_unlock_irq(&j->lock);
	return ok;
}

bool dmo_journal_fits_data(struct dmo_journal *j, u32 nr_blocks)
{
	return fits(j, 1 + nr_blocks, 3);
}

bool dmo_journal_fits_last(struct dmo_journal *j)
{
	return fits(j, 1, 2);
}

/* -- boundaries ---------------------------------------------------------- */

struct dmo_boundary *dmo_journal_oldest(struct dmo_journal *j)
{
	struct dmo_boundary *b;

	spin_lock_irq(&j->lock);
	b = list_first_entry_or_null(&j->boundaries, struct dmo_boundary, node);
	if (b && !b->committed)
		b = NULL;
	spin_unlock_irq(&j->lock);
	return b;
}

struct dmo_boundary *dmo_journal_next(struct dmo_journal *j, struct dmo_boundary *b)
{
	spin_lock_irq(&j->lock);
	b = list_is_last(&b->node, &j->boundaries) ? NULL : list_next_entry(b, node);
	if (b && !b->committed)
		b = NULL;
	spin_unlock_irq(&j->lock);
	return b;
}

bool dmo_journal_frees(struct dmo_journal *j)
{
	return dmo_journal_oldest(j);
}

bool dmo_journal_empty(struct dmo_journal *j)
{
	bool empty;

	spin_lock_irq(&j->lock);
	empty = list_empty(&j->boundaries);
	spin_unlock_irq(&j->lock);
	return empty;
}

static void free_boundaries(struct list_head *list)
{
	struct dmo_boundary *b, *next;

	list_for_each_entry_safe(b, next, list, node) {
		dmo_record_put_list(&b->records);
		list_del(&b->node);
		kfree(b);
	}
}

/* -- I/O ----------------------------------------------------------------- */

static void append_end(struct bio *bio)
{
	struct dmo_record *r = bio->bi_private;
	struct dmo_journal *j = r->private;
	int rc = blk_status_to_errno(bio->bi_status);
	u64 pos = r->pos;
	unsigned long flags;

	bio_put(bio);
	dmo_record_put(r);
	if (rc)
		dmo_meta_fail(j->m, "journal, block %llu: write failed: error %d", pos, rc);
	/* the waiter takes the lock once more: @j stays until it is released */
	spin_lock_irqsave(&j->lock, flags);
	if (rc && !j->error)
		j->error = rc;
	j->inflight--;
	wake_up_all(&j->wait);
	spin_unlock_irqrestore(&j->lock, flags);
}

/* Wait until at most @most records are being written. */
static int wait_inflight(struct dmo_journal *j, u32 most)
{
	int rc;

	wait_event_idle(j->wait, READ_ONCE(j->inflight) <= most);
	spin_lock_irq(&j->lock);
	rc = j->error;
	spin_unlock_irq(&j->lock);
	return rc;
}

int dmo_journal_read(struct dmo_journal *j, u64 pos, struct dmo_record *r, u32 first, u32 nr)
{
	struct bio *bio;
	int rc;
	u32 i;

	if (pos >= j->size || nr > j->size - pos || first + nr > r->nr_pages)
		return -EINVAL;
	bio = bio_alloc_bioset(j->m->bdev, nr, REQ_OP_READ, GFP_NOIO, &j->bs);
	bio->bi_iter.bi_sector = (j->base + pos) * DMO_BLOCK_SECTORS;
	for (i = 0; i < nr; i++)
		__bio_add_page(bio, r->pages[first + i], DMO_BLOCK, 0);
	rc = submit_bio_wait(bio);
	bio_put(bio);
	return rc;
}

/* Write a record of one block at @at, FUA; @rec's sequence and checksums are set here. */
static int write_single(struct dmo_journal *j, struct dmo_rec *rec, const struct dmo_jpos *at,
			blk_opf_t flags)
{
	int rc;

	lockdep_assert_held(&j->append);
	rec->seq = at->seq;
	rec->prev_csum = at->prev_csum;
	dmo_rec_encode(rec, j->m->sb.uuid, j->block);
	rc = dmo_meta_rw(j->m, REQ_OP_WRITE | REQ_SYNC | REQ_META | REQ_FUA | flags,
			 j->base + at->pos, j->block, 1);
	if (rc)
		dmo_meta_fail(j->m, "journal, block %llu: write failed: error %d", at->pos, rc);
	return rc;
}

/* In memory: the state block is to be written. */
static int raise_floor(struct dmo_journal *j)
{
	lockdep_assert_held(&j->m->lock);
	if (j->m->st.seq_floor > U64_MAX - 2 * SEQ_STEP) {
		dmo_meta_fail(j->m, "journal: sequence floor %llu leaves no more room: format the device again",
			      j->m->st.seq_floor);
		return -EOVERFLOW;
	}
	j->m->st.seq_floor += SEQ_STEP;
	return 0;
}

/* Write the state block with its reach counted from @head. */
static int set_reach(struct dmo_journal *j, u64 head)
{
	int rc;

	lockdep_assert_held(&j->m->lock);
	j->m->st.reach = reach_of(j, j->tail.pos, head);
	rc = dmo_meta_write_state(j->m);
	spin_lock_irq(&j->lock);
	if (!rc)
		j->reach = j->m->st.reach;
	spin_unlock_irq(&j->lock);
	return rc;
}

/* The head's sequence is about to be used: is the floor above it? */
static int keep_below_floor(struct dmo_journal *j)
{
	int rc = 0;

	lockdep_assert_held(&j->append);
	/* only this side raises the floor, under @append */
	if (likely(j->head.seq + SEQ_NEAR < READ_ONCE(j->m->st.seq_floor)))
		return 0;
	mutex_lock(&j->m->lock);
	rc = raise_floor(j) ?: set_reach(j, j->head.pos);
	mutex_unlock(&j->m->lock);
	return rc;
}

/* A LAST or a COMMIT is about to be written at the head: will it be looked for there? */
static int keep_in_reach(struct dmo_journal *j)
{
	bool within;
	int rc;

	lockdep_assert_held(&j->append);
	/* a tail that moves meanwhile brings a reach that is no nearer */
	spin_lock_irq(&j->lock);
	within = distance(j, j->tail.pos, j->head.pos) < j->reach;
	spin_unlock_irq(&j->lock);
	if (likely(within))
		return 0;
	mutex_lock(&j->m->lock);
	rc = set_reach(j, j->head.pos);
	mutex_unlock(&j->m->lock);
	return rc;
}

/* -- append -------------------------------------------------------------- */

int dmo_journal_append(struct dmo_journal *j, struct dmo_record *r)
{
	struct dmo_rec rec = {
		.type = DMO_REC_DATA,
		.nr_desc = r->nr_desc,
		.nr_blocks = r->nr_blocks,
	};
	struct bio *bio;
	u32 skip, i;
	int rc;

	lockdep_assert_held(&j->append);
	rc = wait_inflight(j, MAX_INFLIGHT - 1);
	if (!rc)
		rc = keep_below_floor(j);
	if (rc)
		return rc;

	rec.seq = j->head.seq;
	rec.prev_csum = j->head.prev_csum;
	dmo_rec_encode(&rec, j->m->sb.uuid, dmo_record_block(r, 0));
	r->pos = dmo_jpos_fit(j->head.pos, j->size, 1 + r->nr_blocks, &skip);
	r->seq = rec.seq;
	r->csum = rec.csum;
	r->private = j;

	bio = bio_alloc_bioset(j->m->bdev, 1 + r->nr_blocks, REQ_OP_WRITE, GFP_NOIO, &j->bs);
	bio->bi_iter.bi_sector = (j->base + r->pos) * DMO_BLOCK_SECTORS;
	bio->bi_end_io = append_end;
	bio->bi_private = r;
	for (i = 0; i < 1 + r->nr_blocks; i++)
		__bio_add_page(bio, r->pages[i], DMO_BLOCK, 0);
	dmo_record_get(r);

	spin_lock_irq(&j->lock);
	if (!j->open_records) {
		j->open_at = j->head;
		j->open_at.pos = r->pos;
	}
	j->open_records++;
	j->open_desc += r->nr_desc;
	j->open_csum = dmo_crc(j->open_csum, dmo_record_desc(r),
			       r->nr_desc * sizeof(struct dmo_desc));
	j->head = behind(j, r->pos, 1 + r->nr_blocks, rec.seq + 1, rec.csum);
	j->inflight++;
	j->unflushed = true;
	if (r->kept) {
		dmo_record_get(r);
		list_add_tail(&r->node, &j->open_kept);
	}
	spin_unlock_irq(&j->lock);

	submit_bio(bio);
	return 0;
}

static void reset_open(struct dmo_journal *j)
{
	lockdep_assert_held(&j->lock);
	j->open_records = 0;
	j->open_desc = 0;
	j->open_csum = 0;
}

int dmo_journal_last(struct dmo_journal *j, struct dmo_boundary *b)
{
	struct dmo_rec rec = {
		.type = DMO_REC_LAST,
		.flags = b->flags,
		.tag = b->tag,
		.table = b->table,
		.time_ns = b->time_ns,
		.activation = b->activation,
		.total_records = j->open_records,
		.total_desc = j->open_desc,
		.total_csum = j->open_csum,
	};
	int rc;

	lockdep_assert_held(&j->append);
	rc = wait_inflight(j, 0);
	if (!rc)
		rc = keep_below_floor(j);
	if (!rc)
		rc = keep_in_reach(j);
	if (!rc)
		rc = write_single(j, &rec, &j->head, REQ_PREFLUSH);
	if (rc)
		return rc;

	INIT_LIST_HEAD(&b->records);
	b->committed = false;
	b->last_seq = rec.seq;
	spin_lock_irq(&j->lock);
	b->start = j->open_records ? j->open_at : j->head;
	list_splice_init(&j->open_kept, &b->records);
	reset_open(j);
	j->unflushed = false;
	j->head = behind(j, j->head.pos, 1, rec.seq + 1, rec.csum);
	j->good = j->head;
	list_add_tail(&b->node, &j->boundaries);
	j->uncommitted++;
	j->complete = b->tag;
	j->activation = b->activation;
	spin_unlock_irq(&j->lock);
	return 0;
}

/* The newest boundary up to @tag that has no COMMIT. *@nr: how many there are. */
static struct dmo_boundary *to_commit(struct dmo_journal *j, struct dmo_cut tag, u32 *nr)
{
	struct dmo_boundary *b, *newest = NULL;

	*nr = 0;
	spin_lock_irq(&j->lock);
	list_for_each_entry(b, &j->boundaries, node) {
		if (b->committed || dmo_cut_cmp(b->tag, tag) > 0)
			continue;
		newest = b;
		++*nr;
	}
	spin_unlock_irq(&j->lock);
	return newest;
}

int dmo_journal_commit(struct dmo_journal *j, struct dmo_cut tag)
{
	struct dmo_rec rec = { .type = DMO_REC_COMMIT };
	struct dmo_boundary *b, *newest;
	u32 nr;
	int rc;

	lockdep_assert_held(&j->append);
	/* boundaries without a COMMIT leave the list only under @append */
	newest = to_commit(j, tag, &nr);
	if (!newest)
		return 0;
	rec.tag = newest->tag;
	rc = wait_inflight(j, 0);
	if (!rc)
		rc = keep_below_floor(j);
	if (!rc)
		rc = keep_in_reach(j);
	if (!rc)
		rc = write_single(j, &rec, &j->head, j->unflushed ? REQ_PREFLUSH : 0);
	if (rc)
		return rc;

	spin_lock_irq(&j->lock);
	list_for_each_entry(b, &j->boundaries, node)
		if (dmo_cut_cmp(b->tag, rec.tag) <= 0)
			b->committed = true;
	j->uncommitted -= nr;
	j->committed = rec.tag;
	j->committed_ns = newest->time_ns;
	j->unflushed = false;
	j->head = behind(j, j->head.pos, 1, rec.seq + 1, rec.csum);
	j->good = j->head;
	spin_unlock_irq(&j->lock);
	return nr;
}

int dmo_journal_drop(struct dmo_journal *j, bool always)
{
	struct dmo_rec rec = { .type = DMO_REC_JUMP };
	LIST_HEAD(kept);
	int rc;

	lockdep_assert_held(&j->append);
	if (!j->open_records && !always)
		return 0;
	rc = wait_inflight(j, 0);
	if (rc)
		return rc;

	/* the tail must not move past the place of the JUMP meanwhile */
	mutex_lock(&j->m->lock);
	rec.next_seq = j->m->st.seq_floor;
	rc = raise_floor(j) ?: set_reach(j, j->good.pos);
	if (!rc)
		rc = write_single(j, &rec, &j->good, 0);
	if (!rc) {
		spin_lock_irq(&j->lock);
		j->head = behind(j, j->good.pos, 1, rec.next_seq, rec.csum);
		list_splice_init(&j->open_kept, &kept);
		reset_open(j);
		j->unflushed = false;
		spin_unlock_irq(&j->lock);
	}
	mutex_unlock(&j->m->lock);
	dmo_record_put_list(&kept);
	wake_up_all(&j->wait);
	return rc;
}

/* -- reclaim ------------------------------------------------------------- */

/* Where the tail may be when nothing up to @upto is needed any more. */
static struct dmo_jpos tail_behind(struct dmo_journal *j, struct dmo_boundary *upto)
{
	struct dmo_boundary *next;

	lockdep_assert_held(&j->lock);
	if (!upto)
		next = list_first_entry_or_null(&j->boundaries, struct dmo_boundary, node);
	else
		next = list_is_last(&upto->node, &j->boundaries) ? NULL :
			list_next_entry(upto, node);
	if (next)
		return next->start;
	return j->open_records ? j->open_at : j->head;
}

/* The state block says @tail now. Boundaries up to @upto go to @gone. */
static void tail_moved(struct dmo_journal *j, const struct dmo_jpos *tail,
		       struct dmo_boundary *upto, struct list_head *gone)
{
	lockdep_assert_held(&j->m->lock);
	spin_lock_irq(&j->lock);
	if (distance(j, j->tail.pos, j->good.pos) < distance(j, j->tail.pos, tail->pos))
		j->good = *tail;
	j->tail = *tail;
	j->reach = j->m->st.reach;
	if (upto) {
		list_cut_position(gone, &j->boundaries, &upto->node);
		j->restored = upto->tag;
	}
	spin_unlock_irq(&j->lock);
}

int dmo_journal_release(struct dmo_journal *j, struct dmo_boundary *upto)
{
	struct dmo_state *st = &j->m->st;
	struct dmo_jpos tail;
	LIST_HEAD(gone);
	int rc;

	mutex_lock(&j->m->lock);
	spin_lock_irq(&j->lock);
	tail = tail_behind(j, upto);
	st->committed = j->committed;
	st->newest = j->complete;
	st->epoch = max(st->epoch, j->complete.epoch);
	st->reach = reach_of(j, tail.pos, j->head.pos);
	spin_unlock_irq(&j->lock);
	st->tail = tail.pos;
	st->tail_seq = tail.seq;
	st->tail_prev_csum = tail.prev_csum;
	if (upto) {
		st->restored = upto->tag;
		st->restored_ns = upto->time_ns;
		st->restored_table = upto->table;
		st->restored_activation = upto->activation;
	}
	rc = dmo_meta_write_state(j->m);
	if (!rc)
		tail_moved(j, &tail, upto, &gone);
	mutex_unlock(&j->m->lock);
	free_boundaries(&gone);
	wake_up_all(&j->wait);
	return rc;
}

int dmo_journal_discard(struct dmo_journal *j)
{
	LIST_HEAD(gone);
	int rc;

	lockdep_assert_held(&j->append);
	rc = dmo_journal_drop(j, false);
	if (rc)
		return rc;
	mutex_lock(&j->m->lock);
	spin_lock_irq(&j->lock);
	list_splice_init(&j->boundaries, &gone);
	j->uncommitted = 0;
	spin_unlock_irq(&j->lock);
	mutex_unlock(&j->m->lock);
	free_boundaries(&gone);
	return dmo_journal_release(j, NULL);
}

/* -- life ---------------------------------------------------------------- */

int dmo_journal_adopt(struct dmo_journal *j, struct dmo_jpos good, u64 used, struct dmo_reason *why)
{
	struct dmo_boundary *b;

	lockdep_assert_held(&j->append);
	spin_lock_irq(&j->lock);
	j->good = good;
	j->head = good;
	j->uncommitted = 0;
	list_for_each_entry(b, &j->boundaries, node) {
		j->complete = b->tag;
		j->activation = b->activation;
		if (b->committed) {
			j->committed = b->tag;
			j->committed_ns = b->time_ns;
		} else {
			j->uncommitted++;
		}
	}
	spin_unlock_irq(&j->lock);
	if (used + 2 > j->size)
		return dmo_refuse(why, -EUCLEAN,
				  "journal: %llu of %llu blocks are in use, which leaves no room to go on: format the device again",
				  used, j->size);
	return 0;
}

int dmo_journal_init(struct dmo_journal *j, struct dmo_meta *m)
{
	int rc;

	memset(j, 0, sizeof(*j));
	j->m = m;
	j->base = m->sb.journal_start;
	j->size = m->sb.journal_blocks;
	mutex_init(&j->append);
	spin_lock_init(&j->lock);
	init_waitqueue_head(&j->wait);
	INIT_LIST_HEAD(&j->boundaries);
	INIT_LIST_HEAD(&j->open_kept);
	j->tail.pos = m->st.tail;
	j->tail.seq = m->st.tail_seq;
	j->tail.prev_csum = m->st.tail_prev_csum;
	j->reach = m->st.reach;
	j->restored = m->st.restored;
	j->committed = m->st.restored;
	j->committed_ns = m->st.restored_ns;
	j->complete = m->st.restored;
	j->activation = m->st.restored_activation;
	j->block = (void *)__get_free_page(GFP_KERNEL);
	if (!j->block)
		return -ENOMEM;
	rc = bioset_init(&j->bs, 2 * MAX_INFLIGHT, 0, BIOSET_NEED_BVECS);
	if (rc)
		free_page((unsigned long)j->block);
	return rc;
}

void dmo_journal_exit(struct dmo_journal *j)
{
	wait_inflight(j, 0);
	dmo_record_put_list(&j->open_kept);
	free_boundaries(&j->boundaries);
	bioset_exit(&j->bs);
	free_page((unsigned long)j->block);
}
