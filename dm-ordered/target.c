// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device-mapper target "ordered", both roles. Table and status lines:
 * Documentation/dm-ordered.rst.
 *
 * A table is a view of a volume of a session: chunks and bitmaps belong to the session, so a
 * reload, when two tables of a volume are alive at once, loses nothing. ctr changes
 * nothing in the session; effects start in preresume.
 */
#include <linux/bio.h>
#include <linux/module.h>
#include "meta/ident.h"
#include "session/session.h"
#include "target.h"

#define DM_MSG_PREFIX "ordered"

/*
 * struct dmo_target - one table
 * @role: sampled at preresume; 0: not active yet. After a promotion the table refuses I/O
 *	until it is reloaded.
 */
struct dmo_target {
	struct dmo_session *session;
	struct dm_dev *data, *meta;
	u32 index;
	u32 id;
	u32 role;
	bool active;
	bool allow_reads;
	bool accept;		/* the data device may be another one than it was */
};

/* ---- constructor ---- */

static int parse_opts(struct dmo_target *t, struct dm_arg_set *as, char **error)
{
	static const struct dm_arg args[] = {
		{ 0, 8, "the number of options must be between 0 and 8" },
	};
	unsigned int nr;
	const char *opt;
	int rc;

	if (!as->argc)
		return 0;
	rc = dm_read_arg_group(args, as, &nr, error);
	if (rc)
		return rc;
	while (nr--) {
		opt = dm_shift_arg(as);
		if (!strcmp(opt, "allow_reads")) {
			t->allow_reads = true;
		} else if (!strcmp(opt, "accept_data_device")) {
			t->accept = true;
		} else {
			*error = "unknown option; known: allow_reads, accept_data_device";
			return -EINVAL;
		}
	}
	if (as->argc) {
		*error = "words behind the options; the number of options is too small";
		return -EINVAL;
	}
	return 0;
}

static int get_devices(struct dm_target *ti, struct dmo_target *t, const char *data,
		       const char *meta)
{
	int rc;

	rc = dm_get_device(ti, data, dm_table_get_mode(ti->table), &t->data);
	if (rc) {
		ti->error = "data device can't be opened: wrong path, in use, or the dm device itself";
		return rc;
	}
	rc = dm_get_device(ti, meta, dm_table_get_mode(ti->table), &t->meta);
	if (rc) {
		ti->error = "metadata device can't be opened: wrong path, in use, or the dm device itself";
		return rc;
	}
	if (t->data->bdev == t->meta->bdev) {
		ti->error = "data and metadata device are the same";
		return -EINVAL;
	}
	return 0;
}

static int join_session(struct dm_target *ti, struct dmo_target *t)
{
	struct dmo_reason why = {};
	char ident[DMO_IDENT_LEN];
	struct dmo_session *s;
	int rc;

	dmo_ident_read(t->data->bdev, ident);
	mutex_lock(&dmo_sessions_lock);
	s = dmo_session_get(t->meta->bdev, &why);
	rc = IS_ERR(s) ? PTR_ERR(s) : 0;
	if (!rc)
		rc = dmo_session_attach_volume(s, t->id, dm_table_get_md(ti->table), t->data->bdev,
					       ident, ti->len, &why);
	mutex_unlock(&dmo_sessions_lock);
	if (rc >= 0) {
		t->session = s;
		t->index = rc;
		return 0;
	}
	if (!IS_ERR(s))
		dmo_session_put(s);
	DMERR("%s: metadata device %s: %s", dm_device_name(dm_table_get_md(ti->table)),
	      t->meta->name, why.text);
	ti->error = "refused; the kernel log says why";
	return rc;
}

static void ordered_dtr(struct dm_target *ti)
{
	struct dmo_target *t = ti->private;

	if (t->session) {
		dmo_session_detach_volume(t->session, t->index);
		dmo_session_put(t->session);
	}
	if (t->meta)
		dm_put_device(ti, t->meta);
	if (t->data)
		dm_put_device(ti, t->data);
	kfree(t);
}

