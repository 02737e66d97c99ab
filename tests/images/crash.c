// SPDX-License-Identifier: GPL-2.0-only
/*
 * What may be on the disks when the power fails.
 *
 * Durable is: a write that had completed when a flush was submitted that has completed; a FUA write that has
 * completed. Of all other writes, completed or in flight, any set of sectors may be there. Of
 * two writes to one sector the later one wins, if both are. A write with a preflush reaches the
 * medium behind what it flushes: if any of it is there, so is all that had completed before it was
 * submitted.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "images.h"

void crash_init(struct crash *c, struct disks *m, struct trace *t)
{
	uint32_t i;

	memset(c, 0, sizeof(*c));
	c->m = m;
	for (i = 0; i < m->nr; i++)
		c->ver[i] = must(calloc(m->d[i].sectors, sizeof(*c->ver[i])));
	crash_restart(c, t);
}

void crash_restart(struct crash *c, struct trace *t)
{
	c->t = t;
	c->at = 0;
	c->nr_done = 0;
	c->nr_under = 0;
	c->round += 1ull << 33;
	c->why[0] = '\0';
	if (t->nr_io > c->room) {
		c->room = t->nr_io;
		c->done = must(realloc(c->done, c->room * sizeof(*c->done)));
		c->under = must(realloc(c->under, c->room * sizeof(*c->under)));
	}
}

/* Of two writes to a sector: which is later? In flight is later than all that is completed. */
static uint64_t age(const struct crash *c, const struct io *io)
{
	return c->round + 1 + (io->complete < c->at ? io->complete : (1ull << 32) + io->submit);
}

static void put_sector(struct crash *c, struct io *io, uint32_t s, bool durable)
{
	uint64_t *ver = &c->ver[io->disk][io->sector + s], a = age(c, io);

	if (*ver > a)
		return;
	if (durable)
		*ver = a;
	disks_io(c->m, io, s);
}

static void make_durable(struct crash *c, struct io *io)
{
	uint32_t s;

	for (s = 0; s < io->nr; s++)
		put_sector(c, io, s, true);
}


/* What had completed before event @before is on the medium. */
static void flush(struct crash *c, uint32_t disk, uint32_t before)
{
	uint32_t i, left = 0;

	for (i = 0; i < c->nr_done; i++) {
		struct io *io = &c->t->io[c->done[i]];

		if (io->disk == disk && io->complete < before)
			make_durable(c, io);
		else
			c->done[left++] = c->done[i];
	}
	c->nr_done = left;
}

static void submitted(struct crash *c, uint32_t nr)
{
	const struct io *io = &c->t->io[nr];
	uint32_t i;

	if (io->op == IO_FLUSH)
		return;
	for (i = 0; i < c->nr_under; i++) {
		const struct io *o = &c->t->io[c->under[i]];

		if (o->disk == io->disk && o->sector < io->sector + io->nr &&
		    io->sector < o->sector + o->nr)
			snprintf(c->why, sizeof(c->why),
				 "%s: two writes to the same sectors are in flight, %llu+%u and %llu+%u",
				 c->m->d[io->disk].name, (unsigned long long)o->sector, o->nr,
				 (unsigned long long)io->sector, io->nr);
	}
	c->under[c->nr_under++] = nr;
}

static void completed(struct crash *c, uint32_t nr)
{
	struct io *io = &c->t->io[nr];
	uint32_t i;

	if (io->op == IO_FLUSH || io->flags & IO_PREFLUSH)
		flush(c, io->disk, io->submit);
	if (io->op == IO_FLUSH)
		return;
	for (i = 0; c->under[i] != nr; i++)
		;
	memmove(&c->under[i], &c->under[i + 1], (--c->nr_under - i) * sizeof(*c->under));
	if (io->flags & IO_FUA)
		make_durable(c, io);
	else
		c->done[c->nr_done++] = nr;
}

void crash_step(struct crash *c)
{
	const struct event *e = &c->t->ev[c->at++];

	if (e->complete)
		completed(c, e->io);
	else
		submitted(c, e->io);
}

