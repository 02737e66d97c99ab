/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * dm-ordered: generic netlink interface.
 *
 * Family DM_ORDERED_GENL_NAME, version DM_ORDERED_GENL_VERSION. The family may
 * be used from any network namespace; whatever changes state needs
 * CAP_NET_ADMIN in the initial user namespace. Unknown attributes are refused.
 * Every refusal carries an extended-ack text that names the thing and the
 * remedy. Details: Documentation/netlink.rst.
 *
 * A session is named by the device number of its metadata device
 * (DMO_A_META_MAJOR and DMO_A_META_MINOR); one kernel may hold both ends of
 * one session UUID, each on a metadata device of its own.
 *
 * DM_ORDERED_CMD_SESSION_GET
 *	doit: one session, by DMO_A_META_MAJOR/MINOR. dumpit: all sessions, one
 *	message each. No privilege needed. Answers with the attributes marked
 *	[get] below.
 *
 * DM_ORDERED_CMD_LINK_ATTACH
 *	DMO_A_META_*, DMO_A_LINK_FD: a connected stream socket (AF_INET,
 *	AF_INET6 or AF_UNIX). The kernel takes a reference; the caller may close
 *	the fd. Optional DMO_A_LINK_TIMEOUT_MS. Returns when the handshake
 *	has started; its outcome is the event DMO_EVENT_LINK_UP or
 *	DMO_EVENT_LINK_DOWN (with DMO_A_REASON).
 *
 * DM_ORDERED_CMD_LINK_DETACH
 *	DMO_A_META_*. Shuts the link down and waits for its threads. Then no
 *	link is made (-ECANCELED) until one is wanted again by
 *	DM_ORDERED_CMD_SET; with the flag DMO_A_LINK_WANTED one may be at once.
 *	-ENOTCONN: there is no link, and nothing has changed.
 *
 * DM_ORDERED_CMD_SWITCH
 *	DMO_A_META_*. Primary only: end the current cycle as soon as the older
 *	chunk is COMPLETE. Answers DMO_A_CUT: the cut that covers every write
 *	that had ended when the command was given. It does not wait.
 *
 * DM_ORDERED_CMD_SET
 *	DMO_A_META_* and at least one of DMO_A_CYCLE_MS, DMO_A_BUDGET_MIB,
 *	DMO_A_LINK_TIMEOUT_MS, durable before it is answered; and DMO_A_LINK_WANTED, which
 *	holds until a detach, or until the session is removed.
 *
 * DM_ORDERED_CMD_PROMOTE
 *	DMO_A_META_*, optional flag DMO_A_FORCE. Secondary only. Drops the link,
 *	stops at the newest boundary, finishes the restore, writes the new role
 *	durably. The caller then reloads the tables. Answers
 *	DMO_A_CUT. Refused while a volume is open or inactive, and while
 *	INCONSISTENT unless forced.
 *
 * DM_ORDERED_CMD_EVENT
 *	Multicast on group DM_ORDERED_GENL_MCGRP: DMO_A_EVENT, DMO_A_META_*,
 *	DMO_A_UUID, and where it applies DMO_A_CUT, DMO_A_SEQ,
 *	DMO_A_VOLUME_ID, DMO_A_REASON.
 */
#ifndef _UAPI_DM_ORDERED_H
#define _UAPI_DM_ORDERED_H

#define DM_ORDERED_GENL_NAME	"dm_ordered"
#define DM_ORDERED_GENL_VERSION	1
#define DM_ORDERED_GENL_MCGRP	"events"

#define DMO_UUID_LEN		16
#define DMO_LABEL_LEN		64	/* NUL included */
#define DMO_REASON_LEN		256	/* NUL included */
#define DMO_MAX_VOLUMES		256
#define DMO_CYCLE_MS_MIN	1
#define DMO_CYCLE_MS_MAX	3600000
#define DMO_CYCLE_MS_DEFAULT	1000
#define DMO_BUDGET_MIB_MIN	1
#define DMO_BUDGET_MIB_MAX	1048576
#define DMO_BUDGET_MIB_DEFAULT	256
#define DMO_LINK_TIMEOUT_MS_MIN	100
#define DMO_LINK_TIMEOUT_MS_MAX	600000
#define DMO_LINK_TIMEOUT_MS_DEFAULT 10000

