// SPDX-License-Identifier: GPL-2.0-only
/*
 * dump: what a metadata device holds, without the kernel module and without
 * writing. Damage is shown, not judged: the exit status is 0 when a superblock
 * and a state block can be used.
 *
 * Everything goes through emit_*(), which builds JSON or prints lines.
 */
#include "format/ondisk.h"
#include "format/jscan.h"

#include <fcntl.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <unistd.h>

#include "lib/metafile.h"
#include "orderedctl/ctl.h"

static const char *meta;
static bool journal, json;

/* -- output: @to is the JSON object to fill, or NULL for lines ------------- */

static void emit_str(struct json_object *to, const char *key, const char *v)
{
	if (to)
		json_object_object_add(to, key, json_object_new_string(v));
	else
		printf("  %-20s %s\n", key, v);
}

static void emit_u64(struct json_object *to, const char *key, u64 v)
{
	if (to)
		json_object_object_add(to, key, json_object_new_uint64(v));
	else
		printf("  %-20s %llu\n", key, v);
}

static void emit_bool(struct json_object *to, const char *key, bool v)
{
	if (to)
		json_object_object_add(to, key, json_object_new_boolean(v));
	else
		printf("  %-20s %s\n", key, v ? "yes" : "no");
}

static void emit_hex(struct json_object *to, const char *key, u64 v)
{
	char text[32];

	snprintf(text, sizeof(text), "%016llx", v);
	emit_str(to, key, text);
}

static void emit_blocks(struct json_object *to, const char *key, u64 start, u64 nr)
{
	struct json_object *j;

	if (!to) {
		printf("  %-20s block %llu, %llu blocks (%s)\n", key, start, nr,
		       ord_fmt_bytes(nr * DMO_BLOCK));
		return;
	}
	j = json_object_new_object();
	json_object_object_add(j, "start", json_object_new_uint64(start));
	json_object_object_add(j, "blocks", json_object_new_uint64(nr));
	json_object_object_add(to, key, j);
}

static void emit_time(struct json_object *to, const char *key, u64 ns)
{
	if (to)
		json_object_object_add(to, key, json_object_new_uint64(ns));
	else
		printf("  %-20s %s\n", key, ns ? ord_fmt_time(ns) : "none");
}

static void emit_cut(struct json_object *to, const char *key, struct dmo_cut c)
{
	struct json_object *j;

	if (!to) {
		printf("  %-20s %s\n", key, dmo_cut_is_zero(c) ? "none" : ord_fmt_cut(c.epoch, c.n));
		return;
	}
	j = json_object_new_object();
	json_object_object_add(j, "epoch", json_object_new_uint64(c.epoch));
	json_object_object_add(j, "n", json_object_new_uint64(c.n));
	json_object_object_add(to, key, j);
}

/*
 * A section: the heading @title, or the object @name, one of an array when
 * @index, its number, isn't -1.
 */
static struct json_object *section(struct json_object *root, const char *title, const char *name,
				   int index)
{
	struct json_object *j, *list;

	if (!root) {
		if (index < 0)
			printf("%s\n", title);
		else
			printf("%s %d\n", title, index);
		return NULL;
	}
	j = json_object_new_object();
	if (index < 0) {
		json_object_object_add(root, name, j);
		return j;
	}
	if (!json_object_object_get_ex(root, name, &list)) {
		list = json_object_new_array();
		json_object_object_add(root, name, list);
	}
	json_object_array_add(list, j);
	return j;
}

/* -- superblock and state ------------------------------------------------- */

static const char *verdict(int rc)
{
	switch (rc) {
	case 0:
		return "valid";
	case -ENODATA:
		return "absent";
	case -EPROTONOSUPPORT:
		return "unsupported";
	case -EIO:
		return "unreadable";
	default:
		return "damaged";
	}
}

static void show_flags(struct json_object *to, u32 flags)
{
	static const struct {
		u32 bit;
		const char *name;
	} names[] = {
		{ DMO_SBF_PLAIN, "plain" },
		{ DMO_SBF_INCONSISTENT, "inconsistent" },
		{ DMO_SBF_ASSUME_EQUAL, "assume-equal" },
		{ DMO_SBF_OPEN, "open" },
	};
	char text[128] = "";
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (flags & names[i].bit)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s",
				 *text ? "," : "", names[i].name);
	emit_str(to, "flags", *text ? text : to ? "" : "none");
}

