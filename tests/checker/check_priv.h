/* SPDX-License-Identifier: GPL-2.0-only */
/* Inside of the checker: check.c, history.c, trace.c. */
#ifndef CK_CHECK_PRIV_H
#define CK_CHECK_PRIV_H

#include "check.h"
#include "stamp.h"

struct op {
	uint64_t seq, lba, ack_us;
	uint64_t seen;		/* fragments that are visible, a bit each */
	uint64_t min_cycle, max_cycle;
	uint64_t traced;	/* sectors of it that the trace told of */
	uint32_t lane, host, n;
	uint32_t vol;		/* index of vols */
	int32_t status;
	bool zero, ended, acked, brought, lost;
};

enum { REC_ISSUE, REC_ACK, REC_ASK };

struct record {
	uint32_t type;
	uint32_t index;		/* of ops, marks */
};

struct host {
	unsigned int nr_host;
	struct record *records;
	size_t nr, room, at;
	uint64_t last_us;
	uint64_t done[CK_MAX_LANES];	/* seen to end by where the processing is */
};

struct lane {
	uint32_t *ops;		/* by seq - 1 */
	size_t nr, room;
	uint64_t processed;	/* up to this seq */
	uint64_t *max_cycle;	/* by seq: newest cycle up to there */
	bool known;
	unsigned int host;
};

struct mark {
	uint32_t host;
	uint64_t id;
	bool answered;
	struct ck_cut cut;
	uint64_t done[CK_MAX_LANES];
};

enum { SHOWS_VERSION = 1, SHOWS_ZERO, SHOWS_FOREIGN, SHOWS_BAD };

struct volume {
	uint32_t id, host;
	uint64_t sectors;
	const uint8_t *image;
	size_t *start;		/* of sector s: versions start[s] .. start[s + 1] - 1 */
	uint32_t *ver;		/* ops */
	uint64_t *cycle;	/* of each version; 0: not traced */
	int64_t *at;		/* of each sector: its version; -1: as it was before all of them */
	uint8_t *state;
	uint32_t *traced;	/* of each sector: versions traced so far */
};

enum { EV_WRITE, EV_CUT, EV_DRAINED };

struct event {
	uint64_t nr, seq;
	uint32_t type, volume, sectors;
	bool zero;
	union {
		uint64_t lba;
		struct ck_cut cut;
	};
};

struct cycle {
	uint64_t seq;
	uint64_t digest;	/* first what it changes, then what it leads to */
	struct ck_cut cut;
	bool has_cut;
};

struct ck {
	void (*say)(void *arg, const char *text);
	void *say_arg;
	unsigned int failures[CK_KINDS];
	uint64_t run;
	unsigned int nlanes;
	struct host hosts[CK_MAX_LANES];
	size_t nr_hosts;
	struct lane lanes[CK_MAX_LANES];
	struct op *ops;
	uint64_t *clocks;	/* of each op: as recorded, and effective */
	size_t nr_ops, room_ops, room_clocks;
	struct mark *marks;
	size_t nr_marks, room_marks;
	struct ck_cut *commits;
	size_t nr_commits, room_commits;
	struct volume vols[256];
	size_t nr_vols;
	struct event *events;
	size_t nr_events, room_events;
	uint64_t *drained;	/* cycles */
	size_t nr_drained;
	struct cycle *cycles;
	size_t nr_cycles, room_cycles;
	uint32_t atomic;
	bool changed;
	uint64_t base[CK_MAX_LANES], closed[CK_MAX_LANES];
};

void ck_fail(struct ck *c, enum ck_kind kind, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void *ck_grow(void *array, size_t nr, size_t *room, size_t size);
struct volume *ck_volume(struct ck *c, uint32_t id);
int ck_cut_cmp(struct ck_cut a, struct ck_cut b);
void ck_check_b(struct ck *c, const struct ck_options *o, struct ck_result *r);

static inline uint64_t *rec_of(struct ck *c, const struct op *op)
{
	return c->clocks + (size_t)(op - c->ops) * 2 * c->nlanes;
}

static inline uint64_t *eff_of(struct ck *c, const struct op *op)
{
	return rec_of(c, op) + c->nlanes;
}

static inline struct op *lane_op(struct ck *c, unsigned int lane, uint64_t seq)
{
	return &c->ops[c->lanes[lane].ops[seq - 1]];
}

#endif
