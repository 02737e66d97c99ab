// SPDX-License-Identifier: GPL-2.0-only
/*
 * Disks with a volatile cache, and bios.
 *
 * @cur is what reads see, @durable what is on the medium, @log the completed writes between the
 * two, in order. A flush makes durable what had completed when it was submitted. After a power cut
 * any subset of @log and of the writes in flight may have reached the medium, by sectors.
 * Contents are immutable 4 KiB buffers with counted references, so that an image costs pointers.
 */
#include <stdlib.h>
#include "meta/ident.h"
#include "format/ondisk.h"
#include "sim.h"

#define MAX_DISKS	128
#define MAX_BLOCKS	260		/* a bio: 1 MiB and unaligned ends */

struct log_entry {
	struct list_head node;
	u64 seq;
	u64 block;
	u8 mask;
	struct sim_buf *buf;	/* NULL: zeroes */
};

struct request {
	struct list_head node;
	struct bio *bio;
	struct sim_disk *disk;
	struct sim_event event;
	u64 start;
	u32 nr;			/* sectors */
	u32 op;
	bool preflush, fua, sampled, stalled;
	u64 flush_upto;
	u32 nr_bufs;
	struct sim_buf *bufs[MAX_BLOCKS];
};

struct sim_disk {
	struct block_device bdev;
	char ident[DMO_IDENT_LEN];
	struct host *host;
	u64 sectors, blocks;
	u64 room;		/* of the arrays */
	struct sim_buf **cur, **durable;
	struct list_head log;
	u64 nr_log, log_seq;
	struct list_head inflight;
	u32 nr_inflight;
	struct disk_faults faults;
	u64 errors;
	u32 base_us, slow_percent, slow_ms;
	bool hold;
	u32 stall;		/* requests until the one that is kept back; 0: none is */
	u64 stall_below;
	void (*on_stall)(struct sim_disk *d);
	disk_observer observer;
	void *arg;
	disk_backend backend;
	void *backend_arg;
};

static struct sim_disk disks[MAX_DISKS];
static u32 nr_disks;
static LIST_HEAD(log_pool);
static LIST_HEAD(request_pool);
static struct sim_buf *buf_pool;	/* linked by their data */
static dev_t next_dev;

/* ---- buffers ---- */

static struct sim_buf *buf_new(void)
{
	struct sim_buf *b = buf_pool;

	if (b)
		memcpy(&buf_pool, b->data, sizeof(buf_pool));
	else
		b = malloc(sizeof(*b));
	b->refs = 1;
	return b;
}

static inline struct sim_buf *buf_get(struct sim_buf *b)
{
	if (b)
		b->refs++;
	return b;
}

static inline void buf_put(struct sim_buf *b)
{
	if (!b || --b->refs)
		return;
	memcpy(b->data, &buf_pool, sizeof(buf_pool));
	buf_pool = b;
}

static void copy_sectors(u8 *to, const u8 *from, u8 mask)
{
	u32 i;

	for (i = 0; i < 8; i++) {
		if (!(mask & (1u << i)))
			continue;
		if (from)
			memcpy(to + i * 512, from + i * 512, 512);
		else
			memset(to + i * 512, 0, 512);
	}
}

/* @mask of *@slot becomes what @buf says. */
static void lay(struct sim_buf **slot, u8 mask, struct sim_buf *buf)
{
	struct sim_buf *n;

	if (mask == 0xff) {
		buf_get(buf);
		buf_put(*slot);
		*slot = buf;
		return;
	}
	if (!mask || (!*slot && !buf))
		return;
	n = buf_new();
	copy_sectors(n->data, *slot ? (*slot)->data : NULL, (u8)~mask);
	copy_sectors(n->data, buf ? buf->data : NULL, mask);
	buf_put(*slot);
	*slot = n;
}

/* ---- life ---- */

static void disk_reset(struct sim_disk *d);

void disk_begin(void)
{
	while (nr_disks)
		disk_reset(&disks[--nr_disks]);
	next_dev = 0x800;
}

static u32 pushed_disks;

void disk_push(void)
{
	pushed_disks = nr_disks;
}

void disk_pop(void)
{
	while (nr_disks > pushed_disks)
		disk_reset(&disks[--nr_disks]);
}

static void log_free(struct sim_disk *d, struct log_entry *e)
{
	buf_put(e->buf);
	list_move(&e->node, &log_pool);
	d->nr_log--;
}

