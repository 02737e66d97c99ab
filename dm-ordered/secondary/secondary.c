// SPDX-License-Identifier: GPL-2.0-only
/*
 * The secondary side of a session: its life, and what the session asks of it
 * (secondary.h). The work is done in receive.c, restore.c and recover.c; threads
 * and locks are described in secondary_priv.h.
 */
#include <linux/device-mapper.h>
#include <linux/slab.h>
#include "format/policy.h"
#include "secondary/secondary_priv.h"

#define DM_MSG_PREFIX "ordered secondary"

#define POLL	(HZ / 4)

/* -- states --------------------------------------------------------------- */

void dmo_sec_restore_step(struct dmo_secondary *s, enum dmo_restore_event ev)
{
	enum dmo_restore_state st = s->restore_state;

	lockdep_assert_held(&s->lock);
	WARN_ON_ONCE(dmo_restore_next(&st, ev));
	WRITE_ONCE(s->restore_state, st);
}

void dmo_sec_copy_step(struct dmo_secondary *s, enum dmo_copy_event ev)
{
	enum dmo_copy_state st = s->copy_state;

	lockdep_assert_held(&s->lock);
	WARN_ON_ONCE(dmo_copy_next(&st, ev));
	WRITE_ONCE(s->copy_state, st);
}

enum dmo_copy_state dmo_sec_copy_state(struct dmo_secondary *s)
{
	enum dmo_copy_state st;

	spin_lock(&s->lock);
	st = s->copy_state;
	spin_unlock(&s->lock);
	return st;
}

/* What this side suffers from most, and since when. Under s->lock. */
static u32 condition(struct dmo_secondary *s, unsigned long *since)
{
	lockdep_assert_held(&s->lock);
	*since = s->block_since;
	if (dmo_meta_failed(s->m)) {
		*since = s->m->failed_since;
		return DMO_COND_META_ERROR;
	}
	if (dmo_restore_damaged(s->restore_state))
		return DMO_COND_DAMAGED;
	if (dmo_restore_failing(s->restore_state))
		return DMO_COND_RESTORE_ERROR;
	if (s->gates) {
		*since = s->gate_since;
		return DMO_COND_SUSPENDED;
	}
	if (s->near_full) {
		*since = s->near_since;
		return DMO_COND_JOURNAL;
	}
	*since = jiffies;
	return DMO_COND_GOOD;
}

void dmo_sec_tell(struct dmo_secondary *s, bool anew)
{
	unsigned long since;
	u32 cond;

	mutex_lock(&s->tell);
	spin_lock(&s->lock);
	cond = condition(s, &since);
	spin_unlock(&s->lock);
	if (anew || cond != s->told) {
		s->told = cond;
		s->ops->post(s->owner, DMO_FRAME_CONDITION, (struct dmo_cut) { },
			     dmo_condition_arg(cond, jiffies_to_msecs(jiffies - since)));
	}
	mutex_unlock(&s->tell);
}

void dmo_sec_journal_moved(struct dmo_secondary *s)
{
	u64 used = dmo_journal_used(&s->j);
	bool near = used > (READ_ONCE(s->near_full) ? DMO_RING_CLEAR(s->j.size) :
						     DMO_RING_NEAR(s->j.size));

	if (near == READ_ONCE(s->near_full))
		return;
	spin_lock(&s->lock);
	s->near_full = near;
	s->near_since = jiffies;
	spin_unlock(&s->lock);
	dmo_sec_tell(s, false);
}

int dmo_sec_meta_error(struct dmo_secondary *s, struct dmo_reason *why)
{
	struct dmo_cut committed;

	*why = s->m->why;
	if (!test_and_set_bit(DMO_SEC_META_ERROR, &s->events)) {
		dmo_journal_cuts(&s->j, NULL, &committed, NULL);
		s->ops->event(s->owner, DMO_EVENT_ERROR, committed, -1, why->text);
		dmo_sec_tell(s, false);
	}
	return -EIO;
}

