// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sending thread of a link, and the queue of frames that wait for it; see
 * the top of link.c. Queued frames go first, then what the owner produces, then
 * a PING if nothing else was sent for a third of the time-out. A frame is never
 * interrupted by another; one that could not be sent whole is the last.
 */
#include <linux/kthread.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <net/sock.h>
#include "link/link_priv.h"

#define MAX_QUEUED	1024		/* frames; far more than any owner posts */

/* May the sending thread go on waiting for room? */
static int tx_patience(struct dmo_link *l, struct dmo_reason *why)
{
	unsigned long last;

	if (l->tx_words)
		return time_after(jiffies, l->tx_deadline) ? -ETIMEDOUT : 0;
	if (dmo_link_ended(l))
		return -ESHUTDOWN;
	if (READ_ONCE(l->rx_in_owner))
		return 0;
	last = READ_ONCE(l->last_rx);
	if (time_after(l->tx_progress, last))
		last = l->tx_progress;
	if (!time_after(jiffies, last + l->timeout))
		return 0;
	return dmo_refuse(why, -ETIMEDOUT,
			  "the peer took and sent nothing for %u ms: is the network or the peer down?",
			  jiffies_to_msecs(l->timeout));
}

static int tx_msg(struct dmo_link *l, struct msghdr *msg, struct dmo_reason *why)
{
	int rc;

	l->tx_progress = jiffies;
	while (msg_data_left(msg)) {
		rc = tx_patience(l, why);
		if (rc)
			return rc;
		WRITE_ONCE(l->tx_busy, true);
		rc = sock_sendmsg(l->sock, msg);
		if (rc > 0) {
			WRITE_ONCE(l->tx_progress, jiffies);
			atomic64_add(rc, &l->tx_bytes);
		}
		WRITE_ONCE(l->tx_busy, false);
		if (rc > 0 || rc == -EAGAIN || rc == -EINTR || rc == -ERESTARTSYS)
			continue;
		if (!rc)
			rc = -EPIPE;
		return dmo_refuse(why, rc, "send failed: error %d", rc);
	}
	return 0;
}

static int tx_frame_locked(struct dmo_link *l, struct dmo_frame_hdr *h, const void *payload,
			   struct bio_vec *bv, u32 nr_bv, struct dmo_reason *why)
{
	struct msghdr msg = { .msg_flags = MSG_NOSIGNAL | (h->data_len ? MSG_MORE : 0) };
	u64 sent = atomic64_read(&l->tx_bytes);
	u8 hdr[DMO_WIRE_HDR];
	struct kvec vec[2] = {
		{ .iov_base = hdr, .iov_len = sizeof(hdr) },
		{ .iov_base = (void *)payload, .iov_len = h->payload_len },
	};
	int rc;

	lockdep_assert_held(&l->tx_lock);
	if (l->tx_mid_frame)
		return -EPIPE;	/* one that wasn't sent whole is the last */
	h->number = l->tx_number + 1;
	dmo_frame_encode(hdr, h, payload);
	l->tx_mid_frame = true;
	iov_iter_kvec(&msg.msg_iter, ITER_SOURCE, vec, h->payload_len ? 2 : 1,
		      sizeof(hdr) + h->payload_len);
	rc = tx_msg(l, &msg, why);
	if (!rc && h->data_len) {
		msg.msg_flags = MSG_NOSIGNAL;
		iov_iter_bvec(&msg.msg_iter, ITER_SOURCE, bv, nr_bv, h->data_len);
		rc = tx_msg(l, &msg, why);
	}
	if (rc) {
		l->tx_mid_frame = atomic64_read(&l->tx_bytes) != sent;
		return rc;
	}
	l->tx_mid_frame = false;
	l->tx_number++;
	WRITE_ONCE(l->last_sent, jiffies);
	return 0;
}

static int tx_frame(struct dmo_link *l, struct dmo_frame_hdr *h, const void *payload,
		    struct bio_vec *bv, u32 nr_bv, struct dmo_reason *why)
{
	int rc;

	mutex_lock(&l->tx_lock);
	rc = tx_frame_locked(l, h, payload, bv, nr_bv, why);
	mutex_unlock(&l->tx_lock);
	return rc;
}

