// SPDX-License-Identifier: GPL-2.0-only
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/util.h"
#include "lib/verdict.h"

#define RESTORE_SHOWN_MS	2000	/* each cycle's is begun anew, and soon over */

static const char * const level_names[] = { "OK", "WARNING", "CRITICAL", "UNKNOWN" };

const char *ord_verdict_name(enum ord_verdict_level level)
{
	return level_names[level];
}

static bool flag(const struct ord_session *s, uint32_t f)
{
	return s->flags & f;
}

/* The worst is said; among equals the first. */
static void __printf(3, 4)
say(struct ord_verdict *v, enum ord_verdict_level level, const char *fmt, ...)
{
	va_list ap;

	if (level <= v->level && *v->why)
		return;
	v->level = level;
	va_start(ap, fmt);
	vsnprintf(v->why, sizeof(v->why), fmt, ap);
	va_end(ap);
}

/* Is what is collected, or 80 % of it, more than fits? */
static bool is_large(const struct ord_session *s)
{
	return ORD_HAS(s, DMO_A_CHUNK_MAX) && !flag(s, DMO_F_NO_COPY) && s->chunk_max &&
	       s->active.bytes >= s->chunk_max / 5 * 4;
}

char *ord_verdict_fits_to(char *text, const struct ord_session *s)
{
	if (s->role != DMO_ROLE_PRIMARY || flag(s, DMO_F_NO_COPY) ||
	    !ORD_HAS(s, DMO_A_CHUNK_ACTIVE))
		return NULL;
	if (!ORD_HAS(s, DMO_A_CHUNK_MAX)) {
		snprintf(text, ORD_TEXT_LEN, "%s collected; what fits the peer's journal is not known before the first link",
			 ord_fmt_bytes(s->active.bytes));
		return text;
	}
	if (!is_large(s) && s->link_state == DMO_LINK_UP)
		return NULL;
	snprintf(text, ORD_TEXT_LEN, "%s fit its journal, %s collected%s", ord_fmt_bytes(s->chunk_max),
		 ord_fmt_bytes(s->active.bytes), s->active.bytes <= s->chunk_max ? "" :
		 s->link_state == DMO_LINK_UP ? ": the next cycle makes it INCONSISTENT" :
		 ": the next link makes it INCONSISTENT");
	return text;
}

const char *ord_verdict_rpo_to(char *buf, const struct ord_session *s)
{
	if (ORD_HAS(s, DMO_A_LAG_MS))
		return ord_fmt_ms_to(buf, s->lag_ms);
	if (flag(s, DMO_F_COPY_PENDING))
		return "all of it: a full copy is due";
	return flag(s, DMO_F_NO_COPY) ? "all of it: no copy yet" : "not known";
}

/* @a * @b / @c; the most that there is where it is more. */
static uint64_t scaled(uint64_t a, uint64_t b, uint64_t c)
{
	double v = (double)a * (double)b / (double)c;

	return v < 18e18 ? (uint64_t)v : UINT64_MAX;
}

static void progress_is(struct ord_progress *p, const char *what, uint64_t left, uint64_t total,
			uint64_t ms)
{
	uint64_t done = total - left;

	if (!total || left > total)
		return;
	p->what = what;
	p->percent = (unsigned int)scaled(done, 100, total);
	p->bytes_s = ms ? scaled(done, 1000, ms) : 0;
	p->left_ms = p->bytes_s ? scaled(left, 1000, p->bytes_s) : UINT64_MAX;
}

void ord_progress_of(const struct ord_session *s, struct ord_progress *p)
{
	memset(p, 0, sizeof(*p));
	if (s->state == DMO_STATE_COPYING)
		progress_is(p, "copy", s->copy_left, s->copy_total, s->copy_ms);
	else if (s->restore_ms >= RESTORE_SHOWN_MS)
		progress_is(p, "restore", s->restore_left, s->restore_total, s->restore_ms);
}

char *ord_progress_text_to(char *text, const struct ord_session *s)
{
	struct ord_progress p;
	int n;

	ord_progress_of(s, &p);
	if (!p.what)
		return NULL;
	n = snprintf(text, ORD_TEXT_LEN, "%s %u %%, %s/s", p.what, p.percent, ord_fmt_bytes(p.bytes_s));
	if (p.left_ms != UINT64_MAX)
		snprintf(text + n, ORD_TEXT_LEN - (size_t)n, ", %s left", ord_fmt_ms(p.left_ms));
	return text;
}

static void say_no_link(const struct ord_session *s, struct ord_verdict *v)
{
	const char *why = flag(s, DMO_F_NO_LINK) ? "disconnected by command" : s->reason;

	say(v, ORD_V_CRITICAL, "no link for %s%s%s", ord_fmt_ms(s->link_since_ms), *why ? ": " : "", why);
}

/* -- of a primary ---------------------------------------------------------- */

static void judge_peer(const struct ord_session *s, struct ord_verdict *v)
{
	if (!ORD_HAS(s, DMO_A_PEER_CONDITION) || s->peer_condition == DMO_COND_GOOD)
		return;
	say(v, s->peer_condition == DMO_COND_JOURNAL || s->peer_condition == DMO_COND_SUSPENDED ?
	    ORD_V_WARNING : ORD_V_CRITICAL, "the peer: %s, for %s", ord_condition_text(s->peer_condition),
	    ord_fmt_ms(s->peer_condition_ms));
}

