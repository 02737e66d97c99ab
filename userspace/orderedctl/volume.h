/* SPDX-License-Identifier: GPL-2.0-only */
/* What commands share that take volumes away or load them anew. */
#ifndef CTL_VOLUME_H
#define CTL_VOLUME_H

#include <stdint.h>

#include "lib/dm.h"

#define CTL_VOLUME_WAIT_MS	5000	/* for a device that somebody has open for a moment */

/*
 * ctl_volume_wait - wait until a volume's device is closed, for so long
 * Return: 0, or -1, and it was said who has it open.
 */
int ctl_volume_wait(const struct ord_dm_volume *v, uint64_t wait_ms);

#endif /* CTL_VOLUME_H */
