// SPDX-License-Identifier: GPL-2.0-only
/*
 * Connected stream sockets: two pipes with delays, a window, short reads, and cuts at any byte.
 */
#include <stdlib.h>
#include "sim.h"

#define MAX_CONNS	256
#define PIPE_BYTES	(256u << 10)
#define MAX_SEGS	64	/* under way at a time; more go with the last one */

struct sim_pipe {
	struct sim_conn *conn;
	char *buf;		/* ring of PIPE_BYTES */
	u64 sent, arrived, taken;	/* bytes ever */
	u64 end;		/* the stream is cut here; U64_MAX: it isn't */
	bool fin;		/* writer shut down */
	bool fin_arrived;
	bool reset;		/* reader and writer are told */
	u64 last_at;		/* when the last segment arrives: no overtaking */
	struct sim_event events[MAX_SEGS];
	u64 upto[MAX_SEGS];
	u32 next_event;
	wait_queue_head_t readable, writable;
};

struct sim_conn {
	struct sim_net net;
	struct sim_pipe pipe[2];
	struct socket sock[2];
	u64 cut_at;		/* bytes of both directions */
	bool cut, silent, blocked, cut_silent;
};

static struct sim_conn *conns[MAX_CONNS];
static u32 nr_conns, nr_made;

void sock_begin(void)
{
	nr_conns = 0;
}

static u64 bytes_sent(struct sim_conn *c)
{
	return c->pipe[0].sent + c->pipe[1].sent;
}

static void cancel_all(struct sim_conn *c)
{
	u32 i;

	for (i = 0; i < MAX_SEGS; i++) {
		sim_event_cancel(&c->pipe[0].events[i]);
		sim_event_cancel(&c->pipe[1].events[i]);
	}
}

struct sim_conn *conn_new(struct host *a, struct host *b, const struct sim_net *n, int fd[2])
{
	struct sim_conn *c;
	char *buf[2];
	u32 at = 0;
	int i;

	/* one that nobody has any more */
	while (at < nr_conns && (conns[at]->sock[0].refs || conns[at]->sock[1].refs))
		at++;
	if (at == MAX_CONNS)
		sim_fail("too many connections");
	if (at < nr_conns)
		cancel_all(conns[at]);
	else if (nr_conns == nr_made) {
		c = calloc(1, sizeof(*c));
		c->pipe[0].buf = malloc(PIPE_BYTES);
		c->pipe[1].buf = malloc(PIPE_BYTES);
		conns[nr_made++] = c;
	}
	c = conns[at];
	buf[0] = c->pipe[0].buf;
	buf[1] = c->pipe[1].buf;
	memset(c, 0, sizeof(*c));
	c->net = *n;
	c->net.window = min_t(u32, max_t(u32, c->net.window, 1024), PIPE_BYTES);
	c->cut_at = U64_MAX;
	for (i = 0; i < 2; i++) {
		struct sim_pipe *p = &c->pipe[i];
		struct socket *s = &c->sock[i];

		p->conn = c;
		p->buf = buf[i];
		p->end = U64_MAX;
		init_waitqueue_head(&p->readable);
		init_waitqueue_head(&p->writable);
		s->sk = &s->sock;
		s->type = SOCK_STREAM;
		s->sock.sk_family = AF_INET;
		s->sock.sk_protocol = IPPROTO_TCP;
		s->sock.sk_state = TCP_ESTABLISHED;
		s->sock.sk_sndtimeo = MAX_SCHEDULE_TIMEOUT;
		s->sock.sk_rcvtimeo = MAX_SCHEDULE_TIMEOUT;
		s->out = &c->pipe[i];
		s->in = &c->pipe[!i];
		s->refs = 1;
		s->host = i ? b : a;
		fd[i] = (int)(at * 2) + i;
	}
	nr_conns = max(nr_conns, at + 1);
	return c;
}

bool conn_dead(struct sim_conn *c)
{
	return c->cut || c->sock[0].closed || c->sock[1].closed;
}

static void wake_pipe(struct sim_pipe *p)
{
	wake_up(&p->readable);
	wake_up(&p->writable);
}

