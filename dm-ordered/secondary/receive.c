// SPDX-License-Identifier: GPL-2.0-only
/*
 * Frames of the primary: into the ring, or straight to the data devices
 * (secondary.h, wire.h). All of it runs in the receive thread, with j.append
 * held, one frame after the other.
 *
 * A frame's descriptors are checked against the volume list before a byte of
 * its data is received, and every block against its checksum before anything
 * is done with it. What a frame may do now (order, tags, totals, mode) is
 * checked where it is done. Any violation ends the link, with a text that goes
 * to both logs.
 *
 * Back-pressure is simply not returning: for room in the ring, for records
 * being written, for the restore before a direct copy. Such waits look at
 * dmo_link_ended() every POLL.
 */
#include <linux/slab.h>
#include "meta/witness.h"
#include "secondary/secondary_priv.h"

#define POLL	(HZ / 4)

static void set_full(struct dmo_secondary *s, bool full)
{
	spin_lock(&s->lock);
	if (full && !dmo_restore_failing(s->restore_state) &&
	    !dmo_restore_damaged(s->restore_state))
		s->block_since = jiffies;
	s->full = full;
	spin_unlock(&s->lock);
}

static bool is_damaged(struct dmo_secondary *s, struct dmo_reason *why)
{
	bool damaged;

	spin_lock(&s->lock);
	damaged = dmo_restore_damaged(s->restore_state);
	if (damaged)
		*why = s->why;
	spin_unlock(&s->lock);
	return damaged;
}

static bool fits(struct dmo_secondary *s, int nr_blocks)
{
	return nr_blocks < 0 ? dmo_journal_fits_last(&s->j) :
			       dmo_journal_fits_data(&s->j, nr_blocks);
}

/* Until a DATA record of @nr_blocks data blocks fits, or a LAST (-1). */
static int wait_for_room(struct dmo_secondary *s, int nr_blocks, struct dmo_reason *why)
{
	int rc = 0;

	if (fits(s, nr_blocks))
		return 0;
	set_full(s, true);
	while (!rc && !fits(s, nr_blocks)) {
		if (dmo_link_ended(s->link))
			rc = -ESHUTDOWN;
		else if (dmo_meta_failed(s->m))
			rc = dmo_sec_meta_error(s, why);
		else if (is_damaged(s, why))
			rc = -EUCLEAN;
		else if (!dmo_journal_frees(&s->j) && !fits(s, nr_blocks))
			/* a COMMIT, if there is one, is behind this frame: we'd never see it */
			rc = dmo_refuse(why, -ENOSPC,
					"journal of %llu KiB is full of what isn't committed: larger chunks than %llu KiB need direct mode, or a larger metadata device",
					s->j.size * 4, dmo_journal_chunk_max(&s->j) >> 10);
		else
			wait_event_idle_timeout(s->j.wait,
						fits(s, nr_blocks) || dmo_link_ended(s->link),
						POLL);
	}
	set_full(s, false);
	return rc;
}

/* -- the data of a frame ------------------------------------------------- */

/* Vectors for the sectors of @mask in @page; the rest of the page is zeroed. */
static u32 page_vecs(struct bio_vec *v, struct page *page, u8 mask)
{
	u32 i, n, nr = 0;

	if (mask != DMO_FULL_MASK)
		memset(page_address(page), 0, DMO_BLOCK);
	for (i = 0; i < DMO_BLOCK_SECTORS; i += n) {
		n = 1;
		if (!(mask & (1u << i)))
			continue;
		while (i + n < DMO_BLOCK_SECTORS && mask & (1u << (i + n)))
			n++;
		v[nr].bv_page = page;
		v[nr].bv_offset = i * DMO_SECTOR;
		v[nr].bv_len = n * DMO_SECTOR;
		nr++;
	}
	return nr;
}

static int check_blocks(const struct dmo_record *r, u64 number, struct dmo_reason *why)
{
	const struct dmo_desc *d = dmo_record_desc(r);
	u32 i, block = 1;

	for (i = 0; i < r->nr_desc; i++) {
		u32 csum;

		if (d[i].type != DMO_DESC_DATA)
			continue;
		csum = dmo_mask_csum(dmo_record_block(r, block++), d[i].mask);
		if (csum != le32_to_cpu(d[i].csum))
			return dmo_refuse(why, -EBADMSG,
					  "frame %llu: volume %u, block %llu: data checksum is 0x%08x, expected 0x%08x: the peer or the connection is faulty",
					  number, le32_to_cpu(d[i].volume),
					  le64_to_cpu(d[i].block), csum, le32_to_cpu(d[i].csum));
	}
	return 0;
}

