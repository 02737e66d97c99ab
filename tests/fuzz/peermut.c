// SPDX-License-Identifier: GPL-2.0-only
/*
 * A hostile peer against a live node: conversations that the product's own encoders made, mutated, into
 * the module's own link and receive paths on the simulator's shim.
 *
 *   peermut [--count N] [--seed S] [--batch B]	B: only that batch of BATCH conversations
 *
 * Towards a secondary (three batches of four) we are its primary: chunks, commits, drops, a direct copy.
 * Every byte sent is also given to a model of a secondary, written from the documents: what it says was
 * complete, committed, consistent, and on the data devices, must be just what the node says and has, after
 * every conversation, after a power cut now and then, and before the handshake is done nothing at all may
 * change on the metadata device. Towards a primary we answer as a secondary does, wrongly: its host's
 * writes must succeed, it may believe nothing that was never sent, and in the end it must make a
 * real secondary equal. In both: every link ends with a reason, memory stays within budget and reserve, and
 * a clean stop finds nothing leaked.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "wire_model.h"
#include "node.h"
#include "primary/primary_priv.h"
#include "secondary/secondary_priv.h"
#undef snprintf

/* ASan knows nothing of the stacks of fibers; what the module leaves is counted by the shim. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0:detect_stack_use_after_return=0";
}

#define BATCH		96
#define NR_VOLS		2
#define VOL_BLOCKS	257
#define MAX_STREAM	(1 << 20)
#define MAX_FRAMES	64
#define BUDGET		(1u << 20)
#define SLACK		(4u << 20)	/* reserves, buffers, what a node has at rest */

static const struct dmo_volume_info vols[NR_VOLS] = {
	{ .id = 0, .lbs = 512, .sectors = 2048 }, { .id = 1, .lbs = 512, .sectors = 2051 },
};
static struct sim_rng rng;
static u64 seed, batch;
static u32 at_mutation;
static u64 nr_frames, nr_accepted, nr_whole, nr_shaken, nr_direct, nr_lasts;

#define fail(fmt, ...) do { \
	printf("FAILED peermut: --seed %llu --batch %llu, conversation %u: " fmt "\n", seed, batch, \
	       at_mutation, ##__VA_ARGS__); \
	exit(1); \
} while (0)

/* -- a stream of frames ------------------------------------------------------ */

static u8 stream[MAX_STREAM];
static size_t len, starts[MAX_FRAMES + 1];
static u32 nr;			/* frames */
static u64 number;

static void add(u16 type, struct dmo_cut tag, u64 arg, const void *payload, u32 plen,
		const void *data, u32 dlen)
{
	struct dmo_frame_hdr h = { .type = type, .number = ++number, .payload_len = plen,
				   .data_len = dlen, .tag = tag, .arg = arg };

	if (nr == MAX_FRAMES || len + 64 + plen + dlen > MAX_STREAM / 2)
		return;
	starts[nr++] = len;
	dmo_frame_encode(stream + len, &h, payload);
	if (plen)
		memcpy(stream + len + 64, payload, plen);
	if (dlen)
		memcpy(stream + len + 64 + plen, data, dlen);
	len += 64 + plen + dlen;
	starts[nr] = len;
}

static void simple(u16 type, struct dmo_cut tag, u64 arg)
{
	add(type, tag, arg, NULL, 0, NULL, 0);
}

/* -- the model of a secondary -------------------------------------------------- */

struct op { u32 v, n; u64 block; u8 mask; bool zero; u8 *data; struct op *next; };
struct chunk { struct dmo_cut tag; bool end; struct op *ops, *last; struct chunk *next; };
struct line { u64 nr, at[64]; };

static struct {
	struct dmo_cut complete, committed;
	bool inconsistent, copy_ended, assume;
	u64 copy_id, copy_step, activation;
	struct line line;
	struct chunk *chunks;		/* complete, not committed, oldest first */
	u8 *block[NR_VOLS][VOL_BLOCKS];
	/* this link */
	bool hello, accept, direct, unsynced;
	enum dmo_relation rel;
	struct line peer;
	struct chunk open;
	u64 frames, records, descs;
	u32 csum;
} m;

static void free_ops(struct chunk *c)
{
	struct op *o;

	while ((o = c->ops)) {
		c->ops = o->next;
		free(o->data);
		free(o);
	}
	c->last = NULL;
}

static void add_op(struct chunk *c, const u8 *d, const u8 *data)
{
	struct op *o = calloc(1, sizeof(*o));
	u32 bytes = (u32)__builtin_popcount(d[5]) * 512;

	o->v = (u32)get_le(d, 4);
	o->block = get_le(d + 8, 8);
	o->n = (u32)desc_blocks(d);
	o->mask = d[5];
	o->zero = d[4] == DMO_DESC_ZERO;
	if (!o->zero)
		o->data = exact(data, bytes);
	if (c->last)
		c->last->next = o;
	else
		c->ops = o;
	c->last = o;
}

static u8 *model_block(u32 v, u64 b)
{
	if (!m.block[v][b])
		m.block[v][b] = calloc(1, DMO_BLOCK);
	return m.block[v][b];
}

static void apply(struct chunk *c)
{
	struct op *o;
	u32 i, k;

	for (o = c->ops; o; o = o->next) {
		const u8 *p = o->data;

		for (i = 0; o->zero && i < o->n; i++)
			memset(model_block(o->v, o->block + i), 0, DMO_BLOCK);
		for (k = 0; !o->zero && k < 8; k++)
			if (o->mask >> k & 1) {
				memcpy(model_block(o->v, o->block) + 512 * k, p, 512);
				p += 512;
			}
	}
	free_ops(c);
}

static void commit(struct dmo_cut tag)
{
	struct chunk *c;

	while ((c = m.chunks) && dmo_cut_cmp(c->tag, tag) <= 0) {
		m.chunks = c->next;
		apply(c);
		m.committed = c->tag;
		if (c->end) {
			m.inconsistent = m.copy_ended = false;
			m.copy_id = m.copy_step = 0;
		}
		free(c);
	}
}

