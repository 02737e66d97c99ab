// SPDX-License-Identifier: GPL-2.0-only
/*
 * The metadata device: superblock and state block, in memory and on disk.
 *
 * Both exist twice. A write goes to one copy and then to the other, with a
 * generation one higher, and is durable when it returns: the device's cache is
 * flushed before it, so that whatever it speaks of is there first, and it is FUA
 * itself. A torn or lost write leaves the other copy, which is what was true
 * before; damage to either copy later loses nothing, since both say the same.
 *
 * A write error is sticky (dmo_meta_fail()): what is on the disk is then not
 * known, and nothing that needs it may be promised any more.
 *
 * Locks. @lock as meta.h says; @fail_lock (spinlock, irq-safe, innermost) only
 * for @failed and @why.
 */
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/device-mapper.h>
#include <linux/highmem.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include "meta/meta.h"

#define DM_MSG_PREFIX "ordered metadata"

#define FEW_VECS	8	/* on the stack: rw never fails for lack of memory */

static int rw_bio(struct dmo_meta *m, blk_opf_t opf, u64 block, void *buf, u32 nr,
		  struct bio_vec *bvecs, u32 max_vecs)
{
	size_t left = (size_t)nr << DMO_BLOCK_SHIFT;
	struct bio bio;
	int rc;

	bio_init(&bio, m->bdev, bvecs, max_vecs, opf);
	bio.bi_iter.bi_sector = block * DMO_BLOCK_SECTORS;
	while (left) {
		size_t len = min_t(size_t, left, PAGE_SIZE - offset_in_page(buf));
		struct page *page = is_vmalloc_addr(buf) ? vmalloc_to_page(buf) :
							   virt_to_page(buf);

		__bio_add_page(&bio, page, len, offset_in_page(buf));
		buf += len;
		left -= len;
	}
	rc = submit_bio_wait(&bio);
	bio_uninit(&bio);
	return rc;
}

int dmo_meta_rw(struct dmo_meta *m, blk_opf_t opf, u64 block, void *buf, u32 nr)
{
	bool write = op_is_write(opf), vm = is_vmalloc_addr(buf);
	struct bio_vec few[FEW_VECS], *vecs = few;
	u32 max = FEW_VECS, total = nr;
	void *start = buf;
	int rc = 0;

	/* a block takes one vector, or two where pages are not aligned to it */
	if (nr > FEW_VECS / 2) {
		u32 want = min_t(u32, nr * 2, BIO_MAX_VECS);

		vecs = kmalloc_array(want, sizeof(*vecs), GFP_NOIO | __GFP_NOWARN);
		if (vecs)
			max = want;
		else
			vecs = few;
	}
	/*
	 * Not left to the first write: if that is split into the flush and the write
	 * below, device-mapper forgets the flush's error.
	 */
	if (opf & REQ_PREFLUSH) {
		opf &= ~REQ_PREFLUSH;
		rc = blkdev_issue_flush(m->bdev);
	}
	if (vm && write)
		flush_kernel_vmap_range(start, total << DMO_BLOCK_SHIFT);
	while (nr && !rc) {
		u32 n = min_t(u32, nr, max / 2);

		rc = rw_bio(m, opf, block, buf, n, vecs, max);
		block += n;
		buf += (size_t)n << DMO_BLOCK_SHIFT;
		nr -= n;
	}
	if (vm && !write)
		invalidate_kernel_vmap_range(start, total << DMO_BLOCK_SHIFT);
	if (vecs != few)
		kfree(vecs);
	return rc;
}

void dmo_meta_fail(struct dmo_meta *m, const char *fmt, ...)
{
	unsigned long flags;
	bool first;
	va_list args;

	spin_lock_irqsave(&m->fail_lock, flags);
	first = !m->failed;
	if (first) {
		va_start(args, fmt);
		vsnprintf(m->why.text, sizeof(m->why.text), fmt, args);
		va_end(args);
		m->failed_since = jiffies;
		/* pairs with dmo_meta_failed() */
		smp_store_release(&m->failed, true);
	}
	spin_unlock_irqrestore(&m->fail_lock, flags);
	if (first)
		DMERR("%pg: %s", m->bdev, m->why.text);
}

bool dmo_meta_failed(const struct dmo_meta *m)
{
	/* pairs with dmo_meta_fail(): @why is whole */
	return smp_load_acquire(&m->failed);
}

/*
 * @nr blocks of @m->buf to both copies, one after the other, the one last written last.
 * @last: which one that was
 */
static int write_both(struct dmo_meta *m, const u64 at[2], u32 nr, int *last, const char *what)
{
	blk_opf_t opf = REQ_OP_WRITE | REQ_SYNC | REQ_META | REQ_FUA;
	int i, copy, rc;

	for (i = 0; i < 2; i++) {
		copy = !*last;
		rc = dmo_meta_rw(m, opf | (i ? 0 : REQ_PREFLUSH), at[copy], m->buf, nr);
		if (rc) {
			dmo_meta_fail(m, "%s, copy %d: write failed: error %d", what, copy, rc);
			return rc;
		}
		*last = copy;
	}
	return 0;
}

int dmo_meta_write_super(struct dmo_meta *m)
{
	static const u64 at[2] = { DMO_SB_BLOCK0, DMO_SB_BLOCK1 };
	int rc;

	lockdep_assert_held(&m->lock);
	if (dmo_meta_failed(m))
		return -EIO;
	m->sb.generation++;
	dmo_super_encode(&m->sb, m->buf);
	rc = write_both(m, at, DMO_SB_BLOCKS, &m->sb_copy, "superblock");
	if (!rc)
		m->sb_stale = false;
	return rc;
}

int dmo_meta_write_state(struct dmo_meta *m)
{
	static const u64 at[2] = { DMO_STATE_BLOCK0, DMO_STATE_BLOCK1 };

	lockdep_assert_held(&m->lock);
	if (dmo_meta_failed(m))
		return -EIO;
	m->st.generation++;
	memset(m->buf, 0, DMO_BLOCK);
	dmo_state_encode(&m->st, m->sb.uuid, m->buf);
	return write_both(m, at, 1, &m->st_slot, "state block");
}
