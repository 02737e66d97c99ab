// SPDX-License-Identifier: GPL-2.0-only
/* The checker's three checks: see check.h. Histories are read by history.c, traces by trace.c. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "check_priv.h"

#define SAID_OF_A_KIND	4

const char * const ck_kind_names[CK_KINDS] = {
	"damaged", "address", "unknown", "order", "torn", "missing", "digest", "cycles", "trace",
	"commit", "rpo", "history",
};

void ck_fail(struct ck *c, enum ck_kind kind, const char *fmt, ...)
{
	char text[400];
	va_list ap;
	int n;

	if (c->failures[kind]++ >= SAID_OF_A_KIND || !c->say)
		return;
	n = snprintf(text, sizeof(text), "%s: ", ck_kind_names[kind]);
	va_start(ap, fmt);
	vsnprintf(text + n, sizeof(text) - (size_t)n, fmt, ap);
	va_end(ap);
	c->say(c->say_arg, text);
}

void *ck_grow(void *array, size_t nr, size_t *room, size_t size)
{
	void *p;

	if (nr < *room)
		return array;
	*room = *room ? *room * 2 : 64;
	p = realloc(array, *room * size);
	if (!p)
		abort();
	return p;
}

struct ck *ck_new(void)
{
	struct ck *c = calloc(1, sizeof(*c));

	if (!c)
		abort();
	return c;
}

void ck_free(struct ck *c)
{
	size_t i;

	for (i = 0; i < c->nr_vols; i++) {
		free(c->vols[i].start);
		free(c->vols[i].ver);
		free(c->vols[i].cycle);
		free(c->vols[i].at);
		free(c->vols[i].state);
		free(c->vols[i].traced);
	}
	for (i = 0; i < c->nr_hosts; i++)
		free(c->hosts[i].records);
	for (i = 0; i < CK_MAX_LANES; i++) {
		free(c->lanes[i].ops);
		free(c->lanes[i].max_cycle);
	}
	free(c->ops);
	free(c->clocks);
	free(c->marks);
	free(c->commits);
	free(c->events);
	free(c->drained);
	free(c->cycles);
	free(c);
}

void ck_say(struct ck *c, void (*say)(void *arg, const char *text), void *arg)
{
	c->say = say;
	c->say_arg = arg;
}

struct volume *ck_volume(struct ck *c, uint32_t id)
{
	size_t i;

	for (i = 0; i < c->nr_vols; i++)
		if (c->vols[i].id == id)
			return &c->vols[i];
	return NULL;
}

void ck_add_image(struct ck *c, uint32_t volume, const void *image, uint64_t sectors)
{
	struct volume *v = ck_volume(c, volume);

	if (!v) {
		ck_fail(c, CK_HISTORY, "volume %u is in no history", volume);
		return;
	}
	if (v->sectors > sectors) {
		ck_fail(c, CK_HISTORY, "volume %u: the image has %" PRIu64 " sectors, the history %" PRIu64,
			volume, sectors, v->sectors);
		return;
	}
	v->image = image;
}

/* ---- who came after whom ---- */

static void merge(struct ck *c, uint64_t *into, const uint64_t *from)
{
	unsigned int k;

	for (k = 0; k < c->nlanes; k++)
		if (from[k] > into[k])
			into[k] = from[k];
}

static bool clock_is_known(struct ck *c, const uint64_t *clock)
{
	unsigned int k;

	for (k = 0; k < c->nlanes; k++)
		if (clock[k] > c->lanes[k].processed)
			return false;
	return true;
}

/*
 * All that had ended before the write was issued: its clock, what the writes in the clock had
 * before them, and what the host had seen end.
 */
static void effective_clock(struct ck *c, struct op *op, const uint64_t *host)
{
	uint64_t *eff = eff_of(c, op), *rec = rec_of(c, op);
	unsigned int k;

	memcpy(eff, rec, c->nlanes * sizeof(*eff));
	for (k = 0; k < c->nlanes; k++)
		if (rec[k])
			merge(c, eff, eff_of(c, lane_op(c, k, rec[k])));
	if (host)
		merge(c, eff, host);
}

/* One record; false: its clock has something of another host that isn't processed yet. */
static bool process(struct ck *c, struct host *h, const struct record *r, bool tokens_only)
{
	struct mark *m;
	struct op *op;

	switch (r->type) {
	case REC_ISSUE:
		op = &c->ops[r->index];
		if (!clock_is_known(c, rec_of(c, op)))
			return false;
		effective_clock(c, op, tokens_only ? NULL : h->done);
		c->lanes[op->lane].processed = op->seq;
		break;
	case REC_ACK:
		op = &c->ops[r->index];
		if (op->status)
			break;
		merge(c, h->done, eff_of(c, op));
		if (h->done[op->lane] < op->seq)
			h->done[op->lane] = op->seq;
		break;
	case REC_ASK:
		m = &c->marks[r->index];
		memcpy(m->done, h->done, sizeof(m->done));
		break;
	}
	return true;
}