static bool has_room(struct sock *sk)
{
	return sk->sk_family == AF_UNIX ? sock_writeable(sk) : sk_stream_is_writeable(sk);
}

/*
 * The sending thread may wait in its owner for a disk, or a block lock, for longer than the peer
 * has patience; that is not silence.
 */
void dmo_link_ping_for_sender(struct dmo_link *l)
{
	struct dmo_frame_hdr ping = { .type = DMO_FRAME_PING };
	struct dmo_reason why;

	if (!READ_ONCE(l->tx_in_owner) || !test_bit(LF_UP, &l->flags) ||
	    time_before(jiffies, READ_ONCE(l->last_sent) + l->timeout / 3))
		return;
	/* else it is sending; and whoever is here must not wait for room in the socket */
	if (!mutex_trylock(&l->tx_lock))
		return;
	if (has_room(l->sock->sk))
		tx_frame_locked(l, &ping, NULL, NULL, 0, &why);
	mutex_unlock(&l->tx_lock);
}

int dmo_link_send(struct dmo_link *l, u16 type, struct dmo_cut tag, u64 arg,
		  const void *payload, u32 payload_len,
		  struct bio_vec *bv, u32 nr_bv, u32 data_len, struct dmo_reason *why)
{
	struct dmo_frame_hdr h = {
		.type = type,
		.tag = tag,
		.arg = arg,
		.payload_len = payload_len,
		.data_len = data_len,
	};

	if (WARN_ON_ONCE(current != l->tx || payload_len > DMO_WIRE_MAX_PAYLOAD))
		return -EINVAL;
	return tx_frame(l, &h, payload, bv, nr_bv, why);
}

int dmo_link_enqueue(struct dmo_link *l, u16 type, struct dmo_cut tag, u64 arg,
		     const void *payload, u32 len)
{
	struct dmo_queued *q;
	int rc = 0;

	q = kmalloc(struct_size(q, payload, len), GFP_NOIO);
	if (!q)
		return -ENOMEM;
	q->h = (struct dmo_frame_hdr) {
		.type = type,
		.tag = tag,
		.arg = arg,
		.payload_len = len,
	};
	if (len)
		memcpy(q->payload, payload, len);

	spin_lock(&l->lock);
	if (l->ended)
		rc = -ESHUTDOWN;
	else if (l->queued >= MAX_QUEUED)
		rc = -ENOBUFS;
	else {
		list_add_tail(&q->node, &l->queue);
		l->queued++;
	}
	spin_unlock(&l->lock);
	if (rc)
		kfree(q);
	else
		wake_up(&l->tx_wait);
	return rc;
}

int dmo_link_post(struct dmo_link *l, u16 type, struct dmo_cut tag, u64 arg,
		  const void *payload, u32 len)
{
	int rc;

	if (WARN_ON_ONCE(len > DMO_WIRE_MAX_PAYLOAD))
		return -EINVAL;
	rc = dmo_link_enqueue(l, type, tag, arg, payload, len);
	if (rc == -ENOMEM)
		dmo_link_end(l, "no memory for a frame to send", DMO_FRAME_FAIL);
	else if (rc == -ENOBUFS)
		dmo_link_end(l, "too many frames wait to be sent", 0);
	return rc;
}

struct dmo_queued *dmo_link_dequeue(struct dmo_link *l)
{
	struct dmo_queued *q;

	spin_lock(&l->lock);
	q = list_first_entry_or_null(&l->queue, struct dmo_queued, node);
	if (q) {
		list_del(&q->node);
		l->queued--;
	}
	spin_unlock(&l->lock);
	return q;
}

/* One of which nothing is sent yet, taken out by the sending thread. */
static void requeue(struct dmo_link *l, struct dmo_queued *q)
{
	spin_lock(&l->lock);
	list_add(&q->node, &l->queue);
	l->queued++;
	spin_unlock(&l->lock);
}

void dmo_link_kick(struct dmo_link *l)
{
	set_bit(LF_KICKED, &l->flags);
	/* pairs with the barrier of prepare_to_wait() in the sending thread */
	smp_mb__after_atomic();
	wake_up(&l->tx_wait);
}

