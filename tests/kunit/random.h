/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Random tests: every file that has some owns the parameters seed and rounds
 * (RANGE_TEST.seed=N on the kernel's command line); a seed of 0 takes a new
 * one. What is taken is printed, so that a failure can be repeated.
 */
#ifndef DMO_TEST_RANDOM_H
#define DMO_TEST_RANDOM_H

#include <kunit/test.h>
#include <linux/moduleparam.h>
#include <linux/random.h>

/* Also in one module of several files. */
#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX	KBUILD_BASENAME "."

static uint seed;
module_param(seed, uint, 0444);
static uint rounds = 1;
module_param(rounds, uint, 0444);

struct rnd {
	u64 state;
};

static inline u32 rnd_next(struct rnd *r)
{
	r->state ^= r->state >> 12;
	r->state ^= r->state << 25;
	r->state ^= r->state >> 27;
	return (r->state * 0x2545f4914f6cdd1dULL) >> 32;
}

/* 0 to @n - 1 */
static inline u32 rnd_below(struct rnd *r, u32 n)
{
	return (u64)rnd_next(r) * n >> 32;
}

static inline bool rnd_one_in(struct rnd *r, u32 n)
{
	return !rnd_below(r, n);
}

static inline void rnd_seed(struct kunit *test, struct rnd *r)
{
	u32 s = seed ?: (get_random_u32() | 1);

	kunit_info(test, "seed %u\n", s);
	r->state = s * 0x9e3779b97f4a7c15ULL;
}

#endif /* DMO_TEST_RANDOM_H */
