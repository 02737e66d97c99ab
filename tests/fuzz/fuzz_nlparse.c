// SPDX-License-Identifier: GPL-2.0-only
/*
 * What orderedctl makes of the kernel's answers (userspace/lib/nl-parse.c), and how it shows them
 * (orderedctl/print.c). A message that is taken must be in the model as its attributes say; whatever the kernel
 * sends, what is shown is text.
 *
 * Input: messages, each: kind (KIND_*), how (HOW_*), size, and either the bytes of a netlink message or
 * attributes in short: type, length, payload.
 */
#include <linux/netlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include "fuzz.h"
#include "lib/nl.h"
#include "orderedctl/print.h"

enum { KIND_SESSION, KIND_CUT, KIND_EVENT, KIND_EXTACK, KINDS };
enum {
	HOW_SHORT = 1,		/* attributes in short */
	HOW_NESTED = 2,		/* ... within DMO_A_VOLUMES and DMO_A_VOLUME */
	HOW_CHUNK = 4,		/* ... or within DMO_A_CHUNK_ACTIVE */
	HOW_DONE = 8,		/* a text of NLMSG_DONE */
	HOW_CAPPED = 16,
	HOW_LEN = 32,		/* of the message: right */
	HOW_TLVS = 64,
};

static u8 msg[8192];
static size_t len;

/* -- building ---------------------------------------------------------------- */

static void put(const void *p, size_t n)
{
	if (n > sizeof(msg) - len)
		n = sizeof(msg) - len;
	memcpy(msg + len, p, n);
	len += n;
}

static void pad(void)
{
	static const u8 zero[4];

	put(zero, -len & 3);
}

static size_t nest_begin(u16 type)
{
	u16 h[2] = { 0, type };
	size_t at = len;

	put(h, sizeof(h));
	return at;
}

static void nest_end(size_t at)
{
	if (at + 2 <= len)
		put_le(msg + at, len - at, 2);
}

static void short_attrs(struct in *in)
{
	u8 body[256];

	while (in->left && len < sizeof(msg) - 300) {
		u16 type = in_u8(in), h[2], n = in_u8(in) % 64;

		in_bytes(in, body, n);
		h[0] = (u16)(4 + n);
		h[1] = type % 56;
		put(h, sizeof(h));
		put(body, n);
		pad();
	}
}

static void build(struct in *in, u8 kind, u8 how)
{
	struct nlmsghdr h = { .nlmsg_type = 20 };
	size_t a = 0, b = 0;

	len = 0;
	if (!(how & HOW_SHORT)) {
		put(in->p, in->left);
		if (how & HOW_LEN && len >= 4)
			put_le(msg, len, 4);
		return;
	}
	h.nlmsg_type = kind != KIND_EXTACK ? 20 : how & HOW_DONE ? NLMSG_DONE : NLMSG_ERROR;
	h.nlmsg_flags = (how & HOW_CAPPED ? NLM_F_CAPPED : 0) | (how & HOW_TLVS ? NLM_F_ACK_TLVS : 0);
	put(&h, sizeof(h));
	if (kind != KIND_EXTACK) {
		u32 genl = 0, nr[2] = { 1, 2 };

		put(&genl, sizeof(genl));
		if (kind == KIND_SESSION && how & (HOW_NESTED | HOW_CHUNK)) {
			a = nest_begin(DMO_A_META_MAJOR);
			put(&nr[0], 4);
			nest_end(a);
			a = nest_begin(DMO_A_META_MINOR);
			put(&nr[1], 4);
			nest_end(a);
		}
	} else {
		int err = -22;

		put(&err, sizeof(err));
		if (!(how & HOW_DONE)) {
			h.nlmsg_len = in_u8(in);
			put(&h, sizeof(h));
		}
	}
	if (how & HOW_NESTED) {
		a = nest_begin(DMO_A_VOLUMES);
		b = nest_begin(DMO_A_VOLUME);
	} else if (how & HOW_CHUNK) {
		a = nest_begin(DMO_A_CHUNK_ACTIVE);
	}
	short_attrs(in);
	if (b)
		nest_end(b);
	if (a)
		nest_end(a);
	put_le(msg, len, 4);
}

