// SPDX-License-Identifier: GPL-2.0-only
/*
 * The peer of a primary: what its HELLO says against what is tracked here, what follows from
 * a link that came or went, and what it says afterwards.
 *
 * The receive thread notes what the peer says; what follows from it for the cycle and the store
 * is done by the cycle thread (primary.c), which calls dmo_peer_lost() and
 * dmo_peer_established().
 */
#include <linux/ktime.h>
#include <linux/random.h>
#include "primary/primary_priv.h"

/* No peer can push the own epoch further: what is above is left for activations. */
#define MAX_PEER_EPOCH	(DMO_WIRE_MAX_EPOCH - (1ULL << 52))

void dmo_peer_init(struct dmo_peer *peer, struct dmo_primary *p)
{
	peer->p = p;
	peer->tracked = p->meta->sb.flags & DMO_SBF_ASSUME_EQUAL ?
			DMO_TRACKED_EQUAL : DMO_TRACKED_ALL;
	peer->complete_since = p->last_switch;
	peer->copy.id = get_random_u64() | 1;
	peer->copy.direct_since = jiffies;
	peer->cond_since = jiffies;
}

static void step_link(struct dmo_peer *peer, enum dmo_peer_event ev)
{
	enum dmo_peer_link link = peer->link;

	lockdep_assert_held(&peer->p->lock);
	if (!WARN_ON_ONCE(dmo_peer_next(&link, ev)))
		WRITE_ONCE(peer->link, link);
}

void dmo_peer_step_direct(struct dmo_peer *peer, enum dmo_direct_event ev)
{
	lockdep_assert_held(&peer->p->lock);
	WARN_ON_ONCE(dmo_direct_next(&peer->copy.direct, ev));
}

/* Is there no point in time at the peer that this side goes by? */
bool dmo_peer_no_copy(const struct dmo_peer *peer)
{
	lockdep_assert_held(&peer->p->lock);
	return peer->copy_all || peer->tracked == DMO_TRACKED_ALL ||
	       peer->hello.flags & DMO_SBF_INCONSISTENT;
}

/* What is sent directly from here on is of another copy than what was. */
void dmo_peer_new_copy(struct dmo_peer *peer, u64 id)
{
	lockdep_assert_held(&peer->p->lock);
	peer->copy.id = id;
	peer->copy.begun = false;
	peer->copy.step = 0;
	peer->copy.sync_sent = 0;
}

/* ---- link ---- */

void dmo_peer_lost(struct dmo_peer *peer)
{
	struct dmo_primary *p = peer->p;
	struct dmo_chunk *older = dmo_store_older(p->store);

	spin_lock_irq(&p->lock);
	step_link(peer, DMO_PEER_EV_SETTLED);
	dmo_peer_step_direct(peer, DMO_DIRECT_EV_LOST);
	peer->last_sent = false;
	peer->drop_pending = false;
	if (older->state == DMO_CHUNK_SHIPPING)
		dmo_primary_step_chunk(p, older, DMO_CHUNK_EV_LINK_LOST);
	spin_unlock_irq(&p->lock);
	WRITE_ONCE(p->store->kick_bytes, U64_MAX);
	dmo_ship_unack(peer);
	dmo_store_resend(p->store);
}

/* Does what is tracked here hold against the state the peer is in? */
static bool peer_fits(const struct dmo_peer *peer)
{
	const struct dmo_peer_hello *h = &peer->hello;
	const struct dmo_copy *c = &peer->copy;

	if (peer->copy_all)
		return false;
	if (peer->tracked != DMO_TRACKED_BASED)
		return peer->tracked == DMO_TRACKED_ALL || h->rel == DMO_REL_EQUAL;
	/*
	 * Of an older or a later step it was put back to an image of itself: it lacks what SYNCED
	 * spoke of, or has what is to come.
	 */
	if (h->flags & DMO_SBF_INCONSISTENT)
		return c->begun && h->copy_id == c->id &&
		       (h->copy_step == c->step || h->copy_step == c->sync_sent);
	/* what was sent directly is tracked no more: a peer from before the copy lacks it */
	if (c->begun)
		return h->rel == DMO_REL_SAME && peer->last_ends_copy &&
		       !dmo_cut_cmp(h->complete, peer->last_cut_sent);
	return h->rel == DMO_REL_SAME && (!dmo_cut_cmp(h->complete, peer->complete) ||
					  !dmo_cut_cmp(h->complete, peer->last_cut_sent));
}

