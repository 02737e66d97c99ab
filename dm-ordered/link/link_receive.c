// SPDX-License-Identifier: GPL-2.0-only
/*
 * The receiving thread of a link: frames, the handshake, and what the owner
 * reads of a frame's data; see the top of link.c. Nothing of a frame is used
 * before its header, and then its payload with it, has passed the tests of
 * wire.c.
 */
#include <linux/kthread.h>
#include <linux/sched/mm.h>
#include <net/sock.h>
#include "link/link_priv.h"

/* Text of a peer, for the log: printable ASCII only. */
static void sanitise(char *dst, size_t size, const u8 *src, u32 len)
{
	u32 i, n = min_t(u32, len, size - 1);

	for (i = 0; i < n; i++)
		dst[i] = src[i] >= 0x20 && src[i] < 0x7f ? src[i] : '?';
	dst[n] = '\0';
}

static void set_state(struct dmo_link *l, u32 state)
{
	spin_lock(&l->lock);
	if (!l->ended) {
		WRITE_ONCE(l->state, state);
		l->since = jiffies;
	}
	spin_unlock(&l->lock);
}

static int rx_patience(struct dmo_link *l, struct dmo_reason *why)
{
	bool up = test_bit(LF_UP, &l->flags);

	if (dmo_link_ended(l))
		return -ESHUTDOWN;
	if (!time_after(jiffies, (up ? l->last_rx : l->started) + l->timeout))
		return 0;
	return dmo_refuse(why, -ETIMEDOUT,
			  up ? "nothing received for %u ms: is the network or the peer down?" :
			  "no handshake within %u ms: is the peer a dm-ordered?",
			  jiffies_to_msecs(l->timeout));
}

/* Receive until @msg is full. @within: in the midst of a frame. */
static int rx_msg(struct dmo_link *l, struct msghdr *msg, bool within, struct dmo_reason *why)
{
	int rc;

	while (msg_data_left(msg)) {
		rc = rx_patience(l, why);
		if (rc)
			return rc;
		dmo_link_ping_for_sender(l);
		rc = sock_recvmsg(l->sock, msg, MSG_WAITALL | MSG_NOSIGNAL);
		if (rc > 0) {
			WRITE_ONCE(l->last_rx, jiffies);
			atomic64_add(rc, &l->rx_bytes);
			within = true;
			continue;
		}
		if (rc == -EAGAIN || rc == -EINTR || rc == -ERESTARTSYS)
			continue;
		if (!rc || rc == -ECONNRESET) {	/* the latter: we had sent what it never read */
			return dmo_refuse(why, -ECONNRESET,
					  "the peer closed the connection%s",
					  within ? " in the midst of a frame" : "");
		}
		return dmo_refuse(why, rc, "receive failed: error %d", rc);
	}
	return 0;
}

static int rx_buf(struct dmo_link *l, void *buf, u32 len, bool within, struct dmo_reason *why)
{
	struct kvec vec = { .iov_base = buf, .iov_len = len };
	struct msghdr msg = { };

	iov_iter_kvec(&msg.msg_iter, ITER_DEST, &vec, 1, len);
	return rx_msg(l, &msg, within, why);
}

int dmo_link_read(struct dmo_link *l, struct bio_vec *bv, u32 nr_bv, u32 len, struct dmo_reason *why)
{
	struct msghdr msg = { };
	int rc;

	if (WARN_ON_ONCE(current != l->rx || len > l->rx_left))
		return -EINVAL;
	if (!len)
		return 0;
	/* the owner may have waited for long, with the data in the socket */
	WRITE_ONCE(l->last_rx, jiffies);
	iov_iter_bvec(&msg.msg_iter, ITER_DEST, bv, nr_bv, len);
	rc = rx_msg(l, &msg, true, why);
	if (!rc)
		l->rx_left -= len;
	return rc;
}

/* HELLO: the owner judges. */
static int rx_hello(struct dmo_link *l, const struct dmo_frame_hdr *h, struct dmo_reason *why, u16 *words)
{
	int rc;

	if (l->rx_hello)
		return dmo_refuse(why, -EPROTO, "a second HELLO");
	rc = dmo_hello_decode(l->rx_payload, h->payload_len, &l->peer, why);
	if (rc) {
		*words = DMO_FRAME_REFUSE;
		return rc;
	}
	l->rx_hello = true;
	rc = l->ops->hello(l->owner, l, &l->peer, why);
	if (rc) {
		*words = DMO_FRAME_REFUSE;
		return rc;
	}
	return dmo_link_post(l, DMO_FRAME_ACCEPT, (struct dmo_cut) { }, 0, NULL, 0);
}