static void show_super(struct json_object *root, const struct dmo_super *sb)
{
	struct json_object *to = section(root, "superblock", "superblock", -1), *vol;
	char key[32];
	u32 i;

	emit_str(to, "uuid", ord_fmt_uuid(sb->uuid));
	emit_str(to, "label", sb->label);
	emit_str(to, "role", dmo_role_name(sb->role));
	show_flags(to, sb->flags);
	emit_hex(to, "activation", dmo_line_newest(&sb->line));
	for (i = 1; i < sb->line.nr; i++) {
		snprintf(key, sizeof(key), "activation-%u", i);
		emit_hex(to, key, sb->line.at[i].activation);
	}
	emit_hex(to, "copy_id", sb->copy_id);
	emit_u64(to, "cycle_ms", sb->cycle_ms);
	emit_u64(to, "budget_mib", sb->budget_mib);
	emit_u64(to, "link_timeout_ms", sb->link_timeout_ms);
	emit_time(to, "created_ns", sb->created_ns);
	emit_blocks(to, "device", 0, sb->meta_blocks);
	emit_blocks(to, "bitmaps", sb->bitmap_start, sb->bitmap_blocks);
	emit_blocks(to, "journal", sb->journal_start, sb->journal_blocks);
	for (i = 0; i < sb->nr_volumes; i++) {
		const struct dmo_volume_info *v = &sb->volumes[i];

		if (!root) {
			printf("  volume %-13u %s (%llu sectors), logical block %u bytes, region %s\n",
			       v->id, ord_fmt_bytes(v->sectors * DMO_SECTOR), v->sectors, v->lbs,
			       v->region_shift ? ord_fmt_bytes(1ULL << v->region_shift) : "none");
			continue;
		}
		vol = section(to, NULL, "volumes", (int)i);
		emit_u64(vol, "id", v->id);
		emit_u64(vol, "sectors", v->sectors);
		emit_u64(vol, "lbs", v->lbs);
		emit_u64(vol, "bitmap_block", v->bitmap_block);
		emit_u64(vol, "region_shift", v->region_shift);
	}
}

static void show_copies(struct json_object *root, const struct ord_metafile *m)
{
	int i;

	for (i = 0; i < 2; i++) {
		struct json_object *to = section(root, "superblock copy", "copies", i);

		emit_str(to, "verdict", verdict(m->sb_rc[i]));
		if (m->sb_rc[i])
			emit_str(to, "why", m->sb_why[i].text);
		else
			emit_u64(to, "generation", m->sb[i].generation);
		emit_bool(to, "chosen", m->chosen == i);
	}
}

static void show_states(struct json_object *root, const struct ord_metafile *m)
{
	int i;

	for (i = 0; i < 2; i++) {
		struct json_object *to = section(root, "state slot", "states", i);
		const struct dmo_state *st = &m->st[i];

		emit_str(to, "verdict", verdict(m->st_rc[i]));
		emit_bool(to, "chosen", m->st_chosen == i);
		if (m->st_rc[i]) {
			emit_str(to, "why", m->st_why[i].text);
			continue;
		}
		emit_u64(to, "generation", st->generation);
		emit_u64(to, "epoch", st->epoch);
		emit_cut(to, "newest", st->newest);
		emit_cut(to, "committed", st->committed);
		emit_cut(to, "restored", st->restored);
		emit_time(to, "restored_ns", st->restored_ns);
		emit_cut(to, "restored_table", st->restored_table);
		emit_hex(to, "restored_activation", st->restored_activation);
		emit_u64(to, "tail", st->tail);
		emit_u64(to, "tail_seq", st->tail_seq);
		emit_u64(to, "tail_prev_csum", st->tail_prev_csum);
		emit_u64(to, "seq_floor", st->seq_floor);
		emit_u64(to, "reach", st->reach);
		emit_u64(to, "copy_step", st->copy_step);
	}
}

/* -- witness: what is known of the data devices ----------------------------- */

