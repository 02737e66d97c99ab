// SPDX-License-Identifier: GPL-2.0-only
/* disconnect: take the link away; whoever keeps one makes none until connect or listen is called again. */
#include "orderedctl/ctl.h"
#include "orderedctl/kernel.h"
#include "orderedctl/session.h"

static const char *session;

static int run(const struct ctl_command *cmd)
{
	struct ord_sessions list;
	struct ord_session *s;
	int rc;

	(void)cmd;
	s = ctl_session(&list, session);
	if (!s)
		return CTL_FAIL;
	rc = ord_nl_link_detach(ctl_nl(), s, false);
	if (rc)
		ctl_err("can't disconnect %s: %s", ord_session_name(s), ord_nl_why(ctl_nl()));
	ord_sessions_free(&list);
	return rc ? CTL_FAIL : CTL_OK;
}

static const struct ctl_operand operands[] = { { "SESSION", &session }, { 0 } };

const struct ctl_command ctl_cmd_disconnect = {
	.name = "disconnect",
	.what = "take the link away",
	.operands = operands,
	.run = run,
};
