// SPDX-License-Identifier: GPL-2.0-only
/*
 * The cycle thread of a primary (seed 0 Fig. 10).
 *
 * It alone switches, merges, releases chunks, decides on direct mode and draws
 * the consequences of a new or lost link, so none of that needs a lock against
 * another. Everybody else leaves a note under p->lock (receive thread: COMPLETE,
 * SYNCED, ...; send thread: LAST is out; workers: a merge is wanted) and kicks.
 *
 * older:   NONE -> DRAINING -> SHIPPING -> COMPLETE -> NONE, or merged away from
 *          SHIPPING (design section 3). LAST goes out only in SHIPPING, which begins
 *          once the cut is confirmed; without a group that is at once (R7).
 * direct:  OFF -> BEGIN -> RUN -> PASSED -> SYNCED -> FINISH -> OFF, back to RUN
 *          from SYNCED if what is left does not fit, back to OFF when the link is lost
 *          or the finishing chunk is merged; then it begins again.
 */
#include <linux/device-mapper.h>
#include <linux/kthread.h>
#include <linux/random.h>
#include <linux/ktime.h>
#include <linux/timekeeping.h>
#include "primary/primary_priv.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

#define DM_MSG_PREFIX "ordered"

/* No peer can push the own epoch further: what is above is left for activations. */
#define MAX_PEER_EPOCH	(DMO_WIRE_MAX_EPOCH - (1ULL << 52))
#define EPOCH_LEAP	(1ULL << 20)
#define IDLE_NS	NSEC_PER_SEC

void dmo_primary_kick(struct dmo_primary *p)
{
	set_bit(DMO_PF_KICK, &p->flags);
	wake_up(&p->wait);
}

static void store_kick(struct dmo_store *st)
{
	dmo_primary_kick(st->owner);
}

void dmo_primary_error(struct dmo_primary *p, u32 volume, const char *fmt, ...)
{
	char why[DMO_REASON_LEN];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	spin_lock_irq(&p->lock);
	strscpy(p->why, why, sizeof(p->why));
	spin_unlock_irq(&p->lock);
	p->ops->event(p->owner, DMO_EVENT_ERROR, (struct dmo_cut){}, volume, why);
}

/* A write to the metadata device has failed: say so, once. */
void dmo_primary_meta_error(struct dmo_primary *p)
{
	if (!test_and_set_bit(DMO_PF_META_ERROR, &p->flags))
		dmo_primary_error(p, -1, "%s", p->meta->why);
}

/* Is there no point in time at the peer that this side goes by? */
static bool no_copy(struct dmo_primary *p)
{
	lockdep_assert_held(&p->lock);
	return p->copy_all || (p->full && !p->based) || p->peer_flags & DMO_SBF_INCONSISTENT;
}

static void step_older(struct dmo_primary *p, enum dmo_chunk_event ev)
{
	lockdep_assert_held(&p->lock);
	if (WARN_ON_ONCE(dmo_chunk_next(&p->older, ev)))
		return;
	p->older_since = jiffies;
	p->ship_gen++;
}

void dmo_primary_want_merge(struct dmo_primary *p, struct dmo_io *io, const char *why)
{
	bool wait;

	spin_lock_irq(&p->lock);
	wait = p->older != DMO_CHUNK_NONE || p->merging;
	if (wait) {
		list_add_tail(&io->wait, &p->merge_waiters);
		if (!p->merge_wanted)
			strscpy(p->merge_why, why, sizeof(p->merge_why));
		p->merge_wanted = true;
	}
	spin_unlock_irq(&p->lock);
	if (wait)
		dmo_primary_kick(p);
	else
		dmo_write_restart(io);
}

static void release_waiters(struct dmo_primary *p)
{
	struct dmo_io *io, *n;
	LIST_HEAD(list);

	spin_lock_irq(&p->lock);
	list_splice_init(&p->merge_waiters, &list);
	p->merge_wanted = false;
	spin_unlock_irq(&p->lock);
	list_for_each_entry_safe(io, n, &list, wait) {
		list_del(&io->wait);
		dmo_write_restart(io);
	}
}

/* ---- cycle switch, merge, completion ---- */

static u8 active_parity(struct dmo_primary *p)
{
	return dmo_cycle_active(&p->store->cycle);
}

/* A chunk of so much is cut before its time, so that it does not outgrow the peer's journal. */
static u64 early_bytes(struct dmo_primary *p)
{
	return p->peer_chunk_max / 4;
}

static void switch_cycle(struct dmo_primary *p, u32 flags)
{
	struct dmo_cycle *c = &p->store->cycle;
	u64 seq = c->seq[active_parity(p)];
	struct dmo_cut cut;

	spin_lock_irq(&p->lock);
	step_older(p, DMO_CHUNK_EV_OPEN);
	cut = p->older_cut = (struct dmo_cut){ p->epoch, seq };
	p->older_flags = flags;
	p->last_sent = false;
	p->store->since[active_parity(p) ^ 1] = ktime_get();
	WRITE_ONCE(p->store->large[active_parity(p) ^ 1], false);
	dmo_cycle_switch(c, seq + 1);
	p->older_ns = ktime_get_real_ns();
	step_older(p, DMO_CHUNK_EV_CUT);
	p->cut = cut;
	p->last_switch = ktime_get();
	if (p->switch_seq <= seq)
		p->switch_wanted = false;
	spin_unlock_irq(&p->lock);
	if (trace_dmo_cut_enabled())
		trace_dmo_cut(p->meta->bdev->bd_dev, dmo_trace_nr(p), seq, cut.epoch, cut.n);
	p->ops->event(p->owner, DMO_EVENT_SWITCH, cut, -1, NULL);
}

