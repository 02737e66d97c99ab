// SPDX-License-Identifier: GPL-2.0-only
/*
 * Zeroes onto a data device.
 *
 * A device says that it takes write-zeroes, and may still refuse those that are not to free the
 * blocks (a loop device on a file system without FALLOC_FL_ZERO_RANGE). Each one refused is a line
 * in the kernel log, and a loop device of 6.12 then takes none any more, not even those that it
 * could carry out. So one that was refused is remembered, and zeroes are written instead; a loop
 * device, which can't be asked, is never tried.
 *
 * Space is given back by write-zeroes that may free, or, where the device knows none (dm-thin), by
 * discards. What a discard leaves behind is the device's business: so only whole granules are
 * discarded, since of others it may drop a part in silence, and all of it is read afterwards. What
 * is not zero then is written, or told to the caller. The ends that are no whole granules are zeroed
 * where they aren't zero already: a write would allocate all of a thin device's granule.
 */
#include <linux/bio.h>
#include <linux/math64.h>
#include <linux/major.h>
#include <linux/mm.h>
#include "store/zero.h"

#define MAX_PAGES	64u	/* a bio */
#define GFP_MORE	(GFP_NOIO | __GFP_NORETRY | __GFP_NOWARN)

/* Zeroes as data: what every device can. */
static int write_pages(struct block_device *bdev, u64 sector, u64 nr)
{
	struct bio *bio;
	u32 len, n;
	int rc = 0;

	while (nr && !rc) {
		n = min_t(u64, MAX_PAGES, (nr + PAGE_SECTORS - 1) / PAGE_SECTORS);
		bio = bio_alloc(bdev, n, REQ_OP_WRITE, GFP_NOIO);
		bio->bi_iter.bi_sector = sector;
		for (; n; n--) {
			len = min_t(u64, nr, PAGE_SECTORS);
			__bio_add_page(bio, ZERO_PAGE(0), len << SECTOR_SHIFT, 0);
			sector += len;
			nr -= len;
		}
		rc = submit_bio_wait(bio);
		bio_put(bio);
	}
	return rc;
}

/*
 * As write-zeroes; @bit of @known: the device refuses such ones.
 * Return: 0, -EOPNOTSUPP: another way is needed, or the device's error
 */
static int write_zeroes(struct block_device *bdev, u64 sector, u64 nr, unsigned int flags,
			 unsigned int bit, unsigned long *known)
{
	int rc;

	if (test_bit(bit, known) || !bdev_write_zeroes_sectors(bdev))
		return -EOPNOTSUPP;
	rc = blkdev_issue_zeroout(bdev, sector, nr, GFP_NOIO, flags | BLKDEV_ZERO_NOFALLBACK);
	if (rc != -EOPNOTSUPP && rc != -EREMOTEIO)
		return rc;
	set_bit(bit, known);
	return -EOPNOTSUPP;
}

int dmo_zero_keep(struct block_device *bdev, u64 sector, u64 nr, unsigned long *known)
{
	int rc = -EOPNOTSUPP;

	if (MAJOR(bdev->bd_dev) != LOOP_MAJOR)
		rc = write_zeroes(bdev, sector, nr, BLKDEV_ZERO_NOUNMAP, DMO_ZERO_NO_KEEP, known);
	return rc == -EOPNOTSUPP ? write_pages(bdev, sector, nr) : rc;
}

/* ---- reading it back ---- */

/*
 * What is told of sectors that are not zero.
 * @left: NULL: they are written instead
 */
struct report {
	void (*left)(void *arg, u64 sector, u64 nr);
	void *arg;
};

static int not_zero(struct block_device *bdev, u64 sector, u64 nr, const struct report *rep)
{
	if (!nr)
		return 0;
	if (!rep->left)
		return write_pages(bdev, sector, nr);
	rep->left(rep->arg, sector, nr);
	return 0;
}

static int read_pages(struct block_device *bdev, u64 sector, u32 nr, struct page **pages)
{
	struct bio *bio;
	u32 i, len;
	int rc;

	bio = bio_alloc(bdev, DIV_ROUND_UP(nr, PAGE_SECTORS), REQ_OP_READ, GFP_NOIO);
	bio->bi_iter.bi_sector = sector;
	for (i = 0; nr; i++, nr -= len) {
		len = min_t(u32, nr, PAGE_SECTORS);
		__bio_add_page(bio, pages[i], len << SECTOR_SHIFT, 0);
	}
	rc = submit_bio_wait(bio);
	bio_put(bio);
	return rc;
}

