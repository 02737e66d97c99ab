// SPDX-License-Identifier: GPL-2.0-only
/* Histories: see check.h for the lines. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "check_priv.h"

#define BAD(c, ...) (ck_fail(c, CK_HISTORY, __VA_ARGS__), -1)

static int take_head(struct ck *c, struct host *h, char *line)
{
	unsigned int host, lanes, first, count, id, k;
	uint64_t run, sectors;
	int n = 0, used;
	char *p;

	if (sscanf(line, "H 1 %" SCNx64 " %u %u %u %u %n", &run, &host, &lanes, &first, &count, &n) != 5 ||
	    !n || !lanes || lanes > CK_MAX_LANES || first + count > lanes || !run)
		return BAD(c, "strange head '%s'", line);
	if (c->run && (c->run != run || c->nlanes != lanes))
		return BAD(c, "histories of different runs");
	c->run = run;
	c->nlanes = lanes;
	h->nr_host = host;
	for (k = first; k < first + count; k++) {
		if (c->lanes[k].known)
			return BAD(c, "lane %u is in two histories", k);
		c->lanes[k].known = true;
		c->lanes[k].host = (unsigned int)(h - c->hosts);
	}
	for (p = line + n; sscanf(p, "%u:%" SCNu64 "%n", &id, &sectors, &used) == 2; p += *p == ',') {
		struct volume *v = &c->vols[c->nr_vols];

		if (ck_volume(c, id) || c->nr_vols == 256)
			return BAD(c, "volume %u is in two histories", id);
		if (!sectors || sectors > 1ull << 32)
			return BAD(c, "volume %u has %" PRIu64 " sectors", id, sectors);
		v->id = id;
		v->sectors = sectors;
		v->host = (uint32_t)(h - c->hosts);
		c->nr_vols++;
		p += used;
	}
	return *p ? BAD(c, "strange volumes '%s'", p) : 0;
}

static struct record *add_record(struct host *h, uint32_t type, size_t index)
{
	h->records = ck_grow(h->records, h->nr, &h->room, sizeof(*h->records));
	h->records[h->nr].type = type;
	h->records[h->nr].index = (uint32_t)index;
	return &h->records[h->nr++];
}

static int take_clock(struct ck *c, char *p)
{
	size_t need = (c->nr_ops + 1) * 2 * c->nlanes;
	uint64_t *clock;
	unsigned int k;

	while (c->room_clocks < need)
		c->clocks = ck_grow(c->clocks, c->room_clocks, &c->room_clocks, sizeof(*c->clocks));
	clock = c->clocks + c->nr_ops * 2 * c->nlanes;
	for (k = 0; k < c->nlanes; k++) {
		char *end;

		clock[k] = strtoull(p, &end, 10);
		if (end == p || *end != (k + 1 < c->nlanes ? ',' : '\0'))
			return -1;
		p = end + 1;
	}
	return 0;
}

static struct op *find_op(struct ck *c, struct host *h, unsigned int lane, uint64_t seq)
{
	if (lane >= c->nlanes || !c->lanes[lane].known || &c->hosts[c->lanes[lane].host] != h ||
	    !seq || seq > c->lanes[lane].nr)
		return NULL;
	return lane_op(c, lane, seq);
}

static int take_issue(struct ck *c, struct host *h, char *line)
{
	unsigned int lane, vol, n;
	uint64_t us, seq, lba;
	char kind, flags[9];
	struct volume *v;
	struct lane *l;
	struct op *op;
	int at = 0;

	if (sscanf(line, "I %" SCNu64 " %u %" SCNu64 " %c %8s %u %" SCNu64 " %u %n", &us, &lane, &seq, &kind, flags,
		   &vol, &lba, &n, &at) != 8 || !at)
		return BAD(c, "strange line '%s'", line);
	v = ck_volume(c, vol);
	if (lane >= c->nlanes || &c->hosts[c->lanes[lane].host] != h || !v || &c->hosts[v->host] != h || !n ||
	    lba >= v->sectors || n > v->sectors - lba || !strchr("DZX", kind))
		return BAD(c, "an impossible write '%s'", line);
	l = &c->lanes[lane];
	if (seq != l->nr + 1)
		return BAD(c, "lane %u: write %" PRIu64 " follows %zu", lane, seq, l->nr);
	if (l->nr && !lane_op(c, lane, l->nr)->ended)
		return BAD(c, "lane %u: two writes in flight at %" PRIu64, lane, seq);
	if (take_clock(c, line + at))
		return BAD(c, "lane %u: strange clock of %" PRIu64, lane, seq);
	c->ops = ck_grow(c->ops, c->nr_ops, &c->room_ops, sizeof(*c->ops));
	op = &c->ops[c->nr_ops];
	memset(op, 0, sizeof(*op));
	if (rec_of(c, op)[lane] != seq - 1)
		return BAD(c, "lane %u: write %" PRIu64 " does not know of the one before it", lane, seq);
	op->lane = lane;
	op->seq = seq;
	op->lba = lba;
	op->n = n;
	op->vol = (uint32_t)(v - c->vols);
	op->host = (uint32_t)(h - c->hosts);
	op->zero = kind != 'D';
	h->last_us = us;
	l->ops = ck_grow(l->ops, l->nr, &l->room, sizeof(*l->ops));
	l->ops[l->nr++] = (uint32_t)c->nr_ops;
	add_record(h, REC_ISSUE, c->nr_ops++);
	return 0;
}

static int take_ack(struct ck *c, struct host *h, char *line)
{
	unsigned int lane;
	uint64_t us, seq;
	struct op *op;
	int status;

	if (sscanf(line, "A %" SCNu64 " %u %" SCNu64 " %d", &us, &lane, &seq, &status) != 4)
		return BAD(c, "strange line '%s'", line);
	op = find_op(c, h, lane, seq);
	if (!op || op->ended)
		return BAD(c, "an end of what was not in flight: '%s'", line);
	op->ended = true;
	op->acked = !status;
	op->status = status;
	op->ack_us = us;
	h->last_us = us;
	add_record(h, REC_ACK, (size_t)(op - c->ops));
	return 0;
}

static int take_mark(struct ck *c, struct host *h, char *line)
{
	uint64_t us, id;
	struct mark *m;
	size_t i;

	if (line[0] == 'M') {
		if (sscanf(line, "M %" SCNu64 " %" SCNu64, &us, &id) != 2)
			return BAD(c, "strange line '%s'", line);
		c->marks = ck_grow(c->marks, c->nr_marks, &c->room_marks, sizeof(*c->marks));
		m = &c->marks[c->nr_marks];
		memset(m, 0, sizeof(*m));
		m->host = (uint32_t)(h - c->hosts);
		m->id = id;
		add_record(h, REC_ASK, c->nr_marks++);
		return 0;
	}
	for (i = c->nr_marks; i-- > 0;) {
		struct ck_cut cut;

		m = &c->marks[i];
		if (sscanf(line, "N %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64, &us, &id, &cut.epoch, &cut.n) != 4)
			break;
		if (m->id != id || &c->hosts[m->host] != h)
			continue;
		m->cut = cut;
		m->answered = true;
		return 0;
	}
	return BAD(c, "strange line '%s'", line);
}

static int take_line(struct ck *c, struct host *h, char *line)
{
	struct ck_cut cut;
	uint64_t us;

	switch (line[0]) {
	case 'I':
		return take_issue(c, h, line);
	case 'A':
		return take_ack(c, h, line);
	case 'M':
	case 'N':
		return take_mark(c, h, line);
	case 'C':
		if (sscanf(line, "C %" SCNu64 " %" SCNu64 " %" SCNu64, &us, &cut.epoch, &cut.n) != 3)
			return BAD(c, "strange line '%s'", line);
		c->commits = ck_grow(c->commits, c->nr_commits, &c->room_commits, sizeof(cut));
		c->commits[c->nr_commits++] = cut;
		return 0;
	case 'H':
		return BAD(c, "a second head");
	default:
		return 0;
	}
}

int ck_add_history(struct ck *c, const char *name, const char *text, size_t len)
{
	struct host *h = &c->hosts[c->nr_hosts];
	const char *end;
	bool head = false;
	char line[1024];

	if (c->nr_hosts == CK_MAX_LANES)
		return BAD(c, "too many histories");
	c->nr_hosts++;
	for (; (end = memchr(text, '\n', len)); len -= (size_t)(end + 1 - text), text = end + 1) {
		size_t n = (size_t)(end - text);

		if (n >= sizeof(line))
			return BAD(c, "%s: a line of %zu bytes", name, n);
		memcpy(line, text, n);
		line[n] = '\0';
		if (head ? take_line(c, h, line) : take_head(c, h, line))
			return -1;
		head = true;
	}
	return head ? 0 : BAD(c, "%s is empty", name);
}
