// SPDX-License-Identifier: GPL-2.0-only
/*
 * The product's own recovery, restore and promotion, in userspace: the module's sources on the
 * simulator's shim (../sim/), a host whose disks are the image.
 */
#include <stdio.h>
#include <stdlib.h>
#include "sim.h"
#include "meta/load.h"
#include "session/session.h"
#include "secondary/secondary_priv.h"
#include "target.h"
#undef snprintf
#include "images.h"

#define MAX_DATA	(64u << 20)	/* written by one recovery */
#define LIMIT		(600 * SIM_SEC)

bool recover_verbose;

static struct run {
	struct disks *m;
	struct host *host;
	struct sim_disk *sd[MAX_DISKS];
	struct trace *t;
	u8 *buf;			/* data of @t */
	size_t used;
	bool slow;			/* I/O takes time */
	bool (*stage)(void *arg, const struct outcome *o);
	void *arg;
	struct outcome *o;
	bool done;
} run;

/* ---- the disks ---- */

struct late {
	struct sim_event event;
	struct bio *bio;
	u32 io;
};

static u32 disk_nr(struct bio *bio)
{
	u32 i;

	for (i = 0; disk_bdev(run.sd[i]) != bio->bi_bdev; i++)
		;
	return i;
}

static void copy_data(struct bio *bio, u8 *p, bool to_bio)
{
	u32 i, left = bio->bi_iter.bi_size;

	for (i = 0; left; i++) {
		struct bio_vec *v = &bio->bi_io_vec[i];
		u8 *q = (u8 *)page_address(v->bv_page) + v->bv_offset;

		if (to_bio)
			memcpy(q, p, v->bv_len);
		else
			memcpy(p, q, v->bv_len);
		p += v->bv_len;
		left -= v->bv_len;
	}
}

static u32 note(struct bio *bio)
{
	struct io io = {
		.op = !bio_sectors(bio) ? IO_FLUSH : bio_op(bio) == REQ_OP_WRITE ? IO_WRITE :
			IO_ZERO,
		.flags = (u8)((bio->bi_opf & REQ_PREFLUSH ? IO_PREFLUSH : 0) |
			      (bio->bi_opf & REQ_FUA ? IO_FUA : 0)),
		.disk = disk_nr(bio),
		.nr = bio_sectors(bio),
		.sector = bio->bi_iter.bi_sector,
	};

	if (io.op == IO_WRITE) {
		if (run.used + bio->bi_iter.bi_size > MAX_DATA)
			sim_fail("recovery writes more than %u MiB", MAX_DATA >> 20);
		io.data = run.buf + run.used;
		copy_data(bio, run.buf + run.used, false);
		run.used += bio->bi_iter.bi_size;
	}
	return trace_submit(run.t, &io, 0);
}

static void perform(u32 nr)
{
	struct io *io = &run.t->io[nr];
	u32 s;

	if (io->op != IO_FLUSH)
		for (s = 0; s < io->nr; s++)
			disks_io(run.m, io, s);
	trace_complete(run.t, nr, 0);
}

static void finish(void *arg)
{
	struct late *l = arg;
	struct bio *bio = l->bio;

	perform(l->io);
	free(l);
	bio_endio(bio);
}

static void due(void *arg)
{
	sim_spawn(run.host, finish, arg, "irq", true);
}

static void take(void *arg, struct bio *bio)
{
	struct disk *d;
	struct late *l;
	u32 nr;

	(void)arg;
	d = &run.m->d[disk_nr(bio)];
	if (bio->bi_iter.bi_sector + bio_sectors(bio) > d->sectors)
		sim_fail("I/O beyond the end of %s", d->name);
	bio->bi_status = BLK_STS_OK;
	if (bio_op(bio) == REQ_OP_READ) {
		copy_data(bio, d->data + bio->bi_iter.bi_sector * SECTOR, true);
		bio_endio(bio);
		return;
	}
	nr = note(bio);
	if (!run.slow) {
		perform(nr);
		bio_endio(bio);
		return;
	}
	l = must(calloc(1, sizeof(*l)));
	l->bio = bio;
	l->io = nr;
	sim_event_set(&l->event, sim_now + rng_below(&sim_sched, 300) * SIM_US, due, l, run.host);
}

/* ---- the host ---- */

static struct dmo_session *session(void)
{
	host_enter(run.host);
	return list_empty(&dmo_sessions) ? NULL :
		list_first_entry(&dmo_sessions, struct dmo_session, node);
}

static struct cut plain(struct dmo_cut c)
{
	return (struct cut) { c.epoch, c.n };
}

static void get_status(void)
{
	struct dmo_session_status *st = must(calloc(1, sizeof(*st)));

	dmo_session_status(session(), st);
	run.o->inconsistent = st->sec.inconsistent;
	run.o->complete = plain(st->sec.complete);
	run.o->committed = plain(st->sec.committed);
	run.o->restored = plain(st->sec.restored);
	if (st->sec.block && st->sec.why.text[0])
		snprintf(run.o->why, sizeof(run.o->why), "%s", st->sec.why.text);
	free(st);
}

