// SPDX-License-Identifier: GPL-2.0-only
/*
 * dm-ordered/netlink.c, unchanged, behind the kernel's own lib/nlattr.c: arbitrary messages through the
 * policy into the handlers, as net/netlink/{af_netlink,genetlink}.c pass them on. The session functions
 * are stubs that check what session.h promises them: ranges, locks, texts.
 *
 * After every message: no lock held, no session held, no buffer lost; each answer is well-formed and as
 * large as its length says; each refusal by a handler carries a text; a session with 256 volumes
 * fits into one answer.
 *
 * Input: sessions (how many, and of each: device, role, volumes, length of texts), results of the stubs,
 * which allocation fails, events, then messages: how (HOW_*), length, bytes or attributes in short.
 */
#include "fuzz.h"
#include <linux/dm-ioctl.h>
#include <net/genetlink.h>
#include "netlink.h"
#include "session/session.h"

enum {
	HOW_SHORT = 1,		/* attributes in short: type, length, payload */
	HOW_META = 2,		/* names the first session */
	HOW_DUMP = 4,
	HOW_ADMIN = 8,		/* the sender may */
	HOW_CHANGE = 16,	/* the list of sessions changes between parts of a dump */
};

#define MAX_SESSIONS	4

static struct genl_family *family;
static struct in *stubs;	/* where their results come from */
static u32 buffers, fail_at, allocations, replies, held;
static bool handled;		/* a handler was entered */
static struct netlink_ext_ack ack;

/* ---- the kernel ---- */

struct net init_net;
long sim_turn = LONG_MAX;
bool sim_tracing;
void sim_preempt(void) { sim_turn = LONG_MAX; }
unsigned long sim_jiffies(void) { return 1000000; }
u32 sim_cpu(void) { return 0; }
void sim_log(const char *prefix, const char *fmt, ...) { }
void do_trace_netlink_extack(const char *msg) { }

void sim_fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(vfprintf)(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	abort();
}

int sim_vsnprintf(char *buf, size_t size, const char *fmt, va_list ap)
{
	return __builtin_vsnprintf(buf, size, fmt, ap);
}

int sim_snprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = __builtin_vsnprintf(buf, size, fmt, ap);
	va_end(ap);
	return n;
}

ssize_t sim_strscpy(char *dst, const char *src, size_t n)
{
	size_t len = strnlen(src, n);

	if (!n)
		return -E2BIG;
	if (len == n)
		len--;
	memcpy(dst, src, len);
	dst[len] = '\0';
	return src[len] ? -E2BIG : (ssize_t)len;
}

static bool no_memory(void)
{
	return ++allocations == fail_at;
}

void *sim_kmalloc(size_t size, gfp_t gfp)
{
	return no_memory() ? NULL : gfp & __GFP_ZERO ? calloc(1, size) : malloc(size);
}

void sim_kfree(const void *p)
{
	free((void *)p);
}

static struct mutex *locked[4];

void mutex_lock(struct mutex *m)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(locked); i++)
		must(locked[i] != m, "locked twice");
	for (i = 0; locked[i]; i++)
		;
	locked[i] = m;
}

void mutex_unlock(struct mutex *m)
{
	u32 i;

	for (i = 0; locked[i] != m; i++)
		must(i + 1 < ARRAY_SIZE(locked), "not locked");
	locked[i] = NULL;
}

bool sim_mutex_held(const struct mutex *m)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(locked); i++)
		if (locked[i] == m)
			return true;
	return false;
}

bool sim_spin_held(const spinlock_t *l) { return true; }

struct sk_buff *alloc_skb(unsigned int size, gfp_t gfp)
{
	struct sk_buff *skb;

	if (no_memory())
		return NULL;
	skb = calloc(1, sizeof(*skb));
	skb->head = malloc(size);
	skb->data = skb->head;
	skb->room = size;
	buffers++;
	return skb;
}

void kfree_skb(struct sk_buff *skb)
{
	if (!skb)
		return;
	buffers--;
	free(skb->head);
	free(skb);
}

