// SPDX-License-Identifier: GPL-2.0-only
/* Sectors of the workload: see stamp.h. */
#include <stdbool.h>
#include <string.h>
#include "stamp.h"

#define MAGIC	0x306b6365686f6d64ull	/* "dmoheck0" */

_Static_assert(sizeof(struct stamp) == 48, "layout");
_Static_assert(sizeof(struct stamp) + 8 * CK_MAX_LANES <= CK_SECTOR, "the clock fits");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "stamps are written as they are in memory");

uint64_t ck_mix(uint64_t a, uint64_t b)
{
	uint64_t z = a + 0x9e3779b97f4a7c15ull * (b + 1);	/* splitmix64 */

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

/* CRC-32C, eight bytes at a time. */
static uint32_t crc32c(const void *p, size_t len)
{
	static uint32_t t[8][256];
	static bool ready;
	const uint8_t *b = p;
	uint32_t c = ~0u;
	unsigned int i, k;

	if (!__atomic_load_n(&ready, __ATOMIC_ACQUIRE)) {
		/* threads that do it at the same time write the same */
		for (i = 0; i < 256; i++) {
			c = i;
			for (k = 0; k < 8; k++)
				c = c >> 1 ^ (c & 1 ? 0x82f63b78 : 0);
			t[0][i] = c;
		}
		for (i = 0; i < 256; i++)
			for (k = 1; k < 8; k++)
				t[k][i] = t[k - 1][i] >> 8 ^ t[0][t[k - 1][i] & 0xff];
		__atomic_store_n(&ready, true, __ATOMIC_RELEASE);
		c = ~0u;
	}
	for (; len >= 8; len -= 8, b += 8) {
		uint64_t w;

		memcpy(&w, b, 8);
		w ^= c;
		c = 0;
		for (k = 0; k < 8; k++)
			c ^= t[7 - k][w >> (8 * k) & 0xff];
	}
	return ~c;
}

void stamp_fill(void *sector, const struct stamp *s, const uint64_t *clock)
{
	uint64_t w[CK_SECTOR / 8], r = ck_mix(ck_mix(s->run, s->lane), ck_mix(s->seq, s->index));
	struct stamp h = *s;
	size_t i, n = sizeof(h) / 8;

	h.magic = MAGIC;
	h.crc = 0;
	memcpy(w, &h, sizeof(h));
	if (!s->index)
		for (i = 0; i < s->lanes; i++)
			w[n++] = clock[i];
	for (i = n; i < CK_SECTOR / 8; i++)
		w[i] = r = ck_mix(r, i);
	h.crc = crc32c(w, CK_SECTOR);
	memcpy(w, &h, sizeof(h));
	memcpy(sector, w, CK_SECTOR);
}

enum stamp_kind stamp_read(const void *sector, uint64_t run, struct stamp *s)
{
	uint64_t w[CK_SECTOR / 8];
	uint32_t crc;
	size_t i;

	memcpy(w, sector, CK_SECTOR);
	for (i = 0; i < CK_SECTOR / 8 && !w[i]; i++)
		;
	if (i == CK_SECTOR / 8)
		return STAMP_ZERO;
	memcpy(s, w, sizeof(*s));
	if (s->magic != MAGIC || s->run != run)
		return STAMP_FOREIGN;
	crc = s->crc;
	s->crc = 0;
	memcpy(w, s, sizeof(*s));
	s->crc = crc;
	return crc32c(w, CK_SECTOR) == crc && s->lanes <= CK_MAX_LANES ? STAMP_OK : STAMP_DAMAGED;
}