static bool idle(void)
{
	struct dmo_secondary *s = session()->sec;

	return !dmo_restore_in_hand(s->restore_state) && !s->restore_work.work.pending &&
	       (!dmo_journal_frees(&s->j) || dmo_restore_damaged(s->restore_state) ||
		dmo_meta_failed(s->m));
}

static int fail(int rc, const char *what)
{
	run.o->rc = rc;
	snprintf(run.o->why, sizeof(run.o->why), "%s: error %d", what, rc);
	return rc;
}

static bool reach(enum stage stage)
{
	run.o->stage = stage;
	get_status();
	return run.stage(run.arg, run.o);
}

static int activate(struct disk *d, const struct disk *meta)
{
	struct mapped_device *md;
	char name[40], line[80];

	snprintf(name, sizeof(name), "vol%d", d->volume);
	snprintf(line, sizeof(line), "%s %s %d", d->name, meta->name, d->volume);
	return dm_create(run.host, name, d->sectors, line, &md);
}

static int all_stages(void)
{
	const struct disk *meta = NULL;
	struct dmo_reason why = {};
	struct dmo_cut cut;
	u32 i, nr = 0;
	int rc;

	if (dmo_chunk_init() || dmo_secondary_init())
		return fail(-ENOMEM, "init");
	dmo_target_init();
	for (i = 0; i < run.m->nr; i++)
		if (!run.m->d[i].volume)
			meta = &run.m->d[i];
	for (i = 0; i < run.m->nr; i++) {
		if (!run.m->d[i].volume)
			continue;
		rc = activate(&run.m->d[i], meta);
		if (rc)
			return fail(rc, "activation");
		if (session()->role == DMO_ROLE_PRIMARY) {
			run.o->primary = true;
			return 0;
		}
		/* the first one recovers, the last one starts the restore */
		if (!nr++ && !reach(STAGE_RECOVERED))
			return 0;
	}
	while (!idle())
		sim_sleep(SIM_MS);
	if (!reach(STAGE_RESTORED))
		return 0;
	rc = dmo_session_promote(session(), false, &cut, &why);
	run.o->refused = rc == -EUCLEAN && run.o->inconsistent;
	if (run.o->refused)
		return 0;
	if (rc) {
		run.o->rc = rc;
		snprintf(run.o->why, sizeof(run.o->why), "promotion: error %d: %s", rc, why.text);
		return rc;
	}
	run.o->stage = STAGE_FINISHED;
	run.o->complete = run.o->committed = run.o->restored = plain(cut);
	run.stage(run.arg, run.o);
	return 0;
}

static int meta_only(void)
{
	struct dmo_reason why = {};
	struct dmo_meta *meta;
	u32 i;

	for (i = 0; run.m->d[i].volume; i++)
		;
	meta = dmo_meta_load(disk_bdev(run.sd[i]), &why);
	if (IS_ERR(meta)) {
		run.o->rc = PTR_ERR(meta);
		snprintf(run.o->why, sizeof(run.o->why), "%s", why.text);
		return run.o->rc;
	}
	run.o->epoch = meta->st.epoch;
	run.o->complete = plain(meta->st.newest);
	if (meta->sb.role != DMO_ROLE_PRIMARY)
		fail(-EINVAL, "the superblock's role is not that of a primary");
	dmo_meta_free(meta);
	return 0;
}

static void fiber(void *arg)
{
	int (*fn)(void) = arg;

	fn();
	run.done = true;
	sim_stop = true;
}

static void run_fiber(int (*fn)(void), struct disks *m, uint64_t seed, struct outcome *o,
		      struct trace *t)
{
	struct sim_params params = { .turn = 1000, .step_ns = 1000 };
	enum sim_end end;
	u32 i;

	memset(o, 0, sizeof(*o));
	trace_empty(t);
	if (!run.buf)
		run.buf = must(malloc(MAX_DATA));
	run.used = 0;
	run.m = m;
	run.t = t;
	run.o = o;
	run.done = false;
	run.slow = seed % 4 == 0;
	if (run.slow)
		params.turn = 50;
	sim_tracing = recover_verbose;
	sim_begin(seed, &params);
	run.host = host_new("s");
	for (i = 0; i < m->nr; i++) {
		run.sd[i] = disk_new(run.host, m->d[i].name, m->d[i].sectors);
		disk_set_backend(run.sd[i], take, NULL);
	}
	host_boot(run.host);
	sim_spawn(run.host, fiber, fn, "recover", false);
	do {
		end = sim_run(sim_now + LIMIT);
	} while (!run.done && end == SIM_STOPPED);
	if (sim_failed || !run.done) {
		o->rc = -ETIMEDOUT;
		snprintf(o->why, sizeof(o->why), "%.300s", sim_failed ? sim_why : "recovery never ends");
	}
	host_kill(run.host);
}

void recover(struct disks *m, uint64_t seed, bool (*stage)(void *arg, const struct outcome *o),
	     void *arg, struct outcome *o, struct trace *t)
{
	run.stage = stage;
	run.arg = arg;
	run_fiber(all_stages, m, seed, o, t);
}

void load_primary(struct disks *m, struct outcome *o, struct trace *t)
{
	run_fiber(meta_only, m, 1, o, t);
}