int dmo_sec_set_inconsistent(struct dmo_secondary *s, bool on, u64 copy_id, bool line)
{
	struct dmo_super *sb = &s->m->sb;
	int rc = 0;

	mutex_lock(&s->m->lock);
	/* damage came first: it stays */
	on = on || dmo_restore_damaged(READ_ONCE(s->restore_state));
	if (line && s->peer_line.nr) {
		sb->line = s->peer_line;
		sb->flags &= ~DMO_SBF_ASSUME_EQUAL;
	}
	if (on)
		sb->flags |= DMO_SBF_INCONSISTENT;
	else
		sb->flags &= ~DMO_SBF_INCONSISTENT;
	/* a step is never one of another copy */
	if (sb->copy_id != copy_id && s->m->st.copy_step) {
		s->m->st.copy_step = 0;
		rc = dmo_meta_write_state(s->m);
	}
	sb->copy_id = copy_id;
	if (!rc)
		rc = dmo_meta_write_super(s->m);
	if (!rc) {
		spin_lock(&s->lock);
		dmo_sec_copy_step(s, on ? DMO_COPY_EV_LOST : DMO_COPY_EV_CONSISTENT);
		s->copy_end = (struct dmo_cut) { };
		spin_unlock(&s->lock);
	}
	mutex_unlock(&s->m->lock);
	return rc;
}

void dmo_sec_copy_ended(struct dmo_secondary *s, struct dmo_cut tag)
{
	spin_lock(&s->lock);
	dmo_sec_copy_step(s, DMO_COPY_EV_END);
	s->copy_end = tag;
	spin_unlock(&s->lock);
}

bool dmo_sec_needs_copy(struct dmo_secondary *s)
{
	return dmo_copy_needed(dmo_sec_copy_state(s));
}

int dmo_sec_copy_restored(struct dmo_secondary *s, struct dmo_cut upto)
{
	bool restored;
	int rc;

	spin_lock(&s->lock);
	restored = dmo_copy_over(s->copy_state) && dmo_cut_cmp(s->copy_end, upto) <= 0;
	spin_unlock(&s->lock);
	if (!restored)
		return 0;
	rc = dmo_sec_set_inconsistent(s, false, 0, false);
	if (!rc)
		s->ops->event(s->owner, DMO_EVENT_CONSISTENT, upto, -1, NULL);
	return rc;
}

int dmo_secondary_copy_all(struct dmo_secondary *s, struct dmo_reason *why)
{
	struct dmo_cut restored;
	int rc = dmo_sec_set_inconsistent(s, true, 0, false);

	if (rc)
		return dmo_sec_meta_error(s, why);
	dmo_journal_cuts(&s->j, NULL, NULL, &restored);
	s->ops->event(s->owner, DMO_EVENT_INCONSISTENT, restored, -1,
		      "a data device is another one than it was: all is to be copied");
	return 0;
}

void dmo_sec_damage(struct dmo_secondary *s, const char *why)
{
	struct dmo_cut restored;

	spin_lock(&s->lock);
	dmo_sec_restore_step(s, DMO_RESTORE_EV_DAMAGE);
	s->block_since = jiffies;
	strscpy(s->why.text, why, sizeof(s->why.text));
	spin_unlock(&s->lock);
	/* the text itself is logged with the event */
	DMERR("%pg: the data is INCONSISTENT, a full copy is needed", s->m->bdev);
	/* part of a chunk may be on the devices, and its rest can't be had */
	dmo_sec_set_inconsistent(s, true, 0, false);
	dmo_journal_cuts(&s->j, NULL, NULL, &restored);
	s->ops->event(s->owner, DMO_EVENT_ERROR, restored, -1, why);
	s->ops->event(s->owner, DMO_EVENT_INCONSISTENT, restored, -1, why);
	dmo_sec_tell(s, false);
}

void dmo_sec_said_committed(struct dmo_secondary *s, struct dmo_cut tag)
{
	struct dmo_cut restored;

	spin_lock(&s->lock);
	if (dmo_cut_cmp(tag, s->said) > 0)
		s->said = tag;
	spin_unlock(&s->lock);
	/* by now, or while there was no link */
	dmo_journal_cuts(&s->j, NULL, NULL, &restored);
	if (dmo_cut_cmp(tag, restored) <= 0)
		s->ops->post(s->owner, DMO_FRAME_RESTORED, restored, 0);
}

