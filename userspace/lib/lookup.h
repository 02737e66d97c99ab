/* SPDX-License-Identifier: GPL-2.0-only */
/* Which session does the operator mean? */
#ifndef ORD_LOOKUP_H
#define ORD_LOOKUP_H

#include "lib/model.h"

/*
 * ord_lookup_pick - choose from @list
 * @text: path or MAJOR:MINOR of the metadata device, UUID or label
 * Prints an error when none fits, or several do; then it lists them.
 * Return: the session, or NULL.
 */
struct ord_session *ord_lookup_pick(const struct ord_sessions *list, const char *text);

/*
 * ord_lookup_session - read the sessions from the kernel and choose one of them
 * @list: holds the result; free with ord_sessions_free()
 * Return: as ord_lookup_pick().
 */
struct ord_session *ord_lookup_session(struct ord_sessions *list, const char *text);

/* A short name for messages: label or UUID, with role and device. */
const char *ord_session_name(const struct ord_session *s);

#endif /* ORD_LOOKUP_H */
