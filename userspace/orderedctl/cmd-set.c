// SPDX-License-Identifier: GPL-2.0-only
/* set: change the parameters of an active session. */
#include "orderedctl/ctl.h"
#include "lib/lookup.h"
#include "lib/nl.h"

static const char *session;
static struct knl_params params;

static int run(const struct command *cmd)
{
	struct ord_sessions list;
	struct ord_session *s;
	int rc;

	if (!params.cycle_ms && !params.budget_mib && !params.link_timeout_ms)
		return ctl_usage_error(cmd, "say what to set");
	s = lookup_session(&list, session);
	if (!s)
		return ORD_FAIL;
	rc = knl_set(s, &params);
	if (rc)
		ord_err("can't set parameters of %s: %s", lookup_name(s), knl_why());
	ord_sessions_free(&list);
	return rc ? ORD_FAIL : ORD_OK;
}

static const struct operand operands[] = { { "SESSION", &session }, { 0 } };

static const struct opt opts[] = {
	CTL_CYCLE(&params.cycle_ms, "length of a cycle"),
	CTL_BUDGET(&params.budget_mib, "memory for blocks on their way"),
	CTL_LINK_TIMEOUT(&params.link_timeout_ms, "a link that is silent for so long is given up"),
	{ 0 }
};

const struct command cmd_set = {
	.name = "set",
	.what = "change cycle length, memory budget or link time-out, durably",
	.operands = operands,
	.opts = opts,
	.run = run,
};
