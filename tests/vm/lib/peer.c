// SPDX-License-Identifier: GPL-2.0-only
/*
 * dmopeer: a hostile peer. Speaks the wire protocol, wrongly, to a live kernel over a socket pair.
 *
 *   dmopeer META cases		every kind of wrong byte once; META's role decides which side is played
 *   dmopeer META fuzz N SEED VOLUME	N mutations of a good conversation; META's role decides which side is
 *	played, VOLUME is its volume 1, which is written to if that is a primary
 *   dmopeer META pending		a primary that has a full copy due and says nothing more, until killed
 *   dmopeer META hang KIND	a peer that hangs, until killed: silent (from the beginning), mute (it reads), dead (no
 *				more), deaf (it does not read, but says PING), aimless (reads and says PING, never answers)
 *
 * Each case ends with the link gone, the reason in the session's status, the boundary what it was, and (at
 * a secondary) no INCONSISTENT. Volume 1 must have at least 16 blocks.
 */
#define _GNU_SOURCE
#include "kcompat.h"
#include <fcntl.h>
#include <poll.h>
#include <regex.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include "genl.h"
#include "format/wire.h"

#define MAX_FRAME	(DMO_WIRE_HDR + DMO_WIRE_MAX_PAYLOAD + DMO_WIRE_MAX_DATA)
#define TIMEOUT_MS	800

static u32 major_nr, minor_nr;
static struct genl_answer answer;
static u64 rng;

/* one conversation */
static int sock;
static u64 number;
static struct dmo_hello theirs, ours;
static struct dmo_cut tag;
static u64 frames, first;		/* DATA on the link; the chunk's first */
static u64 records, descs;
static u32 csum;
static u8 frame[MAX_FRAME], payload[DMO_WIRE_MAX_PAYLOAD + 64], data[64 * DMO_BLOCK];
static size_t frame_len;
static char words[DMO_REASON_LEN];	/* what the kernel said in REFUSE or FAIL */
static struct dmo_wire_hdr heard;	/* of the kernel's last frame */
static u8 *record_to;			/* fuzz: frames go here instead */
static size_t record_len;

static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("dmopeer: ");
	vprintf(fmt, ap);
	printf("\n");
	va_end(ap);
	fflush(stdout);
	_exit(1);
}

static u64 now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000 + (u64)t.tv_nsec / 1000000;
}

static u64 rnd(void)
{
	u64 z = rng += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

/* ---- the session in this kernel ---- */

static void get_status(void)
{
	struct genl_msg m;

	genl_command(&m, DM_ORDERED_CMD_SESSION_GET, major_nr, minor_nr);
	if (genl_talk(&m, &answer))
		die("no status: %s", answer.text);
}

static const char *reason(void)
{
	const char *r = genl_find(answer.attrs, answer.len, DMO_A_REASON, NULL);

	return r ? r : "";
}

static void attach(void)
{
	struct genl_msg m;
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv))
		die("socketpair: %s", strerror(errno));
	genl_command(&m, DM_ORDERED_CMD_SET, major_nr, minor_nr);	/* after a disconnect */
	genl_put(&m, DMO_A_LINK_WANTED, "", 0);
	genl_talk(&m, &answer);
	genl_command(&m, DM_ORDERED_CMD_LINK_ATTACH, major_nr, minor_nr);
	genl_put32(&m, DMO_A_LINK_FD, (u32)sv[1]);
	genl_put32(&m, DMO_A_LINK_TIMEOUT_MS, TIMEOUT_MS);
	if (genl_talk(&m, &answer))
		die("the kernel takes no link: %s", answer.text);
	close(sv[1]);
	sock = sv[0];
	number = 0;
	frames = 0;
	first = 0;
	records = 0;
	descs = 0;
	csum = 0;
	words[0] = '\0';
}

static void wait_gone(const char *what)
{
	u64 end = now_ms() + 15000;

	for (;;) {
		get_status();
		if (genl_get32(&answer, DMO_A_LINK_STATE) == DMO_LINK_NONE)
			return;
		if (now_ms() > end)
			die("%s: the link is there still after 15 s", what);
		usleep(1000);
	}
}

/* ---- frames ---- */

static void send_raw(const void *buf, size_t len)
{
	const u8 *p = buf;

	if (record_to) {
		memcpy(record_to + record_len, buf, len);
		record_len += len;
		return;
	}
	while (len) {
		ssize_t n = send(sock, p, len, MSG_NOSIGNAL);

		if (n <= 0)
			return;		/* the kernel has hung up: so be it */
		p += n;
		len -= (size_t)n;
	}
}

static bool read_raw(void *buf, size_t len)
{
	struct pollfd p = { .fd = sock, .events = POLLIN };
	u8 *to = buf;

	while (len) {
		ssize_t n;

		if (poll(&p, 1, 10000) <= 0)
			die("the kernel says nothing for 10 s");
		n = recv(sock, to, len, 0);
		if (n <= 0)
			return false;
		to += n;
		len -= (size_t)n;
	}
	return true;
}

/* Next frame of the kernel's that isn't PING; 0: it hung up. REFUSE and FAIL are kept in @words. */
static u16 read_frame(void *body)
{
	static u8 skip[DMO_WIRE_MAX_DATA];
	struct dmo_wire_hdr h;

	do {
		if (!read_raw(&h, sizeof(h)) || !read_raw(body, le32_to_cpu(h.payload_len)) ||
		    !read_raw(skip, le32_to_cpu(h.data_len)))
			return 0;
		heard = h;
	} while (le16_to_cpu(h.type) == DMO_FRAME_PING);
	if (le16_to_cpu(h.type) == DMO_FRAME_REFUSE || le16_to_cpu(h.type) == DMO_FRAME_FAIL)
		snprintf(words, sizeof(words), "%.*s", (int)le32_to_cpu(h.payload_len), (char *)body);
	return le16_to_cpu(h.type);
}

static u16 await(u16 type)
{
	static u8 body[DMO_WIRE_MAX_PAYLOAD];
	u16 got;

	do {
		got = read_frame(body);
	} while (got && got != type);
	return got;
}

static struct dmo_wire_hdr *hdr(void)
{
	return (void *)frame;
}

static void build(u16 type, struct dmo_cut t, u64 arg, u32 plen, u32 dlen)
{
	struct dmo_frame_hdr h = {
		.type = type, .number = ++number, .payload_len = plen, .data_len = dlen, .tag = t, .arg = arg,
	};

	dmo_frame_encode(frame, &h, payload);
	memcpy(frame + DMO_WIRE_HDR, payload, plen);
	memcpy(frame + DMO_WIRE_HDR + plen, data, dlen);
	frame_len = DMO_WIRE_HDR + plen + dlen;
}

/* After a change by hand. */
static void fix_csum(u8 *f, size_t plen)
{
	struct dmo_wire_hdr *h = (void *)f;
	u32 c;

	h->csum = 0;
	c = dmo_crc(0, f, DMO_WIRE_HDR);
	if (plen)
		c = dmo_crc(c, f + DMO_WIRE_HDR, plen);
	h->csum = cpu_to_le32(c);
}

static void fix(void)
{
	fix_csum(frame, frame_len - DMO_WIRE_HDR < le32_to_cpu(hdr()->payload_len) ?
		 frame_len - DMO_WIRE_HDR : le32_to_cpu(hdr()->payload_len));
}

