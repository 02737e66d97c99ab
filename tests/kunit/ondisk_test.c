// SPDX-License-Identifier: GPL-2.0-only
/* Superblock, state block, journal records: round trips, damage, refusals. */
#include <kunit/test.h>
#include "format/ondisk.h"

#define DEV_BLOCKS 5000

static const u8 uuid[DMO_UUID_LEN] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };
static const u8 other[DMO_UUID_LEN] = { 1 };

struct fixture {
	struct dmo_super sb, got;
	u8 buf[DMO_SB_BYTES];
	struct dmo_reason why;
};

static int init(struct kunit *test)
{
	struct fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);
	u32 i;

	KUNIT_ASSERT_NOT_NULL(test, f);
	test->priv = f;
	memcpy(f->sb.uuid, uuid, sizeof(uuid));
	strscpy(f->sb.label, "label", sizeof(f->sb.label));
	f->sb.generation = 3;
	f->sb.role = DMO_ROLE_PRIMARY;
	f->sb.flags = DMO_SBF_PLAIN;
	dmo_line_add(&f->sb.line, 0x1122334455667788);
	f->sb.cycle_ms = 1000;
	f->sb.budget_mib = 64;
	f->sb.link_timeout_ms = 5000;
	f->sb.nr_volumes = 4;
	for (i = 0; i < 4; i++) {
		f->sb.volumes[i].id = 10 - i;
		f->sb.volumes[i].lbs = 512 << i;
		f->sb.volumes[i].sectors = DMO_MIN_VOLUME_SECTORS << i;
	}
	KUNIT_ASSERT_EQ(test, dmo_super_layout(&f->sb, DEV_BLOCKS, &f->why), 0);
	dmo_super_encode(&f->sb, f->buf);
	return 0;
}

static void super_round_trip(struct kunit *test)
{
	struct fixture *f = test->priv;

	KUNIT_ASSERT_EQ(test, dmo_super_decode(f->buf, &f->got, DEV_BLOCKS, &f->why), 0);
	KUNIT_EXPECT_EQ(test, memcmp(&f->sb, &f->got, sizeof(f->sb)), 0);
	KUNIT_EXPECT_EQ(test, dmo_super_volume(&f->got, 8)->lbs, 2048);
	KUNIT_EXPECT_NULL(test, dmo_super_volume(&f->got, 11));
}

static void super_damage(struct kunit *test)
{
	struct fixture *f = test->priv;
	u32 i, accepted = 0;

	for (i = 0; i < DMO_SB_BYTES; i += i < 512 ? 1 : 61) {
		f->buf[i] ^= 1u << (i % 8);
		if (!dmo_super_decode(f->buf, &f->got, DEV_BLOCKS, &f->why))
			accepted++;
		f->buf[i] ^= 1u << (i % 8);
	}
	KUNIT_EXPECT_EQ(test, accepted, 0);
	KUNIT_EXPECT_EQ(test, dmo_super_decode(f->buf, &f->got, DEV_BLOCKS - 1, &f->why), -EUCLEAN);
	KUNIT_EXPECT_NOT_NULL(test, strstr(f->why.text, "truncated"));
	memset(f->buf, 0, 8);
	KUNIT_EXPECT_EQ(test, dmo_super_decode(f->buf, &f->got, DEV_BLOCKS, &f->why), -ENODATA);
	KUNIT_EXPECT_NOT_NULL(test, strstr(f->why.text, "unformatted"));
}

static void super_refusals(struct kunit *test)
{
	struct fixture *f = test->priv;

#define refused(change, undo, part) do { \
	change; \
	KUNIT_EXPECT_EQ(test, dmo_super_check(&f->sb, &f->why), -EINVAL); \
	KUNIT_EXPECT_NOT_NULL_MSG(test, strstr(f->why.text, part), "%s", f->why.text); \
	undo; \
	KUNIT_EXPECT_EQ(test, dmo_super_check(&f->sb, &f->why), 0); \
} while (0)
	refused(f->sb.role = 3, f->sb.role = 1, "role is 3");
	refused(f->sb.flags = 16, f->sb.flags = 0, "flags are 0x10");
	refused(f->sb.cycle_ms = 0, f->sb.cycle_ms = 1, "cycle_ms is 0");
	refused(f->sb.journal_blocks++, f->sb.journal_blocks--, "journal is");
	refused(f->sb.bitmap_blocks++, f->sb.bitmap_blocks--, "overlaps the journal");
	refused(f->sb.nr_volumes = 257, f->sb.nr_volumes = 4, "number of volumes is 257");
	refused(f->sb.volumes[3].id = 10, f->sb.volumes[3].id = 7, "volume id 10 is there twice");
	refused(f->sb.volumes[0].lbs = 256, f->sb.volumes[0].lbs = 512, "block size is 256");
	refused(f->sb.volumes[0].sectors--, f->sb.volumes[0].sectors++, "size is 2047 sectors");
	refused(f->sb.volumes[1].region_shift = 9, f->sb.volumes[1].region_shift = 16,
		"region shift 9");
#undef refused
}

