/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Wire format between the two kernels; pure encode, decode and validation.
 * Documentation/wire-format.rst says enough for a stranger to write a peer.
 *
 * A frame is a 64-byte header, a payload (structures below) and, for DATA and
 * DIRECT, the data: for each DATA descriptor in turn its carried sectors,
 * ascending. All integers are little-endian. The header's checksum covers
 * header and payload; each descriptor's checksum covers its data. Each side numbers
 * its frames from 1; a gap or repeat ends the link.
 *
 * Conversation:
 *   both: HELLO, at once. Each side judges the other's (dmo_hello_judge) and
 *   answers ACCEPT or REFUSE. The link is up for a side when it has sent and
 *   received ACCEPT. REFUSE carries a reason; both sides then close.
 *   P->S DATA(n)*, LAST(tag)     S->P COMPLETE(tag) once durable
 *   P->S COMMIT(tag)             S->P COMMITTED(tag) once durable; RESTORED(tag)
 *                                     when on the data devices ("active empty", seed 0 Fig. 21)
 *   P->S DROP(tag)               S->P DROPPED(tag, kept): kept = 1: tag is COMPLETE
 *                                     and stays; 0: what was received stays as early
 *                                     data of the next chunk
 *   P->S DIRECT_BEGIN(copy id)   S->P DIRECT_READY once early data is dropped and
 *                                     INCONSISTENT is durable
 *   P->S DIRECT*                 straight to the data devices
 *   P->S SYNC(n)                 S->P SYNCED(n): all DIRECT before it is durable, and so is
 *                                     that the copy has come to step n
 *   S->P CONDITION               what the secondary suffers from, as the link comes up and as
 *                                that changes
 *   P->S FENCE(link)             S->P FENCED: places for several links (rule R10); refused
 *   both: PING every third of the time-out when nothing else was sent. A side
 *   that received nothing for the time-out ends the link.
 *   either: FAIL(text): the sender can't go on and closes.
 */
#ifndef DMO_WIRE_H
#define DMO_WIRE_H

#include "format/ondisk.h"

#define DMO_WIRE_MAGIC		0x574f4d44u	/* "DMOW" */
#define DMO_WIRE_VERSION	2
/* Features, of struct dmo_wire_hello: none yet. Each new use of a place will have a bit. */
#define DMO_WIRE_FEATURES_KNOWN	0ULL
#define DMO_WIRE_HDR		64
#define DMO_WIRE_MAX_DESC	DMO_REC_MAX_DESC
#define DMO_WIRE_MAX_PAYLOAD	16384
/* HELLO flags beside DMO_SBF_*: a primary's full copy follows */
#define DMO_HELLOF_FULL_COPY	(1u << 16)
#define DMO_WIRE_MAX_LINKS	8
#define DMO_WIRE_MAX_DATA	(DMO_WIRE_MAX_DESC * DMO_BLOCK)
#define DMO_WIRE_MAX_EPOCH	(1ULL << 62)	/* so that no peer can use the epochs up */

enum dmo_frame {
	DMO_FRAME_HELLO = 1,
	DMO_FRAME_ACCEPT = 2,
	DMO_FRAME_REFUSE = 3,		/* payload: text, not NUL terminated, 1..255 bytes */
	DMO_FRAME_FAIL = 4,		/* the same */
	DMO_FRAME_PING = 5,
	DMO_FRAME_DATA = 10,		/* payload: descriptors; tag of the chunk, arg = its number on the link */
	DMO_FRAME_LAST = 11,		/* payload: struct dmo_wire_last; tag in header */
	DMO_FRAME_DROP = 12,		/* tag in header */
	DMO_FRAME_COMMIT = 13,
	DMO_FRAME_DIRECT_BEGIN = 14,	/* arg = copy id */
	DMO_FRAME_DIRECT = 15,		/* payload: descriptors; arg = bytes left to copy, to be shown */
	DMO_FRAME_SYNC = 16,		/* arg = step of the copy, 1..2^32-1 */
	DMO_FRAME_FENCE = 17,		/* refused: place for several links */
	DMO_FRAME_COMPLETE = 30,	/* tag */
	DMO_FRAME_DROPPED = 31,		/* tag, arg = 1 kept, 0 not */
	DMO_FRAME_COMMITTED = 32,	/* tag */
	DMO_FRAME_RESTORED = 33,	/* tag */
	DMO_FRAME_DIRECT_READY = 34,	/* arg = copy id */
	DMO_FRAME_SYNCED = 35,		/* arg */
	DMO_FRAME_CONDITION = 36,	/* arg: dmo_condition_arg() */
	DMO_FRAME_FENCED = 37,		/* refused: place for several links */
};

