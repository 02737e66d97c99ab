// SPDX-License-Identifier: GPL-2.0-only
/*
 * The journal scan against a model of the journal's writer.
 *
 * The model's ring lies on a disk with a volatile cache: a crash keeps, of what
 * was written since the last flush, any set of 512-byte sectors. The model
 * knows which chunks were COMPLETE (flushed behind LAST) and which records it
 * wrote where; the scan has to find those, and nothing else.
 */
#include "unit.h"
#include "format/jscan.h"

static const u8 uuid[DMO_UUID_LEN] = "the session uuid";
static const u8 other[DMO_UUID_LEN] = "another session ";

#define RING_MAX	400
#define MAX_CHUNKS	400
#define MAX_RECS	64
#define REC_BLOCKS	9		/* of the model's records, at most */
#define RESERVE		16		/* kept for LAST, COMMIT and JUMP */

struct mrec {
	u64 pos;
	u32 blocks;
	u8 *copy;
};

struct mchunk {
	struct dmo_cut tag;
	struct mrec recs[MAX_RECS];
	u32 nr_recs;
	u64 nr_desc;
	struct dmo_jpos end;		/* behind its LAST */
	u64 end_used;			/* blocks from the tail of then */
	bool last, complete;
};

static struct {
	u64 size;
	u8 cache[RING_MAX][DMO_BLOCK], stable[RING_MAX][DMO_BLOCK];
	u8 dirty[RING_MAX];		/* a bit a sector */

	struct dmo_jpos tail, head, good;
	u64 walked, good_walked, tail_walked;	/* blocks since the beginning */
	u64 floor;
	struct dmo_cut committed, restored;
	u64 records, descs;
	u32 csum;
	struct mchunk chunks[MAX_CHUNKS];	/* since the tail; the last may be open */
	u32 nr;
	bool open;
} m;

static struct dmo_jscan s;
static u8 body[DMO_REC_MAX_DESC * DMO_BLOCK];
static u8 hdr[DMO_BLOCK];
static u64 unreadable = U64_MAX;

/* -- the disk -- */

static void disk_write(u64 pos, const void *block, bool fua)
{
	assert_true(pos < m.size);
	memcpy(m.cache[pos], block, DMO_BLOCK);
	if (fua)
		memcpy(m.stable[pos], block, DMO_BLOCK);
	m.dirty[pos] = fua ? 0 : 0xff;
}

static void disk_flush(void)
{
	u64 i;

	for (i = 0; i < m.size; i++)
		if (m.dirty[i])
			memcpy(m.stable[i], m.cache[i], DMO_BLOCK);
	memset(m.dirty, 0, sizeof(m.dirty));
}

/* Power fails: @keep of 100 unflushed blocks or, if @tear, sectors reach the medium. */
static void disk_crash(u32 keep, bool tear)
{
	u32 b;
	u64 i;

	for (i = 0; i < m.size; i++) {
		if (!m.dirty[i])
			continue;
		if (!tear) {
			if (unit_below(100) < keep)
				memcpy(m.stable[i], m.cache[i], DMO_BLOCK);
			continue;
		}
		for (b = 0; b < 8; b++)
			if (unit_below(100) < keep)
				memcpy(m.stable[i] + 512 * b, m.cache[i] + 512 * b, 512);
	}
	memcpy(m.cache, m.stable, sizeof(m.cache));
	memset(m.dirty, 0, sizeof(m.dirty));
}

/* -- the writer -- */

static void forget(struct mchunk *c)
{
	u32 i;

	for (i = 0; i < c->nr_recs; i++)
		free(c->recs[i].copy);
	memset(c, 0, sizeof(*c));
}

static void m_init(u64 size)
{
	while (m.nr)
		forget(&m.chunks[--m.nr]);
	memset(&m, 0, sizeof(m));
	m.size = size;
	m.floor = 1000;
	unreadable = U64_MAX;
}

static void m_close(void)
{
	m.open = false;
	m.records = 0;
	m.descs = 0;
	m.csum = 0;
}

static u64 m_used(void)
{
	return m.walked - m.tail_walked;
}

static bool m_room(u32 blocks)
{
	u64 skip = m.head.pos + blocks > m.size ? m.size - m.head.pos : 0;

	return m_used() + skip + blocks + RESERVE <= m.size;
}

static struct dmo_disk_rec *rec_of(void *buf)
{
	return buf;
}

