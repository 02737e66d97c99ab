// SPDX-License-Identifier: GPL-2.0-only
/*
 * The superblock: encode, decode, validate, lay out; and what follows from the sizes that it has.
 * Pure: no I/O, no locks, no allocation; see ondisk.h for the format and for what the errors mean.
 */
#include "format/codec.h"
#include "format/policy.h"

static_assert(sizeof(struct dmo_disk_volume) == 64);
static_assert(sizeof(struct dmo_disk_cut) == 16);
static_assert(sizeof(struct dmo_disk_pos) == 24);
static_assert(sizeof(struct dmo_disk_peer) == 64);
static_assert(sizeof(struct dmo_disk_super) == DMO_SB_BYTES);
static_assert(offsetof(struct dmo_disk_super, csum) == DMO_CSUM_OFF);
static_assert(offsetof(struct dmo_disk_super, generation) == 16);
static_assert(offsetof(struct dmo_disk_super, uuid) == 48);
static_assert(offsetof(struct dmo_disk_super, label) == 64);
static_assert(offsetof(struct dmo_disk_super, role) == 128);
static_assert(offsetof(struct dmo_disk_super, meta_blocks) == 136);
static_assert(offsetof(struct dmo_disk_super, journal_start) == 160);
static_assert(offsetof(struct dmo_disk_super, copy_id) == 176);
static_assert(offsetof(struct dmo_disk_super, cycle_ms) == 192);
static_assert(offsetof(struct dmo_disk_super, nr_volumes) == 204);
static_assert(offsetof(struct dmo_disk_super, mbr) == 446);
static_assert(offsetof(struct dmo_disk_super, peers) == 512);
static_assert(offsetof(struct dmo_disk_super, line) == 1024);
static_assert(offsetof(struct dmo_disk_super, volumes) == 4096);

/* Blocks that a volume's dirty bitmap takes: a bit a region, block-aligned. */
static u64 bitmap_blocks(u64 sectors, u32 region_shift)
{
	u64 bits = ((sectors - 1) >> (region_shift - 9)) + 1;

	return (bits + DMO_BLOCK * 8 - 1) >> (DMO_BLOCK_SHIFT + 3);
}

static int check_volume(const struct dmo_super *sb, u32 i, struct dmo_reason *why)
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