bool dmo_sec_may_say_restored(struct dmo_secondary *s, struct dmo_cut tag)
{
	bool may;

	spin_lock(&s->lock);
	may = dmo_cut_cmp(tag, s->said) <= 0;
	spin_unlock(&s->lock);
	return may;
}

/* -- life ---------------------------------------------------------------- */

static struct block_device *data_bdev(void *owner, u32 volume)
{
	struct dmo_secondary *s = owner;

	return s->ops->data_bdev(s->owner, volume);
}

static bool restore_stops(void *owner)
{
	struct dmo_secondary *s = owner;

	return !READ_ONCE(s->started);
}

static bool direct_stops(void *owner)
{
	struct dmo_secondary *s = owner;

	return dmo_link_ended(s->link);
}

static int init_parts(struct dmo_secondary *s)
{
	const struct dmo_super *sb = &s->m->sb;
	int rc;

	rc = dmo_journal_init(&s->j, s->m);
	if (rc)
		return rc;
	rc = dmo_rpool_init(&s->receive_pool, &s->mem_used);
	if (rc)
		goto bad_receive_pool;
	rc = dmo_rpool_init(&s->restore_pool, &s->mem_used);
	if (rc)
		goto bad_restore_pool;
	rc = dmo_writer_init(&s->restore, sb->volumes, sb->nr_volumes, data_bdev,
			     restore_stops, s);
	if (rc)
		goto bad_restore;
	rc = dmo_writer_init(&s->direct, sb->volumes, sb->nr_volumes, data_bdev, direct_stops, s);
	if (rc)
		goto bad_direct;
	rc = -ENOMEM;
	s->vecs = kvmalloc_array(DMO_MAX_VECS, sizeof(*s->vecs), GFP_KERNEL);
	if (!s->vecs)
		goto bad_vecs;
	s->wq = alloc_workqueue("dmo_restore", WQ_MEM_RECLAIM | WQ_UNBOUND, 1);
	if (!s->wq)
		goto bad_wq;
	return 0;
bad_wq:
	kvfree(s->vecs);
bad_vecs:
	dmo_writer_exit(&s->direct);
bad_direct:
	dmo_writer_exit(&s->restore);
bad_restore:
	dmo_rpool_exit(&s->restore_pool);
bad_restore_pool:
	dmo_rpool_exit(&s->receive_pool);
bad_receive_pool:
	dmo_journal_exit(&s->j);
	return rc;
}

/* Users of records go before the records' pools. */
static void exit_parts(struct dmo_secondary *s)
{
	destroy_workqueue(s->wq);
	kvfree(s->vecs);
	dmo_writer_exit(&s->direct);
	dmo_writer_exit(&s->restore);
	dmo_journal_exit(&s->j);
	dmo_rpool_exit(&s->restore_pool);
	dmo_rpool_exit(&s->receive_pool);
	WARN_ON_ONCE(atomic64_read(&s->mem_used));
}

struct dmo_secondary *dmo_secondary_create(struct dmo_meta *m, const struct dmo_sec_ops *ops,
					   void *owner, u64 budget, struct dmo_reason *why)
{
	struct dmo_secondary *s;
	int rc;

	s = kzalloc(sizeof(*s), GFP_KERNEL);
	if (!s) {
		dmo_refuse(why, 0, "no memory for a secondary");
		return ERR_PTR(-ENOMEM);
	}
	s->m = m;
	s->ops = ops;
	s->owner = owner;
	s->budget = budget;
	spin_lock_init(&s->lock);
	mutex_init(&s->tell);
	init_waitqueue_head(&s->wait);
	INIT_DELAYED_WORK(&s->restore_work, dmo_restore_work);
	s->copy_state = m->sb.flags & DMO_SBF_INCONSISTENT ? DMO_COPY_NEEDED : DMO_COPY_NONE;
	s->block_since = jiffies;
	rc = init_parts(s);
	if (rc) {
		dmo_refuse(why, 0, "no memory for a secondary");
		goto bad;
	}
	rc = dmo_recover(s, why);
	if (rc)
		goto bad_recover;
	return s;
bad_recover:
	exit_parts(s);
bad:
	kfree(s);
	return ERR_PTR(rc);
}

