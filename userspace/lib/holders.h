/* SPDX-License-Identifier: GPL-2.0-only */
/* Who holds a block device, and one at a time who changes the volumes of a session. */
#ifndef ORD_HOLDERS_H
#define ORD_HOLDERS_H

#include <stddef.h>
#include <stdint.h>

#include "lib/dm.h"

/*
 * ord_holders_wait - wait until a volume's device is closed, for so long
 * @who: says who has it open then: processes, mounts, swap, devices on top; "": nobody was found
 * Return: 0, or -EBUSY with @who.
 */
int ord_holders_wait(struct ord_dm *dm, const struct ord_dm_volume *v, uint64_t wait_ms, char *who,
		     size_t size);

/*
 * ord_session_lock - wait for whoever else creates or removes volumes of this metadata device
 * Return: a file descriptor to close, or -1: no lock can be had, which is no error.
 */
int ord_session_lock(uint32_t meta_major, uint32_t meta_minor);

#endif /* ORD_HOLDERS_H */
