/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A second opinion on what comes over the wire, written from Documentation/wire-format.rst and sharing
 * nothing with wire.c: is it good, and how do two HELLOs relate?
 */
#ifndef DMO_WIRE_MODEL_H
#define DMO_WIRE_MODEL_H

#include "fuzz.h"
#include "format/wire.h"

/* Is the descriptor at @p good? By the document. */
static bool desc_good(const u8 *p, const struct dmo_volume_info *vols, u32 nr_vols)
{
	u64 block = get_le(p + 8, 8), blocks, i;
	u32 id = (u32)get_le(p, 4), count = (u32)get_le(p + 16, 4), j, k;
	u8 type = p[4], mask = p[5];
	const struct dmo_volume_info *v;

	for (j = 0; j < nr_vols && vols[j].id != id; j++)
		;
	if (j == nr_vols || get_le(p + 6, 2))
		return false;
	v = &vols[j];
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

static bool descs_good(const u8 *p, u32 nr, u64 data_len, const struct dmo_volume_info *vols,
		       u32 nr_vols)
{
	u64 bytes = 0;
	u32 i, j;

	if (!nr || nr > 128)
		return false;
	for (i = 0; i < nr; i++) {
		const u8 *a = p + 24 * i;

		if (!desc_good(a, vols, nr_vols))
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

static bool cut_above(const u8 *a, const u8 *b)
{
	u64 x = get_le(a, 8), y = get_le(b, 8);

	return x > y || (x == y && get_le(a + 8, 8) > get_le(b + 8, 8));
}

/* By the document. */
static bool hello_good(const u8 *p, size_t len)
{
	u64 nr, i, j;

	if (len < 256 || (get_le(p + 252, 4) && !(get_le(p + 4, 4) & 1)))
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
	if ((get_le(a + 4, 4) | get_le(b + 4, 4)) & ~1ull || memcmp(a + 8, b + 8, 16) ||
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
	case 36:
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

#endif /* DMO_WIRE_MODEL_H */
