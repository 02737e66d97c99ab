/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the workload writes into each sector: whose write it is, where it belongs, and a checksum; into a
 * write's first sector also the lane's vector clock as it was when the write was issued. The rest
 * follows from run, lane, seq and index, so the content of a sector is known to the last bit by whoever
 * has the history. Little endian.
 */
#ifndef CK_STAMP_H
#define CK_STAMP_H

#include <stdint.h>

#define CK_SECTOR	512u
#define CK_MAX_LANES	32	/* of all hosts; their clock fits in a sector */

struct stamp {
	uint64_t magic;
	uint64_t run;
	uint64_t seq;		/* of the lane, from 1 on, no gaps */
	uint64_t lba;		/* sector of the volume */
	uint32_t volume;
	uint16_t lane;
	uint16_t lanes;		/* of all hosts */
	uint32_t index;		/* of the sector in its write; 0: clock[lanes] follows */
	uint32_t crc;		/* CRC-32C of the sector with this field 0 */
};

enum stamp_kind {
	STAMP_OK,
	STAMP_ZERO,		/* nothing but zeroes */
	STAMP_FOREIGN,		/* no stamp of this run */
	STAMP_DAMAGED,		/* it has one, but the checksum is wrong */
};

/* @s: run, lane, lanes, seq, volume, lba, index; @clock: of the write, @s->lanes numbers */
void stamp_fill(void *sector, const struct stamp *s, const uint64_t *clock);
enum stamp_kind stamp_read(const void *sector, uint64_t run, struct stamp *s);

uint64_t ck_mix(uint64_t a, uint64_t b);

#endif
