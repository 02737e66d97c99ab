/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The journal ring of a secondary: append, boundary, commit, drop, reclaim.
 * The rules are at the top of journal.c.
 */
#ifndef DMO_JOURNAL_H
#define DMO_JOURNAL_H

#include <linux/bio.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include "format/jscan.h"
#include "journal/record.h"
#include "meta/meta.h"

/**
 * struct dmo_boundary - a complete chunk in the ring, not yet restored
 * @start: its first record, or its LAST
 * @last_seq: sequence of its LAST
 * @records: those of its records that are kept in memory, in order
 */
struct dmo_boundary {
	struct list_head node;
	struct dmo_cut tag, table;
	u64 time_ns;
	u32 flags;		/* DMO_LASTF_* */
	u64 activation;		/* that made its cut */
	struct dmo_jpos start;
	u64 last_seq;
	struct list_head records;
	bool committed;
};

/**
 * struct dmo_journal - the ring
 * @base, @size: where it is and how large, blocks
 * @append: mutex of whoever writes to the ring or moves its head. Taken
 *	outside @m->lock. Held over network reads by the receive thread.
 * @lock: irq-safe spinlock, innermost: everything between @head and
 *	@unflushed. Of these @head, @good and the open chunk change only
 *	under @append (@good also under @m->lock), @tail, @reach and @restored only
 *	under @m->lock. Boundaries are added under @append, removed under @m->lock.
 * @wait: something in flight ended, or the tail has moved
 * @head: where the next record goes
 * @good: behind the last LAST or COMMIT, or the tail: where a JUMP goes
 * @tail: oldest record needed, as on disk
 * @reach: LAST and COMMIT may lie less than this many blocks behind @tail, as on disk
 * @open_at, @open_records, @open_desc, @open_csum, @open_kept: the open chunk
 * @inflight: DATA records being written
 * @error: of one of these
 * @unflushed: DATA records were written since the device's cache was last flushed
 * @block: buffer for records of one block, under @append
 */
struct dmo_journal {
	struct dmo_meta *m;
	u64 base, size;
	struct bio_set bs;
	struct mutex append;
	spinlock_t lock;
	wait_queue_head_t wait;

	struct dmo_jpos head, good, tail;
	u64 reach;
	struct list_head boundaries;	/* oldest first */
	u32 uncommitted;		/* boundaries without a COMMIT */
	struct dmo_cut complete, committed, restored;
	u64 activation;			/* that made @complete, 0: none */
	u64 committed_ns;		/* wall clock of @committed, 0: unknown */
	struct dmo_jpos open_at;
	u64 open_records, open_desc;
	u32 open_csum;
	struct list_head open_kept;
	u32 inflight;
	int error;
	bool unflushed;

	void *block;
};

int dmo_journal_init(struct dmo_journal *j, struct dmo_meta *m);
/**
 * dmo_journal_exit - waits for what is in flight; frees boundaries and records
 */
void dmo_journal_exit(struct dmo_journal *j);

/**
 * dmo_journal_adopt - take over what a scan found
 * @good: behind the last LAST or COMMIT it accepted (not behind a JUMP), or the tail
 * @used: blocks from the tail to @good; all of them, if they are the same place again
 * The boundaries were put into @j->boundaries by the caller.
 * Holds @append. Return: 0, or -EUCLEAN if no JUMP would fit.
 */
int dmo_journal_adopt(struct dmo_journal *j, struct dmo_jpos good, u64 used, struct dmo_reason *why);

/* The activation that made the newest boundary; 0: there is none. */
u64 dmo_journal_activation(struct dmo_journal *j);
/* The newest cut complete, committed, restored; any may be NULL. */
void dmo_journal_cuts(struct dmo_journal *j, struct dmo_cut *complete,
		      struct dmo_cut *committed, struct dmo_cut *restored);
struct dmo_journal_status {
	struct dmo_cut complete, committed, restored;
	u64 committed_ns;	/* wall clock of the committed cut, 0: unknown */
	u64 bytes, used;
};
void dmo_journal_status(struct dmo_journal *j, struct dmo_journal_status *st);
/* Blocks of the ring in use. */
u64 dmo_journal_used(struct dmo_journal *j);
/* Blocks from ring position @pos, of the tail or behind it, to the end of what is complete. */
u64 dmo_journal_behind(struct dmo_journal *j, u64 pos);
/* Bytes of data that the largest chunk may have. */
u64 dmo_journal_chunk_max(const struct dmo_journal *j);
/* Does a DATA record of @nr_blocks data blocks fit, or a LAST? Holds @append. */
bool dmo_journal_fits_data(struct dmo_journal *j, u32 nr_blocks);
bool dmo_journal_fits_last(struct dmo_journal *j);
/* Is there a committed chunk, whose restore will free space? */
bool dmo_journal_frees(struct dmo_journal *j);

/**
 * dmo_journal_append - begin to write a DATA record
 * @r: descriptors and data in place; fits; its references are taken here, one
 *	for the write and, if it is kept, one for the open chunk
 * Holds @append. Sleeps.
 */
int dmo_journal_append(struct dmo_journal *j, struct dmo_record *r);

/**
 * dmo_journal_last - end the open chunk: wait for its records, then make it a
 * boundary, durably
 * @b: tag, table, time_ns, flags set; belongs to the journal if this succeeds
 * Holds @append. Sleeps.
 */
int dmo_journal_last(struct dmo_journal *j, struct dmo_boundary *b);

/**
 * dmo_journal_commit - commit every boundary up to @tag, durably
 * Return: number of boundaries committed by this, or negative.
 * Holds @append. Sleeps.
 */
int dmo_journal_commit(struct dmo_journal *j, struct dmo_cut tag);

/**
 * dmo_journal_drop - durably drop the open chunk
 * @always: write a JUMP even if it holds nothing as far as is known (recovery)
 * Holds @append. Sleeps.
 */
int dmo_journal_drop(struct dmo_journal *j, bool always);

/**
 * dmo_journal_release - move the tail, durably
 * @upto: it and everything older is on the data devices, durably; NULL: nothing more is
 * Boundaries up to it are freed. Sleeps.
 */
int dmo_journal_release(struct dmo_journal *j, struct dmo_boundary *upto);

/**
 * dmo_journal_discard - damage: forget every boundary, move the tail to the head
 * The caller has marked the data INCONSISTENT. Holds @append. Sleeps.
 */
int dmo_journal_discard(struct dmo_journal *j);

/**
 * dmo_journal_oldest - oldest boundary if it is committed, else NULL
 */
struct dmo_boundary *dmo_journal_oldest(struct dmo_journal *j);
/**
 * dmo_journal_next - the one behind @b if it is committed, else NULL; restore only
 */
struct dmo_boundary *dmo_journal_next(struct dmo_journal *j, struct dmo_boundary *b);
/**
 * dmo_journal_empty - no boundary at all
 */
bool dmo_journal_empty(struct dmo_journal *j);

/**
 * dmo_journal_read - @nr blocks at ring position @pos into the pages of @r from @first on
 */
int dmo_journal_read(struct dmo_journal *j, u64 pos, struct dmo_record *r, u32 first, u32 nr);

#endif /* DMO_JOURNAL_H */