static void show_witness_volume(struct json_object *parent, const struct dmo_witness *w, u32 k)
{
	const struct dmo_witness_vol *v = &w->vols[k];
	struct json_object *to, *list = NULL;
	unsigned int n = 0, i;

	for (i = 0; i < w->entries; i++)
		n += v->entry[i].block != DMO_WITNESS_NONE;
	if (!parent) {
		printf("  data device %-9u %s, %u blocks known\n", v->id,
		       v->ident[0] ? v->ident : "without identity", n);
		return;
	}
	to = section(parent, NULL, "volumes", (int)k);
	emit_u64(to, "id", v->id);
	emit_str(to, "identity", v->ident);
	list = json_object_new_array();
	for (i = 0; i < w->entries; i++) {
		struct json_object *e;

		if (v->entry[i].block == DMO_WITNESS_NONE)
			continue;
		e = json_object_new_object();
		emit_u64(e, "block", v->entry[i].block);
		emit_u64(e, "crc32c", v->entry[i].csum);
		json_object_array_add(list, e);
	}
	json_object_object_add(to, "blocks", list);
}

static void show_witness(struct json_object *root, const struct ord_metafile *m)
{
	static struct dmo_witness_vol vols[2][DMO_MAX_VOLUMES];
	struct dmo_witness w[2] = { { .vols = vols[0] }, { .vols = vols[1] } };
	struct dmo_reason why[2];
	int rc[2], i, chosen;

	for (i = 0; i < 2; i++)
		rc[i] = ord_metafile_witness(m, i, &w[i], &why[i]);
	chosen = rc[0] && rc[1] ? -1 : rc[0] || (!rc[1] && w[1].generation > w[0].generation);
	for (i = 0; i < 2; i++) {
		struct json_object *to = section(root, "witness copy", "witness", i);
		u32 k;

		emit_str(to, "verdict", rc[i] == -ENODATA ? "none" : verdict(rc[i]));
		emit_bool(to, "chosen", chosen == i);
		if (rc[i]) {
			emit_str(to, "why", why[i].text);
			continue;
		}
		emit_u64(to, "generation", w[i].generation);
		for (k = 0; k < w[i].nr_volumes && chosen == i; k++)
			show_witness_volume(to, &w[i], k);
	}
}

/* -- journal --------------------------------------------------------------- */

static int scan(const struct ord_metafile *m, struct dmo_jscan *s)
{
	const struct dmo_super *sb = &m->sb[m->chosen];
	const struct dmo_state *st = &m->st[m->st_chosen];
	struct dmo_jpos tail = {
		.pos = st->tail, .seq = st->tail_seq, .prev_csum = st->tail_prev_csum,
	};
	enum dmo_jscan_next next = DMO_JSCAN_HEADER;
	struct dmo_rec rec;
	u8 *hdr, *data;
	u64 pos;

	if (posix_memalign((void **)&hdr, DMO_BLOCK, DMO_BLOCK))
		return -ENOMEM;
	if (posix_memalign((void **)&data, DMO_BLOCK, DMO_REC_MAX_DESC * DMO_BLOCK)) {
		free(hdr);
		return -ENOMEM;
	}
	dmo_jscan_init(s, sb->uuid, sb->journal_blocks, tail);
	while (next == DMO_JSCAN_HEADER || next == DMO_JSCAN_BODY) {
		u64 at = (sb->journal_start + s->at.pos) * DMO_BLOCK;

		pos = s->at.pos;
		if (next == DMO_JSCAN_HEADER) {
			next = dmo_jscan_header(s, ord_dev_pread(m->fd, hdr, DMO_BLOCK, at) ?
						NULL : hdr, &rec);
			if (next != DMO_JSCAN_BODY)
				continue;
			/* the body lies behind the header just read */
			at = (sb->journal_start + pos + 1) * DMO_BLOCK;
			next = dmo_jscan_body(s, hdr, &rec,
					      ord_dev_pread(m->fd, data, rec.nr_blocks * DMO_BLOCK,
							    at) ? NULL : data);
		}
	}
	free(hdr);
	free(data);
	return next == DMO_JSCAN_NOMEM ? -ENOMEM : 0;
}

