/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The witness: is a volume's data device the one that it was, and was nothing
 * written to it past the target?
 *
 * Of each volume the metadata device has the persistent identity of its data
 * device, where it has one, and addresses and checksums of some blocks
 * (ondisk.h). An entry in the table on the disk is always true, or there is none:
 *
 *   secondary  an entry is withdrawn, durably, before its block is written (restore.c,
 *		receive.c); so all of them hold at any activation, a crash or not.
 *   primary	the host may write any block, and no write of ours goes with it; so
 *		entries count only where the last stop was a clean one (DMO_SBF_OPEN).
 *
 * Entries are made when a volume's last table goes: its data device is flushed, and
 * the blocks are read. Which: the first and the last, those written last, and some that
 * are spread over the volume; of those that are all zero only a few. At a secondary
 * restored chunks bring entries, too, in places kept for them, so that a power cut does not
 * leave the witness as old as the activation: those blocks are durable then, and
 * written next by the same thread.
 *
 * Locks: the table is guarded by meta->lock, but for @recent and @live, which are read and
 * written without one: @recent by one thread a session, @live to see whether to look at all.
 */
#ifndef DMO_WITNESS_H
#define DMO_WITNESS_H

#include "meta/meta.h"

#define DMO_WITNESS_RECENT	16
#define DMO_WITNESS_RESTORED	4	/* entries at most that a restore brings */

/* What the session knows of a volume beside the table on the disk. */
struct dmo_witness_known {
	bool trusted;		/* the entries hold: see above */
	u32 live;		/* entries */
	u32 at;			/* in @recent */
	u32 taken;		/* @at when a restore's entries were made last */
	u64 recent[DMO_WITNESS_RECENT];	/* blocks written last, +1; 0: none */
};

/**
 * dmo_witness_load - read the table; none is made where there is none
 * Context: dmo_meta_load(). Return: 0, or -ENOMEM. A table of which no copy is whole is
 * remembered, and refused by dmo_witness_check().
 */
int dmo_witness_load(struct dmo_meta *m, struct dmo_reason *why);
void dmo_witness_free(struct dmo_meta *m);

/**
 * dmo_witness_check - compare a data device with what is known of it
 * @index: of the volume in the superblock
 * @ident: identity of @bdev, "" if it has none
 * Context: sleeps, reads; takes meta->lock, but not while it reads. Nobody writes to the device.
 * Return: 0; -ESTALE with @why: it is another one, or was written to; else an error with @why.
 */
int dmo_witness_check(struct dmo_meta *m, u32 index, struct block_device *bdev, const char *ident,
		      struct dmo_reason *why);

/**
 * dmo_witness_adopt - from here on the volume's data device is one with this identity
 * @other: it was found to be another one: its entries are dropped
 * @writable: the host will write to it: entries count no more until they are made anew
 * Durable when it returns. Context: sleeps. Return: 0 or -EIO.
 */
int dmo_witness_adopt(struct dmo_meta *m, u32 index, const char *ident, bool other, bool writable);

/**
 * dmo_witness_withdraw - blocks of a volume are about to be written
 * If a restore brought an entry of theirs, all that it brought go: it writes to many of them again.
 * Durable when it returns. Context: sleeps if there is an entry of theirs. Return: 0 or -EIO.
 */
int dmo_witness_withdraw(struct dmo_meta *m, u32 volume, u64 block, u64 count);
/**
 * dmo_witness_withdraw_all - any block of any volume is
 */
int dmo_witness_withdraw_all(struct dmo_meta *m);

/**
 * dmo_witness_note - a block that was written just now. One thread at a time, any context.
 */
void dmo_witness_note(struct dmo_meta *m, u32 volume, u64 block);

/**
 * dmo_witness_renew - make the entries of a volume that nobody writes to any more
 * In memory; dmo_witness_store() makes them durable. Where the device can't be flushed or
 * read there are none. Context: sleeps, reads; takes meta->lock, but not while it reads.
 */
void dmo_witness_renew(struct dmo_meta *m, u32 index, struct block_device *bdev);

/**
 * dmo_witness_restored - entries of blocks that were noted since the last time, durable on @bdev
 * In memory; dmo_witness_store() makes them durable. Context: sleeps, reads; takes meta->lock, but not
 * while it reads. Nobody but the caller writes to the device.
 */
void dmo_witness_restored(struct dmo_meta *m, u32 index, struct block_device *bdev);
/**
 * dmo_witness_store - write the table if it changed. Context: sleeps. Return: 0 or -EIO.
 */
int dmo_witness_store(struct dmo_meta *m);

#endif /* DMO_WITNESS_H */