static void request_free(struct request *q)
{
	u32 i;

	for (i = 0; i < q->nr_bufs; i++)
		buf_put(q->bufs[i]);
	q->nr_bufs = 0;
	q->disk->nr_inflight--;
	list_move(&q->node, &request_pool);
}

static void forget_pending(struct sim_disk *d)
{
	while (!list_empty(&d->log))
		log_free(d, list_first_entry(&d->log, struct log_entry, node));
	while (!list_empty(&d->inflight)) {
		struct request *q = list_first_entry(&d->inflight, struct request, node);

		sim_event_cancel(&q->event);
		request_free(q);
	}
}

static void disk_reset(struct sim_disk *d)
{
	u64 i;

	forget_pending(d);
	for (i = 0; i < d->blocks; i++) {
		buf_put(d->cur[i]);
		buf_put(d->durable[i]);
	}
}

struct sim_disk *disk_new(struct host *h, const char *name, u64 sectors)
{
	struct sim_disk *d = &disks[nr_disks];
	u64 room = d->room;
	struct sim_buf **cur = d->cur, **durable = d->durable;

	if (nr_disks++ == MAX_DISKS)
		abort();
	memset(d, 0, sizeof(*d));
	d->sectors = sectors;
	d->blocks = (sectors + 7) / 8;
	if (room < d->blocks) {
		free(cur);
		free(durable);
		room = d->blocks;
		cur = malloc(room * sizeof(*cur));
		durable = malloc(room * sizeof(*durable));
	}
	d->room = room;
	d->cur = cur;
	d->durable = durable;
	memset(cur, 0, d->blocks * sizeof(*cur));
	memset(durable, 0, d->blocks * sizeof(*durable));
	INIT_LIST_HEAD(&d->log);
	INIT_LIST_HEAD(&d->inflight);
	d->host = h;
	d->base_us = 100;
	d->bdev.bd_dev = next_dev++;
	sim_strscpy(d->bdev.name, name, sizeof(d->bdev.name));
	d->bdev.disk = d;
	d->bdev.host = h;
	d->bdev.lbs = 512;
	return d;
}

struct block_device *disk_bdev(struct sim_disk *d) { return &d->bdev; }
u64 disk_sectors(struct sim_disk *d) { return d->sectors; }
void disk_set_ident(struct sim_disk *d, const char *ident)
{
	memset(d->ident, 0, sizeof(d->ident));
	strncpy(d->ident, ident, sizeof(d->ident) - 1);
}

const char *disk_ident(struct sim_disk *d) { return d->ident; }

void dmo_ident_read(struct block_device *bdev, char *out)
{
	memset(out, 0, DMO_IDENT_LEN);
	if (bdev->disk)
		memcpy(out, bdev->disk->ident, DMO_IDENT_LEN);
}

struct disk_faults *disk_faults(struct sim_disk *d) { return &d->faults; }
void *disk_observer_arg(struct sim_disk *d) { return d->arg; }
u32 disk_inflight(struct sim_disk *d) { return d->nr_inflight; }
u64 disk_errors(struct sim_disk *d) { return d->errors; }

void disk_set_latency(struct sim_disk *d, u32 base_us, u32 slow_percent, u32 slow_ms)
{
	d->base_us = base_us;
	d->slow_percent = slow_percent;
	d->slow_ms = slow_ms;
}

void disk_observe(struct sim_disk *d, disk_observer fn, void *arg)
{
	d->observer = fn;
	d->arg = arg;
}

void disk_set_backend(struct sim_disk *d, disk_backend fn, void *arg)
{
	d->backend = fn;
	d->backend_arg = arg;
}

u64 bdev_nr_sectors(struct block_device *b)
{
	return b->disk ? b->disk->sectors : 0;
}

u64 disk_unflushed(struct sim_disk *d)
{
	struct request *q;
	u64 n = d->nr_log;

	list_for_each_entry(q, &d->inflight, node)
		n += op_is_write(q->op) && q->nr;
	return n;
}

/* ---- the medium ---- */

static u8 block_mask(u64 block, u64 start, u64 end)
{
	u64 from = max(block * 8, start) - block * 8, to = min(block * 8 + 8, end) - block * 8;

	return (u8)((0xffu << from) & (0xffu >> (8 - to)));
}

