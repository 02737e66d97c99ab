// SPDX-License-Identifier: GPL-2.0-only
/* Superblock, state block, journal records: round trips and every refusal. */
#include "unit.h"
#include "format/ondisk.h"

static const u8 uuid[DMO_UUID_LEN] = {
	0xa1, 0xa2, 0xa3, 0xa4, 0xb1, 0xb2, 0xc1, 0xc2,
	0xd1, 0xd2, 0xe1, 0xe2, 0xe3, 0xe4, 0xe5, 0xe6,
};
#define UUID_TEXT "a1a2a3a4-b1b2-c1c2-d1d2-e1e2e3e4e5e6"

static const u8 other[DMO_UUID_LEN] = { 0x77 };

static struct dmo_reason why;
static u8 sbuf[DMO_SB_BYTES];
static struct dmo_super sb, got;

/* The checksum, from the format's description and not by the code under test. */
static void recsum(void *buf, size_t len)
{
	u32 crc = ~0u, i;
	u8 *p = buf;

	memset(p + 8, 0, 4);
	while (len--) {
		crc ^= *p++;
		for (i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	crc = ~crc;
	p = buf;
	for (i = 0; i < 4; i++)
		p[8 + i] = (u8)(crc >> (8 * i));
}

static void crc_is_castagnoli(void **state)
{
	static u8 buf[1000];
	u32 i, len;

	assert_int_equal(dmo_crc(0, "123456789", 9), 0xe3069283);
	assert_int_equal(dmo_crc(0, "", 0), 0);
	assert_int_equal(dmo_crc(dmo_crc(0, "1234", 4), "56789", 5), 0xe3069283);
	assert_int_equal(crc32c(0, "123456789", 9), 0x58e3fa20);
	unit_seed("crc_is_castagnoli");
	unit_fill(buf, sizeof(buf));
	for (i = 0; i < 200; i++) {
		u32 off = unit_below(100), seed = (u32)unit_rand();

		len = unit_below(900);
		assert_int_equal(crc32c(seed, buf + off, len),
				 kcompat_crc32c_sw(seed, buf + off, len));
	}
}

static void make_super(u32 nr)
{
	u32 i;

	memset(&sb, 0, sizeof(sb));
	memcpy(sb.uuid, uuid, sizeof(uuid));
	strcpy(sb.label, "a label");
	sb.generation = 7;
	sb.compat = 0xf00;
	sb.role = DMO_ROLE_SECONDARY;
	sb.flags = DMO_SBF_PLAIN | DMO_SBF_INCONSISTENT;
	for (i = 0; i < DMO_MAX_LINE; i++)
		dmo_line_add(&sb.line, 1000 + i);
	dmo_line_add(&sb.line, 0x1122334455667788);
	sb.copy_id = 99;
	sb.cycle_ms = 1000;
	sb.budget_mib = 256;
	sb.link_timeout_ms = 10000;
	sb.created_ns = 1700000000000000000;
	sb.nr_volumes = nr;
	for (i = 0; i < nr; i++) {
		sb.volumes[i].id = nr - 1 - i;	/* in no order */
		sb.volumes[i].lbs = 512u << (i % 4);
		sb.volumes[i].sectors = DMO_MIN_VOLUME_SECTORS + 8 * i;
	}
	assert_int_equal(dmo_super_layout(&sb, 100000, &why), 0);
	assert_int_equal(dmo_super_check(&sb, &why), 0);
}

static int decode(void)
{
	memset(&got, 0x5a, sizeof(got));
	return dmo_super_decode(sbuf, &got, 100000, &why);
}

static void super_round_trip(void **state)
{
	static const u32 counts[] = { 1, 2, 17, DMO_MAX_VOLUMES };
	u32 i;

	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		make_super(counts[i]);
		memset(sbuf, 0xee, sizeof(sbuf));
		dmo_super_encode(&sb, sbuf);
		assert_int_equal(decode(), 0);
		assert_memory_equal(&got, &sb, sizeof(sb));
	}
}

/* The bytes where Documentation/on-disk-format.rst says they are. */
static void super_bytes(void **state)
{
	make_super(2);
	dmo_super_encode(&sb, sbuf);
	assert_memory_equal(sbuf, "dmORDsup", 8);
	assert_memory_equal(sbuf + 12, "\2\0\0\0", 4);
	assert_memory_equal(sbuf + 16, "\7\0\0\0\0\0\0\0", 8);
	assert_memory_equal(sbuf + 48, uuid, 16);
	assert_string_equal((char *)sbuf + 64, "a label");
	assert_memory_equal(sbuf + 128, "\2\0\0\0\3\0\0\0", 8);
	assert_memory_equal(sbuf + 176, "\x63\0\0\0\0\0\0\0", 8);
	assert_memory_equal(sbuf + 192, "\xe8\3\0\0\0\1\0\0\x10\x27\0\0\2\0\0\0\x40\0\0\0\1\0\0\0", 24);
	/* one peer: id 1, the whole bitmap area of two blocks at 128 */
	assert_memory_equal(sbuf + 512, "\1\0\0\0\0\0\0\0\x80\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0", 24);
	assert_null(memchr_inv(sbuf + 536, 0, 1024 - 536));
	/* the newest activation in front; the oldest but one is the last */
	assert_memory_equal(sbuf + 1024, "\x88\x77\x66\x55\x44\x33\x22\x11", 8);
	assert_memory_equal(sbuf + 1048, "\x27\4\0\0\0\0\0\0", 8);
	assert_memory_equal(sbuf + 1024 + 63 * 24, "\xe9\3\0\0\0\0\0\0", 8);
	assert_memory_equal(sbuf + 4096, "\1\0\0\0\0\2\0\0\0\x08\0\0\0\0\0\0", 16);
	assert_null(memchr_inv(sbuf + 216, 0, 446 - 216));
	/* a partition table: 0xda, sector 1, up to the device's end */
	assert_memory_equal(sbuf + 446, "\0\xff\xff\xff\xda\xff\xff\xff\1\0\0\0\xff\x34\x0c\0", 16);
	assert_null(memchr_inv(sbuf + 462, 0, 48));
	assert_memory_equal(sbuf + 510, "\x55\xaa", 2);
	assert_null(memchr_inv(sbuf + 2560, 0, 4096 - 2560));
	assert_null(memchr_inv(sbuf + 4096 + 128, 0, sizeof(sbuf) - 4096 - 128));
	recsum(sbuf, sizeof(sbuf));
	assert_int_equal(decode(), 0);
}

static void super_every_flipped_bit(void **state)
{
	u32 i;

	make_super(3);
	dmo_super_encode(&sb, sbuf);
	unit_seed("super_every_flipped_bit");
	for (i = 0; i < sizeof(sbuf); i++) {
		u8 bit = 1u << unit_below(8);

		sbuf[i] ^= bit;
		assert_refused(decode(), i < 8 ? -ENODATA : -EUCLEAN,
			       i < 8 ? "magic" : "checksum");
		sbuf[i] ^= bit;
	}
	assert_int_equal(decode(), 0);
}

struct super_case {
	void (*change)(struct dmo_super *s);
	const char *text;
};

#define CASE(name, ...) static void name(struct dmo_super *s) { __VA_ARGS__; }
CASE(c_uuid, memset(s->uuid, 0, 16))
CASE(c_label_end, memset(s->label, 'x', DMO_LABEL_LEN))
CASE(c_label_char, s->label[2] = '\n')
CASE(c_label_high, s->label[2] = (char)0xc3)
CASE(c_label_tail, s->label[40] = 'x')
CASE(c_role0, s->role = 0)
CASE(c_role3, s->role = 3)
CASE(c_meta_small, s->meta_blocks = DMO_META_MIN_BLOCKS - 1)
CASE(c_meta_huge, s->meta_blocks = U64_MAX)
CASE(c_j_small, s->journal_blocks = DMO_JOURNAL_MIN_BLOCKS - 1)
CASE(c_j_start, s->journal_start = DMO_DATA_START - 1)
CASE(c_j_beyond, s->journal_blocks++)
CASE(c_j_over, s->journal_blocks = U64_MAX - 5)
CASE(c_j_start_over, s->journal_start = U64_MAX - 5)
CASE(c_b_start, s->bitmap_start = DMO_DATA_START - 1)
CASE(c_b_over, s->bitmap_blocks = U64_MAX - 5)
CASE(c_b_beyond, s->bitmap_start = 99999)
CASE(c_b_overlap, s->bitmap_blocks++)
CASE(c_cycle0, s->cycle_ms = 0)
CASE(c_cycle, s->cycle_ms = 3600001)
CASE(c_budget0, s->budget_mib = 0)
CASE(c_budget, s->budget_mib = 1048577)
CASE(c_tmo0, s->link_timeout_ms = 99)
CASE(c_tmo, s->link_timeout_ms = 600001)
CASE(c_nr0, s->nr_volumes = 0)
CASE(c_id, s->volumes[1].id = 65536)
CASE(c_twice, s->volumes[2].id = s->volumes[0].id)
CASE(c_lbs0, s->volumes[1].lbs = 0)
CASE(c_lbs256, s->volumes[1].lbs = 256)
CASE(c_lbs8k, s->volumes[1].lbs = 8192)
CASE(c_lbs3, s->volumes[1].lbs = 1536)
CASE(c_small, s->volumes[1].sectors = 2047)
CASE(c_zero, s->volumes[1].sectors = 0)
CASE(c_big, s->volumes[1].sectors = DMO_MAX_SESSION_SECTORS + 8)
CASE(c_huge, s->volumes[1].sectors = U64_MAX)
CASE(c_odd, s->volumes[2].sectors = 2049)
CASE(c_shift0, s->volumes[1].region_shift = 0)
CASE(c_shift11, s->volumes[1].region_shift = 11)
CASE(c_shift31, s->volumes[1].region_shift = 31)
CASE(c_bm0, s->volumes[1].bitmap_block = 0)
CASE(c_bm_end, s->volumes[1].bitmap_block = s->bitmap_blocks)
CASE(c_bm_over, s->volumes[1].bitmap_block = U64_MAX)
CASE(c_bm_same, s->volumes[1].bitmap_block = s->volumes[0].bitmap_block)
CASE(c_peers0, s->nr_peers = 0)
CASE(c_peer_id0, s->peers[0].id = 0)
CASE(c_peer_id9, s->peers[0].id = 9)
CASE(c_peer_before, s->peers[0].bitmap_start--)
CASE(c_peer_long, s->peers[0].bitmap_blocks++)
CASE(c_peer_over, s->peers[0].bitmap_blocks = U64_MAX)
CASE(c_peer_short, s->peers[0].bitmap_blocks--)
CASE(c_peer_twice, s->peers[s->nr_peers++] = (struct dmo_peer_info){ .id = 1, .bitmap_start = 128 })
CASE(c_peer_overlap, s->peers[s->nr_peers++] = (struct dmo_peer_info){ 2, 130, 1 })

static const struct super_case super_cases[] = {
	{ c_uuid, "UUID is all zero" },
	{ c_label_end, "at most 63 characters" },
	{ c_label_char, "label has byte 0x0a at 2" },
	{ c_label_high, "label has byte 0xc3 at 2" },
	{ c_label_tail, "behind its end at 40" },
	{ c_role0, "role is 0, expected 1 (primary) or 2" },
	{ c_role3, "role is 3" },
	{ c_meta_small, "has 383 blocks of 4096 bytes, expected at least 384" },
	{ c_meta_huge, "expected at least 384" },
	{ c_j_small, "journal has 255 blocks, expected at least 256" },
	{ c_j_start, "at 127, expected within blocks 128 to 100000" },
	{ c_j_beyond, "expected within blocks 128 to 100000" },
	{ c_j_over, "journal is 18446744073709551610 blocks" },
	{ c_j_start_over, "at 18446744073709551610" },
	{ c_b_start, "bitmap area is 3 blocks at 127" },
	{ c_b_over, "bitmap area is 18446744073709551610 blocks" },
	{ c_b_beyond, "bitmap area is 3 blocks at 99999" },
	{ c_b_overlap, "overlaps the journal" },
	{ c_cycle0, "cycle_ms is 0, expected 1 to 3600000" },
	{ c_cycle, "cycle_ms is 3600001" },
	{ c_budget0, "budget_mib is 0, expected 1 to 1048576" },
	{ c_budget, "budget_mib is 1048577" },
	{ c_tmo0, "link_timeout_ms is 99, expected 100 to 600000" },
	{ c_tmo, "link_timeout_ms is 600001" },
	{ c_nr0, "number of volumes is 0, expected 1 to 256" },
	{ c_id, "volume 65536: id above the greatest allowed, 65535" },
	{ c_twice, "volume id 2 is there twice" },
	{ c_lbs0, "volume 1: logical block size is 0, expected 512" },
	{ c_lbs256, "logical block size is 256" },
	{ c_lbs8k, "logical block size is 8192" },
	{ c_lbs3, "logical block size is 1536" },
	{ c_small, "volume 1: size is 2047 sectors, expected 2048 (1 MiB)" },
	{ c_zero, "volume 1: size is 0 sectors" },
	{ c_big, "expected 2048 (1 MiB) to 137438953472 (64 TiB)" },
	{ c_huge, "size is 18446744073709551615 sectors" },
	{ c_odd, "2049 sectors, expected a multiple of its logical block size 2048" },
	{ c_shift0, "volume 1: dirty bitmap at block 1 with region shift 0" },
	{ c_shift11, "region shift 11" },
	{ c_shift31, "region shift 31" },
	{ c_bm0, "volume 1: dirty bitmap at block 0 overlaps that of volume 2 at 0" },
	{ c_bm_end, "volume 1: dirty bitmap is 1 blocks at 3, expected within the 3 of peer 1" },
	{ c_bm_over, "1 blocks at 18446744073709551615" },
	{ c_bm_same, "volume 1: dirty bitmap at block 0 overlaps that of volume 2 at 0" },
	{ c_peers0, "number of peers is 0, expected 1 to 8" },
	{ c_peer_id0, "peer 0: id is 0, expected 1 to 8" },
	{ c_peer_id9, "id is 9" },
	{ c_peer_before, "peer 1: dirty bitmaps are 3 blocks at 127, expected within the bitmap area 128+3" },
	{ c_peer_long, "are 4 blocks at 128" },
	{ c_peer_over, "are 18446744073709551615 blocks at 128" },
	{ c_peer_short, "volume 0: dirty bitmap is 1 blocks at 2, expected within the 2 of peer 1" },
	{ c_peer_twice, "peer 1 is there twice" },
	{ c_peer_overlap, "peer 2: dirty bitmaps 130+1 overlap those of peer 1, 128+3" },
};

/* Each refused both before it is written and when it is read. */
static void super_refusals(void **state)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(super_cases); i++) {
		make_super(3);
		super_cases[i].change(&sb);
		assert_refused(dmo_super_check(&sb, &why), -EINVAL, super_cases[i].text);
		dmo_super_encode(&sb, sbuf);
		assert_refused(decode(), -EUCLEAN, super_cases[i].text);
	}
}