static int ordered_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	struct dm_arg_set as = { .argc = argc, .argv = argv };
	const char *data, *meta;
	struct dmo_target *t;
	int rc;

	if (argc < 3) {
		ti->error = "expected <data dev> <metadata dev> <volume id> [<#opts> <opt>...]";
		return -EINVAL;
	}
	if (ti->begin) {
		ti->error = "the target must begin at sector 0";
		return -EINVAL;
	}
	t = kzalloc(sizeof(*t), GFP_KERNEL);
	if (!t) {
		ti->error = "no memory";
		return -ENOMEM;
	}
	ti->private = t;
	data = dm_shift_arg(&as);
	meta = dm_shift_arg(&as);
	rc = kstrtou32(dm_shift_arg(&as), 10, &t->id);
	if (rc) {
		ti->error = "the volume id must be a number";
		goto bad;
	}
	rc = parse_opts(t, &as, &ti->error);
	if (!rc)
		rc = get_devices(ti, t, data, meta);
	if (!rc)
		rc = dm_set_target_max_io_len(ti, DMO_ZONE_SECTORS);
	if (!rc)
		rc = join_session(ti, t);
	if (rc)
		goto bad;
	ti->num_flush_bios = 1;
	ti->num_discard_bios = 1;
	ti->num_write_zeroes_bios = 1;
	ti->flush_supported = true;
	ti->accounts_remapped_io = true;
	ti->per_io_data_size = sizeof(struct dmo_io);
	return 0;
bad:
	ordered_dtr(ti);
	return rc;
}

/* ---- suspend and resume ---- */

static int ordered_preresume(struct dm_target *ti)
{
	struct dmo_target *t = ti->private;
	struct dmo_reason why = {};
	int rc;

	rc = dmo_session_activate(t->session, t->index, t->accept, &why);
	if (rc < 0) {
		DMERR("%s: volume %u can't be activated: %s",
		      dm_device_name(dm_table_get_md(ti->table)), t->id, why.text);
		return rc;
	}
	t->role = rc;
	t->active = true;
	return 0;
}

static void ordered_resume(struct dm_target *ti)
{
	struct dmo_target *t = ti->private;

	dmo_session_resume(t->session, t->index);
}

static void ordered_presuspend(struct dm_target *ti)
{
	struct dmo_target *t = ti->private;

	if (t->active)
		dmo_session_presuspend(t->session, t->index);
}

static void ordered_presuspend_undo(struct dm_target *ti)
{
	struct dmo_target *t = ti->private;

	if (t->active)
		dmo_session_resume(t->session, t->index);
}

static void ordered_postsuspend(struct dm_target *ti)
{
	struct dmo_target *t = ti->private;

	if (t->active)
		dmo_session_deactivate(t->session, t->index);
	t->active = false;
}

/* ---- I/O ---- */

static int map_primary(struct dmo_target *t, struct dmo_io *io, struct bio *bio)
{
	struct dmo_primary *p = t->session->pri;

	switch (bio_op(bio)) {
	case REQ_OP_WRITE:
		if (bio->bi_opf & REQ_PREFLUSH) {
			/* dm core sends flushes empty */
			dmo_primary_map_flush(p, t->index, io);
			break;
		}
		fallthrough;
	case REQ_OP_DISCARD:
	case REQ_OP_WRITE_ZEROES:
		dmo_primary_map_write(p, t->index, io, bio);
		return DM_MAPIO_SUBMITTED;
	case REQ_OP_READ:
		this_cpu_inc(dmo_primary_vol(p, t->index)->stats->reads);
		break;
	default:
		return DM_MAPIO_KILL;
	}
	bio_set_dev(bio, t->data->bdev);
	return DM_MAPIO_REMAPPED;
}

static int map_secondary(struct dmo_target *t, struct bio *bio)
{
	if (bio_op(bio) == REQ_OP_READ && t->allow_reads) {
		bio_set_dev(bio, t->data->bdev);
		return DM_MAPIO_REMAPPED;
	}
	if (bio_op(bio) == REQ_OP_WRITE && (bio->bi_opf & REQ_PREFLUSH)) {
		bio_endio(bio);	/* nothing of the host's is here to be flushed */
		return DM_MAPIO_SUBMITTED;
	}
	if (bio_op(bio) != REQ_OP_READ)
		DMWARN_LIMIT("volume %u: write refused: this side is secondary; orderedctl promote makes it a primary",
			     t->id);
	return DM_MAPIO_KILL;
}