/* Writes the record in hdr (its descriptors) and body. */
static void m_put(struct dmo_rec *rec, bool fua)
{
	u32 blocks = 1 + rec->nr_blocks, i;

	if (m.head.pos + blocks > m.size) {
		m.walked += m.size - m.head.pos;
		m.head.pos = 0;
	}
	assert_true(m.walked + blocks - m.tail_walked <= m.size);
	rec->seq = m.head.seq;
	assert_true(rec->seq < m.floor);
	rec->prev_csum = m.head.prev_csum;
	dmo_rec_encode(rec, uuid, hdr);
	disk_write(m.head.pos, hdr, fua);
	for (i = 0; i < rec->nr_blocks; i++)
		disk_write(m.head.pos + 1 + i, body + i * DMO_BLOCK, fua);
	if (rec->type == DMO_REC_DATA || rec->type == DMO_REC_LAST) {
		struct mchunk *c = &m.chunks[m.nr - 1];
		struct mrec *r = &c->recs[c->nr_recs++];

		assert_true(c->nr_recs <= MAX_RECS);
		r->pos = m.head.pos;
		r->blocks = blocks;
		r->copy = malloc(blocks * DMO_BLOCK);
		memcpy(r->copy, m.cache[r->pos], blocks * DMO_BLOCK);
	}
	m.walked += blocks;
	m.head.pos = m.head.pos + blocks == m.size ? 0 : m.head.pos + blocks;
	m.head.seq++;
	if (rec->type == DMO_REC_JUMP)
		m.head.seq = rec->next_seq;
	m.head.prev_csum = rec->csum;
	if (rec->type != DMO_REC_DATA) {
		m.good = m.head;
		m.good_walked = m.walked;
	}
}

static void m_open(u64 n)
{
	assert_false(m.open);
	assert_true(m.nr < MAX_CHUNKS);
	m.open = true;
	memset(&m.chunks[m.nr], 0, sizeof(m.chunks[0]));
	m.chunks[m.nr++].tag = (struct dmo_cut){ 1, n };
}

static struct dmo_rec data_rec(u32 nr_desc, u32 nr_blocks)
{
	struct dmo_rec rec = { .type = DMO_REC_DATA, .nr_desc = nr_desc, .nr_blocks = nr_blocks };

	return rec;
}

/*
 * Prepares in hdr and body DATA record @i of chunk @n: always the same bytes for
 * the same chunk and record, as when a primary sends it again.
 */
static struct dmo_rec m_content(u64 n, u32 i, u32 max_blocks)
{
	u64 saved = unit_rng;
	struct dmo_rec rec;
	u32 j, nr, data = 0;

	unit_rng = n * 1000 + i;
	nr = 1 + unit_below(REC_BLOCKS - 1);
	memset(hdr, 0, sizeof(hdr));
	for (j = 0; j < nr; j++) {
		struct dmo_desc *d = &rec_of(hdr)->desc[j];

		d->volume = cpu_to_le32(unit_below(3));
		d->block = cpu_to_le64(unit_rand() >> 20);
		if (unit_below(4) && data < max_blocks) {
			u8 *b = body + data++ * DMO_BLOCK;

			unit_fill(b, 64);
			memset(b + 64, (int)unit_rand(), DMO_BLOCK - 64);
			unit_fill(b + DMO_BLOCK - 64, 64);
			d->type = DMO_DESC_DATA;
			d->mask = 1 + unit_below(255);
			d->len = cpu_to_le32(hweight8(d->mask) * 512);
			d->csum = cpu_to_le32(dmo_mask_csum(b, d->mask));
		} else {
			d->type = DMO_DESC_ZERO;
			d->mask = 0xff;
			d->count = cpu_to_le64(1 + unit_below(1000));
		}
	}
	rec = data_rec(nr, data);
	unit_rng = saved;
	return rec;
}

static void m_data_put(struct dmo_rec *rec)
{
	m.records++;
	m.descs += rec->nr_desc;
	m.csum = dmo_crc(m.csum, hdr + DMO_REC_HDR, rec->nr_desc * sizeof(struct dmo_desc));
	m_put(rec, false);
}

static void m_data(void)
{
	struct mchunk *c = &m.chunks[m.nr - 1];
	struct dmo_rec rec = m_content(c->tag.n, (u32)m.records, REC_BLOCKS - 1);

	m_data_put(&rec);
}

/* A DATA record of exactly @blocks, header block included. */
static void m_data_blocks(u32 blocks)
{
	struct dmo_rec rec;
	u32 i;

	memset(hdr, 0, sizeof(hdr));
	for (i = 0; i < blocks - 1; i++) {
		struct dmo_desc *d = &rec_of(hdr)->desc[i];

		unit_fill(body + i * DMO_BLOCK, DMO_BLOCK);
		d->type = DMO_DESC_DATA;
		d->mask = 0xff;
		d->block = cpu_to_le64(i);
		d->len = cpu_to_le32(hweight8(d->mask) * 512);
		d->csum = cpu_to_le32(dmo_mask_csum(body + i * DMO_BLOCK, 0xff));
	}
	if (!i) {
		struct dmo_desc *d = &rec_of(hdr)->desc[0];

		d->type = DMO_DESC_ZERO;
		d->mask = 0xff;
		d->count = cpu_to_le64(5);
	}
	rec = data_rec(max_t(u32, i, 1), i);
	m_data_put(&rec);
}

