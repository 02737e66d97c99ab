// SPDX-License-Identifier: GPL-2.0-only
/*
 * A link: one connected stream socket, a thread that sends (link_send.c), one
 * that receives (link_receive.c); here their common life.
 *
 * Life. dmo_link_start() creates both threads; both sides say HELLO at once.
 *
 *   HANDSHAKE --HELLO, ACCEPT, ACCEPT--> UP
 *   either --dmo_link_end()--> ended --dmo_link_stop()--> joined, freed
 *
 * dmo_link_end() is the only way out. Whoever calls it first (a thread that met
 * an error, or dmo_link_abort()) sets @ended with the reason under @lock, logs
 * it, and calls ops->down once. dmo_link_stop() sets @ended without a reason and
 * without ops->down. After that both threads only run out: the sending one may
 * still say its last words (REFUSE or FAIL), for DMO_LAST_WORDS at most, and
 * both then wait for kthread_stop(). Nobody but dmo_link_stop() frees anything, so
 * the pointer stays good until then. Its order: end; wait for the last words;
 * shut the socket down, which wakes a thread that sleeps in it; join both
 * threads, after which nobody is left who could queue, send, read or call the
 * owner; free.
 *
 * Time. A thread never sleeps in the socket for longer than DMO_LINK_POLL, so it
 * sees @ended and its own time-outs whatever the peer does. The receiving thread
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
 * @words, @state, @since. Innermost but for wait queues. Everything else belongs
 * to one thread, named where it is declared, and is at most peeked at by others.
 */
#include <linux/device-mapper.h>
#include <linux/file.h>
#include <linux/kthread.h>
#include <linux/tcp.h>
#include <net/sock.h>
#include "link/link_priv.h"

#define DM_MSG_PREFIX "ordered link"

bool dmo_link_ended(const struct dmo_link *l)
{
	return READ_ONCE(l->ended);
}

void dmo_link_end(struct dmo_link *l, const char *why, u16 words)
{
	bool first;

	spin_lock(&l->lock);
	first = !l->ended;
	if (first) {
		strscpy(l->why.text, why, sizeof(l->why.text));
		l->words = words;
		WRITE_ONCE(l->state, DMO_LINK_NONE);
		l->since = jiffies;
		WRITE_ONCE(l->ended, true);
	}
	spin_unlock(&l->lock);
	if (!first)
		return;
	wake_up(&l->tx_wait);
	DMWARN_LIMIT("link to %s ended: %s", l->name, l->why.text);
	l->ops->down(l->owner, l, l->why.text);
}

void dmo_link_wait_for_stop(void)
{
	for (;;) {
		set_current_state(TASK_IDLE);
		if (kthread_should_stop())
			break;
		schedule();
	}
	__set_current_state(TASK_RUNNING);
}

/* -- life ---------------------------------------------------------------- */

static int check_sock(struct socket *sock, struct dmo_reason *why)
{
	struct sock *sk = sock->sk;
	int family = sk ? sk->sk_family : 0;

	if (family != AF_INET && family != AF_INET6 && family != AF_UNIX)
		return dmo_refuse(why, -EAFNOSUPPORT,
				  "socket is of address family %d, expected AF_INET, AF_INET6 or AF_UNIX",
				  family);
	if (sock->type != SOCK_STREAM)
		return dmo_refuse(why, -EPROTOTYPE,
				  "socket is of type %d, expected a stream socket", sock->type);
	if (family != AF_UNIX && sk->sk_protocol != IPPROTO_TCP)
		return dmo_refuse(why, -EPROTONOSUPPORT,
				  "socket is of protocol %d, expected TCP", sk->sk_protocol);
	if (READ_ONCE(sk->sk_shutdown))
		return dmo_refuse(why, -ENOTCONN, "socket is shut down: make a new connection");
	/* not sock->state: it lags behind a connect() that did not block */
	if (READ_ONCE(sk->sk_state) != TCP_ESTABLISHED)
		return dmo_refuse(why, -ENOTCONN, "socket is not connected");
	return 0;
}

struct socket *dmo_link_check_fd(int fd, struct dmo_reason *why)
{
	struct socket *sock;
	int rc;

	sock = sockfd_lookup(fd, &rc);
	if (!sock)
		return ERR_PTR(dmo_refuse(why, rc,
					  "file descriptor %d is %s", fd,
					  rc == -ENOTSOCK ? "no socket" : "not open"));
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
	long poll = min_t(long, DMO_LINK_POLL, l->timeout / 2 + 1);

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

	return dmo_link_enqueue(l, DMO_FRAME_HELLO, (struct dmo_cut) { }, 0, l->rx_payload, len);
}

static void free_link(struct dmo_link *l)
{
	struct dmo_queued *q;

	while ((q = dmo_link_dequeue(l)))
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

	t = kthread_create(dmo_link_send_thread, l, "dmo_tx%u", id);
	if (IS_ERR(t))
		return PTR_ERR(t);
	l->tx = t;
	t = kthread_create(dmo_link_receive_thread, l, "dmo_rx%u", id);
	if (IS_ERR(t)) {
		kthread_stop(l->tx);	/* never ran */
		return PTR_ERR(t);
	}
	l->rx = t;
	return 0;
}

struct dmo_link *dmo_link_start(struct socket *sock, const struct dmo_hello *own,
				const struct dmo_link_ops *ops, void *owner,
				u32 timeout_ms, struct dmo_reason *why)
{
	struct dmo_link *l;
	int rc;

	l = kvzalloc(sizeof(*l), GFP_KERNEL);
	if (!l) {
		sockfd_put(sock);
		return ERR_PTR(dmo_refuse(why, -ENOMEM, "no memory for a link"));
	}
	l->sock = sock;
	l->ops = ops;
	l->owner = owner;
	l->own = *own;
	l->timeout = max(msecs_to_jiffies(timeout_ms), 3UL);
	spin_lock_init(&l->lock);
	mutex_init(&l->tx_lock);
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
		dmo_refuse(why, rc, "link can't be started: error %d", rc);
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
	wait_for_completion_timeout(&l->tx_done, 2 * DMO_LAST_WORDS);
	kernel_sock_shutdown(l->sock, SHUT_RDWR);
	kthread_stop(l->tx);
	kthread_stop(l->rx);

	/* release */
	free_link(l);
}

void dmo_link_abort(struct dmo_link *l, const char *why)
{
	dmo_link_end(l, why, DMO_FRAME_FAIL);
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
