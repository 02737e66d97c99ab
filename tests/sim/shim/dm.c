// SPDX-License-Identifier: GPL-2.0-only
/*
 * As much of device-mapper's core as a bio target needs: tables, suspend and resume, splitting,
 * clones, end_io.
 */
#include <stdio.h>
#include <stdlib.h>
#include "sim.h"

#define MAX_ARGS	16

struct dm_table {
	struct mapped_device *md;
	struct dm_target ti;
	char line[256];
	char *argv[MAX_ARGS];
};

struct mapped_device {
	struct list_head node;
	struct host *host;
	struct block_device bdev;
	struct gendisk disk;
	struct dm_table *table, *loaded;
	bool suspended, was_active;
	u32 pending;			/* bios in the target */
	wait_queue_head_t wait;
	struct list_head deferred;
	struct dm_table *live;
};

/* One bio of the host. */
struct dm_io {
	struct bio *orig;
	struct mapped_device *md;
	int refs;
	blk_status_t status;
};

struct dm_deferred {
	struct list_head node;
	struct bio *bio;
};

struct dm_clone {
	char per_bio[1024 - sizeof(struct bio) - 64];
	struct dm_io *io;
	struct dm_target *ti;
	u32 *len;			/* sectors, while in map() */
	struct bio bio;
};

static dev_t next_md;

int dm_register_target(struct target_type *t)
{
	sim_host()->target = t;
	return 0;
}

void dm_unregister_target(struct target_type *t)
{
	(void)t;
	sim_host()->target = NULL;
}

static struct dm_clone *to_clone(struct bio *bio)
{
	return container_of(bio, struct dm_clone, bio);
}

void *dm_per_bio_data(struct bio *bio, size_t size)
{
	struct dm_clone *c = to_clone(bio);

	if (size > sizeof(c->per_bio))
		sim_fail("per-bio data of %zu bytes", size);
	return c->per_bio;
}

void dm_accept_partial_bio(struct bio *bio, unsigned int nr)
{
	struct dm_clone *c = to_clone(bio);

	if (!c->len || nr > *c->len || bio->bi_opf & REQ_PREFLUSH)
		sim_fail("dm_accept_partial_bio(%u) out of place", nr);
	*c->len = nr;
	bio->bi_iter.bi_size = nr << 9;
}

static void io_put(struct dm_io *io)
{
	struct mapped_device *md = io->md;
	struct bio *orig = io->orig;

	if (--io->refs)
		return;
	orig->bi_status = io->status;
	sim_kfree(io);
	if (!--md->pending)
		wake_up(&md->wait);
	bio_endio(orig);
}

static void clone_end(struct bio *bio)
{
	struct dm_clone *c = to_clone(bio);
	struct dm_io *io = c->io;
	blk_status_t error = bio->bi_status;

	c->ti->type->end_io(c->ti, bio, &error);
	if (error && !io->status)
		io->status = error;
	sim_kfree(c);
	io_put(io);
}

void dm_submit_bio_remap(struct bio *clone, struct bio *tgt)
{
	submit_bio(tgt ?: clone);
}

static void map(struct dm_io *io, struct dm_target *ti, struct bvec_iter iter, blk_opf_t opf,
		u32 *len)
{
	struct dm_clone *c = sim_kmalloc_host(io->md->host, sizeof(*c), 0);
	struct bio *bio = &c->bio;

	/* device-mapper leaves there what was there */
	memset(c->per_bio, 0xa5, sizeof(c->per_bio));
	c->io = io;
	c->ti = ti;
	c->len = len;
	io->refs++;
	bio_init(bio, &io->md->bdev, io->orig->bi_io_vec, io->orig->bi_max_vecs, opf);
	bio->bi_vcnt = io->orig->bi_vcnt;
	bio->bi_iter = iter;
	bio->bi_iter.bi_size = len ? *len << 9 : 0;
	bio->bi_end_io = clone_end;
	switch (ti->type->map(ti, bio)) {
	case DM_MAPIO_SUBMITTED:
		/* it may be gone already */
		break;
	case DM_MAPIO_REMAPPED:
		submit_bio(bio);
		break;
	case DM_MAPIO_KILL:
		if (!io->status)
			io->status = BLK_STS_IOERR;
		sim_kfree(c);
		io_put(io);
		break;
	default:
		sim_fail("map() returned what it never does");
	}
}

