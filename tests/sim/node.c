// SPDX-License-Identifier: GPL-2.0-only
/* Nodes; see node.h. Takes the place of main.c and netlink.c. */
#include "node.h"
#include "primary/primary_priv.h"
#include "secondary/secondary_priv.h"
#include "target.h"

__attribute__((weak)) void sim_on_event(struct host *h, u32 event, u64 epoch, u64 n, int volume,
					const char *why)
{
	(void)h, (void)event, (void)epoch, (void)n, (void)volume, (void)why;
}

static void node_event(dev_t meta_dev, const u8 *uuid, u32 event, struct dmo_cut cut, int volume,
		       const char *why)
{
	(void)meta_dev;
	(void)uuid;
	might_sleep();
	sim_point();
	pr_sim("event ", "%u cut %llu.%llu %s", event, cut.epoch, cut.n, why ?: "");
	sim_on_event(sim_host(), event, cut.epoch, cut.n, volume, why);
}

/* ---- format ---- */

static const u8 the_uuid[DMO_UUID_LEN] = "dm-ordered-sim-1";

void node_init(struct node *n, const char *name, const struct node_format *f)
{
	char text[16];
	u32 i;

	memset(n, 0, sizeof(*n));
	n->host = host_new(name);
	n->host->owner = n;
	n->nr_volumes = f->nr_volumes;
	snprintf(text, sizeof(text), "%s-meta", name);
	n->meta = disk_new(n->host, text, f->meta_blocks * DMO_BLOCK_SECTORS);
	for (i = 0; i < f->nr_volumes; i++) {
		snprintf(text, sizeof(text), "%s-data%u", name, i);
		n->sectors[i] = f->sectors[i];
		n->data[i] = disk_new(n->host, text, f->sectors[i]);
	}
}

void node_format(struct node *n, const struct node_format *f)
{
	static struct dmo_super sb;
	static u8 buf[DMO_SB_BYTES];
	/* as format does: no remains of an earlier life are successors */
	u64 seq = 1000 + ((u64)n->formats++ << 44);
	struct dmo_state st = { .generation = 1, .tail_seq = seq, .seq_floor = seq,
				.tail_prev_csum = 0x12345678 + n->formats, .reach = 1 };
	struct dmo_reason why;
	u32 i;

	memset(&sb, 0, sizeof(sb));
	memcpy(sb.uuid, the_uuid, DMO_UUID_LEN);
	sb.role = f->role;
	sb.flags = f->flags | DMO_SBF_PLAIN;
	if (f->role == DMO_ROLE_SECONDARY && !(f->flags & DMO_SBF_ASSUME_EQUAL))
		sb.flags |= DMO_SBF_INCONSISTENT;
	sb.cycle_ms = f->cycle_ms ?: 100;
	sb.budget_mib = f->budget_mib ?: 1;
	sb.link_timeout_ms = f->link_timeout_ms ?: 1000;
	sb.nr_volumes = f->nr_volumes;
	for (i = 0; i < f->nr_volumes; i++) {
		sb.volumes[i].id = i;
		sb.volumes[i].lbs = 512;
		sb.volumes[i].sectors = f->sectors[i];
	}
	if (dmo_super_layout(&sb, disk_sectors(n->meta) / DMO_BLOCK_SECTORS, &why) ||
	    dmo_super_check(&sb, &why))
		sim_fail("format: %s", why.text);
	for (i = 0; i < 2; i++) {
		memset(buf, 0, DMO_BLOCK);
		st.generation = i + 1;
		dmo_state_encode(&st, sb.uuid, buf);
		disk_write_now(n->meta, (i ? DMO_STATE_BLOCK1 : DMO_STATE_BLOCK0) *
			       DMO_BLOCK_SECTORS, DMO_BLOCK_SECTORS, buf);
	}
	for (i = 0; i < 2; i++) {
		sb.generation = i + 1;
		dmo_super_encode(&sb, buf);
		disk_write_now(n->meta, (i ? DMO_SB_BLOCK1 : DMO_SB_BLOCK0) * DMO_BLOCK_SECTORS,
			       DMO_SB_BYTES / DMO_SECTOR, buf);
	}
}

/* ---- life ---- */

void node_boot(struct node *n)
{
	host_boot(n->host);
	n->booted = sim_now;
	n->incarnation++;
}

