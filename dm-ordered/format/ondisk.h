/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * On-disk format of the metadata device; pure encode, decode and validation.
 * Byte-by-byte description: Documentation/on-disk-format.rst.
 *
 *   block 0..7     superblock, copy 0      (32 KiB)
 *   block 16..23   superblock, copy 1
 *   block 32       state block, slot 0     (only its first 512 bytes count)
 *   block 33       state block, slot 1
 *   block 34..48   witness of the data devices, copy 0
 *   block 49..63   the same, copy 1
 *   block 64..127  group table, two copies of 32 blocks (reserved, zero)
 *   bitmap_start   dirty bitmaps (reserved, zero; bitmap_blocks may be 0)
 *   journal_start  journal ring, to the end of the device
 *
 * All integers are little-endian. A block is 4096 bytes. Both roles use the
 * same format, so that a role change never reformats.
 *
 * The superblock changes seldom: format, activation, role, volumes, flags. The
 * state block changes with every restore: one 512-byte sector, so that no tear
 * can damage it. A change of either is written to one copy, then to the other,
 * each durably, with the same new generation: a crash leaves one of them whole, and
 * damage to one later loses nothing. At load the valid copy with the higher
 * generation wins.
 */
#ifndef DMO_ONDISK_H
#define DMO_ONDISK_H

#include "compat.h"
#include "uapi/dm-ordered.h"

#define DMO_SB_MAGIC		"dmORDsup"
#define DMO_STATE_MAGIC		"dmORDsta"
#define DMO_REC_MAGIC		"dmORDrec"
#define DMO_WIT_MAGIC		"dmORDwit"
#define DMO_FORMAT_VERSION	2

#define DMO_SB_BLOCKS		8
#define DMO_SB_BYTES		(DMO_SB_BLOCKS * DMO_BLOCK)
#define DMO_SB_BLOCK0		0
#define DMO_SB_BLOCK1		16
#define DMO_STATE_BLOCK0	32
#define DMO_STATE_BLOCK1	33
#define DMO_STATE_BYTES		512
#define DMO_WIT_BLOCK0		34
#define DMO_WIT_BLOCK1		49
#define DMO_WIT_BLOCKS		15
#define DMO_WIT_BYTES		(DMO_WIT_BLOCKS * DMO_BLOCK)
#define DMO_GROUP_START		64
#define DMO_GROUP_BLOCKS	64
#define DMO_DATA_START		128	/* first block for bitmaps, journal */
#define DMO_JOURNAL_MIN_BLOCKS	256	/* 1 MiB */
#define DMO_META_MIN_BLOCKS	(DMO_DATA_START + DMO_JOURNAL_MIN_BLOCKS)
#define DMO_MAX_LINE		64	/* activations that are remembered */
#define DMO_MAX_PEERS		8
#define DMO_MIN_VOLUME_SECTORS	2048	/* 1 MiB */
#define DMO_MAX_SESSION_SECTORS	(1ULL << 37)	/* 64 TiB */

/* Feature bits. Unknown incompat: refused. Unknown ro_compat: refused too
 * (a session always writes). Unknown compat: ignored and kept.
 */
#define DMO_INCOMPAT_WITNESS	(1ULL << 0)	/* the witness is kept, and heeded */
/*
 * Fields that have their place but no use yet, and are zero: bitmaps' bits, `sent` and `cleared`;
 * algorithms; the table's peers beyond the first. Each use will have a bit here.
 */
#define DMO_INCOMPAT_KNOWN	DMO_INCOMPAT_WITNESS
#define DMO_RO_COMPAT_KNOWN	0ULL

/* Superblock flags */
#define DMO_SBF_PLAIN		(1u << 0) /* links without authentication allowed */
#define DMO_SBF_INCONSISTENT	(1u << 1) /* secondary's data is no point in time */
#define DMO_SBF_ASSUME_EQUAL	(1u << 2) /* declared equal to the peer; cleared when
					   * a primary opens, or a link first comes up
					   */
#define DMO_SBF_OPEN		(1u << 3) /* active; cleared by a clean stop */
#define DMO_SBF_KNOWN		0xfu

/* Why something was refused, or failed: what is wrong, and what to do. */
struct dmo_reason {
	char text[DMO_REASON_LEN];
};

struct dmo_disk_volume {		/* 64 bytes */
	__le32 id;			/* 0..65535, chosen by the operator */
	__le32 lbs;			/* logical block size, 512..4096 */
	__le64 sectors;
	__le64 bitmap_block;		/* dirty bitmap: first block, in each peer's bitmap area */
	__le32 region_shift;		/* log2 of bytes a dirty bit covers, 0: no bitmap */
	__le32 flags;			/* 0 */
	__u8 reserved[32];
} __packed;

