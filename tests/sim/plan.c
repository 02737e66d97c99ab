// SPDX-License-Identifier: GPL-2.0-only
/* What a seed stands for: the shape of the session, the host's operations, the faults. */
#include <stdio.h>
#include "plan.h"
#undef snprintf

static u32 pick(struct sim_rng *r, const u32 *list, u32 n)
{
	return list[rng_below(r, n)];
}

#define PICK(r, ...) pick(r, (const u32[]){ __VA_ARGS__ }, sizeof((u32[]){ __VA_ARGS__ }) / 4)

static void make_op(struct plan *p, struct op *o, struct sim_rng *r, u32 hot)
{
	static const u8 types[] = {
		OP_WRITE, OP_WRITE, OP_WRITE, OP_WRITE, OP_WRITE, OP_WRITE, OP_WRITE, OP_WRITE,
		OP_READ, OP_READ, OP_FLUSH, OP_DISCARD, OP_ZERO,
	};
	u32 size;

	o->type = types[rng_below(r, sizeof(types))];
	o->vol = (u8)rng_below(r, p->nr_volumes);
	o->fua = rng_chance(r, 10);
	o->scribble = o->type == OP_WRITE && rng_chance(r, 10);
	o->think_us = rng_chance(r, p->theme == THEME_RING ? 30 : 70) ? 0 : rng_below(r, 2000);
	size = (u32)p->sectors[o->vol];
	switch (p->theme == THEME_RING ? 9 : rng_below(r, 10)) {
	case 0 ... 3:
		o->nr = rng_range(r, 1, 8);
		break;
	case 4 ... 6:
		o->nr = 8;
		break;
	case 7 ... 8:
		o->nr = rng_range(r, 9, 40);
		break;
	default:
		o->nr = rng_range(r, 16, rng_chance(r, 20) ? 320 : 120);
	}
	/* over many zones; the simulator's have 256 sectors */
	if ((o->type == OP_DISCARD || o->type == OP_ZERO) && rng_chance(r, 30))
		o->nr = rng_range(r, 100, size);
	/* a hot area at the start, another across the zone's end, the rest anywhere */
	switch (rng_below(r, 10)) {
	case 0 ... 6:
		o->lba = rng_below(r, hot);
		break;
	case 7:
		o->lba = 2048 - rng_below(r, 64);
		break;
	default:
		o->lba = rng_below(r, size);
	}
	if (rng_chance(r, 40))
		o->lba &= o->nr > 256 && rng_chance(r, 50) ? ~255u : ~7u;
	if (o->lba >= size)
		o->lba = size - 1;
	if (o->lba + o->nr > size)
		o->nr = size - o->lba;
}

