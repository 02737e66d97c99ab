// SPDX-License-Identifier: GPL-2.0-only
/* Frames and the handshake: round trips, every refusal, the verdict from both sides. */
#include "unit.h"
#include "format/wire.h"

static struct dmo_reason why;
static u8 hdr[DMO_WIRE_HDR];
static u8 payload[DMO_WIRE_MAX_PAYLOAD];

/* The checksum, from the format's description and not by the code under test. */
static void recsum(u32 payload_len)
{
	u32 crc = ~0u, i, j;

	memset(hdr + 4, 0, 4);
	for (i = 0; i < DMO_WIRE_HDR + payload_len; i++) {
		crc ^= i < DMO_WIRE_HDR ? hdr[i] : payload[i - DMO_WIRE_HDR];
		for (j = 0; j < 8; j++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	crc = ~crc;
	for (i = 0; i < 4; i++)
		hdr[4 + i] = (u8)(crc >> (8 * i));
}

/* Every type with the lengths that it allows, and whether it has a tag and an argument. */
enum { TAG = 1, ARG = 2 };

static const struct {
	u16 type;
	u32 lo, hi, step;
	const char *name;
	u8 has;
} types[] = {
	{ DMO_FRAME_HELLO, 208, 5824, 8, "HELLO", 0 },
	{ DMO_FRAME_ACCEPT, 0, 0, 1, "ACCEPT", 0 },
	{ DMO_FRAME_REFUSE, 1, 255, 1, "REFUSE", 0 },
	{ DMO_FRAME_FAIL, 1, 255, 1, "FAIL", 0 },
	{ DMO_FRAME_PING, 0, 0, 1, "PING", 0 },
	{ DMO_FRAME_DATA, 24, 128 * 24, 24, "DATA", TAG | ARG },
	{ DMO_FRAME_LAST, 88, 256, 24, "LAST", TAG },
	{ DMO_FRAME_DROP, 0, 0, 1, "DROP", TAG },
	{ DMO_FRAME_COMMIT, 0, 0, 1, "COMMIT", TAG },
	{ DMO_FRAME_DIRECT_BEGIN, 0, 0, 1, "DIRECT_BEGIN", ARG },
	{ DMO_FRAME_DIRECT, 24, 128 * 24, 24, "DIRECT", ARG },
	{ DMO_FRAME_SYNC, 0, 0, 1, "SYNC", ARG },
	{ DMO_FRAME_COMPLETE, 0, 0, 1, "COMPLETE", TAG },
	{ DMO_FRAME_DROPPED, 0, 0, 1, "DROPPED", TAG | ARG },
	{ DMO_FRAME_COMMITTED, 0, 0, 1, "COMMITTED", TAG },
	{ DMO_FRAME_RESTORED, 0, 0, 1, "RESTORED", TAG },
	{ DMO_FRAME_DIRECT_READY, 0, 0, 1, "DIRECT_READY", ARG },
	{ DMO_FRAME_SYNCED, 0, 0, 1, "SYNCED", ARG },
	{ DMO_FRAME_CONDITION, 0, 0, 1, "CONDITION", ARG },
};

static bool carries(u16 type)
{
	return type == DMO_FRAME_DATA || type == DMO_FRAME_DIRECT;
}

static int decode(u64 expect)
{
	struct dmo_frame_hdr h;

	return dmo_frame_decode_hdr(hdr, expect, &h, &why);
}

static void frame_round_trip(void **state)
{
	u32 i, len;

	unit_seed("frame_round_trip");
	for (i = 0; i < ARRAY_SIZE(types); i++) {
		for (len = types[i].lo; len <= types[i].hi; len += types[i].step) {
			struct dmo_frame_hdr g, h = {
				.type = types[i].type,
				.number = unit_rand(),
				.payload_len = len,
				.data_len = carries(types[i].type) ? len / 24 * 4096 : 0,
				.arg = types[i].has & ARG ? unit_rand() : 0,
			};

			if (types[i].has & TAG)
				h.tag = (struct dmo_cut){ unit_rand() % (DMO_WIRE_MAX_EPOCH + 1), unit_rand() };

			unit_fill(payload, len);
			memset(hdr, 0xee, sizeof(hdr));
			dmo_frame_encode(hdr, &h, payload);
			assert_int_equal(dmo_frame_decode_hdr(hdr, h.number, &g, &why), 0);
			assert_int_equal(dmo_frame_check_csum(hdr, payload, len, &why), 0);
			assert_int_equal(g.type, h.type);
			assert_true(g.number == h.number && g.arg == h.arg);
			assert_true(g.payload_len == len && g.data_len == h.data_len);
			assert_int_equal(dmo_cut_cmp(g.tag, h.tag), 0);
		}
		assert_string_equal(dmo_frame_name(types[i].type), types[i].name);
	}
	assert_string_equal(dmo_frame_name(0), "unknown");
}

static void make_frame(u16 type, u32 payload_len, u32 data_len)
{
	struct dmo_frame_hdr h = {
		.type = type, .number = 5, .payload_len = payload_len, .data_len = data_len,
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		if (types[i].type == type && types[i].has & TAG)
			h.tag = (struct dmo_cut){ 1, 0x1122 };
		if (types[i].type == type && types[i].has & ARG)
			h.arg = 0x3344;
	}
	unit_fill(payload, min_t(u32, payload_len, sizeof(payload)));
	if (payload_len > sizeof(payload)) {
		h.payload_len = 0;
		dmo_frame_encode(hdr, &h, payload);
		((struct dmo_wire_hdr *)hdr)->payload_len = cpu_to_le32(payload_len);
	} else {
		dmo_frame_encode(hdr, &h, payload);
	}
}

/* The bytes where Documentation/wire-format.rst says they are. */
static void frame_bytes(void **state)
{
	make_frame(DMO_FRAME_DATA, 48, 512);
	assert_memory_equal(hdr, "DMOW", 4);
	assert_memory_equal(hdr + 8, "\2\0\12\0\0\0\0\0\5\0\0\0\0\0\0\0\x30\0\0\0\0\2\0\0", 24);
	assert_memory_equal(hdr + 32, "\1\0\0\0\0\0\0\0\x22\x11\0\0\0\0\0\0\x44\x33\0\0\0\0\0\0", 24);
	assert_null(memchr_inv(hdr + 56, 0, 8));
	recsum(48);
	assert_int_equal(dmo_frame_check_csum(hdr, payload, 48, &why), 0);
}

/* Nothing of a header or a payload can change unseen. */
static void frame_every_flipped_bit(void **state)
{
	u32 i, b;

	unit_seed("frame_every_flipped_bit");
	make_frame(DMO_FRAME_DATA, 128 * 24, 128 * 4096);
	for (i = 0; i < DMO_WIRE_HDR + 128 * 24; i++) {
		u8 *p = i < DMO_WIRE_HDR ? hdr + i : payload + i - DMO_WIRE_HDR;

		for (b = 0; b < 8; b++) {
			*p ^= 1u << b;
			assert_refused(dmo_frame_check_csum(hdr, payload, 128 * 24, &why), -EBADMSG,
				       "checksum is 0x");
			*p ^= 1u << b;
		}
	}
	assert_int_equal(dmo_frame_check_csum(hdr, payload, 128 * 24, &why), 0);
}

/* No header makes a receiver take more than its type can mean. */
static void frame_lengths(void **state)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		u16 t = types[i].type;
		u32 lo = types[i].lo, hi = types[i].hi, max = hi / 24 * 4096;

		if (lo) {
			make_frame(t, lo - 1, 0);
			assert_refused(decode(5), -EPROTO, "payload is");
			make_frame(t, 0, 0);
			assert_refused(decode(5), -EPROTO, "payload is 0 bytes, expected");
		}
		make_frame(t, hi + 1, 0);
		assert_refused(decode(5), -EPROTO, "payload is");
		make_frame(t, hi + types[i].step, 0);
		assert_refused(decode(5), -EPROTO, types[i].name);
		make_frame(t, U32_MAX, 0);
		assert_refused(decode(5), -EPROTO, "payload is 4294967295 bytes, expected");
		if (types[i].step > 1) {
			make_frame(t, lo + 1, 0);
			assert_refused(decode(5), -EPROTO, "in steps of");
		}
		make_frame(t, hi, 0);
		assert_int_equal(decode(5), 0);
		if (!carries(t)) {
			make_frame(t, hi, 512);
			assert_refused(decode(5), -EPROTO, "data is 512 bytes, expected at most 0");
			continue;
		}
		make_frame(t, hi, max);
		assert_int_equal(decode(5), 0);
		make_frame(t, hi, max + 512);
		assert_refused(decode(5), -EPROTO, "data is 524800 bytes, expected at most 524288");
		make_frame(t, lo, 4096 + 512);
		assert_refused(decode(5), -EPROTO, "data is 4608 bytes, expected at most 4096");
		make_frame(t, hi, 511);
		assert_refused(decode(5), -EPROTO, "data is 511 bytes, expected");
		make_frame(t, hi, U32_MAX);
		assert_refused(decode(5), -EPROTO, "data is 4294967295 bytes");
	}
}