static void super_flags_unknown(void **state)
{
	make_super(1);
	sb.flags |= 0x100;
	assert_refused(dmo_super_check(&sb, &why), -EINVAL, "flags are 0x103, known are 0xf");
	dmo_super_encode(&sb, sbuf);
	assert_refused(decode(), -EPROTONOSUPPORT, "flags are 0x103");
}

static void super_total_size(void **state)
{
	make_super(2);
	sb.volumes[0].sectors = DMO_MAX_SESSION_SECTORS;
	sb.volumes[0].bitmap_block = 0;
	sb.volumes[0].region_shift = 0;
	assert_refused(dmo_super_check(&sb, &why), -EINVAL,
		       "137438955528 sectors together, expected at most 137438953472");
	sb.volumes[0].sectors -= sb.volumes[1].sectors;
	assert_int_equal(dmo_super_check(&sb, &why), 0);
}

static void super_raw_refusals(void **state)
{
	make_super(2);
	memset(sbuf, 0, sizeof(sbuf));
	assert_refused(decode(), -ENODATA, "orderedctl format makes a new one");
	memcpy(sbuf, "LVM2 001", 8);
	assert_refused(decode(), -ENODATA, "but something else");

	dmo_super_encode(&sb, sbuf);
	sbuf[5000] ^= 1;
	assert_refused(decode(), -EUCLEAN, "superblock: checksum is 0x");

	/* a version that a flipped bit made up is damage ... */
	dmo_super_encode(&sb, sbuf);
	sbuf[12] = 3;
	assert_refused(decode(), -EUCLEAN, "checksum");
	/* ... and with a good checksum it is newer, or older */
	recsum(sbuf, sizeof(sbuf));
	assert_refused(decode(), -EPROTONOSUPPORT, "format version is 3, this software knows 2: use newer");
	sbuf[12] = 1;
	recsum(sbuf, sizeof(sbuf));
	assert_refused(decode(), -EPROTONOSUPPORT,
		       "format version is 1, this software knows 2: format both metadata devices again");

	dmo_super_encode(&sb, sbuf);
	sbuf[40] = 4;
	recsum(sbuf, sizeof(sbuf));
	assert_refused(decode(), -EPROTONOSUPPORT, "incompat features are 0x4");

	dmo_super_encode(&sb, sbuf);
	sbuf[32] = 8;
	recsum(sbuf, sizeof(sbuf));
	assert_refused(decode(), -EPROTONOSUPPORT, "ro_compat features are 0x8");

	dmo_super_encode(&sb, sbuf);
	sbuf[24 + 7] = 0x80;	/* compat: kept */
	recsum(sbuf, sizeof(sbuf));
	assert_int_equal(decode(), 0);
	assert_true(got.compat == (0x8000000000000000 | 0xf00));

	dmo_super_encode(&sb, sbuf);
	memset(sbuf + 204, 0xff, 4);	/* nothing is read behind the buffer */
	recsum(sbuf, sizeof(sbuf));
	assert_refused(decode(), -EUCLEAN, "number of volumes is 4294967295, expected 1 to 256");

	dmo_super_encode(&sb, sbuf);
	memset(sbuf + 208, 0xff, 4);
	recsum(sbuf, sizeof(sbuf));
	assert_refused(decode(), -EUCLEAN, "line has 4294967295 activations, expected at most 64");

	dmo_super_encode(&sb, sbuf);
	memset(sbuf + 212, 0xff, 4);
	recsum(sbuf, sizeof(sbuf));
	assert_refused(decode(), -EUCLEAN, "number of peers is 4294967295, expected 1 to 8");

	dmo_super_encode(&sb, sbuf);
	memset(sbuf + 1024 + 24, 0, 8);
	recsum(sbuf, sizeof(sbuf));
	assert_refused(decode(), -EUCLEAN, "line has activation 0000000000000000 at 1");
	memcpy(sbuf + 1024 + 24, sbuf + 1024, 8);
	recsum(sbuf, sizeof(sbuf));
	assert_refused(decode(), -EUCLEAN, "line has activation 1122334455667788 at 1");

	dmo_super_encode(&sb, sbuf);
	assert_int_equal(dmo_super_decode(sbuf, &got, 100001, &why), 0);
	assert_refused(dmo_super_decode(sbuf, &got, 99999, &why), -EUCLEAN,
		       "truncated: it has 99999 blocks of 4096 bytes, expected 100000");
}

