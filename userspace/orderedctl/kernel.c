// SPDX-License-Identifier: GPL-2.0-only
#include <stdlib.h>

#include "orderedctl/ctl.h"
#include "orderedctl/kernel.h"

static struct ord_nl *nl;
static struct ord_dm *dm;

static void must(const void *p)
{
	if (p)
		return;
	ctl_err("out of memory");
	exit(CTL_FAIL);
}

struct ord_nl *ctl_nl(void)
{
	if (!nl) {
		nl = ord_nl_new();
		must(nl);
	}
	return nl;
}

struct ord_dm *ctl_dm(void)
{
	if (!dm) {
		dm = ord_dm_new();
		must(dm);
	}
	return dm;
}

void ctl_kernel_close(void)
{
	ord_nl_free(nl);
	ord_dm_free(dm);
	nl = NULL;
	dm = NULL;
}
