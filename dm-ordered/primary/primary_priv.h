/* SPDX-License-Identifier: GPL-2.0-only */
/* Inside of the primary: shared by primary.c, peer.c, write.c, copyout.c and ship.c only. */
#ifndef DMO_PRIMARY_PRIV_H
#define DMO_PRIMARY_PRIV_H

#include <linux/bio.h>
#include <linux/rwsem.h>
#include <linux/wait.h>
#include "format/policy.h"
#include "primary/peer_types.h"
#include "primary/primary.h"

#define DMO_PF_KICK		0	/* cycle thread: look again */
#define DMO_PF_WRITE_ERROR	1	/* a local write failed */
#define DMO_PF_FLUSH_ERROR	2	/* a flush failed; vol->reship says where */
#define DMO_PF_META_ERROR	3	/* the metadata device failed, and it was said */

/**
 * struct dmo_primary
 * @active_sem: read: local reads for shipping; write: @active changes
 * @lock: irq-safe; guards all below it, and of a chunk what is the primary's (struct dmo_chunk); inside it
 *	nothing but store counters
 * Everything the cycle thread does, switch, merge, release, reship, is
 * serialised by being done in that one thread.
 */
struct dmo_primary {
	struct dmo_meta *meta;
	const struct dmo_pri_ops *ops;
	void *owner;
	struct dmo_store *store;
	struct bio_set bios;
	struct workqueue_struct *wq;
	struct task_struct *thread;
	wait_queue_head_t wait;
	unsigned long flags;		/* DMO_PF_*, atomic */
	atomic64_t traced;		/* events, while somebody traces */

	struct rw_semaphore active_sem;
	bool active;

	spinlock_t lock;
	/* the cycle */
	u32 cycle_ms;
	u64 epoch;
	ktime_t last_switch;
	bool switch_wanted;
	u64 switch_seq;			/* ... of the cycle with this seq */
	struct dmo_cut cut;		/* the newest */
	/* merge */
	enum dmo_merge merge;		/* by dmo_merge_next() only */
	char merge_why[96];		/* of who wanted it first */
	struct list_head merge_waiters;	/* struct dmo_io */
	/* errors */
	u32 error_vol;
	struct dmo_reason why;

	struct dmo_peer peer;
};

/* primary.c */
void dmo_primary_kick(struct dmo_primary *p);		/* any context */
u64 dmo_primary_refs_bytes(struct dmo_primary *p);	/* what references cover; any context */
void dmo_primary_want_merge(struct dmo_primary *p, struct dmo_io *io, const char *why);
void dmo_primary_error(struct dmo_primary *p, u32 volume, const char *fmt, ...) __printf(3, 4);
/**
 * dmo_primary_step_chunk - a step of a chunk; p->lock is held
 */
void dmo_primary_step_chunk(struct dmo_primary *p, struct dmo_chunk *c, enum dmo_chunk_event ev);
/**
 * dmo_primary_merge_older - fold the older chunk into the active one. Cycle thread, sleeps.
 * Return: false if there is nothing to merge any more
 */
bool dmo_primary_merge_older(struct dmo_primary *p, const char *why);
/**
 * dmo_primary_raise_epoch - to one above @above, durably. Cycle thread, sleeps.
 */
int dmo_primary_raise_epoch(struct dmo_primary *p, u64 above);

/* peer.c */
void dmo_peer_init(struct dmo_peer *peer, struct dmo_primary *p);
/**
 * dmo_peer_step_direct - a step of the direct copy; p->lock is held
 */
void dmo_peer_step_direct(struct dmo_peer *peer, enum dmo_direct_event ev);
/**
 * dmo_peer_no_copy - is there no point in time at the peer that this side goes by? p->lock is held
 */
bool dmo_peer_no_copy(const struct dmo_peer *peer);
/**
 * dmo_peer_new_copy - what is sent directly from here on is of copy @id; p->lock is held
 */
void dmo_peer_new_copy(struct dmo_peer *peer, u64 id);
/**
 * dmo_peer_lost - the consequences of a link that is gone. Cycle thread, sleeps.
 */
void dmo_peer_lost(struct dmo_peer *peer);
/**
 * dmo_peer_established - the consequences of one that is there. Cycle thread, sleeps.
 */
void dmo_peer_established(struct dmo_peer *peer);

/* A chunk of so much is cut before its time, so that it does not outgrow the peer's journal. */
static inline u64 dmo_peer_early_bytes(const struct dmo_peer *peer)
{
	return DMO_EARLY_CUT(peer->hello.chunk_max);
}

/* write.c */
void dmo_write_restart(struct dmo_io *io);		/* in a worker */
bool dmo_write_needs_copyout(struct dmo_io *io, struct dmo_chunk *old);
int dmo_write_init(void);

/* The number of an event; only if trace_NAME_enabled(). */
static inline u64 dmo_trace_nr(struct dmo_primary *p)
{
	return atomic64_inc_return(&p->traced);
}

static inline u64 dmo_io_first(const struct dmo_io *io)
{
	return io->sector / DMO_BLOCK_SECTORS;
}

static inline u64 dmo_io_last(const struct dmo_io *io)
{
	return (io->sector + io->nr - 1) / DMO_BLOCK_SECTORS;
}

/* copyout.c */
void dmo_copyout_start(struct dmo_io *io);
/* Synchronous read of blocks into pages; the part of a last block that is beyond the
 * volume is zeroed. GFP_NOIO, sleeps.
 */
int dmo_read_blocks(struct dmo_primary *p, struct dmo_vol *v, u64 block, u32 nr,
		    struct page **pages);

/* ship.c */
int dmo_ship_init(struct dmo_peer *peer);
void dmo_ship_destroy(struct dmo_peer *peer);
void dmo_ship_reset(struct dmo_peer *peer);		/* new link, send thread not running yet */
void dmo_ship_unack(struct dmo_peer *peer);		/* link lost in direct mode */

#endif /* DMO_PRIMARY_PRIV_H */
