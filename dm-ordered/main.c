// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>
#include <net/genetlink.h>
#include "netlink.h"
#include "secondary/secondary.h"
#include "session/session.h"
#include "store/chunk.h"
#include "target.h"
#include "uapi/dm-ordered.h"

static int __init dmo_init(void)
{
	int rc;

	rc = dmo_chunk_init();
	if (rc)
		return rc;
	rc = dmo_secondary_init();
	if (rc)
		goto bad_secondary;
	rc = dmo_netlink_init();
	if (rc)
		goto bad_netlink;
	dmo_session_events_to(dmo_netlink_event);
	rc = dmo_target_init();
	if (rc)
		goto bad_target;
	return 0;
bad_target:
	dmo_netlink_exit();
bad_netlink:
	dmo_secondary_exit();
bad_secondary:
	dmo_chunk_exit();
	return rc;
}

static void __exit dmo_exit(void)
{
	dmo_target_exit();
	dmo_netlink_exit();
	dmo_secondary_exit();
	dmo_chunk_exit();
}

module_init(dmo_init);
module_exit(dmo_exit);
MODULE_DESCRIPTION("device-mapper target: asynchronous replication in ordered cycles");
MODULE_AUTHOR("the dm-ordered developers");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1.0");
MODULE_ALIAS("dm-ordered");
/* who asks for the family by its name has the module loaded */
MODULE_ALIAS_GENL_FAMILY(DM_ORDERED_GENL_NAME);
