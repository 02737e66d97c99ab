/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The in-flight barrier of a cycle ("HA barrier", seed 0 Fig. 10): every write
 * is counted into the chunk that is active and out of it when it has ended.
 *
 * Two parities; the active one is @idx. A writer counts itself in on its CPU,
 * then, after a full barrier, reads @idx again; if it changed, it counts
 * itself out and tries again. A switch stores @idx, then a full barrier. So
 * once dmo_cycle_switch() returns, no CPU still enters the old parity: an
 * entry either is visible to the sums or saw the new value. Sums are taken as
 * SRCU takes them: all exits, full barrier, all entries; equal means that
 * every writer that was ever in is out again. No grace period is needed.
 */
#ifndef DMO_CYCLE_H
#define DMO_CYCLE_H

#include <linux/percpu.h>
#include "compat.h"

struct dmo_cycle_cpu {
	unsigned long in[2];
	unsigned long out[2];
};

struct dmo_cycle {
	struct dmo_cycle_cpu __percpu *cpu;
	unsigned int idx;	/* written by dmo_cycle_switch() only */
	u64 seq[2];		/* of each parity's chunk; written before @idx */
};

int dmo_cycle_init(struct dmo_cycle *c, u64 seq);
void dmo_cycle_destroy(struct dmo_cycle *c);

/**
 * dmo_cycle_exit - count a write out of its chunk
 * Context: any, also hard irq.
 * Return: true if the chunk is no longer active: its drain may be waited for.
 */
static inline bool dmo_cycle_exit(struct dmo_cycle *c, unsigned int idx)
{
	smp_mb(); /* all that the write did is visible before its exit */
	this_cpu_inc(c->cpu->out[idx]);
	smp_mb(); /* pairs with dmo_cycle_switch(): store out, load idx */
	return READ_ONCE(c->idx) != idx;
}

/**
 * dmo_cycle_enter - count a write into the active chunk
 * @left: set if the write was in an older chunk on the way and left it: the drain of that
 *	may be waited for
 * Context: any. Call after the last point where map() may refuse the bio: dm
 * core skips end_io then and the count would leak.
 * Return: parity to hand to dmo_cycle_exit().
 */
static inline unsigned int dmo_cycle_enter(struct dmo_cycle *c, bool *left)
{
	unsigned int idx;

	for (;;) {
		idx = READ_ONCE(c->idx);
		this_cpu_inc(c->cpu->in[idx]);
		smp_mb(); /* pairs with dmo_cycle_switch() */
		if (likely(READ_ONCE(c->idx) == idx))
			return idx;
		*left |= dmo_cycle_exit(c, idx);
	}
}

/**
 * dmo_cycle_switch - make the other parity active, as chunk @seq
 * The other parity must be drained and its chunk released; one caller at a time.
 * When it returns no CPU can still enter the old parity.
 */
void dmo_cycle_switch(struct dmo_cycle *c, u64 seq);

/**
 * dmo_cycle_drained - has every write of parity @idx ended? @idx not active.
 */
bool dmo_cycle_drained(struct dmo_cycle *c, unsigned int idx);

static inline unsigned int dmo_cycle_active(struct dmo_cycle *c)
{
	return READ_ONCE(c->idx);
}

#endif /* DMO_CYCLE_H */