void dmo_secondary_free(struct dmo_secondary *s)
{
	if (!s)
		return;
	dmo_secondary_stop(s);
	exit_parts(s);
	kfree(s);
}

void dmo_secondary_start(struct dmo_secondary *s)
{
	spin_lock(&s->lock);
	WRITE_ONCE(s->started, true);
	spin_unlock(&s->lock);
	dmo_restore_kick(s, true);
}

void dmo_secondary_stop(struct dmo_secondary *s)
{
	/* kill: the worker stops at the next record, and begins nothing */
	spin_lock(&s->lock);
	WRITE_ONCE(s->started, false);
	spin_unlock(&s->lock);
	/* quiesce: it waits for its own writes; nobody adds direct ones, the link is gone */
	cancel_delayed_work_sync(&s->restore_work);
	dmo_writer_wait(&s->direct);
}

void dmo_secondary_gate(struct dmo_secondary *s, bool closed)
{
	bool open;

	spin_lock(&s->lock);
	if (closed && !s->gates++)
		s->gate_since = jiffies;
	else if (!closed && !WARN_ON_ONCE(!s->gates))
		s->gates--;
	open = !s->gates;
	spin_unlock(&s->lock);
	dmo_sec_tell(s, false);
	if (open)
		dmo_restore_kick(s, true);
}

void dmo_secondary_wait_idle(struct dmo_secondary *s)
{
	dmo_restore_wait_idle(s);
}

/* -- link ---------------------------------------------------------------- */

void dmo_secondary_hello(struct dmo_secondary *s, struct dmo_hello *h)
{
	mutex_lock(&s->m->lock);
	h->flags = s->m->sb.flags & DMO_SBF_ASSUME_EQUAL;
	/* to the primary a copy is over when its end is complete here */
	if (dmo_sec_needs_copy(s)) {
		h->flags |= DMO_SBF_INCONSISTENT;
		h->copy_id = s->m->sb.copy_id;
		h->copy_step = s->m->st.copy_step;
	}
	mutex_unlock(&s->m->lock);
	dmo_journal_cuts(&s->j, &h->complete, &h->committed, &h->restored);
	h->activation = dmo_journal_activation(&s->j);
	spin_lock(&s->lock);
	s->said = h->committed;
	spin_unlock(&s->lock);
	h->chunk_max = dmo_journal_chunk_max(&s->j);
}

/* How do the two sides relate, in this side's eyes, now? */
static int relation(struct dmo_secondary *s, const struct dmo_hello *peer, struct dmo_reason *why)
{
	const struct dmo_super *sb = &s->m->sb;
	struct dmo_hello *own = kvzalloc(sizeof(*own), GFP_NOIO);
	int rel;

	if (!own)
		return dmo_refuse(why, -ENOMEM, "no memory for a handshake");
	own->version_min = DMO_WIRE_VERSION;
	own->version_max = DMO_WIRE_VERSION;
	own->can = DMO_WIRE_FEATURES_KNOWN;
	own->role = DMO_ROLE_SECONDARY;
	memcpy(own->uuid, sb->uuid, DMO_UUID_LEN);
	mutex_lock(&s->m->lock);
	own->line = sb->line;
	mutex_unlock(&s->m->lock);
	own->nr_volumes = sb->nr_volumes;
	memcpy(own->volumes, sb->volumes, sb->nr_volumes * sizeof(sb->volumes[0]));
	dmo_secondary_hello(s, own);
	rel = dmo_hello_judge(own, peer, why);
	kvfree(own);
	return rel == DMO_REL_REFUSE ? -EPROTO : rel;
}

/* Two sides declared equal become so by their first link; any link ends the declaration. */
static int settle_line(struct dmo_secondary *s, const struct dmo_hello *peer, struct dmo_reason *why)
{
	struct dmo_super *sb = &s->m->sb;
	int rel = relation(s, peer, why), rc = 0;

	if (rel < 0)
		return rel;
	s->peer_line = peer->line;
	s->frames = 0;
	mutex_lock(&s->m->lock);
	if (sb->flags & DMO_SBF_ASSUME_EQUAL) {
		sb->flags &= ~DMO_SBF_ASSUME_EQUAL;
		if (rel == DMO_REL_EQUAL)
			sb->line = peer->line;
		rc = dmo_meta_write_super(s->m);
	}
	mutex_unlock(&s->m->lock);
	return rc;
}

