// SPDX-License-Identifier: GPL-2.0-only
/*
 * Journal scan; see jscan.h. Pure: the caller reads the blocks.
 *
 * The scan walks from the tail, record by record. At each step there is exactly
 * one record that it takes: the one that bears the expected sequence and its
 * predecessor's checksum, whole in the ring, and with every block's checksum
 * right. Anything else ends it.
 *
 *   DATA    belongs to the open chunk, and opens one if none is.
 *   LAST    closes it, if its totals agree; a chunk may be LAST alone.
 *   COMMIT  may stand anywhere: it may be written while the next chunk comes in.
 *   JUMP    drops the open chunk's records and says which sequence is next. The
 *           abandoned records that follow at their old places bear sequences
 *           below it and so are never taken for its continuation, even if they
 *           repeat the very bytes of what is sent again.
 *
 * "good" is where writing goes on: behind the last LAST, COMMIT or JUMP. Records
 * of an open chunk behind it are overwritten; those before it (a COMMIT came in
 * between) are dropped by the JUMP that the recovering writer puts there first.
 */
#include "format/jscan.h"

u64 dmo_jpos_fit(u64 pos, u64 size, u32 blocks, u32 *skip)
{
	*skip = 0;
	if (pos >= size)
		return 0;
	if (blocks <= size - pos)
		return pos;
	*skip = (u32)(size - pos);
	return 0;
}

static enum dmo_jscan_next ended(struct dmo_jscan *s)
{
	s->ended = true;
	return DMO_JSCAN_END;
}

void dmo_jscan_init(struct dmo_jscan *s, const u8 *uuid, u64 size, struct dmo_jpos tail)
{
	memset(s, 0, sizeof(*s));
	INIT_LIST_HEAD(&s->chunks);
	s->uuid = uuid;
	s->size = size;
	if (tail.pos >= size)
		tail.pos = 0;
	s->at = tail;
	s->good = tail;
	s->max_seq = tail.seq ? tail.seq - 1 : 0;
}

void dmo_jscan_release(struct dmo_jscan *s)
{
	struct dmo_jchunk *c, *next;

	list_for_each_entry_safe(c, next, &s->chunks, node) {
		list_del(&c->node);
		kfree(c);
	}
}

static void advance(struct dmo_jscan *s, const struct dmo_rec *rec)
{
	u32 blocks = 1 + rec->nr_blocks;

	s->used += blocks;
	s->at.pos += blocks;
	if (s->at.pos == s->size)
		s->at.pos = 0;
	s->at.seq = rec->type == DMO_REC_JUMP ? rec->next_seq : rec->seq + 1;
	s->at.prev_csum = rec->csum;
	s->max_seq = rec->seq;
	s->wrapped_try = false;
}

static void close_chunk(struct dmo_jscan *s)
{
	s->open = false;
	s->records = 0;
	s->descs = 0;
	s->csum = 0;
}

static void settle(struct dmo_jscan *s)
{
	s->good = s->at;
	s->good_used = s->used;
}

static bool last_agrees(struct dmo_jscan *s, const struct dmo_rec *rec)
{
	struct dmo_cut newest = s->committed;

	if (!list_empty(&s->chunks)) {
		struct dmo_jchunk *c = list_last_entry(&s->chunks, struct dmo_jchunk, node);

		if (dmo_cut_cmp(c->tag, newest) > 0)
			newest = c->tag;
	}
	if (dmo_cut_cmp(rec->tag, newest) <= 0) {
		dmo_refuse(&s->why, 0,
			   "record %llu: tag of LAST is %llu.%llu, expected above %llu.%llu",
			   rec->seq, rec->tag.epoch, rec->tag.n, newest.epoch, newest.n);
		return false;
	}
	if (rec->total_records != s->records || rec->total_desc != s->descs ||
	    rec->total_csum != s->csum) {
		dmo_refuse(&s->why, 0,
			   "record %llu: totals of LAST are %llu records, %llu descriptors, checksum 0x%08x, found %llu, %llu, 0x%08x",
			   rec->seq, rec->total_records, rec->total_desc, rec->total_csum,
			   s->records, s->descs, s->csum);
		return false;
	}
	return true;
}

/* The record at s->at.pos is whole: take it. */
static enum dmo_jscan_next accept(struct dmo_jscan *s, const void *hdr, const struct dmo_rec *rec)
{
	const struct dmo_disk_rec *d = hdr;
	struct dmo_jchunk *c;