static void start_over(struct dmo_peer *peer)
{
	struct dmo_primary *p = peer->p;
	u64 copy_id = get_random_u64() | 1;

	if (dmo_store_older(p->store)->state == DMO_CHUNK_SHIPPING)
		dmo_primary_merge_older(p, "the peer needs a full copy");
	spin_lock_irq(&p->lock);
	peer->tracked = DMO_TRACKED_ALL;
	peer->copy_all = false;
	dmo_peer_step_direct(peer, DMO_DIRECT_EV_ANEW);
	dmo_peer_new_copy(peer, copy_id);
	spin_unlock_irq(&p->lock);
	dmo_store_full(p->store);
	dmo_store_resend(p->store);
}

/* Why a peer that did fit needs a full copy now. */
static void say_misfit(struct dmo_peer *peer)
{
	const struct dmo_peer_hello *h = &peer->hello;
	const struct dmo_copy *c = &peer->copy;
	struct dmo_primary *p = peer->p;

	if (peer->copy_all)
		dmo_primary_error(p, -1, "a data device is another one than it was: full copy");
	else if (peer->tracked != DMO_TRACKED_BASED)
		;	/* the first link of an activation */
	else if (c->begun && h->flags & DMO_SBF_INCONSISTENT)
		dmo_primary_error(p, -1,
				  "the peer is at step %u of copy %016llx, this side at step %u of copy %016llx: it was put back to an older state: the copy begins anew",
				  h->copy_step, h->copy_id, c->step, c->id);
	else if (c->begun)
		dmo_primary_error(p, -1,
				  "the peer stands at (%llu,%llu) and not in the copy that was under way: it was put back to an older state: the copy begins anew",
				  h->complete.epoch, h->complete.n);
	else
		dmo_primary_error(p, -1,
				  "the peer's boundary (%llu,%llu) is none that this side knows: full copy",
				  h->complete.epoch, h->complete.n);
}

/*
 * What is to follow from a peer that has come.
 * @fits: what is tracked holds against the state it is in; else all is copied
 * @reached: the older chunk is COMPLETE there, which was lost with the old link
 * @raise: the epoch goes above @epoch: tags to come must be above a boundary that isn't of this
 *	side's making
 * @refused: why the link must end
 * @merge: why the older chunk can't be sent to it
 */
struct verdict {
	struct dmo_cut boundary;
	u64 epoch;
	bool fits, reached, raise;
	const char *refused, *merge;
};

/* p->lock is held, and the older chunk has drained, or there is none. Changes nothing. */
static struct verdict judge(const struct dmo_peer *peer)
{
	const struct dmo_peer_hello *h = &peer->hello;
	const struct dmo_primary *p = peer->p;
	const struct dmo_chunk *older = dmo_store_older(p->store);
	struct verdict v = {
		.boundary = h->complete,
		.epoch = max(h->complete.epoch, h->epoch),
		.fits = peer_fits(peer),
	};
	bool shipping = older->state == DMO_CHUNK_SHIPPING;
	bool based = v.fits && peer->tracked == DMO_TRACKED_BASED;
	int cmp = dmo_cut_cmp(v.boundary, older->cut);

	lockdep_assert_held(&peer->p->lock);
	v.reached = v.fits && shipping && !cmp;
	v.raise = v.epoch > p->epoch ||
		  (!based && dmo_cut_cmp(v.boundary, (struct dmo_cut){ p->epoch, 0 }) > 0);
	if (v.raise && v.epoch > MAX_PEER_EPOCH)
		v.refused = "the peer's epoch leaves too few above it: format the peer again";
	/*
	 * An INCONSISTENT peer takes nothing but the end of a copy, and a copy is begun on the link
	 * that it ends on: there will be another end.
	 */
	if (shipping && !v.reached && cmp >= 0)
		v.merge = "the peer already has a later boundary";
	else if (shipping && !v.reached && h->flags & DMO_SBF_INCONSISTENT)
		v.merge = "the peer needs a copy first";
	return v;
}

