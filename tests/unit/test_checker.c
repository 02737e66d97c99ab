// SPDX-License-Identifier: GPL-2.0-only
/*
 * The checker itself (tests/checker/): histories, traces and images of a made-up replicator that works
 * well are accepted, and each way to spoil an image, a trace or a history is found, under its name.
 */
#include "unit.h"
#include "../checker/check.h"
#include "../checker/stamp.h"

#define LANES	8
#define TOKENS	2
#define VOLS	2
#define SECTORS	1024u
#define MAX_OPS	6000
#define RUN	0xc0ffee

/* ---- a made-up system ---- */

struct sim_op {
	u32 lane, vol, lba, n;
	u64 seq, cycle, clock[LANES];
	bool zero, captured, done;
};

struct text {
	char *p;
	size_t len, room;
};

static struct sim {
	u32 hosts;
	struct sim_op ops[MAX_OPS];
	u32 nr_ops;
	u32 order[MAX_OPS], nr_captured;	/* in the order of their capture */
	u32 lane_op[LANES][MAX_OPS];
	struct { u64 seq, clock[LANES]; int in_flight; } lane[LANES];
	struct { u32 holder; u64 clock[LANES]; } token[TOKENS];
	u64 cycle, now, event;
	u64 commit;			/* newest in a history */
	u64 last_drained;
	struct text history[2], trace;
	unsigned char image[VOLS][SECTORS * CK_SECTOR];
} sim;

static void __attribute__((format(printf, 2, 3))) put(struct text *t, const char *fmt, ...)
{
	char line[512];
	va_list ap;
	size_t n;

	va_start(ap, fmt);
	n = (size_t)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (t->len + n + 1 > t->room) {
		t->room = (t->len + n + 1) * 2;
		t->p = realloc(t->p, t->room);
	}
	memcpy(t->p + t->len, line, n + 1);
	t->len += n;
}

static u32 host_of(u32 lane)
{
	return lane / (LANES / sim.hosts);
}

static void put_trace(const char *fmt, u64 a, u64 b, u64 c, u64 d, u64 e)
{
	char what[200];

	snprintf(what, sizeof(what), fmt, a, b, c, d, e);
	put(&sim.trace, "  dmo_cycle/dm-0-187 [000] ..... %llu.000000: dmo_", (unsigned long long)sim.now);
	put(&sim.trace, what, "dev=7:1 nr=", (unsigned long long)++sim.event);
	put(&sim.trace, "\n");
}

/* A piece of a volume that is the lane's, or of a token it holds. With two hosts each has one volume. */
static void choose_place(struct sim_op *op)
{
	u32 pieces = LANES + TOKENS, size = SECTORS / pieces, p = op->lane, t;

	op->vol = sim.hosts == 2 ? host_of(op->lane) : unit_below(VOLS);
	for (t = 0; t < TOKENS; t++)
		if (sim.token[t].holder == op->lane && unit_below(2) &&
		    (sim.hosts == 1 || t == op->vol))
			p = LANES + t;
	op->n = 1 + unit_below(unit_below(4) ? 8 : size / 2);
	op->lba = p * size + unit_below(unit_below(3) ? 16 : size - op->n + 1);
	if (op->lba + op->n > (p + 1) * size)
		op->lba = (p + 1) * size - op->n;
}

static void issue(u32 lane, bool zeroes)
{
	struct sim_op *op = &sim.ops[sim.nr_ops];
	struct text *h = &sim.history[host_of(lane)];
	u32 t, k;

	memset(op, 0, sizeof(*op));
	op->lane = lane;
	for (t = 0; t < TOKENS; t++)
		for (k = 0; k < LANES && sim.token[t].holder == lane; k++)
			if (k != lane && sim.token[t].clock[k] > sim.lane[lane].clock[k])
				sim.lane[lane].clock[k] = sim.token[t].clock[k];
	memcpy(op->clock, sim.lane[lane].clock, sizeof(op->clock));
	op->seq = ++sim.lane[lane].seq;
	op->zero = zeroes && unit_below(8) == 0;
	choose_place(op);
	sim.lane_op[lane][op->seq] = sim.nr_ops;
	sim.lane[lane].in_flight = (int)sim.nr_ops++;
	put(h, "I %llu %u %llu %c - %u %u %u ", sim.now, lane, op->seq, op->zero ? "ZX"[unit_below(2)] : 'D',
	    op->vol + 1, op->lba, op->n);
	for (k = 0; k < LANES; k++)
		put(h, k ? ",%llu" : "%llu", op->clock[k]);
	put(h, "\n");
}