static void make_durable(struct sim_disk *d, u64 upto)
{
	while (!list_empty(&d->log)) {
		struct log_entry *e = list_first_entry(&d->log, struct log_entry, node);

		if (e->seq > upto)
			break;
		lay(&d->durable[e->block], e->mask, e->buf);
		log_free(d, e);
	}
}

/* One block's write has ended well. */
static void apply(struct sim_disk *d, u64 block, u8 mask, struct sim_buf *buf, bool fua)
{
	struct log_entry *e, *n;

	lay(&d->cur[block], mask, buf);
	if (fua) {
		list_for_each_entry_safe(e, n, &d->log, node) {
			if (e->block != block)
				continue;
			e->mask &= ~mask;
			if (!e->mask)
				log_free(d, e);
		}
		lay(&d->durable[block], mask, buf);
		return;
	}
	if (list_empty(&log_pool)) {
		e = malloc(sizeof(*e));
		list_add(&e->node, &d->log);
	} else {
		e = list_first_entry(&log_pool, struct log_entry, node);
	}
	list_move_tail(&e->node, &d->log);
	e->seq = ++d->log_seq;
	e->block = block;
	e->mask = mask;
	e->buf = buf_get(buf);
	d->nr_log++;
}

const void *disk_block(struct sim_disk *d, u64 block)
{
	return d->cur[block] ? d->cur[block]->data : NULL;
}

const void *disk_medium(struct sim_disk *d, u64 block)
{
	return d->durable[block] ? d->durable[block]->data : NULL;
}

void disk_write_now(struct sim_disk *d, u64 sector, u32 nr, const void *data)
{
	const u8 *from = data;
	u64 b;

	for (b = sector / 8; b <= (sector + nr - 1) / 8; b++) {
		u8 mask = block_mask(b, sector, sector + nr);
		struct sim_buf *buf = NULL;
		u32 i;

		if (data) {
			buf = buf_new();
			for (i = 0; i < 8; i++)
				if (mask & (1u << i)) {
					memcpy(buf->data + i * 512, from, 512);
					from += 512;
				}
		}
		lay(&d->cur[b], mask, buf);
		lay(&d->durable[b], mask, buf);
		buf_put(buf);
	}
}

void disk_read_now(struct sim_disk *d, u64 sector, u32 nr, void *data)
{
	u8 *to = data;

	for (; nr; nr--, sector++, to += 512) {
		struct sim_buf *b = d->cur[sector / 8];

		if (b)
			memcpy(to, b->data + sector % 8 * 512, 512);
		else
			memset(to, 0, 512);
	}
}

/* ---- requests ---- */

/* Call @fn for each piece of @bio's data: position in bytes from its start. */
#define for_each_piece(bio, pos, ptr, len) \
	for (struct bvec_iter __i = (bio)->bi_iter; \
	     __i.bi_size && ({ \
		const struct bio_vec *__v = &(bio)->bi_io_vec[__i.bi_idx]; \
		(len) = min(__v->bv_len - __i.bi_bvec_done, __i.bi_size); \
		(ptr) = (u8 *)page_address(__v->bv_page) + __v->bv_offset + __i.bi_bvec_done; \
		(pos) = (bio)->bi_iter.bi_size - __i.bi_size; true; }); \
	     __i.bi_size -= (len), __i.bi_bvec_done += (len), \
	     __i.bi_bvec_done == (bio)->bi_io_vec[__i.bi_idx].bv_len ? \
		(__i.bi_idx++, __i.bi_bvec_done = 0) : 0)

/* What the disk takes from the host's memory now. */
static void sample(struct request *q)
{
	u64 first = q->start / 8, at;
	u32 pos, len, off, n;
	u8 *ptr;

	if (q->sampled || q->op != REQ_OP_WRITE || !q->nr)
		return;
	q->sampled = true;
	q->nr_bufs = (q->start + q->nr - 1) / 8 - first + 1;
	for (n = 0; n < q->nr_bufs; n++)
		q->bufs[n] = buf_new();
	for_each_piece(q->bio, pos, ptr, len) {
		u32 left = len;

		for (at = q->start * 512 + pos; left; at += n, ptr += n, left -= n) {
			off = at % 4096;
			n = min(left, 4096 - off);
			memcpy(q->bufs[at / 4096 - first]->data + off, ptr, n);
		}
	}
}