static void frame_refusals(void **state)
{
	struct dmo_wire_hdr *d = (struct dmo_wire_hdr *)hdr;
	u32 t, i;

	make_frame(DMO_FRAME_PING, 0, 0);
	assert_int_equal(decode(5), 0);
	d->magic = cpu_to_le32(0x20544547);	/* "GET " */
	assert_refused(decode(5), -EPROTO, "frame 5: magic is 0x20544547, expected 0x574f4d44");
	make_frame(DMO_FRAME_PING, 0, 0);
	d->version = cpu_to_le16(1);
	assert_refused(decode(5), -EPROTONOSUPPORT,
		       "wire version is 1, this side speaks 2: use the same release on both sides");
	d->version = cpu_to_le16(3);
	assert_refused(decode(5), -EPROTONOSUPPORT, "wire version is 3, this side speaks 2");
	d->version = 0;
	assert_refused(decode(5), -EPROTONOSUPPORT, "wire version is 0");
	make_frame(DMO_FRAME_PING, 0, 0);
	d->flags = cpu_to_le32(0x80000000);
	assert_refused(decode(5), -EPROTO, "PING: flags are 0x80000000, expected 0");
	for (i = 56; i < 64; i++) {
		make_frame(DMO_FRAME_PING, 0, 0);
		hdr[i] = 1;
		assert_refused(decode(5), -EPROTO, "reserved bytes are not zero");
	}
	for (i = 0; i < ARRAY_SIZE(types); i++) {
		for (t = 32; t < 56; t++) {
			make_frame(types[i].type, types[i].lo, 0);
			hdr[t] ^= 0x10;
			if (t < 48 ? types[i].has & TAG : types[i].has & ARG)
				assert_int_equal(decode(5), 0);
			else
				assert_refused(decode(5), -EPROTO, "where it has none");
		}
	}
	make_frame(DMO_FRAME_FENCE, 0, 0);
	assert_refused(decode(5), -EPROTO, "FENCE: of several links, a feature that is not on");
	make_frame(DMO_FRAME_FENCED, 0, 0);
	assert_refused(decode(5), -EPROTO, "FENCED: of several links");
	make_frame(DMO_FRAME_PING, 0, 0);
	assert_refused(decode(4), -EPROTO, "PING: number is 5, expected 4");
	assert_refused(decode(6), -EPROTO, "number is 5, expected 6");
	for (t = 0; t < 65536; t++) {
		for (i = 0; i < ARRAY_SIZE(types) && types[i].type != t; i++)
			;
		if (i < ARRAY_SIZE(types))
			continue;
		d->type = cpu_to_le16(t);
		assert_int_equal(decode(5), -EPROTO);
	}
	assert_refused(decode(5), -EPROTO, "type 65535 is unknown");
}