struct dmo_disk_cut {
	__le64 epoch;
	__le64 n;
} __packed;

/* A position: a cut, and the activation that made it. Cuts alone don't name a state (rule R8). */
struct dmo_disk_pos {			/* 24 bytes */
	__le64 activation;		/* random, 0: none */
	struct dmo_disk_cut cut;
} __packed;

struct dmo_disk_peer {			/* 64 bytes */
	__le32 id;			/* 1..DMO_MAX_PEERS, 0: no entry */
	__le32 flags;			/* 0 */
	__le64 bitmap_start;		/* its bitmap area, within that of the superblock */
	__le64 bitmap_blocks;
	__u8 reserved[40];
} __packed;

struct dmo_disk_super {			/* DMO_SB_BYTES */
	__u8 magic[8];
	__le32 csum;			/* CRC-32C of all DMO_SB_BYTES, this field 0 */
	__le32 version;			/* DMO_FORMAT_VERSION */
	__le64 generation;		/* of this copy */
	__le64 compat;
	__le64 ro_compat;
	__le64 incompat;
	__u8 uuid[DMO_UUID_LEN];
	__u8 label[DMO_LABEL_LEN];	/* NUL padded and terminated, ASCII */
	__le32 role;			/* enum dmo_role */
	__le32 flags;			/* DMO_SBF_* */
	__le64 meta_blocks;		/* size of the device at format */
	__le64 bitmap_start;
	__le64 bitmap_blocks;
	__le64 journal_start;
	__le64 journal_blocks;
	__le64 copy_id;			/* secondary: direct copy whose end is not restored, 0: none */
	__le64 created_ns;		/* wall clock */
	__le32 cycle_ms;
	__le32 budget_mib;
	__le32 link_timeout_ms;
	__le32 nr_volumes;
	__le32 nr_line;
	__le32 nr_peers;
	__u8 reserved0[446 - 216];
	__u8 mbr[512 - 446];		/* partition table for those who don't know us; not read */
	struct dmo_disk_peer peers[DMO_MAX_PEERS];
	struct dmo_disk_pos line[DMO_MAX_LINE];	/* newest first; cut: sent in it, 0,0: not noted */
	__u8 reserved1[4096 - 2560];
	struct dmo_disk_volume volumes[DMO_MAX_VOLUMES];
	__u8 reserved2[DMO_SB_BYTES - 4096 - DMO_MAX_VOLUMES * 64];
} __packed;

struct dmo_disk_state {			/* DMO_STATE_BYTES */
	__u8 magic[8];
	__le32 csum;			/* CRC-32C of 512 bytes, this field 0 */
	__le32 flags;			/* 0 */
	__le64 generation;		/* of this slot */
	__u8 uuid[DMO_UUID_LEN];
	__le64 epoch;			/* highest epoch accepted or raised */
	struct dmo_disk_cut newest;	/* newest tag made/known when written */
	struct dmo_disk_cut committed;	/* newest tag committed when written */
	struct dmo_disk_cut restored;	/* everything up to it is on the data devices */
	__le64 restored_ns;		/* wall clock of that cut */
	__le64 tail;			/* ring index (blocks) of the oldest record needed */
	__le64 tail_seq;		/* sequence expected there */
	__le32 tail_prev_csum;		/* predecessor's checksum expected there */
	__le32 copy_step;		/* secondary: newest durable step of the direct copy */
	__le64 seq_floor;		/* no record at or above it was ever written */
	struct dmo_disk_cut restored_table; /* table version of the restored cut */
	__le64 reach;			/* LAST, COMMIT: less than so many blocks behind the tail */
	__le64 restored_activation;	/* that made the restored cut */
	struct dmo_disk_pos sent;	/* 0: not noted */
	struct dmo_disk_pos cleared[DMO_MAX_PEERS];	/* by the peers table; 0: not noted */
	__u8 reserved[DMO_STATE_BYTES - 384];
} __packed;

/*
 * The witness: DMO_WIT_BYTES at most, a header, then a part of the same length for each volume of the
 * superblock, in its order: struct dmo_disk_witness_volume and @entries entries.
 */
#define DMO_IDENT_LEN		96
#define DMO_WITNESS_MAX		48	/* entries a volume */
#define DMO_WITNESS_NONE	(~0ULL)	/* block of an entry that there isn't */

