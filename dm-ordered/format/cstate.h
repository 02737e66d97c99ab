/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * States of a chunk on the primary; its states are enum dmo_chunk_state of
 * uapi/dm-ordered.h. One transition function, the only one that may change it.
 */
#ifndef DMO_CSTATE_H
#define DMO_CSTATE_H

#include "compat.h"
#include "uapi/dm-ordered.h"

enum dmo_chunk_event {
	DMO_CHUNK_EV_OPEN,	/* begins to collect writes */
	DMO_CHUNK_EV_CUT,	/* its cycle ends */
	DMO_CHUNK_EV_DRAINED,	/* the last write of its cycle has ended */
	DMO_CHUNK_EV_COMPLETE,	/* all sent, and the peer said COMPLETE */
	DMO_CHUNK_EV_LINK_LOST,	/* what isn't COMPLETE is sent again */
	DMO_CHUNK_EV_MERGED,	/* folded into the next; its writers have ended */
	DMO_CHUNK_EV_COMMITTED,	/* the peer said COMMITTED */
	DMO_CHUNK_EV_RELEASED,	/* everything it held is freed */
};

int dmo_chunk_next(enum dmo_chunk_state *st, enum dmo_chunk_event ev);
const char *dmo_chunk_state_name(enum dmo_chunk_state st);

#endif /* DMO_CSTATE_H */
