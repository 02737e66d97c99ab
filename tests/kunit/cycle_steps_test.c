// SPDX-License-Identifier: GPL-2.0-only
/*
 * The in-flight barrier, step by step: writers and a switcher are threads of
 * which one runs at a time, and every read and write of the barrier's words is
 * a point at which another may go on, as a seeded generator chooses. So
 * interleavings that hardly ever happen are tried on any machine, and a failure can
 * be repeated. What the memory barriers are for is not seen here: all is in order.
 */
#include <linux/completion.h>
#include <linux/kthread.h>
#include <linux/percpu.h>
#include "compat.h"
#include "random.h"

static void step(void);

#define dmo_inflight_init	steps_inflight_init
#define dmo_inflight_destroy	steps_inflight_destroy
#define dmo_cycle_switch	steps_cycle_switch
#define dmo_cycle_drained	steps_cycle_drained
#pragma push_macro("READ_ONCE")
#pragma push_macro("WRITE_ONCE")
#pragma push_macro("this_cpu_inc")
#undef READ_ONCE
#undef WRITE_ONCE
#undef this_cpu_inc
#define READ_ONCE(x)		({ step(); __READ_ONCE(x); })
#define WRITE_ONCE(x, v)	({ step(); __WRITE_ONCE(x, v); })
#define this_cpu_inc(x)		({ step(); this_cpu_add(x, 1); })
#include "store/cycle.h"
#include "store/cycle.c"
#pragma pop_macro("READ_ONCE")
#pragma pop_macro("WRITE_ONCE")
#pragma pop_macro("this_cpu_inc")

#define ACTORS		4	/* the first one switches, the others write */
#define WRITES		6
#define SWITCHES	5
#define GAMES		150
#define PATIENCE	5000	/* steps in vain until a drain that nobody told of counts as lost */

struct actor {
	struct task_struct *task;
	struct completion go;
	bool done;
};

/* What a chunk has of the barrier; see cycle_test.c. */
struct side {
	struct dmo_inflight f;
	u64 seq;
	bool sealed;
	u32 live;
};

static struct game {
	struct actor actor[ACTORS];
	struct completion back;
	struct actor *running;
	struct dmo_cycle c;
	struct side side[2];
	struct rnd rnd;
	bool kicked;
	u32 tries, lost, in_sealed, reused, not_drained;
} g;

static void step(void)
{
	struct actor *a = g.running;

	if (!a || a->task != current)
		return;
	complete(&g.back);
	wait_for_completion(&a->go);
}

static void one_write(void)
{
	bool left = false;
	struct side *s;
	u32 pause;
	u64 seq;

	s = container_of(dmo_cycle_enter(&g.c, &left), struct side, f);
	g.kicked |= left;
	g.tries += left;
	s->live++;
	g.in_sealed += s->sealed;
	seq = s->seq;
	for (pause = rnd_below(&g.rnd, 6); pause; pause--)
		step();
	g.in_sealed += s->sealed;
	g.reused += s->seq != seq;
	s->live--;
	if (dmo_cycle_exit(&g.c, &s->f))
		g.kicked = true;
	for (pause = rnd_below(&g.rnd, 6); pause; pause--)
		step();
}

/* As the cycle thread does it: having looked in vain, it waits to be told. */
static void one_switch(u64 seq)
{
	struct side *old = container_of(dmo_cycle_active(&g.c), struct side, f);
	struct side *new = &g.side[old == &g.side[0]];
	u32 patience = PATIENCE, pause;

	new->sealed = false;
	step();
	new->seq = seq;
	dmo_cycle_switch(&g.c, &new->f);
	for (;;) {
		g.kicked = false;
		if (dmo_cycle_drained(&old->f))
			break;
		while (!g.kicked && --patience)
			step();
		if (!patience) {
			g.lost++;
			break;
		}
	}
	g.not_drained += old->live;
	old->sealed = true;
	for (pause = rnd_below(&g.rnd, 10); pause; pause--)
		step();
}

static int play(void *data)
{
	struct actor *a = data;
	u32 i;

	wait_for_completion(&a->go);
	if (a == &g.actor[0])
		for (i = 0; i < SWITCHES && !g.lost; i++)
			one_switch(2 + i);
	else
		for (i = 0; i < WRITES; i++)
			one_write();
	a->done = true;
	complete(&g.back);
	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);
	return 0;
}

static void one_game(struct kunit *test)
{
	u32 i, left = ACTORS;

	memset(g.side, 0, sizeof(g.side));
	for (i = 0; i < 2; i++)
		KUNIT_ASSERT_EQ(test, dmo_inflight_init(&g.side[i].f), 0);
	g.side[0].seq = 1;
	g.side[1].sealed = true;
	dmo_cycle_init(&g.c, &g.side[0].f);
	init_completion(&g.back);
	for (i = 0; i < ACTORS; i++) {
		struct actor *a = &g.actor[i];

		a->done = false;
		init_completion(&a->go);
		a->task = kthread_run(play, a, "dmo_test/%u", i);
		KUNIT_ASSERT_FALSE(test, IS_ERR(a->task));
	}
	while (left) {
		g.running = &g.actor[rnd_below(&g.rnd, ACTORS)];
		if (g.running->done)
			continue;
		complete(&g.running->go);
		wait_for_completion(&g.back);
		left -= g.running->done;
	}
	g.running = NULL;
	for (i = 0; i < ACTORS; i++)
		kthread_stop(g.actor[i].task);
	for (i = 0; i < 2; i++) {
		if (!g.lost)
			KUNIT_EXPECT_TRUE(test, dmo_cycle_drained(&g.side[i].f));
		dmo_inflight_destroy(&g.side[i].f);
	}
}

static void interleavings(struct kunit *test)
{
	u32 i;

	memset(&g, 0, sizeof(g));
	rnd_seed(test, &g.rnd);
	for (i = 0; i < GAMES * rounds && !g.lost; i++)
		one_game(test);
	KUNIT_EXPECT_EQ_MSG(test, g.in_sealed, 0, "a writer is in a chunk that has drained");
	KUNIT_EXPECT_EQ_MSG(test, g.not_drained, 0, "drained, but writers are in it");
	KUNIT_EXPECT_EQ_MSG(test, g.reused, 0, "a chunk was used again under a writer");
	KUNIT_EXPECT_EQ_MSG(test, g.lost, 0, "nobody told that the chunk has drained");
	/* the games do come across the switch within an entry */
	KUNIT_EXPECT_GT(test, g.tries, 0);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(interleavings),
	{}
};

static struct kunit_suite suite = {
	.name = "dm-ordered-cycle-steps",
	.test_cases = cases,
};
kunit_test_suite(suite);
