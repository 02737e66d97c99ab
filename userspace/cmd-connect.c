// SPDX-License-Identifier: GPL-2.0-only
/*
 * connect and listen make a socket and hand it to the kernel; from then on the
 * kernel alone reads and writes it, and tells by events what became of it.
 * disconnect takes the link away.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"
#include "lookup.h"
#include "nl.h"
#include "sock.h"

#define ATTEMPT_MS	30000	/* for a connection, or a handshake */
#define CHECK_MS	1000	/* how often the state is read, should an event be lost */
#define BACKOFF_MIN_MS	200
#define BACKOFF_MAX_MS	5000

enum { OPT_TIMEOUT = 256, OPT_KEEP, OPT_LINK_TIMEOUT };

static const struct option opts[] = {
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "keep", no_argument, NULL, OPT_KEEP },
	{ "link-timeout", required_argument, NULL, OPT_LINK_TIMEOUT },
	{ 0 }
};

struct attempt {
	struct ord_session *s;
	struct endpoint ep;
	int listener;		/* -1: we connect */
	uint64_t timeout_ms;	/* 0: not given */
	uint32_t link_timeout_ms;
	bool keep;
	char why[DMO_REASON_LEN + 64];
};

static int fail(struct attempt *a, int rc, const char *why)
{
	snprintf(a->why, sizeof(a->why), "%s", why);
	return rc;
}

static int read_state(struct attempt *a)
{
	int rc = knl_refresh(a->s);

	/* short of memory is no reason to give up a link for good */
	while (rc == -ENOMEM && a->keep && !ord_interrupted()) {
		ord_sleep_ms(BACKOFF_MIN_MS);
		rc = knl_refresh(a->s);
	}
	return rc ? fail(a, rc, knl_why()) : 0;
}

/* Events of this session until now; 1: *@ev is about the link, 0 none. */
static int next_link_event(struct attempt *a, struct ord_event *ev)
{
	int rc;

	while ((rc = knl_events_next(ev)) == 1)
		if (ord_same_meta(a->s, ev->meta_major, ev->meta_minor) &&
		    (ev->event == DMO_EVENT_LINK_UP || ev->event == DMO_EVENT_LINK_DOWN))
			return 1;
	return rc == -ENOBUFS ? 0 : rc;
}

static void wait_event(uint64_t ms)
{
	struct pollfd p = { .fd = knl_events_fd(), .events = POLLIN };

	poll(&p, 1, (int)ms);
}

/* After an attach: 0 the link is up; else -errno and why. */
static int wait_up(struct attempt *a, uint64_t deadline)
{
	uint64_t now, checked = ord_mono_ms();
	struct ord_event ev;
	int rc;

	for (;;) {
		rc = next_link_event(a, &ev);
		if (rc < 0)
			return fail(a, rc, knl_why());
		if (rc)
			return ev.event == DMO_EVENT_LINK_UP ? 0 :
			       fail(a, -ECONNRESET, *ev.reason ? ev.reason :
				    "the link went down, the kernel gave no reason");
		now = ord_mono_ms();
		if (ord_interrupted())
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
			knl_link_detach(a->s);
			return fail(a, -ETIMEDOUT,
				    "the peer did not finish the handshake in time; is it a dm-ordered session?");
		}
		wait_event(deadline - now < CHECK_MS ? deadline - now : CHECK_MS);
	}
}

/* One try: socket, attach, handshake. */
static int try_link(struct attempt *a)
{
	uint64_t ms = a->timeout_ms ? a->timeout_ms : ATTEMPT_MS;
	uint64_t now = ord_mono_ms();
	struct ord_event ev;
	int fd, rc;

	if (a->listener >= 0) {
		fd = sock_accept(a->listener, a->timeout_ms ? now + ms : 0, a->why);
		now = ord_mono_ms();
	} else {
		fd = sock_connect(&a->ep, now + ms, a->why);
	}
	if (fd < 0)
		return fd;
	while (next_link_event(a, &ev) == 1)
		;	/* of a link before this one */
	rc = knl_link_attach(a->s, fd, a->link_timeout_ms);
	close(fd);
	if (rc)
		return fail(a, rc, knl_why());
	return wait_up(a, now + ms);
}

static void say(const struct attempt *a, const char *what, const char *why)
{
	if (a->keep)
		printf("%s ", fmt_time(ord_wall_ns()));
	printf("%s: %s%s%s\n", lookup_name(a->s), what, *why ? ": " : "", why);
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
			return fail(a, rc, knl_why());
		if (rc && ev.event == DMO_EVENT_LINK_DOWN)
			return fail(a, 0, ev.reason);
		if (ord_interrupted())
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
	if (ord_interrupted()) {
		say(a, "interrupted; a link that is up stays", "");
		return ORD_OK;
	}
	ord_err("%s: %s", lookup_name(a->s), rc ? a->why : "the session is gone");
	return ORD_FAIL;
}