static void write_blocks(struct sim_disk *d, struct request *q, u32 how_many)
{
	u64 first = q->start / 8, last = (q->start + q->nr - 1) / 8, b;

	for (b = first; b <= last && how_many; b++, how_many--)
		apply(d, b, block_mask(b, q->start, q->start + q->nr),
		      q->op == REQ_OP_WRITE ? q->bufs[b - first] : NULL, q->fua);
}

static void read_data(struct sim_disk *d, struct request *q)
{
	u32 pos, len, n, left, off;
	u8 *ptr;
	u64 at;

	for_each_piece(q->bio, pos, ptr, len) {
		left = len;
		for (at = q->start * 512 + pos; left; at += n, ptr += n, left -= n) {
			struct sim_buf *b = d->cur[at / 4096];

			off = at % 4096;
			n = min(left, 4096 - off);
			if (b)
				memcpy(ptr, b->data + off, n);
			else
				memset(ptr, 0, n);
		}
	}
}

static bool fails(struct sim_disk *d, struct request *q, u32 chance)
{
	struct disk_faults *f = &d->faults;

	if (!chance || (f->to && q->nr && (q->start + q->nr <= f->from || q->start >= f->to)))
		return false;
	if (rng_below(&sim_sched, 256) >= chance)
		return false;
	d->errors++;
	return true;
}

static void finish(void *arg)
{
	struct request *q = arg;
	struct sim_disk *d = q->disk;
	struct bio *bio = q->bio;
	blk_status_t status = BLK_STS_OK;
	u64 start = q->start;
	u32 nr = q->nr, op = q->op;

	if (q->preflush || q->op == REQ_OP_FLUSH) {
		if (fails(d, q, d->faults.flush))
			status = BLK_STS_IOERR;
		else
			make_durable(d, q->flush_upto);
	}
	if (status) {
		;
	} else if (q->op == REQ_OP_READ) {
		if (fails(d, q, d->faults.read))
			status = BLK_STS_IOERR;
		else
			read_data(d, q);
	} else if (q->nr) {
		sample(q);
		if (q->op != REQ_OP_WRITE && d->faults.zero_unsupported) {
			status = BLK_STS_NOTSUPP;
		} else if (fails(d, q, d->faults.write)) {
			/* none of it, some, or all */
			write_blocks(d, q, rng_below(&sim_sched, MAX_BLOCKS) <
				     (MAX_BLOCKS / 2) ? 0 : rng_below(&sim_sched, MAX_BLOCKS));
			status = BLK_STS_IOERR;
		} else {
			write_blocks(d, q, UINT_MAX);
		}
	}
	request_free(q);
	bio->bi_status = status;
	if (d->observer && op_is_write(op) && nr && status != BLK_STS_NOTSUPP)
		d->observer(d, start, nr, status);
	bio_endio(bio);
}

static void due(void *arg)
{
	struct request *q = arg;

	sim_spawn(q->disk->host, finish, q, "irq", true);
}

u64 sim_delay(u32 base_us, u32 jitter_us)
{
	return (base_us + (jitter_us ? rng_below(&sim_sched, jitter_us + 1) : 0)) * SIM_US;
}

static void schedule_request(struct sim_disk *d, struct request *q)
{
	u64 t = sim_delay(d->base_us / 4, d->base_us * 2);

	if (d->slow_percent && rng_chance(&sim_sched, d->slow_percent))
		t += rng_below(&sim_sched, d->slow_ms + 1) * SIM_MS;
	sim_event_set(&q->event, sim_now + t, due, q, d->host);
}

bool disk_is_held(const struct sim_disk *d)
{
	return d->hold;
}

void disk_hold(struct sim_disk *d, bool hold)
{
	struct request *q;

	d->hold = hold;
	if (hold)
		return;
	list_for_each_entry(q, &d->inflight, node)
		if (!q->stalled && !q->event.index && !q->event.fn)
			schedule_request(d, q);
}

void disk_stall(struct sim_disk *d, u32 nth, u64 below, void (*fn)(struct sim_disk *d))
{
	struct request *q;

	d->stall = nth;
	d->stall_below = below;
	d->on_stall = fn;
	list_for_each_entry(q, &d->inflight, node) {
		if (!q->stalled)
			continue;
		q->stalled = false;
		if (!d->hold)
			schedule_request(d, q);
	}
}

bool disk_stalled(struct sim_disk *d)
{
	struct request *q;

	list_for_each_entry(q, &d->inflight, node)
		if (q->stalled)
			return true;
	return false;
}