/* As in net/netlink/af_netlink.c. */
struct nlmsghdr *__nlmsg_put(struct sk_buff *skb, u32 portid, u32 seq, int type, int len, int flags)
{
	int size = nlmsg_msg_size(len);
	struct nlmsghdr *nlh = skb_put(skb, NLMSG_ALIGN(size));

	nlh->nlmsg_type = type;
	nlh->nlmsg_len = size;
	nlh->nlmsg_flags = flags;
	nlh->nlmsg_pid = portid;
	nlh->nlmsg_seq = seq;
	memset(nlmsg_data(nlh) + len, 0, NLMSG_ALIGN(size) - size);
	return nlh;
}

/* As in net/netlink/genetlink.c. */
void *genlmsg_put(struct sk_buff *skb, u32 portid, u32 seq, const struct genl_family *f, int flags,
		  u8 cmd)
{
	struct nlmsghdr *nlh = nlmsg_put(skb, portid, seq, f->id, GENL_HDRLEN + f->hdrsize, flags);
	struct genlmsghdr *hdr;

	if (!nlh)
		return NULL;
	hdr = nlmsg_data(nlh);
	hdr->cmd = cmd;
	hdr->version = f->version;
	hdr->reserved = 0;
	return (char *)hdr + GENL_HDRLEN;
}

int genl_register_family(struct genl_family *f)
{
	f->id = 30;
	family = f;
	return 0;
}

int genl_unregister_family(const struct genl_family *f) { return 0; }

/* ---- answers ---- */

static void check_string(const u8 *p, size_t n)
{
	must(n && !p[n - 1], "a string without an end");
}

/* Attributes fill @n bytes exactly. @max: highest type */
static void check_attrs(const u8 *p, size_t n, u32 max, int depth)
{
	while (n) {
		size_t len, type;

		must(n >= 4, "%zu bytes left over", n);
		len = get_le(p, 2);
		type = get_le(p + 2, 2) & 0x3fff;
		must(len >= 4 && len <= n, "attribute %zu of %zu bytes, of %zu", type, len, n);
		must(type <= max, "attribute %zu", type);
		if (!depth && type == DMO_A_VOLUMES)
			check_attrs(p + 4, len - 4, DMO_A_MAX, 1);
		else if (!depth && (type == DMO_A_CHUNK_ACTIVE || type == DMO_A_CHUNK_OLDER))
			check_attrs(p + 4, len - 4, DMO_CA_MAX, 2);
		else if (depth == 1)
			check_attrs(p + 4, len - 4, DMO_VA_MAX, 3);
		else if (depth == 3 && type == DMO_VA_DM_NAME)
			check_string(p + 4, len - 4);
		else if (!depth && (type == DMO_A_LABEL || type == DMO_A_REASON ||
				    type == DMO_A_LINK_PEER || type == DMO_A_META_NAME))
			check_string(p + 4, len - 4);
		len = NLMSG_ALIGN(len);
		must(len <= n, "attribute %zu without its padding", type);
		p += len;
		n -= len;
	}
}

static void check_answer(struct sk_buff *skb)
{
	u8 *p = skb->data;
	size_t n = skb->len;

	must(n, "an empty answer");
	while (n) {
		size_t len = get_le(p, 4);

		must(n >= 20 && len >= 20 && len <= n && len % 4 == 0, "message of %zu bytes, of %zu",
		     len, n);
		must(get_le(p + 4, 2) == (u64)family->id, "type");
		must(p[16] && p[16] <= DM_ORDERED_CMD_MAX, "command %u", p[16]);
		check_attrs(p + 20, len - 20, DMO_A_MAX, 0);
		p += len;
		n -= len;
	}
	replies++;
}

int netlink_unicast(struct sock *ssk, struct sk_buff *skb, __u32 portid, int nonblock)
{
	must(portid == 4711, "an answer to %u", portid);
	check_answer(skb);
	kfree_skb(skb);
	return stubs && in_u8(stubs) == 255 ? -ECONNREFUSED : 0;
}