struct dmo_wire_hdr {			/* 64 bytes */
	__le32 magic;
	__le32 csum;			/* CRC-32C of header (this field 0) and payload */
	__le16 version;
	__le16 type;
	__le32 flags;			/* 0 */
	__le64 number;			/* 1, 2, 3, ... a direction */
	__le32 payload_len;
	__le32 data_len;
	struct dmo_disk_cut tag;
	__le64 arg;
	__u8 reserved[8];
} __packed;

/* Which DATA frames of a link are of the chunk: @nr of them, from number @first on. */
struct dmo_wire_last_link {		/* 24 bytes */
	__le32 link;			/* 0: the one that leads */
	__le32 reserved;
	__le64 first;			/* 0 if @nr is */
	__le64 nr;
} __packed;

struct dmo_wire_last {			/* payload of LAST, then nr_links entries */
	struct dmo_disk_cut table;
	__le64 time_ns;
	__le64 total_records;		/* DATA frames since the chunk began on this link */
	__le64 total_desc;
	__le32 total_csum;		/* CRC-32C chained over their payloads */
	__le32 flags;			/* DMO_LASTF_* */
	__le64 activation;		/* that made the cut */
	__le32 nr_links;		/* 1 */
	__le32 reserved;
	struct dmo_wire_last_link links[];
} __packed;

struct dmo_wire_volume {		/* 16 bytes */
	__le32 id;
	__le32 lbs;
	__le64 sectors;
} __packed;

struct dmo_wire_hello {			/* payload of HELLO, then the line, then the volumes */
	__le16 version_min, version_max;
	__le32 flags;			/* DMO_SBF_INCONSISTENT, DMO_SBF_ASSUME_EQUAL, ... */
	__u8 uuid[DMO_UUID_LEN];
	__le32 role;
	__le32 nr_volumes;
	__le64 needs;			/* features that the peer must know */
	__le64 can;			/* that are known here */
	__le64 on;			/* that are used, if both say so */
	__le64 attach_id;		/* random, of this attach */
	__le64 epoch;
	__le64 copy_id;			/* secondary: copy under way; primary: the next one's */
	__le32 copy_step;		/* secondary: newest durable step of copy_id, 0: none */
	__le32 link;			/* which of the attach: 0 */
	struct dmo_disk_cut complete;	/* secondary: highest boundary */
	struct dmo_disk_cut committed;
	struct dmo_disk_cut restored;
	__le64 activation;		/* that made complete, 0: none */
	struct dmo_disk_pos cleared;	/* 0: not noted */
	__le64 chunk_max;		/* secondary: bytes of data the largest chunk may have */
	__le32 nr_line;
	__le32 peer;			/* of the sender's peers, which the receiver is; secondary: 0 */
	__le64 reserved;
	struct dmo_disk_pos line[];	/* newest first */
} __packed;

/* Decoded. */
struct dmo_frame_hdr {
	u16 type;
	u64 number;
	u32 payload_len, data_len;
	struct dmo_cut tag;
	u64 arg;
};

struct dmo_hello {
	u16 version_min, version_max;
	u64 needs, can, on;
	u8 uuid[DMO_UUID_LEN];
	u32 role;
	u32 flags;
	u32 peer;
	u64 attach_id;
	u64 epoch;
	struct dmo_line line;
	u64 copy_id;
	struct dmo_cut complete, committed, restored;
	u64 activation;
	u64 chunk_max;
	u32 nr_volumes;
	u32 copy_step;
	struct dmo_volume_info volumes[DMO_MAX_VOLUMES];	/* id, lbs, sectors only */
};