/* Return: false if there is nothing to merge any more. */
static bool merge_older(struct dmo_primary *p, const char *why)
{
	struct dmo_cut cut;
	bool up;

	/* nobody ships it any more; a batch in hand goes on as early data */
	spin_lock_irq(&p->lock);
	if (p->older != DMO_CHUNK_SHIPPING) {
		spin_unlock_irq(&p->lock);
		return false;	/* COMPLETE came first */
	}
	step_older(p, DMO_CHUNK_EV_MERGED);
	p->merging = true;
	cut = p->older_cut;
	up = p->up;
	p->drop_pending = up;
	if (p->direct == DMO_DIRECT_FINISH)
		p->direct = DMO_DIRECT_OFF;
	spin_unlock_irq(&p->lock);
	dmo_store_merge(p->store);
	spin_lock_irq(&p->lock);
	p->merging = false;
	spin_unlock_irq(&p->lock);
	release_waiters(p);
	if (up)
		p->ops->post(p->owner, DMO_FRAME_DROP, cut, 0);
	p->ops->event(p->owner, DMO_EVENT_MERGE, cut, -1, why);
	return true;
}

/* What is sent directly from here on is of another copy than what was. */
static void new_copy(struct dmo_primary *p, u64 id)
{
	lockdep_assert_held(&p->lock);
	p->copy_id = id;
	p->copy_begun = false;
	p->copy_step = 0;
	p->ship.sync_sent = 0;
}

static void complete_older(struct dmo_primary *p)
{
	u64 copy_id = get_random_u64() | 1;
	struct dmo_cut cut;
	bool finished;

	dmo_store_release(p->store);
	spin_lock_irq(&p->lock);
	cut = p->older_cut;
	p->complete = cut;
	p->complete_ns = p->older_ns;
	p->complete_since = p->store->since[active_parity(p) ^ 1];
	finished = p->older_flags & DMO_LASTF_END_OF_COPY;
	if (finished) {
		p->direct = DMO_DIRECT_OFF;
		p->peer_flags &= ~DMO_SBF_INCONSISTENT;
		p->rel = DMO_REL_SAME;
	}
	/*
	 * What it held is forgotten here. A peer that says it is in the midst of a copy up to here
	 * has lost it.
	 */
	new_copy(p, copy_id);
	step_older(p, DMO_CHUNK_EV_RELEASED);
	p->full = false;
	spin_unlock_irq(&p->lock);
	release_waiters(p);
	p->ops->post(p->owner, DMO_FRAME_COMMIT, cut, 0);
	if (finished)
		p->ops->event(p->owner, DMO_EVENT_CONSISTENT, cut, -1, NULL);
}

/* Return: true if there still is an older chunk. */
static bool work_on_older(struct dmo_primary *p)
{
	enum dmo_chunk_state older;
	bool merge;
	char why[sizeof(p->merge_why)];

	spin_lock_irq(&p->lock);
	if (p->older == DMO_CHUNK_DRAINING &&
	    dmo_cycle_drained(&p->store->cycle, active_parity(p) ^ 1)) {
		step_older(p, DMO_CHUNK_EV_DRAINED);
		if (trace_dmo_drained_enabled())
			trace_dmo_drained(p->meta->bdev->bd_dev, dmo_trace_nr(p), p->older_cut.n);
	}
	older = p->older;
	merge = p->merge_wanted;
	strscpy(why, p->merge_why, sizeof(why));
	spin_unlock_irq(&p->lock);

	switch (older) {
	case DMO_CHUNK_NONE:
		release_waiters(p);
		return false;
	case DMO_CHUNK_SHIPPING:
		/* one that is COMPLETE by now has kicked this thread: it is released next time */
		if (merge)
			return !merge_older(p, why);
		p->ops->kick(p->owner);
		return true;
	case DMO_CHUNK_COMPLETE:
		complete_older(p);
		return false;
	default:
		return true;
	}
}

/* ---- link ---- */

/*
 * Above @epoch, by a random number: of one metadata device there may be copies, both of them active. With
 * the same epoch they would give the same tags, and one would take the other's boundary for its own.
 */
static u64 epoch_above(u64 epoch)
{
	return epoch + 1 + (get_random_u64() & (EPOCH_LEAP - 1));
}

static int raise_epoch(struct dmo_primary *p, u64 epoch)
{
	int r;

	mutex_lock(&p->meta->lock);
	p->meta->st.epoch = epoch;
	if (dmo_cut_cmp(p->cut, p->meta->st.newest) > 0)
		p->meta->st.newest = p->cut;
	r = dmo_meta_write_state(p->meta);
	mutex_unlock(&p->meta->lock);
	if (!r) {
		spin_lock_irq(&p->lock);
		p->epoch = epoch;
		spin_unlock_irq(&p->lock);
	} else {
		dmo_primary_meta_error(p);
	}
	return r;
}

