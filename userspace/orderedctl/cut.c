// SPDX-License-Identifier: GPL-2.0-only
#include "lib/lookup.h"
#include "lib/nl.h"
#include "orderedctl/ctl.h"
#include "orderedctl/cut.h"

int cut_make(const struct ord_session *s, struct ord_cut *cut)
{
	if (s->role != DMO_ROLE_PRIMARY) {
		ord_err("%s: only a primary makes cuts; give the command there", lookup_name(s));
		return ORD_FAIL;
	}
	if (!knl_switch(s, cut))
		return ORD_OK;
	ord_err("can't switch %s: %s", lookup_name(s), knl_why());
	return ORD_FAIL;
}
