/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The in-flight barrier of a cycle ("HA barrier", seed 0 Fig. 10): every write
 * is counted into the chunk that is active and out of it when it has ended.
 *
 * A chunk has its counts, struct dmo_inflight, for ever; those of the active one are @active. A
 * writer counts itself in on its CPU, then, after a full barrier, reads @active again; if it
 * changed, it counts itself out and tries again. A switch stores @active, then a full barrier. So
 * once dmo_cycle_switch() returns, no CPU still enters the old chunk: an
 * entry either is visible to the sums or saw the new value. Sums are taken as
 * SRCU takes them: all exits, full barrier, all entries; equal means that
 * every writer that was ever in is out again. No grace period is needed.
 */
#ifndef DMO_CYCLE_H
#define DMO_CYCLE_H

#include <linux/percpu.h>
#include "compat.h"

struct dmo_inflight_cpu {
	unsigned long in;
	unsigned long out;
};

/* The writes of one chunk. Lives as long as the struct dmo_cycle that it is in turn active of. */
struct dmo_inflight {
	struct dmo_inflight_cpu __percpu *cpu;
};

struct dmo_cycle {
	struct dmo_inflight *active;	/* written by dmo_cycle_switch() only */
};

int dmo_inflight_init(struct dmo_inflight *f);
void dmo_inflight_destroy(struct dmo_inflight *f);

static inline void dmo_cycle_init(struct dmo_cycle *c, struct dmo_inflight *active)
{
	c->active = active;
}

/**
 * dmo_cycle_exit - count a write out of its chunk
 * Context: any, also hard irq.
 * Return: true if the chunk is no longer active: its drain may be waited for.
 */
static inline bool dmo_cycle_exit(struct dmo_cycle *c, struct dmo_inflight *f)
{
	smp_mb(); /* all that the write did is visible before its exit */
	this_cpu_inc(f->cpu->out);
	smp_mb(); /* pairs with dmo_cycle_switch(): store out, load active */
	return READ_ONCE(c->active) != f;
}

/**
 * dmo_cycle_enter - count a write into the active chunk
 * @left: set if the write was in an older chunk on the way and left it: the drain of that
 *	may be waited for
 * Context: any. Call after the last point where map() may refuse the bio: dm
 * core skips end_io then and the count would leak.
 * Return: what to hand to dmo_cycle_exit().
 */
static inline struct dmo_inflight *dmo_cycle_enter(struct dmo_cycle *c, bool *left)
{
	struct dmo_inflight *f;

	for (;;) {
		f = READ_ONCE(c->active);
		this_cpu_inc(f->cpu->in);
		smp_mb(); /* pairs with dmo_cycle_switch() */
		if (likely(READ_ONCE(c->active) == f))
			return f;
		*left |= dmo_cycle_exit(c, f);
	}
}

/**
 * dmo_cycle_switch - make another chunk active
 * @new: has drained; whoever sees it active sees what was written to its chunk before
 * One caller at a time. When it returns no CPU can still enter the old one.
 */
void dmo_cycle_switch(struct dmo_cycle *c, struct dmo_inflight *new);

/**
 * dmo_cycle_drained - has every write of a chunk ended? It is not active.
 */
bool dmo_cycle_drained(struct dmo_inflight *f);

static inline struct dmo_inflight *dmo_cycle_active(struct dmo_cycle *c)
{
	return READ_ONCE(c->active);
}

#endif /* DMO_CYCLE_H */