static void out(void)
{
	send_raw(frame, frame_len);
}

static void simple(u16 type, struct dmo_cut t, u64 arg)
{
	build(type, t, arg, 0, 0);
	out();
}

static struct dmo_desc *desc(u32 i)
{
	return (struct dmo_desc *)payload + i;
}

/* Descriptors of @nr blocks from @block of volume @v, whole, filled with @fill. */
static void make_data(u32 v, u64 block, u32 nr, int fill)
{
	u32 i;

	memset(data, fill, nr * DMO_BLOCK);
	for (i = 0; i < nr; i++) {
		*desc(i) = (struct dmo_desc){
			.volume = cpu_to_le32(v), .type = DMO_DESC_DATA, .mask = 0xff,
			.block = cpu_to_le64(block + i), .len = cpu_to_le32(DMO_BLOCK),
			.csum = cpu_to_le32(dmo_mask_csum(data, 0xff)),
		};
	}
}

/* A DATA frame of lengths that are for the caller to say. */
static void data_raw(u32 plen, u32 dlen)
{
	build(DMO_FRAME_DATA, tag, ++frames, plen, dlen);
}

static void data_frame(u16 type, u32 nr)
{
	u32 plen = nr * (u32)sizeof(struct dmo_desc);

	if (type != DMO_FRAME_DATA) {
		build(type, (struct dmo_cut){ 0 }, 0, plen, nr * DMO_BLOCK);
		return;
	}
	data_raw(plen, nr * DMO_BLOCK);
	if (!records++)
		first = frames;
	descs += nr;
	csum = dmo_crc(csum, payload, plen);
}

static void make_last(u32 flags)
{
	struct dmo_last l = {
		.time_ns = 1, .total_records = records, .total_desc = descs, .total_csum = csum, .flags = flags,
		.activation = dmo_line_newest(&ours.line), .first = first,
	};

	dmo_last_encode(&l, payload);
	build(DMO_FRAME_LAST, tag, 0, DMO_WIRE_LAST_LEN, 0);
	first = 0;
	records = 0;
	descs = 0;
	csum = 0;
}

/* of the frame that was built */
static struct dmo_wire_last *last_body(void)
{
	return (void *)(frame + DMO_WIRE_HDR);
}

static struct dmo_wire_hello *hello_body(void)
{
	return (void *)(frame + DMO_WIRE_HDR);
}

/* ---- handshake ---- */

/* The other side of what the kernel says of itself. */
static void read_hello(void)
{
	static u8 body[DMO_WIRE_MAX_PAYLOAD];
	struct dmo_reason why;

	if (read_frame(body) != DMO_FRAME_HELLO ||
	    dmo_hello_decode(body, le32_to_cpu(heard.payload_len), &theirs, &why))
		die("the kernel's first word is no good HELLO");
	ours = theirs;
	ours.role = theirs.role == DMO_ROLE_PRIMARY ? DMO_ROLE_SECONDARY : DMO_ROLE_PRIMARY;
	ours.flags = 0;
	ours.attach_id = 4711;
	if (!ours.line.nr)
		dmo_line_add(&ours.line, 4711);
	ours.peer = ours.role == DMO_ROLE_PRIMARY;
	ours.activation = ours.role == DMO_ROLE_PRIMARY ? 0 : dmo_line_newest(&ours.line);
	ours.copy_id = 42;
	ours.chunk_max = 1 << 20;
	tag = theirs.complete;
	if (++tag.n > 1ull << 62) {
		tag.n = 1;
		tag.epoch++;
	}
	if (!tag.epoch)
		tag.epoch = 1;
}

static void hello_frame(void)
{
	build(DMO_FRAME_HELLO, (struct dmo_cut){ 0 }, 0, dmo_hello_encode(&ours, payload), 0);
}

static void shake(void)
{
	read_hello();
	hello_frame();
	out();
	simple(DMO_FRAME_ACCEPT, (struct dmo_cut){ 0 }, 0);
	if (await(DMO_FRAME_ACCEPT) != DMO_FRAME_ACCEPT)
		die("a good handshake is refused: %s", words);
}

/* ---- cases: each sends something wrong behind the point it is for ---- */

static const struct dmo_cut no_cut;

/* instead of the handshake */
static void h_uuid(void) { ours.uuid[3] ^= 1; }
static void h_version(void) { ours.version_min = 3; ours.version_max = 9; }
static void h_versions(void) { ours.version_min = 3; ours.version_max = 1; }
static void h_features(void) { ours.needs = 8; ours.can = 8; }
static void h_needs(void) { ours.needs = 8; }
static void h_on(void) { ours.on = 8; }
static void h_same_role(void) { ours.role = theirs.role; ours.peer = theirs.peer; ours.activation = theirs.activation; }
static void h_bad_role(void) { ours.role = 7; }
static void h_diverged(void) { ours.line.nr = 1; ours.line.at[0].activation ^= 0x10; }
/* a primary's cannot be made so that it is of no other kind: it goes without what it does know */
static void h_newer(void)
{
	if (ours.role == DMO_ROLE_SECONDARY)
		dmo_line_add(&ours.line, 4712);
	else
		h_diverged();
}

static void h_line_twice(void) { dmo_line_add(&ours.line, dmo_line_newest(&ours.line)); }
static void h_line_zero(void) { dmo_line_add(&ours.line, 0); }
static void h_line_cut(void) { ours.line.at[0].cut.n = 1; }
static void h_peer(void) { ours.peer = ours.role == DMO_ROLE_PRIMARY ? DMO_MAX_PEERS + 1 : 1; }
/* asked only of primaries, as h_order() only of secondaries */
static void h_activation(void)
{
	if (ours.role == DMO_ROLE_PRIMARY)
		ours.activation = 5;
	else
		ours.role = 9;
}

static void h_lbs(void) { ours.volumes[0].lbs = 4096; }
static void h_odd_lbs(void) { ours.volumes[0].lbs = 1000; }
static void h_fewer(void) { ours.nr_volumes--; }
static void h_more(void) { ours.volumes[ours.nr_volumes] = ours.volumes[0]; ours.volumes[ours.nr_volumes++].id = 999; }
static void h_twice(void) { ours.volumes[ours.nr_volumes] = ours.volumes[0]; ours.nr_volumes++; }
static void h_id(void) { ours.volumes[0].id = 65536; }
static void h_tiny(void) { ours.volumes[0].sectors = 8; }
static void h_size(void)
{
	ours.volumes[0].sectors = ours.role == DMO_ROLE_PRIMARY ? theirs.volumes[0].sectors + 2048 :
								  theirs.volumes[0].sectors - 2048;
}

static void h_epoch(void) { ours.epoch = ~0ull; ours.complete.epoch = ~0ull; }
/* asked only of secondaries: a primary is then refused for what makes it one no more */
static void h_order(void)
{
	ours.committed = ours.complete;
	ours.committed.n += 5;
	if (ours.role == DMO_ROLE_PRIMARY)
		ours.role = 9;
}

