// SPDX-License-Identifier: GPL-2.0-only
/*
 * A peer of the primary: the link to it, and the direct copy.
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
 *
 *	OFF --BEGIN--> BEGIN --READY--> RUN --PASSED--> PASSED --SYNCED--> SYNCED
 *	    --FINISH--> FINISH --ENDED--> OFF
 *	SYNCED --AGAIN--> RUN
 *
 * LOST may come at any time and leads to OFF, but for FINISH: that chunk is sent again on the next
 * link. MERGED leads from FINISH to OFF; there is no older chunk in the states before it.
 * ENDED in OFF: a copy that was one chunk from the start. ANEW comes in OFF only, since
 * the link was lost before, and a chunk that was left was merged.
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

/**
 * dmo_direct_next - the one transition function of a direct copy
 * @st: its state, changed only by a legal step
 * @ev: what happened
 *
 * Return: 0, or -EINVAL for a step that is not in the table above
 */
int dmo_direct_next(enum dmo_direct *st, enum dmo_direct_event ev)
{
	enum dmo_direct from, to;

	switch (ev) {
	case DMO_DIRECT_EV_BEGIN:
		from = DMO_DIRECT_OFF;
		to = DMO_DIRECT_BEGIN;
		break;
	case DMO_DIRECT_EV_READY:
		from = DMO_DIRECT_BEGIN;
		to = DMO_DIRECT_RUN;
		break;
	case DMO_DIRECT_EV_PASSED:
		from = DMO_DIRECT_RUN;
		to = DMO_DIRECT_PASSED;
		break;
	case DMO_DIRECT_EV_SYNCED:
		from = DMO_DIRECT_PASSED;
		to = DMO_DIRECT_SYNCED;
		break;
	case DMO_DIRECT_EV_AGAIN:
		from = DMO_DIRECT_SYNCED;
		to = DMO_DIRECT_RUN;
		break;
	case DMO_DIRECT_EV_FINISH:
		from = DMO_DIRECT_SYNCED;
		to = DMO_DIRECT_FINISH;
		break;
	case DMO_DIRECT_EV_ENDED:
	case DMO_DIRECT_EV_MERGED:
		from = *st == DMO_DIRECT_FINISH ? DMO_DIRECT_FINISH : DMO_DIRECT_OFF;
		to = DMO_DIRECT_OFF;
		break;
	case DMO_DIRECT_EV_LOST:
		from = *st;
		to = *st == DMO_DIRECT_FINISH ? DMO_DIRECT_FINISH : DMO_DIRECT_OFF;
		break;
	case DMO_DIRECT_EV_ANEW:
		from = DMO_DIRECT_OFF;
		to = DMO_DIRECT_OFF;
		break;
	default:
		return -EINVAL;
	}
	if (*st != from)
		return -EINVAL;
	*st = to;
	return 0;
}

const char *dmo_direct_name(enum dmo_direct st)
{
	switch (st) {
	case DMO_DIRECT_OFF:
		return "off";
	case DMO_DIRECT_BEGIN:
		return "begin";
	case DMO_DIRECT_RUN:
		return "run";
	case DMO_DIRECT_PASSED:
		return "passed";
	case DMO_DIRECT_SYNCED:
		return "synced";
	case DMO_DIRECT_FINISH:
		return "finish";
	}
	return "unknown";
}
