// SPDX-License-Identifier: GPL-2.0-only
/*
 * A walk over the records of a complete chunk; see jwalk.h.
 *
 * Every record was found whole once, when it was received or scanned. It is
 * trusted no more for that: what is read from the ring passes the tests of a
 * scan again (chain, checksums, volumes), and nothing that fails is applied.
 * Between a chunk's DATA records there may be COMMITs, but no JUMP.
 */
#include "journal/jwalk.h"

void dmo_jwalk_init(struct dmo_jwalk *w, struct dmo_journal *j, struct dmo_rpool *pool,
		    struct dmo_boundary *b)
{
	w->j = j;
	w->pool = pool;
	w->b = b;
	w->at = b->start;
	w->kept = b->records.next;
	w->hint = 0;
}

static void step(struct dmo_jwalk *w, u64 pos, u32 nr_blocks, u32 csum)
{
	w->at.pos = pos + 1 + nr_blocks;
	if (w->at.pos >= w->j->size)
		w->at.pos = 0;
	w->at.seq++;
	w->at.prev_csum = csum;
}

/* The kept record that is due, if it is kept. */
static struct dmo_record *next_kept(struct dmo_jwalk *w)
{
	struct dmo_record *r;

	if (w->kept == &w->b->records)
		return NULL;
	r = list_entry(w->kept, struct dmo_record, node);
	if (r->seq != w->at.seq)
		return NULL;
	w->kept = w->kept->next;
	step(w, r->pos, r->nr_blocks, r->csum);
	dmo_record_get(r);
	return r;
}

/* Read the header at @pos, with as many blocks as the last record had. *@have: read */
static int read_header(struct dmo_jwalk *w, u64 pos, struct dmo_record *r, u32 *have, struct dmo_reason *why)
{
	u32 nr = min_t(u64, r->nr_pages, w->j->size - pos);
	int rc = dmo_journal_read(w->j, pos, r, 0, nr);

	if (rc && nr > 1) {	/* the fault may lie behind the record */
		nr = 1;
		rc = dmo_journal_read(w->j, pos, r, 0, nr);
	}
	*have = nr;
	if (rc)
		return dmo_refuse(why, -EIO, "journal, block %llu: read failed: error %d", pos, rc);
	return 0;
}

static int check_header(struct dmo_jwalk *w, u64 pos, struct dmo_record *r, struct dmo_rec *rec,
			struct dmo_reason *why)
{
	struct dmo_reason form;

	if (dmo_rec_decode(dmo_record_block(r, 0), w->j->m->sb.uuid, rec, &form))
		return dmo_refuse(why, -EUCLEAN, "journal, block %llu: %.200s", pos, form.text);
	if (rec->seq != w->at.seq || rec->prev_csum != w->at.prev_csum)
		return dmo_refuse(why, -EUCLEAN,
				  "journal, block %llu: record has sequence %llu, expected %llu",
				  pos, rec->seq, w->at.seq);
	if (rec->nr_blocks >= w->j->size - pos)
		return dmo_refuse(why, -EUCLEAN,
				  "journal, block %llu: record of %u blocks reaches beyond the ring",
				  pos, 1 + rec->nr_blocks);
	return 0;
}

static int check_data(struct dmo_jwalk *w, u64 pos, const struct dmo_record *r, struct dmo_reason *why)
{
	const struct dmo_desc *d = dmo_record_desc(r);
	const struct dmo_super *sb = &w->j->m->sb;
	struct dmo_reason form;
	u32 i, block = 1;

	for (i = 0; i < r->nr_desc; i++) {
		u32 csum;

		if (dmo_desc_check(&d[i], sb->volumes, sb->nr_volumes, &form))
			return dmo_refuse(why, -EUCLEAN, "journal, block %llu: %.200s", pos,
					  form.text);
		if (d[i].type != DMO_DESC_DATA)
			continue;
		csum = dmo_mask_csum(dmo_record_block(r, block), d[i].mask);
		if (csum != le32_to_cpu(d[i].csum))
			return dmo_refuse(why, -EUCLEAN,
					  "journal, block %llu: data checksum is 0x%08x, expected 0x%08x",
					  pos + block, csum, le32_to_cpu(d[i].csum));
		block++;
	}
	return 0;
}

/* Read the record that is due into @r. */
static int read_record(struct dmo_jwalk *w, struct dmo_record *r, struct dmo_rec *rec, struct dmo_reason *why)
{
	u64 pos = w->at.pos;
	u32 have;
	int rc;

	rc = read_header(w, pos, r, &have, why) ?: check_header(w, pos, r, rec, why);
	if (rc && pos) {	/* it may have been too long for the end of the ring */
		struct dmo_reason form;

		pos = 0;
		if (read_header(w, pos, r, &have, &form))
			return -EIO;
		if (check_header(w, pos, r, rec, &form))
			return rc;	/* the text of the first place tells most */
		rc = 0;
	}
	if (rc)
		return rc;
	r->pos = pos;
	r->seq = rec->seq;
	r->csum = rec->csum;
	r->nr_desc = rec->nr_desc;
	r->nr_blocks = rec->nr_blocks;
	dmo_record_grow(r, rec->nr_blocks);
	if (1 + rec->nr_blocks > have) {
		rc = dmo_journal_read(w->j, pos + have, r, have, 1 + rec->nr_blocks - have);
		if (rc)
			return dmo_refuse(why, -EIO, "journal, block %llu: read failed: error %d",
					  pos + have, rc);
	}
	step(w, pos, rec->nr_blocks, rec->csum);
	return rec->type == DMO_REC_DATA ? check_data(w, pos, r, why) : 0;
}

int dmo_jwalk_next(struct dmo_jwalk *w, struct dmo_record **result, struct dmo_reason *why)
{
	struct dmo_record *r;
	struct dmo_rec rec;
	int rc;

	for (;;) {
		if (w->at.seq == w->b->last_seq)
			return 0;
		r = next_kept(w);
		if (r)
			break;
		r = dmo_record_alloc(w->pool, w->hint, false);
		rc = read_record(w, r, &rec, why);
		if (!rc && rec.type == DMO_REC_DATA) {
			w->hint = rec.nr_blocks;
			break;
		}
		dmo_record_put(r);
		if (rc)
			return rc;
		if (rec.type != DMO_REC_COMMIT)
			return dmo_refuse(why, -EUCLEAN,
					  "journal: record %llu has type %u within a complete chunk",
					  rec.seq, rec.type);
	}
	*result = r;
	return 1;
}
