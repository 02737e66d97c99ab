// SPDX-License-Identifier: GPL-2.0-only
/*
 * connect and listen make a socket and hand it to the kernel; from then on the
 * kernel alone reads and writes it, and tells by events what became of it.
 * Who keeps a link makes none after a disconnect until connect or listen is
 * called again.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/sock.h"
#include "orderedctl/ctl.h"
#include "orderedctl/kernel.h"
#include "orderedctl/link.h"
#include "orderedctl/session.h"

#define ATTEMPT_MS	30000	/* for a connection, or a handshake */
#define CHECK_MS	1000	/* how often the state is read, should an event be lost */
#define LISTEN_RETRY_MS	500
#define BACKOFF_MIN_MS	200
#define BACKOFF_MAX_MS	5000

struct attempt {
	struct ord_session *s;
	struct ord_endpoint ep;
	struct ord_listener listener;	/* fd -1: we connect */
	uint64_t timeout_ms;	/* 0: not given */
	uint32_t link_timeout_ms;
	bool keep;
	bool attached;		/* the last try came so far */
	bool lifted;		/* what a disconnect had set: another command may be as quick */
	char why[DMO_REASON_LEN + 64];
};

/* On a terminal, while it lasts, what is waited for, since @since; NULL: nothing any more. */
static void wait_line(const struct attempt *a, const char *what, uint64_t since)
{
	if (a->keep || !isatty(STDERR_FILENO))
		return;
	if (what)
		fprintf(stderr, "\r\033[K%s: %s, for %s", ord_session_name(a->s), what,
			ord_fmt_ms(ord_mono_ms() - since));
	else
		fputs("\r\033[K", stderr);
	fflush(stderr);
}

static bool stop(void *arg)
{
	(void)arg;
	return ctl_interrupted();
}

static int fail(struct attempt *a, int rc, const char *why)
{
	snprintf(a->why, sizeof(a->why), "%s", why);
	return rc;
}

static int read_state(struct attempt *a)
{
	int rc = ord_nl_refresh(ctl_nl(), a->s);

	/* short of memory is no reason to give up a link for good */
	while (rc == -ENOMEM && a->keep && !ctl_interrupted()) {
		ctl_sleep_ms(BACKOFF_MIN_MS);
		rc = ord_nl_refresh(ctl_nl(), a->s);
	}
	return rc ? fail(a, rc, ord_nl_why(ctl_nl())) : 0;
}

/* Events of this session until now; 1: *@ev is about the link, 0 none. */
static int next_link_event(struct attempt *a, struct ord_event *ev)
{
	int rc;

	while ((rc = ord_nl_events_next(ctl_nl(), ev)) == 1)
		if (ord_same_meta(a->s, ev->meta_major, ev->meta_minor) &&
		    (ev->event == DMO_EVENT_LINK_UP || ev->event == DMO_EVENT_LINK_DOWN))
			return 1;
	return rc == -ENOBUFS ? 0 : rc;
}

static void wait_event(uint64_t ms)
{
	struct pollfd p = { .fd = ord_nl_events_fd(ctl_nl()), .events = POLLIN };

	poll(&p, 1, (int)ms);
}

/* After an attach: 0 the link is up; else -errno and why. */
static int wait_up(struct attempt *a, uint64_t deadline)
{
	uint64_t now, start = ord_mono_ms(), checked = start;
	struct ord_event ev;
	int rc;

	for (;;) {
		wait_line(a, "connected, the kernels compare what they are", start);
		rc = next_link_event(a, &ev);
		if (rc < 0)
			return fail(a, rc, ord_nl_why(ctl_nl()));
		if (rc)
			return ev.event == DMO_EVENT_LINK_UP ? 0 :
			       fail(a, -ECONNRESET, *ev.reason ? ev.reason :
				    "the link went down, the kernel gave no reason");
		now = ord_mono_ms();
		if (ctl_interrupted())
			return fail(a, -EINTR, "interrupted");
		if (now - checked >= CHECK_MS || now >= deadline) {
			checked = now;
			rc = read_state(a);
			if (rc)
				return rc;
			if (a->s->link_state == DMO_LINK_UP)
				return 0;
			if (a->s->link_state == DMO_LINK_NONE)
				return fail(a, -ECONNRESET, *a->s->reason ? a->s->reason :
					    "the link went down, the kernel gave no reason");
		}
		if (now >= deadline) {
			ord_nl_link_detach(ctl_nl(), a->s, true);
			return fail(a, -ETIMEDOUT,
				    "the peer did not finish the handshake in time; is it a dm-ordered session?");
		}
		wait_event(deadline - now < CHECK_MS ? deadline - now : CHECK_MS);
	}
}

/* Disconnected by command: who keeps a link waits until somebody wants one. */
static bool unwanted(const struct attempt *a)
{
	return a->s->flags & DMO_F_NO_LINK;
}

