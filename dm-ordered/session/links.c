// SPDX-License-Identifier: GPL-2.0-only
/* The link of a session: between the socket's threads and the engine; its begin and its end. */
#include <linux/random.h>
#include "session/session_priv.h"

/* ---- what the engines ask of the session ---- */

static void session_post(void *owner, u16 type, struct dmo_cut tag, u64 arg)
{
	struct dmo_session *s = owner;

	down_read(&s->link_sem);
	/*
	 * The link changes only under link_sem held for writing, and before another one
	 * comes the primary is told; so what it says goes over the link it speaks of. With a link
	 * there is an engine.
	 */
	if (s->link && dmo_link_is_up(s->link) && s->role_ops->is_up(s->engine))
		dmo_link_post(s->link, type, tag, arg, NULL, 0);
	up_read(&s->link_sem);
}

static void session_kick(void *owner)
{
	struct dmo_session *s = owner;

	down_read(&s->link_sem);
	if (s->link)
		dmo_link_kick(s->link);
	up_read(&s->link_sem);
}

static void session_abort(void *owner, const char *why)
{
	struct dmo_session *s = owner;

	down_read(&s->link_sem);
	if (s->link)
		dmo_link_abort(s->link, why);
	up_read(&s->link_sem);
}

static struct block_device *session_data(void *owner, u32 volume)
{
	struct dmo_session *s = owner;
	u32 i;

	for (i = 0; i < s->meta->sb.nr_volumes; i++)
		if (s->vols[i].id == volume)
			return READ_ONCE(s->vols[i].active) ? s->vols[i].data : NULL;
	return NULL;
}

const struct dmo_pri_ops dmo_session_pri_ops = {
	.post = session_post,
	.kick = session_kick,
	.abort = session_abort,
	.event = dmo_session_event,
};

const struct dmo_sec_ops dmo_session_sec_ops = {
	.data_bdev = session_data,
	.post = session_post,
	.event = dmo_session_event,
};

/* ---- what the link's threads tell ---- */

static int link_hello(void *owner, struct dmo_link *l, const struct dmo_hello *peer, struct dmo_reason *why)
{
	struct dmo_session *s = owner;

	s->rel = dmo_hello_judge(s->own, peer, why);
	if (s->rel != DMO_REL_REFUSE)
		return 0;
	/* two of one role may stand in the midst of a switchover: that passes */
	if (memcmp(s->own->uuid, peer->uuid, DMO_UUID_LEN))
		WRITE_ONCE(s->refused, DMO_F_REFUSED | DMO_F_STRANGER);
	else if (s->own->role != peer->role)
		WRITE_ONCE(s->refused, DMO_F_REFUSED);
	return -EPROTO;
}

static void link_up(void *owner, struct dmo_link *l)
{
	struct dmo_session *s = owner;
	const struct dmo_hello *peer = dmo_link_peer(l);
	struct dmo_reason why = {};

	s->link_since = jiffies;
	if (s->role_ops->link_up(s->engine, peer, s->rel, &why)) {
		dmo_link_abort(l, why.text);
		return;
	}
	spin_lock(&s->why_lock);
	if (!dmo_link_ended(l))		/* by now, and then there is a reason */
		s->why.text[0] = '\0';
	spin_unlock(&s->why_lock);
	dmo_session_event(s, DMO_EVENT_LINK_UP, (struct dmo_cut){}, -1, NULL);
}

static int link_frame(void *owner, struct dmo_link *l, const struct dmo_frame_hdr *h,
		      const void *payload, struct dmo_reason *why)
{
	struct dmo_session *s = owner;

	return s->role_ops->frame(s->engine, l, h, payload, why);
}

static int link_produce(void *owner, struct dmo_link *l, struct dmo_reason *why)
{
	struct dmo_session *s = owner;

	return s->role_ops->produce(s->engine, l, why);
}

static void link_down(void *owner, struct dmo_link *l, const char *why)
{
	struct dmo_session *s = owner;

	spin_lock(&s->why_lock);
	strscpy(s->why.text, why, sizeof(s->why.text));
	spin_unlock(&s->why_lock);
	queue_work(system_unbound_wq, &s->link_work);
}

static const struct dmo_link_ops link_ops = {
	.hello = link_hello,
	.up = link_up,
	.frame = link_frame,
	.produce = link_produce,
	.down = link_down,
};

/* ---- begin and end ---- */