int dmo_secondary_link_up(struct dmo_secondary *s, const struct dmo_hello *peer, struct dmo_reason *why)
{
	struct dmo_cut restored;
	int rc;

	mutex_lock(&s->j.append);
	dmo_secondary_link_down(s);
	dmo_writer_begin(&s->direct);
	rc = dmo_journal_drop(&s->j, false);
	if (!rc)
		rc = settle_line(s, peer, why);
	if (rc && dmo_meta_failed(s->m))
		rc = dmo_sec_meta_error(s, why);
	mutex_unlock(&s->j.append);
	if (rc)
		return rc;
	dmo_sec_tell(s, true);
	/* restored since the own HELLO was made: nobody else would say so */
	dmo_journal_cuts(&s->j, NULL, NULL, &restored);
	if (!dmo_cut_is_zero(restored))
		s->ops->post(s->owner, DMO_FRAME_RESTORED, restored, 0);
	dmo_restore_kick(s, false);
	return 0;
}

void dmo_secondary_link_down(struct dmo_secondary *s)
{
	dmo_writer_wait(&s->direct);
	spin_lock(&s->lock);
	dmo_sec_copy_step(s, DMO_COPY_EV_LINK_LOST);
	spin_unlock(&s->lock);
}

bool dmo_secondary_is_direct(struct dmo_secondary *s)
{
	return dmo_copy_direct(dmo_sec_copy_state(s));
}

/* -- commit and restore all, promotion ------------------------------------ */

/* Why the ring will not get empty, if it won't. @attempts: failures so far */
static int restore_stuck(struct dmo_secondary *s, unsigned int attempts, struct dmo_reason *why)
{
	bool damaged;
	int rc = 0;

	if (dmo_meta_failed(s->m))
		return dmo_sec_meta_error(s, why);
	if (s->link && dmo_link_ended(s->link))
		return -ESHUTDOWN;
	spin_lock(&s->lock);
	damaged = dmo_restore_damaged(s->restore_state);
	if (damaged || (!s->link && s->attempts != attempts)) {
		*why = s->why;
		rc = damaged ? -EUCLEAN : -EIO;
	} else if (!s->link && (!s->started || s->gates)) {
		rc = dmo_refuse(why, -EBUSY,
				"a volume is suspended or has no active table: resume it first");
	}
	spin_unlock(&s->lock);
	return rc;
}

int dmo_sec_commit_and_restore(struct dmo_secondary *s, struct dmo_reason *why)
{
	unsigned int attempts;
	int rc;

	lockdep_assert_held(&s->j.append);
	rc = dmo_journal_commit(&s->j, s->j.complete);
	if (rc < 0)
		return rc;
	if (rc) {
		s->ops->event(s->owner, DMO_EVENT_COMMIT, s->j.committed, -1, NULL);
		/* the primary may have sent no COMMIT: it had merged a chunk that was complete */
		s->ops->post(s->owner, DMO_FRAME_COMMITTED, s->j.committed, 0);
		dmo_sec_said_committed(s, s->j.committed);
	}
	spin_lock(&s->lock);
	attempts = s->attempts;
	spin_unlock(&s->lock);
	dmo_restore_kick(s, true);
	rc = 0;
	while (!rc && !dmo_journal_empty(&s->j)) {
		wait_event_idle_timeout(s->j.wait, dmo_journal_empty(&s->j), POLL);
		rc = restore_stuck(s, attempts, why);
	}
	return dmo_journal_empty(&s->j) ? 0 : rc;
}

int dmo_secondary_may_promote(struct dmo_secondary *s, bool force, struct dmo_reason *why)
{
	if (force || !dmo_sec_needs_copy(s))
		return 0;
	return dmo_refuse(why, -EUCLEAN,
			  "the data is INCONSISTENT, no point in time: finish a full copy, or force the promotion");
}