static void link_lost(struct dmo_primary *p)
{
	bool direct;

	spin_lock_irq(&p->lock);
	p->link_gone = false;
	direct = p->direct != DMO_DIRECT_OFF && p->direct != DMO_DIRECT_FINISH;
	if (direct)
		p->direct = DMO_DIRECT_OFF;
	p->last_sent = false;
	p->drop_pending = false;
	if (p->older == DMO_CHUNK_SHIPPING)
		step_older(p, DMO_CHUNK_EV_LINK_LOST);
	spin_unlock_irq(&p->lock);
	WRITE_ONCE(p->store->kick_bytes, U64_MAX);
	dmo_ship_unack(p);
	dmo_store_resend(p->store);
}

/* Does what is tracked here hold against the state the peer is in? */
static bool peer_fits(struct dmo_primary *p)
{
	if (p->copy_all)
		return false;
	if (!p->based)
		return p->full || p->rel == DMO_REL_EQUAL;
	/*
	 * Of an older or a later step it was put back to an image of itself: it lacks what SYNCED
	 * spoke of, or has what is to come.
	 */
	if (p->peer_flags & DMO_SBF_INCONSISTENT)
		return p->copy_begun && p->peer_copy_id == p->copy_id &&
		       (p->peer_copy_step == p->copy_step ||
			p->peer_copy_step == p->ship.sync_sent);
	/* what was sent directly is tracked no more: a peer from before the copy lacks it */
	if (p->copy_begun)
		return p->rel == DMO_REL_SAME && p->last_ends_copy &&
		       !dmo_cut_cmp(p->peer_complete, p->last_cut_sent);
	return p->rel == DMO_REL_SAME && (!dmo_cut_cmp(p->peer_complete, p->complete) ||
					  !dmo_cut_cmp(p->peer_complete, p->last_cut_sent));
}

static void start_over(struct dmo_primary *p)
{
	u64 copy_id = get_random_u64() | 1;

	if (p->older == DMO_CHUNK_SHIPPING)
		merge_older(p, "the peer needs a full copy");
	spin_lock_irq(&p->lock);
	p->based = false;
	p->full = true;
	p->copy_all = false;
	p->direct = DMO_DIRECT_OFF;
	new_copy(p, copy_id);
	spin_unlock_irq(&p->lock);
	dmo_store_full(p->store);
	dmo_store_resend(p->store);
}

/* Why a peer that did fit needs a full copy now. */
static void say_misfit(struct dmo_primary *p)
{
	struct dmo_cut boundary = p->peer_complete;

	if (p->copy_all)
		dmo_primary_error(p, -1, "a data device is another one than it was: full copy");
	else if (!p->based)
		;	/* the first link of an activation */
	else if (p->copy_begun && p->peer_flags & DMO_SBF_INCONSISTENT)
		dmo_primary_error(p, -1,
				  "the peer is at step %u of copy %016llx, this side at step %u of copy %016llx: it was put back to an older state: the copy begins anew",
				  p->peer_copy_step, p->peer_copy_id, p->copy_step, p->copy_id);
	else if (p->copy_begun)
		dmo_primary_error(p, -1,
				  "the peer stands at (%llu,%llu) and not in the copy that was under way: it was put back to an older state: the copy begins anew",
				  boundary.epoch, boundary.n);
	else
		dmo_primary_error(p, -1,
				  "the peer's boundary (%llu,%llu) is none that this side knows: full copy",
				  boundary.epoch, boundary.n);
}

/* The older chunk has drained, or there is none. */
static void link_established(struct dmo_primary *p)
{
	u64 epoch = max(p->peer_complete.epoch, p->peer_epoch);
	bool fits, commit, reached = false;
	struct dmo_cut boundary;

	spin_lock_irq(&p->lock);
	if (p->link_gone) {
		/* the one before it, just now: that comes first */
		spin_unlock_irq(&p->lock);
		return;
	}
	p->link_new = false;
	spin_unlock_irq(&p->lock);
	dmo_ship_reset(p);
	spin_lock_irq(&p->lock);
	fits = peer_fits(p);
	boundary = p->peer_complete;
	if (fits && p->older == DMO_CHUNK_SHIPPING &&
	    !dmo_cut_cmp(boundary, p->older_cut)) {
		/* its COMPLETE was lost with the old link */
		step_older(p, DMO_CHUNK_EV_COMPLETE);
		reached = true;
	}
	spin_unlock_irq(&p->lock);

	/* tags to come must be above a boundary that isn't of this side's making */
	if (epoch > p->epoch ||
	    (!(fits && p->based) && dmo_cut_cmp(boundary, (struct dmo_cut){ p->epoch, 0 }) > 0)) {
		if (epoch > MAX_PEER_EPOCH) {
			p->ops->abort(p->owner, "the peer's epoch leaves too few above it: format the peer again");
			return;
		}
		if (raise_epoch(p, epoch_above(epoch))) {
			p->ops->abort(p->owner, "raising the epoch failed: metadata device error");
			return;
		}
	}
	if (!reached && p->older == DMO_CHUNK_SHIPPING && dmo_cut_cmp(boundary, p->older_cut) >= 0)
		merge_older(p, "the peer already has a later boundary");
	/*
	 * An INCONSISTENT peer takes nothing but the end of a copy, and a copy is begun on the link
	 * that it ends on: there will be another end.
	 */
	if (!reached && p->older == DMO_CHUNK_SHIPPING && p->peer_flags & DMO_SBF_INCONSISTENT)
		merge_older(p, "the peer needs a copy first");
	if (!fits) {
		say_misfit(p);
		start_over(p);
	}

	spin_lock_irq(&p->lock);
	if (p->link_gone) {
		/* lost meanwhile; were it called up now, the next link would not be prepared */
		spin_unlock_irq(&p->lock);
		return;
	}
	/* it fits, so what is tracked holds against this boundary */
	if (!reached) {
		/* of an earlier activation: when its first block was written is not known here */
		if (dmo_cut_cmp(p->complete, boundary))
			p->complete_since = ktime_get();
		p->complete = boundary;
	}
	if (p->rel == DMO_REL_EQUAL)
		p->based = true;
	if (p->copy_begun)
		p->copy_step = p->peer_copy_step;
	commit = !dmo_cut_is_zero(boundary) && dmo_cut_cmp(p->peer_committed, boundary) < 0 &&
		 !reached;
	WRITE_ONCE(p->up, true);
	p->ship_gen++;
	spin_unlock_irq(&p->lock);
	WRITE_ONCE(p->store->kick_bytes, early_bytes(p));
	if (commit)
		p->ops->post(p->owner, DMO_FRAME_COMMIT, boundary, 0);
}

