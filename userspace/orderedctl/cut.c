// SPDX-License-Identifier: GPL-2.0-only
#include "lib/lookup.h"
#include "orderedctl/ctl.h"
#include "orderedctl/cut.h"
#include "orderedctl/kernel.h"

int ctl_cut(const struct ord_session *s, struct ord_cut *cut)
{
	if (s->role != DMO_ROLE_PRIMARY) {
		ctl_err("%s: only a primary makes cuts; give the command there", ord_session_name(s));
		return CTL_FAIL;
	}
	if (!ord_nl_switch(ctl_nl(), s, cut))
		return CTL_OK;
	ctl_err("can't switch %s: %s", ord_session_name(s), ord_nl_why(ctl_nl()));
	return CTL_FAIL;
}
