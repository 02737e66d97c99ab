/* SPDX-License-Identifier: GPL-2.0-only */
/* Who holds a block device, and one command at a time on a session. */
#ifndef ORD_HOLDERS_H
#define ORD_HOLDERS_H

#include <stddef.h>
#include <stdint.h>

#include "lib/dm.h"

#define ORD_HOLDERS_WAIT_MS	5000	/* for a device that somebody has open for a moment */

/*
 * ord_holders_wait - wait until a volume's device is closed, for so long
 * Return: 0, or -1, and it was said who has it open.
 */
int ord_holders_wait(const struct ord_dm_volume *v, uint64_t wait_ms);

/*
 * ord_session_lock - wait for the other orderedctl create or remove of this metadata device
 * Return: a file descriptor to close, or -1: no lock can be had, which is no error.
 */
int ord_session_lock(uint32_t meta_major, uint32_t meta_minor);

#endif /* ORD_HOLDERS_H */