static const struct hello_case {
	const char *name;
	void (*change)(void);
	const char *regex;
} hello_cases[] = {
	{ "other UUID", h_uuid, "session UUID is .* here, .* at the peer" },
	{ "other versions", h_version, "wire versions are 2 to 2 here, 3 to 9 at the peer" },
	{ "versions in the wrong order", h_versions, "versions are 3 to 1" },
	{ "unknown feature", h_features, "features needed are 0x0 here, 0x8 at the peer" },
	{ "a feature needed, and not known to who needs it", h_needs, "needed are 0x8, on are 0x0, known are only 0x0" },
	{ "a feature on, and not known", h_on, "needed are 0x0, on are 0x8, known are only 0x0" },
	{ "same role", h_same_role, "role is .* here and at the peer" },
	{ "no such role", h_bad_role, "role is 7" },
	{ "diverged line", h_diverged, "the data has diverged|the secondary's data is newer" },
	{ "a newer secondary", h_newer, "the secondary's data is newer|the data has diverged" },
	{ "an activation twice", h_line_twice, "line has activation [0-9a-f]* at 1, expected" },
	{ "activation 0", h_line_zero, "line has activation 0+ at 0, expected" },
	{ "an activation's cut", h_line_cut, "what was sent or cleared, or a reserved field, is not zero" },
	{ "no such peer", h_peer, "peer is (9, expected at most 8|1, expected at most 0)" },
	{ "boundaries of a primary", h_activation, "a primary has boundaries of activation 0+5|role is 9" },
	{ "other block size", h_lbs, "logical block size is" },
	{ "odd block size", h_odd_lbs, "logical block size is 1000" },
	{ "a volume less", h_fewer, "volume 2 is on the .* but not on the" },
	{ "a volume more", h_more, "volume 999 is on the .* but not on the" },
	{ "a volume twice", h_twice, "volume id 1 is there twice" },
	{ "volume id too large", h_id, "volume id is 65536" },
	{ "volume too small", h_tiny, "size is 8 sectors" },
	{ "other volume size", h_size, "sectors on the primary, only .* on the secondary" },
	{ "epoch at its end", h_epoch, "epoch" },
	{ "committed above the boundary", h_order, "committed .*expected none above|role is 9" },
};

/* frames, by the side that the kernel is: s, p or b(oth) */
static void f_magic(void) { simple(DMO_FRAME_PING, no_cut, 0); build(DMO_FRAME_PING, no_cut, 0, 0, 0); hdr()->magic ^= 1; fix(); out(); }
static void f_old(void) { build(DMO_FRAME_PING, no_cut, 0, 0, 0); hdr()->version = cpu_to_le16(1); fix(); out(); }
static void f_version(void) { build(DMO_FRAME_PING, no_cut, 0, 0, 0); hdr()->version = cpu_to_le16(3); fix(); out(); }
static void f_type(void) { build(DMO_FRAME_PING, no_cut, 0, 0, 0); hdr()->type = 77; fix(); out(); }
static void f_flags(void) { build(DMO_FRAME_PING, no_cut, 0, 0, 0); hdr()->flags = 4; fix(); out(); }
static void f_reserved(void) { build(DMO_FRAME_PING, no_cut, 0, 0, 0); hdr()->reserved[7] = 4; fix(); out(); }
static void f_epoch(void) { simple(DMO_FRAME_DROP, (struct dmo_cut){ ~0ull, 1 }, 0); }
static void f_tag(void) { simple(DMO_FRAME_PING, (struct dmo_cut){ 1, 7 }, 0); }
static void f_arg(void) { simple(DMO_FRAME_DROP, tag, 5); }
static void f_fence(void) { simple(DMO_FRAME_FENCE, no_cut, 0); }
static void f_fenced(void) { simple(DMO_FRAME_FENCED, no_cut, 0); }
static void f_gap(void) { number++; simple(DMO_FRAME_PING, no_cut, 0); }
static void f_repeat(void) { simple(DMO_FRAME_PING, no_cut, 0); out(); }
static void f_csum(void) { build(DMO_FRAME_PING, no_cut, 0, 0, 0); hdr()->csum ^= 1; out(); }
static void f_long(void) { make_data(1, 0, 1, 1); data_frame(DMO_FRAME_DATA, 1); hdr()->payload_len = 0xffffffff; fix_csum(frame, 24); out(); }
static void f_steps(void) { make_data(1, 0, 1, 1); data_frame(DMO_FRAME_DATA, 1); hdr()->payload_len = 25; out(); }
static void f_empty(void) { data_raw(0, 0); out(); }
static void f_ping_payload(void) { build(DMO_FRAME_PING, no_cut, 0, 8, 0); out(); }
static void f_ping_data(void) { build(DMO_FRAME_PING, no_cut, 0, 0, 512); out(); }
static void f_data_long(void) { make_data(1, 0, 1, 1); data_raw(24, 8192); out(); }
static void f_data_odd(void) { make_data(1, 0, 1, 1); data_raw(24, 1000); out(); }
static void f_hello(void) { hello_frame(); out(); }
static void f_accept(void) { simple(DMO_FRAME_ACCEPT, no_cut, 0); }
static void f_refuse(void) { strcpy((char *)payload, "go\033away"); build(DMO_FRAME_REFUSE, no_cut, 0, 7, 0); out(); }
static void f_fail(void) { memset(payload, 'x', 255); build(DMO_FRAME_FAIL, no_cut, 0, 255, 0); out(); }
static void f_fail_empty(void) { build(DMO_FRAME_FAIL, no_cut, 0, 0, 0); out(); }
static void f_half(void) { build(DMO_FRAME_PING, no_cut, 0, 0, 0); send_raw(frame, 30); shutdown(sock, SHUT_WR); }
static void f_close(void) { shutdown(sock, SHUT_WR); }
static void f_silence(void) { await(0); }

