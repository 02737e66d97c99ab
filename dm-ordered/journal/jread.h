/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads the ring one block after the other, ahead of whoever looks at them. */
#ifndef DMO_JREAD_H
#define DMO_JREAD_H

#include "journal/journal.h"

/**
 * struct dmo_jread - a reader of the ring
 * @buf: two buffers. What is at hand is in one of them, what follows is on its way into the other
 * @cur: the one with blocks @start to @start + @nr, the first of them at @first
 * @ahead: so many blocks behind these are on their way, or there
 * @lock, @wait, @inflight, @error: bios that have not ended, and the error of one of them
 */
struct dmo_jread {
	struct dmo_journal *j;
	void *buf[2];
	u32 cur;
	void *first;
	u64 start;
	u32 nr, ahead;
	spinlock_t lock;
	wait_queue_head_t wait;
	u32 inflight;
	int error;
};

int dmo_jread_init(struct dmo_jread *r, struct dmo_journal *j);
/**
 * dmo_jread_exit - waits for what is in flight
 */
void dmo_jread_exit(struct dmo_jread *r);

/**
 * dmo_jread_blocks - @nr blocks, DMO_RECORD_PAGES at most, from ring position @pos on, within the ring
 * Return: they, one behind the other, until the next call, or NULL and the error in *@rc.
 * Context: sleeps, one caller at a time.
 */
void *dmo_jread_blocks(struct dmo_jread *r, u64 pos, u32 nr, int *rc);

#endif /* DMO_JREAD_H */
