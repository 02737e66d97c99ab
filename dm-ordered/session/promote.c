// SPDX-License-Identifier: GPL-2.0-only
/* What is asked of one role only: the primary to switch cycles, the secondary to become a primary. */
#include "session/session_priv.h"

int dmo_session_switch(struct dmo_session *s, struct dmo_cut *cut, struct dmo_reason *why)
{
	int rc = 0;

	dmo_session_enter(s, "switching");
	if (s->pri) {
		*cut = dmo_primary_switch(s->pri);
	} else {
		rc = dmo_refuse(why, -EINVAL,
				"the session is %s here: only an active primary switches cycles",
				s->role == DMO_ROLE_SECONDARY ? "secondary" : "not active");
	}
	dmo_session_leave(s);
	return rc;
}

static int check_gates(struct dmo_session *s, struct dmo_reason *why)
{
	u32 i;

	lockdep_assert_held(&s->lock);
	for (i = 0; i < s->meta->sb.nr_volumes; i++) {
		if (!s->vols[i].gated)
			continue;
		return dmo_refuse(why, -EBUSY,
				  "volume %u is being suspended: resume it first", s->vols[i].id);
	}
	return 0;
}

static int check_closed(struct dmo_session *s, struct dmo_reason *why)
{
	u32 i;

	for (i = 0; i < s->meta->sb.nr_volumes; i++) {
		struct dmo_svol *v = &s->vols[i];

		/* active, so there is a table */
		if (!atomic_read(&dm_disk(v->md)->part0->bd_openers))
			continue;
		return dmo_refuse(why, -EBUSY,
				  "volume %u (dm device %s) is open: close or unmount it before the promotion",
				  v->id, dm_device_name(v->md));
	}
	return 0;
}

/* The new role, durable before any host write. The activation that follows is new to the line (R6). */
static int write_role(struct dmo_session *s, struct dmo_cut cut, struct dmo_reason *why)
{
	struct dmo_meta *m = s->meta;
	struct dmo_super *sb = &m->sb;
	int rc;

	mutex_lock(&m->lock);
	/*
	 * Tags of the new primary are above all that was ever complete here. Where nothing was, its
	 * first may be one that the old primary had given, (1,1): nobody takes it for that. A
	 * secondary that has the old one is of another activation: it gets a full copy,
	 * and the epoch is raised above its boundary first (dmo_peer_established()).
	 */
	m->st.epoch = max(m->st.epoch, cut.epoch);
	if (dmo_cut_cmp(cut, m->st.newest) > 0)
		m->st.newest = cut;
	rc = dmo_meta_write_state(m);
	if (rc)
		goto out;
	sb->role = DMO_ROLE_PRIMARY;
	sb->flags &= ~(DMO_SBF_INCONSISTENT | DMO_SBF_ASSUME_EQUAL);
	sb->copy_id = 0;
	rc = dmo_meta_write_super(m);
out:
	if (rc)
		*why = m->why;
	mutex_unlock(&m->lock);
	return rc;
}

static int promote(struct dmo_session *s, bool force, struct dmo_cut *cut, struct dmo_reason *why)
{
	struct dmo_secondary *sec;
	u32 i;
	int rc;

	lockdep_assert_held(&s->lock);
	if (s->role != DMO_ROLE_SECONDARY || !s->sec)
		return dmo_refuse(why, -EINVAL,
				  s->role == DMO_ROLE_PRIMARY ? "the session is primary already" :
				  "the session is not active");
	rc = dmo_session_check_ready(s, why);
	if (!rc)
		rc = check_gates(s, why);
	if (!rc)
		rc = check_closed(s, why);
	/* a copy under way is not to lose its link over what will be refused */
	if (!rc)
		rc = dmo_secondary_may_promote(s->sec, force, why);
	if (rc)
		return rc;
	dmo_session_end_link(s, "this side was promoted");
	rc = dmo_secondary_finish(s->sec, force, cut, why);
	if (rc)
		return rc;
	rc = write_role(s, *cut, why);
	if (rc)
		return rc;
	dmo_secondary_stop(s->sec);
	sec = s->sec;
	down_write(&s->link_sem);	/* of who looks how far it has come */
	s->sec = NULL;
	s->engine = NULL;
	s->role_ops = NULL;
	up_write(&s->link_sem);
	dmo_secondary_free(sec);
	WRITE_ONCE(s->role, DMO_ROLE_PRIMARY);
	/* the tables that are active refuse I/O until they are reloaded */
	s->nr_active = 0;
	s->inactive_since = jiffies;
	for (i = 0; i < s->meta->sb.nr_volumes; i++) {
		s->vols[i].gated = false;
		WRITE_ONCE(s->vols[i].active, false);
		invalidate_bdev(dm_disk(s->vols[i].md)->part0);
	}
	dmo_session_event(s, DMO_EVENT_PROMOTED, *cut, -1, NULL);
	return 0;
}

int dmo_session_promote(struct dmo_session *s, bool force, struct dmo_cut *cut, struct dmo_reason *why)
{
	int rc;

	mutex_lock(&dmo_sessions_lock);
	rc = dmo_session_check_twin(s->meta->sb.uuid, DMO_ROLE_PRIMARY, s, why);
	s->promoting = !rc;
	mutex_unlock(&dmo_sessions_lock);
	if (rc)
		return rc;
	dmo_session_enter(s, "promoting");
	rc = promote(s, force, cut, why);
	dmo_session_leave(s);
	mutex_lock(&dmo_sessions_lock);
	s->promoting = false;
	mutex_unlock(&dmo_sessions_lock);
	return rc;
}
