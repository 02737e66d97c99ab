// SPDX-License-Identifier: GPL-2.0-only
/*
 * orderedctl's inner parts with made-up input, for test_ctl.sh:
 *   ctl_model              parsers of numbers, netlink messages, extended acks, addresses;
 *                          a line "ok NAME" or "FAILED NAME: WHY" each
 *   ctl_model print HOW    two sessions, through the real parser and printer
 *   ctl_model event HOW    an event, and that some were lost, in the same way
 *   ctl_model pick TEXT    look-up among them; prints the metadata device
 *   ctl_model journal IMG  writes chunks 0.7 (committed), 0.8 and a torn 0.9 into a
 *                          freshly formatted image
 *   ctl_model newer IMG    makes both superblock copies those of a newer format
 */
#include "format/ondisk.h"
#include "format/jscan.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>
#include <unistd.h>

#include "lib/metafile.h"
#include "lib/model.h"
#include "lib/nl.h"
#include "lib/sock.h"
#include "lib/util.h"
#include "lib/verdict.h"
#include "orderedctl/print.h"
#include "orderedctl/session.h"

static int failed;

static void result(const char *name, bool good, const char *why)
{
	if (good)
		printf("ok %s\n", name);
	else
		printf("FAILED %s: %s\n", name, why);
	failed |= !good;
}

#define CHECK(name, cond)	result(name, cond, #cond)

/* -- numbers --------------------------------------------------------------- */

static bool size_is(const char *text, uint64_t want)
{
	uint64_t v;

	return !ord_size(text, 1, &v) && v == want;
}

static bool size_bad(const char *text)
{
	uint64_t v;

	return ord_size(text, 1, &v) != 0;
}

static bool time_is(const char *text, uint64_t want)
{
	uint64_t v;

	return !ord_time(text, 1000, &v) && v == want;
}

static bool rate_is(const char *text, uint64_t want)
{
	uint64_t v;

	return !ord_rate(text, &v) && v == want;
}

