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
 *   P->S DATA*, LAST(tag)        S->P COMPLETE(tag) once durable
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
 *                                that changes; only to a primary with DMO_HELLOF_CONDITION
 *   both: PING every third of the time-out when nothing else was sent. A side
 *   that received nothing for the time-out ends the link.
 *   either: FAIL(text): the sender can't go on and closes.
 */
#ifndef DMO_WIRE_H
#define DMO_WIRE_H

#include "format/ondisk.h"

#define DMO_WIRE_MAGIC		0x574f4d44u	/* "DMOW" */
#define DMO_WIRE_VERSION	1
/* of struct dmo_wire_hello */
#define DMO_WIREF_COPY_STEP	(1u << 0)	/* copy_step says how far the copy has come */
#define DMO_WIRE_FEATURES_KNOWN	DMO_WIREF_COPY_STEP
#define DMO_WIRE_HDR		64
#define DMO_WIRE_MAX_DESC	DMO_REC_MAX_DESC
#define DMO_WIRE_MAX_PAYLOAD	16384
/* HELLO flags beside DMO_SBF_*: a primary's full copy follows */
#define DMO_HELLOF_FULL_COPY	(1u << 16)
/* ... and it takes CONDITION */
#define DMO_HELLOF_CONDITION	(1u << 17)
#define DMO_WIRE_MAX_DATA	(DMO_WIRE_MAX_DESC * DMO_BLOCK)
#define DMO_WIRE_MAX_EPOCH	(1ULL << 62)	/* so that no peer can use the epochs up */

