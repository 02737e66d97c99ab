// SPDX-License-Identifier: GPL-2.0-only
/* Folding of blocks; see fold.h. */
#include "format/fold.h"

/**
 * dmo_sector_mask - the mask of a run of sectors within one block
 * @first: first sector in the block
 * @nr: how many; what reaches beyond the block is left out
 */
u8 dmo_sector_mask(u32 first, u32 nr)
{
	if (first >= DMO_BLOCK_SECTORS)
		return 0;
	nr = min_t(u32, nr, DMO_BLOCK_SECTORS - first);
	return (u8)(((1u << nr) - 1) << first);
}

/**
 * dmo_fold_union - merge slot with slot: the union, the newest wins
 * @newer: block that stays; gets the sectors that only the older one has
 * @newer_mask: its mask before
 * @older: block that is given up; NULL: all zeroes
 * @older_mask: its mask
 *
 * Return: the mask of @newer after
 */
u8 dmo_fold_union(void *newer, u8 newer_mask, const void *older, u8 older_mask)
{
	u8 take = older_mask & ~newer_mask;
	u32 i;

	for (i = 0; i < DMO_BLOCK_SECTORS; i++) {
		u32 off = i * DMO_SECTOR;

		if (!(take & (1u << i)))
			continue;
		if (older)
			memcpy((u8 *)newer + off, (const u8 *)older + off, DMO_SECTOR);
		else
			memset((u8 *)newer + off, 0, DMO_SECTOR);
	}
	return newer_mask | older_mask;
}

/**
 * dmo_block_is_zero - are all 4096 bytes zero?
 * @block: 4096 bytes
 */
bool dmo_block_is_zero(const void *block)
{
	return !memchr_inv(block, 0, DMO_BLOCK);
}
