/* SPDX-License-Identifier: GPL-2.0-only */
/* Inside of the primary: shared by primary.c, write.c, copyout.c and ship.c only. */
#ifndef DMO_PRIMARY_PRIV_H
#define DMO_PRIMARY_PRIV_H

#include <linux/bio.h>
#include <linux/rwsem.h>
#include <linux/wait.h>
#include "primary/primary.h"

/* Direct mode (design section 4). Set by the cycle thread unless told. */
enum dmo_direct {
	DMO_DIRECT_OFF,
	DMO_DIRECT_BEGIN,	/* DIRECT_BEGIN posted, no answer yet */
	DMO_DIRECT_RUN,		/* receive thread: DIRECT_READY came; a pass is under way */
	DMO_DIRECT_PASSED,	/* send thread: pass done, the last SYNC is out */
	DMO_DIRECT_SYNCED,	/* receive thread: SYNCED came; the rest can be cut */
	DMO_DIRECT_FINISH,	/* the rest is the older chunk, with END_OF_COPY */
};

#define DMO_SYNC_EXTENTS	2048
#define DMO_SYNC_BYTES		(64u << 20)

/* Units sent in direct mode and not known to be durable at the peer. */
struct dmo_extent {
	u16 vol;
	u32 nr;
	u64 unit;
};

struct dmo_window {
	u32 nr;
	u64 bytes;
	struct dmo_extent ext[DMO_SYNC_EXTENTS];
};

/**
 * struct dmo_ship - the send thread's own; nobody else touches it while a link is up
 * @records, @descs, @csum: of the chunk since it began on this link, for LAST
 * @zone_vol, @zone, @stripe, @vol, @block: where the walk over zero zones, slots and references is
 * @filling: window being filled; the other one waits for SYNCED if @syncing
 */
struct dmo_ship {
	u64 records, descs;
	u32 csum;
	u64 ring_bytes;		/* what they take in the peer's ring; the cycle thread reads it */
	u64 gen;		/* p->ship_gen this walk belongs to */
	u32 zone_vol;
	u64 zone;
	u32 stripe;
	u32 vol;
	u64 block;
	u32 sync_sent;		/* step of the copy that the last SYNC named, on whatever link */
	struct dmo_desc *desc;	/* DMO_WIRE_MAX_DESC */
	struct page **page;	/* the same number; references into slots, or @own */
	struct page **own;	/* pages for blocks read from the disk */
	struct bio_vec *bvec;	/* 4 a block */
	struct dmo_slot *copy;	/* of slots taken, DMO_WIRE_MAX_DESC */
	u32 nr, nr_bvec, data_len, data_blocks;
	u32 nr_own;		/* pages of @own in use */
};

#define DMO_PF_KICK		0	/* cycle thread: look again */
#define DMO_PF_WRITE_ERROR	1	/* a local write failed */
#define DMO_PF_FLUSH_ERROR	2	/* a flush failed; vol->reship says where */
#define DMO_PF_META_ERROR	3	/* the metadata device failed, and it was said */

/**
 * struct dmo_primary
 * @active_sem: read: local reads for shipping; write: @active changes
 * @lock: irq-safe; guards all below it; inside it nothing but store counters
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
	/* cycle thread: random; names the direct copy until the next COMPLETE */
	u64 copy_id;
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
	enum dmo_chunk_state older;	/* by dmo_chunk_next() only */
	struct dmo_cut older_cut;
	u32 older_flags;		/* DMO_LASTF_* */
	u64 older_ns;			/* wall clock of its cut */
	bool last_sent;			/* LAST of it went out on this link */
	u64 ship_gen;			/* changes when what is to be shipped changes */
	unsigned long older_since;	/* jiffies of the last state change */
	/* merge */
	bool merging;			/* the older chunk is gone from @older, not yet from the store */
	bool merge_wanted;
	char merge_why[96];
	struct list_head merge_waiters;	/* struct dmo_io */
	bool drop_pending;		/* DROP sent, DROPPED awaited: not ready */
	/* what is known of the peer */
	bool up;			/* link up and its consequences drawn */
	bool link_new;			/* receive thread: up, cycle thread has not looked yet */
	enum dmo_relation rel;
	u32 peer_flags;
	u64 peer_copy_id, peer_epoch, peer_chunk_max;
	u32 peer_cond;			/* enum dmo_condition, on this link */
	unsigned long peer_cond_since;
	bool large_said;		/* cycle thread: DMO_EVENT_LARGE, until it is less again */
	u32 peer_copy_step;
	struct dmo_cut peer_complete, peer_committed;
	/*
	 * What is tracked holds against one peer's state only: one that stands at @complete or
	 * @last_cut_sent; or, from the begin of a direct copy to its end (@copy_begun), is in the
	 * middle of @copy_id at @copy_step or ship.sync_sent, or stands at the copy's end
	 * (@last_cut_sent, if @last_ends_copy).
	 */
	bool based;
	bool copy_all;			/* a data device was exchanged: no peer fits */
	bool full;			/* began with, or fell back to, all references */
	bool link_gone;			/* link lost, cycle thread has not looked yet */
	/* results */
	struct dmo_cut cut, complete, committed, restored, last_cut_sent;
	u64 complete_ns, committed_ns;
	ktime_t complete_since;		/* when the chunk that is COMPLETE got its first block */
	/* direct mode */
	enum dmo_direct direct;
	unsigned long direct_since;
	u64 copy_total;			/* bytes, as it began */
	unsigned long copy_since;
	bool copy_begun;
	bool last_ends_copy;
	u32 copy_step;			/* the newest that the peer has said to be durable */
	bool syncing;
	/* errors */
	u32 error_vol;
	bool read_error;		/* a reference can't be read; cleared when one can */
	unsigned long read_error_since, read_retry;
	char why[DMO_REASON_LEN];

	struct dmo_ship ship;
	struct dmo_window *win[2];	/* send thread; link_down() when it has ended */
	u8 filling;
};

/* primary.c */
void dmo_primary_kick(struct dmo_primary *p);		/* any context */
u64 dmo_primary_refs_bytes(struct dmo_primary *p);	/* what references cover; any context */
void dmo_primary_want_merge(struct dmo_primary *p, struct dmo_io *io, const char *why);
void dmo_primary_error(struct dmo_primary *p, u32 volume, const char *fmt, ...) __printf(3, 4);

/* write.c */
void dmo_write_restart(struct dmo_io *io);		/* in a worker */
bool dmo_write_needs_copyout(struct dmo_io *io, u8 old);
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
int dmo_ship_init(struct dmo_primary *p);
void dmo_ship_destroy(struct dmo_primary *p);
void dmo_ship_reset(struct dmo_primary *p);		/* new link, send thread not running yet */
void dmo_ship_unack(struct dmo_primary *p);		/* link lost in direct mode */

#endif /* DMO_PRIMARY_PRIV_H */