/* Is @q the one that all others are to overtake? */
static bool stalls(struct sim_disk *d, struct request *q)
{
	if (!d->stall || !(q->preflush || q->fua))
		return false;
	if (d->stall_below && (!q->nr || q->start >= d->stall_below))
		return false;
	return !--d->stall;
}

static void disk_submit(struct sim_disk *d, struct bio *bio)
{
	struct request *q, *o;

	if (list_empty(&request_pool)) {
		q = malloc(sizeof(*q));
		q->nr_bufs = 0;
		list_add(&q->node, &d->inflight);
	} else {
		q = list_first_entry(&request_pool, struct request, node);
	}
	list_move_tail(&q->node, &d->inflight);
	d->nr_inflight++;
	q->bio = bio;
	q->disk = d;
	memset(&q->event, 0, sizeof(q->event));
	if (op_is_write(bio_op(bio)) && bio->bi_opf & REQ_POLLED)
		sim_fail("a write that others wait for ends only when its submitter polls");
	q->start = bio->bi_iter.bi_sector;
	q->nr = bio_sectors(bio);
	q->op = bio_op(bio);
	q->preflush = bio->bi_opf & REQ_PREFLUSH;
	q->fua = bio->bi_opf & REQ_FUA;
	q->sampled = false;
	q->stalled = stalls(d, q);
	q->flush_upto = d->log_seq;
	if (q->start + q->nr > d->sectors || bio->bi_iter.bi_size % d->bdev.lbs)
		sim_fail("I/O beyond the end of %s, or not whole sectors: %llu+%u", d->bdev.name,
			 q->start, q->nr);
	if (op_is_write(q->op) && q->nr)
		list_for_each_entry(o, &d->inflight, node)
			if (o != q && op_is_write(o->op) && o->nr && o->start < q->start + q->nr &&
			    q->start < o->start + o->nr)
				sim_fail("overlapping writes in flight on %s: %llu+%u and %llu+%u",
					 d->bdev.name, o->start, o->nr, q->start, q->nr);
	/* a disk may fetch the data at any time */
	if (rng_next(&sim_sched) & 1)
		sample(q);
	if (q->stalled)
		d->on_stall(d);
	else if (!d->hold)
		schedule_request(d, q);
}

void disk_each_inflight(struct sim_disk *d, void (*fn)(u64 start, u32 nr, u32 op, const void *data,
						       void *arg), void *arg)
{
	struct request *q;

	list_for_each_entry(q, &d->inflight, node) {
		u32 pos, len = 0;
		u8 *ptr = NULL;

		for_each_piece(q->bio, pos, ptr, len) {
			(void)pos;
			break;
		}
		fn(q->start, q->nr, q->op, len >= 512 ? ptr : NULL, arg);
	}
}

/* ---- power cut ---- */

static u8 survives(enum disk_survive how, struct sim_rng *r, u32 chance)
{
	switch (how) {
	case DISK_NOTHING:
		return 0;
	case DISK_ALL:
		return 0xff;
	case DISK_BLOCKS:
		return rng_below(r, 256) < chance ? 0xff : 0;
	case DISK_SECTORS:
		return (u8)(rng_next(r) & rng_next(r)) | (rng_below(r, 256) < chance ? 0xff : 0);
	}
	return 0;
}

static void cut_into(struct sim_buf **medium, struct sim_disk *d, enum disk_survive how,
		     struct sim_rng *r)
{
	u32 chance = rng_below(r, 257);
	struct log_entry *e;
	struct request *q;
	u64 forced = 0, b;

	/* data behind a flush is there only if all before the flush is */
	if (how != DISK_NOTHING)
		list_for_each_entry(q, &d->inflight, node)
			if (q->preflush && q->flush_upto > forced && rng_next(r) & 1)
				forced = q->flush_upto;
	list_for_each_entry(e, &d->log, node)
		lay(&medium[e->block],
		    e->mask & (e->seq <= forced ? 0xff : survives(how, r, chance)), e->buf);
	list_for_each_entry(q, &d->inflight, node) {
		u64 first = q->start / 8, end = q->start + q->nr;

		if (!op_is_write(q->op) || !q->nr || how == DISK_NOTHING ||
		    (q->preflush && q->flush_upto > forced))
			continue;
		sample(q);
		for (b = first; b <= (end - 1) / 8; b++)
			lay(&medium[b], block_mask(b, q->start, end) & survives(how, r, chance),
			    q->op == REQ_OP_WRITE ? q->bufs[b - first] : NULL);
	}
}