struct dmo_disk_witness {		/* 64 bytes */
	__u8 magic[8];
	__le32 csum;			/* CRC-32C of @len bytes, this field 0 */
	__le32 len;			/* of header and volumes */
	__le64 generation;		/* of this copy */
	__u8 uuid[DMO_UUID_LEN];
	__le32 nr_volumes;
	__le32 entries;			/* a volume, 1..DMO_WITNESS_MAX */
	__u8 reserved[16];
} __packed;

struct dmo_disk_witness_volume {	/* 104 bytes */
	__le32 id;
	__le32 reserved;
	__u8 ident[DMO_IDENT_LEN];	/* text, NUL padded and terminated; empty: none */
} __packed;

struct dmo_disk_witness_entry {		/* 12 bytes */
	__le64 block;			/* of the volume; DMO_WITNESS_NONE: no entry */
	__le32 csum;			/* CRC-32C of its 4096 bytes */
} __packed;

enum dmo_rec_type {
	DMO_REC_DATA = 1,	/* descriptors, then one block per DATA descriptor */
	DMO_REC_LAST = 2,	/* end of a chunk: tag and totals; a boundary */
	DMO_REC_COMMIT = 3,	/* every complete chunk up to tag is committed */
	DMO_REC_JUMP = 4,	/* the successor bears next_seq; what the open chunk
				 * held so far is dropped
				 */
};

/* LAST flags */
#define DMO_LASTF_END_OF_COPY	(1u << 0) /* with it the data is a point in time again */

enum dmo_desc_type {
	DMO_DESC_DATA = 1,	/* one block: sectors of it follow */
	DMO_DESC_ZERO = 2,	/* count blocks are zero, mask = 0xff, no data */
	DMO_DESC_DISCARD = 3,	/* count blocks are discarded; no feature allows it yet: refused */
};

/* One block, or a run of blocks of any length; the same on disk and on the wire. */
struct dmo_desc {			/* 24 bytes */
	__le32 volume;			/* volume id */
	__u8 type;			/* enum dmo_desc_type */
	__u8 mask;			/* bit i: sector i of the block is carried */
	__le16 algo;			/* DATA: how its sectors are compressed; 0: not; others refused */
	__le64 block;			/* in 4096-byte units of the volume */
	union {
		__le64 count;		/* ZERO: blocks */
		struct {		/* DATA */
			__le32 len;	/* bytes that it takes: not compressed, 512 a bit of @mask */
			__le32 csum;	/* CRC-32C over the carried sectors, ascending */
		} __packed;
	} __packed;
} __packed;

/* Blocks that it speaks of. */
static inline u64 dmo_desc_blocks(const struct dmo_desc *d)
{
	return d->type == DMO_DESC_DATA ? 1 : le64_to_cpu(d->count);
}

struct dmo_disk_rec {			/* 4096 bytes: 160-byte header, descriptors */
	__u8 magic[8];
	__le32 csum;			/* CRC-32C of the 4096 bytes, this field 0 */
	__le32 prev_csum;		/* csum of the predecessor */
	__u8 uuid[DMO_UUID_LEN];
	__le64 seq;			/* predecessor's + 1, or as a JUMP told */
	__le32 type;
	__le32 flags;			/* LAST: DMO_LASTF_* */
	__le32 nr_desc;
	__le32 nr_blocks;		/* data blocks that follow */
	struct dmo_disk_cut tag;	/* LAST, COMMIT */
	struct dmo_disk_cut table;	/* LAST: group table version */
	__le64 time_ns;			/* LAST: wall clock of the cut at the primary */
	__le64 total_records;		/* LAST: DATA records of the chunk */
	__le64 total_desc;		/* LAST: descriptors of the chunk */
	__le32 total_csum;		/* LAST: CRC-32C chained over all descriptors */
	__le32 reserved0;
	__le64 next_seq;		/* JUMP */
	__le64 activation;		/* LAST: that made the cut */
	__u8 reserved[160 - 136];
	struct dmo_desc desc[];
} __packed;
#define DMO_REC_HDR		160
#define DMO_REC_MAX_DESC	128	/* so a record is at most 129 blocks */

/* Decoded superblock. */
struct dmo_volume_info {
	u32 id;
	u32 lbs;
	u64 sectors;
	u64 bitmap_block;
	u32 region_shift;
};

struct dmo_pos {
	u64 activation;		/* 0: none */
	struct dmo_cut cut;
};

/**
 * struct dmo_line - where the content came from (rule R8)
 * @nr: activations, 0: it has no data yet
 * @at: newest first; the cut is what was sent in it, (0,0): not noted
 */
struct dmo_line {
	u32 nr;
	struct dmo_pos at[DMO_MAX_LINE];
};

