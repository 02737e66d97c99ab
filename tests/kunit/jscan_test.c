// SPDX-License-Identifier: GPL-2.0-only
/* The journal scan on a small ring in memory. */
#include <kunit/test.h>
#include "format/jscan.h"

#define SIZE 24

static const u8 uuid[DMO_UUID_LEN] = { 5, 5, 5 };

struct fixture {
	u8 ring[SIZE][DMO_BLOCK], hdr[DMO_BLOCK];
	struct dmo_jpos head, tail;
	u64 records, descs;
	u32 csum;
	struct dmo_jscan s;
};

static int init(struct kunit *test)
{
	struct fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, f);
	test->priv = f;
	return 0;
}

static void exit_test(struct kunit *test)
{
	struct fixture *f = test->priv;

	if (f && f->s.uuid)
		dmo_jscan_release(&f->s);
}

static void put(struct fixture *f, struct dmo_rec rec)
{
	u32 blocks = 1 + rec.nr_blocks;

	if (f->head.pos + blocks > SIZE)
		f->head.pos = 0;
	rec.seq = f->head.seq;
	rec.prev_csum = f->head.prev_csum;
	dmo_rec_encode(&rec, uuid, f->hdr);
	memcpy(f->ring[f->head.pos], f->hdr, DMO_BLOCK);
	f->head.pos = (f->head.pos + blocks) % SIZE;
	f->head.seq = rec.type == DMO_REC_JUMP ? rec.next_seq : rec.seq + 1;
	f->head.prev_csum = rec.csum;
}

/* A record with two data blocks, the same bytes for the same @block. */
static void put_data(struct fixture *f, u32 block)
{
	struct dmo_disk_rec *d = (struct dmo_disk_rec *)f->hdr;
	u64 pos = f->head.pos + 3 > SIZE ? 0 : f->head.pos;
	u32 i;

	for (i = 0; i < 2; i++) {
		memset(f->ring[pos + 1 + i], block + i, DMO_BLOCK);
		d->desc[i] = (struct dmo_desc) {
			.type = DMO_DESC_DATA, .mask = 0xff, .block = cpu_to_le64(block + i),
			.len = cpu_to_le32(4096),
			.csum = cpu_to_le32(dmo_mask_csum(f->ring[pos + 1 + i], 0xff)),
		};
	}
	f->records++;
	f->descs += 2;
	f->csum = dmo_crc(f->csum, d->desc, 2 * sizeof(d->desc[0]));
	put(f, (struct dmo_rec) { .type = DMO_REC_DATA, .nr_desc = 2, .nr_blocks = 2 });
}

static void put_last(struct fixture *f, u64 n)
{
	put(f, (struct dmo_rec) {
		.type = DMO_REC_LAST, .tag = { 1, n }, .total_records = f->records,
		.total_desc = f->descs, .total_csum = f->csum,
	});
	f->records = 0;
	f->descs = 0;
	f->csum = 0;
}

static u32 scan(struct kunit *test)
{
	struct fixture *f = test->priv;
	enum dmo_jscan_next next = DMO_JSCAN_HEADER;
	struct dmo_jchunk *c;
	struct dmo_rec rec;
	u32 n = 0, steps = 0;

	exit_test(test);
	dmo_jscan_init(&f->s, uuid, SIZE, f->tail);
	while (next != DMO_JSCAN_END && steps++ < 4 * SIZE) {
		KUNIT_ASSERT_NE(test, next, DMO_JSCAN_NOMEM);
		KUNIT_ASSERT_LT(test, f->s.at.pos, SIZE);
		if (next == DMO_JSCAN_HEADER)
			next = dmo_jscan_header(&f->s, f->ring[f->s.at.pos], &rec);
		else
			next = dmo_jscan_body(&f->s, f->ring[f->s.at.pos], &rec,
					      f->ring[f->s.at.pos + 1]);
	}
	KUNIT_EXPECT_EQ(test, next, DMO_JSCAN_END);
	list_for_each_entry(c, &f->s.chunks, node)
		n++;
	return n;
}

