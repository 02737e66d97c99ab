/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files behind session.h share:
 *	session.c	sessions, their lock, their volumes and parameters
 *	links.c		the link; what the engines ask of the session
 *	activate.c	tables come to life and are suspended
 *	promote.c	commands of one role: switch; promotion
 *	status.c	what is going on, for whoever looks
 */
#ifndef DMO_SESSION_PRIV_H
#define DMO_SESSION_PRIV_H

#include "session/session.h"

/* -- session.c: */

/**
 * dmo_session_enter - take session->lock
 * @what: is done under it, in words for whoever does not get it: a constant
 * Under it nothing may wait for writeback: a resume needs it while its device is still suspended.
 */
void dmo_session_enter(struct dmo_session *s, const char *what);
/**
 * dmo_session_enter_soon - the same, for looking only
 * Whoever holds the lock may wait for a disk that hangs, or for the peer. Return: false if it can't
 * be had soon.
 */
bool dmo_session_enter_soon(struct dmo_session *s);
void dmo_session_leave(struct dmo_session *s);

/**
 * dmo_session_event - an event (enum dmo_event) of the session @owner; of an error @why is kept and logged.
 * Sleeps.
 */
void dmo_session_event(void *owner, u32 event, struct dmo_cut cut, int volume, const char *why);

/**
 * dmo_session_check_twin - one kernel may hold both ends of a session, but no role of it twice
 * @but: the session that asks, or NULL. Holds: dmo_sessions_lock. Return: 0, or -EBUSY with @why
 */
int dmo_session_check_twin(const u8 *uuid, u32 role, struct dmo_session *but, struct dmo_reason *why);

/* -- links.c: */

extern const struct dmo_pri_ops dmo_session_pri_ops;
extern const struct dmo_sec_ops dmo_session_sec_ops;

/**
 * dmo_session_end_link - the link's threads end here, if there is one
 * @reason: for a link that has not ended by itself, else it has said why
 * Holds: session->lock, and not link_sem, which they take for reading. Sleeps.
 */
void dmo_session_end_link(struct dmo_session *s, const char *reason);
/**
 * dmo_session_link_work - of session->link_work: stops a link that has ended
 */
void dmo_session_link_work(struct work_struct *work);
/**
 * dmo_session_check_ready - may there be a link, or a promotion? Holds: session->lock. Return: 0, -EBUSY while
 * not all volumes are active, -EIO if the metadata device has failed; with @why
 */
int dmo_session_check_ready(struct dmo_session *s, struct dmo_reason *why);

#endif /* DMO_SESSION_PRIV_H */