/* Return: why the link must end, NULL: it goes on. Sleeps. */
static const char *carry_out(struct dmo_peer *peer, const struct verdict *v)
{
	struct dmo_primary *p = peer->p;

	if (v->refused)
		return v->refused;
	if (v->raise && dmo_primary_raise_epoch(p, v->epoch))
		return "raising the epoch failed: metadata device error";
	if (v->merge)
		dmo_primary_merge_older(p, v->merge);
	if (!v->fits) {
		say_misfit(peer);
		start_over(peer);
	}
	return NULL;
}

/*
 * It fits, or was made to, so what is tracked holds against this boundary.
 * Return: is COMMIT of it to be said?
 */
static bool take_up(struct dmo_peer *peer, const struct verdict *v)
{
	lockdep_assert_held(&peer->p->lock);
	if (!v->reached) {
		/* of an earlier activation: when its first block was written is not known here */
		if (dmo_cut_cmp(peer->complete, v->boundary))
			peer->complete_since = ktime_get();
		peer->complete = v->boundary;
	}
	if (peer->hello.rel == DMO_REL_EQUAL)
		peer->tracked = DMO_TRACKED_BASED;
	if (peer->copy.begun)
		peer->copy.step = peer->hello.copy_step;
	step_link(peer, DMO_PEER_EV_READY);
	peer->ship_gen++;
	return !v->reached && !dmo_cut_is_zero(v->boundary) &&
	       dmo_cut_cmp(peer->hello.committed, v->boundary) < 0;
}

/* The older chunk has drained, or there is none. */
void dmo_peer_established(struct dmo_peer *peer)
{
	struct dmo_primary *p = peer->p;
	const char *refused;
	struct verdict v;
	bool commit;

	spin_lock_irq(&p->lock);
	if (peer->link != DMO_PEER_NEW) {
		/* lost just now: that comes first */
		spin_unlock_irq(&p->lock);
		return;
	}
	step_link(peer, DMO_PEER_EV_TAKE);
	spin_unlock_irq(&p->lock);
	dmo_ship_reset(peer);
	spin_lock_irq(&p->lock);
	v = judge(peer);
	if (v.reached)
		dmo_primary_step_chunk(p, dmo_store_older(p->store), DMO_CHUNK_EV_COMPLETE);
	spin_unlock_irq(&p->lock);

	refused = carry_out(peer, &v);
	if (refused) {
		p->ops->abort(p->owner, refused);
		return;
	}

	spin_lock_irq(&p->lock);
	if (peer->link != DMO_PEER_TAKEN) {
		/* lost meanwhile; were it called up now, the next link would not be prepared */
		spin_unlock_irq(&p->lock);
		return;
	}
	commit = take_up(peer, &v);
	spin_unlock_irq(&p->lock);
	WRITE_ONCE(p->store->kick_bytes, dmo_peer_early_bytes(peer));
	if (commit)
		p->ops->post(p->owner, DMO_FRAME_COMMIT, v.boundary, 0);
}

/* ---- what the session tells of the link ---- */

void dmo_primary_hello(struct dmo_primary *p, struct dmo_hello *h)
{
	struct dmo_peer *peer = &p->peer;

	spin_lock_irq(&p->lock);
	h->epoch = p->epoch;
	h->copy_id = peer->copy.id;
	h->peer = p->meta->sb.peers[0].id;
	if (peer->copy_all || peer->tracked == DMO_TRACKED_ALL)
		h->flags |= DMO_HELLOF_FULL_COPY;
	else if (peer->tracked == DMO_TRACKED_EQUAL)
		h->flags |= DMO_SBF_ASSUME_EQUAL;
	h->complete = peer->complete;
	h->committed = peer->committed;
	h->restored = peer->restored;
	spin_unlock_irq(&p->lock);
}

void dmo_primary_link_up(struct dmo_primary *p, const struct dmo_hello *hello,
			 enum dmo_relation rel)
{
	struct dmo_peer *peer = &p->peer;