static struct dmo_rec last_rec(void)
{
	struct mchunk *c = &m.chunks[m.nr - 1];
	struct dmo_rec rec = {
		.type = DMO_REC_LAST, .tag = c->tag, .table = { 3, 4 }, .time_ns = c->tag.n * 7,
		.total_records = m.records, .total_desc = m.descs, .total_csum = m.csum,
	};

	return rec;
}

static void m_last_put(struct dmo_rec rec)
{
	struct mchunk *c = &m.chunks[m.nr - 1];

	c->nr_desc = m.descs;
	m_put(&rec, false);
	c->end = m.head;
	c->last = true;
	m_close();
}

static void m_last(void)
{
	m_last_put(last_rec());
}

static void m_flush(void)
{
	u32 i;

	disk_flush();
	for (i = 0; i < m.nr; i++)
		m.chunks[i].complete = m.chunks[i].last;
}

/*
 * Commits every complete chunk up to @tag. The scan gets to the record only through
 * what stands before it, so a flush goes first; without @flush the power fails next.
 */
static void m_commit(struct dmo_cut tag, bool flush)
{
	struct dmo_rec rec = { .type = DMO_REC_COMMIT, .tag = tag };

	if (flush)
		m_flush();
	m_put(&rec, flush);
	if (flush && dmo_cut_cmp(tag, m.committed) > 0)
		m.committed = tag;
}

/* The oldest chunk is on the data devices. */
static void m_restore(void)
{
	struct mchunk *c = &m.chunks[0];
	u64 p = m.tail.pos, walked = m.tail_walked;

	assert_true(c->complete && dmo_cut_cmp(c->tag, m.committed) <= 0);
	m.restored = c->tag;
	walked += c->end.pos > p ? c->end.pos - p : m.size - p + c->end.pos;
	m.tail_walked = walked;
	m.tail = c->end;
	forget(c);
	memmove(m.chunks, m.chunks + 1, sizeof(m.chunks[0]) * (m.nr - 1));
	m.nr--;
	memset(&m.chunks[m.nr], 0, sizeof(m.chunks[0]));
}

static void m_jump(void)
{
	struct dmo_rec rec = { .type = DMO_REC_JUMP, .next_seq = m.floor };

	m.floor += 1000;	/* durable first */
	m_put(&rec, true);
}

/* The link broke, or DROP: what the open chunk has is given up. */
static void m_drop(bool rewind)
{
	if (m.open)
		forget(&m.chunks[--m.nr]);
	m_close();
	if (rewind) {
		m.head = m.good;
		m.walked = m.good_walked;
	} else {
		disk_flush();
		m_flush();
	}
	m_jump();
}

/* -- the scan -- */

static void scan_from(struct dmo_jpos tail)
{
	enum dmo_jscan_next next = DMO_JSCAN_HEADER;
	struct dmo_rec rec;
	u32 steps = 0;

	dmo_jscan_init(&s, uuid, m.size, tail);
	while (next == DMO_JSCAN_HEADER || next == DMO_JSCAN_BODY) {
		/* a step or two a block, and a second look for each wrap */
		assert_true(steps++ < 4 * m.size + 4);
		assert_true(s.at.pos < m.size);
		if (next == DMO_JSCAN_HEADER) {
			memcpy(hdr, m.stable[s.at.pos], DMO_BLOCK);
			next = dmo_jscan_header(&s, s.at.pos == unreadable ? NULL : hdr, &rec);
		} else {
			bool bad = unreadable > s.at.pos && unreadable <= s.at.pos + rec.nr_blocks;

			assert_true(s.at.pos + 1 + rec.nr_blocks <= m.size);
			memcpy(body, m.stable[s.at.pos + 1], rec.nr_blocks * DMO_BLOCK);
			next = dmo_jscan_body(&s, hdr, &rec, bad ? NULL : body);
		}
	}
	assert_int_equal(next, DMO_JSCAN_END);
	assert_int_equal(dmo_jscan_header(&s, hdr, &rec), DMO_JSCAN_END);
	assert_true(s.good_used <= m.size && s.used <= m.size);
	assert_true(s.good.pos < m.size);
	assert_true(s.why.text[0]);
}

