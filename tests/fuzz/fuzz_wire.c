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
 *   3 two HELLOs	volumes, how the second differs (PAIR_*), the first, what else differs
 *   4 LAST	payload
 */
#include "fuzz.h"
#include "wire.h"

enum { FIX_MAGIC = 1, FIX_NUMBER = 2, FIX_CSUM = 4, FIX_LEN = 8 };
enum { PAIR_ROLE = 1, PAIR_ORDER = 2, PAIR_FEWER = 4 };

/* -- descriptors ----------------------------------------------------------- */

static const struct dmo_volume_info volumes[] = {
	{ .id = 1, .lbs = 512, .sectors = 2048 },
	{ .id = 2, .lbs = 4096, .sectors = 4096 },
	{ .id = 700, .lbs = 512, .sectors = 2051 },
	{ .id = 65535, .lbs = 1024, .sectors = 2054 },
	{ .id = 0, .lbs = 2048, .sectors = 1ull << 36 },
};

/* Is the descriptor at @p good? By the document. */
static bool desc_good(const u8 *p, u32 nr_vols)
{
	u64 block = get_le(p + 8, 8), blocks, i;
	u32 id = (u32)get_le(p, 4), count = (u32)get_le(p + 16, 4), j, k;
	u8 type = p[4], mask = p[5];
	const struct dmo_volume_info *v;

	for (j = 0; j < nr_vols && volumes[j].id != id; j++)
		;
	if (j == nr_vols || get_le(p + 6, 2))
		return false;
	v = &volumes[j];
	blocks = (v->sectors + 7) / 8;
	if (block >= blocks)
		return false;
	if (type == DMO_DESC_ZERO)
		return mask == 0xff && count && count <= blocks - block && !get_le(p + 20, 4);
	if (type != DMO_DESC_DATA || count != 1 || !mask)
		return false;
	for (i = 0; i < 8; i++)
		if (mask >> i & 1 && block * 8 + i >= v->sectors)
			return false;
	for (i = 0; i < 8; i += v->lbs / 512)
		for (k = 1; k < v->lbs / 512; k++)
			if ((mask >> i & 1) != (mask >> (i + k) & 1))
				return false;
	return true;
}

static bool descs_good(const u8 *p, u32 nr, u64 data_len, u32 nr_vols)
{
	u64 bytes = 0;
	u32 i, j;

	if (!nr || nr > 128)
		return false;
	for (i = 0; i < nr; i++) {
		const u8 *a = p + 24 * i;

		if (!desc_good(a, nr_vols))
			return false;
		for (j = 0; j < i; j++) {
			const u8 *b = p + 24 * j;
			u64 x = get_le(a + 8, 8), y = get_le(b + 8, 8);

			if (get_le(a, 4) == get_le(b, 4) && x < y + get_le(b + 16, 4) &&
			    y < x + get_le(a + 16, 4))
				return false;
		}
		if (a[4] == DMO_DESC_DATA)
			bytes += (u64)__builtin_popcount(a[5]) * 512;
	}
	return bytes == data_len;
}

static void try_descs(const u8 *p, size_t len, u32 data_len, u32 nr_vols)
{
	u32 nr = (u32)(len / 24);
	char *why = why_new();
	u8 *d = exact(p, nr * 24);
	struct dmo_volume_info *v = exact(volumes, nr_vols * sizeof(*v));
	int rc = dmo_frame_check_descs((void *)d, nr, data_len, v, nr_vols, why);

	must(rc == 0 || rc == -EPROTO, "rc %d", rc);
	must(!rc == descs_good(d, nr, data_len, nr_vols), "rc %d: %s", rc, rc ? why : "accepted");
	if (rc)
		why_said(why);
	free(v);
	free(d);
	free(why);
}

/* -- HELLO ----------------------------------------------------------------- */

static bool cut_above(const u8 *a, const u8 *b)
{
	u64 x = get_le(a, 8), y = get_le(b, 8);

	return x > y || (x == y && get_le(a + 8, 8) > get_le(b + 8, 8));
}