/* What has no use, or no use yet, is refused if it isn't zero; the partition table is not looked at. */
static void super_places(void **state)
{
	u32 at;

	make_super(2);
	sb.line.nr = 3;
	dmo_super_encode(&sb, sbuf);
	for (at = 0; at < sizeof(sbuf); at++) {
		bool mbr = at >= 446 && at < 512, unused = at >= 216 && !mbr;

		if ((at >= 512 && at < 516) || (at >= 520 && at < 536))		/* the peer */
			unused = false;
		if (at >= 1024 && at < 1024 + 3 * 24 && (at - 1024) % 24 < 8)	/* three activations */
			unused = false;
		if (at >= 4096 && at < 4096 + 2 * 64 && at % 64 < 28)		/* two volumes */
			unused = false;
		if (!unused && !mbr)
			continue;
		sbuf[at] ^= 0x40;
		recsum(sbuf, sizeof(sbuf));
		if (mbr)
			assert_int_equal(decode(), 0);
		else
			assert_refused(decode(), -EPROTONOSUPPORT, "where this software has nothing");
		sbuf[at] ^= 0x40;
	}
}

static void super_choice(void **state)
{
	static struct dmo_super a, b;

	make_super(1);
	a = sb;
	b = sb;
	a.generation = 5;
	b.generation = 6;
	assert_int_equal(dmo_super_choose(0, &a, 0, &b), 1);
	assert_int_equal(dmo_super_choose(0, &b, 0, &a), 0);
	assert_int_equal(dmo_super_choose(0, &a, 0, &a), 0);
	assert_int_equal(dmo_super_choose(0, &a, -EUCLEAN, &b), 0);
	assert_int_equal(dmo_super_choose(-EUCLEAN, &a, 0, &b), 1);
	assert_int_equal(dmo_super_choose(-ENODATA, &a, 0, &b), 1);
	assert_int_equal(dmo_super_choose(0, &a, -EPROTONOSUPPORT, &b), -EPROTONOSUPPORT);
	assert_int_equal(dmo_super_choose(-EPROTONOSUPPORT, &a, -EUCLEAN, &b), -EPROTONOSUPPORT);
	assert_int_equal(dmo_super_choose(-ENODATA, &a, -EUCLEAN, &b), -EUCLEAN);
	assert_int_equal(dmo_super_choose(-EUCLEAN, &a, -ENODATA, &b), -EUCLEAN);
	assert_int_equal(dmo_super_choose(-ENODATA, &a, -ENODATA, &b), -ENODATA);
	/* a format that was cut short between its two copies */
	memcpy(b.uuid, other, sizeof(other));
	assert_int_equal(dmo_super_choose(0, &a, 0, &b), -EUCLEAN);
}

