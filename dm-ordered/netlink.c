// SPDX-License-Identifier: GPL-2.0-only
/* Generic netlink; the contract is in uapi/dm-ordered.h. */
#include <linux/device-mapper.h>
#include <linux/dm-ioctl.h>
#include <net/genetlink.h>
#include "netlink.h"
#include "session/session.h"

/*
 * Texts of refusals that name things. The netlink core reads the text after the handler
 * returned and before it answers, so a text lives in a ring long enough for that.
 */
#define EXTACK_TEXTS	64
static char extack_text[EXTACK_TEXTS][DMO_REASON_LEN];
static atomic_t extack_next = ATOMIC_INIT(0);

static int refuse(struct genl_info *info, int err, const char *why)
{
	char *text = extack_text[(unsigned int)atomic_inc_return(&extack_next) % EXTACK_TEXTS];

	strscpy(text, why, DMO_REASON_LEN);
	if (info->extack)
		info->extack->_msg = text;
	return err;
}

static const struct nla_policy policy[DMO_A_MAX + 1] = {
	[DMO_A_META_MAJOR] = { .type = NLA_U32 },
	[DMO_A_META_MINOR] = { .type = NLA_U32 },
	[DMO_A_CYCLE_MS] = { .type = NLA_U32 },
	[DMO_A_BUDGET_MIB] = { .type = NLA_U32 },
	[DMO_A_LINK_TIMEOUT_MS] = { .type = NLA_U32 },
	[DMO_A_LINK_FD] = { .type = NLA_U32 },
	[DMO_A_FORCE] = { .type = NLA_FLAG },
	[DMO_A_LINK_WANTED] = { .type = NLA_FLAG },
};

static struct genl_family family;

enum { MCGRP_EVENTS };
static const struct genl_multicast_group mcgrps[] = {
	[MCGRP_EVENTS] = { .name = DM_ORDERED_GENL_MCGRP },
};

/* ---- answers ---- */

static int put_cut(struct sk_buff *skb, int attr, struct dmo_cut c)
{
	struct dmo_uapi_cut u = { c.epoch, c.n };

	return nla_put(skb, attr, sizeof(u), &u);
}

static int put_u64(struct sk_buff *skb, int attr, u64 v)
{
	return nla_put_u64_64bit(skb, attr, v, DMO_A_PAD);
}

