// SPDX-License-Identifier: GPL-2.0-only
/* Sessions: see session.h. */
#include <linux/ktime.h>
#include <linux/random.h>
#include <linux/timekeeping.h>
#include <linux/sched/mm.h>
#include "meta/load.h"
#include "session/session.h"

#define DM_MSG_PREFIX "ordered"

DEFINE_MUTEX(dmo_sessions_lock);
LIST_HEAD(dmo_sessions);
static DECLARE_WAIT_QUEUE_HEAD(commands_wait);	/* session->commands became 0; @sessions_gone changed */
static unsigned int sessions_gone;		/* dmo_sessions_lock */
static dmo_event_fn *event_fn;		/* set before there is a session */

#define STATUS_PATIENCE	(HZ / 5)

/*
 * Under session->lock nothing may wait for writeback: a resume needs it while its device is
 * still suspended.
 */
static void locked(struct dmo_session *s, const char *what)
{
	s->noio = memalloc_noio_save();
	WRITE_ONCE(s->busy_since, jiffies);
	WRITE_ONCE(s->busy, what);
}

/* @what is done under the lock, in words for whoever does not get it: a constant */
static void lock_session(struct dmo_session *s, const char *what)
{
	mutex_lock(&s->lock);
	locked(s, what);
}

/*
 * For looking only. Whoever holds the lock may wait for a disk that hangs, or for the peer. Return: false if
 * it can't be had soon.
 */
static bool lock_session_soon(struct dmo_session *s)
{
	unsigned long end = jiffies + STATUS_PATIENCE;

	while (!mutex_trylock(&s->lock)) {
		if (time_after(jiffies, end))
			return false;
		schedule_timeout_idle(1);
	}
	locked(s, "being looked at");
	return true;
}

static void unlock_session(struct dmo_session *s)
{
	unsigned int noio = s->noio;

	WRITE_ONCE(s->busy, NULL);
	mutex_unlock(&s->lock);
	memalloc_noio_restore(noio);
}

void dmo_session_events_to(dmo_event_fn *fn)
{
	event_fn = fn;
}

/* ---- what the engines ask of the session ---- */

static void session_event(void *owner, u32 event, struct dmo_cut cut, int volume, const char *why)
{
	struct dmo_session *s = owner;

	if (event == DMO_EVENT_ERROR && why) {
		DMWARN("%s: %s", s->name, why);
		spin_lock(&s->why_lock);
		strscpy(s->why, why, sizeof(s->why));
		spin_unlock(&s->why_lock);
	}
	if (event_fn)
		event_fn(s->meta_dev, s->meta->sb.uuid, event, cut, volume, why);
}

static void session_post(void *owner, u16 type, struct dmo_cut tag, u64 arg)
{
	struct dmo_session *s = owner;

	down_read(&s->link_sem);
	/*
	 * The link changes only under link_sem held for writing, and before another one
	 * comes the primary is told; so what it says goes over the link it speaks of.
	 */
	if (s->link && dmo_link_is_up(s->link) && (!s->pri || dmo_primary_is_up(s->pri)))
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

static const struct dmo_pri_ops pri_ops = {
	.post = session_post,
	.kick = session_kick,
	.abort = session_abort,
	.event = session_event,
};

static const struct dmo_sec_ops sec_ops = {
	.data_bdev = session_data,
	.post = session_post,
	.event = session_event,
};

/* ---- link ---- */

static int link_hello(void *owner, struct dmo_link *l, const struct dmo_hello *peer, char *why)
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
	char why[DMO_REASON_LEN] = "";

	s->link_since = jiffies;
	if (s->pri) {
		dmo_primary_link_up(s->pri, peer, s->rel);
	} else if (dmo_secondary_link_up(s->sec, peer, why)) {
		dmo_link_abort(l, why);
		return;
	}
	spin_lock(&s->why_lock);
	if (!dmo_link_ended(l))		/* by now, and then there is a reason */
		s->why[0] = '\0';
	spin_unlock(&s->why_lock);
	session_event(s, DMO_EVENT_LINK_UP, (struct dmo_cut){}, -1, NULL);
}

