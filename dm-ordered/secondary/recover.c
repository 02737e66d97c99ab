// SPDX-License-Identifier: GPL-2.0-only
/*
 * Recovery: what does the ring hold? (R3, R4)
 *
 * The ring is scanned from the tail (jscan.c). A chunk counts only if every
 * record of it verifies; what is behind the last LAST or COMMIT is cut off,
 * durably (dmo_journal_drop()). Nothing before the head is changed, so a crash
 * in here is just another beginning.
 *
 * Was the end that the scan found that of a crash, or damage? A LAST or a COMMIT
 * is only ever written behind records that are durable, and not dropped but by a
 * recovery that told of damage. So one behind the end proves damage, if its sequence
 * is one that this ring has used: from that of the end on, below the floor. (A format
 * of the device begins anywhere in 2^56, so that an older one under the same UUID is
 * seldom taken for this one: 1 in 2^16, and a full copy is the harm.) It is looked for in the blocks that follow, as far as one
 * may have been written (reach, see journal.c), past UNREADABLE that can't be read.
 *
 * If it was a JUMP that was damaged, at the end of the ring, the scan may go on at 0 with
 * the records that it had dropped, and pass over what comes behind it: so what a
 * record skipped that goes to 0 is looked at, too.
 *
 * A block that can't be read tells nothing: what it holds may be the next record
 * of a committed chunk, and may be readable again later. So where the scan needs
 * one, activation fails, with nothing written, rather than to take the ring for
 * shorter than it is. If the record is found at 0, whole or torn, the block was
 * none, unless it is the first behind a LAST or a COMMIT: it may be the JUMP that
 * had dropped the record, and only the next LAST or COMMIT tells that it is not.
 *
 * Then the superblock and the ring are held against each other, with the ring durable by then:
 *   a complete chunk with END_OF_COPY, and a copy under way: it is at its end.
 *     INCONSISTENT goes when that chunk is restored.
 *   a tag known as committed, but neither restored nor in the ring: damage.
 *     The devices may have parts of that chunk; INCONSISTENT.
 */
#include <linux/device-mapper.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include "journal/jread.h"
#include "secondary/secondary_priv.h"

#define DM_MSG_PREFIX "ordered recovery"

#define UNREADABLE	64u

struct scan {
	struct dmo_secondary *s;
	struct dmo_jread ring;
	struct dmo_jscan js;
	/* behind the last LAST or COMMIT; not, as js.good, behind a JUMP: see journal.c */
	struct dmo_jpos good;
	u64 good_used;		/* blocks from the tail to it */
	struct dmo_jpos end;	/* behind the last record accepted */
	u64 end_used;		/* blocks from the tail to it */
	void *header;		/* one block, of the record in hand */
	int error;		/* the block at @error_pos can't be read, and matters */
	u64 error_pos;
	struct dmo_cut copy_end;	/* of the newest chunk that ends a copy */
};

/* @nr blocks at ring position @pos, or NULL if they can't be read. */
static void *blocks_at(struct scan *sc, u64 pos, u32 nr)
{
	int rc;
	void *p = dmo_jread_blocks(&sc->ring, pos, nr, &rc);

	if (!p) {
		DMWARN("%pg: journal, block %llu: read failed: error %d", sc->s->m->bdev, pos, rc);
		sc->error = rc;
		sc->error_pos = pos;
	}
	return p;
}

/* Some of the @nr blocks at @pos can't be read: the error is to name the first of them. */
static void find_unreadable(struct scan *sc, u64 pos, u32 nr)
{
	for (; nr && blocks_at(sc, pos, 1); nr--)
		pos++;
}

/* What the scan accepts must be about volumes that there are. */
static int check_record(struct scan *sc, const struct dmo_rec *rec, struct dmo_reason *why)
{
	const struct dmo_disk_rec *d = sc->header;
	const struct dmo_super *sb = &sc->s->m->sb;
	struct dmo_reason form;
	u32 i;

	for (i = 0; i < rec->nr_desc; i++)
		if (dmo_desc_check(&d->desc[i], sb->volumes, sb->nr_volumes, &form))
			return dmo_refuse(why, -EUCLEAN, "journal record %llu: %.200s", rec->seq,
					  form.text);
	return 0;
}