int genlmsg_multicast_allns(const struct genl_family *f, struct sk_buff *skb, u32 portid,
			    unsigned int group)
{
	must(group < f->n_mcgrps, "group %u", group);
	check_answer(skb);
	kfree_skb(skb);
	return -ESRCH;
}

/* ---- sessions ---- */

DEFINE_MUTEX(dmo_sessions_lock);
LIST_HEAD(dmo_sessions);
static struct dmo_session *sessions[MAX_SESSIONS];
static struct dmo_vol vol;
static u8 text_len;		/* of the texts of all sessions */

static bool is_session(const struct dmo_session *s)
{
	u32 i;

	for (i = 0; i < MAX_SESSIONS; i++)
		if (s && s == sessions[i])
			return true;
	return false;
}

struct dmo_session *dmo_session_find(dev_t dev)
{
	struct dmo_session *s;

	lockdep_assert_held(&dmo_sessions_lock);
	list_for_each_entry(s, &dmo_sessions, node)
		if (s->meta_dev == dev)
			return s;
	return NULL;
}

void dmo_session_hold(struct dmo_session *s)
{
	lockdep_assert_held(&dmo_sessions_lock);
	must(is_session(s), "no session");
	s->commands++;
	held++;
}

void dmo_session_release(struct dmo_session *s)
{
	lockdep_assert_held(&dmo_sessions_lock);
	must(is_session(s) && s->commands, "not held");
	s->commands--;
	held--;
}

static void fill(char *to, size_t size, char c)
{
	size_t n = text_len < size ? text_len : size - 1;

	memset(to, c, n);
	to[n] = '\0';
}

void dmo_session_status(struct dmo_session *s, struct dmo_session_status *st)
{
	must(!sim_mutex_held(&dmo_sessions_lock), "the list is locked");
	must(is_session(s) && s->commands, "not held");
	memset(st, 0xa5, sizeof(*st));
	st->role = s->role;
	/* what makes the longest answer */
	st->link.state = DMO_LINK_UP;
	st->pri.copying = true;
	st->sec.direct = true;
	st->sec.restoring = true;
	st->pri.no_copy = false;
	fill(st->why.text, sizeof(st->why.text), 'w');
	fill(st->link.peer, sizeof(st->link.peer), 'p');
}

/* A command of @s: what it answers. */
static int command(struct dmo_session *s, struct dmo_reason *why)
{
	u8 r = in_u8(stubs);

	handled = true;
	must(!sim_mutex_held(&dmo_sessions_lock), "the list is locked");
	must(is_session(s) && s->commands, "not held");
	must(why, "nowhere to say why");
	if (r < 128)
		return 0;
	fill(why->text, sizeof(why->text), 'x');
	if (!why->text[0])
		strcpy(why->text, "x");
	/* an error that no buffer is short of */
	return r % 32 + 1 == ENOMEM ? -EINVAL : -(r % 32 + 1);
}

int dmo_session_attach_link(struct dmo_session *s, int fd, u32 timeout_ms, struct dmo_reason *why)
{
	must(!timeout_ms || (timeout_ms >= DMO_LINK_TIMEOUT_MS_MIN &&
			     timeout_ms <= DMO_LINK_TIMEOUT_MS_MAX), "time-out %u", timeout_ms);
	return command(s, why);
}

int dmo_session_detach_link(struct dmo_session *s, bool more, struct dmo_reason *why)
{
	(void)more;
	return command(s, why);
}

void dmo_session_want_link(struct dmo_session *s)
{
	struct dmo_reason why;

	command(s, &why);
}

int dmo_session_switch(struct dmo_session *s, struct dmo_cut *cut, struct dmo_reason *why)
{
	*cut = (struct dmo_cut){ 1, 2 };
	return command(s, why);
}

