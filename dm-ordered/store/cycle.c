// SPDX-License-Identifier: GPL-2.0-only
/* The in-flight barrier of a cycle; see cycle.h. */
#include "store/cycle.h"

int dmo_inflight_init(struct dmo_inflight *f)
{
	f->cpu = alloc_percpu(struct dmo_inflight_cpu);
	return f->cpu ? 0 : -ENOMEM;
}

void dmo_inflight_destroy(struct dmo_inflight *f)
{
	free_percpu(f->cpu);
	f->cpu = NULL;
}

void dmo_cycle_switch(struct dmo_cycle *c, struct dmo_inflight *new)
{
	/*
	 * The new one has drained, but a writer that saw it active long ago may count
	 * itself in just now. It will find it active, or leave; the sums don't tell
	 * it from one that was forgotten.
	 */
	smp_wmb(); /* the new chunk before @active; pairs with smp_mb() in dmo_cycle_enter() */
	WRITE_ONCE(c->active, new);
	smp_mb(); /* @active before the sums; pairs with enter and exit */
}

bool dmo_cycle_drained(struct dmo_inflight *f)
{
	unsigned long in = 0, out = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		out += READ_ONCE(per_cpu_ptr(f->cpu, cpu)->out);
	smp_mb(); /* exits before entries: an exit seen has its entry seen */
	for_each_possible_cpu(cpu)
		in += READ_ONCE(per_cpu_ptr(f->cpu, cpu)->in);
	return in == out;
}
