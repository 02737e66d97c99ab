// SPDX-License-Identifier: GPL-2.0-only
/* Frames and the handshake. */
#include <kunit/test.h>
#include "format/wire.h"

struct fixture {
	u8 hdr[DMO_WIRE_HDR];
	u8 payload[DMO_WIRE_MAX_PAYLOAD];
	struct dmo_hello prim, sec, got;
	struct dmo_reason why;
};

static int init(struct kunit *test)
{
	struct fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, f);
	test->priv = f;
	f->prim.version_min = 1;
	f->prim.version_max = 1;
	f->prim.uuid[0] = 0xab;
	f->prim.role = DMO_ROLE_PRIMARY;
	dmo_line_add(&f->prim.line, 8);
	dmo_line_add(&f->prim.line, 9);
	f->prim.nr_volumes = 1;
	f->prim.volumes[0] = (struct dmo_volume_info) { .id = 1, .lbs = 512, .sectors = 4096 };
	f->sec = f->prim;
	f->sec.role = DMO_ROLE_SECONDARY;
	return 0;
}

static void frames(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct dmo_frame_hdr h = {
		.type = DMO_FRAME_DATA, .number = 7, .payload_len = 48, .data_len = 1024,
		.tag = { 1, 2 }, .arg = 3,
	}, g;
	u32 i, accepted = 0;

	dmo_frame_encode(f->hdr, &h, f->payload);
	KUNIT_ASSERT_EQ(test, dmo_frame_decode_hdr(f->hdr, 7, &g, &f->why), 0);
	KUNIT_EXPECT_EQ(test, memcmp(&g, &h, sizeof(h)), 0);
	KUNIT_EXPECT_EQ(test, dmo_frame_check_csum(f->hdr, f->payload, 48, &f->why), 0);
	KUNIT_EXPECT_EQ(test, dmo_frame_decode_hdr(f->hdr, 8, &g, &f->why), -EPROTO);
	for (i = 0; i < DMO_WIRE_HDR + 48; i++) {
		u8 *p = i < DMO_WIRE_HDR ? f->hdr + i : f->payload + i - DMO_WIRE_HDR;

		*p ^= 1u << (i % 8);
		if (dmo_frame_check_csum(f->hdr, f->payload, 48, &f->why) != -EBADMSG)
			accepted++;
		*p ^= 1u << (i % 8);
	}
	KUNIT_EXPECT_EQ(test, accepted, 0);
	h.data_len = 2 * 4096 + 512;
	dmo_frame_encode(f->hdr, &h, f->payload);
	KUNIT_EXPECT_EQ(test, dmo_frame_decode_hdr(f->hdr, 7, &g, &f->why), -EPROTO);
	h.payload_len = 129 * 24;
	dmo_frame_encode(f->hdr, &h, f->payload);
	KUNIT_EXPECT_EQ(test, dmo_frame_decode_hdr(f->hdr, 7, &g, &f->why), -EPROTO);
	h = (struct dmo_frame_hdr) { .type = 99, .number = 7 };
	dmo_frame_encode(f->hdr, &h, f->payload);
	KUNIT_EXPECT_EQ(test, dmo_frame_decode_hdr(f->hdr, 7, &g, &f->why), -EPROTO);
	h.type = DMO_FRAME_PING;
	dmo_frame_encode(f->hdr, &h, f->payload);
	KUNIT_EXPECT_EQ(test, dmo_frame_decode_hdr(f->hdr, 7, &g, &f->why), 0);
	f->hdr[8] = 1;
	KUNIT_EXPECT_EQ(test, dmo_frame_decode_hdr(f->hdr, 7, &g, &f->why), -EPROTONOSUPPORT);
}

static int check(struct fixture *f, u32 nr, u32 bytes)
{
	return dmo_frame_check_descs((struct dmo_desc *)f->payload, nr, bytes, f->prim.volumes,
				     f->prim.nr_volumes, &f->why);
}

