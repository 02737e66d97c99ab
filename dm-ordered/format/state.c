// SPDX-License-Identifier: GPL-2.0-only
/* State block and witness: encode, decode, validate. Pure; see ondisk.h. */
#include "format/codec.h"

static_assert(sizeof(struct dmo_disk_state) == DMO_STATE_BYTES);
static_assert(offsetof(struct dmo_disk_state, csum) == DMO_CSUM_OFF);
static_assert(offsetof(struct dmo_disk_state, uuid) == 24);
static_assert(offsetof(struct dmo_disk_state, newest) == 48);
static_assert(offsetof(struct dmo_disk_state, restored_ns) == 96);
static_assert(offsetof(struct dmo_disk_state, tail) == 104);
static_assert(offsetof(struct dmo_disk_state, tail_prev_csum) == 120);
static_assert(offsetof(struct dmo_disk_state, seq_floor) == 128);
static_assert(offsetof(struct dmo_disk_state, restored_table) == 136);
static_assert(offsetof(struct dmo_disk_state, reach) == 152);
static_assert(offsetof(struct dmo_disk_state, restored_activation) == 160);
static_assert(offsetof(struct dmo_disk_state, sent) == 168);

/* -- state block -------------------------------------------------------- */

int dmo_state_decode(const void *buf, const u8 *uuid, struct dmo_state *st, struct dmo_reason *why)
{
	const struct dmo_disk_state *d = buf;
	const u8 *unused;
	char found[DMO_UUID_TEXT], expected[DMO_UUID_TEXT];
	u32 want;

	if (memcmp(d->magic, DMO_STATE_MAGIC, sizeof(d->magic)))
		return dmo_refuse(why, -ENODATA,
				  "state block: no magic \"%s\": it was never written, or overwritten by something else",
				  DMO_STATE_MAGIC);
	want = dmo_csum_of(buf, DMO_STATE_BYTES);
	if (le32_to_cpu(d->csum) != want)
		return dmo_refuse(why, -EUCLEAN,
				  "state block: checksum is 0x%08x, its content gives 0x%08x: %s",
				  le32_to_cpu(d->csum), want, dmo_damaged);
	if (memcmp(d->uuid, uuid, DMO_UUID_LEN))
		return dmo_refuse(why, -ENODATA,
				  "state block: session UUID is %s, the superblock's is %s: format the device again",
				  dmo_uuid_text(d->uuid, found), dmo_uuid_text(uuid, expected));
	if (d->flags)
		return dmo_refuse(why, -EPROTONOSUPPORT,
				  "state block: flags are 0x%x, this software knows none: use newer software",
				  le32_to_cpu(d->flags));
	/* sent and cleared have no use yet */
	unused = memchr_inv(&d->sent, 0, (const u8 *)(d + 1) - (const u8 *)&d->sent);
	if (unused)
		return dmo_refuse(why, -EPROTONOSUPPORT,
				  "state block: byte %u is 0x%02x, where this software has nothing: use newer software",
				  (u32)(unused - (const u8 *)buf), *unused);

	memset(st, 0, sizeof(*st));
	st->generation = le64_to_cpu(d->generation);
	st->epoch = le64_to_cpu(d->epoch);
	st->newest = dmo_get_cut(&d->newest);
	st->committed = dmo_get_cut(&d->committed);
	st->restored = dmo_get_cut(&d->restored);
	st->restored_ns = le64_to_cpu(d->restored_ns);
	st->restored_table = dmo_get_cut(&d->restored_table);
	st->tail = le64_to_cpu(d->tail);
	st->tail_seq = le64_to_cpu(d->tail_seq);
	st->tail_prev_csum = le32_to_cpu(d->tail_prev_csum);
	st->seq_floor = le64_to_cpu(d->seq_floor);
	st->reach = le64_to_cpu(d->reach);
	st->copy_step = le32_to_cpu(d->copy_step);
	st->restored_activation = le64_to_cpu(d->restored_activation);
	return 0;
}

