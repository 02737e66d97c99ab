// SPDX-License-Identifier: GPL-2.0-only
/*
 * dm-powercut: disks in memory with a volatile cache, for tests only.
 *
 *	0 <sectors> powercut <host> [<block size>]
 *
 * All disks of one host lose their power at one instant:
 *
 *	dmsetup message <any of them> 0 cut <seed> <percent>
 *
 * or, in the midst of the work, right behind the <n>th write to one of them
 * from now on that stays in its cache:
 *
 *	dmsetup message <that one> 0 cutafter <n> <seed> <percent>
 *
 * Of what was written since the last flush (and not with FUA) each block is
 * kept with that probability and else is as it was at the flush. That is what
 * a disk may do, and more than null_blk does, whose cache passes writes to
 * blocks it holds durably straight through. From then on every I/O of that
 * host fails, until
 *
 *	dmsetup message <any of them> 0 on
 *
 * so that disks can be cut with everything on top of them at work. "failflush
 * <n> [<skip>]", "failwrite <n> [<skip>]" and "failfua <n> [<skip>]" fail n
 * flushes, writes (with or without FUA), FUA writes of that one disk, the next
 * ones or those behind <skip> others. A flush that fails loses nothing; a FUA
 * write that fails may be in the cache: every other one is. "failread <first>
 * <count>": these sectors can't be read; a count of 0 ends it.
 * Status: on|off <unflushed blocks> <cuts> <blocks lost so far> <flushes>
 * <blocks that were unflushed when the power was cut, so far> <failed so far>.
 *
 * There are two images: what reads see, and what survives. One lock for all
 * disks: writers share it, flush and cut exclude them.
 */
#include <linux/bitmap.h>
#include <linux/blkdev.h>
#include <linux/device-mapper.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/prandom.h>
#include <linux/rwsem.h>
#include <linux/slab.h>
#include <linux/version.h>
#include <linux/vmalloc.h>

#define DM_MSG_PREFIX "powercut"
#define HOST_LEN 16

struct disk {
	struct list_head list;
	char host[HOST_LEN];
	unsigned int bs;
	size_t bytes;
	size_t blocks;
	u8 *seen;
	u8 *durable;
	unsigned long *unflushed;
	bool off;
	/* under @fail_lock: what fails */
	spinlock_t fail_lock;
	struct fault {
		unsigned int nr, skip;
	} fail_flush, fail_write, fail_fua;
	u64 unreadable, nr_unreadable;	/* bytes; under @power */
	unsigned long cuts, lost, flushes, caught, failed;
};

static LIST_HEAD(disks);
static DECLARE_RWSEM(power);

/* cutafter: one at a time. Under @power. */
static struct disk *armed;
static unsigned int armed_left;
static u64 armed_seed;
static unsigned int armed_percent;

static void disk_free(struct disk *d)
{
	vfree(d->seen);
	vfree(d->durable);
	vfree(d->unflushed);
	kfree(d);
}

static int powercut_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	struct disk *d, *other;

	if (argc < 1 || argc > 2) {
		ti->error = "Arguments: <host> [<block size>]";
		return -EINVAL;
	}
	d = kzalloc(sizeof(*d), GFP_KERNEL);
	if (!d)
		return -ENOMEM;
	d->bs = 512;
	spin_lock_init(&d->fail_lock);
	if (strscpy(d->host, argv[0], HOST_LEN) < 0 ||
	    (argc == 2 && (kstrtouint(argv[1], 0, &d->bs) || d->bs < 512 || d->bs > 4096 ||
			   d->bs & (d->bs - 1)))) {
		kfree(d);
		ti->error = "Bad host or block size";
		return -EINVAL;
	}
	d->bytes = ti->len << SECTOR_SHIFT;
	d->blocks = d->bytes / d->bs;
	d->seen = vzalloc(d->bytes);
	d->durable = vzalloc(d->bytes);
	d->unflushed = vzalloc(BITS_TO_LONGS(d->blocks) * sizeof(long));
	if (!d->seen || !d->durable || !d->unflushed) {
		disk_free(d);
		ti->error = "No memory for the disk";
		return -ENOMEM;
	}

	down_write(&power);
	list_for_each_entry(other, &disks, list)
		if (!strcmp(other->host, d->host))
			d->off = other->off;
	list_add_tail(&d->list, &disks);
	up_write(&power);

	ti->private = d;
	ti->num_flush_bios = 1;
	ti->flush_supported = true;
	ti->num_discard_bios = 1;
	ti->discards_supported = true;
	ti->num_write_zeroes_bios = 1;
	return 0;
}

static void powercut_dtr(struct dm_target *ti)
{
	struct disk *d = ti->private;

	down_write(&power);
	list_del(&d->list);
	if (armed == d)
		armed = NULL;
	up_write(&power);
	disk_free(d);
}