/* What a chunk takes, whether it fits, and what a reference covers. */
static void chunk_sizes(void **state)
{
	struct dmo_volume_info v = { .sectors = 1ULL << 31 };	/* 1 TiB */
	struct dmo_reason why;

	assert_int_equal(dmo_chunk_max(DMO_JOURNAL_MIN_BLOCKS), 55 * DMO_BLOCK);
	assert_int_equal(dmo_chunk_max(146), 0);
	assert_int_equal(dmo_chunk_max(147), DMO_BLOCK);
	assert_int_equal(dmo_chunk_bytes(0, 0, 0), 5 * DMO_BLOCK);
	assert_int_equal(dmo_chunk_bytes(128, 0, 0), (128 + 6) * DMO_BLOCK);
	assert_int_equal(dmo_chunk_bytes(0, 128, 0), (128 + 66) * DMO_BLOCK);
	assert_int_equal(dmo_chunk_bytes(0, 3, 125), (3 + 12) * DMO_BLOCK);
	assert_int_equal(dmo_ref_unit(&v, 1, 257 << 20, &why), 0);
	assert_int_equal(dmo_ref_unit(&v, 1, 256 << 20, &why), 1);
	assert_int_equal(dmo_ref_unit(&v, 1, 3 << 20, &why), 7);
	assert_refused(dmo_ref_unit(&v, 1, 2 << 20, &why), -ENOSPC, "set at least 3 MiB");
}