enum dm_ordered_cmd {
	DM_ORDERED_CMD_UNSPEC,
	DM_ORDERED_CMD_SESSION_GET,
	DM_ORDERED_CMD_LINK_ATTACH,
	DM_ORDERED_CMD_LINK_DETACH,
	DM_ORDERED_CMD_SWITCH,
	DM_ORDERED_CMD_SET,
	DM_ORDERED_CMD_PROMOTE,
	DM_ORDERED_CMD_EVENT,
	__DM_ORDERED_CMD_MAX
};
#define DM_ORDERED_CMD_MAX (__DM_ORDERED_CMD_MAX - 1)

/* Role of a session; equal to the value in the superblock. */
enum dmo_role {
	DMO_ROLE_PRIMARY = 1,
	DMO_ROLE_SECONDARY = 2,
};

enum dmo_link_state {
	DMO_LINK_NONE,		/* no socket */
	DMO_LINK_HANDSHAKE,	/* socket taken, peers compare what they are */
	DMO_LINK_UP,
};

/* What the session as a whole is doing. */
enum dmo_session_state {
	DMO_STATE_INACTIVE,	/* not every listed volume is active */
	DMO_STATE_DISCONNECTED,	/* no link; a primary collects */
	DMO_STATE_REPLICATING,	/* cycles flow */
	DMO_STATE_COPYING,	/* direct mode: the secondary is INCONSISTENT */
	DMO_STATE_FAILED,	/* sticky; DMO_A_REASON says why */
	DMO_STATE_BUSY,		/* not known: a command waits, DMO_A_REASON says which; of the
				 * rest there is only what does not change
				 */
};

/* States of the older chunk of a primary. */
enum dmo_chunk_state {
	DMO_CHUNK_NONE,
	DMO_CHUNK_ACTIVE,	/* collects writes */
	DMO_CHUNK_DRAINING,	/* cut, writers of that cycle still in flight */
	DMO_CHUNK_SHIPPING,	/* being sent */
	DMO_CHUNK_COMPLETE,	/* the secondary has all of it, durably */
	DMO_CHUNK_COMMITTED,
};

/* What keeps the session from making progress. */
enum dmo_block_reason {
	DMO_BLOCK_NOTHING,
	DMO_BLOCK_NO_LINK,	/* no link; use connect */
	DMO_BLOCK_INACTIVE,	/* a listed volume has no active table */
	DMO_BLOCK_SUSPENDED,	/* a volume is suspended */
	DMO_BLOCK_DRAIN,	/* a local write of the closed cycle has not ended */
	DMO_BLOCK_SEND,		/* the socket takes no more: slow link */
	DMO_BLOCK_PEER,		/* waiting for the peer's answer */
	DMO_BLOCK_READ_ERROR,	/* a reference can't be read: DMO_A_REASON */
	DMO_BLOCK_JOURNAL_FULL,	/* secondary: waits for restore to free the ring */
	DMO_BLOCK_META_ERROR,	/* metadata device failed: DMO_A_REASON */
	DMO_BLOCK_RESTORE_ERROR,/* secondary: a data device failed: DMO_A_REASON */
	DMO_BLOCK_BUSY,		/* a command or a suspend is in hand, and waits */
};

enum dmo_event {
	DMO_EVENT_UNSPEC,
	DMO_EVENT_LINK_UP,
	DMO_EVENT_LINK_DOWN,	/* DMO_A_REASON */
	DMO_EVENT_SWITCH,	/* DMO_A_CUT: cut made at the primary */
	DMO_EVENT_COMMIT,	/* DMO_A_CUT: committed at the secondary */
	DMO_EVENT_MERGE,	/* DMO_A_CUT: given up, DMO_A_REASON why */
	DMO_EVENT_INCONSISTENT,	/* secondary is, or is about to be, no point in time */
	DMO_EVENT_CONSISTENT,	/* ... and is one again, at DMO_A_CUT */
	DMO_EVENT_ERROR,	/* DMO_A_REASON, DMO_A_VOLUME_ID */
	DMO_EVENT_PROMOTED,	/* DMO_A_CUT */
	DMO_EVENT_PEER,		/* primary: the peer suffers from something else, DMO_A_REASON */
	DMO_EVENT_LARGE,	/* primary: 80 % of what fits the peer's journal is collected */
};

