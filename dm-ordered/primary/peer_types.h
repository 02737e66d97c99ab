/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A peer of the primary: all that is about one secondary. What there is to be replicated, the
 * cycle and its chunks, is the primary's (primary_priv.h); functions are in peer.c and ship.c.
 */
#ifndef DMO_PEER_TYPES_H
#define DMO_PEER_TYPES_H

#include <linux/ktime.h>
#include "format/pstate.h"
#include "format/wire.h"
#include "store/chunk.h"

struct dmo_primary;

/*
 * What is tracked here, against which state of the peer it holds. EQUAL or ALL at an
 * activation; BASED by the receive thread (DIRECT_READY), the send thread (LAST) and the cycle
 * thread (a link to a peer that is equal); ALL again when the cycle thread starts over.
 */
enum dmo_tracked {
	DMO_TRACKED_EQUAL,	/* all that changed since the peer was equal: fits one that says so */
	DMO_TRACKED_ALL,	/* everything is to be copied: fits any */
	DMO_TRACKED_BASED,	/* what changed since a state that was sent to it; see struct dmo_peer */
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
 */
struct dmo_ship {
	u64 records, descs;
	u32 csum;
	u64 frames;		/* DATA frames on this link */
	u64 first;		/* number of the first of @records, 0: there is none */
	struct dmo_cut cut;	/* of the older chunk */
	u64 ring_bytes;		/* what they take in the peer's ring; the cycle thread reads it */
	u64 gen;		/* peer->ship_gen this walk belongs to */
	u32 zone_vol;
	u64 zone;
	u32 stripe;
	u32 vol;
	u64 block;
	struct dmo_desc *desc;	/* DMO_WIRE_MAX_DESC */
	struct page **page;	/* the same number; references into slots, or @own */
	struct page **own;	/* pages for blocks read from the disk */
	struct bio_vec *bvec;	/* 4 a block */
	struct dmo_slot *copy;	/* of slots taken, DMO_WIRE_MAX_DESC */
	u32 nr, nr_bvec, data_len, data_blocks;
	u32 nr_own;		/* pages of @own in use */
};

/**
 * struct dmo_peer_hello - what the peer said in its HELLO, and how it was judged; receive thread
 * @flags: DMO_SBF_*; INCONSISTENT follows what happens since: set by DIRECT_READY, cleared by the
 *	cycle thread as the copy's end is COMPLETE
 * @copy_id: also of the copy that DIRECT_READY answered
 * @rel: SAME, set by the cycle thread, as a copy's end is COMPLETE
 */
struct dmo_peer_hello {
	enum dmo_relation rel;
	u32 flags;
	u32 copy_step;
	u64 copy_id, epoch;
	u64 chunk_max;			/* 0: there was no link yet */
	struct dmo_cut complete, committed;
};

/**
 * struct dmo_copy - the direct copy to a peer
 * @id: cycle thread: random; names it until the next COMPLETE
 * @begun: receive thread: the peer is in the midst of @id, or at its end
 * @step: the newest that the peer has said to be durable
 * @sync_sent: step that the last SYNC named, on whatever link
 * @filling: window being filled; the other one waits for SYNCED if @syncing
 * @win: send thread; the cycle thread when the link is lost
 */
struct dmo_copy {
	enum dmo_direct direct;		/* by dmo_direct_next() only */
	unsigned long direct_since;
	u64 total;			/* bytes, as it began */
	unsigned long since;
	u64 id;
	bool begun;
	u32 step;
	u32 sync_sent;
	bool syncing;
	u8 filling;
	struct dmo_window *win[2];
};

/**
 * struct dmo_peer - guarded by p->lock but for @large_said, @ship and copy.win
 * @p: whose peer it is; for ever
 *
 * In BASED what is tracked holds against one peer's state only: one that stands at @complete or
 * @last_cut_sent; or, from the begin of a direct copy to its end (copy.begun), is in the
 * middle of copy.id at copy.step or copy.sync_sent, or stands at the copy's end
 * (@last_cut_sent, if @last_ends_copy).
 */
struct dmo_peer {
	struct dmo_primary *p;
	/* by dmo_peer_next() only; CAME: receive thread, GONE: link_down(), else the cycle thread */
	enum dmo_peer_link link;
	struct dmo_peer_hello hello;
	/* receive thread: its condition, on this link */
	u32 cond;			/* enum dmo_condition */
	unsigned long cond_since;
	/* what it has and lacks */
	enum dmo_tracked tracked;
	bool copy_all;			/* a data device was exchanged: no peer fits, whatever is tracked */
	struct dmo_cut complete, committed, restored, last_cut_sent;
	bool last_ends_copy;
	u64 complete_ns, committed_ns;
	ktime_t complete_since;		/* when the chunk that is COMPLETE got its first block */
	struct dmo_copy copy;
	/* what is sent to it */
	bool last_sent;			/* LAST of the older chunk went out on this link */
	u64 ship_gen;			/* changes when what is to be shipped changes */
	bool drop_pending;		/* DROP sent, DROPPED awaited: not ready */
	bool large_said;		/* cycle thread: DMO_EVENT_LARGE, until it is less again */
	bool read_error;		/* a reference can't be read; cleared when one can */
	unsigned long read_error_since, read_retry;
	struct dmo_ship ship;
};

#endif /* DMO_PEER_TYPES_H */