static void make_act(struct plan *p, struct act *a, struct sim_rng *r)
{
	static const u8 errors[] = {
		ACT_FAULT, ACT_FAULT, ACT_FAULT, ACT_FAULT, ACT_FAULT, ACT_CUT, ACT_PROBE, ACT_HOLD,
		ACT_RESTART, ACT_CRASH_SEC, ACT_PROMOTE,
	};
	static const u8 rings[] = {
		ACT_STALL, ACT_STALL, ACT_STALL, ACT_HOLD, ACT_CUT, ACT_PROBE, ACT_CRASH_SEC,
	};
	static const u8 commits[] = {
		ACT_CUT, ACT_CUT, ACT_CUT, ACT_PROBE, ACT_PROBE, ACT_PROBE, ACT_HOLD, ACT_CRASH_SEC,
	};
	static const u8 merges[] = {
		ACT_CUT, ACT_CUT, ACT_CUT, ACT_CUT, ACT_FAULT, ACT_FAULT, ACT_PROBE, ACT_SWITCH,
	};
	static const u8 refs[] = {
		ACT_CUT, ACT_CUT, ACT_CUT, ACT_CUT, ACT_CUT, ACT_PROBE, ACT_PROBE, ACT_PROBE,
		ACT_CRASH_SEC, ACT_FAULT, ACT_DETACH, ACT_SWITCH,
	};
	/* a type as often as it stands here */
	static const u8 types[] = {
		ACT_CUT, ACT_CUT, ACT_CUT, ACT_CUT, ACT_CRASH_SEC, ACT_CRASH_SEC, ACT_CRASH_SEC,
		ACT_CRASH_PRI, ACT_CRASH_BOTH, ACT_PROBE, ACT_PROBE, ACT_PROBE, ACT_PROBE, ACT_FAULT,
		ACT_FAULT, ACT_BUDGET, ACT_SWITCH, ACT_SWITCH, ACT_SET, ACT_SUSPEND, ACT_RELOAD,
		ACT_DETACH, ACT_HOLD, ACT_HOLD, ACT_STALL, ACT_NET, ACT_ALLOC, ACT_NTH, ACT_STATUS,
		ACT_RESTART, ACT_PROMOTE, ACT_REJOIN,
	};

	a->type = p->theme == THEME_ERRORS ? errors[rng_below(r, sizeof(errors))] :
		  p->theme == THEME_RING && rng_chance(r, 70) ? rings[rng_below(r, sizeof(rings))] :
		  p->theme == THEME_COMMIT ? commits[rng_below(r, sizeof(commits))] :
		  p->theme == THEME_MERGE ? merges[rng_below(r, sizeof(merges))] :
		  p->theme == THEME_REFS ? refs[rng_below(r, sizeof(refs))] :
		  types[rng_below(r, sizeof(types))];
	a->step = rng_below(r, p->steps);
	a->a = (u32)rng_next(r);
	a->b = (u32)rng_next(r);
	switch (a->type) {
	case ACT_CUT:
		a->a = rng_chance(r, 30) ? 0 : rng_below(r, 20000);
		a->b = rng_chance(r, 25);
		break;
	case ACT_CRASH_SEC:
	case ACT_CRASH_BOTH:
		a->b = rng_chance(r, 60) ? 0 : rng_below(r, 4);
		break;
	case ACT_FAULT:
		/* reads of the primary's disks, for copy-outs; its flushes */
		if (p->theme == THEME_REFS || p->theme == THEME_MERGE ||
		    (p->theme == THEME_ERRORS && rng_chance(r, 30))) {
			a->a = 1;
			a->b = (p->theme == THEME_ERRORS ? 1u : 2u) << 9 | 0x100 | 0xff << 12;
		}
		break;
	case ACT_BUDGET:
		a->a = PICK(r, 4, 12, 40, 200);
		break;
	case ACT_HOLD:
		if (p->theme == THEME_COMMIT || p->theme == THEME_RING)
			a->a = 0;	/* the secondary's data: nothing is restored meanwhile */
		fallthrough;
	case ACT_SUSPEND:
	case ACT_NET:
		a->b = rng_below(r, p->steps / 2) + 20;
		break;
	case ACT_ALLOC:
		a->b = PICK(r, 10, 60, 200, 256);
		break;
	case ACT_NTH:
		a->b = rng_range(r, 1, 60);
		break;
	}
}

static int by_step(const struct act *a, const struct act *b)
{
	return a->step < b->step ? -1 : a->step > b->step;
}

/* Among the first @nr, which are in order. */
static void insert_act(struct plan *p, u32 nr, struct act a)
{
	for (; nr && by_step(&a, &p->acts[nr - 1]) < 0; nr--)
		p->acts[nr] = p->acts[nr - 1];
	p->acts[nr] = a;
}

static void add_act(struct plan *p, u8 type, u32 step, u32 a, u32 b)
{
	if (p->nr_acts < MAX_ACTS)
		insert_act(p, p->nr_acts++, (struct act) { .type = type, .step = step, .a = a, .b = b });
}

/* Only some of the faults: what was planned of the others goes. */
static void keep_acts(struct plan *p, const u8 *types, u32 nr, u32 most)
{
	u32 i, k, n = 0;

	for (i = 0; i < p->nr_acts && n < most; i++) {
		for (k = 0; k < nr && types[k] != p->acts[i].type; k++)
			;
		if (k < nr)
			p->acts[n++] = p->acts[i];
	}
	p->nr_acts = n;
}