static void drop_open(void)
{
	free_ops(&m.open);
	m.records = m.descs = m.csum = 0;
}

static void adopt(void)
{
	m.line = m.peer;
	m.assume = false;
}

static struct chunk *on_last(struct dmo_cut tag)
{
	struct chunk *c = calloc(1, sizeof(*c)), **end = &m.chunks;

	*c = m.open;
	c->tag = tag;
	memset(&m.open, 0, sizeof(m.open));
	drop_open();
	while (*end)
		end = &(*end)->next;
	*end = c;
	m.complete = tag;
	m.activation = m.peer.at[0];
	nr_lasts++;
	return c;
}

/* INCONSISTENT, and the end of the copy is not there. */
static bool needs_copy(void)
{
	return m.inconsistent && !m.copy_ended;
}

/* Data of a frame good by its own checksums? Then its operations go to @c. */
static bool take_data(const u8 *payload, u32 plen, const u8 *data, struct chunk *c)
{
	u32 i, k;
	const u8 *p = data;

	for (i = 0; i < plen / 24; i++) {
		const u8 *d = payload + 24 * i;
		u32 bytes = (u32)__builtin_popcount(d[5]) * 512, crc = 0;

		if (d[4] != DMO_DESC_DATA)
			continue;
		for (k = 0; k < bytes; k += 512)
			crc = dmo_crc(crc, p + k, 512);
		if (crc != get_le(d + 20, 4))
			return false;
		p += bytes;
	}
	for (i = 0, p = data; i < plen / 24; i++) {
		const u8 *d = payload + 24 * i;

		add_op(c, d, p);
		if (d[4] == DMO_DESC_DATA)
			p += __builtin_popcount(d[5]) * 512;
	}
	return true;
}

/* One frame behind the handshake. Return: the link goes on. */
static bool model_frame(const u8 *h, const u8 *payload, u32 plen, const u8 *data, u32 dlen)
{
	struct dmo_cut tag = { get_le(h + 32, 8), get_le(h + 40, 8) };
	u64 arg = get_le(h + 48, 8);
	bool end;

	switch (get_le(h + 10, 2)) {
	case DMO_FRAME_DATA:
		if (arg != ++m.frames || dmo_cut_cmp(tag, m.complete) <= 0)
			return false;
		if (!descs_good(payload, plen / 24, dlen, vols, NR_VOLS) || !data ||
		    !take_data(payload, plen, data, &m.open))
			return false;
		m.records++;
		m.descs += plen / 24;
		m.csum = dmo_crc(m.csum, payload, plen);
		return true;
	case DMO_FRAME_LAST:
		end = get_le(payload + 44, 4) & 1;
		if (!last_good(payload, plen) || dmo_cut_cmp(tag, m.complete) <= 0 ||
		    get_le(payload + 24, 8) != m.records || get_le(payload + 32, 8) != m.descs ||
		    get_le(payload + 40, 4) != m.csum || get_le(payload + 48, 8) != m.peer.at[0] ||
		    (m.records && get_le(payload + 72, 8) != m.frames - m.records + 1))
			return false;
		if ((needs_copy() && (!end || !m.direct)) || (end && m.unsynced))
			return false;
		/* only the end of a copy changes of which activation the data is */
		if (!end && (!m.line.nr || m.line.at[0] != m.peer.at[0]))
			return false;
		on_last(tag)->end = needs_copy();
		if (end)
			adopt();
		m.copy_ended = m.inconsistent;
		return true;
	case DMO_FRAME_DROP:
		return true;
	case DMO_FRAME_COMMIT:
		if (dmo_cut_cmp(tag, m.complete) > 0)
			return false;
		commit(tag);
		return true;
	case DMO_FRAME_DIRECT_BEGIN:
		if (!arg)
			return false;
		drop_open();
		if (!needs_copy() || m.copy_id != arg) {
			commit(m.complete);
			m.inconsistent = true;
			m.copy_id = arg;
			m.copy_step = 0;
			adopt();
		}
		m.direct = true;
		nr_direct++;
		return true;
	case DMO_FRAME_DIRECT:
		if (!m.direct || !needs_copy() || m.records ||
		    !descs_good(payload, plen / 24, dlen, vols, NR_VOLS) || !data)
			return false;
		{
			struct chunk c = { };

			if (!take_data(payload, plen, data, &c))
				return false;
			apply(&c);
		}
		m.unsynced = true;
		return true;
	case DMO_FRAME_SYNC:
		if (!m.direct || !needs_copy() || !arg || arg > UINT32_MAX || arg == m.copy_step)
			return false;
		m.copy_step = arg;
		m.unsynced = false;
		return true;
	}
	return false;
}

static void take_line(const u8 *hello, struct line *line)
{
	u64 i;

	line->nr = get_le(hello + 176, 4);
	for (i = 0; i < line->nr; i++)
		line->at[i] = get_le(hello + 192 + 24 * i, 8);
}

static bool same_line(const struct line *a, const struct line *b)
{
	return a->nr == b->nr && !memcmp(a->at, b->at, a->nr * 8);
}

static bool model_up(const u8 *peer)
{
	drop_open();
	take_line(peer, &m.peer);
	if (!m.peer.nr)
		return false;
	if (m.assume && m.rel == DMO_REL_EQUAL)
		m.line = m.peer;
	m.assume = false;
	return true;
}