static void s_payload(void) { make_data(1, 0, 2, 1); data_frame(DMO_FRAME_DATA, 2); frame[DMO_WIRE_HDR + 30] ^= 4; out(); }
static void s_data(void) { make_data(1, 0, 2, 1); data_frame(DMO_FRAME_DATA, 2); frame[DMO_WIRE_HDR + 48 + 5000] ^= 4; out(); }
static void s_cut(void) { make_data(1, 0, 2, 1); data_frame(DMO_FRAME_DATA, 2); send_raw(frame, frame_len - 700); shutdown(sock, SHUT_WR); }
static void s_drip(void)
{
	make_data(1, 0, 2, 1);
	data_frame(DMO_FRAME_DATA, 2);
	send_raw(frame, 100);
	await(0);
}
static void one(void) { make_data(1, 0, 2, 1); }
static void s_volume(void) { one(); desc(1)->volume = cpu_to_le32(77); data_frame(DMO_FRAME_DATA, 2); out(); }
static void s_beyond(void) { one(); desc(1)->block = cpu_to_le64(theirs.volumes[0].sectors / 8); data_frame(DMO_FRAME_DATA, 2); out(); }
static void s_far(void) { one(); desc(1)->block = cpu_to_le64(~0ull); data_frame(DMO_FRAME_DATA, 2); out(); }
static void s_len(void) { one(); desc(1)->len = cpu_to_le32(512); data_frame(DMO_FRAME_DATA, 2); out(); }
static void s_mask(void) { one(); desc(1)->mask = 0; data_frame(DMO_FRAME_DATA, 2); out(); }
static void s_algo(void) { one(); desc(1)->algo = cpu_to_le16(1); data_frame(DMO_FRAME_DATA, 2); out(); }
static void s_dtype(void) { one(); desc(1)->type = 9; data_frame(DMO_FRAME_DATA, 2); out(); }
static void s_twice(void) { one(); *desc(1) = *desc(0); data_frame(DMO_FRAME_DATA, 2); out(); }
static void s_sum(void) { one(); data_raw(48, 4096); out(); }
static void s_number(void) { frames++; one(); data_frame(DMO_FRAME_DATA, 2); out(); }
static void s_number_again(void) { one(); data_frame(DMO_FRAME_DATA, 2); out(); frames--; data_frame(DMO_FRAME_DATA, 2); out(); }
static void s_tag(void) { one(); tag = theirs.complete; data_frame(DMO_FRAME_DATA, 2); out(); }
static void zero(u64 block, u64 count)
{
	*desc(0) = (struct dmo_desc){
		.volume = cpu_to_le32(1), .type = DMO_DESC_ZERO, .mask = 0xff,
		.block = cpu_to_le64(block), .count = cpu_to_le64(count),
	};
}
static void s_discard(void) { zero(0, 1); desc(0)->type = DMO_DESC_DISCARD; data_raw(24, 0); out(); }
static void s_zero_none(void) { zero(0, 0); data_raw(24, 0); out(); }
static void s_zero_huge(void) { zero(0, 1ull << 60); data_raw(24, 0); out(); }
static void s_zero_algo(void) { zero(0, 1); desc(0)->algo = cpu_to_le16(1); data_raw(24, 0); out(); }
static void s_zero_far(void) { zero(1, ~0u); data_raw(24, 0); out(); }
static void s_zero_wrap(void) { zero(~0ull - 3, 8); data_raw(24, 0); out(); }
static void s_zero_mask(void) { zero(0, 1); desc(0)->mask = 1; data_raw(24, 0); out(); }
static void s_overlap(void) { one(); zero(0, 8); make_data(1, 0, 0, 0); *desc(1) = *desc(0); desc(1)->block = cpu_to_le64(7); data_raw(48, 0); out(); }
static void good_data(void) { one(); data_frame(DMO_FRAME_DATA, 2); out(); }
static void s_records(void) { good_data(); records++; make_last(0); out(); }
static void s_descs(void) { good_data(); descs--; make_last(0); out(); }
static void s_total_csum(void) { good_data(); csum ^= 1; make_last(0); out(); }
static void s_last_flags(void) { good_data(); make_last(6); out(); }
static void s_last_old(void) { good_data(); tag = theirs.complete; make_last(0); out(); }
static void s_last_zero(void) { good_data(); tag = no_cut; make_last(0); out(); }
static void s_last_activation(void) { good_data(); make_last(0); last_body()->activation ^= cpu_to_le64(2); fix(); out(); }
static void s_last_nobody(void) { good_data(); make_last(0); last_body()->activation = 0; fix(); out(); }
static void s_last_links(void) { good_data(); make_last(0); last_body()->nr_links = cpu_to_le32(2); fix(); out(); }
static void s_last_link(void) { good_data(); make_last(0); last_body()->links[0].link = cpu_to_le32(1); fix(); out(); }
static void s_last_first(void) { good_data(); make_last(0); last_body()->links[0].first = cpu_to_le64(2); fix(); out(); }
static void s_last_no_first(void) { good_data(); make_last(0); last_body()->links[0].first = 0; fix(); out(); }
static void s_last_nr(void) { good_data(); make_last(0); last_body()->links[0].nr = cpu_to_le64(2); fix(); out(); }
static void s_last_reserved(void) { good_data(); make_last(0); last_body()->reserved = cpu_to_le32(3); fix(); out(); }
static void s_last_long(void)
{
	good_data();
	make_last(0);
	memcpy(payload + DMO_WIRE_LAST_LEN, payload + sizeof(struct dmo_wire_last), sizeof(struct dmo_wire_last_link));
	((struct dmo_wire_last *)payload)->nr_links = cpu_to_le32(2);
	number--;
	build(DMO_FRAME_LAST, tag, 0, DMO_WIRE_LAST_LEN + sizeof(struct dmo_wire_last_link), 0);
	out();
}

static void s_commit(void) { simple(DMO_FRAME_COMMIT, tag, 0); }
static void s_direct(void) { one(); data_frame(DMO_FRAME_DIRECT, 2); out(); }
static void s_sync(void) { simple(DMO_FRAME_SYNC, no_cut, 1); }
static void s_begin_zero(void) { simple(DMO_FRAME_DIRECT_BEGIN, no_cut, 0); }
static void s_complete(void) { simple(DMO_FRAME_COMPLETE, tag, 0); }
static void s_committed(void) { simple(DMO_FRAME_COMMITTED, tag, 0); }
static void s_restored(void) { simple(DMO_FRAME_RESTORED, tag, 0); }
static void s_dropped(void) { simple(DMO_FRAME_DROPPED, tag, 0); }
static void s_ready(void) { simple(DMO_FRAME_DIRECT_READY, no_cut, 5); }
static void s_condition(void) { simple(DMO_FRAME_CONDITION, no_cut, 1); }
static void s_synced(void) { simple(DMO_FRAME_SYNCED, no_cut, 5); }

static void p_condition(void) { simple(DMO_FRAME_CONDITION, no_cut, 99); }
static void p_commit(void) { simple(DMO_FRAME_COMMIT, tag, 0); }
static void p_last(void) { make_last(0); out(); }
static void p_drop(void) { simple(DMO_FRAME_DROP, tag, 0); }
static void p_begin(void) { simple(DMO_FRAME_DIRECT_BEGIN, no_cut, 5); }
static void p_sync(void) { simple(DMO_FRAME_SYNC, no_cut, 5); }
static struct dmo_cut far_cut(void) { return (struct dmo_cut){ 1ull << 40, 7 }; }
static void p_complete(void) { simple(DMO_FRAME_COMPLETE, far_cut(), 0); }
static void p_committed(void) { simple(DMO_FRAME_COMMITTED, far_cut(), 0); }
static void p_restored(void) { simple(DMO_FRAME_RESTORED, far_cut(), 0); }