static void condition(void **state)
{
	u64 ms;
	u32 cond;

	(void)state;
	assert_int_equal(dmo_condition_decode(dmo_condition_arg(DMO_COND_RESTORE_ERROR, 7000), &cond,
					      &ms, &why), 0);
	assert_int_equal(cond, DMO_COND_RESTORE_ERROR);
	assert_int_equal(ms, 7000);
	assert_int_equal(dmo_condition_decode(dmo_condition_arg(0, U64_MAX), &cond, &ms, &why), 0);
	assert_int_equal(ms, U64_MAX >> 8);
	assert_refused(dmo_condition_decode(DMO_COND_MAX + 1, &cond, &ms, &why), -EPROTO,
		       "expected at most 5");
}

static void last_round_trip(void **state)
{
	struct dmo_last g, l = {
		.table = { 1, 2 }, .time_ns = 3, .total_records = 4, .total_desc = 5,
		.total_csum = 6, .flags = DMO_LASTF_END_OF_COPY, .activation = 7, .first = 8,
	};
	u32 i;

	dmo_last_encode(&l, payload);
	assert_memory_equal(payload, "\1\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0", 24);
	assert_memory_equal(payload + 24,
			    "\4\0\0\0\0\0\0\0\5\0\0\0\0\0\0\0\6\0\0\0\1\0\0\0", 24);
	assert_memory_equal(payload + 48, "\7\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0", 16);
	assert_memory_equal(payload + 64,
			    "\0\0\0\0\0\0\0\0\x8\0\0\0\0\0\0\0\4\0\0\0\0\0\0\0", 24);
	assert_int_equal(dmo_last_decode(payload, 88, &g, &why), 0);
	assert_memory_equal(&g, &l, sizeof(g));
	for (i = 0; i < 200; i++)
		if (i != 88)
			assert_refused(dmo_last_decode(payload, i, &g, &why), -EPROTO, "expected 88");
	payload[56] = 2;
	assert_refused(dmo_last_decode(payload, 88, &g, &why), -EPROTO,
		       "number of links is 2, expected 1: several are a feature that is not on");
	payload[56] = 1;
	for (i = 60; i < 72; i++) {
		payload[i] = 1;
		assert_refused(dmo_last_decode(payload, 88, &g, &why), -EPROTO, "expected zeroes");
		payload[i] = 0;
	}
	payload[80] = 5;
	assert_refused(dmo_last_decode(payload, 88, &g, &why), -EPROTO,
		       "5 frames from 8 on its only link, expected the total of 4");
	payload[80] = 4;
	payload[72] = 0;
	assert_refused(dmo_last_decode(payload, 88, &g, &why), -EPROTO, "4 frames from 0 on");
	payload[72] = 8;
	payload[48] = 0;
	assert_refused(dmo_last_decode(payload, 88, &g, &why), -EPROTO, "LAST: activation is 0");
	payload[44] = 3;
	assert_refused(dmo_last_decode(payload, 88, &g, &why), -EPROTO,
		       "LAST: flags are 0x3, expected only 0x1");
	/* a chunk without data */
	l.total_records = 0;
	l.first = 0;
	dmo_last_encode(&l, payload);
	assert_int_equal(dmo_last_decode(payload, 88, &g, &why), 0);
}

