// SPDX-License-Identifier: GPL-2.0-only
/*
 * The states of the secondary.
 *
 * Restore. Whoever wants to know whether a data device may be written to looks at the first line only.
 *
 *	in hand		RUNNING <--DONE, FAILED--> FAILING	  BROKEN
 *			BEGIN ^ v END		BEGIN ^ v END	     v END
 *	not in hand	IDLE			WAITING		  DAMAGED
 *
 * DAMAGE leads from RUNNING and FAILING to BROKEN, GIVEN_UP from DAMAGED to IDLE. A failure stays
 * known while nothing is in hand, also over a stop: only an attempt that succeeds ends it.
 *
 * Copy. The left column is what there is without a link.
 *
 *	consistent		NONE	<--LINK_LOST-- DONE
 *	a copy is needed	NEEDED	<--LINK_LOST-- DIRECT --WRITE, SYNCED--> WRITTEN, and back
 *	its end is complete	ENDED	<--LINK_LOST-- FINISHED
 *
 *	LOST		to NEEDED; DIRECT and WRITTEN stay: what is copied is told the link already
 *	READY		NEEDED to DIRECT; DIRECT and WRITTEN stay
 *	END		DIRECT to FINISHED; NEEDED to ENDED, by recovery, or where damage overtook
 *			the end of a full copy. Not from WRITTEN: what is not durable is no part of
 *			a boundary
 *	CONSISTENT	from the last line to the first, in its column
 */
#include "format/sstate.h"

#define X	(-1)	/* illegal */

/**
 * dmo_restore_next - the one transition function of the restore
 * @st: its state, changed only by a legal step
 * @ev: what happened
 *
 * Return: 0, or -EINVAL for a step that is not in the table above
 */
int dmo_restore_next(enum dmo_restore_state *st, enum dmo_restore_event ev)
{
	int to = X;

	switch (ev) {
	case DMO_RESTORE_EV_BEGIN:
		if (*st == DMO_RESTORE_IDLE)
			to = DMO_RESTORE_RUNNING;
		else if (*st == DMO_RESTORE_WAITING)
			to = DMO_RESTORE_FAILING;
		break;
	case DMO_RESTORE_EV_DONE:
		if (*st == DMO_RESTORE_RUNNING || *st == DMO_RESTORE_FAILING)
			to = DMO_RESTORE_RUNNING;
		break;
	case DMO_RESTORE_EV_FAILED:
		if (*st == DMO_RESTORE_RUNNING || *st == DMO_RESTORE_FAILING)
			to = DMO_RESTORE_FAILING;
		break;
	case DMO_RESTORE_EV_DAMAGE:
		if (*st == DMO_RESTORE_RUNNING || *st == DMO_RESTORE_FAILING)
			to = DMO_RESTORE_BROKEN;
		break;
	case DMO_RESTORE_EV_END:
		if (*st == DMO_RESTORE_RUNNING)
			to = DMO_RESTORE_IDLE;
		else if (*st == DMO_RESTORE_FAILING)
			to = DMO_RESTORE_WAITING;
		else if (*st == DMO_RESTORE_BROKEN)
			to = DMO_RESTORE_DAMAGED;
		break;
	case DMO_RESTORE_EV_GIVEN_UP:
		if (*st == DMO_RESTORE_DAMAGED)
			to = DMO_RESTORE_IDLE;
		break;
	}
	if (to == X)
		return -EINVAL;
	*st = to;
	return 0;
}

static int after_link(enum dmo_copy_state st)
{
	if (dmo_copy_needed(st))
		return DMO_COPY_NEEDED;
	return dmo_copy_over(st) ? DMO_COPY_ENDED : DMO_COPY_NONE;
}

/**
 * dmo_copy_next - the one transition function of a copy
 * @st: its state, changed only by a legal step
 * @ev: what happened
 *
 * Return: 0, or -EINVAL for a step that is not in the table above
 */
int dmo_copy_next(enum dmo_copy_state *st, enum dmo_copy_event ev)
{
	int to = X;

	switch (ev) {
	case DMO_COPY_EV_LOST:
		to = dmo_copy_direct(*st) ? *st : DMO_COPY_NEEDED;
		break;
	case DMO_COPY_EV_READY:
		if (*st == DMO_COPY_NEEDED)
			to = DMO_COPY_DIRECT;
		else if (dmo_copy_direct(*st))
			to = *st;
		break;
	case DMO_COPY_EV_WRITE:
		if (dmo_copy_direct(*st))
			to = DMO_COPY_WRITTEN;
		break;
	case DMO_COPY_EV_SYNCED:
		if (dmo_copy_direct(*st))
			to = DMO_COPY_DIRECT;
		break;
	case DMO_COPY_EV_END:
		if (*st == DMO_COPY_NEEDED)
			to = DMO_COPY_ENDED;
		else if (*st == DMO_COPY_DIRECT)
			to = DMO_COPY_FINISHED;
		break;
	case DMO_COPY_EV_CONSISTENT:
		if (*st == DMO_COPY_FINISHED || *st == DMO_COPY_DONE)
			to = DMO_COPY_DONE;
		else if (!dmo_copy_needed(*st))
			to = DMO_COPY_NONE;
		break;
	case DMO_COPY_EV_LINK_LOST:
		to = after_link(*st);
		break;
	}
	if (to == X)
		return -EINVAL;
	*st = to;
	return 0;
}

const char *dmo_restore_state_name(enum dmo_restore_state st)
{
	switch (st) {
	case DMO_RESTORE_IDLE:
		return "idle";
	case DMO_RESTORE_RUNNING:
		return "running";
	case DMO_RESTORE_FAILING:
		return "failing";
	case DMO_RESTORE_WAITING:
		return "waiting";
	case DMO_RESTORE_BROKEN:
		return "broken";
	case DMO_RESTORE_DAMAGED:
		return "damaged";
	}
	return "unknown";
}

const char *dmo_copy_state_name(enum dmo_copy_state st)
{
	switch (st) {
	case DMO_COPY_NONE:
		return "none";
	case DMO_COPY_NEEDED:
		return "needed";
	case DMO_COPY_DIRECT:
		return "direct";
	case DMO_COPY_WRITTEN:
		return "written";
	case DMO_COPY_FINISHED:
		return "finished";
	case DMO_COPY_ENDED:
		return "ended";
	case DMO_COPY_DONE:
		return "done";
	}
	return "unknown";
}