static const struct frame_case {
	char side;
	const char *name;
	void (*play)(void);
	const char *regex;
} frame_cases[] = {
	{ 'b', "magic", f_magic, "magic is 0x" },
	{ 'b', "a frame of version 1", f_old, "wire version is 1, this side speaks 2: use the same release" },
	{ 'b', "a frame of a later version", f_version, "wire version is 3, this side speaks 2" },
	{ 'b', "unknown type", f_type, "type 77 is unknown" },
	{ 'b', "an epoch at its end", f_epoch, "epoch of the tag is 18446744073709551615" },
	{ 'b', "a tag on PING", f_tag, "tag is .1,7., argument 0, where it has none" },
	{ 'b', "an argument on DROP", f_arg, "argument 5, where it has none" },
	{ 'b', "FENCE", f_fence, "FENCE: of several links, a feature that is not on" },
	{ 'b', "FENCED", f_fenced, "FENCED: of several links, a feature that is not on" },
	{ 'b', "flags", f_flags, "flags are 0x4, expected 0" },
	{ 'b', "reserved bytes", f_reserved, "reserved bytes are not zero" },
	{ 'b', "number with a gap", f_gap, "number is 4, expected 3" },
	{ 'b', "number twice", f_repeat, "number is 3, expected 4" },
	{ 'b', "checksum of the header", f_csum, "checksum is 0x" },
	{ 'b', "payload of 4 GiB", f_long, "payload is 4294967295 bytes" },
	{ 'b', "payload of half a descriptor", f_steps, "payload is 25 bytes" },
	{ 'b', "no payload", f_empty, "payload is 0 bytes" },
	{ 'b', "payload where none belongs", f_ping_payload, "payload is 8 bytes, expected 0" },
	{ 'b', "data where none belongs", f_ping_data, "data is 512 bytes, expected at most 0" },
	{ 'b', "data longer than its descriptors", f_data_long, "data is 8192 bytes, expected at most 4096" },
	{ 'b', "data of no whole sector", f_data_odd, "data is 1000 bytes" },
	{ 'b', "a second HELLO", f_hello, "second HELLO" },
	{ 'b', "a second ACCEPT", f_accept, "ACCEPT out of order" },
	{ 'b', "REFUSE with an escape code", f_refuse, "refused by the peer: go.away" },
	{ 'b', "FAIL, as long as can be", f_fail, "the peer gave up: xxxx" },
	{ 'b', "FAIL without a text", f_fail_empty, "payload is 0 bytes, expected 1" },
	{ 'b', "half a header", f_half, "closed the connection in the midst of a frame" },
	{ 'b', "hung up", f_close, "the peer closed the connection" },
	{ 'b', "silence", f_silence, "nothing received for 8[0-9]* ms" },

	{ 's', "checksum of the payload", s_payload, "checksum is 0x" },
	{ 's', "checksum of the data", s_data, "volume 1, block 1: data checksum is 0x" },
	{ 's', "data cut short", s_cut, "in the midst of a frame" },
	{ 's', "data that never comes", s_drip, "nothing received for" },
	{ 's', "unknown volume", s_volume, "volume 77 is unknown" },
	{ 's', "block behind the end", s_beyond, "expected within its" },
	{ 's', "block beyond all", s_far, "beyond any device|expected within" },
	{ 's', "DATA of another length", s_len, "length of DATA is 512, expected 4096 of its mask 0xff" },
	{ 's', "DATA's number too high", s_number, "DATA: number on the link is 2, expected 1" },
	{ 's', "DATA's number twice", s_number_again, "DATA: number on the link is 1, expected 2" },
	{ 's', "DATA of a chunk that is complete", s_tag, "DATA: of chunk .*, expected one above the highest boundary" },
	{ 's', "DATA of no sector", s_mask, "mask of DATA is 0" },
	{ 's', "compressed DATA", s_algo, "compressed by algorithm 1, expected 0" },
	{ 's', "DISCARD", s_discard, "type is 3 .DISCARD., which needs a feature" },
	{ 's', "descriptor's type", s_dtype, "type is 9" },
	{ 's', "block twice", s_twice, "block 0 of volume 1 twice" },
	{ 's', "zeroes that overlap", s_overlap, "block 7 of volume 1 twice" },
	{ 's', "descriptors carry more than there is", s_sum, "4096 bytes of data, its descriptors carry 8192" },
	{ 's', "ZERO of no block", s_zero_none, "count of ZERO is 0" },
	{ 's', "ZERO of more than there can be", s_zero_huge, "no more than any device has" },
	{ 's', "compressed ZERO", s_zero_algo, "mask of ZERO is 0xff, algorithm 1, expected 0xff and 0" },
	{ 's', "ZERO behind the end", s_zero_far, "expected within its" },
	{ 's', "ZERO around the end of numbers", s_zero_wrap, "beyond any device|expected within its" },
	{ 's', "ZERO of a part", s_zero_mask, "mask of ZERO is 0x01" },
	{ 's', "LAST: frames", s_records, "LAST: totals are 2 frames.*received were 1" },
	{ 's', "LAST: descriptors", s_descs, "LAST: totals are 1 frames, 1 descriptors" },
	{ 's', "LAST: checksum", s_total_csum, "LAST: totals are" },
	{ 's', "LAST: flags", s_last_flags, "LAST: flags are 0x6" },
	{ 's', "LAST of another activation", s_last_activation, "LAST: activation is .*, HELLO said" },
	{ 's', "LAST of no activation", s_last_nobody, "LAST: activation is 0" },
	{ 's', "LAST of two links, one of them told", s_last_links, "number of links is 2, expected 1" },
	{ 's', "LAST of two links", s_last_long, "payload is 112 bytes, expected 88" },
	{ 's', "LAST of another link", s_last_link, "LAST: link is 1, reserved fields are 0x0 and 0x0" },
	{ 's', "LAST: reserved bytes", s_last_reserved, "LAST: link is 0, reserved fields are 0x3 and 0x0" },
	{ 's', "LAST: first frame", s_last_first, "DATA frames are 1 from 2 on the link, but the last that came was 1" },
	{ 's', "LAST: no first frame", s_last_no_first, "LAST: 1 frames from 0 on its only link" },
	{ 's', "LAST: frames of its link", s_last_nr, "LAST: 2 frames from 1 on its only link, expected the total of 1" },
	{ 's', "LAST of the boundary there is", s_last_old, "expected above the highest boundary" },
	{ 's', "LAST of cut 0", s_last_zero, "expected above the highest boundary" },
	{ 's', "COMMIT above the boundary", s_commit, "COMMIT: tag is .* but the highest boundary is" },
	{ 's', "DIRECT out of mode", s_direct, "DIRECT outside of direct mode" },
	{ 's', "SYNC out of mode", s_sync, "SYNC outside of direct mode" },
	{ 's', "DIRECT_BEGIN without an id", s_begin_zero, "copy id is 0" },
	{ 's', "COMPLETE", s_complete, "does not take COMPLETE" },
	{ 's', "COMMITTED", s_committed, "does not take COMMITTED" },
	{ 's', "RESTORED", s_restored, "does not take RESTORED" },
	{ 's', "DROPPED", s_dropped, "does not take DROPPED" },
	{ 's', "DIRECT_READY", s_ready, "does not take DIRECT_READY" },
	{ 's', "SYNCED", s_synced, "does not take SYNCED" },
	{ 's', "CONDITION", s_condition, "does not take CONDITION" },

	{ 'p', "DATA", good_data, "unexpected frame DATA|takes no data" },
	{ 'p', "LAST", p_last, "unexpected frame LAST" },
	{ 'p', "COMMIT", p_commit, "unexpected frame COMMIT" },
	{ 'p', "DROP", p_drop, "unexpected frame DROP" },
	{ 'p', "DIRECT_BEGIN", p_begin, "unexpected frame DIRECT_BEGIN" },
	{ 'p', "DIRECT", s_direct, "unexpected frame DIRECT|takes no data" },
	{ 'p', "SYNC", p_sync, "unexpected frame SYNC" },
	{ 'p', "COMPLETE of a cut never sent", p_complete, "COMPLETE.*(but the last cut sent is|nothing was asked)" },
	{ 'p', "COMMITTED of a cut never sent", p_committed, "COMMITTED.* is beyond" },
	{ 'p', "CONDITION that is none", p_condition, "condition is 99, expected at most 5" },
	{ 'p', "RESTORED of a cut never sent", p_restored, "RESTORED.* is beyond" },
};