static void capture(struct sim_op *op)
{
	u32 first = op->n > 8 && unit_below(4) == 0 ? 1 + unit_below(op->n - 1) : op->n;

	op->captured = true;
	op->cycle = sim.cycle;
	sim.order[sim.nr_captured++] = (u32)(op - sim.ops);
	if (!op->zero)
		first = op->n;
	put_trace(op->zero ? "write: %%s%%llu volume=%llu lba=%llu sectors=%llu seq=%llu zero=1" :
		  "write: %%s%%llu volume=%llu lba=%llu sectors=%llu seq=%llu zero=0",
		  op->vol + 1, op->lba, first, op->cycle, 0);
	if (first < op->n)
		put_trace("write: %%s%%llu volume=%llu lba=%llu sectors=%llu seq=%llu zero=1", op->vol + 1,
			  op->lba + first, op->n - first, op->cycle, 0);
}

static void complete(struct sim_op *op)
{
	u32 t, k;

	op->done = true;
	put(&sim.history[host_of(op->lane)], "A %llu %u %llu 0\n", sim.now, op->lane, op->seq);
	sim.lane[op->lane].clock[op->lane] = op->seq;
	sim.lane[op->lane].in_flight = -1;
	for (t = 0; t < TOKENS; t++)
		if (sim.token[t].holder == op->lane && unit_below(3) == 0) {
			/* it may have come while the write was in flight */
			for (k = 0; k < LANES; k++)
				if (sim.token[t].clock[k] > sim.lane[op->lane].clock[k])
					sim.lane[op->lane].clock[k] = sim.token[t].clock[k];
			memcpy(sim.token[t].clock, sim.lane[op->lane].clock, sizeof(sim.token[t].clock));
			sim.token[t].holder = unit_below(LANES);
		}
}

static bool in_flight(u64 cycle)
{
	u32 k;

	for (k = 0; k < LANES; k++) {
		int i = sim.lane[k].in_flight;

		if (i >= 0 && sim.ops[i].captured && sim.ops[i].cycle == cycle)
			return true;
	}
	return false;
}

static void sim_step(bool zeroes)
{
	u32 lane = unit_below(LANES);
	int i = sim.lane[lane].in_flight;

	sim.now += 100;
	if (i < 0)
		issue(lane, zeroes);
	else if (!sim.ops[i].captured)
		capture(&sim.ops[i]);
	else
		complete(&sim.ops[i]);
	if (sim.last_drained < sim.cycle - 1 && !in_flight(sim.cycle - 1)) {
		sim.last_drained = sim.cycle - 1;
		put_trace("drained: %%s%%llu seq=%llu", sim.last_drained, 0, 0, 0, 0);
	}
	if (unit_below(40) == 0 && sim.last_drained == sim.cycle - 1) {
		put_trace("cut: %%s%%llu seq=%llu epoch=%llu n=%llu", sim.cycle, 3, sim.cycle, 0, 0);
		sim.cycle++;
	}
	if (unit_below(20) == 0)
		put(&sim.history[0], "M %llu %llu\nN %llu %llu 3 %llu\n", sim.now, sim.now, sim.now, sim.now, sim.cycle);
	if (unit_below(60) == 0 && sim.cycle > 4) {
		sim.commit = sim.cycle - 4;
		put(&sim.history[0], "C %llu 3 %llu\n", sim.now, sim.commit);
	}
}

static void sim_run(u32 hosts, u32 ops, bool zeroes)
{
	u32 h, t, k;

	for (h = 0; h < 2; h++)
		free(sim.history[h].p);
	free(sim.trace.p);
	memset(&sim, 0, sizeof(sim));
	sim.hosts = hosts;
	sim.cycle = 1;
	for (k = 0; k < LANES; k++)
		sim.lane[k].in_flight = -1;
	for (t = 0; t < TOKENS; t++)
		sim.token[t].holder = t;
	for (h = 0; h < hosts; h++) {
		put(&sim.history[h], "H 1 %x %u %u %u %u ", RUN, h, LANES, h * LANES / hosts, LANES / hosts);
		if (hosts == 1)
			put(&sim.history[h], "1:%u,2:%u\n", SECTORS, SECTORS);
		else
			put(&sim.history[h], "%u:%u\n", h + 1, SECTORS);
	}
	while (sim.nr_ops < ops || sim.last_drained < sim.cycle - 1)
		sim_step(zeroes);
}

/* What op @nr puts into sector @s of its volume. */
static void sim_content(u32 nr, u32 s, void *sector)
{
	struct sim_op *op = &sim.ops[nr];
	struct stamp st = {
		.run = RUN, .seq = op->seq, .lba = s, .volume = op->vol + 1, .lane = (u16)op->lane, .lanes = LANES,
		.index = s - op->lba,
	};

	if (op->zero)
		memset(sector, 0, CK_SECTOR);
	else
		stamp_fill(sector, &st, (void *)op->clock);
}

static unsigned char *at(u32 vol, u32 s)
{
	return sim.image[vol] + s * CK_SECTOR;
}