static int may_finish(struct dmo_secondary *s, bool force, struct dmo_reason *why)
{
	struct dmo_reason stuck;
	int rc;

	if (dmo_meta_failed(s->m))
		return dmo_sec_meta_error(s, why);
	rc = dmo_secondary_may_promote(s, force, why);
	if (rc)
		return rc;
	/* nothing is done unless all of it can be */
	if (!restore_stuck(s, s->attempts, &stuck) ||
	    dmo_restore_damaged(READ_ONCE(s->restore_state)))
		return 0;
	*why = stuck;
	return -EBUSY;
}

static int finish(struct dmo_secondary *s, struct dmo_reason *why)
{
	int rc;

	rc = dmo_journal_drop(&s->j, false);
	if (rc)
		return rc;
	if (dmo_restore_damaged(READ_ONCE(s->restore_state))) {	/* forced */
		dmo_restore_wait_idle(s);
		rc = dmo_journal_discard(&s->j);
	} else {
		rc = dmo_sec_commit_and_restore(s, why);
	}
	if (rc)
		return rc;
	/* forced: what a direct copy has written so far */
	dmo_writer_begin(&s->direct);
	rc = dmo_writer_flush(&s->direct);
	if (rc)
		return dmo_refuse(why, rc, "flush of a data device failed: error %d", rc);
	return dmo_journal_release(&s->j, NULL);
}

int dmo_secondary_finish(struct dmo_secondary *s, bool force, struct dmo_cut *cut, struct dmo_reason *why)
{
	int rc;

	dmo_secondary_link_down(s);
	mutex_lock(&s->j.append);
	rc = may_finish(s, force, why);
	if (!rc) {
		rc = finish(s, why);
		if (rc && dmo_meta_failed(s->m))
			rc = dmo_sec_meta_error(s, why);
	}
	mutex_unlock(&s->j.append);
	if (!rc)
		dmo_journal_cuts(&s->j, NULL, NULL, cut);
	return rc;
}

/* -- status --------------------------------------------------------------- */

void dmo_secondary_restore_status(struct dmo_secondary *s, struct dmo_sec_status *st)
{
	u64 done, at;

	spin_lock(&s->lock);
	st->restoring = dmo_restore_in_hand(s->restore_state);
	st->restore_since = s->run.since;
	done = s->run.done;
	at = s->run.at;
	spin_unlock(&s->lock);
	if (!st->restoring)
		return;
	st->restore_left = dmo_journal_behind(&s->j, at) * DMO_BLOCK;
	st->restore_total = st->restore_left + done * DMO_BLOCK;
}

void dmo_secondary_status(struct dmo_secondary *s, struct dmo_sec_status *st)
{
	struct dmo_journal_status j;

	memset(st, 0, sizeof(*st));
	dmo_secondary_restore_status(s, st);
	dmo_journal_status(&s->j, &j);
	st->complete = j.complete;
	st->committed = j.committed;
	st->committed_ns = j.committed_ns;
	st->restored = j.restored;
	st->journal_bytes = j.bytes;
	st->journal_used = j.used;
	st->mem_used = atomic64_read(&s->mem_used);
	st->chunk_max = dmo_journal_chunk_max(&s->j);
	spin_lock(&s->lock);
	st->inconsistent = dmo_copy_inconsistent(s->copy_state);
	st->direct = dmo_copy_direct(s->copy_state);
	st->copy_since = s->copy.since;
	st->copy_left = s->copy.left;
	st->copy_total = s->copy.total;
	st->block_since = s->block_since;
	if (dmo_restore_failing(s->restore_state) || dmo_restore_damaged(s->restore_state)) {
		st->block = DMO_BLOCK_RESTORE_ERROR;
		st->why = s->why;
	} else if (s->full) {
		st->block = DMO_BLOCK_JOURNAL_FULL;
	}
	spin_unlock(&s->lock);
	if (dmo_meta_failed(s->m)) {
		st->block = DMO_BLOCK_META_ERROR;
		st->block_since = s->m->failed_since;
		st->why = s->m->why;
	}
}

/* -- module --------------------------------------------------------------- */

int dmo_secondary_init(void)
{
	return dmo_record_init();
}

void dmo_secondary_exit(void)
{
	dmo_record_exit();
}