/* Is @own what a secondary has to say of itself? */
static void check_hello(const u8 *own)
{
	struct line line;
	bool copy = needs_copy();

	if (!hello_good(own, 192 + 24 * get_le(own + 176, 4) + 16 * get_le(own + 28, 4)))
		fail("its HELLO is not good");
	take_line(own, &line);
	if (!same_line(&line, &m.line))
		fail("its HELLO has a line of %llu activations, newest %llu, wanted %llu, newest %llu",
		     line.nr, line.nr ? line.at[0] : 0, m.line.nr, m.line.nr ? m.line.at[0] : 0);
	if (get_le(own + 88, 8) != m.complete.epoch || get_le(own + 96, 8) != m.complete.n ||
	    get_le(own + 104, 8) != m.committed.epoch || get_le(own + 112, 8) != m.committed.n ||
	    get_le(own + 136, 8) != m.activation)
		fail("its HELLO says that %llu.%llu of %llu is complete, wanted %llu.%llu of %llu",
		     get_le(own + 88, 8), get_le(own + 96, 8), get_le(own + 136, 8), m.complete.epoch,
		     m.complete.n, m.activation);
	if ((get_le(own + 4, 4) & (DMO_SBF_INCONSISTENT | DMO_SBF_ASSUME_EQUAL)) !=
	    (copy ? DMO_SBF_INCONSISTENT : 0) + (m.assume ? DMO_SBF_ASSUME_EQUAL : 0))
		fail("the flags of its HELLO are 0x%llx, copy %d, equal %d", get_le(own + 4, 4), copy,
		     m.assume);
	if (get_le(own + 72, 8) != (copy ? m.copy_id : 0) || get_le(own + 80, 4) != (copy ? m.copy_step : 0))
		fail("its HELLO names step %llu of copy %llu, wanted %llu of %llu", get_le(own + 80, 4),
		     get_le(own + 72, 8), copy ? m.copy_step : 0, copy ? m.copy_id : 0);
}

/* What a secondary that said @own does with @n bytes. */
static void model_run(const u8 *own, const u8 *p, size_t n)
{
	static u8 peer[DMO_WIRE_MAX_PAYLOAD];
	u64 expect = 1;

	check_hello(own);
	m.hello = m.accept = m.direct = m.unsynced = false;
	m.frames = 0;
	for (;; expect++) {
		u32 type, plen, dlen, csum;
		u8 h[64];

		if (n < 64 || !hdr_good(p, expect))
			return;
		memcpy(h, p, 64);
		type = (u32)get_le(h + 10, 2);
		plen = (u32)get_le(h + 24, 4);
		dlen = (u32)get_le(h + 28, 4);
		if (n - 64 < plen)
			return;
		put_le(h + 4, 0, 4);
		csum = dmo_crc(0, h, 64);
		if (plen)
			csum = dmo_crc(csum, p + 64, plen);
		if (csum != get_le(p + 4, 4))
			return;
		switch (type) {
		case DMO_FRAME_HELLO:
			if (m.hello || !hello_good(p + 64, plen))
				return;
			m.rel = relation(own, p + 64);
			if (m.rel == DMO_REL_REFUSE)
				return;
			memcpy(peer, p + 64, plen);
			m.hello = true;
			break;
		case DMO_FRAME_ACCEPT:
			if (!m.hello || m.accept)
				return;
			m.accept = true;
			nr_shaken++;
			if (!model_up(peer))
				return;
			break;
		case DMO_FRAME_REFUSE:
		case DMO_FRAME_FAIL:
			return;
		case DMO_FRAME_PING:
			if (!m.accept)
				return;
			break;
		default:
			if (!m.accept || !model_frame(p, p + 64, plen,
						      n - 64 - plen < dlen ? NULL : p + 64 + plen, dlen))
				return;
		}
		if (n - 64 - plen < dlen)
			return;
		n -= 64 + plen + dlen;
		p += 64 + plen + dlen;
		nr_accepted++;
	}
}

/* -- making a good conversation --------------------------------------------------- */

static u64 frames, records, descs, activation;
static u32 csum;
static struct dmo_cut making;	/* the chunk that DATA frames are of */

static void data_frame(u16 type)
{
	static u8 payload[128 * 24], data[16 * DMO_BLOCK];
	u32 n = 1 + rng_below(&rng, 6), i, k, dlen = 0, v = rng_below(&rng, NR_VOLS);
	u64 block = rng_below(&rng, VOL_BLOCKS - 100);

	for (i = 0; i < n; i++) {
		u8 *d = payload + 24 * i, mask = rng_chance(&rng, 60) ? 0xff : 1 + rng_below(&rng, 255);
		bool zero = rng_chance(&rng, 20);
		u32 count = zero ? 1 + rng_below(&rng, 8) : 1, bytes = (u32)__builtin_popcount(mask) * 512;

		memset(d, 0, 24);
		put_le(d, v, 4);
		d[4] = zero ? DMO_DESC_ZERO : DMO_DESC_DATA;
		d[5] = zero ? 0xff : mask;
		put_le(d + 8, block, 8);
		put_le(d + 16, zero ? count : bytes, zero ? 8 : 4);
		block += count + rng_below(&rng, 3);
		if (zero)
			continue;
		memset(data + dlen, 1 + (int)rng_below(&rng, 255), bytes);
		for (k = 0; k < bytes; k += 512)
			put_le(data + dlen + k, rng_next(&rng), 8);
		put_le(d + 20, dmo_crc(0, data + dlen, bytes), 4);
		dlen += bytes;
	}
	if (type == DMO_FRAME_DIRECT) {
		add(type, (struct dmo_cut){ }, rng_below(&rng, 5), payload, n * 24, data, dlen);
	} else {
		add(type, making, ++frames, payload, n * 24, data, dlen);
		records++;
		descs += n;
		csum = dmo_crc(csum, payload, n * 24);
	}
}

static void last_frame(struct dmo_cut tag, u32 flags)
{
	u8 payload[DMO_WIRE_LAST_LEN];
	struct dmo_last l = { .table = { 1, 1 }, .time_ns = 5, .total_records = records, .total_desc = descs,
			      .total_csum = csum, .flags = flags, .activation = activation,
			      .first = records ? frames - records + 1 : 0 };

	dmo_last_encode(&l, payload);
	add(DMO_FRAME_LAST, tag, 0, payload, sizeof(payload), NULL, 0);
	records = descs = csum = 0;
}

