// SPDX-License-Identifier: GPL-2.0-only
/*
 * On-disk format: encode, decode, validate. Pure: no I/O, no locks, no
 * allocation; see ondisk.h for the format and for what the errors mean.
 *
 * A checksum covers its whole structure, the checksum field itself counted as
 * zero. It lies at the same place in all three structures and will in every
 * later version of the format, so that it is checked before the version is
 * believed: a flipped bit must not make a structure look newer.
 */
#include "format/ondisk.h"

#define CSUM_OFF	8	/* of the checksum in all three structures */

static_assert(sizeof(struct dmo_disk_volume) == 64);
static_assert(sizeof(struct dmo_disk_cut) == 16);
static_assert(sizeof(struct dmo_desc) == 24);
static_assert(offsetof(struct dmo_desc, block) == 8);
static_assert(offsetof(struct dmo_desc, csum) == 20);

static_assert(sizeof(struct dmo_disk_super) <= DMO_SB_VOLUMES_OFF);
static_assert(DMO_SB_VOLUMES_OFF + DMO_MAX_VOLUMES * sizeof(struct dmo_disk_volume) <=
	      DMO_SB_BYTES);
static_assert(offsetof(struct dmo_disk_super, csum) == CSUM_OFF);
static_assert(offsetof(struct dmo_disk_super, generation) == 16);
static_assert(offsetof(struct dmo_disk_super, uuid) == 48);
static_assert(offsetof(struct dmo_disk_super, label) == 64);
static_assert(offsetof(struct dmo_disk_super, role) == 128);
static_assert(offsetof(struct dmo_disk_super, meta_blocks) == 136);
static_assert(offsetof(struct dmo_disk_super, journal_start) == 160);
static_assert(offsetof(struct dmo_disk_super, gen_current) == 176);
static_assert(offsetof(struct dmo_disk_super, gen_history) == 184);
static_assert(offsetof(struct dmo_disk_super, copy_id) == 312);
static_assert(offsetof(struct dmo_disk_super, cycle_ms) == 320);
static_assert(offsetof(struct dmo_disk_super, nr_volumes) == 332);
static_assert(offsetof(struct dmo_disk_super, created_ns) == 336);

static_assert(sizeof(struct dmo_disk_state) == 256);
static_assert(offsetof(struct dmo_disk_state, csum) == CSUM_OFF);
static_assert(offsetof(struct dmo_disk_state, uuid) == 24);
static_assert(offsetof(struct dmo_disk_state, newest) == 48);
static_assert(offsetof(struct dmo_disk_state, restored_ns) == 96);
static_assert(offsetof(struct dmo_disk_state, tail) == 104);
static_assert(offsetof(struct dmo_disk_state, tail_prev_csum) == 120);
static_assert(offsetof(struct dmo_disk_state, seq_floor) == 128);
static_assert(offsetof(struct dmo_disk_state, reach) == 152);
static_assert(offsetof(struct dmo_disk_state, restored_table) == 136);

static_assert(sizeof(struct dmo_disk_rec) == DMO_REC_HDR);
static_assert(offsetof(struct dmo_disk_rec, desc) == DMO_REC_HDR);
static_assert(offsetof(struct dmo_disk_rec, csum) == CSUM_OFF);
static_assert(offsetof(struct dmo_disk_rec, uuid) == 16);
static_assert(offsetof(struct dmo_disk_rec, seq) == 32);
static_assert(offsetof(struct dmo_disk_rec, type) == 40);
static_assert(offsetof(struct dmo_disk_rec, tag) == 56);
static_assert(offsetof(struct dmo_disk_rec, time_ns) == 88);
static_assert(offsetof(struct dmo_disk_rec, total_csum) == 112);
static_assert(offsetof(struct dmo_disk_rec, next_seq) == 120);
static_assert(DMO_REC_HDR + DMO_REC_MAX_DESC * sizeof(struct dmo_desc) <= DMO_BLOCK);

static const char damaged[] =
	"use the other copy or format the device again";

int dmo_refuse(char *why, int rc, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, DMO_REASON_LEN, fmt, ap);
	va_end(ap);
	return rc;
}

const char *dmo_uuid_text(const u8 *uuid, char *out)
{
	static const char hex[] = "0123456789abcdef";
	char *p = out;
	int i;

	for (i = 0; i < DMO_UUID_LEN; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		*p++ = hex[uuid[i] >> 4];
		*p++ = hex[uuid[i] & 15];
	}
	*p = '\0';
	return out;
}

const char *dmo_role_name(u32 role)
{
	switch (role) {
	case DMO_ROLE_PRIMARY:
		return "primary";
	case DMO_ROLE_SECONDARY:
		return "secondary";
	}
	return "unknown";
}

static u32 csum_of(const void *buf, size_t len)
{
	static const u8 zero[4];
	const u8 *p = buf;
	u32 crc;

	crc = dmo_crc(0, p, CSUM_OFF);
	crc = dmo_crc(crc, zero, sizeof(zero));
	return dmo_crc(crc, p + CSUM_OFF + 4, len - CSUM_OFF - 4);
}

