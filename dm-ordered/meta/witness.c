// SPDX-License-Identifier: GPL-2.0-only
/* Identity of data devices, and checksums of blocks: see witness.h. */
#include <linux/bio.h>
#include <linux/device-mapper.h>
#include <linux/highmem.h>
#include "format/fold.h"
#include "meta/witness.h"

#define DM_MSG_PREFIX "ordered witness"

#define ZERO_SHARE	4	/* at most one entry in so many is of a block of zeroes */

/* ---- the table ---- */

static u32 table_blocks(const struct dmo_meta *m)
{
	return DIV_ROUND_UP(dmo_witness_len(&m->witness), DMO_BLOCK);
}

static u32 count_live(const struct dmo_meta *m, u32 index)
{
	const struct dmo_witness_vol *v = &m->witness.vols[index];
	u32 i, n = 0;

	for (i = 0; i < m->witness.entries; i++)
		n += v->entry[i].block != DMO_WITNESS_NONE;
	return n;
}

static void drop_entries_from(struct dmo_meta *m, u32 index, u32 first)
{
	u32 i;

	for (i = first; i < DMO_WITNESS_MAX; i++)
		m->witness.vols[index].entry[i].block = DMO_WITNESS_NONE;
}

static void drop_entries(struct dmo_meta *m, u32 index)
{
	drop_entries_from(m, index, 0);
}

/* The first of the places that a restore's entries have. */
static u32 restored_from(const struct dmo_meta *m)
{
	u32 most = m->witness.entries;

	return most - min_t(u32, DMO_WITNESS_RESTORED, most / 2);
}

static int index_of(const struct dmo_meta *m, u32 volume)
{
	u32 i;

	for (i = 0; i < m->sb.nr_volumes; i++)
		if (m->sb.volumes[i].id == volume)
			return i;
	return -ENODEV;
}

static int write_table(struct dmo_meta *m)
{
	static const u64 at[2] = { DMO_WIT_BLOCK0, DMO_WIT_BLOCK1 };
	blk_opf_t opf = REQ_OP_WRITE | REQ_SYNC | REQ_META | REQ_FUA;
	int i, rc;

	lockdep_assert_held(&m->lock);
	if (dmo_meta_failed(m))
		return -EIO;
	m->witness.generation++;
	memset(m->wit_buf, 0, DMO_WIT_BYTES);
	dmo_witness_encode(&m->witness, m->sb.uuid, m->wit_buf);
	for (i = 0; i < 2; i++) {
		m->wit_copy = !m->wit_copy;
		rc = dmo_meta_rw(m, opf | (i ? 0 : REQ_PREFLUSH), at[m->wit_copy], m->wit_buf,
				 table_blocks(m));
		if (rc) {
			dmo_meta_fail(m, "witness, copy %d: write failed: error %d", m->wit_copy, rc);
			return -EIO;
		}
	}
	m->wit_changed = false;
	m->wit_damaged = false;
	return 0;
}

static int read_table(struct dmo_meta *m, u64 block, struct dmo_witness *w, struct dmo_reason *why)
{
	int rc = dmo_meta_rw(m, REQ_OP_READ, block, m->wit_buf, DMO_WIT_BLOCKS);

	if (rc)
		return dmo_refuse(why, -EUCLEAN, "witness at block %llu can't be read: error %d",
				  block, rc);
	return dmo_witness_decode(m->wit_buf, &m->sb, w, why);
}

static void fresh_table(struct dmo_meta *m)
{
	u32 i;

	m->witness.entries = dmo_witness_entries(m->sb.nr_volumes);
	m->witness.nr_volumes = m->sb.nr_volumes;
	for (i = 0; i < m->sb.nr_volumes; i++) {
		memset(&m->witness.vols[i], 0, sizeof(m->witness.vols[i]));
		m->witness.vols[i].id = m->sb.volumes[i].id;
		drop_entries(m, i);
		WRITE_ONCE(m->known[i].live, 0);
	}
}