struct dmo_peer_info {
	u32 id;
	u64 bitmap_start, bitmap_blocks;
};

struct dmo_super {
	u64 generation;
	u64 compat, incompat;
	u8 uuid[DMO_UUID_LEN];
	char label[DMO_LABEL_LEN];
	u32 role;
	u32 flags;
	u64 meta_blocks;
	u64 bitmap_start, bitmap_blocks;
	u64 journal_start, journal_blocks;
	struct dmo_line line;
	u64 copy_id;
	u32 cycle_ms;
	u32 budget_mib;
	u32 link_timeout_ms;
	u32 nr_volumes;
	u64 created_ns;
	u32 nr_peers;
	struct dmo_peer_info peers[DMO_MAX_PEERS];
	struct dmo_volume_info volumes[DMO_MAX_VOLUMES];
};

/* Decoded state block. */
struct dmo_state {
	u64 generation;
	u64 epoch;
	struct dmo_cut newest, committed, restored;
	u64 restored_ns;
	struct dmo_cut restored_table;
	u64 tail, tail_seq;
	u32 tail_prev_csum;
	u64 seq_floor;
	u64 reach;		/* 0: not known */
	u32 copy_step;
	u64 restored_activation;
};

/* Decoded witness. */
struct dmo_witness_entry {
	u64 block;
	u32 csum;
};

struct dmo_witness_vol {
	u32 id;
	char ident[DMO_IDENT_LEN];
	struct dmo_witness_entry entry[DMO_WITNESS_MAX];
};

struct dmo_witness {
	u64 generation;
	u32 nr_volumes, entries;
	struct dmo_witness_vol *vols;	/* the caller's, as many as the superblock has */
};

/* Decoded record header. */
struct dmo_rec {
	u64 seq;
	u32 csum, prev_csum;
	u32 type, flags;
	u32 nr_desc, nr_blocks;
	struct dmo_cut tag, table;
	u64 time_ns;
	u64 total_records, total_desc;
	u32 total_csum;
	u64 next_seq;
	u64 activation;
};

/*
 * All decoders return 0, or a negative errno with a text in @why that names the field,
 * what was found and what was expected, and the remedy where there is one: -ENODATA no such structure here
 * (wrong magic: unformatted or foreign), -EUCLEAN checksum or content damaged,
 * -EPROTONOSUPPORT another version of the format, an unknown feature, or something in a place
 * that has no use yet. None of them sleeps,
 * allocates or reads past its buffer.
 */

/**
 * dmo_super_decode - check one copy of the superblock and decode it
 * @buf: DMO_SB_BYTES
 * @sb: result
 * @dev_blocks: size of the device in blocks; smaller than meta_blocks is damage
 *	("truncated")
 */
int dmo_super_decode(const void *buf, struct dmo_super *sb, u64 dev_blocks, struct dmo_reason *why);

/**
 * dmo_super_encode - fill DMO_SB_BYTES at @buf from @sb, checksum included
 */
void dmo_super_encode(const struct dmo_super *sb, void *buf);

/**
 * dmo_super_check - the semantic checks of a decoded or hand-made superblock
 * (also used by format before it writes): role, sizes, areas that do not
 * overlap and lie on the device, volume ids unique, sizes and block sizes
 * allowed, totals within DMO_MAX_SESSION_SECTORS, parameters in range.
 */
int dmo_super_check(const struct dmo_super *sb, struct dmo_reason *why);

/**
 * dmo_super_choose - which of two copies to use
 * @rc0, @rc1: results of dmo_super_decode on copy 0 and 1
 * Return: 0 or 1, or negative: both unusable (-EPROTONOSUPPORT if either said
 * so, then -EUCLEAN if either did, else -ENODATA). A copy that says
 * -EPROTONOSUPPORT is never passed over for an older one.
 */
int dmo_super_choose(int rc0, const struct dmo_super *s0, int rc1, const struct dmo_super *s1);

/**
 * dmo_super_layout - place the areas for a device of @dev_blocks; fills
 * meta_blocks, bitmap_*, journal_* and the first peer. Its dirty bitmap area gets one bit per
 * 64 KiB of the session's volumes (each volume's part starts on a block, region_shift
 * and bitmap_block of each volume are filled), or coarser regions (up to
 * 16 MiB) if it would take more than a quarter of the device.
 * Return: 0, -ENOSPC with the size needed in @why, or -EINVAL: no device has so many.
 */
int dmo_super_layout(struct dmo_super *sb, u64 dev_blocks, struct dmo_reason *why);

