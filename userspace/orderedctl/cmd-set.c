// SPDX-License-Identifier: GPL-2.0-only
/* set: change the parameters of an active session. */
#include "orderedctl/ctl.h"
#include "orderedctl/kernel.h"
#include "orderedctl/session.h"

static const char *session;
static struct ord_params params;

static int run(const struct ctl_command *cmd)
{
	struct ord_sessions list;
	struct ord_session *s;
	int rc;

	if (!params.cycle_ms && !params.budget_mib && !params.link_timeout_ms)
		return ctl_usage_error(cmd, "say what to set");
	s = ctl_session(&list, session);
	if (!s)
		return CTL_FAIL;
	rc = ord_nl_set(ctl_nl(), s, &params);
	if (rc)
		ctl_err("can't set parameters of %s: %s", ord_session_name(s), ord_nl_why(ctl_nl()));
	ord_sessions_free(&list);
	return rc ? CTL_FAIL : CTL_OK;
}

static const struct ctl_operand operands[] = { { "SESSION", &session }, { 0 } };

static const struct ctl_opt opts[] = {
	CTL_CYCLE(&params.cycle_ms, "length of a cycle"),
	CTL_BUDGET(&params.budget_mib, "memory for blocks on their way"),
	CTL_LINK_TIMEOUT(&params.link_timeout_ms, "a link that is silent for so long is given up"),
	{ 0 }
};

const struct ctl_command ctl_cmd_set = {
	.name = "set",
	.what = "change cycle length, memory budget or link time-out, durably",
	.operands = operands,
	.opts = opts,
	.run = run,
};
