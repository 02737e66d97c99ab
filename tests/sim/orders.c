// SPDX-License-Identifier: GPL-2.0-only
/*
 * A primary that sends what the protocol allows but our own one doesn't: records of the next chunk in
 * front of a COMMIT, COMMITs late, twice, for many chunks at once. Then the secondary's power fails.
 * What it had said must be so: the boundary in the ring, the COMMIT too, the data on the disk.
 *
 *   orders [SEED [RUNS]]	RUNS random orders (1,000) behind the ones below
 *
 * A letter of a script is a frame: d DATA, D many of them, l LAST, x DROP of the chunk that's open,
 * a digit the COMMIT of that chunk. All answers are waited for.
 *
 * A COMMIT that isn't flushed for is found all the same: recovery looks behind the end of the chain, as far as the
 * state block says. So the chain alone is looked at too, and that it goes no farther than that. In "dlD1" and "Dl1" the
 * COMMIT is more than 256 MiB away, and in the last two runs it must be found behind a record that was damaged.
 */
#include <stdio.h>
#include <stdlib.h>
#include "node.h"
#include "format/jscan.h"
#include "link/link.h"
#include "secondary/secondary_priv.h"
#undef snprintf

#define BLOCKS		256u	/* of the volume */
#define MANY		(520 * DMO_WIRE_MAX_DESC)	/* blocks of a D: more than 256 MiB */
#define MAX_CHUNKS	10
#define MAX_SCRIPT	24

static const char * const scripts[] = {
	"dld1", "dlddd1", "dld11", "dldl1", "dldl2", "dldl12", "dldl21", "dldld1", "dldld2",
	"dldld12", "dldxd1", "dldxdl12", "ld1", "lld2", "dld1dl", "dld1d1", "dld1dld2",
	"dld1d1dld2d", "ldldld3d3",
};

static struct node node;
static struct host *peer;
static struct sim_rng rng;
static u64 seed, runs;
static const char *script;

#define fail(fmt, ...) do { \
	printf("FAILED orders: seed %llu, run %llu, \"%s\": " fmt "\n", seed, runs, script, \
	       ##__VA_ARGS__); \
	exit(1); \
} while (0)

/* What was said, and what a block holds as of each chunk: the mark of its last write. */
static struct {
	u64 complete, committed;	/* heard */
	u64 lasts;			/* sent */
	u64 marks;
	u64 mark[MAX_CHUNKS + 1][BLOCKS];	/* [n]: with chunk n; the open chunk's are in [lasts + 1] */
} m;

/* ---- the primary ---- */

static struct socket *sock;
static u64 number, frames, records, descs;
static u32 csum;
static bool done;

static bool move(bool out, void *buf, size_t n)
{
	struct kvec vec = { buf, n };
	struct msghdr msg = { };

	iov_iter_kvec(&msg.msg_iter, out ? ITER_SOURCE : ITER_DEST, &vec, 1, n);
	while (msg_data_left(&msg))
		if ((out ? sock_sendmsg(sock, &msg) : sock_recvmsg(sock, &msg, MSG_WAITALL)) <= 0)
			return false;
	return true;
}

static void send_frame(u16 type, u64 n, const void *payload, u32 plen, const void *data, u32 dlen)
{
	struct dmo_frame_hdr h = { .type = type, .number = ++number, .payload_len = plen,
				   .data_len = dlen, .tag = { n ? 1 : 0, n },
				   .arg = type == DMO_FRAME_DATA ? ++frames : 0 };
	u8 hdr[DMO_WIRE_HDR];

	dmo_frame_encode(hdr, &h, payload);
	if (!move(true, hdr, sizeof(hdr)) || (plen && !move(true, (void *)payload, plen)) ||
	    (dlen && !move(true, (void *)data, dlen)))
		fail("the link is lost");
}

/* The answer of this @type; what else is said is noted. Return: length of its payload */
static u32 hear(u16 type, u8 *payload)
{
	static u64 numbers;
	struct dmo_frame_hdr h;
	struct dmo_reason why;
	u8 hdr[DMO_WIRE_HDR];

	do {
		if (!move(false, hdr, sizeof(hdr)))
			fail("the link is lost");
		numbers = type == DMO_FRAME_HELLO ? 1 : numbers + 1;
		if (dmo_frame_decode_hdr(hdr, numbers, &h, &why))
			fail("%s", why.text);
		if (h.payload_len && !move(false, payload, h.payload_len))
			fail("the link is lost");
		if (h.type == DMO_FRAME_FAIL || h.type == DMO_FRAME_REFUSE)
			fail("%.*s", (int)h.payload_len, payload);
		if (h.type == DMO_FRAME_COMPLETE)
			m.complete = max(m.complete, h.tag.n);
		if (h.type == DMO_FRAME_COMMITTED)
			m.committed = max(m.committed, h.tag.n);
	} while (h.type != type);
	return h.payload_len;
}