static struct dmo_cut above(struct dmo_cut c)
{
	if (c.n > 1ull << 62 || rng_chance(&rng, 5))
		return (struct dmo_cut){ c.epoch + 1, 1 };
	c.n += 1 + rng_below(&rng, 3);
	if (!c.epoch)
		c.epoch = 1;
	return c;
}

/* What a primary says to the secondary that said @theirs. */
static void make_primary(const struct dmo_hello *theirs)
{
	static struct dmo_hello ours;
	static u8 payload[DMO_WIRE_MAX_PAYLOAD];
	struct dmo_cut tag = theirs->complete;
	u32 chunks = 1 + rng_below(&rng, 3), n;
	bool copy = theirs->flags & DMO_SBF_INCONSISTENT ? rng_chance(&rng, 90) : rng_chance(&rng, 12);

	len = nr = 0;
	number = 0;
	frames = records = descs = csum = 0;
	ours = *theirs;
	ours.role = DMO_ROLE_PRIMARY;
	ours.flags = theirs->flags & DMO_SBF_ASSUME_EQUAL;
	ours.peer = rng_below(&rng, 9);
	ours.activation = 0;
	if (!ours.line.nr || rng_chance(&rng, 5))	/* active once more since: an ancestor's data */
		dmo_line_add(&ours.line, rng_next(&rng) | 1);
	activation = dmo_line_newest(&ours.line);
	add(DMO_FRAME_HELLO, (struct dmo_cut){ }, 0, payload, dmo_hello_encode(&ours, payload), NULL, 0);
	simple(DMO_FRAME_ACCEPT, (struct dmo_cut){ }, 0);
	if (copy) {
		simple(DMO_FRAME_DIRECT_BEGIN, (struct dmo_cut){ }, theirs->copy_id && rng_chance(&rng, 70) ?
		       theirs->copy_id : rng_next(&rng));
		for (n = rng_below(&rng, 4); n; n--)
			data_frame(DMO_FRAME_DIRECT);
		simple(DMO_FRAME_SYNC, (struct dmo_cut){ }, theirs->copy_step + 1 ?: 1);
	}
	while (chunks--) {
		tag = making = above(tag);
		for (n = rng_below(&rng, 4); n; n--) {
			data_frame(DMO_FRAME_DATA);
			if (!rng_chance(&rng, 10))
				continue;
			simple(DMO_FRAME_DROP, tag, 0);
			tag = above(tag);
			if (rng_chance(&rng, 50))	/* or some more of the one that was dropped */
				making = tag;
		}
		if (rng_chance(&rng, 20))
			simple(DMO_FRAME_PING, (struct dmo_cut){ }, 0);
		last_frame(tag, copy ? DMO_LASTF_END_OF_COPY : 0);
		copy = false;
		if (rng_chance(&rng, 70))
			simple(DMO_FRAME_COMMIT, tag, 0);
	}
	simple(DMO_FRAME_COMMIT, tag, 0);
}

/* -- mutation -------------------------------------------------------------------- */

static void resign(u8 *f, size_t have)
{
	size_t plen = get_le(f + 24, 4);
	u32 crc;

	if (have < 64)
		return;
	if (plen > have - 64)
		plen = have - 64;
	put_le(f + 4, 0, 4);
	crc = dmo_crc(0, f, 64);
	put_le(f + 4, plen ? dmo_crc(crc, f + 64, plen) : crc, 4);
}

/* Frames are gone or twice: numbers that fit again. */
static void renumber(void)
{
	u32 i;

	for (i = 0; i < nr; i++) {
		if (starts[i + 1] - starts[i] < 64)
			return;
		put_le(stream + starts[i] + 16, i + 1, 8);
		resign(stream + starts[i], starts[i + 1] - starts[i]);
	}
}

static void cut_out(size_t at, size_t n)
{
	u32 i;

	memmove(stream + at, stream + at + n, len - at - n);
	len -= n;
	for (i = 0; i <= nr; i++)
		if (starts[i] > at)
			starts[i] -= starts[i] - at < n ? starts[i] - at : n;
}

static void frame_out(u32 f)
{
	cut_out(starts[f], starts[f + 1] - starts[f]);
	memmove(starts + f, starts + f + 1, (nr - f) * sizeof(starts[0]));
	nr--;
}

static void frame_twice(u32 f, u32 to)
{
	static u8 copy[MAX_STREAM / 2];
	size_t n = starts[f + 1] - starts[f], at = starts[to];
	u32 i;

	if (nr == MAX_FRAMES || len + n > MAX_STREAM / 2)
		return;
	memcpy(copy, stream + starts[f], n);
	memmove(stream + at + n, stream + at, len - at);
	memcpy(stream + at, copy, n);
	len += n;
	for (i = nr + 1; i > to; i--)
		starts[i] = starts[i - 1] + n;
	nr++;
}

static u64 odd_value(u64 was)
{
	static const u64 edges[] = { 0, 1, 2, 127, 128, 129, 255, 256, 4095, 4096, 65535, 65536,
				     0x7fffffff, 0x80000000, 0xffffffff, 1ull << 62, ~0ull >> 1, ~0ull };

	switch (rng_below(&rng, 4)) {
	case 0:
		return was ^ 1ull << rng_below(&rng, 64);
	case 1:
		return was + rng_below(&rng, 5) - 2;
	case 2:
		return edges[rng_below(&rng, ARRAY_SIZE(edges))];
	}
	return rng_next(&rng);
}