int dmo_witness_load(struct dmo_meta *m, struct dmo_reason *why)
{
	struct dmo_reason other;
	struct dmo_witness copy[2] = {};
	u32 i, nr = m->sb.nr_volumes;
	int rc[2], use = 0;

	m->known = kvcalloc(nr, sizeof(*m->known), GFP_KERNEL);
	m->wit_buf = kvmalloc(DMO_WIT_BYTES, GFP_KERNEL);
	for (i = 0; i < 2; i++)
		copy[i].vols = kvcalloc(nr, sizeof(*copy[i].vols), GFP_KERNEL);
	m->witness.vols = copy[0].vols;
	if (!m->known || !m->wit_buf || !copy[0].vols || !copy[1].vols) {
		kvfree(copy[1].vols);
		return dmo_refuse(why, -ENOMEM, "no memory for the witness");
	}
	fresh_table(m);
	if (!(m->sb.incompat & DMO_INCOMPAT_WITNESS))
		goto out;
	rc[0] = read_table(m, DMO_WIT_BLOCK0, &copy[0], &m->wit_why);
	rc[1] = read_table(m, DMO_WIT_BLOCK1, &copy[1], &other);
	if (rc[0] && rc[1]) {
		m->wit_damaged = true;
		fresh_table(m);
		DMWARN("%pg: %s", m->bdev, m->wit_why.text);
		goto out;
	}
	use = rc[0] || (!rc[1] && copy[1].generation > copy[0].generation);
	if (rc[!use])
		DMWARN("%pg: witness, copy %d is damaged, using copy %d: %s", m->bdev, !use, use,
		       use ? m->wit_why.text : other.text);
	m->witness = copy[use];
	m->wit_copy = use;
	/* written again by the activation, so that both copies are whole and the same */
	m->wit_changed = rc[!use] || copy[0].generation != copy[1].generation;
	for (i = 0; i < nr; i++) {
		m->known[i].live = count_live(m, i);
		m->known[i].trusted = m->sb.role == DMO_ROLE_SECONDARY ||
				      !(m->sb.flags & DMO_SBF_OPEN);
	}
out:
	kvfree(copy[!use].vols);
	return 0;
}

void dmo_witness_free(struct dmo_meta *m)
{
	kvfree(m->wit_buf);
	kvfree(m->witness.vols);
	kvfree(m->known);
}

int dmo_witness_store(struct dmo_meta *m)
{
	int rc = 0;

	mutex_lock(&m->lock);
	if (m->wit_changed)
		rc = write_table(m);
	mutex_unlock(&m->lock);
	return rc;
}

/* ---- reading blocks ---- */

static int read_block(struct block_device *bdev, u64 block, struct page *page)
{
	struct bio_vec vec;
	struct bio bio;
	int rc;

	bio_init(&bio, bdev, &vec, 1, REQ_OP_READ | REQ_SYNC | REQ_META);
	bio.bi_iter.bi_sector = block * DMO_BLOCK_SECTORS;
	__bio_add_page(&bio, page, DMO_BLOCK, 0);
	rc = submit_bio_wait(&bio);
	bio_uninit(&bio);
	return rc;
}

static u32 block_csum(struct page *page)
{
	return dmo_crc(0, page_address(page), DMO_BLOCK);
}

static const char *ident_text(const char *ident)
{
	return ident[0] ? ident : "without identity";
}

#define REMEDY "attach the right one, or have all of it copied: orderedctl create --accept-data-device"

static int check_blocks(struct dmo_meta *m, u32 index, struct block_device *bdev,
			const struct dmo_witness_vol *v, struct dmo_reason *why)
{
	struct page *page = alloc_page(GFP_NOIO);
	u64 first = 0, first_bad = 0;
	u32 i, nr = 0, differ = 0, bad = 0;
	int rc, error = 0;

	if (!page)
		return dmo_refuse(why, -ENOMEM, "no memory to look at the data device");
	for (i = 0; i < m->witness.entries; i++) {
		if (v->entry[i].block == DMO_WITNESS_NONE)
			continue;
		rc = read_block(bdev, v->entry[i].block, page);
		if (rc) {
			if (!bad++)
				first_bad = v->entry[i].block;
			error = rc;
			continue;
		}
		nr++;
		if (block_csum(page) == v->entry[i].csum)
			continue;
		if (!differ++)
			first = v->entry[i].block;
	}
	put_page(page);
	if (bad && !nr)
		return dmo_refuse(why, error,
				  "volume %u: whether data device %pg is the right one can't be seen, none of its blocks can be read: error %d",
				  v->id, bdev, error);
	/* a device with a bad block is used for what is good of it, as ever */
	if (bad)
		DMWARN("volume %u: %u blocks of data device %pg can't be read, to see whether it is the right one (the first: %llu): error %d",
		       v->id, bad, bdev, first_bad, error);
	if (differ)
		return dmo_refuse(why, -ESTALE,
				  "volume %u: %u of %u blocks looked at on data device %pg differ from when it was last in use (the first: %llu): exchanged, put back, or written past the target? " REMEDY,
				  v->id, differ, nr, bdev, first);
	return 0;
}