static void flush_blocks(struct disk *d, size_t from, size_t to)
{
	size_t b = from;

	for_each_set_bit_from(b, d->unflushed, to) {
		memcpy(d->durable + b * d->bs, d->seen + b * d->bs, d->bs);
		__clear_bit(b, d->unflushed);
	}
}

static void touch_blocks(struct disk *d, size_t at, size_t len)
{
	size_t b;

	for (b = at / d->bs; b < (at + len) / d->bs; b++)
		set_bit(b, d->unflushed);
}

static void write_data(struct disk *d, struct bio *bio, size_t at)
{
	struct bvec_iter iter;
	struct bio_vec bv;

	bio_for_each_segment(bv, bio, iter) {
		memcpy_from_bvec(d->seen + at, &bv);
		at += bv.bv_len;
	}
}

static void read_data(struct disk *d, struct bio *bio, size_t at)
{
	struct bvec_iter iter;
	struct bio_vec bv;

	bio_for_each_segment(bv, bio, iter) {
		memcpy_to_bvec(&bv, d->seen + at);
		at += bv.bv_len;
	}
}

/* Is it one of those that fail? */
static bool fails(struct disk *d, struct fault *f)
{
	bool yes;

	if (!READ_ONCE(f->nr))
		return false;
	spin_lock(&d->fail_lock);
	yes = f->nr && !f->skip;
	if (f->skip)
		f->skip--;
	else if (f->nr)
		f->nr--;
	d->failed += yes;
	spin_unlock(&d->fail_lock);
	return yes;
}

/* With the lock held, for writing if the bio is a flush or FUA. */
static blk_status_t do_bio(struct disk *d, struct bio *bio, size_t at)
{
	size_t len = bio->bi_iter.bi_size;

	if (d->off)
		return BLK_STS_IOERR;

	if (bio->bi_opf & REQ_PREFLUSH) {
		if (fails(d, &d->fail_flush))
			return BLK_STS_IOERR;
		d->flushes++;
		flush_blocks(d, 0, d->blocks);
		if (!len)
			return BLK_STS_OK;
	}
	if (len && (at >= d->bytes || len > d->bytes - at))
		return BLK_STS_IOERR;

	switch (bio_op(bio)) {
	case REQ_OP_READ:
		if (at < d->unreadable + d->nr_unreadable && at + len > d->unreadable)
			return BLK_STS_MEDIUM;
		read_data(d, bio, at);
		return BLK_STS_OK;
	case REQ_OP_WRITE:
		if (fails(d, &d->fail_write))
			return BLK_STS_IOERR;
		if (bio->bi_opf & REQ_FUA && fails(d, &d->fail_fua)) {
			if (d->failed & 1) {
				write_data(d, bio, at);
				touch_blocks(d, at, len);
			}
			return BLK_STS_IOERR;
		}
		write_data(d, bio, at);
		break;
	case REQ_OP_DISCARD:
	case REQ_OP_WRITE_ZEROES:
		memset(d->seen + at, 0, len);
		break;
	default:
		return BLK_STS_NOTSUPP;
	}
	touch_blocks(d, at, len);
	if (bio->bi_opf & REQ_FUA)
		flush_blocks(d, at / d->bs, (at + len) / d->bs);
	return BLK_STS_OK;
}

static void cut(struct disk *d, struct rnd_state *rnd, unsigned int percent)
{
	size_t b;

	for_each_set_bit(b, d->unflushed, d->blocks) {
		d->caught++;
		if (prandom_u32_state(rnd) % 100 < percent) {
			memcpy(d->durable + b * d->bs, d->seen + b * d->bs, d->bs);
		} else {
			memcpy(d->seen + b * d->bs, d->durable + b * d->bs, d->bs);
			d->lost++;
		}
		cond_resched();
	}
	bitmap_zero(d->unflushed, d->blocks);
	d->cuts++;
}

/* With @power held for writing. */
static void cut_host(struct disk *self, u64 seed, unsigned int percent)
{
	struct rnd_state rnd;
	struct disk *d;

	prandom_seed_state(&rnd, seed);
	list_for_each_entry(d, &disks, list) {
		if (strcmp(d->host, self->host))
			continue;
		if (!d->off)
			cut(d, &rnd, percent);
		d->off = true;
	}
	armed = NULL;
}

/* A write has gone to the cache: is it the one? */
static void count_write(struct disk *d)
{
	if (READ_ONCE(armed) != d)
		return;
	down_write(&power);
	if (armed == d && !--armed_left)
		cut_host(d, armed_seed, armed_percent);
	up_write(&power);
}

static int powercut_map(struct dm_target *ti, struct bio *bio)
{
	size_t at = dm_target_offset(ti, bio->bi_iter.bi_sector) << SECTOR_SHIFT;
	struct disk *d = ti->private;

	if (bio->bi_opf & (REQ_PREFLUSH | REQ_FUA)) {
		down_write(&power);
		bio->bi_status = do_bio(d, bio, at);
		up_write(&power);
	} else {
		down_read(&power);
		bio->bi_status = do_bio(d, bio, at);
		up_read(&power);
		if (op_is_write(bio_op(bio)) && !bio->bi_status)
			count_write(d);
	}
	bio_endio(bio);
	return DM_MAPIO_SUBMITTED;
}