static void order_everything(struct ck *c, bool tokens_only)
{
	bool progress = true, left = true;
	size_t i;

	while (progress && left) {
		progress = left = false;
		for (i = 0; i < c->nr_hosts; i++) {
			struct host *h = &c->hosts[i];

			while (h->at < h->nr && process(c, h, &h->records[h->at], tokens_only)) {
				h->at++;
				progress = true;
			}
			left |= h->at < h->nr;
		}
	}
	for (i = 0; i < c->nr_hosts; i++) {
		struct host *h = &c->hosts[i];

		if (h->at < h->nr) {
			struct op *op = &c->ops[h->records[h->at].index];

			ck_fail(c, CK_HISTORY, "write %u.%" PRIu64 ": its clock has writes that were never issued",
				op->lane, op->seq);
		}
	}
}

/* ---- the versions of each sector ---- */

static void list_versions(struct ck *c)
{
	size_t i, k;
	uint64_t s;

	for (i = 0; i < c->nr_vols; i++) {
		struct volume *v = &c->vols[i];

		v->start = calloc(v->sectors + 2, sizeof(*v->start));
		v->at = malloc((v->sectors + 1) * sizeof(*v->at));
		v->state = calloc(v->sectors + 1, 1);
		if (!v->start || !v->at || !v->state)
			abort();
	}
	for (k = 0; k < c->nr_ops; k++) {
		struct volume *v = &c->vols[c->ops[k].vol];

		for (s = c->ops[k].lba; s < c->ops[k].lba + c->ops[k].n; s++)
			v->start[s + 2]++;
	}
	for (i = 0; i < c->nr_vols; i++) {
		struct volume *v = &c->vols[i];

		for (s = 1; s <= v->sectors + 1; s++)
			v->start[s] += v->start[s - 1];
		v->ver = malloc((v->start[v->sectors + 1] + 1) * sizeof(*v->ver));
		v->cycle = calloc(v->start[v->sectors + 1] + 1, sizeof(*v->cycle));
		if (!v->ver || !v->cycle)
			abort();
	}
	/* start[s + 1] is where the next version of s goes; at last it is where s + 1 begins */
	for (k = 0; k < c->nr_ops; k++) {
		struct volume *v = &c->vols[c->ops[k].vol];

		for (s = c->ops[k].lba; s < c->ops[k].lba + c->ops[k].n; s++)
			v->ver[v->start[s + 1]++] = (uint32_t)k;
	}
}

/* The rule that each sector has one owner: a version is issued when the one before it has ended. */
static void check_owners(struct ck *c)
{
	size_t i, k;
	uint64_t s;

	for (i = 0; i < c->nr_vols; i++) {
		struct volume *v = &c->vols[i];

		for (s = 0; s < v->sectors; s++)
			for (k = v->start[s] + 1; k < v->start[s + 1]; k++) {
				struct op *a = &c->ops[v->ver[k - 1]], *b = &c->ops[v->ver[k]];

				if (rec_of(c, b)[a->lane] >= a->seq)
					continue;
				ck_fail(c, CK_HISTORY,
					"volume %u sector %" PRIu64 ": written by %u.%" PRIu64 " which did not know of %u.%"
					PRIu64, v->id, s, b->lane, b->seq, a->lane, a->seq);
			}
	}
}

/* ---- what the image shows ---- */

/* Which version of sector @s bears this stamp? -1: told. */
static int64_t find_version(struct ck *c, struct volume *v, uint64_t s, const struct stamp *st)
{
	uint8_t want[CK_SECTOR];
	struct stamp as = *st;
	struct op *op;
	uint32_t nr;
	size_t k;

	if (st->volume != v->id || st->lba != s) {
		ck_fail(c, CK_ADDRESS, "volume %u sector %" PRIu64 " has what belongs to volume %u sector %"
			PRIu64 " (write %u.%" PRIu64 ")", v->id, s, st->volume, st->lba, st->lane, st->seq);
		return -1;
	}
	if (st->lane >= c->nlanes || !st->seq || st->seq > c->lanes[st->lane].nr) {
		ck_fail(c, CK_UNKNOWN, "volume %u sector %" PRIu64 ": write %u.%" PRIu64 " was never issued", v->id, s,
			st->lane, st->seq);
		return -1;
	}
	nr = c->lanes[st->lane].ops[st->seq - 1];
	op = &c->ops[nr];
	if (&c->vols[op->vol] != v || s < op->lba || s >= op->lba + op->n || op->zero ||
	    st->index != s - op->lba) {
		ck_fail(c, CK_UNKNOWN, "volume %u sector %" PRIu64 ": write %u.%" PRIu64 " was issued, but not like that",
			v->id, s, st->lane, st->seq);
		return -1;
	}
	as.lanes = (uint16_t)c->nlanes;
	stamp_fill(want, &as, rec_of(c, op));
	if (memcmp(want, v->image + s * CK_SECTOR, CK_SECTOR)) {
		ck_fail(c, CK_DAMAGED, "volume %u sector %" PRIu64 ": not what write %u.%" PRIu64 " wrote", v->id, s,
			st->lane, st->seq);
		return -1;
	}
	for (k = v->start[s]; v->ver[k] != nr; k++)
		;
	return (int64_t)(k - v->start[s]);
}