void node_crash(struct node *n, enum disk_survive how, struct sim_rng *r)
{
	u32 i;

	disk_power_cut(n->meta, how, r);
	for (i = 0; i < n->nr_volumes; i++) {
		disk_power_cut(n->data[i], how, r);
		n->md[i] = NULL;
	}
	host_kill(n->host);
	n->loaded = false;
	n->started = false;
}

static int load_module(struct node *n)
{
	int rc;

	if (n->loaded)
		return 0;
	rc = dmo_chunk_init();
	if (rc)
		return rc;
	rc = dmo_secondary_init();
	if (rc) {
		dmo_chunk_exit();
		return rc;
	}
	dmo_session_events_to(node_event);
	dmo_target_init();
	n->loaded = true;
	return 0;
}

int node_start(struct node *n)
{
	char name[16], line[64];
	int rc;
	u32 i;

	rc = load_module(n);
	for (i = 0; !rc && i < n->nr_volumes; i++) {
		if (n->md[i])
			continue;
		snprintf(name, sizeof(name), "%s-vol%u", n->host->name, i);
		snprintf(line, sizeof(line), "%s-data%u %s-meta %u%s", n->host->name, i,
			 n->host->name, i, n->accept ? " 1 accept_data_device" : "");
		rc = dm_create(n->host, name, n->sectors[i], line, &n->md[i]);
	}
	n->started = !rc;
	return rc;
}

int node_stop(struct node *n)
{
	u32 i;

	n->started = false;
	for (i = 0; i < n->nr_volumes; i++) {
		if (n->md[i])
			dm_remove(n->md[i]);
		n->md[i] = NULL;
	}
	if (n->host->system_wq)
		destroy_workqueue(n->host->system_wq);
	n->host->system_wq = NULL;
	if (n->loaded) {
		dmo_target_exit();
		dmo_secondary_exit();
		dmo_chunk_exit();
	}
	n->loaded = false;
	if (n->host->nr_allocs)
		sim_fail("%llu allocations, %llu bytes, are left after the module was removed",
			 n->host->nr_allocs, n->host->bytes);
	return 0;
}

struct dmo_session *node_session(struct node *n)
{
	struct host *was = host_entered();
	struct dmo_session *s = NULL;

	host_enter(n->host);
	if (n->loaded && !list_empty(&dmo_sessions))
		s = list_first_entry(&dmo_sessions, struct dmo_session, node);
	host_enter(was);
	return s;
}

/* A command holds the session, as those of netlink.c do. */
static struct dmo_session *hold(struct node *n)
{
	struct dmo_session *s;

	if (!n->loaded)
		return NULL;
	mutex_lock(&dmo_sessions_lock);
	s = dmo_session_find(disk_bdev(n->meta)->bd_dev);
	if (s)
		dmo_session_hold(s);
	mutex_unlock(&dmo_sessions_lock);
	return s;
}

static void release(struct dmo_session *s)
{
	mutex_lock(&dmo_sessions_lock);
	dmo_session_release(s);
	mutex_unlock(&dmo_sessions_lock);
}

int node_attach(struct node *n, int fd)
{
	struct dmo_session *s = hold(n);
	int rc;

	if (!s)
		return -ENODEV;
	dmo_session_want_link(s);
	rc = dmo_session_attach_link(s, fd, 0, &n->why);
	release(s);
	return rc;
}

int node_detach(struct node *n)
{
	struct dmo_session *s = hold(n);
	int rc;

	if (!s)
		return -ENODEV;
	rc = dmo_session_detach_link(s, false, &n->why);
	release(s);
	return rc;
}

int node_promote(struct node *n, bool force, struct dmo_cut *cut)
{
	struct dmo_session *s = hold(n);
	int rc;

	if (!s)
		return -ENODEV;
	rc = dmo_session_promote(s, force, cut, &n->why);
	release(s);
	return rc;
}

int node_reload(struct node *n)
{
	char line[64];
	int rc = 0;
	u32 i;

	for (i = 0; !rc && i < n->nr_volumes; i++) {
		snprintf(line, sizeof(line), "%s-data%u %s-meta %u", n->host->name, i,
			 n->host->name, i);
		rc = dm_load(n->md[i], n->sectors[i], line) ?: dm_resume(n->md[i]);
	}
	return rc;
}

