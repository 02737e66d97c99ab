// SPDX-License-Identifier: GPL-2.0-only
/*
 * dmoimages: make crashes out of a log of all disks (dm-recorder), and see what the product's recovery makes of them.
 *
 *   dmoimages LOG [--count N] [--seed S] [--jobs N] [--per-prefix N]
 *	N distinct images of the secondary, at all prefixes of the log; 20000
 *   dmoimages LOG --seed S --image P.V [--dump DIR]
 *	just one, with the log of the module; prefix P, variant V; DIR gets its disks
 *   dmoimages LOG --seed S --sample N --dump DIR
 *	N images with disks before and digests after, for a real kernel (vm/sample.sh)
 *
 * An image is what the disks of a host may hold when its power fails right behind the P-th event (a submit or a
 * completion) of them: all that is durable, and of the rest what the variant says (crash.c). Each is recovered by
 * the module's own sources (recover.c): activation, restore, promotion. What must be so, and is looked at:
 *
 *   it is activated and promoted, and never says INCONSISTENT, unless a direct copy had begun;
 *   it is not below what the primary had been told, by then, is complete, committed, restored;
 *   its volumes hold, bit for bit, what the primary's held at the cut that it says (log.c knows, from the
 *	primary's disks and tracepoints, and not from the secondary); first the committed, then the complete one.
 *
 * A part of the images crash again, in recovery, restore or promotion, and a part of these again. Of the
 * primary it is looked at that its metadata can be read at each instant, and that no tag can be used twice.
 *
 * Two images are one if all sectors of all disks are equal; only distinct ones are counted.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "images.h"

#define DEPTH	3		/* crashes one in another */
#define NEST	8		/* one image of so many crashes in its recovery */

static struct log lg;
static uint64_t seed = 1, count = 20000;
static unsigned int jobs = 1, per_prefix;
static const char *dump_dir;

void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("FAILED images: ");
	vprintf(fmt, ap);
	printf("\n");
	va_end(ap);
	fflush(stdout);
	_exit(1);
}

void *must(void *p)
{
	if (!p)
		die("no memory");
	return p;
}

static uint64_t hash2(uint64_t a, uint64_t b)
{
	struct rng r = { a ^ b * 0x9fb21c651e98df25ull };

	return rng_next64(&r);
}

/* ---- what was seen ---- */

/* an image and how it was recovered */
struct seen {
	uint64_t hash;
	struct cut complete, committed, restored;
	bool inconsistent, refused;	/* before and after the restore */
};

static struct seen *table;
static uint64_t table_size, nr_seen;

static struct seen *look_up(uint64_t hash)
{
	uint64_t i, k;

	if (2 * nr_seen >= table_size) {
		uint64_t size = table_size ? 2 * table_size : 1 << 16;
		struct seen *bigger = must(calloc(size, sizeof(*bigger)));

		for (i = 0; i < table_size; i++) {
			if (!table[i].hash)
				continue;
			for (k = table[i].hash % size; bigger[k].hash; k = (k + 1) % size)
				;
			bigger[k] = table[i];
		}
		free(table);
		table = bigger;
		table_size = size;
	}
	for (k = hash % table_size; table[k].hash && table[k].hash != hash; k = (k + 1) % table_size)
		;
	return &table[k];
}

/* of all jobs, in shared memory */
struct sums {
	uint64_t images, nested, journal, restore, inconsistent, tried, again, primary;
	uint64_t cuts[64];	/* recovered to: a bit each, by number */
	bool failed;
};

static struct sums *sums, *mine;

/* ---- one image ---- */

/*
 * What the primary had been told. @direct: a direct copy has begun, and not that it has ended. @mixed:
 * has begun, and not that its @end is restored. At the end there is a point in time to be promoted at, and
 * when that is restored INCONSISTENT is over.
 */
struct floor { struct cut complete, committed, end; bool direct, mixed; };