static void read_image(struct ck *c, struct volume *v, struct ck_result *r)
{
	uint64_t s;

	for (s = 0; s < v->sectors; s++) {
		struct stamp st;
		int64_t at;

		v->at[s] = -1;
		r->sectors++;
		switch (stamp_read(v->image + s * CK_SECTOR, c->run, &st)) {
		case STAMP_ZERO:
			v->state[s] = SHOWS_ZERO;
			r->zero++;
			break;
		case STAMP_FOREIGN:
			v->state[s] = SHOWS_FOREIGN;
			r->initial++;
			break;
		case STAMP_DAMAGED:
			ck_fail(c, CK_DAMAGED, "volume %u sector %" PRIu64 ": wrong checksum (write %u.%" PRIu64 ")", v->id, s,
				st.lane, st.seq);
			v->state[s] = SHOWS_BAD;
			break;
		case STAMP_OK:
			at = find_version(c, v, s, &st);
			v->state[s] = at < 0 ? SHOWS_BAD : SHOWS_VERSION;
			v->at[s] = at;
			r->stamped++;
			break;
		}
	}
}

/* ---- check A ---- */

static unsigned int fragment(struct ck *c, const struct op *op, uint64_t s)
{
	return (unsigned int)((s / c->atomic) - (op->lba / c->atomic));
}

static bool is_whole(struct ck *c, const struct op *op)
{
	return c->atomic && !op->zero;
}

/* The write is visible in sector @s: so is all that was done before it. */
static void visible(struct ck *c, struct op *op, uint64_t s)
{
	if (is_whole(c, op))
		op->seen |= 1ull << fragment(c, op, s);
	if (op->brought)
		return;
	op->brought = true;
	merge(c, c->closed, eff_of(c, op));
	c->changed = true;
}

static bool is_needed(struct ck *c, const struct op *op, uint64_t s)
{
	return op->seq <= c->closed[op->lane] ||
	       (is_whole(c, op) && op->seen >> fragment(c, op, s) & 1);
}

/* A sector that is zero: the next version is needed, so it must be at a later one that is zero. */
static void advance_zero(struct ck *c, struct volume *v, uint64_t s)
{
	int64_t n = (int64_t)(v->start[s + 1] - v->start[s]);
	uint32_t *ver = v->ver + v->start[s];

	for (;;) {
		int64_t k = v->at[s] + 1;

		if (k >= n || !is_needed(c, &c->ops[ver[k]], s))
			return;
		while (k < n && !c->ops[ver[k]].zero)
			k++;
		if (k == n)
			return;		/* found to be a failure at the end */
		v->at[s] = k;
		visible(c, &c->ops[ver[k]], s);
	}
}

static void judge_sector(struct ck *c, struct volume *v, uint64_t s)
{
	int64_t n = (int64_t)(v->start[s + 1] - v->start[s]), k = v->at[s] + 1;
	struct op *op;
	const char *shown = "";
	char text[80];

	if (v->state[s] == SHOWS_BAD || k >= n)
		return;
	op = &c->ops[v->ver[v->start[s] + (size_t)k]];
	if (!is_needed(c, op, s))
		return;
	if (v->at[s] >= 0) {
		struct op *at = &c->ops[v->ver[v->start[s] + (size_t)v->at[s]]];

		snprintf(text, sizeof(text), "write %u.%" PRIu64 "%s", at->lane, at->seq,
			 at->zero ? " (zeroes)" : "");
		shown = text;
	} else {
		shown = v->state[s] == SHOWS_ZERO ? "zeroes that nobody wrote" : "nothing of this run";
	}
	if (op->seq <= c->base[op->lane])
		ck_fail(c, CK_MISSING, "volume %u sector %" PRIu64 " shows %s; write %u.%" PRIu64
			" ended before the cut was asked for, or was acknowledged, and must be there", v->id, s, shown,
			op->lane, op->seq);
	else if (op->seq <= c->closed[op->lane])
		ck_fail(c, CK_ORDER, "volume %u sector %" PRIu64 " shows %s; write %u.%" PRIu64
			" is missing, and one that followed it is there", v->id, s, shown, op->lane, op->seq);
	else
		ck_fail(c, CK_TORN, "volume %u sector %" PRIu64 " shows %s; write %u.%" PRIu64
			" of %" PRIu64 "+%u is there in part", v->id, s, shown, op->lane, op->seq, op->lba, op->n);
}