static int ordered_map(struct dm_target *ti, struct bio *bio)
{
	struct dmo_io *io = dm_per_bio_data(bio, sizeof(*io));
	struct dmo_target *t = ti->private;

	io->kind = DMO_IO_OTHER;
	if (likely(t->role == DMO_ROLE_PRIMARY))
		return map_primary(t, io, bio);
	return map_secondary(t, bio);
}

static int ordered_end_io(struct dm_target *ti, struct bio *bio, blk_status_t *error)
{
	struct dmo_io *io = dm_per_bio_data(bio, sizeof(*io));

	if (io->kind != DMO_IO_OTHER)
		dmo_primary_end(io, *error);
	return DM_ENDIO_DONE;
}

/* ---- status ---- */

static const char * const state_names[] = {
	[DMO_STATE_INACTIVE] = "inactive",
	[DMO_STATE_DISCONNECTED] = "disconnected",
	[DMO_STATE_REPLICATING] = "replicating",
	[DMO_STATE_COPYING] = "copying",
	[DMO_STATE_FAILED] = "failed",
	[DMO_STATE_BUSY] = "busy",
};

static const char * const block_names[] = {
	[DMO_BLOCK_NOTHING] = "-",
	[DMO_BLOCK_NO_LINK] = "no_link",
	[DMO_BLOCK_INACTIVE] = "inactive",
	[DMO_BLOCK_SUSPENDED] = "suspended",
	[DMO_BLOCK_DRAIN] = "drain",
	[DMO_BLOCK_SEND] = "send",
	[DMO_BLOCK_PEER] = "peer",
	[DMO_BLOCK_READ_ERROR] = "read_error",
	[DMO_BLOCK_JOURNAL_FULL] = "journal_full",
	[DMO_BLOCK_META_ERROR] = "meta_error",
	[DMO_BLOCK_RESTORE_ERROR] = "restore_error",
	[DMO_BLOCK_BUSY] = "busy",
};

static void status_info(struct dmo_target *t, char *result, unsigned int maxlen)
{
	struct dmo_session_status *st = kzalloc(sizeof(*st), GFP_NOIO);
	unsigned int sz = 0;

	if (!st) {
		DMEMIT("error no_memory");
		return;
	}
	dmo_session_status(t->session, st);
	if (st->state == DMO_STATE_BUSY)
		DMEMIT("%s busy - - - - - busy %llu -",
		       st->role == DMO_ROLE_PRIMARY ? "primary" : "secondary", st->block_ms);
	else if (st->role == DMO_ROLE_PRIMARY)
		DMEMIT("primary %s %llu %llu %llu %llu %llu %s %llu %s",
		       state_names[st->state], st->pri.seq, st->pri.cut.n, st->pri.committed.n,
		       st->pri.restored.n, st->pri.lag_ms, block_names[st->block], st->block_ms,
		       st->flags & DMO_F_PEER_INCONSISTENT ? "peer_inconsistent" : "-");
	else
		DMEMIT("secondary %s - %llu %llu %llu - %s %llu %s",
		       state_names[st->state], st->sec.complete.n, st->sec.committed.n,
		       st->sec.restored.n, block_names[st->block], st->block_ms,
		       st->flags & DMO_F_INCONSISTENT ? "inconsistent" : "-");
	kfree(st);
}

static void ordered_status(struct dm_target *ti, status_type_t type, unsigned int flags,
			   char *result, unsigned int maxlen)
{
	struct dmo_target *t = ti->private;
	unsigned int sz = 0;

	switch (type) {
	case STATUSTYPE_INFO:
		status_info(t, result, maxlen);
		break;
	case STATUSTYPE_TABLE:
		DMEMIT("%s %s %u", t->data->name, t->meta->name, t->id);
		/* said once: what is made of this line later is not to accept anything */
		if (t->accept && !t->active)
			DMEMIT(" %u accept_data_device%s", 1 + t->allow_reads,
			       t->allow_reads ? " allow_reads" : "");
		else if (t->allow_reads)
			DMEMIT(" 1 allow_reads");
		break;
	case STATUSTYPE_IMA:
		DMEMIT_TARGET_NAME_VERSION(ti->type);
		DMEMIT(",data_device=%s,metadata_device=%s,volume=%u,allow_reads=%u;",
		       t->data->name, t->meta->name, t->id, t->allow_reads);
		break;
	}
}

