// SPDX-License-Identifier: GPL-2.0-only
/* Sector masks and the merge of slot with slot. */
#include "unit.h"
#include "format/fold.h"

static void sector_mask(void **state)
{
	u32 first, nr, i;

	for (first = 0; first < 10; first++) {
		for (nr = 0; nr < 12; nr++) {
			u8 want = 0;

			for (i = 0; i < 8; i++)
				if (i >= first && i < first + nr)
					want |= 1u << i;
			assert_int_equal(dmo_sector_mask(first, nr), want);
		}
	}
	assert_int_equal(dmo_sector_mask(0, U32_MAX), 0xff);
	assert_int_equal(dmo_sector_mask(7, U32_MAX), 0x80);
	assert_int_equal(dmo_sector_mask(U32_MAX, 1), 0);
}

/* Every pair of masks: the newer's sectors stay, the older's are added, the rest is untouched. */
static void union_of_every_pair(void **state)
{
	static u8 newer[DMO_BLOCK], older[DMO_BLOCK];
	u32 a, b, i;

	for (a = 0; a < 256; a++) {
		for (b = 0; b < 256; b++) {
			memset(newer, 0x11, sizeof(newer));
			memset(older, 0x22, sizeof(older));
			assert_int_equal(dmo_fold_union(newer, a, older, b), a | b);
			for (i = 0; i < 8; i++) {
				u8 want = !(a >> i & 1) && (b >> i & 1) ? 0x22 : 0x11;

				assert_null(memchr_inv(newer + i * 512, want, 512));
			}
			assert_null(memchr_inv(older, 0x22, sizeof(older)));
		}
	}
}

static void union_with_zeroes(void **state)
{
	static u8 newer[DMO_BLOCK];

	memset(newer, 0x11, sizeof(newer));
	assert_int_equal(dmo_fold_union(newer, 0x0f, NULL, 0x3c), 0x3f);
	assert_null(memchr_inv(newer, 0x11, 4 * 512));
	assert_null(memchr_inv(newer + 4 * 512, 0, 2 * 512));
	assert_null(memchr_inv(newer + 6 * 512, 0x11, 2 * 512));
}

/*
 * Folding writes into slots and merging the slots from old to new gives what
 * the writes give one after the other, however they are grouped into chunks.
 */
static void merge_equals_write_order(void **state)
{
	static u8 disk[DMO_BLOCK], slot[4][DMO_BLOCK];
	u64 rounds = unit_rounds(500);
	u32 i, chunk;

	unit_seed("merge_equals_write_order");
	while (rounds--) {
		u8 mask[4] = { 0 }, all = 0;

		unit_fill(slot, sizeof(slot));
		memset(disk, 0, sizeof(disk));
		for (chunk = 0; chunk < 4; chunk++) {
			u32 writes = unit_below(4);

			while (writes--) {
				u32 first = unit_below(8), nr = 1 + unit_below(8 - first);
				u8 byte = (u8)unit_rand();

				memset(slot[chunk] + first * 512, byte, nr * 512);
				memset(disk + first * 512, byte, nr * 512);
				mask[chunk] |= dmo_sector_mask(first, nr);
				all |= dmo_sector_mask(first, nr);
			}
		}
		for (chunk = 1; chunk < 4; chunk++)
			mask[chunk] = dmo_fold_union(slot[chunk], mask[chunk], slot[chunk - 1],
						     mask[chunk - 1]);
		assert_int_equal(mask[3], all);
		for (i = 0; i < 8; i++)
			if (all >> i & 1)
				assert_memory_equal(slot[3] + i * 512, disk + i * 512, 512);
	}
}

static void zero_block(void **state)
{
	static u8 block[DMO_BLOCK];
	u32 i;

	memset(block, 0, sizeof(block));
	assert_true(dmo_block_is_zero(block));
	for (i = 0; i < DMO_BLOCK; i++) {
		block[i] = 1 + (u8)unit_below(255);
		assert_false(dmo_block_is_zero(block));
		block[i] = 0;
	}
	assert_true(dmo_block_is_zero(block));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(sector_mask),
		cmocka_unit_test(union_of_every_pair),
		cmocka_unit_test(union_with_zeroes),
		cmocka_unit_test(merge_equals_write_order),
		cmocka_unit_test(zero_block),
	};

	return cmocka_run_group_tests_name("fold", tests, NULL, NULL);
}
