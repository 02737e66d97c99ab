/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DMO_NETLINK_H
#define DMO_NETLINK_H

#include "compat.h"

int dmo_netlink_init(void);
void dmo_netlink_exit(void);

/**
 * dmo_netlink_event - multicast an event; @volume -1: none, @why NULL: none. Sleeps,
 * lost if there is no memory: nothing waits for it.
 */
void dmo_netlink_event(dev_t meta_dev, const u8 *uuid, u32 event, struct dmo_cut cut, int volume,
		       const char *why);

#endif /* DMO_NETLINK_H */
