// SPDX-License-Identifier: GPL-2.0-only
/* Netlink messages of the kernel into the model; no socket here. */
#include <errno.h>
#include <linux/netlink.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>
#include <stdlib.h>
#include <string.h>

#include "lib/nl.h"
#include "lib/util.h"

_Static_assert(DMO_A_MAX < 64, "the has bits of the model don't hold every attribute");

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

static const struct nla_policy policy[DMO_A_MAX + 1] = {
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
	[DMO_A_ACTIVATION] = { .type = NLA_U64 },
	[DMO_A_VOLUMES] = { .type = NLA_NESTED },
	[DMO_A_VOLUME_ID] = { .type = NLA_U32 },
	[DMO_A_EVENT] = { .type = NLA_U32 },
	[DMO_A_PEER_CONDITION] = { .type = NLA_U32 },
	[DMO_A_PEER_CONDITION_MS] = { .type = NLA_U64 },
	[DMO_A_CHUNK_MAX] = { .type = NLA_U64 },
	[DMO_A_COPY_TOTAL] = { .type = NLA_U64 },
	[DMO_A_COPY_MS] = { .type = NLA_U64 },
	[DMO_A_RESTORE_LEFT] = { .type = NLA_U64 },
	[DMO_A_RESTORE_TOTAL] = { .type = NLA_U64 },
	[DMO_A_RESTORE_MS] = { .type = NLA_U64 },
};

static const struct nla_policy chunk_policy[DMO_CA_MAX + 1] = {
	[DMO_CA_STATE] = { .type = NLA_U32 },
	[DMO_CA_SEQ] = { .type = NLA_U64 },
	[DMO_CA_SLOTS] = { .type = NLA_U64 },
	[DMO_CA_REFS] = { .type = NLA_U64 },
	[DMO_CA_ZEROES] = { .type = NLA_U64 },
	[DMO_CA_BYTES] = { .type = NLA_U64 },
};

static const struct nla_policy volume_policy[DMO_VA_MAX + 1] = {
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
int ord_nl_parse_session(struct nlmsghdr *nlh, struct ord_sessions *list)
{
	struct nlattr *tb[DMO_A_MAX + 1];
	struct ord_session *s;
	uint32_t major, minor;
	int rc;

	if (genlmsg_parse(nlh, 0, tb, DMO_A_MAX, policy))
		return -EBADMSG;
	if (!tb[DMO_A_META_MAJOR] || !tb[DMO_A_META_MINOR])
		return -EBADMSG;
	major = nla_get_u32(tb[DMO_A_META_MAJOR]);
	minor = nla_get_u32(tb[DMO_A_META_MINOR]);
	if (list->nr && ord_same_meta(&list->v[list->nr - 1], major, minor)) {
		s = &list->v[list->nr - 1];
	} else {
		s = realloc(list->v, (list->nr + 1) * sizeof(*s));
		if (!s)
			return -ENOMEM;
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
	get_u64(tb, DMO_A_ACTIVATION, &s->activation);
	get_u32(tb, DMO_A_PEER_CONDITION, &s->peer_condition);
	get_u64(tb, DMO_A_PEER_CONDITION_MS, &s->peer_condition_ms);
	get_u64(tb, DMO_A_CHUNK_MAX, &s->chunk_max);
	get_u64(tb, DMO_A_COPY_TOTAL, &s->copy_total);
	get_u64(tb, DMO_A_COPY_MS, &s->copy_ms);
	get_u64(tb, DMO_A_RESTORE_LEFT, &s->restore_left);
	get_u64(tb, DMO_A_RESTORE_TOTAL, &s->restore_total);
	get_u64(tb, DMO_A_RESTORE_MS, &s->restore_ms);
	rc = parse_chunk(tb[DMO_A_CHUNK_ACTIVE], &s->active);
	if (!rc)
		rc = parse_chunk(tb[DMO_A_CHUNK_OLDER], &s->older);
	if (!rc)
		rc = parse_volumes(tb[DMO_A_VOLUMES], s);
	return rc;
}

int ord_nl_parse_cut(struct nlmsghdr *nlh, struct ord_cut *cut)
{
	struct nlattr *tb[DMO_A_MAX + 1];

	if (genlmsg_parse(nlh, 0, tb, DMO_A_MAX, policy) || !tb[DMO_A_CUT])
		return -EBADMSG;
	get_cut(tb, DMO_A_CUT, cut);
	return 0;
}

int ord_nl_parse_event(struct nlmsghdr *nlh, struct ord_event *ev)
{
	struct nlattr *tb[DMO_A_MAX + 1];

	if (genlmsg_parse(nlh, 0, tb, DMO_A_MAX, policy) || !tb[DMO_A_EVENT])
		return -EBADMSG;
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
int ord_nl_parse_extack(const struct nlmsghdr *nlh, char *text, unsigned int len)
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