/* The peer's connection; -ECANCELED: there is no need of one any more. */
static int accept_peer(struct attempt *a)
{
	uint64_t now, start = ord_mono_ms();
	uint64_t end = a->timeout_ms ? start + a->timeout_ms : UINT64_MAX;
	struct ord_until until = { .stop = stop };
	int fd, rc;

	for (;;) {
		wait_line(a, "waiting for the peer to connect", start);
		now = ord_mono_ms();
		until.deadline = end - now < CHECK_MS ? end : now + CHECK_MS;
		fd = ord_sock_accept(&a->listener, &until, a->why);
		if (fd != -ETIMEDOUT || ord_mono_ms() >= end)
			return fd;
		rc = read_state(a);
		if (rc)
			return rc;
		if (unwanted(a) || (a->keep && a->s->link_state != DMO_LINK_NONE))
			return fail(a, -ECANCELED, unwanted(a) ? "disconnected by command" : "");
	}
}

/* One try: socket, attach, handshake. */
static int try_link(struct attempt *a)
{
	uint64_t ms = a->timeout_ms ? a->timeout_ms : ATTEMPT_MS;
	uint64_t now = ord_mono_ms();
	struct ord_until until = { .deadline = now + ms, .stop = stop };
	struct ord_event ev;
	int fd, rc;

	a->attached = false;
	if (a->listener.fd >= 0) {
		fd = accept_peer(a);
		now = ord_mono_ms();
	} else {
		wait_line(a, "connecting", now);
		fd = ord_sock_connect(&a->ep, &until, a->why);
	}
	if (fd < 0)
		return fd;
	while (next_link_event(a, &ev) == 1)
		;	/* of a link before this one */
	rc = ord_nl_link_attach(ctl_nl(), a->s, fd, a->link_timeout_ms);
	close(fd);
	if (rc && !(rc == -EEXIST && a->lifted))
		return fail(a, rc, ord_nl_why(ctl_nl()));
	a->attached = true;
	return wait_up(a, now + ms);
}

/* After a try that failed: would the same two refuse each other again? */
static bool is_final(struct attempt *a)
{
	char why[sizeof(a->why)];

	snprintf(why, sizeof(why), "%s", a->why);
	if (read_state(a))
		return false;
	snprintf(a->why, sizeof(a->why), "%s", why);
	if (!(a->s->flags & DMO_F_PLAIN))	/* the session's own no */
		return true;
	/* an earlier refusal says nothing of a peer that was not reached now */
	if (!a->attached || a->s->link_state != DMO_LINK_NONE || !(a->s->flags & DMO_F_REFUSED))
		return false;
	/* who listens goes on when somebody else's session knocks */
	return a->listener.fd < 0 || !(a->s->flags & DMO_F_STRANGER);
}

static int refused(struct attempt *a)
{
	char why[sizeof(a->why)];

	snprintf(why, sizeof(why), "%s", *a->s->reason && a->s->flags & DMO_F_REFUSED ?
		 a->s->reason : a->why);
	ctl_err("%s: no link, and no other try will make one: %s", ord_session_name(a->s), why);
	return CTL_REFUSED;
}

static void say(const struct attempt *a, const char *what, const char *why)
{
	if (a->keep)
		printf("%s ", ord_fmt_time(ord_wall_ns()));
	printf("%s: %s%s%s\n", ord_session_name(a->s), what, *why ? ": " : "", why);
	fflush(stdout);
}

/* Returns when the link is down: 0; or -errno when the session is gone. */
static int wait_down(struct attempt *a)
{
	uint64_t checked = 0;
	struct ord_event ev;
	int rc;

	for (;;) {
		rc = next_link_event(a, &ev);
		if (rc < 0)
			return fail(a, rc, ord_nl_why(ctl_nl()));
		if (rc && ev.event == DMO_EVENT_LINK_DOWN)
			return fail(a, 0, ev.reason);
		if (ctl_interrupted())
			return fail(a, -EINTR, "interrupted");
		if (ord_mono_ms() - checked >= CHECK_MS) {
			checked = ord_mono_ms();
			rc = read_state(a);
			if (rc)
				return rc;
			if (a->s->link_state == DMO_LINK_NONE) {
				/* the event, with the reason, may be about to come */
				wait_event(BACKOFF_MIN_MS);
				if (next_link_event(a, &ev) == 1)
					return fail(a, 0, ev.reason);
				return fail(a, 0, a->s->reason);
			}
		}
		wait_event(CHECK_MS);
	}
}

static int stopped(struct attempt *a, int rc)
{
	if (ctl_interrupted()) {
		say(a, "interrupted; a link that is up stays", "");
		return CTL_OK;
	}
	ctl_err("%s: %s", ord_session_name(a->s), rc ? a->why : "the session is gone");
	return CTL_FAIL;
}

static void close_listener(struct attempt *a)
{
	if (a->listener.fd < 0)
		return;
	ord_sock_unlisten(&a->listener);
	if (a->ep.is_unix)
		unlink(a->ep.path);
}