struct image {
	char name[64];
	uint32_t pos;		/* in the log */
	struct floor floor;
	struct seen *seen;
	uint32_t told_at;	/* event of the recovery at which it had told its cuts */
	uint32_t restored_at;	/* ... and at which promotion began */
	uint32_t finished_at;
	bool promoting;		/* its promotion may have come to be durable ... */
	struct cut promoted;	/* ... at this cut */
	bool primary;		/* it was */
	struct trace *trace;
	struct seen found;
	char why[400];
};

static void __attribute__((format(printf, 2, 3))) wrong(struct image *im, const char *fmt, ...)
{
	va_list ap;

	if (im->why[0])
		return;
	va_start(ap, fmt);
	vsnprintf(im->why, sizeof(im->why), fmt, ap);
	va_end(ap);
}

static void not_below(struct image *im, const char *what, struct cut is, struct cut least)
{
	if (cut_cmp(is, least) < 0)
		wrong(im, "%s is %llu.%llu after recovery, but the primary had been told %llu.%llu", what,
		      (unsigned long long)is.epoch, (unsigned long long)is.n,
		      (unsigned long long)least.epoch, (unsigned long long)least.n);
}

static void check_floor(struct image *im, const struct seen *s)
{
	not_below(im, "the newest boundary", s->complete, im->floor.complete);
	not_below(im, "the committed cut", s->committed, im->floor.committed);
	if (s->inconsistent && !im->floor.mixed)
		wrong(im, "INCONSISTENT after recovery, but no direct copy had begun");
	if (s->refused && !im->floor.direct)
		wrong(im, "promotion was refused, but the primary had been told that the copy was at its end");
}

static void check_content(struct image *im, struct cut cut)
{
	struct oracle *o = &lg.oracle;
	uint32_t i;
	uint64_t s;

	if (!oracle_seek(o, cut, im->pos)) {
		wrong(im, "recovered to %llu.%llu, a cut that had not been made",
		      (unsigned long long)cut.epoch, (unsigned long long)cut.n);
		return;
	}
	for (i = 0; i < lg.sec.nr; i++) {
		const struct disk *d = &lg.sec.d[i];
		const uint8_t *must_be;

		if (!d->volume)
			continue;
		must_be = o->now[d->volume - 1];
		if (!memcmp(d->data, must_be, d->sectors * SECTOR))
			continue;
		for (s = 0; !memcmp(d->data + s * SECTOR, must_be + s * SECTOR, SECTOR); s++)
			;
		if (recover_verbose)
			oracle_explain(o, (uint32_t)d->volume - 1, s, d->data + s * SECTOR);
		wrong(im, "volume %d, sector %llu, is not what it was at the cut %llu.%llu", d->volume,
		      (unsigned long long)s, (unsigned long long)cut.epoch,
		      (unsigned long long)cut.n);
	}
}

static bool on_stage(void *arg, const struct outcome *o)
{
	struct image *im = arg;

	switch (o->stage) {
	case STAGE_RECOVERED:
		im->told_at = im->trace->nr_ev;
		im->found.complete = o->complete;
		im->found.committed = o->committed;
		im->found.inconsistent = o->inconsistent;
		check_floor(im, &im->found);
		break;
	case STAGE_RESTORED:
		im->restored_at = im->trace->nr_ev;
		im->found.restored = o->restored;
		if (o->inconsistent && !im->found.inconsistent)
			wrong(im, "INCONSISTENT after the restore, but not before: %s", o->why);
		if (o->inconsistent && !im->floor.direct && cut_cmp(o->committed, im->floor.end) >= 0)
			wrong(im, "INCONSISTENT, but the end of the copy is committed and restored: %s", o->why);
		if (cut_cmp(o->complete, im->found.complete) || cut_cmp(o->committed, im->found.committed))
			wrong(im, "the cuts have moved without a primary");
		if (o->inconsistent)
			break;
		if (cut_cmp(o->restored, o->committed))
			wrong(im, "restored is %llu.%llu, committed %llu.%llu: %s",
			      (unsigned long long)o->restored.epoch, (unsigned long long)o->restored.n,
			      (unsigned long long)o->committed.epoch, (unsigned long long)o->committed.n,
			      o->why);
		check_content(im, o->committed);
		break;
	case STAGE_FINISHED:
		im->finished_at = im->trace->nr_ev;
		if (cut_cmp(o->complete, im->found.complete))
			wrong(im, "promoted at %llu.%llu, not at the newest boundary %llu.%llu",
			      (unsigned long long)o->complete.epoch, (unsigned long long)o->complete.n,
			      (unsigned long long)im->found.complete.epoch,
			      (unsigned long long)im->found.complete.n);
		check_content(im, o->complete);
		break;
	}
	return !im->why[0];
}

