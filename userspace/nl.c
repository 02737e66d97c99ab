// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two sockets: one for commands, blocking, one message and its answer at a
 * time; one for events, not blocking. libnl 3.7 has no access to the extended
 * ack, so the error callback takes its text from the message.
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

#include "nl.h"
#include "util.h"

#define MSG_BUF		(256 * 1024)	/* 256 volumes in one message, and to spare */
#define EVENT_RCVBUF	(4 * 1024 * 1024)
#define EVENT_QUEUE	64

_Static_assert(DMO_A_MAX < 64, "the has bits of the model don't hold every attribute");

static struct nl_sock *cmd_sock;
static struct nl_sock *ev_sock;
static int family;
static char why[512];

static struct {
	struct ord_event v[EVENT_QUEUE];
	unsigned int head, nr;
	bool lost;
} queue;

/* What the callbacks of one command share. */
struct request {
	int err;		/* 0 or negative errno */
	bool done;
	struct ord_sessions *list;
	struct ord_cut *cut;
	bool has_cut;
};

static int __printf(2, 3) fail(int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	return err;
}

const char *knl_why(void)
{
	return why;
}

static void copy_text(char *to, size_t len, const struct nlattr *a)
{
	size_t n = (size_t)nla_len(a);

	if (n >= len)
		n = len - 1;
	memcpy(to, nla_data(a), n);
	to[n] = '\0';
	for (; *to; to++)
		if (*to < 0x20 || *to > 0x7e)
			*to = '?';
}

static struct nla_policy policy[DMO_A_MAX + 1] = {
	[DMO_A_META_MAJOR] = { .type = NLA_U32 },
	[DMO_A_META_MINOR] = { .type = NLA_U32 },
	[DMO_A_UUID] = { .type = NLA_UNSPEC, .minlen = DMO_UUID_LEN },
	[DMO_A_ROLE] = { .type = NLA_U32 },
	[DMO_A_STATE] = { .type = NLA_U32 },
	[DMO_A_FLAGS] = { .type = NLA_U32 },
	[DMO_A_CYCLE_MS] = { .type = NLA_U32 },
	[DMO_A_BUDGET_MIB] = { .type = NLA_U32 },
	[DMO_A_LINK_TIMEOUT_MS] = { .type = NLA_U32 },
	[DMO_A_LINK_STATE] = { .type = NLA_U32 },
	[DMO_A_LINK_SINCE_MS] = { .type = NLA_U64 },
	[DMO_A_LINK_TX_BYTES] = { .type = NLA_U64 },
	[DMO_A_LINK_RX_BYTES] = { .type = NLA_U64 },
	[DMO_A_SEQ] = { .type = NLA_U64 },
	[DMO_A_EPOCH] = { .type = NLA_U64 },
	[DMO_A_CUT] = { .type = NLA_UNSPEC, .minlen = sizeof(struct dmo_uapi_cut) },
	[DMO_A_CUT_COMPLETE] = { .type = NLA_UNSPEC, .minlen = sizeof(struct dmo_uapi_cut) },
	[DMO_A_CUT_COMMITTED] = { .type = NLA_UNSPEC, .minlen = sizeof(struct dmo_uapi_cut) },
	[DMO_A_CUT_RESTORED] = { .type = NLA_UNSPEC, .minlen = sizeof(struct dmo_uapi_cut) },
	[DMO_A_CUT_TIME] = { .type = NLA_U64 },
	[DMO_A_LAG_MS] = { .type = NLA_U64 },
	[DMO_A_CHUNK_ACTIVE] = { .type = NLA_NESTED },
	[DMO_A_CHUNK_OLDER] = { .type = NLA_NESTED },
	[DMO_A_MEM_USED] = { .type = NLA_U64 },
	[DMO_A_COPY_LEFT] = { .type = NLA_U64 },
	[DMO_A_JOURNAL_BYTES] = { .type = NLA_U64 },
	[DMO_A_JOURNAL_USED] = { .type = NLA_U64 },
	[DMO_A_BLOCK] = { .type = NLA_U32 },
	[DMO_A_BLOCK_MS] = { .type = NLA_U64 },
	[DMO_A_GENERATION] = { .type = NLA_U64 },
	[DMO_A_VOLUMES] = { .type = NLA_NESTED },
	[DMO_A_VOLUME_ID] = { .type = NLA_U32 },
	[DMO_A_EVENT] = { .type = NLA_U32 },
};

