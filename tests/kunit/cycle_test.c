// SPDX-License-Identifier: GPL-2.0-only
/* The in-flight barrier: its rules one by one, and under threads. */
#include <linux/delay.h>
#include <linux/kthread.h>
#include "store/cycle.h"
#include "random.h"

#define WRITERS		4
#define SWITCHES	400
#define HAMMER_MS	3000	/* at most */

static void counts(struct kunit *test)
{
	struct dmo_inflight f[2], *a, *b;
	struct dmo_cycle c;
	bool left = false;

	KUNIT_ASSERT_EQ(test, dmo_inflight_init(&f[0]), 0);
	KUNIT_ASSERT_EQ(test, dmo_inflight_init(&f[1]), 0);
	dmo_cycle_init(&c, &f[0]);
	KUNIT_EXPECT_PTR_EQ(test, dmo_cycle_active(&c), &f[0]);
	KUNIT_EXPECT_TRUE(test, dmo_cycle_drained(&f[0]));
	KUNIT_EXPECT_TRUE(test, dmo_cycle_drained(&f[1]));

	a = dmo_cycle_enter(&c, &left);
	KUNIT_EXPECT_PTR_EQ(test, a, &f[0]);
	KUNIT_EXPECT_FALSE(test, dmo_cycle_exit(&c, a));

	a = dmo_cycle_enter(&c, &left);
	b = dmo_cycle_enter(&c, &left);
	dmo_cycle_switch(&c, &f[1]);
	KUNIT_EXPECT_PTR_EQ(test, dmo_cycle_active(&c), &f[1]);
	KUNIT_EXPECT_FALSE(test, dmo_cycle_drained(&f[0]));
	KUNIT_EXPECT_TRUE(test, dmo_cycle_exit(&c, a));
	KUNIT_EXPECT_FALSE(test, dmo_cycle_drained(&f[0]));
	a = dmo_cycle_enter(&c, &left);
	KUNIT_EXPECT_PTR_EQ(test, a, &f[1]);
	KUNIT_EXPECT_TRUE(test, dmo_cycle_exit(&c, b));
	KUNIT_EXPECT_TRUE(test, dmo_cycle_drained(&f[0]));
	KUNIT_EXPECT_FALSE(test, dmo_cycle_exit(&c, a));

	dmo_cycle_switch(&c, &f[0]);
	KUNIT_EXPECT_PTR_EQ(test, dmo_cycle_active(&c), &f[0]);
	KUNIT_EXPECT_TRUE(test, dmo_cycle_drained(&f[1]));
	KUNIT_EXPECT_FALSE(test, left);
	dmo_inflight_destroy(&f[0]);
	dmo_inflight_destroy(&f[1]);
	KUNIT_EXPECT_PTR_EQ(test, (void *)f[1].cpu, NULL);
}

/* A write may enter on one CPU and end on another; and counts wrap around. */
static void sums(struct kunit *test)
{
	struct dmo_inflight f[2], *in;
	struct dmo_cycle c;
	bool left;

	KUNIT_ASSERT_EQ(test, dmo_inflight_init(&f[0]), 0);
	KUNIT_ASSERT_EQ(test, dmo_inflight_init(&f[1]), 0);
	dmo_cycle_init(&c, &f[0]);
	per_cpu_ptr(f[0].cpu, cpumask_first(cpu_possible_mask))->in = ULONG_MAX;
	per_cpu_ptr(f[0].cpu, cpumask_last(cpu_possible_mask))->out = ULONG_MAX;
	KUNIT_EXPECT_TRUE(test, dmo_cycle_drained(&f[0]));
	in = dmo_cycle_enter(&c, &left);
	dmo_cycle_switch(&c, &f[1]);
	KUNIT_EXPECT_FALSE(test, dmo_cycle_drained(&f[0]));
	dmo_cycle_exit(&c, in);
	KUNIT_EXPECT_TRUE(test, dmo_cycle_drained(&f[0]));
	dmo_inflight_destroy(&f[0]);
	dmo_inflight_destroy(&f[1]);
}

/*
 * What a chunk has of the barrier.
 * @seq: written before it is made active
 * @sealed: it was switched away from and has drained: nobody may be in it
 * @live: writers in it
 */
struct side {
	struct dmo_inflight f;
	u64 seq;
	int sealed;
	atomic_t live;
};

struct hammer {
	struct dmo_cycle c;
	struct side side[2];
	atomic_t wrong;
	atomic64_t entries;
	bool stop;
};

static int writer(void *data)
{
	struct hammer *h = data;
	unsigned int n = 0;
	struct side *s;
	bool left;
	u64 seq;

	while (!READ_ONCE(h->stop)) {
		s = container_of(dmo_cycle_enter(&h->c, &left), struct side, f);
		atomic_inc(&s->live);
		seq = READ_ONCE(s->seq);
		if (READ_ONCE(s->sealed))
			atomic_inc(&h->wrong);
		if (!(++n & 3))
			schedule();
		if (READ_ONCE(s->sealed) || READ_ONCE(s->seq) != seq)
			atomic_inc(&h->wrong);
		atomic_dec(&s->live);
		dmo_cycle_exit(&h->c, &s->f);
		if (!(n & 15))
			cond_resched();
	}
	atomic64_add(n, &h->entries);
	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);
	return 0;
}

static void threads(struct kunit *test)
{
	struct hammer *h = kunit_kzalloc(test, sizeof(*h), GFP_KERNEL);
	struct task_struct *t[WRITERS];
	struct side *old, *new;
	unsigned long end;
	u64 seq = 1;
	int i;

	KUNIT_ASSERT_NOT_NULL(test, h);
	for (i = 0; i < 2; i++)
		KUNIT_ASSERT_EQ(test, dmo_inflight_init(&h->side[i].f), 0);
	new = &h->side[0];
	new->seq = seq;
	dmo_cycle_init(&h->c, &new->f);
	h->side[1].sealed = 1;
	for (i = 0; i < WRITERS; i++) {
		t[i] = kthread_run(writer, h, "dmo_test/%d", i);
		KUNIT_ASSERT_FALSE(test, IS_ERR(t[i]));
	}
	end = jiffies + msecs_to_jiffies(HAMMER_MS * rounds);
	while (time_before(jiffies, end) && seq < SWITCHES * rounds) {
		old = new;
		new = &h->side[old == &h->side[0]];
		WRITE_ONCE(new->sealed, 0);
		WRITE_ONCE(new->seq, ++seq);
		dmo_cycle_switch(&h->c, &new->f);
		while (!dmo_cycle_drained(&old->f))
			schedule();
		WRITE_ONCE(old->sealed, 1);
		if (atomic_read(&old->live))
			atomic_inc(&h->wrong);
		if (!(seq & 7))
			schedule();
	}
	WRITE_ONCE(h->stop, true);
	for (i = 0; i < WRITERS; i++)
		kthread_stop(t[i]);
	KUNIT_EXPECT_EQ(test, atomic_read(&h->wrong), 0);
	KUNIT_EXPECT_GT(test, seq, 2);
	KUNIT_EXPECT_GT(test, atomic64_read(&h->entries), WRITERS);
	for (i = 0; i < 2; i++) {
		KUNIT_EXPECT_TRUE(test, dmo_cycle_drained(&h->side[i].f));
		dmo_inflight_destroy(&h->side[i].f);
	}
}

static struct kunit_case cases[] = {
	KUNIT_CASE(counts),
	KUNIT_CASE(sums),
	KUNIT_CASE(threads),
	{}
};

static struct kunit_suite suite = {
	.name = "dm-ordered-cycle",
	.test_cases = cases,
};
kunit_test_suite(suite);