static int scan_ring(struct scan *sc, struct dmo_reason *why)
{
	enum dmo_jscan_next next = DMO_JSCAN_HEADER;
	struct dmo_jscan *js = &sc->js;
	struct dmo_rec rec;
	int rc = 0;

	while (!rc && next != DMO_JSCAN_END && next != DMO_JSCAN_NOMEM) {
		u64 seq = js->at.seq;
		void *p;

		if (next == DMO_JSCAN_HEADER) {
			p = blocks_at(sc, js->at.pos, 1);
			if (p)	/* it moves when the body is read */
				memcpy(sc->header, p, DMO_BLOCK);
			next = dmo_jscan_header(js, p ? sc->header : NULL, &rec);
			if (js->due && sc->error_pos != sc->good.pos)	/* no JUMP: see the top */
				sc->error = 0;
		} else {
			p = blocks_at(sc, js->at.pos, 1 + rec.nr_blocks);
			if (!p)
				find_unreadable(sc, js->at.pos, 1 + rec.nr_blocks);
			next = dmo_jscan_body(js, sc->header, &rec, p ? p + DMO_BLOCK : NULL);
		}
		if (js->at.seq != seq) {	/* accepted */
			rc = check_record(sc, &rec, why);
			sc->end = js->at;
			sc->end_used = js->used;
			if (rec.type == DMO_REC_LAST || rec.type == DMO_REC_COMMIT) {
				sc->good = js->good;
				sc->good_used = js->good_used;
				sc->error = 0;
			}
		}
		cond_resched();
	}
	if (!rc && sc->error)
		rc = dmo_refuse(why, -EIO,
				"journal, block %llu can't be read: error %d; what was committed isn't known: make it readable, or overwrite that block of the device (%llu)",
				sc->error_pos, sc->error, sc->s->j.base + sc->error_pos);
	if (!rc && next == DMO_JSCAN_NOMEM)
		rc = dmo_refuse(why, -ENOMEM, "no memory for the journal's scan");
	return rc;
}

/* What is behind the end. */
struct beyond {
	struct dmo_cut committed, newest;	/* highest of a COMMIT, of a LAST */
	u64 newest_at;
	u32 unreadable;
};

/* Was @seq, not before the end, given to a record of this ring? See the top. */
static bool was_used(struct scan *sc, u64 seq)
{
	u64 end = sc->end.seq, floor = sc->s->m->st.seq_floor;

	/* the floor of a fresh device is that of its first record */
	return seq >= end && (seq < floor || seq - end < sc->s->j.size);
}

/* Look at @nr blocks from @pos on. */
static void look_at(struct scan *sc, u64 pos, u64 nr, struct beyond *b)
{
	struct dmo_journal *j = &sc->s->j;
	struct dmo_reason why;
	struct dmo_rec rec;

	for (; nr && b->unreadable <= UNREADABLE; nr--, pos = pos + 1 == j->size ? 0 : pos + 1) {
		void *p = blocks_at(sc, pos, 1);

		cond_resched();
		if (!p) {	/* it tells nothing, but those behind it may */
			b->unreadable++;
			continue;
		}
		if (dmo_rec_decode(p, j->m->sb.uuid, &rec, &why) || !was_used(sc, rec.seq))
			continue;
		if (rec.type == DMO_REC_COMMIT && dmo_cut_cmp(rec.tag, b->committed) > 0)
			b->committed = rec.tag;
		if (rec.type != DMO_REC_LAST || dmo_cut_cmp(rec.tag, b->newest) <= 0)
			continue;
		b->newest = rec.tag;
		b->newest_at = pos;
	}
}

/* Damage? See the top. @committed: raised to what is found to have been. */
static void look_beyond(struct scan *sc, struct dmo_cut *committed)
{
	struct dmo_journal *j = &sc->s->j;
	u64 reach = j->reach ?: j->size;
	u64 rest = min_t(u64, j->size - sc->good.pos, DMO_RECORD_PAGES);
	struct beyond b = { };

	look_at(sc, sc->end.pos, reach - min(reach, sc->end_used), &b);
	if (sc->end.pos < sc->good.pos) {
		b.unreadable = 0;
		look_at(sc, j->size - rest, rest, &b);
	}
	if (dmo_cut_cmp(b.committed, *committed) > 0)
		*committed = b.committed;
	if (!dmo_cut_is_zero(b.newest))
		DMERR("%pg: the journal is damaged (%s): as block %llu tells, it once held complete chunks up to %llu.%llu",
		      j->m->bdev, sc->js.why.text, b.newest_at, b.newest.epoch, b.newest.n);
}

/* The scan's chunks become the journal's boundaries. */
static int take_chunks(struct scan *sc, struct dmo_cut committed, struct dmo_reason *why)
{
	struct dmo_journal *j = &sc->s->j;
	struct dmo_cut newest = j->restored;
	struct dmo_jchunk *c;

	list_for_each_entry(c, &sc->js.chunks, node) {
		struct dmo_boundary *b;

		if (dmo_cut_cmp(c->tag, newest) <= 0)
			return dmo_refuse(why, -EUCLEAN,
					  "journal, block %llu: chunk %llu.%llu comes behind %llu.%llu: the metadata device is damaged",
					  c->start, c->tag.epoch, c->tag.n, newest.epoch,
					  newest.n);
		newest = c->tag;
		b = kzalloc(sizeof(*b), GFP_KERNEL);
		if (!b)
			return dmo_refuse(why, -ENOMEM, "no memory for the journal's boundaries");
		INIT_LIST_HEAD(&b->records);
		b->tag = c->tag;
		b->table = c->table;
		b->time_ns = c->time_ns;
		b->flags = c->flags;
		b->activation = c->activation;
		b->start.pos = c->start;
		b->start.seq = c->start_seq;
		b->start.prev_csum = c->start_prev_csum;
		b->last_seq = c->end_seq - 1;
		b->committed = dmo_cut_cmp(c->tag, committed) <= 0;
		if (c->flags & DMO_LASTF_END_OF_COPY)
			sc->copy_end = c->tag;
		list_add_tail(&b->node, &j->boundaries);
	}
	return 0;
}