static void note_cut(struct cut c)
{
	mine->cuts[c.n / 64 % 64] |= 1ull << c.n % 64;
}

/* Recover what the disks hold. False: it failed, @im->why. */
static bool run_image(struct image *im, uint64_t s)
{
	struct outcome o;

	im->told_at = im->restored_at = im->finished_at = NEVER;
	memset(&im->found, 0, sizeof(im->found));
	recover(&lg.sec, s, on_stage, im, &o, im->trace);
	if (!im->why[0] && o.rc)
		wrong(im, "%s", o.why);
	if (o.primary) {
		if (!im->promoting)
			wrong(im, "a primary, but it was never promoted");
		im->primary = true;
		im->found.complete = im->found.committed = im->promoted;
		check_content(im, im->promoted);
	}
	im->found.refused = o.refused;
	check_floor(im, &im->found);
	mine->inconsistent += im->found.inconsistent;
	note_cut(im->found.complete);
	return !im->why[0];
}

static void tell(const struct image *im)
{
	printf("FAILED images: %s, image %s: %s (again: dmoimages LOG --seed %llu --image %s)\n",
	       lg.path, im->name, im->why, (unsigned long long)seed, im->name);
	fflush(stdout);
}

static void explain_crash(const struct crash *c)
{
	uint32_t i;

	printf("crash after %u of these events:\n", c->at);
	for (i = 0; i < c->t->nr_ev; i++) {
		const struct event *e = &c->t->ev[i];
		const struct io *io = &c->t->io[e->io];

		printf("%5u %s %u: %s %s %llu+%u%s%s\n", i, e->complete ? "end  " : "begin", e->io,
		       lg.sec.d[io->disk].name,
		       io->op == IO_FLUSH ? "flush" : io->op == IO_WRITE ? "write" : "zero",
		       (unsigned long long)io->sector, io->nr, io->flags & IO_PREFLUSH ? " preflush" : "",
		       io->flags & IO_FUA ? " fua" : "");
	}
}

/* ---- crashes in recovery ---- */

static struct crash inner[DEPTH];
static struct trace traces[DEPTH + 1];

/*
 * The recovery of @im, an image of which the disks hold the outcome, crashes somewhere; @depth of the new
 * image. @before: undo mark of the image itself.
 */
