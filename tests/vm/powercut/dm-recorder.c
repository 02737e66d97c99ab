// SPDX-License-Identifier: GPL-2.0-only
/*
 * dm-recorder: disks in memory that write down all that is done to them, for tests only.
 *
 *	0 <sectors> recorder <host> <name> [<delay, us>]
 *
 * All disks write to one log (record.h), in the order in which things happen: a
 * write when it is submitted, with its data, and when it is completed; flushes
 * likewise. So whoever reads the log can tell what may have been on the disks at
 * any instant, whatever their caches did (tests/images/).
 *
 * I/O is completed by a thread a disk, in no particular order, each after up to
 * <delay> us (200), so that there is something under way at most instants.
 * What is promised to be durable when, the disk itself doesn't care.
 *
 * /dev/dmo-recorder: write "start <MiB>" to begin a log of at most that size,
 * "mark <text>", "stop"; then read the log. A log that was too small can't
 * be read. The tracepoints dmo_write and dmo_cut go into it, too.
 */
#include <linux/atomic.h>
#include <linux/blkdev.h>
#include <linux/delay.h>
#include <linux/device-mapper.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/tracepoint.h>
#include <linux/uaccess.h>
#include <linux/version.h>
#include <linux/vmalloc.h>
#include <linux/wait.h>
#include "record.h"
#include "trace.h"

#define DM_MSG_PREFIX "recorder"

struct disk {
	struct list_head list;
	u32 nr;
	char text[REC_TEXT];
	size_t bytes;
	u8 *data;
	unsigned int delay;
	struct task_struct *task;
	wait_queue_head_t wait;
	spinlock_t lock;		/* @ios, @nr_ios */
	struct list_head ios;
	unsigned int nr_ios;
};

/* per bio */
struct io {
	struct list_head list;
	struct bio *bio;
	size_t at;
	u64 id;
	const u8 *copy;			/* its data in the log, if there is one */
};

static LIST_HEAD(disks);
static DEFINE_MUTEX(control);		/* @disks, starting and stopping */
static u32 next_disk;

/* the log; everything but the data behind an entry is written under @log_lock */
static DEFINE_SPINLOCK(log_lock);
static u8 *log_buf;
static size_t log_size, log_used;
static u64 log_entries, log_lost, last_id;
static bool logging;
static atomic_t copiers = ATOMIC_INIT(0);

/*
 * An entry is put into the log; its place in the order is that of this call. With data: where its
 * @e->bytes are to be put, then log_filled() is due.
 */
static u8 *log_entry(struct rec_entry *e)
{
	u8 *data = NULL;
	unsigned long flags;

	e->magic = REC_MAGIC;
	spin_lock_irqsave(&log_lock, flags);
	if (!logging)
		goto out;
	if (log_size - log_used < REC_SIZE(e->bytes)) {
		log_lost++;
		goto out;
	}
	memcpy(log_buf + log_used, e, sizeof(*e));
	if (e->bytes) {
		data = log_buf + log_used + sizeof(*e);
		atomic_inc(&copiers);
	}
	log_used += REC_SIZE(e->bytes);
	log_entries++;
out:
	spin_unlock_irqrestore(&log_lock, flags);
	return data;
}

static void log_filled(void)
{
	atomic_dec(&copiers);
}

static void log_data(struct rec_entry *e, const void *from)
{
	u8 *to = log_entry(e);

	if (to) {
		memcpy(to, from, e->bytes);
		log_filled();
	}
}

/* ---- disks ---- */

static void bio_to(u8 *to, struct bio *bio)
{
	struct bvec_iter iter;
	struct bio_vec bv;

	bio_for_each_segment(bv, bio, iter) {
		memcpy_from_bvec(to, &bv);
		to += bv.bv_len;
	}
}

static void bio_from(const u8 *from, struct bio *bio)
{
	struct bvec_iter iter;
	struct bio_vec bv;

	bio_for_each_segment(bv, bio, iter) {
		memcpy_to_bvec(&bv, from);
		from += bv.bv_len;
	}
}

static struct io *take_any(struct disk *d)
{
	struct io *io = NULL;
	unsigned int n;

	spin_lock_irq(&d->lock);
	if (d->nr_ios) {
		n = get_random_u32() % d->nr_ios--;
		list_for_each_entry(io, &d->ios, list)
			if (!n--)
				break;
		list_del(&io->list);
	}
	spin_unlock_irq(&d->lock);
	return io;
}