/* Receive the data of a frame whose descriptors @r has. */
static int read_blocks(struct dmo_secondary *s, struct dmo_record *r, u32 data_len, struct dmo_reason *why)
{
	const struct dmo_desc *d = dmo_record_desc(r);
	u32 i, block = 1, nr = 0;

	for (i = 0; i < r->nr_desc; i++)
		if (d[i].type == DMO_DESC_DATA)
			nr += page_vecs(s->vecs + nr, r->pages[block++], d[i].mask);
	return dmo_link_read(s->link, s->vecs, nr, data_len, why);
}

static u32 count_blocks(const struct dmo_desc *d, u32 nr)
{
	u32 i, blocks = 0;

	for (i = 0; i < nr; i++)
		blocks += d[i].type == DMO_DESC_DATA;
	return blocks;
}

/* A frame's descriptors and data, all checked, as a record. @keep: for the restore */
static struct dmo_record *receive_record(struct dmo_secondary *s, const struct dmo_frame_hdr *h,
					 const struct dmo_desc *d, bool keep, struct dmo_reason *why)
{
	u32 nr = h->payload_len / sizeof(*d), blocks = count_blocks(d, nr);
	struct dmo_record *r;
	void *hdr;
	int rc;

	keep = keep && (u64)atomic64_read(&s->mem_used) + dmo_record_size(blocks) <= s->budget;
	r = dmo_record_alloc(&s->receive_pool, blocks, keep);
	r->nr_desc = nr;
	r->nr_blocks = blocks;
	hdr = dmo_record_block(r, 0);
	memset(hdr, 0, DMO_BLOCK);
	memcpy(dmo_record_desc(r), d, h->payload_len);
	rc = read_blocks(s, r, h->data_len, why);
	if (!rc)
		rc = check_blocks(r, h->number, why);
	if (rc) {
		dmo_record_put(r);
		return ERR_PTR(rc);
	}
	return r;
}

static int check_descs(struct dmo_secondary *s, const struct dmo_frame_hdr *h,
		       const struct dmo_desc *d, struct dmo_reason *why)
{
	const struct dmo_super *sb = &s->m->sb;

	return dmo_frame_check_descs(d, h->payload_len / sizeof(*d), h->data_len,
				     sb->volumes, sb->nr_volumes, why);
}

/* -- chunks -------------------------------------------------------------- */

static int check_data(struct dmo_secondary *s, const struct dmo_frame_hdr *h, struct dmo_reason *why)
{
	struct dmo_journal *j = &s->j;

	if (h->arg != s->frames + 1)
		return dmo_refuse(why, -EPROTO,
				  "DATA: number on the link is %llu, expected %llu", h->arg,
				  s->frames + 1);
	if (dmo_cut_cmp(h->tag, j->complete) <= 0)
		return dmo_refuse(why, -EPROTO,
				  "DATA: of chunk %llu.%llu, expected one above the highest boundary %llu.%llu",
				  h->tag.epoch, h->tag.n, j->complete.epoch, j->complete.n);
	s->frames++;
	return 0;
}

static int on_data(struct dmo_secondary *s, const struct dmo_frame_hdr *h,
		   const struct dmo_desc *d, struct dmo_reason *why)
{
	struct dmo_record *r;
	int rc;

	rc = check_data(s, h, why);
	if (!rc)
		rc = check_descs(s, h, d, why);
	if (rc)
		return rc;
	if (is_damaged(s, why))
		return -EUCLEAN;
	rc = wait_for_room(s, count_blocks(d, h->payload_len / sizeof(*d)), why);
	if (rc)
		return rc;
	r = receive_record(s, h, d, true, why);
	if (IS_ERR(r))
		return PTR_ERR(r);
	rc = dmo_journal_append(&s->j, r);
	dmo_record_put(r);
	if (!rc)
		dmo_sec_journal_moved(s);
	return rc;
}

/* A direct write failed: say which. */
static int direct_error(struct dmo_secondary *s, int rc, struct dmo_reason *why)
{
	u32 volume;

	if (rc == -ECANCELED)
		return rc;
	spin_lock_irq(&s->direct.lock);
	volume = s->direct.error_volume;
	spin_unlock_irq(&s->direct.lock);
	dmo_refuse(why, rc, "direct copy: data device of volume %u: write failed: error %d",
		   volume, rc);
	s->ops->event(s->owner, DMO_EVENT_ERROR, s->j.complete, volume, why->text);
	return rc;
}