/* Every size of device: either a layout that passes the check, or a number that helps. */
static void layout(void **state)
{
	static const u64 sizes[] = { 2048, 4096, 2097152, 1ull << 31, 1ull << 37 };
	u32 i, nr;
	u64 dev;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (nr = 1; nr <= 2; nr++) {
			for (dev = 0; dev < 3000000; dev += 1 + dev / 3) {
				u32 j;
				int rc;

				make_super(nr);
				for (j = 0; j < nr; j++)
					sb.volumes[j].sectors = sizes[i] / nr;
				rc = dmo_super_layout(&sb, dev, &why);
				if (rc) {
					const char *at = strstr(why.text, "at least ");
					u64 need = at ? strtoull(at + 9, NULL, 10) : 0;

					assert_int_equal(rc, -ENOSPC);
					assert_true(need > dev * 4);
					assert_int_equal(dmo_super_layout(&sb, need / 4, &why), 0);
				}
				if (sizes[i] / nr >= 2048)
					assert_int_equal(dmo_super_check(&sb, &why), 0);
				assert_true(sb.journal_start + sb.journal_blocks == sb.meta_blocks);
				assert_in_range(sb.volumes[0].region_shift, 16, 24);
				if (sb.volumes[0].region_shift < 24)
					assert_true(sb.bitmap_blocks <= sb.meta_blocks / 4);
			}
		}
	}
	make_super(1);
	assert_refused(dmo_super_layout(&sb, 100, &why), -ENOSPC,
		       "has 400 KiB, at least 1540 KiB are needed");
	assert_int_equal(dmo_super_layout(&sb, 385, &why), 0);
	assert_int_equal(sb.volumes[0].bitmap_block, 0);
	assert_int_equal(sb.peers[0].bitmap_start, 128);
	assert_int_equal(sb.peers[0].bitmap_blocks, 1);
	assert_int_equal(sb.journal_start, 129);
	assert_int_equal(sb.journal_blocks, 256);
}

static void lookup(void **state)
{
	u32 i;

	make_super(17);
	for (i = 0; i < 17; i++)
		assert_int_equal(dmo_super_volume(&sb, i)->id, i);
	assert_null(dmo_super_volume(&sb, 17));
	assert_string_equal(dmo_role_name(DMO_ROLE_PRIMARY), "primary");
	assert_string_equal(dmo_role_name(DMO_ROLE_SECONDARY), "secondary");
	assert_string_equal(dmo_role_name(0), "unknown");
}

/* -- state block -- */

static const struct dmo_state a_state = {
	.generation = 3,
	.epoch = 5,
	.newest = { 5, 110 },
	.committed = { 5, 109 },
	.restored = { 4, 108 },
	.restored_ns = 1700000000000000001,
	.restored_table = { 1, 2 },
	.tail = 77,
	.tail_seq = 0x1000000000000001,
	.tail_prev_csum = 0xdeadbeef,
	.seq_floor = 0x2000000000000000,
	.reach = 0x1234,
	.copy_step = 0x87654321,
	.restored_activation = 0x1122334455667788,
};

static void state_round_trip(void **state)
{
	u8 buf[DMO_STATE_BYTES];
	struct dmo_state st;

	memset(buf, 0xee, sizeof(buf));
	dmo_state_encode(&a_state, uuid, buf);
	memset(&st, 0x5a, sizeof(st));
	assert_int_equal(dmo_state_decode(buf, uuid, &st, &why), 0);
	assert_memory_equal(&st, &a_state, sizeof(st));
	assert_memory_equal(buf, "dmORDsta", 8);
	assert_memory_equal(buf + 24, uuid, 16);
	assert_memory_equal(buf + 104, "\x4d\0\0\0\0\0\0\0\1\0\0\0\0\0\0\x10\xef\xbe\xad\xde", 20);
	assert_memory_equal(buf + 152, "\x34\x12\0\0\0\0\0", 8);
	assert_memory_equal(buf + 124, "\x21\x43\x65\x87", 4);
	assert_memory_equal(buf + 160, "\x88\x77\x66\x55\x44\x33\x22\x11", 8);
	assert_null(memchr_inv(buf + 168, 0, sizeof(buf) - 168));
	recsum(buf, sizeof(buf));
	assert_int_equal(dmo_state_decode(buf, uuid, &st, &why), 0);
}

static void witness_round_trip(void **state)
{
	static u8 buf[DMO_WIT_BYTES];
	static struct dmo_witness_vol vols[DMO_MAX_VOLUMES], back[DMO_MAX_VOLUMES];
	struct dmo_witness w = { .vols = vols, .generation = 7 }, r = { .vols = back };
	u32 i, k, n, bit, len;

	assert_int_equal(dmo_witness_entries(1), DMO_WITNESS_MAX);
	assert_int_equal(dmo_witness_entries(DMO_MAX_VOLUMES), 11);
	for (n = 1; n <= DMO_MAX_VOLUMES; n++)
		assert_true(sizeof(struct dmo_disk_witness) + n * (104 + 12 * dmo_witness_entries(n)) <=
			    DMO_WIT_BYTES);
	make_super(3);
	w.nr_volumes = sb.nr_volumes;
	w.entries = 5;
	for (i = 0; i < sb.nr_volumes; i++) {
		memset(&vols[i], 0, sizeof(vols[i]));
		vols[i].id = sb.volumes[i].id;
		snprintf(vols[i].ident, sizeof(vols[i].ident), "dm LVM-%u", i);
		for (k = 0; k < DMO_WITNESS_MAX; k++)
			vols[i].entry[k].block = DMO_WITNESS_NONE;
		vols[i].entry[1] = (struct dmo_witness_entry){ .block = i + 3, .csum = 0x1234 + i };
	}
	memset(buf, 0xee, sizeof(buf));
	dmo_witness_encode(&w, sb.uuid, buf);
	len = dmo_witness_len(&w);
	assert_int_equal(len, 64 + sb.nr_volumes * (104 + 60));
	assert_memory_equal(buf, "dmORDwit", 8);
	assert_int_equal(buf[len], 0xee);
	assert_int_equal(dmo_witness_decode(buf, &sb, &r, &why), 0);
	assert_int_equal(r.generation, 7);
	for (i = 0; i < sb.nr_volumes; i++) {
		assert_string_equal(back[i].ident, vols[i].ident);
		for (k = 0; k < DMO_WITNESS_MAX; k++)
			assert_int_equal(back[i].entry[k].block, vols[i].entry[k].block);
		assert_int_equal(back[i].entry[1].csum, vols[i].entry[1].csum);
	}
	/* each bit that is changed is seen */
	for (bit = 0; bit < len * 8; bit++) {
		buf[bit / 8] ^= 1 << bit % 8;
		assert_int_equal(dmo_witness_decode(buf, &sb, &r, &why), -EUCLEAN);
		assert_true(why.text[0]);
		buf[bit / 8] ^= 1 << bit % 8;
	}
	/* beyond the volume; another volume; no end of the text */
	vols[0].entry[0].block = sb.volumes[0].sectors / 8;
	dmo_witness_encode(&w, sb.uuid, buf);
	assert_refused(dmo_witness_decode(buf, &sb, &r, &why), -EUCLEAN, "expected below");
	vols[0].entry[0].block = DMO_WITNESS_NONE;
	vols[0].id++;
	dmo_witness_encode(&w, sb.uuid, buf);
	assert_refused(dmo_witness_decode(buf, &sb, &r, &why), -EUCLEAN, "volume id is");
	vols[0].id--;
	memset(vols[0].ident, 'x', sizeof(vols[0].ident));
	dmo_witness_encode(&w, sb.uuid, buf);
	assert_refused(dmo_witness_decode(buf, &sb, &r, &why), -EUCLEAN, "identity has no end");
}

