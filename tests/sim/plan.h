/* SPDX-License-Identifier: GPL-2.0-only */
/* One schedule: a plan made from a seed, and what runs it. */
#ifndef DMO_PLAN_H
#define DMO_PLAN_H

#include "node.h"

#define MAX_OPS		96
#define MAX_ACTS	24

enum op_type { OP_WRITE, OP_READ, OP_FLUSH, OP_DISCARD, OP_ZERO };

struct op {
	u8 type;
	u8 vol;
	bool fua, scribble, off;
	u32 lba, nr;		/* sectors */
	u32 think_us;
};

enum act_type {
	ACT_CUT,		/* the link; a: bytes from now, or 0; b: silent */
	ACT_CRASH_SEC,		/* a: seed, b: how many more during recovery */
	ACT_CRASH_PRI,
	ACT_CRASH_BOTH,
	ACT_PROBE,		/* a: seed: what would a crash of the secondary leave? */
	ACT_FAULT,		/* a: which disk, b: kind and chance */
	ACT_HEAL,
	ACT_BUDGET,		/* a: slots at the primary */
	ACT_SWITCH,
	ACT_SET,		/* a: cycle_ms */
	ACT_SUSPEND,		/* a: node and volume, b: steps */
	ACT_RESUME,
	ACT_RELOAD,
	ACT_DETACH,
	ACT_HOLD,		/* a: which disk, b: steps */
	ACT_STALL,		/* a: seed, b: which flush or FUA write of a metadata disk */
	ACT_NET,		/* b: steps: nothing arrives */
	ACT_ALLOC,		/* a: node, b: of 256 atomic allocations fail */
	ACT_NTH,		/* a: node, b: the n-th other allocation fails */
	ACT_STATUS,
	ACT_RESTART,		/* a: node: clean stop and start */
	ACT_PROMOTE,		/* the primary dies, the secondary takes over */
	ACT_REJOIN,		/* what was the primary comes back, as it was */
	ACT_TWIN,		/* a copy of the primary's disks starts as well; a: seed */
	ACT_TURN,		/* the link goes to the other primary, or back; a: so many bytes after a cycle's end; b: silent */
	ACT_TWIN_ENDS,		/* a: seed; b: its disks take the place of the primary's */
	ACT_IMAGE,		/* of all disks of a node; a: which, seed */
	ACT_TAMPER,		/* with a node's disks; a: seed, b: node, enum tampering * 2 */
	ACT_NR
};

struct act {
	u8 type;
	bool off;
	u32 step;		/* from the start of the workload */
	u32 a, b;
};

enum plan_end { END_DRAIN, END_PROBE, END_PROMOTE, END_NR };

enum plan_world { WORLD_PLAIN, WORLD_TWIN, WORLD_DISKS };

enum tampering {
	TAMPER_BACK,		/* all disks of the node are put back to one moment */
	TAMPER_BACK_DATA,	/* ... only those with data: one of them, or all */
	TAMPER_BACK_META,	/* ... only the one with the metadata */
	TAMPER_EXCHANGE,	/* two data devices for each other */
	TAMPER_FOREIGN,		/* a data device that never was one of the session's */
	TAMPER_PEERS,		/* the data devices are the other node's */
	TAMPER_MOVED,		/* the data is on other devices */
	TAMPER_NR
};

enum plan_theme { THEME_REFS, THEME_RING, THEME_ERRORS, THEME_COMMIT, THEME_MERGE, THEME_PLAIN };	/* and more plain ones */

struct plan {
	u32 theme;
	u8 world;
	struct sim_params params;
	struct sim_net net;
	u32 nr_volumes;
	u64 sectors[NODE_VOLUMES];
	u32 ring;
	bool assume_equal, prefill, no_write_zeroes, idents, one_copy;
	u32 cycle_ms, timeout_ms;
	u32 slots;		/* budget of the primary: slots beyond its fixed part; 0: 1 MiB */
	u64 sec_budget;
	u32 atomic_fails;
	u32 disk_us, slow_percent;
	u32 lanes, nr_ops, nr_acts;
	u32 steps;
	u8 end;
	bool stop_clean;
	u32 probe_seed;
	struct op ops[MAX_OPS];
	struct act acts[MAX_ACTS];
};

struct result {
	bool failed;
	char why[512];
	u64 hash, steps;
};

void plan_make(struct plan *p, u64 seed);
void plan_print(const struct plan *p);
void plan_run(const struct plan *p, u64 sched_seed, struct result *r);

#endif /* DMO_PLAN_H */
