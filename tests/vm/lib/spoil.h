/* SPDX-License-Identifier: GPL-2.0-only */
/* A relay between the two ends of a link, which knows frames and spoils one of them. */
#ifndef SPOIL_H
#define SPOIL_H

#include <stdbool.h>

enum spoil_what { SPOIL_NOTHING, SPOIL_CLOSE, SPOIL_FLIP };
enum spoil_where { SPOIL_BEFORE, SPOIL_IN_HEADER, SPOIL_IN_BODY };

struct spoil_fault {
	enum spoil_what what;
	int dir;		/* 0: from a to b, 1: from b to a */
	unsigned int frame;	/* 1, 2 ... of that direction */
	enum spoil_where where;	/* SPOIL_BEFORE, and a flip: its first byte */
};

/* Carry frames between the sockets @a and @b, which belong to the relay from now on. */
void spoil_start(int a, int b, const struct spoil_fault *f);
/* Has the fault been made? @type: that frame's */
bool spoil_hit(unsigned int *type);
/* Ends it. */
void spoil_stop(void);

#endif