static int check_last(struct dmo_secondary *s, const struct dmo_frame_hdr *h,
		      const struct dmo_last *l, struct dmo_reason *why)
{
	struct dmo_journal *j = &s->j;
	enum dmo_copy_state copy = dmo_sec_copy_state(s);
	bool end = l->flags & DMO_LASTF_END_OF_COPY;

	if (dmo_cut_cmp(h->tag, j->complete) <= 0)
		return dmo_refuse(why, -EPROTO,
				  "LAST: tag is %llu.%llu, expected above the highest boundary %llu.%llu",
				  h->tag.epoch, h->tag.n, j->complete.epoch, j->complete.n);
	if (l->total_records != j->open_records || l->total_desc != j->open_desc ||
	    l->total_csum != j->open_csum)
		return dmo_refuse(why, -EPROTO,
				  "LAST: totals are %llu frames, %llu descriptors, checksum 0x%08x, received were %llu, %llu, 0x%08x",
				  l->total_records, l->total_desc, l->total_csum,
				  j->open_records, j->open_desc, j->open_csum);
	if (l->total_records && l->first + l->total_records - 1 != s->frames)
		return dmo_refuse(why, -EPROTO,
				  "LAST: DATA frames are %llu from %llu on the link, but the last that came was %llu",
				  l->total_records, l->first, s->frames);
	if (l->activation != dmo_line_newest(&s->peer_line))
		return dmo_refuse(why, -EPROTO, "LAST: activation is %016llx, HELLO said %016llx",
				  l->activation, dmo_line_newest(&s->peer_line));
	if (!end && l->activation != dmo_line_newest(&s->m->sb.line))
		return dmo_refuse(why, -EPROTO,
				  "LAST: activation is %016llx, the data here is of %016llx, which only the end of a full copy changes",
				  l->activation, dmo_line_newest(&s->m->sb.line));
	if (dmo_copy_needed(copy) && !end)
		return dmo_refuse(why, -EPROTO,
				  "LAST: the data here is INCONSISTENT, which only the end of a full copy ends");
	if (copy == DMO_COPY_NEEDED)
		return dmo_refuse(why, -EPROTO,
				  "LAST: end of a copy that was not begun on this link");
	if (copy == DMO_COPY_WRITTEN)
		return dmo_refuse(why, -EPROTO,
				  "LAST: end of copy, but what was written directly was not synced");
	return 0;
}

/* The data is of the primary's newest activation from now on. */
static int take_line(struct dmo_secondary *s)
{
	struct dmo_super *sb = &s->m->sb;
	int rc = 0;

	mutex_lock(&s->m->lock);
	if (dmo_line_newest(&sb->line) != dmo_line_newest(&s->peer_line)) {
		sb->line = s->peer_line;
		rc = dmo_meta_write_super(s->m);
	}
	mutex_unlock(&s->m->lock);
	return rc;
}

/*
 * The boundary is there, durably. What was written directly is of many points in time; the data
 * devices come to one when this chunk is restored, and are INCONSISTENT until then.
 */
static int end_of_copy(struct dmo_secondary *s, struct dmo_cut tag)
{
	if (!dmo_copy_inconsistent(READ_ONCE(s->copy_state)))
		return dmo_sec_set_inconsistent(s, false, 0, true);
	/* it came with DIRECT_BEGIN, unless the copy was another activation's */
	if (dmo_sec_needs_copy(s))
		dmo_sec_copy_ended(s, tag);
	return take_line(s);
}

static int on_last(struct dmo_secondary *s, const struct dmo_frame_hdr *h, const void *payload,
		   struct dmo_reason *why)
{
	struct dmo_boundary *b;
	struct dmo_last l;
	int rc;