static int put_chunk(struct sk_buff *skb, int attr, const struct dmo_pri_chunk *c)
{
	struct nlattr *nest = nla_nest_start(skb, attr);

	if (!nest ||
	    nla_put_u32(skb, DMO_CA_STATE, c->state) ||
	    nla_put_u64_64bit(skb, DMO_CA_SEQ, c->seq, DMO_CA_PAD) ||
	    nla_put_u64_64bit(skb, DMO_CA_SLOTS, c->slots, DMO_CA_PAD) ||
	    nla_put_u64_64bit(skb, DMO_CA_REFS, c->refs, DMO_CA_PAD) ||
	    nla_put_u64_64bit(skb, DMO_CA_ZEROES, c->zeroes, DMO_CA_PAD) ||
	    nla_put_u64_64bit(skb, DMO_CA_BYTES, c->bytes, DMO_CA_PAD))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

static int put_primary(struct sk_buff *skb, const struct dmo_session_status *st)
{
	const struct dmo_pri_status *p = &st->pri;

	if (put_u64(skb, DMO_A_SEQ, p->seq) ||
	    put_u64(skb, DMO_A_EPOCH, p->epoch) ||
	    put_cut(skb, DMO_A_CUT, p->cut) ||
	    put_cut(skb, DMO_A_CUT_COMPLETE, p->complete) ||
	    put_cut(skb, DMO_A_CUT_COMMITTED, p->committed) ||
	    put_cut(skb, DMO_A_CUT_RESTORED, p->restored) ||
	    put_u64(skb, DMO_A_CUT_TIME, p->committed_ns) ||
	    (!p->no_copy && put_u64(skb, DMO_A_LAG_MS, p->lag_ms)) ||
	    put_u64(skb, DMO_A_MEM_USED, p->mem_used) ||
	    put_u64(skb, DMO_A_COPY_LEFT, p->copy_left) ||
	    put_chunk(skb, DMO_A_CHUNK_ACTIVE, &p->active) ||
	    put_chunk(skb, DMO_A_CHUNK_OLDER, &p->older) ||
	    (p->chunk_max && put_u64(skb, DMO_A_CHUNK_MAX, p->chunk_max)))
		return -EMSGSIZE;
	if (st->link.state == DMO_LINK_UP &&
	    (nla_put_u32(skb, DMO_A_PEER_CONDITION, p->peer_cond) ||
	     put_u64(skb, DMO_A_PEER_CONDITION_MS, jiffies_to_msecs(jiffies - p->peer_cond_since))))
		return -EMSGSIZE;
	if (p->copying &&
	    (put_u64(skb, DMO_A_COPY_TOTAL, p->copy_total) ||
	     put_u64(skb, DMO_A_COPY_MS, jiffies_to_msecs(jiffies - p->copy_since))))
		return -EMSGSIZE;
	return 0;
}

/* Also while a promotion has the session. */
static int put_restore(struct sk_buff *skb, const struct dmo_sec_status *c)
{
	if (c->restoring &&
	    (put_u64(skb, DMO_A_RESTORE_LEFT, c->restore_left) ||
	     put_u64(skb, DMO_A_RESTORE_TOTAL, c->restore_total) ||
	     put_u64(skb, DMO_A_RESTORE_MS, jiffies_to_msecs(jiffies - c->restore_since))))
		return -EMSGSIZE;
	return 0;
}

static int put_secondary(struct sk_buff *skb, const struct dmo_session_status *st)
{
	const struct dmo_sec_status *c = &st->sec;

	if (put_cut(skb, DMO_A_CUT_COMPLETE, c->complete) ||
	    put_cut(skb, DMO_A_CUT_COMMITTED, c->committed) ||
	    put_cut(skb, DMO_A_CUT_RESTORED, c->restored) ||
	    put_u64(skb, DMO_A_CUT_TIME, c->committed_ns) ||
	    put_u64(skb, DMO_A_MEM_USED, c->mem_used) ||
	    put_u64(skb, DMO_A_JOURNAL_BYTES, c->journal_bytes) ||
	    put_u64(skb, DMO_A_JOURNAL_USED, c->journal_used) ||
	    put_u64(skb, DMO_A_CHUNK_MAX, c->chunk_max))
		return -EMSGSIZE;
	if (c->direct && c->copy_total &&
	    (put_u64(skb, DMO_A_COPY_LEFT, c->copy_left) ||
	     put_u64(skb, DMO_A_COPY_TOTAL, c->copy_total) ||
	     put_u64(skb, DMO_A_COPY_MS, jiffies_to_msecs(jiffies - c->copy_since))))
		return -EMSGSIZE;
	return 0;
}

static int put_link(struct sk_buff *skb, const struct dmo_session_status *st)
{
	if (nla_put_u32(skb, DMO_A_LINK_STATE, st->link.state) ||
	    put_u64(skb, DMO_A_LINK_SINCE_MS, jiffies_to_msecs(jiffies - st->link.since)) ||
	    put_u64(skb, DMO_A_LINK_TX_BYTES, st->link.tx_bytes) ||
	    put_u64(skb, DMO_A_LINK_RX_BYTES, st->link.rx_bytes) ||
	    nla_put_string(skb, DMO_A_LINK_PEER, st->link.peer))
		return -EMSGSIZE;
	return 0;
}

static int put_state(struct sk_buff *skb, const struct dmo_session_status *st)
{
	return put_link(skb, st) ?:
	       (st->role == DMO_ROLE_PRIMARY ? put_primary(skb, st) : put_secondary(skb, st));
}

static int put_vol_stats(struct sk_buff *skb, struct dmo_vol *v)
{
	struct dmo_vol_stats sum = {};
	int cpu;

	for_each_possible_cpu(cpu) {
		struct dmo_vol_stats *c = per_cpu_ptr(v->stats, cpu);

		sum.reads += c->reads;
		sum.writes += c->writes;
		sum.written += c->written;
		sum.folded += c->folded;
		sum.copyouts += c->copyouts;
		sum.errors += c->errors;
	}
	if (nla_put_u32(skb, DMO_VA_UNIT, DMO_BLOCK << v->unit_shift) ||
	    nla_put_u64_64bit(skb, DMO_VA_READS, sum.reads, DMO_VA_PAD) ||
	    nla_put_u64_64bit(skb, DMO_VA_WRITES, sum.writes, DMO_VA_PAD) ||
	    nla_put_u64_64bit(skb, DMO_VA_WRITTEN, sum.written, DMO_VA_PAD) ||
	    nla_put_u64_64bit(skb, DMO_VA_FOLDED, sum.folded, DMO_VA_PAD) ||
	    nla_put_u64_64bit(skb, DMO_VA_COPYOUTS, sum.copyouts, DMO_VA_PAD) ||
	    nla_put_u64_64bit(skb, DMO_VA_ERRORS, sum.errors, DMO_VA_PAD))
		return -EMSGSIZE;
	return 0;
}

/* Longer names of dm devices are not told: a session with 256 volumes must fit into one message. */
#define DM_NAME_TOLD	64

static int put_volume(struct sk_buff *skb, struct dmo_session *s, u32 index)
{
	struct dmo_volume_info *info = &s->meta->sb.volumes[index];
	struct dmo_svol *v = &s->vols[index];
	struct nlattr *nest = nla_nest_start(skb, DMO_A_VOLUME);
	struct mapped_device *md;
	struct dmo_primary *pri;
	int rc = -EMSGSIZE;

	if (!nest ||
	    nla_put_u32(skb, DMO_VA_ID, info->id) ||
	    nla_put_u64_64bit(skb, DMO_VA_SECTORS, info->sectors, DMO_VA_PAD) ||
	    nla_put_u32(skb, DMO_VA_LBS, info->lbs) ||
	    nla_put_u32(skb, DMO_VA_ACTIVE, READ_ONCE(v->active)))
		return -EMSGSIZE;
	/* not session->lock, whose holder may wait; @pri stays once it is there, as a command holds the session */
	mutex_lock(&dmo_sessions_lock);
	md = READ_ONCE(v->md);
	if (md) {
		dev_t dev = disk_devt(dm_disk(md));
		char name[DM_NAME_LEN];

		if (dm_copy_name_and_uuid(md, name, NULL) || strlen(name) > DM_NAME_TOLD)
			strscpy(name, dm_device_name(md), sizeof(name));
		if (nla_put_u32(skb, DMO_VA_DM_MAJOR, MAJOR(dev)) ||
		    nla_put_u32(skb, DMO_VA_DM_MINOR, MINOR(dev)) ||
		    nla_put_string(skb, DMO_VA_DM_NAME, name))
			goto out;
	}
	pri = READ_ONCE(s->pri);
	rc = pri ? put_vol_stats(skb, dmo_primary_vol(pri, index)) : 0;
out:
	mutex_unlock(&dmo_sessions_lock);
	nla_nest_end(skb, nest);
	return rc;
}

static int put_session(struct sk_buff *skb, struct dmo_session *s,
		       const struct dmo_session_status *st)
{
	struct dmo_super *sb = &s->meta->sb;
	struct nlattr *nest;
	u32 i;

	if (nla_put_u32(skb, DMO_A_META_MAJOR, MAJOR(s->meta_dev)) ||
	    nla_put_u32(skb, DMO_A_META_MINOR, MINOR(s->meta_dev)) ||
	    nla_put_string(skb, DMO_A_META_NAME, s->name) ||
	    nla_put(skb, DMO_A_UUID, DMO_UUID_LEN, sb->uuid) ||
	    nla_put_string(skb, DMO_A_LABEL, sb->label) ||
	    nla_put_u32(skb, DMO_A_ROLE, st->role) ||
	    nla_put_u32(skb, DMO_A_STATE, st->state) ||
	    nla_put_u32(skb, DMO_A_FLAGS, st->flags) ||
	    nla_put_u32(skb, DMO_A_CYCLE_MS, st->cycle_ms) ||
	    nla_put_u32(skb, DMO_A_BUDGET_MIB, st->budget_mib) ||
	    nla_put_u32(skb, DMO_A_LINK_TIMEOUT_MS, st->timeout_ms) ||
	    put_u64(skb, DMO_A_ACTIVATION, st->activation) ||
	    nla_put_u32(skb, DMO_A_BLOCK, st->block) ||
	    put_u64(skb, DMO_A_BLOCK_MS, st->block_ms) ||
	    nla_put_string(skb, DMO_A_REASON, st->why.text) ||
	    (st->state != DMO_STATE_BUSY && put_state(skb, st)) ||
	    put_restore(skb, &st->sec))
		return -EMSGSIZE;
	nest = nla_nest_start(skb, DMO_A_VOLUMES);
	if (!nest)
		return -EMSGSIZE;
	for (i = 0; i < sb->nr_volumes; i++)
		if (put_volume(skb, s, i))
			return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

/* A session with 256 volumes takes about 50 KiB; the nest's length is 16 bits. */
#define SESSION_MSG_SIZE	65000

static int fill_session(struct sk_buff *skb, struct dmo_session *s, u32 portid, u32 seq, int flags)
{
	struct dmo_session_status *st = kzalloc(sizeof(*st), GFP_KERNEL);
	void *hdr;
	int rc;

	if (!st)
		return -ENOMEM;
	hdr = genlmsg_put(skb, portid, seq, &family, flags, DM_ORDERED_CMD_SESSION_GET);
	if (!hdr) {
		kfree(st);
		return -EMSGSIZE;
	}
	dmo_session_status(s, st);
	rc = put_session(skb, s, st);
	kfree(st);
	if (rc) {
		genlmsg_cancel(skb, hdr);
		return rc;
	}
	genlmsg_end(skb, hdr);
	return 0;
}

/* ---- commands ---- */

/* Holds: dmo_sessions_lock */
static struct dmo_session *named_session(struct genl_info *info, int *err)
{
	struct dmo_session *s;
	struct dmo_reason why;
	dev_t dev;

	lockdep_assert_held(&dmo_sessions_lock);
	if (!info->attrs[DMO_A_META_MAJOR] || !info->attrs[DMO_A_META_MINOR]) {
		*err = refuse(info, -EINVAL,
			      "DMO_A_META_MAJOR and DMO_A_META_MINOR must name the metadata device");
		return NULL;
	}
	dev = MKDEV(nla_get_u32(info->attrs[DMO_A_META_MAJOR]),
		    nla_get_u32(info->attrs[DMO_A_META_MINOR]));
	s = dmo_session_find(dev);
	if (!s) {
		dmo_refuse(&why, 0,
			   "no table names metadata device %u:%u: create the volumes of the session first",
			   MAJOR(dev), MINOR(dev));
		*err = refuse(info, -ENODEV, why.text);
	}
	return s;
}

static int cmd_get(struct sk_buff *skb, struct genl_info *info)
{
	struct dmo_session *s;
	struct sk_buff *msg;
	int rc = 0;

	msg = genlmsg_new(SESSION_MSG_SIZE, GFP_KERNEL);
	if (!msg)
		return -ENOMEM;
	mutex_lock(&dmo_sessions_lock);
	s = named_session(info, &rc);
	if (s) {
		dmo_session_hold(s);
		mutex_unlock(&dmo_sessions_lock);
		rc = fill_session(msg, s, info->snd_portid, info->snd_seq, 0);
		mutex_lock(&dmo_sessions_lock);
		dmo_session_release(s);
	}
	mutex_unlock(&dmo_sessions_lock);
	if (rc) {
		nlmsg_free(msg);
		return rc;
	}
	return genlmsg_reply(msg, info);
}

static int cmd_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct dmo_session *s;
	long i = 0;
	int rc;

	mutex_lock(&dmo_sessions_lock);
	list_for_each_entry(s, &dmo_sessions, node) {
		if (i++ < cb->args[0] || s->dying)
			continue;
		/* held, it stays where it is in the list */
		dmo_session_hold(s);
		mutex_unlock(&dmo_sessions_lock);
		rc = fill_session(skb, s, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
				  NLM_F_MULTI);
		mutex_lock(&dmo_sessions_lock);
		dmo_session_release(s);
		if (rc == -EMSGSIZE && skb->len)
			break;		/* goes into the next message */
		if (rc) {
			mutex_unlock(&dmo_sessions_lock);
			return rc;
		}
		cb->args[0] = i;
	}
	mutex_unlock(&dmo_sessions_lock);
	return skb->len;
}

/* A session must fit into one message of the dump. */
static int dump_start(struct netlink_callback *cb)
{
	cb->min_dump_alloc = SESSION_MSG_SIZE;
	return 0;
}

static int reply_cut(struct genl_info *info, u8 cmd, struct dmo_cut cut)
{
	struct sk_buff *msg = genlmsg_new(NLMSG_DEFAULT_SIZE, GFP_KERNEL);
	void *hdr;

	if (!msg)
		return -ENOMEM;
	hdr = genlmsg_put_reply(msg, info, &family, 0, cmd);
	if (!hdr || put_cut(msg, DMO_A_CUT, cut)) {
		nlmsg_free(msg);
		return -EMSGSIZE;
	}
	genlmsg_end(msg, hdr);
	return genlmsg_reply(msg, info);
}

static int get_range(struct genl_info *info, int attr, const char *name, u32 min, u32 max,
		     u32 *val, struct dmo_reason *why)
{
	*val = 0;
	if (!info->attrs[attr])
		return 0;
	*val = nla_get_u32(info->attrs[attr]);
	if (*val >= min && *val <= max)
		return 0;
	return dmo_refuse(why, -ERANGE, "%s must be from %u to %u, not %u", name, min, max, *val);
}

static int do_attach(struct dmo_session *s, struct genl_info *info, struct dmo_cut *cut,
		     struct dmo_reason *why)
{
	u32 timeout;
	int rc;

	rc = get_range(info, DMO_A_LINK_TIMEOUT_MS, "the link time-out in ms",
		       DMO_LINK_TIMEOUT_MS_MIN, DMO_LINK_TIMEOUT_MS_MAX, &timeout, why);
	if (rc)
		return rc;
	if (!info->attrs[DMO_A_LINK_FD])
		return dmo_refuse(why, -EINVAL,
				  "DMO_A_LINK_FD is missing: a connected stream socket");
	return dmo_session_attach_link(s, nla_get_u32(info->attrs[DMO_A_LINK_FD]), timeout, why);
}

static int do_detach(struct dmo_session *s, struct genl_info *info, struct dmo_cut *cut,
		     struct dmo_reason *why)
{
	return dmo_session_detach_link(s, nla_get_flag(info->attrs[DMO_A_LINK_WANTED]), why);
}

static int do_switch(struct dmo_session *s, struct genl_info *info, struct dmo_cut *cut,
		     struct dmo_reason *why)
{
	return dmo_session_switch(s, cut, why) ?: 1;
}

static int do_set(struct dmo_session *s, struct genl_info *info, struct dmo_cut *cut, struct dmo_reason *why)
{
	u32 cycle, budget, timeout;
	bool wanted;
	int rc;

	rc = get_range(info, DMO_A_CYCLE_MS, "the cycle length in ms", DMO_CYCLE_MS_MIN,
		       DMO_CYCLE_MS_MAX, &cycle, why);
	if (!rc)
		rc = get_range(info, DMO_A_BUDGET_MIB, "the memory budget in MiB",
			       DMO_BUDGET_MIB_MIN, DMO_BUDGET_MIB_MAX, &budget, why);
	if (!rc)
		rc = get_range(info, DMO_A_LINK_TIMEOUT_MS, "the link time-out in ms",
			       DMO_LINK_TIMEOUT_MS_MIN, DMO_LINK_TIMEOUT_MS_MAX, &timeout, why);
	if (rc)
		return rc;
	wanted = nla_get_flag(info->attrs[DMO_A_LINK_WANTED]);
	if (!cycle && !budget && !timeout && !wanted)
		return dmo_refuse(why, -EINVAL,
				  "nothing to set: DMO_A_CYCLE_MS, DMO_A_BUDGET_MIB, DMO_A_LINK_TIMEOUT_MS or DMO_A_LINK_WANTED");
	if (cycle || budget || timeout)
		rc = dmo_session_set(s, cycle, budget, timeout, why);
	if (!rc && wanted)
		dmo_session_want_link(s);
	return rc;
}

static int do_promote(struct dmo_session *s, struct genl_info *info, struct dmo_cut *cut,
		      struct dmo_reason *why)
{
	return dmo_session_promote(s, nla_get_flag(info->attrs[DMO_A_FORCE]), cut, why) ?: 1;
}

static int (* const handlers[])(struct dmo_session *s, struct genl_info *info,
				struct dmo_cut *cut, struct dmo_reason *why) = {
	[DM_ORDERED_CMD_LINK_ATTACH] = do_attach,
	[DM_ORDERED_CMD_LINK_DETACH] = do_detach,
	[DM_ORDERED_CMD_SWITCH] = do_switch,
	[DM_ORDERED_CMD_SET] = do_set,
	[DM_ORDERED_CMD_PROMOTE] = do_promote,
};

static int cmd_change(struct sk_buff *skb, struct genl_info *info)
{
	struct dmo_reason why = {};
	struct dmo_cut cut = {};
	struct dmo_session *s;
	u8 cmd = info->genlhdr->cmd;
	int rc = 0;

	/* a command may take its time; the other sessions must not wait for it */
	mutex_lock(&dmo_sessions_lock);
	s = named_session(info, &rc);
	if (s)
		dmo_session_hold(s);
	mutex_unlock(&dmo_sessions_lock);
	if (!s)
		return rc;
	rc = handlers[cmd](s, info, &cut, &why);
	if (rc < 0)
		refuse(info, rc, why.text);
	mutex_lock(&dmo_sessions_lock);
	dmo_session_release(s);
	mutex_unlock(&dmo_sessions_lock);
	return rc > 0 ? reply_cut(info, cmd, cut) : rc;
}

static const struct genl_ops ops[] = {
	{
		.cmd = DM_ORDERED_CMD_SESSION_GET,
		.doit = cmd_get,
		.start = dump_start,
		.dumpit = cmd_dump,
	},
	{ .cmd = DM_ORDERED_CMD_LINK_ATTACH, .doit = cmd_change, .flags = GENL_ADMIN_PERM },
	{ .cmd = DM_ORDERED_CMD_LINK_DETACH, .doit = cmd_change, .flags = GENL_ADMIN_PERM },
	{ .cmd = DM_ORDERED_CMD_SWITCH, .doit = cmd_change, .flags = GENL_ADMIN_PERM },
	{ .cmd = DM_ORDERED_CMD_SET, .doit = cmd_change, .flags = GENL_ADMIN_PERM },
	{ .cmd = DM_ORDERED_CMD_PROMOTE, .doit = cmd_change, .flags = GENL_ADMIN_PERM },
};

static struct genl_family family __ro_after_init = {
	.name = DM_ORDERED_GENL_NAME,
	.version = DM_ORDERED_GENL_VERSION,
	.maxattr = DMO_A_MAX,
	.policy = policy,
	.netnsok = true,
	.parallel_ops = true,	/* a promotion takes its time: no other command waits for it */
	.module = THIS_MODULE,
	.ops = ops,
	.n_ops = ARRAY_SIZE(ops),
	.resv_start_op = DM_ORDERED_CMD_SESSION_GET,
	.mcgrps = mcgrps,
	.n_mcgrps = ARRAY_SIZE(mcgrps),
};

/* ---- events ---- */

void dmo_netlink_event(dev_t meta_dev, const u8 *uuid, u32 event, struct dmo_cut cut, int volume,
		       const char *why)
{
	struct sk_buff *skb = genlmsg_new(NLMSG_DEFAULT_SIZE, GFP_NOIO | __GFP_NORETRY | __GFP_NOWARN);
	void *hdr;

	if (!skb)
		return;
	hdr = genlmsg_put(skb, 0, 0, &family, 0, DM_ORDERED_CMD_EVENT);
	if (!hdr ||
	    nla_put_u32(skb, DMO_A_EVENT, event) ||
	    nla_put_u32(skb, DMO_A_META_MAJOR, MAJOR(meta_dev)) ||
	    nla_put_u32(skb, DMO_A_META_MINOR, MINOR(meta_dev)) ||
	    nla_put(skb, DMO_A_UUID, DMO_UUID_LEN, uuid) ||
	    (!dmo_cut_is_zero(cut) && put_cut(skb, DMO_A_CUT, cut)) ||
	    (volume >= 0 && nla_put_u32(skb, DMO_A_VOLUME_ID, volume)) ||
	    (why && nla_put_string(skb, DMO_A_REASON, why))) {
		nlmsg_free(skb);
		return;
	}
	genlmsg_end(skb, hdr);
	/* nobody listening is no error */
	genlmsg_multicast_allns(&family, skb, 0, MCGRP_EVENTS);
}

int dmo_netlink_init(void)
{
	BUILD_BUG_ON(sizeof(struct dmo_uapi_cut) != 16);
	return genl_register_family(&family);
}

void dmo_netlink_exit(void)
{
	genl_unregister_family(&family);
}