/* By the document. */
static bool hello_good(const u8 *p, size_t len)
{
	u64 nr, i, j;

	if (len < 256)
		return false;
	nr = get_le(p + 248, 4);
	if (!nr || nr > 256 || len != 256 + 16 * nr || get_le(p, 2) > get_le(p + 2, 2))
		return false;
	if (get_le(p + 24, 4) != DMO_ROLE_PRIMARY && get_le(p + 24, 4) != DMO_ROLE_SECONDARY)
		return false;
	for (i = 0; i < nr; i++) {
		const u8 *v = p + 256 + 16 * i;
		u64 lbs = get_le(v + 4, 4), sectors = get_le(v + 8, 8);

		if (get_le(v, 4) > 65535)
			return false;
		if (lbs != 512 && lbs != 1024 && lbs != 2048 && lbs != 4096)
			return false;
		if (sectors < 2048 || sectors > 1ull << 37 || sectors % (lbs / 512))
			return false;
		for (j = 0; j < i; j++)
			if (get_le(v, 4) == get_le(p + 256 + 16 * j, 4))
				return false;
	}
	if (get_le(p + 40, 8) > 1ull << 62 || get_le(p + 192, 8) > 1ull << 62)
		return false;
	return get_le(p + 24, 4) == DMO_ROLE_PRIMARY ||
	       (!cut_above(p + 208, p + 192) && !cut_above(p + 224, p + 208));
}

/* Decodes into @h. Return: accepted. */
static bool try_hello(const u8 *p, size_t len, struct dmo_hello *h)
{
	static u8 again[DMO_WIRE_MAX_PAYLOAD];
	u8 *d = exact(p, len);
	char *why = why_new();
	int rc = dmo_hello_decode(d, (u32)len, h, why);

	must(rc == 0 || rc == -EPROTO, "rc %d", rc);
	must(!rc == hello_good(d, len), "rc %d: %s", rc, rc ? why : "accepted");
	if (rc) {
		why_said(why);
	} else {
		must(dmo_hello_encode(h, again) == len, "encodes to another length");
		memset(d + 252, 0, 4);	/* reserved: not interpreted, so not kept */
		must(!memcmp(d, again, len), "encodes to other bytes");
	}
	free(why);
	free(d);
	return !rc;
}

static const u8 *volume_of(const u8 *hello, u64 id)
{
	u64 i;

	for (i = 0; i < get_le(hello + 248, 4); i++)
		if (get_le(hello + 256 + 16 * i, 4) == id)
			return hello + 256 + 16 * i;
	return NULL;
}

static bool has_gen(const u8 *hello, u64 gen)
{
	u32 i;

	for (i = 0; i < 16; i++)
		if (get_le(hello + 56 + 8 * i, 8) == gen)
			return true;
	return false;
}

/* What the document says of two good HELLOs. */
static enum dmo_relation relation(const u8 *a, const u8 *b)
{
	const u8 *p = get_le(a + 24, 4) == DMO_ROLE_PRIMARY ? a : b, *s = p == a ? b : a, *v, *w;
	u64 i;

	if (get_le(a + 2, 2) < get_le(b, 2) || get_le(b + 2, 2) < get_le(a, 2))
		return DMO_REL_REFUSE;
	if (get_le(a + 4, 4) || get_le(b + 4, 4) || memcmp(a + 8, b + 8, 16) ||
	    get_le(a + 24, 4) == get_le(b + 24, 4))
		return DMO_REL_REFUSE;
	if (get_le(p + 248, 4) != get_le(s + 248, 4))
		return DMO_REL_REFUSE;
	for (i = 0; i < get_le(p + 248, 4); i++) {
		v = p + 256 + 16 * i;
		w = volume_of(s, get_le(v, 4));
		if (!w || get_le(v + 4, 4) != get_le(w + 4, 4) || get_le(v + 8, 8) > get_le(w + 8, 8))
			return DMO_REL_REFUSE;
	}
	if (!get_le(s + 48, 8)) {
		if (get_le(p + 28, 4) & get_le(s + 28, 4) & DMO_SBF_ASSUME_EQUAL &&
		    !(get_le(s + 28, 4) & DMO_SBF_INCONSISTENT))
			return DMO_REL_EQUAL;
		return DMO_REL_FRESH;
	}
	if (get_le(s + 48, 8) == get_le(p + 48, 8))
		return DMO_REL_SAME;
	return has_gen(p, get_le(s + 48, 8)) ? DMO_REL_ANCESTOR : DMO_REL_REFUSE;
}

static void judge(const struct dmo_hello *own, const struct dmo_hello *peer,
		  enum dmo_relation wanted)
{
	char *why = why_new();
	enum dmo_relation rel = dmo_hello_judge(own, peer, why);

	must(rel == wanted, "relation %d, the document says %d: %s", rel, wanted,
	     rel ? "" : why);
	if (rel == DMO_REL_REFUSE)
		why_said(why);
	free(why);
}