static void sim_apply(u32 nr)
{
	struct sim_op *op = &sim.ops[nr];
	u32 s;

	for (s = op->lba; s < op->lba + op->n; s++)
		sim_content(nr, s, at(op->vol, s));
}

/* The image at the end of @cycle, of volume @vol only if it isn't negative; without op @without. */
static void sim_image_of(u64 cycle, int vol, int without)
{
	u32 i, v;

	for (v = 0; v < VOLS; v++)
		if (vol < 0 || v == (u32)vol)
			memset(sim.image[v], 0, sizeof(sim.image[v]));
	for (i = 0; i < sim.nr_captured; i++) {
		struct sim_op *op = &sim.ops[sim.order[i]];

		if (op->cycle <= cycle && (vol < 0 || op->vol == (u32)vol) && (int)sim.order[i] != without)
			sim_apply(sim.order[i]);
	}
}

static void sim_image(u64 cycle)
{
	sim_image_of(cycle, -1, -1);
}

/* ---- asking the checker ---- */

static char told[4000];

static void listen_to(void *arg, const char *text)
{
	size_t n = strlen(told);

	(void)arg;
	snprintf(told + n, sizeof(told) - n, "%s\n", text);
}

static struct ck_result check_with(const struct ck_options *o)
{
	struct ck *c = ck_new();
	struct ck_result r;
	bool ok = true;
	u32 h, v;

	told[0] = '\0';
	ck_say(c, listen_to, NULL);
	for (h = 0; h < sim.hosts; h++)
		ok = ok && !ck_add_history(c, "history", sim.history[h].p, sim.history[h].len);
	for (v = 0; ok && v < VOLS; v++)
		ck_add_image(c, v + 1, sim.image[v], SECTORS);
	if (ok && o->b)
		ck_add_trace(c, "trace", sim.trace.p, sim.trace.len, "7:1");
	memset(&r, 0, sizeof(r));
	if (ok)
		ck_check(c, o, &r);
	else
		r.failed = r.failures[CK_HISTORY] = 1;
	ck_free(c);
	return r;
}

/* A of an image that says nothing of its cut. */
static struct ck_result check_a(bool tokens_only)
{
	struct ck_options o = { .tokens_only = tokens_only, .atomic = 2048 };

	return check_with(&o);
}

/* A, B and C of one that says that it is at the end of @cycle. */
static struct ck_result check_abc(u64 cycle)
{
	struct ck_options o = { .atomic = 2048, .has_cut = true, .b = true, .cut = { 3, cycle } };

	return check_with(&o);
}

static void expect_none(struct ck_result r)
{
	if (r.failed)
		fail_msg("%s", told);
}

static void expect(struct ck_result r, enum ck_kind kind)
{
	if (!r.failures[kind])
		fail_msg("no '%s' among: %s", ck_kind_names[kind], told);
}

/* The visible write that was captured @back visible ones before the end of @cycle; -1: none. */
static int visible_before(u64 cycle, u32 back, bool zero)
{
	static u32 top[VOLS][SECTORS];
	u32 i, s;

	memset(top, 0xff, sizeof(top));
	for (i = 0; i < sim.nr_captured; i++) {
		struct sim_op *op = &sim.ops[sim.order[i]];

		for (s = op->lba; op->cycle <= cycle && s < op->lba + op->n; s++)
			top[op->vol][s] = sim.order[i];
	}
	for (i = sim.nr_captured; i-- > 0;) {
		struct sim_op *op = &sim.ops[sim.order[i]];

		if (op->cycle > cycle)
			continue;
		for (s = op->lba; s < op->lba + op->n && top[op->vol][s] != sim.order[i]; s++)
			;
		if (s == op->lba + op->n || op->zero != zero)
			continue;
		if (!--back)
			return (int)sim.order[i];
	}
	return -1;
}

static u64 some_cycle(void)
{
	return sim.last_drained - unit_below((u32)(sim.last_drained / 3));
}

/* ---- tests ---- */

static void test_good_ones_pass(void **state)
{
	u64 i;

	unit_seed("good_ones_pass");
	for (i = 0; i < unit_rounds(12); i++) {
		struct ck_result r;
		u64 cycle;

		sim_run(1 + i % 2, 1500, i % 3);
		cycle = some_cycle();
		sim_image(cycle);
		expect_none(check_a(true));
		expect_none(check_a(false));
		if (cycle < sim.commit)
			continue;
		r = check_abc(cycle);
		expect_none(r);
		assert_true(r.b_done && r.marks && r.commits && r.required && r.events > 1000);
		cycle = sim.last_drained;
		sim_image(cycle);
		expect_none(check_abc(cycle));
	}
}

