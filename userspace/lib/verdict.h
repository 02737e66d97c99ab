/* SPDX-License-Identifier: GPL-2.0-only */
/* What a session's figures mean for whoever has to act: one line, and how bad it is. */
#ifndef ORD_VERDICT_H
#define ORD_VERDICT_H

#include "lib/model.h"

/* As monitoring plugins have them; exit codes of "status --check". */
enum verdict_level { V_OK, V_WARNING, V_CRITICAL, V_UNKNOWN };

struct verdict {
	enum verdict_level level;
	char line[640];		/* db  primary -> b  replicating  RPO 1.2 s  OK */
	char why[384];		/* if not OK, what is wrong; of a secondary also what it is good for */
};

/* @max_lag_ms: more than that is critical; 0: any is good */
void verdict_of(const struct ord_session *s, uint64_t max_lag_ms, struct verdict *v);
const char *verdict_name(enum verdict_level level);

/* What a loss of the primary now would cost, as a primary knows it. */
const char *verdict_rpo(const struct ord_session *s);
/* What is collected against what fits the peer's journal; NULL: nothing to say. */
const char *verdict_fits(const struct ord_session *s);

/* A copy or a restore under way: how far, how fast, for how long still. */
struct progress {
	const char *what;	/* NULL: none */
	unsigned int percent;
	uint64_t bytes_s;
	uint64_t left_ms;	/* UINT64_MAX: can't be said yet */
};
void progress_of(const struct ord_session *s, struct progress *p);
const char *progress_text(const struct ord_session *s);	/* NULL: none */
/* The same as a line of a terminal that is written over and over; @what NULL: end it. */
void progress_line(const struct ord_session *s, const char *what);

#endif /* ORD_VERDICT_H */