void dmo_primary_link_up(struct dmo_primary *p, const struct dmo_hello *peer,
			 enum dmo_relation rel)
{
	spin_lock_irq(&p->lock);
	p->rel = rel;
	p->peer_flags = peer->flags;
	p->peer_copy_id = peer->copy_id;
	p->peer_copy_step = peer->copy_step;
	p->peer_epoch = peer->epoch;
	p->peer_chunk_max = peer->chunk_max;
	/* it says so, if otherwise */
	p->peer_cond = DMO_COND_GOOD;
	p->peer_cond_since = jiffies;
	p->peer_complete = peer->complete;
	p->peer_committed = peer->committed;
	/* here, since frames may follow before the cycle thread looks */
	p->committed = peer->committed;
	p->restored = peer->restored;
	p->link_new = true;
	spin_unlock_irq(&p->lock);
	dmo_primary_kick(p);
}

bool dmo_primary_is_up(struct dmo_primary *p)
{
	return READ_ONCE(p->up);
}

void dmo_primary_link_down(struct dmo_primary *p)
{
	spin_lock_irq(&p->lock);
	WRITE_ONCE(p->up, false);
	p->link_new = false;
	p->link_gone = true;
	spin_unlock_irq(&p->lock);
	dmo_primary_kick(p);
}

/* ---- what to do next ---- */

u64 dmo_primary_refs_bytes(struct dmo_primary *p)
{
	struct dmo_store *st = p->store;

	return (u64)(atomic64_read(&st->refs[0]) + atomic64_read(&st->refs[1])) <<
	       (st->vols[0].unit_shift + DMO_BLOCK_SHIFT);
}

static void begin_direct(struct dmo_primary *p, const char *why)
{
	/* DIRECT_BEGIN makes the peer drop early data */
	dmo_store_resend(p->store);
	spin_lock_irq(&p->lock);
	p->direct = DMO_DIRECT_BEGIN;
	p->direct_since = jiffies;
	p->copy_since = jiffies;
	p->copy_total = dmo_primary_refs_bytes(p);
	spin_unlock_irq(&p->lock);
	p->ops->event(p->owner, DMO_EVENT_INCONSISTENT, p->complete, -1, why);
	p->ops->post(p->owner, DMO_FRAME_DIRECT_BEGIN, (struct dmo_cut){}, p->copy_id);
}

static void end_pass(struct dmo_primary *p)
{
	struct dmo_store *st = p->store;
	u8 parity = active_parity(p);
	u64 held;

	if (dmo_store_bytes(st, parity) <= p->peer_chunk_max) {
		switch_cycle(p, DMO_LASTF_END_OF_COPY);
		spin_lock_irq(&p->lock);
		p->direct = DMO_DIRECT_FINISH;
		spin_unlock_irq(&p->lock);
		return;
	}
	/* slots can't be sent in direct mode */
	held = atomic64_read(&st->slots[parity]) + atomic64_read(&st->zeroes[parity]) / 128;
	if (held * DMO_BLOCK > p->peer_chunk_max / 2)
		dmo_store_demote(st, 0);
	spin_lock_irq(&p->lock);
	p->direct = DMO_DIRECT_RUN;
	p->ship_gen++;
	spin_unlock_irq(&p->lock);
	p->ops->kick(p->owner);
}

/*
 * What is collected may become more than fits the peer's journal: then it goes by a direct copy, and
 * the peer is no point in time meanwhile. Said while there still is time to do something about it.
 */
static void watch_size(struct dmo_primary *p)
{
	u64 bytes, fits = p->peer_chunk_max;
	bool large, copy;
	char why[DMO_REASON_LEN];

	spin_lock_irq(&p->lock);
	copy = no_copy(p);
	spin_unlock_irq(&p->lock);
	if (!fits || copy || dmo_store_empty(p->store, active_parity(p))) {
		p->large_said = false;
		return;
	}
	bytes = dmo_store_bytes(p->store, active_parity(p));
	large = bytes >= fits / 5 * 4;
	if (large && !p->large_said) {
		snprintf(why, sizeof(why),
			 "%llu KiB are collected, %llu fit the secondary's journal: %s", bytes >> 10,
			 fits >> 10, bytes > fits ?
			 "the next cycle makes it INCONSISTENT until all is copied" :
			 "with more than that the next cycle makes it INCONSISTENT");
		p->ops->event(p->owner, DMO_EVENT_LARGE, p->complete, -1, why);
	}
	p->large_said = large;
}

