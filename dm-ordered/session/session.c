// SPDX-License-Identifier: GPL-2.0-only
/* Sessions: their life, their lock, their volumes and parameters; see session.h and session_priv.h. */
#include <linux/sched/mm.h>
#include "meta/load.h"
#include "session/session_priv.h"

#define DM_MSG_PREFIX "ordered"

DEFINE_MUTEX(dmo_sessions_lock);
LIST_HEAD(dmo_sessions);
static DECLARE_WAIT_QUEUE_HEAD(commands_wait);	/* session->commands became 0; @sessions_gone changed */
static unsigned int sessions_gone;		/* dmo_sessions_lock */
static dmo_event_fn *event_fn;		/* set before there is a session */

#define STATUS_PATIENCE	(HZ / 5)

static void locked(struct dmo_session *s, const char *what)
{
	s->noio = memalloc_noio_save();
	WRITE_ONCE(s->busy_since, jiffies);
	WRITE_ONCE(s->busy, what);
}

void dmo_session_enter(struct dmo_session *s, const char *what)
{
	mutex_lock(&s->lock);
	locked(s, what);
}

bool dmo_session_enter_soon(struct dmo_session *s)
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

void dmo_session_leave(struct dmo_session *s)
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

void dmo_session_event(void *owner, u32 event, struct dmo_cut cut, int volume, const char *why)
{
	struct dmo_session *s = owner;

	if (event == DMO_EVENT_ERROR && why) {
		DMWARN("%s: %s", s->name, why);
		spin_lock(&s->why_lock);
		strscpy(s->why.text, why, sizeof(s->why.text));
		spin_unlock(&s->why_lock);
	}
	if (event_fn)
		event_fn(s->meta_dev, s->meta->sb.uuid, event, cut, volume, why);
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

int dmo_session_check_twin(const u8 *uuid, u32 role, struct dmo_session *but, struct dmo_reason *why)
{
	struct dmo_session *s;

	lockdep_assert_held(&dmo_sessions_lock);
	list_for_each_entry(s, &dmo_sessions, node) {
		if (s == but || memcmp(s->meta->sb.uuid, uuid, DMO_UUID_LEN) ||
		    (READ_ONCE(s->role) != role && !(s->promoting && role == DMO_ROLE_PRIMARY)))
			continue;
		return dmo_refuse(why, -EBUSY,
				  "session %pUb is already active here as %s on %s: remove that one first, and never copy a metadata device",
				  uuid, dmo_role_name(role), s->name);
	}
	return 0;
}

struct dmo_session *dmo_session_get(struct block_device *meta, struct dmo_reason *why)
{
	struct dmo_session *s;
	struct dmo_meta *m;
	u32 i;
	int rc;

	wait_for_dying(meta->bd_dev);
	s = dmo_session_find(meta->bd_dev);
	if (s) {
		s->refs++;
		return s;
	}
	m = dmo_meta_load(meta, why);
	if (IS_ERR(m))
		return ERR_CAST(m);
	rc = dmo_session_check_twin(m->sb.uuid, m->sb.role, NULL, why);
	if (rc)
		goto bad;
	rc = -ENOMEM;
	dmo_refuse(why, 0, "no memory");
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
	INIT_WORK(&s->link_work, dmo_session_link_work);
	for (i = 0; i < m->sb.nr_volumes; i++)
		s->vols[i].id = m->sb.volumes[i].id;
	list_add_tail(&s->node, &dmo_sessions);
	return s;
bad:
	kfree(s);
	dmo_meta_free(m);
	return ERR_PTR(rc);
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
	dmo_session_enter(s, "being removed");
	dmo_session_end_link(s, "the session was removed");
	dmo_session_leave(s);
	cancel_work_sync(&s->link_work);
	/* before the mark of a clean stop, which says that it holds */
	if (s->engine) {
		dmo_witness_store(s->meta);
		s->role_ops->free(s->engine);
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
			 struct block_device *data, struct dmo_reason *why)
{
	struct dmo_session *s;
	dev_t own = disk_devt(dm_disk(md));
	u32 i;

	if (data->bd_dev == own || mine->meta_dev == own)
		return dmo_refuse(why, -ELOOP,
				  "the data or metadata device is the dm device itself");
	list_for_each_entry(s, &dmo_sessions, node) {
		if (s->meta_dev == data->bd_dev)
			return dmo_refuse(why, -EBUSY,
					  "data device %pg is the metadata device of a session",
					  data);
		for (i = 0; i < s->meta->sb.nr_volumes; i++) {
			struct dmo_svol *v = &s->vols[i];
			dev_t dm;

			if (!v->tables)
				continue;
			dm = disk_devt(dm_disk(v->md));
			if (s == mine && (dm == data->bd_dev || dm == mine->meta_dev))
				return dmo_refuse(why, -ELOOP,
						  "the %s device is volume %u of the same session",
						  dm == data->bd_dev ? "data" : "metadata", v->id);
			if ((s != mine || i != index) && v->data == data)
				return dmo_refuse(why, -EBUSY,
						  "data device %pg is in use by volume %u of the session on %s",
						  data, v->id, s->name);
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
			      struct dmo_reason *why)
{
	int index = find_volume(s, id), rc;
	struct dmo_volume_info *info;
	struct dmo_svol *v;

	lockdep_assert_held(&dmo_sessions_lock);
	if (index < 0)
		return dmo_refuse(why, -ENODEV,
				  "volume %u is not in the superblock on %s, which lists %u volumes: see orderedctl dump",
				  id, s->name, s->meta->sb.nr_volumes);
	info = &s->meta->sb.volumes[index];
	v = &s->vols[index];
	if (sectors != info->sectors)
		return dmo_refuse(why, -EINVAL,
				  "the table has %llu sectors, but volume %u was formatted with %llu",
				  sectors, id, info->sectors);
	if (bdev_nr_sectors(data) < info->sectors)
		return dmo_refuse(why, -ENOSPC,
				  "data device %pg has %llu sectors, volume %u needs %llu", data,
				  (u64)bdev_nr_sectors(data), id, info->sectors);
	if (bdev_logical_block_size(data) > info->lbs)
		return dmo_refuse(why, -EINVAL,
				  "data device %pg has logical blocks of %u bytes, volume %u was formatted for %u",
				  data, bdev_logical_block_size(data), id, info->lbs);
	if (v->tables && v->md != md)
		return dmo_refuse(why, -EBUSY,
				  "volume %u is already in use by dm device %s", id,
				  dm_device_name(v->md));
	if (v->tables && v->data != data)
		return dmo_refuse(why, -EBUSY,
				  "volume %u has data device %pg: remove its dm device before it is given another",
				  id, v->data);
	rc = check_devices(s, index, md, data, why);
	if (rc)
		return rc;
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
		dmo_session_enter(s, "removing a volume");
		snprintf(why, sizeof(why), "volume %u was removed", v->id);
		dmo_session_end_link(s, why);
		if (s->engine)
			s->role_ops->stop(s->engine);
		dmo_session_leave(s);
	}
	/* not before: a copy that begins now would withdraw it. Without the lock: it waits for the disk */
	if (last && known)
		dmo_witness_renew(s->meta, index, v->data);
	dmo_session_enter(s, "removing a volume");
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
	dmo_session_leave(s);
}

/* ---- parameters ---- */

int dmo_session_set(struct dmo_session *s, u32 cycle_ms, u32 budget_mib, u32 timeout_ms,
		    struct dmo_reason *why)
{
	struct dmo_meta *m = s->meta;
	struct dmo_super *sb = &m->sb;
	u32 old[3];
	int rc;

	if (budget_mib) {
		rc = dmo_ref_unit(sb->volumes, sb->nr_volumes, (u64)budget_mib << 20, why);
		if (rc < 0)
			return rc;
	}
	dmo_session_enter(s, "setting parameters");
	mutex_lock(&m->lock);
	old[0] = sb->cycle_ms;
	old[1] = sb->budget_mib;
	old[2] = sb->link_timeout_ms;
	sb->cycle_ms = cycle_ms ?: old[0];
	sb->budget_mib = budget_mib ?: old[1];
	sb->link_timeout_ms = timeout_ms ?: old[2];
	rc = dmo_meta_write_super(m);
	if (rc) {
		/* refused: what is in force is what it was */
		sb->cycle_ms = old[0];
		sb->budget_mib = old[1];
		sb->link_timeout_ms = old[2];
		*why = m->why;
	}
	mutex_unlock(&m->lock);
	if (rc && s->engine)
		s->role_ops->meta_error(s->engine);
	else if (s->engine)
		s->role_ops->set(s->engine, sb->cycle_ms, (u64)sb->budget_mib << 20);
	dmo_session_leave(s);
	return rc;
}
