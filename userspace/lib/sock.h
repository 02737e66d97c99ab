/* SPDX-License-Identifier: GPL-2.0-only */
/* Stream sockets to a peer: HOST:PORT, [ADDR]:PORT or unix:/path. */
#ifndef ORD_SOCK_H
#define ORD_SOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/util.h"

#define ORD_SOCK_WHY_LEN	256	/* of every @why here */
#define ORD_MAX_SILENT		16	/* connections that have said nothing yet; the oldest goes */

struct ord_endpoint {
	const char *text;	/* as given */
	bool is_unix;
	char host[256];		/* empty: any address */
	char port[32];
	char path[108];		/* of a unix socket */
};

/* Parses @text, which @ep goes on pointing to; @any: the host may be left out. 0 or -1 with @why. */
int ord_sock_parse(struct ord_endpoint *ep, const char *text, bool any, char *why);

/* A socket that listens, and the connections that have said nothing yet. */
struct ord_listener {
	int fd;			/* -1: it does not */
	unsigned int nr_silent;
	struct {
		int fd;
		uint64_t since;	/* ord_mono_ms() */
	} silent[ORD_MAX_SILENT];	/* oldest first: scanners, health checks, half-open ones */
};

/* A connected socket; -errno with @why, -ETIMEDOUT and -EINTR as @until says. */
int ord_sock_connect(const struct ord_endpoint *ep, const struct ord_until *until, char *why);

/* Makes @l listen; 0 or -errno with @why. */
int ord_sock_listen(struct ord_listener *l, const struct ord_endpoint *ep, char *why);

/* Closes it, and the connections that have said nothing yet. */
void ord_sock_unlisten(struct ord_listener *l);

/*
 * ord_sock_accept - the next connection on which somebody speaks the protocol of a link
 * Return: its socket; -errno with @why, -ETIMEDOUT and -EINTR as @until says.
 */
int ord_sock_accept(struct ord_listener *l, const struct ord_until *until, char *why);

#endif /* ORD_SOCK_H */
