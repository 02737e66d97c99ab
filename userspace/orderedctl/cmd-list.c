// SPDX-License-Identifier: GPL-2.0-only
/* list: one line a session, the verdict. */
#include <stdio.h>

#include "lib/verdict.h"
#include "orderedctl/ctl.h"
#include "orderedctl/kernel.h"

static int run(const struct ctl_command *cmd)
{
	struct ord_sessions list;
	struct ord_verdict v;
	unsigned int i;

	(void)cmd;
	if (ord_nl_sessions(ctl_nl(), &list)) {
		ctl_err("can't read the sessions: %s", ord_nl_why(ctl_nl()));
		return CTL_FAIL;
	}
	for (i = 0; i < list.nr; i++) {
		ord_verdict_of(&list.v[i], 0, &v);
		printf("%s%s%s\n", v.line, *v.why ? ": " : "", v.why);
	}
	if (!list.nr)
		printf("no sessions\n");
	ord_sessions_free(&list);
	return CTL_OK;
}

const struct ctl_command ctl_cmd_list = {
	.name = "list",
	.what = "one line a session: role, peer, state, what a loss now would cost",
	.run = run,
};