void dmo_session_end_link(struct dmo_session *s, const char *reason)
{
	struct dmo_link *l;
	struct dmo_reason why;

	lockdep_assert_held(&s->lock);
	down_write(&s->link_sem);
	l = s->link;
	s->link = NULL;
	if (l && dmo_link_ended(l))
		reason = NULL;
	up_write(&s->link_sem);
	if (!l)
		return;
	dmo_link_stop(l);
	s->link_since = jiffies;
	s->role_ops->link_down(s->engine);
	/* not before its threads are gone: link_up() forgets why there was none */
	spin_lock(&s->why_lock);
	if (reason)
		strscpy(s->why.text, reason, sizeof(s->why.text));
	why = s->why;
	spin_unlock(&s->why_lock);
	dmo_session_event(s, DMO_EVENT_LINK_DOWN, (struct dmo_cut){}, -1, why.text);
}

void dmo_session_link_work(struct work_struct *work)
{
	struct dmo_session *s = container_of(work, struct dmo_session, link_work);

	dmo_session_enter(s, "ending a link");
	/* a newer link may have come in between: only one that has ended is stopped */
	if (s->link && dmo_link_ended(s->link))
		dmo_session_end_link(s, NULL);
	dmo_session_leave(s);
}

static void fill_hello(struct dmo_session *s, struct dmo_hello *h)
{
	struct dmo_super *sb = &s->meta->sb;
	u32 i;

	memset(h, 0, sizeof(*h));
	h->version_min = DMO_WIRE_VERSION;
	h->version_max = DMO_WIRE_VERSION;
	memcpy(h->uuid, sb->uuid, DMO_UUID_LEN);
	h->role = s->role;
	h->can = DMO_WIRE_FEATURES_KNOWN;
	h->attach_id = get_random_u64();
	mutex_lock(&s->meta->lock);
	h->epoch = s->meta->st.epoch;
	h->line = sb->line;
	mutex_unlock(&s->meta->lock);
	h->nr_volumes = sb->nr_volumes;
	for (i = 0; i < sb->nr_volumes; i++)
		h->volumes[i] = sb->volumes[i];
	s->role_ops->hello(s->engine, h);
}

int dmo_session_check_ready(struct dmo_session *s, struct dmo_reason *why)
{
	u32 i;

	for (i = 0; i < s->meta->sb.nr_volumes; i++) {
		if (s->vols[i].active)
			continue;
		return dmo_refuse(why, -EBUSY,
				  "volume %u has no active table: create or resume it first (%u of %u volumes are active)",
				  s->vols[i].id, s->nr_active, s->meta->sb.nr_volumes);
	}
	if (dmo_meta_failed(s->meta))
		return dmo_refuse(why, -EIO,
				  "metadata device %s failed: %.180s", s->name, s->meta->why.text);
	return 0;
}

static int attach_link(struct dmo_session *s, int fd, u32 timeout_ms, struct dmo_reason *why)
{
	struct socket *sock;
	struct dmo_link *l;
	int rc;

	lockdep_assert_held(&s->lock);
	if (!(s->meta->sb.flags & DMO_SBF_PLAIN))
		return dmo_refuse(why, -EPERM,
				  "the session wants authenticated links, which this version can't make: format both sides with --plain for an unauthenticated one");
	if (s->no_link)
		return dmo_refuse(why, -ECANCELED,
				  "disconnected by command: orderedctl connect or listen makes links again");
	rc = dmo_session_check_ready(s, why);
	if (rc)
		return rc;
	if (s->link && dmo_link_ended(s->link))
		dmo_session_end_link(s, NULL);
	if (s->link)
		return dmo_refuse(why, -EEXIST,
				  "the session has a link already: disconnect it first");
	sock = dmo_link_check_fd(fd, why);
	if (IS_ERR(sock))
		return PTR_ERR(sock);
	WRITE_ONCE(s->refused, 0);
	fill_hello(s, s->own);
	down_write(&s->link_sem);
	l = dmo_link_start(sock, s->own, &link_ops, s,
			   timeout_ms ?: s->meta->sb.link_timeout_ms, why);
	if (!IS_ERR(l))
		s->link = l;
	up_write(&s->link_sem);
	if (IS_ERR(l))
		return PTR_ERR(l);
	s->link_since = jiffies;
	return 0;
}

int dmo_session_attach_link(struct dmo_session *s, int fd, u32 timeout_ms, struct dmo_reason *why)
{
	int rc;

	dmo_session_enter(s, "making a link");
	rc = attach_link(s, fd, timeout_ms, why);
	dmo_session_leave(s);
	return rc;
}

int dmo_session_detach_link(struct dmo_session *s, bool more, struct dmo_reason *why)
{
	int rc = 0;

	dmo_session_enter(s, "ending a link");
	if (s->link)
		dmo_session_end_link(s, "disconnected by command");
	else if (more || s->no_link)
		rc = dmo_refuse(why, -ENOTCONN, "the session has no link");
	s->no_link |= !more;
	dmo_session_leave(s);
	return rc;
}

void dmo_session_want_link(struct dmo_session *s)
{
	dmo_session_enter(s, "making a link");
	s->no_link = false;
	dmo_session_leave(s);
}