static u32 found(void)
{
	struct dmo_jchunk *c;
	u32 n = 0;

	list_for_each_entry(c, &s.chunks, node)
		n++;
	return n;
}

/* The record is on the disk as it was written; sectors not carried don't matter. */
static void same_record(const struct mrec *r)
{
	const struct dmo_disk_rec *d = rec_of(r->copy);
	u32 i, j, data = 0;

	assert_memory_equal(m.stable[r->pos], r->copy, DMO_BLOCK);
	for (i = 0; i < le32_to_cpu(d->nr_desc); i++) {
		if (d->desc[i].type != DMO_DESC_DATA)
			continue;
		data++;
		for (j = 0; j < 8; j++)
			if (d->desc[i].mask >> j & 1)
				assert_memory_equal(m.stable[r->pos + data] + 512 * j,
						    r->copy + DMO_BLOCK * data + 512 * j, 512);
	}
	assert_int_equal(r->blocks, 1 + data);
}

/* Scans, and checks that what is found are the first chunks of the model; how many. */
static u32 scan(void)
{
	struct dmo_jchunk *c;
	struct dmo_jpos prev = m.tail;
	u32 n = 0, i;

	scan_from(m.tail);
	list_for_each_entry(c, &s.chunks, node) {
		struct mchunk *w = &m.chunks[n++];

		assert_true(n <= m.nr);
		assert_true(w->last);
		assert_int_equal(dmo_cut_cmp(c->tag, w->tag), 0);
		assert_true(c->end == w->end.pos && c->end_seq == w->end.seq &&
			    c->end_csum == w->end.prev_csum);
		assert_true(c->nr_desc == w->nr_desc);
		assert_true(c->time_ns == w->tag.n * 7 && c->table.epoch == 3 && c->table.n == 4);
		assert_true(c->start == w->recs[0].pos);
		assert_true(c->start_seq >= prev.seq);
		prev.seq = c->end_seq;
		for (i = 0; i < w->nr_recs; i++)
			same_record(&w->recs[i]);
	}
	assert_true(s.max_seq < m.floor);
	return n;
}

static void released(void)
{
	dmo_jscan_release(&s);
	assert_true(list_empty(&s.chunks));
}

/* Takes over what the scan found, as a recovery does, and writes its JUMP. */
static void m_recover(void)
{
	u32 n = found();

	while (m.nr > n)
		forget(&m.chunks[--m.nr]);
	m_close();
	m.head = s.good;
	m.walked = m.tail_walked + s.good_used;
	m.good = m.head;
	m.good_walked = m.walked;
	m_flush();
	m_jump();
}

/* -- named cases -- */

static int setup(void **state)
{
	m_init(100);
	unit_rng = 1;
	return 0;
}

static int teardown(void **state)
{
	dmo_jscan_release(&s);
	m_init(0);
	return 0;
}

static void empty_ring(void **state)
{
	assert_int_equal(scan(), 0);
	assert_true(s.good.pos == 0 && s.good.seq == 0 && s.good_used == 0);
	assert_non_null(strstr(s.why.text, "block 0: record: no magic"));
	assert_true(dmo_cut_is_zero(s.committed));
}

static void chunks_and_commit(void **state)
{
	struct dmo_jchunk *c;
	u32 i;

	for (i = 1; i <= 3; i++) {
		m_open(i);
		m_data();
		m_data();
		m_last();
	}
	m_commit((struct dmo_cut){ 1, 2 }, true);
	m_open(4);
	m_data();
	m_flush();
	assert_int_equal(scan(), 3);
	assert_true(s.committed.epoch == 1 && s.committed.n == 2);
	list_for_each_entry(c, &s.chunks, node)
		assert_int_equal(c->committed, c->tag.n <= 2);
	assert_true(s.good.pos == m.good.pos && s.good.seq == m.good.seq);
	assert_true(s.good_used == m.good_walked);
	assert_true(s.open && s.records == 1);
}

static void chunk_of_last_alone(void **state)
{
	struct dmo_jchunk *c;

	m_open(1);
	m_last();
	m_open(2);
	m_last();
	m_flush();
	assert_int_equal(scan(), 2);
	c = list_first_entry(&s.chunks, struct dmo_jchunk, node);
	assert_true(c->start == 0 && c->end == 1 && c->nr_desc == 0);
	c = list_last_entry(&s.chunks, struct dmo_jchunk, node);
	assert_true(c->start == 1 && c->end == 2 && c->start_prev_csum != 0);
}