static void show_chunk(struct json_object *to, const struct dmo_jchunk *c, u64 size)
{
	u64 blocks = (c->end + size - c->start) % size;

	if (!to) {
		printf("  chunk %s%s%s: of %s, blocks %llu to %llu (%s), sequence %llu to %llu, %llu descriptors, table %s\n",
		       ord_fmt_cut(c->tag.epoch, c->tag.n), c->committed ? " committed" : " complete",
		       c->flags & DMO_LASTF_END_OF_COPY ? ", ends a copy" : "",
		       ord_fmt_time(c->time_ns), c->start, c->end, ord_fmt_bytes(blocks * DMO_BLOCK),
		       c->start_seq, c->end_seq, c->nr_desc,
		       ord_fmt_cut(c->table.epoch, c->table.n));
		return;
	}
	emit_cut(to, "tag", c->tag);
	emit_cut(to, "table", c->table);
	emit_bool(to, "committed", c->committed);
	emit_bool(to, "end_of_copy", c->flags & DMO_LASTF_END_OF_COPY);
	emit_time(to, "time_ns", c->time_ns);
	emit_u64(to, "start", c->start);
	emit_u64(to, "end", c->end);
	emit_u64(to, "start_seq", c->start_seq);
	emit_u64(to, "end_seq", c->end_seq);
	emit_u64(to, "bytes", blocks * DMO_BLOCK);
	emit_u64(to, "descriptors", c->nr_desc);
}

static int show_journal(struct json_object *root, const struct ord_metafile *m)
{
	struct json_object *to = section(root, "journal", "journal_scan", -1);
	static struct dmo_jscan s;
	struct dmo_jchunk *c;
	int nr = 0;

	if (m->chosen < 0 || m->st_chosen < 0) {
		emit_str(to, "why", "not scanned: no superblock or state block can be used");
		return CTL_FAIL;
	}
	if (scan(m, &s)) {
		ctl_err("out of memory");
		return CTL_FAIL;
	}
	emit_u64(to, "size_blocks", s.size);
	list_for_each_entry(c, &s.chunks, node) {
		show_chunk(root ? section(to, NULL, "chunks", nr) : NULL, c, s.size);
		nr++;
	}
	if (root && !nr)
		json_object_object_add(to, "chunks", json_object_new_array());
	emit_u64(to, "nr_chunks", (u64)nr);
	emit_cut(to, "committed", s.committed);
	emit_u64(to, "used_bytes", s.good_used * DMO_BLOCK);
	emit_u64(to, "head", s.good.pos);
	emit_u64(to, "head_seq", s.good.seq);
	emit_u64(to, "open_records", s.open ? s.records : 0);
	emit_str(to, "end", s.why.text);
	dmo_jscan_release(&s);
	return CTL_OK;
}

static int run(const struct ctl_command *cmd)
{
	struct json_object *root = NULL;
	struct dmo_reason why;
	static struct ord_metafile m;
	int rc;

	(void)cmd;
	if (ord_metafile_open(&m, meta, O_RDONLY, &why)) {
		ctl_err("%s", why.text);
		return CTL_FAIL;
	}
	if (json)
		root = json_object_new_object();
	show_copies(root, &m);
	rc = m.chosen >= 0 && m.st_chosen >= 0 ? CTL_OK : CTL_FAIL;
	if (m.chosen >= 0) {
		show_super(root, &m.sb[m.chosen]);
		show_states(root, &m);
		show_witness(root, &m);
	}
	if (journal && show_journal(root, &m))
		rc = CTL_FAIL;
	if (root) {
		puts(json_object_to_json_string_ext(root, JSON_C_TO_STRING_PRETTY |
						    JSON_C_TO_STRING_NOSLASHESCAPE));
		json_object_put(root);
	}
	if (m.chosen < 0) {
		ord_metafile_super(&m, &why);
		ctl_err("%s: %s", meta, why.text);
	} else if (m.st_chosen < 0) {
		ctl_err("%s: neither state block can be used", meta);
	}
	ord_metafile_close(&m);
	return rc;
}

static const struct ctl_operand operands[] = { { "META", &meta }, { 0 } };

static const struct ctl_opt opts[] = {
	{ "journal", NULL, "the chunks found in the journal, and where and why the scan ended, too",
	  ctl_opt_flag, &journal },
	{ "json", NULL, "as an object", ctl_opt_flag, &json },
	{ 0 }
};

const struct ctl_command ctl_cmd_dump = {
	.name = "dump",
	.what = "show what a metadata device or an image of one holds, read only",
	.operands = operands,
	.opts = opts,
	.run = run,
};