static bool crash_again(struct image *im, size_t before, uint64_t s, unsigned int depth)
{
	struct trace *t = &traces[depth - 1];
	struct crash *c = &inner[depth - 1];
	struct image next = { .pos = im->pos, .floor = im->floor, .trace = &traces[depth] };
	struct rng r = { s };
	uint32_t at, meta, data;
	uint8_t *keep;
	size_t used = 0, i;
	bool ok = true;

	if (!t->nr_ev)
		return true;
	at = 1 + rng_under(&r, t->nr_ev);
	/* what it told before it crashed again must hold */
	if (at >= im->told_at) {
		next.floor.complete = im->found.complete;
		next.floor.committed = im->found.committed;
	}
	if (at >= im->finished_at)
		return true;	/* a primary now */
	next.promoting = im->primary || at >= im->restored_at;
	next.promoted = im->found.complete;
	disks_undo(&lg.sec, before);

	/* the data of the trace is recover()'s and would be overwritten */
	for (i = 0; i < t->nr_io; i++)
		used += t->io[i].data ? (size_t)t->io[i].nr * SECTOR : 0;
	keep = must(malloc(used + 1));
	used = 0;
	for (i = 0; i < t->nr_io; i++) {
		if (!t->io[i].data)
			continue;
		memcpy(keep + used, t->io[i].data, (size_t)t->io[i].nr * SECTOR);
		t->io[i].data = keep + used;
		used += (size_t)t->io[i].nr * SECTOR;
	}
	if (!c->m)
		crash_init(c, &lg.sec, t);
	crash_restart(c, t);
	while (c->at < at)
		crash_step(c);
	crash_unflushed(c, &meta, &data);
	if (recover_verbose)
		explain_crash(c);
	if (c->why[0])
		wrong(&next, "%s", c->why);
	if (crash_variant(c, rng_under(&r, 4) ? 2 : rng_under(&r, 2), &r)) {
		size_t mark = lg.sec.nr_undo;
		uint64_t hash = lg.sec.hash;
		struct seen *seen = look_up(hash);

		snprintf(next.name, sizeof(next.name), "%s", im->name);
		if (!seen->hash) {
			seen->hash = hash;
			nr_seen++;
			mine->images++;
			mine->nested++;
			mine->journal += meta != 0;
			mine->restore += data != 0;
			ok = run_image(&next, rng_next64(&r));
			/* the table may have grown, and @seen with it gone elsewhere */
			*look_up(hash) = (struct seen) { hash, next.found.complete,
				next.found.committed, next.found.restored, next.found.inconsistent,
				next.found.refused };
			if (ok && depth < DEPTH && rng_under(&r, 3) == 0)
				ok = crash_again(&next, mark, rng_next64(&r), depth + 1);
		} else {
			mine->again++;
			check_floor(&next, seen);
			ok = !next.why[0];
		}
		if (!ok)
			wrong(im, "crashed again in recovery: %s", next.why);
	}
	free(keep);
	return ok;
}

/* ---- all images of a range of prefixes ---- */

static void floor_at(uint32_t pos, struct floor *f, uint32_t *next)
{
	for (; *next < lg.nr_marks && lg.marks[*next].pos <= pos; ++*next) {
		const struct point *p = &lg.marks[*next];

		switch (p->mark) {
		case MARK_COMPLETE:
			if (cut_cmp(p->cut, f->complete) > 0) {
				f->complete = p->cut;
				if (f->direct)
					f->end = p->cut;
				f->direct = false;
			}
			break;
		case MARK_COMMITTED:
			if (cut_cmp(p->cut, f->committed) > 0)
				f->committed = p->cut;
			break;
		case MARK_DIRECT:
			f->direct = true;
			f->mixed = true;
			break;
		case MARK_RESTORED:
			if (!f->direct && cut_cmp(p->cut, f->end) >= 0)
				f->mixed = false;
			break;
		default:
			break;
		}
	}
}

static void image_name(struct image *im, uint32_t prefix, uint32_t v)
{
	snprintf(im->name, sizeof(im->name), "%u.%u", prefix, v);
}

/* Apply variant @v of the crash after @c->at events. False: there is none. */
static bool build(struct crash *c, uint32_t v, struct rng *r)
{
	r->s = hash2(seed, (uint64_t)c->at << 32 | v);
	return crash_variant(c, v, r);
}

static bool try_image(struct crash *c, struct image *im, uint32_t v)
{
	uint32_t meta, data;
	struct seen *seen;
	struct rng r;
	size_t mark;
	bool ok;

	if (!build(c, v, &r))
		return true;
	image_name(im, c->at, v);
	mine->tried++;
	seen = look_up(lg.sec.hash);
	if (seen->hash) {
		/* an image is an image, but more may have been told by now */
		mine->again++;
		check_floor(im, seen);
		return !im->why[0];
	}
	seen->hash = lg.sec.hash;
	nr_seen++;
	mine->images++;
	crash_unflushed(c, &meta, &data);
	mine->journal += meta != 0;
	mine->restore += data != 0;
	mark = lg.sec.nr_undo;
	ok = run_image(im, rng_next64(&r));
	seen->complete = im->found.complete;
	seen->committed = im->found.committed;
	seen->restored = im->found.restored;
	seen->inconsistent = im->found.inconsistent;
	seen->refused = im->found.refused;
	if (ok && rng_under(&r, NEST) == 0)
		ok = crash_again(im, mark, rng_next64(&r), 1);
	return ok;
}

