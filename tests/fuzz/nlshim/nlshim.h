/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel's netlink headers and lib/nlattr.c need beyond the simulator's shim (tests/sim/shim),
 * so that dm-ordered/netlink.c is compiled unchanged against the real ones: mostly socket buffers, of
 * exactly the size asked for, so that one byte too many is seen.
 */
#ifndef NLSHIM_H
#define NLSHIM_H

#include "kernel.h"
#include <linux/in6.h>
#include <stdlib.h>
#include <string.h>

/* ---- small things ---- */

#define EXPORT_SYMBOL(x)
#define EXPORT_SYMBOL_GPL(x)
#define pr_warn_ratelimited(...)	do { } while (0)
#define array_index_nospec(i, n)	(i)
#define KBUILD_MODNAME			"dm_ordered"
#define CONFIG_NET 1
#define CONFIG_HAVE_EFFICIENT_UNALIGNED_ACCESS 1
#define MSG_DONTWAIT			0x40
#define CAP_NET_ADMIN			12
#define S8_MIN		((s8)-128)
#define S8_MAX		((s8)127)
#define S16_MIN		((s16)-32768)
#define S16_MAX		((s16)32767)
#define S32_MIN		((s32)-2147483648)
#define S32_MAX		((s32)2147483647)
#define S64_MIN		((s64)1 << 63)
#define S64_MAX		((s64)~((u64)1 << 63))
#define ntohs(x)	__builtin_bswap16(x)
#define ntohl(x)	__builtin_bswap32(x)
#define htons(x)	__builtin_bswap16(x)
#define htonl(x)	__builtin_bswap32(x)

static inline void *kmemdup(const void *p, size_t n, gfp_t gfp)
{
	void *to = kmalloc(n, gfp);

	return to ? memcpy(to, p, n) : NULL;
}

/* ---- device numbers, as in the kernel ---- */

#undef major
#undef minor
#define MINORBITS	20
#define MINORMASK	((1U << MINORBITS) - 1)
#undef MAJOR
#define MAJOR(dev)	((unsigned int)((dev) >> MINORBITS))
#define MINOR(dev)	((unsigned int)((dev) & MINORMASK))
#define MKDEV(ma, mi)	(((ma) << MINORBITS) | (mi))
int dm_copy_name_and_uuid(struct mapped_device *md, char *name, char *uuid);

/* ---- socket buffers ---- */

struct sk_buff {
	unsigned char *head, *data;
	unsigned int len, room;		/* of data; of data and what is behind it */
	struct sock *sk;
	char cb[64] __aligned(8);
	void (*destructor)(struct sk_buff *skb);
};

#define SKB_WITH_OVERHEAD(x)	((x) - 320)
struct sk_buff *alloc_skb(unsigned int size, gfp_t gfp);
void kfree_skb(struct sk_buff *skb);
#define consume_skb(skb) kfree_skb(skb)
static inline unsigned int skb_tailroom(const struct sk_buff *skb) { return skb->room - skb->len; }
static inline unsigned char *skb_tail_pointer(const struct sk_buff *skb) { return skb->data + skb->len; }
static inline void *skb_put(struct sk_buff *skb, unsigned int n)
{
	unsigned char *p = skb_tail_pointer(skb);

	BUG_ON(n > skb_tailroom(skb));
	skb->len += n;
	return p;
}

#define __skb_put skb_put
static inline void *skb_put_zero(struct sk_buff *skb, unsigned int n) { return memset(skb_put(skb, n), 0, n); }
static inline void *skb_put_data(struct sk_buff *skb, const void *p, unsigned int n)
{
	return memcpy(skb_put(skb, n), p, n);
}

static inline void skb_trim(struct sk_buff *skb, unsigned int n)
{
	if (n < skb->len)
		skb->len = n;
}

static inline void skb_pull(struct sk_buff *skb, unsigned int n)
{
	BUG_ON(n > skb->len);
	skb->data += n;
	skb->len -= n;
	skb->room -= n;
}

static inline struct sk_buff *skb_clone(struct sk_buff *skb, gfp_t gfp) { return NULL; }

/* ---- who sends, and where ---- */

struct scm_creds { u32 pid, uid, gid; };
struct notifier_block;
struct file;
struct user_namespace;
struct net { struct sock *genl_sock; };
extern struct net init_net;
typedef struct { struct net *net; } possible_net_t;
static inline void write_pnet(possible_net_t *p, struct net *net) { p->net = net; }
static inline struct net *read_pnet(const possible_net_t *p) { return p->net; }

#endif /* NLSHIM_H */
