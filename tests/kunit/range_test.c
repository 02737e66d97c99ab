// SPDX-License-Identifier: GPL-2.0-only
/* Block locks: who waits for whom, and that nobody waits for nothing. */
#include <linux/completion.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include "store/chunk.h"
#include "random.h"

#define BLOCKS		(2 * DMO_ZONE_BLOCKS)
#define SLOTS		24	/* locks of the random test alive at a time */
#define STEPS		2000
#define THREADS		4
#define TURNS		200
#define AREA		12	/* blocks that the threads fight for */
#define MANY		300	/* above what a u8 counts */

struct lock {
	struct dmo_range range;
	u64 block, nr;
	u64 arrival;		/* 0: not in use */
	u32 calls;		/* of @granted */
	bool held, at_once;
	struct lock *chain;	/* to unlock within the callback */
};

static struct dmo_store *st;

static int init_suite(struct kunit_suite *suite)
{
	return dmo_chunk_init();
}

static void exit_suite(struct kunit_suite *suite)
{
	dmo_chunk_exit();
}

static int init(struct kunit *test)
{
	static const struct dmo_volume_info vols[] = {
		{ .id = 3, .lbs = 512, .sectors = BLOCKS * DMO_BLOCK_SECTORS },
		{ .id = 9, .lbs = 512, .sectors = BLOCKS * DMO_BLOCK_SECTORS },
	};
	struct dmo_reason why;

	st = dmo_store_create(vols, ARRAY_SIZE(vols), 4 << 20, 1, false, &why);
	KUNIT_ASSERT_FALSE(test, IS_ERR(st));
	return 0;
}

static void exit_test(struct kunit *test)
{
	if (!IS_ERR_OR_NULL(st))
		dmo_store_destroy(st);
	st = NULL;
}

static void granted(struct dmo_range *r)
{
	struct lock *l = container_of(r, struct lock, range);

	l->held = true;
	l->calls++;
	if (l->chain) {
		l->chain = NULL;
		l->held = false;
		l->arrival = 0;
		dmo_range_unlock(st, r);
	}
}

static bool take(struct lock *l, u16 vol, u64 block, u64 nr)
{
	memset(l, 0, sizeof(*l));
	l->block = block;
	l->nr = nr;
	dmo_range_init(st, &l->range, vol, block, nr, granted);
	l->at_once = dmo_range_lock(st, &l->range);
	if (l->at_once)
		l->held = true;
	return l->at_once;
}

static void drop(struct lock *l)
{
	l->held = false;
	dmo_range_unlock(st, &l->range);
}

static void overlap(struct kunit *test)
{
	struct lock a, b, c, d, e;

	KUNIT_EXPECT_TRUE(test, take(&a, 0, 10, 5));
	KUNIT_EXPECT_TRUE(test, take(&b, 0, 15, 1));	/* beside it */
	KUNIT_EXPECT_TRUE(test, take(&c, 0, 9, 1));
	KUNIT_EXPECT_TRUE(test, take(&d, 1, 10, 5));	/* of another volume */
	KUNIT_EXPECT_FALSE(test, take(&e, 0, 14, 2));	/* a and b */
	drop(&a);
	KUNIT_EXPECT_FALSE(test, e.held);
	drop(&b);
	KUNIT_EXPECT_TRUE(test, e.held);
	drop(&c);
	drop(&d);
	drop(&e);
	KUNIT_EXPECT_EQ(test, e.calls, 1);
	KUNIT_EXPECT_EQ(test, a.calls + b.calls + c.calls + d.calls, 0);
}

static void order_of_arrival(struct kunit *test)
{
	struct lock a, b, c, d, e;

	KUNIT_EXPECT_TRUE(test, take(&a, 0, 0, 4));
	KUNIT_EXPECT_FALSE(test, take(&b, 0, 2, 4));
	/* overlaps nothing that is held, but b was first */
	KUNIT_EXPECT_FALSE(test, take(&c, 0, 5, 3));
	KUNIT_EXPECT_FALSE(test, take(&d, 0, 0, 8));
	KUNIT_EXPECT_TRUE(test, take(&e, 0, 8, 1));
	drop(&e);
	drop(&a);
	KUNIT_EXPECT_TRUE(test, b.held && !c.held && !d.held);
	drop(&b);
	KUNIT_EXPECT_TRUE(test, c.held && !d.held);
	drop(&c);
	KUNIT_EXPECT_TRUE(test, d.held);
	drop(&d);
}