/* No older chunk: switch? Return: ns until it is time to look again. */
static u64 maybe_switch(struct dmo_primary *p)
{
	struct dmo_store *st = p->store;
	u8 parity = active_parity(p);
	u64 cycle = READ_ONCE(p->cycle_ms) * (u64)NSEC_PER_MSEC;
	u64 bytes, early, since;

	if (!p->up || p->drop_pending)
		return IDLE_NS;
	early = READ_ONCE(p->ship.ring_bytes);
	switch (p->direct) {
	case DMO_DIRECT_SYNCED:
		end_pass(p);
		return 0;
	case DMO_DIRECT_OFF:
		break;
	case DMO_DIRECT_RUN:
		p->ops->kick(p->owner);
		fallthrough;
	default:
		return IDLE_NS;
	}
	if (p->peer_flags & DMO_SBF_INCONSISTENT) {
		begin_direct(p, "full copy: the secondary's data is no point in time until it ends");
		return IDLE_NS;
	}
	if (dmo_store_empty(st, parity))
		return min_t(u64, cycle, IDLE_NS);
	WRITE_ONCE(st->large[parity], false);
	smp_mb();	/* the flag before the size; dmo_store_grown() has counted before it looks at the flag */
	bytes = dmo_store_bytes(st, parity);
	since = ktime_get() - p->last_switch;
	if (since < cycle && !p->switch_wanted && bytes < early_bytes(p))
		return cycle - since;
	/* early data of merged chunks is in the peer's ring already */
	if (bytes + early > p->peer_chunk_max) {
		begin_direct(p, "the chunk is larger than the secondary's journal: direct copy");
		return IDLE_NS;
	}
	/* a secondary of another generation takes this one's with the first whole chunk */
	switch_cycle(p, p->rel == DMO_REL_SAME || p->rel == DMO_REL_EQUAL ?
		     0 : DMO_LASTF_END_OF_COPY);
	return 0;
}

static void handle_write_error(struct dmo_primary *p)
{
	if (test_and_clear_bit(DMO_PF_WRITE_ERROR, &p->flags))
		dmo_primary_error(p, p->error_vol,
				  "volume %u: a write to the data device failed; what the disk holds will be shipped",
				  p->error_vol);
}

/* There is no older chunk; else a write that waits for its merge could hold a block lock. */
static void handle_flush_error(struct dmo_primary *p)
{
	u32 i;

	if (!test_and_clear_bit(DMO_PF_FLUSH_ERROR, &p->flags))
		return;
	for (i = 0; i < p->store->nr_vols; i++) {
		struct dmo_vol *v = &p->store->vols[i];

		if (!READ_ONCE(v->reship))
			continue;
		dmo_primary_error(p, v->id,
				  "volume %u: a flush of the data device failed; all written since the last good one is shipped again",
				  v->id);
		/* failed again meanwhile: again, but not before what else there is to do */
		if (!dmo_store_reship(p->store, v)) {
			set_bit(DMO_PF_FLUSH_ERROR, &p->flags);
			dmo_primary_kick(p);
		}
	}
}

static u64 step(struct dmo_primary *p)
{
	struct dmo_store *st = p->store;
	u64 budget = READ_ONCE(st->budget) - st->fixed;
	bool gone, older;

	handle_write_error(p);
	watch_size(p);
	if (atomic64_read(&st->used) > budget - budget / 16)
		dmo_store_demote(st, budget - budget / 8);
	spin_lock_irq(&p->lock);
	gone = p->link_gone;
	spin_unlock_irq(&p->lock);
	if (gone)
		link_lost(p);
	older = work_on_older(p);
	if (!older)
		handle_flush_error(p);
	if (READ_ONCE(p->link_new) && READ_ONCE(p->older) != DMO_CHUNK_DRAINING) {
		link_established(p);
		return 0;
	}
	if (!older)
		return maybe_switch(p);
	return IDLE_NS;
}

static int cycle_thread(void *data)
{
	struct dmo_primary *p = data;
	/* host writes, and so writeback, may wait for a merge: memory from the reserves if need be */
	unsigned int noio = memalloc_noio_save(), noreclaim = memalloc_noreclaim_save();
	u64 ns = 0;

	while (!kthread_should_stop()) {
		/* not in jiffies: a cycle may be shorter than a few of them */
		if (ns)
			wait_event_interruptible_hrtimeout(p->wait, test_bit(DMO_PF_KICK, &p->flags) ||
							   kthread_should_stop(), ns_to_ktime(ns));
		clear_bit(DMO_PF_KICK, &p->flags);
		smp_mb__after_atomic();	/* the note is taken before what it is about is read */
		ns = step(p);
		cond_resched();
	}
	memalloc_noreclaim_restore(noreclaim);
	memalloc_noio_restore(noio);
	return 0;
}

/* ---- frames from the secondary ---- */