static void check_a(struct ck *c)
{
	struct volume *v;
	uint64_t s;

	memcpy(c->closed, c->base, sizeof(c->closed));
	for (v = c->vols; v < c->vols + c->nr_vols; v++)
		for (s = 0; v->image && s < v->sectors; s++)
			if (v->state[s] == SHOWS_VERSION)
				visible(c, &c->ops[v->ver[v->start[s] + (size_t)v->at[s]]], s);
	do {
		c->changed = false;
		for (v = c->vols; v < c->vols + c->nr_vols; v++)
			for (s = 0; v->image && s < v->sectors; s++)
				if (v->state[s] == SHOWS_ZERO)
					advance_zero(c, v, s);
	} while (c->changed);
	for (v = c->vols; v < c->vols + c->nr_vols; v++)
		for (s = 0; v->image && s < v->sectors; s++)
			judge_sector(c, v, s);
}

/* ---- check C ---- */

int ck_cut_cmp(struct ck_cut a, struct ck_cut b)
{
	if (a.epoch != b.epoch)
		return a.epoch < b.epoch ? -1 : 1;
	return a.n < b.n ? -1 : a.n > b.n;
}

/* What must be there whatever the image shows. */
static void find_base(struct ck *c, const struct ck_options *o, struct ck_result *r)
{
	size_t i;

	if (o->all)
		for (i = 0; i < c->nr_hosts; i++)
			merge(c, c->base, c->hosts[i].done);
	for (i = 0; i < c->nr_marks; i++) {
		struct mark *m = &c->marks[i];

		r->marks += m->answered;
		if (o->has_cut && m->answered && ck_cut_cmp(m->cut, o->cut) <= 0)
			merge(c, c->base, m->done);
	}
	for (i = 0; i < c->nlanes; i++)
		r->required += c->base[i];
	r->commits = c->nr_commits;
	for (i = 0; o->has_cut && i < c->nr_commits; i++)
		if (ck_cut_cmp(o->cut, c->commits[i]) < 0)
			ck_fail(c, CK_COMMIT, "the image is at cut %" PRIu64 ".%" PRIu64 ", but %" PRIu64 ".%" PRIu64
				" was acknowledged as committed", o->cut.epoch, o->cut.n, c->commits[i].epoch,
				c->commits[i].n);
}

static void check_rpo(struct ck *c, const struct ck_options *o, struct ck_result *r)
{
	struct volume *v;
	uint64_t s;
	size_t k;

	for (v = c->vols; v < c->vols + c->nr_vols; v++)
		for (s = 0; v->image && s < v->sectors; s++)
			for (k = v->start[s] + (size_t)(v->at[s] + 1); k < v->start[s + 1]; k++)
				c->ops[v->ver[k]].lost = true;
	for (k = 0; k < c->nr_ops; k++) {
		struct op *op = &c->ops[k];
		uint64_t age;

		r->acked += op->acked;
		if (!op->acked || !op->lost)
			continue;
		r->lost++;
		age = c->hosts[op->host].last_us - op->ack_us;
		if (age > r->oldest_lost_us)
			r->oldest_lost_us = age;
		if (o->rpo_us && age > o->rpo_us)
			ck_fail(c, CK_RPO, "write %u.%" PRIu64 " is lost, and had been acknowledged %" PRIu64
				" ms before the end", op->lane, op->seq, age / 1000);
	}
}

/* ---- all ---- */

void ck_check(struct ck *c, const struct ck_options *o, struct ck_result *r)
{
	struct volume *v;
	unsigned int i;

	memset(r, 0, sizeof(*r));
	c->atomic = o->atomic;
	order_everything(c, o->tokens_only);
	list_versions(c);
	if (!c->failures[CK_HISTORY])
		check_owners(c);
	if (!c->failures[CK_HISTORY]) {
		for (v = c->vols; v < c->vols + c->nr_vols; v++)
			if (v->image)
				read_image(c, v, r);
		find_base(c, o, r);
		check_a(c);
		if (o->b)
			ck_check_b(c, o, r);
		check_rpo(c, o, r);
	}
	r->ops = c->nr_ops;
	memcpy(r->failures, c->failures, sizeof(r->failures));
	for (i = 0; i < CK_KINDS; i++)
		r->failed += c->failures[i];
}
