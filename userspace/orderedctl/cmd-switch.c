// SPDX-License-Identifier: GPL-2.0-only
/* switch: end the cycle. */
#include <stdio.h>

#include "orderedctl/ctl.h"
#include "orderedctl/cut.h"
#include "orderedctl/session.h"

static const char *session;

static int run(const struct ctl_command *cmd)
{
	struct ord_sessions list;
	struct ord_session *s;
	struct ord_cut cut;
	int rc;

	(void)cmd;
	s = ctl_session(&list, session);
	if (!s)
		return CTL_FAIL;
	rc = ctl_cut(s, &cut);
	if (!rc)
		printf("%s\n", ord_fmt_cut(cut.epoch, cut.n));
	ord_sessions_free(&list);
	return rc;
}

static const struct ctl_operand operands[] = { { "SESSION", &session }, { 0 } };

const struct ctl_command ctl_cmd_switch = {
	.name = "switch",
	.what = "end the current cycle; prints the cut, EPOCH.N",
	.operands = operands,
	.run = run,
};