	spin_lock_irq(&p->lock);
	peer->hello = (struct dmo_peer_hello){
		.rel = rel,
		.flags = hello->flags,
		.copy_id = hello->copy_id,
		.copy_step = hello->copy_step,
		.epoch = hello->epoch,
		.chunk_max = hello->chunk_max,
		.complete = hello->complete,
		.committed = hello->committed,
	};
	/* it says so, if otherwise */
	peer->cond = DMO_COND_GOOD;
	peer->cond_since = jiffies;
	/* here, since frames may follow before the cycle thread looks */
	peer->committed = hello->committed;
	peer->restored = hello->restored;
	step_link(peer, DMO_PEER_EV_CAME);
	spin_unlock_irq(&p->lock);
	dmo_primary_kick(p);
}

bool dmo_primary_is_up(struct dmo_primary *p)
{
	return READ_ONCE(p->peer.link) == DMO_PEER_UP;
}

void dmo_primary_link_down(struct dmo_primary *p)
{
	spin_lock_irq(&p->lock);
	step_link(&p->peer, DMO_PEER_EV_GONE);
	spin_unlock_irq(&p->lock);
	dmo_primary_kick(p);
}

/* ---- frames from the secondary ---- */

static int got_complete(struct dmo_peer *peer, struct dmo_cut tag, struct dmo_reason *why)
{
	struct dmo_primary *p = peer->p;
	struct dmo_chunk *older = dmo_store_older(p->store);

	lockdep_assert_held(&p->lock);
	if (dmo_cut_cmp(tag, peer->last_cut_sent))
		return dmo_refuse(why, -EPROTO,
				  "COMPLETE(%llu,%llu), but the last cut sent is (%llu,%llu)",
				  tag.epoch, tag.n, peer->last_cut_sent.epoch, peer->last_cut_sent.n);
	/* merged in between: its blocks are in the active chunk again, which is harmless */
	if (older->state == DMO_CHUNK_SHIPPING && peer->last_sent && !dmo_cut_cmp(tag, older->cut))
		dmo_primary_step_chunk(p, older, DMO_CHUNK_EV_COMPLETE);
	else
		peer->complete = tag;
	return 0;
}

static void got_synced(struct dmo_peer *peer, u64 arg)
{
	struct dmo_copy *c = &peer->copy;

	lockdep_assert_held(&peer->p->lock);
	if (!c->syncing || arg != c->sync_sent)
		return;
	c->syncing = false;
	c->step = arg;
	c->win[c->filling ^ 1]->nr = 0;
	c->win[c->filling ^ 1]->bytes = 0;
	if (c->direct == DMO_DIRECT_PASSED)
		dmo_peer_step_direct(peer, DMO_DIRECT_EV_SYNCED);
}

static void got_direct_ready(struct dmo_peer *peer, u64 copy)
{
	struct dmo_copy *c = &peer->copy;

	lockdep_assert_held(&peer->p->lock);
	if (c->direct != DMO_DIRECT_BEGIN || copy != c->id)
		return;
	dmo_peer_step_direct(peer, DMO_DIRECT_EV_READY);
	c->direct_since = jiffies;
	peer->hello.flags |= DMO_SBF_INCONSISTENT;
	peer->hello.copy_id = copy;
	c->begun = true;
	peer->last_ends_copy = false;
	peer->tracked = DMO_TRACKED_BASED;
	peer->ship_gen++;
}

/* A peer can't have committed what was never complete, nor restored what isn't committed. */
static int check_tag(const char *what, struct dmo_cut tag, struct dmo_cut most, struct dmo_reason *why)
{
	if (dmo_cut_cmp(tag, most) <= 0)
		return 0;
	return dmo_refuse(why, -EPROTO,
			  "%s(%llu,%llu) is beyond (%llu,%llu)", what, tag.epoch, tag.n, most.epoch,
			  most.n);
}