static int set_fault(struct disk *d, unsigned int argc, char **argv)
{
	struct fault f = { }, *which;

	if (argc == 3 && !strcmp(argv[0], "failread")) {
		u64 first, count;

		if (kstrtou64(argv[1], 0, &first) || kstrtou64(argv[2], 0, &count))
			return -EINVAL;
		down_write(&power);
		d->unreadable = first << SECTOR_SHIFT;
		d->nr_unreadable = count << SECTOR_SHIFT;
		up_write(&power);
		return 0;
	}
	if (kstrtouint(argv[1], 0, &f.nr) || (argc == 3 && kstrtouint(argv[2], 0, &f.skip)))
		return -EINVAL;
	if (!strcmp(argv[0], "failflush"))
		which = &d->fail_flush;
	else if (!strcmp(argv[0], "failwrite"))
		which = &d->fail_write;
	else if (!strcmp(argv[0], "failfua"))
		which = &d->fail_fua;
	else
		return -EINVAL;
	spin_lock(&d->fail_lock);
	*which = f;
	spin_unlock(&d->fail_lock);
	return 0;
}

static int powercut_message(struct dm_target *ti, unsigned int argc, char **argv, char *result,
			    unsigned int maxlen)
{
	struct disk *self = ti->private, *d;
	unsigned int percent, n;
	u64 seed;

	if (argc >= 2 && argc <= 3 && !strncmp(argv[0], "fail", 4))
		return set_fault(self, argc, argv);
	if (argc == 3 && !strcmp(argv[0], "cut") && !kstrtou64(argv[1], 0, &seed) &&
	    !kstrtouint(argv[2], 0, &percent)) {
		down_write(&power);
		cut_host(self, seed, percent);
		up_write(&power);
		return 0;
	}
	if (argc == 4 && !strcmp(argv[0], "cutafter") && !kstrtouint(argv[1], 0, &n) && n &&
	    !kstrtou64(argv[2], 0, &seed) && !kstrtouint(argv[3], 0, &percent)) {
		down_write(&power);
		armed = self;
		armed_seed = seed;
		armed_percent = percent;
		armed_left = n;
		up_write(&power);
		return 0;
	}
	if (argc != 1 || strcmp(argv[0], "on"))
		return -EINVAL;
	down_write(&power);
	list_for_each_entry(d, &disks, list)
		if (!strcmp(d->host, self->host))
			d->off = false;
	up_write(&power);
	return 0;
}

static void powercut_status(struct dm_target *ti, status_type_t type, unsigned int flags,
			    char *result, unsigned int maxlen)
{
	struct disk *d = ti->private;
	unsigned int sz = 0;

	switch (type) {
	case STATUSTYPE_INFO:
		down_read(&power);
		DMEMIT("%s %d %lu %lu %lu %lu %lu", d->off ? "off" : "on",
		       bitmap_weight(d->unflushed, d->blocks), d->cuts, d->lost, d->flushes,
		       d->caught, d->failed);
		up_read(&power);
		break;
	case STATUSTYPE_TABLE:
		DMEMIT("%s %u", d->host, d->bs);
		break;
	case STATUSTYPE_IMA:
		*result = '\0';
		break;
	}
}

/* There are none, but a target without this function is not asked what it can do. */
static int powercut_iterate_devices(struct dm_target *ti, iterate_devices_callout_fn fn, void *data)
{
	return 0;
}

static void powercut_io_hints(struct dm_target *ti, struct queue_limits *limits)
{
	struct disk *d = ti->private;

	limits->logical_block_size = d->bs;
	limits->physical_block_size = d->bs;
	limits->io_min = d->bs;
	limits->discard_granularity = d->bs;
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 9, 0)
	limits->max_discard_sectors = UINT_MAX >> SECTOR_SHIFT;
#else
	limits->max_hw_discard_sectors = UINT_MAX >> SECTOR_SHIFT;
#endif
	limits->max_write_zeroes_sectors = UINT_MAX >> SECTOR_SHIFT;
}

static struct target_type powercut_target = {
	.name = "powercut",
	.version = {1, 0, 0},
	.module = THIS_MODULE,
	.ctr = powercut_ctr,
	.dtr = powercut_dtr,
	.map = powercut_map,
	.message = powercut_message,
	.status = powercut_status,
	.iterate_devices = powercut_iterate_devices,
	.io_hints = powercut_io_hints,
};

static int __init powercut_init(void)
{
	return dm_register_target(&powercut_target);
}

static void __exit powercut_exit(void)
{
	dm_unregister_target(&powercut_target);
}

module_init(powercut_init);
module_exit(powercut_exit);
MODULE_DESCRIPTION("Disks in memory that lose their power, for tests");
MODULE_LICENSE("GPL");