/* before or instead of HELLO */
static void o_data(void) { one(); data_frame(DMO_FRAME_DATA, 2); out(); }
static void o_accept(void) { simple(DMO_FRAME_ACCEPT, no_cut, 0); }
static void o_ping(void) { simple(DMO_FRAME_PING, no_cut, 0); }
static void o_http(void) { send_raw("GET / HTTP/1.1\r\nHost: example.net\r\nAccept: everything there is, please\r\n\r\n", 75); }
static void o_close(void) { shutdown(sock, SHUT_WR); }
static void o_silence(void) { await(0); }
static void o_drip(void)
{
	size_t i;

	hello_frame();
	for (i = 0; i < frame_len; i++) {
		if (send(sock, frame + i, 1, MSG_NOSIGNAL) != 1)
			break;
		usleep(20000);
	}
}
static void o_no_accept(void) { hello_frame(); out(); await(0); }
static void o_data_early(void) { hello_frame(); out(); o_data(); }
static void o_long(void) { hello_frame(); hdr()->payload_len = cpu_to_le32(192 + 64 * 24 + 257 * 16); fix_csum(frame, 64); out(); }
static void o_nr(void) { hello_frame(); hello_body()->nr_volumes = cpu_to_le32(0xffffff); fix(); out(); }
static void o_nr_line(void) { hello_frame(); hello_body()->nr_line = cpu_to_le32(65); fix(); out(); }
static void o_short(void) { hello_frame(); hello_body()->nr_line = cpu_to_le32(ours.line.nr + 1); fix(); out(); }
static void o_reserved(void) { hello_frame(); hello_body()->reserved = cpu_to_le64(1); fix(); out(); }
static void o_cleared(void) { hello_frame(); hello_body()->cleared.cut.n = cpu_to_le64(1); fix(); out(); }
static void o_link(void) { hello_frame(); hello_body()->link = cpu_to_le32(1); fix(); out(); }

static const struct frame_case open_cases[] = {
	{ 'b', "DATA first", o_data, "DATA before the handshake" },
	{ 'b', "ACCEPT first", o_accept, "ACCEPT out of order" },
	{ 'b', "PING first", o_ping, "PING before the handshake" },
	{ 'b', "another protocol", o_http, "magic is 0x.*is the peer a dm-ordered" },
	{ 'b', "hung up at once", o_close, "the peer closed the connection" },
	{ 'b', "never a word", o_silence, "no handshake within" },
	{ 'b', "a byte now and then", o_drip, "no handshake within" },
	{ 'b', "HELLO, and never ACCEPT", o_no_accept, "no handshake within" },
	{ 'b', "DATA behind HELLO", o_data_early, "DATA before the handshake" },
	{ 'b', "HELLO of 257 volumes", o_long, "payload is .* bytes" },
	{ 'b', "HELLO with a wrong count", o_nr, "number of volumes is" },
	{ 'b', "HELLO with too long a line", o_nr_line, "line has 65 activations, expected at most 64" },
	{ 'b', "HELLO shorter than it says", o_short, "payload is [0-9]* bytes, expected [0-9]* for" },
	{ 'b', "HELLO with a reserved byte", o_reserved, "a reserved field, is not zero" },
	{ 'b', "HELLO with something cleared", o_cleared, "what was sent or cleared" },
	{ 'b', "HELLO of a second link", o_link, "HELLO: link is 1, expected 0" },
};

/*
 * Every frame that either side may send, as it should be, but before HELLO or between HELLO and ACCEPT: nothing
 * of it may be looked at before the handshake is over.
 */
static const u16 early_types[] = {
	DMO_FRAME_ACCEPT, DMO_FRAME_PING, DMO_FRAME_DATA, DMO_FRAME_LAST, DMO_FRAME_DROP, DMO_FRAME_COMMIT,
	DMO_FRAME_DIRECT_BEGIN, DMO_FRAME_DIRECT, DMO_FRAME_SYNC, DMO_FRAME_COMPLETE, DMO_FRAME_DROPPED,
	DMO_FRAME_COMMITTED, DMO_FRAME_RESTORED, DMO_FRAME_DIRECT_READY, DMO_FRAME_SYNCED,
	DMO_FRAME_CONDITION,
};

static void early_frame(u16 type)
{
	switch (type) {
	case DMO_FRAME_DATA:
	case DMO_FRAME_DIRECT:
		one();
		data_frame(type, 2);
		break;
	case DMO_FRAME_LAST:
		make_last(0);
		break;
	case DMO_FRAME_DROP:
	case DMO_FRAME_COMMIT:
	case DMO_FRAME_COMPLETE:
	case DMO_FRAME_DROPPED:
	case DMO_FRAME_COMMITTED:
	case DMO_FRAME_RESTORED:
		build(type, theirs.complete, 0, 0, 0);
		break;
	default:
		build(type, no_cut, type == DMO_FRAME_ACCEPT || type == DMO_FRAME_PING ? 0 : 5, 0, 0);
		break;
	}
	out();
}

/* ---- running them ---- */

static struct dmo_uapi_cut was_complete, was_committed;
static bool is_secondary;

static void before(void)
{
	get_status();
	was_complete = genl_getcut(&answer, DMO_A_CUT_COMPLETE);
	was_committed = genl_getcut(&answer, DMO_A_CUT_COMMITTED);
	is_secondary = genl_get32(&answer, DMO_A_ROLE) == DMO_ROLE_SECONDARY;
}

static void after(const char *name, const char *regex)
{
	struct dmo_uapi_cut c, k;
	regex_t re;

	/* read what it has to say: nobody is to wait for us */
	while (await(DMO_FRAME_FAIL))
		;
	close(sock);
	wait_gone(name);
	if (regcomp(&re, regex, REG_EXTENDED | REG_NOSUB))
		die("bad regex %s", regex);
	if (regexec(&re, reason(), 0, NULL, 0))
		die("%s: the reason is '%s', wanted '%s'", name, reason(), regex);
	regfree(&re);
	c = genl_getcut(&answer, DMO_A_CUT_COMPLETE);
	k = genl_getcut(&answer, DMO_A_CUT_COMMITTED);
	if (is_secondary && (memcmp(&c, &was_complete, sizeof(c)) || memcmp(&k, &was_committed, sizeof(k))))
		die("%s: the boundary moved: %llu.%llu, committed %llu.%llu", name, c.epoch, c.n, k.epoch, k.n);
	if (!is_secondary && k.epoch > 1000000)
		die("%s: the primary believes that %llu.%llu is committed", name, k.epoch, k.n);
	if (is_secondary && genl_get32(&answer, DMO_A_FLAGS) & DMO_F_INCONSISTENT)
		die("%s: INCONSISTENT", name);
	printf("ok: %s: %s\n", name, reason());
}

static int run_cases(void)
{
	unsigned int i, n = 0;

	before();
	for (i = 0; i < ARRAY_SIZE(hello_cases); i++, n++) {
		attach();
		read_hello();
		hello_cases[i].change();
		hello_frame();
		out();
		after(hello_cases[i].name, hello_cases[i].regex);
	}
	for (i = 0; i < ARRAY_SIZE(open_cases); i++, n++) {
		attach();
		read_hello();
		open_cases[i].play();
		after(open_cases[i].name, open_cases[i].regex);
	}
	for (i = 0; i < 2 * ARRAY_SIZE(early_types); i++) {
		u16 type = early_types[i / 2];
		char name[80];

		if (i % 2 && type == DMO_FRAME_ACCEPT)
			continue;	/* that is where it belongs */
		attach();
		read_hello();
		if (i % 2) {
			hello_frame();
			out();
		}
		early_frame(type);
		snprintf(name, sizeof(name), "frame %u %s HELLO", type, i % 2 ? "behind" : "before");
		after(name, type == DMO_FRAME_ACCEPT ? "ACCEPT out of order" : "before the handshake is done");
		n++;
	}
	for (i = 0; i < ARRAY_SIZE(frame_cases); i++) {
		if (frame_cases[i].side != 'b' && frame_cases[i].side != (is_secondary ? 's' : 'p'))
			continue;
		attach();
		shake();
		frame_cases[i].play();
		after(frame_cases[i].name, frame_cases[i].regex);
		n++;
	}
	printf("cases=%u\n", n);
	return 0;
}

