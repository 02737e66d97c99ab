// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two sockets: one for commands, blocking, one message and its answer at a
 * time; one for events, not blocking. libnl 3.7 has no access to the extended
 * ack, so the error callback takes its text from the message. nl-parse.c makes
 * the model of the messages.
 */
#include <errno.h>
#include <linux/netlink.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>

#include "lib/nl.h"
#include "lib/util.h"

#define MSG_BUF		(256 * 1024)	/* 256 volumes in one message, and to spare */
#define CMD_RCVBUF	(1024 * 1024)	/* the kernel may allow less */
#define EVENT_RCVBUF	(4 * 1024 * 1024)
#define EVENT_QUEUE	64

struct ord_nl {
	struct nl_sock *cmd;	/* NULL: not open */
	struct nl_sock *ev;	/* NULL: not listening for events */
	int family;
	char why[512];
	/* events of one read that were not asked for yet */
	struct {
		struct ord_event v[EVENT_QUEUE];
		unsigned int head, nr;
		bool lost;
	} queue;
};

/* What the callbacks of one command share. */
struct request {
	struct ord_nl *nl;
	int err;		/* 0 or negative errno */
	bool done;
	struct ord_sessions *list;
	struct ord_cut *cut;
	bool has_cut;
};

static int __printf(3, 4) fail(struct ord_nl *nl, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(nl->why, sizeof(nl->why), fmt, ap);
	va_end(ap);
	return err;
}

struct ord_nl *ord_nl_new(void)
{
	return calloc(1, sizeof(struct ord_nl));
}

const char *ord_nl_why(const struct ord_nl *nl)
{
	return nl->why;
}

static int refused(struct ord_nl *nl, struct nlmsghdr *nlh, int err)
{
	if (ord_nl_parse_extack(nlh, nl->why, sizeof(nl->why)))
		return err;
	if (err == -EPERM)
		return fail(nl, err, "permission denied; this needs CAP_NET_ADMIN in the initial user namespace (run it as root)");
	return fail(nl, err, "%s", strerror(-err));
}

static int on_error(struct sockaddr_nl *nla, struct nlmsgerr *e, void *arg)
{
	struct nlmsghdr *nlh = (struct nlmsghdr *)((char *)e - NLMSG_HDRLEN);
	struct request *req = arg;

	(void)nla;
	req->err = refused(req->nl, nlh, e->error);
	req->done = true;
	return NL_STOP;
}

static int on_ack(struct nl_msg *msg, void *arg)
{
	struct request *req = arg;

	(void)msg;
	req->done = true;
	return NL_STOP;
}

static int on_finish(struct nl_msg *msg, void *arg)
{
	struct nlmsghdr *nlh = nlmsg_hdr(msg);
	struct request *req = arg;
	int err;

	req->done = true;
	if (nlmsg_datalen(nlh) >= (int)sizeof(err)) {
		memcpy(&err, nlmsg_data(nlh), sizeof(err));
		if (err < 0)
			req->err = refused(req->nl, nlh, err);
	}
	return NL_STOP;
}

static int on_valid(struct nl_msg *msg, void *arg)
{
	struct nlmsghdr *nlh = nlmsg_hdr(msg);
	struct request *req = arg;

	if (req->err)
		return NL_OK;
	if (req->list) {
		req->err = ord_nl_parse_session(nlh, req->list);
		if (req->err)
			fail(req->nl, req->err, "the kernel sent a session this orderedctl can't read");
	} else if (req->cut && !ord_nl_parse_cut(nlh, req->cut)) {
		req->has_cut = true;
	}
	return NL_OK;
}

static struct nl_sock *open_sock(struct ord_nl *nl)
{
	struct nl_sock *sk = nl_socket_alloc();
	int rc;

	if (!sk) {
		fail(nl, -ENOMEM, "out of memory");
		return NULL;
	}
	rc = genl_connect(sk);
	if (rc) {
		fail(nl, -EIO, "can't open a netlink socket: %s", nl_geterror(rc));
		nl_socket_free(sk);
		return NULL;
	}
	nl_socket_set_msg_buf_size(sk, MSG_BUF);
	return sk;
}