static void arrive(void *arg)
{
	struct sim_event *e = arg;
	struct sim_pipe *p = NULL;
	u32 i, k;

	for (i = 0; i < nr_conns && !p; i++)
		for (k = 0; k < 2; k++)
			if (e >= conns[i]->pipe[k].events && e < conns[i]->pipe[k].events + MAX_SEGS)
				p = &conns[i]->pipe[k];
	if (p->conn->blocked)
		return;
	p->arrived = max(p->arrived, min(p->upto[e - p->events], p->end));
	if (p->fin && !p->conn->cut && p->upto[e - p->events] == p->sent)
		p->fin_arrived = true;
	wake_up(&p->readable);
}

/* What was sent last will arrive, some time. */
static void dispatch(struct sim_pipe *p)
{
	struct sim_net *n = &p->conn->net;
	u32 i = p->next_event, last = (i + MAX_SEGS - 1) % MAX_SEGS;

	if (p->events[i].index) {	/* all under way: with the last one */
		p->upto[last] = p->sent;
		return;
	}
	p->next_event = (i + 1) % MAX_SEGS;
	p->last_at = max(p->last_at, sim_now + sim_delay(n->delay_us, n->jitter_us));
	p->upto[i] = p->sent;
	sim_event_set(&p->events[i], p->last_at, arrive, &p->events[i], NULL);
}

void conn_block(struct sim_conn *c, bool block)
{
	int i;

	c->blocked = block;
	if (!block)
		for (i = 0; i < 2; i++)
			dispatch(&c->pipe[i]);
}

void conn_cut(struct sim_conn *c, bool silent)
{
	int i;

	if (c->cut)
		return;
	c->cut = true;
	c->silent = silent;
	for (i = 0; i < 2; i++) {
		struct sim_pipe *p = &c->pipe[i];
		u64 lost = p->sent - p->arrived;

		p->end = p->arrived + (lost ? rng_below(&sim_sched, (u32)lost + 1) : 0);
		p->reset = !silent;
		wake_pipe(p);
	}
}

void conn_cut_at(struct sim_conn *c, u64 bytes, bool silent)
{
	c->cut_at = bytes;
	c->cut_silent = silent;
}

static struct socket *by_fd(int fd)
{
	if (fd < 0 || (u32)fd >= nr_conns * 2)
		return NULL;
	return &conns[fd / 2]->sock[fd & 1];
}

struct socket *sockfd_lookup(int fd, int *err)
{
	struct socket *s = by_fd(fd);

	*err = -EBADF;
	if (!s || s->closed)
		return NULL;
	s->refs++;
	return s;
}

static void close_sock(struct socket *s)
{
	s->closed = true;
	s->out->fin = true;
	dispatch(s->out);
	/* unread bytes make it a reset */
	if (s->in->taken != s->in->sent) {
		s->out->reset = true;
		s->in->reset = true;
	}
	wake_pipe(s->out);
	wake_pipe(s->in);
}

void sockfd_put(struct socket *s)
{
	if (s->refs <= 0)
		sim_fail("socket put twice");
	if (!--s->refs)
		close_sock(s);
}

void conn_close_fd(int fd)
{
	sockfd_put(by_fd(fd));
}

void sock_kill(struct host *h)
{
	u32 i;
	int k;

	for (i = 0; i < nr_conns; i++) {
		for (k = 0; k < 2; k++) {
			struct socket *s = &conns[i]->sock[k];

			if (s->host != h)
				continue;
			s->refs = 0;
			s->closed = true;
			init_waitqueue_head(&s->in->readable);
			init_waitqueue_head(&s->out->writable);
			/* a host that lost its power says nothing, or its successor resets */
			conn_cut(conns[i], rng_next(&sim_sched) & 1);
		}
	}
}

int kernel_sock_shutdown(struct socket *s, int how)
{
	(void)how;
	sim_point();
	s->sock.sk_shutdown = 3;
	s->out->fin = true;
	dispatch(s->out);
	wake_pipe(s->out);
	wake_pipe(s->in);
	return 0;
}

int kernel_getpeername(struct socket *s, struct sockaddr *a)
{
	(void)s;
	a->sa_family = AF_INET;
	return 0;
}

/* ---- data ---- */

