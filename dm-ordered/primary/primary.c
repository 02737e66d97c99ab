// SPDX-License-Identifier: GPL-2.0-only
/*
 * The cycle thread of a primary (seed 0 Fig. 10).
 *
 * It alone switches, merges, releases chunks, decides on direct mode and draws
 * the consequences of a new or lost link, so none of that needs a lock against
 * another. Everybody else leaves a note under p->lock (receive thread: COMPLETE,
 * SYNCED, ...; send thread: LAST is out; workers: a merge is wanted) and kicks.
 *
 * chunk:   NONE -> ACTIVE -> DRAINING -> SHIPPING -> COMPLETE -> NONE, or merged away from
 *          SHIPPING; one is active, and the other one is empty (NONE) or the older one.
 *          LAST goes out only in SHIPPING, which begins
 *          once the cut is confirmed; without a group that is at once (R7).
 * direct:  OFF -> BEGIN -> RUN -> PASSED -> SYNCED -> FINISH -> OFF (format/pstate.c); what
 *          the link or a merge puts an end to begins again.
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
	struct dmo_reason why;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why.text, sizeof(why.text), fmt, ap);
	va_end(ap);
	spin_lock_irq(&p->lock);
	p->why = why;
	spin_unlock_irq(&p->lock);
	p->ops->event(p->owner, DMO_EVENT_ERROR, (struct dmo_cut){}, volume, why.text);
}

/* A write to the metadata device has failed: say so, once. */
void dmo_primary_meta_error(struct dmo_primary *p)
{
	if (!test_and_set_bit(DMO_PF_META_ERROR, &p->flags))
		dmo_primary_error(p, -1, "%s", p->meta->why.text);
}

void dmo_primary_step_chunk(struct dmo_primary *p, struct dmo_chunk *c, enum dmo_chunk_event ev)
{
	lockdep_assert_held(&p->lock);
	if (WARN_ON_ONCE(dmo_chunk_next(&c->state, ev)))
		return;
	c->state_since = jiffies;
	p->peer.ship_gen++;
}

static void step_merge(struct dmo_primary *p, enum dmo_merge_event ev)
{
	enum dmo_merge merge = p->merge;

	lockdep_assert_held(&p->lock);
	if (WARN_ON_ONCE(dmo_merge_next(&merge, ev)))
		return;
	/* whoever sees that it is over sees that the older chunk's bits are clear: merge_runs() */
	smp_store_release(&p->merge, merge);
}

void dmo_primary_want_merge(struct dmo_primary *p, struct dmo_io *io, const char *why)
{
	bool wait;

	spin_lock_irq(&p->lock);
	wait = dmo_store_older(p->store)->state != DMO_CHUNK_NONE || p->merge == DMO_MERGE_RUNNING;
	if (wait) {
		list_add_tail(&io->wait, &p->merge_waiters);
		if (p->merge == DMO_MERGE_NONE)
			strscpy(p->merge_why, why, sizeof(p->merge_why));
		step_merge(p, DMO_MERGE_EV_WANT);
	}
	spin_unlock_irq(&p->lock);
	if (wait)
		dmo_primary_kick(p);
	else
		dmo_write_restart(io);
}

/* There is nothing to merge any more; @ev: why. */
static void end_merge(struct dmo_primary *p, enum dmo_merge_event ev)
{
	struct dmo_io *io, *n;
	LIST_HEAD(list);

	spin_lock_irq(&p->lock);
	list_splice_init(&p->merge_waiters, &list);
	step_merge(p, ev);
	spin_unlock_irq(&p->lock);
	list_for_each_entry_safe(io, n, &list, wait) {
		list_del(&io->wait);
		dmo_write_restart(io);
	}
}

/* ---- cycle switch, merge, completion ---- */