static void cut_encode(struct dmo_disk_cut *d, struct dmo_cut c)
{
	d->epoch = cpu_to_le64(c.epoch);
	d->n = cpu_to_le64(c.n);
}

static struct dmo_cut cut_decode(const struct dmo_disk_cut *d)
{
	struct dmo_cut c = {
		.epoch = le64_to_cpu(d->epoch),
		.n = le64_to_cpu(d->n),
	};

	return c;
}

/* -- superblock --------------------------------------------------------- */

/* Blocks that a volume's dirty bitmap takes: a bit a region, block-aligned. */
static u64 bitmap_blocks(u64 sectors, u32 region_shift)
{
	u64 bits = ((sectors - 1) >> (region_shift - 9)) + 1;

	return (bits + DMO_BLOCK * 8 - 1) >> (DMO_BLOCK_SHIFT + 3);
}

static int check_volume(const struct dmo_super *sb, u32 i, char *why)
{
	const struct dmo_volume_info *v = &sb->volumes[i];
	u32 j;

	if (v->id > U16_MAX)
		return dmo_refuse(why, -EINVAL,
				  "superblock: volume %u: id above the greatest allowed, %u: choose another",
				  v->id, U16_MAX);
	if (v->lbs < DMO_SECTOR || v->lbs > DMO_BLOCK || !is_power_of_2(v->lbs))
		return dmo_refuse(why, -EINVAL,
				  "superblock: volume %u: logical block size is %u, expected 512, 1024, 2048 or 4096",
				  v->id, v->lbs);
	if (v->sectors < DMO_MIN_VOLUME_SECTORS || v->sectors > DMO_MAX_SESSION_SECTORS)
		return dmo_refuse(why, -EINVAL,
				  "superblock: volume %u: size is %llu sectors, expected %u (1 MiB) to %llu (64 TiB): choose another size",
				  v->id, v->sectors, DMO_MIN_VOLUME_SECTORS,
				  DMO_MAX_SESSION_SECTORS);
	if (v->sectors & (v->lbs / DMO_SECTOR - 1))
		return dmo_refuse(why, -EINVAL,
				  "superblock: volume %u: size is %llu sectors, expected a multiple of its logical block size %u",
				  v->id, v->sectors, v->lbs);
	for (j = 0; j < i; j++)
		if (sb->volumes[j].id == v->id)
			return dmo_refuse(why, -EINVAL,
					  "superblock: volume id %u is there twice, expected once: choose another id",
					  v->id);
	return 0;
}

static int check_bitmap(const struct dmo_super *sb, u32 i, char *why)
{
	const struct dmo_volume_info *v = &sb->volumes[i];
	u64 end, need;
	u32 j;

	if (!v->bitmap_block && !v->region_shift)
		return 0;
	if (!v->bitmap_block || v->region_shift < DMO_BLOCK_SHIFT || v->region_shift > 30)
		return dmo_refuse(why, -EINVAL,
				  "superblock: volume %u: dirty bitmap at block %llu with region shift %u, expected both 0, or a block and 12 to 30",
				  v->id, v->bitmap_block, v->region_shift);
	need = bitmap_blocks(v->sectors, v->region_shift);
	end = sb->bitmap_start + sb->bitmap_blocks;
	if (v->bitmap_block < sb->bitmap_start || v->bitmap_block >= end ||
	    need > end - v->bitmap_block)
		return dmo_refuse(why, -EINVAL,
				  "superblock: volume %u: dirty bitmap is %llu blocks at %llu, expected within the bitmap area %llu+%llu",
				  v->id, need, v->bitmap_block, sb->bitmap_start,
				  sb->bitmap_blocks);
	for (j = 0; j < i; j++) {
		const struct dmo_volume_info *o = &sb->volumes[j];

		if (!o->bitmap_block ||
		    v->bitmap_block >= o->bitmap_block +
				       bitmap_blocks(o->sectors, o->region_shift) ||
		    o->bitmap_block >= v->bitmap_block + need)
			continue;
		return dmo_refuse(why, -EINVAL,
				  "superblock: volume %u: dirty bitmap at block %llu overlaps that of volume %u at %llu",
				  v->id, v->bitmap_block, o->id, o->bitmap_block);
	}
	return 0;
}

static int check_range(const char *name, u32 v, u32 lo, u32 hi, char *why)
{
	if (v >= lo && v <= hi)
		return 0;
	return dmo_refuse(why, -EINVAL, "superblock: %s is %u, expected %u to %u: choose another",
			  name, v, lo, hi);
}