static void super_choice(struct kunit *test)
{
	struct fixture *f = test->priv;

	f->got = f->sb;
	f->got.generation++;
	KUNIT_EXPECT_EQ(test, dmo_super_choose(0, &f->sb, 0, &f->got), 1);
	KUNIT_EXPECT_EQ(test, dmo_super_choose(0, &f->sb, -EUCLEAN, &f->got), 0);
	KUNIT_EXPECT_EQ(test, dmo_super_choose(0, &f->sb, -EPROTONOSUPPORT, &f->got),
			-EPROTONOSUPPORT);
	KUNIT_EXPECT_EQ(test, dmo_super_choose(-ENODATA, &f->sb, -EUCLEAN, &f->got), -EUCLEAN);
	KUNIT_EXPECT_EQ(test, dmo_super_choose(-ENODATA, &f->sb, -ENODATA, &f->got), -ENODATA);
}

static void state_block(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct dmo_state st, in = {
		.generation = 1, .epoch = 2, .newest = { 2, 9 }, .committed = { 2, 8 },
		.restored = { 2, 7 }, .tail = 6, .tail_seq = 5, .tail_prev_csum = 4,
		.seq_floor = 3, .reach = 10,
	};
	u32 i, accepted = 0;

	memset(&st, 0xff, sizeof(st));
	dmo_state_encode(&in, uuid, f->buf);
	KUNIT_ASSERT_EQ(test, dmo_state_decode(f->buf, uuid, &st, &f->why), 0);
	KUNIT_EXPECT_EQ(test, memcmp(&st, &in, sizeof(st)), 0);
	KUNIT_EXPECT_EQ(test, dmo_state_decode(f->buf, other, &st, &f->why), -ENODATA);
	for (i = 0; i < DMO_STATE_BYTES; i++) {
		f->buf[i] ^= 1u << (i % 8);
		if (!dmo_state_decode(f->buf, uuid, &st, &f->why))
			accepted++;
		f->buf[i] ^= 1u << (i % 8);
	}
	KUNIT_EXPECT_EQ(test, accepted, 0);
}

static void record(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct dmo_disk_rec *d = (struct dmo_disk_rec *)f->buf;
	struct dmo_rec in = {
		.seq = 5, .prev_csum = 6, .type = DMO_REC_DATA, .nr_desc = 2, .nr_blocks = 1,
	}, rec;
	u32 i, accepted = 0;

	d->desc[0] = (struct dmo_desc) {
		.type = DMO_DESC_DATA, .mask = 1, .len = cpu_to_le32(512),
	};
	d->desc[1] = (struct dmo_desc) {
		.type = DMO_DESC_ZERO, .mask = 0xff, .count = cpu_to_le64(1000),
	};
	dmo_rec_encode(&in, uuid, f->buf);
	KUNIT_ASSERT_EQ(test, dmo_rec_decode(f->buf, uuid, &rec, &f->why), 0);
	KUNIT_EXPECT_EQ(test, rec.seq, 5);
	KUNIT_EXPECT_EQ(test, rec.nr_blocks, 1);
	KUNIT_EXPECT_EQ(test, rec.csum, in.csum);
	KUNIT_EXPECT_EQ(test, dmo_rec_decode(f->buf, other, &rec, &f->why), -ENODATA);
	for (i = 0; i < DMO_BLOCK; i++) {
		f->buf[i] ^= 1u << (i % 8);
		if (!dmo_rec_decode(f->buf, uuid, &rec, &f->why))
			accepted++;
		f->buf[i] ^= 1u << (i % 8);
	}
	KUNIT_EXPECT_EQ(test, accepted, 0);
	in.nr_blocks = 2;
	dmo_rec_encode(&in, uuid, f->buf);
	KUNIT_EXPECT_EQ(test, dmo_rec_decode(f->buf, uuid, &rec, &f->why), -EUCLEAN);
	in = (struct dmo_rec) { .seq = 5, .type = DMO_REC_JUMP, .next_seq = 5 };
	dmo_rec_encode(&in, uuid, f->buf);
	KUNIT_EXPECT_EQ(test, dmo_rec_decode(f->buf, uuid, &rec, &f->why), -EUCLEAN);
	in = (struct dmo_rec) { .seq = 5, .type = 5 };
	dmo_rec_encode(&in, uuid, f->buf);
	KUNIT_EXPECT_EQ(test, dmo_rec_decode(f->buf, uuid, &rec, &f->why), -EPROTONOSUPPORT);
}

static void checksum(struct kunit *test)
{
	struct fixture *f = test->priv;

	KUNIT_EXPECT_EQ(test, dmo_crc(0, "123456789", 9), 0xe3069283);
	KUNIT_EXPECT_EQ(test, dmo_mask_csum(f->buf, 0xff), dmo_crc(0, f->buf, DMO_BLOCK));
	KUNIT_EXPECT_EQ(test, dmo_mask_csum(f->buf, 0x21),
			dmo_crc(dmo_crc(0, f->buf, 512), f->buf + 5 * 512, 512));
}

static struct kunit_case cases[] = {
	KUNIT_CASE(super_round_trip),
	KUNIT_CASE(super_damage),
	KUNIT_CASE(super_refusals),
	KUNIT_CASE(super_choice),
	KUNIT_CASE(state_block),
	KUNIT_CASE(record),
	KUNIT_CASE(checksum),
	{}
};

static struct kunit_suite suite = {
	.name = "dm-ordered-ondisk",
	.init = init,
	.test_cases = cases,
};
kunit_test_suite(suite);