int dmo_session_set(struct dmo_session *s, u32 cycle_ms, u32 budget_mib, u32 timeout_ms, struct dmo_reason *why)
{
	must(cycle_ms <= DMO_CYCLE_MS_MAX, "cycle %u", cycle_ms);
	must(budget_mib <= DMO_BUDGET_MIB_MAX, "budget %u", budget_mib);
	must(!timeout_ms || (timeout_ms >= DMO_LINK_TIMEOUT_MS_MIN &&
			     timeout_ms <= DMO_LINK_TIMEOUT_MS_MAX), "time-out %u", timeout_ms);
	must(cycle_ms || budget_mib || timeout_ms, "nothing to set");
	return command(s, why);
}

int dmo_session_promote(struct dmo_session *s, bool force, struct dmo_cut *cut, struct dmo_reason *why)
{
	*cut = (struct dmo_cut){ 1, 2 };
	return command(s, why);
}

struct dmo_vol *dmo_primary_vol(struct dmo_primary *p, u32 index)
{
	must(index < DMO_MAX_VOLUMES, "volume %u", index);
	return &vol;
}

struct gendisk *dm_disk(struct mapped_device *md)
{
	static struct block_device bdev = { .bd_dev = 253 << 20 | 7 };
	static struct gendisk disk = { &bdev };

	return &disk;
}

const char *dm_device_name(struct mapped_device *md) { return "253:7"; }

int dm_copy_name_and_uuid(struct mapped_device *md, char *name, char *uuid)
{
	must(!uuid, "a UUID is asked for");
	if (text_len == 77)
		return -ENXIO;
	fill(name, DM_NAME_LEN, 'n');
	return 0;
}

static struct dmo_session *new_session(struct in *in)
{
	u32 major = in_u8(in) % 4, minor = in_u8(in) % 4, role = 1 + (in_u8(in) & 1);
	u32 nr = 1 + in_u8(in), i;
	struct dmo_session *s = calloc(1, sizeof(*s) + nr * sizeof(s->vols[0]));

	s->meta = calloc(1, sizeof(*s->meta));
	s->meta->sb.nr_volumes = nr;
	fill(s->meta->sb.label, sizeof(s->meta->sb.label), 'l');
	fill(s->name, sizeof(s->name), 's');
	s->meta_dev = MKDEV(major, minor);
	s->role = role;
	mutex_init(&s->lock);
	if (role == DMO_ROLE_PRIMARY)
		s->pri = (void *)&vol;
	for (i = 0; i < nr; i++) {
		s->meta->sb.volumes[i] = (struct dmo_volume_info){ .id = i, .lbs = 512, .sectors = ~0ull };
		s->vols[i].md = text_len & 1 ? (void *)&vol : NULL;
	}
	list_add_tail(&s->node, &dmo_sessions);
	return s;
}

static void free_session(u32 i)
{
	if (!sessions[i])
		return;
	list_del(&sessions[i]->node);
	free(sessions[i]->meta);
	free(sessions[i]);
	sessions[i] = NULL;
}

/* ---- passing a message on ---- */

/* As genl_get_cmd() and genl_family_rcv_msg_attrs_parse() do. */
static const struct genl_ops *op_of(u8 cmd)
{
	u32 i;

	for (i = 0; i < family->n_ops; i++)
		if (family->ops[i].cmd == cmd)
			return &family->ops[i];
	return NULL;
}

static int parse(const struct genl_ops *op, struct nlmsghdr *nlh, struct nlattr ***attrs)
{
	const struct nla_policy *policy = op->policy ?: family->policy;
	u32 max = op->maxattr ?: family->maxattr;
	int rc;

	*attrs = malloc((max + 1) * sizeof(**attrs));
	rc = __nlmsg_parse(nlh, GENL_HDRLEN, *attrs, max, policy,
			   op->validate & GENL_DONT_VALIDATE_STRICT ? NL_VALIDATE_LIBERAL :
			   NL_VALIDATE_STRICT, &ack);
	if (rc)
		free(*attrs);
	return rc;
}

