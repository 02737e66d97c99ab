// SPDX-License-Identifier: GPL-2.0-only
/*
 * One table says for each field of the model: its name (--json, and the
 * promised order of --dump), its kind, where it lies, whether the kernel told
 * it, and in which line and words people see it. Add fields at the end of
 * their table only: the order is promised.
 *
 * A name "a.b" becomes member b of the JSON object a.
 */
#include <inttypes.h>
#include <json-c/json.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "lib/util.h"
#include "lib/verdict.h"
#include "orderedctl/print.h"

enum kind {
	K_STR,		/* char[] */
	K_UUID,
	K_U32,
	K_U64,
	K_HEX64,
	K_BYTES,	/* u64 */
	K_MIB,		/* u32 */
	K_SECTORS,	/* u64 */
	K_LBS,		/* u32 bytes */
	K_MS32,
	K_MS,
	K_TIME,		/* u64 ns since 1970 */
	K_CUT,
	K_ENUM,		/* u32, named by .name */
	K_FLAG,		/* bit .mask of a u32 */
	K_BOOL,		/* u32 */
};

struct field {
	const char *key;
	enum kind kind;
	size_t off;
	int attr;		/* DMO_A_* that tells it; 0: always there */
	const char *line;	/* the line people see it in; NULL: they don't */
	const char *fmt;	/* there: words around its "%s" */
	const char *(*name)(char *buf, uint32_t value);
	uint32_t mask;
	bool hide_zero;		/* people don't see a zero */
};

#define S(m)	offsetof(struct ord_session, m)
#define V(m)	offsetof(struct ord_volume, m)

