/* SPDX-License-Identifier: GPL-2.0-only */
/* Stream sockets to a peer: HOST:PORT, [ADDR]:PORT or unix:/path. */
#ifndef ORD_SOCK_H
#define ORD_SOCK_H

#include <stdbool.h>
#include <stdint.h>

#define ORD_SOCK_WHY_LEN	256

struct ord_endpoint {
	const char *text;	/* as given */
	bool is_unix;
	char host[256];		/* empty: any address */
	char port[32];
	char path[108];		/* of a unix socket */
};

/* Parses @text; @any: the host may be left out. 0 or -1 with @why. */
int ord_sock_parse(struct ord_endpoint *ep, const char *text, bool any, char *why);

/* A connected socket, or -errno with @why; gives up at @deadline (ord_mono_ms()). */
int ord_sock_connect(const struct ord_endpoint *ep, uint64_t deadline, char *why);

/* A listening socket, or -errno with @why. */
int ord_sock_listen(const struct ord_endpoint *ep, char *why);

/* Closes it, and the connections that have said nothing yet. */
void ord_sock_unlisten(int fd);

/* The next connection; -ETIMEDOUT at @deadline (0: none), -EINTR on a signal. */
int ord_sock_accept(int fd, uint64_t deadline, char *why);

#endif /* ORD_SOCK_H */
