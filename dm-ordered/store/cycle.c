// SPDX-License-Identifier: GPL-2.0-only
/* The in-flight barrier of a cycle; see cycle.h. */
#include "store/cycle.h"

int dmo_cycle_init(struct dmo_cycle *c, u64 seq)
{
	c->cpu = alloc_percpu(struct dmo_cycle_cpu);
	if (!c->cpu)
		return -ENOMEM;
	c->idx = 0;
	c->seq[0] = seq;
	c->seq[1] = 0;
	return 0;
}

void dmo_cycle_destroy(struct dmo_cycle *c)
{
	free_percpu(c->cpu);
	c->cpu = NULL;
}

void dmo_cycle_switch(struct dmo_cycle *c, u64 seq)
{
	unsigned int new = c->idx ^ 1;

	/*
	 * The new parity has drained, but a writer that saw it active long ago may count
	 * itself in just now. It will find it active, or leave; the sums don't tell
	 * it from one that was forgotten.
	 */
	WRITE_ONCE(c->seq[new], seq);
	smp_wmb(); /* seq before idx; pairs with smp_mb() in dmo_cycle_enter() */
	WRITE_ONCE(c->idx, new);
	smp_mb(); /* idx before the sums; pairs with enter and exit */
}

bool dmo_cycle_drained(struct dmo_cycle *c, unsigned int idx)
{
	unsigned long in = 0, out = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		out += READ_ONCE(per_cpu_ptr(c->cpu, cpu)->out[idx]);
	smp_mb(); /* exits before entries: an exit seen has its entry seen */
	for_each_possible_cpu(cpu)
		in += READ_ONCE(per_cpu_ptr(c->cpu, cpu)->in[idx]);
	return in == out;
}
