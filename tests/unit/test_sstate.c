// SPDX-License-Identifier: GPL-2.0-only
/* The secondary's states, of restore and of copy: every state with every event. */
#include "unit.h"
#include "format/sstate.h"

#define X (-1)

/* What each step leads to, X: illegal. The tables of sstate.c, written out. */
static const int restore_table[][6] = {
	/*			  BEGIN DONE FAILED DAMAGE END GIVEN_UP */
	[DMO_RESTORE_IDLE]	= { 1, X, X, X, X, X },
	[DMO_RESTORE_RUNNING]	= { X, 1, 2, 4, 0, X },
	[DMO_RESTORE_FAILING]	= { X, 1, 2, 4, 3, X },
	[DMO_RESTORE_WAITING]	= { 2, X, X, X, X, X },
	[DMO_RESTORE_BROKEN]	= { X, X, X, X, 5, X },
	[DMO_RESTORE_DAMAGED]	= { X, X, X, X, X, 0 },
};

static const int copy_table[][7] = {
	/*			  LOST READY WRITE SYNCED END CONSISTENT LINK_LOST */
	[DMO_COPY_NONE]		= { 1, X, X, X, X, 0, 0 },
	[DMO_COPY_NEEDED]	= { 1, 2, X, X, 5, X, 1 },
	[DMO_COPY_DIRECT]	= { 2, 2, 3, 2, 4, X, 1 },
	[DMO_COPY_WRITTEN]	= { 3, 3, 3, 2, X, X, 1 },
	[DMO_COPY_FINISHED]	= { 1, X, X, X, X, 6, 5 },
	[DMO_COPY_ENDED]	= { 1, X, X, X, X, 0, 5 },
	[DMO_COPY_DONE]		= { 1, X, X, X, X, 6, 0 },
};

/* What is told of each: in_hand failing damaged; inconsistent direct needed over. */
static const bool restore_is[][3] = {
	[DMO_RESTORE_IDLE]	= { 0, 0, 0 },
	[DMO_RESTORE_RUNNING]	= { 1, 0, 0 },
	[DMO_RESTORE_FAILING]	= { 1, 1, 0 },
	[DMO_RESTORE_WAITING]	= { 0, 1, 0 },
	[DMO_RESTORE_BROKEN]	= { 1, 0, 1 },
	[DMO_RESTORE_DAMAGED]	= { 0, 0, 1 },
};

static const bool copy_is[][4] = {
	[DMO_COPY_NONE]		= { 0, 0, 0, 0 },
	[DMO_COPY_NEEDED]	= { 1, 0, 1, 0 },
	[DMO_COPY_DIRECT]	= { 1, 1, 1, 0 },
	[DMO_COPY_WRITTEN]	= { 1, 1, 1, 0 },
	[DMO_COPY_FINISHED]	= { 1, 0, 0, 1 },
	[DMO_COPY_ENDED]	= { 1, 0, 0, 1 },
	[DMO_COPY_DONE]		= { 0, 0, 0, 0 },
};

static void every_step_of_restore(void **state)
{
	enum dmo_restore_state st;
	int s, ev;

	for (s = DMO_RESTORE_IDLE; s <= DMO_RESTORE_DAMAGED; s++) {
		for (ev = DMO_RESTORE_EV_BEGIN; ev <= DMO_RESTORE_EV_GIVEN_UP; ev++) {
			st = s;
			if (restore_table[s][ev] == X) {
				assert_int_equal(dmo_restore_next(&st, ev), -EINVAL);
				assert_int_equal(st, s);
			} else {
				assert_int_equal(dmo_restore_next(&st, ev), 0);
				assert_int_equal(st, restore_table[s][ev]);
			}
		}
		st = s;
		assert_int_equal(dmo_restore_next(&st, DMO_RESTORE_EV_GIVEN_UP + 1), -EINVAL);
		assert_int_equal(st, s);
		assert_int_equal(dmo_restore_in_hand(s), restore_is[s][0]);
		assert_int_equal(dmo_restore_failing(s), restore_is[s][1]);
		assert_int_equal(dmo_restore_damaged(s), restore_is[s][2]);
	}
}

