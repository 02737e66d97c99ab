// SPDX-License-Identifier: GPL-2.0-only
/* wait: until a session has come to something. */
#include <stdio.h>
#include <string.h>

#include "orderedctl/ctl.h"
#include "lib/lookup.h"
#include "lib/nl.h"
#include "lib/verdict.h"

#define POLL_MS		100
#define ORD_TIMED_OUT	3	/* promised in the man page */

static const char *session, *goal_name;
static uint64_t timeout_ms;

static bool is_linked(const struct ord_session *s)
{
	return s->link_state == DMO_LINK_UP;
}

/* The peer, or this side if it is the secondary, has a copy that is a point in time. */
static bool is_copied(const struct ord_session *s)
{
	if (s->role == DMO_ROLE_PRIMARY)
		return s->state != DMO_STATE_COPYING && !(s->flags & DMO_F_NO_COPY);
	return !(s->flags & DMO_F_COPY_PENDING) &&
	       (!(s->flags & DMO_F_INCONSISTENT) ||
		ord_cut_cmp(s->cut_complete, s->cut_restored) > 0);
}

/* ... and it is on the secondary's disks. */
static bool is_consistent(const struct ord_session *s)
{
	if (s->role == DMO_ROLE_PRIMARY)
		return is_copied(s) && !ord_cut_cmp(s->cut_restored, s->cut_committed);
	return !(s->flags & (DMO_F_INCONSISTENT | DMO_F_COPY_PENDING));
}

/* Nothing is on its way. */
static bool is_drained(const struct ord_session *s)
{
	if (s->role == DMO_ROLE_PRIMARY)
		return is_consistent(s) && ORD_HAS(s, DMO_A_LAG_MS) && !s->lag_ms &&
		       !s->active.bytes && s->older.state == DMO_CHUNK_NONE;
	return is_consistent(s) && !ord_cut_cmp(s->cut_complete, s->cut_restored);
}

static const struct {
	const char *name;
	bool (*is)(const struct ord_session *s);
} goals[] = {
	{ "link", is_linked },
	{ "copied", is_copied },
	{ "consistent", is_consistent },
	{ "drained", is_drained },
};

static int wait_for(struct ord_session *s, unsigned int goal)
{
	uint64_t start = ord_mono_ms();
	struct verdict v;

	ord_catch_signals();
	for (;;) {
		if (knl_refresh(s)) {
			progress_line(s, NULL);
			ord_err("can't read %s: %s", lookup_name(s), knl_why());
			return ORD_FAIL;
		}
		if (s->state != DMO_STATE_BUSY && goals[goal].is(s)) {
			progress_line(s, NULL);
			return ORD_OK;
		}
		progress_line(s, goals[goal].name);
		verdict_of(s, 0, &v);
		if (s->state == DMO_STATE_FAILED || ord_interrupted()) {
			progress_line(s, NULL);
			ord_err("%s: %s", lookup_name(s),
				ord_interrupted() ? "interrupted" : v.why);
			return ORD_FAIL;
		}
		if (timeout_ms && ord_mono_ms() - start >= timeout_ms) {
			progress_line(s, NULL);
			ord_err("%s: not %s in time: %s", lookup_name(s), goals[goal].name,
				*v.why ? v.why : ord_block_text(s->block));
			return ORD_TIMED_OUT;
		}
		ord_sleep_ms(POLL_MS);
	}
}

static int run(const struct command *cmd)
{
	struct ord_sessions list;
	struct ord_session *s;
	unsigned int goal;
	int rc;

	for (goal = 0; goal < ARRAY_LEN(goals); goal++)
		if (!strcmp(goals[goal].name, goal_name))
			break;
	if (goal == ARRAY_LEN(goals))
		return ctl_usage_error(cmd, "\"%.60s\" is nothing to wait for: link, copied, consistent or drained",
				       goal_name);
	s = lookup_session(&list, session);
	if (!s)
		return ORD_FAIL;
	rc = wait_for(s, goal);
	ord_sessions_free(&list);
	return rc;
}

static const struct operand operands[] = {
	{ "SESSION", &session }, { "link|copied|consistent|drained", &goal_name }, { 0 }
};

static const struct opt opts[] = {
	CTL_WAIT("timeout", &timeout_ms, "how long to wait; default: for ever"),
	{ 0 }
};

const struct command cmd_wait = {
	.name = "wait",
	.what = "wait until a session has come so far",
	.operands = operands,
	.opts = opts,
	.run = run,
};