static int check_label(const struct dmo_super *sb, char *why)
{
	u32 i, len;

	for (len = 0; len < DMO_LABEL_LEN && sb->label[len]; len++)
		if (sb->label[len] < 0x20 || sb->label[len] > 0x7e)
			return dmo_refuse(why, -EINVAL,
					  "superblock: label has byte 0x%02x at %u, expected printable ASCII: choose another label",
					  (u8)sb->label[len], len);
	if (len == DMO_LABEL_LEN)
		return dmo_refuse(why, -EINVAL,
				  "superblock: label has no end, expected at most %u characters: choose a shorter label",
				  DMO_LABEL_LEN - 1);
	for (i = len; i < DMO_LABEL_LEN; i++)
		if (sb->label[i])
			return dmo_refuse(why, -EINVAL,
					  "superblock: label has byte 0x%02x behind its end at %u, expected zeroes",
					  (u8)sb->label[i], i);
	return 0;
}

static int check_areas(const struct dmo_super *sb, char *why)
{
	if (sb->meta_blocks < DMO_META_MIN_BLOCKS || sb->meta_blocks > U64_MAX >> DMO_BLOCK_SHIFT)
		return dmo_refuse(why, -EINVAL,
				  "superblock: metadata device has %llu blocks of 4096 bytes, expected at least %u: use a larger device",
				  sb->meta_blocks, DMO_META_MIN_BLOCKS);
	if (sb->journal_blocks < DMO_JOURNAL_MIN_BLOCKS)
		return dmo_refuse(why, -EINVAL,
				  "superblock: journal has %llu blocks, expected at least %u: use a larger device",
				  sb->journal_blocks, DMO_JOURNAL_MIN_BLOCKS);
	if (sb->journal_start < DMO_DATA_START || sb->journal_start > sb->meta_blocks ||
	    sb->journal_blocks > sb->meta_blocks - sb->journal_start)
		return dmo_refuse(why, -EINVAL,
				  "superblock: journal is %llu blocks at %llu, expected within blocks %u to %llu",
				  sb->journal_blocks, sb->journal_start, DMO_DATA_START,
				  sb->meta_blocks);
	if (sb->bitmap_blocks &&
	    (sb->bitmap_start < DMO_DATA_START || sb->bitmap_start > sb->meta_blocks ||
	     sb->bitmap_blocks > sb->meta_blocks - sb->bitmap_start))
		return dmo_refuse(why, -EINVAL,
				  "superblock: bitmap area is %llu blocks at %llu, expected within blocks %u to %llu",
				  sb->bitmap_blocks, sb->bitmap_start, DMO_DATA_START,
				  sb->meta_blocks);
	if (sb->bitmap_blocks &&
	    sb->bitmap_start < sb->journal_start + sb->journal_blocks &&
	    sb->journal_start < sb->bitmap_start + sb->bitmap_blocks)
		return dmo_refuse(why, -EINVAL,
				  "superblock: bitmap area %llu+%llu overlaps the journal %llu+%llu",
				  sb->bitmap_start, sb->bitmap_blocks, sb->journal_start,
				  sb->journal_blocks);
	return 0;
}

int dmo_super_check(const struct dmo_super *sb, char *why)
{
	u64 total = 0;
	u32 i;
	int rc;

	if (!memchr_inv(sb->uuid, 0, DMO_UUID_LEN))
		return dmo_refuse(why, -EINVAL,
				  "superblock: session UUID is all zero: give the session a UUID");
	rc = check_label(sb, why);
	if (rc)
		return rc;
	if (sb->role != DMO_ROLE_PRIMARY && sb->role != DMO_ROLE_SECONDARY)
		return dmo_refuse(why, -EINVAL,
				  "superblock: role is %u, expected %u (primary) or %u (secondary)",
				  sb->role, DMO_ROLE_PRIMARY, DMO_ROLE_SECONDARY);
	if (sb->flags & ~DMO_SBF_KNOWN)
		return dmo_refuse(why, -EINVAL,
				  "superblock: flags are 0x%x, known are 0x%x",
				  sb->flags, DMO_SBF_KNOWN);
	rc = check_areas(sb, why);
	if (rc)
		return rc;

	rc = check_range("cycle_ms", sb->cycle_ms, DMO_CYCLE_MS_MIN, DMO_CYCLE_MS_MAX, why);
	if (rc)
		return rc;
	rc = check_range("budget_mib", sb->budget_mib, DMO_BUDGET_MIB_MIN, DMO_BUDGET_MIB_MAX, why);
	if (rc)
		return rc;
	rc = check_range("link_timeout_ms", sb->link_timeout_ms, DMO_LINK_TIMEOUT_MS_MIN,
			 DMO_LINK_TIMEOUT_MS_MAX, why);
	if (rc)
		return rc;

	rc = check_range("number of volumes", sb->nr_volumes, 1, DMO_MAX_VOLUMES, why);
	if (rc)
		return rc;
	for (i = 0; i < sb->nr_volumes; i++) {
		rc = check_volume(sb, i, why);
		if (rc)
			return rc;
		rc = check_bitmap(sb, i, why);
		if (rc)
			return rc;
		total += sb->volumes[i].sectors;
	}
	if (total > DMO_MAX_SESSION_SECTORS)
		return dmo_refuse(why, -EINVAL,
				  "superblock: the volumes have %llu sectors together, expected at most %llu (64 TiB): use several sessions",
				  total, DMO_MAX_SESSION_SECTORS);
	return 0;
}