/* Prefixes @from to @to, each in variants @v0 to @v1; from the beginning of the log. */
static bool pass(uint32_t from, uint32_t to, uint32_t v0, uint32_t v1, uint64_t enough)
{
	static struct crash c;
	static uint8_t *begin[MAX_DISKS];
	struct floor f = { 0 };
	uint32_t next = 0, v, i;

	if (!c.m) {
		crash_init(&c, &lg.sec, &lg.sec_trace);
		for (i = 0; i < lg.sec.nr; i++) {
			begin[i] = must(malloc(lg.sec.d[i].sectors * SECTOR));
			memcpy(begin[i], lg.sec.d[i].data, lg.sec.d[i].sectors * SECTOR);
		}
	} else {
		for (i = 0; i < lg.sec.nr; i++)
			memcpy(lg.sec.d[i].data, begin[i], lg.sec.d[i].sectors * SECTOR);
		disks_rehash(&lg.sec);
	}
	crash_restart(&c, &lg.sec_trace);
	while (c.at < to) {
		uint32_t pos = lg.sec_trace.ev[c.at].pos, until;

		crash_step(&c);
		/* the instant right before the next event: all that was told until then */
		until = c.at < lg.sec_trace.nr_ev ? lg.sec_trace.ev[c.at].pos : pos;
		floor_at(until, &f, &next);
		if (c.at <= from)
			continue;
		if (c.why[0])
			die("%s, entry %u: %s", lg.path, pos, c.why);
		for (v = v0; v < v1; v++) {
			struct image im = { .pos = until, .floor = f, .trace = &traces[0] };
			bool ok;

			if (v >= 2 && !c.nr_done && !c.nr_under)
				break;
			lg.sec.undoing = true;
			ok = try_image(&c, &im, v);
			disks_undo(&lg.sec, 0);
			lg.sec.undoing = false;
			if (!ok) {
				tell(&im);
				return false;
			}
		}
		if (mine->images >= enough)
			break;
	}
	return true;
}

