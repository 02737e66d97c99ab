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
	struct dmo_cycle c;
	unsigned int a, b;
	bool left = false;

	KUNIT_ASSERT_EQ(test, dmo_cycle_init(&c, 7), 0);
	KUNIT_EXPECT_EQ(test, dmo_cycle_active(&c), 0);
	KUNIT_EXPECT_EQ(test, c.seq[0], 7);
	KUNIT_EXPECT_TRUE(test, dmo_cycle_drained(&c, 0));
	KUNIT_EXPECT_TRUE(test, dmo_cycle_drained(&c, 1));

	a = dmo_cycle_enter(&c, &left);
	KUNIT_EXPECT_EQ(test, a, 0);
	KUNIT_EXPECT_FALSE(test, dmo_cycle_exit(&c, a));

	a = dmo_cycle_enter(&c, &left);
	b = dmo_cycle_enter(&c, &left);
	dmo_cycle_switch(&c, 8);
	KUNIT_EXPECT_EQ(test, dmo_cycle_active(&c), 1);
	KUNIT_EXPECT_EQ(test, c.seq[0], 7);
	KUNIT_EXPECT_EQ(test, c.seq[1], 8);
	KUNIT_EXPECT_FALSE(test, dmo_cycle_drained(&c, 0));
	KUNIT_EXPECT_TRUE(test, dmo_cycle_exit(&c, a));
	KUNIT_EXPECT_FALSE(test, dmo_cycle_drained(&c, 0));
	a = dmo_cycle_enter(&c, &left);
	KUNIT_EXPECT_EQ(test, a, 1);
	KUNIT_EXPECT_TRUE(test, dmo_cycle_exit(&c, b));
	KUNIT_EXPECT_TRUE(test, dmo_cycle_drained(&c, 0));
	KUNIT_EXPECT_FALSE(test, dmo_cycle_exit(&c, a));

	dmo_cycle_switch(&c, 9);
	KUNIT_EXPECT_EQ(test, dmo_cycle_active(&c), 0);
	KUNIT_EXPECT_EQ(test, c.seq[0], 9);
	KUNIT_EXPECT_TRUE(test, dmo_cycle_drained(&c, 1));
	KUNIT_EXPECT_FALSE(test, left);
	dmo_cycle_destroy(&c);
	KUNIT_EXPECT_PTR_EQ(test, (void *)c.cpu, NULL);
}

/* A write may enter on one CPU and end on another; and counts wrap around. */
static void sums(struct kunit *test)
{
	struct dmo_cycle c;
	unsigned int p;
	bool left;

	KUNIT_ASSERT_EQ(test, dmo_cycle_init(&c, 1), 0);
	per_cpu_ptr(c.cpu, cpumask_first(cpu_possible_mask))->in[0] = ULONG_MAX;
	per_cpu_ptr(c.cpu, cpumask_last(cpu_possible_mask))->out[0] = ULONG_MAX;
	KUNIT_EXPECT_TRUE(test, dmo_cycle_drained(&c, 0));
	p = dmo_cycle_enter(&c, &left);
	dmo_cycle_switch(&c, 2);
	KUNIT_EXPECT_FALSE(test, dmo_cycle_drained(&c, 0));
	dmo_cycle_exit(&c, p);
	KUNIT_EXPECT_TRUE(test, dmo_cycle_drained(&c, 0));
	dmo_cycle_destroy(&c);
}

/*
 * @sealed: the parity's chunk was switched away from and has drained: nobody may be in it
 * @live: writers in it
 */
struct hammer {
	struct dmo_cycle c;
	int sealed[2];
	atomic_t live[2], wrong;
	atomic64_t entries;
	bool stop;
};

static int writer(void *data)
{
	struct hammer *h = data;
	unsigned int p, n = 0;
	bool left;
	u64 seq;

	while (!READ_ONCE(h->stop)) {
		p = dmo_cycle_enter(&h->c, &left);
		atomic_inc(&h->live[p]);
		seq = READ_ONCE(h->c.seq[p]);
		if (READ_ONCE(h->sealed[p]))
			atomic_inc(&h->wrong);
		if (!(++n & 3))
			schedule();
		if (READ_ONCE(h->sealed[p]) || READ_ONCE(h->c.seq[p]) != seq)
			atomic_inc(&h->wrong);
		atomic_dec(&h->live[p]);
		dmo_cycle_exit(&h->c, p);
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
	unsigned long end;
	u64 seq = 1;
	int i, old;

	KUNIT_ASSERT_NOT_NULL(test, h);
	KUNIT_ASSERT_EQ(test, dmo_cycle_init(&h->c, seq), 0);
	h->sealed[1] = 1;
	for (i = 0; i < WRITERS; i++) {
		t[i] = kthread_run(writer, h, "dmo_test/%d", i);
		KUNIT_ASSERT_FALSE(test, IS_ERR(t[i]));
	}
	end = jiffies + msecs_to_jiffies(HAMMER_MS * rounds);
	while (time_before(jiffies, end) && seq < SWITCHES * rounds) {
		old = dmo_cycle_active(&h->c);
		WRITE_ONCE(h->sealed[old ^ 1], 0);
		dmo_cycle_switch(&h->c, ++seq);
		while (!dmo_cycle_drained(&h->c, old))
			schedule();
		WRITE_ONCE(h->sealed[old], 1);
		if (atomic_read(&h->live[old]))
			atomic_inc(&h->wrong);
		if (!(seq & 7))
			schedule();
	}
	WRITE_ONCE(h->stop, true);
	for (i = 0; i < WRITERS; i++)
		kthread_stop(t[i]);
	KUNIT_EXPECT_EQ(test, atomic_read(&h->wrong), 0);
	KUNIT_EXPECT_TRUE(test, dmo_cycle_drained(&h->c, 0));
	KUNIT_EXPECT_TRUE(test, dmo_cycle_drained(&h->c, 1));
	KUNIT_EXPECT_GT(test, seq, 2);
	KUNIT_EXPECT_GT(test, atomic64_read(&h->entries), WRITERS);
	dmo_cycle_destroy(&h->c);
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