static int got_complete(struct dmo_primary *p, struct dmo_cut tag, char *why)
{
	lockdep_assert_held(&p->lock);
	if (dmo_cut_cmp(tag, p->last_cut_sent)) {
		snprintf(why, DMO_REASON_LEN, "COMPLETE(%llu,%llu), but the last cut sent is (%llu,%llu)",
			 tag.epoch, tag.n, p->last_cut_sent.epoch, p->last_cut_sent.n);
		return -EPROTO;
	}
	/* merged in between: its blocks are in the active chunk again, which is harmless */
	if (p->older == DMO_CHUNK_SHIPPING && p->last_sent && !dmo_cut_cmp(tag, p->older_cut))
		step_older(p, DMO_CHUNK_EV_COMPLETE);
	else
		p->complete = tag;
	return 0;
}

static void got_synced(struct dmo_primary *p, u64 arg)
{
	lockdep_assert_held(&p->lock);
	if (!p->syncing || arg != p->ship.sync_sent)
		return;
	p->syncing = false;
	p->copy_step = arg;
	p->win[p->filling ^ 1]->nr = 0;
	p->win[p->filling ^ 1]->bytes = 0;
	if (p->direct == DMO_DIRECT_PASSED)
		p->direct = DMO_DIRECT_SYNCED;
}

static void got_direct_ready(struct dmo_primary *p, u64 copy)
{
	lockdep_assert_held(&p->lock);
	if (p->direct != DMO_DIRECT_BEGIN || copy != p->copy_id)
		return;
	p->direct = DMO_DIRECT_RUN;
	p->direct_since = jiffies;
	p->peer_flags |= DMO_SBF_INCONSISTENT;
	p->peer_copy_id = copy;
	p->copy_begun = true;
	p->last_ends_copy = false;
	p->based = true;
	p->ship_gen++;
}

/* A peer can't have committed what was never complete, nor restored what isn't committed. */
static int check_tag(const char *what, struct dmo_cut tag, struct dmo_cut most, char *why)
{
	if (dmo_cut_cmp(tag, most) <= 0)
		return 0;
	snprintf(why, DMO_REASON_LEN, "%s(%llu,%llu) is beyond (%llu,%llu)", what, tag.epoch, tag.n,
		 most.epoch, most.n);
	return -EPROTO;
}

static int got_committed(struct dmo_primary *p, struct dmo_cut tag, bool *news, char *why)
{
	int r = check_tag("COMMITTED", tag, p->complete, why);

	lockdep_assert_held(&p->lock);
	if (r || dmo_cut_cmp(tag, p->committed) <= 0)
		return r;
	p->committed = tag;
	if (!dmo_cut_cmp(tag, p->complete))
		p->committed_ns = p->complete_ns;
	*news = true;
	return 0;
}

static int got_restored(struct dmo_primary *p, struct dmo_cut tag, char *why)
{
	int r = check_tag("RESTORED", tag, p->committed, why);

	lockdep_assert_held(&p->lock);
	if (!r && dmo_cut_cmp(tag, p->restored) > 0)
		p->restored = tag;
	return r;
}

static const char * const conditions[] = {
	[DMO_COND_GOOD] = "nothing is wrong there any more",
	[DMO_COND_JOURNAL] = "its journal is nearly full: its data devices are slow",
	[DMO_COND_SUSPENDED] = "a volume of it is suspended: nothing is restored",
	[DMO_COND_RESTORE_ERROR] = "one of its data devices fails: nothing is restored",
	[DMO_COND_DAMAGED] = "its journal is damaged: it is INCONSISTENT",
	[DMO_COND_META_ERROR] = "its metadata device has failed",
};

static int got_condition(struct dmo_primary *p, u64 arg, u32 *news, char *why)
{
	u32 cond;
	u64 ms;
	int r = dmo_condition_decode(arg, &cond, &ms, why);

	lockdep_assert_held(&p->lock);
	if (r || cond == p->peer_cond)
		return r;
	p->peer_cond = cond;
	/* jiffies_to_msecs() has 32 bits */
	p->peer_cond_since = jiffies - msecs_to_jiffies(min_t(u64, ms, INT_MAX));
	*news = cond;
	return 0;
}

int dmo_primary_frame(struct dmo_primary *p, const struct dmo_frame_hdr *h, char *why)
{
	bool committed = false, kick = true;
	u32 cond = DMO_COND_MAX + 1;
	int r = 0;

	spin_lock_irq(&p->lock);
	/* an answer to nothing: what an old link left must not be taken for it */
	if (!p->up && h->type != DMO_FRAME_COMMITTED && h->type != DMO_FRAME_RESTORED &&
	    h->type != DMO_FRAME_CONDITION) {
		spin_unlock_irq(&p->lock);
		snprintf(why, DMO_REASON_LEN, "unexpected frame %s (%u): nothing was asked on this link yet",
			 dmo_frame_name(h->type), h->type);
		return -EPROTO;
	}
	switch (h->type) {
	case DMO_FRAME_COMPLETE:
		r = got_complete(p, h->tag, why);
		break;
	case DMO_FRAME_COMMITTED:
		r = got_committed(p, h->tag, &committed, why);
		kick = false;
		break;
	case DMO_FRAME_RESTORED:
		r = got_restored(p, h->tag, why);
		kick = false;
		break;
	case DMO_FRAME_DROPPED:
		p->drop_pending = false;
		break;
	case DMO_FRAME_DIRECT_READY:
		got_direct_ready(p, h->arg);
		break;
	case DMO_FRAME_SYNCED:
		got_synced(p, h->arg);
		break;
	case DMO_FRAME_CONDITION:
		r = got_condition(p, h->arg, &cond, why);
		kick = false;
		break;
	default:
		snprintf(why, DMO_REASON_LEN, "unexpected frame %s (%u) from a secondary",
			 dmo_frame_name(h->type), h->type);
		r = -EPROTO;
	}
	spin_unlock_irq(&p->lock);
	if (committed)
		p->ops->event(p->owner, DMO_EVENT_COMMIT, h->tag, -1, NULL);
	if (cond <= DMO_COND_MAX)
		p->ops->event(p->owner, DMO_EVENT_PEER, (struct dmo_cut){}, -1, conditions[cond]);
	if (!r && kick) {
		dmo_primary_kick(p);
		p->ops->kick(p->owner);
	}
	return r;
}

