/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's generic netlink family, turned into the model. Every function returns 0
 * or a negative errno; ord_nl_why() then tells why, in the kernel's own words
 * (extended ack) where it gave some. -EPERM: CAP_NET_ADMIN is needed, -ENOENT: there is
 * no module, -EIO: the kernel did not answer, -ENOMEM: short of memory, here or there;
 * any other is the kernel's own. Nothing here prints.
 */
#ifndef ORD_NL_H
#define ORD_NL_H

#include "lib/model.h"

/* Two sockets, for commands and for events; of one thread at a time. */
struct ord_nl;

/* ord_nl_new - none of its sockets is open yet; NULL: out of memory */
struct ord_nl *ord_nl_new(void);
void ord_nl_free(struct ord_nl *nl);	/* closes them, too; NULL is nothing */

/* Opens the command socket; called by the others when needed; the kernel loads the module for it. -ENOENT: it can't. */
int ord_nl_open(struct ord_nl *nl);
/* Of the call that failed last; until the next one. */
const char *ord_nl_why(const struct ord_nl *nl);

/* All sessions of this kernel; free with ord_sessions_free(). */
int ord_nl_sessions(struct ord_nl *nl, struct ord_sessions *list);
/* The one session with this metadata device, as a list of one; -ENODEV: none. */
int ord_nl_session_at(struct ord_nl *nl, struct ord_sessions *list, uint32_t major, uint32_t minor);
/* Reads @s again, by its metadata device; -ENODEV when it is gone. */
int ord_nl_refresh(struct ord_nl *nl, struct ord_session *s);

/* What to change, durably; a 0 is left as it is. */
struct ord_params {
	uint32_t cycle_ms;		/* DMO_CYCLE_MS_MIN to DMO_CYCLE_MS_MAX */
	uint32_t budget_mib;		/* DMO_BUDGET_MIB_MIN to DMO_BUDGET_MIB_MAX */
	uint32_t link_timeout_ms;	/* DMO_LINK_TIMEOUT_MS_MIN to DMO_LINK_TIMEOUT_MS_MAX */
};

/*
 * ord_nl_link_attach - give a connected socket to the session, which begins the handshake
 * @fd: the kernel has a reference of its own then: to be closed in any case
 * @timeout_ms: the link is given up when it is silent for so long, DMO_LINK_TIMEOUT_MS_MIN to
 *	DMO_LINK_TIMEOUT_MS_MAX; 0: as the session has it
 * -EEXIST: there is a link, or one in the handshake; -ECANCELED: none is wanted, see ord_nl_link_detach();
 * -EPERM: also that the session allows no plain links.
 */
int ord_nl_link_attach(struct ord_nl *nl, const struct ord_session *s, int fd, uint32_t timeout_ms);

/*
 * ord_nl_link_detach - take the link away
 * @more: others may be made at once; else none until ord_nl_link_want()
 */
int ord_nl_link_detach(struct ord_nl *nl, const struct ord_session *s, bool more);

/* Links may be made again after an ord_nl_link_detach() without @more. */
int ord_nl_link_want(struct ord_nl *nl, const struct ord_session *s);

/* Ends the cycle of a primary; *@cut is the boundary that it became. */
int ord_nl_switch(struct ord_nl *nl, const struct ord_session *s, struct ord_cut *cut);

int ord_nl_set(struct ord_nl *nl, const struct ord_session *s, const struct ord_params *p);

/*
 * ord_nl_promote - make a secondary a primary; answers when all that is complete is restored
 * @force: even while INCONSISTENT
 * @cut: the boundary that it is now at
 * -EBUSY: somebody has a volume open, or one is being suspended.
 */
int ord_nl_promote(struct ord_nl *nl, const struct ord_session *s, bool force, struct ord_cut *cut);

/* Joins the event group; what happens from now on is seen. */
int ord_nl_events_open(struct ord_nl *nl);
/* To poll for events; -1: ord_nl_events_open() was not called, or failed. */
int ord_nl_events_fd(const struct ord_nl *nl);
/*
 * The next event, without waiting.
 * Return: 1 and *@ev, 0 none there, -ENOBUFS some were lost (go on reading),
 * another negative errno: the socket is dead.
 */
int ord_nl_events_next(struct ord_nl *nl, struct ord_event *ev);

/*
 * The parsers (nl-parse.c), on a netlink message in memory: 0, -EBADMSG or
 * -ENOMEM; ord_nl_why() isn't set. A session is added to the list, or its volumes
 * to the last one there if that has the same metadata device.
 */
struct nlmsghdr;
int ord_nl_parse_session(struct nlmsghdr *nlh, struct ord_sessions *list);
int ord_nl_parse_cut(struct nlmsghdr *nlh, struct ord_cut *cut);
int ord_nl_parse_event(struct nlmsghdr *nlh, struct ord_event *ev);
/* Text of the extended ack of an error or done message: 1 found, 0 none. */
int ord_nl_parse_extack(const struct nlmsghdr *nlh, char *text, unsigned int len);

#endif /* ORD_NL_H */
