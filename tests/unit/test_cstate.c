// SPDX-License-Identifier: GPL-2.0-only
/* The chunk's states, and the merge's: every state with every event. */
#include "unit.h"
#include "format/cstate.h"

#define X (-1)

/* What each step leads to, X: illegal. The table of cstate.c, written out. */
static const int table[][8] = {
	/*			OPEN CUT DRAINED COMPLETE LINK_LOST MERGED COMMITTED RELEASED */
	[DMO_CHUNK_NONE]	= { 1, X, X, X, 0, X, X, X },
	[DMO_CHUNK_ACTIVE]	= { X, 2, X, X, 1, X, X, X },
	[DMO_CHUNK_DRAINING]	= { X, X, 3, X, 2, 0, X, X },
	[DMO_CHUNK_SHIPPING]	= { X, X, X, 4, 3, 0, X, X },
	[DMO_CHUNK_COMPLETE]	= { X, X, X, X, 4, X, 5, 0 },
	[DMO_CHUNK_COMMITTED]	= { X, X, X, X, 5, X, X, 0 },
};

static void every_step(void **state)
{
	enum dmo_chunk_state st;
	int s, ev;

	for (s = DMO_CHUNK_NONE; s <= DMO_CHUNK_COMMITTED; s++) {
		for (ev = DMO_CHUNK_EV_OPEN; ev <= DMO_CHUNK_EV_RELEASED; ev++) {
			st = s;
			if (table[s][ev] == X) {
				assert_int_equal(dmo_chunk_next(&st, ev), -EINVAL);
				assert_int_equal(st, s);
			} else {
				assert_int_equal(dmo_chunk_next(&st, ev), 0);
				assert_int_equal(st, table[s][ev]);
			}
		}
		st = s;
		assert_int_equal(dmo_chunk_next(&st, DMO_CHUNK_EV_RELEASED + 1), -EINVAL);
		assert_int_equal(st, s);
	}
}

static const int merges[][4] = {
	/*			WANT BEGIN DONE NEEDLESS */
	[DMO_MERGE_NONE]	= { 1, 2, X, 0 },
	[DMO_MERGE_WANTED]	= { 1, 2, X, 0 },
	[DMO_MERGE_RUNNING]	= { 2, X, 0, X },
};

static void every_step_of_a_merge(void **state)
{
	enum dmo_merge st;
	int s, ev, to;

	for (s = DMO_MERGE_NONE; s <= DMO_MERGE_RUNNING; s++) {
		for (ev = DMO_MERGE_EV_WANT; ev <= DMO_MERGE_EV_NEEDLESS; ev++) {
			st = s;
			to = merges[s][ev];
			assert_int_equal(dmo_merge_next(&st, ev), to == X ? -EINVAL : 0);
			assert_int_equal(st, to == X ? s : to);
		}
		st = s;
		assert_int_equal(dmo_merge_next(&st, DMO_MERGE_EV_NEEDLESS + 1), -EINVAL);
		assert_int_equal(st, s);
	}
}

/* A link that breaks at any point, any number of times, costs no chunk its way. */
static void a_life_with_broken_links(void **state)
{
	static const enum dmo_chunk_event life[] = {
		DMO_CHUNK_EV_OPEN, DMO_CHUNK_EV_CUT, DMO_CHUNK_EV_DRAINED,
		DMO_CHUNK_EV_COMPLETE, DMO_CHUNK_EV_COMMITTED, DMO_CHUNK_EV_RELEASED,
	};
	enum dmo_chunk_state st = DMO_CHUNK_NONE;
	u32 i, j;

	for (i = 0; i < ARRAY_SIZE(life); i++) {
		for (j = 0; j < 3; j++)
			assert_int_equal(dmo_chunk_next(&st, DMO_CHUNK_EV_LINK_LOST), 0);
		assert_int_equal(dmo_chunk_next(&st, life[i]), 0);
	}
	assert_int_equal(st, DMO_CHUNK_NONE);
}

/* The secondary may commit it at any time: what is COMPLETE is never merged. */
static void no_merge_of_a_complete_chunk(void **state)
{
	enum dmo_chunk_state st = DMO_CHUNK_SHIPPING;

	assert_int_equal(dmo_chunk_next(&st, DMO_CHUNK_EV_COMPLETE), 0);
	assert_int_equal(dmo_chunk_next(&st, DMO_CHUNK_EV_MERGED), -EINVAL);
	assert_int_equal(dmo_chunk_next(&st, DMO_CHUNK_EV_LINK_LOST), 0);
	assert_int_equal(dmo_chunk_next(&st, DMO_CHUNK_EV_MERGED), -EINVAL);
	assert_int_equal(dmo_chunk_next(&st, DMO_CHUNK_EV_COMMITTED), 0);
	assert_int_equal(dmo_chunk_next(&st, DMO_CHUNK_EV_MERGED), -EINVAL);
	assert_int_equal(st, DMO_CHUNK_COMMITTED);
}

static void names(void **state)
{
	int s, t;

	for (s = DMO_CHUNK_NONE; s <= DMO_CHUNK_COMMITTED; s++) {
		assert_string_not_equal(dmo_chunk_state_name(s), "unknown");
		for (t = DMO_CHUNK_NONE; t < s; t++)
			assert_string_not_equal(dmo_chunk_state_name(s), dmo_chunk_state_name(t));
	}
	assert_string_equal(dmo_chunk_state_name(DMO_CHUNK_COMMITTED + 1), "unknown");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_step),
		cmocka_unit_test(every_step_of_a_merge),
		cmocka_unit_test(a_life_with_broken_links),
		cmocka_unit_test(no_merge_of_a_complete_chunk),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests_name("cstate", tests, NULL, NULL);
}