/* -- descriptors -- */

static const struct dmo_volume_info vols[] = {
	{ .id = 7, .lbs = 512, .sectors = 8000 },
	{ .id = 3, .lbs = 4096, .sectors = 4096 },
	{ .id = 9, .lbs = 512, .sectors = 2048 },
};
static struct dmo_desc descs[DMO_WIRE_MAX_DESC + 1];

static u32 data_desc(u32 i, u32 volume, u64 block, u8 mask)
{
	memset(&descs[i], 0, sizeof(descs[i]));
	descs[i].volume = cpu_to_le32(volume);
	descs[i].type = DMO_DESC_DATA;
	descs[i].mask = mask;
	descs[i].block = cpu_to_le64(block);
	descs[i].len = cpu_to_le32(hweight8(mask) * 512);
	return hweight8(mask) * 512;
}

static void zero_desc(u32 i, u32 volume, u64 block, u64 count)
{
	data_desc(i, volume, block, 0xff);
	descs[i].type = DMO_DESC_ZERO;
	descs[i].count = cpu_to_le64(count);
}

static int check(u32 nr, u32 bytes)
{
	return dmo_frame_check_descs(descs, nr, bytes, vols, ARRAY_SIZE(vols), &why);
}

static void frame_descs(void **state)
{
	u32 i, j, bytes = 0;

	/* full, in order, several volumes */
	for (i = 0; i < DMO_WIRE_MAX_DESC; i++)
		bytes += data_desc(i, i < 64 ? 3 : 9, i, i < 64 ? 0xff : 1 + i % 255);
	assert_int_equal(check(DMO_WIRE_MAX_DESC, bytes), 0);
	/* in any order */
	unit_seed("frame_descs");
	for (i = DMO_WIRE_MAX_DESC - 1; i; i--) {
		struct dmo_desc t = descs[i];

		j = unit_below(i + 1);
		descs[i] = descs[j];
		descs[j] = t;
	}
	assert_int_equal(check(DMO_WIRE_MAX_DESC, bytes), 0);
	/* whichever is there twice is found */
	for (i = 0; i < DMO_WIRE_MAX_DESC; i++) {
		struct dmo_desc t;

		j = unit_below(DMO_WIRE_MAX_DESC);
		if (i == j)
			continue;
		t = descs[j];
		bytes += (hweight8(descs[i].mask) - hweight8(descs[j].mask)) * 512;
		descs[j] = descs[i];
		assert_refused(check(DMO_WIRE_MAX_DESC, bytes), -EPROTO, "twice");
		bytes += (hweight8(t.mask) - hweight8(descs[j].mask)) * 512;
		descs[j] = t;
	}
	assert_int_equal(check(DMO_WIRE_MAX_DESC, bytes), 0);
}

static void frame_desc_refusals(void **state)
{
	u32 bytes;

	assert_refused(check(0, 0), -EPROTO, "frame has 0 descriptors, expected 1 to 128");
	assert_refused(check(129, 0), -EPROTO, "frame has 129 descriptors");

	bytes = data_desc(0, 7, 4, 0x0f);
	assert_int_equal(check(1, bytes), 0);
	assert_refused(check(1, bytes + 512), -EPROTO,
		       "2560 bytes of data, its descriptors carry 2048");
	assert_refused(check(1, 0), -EPROTO, "0 bytes of data");
	data_desc(1, 7, 4, 0xf0);
	assert_refused(check(2, 4096), -EPROTO, "frame has block 4 of volume 7 twice");
	data_desc(1, 9, 4, 0xf0);	/* the same block of another volume */
	assert_int_equal(check(2, 4096), 0);

	/* runs of zeroes count with all their blocks */
	data_desc(0, 7, 50, 0xff);
	zero_desc(1, 7, 40, 10);
	assert_int_equal(check(2, 4096), 0);
	zero_desc(1, 7, 40, 11);
	assert_refused(check(2, 4096), -EPROTO, "frame has block 50 of volume 7 twice");
	zero_desc(1, 7, 50, 1);
	assert_refused(check(2, 4096), -EPROTO, "twice");
	zero_desc(0, 7, 0, 100);
	data_desc(1, 7, 99, 0xff);
	assert_refused(check(2, 4096), -EPROTO, "frame has block 99 of volume 7 twice");
	data_desc(1, 7, 100, 0xff);
	assert_int_equal(check(2, 4096), 0);
	zero_desc(0, 7, 0, 1000);
	assert_int_equal(check(1, 0), 0);

	/* what dmo_desc_check() refuses ends the frame */
	zero_desc(0, 7, 0, 1001);
	assert_refused(check(1, 0), -EPROTO, "volume 7: blocks 0+1001, expected within its 1000");
	data_desc(0, 8, 0, 0xff);
	assert_refused(check(1, 4096), -EPROTO, "volume 8 is unknown");
	data_desc(0, 7, 0, 0xff);
	data_desc(1, 8, 0, 0xff);
	assert_refused(check(2, 8192), -EPROTO, "volume 8 is unknown");
	data_desc(0, 3, 0, 0x7f);
	assert_refused(check(1, 7 * 512), -EPROTO, "whole logical blocks of 4096 bytes");
}

