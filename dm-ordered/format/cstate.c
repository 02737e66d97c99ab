// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of a chunk on the primary (design: "Chunk states").
 *
 *	NONE --OPEN--> ACTIVE --CUT--> DRAINING --DRAINED--> SHIPPING
 *	     --COMPLETE--> COMPLETE --COMMITTED--> COMMITTED --RELEASED--> NONE
 *
 * RELEASED may come from COMPLETE already: the data is not needed any longer.
 * MERGED leads from DRAINING or SHIPPING back to NONE: what the chunk held is
 * the next chunk's now. Never from COMPLETE on: the secondary has it as a
 * boundary and may commit it at any time.
 *
 * LINK_LOST may come at any time and changes no state: a SHIPPING chunk is sent
 * again from its start, a COMPLETE one waits for its COMMITTED.
 */
#include "format/cstate.h"

/**
 * dmo_chunk_next - the one transition function of a chunk
 * @st: its state, changed only by a legal step
 * @ev: what happened
 *
 * Return: 0, or -EINVAL for a step that is not in the table above
 */
int dmo_chunk_next(enum dmo_chunk_state *st, enum dmo_chunk_event ev)
{
	enum dmo_chunk_state from, to;

	switch (ev) {
	case DMO_CHUNK_EV_OPEN:
		from = DMO_CHUNK_NONE;
		to = DMO_CHUNK_ACTIVE;
		break;
	case DMO_CHUNK_EV_CUT:
		from = DMO_CHUNK_ACTIVE;
		to = DMO_CHUNK_DRAINING;
		break;
	case DMO_CHUNK_EV_DRAINED:
		from = DMO_CHUNK_DRAINING;
		to = DMO_CHUNK_SHIPPING;
		break;
	case DMO_CHUNK_EV_COMPLETE:
		from = DMO_CHUNK_SHIPPING;
		to = DMO_CHUNK_COMPLETE;
		break;
	case DMO_CHUNK_EV_LINK_LOST:
		from = *st;
		to = *st;
		break;
	case DMO_CHUNK_EV_MERGED:
		from = *st == DMO_CHUNK_DRAINING ? DMO_CHUNK_DRAINING : DMO_CHUNK_SHIPPING;
		to = DMO_CHUNK_NONE;
		break;
	case DMO_CHUNK_EV_COMMITTED:
		from = DMO_CHUNK_COMPLETE;
		to = DMO_CHUNK_COMMITTED;
		break;
	case DMO_CHUNK_EV_RELEASED:
		/* the primary frees the data at COMPLETE */
		from = *st == DMO_CHUNK_COMMITTED ? DMO_CHUNK_COMMITTED : DMO_CHUNK_COMPLETE;
		to = DMO_CHUNK_NONE;
		break;
	default:
		return -EINVAL;
	}
	if (*st != from)
		return -EINVAL;
	*st = to;
	return 0;
}

const char *dmo_chunk_state_name(enum dmo_chunk_state st)
{
	switch (st) {
	case DMO_CHUNK_NONE:
		return "none";
	case DMO_CHUNK_ACTIVE:
		return "active";
	case DMO_CHUNK_DRAINING:
		return "draining";
	case DMO_CHUNK_SHIPPING:
		return "shipping";
	case DMO_CHUNK_COMPLETE:
		return "complete";
	case DMO_CHUNK_COMMITTED:
		return "committed";
	}
	return "unknown";
}
