// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loading the metadata: both copies of the superblock, of the state block and of the witness are read,
 * and one of each is used.
 */
#include <linux/blkdev.h>
#include <linux/device-mapper.h>
#include <linux/slab.h>
#include "meta/load.h"
#include "meta/witness.h"

#define DM_MSG_PREFIX "ordered metadata"

static int read_super(struct dmo_meta *m, u64 block, struct dmo_super *sb, u64 dev_blocks,
		      struct dmo_reason *why)
{
	int rc = dmo_meta_rw(m, REQ_OP_READ, block, m->buf, DMO_SB_BLOCKS);

	if (rc)
		return dmo_refuse(why, -EUCLEAN, "superblock at block %llu can't be read: error %d",
				  block, rc);
	return dmo_super_decode(m->buf, sb, dev_blocks, why);
}

static int load_super(struct dmo_meta *m, u64 dev_blocks, struct dmo_reason *why)
{
	struct dmo_reason *text;
	struct dmo_super *sb;
	int rc[2], use;

	sb = kvmalloc_array(2, sizeof(*sb), GFP_KERNEL);
	text = kcalloc(2, sizeof(*text), GFP_KERNEL);
	if (!sb || !text) {
		use = dmo_refuse(why, -ENOMEM, "no memory for the superblock");
		goto out;
	}
	rc[0] = read_super(m, DMO_SB_BLOCK0, &sb[0], dev_blocks, &text[0]);
	rc[1] = read_super(m, DMO_SB_BLOCK1, &sb[1], dev_blocks, &text[1]);
	use = dmo_super_choose(rc[0], &sb[0], rc[1], &sb[1]);
	if (use < 0) {
		/* the text of the copy that decided, or that neither fits the other */
		if (rc[0] == use)
			*why = text[0];
		else if (rc[1] == use)
			*why = text[1];
		else
			dmo_refuse(why, use, "the two superblocks belong to different sessions: format the device again");
		goto out;
	}
	if (rc[!use])
		DMWARN("%pg: superblock, copy %d is damaged, using copy %d: %s",
		       m->bdev, !use, use, text[!use].text);
	m->sb = sb[use];
	m->sb_copy = use;
	m->sb_stale = rc[!use] || sb[0].generation != sb[1].generation;
out:
	kfree(text);
	kvfree(sb);
	return use < 0 ? use : 0;
}

static int read_state(struct dmo_meta *m, u64 block, struct dmo_state *st, struct dmo_reason *why)
{
	int rc = dmo_meta_rw(m, REQ_OP_READ, block, m->buf, 1);

	if (rc)
		return dmo_refuse(why, -EUCLEAN, "state block at block %llu can't be read: error %d",
				  block, rc);
	rc = dmo_state_decode(m->buf, m->sb.uuid, st, why);
	return rc ?: dmo_state_check(st, &m->sb, why);
}

static int load_state(struct dmo_meta *m, struct dmo_reason *why)
{
	struct dmo_reason other;
	struct dmo_state st[2];
	int rc[2], use;

	rc[0] = read_state(m, DMO_STATE_BLOCK0, &st[0], why);
	rc[1] = read_state(m, DMO_STATE_BLOCK1, &st[1], &other);
	/* a newer format is never passed over for an older one */
	if (rc[0] == -EPROTONOSUPPORT)
		return rc[0];
	if (rc[1] == -EPROTONOSUPPORT || (rc[0] == -ENODATA && rc[1])) {
		*why = other;
		return rc[1];
	}
	if (rc[0] && rc[1])
		return rc[0];
	use = rc[0] || (!rc[1] && st[1].generation > st[0].generation);
	/* a slot never written is no damage: the first writes fill both */
	if (rc[!use] && rc[!use] != -ENODATA)
		DMWARN("%pg: state block, slot %d is damaged, using slot %d: %s",
		       m->bdev, !use, use, use ? why->text : other.text);
	m->st = st[use];
	m->st_slot = use;
	return 0;
}

struct dmo_meta *dmo_meta_load(struct block_device *bdev, struct dmo_reason *why)
{
	u64 dev_blocks = bdev_nr_sectors(bdev) / DMO_BLOCK_SECTORS;
	struct dmo_meta *m;
	int rc;

	if (dev_blocks < DMO_META_MIN_BLOCKS) {
		rc = dmo_refuse(why, -ENOSPC,
				"metadata device has %llu KiB, at least %u KiB are needed: use a larger device",
				dev_blocks * 4, DMO_META_MIN_BLOCKS * 4);
		return ERR_PTR(rc);
	}
	m = kvzalloc(sizeof(*m), GFP_KERNEL);
	if (m)
		m->buf = kvmalloc(DMO_SB_BYTES, GFP_KERNEL);
	if (!m || !m->buf) {
		rc = dmo_refuse(why, -ENOMEM, "no memory for the metadata");
		goto bad;
	}
	m->bdev = bdev;
	mutex_init(&m->lock);
	spin_lock_init(&m->fail_lock);
	rc = load_super(m, dev_blocks, why);
	if (!rc)
		rc = load_state(m, why);
	if (!rc)
		rc = dmo_witness_load(m, why);
	if (rc)
		goto bad;
	return m;
bad:
	dmo_meta_free(m);
	return ERR_PTR(rc);
}

void dmo_meta_free(struct dmo_meta *m)
{
	if (!m)
		return;
	dmo_witness_free(m);
	kvfree(m->buf);
	kvfree(m);
}
