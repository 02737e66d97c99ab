// SPDX-License-Identifier: GPL-2.0-only
/* Journal records and descriptors: encode, decode, validate. Pure; see ondisk.h. */
#include "format/codec.h"

static_assert(sizeof(struct dmo_disk_rec) == DMO_REC_HDR);
static_assert(offsetof(struct dmo_disk_rec, desc) == DMO_REC_HDR);
static_assert(offsetof(struct dmo_disk_rec, csum) == DMO_CSUM_OFF);
static_assert(offsetof(struct dmo_disk_rec, uuid) == 16);
static_assert(offsetof(struct dmo_disk_rec, seq) == 32);
static_assert(offsetof(struct dmo_disk_rec, type) == 40);
static_assert(offsetof(struct dmo_disk_rec, tag) == 56);
static_assert(offsetof(struct dmo_disk_rec, time_ns) == 88);
static_assert(offsetof(struct dmo_disk_rec, total_csum) == 112);
static_assert(offsetof(struct dmo_disk_rec, next_seq) == 120);
static_assert(offsetof(struct dmo_disk_rec, activation) == 128);
static_assert(DMO_REC_HDR + DMO_REC_MAX_DESC * sizeof(struct dmo_desc) <= DMO_BLOCK);
static_assert(sizeof(struct dmo_desc) == 24);
static_assert(offsetof(struct dmo_desc, block) == 8);
static_assert(offsetof(struct dmo_desc, count) == 16);
static_assert(offsetof(struct dmo_desc, csum) == 20);

/* -- journal records ---------------------------------------------------- */

static int data_form(const struct dmo_desc *d, u32 volume, u64 block, struct dmo_reason *why)
{
	u32 len = le32_to_cpu(d->len), want = hweight8(d->mask) * DMO_SECTOR;

	if (d->algo)
		return dmo_refuse(why, -EINVAL,
				  "descriptor of volume %u, block %llu: compressed by algorithm %u, expected 0 (not compressed)",
				  volume, block, le16_to_cpu(d->algo));
	if (!d->mask)
		return dmo_refuse(why, -EINVAL,
				  "descriptor of volume %u, block %llu: mask of DATA is 0, expected at least one sector",
				  volume, block);
	if (len != want)
		return dmo_refuse(why, -EINVAL,
				  "descriptor of volume %u, block %llu: length of DATA is %u, expected %u of its mask 0x%02x",
				  volume, block, len, want, d->mask);
	return 0;
}

/* What a descriptor must look like, whatever the volumes. */
static int desc_form(const struct dmo_desc *d, struct dmo_reason *why)
{
	u64 block = le64_to_cpu(d->block);
	u32 volume = le32_to_cpu(d->volume);

	/* neither block + count nor their bytes overflow */
	if (block > U64_MAX >> (DMO_BLOCK_SHIFT + 1))
		return dmo_refuse(why, -EINVAL,
				  "descriptor of volume %u: block %llu is beyond any device",
				  volume, block);
	switch (d->type) {
	case DMO_DESC_DATA:
		return data_form(d, volume, block, why);
	case DMO_DESC_ZERO:
		if (!d->count || le64_to_cpu(d->count) > U64_MAX >> (DMO_BLOCK_SHIFT + 1))
			return dmo_refuse(why, -EINVAL,
					  "descriptor of volume %u, block %llu: count of ZERO is %llu, expected at least 1 and no more than any device has",
					  volume, block, le64_to_cpu(d->count));
		if (d->mask != DMO_FULL_MASK || d->algo)
			return dmo_refuse(why, -EINVAL,
					  "descriptor of volume %u, block %llu: mask of ZERO is 0x%02x, algorithm %u, expected 0xff and 0",
					  volume, block, d->mask, le16_to_cpu(d->algo));
		return 0;
	case DMO_DESC_DISCARD:
		return dmo_refuse(why, -EINVAL,
				  "descriptor of volume %u, block %llu: type is %u (DISCARD), which needs a feature that this software does not have",
				  volume, block, d->type);
	}
	return dmo_refuse(why, -EINVAL,
			  "descriptor of volume %u, block %llu: type is %u, expected %u (DATA) or %u (ZERO)",
			  volume, block, d->type, DMO_DESC_DATA, DMO_DESC_ZERO);
}