static void fill(u8 *to, u64 mark)
{
	struct sim_rng r = { mark };
	u32 i;

	for (i = 0; i < DMO_BLOCK; i += 512) {
		u64 x = rng_next(&r);

		memset(to + i, (int)x, 512);
		memcpy(to + i, &x, sizeof(x));
	}
}

static void send_data(u32 nr)
{
	static struct dmo_desc d[DMO_WIRE_MAX_DESC];
	static u8 data[DMO_WIRE_MAX_DATA];
	u32 first = rng_below(&rng, BLOCKS - nr + 1), i;

	memset(d, 0, sizeof(d));
	for (i = 0; i < nr; i++) {
		m.mark[m.lasts + 1][first + i] = ++m.marks;
		fill(data + i * DMO_BLOCK, m.marks);
		d[i].type = DMO_DESC_DATA;
		d[i].mask = 0xff;
		d[i].block = cpu_to_le64(first + i);
		d[i].len = cpu_to_le32(DMO_BLOCK);
		d[i].csum = cpu_to_le32(dmo_mask_csum(data + i * DMO_BLOCK, 0xff));
	}
	records++;
	descs += nr;
	csum = dmo_crc(csum, d, nr * sizeof(d[0]));
	send_frame(DMO_FRAME_DATA, m.lasts + 1, d, nr * sizeof(d[0]), data, nr * DMO_BLOCK);
}

static void send_last(void)
{
	struct dmo_last l = { .table = { 1, 1 }, .time_ns = 5, .total_records = records,
			      .total_desc = descs, .total_csum = csum, .activation = 1,
			      .first = records ? frames - records + 1 : 0 };
	u8 wire[DMO_WIRE_LAST_LEN];

	m.lasts++;
	memcpy(m.mark[m.lasts + 1], m.mark[m.lasts], sizeof(m.mark[0]));
	records = descs = csum = 0;
	dmo_last_encode(&l, wire);
	send_frame(DMO_FRAME_LAST, m.lasts, wire, sizeof(wire), NULL, 0);
}

static void shake_hands(u8 *payload)
{
	static struct dmo_hello h;
	struct dmo_reason why;

	if (dmo_hello_decode(payload, hear(DMO_FRAME_HELLO, payload), &h, &why))
		fail("%s", why.text);
	h.role = DMO_ROLE_PRIMARY;
	h.activation = 0;
	h.line.nr = 0;
	dmo_line_add(&h.line, 1);
	send_frame(DMO_FRAME_HELLO, 0, payload, dmo_hello_encode(&h, payload), NULL, 0);
	send_frame(DMO_FRAME_ACCEPT, 0, NULL, 0, NULL, 0);
	hear(DMO_FRAME_ACCEPT, payload);
}

static void play(void *fd)
{
	static u8 payload[DMO_WIRE_MAX_PAYLOAD];
	const char *p;
	u32 i;
	int err;

	sock = sockfd_lookup(*(int *)fd, &err);
	number = frames = records = descs = csum = 0;
	shake_hands(payload);
	for (p = script; *p; p++) {
		switch (*p) {
		case 'd':
			send_data(1 + rng_below(&rng, 6));
			break;
		case 'D':
			for (i = 0; i < MANY; i += DMO_WIRE_MAX_DESC)
				send_data(DMO_WIRE_MAX_DESC);
			break;
		case 'l':
			send_last();
			hear(DMO_FRAME_COMPLETE, payload);
			break;
		case 'x':
			send_frame(DMO_FRAME_DROP, m.lasts + 1, NULL, 0, NULL, 0);
			hear(DMO_FRAME_DROPPED, payload);
			break;
		default:
			send_frame(DMO_FRAME_COMMIT, (u64)(*p - '0'), NULL, 0, NULL, 0);
			hear(DMO_FRAME_COMMITTED, payload);
			if (m.committed < (u64)(*p - '0'))
				fail("COMMITTED says %llu", m.committed);
		}
	}
	sockfd_put(sock);
	done = true;
	sim_stop = true;
}

/* ---- the verdict ---- */

struct ring { u64 base, size; };

