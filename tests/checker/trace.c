// SPDX-License-Identifier: GPL-2.0-only
/* Check B: the trace of the product's writes and cuts. See check.h. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "check_priv.h"

#define BAD(c, ...) (ck_fail(c, CK_TRACE, __VA_ARGS__), -1)

static uint64_t *add_drained(struct ck *c, uint64_t seq)
{
	c->drained = realloc(c->drained, (c->nr_drained + 1) * sizeof(*c->drained));
	if (!c->drained)
		abort();
	c->drained[c->nr_drained++] = seq;
	return c->drained;
}

static int take_event(struct ck *c, const char *name, const char *line, const char *dev)
{
	const char *p = strstr(line, ": dmo_");
	struct event *e;
	char what[16], of[32];
	unsigned int zero;
	int n = 0;

	if (strstr(line, "LOST") && strstr(line, "EVENTS"))
		return BAD(c, "%s: '%s'", name, line);
	if (!p)
		return 0;
	if (sscanf(p, ": dmo_%15[a-z]: dev=%31s nr=%n", what, of, &n) != 2 || !n)
		return BAD(c, "%s: strange event '%s'", name, line);
	if (dev && strcmp(dev, of))
		return 0;
	p += n;
	c->events = ck_grow(c->events, c->nr_events, &c->room_events, sizeof(*c->events));
	e = &c->events[c->nr_events];
	memset(e, 0, sizeof(*e));
	n = 0;
	if (!strcmp(what, "write")) {
		e->type = EV_WRITE;
		sscanf(p, "%" SCNu64 " volume=%u lba=%" SCNu64 " sectors=%u seq=%" SCNu64 " zero=%u%n", &e->nr, &e->volume,
		       &e->lba, &e->sectors, &e->seq, &zero, &n);
		e->zero = n && zero;
	} else if (!strcmp(what, "cut")) {
		e->type = EV_CUT;
		sscanf(p, "%" SCNu64 " seq=%" SCNu64 " epoch=%" SCNu64 " n=%" SCNu64 "%n", &e->nr, &e->seq, &e->cut.epoch,
		       &e->cut.n, &n);
	} else if (!strcmp(what, "drained")) {
		e->type = EV_DRAINED;
		sscanf(p, "%" SCNu64 " seq=%" SCNu64 "%n", &e->nr, &e->seq, &n);
	}
	if (!n || !e->nr || !e->seq)
		return BAD(c, "%s: strange event '%s'", name, line);
	c->nr_events++;
	return 0;
}

int ck_add_trace(struct ck *c, const char *name, const char *text, size_t len, const char *dev)
{
	const char *end;
	char line[512];
	int r = 0;

	for (; (end = memchr(text, '\n', len)); len -= (size_t)(end + 1 - text), text = end + 1) {
		size_t n = (size_t)(end - text);

		if (n >= sizeof(line))
			return BAD(c, "%s: a line of %zu bytes", name, n);
		memcpy(line, text, n);
		line[n] = '\0';
		r |= take_event(c, name, line, dev);
	}
	return r;
}

static int by_nr(const void *a, const void *b)
{
	const struct event *x = a, *y = b;

	return x->nr < y->nr ? -1 : x->nr > y->nr;
}

static int by_seq(const void *a, const void *b)
{
	const struct cycle *x = a, *y = b;

	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

/* Is every event here? */
static bool is_gapless(struct ck *c)
{
	size_t i;

	if (c->nr_events)
		qsort(c->events, c->nr_events, sizeof(*c->events), by_nr);
	for (i = 0; i < c->nr_events; i++) {
		if (c->events[i].nr == i + 1)
			continue;
		ck_fail(c, CK_TRACE, "event %zu is %s", i + 1,
			c->events[i].nr <= i ? "there twice" : "lost");
		return false;
	}
	return true;
}

static struct cycle *get_cycle(struct ck *c, uint64_t seq)
{
	size_t i = c->nr_cycles;

	/* nearly always one of the last two */
	while (i-- > 0)
		if (c->cycles[i].seq == seq)
			return &c->cycles[i];
	c->cycles = ck_grow(c->cycles, c->nr_cycles, &c->room_cycles, sizeof(*c->cycles));
	memset(&c->cycles[c->nr_cycles], 0, sizeof(*c->cycles));
	c->cycles[c->nr_cycles].seq = seq;
	return &c->cycles[c->nr_cycles++];
}

/*
 * What a sector's content adds to the digest. The stamp stands for the content: the image was compared
 * with what the stamp says to the last bit. Zeroes add nothing.
 */