	rc = dmo_last_decode(payload, h->payload_len, &l, why);
	if (!rc)
		rc = check_last(s, h, &l, why);
	if (!rc && is_damaged(s, why))
		rc = -EUCLEAN;
	/* direct writes of an earlier link may be in a cache: no SYNC speaks of them */
	if (!rc && (l.flags & DMO_LASTF_END_OF_COPY) && dmo_writer_dirty(&s->direct)) {
		rc = dmo_writer_flush(&s->direct);
		if (rc)
			rc = direct_error(s, rc, why);
	}
	if (!rc)
		rc = wait_for_room(s, -1, why);
	if (rc)
		return rc;
	b = kzalloc(sizeof(*b), GFP_NOIO);
	if (!b)
		return dmo_refuse(why, -ENOMEM, "no memory for a boundary");
	b->tag = h->tag;
	b->table = l.table;
	b->time_ns = l.time_ns;
	b->flags = l.flags;
	b->activation = l.activation;
	rc = dmo_journal_last(&s->j, b);
	if (rc) {
		kfree(b);
		return rc;
	}
	if (l.flags & DMO_LASTF_END_OF_COPY) {
		rc = end_of_copy(s, h->tag);
		if (rc)
			return rc;
	}
	return dmo_link_post(s->link, DMO_FRAME_COMPLETE, h->tag, 0, NULL, 0);
}

static int on_commit(struct dmo_secondary *s, const struct dmo_frame_hdr *h, struct dmo_reason *why)
{
	int rc;

	if (dmo_cut_cmp(h->tag, s->j.complete) > 0)
		return dmo_refuse(why, -EPROTO,
				  "COMMIT: tag is %llu.%llu, but the highest boundary is %llu.%llu",
				  h->tag.epoch, h->tag.n, s->j.complete.epoch, s->j.complete.n);
	rc = dmo_journal_commit(&s->j, h->tag);
	if (rc < 0)
		return rc;
	if (rc)
		s->ops->event(s->owner, DMO_EVENT_COMMIT, s->j.committed, -1, NULL);
	rc = dmo_link_post(s->link, DMO_FRAME_COMMITTED, h->tag, 0, NULL, 0);
	/* not before COMMITTED, but also when it can't be said any more */
	dmo_restore_kick(s, false);
	if (!rc)
		dmo_sec_said_committed(s, h->tag);
	return rc;
}

static int on_drop(struct dmo_secondary *s, const struct dmo_frame_hdr *h)
{
	/* not complete: its records stay, and count, as early data of the next chunk */
	bool kept = dmo_cut_cmp(h->tag, s->j.complete) <= 0;

	return dmo_link_post(s->link, DMO_FRAME_DROPPED, h->tag, kept, NULL, 0);
}

/* -- direct mode --------------------------------------------------------- */

/* The ring gives back what it has, or is given up, before data goes around it. */
static int empty_ring(struct dmo_secondary *s, struct dmo_reason *why)
{
	int rc;

	if (!is_damaged(s, why))
		return dmo_sec_commit_and_restore(s, why);
	/* INCONSISTENT already; what the ring held is copied anew */
	dmo_restore_wait_idle(s);
	rc = dmo_journal_discard(&s->j);
	if (rc)
		return rc;
	spin_lock(&s->lock);
	dmo_sec_restore_step(s, DMO_RESTORE_EV_GIVEN_UP);
	spin_unlock(&s->lock);
	return 0;
}

static int on_direct_begin(struct dmo_secondary *s, const struct dmo_frame_hdr *h, struct dmo_reason *why)
{
	char text[64];
	bool same;
	int rc;

	if (!h->arg)
		return dmo_refuse(why, -EPROTO, "DIRECT_BEGIN: copy id is 0");
	/* early data of a merged chunk is older than what will be copied directly */
	rc = dmo_journal_drop(&s->j, false);
	if (rc)
		return rc;
	mutex_lock(&s->m->lock);
	same = dmo_sec_needs_copy(s) && s->m->sb.copy_id == h->arg;
	mutex_unlock(&s->m->lock);
	if (!same) {
		rc = empty_ring(s, why);
		if (rc)
			return rc;
	}
	/* behind the last restore, which may have brought entries */
	rc = dmo_witness_withdraw_all(s->m);
	if (rc)
		return rc;
	if (!same) {
		/* the line now: a crash at the end of the copy then has it */
		rc = dmo_sec_set_inconsistent(s, true, h->arg, true);
		if (rc)
			return rc;
		snprintf(text, sizeof(text), "a direct copy begins (copy id %016llx)", h->arg);
		s->ops->event(s->owner, DMO_EVENT_INCONSISTENT, s->j.complete, -1, text);
	}
	spin_lock(&s->lock);
	dmo_sec_copy_step(s, DMO_COPY_EV_READY);
	s->copy.since = jiffies;
	s->copy.left = 0;
	s->copy.total = 0;
	spin_unlock(&s->lock);
	return dmo_link_post(s->link, DMO_FRAME_DIRECT_READY, (struct dmo_cut) { }, h->arg, NULL, 0);
}

