// SPDX-License-Identifier: GPL-2.0-only
/*
 * A link: one connected stream socket, a thread that sends, one that receives.
 *
 * Life. dmo_link_start() creates both threads; both sides say HELLO at once.
 *
 *   HANDSHAKE --HELLO, ACCEPT, ACCEPT--> UP
 *   either --link_end()--> ended --dmo_link_stop()--> joined, freed
 *
 * link_end() is the only way out. Whoever calls it first (a thread that met an
 * error, or dmo_link_abort()) sets @ended with the reason under @lock, logs it,
 * and calls ops->down once. dmo_link_stop() sets @ended without a reason and
 * without ops->down. After that both threads only run out: the sending one may
 * still say its last words (REFUSE or FAIL), for LAST_WORDS at most, and both
 * then wait for kthread_stop(). Nobody but dmo_link_stop() frees anything, so
 * the pointer stays good until then. Its order: end; wait for the last words;
 * shut the socket down, which wakes a thread that sleeps in it; join both
 * threads, after which nobody is left who could queue, send, read or call the
 * owner; free.
 *
 * Time. A thread never sleeps in the socket for longer than POLL, so it sees
 * @ended and its own time-outs whatever the peer does. The receiving thread
 * ends the link when nothing at all came for the time-out (any byte counts, so
 * a slow link is no dead link); while the owner holds it in ops->frame nothing
 * is counted. A send waits for room as long as the peer shows life: bytes that
 * came from it, or bytes that it took. The handshake as a whole has the
 * time-out too, however slowly its bytes drip.
 *
 * Memory. Nothing is allocated on behalf of the peer here: one payload buffer
 * of DMO_WIRE_MAX_PAYLOAD a link; data goes where the owner says. Both threads
 * run under memalloc_noio_save(): the owner may be in the path of writeback.
 *
 * Locks. @lock (spinlock, process context): @queue, @queued, @ended, @why,
 * @words, @state, @since. Innermost but for wait queues. Everything else belongs to one
 * thread, named where it is declared, and is at most peeked at by others.
 */
#include <linux/device-mapper.h>
#include <linux/kthread.h>
#include <linux/file.h>
#include <linux/net.h>
#include <linux/sched/mm.h>
#include <linux/tcp.h>
#include <net/sock.h>
#include <net/tcp.h>
#include "link.h"

#define DM_MSG_PREFIX "ordered link"

#define POLL		(HZ / 4)	/* longest sleep in the socket */
#define LAST_WORDS	HZ		/* for REFUSE or FAIL to get out */
#define MAX_QUEUED	1024		/* frames; far more than any owner posts */

enum link_flag {
	LF_KICKED,		/* ops->produce is to be called */
	LF_UP,			/* both have accepted: PINGs flow */
	LF_PRODUCE,		/* ops->up has returned: ops->produce may be called */
};

/* A frame without data that waits for the sending thread. */
struct queued {
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
	char why[DMO_REASON_LEN];
	u16 words;			/* type of the last words, 0: none */
	u32 state;			/* enum dmo_link_state */
	unsigned long since;

	unsigned long flags;		/* enum link_flag */
	wait_queue_head_t tx_wait;	/* for: queue, kick, end */
	struct completion tx_done;	/* last words said */

