/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of one schedule share: sim.c, and other.c for disks that are not what they were. */
#ifndef SIM_PRIV_H
#define SIM_PRIV_H

#include "cover.h"
#include "model.h"
#include "plan.h"
#include "primary/primary_priv.h"
#include "secondary/secondary_priv.h"

#define MAX_PENDING	64

/*
 * What the secondary holds may be other than the model says: since it had to do with another primary,
 * or was put back. Until a cut that the primary made since then is complete.
 */
enum doubt {
	DOUBT_NONE,
	DOUBT_OLDER,		/* it is a cut that was made, but maybe below what is known as committed */
	DOUBT_FOREIGN,		/* it may be a cut of which the model does not know */
};

extern struct world {
	u32 next_op, lanes, done_ops;
	u32 generation;			/* of lanes: those of a dead host count no more */
	u64 start_step;
	bool connect;			/* allowed */
	struct sim_conn *conn;
	u32 conn_busy, nr_attach;	/* attaching fibers */
	u64 conn_since, conn_next, conn_wait;
	bool silence;			/* there is a reason for it on this connection, */
	u64 silence_until;		/* or was on an earlier one */
	struct sim_event tick;
	u32 ticks;
	struct act pending[MAX_PENDING];
	u32 nr_pending;
	bool busy[2];			/* an operator's command is in hand */
	bool stop_lanes;
	bool promoting, promotion_tried;
	bool suspended[2][NODE_VOLUMES];
	bool data_faults[2], meta_faults[2];	/* ever */
	bool budget_lowered;
	u32 stall_seed;			/* what follows once a write is stalled */
	u64 stall_seq;			/* of the ring's head then */
	u32 cut_on_switch;		/* the link is lost with the next cycles' ends */
	bool sec_may_be_inconsistent;
	bool copy_begun;		/* another one, since its end came to be complete there */
	bool copy_ended;		/* ... but the primary was told that the end of its copy is complete */
	bool healing;
	u32 flush_checked;
	u64 large_since;		/* there is enough for a cycle of its own; 0: there isn't */
	struct sim_disk *spare_meta, *spare_data[NODE_VOLUMES];	/* the secondary before a promotion */
	bool sec_stale;			/* the secondary is such a copy, and not copied over yet */
	enum doubt doubt;
	struct dmo_cut doubt_cut;	/* the primary's newest when it had the link first since then */
	bool twin_turn;			/* the link is to be made with the other primary */
	bool conn_twin;			/* ... and was */
	u32 turn_in;			/* the other one gets it so many bytes after the next cycle's end */
	u64 activations[64];		/* of primaries, of all hosts */
	u32 nr_activations;
	bool may_diverge;		/* a primary was put back, or there was a second one */
	bool tampering;			/* a node's disks are not what they were, and it is not settled what of it */
	bool alone;			/* a promoted primary whose peer is not formatted yet */
} w;

extern const struct plan *plan;
extern struct node nodes[2];
extern struct node *pri, *sec;		/* by role, as the operator sees it */

static inline u32 index_of(struct node *n)
{
	return (u32)(n - nodes);
}

/* -- sim.c: */

struct node_format the_format(u32 role);
void crash(struct node *n, u32 seed);
void boot(struct node *n);
void note_known(void);
void stop_node(struct node *n);
/* @n has been activated: if as primary, then as one of its own (R8). */
void note_activation(struct node *n);
/* The tables of @n are active. */
void started(struct node *n);
/* From here on the secondary is what @doubt says, or worse. */
void doubt_sec(enum doubt doubt);

/* The network, or one of the hosts, has a reason to say nothing on this connection. */
void may_be_silent(void);

/* -- other.c: a second primary of the session */

extern struct node twin;

void other_begin(void);
/* A copy of the primary's disks, as they are, starts as well. */
void twin_start(u32 seed);
/* It is gone; @takes: and its disks are the primary's from here on */
void twin_end(u32 seed, bool takes);

/* -- other.c: disks put back, exchanged, replaced */

/* An image of @n as a power cut now would leave it. */
void take_image(struct node *n, u32 seed);
/* @n goes down, its disks are tampered with, it comes up again. */
void tamper(struct node *n, enum tampering kind, u32 seed);
void tamper_tick(void);

#endif /* SIM_PRIV_H */