static void chunks(struct kunit *test)
{
	struct fixture *f = test->priv;

	KUNIT_EXPECT_EQ(test, scan(test), 0);
	put_data(f, 1);
	put_data(f, 3);
	put_last(f, 1);
	put_last(f, 2);
	put_data(f, 7);
	put(f, (struct dmo_rec) { .type = DMO_REC_COMMIT, .tag = { 1, 1 } });
	KUNIT_EXPECT_EQ(test, scan(test), 2);
	KUNIT_EXPECT_EQ(test, f->s.committed.n, 1);
	KUNIT_EXPECT_TRUE(test, list_first_entry(&f->s.chunks, struct dmo_jchunk, node)->committed);
	KUNIT_EXPECT_FALSE(test, list_last_entry(&f->s.chunks, struct dmo_jchunk, node)->committed);
	/* the COMMIT stays although a chunk is open */
	KUNIT_EXPECT_EQ(test, f->s.good.pos, f->head.pos);
	KUNIT_EXPECT_EQ(test, f->s.good.seq, f->head.seq);
	put_last(f, 3);
	KUNIT_EXPECT_EQ(test, scan(test), 3);
}

static void every_torn_sector(struct kunit *test)
{
	struct fixture *f = test->priv;
	u32 i;

	put_data(f, 1);
	put_last(f, 1);
	put_data(f, 5);
	put_last(f, 2);
	KUNIT_ASSERT_EQ(test, scan(test), 2);
	for (i = 0; i < 8 * 8; i++) {
		u8 *sector = f->ring[i / 8] + i % 8 * 512;
		u8 keep = sector[i];

		sector[i] ^= 0x40;
		KUNIT_EXPECT_EQ(test, scan(test), i < 4 * 8 ? 0 : 1);
		sector[i] = keep;
	}
	KUNIT_EXPECT_EQ(test, scan(test), 2);
}

static void abandoned_attempt_is_no_continuation(struct kunit *test)
{
	struct fixture *f = test->priv;
	u32 jump;

	for (jump = 0; jump < 2; jump++) {
		memset(f->ring, 0, sizeof(f->ring));
		memset(&f->head, 0, sizeof(f->head));
		put_data(f, 1);
		put_data(f, 3);
		put_last(f, 1);
		memset(f->ring[0], 0, DMO_BLOCK);	/* never reached the disk */
		KUNIT_EXPECT_EQ(test, scan(test), 0);
		f->head = f->s.good;
		if (jump)
			put(f, (struct dmo_rec) { .type = DMO_REC_JUMP, .next_seq = 100 });
		put_data(f, 1);	/* sent again, the same bytes; then power fails */
		KUNIT_EXPECT_EQ(test, scan(test), jump ? 0 : 1);
		f->records = 0;
		f->descs = 0;
		f->csum = 0;
	}
}

static void wraps(struct kunit *test)
{
	struct fixture *f = test->priv;
	u32 start;

	for (start = 0; start < SIZE; start++) {
		memset(f->ring, 0xee, sizeof(f->ring));
		f->head = (struct dmo_jpos) { .pos = start, .seq = 77 };
		f->tail = f->head;
		put_data(f, 1);
		put_last(f, 1);
		put_data(f, 3);
		put_last(f, 2);
		KUNIT_EXPECT_EQ(test, scan(test), 2);
		KUNIT_EXPECT_EQ(test, f->s.good.pos, f->head.pos);
	}
}

static struct kunit_case cases[] = {
	KUNIT_CASE(chunks),
	KUNIT_CASE(every_torn_sector),
	KUNIT_CASE(abandoned_attempt_is_no_continuation),
	KUNIT_CASE(wraps),
	{}
};

static struct kunit_suite suite = {
	.name = "dm-ordered-jscan",
	.init = init,
	.exit = exit_test,
	.test_cases = cases,
};
kunit_test_suite(suite);
