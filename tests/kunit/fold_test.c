// SPDX-License-Identifier: GPL-2.0-only
/* Sector masks and the merge of slot with slot. */
#include <kunit/test.h>
#include "format/fold.h"

static void sector_mask(struct kunit *test)
{
	u32 first, nr, i;

	for (first = 0; first < 10; first++) {
		for (nr = 0; nr < 12; nr++) {
			u8 want = 0;

			for (i = 0; i < 8; i++)
				if (i >= first && i < first + nr)
					want |= 1u << i;
			KUNIT_EXPECT_EQ(test, dmo_sector_mask(first, nr), want);
		}
	}
	KUNIT_EXPECT_EQ(test, dmo_sector_mask(0, U32_MAX), DMO_FULL_MASK);
}

static void union_of_every_pair(struct kunit *test)
{
	u8 *newer = kunit_kzalloc(test, DMO_BLOCK, GFP_KERNEL);
	u8 *older = kunit_kzalloc(test, DMO_BLOCK, GFP_KERNEL);
	u32 a, b, i, wrong = 0;

	KUNIT_ASSERT_NOT_NULL(test, newer);
	KUNIT_ASSERT_NOT_NULL(test, older);
	memset(older, 0x22, DMO_BLOCK);
	for (a = 0; a < 256; a++) {
		for (b = 0; b < 256; b++) {
			memset(newer, 0x11, DMO_BLOCK);
			if (dmo_fold_union(newer, a, older, b) != (a | b))
				wrong++;
			for (i = 0; i < 8; i++)
				if (memchr_inv(newer + i * 512,
					       b & ~a & (1u << i) ? 0x22 : 0x11, 512))
					wrong++;
		}
	}
	KUNIT_EXPECT_EQ(test, wrong, 0);
	KUNIT_EXPECT_EQ(test, dmo_fold_union(newer, 0x0f, NULL, 0xf0), 0xff);
	KUNIT_EXPECT_PTR_EQ(test, memchr_inv(newer + 2048, 0, 2048), NULL);
	KUNIT_EXPECT_PTR_EQ(test, memchr_inv(newer, 0x11, 2048), NULL);
}

static void zero_block(struct kunit *test)
{
	u8 *block = kunit_kzalloc(test, DMO_BLOCK, GFP_KERNEL);
	u32 i;

	KUNIT_ASSERT_NOT_NULL(test, block);
	KUNIT_EXPECT_TRUE(test, dmo_block_is_zero(block));
	for (i = 0; i < DMO_BLOCK; i += 31) {
		block[i] = 1;
		KUNIT_EXPECT_FALSE(test, dmo_block_is_zero(block));
		block[i] = 0;
	}
}

static struct kunit_case cases[] = {
	KUNIT_CASE(sector_mask),
	KUNIT_CASE(union_of_every_pair),
	KUNIT_CASE(zero_block),
	{}
};

static struct kunit_suite suite = {
	.name = "dm-ordered-fold",
	.test_cases = cases,
};
kunit_test_suite(suite);
