/* SPDX-License-Identifier: GPL-2.0-only */
/* The session that is given to a command. */
#ifndef CTL_SESSION_H
#define CTL_SESSION_H

#include "lib/lookup.h"

/*
 * ctl_session - read the sessions from the kernel and choose the one that @text names
 * @list: holds the result; free with ord_sessions_free()
 * Return: the session; or NULL, and it was said that none fits, or which ones do.
 */
struct ord_session *ctl_session(struct ord_sessions *list, const char *text);

/* ctl_session_pick - the same from a list that there is */
struct ord_session *ctl_session_pick(const struct ord_sessions *list, const char *text);

#endif /* CTL_SESSION_H */
