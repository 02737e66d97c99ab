/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is known of the kernel's sessions, as plain structs. nl.c fills them,
 * lookup.c chooses from them, verdict.c judges them, a tool shows them. No netlink
 * or device-mapper header is needed to read this.
 */
#ifndef ORD_MODEL_H
#define ORD_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "uapi/dm-ordered.h"	/* enums, flags and limits: the contract */

#define ORD_NAME_LEN	128	/* as DM_NAME_LEN in the kernel */

struct ord_cut {
	uint64_t epoch;
	uint64_t n;
};

struct ord_chunk {
	uint32_t state;		/* enum dmo_chunk_state */
	uint64_t seq;
	uint64_t slots;
	uint64_t refs;
	uint64_t zeroes;
	uint64_t bytes;
};

struct ord_volume {
	uint32_t id;
	uint32_t lbs;
	uint32_t unit;
	uint64_t sectors;
	uint32_t active;
	uint32_t dm_major;
	uint32_t dm_minor;
	char dm_name[ORD_NAME_LEN];
	uint64_t reads;
	uint64_t writes;
	uint64_t written;
	uint64_t folded;
	uint64_t copyouts;
	uint64_t errors;
};

struct ord_session {
	uint64_t has;		/* bit DMO_A_x: the kernel told x */
	uint32_t meta_major;
	uint32_t meta_minor;
	char meta_name[ORD_NAME_LEN];
	uint8_t uuid[DMO_UUID_LEN];
	char label[DMO_LABEL_LEN];
	uint32_t role;		/* enum dmo_role */
	uint32_t state;		/* enum dmo_session_state */
	uint32_t flags;		/* DMO_F_* */
	uint32_t cycle_ms;
	uint32_t budget_mib;
	uint32_t link_timeout_ms;
	uint32_t link_state;	/* enum dmo_link_state */
	char link_peer[DMO_REASON_LEN];
	uint64_t link_since_ms;
	uint64_t link_tx_bytes;
	uint64_t link_rx_bytes;
	uint64_t seq;
	uint64_t epoch;
	struct ord_cut cut;
	struct ord_cut cut_complete;
	struct ord_cut cut_committed;
	struct ord_cut cut_restored;
	uint64_t cut_time_ns;
	uint64_t lag_ms;
	struct ord_chunk active;
	struct ord_chunk older;
	uint64_t mem_used;
	uint64_t copy_left;
	uint64_t journal_bytes;
	uint64_t journal_used;
	uint32_t block;		/* enum dmo_block_reason */
	uint64_t block_ms;
	char reason[DMO_REASON_LEN];
	uint32_t peer_condition;	/* enum dmo_condition */
	uint64_t peer_condition_ms;
	uint64_t chunk_max;
	uint64_t copy_total;
	uint64_t copy_ms;
	uint64_t restore_left;
	uint64_t restore_total;
	uint64_t restore_ms;
	uint64_t activation;
	struct ord_volume *volumes;
	unsigned int nr_volumes;
};

struct ord_sessions {
	struct ord_session *v;
	unsigned int nr;
};

struct ord_event {
	uint64_t has;		/* bit DMO_A_x, as above */
	uint32_t event;		/* enum dmo_event */
	uint32_t meta_major;
	uint32_t meta_minor;
	uint8_t uuid[DMO_UUID_LEN];
	struct ord_cut cut;
	uint64_t seq;
	uint32_t volume_id;
	char reason[DMO_REASON_LEN];
};

#define ORD_HAS(obj, attr)	(((obj)->has >> (attr)) & 1)

/* -1, 0 or 1: @a is before, the same as, behind @b */
static inline int ord_cut_cmp(struct ord_cut a, struct ord_cut b)
{
	if (a.epoch != b.epoch)
		return a.epoch < b.epoch ? -1 : 1;
	return a.n < b.n ? -1 : a.n > b.n;
}

/* Is that the number of the metadata device of @s, by which the kernel tells sessions apart? */
static inline bool ord_same_meta(const struct ord_session *s, uint32_t major, uint32_t minor)
{
	return s->meta_major == major && s->meta_minor == minor;
}

/* Frees what the list holds, not the list, which is empty then; of an empty one nothing. */
void ord_sessions_free(struct ord_sessions *list);

#endif /* ORD_MODEL_H */
