// SPDX-License-Identifier: GPL-2.0-only
/* list: one line a session, the verdict. */
#include <stdio.h>

#include "orderedctl/ctl.h"
#include "lib/nl.h"
#include "lib/verdict.h"

static int run(const struct command *cmd)
{
	struct ord_sessions list;
	struct verdict v;
	unsigned int i;

	(void)cmd;
	if (knl_sessions(&list)) {
		ord_err("can't read the sessions: %s", knl_why());
		return ORD_FAIL;
	}
	for (i = 0; i < list.nr; i++) {
		verdict_of(&list.v[i], 0, &v);
		printf("%s%s%s\n", v.line, *v.why ? ": " : "", v.why);
	}
	if (!list.nr)
		printf("no sessions\n");
	ord_sessions_free(&list);
	return ORD_OK;
}

const struct command cmd_list = {
	.name = "list",
	.what = "one line a session: role, peer, state, what a loss now would cost",
	.run = run,
};