static void perform(struct disk *d, struct io *io)
{
	struct rec_entry e = { .type = REC_COMPLETE, .disk = d->nr, .id = io->id };
	struct bio *bio = io->bio;
	size_t len = bio->bi_iter.bi_size;

	if (bio_op(bio) == REQ_OP_WRITE && len) {
		bio_to(d->data + io->at, bio);
		if (io->copy && memcmp(io->copy, d->data + io->at, len))
			e.flags = REC_CHANGED;
	} else if (len) {
		memset(d->data + io->at, 0, len);
	}
	if (io->id)
		log_entry(&e);
	bio_endio(bio);
}

static int disk_thread(void *arg)
{
	struct disk *d = arg;

	while (!kthread_should_stop()) {
		struct io *io;

		wait_event_idle(d->wait, kthread_should_stop() || READ_ONCE(d->nr_ios));
		if (d->delay)
			usleep_range(1, 1 + get_random_u32() % d->delay);
		io = take_any(d);
		if (io)
			perform(d, io);
	}
	return 0;
}

static void log_submit(struct disk *d, struct io *io)
{
	struct bio *bio = io->bio;
	struct rec_entry e = {
		.type = REC_SUBMIT,
		.op = REC_OP_WRITE,
		.disk = d->nr,
		.sector = io->at >> SECTOR_SHIFT,
		.sectors = bio_sectors(bio),
	};

	if (!READ_ONCE(logging))
		return;
	if (!bio_sectors(bio))
		e.op = REC_OP_FLUSH;
	else if (bio_op(bio) != REQ_OP_WRITE)
		e.op = REC_OP_ZERO;
	else
		e.bytes = bio->bi_iter.bi_size;
	if (bio->bi_opf & REQ_PREFLUSH)
		e.flags |= REC_PREFLUSH;
	if (bio->bi_opf & REQ_FUA)
		e.flags |= REC_FUA;
	spin_lock_irq(&log_lock);
	io->id = ++last_id;
	spin_unlock_irq(&log_lock);
	e.id = io->id;
	io->copy = log_entry(&e);
	if (io->copy) {
		bio_to((u8 *)io->copy, bio);
		log_filled();
	}
}

static int recorder_map(struct dm_target *ti, struct bio *bio)
{
	struct io *io = dm_per_bio_data(bio, sizeof(*io));
	size_t len = bio->bi_iter.bi_size;
	struct disk *d = ti->private;

	io->bio = bio;
	io->at = dm_target_offset(ti, bio->bi_iter.bi_sector) << SECTOR_SHIFT;
	io->id = 0;
	io->copy = NULL;
	if (len && (io->at >= d->bytes || len > d->bytes - io->at))
		return DM_MAPIO_KILL;
	switch (bio_op(bio)) {
	case REQ_OP_READ:
		bio_from(d->data + io->at, bio);
		bio_endio(bio);
		return DM_MAPIO_SUBMITTED;
	case REQ_OP_WRITE:
	case REQ_OP_DISCARD:
	case REQ_OP_WRITE_ZEROES:
		break;
	default:
		return DM_MAPIO_KILL;
	}
	log_submit(d, io);
	spin_lock_irq(&d->lock);
	list_add_tail(&io->list, &d->ios);
	d->nr_ios++;
	spin_unlock_irq(&d->lock);
	wake_up(&d->wait);
	return DM_MAPIO_SUBMITTED;
}

static void disk_free(struct disk *d)
{
	if (d->task)
		kthread_stop(d->task);
	vfree(d->data);
	kfree(d);
}