struct dmo_last {
	struct dmo_cut table;
	u64 time_ns;
	u64 total_records, total_desc;
	u32 total_csum;
	u32 flags;
	u64 activation;
	u64 first;		/* number of its first DATA on the link, 0: there is none */
};
#define DMO_WIRE_LAST_LEN	(sizeof(struct dmo_wire_last) + sizeof(struct dmo_wire_last_link))

/**
 * dmo_frame_decode_hdr - check what can be checked of a header alone
 * @buf: DMO_WIRE_HDR bytes
 * @expect: number this frame must bear
 * Magic, version, type known, flags and reserved zero, number, lengths within
 * what the type allows (fixed-size payloads exactly; tag and arg zero where the type has none;
 * DATA/DIRECT payload a multiple of a descriptor, 1..DMO_WIRE_MAX_DESC of them, data a multiple of 512
 * and at most 4096 a descriptor; data only for DATA/DIRECT).
 * Return: 0, or -EPROTO / -EPROTONOSUPPORT (version) with @why.
 */
int dmo_frame_decode_hdr(const void *buf, u64 expect, struct dmo_frame_hdr *h, struct dmo_reason *why);

/**
 * dmo_frame_check_csum - header and payload against the checksum; -EBADMSG
 */
int dmo_frame_check_csum(const void *hdr, const void *payload, u32 payload_len, struct dmo_reason *why);

/**
 * dmo_frame_encode - fill the 64 bytes at @buf, checksum over @payload included
 */
void dmo_frame_encode(void *buf, const struct dmo_frame_hdr *h, const void *payload);

/**
 * dmo_hello_encode - Return: payload length; @buf has DMO_WIRE_MAX_PAYLOAD
 */
u32 dmo_hello_encode(const struct dmo_hello *h, void *buf);
/**
 * dmo_hello_decode - form and ranges only. Return 0 or -EPROTO with @why
 */
int dmo_hello_decode(const void *buf, u32 len, struct dmo_hello *h, struct dmo_reason *why);

void dmo_last_encode(const struct dmo_last *l, void *buf);
int dmo_last_decode(const void *buf, u32 len, struct dmo_last *l, struct dmo_reason *why);

/**
 * dmo_frame_check_descs - descriptors of a DATA/DIRECT payload: each one's form and
 * range (dmo_desc_check), no block twice within the frame, data_len = sum of
 * carried sectors
 * Return: 0 or -EPROTO with @why
 */
int dmo_frame_check_descs(const struct dmo_desc *d, u32 nr, u32 data_len,
			  const struct dmo_volume_info *vols, u32 nr_vols, struct dmo_reason *why);

/* What dmo_hello_judge() found, beyond "not refused". */
enum dmo_relation {
	DMO_REL_REFUSE = 0,
	DMO_REL_FRESH,		/* secondary has no data (its line is empty): full copy */
	DMO_REL_EQUAL,		/* both assume equal and neither has been used */
	DMO_REL_SAME,		/* its data is of this very activation: continue by tags */
	DMO_REL_ANCESTOR,	/* ... of one in the primary's line: full copy */
};

/**
 * dmo_hello_judge - compare the own hello with the peer's
 * Checks: version ranges overlap; each knows the features that the other needs; equal UUID; roles
 * one primary, one secondary; volume lists equal in ids, block sizes and sizes
 * (the secondary may be larger: grow does the secondary first); lines (R6): the newest
 * activation of the secondary's must be one of the primary's, or its line empty; else diverged. Symmetric: both sides reach the same verdict.
 * Return: relation; DMO_REL_REFUSE with @why naming both sides' values and the remedy.
 */
enum dmo_relation dmo_hello_judge(const struct dmo_hello *own, const struct dmo_hello *peer,
				  struct dmo_reason *why);

const char *dmo_frame_name(u16 type);

/* arg of CONDITION: what in the low byte, for how many ms above it */
static inline u64 dmo_condition_arg(u32 cond, u64 ms)
{
	return min_t(u64, ms, U64_MAX >> 8) << 8 | cond;
}

/**
 * dmo_condition_decode - Return: 0 or -EPROTO with @why
 */
int dmo_condition_decode(u64 arg, u32 *cond, u64 *ms, struct dmo_reason *why);

#endif /* DMO_WIRE_H */