static struct nla_policy chunk_policy[DMO_CA_MAX + 1] = {
	[DMO_CA_STATE] = { .type = NLA_U32 },
	[DMO_CA_SEQ] = { .type = NLA_U64 },
	[DMO_CA_SLOTS] = { .type = NLA_U64 },
	[DMO_CA_REFS] = { .type = NLA_U64 },
	[DMO_CA_ZEROES] = { .type = NLA_U64 },
	[DMO_CA_BYTES] = { .type = NLA_U64 },
};

static struct nla_policy volume_policy[DMO_VA_MAX + 1] = {
	[DMO_VA_ID] = { .type = NLA_U32 },
	[DMO_VA_SECTORS] = { .type = NLA_U64 },
	[DMO_VA_LBS] = { .type = NLA_U32 },
	[DMO_VA_UNIT] = { .type = NLA_U32 },
	[DMO_VA_DM_MAJOR] = { .type = NLA_U32 },
	[DMO_VA_DM_MINOR] = { .type = NLA_U32 },
	[DMO_VA_ACTIVE] = { .type = NLA_U32 },
	[DMO_VA_READS] = { .type = NLA_U64 },
	[DMO_VA_WRITES] = { .type = NLA_U64 },
	[DMO_VA_WRITTEN] = { .type = NLA_U64 },
	[DMO_VA_FOLDED] = { .type = NLA_U64 },
	[DMO_VA_COPYOUTS] = { .type = NLA_U64 },
	[DMO_VA_ERRORS] = { .type = NLA_U64 },
};

/* An attribute's value if it is there; else what @to holds stays. */
static void get_u32(struct nlattr **tb, int attr, uint32_t *to)
{
	if (tb[attr])
		*to = nla_get_u32(tb[attr]);
}

static void get_u64(struct nlattr **tb, int attr, uint64_t *to)
{
	if (tb[attr])
		*to = nla_get_u64(tb[attr]);
}

static void get_cut(struct nlattr **tb, int attr, struct ord_cut *to)
{
	struct dmo_uapi_cut c;

	if (!tb[attr])
		return;
	memcpy(&c, nla_data(tb[attr]), sizeof(c));
	to->epoch = c.epoch;
	to->n = c.n;
}

static int parse_chunk(struct nlattr *nest, struct ord_chunk *c)
{
	struct nlattr *tb[DMO_CA_MAX + 1];

	if (!nest)
		return 0;
	if (nla_parse_nested(tb, DMO_CA_MAX, nest, chunk_policy))
		return -EBADMSG;
	get_u32(tb, DMO_CA_STATE, &c->state);
	get_u64(tb, DMO_CA_SEQ, &c->seq);
	get_u64(tb, DMO_CA_SLOTS, &c->slots);
	get_u64(tb, DMO_CA_REFS, &c->refs);
	get_u64(tb, DMO_CA_ZEROES, &c->zeroes);
	get_u64(tb, DMO_CA_BYTES, &c->bytes);
	return 0;
}