static void newest_state(struct dmo_state *st, const u8 *uuid)
{
	struct dmo_state other;
	struct dmo_reason why;
	u8 buf[DMO_BLOCK];
	int rc;

	disk_read_now(node.meta, DMO_STATE_BLOCK0 * 8, 8, buf);
	rc = dmo_state_decode(buf, uuid, st, &why);
	disk_read_now(node.meta, DMO_STATE_BLOCK1 * 8, 8, buf);
	if (!dmo_state_decode(buf, uuid, &other, &why) && (rc || other.generation > st->generation))
		*st = other;
}

/* Does the chain itself, from the tail on, without guesses, show what was said? */
static int check_chain(struct node *n, void *arg)
{
	static u8 body[(1 + DMO_REC_MAX_DESC) * DMO_BLOCK], hdr[DMO_BLOCK];
	static struct dmo_jscan js;
	enum dmo_jscan_next next = DMO_JSCAN_HEADER;
	struct ring *ring = arg;
	struct dmo_state st;
	struct dmo_rec rec;
	struct dmo_cut newest;

	newest_state(&st, (const u8 *)"dm-ordered-sim-1");
	newest = st.restored;
	dmo_jscan_init(&js, (const u8 *)"dm-ordered-sim-1", ring->size,
		       (struct dmo_jpos){ st.tail, st.tail_seq, st.tail_prev_csum });
	while (next != DMO_JSCAN_END) {
		u64 used = js.used, seq = js.at.seq;

		if (next == DMO_JSCAN_HEADER) {
			disk_read_now(n->meta, (ring->base + js.at.pos) * 8, 8, hdr);
			next = dmo_jscan_header(&js, hdr, &rec);
		} else {
			disk_read_now(n->meta, (ring->base + js.at.pos + 1) * 8, rec.nr_blocks * 8, body);
			next = dmo_jscan_body(&js, hdr, &rec, body);
		}
		if (js.at.seq != seq && (rec.type == DMO_REC_LAST || rec.type == DMO_REC_COMMIT) &&
		    js.used > st.reach)
			fail("record %llu, type %u, is %llu blocks behind the tail, but reach is %llu",
			     seq, rec.type, used, st.reach);
	}
	if (!list_empty(&js.chunks))
		newest = list_last_entry(&js.chunks, struct dmo_jchunk, node)->tag;
	if (newest.n < m.complete)
		fail("the chain ends behind chunk %llu, but %llu was said to be complete: %s",
		     newest.n, m.complete, js.why.text);
	if (max(js.committed.n, st.restored.n) < m.committed)
		fail("the chain's last COMMIT is %llu, but %llu was said to be committed: %s",
		     js.committed.n, m.committed, js.why.text);
	dmo_jscan_release(&js);
	return 0;
}

static void must(int rc, const char *what)
{
	if (rc || sim_failed)
		fail("%s: %d %s %s", what, rc, node.why.text, sim_why);
}

static void check_node(void)
{
	struct dmo_session_status st;
	u8 want[DMO_BLOCK];
	u32 b;

	must(!node_settle(&node, 20 * SIM_SEC), "restore");
	must(node_call(&node, node_do_status, &st, SIM_SEC), "status");
	if (st.flags & DMO_F_INCONSISTENT)
		fail("INCONSISTENT: %s", st.why.text);
	if (st.sec.complete.n < m.complete || st.sec.committed.n < m.committed ||
	    st.sec.complete.n > m.lasts || dmo_cut_cmp(st.sec.restored, st.sec.committed))
		fail("complete %llu, committed %llu, restored %llu, but %llu and %llu was said",
		     st.sec.complete.n, st.sec.committed.n, st.sec.restored.n, m.complete,
		     m.committed);
	for (b = 0; b < BLOCKS; b++) {
		u64 mark = m.mark[st.sec.restored.n][b];
		const u8 *is = disk_block(node.data[0], b);

		memset(want, 0, sizeof(want));
		if (mark)
			fill(want, mark);
		if (is ? memcmp(is, want, DMO_BLOCK) : mark)
			fail("chunk %llu is restored, but block %u is another", st.sec.restored.n, b);
	}
}

/* A bit of the data of the first record in the ring. */
static int spoil(struct node *n, void *arg)
{
	struct ring *ring = arg;
	struct dmo_state st;
	u8 block[DMO_BLOCK];

	newest_state(&st, (const u8 *)"dm-ordered-sim-1");
	disk_read_now(n->meta, (ring->base + st.tail + 1) * 8, 8, block);
	block[77] ^= 4;
	disk_write_now(n->meta, (ring->base + st.tail + 1) * 8, 8, block);
	return 0;
}

