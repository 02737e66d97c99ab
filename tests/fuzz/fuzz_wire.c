// SPDX-License-Identifier: GPL-2.0-only
/*
 * The wire format: what a peer sends, decoded. What is accepted must be within
 * the ranges that wire.h and Documentation/wire-format.rst promise, and encode
 * to the bytes it was decoded from; what is refused must be wrong by a second
 * opinion, written from the documents.
 *
 * Input: a byte that chooses, then
 *   0 frame	how (bits FIX_*), number expected, header (64), payload
 *   1 HELLO	payload
 *   2 descriptors	volume list (selector), data length, descriptors
 *   3 two HELLOs	volumes, how the second differs (PAIR_*) and activations (the high half), the
 *		first, what else differs
 *   4 LAST	payload
 */
#include "wire_model.h"

enum { FIX_MAGIC = 1, FIX_NUMBER = 2, FIX_CSUM = 4, FIX_LEN = 8 };
enum { PAIR_ROLE = 1, PAIR_ORDER = 2, PAIR_FEWER = 4, PAIR_OLDER = 8 };

/* -- descriptors ----------------------------------------------------------- */

static const struct dmo_volume_info volumes[] = {
	{ .id = 1, .lbs = 512, .sectors = 2048 },
	{ .id = 2, .lbs = 4096, .sectors = 4096 },
	{ .id = 700, .lbs = 512, .sectors = 2051 },
	{ .id = 65535, .lbs = 1024, .sectors = 2054 },
	{ .id = 0, .lbs = 2048, .sectors = 1ull << 36 },
};

static void try_descs(const u8 *p, size_t len, u32 data_len, u32 nr_vols)
{
	u32 nr = (u32)(len / 24);
	struct dmo_reason *why = why_new();
	u8 *d = exact(p, nr * 24);
	struct dmo_volume_info *v = exact(volumes, nr_vols * sizeof(*v));
	int rc = dmo_frame_check_descs((void *)d, nr, data_len, v, nr_vols, why);

	must(rc == 0 || rc == -EPROTO, "rc %d", rc);
	must(!rc == descs_good(d, nr, data_len, volumes, nr_vols), "rc %d: %s", rc, rc ? why->text : "accepted");
	if (rc)
		why_said(why->text);
	free(v);
	free(d);
	free(why);
}

/* -- HELLO ----------------------------------------------------------------- */

/* Decodes into @h. Return: accepted. */
static bool try_hello(const u8 *p, size_t len, struct dmo_hello *h)
{
	static u8 again[DMO_WIRE_MAX_PAYLOAD];
	u8 *d = exact(p, len);
	struct dmo_reason *why = why_new();
	int rc = dmo_hello_decode(d, (u32)len, h, why);

	must(rc == 0 || rc == -EPROTO, "rc %d", rc);
	must(!rc == hello_good(d, len), "rc %d: %s", rc, rc ? why->text : "accepted");
	if (rc) {
		why_said(why->text);
	} else {
		must(dmo_hello_encode(h, again) == len, "encodes to another length");
		must(!memcmp(d, again, len), "encodes to other bytes");
	}
	free(why);
	free(d);
	return !rc;
}

static void judge(const struct dmo_hello *own, const struct dmo_hello *peer,
		  enum dmo_relation wanted)
{
	struct dmo_reason *why = why_new();
	enum dmo_relation rel = dmo_hello_judge(own, peer, why);

	must(rel == wanted, "relation %d, the document says %d: %s", rel, wanted,
	     rel ? "" : why->text);
	if (rel == DMO_REL_REFUSE)
		why_said(why->text);
	free(why);
}

/* A HELLO, and what another differs in: pairs of an offset and a byte to XOR. */
static void try_pair(struct in *in)
{
	static struct dmo_hello one, two;
	static u8 a[DMO_WIRE_MAX_PAYLOAD], b[DMO_WIRE_MAX_PAYLOAD];
	size_t nr = in_u8(in) % 8u + 1, len, len_b;
	u8 how = in_u8(in), nr_line = how >> 4, *v;

	len = len_b = 192 + 24u * nr_line + 16 * nr;
	in_bytes(in, a, len);
	put_le(a + 28, nr, 4);
	put_le(a + 176, nr_line, 4);
	memcpy(b, a, len);
	if (how & PAIR_ROLE) {
		b[24] ^= 3;		/* 1 and 2, and what only one of them says */
		put_le(b + 136, 0, 8);
		put_le(b + 180, 0, 4);
	}
	v = b + 192 + 24u * nr_line;
	if (how & PAIR_ORDER && nr > 1) {	/* means nothing */
		memcpy(v, a + (v - b) + 16, 16);
		memcpy(v + 16, a + (v - b), 16);
	}
	if (how & PAIR_FEWER && nr > 1) {
		put_le(b + 28, nr - 1, 4);
		len_b -= 16;
	}
	if (how & PAIR_OLDER && nr_line) {	/* without the newest activation */
		put_le(b + 176, nr_line - 1u, 4);
		memmove(b + 192, b + 216, len_b - 216);
		len_b -= 24;
	}
	while (in->left >= 3) {
		u16 at = in_u16(in);

		b[at % len_b] ^= in_u8(in);
	}
	if (!try_hello(a, len, &one) || !try_hello(b, len_b, &two))
		return;
	judge(&one, &two, relation(a, b));
	judge(&two, &one, relation(a, b));
}

/* -- frames ---------------------------------------------------------------- */