/* ---- mutations ---- */

static u8 script[4 * MAX_FRAME];
static size_t starts[16], nr_starts;

static void mark(void)
{
	starts[nr_starts++] = record_len;
}

/* A good conversation of a primary, as bytes. */
static void make_script(int fill)
{
	record_to = script;
	record_len = 0;
	nr_starts = 0;
	mark(); hello_frame(); out();
	mark(); simple(DMO_FRAME_ACCEPT, no_cut, 0);
	mark(); make_data(1, 0, 4, fill); data_frame(DMO_FRAME_DATA, 4); out();
	mark(); make_data(1, 8, 4, fill); data_frame(DMO_FRAME_DATA, 4); out();
	mark(); simple(DMO_FRAME_PING, no_cut, 0);
	mark(); make_last(0); out();
	mark(); simple(DMO_FRAME_COMMIT, tag, 0);
	starts[nr_starts] = record_len;
	record_to = NULL;
}

static size_t frame_at(size_t i) { return starts[i + 1] - starts[i]; }

/* Return: true if a checksum was made to fit, so that the content may be something else, rightly. */
static bool mutate(void)
{
	size_t f = rnd() % nr_starts, at, n, plen;
	u8 *p = script + starts[f];
	u8 tmp[64];

	switch (rnd() % 9) {
	case 0:		/* a bit */
		script[rnd() % record_len] ^= (u8)(1u << (rnd() & 7));
		return false;
	case 1:		/* some bytes */
		at = rnd() % record_len;
		for (n = 0; n < 1 + rnd() % 16 && at + n < record_len; n++)
			script[at + n] = (u8)rnd();
		return false;
	case 2:		/* the end is missing */
		record_len = rnd() % record_len;
		return false;
	case 3:		/* something is missing */
		at = rnd() % record_len;
		n = 1 + rnd() % 100;
		if (n > record_len - at)
			n = record_len - at;
		memmove(script + at, script + at + n, record_len - at - n);
		record_len -= n;
		return false;
	case 4:		/* a frame is missing */
		memmove(p, p + frame_at(f), record_len - starts[f + 1]);
		record_len -= frame_at(f);
		return false;
	case 5:		/* a frame twice */
		n = frame_at(f);
		memmove(p + n, p, record_len - starts[f]);
		record_len += n;
		return false;
	case 6:		/* two headers exchanged */
		at = rnd() % nr_starts;
		memcpy(tmp, p, 64);
		memmove(p, script + starts[at], 64);
		memcpy(script + starts[at], tmp, 64);
		return false;
	case 7:		/* a header field, checksum right */
		at = 8 + rnd() % 48;
		p[at] = rnd() & 1 ? (u8)(p[at] ^ (1u << (rnd() & 7))) : (u8)rnd();
		plen = le32_to_cpu(((struct dmo_wire_hdr *)p)->payload_len);
		fix_csum(p, plen > frame_at(f) - 64 ? frame_at(f) - 64 : plen);
		return true;
	default:	/* a byte of the payload, checksum right */
		plen = le32_to_cpu(((struct dmo_wire_hdr *)p)->payload_len);
		if (!plen)
			return mutate();
		p[64 + rnd() % plen] ^= (u8)(1u << (rnd() & 7));
		fix_csum(p, plen);
		return true;
	}
}


/* The eight blocks of the conversation bear one fill, the one before or this one. */
static int check_blocks(int fd, int old, int fill, unsigned int i)
{
	static u8 *buf;
	int seen = -1;
	size_t b, k;

	if (!buf && posix_memalign((void **)&buf, 4096, 12 * DMO_BLOCK))
		die("no memory");
	if (pread(fd, buf, 12 * DMO_BLOCK, 0) != 12 * DMO_BLOCK)
		die("the secondary can't be read: %s", strerror(errno));
	for (b = 0; b < 12; b++) {
		if (b >= 4 && b < 8)
			continue;
		for (k = 0; k < DMO_BLOCK; k++) {
			if (seen < 0)
				seen = buf[b * DMO_BLOCK + k];
			if (buf[b * DMO_BLOCK + k] != seen)
				die("mutation %u: torn: block %zu has 0x%02x, block 0 has 0x%02x", i, b,
				    buf[b * DMO_BLOCK + k], seen);
		}
	}
	if (old >= 0 && seen != old && seen != fill)
		die("mutation %u: the blocks are 0x%02x, neither 0x%02x nor 0x%02x", i, seen, old, fill);
	return seen;
}

static int run_fuzz(unsigned int n, const char *path)
{
	unsigned int i, whole = 0, ends = 0;
	int old = -1, fill = 1;
	char last[DMO_REASON_LEN] = "";
	int fd = open(path, O_RDONLY | O_DIRECT);

	if (fd < 0)
		die("%s: %s", path, strerror(errno));
	before();
	for (i = 1; i <= n; i++) {
		struct dmo_uapi_cut c, k, r;
		bool may_differ;
		u64 end;

		attach();
		read_hello();
		fill = (int)(i % 255) + 1;
		make_script(fill);
		may_differ = i % 16 ? mutate() : false;	/* one in sixteen is good */
		send_raw(script, record_len);
		shutdown(sock, SHUT_WR);
		while (await(DMO_FRAME_FAIL))
			;
		close(sock);
		wait_gone("mutation");
		if (strcmp(last, reason()))
			ends++;
		snprintf(last, sizeof(last), "%s", reason());
		for (end = now_ms() + 10000;; usleep(1000)) {
			get_status();
			c = genl_getcut(&answer, DMO_A_CUT_COMPLETE);
			k = genl_getcut(&answer, DMO_A_CUT_COMMITTED);
			r = genl_getcut(&answer, DMO_A_CUT_RESTORED);
			if (!memcmp(&k, &r, sizeof(k)))
				break;
			if (now_ms() > end)
				die("mutation %u: no restore: %s", i, reason());
		}
		if (k.epoch < was_committed.epoch || (k.epoch == was_committed.epoch && k.n < was_committed.n) ||
		    c.epoch < k.epoch || (c.epoch == k.epoch && c.n < k.n))
			die("mutation %u: went back to %llu.%llu, committed %llu.%llu", i, c.epoch, c.n,
			    k.epoch, k.n);
		was_committed = k;
		whole += !memcmp(&c, &k, sizeof(c)) && k.n == tag.n && k.epoch == tag.epoch;
		if (genl_get32(&answer, DMO_A_FLAGS) & DMO_F_INCONSISTENT)
			die("mutation %u: INCONSISTENT: %s", i, reason());
		if (i % 16 == 0 && !(k.n == tag.n && k.epoch == tag.epoch))
			die("conversation %u was good, and not committed: %s", i, reason());
		if (may_differ)
			old = -1;
		else if (old >= 0 || i % 16 == 0)
			old = check_blocks(fd, i % 16 ? old : -1, fill, i);
	}
	close(fd);
	printf("mutations=%u committed=%u different_ends=%u\n", n, whole, ends);
	return 0;
}

