// SPDX-License-Identifier: GPL-2.0-only
/* The peer's states at the primary: every state with every event. */
#include "unit.h"
#include "format/pstate.h"

#define X (-1)

/* What each step leads to, X: illegal. The table of pstate.c, written out. */
static const int links[][5] = {
	/*			CAME TAKE READY GONE SETTLED */
	[DMO_PEER_AWAY]		= { 1, X, X, 4, X },
	[DMO_PEER_NEW]		= { X, 2, X, 4, X },
	[DMO_PEER_TAKEN]	= { X, X, 3, 4, X },
	[DMO_PEER_UP]		= { X, X, X, 4, X },
	[DMO_PEER_LOST]		= { 5, X, X, 4, 0 },
	[DMO_PEER_RETURNED]	= { X, X, X, 4, 1 },
};

static const int copies[][10] = {
	/*			BEGIN READY PASSED SYNCED AGAIN FINISH ENDED MERGED LOST ANEW */
	[DMO_DIRECT_OFF]	= { 1, X, X, X, X, X, 0, 0, 0, 0 },
	[DMO_DIRECT_BEGIN]	= { X, 2, X, X, X, X, X, X, 0, X },
	[DMO_DIRECT_RUN]	= { X, X, 3, X, X, X, X, X, 0, X },
	[DMO_DIRECT_PASSED]	= { X, X, X, 4, X, X, X, X, 0, X },
	[DMO_DIRECT_SYNCED]	= { X, X, X, X, 2, 5, X, X, 0, X },
	[DMO_DIRECT_FINISH]	= { X, X, X, X, X, X, 0, 0, 5, X },
};

static void every_step_of_a_link(void **state)
{
	enum dmo_peer_link st;
	int s, ev, to;

	for (s = DMO_PEER_AWAY; s <= DMO_PEER_RETURNED; s++) {
		for (ev = DMO_PEER_EV_CAME; ev <= DMO_PEER_EV_SETTLED; ev++) {
			st = s;
			to = links[s][ev];
			assert_int_equal(dmo_peer_next(&st, ev), to == X ? -EINVAL : 0);
			assert_int_equal(st, to == X ? s : to);
		}
		st = s;
		assert_int_equal(dmo_peer_next(&st, DMO_PEER_EV_SETTLED + 1), -EINVAL);
		assert_int_equal(st, s);
	}
}

static void every_step_of_a_copy(void **state)
{
	enum dmo_direct st;
	int s, ev, to;

	for (s = DMO_DIRECT_OFF; s <= DMO_DIRECT_FINISH; s++) {
		for (ev = DMO_DIRECT_EV_BEGIN; ev <= DMO_DIRECT_EV_ANEW; ev++) {
			st = s;
			to = copies[s][ev];
			assert_int_equal(dmo_direct_next(&st, ev), to == X ? -EINVAL : 0);
			assert_int_equal(st, to == X ? s : to);
		}
		st = s;
		assert_int_equal(dmo_direct_next(&st, DMO_DIRECT_EV_ANEW + 1), -EINVAL);
		assert_int_equal(st, s);
	}
}

/* However often links come and go meanwhile: no READY but after a TAKE of that link. */
static void no_way_around_the_loss(void **state)
{
	enum dmo_peer_link st = DMO_PEER_TAKEN;
	int i;

	for (i = 0; i < 3; i++) {
		assert_int_equal(dmo_peer_next(&st, DMO_PEER_EV_GONE), 0);
		assert_int_equal(dmo_peer_next(&st, DMO_PEER_EV_READY), -EINVAL);
		assert_int_equal(dmo_peer_next(&st, DMO_PEER_EV_CAME), 0);
		assert_int_equal(dmo_peer_next(&st, DMO_PEER_EV_READY), -EINVAL);
		assert_int_equal(dmo_peer_next(&st, DMO_PEER_EV_TAKE), -EINVAL);
	}
	assert_int_equal(dmo_peer_next(&st, DMO_PEER_EV_SETTLED), 0);
	assert_int_equal(dmo_peer_next(&st, DMO_PEER_EV_TAKE), 0);
	assert_int_equal(dmo_peer_next(&st, DMO_PEER_EV_READY), 0);
	assert_int_equal(st, DMO_PEER_UP);
}

static void names(void **state)
{
	int s, t;

	for (s = DMO_PEER_AWAY; s <= DMO_PEER_RETURNED; s++) {
		assert_string_not_equal(dmo_peer_link_name(s), "unknown");
		for (t = DMO_PEER_AWAY; t < s; t++)
			assert_string_not_equal(dmo_peer_link_name(s), dmo_peer_link_name(t));
	}
	assert_string_equal(dmo_peer_link_name(DMO_PEER_RETURNED + 1), "unknown");
	for (s = DMO_DIRECT_OFF; s <= DMO_DIRECT_FINISH; s++) {
		assert_string_not_equal(dmo_direct_name(s), "unknown");
		for (t = DMO_DIRECT_OFF; t < s; t++)
			assert_string_not_equal(dmo_direct_name(s), dmo_direct_name(t));
	}
	assert_string_equal(dmo_direct_name(DMO_DIRECT_FINISH + 1), "unknown");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_step_of_a_link),
		cmocka_unit_test(every_step_of_a_copy),
		cmocka_unit_test(no_way_around_the_loss),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests_name("pstate", tests, NULL, NULL);
}