static void job(unsigned int nr, uint64_t *hashes)
{
	/* a few more: jobs may meet at the same image */
	uint64_t all = lg.sec_trace.nr_ev, goal = (count / jobs) * 65 / 64 + 100, i, n = 0;
	uint32_t from = (uint32_t)(all * nr / jobs), to = (uint32_t)(all * (nr + 1) / jobs);
	uint32_t step = per_prefix ?: (uint32_t)(goal * 5 / 4 / (to - from ?: 1) + 2), v;

	mine = &sums[nr];
	for (v = 0; mine->images < goal && v < 50 * step + 50; v += step)
		/* the first pass goes to the end: every prefix is there */
		if (!pass(from, to, v, v + step, v ? goal : UINT64_MAX)) {
			mine->failed = true;
			return;
		}
	for (i = 0; i < table_size; i++)
		if (table[i].hash && n < 4 * goal + 4096)
			hashes[n++] = table[i].hash;
	hashes[n] = 0;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* The primary's metadata, at every prefix. */
static void primary_images(void)
{
	static struct crash c;
	uint64_t last = 0, n = 0, newest = 0;
	struct trace t = { 0 };
	struct outcome o;
	uint32_t v, k = 0;

	crash_init(&c, &lg.pri, &lg.pri_trace);
	while (c.at < lg.pri_trace.nr_ev) {
		uint32_t pos = lg.pri_trace.ev[c.at].pos;
		bool meta = !lg.pri.d[lg.pri_trace.io[lg.pri_trace.ev[c.at].io].disk].volume;

		crash_step(&c);
		if (c.why[0])
			die("%s, entry %u: %s", lg.path, pos, c.why);
		for (; k < lg.oracle.nr_cuts && lg.oracle.cuts[k].pos < pos; k++)
			if (lg.oracle.cuts[k].cut.epoch > newest)
				newest = lg.oracle.cuts[k].cut.epoch;
		for (v = 0; meta && v < 40; v++) {
			struct rng r;

			lg.pri.undoing = true;
			if (build(&c, v, &r) && lg.pri.hash != last) {
				last = lg.pri.hash;
				load_primary(&lg.pri, &o, &t);
				if (o.rc)
					die("%s, image %u.%u of the primary: %s", lg.path, c.at, v, o.why);
				if (o.epoch < newest)
					die("%s, image %u.%u of the primary: epoch %llu, but tags of epoch %llu had been used",
					    lg.path, c.at, v, (unsigned long long)o.epoch,
					    (unsigned long long)newest);
				n++;
			}
			disks_undo(&lg.pri, 0);
			lg.pri.undoing = false;
		}
	}
	sums[0].primary = n;
}

static void all_images(void)
{
	uint64_t room = 5 * (count / jobs) + 8192, n = 0, distinct = 0, i;
	uint64_t *hashes, *all, cuts = 0;
	struct sums s = { 0 };
	unsigned int j, k;
	int status;

	sums = mmap(NULL, jobs * sizeof(*sums), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	hashes = mmap(NULL, jobs * room * sizeof(*hashes), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (sums == MAP_FAILED || hashes == MAP_FAILED)
		die("no memory");
	fflush(stdout);
	for (j = 0; j < jobs; j++) {
		pid_t pid = jobs == 1 ? 0 : fork();

		if (pid < 0)
			die("fork: %s", strerror(errno));
		if (pid)
			continue;
		job(j, hashes + j * room);
		if (jobs > 1) {
			fflush(stdout);
			_exit(0);
		}
	}
	while (jobs > 1 && wait(&status) > 0)
		if (status)
			die("a job ended with status %d", status);
	all = must(malloc(jobs * room * sizeof(*all)));
	for (j = 0; j < jobs; j++) {
		const struct sums *m = &sums[j];

		if (m->failed)
			_exit(1);
		for (i = 0; hashes[j * room + i]; i++)
			all[n++] = hashes[j * room + i];
		s.nested += m->nested;
		s.journal += m->journal;
		s.restore += m->restore;
		s.inconsistent += m->inconsistent;
		s.tried += m->tried;
		for (k = 0; k < 64; k++)
			s.cuts[k] |= m->cuts[k];
	}
	for (k = 0; k < 64; k++)
		cuts += (unsigned int)__builtin_popcountll(s.cuts[k]);
	qsort(all, n, sizeof(*all), by_value);
	for (i = 0; i < n; i++)
		distinct += !i || all[i] != all[i - 1];
	mine = &sums[0];
	primary_images();
	printf("%llu distinct images of %u prefixes, %llu of them crashes in recovery; unflushed: journal %llu, data %llu; recovered to %llu cuts of %u; %llu INCONSISTENT; %llu of the primary\n",
	       (unsigned long long)distinct, lg.sec_trace.nr_ev, (unsigned long long)s.nested,
	       (unsigned long long)s.journal, (unsigned long long)s.restore, (unsigned long long)cuts,
	       lg.oracle.nr_cuts, (unsigned long long)s.inconsistent,
	       (unsigned long long)sums[0].primary);
	if (distinct < count)
		die("only %llu distinct images of %llu wanted in %llu tries", (unsigned long long)distinct,
		    (unsigned long long)count, (unsigned long long)s.tried);
}

/* ---- one image, or a sample, to files ---- */

static void write_file(const char *name, const void *data, size_t len)
{
	FILE *f = fopen(name, "w");

	if (!f || fwrite(data, 1, len, f) != len || fclose(f))
		die("%s can't be written: %s", name, strerror(errno));
}

static void dump_disks(const char *name)
{
	char path[512];
	uint32_t i;

	for (i = 0; i < lg.sec.nr; i++) {
		snprintf(path, sizeof(path), "%s/%s.%s", dump_dir, name, lg.sec.d[i].name);
		write_file(path, lg.sec.d[i].data, lg.sec.d[i].sectors * SECTOR);
	}
}

/* The crash after @prefix events, as of the beginning. */
static void go_to(struct crash *c, uint32_t prefix, struct image *im, uint32_t *next)
{
	while (c->at < prefix) {
		uint32_t pos = lg.sec_trace.ev[c->at].pos;

		crash_step(c);
		im->pos = c->at < lg.sec_trace.nr_ev ? lg.sec_trace.ev[c->at].pos : pos;
		floor_at(im->pos, &im->floor, next);
	}
}

static int one_image(const char *which)
{
	struct image im = { .trace = &traces[0] };
	uint32_t prefix, v, next = 0;
	static struct sums s;
	struct crash c;
	struct rng r;
	size_t mark;
	bool ok;

	if (sscanf(which, "%u.%u", &prefix, &v) != 2 || prefix > lg.sec_trace.nr_ev)
		die("there is no image %s", which);
	mine = &s;
	crash_init(&c, &lg.sec, &lg.sec_trace);
	go_to(&c, prefix, &im, &next);
	image_name(&im, prefix, v);
	printf("image %s: before entry %u of the log; told: complete %llu.%llu, committed %llu.%llu, direct copy: %s\n",
	       im.name, im.pos, (unsigned long long)im.floor.complete.epoch,
	       (unsigned long long)im.floor.complete.n, (unsigned long long)im.floor.committed.epoch,
	       (unsigned long long)im.floor.committed.n, im.floor.direct ? "yes" : "no");
	lg.sec.undoing = true;
	if (!build(&c, v, &r))
		die("image %s: nothing is unflushed there, see %u.0", im.name, prefix);
	if (dump_dir)
		dump_disks(im.name);
	recover_verbose = true;
	mark = lg.sec.nr_undo;
	ok = run_image(&im, rng_next64(&r));
	if (ok && rng_under(&r, NEST) == 0)
		ok = crash_again(&im, mark, rng_next64(&r), 1);
	if (!ok)
		tell(&im);
	else
		printf("recovered: complete %llu.%llu, committed %llu.%llu%s\n",
		       (unsigned long long)im.found.complete.epoch,
		       (unsigned long long)im.found.complete.n,
		       (unsigned long long)im.found.committed.epoch,
		       (unsigned long long)im.found.committed.n,
		       im.found.inconsistent ? ", INCONSISTENT" : "");
	return !ok;
}

/* What a real kernel must make of the image, as shell variables. */
struct expected {
	struct image im;	/* first */
	FILE *f;
};

static void digest(FILE *f, const char *var, const struct disk *d)
{
	char sum[65], path[512], cmd[600];
	FILE *p;

	snprintf(path, sizeof(path), "%s/digest.tmp", dump_dir);
	write_file(path, d->data, d->sectors * SECTOR);
	snprintf(cmd, sizeof(cmd), "sha256sum < '%s'", path);
	p = popen(cmd, "r");
	if (!p || fscanf(p, "%64s", sum) != 1 || pclose(p))
		die("%s failed", cmd);
	unlink(path);
	fprintf(f, "%s=%s\n", var, sum);
}

static bool on_sampled_stage(void *arg, const struct outcome *o)
{
	struct expected *e = arg;
	char var[32];
	uint32_t i;

	if (o->stage == STAGE_RECOVERED)
		return on_stage(arg, o);
	if (o->stage == STAGE_RESTORED)
		fprintf(e->f, "complete=%llu.%llu committed=%llu.%llu restored=%llu.%llu inconsistent=%s\n",
			(unsigned long long)o->complete.epoch, (unsigned long long)o->complete.n,
			(unsigned long long)o->committed.epoch, (unsigned long long)o->committed.n,
			(unsigned long long)o->restored.epoch, (unsigned long long)o->restored.n,
			o->inconsistent ? "true" : "false");
	else
		fprintf(e->f, "promoted=%llu.%llu\n", (unsigned long long)o->complete.epoch,
			(unsigned long long)o->complete.n);
	for (i = 0; i < lg.sec.nr; i++) {
		const struct disk *d = &lg.sec.d[i];

		if (d->volume)
			snprintf(var, sizeof(var), "%sd%d", o->stage == STAGE_RESTORED ? "" : "promoted_",
				 d->volume);
		else if (o->stage == STAGE_RESTORED)
			snprintf(var, sizeof(var), "m");
		else
			continue;
		digest(e->f, var, d);
	}
	return on_stage(arg, o);
}

static void sample(uint32_t n)
{
	static struct sums s;
	struct rng pick = { hash2(seed, n) };
	struct expected e;
	struct outcome o;
	struct crash c;
	uint32_t next = 0, k, meta, data, hits = 0;
	uint64_t at = 0, last = 0;
	char path[512];
	struct rng r;

	mine = &s;
	crash_init(&c, &lg.sec, &lg.sec_trace);
	memset(&e, 0, sizeof(e));
	for (k = 0; k < n; ) {
		/* spread over the log; where nothing is unflushed there is little to see */
		at += 1 + rng_under(&pick, (uint32_t)((lg.sec_trace.nr_ev - at) / (n - k) ?: 1));
		if (at >= lg.sec_trace.nr_ev)
			die("only %u images for a sample of %u", k, n);
		go_to(&c, (uint32_t)at, &e.im, &next);
		while (!c.nr_done && !c.nr_under && c.at < lg.sec_trace.nr_ev)
			go_to(&c, c.at + 1, &e.im, &next);
		at = c.at;
		lg.sec.undoing = true;
		if (build(&c, 2 + rng_under(&pick, 1000), &r) && lg.sec.hash != last) {
			last = lg.sec.hash;
			crash_unflushed(&c, &meta, &data);
			hits += meta || data;
			snprintf(path, sizeof(path), "%u", k++);
			dump_disks(path);
			snprintf(path, sizeof(path), "%s/%u.expected", dump_dir, k - 1);
			e.f = fopen(path, "w");
			if (!e.f)
				die("%s: %s", path, strerror(errno));
			e.im.trace = &traces[0];
			e.im.why[0] = '\0';
			recover(&lg.sec, rng_next64(&r), on_sampled_stage, &e, &o, &traces[0]);
			if (fclose(e.f) || e.im.why[0] || o.rc)
				die("%s, entry %u: %s %s", lg.path, e.im.pos, e.im.why, o.why);
		}
		disks_undo(&lg.sec, 0);
		lg.sec.undoing = false;
	}
	printf("%u images, %u with unflushed writes\n", n, hits);
}

int main(int argc, char **argv)
{
	const char *image = NULL;
	unsigned int sampled = 0;
	int i;

	for (i = 2; i + 1 < argc; i += 2) {
		const char *v = argv[i + 1];

		if (!strcmp(argv[i], "--count"))
			count = strtoull(v, NULL, 0);
		else if (!strcmp(argv[i], "--seed"))
			seed = strtoull(v, NULL, 0);
		else if (!strcmp(argv[i], "--jobs"))
			jobs = (unsigned int)atoi(v);
		else if (!strcmp(argv[i], "--per-prefix"))
			per_prefix = (unsigned int)atoi(v);
		else if (!strcmp(argv[i], "--image"))
			image = v;
		else if (!strcmp(argv[i], "--sample"))
			sampled = (unsigned int)atoi(v);
		else if (!strcmp(argv[i], "--dump"))
			dump_dir = v;
		else
			die("what is %s?", argv[i]);
	}
	if (argc < 2 || i < argc || !jobs || !count)
		die("usage: dmoimages LOG [--count N] [--seed S] [--jobs N] [--image P.V] [--sample N] [--dump DIR]");
	log_read(&lg, argv[1]);
	if (image)
		return one_image(image);
	if (sampled) {
		if (!dump_dir)
			die("--sample needs --dump DIR");
		sample(sampled);
		return 0;
	}
	all_images();
	return 0;
}
