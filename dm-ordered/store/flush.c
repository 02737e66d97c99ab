// SPDX-License-Identifier: GPL-2.0-only
/*
 * What was written since the last good flush, region by region, and that it is shipped again after
 * one that failed; see struct dmo_vol.
 */
#include <linux/bitmap.h>
#include "store/chunk.h"

void dmo_vol_written(struct dmo_vol *v, u64 sector, u32 nr)
{
	u64 r = sector >> v->region_shift, end = (sector + nr - 1) >> v->region_shift;
	unsigned long *map = v->unflushed[READ_ONCE(v->cur)];

	for (; r <= end; r++)
		if (!test_bit(r, map))
			set_bit(r, map);
}

bool dmo_vol_flush_begin(struct dmo_vol *v)
{
	unsigned long flags;
	bool tracked = false;

	spin_lock_irqsave(&v->flush_lock, flags);
	if (!v->flushing && !v->reship) {
		v->flushing = tracked = true;
		WRITE_ONCE(v->cur, v->cur ^ 1);
	}
	spin_unlock_irqrestore(&v->flush_lock, flags);
	return tracked;
}

bool dmo_vol_flush_end(struct dmo_vol *v, bool tracked, bool ok)
{
	unsigned long flags;
	bool due = false;

	spin_lock_irqsave(&v->flush_lock, flags);
	if (!ok) {
		due = !v->reship;
		v->reship = true;
		v->flush_errors++;
	}
	if (tracked) {
		v->flushing = false;
		if (ok && !v->reship)
			bitmap_zero(v->unflushed[v->cur ^ 1], v->regions);
	}
	spin_unlock_irqrestore(&v->flush_lock, flags);
	return due;
}

static void reship_zones(struct dmo_store *st, struct dmo_vol *v)
{
	u64 zones = (v->blocks + DMO_ZONE_BLOCKS - 1) / DMO_ZONE_BLOCKS, z;
	u8 shift = v->region_shift - ilog2(DMO_ZONE_SECTORS);
	struct dmo_chunk *c = dmo_store_active(st);
	struct dmo_range_waiter w;

	for (z = 0; z < zones; z++) {
		if (!test_bit(z >> shift, v->unflushed[0]) && !test_bit(z >> shift, v->unflushed[1]))
			continue;
		dmo_range_lock_wait(st, &w, v->index, z * DMO_ZONE_BLOCKS, DMO_ZONE_BLOCKS);
		dmo_store_make_refs(c, v, w.range.first, w.range.last);
		dmo_range_unlock(st, &w.range);
		cond_resched();
	}
}

bool dmo_store_reship(struct dmo_store *st, struct dmo_vol *v)
{
	u32 errors = READ_ONCE(v->flush_errors);
	bool done;

	/* @reship stays set meanwhile, so that a good flush takes nothing out of the maps */
	reship_zones(st, v);
	spin_lock_irq(&v->flush_lock);
	done = errors == v->flush_errors;
	if (done)
		v->reship = false;
	spin_unlock_irq(&v->flush_lock);
	return done;
}