/* -- handshake -- */

static struct dmo_hello prim, sec, dec;

static void make_hellos(void)
{
	u32 i;

	memset(&prim, 0, sizeof(prim));
	prim.version_min = 1;
	prim.version_max = 1;
	memcpy(prim.uuid, "0123456789abcdef", 16);
	prim.role = DMO_ROLE_PRIMARY;
	prim.attach_id = 11;
	prim.epoch = 12;
	for (i = 0; i < DMO_MAX_LINE - 2; i++)
		dmo_line_add(&prim.line, 0x9000 + i);
	dmo_line_add(&prim.line, 0x98);
	dmo_line_add(&prim.line, 0x99);
	prim.can = 0x700;
	prim.peer = 1;
	prim.copy_id = 13;
	prim.nr_volumes = 3;
	for (i = 0; i < 3; i++) {
		prim.volumes[i].id = i;
		prim.volumes[i].lbs = 512 << i;
		prim.volumes[i].sectors = 2048 * (1 + i);
	}
	sec = prim;
	sec.role = DMO_ROLE_SECONDARY;
	sec.attach_id = 21;
	sec.copy_id = 0;
	sec.complete = (struct dmo_cut){ 12, 33 };
	sec.committed = (struct dmo_cut){ 12, 32 };
	sec.restored = (struct dmo_cut){ 12, 31 };
	sec.chunk_max = 1 << 20;
	sec.activation = 0x98;
	sec.peer = 0;
	sec.copy_step = 0x12345678;
	sec.volumes[0] = prim.volumes[2];	/* in another order */
	sec.volumes[2] = prim.volumes[0];
}

static void hello_round_trip(void **state)
{
	u32 len, i;

	make_hellos();
	len = dmo_hello_encode(&sec, payload);
	assert_int_equal(len, 192 + 64 * 24 + 3 * 16);
	assert_int_equal(dmo_hello_decode(payload, len, &dec, &why), 0);
	assert_memory_equal(&dec, &sec, sizeof(sec));
	assert_memory_equal(payload + 8, "0123456789abcdef", 16);
	assert_memory_equal(payload + 24, "\2\0\0\0\3\0\0\0\0\0\0\0\0\0\0\0\0\7\0\0\0\0\0\0", 24);
	assert_memory_equal(payload + 56, "\x15\0\0\0\0\0\0\0\x0c\0\0\0\0\0\0\0", 16);
	assert_memory_equal(payload + 80, "\x78\x56\x34\x12\0\0\0\0\x0c\0\0\0\0\0\0\0\x21", 17);
	assert_memory_equal(payload + 136, "\x98\0\0\0\0\0\0\0", 8);
	assert_memory_equal(payload + 168, "\0\0\x10\0\0\0\0\0\x40\0\0\0\0\0\0\0", 16);
	assert_memory_equal(payload + 192, "\x99\0\0\0\0\0\0\0", 8);
	assert_memory_equal(payload + 216, "\x98\0\0\0\0\0\0\0", 8);
	assert_memory_equal(payload + 192 + 64 * 24, "\2\0\0\0\0\x08\0\0\0\x18\0\0\0\0\0\0", 16);

	prim.nr_volumes = DMO_MAX_VOLUMES;
	for (i = 0; i < DMO_MAX_VOLUMES; i++) {
		prim.volumes[i].id = 65535 - i;
		prim.volumes[i].lbs = 512;
		prim.volumes[i].sectors = 2048 + i;
	}
	memset(payload, 0xee, sizeof(payload));
	len = dmo_hello_encode(&prim, payload);
	assert_int_equal(len, 5824);
	assert_int_equal(dmo_hello_decode(payload, len, &dec, &why), 0);
	assert_memory_equal(&dec, &prim, sizeof(prim));
	/* no length makes it read beyond what is there */
	for (i = 0; i < len; i++) {
		u8 *exact = malloc(i ? i : 1);

		memcpy(exact, payload, i);
		assert_int_equal(dmo_hello_decode(exact, i, &dec, &why), -EPROTO);
		free(exact);
	}
}

