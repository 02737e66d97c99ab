// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/sock.h"
#include "lib/util.h"

#define BACKLOG		128
#define MAX_TRIES	8	/* addresses being connected to at a time */
#define NEXT_TRY_MS	250
#define SILENT_MS	10000
#define POLL_MS		500

static int __printf(3, 4) fail(char *why, int rc, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, ORD_SOCK_WHY_LEN, fmt, ap);
	va_end(ap);
	return rc;
}

static int copy(char *to, size_t size, const char *from, size_t len)
{
	if (len >= size)
		return -1;
	memcpy(to, from, len);
	to[len] = '\0';
	return 0;
}

int ord_sock_parse(struct ord_endpoint *ep, const char *text, bool any, char *why)
{
	const char *colon = strrchr(text, ':'), *host = text, *port;
	size_t len;
	char *end;
	long n;

	memset(ep, 0, sizeof(*ep));
	ep->text = text;
	if (!strncmp(text, "unix:", 5)) {
		ep->is_unix = true;
		if (text[5] != '/' || copy(ep->path, sizeof(ep->path), text + 5, strlen(text + 5)))
			return fail(why, -1, "\"%s\": give an absolute path of at most %zu characters",
				    text, sizeof(ep->path) - 1);
		return 0;
	}
	port = colon ? colon + 1 : text;
	len = colon ? (size_t)(colon - text) : 0;
	if (len >= 2 && host[0] == '[' && host[len - 1] == ']') {
		host++;
		len -= 2;
	} else if (memchr(host, ':', len)) {
		return fail(why, -1, "\"%s\": write an IPv6 address as [ADDR]:PORT", text);
	}
	if (!len && !any)
		return fail(why, -1, "\"%s\" is not HOST:PORT or unix:/path", text);
	n = strtol(port, &end, 10);
	if (*port < '0' || *port > '9' || *end || n < 1 || n > 65535)
		return fail(why, -1, "\"%s\": \"%s\" is not a port; give 1 to 65535", text, port);
	if (copy(ep->host, sizeof(ep->host), host, len) ||
	    copy(ep->port, sizeof(ep->port), port, strlen(port)))
		return fail(why, -1, "\"%s\" is too long", text);
	return 0;
}

static struct addrinfo *resolve(const struct ord_endpoint *ep, bool passive, char *why)
{
	struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICSERV | (passive ? AI_PASSIVE : 0),
	}, *list;
	int rc = getaddrinfo(*ep->host ? ep->host : NULL, ep->port, &hints, &list);

	if (!rc)
		return list;
	fail(why, 0, "can't find %s: %s", ep->host, gai_strerror(rc));
	return NULL;
}

static int unix_addr(const struct ord_endpoint *ep, struct sockaddr_un *sun)
{
	memset(sun, 0, sizeof(*sun));
	sun->sun_family = AF_UNIX;
	memcpy(sun->sun_path, ep->path, sizeof(sun->sun_path));
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

/* 0: go on waiting, for *@ms of at most @most; else why not. */
static int go_on(const struct ord_until *until, uint64_t most, uint64_t *ms)
{
	uint64_t now = ord_mono_ms();

	if (ord_stopped(until))
		return -EINTR;
	if (until->deadline && now >= until->deadline)
		return -ETIMEDOUT;
	*ms = until->deadline && until->deadline - now < most ? until->deadline - now : most;
	return 0;
}

/* Waits for @events: 0, -ETIMEDOUT or -EINTR. */
static int wait_for(int fd, short events, const struct ord_until *until)
{
	struct pollfd p = { .fd = fd, .events = events };
	uint64_t ms;
	int rc;

	for (;;) {
		rc = go_on(until, POLL_MS, &ms);
		if (rc)
			return rc;
		rc = poll(&p, 1, (int)ms);
		if (rc > 0)
			return 0;
		if (rc < 0 && errno != EINTR)
			return -errno;
	}
}

static int start_connect(int fd, const struct sockaddr *sa, socklen_t len)
{
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	return connect(fd, sa, len) && errno != EINPROGRESS ? -errno : 0;
}

/* 0: connected; else what came of it. */
static int connect_result(int fd)
{
	int err = 0;
	socklen_t size = sizeof(err);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &size))
		return -errno;
	if (!err)
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	return -err;
}

static int connect_one(int fd, const struct sockaddr *sa, socklen_t len,
		       const struct ord_until *until)
{
	int rc = start_connect(fd, sa, len);

	if (!rc)
		rc = wait_for(fd, POLLOUT, until);
	return rc ? rc : connect_result(fd);
}