static int got_committed(struct dmo_peer *peer, struct dmo_cut tag, bool *news, struct dmo_reason *why)
{
	int rc = check_tag("COMMITTED", tag, peer->complete, why);

	lockdep_assert_held(&peer->p->lock);
	if (rc || dmo_cut_cmp(tag, peer->committed) <= 0)
		return rc;
	peer->committed = tag;
	if (!dmo_cut_cmp(tag, peer->complete))
		peer->committed_ns = peer->complete_ns;
	*news = true;
	return 0;
}

static int got_restored(struct dmo_peer *peer, struct dmo_cut tag, struct dmo_reason *why)
{
	int rc = check_tag("RESTORED", tag, peer->committed, why);

	lockdep_assert_held(&peer->p->lock);
	if (!rc && dmo_cut_cmp(tag, peer->restored) > 0)
		peer->restored = tag;
	return rc;
}

static const char * const conditions[] = {
	[DMO_COND_GOOD] = "nothing is wrong there any more",
	[DMO_COND_JOURNAL] = "its journal is nearly full: its data devices are slow",
	[DMO_COND_SUSPENDED] = "a volume of it is suspended: nothing is restored",
	[DMO_COND_RESTORE_ERROR] = "one of its data devices fails: nothing is restored",
	[DMO_COND_DAMAGED] = "its journal is damaged: it is INCONSISTENT",
	[DMO_COND_META_ERROR] = "its metadata device has failed",
};

static int got_condition(struct dmo_peer *peer, u64 arg, u32 *news, struct dmo_reason *why)
{
	u32 cond;
	u64 ms;
	int rc = dmo_condition_decode(arg, &cond, &ms, why);

	lockdep_assert_held(&peer->p->lock);
	if (rc || cond == peer->cond)
		return rc;
	peer->cond = cond;
	/* jiffies_to_msecs() has 32 bits */
	peer->cond_since = jiffies - msecs_to_jiffies(min_t(u64, ms, INT_MAX));
	*news = cond;
	return 0;
}

int dmo_primary_frame(struct dmo_primary *p, const struct dmo_frame_hdr *h, struct dmo_reason *why)
{
	struct dmo_peer *peer = &p->peer;
	bool committed = false, kick = true;
	u32 cond = DMO_COND_MAX + 1;
	int rc = 0;

	spin_lock_irq(&p->lock);
	/* an answer to nothing: what an old link left must not be taken for it */
	if (peer->link != DMO_PEER_UP && h->type != DMO_FRAME_COMMITTED && h->type != DMO_FRAME_RESTORED &&
	    h->type != DMO_FRAME_CONDITION) {
		spin_unlock_irq(&p->lock);
		return dmo_refuse(why, -EPROTO,
				  "unexpected frame %s (%u): nothing was asked on this link yet",
				  dmo_frame_name(h->type), h->type);
	}
	switch (h->type) {
	case DMO_FRAME_COMPLETE:
		rc = got_complete(peer, h->tag, why);
		break;
	case DMO_FRAME_COMMITTED:
		rc = got_committed(peer, h->tag, &committed, why);
		kick = false;
		break;
	case DMO_FRAME_RESTORED:
		rc = got_restored(peer, h->tag, why);
		kick = false;
		break;
	case DMO_FRAME_DROPPED:
		peer->drop_pending = false;
		break;
	case DMO_FRAME_DIRECT_READY:
		got_direct_ready(peer, h->arg);
		break;
	case DMO_FRAME_SYNCED:
		got_synced(peer, h->arg);
		break;
	case DMO_FRAME_CONDITION:
		rc = got_condition(peer, h->arg, &cond, why);
		kick = false;
		break;
	default:
		rc = dmo_refuse(why, -EPROTO,
				"unexpected frame %s (%u) from a secondary", dmo_frame_name(h->type),
				h->type);
	}
	spin_unlock_irq(&p->lock);
	if (committed)
		p->ops->event(p->owner, DMO_EVENT_COMMIT, h->tag, -1, NULL);
	if (cond <= DMO_COND_MAX)
		p->ops->event(p->owner, DMO_EVENT_PEER, (struct dmo_cut){}, -1, conditions[cond]);
	if (!rc && kick) {
		dmo_primary_kick(p);
		p->ops->kick(p->owner);
	}
	return rc;
}