/* What a secondary suffers from; it tells the primary. Equal to the value in the frame. */
enum dmo_condition {
	DMO_COND_GOOD,
	DMO_COND_JOURNAL,	/* the journal is nearly full */
	DMO_COND_SUSPENDED,	/* a volume is suspended: nothing is restored */
	DMO_COND_RESTORE_ERROR,	/* a data device failed; the restore is tried again */
	DMO_COND_DAMAGED,	/* the journal does not give what was put there */
	DMO_COND_META_ERROR,	/* the metadata device failed */
	__DMO_COND_MAX
};
#define DMO_COND_MAX (__DMO_COND_MAX - 1)

/* Bits of DMO_A_FLAGS. */
#define DMO_F_INCONSISTENT	(1u << 0) /* secondary's data is no point in time */
#define DMO_F_PLAIN		(1u << 1) /* formatted for unauthenticated links */
#define DMO_F_ASSUME_EQUAL	(1u << 2) /* both sides declared equal at format */
#define DMO_F_COPY_PENDING	(1u << 3) /* full copy due, not begun: still promotable */
#define DMO_F_PEER_INCONSISTENT	(1u << 4) /* primary: what the peer said */
#define DMO_F_OPEN		(1u << 5) /* activated, not cleanly stopped */
#define DMO_F_NO_COPY		(1u << 6) /* primary: no copy to fall back to is known: no DMO_A_LAG_MS */
#define DMO_F_NO_LINK		(1u << 7) /* disconnected by command: no link is made */
#define DMO_F_REFUSED		(1u << 8) /* no link, and the last peer would be refused again */
#define DMO_F_STRANGER		(1u << 9) /* with it: it is of another session */

/* A cut: tag (epoch, n), compared in that order; also used as table version. */
struct dmo_uapi_cut {
	unsigned long long epoch;
	unsigned long long n;
};

