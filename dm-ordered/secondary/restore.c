// SPDX-License-Identifier: GPL-2.0-only
/*
 * Restore: committed chunks to the data devices.
 *
 *   write the blocks, in the order of the records
 *   wait, flush every data device written
 *   superblock: no longer INCONSISTENT, if the chunk is the end of a copy
 *   if no other chunk is committed: some of the blocks become witnesses (witness.h)
 *   state block: tail, restored cut (flushed before, FUA)
 *   the ring's space is free; RESTORED
 *
 * in that order. Until the state block is written a crash makes the whole be
 * done again from the ring; doing it twice gives the same. So an attempt that
 * fails anywhere is just forgotten and made again, RETRY later.
 *
 * Several chunks that are committed already are restored in one go, with one
 * flush and one state write; a gate or a stop ends it at the next chunk.
 * dmo_secondary_stop() ends it at the next record.
 *
 * There is one worker, never run twice at a time; its state (format/sstate.c) tells the others.
 */
#include <linux/jiffies.h>
#include "journal/jwalk.h"
#include "meta/witness.h"
#include "secondary/secondary_priv.h"

#define RETRY		(3 * HZ)
#define MAX_CHUNKS	64		/* in one go */

/* Under s->lock. */
static bool may_restore(struct dmo_secondary *s)
{
	lockdep_assert_held(&s->lock);
	return s->started && !s->gates && !dmo_restore_damaged(s->restore_state) &&
	       !dmo_meta_failed(s->m);
}

/* At a chunk's end: go on with the next one? */
static bool may_go_on(struct dmo_secondary *s)
{
	bool ok;

	spin_lock(&s->lock);
	ok = may_restore(s);
	spin_unlock(&s->lock);
	return ok;
}

/* What the witness says of the blocks of a record does not hold any more when they are written. */
static int withdraw(struct dmo_secondary *s, const struct dmo_record *r)
{
	const struct dmo_desc *d = dmo_record_desc(r);
	int rc = 0;
	u32 i;

	for (i = 0; i < r->nr_desc && !rc; i++)
		rc = dmo_witness_withdraw(s->m, le32_to_cpu(d[i].volume), le64_to_cpu(d[i].block),
					  dmo_desc_blocks(&d[i]));
	if (r->nr_desc)
		dmo_witness_note(s->m, le32_to_cpu(d->volume), le64_to_cpu(d->block));
	return rc;
}

/* The restore has come to ring position @pos. */
static void come_to(struct dmo_secondary *s, u64 pos)
{
	spin_lock(&s->lock);
	s->run.done += pos >= s->run.at ? pos - s->run.at : pos + s->j.size - s->run.at;
	s->run.at = pos;
	spin_unlock(&s->lock);
}

static int restore_chunk(struct dmo_secondary *s, struct dmo_boundary *b, struct dmo_reason *why)
{
	struct dmo_record *r;
	struct dmo_jwalk w;
	int rc;

	dmo_jwalk_init(&w, &s->j, &s->restore_pool, b);
	while ((rc = dmo_jwalk_next(&w, &r, why)) > 0) {
		come_to(s, w.at.pos);
		rc = withdraw(s, r);
		if (!rc)
			rc = dmo_writer_write(&s->restore, r);
		dmo_record_put(r);
		if (rc)
			return rc;
	}
	return rc;
}

/*
 * Blocks just restored, which are durable, become witnesses. Not in a copy, which writes directly past
 * the witness: before it marks the data INCONSISTENT, it waits for this worker and takes away all.
 */
static int add_witnesses(struct dmo_secondary *s)
{
	struct dmo_super *sb = &s->m->sb;
	struct block_device *bdev;
	u32 i;

	if (dmo_copy_inconsistent(READ_ONCE(s->copy_state)))
		return 0;
	for (i = 0; i < sb->nr_volumes; i++) {
		bdev = s->restore.bdev(s->restore.owner, sb->volumes[i].id);
		if (bdev)
			dmo_witness_restored(s->m, i, bdev);
	}
	return dmo_witness_store(s->m);
}

/* Flush, then move the tail behind @upto. */
static int settle(struct dmo_secondary *s, struct dmo_boundary *upto)
{
	struct dmo_cut tag = upto->tag;
	int rc = dmo_writer_flush(&s->restore);

	/* before the tail: recovery knows by the chunk that a copy has come to its end */
	if (!rc)
		rc = dmo_sec_copy_restored(s, tag);
	/* before the tail, too: who finds the ring empty may write past the witness */
	if (!rc && !dmo_journal_next(&s->j, upto))
		rc = add_witnesses(s);
	if (rc)
		return rc;
	rc = dmo_journal_release(&s->j, upto);
	if (!rc)
		dmo_sec_journal_moved(s);
	if (!rc && dmo_sec_may_say_restored(s, tag))
		s->ops->post(s->owner, DMO_FRAME_RESTORED, tag, 0);
	return rc;
}

