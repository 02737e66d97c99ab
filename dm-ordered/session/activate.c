// SPDX-License-Identifier: GPL-2.0-only
/* Tables come to life and are suspended: preresume, resume, presuspend, postsuspend. */
#include "session/session_priv.h"

#define DM_MSG_PREFIX "ordered"

static int make_engine(struct dmo_session *s, struct dmo_reason *why)
{
	u64 budget = (u64)s->meta->sb.budget_mib << 20;

	if (s->engine)
		return 0;
	if (s->role == DMO_ROLE_PRIMARY) {
		struct dmo_primary *p = dmo_primary_create(s->meta, &dmo_session_pri_ops, s, s->name, why);

		if (IS_ERR(p))
			return PTR_ERR(p);
		s->role_ops = &dmo_primary_role;
		s->engine = p;
		s->pri = p;
	} else {
		struct dmo_secondary *sec;

		sec = dmo_secondary_create(s->meta, &dmo_session_sec_ops, s, budget, why);
		if (IS_ERR(sec))
			return PTR_ERR(sec);
		s->role_ops = &dmo_secondary_role;
		s->engine = sec;
		smp_store_release(&s->sec, sec);	/* of who looks without the lock */
	}
	return 0;
}

/*
 * The engine is there, nothing was written to the data device yet. @other: it isn't the one that it was,
 * and the operator wants it all the same: it is to be copied, durably, before that is forgotten.
 */
static int know_device(struct dmo_session *s, u32 index, bool other, struct dmo_reason *why)
{
	struct dmo_svol *v = &s->vols[index];
	int rc = 0;

	lockdep_assert_held(&s->lock);
	if (v->known)
		return 0;
	if (other)
		rc = s->role_ops->copy_all(s->engine, why);
	if (!rc)
		rc = dmo_witness_adopt(s->meta, index, v->ident, other, s->pri);
	if (rc && dmo_meta_failed(s->meta))
		*why = s->meta->why;
	v->known = !rc;
	return rc;
}

/* Is the data device the one that it was? @accept as dmo_session_activate(); @other: it isn't. */
static int check_data(struct dmo_session *s, u32 index, bool accept, bool *other, struct dmo_reason *why)
{
	struct dmo_svol *v = &s->vols[index];
	int rc;

	*other = false;
	if (v->known)
		return 0;
	rc = dmo_witness_check(s->meta, index, v->data, v->ident, why);
	if (!accept)
		return rc;
	if (!rc)
		DMINFO("%s: volume %u: accept_data_device: nothing differs, nothing is copied for it",
		       s->name, v->id);
	if (rc != -ESTALE)
		return rc;
	DMWARN("%s: accepted, and to be copied: %s", s->name, why->text);
	*other = true;
	return 0;
}

int dmo_session_activate(struct dmo_session *s, u32 index, bool accept, struct dmo_reason *why)
{
	struct dmo_svol *v = &s->vols[index];
	bool other;
	int rc;

	/* without the lock: it reads; the volume's dm device is suspended, and nobody else's */
	rc = check_data(s, index, accept, &other, why);
	if (rc)
		return rc;
	dmo_session_enter(s, "activating a volume");
	rc = make_engine(s, why);
	if (!rc)
		rc = know_device(s, index, other, why);
	if (rc)
		goto out;
	if (!v->active) {
		WRITE_ONCE(v->active, true);
		s->nr_active++;
	}
	s->role_ops->set_bdev(s->engine, index, v->data);
	rc = s->role;
out:
	dmo_session_leave(s);
	return rc;
}

void dmo_session_resume(struct dmo_session *s, u32 index)
{
	struct dmo_svol *v = &s->vols[index];

	dmo_session_enter(s, "resuming a volume");
	if (v->gated && s->sec)
		dmo_secondary_gate(s->sec, false);
	v->gated = false;
	if (s->engine && s->nr_active == s->meta->sb.nr_volumes)
		s->role_ops->activated(s->engine);
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
	const char *why;

	dmo_session_enter(s, "suspending a volume");
	if (v->active) {
		WRITE_ONCE(v->active, false);
		if (s->nr_active-- == s->meta->sb.nr_volumes)
			s->inactive_since = jiffies;
	}
	why = s->engine ? s->role_ops->suspended(s->engine) : NULL;
	if (why)
		dmo_session_end_link(s, why);
	dmo_session_leave(s);
}