enum dmo_attr {
	DMO_A_UNSPEC,
	DMO_A_PAD,
	DMO_A_META_MAJOR,	/* u32 */
	DMO_A_META_MINOR,	/* u32 */
	DMO_A_UUID,		/* binary, 16 bytes [get] */
	DMO_A_LABEL,		/* string [get] */
	DMO_A_ROLE,		/* u32, enum dmo_role [get] */
	DMO_A_STATE,		/* u32, enum dmo_session_state [get] */
	DMO_A_FLAGS,		/* u32, DMO_F_* [get] */
	DMO_A_CYCLE_MS,		/* u32 [get, set] */
	DMO_A_BUDGET_MIB,	/* u32 [get, set] */
	DMO_A_LINK_TIMEOUT_MS,	/* u32 [get, set, attach] */
	DMO_A_LINK_FD,		/* u32 [attach] */
	DMO_A_LINK_STATE,	/* u32, enum dmo_link_state [get] */
	DMO_A_LINK_PEER,	/* string: address of the peer [get] */
	DMO_A_LINK_SINCE_MS,	/* u64: ms since the link state changed [get] */
	DMO_A_LINK_TX_BYTES,	/* u64: on this link [get] */
	DMO_A_LINK_RX_BYTES,	/* u64: on this link [get] */
	DMO_A_SEQ,		/* u64: seq of the active cycle [get] */
	DMO_A_EPOCH,		/* u64 [get] */
	DMO_A_CUT,		/* struct dmo_uapi_cut: newest cut made/answer */
	DMO_A_CUT_COMPLETE,	/* struct dmo_uapi_cut: newest COMPLETE [get] */
	DMO_A_CUT_COMMITTED,	/* struct dmo_uapi_cut: newest COMMITTED [get] */
	DMO_A_CUT_RESTORED,	/* struct dmo_uapi_cut: newest restored to disk [get] */
	DMO_A_CUT_TIME,		/* u64: wall clock of COMMITTED cut, ns since 1970 [get] */
	DMO_A_LAG_MS,		/* u64: age of the oldest write not COMMITTED, 0: none [get, primary] */
	DMO_A_CHUNK_ACTIVE,	/* nested DMO_CA_* [get, primary] */
	DMO_A_CHUNK_OLDER,	/* nested DMO_CA_* [get, primary] */
	DMO_A_MEM_USED,		/* u64 bytes counted against the budget [get] */
	DMO_A_COPY_LEFT,	/* u64 bytes left to copy in direct mode [get] */
	DMO_A_JOURNAL_BYTES,	/* u64: capacity of the ring [get] */
	DMO_A_JOURNAL_USED,	/* u64 [get] */
	DMO_A_BLOCK,		/* u32, enum dmo_block_reason [get] */
	DMO_A_BLOCK_MS,		/* u64: since when [get] */
	DMO_A_REASON,		/* string: last error or refusal [get, event] */
	DMO_A_ACTIVATION,	/* u64: id of the activation that the data is of, 0: none [get] */
	DMO_A_VOLUMES,		/* nested list of DMO_A_VOLUME [get] */
	DMO_A_VOLUME,		/* nested DMO_VA_* */
	DMO_A_VOLUME_ID,	/* u32 [event] */
	DMO_A_EVENT,		/* u32, enum dmo_event [event] */
	DMO_A_FORCE,		/* flag [promote] */
	DMO_A_META_NAME,	/* string: kernel name of the metadata device [get] */
	DMO_A_PEER_CONDITION,	/* u32, enum dmo_condition: as the peer said on this link [get, primary] */
	DMO_A_PEER_CONDITION_MS, /* u64: since when [get, primary] */
	DMO_A_CHUNK_MAX,	/* u64: bytes of data that fit the journal; primary: the peer's, as of the
				 * last link, absent: none yet [get]
				 */
	DMO_A_COPY_TOTAL,	/* u64: bytes that the copy under way began with [get] */
	DMO_A_COPY_MS,		/* u64: since when it is under way [get] */
	DMO_A_LINK_WANTED,	/* flag: links may be made [set, detach] */
	DMO_A_RESTORE_LEFT,	/* u64: bytes of the ring still to be restored; while it is done [get, secondary] */
	DMO_A_RESTORE_TOTAL,	/* u64: and with those that are, since it began [get, secondary] */
	DMO_A_RESTORE_MS,	/* u64: how long that is ago [get, secondary] */
	__DMO_A_MAX
};
#define DMO_A_MAX (__DMO_A_MAX - 1)

enum dmo_chunk_attr {
	DMO_CA_UNSPEC,
	DMO_CA_PAD,
	DMO_CA_STATE,		/* u32, enum dmo_chunk_state */
	DMO_CA_SEQ,		/* u64 */
	DMO_CA_SLOTS,		/* u64: blocks held in memory */
	DMO_CA_REFS,		/* u64: references, in blocks of the granularity */
	DMO_CA_ZEROES,		/* u64: zero blocks */
	DMO_CA_BYTES,		/* u64: upper bound of what is to be sent */
	__DMO_CA_MAX
};
#define DMO_CA_MAX (__DMO_CA_MAX - 1)

enum dmo_volume_attr {
	DMO_VA_UNSPEC,
	DMO_VA_PAD,
	DMO_VA_ID,		/* u32 */
	DMO_VA_SECTORS,		/* u64, 512 bytes each */
	DMO_VA_LBS,		/* u32: logical block size, bytes */
	DMO_VA_UNIT,		/* u32: reference granularity, bytes */
	DMO_VA_DM_MAJOR,	/* u32: dm device, when active */
	DMO_VA_DM_MINOR,	/* u32 */
	DMO_VA_DM_NAME,		/* string */
	DMO_VA_ACTIVE,		/* u32: 1 when a table is active */
	DMO_VA_READS,		/* u64: bios */
	DMO_VA_WRITES,		/* u64 */
	DMO_VA_WRITTEN,		/* u64: bytes written by the host */
	DMO_VA_FOLDED,		/* u64: blocks written to a slot that was there */
	DMO_VA_COPYOUTS,	/* u64: blocks */
	DMO_VA_ERRORS,		/* u64: failed local writes */
	__DMO_VA_MAX
};
#define DMO_VA_MAX (__DMO_VA_MAX - 1)

#endif /* _UAPI_DM_ORDERED_H */