static void test_tiny_pieces_may_be_torn(void **state)
{
	struct ck_options o = { .atomic = 4 };
	struct ck_result r;
	int nr;
	u32 s;

	unit_seed("tiny_pieces_may_be_torn");
	sim_run(1, 800, false);
	sim_image(sim.last_drained);
	expect_none(check_with(&o));
	/* the last write of all: nothing follows it, so it may be there in part, but not within a piece */
	for (nr = (int)sim.order[sim.nr_captured - 1]; sim.ops[nr].n < 12; nr = (int)sim.order[sim.nr_captured - 1])
		sim_step(false);
	sim_image(sim.cycle);
	for (s = sim.ops[nr].lba; s < sim.ops[nr].lba + sim.ops[nr].n; s++)
		if (s / 4 % 2)
			memset(at(sim.ops[nr].vol, s), 0, CK_SECTOR);
	sim_image_of(sim.cycle, -1, nr);
	for (s = sim.ops[nr].lba; s < sim.ops[nr].lba + sim.ops[nr].n; s++)
		if (s / 4 % 2)
			sim_content((u32)nr, s, at(sim.ops[nr].vol, s));
	o.tokens_only = true;
	expect_none(check_with(&o));
	s = sim.ops[nr].lba;
	while (s % 4 != 1)
		s++;
	sim_content((u32)nr, s, at(sim.ops[nr].vol, s));
	o.atomic = 2048;
	r = check_with(&o);
	expect(r, CK_TORN);
}

static void test_lost_write(void **state)
{
	u64 i;

	unit_seed("lost_write");
	for (i = 0; i < unit_rounds(10); i++) {
		int nr;

		sim_run(1 + i % 2, 3000, i % 3);
		nr = visible_before(sim.last_drained, 90, false);
		assert_true(nr >= 0);
		sim_image_of(sim.last_drained, -1, nr);
		expect(check_a(true), CK_ORDER);
		expect(check_a(false), CK_ORDER);
		expect(check_abc(sim.last_drained), CK_DIGEST);
	}
}

static void test_lost_zeroes(void **state)
{
	u64 i;
	u32 a = 0, b = 0;

	unit_seed("lost_zeroes");
	for (i = 0; i < unit_rounds(20); i++) {
		struct ck_result r;
		int nr;

		sim_run(1, 3000, true);
		nr = visible_before(sim.last_drained, 15, true);
		assert_true(nr >= 0);
		sim_image(sim.last_drained);
		memcpy(told, sim.image, 0);
		sim_image_of(sim.last_drained, -1, nr);
		a += check_a(true).failed != 0;
		r = check_abc(sim.last_drained);
		b += r.failed != 0;
	}
	/* it may have been over zeroes */
	print_message("lost_zeroes: A %u, all %u of %llu\n", a, b, (unsigned long long)i);
	assert_true(a * 10 >= i * 6 && b >= a);
}

static void test_two_zeroings_are_one(void **state)
{
	static const char text[] =
		"H 1 c0ffee 0 8 0 8 1:1024,2:1024\n"
		"I 1 0 1 D - 1 0 4 0,0,0,0,0,0,0,0\nA 2 0 1 0\n"
		"I 3 0 2 Z - 1 0 4 1,0,0,0,0,0,0,0\nA 4 0 2 0\n"
		"I 5 0 3 D - 1 8 1 2,0,0,0,0,0,0,0\nA 6 0 3 0\n"
		"I 7 0 4 X - 1 0 4 3,0,0,0,0,0,0,0\nA 8 0 4 0\n"
		"I 9 0 5 D - 1 9 1 4,0,0,0,0,0,0,0\nA 9 0 5 0\n";
	struct ck_options all = { .all = true, .atomic = 2048 };
	struct stamp s = { .run = RUN, .seq = 3, .lba = 8, .volume = 1, .lanes = LANES };
	u64 clock[LANES] = { 2 };

	sim_run(1, 1, false);
	sim.history[0].len = 0;
	put(&sim.history[0], "%s", text);
	memset(sim.image, 0, sizeof(sim.image));
	/* nothing was written, or all of it but what bears stamps: zeroes are as they were, or the first, or the second ones */
	expect_none(check_a(false));
	stamp_fill(at(0, 8), &s, (void *)clock);
	expect_none(check_a(false));	/* the first zeroing is needed */
	clock[0] = 4;
	s.seq = 5;
	s.lba = 9;
	stamp_fill(at(0, 9), &s, (void *)clock);
	expect_none(check_a(false));	/* the second one, too */
	expect_none(check_with(&all));
	memset(at(0, 8), 0, CK_SECTOR);
	expect(check_a(false), CK_ORDER);
	expect(check_with(&all), CK_MISSING);
	clock[0] = 2;
	s.seq = 3;
	s.lba = 8;
	stamp_fill(at(0, 8), &s, (void *)clock);
	/* the zeroing lost: the first write shows, which two later ones follow */
	clock[0] = 0;
	s.seq = 1;
	s.lba = 2;
	s.index = 2;
	stamp_fill(at(0, 2), &s, (void *)clock);
	expect(check_a(false), CK_ORDER);
}

