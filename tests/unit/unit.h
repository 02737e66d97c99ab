/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by the unit tests: cmocka, a seeded generator, refusals' texts. */
#ifndef DMO_UNIT_H
#define DMO_UNIT_H

#include "compat.h"
#include <setjmp.h>
#include <cmocka.h>

static u64 unit_rng;

static inline u64 unit_rand(void)
{
	u64 z = (unit_rng += 0x9e3779b97f4a7c15ull);	/* splitmix64 */

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

/* 0..n-1 */
static inline u32 unit_below(u32 n)
{
	return (u32)(unit_rand() % n);
}

static inline u64 unit_env(const char *name, u64 otherwise)
{
	const char *s = getenv(name);

	return s && *s ? strtoull(s, NULL, 0) : otherwise;
}

/* The seed of this run: SEED of the environment, or a fixed one; always told. */
static inline u64 unit_seed(const char *test)
{
	u64 seed = unit_env("SEED", 20240229);

	printf("%s: SEED=%llu\n", test, seed);
	unit_rng = seed;
	return seed;
}

/* How often a random test repeats itself. */
static inline u64 unit_rounds(u64 rounds)
{
	return unit_env("ROUNDS", unit_env("LONG", 0) ? 20 * rounds : rounds);
}

static inline void unit_fill(void *p, size_t len)
{
	u8 *b = p;

	while (len--)
		*b++ = (u8)unit_rand();
}

#define assert_refused(expr, rc, part) do { \
	memset(&why, 0, sizeof(why)); \
	assert_int_equal(expr, rc); \
	if (!strstr(why.text, part)) \
		fail_msg("\"%s\" lacks \"%s\"", why.text, part); \
	assert_true(strlen(why.text) < sizeof(why.text) - 1); \
} while (0)

#endif /* DMO_UNIT_H */