int dmo_super_decode(const void *buf, struct dmo_super *sb, u64 dev_blocks, char *why)
{
	const struct dmo_disk_super *d = buf;
	const struct dmo_disk_volume *dv = buf + DMO_SB_VOLUMES_OFF;
	u64 incompat, ro_compat;
	u32 want, i;

	if (memcmp(d->magic, DMO_SB_MAGIC, sizeof(d->magic)))
		return dmo_refuse(why, -ENODATA,
				  memchr_inv(d->magic, 0, sizeof(d->magic)) ?
				  "superblock: magic is not \"%s\": no metadata of dm-ordered, but something else: were metadata and data device exchanged?" :
				  "superblock: no magic \"%s\": the device is unformatted, or the data device: were the two exchanged? orderedctl format makes a new one",
				  DMO_SB_MAGIC);
	want = csum_of(buf, DMO_SB_BYTES);
	if (le32_to_cpu(d->csum) != want)
		return dmo_refuse(why, -EUCLEAN,
				  "superblock: checksum is 0x%08x, its content gives 0x%08x: %s",
				  le32_to_cpu(d->csum), want, damaged);
	if (le32_to_cpu(d->version) != DMO_FORMAT_VERSION)
		return dmo_refuse(why, -EPROTONOSUPPORT,
				  "superblock: format version is %u, this software knows %u: use newer software",
				  le32_to_cpu(d->version), DMO_FORMAT_VERSION);
	incompat = le64_to_cpu(d->incompat);
	if (incompat & ~DMO_INCOMPAT_KNOWN)
		return dmo_refuse(why, -EPROTONOSUPPORT,
				  "superblock: incompat features are 0x%llx, this software knows 0x%llx: use newer software",
				  incompat, DMO_INCOMPAT_KNOWN);
	ro_compat = le64_to_cpu(d->ro_compat);
	if (ro_compat & ~DMO_RO_COMPAT_KNOWN)
		return dmo_refuse(why, -EPROTONOSUPPORT,
				  "superblock: ro_compat features are 0x%llx, this software knows 0x%llx: use newer software",
				  ro_compat, DMO_RO_COMPAT_KNOWN);
	if (le32_to_cpu(d->flags) & ~DMO_SBF_KNOWN)
		return dmo_refuse(why, -EPROTONOSUPPORT,
				  "superblock: flags are 0x%x, this software knows 0x%x: use newer software",
				  le32_to_cpu(d->flags), DMO_SBF_KNOWN);

	memset(sb, 0, sizeof(*sb));
	sb->generation = le64_to_cpu(d->generation);
	sb->compat = le64_to_cpu(d->compat);
	sb->incompat = incompat;
	memcpy(sb->uuid, d->uuid, DMO_UUID_LEN);
	memcpy(sb->label, d->label, DMO_LABEL_LEN);
	sb->role = le32_to_cpu(d->role);
	sb->flags = le32_to_cpu(d->flags);
	sb->meta_blocks = le64_to_cpu(d->meta_blocks);
	sb->bitmap_start = le64_to_cpu(d->bitmap_start);
	sb->bitmap_blocks = le64_to_cpu(d->bitmap_blocks);
	sb->journal_start = le64_to_cpu(d->journal_start);
	sb->journal_blocks = le64_to_cpu(d->journal_blocks);
	sb->gen_current = le64_to_cpu(d->gen_current);
	for (i = 0; i < DMO_GEN_HISTORY; i++)
		sb->gen_history[i] = le64_to_cpu(d->gen_history[i]);
	sb->copy_id = le64_to_cpu(d->copy_id);
	sb->cycle_ms = le32_to_cpu(d->cycle_ms);
	sb->budget_mib = le32_to_cpu(d->budget_mib);
	sb->link_timeout_ms = le32_to_cpu(d->link_timeout_ms);
	sb->nr_volumes = le32_to_cpu(d->nr_volumes);
	sb->created_ns = le64_to_cpu(d->created_ns);
	if (sb->nr_volumes > DMO_MAX_VOLUMES)
		return dmo_refuse(why, -EUCLEAN,
				  "superblock: number of volumes is %u, expected 1 to %u: %s",
				  sb->nr_volumes, DMO_MAX_VOLUMES, damaged);
	for (i = 0; i < sb->nr_volumes; i++) {
		struct dmo_volume_info *v = &sb->volumes[i];

		v->id = le32_to_cpu(dv[i].id);
		v->lbs = le32_to_cpu(dv[i].lbs);
		v->sectors = le64_to_cpu(dv[i].sectors);
		v->bitmap_block = le64_to_cpu(dv[i].bitmap_block);
		v->region_shift = le32_to_cpu(dv[i].region_shift);
		if (dv[i].flags)
			return dmo_refuse(why, -EPROTONOSUPPORT,
					  "superblock: volume %u: flags are 0x%x, this software knows none: use newer software",
					  v->id, le32_to_cpu(dv[i].flags));
	}
	if (dmo_super_check(sb, why))
		return -EUCLEAN;
	if (dev_blocks < sb->meta_blocks)
		return dmo_refuse(why, -EUCLEAN,
				  "superblock: metadata device is truncated: it has %llu blocks of 4096 bytes, expected %llu: give it back its size",
				  dev_blocks, sb->meta_blocks);
	return 0;
}