static void check_missed(void)
{
	struct dmo_session_status st;

	must(node_call(&node, node_do_status, &st, SIM_SEC), "status");
	if (!(st.flags & DMO_F_INCONSISTENT) || st.sec.complete.n || node_session(&node)->meta->st.committed.n != m.committed)
		fail("damaged, but flags 0x%x, complete %llu, committed %llu, and %llu was said",
		     st.flags, st.sec.complete.n, node_session(&node)->meta->st.committed.n, m.committed);
}

/* ---- a run ---- */

static int do_attach(struct node *n, void *fd)
{
	return node_attach(n, *(int *)fd);
}

static void boot(const struct sim_net *net, int *fds)
{
	struct node_format f = {
		.role = DMO_ROLE_SECONDARY, .flags = DMO_SBF_ASSUME_EQUAL, .nr_volumes = 1,
		.sectors = { BLOCKS * 8 }, .link_timeout_ms = 30000,
		.meta_blocks = strchr(script, 'D') ? MANY + 3000 : 640,
	};

	node_init(&node, "s", &f);
	node_format(&node, &f);
	node_boot(&node);
	peer = host_new("p");
	host_boot(peer);
	must(node_call(&node, node_do_start, NULL, SIM_SEC), "start");
	conn_new(peer, node.host, net, fds);
	sim_spawn(peer, play, &fds[0], "peer", false);
	must(node_call(&node, do_attach, &fds[1], SIM_SEC), "attach");
}

static void run(const char *what, enum disk_survive how, bool damaged)
{
	struct sim_params params = { .turn = rng_range(&rng, 4, 100), .step_ns = 20000 };
	struct sim_net net = { .delay_us = rng_range(&rng, 20, 500), .window = 65536 };
	struct ring ring;
	struct dmo_journal *j;
	int fds[2];

	runs++;
	script = what;
	memset(&m, 0, sizeof(m));
	done = false;
	sim_begin(rng_next(&rng), &params);
	boot(&net, fds);
	/* a restore's state write flushes the ring: mostly none comes to its end */
	disk_hold(node.data[0], damaged || rng_chance(&rng, 80));
	if (!damaged && rng_chance(&rng, 20))	/* in the midst of it all */
		sim_stop_at = sim_steps + rng_range(&rng, 1, 400);
	while (!done && sim_steps < sim_stop_at)
		if (sim_run(sim_now + 20 * SIM_SEC) != SIM_STOPPED && sim_steps < sim_stop_at)
			fail("no answer: %s", sim_why);
	sim_stop_at = U64_MAX;
	j = &node_session(&node)->sec->j;
	ring = (struct ring) { j->base, j->size };
	host_kill(peer);
	node_crash(&node, how, &rng);
	node_boot(&node);
	must(node_call(&node, check_chain, &ring, SIM_SEC), "the chain");
	if (damaged)
		must(node_call(&node, spoil, &ring, SIM_SEC), "damage");
	must(node_call(&node, node_do_start, NULL, 20 * SIM_SEC), "recovery");
	if (damaged)
		check_missed();
	else
		check_node();
	must(node_call(&node, node_do_stop, NULL, 20 * SIM_SEC), "stop");
}

/* Any order that the protocol allows. */
static const char *make_script(char *s)
{
	u32 len = rng_range(&rng, 3, MAX_SCRIPT - 1), i, lasts = 0;

	for (i = 0; i < len; i++) {
		u32 what = rng_below(&rng, 10);

		if (what < 3 && lasts < MAX_CHUNKS - 1) {
			s[i] = 'l';
			lasts++;
		} else if (what < 6 && lasts) {
			s[i] = (char)('0' + rng_range(&rng, max(lasts, 3u) - 2, lasts));
		} else {
			s[i] = rng_chance(&rng, 10) ? 'x' : 'd';
		}
	}
	s[len] = '\0';
	return s;
}

int main(int argc, char **argv)
{
	u64 n = argc > 2 ? strtoull(argv[2], NULL, 0) : 1000;
	char random[MAX_SCRIPT];
	u32 i;

	seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	rng.s = seed;
	sim_tracing = argc > 3;
	for (i = 0; i < ARRAY_SIZE(scripts) * 12; i++)
		run(scripts[i / 12], i % 4, false);
	while (n--)
		run(make_script(random), rng_below(&rng, 4), false);
	run("Dl", DISK_NOTHING, false);
	run("dlD1", DISK_NOTHING, false);
	run("dl1", DISK_NOTHING, true);
	run("Dl1", DISK_NOTHING, true);
	printf("ok orders: %llu runs\n", runs);
	return 0;
}