/* A field of 1, 2, 4 or 8 bytes. */
static void odd_field(u8 *p, size_t have)
{
	u32 bytes = 1u << rng_below(&rng, 4);
	size_t at;

	if (have < bytes)
		return;
	at = rng_below(&rng, (u32)(have / bytes)) * bytes;
	put_le(p + at, odd_value(get_le(p + at, bytes)), bytes);
}

static void mutate(void)
{
	u32 f = rng_below(&rng, nr), g = rng_below(&rng, nr), i;
	size_t have = starts[f + 1] - starts[f], at, n;
	u8 *p = stream + starts[f], tmp[64];
	size_t plen = have >= 64 ? get_le(p + 24, 4) : 0;

	if (!nr || !len)
		return;
	if (plen > have - 64)
		plen = have < 64 ? 0 : have - 64;
	switch (rng_below(&rng, 14)) {
	case 0:
		stream[rng_below(&rng, (u32)len)] ^= 1u << rng_below(&rng, 8);
		break;
	case 1:
		at = rng_below(&rng, (u32)len);
		for (n = 1 + rng_below(&rng, 16); n && at < len; n--)
			stream[at++] = (u8)rng_next(&rng);
		break;
	case 2:
		at = rng_below(&rng, (u32)len);
		cut_out(at, len - at);
		break;
	case 3:
		at = rng_below(&rng, (u32)len);
		n = 1 + rng_below(&rng, 100);
		cut_out(at, n < len - at ? n : len - at);
		break;
	case 4:
		frame_out(f);
		if (rng_chance(&rng, 70))
			renumber();
		break;
	case 5:
		frame_twice(f, rng_below(&rng, nr + 1));
		if (rng_chance(&rng, 70))
			renumber();
		break;
	case 6:			/* two frames exchanged */
		if (f > g) {
			i = f;
			f = g;
			g = i;
		}
		frame_twice(g, f);
		frame_out(g + 1 < nr ? g + 1 : nr - 1);
		if (rng_chance(&rng, 70))
			renumber();
		break;
	case 7:			/* headers exchanged */
		if (have < 64 || starts[g + 1] - starts[g] < 64)
			break;
		memcpy(tmp, p, 64);
		memcpy(p, stream + starts[g], 64);
		memcpy(stream + starts[g], tmp, 64);
		if (rng_chance(&rng, 50))
			renumber();
		break;
	case 8:			/* a header's field */
	case 9:
		if (have < 64)
			break;
		odd_field(p + 8, 56);
		if (rng_chance(&rng, 90))
			resign(p, have);
		break;
	case 10:		/* another type, or tag */
		if (have < 64)
			break;
		if (rng_chance(&rng, 50))
			put_le(p + 10, rng_below(&rng, 40), 2);
		else
			memcpy(p + 32, stream + starts[g] + 32, 16);
		resign(p, have);
		break;
	case 11:		/* a payload's field */
	case 12:
		odd_field(p + 64, plen);
		if (rng_chance(&rng, 90))
			resign(p, have);
		break;
	case 13:		/* a descriptor with another's fields, or a length */
		if (plen < 48)
			break;
		at = 24 * rng_below(&rng, (u32)plen / 24);
		memcpy(p + 64 + at, p + 64 + 24 * rng_below(&rng, (u32)plen / 24), 24);
		resign(p, have);
		break;
	}
}

/* -- talking ------------------------------------------------------------------- */

static struct node node, second;
static struct host *other;

struct talk {
	struct sim_conn *conn;
	int fd;
	u8 hello[DMO_WIRE_MAX_PAYLOAD];
	bool done;
};

static bool read_all(struct socket *s, void *buf, size_t n)
{
	struct kvec vec = { buf, n };
	struct msghdr msg = { };

	iov_iter_kvec(&msg.msg_iter, ITER_DEST, &vec, 1, n);
	while (msg_data_left(&msg))
		if (sock_recvmsg(s, &msg, MSG_WAITALL) <= 0)
			return false;
	return true;
}

static bool send_all(struct socket *s, const void *buf, size_t n)
{
	struct kvec vec = { (void *)buf, n };
	struct msghdr msg = { };

	iov_iter_kvec(&msg.msg_iter, ITER_SOURCE, &vec, 1, n);
	while (msg_data_left(&msg))
		if (sock_sendmsg(s, &msg) <= 0)
			return false;
	return true;
}

/* The next frame's header and payload; its data is thrown away. */
static bool read_frame(struct socket *s, u8 *hdr, u8 *payload)
{
	static u8 data[DMO_WIRE_MAX_DATA];

	if (!read_all(s, hdr, 64))
		return false;
	if (get_le(hdr + 24, 4) > DMO_WIRE_MAX_PAYLOAD || get_le(hdr + 28, 4) > DMO_WIRE_MAX_DATA)
		fail("the node sends a frame too long");
	return read_all(s, payload, get_le(hdr + 24, 4)) && read_all(s, data, get_le(hdr + 28, 4));
}

static void decode_hello(const u8 *hdr, const u8 *payload, struct dmo_hello *h)
{
	struct dmo_reason why = {};

	if (get_le(hdr + 10, 2) != DMO_FRAME_HELLO ||
	    dmo_hello_decode(payload, (u32)get_le(hdr + 24, 4), h, &why))
		fail("the node's first word is no good HELLO: %s", why.text);
}

/* To a secondary: everything at once, then listen until it hangs up. */
static void primary_fiber(void *arg)
{
	static struct dmo_hello theirs;
	static u8 payload[DMO_WIRE_MAX_PAYLOAD];
	struct talk *t = arg;
	u8 hdr[64];
	int err, i;
	struct socket *s = sockfd_lookup(t->fd, &err);

	if (!read_frame(s, hdr, t->hello))
		fail("the node says nothing");
	decode_hello(hdr, t->hello, &theirs);
	make_primary(&theirs);
	nr_frames += nr;
	if (at_mutation % 12)
		for (i = 1 + (int)rng_below(&rng, 2) * (int)rng_below(&rng, 3); i; i--)
			mutate();
	if (send_all(s, stream, len))
		while (read_frame(s, hdr, payload))
			;
	sockfd_put(s);
	t->done = true;
	sim_stop = true;
}