static void try_last(const u8 *p, size_t len)
{
	u8 *d = exact(p, len), again[DMO_WIRE_LAST_LEN];
	struct dmo_reason *why = why_new();
	struct dmo_last l;
	int rc = dmo_last_decode(d, (u32)len, &l, why);

	must(rc == 0 || rc == -EPROTO, "rc %d", rc);
	must(!rc == last_good(d, len), "rc %d: %s", rc, rc ? why->text : "accepted");
	if (rc) {
		why_said(why->text);
	} else {
		dmo_last_encode(&l, again);
		must(!memcmp(d, again, len), "encodes to other bytes");
	}
	free(why);
	free(d);
}

/* A length that is wrong, but by what the payload itself says: it may be taken in to tell so. */
static bool length_by_payload(u32 type, u32 payload, u32 data)
{
	if (data)
		return false;
	if (type == 1)
		return payload >= 208 && payload <= 192 + 64 * 24 + 256 * 16 && payload % 8 == 0;
	return type == 11 && payload > 88 && payload <= 64 + 8 * 24 && (payload - 64) % 24 == 0;
}

/* Wrong, but the payload may be needed to tell. */
static bool hdr_open(const u8 *p, u64 expect)
{
	u32 type = (u32)get_le(p + 10, 2), payload = (u32)get_le(p + 24, 4), data = (u32)get_le(p + 28, 4);

	return !lengths_good(type, payload, data) &&
	       hdr_but_lengths(p, expect, length_by_payload(type, payload, data));
}

static void try_condition(u64 arg)
{
	struct dmo_reason *why = why_new();
	u32 cond;
	u64 ms;
	int rc = dmo_condition_decode(arg, &cond, &ms, why);

	must(!rc == ((arg & 0xff) <= 5), "rc %d: %s", rc, rc ? why->text : "accepted");
	if (rc)
		why_said(why->text);
	else
		must(cond == (arg & 0xff) && ms == arg >> 8, "%u for %llu ms", cond, ms);
	free(why);
}

static void try_frame(struct in *in)
{
	static struct dmo_hello hello;
	u8 how = in_u8(in), hdr[64], again[64], *d, *payload;
	u64 expect = in_u64(in);
	struct dmo_reason *why = why_new();
	struct dmo_frame_hdr h;
	size_t len;
	u32 csum;
	int rc;

	in_bytes(in, hdr, sizeof(hdr));
	if (how & FIX_MAGIC) {
		put_le(hdr, DMO_WIRE_MAGIC, 4);
		put_le(hdr + 8, 2, 2);
	}
	if (how & FIX_NUMBER)
		put_le(hdr + 16, expect, 8);
	if (how & FIX_LEN)
		put_le(hdr + 24, in->left, 4);
	d = exact(hdr, sizeof(hdr));
	rc = dmo_frame_decode_hdr(d, expect, &h, why);
	must(rc == 0 || rc == (get_le(hdr, 4) == 0x574f4d44 && get_le(hdr + 8, 2) != 2 ? -EPROTONOSUPPORT :
										       -EPROTO), "rc %d", rc);
	must(!rc == hdr_good(hdr, expect) || hdr_open(hdr, expect), "rc %d: %s", rc, rc ? why->text : "accepted");
	if (rc) {
		why_said(why->text);
		goto out;
	}
	must(h.payload_len <= DMO_WIRE_MAX_PAYLOAD && h.data_len <= DMO_WIRE_MAX_DATA,
	     "more than a buffer takes");
	must(strcmp(dmo_frame_name(h.type), "unknown"), "a type without a name");

	len = h.payload_len;
	payload = malloc(len ? len : 1);
	in_bytes(in, payload, len);
	put_le(hdr + 4, 0, 4);
	csum = dmo_crc(0, hdr, 64);
	csum = len ? dmo_crc(csum, payload, len) : csum;
	if (how & FIX_CSUM)
		put_le(d + 4, csum, 4);
	memset(why, 0x7f, sizeof(*why));
	rc = dmo_frame_check_csum(d, payload, (u32)len, why);
	must(rc == 0 || rc == -EBADMSG, "rc %d", rc);
	must(!rc == (get_le(d + 4, 4) == csum), "rc %d: %s", rc, rc ? why->text : "accepted");
	if (rc) {
		why_said(why->text);
	} else {
		dmo_frame_encode(again, &h, payload);
		must(!memcmp(again, d, 64), "encodes to other bytes");
		if (h.type == DMO_FRAME_HELLO)
			try_hello(payload, len, &hello);
		else if (h.type == DMO_FRAME_LAST)
			try_last(payload, len);
		else if (h.type == DMO_FRAME_DATA || h.type == DMO_FRAME_DIRECT)
			try_descs(payload, len, h.data_len, ARRAY_SIZE(volumes));
		else if (h.type == DMO_FRAME_CONDITION)
			try_condition(h.arg);
	}
	free(payload);
out:
	free(d);
	free(why);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct in in = { data, size };
	static struct dmo_hello hello;
	u32 nr_vols, sectors;

	switch (in_u8(&in) % 5) {
	case 0:
		try_frame(&in);
		break;
	case 1:
		try_hello(in.p, in.left, &hello);
		break;
	case 2:
		nr_vols = in_u8(&in) % (ARRAY_SIZE(volumes) + 1);
		sectors = in_u16(&in);
		try_descs(in.p, in.left, sectors * 512, nr_vols);
		break;
	case 3:
		try_pair(&in);
		break;
	case 4:
		try_last(in.p, in.left);
		break;
	}
	return 0;
}