	/* sending thread */
	u64 tx_number;
	bool tx_mid_frame;		/* stopped within a frame: say no more */
	bool tx_words;			/* saying the last words */
	unsigned long tx_deadline;	/* of these */
	unsigned long last_sent;	/* end of the last frame */
	bool tx_busy;			/* in sendmsg; peeked at */
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

bool dmo_link_ended(const struct dmo_link *l)
{
	return READ_ONCE(l->ended);
}

/* Text of a peer, for the log: printable ASCII only. */
static void sanitise(char *dst, size_t size, const u8 *src, u32 len)
{
	u32 i, n = min_t(u32, len, size - 1);

	for (i = 0; i < n; i++)
		dst[i] = src[i] >= 0x20 && src[i] < 0x7f ? src[i] : '?';
	dst[n] = '\0';
}

/*
 * The one transition out of HANDSHAKE and UP. @words: type of the frame that
 * tells the peer @why, or 0.
 */
static void link_end(struct dmo_link *l, const char *why, u16 words)
{
	bool first;

	spin_lock(&l->lock);
	first = !l->ended;
	if (first) {
		strscpy(l->why, why, sizeof(l->why));
		l->words = words;
		WRITE_ONCE(l->state, DMO_LINK_NONE);
		l->since = jiffies;
		WRITE_ONCE(l->ended, true);
	}
	spin_unlock(&l->lock);
	if (!first)
		return;
	wake_up(&l->tx_wait);
	DMWARN_LIMIT("link to %s ended: %s", l->name, l->why);
	l->ops->down(l->owner, l, l->why);
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

/* Both threads end so: their task must be there for kthread_stop(). */
static void wait_for_stop(void)
{
	for (;;) {
		set_current_state(TASK_IDLE);
		if (kthread_should_stop())
			break;
		schedule();
	}
	__set_current_state(TASK_RUNNING);
}

/* -- sending ------------------------------------------------------------- */

/* May the sending thread go on waiting for room? */
static int tx_patience(struct dmo_link *l, char *why)
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
	snprintf(why, DMO_REASON_LEN,
		 "the peer took and sent nothing for %u ms: is the network or the peer down?",
		 jiffies_to_msecs(l->timeout));
	return -ETIMEDOUT;
}

static int tx_msg(struct dmo_link *l, struct msghdr *msg, char *why)
{
	int r;

	l->tx_progress = jiffies;
	while (msg_data_left(msg)) {
		r = tx_patience(l, why);
		if (r)
			return r;
		WRITE_ONCE(l->tx_busy, true);
		r = sock_sendmsg(l->sock, msg);
		if (r > 0) {
			WRITE_ONCE(l->tx_progress, jiffies);
			atomic64_add(r, &l->tx_bytes);
		}
		WRITE_ONCE(l->tx_busy, false);
		if (r > 0 || r == -EAGAIN || r == -EINTR || r == -ERESTARTSYS)
			continue;
		if (!r)
			r = -EPIPE;
		snprintf(why, DMO_REASON_LEN, "send failed: error %d", r);
		return r;
	}
	return 0;
}

static int tx_frame(struct dmo_link *l, struct dmo_frame_hdr *h, const void *payload,
		    struct bio_vec *bv, u32 nr_bv, char *why)
{
	struct msghdr msg = { .msg_flags = MSG_NOSIGNAL | (h->data_len ? MSG_MORE : 0) };
	u8 hdr[DMO_WIRE_HDR];
	struct kvec vec[2] = {
		{ .iov_base = hdr, .iov_len = sizeof(hdr) },
		{ .iov_base = (void *)payload, .iov_len = h->payload_len },
	};
	int rc;

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
	if (rc)
		return rc;
	l->tx_mid_frame = false;
	l->tx_number++;
	l->last_sent = jiffies;
	return 0;
}

int dmo_link_send(struct dmo_link *l, u16 type, struct dmo_cut tag, u64 arg,
		  const void *payload, u32 payload_len,
		  struct bio_vec *bv, u32 nr_bv, u32 data_len, char *why)
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

static int enqueue(struct dmo_link *l, u16 type, struct dmo_cut tag, u64 arg,
		   const void *payload, u32 len)
{
	struct queued *q;
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
	rc = enqueue(l, type, tag, arg, payload, len);
	if (rc == -ENOMEM)
		link_end(l, "no memory for a frame to send", DMO_FRAME_FAIL);
	else if (rc == -ENOBUFS)
		link_end(l, "too many frames wait to be sent", 0);
	return rc;
}

static struct queued *dequeue(struct dmo_link *l)
{
	struct queued *q;