static void state_refusals(void **state)
{
	u8 buf[DMO_STATE_BYTES];
	struct dmo_state st;
	u32 i, b;

	dmo_state_encode(&a_state, uuid, buf);
	for (i = 0; i < sizeof(buf); i++) {
		for (b = 0; b < 8; b++) {
			buf[i] ^= 1u << b;
			assert_refused(dmo_state_decode(buf, uuid, &st, &why),
				       i < 8 ? -ENODATA : -EUCLEAN, "state block: ");
			buf[i] ^= 1u << b;
		}
	}
	assert_refused(dmo_state_decode(buf, other, &st, &why), -ENODATA,
		       "session UUID is " UUID_TEXT ", the superblock's is 77000000-");
	buf[12] = 1;
	recsum(buf, sizeof(buf));
	assert_refused(dmo_state_decode(buf, uuid, &st, &why), -EPROTONOSUPPORT, "flags are 0x1");
	buf[12] = 0;
	for (i = 168; i < sizeof(buf); i++) {
		buf[i] = 1;
		recsum(buf, sizeof(buf));
		assert_refused(dmo_state_decode(buf, uuid, &st, &why), -EPROTONOSUPPORT,
			       "where this software has nothing");
		buf[i] = 0;
	}
	memset(buf, 0, sizeof(buf));
	assert_refused(dmo_state_decode(buf, uuid, &st, &why), -ENODATA, "never written");

	make_super(1);
	st = a_state;
	st.tail = sb.journal_blocks - 1;
	assert_int_equal(dmo_state_check(&st, &sb, &why), 0);
	st.tail++;
	assert_refused(dmo_state_check(&st, &sb, &why), -EUCLEAN, "journal tail is 99871, expected below the ring's size 99871");
	st.tail = 0;
	st.reach = sb.journal_blocks;
	assert_int_equal(dmo_state_check(&st, &sb, &why), 0);
	st.reach++;
	assert_refused(dmo_state_check(&st, &sb, &why), -EUCLEAN, "reach is 99872, expected at most the ring's size 99871");
}

/* -- records -- */

static u8 rbuf[DMO_BLOCK];

static struct dmo_desc *rdesc(u32 i)
{
	return &((struct dmo_disk_rec *)rbuf)->desc[i];
}

static void make_desc(struct dmo_desc *d, u32 volume, u8 type, u8 mask, u64 block, u64 count)
{
	memset(d, 0, sizeof(*d));
	d->volume = cpu_to_le32(volume);
	d->type = type;
	d->mask = mask;
	d->block = cpu_to_le64(block);
	if (type != DMO_DESC_DATA) {
		d->count = cpu_to_le64(count);
		return;
	}
	d->len = cpu_to_le32(hweight8(mask) * 512);
	d->csum = cpu_to_le32(0x12345678);
}

static struct dmo_rec make_data(u32 nr)
{
	struct dmo_rec r = {
		.seq = 42, .prev_csum = 0xcafe, .type = DMO_REC_DATA, .nr_desc = nr,
	};
	u32 i;

	memset(rbuf, 0xee, sizeof(rbuf));
	for (i = 0; i < nr; i++) {
		if (i % 3 == 2) {
			make_desc(rdesc(i), i, DMO_DESC_ZERO, 0xff, i * 10, 1 + i);
		} else {
			make_desc(rdesc(i), i, DMO_DESC_DATA, 1 + i % 255, i * 10, 1);
			r.nr_blocks++;
		}
	}
	return r;
}

static struct dmo_rec a_rec(u32 type)
{
	struct dmo_rec r = { .seq = 42, .prev_csum = 0xcafe, .type = type };

	if (type == DMO_REC_LAST) {
		r.flags = DMO_LASTF_END_OF_COPY;
		r.table = (struct dmo_cut){ 1, 2 };
		r.time_ns = 1700000000000000002;
		r.total_records = 3;
		r.total_desc = 300;
		r.total_csum = 0xabcdef01;
		r.activation = 0x1122334455667788;
	}
	if (type == DMO_REC_LAST || type == DMO_REC_COMMIT)
		r.tag = (struct dmo_cut){ 5, 110 };
	if (type == DMO_REC_JUMP)
		r.next_seq = 0x4000000000;
	memset(rbuf, 0xee, sizeof(rbuf));
	return r;
}

static void assert_rec_equal(const struct dmo_rec *a, const struct dmo_rec *b)
{
	assert_true(a->seq == b->seq && a->csum == b->csum && a->prev_csum == b->prev_csum);
	assert_true(a->type == b->type && a->flags == b->flags);
	assert_true(a->nr_desc == b->nr_desc && a->nr_blocks == b->nr_blocks);
	assert_false(dmo_cut_cmp(a->tag, b->tag) || dmo_cut_cmp(a->table, b->table));
	assert_true(a->time_ns == b->time_ns && a->next_seq == b->next_seq);
	assert_true(a->total_records == b->total_records && a->total_desc == b->total_desc);
	assert_true(a->total_csum == b->total_csum && a->activation == b->activation);
}