static void advance(const struct bio *bio, struct bvec_iter *i, u32 bytes)
{
	i->bi_sector += bytes >> 9;
	i->bi_size -= bytes;
	if (!bio->bi_io_vec)
		return;
	while (bytes) {
		u32 n = min(bytes, bio->bi_io_vec[i->bi_idx].bv_len - i->bi_bvec_done);

		i->bi_bvec_done += n;
		bytes -= n;
		if (i->bi_bvec_done == bio->bi_io_vec[i->bi_idx].bv_len) {
			i->bi_idx++;
			i->bi_bvec_done = 0;
		}
	}
}

static void split(struct dm_io *io, struct dm_target *ti)
{
	struct bvec_iter iter = io->orig->bi_iter;
	blk_opf_t opf = io->orig->bi_opf & ~REQ_PREFLUSH;
	u32 op = bio_op(io->orig), len, room;

	while (iter.bi_size) {
		len = iter.bi_size >> 9;
		if (op == REQ_OP_READ || op == REQ_OP_WRITE) {
			room = ti->max_io_len - (u32)(iter.bi_sector % ti->max_io_len);
			len = min(len, room);
		}
		map(io, ti, iter, opf, &len);
		advance(io->orig, &iter, len << 9);
	}
}

static void start_io(struct mapped_device *md, struct bio *bio)
{
	struct dm_io *io = sim_kmalloc_host(md->host, sizeof(*io), 0);
	struct dm_target *ti = &md->table->ti;

	io->orig = bio;
	io->md = md;
	io->refs = 1;
	io->status = 0;
	md->pending++;
	if (bio->bi_opf & REQ_PREFLUSH) {
		/* an empty flush; data behind it would be sent when that has ended */
		if (bio->bi_iter.bi_size)
			sim_fail("flush with data: not simulated");
		map(io, ti, bio->bi_iter, REQ_OP_WRITE | REQ_PREFLUSH, NULL);
	} else {
		split(io, ti);
	}
	io_put(io);
}

void dm_submit(struct mapped_device *md, struct bio *bio)
{
	struct dm_deferred *d;

	if (!md->suspended) {
		start_io(md, bio);
		return;
	}
	d = sim_kmalloc_host(md->host, sizeof(*d), 0);
	d->bio = bio;
	list_add_tail(&d->node, &md->deferred);
}

/* ---- tables ---- */

fmode_t dm_table_get_mode(struct dm_table *t) { (void)t; return 3; }
struct mapped_device *dm_table_get_md(struct dm_table *t) { return t->md; }
const char *dm_device_name(struct mapped_device *md) { return md->bdev.name; }
struct gendisk *dm_disk(struct mapped_device *md) { return &md->disk; }
struct block_device *dm_bdev(struct mapped_device *md) { return &md->bdev; }
void *dm_active_private(struct mapped_device *md) { return md->table ? md->table->ti.private : NULL; }

const char *dm_shift_arg(struct dm_arg_set *as)
{
	if (!as->argc)
		return NULL;
	as->argc--;
	return *as->argv++;
}

int dm_read_arg_group(const struct dm_arg *arg, struct dm_arg_set *as, unsigned int *n, char **error)
{
	u32 v;

	if (kstrtou32(dm_shift_arg(as), 10, &v) || v < arg->min || v > arg->max || v > as->argc) {
		*error = arg->error;
		return -EINVAL;
	}
	*n = v;
	return 0;
}

int dm_set_target_max_io_len(struct dm_target *ti, sector_t len)
{
	ti->max_io_len = (u32)len;
	return 0;
}

struct block_device *sim_find_bdev(struct host *h, const char *name);