uint32_t crash_unflushed(const struct crash *c, uint32_t *meta, uint32_t *data)
{
	uint32_t i, n = c->nr_done + c->nr_under;

	*meta = *data = 0;
	for (i = 0; i < n; i++) {
		const struct io *io = &c->t->io[i < c->nr_done ? c->done[i] :
						c->under[i - c->nr_done]];

		if (c->m->d[io->disk].volume)
			++*data;
		else
			++*meta;
	}
	return n;
}

/* ---- variants ---- */

enum { LOST, KEPT, TORN };

enum kind {
	SINGLE_LOST, SINGLE_KEPT, FIRST, LAST, HALF, MOST, FEW, ONE_TORN, ALL_TORN, ONE_DISK, KINDS
};

static void choose(const struct crash *c, uint8_t *how, uint32_t n, struct rng *r)
{
	enum kind kind = (enum kind)rng_under(r, KINDS);
	uint32_t k = rng_under(r, n), i;

	for (i = 0; i < n; i++) {
		uint32_t nr = i < c->nr_done ? c->done[i] : c->under[i - c->nr_done];
		uint32_t dice = rng_under(r, 100);

		switch (kind) {
		case SINGLE_LOST:
			how[i] = i == k ? LOST : KEPT;
			break;
		case SINGLE_KEPT:
			how[i] = i == k ? KEPT : LOST;
			break;
		case FIRST:
			how[i] = i <= k ? KEPT : LOST;
			break;
		case LAST:
			how[i] = i >= k ? KEPT : LOST;
			break;
		case MOST:
			how[i] = dice < 85 ? KEPT : LOST;
			break;
		case FEW:
			how[i] = dice < 15 ? KEPT : LOST;
			break;
		case ONE_TORN:
			how[i] = i == k ? TORN : dice < 50 ? KEPT : LOST;
			break;
		case ALL_TORN:
			how[i] = TORN;
			break;
		case ONE_DISK:
			how[i] = c->t->io[nr].disk == k % c->m->nr ? LOST : KEPT;
			break;
		default:
			how[i] = dice < 50 ? KEPT : LOST;
			break;
		}
	}
}

/* A tear: up to a sector, from one on, or a sector here and there. */
static void put_torn(struct crash *c, struct io *io, struct rng *r)
{
	uint32_t way = rng_under(r, 3), at = rng_under(r, io->nr + 1), s;

	for (s = 0; s < io->nr; s++)
		if (way == 0 ? s < at : way == 1 ? s >= at : rng_under(r, 2))
			put_sector(c, io, s, false);
}

/* What is behind a preflush is there only if all before it is. */
static void heed_preflush(const struct crash *c, uint8_t *how)
{
	uint32_t i, k;

	for (k = 0; k < c->nr_under; k++) {
		const struct io *io = &c->t->io[c->under[k]];

		if (!(io->flags & IO_PREFLUSH) || how[c->nr_done + k] == LOST)
			continue;
		for (i = 0; i < c->nr_done; i++) {
			const struct io *o = &c->t->io[c->done[i]];

			if (o->disk == io->disk && o->complete < io->submit)
				how[i] = KEPT;
		}
	}
}

bool crash_variant(struct crash *c, uint32_t v, struct rng *r)
{
	uint32_t n = c->nr_done + c->nr_under, i, s;
	static uint8_t *how;
	static uint32_t room;

	if (!n || v == 0)
		return v == 0;
	if (n > room) {
		room = 2 * n;
		how = must(realloc(how, room));
	}
	if (v == 1)
		memset(how, KEPT, n);
	else
		choose(c, how, n, r);
	heed_preflush(c, how);
	for (i = 0; i < n; i++) {
		struct io *io = &c->t->io[i < c->nr_done ? c->done[i] : c->under[i - c->nr_done]];

		if (how[i] == KEPT)
			for (s = 0; s < io->nr; s++)
				put_sector(c, io, s, false);
		else if (how[i] == TORN)
			put_torn(c, io, r);
	}
	return true;
}