static void test_torn_write(void **state)
{
	struct ck_result r;
	u32 back, s, n = 0;
	int nr = -1;

	unit_seed("torn_write");
	sim_run(1, 3000, false);
	/* long ago: its later half is missing; A finds it as a version that others follow */
	for (back = 60; nr < 0 || sim.ops[nr].n < 8; back++)
		nr = visible_before(sim.last_drained, back, false);
	sim_image_of(sim.last_drained, -1, nr);
	memcpy(told, sim.image, 0);
	expect(check_a(true), CK_ORDER);
	/* the newest of all: nothing follows it */
	for (back = 1; nr < 0 || sim.ops[nr].n < 2 || back == 1; back++)
		nr = visible_before(sim.last_drained, back, false);
	sim_image(sim.last_drained);
	for (s = sim.ops[nr].lba; s < sim.ops[nr].lba + sim.ops[nr].n; s++) {
		unsigned char is[CK_SECTOR];

		sim_content((u32)nr, s, is);
		if (!memcmp(is, at(sim.ops[nr].vol, s), CK_SECTOR))
			n++;
	}
	/* one sector of it as it was before */
	sim_image_of(sim.last_drained, -1, nr);
	for (s = sim.ops[nr].lba + 1; s < sim.ops[nr].lba + sim.ops[nr].n; s++)
		sim_content((u32)nr, s, at(sim.ops[nr].vol, s));
	if (n == sim.ops[nr].n) {
		r = check_a(true);
		assert_true(r.failures[CK_TORN] || r.failures[CK_ORDER]);
	}
	expect(check_abc(sim.last_drained), CK_DIGEST);
}

static void test_reordered(void **state)
{
	u32 found_a = 0, found = 0, b = 0, i, k;

	unit_seed("reordered");
	for (i = 0; i < 10; i++) {
		sim_run(1, 1500, false);
		/* two writes of a lane, one after the other: the second is there, the first isn't */
		for (k = 1; k < 40; k++) {
			int nr = visible_before(sim.last_drained, k, false), next;
			struct sim_op *op = nr < 0 ? NULL : &sim.ops[nr];

			if (!op || op->seq >= sim.lane[op->lane].seq)
				continue;
			next = (int)sim.lane_op[op->lane][op->seq + 1];
			if (!sim.ops[next].captured || sim.ops[next].cycle > sim.last_drained)
				continue;
			sim_image_of(sim.last_drained, -1, nr);
			found++;
			found_a += check_a(true).failed != 0;
			b += check_abc(sim.last_drained).failures[CK_DIGEST] != 0;
			break;
		}
	}
	assert_true(found >= 8 && b == found);
	/* it isn't seen when the second was overwritten and nothing else follows */
	assert_true(found_a * 2 >= found);
}

static void test_stale_volume(void **state)
{
	int n, lines = 0, clocks = 0, hosts = 0;

	unit_seed("stale_volume");
	/* now and then all that would tell was overwritten: not often */
	for (n = 0; n < 10; n++) {
		sim_run(1, 3000, true);
		sim_image(sim.last_drained);
		sim_image_of(sim.last_drained - 4, 1, -1);
		lines += check_a(true).failures[CK_ORDER] != 0;
		clocks += check_a(false).failures[CK_ORDER] != 0;
		expect(check_abc(sim.last_drained), CK_DIGEST);
		/* two hosts: their volumes at different cuts */
		sim_run(2, 3000, true);
		sim_image(sim.last_drained);
		sim_image_of(sim.last_drained - 6, 1, -1);
		hosts += check_a(true).failures[CK_ORDER] != 0;
	}
	assert_true(lines >= 6 && clocks >= 6 && hosts >= 6);
}

static void test_wrong_address(void **state)
{
	unsigned char one[CK_SECTOR];
	int nr, other;

	unit_seed("wrong_address");
	sim_run(1, 1000, false);
	nr = visible_before(sim.last_drained, 5, false);
	sim_image(sim.last_drained);
	memcpy(at(0, SECTORS - 1), at(sim.ops[nr].vol, sim.ops[nr].lba), CK_SECTOR);
	expect(check_a(true), CK_ADDRESS);
	sim_image(sim.last_drained);
	for (other = 0; !at(0, (u32)other)[0] || !at(1, (u32)other)[0]; other++)
		;
	memcpy(one, at(0, (u32)other), CK_SECTOR);
	memcpy(at(0, (u32)other), at(1, (u32)other), CK_SECTOR);
	memcpy(at(1, (u32)other), one, CK_SECTOR);
	expect(check_a(true), CK_ADDRESS);
}

