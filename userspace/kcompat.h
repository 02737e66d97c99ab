/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the core files (see dm-ordered/compat.h) use of the kernel, for
 * userspace: orderedctl, the unit tests and the fuzzers include the very files
 * that the module is built from. Only what they use is here, with the kernel's
 * names and meaning.
 */
#ifndef DMO_KCOMPAT_H
#define DMO_KCOMPAT_H

#ifndef __SANE_USERSPACE_TYPES__
#define __SANE_USERSPACE_TYPES__	/* __u64 is unsigned long long everywhere */
#endif
#include <linux/types.h>
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s8 s8;
typedef __s16 s16;
typedef __s32 s32;
typedef __s64 s64;

#ifndef U8_MAX
#define U8_MAX	((u8)~0U)
#define U16_MAX	((u16)~0U)
#define U32_MAX	((u32)~0U)
#define U64_MAX	((u64)~0ULL)
#endif

#define kcompat_attribute(a)	__attribute__((a))
#ifndef __packed
#define __packed	kcompat_attribute(packed)
#endif
#ifndef __aligned
#define __aligned(n)	kcompat_attribute(aligned(n))
#endif
#ifndef __printf
#define __printf(a, b)	kcompat_attribute(format(printf, a, b))
#endif
#ifndef __maybe_unused
#define __maybe_unused	kcompat_attribute(unused)
#endif
#ifndef fallthrough
#define fallthrough	__attribute__((fallthrough))
#endif
#ifndef __force
#define __force
#endif
#ifndef likely
#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)
#endif

#ifndef EUCLEAN
#error "errno values of Linux needed"
#endif

#define BUILD_BUG_ON(cond)	_Static_assert(!(cond), "BUILD_BUG_ON: " #cond)
#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#define DIV_ROUND_UP(n, d)	(((n) + (d) - 1) / (d))
#define DIV_ROUND_UP_ULL(n, d)	DIV_ROUND_UP((unsigned long long)(n), (unsigned long long)(d))
#define BIT(n)			(1UL << (n))
#define BIT_ULL(n)		(1ULL << (n))

#ifndef min
#define min(a, b) ({ __typeof__(a) _a = (a); __typeof__(b) _b = (b); _a < _b ? _a : _b; })
#define max(a, b) ({ __typeof__(a) _a = (a); __typeof__(b) _b = (b); _a > _b ? _a : _b; })
#endif
#define min_t(t, a, b)	min((t)(a), (t)(b))
#define max_t(t, a, b)	max((t)(a), (t)(b))

/* byte order */
#define cpu_to_le16(v)	((__force __le16)htole16(v))
#define cpu_to_le32(v)	((__force __le32)htole32(v))
#define cpu_to_le64(v)	((__force __le64)htole64(v))
#define le16_to_cpu(v)	((u16)le16toh((__force u16)(v)))
#define le32_to_cpu(v)	((u32)le32toh((__force u32)(v)))
#define le64_to_cpu(v)	((u64)le64toh((__force u64)(v)))

/* arithmetic */
static inline u64 div_u64(u64 dividend, u32 divisor)
{
	return dividend / divisor;
}

static inline u64 div64_u64(u64 dividend, u64 divisor)
{
	return dividend / divisor;
}

static inline bool is_power_of_2(unsigned long n)
{
	return n && !(n & (n - 1));
}

static inline unsigned int hweight8(unsigned int w)
{
	return (unsigned int)__builtin_popcount(w & 0xff);
}

static inline size_t array_size(size_t a, size_t b)
{
	size_t r;

	return __builtin_mul_overflow(a, b, &r) ? SIZE_MAX : r;
}

/* memory */
#define gfp_t		unsigned int
#define GFP_KERNEL	0u
#define GFP_NOIO	0u
#define GFP_ATOMIC	0u
#define __GFP_NOWARN	0u

static inline void *kmalloc(size_t size, gfp_t gfp __maybe_unused)
{
	return malloc(size);
}

static inline void *kzalloc(size_t size, gfp_t gfp __maybe_unused)
{
	return calloc(1, size);
}

static inline void *kmalloc_array(size_t n, size_t size, gfp_t gfp)
{
	return kmalloc(array_size(n, size), gfp);
}

static inline void *kcalloc(size_t n, size_t size, gfp_t gfp __maybe_unused)
{
	return calloc(n, size);
}

static inline void kfree(const void *p)
{
	free((void *)p);
}

