// SPDX-License-Identifier: GPL-2.0-only
/*
 * orderedctl's inner parts with made-up input, for test_ctl.sh:
 *   ctl_model              parsers of numbers, netlink messages, extended acks, addresses;
 *                          a line "ok NAME" or "FAILED NAME: WHY" each
 *   ctl_model print HOW    two sessions, through the real parser and printer
 *   ctl_model pick TEXT    look-up among them; prints the metadata device
 *   ctl_model journal IMG  writes chunks 0.7 (committed), 0.8 and a torn 0.9 into a
 *                          freshly formatted image
 *   ctl_model newer IMG    makes both superblock copies those of a newer format
 */
#include "ondisk.h"
#include "jscan.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>
#include <unistd.h>

#include "lookup.h"
#include "metafile.h"
#include "model.h"
#include "nl.h"
#include "print.h"
#include "sock.h"
#include "util.h"

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

	return !ord_size(text, &v) && v == want;
}

static bool size_bad(const char *text)
{
	uint64_t v;

	return ord_size(text, &v) != 0;
}

static void test_numbers(void)
{
	uint8_t u[16];

	CHECK("size-bytes", size_is("4096", 4096));
	CHECK("size-sectors", size_is("2049s", 2049 * 512));
	CHECK("size-suffixes", size_is("1k", 1024) && size_is("1K", 1024) &&
	      size_is("3M", 3 << 20) && size_is("2GiB", 2ULL << 30) &&
	      size_is("64T", 64ULL << 40));
	CHECK("size-refused", size_bad("") && size_bad("-1") && size_bad("1X") &&
	      size_bad("1GG") && size_bad(" 1") && size_bad("99999999999999999999") &&
	      size_bad("16777216T") && size_bad("1.5G") && size_bad("1Mi"));
	CHECK("size-exact-text", !strcmp(fmt_size_exact(10ULL << 30), "10G") &&
	      !strcmp(fmt_size_exact(1049088), "2049s") && !strcmp(fmt_size_exact(513), "513"));
	CHECK("uuid-both-ways", !ord_uuid_parse("8F3c0000-1111-2222-3333-0123456789aB", u) &&
	      !strcmp(fmt_uuid(u), "8f3c0000-1111-2222-3333-0123456789ab"));
	CHECK("uuid-refused", ord_uuid_parse("8f3c0000-1111-2222-3333-0123456789a", u) &&
	      ord_uuid_parse("8f3c0000-1111-2222-3333-0123456789abc", u) &&
	      ord_uuid_parse("8f3c00001111222233330123456789ab", u) && ord_uuid_parse("", u));
	CHECK("units", !strcmp(fmt_bytes(1023), "1023 bytes") &&
	      !strcmp(fmt_bytes(1536), "1.50 KiB") && !strcmp(fmt_ms(999), "999 ms") &&
	      !strcmp(fmt_ms(61000), "1 min 1 s") && !strcmp(fmt_ms(7260000), "2 h 1 min"));
	CHECK("time", !strcmp(fmt_time(1700000000123456789ULL), "2023-11-14T22:13:20.123Z"));
	CHECK("unknown-names", !strcmp(ord_block_name(99), "unknown-99") &&
	      !strcmp(ord_role_name(0), "unknown-0") && *ord_block_remedy(99));
}

/* -- addresses ------------------------------------------------------------- */

static bool addr(const char *text, bool any, const char *host, const char *port)
{
	char why[SOCK_WHY_LEN];
	struct endpoint ep;

	return !sock_parse(&ep, text, any, why) && !strcmp(ep.host, host) &&
	       !strcmp(ep.port, port);
}

static bool addr_bad(const char *text, bool any)
{
	char why[SOCK_WHY_LEN] = "";
	struct endpoint ep;

	return sock_parse(&ep, text, any, why) && *why;
}

static void test_addresses(void)
{
	char why[SOCK_WHY_LEN];
	struct endpoint ep;

	CHECK("address-host-port", addr("host.example:7788", false, "host.example", "7788"));
	CHECK("address-ipv6", addr("[fe80::1]:7788", false, "fe80::1", "7788"));
	CHECK("address-port-only", addr("7788", true, "", "7788") && addr(":1", true, "", "1"));
	CHECK("address-unix", !sock_parse(&ep, "unix:/run/x", false, why) && ep.is_unix &&
	      !strcmp(ep.path, "/run/x"));
	CHECK("address-refused", addr_bad("7788", false) && addr_bad("h:0", false) &&
	      addr_bad("h:65536", false) && addr_bad("h:", false) && addr_bad("h:-1", false) &&
	      addr_bad("fe80::1:7788", false) && addr_bad("unix:rel", false) && addr_bad("", true));
}

/* -- sockets --------------------------------------------------------------- */

