/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Crash images out of a log of all disks: what the files of dmoimages share. See dmoimages.c.
 * No kernel type is in here: recover.c alone sees the product, through the simulator's shim.
 */
#ifndef DMO_IMAGES_H
#define DMO_IMAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SECTOR		512u
#define MAX_DISKS	8u	/* of a host */
#define MAX_VOLS	4u
#define NEVER		UINT32_MAX

void die(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
void *must(void *p);		/* dies without memory */

struct rng { uint64_t s; };
static inline uint64_t rng_next64(struct rng *r)
{
	uint64_t z = r->s += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static inline uint32_t rng_under(struct rng *r, uint32_t n)	/* n > 0 */
{
	return (uint32_t)(((rng_next64(r) >> 32) * n) >> 32);
}

struct cut { uint64_t epoch, n; };
static inline int cut_cmp(struct cut a, struct cut b)
{
	if (a.epoch != b.epoch)
		return a.epoch < b.epoch ? -1 : 1;
	return a.n < b.n ? -1 : a.n > b.n;
}

/* ---- what was done to the disks of a host: trace.c ---- */

enum io_op { IO_WRITE = 1, IO_ZERO, IO_FLUSH };	/* as enum rec_op */

#define IO_PREFLUSH	1u	/* as REC_* */
#define IO_FUA		2u

struct io {
	uint8_t op;
	uint8_t flags;
	uint32_t disk;
	uint32_t nr;			/* sectors */
	uint64_t sector;
	const uint8_t *data;		/* IO_WRITE */
	uint64_t *hash;			/* of each sector, made when needed */
	uint32_t submit, complete;	/* events; NEVER */
};

struct event {
	uint32_t io;
	bool complete;
	uint32_t pos;			/* in the log */
};

struct trace {
	struct io *io;
	uint32_t nr_io, room_io;
	struct event *ev;
	uint32_t nr_ev, room_ev;
};

uint32_t trace_submit(struct trace *t, const struct io *io, uint32_t pos);
void trace_complete(struct trace *t, uint32_t io, uint32_t pos);
void trace_empty(struct trace *t);	/* frees hashes, not data */

/* ---- the disks as they are now: disks.c ---- */

struct disk {
	char name[32];
	uint64_t sectors;
	uint8_t *data;
	uint64_t *hash;		/* of each sector */
	int volume;		/* data device of this volume, 0: metadata device */
};

struct disks {
	struct disk d[MAX_DISKS];
	uint32_t nr;
	uint64_t hash;		/* of all of it */
	/* what is overwritten is kept while @undoing */
	bool undoing;
	struct undo { uint32_t disk; uint64_t sector, hash; } *undo;
	uint8_t *undo_data;
	size_t nr_undo, room_undo;
};

uint64_t sector_hash(const uint8_t *p);
void disks_rehash(struct disks *m);
/* disks_set - @data NULL: zeroes; @hash 0: not known */
void disks_set(struct disks *m, uint32_t disk, uint64_t sector, const uint8_t *data, uint64_t hash);
void disks_io(struct disks *m, struct io *io, uint32_t sector);	/* its @sector-th sector */
void disks_undo(struct disks *m, size_t upto);			/* back to @nr_undo == @upto */

/* ---- a crash: crash.c ---- */

/*
 * The events of @t up to @at have happened to @m, which holds what is durable. What
 * else may be there: @done completed, in that order, but not flushed; @under in flight.
 */
struct crash {
	struct disks *m;
	struct trace *t;
	uint32_t at;
	uint32_t *done, *under;
	uint32_t nr_done, nr_under;
	uint32_t room;
	uint64_t *ver[MAX_DISKS];	/* of each sector: @round and the event that made it durable */
	uint64_t round;
	char why[160];			/* a rule that the I/O itself breaks */
};

void crash_init(struct crash *c, struct disks *m, struct trace *t);
void crash_restart(struct crash *c, struct trace *t);
void crash_step(struct crash *c);
/* crash_unflushed - number of writes that may be lost; @meta, @data: of them on such devices */
uint32_t crash_unflushed(const struct crash *c, uint32_t *meta, uint32_t *data);
/*
 * crash_variant - apply some of what may be there to the disks; @v 0: nothing, 1: all, else as
 * @r says. False: this variant is none of its own, nothing was done.
 */
bool crash_variant(struct crash *c, uint32_t v, struct rng *r);

/* ---- the log and what the volumes held at each cut: log.c, oracle.c ---- */

enum mark { MARK_COMPLETE, MARK_COMMITTED, MARK_RESTORED, MARK_DIRECT, MARK_CUT, MARK_NR };

struct point {			/* in the log */
	uint32_t pos;
	enum mark mark;		/* MARK_CUT: a cut was made at the primary */
	struct cut cut;
};

struct wr {			/* a write to a volume */
	uint32_t pos, volume, nr;
	uint64_t sector, seq;
	bool zero;
	uint8_t *data, *old;
};

struct oracle {
	uint32_t nr_vols;
	uint64_t sectors[MAX_VOLS];
	uint8_t *now[MAX_VOLS];		/* with the first @at writes of @w */
	struct wr **w;			/* by seq, then as they came */
	uint32_t nr_w, at;
	struct point *cuts;		/* as they were made */
	uint32_t nr_cuts;
};

struct log {
	const char *path;
	struct disks sec, pri;		/* as they were at the beginning */
	struct trace sec_trace, pri_trace;
	struct point *marks;		/* all but MARK_CUT, in order */
	uint32_t nr_marks;
	struct oracle oracle;
};

void log_read(struct log *l, const char *path);
/* oracle_seek - @now becomes what the volumes held at the cut; false: no such cut was made before @pos */
bool oracle_seek(struct oracle *o, struct cut cut, uint32_t pos);
/* oracle_explain - print what was written to a sector, and what of it is @data */
void oracle_explain(const struct oracle *o, uint32_t volume, uint64_t sector, const uint8_t *data);

/* ---- the product's recovery: recover.c ---- */

enum stage {
	STAGE_RECOVERED,	/* the ring is scanned: nothing is under way to a data device */
	STAGE_RESTORED,		/* what is committed is on the data devices */
	STAGE_FINISHED,		/* promoted: so is what is complete */
};

struct outcome {
	int rc;			/* 0 or errno, with @why */
	enum stage stage;	/* how far it came */
	bool inconsistent;
	bool refused;		/* so promotion was */
	bool primary;		/* the superblock says so; nothing else was done */
	struct cut complete, committed, restored;
	uint64_t epoch;		/* of a primary's state block */
	char why[320];
};

/*
 * recover - activate a secondary on @m, restore, promote
 * @stage: called at each stage; false: go no further
 * @t: what it did to the disks, from here on; data is copied, of recover.c and valid until the next call
 * Everything it did is in @m afterwards.
 */
void recover(struct disks *m, uint64_t seed, bool (*stage)(void *arg, const struct outcome *o),
	     void *arg, struct outcome *o, struct trace *t);
/* load_primary - what a primary's metadata device says */
void load_primary(struct disks *m, struct outcome *o, struct trace *t);
extern bool recover_verbose;

#endif /* DMO_IMAGES_H */
