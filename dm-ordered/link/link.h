/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A link: one connected stream socket, a thread that sends, a thread that
 * receives. Knows frames and the handshake, nothing of chunks or roles.
 */
#ifndef DMO_LINK_H
#define DMO_LINK_H

#include <linux/net.h>
#include <linux/bvec.h>
#include "format/wire.h"

struct dmo_link;

/**
 * struct dmo_link_ops - what the owner of a link does
 * @hello: receive thread: judge the peer's HELLO. 0 accepts; < 0 refuses with
 *	the text in @why, which is sent to the peer and reported by @down.
 * @up: receive thread: handshake done, both have accepted.
 * @frame: receive thread: a frame that passed header, range and checksum tests
 *	of its own. Payload valid during the call. For DATA and DIRECT the owner
 *	reads exactly h->data_len bytes by dmo_link_read(). < 0 ends the link with @why.
 *	May sleep (back-pressure: the peer's sends then stall).
 * @produce: send thread, link up, control queue empty: send more by
 *	dmo_link_send(). > 0: sent something, 0: nothing to do now (dmo_link_kick()
 *	wakes it up again), < 0: ends the link with @why. May be NULL.
 * @down: the link has ended (any thread of it, once): mark it unusable and arrange for
 *	dmo_link_stop() from another context. Must not sleep long or call
 *	dmo_link_stop().
 */
struct dmo_link_ops {
	int (*hello)(void *owner, struct dmo_link *l, const struct dmo_hello *peer, struct dmo_reason *why);
	void (*up)(void *owner, struct dmo_link *l);
	int (*frame)(void *owner, struct dmo_link *l, const struct dmo_frame_hdr *h,
		     const void *payload, struct dmo_reason *why);
	int (*produce)(void *owner, struct dmo_link *l, struct dmo_reason *why);
	void (*down)(void *owner, struct dmo_link *l, const char *why);
};

/**
 * dmo_link_check_fd - may this fd become a link?
 * @why: text that names what is wrong: not a socket, not a stream, not
 *	connected, shut down, unsupported family, not plain allowed
 * Context: process context of the netlink caller.
 * Return: the socket with a reference (sockfd_put), or ERR_PTR.
 */
struct socket *dmo_link_check_fd(int fd, struct dmo_reason *why);

/**
 * dmo_link_start - take over @sock (its reference, also on failure) and begin the handshake
 * @own: own hello, copied
 * @timeout_ms: nothing received for so long ends the link; also the handshake's
 */
struct dmo_link *dmo_link_start(struct socket *sock, const struct dmo_hello *own,
				const struct dmo_link_ops *ops, void *owner,
				u32 timeout_ms, struct dmo_reason *why);

/**
 * dmo_link_stop - shut down, join both threads, free. Sleeps. Never from a link thread.
 * The owner's callbacks are not called any more once this returns.
 */
void dmo_link_stop(struct dmo_link *l);

/**
 * dmo_link_abort - end the link now with a reason (FAIL is sent if it can be); any
 * sleepable context; @down follows
 */
void dmo_link_abort(struct dmo_link *l, const char *why);

/**
 * dmo_link_post - queue a frame without data for the send thread
 * @payload: copied; NULL if none
 * Context: any that may allocate with GFP_NOIO. Queue length is bounded by the callers
 * (each posts at most a few frames a chunk); -ENOBUFS ends the link.
 */
int dmo_link_post(struct dmo_link *l, u16 type, struct dmo_cut tag, u64 arg,
		  const void *payload, u32 len);

/**
 * dmo_link_send - send one frame with payload and data now; send thread (@produce) only
 * @bv: data pages, data_len bytes in all; must not change until it returns; the bytes are
 *	copied into the socket, so afterwards they are the caller's again
 */
int dmo_link_send(struct dmo_link *l, u16 type, struct dmo_cut tag, u64 arg,
		  const void *payload, u32 payload_len,
		  struct bio_vec *bv, u32 nr_bv, u32 data_len, struct dmo_reason *why);

/**
 * dmo_link_read - receive exactly the bytes of @bv; receive thread (@frame) only
 */
int dmo_link_read(struct dmo_link *l, struct bio_vec *bv, u32 nr_bv, u32 len, struct dmo_reason *why);

/**
 * dmo_link_kick - wake the send thread up to call @produce; any context, irq too
 */
void dmo_link_kick(struct dmo_link *l);

struct dmo_link_info {
	u32 state;		/* enum dmo_link_state */
	u64 tx_bytes, rx_bytes;
	unsigned long since;	/* jiffies of the last change of state */
	bool sending;		/* a send is waiting for room in the socket */
	char peer[64];
};
void dmo_link_info(struct dmo_link *l, struct dmo_link_info *info);
const struct dmo_hello *dmo_link_peer(struct dmo_link *l);	/* after @hello */
bool dmo_link_is_up(struct dmo_link *l);
/**
 * dmo_link_ended - is the link being ended or stopped? An @ops callback that waits
 * for something looks at this, a few times a second at least. Any context.
 */
bool dmo_link_ended(const struct dmo_link *l);

#endif /* DMO_LINK_H */