/* Two primaries of one session, which have the link in turn. */
static void make_twin(struct plan *p, struct sim_rng *r)
{
	static const u8 keep[] = {
		ACT_CUT, ACT_CRASH_SEC, ACT_CRASH_PRI, ACT_PROBE, ACT_SWITCH, ACT_DETACH, ACT_HOLD,
		ACT_NET, ACT_STATUS, ACT_RESTART, ACT_BUDGET,
	};
	u32 i, n = rng_range(r, 2, 7), step = rng_below(r, p->steps / 2);

	keep_acts(p, keep, sizeof(keep), 8);
	p->steps += 600;
	p->nr_ops = MAX_OPS;
	p->cycle_ms = PICK(r, 1, 1, 4, 10);
	p->end = rng_chance(r, 80) ? END_DRAIN : END_PROBE;
	add_act(p, ACT_TWIN, step, (u32)rng_next(r), 0);
	for (i = 0; i < n; i++) {
		step += rng_range(r, 50, 500);
		add_act(p, ACT_TURN, step, rng_chance(r, 60) ? rng_range(r, 1, 6000) : 0,
			rng_chance(r, 20));
	}
	if (rng_chance(r, 30))
		add_act(p, ACT_TWIN_ENDS, step + 200, (u32)rng_next(r), rng_chance(r, 60));
	if (rng_chance(r, 20))
		add_act(p, ACT_TWIN, step + 300, (u32)rng_next(r), 0);
}

/* Disks that are put back, exchanged, replaced while their node is down. */
static void make_disks(struct plan *p, struct sim_rng *r)
{
	static const u8 keep[] = {
		ACT_CUT, ACT_CRASH_SEC, ACT_CRASH_PRI, ACT_CRASH_BOTH, ACT_PROBE, ACT_SWITCH, ACT_DETACH,
		ACT_HOLD, ACT_NET, ACT_STATUS, ACT_RESTART, ACT_BUDGET,
	};
	static const u8 kinds[] = {
		TAMPER_BACK, TAMPER_BACK, TAMPER_BACK, TAMPER_BACK, TAMPER_BACK_DATA, TAMPER_BACK_DATA,
		TAMPER_BACK_META, TAMPER_EXCHANGE, TAMPER_FOREIGN, TAMPER_PEERS, TAMPER_MOVED,
	};
	u32 i, n = rng_range(r, 1, 4), step = 0;

	keep_acts(p, keep, sizeof(keep), 6);
	p->steps += 500;
	p->nr_ops = MAX_OPS;
	p->idents = rng_chance(r, 50);
	if (p->nr_volumes == 2)
		p->sectors[0] = p->sectors[1] = max(p->sectors[0], p->sectors[1]);
	p->end = rng_chance(r, 80) ? END_DRAIN : END_PROBE;
	for (i = 0; i < n; i++) {
		u32 node = rng_chance(r, 30);

		if (!i || rng_chance(r, 60))
			add_act(p, ACT_IMAGE, step += rng_range(r, 20, 600),
				((u32)rng_next(r) & ~1u) | node, 0);
		add_act(p, ACT_TAMPER, step += rng_range(r, 20, 500), (u32)rng_next(r),
			node | kinds[rng_below(r, sizeof(kinds))] * 2u);
	}
}

/*
 * A few seeds stand for more than that. It is chosen with numbers of its own, so that all others stay as
 * they are.
 */
static void make_special(struct plan *p, u64 seed)
{
	struct sim_rng rng = { seed * 0x9fb21c651e98df25ull + 1 }, *r = &rng;
	u32 i;

	rng.s = rng_next(r);
	switch (rng_below(r, 100)) {
	case 0 ... 2:		/* cycles end for their size, not for their age */
		p->cycle_ms = 3000;
		break;
	case 3 ... 6:
		p->world = WORLD_TWIN;
		make_twin(p, r);
		break;
	case 7 ... 11:
		p->world = WORLD_DISKS;
		make_disks(p, r);
		break;
	case 12 ... 14:		/* of what the metadata has twice one can't be read any more */
		p->one_copy = true;
		for (i = 0; i < 3; i++)
			add_act(p, ACT_PROBE, rng_below(r, p->steps), (u32)rng_next(r), 0);
		break;
	}
}

