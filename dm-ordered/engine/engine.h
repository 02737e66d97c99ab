/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a session asks of the engine of its role, whichever that is: one table of functions for the
 * primary (primary/role.c), one for the secondary (secondary/role.c). What only one role can do is not
 * here: the session knows that engine by its own header.
 */
#ifndef DMO_ENGINE_H
#define DMO_ENGINE_H

#include "format/wire.h"

struct block_device;
struct dmo_link;
struct dmo_pri_status;
struct dmo_sec_status;

/**
 * struct dmo_role_status - what both roles say of themselves, and where each puts what it alone says
 * @up: the link is; @sending: its send thread has something in hand
 * @own, @peer: HELLOs of the link, while @up
 * @pri, @sec: filled by the engine of that role
 * @flags: DMO_F_*
 * @block: enum dmo_block_reason, since @block_since (jiffies)
 */
struct dmo_role_status {
	bool up, sending;
	const struct dmo_hello *own, *peer;
	struct dmo_pri_status *pri;
	struct dmo_sec_status *sec;
	u32 flags;
	bool copying;
	u32 block;
	unsigned long block_since;
};

/**
 * struct dmo_role_ops - an engine, to its session. All are there. Context: session->lock is held, and
 *	they sleep, unless told.
 * @free: no link; I/O of its own to data devices ends first
 * @stop: no such I/O is in flight or begins when it returns, until @activated; the link was stopped
 * @set_bdev: @index has this data device from here on
 * @copy_all: a data device isn't the one that it was: all is to be copied. No link is up, not @activated.
 *	Return: 0, or negative with @why
 * @activated: every volume is active. Idempotent.
 * @suspended: a volume is not, any more. Return: NULL, or why the link has to end
 * @set: parameters
 * @meta_error: a write of the session's to the metadata device has failed
 * @status: as of now
 * @hello: fill the role's fields of @h
 * @is_up: has the engine taken the link up? With session->link_sem held only, any thread.
 * @link_up: a new link; receive thread, before any frame of it. Return: 0, or negative with @why
 * @link_down: the link's threads have ended
 * @frame, @produce: see struct dmo_link_ops; its threads
 */
struct dmo_role_ops {
	void (*free)(void *engine);
	void (*stop)(void *engine);
	void (*set_bdev)(void *engine, u32 index, struct block_device *bdev);
	int (*copy_all)(void *engine, struct dmo_reason *why);
	void (*activated)(void *engine);
	const char *(*suspended)(void *engine);
	void (*set)(void *engine, u32 cycle_ms, u64 budget);
	void (*meta_error)(void *engine);
	void (*status)(void *engine, struct dmo_role_status *st);
	void (*hello)(void *engine, struct dmo_hello *h);
	bool (*is_up)(void *engine);
	int (*link_up)(void *engine, const struct dmo_hello *peer, enum dmo_relation rel,
		       struct dmo_reason *why);
	void (*link_down)(void *engine);
	int (*frame)(void *engine, struct dmo_link *l, const struct dmo_frame_hdr *h,
		     const void *payload, struct dmo_reason *why);
	int (*produce)(void *engine, struct dmo_link *l, struct dmo_reason *why);
};

#endif /* DMO_ENGINE_H */