static int recorder_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	struct disk *d;
	int rc = -EINVAL;

	ti->error = "Arguments: <host> <name> [<delay, us>]";
	if (argc < 2 || argc > 3)
		return -EINVAL;
	d = kzalloc(sizeof(*d), GFP_KERNEL);
	if (!d)
		return -ENOMEM;
	d->delay = 200;
	spin_lock_init(&d->lock);
	init_waitqueue_head(&d->wait);
	INIT_LIST_HEAD(&d->ios);
	if (scnprintf(d->text, sizeof(d->text), "%s %s", argv[0], argv[1]) + 1 >= sizeof(d->text) ||
	    (argc == 3 && kstrtouint(argv[2], 0, &d->delay)))
		goto bad;
	d->bytes = ti->len << SECTOR_SHIFT;
	d->data = vzalloc(d->bytes);
	rc = -ENOMEM;
	ti->error = "No memory for the disk";
	if (!d->data)
		goto bad;
	d->task = kthread_run(disk_thread, d, "recorder-%s", argv[1]);
	if (IS_ERR(d->task)) {
		rc = PTR_ERR(d->task);
		d->task = NULL;
		goto bad;
	}
	mutex_lock(&control);
	d->nr = next_disk++;
	list_add_tail(&d->list, &disks);
	mutex_unlock(&control);

	ti->private = d;
	ti->per_io_data_size = sizeof(struct io);
	ti->num_flush_bios = 1;
	ti->flush_supported = true;
	ti->num_discard_bios = 1;
	ti->discards_supported = true;
	ti->num_write_zeroes_bios = 1;
	return 0;
bad:
	disk_free(d);
	return rc;
}

static void recorder_dtr(struct dm_target *ti)
{
	struct disk *d = ti->private;

	mutex_lock(&control);
	list_del(&d->list);
	mutex_unlock(&control);
	disk_free(d);
}

/* There are none, but a target without this function is not asked what it can do. */
static int recorder_iterate_devices(struct dm_target *ti, iterate_devices_callout_fn fn, void *data)
{
	return 0;
}

static void recorder_io_hints(struct dm_target *ti, struct queue_limits *limits)
{
	limits->discard_granularity = SECTOR_SIZE;
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 9, 0)
	limits->max_discard_sectors = UINT_MAX >> SECTOR_SHIFT;
#else
	limits->max_hw_discard_sectors = UINT_MAX >> SECTOR_SHIFT;
#endif
	limits->max_write_zeroes_sectors = UINT_MAX >> SECTOR_SHIFT;
}

static struct target_type recorder_target = {
	.name = "recorder",
	.version = {1, 0, 0},
	.module = THIS_MODULE,
	.ctr = recorder_ctr,
	.dtr = recorder_dtr,
	.map = recorder_map,
	.iterate_devices = recorder_iterate_devices,
	.io_hints = recorder_io_hints,
};

/* ---- tracepoints of dm-ordered, whether it is there already or comes later ---- */

static void on_write(void *data, dev_t dev, u64 nr, u32 volume, u64 lba, u32 sectors, u64 seq,
		     bool zero)
{
	struct rec_entry e = {
		.type = REC_WRITE,
		.op = zero ? REC_OP_ZERO : REC_OP_WRITE,
		.disk = volume,
		.sector = lba,
		.sectors = sectors,
		.seq = seq,
	};

	log_entry(&e);
}

static void on_cut(void *data, dev_t dev, u64 nr, u64 seq, u64 epoch, u64 n)
{
	struct rec_entry e = { .type = REC_CUT, .seq = seq, .id = epoch, .n = n };

	log_entry(&e);
}

static void *probe_of(const struct tracepoint *tp)
{
	check_trace_callback_type_dmo_write(on_write);
	check_trace_callback_type_dmo_cut(on_cut);
	if (!strcmp(tp->name, "dmo_write"))
		return on_write;
	if (!strcmp(tp->name, "dmo_cut"))
		return on_cut;
	return NULL;
}

static int on_module(struct notifier_block *nb, unsigned long action, void *arg)
{
	struct module *mod = ((struct tp_module *)arg)->mod;
	unsigned int i;

	for (i = 0; i < mod->num_tracepoints; i++) {
		struct tracepoint *tp = tracepoint_ptr_deref(&mod->tracepoints_ptrs[i]);
		void *probe = probe_of(tp);

		if (!probe)
			continue;
		if (action == MODULE_STATE_COMING) {
			if (tracepoint_probe_register(tp, probe, NULL))
				DMERR("%s can't be listened to", tp->name);
		} else if (action == MODULE_STATE_GOING) {
			tracepoint_probe_unregister(tp, probe, NULL);
		}
	}
	return NOTIFY_OK;
}

static struct notifier_block module_nb = { .notifier_call = on_module };

/* ---- the file ---- */