/* @nr sectors from @sector are in @pages: report the runs of pages that are not all zero. */
static int judge_pages(struct block_device *bdev, u64 sector, u32 nr, struct page **pages,
		       const struct report *rep)
{
	u32 from = 0, i, len;
	int rc = 0;

	for (i = 0; i < nr && !rc; i += len) {
		len = min_t(u32, nr - i, PAGE_SECTORS);
		if (memchr_inv(page_address(pages[i / PAGE_SECTORS]), 0, len << SECTOR_SHIFT))
			continue;
		rc = not_zero(bdev, sector + from, i - from, rep);
		from = i + len;
	}
	return rc ?: not_zero(bdev, sector + from, nr - from, rep);
}

/* Without memory, or where it can't be read, it counts as not zero. */
static int check_zero(struct block_device *bdev, u64 sector, u64 nr, const struct report *rep)
{
	struct page *pages[MAX_PAGES];
	u32 n = 0, i, len;
	int rc = 0;

	while (n < MAX_PAGES && n * PAGE_SECTORS < nr) {
		pages[n] = alloc_page(n ? GFP_MORE : GFP_NOIO);
		if (!pages[n])
			break;
		n++;
	}
	if (nr && !n)
		return not_zero(bdev, sector, nr, rep);
	for (; nr && !rc; sector += len, nr -= len) {
		len = min_t(u64, nr, n * PAGE_SECTORS);
		if (read_pages(bdev, sector, len, pages))
			rc = not_zero(bdev, sector, len, rep);
		else
			rc = judge_pages(bdev, sector, len, pages, rep);
		cond_resched();
	}
	for (i = 0; i < n; i++)
		put_page(pages[i]);
	return rc;
}

/* The whole granules in @sector..@end; none: the two are equal after it. */
static void whole_granules(struct block_device *bdev, u64 *sector, u64 *end)
{
	u32 size = max_t(u32, bdev_discard_granularity(bdev), bdev_logical_block_size(bdev)) /
		   DMO_SECTOR;
	u32 at = bdev_discard_alignment(bdev), rest;

	/* a granule begins @at behind a multiple of @size; ~0: nobody knows where */
	at = at == UINT_MAX ? 0 : at / DMO_SECTOR;
	div_u64_rem(*sector + size - at % size, size, &rest);
	*sector += rest ? size - rest : 0;
	div_u64_rem(*end + size - at % size, size, &rest);
	*end = *end > *sector + rest ? *end - rest : *sector;
}

static int discard(struct block_device *bdev, u64 sector, u64 nr, const struct report *rep)
{
	const struct report write = {};
	u64 from = sector, to = sector + nr;
	int rc;

	whole_granules(bdev, &from, &to);
	if (from >= sector + nr)
		return check_zero(bdev, sector, nr, &write);
	rc = check_zero(bdev, sector, from - sector, &write);
	if (rc)
		return rc;
	if (to > from) {
		rc = blkdev_issue_discard(bdev, from, to - from, GFP_NOIO);
		rc = rc ? write_pages(bdev, from, to - from) :
			check_zero(bdev, from, to - from, rep);
	}
	return rc ?: check_zero(bdev, to, sector + nr - to, &write);
}

int dmo_discard(struct block_device *bdev, u64 sector, u64 nr, unsigned long *known,
		void (*left)(void *arg, u64 sector, u64 nr), void *arg)
{
	const struct report rep = { left, arg };
	int rc = write_zeroes(bdev, sector, nr, 0, DMO_ZERO_NO_FREE, known);

	if (rc != -EOPNOTSUPP)
		return rc;
	if (!bdev_max_discard_sectors(bdev))
		return write_pages(bdev, sector, nr);
	return discard(bdev, sector, nr, &rep);
}

int dmo_zero_free(struct block_device *bdev, u64 sector, u64 nr, unsigned long *known)
{
	return dmo_discard(bdev, sector, nr, known, NULL, NULL);
}
