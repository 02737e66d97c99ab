/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * States of the secondary: of its restore, and of the copy that it may need. For each one transition
 * function, the only one that may change it; sstate.c has the tables.
 */
#ifndef DMO_SSTATE_H
#define DMO_SSTATE_H

#include "compat.h"

enum dmo_restore_state {
	DMO_RESTORE_IDLE,	/* the worker has nothing in hand */
	DMO_RESTORE_RUNNING,	/* it writes to data devices */
	DMO_RESTORE_FAILING,	/* the same, and its last attempt failed */
	DMO_RESTORE_WAITING,	/* nothing in hand; the last attempt failed, another one is due */
	DMO_RESTORE_BROKEN,	/* the ring does not give what it should; the worker is about to say so */
	DMO_RESTORE_DAMAGED,	/* it said so; nothing is restored until the ring is given up */
};

enum dmo_restore_event {
	DMO_RESTORE_EV_BEGIN,	/* something can be restored */
	DMO_RESTORE_EV_DONE,	/* an attempt succeeded */
	DMO_RESTORE_EV_FAILED,	/* an attempt failed, and is made again */
	DMO_RESTORE_EV_DAMAGE,	/* the ring is damaged */
	DMO_RESTORE_EV_END,	/* nothing more can be restored now */
	DMO_RESTORE_EV_GIVEN_UP, /* what the ring holds was discarded */
};

enum dmo_copy_state {
	DMO_COPY_NONE,		/* none is needed: the data is a point in time */
	DMO_COPY_NEEDED,	/* INCONSISTENT */
	DMO_COPY_DIRECT,	/* INCONSISTENT; direct mode was begun on this link */
	DMO_COPY_WRITTEN,	/* the same, and some of what was written directly was not synced */
	DMO_COPY_FINISHED,	/* INCONSISTENT; the chunk that ends the copy is complete, on this link */
	DMO_COPY_ENDED,		/* the same, but of an earlier link */
	DMO_COPY_DONE,		/* as NONE; the link that copied is still there */
};

enum dmo_copy_event {
	DMO_COPY_EV_LOST,	/* INCONSISTENT was stored: damage, another device, or a copy begins */
	DMO_COPY_EV_READY,	/* direct mode begins */
	DMO_COPY_EV_WRITE,	/* something is written directly */
	DMO_COPY_EV_SYNCED,	/* all of that is durable */
	DMO_COPY_EV_END,	/* the chunk that ends the copy is complete */
	DMO_COPY_EV_CONSISTENT,	/* it is restored, and that was stored; or there was no need */
	DMO_COPY_EV_LINK_LOST,
};

int dmo_restore_next(enum dmo_restore_state *st, enum dmo_restore_event ev);
const char *dmo_restore_state_name(enum dmo_restore_state st);
int dmo_copy_next(enum dmo_copy_state *st, enum dmo_copy_event ev);
const char *dmo_copy_state_name(enum dmo_copy_state st);

/* Has the worker something in hand? */
static inline bool dmo_restore_in_hand(enum dmo_restore_state st)
{
	return st == DMO_RESTORE_RUNNING || st == DMO_RESTORE_FAILING || st == DMO_RESTORE_BROKEN;
}

/* Did the last attempt fail? */
static inline bool dmo_restore_failing(enum dmo_restore_state st)
{
	return st == DMO_RESTORE_FAILING || st == DMO_RESTORE_WAITING;
}

static inline bool dmo_restore_damaged(enum dmo_restore_state st)
{
	return st == DMO_RESTORE_BROKEN || st == DMO_RESTORE_DAMAGED;
}

/* As in the superblock. */
static inline bool dmo_copy_inconsistent(enum dmo_copy_state st)
{
	return st != DMO_COPY_NONE && st != DMO_COPY_DONE;
}

/* Is the data written directly, on this link? */
static inline bool dmo_copy_direct(enum dmo_copy_state st)
{
	return st == DMO_COPY_DIRECT || st == DMO_COPY_WRITTEN;
}

/* INCONSISTENT, and not even a restore of all that is complete would end that? */
static inline bool dmo_copy_needed(enum dmo_copy_state st)
{
	return st == DMO_COPY_NEEDED || dmo_copy_direct(st);
}

/* INCONSISTENT until the chunk that ends the copy is restored? */
static inline bool dmo_copy_over(enum dmo_copy_state st)
{
	return st == DMO_COPY_FINISHED || st == DMO_COPY_ENDED;
}

#endif /* DMO_SSTATE_H */