/**
 * dmo_chunk_max - bytes that a chunk may have to fit a journal of so many blocks
 */
u64 dmo_chunk_max(u64 journal_blocks);
/**
 * dmo_chunk_bytes - bytes, at most, that a chunk of so many blocks takes in a journal
 * @slots: of which the data is in memory
 * @ref_blocks: of which it is on the data device: units of dmo_ref_unit(), whole
 * @zeroes: that are to be zero
 */
u64 dmo_chunk_bytes(u64 slots, u64 ref_blocks, u64 zeroes);
#define DMO_UNIT_SHIFT_MAX	7	/* log2 of blocks: 512 KiB, what one frame carries */
/**
 * dmo_ref_unit - log2 of blocks that a reference covers with a memory budget of so many bytes
 * Return: it, or -ENOSPC with the budget needed in @why.
 */
int dmo_ref_unit(const struct dmo_volume_info *vols, u32 nr, u64 budget, struct dmo_reason *why);

int dmo_state_decode(const void *buf, const u8 *uuid, struct dmo_state *st, struct dmo_reason *why);
void dmo_state_encode(const struct dmo_state *st, const u8 *uuid, void *buf /* 512 */);

/**
 * dmo_rec_decode - check a record's descriptor block (magic, csum, uuid, type,
 * counts, every descriptor's form, nr_blocks = number of DATA descriptors, no
 * block twice within the record is NOT checked here) and decode its header
 * @buf: DMO_BLOCK bytes
 */
int dmo_rec_decode(const void *buf, const u8 *uuid, struct dmo_rec *rec, struct dmo_reason *why);
/**
 * dmo_rec_encode - header fields of @rec into @buf, whose descriptors are
 * already in place; computes csum and stores it in rec->csum too
 */
void dmo_rec_encode(struct dmo_rec *rec, const u8 *uuid, void *buf);

/**
 * dmo_desc_check - form of one descriptor against the volume list
 * @why: as above. Return 0, -EINVAL form, -ENODEV no such volume, -ERANGE beyond its end
 */
int dmo_desc_check(const struct dmo_desc *d, const struct dmo_volume_info *vols, u32 nr,
		   struct dmo_reason *why);

/**
 * dmo_mask_csum - CRC-32C over the sectors of @mask in a 4096-byte block, ascending
 */
u32 dmo_mask_csum(const void *block, u8 mask);

/**
 * dmo_line_newest - the activation that the content is of; 0: it has no data yet
 */
static inline u64 dmo_line_newest(const struct dmo_line *line)
{
	return line->nr ? line->at[0].activation : 0;
}

/**
 * dmo_line_add - a new activation; the oldest goes, if there is no room
 */
void dmo_line_add(struct dmo_line *line, u64 activation);
/**
 * dmo_line_has - is it one of the line?
 */
bool dmo_line_has(const struct dmo_line *line, u64 activation);

const struct dmo_volume_info *dmo_super_volume(const struct dmo_super *sb, u32 id);
const char *dmo_role_name(u32 role);

/**
 * dmo_state_check - what the state block says against the superblock beside it:
 * the tail lies in the ring. -EUCLEAN with @why
 */
int dmo_state_check(const struct dmo_state *st, const struct dmo_super *sb, struct dmo_reason *why);

/**
 * dmo_witness_entries - how many a volume has room for, of a session of @nr_volumes
 */
u32 dmo_witness_entries(u32 nr_volumes);
/**
 * dmo_witness_len - bytes that @w takes on the disk
 */
u32 dmo_witness_len(const struct dmo_witness *w);
/**
 * dmo_witness_decode - check and decode a witness
 * @buf: DMO_WIT_BYTES
 * @sb: the superblock beside it; it lists the volumes
 * @w: its @vols has sb->nr_volumes entries
 */
int dmo_witness_decode(const void *buf, const struct dmo_super *sb, struct dmo_witness *w,
		       struct dmo_reason *why);
/**
 * dmo_witness_encode - fill dmo_witness_len() bytes at @buf, checksum included
 */
void dmo_witness_encode(const struct dmo_witness *w, const u8 *uuid, void *buf);

/**
 * dmo_refuse - write a refusal's text into @why and return @rc
 */
int __printf(3, 4) dmo_refuse(struct dmo_reason *why, int rc, const char *fmt, ...);

#define DMO_UUID_TEXT	37	/* NUL included */
/**
 * dmo_uuid_text - the usual text of a UUID; returns @out (DMO_UUID_TEXT bytes)
 */
const char *dmo_uuid_text(const u8 *uuid, char *out);

#endif /* DMO_ONDISK_H */