/* A chunk without its LAST, or with one whose totals don't agree, isn't there. */
static void totals_must_agree(void **state)
{
	u32 i;

	for (i = 0; i < 4; i++) {
		struct dmo_rec rec;

		m_init(100);
		m_open(1);
		m_data();
		m_last();
		m_open(2);
		m_data();
		m_data();
		rec = last_rec();
		if (i == 0)
			rec.total_records++;
		if (i == 1)
			rec.total_desc--;
		if (i == 2)
			rec.total_csum ^= 1;
		m_last_put(rec);
		m_flush();
		if (i < 3) {
			m.chunks[1].last = false;
			assert_int_equal(scan(), 1);
			assert_non_null(strstr(s.why.text, "totals of LAST are"));
			assert_true(s.good.seq == 2);
		} else {
			assert_int_equal(scan(), 2);
		}
		released();
	}
}

static void tags_must_increase(void **state)
{
	u32 i;

	for (i = 0; i < 3; i++) {
		m_init(100);
		m_open(5);
		m_data();
		m_last();
		if (i == 2)
			m_commit((struct dmo_cut){ 1, 6 }, true);
		m_open(i == 0 ? 5 : i == 1 ? 4 : 6);
		m_data();
		m_last();
		m_flush();
		m.chunks[1].last = false;
		assert_int_equal(scan(), 1);
		assert_non_null(strstr(s.why.text, "expected above"));
		released();
	}
}

/* What a lost record leaves is no chunk, even if everything behind it is there. */
static void record_missing_in_the_middle(void **state)
{
	u32 i;

	for (i = 0; i < 3; i++) {
		m_init(100);
		m_open(1);
		m_data();
		m_data();
		m_data();
		m_last();
		m_flush();
		memset(m.stable[m.chunks[0].recs[i].pos], 0, DMO_BLOCK);
		assert_int_equal(scan(), 0);
		assert_true(s.good.seq == 0);
		released();
	}
}

/* The right sequence alone is not enough, nor the right predecessor. */
static void sequence_and_predecessor(void **state)
{
	struct dmo_rec rec = { .type = DMO_REC_COMMIT, .tag = { 1, 1 } };
	u32 i;

	for (i = 0; i < 4; i++) {
		m_init(100);
		m_open(1);
		m_last();
		m_flush();
		rec.seq = m.head.seq + (i & 1);
		rec.prev_csum = m.head.prev_csum ^ (i & 2);
		dmo_rec_encode(&rec, uuid, m.stable[1]);
		assert_int_equal(scan(), 1);
		assert_int_equal(s.committed.n, i == 0 ? 1 : 0);
		if (i)
			assert_non_null(strstr(s.why.text, "record has sequence"));
		released();
	}
}

/* A COMMIT between the records of an open chunk stays before the new head. */
static void commit_within_open_chunk(void **state)
{
	m_open(1);
	m_data();
	m_last();
	m_open(2);
	m_data();
	m_data();
	m_commit((struct dmo_cut){ 1, 1 }, true);
	m_data();
	m_flush();
	assert_int_equal(scan(), 1);
	assert_int_equal(s.committed.n, 1);
	assert_true(s.good.seq == 5 && s.good.pos == m.good.pos);
	assert_true(s.open && s.at.seq == 6);
	m_recover();
	released();
	/* after the JUMP the same chunk can come again, whole */
	m_open(2);
	m_data();
	m_data();
	m_data();
	m_last();
	m_flush();
	assert_int_equal(scan(), 2);
	assert_int_equal(s.committed.n, 1);
	assert_int_equal(m.chunks[1].nr_desc, s.descs + m.chunks[1].nr_desc);
	/* and it began behind the JUMP, not at the abandoned records */
	assert_true(list_last_entry(&s.chunks, struct dmo_jchunk, node)->start == m.chunks[1].recs[0].pos);
}

/* ... and the chunk may also go on and end with the COMMIT inside. */
static void commit_within_complete_chunk(void **state)
{
	m_open(1);
	m_last();
	m_open(2);
	m_data();
	m_commit((struct dmo_cut){ 1, 1 }, true);
	m_data();
	m_last();
	m_flush();
	assert_int_equal(scan(), 2);
	assert_true(list_first_entry(&s.chunks, struct dmo_jchunk, node)->committed);
	assert_false(list_last_entry(&s.chunks, struct dmo_jchunk, node)->committed);
}

/*
 * The case that JUMP is for. Attempt one: three records and LAST were written,
 * but power failed before the flush, and of the first record nothing reached
 * the disk. Attempt two: the primary sends the chunk again, the same bytes; the
 * first record is written, and power fails. What attempt one left behind it
 * would be its perfect continuation. With JUMP it isn't taken; without, it is.
 */
