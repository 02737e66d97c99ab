// SPDX-License-Identifier: GPL-2.0-only
/* wait: until a session has come to something. */
#include <stdio.h>
#include <string.h>

#include "lib/verdict.h"
#include "orderedctl/ctl.h"
#include "orderedctl/kernel.h"
#include "orderedctl/progress.h"
#include "orderedctl/session.h"

#define POLL_MS		100
#define CTL_TIMED_OUT	3	/* promised in the man page */

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
	struct ord_verdict v;

	ctl_catch_signals();
	for (;;) {
		if (ord_nl_refresh(ctl_nl(), s)) {
			ctl_progress_line(s, NULL);
			ctl_err("can't read %s: %s", ord_session_name(s), ord_nl_why(ctl_nl()));
			return CTL_FAIL;
		}
		if (s->state != DMO_STATE_BUSY && goals[goal].is(s)) {
			ctl_progress_line(s, NULL);
			return CTL_OK;
		}
		ctl_progress_line(s, goals[goal].name);
		ord_verdict_of(s, 0, &v);
		if (s->state == DMO_STATE_FAILED || ctl_interrupted()) {
			ctl_progress_line(s, NULL);
			ctl_err("%s: %s", ord_session_name(s),
				ctl_interrupted() ? "interrupted" : v.why);
			return CTL_FAIL;
		}
		if (timeout_ms && ord_mono_ms() - start >= timeout_ms) {
			ctl_progress_line(s, NULL);
			ctl_err("%s: not %s in time: %s", ord_session_name(s), goals[goal].name,
				*v.why ? v.why : ord_block_text(s->block));
			return CTL_TIMED_OUT;
		}
		ctl_sleep_ms(POLL_MS);
	}
}

static int run(const struct ctl_command *cmd)
{
	struct ord_sessions list;
	struct ord_session *s;
	unsigned int goal;
	int rc;

	for (goal = 0; goal < ORD_ARRAY_LEN(goals); goal++)
		if (!strcmp(goals[goal].name, goal_name))
			break;
	if (goal == ORD_ARRAY_LEN(goals))
		return ctl_usage_error(cmd, "\"%.60s\" is nothing to wait for: link, copied, consistent or drained",
				       goal_name);
	s = ctl_session(&list, session);
	if (!s)
		return CTL_FAIL;
	rc = wait_for(s, goal);
	ord_sessions_free(&list);
	return rc;
}

static const struct ctl_operand operands[] = {
	{ "SESSION", &session }, { "link|copied|consistent|drained", &goal_name }, { 0 }
};

static const struct ctl_opt opts[] = {
	CTL_WAIT("timeout", &timeout_ms, "how long to wait; default: for ever"),
	{ 0 }
};

const struct ctl_command ctl_cmd_wait = {
	.name = "wait",
	.what = "wait until a session has come so far",
	.operands = operands,
	.opts = opts,
	.run = run,
};