static int rec_form(const struct dmo_disk_rec *d, const struct dmo_rec *r, struct dmo_reason *why)
{
	u32 i, blocks = 0, known = 0;
	int rc;

	switch (r->type) {
	case DMO_REC_DATA:
		if (!r->nr_desc || r->nr_desc > DMO_REC_MAX_DESC)
			return dmo_refuse(why, -EUCLEAN,
					  "record %llu: DATA has %u descriptors, expected 1 to %u",
					  r->seq, r->nr_desc, DMO_REC_MAX_DESC);
		break;
	case DMO_REC_LAST:
		known = DMO_LASTF_END_OF_COPY;
		fallthrough;
	case DMO_REC_COMMIT:
		if (dmo_cut_is_zero(r->tag))
			return dmo_refuse(why, -EUCLEAN,
					  "record %llu: tag is 0, expected that of a cut", r->seq);
		break;
	case DMO_REC_JUMP:
		if (r->next_seq <= r->seq)
			return dmo_refuse(why, -EUCLEAN,
					  "record %llu: JUMP leads to %llu, expected more than its own sequence",
					  r->seq, r->next_seq);
		break;
	default:
		return dmo_refuse(why, -EPROTONOSUPPORT,
				  "record %llu: type is %u, expected 1 to 4: use newer software",
				  r->seq, r->type);
	}
	if (r->flags & ~known)
		return dmo_refuse(why, -EPROTONOSUPPORT,
				  "record %llu: flags are 0x%x, expected only 0x%x: use newer software",
				  r->seq, r->flags, known);
	if (memchr_inv(d->reserved, 0, sizeof(d->reserved)) || d->reserved0 ||
	    (r->activation && r->type != DMO_REC_LAST))
		return dmo_refuse(why, -EPROTONOSUPPORT,
				  "record %llu: type %u has something where this software has nothing: use newer software",
				  r->seq, r->type);
	if (r->type != DMO_REC_DATA && (r->nr_desc || r->nr_blocks))
		return dmo_refuse(why, -EUCLEAN,
				  "record %llu: type %u has %u descriptors and %u blocks, expected none",
				  r->seq, r->type, r->nr_desc, r->nr_blocks);
	for (i = 0; i < r->nr_desc; i++) {
		rc = desc_form(&d->desc[i], why);
		if (rc)
			return -EUCLEAN;
		if (d->desc[i].type == DMO_DESC_DATA)
			blocks++;
	}
	if (blocks != r->nr_blocks)
		return dmo_refuse(why, -EUCLEAN,
				  "record %llu: nr_blocks is %u, its descriptors make %u",
				  r->seq, r->nr_blocks, blocks);
	return 0;
}

int dmo_rec_decode(const void *buf, const u8 *uuid, struct dmo_rec *rec, struct dmo_reason *why)
{
	const struct dmo_disk_rec *d = buf;
	char found[DMO_UUID_TEXT], expected[DMO_UUID_TEXT];
	u32 want;

	if (memcmp(d->magic, DMO_REC_MAGIC, sizeof(d->magic)))
		return dmo_refuse(why, -ENODATA, "record: no magic \"%s\": no record here",
				  DMO_REC_MAGIC);
	want = dmo_csum_of(buf, DMO_BLOCK);
	if (le32_to_cpu(d->csum) != want)
		return dmo_refuse(why, -EUCLEAN,
				  "record: checksum is 0x%08x, its content gives 0x%08x: torn or damaged",
				  le32_to_cpu(d->csum), want);
	if (memcmp(d->uuid, uuid, DMO_UUID_LEN))
		return dmo_refuse(why, -ENODATA,
				  "record: session UUID is %s, expected %s: left by another session",
				  dmo_uuid_text(d->uuid, found), dmo_uuid_text(uuid, expected));

	rec->seq = le64_to_cpu(d->seq);
	rec->csum = want;
	rec->prev_csum = le32_to_cpu(d->prev_csum);
	rec->type = le32_to_cpu(d->type);
	rec->flags = le32_to_cpu(d->flags);
	rec->nr_desc = le32_to_cpu(d->nr_desc);
	rec->nr_blocks = le32_to_cpu(d->nr_blocks);
	rec->tag = dmo_get_cut(&d->tag);
	rec->table = dmo_get_cut(&d->table);
	rec->time_ns = le64_to_cpu(d->time_ns);
	rec->total_records = le64_to_cpu(d->total_records);
	rec->total_desc = le64_to_cpu(d->total_desc);
	rec->total_csum = le32_to_cpu(d->total_csum);
	rec->next_seq = le64_to_cpu(d->next_seq);
	rec->activation = le64_to_cpu(d->activation);
	return rec_form(d, rec, why);
}