static uint64_t hash_version(struct ck *c, struct volume *v, uint64_t s, int64_t at)
{
	struct op *op;

	if (at < 0)
		return 0;
	op = &c->ops[v->ver[v->start[s] + (size_t)at]];
	return op->zero ? 0 : ck_mix(ck_mix(v->id, s), ck_mix(op->lane, op->seq));
}

static bool trace_sector(struct ck *c, struct volume *v, uint64_t s, const struct event *e, struct cycle *y,
			 struct op **of)
{
	size_t k = v->start[s] + v->traced[s];
	struct op *op, *last = v->traced[s] ? &c->ops[v->ver[k - 1]] : NULL;

	/* When zeroing fails the kernel may try once more, in another way: the same once more. */
	if (last && last->zero && !last->acked && (!*of || *of == last) &&
	    (k >= v->start[s + 1] || &c->ops[v->ver[k]] != *of)) {
		*of = last;
		return true;
	}
	if (k >= v->start[s + 1]) {
		ck_fail(c, CK_TRACE, "volume %u sector %" PRIu64 ": event %" PRIu64 " tells of a write that nobody issued",
			v->id, s, e->nr);
		return false;
	}
	op = &c->ops[v->ver[k]];
	if ((*of && *of != op) || (e->zero && !op->zero)) {
		ck_fail(c, CK_TRACE, "volume %u sector %" PRIu64 ": event %" PRIu64 " does not match write %u.%" PRIu64,
			v->id, s, e->nr, op->lane, op->seq);
		return false;
	}
	*of = op;
	if (v->traced[s] && v->cycle[k - 1] > e->seq)
		ck_fail(c, CK_CYCLES, "volume %u sector %" PRIu64 ": write %u.%" PRIu64 " is in cycle %" PRIu64
			", the one before it in %" PRIu64, v->id, s, op->lane, op->seq, e->seq, v->cycle[k - 1]);
	v->cycle[k] = e->seq;
	y->digest ^= hash_version(c, v, s, (int64_t)v->traced[s] - 1) ^
		     hash_version(c, v, s, (int64_t)v->traced[s]);
	v->traced[s]++;
	return true;
}

static bool trace_write(struct ck *c, const struct event *e)
{
	struct volume *v = ck_volume(c, e->volume);
	struct cycle *y = get_cycle(c, e->seq);
	struct op *op = NULL;
	uint64_t s;

	if (!v)
		return true;	/* the workload doesn't write there */
	if (e->lba >= v->sectors || e->sectors > v->sectors - e->lba) {
		ck_fail(c, CK_TRACE, "event %" PRIu64 ": beyond volume %u", e->nr, e->volume);
		return false;
	}
	for (s = e->lba; s < e->lba + e->sectors; s++)
		if (!trace_sector(c, v, s, e, y, &op))
			return false;
	if (!op->traced || op->min_cycle > e->seq)
		op->min_cycle = e->seq;
	if (op->max_cycle < e->seq)
		op->max_cycle = e->seq;
	op->traced += e->sectors;
	if (op->seq > 1) {
		struct op *before = lane_op(c, op->lane, op->seq - 1);

		if (before->acked && before->traced != before->n) {
			ck_fail(c, CK_TRACE, "write %u.%" PRIu64 " was acknowledged and %s traced", before->lane, before->seq,
				before->traced ? "not wholly" : "not");
			return false;
		}
	}
	return true;
}

static bool trace_all(struct ck *c, struct ck_result *r)
{
	size_t i;

	for (i = 0; i < c->nr_vols; i++) {
		c->vols[i].traced = calloc(c->vols[i].sectors, sizeof(*c->vols[i].traced));
		if (!c->vols[i].traced)
			abort();
	}
	for (i = 0; i < c->nr_events; i++) {
		struct event *e = &c->events[i];
		struct cycle *y;

		switch (e->type) {
		case EV_WRITE:
			if (!trace_write(c, e))
				return false;
			break;
		case EV_CUT:
			y = get_cycle(c, e->seq);
			y->cut = e->cut;
			y->has_cut = true;
			r->cuts++;
			break;
		case EV_DRAINED:
			add_drained(c, e->seq);
			break;
		}
	}
	r->events = c->nr_events;
	return true;
}

