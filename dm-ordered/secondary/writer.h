/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes the blocks of records to the data devices: in order where they
 * overlap, in parallel where they don't. Used by restore.c (committed chunks)
 * and receive.c (direct mode), each with a writer of its own.
 */
#ifndef DMO_WRITER_H
#define DMO_WRITER_H

#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include "journal/record.h"

struct dmo_wbio;

/**
 * struct dmo_writer - one thread at a time calls the functions below
 * @lock: @inflight, @nr, @pages, @error, @error_volume. Irq-safe, innermost.
 * @error: first error since dmo_writer_begin(), of @error_volume
 * @dirty: by index in the volume list: written since the last good flush.
 *	Only the calling thread.
 * @zero_known: by index in the volume list: DMO_ZERO_*
 * @cur: write under construction. Only the calling thread.
 * @bdev: data device of a volume, or NULL
 * @stop: true: give up at the next descriptor; may be NULL
 */
struct dmo_writer {
	struct bio_set bs;
	spinlock_t lock;
	wait_queue_head_t wait;
	struct list_head inflight;
	u32 nr, pages;
	int error;
	u32 error_volume;
	DECLARE_BITMAP(dirty, DMO_MAX_VOLUMES);
	unsigned long zero_known[DMO_MAX_VOLUMES];
	struct dmo_wbio *cur;
	const struct dmo_volume_info *vols;
	u32 nr_vols;
	struct block_device *(*bdev)(void *owner, u32 volume);
	bool (*stop)(void *owner);
	void *owner;
};

int dmo_writer_init(struct dmo_writer *w, const struct dmo_volume_info *vols, u32 nr_vols,
		    struct block_device *(*bdev)(void *owner, u32 volume),
		    bool (*stop)(void *owner), void *owner);
/**
 * dmo_writer_exit - waits for what is in flight
 */
void dmo_writer_exit(struct dmo_writer *w);

/**
 * dmo_writer_begin - forget an earlier error; nothing is in flight
 */
void dmo_writer_begin(struct dmo_writer *w);

/**
 * dmo_writer_write - begin to write what record @r holds
 * The descriptors were checked against the volume list. @r is held by
 * reference until its last write has ended. Zeroes are written before it
 * returns. Overlaps with earlier writes are written in the order of the calls,
 * and in the order of the descriptors.
 * Context: sleeps (room, overlaps, zeroes).
 * Return: 0, -ECANCELED when told to stop, or the writer's error, by now.
 */
int dmo_writer_write(struct dmo_writer *w, struct dmo_record *r);

/**
 * dmo_writer_wait - until nothing is in flight; any thread. Return: the writer's error
 */
int dmo_writer_wait(struct dmo_writer *w);

/**
 * dmo_writer_flush - wait, then flush every device written since the last good flush
 * Return: 0: all written before is durable, else the writer's error.
 */
int dmo_writer_flush(struct dmo_writer *w);

static inline bool dmo_writer_dirty(const struct dmo_writer *w)
{
	return !bitmap_empty(w->dirty, DMO_MAX_VOLUMES);
}

#endif /* DMO_WRITER_H */