	spin_lock(&l->lock);
	q = list_first_entry_or_null(&l->queue, struct queued, node);
	if (q) {
		list_del(&q->node);
		l->queued--;
	}
	spin_unlock(&l->lock);
	return q;
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
static int tx_step(struct dmo_link *l, char *why)
{
	struct dmo_frame_hdr ping = { .type = DMO_FRAME_PING };
	struct queued *q;
	int rc;

	q = dequeue(l);
	if (q) {
		rc = tx_frame(l, &q->h, q->payload, NULL, 0, why);
		kfree(q);
		return rc ?: 1;
	}
	if (tx_may_produce(l)) {
		clear_bit(LF_KICKED, &l->flags);
		/* whatever was there before the kick is seen by produce */
		smp_mb__after_atomic();
		rc = l->ops->produce(l->owner, l, why);
		if (rc > 0)
			set_bit(LF_KICKED, &l->flags);
		if (rc)
			return rc;
	}
	if (test_bit(LF_UP, &l->flags) &&
	    time_after_eq(jiffies, l->last_sent + l->timeout / 3)) {
		rc = tx_frame(l, &ping, NULL, NULL, 0, why);
		return rc ?: 1;
	}
	return 0;
}

static void tx_sleep(struct dmo_link *l)
{
	unsigned long due = l->last_sent + l->timeout / 3;
	long wait = test_bit(LF_UP, &l->flags) ? (long)(due - jiffies) : POLL;

	wait_event_idle_timeout(l->tx_wait,
				dmo_link_ended(l) || !list_empty_careful(&l->queue) ||
				tx_may_produce(l), clamp_t(long, wait, 1, l->timeout));
}

/* The link has ended: tell the peer why, if it can be told. */
static void tx_last_words(struct dmo_link *l)
{
	struct dmo_frame_hdr h = { };
	char why[DMO_REASON_LEN];	/* of no interest any more */
	struct queued *q;
	int rc = 0;

	spin_lock(&l->lock);	/* pairs with link_end() */
	h.type = l->words;
	h.payload_len = strlen(l->why);
	spin_unlock(&l->lock);
	if (!h.type || !h.payload_len || l->tx_mid_frame)
		return;
	l->tx_words = true;
	l->tx_deadline = jiffies + LAST_WORDS;
	/* a refusal comes after the own HELLO, so that the peer may judge too */
	while (h.type == DMO_FRAME_REFUSE && !rc && (q = dequeue(l))) {
		rc = tx_frame(l, &q->h, q->payload, NULL, 0, why);
		kfree(q);
	}
	if (!rc)
		tx_frame(l, &h, l->why, NULL, 0, why);
}

static int tx_thread(void *data)
{
	struct dmo_link *l = data;
	unsigned int noio = memalloc_noio_save();
	char why[DMO_REASON_LEN];
	int rc;

	while (!dmo_link_ended(l)) {
		why[0] = '\0';
		rc = tx_step(l, why);
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
							LAST_WORDS);
			link_end(l, why[0] ? why : "sending failed", DMO_FRAME_FAIL);
		}
	}
	tx_last_words(l);
	complete(&l->tx_done);
	memalloc_noio_restore(noio);
	wait_for_stop();
	return 0;
}

/* -- receiving ----------------------------------------------------------- */

static int rx_patience(struct dmo_link *l, char *why)
{
	bool up = test_bit(LF_UP, &l->flags);

	if (dmo_link_ended(l))
		return -ESHUTDOWN;
	if (!time_after(jiffies, (up ? l->last_rx : l->started) + l->timeout))
		return 0;
	if (up)
		snprintf(why, DMO_REASON_LEN,
			 "nothing received for %u ms: is the network or the peer down?",
			 jiffies_to_msecs(l->timeout));
	else
		snprintf(why, DMO_REASON_LEN,
			 "no handshake within %u ms: is the peer a dm-ordered?",
			 jiffies_to_msecs(l->timeout));
	return -ETIMEDOUT;
}