void disk_power_cut(struct sim_disk *d, enum disk_survive how, struct sim_rng *r)
{
	u64 i;

	cut_into(d->durable, d, how, r);
	forget_pending(d);
	for (i = 0; i < d->blocks; i++) {
		if (d->cur[i] == d->durable[i])
			continue;
		buf_get(d->durable[i]);
		buf_put(d->cur[i]);
		d->cur[i] = d->durable[i];
	}
	d->hold = false;
	d->stall = 0;
}

void disk_copy_from(struct sim_disk *d, struct sim_disk *from, enum disk_survive how,
		    struct sim_rng *r)
{
	u64 i;

	disk_reset(d);
	memcpy(d->ident, from->ident, sizeof(d->ident));
	for (i = 0; i < d->blocks; i++) {
		d->cur[i] = NULL;
		d->durable[i] = buf_get(from->durable[i]);
	}
	cut_into(d->durable, from, how, r);
	for (i = 0; i < d->blocks; i++)
		d->cur[i] = buf_get(d->durable[i]);
}

/* ---- bios ---- */

int bioset_init(struct bio_set *bs, unsigned int pool, unsigned int front, int flags)
{
	(void)flags;
	memset(bs, 0, sizeof(*bs));
	if (sim_alloc_fails(GFP_KERNEL))
		return -ENOMEM;
	bs->front = front;
	sim_reserve_init(&bs->reserve, (int)pool);
	return 0;
}

void bioset_exit(struct bio_set *bs)
{
	if (bs->reserve.init && bs->reserve.left != bs->reserve.min)
		sim_fail("%d bios of a set are missing", bs->reserve.min - bs->reserve.left);
	bs->reserve.init = false;
}

struct bio *bio_alloc_bioset(struct block_device *b, unsigned short nr, blk_opf_t opf, gfp_t gfp,
			     struct bio_set *bs)
{
	struct host *h = sim_host();
	struct bio *bio;
	char *p;

	sim_point();
	if (gfp & GFP_NOWAIT) {
		if (sim_alloc_fails(gfp))
			return NULL;
	} else {
		might_sleep();
		if (h->fails.atomic && rng_below(&sim_sched, 256) < h->fails.atomic)
			sim_reserve_wait(&bs->reserve);
	}
	p = sim_kmalloc_host(h, bs->front + sizeof(*bio) + nr * sizeof(struct bio_vec), 0);
	bio = (struct bio *)(p + bs->front);
	bio_init(bio, b, bio->bi_inline_vecs, nr, opf);
	bio->bi_pool = bs;
	return bio;
}

struct bio *bio_alloc(struct block_device *b, unsigned short nr, blk_opf_t opf, gfp_t gfp)
{
	static struct bio_set fs_bio_set = { .reserve.left = INT_MAX };	/* shared, without end */

	return bio_alloc_bioset(b, nr, opf, gfp, &fs_bio_set);
}

void bio_init(struct bio *bio, struct block_device *b, struct bio_vec *v, unsigned short max,
	      blk_opf_t opf)
{
	memset(bio, 0, offsetof(struct bio, bi_inline_vecs));
	bio->bi_bdev = b;
	bio->bi_opf = opf;
	bio->bi_io_vec = v;
	bio->bi_max_vecs = max;
	bio->refs = 1;
}

void bio_put(struct bio *bio)
{
	struct bio_set *bs = bio->bi_pool;

	if (bio->refs-- != 1 || !bs)
		sim_fail("bio_put of a bio that is gone");
	sim_reserve_refill(&bs->reserve);
	sim_kfree((char *)bio - bs->front);
}

void bio_endio(struct bio *bio)
{
	sim_point();
	if (bio->bi_end_io)
		bio->bi_end_io(bio);
}

void __bio_add_page(struct bio *bio, struct page *p, unsigned int len, unsigned int off)
{
	if (bio->bi_vcnt >= bio->bi_max_vecs)
		sim_fail("bio is full");
	bvec_set_page(&bio->bi_io_vec[bio->bi_vcnt++], p, len, off);
	bio->bi_iter.bi_size += len;
}

struct bio_vec bio_iter_iovec(struct bio *bio, struct bvec_iter i)
{
	struct bio_vec v = bio->bi_io_vec[i.bi_idx];