static int parse_volumes(struct nlattr *nest, struct ord_session *s)
{
	struct nlattr *a;
	int rem;

	if (!nest)
		return 0;
	nla_for_each_nested(a, nest, rem) {
		struct nlattr *tb[DMO_VA_MAX + 1];
		struct ord_volume *v;

		if (nla_type(a) != DMO_A_VOLUME)
			continue;
		if (nla_parse_nested(tb, DMO_VA_MAX, a, volume_policy))
			return -EBADMSG;
		v = realloc(s->volumes, (s->nr_volumes + 1) * sizeof(*v));
		if (!v)
			return -ENOMEM;
		s->volumes = v;
		v += s->nr_volumes++;
		memset(v, 0, sizeof(*v));
		get_u32(tb, DMO_VA_ID, &v->id);
		get_u64(tb, DMO_VA_SECTORS, &v->sectors);
		get_u32(tb, DMO_VA_LBS, &v->lbs);
		get_u32(tb, DMO_VA_UNIT, &v->unit);
		get_u32(tb, DMO_VA_DM_MAJOR, &v->dm_major);
		get_u32(tb, DMO_VA_DM_MINOR, &v->dm_minor);
		if (tb[DMO_VA_DM_NAME])
			copy_text(v->dm_name, sizeof(v->dm_name), tb[DMO_VA_DM_NAME]);
		get_u32(tb, DMO_VA_ACTIVE, &v->active);
		get_u64(tb, DMO_VA_READS, &v->reads);
		get_u64(tb, DMO_VA_WRITES, &v->writes);
		get_u64(tb, DMO_VA_WRITTEN, &v->written);
		get_u64(tb, DMO_VA_FOLDED, &v->folded);
		get_u64(tb, DMO_VA_COPYOUTS, &v->copyouts);
		get_u64(tb, DMO_VA_ERRORS, &v->errors);
	}
	return 0;
}

static uint64_t has_bits(struct nlattr **tb)
{
	uint64_t has = 0;
	int i;

	for (i = 0; i <= DMO_A_MAX; i++)
		if (tb[i])
			has |= 1ULL << i;
	return has;
}

/*
 * Adds the session in @nlh to @list. Should the kernel split one with many
 * volumes over several messages, they follow each other and become one.
 */
int knl_parse_session(struct nlmsghdr *nlh, struct ord_sessions *list)
{
	struct nlattr *tb[DMO_A_MAX + 1];
	struct ord_session *s;
	uint32_t major, minor;
	int rc;

	if (genlmsg_parse(nlh, 0, tb, DMO_A_MAX, policy))
		return fail(-EBADMSG, "the kernel sent a session this orderedctl can't read");
	if (!tb[DMO_A_META_MAJOR] || !tb[DMO_A_META_MINOR])
		return fail(-EBADMSG, "the kernel sent a session without a metadata device");
	major = nla_get_u32(tb[DMO_A_META_MAJOR]);
	minor = nla_get_u32(tb[DMO_A_META_MINOR]);
	if (list->nr && ord_same_meta(&list->v[list->nr - 1], major, minor)) {
		s = &list->v[list->nr - 1];
	} else {
		s = realloc(list->v, (list->nr + 1) * sizeof(*s));
		if (!s)
			return fail(-ENOMEM, "out of memory");
		list->v = s;
		s += list->nr++;
		memset(s, 0, sizeof(*s));
		s->meta_major = major;
		s->meta_minor = minor;
	}
	s->has |= has_bits(tb);
	if (tb[DMO_A_META_NAME])
		copy_text(s->meta_name, sizeof(s->meta_name), tb[DMO_A_META_NAME]);
	if (tb[DMO_A_UUID])
		memcpy(s->uuid, nla_data(tb[DMO_A_UUID]), DMO_UUID_LEN);
	if (tb[DMO_A_LABEL])
		copy_text(s->label, sizeof(s->label), tb[DMO_A_LABEL]);
	get_u32(tb, DMO_A_ROLE, &s->role);
	get_u32(tb, DMO_A_STATE, &s->state);
	get_u32(tb, DMO_A_FLAGS, &s->flags);
	get_u32(tb, DMO_A_CYCLE_MS, &s->cycle_ms);
	get_u32(tb, DMO_A_BUDGET_MIB, &s->budget_mib);
	get_u32(tb, DMO_A_LINK_TIMEOUT_MS, &s->link_timeout_ms);
	get_u32(tb, DMO_A_LINK_STATE, &s->link_state);
	if (tb[DMO_A_LINK_PEER])
		copy_text(s->link_peer, sizeof(s->link_peer), tb[DMO_A_LINK_PEER]);
	get_u64(tb, DMO_A_LINK_SINCE_MS, &s->link_since_ms);
	get_u64(tb, DMO_A_LINK_TX_BYTES, &s->link_tx_bytes);
	get_u64(tb, DMO_A_LINK_RX_BYTES, &s->link_rx_bytes);
	get_u64(tb, DMO_A_SEQ, &s->seq);
	get_u64(tb, DMO_A_EPOCH, &s->epoch);
	get_cut(tb, DMO_A_CUT, &s->cut);
	get_cut(tb, DMO_A_CUT_COMPLETE, &s->cut_complete);
	get_cut(tb, DMO_A_CUT_COMMITTED, &s->cut_committed);
	get_cut(tb, DMO_A_CUT_RESTORED, &s->cut_restored);
	get_u64(tb, DMO_A_CUT_TIME, &s->cut_time_ns);
	get_u64(tb, DMO_A_LAG_MS, &s->lag_ms);
	get_u64(tb, DMO_A_MEM_USED, &s->mem_used);
	get_u64(tb, DMO_A_COPY_LEFT, &s->copy_left);
	get_u64(tb, DMO_A_JOURNAL_BYTES, &s->journal_bytes);
	get_u64(tb, DMO_A_JOURNAL_USED, &s->journal_used);
	get_u32(tb, DMO_A_BLOCK, &s->block);
	get_u64(tb, DMO_A_BLOCK_MS, &s->block_ms);
	if (tb[DMO_A_REASON])
		copy_text(s->reason, sizeof(s->reason), tb[DMO_A_REASON]);
	get_u64(tb, DMO_A_GENERATION, &s->generation);
	rc = parse_chunk(tb[DMO_A_CHUNK_ACTIVE], &s->active);
	if (!rc)
		rc = parse_chunk(tb[DMO_A_CHUNK_OLDER], &s->older);
	if (!rc)
		rc = parse_volumes(tb[DMO_A_VOLUMES], s);
	if (rc)
		return fail(rc, "the kernel sent a session this orderedctl can't read");
	return 0;
}