/* Receive until @msg is full. @within: in the midst of a frame. */
static int rx_msg(struct dmo_link *l, struct msghdr *msg, bool within, char *why)
{
	int r;

	while (msg_data_left(msg)) {
		r = rx_patience(l, why);
		if (r)
			return r;
		r = sock_recvmsg(l->sock, msg, MSG_WAITALL | MSG_NOSIGNAL);
		if (r > 0) {
			WRITE_ONCE(l->last_rx, jiffies);
			atomic64_add(r, &l->rx_bytes);
			within = true;
			continue;
		}
		if (r == -EAGAIN || r == -EINTR || r == -ERESTARTSYS)
			continue;
		if (!r || r == -ECONNRESET) {	/* the latter: we had sent what it never read */
			snprintf(why, DMO_REASON_LEN, "the peer closed the connection%s",
				 within ? " in the midst of a frame" : "");
			return -ECONNRESET;
		}
		snprintf(why, DMO_REASON_LEN, "receive failed: error %d", r);
		return r;
	}
	return 0;
}

static int rx_buf(struct dmo_link *l, void *buf, u32 len, bool within, char *why)
{
	struct kvec vec = { .iov_base = buf, .iov_len = len };
	struct msghdr msg = { };

	iov_iter_kvec(&msg.msg_iter, ITER_DEST, &vec, 1, len);
	return rx_msg(l, &msg, within, why);
}

int dmo_link_read(struct dmo_link *l, struct bio_vec *bv, u32 nr_bv, u32 len, char *why)
{
	struct msghdr msg = { };
	int rc;

	if (WARN_ON_ONCE(current != l->rx || len > l->rx_left))
		return -EINVAL;
	if (!len)
		return 0;
	iov_iter_bvec(&msg.msg_iter, ITER_DEST, bv, nr_bv, len);
	rc = rx_msg(l, &msg, true, why);
	if (!rc)
		l->rx_left -= len;
	return rc;
}

/* HELLO: the owner judges. */
static int rx_hello(struct dmo_link *l, const struct dmo_frame_hdr *h, char *why, u16 *words)
{
	int rc;

	if (l->rx_hello) {
		snprintf(why, DMO_REASON_LEN, "a second HELLO");
		return -EPROTO;
	}
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
static int rx_accept(struct dmo_link *l, char *why)
{
	if (!l->rx_hello || l->rx_accept) {
		snprintf(why, DMO_REASON_LEN, "ACCEPT out of order");
		return -EPROTO;
	}
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
static int rx_last_words(struct dmo_link *l, const struct dmo_frame_hdr *h, char *why)
{
	char text[DMO_REASON_LEN - 32];

	sanitise(text, sizeof(text), l->rx_payload, h->payload_len);
	snprintf(why, DMO_REASON_LEN, "%s: %s",
		 h->type == DMO_FRAME_REFUSE ? "refused by the peer" : "the peer gave up", text);
	return -ECONNREFUSED;
}

static int rx_owner_frame(struct dmo_link *l, const struct dmo_frame_hdr *h, char *why)
{
	int rc;

	if (!l->rx_accept) {
		snprintf(why, DMO_REASON_LEN, "%s before the handshake is done",
			 dmo_frame_name(h->type));
		return -EPROTO;
	}
	l->rx_left = h->data_len;
	WRITE_ONCE(l->rx_in_owner, true);
	rc = l->ops->frame(l->owner, l, h, l->rx_payload, why);
	WRITE_ONCE(l->last_rx, jiffies);
	WRITE_ONCE(l->rx_in_owner, false);
	if (!rc && WARN_ON_ONCE(l->rx_left)) {
		snprintf(why, DMO_REASON_LEN, "internal error: data of a frame was left unread");
		return -EIO;
	}
	return rc;
}

/* One frame. *@words: what the peer is to be told if this fails. */
static int rx_step(struct dmo_link *l, char *why, u16 *words)
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
		snprintf(why, DMO_REASON_LEN, "PING before the handshake is done");
		return -EPROTO;
	default:
		return rx_owner_frame(l, &h, why);
	}
}

