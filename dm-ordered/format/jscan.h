/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Journal scan: which chunks does a ring hold? Pure; the caller does the I/O.
 * Used at activation (recover.c), by orderedctl dump and by the tests.
 *
 * Ring positions are block indexes 0..size-1 relative to journal_start. A
 * record never crosses the end of the ring: if the rest is too short for it,
 * it starts at 0. So the successor of a record is sought right behind it and,
 * if it isn't there, at 0; only the successor's sequence together with its
 * predecessor's checksum is accepted (R3).
 */
#ifndef DMO_JSCAN_H
#define DMO_JSCAN_H

#include "format/ondisk.h"

/* A complete chunk found. */
struct dmo_jchunk {
	struct list_head node;
	struct dmo_cut tag, table;
	u64 time_ns;
	u32 flags;		/* DMO_LASTF_* */
	u64 activation;		/* that made its cut */
	u64 start, start_seq;	/* first record of it (where the scan stood) */
	u32 start_prev_csum;
	u64 end, end_seq;	/* position and sequence behind its LAST */
	u32 end_csum;
	u64 nr_desc;
	bool committed;
};

/* Where the writer is, or the scan stands. */
struct dmo_jpos {
	u64 pos;		/* next block to write or look at */
	u64 seq;		/* sequence of the next record */
	u32 prev_csum;
};

struct dmo_jscan {
	const u8 *uuid;
	u64 size;		/* ring, blocks */
	u64 used;		/* blocks walked from the tail, to notice a full circle */
	struct dmo_jpos at;	/* where the scan stands */
	struct dmo_jpos good;	/* behind the last LAST, COMMIT or JUMP accepted: new head */
	u64 good_used;		/* blocks from the tail to good */
	u64 max_seq;		/* highest sequence accepted */
	struct list_head chunks;/* complete ones, oldest first */
	struct dmo_cut committed;	/* highest tag of a COMMIT record */
	/* the open chunk */
	u64 records, descs;
	u32 csum;
	bool open;
	struct dmo_jpos open_at;
	bool wrapped_try, ended;
	bool due;		/* the last header was that of the record expected */
	struct dmo_reason why; /* why the scan ended */
};

/**
 * dmo_jscan_init - begin a scan at the tail
 * @s: scan
 * @uuid: session UUID, must stay valid
 * @size: ring size in blocks
 * @tail: from the state block
 */
void dmo_jscan_init(struct dmo_jscan *s, const u8 *uuid, u64 size, struct dmo_jpos tail);

/* What the caller is to do next. */
enum dmo_jscan_next {
	DMO_JSCAN_HEADER,	/* give the block at s->at.pos to dmo_jscan_header() */
	DMO_JSCAN_BODY,		/* give the nr_blocks data blocks behind it to dmo_jscan_body() */
	DMO_JSCAN_END,		/* done; s->good, s->chunks, s->committed are final */
	DMO_JSCAN_NOMEM,
};

/**
 * dmo_jscan_header - feed the block at s->at.pos
 * @buf: DMO_BLOCK bytes; kept by the caller until the body is done
 * @rec: decoded header, for the body
 * An unreadable block is passed as NULL: it ends the scan like a bad one.
 */
enum dmo_jscan_next dmo_jscan_header(struct dmo_jscan *s, const void *buf, struct dmo_rec *rec);

/**
 * dmo_jscan_body - feed the data blocks of the record just accepted
 * @hdr: its descriptor block
 * @data: rec->nr_blocks blocks, one after the other, or NULL if unreadable
 * Every descriptor's checksum is verified.
 */
enum dmo_jscan_next dmo_jscan_body(struct dmo_jscan *s, const void *hdr,
				   const struct dmo_rec *rec, const void *data);

/**
 * dmo_jscan_release - free the chunk list
 */
void dmo_jscan_release(struct dmo_jscan *s);

/**
 * dmo_jpos_fit - where a record of @blocks goes: @pos or 0 if it would cross the end
 * @skip: blocks lost at the end
 */
u64 dmo_jpos_fit(u64 pos, u64 size, u32 blocks, u32 *skip);

#endif /* DMO_JSCAN_H */