void dmo_primary_hello(struct dmo_primary *p, struct dmo_hello *h)
{
	spin_lock_irq(&p->lock);
	h->epoch = p->epoch;
	h->copy_id = p->copy_id;
	h->flags |= DMO_HELLOF_CONDITION;
	if (p->copy_all || (p->full && !p->based))
		h->flags |= DMO_HELLOF_FULL_COPY;
	if (!p->full && !p->based && !p->copy_all)
		h->flags |= DMO_SBF_ASSUME_EQUAL;
	h->complete = p->complete;
	h->committed = p->committed;
	h->restored = p->restored;
	spin_unlock_irq(&p->lock);
}

/* ---- commands and status ---- */

struct dmo_cut dmo_primary_switch(struct dmo_primary *p)
{
	struct dmo_cut cut;
	u8 parity;

	spin_lock_irq(&p->lock);
	parity = active_parity(p);	/* switched under p->lock */
	if (!dmo_store_empty(p->store, parity)) {
		cut = (struct dmo_cut){ p->epoch, p->store->cycle.seq[parity] };
		p->switch_wanted = true;
		p->switch_seq = cut.n;
	} else if (p->older != DMO_CHUNK_NONE) {
		cut = p->older_cut;
	} else {
		cut = p->cut;
	}
	spin_unlock_irq(&p->lock);
	dmo_primary_kick(p);
	return cut;
}

void dmo_primary_set(struct dmo_primary *p, u32 cycle_ms, u64 budget)
{
	WRITE_ONCE(p->cycle_ms, cycle_ms);
	WRITE_ONCE(p->store->budget, max(budget, p->store->fixed * 2));
	dmo_primary_kick(p);
}

static void chunk_status(struct dmo_store *st, u8 parity, struct dmo_pri_chunk *c)
{
	c->seq = READ_ONCE(st->cycle.seq[parity]);
	c->slots = atomic64_read(&st->slots[parity]);
	c->refs = atomic64_read(&st->refs[parity]);
	c->zeroes = atomic64_read(&st->zeroes[parity]) +
		    (atomic64_read(&st->zones[parity]) << DMO_ZONE_BLOCK_SHIFT);
	c->bytes = dmo_store_empty(st, parity) ? 0 : dmo_store_bytes(st, parity);
}

static void block_status(struct dmo_primary *p, bool sending, struct dmo_pri_status *s)
{
	s->block_since = p->direct == DMO_DIRECT_OFF ? p->older_since : p->direct_since;
	if (p->read_error) {
		s->block = DMO_BLOCK_READ_ERROR;
		s->block_since = p->read_error_since;
	} else if (p->older == DMO_CHUNK_DRAINING) {
		s->block_since = p->older_since;
		s->block = DMO_BLOCK_DRAIN;
	} else if (p->up && sending) {
		s->block = DMO_BLOCK_SEND;
	} else if (p->up && p->older == DMO_CHUNK_SHIPPING && p->last_sent) {
		s->block_since = p->older_since;
		s->block = DMO_BLOCK_PEER;
	} else if (p->direct == DMO_DIRECT_BEGIN || p->direct == DMO_DIRECT_PASSED) {
		s->block = DMO_BLOCK_PEER;
	}
}

/* Age of the oldest write that is not committed: what a loss of this site now would cost. */
static u64 lag(struct dmo_primary *p, u8 parity)
{
	ktime_t since;

	if (dmo_cut_cmp(p->committed, p->complete) < 0)
		since = p->complete_since;
	else if (p->older != DMO_CHUNK_NONE)
		since = p->store->since[parity ^ 1];
	else if (!dmo_store_empty(p->store, parity))
		since = p->store->since[parity];
	else
		return 0;
	return max_t(s64, ktime_ms_delta(ktime_get(), since), 0);
}

void dmo_primary_status(struct dmo_primary *p, bool sending, struct dmo_pri_status *s)
{
	struct dmo_store *st = p->store;
	u8 parity;

	memset(s, 0, sizeof(*s));
	spin_lock_irq(&p->lock);
	parity = active_parity(p);
	chunk_status(st, parity, &s->active);
	s->active.state = DMO_CHUNK_ACTIVE;
	chunk_status(st, parity ^ 1, &s->older);
	s->older.state = p->older;
	s->seq = s->active.seq;
	s->epoch = p->epoch;
	s->cut = p->cut;
	s->complete = p->complete;
	s->committed = p->committed;
	s->restored = p->restored;
	s->committed_ns = p->committed_ns;
	s->mem_used = atomic64_read(&st->used) + st->fixed;
	s->peer_inconsistent = p->up && (p->peer_flags & DMO_SBF_INCONSISTENT);
	s->copying = p->direct != DMO_DIRECT_OFF;
	s->copy_pending = p->full && !p->based;
	if (s->copying && st->nr_vols) {
		s->copy_left = dmo_primary_refs_bytes(p);
		s->copy_total = max(p->copy_total, s->copy_left);
		s->copy_since = p->copy_since;
	}
	s->no_copy = no_copy(p);
	s->peer_cond = p->up ? p->peer_cond : DMO_COND_GOOD;
	s->peer_cond_since = p->peer_cond_since;
	s->chunk_max = p->peer_chunk_max;
	s->lag_ms = lag(p, parity);
	block_status(p, sending, s);
	strscpy(s->why, p->why, sizeof(s->why));
	spin_unlock_irq(&p->lock);
}

