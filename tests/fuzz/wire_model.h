/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A second opinion on what comes over the wire, written from Documentation/wire-format.rst and sharing
 * nothing with wire.c: is it good, and how do two HELLOs relate?
 */
#ifndef DMO_WIRE_MODEL_H
#define DMO_WIRE_MODEL_H

#include "fuzz.h"
#include "format/wire.h"

/* Blocks that the descriptor at @p speaks of. */
static u64 desc_blocks(const u8 *p)
{
	return p[4] == DMO_DESC_DATA ? 1 : get_le(p + 16, 8);
}

/* Is the descriptor at @p good? By the document. */
static bool desc_good(const u8 *p, const struct dmo_volume_info *vols, u32 nr_vols)
{
	u64 block = get_le(p + 8, 8), blocks, i;
	u32 id = (u32)get_le(p, 4), j, k;
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
		return mask == 0xff && get_le(p + 16, 8) && get_le(p + 16, 8) <= blocks - block;
	if (type != DMO_DESC_DATA || !mask || get_le(p + 16, 4) != 512u * __builtin_popcount(mask))
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

			if (get_le(a, 4) == get_le(b, 4) && x < y + desc_blocks(b) &&
			    y < x + desc_blocks(a))
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

static bool nothing(const u8 *p, size_t n)
{
	while (n--)
		if (*p++)
			return false;
	return true;
}

/* Each activation once and none of them 0; the cuts are not in use. */
static bool line_good(const u8 *p, u64 nr)
{
	u64 i, j;

	for (i = 0; i < nr; i++) {
		if (!get_le(p + 24 * i, 8) || !nothing(p + 24 * i + 8, 16))
			return false;
		for (j = 0; j < i; j++)
			if (get_le(p + 24 * i, 8) == get_le(p + 24 * j, 8))
				return false;
	}
	return true;
}

static const u8 *volumes_at(const u8 *hello)
{
	return hello + 192 + 24 * get_le(hello + 176, 4);
}

static bool volumes_good(const u8 *p, u64 nr)
{
	u64 i, j;

	for (i = 0; i < nr; i++) {
		const u8 *v = p + 16 * i;
		u64 lbs = get_le(v + 4, 4), sectors = get_le(v + 8, 8);

		if (get_le(v, 4) > 65535)
			return false;
		if (lbs != 512 && lbs != 1024 && lbs != 2048 && lbs != 4096)
			return false;
		if (sectors < 2048 || sectors > 1ull << 37 || sectors % (lbs / 512))
			return false;
		for (j = 0; j < i; j++)
			if (get_le(v, 4) == get_le(p + 16 * j, 4))
				return false;
	}
	return true;
}

/* By the document. */
static bool hello_good(const u8 *p, size_t len)
{
	u64 nr, nr_line, role;

	if (len < 192)
		return false;
	nr = get_le(p + 28, 4);
	nr_line = get_le(p + 176, 4);
	role = get_le(p + 24, 4);
	if (!nr || nr > 256 || nr_line > 64 || len != 192 + 24 * nr_line + 16 * nr)
		return false;
	if (get_le(p, 2) > get_le(p + 2, 2) || (role != DMO_ROLE_PRIMARY && role != DMO_ROLE_SECONDARY))
		return false;
	if (!line_good(p + 192, nr_line) || !volumes_good(volumes_at(p), nr))
		return false;
	if ((get_le(p + 32, 8) | get_le(p + 48, 8)) & ~get_le(p + 40, 8))
		return false;
	/* link, cleared, reserved */
	if (get_le(p + 84, 4) || !nothing(p + 144, 24) || get_le(p + 184, 8))
		return false;
	/* peer, activation */
	if (get_le(p + 180, 4) > (role == DMO_ROLE_PRIMARY ? 8 : 0) ||
	    (role == DMO_ROLE_PRIMARY && (get_le(p + 136, 8) || !nr_line)))
		return false;
	if (get_le(p + 64, 8) > 1ull << 62 || get_le(p + 88, 8) > 1ull << 62 ||
	    get_le(p + 104, 8) > 1ull << 62 || get_le(p + 120, 8) > 1ull << 62)
		return false;
	return role == DMO_ROLE_PRIMARY || (!cut_above(p + 104, p + 88) && !cut_above(p + 120, p + 104));
}

static const u8 *volume_of(const u8 *hello, u64 id)
{
	u64 i;

	for (i = 0; i < get_le(hello + 28, 4); i++)
		if (get_le(volumes_at(hello) + 16 * i, 4) == id)
			return volumes_at(hello) + 16 * i;
	return NULL;
}

/* 0: the line is empty */
static u64 newest_of(const u8 *hello)
{
	return get_le(hello + 176, 4) ? get_le(hello + 192, 8) : 0;
}

static bool in_line(const u8 *hello, u64 activation)
{
	u64 i;

	for (i = 0; i < get_le(hello + 176, 4); i++)
		if (get_le(hello + 192 + 24 * i, 8) == activation)
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
	if (get_le(a + 32, 8) & ~get_le(b + 40, 8) || get_le(b + 32, 8) & ~get_le(a + 40, 8))
		return DMO_REL_REFUSE;
	if (memcmp(a + 8, b + 8, 16) || get_le(a + 24, 4) == get_le(b + 24, 4))
		return DMO_REL_REFUSE;
	if (get_le(p + 28, 4) != get_le(s + 28, 4))
		return DMO_REL_REFUSE;
	for (i = 0; i < get_le(p + 28, 4); i++) {
		v = volumes_at(p) + 16 * i;
		w = volume_of(s, get_le(v, 4));
		if (!w || get_le(v + 4, 4) != get_le(w + 4, 4) || get_le(v + 8, 8) > get_le(w + 8, 8))
			return DMO_REL_REFUSE;
	}
	if (!newest_of(s)) {
		if (get_le(p + 4, 4) & get_le(s + 4, 4) & DMO_SBF_ASSUME_EQUAL &&
		    !(get_le(s + 4, 4) & DMO_SBF_INCONSISTENT))
			return DMO_REL_EQUAL;
		return DMO_REL_FRESH;
	}
	if (newest_of(s) == newest_of(p))
		return DMO_REL_SAME;
	return in_line(p, newest_of(s)) ? DMO_REL_ANCESTOR : DMO_REL_REFUSE;
}

/* LAST: by the document. */
static bool last_good(const u8 *p, size_t len)
{
	return len == 88 && get_le(p + 56, 4) == 1 && !(get_le(p + 44, 4) & ~1ull) && get_le(p + 48, 8) &&
	       !get_le(p + 60, 4) && !get_le(p + 64, 8) && get_le(p + 80, 8) == get_le(p + 24, 8) &&
	       !get_le(p + 72, 8) == !get_le(p + 24, 8);
}

/* By the document: what a type may have. */
static bool lengths_good(u32 type, u32 payload, u32 data)
{
	u32 nr_line;

	switch (type) {
	case 1:
		for (nr_line = 0; nr_line <= 64; nr_line++) {
			u32 volumes = payload - 192 - 24 * nr_line;

			if (payload > 192 + 24 * nr_line && volumes % 16 == 0 && volumes / 16 <= 256)
				return !data;
		}
		return false;
	case 3:
	case 4:
		return !data && payload >= 1 && payload <= 255;
	case 10:
	case 15:
		return payload >= 24 && payload <= 128 * 24 && payload % 24 == 0 &&
		       data <= payload / 24 * 4096 && data % 512 == 0;
	case 11:
		return !data && payload == 64 + 24;
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

static bool tag_good(u32 type, const u8 *tag)
{
	switch (type) {
	case 10:
	case 11:
	case 12:
	case 13:
	case 30:
	case 31:
	case 32:
	case 33:
		return get_le(tag, 8) <= 1ull << 62;
	}
	return nothing(tag, 16);
}

static bool arg_good(u32 type, u64 arg)
{
	return type == 10 || type == 14 || type == 15 || type == 16 || type == 31 || type == 34 ||
	       type == 35 || type == 36 || !arg;
}

/* @lengths: are they good? */
static bool hdr_but_lengths(const u8 *p, u64 expect, bool lengths)
{
	u32 type = (u32)get_le(p + 10, 2);

	return get_le(p, 4) == 0x574f4d44 && get_le(p + 8, 2) == 2 && !get_le(p + 12, 4) &&
	       get_le(p + 16, 8) == expect && !get_le(p + 56, 8) && tag_good(type, p + 32) &&
	       arg_good(type, get_le(p + 48, 8)) && lengths;
}

static bool hdr_good(const u8 *p, u64 expect)
{
	return hdr_but_lengths(p, expect, lengths_good((u32)get_le(p + 10, 2), (u32)get_le(p + 24, 4),
						       (u32)get_le(p + 28, 4)));
}

#endif /* DMO_WIRE_MODEL_H */