int ord_nl_open(struct ord_nl *nl)
{
	struct utsname uts;
	struct nl_sock *sk;
	int one = 1;

	if (nl->cmd)
		return 0;
	sk = open_sock(nl);
	if (!sk)
		return -EIO;
	nl->family = genl_ctrl_resolve(sk, DM_ORDERED_GENL_NAME);
	if (nl->family < 0) {
		nl_socket_free(sk);
		/* asked for it the kernel has tried to load it */
		return fail(nl, -ENOENT,
			    "the module dm-ordered is not loaded, and the kernel, %s, could not load it: \"modprobe dm-ordered\" says why; is it installed for this kernel?",
			    uname(&uts) ? "?" : uts.release);
	}
	setsockopt(nl_socket_get_fd(sk), SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
	setsockopt(nl_socket_get_fd(sk), SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
	/* beside a session of 256 volumes, 128 KiB of memory, its ack must find room */
	nl_socket_set_buffer_size(sk, CMD_RCVBUF, 0);
	nl->cmd = sk;
	return 0;
}

void ord_nl_free(struct ord_nl *nl)
{
	if (!nl)
		return;
	if (nl->cmd)
		nl_socket_free(nl->cmd);
	if (nl->ev)
		nl_socket_free(nl->ev);
	free(nl);
}

static struct nl_msg *new_msg(struct ord_nl *nl, uint8_t cmd, int flags)
{
	struct nl_msg *msg = nlmsg_alloc();

	if (!msg || !genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, nl->family, 0, flags, cmd,
				 DM_ORDERED_GENL_VERSION)) {
		nlmsg_free(msg);
		fail(nl, -ENOMEM, "out of memory");
		return NULL;
	}
	return msg;
}

/* A message to session @s; freed by run(). */
static struct nl_msg *session_msg(struct ord_nl *nl, const struct ord_session *s, uint8_t cmd)
{
	struct nl_msg *msg;

	if (ord_nl_open(nl))
		return NULL;
	msg = new_msg(nl, cmd, NLM_F_ACK);
	if (!msg)
		return NULL;
	if (nla_put_u32(msg, DMO_A_META_MAJOR, s->meta_major) ||
	    nla_put_u32(msg, DMO_A_META_MINOR, s->meta_minor)) {
		nlmsg_free(msg);
		fail(nl, -ENOMEM, "out of memory");
		return NULL;
	}
	return msg;
}

/* Sends @msg, frees it, and takes the answers until the ack or the error. */
static int run(struct ord_nl *nl, struct nl_msg *msg, struct request *req)
{
	struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);
	int rc;

	if (!cb) {
		nlmsg_free(msg);
		return fail(nl, -ENOMEM, "out of memory");
	}
	nl_cb_err(cb, NL_CB_CUSTOM, on_error, req);
	nl_cb_set(cb, NL_CB_ACK, NL_CB_CUSTOM, on_ack, req);
	nl_cb_set(cb, NL_CB_FINISH, NL_CB_CUSTOM, on_finish, req);
	nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, on_valid, req);
	rc = nl_send_auto(nl->cmd, msg);
	nlmsg_free(msg);
	while (rc >= 0 && !req->done)
		rc = nl_recvmsgs(nl->cmd, cb);
	nl_cb_put(cb);
	if (req->done)
		return req->err;
	/* the answer may come yet, or never: either would be taken for one to the next command */
	nl_socket_free(nl->cmd);
	nl->cmd = NULL;
	return fail(nl, rc == -NLE_NOMEM ? -ENOMEM : -EIO, "no answer from the kernel: %s", nl_geterror(rc));
}

/* The kernel names a dm device by its number; sysfs knows what its owner called it. */
static void name_volumes(struct ord_session *s)
{
	unsigned int i;

	for (i = 0; i < s->nr_volumes; i++) {
		struct ord_volume *v = &s->volumes[i];
		char path[64], name[ORD_NAME_LEN];
		FILE *f;

		if (!v->dm_major)
			continue;
		snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/dm/name", v->dm_major,
			 v->dm_minor);
		f = fopen(path, "re");
		if (!f)
			continue;
		if (fgets(name, sizeof(name), f)) {
			name[strcspn(name, "\n")] = '\0';
			ord_sanitize(name);
			strcpy(v->dm_name, name);
		}
		fclose(f);
	}
}

