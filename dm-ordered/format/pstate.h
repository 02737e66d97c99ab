/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * States of a peer, as the primary sees it. Each has one transition function, the only one that
 * may change it.
 */
#ifndef DMO_PSTATE_H
#define DMO_PSTATE_H

#include "compat.h"

/* The link to it, and how far its consequences are drawn. */
enum dmo_peer_link {
	DMO_PEER_AWAY,		/* there is none */
	DMO_PEER_NEW,		/* there is one, not looked at yet */
	DMO_PEER_TAKEN,		/* its consequences are being drawn, or it is told to end */
	DMO_PEER_UP,		/* they are drawn: what is asked goes over it */
	DMO_PEER_LOST,		/* gone, which has yet to be looked at */
	DMO_PEER_RETURNED,	/* the same, and there is another one already */
};

enum dmo_peer_event {
	DMO_PEER_EV_CAME,	/* both sides have accepted */
	DMO_PEER_EV_TAKE,	/* the cycle thread begins to draw the consequences */
	DMO_PEER_EV_READY,	/* ... and has drawn them */
	DMO_PEER_EV_GONE,	/* it has ended, also before it CAME */
	DMO_PEER_EV_SETTLED,	/* the cycle thread draws the consequences of that */
};

/* Direct mode. The cycle thread takes all steps but those that are told. */
enum dmo_direct {
	DMO_DIRECT_OFF,
	DMO_DIRECT_BEGIN,	/* DIRECT_BEGIN posted, no answer yet */
	DMO_DIRECT_RUN,		/* a pass is under way */
	DMO_DIRECT_PASSED,	/* pass done, the last SYNC is out */
	DMO_DIRECT_SYNCED,	/* the rest can be cut */
	DMO_DIRECT_FINISH,	/* the rest is the older chunk, with END_OF_COPY */
};

enum dmo_direct_event {
	DMO_DIRECT_EV_BEGIN,	/* what there is needs a direct copy */
	DMO_DIRECT_EV_READY,	/* receive thread: DIRECT_READY came */
	DMO_DIRECT_EV_PASSED,	/* send thread: nothing is left of the pass, SYNC is about to go */
	DMO_DIRECT_EV_SYNCED,	/* receive thread: SYNCED came */
	DMO_DIRECT_EV_AGAIN,	/* what is left doesn't fit the journal */
	DMO_DIRECT_EV_FINISH,	/* it does, and was cut */
	DMO_DIRECT_EV_ENDED,	/* the chunk with END_OF_COPY is COMPLETE */
	DMO_DIRECT_EV_MERGED,	/* the older chunk was folded into the active one */
	DMO_DIRECT_EV_LOST,	/* the link is gone */
	DMO_DIRECT_EV_ANEW,	/* everything is to be copied */
};

int dmo_peer_next(enum dmo_peer_link *st, enum dmo_peer_event ev);
const char *dmo_peer_link_name(enum dmo_peer_link st);
int dmo_direct_next(enum dmo_direct *st, enum dmo_direct_event ev);
const char *dmo_direct_name(enum dmo_direct st);

#endif /* DMO_PSTATE_H */