int dmo_witness_check(struct dmo_meta *m, u32 index, struct block_device *bdev, const char *ident,
		      struct dmo_reason *why)
{
	struct dmo_witness_vol *v = kmalloc(sizeof(*v), GFP_NOIO);
	bool trusted, damaged;
	int rc = 0;

	if (!v)
		return dmo_refuse(why, -ENOMEM, "no memory to look at the data device");
	mutex_lock(&m->lock);
	*v = m->witness.vols[index];
	trusted = m->known[index].trusted;
	damaged = m->wit_damaged;
	mutex_unlock(&m->lock);
	if (damaged)
		rc = dmo_refuse(why, -ESTALE,
				"volume %u: whether %pg is its data device can't be told, %.80s; to have all of it copied: orderedctl create --accept-data-device",
				v->id, bdev, m->wit_why.text);
	else if (v->ident[0] && strncmp(v->ident, ident, sizeof(v->ident)))
		rc = dmo_refuse(why, -ESTALE,
				"volume %u: data device %pg is another one, '%.40s' and not '%.40s': " REMEDY,
				v->id, bdev, ident_text(ident), v->ident);
	else if (trusted)
		rc = check_blocks(m, index, bdev, v, why);
	kfree(v);
	return rc;
}

int dmo_witness_adopt(struct dmo_meta *m, u32 index, const char *ident, bool other, bool writable)
{
	struct dmo_witness_vol *v = &m->witness.vols[index];
	bool feature = m->sb.incompat & DMO_INCOMPAT_WITNESS;
	int rc = 0;

	mutex_lock(&m->lock);
	if (other)
		drop_entries(m, index);
	if (other || !feature || m->wit_damaged || m->wit_changed ||
	    strncmp(v->ident, ident, sizeof(v->ident))) {
		memset(v->ident, 0, sizeof(v->ident));
		strscpy(v->ident, ident, sizeof(v->ident));
		rc = write_table(m);
		if (!rc)
			WRITE_ONCE(m->known[index].live, count_live(m, index));
	}
	/* the feature behind the table, which is nothing without it */
	if (!rc && !feature) {
		m->sb.incompat |= DMO_INCOMPAT_WITNESS;
		rc = dmo_meta_write_super(m);
	}
	if (!rc)
		m->known[index].trusted = !writable;
	mutex_unlock(&m->lock);
	return rc;
}

/*
 * ---- entries go ----
 *
 * Who writes to the data device asks without the lock whether there are any (@live), and must not
 * be told no before the table without them is durable: others may be about to take them away.
 */

int dmo_witness_withdraw(struct dmo_meta *m, u32 volume, u64 block, u64 count)
{
	int index = index_of(m, volume), rc = 0;
	struct dmo_witness_vol *v;
	bool hit = false, restored = false;
	u32 i;

	if (index < 0 || !READ_ONCE(m->known[index].live))
		return 0;
	v = &m->witness.vols[index];
	mutex_lock(&m->lock);
	for (i = 0; i < m->witness.entries; i++) {
		if (v->entry[i].block < block || v->entry[i].block - block >= count)
			continue;
		v->entry[i].block = DMO_WITNESS_NONE;
		hit = true;
		restored |= i >= restored_from(m);
	}
	for (i = 0; restored && i < m->sb.nr_volumes; i++)
		drop_entries_from(m, i, restored_from(m));
	if (hit)
		rc = write_table(m);
	else if (dmo_meta_failed(m))	/* of who has taken away what was hit here */
		rc = -EIO;
	for (i = 0; hit && !rc && i < m->sb.nr_volumes; i++)
		WRITE_ONCE(m->known[i].live, count_live(m, i));
	mutex_unlock(&m->lock);
	return rc;
}

int dmo_witness_withdraw_all(struct dmo_meta *m)
{
	bool hit = false;
	int rc = 0;
	u32 i;

	mutex_lock(&m->lock);
	for (i = 0; i < m->sb.nr_volumes; i++) {
		hit |= m->known[i].live;
		drop_entries(m, i);
	}
	if (hit)
		rc = write_table(m);
	for (i = 0; !rc && i < m->sb.nr_volumes; i++)
		WRITE_ONCE(m->known[i].live, 0);
	mutex_unlock(&m->lock);
	return rc;
}

/* ---- and come ---- */