static void move(struct sim_pipe *p, u64 at, void *data, u32 len, bool in)
{
	u32 off = at % PIPE_BYTES, n = min(len, PIPE_BYTES - off);

	if (in) {
		memcpy(p->buf + off, data, n);
		memcpy(p->buf, (char *)data + n, len - n);
	} else {
		memcpy(data, p->buf + off, n);
		memcpy((char *)data + n, p->buf, len - n);
	}
}

/* Up to @len bytes between @it and @p. */
static void copy_iter(struct iov_iter *it, struct sim_pipe *p, u64 at, u32 len, bool in)
{
	while (len) {
		char *base;
		size_t room;
		u32 n;

		if (it->kvec) {
			base = it->kvec->iov_base;
			room = it->kvec->iov_len;
		} else {
			base = (char *)page_address(it->bvec->bv_page) + it->bvec->bv_offset;
			room = it->bvec->bv_len;
		}
		n = min_t(size_t, len, room - it->done);
		move(p, at, base + it->done, n, in);
		at += n;
		len -= n;
		it->done += n;
		it->count -= n;
		if (it->done == room && it->count) {
			it->done = 0;
			if (it->kvec)
				it->kvec++;
			else
				it->bvec++;
		}
	}
}

static u32 room_for(struct sim_pipe *p)
{
	u64 used = p->sent - p->taken;

	return used >= p->conn->net.window ? 0 : (u32)(p->conn->net.window - used);
}

bool sk_stream_is_writeable(const struct sock *sk)
{
	const struct socket *s = container_of(sk, struct socket, sock);

	return room_for(s->out) >= s->out->conn->net.window / 3;
}

int sock_sendmsg(struct socket *s, struct msghdr *m)
{
	struct sim_pipe *p = s->out;
	struct sim_conn *c = p->conn;
	u64 total = 0;
	u32 n;

	might_sleep();
	sim_point();
	while (m->msg_iter.count) {
		if (p->reset)
			return total ? (int)total : -ECONNRESET;
		if (p->fin || c->sock[0].closed || c->sock[1].closed)
			return total ? (int)total : -EPIPE;
		n = min_t(size_t, room_for(p), m->msg_iter.count);
		if (!n) {
			if (!wait_event_timeout(p->writable, room_for(p) || p->reset || p->fin,
						s->sock.sk_sndtimeo))
				return total ? (int)total : -EAGAIN;
			continue;
		}
		copy_iter(&m->msg_iter, p, p->sent, n, true);
		p->sent += n;
		total += n;
		if (!c->cut)
			dispatch(p);
		if (bytes_sent(c) >= c->cut_at)
			conn_cut(c, c->cut_silent);
		sim_point();
	}
	return (int)total;
}

static bool readable(struct socket *s)
{
	struct sim_pipe *p = s->in;

	return p->arrived > p->taken || p->reset || p->fin_arrived || s->sock.sk_shutdown;
}

int sock_recvmsg(struct socket *s, struct msghdr *m, int flags)
{
	struct sim_pipe *p = s->in;
	long timeout = s->sock.sk_rcvtimeo;
	u64 total = 0;
	u32 n;

	might_sleep();
	sim_point();
	while (m->msg_iter.count) {
		n = min_t(u64, p->arrived - p->taken, m->msg_iter.count);
		if (!n) {
			if (s->sock.sk_shutdown || (p->fin_arrived && p->arrived >= p->sent))
				break;
			if (p->reset)
				return total ? (int)total : -ECONNRESET;
			timeout = wait_event_timeout(p->readable, readable(s), timeout);
			if (!timeout)
				return total ? (int)total : -EAGAIN;
			continue;
		}
		if (n > 1 && p->conn->net.short_reads &&
		    rng_chance(&sim_sched, p->conn->net.short_reads))
			n = 1 + rng_below(&sim_sched, n - 1);
		copy_iter(&m->msg_iter, p, p->taken, n, false);
		p->taken += n;
		total += n;
		wake_up(&p->writable);
		if (!(flags & MSG_WAITALL) || (p->conn->net.short_reads &&
					       rng_chance(&sim_sched, p->conn->net.short_reads)))
			break;
	}
	return (int)total;
}