static int link_frame(void *owner, struct dmo_link *l, const struct dmo_frame_hdr *h,
		      const void *payload, char *why)
{
	struct dmo_session *s = owner;

	if (s->pri)
		return dmo_primary_frame(s->pri, h, why);
	return dmo_secondary_frame(s->sec, l, h, payload, why);
}

static int link_produce(void *owner, struct dmo_link *l, char *why)
{
	struct dmo_session *s = owner;

	return s->pri ? dmo_primary_produce(s->pri, l, why) : 0;
}

static void link_down(void *owner, struct dmo_link *l, const char *why)
{
	struct dmo_session *s = owner;

	spin_lock(&s->why_lock);
	strscpy(s->why, why, sizeof(s->why));
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

/*
 * The link's threads end here; they take link_sem for reading, so not under it.
 * @reason: for a link that has not ended by itself, else it has said why
 */
static void stop_link(struct dmo_session *s, const char *reason)
{
	struct dmo_link *l;
	char why[DMO_REASON_LEN];

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
	if (s->pri)
		dmo_primary_link_down(s->pri);
	if (s->sec)
		dmo_secondary_link_down(s->sec);
	/* not before its threads are gone: link_up() forgets why there was none */
	spin_lock(&s->why_lock);
	if (reason)
		strscpy(s->why, reason, sizeof(s->why));
	strscpy(why, s->why, sizeof(why));
	spin_unlock(&s->why_lock);
	session_event(s, DMO_EVENT_LINK_DOWN, (struct dmo_cut){}, -1, why);
}

static void link_work(struct work_struct *work)
{
	struct dmo_session *s = container_of(work, struct dmo_session, link_work);

	lock_session(s, "ending a link");
	/* a newer link may have come in between: only one that has ended is stopped */
	if (s->link && dmo_link_ended(s->link))
		stop_link(s, NULL);
	unlock_session(s);
}

static void end_link(struct dmo_session *s, const char *why)
{
	lockdep_assert_held(&s->lock);
	stop_link(s, why);
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
	h->attach_id = get_random_u64();
	mutex_lock(&s->meta->lock);
	h->epoch = s->meta->st.epoch;
	h->gen_current = sb->gen_current;
	memcpy(h->gen_history, sb->gen_history, sizeof(h->gen_history));
	mutex_unlock(&s->meta->lock);
	h->nr_volumes = sb->nr_volumes;
	for (i = 0; i < sb->nr_volumes; i++)
		h->volumes[i] = sb->volumes[i];
	if (s->pri)
		dmo_primary_hello(s->pri, h);
	else
		dmo_secondary_hello(s->sec, h);
}

static int check_ready(struct dmo_session *s, char *why)
{
	u32 i;

	for (i = 0; i < s->meta->sb.nr_volumes; i++) {
		if (s->vols[i].active)
			continue;
		snprintf(why, DMO_REASON_LEN,
			 "volume %u has no active table: create or resume it first (%u of %u volumes are active)",
			 s->vols[i].id, s->nr_active, s->meta->sb.nr_volumes);
		return -EBUSY;
	}
	if (dmo_meta_failed(s->meta)) {
		snprintf(why, DMO_REASON_LEN, "metadata device %s failed: %.180s", s->name,
			 s->meta->why);
		return -EIO;
	}
	return 0;
}

static int attach_link(struct dmo_session *s, int fd, u32 timeout_ms, char *why)
{
	struct socket *sock;
	struct dmo_link *l;
	int r;

	lockdep_assert_held(&s->lock);
	if (!(s->meta->sb.flags & DMO_SBF_PLAIN)) {
		strscpy(why, "the session wants authenticated links, which this version can't make: format both sides with --plain for an unauthenticated one",
			DMO_REASON_LEN);
		return -EPERM;
	}
	if (s->no_link) {
		strscpy(why, "disconnected by command: orderedctl connect or listen makes links again",
			DMO_REASON_LEN);
		return -ECANCELED;
	}
	r = check_ready(s, why);
	if (r)
		return r;
	if (s->link && dmo_link_ended(s->link))
		stop_link(s, NULL);
	if (s->link) {
		strscpy(why, "the session has a link already: disconnect it first", DMO_REASON_LEN);
		return -EEXIST;
	}
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

int dmo_session_attach_link(struct dmo_session *s, int fd, u32 timeout_ms, char *why)
{
	int r;

	lock_session(s, "making a link");
	r = attach_link(s, fd, timeout_ms, why);
	unlock_session(s);
	return r;
}

int dmo_session_detach_link(struct dmo_session *s, bool more, char *why)
{
	int r = 0;

	lock_session(s, "ending a link");
	if (s->link) {
		end_link(s, "disconnected by command");
	} else if (more || s->no_link) {
		strscpy(why, "the session has no link", DMO_REASON_LEN);
		r = -ENOTCONN;
	}
	s->no_link |= !more;
	unlock_session(s);
	return r;
}

void dmo_session_want_link(struct dmo_session *s)
{
	lock_session(s, "making a link");
	s->no_link = false;
	unlock_session(s);
}

/* ---- life of sessions and volumes ---- */

struct dmo_session *dmo_session_find(dev_t dev)
{
	struct dmo_session *s;

	lockdep_assert_held(&dmo_sessions_lock);
	list_for_each_entry(s, &dmo_sessions, node)
		if (s->meta_dev == dev && !s->dying)
			return s;
	return NULL;
}

/* One that is being removed has its metadata device still: until that is over, nobody else may. */
static void wait_for_dying(dev_t dev)
{
	struct dmo_session *s;
	unsigned int gone;
	bool there;

	lockdep_assert_held(&dmo_sessions_lock);
	do {
		there = false;
		list_for_each_entry(s, &dmo_sessions, node)
			there |= s->meta_dev == dev && s->dying;
		if (there) {
			gone = sessions_gone;
			mutex_unlock(&dmo_sessions_lock);
			wait_event(commands_wait, READ_ONCE(sessions_gone) != gone);
			mutex_lock(&dmo_sessions_lock);
		}
	} while (there);
}

/* One kernel may hold both ends of a session, but no role of it twice. */
static int check_twin(const u8 *uuid, u32 role, struct dmo_session *but, char *why)
{
	struct dmo_session *s;

	lockdep_assert_held(&dmo_sessions_lock);
	list_for_each_entry(s, &dmo_sessions, node) {
		if (s == but || memcmp(s->meta->sb.uuid, uuid, DMO_UUID_LEN) ||
		    (READ_ONCE(s->role) != role && !(s->promoting && role == DMO_ROLE_PRIMARY)))
			continue;
		snprintf(why, DMO_REASON_LEN,
			 "session %pUb is already active here as %s on %s: remove that one first, and never copy a metadata device",
			 uuid, dmo_role_name(role), s->name);
		return -EBUSY;
	}
	return 0;
}

struct dmo_session *dmo_session_get(struct block_device *meta, char *why)
{
	struct dmo_session *s;
	struct dmo_meta *m;
	u32 i;
	int r;

	wait_for_dying(meta->bd_dev);
	s = dmo_session_find(meta->bd_dev);
	if (s) {
		s->refs++;
		return s;
	}
	m = dmo_meta_load(meta, why);
	if (IS_ERR(m))
		return ERR_CAST(m);
	r = check_twin(m->sb.uuid, m->sb.role, NULL, why);
	if (r)
		goto bad;
	r = -ENOMEM;
	strscpy(why, "no memory", DMO_REASON_LEN);
	s = kzalloc(struct_size(s, vols, m->sb.nr_volumes), GFP_KERNEL);
	if (!s)
		goto bad;
	s->own = kzalloc(sizeof(*s->own), GFP_KERNEL);
	if (!s->own)
		goto bad;
	s->refs = 1;
	s->meta = m;
	s->meta_dev = meta->bd_dev;
	snprintf(s->name, sizeof(s->name), "%pg", meta);
	s->role = m->sb.role;
	s->link_since = jiffies;
	s->inactive_since = jiffies;
	mutex_init(&s->lock);
	init_rwsem(&s->link_sem);
	spin_lock_init(&s->why_lock);
	INIT_WORK(&s->link_work, link_work);
	for (i = 0; i < m->sb.nr_volumes; i++)
		s->vols[i].id = m->sb.volumes[i].id;
	list_add_tail(&s->node, &dmo_sessions);
	return s;
bad:
	kfree(s);
	dmo_meta_free(m);
	return ERR_PTR(r);
}

void dmo_session_hold(struct dmo_session *s)
{
	lockdep_assert_held(&dmo_sessions_lock);
	s->commands++;
}

void dmo_session_release(struct dmo_session *s)
{
	lockdep_assert_held(&dmo_sessions_lock);
	WRITE_ONCE(s->commands, s->commands - 1);
	if (!s->commands)
		wake_up_all(&commands_wait);
}

void dmo_session_put(struct dmo_session *s)
{
	bool last;

	mutex_lock(&dmo_sessions_lock);
	last = !--s->refs;
	/* nobody finds it any more; it stays in the list for wait_for_dying() */
	s->dying = last;
	mutex_unlock(&dmo_sessions_lock);
	if (!last)
		return;
	wait_event(commands_wait, !READ_ONCE(s->commands));
	/* without dmo_sessions_lock: the disks of this one may hang, and the others go on */
	lock_session(s, "being removed");
	end_link(s, "the session was removed");
	unlock_session(s);
	cancel_work_sync(&s->link_work);
	/* before the mark of a clean stop, which says that it holds */
	if (s->pri || s->sec)
		dmo_witness_store(s->meta);
	if (s->pri)
		dmo_primary_free(s->pri);
	if (s->sec) {
		dmo_secondary_stop(s->sec);
		dmo_secondary_free(s->sec);
	}
	mutex_lock(&dmo_sessions_lock);
	list_del(&s->node);
	WRITE_ONCE(sessions_gone, sessions_gone + 1);
	wake_up_all(&commands_wait);
	mutex_unlock(&dmo_sessions_lock);
	dmo_meta_free(s->meta);
	kfree(s->own);
	kfree(s);
}

/* Is a device in use by any session as @what it must not be? */
static int check_devices(struct dmo_session *mine, u32 index, struct mapped_device *md,
			 struct block_device *data, char *why)
{
	struct dmo_session *s;
	dev_t own = disk_devt(dm_disk(md));
	u32 i;

	if (data->bd_dev == own || mine->meta_dev == own) {
		strscpy(why, "the data or metadata device is the dm device itself", DMO_REASON_LEN);
		return -ELOOP;
	}
	list_for_each_entry(s, &dmo_sessions, node) {
		if (s->meta_dev == data->bd_dev) {
			snprintf(why, DMO_REASON_LEN, "data device %pg is the metadata device of a session",
				 data);
			return -EBUSY;
		}
		for (i = 0; i < s->meta->sb.nr_volumes; i++) {
			struct dmo_svol *v = &s->vols[i];
			dev_t dm;

			if (!v->tables)
				continue;
			dm = disk_devt(dm_disk(v->md));
			if (s == mine && (dm == data->bd_dev || dm == mine->meta_dev)) {
				snprintf(why, DMO_REASON_LEN,
					 "the %s device is volume %u of the same session",
					 dm == data->bd_dev ? "data" : "metadata", v->id);
				return -ELOOP;
			}
			if ((s != mine || i != index) && v->data == data) {
				snprintf(why, DMO_REASON_LEN,
					 "data device %pg is in use by volume %u of the session on %s",
					 data, v->id, s->name);
				return -EBUSY;
			}
		}
	}
	return 0;
}

static int find_volume(struct dmo_session *s, u32 id)
{
	u32 i;

	for (i = 0; i < s->meta->sb.nr_volumes; i++)
		if (s->vols[i].id == id)
			return i;
	return -ENODEV;
}

int dmo_session_attach_volume(struct dmo_session *s, u32 id, struct mapped_device *md,
			      struct block_device *data, const char *ident, u64 sectors,
			      char *why)
{
	int index = find_volume(s, id), r;
	struct dmo_volume_info *info;
	struct dmo_svol *v;

	lockdep_assert_held(&dmo_sessions_lock);
	if (index < 0) {
		snprintf(why, DMO_REASON_LEN,
			 "volume %u is not in the superblock on %s, which lists %u volumes: see orderedctl dump",
			 id, s->name, s->meta->sb.nr_volumes);
		return -ENODEV;
	}
	info = &s->meta->sb.volumes[index];
	v = &s->vols[index];
	if (sectors != info->sectors) {
		snprintf(why, DMO_REASON_LEN,
			 "the table has %llu sectors, but volume %u was formatted with %llu",
			 sectors, id, info->sectors);
		return -EINVAL;
	}
	if (bdev_nr_sectors(data) < info->sectors) {
		snprintf(why, DMO_REASON_LEN,
			 "data device %pg has %llu sectors, volume %u needs %llu", data,
			 (u64)bdev_nr_sectors(data), id, info->sectors);
		return -ENOSPC;
	}
	if (bdev_logical_block_size(data) > info->lbs) {
		snprintf(why, DMO_REASON_LEN,
			 "data device %pg has logical blocks of %u bytes, volume %u was formatted for %u",
			 data, bdev_logical_block_size(data), id, info->lbs);
		return -EINVAL;
	}
	if (v->tables && v->md != md) {
		snprintf(why, DMO_REASON_LEN, "volume %u is already in use by dm device %s", id,
			 dm_device_name(v->md));
		return -EBUSY;
	}
	if (v->tables && v->data != data) {
		snprintf(why, DMO_REASON_LEN,
			 "volume %u has data device %pg: remove its dm device before it is given another",
			 id, v->data);
		return -EBUSY;
	}
	r = check_devices(s, index, md, data, why);
	if (r)
		return r;
	v->data = data;
	strscpy(v->ident, ident, sizeof(v->ident));
	WRITE_ONCE(v->md, md);
	v->tables++;
	return index;
}

void dmo_session_detach_volume(struct dmo_session *s, u32 index)
{
	struct dmo_svol *v = &s->vols[index];
	bool last, known;
	char why[64];

	mutex_lock(&dmo_sessions_lock);
	/* of the last table; no other dm device can have this volume meanwhile */
	last = v->tables == 1;
	known = v->known;
	mutex_unlock(&dmo_sessions_lock);
	if (last) {
		lock_session(s, "removing a volume");
		snprintf(why, sizeof(why), "volume %u was removed", v->id);
		end_link(s, why);
		if (s->sec)
			dmo_secondary_stop(s->sec);
		unlock_session(s);
	}
	/* not before: a copy that begins now would withdraw it. Without the lock: it waits for the disk */
	if (last && known)
		dmo_witness_renew(s->meta, index, v->data);
	lock_session(s, "removing a volume");
	if (last) {
		if (v->gated && s->sec)
			dmo_secondary_gate(s->sec, false);
		v->gated = false;
	}
	mutex_lock(&dmo_sessions_lock);
	if (!--v->tables) {
		v->known = false;
		WRITE_ONCE(v->md, NULL);
		v->data = NULL;
	}
	mutex_unlock(&dmo_sessions_lock);
	unlock_session(s);
}

static int make_engine(struct dmo_session *s, char *why)
{
	u64 budget = (u64)s->meta->sb.budget_mib << 20;

	if (s->role == DMO_ROLE_PRIMARY && !s->pri) {
		struct dmo_primary *p = dmo_primary_create(s->meta, &pri_ops, s, s->name, why);

		if (IS_ERR(p))
			return PTR_ERR(p);
		s->pri = p;
	} else if (s->role == DMO_ROLE_SECONDARY && !s->sec) {
		struct dmo_secondary *sec;

		sec = dmo_secondary_create(s->meta, &sec_ops, s, budget, why);
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
	lock_session(s, "activating a volume");
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
	unlock_session(s);
	return r;
}

void dmo_session_resume(struct dmo_session *s, u32 index)
{
	struct dmo_svol *v = &s->vols[index];
	bool all;

	lock_session(s, "resuming a volume");
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
	unlock_session(s);
}

void dmo_session_presuspend(struct dmo_session *s, u32 index)
{
	struct dmo_svol *v = &s->vols[index];
	struct dmo_secondary *sec;

	lock_session(s, "suspending a volume");
	sec = s->sec;
	if (sec && !v->gated) {
		dmo_secondary_gate(sec, true);
		v->gated = true;
	}
	unlock_session(s);
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
	lock_session(s, "suspending a volume");
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
			end_link(s, "a volume was suspended during a direct copy");
	}
	unlock_session(s);
	kfree(st);
}

/* ---- commands ---- */

int dmo_session_switch(struct dmo_session *s, struct dmo_cut *cut, char *why)
{
	int r = 0;

	lock_session(s, "switching");
	if (s->pri) {
		*cut = dmo_primary_switch(s->pri);
	} else {
		snprintf(why, DMO_REASON_LEN, "the session is %s here: only an active primary switches cycles",
			 s->role == DMO_ROLE_SECONDARY ? "secondary" : "not active");
		r = -EINVAL;
	}
	unlock_session(s);
	return r;
}

int dmo_session_set(struct dmo_session *s, u32 cycle_ms, u32 budget_mib, u32 timeout_ms,
		    char *why)
{
	struct dmo_meta *m = s->meta;
	struct dmo_super *sb = &m->sb;
	u32 old[3];
	int r;

	if (budget_mib) {
		r = dmo_ref_unit(sb->volumes, sb->nr_volumes, (u64)budget_mib << 20, why);
		if (r < 0)
			return r;
	}
	lock_session(s, "setting parameters");
	mutex_lock(&m->lock);
	old[0] = sb->cycle_ms;
	old[1] = sb->budget_mib;
	old[2] = sb->link_timeout_ms;
	sb->cycle_ms = cycle_ms ?: old[0];
	sb->budget_mib = budget_mib ?: old[1];
	sb->link_timeout_ms = timeout_ms ?: old[2];
	r = dmo_meta_write_super(m);
	if (r) {
		/* refused: what is in force is what it was */
		sb->cycle_ms = old[0];
		sb->budget_mib = old[1];
		sb->link_timeout_ms = old[2];
		strscpy(why, m->why, DMO_REASON_LEN);
	}
	mutex_unlock(&m->lock);
	if (r && s->pri)
		dmo_primary_meta_error(s->pri);
	else if (s->pri)
		dmo_primary_set(s->pri, sb->cycle_ms, (u64)sb->budget_mib << 20);
	unlock_session(s);
	return r;
}

static int check_gates(struct dmo_session *s, char *why)
{
	u32 i;

	lockdep_assert_held(&s->lock);
	for (i = 0; i < s->meta->sb.nr_volumes; i++) {
		if (!s->vols[i].gated)
			continue;
		snprintf(why, DMO_REASON_LEN, "volume %u is being suspended: resume it first",
			 s->vols[i].id);
		return -EBUSY;
	}
	return 0;
}

static int check_closed(struct dmo_session *s, char *why)
{
	u32 i;

	for (i = 0; i < s->meta->sb.nr_volumes; i++) {
		struct dmo_svol *v = &s->vols[i];

		/* active, so there is a table */
		if (!atomic_read(&dm_disk(v->md)->part0->bd_openers))
			continue;
		snprintf(why, DMO_REASON_LEN,
			 "volume %u (dm device %s) is open: close or unmount it before the promotion",
			 v->id, dm_device_name(v->md));
		return -EBUSY;
	}
	return 0;
}

/* The new role and generation, durable before any host write (design section 4). */
static int write_role(struct dmo_session *s, struct dmo_cut cut, char *why)
{
	struct dmo_meta *m = s->meta;
	struct dmo_super *sb = &m->sb;
	int r;

	mutex_lock(&m->lock);
	/*
	 * Tags of the new primary are above all that was ever complete here. Where nothing was, its
	 * first may be one that the old primary had given, (1,1): nobody takes it for that. A
	 * secondary that has the old one is of another generation: it gets a full copy,
	 * and the epoch is raised above its boundary first (link_established()).
	 */
	m->st.epoch = max(m->st.epoch, cut.epoch);
	if (dmo_cut_cmp(cut, m->st.newest) > 0)
		m->st.newest = cut;
	r = dmo_meta_write_state(m);
	if (r)
		goto out;
	if (sb->gen_current) {
		memmove(&sb->gen_history[1], &sb->gen_history[0],
			(DMO_GEN_HISTORY - 1) * sizeof(sb->gen_history[0]));
		sb->gen_history[0] = sb->gen_current;
	}
	sb->gen_current = get_random_u64() | 1;
	sb->role = DMO_ROLE_PRIMARY;
	sb->flags &= ~(DMO_SBF_INCONSISTENT | DMO_SBF_ASSUME_EQUAL);
	sb->copy_id = 0;
	r = dmo_meta_write_super(m);
out:
	if (r)
		strscpy(why, m->why, DMO_REASON_LEN);
	mutex_unlock(&m->lock);
	return r;
}

static int promote(struct dmo_session *s, bool force, struct dmo_cut *cut, char *why)
{
	struct dmo_secondary *sec;
	u32 i;
	int r;

	lockdep_assert_held(&s->lock);
	if (s->role != DMO_ROLE_SECONDARY || !s->sec) {
		snprintf(why, DMO_REASON_LEN, s->role == DMO_ROLE_PRIMARY ?
			 "the session is primary already" : "the session is not active");
		return -EINVAL;
	}
	r = check_ready(s, why);
	if (!r)
		r = check_gates(s, why);
	if (!r)
		r = check_closed(s, why);
	/* a copy under way is not to lose its link over what will be refused */
	if (!r)
		r = dmo_secondary_may_promote(s->sec, force, why);
	if (r)
		return r;
	end_link(s, "this side was promoted");
	r = dmo_secondary_finish(s->sec, force, cut, why);
	if (r)
		return r;
	r = write_role(s, *cut, why);
	if (r)
		return r;
	dmo_secondary_stop(s->sec);
	sec = s->sec;
	down_write(&s->link_sem);	/* of who looks how far it has come */
	s->sec = NULL;
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
	session_event(s, DMO_EVENT_PROMOTED, *cut, -1, NULL);
	return 0;
}

int dmo_session_promote(struct dmo_session *s, bool force, struct dmo_cut *cut, char *why)
{
	int r;

	mutex_lock(&dmo_sessions_lock);
	r = check_twin(s->meta->sb.uuid, DMO_ROLE_PRIMARY, s, why);
	s->promoting = !r;
	mutex_unlock(&dmo_sessions_lock);
	if (r)
		return r;
	lock_session(s, "promoting");
	r = promote(s, force, cut, why);
	unlock_session(s);
	mutex_lock(&dmo_sessions_lock);
	s->promoting = false;
	mutex_unlock(&dmo_sessions_lock);
	return r;
}

/* ---- status ---- */

static void primary_status(struct dmo_session *s, struct dmo_session_status *st)
{
	dmo_primary_status(s->pri, st->link.sending, &st->pri);
	if (st->pri.copy_pending)
		st->flags |= DMO_F_COPY_PENDING;
	if (st->pri.peer_inconsistent)
		st->flags |= DMO_F_PEER_INCONSISTENT;
	if (st->pri.no_copy)
		st->flags |= DMO_F_NO_COPY;
	if (st->link.state == DMO_LINK_UP)
		st->state = st->pri.copying ? DMO_STATE_COPYING : DMO_STATE_REPLICATING;
	st->block = st->pri.block;
	st->block_ms = jiffies_to_msecs(jiffies - st->pri.block_since);
}

static void secondary_status(struct dmo_session *s, struct dmo_session_status *st)
{
	dmo_secondary_status(s->sec, &st->sec);
	if (st->link.state == DMO_LINK_UP) {
		const struct dmo_hello *peer = dmo_link_peer(s->link);

		st->state = st->sec.direct ? DMO_STATE_COPYING : DMO_STATE_REPLICATING;
		if ((peer->flags & DMO_HELLOF_FULL_COPY) && !st->sec.direct &&
		    !st->sec.inconsistent &&
		    !dmo_cut_cmp(st->sec.complete, s->own->complete))
			st->flags |= DMO_F_COPY_PENDING;
	}
	st->block = st->sec.block;
	st->block_ms = jiffies_to_msecs(jiffies - st->sec.block_since);
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
	st->generation = READ_ONCE(sb->gen_current);
	st->link.since = READ_ONCE(s->link_since);
	snprintf(st->why, sizeof(st->why), "%s, which waits for a disk or for the peer",
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
	if (!lock_session_soon(s)) {
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
	st->generation = sb->gen_current;
	st->link.since = s->link_since;
	down_read(&s->link_sem);
	if (s->link)
		dmo_link_info(s->link, &st->link);
	if (s->no_link)
		st->flags |= DMO_F_NO_LINK;
	if (st->link.state == DMO_LINK_NONE)
		st->flags |= READ_ONCE(s->refused);
	if (s->pri)
		primary_status(s, st);
	else if (s->sec)
		secondary_status(s, st);
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
	strscpy(st->why, dmo_meta_failed(s->meta) ? s->meta->why : s->why, sizeof(st->why));
	spin_unlock(&s->why_lock);
	unlock_session(s);
}