/* ACCEPT: with the own one, which is queued already, the link is up. */
static int rx_accept(struct dmo_link *l, struct dmo_reason *why)
{
	if (!l->rx_hello || l->rx_accept)
		return dmo_refuse(why, -EPROTO, "ACCEPT out of order");
	l->rx_accept = true;
	set_state(l, DMO_LINK_UP);
	set_bit(LF_UP, &l->flags);
	WRITE_ONCE(l->rx_in_owner, true);
	l->ops->up(l->owner, l);
	WRITE_ONCE(l->last_rx, jiffies);
	WRITE_ONCE(l->rx_in_owner, false);
	set_bit(LF_PRODUCE, &l->flags);
	dmo_link_kick(l);
	return 0;
}

/* REFUSE or FAIL: the peer's last words. */
static int rx_last_words(struct dmo_link *l, const struct dmo_frame_hdr *h, struct dmo_reason *why)
{
	char text[DMO_REASON_LEN - 32];

	sanitise(text, sizeof(text), l->rx_payload, h->payload_len);
	return dmo_refuse(why, -ECONNREFUSED,
			  "%s: %s",
			  h->type == DMO_FRAME_REFUSE ? "refused by the peer" : "the peer gave up",
			  text);
}

static int rx_owner_frame(struct dmo_link *l, const struct dmo_frame_hdr *h, struct dmo_reason *why)
{
	int rc;

	if (!l->rx_accept)
		return dmo_refuse(why, -EPROTO,
				  "%s before the handshake is done", dmo_frame_name(h->type));
	l->rx_left = h->data_len;
	WRITE_ONCE(l->rx_in_owner, true);
	rc = l->ops->frame(l->owner, l, h, l->rx_payload, why);
	WRITE_ONCE(l->last_rx, jiffies);
	WRITE_ONCE(l->rx_in_owner, false);
	if (!rc && WARN_ON_ONCE(l->rx_left))
		return dmo_refuse(why, -EIO, "internal error: data of a frame was left unread");
	return rc;
}

/* One frame. *@words: what the peer is to be told if this fails. */
static int rx_step(struct dmo_link *l, struct dmo_reason *why, u16 *words)
{
	struct dmo_frame_hdr h;
	int rc;

	*words = 0;
	rc = rx_buf(l, l->rx_hdr, DMO_WIRE_HDR, false, why);
	if (rc)
		return rc;
	*words = l->rx_hello ? DMO_FRAME_FAIL : DMO_FRAME_REFUSE;
	rc = dmo_frame_decode_hdr(l->rx_hdr, l->rx_number + 1, &h, why);
	if (rc)
		return rc;
	if (h.payload_len) {
		rc = rx_buf(l, l->rx_payload, h.payload_len, true, why);
		if (rc)
			return rc;
	}
	rc = dmo_frame_check_csum(l->rx_hdr, l->rx_payload, h.payload_len, why);
	if (rc)
		return rc;
	l->rx_number++;

	switch (h.type) {
	case DMO_FRAME_HELLO:
		return rx_hello(l, &h, why, words);
	case DMO_FRAME_ACCEPT:
		return rx_accept(l, why);
	case DMO_FRAME_REFUSE:
	case DMO_FRAME_FAIL:
		*words = 0;
		return rx_last_words(l, &h, why);
	case DMO_FRAME_PING:
		if (l->rx_accept)
			return 0;
		return dmo_refuse(why, -EPROTO, "PING before the handshake is done");
	default:
		return rx_owner_frame(l, &h, why);
	}
}

int dmo_link_receive_thread(void *data)
{
	struct dmo_link *l = data;
	unsigned int noio = memalloc_noio_save();
	struct dmo_reason why;
	u16 words;
	int rc;

	while (!dmo_link_ended(l)) {
		why.text[0] = '\0';
		rc = rx_step(l, &why, &words);
		if (rc == -ETIMEDOUT)	/* perhaps it can still hear us */
			words = l->rx_accept ? DMO_FRAME_FAIL : DMO_FRAME_REFUSE;
		if (rc < 0)
			dmo_link_end(l, why.text[0] ? why.text : "receiving failed", words);
	}
	memalloc_noio_restore(noio);
	dmo_link_wait_for_stop();
	return 0;
}