static void one_unlock_frees_many(struct kunit *test)
{
	struct lock a, b, c, d, e;

	KUNIT_EXPECT_TRUE(test, take(&a, 0, 0, 256));
	KUNIT_EXPECT_FALSE(test, take(&b, 0, 0, 8));
	KUNIT_EXPECT_FALSE(test, take(&c, 0, 8, 8));
	KUNIT_EXPECT_FALSE(test, take(&d, 0, 8, 1));
	KUNIT_EXPECT_FALSE(test, take(&e, 0, 8, 1));
	/* those that unlock within their callback let the next ones in */
	c.chain = &c;
	d.chain = &d;
	drop(&a);
	KUNIT_EXPECT_TRUE(test, b.held && e.held);
	KUNIT_EXPECT_EQ(test, b.calls, 1);
	KUNIT_EXPECT_EQ(test, c.calls, 1);
	KUNIT_EXPECT_EQ(test, d.calls, 1);
	KUNIT_EXPECT_EQ(test, e.calls, 1);
	drop(&b);
	drop(&e);
}

static void widened_to_units(struct kunit *test)
{
	struct lock a, b, c;

	st->vols[0].unit_shift = 3;
	KUNIT_EXPECT_TRUE(test, take(&a, 0, 17, 1));
	KUNIT_EXPECT_EQ(test, a.range.first, 16);
	KUNIT_EXPECT_EQ(test, a.range.last, 23);
	KUNIT_EXPECT_FALSE(test, take(&b, 0, 23, 2));
	KUNIT_EXPECT_EQ(test, b.range.first, 16);
	KUNIT_EXPECT_EQ(test, b.range.last, 31);
	KUNIT_EXPECT_TRUE(test, take(&c, 0, 15, 1));
	drop(&c);
	drop(&a);
	KUNIT_EXPECT_TRUE(test, b.held);
	drop(&b);
	/* the other volume has units of its own */
	KUNIT_EXPECT_TRUE(test, take(&a, 1, 17, 1));
	KUNIT_EXPECT_EQ(test, a.range.first, 17);
	KUNIT_EXPECT_EQ(test, a.range.last, 17);
	drop(&a);
}

static bool model_held(const struct lock *all, const struct lock *l)
{
	u64 mask = (1ULL << st->vols[l->range.vol].unit_shift) - 1;
	u64 first = l->block & ~mask, last = (l->block + l->nr - 1) | mask, b;
	const struct lock *o;

	for (o = all; o < all + SLOTS; o++) {
		if (!o->arrival || o->arrival >= l->arrival || o->range.vol != l->range.vol)
			continue;
		for (b = first; b <= last; b++)
			if (((b ^ o->block) & ~mask) == 0 ||
			    (b >= o->block && b < o->block + o->nr) ||
			    ((b ^ (o->block + o->nr - 1)) & ~mask) == 0)
				return false;
	}
	return true;
}

static u32 compare(const struct lock *all)
{
	u32 i, wrong = 0;

	for (i = 0; i < SLOTS; i++) {
		if (!all[i].arrival)
			continue;
		wrong += all[i].held != model_held(all, &all[i]);
		wrong += all[i].calls != (all[i].held && !all[i].at_once);
	}
	return wrong;
}

/* Return: how many had to wait. */
static u32 one_model(struct kunit *test, struct lock *all, struct rnd *rnd)
{
	u32 n, i, zone, block, wrong = 0, queued = 0;
	u64 arrival = 0;
	struct lock *l;

	for (n = 0; n < STEPS * rounds && !wrong; n++) {
		l = &all[rnd_below(rnd, SLOTS)];
		if (!l->arrival) {
			zone = rnd_below(rnd, 2) * DMO_ZONE_BLOCKS;
			block = rnd_below(rnd, 40);
			take(l, rnd_below(rnd, 2), zone + block, 1 + rnd_below(rnd, 9));
			l->arrival = ++arrival;
			queued += !l->at_once;
		} else if (l->held) {
			l->arrival = 0;
			drop(l);
		}
		wrong = compare(all);
	}
	for (n = 0; n < SLOTS; n++) {
		for (i = 0; i < SLOTS; i++) {
			if (!all[i].arrival || !all[i].held)
				continue;
			all[i].arrival = 0;
			drop(&all[i]);
			wrong += compare(all);
		}
	}
	for (i = 0; i < SLOTS; i++)
		KUNIT_EXPECT_EQ(test, all[i].arrival, 0);
	KUNIT_EXPECT_EQ(test, wrong, 0);
	return queued;
}