static void hello_refused(const struct dmo_hello *h, const char *text)
{
	u32 len = dmo_hello_encode(h, payload);

	assert_refused(dmo_hello_decode(payload, len, &dec, &why), -EPROTO, text);
}

static void hello_refusals(void **state)
{
	u32 len, i;

	make_hellos();
	assert_refused(dmo_hello_decode(payload, 0, &dec, &why), -EPROTO,
		       "payload is 0 bytes, expected at least 192");
	len = dmo_hello_encode(&prim, payload);
	assert_refused(dmo_hello_decode(payload, len + 16, &dec, &why), -EPROTO,
		       "payload is 1792 bytes, expected 1776 for 64 activations and 3 volumes");
	assert_refused(dmo_hello_decode(payload, len - 16, &dec, &why), -EPROTO,
		       "payload is 1760 bytes, expected 1776");
	memset(payload + 28, 0xff, 4);
	assert_refused(dmo_hello_decode(payload, len, &dec, &why), -EPROTO,
		       "number of volumes is 4294967295, expected 1 to 256");
	assert_int_equal(dec.nr_volumes, 0);

	prim.nr_volumes = 0;
	hello_refused(&prim, "number of volumes is 0");
	make_hellos();
	len = dmo_hello_encode(&prim, payload);
	payload[176] = 65;
	assert_refused(dmo_hello_decode(payload, len, &dec, &why), -EPROTO,
		       "line has 65 activations, expected at most 64");
	/* what has no use yet */
	for (i = 0; i < 192; i++) {
		if ((i < 84 || i >= 88) && (i < 144 || i >= 168) && i < 184)
			continue;
		dmo_hello_encode(&prim, payload);
		payload[i] = 1;
		assert_refused(dmo_hello_decode(payload, len, &dec, &why), -EPROTO,
			       i < 88 ? "HELLO: link is" : "reserved field, is not zero");
	}
	dmo_hello_encode(&prim, payload);
	payload[192 + 24 + 8] = 1;
	assert_refused(dmo_hello_decode(payload, len, &dec, &why), -EPROTO, "what was sent or cleared");
	make_hellos();
	prim.line.at[5].activation = 0;
	hello_refused(&prim, "line has activation 0000000000000000 at 5");
	prim.line.at[5].activation = 0x98;
	hello_refused(&prim, "line has activation 0000000000000098 at 5");
	make_hellos();
	prim.needs = 0x100;
	prim.on = 0x200;
	assert_int_equal(dmo_hello_decode(payload, dmo_hello_encode(&prim, payload), &dec, &why), 0);
	prim.needs = 1;
	hello_refused(&prim, "features needed are 0x1, on are 0x200, known are only 0x700");
	prim.needs = 0;
	prim.on = 2;
	hello_refused(&prim, "on are 0x2");
	make_hellos();
	prim.peer = 9;
	hello_refused(&prim, "peer is 9, expected at most 8");
	sec.peer = 1;
	hello_refused(&sec, "peer is 1, expected at most 0");
	make_hellos();
	prim.activation = 1;
	hello_refused(&prim, "a primary has boundaries of activation 0000000000000001");
	make_hellos();
	prim.line.nr = 0;
	hello_refused(&prim, "a primary's line is empty");
	make_hellos();
	prim.version_min = 2;
	hello_refused(&prim, "versions are 2 to 1");
	make_hellos();
	prim.role = 0;
	hello_refused(&prim, "role is 0, expected 1 or 2");
	prim.role = 3;
	hello_refused(&prim, "role is 3");
	make_hellos();
	prim.volumes[2].id = 65536;
	hello_refused(&prim, "volume id is 65536, expected at most 65535");
	prim.volumes[2].id = 0;
	hello_refused(&prim, "volume id 0 is there twice");
	make_hellos();
	prim.volumes[1].lbs = 0;
	hello_refused(&prim, "volume 1: logical block size is 0");
	prim.volumes[1].lbs = 8192;
	hello_refused(&prim, "logical block size is 8192, expected 512");
	make_hellos();
	prim.volumes[1].sectors = 2047;
	hello_refused(&prim, "volume 1: size is 2047 sectors, expected 2048");
	prim.volumes[1].sectors = 2049;
	hello_refused(&prim, "size is 2049 sectors");
	prim.volumes[1].sectors = U64_MAX;
	hello_refused(&prim, "size is 18446744073709551615 sectors");
}

/* Both sides must come to the same verdict; returns it. */
static enum dmo_relation judge(void)
{
	enum dmo_relation p, s;
	struct dmo_reason first;

	memset(&why, 0, sizeof(why));
	s = dmo_hello_judge(&sec, &prim, &why);
	first = why;
	memset(&why, 0, sizeof(why));
	p = dmo_hello_judge(&prim, &sec, &why);
	assert_int_equal(p, s);
	assert_int_equal(p == DMO_REL_REFUSE, first.text[0] != '\0');
	assert_int_equal(p == DMO_REL_REFUSE, why.text[0] != '\0');
	return p;
}