/* Cut off what is behind @good; from here on all that was found is durable. */
static int cut_off(struct scan *sc, struct dmo_cut committed, struct dmo_reason *why)
{
	struct dmo_secondary *s = sc->s;
	u64 above = max(sc->good.seq, sc->js.max_seq) + 1;
	int rc;

	mutex_lock(&s->j.append);
	mutex_lock(&s->m->lock);
	/* a fresh device, whose floor is not above its first sequence */
	if (s->m->st.seq_floor < above)
		s->m->st.seq_floor = above;
	/* goes to the disk before the JUMP, behind which no scan sees what told of it */
	if (dmo_cut_cmp(committed, s->m->st.committed) > 0)
		s->m->st.committed = committed;
	/* a write that the machine's end cut short: what comes must not build on one copy alone */
	rc = s->m->sb_stale ? dmo_meta_write_super(s->m) : 0;
	mutex_unlock(&s->m->lock);
	if (rc) {
		*why = s->m->why;
		goto out;
	}
	rc = dmo_journal_adopt(&s->j, sc->good, sc->good_used, why);
	if (!rc) {
		rc = dmo_journal_drop(&s->j, true);
		if (rc)
			*why = s->m->why;
	}
out:
	mutex_unlock(&s->j.append);
	return rc;
}

/* See the top. */
static int agree(struct scan *sc, struct dmo_cut committed, struct dmo_reason *why)
{
	struct dmo_secondary *s = sc->s;
	struct dmo_cut complete = s->j.complete;
	int rc = 0;

	if (dmo_cut_cmp(committed, complete) > 0) {
		if (dmo_copy_inconsistent(s->copy_state))
			return 0;
		DMERR("%pg: chunk %llu.%llu was committed, but the journal ends at %llu.%llu (%s): the data is INCONSISTENT, a full copy is needed",
		      s->m->bdev, committed.epoch, committed.n, complete.epoch, complete.n,
		      sc->js.why.text);
		rc = dmo_sec_set_inconsistent(s, true, 0, false);
	} else if (dmo_copy_inconsistent(s->copy_state) && s->m->sb.copy_id && !dmo_cut_is_zero(sc->copy_end)) {
		DMINFO("%pg: the direct copy had come to its end", s->m->bdev);
		dmo_sec_copy_ended(s, sc->copy_end);
	}
	if (rc)
		*why = s->m->why;
	return rc;
}

/* All that the ring can tell. @committed: raised to what was, by what it tells */
static int read_ring(struct scan *sc, struct dmo_cut *committed, struct dmo_reason *why)
{
	int rc;

	rc = dmo_jread_init(&sc->ring, &sc->s->j);
	if (rc)
		return dmo_refuse(why, rc, "no memory for recovery");
	rc = scan_ring(sc, why);
	if (!rc) {
		if (dmo_cut_cmp(sc->js.committed, *committed) > 0)
			*committed = sc->js.committed;
		look_beyond(sc, committed);
	}
	dmo_jread_exit(&sc->ring);
	return rc;
}

static int scan_and_settle(struct scan *sc, struct dmo_reason *why)
{
	struct dmo_secondary *s = sc->s;
	struct dmo_cut committed = s->m->st.committed;
	int rc;

	rc = read_ring(sc, &committed, why);
	if (!rc)
		rc = take_chunks(sc, committed, why);
	if (!rc)
		rc = cut_off(sc, committed, why);
	if (!rc)
		rc = agree(sc, committed, why);
	if (rc)
		return rc;
	DMINFO("%pg: newest boundary %llu.%llu, committed %llu.%llu, restored %llu.%llu",
	       s->m->bdev, s->j.complete.epoch, s->j.complete.n, s->j.committed.epoch,
	       s->j.committed.n, s->j.restored.epoch, s->j.restored.n);
	/* with nothing dropped the scan's end is where the writer was, and what it found there no news */
	if (sc->js.records)
		DMINFO("%pg: %llu records of an open chunk dropped (%s)", s->m->bdev,
		       sc->js.records, sc->js.why.text);
	return 0;
}

int dmo_recover(struct dmo_secondary *s, struct dmo_reason *why)
{
	struct scan *sc;
	int rc;

	sc = kzalloc(sizeof(*sc), GFP_KERNEL);
	if (!sc)
		return dmo_refuse(why, -ENOMEM, "no memory for recovery");
	sc->s = s;
	sc->good = s->j.tail;
	sc->end = s->j.tail;
	sc->header = kmalloc(DMO_BLOCK, GFP_KERNEL);
	dmo_jscan_init(&sc->js, s->m->sb.uuid, s->j.size, s->j.tail);
	if (sc->header)
		rc = scan_and_settle(sc, why);
	else
		rc = dmo_refuse(why, -ENOMEM, "no memory for recovery");
	dmo_jscan_release(&sc->js);
	kfree(sc->header);
	kfree(sc);
	return rc;
}
