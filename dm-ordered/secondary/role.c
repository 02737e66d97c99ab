// SPDX-License-Identifier: GPL-2.0-only
/* The secondary as the engine of a session: engine.h. */
#include "secondary/secondary.h"

static void free_engine(void *engine)
{
	dmo_secondary_free(engine);
}

static void stop(void *engine)
{
	dmo_secondary_stop(engine);
}

static void set_bdev(void *engine, u32 index, struct block_device *bdev)
{
	/* it asks for them: @data_bdev */
}

static int copy_all(void *engine, struct dmo_reason *why)
{
	return dmo_secondary_copy_all(engine, why);
}

static void activated(void *engine)
{
	dmo_secondary_start(engine);
}

static const char *volume_suspended(void *engine)
{
	return dmo_secondary_is_direct(engine) ? "a volume was suspended during a direct copy" : NULL;
}

static void set(void *engine, u32 cycle_ms, u64 budget)
{
	/* cycles are the primary's; the budget is that of its creation */
}

static void meta_error(void *engine)
{
	/* whoever meets it next says so: a frame, the restore, a promotion */
}

static void status(void *engine, struct dmo_role_status *st)
{
	struct dmo_sec_status *c = st->sec;

	dmo_secondary_status(engine, c);
	if (st->up && (st->peer->flags & DMO_HELLOF_FULL_COPY) && !c->direct && !c->inconsistent &&
	    !dmo_cut_cmp(c->complete, st->own->complete))
		st->flags |= DMO_F_COPY_PENDING;
	st->copying = c->direct;
	st->block = c->block;
	st->block_since = c->block_since;
}

static void hello(void *engine, struct dmo_hello *h)
{
	dmo_secondary_hello(engine, h);
}

static bool is_up(void *engine)
{
	return true;	/* in the receive thread, before any frame */
}

static int link_up(void *engine, const struct dmo_hello *peer, enum dmo_relation rel, struct dmo_reason *why)
{
	return dmo_secondary_link_up(engine, peer, why);
}

static void link_down(void *engine)
{
	dmo_secondary_link_down(engine);
}

static int frame(void *engine, struct dmo_link *l, const struct dmo_frame_hdr *h,
		 const void *payload, struct dmo_reason *why)
{
	return dmo_secondary_frame(engine, l, h, payload, why);
}

static int produce(void *engine, struct dmo_link *l, struct dmo_reason *why)
{
	return 0;	/* it only answers */
}

const struct dmo_role_ops dmo_secondary_role = {
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
