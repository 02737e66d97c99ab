/* SPDX-License-Identifier: GPL-2.0-only */
/* What a journal is good for: cmd-size.c. */
#ifndef ORD_SIZE_H
#define ORD_SIZE_H

#include <stdint.h>

/*
 * size_outage_ms - for how long there may be no link, until what is collected is more than
 * the largest chunk of @chunk_max bytes
 * @bytes_s: distinct data written a second; not 0
 */
uint64_t size_outage_ms(uint64_t chunk_max, uint64_t bytes_s, uint64_t cycle_ms);

#endif /* ORD_SIZE_H */
