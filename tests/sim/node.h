/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A node: a host that has the module loaded, a metadata disk and a data disk a volume. What takes
 * time (start, promote, ...) is called from a fiber of the node's host, or from the main stack by
 * way of node_call(), which runs the simulation until it is done. README says more.
 */
#ifndef NODE_H
#define NODE_H

#include "shim/sim.h"
#include "session/session.h"

#define NODE_VOLUMES	4

struct node_format {
	u32 role;		/* enum dmo_role */
	u32 flags;		/* DMO_SBF_*, DMO_SBF_PLAIN is added */
	u32 nr_volumes;
	u64 sectors[NODE_VOLUMES];	/* at least 2048 each */
	u64 meta_blocks;	/* at least 385 or so: see dmo_super_layout() */
	u32 cycle_ms, budget_mib, link_timeout_ms;	/* 0: 100, 1, 1000 */
};

struct node {
	struct host *host;
	struct sim_disk *meta;
	struct sim_disk *data[NODE_VOLUMES];
	struct mapped_device *md[NODE_VOLUMES];
	u32 nr_volumes;
	u64 sectors[NODE_VOLUMES];
	bool loaded;		/* the module */
	bool started;		/* every table is active */
	bool accept;		/* node_start(): the data devices may be others than they were */
	u32 incarnation;	/* counts node_boot() */
	u64 booted;		/* virtual ns */
	u32 formats;
	void *owner;
	struct dmo_reason why;	/* of the last refusal */
};

/** node_init - a host with empty disks for such a session; nothing is formatted or booted */
void node_init(struct node *n, const char *name, const struct node_format *f);
/** node_format - superblocks and state blocks, with the module's encoders; the data disks stay */
void node_format(struct node *n, const struct node_format *f);
/** node_boot - power on; nothing of the module runs yet */
void node_boot(struct node *n);
/** node_crash - power off, now. Main stack. */
void node_crash(struct node *n, enum disk_survive how, struct sim_rng *r);

/*
 * Fibers of the node's host only; 0 or a negative errno, n->why says why.
 */
int node_start(struct node *n);		/* insmod, tables, activation: recovery runs */
int node_stop(struct node *n);		/* remove tables, rmmod, and check that nothing leaked */
int node_attach(struct node *n, int fd);	/* the link; the fd stays the caller's */
int node_detach(struct node *n);
int node_promote(struct node *n, bool force, struct dmo_cut *cut);
/** node_reload - the tables, after a promotion, so that the volumes take writes */
int node_reload(struct node *n);
int node_status(struct node *n, struct dmo_session_status *st);

/** node_session - the session as it is now, without locks; any context. NULL: none */
struct dmo_session *node_session(struct node *n);

/** node_call - run @fn(@n, @arg) in a fiber, and the simulation until it returns
 * Return: what it returned; -ETIMEDOUT after @limit ns, -ENOTRECOVERABLE on a failure (sim_why)
 */
int node_call(struct node *n, int (*fn)(struct node *n, void *arg), void *arg, u64 limit);
/* For node_call(): */
int node_do_start(struct node *n, void *unused);
int node_do_stop(struct node *n, void *unused);
struct node_promotion { bool force; struct dmo_cut cut; };
int node_do_promote(struct node *n, void *promotion);
int node_do_status(struct node *n, void *st);	/* struct dmo_session_status */

/** node_idle - no restore, write or read is in hand or due: what a start leads to is done */
bool node_idle(struct node *n);
/** node_settle - run until node_idle() or @limit; Return: idle */
bool node_settle(struct node *n, u64 limit);

#endif /* NODE_H */
