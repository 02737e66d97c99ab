/* SPDX-License-Identifier: GPL-2.0-only */
/* What size and format share: an outage of the link against the chunk that is collected in it. */
#ifndef CTL_OUTAGE_H
#define CTL_OUTAGE_H

#include "format/ondisk.h"

/*
 * ctl_outage_blocks - blocks of distinct data written in an outage of @ms, in the cycle before it and in
 * the one that begins
 * @bytes_s: distinct data written a second
 * @cycle: length of one, in ms
 * Return: at most U64_MAX / DMO_BLOCK / 2.
 */
u64 ctl_outage_blocks(u64 ms, u64 bytes_s, u64 cycle);

/*
 * ctl_outage_ms_of - for how long there may be no link, until what is collected is more than
 * the largest chunk of @chunk_max bytes
 * @bytes_s: distinct data written a second; not 0
 * @cycle: length of one, in ms
 */
u64 ctl_outage_ms_of(u64 chunk_max, u64 bytes_s, u64 cycle);

#endif /* CTL_OUTAGE_H */