static int ordered_message(struct dm_target *ti, unsigned int argc, char **argv,
			   char *result, unsigned int maxlen)
{
	struct dmo_target *t = ti->private;
	struct dmo_reason why = { "unknown message; known: switch, cycle_ms <n>, budget_mib <n>" };
	unsigned int sz = 0;
	struct dmo_cut cut;
	u32 val = 0;
	int rc = -EINVAL;

	if (argc == 1 && !strcasecmp(argv[0], "switch")) {
		rc = dmo_session_switch(t->session, &cut, &why);
		if (!rc) {
			DMEMIT("%llu %llu", cut.epoch, cut.n);
			return 1;
		}
	} else if (argc == 2 && !strcasecmp(argv[0], "cycle_ms")) {
		dmo_refuse(&why, rc, "cycle_ms must be a number from %u to %u", DMO_CYCLE_MS_MIN,
			   DMO_CYCLE_MS_MAX);
		if (!kstrtou32(argv[1], 10, &val) && val >= DMO_CYCLE_MS_MIN &&
		    val <= DMO_CYCLE_MS_MAX)
			rc = dmo_session_set(t->session, val, 0, 0, &why);
	} else if (argc == 2 && !strcasecmp(argv[0], "budget_mib")) {
		dmo_refuse(&why, rc, "budget_mib must be a number from %u to %u",
			   DMO_BUDGET_MIB_MIN, DMO_BUDGET_MIB_MAX);
		if (!kstrtou32(argv[1], 10, &val) && val >= DMO_BUDGET_MIB_MIN &&
		    val <= DMO_BUDGET_MIB_MAX)
			rc = dmo_session_set(t->session, 0, val, 0, &why);
	}
	if (rc)
		DMERR("%s: message refused: %s", dm_device_name(dm_table_get_md(ti->table)), why.text);
	return rc;
}

static int ordered_iterate_devices(struct dm_target *ti, iterate_devices_callout_fn fn, void *data)
{
	struct dmo_target *t = ti->private;

	return fn(ti, t->data, 0, ti->len, data);
}

static void ordered_io_hints(struct dm_target *ti, struct queue_limits *limits)
{
	struct dmo_target *t = ti->private;
	u32 lbs = t->session->meta->sb.volumes[t->index].lbs;

	limits->logical_block_size = max_t(u32, limits->logical_block_size, lbs);
	limits->physical_block_size = max_t(u32, limits->physical_block_size,
					    limits->logical_block_size);
	limits->io_min = max_t(u32, limits->io_min, limits->physical_block_size);
	/* discards: the data device's limits as they are, or none; but no finer than a block */
	if (limits->discard_granularity)
		limits->discard_granularity = max_t(u32, limits->discard_granularity,
						    limits->logical_block_size);
}

static struct target_type ordered_target = {
	.name = "ordered",
	.version = { 1, 0, 0 },
	.features = DM_TARGET_SINGLETON | DM_TARGET_ALWAYS_WRITEABLE,
	.module = THIS_MODULE,
	.ctr = ordered_ctr,
	.dtr = ordered_dtr,
	.map = ordered_map,
	.end_io = ordered_end_io,
	.presuspend = ordered_presuspend,
	.presuspend_undo = ordered_presuspend_undo,
	.postsuspend = ordered_postsuspend,
	.preresume = ordered_preresume,
	.resume = ordered_resume,
	.status = ordered_status,
	.message = ordered_message,
	.iterate_devices = ordered_iterate_devices,
	.io_hints = ordered_io_hints,
};

int dmo_target_init(void)
{
	return dm_register_target(&ordered_target);
}

void dmo_target_exit(void)
{
	dm_unregister_target(&ordered_target);
}