/* Looks at those under way for @ms. Return: one that is connected, or -1; *@rc: why the last one failed. */
static int poll_tries(struct pollfd *p, unsigned int *nr, uint64_t ms, int *rc)
{
	unsigned int i;
	int fd;

	if (poll(p, *nr, (int)ms) <= 0)
		return -1;
	for (i = 0; i < *nr; i++) {
		if (!p[i].revents)
			continue;
		fd = p[i].fd;
		p[i] = p[--*nr];
		*rc = connect_result(fd);
		if (!*rc)
			return fd;
		close(fd);
		i--;
	}
	return -1;
}

/*
 * All addresses of a name, each a moment after the one before it or at once when that has failed, so that one
 * that swallows what is sent does not hold up the others (RFC 8305).
 */
static int connect_any(struct addrinfo *a, const struct ord_until *until, int *rc)
{
	struct pollfd p[MAX_TRIES];
	unsigned int nr = 0;
	uint64_t next = 0, now, ms;
	int fd = -1, one, end;

	*rc = -EIO;
	while (fd < 0 && (a || nr)) {
		now = ord_mono_ms();
		end = go_on(until, NEXT_TRY_MS, &ms);
		if (end) {
			*rc = end;
			break;
		}
		if (a && nr < MAX_TRIES && (!nr || now >= next)) {
			one = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
			*rc = one < 0 ? -errno : start_connect(one, a->ai_addr, a->ai_addrlen);
			if (!*rc)
				p[nr++] = (struct pollfd){ .fd = one, .events = POLLOUT };
			else if (one >= 0)
				close(one);
			a = a->ai_next;
			next = now + NEXT_TRY_MS;
			continue;
		}
		fd = poll_tries(p, &nr, ms, rc);
	}
	while (nr)
		close(p[--nr].fd);
	return fd;
}

int ord_sock_connect(const struct ord_endpoint *ep, const struct ord_until *until, char *why)
{
	struct addrinfo *list;
	struct sockaddr_un sun;
	int fd, rc;

	if (ep->is_unix) {
		fd = unix_addr(ep, &sun);
		if (fd < 0)
			return fail(why, -errno, "can't make a socket: %s", strerror(errno));
		rc = connect_one(fd, (struct sockaddr *)&sun, sizeof(sun), until);
		if (!rc)
			return fd;
		close(fd);
		return fail(why, rc, "can't connect to %s: %s", ep->text, strerror(-rc));
	}
	list = resolve(ep, false, why);
	if (!list)
		return -EHOSTUNREACH;
	fd = connect_any(list, until, &rc);
	freeaddrinfo(list);
	if (fd >= 0)
		return fd;
	return fail(why, rc, "can't connect to %s: %s", ep->text, strerror(-rc));
}

/* Does nobody listen on a unix socket that is there? */
static bool is_stale(const struct sockaddr_un *sun)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool stale;

	if (fd < 0)
		return false;
	stale = connect(fd, (const struct sockaddr *)sun, sizeof(*sun)) && errno == ECONNREFUSED;
	close(fd);
	return stale;
}

/* A socket left behind by a listener that is gone is replaced. */
static int bind_unix(const struct ord_endpoint *ep, char *why)
{
	struct sockaddr_un sun;
	int fd = unix_addr(ep, &sun), rc;

	if (fd < 0)
		return fail(why, -errno, "can't make a socket: %s", strerror(errno));
	rc = bind(fd, (struct sockaddr *)&sun, sizeof(sun)) ? -errno : 0;
	if (rc == -EADDRINUSE && is_stale(&sun)) {
		unlink(ep->path);
		rc = bind(fd, (struct sockaddr *)&sun, sizeof(sun)) ? -errno : 0;
	}
	if (!rc)
		return fd;
	close(fd);
	return fail(why, rc, "can't listen on %s: %s", ep->text, strerror(-rc));
}

