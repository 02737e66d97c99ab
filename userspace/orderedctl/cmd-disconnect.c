// SPDX-License-Identifier: GPL-2.0-only
/* disconnect: take the link away; whoever keeps one makes none until connect or listen is called again. */
#include "lib/lookup.h"
#include "lib/nl.h"
#include "orderedctl/ctl.h"

static const char *session;

static int run(const struct command *cmd)
{
	struct ord_sessions list;
	struct ord_session *s;
	int rc;

	(void)cmd;
	s = lookup_session(&list, session);
	if (!s)
		return ORD_FAIL;
	rc = knl_link_detach(s, false);
	if (rc)
		ord_err("can't disconnect %s: %s", lookup_name(s), knl_why());
	ord_sessions_free(&list);
	return rc ? ORD_FAIL : ORD_OK;
}

static const struct operand operands[] = { { "SESSION", &session }, { 0 } };

const struct command cmd_disconnect = {
	.name = "disconnect",
	.what = "take the link away",
	.operands = operands,
	.run = run,
};