static void test_never_issued(void **state)
{
	struct stamp s = { .run = RUN, .seq = 1, .volume = 1, .lanes = LANES };
	u64 clock[LANES] = { 0 };
	struct sim_op *op;

	unit_seed("never_issued");
	sim_run(1, 1000, false);
	op = &sim.ops[visible_before(sim.last_drained, 3, false)];
	s.seq = sim.lane[op->lane].seq + 1;
	s.lane = (u16)op->lane;
	s.volume = op->vol + 1;
	s.lba = op->lba;
	sim_image(sim.last_drained);
	stamp_fill(at(op->vol, op->lba), &s, (void *)clock);
	expect(check_a(true), CK_UNKNOWN);
	s.seq = op->seq;
	s.index = 3;
	stamp_fill(at(op->vol, op->lba), &s, (void *)op->clock);
	expect(check_a(true), CK_UNKNOWN);
	/* the right one, with a clock it never had */
	s.index = 0;
	clock[0] = 12345;
	stamp_fill(at(op->vol, op->lba), &s, (void *)clock);
	expect(check_a(true), CK_DAMAGED);
}

static void test_damaged(void **state)
{
	struct sim_op *op;
	u32 bit;

	unit_seed("damaged");
	sim_run(1, 1500, false);
	op = &sim.ops[visible_before(sim.last_drained, 90, false)];
	for (bit = 0; bit < 8 * CK_SECTOR; bit += 61) {
		struct ck_result r;

		sim_image(sim.last_drained);
		if (at(op->vol, op->lba)[0] == 0)
			break;
		at(op->vol, op->lba)[bit / 8] ^= (unsigned char)(1 << bit % 8);
		r = check_abc(sim.last_drained);
		assert_int_not_equal(r.failed, 0);
		r = check_a(false);
		/* without its magic or run it is nothing of this run where something must be */
		expect(r, bit / 8 < 16 ? CK_ORDER : CK_DAMAGED);
	}
}

static void test_another_cut(void **state)
{
	struct ck_options o = { .atomic = 2048, .has_cut = true, .cut = { 3, 0 } };
	struct ck_result r;

	unit_seed("another_cut");
	sim_run(1, 2500, true);
	o.cut.n = sim.last_drained;
	sim_image(sim.last_drained - 6);
	expect_none(check_a(true));
	r = check_abc(sim.last_drained);
	expect(r, CK_DIGEST);
	assert_non_null(strstr(told, "that of cycle"));
	expect(check_with(&o), CK_MISSING);
	sim_image(sim.last_drained);
	expect(check_abc(sim.last_drained - 3), CK_DIGEST);
	/* honest, but a commit had been acknowledged */
	sim_image(sim.commit - 1);
	r = check_abc(sim.commit - 1);
	expect(r, CK_COMMIT);
	assert_int_equal(r.failures[CK_DIGEST], 0);
	o.cut.epoch = 2;
	o.cut.n = 1000000;
	sim_image(sim.last_drained);
	expect(check_with(&o), CK_COMMIT);
}

static void test_rpo(void **state)
{
	struct ck_options o = { .atomic = 2048 };
	struct ck_result r;

	unit_seed("rpo");
	sim_run(1, 2000, false);
	sim_image(sim.last_drained - 5);
	r = check_with(&o);
	expect_none(r);
	assert_true(r.lost && r.oldest_lost_us);
	o.rpo_us = r.oldest_lost_us;
	expect_none(check_with(&o));
	o.rpo_us--;
	expect(check_with(&o), CK_RPO);
	o.rpo_us = 0;
	o.all = true;
	expect(check_with(&o), CK_MISSING);
}

/* Cuts line @nr from the trace. */
static char *trace_line(u32 nr)
{
	char *p = sim.trace.p;

	while (nr--)
		p = strchr(p, '\n') + 1;
	return p;
}