static int rx_thread(void *data)
{
	struct dmo_link *l = data;
	unsigned int noio = memalloc_noio_save();
	char why[DMO_REASON_LEN];
	u16 words;
	int rc;

	while (!dmo_link_ended(l)) {
		why[0] = '\0';
		rc = rx_step(l, why, &words);
		if (rc == -ETIMEDOUT)	/* perhaps it can still hear us */
			words = l->rx_accept ? DMO_FRAME_FAIL : DMO_FRAME_REFUSE;
		if (rc < 0)
			link_end(l, why[0] ? why : "receiving failed", words);
	}
	memalloc_noio_restore(noio);
	wait_for_stop();
	return 0;
}

/* -- life ---------------------------------------------------------------- */

static int check_sock(struct socket *sock, char *why)
{
	struct sock *sk = sock->sk;
	int family = sk ? sk->sk_family : 0;

	if (family != AF_INET && family != AF_INET6 && family != AF_UNIX) {
		snprintf(why, DMO_REASON_LEN,
			 "socket is of address family %d, expected AF_INET, AF_INET6 or AF_UNIX",
			 family);
		return -EAFNOSUPPORT;
	}
	if (sock->type != SOCK_STREAM) {
		snprintf(why, DMO_REASON_LEN, "socket is of type %d, expected a stream socket",
			 sock->type);
		return -EPROTOTYPE;
	}
	if (family != AF_UNIX && sk->sk_protocol != IPPROTO_TCP) {
		snprintf(why, DMO_REASON_LEN, "socket is of protocol %d, expected TCP",
			 sk->sk_protocol);
		return -EPROTONOSUPPORT;
	}
	if (READ_ONCE(sk->sk_shutdown)) {
		snprintf(why, DMO_REASON_LEN, "socket is shut down: make a new connection");
		return -ENOTCONN;
	}
	/* not sock->state: it lags behind a connect() that did not block */
	if (READ_ONCE(sk->sk_state) != TCP_ESTABLISHED) {
		snprintf(why, DMO_REASON_LEN, "socket is not connected");
		return -ENOTCONN;
	}
	return 0;
}

struct socket *dmo_link_check_fd(int fd, char *why)
{
	struct socket *sock;
	int rc;

	sock = sockfd_lookup(fd, &rc);
	if (!sock) {
		snprintf(why, DMO_REASON_LEN, "file descriptor %d is %s", fd,
			 rc == -ENOTSOCK ? "no socket" : "not open");
		return ERR_PTR(rc);
	}
	rc = check_sock(sock, why);
	if (rc) {
		sockfd_put(sock);
		return ERR_PTR(rc);
	}
	return sock;
}

static void prepare_sock(struct dmo_link *l)
{
	struct sock *sk = l->sock->sk;
	struct sockaddr_storage addr = { };
	long poll = min_t(long, POLL, l->timeout / 2 + 1);

	sk->sk_allocation = GFP_NOIO | __GFP_MEMALLOC;
	sk->sk_use_task_frag = false;
	sk->sk_sndtimeo = poll;
	sk->sk_rcvtimeo = poll;
	if (sk->sk_family == AF_UNIX) {
		strscpy(l->name, "local socket", sizeof(l->name));
		return;
	}
	tcp_sock_set_nodelay(sk);
	if (kernel_getpeername(l->sock, (struct sockaddr *)&addr) < 0)
		strscpy(l->name, "unknown", sizeof(l->name));
	else
		snprintf(l->name, sizeof(l->name), "%pISpc", &addr);
}

static int post_hello(struct dmo_link *l)
{
	u32 len = dmo_hello_encode(&l->own, l->rx_payload);

	return enqueue(l, DMO_FRAME_HELLO, (struct dmo_cut) { }, 0, l->rx_payload, len);
}

static void free_link(struct dmo_link *l)
{
	struct queued *q;

	while ((q = dequeue(l)))
		kfree(q);
	sockfd_put(l->sock);
	kvfree(l->rx_payload);
	kvfree(l);
}