struct dmo_vol *dmo_primary_vol(struct dmo_primary *p, u32 index)
{
	return &p->store->vols[index];
}

void dmo_primary_set_bdev(struct dmo_primary *p, u32 index, struct block_device *bdev)
{
	p->store->vols[index].bdev = bdev;
}

void dmo_primary_copy_all(struct dmo_primary *p)
{
	spin_lock_irq(&p->lock);
	p->copy_all = true;
	spin_unlock_irq(&p->lock);
}

void dmo_primary_set_active(struct dmo_primary *p, bool active)
{
	down_write(&p->active_sem);
	p->active = active;
	up_write(&p->active_sem);
	if (active)
		p->ops->kick(p->owner);
}

/* ---- life ---- */

/* Before the first write: the open mark, the epoch, and equality given up, all durable. */
static int mark_open(struct dmo_primary *p, char *why)
{
	struct dmo_meta *m = p->meta;
	int r;

	mutex_lock(&m->lock);
	p->epoch = epoch_above(m->st.epoch);
	m->st.epoch = p->epoch;
	m->sb.flags &= ~DMO_SBF_ASSUME_EQUAL;
	m->sb.flags |= DMO_SBF_OPEN;
	r = dmo_meta_write_state(m);
	if (!r)
		r = dmo_meta_write_super(m);
	if (r)
		strscpy(why, m->why, DMO_REASON_LEN);
	mutex_unlock(&m->lock);
	return r;
}

struct dmo_primary *dmo_primary_create(struct dmo_meta *m, const struct dmo_pri_ops *ops,
				       void *owner, const char *name, char *why)
{
	struct dmo_primary *p;
	int r;

	snprintf(why, DMO_REASON_LEN, "no memory");
	p = kzalloc(sizeof(*p), GFP_KERNEL);
	if (!p)
		return ERR_PTR(-ENOMEM);
	p->meta = m;
	p->ops = ops;
	p->owner = owner;
	p->full = !(m->sb.flags & DMO_SBF_ASSUME_EQUAL);
	p->cycle_ms = m->sb.cycle_ms;
	p->copy_id = get_random_u64() | 1;
	p->cut = m->st.newest;
	p->last_switch = ktime_get();
	p->complete_since = p->last_switch;
	p->older_since = jiffies;
	p->direct_since = jiffies;
	p->peer_cond_since = jiffies;
	init_rwsem(&p->active_sem);
	spin_lock_init(&p->lock);
	init_waitqueue_head(&p->wait);
	INIT_LIST_HEAD(&p->merge_waiters);
	p->store = dmo_store_create(m->sb.volumes, m->sb.nr_volumes, (u64)m->sb.budget_mib << 20,
				    m->st.newest.n + 1, p->full, why);
	if (IS_ERR(p->store)) {
		r = PTR_ERR(p->store);
		kfree(p);
		return ERR_PTR(r);
	}
	p->store->kick = store_kick;
	p->store->owner = p;
	r = bioset_init(&p->bios, 64, 0, BIOSET_NEED_BVECS);
	if (r)
		goto bad_store;
	r = dmo_ship_init(p);
	if (r)
		goto bad_ship;
	r = -ENOMEM;
	p->wq = alloc_workqueue("dmo_io/%s", WQ_MEM_RECLAIM | WQ_UNBOUND, 0, name);
	if (!p->wq)
		goto bad_ship;
	r = mark_open(p, why);
	if (r)
		goto bad_wq;
	p->thread = kthread_run(cycle_thread, p, "dmo_cycle/%s", name);
	if (IS_ERR(p->thread)) {
		r = PTR_ERR(p->thread);
		goto bad_wq;
	}
	return p;
bad_wq:
	destroy_workqueue(p->wq);
bad_ship:
	dmo_ship_destroy(p);
	bioset_exit(&p->bios);
bad_store:
	dmo_store_destroy(p->store);
	kfree(p);
	return ERR_PTR(r);
}

void dmo_primary_free(struct dmo_primary *p)
{
	struct dmo_meta *m = p->meta;

	kthread_stop(p->thread);
	destroy_workqueue(p->wq);
	WARN_ON_ONCE(!list_empty(&p->merge_waiters));
	mutex_lock(&m->lock);
	m->sb.flags &= ~DMO_SBF_OPEN;
	m->st.newest = p->cut;
	if (!dmo_meta_write_state(m))
		dmo_meta_write_super(m);
	mutex_unlock(&m->lock);
	dmo_ship_destroy(p);
	bioset_exit(&p->bios);
	dmo_store_destroy(p->store);
	kfree(p);
}