static void test_trace(void **state)
{
	struct ck_result r;
	char *p, *q;
	size_t n;

	unit_seed("trace");
	sim_run(1, 1000, true);
	sim_image(sim.last_drained);
	expect_none(check_abc(sim.last_drained));
	/* a line lost */
	p = trace_line(100);
	q = trace_line(101);
	n = (size_t)(q - p);
	memmove(p, q, sim.trace.len + 1 - (size_t)(q - sim.trace.p));
	sim.trace.len -= n;
	expect(check_abc(sim.last_drained), CK_TRACE);
	assert_non_null(strstr(told, "event 101 is lost"));

	sim_run(1, 1000, true);
	sim_image(sim.last_drained);
	put(&sim.trace, "CPU:1 [LOST 17 EVENTS]\n");
	expect(check_abc(sim.last_drained), CK_TRACE);

	/* twice */
	sim_run(1, 1000, true);
	sim_image(sim.last_drained);
	p = trace_line(50);
	put(&sim.trace, "%.*s\n", (int)(strchr(p, '\n') - p), p);
	expect(check_abc(sim.last_drained), CK_TRACE);

	/* ends too early: before the cut, or between the cut and the end of its cycle */
	sim_run(1, 1000, true);
	sim_image(sim.last_drained);
	sim.trace.len /= 2;
	r = check_abc(sim.last_drained);
	expect_none(r);
	assert_false(r.b_done);
	sim_run(1, 1000, true);
	sim_image(sim.last_drained);
	p = NULL;
	for (q = sim.trace.p; (q = strstr(q, "dmo_drained")); q++)
		p = q;
	sim.trace.len = (size_t)(p - sim.trace.p);
	r = check_abc(sim.last_drained);
	expect_none(r);
	assert_false(r.b_done);
	assert_non_null(strstr(r.b_why, "last write"));

	/* another session's events don't count; without --dev they contradict this one's */
	sim_run(1, 1000, true);
	sim_image(sim.last_drained);
	put(&sim.trace, " dmo_x-1 [000] 1.0: dmo_write: dev=7:2 nr=1 volume=1 lba=0 sectors=8 seq=1 zero=0\n");
	expect_none(check_abc(sim.last_drained));
	put(&sim.trace, " dmo_x-1 [000] 1.0: dmo_write: dev=7:1 nr=%llu volume=1 lba=0 sectors=1024 seq=%llu zero=0\n",
	    (unsigned long long)sim.event + 1, (unsigned long long)sim.cycle);
	expect(check_abc(sim.last_drained), CK_TRACE);
	sim.trace.len = 0;
	put(&sim.trace, " dmo_x-1 [000] 1.0: dmo_write: dev=7:1 nr=1 volume=1 lba=0\n");
	expect(check_abc(sim.last_drained), CK_TRACE);
}

/* A write that the host issued after another one had ended is said to be in an earlier cycle. */
static void test_cycles(void **state)
{
	struct ck_result r;
	char *p, *q;

	unit_seed("cycles");
	sim_run(1, 1500, false);
	sim_image(sim.last_drained);
	p = trace_line(sim.event / 2);
	do {
		p = strstr(p, "dmo_write");
		q = strstr(p, "seq=");
		p = q;
	} while (q[4] == '1' || q[5] == ' ');
	q[4] = '1';
	r = check_abc(sim.last_drained);
	expect(r, CK_CYCLES);
}

/* The kernel tries a zeroing that failed once more, in another way. */
static void test_zeroing_tried_twice(void **state)
{
	struct sim_op *op;
	u32 lane = 0;

	unit_seed("zeroing_tried_twice");
	sim_run(1, 800, true);
	sim_image(sim.last_drained);
	while (lane < LANES - 1 && sim.lane[lane].in_flight >= 0)
		lane++;
	if (sim.lane[lane].in_flight >= 0) {
		op = &sim.ops[sim.lane[lane].in_flight];
		if (!op->captured)
			capture(op);
		complete(op);
	}
	do {
		issue(lane, true);
		op = &sim.ops[sim.lane[lane].in_flight];
		capture(op);
		if (!op->zero)
			complete(op);
	} while (!op->zero);
	put_trace("write: %%s%%llu volume=%llu lba=%llu sectors=%llu seq=%llu zero=0", op->vol + 1, op->lba, op->n,
		  op->cycle, 0);
	expect_none(check_abc(sim.last_drained));
	put(&sim.history[0], "A %llu %u %llu -5\n", sim.now, op->lane, op->seq);
	expect_none(check_abc(sim.last_drained));
	/* but not one that went well */
	sim.history[0].len -= 4;
	put(&sim.history[0], " 0\n");
	expect(check_abc(sim.last_drained), CK_TRACE);
}

/* A write that went past the product's capture. */
static void test_untraced_write(void **state)
{
	char *p, *q, *end;
	u64 gone, nr;

	unit_seed("untraced_write");
	sim_run(1, 1500, false);
	sim_image(sim.last_drained);
	p = strstr(trace_line(700), "dmo_write");
	while (p[-1] != '\n')
		p--;
	q = strchr(p, '\n') + 1;
	gone = strtoull(strstr(p, "nr=") + 3, NULL, 10);
	memmove(p, q, sim.trace.len + 1 - (size_t)(q - sim.trace.p));
	sim.trace.len -= (size_t)(q - p);
	/* numbered again, as if it had never been */
	for (p = sim.trace.p; (p = strstr(p, "nr=")); p += 3) {
		size_t n;

		nr = strtoull(p + 3, &end, 10);
		if (nr <= gone)
			continue;
		n = (size_t)(end - p - 3);
		snprintf(told, sizeof(told), "%0*llu", (int)n, (unsigned long long)nr - 1);
		memcpy(p + 3, told, n);
	}
	expect(check_abc(sim.last_drained), CK_TRACE);
}