/* At boot the address may come later than we do; and who makes links again by another command has it for a while. */
static int wait_listen(struct attempt *a, bool again)
{
	char last[sizeof(a->why)] = "";
	int rc;

	for (;;) {
		rc = ord_sock_listen(&a->listener, &a->ep, a->why);
		if (!rc || !a->keep || ctl_interrupted() ||
		    (rc != -EADDRNOTAVAIL && rc != -EHOSTUNREACH && !(again && rc == -EADDRINUSE)))
			return rc;
		if (rc == -EADDRINUSE)
			return -EAGAIN;
		if (strcmp(last, a->why))
			say(a, "waiting for the address", a->why);
		snprintf(last, sizeof(last), "%s", a->why);
		ctl_sleep_ms(LISTEN_RETRY_MS);
	}
}

/* The peer must not take a connection that nobody accepts for one that is slow. */
static void wait_wanted(struct attempt *a)
{
	say(a, "disconnected by command: waiting for connect or listen", "");
	close_listener(a);
	while (unwanted(a) && !ctl_interrupted() && !read_state(a))
		ctl_sleep_ms(LISTEN_RETRY_MS);
}

static int keep_link(struct attempt *a)
{
	bool listening = a->listener.fd >= 0;
	uint64_t backoff = BACKOFF_MIN_MS;
	char last[sizeof(a->why)] = "";
	bool up;
	int rc;

	for (;;) {
		rc = read_state(a);
		if (!rc && unwanted(a))
			wait_wanted(a);
		if (rc || ctl_interrupted())
			return stopped(a, rc);
		if (a->s->link_state == DMO_LINK_NONE && listening && a->listener.fd < 0) {
			rc = wait_listen(a, true);
			if (rc && rc != -EAGAIN)
				return stopped(a, rc);
			if (rc) {
				ctl_sleep_ms(LISTEN_RETRY_MS);
				continue;
			}
		}
		if (a->s->link_state == DMO_LINK_HANDSHAKE) {
			ctl_sleep_ms(BACKOFF_MIN_MS);	/* somebody else's attach */
			continue;
		}
		up = a->s->link_state == DMO_LINK_UP;
		if (!up) {
			rc = try_link(a);
			if (ctl_interrupted())
				return stopped(a, rc);
			up = !rc;
			if (rc == -ECANCELED)
				continue;
			if (rc && is_final(a))
				return refused(a);
			if (rc && strcmp(last, a->why)) {
				say(a, "no link", a->why);
				snprintf(last, sizeof(last), "%s", a->why);
			}
		}
		if (up) {
			say(a, "link up", "");
			rc = wait_down(a);
			if (rc)
				return stopped(a, rc);
			say(a, "link down", a->why);
			*last = '\0';
			backoff = BACKOFF_MIN_MS;
		}
		ctl_sleep_ms(backoff);
		if (!listening)		/* the side that connects sets the pace */
			backoff = backoff * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : backoff * 2;
	}
}

static int one_link(struct attempt *a)
{
	int rc = try_link(a);

	wait_line(a, NULL, 0);
	if (rc && is_final(a))
		return refused(a);
	if (rc) {
		ctl_err("%s: no link: %s", ord_session_name(a->s), a->why);
		return CTL_FAIL;
	}
	read_state(a);
	say(a, "link up", a->s->link_peer);
	return CTL_OK;
}

int ctl_link(const struct ctl_command *cmd, const struct ctl_link_args *given, bool listening)
{
	struct attempt a = {
		.listener.fd = -1, .timeout_ms = given->timeout_ms,
		.link_timeout_ms = given->link_timeout_ms, .keep = given->keep,
	};
	struct ord_sessions list;
	int rc;

	if (ord_sock_parse(&a.ep, given->address, listening, a.why)) {
		ctl_err("%s: %s", cmd->name, a.why);
		return CTL_USAGE;
	}
	a.s = ctl_session(&list, given->session);
	if (!a.s)
		return CTL_FAIL;
	rc = CTL_FAIL;
	if (ord_nl_events_open(ctl_nl())) {
		ctl_err("%s", ord_nl_why(ctl_nl()));
		goto out;
	}
	if (listening) {
		ctl_catch_signals();
		if (wait_listen(&a, false)) {
			ctl_err("%s", a.why);
			goto out;
		}
	}
	ctl_catch_signals();
	a.lifted = unwanted(&a);
	if (a.lifted && ord_nl_link_want(ctl_nl(), a.s)) {
		ctl_err("%s: %s", ord_session_name(a.s), ord_nl_why(ctl_nl()));
		goto out_listener;
	}
	read_state(&a);
	rc = a.keep ? keep_link(&a) : one_link(&a);
out_listener:
	close_listener(&a);
out:
	ord_sessions_free(&list);
	return rc;
}
