/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The secondary side of a session, as the session sees it. Behind it:
 * journal.c (ring: append, commit, reclaim), receive.c (frames to records),
 * restore.c (committed chunks to the data devices), recover.c (activation).
 */
#ifndef DMO_SECONDARY_H
#define DMO_SECONDARY_H

#include "engine/engine.h"
#include "link/link.h"
#include "meta/meta.h"

struct dmo_secondary;

/**
 * struct dmo_sec_ops - what the secondary needs of the session
 * @data_bdev: data device of a volume id, NULL if not active. Only between
 *	dmo_secondary_start() and dmo_secondary_stop(), when all are.
 * @post: frame without data to the peer, dropped if there is no link. Sleeps.
 * @event: raise a netlink event (enum dmo_event). @volume -1: none.
 */
struct dmo_sec_ops {
	struct block_device *(*data_bdev)(void *owner, u32 volume);
	void (*post)(void *owner, u16 type, struct dmo_cut tag, u64 arg);
	void (*event)(void *owner, u32 event, struct dmo_cut cut, int volume, const char *why);
};

/* what both roles can, for the session */
extern const struct dmo_role_ops dmo_secondary_role;

int dmo_secondary_init(void);	/* module init: slab */
void dmo_secondary_exit(void);

/**
 * dmo_secondary_create - recover: scan the ring, verify every record, note the
 * complete and the committed chunks, and cut the remains of a partial one off
 * durably (jump)
 * @m: metadata device of a session with role SECONDARY
 * @budget: bytes of received pages that may be kept in memory for the restore
 * Context: sleeps, I/O on the metadata device only.
 */
struct dmo_secondary *dmo_secondary_create(struct dmo_meta *m, const struct dmo_sec_ops *ops,
					   void *owner, u64 budget, struct dmo_reason *why);
void dmo_secondary_free(struct dmo_secondary *s);

/**
 * dmo_secondary_start - every volume is active: restore may run. Idempotent.
 */
void dmo_secondary_start(struct dmo_secondary *s);
/**
 * dmo_secondary_stop - no restore I/O is in flight or starts any more when it returns;
 * call after the link was stopped. A restore in hand stops after the record it is at; it is
 * done again from the journal later.
 */
void dmo_secondary_stop(struct dmo_secondary *s);

/**
 * dmo_secondary_gate - presuspend (true): finish the restore in hand, start no
 * other, so that the data devices stand at a boundary (direct mode excepted);
 * resume (false). Sleeps. Counts: one gate per suspended volume.
 */
void dmo_secondary_gate(struct dmo_secondary *s, bool closed);
/**
 * dmo_secondary_wait_idle - wait until no restore is in hand; with a gate closed none begins
 */
void dmo_secondary_wait_idle(struct dmo_secondary *s);

/**
 * dmo_secondary_copy_all - a data device isn't the one that it was: INCONSISTENT, durably, and a
 * copy is needed. Before dmo_secondary_start(). Context: sleeps. Return: 0, or -EIO with @why
 */
int dmo_secondary_copy_all(struct dmo_secondary *s, struct dmo_reason *why);

/**
 * dmo_secondary_hello - fill role-specific fields of @h (flags, copy_id,
 * complete, committed, restored, chunk_max)
 */
void dmo_secondary_hello(struct dmo_secondary *s, struct dmo_hello *h);

/**
 * dmo_secondary_link_up - a new link: durably drop what the open chunk held (jump if it held
 * anything), take over the primary's line when it is due, forget the old link's SYNCs.
 * Receive thread, before any frame of the new link.
 */
int dmo_secondary_link_up(struct dmo_secondary *s, const struct dmo_hello *peer, struct dmo_reason *why);

/**
 * dmo_secondary_link_down - the link was stopped: wait for what it wrote to the
 * data devices in direct mode, and forget that it was in that mode
 * Call behind dmo_link_stop(), before a data device is let go of. Sleeps.
 */
void dmo_secondary_link_down(struct dmo_secondary *s);

/**
 * dmo_secondary_frame - a frame from the primary; receive thread; see struct dmo_link_ops @frame
 */
int dmo_secondary_frame(struct dmo_secondary *s, struct dmo_link *l,
			const struct dmo_frame_hdr *h, const void *payload, struct dmo_reason *why);

/**
 * dmo_secondary_is_direct - is a direct copy under way on this link?
 */
bool dmo_secondary_is_direct(struct dmo_secondary *s);

/**
 * dmo_secondary_may_promote - -EUCLEAN with a text if a copy is needed first, unless @force
 */
int dmo_secondary_may_promote(struct dmo_secondary *s, bool force, struct dmo_reason *why);

/**
 * dmo_secondary_finish - promotion: commit the newest boundary durably, restore all of it,
 * drop the rest
 * @cut: where it stopped
 * The link is stopped already. Sleeps until done. -EUCLEAN while INCONSISTENT unless
 * @force (then complete chunks are applied and the data stays what it is).
 */
int dmo_secondary_finish(struct dmo_secondary *s, bool force, struct dmo_cut *cut, struct dmo_reason *why);

struct dmo_sec_status {
	struct dmo_cut complete, committed, restored;
	u64 committed_ns;	/* wall clock of the committed cut, 0: unknown */
	u64 journal_bytes, journal_used;
	u64 mem_used;
	u32 block;		/* enum dmo_block_reason: JOURNAL_FULL, META_ERROR, RESTORE_ERROR, NOTHING */
	unsigned long block_since;	/* jiffies */
	bool inconsistent;
	bool direct;		/* a direct copy is under way on this link */
	unsigned long copy_since;	/* jiffies */
	u64 copy_left, copy_total;	/* bytes; total 0: the primary did not say */
	bool restoring;			/* what is committed is being restored */
	unsigned long restore_since;	/* jiffies */
	u64 restore_left, restore_total;	/* bytes of the ring */
	u64 chunk_max;
	struct dmo_reason why;
};
void dmo_secondary_status(struct dmo_secondary *s, struct dmo_sec_status *st);
/**
 * dmo_secondary_restore_status - only the fields of the restore: how far it has come. Waits for nothing.
 */
void dmo_secondary_restore_status(struct dmo_secondary *s, struct dmo_sec_status *st);

#endif /* DMO_SECONDARY_H */