/* strings */
static inline void *memchr_inv(const void *p, int c, size_t n)
{
	const u8 *b = (const u8 *)p;

	for (; n; n--, b++)
		if (*b != (u8)c)
			return (void *)b;
	return NULL;
}

/* lists */
struct list_head {
	struct list_head *next, *prev;
};

#define LIST_HEAD_INIT(name)	{ &(name), &(name) }
#define LIST_HEAD(name)		struct list_head name = LIST_HEAD_INIT(name)

static inline void INIT_LIST_HEAD(struct list_head *l)
{
	l->next = l;
	l->prev = l;
}

static inline void kcompat_list_insert(struct list_head *n, struct list_head *prev,
				       struct list_head *next)
{
	next->prev = n;
	n->next = next;
	n->prev = prev;
	prev->next = n;
}

static inline void list_add(struct list_head *n, struct list_head *head)
{
	kcompat_list_insert(n, head, head->next);
}

static inline void list_add_tail(struct list_head *n, struct list_head *head)
{
	kcompat_list_insert(n, head->prev, head);
}

static inline void list_del(struct list_head *e)
{
	e->next->prev = e->prev;
	e->prev->next = e->next;
	e->next = NULL;
	e->prev = NULL;
}

static inline void list_del_init(struct list_head *e)
{
	e->next->prev = e->prev;
	e->prev->next = e->next;
	INIT_LIST_HEAD(e);
}

static inline void list_move_tail(struct list_head *e, struct list_head *head)
{
	e->next->prev = e->prev;
	e->prev->next = e->next;
	list_add_tail(e, head);
}

static inline bool list_empty(const struct list_head *head)
{
	return head->next == head;
}

static inline bool list_is_singular(const struct list_head *head)
{
	return !list_empty(head) && head->next == head->prev;
}

#ifndef container_of
#define container_of(ptr, type, member) \
	((type *)((char *)(ptr) - offsetof(type, member)))
#endif
#define list_entry(ptr, type, member)		container_of(ptr, type, member)
#define list_first_entry(head, type, member)	list_entry((head)->next, type, member)
#define list_last_entry(head, type, member)	list_entry((head)->prev, type, member)
#define list_first_entry_or_null(head, type, member) \
	(list_empty(head) ? NULL : list_first_entry(head, type, member))
#define list_next_entry(pos, member) \
	list_entry((pos)->member.next, __typeof__(*(pos)), member)
#define list_for_each_entry(pos, head, member) \
	for (pos = list_first_entry(head, __typeof__(*pos), member); \
	     &pos->member != (head); pos = list_next_entry(pos, member))
#define list_for_each_entry_safe(pos, n, head, member) \
	for (pos = list_first_entry(head, __typeof__(*pos), member), \
	     n = list_next_entry(pos, member); \
	     &pos->member != (head); pos = n, n = list_next_entry(n, member))

/*
 * CRC-32C (Castagnoli) with the meaning of the kernel's crc32c(): neither the
 * seed nor the result is inverted.
 */
#if defined(__x86_64__) && !defined(KCOMPAT_NO_HW_CRC)
#define KCOMPAT_HW_CRC
static inline __attribute__((target("sse4.2")))
u32 kcompat_crc32c_hw(u32 crc, const u8 *p, size_t len)
{
	u64 c = crc, v;

	for (; len >= sizeof(v); len -= sizeof(v), p += sizeof(v)) {
		memcpy(&v, p, sizeof(v));
		c = __builtin_ia32_crc32di(c, v);
	}
	crc = (u32)c;
	for (; len; len--, p++)
		crc = __builtin_ia32_crc32qi(crc, *p);
	return crc;
}
#endif

static inline u32 kcompat_crc32c_sw(u32 crc, const u8 *p, size_t len)
{
	static const u32 nibble[16] = {
		0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1,
		0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
		0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
		0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
	};

	for (; len; len--, p++) {
		crc ^= *p;
		crc = nibble[crc & 15] ^ (crc >> 4);
		crc = nibble[crc & 15] ^ (crc >> 4);
	}
	return crc;
}

static inline u32 crc32c(u32 crc, const void *p, size_t len)
{
#ifdef KCOMPAT_HW_CRC
	if (__builtin_cpu_supports("sse4.2"))
		return kcompat_crc32c_hw(crc, (const u8 *)p, len);
#endif
	return kcompat_crc32c_sw(crc, (const u8 *)p, len);
}

#endif /* DMO_KCOMPAT_H */
