// SPDX-License-Identifier: GPL-2.0-only
/* The one thing that every other suite relies on: that suites are run at all. */
#include <kunit/test.h>

static void harness_runs(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, sizeof(u64), 8);
}

static struct kunit_case harness_cases[] = {
	KUNIT_CASE(harness_runs),
	{}
};

static struct kunit_suite harness_suite = {
	.name = "dm-ordered-harness",
	.test_cases = harness_cases,
};
kunit_test_suite(harness_suite);