void plan_make(struct plan *p, u64 seed)
{
	struct sim_rng rng = { seed * 0xd1342543de82ef95ull }, *r = &rng;
	u32 i, hot;

	rng.s = rng_next(r);		/* no two seeds share a stream */
	memset(p, 0, sizeof(*p));
	p->theme = rng_below(r, 12);
	if (p->theme > 9)
		p->theme = THEME_MERGE;
	p->params.turn = PICK(r, 4, 15, 40, 40, 120, 120, 400);
	p->params.step_ns = PICK(r, 2000, 10000, 10000, 50000);
	p->params.steal_ns = PICK(r, 0, 0, 200000, 3000000);
	p->params.steal_in = PICK(r, 40, 150);
	p->net.delay_us = PICK(r, 20, 100, 500, 3000);
	p->net.jitter_us = PICK(r, 0, 100, 1000);
	p->net.window = PICK(r, 2048, 16384, 65536, 262144);
	p->net.short_reads = PICK(r, 0, 0, 5, 30);
	p->nr_volumes = rng_chance(r, 80) ? 1 : 2;
	for (i = 0; i < p->nr_volumes; i++)
		p->sectors[i] = 2048 + PICK(r, 0, 0, 8, 21, 64);
	p->ring = PICK(r, 256, 270, 300, 320, 360, 420, 520);
	p->assume_equal = rng_chance(r, 75);
	p->prefill = rng_chance(r, 70);
	p->no_write_zeroes = rng_chance(r, 20);
	p->cycle_ms = PICK(r, 1, 4, 4, 10, 40);
	p->timeout_ms = PICK(r, 300, 600, 1000);
	p->slots = rng_chance(r, 50) ? 0 : PICK(r, 6, 16, 40);
	p->sec_budget = rng_chance(r, 50) ? 1 << 20 : PICK(r, 0, 20000, 100000);
	p->atomic_fails = rng_chance(r, 70) ? 0 : PICK(r, 5, 30, 120);
	p->disk_us = PICK(r, 10, 60, 200, 800);
	p->slow_percent = rng_chance(r, 70) ? 0 : PICK(r, 1, 5);
	switch (p->theme) {
	case THEME_REFS:	/* nearly everything becomes a reference, and lives long */
		p->atomic_fails = PICK(r, 60, 120, 180, 256);
		p->net.delay_us = PICK(r, 500, 3000);
		p->ring = PICK(r, 420, 520);
		p->cycle_ms = PICK(r, 1, 4);
		p->assume_equal = true;
		break;
	case THEME_COMMIT:	/* links that are lost while restores take their time */
		p->params.turn = PICK(r, 3, 6, 15);
		p->net.delay_us = PICK(r, 500, 3000);
		p->net.jitter_us = 0;
		p->cycle_ms = 1;
		p->ring = 520;
		p->assume_equal = true;
		break;
	case THEME_MERGE:	/* little memory, so merges, in the midst of sending */
		p->params.turn = PICK(r, 3, 6);
		p->params.steal_ns = PICK(r, 200000, 3000000);
		p->slots = PICK(r, 6, 6, 16);
		p->net.delay_us = PICK(r, 500, 3000);
		p->net.jitter_us = 0;
		p->net.window = PICK(r, 2048, 16384);
		p->cycle_ms = 1;
		p->disk_us = PICK(r, 10, 60);
		p->atomic_fails = PICK(r, 30, 60, 128);
		p->assume_equal = true;
		break;
	case THEME_RING:	/* many cycles with much in each: round and round */
		p->ring = PICK(r, 290, 310, 340);
		p->cycle_ms = 1;
		p->net.delay_us = 20;
		p->net.jitter_us = 0;
		p->net.window = 262144;
		p->disk_us = PICK(r, 10, 60);
		p->atomic_fails = 0;
		p->slots = 0;
		p->assume_equal = true;
		break;
	default:
		break;
	}
	p->lanes = p->theme == THEME_MERGE ? 5 : rng_range(r, 1, 5);
	p->nr_ops = p->theme == THEME_RING || p->theme == THEME_MERGE ? MAX_OPS :
		    rng_range(r, 6, rng_chance(r, 20) ? MAX_OPS : 48);
	hot = PICK(r, 24, 64, 256);
	for (i = 0; i < p->nr_ops; i++)
		make_op(p, &p->ops[i], r, hot);
	p->steps = rng_range(r, 200, 2500);
	if ((p->theme <= THEME_ERRORS && p->theme != THEME_RING) || p->theme == THEME_MERGE)
		p->nr_acts = rng_range(r, 3, 14);
	else
		p->nr_acts = rng_below(r, rng_chance(r, 15) ? MAX_ACTS : 7);
	for (i = 0; i < p->nr_acts; i++) {
		struct act a = { 0 };

		make_act(p, &a, r);
		insert_act(p, i, a);
	}
	p->end = rng_chance(r, 40) ? END_DRAIN : rng_chance(r, 70) ? END_PROBE : END_PROMOTE;
	p->stop_clean = rng_chance(r, 25);
	p->probe_seed = (u32)rng_next(r);
	make_special(p, seed);
}