#define F(_key, _kind, _off, _attr, _line, _fmt, ...) \
	{ .key = _key, .kind = _kind, .off = _off, .attr = _attr, \
	  .line = _line, .fmt = _fmt, ##__VA_ARGS__ }

static const struct field session_fields[] = {
	F("uuid", K_UUID, S(uuid), 0, "session", "%s"),
	F("label", K_STR, S(label), DMO_A_LABEL, "session", "\"%s\""),
	F("meta_name", K_STR, S(meta_name), DMO_A_META_NAME, "metadata", "%s"),
	F("meta_major", K_U32, S(meta_major), 0, "metadata", "\b (%s"),
	F("meta_minor", K_U32, S(meta_minor), 0, "metadata", "\b:%s)"),
	F("role", K_ENUM, S(role), DMO_A_ROLE, "role", "%s", .name = ord_role_name_to),
	F("state", K_ENUM, S(state), DMO_A_STATE, "role", "%s", .name = ord_state_name_to),
	F("inconsistent", K_FLAG, S(flags), DMO_A_FLAGS,
	  "role", "INCONSISTENT: the data is no point in time",
	  .mask = DMO_F_INCONSISTENT, .hide_zero = true),
	F("peer_inconsistent", K_FLAG, S(flags), DMO_A_FLAGS,
	  "role", "the peer is INCONSISTENT", .mask = DMO_F_PEER_INCONSISTENT, .hide_zero = true),
	F("copy_pending", K_FLAG, S(flags), DMO_A_FLAGS,
	  "role", "a full copy is due", .mask = DMO_F_COPY_PENDING, .hide_zero = true),
	F("assume_equal", K_FLAG, S(flags), DMO_A_FLAGS,
	  "role", "assumed equal", .mask = DMO_F_ASSUME_EQUAL, .hide_zero = true),
	F("plain", K_FLAG, S(flags), DMO_A_FLAGS,
	  "role", "plain links allowed", .mask = DMO_F_PLAIN, .hide_zero = true),
	F("open", K_FLAG, S(flags), DMO_A_FLAGS, NULL, NULL, .mask = DMO_F_OPEN),
	F("activation", K_HEX64, S(activation), DMO_A_ACTIVATION, "role", "activation %s"),
	F("seq", K_U64, S(seq), DMO_A_SEQ, "cycle", "seq %s"),
	F("epoch", K_U64, S(epoch), DMO_A_EPOCH, "cycle", "epoch %s"),
	F("cycle_ms", K_MS32, S(cycle_ms), DMO_A_CYCLE_MS, "cycle", "one each %s"),
	F("cut", K_CUT, S(cut), DMO_A_CUT, "cuts", "made %s"),
	F("cut_complete", K_CUT, S(cut_complete), DMO_A_CUT_COMPLETE, "cuts", "complete %s"),
	F("cut_committed", K_CUT, S(cut_committed), DMO_A_CUT_COMMITTED, "cuts", "committed %s"),
	F("cut_restored", K_CUT, S(cut_restored), DMO_A_CUT_RESTORED, "cuts", "restored %s"),
	F("lag_ms", K_MS, S(lag_ms), DMO_A_LAG_MS, "lag", "%s"),
	F("cut_time_ns", K_TIME, S(cut_time_ns), DMO_A_CUT_TIME,
	  "lag", "newest committed cut is of %s", .hide_zero = true),
	F("chunk_active.state", K_ENUM, S(active.state), DMO_A_CHUNK_ACTIVE,
	  "active", "%s", .name = ord_chunk_name_to),
	F("chunk_active.seq", K_U64, S(active.seq), DMO_A_CHUNK_ACTIVE, "active", "seq %s"),
	F("chunk_active.slots", K_U64, S(active.slots), DMO_A_CHUNK_ACTIVE,
	  "active", "%s blocks in memory"),
	F("chunk_active.refs", K_U64, S(active.refs), DMO_A_CHUNK_ACTIVE,
	  "active", "%s references"),
	F("chunk_active.zeroes", K_U64, S(active.zeroes), DMO_A_CHUNK_ACTIVE,
	  "active", "%s zero blocks"),
	F("chunk_active.bytes", K_BYTES, S(active.bytes), DMO_A_CHUNK_ACTIVE,
	  "active", "at most %s to send"),
	F("chunk_older.state", K_ENUM, S(older.state), DMO_A_CHUNK_OLDER,
	  "older", "%s", .name = ord_chunk_name_to),
	F("chunk_older.seq", K_U64, S(older.seq), DMO_A_CHUNK_OLDER, "older", "seq %s"),
	F("chunk_older.slots", K_U64, S(older.slots), DMO_A_CHUNK_OLDER,
	  "older", "%s blocks in memory"),
	F("chunk_older.refs", K_U64, S(older.refs), DMO_A_CHUNK_OLDER, "older", "%s references"),
	F("chunk_older.zeroes", K_U64, S(older.zeroes), DMO_A_CHUNK_OLDER,
	  "older", "%s zero blocks"),
	F("chunk_older.bytes", K_BYTES, S(older.bytes), DMO_A_CHUNK_OLDER,
	  "older", "at most %s to send"),
	F("link_state", K_ENUM, S(link_state), DMO_A_LINK_STATE,
	  "link", "%s", .name = ord_link_name_to),
	F("link_peer", K_STR, S(link_peer), DMO_A_LINK_PEER, "link", "peer %s"),
	F("link_since_ms", K_MS, S(link_since_ms), DMO_A_LINK_SINCE_MS, "link", "for %s"),
	F("link_tx_bytes", K_BYTES, S(link_tx_bytes), DMO_A_LINK_TX_BYTES,
	  "link", "sent %s", .hide_zero = true),
	F("link_rx_bytes", K_BYTES, S(link_rx_bytes), DMO_A_LINK_RX_BYTES,
	  "link", "received %s", .hide_zero = true),
	F("link_timeout_ms", K_MS32, S(link_timeout_ms), DMO_A_LINK_TIMEOUT_MS,
	  "link", "time-out %s"),
	F("mem_used_bytes", K_BYTES, S(mem_used), DMO_A_MEM_USED, "memory", "used %s"),
	F("budget_mib", K_MIB, S(budget_mib), DMO_A_BUDGET_MIB, "memory", "budget %s"),
	F("copy_left_bytes", K_BYTES, S(copy_left), DMO_A_COPY_LEFT,
	  "copy", "%s left to copy", .hide_zero = true),
	F("journal_bytes", K_BYTES, S(journal_bytes), DMO_A_JOURNAL_BYTES, "journal", "%s"),
	F("journal_used_bytes", K_BYTES, S(journal_used), DMO_A_JOURNAL_USED, "journal", "used %s"),
	F("block", K_ENUM, S(block), DMO_A_BLOCK, NULL, NULL, .name = ord_block_name_to),
	F("block_ms", K_MS, S(block_ms), DMO_A_BLOCK_MS, NULL, NULL),
	F("reason", K_STR, S(reason), DMO_A_REASON, "reason", "%s"),
	F("peer_condition", K_ENUM, S(peer_condition), DMO_A_PEER_CONDITION, NULL, NULL,
	  .name = ord_condition_name_to),
	F("peer_condition_ms", K_MS, S(peer_condition_ms), DMO_A_PEER_CONDITION_MS, NULL, NULL),
	F("chunk_max_bytes", K_BYTES, S(chunk_max), DMO_A_CHUNK_MAX, NULL, NULL),
	F("copy_total_bytes", K_BYTES, S(copy_total), DMO_A_COPY_TOTAL, "copy", "of %s"),
	F("copy_ms", K_MS, S(copy_ms), DMO_A_COPY_MS, "copy", "for %s"),
	F("no_copy", K_FLAG, S(flags), DMO_A_FLAGS, NULL, NULL, .mask = DMO_F_NO_COPY),
	F("no_link", K_FLAG, S(flags), DMO_A_FLAGS,
	  "link", "disconnected by command", .mask = DMO_F_NO_LINK, .hide_zero = true),
	F("refused", K_FLAG, S(flags), DMO_A_FLAGS,
	  "link", "refused, and would be again", .mask = DMO_F_REFUSED, .hide_zero = true),
	F("stranger", K_FLAG, S(flags), DMO_A_FLAGS, NULL, NULL, .mask = DMO_F_STRANGER),
	F("restore_left_bytes", K_BYTES, S(restore_left), DMO_A_RESTORE_LEFT,
	  "restore", "%s left to restore"),
	F("restore_total_bytes", K_BYTES, S(restore_total), DMO_A_RESTORE_TOTAL, "restore", "of %s"),
	F("restore_ms", K_MS, S(restore_ms), DMO_A_RESTORE_MS, "restore", "for %s"),
};

static const struct field volume_fields[] = {
	F("id", K_U32, V(id), 0, "volume", "%s"),
	F("dm_name", K_STR, V(dm_name), 0, "volume", "%s"),
	F("dm_major", K_U32, V(dm_major), 0, NULL, NULL),
	F("dm_minor", K_U32, V(dm_minor), 0, NULL, NULL),
	F("active", K_BOOL, V(active), 0, "volume", "active: %s"),
	F("sectors", K_SECTORS, V(sectors), 0, "volume", "%s"),
	F("lbs", K_LBS, V(lbs), 0, "volume", "logical block %s"),
	F("unit_bytes", K_LBS, V(unit), 0, "volume", "reference unit %s", .hide_zero = true),
	F("reads", K_U64, V(reads), 0, "volume", "%s reads", .hide_zero = true),
	F("writes", K_U64, V(writes), 0, "volume", "%s writes", .hide_zero = true),
	F("written_bytes", K_BYTES, V(written), 0, "volume", "%s written", .hide_zero = true),
	F("folded", K_U64, V(folded), 0, "volume", "%s blocks folded", .hide_zero = true),
	F("copyouts", K_U64, V(copyouts), 0, "volume", "%s blocks copied out", .hide_zero = true),
	F("errors", K_U64, V(errors), 0, "volume", "%s FAILED WRITES", .hide_zero = true),
};

/* The lines people see, in their order. */
static const char * const lines[] = {
	"session", "metadata", "role", "cycle", "cuts", "lag", "active", "older",
	"link", "memory", "journal", "copy", "restore", "reason",
};

static uint32_t val32(const struct field *f, const void *obj)
{
	uint32_t v;

	memcpy(&v, (const char *)obj + f->off, sizeof(v));
	return f->mask ? !!(v & f->mask) : v;
}

static uint64_t val64(const struct field *f, const void *obj)
{
	uint64_t v;

	memcpy(&v, (const char *)obj + f->off, sizeof(v));
	return v;
}

static struct ord_cut val_cut(const struct field *f, const void *obj)
{
	struct ord_cut v;

	memcpy(&v, (const char *)obj + f->off, sizeof(v));
	return v;
}

static const char *fmt_u64(char *buf, uint64_t v, bool hex)
{
	snprintf(buf, ORD_TEXT_LEN, hex ? "%016" PRIx64 : "%" PRIu64, v);
	return buf;
}

/* The value for a machine (no unit) or for people (with one). */
static const char *text_of(char *buf, const struct field *f, const void *obj, bool human)
{
	const void *p = (const char *)obj + f->off;
	struct ord_cut cut;

	switch (f->kind) {
	case K_STR:
		return p;
	case K_UUID:
		return ord_fmt_uuid_to(buf, p);
	case K_CUT:
		cut = val_cut(f, obj);
		if (human && !cut.epoch && !cut.n)
			return "none";
		return ord_fmt_cut_to(buf, cut.epoch, cut.n);
	case K_ENUM:
		return f->name(buf, val32(f, obj));
	case K_FLAG:
	case K_BOOL:
		return human ? val32(f, obj) ? "yes" : "no" : val32(f, obj) ? "1" : "0";
	case K_HEX64:
		return fmt_u64(buf, val64(f, obj), true);
	case K_U32:
		return fmt_u64(buf, val32(f, obj), false);
	case K_U64:
		return fmt_u64(buf, val64(f, obj), false);
	case K_LBS:
		return human ? ord_fmt_bytes_to(buf, val32(f, obj)) : fmt_u64(buf, val32(f, obj), false);
	case K_MIB:
		return human ? ord_fmt_bytes_to(buf, (uint64_t)val32(f, obj) << 20) :
			       fmt_u64(buf, val32(f, obj), false);
	case K_MS32:
		return human ? ord_fmt_ms_to(buf, val32(f, obj)) : fmt_u64(buf, val32(f, obj), false);
	case K_BYTES:
		return human ? ord_fmt_bytes_to(buf, val64(f, obj)) : fmt_u64(buf, val64(f, obj), false);
	case K_SECTORS:
		return human ? ord_fmt_bytes_to(buf, val64(f, obj) * 512) : fmt_u64(buf, val64(f, obj), false);
	case K_MS:
		return human ? ord_fmt_ms_to(buf, val64(f, obj)) : fmt_u64(buf, val64(f, obj), false);
	case K_TIME:
		return human ? ord_fmt_time_to(buf, val64(f, obj)) : fmt_u64(buf, val64(f, obj), false);
	}
	return "";
}

static bool is_zero(const struct field *f, const void *obj)
{
	switch (f->kind) {
	case K_STR:
		return !((const char *)obj)[f->off];
	case K_UUID:
		return false;
	case K_CUT:
		return !val_cut(f, obj).epoch && !val_cut(f, obj).n;
	case K_U32:
	case K_MIB:
	case K_LBS:
	case K_MS32:
	case K_ENUM:
	case K_FLAG:
	case K_BOOL:
		return !val32(f, obj);
	default:
		return !val64(f, obj);
	}
}

/* @has: NULL for an object of which every field is there. */
static bool is_there(const struct field *f, const uint64_t *has)
{
	return !f->attr || !has || (*has >> f->attr & 1);
}

/* -- for people ---------------------------------------------------------- */

static void pretty_line(const char *line, const struct field *fields, size_t nr,
			const void *obj, const uint64_t *has)
{
	bool first = true;
	size_t i;

	for (i = 0; i < nr; i++) {
		const struct field *f = &fields[i];
		char text[512];
		const char *p = f->fmt;
		const char *pct;

		if (!f->line || strcmp(f->line, line) || !is_there(f, has))
			continue;
		if ((f->hide_zero || f->kind == K_STR) && is_zero(f, obj))
			continue;
		/* a \b in front joins it to what is before */
		if (first)
			printf("  %-9s ", line);
		else if (*p != '\b')
			printf(", ");
		if (*p == '\b')
			p++;
		pct = strstr(p, "%s");
		if (pct)
			snprintf(text, sizeof(text), "%.*s%s%s", (int)(pct - p), p,
				 text_of(ORD_TEXT, f, obj, true), pct + 2);
		else
			snprintf(text, sizeof(text), "%s", p);
		fputs(text, stdout);
		first = false;
	}
	if (!first)
		putchar('\n');
}

static void pretty_session(const struct ord_session *s)
{
	const char *fits = ord_verdict_fits(s), *progress = ord_progress_text(s);
	struct ord_verdict v;
	unsigned int i;

	ord_verdict_of(s, 0, &v);
	printf("%s\n", v.line);
	if (*v.why)
		printf("  %-9s %s\n", "verdict", v.why);
	for (i = 0; i < ORD_ARRAY_LEN(lines); i++) {
		if (!strcmp(lines[i], "older") && s->older.state == DMO_CHUNK_NONE)
			continue;
		pretty_line(lines[i], session_fields, ORD_ARRAY_LEN(session_fields), s, &s->has);
		if (!strcmp(lines[i], "cuts") && s->flags & DMO_F_NO_COPY && !ORD_HAS(s, DMO_A_LAG_MS))
			printf("  %-9s %s\n", "lag", ord_verdict_rpo(s));
	}
	if (progress)
		printf("  %-9s %s\n", "progress", progress);
	if (fits)
		printf("  %-9s %s\n", "fits", fits);
	if (ORD_HAS(s, DMO_A_PEER_CONDITION) && s->peer_condition != DMO_COND_GOOD)
		printf("  %-9s %s, for %s\n", "peer", ord_condition_text(s->peer_condition),
		       ord_fmt_ms(s->peer_condition_ms));
	if (ORD_HAS(s, DMO_A_BLOCK) && s->block != DMO_BLOCK_NOTHING) {
		printf("  %-9s %s", "blocked", ord_block_text(s->block));
		if (ORD_HAS(s, DMO_A_BLOCK_MS))
			printf(", for %s", ord_fmt_ms(s->block_ms));
		if (*ord_block_remedy(s->block))
			printf("; %s", ord_block_remedy(s->block));
		putchar('\n');
	}
	for (i = 0; i < s->nr_volumes; i++)
		pretty_line("volume", volume_fields, ORD_ARRAY_LEN(volume_fields), &s->volumes[i],
			    NULL);
}

void ctl_print_pretty(const struct ord_sessions *list)
{
	unsigned int i;

	if (!list->nr)
		printf("no sessions\n");
	for (i = 0; i < list->nr; i++) {
		if (i)
			putchar('\n');
		pretty_session(&list->v[i]);
	}
}

/* -- JSON ---------------------------------------------------------------- */

static struct json_object *json_of(const struct field *f, const void *obj)
{
	struct json_object *j;
	struct ord_cut cut;

	switch (f->kind) {
	case K_STR:
	case K_UUID:
	case K_ENUM:
	case K_HEX64:
		return json_object_new_string(text_of(ORD_TEXT, f, obj, false));
	case K_FLAG:
	case K_BOOL:
		return json_object_new_boolean(!!val32(f, obj));
	case K_CUT:
		cut = val_cut(f, obj);
		j = json_object_new_object();
		json_object_object_add(j, "epoch", json_object_new_uint64(cut.epoch));
		json_object_object_add(j, "n", json_object_new_uint64(cut.n));
		return j;
	case K_U32:
	case K_MIB:
	case K_LBS:
	case K_MS32:
		return json_object_new_uint64(val32(f, obj));
	default:
		return json_object_new_uint64(val64(f, obj));
	}
}

static struct json_object *json_fields(const struct field *fields, size_t nr, const void *obj,
				       const uint64_t *has)
{
	struct json_object *j = json_object_new_object(), *sub;
	size_t i;

	for (i = 0; i < nr; i++) {
		const struct field *f = &fields[i];
		const char *dot = strchr(f->key, '.');
		struct json_object *to = j;
		char part[32];

		if (dot) {
			snprintf(part, sizeof(part), "%.*s", (int)(dot - f->key), f->key);
			if (!is_there(f, has)) {
				json_object_object_add(j, part, NULL);
				continue;
			}
			if (!json_object_object_get_ex(j, part, &sub)) {
				sub = json_object_new_object();
				json_object_object_add(j, part, sub);
			}
			to = sub;
		}
		json_object_object_add(to, dot ? dot + 1 : f->key,
				       is_there(f, has) ? json_of(f, obj) : NULL);
	}
	return j;
}

static struct json_object *json_progress(const struct ord_session *s)
{
	struct json_object *j;
	struct ord_progress p;

	ord_progress_of(s, &p);
	if (!p.what)
		return NULL;
	j = json_object_new_object();
	json_object_object_add(j, "what", json_object_new_string(p.what));
	json_object_object_add(j, "percent", json_object_new_uint64(p.percent));
	json_object_object_add(j, "bytes_per_s", json_object_new_uint64(p.bytes_s));
	json_object_object_add(j, "left_ms", p.left_ms == UINT64_MAX ? NULL :
			       json_object_new_uint64(p.left_ms));
	return j;
}

static struct json_object *json_verdict(const struct ord_session *s)
{
	struct json_object *j = json_object_new_object();
	struct ord_verdict v;

	ord_verdict_of(s, 0, &v);
	json_object_object_add(j, "level", json_object_new_string(ord_verdict_name(v.level)));
	json_object_object_add(j, "line", json_object_new_string(v.line));
	json_object_object_add(j, "why", *v.why ? json_object_new_string(v.why) : NULL);
	return j;
}

void ctl_print_json(const struct ord_sessions *list)
{
	struct json_object *all = json_object_new_array();
	unsigned int i, k;

	for (i = 0; i < list->nr; i++) {
		const struct ord_session *s = &list->v[i];
		struct json_object *vols = json_object_new_array();
		struct json_object *j = json_fields(session_fields, ORD_ARRAY_LEN(session_fields),
						    s, &s->has);

		json_object_object_add(j, "lag_reason",
				       s->role != DMO_ROLE_PRIMARY || ORD_HAS(s, DMO_A_LAG_MS) ?
				       NULL : json_object_new_string(ord_verdict_rpo(s)));
		json_object_object_add(j, "verdict", json_verdict(s));
		json_object_object_add(j, "progress", json_progress(s));
		json_object_object_add(j, "block_text",
				       json_object_new_string(ord_block_text(s->block)));
		json_object_object_add(j, "block_remedy",
				       json_object_new_string(ord_block_remedy(s->block)));
		for (k = 0; k < s->nr_volumes; k++)
			json_object_array_add(vols, json_fields(volume_fields,
								ORD_ARRAY_LEN(volume_fields),
								&s->volumes[k], NULL));
		json_object_object_add(j, "volumes", vols);
		json_object_array_add(all, j);
	}
	puts(json_object_to_json_string_ext(all, JSON_C_TO_STRING_PRETTY |
					    JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(all);
}

/* -- events -------------------------------------------------------------- */

static const char lost_why[] = "the kernel had more events than this reader took";

static void text_event(uint64_t now, const struct ord_event *ev)
{
	printf("%s %s %s %s", ord_fmt_time(now), ord_event_name(ev->event), ord_fmt_uuid(ev->uuid),
	       ord_fmt_dev(ev->meta_major, ev->meta_minor));
	if (ORD_HAS(ev, DMO_A_CUT))
		printf(" cut=%s", ord_fmt_cut(ev->cut.epoch, ev->cut.n));
	if (ORD_HAS(ev, DMO_A_SEQ))
		printf(" seq=%" PRIu64, ev->seq);
	if (ORD_HAS(ev, DMO_A_VOLUME_ID))
		printf(" volume=%" PRIu32, ev->volume_id);
	if (*ev->reason)
		printf(" reason=\"%s\"", ev->reason);
	putchar('\n');
}

static void add_u64(struct json_object *j, const char *key, bool there, uint64_t v)
{
	json_object_object_add(j, key, there ? json_object_new_uint64(v) : NULL);
}

static void add_str(struct json_object *j, const char *key, const char *v)
{
	json_object_object_add(j, key, *v ? json_object_new_string(v) : NULL);
}

static void json_event(uint64_t now, const struct ord_event *ev)
{
	static const struct ord_event lost;
	struct json_object *j = json_object_new_object(), *cut = NULL;
	bool is_lost = !ev;

	if (is_lost)
		ev = &lost;
	add_u64(j, "time_ns", true, now);
	add_str(j, "event", is_lost ? "lost" : ord_event_name(ev->event));
	add_str(j, "uuid", is_lost ? "" : ord_fmt_uuid(ev->uuid));
	add_u64(j, "meta_major", !is_lost, ev->meta_major);
	add_u64(j, "meta_minor", !is_lost, ev->meta_minor);
	if (ORD_HAS(ev, DMO_A_CUT)) {
		cut = json_object_new_object();
		add_u64(cut, "epoch", true, ev->cut.epoch);
		add_u64(cut, "n", true, ev->cut.n);
	}
	json_object_object_add(j, "cut", cut);
	add_u64(j, "seq", ORD_HAS(ev, DMO_A_SEQ), ev->seq);
	add_u64(j, "volume", ORD_HAS(ev, DMO_A_VOLUME_ID), ev->volume_id);
	add_str(j, "reason", is_lost ? lost_why : ev->reason);
	puts(json_object_to_json_string_ext(j, JSON_C_TO_STRING_PLAIN |
					    JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(j);
}

void ctl_print_event(uint64_t now, const struct ord_event *ev, bool json)
{
	if (json)
		json_event(now, ev);
	else if (ev)
		text_event(now, ev);
	else
		printf("%s lost: %s; see \"orderedctl status\" for what is now\n", ord_fmt_time(now),
		       lost_why);
}

/* -- for scripts --------------------------------------------------------- */

static void dump_fields(const struct field *fields, size_t nr, const void *obj,
			const uint64_t *has)
{
	size_t i;

	for (i = 0; i < nr; i++) {
		const struct field *f = &fields[i];

		if (!is_there(f, has) || (f->kind == K_STR && is_zero(f, obj)))
			fputs("\t-", stdout);
		else
			printf("\t%s", text_of(ORD_TEXT, f, obj, false));
	}
	putchar('\n');
}

void ctl_print_dump(const struct ord_sessions *list)
{
	unsigned int i, k;

	for (i = 0; i < list->nr; i++) {
		const struct ord_session *s = &list->v[i];

		fputs("session", stdout);
		dump_fields(session_fields, ORD_ARRAY_LEN(session_fields), s, &s->has);
		for (k = 0; k < s->nr_volumes; k++) {
			printf("volume\t%s\t%s", ord_fmt_uuid(s->uuid),
			       ord_fmt_dev(s->meta_major, s->meta_minor));
			dump_fields(volume_fields, ORD_ARRAY_LEN(volume_fields), &s->volumes[k],
				    NULL);
		}
	}
}

void ctl_print_fields(void)
{
	size_t i;

	for (i = 0; i < ORD_ARRAY_LEN(session_fields); i++)
		printf("session\t%s\n", session_fields[i].key);
	printf("volume\tuuid\nvolume\tmeta\n");
	for (i = 0; i < ORD_ARRAY_LEN(volume_fields); i++)
		printf("volume\t%s\n", volume_fields[i].key);
}