/* Whatever is said to be since some time is so since this boot, and not from the future. */
static void check_times(struct node *n, const struct dmo_session_status *st)
{
	unsigned long now = jiffies, up = (sim_now - n->booted) / (NSEC_PER_SEC / HZ) + 2;
	const struct { const char *what; u64 ms; } since[] = {
		{ "block_ms", st->block_ms },
		{ "link_since_ms", jiffies_to_msecs(now - st->link.since) },
		{ "lag_ms", st->role == DMO_ROLE_PRIMARY ? st->pri.lag_ms : 0 },
		{ "copy_ms", st->role == DMO_ROLE_PRIMARY && st->pri.copying ?
			     jiffies_to_msecs(now - st->pri.copy_since) : 0 },
		{ "copy_ms of a secondary", st->sec.direct && st->sec.copy_total ?
			     jiffies_to_msecs(now - st->sec.copy_since) : 0 },
		{ "restore_ms", st->sec.restoring ?
			     jiffies_to_msecs(now - st->sec.restore_since) : 0 },
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(since); i++)
		if (since[i].ms > jiffies_to_msecs(up))
			sim_fail("status: state %u, block %u: %s is %llu, but this boot was %u ms ago",
				 st->state, st->block, since[i].what, since[i].ms,
				 jiffies_to_msecs(up));
	/* the peer may have been there before */
	if (st->role == DMO_ROLE_PRIMARY && st->state != DMO_STATE_BUSY &&
	    st->link.state == DMO_LINK_UP && jiffies_to_msecs(now - st->pri.peer_cond_since) >
	    jiffies_to_msecs(sim_now / (NSEC_PER_SEC / HZ) + 2))
		sim_fail("status: the peer suffers from %u since before there was a time",
			 st->pri.peer_cond);
}

int node_status(struct node *n, struct dmo_session_status *st)
{
	struct dmo_session *s = hold(n);

	if (!s)
		return -ENODEV;
	dmo_session_status(s, st);
	check_times(n, st);
	release(s);
	return 0;
}

/* ---- from the main stack ---- */

struct call {
	struct node *n;
	int (*fn)(struct node *n, void *arg);
	void *arg;
	int rc;
	bool done;
};

static void call_main(void *arg)
{
	struct call *c = arg;

	c->rc = c->fn(c->n, c->arg);
	c->done = true;
	sim_stop = true;
}

int node_call(struct node *n, int (*fn)(struct node *n, void *arg), void *arg, u64 limit)
{
	struct call c = { .n = n, .fn = fn, .arg = arg };
	u64 until = sim_now + limit;

	sim_spawn(n->host, call_main, &c, "call", false);
	while (!c.done) {
		switch (sim_run(until)) {
		case SIM_STOPPED:
			break;
		case SIM_FAILED:
			return -ENOTRECOVERABLE;
		default:
			return -ETIMEDOUT;
		}
	}
	return c.rc;
}

int node_do_start(struct node *n, void *unused)
{
	(void)unused;
	return node_start(n);
}

int node_do_stop(struct node *n, void *unused)
{
	(void)unused;
	return node_stop(n);
}

int node_do_promote(struct node *n, void *promotion)
{
	struct node_promotion *p = promotion;

	return node_promote(n, p->force, &p->cut) ?: node_reload(n);
}

int node_do_status(struct node *n, void *st)
{
	return node_status(n, st);
}

bool node_idle(struct node *n)
{
	struct dmo_session *s = node_session(n);
	struct dmo_boundary *b;
	bool damaged;
	u32 i;

	if (!s || s->nr_active != n->nr_volumes || disk_inflight(n->meta))
		return false;
	for (i = 0; i < n->nr_volumes; i++)
		if (disk_inflight(n->data[i]))
			return false;
	if (!s->sec)
		return true;
	damaged = dmo_restore_damaged(s->sec->restore_state);
	if (dmo_restore_in_hand(s->sec->restore_state) || s->sec->restore_work.work.pending)
		return damaged || dmo_meta_failed(s->meta);
	b = list_first_entry_or_null(&s->sec->j.boundaries, struct dmo_boundary, node);
	return !b || !b->committed || damaged || dmo_meta_failed(s->meta);
}

bool node_settle(struct node *n, u64 limit)
{
	u64 until = sim_now + limit;

	while (!node_idle(n)) {
		if (sim_now >= until || sim_run(min(until, sim_now + SIM_MS)) == SIM_FAILED)
			return false;
	}
	return true;
}