static int check_direct(struct dmo_secondary *s, const struct dmo_frame_hdr *h, struct dmo_reason *why)
{
	if (!dmo_secondary_is_direct(s))
		return dmo_refuse(why, -EPROTO, "%s outside of direct mode",
				  dmo_frame_name(h->type));
	if (h->type == DMO_FRAME_DIRECT && s->j.open_records)
		return dmo_refuse(why, -EPROTO,
				  "DIRECT: the chunk that ends the copy has begun");
	return 0;
}

static int on_direct(struct dmo_secondary *s, const struct dmo_frame_hdr *h,
		     const struct dmo_desc *d, struct dmo_reason *why)
{
	struct dmo_record *r;
	int rc;

	rc = check_direct(s, h, why);
	if (!rc)
		rc = check_descs(s, h, d, why);
	if (rc)
		return rc;
	r = receive_record(s, h, d, false, why);
	if (IS_ERR(r))
		return PTR_ERR(r);
	spin_lock(&s->lock);
	dmo_sec_copy_step(s, DMO_COPY_EV_WRITE);
	s->copy.left = h->arg;
	s->copy.total = max(s->copy.total, h->arg);
	spin_unlock(&s->lock);
	dmo_witness_note(s->m, le32_to_cpu(d->volume), le64_to_cpu(d->block));
	rc = dmo_writer_write(&s->direct, r);
	dmo_record_put(r);
	return rc ? direct_error(s, rc, why) : 0;
}

static int on_sync(struct dmo_secondary *s, const struct dmo_frame_hdr *h, struct dmo_reason *why)
{
	int rc;

	rc = check_direct(s, h, why);
	if (rc)
		return rc;
	if (!h->arg || h->arg > U32_MAX || h->arg == s->m->st.copy_step)
		return dmo_refuse(why, -EPROTO, "SYNC: step is %llu, expected 1 to %u and not %u again",
				  h->arg, U32_MAX, s->m->st.copy_step);
	rc = dmo_writer_flush(&s->direct);
	if (rc)
		return direct_error(s, rc, why);
	/* before SYNCED: the primary forgets what it speaks of */
	mutex_lock(&s->m->lock);
	s->m->st.copy_step = h->arg;
	rc = dmo_meta_write_state(s->m);
	mutex_unlock(&s->m->lock);
	if (rc)
		return rc;
	spin_lock(&s->lock);
	dmo_sec_copy_step(s, DMO_COPY_EV_SYNCED);
	spin_unlock(&s->lock);
	return dmo_link_post(s->link, DMO_FRAME_SYNCED, (struct dmo_cut) { }, h->arg, NULL, 0);
}

/* -- dispatch ------------------------------------------------------------ */

static int dispatch(struct dmo_secondary *s, const struct dmo_frame_hdr *h, const void *payload,
		    struct dmo_reason *why)
{
	switch (h->type) {
	case DMO_FRAME_DATA:
		return on_data(s, h, payload, why);
	case DMO_FRAME_LAST:
		return on_last(s, h, payload, why);
	case DMO_FRAME_DROP:
		return on_drop(s, h);
	case DMO_FRAME_COMMIT:
		return on_commit(s, h, why);
	case DMO_FRAME_DIRECT_BEGIN:
		return on_direct_begin(s, h, why);
	case DMO_FRAME_DIRECT:
		return on_direct(s, h, payload, why);
	case DMO_FRAME_SYNC:
		return on_sync(s, h, why);
	}
	return dmo_refuse(why, -EPROTO, "a secondary does not take %s", dmo_frame_name(h->type));
}

int dmo_secondary_frame(struct dmo_secondary *s, struct dmo_link *l,
			const struct dmo_frame_hdr *h, const void *payload, struct dmo_reason *why)
{
	int rc;

	mutex_lock(&s->j.append);
	s->link = l;
	if (dmo_meta_failed(s->m))
		rc = -EIO;
	else
		rc = dispatch(s, h, payload, why);
	s->link = NULL;
	if (rc < 0 && dmo_meta_failed(s->m))
		rc = dmo_sec_meta_error(s, why);
	mutex_unlock(&s->j.append);
	if (rc < 0 && !why->text[0])
		dmo_refuse(why, rc, "%s: error %d", dmo_frame_name(h->type), rc);
	return rc;
}