static int create_threads(struct dmo_link *l)
{
	static atomic_t serial = ATOMIC_INIT(0);
	unsigned int id = (unsigned int)atomic_inc_return(&serial) % 10000;
	struct task_struct *t;

	t = kthread_create(tx_thread, l, "dmo_tx%u", id);
	if (IS_ERR(t))
		return PTR_ERR(t);
	l->tx = t;
	t = kthread_create(rx_thread, l, "dmo_rx%u", id);
	if (IS_ERR(t)) {
		kthread_stop(l->tx);	/* never ran */
		return PTR_ERR(t);
	}
	l->rx = t;
	return 0;
}

struct dmo_link *dmo_link_start(struct socket *sock, const struct dmo_hello *own,
				const struct dmo_link_ops *ops, void *owner,
				u32 timeout_ms, char *why)
{
	struct dmo_link *l;
	int rc;

	l = kvzalloc(sizeof(*l), GFP_KERNEL);
	if (!l) {
		sockfd_put(sock);
		snprintf(why, DMO_REASON_LEN, "no memory for a link");
		return ERR_PTR(-ENOMEM);
	}
	l->sock = sock;
	l->ops = ops;
	l->owner = owner;
	l->own = *own;
	l->timeout = max(msecs_to_jiffies(timeout_ms), 3UL);
	spin_lock_init(&l->lock);
	INIT_LIST_HEAD(&l->queue);
	init_waitqueue_head(&l->tx_wait);
	init_completion(&l->tx_done);
	l->state = DMO_LINK_HANDSHAKE;
	l->since = jiffies;
	l->started = jiffies;
	l->last_rx = jiffies;
	l->last_sent = jiffies;
	l->tx_progress = jiffies;
	prepare_sock(l);

	rc = -ENOMEM;
	l->rx_payload = kvmalloc(DMO_WIRE_MAX_PAYLOAD, GFP_KERNEL);
	if (l->rx_payload)
		rc = post_hello(l);
	if (!rc)
		rc = create_threads(l);
	if (rc) {
		snprintf(why, DMO_REASON_LEN, "link can't be started: error %d", rc);
		free_link(l);
		return ERR_PTR(rc);
	}
	wake_up_process(l->tx);
	wake_up_process(l->rx);
	return l;
}

void dmo_link_stop(struct dmo_link *l)
{
	WARN_ON_ONCE(current == l->tx || current == l->rx);

	/* kill: no send, receive or callback begins any more */
	spin_lock(&l->lock);
	if (!l->ended) {
		WRITE_ONCE(l->state, DMO_LINK_NONE);
		l->since = jiffies;
		WRITE_ONCE(l->ended, true);
	}
	spin_unlock(&l->lock);
	wake_up(&l->tx_wait);

	/* quiesce: last words, then wake whoever sleeps in the socket */
	wait_for_completion_timeout(&l->tx_done, 2 * LAST_WORDS);
	kernel_sock_shutdown(l->sock, SHUT_RDWR);
	kthread_stop(l->tx);
	kthread_stop(l->rx);

	/* release */
	free_link(l);
}

void dmo_link_abort(struct dmo_link *l, const char *why)
{
	link_end(l, why, DMO_FRAME_FAIL);
}

/* -- looking at it ------------------------------------------------------- */

void dmo_link_info(struct dmo_link *l, struct dmo_link_info *info)
{
	memset(info, 0, sizeof(*info));
	spin_lock(&l->lock);
	info->state = l->state;
	info->since = l->since;
	spin_unlock(&l->lock);
	info->tx_bytes = atomic64_read(&l->tx_bytes);
	info->rx_bytes = atomic64_read(&l->rx_bytes);
	info->sending = READ_ONCE(l->tx_busy) &&
			time_after(jiffies, READ_ONCE(l->tx_progress) + HZ / 20);
	strscpy(info->peer, l->name, sizeof(info->peer));
}

const struct dmo_hello *dmo_link_peer(struct dmo_link *l)
{
	return &l->peer;
}

bool dmo_link_is_up(struct dmo_link *l)
{
	return READ_ONCE(l->state) == DMO_LINK_UP;
}