	switch (rec->type) {
	case DMO_REC_DATA:
		if (!s->open) {
			s->open = true;
			s->open_at = s->at;
		}
		s->records++;
		s->descs += rec->nr_desc;
		s->csum = dmo_crc(s->csum, d->desc, rec->nr_desc * sizeof(d->desc[0]));
		advance(s, rec);
		break;
	case DMO_REC_LAST:
		if (!last_agrees(s, rec))
			return ended(s);
		c = kzalloc(sizeof(*c), GFP_NOIO);
		if (!c) {
			s->ended = true;
			return DMO_JSCAN_NOMEM;
		}
		if (!s->open)
			s->open_at = s->at;
		c->tag = rec->tag;
		c->table = rec->table;
		c->time_ns = rec->time_ns;
		c->flags = rec->flags;
		c->activation = rec->activation;
		c->start = s->open_at.pos;
		c->start_seq = s->open_at.seq;
		c->start_prev_csum = s->open_at.prev_csum;
		c->nr_desc = s->descs;
		advance(s, rec);
		c->end = s->at.pos;
		c->end_seq = s->at.seq;
		c->end_csum = s->at.prev_csum;
		list_add_tail(&c->node, &s->chunks);
		close_chunk(s);
		settle(s);
		break;
	case DMO_REC_COMMIT:
		if (dmo_cut_cmp(rec->tag, s->committed) > 0)
			s->committed = rec->tag;
		list_for_each_entry(c, &s->chunks, node)
			if (dmo_cut_cmp(c->tag, s->committed) <= 0)
				c->committed = true;
		advance(s, rec);
		settle(s);
		break;
	case DMO_REC_JUMP:
		close_chunk(s);
		advance(s, rec);
		settle(s);
		break;
	}
	return DMO_JSCAN_HEADER;
}

/* Is the block at s->at.pos the header of the record that is due? If not, @why. */
static bool is_next(struct dmo_jscan *s, const void *buf, struct dmo_rec *rec, struct dmo_reason *why)
{
	if (!buf) {
		dmo_refuse(why, 0, "unreadable");
		return false;
	}
	if (dmo_rec_decode(buf, s->uuid, rec, why))
		return false;
	if (rec->seq != s->at.seq || rec->prev_csum != s->at.prev_csum) {
		dmo_refuse(why, 0,
			   "record has sequence %llu and predecessor 0x%08x, expected %llu and 0x%08x",
			   rec->seq, rec->prev_csum, s->at.seq, s->at.prev_csum);
		return false;
	}
	if (rec->seq == U64_MAX) {
		dmo_refuse(why, 0, "record has the last sequence there is");
		return false;
	}
	if (1 + rec->nr_blocks > s->size - s->at.pos ||
	    1 + rec->nr_blocks > s->size - s->used) {
		dmo_refuse(why, 0, "record %llu of %u blocks reaches beyond the ring",
			   rec->seq, 1 + rec->nr_blocks);
		return false;
	}
	return true;
}

enum dmo_jscan_next dmo_jscan_header(struct dmo_jscan *s, const void *buf, struct dmo_rec *rec)
{
	struct dmo_reason why;
	u64 skip;

	s->due = false;
	if (s->ended)
		return DMO_JSCAN_END;
	if (s->used >= s->size) {
		dmo_refuse(&s->why, 0, "the whole ring was walked");
		return ended(s);
	}
	s->due = is_next(s, buf, rec, &why);
	if (s->due) {
		if (rec->nr_blocks)
			return DMO_JSCAN_BODY;
		return accept(s, buf, rec);
	}
	/* the text of the first place is the one that tells most */
	if (!s->wrapped_try)
		dmo_refuse(&s->why, 0, "block %llu: %.200s", s->at.pos, why.text);
	skip = s->size - s->at.pos;
	if (s->wrapped_try || !s->at.pos || skip >= s->size - s->used)
		return ended(s);
	s->wrapped_try = true;
	s->used += skip;
	s->at.pos = 0;
	return DMO_JSCAN_HEADER;
}

enum dmo_jscan_next dmo_jscan_body(struct dmo_jscan *s, const void *hdr,
				   const struct dmo_rec *rec, const void *data)
{
	const struct dmo_disk_rec *d = hdr;
	const u8 *block = data;
	u32 i;

	if (s->ended)
		return DMO_JSCAN_END;
	if (!data) {
		dmo_refuse(&s->why, 0, "block %llu: data of record %llu is unreadable",
			   s->at.pos, rec->seq);
		return ended(s);
	}
	for (i = 0; i < rec->nr_desc; i++) {
		const struct dmo_desc *e = &d->desc[i];
		u32 csum;

		if (e->type != DMO_DESC_DATA)
			continue;
		csum = dmo_mask_csum(block, e->mask);
		if (csum != le32_to_cpu(e->csum)) {
			dmo_refuse(&s->why, 0,
				   "block %llu: data checksum of record %llu, descriptor %u is 0x%08x, expected 0x%08x",
				   s->at.pos, rec->seq, i, csum, le32_to_cpu(e->csum));
			return ended(s);
		}
		block += DMO_BLOCK;
	}
	return accept(s, hdr, rec);
}