static void test_histories(void **state)
{
	static const struct { const char *text; const char *why; } bad[] = {
		{ "A 5 0 1 0\n", "not in flight" },
		{ "I 5 0 2 D - 1 0 1 1,0,0,0,0,0,0,0\n", "follows" },
		{ "I 5 0 1 D - 1 0 1 0,0,0,0,0,0,0,0\nI 5 0 2 D - 1 9 1 1,0,0,0,0,0,0,0\n", "two writes in flight" },
		{ "I 5 0 1 D - 1 0 1 1,0,0,0,0,0,0,0\n", "does not know" },
		{ "I 5 0 1 D - 1 0 1 0,7,0,0,0,0,0,0\n", "never issued" },
		{ "I 5 0 1 D - 1 0 1 0,0,0\n", "clock" },
		{ "I 5 0 1 D - 1 1024 1 0,0,0,0,0,0,0,0\n", "impossible" },
		{ "I 5 0 1 D - 3 0 1 0,0,0,0,0,0,0,0\n", "impossible" },
		{ "I 5 9 1 D - 1 0 1 0,0,0,0,0,0,0,0\n", "impossible" },
		{ "I 5 0 1 D -\n", "strange" },
		{ "N 5 77 1 1\n", "strange" },
		{ "I 5 0 1 D - 1 0 4 0,0,0,0,0,0,0,0\nA 6 0 1 0\nI 7 1 1 D - 1 3 4 0,0,0,0,0,0,0,0\n", "did not know" },
		{ "H 1 c0ffee 0 8 0 8 3:8\n", "second head" },
	};
	static const char fine[] =
		"I 5 0 1 D - 1 0 4 0,0,0,0,0,0,0,0\nA 6 0 1 0\nT 6 0 1\nI 7 1 1 D - 1 3 4 1,0,0,0,0,0,0,0\nM 8 1\n"
		"A 9 1 1 -5\nI 5 0 2 D - 1 0";	/* the host died here */
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		sim_run(1, 1, false);
		sim.history[0].len = 0;
		put(&sim.history[0], "H 1 c0ffee 0 8 0 8 1:1024,2:1024\n%s", bad[i].text);
		expect(check_a(false), CK_HISTORY);
		if (!strstr(told, bad[i].why))
			fail_msg("'%s' lacks '%s'", told, bad[i].why);
	}
	sim_run(1, 1, false);
	sim.history[0].len = 0;
	put(&sim.history[0], "H 1 c0ffee 0 8 0 8 1:1024,2:1024\n%s", fine);
	memset(sim.image, 0, sizeof(sim.image));
	expect_none(check_a(false));
	/* two of them for the same lanes */
	sim_run(2, 1, false);
	sim.history[1].len = 0;
	put(&sim.history[1], "H 1 c0ffee 1 8 0 8 2:1024\n");
	expect(check_a(false), CK_HISTORY);
}

/* One lost write so many visible ones before the cut: how often does A see it, from clocks alone? */
static void test_statistics(void **state)
{
	static const u32 back[] = { 1, 10, 100 };
	u64 rounds = unit_rounds(40);
	u32 i, k;

	unit_seed("statistics");
	for (i = 0; i < 3; i++) {
		u32 tokens = 0, lines = 0, b = 0, n = 0;

		for (k = 0; k < rounds; k++) {
			int nr;

			sim_run(1, 1500, false);
			nr = visible_before(sim.last_drained, back[i], false);
			if (nr < 0)
				continue;
			sim_image_of(sim.last_drained, -1, nr);
			n++;
			tokens += check_a(true).failed != 0;
			lines += check_a(false).failed != 0;
			b += check_abc(sim.last_drained).failures[CK_DIGEST] != 0;
		}
		print_message("a write lost %u before the cut: A found it %u times (clocks only), %u times (with the order of lines), B %u times, of %u\n",
			      back[i], tokens, lines, b, n);
		assert_true(n >= rounds * 9 / 10);
		assert_int_equal(b, n);
		assert_true(lines >= tokens);
		if (back[i] == 100)
			assert_int_equal(tokens, n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_ones_pass),
		cmocka_unit_test(test_tiny_pieces_may_be_torn),
		cmocka_unit_test(test_lost_write),
		cmocka_unit_test(test_lost_zeroes),
		cmocka_unit_test(test_two_zeroings_are_one),
		cmocka_unit_test(test_torn_write),
		cmocka_unit_test(test_reordered),
		cmocka_unit_test(test_stale_volume),
		cmocka_unit_test(test_wrong_address),
		cmocka_unit_test(test_never_issued),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_another_cut),
		cmocka_unit_test(test_rpo),
		cmocka_unit_test(test_trace),
		cmocka_unit_test(test_cycles),
		cmocka_unit_test(test_zeroing_tried_twice),
		cmocka_unit_test(test_untraced_write),
		cmocka_unit_test(test_histories),
		cmocka_unit_test(test_statistics),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
