// SPDX-License-Identifier: GPL-2.0-only
/*
 * A peer of the primary: the link to it.
 *
 *	AWAY --CAME--> NEW --TAKE--> TAKEN --READY--> UP
 *	LOST --SETTLED--> AWAY
 *	LOST --CAME--> RETURNED --SETTLED--> NEW
 *
 * GONE leads from each of them to LOST. From AWAY and LOST too: a link that the handshake refused
 * was never told of but by its end.
 *
 * CAME and GONE are of the link's threads and may come at any moment; so whoever is in the midst
 * of TAKEN looks again before it says READY. What was lost is settled before what has
 * returned is looked at.
 */
#include "format/pstate.h"

/**
 * dmo_peer_next - the one transition function of the link to a peer
 * @st: its state, changed only by a legal step
 * @ev: what happened
 *
 * Return: 0, or -EINVAL for a step that is not in the table above
 */
int dmo_peer_next(enum dmo_peer_link *st, enum dmo_peer_event ev)
{
	enum dmo_peer_link from, to;

	switch (ev) {
	case DMO_PEER_EV_CAME:
		from = *st == DMO_PEER_LOST ? DMO_PEER_LOST : DMO_PEER_AWAY;
		to = *st == DMO_PEER_LOST ? DMO_PEER_RETURNED : DMO_PEER_NEW;
		break;
	case DMO_PEER_EV_TAKE:
		from = DMO_PEER_NEW;
		to = DMO_PEER_TAKEN;
		break;
	case DMO_PEER_EV_READY:
		from = DMO_PEER_TAKEN;
		to = DMO_PEER_UP;
		break;
	case DMO_PEER_EV_GONE:
		from = *st;
		to = DMO_PEER_LOST;
		break;
	case DMO_PEER_EV_SETTLED:
		from = *st == DMO_PEER_RETURNED ? DMO_PEER_RETURNED : DMO_PEER_LOST;
		to = *st == DMO_PEER_RETURNED ? DMO_PEER_NEW : DMO_PEER_AWAY;
		break;
	default:
		return -EINVAL;
	}
	if (*st != from)
		return -EINVAL;
	*st = to;
	return 0;
}

const char *dmo_peer_link_name(enum dmo_peer_link st)
{
	switch (st) {
	case DMO_PEER_AWAY:
		return "away";
	case DMO_PEER_NEW:
		return "new";
	case DMO_PEER_TAKEN:
		return "taken";
	case DMO_PEER_UP:
		return "up";
	case DMO_PEER_LOST:
		return "lost";
	case DMO_PEER_RETURNED:
		return "returned";
	}
	return "unknown";
}