static int bind_inet(const struct ord_endpoint *ep, char *why)
{
	struct addrinfo *list = resolve(ep, true, why), *a;
	int fd = -1, rc = -EIO, one = 1, off = 0, family;

	if (!list)
		return -EHOSTUNREACH;
	/* IPv6 first: without an address it takes IPv4 as well. */
	for (family = AF_INET6; fd < 0; family = AF_INET) {
		for (a = list; a && fd < 0; a = a->ai_next) {
			if (a->ai_family != family)
				continue;
			fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
			if (fd < 0) {
				rc = -errno;
				continue;
			}
			setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
			if (family == AF_INET6)
				setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
			if (bind(fd, a->ai_addr, a->ai_addrlen)) {
				rc = -errno;
				close(fd);
				fd = -1;
			}
		}
		if (family == AF_INET)
			break;
	}
	freeaddrinfo(list);
	if (fd < 0)
		return fail(why, rc, "can't listen on %s: %s", ep->text, strerror(-rc));
	return fd;
}

int ord_sock_listen(struct ord_listener *l, const struct ord_endpoint *ep, char *why)
{
	int fd, rc;

	l->fd = -1;
	l->nr_silent = 0;
	fd = ep->is_unix ? bind_unix(ep, why) : bind_inet(ep, why);
	if (fd < 0)
		return fd;
	if (listen(fd, BACKLOG)) {
		rc = -errno;
		close(fd);
		return fail(why, rc, "can't listen on %s: %s", ep->text, strerror(-rc));
	}
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	l->fd = fd;
	return 0;
}

static void silent_out(struct ord_listener *l, unsigned int i)
{
	l->nr_silent--;
	memmove(&l->silent[i], &l->silent[i + 1], (l->nr_silent - i) * sizeof(l->silent[0]));
}

/* Does it speak our language? 1: yes; 0: not known yet; -1: no, or it is gone. */
static int speaks(int fd)
{
	char magic[4];
	ssize_t n = recv(fd, magic, sizeof(magic), MSG_PEEK | MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (!n || memcmp(magic, "DMOW", (size_t)n))
		return -1;
	return n == sizeof(magic);
}

static void silent_in(struct ord_listener *l, int fd)
{
	unsigned int i;

	if (l->nr_silent == ORD_MAX_SILENT) {
		/* one that has spoken by now is no stranger */
		for (i = 0; i < ORD_MAX_SILENT - 1 && speaks(l->silent[i].fd) > 0; i++)
			;
		close(l->silent[i].fd);
		silent_out(l, i);
	}
	l->silent[l->nr_silent].fd = fd;
	l->silent[l->nr_silent++].since = ord_mono_ms();
}

/* One that has begun to speak; the newest first, since the peer made it last. -1: none */
static int take_speaker(struct ord_listener *l)
{
	uint64_t now = ord_mono_ms();
	unsigned int i = l->nr_silent;
	int fd, how;

	while (i--) {
		fd = l->silent[i].fd;
		how = speaks(fd);
		if (!how && now - l->silent[i].since < SILENT_MS)
			continue;
		silent_out(l, i);
		if (how > 0)
			return fd;
		close(fd);
	}
	return -1;
}

static int accept_all(struct ord_listener *l)
{
	int conn;

	for (;;) {
		conn = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
		if (conn >= 0)
			silent_in(l, conn);
		else if (errno != EINTR && errno != ECONNABORTED)
			return errno == EAGAIN ? 0 : -errno;
	}
}

int ord_sock_accept(struct ord_listener *l, const struct ord_until *until, char *why)
{
	struct pollfd p[ORD_MAX_SILENT + 1];
	unsigned int i;
	uint64_t ms;
	int rc;

	for (;;) {
		rc = accept_all(l);
		if (rc)
			return fail(why, rc, "can't accept a connection: %s", strerror(-rc));
		rc = take_speaker(l);
		if (rc >= 0)
			return rc;
		rc = go_on(until, POLL_MS, &ms);
		if (rc == -EINTR)
			return fail(why, rc, "interrupted");
		if (rc)
			return fail(why, rc, "no peer has connected in time%s",
				    l->nr_silent ? "; who did said nothing" : "");
		p[0] = (struct pollfd){ .fd = l->fd, .events = POLLIN };
		for (i = 0; i < l->nr_silent; i++)
			p[i + 1] = (struct pollfd){ .fd = l->silent[i].fd, .events = POLLIN };
		if (poll(p, l->nr_silent + 1, (int)ms) < 0 && errno != EINTR)
			return fail(why, -errno, "can't wait for the peer: %s", strerror(errno));
		ord_sleep_ms(5);	/* half a word does not make it run in circles */
	}
}

void ord_sock_unlisten(struct ord_listener *l)
{
	while (l->nr_silent) {
		close(l->silent[0].fd);
		silent_out(l, 0);
	}
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}