static void abandoned_attempt_is_no_continuation(void **state)
{
	u32 with_jump;

	for (with_jump = 0; with_jump < 2; with_jump++) {
		struct dmo_rec rec;

		m_init(100);
		m_open(1);
		m_data();
		m_data();
		m_data();
		m_last();
		disk_flush();	/* all but ... */
		memset(m.stable[0], 0, DMO_BLOCK);
		memcpy(m.cache[0], m.stable[0], DMO_BLOCK);
		m.chunks[0].last = false;
		assert_int_equal(scan(), 0);
		if (with_jump) {
			m_recover();
		} else {
			forget(&m.chunks[--m.nr]);
			m_close();
			m.head = s.good;
			m.walked = 0;
		}
		released();

		m_open(1);
		rec = m_content(1, 0, REC_BLOCKS - 1);
		m_data_put(&rec);
		disk_flush();
		scan_from(m.tail);
		assert_int_equal(found(), with_jump ? 0 : 1);
		released();
	}
}

/* The writer's place stays known through any number of recoveries in a row. */
static void jump_after_jump(void **state)
{
	u32 i;

	m_open(1);
	m_data();
	m_last();
	m_flush();
	for (i = 0; i < 10; i++) {
		assert_int_equal(scan(), 1);
		assert_true(s.good.seq == m.head.seq && s.good.pos == m.head.pos);
		m_recover();
		released();
	}
	m_open(2);
	m_data();
	m_last();
	m_flush();
	assert_int_equal(scan(), 2);
}

/* A record that ends the ring exactly, one too many, and any rest, with stale bytes in it. */
static void wraps(void **state)
{
	u32 rest, stale, i;

	for (rest = 0; rest < 12; rest++) {
		for (stale = 0; stale < 3; stale++) {
			u32 n = 1;

			m_init(60);
			for (i = 0; i < 60; i++) {
				memset(m.stable[i], stale == 1 ? 0xff : 0, DMO_BLOCK);
				if (stale == 2) {	/* a valid record of nobody */
					struct dmo_rec r = {
						.type = DMO_REC_COMMIT, .seq = 12345, .tag = { 1, 1 },
					};

					dmo_rec_encode(&r, uuid, m.stable[i]);
				}
				memcpy(m.cache[i], m.stable[i], DMO_BLOCK);
			}
			m.head.pos = (60 - rest) % 60;
			m.tail = m.head;
			m.tail_walked = m.walked;
			m_open(n++);
			m_data_blocks(9);	/* fits if rest is 0 or 9 and more */
			m_data_blocks(4);
			m_last();
			m_open(n++);
			m_data_blocks(2);
			m_last();
			m_flush();
			assert_true(m.chunks[0].recs[0].pos ==
				    (rest && rest < 9 ? 0 : (60 - rest) % 60));
			assert_int_equal(scan(), 2);
			assert_true(s.good_used == m.walked - m.tail_walked);
			released();
		}
	}
}

/* A ring that is full to the last block: all is found, and the scan ends. */
static void full_ring(void **state)
{
	struct dmo_rec rec;
	u32 shift;

	for (shift = 0; shift < 3; shift++) {
		m_init(20);
		m.head.pos = shift * 7;
		m.tail = m.head;
		m_open(1);
		while (m.walked < 19)
			m_data_blocks(1);
		rec = last_rec();
		m_last_put(rec);
		m_flush();
		assert_int_equal(m.walked, 20);
		assert_int_equal(scan(), 1);
		assert_int_equal(s.good_used, 20);
		assert_true(s.good.pos == m.tail.pos);
		assert_non_null(strstr(s.why.text, "whole ring"));
		released();
	}
}

/* Records that a sane writer never makes. */
static void insane_records(void **state)
{
	struct dmo_rec rec;
	u32 i;

	/* reaches beyond the end */
	m_init(20);
	m.head.pos = 15;
	m.tail = m.head;
	m_open(1);
	m_data_blocks(5);
	rec = data_rec(9, 9);
	for (i = 0; i < 9; i++) {
		struct dmo_desc *d = &rec_of(hdr)->desc[i];

		memset(d, 0, sizeof(*d));
		d->type = DMO_DESC_DATA;
		d->mask = 0xff;
		d->len = cpu_to_le32(hweight8(d->mask) * 512);
	}
	dmo_rec_encode(&rec, uuid, hdr);
	memcpy(m.stable[15], hdr, DMO_BLOCK);
	scan_from(m.tail);
	assert_int_equal(found(), 0);
	assert_non_null(strstr(s.why.text, "record 0 of 10 blocks reaches beyond the ring"));
	released();

	/* the last sequence there is has no successor */
	m_init(20);
	m.tail.seq = U64_MAX;
	rec = (struct dmo_rec){ .type = DMO_REC_COMMIT, .seq = U64_MAX, .tag = { 1, 1 } };
	dmo_rec_encode(&rec, uuid, m.stable[0]);
	scan_from(m.tail);
	assert_non_null(strstr(s.why.text, "last sequence there is"));
	released();

	/* another session's */
	rec.seq = 5;
	m.tail.seq = 5;
	dmo_rec_encode(&rec, other, m.stable[0]);
	scan_from(m.tail);
	assert_non_null(strstr(s.why.text, "left by another session"));
	assert_true(dmo_cut_is_zero(s.committed));
	released();

	/* a tail beyond the ring is no reason to read there */
	m.tail.pos = 20;
	scan_from(m.tail);
	released();
	m.tail.pos = U64_MAX;
	scan_from(m.tail);
	released();
}

