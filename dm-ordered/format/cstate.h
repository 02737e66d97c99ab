/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * States of a chunk on the primary, enum dmo_chunk_state of uapi/dm-ordered.h; and of the merge of the
 * older chunk into the active one. Each has one transition function, the only one that may change it.
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

enum dmo_merge {
	DMO_MERGE_NONE,
	DMO_MERGE_WANTED,	/* writes wait for it */
	DMO_MERGE_RUNNING,	/* the older chunk's state is NONE, and the store is not done with it */
};

enum dmo_merge_event {
	DMO_MERGE_EV_WANT,	/* a write can't preserve what the older chunk references */
	DMO_MERGE_EV_BEGIN,	/* the cycle thread: for those that wait, or for what a link needs */
	DMO_MERGE_EV_DONE,	/* what was the older chunk's is the active one's */
	DMO_MERGE_EV_NEEDLESS,	/* the older chunk was COMPLETE first, and is released */
};

int dmo_chunk_next(enum dmo_chunk_state *st, enum dmo_chunk_event ev);
const char *dmo_chunk_state_name(enum dmo_chunk_state st);
int dmo_merge_next(enum dmo_merge *st, enum dmo_merge_event ev);

#endif /* DMO_CSTATE_H */
