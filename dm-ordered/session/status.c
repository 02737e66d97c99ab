// SPDX-License-Identifier: GPL-2.0-only
/* What a session does now, for whoever looks. */
#include "session/session_priv.h"

/* What the engine says. Holds: session->lock, and link_sem for reading. */
static void engine_status(struct dmo_session *s, struct dmo_session_status *st)
{
	struct dmo_role_status rs = {
		.up = st->link.state == DMO_LINK_UP,
		.sending = st->link.sending,
		.own = s->own,
		.pri = &st->pri,
		.sec = &st->sec,
	};

	if (rs.up)
		rs.peer = dmo_link_peer(s->link);
	s->role_ops->status(s->engine, &rs);
	if (rs.up)
		st->state = rs.copying ? DMO_STATE_COPYING : DMO_STATE_REPLICATING;
	st->flags |= rs.flags;
	st->block = rs.block;
	st->block_ms = jiffies_to_msecs(jiffies - rs.block_since);
}

/* Not all are active: is every one that isn't just suspended? */
static bool all_have_tables(struct dmo_session *s)
{
	u32 i;

	for (i = 0; i < s->meta->sb.nr_volumes; i++)
		if (!READ_ONCE(s->vols[i].md))
			return false;
	return true;
}

/* Somebody holds the lock for long: what, and since when. */
static void busy_status(struct dmo_session *s, struct dmo_session_status *st)
{
	struct dmo_super *sb = &s->meta->sb;
	const char *what = READ_ONCE(s->busy);
	struct dmo_secondary *sec;

	st->role = READ_ONCE(s->role);
	st->state = DMO_STATE_BUSY;
	st->block = DMO_BLOCK_BUSY;
	st->block_ms = jiffies_to_msecs(jiffies - READ_ONCE(s->busy_since));
	st->cycle_ms = READ_ONCE(sb->cycle_ms);
	st->budget_mib = READ_ONCE(sb->budget_mib);
	st->timeout_ms = READ_ONCE(sb->link_timeout_ms);
	st->activation = READ_ONCE(sb->line.at[0].activation);
	st->link.since = READ_ONCE(s->link_since);
	snprintf(st->why.text, sizeof(st->why.text), "%s, which waits for a disk or for the peer",
		 what ?: "busy");
	/* a promotion restores first */
	if (!down_read_trylock(&s->link_sem))
		return;
	sec = READ_ONCE(s->sec);
	if (sec)
		dmo_secondary_restore_status(sec, &st->sec);
	up_read(&s->link_sem);
}

void dmo_session_status(struct dmo_session *s, struct dmo_session_status *st)
{
	struct dmo_super *sb = &s->meta->sb;

	memset(st, 0, sizeof(*st));
	if (!dmo_session_enter_soon(s)) {
		busy_status(s, st);
		return;
	}
	st->role = s->role;
	st->state = DMO_STATE_DISCONNECTED;
	st->flags = (sb->flags & DMO_SBF_PLAIN ? DMO_F_PLAIN : 0) |
		    (sb->flags & DMO_SBF_INCONSISTENT ? DMO_F_INCONSISTENT : 0) |
		    (sb->flags & DMO_SBF_ASSUME_EQUAL ? DMO_F_ASSUME_EQUAL : 0) |
		    (sb->flags & DMO_SBF_OPEN ? DMO_F_OPEN : 0);
	st->cycle_ms = sb->cycle_ms;
	st->budget_mib = sb->budget_mib;
	st->timeout_ms = sb->link_timeout_ms;
	st->activation = dmo_line_newest(&sb->line);
	st->link.since = s->link_since;
	down_read(&s->link_sem);
	if (s->link)
		dmo_link_info(s->link, &st->link);
	if (s->no_link)
		st->flags |= DMO_F_NO_LINK;
	if (st->link.state == DMO_LINK_NONE)
		st->flags |= READ_ONCE(s->refused);
	if (s->engine)
		engine_status(s, st);
	up_read(&s->link_sem);
	if (dmo_meta_failed(s->meta)) {
		st->state = DMO_STATE_FAILED;
		st->block = DMO_BLOCK_META_ERROR;
		st->block_ms = jiffies_to_msecs(jiffies - s->meta->failed_since);
	} else if (s->nr_active != sb->nr_volumes) {
		st->state = DMO_STATE_INACTIVE;
		st->block = all_have_tables(s) ? DMO_BLOCK_SUSPENDED : DMO_BLOCK_INACTIVE;
		st->block_ms = jiffies_to_msecs(jiffies - s->inactive_since);
	} else if (!st->block && st->link.state != DMO_LINK_UP) {
		st->block = DMO_BLOCK_NO_LINK;
		st->block_ms = jiffies_to_msecs(jiffies - st->link.since);
	}
	if (!st->block)
		st->block_ms = 0;
	spin_lock(&s->why_lock);
	st->why = dmo_meta_failed(s->meta) ? s->meta->why : s->why;
	spin_unlock(&s->why_lock);
	dmo_session_leave(s);
}
