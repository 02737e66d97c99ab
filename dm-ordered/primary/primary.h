/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The primary side of a session, as the session and the target see it. Behind
 * it: write.c (from map() to end_io), copyout.c, ship.c (send thread), chunk.c
 * and range.c (the store), primary.c (the cycle thread), peer.c (the secondary).
 */
#ifndef DMO_PRIMARY_H
#define DMO_PRIMARY_H

#include <linux/workqueue.h>
#include "engine/engine.h"
#include "format/cstate.h"
#include "link/link.h"
#include "meta/meta.h"
#include "store/chunk.h"

struct dmo_primary;

/**
 * struct dmo_pri_ops - what the primary needs of the session
 * @post: frame without data to the peer; dropped if there is no link. Sleeps.
 * @kick: wake the send thread up. Sleeps.
 * @abort: end the link with a reason. Sleeps.
 * @event: raise a netlink event. @volume -1: none. Sleeps.
 */
struct dmo_pri_ops {
	void (*post)(void *owner, u16 type, struct dmo_cut tag, u64 arg);
	void (*kick)(void *owner);
	void (*abort)(void *owner, const char *why);
	void (*event)(void *owner, u32 event, struct dmo_cut cut, int volume, const char *why);
};

/* what both roles can, for the session */
extern const struct dmo_role_ops dmo_primary_role;

enum dmo_io_kind { DMO_IO_OTHER, DMO_IO_FLUSH, DMO_IO_WRITE };

/**
 * struct dmo_io - per-bio data of the target
 * @chunk: that a write is counted into
 * @range: block lock of a write; or @zones, of one on whole zones that are to be zero
 * @work: next step in a worker: restart, copy-out, zero-out; or @wait: for a merge
 * @closing: zeroes that may be the last of a zone; @range is all of it
 * @tracked: FLUSH: this flush is the one that is tracked
 * @vecs: the slots' pages, which the bio is written from; NULL if it has none. @own_vecs if
 *	there are few
 */
struct dmo_io {
	struct dmo_range range;
	struct dmo_long *zones;
	struct dmo_primary *p;
	struct dmo_vol *vol;
	struct dmo_chunk *chunk;
	struct bio *bio;
	union {
		struct work_struct work;
		struct list_head wait;
	};
	u64 sector;
	u32 nr;
	u8 kind;
	bool zero;
	bool closing;
	bool tracked;
	struct bio_vec *vecs;
	struct bio_vec own_vecs[4];
};

/**
 * dmo_primary_create - begin a cycle; raises and stores the epoch, marks the
 * superblock open, clears ASSUME_EQUAL
 * Context: sleeps, writes the metadata device.
 */
struct dmo_primary *dmo_primary_create(struct dmo_meta *m, const struct dmo_pri_ops *ops,
				       void *owner, const char *name, struct dmo_reason *why);
/**
 * dmo_primary_free - no I/O is in flight, the link is stopped. Clears the open mark.
 */
void dmo_primary_free(struct dmo_primary *p);

void dmo_primary_set_bdev(struct dmo_primary *p, u32 index, struct block_device *bdev);
/**
 * dmo_primary_copy_all - a data device isn't the one that it was: the next link copies all of it. No link
 * is up.
 */
void dmo_primary_copy_all(struct dmo_primary *p);
/**
 * dmo_primary_set_active - may the data devices be read for shipping? Waits for a read in hand
 */
void dmo_primary_set_active(struct dmo_primary *p, bool active);

/**
 * dmo_primary_map_write - WRITE, DISCARD, WRITE_ZEROES; the bio is taken over (DM_MAPIO_SUBMITTED).
 * Never sleeps, never fails.
 */
void dmo_primary_map_write(struct dmo_primary *p, u32 index, struct dmo_io *io, struct bio *bio);
/**
 * dmo_primary_map_flush - empty flush; the caller submits it
 */
void dmo_primary_map_flush(struct dmo_primary *p, u32 index, struct dmo_io *io);
/**
 * dmo_primary_end - the target's end_io, for both. Any context.
 */
void dmo_primary_end(struct dmo_io *io, blk_status_t status);

void dmo_primary_hello(struct dmo_primary *p, struct dmo_hello *h);
void dmo_primary_link_up(struct dmo_primary *p, const struct dmo_hello *peer,
			 enum dmo_relation rel);
/**
 * dmo_primary_is_up - was the link that there is taken up by the cycle thread? Any context.
 */
bool dmo_primary_is_up(struct dmo_primary *p);
/**
 * dmo_primary_link_down - its threads have ended
 */
void dmo_primary_link_down(struct dmo_primary *p);
int dmo_primary_frame(struct dmo_primary *p, const struct dmo_frame_hdr *h, struct dmo_reason *why);
int dmo_primary_produce(struct dmo_primary *p, struct dmo_link *l, struct dmo_reason *why);

/**
 * dmo_primary_switch - end the cycle when possible; Return: the cut that covers all writes
 * that have ended by now
 */
struct dmo_cut dmo_primary_switch(struct dmo_primary *p);
void dmo_primary_set(struct dmo_primary *p, u32 cycle_ms, u64 budget);
/**
 * dmo_primary_meta_error - a write to the metadata device has failed: an event, once
 */
void dmo_primary_meta_error(struct dmo_primary *p);

struct dmo_pri_chunk {
	u32 state;
	u64 seq, slots, refs, zeroes, bytes;
};

struct dmo_pri_status {
	u64 seq, epoch;
	struct dmo_cut cut, complete, committed, restored;
	u64 committed_ns, lag_ms, mem_used, copy_left;
	struct dmo_pri_chunk active, older;
	u32 block;
	unsigned long block_since;
	bool copying, copy_pending, peer_inconsistent;
	bool no_copy;		/* there is no state of the peer that a lag could be counted from */
	u32 peer_cond;		/* enum dmo_condition */
	unsigned long peer_cond_since;	/* jiffies; may be before this side's activation */
	u64 chunk_max;		/* of the last link's peer, 0: none yet */
	u64 copy_total;
	unsigned long copy_since;
	struct dmo_reason why;
};
void dmo_primary_status(struct dmo_primary *p, bool sending, struct dmo_pri_status *st);

/* struct dmo_vol of a volume, for its unit and statistics */
struct dmo_vol *dmo_primary_vol(struct dmo_primary *p, u32 index);

#endif /* DMO_PRIMARY_H */
