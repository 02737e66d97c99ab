// SPDX-License-Identifier: GPL-2.0-only
#include "lib/holders.h"
#include "orderedctl/ctl.h"
#include "orderedctl/kernel.h"
#include "orderedctl/volume.h"

int ctl_volume_wait(const struct ord_dm_volume *v, uint64_t wait_ms)
{
	char who[512];

	if (!ord_holders_wait(ctl_dm(), v, wait_ms, who, sizeof(who)))
		return 0;
	ctl_err("volume \"%s\" is open%s%s; close it first", v->name, *who ? ": " : "", who);
	return -1;
}