enum dmo_frame {
	DMO_FRAME_HELLO = 1,
	DMO_FRAME_ACCEPT = 2,
	DMO_FRAME_REFUSE = 3,		/* payload: text, not NUL terminated, 1..255 bytes */
	DMO_FRAME_FAIL = 4,		/* the same */
	DMO_FRAME_PING = 5,
	DMO_FRAME_DATA = 10,		/* payload: descriptors */
	DMO_FRAME_LAST = 11,		/* payload: struct dmo_wire_last; tag in header */
	DMO_FRAME_DROP = 12,		/* tag in header */
	DMO_FRAME_COMMIT = 13,
	DMO_FRAME_DIRECT_BEGIN = 14,	/* arg = copy id */
	DMO_FRAME_DIRECT = 15,		/* payload: descriptors; arg = bytes left to copy, to be shown */
	DMO_FRAME_SYNC = 16,		/* arg = step of the copy, 1..2^32-1 */
	DMO_FRAME_COMPLETE = 30,	/* tag */
	DMO_FRAME_DROPPED = 31,		/* tag, arg = 1 kept, 0 not */
	DMO_FRAME_COMMITTED = 32,	/* tag */
	DMO_FRAME_RESTORED = 33,	/* tag */
	DMO_FRAME_DIRECT_READY = 34,	/* arg = copy id */
	DMO_FRAME_SYNCED = 35,		/* arg */
	DMO_FRAME_CONDITION = 36,	/* arg: dmo_condition_arg() */
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

struct dmo_wire_last {			/* payload of LAST */
	struct dmo_disk_cut table;
	__le64 time_ns;
	__le64 total_records;		/* DATA frames since the chunk began on this link */
	__le64 total_desc;
	__le32 total_csum;		/* CRC-32C chained over their payloads */
	__le32 flags;			/* DMO_LASTF_* */
} __packed;

struct dmo_wire_volume {		/* 16 bytes */
	__le32 id;
	__le32 lbs;
	__le64 sectors;
} __packed;

struct dmo_wire_hello {			/* payload of HELLO, then nr_volumes entries */
	__le16 version_min, version_max;
	__le32 features;		/* needed of the peer; unknown: refused */
	__u8 uuid[DMO_UUID_LEN];
	__le32 role;
	__le32 flags;			/* DMO_SBF_INCONSISTENT, DMO_SBF_ASSUME_EQUAL, ... */
	__le64 attach_id;		/* random, of this link */
	__le64 epoch;
	__le64 gen_current;
	__le64 gen_history[DMO_GEN_HISTORY];
	__le64 copy_id;			/* secondary: copy under way; primary: the next one's */
	struct dmo_disk_cut complete;	/* secondary: highest boundary */
	struct dmo_disk_cut committed;
	struct dmo_disk_cut restored;
	__le64 chunk_max;		/* secondary: bytes of data the largest chunk may have */
	__le32 nr_volumes;
	__le32 copy_step;		/* secondary: newest durable step of copy_id, 0: none */
	struct dmo_wire_volume volumes[];
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
	u32 features;
	u8 uuid[DMO_UUID_LEN];
	u32 role;
	u32 flags;
	u64 attach_id;
	u64 epoch;
	u64 gen_current;
	u64 gen_history[DMO_GEN_HISTORY];
	u64 copy_id;
	struct dmo_cut complete, committed, restored;
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
};

/**
 * dmo_frame_decode_hdr - check what can be checked of a header alone
 * @buf: DMO_WIRE_HDR bytes
 * @expect: number this frame must bear
 * Magic, version, type known, flags and reserved zero, number, lengths within
 * what the type allows (fixed-size payloads exactly; DATA/DIRECT payload a
 * multiple of a descriptor, 1..DMO_WIRE_MAX_DESC of them, data a multiple of 512
 * and at most 4096 a descriptor; data only for DATA/DIRECT).
 * Return: 0, or -EPROTO / -EPROTONOSUPPORT (version) with @why.
 */
int dmo_frame_decode_hdr(const void *buf, u64 expect, struct dmo_frame_hdr *h, char *why);

/**
 * dmo_frame_check_csum - header and payload against the checksum; -EBADMSG
 */
int dmo_frame_check_csum(const void *hdr, const void *payload, u32 payload_len, char *why);

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
int dmo_hello_decode(const void *buf, u32 len, struct dmo_hello *h, char *why);

void dmo_last_encode(const struct dmo_last *l, void *buf);
int dmo_last_decode(const void *buf, u32 len, struct dmo_last *l, char *why);

/**
 * dmo_frame_check_descs - descriptors of a DATA/DIRECT payload: each one's form and
 * range (dmo_desc_check), no block twice within the frame, data_len = sum of
 * carried sectors
 * Return: 0 or -EPROTO with @why
 */
int dmo_frame_check_descs(const struct dmo_desc *d, u32 nr, u32 data_len,
			  const struct dmo_volume_info *vols, u32 nr_vols, char *why);

/* What dmo_hello_judge() found, beyond "not refused". */
enum dmo_relation {
	DMO_REL_REFUSE = 0,
	DMO_REL_FRESH,		/* secondary has no data (gen_current 0): full copy */
	DMO_REL_EQUAL,		/* both assume equal and neither has been used */
	DMO_REL_SAME,		/* same generation: continue by tags */
	DMO_REL_ANCESTOR,	/* secondary's generation is in the primary's history: full copy */
};

/**
 * dmo_hello_judge - compare the own hello with the peer's
 * Checks: version ranges overlap; no unknown feature needed; equal UUID; roles
 * one primary, one secondary; volume lists equal in ids, block sizes and sizes
 * (the secondary may be larger: grow does the secondary first); generations (R6): the
 * secondary's must be 0, or the primary's current, or in the primary's
 * history; else diverged. Symmetric: both sides reach the same verdict.
 * Return: relation; DMO_REL_REFUSE with @why naming both sides' values and the remedy.
 */
enum dmo_relation dmo_hello_judge(const struct dmo_hello *own, const struct dmo_hello *peer, char *why);

const char *dmo_frame_name(u16 type);

/* arg of CONDITION: what in the low byte, for how many ms above it */
static inline u64 dmo_condition_arg(u32 cond, u64 ms)
{
	return min_t(u64, ms, U64_MAX >> 8) << 8 | cond;
}

/**
 * dmo_condition_decode - Return: 0 or -EPROTO with @why
 */
int dmo_condition_decode(u64 arg, u32 *cond, u64 *ms, char *why);

#endif /* DMO_WIRE_H */