void dmo_witness_note(struct dmo_meta *m, u32 volume, u64 block)
{
	int index = index_of(m, volume);
	struct dmo_witness_known *k;

	if (index < 0)
		return;
	k = &m->known[index];
	WRITE_ONCE(k->recent[k->at % DMO_WITNESS_RECENT], block + 1);
	k->at++;
}

/* The @n-th block to be looked at, if there is one: the ends, those written last, spread ones. */
static u64 candidate(const struct dmo_meta *m, u32 index, u32 n)
{
	u64 blocks = m->sb.volumes[index].sectors / DMO_BLOCK_SECTORS;
	u32 spread = m->witness.entries * 2;

	if (n < 2)
		return n;
	if (n == 2)
		return blocks - 1;
	n -= 3;
	if (n < DMO_WITNESS_RECENT)
		return READ_ONCE(m->known[index].recent[n]) - 1;
	n -= DMO_WITNESS_RECENT;
	if (n >= spread)
		return DMO_WITNESS_NONE - 1;
	return div_u64(blocks * (2 * n + 1), 2 * spread);
}

/* Is it among the first @nr entries? */
static bool have_block(const struct dmo_witness_vol *v, u32 nr, u64 block)
{
	u32 i;

	for (i = 0; i < nr; i++)
		if (v->entry[i].block == block)
			return true;
	return false;
}

static u32 read_entries(struct dmo_meta *m, u32 index, struct block_device *bdev,
			struct dmo_witness_vol *v, struct page *page)
{
	u64 blocks = m->sb.volumes[index].sectors / DMO_BLOCK_SECTORS, block;
	u32 n, nr = 0, zeroes = 0, most = m->witness.entries;

	for (n = 0; nr < most; n++) {
		block = candidate(m, index, n);
		if (block == DMO_WITNESS_NONE - 1)
			break;
		if (block >= blocks || have_block(v, nr, block))
			continue;
		if (read_block(bdev, block, page))
			continue;
		if (dmo_block_is_zero(page_address(page)) && zeroes++ >= most / ZERO_SHARE)
			continue;
		v->entry[nr].block = block;
		v->entry[nr++].csum = block_csum(page);
	}
	return nr;
}

void dmo_witness_restored(struct dmo_meta *m, u32 index, struct block_device *bdev)
{
	u64 blocks = m->sb.volumes[index].sectors / DMO_BLOCK_SECTORS, block;
	u32 first = restored_from(m), room = m->witness.entries - first, nr = 0, n, i;
	struct dmo_witness_known *k = &m->known[index];
	struct dmo_witness_vol *v = kzalloc(sizeof(*v), GFP_NOIO);
	struct page *page = alloc_page(GFP_NOIO);

	n = min_t(u32, k->at - k->taken, DMO_WITNESS_RECENT);
	k->taken = k->at;
	/* the last ones first */
	for (i = 1; v && page && i <= n && nr < room; i++) {
		block = k->recent[(k->at - i) % DMO_WITNESS_RECENT] - 1;
		if (block >= blocks || have_block(v, nr, block) || read_block(bdev, block, page) ||
		    dmo_block_is_zero(page_address(page)))
			continue;
		v->entry[nr].block = block;
		v->entry[nr++].csum = block_csum(page);
	}
	if (nr) {
		mutex_lock(&m->lock);
		drop_entries_from(m, index, first);
		memcpy(&m->witness.vols[index].entry[first], v->entry, nr * sizeof(v->entry[0]));
		WRITE_ONCE(k->live, count_live(m, index));
		m->wit_changed = true;
		mutex_unlock(&m->lock);
	}
	if (page)
		put_page(page);
	kfree(v);
}

void dmo_witness_renew(struct dmo_meta *m, u32 index, struct block_device *bdev)
{
	struct dmo_witness_vol *v = kzalloc(sizeof(*v), GFP_NOIO);
	struct page *page = alloc_page(GFP_NOIO);
	u32 nr = 0;

	/* what a cache holds may be gone tomorrow, and must not be missed then */
	if (v && page && !blkdev_issue_flush(bdev))
		nr = read_entries(m, index, bdev, v, page);
	mutex_lock(&m->lock);
	drop_entries(m, index);
	if (nr)
		memcpy(m->witness.vols[index].entry, v->entry, nr * sizeof(v->entry[0]));
	WRITE_ONCE(m->known[index].live, nr);
	m->known[index].trusted = true;
	m->wit_changed = true;
	mutex_unlock(&m->lock);
	if (page)
		put_page(page);
	kfree(v);
}