int knl_parse_event(struct nlmsghdr *nlh, struct ord_event *ev)
{
	struct nlattr *tb[DMO_A_MAX + 1];

	if (genlmsg_parse(nlh, 0, tb, DMO_A_MAX, policy) || !tb[DMO_A_EVENT])
		return fail(-EBADMSG, "the kernel sent an event this orderedctl can't read");
	memset(ev, 0, sizeof(*ev));
	ev->has = has_bits(tb);
	get_u32(tb, DMO_A_EVENT, &ev->event);
	get_u32(tb, DMO_A_META_MAJOR, &ev->meta_major);
	get_u32(tb, DMO_A_META_MINOR, &ev->meta_minor);
	if (tb[DMO_A_UUID])
		memcpy(ev->uuid, nla_data(tb[DMO_A_UUID]), DMO_UUID_LEN);
	get_cut(tb, DMO_A_CUT, &ev->cut);
	get_u64(tb, DMO_A_SEQ, &ev->seq);
	get_u32(tb, DMO_A_VOLUME_ID, &ev->volume_id);
	if (tb[DMO_A_REASON])
		copy_text(ev->reason, sizeof(ev->reason), tb[DMO_A_REASON]);
	return 0;
}

/*
 * The text of the extended ack of an NLMSG_ERROR or NLMSG_DONE message. The
 * attributes follow the error and, unless capped, the request it repeats.
 * Return: 1 a text was found, 0 none.
 */