static void test_numbers(void)
{
	uint8_t u[16];
	uint64_t v;

	CHECK("size-bytes", size_is("4096", 4096));
	CHECK("size-sectors", size_is("2049s", 2049 * 512));
	CHECK("size-suffixes", size_is("1k", 1024) && size_is("1K", 1024) &&
	      size_is("3M", 3 << 20) && size_is("2GiB", 2ULL << 30) &&
	      size_is("64T", 64ULL << 40));
	CHECK("size-refused", size_bad("") && size_bad("-1") && size_bad("1X") &&
	      size_bad("1GG") && size_bad(" 1") && size_bad("99999999999999999999") &&
	      size_bad("16777216T") && size_bad("1.G") && size_bad(".5G") && size_bad("1Mi") &&
	      size_bad("1.5.5G") && size_bad("1.0000000001G") && size_bad("1m5"));
	CHECK("size-fraction", size_is("1.5T", 3ULL << 39) && size_is("0.5k", 512) &&
	      size_is("1.1G", (1181116006 / 4096) * 4096));
	CHECK("size-decimal", size_is("10GB", 10000000000) && size_is("10GiB", 10ULL << 30) &&
	      size_is("1kb", 1000) && size_is("7B", 7));
	CHECK("size-largest", size_is("16383P", 16383ULL << 50) && size_bad("16384P") &&
	      size_is("18446744073709551615", UINT64_MAX));
	CHECK("size-base", !ord_size("3", 1 << 20, &v) && v == 3 << 20 &&
	      !ord_size("3K", 1 << 20, &v) && v == 3 << 10);
	CHECK("time-units", time_is("3", 3000) && time_is("1.5", 1500) && time_is("250ms", 250) &&
	      time_is("10m", 600000) && time_is("10min", 600000) && time_is("1.5h", 5400000) &&
	      time_is("2d", 172800000) && time_is("0.5s", 500));
	CHECK("time-refused", ord_time("", 1, &v) && ord_time("1w", 1, &v) && ord_time("1 h", 1, &v) &&
	      ord_time("-1", 1, &v) && ord_time("999999999999d", 1, &v));
	CHECK("rate-units", rate_is("5M", 5 << 20) && rate_is("5M/s", 5 << 20) &&
	      rate_is("5MB/s", 5000000) && rate_is("100Mbit", 12500000) &&
	      rate_is("100mbit/s", 12500000) && ord_rate("/s", &v) && ord_rate("5M/h", &v));
	CHECK("time-exact-text", !strcmp(ord_fmt_ms_exact(600000), "10m") &&
	      !strcmp(ord_fmt_ms_exact(1500), "1500ms") && !strcmp(ord_fmt_ms_exact(86400000), "1d") &&
	      !strcmp(ord_fmt_ms_exact(0), "0ms"));
	CHECK("size-exact-text", !strcmp(ord_fmt_size_exact(10ULL << 30), "10G") &&
	      !strcmp(ord_fmt_size_exact(1049088), "2049s") && !strcmp(ord_fmt_size_exact(513), "513"));
	CHECK("uuid-both-ways", !ord_uuid_parse("8F3c0000-1111-2222-3333-0123456789aB", u) &&
	      !strcmp(ord_fmt_uuid(u), "8f3c0000-1111-2222-3333-0123456789ab"));
	CHECK("uuid-refused", ord_uuid_parse("8f3c0000-1111-2222-3333-0123456789a", u) &&
	      ord_uuid_parse("8f3c0000-1111-2222-3333-0123456789abc", u) &&
	      ord_uuid_parse("8f3c00001111222233330123456789ab", u) && ord_uuid_parse("", u));
	CHECK("units", !strcmp(ord_fmt_bytes(1023), "1023 bytes") &&
	      !strcmp(ord_fmt_bytes(1536), "1.50 KiB") && !strcmp(ord_fmt_ms(999), "999 ms") &&
	      !strcmp(ord_fmt_ms(61000), "1 min 1 s") && !strcmp(ord_fmt_ms(7260000), "2 h 1 min"));
	CHECK("time", !strcmp(ord_fmt_time(1700000000123456789ULL), "2023-11-14T22:13:20.123Z"));
	CHECK("unknown-names", !strcmp(ord_block_name(99), "unknown-99") &&
	      !strcmp(ord_role_name(0), "unknown-0") && *ord_block_remedy(99));
}

/* -- addresses ------------------------------------------------------------- */

static bool addr(const char *text, bool any, const char *host, const char *port)
{
	char why[ORD_SOCK_WHY_LEN];
	struct ord_endpoint ep;

	return !ord_sock_parse(&ep, text, any, why) && !strcmp(ep.host, host) &&
	       !strcmp(ep.port, port);
}

static bool addr_bad(const char *text, bool any)
{
	char why[ORD_SOCK_WHY_LEN] = "";
	struct ord_endpoint ep;

	return ord_sock_parse(&ep, text, any, why) && *why;
}

static void test_addresses(void)
{
	char why[ORD_SOCK_WHY_LEN];
	struct ord_endpoint ep;

	CHECK("address-host-port", addr("host.example:7788", false, "host.example", "7788"));
	CHECK("address-ipv6", addr("[fe80::1]:7788", false, "fe80::1", "7788"));
	CHECK("address-port-only", addr("7788", true, "", "7788") && addr(":1", true, "", "1"));
	CHECK("address-unix", !ord_sock_parse(&ep, "unix:/run/x", false, why) && ep.is_unix &&
	      !strcmp(ep.path, "/run/x"));
	CHECK("address-refused", addr_bad("7788", false) && addr_bad("h:0", false) &&
	      addr_bad("h:65536", false) && addr_bad("h:", false) && addr_bad("h:-1", false) &&
	      addr_bad("fe80::1:7788", false) && addr_bad("unix:rel", false) && addr_bad("", true));
}

/* -- sockets --------------------------------------------------------------- */

static void speak(int fd, const char *words)
{
	if (write(fd, words, strlen(words)) < 0)
		perror("write");
}