int ord_nl_sessions(struct ord_nl *nl, struct ord_sessions *list)
{
	unsigned int i;
	struct request req = { .nl = nl, .list = list };
	struct nl_msg *msg;
	int rc;

	memset(list, 0, sizeof(*list));
	rc = ord_nl_open(nl);
	if (rc)
		return rc;
	msg = new_msg(nl, DM_ORDERED_CMD_SESSION_GET, NLM_F_DUMP);
	if (!msg)
		return -ENOMEM;
	rc = run(nl, msg, &req);
	if (rc)
		ord_sessions_free(list);
	for (i = 0; i < list->nr; i++)
		name_volumes(&list->v[i]);
	return rc;
}

int ord_nl_session_at(struct ord_nl *nl, struct ord_sessions *list, uint32_t major, uint32_t minor)
{
	struct ord_session key = { .meta_major = major, .meta_minor = minor };
	struct request req = { .nl = nl, .list = list };
	struct nl_msg *msg;
	int rc;

	memset(list, 0, sizeof(*list));
	rc = ord_nl_open(nl);
	if (rc)
		return rc;
	msg = session_msg(nl, &key, DM_ORDERED_CMD_SESSION_GET);
	if (!msg)
		return -ENOMEM;
	rc = run(nl, msg, &req);
	if (!rc && list->nr != 1)
		rc = fail(nl, -ENODEV, "the kernel did not tell the session");
	if (rc)
		ord_sessions_free(list);
	else
		name_volumes(&list->v[0]);
	return rc;
}

int ord_nl_refresh(struct ord_nl *nl, struct ord_session *s)
{
	struct ord_sessions list;
	int rc = ord_nl_session_at(nl, &list, s->meta_major, s->meta_minor);

	if (rc)
		return rc;
	free(s->volumes);
	*s = list.v[0];
	free(list.v);
	return 0;
}

/* Puts @value as @attr if it isn't 0; frees @msg when that fails. */
static int put_u32(struct ord_nl *nl, struct nl_msg **msg, int attr, uint32_t value)
{
	if (!*msg || !value || !nla_put_u32(*msg, attr, value))
		return 0;
	nlmsg_free(*msg);
	*msg = NULL;
	return fail(nl, -ENOMEM, "out of memory");
}

int ord_nl_link_attach(struct ord_nl *nl, const struct ord_session *s, int fd, uint32_t timeout_ms)
{
	struct nl_msg *msg = session_msg(nl, s, DM_ORDERED_CMD_LINK_ATTACH);
	struct request req = { .nl = nl };

	put_u32(nl, &msg, DMO_A_LINK_TIMEOUT_MS, timeout_ms);
	if (!msg)
		return -EIO;
	if (nla_put_u32(msg, DMO_A_LINK_FD, (uint32_t)fd)) {
		nlmsg_free(msg);
		return fail(nl, -ENOMEM, "out of memory");
	}
	return run(nl, msg, &req);
}

/* Runs @msg with the flag @attr. */
static int run_with_flag(struct ord_nl *nl, struct nl_msg *msg, int attr)
{
	struct request req = { .nl = nl };

	if (msg && nla_put_flag(msg, attr)) {
		nlmsg_free(msg);
		return fail(nl, -ENOMEM, "out of memory");
	}
	return msg ? run(nl, msg, &req) : -EIO;
}

int ord_nl_link_detach(struct ord_nl *nl, const struct ord_session *s, bool more)
{
	struct nl_msg *msg = session_msg(nl, s, DM_ORDERED_CMD_LINK_DETACH);
	struct request req = { .nl = nl };

	if (more)
		return run_with_flag(nl, msg, DMO_A_LINK_WANTED);
	return msg ? run(nl, msg, &req) : -EIO;
}

int ord_nl_link_want(struct ord_nl *nl, const struct ord_session *s)
{
	return run_with_flag(nl, session_msg(nl, s, DM_ORDERED_CMD_SET), DMO_A_LINK_WANTED);
}

static int run_for_cut(struct ord_nl *nl, struct nl_msg *msg, struct ord_cut *cut)
{
	struct request req = { .nl = nl, .cut = cut };
	int rc;

	if (!msg)
		return -EIO;
	rc = run(nl, msg, &req);
	if (!rc && !req.has_cut)
		rc = fail(nl, -EBADMSG, "the kernel did not tell the cut");
	return rc;
}