/*
 * For those who don't know us, wipefs, blkid, mkfs and installers: a partition table of one
 * partition of type "non-FS data" over the whole device.
 */
static void encode_mbr(const struct dmo_super *sb, void *buf)
{
	__le32 start = cpu_to_le32(1);
	__le32 sectors = cpu_to_le32(min_t(u64, sb->meta_blocks * DMO_BLOCK_SECTORS - 1, U32_MAX));
	u8 *p = buf + DMO_SB_MBR;

	/* no CHS address */
	memset(p + 1, 0xff, 3);
	memset(p + 5, 0xff, 3);
	p[4] = 0xda;
	memcpy(p + 8, &start, sizeof(start));
	memcpy(p + 12, &sectors, sizeof(sectors));
	p[64] = 0x55;
	p[65] = 0xaa;
}

void dmo_super_encode(const struct dmo_super *sb, void *buf)
{
	struct dmo_disk_super *d = buf;
	struct dmo_disk_volume *dv = buf + DMO_SB_VOLUMES_OFF;
	u32 i;

	memset(buf, 0, DMO_SB_BYTES);
	memcpy(d->magic, DMO_SB_MAGIC, sizeof(d->magic));
	encode_mbr(sb, buf);
	d->version = cpu_to_le32(DMO_FORMAT_VERSION);
	d->generation = cpu_to_le64(sb->generation);
	d->compat = cpu_to_le64(sb->compat);
	d->incompat = cpu_to_le64(sb->incompat);
	memcpy(d->uuid, sb->uuid, DMO_UUID_LEN);
	memcpy(d->label, sb->label, DMO_LABEL_LEN);
	d->role = cpu_to_le32(sb->role);
	d->flags = cpu_to_le32(sb->flags);
	d->meta_blocks = cpu_to_le64(sb->meta_blocks);
	d->bitmap_start = cpu_to_le64(sb->bitmap_start);
	d->bitmap_blocks = cpu_to_le64(sb->bitmap_blocks);
	d->journal_start = cpu_to_le64(sb->journal_start);
	d->journal_blocks = cpu_to_le64(sb->journal_blocks);
	d->gen_current = cpu_to_le64(sb->gen_current);
	for (i = 0; i < DMO_GEN_HISTORY; i++)
		d->gen_history[i] = cpu_to_le64(sb->gen_history[i]);
	d->copy_id = cpu_to_le64(sb->copy_id);
	d->cycle_ms = cpu_to_le32(sb->cycle_ms);
	d->budget_mib = cpu_to_le32(sb->budget_mib);
	d->link_timeout_ms = cpu_to_le32(sb->link_timeout_ms);
	d->nr_volumes = cpu_to_le32(sb->nr_volumes);
	d->created_ns = cpu_to_le64(sb->created_ns);
	for (i = 0; i < min_t(u32, sb->nr_volumes, DMO_MAX_VOLUMES); i++) {
		const struct dmo_volume_info *v = &sb->volumes[i];

		dv[i].id = cpu_to_le32(v->id);
		dv[i].lbs = cpu_to_le32(v->lbs);
		dv[i].sectors = cpu_to_le64(v->sectors);
		dv[i].bitmap_block = cpu_to_le64(v->bitmap_block);
		dv[i].region_shift = cpu_to_le32(v->region_shift);
	}
	d->csum = cpu_to_le32(csum_of(buf, DMO_SB_BYTES));
}

int dmo_super_choose(int rc0, const struct dmo_super *s0, int rc1, const struct dmo_super *s1)
{
	if (rc0 == -EPROTONOSUPPORT || rc1 == -EPROTONOSUPPORT)
		return -EPROTONOSUPPORT;
	if (!rc0 && !rc1) {
		/* Half a format: neither says which session this is. */
		if (memcmp(s0->uuid, s1->uuid, DMO_UUID_LEN))
			return -EUCLEAN;
		return s1->generation > s0->generation;
	}
	if (!rc0)
		return 0;
	if (!rc1)
		return 1;
	return rc0 == -EUCLEAN || rc1 == -EUCLEAN ? -EUCLEAN : -ENODATA;
}