static int doit(const struct genl_ops *op, struct sk_buff *skb, struct nlmsghdr *nlh)
{
	struct genl_info info = {
		.snd_seq = nlh->nlmsg_seq, .snd_portid = 4711, .nlhdr = nlh,
		.genlhdr = nlmsg_data(nlh), .extack = &ack,
	};
	int rc;

	if (!op->doit)
		return -EOPNOTSUPP;
	genl_info_net_set(&info, &init_net);
	rc = parse(op, nlh, &info.attrs);
	if (rc)
		return rc;
	handled = true;
	rc = op->doit(skb, &info);
	free(info.attrs);
	return rc;
}

static int dump(const struct genl_ops *op, struct sk_buff *skb, struct nlmsghdr *nlh, u8 how)
{
	struct netlink_callback cb = { .skb = skb, .nlh = nlh, .extack = &ack };
	struct nlattr **attrs;
	u32 parts = 0;
	int rc;

	if (!op->dumpit)
		return -EOPNOTSUPP;
	rc = parse(op, nlh, &attrs);
	if (rc)
		return rc;
	rc = op->start ? op->start(&cb) : 0;
	while (!rc || rc > 0) {
		u32 size = max_t(u32, cb.min_dump_alloc, NLMSG_GOODSIZE);
		struct sk_buff *msg = alloc_skb(size, GFP_KERNEL);

		rc = msg ? op->dumpit(msg, &cb) : -ENOBUFS;
		if (rc > 0)
			check_answer(msg);
		kfree_skb(msg);
		if (rc <= 0)
			break;
		must(++parts <= 2 * MAX_SESSIONS, "the dump does not end");
		if (how & HOW_CHANGE)
			free_session(in_u8(stubs) % MAX_SESSIONS);
	}
	free(attrs);
	return rc;
}