static void fit(void **state)
{
	u64 size, pos;
	u32 blocks, skip;

	for (size = 130; size < 140; size++) {
		for (pos = 0; pos <= size; pos++) {
			for (blocks = 1; blocks <= 129; blocks++) {
				u64 at = dmo_jpos_fit(pos, size, blocks, &skip);

				bool fits = pos + blocks <= size;

				assert_true(at == (fits ? pos : 0));
				assert_true(skip == (fits ? 0 : size - pos));
			}
		}
	}
}

/*
 * Damage to what was flushed: a flipped bit or a block that can't be read, at
 * every block of a ring. All chunks before it are found, it and what follows not.
 */
static void damage_at_every_block(void **state)
{
	static u8 saved[DMO_BLOCK];
	u32 blocks, i, j, k;

	unit_seed("damage_at_every_block");
	m_init(200);
	for (i = 1; m_room(2 * REC_BLOCKS + 1) && i < 30; i++) {
		m_open(i);
		for (j = unit_below(3); j; j--)
			m_data();
		m_last();
	}
	m_flush();
	blocks = (u32)m.walked;
	assert_int_equal(scan(), m.nr);
	released();
	for (i = 0; i < blocks; i++) {
		u32 whole = 0;
		bool header = false;

		/* chunks that end before block i */
		for (j = 0; j < m.nr; j++) {
			if (m.chunks[j].end.pos <= i)
				whole++;
			for (k = 0; k < m.chunks[j].nr_recs; k++)
				if (m.chunks[j].recs[k].pos == i)
					header = true;
		}
		unreadable = i;
		assert_int_equal(scan(), whole);
		released();
		unreadable = U64_MAX;

		memcpy(saved, m.stable[i], DMO_BLOCK);
		if (header) {
			m.stable[i][unit_below(DMO_BLOCK)] ^= 1u << unit_below(8);
			assert_int_equal(scan(), whole);
		} else {	/* of a data block the carried sectors count */
			memset(m.stable[i], 0x77, DMO_BLOCK);
			assert_int_equal(scan(), whole);
		}
		released();
		memcpy(m.stable[i], saved, DMO_BLOCK);
	}
	assert_int_equal(scan(), m.nr);
}

/* -- the model, at random -- */

/* Power fails here: exactly the chunks that count are found, whatever reached the disk. */
static void crash(struct dmo_cut in_flight)
{
	static const u32 keeps[] = { 0, 10, 50, 90, 100 };
	struct dmo_cut c;
	u32 complete = 0, n;

	disk_crash(keeps[unit_below(ARRAY_SIZE(keeps))], unit_below(2));
	n = scan();
	while (complete < m.nr && m.chunks[complete].complete)
		complete++;
	if (n < complete)
		fail_msg("%u chunks found of %u that are complete: %s", n, complete, s.why.text);
	c = dmo_cut_cmp(s.committed, m.restored) > 0 ? s.committed : m.restored;
	if (dmo_cut_is_zero(in_flight) || dmo_cut_cmp(c, in_flight))
		assert_int_equal(dmo_cut_cmp(c, m.committed), 0);
	m.committed = c;
	m_recover();
	released();
}

static void commit_and_restore_all(void)
{
	u32 n = m.nr - m.open;

	if (n && dmo_cut_cmp(m.chunks[n - 1].tag, m.committed) > 0)
		m_commit(m.chunks[n - 1].tag, true);
	while (n--)
		m_restore();
}