	v.bv_offset += i.bi_bvec_done;
	v.bv_len = min(v.bv_len - i.bi_bvec_done, i.bi_size);
	return v;
}

void bio_advance_iter_single(struct bio *bio, struct bvec_iter *i, unsigned int n)
{
	i->bi_sector += n >> 9;
	i->bi_size -= n;
	i->bi_bvec_done += n;
	if (i->bi_bvec_done == bio->bi_io_vec[i->bi_idx].bv_len) {
		i->bi_idx++;
		i->bi_bvec_done = 0;
	}
}

void dm_submit(struct mapped_device *md, struct bio *bio);

void submit_bio(struct bio *bio)
{
	sim_point();
	if (bio->bi_bdev->host != sim_host())
		sim_fail("I/O to another host's disk");
	if (bio->bi_bdev->disk && bio->bi_bdev->disk->backend)
		bio->bi_bdev->disk->backend(bio->bi_bdev->disk->backend_arg, bio);
	else if (bio->bi_bdev->disk)
		disk_submit(bio->bi_bdev->disk, bio);
	else
		dm_submit(bio->bi_bdev->md, bio);
	sim_point();
}

static void wait_end(struct bio *bio)
{
	complete(bio->bi_private);
}

int submit_bio_wait(struct bio *bio)
{
	struct completion done;

	might_sleep();
	init_completion(&done);
	bio->bi_private = &done;
	bio->bi_end_io = wait_end;
	submit_bio(bio);
	wait_for_completion(&done);
	return blk_status_to_errno(bio->bi_status);
}

int blkdev_issue_flush(struct block_device *b)
{
	struct bio bio;

	bio_init(&bio, b, NULL, 0, REQ_OP_WRITE | REQ_PREFLUSH);
	return submit_bio_wait(&bio);
}

unsigned int bdev_write_zeroes_sectors(struct block_device *b)
{
	(void)b;
	return UINT_MAX;
}

int blkdev_issue_zeroout(struct block_device *b, sector_t sector, sector_t nr, gfp_t gfp,
			 unsigned int flags)
{
	struct bio bio;

	(void)gfp;
	if (!(flags & BLKDEV_ZERO_NOFALLBACK))
		sim_fail("zeroes may be written as data");
	bio_init(&bio, b, NULL, 0, REQ_OP_WRITE_ZEROES);
	bio.bi_iter.bi_sector = sector;
	bio.bi_iter.bi_size = (u32)nr << 9;
	return submit_bio_wait(&bio);
}

/* Granules of GRANULE sectors, the first one cut off; those whose number is no multiple of three become zero. */
#define GRANULE		24u
#define GRANULE_AT	8u

unsigned int bdev_max_discard_sectors(struct block_device *b)
{
	(void)b;
	return UINT_MAX >> 9;
}

unsigned int bdev_discard_granularity(struct block_device *b)
{
	(void)b;
	return GRANULE << 9;
}

unsigned int bdev_discard_alignment(struct block_device *b)
{
	(void)b;
	return GRANULE_AT << 9;
}

int blkdev_issue_discard(struct block_device *b, sector_t sector, sector_t nr, gfp_t gfp)
{
	struct bio_vec vecs[GRANULE / PAGE_SECTORS];
	struct bio bio;
	u32 i;
	int rc = 0;

	(void)gfp;
	if ((sector - GRANULE_AT) % GRANULE || nr % GRANULE)
		sim_fail("a discard of a part of a granule: %llu+%llu", (u64)sector, (u64)nr);
	for (; nr && !rc; sector += GRANULE, nr -= GRANULE) {
		if (sector / GRANULE % 3 == 0)
			continue;
		bio_init(&bio, b, vecs, ARRAY_SIZE(vecs), REQ_OP_WRITE);
		bio.bi_iter.bi_sector = sector;
		for (i = 0; i < ARRAY_SIZE(vecs); i++)
			__bio_add_page(&bio, ZERO_PAGE(0), PAGE_SIZE, 0);
		rc = submit_bio_wait(&bio);
	}
	return rc;
}

/* Path of a device: its name. */
struct block_device *sim_find_bdev(struct host *h, const char *name);
struct block_device *sim_find_bdev(struct host *h, const char *name)
{
	u32 i;

	for (i = 0; i < nr_disks; i++)
		if (disks[i].host == h && !strcmp(disks[i].bdev.name, name))
			return &disks[i].bdev;
	return NULL;
}
