/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Generic netlink by hand, so that tests can also say what no library would:
 * one message out, its answer in. Everything static, for programs of one file.
 */
#ifndef TEST_GENL_H
#define TEST_GENL_H

#include <errno.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "uapi/dm-ordered.h"

#define UNUSED __attribute__((unused))

#ifndef GENL_SEND
#define GENL_SEND(fd, buf, len) send(fd, buf, len, 0)
#endif

static int genl_family;
static __thread int genl_fd = -1;

struct genl_msg {
	struct nlmsghdr n;
	struct genlmsghdr g;
	char attrs[4096];
};

/* An answer: its attributes, and the kernel's text when it is a refusal. */
struct genl_answer {
	int err;
	char text[512];
	uint32_t len;
	char attrs[70000];
};

static UNUSED void genl_begin(struct genl_msg *m, int type, int cmd, int version, int flags)
{
	memset(&m->n, 0, sizeof(m->n) + sizeof(m->g));
	m->n.nlmsg_type = (uint16_t)type;
	m->n.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	m->n.nlmsg_len = NLMSG_HDRLEN + GENL_HDRLEN;
	m->g.cmd = (uint8_t)cmd;
	m->g.version = (uint8_t)version;
}

static UNUSED void genl_put(struct genl_msg *m, int type, const void *data, size_t len)
{
	struct nlattr *a = (void *)((char *)m + NLMSG_ALIGN(m->n.nlmsg_len));

	a->nla_type = (uint16_t)type;
	a->nla_len = (uint16_t)(NLA_HDRLEN + len);
	memcpy((char *)a + NLA_HDRLEN, data, len);
	memset((char *)a + a->nla_len, 0, NLA_ALIGN(a->nla_len) - a->nla_len);
	m->n.nlmsg_len = NLMSG_ALIGN(m->n.nlmsg_len) + NLA_ALIGN(a->nla_len);
}

static UNUSED void genl_put32(struct genl_msg *m, int type, uint32_t v)
{
	genl_put(m, type, &v, sizeof(v));
}

static UNUSED const void *genl_find(const void *attrs, size_t len, int type, size_t *size)
{
	const char *p = attrs;

	while (len >= NLA_HDRLEN) {
		const struct nlattr *a = (const void *)p;
		size_t step = NLA_ALIGN(a->nla_len);

		if (a->nla_len < NLA_HDRLEN || a->nla_len > len)
			return NULL;
		if ((a->nla_type & NLA_TYPE_MASK) == type) {
			if (size)
				*size = a->nla_len - NLA_HDRLEN;
			return p + NLA_HDRLEN;
		}
		if (step >= len)
			return NULL;
		p += step;
		len -= step;
	}
	return NULL;
}

static UNUSED uint32_t genl_get32(const struct genl_answer *a, int type)
{
	const void *p = genl_find(a->attrs, a->len, type, NULL);
	uint32_t v = 0;

	if (p)
		memcpy(&v, p, sizeof(v));
	return v;
}

static UNUSED struct dmo_uapi_cut genl_getcut(const struct genl_answer *a, int type)
{
	const void *p = genl_find(a->attrs, a->len, type, NULL);
	struct dmo_uapi_cut v = { 0, 0 };

	if (p)
		memcpy(&v, p, sizeof(v));
	return v;
}

static int genl_open(void)
{
	int one = 1, size = 1 << 20;

	genl_fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	if (genl_fd < 0)
		return -errno;
	setsockopt(genl_fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
	setsockopt(genl_fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	return 0;
}

static void genl_take_error(const struct nlmsghdr *n, struct genl_answer *a)
{
	const struct nlmsgerr *e = NLMSG_DATA(n);
	size_t skip = sizeof(*e), size;
	const char *text;

	a->err = e->error;
	if (!(n->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (!(n->nlmsg_flags & NLM_F_CAPPED))
		skip += e->msg.nlmsg_len - sizeof(struct nlmsghdr);
	text = genl_find((const char *)e + NLMSG_ALIGN(skip),
			 n->nlmsg_len - NLMSG_HDRLEN - NLMSG_ALIGN(skip), NLMSGERR_ATTR_MSG, &size);
	if (text)
		snprintf(a->text, sizeof(a->text), "%.*s", (int)size, text);
}

/* Send as it is; return 0 or -errno, text and attributes of the answer in @a. */
static UNUSED int genl_talk(struct genl_msg *m, struct genl_answer *a)
{
	static __thread char buf[80000];
	static uint32_t seq;
	struct nlmsghdr *n = (void *)buf;
	uint32_t mine = __atomic_add_fetch(&seq, 1, __ATOMIC_RELAXED);
	ssize_t got;

	a->err = 0;
	a->len = 0;
	a->text[0] = '\0';
	if (genl_fd < 0 && genl_open() < 0)
		return a->err = -errno;
	m->n.nlmsg_seq = mine;
	m->n.nlmsg_flags |= NLM_F_ACK;
	if (GENL_SEND(genl_fd, m, m->n.nlmsg_len) < 0)
		return a->err = -errno;
	for (;;) {
		size_t left;

		got = recv(genl_fd, buf, sizeof(buf), 0);
		if (got < 0)
			return a->err = -errno;
		left = (size_t)got;
		for (n = (void *)buf; NLMSG_OK(n, left); n = NLMSG_NEXT(n, left)) {
			if (n->nlmsg_seq != mine)
				continue;
			if (n->nlmsg_type == NLMSG_ERROR) {
				genl_take_error(n, a);
				return a->err;
			}
			if (n->nlmsg_type == NLMSG_DONE)
				return 0;
			a->len = n->nlmsg_len - NLMSG_HDRLEN - GENL_HDRLEN;
			memcpy(a->attrs, (char *)NLMSG_DATA(n) + GENL_HDRLEN, a->len);
		}
	}
}

static UNUSED int genl_resolve(void)
{
	struct genl_answer *a = malloc(sizeof(*a));
	const void *id;
	struct genl_msg m;

	genl_begin(&m, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1, 0);
	genl_put(&m, CTRL_ATTR_FAMILY_NAME, DM_ORDERED_GENL_NAME, sizeof(DM_ORDERED_GENL_NAME));
	if (genl_talk(&m, a) < 0) {
		free(a);
		return -ENOENT;
	}
	id = genl_find(a->attrs, a->len, CTRL_ATTR_FAMILY_ID, NULL);
	if (id) {
		uint16_t v;

		memcpy(&v, id, sizeof(v));
		genl_family = v;
	}
	free(a);
	return genl_family ? 0 : -ENOENT;
}

/* A command of dm-ordered on the session of metadata device @major:@minor. */
static UNUSED void genl_command(struct genl_msg *m, int cmd, uint32_t major, uint32_t minor)
{
	genl_begin(m, genl_family, cmd, DM_ORDERED_GENL_VERSION, 0);
	genl_put32(m, DMO_A_META_MAJOR, major);
	genl_put32(m, DMO_A_META_MINOR, minor);
	/* a test that ends a link means no more than that */
	if (cmd == DM_ORDERED_CMD_LINK_DETACH)
		genl_put(m, DMO_A_LINK_WANTED, "", 0);
}

#endif /* TEST_GENL_H */