void dmo_state_encode(const struct dmo_state *st, const u8 *uuid, void *buf)
{
	struct dmo_disk_state *d = buf;

	memset(buf, 0, DMO_STATE_BYTES);
	memcpy(d->magic, DMO_STATE_MAGIC, sizeof(d->magic));
	d->generation = cpu_to_le64(st->generation);
	memcpy(d->uuid, uuid, DMO_UUID_LEN);
	d->epoch = cpu_to_le64(st->epoch);
	dmo_put_cut(&d->newest, st->newest);
	dmo_put_cut(&d->committed, st->committed);
	dmo_put_cut(&d->restored, st->restored);
	d->restored_ns = cpu_to_le64(st->restored_ns);
	dmo_put_cut(&d->restored_table, st->restored_table);
	d->tail = cpu_to_le64(st->tail);
	d->tail_seq = cpu_to_le64(st->tail_seq);
	d->tail_prev_csum = cpu_to_le32(st->tail_prev_csum);
	d->seq_floor = cpu_to_le64(st->seq_floor);
	d->reach = cpu_to_le64(st->reach);
	d->copy_step = cpu_to_le32(st->copy_step);
	d->restored_activation = cpu_to_le64(st->restored_activation);
	d->csum = cpu_to_le32(dmo_csum_of(buf, DMO_STATE_BYTES));
}

int dmo_state_check(const struct dmo_state *st, const struct dmo_super *sb, struct dmo_reason *why)
{
	if (st->tail >= sb->journal_blocks)
		return dmo_refuse(why, -EUCLEAN,
				  "state block: journal tail is %llu, expected below the ring's size %llu: %s",
				  st->tail, sb->journal_blocks, dmo_damaged);
	if (st->reach > sb->journal_blocks)
		return dmo_refuse(why, -EUCLEAN,
				  "state block: reach is %llu, expected at most the ring's size %llu: %s",
				  st->reach, sb->journal_blocks, dmo_damaged);
	return 0;
}

/* -- witness ------------------------------------------------------------- */

static u32 witness_part(u32 entries)
{
	return sizeof(struct dmo_disk_witness_volume) +
	       entries * sizeof(struct dmo_disk_witness_entry);
}

u32 dmo_witness_entries(u32 nr_volumes)
{
	u32 part = (DMO_WIT_BYTES - sizeof(struct dmo_disk_witness)) / max(nr_volumes, 1u);
	u32 room = (part - witness_part(0)) / sizeof(struct dmo_disk_witness_entry);

	return min_t(u32, room, DMO_WITNESS_MAX);
}

u32 dmo_witness_len(const struct dmo_witness *w)
{
	return sizeof(struct dmo_disk_witness) + w->nr_volumes * witness_part(w->entries);
}

static int decode_witness_volume(const void *part, const struct dmo_volume_info *info,
				 struct dmo_witness_vol *v, u32 entries, struct dmo_reason *why)
{
	const struct dmo_disk_witness_volume *d = part;
	const struct dmo_disk_witness_entry *e = part + sizeof(*d);
	u64 blocks = info->sectors / DMO_BLOCK_SECTORS;
	u32 i;

	memset(v, 0, sizeof(*v));
	v->id = le32_to_cpu(d->id);
	if (v->id != info->id)
		return dmo_refuse(why, -EUCLEAN, "witness: volume id is %u, expected %u: %s",
				  v->id, info->id, dmo_damaged);
	if (d->reserved || d->ident[DMO_IDENT_LEN - 1])
		return dmo_refuse(why, -EUCLEAN,
				  "witness: volume %u: identity has no end, or reserved bytes are not zero: %s",
				  v->id, dmo_damaged);
	memcpy(v->ident, d->ident, DMO_IDENT_LEN);
	for (i = 0; i < DMO_WITNESS_MAX; i++)
		v->entry[i].block = DMO_WITNESS_NONE;
	for (i = 0; i < entries; i++) {
		v->entry[i].block = le64_to_cpu(e[i].block);
		v->entry[i].csum = le32_to_cpu(e[i].csum);
		if (v->entry[i].block >= blocks && v->entry[i].block != DMO_WITNESS_NONE)
			return dmo_refuse(why, -EUCLEAN,
					  "witness: volume %u: block is %llu, expected below %llu: %s",
					  v->id, v->entry[i].block, blocks, dmo_damaged);
	}
	return 0;
}

