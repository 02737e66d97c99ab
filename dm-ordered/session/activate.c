// SPDX-License-Identifier: GPL-2.0-only
/* Tables come to life and are suspended: preresume, resume, presuspend, postsuspend. */
#include <linux/slab.h>
#include "session/session_priv.h"

#define DM_MSG_PREFIX "ordered"

static int make_engine(struct dmo_session *s, char *why)
{
	u64 budget = (u64)s->meta->sb.budget_mib << 20;

	if (s->role == DMO_ROLE_PRIMARY && !s->pri) {
		struct dmo_primary *p = dmo_primary_create(s->meta, &dmo_session_pri_ops, s, s->name, why);

		if (IS_ERR(p))
			return PTR_ERR(p);
		s->pri = p;
	} else if (s->role == DMO_ROLE_SECONDARY && !s->sec) {
		struct dmo_secondary *sec;

		sec = dmo_secondary_create(s->meta, &dmo_session_sec_ops, s, budget, why);
		if (IS_ERR(sec))
			return PTR_ERR(sec);
		smp_store_release(&s->sec, sec);	/* of who looks without the lock */
	}
	return 0;
}

/*
 * The engine is there, nothing was written to the data device yet. @other: it isn't the one that it was,
 * and the operator wants it all the same: it is to be copied, durably, before that is forgotten.
 */
static int know_device(struct dmo_session *s, u32 index, bool other, char *why)
{
	struct dmo_svol *v = &s->vols[index];
	int r = 0;

	lockdep_assert_held(&s->lock);
	if (v->known)
		return 0;
	if (other && s->pri)
		dmo_primary_copy_all(s->pri);
	if (other && s->sec)
		r = dmo_secondary_copy_all(s->sec, why);
	if (!r)
		r = dmo_witness_adopt(s->meta, index, v->ident, other, s->pri);
	if (r && dmo_meta_failed(s->meta))
		strscpy(why, s->meta->why, DMO_REASON_LEN);
	v->known = !r;
	return r;
}

/* Is the data device the one that it was? @accept as dmo_session_activate(); @other: it isn't. */
static int check_data(struct dmo_session *s, u32 index, bool accept, bool *other, char *why)
{
	struct dmo_svol *v = &s->vols[index];
	int r;

	*other = false;
	if (v->known)
		return 0;
	r = dmo_witness_check(s->meta, index, v->data, v->ident, why);
	if (!accept)
		return r;
	if (!r)
		DMINFO("%s: volume %u: accept_data_device: nothing differs, nothing is copied for it",
		       s->name, v->id);
	if (r != -ESTALE)
		return r;
	DMWARN("%s: accepted, and to be copied: %s", s->name, why);
	*other = true;
	return 0;
}

int dmo_session_activate(struct dmo_session *s, u32 index, bool accept, char *why)
{
	struct dmo_svol *v = &s->vols[index];
	bool other;
	int r;

	/* without the lock: it reads; the volume's dm device is suspended, and nobody else's */
	r = check_data(s, index, accept, &other, why);
	if (r)
		return r;
	dmo_session_enter(s, "activating a volume");
	r = make_engine(s, why);
	if (!r)
		r = know_device(s, index, other, why);
	if (r)
		goto out;
	if (!v->active) {
		WRITE_ONCE(v->active, true);
		s->nr_active++;
	}
	if (s->pri)
		dmo_primary_set_bdev(s->pri, index, v->data);
	r = s->role;
out:
	dmo_session_leave(s);
	return r;
}

void dmo_session_resume(struct dmo_session *s, u32 index)
{
	struct dmo_svol *v = &s->vols[index];
	bool all;

	dmo_session_enter(s, "resuming a volume");
	all = s->nr_active == s->meta->sb.nr_volumes;
	if (s->pri && all)
		dmo_primary_set_active(s->pri, true);
	if (s->sec) {
		if (v->gated)
			dmo_secondary_gate(s->sec, false);
		if (all)
			dmo_secondary_start(s->sec);
	}
	v->gated = false;
	dmo_session_leave(s);
}

void dmo_session_presuspend(struct dmo_session *s, u32 index)
{
	struct dmo_svol *v = &s->vols[index];
	struct dmo_secondary *sec;

	dmo_session_enter(s, "suspending a volume");
	sec = s->sec;
	if (sec && !v->gated) {
		dmo_secondary_gate(sec, true);
		v->gated = true;
	}
	dmo_session_leave(s);
	/*
	 * Without the lock: the disk may hang. No promotion takes the engine away meanwhile, since a
	 * volume is gated.
	 */
	if (!sec)
		return;
	dmo_secondary_wait_idle(sec);
	/* a backup reads the data device now: not what was read from it before and has changed since */
	invalidate_bdev(v->data);
	invalidate_bdev(dm_disk(v->md)->part0);
}

/* postsuspend: no I/O of ours to this volume's data device from here on */
void dmo_session_deactivate(struct dmo_session *s, u32 index)
{
	struct dmo_svol *v = &s->vols[index];
	struct dmo_sec_status *st;

	st = kmalloc(sizeof(*st), GFP_NOIO);
	dmo_session_enter(s, "suspending a volume");
	if (v->active) {
		WRITE_ONCE(v->active, false);
		if (s->nr_active-- == s->meta->sb.nr_volumes)
			s->inactive_since = jiffies;
	}
	if (s->pri)
		dmo_primary_set_active(s->pri, false);
	if (s->sec) {
		if (st)
			dmo_secondary_status(s->sec, st);
		if (!st || st->direct)
			dmo_session_end_link(s, "a volume was suspended during a direct copy");
	}
	dmo_session_leave(s);
	kfree(st);
}