static int do_attach(struct node *n, void *fd)
{
	return node_attach(n, *(int *)fd);
}

static void run_until(struct talk *t, struct node *n, u64 limit)
{
	u64 until = sim_now + limit;

	for (;;) {
		struct dmo_session *s = node_session(n);

		if (t->done && !s->link)
			return;
		if (!s->link)	/* it has hung up: a peer that waits for room has to be told */
			conn_cut(t->conn, false);
		if (sim_now >= until)
			fail("the link does not end: %s", sim_why);
		switch (sim_run(min(until, sim_now + 50 * SIM_MS))) {
		case SIM_FAILED:
			fail("%s", sim_why);
		case SIM_IDLE:
			if (s->link)
				fail("the link does not end, and nothing happens any more");
			break;
		default:
			break;
		}
	}
}

static const struct sim_net net = { .delay_us = 50, .jitter_us = 50, .window = 65536, .short_reads = 10 };

static void meta_image(u8 (*to)[DMO_BLOCK])
{
	static const u8 blocks[] = { 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23, 32, 33 };
	u32 i;

	for (i = 0; i < sizeof(blocks); i++)
		disk_read_now(node.meta, blocks[i] * 8, 8, to[i]);
}

static bool same_cut(struct dmo_cut a, struct dmo_cut b) { return !dmo_cut_cmp(a, b); }

static void check_secondary(const char *when)
{
	static const u8 zero[DMO_BLOCK];
	struct dmo_session_status st;
	u64 b;
	u32 v;

	if (!node_settle(&node, 20 * SIM_SEC))
		fail("%s: the restore does not end: %s", when, sim_why);
	if (node_call(&node, node_do_status, &st, SIM_SEC))
		fail("%s: no status: %s", when, sim_why);
	if (!same_cut(st.sec.complete, m.complete) || !same_cut(st.sec.committed, m.committed) ||
	    !same_cut(st.sec.restored, m.committed))
		fail("%s: complete %llu.%llu, committed %llu.%llu, restored %llu.%llu, wanted %llu.%llu, %llu.%llu: %s",
		     when, st.sec.complete.epoch, st.sec.complete.n, st.sec.committed.epoch,
		     st.sec.committed.n, st.sec.restored.epoch, st.sec.restored.n, m.complete.epoch,
		     m.complete.n, m.committed.epoch, m.committed.n, st.why.text);
	if (!!(st.flags & DMO_F_INCONSISTENT) != m.inconsistent)
		fail("%s: flags 0x%x, inconsistent should be %d: %s", when, st.flags, m.inconsistent, st.why.text);
	if (!st.why.text[0])
		fail("%s: the link ended without a reason", when);
	if (st.sec.mem_used > BUDGET + SLACK || node.host->bytes > BUDGET + SLACK)
		fail("%s: %llu bytes of records, %llu in all", when, st.sec.mem_used, node.host->bytes);
	for (v = 0; v < NR_VOLS; v++)
		for (b = 0; b < (vols[v].sectors + 7) / 8; b++) {
			const u8 *is = disk_block(node.data[v], b), *want = m.block[v][b];
			u64 n = min_t(u64, 8, vols[v].sectors - 8 * b) * 512;

			if (is != want && memcmp(is ?: zero, want ?: zero, n))
				fail("%s: volume %u, block %llu: %s", when, v, b, st.why.text);
		}
}

static void format(struct node *n, const char *name, u32 role, u32 flags)
{
	struct node_format f = { .role = role, .flags = flags, .nr_volumes = NR_VOLS,
				 .meta_blocks = 4096, .cycle_ms = 20, .link_timeout_ms = 200 };
	u32 i;

	for (i = 0; i < NR_VOLS; i++)
		f.sectors[i] = vols[i].sectors;
	node_init(n, name, &f);
	node_format(n, &f);
	node_boot(n);
}

static void must_call(struct node *n, int (*fn)(struct node *n, void *arg), void *arg, const char *what)
{
	int rc = node_call(n, fn, arg, 100 * SIM_SEC);

	if (rc)
		fail("%s: %d %s %s", what, rc, n->why.text, sim_why);
}

static void model_reset(void)
{
	u32 v, b;
	struct chunk *c;

	while ((c = m.chunks)) {
		m.chunks = c->next;
		free_ops(c);
		free(c);
	}
	free_ops(&m.open);
	for (v = 0; v < NR_VOLS; v++)
		for (b = 0; b < VOL_BLOCKS; b++)
			free(m.block[v][b]);
	memset(&m, 0, sizeof(m));
	m.assume = true;
}

/* The power failed in a direct copy: what wasn't synced may be gone. */
static void forget_data(void)
{
	u32 v, b;

	for (v = 0; v < NR_VOLS; v++)
		for (b = 0; b < (vols[v].sectors + 7) / 8; b++)
			if (disk_block(node.data[v], b))
				memcpy(model_block(v, b), disk_block(node.data[v], b), DMO_BLOCK);
			else if (m.block[v][b])
				memset(m.block[v][b], 0, DMO_BLOCK);
}