static void descriptors(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct dmo_desc *d = (struct dmo_desc *)f->payload;
	u32 i;

	for (i = 0; i < 128; i++)
		d[i] = (struct dmo_desc) {
			.volume = cpu_to_le32(1), .type = DMO_DESC_DATA, .mask = 3,
			.block = cpu_to_le64(2 * (127 - i)), .len = cpu_to_le32(1024),
		};
	KUNIT_EXPECT_EQ(test, check(f, 128, 128 * 1024), 0);
	KUNIT_EXPECT_EQ(test, check(f, 128, 128 * 1024 - 512), -EPROTO);
	KUNIT_EXPECT_EQ(test, check(f, 0, 0), -EPROTO);
	d[127].block = d[3].block;
	KUNIT_EXPECT_EQ(test, check(f, 128, 128 * 1024), -EPROTO);
	KUNIT_EXPECT_NOT_NULL(test, strstr(f->why.text, "frame has block 248 of volume 1 twice"));
	d[127].block = cpu_to_le64(512);
	KUNIT_EXPECT_EQ(test, check(f, 128, 128 * 1024), -EPROTO);
	d[127].block = cpu_to_le64(511);
	KUNIT_EXPECT_EQ(test, check(f, 128, 128 * 1024), 0);
	d[5].volume = cpu_to_le32(2);
	KUNIT_EXPECT_EQ(test, check(f, 128, 128 * 1024), -EPROTO);
	KUNIT_EXPECT_NOT_NULL(test, strstr(f->why.text, "volume 2 is unknown"));
}

static void hello(struct kunit *test)
{
	struct fixture *f = test->priv;
	u32 len = dmo_hello_encode(&f->sec, f->payload), i;

	KUNIT_EXPECT_EQ(test, len, 192 + 2 * 24 + 16);
	KUNIT_ASSERT_EQ(test, dmo_hello_decode(f->payload, len, &f->got, &f->why), 0);
	KUNIT_EXPECT_EQ(test, memcmp(&f->got, &f->sec, sizeof(f->sec)), 0);
	for (i = 0; i < len; i++)
		KUNIT_EXPECT_EQ(test, dmo_hello_decode(f->payload, i, &f->got, &f->why), -EPROTO);
	f->sec.nr_volumes = 2;
	f->sec.volumes[1] = f->sec.volumes[0];
	len = dmo_hello_encode(&f->sec, f->payload);
	KUNIT_EXPECT_EQ(test, dmo_hello_decode(f->payload, len, &f->got, &f->why), -EPROTO);
	KUNIT_EXPECT_NOT_NULL(test, strstr(f->why.text, "volume id 1 is there twice"));
}

/* Both sides come to the same verdict. */
static enum dmo_relation judge(struct kunit *test)
{
	struct fixture *f = test->priv;
	enum dmo_relation r = dmo_hello_judge(&f->sec, &f->prim, &f->why);

	KUNIT_EXPECT_EQ(test, dmo_hello_judge(&f->prim, &f->sec, &f->why), r);
	return r;
}

static void verdict(struct kunit *test)
{
	struct fixture *f = test->priv;

	KUNIT_EXPECT_EQ(test, judge(test), DMO_REL_SAME);
	f->sec.line.nr = 1;
	f->sec.line.at[0].activation = 8;
	KUNIT_EXPECT_EQ(test, judge(test), DMO_REL_ANCESTOR);
	f->sec.line.at[0].activation = 7;
	KUNIT_EXPECT_EQ(test, judge(test), DMO_REL_REFUSE);
	KUNIT_EXPECT_NOT_NULL(test, strstr(f->why.text, "diverged"));
	f->sec.line.nr = 0;
	KUNIT_EXPECT_EQ(test, judge(test), DMO_REL_FRESH);
	f->prim.flags = DMO_SBF_ASSUME_EQUAL;
	KUNIT_EXPECT_EQ(test, judge(test), DMO_REL_FRESH);
	f->sec.flags = DMO_SBF_ASSUME_EQUAL;
	KUNIT_EXPECT_EQ(test, judge(test), DMO_REL_EQUAL);
	f->sec.volumes[0].sectors += 8;
	KUNIT_EXPECT_EQ(test, judge(test), DMO_REL_EQUAL);
	f->sec.volumes[0].sectors -= 16;
	KUNIT_EXPECT_EQ(test, judge(test), DMO_REL_REFUSE);
	KUNIT_EXPECT_NOT_NULL(test, strstr(f->why.text, "grow the secondary"));
	f->sec.volumes[0] = f->prim.volumes[0];
	f->sec.uuid[0]++;
	KUNIT_EXPECT_EQ(test, judge(test), DMO_REL_REFUSE);
	KUNIT_EXPECT_NOT_NULL(test, strstr(f->why.text, "UUID"));
	f->sec = f->prim;
	KUNIT_EXPECT_EQ(test, judge(test), DMO_REL_REFUSE);
	KUNIT_EXPECT_NOT_NULL(test, strstr(f->why.text, "role is primary"));
}

static struct kunit_case cases[] = {
	KUNIT_CASE(frames),
	KUNIT_CASE(descriptors),
	KUNIT_CASE(hello),
	KUNIT_CASE(verdict),
	{}
};

static struct kunit_suite suite = {
	.name = "dm-ordered-wire",
	.init = init,
	.test_cases = cases,
};
kunit_test_suite(suite);
