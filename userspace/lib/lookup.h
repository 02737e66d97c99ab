/* SPDX-License-Identifier: GPL-2.0-only */
/* Which session does the operator mean? */
#ifndef ORD_LOOKUP_H
#define ORD_LOOKUP_H

#include "lib/model.h"
#include "lib/nl.h"
#include "lib/util.h"

#define ORD_LOOKUP_WHY_LEN	(4096 + 512)	/* a path, and what is wrong with it */

/* A name of a session, taken apart: path or MAJOR:MINOR of its metadata device, UUID, or label. */
struct ord_name {
	const char *text;	/* as given */
	enum { ORD_BY_DEVICE, ORD_BY_UUID, ORD_BY_LABEL } kind;
	uint32_t major, minor;
	uint8_t uuid[DMO_UUID_LEN];
};

/* What kind of name is @text? Return: 0, or -errno with @why: it is a path, and of no block device. */
int ord_name_parse(struct ord_name *n, const char *text, char *why);

bool ord_name_fits(const struct ord_name *n, const struct ord_session *s);

/*
 * ord_lookup_pick - choose from @list
 * Return: 0 and *@s, in @list; -ENODEV: none fits, -ENOTUNIQ: several, each with @why
 * (ORD_LOOKUP_WHY_LEN).
 */
int ord_lookup_pick(const struct ord_sessions *list, const struct ord_name *n,
		    struct ord_session **s, char *why);

/*
 * ord_lookup_read - the sessions of the kernel among which @n is to be looked for: all, or the one on that device
 * @list: free with ord_sessions_free(); empty when that session is not there, which is no error
 * Return: 0, or -errno with @why (ORD_LOOKUP_WHY_LEN).
 */
int ord_lookup_read(struct ord_nl *nl, struct ord_sessions *list, const struct ord_name *n,
		    char *why);

/* A short name for messages: label or UUID, with role and device. */
char *ord_session_name_to(char *buf, const struct ord_session *s);
#define ord_session_name(s)	ord_session_name_to(ORD_TEXT, s)

#endif /* ORD_LOOKUP_H */