int dmo_super_layout(struct dmo_super *sb, u64 dev_blocks, char *why)
{
	u64 blocks, need;
	u32 shift, i;

	if (dev_blocks > U64_MAX >> DMO_BLOCK_SHIFT)
		return dmo_refuse(why, -EINVAL, "metadata device of %llu blocks is larger than any device",
				  dev_blocks);
	for (shift = 16; ; shift++) {
		blocks = 0;
		for (i = 0; i < sb->nr_volumes; i++)
			blocks += bitmap_blocks(max_t(u64, sb->volumes[i].sectors, 1), shift);
		need = DMO_DATA_START + blocks + DMO_JOURNAL_MIN_BLOCKS;
		if ((blocks <= dev_blocks / 4 && need <= dev_blocks) || shift == 24)
			break;
	}
	if (dev_blocks < need)
		return dmo_refuse(why, -ENOSPC,
				  "metadata device has %llu KiB, at least %llu KiB are needed (%llu KiB of it for dirty bitmaps): use a larger device",
				  dev_blocks * 4, need * 4, blocks * 4);
	sb->meta_blocks = dev_blocks;
	sb->bitmap_start = DMO_DATA_START;
	sb->bitmap_blocks = blocks;
	sb->journal_start = DMO_DATA_START + blocks;
	sb->journal_blocks = dev_blocks - sb->journal_start;

	blocks = DMO_DATA_START;
	for (i = 0; i < sb->nr_volumes; i++) {
		sb->volumes[i].region_shift = shift;
		sb->volumes[i].bitmap_block = blocks;
		blocks += bitmap_blocks(max_t(u64, sb->volumes[i].sectors, 1), shift);
	}
	return 0;
}

/* blocks of the ring that a chunk can't use: room kept, and the end of the ring */
#define FREE_OF_CHUNK	(16 + 1 + DMO_REC_MAX_DESC)

u64 dmo_chunk_max(u64 journal_blocks)
{
	/* the other half: the chunk before it, while that is restored */
	return (journal_blocks - FREE_OF_CHUNK) / 2 * DMO_BLOCK;
}

u64 dmo_chunk_bytes(u64 slots, u64 ref_blocks, u64 zeroes)
{
	u64 blocks = slots + ref_blocks, records;

	/*
	 * A record is a descriptor block and the data blocks of up to 128 descriptors. Some are
	 * not full: the last ones of zero zones, of slots and of references; and a copy-out that comes behind
	 * the walk sends a block once more, in a record of its own.
	 */
	records = 5 + min_t(u64, 2 * ref_blocks, 60) + (blocks + zeroes) / 128;
	return (blocks + records) * DMO_BLOCK;
}

int dmo_ref_unit(const struct dmo_volume_info *vols, u32 nr, u64 budget, char *why)
{
	u64 blocks = 0, need = 0;
	u8 shift;
	u32 i;

	for (i = 0; i < nr; i++)
		blocks += vols[i].sectors / DMO_BLOCK_SECTORS + 1;
	/* two bits a unit for all volumes within a quarter of the budget */
	for (shift = 0; shift <= DMO_UNIT_SHIFT_MAX; shift++) {
		need = (blocks >> shift) / 4 + nr * 32;
		if (need <= budget / 4)
			return shift;
	}
	return dmo_refuse(why, -ENOSPC,
			  "memory budget of %llu MiB is too small for the references of %llu GiB: set at least %llu MiB",
			  budget >> 20, blocks >> 18, ((need * 4) >> 20) + 1);
}

const struct dmo_volume_info *dmo_super_volume(const struct dmo_super *sb, u32 id)
{
	u32 i;

	for (i = 0; i < sb->nr_volumes; i++)
		if (sb->volumes[i].id == id)
			return &sb->volumes[i];
	return NULL;
}

/* -- state block -------------------------------------------------------- */