static void judge_primary(const struct ord_session *s, uint64_t max_lag_ms, struct ord_verdict *v)
{
	const char *text;

	if (s->state == DMO_STATE_DISCONNECTED)
		say_no_link(s, v);
	if (s->block == DMO_BLOCK_READ_ERROR)
		say(v, ORD_V_CRITICAL, "%s", ord_block_text(s->block));
	judge_peer(s, v);
	text = ord_progress_text(s);
	if (s->state == DMO_STATE_COPYING)
		say(v, ORD_V_WARNING, "%s", text ? text : "copy");
	else if (flag(s, DMO_F_NO_COPY))
		say(v, ORD_V_WARNING, "a copy is to be made");
	text = ord_verdict_fits(s);
	if (is_large(s) && text)
		say(v, ORD_V_WARNING, "%s", text);
	if (max_lag_ms && flag(s, DMO_F_NO_COPY))
		say(v, ORD_V_CRITICAL, "RPO is all of it, at most %s is asked for", ord_fmt_ms(max_lag_ms));
	else if (max_lag_ms && ORD_HAS(s, DMO_A_LAG_MS) && s->lag_ms > max_lag_ms)
		say(v, ORD_V_CRITICAL, "RPO is %s, at most %s is asked for", ord_fmt_ms(s->lag_ms),
		    ord_fmt_ms(max_lag_ms));
}

/* -- of a secondary -------------------------------------------------------- */

/* INCONSISTENT, but the end of the copy may be among what is complete and will be restored. */
static bool may_become_consistent(const struct ord_session *s)
{
	return ord_cut_cmp(s->cut_complete, s->cut_restored) > 0;
}

static bool is_promotable(const struct ord_session *s)
{
	return !flag(s, DMO_F_INCONSISTENT) && (s->cut_complete.epoch || s->cut_complete.n);
}

static void judge_secondary(const struct ord_session *s, struct ord_verdict *v)
{
	if (s->block == DMO_BLOCK_RESTORE_ERROR)
		say(v, ORD_V_CRITICAL, "%s%s%s", ord_block_text(s->block), *s->reason ? ": " : "",
		    s->reason);
	if (flag(s, DMO_F_INCONSISTENT) && !may_become_consistent(s))
		say(v, s->link_state == DMO_LINK_UP ? ORD_V_WARNING : ORD_V_CRITICAL,
		    "NOT promotable: the data is no point in time, a copy has not ended");
	if (s->state == DMO_STATE_DISCONNECTED)
		say_no_link(s, v);
	if (s->block == DMO_BLOCK_JOURNAL_FULL)
		say(v, ORD_V_WARNING, "%s", ord_block_text(s->block));
}

/* What a promotion now would give, and what it would lose. */
static void promotion(const struct ord_session *s, char *text, size_t len)
{
	uint64_t now = ord_wall_ns();
	const char *name = *s->label ? s->label : ord_fmt_uuid(s->uuid);

	if (!is_promotable(s)) {
		snprintf(text, len, "NOT promotable");
		return;
	}
	if (!s->cut_time_ns || s->cut_time_ns > now)
		snprintf(text, len, "promotable to cut %s (orderedctl promote %s)",
			 ord_fmt_cut(s->cut_complete.epoch, s->cut_complete.n), name);
	else
		snprintf(text, len, "promotable; loses what was written in the last %s (orderedctl promote %s)",
			 ord_fmt_ms((now - s->cut_time_ns) / 1000000), name);
}

void ord_verdict_of(const struct ord_session *s, uint64_t max_lag_ms, struct ord_verdict *v)
{
	const char *name = *s->label ? s->label : ord_fmt_meta(s->meta_name, s->meta_major, s->meta_minor);
	bool primary = s->role == DMO_ROLE_PRIMARY;
	const char *text = ord_progress_text(s);
	char what[256];

	memset(v, 0, sizeof(*v));
	if (s->state == DMO_STATE_FAILED)
		say(v, ORD_V_CRITICAL, "%s%s%s", ord_block_text(s->block), *s->reason ? ": " : "",
		    s->reason);
	else if (s->state == DMO_STATE_BUSY)
		say(v, ORD_V_WARNING, "%s%s%s", s->reason, text ? "; " : "", text ? text : "");
	else if (s->state == DMO_STATE_INACTIVE)
		say(v, ORD_V_WARNING, "%s", ord_block_text(s->block));
	if (s->state == DMO_STATE_BUSY)
		snprintf(what, sizeof(what), "not known");
	else if (primary)
		snprintf(what, sizeof(what), "RPO %s", ord_verdict_rpo(s));
	else
		promotion(s, what, sizeof(what));
	if (s->state != DMO_STATE_BUSY && s->state != DMO_STATE_FAILED) {
		if (primary)
			judge_primary(s, max_lag_ms, v);
		else
			judge_secondary(s, v);
	}
	snprintf(v->line, sizeof(v->line), "%s  %s %s %s  %s  %s  %s", name, ord_role_name(s->role),
		 primary ? "->" : "<-", *s->link_peer ? s->link_peer : "-",
		 ord_state_name(s->state), what, level_names[v->level]);
}
