/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Folding: the algebra of a block's 4096 bytes and the mask that says which of
 * its eight 512-byte sectors count (bit i: sector i).
 */
#ifndef DMO_FOLD_H
#define DMO_FOLD_H

#include "compat.h"

u8 dmo_sector_mask(u32 first, u32 nr);
u8 dmo_fold_union(void *newer, u8 newer_mask, const void *older, u8 older_mask);
bool dmo_block_is_zero(const void *block);

#endif /* DMO_FOLD_H */