/* A HELLO, and what another differs in: pairs of an offset and a byte to XOR. */
static void try_pair(struct in *in)
{
	static struct dmo_hello one, two;
	static u8 a[DMO_WIRE_MAX_PAYLOAD], b[DMO_WIRE_MAX_PAYLOAD];
	size_t nr = in_u8(in) % 8u + 1, len = 256 + 16 * nr, len_b = len;
	u8 how = in_u8(in);

	in_bytes(in, a, len);
	put_le(a + 248, nr, 4);
	memcpy(b, a, len);
	if (how & PAIR_ROLE)
		b[24] ^= 3;		/* 1 and 2 */
	if (how & PAIR_ORDER && nr > 1) {	/* means nothing */
		memcpy(b + 256, a + 272, 16);
		memcpy(b + 272, a + 256, 16);
	}
	if (how & PAIR_FEWER && nr > 1) {
		put_le(b + 248, nr - 1, 4);
		len_b -= 16;
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
	u8 *d = exact(p, len), again[sizeof(struct dmo_wire_last)];
	char *why = why_new();
	struct dmo_last l;
	int rc = dmo_last_decode(d, (u32)len, &l, why);
	bool good = len == 48 && !(get_le(d + 44, 4) & ~1u);

	must(rc == 0 || rc == -EPROTO, "rc %d", rc);
	must(!rc == good, "rc %d: %s", rc, rc ? why : "accepted");
	if (rc) {
		why_said(why);
	} else {
		dmo_last_encode(&l, again);
		must(!memcmp(d, again, len), "encodes to other bytes");
	}
	free(why);
	free(d);
}

/* By the document: what a type may have. */
static bool lengths_good(u32 type, u32 payload, u32 data)
{
	switch (type) {
	case 1:
		return !data && payload >= 272 && payload <= 256 + 256 * 16 && payload % 16 == 0;
	case 3:
	case 4:
		return !data && payload >= 1 && payload <= 255;
	case 10:
	case 15:
		return payload >= 24 && payload <= 128 * 24 && payload % 24 == 0 &&
		       data <= payload / 24 * 4096 && data % 512 == 0;
	case 11:
		return !data && payload == 48;
	case 2:
	case 5:
	case 12:
	case 13:
	case 14:
	case 16:
	case 30:
	case 31:
	case 32:
	case 33:
	case 34:
	case 35:
		return !data && !payload;
	}
	return false;
}

static bool hdr_good(const u8 *p, u64 expect)
{
	return get_le(p, 4) == 0x574f4d44 && get_le(p + 8, 2) == 1 && !get_le(p + 12, 4) &&
	       get_le(p + 16, 8) == expect && !get_le(p + 56, 8) &&
	       get_le(p + 32, 8) <= 1ull << 62 &&
	       lengths_good((u32)get_le(p + 10, 2), (u32)get_le(p + 24, 4),
			    (u32)get_le(p + 28, 4));
}

static void try_frame(struct in *in)
{
	static struct dmo_hello hello;
	u8 how = in_u8(in), hdr[64], again[64], *d, *payload;
	u64 expect = in_u64(in);
	char *why = why_new();
	struct dmo_frame_hdr h;
	size_t len;
	u32 csum;
	int rc;

	in_bytes(in, hdr, sizeof(hdr));
	if (how & FIX_MAGIC) {
		put_le(hdr, DMO_WIRE_MAGIC, 4);
		put_le(hdr + 8, 1, 2);
	}
	if (how & FIX_NUMBER)
		put_le(hdr + 16, expect, 8);
	if (how & FIX_LEN)
		put_le(hdr + 24, in->left, 4);
	d = exact(hdr, sizeof(hdr));
	rc = dmo_frame_decode_hdr(d, expect, &h, why);
	must(rc == 0 || rc == -EPROTO || rc == -EPROTONOSUPPORT, "rc %d", rc);
	must(!rc == hdr_good(hdr, expect), "rc %d: %s", rc, rc ? why : "accepted");
	if (rc) {
		why_said(why);
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
	memset(why, 0x7f, DMO_REASON_LEN);
	rc = dmo_frame_check_csum(d, payload, (u32)len, why);
	must(rc == 0 || rc == -EBADMSG, "rc %d", rc);
	must(!rc == (get_le(d + 4, 4) == csum), "rc %d: %s", rc, rc ? why : "accepted");
	if (rc) {
		why_said(why);
	} else {
		dmo_frame_encode(again, &h, payload);
		must(!memcmp(again, d, 64), "encodes to other bytes");
		if (h.type == DMO_FRAME_HELLO)
			try_hello(payload, len, &hello);
		else if (h.type == DMO_FRAME_LAST)
			try_last(payload, len);
		else if (h.type == DMO_FRAME_DATA || h.type == DMO_FRAME_DIRECT)
			try_descs(payload, len, h.data_len, ARRAY_SIZE(volumes));
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
