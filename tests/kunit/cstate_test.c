// SPDX-License-Identifier: GPL-2.0-only
/* The chunk's states, and the merge's: every state with every event. */
#include <kunit/test.h>
#include "format/cstate.h"

#define X (-1)

static const int table[][8] = {
	/*			OPEN CUT DRAINED COMPLETE LINK_LOST MERGED COMMITTED RELEASED */
	[DMO_CHUNK_NONE]	= { 1, X, X, X, 0, X, X, X },
	[DMO_CHUNK_ACTIVE]	= { X, 2, X, X, 1, X, X, X },
	[DMO_CHUNK_DRAINING]	= { X, X, 3, X, 2, 0, X, X },
	[DMO_CHUNK_SHIPPING]	= { X, X, X, 4, 3, 0, X, X },
	[DMO_CHUNK_COMPLETE]	= { X, X, X, X, 4, X, 5, 0 },
	[DMO_CHUNK_COMMITTED]	= { X, X, X, X, 5, X, X, 0 },
};

static void every_step(struct kunit *test)
{
	enum dmo_chunk_state st;
	int s, ev, rc;

	for (s = DMO_CHUNK_NONE; s <= DMO_CHUNK_COMMITTED; s++) {
		for (ev = DMO_CHUNK_EV_OPEN; ev <= DMO_CHUNK_EV_RELEASED; ev++) {
			st = s;
			rc = dmo_chunk_next(&st, ev);
			KUNIT_EXPECT_EQ(test, rc, table[s][ev] == X ? -EINVAL : 0);
			KUNIT_EXPECT_EQ(test, (int)st, table[s][ev] == X ? s : table[s][ev]);
		}
	}
}

static const int merges[][4] = {
	/*			WANT BEGIN DONE NEEDLESS */
	[DMO_MERGE_NONE]	= { 1, 2, X, 0 },
	[DMO_MERGE_WANTED]	= { 1, 2, X, 0 },
	[DMO_MERGE_RUNNING]	= { 2, X, 0, X },
};

static void every_step_of_a_merge(struct kunit *test)
{
	enum dmo_merge st;
	int s, ev, rc;

	for (s = DMO_MERGE_NONE; s <= DMO_MERGE_RUNNING; s++) {
		for (ev = DMO_MERGE_EV_WANT; ev <= DMO_MERGE_EV_NEEDLESS; ev++) {
			st = s;
			rc = dmo_merge_next(&st, ev);
			KUNIT_EXPECT_EQ(test, rc, merges[s][ev] == X ? -EINVAL : 0);
			KUNIT_EXPECT_EQ(test, (int)st, merges[s][ev] == X ? s : merges[s][ev]);
		}
	}
}

static void names(struct kunit *test)
{
	KUNIT_EXPECT_STREQ(test, dmo_chunk_state_name(DMO_CHUNK_NONE), "none");
	KUNIT_EXPECT_STREQ(test, dmo_chunk_state_name(DMO_CHUNK_COMMITTED), "committed");
	KUNIT_EXPECT_STREQ(test, dmo_chunk_state_name(DMO_CHUNK_COMMITTED + 1), "unknown");
}

static struct kunit_case cases[] = {
	KUNIT_CASE(every_step),
	KUNIT_CASE(every_step_of_a_merge),
	KUNIT_CASE(names),
	{}
};

static struct kunit_suite suite = {
	.name = "dm-ordered-cstate",
	.test_cases = cases,
};
kunit_test_suite(suite);