static bool tx_may_produce(struct dmo_link *l)
{
	return l->ops->produce && test_bit(LF_PRODUCE, &l->flags) &&
		test_bit(LF_KICKED, &l->flags);
}

/* One step of the sending thread. > 0: did something, 0: nothing to do. */
static int tx_step(struct dmo_link *l, struct dmo_reason *why)
{
	struct dmo_frame_hdr ping = { .type = DMO_FRAME_PING };
	/* Before the queue is looked at: ACCEPT is there when these are set, and goes first. */
	bool produce = tx_may_produce(l), up = test_bit(LF_UP, &l->flags);
	struct dmo_queued *q;
	int rc;

	q = dmo_link_dequeue(l);
	if (q) {
		rc = tx_frame(l, &q->h, q->payload, NULL, 0, why);
		/* refused at this very moment: the own HELLO goes with the last words */
		if (rc && !l->tx_mid_frame)
			requeue(l, q);
		else
			kfree(q);
		return rc ?: 1;
	}
	if (produce) {
		clear_bit(LF_KICKED, &l->flags);
		/* whatever was there before the kick is seen by produce */
		smp_mb__after_atomic();
		WRITE_ONCE(l->tx_in_owner, true);
		rc = l->ops->produce(l->owner, l, why);
		WRITE_ONCE(l->tx_in_owner, false);
		if (rc > 0)
			set_bit(LF_KICKED, &l->flags);
		if (rc)
			return rc;
	}
	if (up && time_after_eq(jiffies, l->last_sent + l->timeout / 3)) {
		rc = tx_frame(l, &ping, NULL, NULL, 0, why);
		return rc ?: 1;
	}
	return 0;
}

static void tx_sleep(struct dmo_link *l)
{
	unsigned long due = l->last_sent + l->timeout / 3;
	long wait = test_bit(LF_UP, &l->flags) ? (long)(due - jiffies) : DMO_LINK_POLL;

	wait_event_idle_timeout(l->tx_wait,
				dmo_link_ended(l) || !list_empty_careful(&l->queue) ||
				tx_may_produce(l), clamp_t(long, wait, 1, l->timeout));
}

/* The link has ended: tell the peer why, if it can be told. */
static void tx_last_words(struct dmo_link *l)
{
	struct dmo_frame_hdr h = { };
	struct dmo_reason why;	/* of no interest any more */
	struct dmo_queued *q;
	int rc = 0;

	spin_lock(&l->lock);	/* pairs with dmo_link_end() */
	h.type = l->words;
	h.payload_len = strlen(l->why.text);
	spin_unlock(&l->lock);
	if (!h.type || !h.payload_len)
		return;
	l->tx_words = true;
	l->tx_deadline = jiffies + DMO_LAST_WORDS;
	/* a refusal comes after the own HELLO, so that the peer may judge too */
	while (h.type == DMO_FRAME_REFUSE && !rc && (q = dmo_link_dequeue(l))) {
		rc = tx_frame(l, &q->h, q->payload, NULL, 0, &why);
		kfree(q);
	}
	if (!rc)
		tx_frame(l, &h, l->why.text, NULL, 0, &why);
}

int dmo_link_send_thread(void *data)
{
	struct dmo_link *l = data;
	unsigned int noio = memalloc_noio_save();
	struct dmo_reason why;
	int rc;

	while (!dmo_link_ended(l)) {
		why.text[0] = '\0';
		rc = tx_step(l, &why);
		if (!rc) {
			tx_sleep(l);
		} else if (rc < 0) {
			/*
			 * A peer that says FAIL and closes breaks our sends
			 * before its text is read: leave it to the receiving
			 * thread for a moment.
			 */
			if (rc == -EPIPE || rc == -ECONNRESET)
				wait_event_idle_timeout(l->tx_wait, dmo_link_ended(l),
							DMO_LAST_WORDS);
			dmo_link_end(l, why.text[0] ? why.text : "sending failed", DMO_FRAME_FAIL);
		}
	}
	tx_last_words(l);
	complete(&l->tx_done);
	memalloc_noio_restore(noio);
	dmo_link_wait_for_stop();
	return 0;
}