static int keep_link(struct attempt *a)
{
	uint64_t backoff = BACKOFF_MIN_MS;
	char last[sizeof(a->why)] = "";
	bool up;
	int rc;

	for (;;) {
		rc = read_state(a);
		if (rc || ord_interrupted())
			return stopped(a, rc);
		if (a->s->link_state == DMO_LINK_HANDSHAKE) {
			ord_sleep_ms(BACKOFF_MIN_MS);	/* somebody else's attach */
			continue;
		}
		up = a->s->link_state == DMO_LINK_UP;
		if (!up) {
			rc = try_link(a);
			if (ord_interrupted())
				return stopped(a, rc);
			up = !rc;
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
		ord_sleep_ms(backoff);
		if (a->listener < 0)	/* the side that connects sets the pace */
			backoff = backoff * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : backoff * 2;
	}
}

static int one_link(struct attempt *a)
{
	int rc = try_link(a);

	if (rc) {
		ord_err("%s: no link: %s", lookup_name(a->s), a->why);
		return ORD_FAIL;
	}
	read_state(a);
	say(a, "link up", a->s->link_peer);
	return ORD_OK;
}

static int run(const struct command *cmd, int argc, char **argv)
{
	bool listening = cmd == &cmd_listen;
	struct attempt a = { .listener = -1 };
	struct ord_sessions list;
	uint64_t n;
	int c, rc;

	while ((c = ctl_getopt(cmd, argc, argv)) != -1) {
		switch (c) {
		case OPT_TIMEOUT:
			if (ctl_seconds("--timeout", optarg, &a.timeout_ms))
				return ORD_USAGE;
			break;
		case OPT_KEEP:
			a.keep = true;
			break;
		case OPT_LINK_TIMEOUT:
			if (ord_number("--link-timeout", optarg, DMO_LINK_TIMEOUT_MS_MIN,
				       DMO_LINK_TIMEOUT_MS_MAX, "ms", &n))
				return ORD_USAGE;
			a.link_timeout_ms = (uint32_t)n;
			break;
		default:
			return ORD_USAGE;
		}
	}
	if (argc - optind != 2)
		return ctl_usage_error(cmd, "name a session and an address");
	if (sock_parse(&a.ep, argv[optind + 1], listening, a.why)) {
		ord_err("%s: %s", cmd->name, a.why);
		return ORD_USAGE;
	}
	a.s = lookup_session(&list, argv[optind]);
	if (!a.s)
		return ORD_FAIL;
	rc = ORD_FAIL;
	if (knl_events_open()) {
		ord_err("%s", knl_why());
		goto out;
	}
	if (listening) {
		a.listener = sock_listen(&a.ep, a.why);
		if (a.listener < 0) {
			ord_err("%s", a.why);
			goto out;
		}
	}
	ord_catch_signals();
	rc = a.keep ? keep_link(&a) : one_link(&a);
	if (a.listener >= 0) {
		close(a.listener);
		if (a.ep.is_unix)
			unlink(a.ep.path);
	}
out:
	ord_sessions_free(&list);
	return rc;
}

static int run_disconnect(const struct command *cmd, int argc, char **argv)
{
	struct ord_sessions list;
	struct ord_session *s;
	int rc;

	if (ctl_getopt(cmd, argc, argv) != -1)
		return ORD_USAGE;
	if (argc - optind != 1)
		return ctl_usage_error(cmd, "name one session");
	s = lookup_session(&list, argv[optind]);
	if (!s)
		return ORD_FAIL;
	rc = knl_link_detach(s);
	if (rc)
		ord_err("can't disconnect %s: %s", lookup_name(s), knl_why());
	ord_sessions_free(&list);
	return rc ? ORD_FAIL : ORD_OK;
}

const struct command cmd_connect = {
	.name = "connect",
	.args = "SESSION HOST:PORT|unix:/PATH [--timeout SECONDS] [--keep] [--link-timeout MS]",
	.what = "connect to the peer and give the link to the kernel",
	.opts = opts,
	.run = run,
};

const struct command cmd_listen = {
	.name = "listen",
	.args = "SESSION [ADDR:]PORT|unix:/PATH [--timeout SECONDS] [--keep] [--link-timeout MS]",
	.what = "wait for the peer to connect and give the link to the kernel",
	.opts = opts,
	.run = run,
};

const struct command cmd_disconnect = {
	.name = "disconnect",
	.args = "SESSION",
	.what = "take the link away",
	.run = run_disconnect,
};
