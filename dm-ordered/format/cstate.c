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
 *
 * The merge:
 *
 *	NONE --WANT--> WANTED --BEGIN--> RUNNING --DONE--> NONE
 *	NONE --BEGIN--> RUNNING
 *	WANTED --NEEDLESS--> NONE
 *
 * WANT may come again, and while it runs: whoever wants it waits for the end. NEEDLESS in NONE: nobody
 * wanted one. While a merge runs there is no older chunk that could be COMPLETE.
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

/**
 * dmo_merge_next - the one transition function of the merge
 * @st: its state, changed only by a legal step
 * @ev: what happened
 *
 * Return: 0, or -EINVAL for a step that is not in the table above
 */
int dmo_merge_next(enum dmo_merge *st, enum dmo_merge_event ev)
{
	enum dmo_merge from, to;

	switch (ev) {
	case DMO_MERGE_EV_WANT:
		from = *st;
		to = *st == DMO_MERGE_RUNNING ? DMO_MERGE_RUNNING : DMO_MERGE_WANTED;
		break;
	case DMO_MERGE_EV_BEGIN:
		from = *st == DMO_MERGE_WANTED ? DMO_MERGE_WANTED : DMO_MERGE_NONE;
		to = DMO_MERGE_RUNNING;
		break;
	case DMO_MERGE_EV_DONE:
		from = DMO_MERGE_RUNNING;
		to = DMO_MERGE_NONE;
		break;
	case DMO_MERGE_EV_NEEDLESS:
		from = *st == DMO_MERGE_WANTED ? DMO_MERGE_WANTED : DMO_MERGE_NONE;
		to = DMO_MERGE_NONE;
		break;
	default:
		return -EINVAL;
	}
	if (*st != from)
		return -EINVAL;
	*st = to;
	return 0;
}