static void model_with_crashes(void **state)
{
	static const u64 sizes[] = { 64, 97, 150, 256, 399 };
	u64 rounds = unit_rounds(60), crashes = 0, made = 0;

	unit_seed("model_with_crashes");
	while (rounds--) {
		u64 tag = 0, steps = 300;

		m_init(sizes[unit_below(ARRAY_SIZE(sizes))]);
		m.head.pos = unit_below((u32)m.size);
		m.head.seq = unit_below(5);
		m.tail = m.head;
		m.good = m.head;
		while (steps--) {
			struct dmo_cut none = { 0, 0 };
			u32 dice = unit_below(100), closed;

			if (!m_room(REC_BLOCKS)) {
				/* no room: give up the open chunk, make room */
				if (m.open)
					m_drop(unit_below(2));
				if (m.nr)
					commit_and_restore_all();
				m.tail = m.head;	/* only dropped records are left */
				m.tail_walked = m.walked;
			}
			closed = m.nr - m.open;
			if (dice < 50) {
				if (!m.open) {
					/* sent again under its old tag, or a new one */
					if (!m.nr || tag <= m.chunks[m.nr - 1].tag.n || unit_below(4))
						tag++;
					if (tag <= m.committed.n)
						tag = m.committed.n + 1;
					m_open(tag);
				} else if (m.records < MAX_RECS - 1) {
					m_data();
				}
			} else if (dice < 65) {
				if (m.open && m_room(1)) {
					m_last();
					made++;
				}
			} else if (dice < 75) {
				m_flush();
			} else if (dice < 83) {
				if (closed)
					m_commit(m.chunks[unit_below(closed)].tag, true);
			} else if (dice < 90) {
				if (closed && m.chunks[0].complete &&
				    dmo_cut_cmp(m.chunks[0].tag, m.committed) <= 0)
					m_restore();
			} else if (dice < 93) {
				if (m.open)
					m_drop(unit_below(2));
			} else if (dice < 96) {
				crash(none);
				crashes++;
			} else if (dice < 98 && closed && m.chunks[closed - 1].complete) {
				struct dmo_cut t = m.chunks[closed - 1].tag;

				/* fails while COMMIT is being written */
				m_commit(t, false);
				crash(t);
				crashes++;
			}
		}
	}
	printf("the model made %llu chunks, %llu crashes\n", made, crashes);
	assert_true(crashes > 0 && made > crashes);
}

/* Any bytes, and records with good checksums and random fields: no harm, and an end. */
static void random_rings(void **state)
{
	u64 rounds = unit_rounds(300);
	u32 i;

	unit_seed("random_rings");
	while (rounds--) {
		struct dmo_rec rec;
		u64 at = 0;

		m_init(30 + unit_below(40));
		m.head.prev_csum = 0;
		while (at < m.size) {
			u32 nr = unit_below(6), data = 0;

			memset(hdr, 0, sizeof(hdr));
			memset(&rec, 0, sizeof(rec));
			for (i = 0; i < nr; i++) {
				struct dmo_desc *d = &rec_of(hdr)->desc[i];

				d->type = 1 + unit_below(2);
				d->mask = 0xff;
				d->len = cpu_to_le32(hweight8(d->mask) * 512);
				d->csum = cpu_to_le32(d->type == 1 ?
					  dmo_mask_csum(m.stable[0], 0xff) : 0);
				data += d->type == 1;
			}
			rec.type = 1 + unit_below(4);
			if (rec.type != DMO_REC_DATA) {
				nr = 0;
				data = 0;
			}
			rec.nr_desc = nr;
			rec.nr_blocks = data;
			rec.seq = m.head.seq;
			rec.prev_csum = m.head.prev_csum;
			rec.tag = (struct dmo_cut){ 1, unit_below(20) };
			rec.next_seq = rec.seq + unit_below(3);
			rec.total_records = unit_below(3);
			dmo_rec_encode(&rec, uuid, hdr);
			if (!unit_below(10))
				hdr[unit_below(DMO_BLOCK)] = (u8)unit_rand();
			memcpy(m.stable[at], hdr, DMO_BLOCK);
			at += 1 + data;
			m.head.seq = rec.type == DMO_REC_JUMP ? rec.next_seq : rec.seq + 1;
			m.head.prev_csum = rec.csum;
		}
		scan_from((struct dmo_jpos){ 0, 0, 0 });
		released();
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(empty_ring),
		TEST(chunks_and_commit),
		TEST(chunk_of_last_alone),
		TEST(totals_must_agree),
		TEST(tags_must_increase),
		TEST(record_missing_in_the_middle),
		TEST(sequence_and_predecessor),
		TEST(commit_within_open_chunk),
		TEST(commit_within_complete_chunk),
		TEST(abandoned_attempt_is_no_continuation),
		TEST(jump_after_jump),
		TEST(wraps),
		TEST(full_ring),
		TEST(insane_records),
		TEST(fit),
		TEST(damage_at_every_block),
		TEST(model_with_crashes),
		TEST(random_rings),
	};

	return cmocka_run_group_tests_name("jscan", tests, NULL, NULL);
}