/* No write is in an earlier cycle than one that had ended before its issue. */
static void check_cycles(struct ck *c)
{
	unsigned int k;
	size_t i;

	for (k = 0; k < c->nlanes; k++) {
		struct lane *l = &c->lanes[k];

		l->max_cycle = calloc(l->nr + 1, sizeof(*l->max_cycle));
		if (!l->max_cycle)
			abort();
		for (i = 0; i < l->nr; i++) {
			uint64_t y = c->ops[l->ops[i]].max_cycle;

			l->max_cycle[i + 1] = y > l->max_cycle[i] ? y : l->max_cycle[i];
		}
	}
	for (i = 0; i < c->nr_ops; i++) {
		struct op *op = &c->ops[i];

		for (k = 0; op->traced && k < c->nlanes; k++) {
			uint64_t y = c->lanes[k].max_cycle[eff_of(c, op)[k]];

			if (y <= op->min_cycle)
				continue;
			ck_fail(c, CK_CYCLES, "write %u.%" PRIu64 " is in cycle %" PRIu64 ", but lane %u had ended one of cycle %"
				PRIu64 " before it was issued", op->lane, op->seq, op->min_cycle, k, y);
			break;
		}
	}
}

static uint64_t image_digest(struct ck *c)
{
	struct volume *v;
	uint64_t d = 0, s;

	for (v = c->vols; v < c->vols + c->nr_vols; v++)
		for (s = 0; v->image && s < v->sectors; s++) {
			if (v->state[s] == SHOWS_VERSION)
				d ^= hash_version(c, v, s, v->at[s]);
			else if (v->state[s] != SHOWS_ZERO)
				d ^= ck_mix(ck_mix(v->id, s), ~0ull);
		}
	return d;
}

/* The version of sector @s at the end of cycle @seq. */
static int64_t version_at(struct volume *v, uint64_t s, uint64_t seq)
{
	int64_t at = -1;
	size_t k;

	for (k = v->start[s]; k < v->start[s + 1] && v->cycle[k] && v->cycle[k] <= seq; k++)
		at++;
	return at;
}

static void name_differences(struct ck *c, uint64_t seq)
{
	struct volume *v;
	uint64_t s;

	for (v = c->vols; v < c->vols + c->nr_vols; v++)
		for (s = 0; v->image && s < v->sectors; s++) {
			int64_t want = version_at(v, s, seq);
			struct op *op = want < 0 ? NULL : &c->ops[v->ver[v->start[s] + (size_t)want]];
			bool zero = !op || op->zero;

			if (v->state[s] == SHOWS_ZERO ? zero : v->state[s] == SHOWS_VERSION && want == v->at[s])
				continue;
			if (!op)
				ck_fail(c, CK_DIGEST, "volume %u sector %" PRIu64 " isn't as it was before all writes", v->id, s);
			else
				ck_fail(c, CK_DIGEST, "volume %u sector %" PRIu64 " isn't as it was at the cut: write %u.%"
					PRIu64 ", number %" PRId64 " there; the image has number %" PRId64, v->id, s, op->lane,
					op->seq, want, v->state[s] == SHOWS_ZERO ? -1 : v->at[s]);
		}
}

static void compare(struct ck *c, const struct ck_options *o, const struct cycle *y, struct ck_result *r)
{
	const char *other = "no cut at all";
	char text[80];
	size_t i;

	r->digest = image_digest(c);
	if (r->digest == y->digest)
		return;
	for (i = 0; i < c->nr_cycles; i++)
		if (c->cycles[i].digest == r->digest) {
			snprintf(text, sizeof(text), "that of cycle %" PRIu64, c->cycles[i].seq);
			other = text;
		}
	ck_fail(c, CK_DIGEST, "the image's digest is not that of cut %" PRIu64 ".%" PRIu64 " but %s", o->cut.epoch,
		o->cut.n, other);
	name_differences(c, y->seq);
}

void ck_check_b(struct ck *c, const struct ck_options *o, struct ck_result *r)
{
	bool drained = false;
	struct cycle *y = NULL;
	size_t i;

	if (!is_gapless(c) || !trace_all(c, r))
		return;
	check_cycles(c);
	if (c->nr_cycles)
		qsort(c->cycles, c->nr_cycles, sizeof(*c->cycles), by_seq);
	for (i = 0; i < c->nr_cycles; i++) {
		if (i)
			c->cycles[i].digest ^= c->cycles[i - 1].digest;
		if (o->has_cut && c->cycles[i].has_cut && !ck_cut_cmp(c->cycles[i].cut, o->cut))
			y = &c->cycles[i];
	}
	for (i = 0; y && i < c->nr_drained; i++)
		drained |= c->drained[i] >= y->seq;
	if (!o->has_cut) {
		snprintf(r->b_why, sizeof(r->b_why), "the image's cut is not known");
	} else if (!y || !drained) {
		/* nothing is lost, but what came last didn't get out of the machine before it died */
		snprintf(r->b_why, sizeof(r->b_why), "the trace ends before %s cut %" PRIu64 ".%" PRIu64,
			 y ? "the last write of" : "", o->cut.epoch, o->cut.n);
	} else {
		r->b_done = true;
		compare(c, o, y, r);
	}
}