int knl_parse_extack(const struct nlmsghdr *nlh, char *text, unsigned int len)
{
	size_t off, total = nlh->nlmsg_len;
	const struct nlmsgerr *e = (const void *)((const char *)nlh + NLMSG_HDRLEN);
	struct nlattr *a;
	int rem;

	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
		return 0;
	if (nlh->nlmsg_type == NLMSG_DONE) {
		off = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(int));
	} else {
		if (total < NLMSG_HDRLEN + sizeof(*e))
			return 0;
		off = NLMSG_HDRLEN + sizeof(*e);
		if (!(nlh->nlmsg_flags & NLM_F_CAPPED)) {
			if (e->msg.nlmsg_len < NLMSG_HDRLEN)
				return 0;
			off += NLMSG_ALIGN((size_t)e->msg.nlmsg_len - NLMSG_HDRLEN);
		}
	}
	if (off >= total)
		return 0;
	nla_for_each_attr(a, (struct nlattr *)((char *)nlh + off), (int)(total - off), rem) {
		if (nla_type(a) == NLMSGERR_ATTR_MSG) {
			copy_text(text, len, a);
			return 1;
		}
	}
	return 0;
}

static int refused(struct nlmsghdr *nlh, int err)
{
	if (knl_parse_extack(nlh, why, sizeof(why)))
		return err;
	if (err == -EPERM)
		return fail(err, "permission denied; this needs CAP_NET_ADMIN in the initial user namespace (run it as root)");
	return fail(err, "%s", strerror(-err));
}

static int on_error(struct sockaddr_nl *nla, struct nlmsgerr *e, void *arg)
{
	struct nlmsghdr *nlh = (struct nlmsghdr *)((char *)e - NLMSG_HDRLEN);
	struct request *req = arg;

	(void)nla;
	req->err = refused(nlh, e->error);
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
			req->err = refused(nlh, err);
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
		req->err = knl_parse_session(nlh, req->list);
	} else if (req->cut) {
		struct nlattr *tb[DMO_A_MAX + 1];

		if (!genlmsg_parse(nlh, 0, tb, DMO_A_MAX, policy) && tb[DMO_A_CUT]) {
			get_cut(tb, DMO_A_CUT, req->cut);
			req->has_cut = true;
		}
	}
	return NL_OK;
}

static struct nl_sock *open_sock(void)
{
	struct nl_sock *sk = nl_socket_alloc();
	int rc;

	if (!sk) {
		fail(-ENOMEM, "out of memory");
		return NULL;
	}
	rc = genl_connect(sk);
	if (rc) {
		fail(-EIO, "can't open a netlink socket: %s", nl_geterror(rc));
		nl_socket_free(sk);
		return NULL;
	}
	nl_socket_set_msg_buf_size(sk, MSG_BUF);
	return sk;
}

int knl_open(void)
{
	struct nl_sock *sk;
	int one = 1;

	if (cmd_sock)
		return 0;
	sk = open_sock();
	if (!sk)
		return -EIO;
	family = genl_ctrl_resolve(sk, DM_ORDERED_GENL_NAME);
	if (family < 0) {
		nl_socket_free(sk);
		return fail(-ENOENT,
			    "this kernel has no netlink family \"%s\"; load the module with \"modprobe dm-ordered\"",
			    DM_ORDERED_GENL_NAME);
	}
	setsockopt(nl_socket_get_fd(sk), SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
	setsockopt(nl_socket_get_fd(sk), SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
	cmd_sock = sk;
	return 0;
}

void knl_close(void)
{
	if (cmd_sock)
		nl_socket_free(cmd_sock);
	if (ev_sock)
		nl_socket_free(ev_sock);
	cmd_sock = NULL;
	ev_sock = NULL;
}

static struct nl_msg *new_msg(uint8_t cmd, int flags)
{
	struct nl_msg *msg = nlmsg_alloc();

	if (!msg || !genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, family, 0, flags, cmd,
				 DM_ORDERED_GENL_VERSION)) {
		nlmsg_free(msg);
		fail(-ENOMEM, "out of memory");
		return NULL;
	}
	return msg;
}

/* A message to session @s; freed by run(). */
static struct nl_msg *session_msg(const struct ord_session *s, uint8_t cmd)
{
	struct nl_msg *msg;

	if (knl_open())
		return NULL;
	msg = new_msg(cmd, NLM_F_ACK);
	if (!msg)
		return NULL;
	if (nla_put_u32(msg, DMO_A_META_MAJOR, s->meta_major) ||
	    nla_put_u32(msg, DMO_A_META_MINOR, s->meta_minor)) {
		nlmsg_free(msg);
		fail(-ENOMEM, "out of memory");
		return NULL;
	}
	return msg;
}

/* Sends @msg, frees it, and takes the answers until the ack or the error. */
static int run(struct nl_msg *msg, struct request *req)
{
	struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);
	int rc;

	if (!cb) {
		nlmsg_free(msg);
		return fail(-ENOMEM, "out of memory");
	}
	nl_cb_err(cb, NL_CB_CUSTOM, on_error, req);
	nl_cb_set(cb, NL_CB_ACK, NL_CB_CUSTOM, on_ack, req);
	nl_cb_set(cb, NL_CB_FINISH, NL_CB_CUSTOM, on_finish, req);
	nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, on_valid, req);
	rc = nl_send_auto(cmd_sock, msg);
	nlmsg_free(msg);
	while (rc >= 0 && !req->done)
		rc = nl_recvmsgs(cmd_sock, cb);
	nl_cb_put(cb);
	if (req->done)
		return req->err;
	return fail(-EIO, "no answer from the kernel: %s", nl_geterror(rc));
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