int ord_nl_switch(struct ord_nl *nl, const struct ord_session *s, struct ord_cut *cut)
{
	return run_for_cut(nl, session_msg(nl, s, DM_ORDERED_CMD_SWITCH), cut);
}

int ord_nl_promote(struct ord_nl *nl, const struct ord_session *s, bool force, struct ord_cut *cut)
{
	struct nl_msg *msg = session_msg(nl, s, DM_ORDERED_CMD_PROMOTE);

	if (msg && force && nla_put_flag(msg, DMO_A_FORCE)) {
		nlmsg_free(msg);
		return fail(nl, -ENOMEM, "out of memory");
	}
	return run_for_cut(nl, msg, cut);
}

int ord_nl_set(struct ord_nl *nl, const struct ord_session *s, const struct ord_params *p)
{
	struct nl_msg *msg = session_msg(nl, s, DM_ORDERED_CMD_SET);
	struct request req = { .nl = nl };

	put_u32(nl, &msg, DMO_A_CYCLE_MS, p->cycle_ms);
	put_u32(nl, &msg, DMO_A_BUDGET_MIB, p->budget_mib);
	put_u32(nl, &msg, DMO_A_LINK_TIMEOUT_MS, p->link_timeout_ms);
	return msg ? run(nl, msg, &req) : -EIO;
}

static int on_event(struct nl_msg *msg, void *arg)
{
	struct ord_nl *nl = arg;
	struct ord_event ev;

	if (genlmsg_hdr(nlmsg_hdr(msg))->cmd != DM_ORDERED_CMD_EVENT ||
	    ord_nl_parse_event(nlmsg_hdr(msg), &ev))
		return NL_OK;
	if (nl->queue.nr == EVENT_QUEUE) {
		nl->queue.lost = true;
		return NL_OK;
	}
	nl->queue.v[(nl->queue.head + nl->queue.nr++) % EVENT_QUEUE] = ev;
	return NL_OK;
}

int ord_nl_events_open(struct ord_nl *nl)
{
	struct nl_sock *sk;
	int rc, group, size = EVENT_RCVBUF;

	if (nl->ev)
		return 0;
	rc = ord_nl_open(nl);
	if (rc)
		return rc;
	group = genl_ctrl_resolve_grp(nl->cmd, DM_ORDERED_GENL_NAME, DM_ORDERED_GENL_MCGRP);
	if (group < 0)
		return fail(nl, -ENOENT, "this kernel has no event group \"%s\": %s",
			    DM_ORDERED_GENL_MCGRP, nl_geterror(group));
	sk = open_sock(nl);
	if (!sk)
		return -EIO;
	nl_socket_disable_seq_check(sk);
	nl_socket_modify_cb(sk, NL_CB_VALID, NL_CB_CUSTOM, on_event, nl);
	if (setsockopt(nl_socket_get_fd(sk), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		setsockopt(nl_socket_get_fd(sk), SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	rc = nl_socket_set_nonblocking(sk);
	if (!rc)
		rc = nl_socket_add_membership(sk, group);
	if (rc) {
		nl_socket_free(sk);
		return fail(nl, -EIO, "can't listen for events: %s", nl_geterror(rc));
	}
	nl->ev = sk;
	return 0;
}

int ord_nl_events_fd(const struct ord_nl *nl)
{
	return nl->ev ? nl_socket_get_fd(nl->ev) : -1;
}

int ord_nl_events_next(struct ord_nl *nl, struct ord_event *ev)
{
	int rc;

	if (!nl->ev)
		return fail(nl, -EBADF, "not listening for events");
	if (!nl->queue.nr && !nl->queue.lost) {
		rc = nl_recvmsgs_default(nl->ev);
		if (rc == -NLE_NOMEM)	/* libnl's name for ENOBUFS */
			return -ENOBUFS;
		if (rc < 0 && rc != -NLE_AGAIN && rc != -NLE_INTR)
			return fail(nl, -EIO, "can't read events: %s", nl_geterror(rc));
	}
	if (nl->queue.nr) {
		*ev = nl->queue.v[nl->queue.head];
		nl->queue.head = (nl->queue.head + 1) % EVENT_QUEUE;
		nl->queue.nr--;
		return 1;
	}
	if (nl->queue.lost) {
		nl->queue.lost = false;
		return -ENOBUFS;
	}
	return 0;
}