int dm_get_device(struct dm_target *ti, const char *path, fmode_t mode, struct dm_dev **result)
{
	struct block_device *b = sim_find_bdev(ti->table->md->host, path);
	struct dm_dev *d;

	(void)mode;
	if (!b)
		return -ENODEV;
	d = kzalloc(sizeof(*d), GFP_KERNEL);
	if (!d)
		return -ENOMEM;
	d->bdev = b;
	strscpy(d->name, b->name, sizeof(d->name));
	*result = d;
	return 0;
}

void dm_put_device(struct dm_target *ti, struct dm_dev *d)
{
	(void)ti;
	kfree(d);
}

int dm_load(struct mapped_device *md, u64 sectors, const char *line)
{
	struct dm_table *t = sim_kmalloc_host(md->host, sizeof(*t), __GFP_ZERO);
	unsigned int argc = 0;
	char *p;
	int rc;

	t->md = md;
	strscpy(t->line, line, sizeof(t->line));
	for (p = t->line; *p && argc < MAX_ARGS; ) {
		t->argv[argc++] = p;
		while (*p && *p != ' ')
			p++;
		if (*p)
			*p++ = '\0';
	}
	t->ti.table = t;
	t->ti.type = md->host->target;
	t->ti.len = sectors;
	rc = t->ti.type->ctr(&t->ti, argc, t->argv);
	if (rc) {
		sim_kfree(t);
		return rc;
	}
	if (md->loaded) {
		md->loaded->ti.type->dtr(&md->loaded->ti);
		sim_kfree(md->loaded);
	}
	md->loaded = t;
	return 0;
}

int dm_create(struct host *h, const char *name, u64 sectors, const char *line,
	      struct mapped_device **result)
{
	struct mapped_device *md = sim_kmalloc_host(h, sizeof(*md), __GFP_ZERO);
	int rc;

	md->host = h;
	md->bdev.bd_dev = 0xfd00 + next_md++ % 0x10000;
	strscpy(md->bdev.name, name, sizeof(md->bdev.name));
	md->bdev.md = md;
	md->bdev.host = h;
	md->bdev.lbs = 512;
	md->disk.part0 = &md->bdev;
	md->suspended = true;
	init_waitqueue_head(&md->wait);
	INIT_LIST_HEAD(&md->deferred);
	list_add_tail(&md->node, &h->mds);
	rc = dm_load(md, sectors, line);
	if (!rc)
		rc = dm_resume(md);
	if (rc) {
		dm_remove(md);
		return rc;
	}
	*result = md;
	return 0;
}

void dm_suspend(struct mapped_device *md)
{
	struct dm_target *ti = md->table ? &md->table->ti : NULL;

	if (md->suspended)
		return;
	if (ti)
		ti->type->presuspend(ti);
	md->suspended = true;
	wait_event(md->wait, !md->pending);
	if (ti)
		ti->type->postsuspend(ti);
}

int dm_resume(struct mapped_device *md)
{
	struct dm_table *old = NULL;
	struct dm_deferred *d;
	struct dm_target *ti;
	int rc;

	if (md->loaded) {
		if (!md->suspended)
			dm_suspend(md);
		old = md->table;
		md->table = md->loaded;
		md->loaded = NULL;
	}
	if (!md->suspended || !md->table)
		return 0;
	ti = &md->table->ti;
	rc = ti->type->preresume(ti);
	if (old) {
		old->ti.type->dtr(&old->ti);
		sim_kfree(old);
	}
	if (rc)
		return rc;
	ti->type->resume(ti);
	md->suspended = false;
	while (!list_empty(&md->deferred)) {
		d = list_first_entry(&md->deferred, struct dm_deferred, node);
		list_del(&d->node);
		start_io(md, d->bio);
		sim_kfree(d);
	}
	return 0;
}

void dm_remove(struct mapped_device *md)
{
	struct dm_table *t = md->table;

	if (!md->suspended)
		dm_suspend(md);
	if (md->loaded) {
		md->loaded->ti.type->dtr(&md->loaded->ti);
		sim_kfree(md->loaded);
	}
	if (t) {
		t->ti.type->dtr(&t->ti);
		sim_kfree(t);
	}
	list_del(&md->node);
	sim_kfree(md);
}

void dm_kill(struct host *h)
{
	INIT_LIST_HEAD(&h->mds);
}