int knl_sessions(struct ord_sessions *list)
{
	unsigned int i;
	struct request req = { .list = list };
	struct nl_msg *msg;
	int rc;

	memset(list, 0, sizeof(*list));
	rc = knl_open();
	if (rc)
		return rc;
	msg = new_msg(DM_ORDERED_CMD_SESSION_GET, NLM_F_DUMP);
	if (!msg)
		return -ENOMEM;
	rc = run(msg, &req);
	if (rc)
		ord_sessions_free(list);
	for (i = 0; i < list->nr; i++)
		name_volumes(&list->v[i]);
	return rc;
}

int knl_refresh(struct ord_session *s)
{
	struct ord_sessions list = { 0 };
	struct request req = { .list = &list };
	struct nl_msg *msg = session_msg(s, DM_ORDERED_CMD_SESSION_GET);
	int rc;

	if (!msg)
		return -EIO;
	rc = run(msg, &req);
	if (!rc && list.nr != 1)
		rc = fail(-ENODEV, "the kernel did not tell the session");
	if (rc) {
		ord_sessions_free(&list);
		return rc;
	}
	name_volumes(&list.v[0]);
	free(s->volumes);
	*s = list.v[0];
	free(list.v);
	return 0;
}

/* Puts @value as @attr if it isn't 0; frees @msg when that fails. */
static int put_u32(struct nl_msg **msg, int attr, uint32_t value)
{
	if (!*msg || !value || !nla_put_u32(*msg, attr, value))
		return 0;
	nlmsg_free(*msg);
	*msg = NULL;
	return fail(-ENOMEM, "out of memory");
}

int knl_link_attach(const struct ord_session *s, int fd, uint32_t timeout_ms)
{
	struct nl_msg *msg = session_msg(s, DM_ORDERED_CMD_LINK_ATTACH);
	struct request req = { 0 };

	put_u32(&msg, DMO_A_LINK_TIMEOUT_MS, timeout_ms);
	if (!msg)
		return -EIO;
	if (nla_put_u32(msg, DMO_A_LINK_FD, (uint32_t)fd)) {
		nlmsg_free(msg);
		return fail(-ENOMEM, "out of memory");
	}
	return run(msg, &req);
}

int knl_link_detach(const struct ord_session *s)
{
	struct nl_msg *msg = session_msg(s, DM_ORDERED_CMD_LINK_DETACH);
	struct request req = { 0 };

	return msg ? run(msg, &req) : -EIO;
}

static int run_for_cut(struct nl_msg *msg, struct ord_cut *cut)
{
	struct request req = { .cut = cut };
	int rc;

	if (!msg)
		return -EIO;
	rc = run(msg, &req);
	if (!rc && !req.has_cut)
		rc = fail(-EBADMSG, "the kernel did not tell the cut");
	return rc;
}

