// SPDX-License-Identifier: GPL-2.0-only
/* The primary as the engine of a session: engine.h. */
#include "primary/primary.h"

static void free_engine(void *engine)
{
	dmo_primary_free(engine);
}

static void stop(void *engine)
{
	/* what it reads from data devices ended with their suspension, and with the link */
}

static void set_bdev(void *engine, u32 index, struct block_device *bdev)
{
	dmo_primary_set_bdev(engine, index, bdev);
}

static int copy_all(void *engine, struct dmo_reason *why)
{
	dmo_primary_copy_all(engine);
	return 0;
}

static void activated(void *engine)
{
	dmo_primary_set_active(engine, true);
}

static const char *volume_suspended(void *engine)
{
	dmo_primary_set_active(engine, false);
	return NULL;
}

static void set(void *engine, u32 cycle_ms, u64 budget)
{
	dmo_primary_set(engine, cycle_ms, budget);
}

static void meta_error(void *engine)
{
	dmo_primary_meta_error(engine);
}

static void status(void *engine, struct dmo_role_status *st)
{
	struct dmo_pri_status *p = st->pri;

	dmo_primary_status(engine, st->sending, p);
	if (p->copy_pending)
		st->flags |= DMO_F_COPY_PENDING;
	if (p->peer_inconsistent)
		st->flags |= DMO_F_PEER_INCONSISTENT;
	if (p->no_copy)
		st->flags |= DMO_F_NO_COPY;
	st->copying = p->copying;
	st->block = p->block;
	st->block_since = p->block_since;
}

static void hello(void *engine, struct dmo_hello *h)
{
	dmo_primary_hello(engine, h);
}

static bool is_up(void *engine)
{
	return dmo_primary_is_up(engine);
}

static int link_up(void *engine, const struct dmo_hello *peer, enum dmo_relation rel, struct dmo_reason *why)
{
	dmo_primary_link_up(engine, peer, rel);
	return 0;
}

static void link_down(void *engine)
{
	dmo_primary_link_down(engine);
}

static int frame(void *engine, struct dmo_link *l, const struct dmo_frame_hdr *h,
		 const void *payload, struct dmo_reason *why)
{
	return dmo_primary_frame(engine, h, why);
}

static int produce(void *engine, struct dmo_link *l, struct dmo_reason *why)
{
	return dmo_primary_produce(engine, l, why);
}

const struct dmo_role_ops dmo_primary_role = {
	.free = free_engine,
	.stop = stop,
	.set_bdev = set_bdev,
	.copy_all = copy_all,
	.activated = activated,
	.suspended = volume_suspended,
	.set = set,
	.meta_error = meta_error,
	.status = status,
	.hello = hello,
	.is_up = is_up,
	.link_up = link_up,
	.link_down = link_down,
	.frame = frame,
	.produce = produce,
};