static void rec_round_trip(void **state)
{
	struct dmo_rec r, g;
	u32 i;

	for (i = 1; i <= DMO_REC_MAX_DESC; i++) {
		r = make_data(i);
		dmo_rec_encode(&r, uuid, rbuf);
		memset(&g, 0x5a, sizeof(g));
		assert_int_equal(dmo_rec_decode(rbuf, uuid, &g, &why), 0);
		assert_rec_equal(&g, &r);
		assert_null(memchr_inv(rbuf + 160 + 24 * i, 0, DMO_BLOCK - 160 - 24 * i));
		recsum(rbuf, sizeof(rbuf));
		assert_int_equal(dmo_rec_decode(rbuf, uuid, &g, &why), 0);
		assert_int_equal(g.csum, r.csum);
	}
	for (i = DMO_REC_LAST; i <= DMO_REC_JUMP; i++) {
		r = a_rec(i);
		dmo_rec_encode(&r, uuid, rbuf);
		memset(&g, 0x5a, sizeof(g));
		assert_int_equal(dmo_rec_decode(rbuf, uuid, &g, &why), 0);
		assert_rec_equal(&g, &r);
		assert_null(memchr_inv(rbuf + 160, 0, DMO_BLOCK - 160));
	}
}

static void rec_every_flipped_bit(void **state)
{
	struct dmo_rec r = make_data(100), g;
	u32 i, b;

	dmo_rec_encode(&r, uuid, rbuf);
	for (i = 0; i < sizeof(rbuf); i++) {
		for (b = 0; b < 8; b++) {
			rbuf[i] ^= 1u << b;
			assert_refused(dmo_rec_decode(rbuf, uuid, &g, &why),
				       i < 8 ? -ENODATA : -EUCLEAN, i < 8 ? "magic" : "checksum");
			rbuf[i] ^= 1u << b;
		}
	}
}

static void rec_expect(struct dmo_rec r, int rc, const char *text)
{
	struct dmo_rec g;

	dmo_rec_encode(&r, uuid, rbuf);
	assert_refused(dmo_rec_decode(rbuf, uuid, &g, &why), rc, text);
}

static void rec_refusals(void **state)
{
	struct dmo_rec r, g;
	u32 type;

	r = a_rec(DMO_REC_COMMIT);
	dmo_rec_encode(&r, uuid, rbuf);
	assert_refused(dmo_rec_decode(rbuf, other, &g, &why), -ENODATA,
		       "session UUID is " UUID_TEXT ", expected 77000000-");
	memset(rbuf, 0, sizeof(rbuf));
	assert_refused(dmo_rec_decode(rbuf, uuid, &g, &why), -ENODATA, "no record here");

	r = a_rec(0);
	rec_expect(r, -EPROTONOSUPPORT, "record 42: type is 0, expected 1 to 4");
	r = a_rec(5);
	rec_expect(r, -EPROTONOSUPPORT, "type is 5");

	r = make_data(0);
	rec_expect(r, -EUCLEAN, "DATA has 0 descriptors, expected 1 to 128");
	r = make_data(128);
	dmo_rec_encode(&r, uuid, rbuf);
	rbuf[48] = 129;
	recsum(rbuf, sizeof(rbuf));
	assert_refused(dmo_rec_decode(rbuf, uuid, &g, &why), -EUCLEAN, "DATA has 129 descriptors");
	memset(rbuf + 48, 0xff, 4);
	recsum(rbuf, sizeof(rbuf));
	assert_refused(dmo_rec_decode(rbuf, uuid, &g, &why), -EUCLEAN,
		       "DATA has 4294967295 descriptors");
	r = make_data(9);
	r.nr_blocks++;
	rec_expect(r, -EUCLEAN, "nr_blocks is 7, its descriptors make 6");
	r = make_data(9);
	r.nr_blocks = U32_MAX;
	rec_expect(r, -EUCLEAN, "nr_blocks is 4294967295");
	r = make_data(9);
	r.flags = 1;
	rec_expect(r, -EPROTONOSUPPORT, "flags are 0x1, expected only 0x0");

	r = a_rec(DMO_REC_LAST);
	r.flags = 3;
	rec_expect(r, -EPROTONOSUPPORT, "flags are 0x3, expected only 0x1");
	for (type = DMO_REC_LAST; type <= DMO_REC_COMMIT; type++) {
		r = a_rec(type);
		r.tag = (struct dmo_cut){ 0, 0 };
		rec_expect(r, -EUCLEAN, "tag is 0");
	}
	for (type = DMO_REC_LAST; type <= DMO_REC_JUMP; type++) {
		r = a_rec(type);
		r.nr_blocks = 1;
		rec_expect(r, -EUCLEAN, "has 0 descriptors and 1 blocks, expected none");
		r = a_rec(type);
		r.nr_desc = 1;
		rec_expect(r, -EUCLEAN, "has 1 descriptors and 0 blocks, expected none");
	}
	r = a_rec(DMO_REC_JUMP);
	r.next_seq = 42;
	rec_expect(r, -EUCLEAN, "record 42: JUMP leads to 42, expected more");
	r.next_seq = 43;
	dmo_rec_encode(&r, uuid, rbuf);
	assert_int_equal(dmo_rec_decode(rbuf, uuid, &g, &why), 0);

	r = make_data(3);
	rdesc(1)->type = 3;
	rec_expect(r, -EUCLEAN, "volume 1, block 10: type is 3 (DISCARD), which needs a feature");
	r = make_data(3);
	rdesc(1)->type = 4;
	rec_expect(r, -EUCLEAN, "volume 1, block 10: type is 4, expected 1 (DATA) or 2 (ZERO)");
	for (type = DMO_REC_DATA; type <= DMO_REC_JUMP; type++) {
		r = type == DMO_REC_DATA ? make_data(3) : a_rec(type);
		dmo_rec_encode(&r, uuid, rbuf);
		rbuf[136] = 1;
		recsum(rbuf, sizeof(rbuf));
		assert_refused(dmo_rec_decode(rbuf, uuid, &g, &why), -EPROTONOSUPPORT, "has something where");
		r.activation = 1;
		if (type != DMO_REC_LAST)
			rec_expect(r, -EPROTONOSUPPORT, "has something where");
	}
}

/* -- descriptors -- */