/* -- second opinion ------------------------------------------------------------ */

/* The last attribute of @type among @n bytes at @p, NULL if there is none. */
static const u8 *find(const u8 *p, size_t n, u16 type, size_t *alen)
{
	const u8 *found = NULL;

	while (n >= 4) {
		size_t l = get_le(p, 2);

		if (l < 4 || l > n)
			break;
		if ((get_le(p + 2, 2) & 0x3fff) == type) {
			found = p + 4;
			*alen = l - 4;
		}
		l = (l + 3) & ~3ul;
		if (l > n)
			break;
		p += l;
		n -= l;
	}
	return found;
}

#define U32(attr, member) { attr, 4, offsetof(struct ord_session, member) }
#define U64(attr, member) { attr, 8, offsetof(struct ord_session, member) }
#define CUT(attr, member) { attr, 16, offsetof(struct ord_session, member) }
#define TXT(attr, member) { attr, 0, offsetof(struct ord_session, member) }
static const struct { u16 attr, size; size_t off; } members[] = {
	U32(DMO_A_META_MAJOR, meta_major), U32(DMO_A_META_MINOR, meta_minor),
	CUT(DMO_A_UUID, uuid), TXT(DMO_A_LABEL, label), U32(DMO_A_ROLE, role),
	U32(DMO_A_STATE, state), U32(DMO_A_FLAGS, flags), U32(DMO_A_CYCLE_MS, cycle_ms),
	U32(DMO_A_BUDGET_MIB, budget_mib), U32(DMO_A_LINK_TIMEOUT_MS, link_timeout_ms),
	U32(DMO_A_LINK_STATE, link_state), TXT(DMO_A_LINK_PEER, link_peer),
	U64(DMO_A_LINK_SINCE_MS, link_since_ms), U64(DMO_A_LINK_TX_BYTES, link_tx_bytes),
	U64(DMO_A_LINK_RX_BYTES, link_rx_bytes), U64(DMO_A_SEQ, seq), U64(DMO_A_EPOCH, epoch),
	CUT(DMO_A_CUT, cut), CUT(DMO_A_CUT_COMPLETE, cut_complete),
	CUT(DMO_A_CUT_COMMITTED, cut_committed), CUT(DMO_A_CUT_RESTORED, cut_restored),
	U64(DMO_A_CUT_TIME, cut_time_ns), U64(DMO_A_LAG_MS, lag_ms), U64(DMO_A_MEM_USED, mem_used),
	U64(DMO_A_COPY_LEFT, copy_left), U64(DMO_A_JOURNAL_BYTES, journal_bytes),
	U64(DMO_A_JOURNAL_USED, journal_used), U32(DMO_A_BLOCK, block), U64(DMO_A_BLOCK_MS, block_ms),
	TXT(DMO_A_REASON, reason), U64(DMO_A_ACTIVATION, activation),
	TXT(DMO_A_META_NAME, meta_name), U32(DMO_A_PEER_CONDITION, peer_condition),
	U64(DMO_A_PEER_CONDITION_MS, peer_condition_ms), U64(DMO_A_CHUNK_MAX, chunk_max),
	U64(DMO_A_COPY_TOTAL, copy_total), U64(DMO_A_COPY_MS, copy_ms),
	U64(DMO_A_RESTORE_LEFT, restore_left), U64(DMO_A_RESTORE_TOTAL, restore_total),
	U64(DMO_A_RESTORE_MS, restore_ms),
};

static size_t heard;	/* bytes of all messages about sessions */