/* As genl_rcv_msg() does. */
static int receive(struct sk_buff *skb, struct nlmsghdr *nlh, u8 how)
{
	struct genlmsghdr *hdr = nlmsg_data(nlh);
	const struct genl_ops *op;
	u16 flags = nlh->nlmsg_flags;

	if (nlh->nlmsg_type != family->id)
		return -ENOENT;
	if (nlh->nlmsg_len < nlmsg_msg_size(GENL_HDRLEN))
		return -EINVAL;
	if (hdr->cmd >= family->resv_start_op) {
		if (hdr->reserved)
			return -EINVAL;
		if ((flags & NLM_F_DUMP) == NLM_F_DUMP)
			flags &= ~NLM_F_DUMP;
		if (flags & ~(NLM_F_REQUEST | NLM_F_ACK | NLM_F_ECHO))
			return -EINVAL;
	}
	op = op_of(hdr->cmd);
	if (!op)
		return -EOPNOTSUPP;
	if (op->flags & GENL_ADMIN_PERM && !(how & HOW_ADMIN))
		return -EPERM;
	must(hdr->cmd == DM_ORDERED_CMD_SESSION_GET || how & HOW_ADMIN, "command %u for all", hdr->cmd);
	if ((nlh->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP)
		return dump(op, skb, nlh, how);
	return doit(op, skb, nlh);
}

/* As netlink_rcv_skb() does. */
static void receive_all(struct sk_buff *skb, u8 how)
{
	while (skb->len >= (unsigned int)nlmsg_total_size(0)) {
		struct nlmsghdr *nlh = nlmsg_hdr(skb);
		u32 was = buffers, msglen;
		int rc;

		if (nlh->nlmsg_len < NLMSG_HDRLEN || skb->len < nlh->nlmsg_len)
			return;
		memset(&ack, 0, sizeof(ack));
		handled = false;
		if (nlh->nlmsg_flags & NLM_F_REQUEST && nlh->nlmsg_type >= NLMSG_MIN_TYPE) {
			u32 before = allocations;

			replies = 0;
			rc = receive(skb, nlh, how);
			must(buffers == was, "%d buffers lost", buffers - was);
			must(!held, "a session is held");
			must(!locked[0] && !locked[1], "a lock is held");
			must(rc != -EMSGSIZE || !handled, "a session does not fit");
			if (rc < 0 && handled && rc != -ENOMEM && rc != -ECONNREFUSED &&
			    (!fail_at || fail_at <= before || fail_at > allocations)) {
				must(ack._msg, "error %d without a text", rc);
				why_said(ack._msg);
			}
		}
		msglen = NLMSG_ALIGN(nlh->nlmsg_len);
		skb_pull(skb, msglen > skb->len ? skb->len : msglen);
	}
}

/* ---- input ---- */

static u32 take_message(struct in *in, u8 how, u8 *to, u32 size)
{
	u32 n = in_u16(in) % 2048, len = 20, left;
	struct genlmsghdr *g = (void *)(to + 16);
	struct nlmsghdr *h = (void *)to;
	u8 body[256];

	if (!(how & HOW_SHORT)) {
		if (n > in->left)
			n = (u32)in->left;
		in_bytes(in, to, n);
		return n;
	}
	left = n < in->left ? n : (u32)in->left;
	memset(to, 0, len);
	h->nlmsg_type = 30;
	h->nlmsg_flags = NLM_F_REQUEST | (how & HOW_DUMP ? NLM_F_DUMP : NLM_F_ACK);
	g->cmd = in_u8(in) % (DM_ORDERED_CMD_MAX + 2);
	if (how & HOW_META && sessions[0]) {
		put_le(to + len, 8 | DMO_A_META_MAJOR << 16, 4);
		put_le(to + len + 4, MAJOR(sessions[0]->meta_dev), 4);
		put_le(to + len + 8, 8 | DMO_A_META_MINOR << 16, 4);
		put_le(to + len + 12, MINOR(sessions[0]->meta_dev), 4);
		len += 16;
	}
	while (left >= 2 && len < size - 300) {
		u32 type = in_u8(in) % (DMO_A_MAX + 3), alen = in_u8(in) % 64;

		in_bytes(in, body, alen);
		put_le(to + len, (4 + alen) | type << 16, 4);
		memset(to + len + 4, 0, NLMSG_ALIGN(alen));
		memcpy(to + len + 4, body, alen);
		len += 4 + NLMSG_ALIGN(alen);
		left -= left < 2 + alen ? left : 2 + alen;
	}
	h->nlmsg_len = len;
	return len;
}

static void event(struct in *in)
{
	char *why = NULL;
	struct dmo_cut cut = { in_u8(in) & 1, 0 };
	u8 how = in_u8(in), uuid[DMO_UUID_LEN] = { 1 };
	u32 was = buffers;

	if (how & 1) {
		why = malloc(DMO_REASON_LEN);
		fill(why, DMO_REASON_LEN, 'e');
	}
	dmo_netlink_event(MKDEV(7, 9), uuid, in_u8(in), cut, how & 2 ? in_u8(in) : -1, why);
	must(buffers == was, "a buffer lost");
	free(why);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct in in = { data, size }, results;
	static u8 raw[4096];
	u32 nr, i;

	if (!family) {
		vol.stats = calloc(SIM_CPUS, SIM_CPU_STRIDE);
		must(!dmo_netlink_init(), "init");
	}
	fail_at = 0;
	text_len = in_u8(&in);
	nr = in_u8(&in) % (MAX_SESSIONS + 1);
	for (i = 0; i < nr; i++)
		sessions[i] = new_session(&in);
	results = in;
	in_u64(&in);
	stubs = &results;
	fail_at = in_u8(&in) % 32;
	allocations = 0;
	if (in_u8(&in) & 1)
		event(&in);
	while (in.left) {
		u8 how = in_u8(&in);
		u32 len = take_message(&in, how, raw, sizeof(raw));
		struct sk_buff skb = { .head = exact(raw, len), .len = len, .room = len };

		skb.data = skb.head;
		NETLINK_CB(&skb).portid = 4711;
		receive_all(&skb, how);
		free(skb.head);
	}
	for (i = 0; i < MAX_SESSIONS; i++)
		free_session(i);
	must(!buffers, "%u buffers lost", buffers);
	return 0;
}