static const char * const op_names[] = { "write", "read", "flush", "discard", "zero" };
static const char * const act_names[] = {
	"cut link", "crash secondary", "crash primary", "crash both", "probe", "fault", "heal",
	"budget", "switch", "set", "suspend", "resume", "reload", "detach", "hold disk",
	"stall a write", "hold network", "atomic allocations fail", "nth allocation fails", "status",
	"restart", "promote", "rejoin", "twin", "turn", "twin ends", "image", "tamper",
};

void plan_print(const struct plan *p)
{
	static const char * const ends[] = { "drain", "probe", "promote" };
	u32 i;

	printf("  theme %u volumes %u (%llu, %llu sectors) ring %u%s%s%s cycle %u ms, link %u ms, slots %u, secondary keeps %llu, GFP_NOWAIT fails %u/256\n",
	       p->theme, p->nr_volumes, p->sectors[0], p->sectors[1], p->ring,
	       p->assume_equal ? " equal" : " fresh", p->prefill ? " filled" : "",
	       p->no_write_zeroes ? " no-write-zeroes" : "", p->cycle_ms, p->timeout_ms, p->slots,
	       p->sec_budget, p->atomic_fails);
	printf("  turn %u step %u ns, 1 of %u up to %u ns without a CPU; net %u+%u us window %u short reads %u%%; disk %u us, %u%% slow; %u lanes; %u steps, then %s%s\n",
	       p->params.turn, p->params.step_ns, p->params.steal_in,
	       p->params.steal_ns, p->net.delay_us,
	       p->net.jitter_us, p->net.window, p->net.short_reads, p->disk_us, p->slow_percent, p->lanes, p->steps, ends[p->end],
	       p->stop_clean ? ", clean stop" : "");
	for (i = 0; i < p->nr_ops; i++)
		if (!p->ops[i].off)
			printf("  op %2u: %s volume %u %u+%u%s%s, then %u us\n", i,
			       op_names[p->ops[i].type], p->ops[i].vol, p->ops[i].lba, p->ops[i].nr,
			       p->ops[i].fua ? " FUA" : "", p->ops[i].scribble ? " scribbled" : "",
			       p->ops[i].think_us);
	for (i = 0; i < p->nr_acts; i++)
		if (!p->acts[i].off)
			printf("  action %2u: at step %u %s (%u, %u)\n", i, p->acts[i].step,
			       act_names[p->acts[i].type], p->acts[i].a, p->acts[i].b);
}