int dmo_witness_decode(const void *buf, const struct dmo_super *sb, struct dmo_witness *w,
		       struct dmo_reason *why)
{
	const struct dmo_disk_witness *d = buf;
	char found[DMO_UUID_TEXT], expected[DMO_UUID_TEXT];
	u32 len, want, i;
	int rc = 0;

	if (memcmp(d->magic, DMO_WIT_MAGIC, sizeof(d->magic)))
		return dmo_refuse(why, -EUCLEAN, "witness: no magic \"%s\": %s", DMO_WIT_MAGIC,
				  dmo_damaged);
	w->nr_volumes = le32_to_cpu(d->nr_volumes);
	w->entries = le32_to_cpu(d->entries);
	len = le32_to_cpu(d->len);
	if (w->nr_volumes != sb->nr_volumes)
		return dmo_refuse(why, -EUCLEAN, "witness: number of volumes is %u, expected %u: %s",
				  w->nr_volumes, sb->nr_volumes, dmo_damaged);
	if (!w->entries || w->entries > dmo_witness_entries(w->nr_volumes))
		return dmo_refuse(why, -EUCLEAN, "witness: %u entries a volume, expected 1 to %u: %s",
				  w->entries, dmo_witness_entries(w->nr_volumes), dmo_damaged);
	if (len != dmo_witness_len(w))
		return dmo_refuse(why, -EUCLEAN, "witness: length is %u, expected %u: %s", len,
				  dmo_witness_len(w), dmo_damaged);
	want = dmo_csum_of(buf, len);
	if (le32_to_cpu(d->csum) != want)
		return dmo_refuse(why, -EUCLEAN,
				  "witness: checksum is 0x%08x, its content gives 0x%08x: %s",
				  le32_to_cpu(d->csum), want, dmo_damaged);
	if (memcmp(d->uuid, sb->uuid, DMO_UUID_LEN))
		return dmo_refuse(why, -EUCLEAN, "witness: session UUID is %s, the superblock's is %s: %s",
				  dmo_uuid_text(d->uuid, found), dmo_uuid_text(sb->uuid, expected),
				  dmo_damaged);
	if (memchr_inv(d->reserved, 0, sizeof(d->reserved)))
		return dmo_refuse(why, -EUCLEAN, "witness: reserved bytes are not zero: %s", dmo_damaged);
	w->generation = le64_to_cpu(d->generation);
	for (i = 0; i < w->nr_volumes && !rc; i++)
		rc = decode_witness_volume(buf + sizeof(*d) + i * witness_part(w->entries),
					   &sb->volumes[i], &w->vols[i], w->entries, why);
	return rc;
}

void dmo_witness_encode(const struct dmo_witness *w, const u8 *uuid, void *buf)
{
	struct dmo_disk_witness *d = buf;
	u32 len = dmo_witness_len(w), i, k;

	memset(buf, 0, len);
	memcpy(d->magic, DMO_WIT_MAGIC, sizeof(d->magic));
	d->len = cpu_to_le32(len);
	d->generation = cpu_to_le64(w->generation);
	memcpy(d->uuid, uuid, DMO_UUID_LEN);
	d->nr_volumes = cpu_to_le32(w->nr_volumes);
	d->entries = cpu_to_le32(w->entries);
	for (i = 0; i < w->nr_volumes; i++) {
		struct dmo_disk_witness_volume *v =
			buf + sizeof(*d) + i * witness_part(w->entries);
		struct dmo_disk_witness_entry *e = (void *)(v + 1);

		v->id = cpu_to_le32(w->vols[i].id);
		memcpy(v->ident, w->vols[i].ident, DMO_IDENT_LEN);
		for (k = 0; k < w->entries; k++) {
			e[k].block = cpu_to_le64(w->vols[i].entry[k].block);
			e[k].csum = cpu_to_le32(w->vols[i].entry[k].csum);
		}
	}
	d->csum = cpu_to_le32(dmo_csum_of(buf, len));
}