void dmo_rec_encode(struct dmo_rec *rec, const u8 *uuid, void *buf)
{
	struct dmo_disk_rec *d = buf;
	size_t used = DMO_REC_HDR + rec->nr_desc * sizeof(struct dmo_desc);

	memset(buf, 0, DMO_REC_HDR);
	/* nothing of the kernel's memory goes to the disk */
	memset(buf + used, 0, DMO_BLOCK - used);
	memcpy(d->magic, DMO_REC_MAGIC, sizeof(d->magic));
	d->prev_csum = cpu_to_le32(rec->prev_csum);
	memcpy(d->uuid, uuid, DMO_UUID_LEN);
	d->seq = cpu_to_le64(rec->seq);
	d->type = cpu_to_le32(rec->type);
	d->flags = cpu_to_le32(rec->flags);
	d->nr_desc = cpu_to_le32(rec->nr_desc);
	d->nr_blocks = cpu_to_le32(rec->nr_blocks);
	dmo_put_cut(&d->tag, rec->tag);
	dmo_put_cut(&d->table, rec->table);
	d->time_ns = cpu_to_le64(rec->time_ns);
	d->total_records = cpu_to_le64(rec->total_records);
	d->total_desc = cpu_to_le64(rec->total_desc);
	d->total_csum = cpu_to_le32(rec->total_csum);
	d->next_seq = cpu_to_le64(rec->next_seq);
	d->activation = cpu_to_le64(rec->activation);
	rec->csum = dmo_csum_of(buf, DMO_BLOCK);
	d->csum = cpu_to_le32(rec->csum);
}

int dmo_desc_check(const struct dmo_desc *d, const struct dmo_volume_info *vols, u32 nr,
		   struct dmo_reason *why)
{
	u64 block = le64_to_cpu(d->block), count = dmo_desc_blocks(d), blocks;
	u32 id = le32_to_cpu(d->volume), group, i;
	const struct dmo_volume_info *v = NULL;
	u8 allowed = DMO_FULL_MASK, unit;
	int rc;

	rc = desc_form(d, why);
	if (rc)
		return rc;
	for (i = 0; i < nr; i++) {
		if (vols[i].id == id) {
			v = &vols[i];
			break;
		}
	}
	if (!v)
		return dmo_refuse(why, -ENODEV,
				  "descriptor: volume %u is unknown here: both sides must list the same volumes",
				  id);
	blocks = (v->sectors + DMO_BLOCK_SECTORS - 1) / DMO_BLOCK_SECTORS;
	if (block >= blocks || count > blocks - block)
		return dmo_refuse(why, -ERANGE,
				  "descriptor of volume %u: blocks %llu+%llu, expected within its %llu blocks",
				  id, block, count, blocks);
	if (d->type == DMO_DESC_ZERO)
		return 0;
	if (block == blocks - 1 && v->sectors % DMO_BLOCK_SECTORS)
		allowed = (u8)((1u << (v->sectors % DMO_BLOCK_SECTORS)) - 1);
	if (d->mask & ~allowed)
		return dmo_refuse(why, -ERANGE,
				  "descriptor of volume %u, block %llu: mask is 0x%02x, the volume's end allows 0x%02x",
				  id, block, d->mask, allowed);
	/* whole logical blocks only: anything else could not be written */
	group = v->lbs / DMO_SECTOR;
	unit = (u8)((1u << group) - 1);
	for (i = 0; i < DMO_BLOCK_SECTORS && group; i += group) {
		u8 got = (d->mask >> i) & unit;

		if (got && got != unit)
			return dmo_refuse(why, -EINVAL,
					  "descriptor of volume %u, block %llu: mask is 0x%02x, expected whole logical blocks of %u bytes",
					  id, block, d->mask, v->lbs);
	}
	return 0;
}

u32 dmo_mask_csum(const void *block, u8 mask)
{
	const u8 *p = block;
	u32 crc = 0, i;

	if (mask == DMO_FULL_MASK)
		return dmo_crc(0, p, DMO_BLOCK);
	for (i = 0; i < DMO_BLOCK_SECTORS; i++)
		if (mask & (1u << i))
			crc = dmo_crc(crc, p + i * DMO_SECTOR, DMO_SECTOR);
	return crc;
}