int dmo_state_decode(const void *buf, const u8 *uuid, struct dmo_state *st, char *why)
{
	const struct dmo_disk_state *d = buf;
	char found[DMO_UUID_TEXT], expected[DMO_UUID_TEXT];
	u32 want;

	if (memcmp(d->magic, DMO_STATE_MAGIC, sizeof(d->magic)))
		return dmo_refuse(why, -ENODATA,
				  "state block: no magic \"%s\": it was never written, or overwritten by something else",
				  DMO_STATE_MAGIC);
	want = csum_of(buf, DMO_STATE_BYTES);
	if (le32_to_cpu(d->csum) != want)
		return dmo_refuse(why, -EUCLEAN,
				  "state block: checksum is 0x%08x, its content gives 0x%08x: %s",
				  le32_to_cpu(d->csum), want, damaged);
	if (memcmp(d->uuid, uuid, DMO_UUID_LEN))
		return dmo_refuse(why, -ENODATA,
				  "state block: session UUID is %s, the superblock's is %s: format the device again",
				  dmo_uuid_text(d->uuid, found), dmo_uuid_text(uuid, expected));
	if (d->flags)
		return dmo_refuse(why, -EPROTONOSUPPORT,
				  "state block: flags are 0x%x, this software knows none: use newer software",
				  le32_to_cpu(d->flags));

	memset(st, 0, sizeof(*st));
	st->generation = le64_to_cpu(d->generation);
	st->epoch = le64_to_cpu(d->epoch);
	st->newest = cut_decode(&d->newest);
	st->committed = cut_decode(&d->committed);
	st->restored = cut_decode(&d->restored);
	st->restored_ns = le64_to_cpu(d->restored_ns);
	st->restored_table = cut_decode(&d->restored_table);
	st->tail = le64_to_cpu(d->tail);
	st->tail_seq = le64_to_cpu(d->tail_seq);
	st->tail_prev_csum = le32_to_cpu(d->tail_prev_csum);
	st->seq_floor = le64_to_cpu(d->seq_floor);
	st->reach = le64_to_cpu(d->reach);
	st->copy_step = le32_to_cpu(d->copy_step);
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
	cut_encode(&d->newest, st->newest);
	cut_encode(&d->committed, st->committed);
	cut_encode(&d->restored, st->restored);
	d->restored_ns = cpu_to_le64(st->restored_ns);
	cut_encode(&d->restored_table, st->restored_table);
	d->tail = cpu_to_le64(st->tail);
	d->tail_seq = cpu_to_le64(st->tail_seq);
	d->tail_prev_csum = cpu_to_le32(st->tail_prev_csum);
	d->seq_floor = cpu_to_le64(st->seq_floor);
	d->reach = cpu_to_le64(st->reach);
	d->copy_step = cpu_to_le32(st->copy_step);
	d->csum = cpu_to_le32(csum_of(buf, DMO_STATE_BYTES));
}

int dmo_state_check(const struct dmo_state *st, const struct dmo_super *sb, char *why)
{
	if (st->tail >= sb->journal_blocks)
		return dmo_refuse(why, -EUCLEAN,
				  "state block: journal tail is %llu, expected below the ring's size %llu: %s",
				  st->tail, sb->journal_blocks, damaged);
	if (st->reach > sb->journal_blocks)
		return dmo_refuse(why, -EUCLEAN,
				  "state block: reach is %llu, expected at most the ring's size %llu: %s",
				  st->reach, sb->journal_blocks, damaged);
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
				 struct dmo_witness_vol *v, u32 entries, char *why)
{
	const struct dmo_disk_witness_volume *d = part;
	const struct dmo_disk_witness_entry *e = part + sizeof(*d);
	u64 blocks = info->sectors / DMO_BLOCK_SECTORS;
	u32 i;

	memset(v, 0, sizeof(*v));
	v->id = le32_to_cpu(d->id);
	if (v->id != info->id)
		return dmo_refuse(why, -EUCLEAN, "witness: volume id is %u, expected %u: %s",
				  v->id, info->id, damaged);
	if (d->ident[DMO_IDENT_LEN - 1])
		return dmo_refuse(why, -EUCLEAN, "witness: volume %u: identity has no end: %s",
				  v->id, damaged);
	memcpy(v->ident, d->ident, DMO_IDENT_LEN);
	for (i = 0; i < DMO_WITNESS_MAX; i++)
		v->entry[i].block = DMO_WITNESS_NONE;
	for (i = 0; i < entries; i++) {
		v->entry[i].block = le64_to_cpu(e[i].block);
		v->entry[i].csum = le32_to_cpu(e[i].csum);
		if (v->entry[i].block >= blocks && v->entry[i].block != DMO_WITNESS_NONE)
			return dmo_refuse(why, -EUCLEAN,
					  "witness: volume %u: block is %llu, expected below %llu: %s",
					  v->id, v->entry[i].block, blocks, damaged);
	}
	return 0;
}

int dmo_witness_decode(const void *buf, const struct dmo_super *sb, struct dmo_witness *w,
		       char *why)
{
	const struct dmo_disk_witness *d = buf;
	char found[DMO_UUID_TEXT], expected[DMO_UUID_TEXT];
	u32 len, want, i;
	int rc = 0;

	if (memcmp(d->magic, DMO_WIT_MAGIC, sizeof(d->magic)))
		return dmo_refuse(why, -EUCLEAN, "witness: no magic \"%s\": %s", DMO_WIT_MAGIC,
				  damaged);
	w->nr_volumes = le32_to_cpu(d->nr_volumes);
	w->entries = le32_to_cpu(d->entries);
	len = le32_to_cpu(d->len);
	if (w->nr_volumes != sb->nr_volumes)
		return dmo_refuse(why, -EUCLEAN, "witness: number of volumes is %u, expected %u: %s",
				  w->nr_volumes, sb->nr_volumes, damaged);
	if (!w->entries || w->entries > dmo_witness_entries(w->nr_volumes))
		return dmo_refuse(why, -EUCLEAN, "witness: %u entries a volume, expected 1 to %u: %s",
				  w->entries, dmo_witness_entries(w->nr_volumes), damaged);
	if (len != dmo_witness_len(w))
		return dmo_refuse(why, -EUCLEAN, "witness: length is %u, expected %u: %s", len,
				  dmo_witness_len(w), damaged);
	want = csum_of(buf, len);
	if (le32_to_cpu(d->csum) != want)
		return dmo_refuse(why, -EUCLEAN,
				  "witness: checksum is 0x%08x, its content gives 0x%08x: %s",
				  le32_to_cpu(d->csum), want, damaged);
	if (memcmp(d->uuid, sb->uuid, DMO_UUID_LEN))
		return dmo_refuse(why, -EUCLEAN, "witness: session UUID is %s, the superblock's is %s: %s",
				  dmo_uuid_text(d->uuid, found), dmo_uuid_text(sb->uuid, expected),
				  damaged);
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
	d->csum = cpu_to_le32(csum_of(buf, len));
}