static unsigned int open_fds(void)
{
	unsigned int n = 0;
	int fd;

	for (fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* Until so many ms from now. */
static const struct ord_until *within(uint64_t ms)
{
	static struct ord_until until;

	until.deadline = ord_mono_ms() + ms;
	return &until;
}

/* Many that say nothing, one that speaks something else, and the peer, who is neither first nor last. */
static void crowd(const struct ord_endpoint *ep, struct ord_listener *l)
{
	char why[ORD_SOCK_WHY_LEN] = "", word[8];
	int fd[40], i, a;
	unsigned int before;

	for (i = 0; i < 40; i++) {
		fd[i] = ord_sock_connect(ep, within(2000), why);
		if (i == 5)
			speak(fd[i], "GET / HTTP/1.0");
		if (i == 10)	/* more than are kept come behind it */
			speak(fd[i], "DMOW+");
	}
	before = open_fds();
	a = ord_sock_accept(l, within(2000), why);
	CHECK("crowd-peer-gets-in", a >= 0 && read(a, word, 5) == 5 && !memcmp(word, "DMOW+", 5));
	CHECK("crowd-is-bounded", open_fds() <= before + 17);
	close(a);
	for (i = 0; i < 40; i++)
		close(fd[i]);
	CHECK("crowd-gone", ord_sock_accept(l, within(100), why) == -ETIMEDOUT &&
	      open_fds() <= before - 40 + 17);
}

/* Two listen in one process: each has its own that say nothing; and a wait is given up when it is asked to. */
static bool stop(void *arg)
{
	return ++*(int *)arg > 1;
}

static void two_listeners(const char *dir)
{
	char why[ORD_SOCK_WHY_LEN] = "", text[2][256];
	struct ord_endpoint ep[2];
	struct ord_listener l[2];
	int i, a, c[2], asked = 0;
	struct ord_until until = { .stop = stop, .arg = &asked };

	for (i = 0; i < 2; i++) {
		snprintf(text[i], sizeof(text[i]), "unix:%s/sock%d", dir, i);
		ord_sock_parse(&ep[i], text[i], true, why);
		ord_sock_listen(&l[i], &ep[i], why);
		c[i] = ord_sock_connect(&ep[i], within(2000), why);
		ord_sock_accept(&l[i], within(50), why);
	}
	speak(c[1], "DMOW");
	CHECK("listeners-apart", l[0].nr_silent == 1 && l[1].nr_silent == 1 &&
	      ord_sock_accept(&l[0], within(50), why) == -ETIMEDOUT);
	a = ord_sock_accept(&l[1], within(2000), why);
	CHECK("listeners-own-peer", a >= 0 && l[0].nr_silent == 1 && !l[1].nr_silent);
	CHECK("wait-is-stopped", ord_sock_accept(&l[0], &until, why) == -EINTR && asked == 2);
	close(a);
	for (i = 0; i < 2; i++) {
		close(c[i]);
		ord_sock_unlisten(&l[i]);
		unlink(ep[i].path);
	}
}

static void test_sockets(const char *dir)
{
	char why[ORD_SOCK_WHY_LEN] = "", text[256];
	struct ord_endpoint ep;
	struct ord_listener l, other;
	int c, a;

	snprintf(text, sizeof(text), "unix:%s/sock", dir);
	CHECK("unix-parse", !ord_sock_parse(&ep, text, true, why));
	ord_sock_listen(&l, &ep, why);
	c = ord_sock_connect(&ep, within(2000), why);
	CHECK("unix-silent", l.fd >= 0 && c >= 0 && ord_sock_accept(&l, within(50), why) == -ETIMEDOUT &&
	      strstr(why, "said nothing"));
	speak(c, "DMOW");
	a = l.fd >= 0 ? ord_sock_accept(&l, within(2000), why) : -1;
	CHECK("unix-connects", l.fd >= 0 && c >= 0 && a >= 0);
	CHECK("unix-keeps-what-was-said", read(a, text, 4) == 4 && !memcmp(text, "DMOW", 4));
	close(c);
	close(a);
	CHECK("unix-busy-refused", ord_sock_listen(&other, &ep, why) < 0 && strstr(why, "in use"));
	ord_sock_unlisten(&l);
	ord_sock_listen(&l, &ep, why);
	CHECK("unix-stale-replaced", l.fd >= 0);
	CHECK("accept-times-out", ord_sock_accept(&l, within(50), why) == -ETIMEDOUT);
	ord_sock_unlisten(&l);
	unlink(ep.path);
	CHECK("connect-refused-says-why", ord_sock_connect(&ep, within(500), why) < 0 &&
	      strstr(why, ep.text));
	ord_sock_parse(&ep, "127.0.0.1:47788", true, why);
	ord_sock_listen(&l, &ep, why);
	c = ord_sock_connect(&ep, within(2000), why);
	speak(c, "DMOW");
	a = l.fd >= 0 ? ord_sock_accept(&l, within(2000), why) : -1;
	CHECK("tcp-connects", l.fd >= 0 && c >= 0 && a >= 0);
	close(c);
	close(a);
	crowd(&ep, &l);
	ord_sock_unlisten(&l);
	two_listeners(dir);
}

/* -- netlink --------------------------------------------------------------- */

static struct nl_msg *message(uint32_t minor)
{
	struct nl_msg *msg = nlmsg_alloc_size(65536);

	genlmsg_put(msg, 0, 0, 30, 0, 0, DM_ORDERED_CMD_SESSION_GET, 1);
	nla_put_u32(msg, DMO_A_META_MAJOR, 7);
	nla_put_u32(msg, DMO_A_META_MINOR, minor);
	return msg;
}

static void put_volume(struct nl_msg *msg, uint32_t id)
{
	struct nlattr *v = nla_nest_start(msg, DMO_A_VOLUME);

	nla_put_u32(msg, DMO_VA_ID, id);
	nla_put_u64(msg, DMO_VA_SECTORS, 20480);
	nla_put_u32(msg, DMO_VA_LBS, 512);
	nla_put_u32(msg, DMO_VA_ACTIVE, 1);
	nla_put_string(msg, DMO_VA_DM_NAME, "data");
	nla_nest_end(msg, v);
}

static void put_session(struct nl_msg *msg, uint32_t role, const char *label)
{
	static const uint8_t uuid[16] = { 0x8f, 0x3c, 3, 4, 5, 6, 7, 8, 9, 10 };
	struct dmo_uapi_cut cut = { 2, 17 };
	struct nlattr *nest;

	nla_put(msg, DMO_A_UUID, sizeof(uuid), uuid);
	nla_put_string(msg, DMO_A_LABEL, label);
	nla_put_string(msg, DMO_A_META_NAME, "no-such-device");
	nla_put_u32(msg, DMO_A_ROLE, role);
	nla_put_u32(msg, DMO_A_STATE, DMO_STATE_DISCONNECTED);
	nla_put_u32(msg, DMO_A_FLAGS, DMO_F_PLAIN | DMO_F_INCONSISTENT);
	nla_put_u32(msg, DMO_A_CYCLE_MS, 1000);
	nla_put_u32(msg, DMO_A_BUDGET_MIB, 256);
	nla_put_u64(msg, DMO_A_SEQ, 18);
	nla_put(msg, DMO_A_CUT, sizeof(cut), &cut);
	nla_put(msg, DMO_A_CUT_RESTORED, sizeof(cut), &cut);
	nla_put_u64(msg, DMO_A_LAG_MS, 1500);
	nla_put_u32(msg, DMO_A_BLOCK, DMO_BLOCK_NO_LINK);
	nla_put_u64(msg, DMO_A_BLOCK_MS, 61000);
	nla_put_string(msg, DMO_A_REASON, "peer said: \x1b[31mno\t\n");
	nla_put_u64(msg, DMO_A_ACTIVATION, 0xabcdef);
	if (role == DMO_ROLE_PRIMARY) {
		nest = nla_nest_start(msg, DMO_A_CHUNK_ACTIVE);
		nla_put_u32(msg, DMO_CA_STATE, DMO_CHUNK_ACTIVE);
		nla_put_u64(msg, DMO_CA_SLOTS, 5);
		nla_put_u64(msg, DMO_CA_BYTES, 20480);
		nla_nest_end(msg, nest);
	}
	nest = nla_nest_start(msg, DMO_A_VOLUMES);
	put_volume(msg, 1);
	nla_nest_end(msg, nest);
}

static void add(struct ord_sessions *list, uint32_t minor, uint32_t role, const char *label)
{
	struct nl_msg *msg = message(minor);

	put_session(msg, role, label);
	if (ord_nl_parse_session(nlmsg_hdr(msg), list))
		result("parse-session", false, "it is refused");
	nlmsg_free(msg);
}

static void two_sessions(struct ord_sessions *list)
{
	memset(list, 0, sizeof(*list));
	add(list, 1, DMO_ROLE_PRIMARY, "db");
	add(list, 2, DMO_ROLE_SECONDARY, "db");
}

static void test_sessions(void)
{
	struct ord_sessions list;
	struct ord_session *s;
	struct nlattr *nest;
	struct nl_msg *msg;

	two_sessions(&list);
	s = &list.v[0];
	CHECK("session-fields", list.nr == 2 && s->meta_major == 7 && s->meta_minor == 1 &&
	      s->role == DMO_ROLE_PRIMARY && s->cut.epoch == 2 && s->cut.n == 17 &&
	      s->active.slots == 5 && s->nr_volumes == 1 && s->volumes[0].sectors == 20480 &&
	      !strcmp(s->volumes[0].dm_name, "data"));
	CHECK("session-presence", ORD_HAS(s, DMO_A_CUT) && !ORD_HAS(s, DMO_A_CUT_COMMITTED) &&
	      !ORD_HAS(&list.v[1], DMO_A_CHUNK_ACTIVE));
	CHECK("session-text-is-harmless", !strcmp(s->reason, "peer said: ?[31mno??"));
	/* a second part of the last session */
	msg = message(2);
	nest = nla_nest_start(msg, DMO_A_VOLUMES);
	put_volume(msg, 2);
	nla_nest_end(msg, nest);
	CHECK("session-in-parts", !ord_nl_parse_session(nlmsg_hdr(msg), &list) && list.nr == 2 &&
	      list.v[1].nr_volumes == 2 && list.v[1].volumes[1].id == 2);
	nlmsg_free(msg);
	msg = nlmsg_alloc();
	genlmsg_put(msg, 0, 0, 30, 0, 0, DM_ORDERED_CMD_SESSION_GET, 1);
	CHECK("session-without-device-refused", ord_nl_parse_session(nlmsg_hdr(msg), &list) < 0);
	nlmsg_free(msg);
	msg = message(3);
	nla_put_u32(msg, DMO_A_UUID, 1);
	CHECK("session-short-uuid-refused", ord_nl_parse_session(nlmsg_hdr(msg), &list) < 0);
	nlmsg_free(msg);
	ord_sessions_free(&list);
}

static int some_event(struct ord_event *ev)
{
	struct nl_msg *msg = message(1);
	struct dmo_uapi_cut cut = { 0, 9 };
	int rc;

	nla_put_u32(msg, DMO_A_EVENT, DMO_EVENT_COMMIT);
	nla_put(msg, DMO_A_CUT, sizeof(cut), &cut);
	rc = ord_nl_parse_event(nlmsg_hdr(msg), ev);
	nlmsg_free(msg);
	return rc;
}

static void test_events(void)
{
	struct nl_msg *msg = message(1);
	struct ord_event ev;

	CHECK("event-without-kind-refused", ord_nl_parse_event(nlmsg_hdr(msg), &ev) < 0);
	nlmsg_free(msg);
	CHECK("event-fields", !some_event(&ev) && ev.event == DMO_EVENT_COMMIT &&
	      ev.cut.n == 9 && ORD_HAS(&ev, DMO_A_CUT) && !ORD_HAS(&ev, DMO_A_SEQ));
}

/* -- verdicts -------------------------------------------------------------- */

#define HAS(a)	(1ULL << (a))

static bool says(const struct ord_session *s, uint64_t max_lag_ms, enum ord_verdict_level level,
		 const char *line, const char *why)
{
	struct ord_verdict v;

	ord_verdict_of(s, max_lag_ms, &v);
	if (v.level == level && strstr(v.line, line) && strstr(v.why, why))
		return true;
	printf("note %d \"%s\" \"%s\"\n", v.level, v.line, v.why);
	return false;
}

static void test_primary_verdicts(void)
{
	struct ord_session s = {
		.has = HAS(DMO_A_LAG_MS) | HAS(DMO_A_CHUNK_ACTIVE) | HAS(DMO_A_CHUNK_MAX) |
		       HAS(DMO_A_PEER_CONDITION),
		.label = "db", .role = DMO_ROLE_PRIMARY, .state = DMO_STATE_REPLICATING,
		.link_state = DMO_LINK_UP, .link_peer = "10.0.0.2:7788", .lag_ms = 1200,
		.chunk_max = 10 << 20,
	};
	struct ord_session t;

	CHECK("verdict-good", says(&s, 0, ORD_V_OK,
	      "db  primary -> 10.0.0.2:7788  replicating  RPO 1.20 s  OK", "") && !ord_verdict_fits(&s));
	CHECK("verdict-lag", says(&s, 2000, ORD_V_OK, "OK", "") &&
	      says(&s, 1000, ORD_V_CRITICAL, "CRITICAL", "RPO is 1.20 s, at most 1.00 s"));
	t = s;
	t.peer_condition = DMO_COND_RESTORE_ERROR;
	t.peer_condition_ms = 5000;
	CHECK("verdict-peer-fails", says(&t, 0, ORD_V_CRITICAL, "CRITICAL", "nothing is restored, for 5.00 s"));
	t.peer_condition = DMO_COND_JOURNAL;
	CHECK("verdict-peer-full", says(&t, 0, ORD_V_WARNING, "WARNING", "nearly full"));
	t = s;
	t.active.bytes = 8 << 20;
	CHECK("verdict-80-percent", says(&t, 0, ORD_V_WARNING, "WARNING", "10.0 MiB fit its journal, 8.00 MiB"));
	t.active.bytes = 12 << 20;
	t.link_state = DMO_LINK_NONE;
	t.state = DMO_STATE_DISCONNECTED;
	CHECK("verdict-no-link", says(&t, 0, ORD_V_CRITICAL, "disconnected", "no link") &&
	      strstr(ord_verdict_fits(&t), "12.0 MiB collected: the next link makes it INCONSISTENT"));
	t.has &= ~HAS(DMO_A_CHUNK_MAX);
	CHECK("verdict-fits-unknown", strstr(ord_verdict_fits(&t), "not known before the first link"));
	t = s;
	t.has &= ~HAS(DMO_A_LAG_MS);
	t.flags = DMO_F_NO_COPY;
	t.state = DMO_STATE_COPYING;
	t.copy_total = 100 << 20;
	t.copy_left = 75 << 20;
	t.copy_ms = 5000;
	CHECK("verdict-copy", says(&t, 0, ORD_V_WARNING, "RPO all of it: no copy yet",
	      "copy 25 %, 5.00 MiB/s, 15.00 s left") && says(&t, 1000, ORD_V_CRITICAL, "", "all of it"));
	t.copy_left = t.copy_total + 1;
	CHECK("progress-nonsense", !ord_progress_text(&t));
	t.state = DMO_STATE_BUSY;
	t.role = DMO_ROLE_SECONDARY;
	t.restore_left = 10 << 20;
	t.restore_total = 40 << 20;
	t.restore_ms = 3000;
	CHECK("progress-promotion", says(&t, 0, ORD_V_WARNING, "busy", "restore 75 %, 10.0 MiB/s, 1.00 s left"));
	t.state = DMO_STATE_REPLICATING;
	t.restore_ms = 300;
	CHECK("progress-short", !ord_progress_text(&t));
	t.role = DMO_ROLE_PRIMARY;
	t.restore_ms = 0;
	t.state = DMO_STATE_BUSY;
	CHECK("verdict-busy", says(&t, 0, ORD_V_WARNING, "busy  not known", ""));
}

static void test_secondary_verdicts(void)
{
	struct ord_session s = {
		.label = "db", .role = DMO_ROLE_SECONDARY, .state = DMO_STATE_DISCONNECTED,
		.cut_complete = { 2, 7 }, .cut_restored = { 2, 7 },
		.cut_time_ns = ord_wall_ns() - 90000000000ULL,
	};

	CHECK("verdict-promotable", says(&s, 0, ORD_V_CRITICAL, "loses what was written in the last 1 min 30 s"
	      " (orderedctl promote db)", "no link"));
	s.flags = DMO_F_INCONSISTENT;
	CHECK("verdict-not-promotable", says(&s, 0, ORD_V_CRITICAL, "NOT promotable", "no point in time"));
	s.link_state = DMO_LINK_UP;
	s.state = DMO_STATE_COPYING;
	CHECK("verdict-being-copied", says(&s, 0, ORD_V_WARNING, "NOT promotable", "a copy has not ended"));
}

/* An NLMSG_ERROR as the kernel makes it, capped or with the whole request. */
static bool extack(bool capped, const char *want)
{
	struct {
		struct nlmsghdr h;
		struct nlmsgerr e;
		char rest[256];
	} m = { 0 };
	size_t len = sizeof(m.h) + sizeof(m.e), text_len = strlen(want) + 1;
	struct nlattr *a;
	char text[64];

	m.h.nlmsg_type = NLMSG_ERROR;
	m.h.nlmsg_flags = NLM_F_ACK_TLVS | (capped ? NLM_F_CAPPED : 0);
	m.e.error = -EINVAL;
	m.e.msg.nlmsg_len = sizeof(struct nlmsghdr) + 20;
	if (!capped)
		len += 20;
	a = (struct nlattr *)((char *)&m + len);
	a->nla_type = NLMSGERR_ATTR_MSG;
	a->nla_len = (unsigned short)(NLA_HDRLEN + text_len);
	memcpy((char *)a + NLA_HDRLEN, want, text_len);
	m.h.nlmsg_len = (unsigned int)(len + NLA_ALIGN(a->nla_len));
	return ord_nl_parse_extack(&m.h, text, sizeof(text)) && !strcmp(text, want);
}

static void test_extack(void)
{
	struct nlmsghdr h = { .nlmsg_len = sizeof(h), .nlmsg_type = NLMSG_ERROR,
			      .nlmsg_flags = NLM_F_ACK_TLVS };
	char text[64];

	CHECK("extack-capped", extack(true, "cycle_ms is 0"));
	CHECK("extack-whole-request", extack(false, "no such session"));
	CHECK("extack-too-short", !ord_nl_parse_extack(&h, text, sizeof(text)));
	h.nlmsg_flags = 0;
	CHECK("extack-absent", !ord_nl_parse_extack(&h, text, sizeof(text)));
}

/* -- images ---------------------------------------------------------------- */

static void put_block(int fd, u64 block, const void *buf)
{
	if (pwrite(fd, buf, DMO_BLOCK, (off_t)(block * DMO_BLOCK)) != DMO_BLOCK)
		exit(1);
}

static void put_rec(int fd, const struct dmo_super *sb, struct dmo_jpos *at, struct dmo_rec *rec,
		    u8 *hdr)
{
	rec->seq = at->seq++;
	rec->prev_csum = at->prev_csum;
	dmo_rec_encode(rec, sb->uuid, hdr);
	at->prev_csum = rec->csum;
	put_block(fd, sb->journal_start + at->pos++, hdr);
}

static void put_chunk(int fd, const struct dmo_super *sb, struct dmo_jpos *at, u64 n, bool torn)
{
	static u8 hdr[DMO_BLOCK], data[DMO_BLOCK];
	struct dmo_desc *d = ((struct dmo_disk_rec *)hdr)->desc;
	struct dmo_rec rec = { .type = DMO_REC_DATA, .nr_desc = 2, .nr_blocks = 2 };
	u32 i, csum;

	for (i = 0; i < 2; i++) {
		memset(data, (int)(n + i), sizeof(data));
		memset(&d[i], 0, sizeof(d[i]));
		d[i].volume = cpu_to_le32(sb->volumes[0].id);
		d[i].type = DMO_DESC_DATA;
		d[i].mask = DMO_FULL_MASK;
		d[i].block = cpu_to_le64(i);
		d[i].len = cpu_to_le32(hweight8(d[i].mask) * 512);
		d[i].csum = cpu_to_le32(dmo_mask_csum(data, DMO_FULL_MASK));
		if (torn && i)
			data[77] ^= 1;
		put_block(fd, sb->journal_start + at->pos + 1 + i, data);
	}
	csum = dmo_crc(0, d, 2 * sizeof(*d));
	put_rec(fd, sb, at, &rec, hdr);
	at->pos += 2;
	memset(&rec, 0, sizeof(rec));
	rec.type = DMO_REC_LAST;
	rec.tag.n = n;
	rec.time_ns = 1700000000000000000ULL;
	rec.total_records = 1;
	rec.total_desc = 2;
	rec.total_csum = csum;
	put_rec(fd, sb, at, &rec, hdr);
}

static int edit_image(const char *path, u32 version)
{
	static u8 buf[DMO_SB_BYTES];
	struct dmo_reason why;
	static struct ord_metafile m;
	struct dmo_jpos at;
	struct dmo_super *sb;
	struct dmo_rec rec = { .type = DMO_REC_COMMIT, .tag.n = 7 };

	if (ord_metafile_open(&m, path, O_RDWR, &why) || m.chosen < 0 || m.st_chosen < 0)
		return 1;
	sb = &m.sb[m.chosen];
	if (version) {
		dmo_super_encode(sb, buf);
		((struct dmo_disk_super *)buf)->version = cpu_to_le32(version);
		((struct dmo_disk_super *)buf)->csum = 0;
		((struct dmo_disk_super *)buf)->csum = cpu_to_le32(dmo_crc(0, buf, sizeof(buf)));
		return pwrite(m.fd, buf, sizeof(buf), DMO_SB_BLOCK1 * DMO_BLOCK) < 0;
	}
	at.pos = m.st[m.st_chosen].tail;
	at.seq = m.st[m.st_chosen].tail_seq;
	at.prev_csum = m.st[m.st_chosen].tail_prev_csum;
	put_chunk(m.fd, sb, &at, 7, false);
	put_rec(m.fd, sb, &at, &rec, buf);
	put_chunk(m.fd, sb, &at, 8, false);
	put_chunk(m.fd, sb, &at, 9, true);
	ord_metafile_close(&m);
	return 0;
}

int main(int argc, char **argv)
{
	struct ord_sessions list;
	struct ord_session *s;
	struct ord_event ev;

	if (argc == 3 && !strcmp(argv[1], "journal"))
		return edit_image(argv[2], 0);
	if (argc == 3 && !strcmp(argv[1], "newer"))
		return edit_image(argv[2], DMO_FORMAT_VERSION + 1);
	if (argc == 3 && !strcmp(argv[1], "older"))
		return edit_image(argv[2], DMO_FORMAT_VERSION - 1);
	if (argc == 3 && !strcmp(argv[1], "print")) {
		two_sessions(&list);
		if (!strcmp(argv[2], "json"))
			ctl_print_json(&list);
		else if (!strcmp(argv[2], "dump"))
			ctl_print_dump(&list);
		else
			ctl_print_pretty(&list);
		ord_sessions_free(&list);
		return 0;
	}
	if (argc == 3 && !strcmp(argv[1], "event")) {
		bool json = !strcmp(argv[2], "json");

		some_event(&ev);
		ctl_print_event(1700000000123456789ULL, &ev, json);
		ctl_print_event(1700000000123456789ULL, NULL, json);
		return 0;
	}
	if (argc == 3 && !strcmp(argv[1], "pick")) {
		two_sessions(&list);
		s = ctl_session_pick(&list, argv[2]);
		if (s)
			printf("%s\n", ord_fmt_dev(s->meta_major, s->meta_minor));
		ord_sessions_free(&list);
		return !s;
	}
	test_numbers();
	test_addresses();
	if (argc == 3 && !strcmp(argv[1], "unit"))
		test_sockets(argv[2]);
	test_sessions();
	test_events();
	test_extack();
	test_primary_verdicts();
	test_secondary_verdicts();
	return failed;
}
