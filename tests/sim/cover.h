/* SPDX-License-Identifier: GPL-2.0-only */
/* Named transitions: how often was each taken? All must have been. */
#ifndef COVER_H
#define COVER_H

#include "shim/kernel.h"

#define MAX_COVER	512

/* A name for each place, found at link time: COVER("chunk: ...") counts one of it. */
struct cover_point {
	const char *name;
	u32 *slot;
};

extern u64 cover_count[MAX_COVER];
u32 cover_slot(const char *name);
extern struct cover_point __start_cover_points[], __stop_cover_points[];
#define COVER(text) do { \
	static u32 __slot; \
	static struct cover_point __p __attribute__((section("cover_points"), used)) = \
		{ text, &__slot }; \
	cover_count[__slot]++; \
	} while (0)

/** cover_init - give every point its slot */
void cover_init(void);
u32 cover_nr(void);
const char *cover_name(u32 i);

#endif /* COVER_H */