/* What the disk holds now. */
static void log_disk(struct disk *d)
{
	struct rec_entry e = {
		.type = REC_DISK,
		.disk = d->nr,
		.bytes = REC_TEXT,
		.sectors = d->bytes >> SECTOR_SHIFT,
	};
	size_t at, len;

	log_data(&e, d->text);
	e.type = REC_INIT;
	for (at = 0; at < d->bytes; at += len) {
		len = min_t(size_t, PAGE_SIZE, d->bytes - at);
		if (!memchr_inv(d->data + at, 0, len))
			continue;
		e.sector = at >> SECTOR_SHIFT;
		e.sectors = len >> SECTOR_SHIFT;
		e.bytes = len;
		log_data(&e, d->data + at);
	}
}

static int log_start(unsigned int mib)
{
	struct disk *d;

	if (logging || !mib || mib > 1024)
		return -EINVAL;
	list_for_each_entry(d, &disks, list)
		if (READ_ONCE(d->nr_ios))
			return -EBUSY;
	vfree(log_buf);
	log_size = (size_t)mib << 20;
	log_buf = vzalloc(log_size);
	if (!log_buf)
		return -ENOMEM;
	log_used = 0;
	log_entries = 0;
	log_lost = 0;
	WRITE_ONCE(logging, true);
	list_for_each_entry(d, &disks, list)
		log_disk(d);
	return 0;
}

static int log_stop(void)
{
	struct rec_entry e = { .type = REC_END, .id = log_entries };

	if (!logging)
		return -EINVAL;
	e.id = READ_ONCE(log_entries);
	log_entry(&e);
	spin_lock_irq(&log_lock);
	WRITE_ONCE(logging, false);
	spin_unlock_irq(&log_lock);
	while (atomic_read(&copiers))
		usleep_range(100, 200);
	if (log_lost) {
		DMERR("the log was too small: %llu entries are lost", log_lost);
		return -ENOSPC;
	}
	return 0;
}

static int log_mark(const char *text)
{
	struct rec_entry e = { .type = REC_MARK, .bytes = REC_TEXT };
	char buf[REC_TEXT] = { };

	if (strscpy(buf, text, sizeof(buf)) < 0)
		return -EINVAL;
	log_data(&e, buf);
	return 0;
}

static ssize_t file_write(struct file *file, const char __user *from, size_t len, loff_t *pos)
{
	char text[REC_TEXT + 8], *line;
	unsigned int mib;
	int rc;

	if (len >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, from, len))
		return -EFAULT;
	text[len] = '\0';
	line = strim(text);
	if (!strncmp(line, "mark ", 5)) {
		rc = log_mark(line + 5);
		return rc ?: len;
	}
	mutex_lock(&control);
	if (sscanf(line, "start %u", &mib) == 1)
		rc = log_start(mib);
	else if (!strcmp(line, "stop"))
		rc = log_stop();
	else
		rc = -EINVAL;
	mutex_unlock(&control);
	return rc ?: len;
}

static ssize_t file_read(struct file *file, char __user *to, size_t len, loff_t *pos)
{
	ssize_t rc;

	mutex_lock(&control);
	if (logging || !log_buf)
		rc = -EBUSY;
	else if (log_lost)
		rc = -ENOSPC;
	else
		rc = simple_read_from_buffer(to, len, pos, log_buf, log_used);
	mutex_unlock(&control);
	return rc;
}

static const struct file_operations file_ops = {
	.owner = THIS_MODULE,
	.write = file_write,
	.read = file_read,
	.llseek = default_llseek,
};

static struct miscdevice misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "dmo-recorder",
	.fops = &file_ops,
};

static int __init recorder_init(void)
{
	int rc;

	rc = misc_register(&misc);
	if (rc)
		return rc;
	rc = dm_register_target(&recorder_target);
	if (rc)
		goto bad_target;
	rc = register_tracepoint_module_notifier(&module_nb);
	if (rc)
		goto bad_notifier;
	return 0;
bad_notifier:
	dm_unregister_target(&recorder_target);
bad_target:
	misc_deregister(&misc);
	return rc;
}

static void __exit recorder_exit(void)
{
	unregister_tracepoint_module_notifier(&module_nb);
	tracepoint_synchronize_unregister();
	dm_unregister_target(&recorder_target);
	misc_deregister(&misc);
	vfree(log_buf);
}

module_init(recorder_init);
module_exit(recorder_exit);
MODULE_DESCRIPTION("Disks in memory that record what is done to them, for tests");
MODULE_LICENSE("GPL");