static int check_bitmap(const struct dmo_super *sb, u32 i, struct dmo_reason *why)
{
	const struct dmo_volume_info *v = &sb->volumes[i];
	u64 room, need;
	u32 j;

	if (!v->bitmap_block && !v->region_shift)
		return 0;
	if (v->region_shift < DMO_BLOCK_SHIFT || v->region_shift > 30)
		return dmo_refuse(why, -EINVAL,
				  "superblock: volume %u: dirty bitmap at block %llu with region shift %u, expected both 0, or a block and 12 to 30",
				  v->id, v->bitmap_block, v->region_shift);
	need = bitmap_blocks(v->sectors, v->region_shift);
	for (j = 0; j < sb->nr_peers; j++) {
		room = sb->peers[j].bitmap_blocks;
		if (v->bitmap_block >= room || need > room - v->bitmap_block)
			return dmo_refuse(why, -EINVAL,
					  "superblock: volume %u: dirty bitmap is %llu blocks at %llu, expected within the %llu of peer %u",
					  v->id, need, v->bitmap_block, room, sb->peers[j].id);
	}
	for (j = 0; j < i; j++) {
		const struct dmo_volume_info *o = &sb->volumes[j];

		if (!o->region_shift ||
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

static int check_range(const char *name, u32 v, u32 lo, u32 hi, struct dmo_reason *why)
{
	if (v >= lo && v <= hi)
		return 0;
	return dmo_refuse(why, -EINVAL, "superblock: %s is %u, expected %u to %u: choose another",
			  name, v, lo, hi);
}

static int check_label(const struct dmo_super *sb, struct dmo_reason *why)
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

static int check_areas(const struct dmo_super *sb, struct dmo_reason *why)
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

static int check_peer(const struct dmo_super *sb, u32 i, struct dmo_reason *why)
{
	const struct dmo_peer_info *p = &sb->peers[i];
	u64 end = sb->bitmap_start + sb->bitmap_blocks;
	u32 j;

	if (!p->id || p->id > DMO_MAX_PEERS)
		return dmo_refuse(why, -EINVAL, "superblock: peer %u: id is %u, expected 1 to %u",
				  i, p->id, DMO_MAX_PEERS);
	/* bitmap_start + bitmap_blocks was checked */
	if (p->bitmap_start < sb->bitmap_start || p->bitmap_start > end ||
	    p->bitmap_blocks > end - p->bitmap_start)
		return dmo_refuse(why, -EINVAL,
				  "superblock: peer %u: dirty bitmaps are %llu blocks at %llu, expected within the bitmap area %llu+%llu",
				  p->id, p->bitmap_blocks, p->bitmap_start, sb->bitmap_start,
				  sb->bitmap_blocks);
	for (j = 0; j < i; j++) {
		const struct dmo_peer_info *o = &sb->peers[j];

		if (o->id == p->id)
			return dmo_refuse(why, -EINVAL,
					  "superblock: peer %u is there twice, expected once", p->id);
		if (p->bitmap_start < o->bitmap_start + o->bitmap_blocks &&
		    o->bitmap_start < p->bitmap_start + p->bitmap_blocks)
			return dmo_refuse(why, -EINVAL,
					  "superblock: peer %u: dirty bitmaps %llu+%llu overlap those of peer %u, %llu+%llu",
					  p->id, p->bitmap_start, p->bitmap_blocks, o->id,
					  o->bitmap_start, o->bitmap_blocks);
	}
	return 0;
}

static int check_peers(const struct dmo_super *sb, struct dmo_reason *why)
{
	u32 i;
	int rc;

	rc = check_range("number of peers", sb->nr_peers, 1, DMO_MAX_PEERS, why);
	for (i = 0; !rc && i < sb->nr_peers; i++)
		rc = check_peer(sb, i, why);
	return rc;
}

int dmo_super_check(const struct dmo_super *sb, struct dmo_reason *why)
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

	rc = check_peers(sb, why);
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

/* What says whether the rest can be read at all. */
static int decode_head(const struct dmo_disk_super *d, struct dmo_reason *why)
{
	u32 want = dmo_csum_of(d, DMO_SB_BYTES), version = le32_to_cpu(d->version);
	u64 incompat = le64_to_cpu(d->incompat), ro_compat = le64_to_cpu(d->ro_compat);

	if (memcmp(d->magic, DMO_SB_MAGIC, sizeof(d->magic)))
		return dmo_refuse(why, -ENODATA,
				  memchr_inv(d->magic, 0, sizeof(d->magic)) ?
				  "superblock: magic is not \"%s\": no metadata of dm-ordered, but something else: were metadata and data device exchanged?" :
				  "superblock: no magic \"%s\": the device is unformatted, or the data device: were the two exchanged? orderedctl format makes a new one",
				  DMO_SB_MAGIC);
	if (le32_to_cpu(d->csum) != want)
		return dmo_refuse(why, -EUCLEAN,
				  "superblock: checksum is 0x%08x, its content gives 0x%08x: %s",
				  le32_to_cpu(d->csum), want, dmo_damaged);
	if (version != DMO_FORMAT_VERSION)
		return dmo_refuse(why, -EPROTONOSUPPORT,
				  version < DMO_FORMAT_VERSION ?
				  "superblock: format version is %u, this software knows %u: format both metadata devices again (orderedctl format --force: the data stays, and is copied in full), or use the software that made it" :
				  "superblock: format version is %u, this software knows %u: use newer software",
				  version, DMO_FORMAT_VERSION);
	if (incompat & ~DMO_INCOMPAT_KNOWN)
		return dmo_refuse(why, -EPROTONOSUPPORT,
				  "superblock: incompat features are 0x%llx, this software knows 0x%llx: use newer software",
				  incompat, DMO_INCOMPAT_KNOWN);
	if (ro_compat & ~DMO_RO_COMPAT_KNOWN)
		return dmo_refuse(why, -EPROTONOSUPPORT,
				  "superblock: ro_compat features are 0x%llx, this software knows 0x%llx: use newer software",
				  ro_compat, DMO_RO_COMPAT_KNOWN);
	if (le32_to_cpu(d->flags) & ~DMO_SBF_KNOWN)
		return dmo_refuse(why, -EPROTONOSUPPORT,
				  "superblock: flags are 0x%x, this software knows 0x%x: use newer software",
				  le32_to_cpu(d->flags), DMO_SBF_KNOWN);
	return 0;
}

static int check_unused(const struct dmo_disk_super *d, const void *from, const void *end,
			struct dmo_reason *why)
{
	const u8 *at = memchr_inv(from, 0, end - from);

	if (!at)
		return 0;
	return dmo_refuse(why, -EPROTONOSUPPORT,
			  "superblock: byte %u is 0x%02x, where this software has nothing: use newer software",
			  (u32)(at - (const u8 *)d), *at);
}

/* Nothing is in places that have no use, or no use yet. The counts were checked. */
static int check_places(const struct dmo_disk_super *d, const struct dmo_super *sb, struct dmo_reason *why)
{
	u32 i;
	int rc;

	rc = check_unused(d, d->reserved0, d->mbr, why);
	for (i = 0; !rc && i < sb->nr_peers; i++)
		rc = check_unused(d, &d->peers[i].flags, &d->peers[i].bitmap_start, why) ?:
		     check_unused(d, d->peers[i].reserved, &d->peers[i + 1], why);
	if (!rc)
		rc = check_unused(d, &d->peers[sb->nr_peers], d->line, why);
	for (i = 0; !rc && i < sb->line.nr; i++)
		rc = check_unused(d, &d->line[i].cut, &d->line[i + 1], why);
	if (!rc)
		rc = check_unused(d, &d->line[sb->line.nr], d->volumes, why);
	for (i = 0; !rc && i < sb->nr_volumes; i++)
		rc = check_unused(d, &d->volumes[i].flags, &d->volumes[i + 1], why);
	if (!rc)
		rc = check_unused(d, &d->volumes[sb->nr_volumes], d + 1, why);
	return rc;
}

static int decode_lists(const struct dmo_disk_super *d, struct dmo_super *sb, struct dmo_reason *why)
{
	u32 i;

	sb->nr_volumes = le32_to_cpu(d->nr_volumes);
	sb->nr_peers = le32_to_cpu(d->nr_peers);
	if (sb->nr_volumes > DMO_MAX_VOLUMES)
		return dmo_refuse(why, -EUCLEAN,
				  "superblock: number of volumes is %u, expected 1 to %u: %s",
				  sb->nr_volumes, DMO_MAX_VOLUMES, dmo_damaged);
	if (sb->nr_peers > DMO_MAX_PEERS)
		return dmo_refuse(why, -EUCLEAN,
				  "superblock: number of peers is %u, expected 1 to %u: %s",
				  sb->nr_peers, DMO_MAX_PEERS, dmo_damaged);
	if (dmo_get_line(d->line, le32_to_cpu(d->nr_line), &sb->line, "superblock", why))
		return -EUCLEAN;
	for (i = 0; i < sb->nr_volumes; i++) {
		struct dmo_volume_info *v = &sb->volumes[i];

		v->id = le32_to_cpu(d->volumes[i].id);
		v->lbs = le32_to_cpu(d->volumes[i].lbs);
		v->sectors = le64_to_cpu(d->volumes[i].sectors);
		v->bitmap_block = le64_to_cpu(d->volumes[i].bitmap_block);
		v->region_shift = le32_to_cpu(d->volumes[i].region_shift);
	}
	for (i = 0; i < sb->nr_peers; i++) {
		sb->peers[i].id = le32_to_cpu(d->peers[i].id);
		sb->peers[i].bitmap_start = le64_to_cpu(d->peers[i].bitmap_start);
		sb->peers[i].bitmap_blocks = le64_to_cpu(d->peers[i].bitmap_blocks);
	}
	return check_places(d, sb, why);
}

int dmo_super_decode(const void *buf, struct dmo_super *sb, u64 dev_blocks, struct dmo_reason *why)
{
	const struct dmo_disk_super *d = buf;
	int rc = decode_head(d, why);

	if (rc)
		return rc;
	memset(sb, 0, sizeof(*sb));
	sb->generation = le64_to_cpu(d->generation);
	sb->compat = le64_to_cpu(d->compat);
	sb->incompat = le64_to_cpu(d->incompat);
	memcpy(sb->uuid, d->uuid, DMO_UUID_LEN);
	memcpy(sb->label, d->label, DMO_LABEL_LEN);
	sb->role = le32_to_cpu(d->role);
	sb->flags = le32_to_cpu(d->flags);
	sb->meta_blocks = le64_to_cpu(d->meta_blocks);
	sb->bitmap_start = le64_to_cpu(d->bitmap_start);
	sb->bitmap_blocks = le64_to_cpu(d->bitmap_blocks);
	sb->journal_start = le64_to_cpu(d->journal_start);
	sb->journal_blocks = le64_to_cpu(d->journal_blocks);
	sb->copy_id = le64_to_cpu(d->copy_id);
	sb->created_ns = le64_to_cpu(d->created_ns);
	sb->cycle_ms = le32_to_cpu(d->cycle_ms);
	sb->budget_mib = le32_to_cpu(d->budget_mib);
	sb->link_timeout_ms = le32_to_cpu(d->link_timeout_ms);
	rc = decode_lists(d, sb, why);
	if (rc)
		return rc;
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
static void encode_mbr(const struct dmo_super *sb, u8 *p)
{
	__le32 start = cpu_to_le32(1);
	__le32 sectors = cpu_to_le32(min_t(u64, sb->meta_blocks * DMO_BLOCK_SECTORS - 1, U32_MAX));

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
	u32 i;

	memset(buf, 0, DMO_SB_BYTES);
	memcpy(d->magic, DMO_SB_MAGIC, sizeof(d->magic));
	encode_mbr(sb, d->mbr);
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
	d->copy_id = cpu_to_le64(sb->copy_id);
	d->cycle_ms = cpu_to_le32(sb->cycle_ms);
	d->budget_mib = cpu_to_le32(sb->budget_mib);
	d->link_timeout_ms = cpu_to_le32(sb->link_timeout_ms);
	d->nr_volumes = cpu_to_le32(sb->nr_volumes);
	d->created_ns = cpu_to_le64(sb->created_ns);
	d->nr_line = cpu_to_le32(sb->line.nr);
	d->nr_peers = cpu_to_le32(sb->nr_peers);
	for (i = 0; i < min_t(u32, sb->nr_peers, DMO_MAX_PEERS); i++) {
		d->peers[i].id = cpu_to_le32(sb->peers[i].id);
		d->peers[i].bitmap_start = cpu_to_le64(sb->peers[i].bitmap_start);
		d->peers[i].bitmap_blocks = cpu_to_le64(sb->peers[i].bitmap_blocks);
	}
	for (i = 0; i < min_t(u32, sb->line.nr, DMO_MAX_LINE); i++)
		dmo_put_pos(&d->line[i], sb->line.at[i]);
	for (i = 0; i < min_t(u32, sb->nr_volumes, DMO_MAX_VOLUMES); i++) {
		const struct dmo_volume_info *v = &sb->volumes[i];

		d->volumes[i].id = cpu_to_le32(v->id);
		d->volumes[i].lbs = cpu_to_le32(v->lbs);
		d->volumes[i].sectors = cpu_to_le64(v->sectors);
		d->volumes[i].bitmap_block = cpu_to_le64(v->bitmap_block);
		d->volumes[i].region_shift = cpu_to_le32(v->region_shift);
	}
	d->csum = cpu_to_le32(dmo_csum_of(buf, DMO_SB_BYTES));
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

int dmo_super_layout(struct dmo_super *sb, u64 dev_blocks, struct dmo_reason *why)
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
		if ((blocks <= DMO_BITMAP_SHARE(dev_blocks) && need <= dev_blocks) || shift == 24)
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
	sb->nr_peers = 1;
	sb->peers[0] = (struct dmo_peer_info){ 1, sb->bitmap_start, sb->bitmap_blocks };

	blocks = 0;
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
	return DMO_CHUNK_SHARE(journal_blocks - FREE_OF_CHUNK) * DMO_BLOCK;
}

u64 dmo_chunk_bytes(u64 slots, u64 ref_blocks, u64 zeroes)
{
	u64 blocks = slots + ref_blocks, records;

	/*
	 * A record is a descriptor block and the data blocks of its descriptors. Some are
	 * not full: the last ones of zero zones, of slots and of references; and a copy-out that comes behind
	 * the walk sends a block once more, in a record of its own.
	 */
	records = 5 + min_t(u64, 2 * ref_blocks, 60) + (blocks + zeroes) / DMO_REC_MAX_DESC;
	return (blocks + records) * DMO_BLOCK;
}

int dmo_ref_unit(const struct dmo_volume_info *vols, u32 nr, u64 budget, struct dmo_reason *why)
{
	u64 blocks = 0, need = 0;
	u8 shift;
	u32 i;

	for (i = 0; i < nr; i++)
		blocks += vols[i].sectors / DMO_BLOCK_SECTORS + 1;
	/* two bits a unit for all volumes */
	for (shift = 0; shift <= DMO_UNIT_SHIFT_MAX; shift++) {
		need = (blocks >> shift) / 4 + nr * 32;
		if (need <= DMO_REFS_SHARE(budget))
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