static void check_session(const struct ord_sessions *list)
{
	const struct ord_session *s = &list->v[list->nr - 1];
	size_t i, n = 0;

	must(list->nr, "no session");
	for (i = 0; i < ARRAY_SIZE(members); i++) {
		const u8 *a = find(msg + 20, len - 20, members[i].attr, &n);
		const u8 *m = (const u8 *)s + members[i].off;

		if (!a)
			continue;
		must(ORD_HAS(s, members[i].attr), "attribute %u is not noted", members[i].attr);
		if (!members[i].size)
			continue;
		must(n >= members[i].size, "attribute %u of %zu bytes was taken", members[i].attr, n);
		must(!memcmp(a, m, members[i].size), "attribute %u has another value",
		     members[i].attr);
	}
	/* of all messages, since those that follow each other may be about one session */
	must(s->nr_volumes <= heard / 4, "%u volumes in %zu bytes", s->nr_volumes, heard);
}

/* -- printing ------------------------------------------------------------------ */

static void show(void (*print)(const struct ord_sessions *list), const struct ord_sessions *list)
{
	FILE *terminal = stdout;
	char *text = NULL;
	size_t n = 0;

	stdout = open_memstream(&text, &n);
	must(stdout, "no memory stream");
	print(list);
	fclose(stdout);
	stdout = terminal;
	while (n--)
		must(text[n] == '\n' || text[n] == '\t' || (text[n] >= 0x20 && text[n] < 0x7f),
		     "byte 0x%02x", (u8)text[n]);
	free(text);
}

static void free_list(struct ord_sessions *list)
{
	unsigned int i;

	for (i = 0; i < list->nr; i++)
		free(list->v[i].volumes);
	free(list->v);
	memset(list, 0, sizeof(*list));
}

static void text_good(const char *text, size_t size)
{
	size_t n = strnlen(text, size);

	must(n < size, "a text without an end");
	while (n--)
		must(text[n] >= 0x20 && text[n] < 0x7f, "byte 0x%02x", (u8)text[n]);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct ord_sessions list = { 0 };
	struct in in = { data, size };
	u8 printing = in_u8(&in);

	heard = 0;
	while (in.left) {
		u8 kind = in_u8(&in) % KINDS, how = in_u8(&in);
		size_t n = in_u16(&in);
		struct in part = { in.p, n < in.left ? n : in.left };
		struct ord_cut cut = { 0 };
		struct ord_event ev;
		struct nlmsghdr *nlh;
		char *text;
		int rc;

		in.p += part.left;
		in.left -= part.left;
		build(&part, kind, how);
		/* what the socket's reader lets pass: nlmsg_ok() */
		if (len < NLMSG_HDRLEN || get_le(msg, 4) < NLMSG_HDRLEN || get_le(msg, 4) > len)
			continue;
		len = get_le(msg, 4);
		nlh = exact(msg, len);
		switch (kind) {
		case KIND_SESSION:
			heard += len;
			rc = ord_nl_parse_session(nlh, &list);
			must(rc == 0 || rc == -EBADMSG, "rc %d", rc);
			if (!rc)
				check_session(&list);
			break;
		case KIND_CUT:
			rc = ord_nl_parse_cut(nlh, &cut);
			must(rc == 0 || rc == -EBADMSG, "rc %d", rc);
			break;
		case KIND_EVENT:
			rc = ord_nl_parse_event(nlh, &ev);
			must(rc == 0 || rc == -EBADMSG, "rc %d", rc);
			if (!rc)
				text_good(ev.reason, sizeof(ev.reason));
			break;
		default:
			text = malloc(40);
			rc = ord_nl_parse_extack(nlh, text, 40);
			must(rc == 0 || rc == 1, "rc %d", rc);
			if (rc)
				text_good(text, 40);
			free(text);
		}
		free(nlh);
	}
	if (printing & 1)
		show(ctl_print_pretty, &list);
	if (printing & 2)
		show(ctl_print_json, &list);
	if (printing & 4)
		show(ctl_print_dump, &list);
	free_list(&list);
	return 0;
}