static void test_sockets(const char *dir)
{
	char why[SOCK_WHY_LEN] = "", text[256];
	struct endpoint ep;
	int l, c, a;

	snprintf(text, sizeof(text), "unix:%s/sock", dir);
	CHECK("unix-parse", !sock_parse(&ep, text, true, why));
	l = sock_listen(&ep, why);
	c = sock_connect(&ep, ord_mono_ms() + 2000, why);
	a = l >= 0 ? sock_accept(l, ord_mono_ms() + 2000, why) : -1;
	CHECK("unix-connects", l >= 0 && c >= 0 && a >= 0);
	close(c);
	close(a);
	CHECK("unix-busy-refused", sock_listen(&ep, why) < 0 && strstr(why, "in use"));
	close(l);
	l = sock_listen(&ep, why);
	CHECK("unix-stale-replaced", l >= 0);
	CHECK("accept-times-out", sock_accept(l, ord_mono_ms() + 50, why) == -ETIMEDOUT);
	close(l);
	unlink(ep.path);
	CHECK("connect-refused-says-why", sock_connect(&ep, ord_mono_ms() + 500, why) < 0 &&
	      strstr(why, ep.text));
	sock_parse(&ep, "127.0.0.1:47788", true, why);
	l = sock_listen(&ep, why);
	c = sock_connect(&ep, ord_mono_ms() + 2000, why);
	a = l >= 0 ? sock_accept(l, ord_mono_ms() + 2000, why) : -1;
	CHECK("tcp-connects", l >= 0 && c >= 0 && a >= 0);
	close(c);
	close(a);
	close(l);
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
	nla_put_u64(msg, DMO_A_GENERATION, 0xabcdef);
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
	if (knl_parse_session(nlmsg_hdr(msg), list))
		result("parse-session", false, knl_why());
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
	CHECK("session-in-parts", !knl_parse_session(nlmsg_hdr(msg), &list) && list.nr == 2 &&
	      list.v[1].nr_volumes == 2 && list.v[1].volumes[1].id == 2);
	nlmsg_free(msg);
	msg = nlmsg_alloc();
	genlmsg_put(msg, 0, 0, 30, 0, 0, DM_ORDERED_CMD_SESSION_GET, 1);
	CHECK("session-without-device-refused", knl_parse_session(nlmsg_hdr(msg), &list) < 0);
	nlmsg_free(msg);
	msg = message(3);
	nla_put_u32(msg, DMO_A_UUID, 1);
	CHECK("session-short-uuid-refused", knl_parse_session(nlmsg_hdr(msg), &list) < 0);
	nlmsg_free(msg);
	ord_sessions_free(&list);
}

static void test_events(void)
{
	struct nl_msg *msg = message(1);
	struct dmo_uapi_cut cut = { 0, 9 };
	struct ord_event ev;

	CHECK("event-without-kind-refused", knl_parse_event(nlmsg_hdr(msg), &ev) < 0);
	nla_put_u32(msg, DMO_A_EVENT, DMO_EVENT_COMMIT);
	nla_put(msg, DMO_A_CUT, sizeof(cut), &cut);
	CHECK("event-fields", !knl_parse_event(nlmsg_hdr(msg), &ev) &&
	      ev.event == DMO_EVENT_COMMIT && ev.cut.n == 9 && ORD_HAS(&ev, DMO_A_CUT) &&
	      !ORD_HAS(&ev, DMO_A_SEQ));
	nlmsg_free(msg);
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
	return knl_parse_extack(&m.h, text, sizeof(text)) && !strcmp(text, want);
}

static void test_extack(void)
{
	struct nlmsghdr h = { .nlmsg_len = sizeof(h), .nlmsg_type = NLMSG_ERROR,
			      .nlmsg_flags = NLM_F_ACK_TLVS };
	char text[64];

	CHECK("extack-capped", extack(true, "cycle_ms is 0"));
	CHECK("extack-whole-request", extack(false, "no such session"));
	CHECK("extack-too-short", !knl_parse_extack(&h, text, sizeof(text)));
	h.nlmsg_flags = 0;
	CHECK("extack-absent", !knl_parse_extack(&h, text, sizeof(text)));
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
		d[i].count = cpu_to_le32(1);
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

static int edit_image(const char *path, bool newer)
{
	static u8 buf[DMO_SB_BYTES];
	char why[DMO_REASON_LEN];
	static struct metafile m;
	struct dmo_jpos at;
	struct dmo_super *sb;
	struct dmo_rec rec = { .type = DMO_REC_COMMIT, .tag.n = 7 };

	if (metafile_open(&m, path, O_RDWR, why) || m.chosen < 0 || m.st_chosen < 0)
		return 1;
	sb = &m.sb[m.chosen];
	if (newer) {
		dmo_super_encode(sb, buf);
		((struct dmo_disk_super *)buf)->version = cpu_to_le32(DMO_FORMAT_VERSION + 1);
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
	metafile_close(&m);
	return 0;
}

int main(int argc, char **argv)
{
	struct ord_sessions list;
	struct ord_session *s;

	if (argc == 3 && !strcmp(argv[1], "journal"))
		return edit_image(argv[2], false);
	if (argc == 3 && !strcmp(argv[1], "newer"))
		return edit_image(argv[2], true);
	if (argc == 3 && !strcmp(argv[1], "print")) {
		two_sessions(&list);
		if (!strcmp(argv[2], "json"))
			print_json(&list);
		else if (!strcmp(argv[2], "dump"))
			print_dump(&list);
		else
			print_pretty(&list);
		ord_sessions_free(&list);
		return 0;
	}
	if (argc == 3 && !strcmp(argv[1], "pick")) {
		two_sessions(&list);
		s = lookup_pick(&list, argv[2]);
		if (s)
			printf("%s\n", fmt_dev(s->meta_major, s->meta_minor));
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
	return failed;
}