static void every_step_of_copy(void **state)
{
	enum dmo_copy_state st;
	int s, ev;

	for (s = DMO_COPY_NONE; s <= DMO_COPY_DONE; s++) {
		for (ev = DMO_COPY_EV_LOST; ev <= DMO_COPY_EV_LINK_LOST; ev++) {
			st = s;
			if (copy_table[s][ev] == X) {
				assert_int_equal(dmo_copy_next(&st, ev), -EINVAL);
				assert_int_equal(st, s);
			} else {
				assert_int_equal(dmo_copy_next(&st, ev), 0);
				assert_int_equal(st, copy_table[s][ev]);
			}
		}
		st = s;
		assert_int_equal(dmo_copy_next(&st, DMO_COPY_EV_LINK_LOST + 1), -EINVAL);
		assert_int_equal(st, s);
		assert_int_equal(dmo_copy_inconsistent(s), copy_is[s][0]);
		assert_int_equal(dmo_copy_direct(s), copy_is[s][1]);
		assert_int_equal(dmo_copy_needed(s), copy_is[s][2]);
		assert_int_equal(dmo_copy_over(s), copy_is[s][3]);
	}
}

/*
 * The only ways out of INCONSISTENT, and out of damage: the end of a copy, restored; the ring given up.
 * A link that breaks, at any point and any number of times, is none.
 */
static void no_way_around(void **state)
{
	enum dmo_restore_state r;
	enum dmo_copy_state c;
	int s, ev;

	for (s = DMO_COPY_NONE; s <= DMO_COPY_DONE; s++) {
		for (ev = DMO_COPY_EV_LOST; ev <= DMO_COPY_EV_LINK_LOST; ev++) {
			c = s;
			if (dmo_copy_next(&c, ev))
				continue;
			if (dmo_copy_inconsistent(s) && !dmo_copy_inconsistent(c))
				assert_true(ev == DMO_COPY_EV_CONSISTENT && dmo_copy_over(s));
			if (dmo_copy_needed(s) && !dmo_copy_needed(c))
				assert_true(ev == DMO_COPY_EV_END && s != DMO_COPY_WRITTEN);
			if (ev == DMO_COPY_EV_LINK_LOST)
				assert_int_equal(dmo_copy_inconsistent(s), dmo_copy_inconsistent(c));
		}
	}
	for (s = DMO_RESTORE_IDLE; s <= DMO_RESTORE_DAMAGED; s++) {
		for (ev = DMO_RESTORE_EV_BEGIN; ev <= DMO_RESTORE_EV_GIVEN_UP; ev++) {
			r = s;
			if (dmo_restore_next(&r, ev))
				continue;
			if (dmo_restore_damaged(s) && !dmo_restore_damaged(r))
				assert_true(ev == DMO_RESTORE_EV_GIVEN_UP && !dmo_restore_in_hand(s));
			if (dmo_restore_failing(s) && !dmo_restore_failing(r))
				assert_true(ev == DMO_RESTORE_EV_DONE || ev == DMO_RESTORE_EV_DAMAGE);
		}
	}
}

static void names(void **state)
{
	int s, t;

	for (s = DMO_RESTORE_IDLE; s <= DMO_RESTORE_DAMAGED; s++) {
		assert_string_not_equal(dmo_restore_state_name(s), "unknown");
		for (t = DMO_RESTORE_IDLE; t < s; t++)
			assert_string_not_equal(dmo_restore_state_name(s),
						dmo_restore_state_name(t));
	}
	assert_string_equal(dmo_restore_state_name(DMO_RESTORE_DAMAGED + 1), "unknown");
	for (s = DMO_COPY_NONE; s <= DMO_COPY_DONE; s++) {
		assert_string_not_equal(dmo_copy_state_name(s), "unknown");
		for (t = DMO_COPY_NONE; t < s; t++)
			assert_string_not_equal(dmo_copy_state_name(s), dmo_copy_state_name(t));
	}
	assert_string_equal(dmo_copy_state_name(DMO_COPY_DONE + 1), "unknown");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_step_of_restore),
		cmocka_unit_test(every_step_of_copy),
		cmocka_unit_test(no_way_around),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests_name("sstate", tests, NULL, NULL);
}