static void secondary_batch(u32 n)
{
	static u8 before[18][DMO_BLOCK], after[18][DMO_BLOCK];
	static struct talk t;
	int fd[2];

	model_reset();
	format(&node, "s", DMO_ROLE_SECONDARY, DMO_SBF_ASSUME_EQUAL);
	must_call(&node, node_do_start, NULL, "start");
	for (at_mutation = 0; at_mutation < n; at_mutation++) {
		struct dmo_cut was = m.committed;

		meta_image(before);
		t.conn = conn_new(other, node.host, &net, fd);
		t.fd = fd[0];
		t.done = false;
		sim_spawn(other, primary_fiber, &t, "peer", false);
		must_call(&node, do_attach, &fd[1], "attach");
		run_until(&t, &node, 60 * SIM_SEC);
		conn_close_fd(fd[0]);
		conn_close_fd(fd[1]);
		model_run(t.hello, stream, len);
		check_secondary("after a link");
		if (dmo_cut_cmp(m.committed, was) < 0)
			fail("the model is wrong");
		nr_whole += same_cut(m.committed, m.complete);
		if (!m.accept) {
			meta_image(after);
			if (memcmp(before, after, sizeof(before)))
				fail("the metadata device changed before the handshake was done");
		}
		if (at_mutation % 32 == 15) {	/* not the last: the stop is to find what leaked */
			node_crash(&node, rng_below(&rng, 4), &rng);
			if (m.inconsistent)
				forget_data();
			node_boot(&node);
			must_call(&node, node_do_start, NULL, "recovery");
			dmo_refuse(&node_session(&node)->why, 0, "recovered");
			check_secondary("after a power cut");
		}
	}
	must_call(&node, node_do_stop, NULL, "stop");
}

/* -- towards a primary ------------------------------------------------------------ */

static struct dmo_cut newest_last;	/* that it ever sent */

struct answers {
	struct socket *s;
	u64 number;
	u32 left;		/* frames until the wrong one */
};

/* One frame to the primary, the one whose turn it is wrong. Return: go on. */
static bool answer(struct answers *a, u16 type, struct dmo_cut tag, u64 arg, const void *payload, u32 plen)
{
	len = nr = 0;
	number = a->number++;
	add(type, tag, arg, payload, plen, NULL, 0);
	nr_frames++;
	if (a->left && !--a->left) {
		mutate();
		if (rng_chance(&rng, 30))
			mutate();
		if (!nr)
			a->number--;
	}
	return send_all(a->s, stream, len);
}

static struct dmo_cut odd_cut(struct dmo_cut c)
{
	c.epoch = odd_value(c.epoch) % (1ull << 62);
	c.n = odd_value(c.n);
	return c;
}

static void secondary_fiber(void *arg)
{
	static struct dmo_hello theirs, ours;
	static u8 payload[DMO_WIRE_MAX_PAYLOAD];
	struct talk *t = arg;
	u32 frames = rng_below(&rng, 40), wrong = rng_below(&rng, 100);
	bool good = at_mutation % 12 == 0;
	u8 hdr[64];
	int err, i;
	struct answers a = { .s = sockfd_lookup(t->fd, &err), .left = good ? 0 : 1 + rng_below(&rng, 12) };

	if (!read_frame(a.s, hdr, payload))
		fail("the node says nothing");
	decode_hello(hdr, payload, &theirs);
	ours = theirs;
	ours.role = DMO_ROLE_SECONDARY;
	ours.flags = theirs.flags & DMO_SBF_ASSUME_EQUAL;
	ours.peer = 0;
	if (rng_chance(&rng, 10))
		ours.line.nr = 0;
	ours.activation = dmo_line_newest(&ours.line);
	ours.chunk_max = 4 << 20;
	if (rng_chance(&rng, 15)) {
		ours.complete = ours.committed = ours.restored = (struct dmo_cut){ };
		ours.flags |= DMO_SBF_INCONSISTENT;
	}
	if (!good && rng_chance(&rng, 15)) {
		ours.complete = odd_cut(ours.complete);
		ours.committed = odd_cut(ours.committed);
	}
	if (dmo_cut_cmp(ours.complete, newest_last) > 0)
		newest_last = ours.complete;	/* it says so itself */
	if (dmo_cut_cmp(ours.committed, newest_last) > 0)
		newest_last = ours.committed;
	answer(&a, DMO_FRAME_HELLO, (struct dmo_cut){ }, 0, payload, dmo_hello_encode(&ours, payload));
	for (i = 88; len >= 64 + 192 && i < 120; i += 16) {	/* mutated, perhaps */
		struct dmo_cut c = { get_le(stream + 64 + i, 8), get_le(stream + 72 + i, 8) };

		if (dmo_cut_cmp(c, newest_last) > 0)
			newest_last = c;
	}
	answer(&a, DMO_FRAME_ACCEPT, (struct dmo_cut){ }, 0, NULL, 0);
	while (frames-- && read_frame(a.s, hdr, payload)) {
		struct dmo_cut tag = { get_le(hdr + 32, 8), get_le(hdr + 40, 8) }, say;
		u64 n = get_le(hdr + 48, 8);
		bool ok = true;

		say = !good && wrong < 10 && rng_chance(&rng, 20) ? odd_cut(tag) : tag;
		switch (get_le(hdr + 10, 2)) {
		case DMO_FRAME_LAST:
			if (dmo_cut_cmp(tag, newest_last) > 0)
				newest_last = tag;
			if (good || wrong < 90)
				ok = answer(&a, DMO_FRAME_COMPLETE, say, 0, NULL, 0);
			break;
		case DMO_FRAME_COMMIT:
			ok = answer(&a, DMO_FRAME_COMMITTED, say, 0, NULL, 0) &&
			     answer(&a, DMO_FRAME_RESTORED, say, 0, NULL, 0);
			break;
		case DMO_FRAME_DROP:
			ok = answer(&a, DMO_FRAME_DROPPED, say, rng_below(&rng, 2), NULL, 0);
			break;
		case DMO_FRAME_DIRECT_BEGIN:
			ok = answer(&a, DMO_FRAME_DIRECT_READY, (struct dmo_cut){ }, n, NULL, 0);
			break;
		case DMO_FRAME_SYNC:
			ok = answer(&a, DMO_FRAME_SYNCED, (struct dmo_cut){ }, n, NULL, 0);
			break;
		}
		if (!ok)
			break;
	}
	kernel_sock_shutdown(a.s, SHUT_RDWR);
	sockfd_put(a.s);
	t->done = true;
	sim_stop = true;
}