/* -- journal records ---------------------------------------------------- */

/* What a descriptor must look like, whatever the volumes. */
static int desc_form(const struct dmo_desc *d, char *why)
{
	u64 block = le64_to_cpu(d->block);
	u32 count = le32_to_cpu(d->count);
	u32 volume = le32_to_cpu(d->volume);

	if (d->reserved)
		return dmo_refuse(why, -EINVAL,
				  "descriptor of volume %u: reserved is 0x%x, expected 0",
				  volume, le16_to_cpu(d->reserved));
	/* neither block + count nor their bytes overflow */
	if (block > U64_MAX >> (DMO_BLOCK_SHIFT + 1))
		return dmo_refuse(why, -EINVAL,
				  "descriptor of volume %u: block %llu is beyond any device",
				  volume, block);
	switch (d->type) {
	case DMO_DESC_DATA:
		if (count != 1)
			return dmo_refuse(why, -EINVAL,
					  "descriptor of volume %u, block %llu: count of DATA is %u, expected 1",
					  volume, block, count);
		if (!d->mask)
			return dmo_refuse(why, -EINVAL,
					  "descriptor of volume %u, block %llu: mask of DATA is 0, expected at least one sector",
					  volume, block);
		return 0;
	case DMO_DESC_ZERO:
		if (!count)
			return dmo_refuse(why, -EINVAL,
					  "descriptor of volume %u, block %llu: count of ZERO is 0, expected at least 1",
					  volume, block);
		if (d->mask != DMO_FULL_MASK)
			return dmo_refuse(why, -EINVAL,
					  "descriptor of volume %u, block %llu: mask of ZERO is 0x%02x, expected 0xff",
					  volume, block, d->mask);
		if (d->csum)
			return dmo_refuse(why, -EINVAL,
					  "descriptor of volume %u, block %llu: checksum of ZERO is 0x%08x, expected 0",
					  volume, block, le32_to_cpu(d->csum));
		return 0;
	}
	return dmo_refuse(why, -EINVAL,
			  "descriptor of volume %u, block %llu: type is %u, expected %u (DATA) or %u (ZERO)",
			  volume, block, d->type, DMO_DESC_DATA, DMO_DESC_ZERO);
}

static int rec_form(const struct dmo_disk_rec *d, const struct dmo_rec *r, char *why)
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

int dmo_rec_decode(const void *buf, const u8 *uuid, struct dmo_rec *rec, char *why)
{
	const struct dmo_disk_rec *d = buf;
	char found[DMO_UUID_TEXT], expected[DMO_UUID_TEXT];
	u32 want;

	if (memcmp(d->magic, DMO_REC_MAGIC, sizeof(d->magic)))
		return dmo_refuse(why, -ENODATA, "record: no magic \"%s\": no record here",
				  DMO_REC_MAGIC);
	want = csum_of(buf, DMO_BLOCK);
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
	rec->tag = cut_decode(&d->tag);
	rec->table = cut_decode(&d->table);
	rec->time_ns = le64_to_cpu(d->time_ns);
	rec->total_records = le64_to_cpu(d->total_records);
	rec->total_desc = le64_to_cpu(d->total_desc);
	rec->total_csum = le32_to_cpu(d->total_csum);
	rec->next_seq = le64_to_cpu(d->next_seq);
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
	cut_encode(&d->tag, rec->tag);
	cut_encode(&d->table, rec->table);
	d->time_ns = cpu_to_le64(rec->time_ns);
	d->total_records = cpu_to_le64(rec->total_records);
	d->total_desc = cpu_to_le64(rec->total_desc);
	d->total_csum = cpu_to_le32(rec->total_csum);
	d->next_seq = cpu_to_le64(rec->next_seq);
	rec->csum = csum_of(buf, DMO_BLOCK);
	d->csum = cpu_to_le32(rec->csum);
}

int dmo_desc_check(const struct dmo_desc *d, const struct dmo_volume_info *vols, u32 nr, char *why)
{
	u32 id = le32_to_cpu(d->volume), count = le32_to_cpu(d->count), group, i;
	u64 block = le64_to_cpu(d->block), blocks;
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
				  "descriptor of volume %u: blocks %llu+%u, expected within its %llu blocks",
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