/* Restore what is committed, or as much as fits one go. */
static int restore_some(struct dmo_secondary *s, struct dmo_reason *why)
{
	struct dmo_boundary *b = dmo_journal_oldest(&s->j), *done = NULL;
	unsigned int nr = 0;
	int rc = 0, rc2;

	dmo_writer_begin(&s->restore);
	while (b && !rc) {
		rc = restore_chunk(s, b, why);
		if (!rc) {
			done = b;
			b = ++nr < MAX_CHUNKS && may_go_on(s) ? dmo_journal_next(&s->j, b) : NULL;
		}
	}
	rc2 = dmo_writer_wait(&s->restore);
	/* a write that failed may be of any of them; else what is done is done */
	if (!rc2 && done)
		rc2 = settle(s, done);
	return rc2 ?: rc;
}

/* A restore failed with @rc. Return: try again? */
static bool note_failure(struct dmo_secondary *s, int rc, struct dmo_reason *why)
{
	struct dmo_cut committed;
	int volume = -1;
	bool first;

	if (rc == -ECANCELED)
		return false;
	if (dmo_meta_failed(s->m)) {
		dmo_sec_meta_error(s, why);
		return false;
	}
	if (rc == -EUCLEAN && why->text[0]) {
		dmo_sec_damage(s, why->text);
		return false;
	}
	if (!why->text[0]) {
		spin_lock_irq(&s->restore.lock);
		volume = s->restore.error_volume;
		spin_unlock_irq(&s->restore.lock);
		dmo_refuse(why, rc, "restore: data device of volume %d: write failed: error %d",
			   volume, rc);
	}
	spin_lock(&s->lock);
	first = !dmo_restore_failing(s->restore_state);
	if (first)
		s->block_since = jiffies;
	dmo_sec_restore_step(s, DMO_RESTORE_EV_FAILED);
	s->why = *why;
	spin_unlock(&s->lock);
	if (first) {
		dmo_journal_cuts(&s->j, NULL, &committed, NULL);
		s->ops->event(s->owner, DMO_EVENT_ERROR, committed, volume, why->text);
		dmo_sec_tell(s, false);
	}
	return true;
}

/* Counted anew, for those who want to know how far it has come. */
static void begin_run(struct dmo_secondary *s)
{
	lockdep_assert_held(&s->lock);
	dmo_sec_restore_step(s, DMO_RESTORE_EV_BEGIN);
	s->run.since = jiffies;
	s->run.at = READ_ONCE(s->j.tail.pos);	/* nobody else moves it before this run's end */
	s->run.done = 0;
}

void dmo_restore_work(struct work_struct *work)
{
	struct dmo_secondary *s = container_of(to_delayed_work(work), struct dmo_secondary,
					       restore_work);
	struct dmo_reason why;
	bool again = false, healed, restoring, in_hand;
	int rc = 0;

	for (;;) {
		spin_lock(&s->lock);
		restoring = !rc && may_restore(s) && dmo_journal_frees(&s->j);
		in_hand = dmo_restore_in_hand(s->restore_state);
		if (restoring && !in_hand)
			begin_run(s);
		else if (!restoring && in_hand)
			dmo_sec_restore_step(s, DMO_RESTORE_EV_END);
		if (rc && rc != -ECANCELED)
			s->attempts++;
		if (!restoring) {
			wake_up_all(&s->wait);
			spin_unlock(&s->lock);
			break;
		}
		spin_unlock(&s->lock);

		why.text[0] = '\0';
		rc = restore_some(s, &why);
		if (rc) {
			again = note_failure(s, rc, &why);
		} else {
			spin_lock(&s->lock);
			healed = dmo_restore_failing(s->restore_state);
			dmo_sec_restore_step(s, DMO_RESTORE_EV_DONE);
			spin_unlock(&s->lock);
			if (healed)
				dmo_sec_tell(s, false);
		}
	}
	if (again)
		queue_delayed_work(s->wq, &s->restore_work, RETRY);
}

void dmo_restore_kick(struct dmo_secondary *s, bool now)
{
	if (now)
		mod_delayed_work(s->wq, &s->restore_work, 0);
	else
		queue_delayed_work(s->wq, &s->restore_work, 0);
}

void dmo_restore_wait_idle(struct dmo_secondary *s)
{
	wait_event_idle(s->wait, !dmo_restore_in_hand(READ_ONCE(s->restore_state)));
}
