/* SPDX-License-Identifier: GPL-2.0-only */
/* What a session's figures mean for whoever has to act: one line, and how bad it is. */
#ifndef ORD_VERDICT_H
#define ORD_VERDICT_H

#include "lib/model.h"
#include "lib/util.h"

/* As monitoring plugins have them; exit codes of "status --check". */
enum ord_verdict_level { ORD_V_OK, ORD_V_WARNING, ORD_V_CRITICAL, ORD_V_UNKNOWN };

struct ord_verdict {
	enum ord_verdict_level level;
	char line[640];		/* db  primary -> b  replicating  RPO 1.2 s  OK */
	char why[384];		/* if not OK, what is wrong; of a secondary also what it is good for */
};

/*
 * ord_verdict_of - judge a session by what the kernel told of it, and by nothing from before
 * @max_lag_ms: more than that is critical; 0: any is good
 */
void ord_verdict_of(const struct ord_session *s, uint64_t max_lag_ms, struct ord_verdict *v);
const char *ord_verdict_name(enum ord_verdict_level level);

/* What a loss of the primary now would cost, as a primary knows it. */
const char *ord_verdict_rpo_to(char *buf, const struct ord_session *s);
#define ord_verdict_rpo(s)	ord_verdict_rpo_to(ORD_TEXT, s)
/* What is collected against what fits the peer's journal; NULL: nothing to say. */
char *ord_verdict_fits_to(char *buf, const struct ord_session *s);
#define ord_verdict_fits(s)	ord_verdict_fits_to(ORD_TEXT, s)

/* A copy or a restore under way: how far, how fast, for how long still. */
struct ord_progress {
	const char *what;	/* NULL: none */
	unsigned int percent;
	uint64_t bytes_s;
	uint64_t left_ms;	/* UINT64_MAX: can't be said yet */
};
void ord_progress_of(const struct ord_session *s, struct ord_progress *p);
char *ord_progress_text_to(char *buf, const struct ord_session *s);	/* NULL: none */
#define ord_progress_text(s)	ord_progress_text_to(ORD_TEXT, s)

#endif /* ORD_VERDICT_H */