struct writing { u32 left, failed; };

static int do_writes(struct node *n, void *arg)
{
	struct writing *w = arg;

	for (; w->left; w->left--) {
		struct page *page = alloc_page(GFP_KERNEL);
		struct bio_vec vec;
		struct bio bio;

		memset(page_address(page), (int)rng_below(&rng, 256), PAGE_SIZE);
		bio_init(&bio, dm_bdev(n->md[rng_below(&rng, NR_VOLS)]), &vec, 1, REQ_OP_WRITE);
		bio.bi_iter.bi_sector = 8 * rng_below(&rng, 200);
		__bio_add_page(&bio, page, PAGE_SIZE, 0);
		w->failed += submit_bio_wait(&bio) != 0;
		put_page(page);
		sim_sleep(rng_below(&rng, 10) * SIM_MS);
	}
	return 0;
}

/* Its cuts; nothing is left to be sent. */
static bool drained(struct node *n)
{
	struct dmo_session_status st;

	must_call(n, node_do_status, &st, "status");
	return st.link.state == DMO_LINK_UP && same_cut(st.pri.cut, st.pri.restored) && !st.pri.copy_left &&
	       !st.pri.active.slots && !st.pri.active.refs && !st.pri.active.zeroes &&
	       st.state == DMO_STATE_REPLICATING;
}

static void make_equal(void)
{
	static const u8 zero[DMO_BLOCK];
	struct writing w = { .left = 20 };
	int fd[2], i;
	u64 b;
	u32 v;

	format(&second, "t", DMO_ROLE_SECONDARY, 0);
	must_call(&second, node_do_start, NULL, "start of the real secondary");
	conn_new(node.host, second.host, &net, fd);
	must_call(&node, do_attach, &fd[0], "attach");
	must_call(&second, do_attach, &fd[1], "attach");
	must_call(&node, do_writes, &w, "writes");
	for (i = 0; i < 400 && !drained(&node); i++)
		if (sim_run(sim_now + 100 * SIM_MS) == SIM_FAILED)
			fail("%s", sim_why);
	if (i == 400)
		fail("a real secondary does not become equal: %s / %s", node_session(&node)->why.text,
		     node_session(&second)->why.text);
	for (v = 0; v < NR_VOLS; v++)
		for (b = 0; b < (vols[v].sectors + 7) / 8; b++) {
			const u8 *x = disk_block(node.data[v], b), *y = disk_block(second.data[v], b);

			if (memcmp(x ?: zero, y ?: zero, min_t(u64, 8, vols[v].sectors - 8 * b) * 512))
				fail("a real secondary differs in volume %u, block %llu", v, b);
		}
	must_call(&second, node_do_stop, NULL, "stop");
}

static void primary_batch(u32 n)
{
	static struct talk t;
	int fd[2];

	newest_last = (struct dmo_cut){ };
	format(&node, "p", DMO_ROLE_PRIMARY, DMO_SBF_ASSUME_EQUAL);
	must_call(&node, node_do_start, NULL, "start");
	for (at_mutation = 0; at_mutation < n; at_mutation++) {
		struct writing w = { .left = rng_below(&rng, 6) };
		struct dmo_session_status st;

		t.conn = conn_new(other, node.host, &net, fd);
		t.fd = fd[0];
		t.done = false;
		sim_spawn(other, secondary_fiber, &t, "peer", false);
		must_call(&node, do_attach, &fd[1], "attach");
		must_call(&node, do_writes, &w, "the host's writes");
		if (w.failed)
			fail("a write of the host failed");
		run_until(&t, &node, 60 * SIM_SEC);
		conn_close_fd(fd[0]);
		conn_close_fd(fd[1]);
		must_call(&node, node_do_status, &st, "status");
		if (!st.why.text[0])
			fail("the link ended without a reason");
		if (dmo_cut_cmp(st.pri.committed, newest_last) > 0)
			fail("it believes that %llu.%llu is committed, which was never sent",
			     st.pri.committed.epoch, st.pri.committed.n);
		if (node.host->bytes > BUDGET + SLACK)
			fail("%llu bytes", node.host->bytes);
	}
	make_equal();
	must_call(&node, node_do_stop, NULL, "stop");
}

static void run_batch(u64 b, u32 n)
{
	struct sim_params params = { .turn = 200, .step_ns = 20000 };

	batch = b;
	rng.s = seed * 0x9e3779b97f4a7c15ull + b * 0xd1342543de82ef95ull;
	sim_begin(rng_next(&rng), &params);
	other = host_new("x");
	host_boot(other);
	if (b % 4 == 3)
		primary_batch(n);
	else
		secondary_batch(n);
	if (sim_failed)
		fail("%s", sim_why);
}

int main(int argc, char **argv)
{
	u64 count = 20000, b;
	s64 only = -1;
	int i;

	seed = 1;
	for (i = 1; i + 1 < argc; i += 2) {
		u64 v = strtoull(argv[i + 1], NULL, 0);

		if (!strcmp(argv[i], "--count"))
			count = v;
		else if (!strcmp(argv[i], "--seed"))
			seed = v;
		else if (!strcmp(argv[i], "--batch"))
			only = (s64)v;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (only >= 0) {
		sim_tracing = getenv("TRACE");
		run_batch((u64)only, BATCH);
	} else {
		for (b = 0; b * BATCH < count; b++)
			run_batch(b, BATCH);
	}
	printf("ok peermut (seed %llu: %llu conversations, %llu frames, %llu taken, %llu handshakes, %llu LAST, %llu direct copies, %llu with everything committed)\n",
	       seed, only >= 0 ? BATCH : (count + BATCH - 1) / BATCH * BATCH, nr_frames, nr_accepted,
	       nr_shaken, nr_lasts, nr_direct, nr_whole);
	return 0;
}