/* ---- a peer that hangs ---- */

static int run_hang(const char *kind)
{
	bool reads = !strcmp(kind, "mute") || !strcmp(kind, "aimless");
	bool pings = !strcmp(kind, "deaf") || !strcmp(kind, "aimless");
	bool silent = !strcmp(kind, "silent");

	if (!reads && !pings && !silent && strcmp(kind, "dead"))
		die("no kind %s", kind);
	attach();
	if (!silent) {
		read_hello();
		ours.chunk_max = 1 << 30;
		hello_frame();
		out();
		simple(DMO_FRAME_ACCEPT, no_cut, 0);
		if (await(DMO_FRAME_ACCEPT) != DMO_FRAME_ACCEPT)
			die("a good handshake is refused: %s", words);
	}
	for (;; usleep(20000)) {
		while (reads && recv(sock, data, sizeof(data), MSG_DONTWAIT) > 0)
			;
		if (pings)
			simple(DMO_FRAME_PING, no_cut, 0);
	}
}

/* ---- mutations of what a secondary says ---- */

static int cmp_cut(struct dmo_uapi_cut a, struct dmo_uapi_cut b)
{
	if (a.epoch != b.epoch)
		return a.epoch < b.epoch ? -1 : 1;
	return a.n < b.n ? -1 : a.n > b.n;
}

/* A boundary that the peer claims in HELLO is believed, if it is a strange one as that of another secondary. */
static bool hello_lied;

/* What has been built into the script goes out, mutated one time in @one_in. Return: true if it was. */
static bool send_script(unsigned int one_in)
{
	bool bad = one_in && rnd() % one_in == 0;

	starts[nr_starts] = record_len;
	record_to = NULL;
	if (bad)
		mutate();
	send_raw(script, record_len);
	return bad;
}

static void begin_script(void)
{
	record_to = script;
	record_len = 0;
	nr_starts = 0;
	mark();
}

/*
 * One link: a handshake, then the answers of a secondary to whatever comes, until its first chunk is committed.
 * One in @one_in is mutated (0: none), and then the last. Return: true if the chunk was answered and all was good.
 */
static bool converse(unsigned int one_in)
{
	static u8 body[DMO_WIRE_MAX_PAYLOAD];
	struct dmo_cut sent = no_cut;
	bool bad;

	begin_script();
	hello_frame(); out();
	mark(); simple(DMO_FRAME_ACCEPT, no_cut, 0);
	bad = send_script(one_in * 2);
	hello_lied |= bad;
	while (!bad) {
		u16 type = read_frame(body);
		struct dmo_cut t = { le64_to_cpu(heard.tag.epoch), le64_to_cpu(heard.tag.n) };
		u64 arg = le64_to_cpu(heard.arg);

		if (!type)
			return false;
		begin_script();
		switch (type) {
		case DMO_FRAME_LAST:
			sent = t;
			simple(DMO_FRAME_COMPLETE, t, 0);
			break;
		case DMO_FRAME_DROP:
			simple(DMO_FRAME_DROPPED, t, 0);
			break;
		case DMO_FRAME_DIRECT_BEGIN:
			simple(DMO_FRAME_DIRECT_READY, no_cut, arg);
			break;
		case DMO_FRAME_SYNC:
			simple(DMO_FRAME_SYNCED, no_cut, arg);
			break;
		case DMO_FRAME_COMMIT:
			simple(DMO_FRAME_COMMITTED, t, 0);
			mark(); simple(DMO_FRAME_RESTORED, t, 0);
			break;
		default:
			record_to = NULL;
			continue;
		}
		bad = send_script(one_in);
		if (type == DMO_FRAME_COMMIT && !bad && !dmo_cut_cmp(t, sent)) {
			hello_lied = false;
			return true;
		}
	}
	return false;
}

static int run_fuzz_primary(unsigned int n, const char *path)
{
	unsigned int i, whole = 0, ends = 0;
	char last[DMO_REASON_LEN] = "";
	int fd = open(path, O_RDWR | O_DIRECT);
	u8 *buf;

	if (fd < 0 || posix_memalign((void **)&buf, 4096, DMO_BLOCK))
		die("%s: %s", path, strerror(errno));
	for (i = 1; i <= n; i++) {
		struct dmo_uapi_cut cut, c, k;
		bool good = i % 16 == 0;

		memset(buf, (int)(i % 255) + 1, DMO_BLOCK);
		if (pwrite(fd, buf, DMO_BLOCK, (off_t)(rnd() % 16) * DMO_BLOCK) != DMO_BLOCK)
			die("mutation %u: the host's write failed: %s", i, strerror(errno));
		attach();
		read_hello();
		if (converse(good ? 0 : 3))
			whole++;
		else if (good && *words)
			die("conversation %u was good, and refused: %s", i, words);
		shutdown(sock, SHUT_WR);
		while (await(DMO_FRAME_FAIL))
			;
		close(sock);
		wait_gone("mutation");
		if (strcmp(last, reason()))
			ends++;
		snprintf(last, sizeof(last), "%s", reason());
		cut = genl_getcut(&answer, DMO_A_CUT);
		c = genl_getcut(&answer, DMO_A_CUT_COMPLETE);
		k = genl_getcut(&answer, DMO_A_CUT_COMMITTED);
		if ((cmp_cut(c, cut) > 0 && !hello_lied) || cmp_cut(k, c) > 0)
			die("mutation %u: the primary believes in %llu.%llu complete and %llu.%llu committed; its cut is %llu.%llu",
			    i, c.epoch, c.n, k.epoch, k.n, cut.epoch, cut.n);
		if (genl_get32(&answer, DMO_A_STATE) != DMO_STATE_DISCONNECTED)
			die("mutation %u: its state is %u: %s", i, genl_get32(&answer, DMO_A_STATE), reason());
	}
	close(fd);
	printf("mutations=%u whole=%u different_ends=%u\n", n, whole, ends);
	if (whole < n / 32)
		die("only %u of %u conversations were whole", whole, n);
	return 0;
}

int main(int argc, char **argv)
{
	struct stat st;

	if (argc < 3 || stat(argv[1], &st))
		die("wrong arguments");
	major_nr = major(st.st_rdev);
	minor_nr = minor(st.st_rdev);
	if (genl_resolve())
		die("no generic netlink family: is the module loaded?");
	if (!strcmp(argv[2], "cases"))
		return run_cases();
	if (!strcmp(argv[2], "fuzz") && argc == 6) {
		rng = strtoull(argv[4], NULL, 0);
		before();
		if (!is_secondary)
			return run_fuzz_primary((unsigned int)atoi(argv[3]), argv[5]);
		return run_fuzz((unsigned int)atoi(argv[3]), argv[5]);
	}
	if (!strcmp(argv[2], "hang") && argc == 4)
		return run_hang(argv[3]);
	if (!strcmp(argv[2], "pending")) {
		attach();
		read_hello();
		ours.flags = 1u << 16;		/* a full copy is due: it has just begun to live */
		ours.complete = ours.committed = ours.restored = no_cut;
		hello_frame();
		out();
		simple(DMO_FRAME_ACCEPT, no_cut, 0);
		for (;;) {
			usleep(100000);
			simple(DMO_FRAME_PING, no_cut, 0);
		}
	}
	die("wrong arguments");
}
