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

int dmo_peer_next(enum dmo_peer_link *st, enum dmo_peer_event ev);
const char *dmo_peer_link_name(enum dmo_peer_link st);

#endif /* DMO_PSTATE_H */
