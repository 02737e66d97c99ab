/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A session: the metadata device, the volumes listed in its superblock, the
 * engine of its role (engine.h), and at most one link. Tables that name the same metadata
 * device share it; it lives as long as there is such a table.
 *
 * Locks, outermost first:
 *   session->lock	role, engines, activation of volumes, attach and detach of the link. Its holder may
 *			wait for a disk or a thread; so who only looks does not wait for it
 *			(dmo_session_status()), and nobody takes it who holds what other sessions need
 *   dmo_sessions_lock	list of sessions, table counts, what devices are in use. Short, but that
 *			dmo_session_get() reads a metadata device under it
 *   session->link_sem	read: use session->link; write: change it
 *   the engines' own locks, meta->lock
 * Link threads, restore and cycle threads take link_sem for reading only. None of them
 * takes session->lock, so stopping them under it is safe.
 */
#ifndef DMO_SESSION_H
#define DMO_SESSION_H

#include <linux/device-mapper.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include "meta/witness.h"
#include "primary/primary.h"
#include "secondary/secondary.h"

/**
 * struct dmo_svol - a listed volume as the session knows it
 * @md, @data: dm device and data device, while @tables > 0
 */
struct dmo_svol {
	u32 id;
	int tables;			/* dmo_sessions_lock */
	struct mapped_device *md;	/* set under dmo_sessions_lock, cleared under both; */
	struct block_device *data;	/* either is enough to use them */
	bool active;			/* session->lock; read without it by who only looks */
	bool gated;			/* session->lock */
	bool known;			/* @data was looked at; by its table's preresume, cleared in detach */
	char ident[DMO_IDENT_LEN];	/* of @data, as @data */
};

struct dmo_session {
	struct list_head node;
	int refs;			/* dmo_sessions_lock: tables */
	int commands;			/* dmo_sessions_lock: in hand */
	bool promoting;			/* dmo_sessions_lock: about to be primary */
	bool dying;			/* dmo_sessions_lock: being removed, not to be found */
	struct dmo_meta *meta;
	dev_t meta_dev;
	char name[32];			/* kernel name of the metadata device */
	struct mutex lock;
	unsigned int noio;		/* of the holder of @lock */
	const char *busy;		/* what the holder does; read without it */
	unsigned long busy_since;	/* jiffies; the same */
	u32 role;			/* session->lock; a table samples it at preresume */
	u32 nr_active;			/* session->lock */
	unsigned long inactive_since;	/* jiffies: when not all were active any more */
	struct dmo_primary *pri;	/* session->lock; stable while the role's tables are active */
	struct dmo_secondary *sec;	/* set under session->lock; cleared under @link_sem, too */
	const struct dmo_role_ops *role_ops;	/* of @pri or @sec, whichever there is, or NULL; */
	void *engine;			/* that one; both are set and cleared as @sec */
	struct rw_semaphore link_sem;
	struct dmo_link *link;
	enum dmo_relation rel;		/* receive thread */
	struct dmo_hello *own;		/* HELLO in use, under session->lock */
	struct work_struct link_work;	/* stops a link that has ended */
	unsigned long link_since;	/* jiffies: link state changed */
	bool no_link;			/* session->lock: disconnected by command, until a link is wanted again */
	u32 refused;			/* DMO_F_REFUSED, DMO_F_STRANGER: how the last HELLO was judged */
	spinlock_t why_lock;		/* guards @why */
	struct dmo_reason why;	/* last error, refusal or end of a link */
	struct dmo_svol vols[];
};

extern struct mutex dmo_sessions_lock;
extern struct list_head dmo_sessions;

/* Passes an event on, enum dmo_event; @volume -1: none, @why NULL: none. Sleeps. */
typedef void dmo_event_fn(dev_t meta_dev, const u8 *uuid, u32 event, struct dmo_cut cut, int volume,
			  const char *why);
/**
 * dmo_session_events_to - whom sessions tell of events; before there is any. Without it: nobody.
 */
void dmo_session_events_to(dmo_event_fn *fn);

/**
 * dmo_session_get - find or load the session of a metadata device. Holds: dmo_sessions_lock.
 * Return: session with a reference, ERR_PTR with @why
 */
struct dmo_session *dmo_session_get(struct block_device *meta, struct dmo_reason *why);
/**
 * dmo_session_put - the last one stops and frees; it waits for commands in hand. Holds no lock, sleeps.
 */
void dmo_session_put(struct dmo_session *s);
/**
 * dmo_session_find - by device number of the metadata device. Holds: dmo_sessions_lock.
 */
struct dmo_session *dmo_session_find(dev_t dev);
/**
 * dmo_session_hold - begin a command: the session and its devices stay. Holds: dmo_sessions_lock.
 */
void dmo_session_hold(struct dmo_session *s);
/**
 * dmo_session_release - end it. Holds: dmo_sessions_lock.
 */
void dmo_session_release(struct dmo_session *s);

/**
 * dmo_session_attach_volume - a table for a volume. Holds: dmo_sessions_lock.
 * Return: index, or negative with @why
 */
int dmo_session_attach_volume(struct dmo_session *s, u32 id, struct mapped_device *md,
			      struct block_device *data, const char *ident, u64 sectors,
			      struct dmo_reason *why);
/**
 * dmo_session_detach_volume - a table of a volume goes
 * With the last one the link ends, and what the data device holds is taken down (dmo_witness_renew()).
 * Context: sleeps, reads; takes session->lock and dmo_sessions_lock.
 */
void dmo_session_detach_volume(struct dmo_session *s, u32 index);

/**
 * dmo_session_activate - preresume
 * @accept: the data device may be another one than it was, or have been written to: all is
 *	then copied
 * Return: role, or negative with @why. Sleeps.
 */
int dmo_session_activate(struct dmo_session *s, u32 index, bool accept, struct dmo_reason *why);
void dmo_session_resume(struct dmo_session *s, u32 index);
void dmo_session_presuspend(struct dmo_session *s, u32 index);
void dmo_session_deactivate(struct dmo_session *s, u32 index);

/* Commands; all take session->lock themselves and sleep; @why for the refusal */
int dmo_session_attach_link(struct dmo_session *s, int fd, u32 timeout_ms, struct dmo_reason *why);
/**
 * dmo_session_detach_link - the link goes
 * @more: others may be made; else none is until dmo_session_want_link()
 */
int dmo_session_detach_link(struct dmo_session *s, bool more, struct dmo_reason *why);
/**
 * dmo_session_want_link - links may be made again
 */
void dmo_session_want_link(struct dmo_session *s);
int dmo_session_switch(struct dmo_session *s, struct dmo_cut *cut, struct dmo_reason *why);
/**
 * dmo_session_set - 0 leaves a parameter as it is; ranges were checked
 */
int dmo_session_set(struct dmo_session *s, u32 cycle_ms, u32 budget_mib, u32 timeout_ms,
		    struct dmo_reason *why);
int dmo_session_promote(struct dmo_session *s, bool force, struct dmo_cut *cut, struct dmo_reason *why);

struct dmo_session_status {
	u32 role, state, flags;
	u32 cycle_ms, budget_mib, timeout_ms;
	u64 activation;
	struct dmo_link_info link;
	struct dmo_pri_status pri;
	struct dmo_sec_status sec;
	u32 block;
	u64 block_ms;
	struct dmo_reason why;
};
/**
 * dmo_session_status - what the session does now; DMO_STATE_BUSY where that can't be had within 0.2 s
 */
void dmo_session_status(struct dmo_session *s, struct dmo_session_status *st);

#endif /* DMO_SESSION_H */
