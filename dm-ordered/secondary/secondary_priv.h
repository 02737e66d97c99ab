/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files behind secondary.h share.
 *
 * Threads. The receive thread of the one link (receive.c) writes the ring and,
 * in direct mode, the data devices. The restore worker (restore.c) reads the
 * ring and writes the data devices and the state block. The session calls the
 * rest (secondary.c, recover.c).
 *
 * Locks, outermost first:
 *   j.append (mutex)   the receive thread for the whole of a frame; link_up, finish
 *   tell (mutex)       what the peer was told of the condition: so that it hears the newest last
 *   m->lock (mutex)    superblock and state block, the tail
 *   lock (spinlock)    marked fields below; j.lock, the writers' locks: no order
 *			among them, none is taken inside another
 * @ops is called with j.append held or none, never with another.
 *
 * Life. create: recover, no worker. start: the worker may run. stop: no I/O on
 * data devices any more. free: after stop; nobody else knows the object.
 */
#ifndef DMO_SECONDARY_PRIV_H
#define DMO_SECONDARY_PRIV_H

#include <linux/workqueue.h>
#include "format/sstate.h"
#include "journal/journal.h"
#include "secondary/secondary.h"
#include "secondary/writer.h"

#define DMO_MAX_VECS	(4 * DMO_WIRE_MAX_DESC)	/* a mask has at most four runs */

struct dmo_secondary {
	struct dmo_meta *m;
	const struct dmo_sec_ops *ops;
	void *owner;
	struct dmo_journal j;
	u64 budget;
	atomic64_t mem_used;
	struct workqueue_struct *wq;
	struct delayed_work restore_work;
	unsigned long events;		/* bits of enum sec_event: raised once */

	spinlock_t lock;		/* process context; everything up to @why */
	wait_queue_head_t wait;		/* @restore_state, @attempts, @started changed */
	/* may the worker begin? Nothing that is known of the restore changes with these */
	bool started;
	unsigned int gates;
	enum dmo_restore_state restore_state;	/* by dmo_sec_restore_step() only */
	struct {
		unsigned long since;	/* jiffies: the worker has had something in hand ... */
		u64 at;			/* ... ring position up to which it has restored ... */
		u64 done;		/* ... and how many blocks of the ring since then */
	} run;
	unsigned int attempts;		/* restores that failed since start */
	bool full;			/* the receive thread waits for room */
	enum dmo_copy_state copy_state;	/* by dmo_sec_copy_step() only */
	/* dmo_copy_over(): the data is a point in time when the chunk with this tag is restored */
	struct dmo_cut copy_end;
	struct {
		unsigned long since;	/* jiffies: direct mode begun on this link */
		u64 left;		/* bytes, as the primary said last */
		u64 total;		/* the most it ever said on this link, 0: it says nothing */
	} copy;
	bool near_full;			/* 7/8 of the ring are used, and it wasn't half empty since */
	unsigned long gate_since, near_since;	/* jiffies, of @gates, @near_full */
	unsigned long block_since;	/* jiffies, of a failure, of damage, or of @full */
	struct dmo_reason why;	/* of a failure, or of damage */

	struct mutex tell;		/* see above */
	u32 told;			/* enum dmo_condition, under @tell */

	/* restore worker */
	struct dmo_writer restore;
	struct dmo_rpool restore_pool;

	/* j.append */
	struct dmo_writer direct;
	struct dmo_rpool receive_pool;
	struct dmo_link *link;		/* whose frame is in hand */
	struct bio_vec *vecs;		/* DMO_MAX_VECS */
	struct dmo_cut said;		/* the peer was told that it is committed; under @lock */
	struct dmo_line peer_line;	/* of the link's primary; under j.append, as the next */
	u64 frames;			/* DATA frames taken from the link */
};

enum sec_event {
	DMO_SEC_META_ERROR,
};

/* -- secondary.c: */

/*
 * The peer hears what this side suffers from, if that is another thing than it was told last, or if it
 * was told nothing yet (@anew). Context: as @ops; none of the locks below @tell held.
 */
void dmo_sec_tell(struct dmo_secondary *s, bool anew);
/* The ring has been written to, or freed: is it nearly full now, or no longer? */
void dmo_sec_journal_moved(struct dmo_secondary *s);

/* The metadata device has failed: text to @why, event once. Return: -EIO. */
int dmo_sec_meta_error(struct dmo_secondary *s, struct dmo_reason *why);

/**
 * dmo_sec_damage - the ring does not give what was put there: mark the data
 * INCONSISTENT, durably, stop restoring, and say so
 * Context: restore worker, none of the mutexes held.
 */
void dmo_sec_damage(struct dmo_secondary *s, const char *why);

/* The only ways to change those states. Hold: s->lock. A step that is illegal is warned of, and not made. */
void dmo_sec_restore_step(struct dmo_secondary *s, enum dmo_restore_event ev);
void dmo_sec_copy_step(struct dmo_secondary *s, enum dmo_copy_event ev);
/* The state of the copy, now. */
enum dmo_copy_state dmo_sec_copy_state(struct dmo_secondary *s);

/* Set or clear INCONSISTENT, durably, with @copy_id. @line: take over the primary's line. */
int dmo_sec_set_inconsistent(struct dmo_secondary *s, bool on, u64 copy_id, bool line);
/* INCONSISTENT, and the chunk that ends the copy is complete, with @tag. */
void dmo_sec_copy_ended(struct dmo_secondary *s, struct dmo_cut tag);
/* INCONSISTENT, and not even a restore of all that is complete would end that? */
bool dmo_sec_needs_copy(struct dmo_secondary *s);
/* All up to @upto is restored, durably: clear INCONSISTENT if that was the end of a copy. */
int dmo_sec_copy_restored(struct dmo_secondary *s, struct dmo_cut upto);

/*
 * RESTORED never goes out before COMMITTED of the same cut, but the restore worker may be done
 * with it first: then whoever has just said COMMITTED(@tag) says it, here.
 */
void dmo_sec_said_committed(struct dmo_secondary *s, struct dmo_cut tag);
/* Return: may RESTORED(@tag) be said? */
bool dmo_sec_may_say_restored(struct dmo_secondary *s, struct dmo_cut tag);

/*
 * Commit everything complete; wait until it is restored. Holds j.append. Gives
 * up when the link in hand ends or the restore can't.
 */
int dmo_sec_commit_and_restore(struct dmo_secondary *s, struct dmo_reason *why);

/* -- restore.c: */

void dmo_restore_work(struct work_struct *work);
/* There may be something to restore. @now: even if a retry is being waited for. */
void dmo_restore_kick(struct dmo_secondary *s, bool now);
/* Wait until no restore is in hand. */
void dmo_restore_wait_idle(struct dmo_secondary *s);

/* -- recover.c: */

/* Fill the journal from the ring and cut the remains of a partial chunk off. */
int dmo_recover(struct dmo_secondary *s, struct dmo_reason *why);

#endif /* DMO_SECONDARY_PRIV_H */
