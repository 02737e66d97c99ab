/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What link.c, link_send.c and link_receive.c share; threads, times and locks are
 * described at the top of link.c.
 */
#ifndef DMO_LINK_PRIV_H
#define DMO_LINK_PRIV_H

#include <linux/completion.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include "link/link.h"

#define DMO_LINK_POLL	(HZ / 4)	/* longest sleep in the socket */
#define DMO_LAST_WORDS	HZ		/* for REFUSE or FAIL to get out */

enum dmo_link_flag {
	LF_KICKED,		/* ops->produce is to be called */
	LF_UP,			/* both have accepted: PINGs flow */
	LF_PRODUCE,		/* ops->up has returned: ops->produce may be called */
};

/* A frame without data that waits for the sending thread. */
struct dmo_queued {
	struct list_head node;
	struct dmo_frame_hdr h;
	u8 payload[];
};

struct dmo_link {
	struct socket *sock;
	const struct dmo_link_ops *ops;
	void *owner;
	struct task_struct *tx, *rx;
	unsigned long timeout;		/* jiffies */
	char name[64];			/* address of the peer */

	spinlock_t lock;		/* see above */
	struct list_head queue;
	unsigned int queued;
	bool ended;			/* set once; also read without @lock */
	struct dmo_reason why;
	u16 words;			/* type of the last words, 0: none */
	u32 state;			/* enum dmo_link_state */
	unsigned long since;

	unsigned long flags;		/* enum dmo_link_flag */
	wait_queue_head_t tx_wait;	/* for: queue, kick, end */
	struct completion tx_done;	/* last words said */

	/*
	 * @tx_lock (mutex): a frame is sent under it, whole. The sending thread's, but for a PING that the
	 * receiving thread says while the other one waits for a disk.
	 */
	struct mutex tx_lock;
	u64 tx_number;
	bool tx_mid_frame;		/* stopped within a frame: say no more */
	bool tx_words;			/* saying the last words */
	unsigned long tx_deadline;	/* of these */
	unsigned long last_sent;	/* end of the last frame */
	bool tx_busy;			/* in sendmsg; peeked at */
	bool tx_in_owner;		/* sending thread, in ops->produce; peeked at */
	unsigned long tx_progress;	/* when the socket last took something; peeked at */
	atomic64_t tx_bytes;

	/* receiving thread */
	u64 rx_number;
	u32 rx_left;			/* data of the frame in hand not yet read */
	bool rx_hello, rx_accept;	/* what came */
	unsigned long started;
	unsigned long last_rx;		/* when something last came; peeked at */
	bool rx_in_owner;		/* in ops->frame; peeked at */
	atomic64_t rx_bytes;
	u8 rx_hdr[DMO_WIRE_HDR];
	void *rx_payload;		/* DMO_WIRE_MAX_PAYLOAD */

	struct dmo_hello own, peer;
};

/* -- link.c: */

/* The one transition out of HANDSHAKE and UP. @words: type of the frame that says why, or 0. */
void dmo_link_end(struct dmo_link *l, const char *why, u16 words);
/* Both threads end so: their task must be there for kthread_stop(). */
void dmo_link_wait_for_stop(void);

/* -- link_send.c: */

int dmo_link_send_thread(void *data);
/* Receiving thread: say PING if it is due, and the sending thread does not come to it. Does not wait. */
void dmo_link_ping_for_sender(struct dmo_link *l);
/* As dmo_link_post(), but a failure does not end the link. */
int dmo_link_enqueue(struct dmo_link *l, u16 type, struct dmo_cut tag, u64 arg,
		     const void *payload, u32 len);
struct dmo_queued *dmo_link_dequeue(struct dmo_link *l);

/* -- link_receive.c: */

int dmo_link_receive_thread(void *data);

#endif /* DMO_LINK_PRIV_H */