static void desc_refusals(void **state)
{
	static const struct dmo_volume_info vols[] = {
		{ .id = 9, .lbs = 512, .sectors = 2053 },	/* 256 blocks and 5 sectors */
		{ .id = 4, .lbs = 2048, .sectors = 2048 + 4 },
		{ .id = 5, .lbs = 4096, .sectors = 2048 },
	};
	struct dmo_volume_info big = { .id = 7, .lbs = 512 };
	struct dmo_desc d;

#define CHECK() dmo_desc_check(&d, vols, ARRAY_SIZE(vols), &why)
	make_desc(&d, 9, DMO_DESC_DATA, 0xff, 255, 1);
	assert_int_equal(CHECK(), 0);
	make_desc(&d, 9, DMO_DESC_DATA, 0x1f, 256, 1);
	assert_int_equal(CHECK(), 0);
	make_desc(&d, 9, DMO_DESC_ZERO, 0xff, 0, 257);
	assert_int_equal(CHECK(), 0);
	make_desc(&d, 4, DMO_DESC_DATA, 0xf0, 7, 1);
	assert_int_equal(CHECK(), 0);

	make_desc(&d, 9, DMO_DESC_DATA, 0xff, 0, 1);
	d.algo = cpu_to_le16(0x101);
	assert_refused(CHECK(), -EINVAL, "compressed by algorithm 257, expected 0");
	make_desc(&d, 9, 0, 0xff, 0, 1);
	assert_refused(CHECK(), -EINVAL, "type is 0");
	make_desc(&d, 9, DMO_DESC_DATA, 0x0f, 1, 1);
	d.len = cpu_to_le32(4096);
	assert_refused(CHECK(), -EINVAL, "block 1: length of DATA is 4096, expected 2048 of its mask 0x0f");
	d.len = 0;
	assert_refused(CHECK(), -EINVAL, "length of DATA is 0");
	make_desc(&d, 9, DMO_DESC_DATA, 0, 1, 1);
	assert_refused(CHECK(), -EINVAL, "mask of DATA is 0");
	make_desc(&d, 9, DMO_DESC_ZERO, 0xff, 1, 0);
	assert_refused(CHECK(), -EINVAL, "count of ZERO is 0");
	make_desc(&d, 9, DMO_DESC_ZERO, 0x7f, 1, 1);
	assert_refused(CHECK(), -EINVAL, "mask of ZERO is 0x7f");
	make_desc(&d, 9, DMO_DESC_ZERO, 0xff, 1, 1);
	d.algo = cpu_to_le16(1);
	assert_refused(CHECK(), -EINVAL, "algorithm 1, expected 0xff and 0");
	make_desc(&d, 9, DMO_DESC_ZERO, 0xff, 1, U64_MAX);
	assert_refused(CHECK(), -EINVAL, "count of ZERO is 18446744073709551615");
	make_desc(&d, 9, DMO_DESC_DATA, 0xff, U64_MAX, 1);
	assert_refused(CHECK(), -EINVAL, "block 18446744073709551615 is beyond any device");

	make_desc(&d, 8, DMO_DESC_DATA, 0xff, 0, 1);
	assert_refused(CHECK(), -ENODEV, "volume 8 is unknown here");
	make_desc(&d, 9, DMO_DESC_DATA, 0x01, 257, 1);
	assert_refused(CHECK(), -ERANGE, "volume 9: blocks 257+1, expected within its 257 blocks");
	make_desc(&d, 9, DMO_DESC_ZERO, 0xff, 1, 257);
	assert_refused(CHECK(), -ERANGE, "blocks 1+257");
	make_desc(&d, 9, DMO_DESC_ZERO, 0xff, 256, 1ull << 34);
	assert_refused(CHECK(), -ERANGE, "blocks 256+17179869184");
	big.sectors = DMO_MAX_SESSION_SECTORS;
	make_desc(&d, 7, DMO_DESC_ZERO, 0xff, 0, 1ull << 34);	/* 64 TiB in one */
	assert_int_equal(dmo_desc_check(&d, &big, 1, &why), 0);
	make_desc(&d, 9, DMO_DESC_DATA, 0x20, 256, 1);
	assert_refused(CHECK(), -ERANGE, "mask is 0x20, the volume's end allows 0x1f");
	make_desc(&d, 4, DMO_DESC_DATA, 0x0e, 7, 1);
	assert_refused(CHECK(), -EINVAL, "mask is 0x0e, expected whole logical blocks of 2048 bytes");
	make_desc(&d, 5, DMO_DESC_DATA, 0x7f, 7, 1);
	assert_refused(CHECK(), -EINVAL, "whole logical blocks of 4096 bytes");
	assert_refused(dmo_desc_check(&d, vols, 0, &why), -ENODEV, "volume 5 is unknown");
#undef CHECK
}

static void mask_csum(void **state)
{
	static u8 block[DMO_BLOCK], packed[DMO_BLOCK];
	u32 m, i, n;

	unit_seed("mask_csum");
	unit_fill(block, sizeof(block));
	for (m = 0; m < 256; m++) {
		for (i = 0, n = 0; i < 8; i++)
			if (m >> i & 1)
				memcpy(packed + 512 * n++, block + 512 * i, 512);
		assert_int_equal(dmo_mask_csum(block, m), dmo_crc(0, packed, 512 * n));
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(crc_is_castagnoli),
		cmocka_unit_test(super_round_trip),
		cmocka_unit_test(super_bytes),
		cmocka_unit_test(super_every_flipped_bit),
		cmocka_unit_test(super_refusals),
		cmocka_unit_test(super_flags_unknown),
		cmocka_unit_test(super_total_size),
		cmocka_unit_test(super_raw_refusals),
		cmocka_unit_test(super_places),
		cmocka_unit_test(super_choice),
		cmocka_unit_test(layout),
		cmocka_unit_test(chunk_sizes),
		cmocka_unit_test(lookup),
		cmocka_unit_test(state_round_trip),
		cmocka_unit_test(witness_round_trip),
		cmocka_unit_test(state_refusals),
		cmocka_unit_test(rec_round_trip),
		cmocka_unit_test(rec_every_flipped_bit),
		cmocka_unit_test(rec_refusals),
		cmocka_unit_test(desc_refusals),
		cmocka_unit_test(mask_csum),
	};

	return cmocka_run_group_tests_name("ondisk", tests, NULL, NULL);
}