#define judged_bad(text) assert_refused(judge(), DMO_REL_REFUSE, text)

static void verdict_of_form(void **state)
{
	make_hellos();
	assert_int_equal(judge(), DMO_REL_SAME);

	prim.version_min = 2;
	prim.version_max = 4;
	judged_bad("wire versions are 2 to 4 here, 1 to 1 at the peer");
	sec.version_max = 2;
	assert_int_equal(judge(), DMO_REL_SAME);

	make_hellos();
	sec.needs = 0x800;
	sec.can = 0xf00;
	judged_bad("features needed are 0x0 here, 0x800 at the peer, known are 0x700 and 0xf00");
	make_hellos();
	prim.needs = 0x100;
	sec.can = 0x600;
	judged_bad("0x100 here, 0x0 at the peer");
	make_hellos();
	prim.needs = 0x100;
	sec.needs = 0x200;
	assert_int_equal(judge(), DMO_REL_SAME);

	make_hellos();
	sec.uuid[15] = 'X';
	judged_bad("session UUID is 30313233-3435-3637-3839-616263646566 here, 30313233-3435-3637-3839-616263646558 at the peer");

	make_hellos();
	sec.role = DMO_ROLE_PRIMARY;
	judged_bad("role is primary here and at the peer");
	make_hellos();
	prim.role = DMO_ROLE_SECONDARY;
	judged_bad("role is secondary here and at the peer");
}

static void verdict_of_volumes(void **state)
{
	make_hellos();
	sec.volumes[1].id = 8;
	judged_bad("volume 8 is on the secondary (3 volumes) but not on the primary (3)");
	make_hellos();
	sec.nr_volumes = 2;
	judged_bad("volume 0 is on the primary (3 volumes) but not on the secondary (2)");
	make_hellos();
	prim.nr_volumes = 2;
	judged_bad("volume 2 is on the secondary (3 volumes) but not on the primary (2)");
	make_hellos();
	sec.volumes[1].lbs = 4096;
	judged_bad("volume 1: logical block size is 1024 on the primary, 4096 on the secondary");
	make_hellos();
	sec.volumes[1].sectors -= 8;
	judged_bad("volume 1: size is 4096 sectors on the primary, only 4088 on the secondary");
	make_hellos();
	sec.volumes[1].sectors += 8;	/* the secondary is grown first */
	assert_int_equal(judge(), DMO_REL_SAME);
}

static void verdict_of_lines(void **state)
{
	make_hellos();
	sec.line.nr = 0;
	assert_int_equal(judge(), DMO_REL_FRESH);
	prim.line.nr = 0;
	assert_int_equal(judge(), DMO_REL_FRESH);

	make_hellos();
	sec.line = (struct dmo_line){ 1, { { .activation = 0x98 } } };
	assert_int_equal(judge(), DMO_REL_ANCESTOR);
	sec.line.at[0].activation = prim.line.at[DMO_MAX_LINE - 1].activation;	/* the oldest that is kept */
	assert_int_equal(judge(), DMO_REL_ANCESTOR);
	sec.line.at[0].activation = 0x8fff;	/* older than that */
	judged_bad("data has diverged");

	/* the primary was put back, and is another activation now */
	make_hellos();
	sec.line = prim.line;
	sec.line.at[0].activation = 0x77;
	judged_bad("data has diverged: the secondary's is of activation 0000000000000077, which the primary (activation 0000000000000099) knows nothing of");
	/* a primary that the secondary has gone beyond */
	make_hellos();
	dmo_line_add(&sec.line, 0x77);
	judged_bad("the secondary's data is newer: of activation 0000000000000077, the primary's of 0000000000000099");
	/* a primary without data takes none from a secondary that has some */
	make_hellos();
	prim.line.nr = 0;
	judged_bad("data has diverged");
}

static void verdict_of_assumed_equality(void **state)
{
	make_hellos();
	sec.line.nr = 0;
	prim.flags = DMO_SBF_ASSUME_EQUAL;
	assert_int_equal(judge(), DMO_REL_FRESH);
	sec.flags = DMO_SBF_ASSUME_EQUAL;
	assert_int_equal(judge(), DMO_REL_EQUAL);
	prim.line.nr = 0;
	assert_int_equal(judge(), DMO_REL_EQUAL);
	prim.flags = 0;		/* used since: the flag is gone */
	assert_int_equal(judge(), DMO_REL_FRESH);
	prim.flags = DMO_SBF_ASSUME_EQUAL | DMO_SBF_PLAIN;
	sec.flags |= DMO_SBF_INCONSISTENT;
	assert_int_equal(judge(), DMO_REL_FRESH);

	/* a secondary with a line has been used; that decides */
	make_hellos();
	prim.flags = DMO_SBF_ASSUME_EQUAL;
	sec.flags = DMO_SBF_ASSUME_EQUAL;
	assert_int_equal(judge(), DMO_REL_SAME);
	sec.line.at[0].activation = 0x77;
	assert_int_equal(judge(), DMO_REL_REFUSE);
}