int knl_switch(const struct ord_session *s, struct ord_cut *cut)
{
	return run_for_cut(session_msg(s, DM_ORDERED_CMD_SWITCH), cut);
}

int knl_promote(const struct ord_session *s, bool force, struct ord_cut *cut)
{
	struct nl_msg *msg = session_msg(s, DM_ORDERED_CMD_PROMOTE);

	if (msg && force && nla_put_flag(msg, DMO_A_FORCE)) {
		nlmsg_free(msg);
		return fail(-ENOMEM, "out of memory");
	}
	return run_for_cut(msg, cut);
}

int knl_set(const struct ord_session *s, const struct knl_params *p)
{
	struct nl_msg *msg = session_msg(s, DM_ORDERED_CMD_SET);
	struct request req = { 0 };

	put_u32(&msg, DMO_A_CYCLE_MS, p->cycle_ms);
	put_u32(&msg, DMO_A_BUDGET_MIB, p->budget_mib);
	put_u32(&msg, DMO_A_LINK_TIMEOUT_MS, p->link_timeout_ms);
	return msg ? run(msg, &req) : -EIO;
}

static int on_event(struct nl_msg *msg, void *arg)
{
	struct ord_event ev;

	(void)arg;
	if (genlmsg_hdr(nlmsg_hdr(msg))->cmd != DM_ORDERED_CMD_EVENT ||
	    knl_parse_event(nlmsg_hdr(msg), &ev))
		return NL_OK;
	if (queue.nr == EVENT_QUEUE) {
		queue.lost = true;
		return NL_OK;
	}
	queue.v[(queue.head + queue.nr++) % EVENT_QUEUE] = ev;
	return NL_OK;
}

int knl_events_open(void)
{
	struct nl_sock *sk;
	int rc, group, size = EVENT_RCVBUF;

	if (ev_sock)
		return 0;
	rc = knl_open();
	if (rc)
		return rc;
	group = genl_ctrl_resolve_grp(cmd_sock, DM_ORDERED_GENL_NAME, DM_ORDERED_GENL_MCGRP);
	if (group < 0)
		return fail(-ENOENT, "this kernel has no event group \"%s\": %s",
			    DM_ORDERED_GENL_MCGRP, nl_geterror(group));
	sk = open_sock();
	if (!sk)
		return -EIO;
	nl_socket_disable_seq_check(sk);
	nl_socket_modify_cb(sk, NL_CB_VALID, NL_CB_CUSTOM, on_event, NULL);
	if (setsockopt(nl_socket_get_fd(sk), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		setsockopt(nl_socket_get_fd(sk), SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	rc = nl_socket_set_nonblocking(sk);
	if (!rc)
		rc = nl_socket_add_membership(sk, group);
	if (rc) {
		nl_socket_free(sk);
		return fail(-EIO, "can't listen for events: %s", nl_geterror(rc));
	}
	ev_sock = sk;
	return 0;
}

int knl_events_fd(void)
{
	return ev_sock ? nl_socket_get_fd(ev_sock) : -1;
}

int knl_events_next(struct ord_event *ev)
{
	int rc;

	if (!ev_sock)
		return fail(-EBADF, "not listening for events");
	if (!queue.nr && !queue.lost) {
		rc = nl_recvmsgs_default(ev_sock);
		if (rc == -NLE_NOMEM)	/* libnl's name for ENOBUFS */
			return -ENOBUFS;
		if (rc < 0 && rc != -NLE_AGAIN && rc != -NLE_INTR)
			return fail(-EIO, "can't read events: %s", nl_geterror(rc));
	}
	if (queue.nr) {
		*ev = queue.v[queue.head];
		queue.head = (queue.head + 1) % EVENT_QUEUE;
		queue.nr--;
		return 1;
	}
	if (queue.lost) {
		queue.lost = false;
		return -ENOBUFS;
	}
	return 0;
}