static void switch_cycle(struct dmo_primary *p, u32 flags)
{
	struct dmo_chunk *c = dmo_store_active(p->store), *new = c->other;
	u64 seq = c->seq;
	struct dmo_cut cut;

	spin_lock_irq(&p->lock);
	dmo_primary_step_chunk(p, new, DMO_CHUNK_EV_OPEN);
	cut = c->cut = (struct dmo_cut){ p->epoch, seq };
	c->last_flags = flags;
	p->peer.last_sent = false;
	new->since = ktime_get();
	WRITE_ONCE(new->large, false);
	dmo_store_switch(p->store, seq + 1);
	c->cut_ns = ktime_get_real_ns();
	dmo_primary_step_chunk(p, c, DMO_CHUNK_EV_CUT);
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
bool dmo_primary_merge_older(struct dmo_primary *p, const char *why)
{
	struct dmo_chunk *older = dmo_store_older(p->store);
	struct dmo_peer *peer = &p->peer;
	struct dmo_cut cut;
	bool up;

	/* nobody ships it any more; a batch in hand goes on as early data */
	spin_lock_irq(&p->lock);
	if (older->state != DMO_CHUNK_SHIPPING) {
		spin_unlock_irq(&p->lock);
		return false;	/* COMPLETE came first */
	}
	dmo_primary_step_chunk(p, older, DMO_CHUNK_EV_MERGED);
	step_merge(p, DMO_MERGE_EV_BEGIN);
	cut = older->cut;
	up = peer->link == DMO_PEER_UP;
	peer->drop_pending = up;
	dmo_peer_step_direct(peer, DMO_DIRECT_EV_MERGED);
	spin_unlock_irq(&p->lock);
	dmo_store_merge(p->store);
	end_merge(p, DMO_MERGE_EV_DONE);
	if (up)
		p->ops->post(p->owner, DMO_FRAME_DROP, cut, 0);
	p->ops->event(p->owner, DMO_EVENT_MERGE, cut, -1, why);
	return true;
}

static void complete_older(struct dmo_primary *p)
{
	struct dmo_chunk *older = dmo_store_older(p->store);
	struct dmo_peer *peer = &p->peer;
	u64 copy_id = get_random_u64() | 1;
	struct dmo_cut cut;
	bool finished;

	dmo_store_release(p->store);
	spin_lock_irq(&p->lock);
	cut = older->cut;
	peer->complete = cut;
	peer->complete_ns = older->cut_ns;
	peer->complete_since = older->since;
	finished = older->last_flags & DMO_LASTF_END_OF_COPY;
	if (finished) {
		dmo_peer_step_direct(peer, DMO_DIRECT_EV_ENDED);
		peer->hello.flags &= ~DMO_SBF_INCONSISTENT;
		peer->hello.rel = DMO_REL_SAME;
	}
	/*
	 * What it held is forgotten here. A peer that says it is in the midst of a copy up to here
	 * has lost it.
	 */
	dmo_peer_new_copy(peer, copy_id);
	dmo_primary_step_chunk(p, older, DMO_CHUNK_EV_RELEASED);
	peer->tracked = DMO_TRACKED_BASED;	/* since LAST; it stands at @complete */
	spin_unlock_irq(&p->lock);
	end_merge(p, DMO_MERGE_EV_NEEDLESS);
	p->ops->post(p->owner, DMO_FRAME_COMMIT, cut, 0);
	if (finished)
		p->ops->event(p->owner, DMO_EVENT_CONSISTENT, cut, -1, NULL);
}

/* Return: true if there still is an older chunk. */
static bool work_on_older(struct dmo_primary *p)
{
	struct dmo_chunk *older = dmo_store_older(p->store);
	enum dmo_chunk_state state;
	bool merge;
	char why[sizeof(p->merge_why)];

	spin_lock_irq(&p->lock);
	if (older->state == DMO_CHUNK_DRAINING && dmo_cycle_drained(&older->writers)) {
		dmo_primary_step_chunk(p, older, DMO_CHUNK_EV_DRAINED);
		if (trace_dmo_drained_enabled())
			trace_dmo_drained(p->meta->bdev->bd_dev, dmo_trace_nr(p), older->cut.n);
	}
	state = older->state;
	merge = p->merge == DMO_MERGE_WANTED;
	strscpy(why, p->merge_why, sizeof(why));
	spin_unlock_irq(&p->lock);

	switch (state) {
	case DMO_CHUNK_NONE:
		return false;
	case DMO_CHUNK_SHIPPING:
		/* one that is COMPLETE by now has kicked this thread: it is released next time */
		if (merge)
			return !dmo_primary_merge_older(p, why);
		p->ops->kick(p->owner);
		return true;
	case DMO_CHUNK_COMPLETE:
		complete_older(p);
		return false;
	default:
		return true;
	}
}

/* ---- epoch ---- */

/*
 * Above @epoch, by a random number: of one metadata device there may be copies, both of them active. With
 * the same epoch they would give the same tags, and one would take the other's boundary for its own.
 */
static u64 epoch_above(u64 epoch)
{
	return epoch + 1 + (get_random_u64() & (EPOCH_LEAP - 1));
}

int dmo_primary_raise_epoch(struct dmo_primary *p, u64 above)
{
	u64 epoch = epoch_above(above);
	int rc;

	mutex_lock(&p->meta->lock);
	p->meta->st.epoch = epoch;
	if (dmo_cut_cmp(p->cut, p->meta->st.newest) > 0)
		p->meta->st.newest = p->cut;
	rc = dmo_meta_write_state(p->meta);
	mutex_unlock(&p->meta->lock);
	if (!rc) {
		spin_lock_irq(&p->lock);
		p->epoch = epoch;
		spin_unlock_irq(&p->lock);
	} else {
		dmo_primary_meta_error(p);
	}
	return rc;
}

/* ---- what to do next ---- */

u64 dmo_primary_refs_bytes(struct dmo_primary *p)
{
	struct dmo_store *st = p->store;

	return (u64)(atomic64_read(&st->chunks[0]->refs) + atomic64_read(&st->chunks[1]->refs)) <<
	       (st->vols[0].unit_shift + DMO_BLOCK_SHIFT);
}

static void begin_direct(struct dmo_primary *p, const char *why)
{
	struct dmo_peer *peer = &p->peer;

	/* DIRECT_BEGIN makes the peer drop early data */
	dmo_store_resend(p->store);
	spin_lock_irq(&p->lock);
	dmo_peer_step_direct(peer, DMO_DIRECT_EV_BEGIN);
	peer->copy.direct_since = jiffies;
	peer->copy.since = jiffies;
	peer->copy.total = dmo_primary_refs_bytes(p);
	spin_unlock_irq(&p->lock);
	p->ops->event(p->owner, DMO_EVENT_INCONSISTENT, peer->complete, -1, why);
	p->ops->post(p->owner, DMO_FRAME_DIRECT_BEGIN, (struct dmo_cut){}, peer->copy.id);
}

static void end_pass(struct dmo_primary *p)
{
	struct dmo_peer *peer = &p->peer;
	struct dmo_store *st = p->store;
	struct dmo_chunk *c = dmo_store_active(st);
	u64 held;

	if (dmo_store_bytes(c) <= peer->hello.chunk_max) {
		switch_cycle(p, DMO_LASTF_END_OF_COPY);
		spin_lock_irq(&p->lock);
		dmo_peer_step_direct(peer, DMO_DIRECT_EV_FINISH);
		spin_unlock_irq(&p->lock);
		return;
	}
	/* slots can't be sent in direct mode */
	held = atomic64_read(&c->slots) + atomic64_read(&c->zeroes) / DMO_REC_MAX_DESC;
	if (held * DMO_BLOCK > DMO_PASS_SLOTS(peer->hello.chunk_max))
		dmo_store_demote(st, 0);
	spin_lock_irq(&p->lock);
	dmo_peer_step_direct(peer, DMO_DIRECT_EV_AGAIN);
	peer->ship_gen++;
	spin_unlock_irq(&p->lock);
	p->ops->kick(p->owner);
}

/*
 * What is collected may become more than fits the peer's journal: then it goes by a direct copy, and
 * the peer is no point in time meanwhile. Said while there still is time to do something about it.
 */
static void watch_size(struct dmo_primary *p)
{
	struct dmo_peer *peer = &p->peer;
	u64 bytes, fits = peer->hello.chunk_max;
	bool large, copy;
	struct dmo_reason why;

	spin_lock_irq(&p->lock);
	copy = dmo_peer_no_copy(peer);
	spin_unlock_irq(&p->lock);
	if (!fits || copy || dmo_store_empty(dmo_store_active(p->store))) {
		peer->large_said = false;
		return;
	}
	bytes = dmo_store_bytes(dmo_store_active(p->store));
	large = bytes >= DMO_LARGE_CHUNK(fits);
	if (large && !peer->large_said) {
		dmo_refuse(&why, 0,
			   "%llu KiB are collected, %llu fit the secondary's journal: %s",
			   bytes >> 10, fits >> 10, bytes > fits ?
			   "the next cycle makes it INCONSISTENT until all is copied" :
			   "with more than that the next cycle makes it INCONSISTENT");
		p->ops->event(p->owner, DMO_EVENT_LARGE, peer->complete, -1, why.text);
	}
	peer->large_said = large;
}

/* No older chunk: switch? Return: ns until it is time to look again. */
static u64 maybe_switch(struct dmo_primary *p)
{
	struct dmo_peer *peer = &p->peer;
	struct dmo_chunk *c = dmo_store_active(p->store);
	u64 cycle = READ_ONCE(p->cycle_ms) * (u64)NSEC_PER_MSEC;
	u64 bytes, early, since;

	if (peer->link != DMO_PEER_UP || peer->drop_pending)
		return IDLE_NS;
	early = READ_ONCE(peer->ship.ring_bytes);
	switch (peer->copy.direct) {
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
	if (peer->hello.flags & DMO_SBF_INCONSISTENT) {
		begin_direct(p, "full copy: the secondary's data is no point in time until it ends");
		return IDLE_NS;
	}
	if (dmo_store_empty(c))
		return min_t(u64, cycle, IDLE_NS);
	WRITE_ONCE(c->large, false);
	smp_mb();	/* the flag before the size; dmo_store_grown() has counted before it looks at the flag */
	bytes = dmo_store_bytes(c);
	since = ktime_get() - p->last_switch;
	if (since < cycle && !p->switch_wanted && bytes < dmo_peer_early_bytes(peer))
		return cycle - since;
	/* early data of merged chunks is in the peer's ring already */
	if (bytes + early > peer->hello.chunk_max) {
		begin_direct(p, "the chunk is larger than the secondary's journal: direct copy");
		return IDLE_NS;
	}
	/* a secondary of another activation takes this one's line with the first whole chunk */
	switch_cycle(p, peer->hello.rel == DMO_REL_SAME || peer->hello.rel == DMO_REL_EQUAL ?
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
	if (atomic64_read(&st->used) > DMO_DEMOTE_ABOVE(budget))
		dmo_store_demote(st, DMO_DEMOTE_TO(budget));
	spin_lock_irq(&p->lock);
	gone = p->peer.link == DMO_PEER_LOST || p->peer.link == DMO_PEER_RETURNED;
	spin_unlock_irq(&p->lock);
	if (gone)
		dmo_peer_lost(&p->peer);
	older = work_on_older(p);
	if (!older)
		handle_flush_error(p);
	if (READ_ONCE(p->peer.link) == DMO_PEER_NEW &&
	    READ_ONCE(dmo_store_older(st)->state) != DMO_CHUNK_DRAINING) {
		dmo_peer_established(&p->peer);
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

/* ---- commands and status ---- */

struct dmo_cut dmo_primary_switch(struct dmo_primary *p)
{
	struct dmo_chunk *c;
	struct dmo_cut cut;

	spin_lock_irq(&p->lock);
	c = dmo_store_active(p->store);	/* switched under p->lock */
	if (!dmo_store_empty(c)) {
		cut = (struct dmo_cut){ p->epoch, c->seq };
		p->switch_wanted = true;
		p->switch_seq = cut.n;
	} else if (c->other->state != DMO_CHUNK_NONE) {
		cut = c->other->cut;
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

static void chunk_status(const struct dmo_chunk *c, struct dmo_pri_chunk *s)
{
	s->state = c->state;
	s->seq = READ_ONCE(c->seq);
	s->slots = atomic64_read(&c->slots);
	s->refs = atomic64_read(&c->refs);
	s->zeroes = atomic64_read(&c->zeroes) + (atomic64_read(&c->zones) << DMO_ZONE_BLOCK_SHIFT);
	s->bytes = dmo_store_empty(c) ? 0 : dmo_store_bytes(c);
}

static void block_status(struct dmo_primary *p, bool sending, struct dmo_pri_status *s)
{
	const struct dmo_chunk *older = dmo_store_older(p->store);
	const struct dmo_peer *peer = &p->peer;
	bool up = peer->link == DMO_PEER_UP;

	s->block_since = peer->copy.direct == DMO_DIRECT_OFF ?
			 older->state_since : peer->copy.direct_since;
	if (peer->read_error) {
		s->block = DMO_BLOCK_READ_ERROR;
		s->block_since = peer->read_error_since;
	} else if (older->state == DMO_CHUNK_DRAINING) {
		s->block_since = older->state_since;
		s->block = DMO_BLOCK_DRAIN;
	} else if (up && sending) {
		s->block = DMO_BLOCK_SEND;
	} else if (up && older->state == DMO_CHUNK_SHIPPING && peer->last_sent) {
		s->block_since = older->state_since;
		s->block = DMO_BLOCK_PEER;
	} else if (peer->copy.direct == DMO_DIRECT_BEGIN ||
		   peer->copy.direct == DMO_DIRECT_PASSED) {
		s->block = DMO_BLOCK_PEER;
	}
}

/* Age of the oldest write that is not committed: what a loss of this site now would cost. */
static u64 lag(struct dmo_primary *p, const struct dmo_chunk *active)
{
	ktime_t since;

	if (dmo_cut_cmp(p->peer.committed, p->peer.complete) < 0)
		since = p->peer.complete_since;
	else if (active->other->state != DMO_CHUNK_NONE)
		since = active->other->since;
	else if (!dmo_store_empty(active))
		since = active->since;
	else
		return 0;
	return max_t(s64, ktime_ms_delta(ktime_get(), since), 0);
}

void dmo_primary_status(struct dmo_primary *p, bool sending, struct dmo_pri_status *s)
{
	struct dmo_peer *peer = &p->peer;
	struct dmo_store *st = p->store;
	struct dmo_chunk *c;
	bool up;

	memset(s, 0, sizeof(*s));
	spin_lock_irq(&p->lock);
	up = peer->link == DMO_PEER_UP;
	c = dmo_store_active(st);
	chunk_status(c, &s->active);
	chunk_status(c->other, &s->older);
	s->seq = s->active.seq;
	s->epoch = p->epoch;
	s->cut = p->cut;
	s->complete = peer->complete;
	s->committed = peer->committed;
	s->restored = peer->restored;
	s->committed_ns = peer->committed_ns;
	s->mem_used = atomic64_read(&st->used) + st->fixed;
	s->peer_inconsistent = up && (peer->hello.flags & DMO_SBF_INCONSISTENT);
	s->copying = peer->copy.direct != DMO_DIRECT_OFF;
	s->copy_pending = peer->tracked == DMO_TRACKED_ALL;
	if (s->copying && st->nr_vols) {
		s->copy_left = dmo_primary_refs_bytes(p);
		s->copy_total = max(peer->copy.total, s->copy_left);
		s->copy_since = peer->copy.since;
	}
	s->no_copy = dmo_peer_no_copy(peer);
	s->peer_cond = up ? peer->cond : DMO_COND_GOOD;
	s->peer_cond_since = peer->cond_since;
	s->chunk_max = peer->hello.chunk_max;
	s->lag_ms = lag(p, c);
	block_status(p, sending, s);
	s->why = p->why;
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
	p->peer.copy_all = true;
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

/* Before the first write: the open mark, activation, epoch, and equality given up, all durable. */
static int mark_open(struct dmo_primary *p, struct dmo_reason *why)
{
	struct dmo_meta *m = p->meta;
	int rc;

	mutex_lock(&m->lock);
	p->epoch = epoch_above(m->st.epoch);
	m->st.epoch = p->epoch;
	m->sb.flags &= ~DMO_SBF_ASSUME_EQUAL;
	m->sb.flags |= DMO_SBF_OPEN;
	dmo_line_add(&m->sb.line, get_random_u64() | 1);
	rc = dmo_meta_write_state(m);
	if (!rc)
		rc = dmo_meta_write_super(m);
	if (rc)
		*why = m->why;
	mutex_unlock(&m->lock);
	return rc;
}

struct dmo_primary *dmo_primary_create(struct dmo_meta *m, const struct dmo_pri_ops *ops,
				       void *owner, const char *name, struct dmo_reason *why)
{
	struct dmo_primary *p;
	int rc;

	dmo_refuse(why, -ENOMEM, "no memory");
	p = kzalloc(sizeof(*p), GFP_KERNEL);
	if (!p)
		return ERR_PTR(-ENOMEM);
	p->meta = m;
	p->ops = ops;
	p->owner = owner;
	p->cycle_ms = m->sb.cycle_ms;
	p->cut = m->st.newest;
	p->last_switch = ktime_get();
	dmo_peer_init(&p->peer, p);
	init_rwsem(&p->active_sem);
	spin_lock_init(&p->lock);
	init_waitqueue_head(&p->wait);
	INIT_LIST_HEAD(&p->merge_waiters);
	p->store = dmo_store_create(m->sb.volumes, m->sb.nr_volumes, (u64)m->sb.budget_mib << 20,
				    m->st.newest.n + 1, p->peer.tracked == DMO_TRACKED_ALL, why);
	if (IS_ERR(p->store)) {
		rc = PTR_ERR(p->store);
		kfree(p);
		return ERR_PTR(rc);
	}
	p->store->kick = store_kick;
	p->store->owner = p;
	spin_lock_irq(&p->lock);
	dmo_primary_step_chunk(p, dmo_store_active(p->store), DMO_CHUNK_EV_OPEN);
	dmo_store_older(p->store)->state_since = jiffies;
	spin_unlock_irq(&p->lock);
	rc = bioset_init(&p->bios, 64, 0, BIOSET_NEED_BVECS);
	if (rc)
		goto bad_store;
	rc = dmo_ship_init(&p->peer);
	if (rc)
		goto bad_ship;
	rc = -ENOMEM;
	p->wq = alloc_workqueue("dmo_io/%s", WQ_MEM_RECLAIM | WQ_UNBOUND, 0, name);
	if (!p->wq)
		goto bad_ship;
	rc = mark_open(p, why);
	if (rc)
		goto bad_wq;
	p->thread = kthread_run(cycle_thread, p, "dmo_cycle/%s", name);
	if (IS_ERR(p->thread)) {
		rc = PTR_ERR(p->thread);
		goto bad_wq;
	}
	return p;
bad_wq:
	destroy_workqueue(p->wq);
bad_ship:
	dmo_ship_destroy(&p->peer);
	bioset_exit(&p->bios);
bad_store:
	dmo_store_destroy(p->store);
	kfree(p);
	return ERR_PTR(rc);
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
	dmo_ship_destroy(&p->peer);
	bioset_exit(&p->bios);
	dmo_store_destroy(p->store);
	kfree(p);
}