static void random_model(struct kunit *test)
{
	struct lock *all = kunit_kcalloc(test, SLOTS, sizeof(*all), GFP_KERNEL);
	struct rnd rnd;

	KUNIT_ASSERT_NOT_NULL(test, all);
	rnd_seed(test, &rnd);
	for (st->vols[0].unit_shift = 0; st->vols[0].unit_shift <= 3; st->vols[0].unit_shift++)
		KUNIT_EXPECT_GT(test, one_model(test, all, &rnd), STEPS / 100);
}

/* Threads that sleep for their locks. */
struct fight {
	struct completion done[THREADS];
	struct rnd rnd;
	atomic_t next, wrong;
	int owner[AREA];
};

static struct fight fight;

static int fighter(void *data)
{
	struct fight *f = &fight;
	int me = atomic_inc_return(&f->next);
	struct rnd rnd = { .state = f->rnd.state + me };
	struct dmo_range_waiter w;
	u32 i, k, first, nr;

	for (i = 0; i < TURNS * rounds; i++) {
		first = rnd_below(&rnd, AREA);
		nr = 1 + rnd_below(&rnd, AREA - first);
		dmo_range_lock_wait(st, &w, 0, first, nr);
		for (k = first; k < first + nr; k++) {
			if (f->owner[k])
				atomic_inc(&f->wrong);
			f->owner[k] = me;
		}
		if (!rnd_one_in(&rnd, 3))
			schedule();
		if (rnd_one_in(&rnd, 60))
			schedule_timeout_uninterruptible(1);
		for (k = first; k < first + nr; k++) {
			if (f->owner[k] != me)
				atomic_inc(&f->wrong);
			f->owner[k] = 0;
		}
		dmo_range_unlock(st, &w.range);
	}
	complete(&f->done[me - 1]);
	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);
	return 0;
}

static void threads(struct kunit *test)
{
	struct task_struct *t[THREADS];
	int i, stuck = 0;

	memset(&fight, 0, sizeof(fight));
	rnd_seed(test, &fight.rnd);
	for (i = 0; i < THREADS; i++)
		init_completion(&fight.done[i]);
	for (i = 0; i < THREADS; i++) {
		t[i] = kthread_run(fighter, NULL, "dmo_test/%d", i);
		KUNIT_ASSERT_FALSE(test, IS_ERR(t[i]));
	}
	for (i = 0; i < THREADS; i++)
		stuck += !wait_for_completion_timeout(&fight.done[i], 60 * HZ * rounds);
	KUNIT_EXPECT_EQ(test, atomic_read(&fight.wrong), 0);
	if (stuck)
		st = NULL;	/* they still use it */
	KUNIT_ASSERT_EQ_MSG(test, stuck, 0, "a thread that waits was not woken");
	for (i = 0; i < THREADS; i++)
		kthread_stop(t[i]);
}

/* More locks on a block than a stripe counts: each has its turn, and afterwards nothing is left of them. */
static void more_than_counted(struct kunit *test)
{
	struct dmo_stripe *sp = dmo_store_stripe(st, 0, 5);
	struct lock *l, beside;
	u32 i, waiting = 0, turns = 0;

	l = kcalloc(MANY, sizeof(*l), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, l);
	for (i = 0; i < MANY; i++)
		waiting += !take(&l[i], 0, 5, 1 + i % 3);
	KUNIT_EXPECT_EQ(test, waiting, MANY - 1);
	KUNIT_EXPECT_TRUE(test, take(&beside, 0, 8, 1));
	for (i = 0; i < MANY; i++) {
		turns += l[i].held && (i + 1 == MANY || !l[i + 1].held);
		drop(&l[i]);
	}
	KUNIT_EXPECT_EQ(test, turns, MANY);
	KUNIT_EXPECT_FALSE(test, take(&l[0], 0, 6, 3));
	drop(&beside);
	KUNIT_EXPECT_TRUE(test, l[0].held);
	drop(&l[0]);
	KUNIT_EXPECT_PTR_EQ(test, memchr_inv(sp->cover, 0, sizeof(sp->cover)), NULL);
	kfree(l);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(overlap),
	KUNIT_CASE(more_than_counted),
	KUNIT_CASE(order_of_arrival),
	KUNIT_CASE(one_unlock_frees_many),
	KUNIT_CASE(widened_to_units),
	KUNIT_CASE(random_model),
	KUNIT_CASE(threads),
	{}
};

static struct kunit_suite suite = {
	.name = "dm-ordered-range",
	.suite_init = init_suite,
	.suite_exit = exit_suite,
	.init = init,
	.exit = exit_test,
	.test_cases = cases,
};
kunit_test_suite(suite);
