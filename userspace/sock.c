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

#include "sock.h"
#include "util.h"

#define BACKLOG		4
#define POLL_MS		500

static int __printf(3, 4) fail(char *why, int rc, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, SOCK_WHY_LEN, fmt, ap);
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

int sock_parse(struct endpoint *ep, const char *text, bool any, char *why)
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

static struct addrinfo *resolve(const struct endpoint *ep, bool passive, char *why)
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

static int unix_addr(const struct endpoint *ep, struct sockaddr_un *sun)
{
	memset(sun, 0, sizeof(*sun));
	sun->sun_family = AF_UNIX;
	memcpy(sun->sun_path, ep->path, sizeof(sun->sun_path));
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

/* Waits for @events until @deadline (0: for ever): 0, -ETIMEDOUT or -EINTR. */
static int wait_for(int fd, short events, uint64_t deadline)
{
	struct pollfd p = { .fd = fd, .events = events };

	for (;;) {
		uint64_t now = ord_mono_ms(), ms = POLL_MS;
		int rc;

		if (ord_interrupted())
			return -EINTR;
		if (deadline && now >= deadline)
			return -ETIMEDOUT;
		if (deadline && deadline - now < ms)
			ms = deadline - now;
		rc = poll(&p, 1, (int)ms);
		if (rc > 0)
			return 0;
		if (rc < 0 && errno != EINTR)
			return -errno;
	}
}

static int connect_one(int fd, const struct sockaddr *sa, socklen_t len, uint64_t deadline)
{
	int err = 0, rc = 0, flags = fcntl(fd, F_GETFL);
	socklen_t size = sizeof(err);

	fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	if (connect(fd, sa, len)) {
		if (errno != EINPROGRESS)
			return -errno;
		rc = wait_for(fd, POLLOUT, deadline);
		if (!rc && getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &size))
			rc = -errno;
		else if (!rc)
			rc = -err;
	}
	fcntl(fd, F_SETFL, flags);
	return rc;
}

int sock_connect(const struct endpoint *ep, uint64_t deadline, char *why)
{
	struct addrinfo *list, *a;
	struct sockaddr_un sun;
	int fd, rc = -EIO;

	if (ep->is_unix) {
		fd = unix_addr(ep, &sun);
		if (fd < 0)
			return fail(why, -errno, "can't make a socket: %s", strerror(errno));
		rc = connect_one(fd, (struct sockaddr *)&sun, sizeof(sun), deadline);
		if (!rc)
			return fd;
		close(fd);
		return fail(why, rc, "can't connect to %s: %s", ep->text, strerror(-rc));
	}
	list = resolve(ep, false, why);
	if (!list)
		return -EHOSTUNREACH;
	for (a = list; a; a = a->ai_next) {
		fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
		if (fd < 0) {
			rc = -errno;
			continue;
		}
		rc = connect_one(fd, a->ai_addr, a->ai_addrlen, deadline);
		if (!rc) {
			freeaddrinfo(list);
			return fd;
		}
		close(fd);
		if (rc == -EINTR || rc == -ETIMEDOUT)
			break;
	}
	freeaddrinfo(list);
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
static int bind_unix(const struct endpoint *ep, char *why)
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

static int bind_inet(const struct endpoint *ep, char *why)
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

int sock_listen(const struct endpoint *ep, char *why)
{
	int fd, rc;

	fd = ep->is_unix ? bind_unix(ep, why) : bind_inet(ep, why);
	if (fd < 0)
		return fd;
	if (listen(fd, BACKLOG)) {
		rc = -errno;
		close(fd);
		return fail(why, rc, "can't listen on %s: %s", ep->text, strerror(-rc));
	}
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	return fd;
}

int sock_accept(int fd, uint64_t deadline, char *why)
{
	for (;;) {
		int rc = wait_for(fd, POLLIN, deadline), conn;

		if (rc == -ETIMEDOUT)
			return fail(why, rc, "no peer has connected in time");
		if (rc == -EINTR)
			return fail(why, rc, "interrupted");
		if (rc)
			return fail(why, rc, "can't wait for the peer: %s", strerror(-rc));
		conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		if (conn >= 0)
			return conn;
		switch (errno) {
		case EAGAIN:
		case EINTR:
		case ECONNABORTED:
			continue;
		default:
			return fail(why, -errno, "can't accept a connection: %s", strerror(errno));
		}
	}
}