/* Random frames, and good ones with random damage: refused or not, nothing breaks. */
/* A peer must not be able to use up the epochs, or claim what can't be. */
static void impossible_cuts(void **state)
{
	static struct dmo_hello h, g;
	struct dmo_frame_hdr f = { .type = DMO_FRAME_DROP, .number = 1 };
	u8 buf[DMO_WIRE_MAX_PAYLOAD], hdr[DMO_WIRE_HDR];
	struct dmo_reason why;

	f.tag.epoch = DMO_WIRE_MAX_EPOCH;
	dmo_frame_encode(hdr, &f, NULL);
	assert_int_equal(dmo_frame_decode_hdr(hdr, 1, &f, &why), 0);
	f.tag.epoch++;
	dmo_frame_encode(hdr, &f, NULL);
	assert_int_equal(dmo_frame_decode_hdr(hdr, 1, &f, &why), -EPROTO);
	assert_non_null(strstr(why.text, "epoch of the tag is 4611686018427387905"));

	h.version_min = 1;
	h.version_max = 1;
	h.role = DMO_ROLE_SECONDARY;
	h.nr_volumes = 1;
	h.volumes[0] = (struct dmo_volume_info){ .id = 1, .lbs = 512, .sectors = 2048 };
	h.complete = (struct dmo_cut){ 2, 3 };
	h.committed = h.complete;
	h.restored = h.complete;
	assert_int_equal(dmo_hello_decode(buf, dmo_hello_encode(&h, buf), &g, &why), 0);
	h.restored.n++;
	assert_int_equal(dmo_hello_decode(buf, dmo_hello_encode(&h, buf), &g, &why), -EPROTO);
	h.committed.n++;
	assert_int_equal(dmo_hello_decode(buf, dmo_hello_encode(&h, buf), &g, &why), -EPROTO);
	assert_non_null(strstr(why.text, "committed 2.4, complete 2.3"));
	h.complete.n++;
	assert_int_equal(dmo_hello_decode(buf, dmo_hello_encode(&h, buf), &g, &why), 0);
	h.epoch = DMO_WIRE_MAX_EPOCH + 1;
	assert_int_equal(dmo_hello_decode(buf, dmo_hello_encode(&h, buf), &g, &why), -EPROTO);
	assert_non_null(strstr(why.text, "epoch is 4611686018427387905"));
}

static void random_input(void **state)
{
	u64 rounds = unit_rounds(20000);
	struct dmo_frame_hdr h;
	struct dmo_last l;

	unit_seed("random_input");
	while (rounds--) {
		u32 n = 1 + unit_below(4), len, i;

		make_hellos();
		len = dmo_hello_encode(unit_below(2) ? &prim : &sec, payload);
		while (n--)
			payload[unit_below(len)] = (u8)unit_rand();
		if (!dmo_hello_decode(payload, len, &dec, &why)) {
			dmo_hello_judge(&dec, &prim, &why);
			dmo_hello_judge(&sec, &dec, &why);
		}
		make_frame(types[unit_below(ARRAY_SIZE(types))].type, 24 * unit_below(130), 0);
		hdr[unit_below(64)] = (u8)unit_rand();
		if (!dmo_frame_decode_hdr(hdr, 5, &h, &why))
			assert_true(h.payload_len <= DMO_WIRE_MAX_PAYLOAD &&
				    h.data_len <= DMO_WIRE_MAX_DATA);
		dmo_last_decode(payload, 88, &l, &why);
		n = 1 + unit_below(DMO_WIRE_MAX_DESC);
		for (i = 0; i < n; i++)
			data_desc(i, vols[unit_below(3)].id, unit_below(300), 0xff);
		((u8 *)descs)[unit_below(n * 24)] = (u8)unit_rand();
		check(n, n * 4096);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(frame_round_trip),
		cmocka_unit_test(frame_bytes),
		cmocka_unit_test(frame_every_flipped_bit),
		cmocka_unit_test(frame_lengths),
		cmocka_unit_test(frame_refusals),
		cmocka_unit_test(condition),
		cmocka_unit_test(last_round_trip),
		cmocka_unit_test(frame_descs),
		cmocka_unit_test(frame_desc_refusals),
		cmocka_unit_test(hello_round_trip),
		cmocka_unit_test(hello_refusals),
		cmocka_unit_test(verdict_of_form),
		cmocka_unit_test(verdict_of_volumes),
		cmocka_unit_test(verdict_of_lines),
		cmocka_unit_test(verdict_of_assumed_equality),
		cmocka_unit_test(impossible_cuts),
		cmocka_unit_test(random_input),
	};

	return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
