// SPDX-License-Identifier: GPL-2.0-only
/* monitor: the kernel's events, one a line, until interrupted. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "orderedctl/ctl.h"
#include "orderedctl/kernel.h"
#include "orderedctl/print.h"
#include "orderedctl/session.h"

static const char *session;
static bool json;

static int monitor(const struct ord_session *s)
{
	/* of the output only that its reader is gone */
	struct pollfd p[2] = {
		{ .fd = ord_nl_events_fd(ctl_nl()), .events = POLLIN }, { .fd = STDOUT_FILENO },
	};
	struct ord_event ev;
	int rc;

	ctl_catch_signals();
	while (!ctl_interrupted()) {
		rc = ord_nl_events_next(ctl_nl(), &ev);
		if (rc == -ENOBUFS) {
			ctl_print_event(ord_wall_ns(), NULL, json);
		} else if (rc < 0) {
			ctl_err("%s", ord_nl_why(ctl_nl()));
			return CTL_FAIL;
		} else if (!rc) {
			if (poll(p, 2, 1000) > 0 && p[1].revents)
				break;
			continue;
		} else if (s && !ord_same_meta(s, ev.meta_major, ev.meta_minor)) {
			continue;
		} else {
			ctl_print_event(ord_wall_ns(), &ev, json);
		}
		if (fflush(stdout))
			break;	/* main() says it */
	}
	return CTL_OK;
}

static int run(const struct ctl_command *cmd)
{
	struct ord_sessions list = { 0 };
	struct ord_session *s = NULL;
	int rc;

	(void)cmd;
	if (ord_nl_events_open(ctl_nl())) {
		ctl_err("%s", ord_nl_why(ctl_nl()));
		return CTL_FAIL;
	}
	if (session) {
		s = ctl_session(&list, session);
		if (!s)
			return CTL_FAIL;
	}
	rc = monitor(s);
	ord_sessions_free(&list);
	return rc;
}

static const struct ctl_operand operands[] = {
	{ "SESSION", &session, .optional = true },
	{ 0 }
};

static const struct ctl_opt opts[] = {
	{ "json", NULL, "an object a line", ctl_opt_flag, &json },
	{ 0 }
};

const struct ctl_command ctl_cmd_monitor = {
	.name = "monitor",
	.what = "print events as they happen, until interrupted",
	.operands = operands,
	.opts = opts,
	.run = run,
};
