/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel as far as the module sees it, in userspace and in virtual time. The headers of this
 * folder (linux/..., net/...) only include this one; sim.h is for those who drive it.
 *
 * Everything runs in one thread. A fiber (kthread, worker, completion interrupt) runs until it
 * blocks or until a preemption point takes its turn away: sim_point(), in every lock, barrier,
 * allocation, wakeup and bit operation of others' concern. Which fiber is next is the seed's choice.
 */
#ifndef SIM_KERNEL_H
#define SIM_KERNEL_H

#ifndef __SANE_USERSPACE_TYPES__
#define __SANE_USERSPACE_TYPES__
#endif
#include <linux/types.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>
#include <sys/types.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s8 s8;
typedef __s16 s16;
typedef __s32 s32;
typedef __s64 s64;
typedef unsigned int gfp_t;
typedef u32 blk_opf_t;
typedef u8 blk_status_t;
typedef u64 sector_t;
typedef s64 ktime_t;
typedef unsigned int fmode_t;

#define U8_MAX		((u8)~0U)
#define U16_MAX		((u16)~0U)
#define U32_MAX		((u32)~0U)
#define U64_MAX		((u64)~0ULL)

#ifndef ERESTARTSYS
#define ERESTARTSYS	512
#define ENOTSUPP	524
#endif

/* ---- compiler ---- */

#define __packed	__attribute__((packed))
#define __aligned(n)	__attribute__((aligned(n)))
#define __printf(a, b)	__attribute__((format(printf, a, b)))
#define __maybe_unused	__attribute__((unused))
#define fallthrough	__attribute__((fallthrough))
#define __must_check	__attribute__((warn_unused_result))
#define noinline	__attribute__((noinline))
#define __force
#define __user
#define __percpu
#define __init
#define __exit
#define __ro_after_init
#define ____cacheline_aligned_in_smp __aligned(64)
#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)
#ifndef static_assert
#define static_assert(...) __static_assert(__VA_ARGS__, "")
#define __static_assert(c, m, ...) _Static_assert(c, m)
#endif
#define BUILD_BUG_ON(c)	_Static_assert(!(c), #c)
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define offsetofend(t, m) (offsetof(t, m) + sizeof(((t *)0)->m))
#define container_of(ptr, type, member) ({ \
	const __typeof__(((type *)0)->member) *__m = (ptr); \
	(type *)((char *)__m - offsetof(type, member)); })

/* ---- what the simulator offers to the functions below ---- */

struct fiber;
struct host;
struct bio;
struct block_device;

extern long sim_turn;		/* preemption points left of the running fiber's turn */
void sim_preempt(void);
static inline void sim_point(void)
{
	if (unlikely(--sim_turn < 0))
		sim_preempt();
}

void sim_fail(const char *fmt, ...) __printf(1, 2) __attribute__((noreturn));
void sim_log(const char *prefix, const char *fmt, ...) __printf(2, 3);
extern bool sim_tracing;
u32 sim_cpu(void);		/* pseudo-CPU of this instant: 0 or 1 */
u64 sim_random(void);
void sim_might_sleep(const char *file, int line);
#define might_sleep()	sim_might_sleep(__FILE__, __LINE__)

#define WARN_ON_ONCE(c) ({ \
	bool __c = !!(c); \
	if (unlikely(__c)) \
		sim_fail("WARN_ON_ONCE(%s) at %s:%d", #c, __FILE__, __LINE__); \
	__c; })
#define WARN_ON(c)	WARN_ON_ONCE(c)
#define BUG_ON(c)	((void)WARN_ON_ONCE(c))

/* ---- memory model ---- */

#define READ_ONCE(x)	({ sim_point(); *(const volatile __typeof__(x) *)&(x); })
#define WRITE_ONCE(x, v) do { sim_point(); *(volatile __typeof__(x) *)&(x) = (v); } while (0)
#define smp_mb()	sim_point()
#define smp_wmb()	sim_point()
#define smp_rmb()	sim_point()
#define smp_mb__after_atomic()	sim_point()
#define smp_mb__before_atomic()	sim_point()
#define smp_load_acquire(p)	READ_ONCE(*(p))
#define smp_store_release(p, v)	WRITE_ONCE(*(p), v)

typedef struct { int counter; } atomic_t;
typedef struct { s64 counter; } atomic64_t;
typedef struct { long counter; } atomic_long_t;
#define ATOMIC_INIT(i)	{ (i) }

static inline int atomic_read(const atomic_t *v) { return v->counter; }
static inline void atomic_set(atomic_t *v, int i) { v->counter = i; }
static inline int atomic_inc_return(atomic_t *v) { sim_point(); return ++v->counter; }
static inline void atomic_inc(atomic_t *v) { v->counter++; }
static inline void atomic_dec(atomic_t *v) { v->counter--; }
static inline s64 atomic64_read(const atomic64_t *v) { return v->counter; }
static inline void atomic64_set(atomic64_t *v, s64 i) { v->counter = i; }
static inline void atomic64_add(s64 i, atomic64_t *v) { v->counter += i; }
static inline void atomic64_sub(s64 i, atomic64_t *v) { v->counter -= i; }
static inline void atomic64_inc(atomic64_t *v) { v->counter++; }
static inline void atomic64_dec(atomic64_t *v) { v->counter--; }
static inline s64 atomic64_add_return(s64 i, atomic64_t *v) { sim_point(); return v->counter += i; }
static inline s64 atomic64_inc_return(atomic64_t *v) { sim_point(); return ++v->counter; }
static inline long atomic_long_fetch_andnot(long i, atomic_long_t *v)
{
	long was = v->counter;

	v->counter &= ~i;
	return was;
}

static inline long atomic_long_fetch_or(long i, atomic_long_t *v)
{
	long was = v->counter;

	v->counter |= i;
	return was;
}

typedef struct { int refs; } refcount_t;
static inline void refcount_set(refcount_t *r, int n) { r->refs = n; }
static inline void refcount_inc(refcount_t *r)
{
	if (r->refs <= 0)
		sim_fail("refcount_inc of %d", r->refs);
	r->refs++;
}

static inline bool refcount_dec_and_test(refcount_t *r)
{
	sim_point();
	if (r->refs <= 0)
		sim_fail("refcount_dec of %d", r->refs);
	return !--r->refs;
}

/* ---- arithmetic ---- */

#define min(a, b) ({ __typeof__(a) _mina = (a); __typeof__(b) _minb = (b); _mina < _minb ? _mina : _minb; })
#define max(a, b) ({ __typeof__(a) _maxa = (a); __typeof__(b) _maxb = (b); _maxa > _maxb ? _maxa : _maxb; })
#define min_t(t, a, b)	min((t)(a), (t)(b))
#define max_t(t, a, b)	max((t)(a), (t)(b))
#define clamp_t(t, v, lo, hi) min_t(t, max_t(t, v, lo), hi)
#define DIV_ROUND_UP(n, d) (((n) + (d) - 1) / (d))
#define round_up(x, y)	((((x) - 1) | ((__typeof__(x))(y) - 1)) + 1)
#define round_down(x, y) ((x) / (y) * (y))
#define BITS_PER_LONG	64
#define BITS_PER_BYTE	8
#define BITS_TO_LONGS(n) DIV_ROUND_UP(n, BITS_PER_LONG)
#define BIT(n)		(1UL << (n))
#define BIT_ULL(n)	(1ULL << (n))
#define GENMASK_ULL(h, l) (((~0ULL) << (l)) & (~0ULL >> (63 - (h))))

static inline u64 div_u64_rem(u64 n, u32 d, u32 *rem) { *rem = n % d; return n / d; }
static inline u64 div_u64(u64 a, u32 b) { return a / b; }
static inline u64 div64_u64(u64 a, u64 b) { return a / b; }
static inline bool is_power_of_2(unsigned long n) { return n && !(n & (n - 1)); }
static inline unsigned int hweight8(unsigned int w) { return __builtin_popcount(w & 0xff); }
static inline unsigned long hweight_long(unsigned long w) { return __builtin_popcountl(w); }
static inline unsigned long __ffs(unsigned long w) { return __builtin_ctzl(w); }
static inline int ilog2(u64 n) { return 63 - __builtin_clzll(n); }
static inline unsigned long roundup_pow_of_two(unsigned long n)
{
	return n <= 1 ? 1 : 1UL << (64 - __builtin_clzl(n - 1));
}

static inline u32 hash_64(u64 v, unsigned int bits)
{
	return (u32)((v * 0x61C8864680B583EBull) >> (64 - bits));
}

#define cpu_to_le16(v)	((__force __le16)(u16)(v))
#define cpu_to_le32(v)	((__force __le32)(u32)(v))
#define cpu_to_le64(v)	((__force __le64)(u64)(v))
#define le16_to_cpu(v)	((u16)(__force u16)(v))
#define le32_to_cpu(v)	((u32)(__force u32)(v))
#define le64_to_cpu(v)	((u64)(__force u64)(v))
static inline void le64_add_cpu(__le64 *p, u64 v) { *p = cpu_to_le64(le64_to_cpu(*p) + v); }

#define MAX_ERRNO	4095
#define IS_ERR(p)	((unsigned long)(void *)(p) >= (unsigned long)-MAX_ERRNO)
#define IS_ERR_OR_NULL(p) (!(p) || IS_ERR(p))
static inline void *ERR_PTR(long e) { return (void *)e; }
static inline long PTR_ERR(const void *p) { return (long)p; }
static inline void *ERR_CAST(const void *p) { return (void *)p; }

/* ---- bits ---- */

#define DECLARE_BITMAP(name, bits) unsigned long name[BITS_TO_LONGS(bits)]
#define BITMAP_LAST_WORD_MASK(n) (~0UL >> (-(n) & (BITS_PER_LONG - 1)))

static inline bool test_bit(unsigned long n, const unsigned long *p)
{
	return p[n / 64] >> (n % 64) & 1;
}

static inline void __set_bit(unsigned long n, unsigned long *p) { p[n / 64] |= 1UL << (n % 64); }
static inline void __clear_bit(unsigned long n, unsigned long *p) { p[n / 64] &= ~(1UL << (n % 64)); }
static inline void set_bit(unsigned long n, unsigned long *p) { __set_bit(n, p); sim_point(); }
static inline void clear_bit(unsigned long n, unsigned long *p) { sim_point(); __clear_bit(n, p); }
static inline bool test_and_set_bit(unsigned long n, unsigned long *p)
{
	bool was = test_bit(n, p);

	__set_bit(n, p);
	return was;
}

static inline bool test_and_clear_bit(unsigned long n, unsigned long *p)
{
	bool was;

	sim_point();
	was = test_bit(n, p);
	__clear_bit(n, p);
	return was;
}

static inline unsigned long sim_find(const unsigned long *p, unsigned long end, unsigned long from,
				     unsigned long invert)
{
	unsigned long w;

	if (from >= end)
		return end;
	w = (p[from / 64] ^ invert) & (~0UL << (from % 64));
	from &= ~63UL;
	while (!w) {
		from += 64;
		if (from >= end)
			return end;
		w = p[from / 64] ^ invert;
	}
	from += __builtin_ctzl(w);
	return from < end ? from : end;
}

#define find_next_bit(p, end, from)		sim_find(p, end, from, 0)
#define find_next_zero_bit(p, end, from)	sim_find(p, end, from, ~0UL)
#define find_first_bit(p, end)			sim_find(p, end, 0, 0)
#define for_each_set_bit(b, p, end) \
	for ((b) = find_first_bit(p, end); (b) < (end); (b) = find_next_bit(p, end, (b) + 1))
static inline void bitmap_zero(unsigned long *p, unsigned int n) { memset(p, 0, BITS_TO_LONGS(n) * 8); }
static inline void bitmap_fill(unsigned long *p, unsigned int n) { memset(p, 0xff, BITS_TO_LONGS(n) * 8); }
static inline bool bitmap_empty(const unsigned long *p, unsigned int n)
{
	return find_first_bit(p, n) >= n;
}

/* ---- lists ---- */

struct list_head { struct list_head *next, *prev; };
struct hlist_head { struct hlist_node *first; };
struct hlist_node { struct hlist_node *next, **pprev; };

#define LIST_HEAD_INIT(name) { &(name), &(name) }
#define LIST_HEAD(name)	struct list_head name = LIST_HEAD_INIT(name)
#define LIST_POISON	((void *)0xdead000000000100ul)

static inline void INIT_LIST_HEAD(struct list_head *l) { l->next = l->prev = l; }
static inline void __list_add(struct list_head *n, struct list_head *prev, struct list_head *next)
{
	if (unlikely(next->prev != prev || prev->next != next))
		sim_fail("list corrupted at add");
	next->prev = n;
	n->next = next;
	n->prev = prev;
	prev->next = n;
}

static inline void list_add(struct list_head *n, struct list_head *h) { __list_add(n, h, h->next); }
static inline void list_add_tail(struct list_head *n, struct list_head *h) { __list_add(n, h->prev, h); }
static inline void __list_del_entry(struct list_head *e)
{
	if (unlikely(e->next == LIST_POISON || e->next->prev != e || e->prev->next != e))
		sim_fail("list corrupted at delete");
	e->next->prev = e->prev;
	e->prev->next = e->next;
}

static inline void list_del(struct list_head *e)
{
	__list_del_entry(e);
	e->next = e->prev = LIST_POISON;
}

static inline void list_del_init(struct list_head *e) { __list_del_entry(e); INIT_LIST_HEAD(e); }
static inline void list_move(struct list_head *e, struct list_head *h)
{
	__list_del_entry(e);
	list_add(e, h);
}

static inline void list_move_tail(struct list_head *e, struct list_head *h)
{
	__list_del_entry(e);
	list_add_tail(e, h);
}

static inline bool list_empty(const struct list_head *h) { return h->next == h; }
static inline bool list_empty_careful(const struct list_head *h) { sim_point(); return h->next == h; }
static inline bool list_is_last(const struct list_head *e, const struct list_head *h) { return e->next == h; }
static inline bool list_is_singular(const struct list_head *h) { return !list_empty(h) && h->next == h->prev; }
static inline void __list_splice(struct list_head *l, struct list_head *prev, struct list_head *next)
{
	l->next->prev = prev;
	prev->next = l->next;
	l->prev->next = next;
	next->prev = l->prev;
}

static inline void list_splice_init(struct list_head *l, struct list_head *h)
{
	if (list_empty(l))
		return;
	__list_splice(l, h, h->next);
	INIT_LIST_HEAD(l);
}

static inline void list_splice_tail_init(struct list_head *l, struct list_head *h)
{
	if (list_empty(l))
		return;
	__list_splice(l, h->prev, h);
	INIT_LIST_HEAD(l);
}

/* the entries up to and including @e go from @h to @l */
static inline void list_cut_position(struct list_head *l, struct list_head *h, struct list_head *e)
{
	if (list_empty(h) || e == h) {
		INIT_LIST_HEAD(l);
		return;
	}
	l->next = h->next;
	l->next->prev = l;
	l->prev = e;
	h->next = e->next;
	h->next->prev = h;
	e->next = l;
}

#define list_entry(p, t, m)		container_of(p, t, m)
#define list_first_entry(h, t, m)	list_entry((h)->next, t, m)
#define list_last_entry(h, t, m)	list_entry((h)->prev, t, m)
#define list_first_entry_or_null(h, t, m) (list_empty(h) ? NULL : list_first_entry(h, t, m))
#define list_next_entry(p, m)		list_entry((p)->m.next, __typeof__(*(p)), m)
#define list_entry_is_head(p, h, m)	(&(p)->m == (h))
#define list_for_each_entry(p, h, m) \
	for (p = list_first_entry(h, __typeof__(*p), m); &p->m != (h); p = list_next_entry(p, m))
#define list_for_each_entry_from(p, h, m) \
	for (; &p->m != (h); p = list_next_entry(p, m))
#define list_for_each_entry_safe(p, n, h, m) \
	for (p = list_first_entry(h, __typeof__(*p), m), n = list_next_entry(p, m); \
	     &p->m != (h); p = n, n = list_next_entry(n, m))

static inline void INIT_HLIST_NODE(struct hlist_node *n) { n->next = NULL; n->pprev = NULL; }
static inline void hlist_add_head(struct hlist_node *n, struct hlist_head *h)
{
	n->next = h->first;
	if (h->first)
		h->first->pprev = &n->next;
	h->first = n;
	n->pprev = &h->first;
}

static inline void hlist_del(struct hlist_node *n)
{
	if (unlikely(!n->pprev || *n->pprev != n))
		sim_fail("hlist corrupted at delete");
	*n->pprev = n->next;
	if (n->next)
		n->next->pprev = n->pprev;
	n->pprev = NULL;
}

#define hlist_entry_safe(p, t, m) ({ struct hlist_node *__p = (p); __p ? container_of(__p, t, m) : NULL; })
#define hlist_for_each_entry(p, h, m) \
	for (p = hlist_entry_safe((h)->first, __typeof__(*p), m); p; \
	     p = hlist_entry_safe(p->m.next, __typeof__(*p), m))

/* ---- strings ---- */

int sim_vsnprintf(char *buf, size_t size, const char *fmt, va_list ap) __printf(3, 0);
int sim_snprintf(char *buf, size_t size, const char *fmt, ...) __printf(3, 4);
int sim_scnprintf(char *buf, size_t size, const char *fmt, ...) __printf(3, 4);
#define vsnprintf	sim_vsnprintf
#define snprintf	sim_snprintf
#define scnprintf	sim_scnprintf
ssize_t sim_strscpy(char *dst, const char *src, size_t n);
#define strscpy		sim_strscpy
int kstrtou32(const char *s, unsigned int base, u32 *res);
void *memchr_inv(const void *p, int c, size_t n);
u32 crc32c(u32 crc, const void *p, size_t len);

#define pr_sim(...)	do { if (unlikely(sim_tracing)) sim_log(__VA_ARGS__); } while (0)
#define DMERR(fmt, ...)		pr_sim("error: ", fmt, ##__VA_ARGS__)
#define DMWARN(fmt, ...)	pr_sim("warning: ", fmt, ##__VA_ARGS__)
#define DMINFO(fmt, ...)	pr_sim("info: ", fmt, ##__VA_ARGS__)
#define DMWARN_LIMIT		DMWARN

/* ---- time ---- */

#define HZ		250
#define NSEC_PER_SEC	1000000000ull
#define NSEC_PER_MSEC	1000000ull
#define MAX_JIFFY_OFFSET ((LONG_MAX >> 1) - 1)
unsigned long sim_jiffies(void);
#define jiffies		sim_jiffies()
ktime_t ktime_get(void);
u64 ktime_get_real_ns(void);
#define ns_to_ktime(ns)	((ktime_t)(ns))
#define ktime_before(a, b) ((a) < (b))
#define ktime_ms_delta(a, b) (((a) - (b)) / (s64)NSEC_PER_MSEC)
#define time_after(a, b)	((long)((b) - (a)) < 0)
#define time_before(a, b)	time_after(b, a)
#define time_after_eq(a, b)	((long)((a) - (b)) >= 0)
#define time_before_eq(a, b)	time_after_eq(b, a)
static inline unsigned long msecs_to_jiffies(unsigned int ms) { return (ms + 1000 / HZ - 1) / (1000 / HZ); }
static inline unsigned int jiffies_to_msecs(unsigned long j) { return (unsigned int)(j * (1000 / HZ)); }

/* ---- tasks ---- */

struct task_struct {
	unsigned int state;
	struct fiber *fiber;
	bool should_stop, exited, started;
	int exit_code;
	int (*fn)(void *data);
	void *data;
	unsigned int refs;
};

#define TASK_RUNNING		0
#define TASK_IDLE		0x402
#define TASK_UNINTERRUPTIBLE	2
struct task_struct *sim_current(void);
#define current			sim_current()
void sim_set_state(unsigned int state);
#define set_current_state(s)	sim_set_state(s)
#define __set_current_state(s)	sim_set_state(s)
void schedule(void);
void cond_resched(void);
int wake_up_process(struct task_struct *t);
struct task_struct *kthread_create(int (*fn)(void *), void *data, const char *fmt, ...) __printf(3, 4);
struct task_struct *kthread_run(int (*fn)(void *), void *data, const char *fmt, ...) __printf(3, 4);
int kthread_stop(struct task_struct *t);
bool kthread_should_stop(void);
static inline unsigned int memalloc_noio_save(void) { return 0; }
static inline void memalloc_noio_restore(unsigned int f) { (void)f; }
static inline unsigned int memalloc_noreclaim_save(void) { return 0; }
static inline void memalloc_noreclaim_restore(unsigned int f) { (void)f; }

/* ---- spinlocks ---- */

typedef struct spinlock {
	struct fiber *owner;
	u8 locked;
	u8 used;	/* 1: in interrupts, 2: with interrupts on */
} spinlock_t;

void sim_spin_lock(spinlock_t *l, int irq);	/* irq 0: as it is, 1: _irq, 2: _irqsave */
void sim_spin_unlock(spinlock_t *l, int irq);
static inline void spin_lock_init(spinlock_t *l) { memset(l, 0, sizeof(*l)); }
#define spin_lock(l)			sim_spin_lock(l, 0)
#define spin_unlock(l)			sim_spin_unlock(l, 0)
#define spin_lock_irq(l)		sim_spin_lock(l, 1)
#define spin_unlock_irq(l)		sim_spin_unlock(l, 1)
#define spin_lock_irqsave(l, f)		do { (f) = 0; sim_spin_lock(l, 2); } while (0)
#define spin_unlock_irqrestore(l, f)	do { (void)(f); sim_spin_unlock(l, 2); } while (0)

/* ---- wait queues, completions, mutexes ---- */

struct wait_queue_head {
	struct list_head head;
};
typedef struct wait_queue_head wait_queue_head_t;

struct sim_waiter {
	struct list_head node;
	struct fiber *fiber;
};

#define DECLARE_WAIT_QUEUE_HEAD(name) wait_queue_head_t name = { LIST_HEAD_INIT(name.head) }
static inline void init_waitqueue_head(wait_queue_head_t *q) { INIT_LIST_HEAD(&q->head); }
void wake_up(wait_queue_head_t *q);
#define wake_up_all(q)	wake_up(q)
void sim_wait_begin(wait_queue_head_t *q, struct sim_waiter *w, const char *file, int line);
void sim_wait_end(struct sim_waiter *w);
long schedule_timeout(long timeout);
#define schedule_timeout_idle(t) schedule_timeout(t)
#define MAX_SCHEDULE_TIMEOUT LONG_MAX

#define __sim_wait(q, cond, timeout) ({ \
	struct sim_waiter __w = { .fiber = NULL }; \
	long __left = (timeout); \
	bool __ok; \
	for (;;) { \
		sim_wait_begin(&(q), &__w, __FILE__, __LINE__); \
		__ok = !!(cond); \
		if (__ok || !__left) \
			break; \
		__left = schedule_timeout(__left); \
	} \
	sim_wait_end(&__w); \
	__ok ? (__left ?: 1) : 0; })
#define wait_event(q, cond)		((void)__sim_wait(q, cond, MAX_SCHEDULE_TIMEOUT))
#define wait_event_idle(q, cond)	((void)__sim_wait(q, cond, MAX_SCHEDULE_TIMEOUT))
#define wait_event_idle_timeout(q, cond, t) __sim_wait(q, cond, t)
#define wait_event_timeout(q, cond, t)	__sim_wait(q, cond, t)
#define wait_event_interruptible_hrtimeout(q, cond, t) \
	__sim_wait(q, cond, (long)((t) / (NSEC_PER_SEC / HZ) + 1))

struct completion {
	unsigned int done;
	wait_queue_head_t wait;
};

static inline void init_completion(struct completion *c) { c->done = 0; init_waitqueue_head(&c->wait); }
void complete(struct completion *c);
void wait_for_completion(struct completion *c);
#define wait_for_completion_io wait_for_completion
unsigned long wait_for_completion_timeout(struct completion *c, unsigned long timeout);

struct mutex {
	struct fiber *owner;
	struct list_head waiters;
};

#define DEFINE_MUTEX(name) struct mutex name = { NULL, LIST_HEAD_INIT(name.waiters) }
static inline void mutex_init(struct mutex *m) { m->owner = NULL; INIT_LIST_HEAD(&m->waiters); }
void mutex_lock(struct mutex *m);
void mutex_unlock(struct mutex *m);
int mutex_trylock(struct mutex *m);

struct rw_semaphore {
	int readers;
	struct fiber *writer;
	struct list_head waiters;
};

static inline void init_rwsem(struct rw_semaphore *s)
{
	s->readers = 0;
	s->writer = NULL;
	INIT_LIST_HEAD(&s->waiters);
}

void down_read(struct rw_semaphore *s);
void up_read(struct rw_semaphore *s);
int down_read_trylock(struct rw_semaphore *s);
void down_write(struct rw_semaphore *s);
void up_write(struct rw_semaphore *s);

bool sim_spin_held(const spinlock_t *l);
bool sim_mutex_held(const struct mutex *m);
#define lockdep_assert_held(l) do { \
	if (unlikely(!_Generic((l), spinlock_t *: sim_spin_held((void *)(l)), \
			       struct mutex *: sim_mutex_held((void *)(l))))) \
		sim_fail("lock %s is not held at %s:%d", #l, __FILE__, __LINE__); \
	} while (0)

/* ---- work ---- */

struct work_struct;
typedef void (*work_func_t)(struct work_struct *work);
struct workqueue_struct;

struct work_struct {
	struct list_head entry;
	work_func_t func;
	u8 pending;
};

struct sim_event {
	u64 when;
	u64 order;
	void (*fn)(void *arg);
	void *arg;
	struct host *host;
	u32 index;		/* in the heap, from 1; 0: not queued */
};

struct delayed_work {
	struct work_struct work;
	struct sim_event timer;
	struct workqueue_struct *wq;
};

#define INIT_WORK(w, f) do { \
	INIT_LIST_HEAD(&(w)->entry); (w)->func = (f); (w)->pending = 0; } while (0)
#define INIT_DELAYED_WORK(d, f) do { \
	INIT_WORK(&(d)->work, f); memset(&(d)->timer, 0, sizeof((d)->timer)); (d)->wq = NULL; } while (0)
static inline struct delayed_work *to_delayed_work(struct work_struct *w)
{
	return container_of(w, struct delayed_work, work);
}

#define WQ_UNBOUND	2
#define WQ_MEM_RECLAIM	8
struct workqueue_struct *alloc_workqueue(const char *fmt, unsigned int flags, int max_active, ...);
void destroy_workqueue(struct workqueue_struct *wq);
bool queue_work(struct workqueue_struct *wq, struct work_struct *w);
bool queue_delayed_work(struct workqueue_struct *wq, struct delayed_work *d, unsigned long delay);
bool mod_delayed_work(struct workqueue_struct *wq, struct delayed_work *d, unsigned long delay);
bool cancel_work_sync(struct work_struct *w);
bool cancel_delayed_work_sync(struct delayed_work *d);
struct workqueue_struct *sim_system_wq(void);
#define system_unbound_wq	sim_system_wq()

/* ---- memory ---- */

#define PAGE_SHIFT	12
#define PAGE_SIZE	4096ul
#define PAGE_MASK	(~(PAGE_SIZE - 1))
#define offset_in_page(p) ((unsigned long)(p) & ~PAGE_MASK)

#define GFP_KERNEL	0x01u
#define GFP_NOIO	0x02u
#define GFP_NOWAIT	0x04u
#define GFP_ATOMIC	0x08u
#define __GFP_NORETRY	0x10u
#define __GFP_NOWARN	0x20u
#define __GFP_NOMEMALLOC 0x40u
#define __GFP_ZERO	0x80u
#define __GFP_MEMALLOC	0x100u

struct page {
	struct list_head lru;
	struct list_head own;	/* the host's allocations */
	struct host *host;
	u32 size;		/* of a large allocation, bytes */
	int count;
	u8 class;
	u8 used;
};

extern char *sim_region;
extern struct page *sim_pages;
static inline void *page_address(const struct page *p) { return sim_region + ((u64)(p - sim_pages) << PAGE_SHIFT); }
#define ZERO_PAGE(addr)	(&sim_pages[0])
static inline struct page *virt_to_page(const void *v) { return &sim_pages[((char *)v - sim_region) >> PAGE_SHIFT]; }
static inline bool is_vmalloc_addr(const void *v) { (void)v; return false; }
static inline struct page *vmalloc_to_page(const void *v) { return virt_to_page(v); }
static inline void flush_kernel_vmap_range(void *p, int n) { (void)p; (void)n; }
static inline void invalidate_kernel_vmap_range(void *p, int n) { (void)p; (void)n; }
static inline void copy_page(void *to, const void *from) { memcpy(to, from, PAGE_SIZE); }
static inline void clear_highpage(struct page *p) { memset(page_address(p), 0, PAGE_SIZE); }

void *sim_kmalloc(size_t size, gfp_t gfp);
void sim_kfree(const void *p);
struct page *alloc_page(gfp_t gfp);
void sim_free_page(struct page *p);
static inline int page_count(const struct page *p) { return p->count; }
static inline void get_page(struct page *p)
{
	if (p->count <= 0)
		sim_fail("get_page of a free page");
	p->count++;
}

static inline void put_page(struct page *p)
{
	sim_point();
	if (p->count <= 0)
		sim_fail("put_page of a free page");
	if (!--p->count)
		sim_free_page(p);
}

static inline unsigned long __get_free_page(gfp_t gfp)
{
	struct page *p = alloc_page(gfp);

	return p ? (unsigned long)page_address(p) : 0;
}

static inline void free_page(unsigned long v) { if (v) put_page(virt_to_page((void *)v)); }

static inline size_t array_size(size_t a, size_t b)
{
	size_t r;

	return __builtin_mul_overflow(a, b, &r) ? SIZE_MAX : r;
}

#define kmalloc(s, g)		sim_kmalloc(s, g)
#define kzalloc(s, g)		sim_kmalloc(s, (g) | __GFP_ZERO)
#define kmalloc_array(n, s, g)	sim_kmalloc(array_size(n, s), g)
#define kcalloc(n, s, g)	sim_kmalloc(array_size(n, s), (g) | __GFP_ZERO)
#define kvmalloc(s, g)		kmalloc(s, g)
#define kvzalloc(s, g)		kzalloc(s, g)
#define kvmalloc_array(n, s, g)	kmalloc_array(n, s, g)
#define kvcalloc(n, s, g)	kcalloc(n, s, g)
#define kfree(p)		sim_kfree(p)
#define kvfree(p)		sim_kfree(p)
#define struct_size(p, m, n)	(sizeof(*(p)) + sizeof(*(p)->m) * (size_t)(n))

struct kmem_cache { size_t size; const char *name; long objects; };
struct kmem_cache *kmem_cache_create(const char *name, size_t size, size_t align, unsigned long flags, void *ctor);
void kmem_cache_destroy(struct kmem_cache *c);
static inline void *kmem_cache_alloc(struct kmem_cache *c, gfp_t gfp)
{
	void *p = sim_kmalloc(c->size, gfp);

	c->objects += !!p;
	return p;
}

static inline void kmem_cache_free(struct kmem_cache *c, void *p) { c->objects--; sim_kfree(p); }

/* The reserve of a pool: taken when the allocator fails, refilled first. */
struct sim_reserve {
	int left, min;
	wait_queue_head_t wait;
	bool init;
};

typedef struct mempool {
	struct sim_reserve reserve;
	struct kmem_cache *cache;	/* NULL: pages */
} mempool_t;

int mempool_init_slab_pool(mempool_t *p, int min, struct kmem_cache *c);
int mempool_init_page_pool(mempool_t *p, int min, int order);
void mempool_exit(mempool_t *p);
void *mempool_alloc(mempool_t *p, gfp_t gfp);
void mempool_free(void *e, mempool_t *p);

#define SIM_CPUS	2
#define SIM_CPU_STRIDE	256
void *sim_alloc_percpu(size_t size);
#define alloc_percpu(t)	((t *)sim_alloc_percpu(sizeof(t)))
#define free_percpu(p)	sim_kfree(p)
#define per_cpu_ptr(p, c) ((__typeof__(p))((char *)(p) + (c) * SIM_CPU_STRIDE))
#define for_each_possible_cpu(c) for ((c) = 0; (c) < SIM_CPUS; (c)++)
#define sim_this_cpu(x)	(*(__typeof__(x) *)((char *)&(x) + sim_cpu() * SIM_CPU_STRIDE))
#define this_cpu_inc(x)	do { sim_point(); sim_this_cpu(x)++; } while (0)
#define this_cpu_add(x, n) do { sim_point(); sim_this_cpu(x) += (n); } while (0)

/* ---- block layer ---- */

#define SECTOR_SHIFT	9
#define PAGE_SECTORS	8
#define BIO_MAX_VECS	256u

#define REQ_OP_BITS	8
#define REQ_OP_MASK	0xffu
#define REQ_OP_READ	0u
#define REQ_OP_WRITE	1u
#define REQ_OP_FLUSH	2u
#define REQ_OP_DISCARD	3u
#define REQ_OP_WRITE_ZEROES 9u
#define REQ_SYNC	(1u << 11)
#define REQ_META	(1u << 12)
#define REQ_FUA		(1u << 17)
#define REQ_PREFLUSH	(1u << 18)
#define REQ_POLLED	(1u << 22)
#define REQ_ALLOC_CACHE	(1u << 23)
#define REQ_NOUNMAP	(1u << 25)

#define BLK_STS_OK	0
#define BLK_STS_NOTSUPP	1
#define BLK_STS_RESOURCE 9
#define BLK_STS_IOERR	10
int blk_status_to_errno(blk_status_t s);
blk_status_t errno_to_blk_status(int e);

struct bio_vec {
	struct page *bv_page;
	unsigned int bv_len, bv_offset;
};

static inline void bvec_set_page(struct bio_vec *v, struct page *p, unsigned int len, unsigned int off)
{
	v->bv_page = p;
	v->bv_len = len;
	v->bv_offset = off;
}

struct bvec_iter {
	sector_t bi_sector;
	unsigned int bi_size, bi_idx, bi_bvec_done;
};

struct bio_set {
	struct sim_reserve reserve;
	unsigned int front;
};

struct bio {
	struct block_device *bi_bdev;
	blk_opf_t bi_opf;
	unsigned short bi_ioprio;
	blk_status_t bi_status;
	struct bvec_iter bi_iter;
	void (*bi_end_io)(struct bio *bio);
	void *bi_private;
	unsigned short bi_vcnt, bi_max_vecs;
	int refs;
	struct bio_vec *bi_io_vec;
	struct bio_set *bi_pool;
	bool reserved;
	struct bio_vec bi_inline_vecs[];
};

struct gendisk { struct block_device *part0; };
struct queue_limits {
	unsigned int logical_block_size, physical_block_size, io_min;
	unsigned int discard_granularity, discard_alignment, max_hw_discard_sectors, max_discard_sectors;
};

struct sim_disk;
struct mapped_device;
struct block_device {
	dev_t bd_dev;
	atomic_t bd_openers;
	char name[16];
	struct sim_disk *disk;		/* or */
	struct mapped_device *md;
	struct host *host;
	u32 lbs;
};

#define bio_op(b)	((b)->bi_opf & REQ_OP_MASK)
#define op_is_write(op)	((op) & 1)
#define bio_sectors(b)	((b)->bi_iter.bi_size >> 9)
#define bio_clear_polled(b) ((void)((b)->bi_opf &= ~(REQ_POLLED | REQ_ALLOC_CACHE)))
#define bio_set_dev(b, d) ((void)((b)->bi_bdev = (d)))
struct bio_vec bio_iter_iovec(struct bio *bio, struct bvec_iter i);
void bio_advance_iter_single(struct bio *bio, struct bvec_iter *i, unsigned int n);
static inline void memcpy_from_bvec(char *to, struct bio_vec *v)
{
	memcpy(to, (char *)page_address(v->bv_page) + v->bv_offset, v->bv_len);
}
u64 bdev_nr_sectors(struct block_device *b);
static inline unsigned int bdev_logical_block_size(struct block_device *b) { return b->lbs; }
#ifndef MAJOR		/* the netlink fuzzer has it, too */
#define MAJOR(dev)	((unsigned int)((dev) >> 20))
#endif
#define LOOP_MAJOR	7
static inline dev_t disk_devt(struct gendisk *d) { return d->part0->bd_dev; }
static inline void invalidate_bdev(struct block_device *b) { (void)b; }

#define BIOSET_NEED_BVECS 1
int bioset_init(struct bio_set *bs, unsigned int pool, unsigned int front, int flags);
void bioset_exit(struct bio_set *bs);
struct bio *bio_alloc_bioset(struct block_device *b, unsigned short nr, blk_opf_t opf, gfp_t gfp, struct bio_set *bs);
struct bio *bio_alloc(struct block_device *b, unsigned short nr, blk_opf_t opf, gfp_t gfp);
void bio_init(struct bio *bio, struct block_device *b, struct bio_vec *v, unsigned short max, blk_opf_t opf);
static inline void bio_uninit(struct bio *bio) { (void)bio; }
void bio_put(struct bio *bio);
void bio_endio(struct bio *bio);
void __bio_add_page(struct bio *bio, struct page *p, unsigned int len, unsigned int off);
void submit_bio(struct bio *bio);
int submit_bio_wait(struct bio *bio);
int blkdev_issue_flush(struct block_device *b);
#define BLKDEV_ZERO_NOUNMAP 1
#define BLKDEV_ZERO_NOFALLBACK 2
unsigned int bdev_write_zeroes_sectors(struct block_device *b);
unsigned int bdev_max_discard_sectors(struct block_device *b);
unsigned int bdev_discard_granularity(struct block_device *b);
unsigned int bdev_discard_alignment(struct block_device *b);
int blkdev_issue_discard(struct block_device *b, sector_t sector, sector_t nr, gfp_t gfp);
int blkdev_issue_zeroout(struct block_device *b, sector_t sector, sector_t nr, gfp_t gfp, unsigned int flags);
struct blk_plug { int unused; };
#define blk_start_plug(p)	((void)(p))
#define blk_finish_plug(p)	((void)(p))

/* ---- device mapper ---- */

#define DM_MAPIO_SUBMITTED	0
#define DM_MAPIO_REMAPPED	1
#define DM_MAPIO_REQUEUE	2
#define DM_MAPIO_KILL		4
#define DM_ENDIO_DONE		0
#define DM_TARGET_SINGLETON		1
#define DM_TARGET_ALWAYS_WRITEABLE	2
typedef enum { STATUSTYPE_INFO, STATUSTYPE_TABLE, STATUSTYPE_IMA } status_type_t;
struct module;
#define THIS_MODULE		((struct module *)NULL)
struct dm_table;
struct dm_target;
struct dm_dev { struct block_device *bdev; char name[16]; };
struct dm_arg { unsigned int min, max; char *error; };
struct dm_arg_set { unsigned int argc; char **argv; };
typedef int (*iterate_devices_callout_fn)(struct dm_target *ti, struct dm_dev *dev, sector_t start,
					  sector_t len, void *data);

struct target_type {
	u64 features;
	const char *name;
	struct module *module;
	unsigned int version[3];
	int (*ctr)(struct dm_target *ti, unsigned int argc, char **argv);
	void (*dtr)(struct dm_target *ti);
	int (*map)(struct dm_target *ti, struct bio *bio);
	int (*end_io)(struct dm_target *ti, struct bio *bio, blk_status_t *error);
	void (*presuspend)(struct dm_target *ti);
	void (*presuspend_undo)(struct dm_target *ti);
	void (*postsuspend)(struct dm_target *ti);
	int (*preresume)(struct dm_target *ti);
	void (*resume)(struct dm_target *ti);
	void (*status)(struct dm_target *ti, status_type_t type, unsigned int flags, char *result,
		       unsigned int maxlen);
	int (*message)(struct dm_target *ti, unsigned int argc, char **argv, char *result,
		       unsigned int maxlen);
	int (*iterate_devices)(struct dm_target *ti, iterate_devices_callout_fn fn, void *data);
	void (*io_hints)(struct dm_target *ti, struct queue_limits *limits);
};

struct dm_target {
	struct dm_table *table;
	struct target_type *type;
	sector_t begin, len;
	u32 max_io_len;
	unsigned int num_flush_bios, num_discard_bios, num_write_zeroes_bios, per_io_data_size;
	void *private;
	char *error;
	bool flush_supported, discards_supported, accounts_remapped_io;
};

int dm_register_target(struct target_type *t);
void dm_unregister_target(struct target_type *t);
int dm_get_device(struct dm_target *ti, const char *path, fmode_t mode, struct dm_dev **result);
void dm_put_device(struct dm_target *ti, struct dm_dev *d);
fmode_t dm_table_get_mode(struct dm_table *t);
struct mapped_device *dm_table_get_md(struct dm_table *t);
const char *dm_device_name(struct mapped_device *md);
struct gendisk *dm_disk(struct mapped_device *md);
const char *dm_shift_arg(struct dm_arg_set *as);
int dm_read_arg_group(const struct dm_arg *arg, struct dm_arg_set *as, unsigned int *n, char **error);
int dm_set_target_max_io_len(struct dm_target *ti, sector_t len);
void *dm_per_bio_data(struct bio *bio, size_t size);
void dm_accept_partial_bio(struct bio *bio, unsigned int nr);
void dm_submit_bio_remap(struct bio *clone, struct bio *tgt);
#define DMEMIT(x...) (sz += (sz >= maxlen ? 0 : scnprintf(result + sz, maxlen - sz, x)))
#define DMEMIT_TARGET_NAME_VERSION(t) \
	DMEMIT("target_name=%s,target_version=%u.%u.%u", (t)->name, (t)->version[0], \
	       (t)->version[1], (t)->version[2])

/* ---- sockets ---- */

#define AF_UNIX		1
#define AF_INET		2
#define AF_INET6	10
#define SOCK_STREAM	1
#define IPPROTO_TCP	6
#define TCP_ESTABLISHED	1
#define SHUT_RDWR	2
#define MSG_WAITALL	0x100
#define MSG_NOSIGNAL	0x4000
#define MSG_MORE	0x8000
#define ITER_SOURCE	1
#define ITER_DEST	0

struct sockaddr { unsigned short sa_family; };
struct sockaddr_storage { unsigned short ss_family; char rest[126]; };

struct sock {
	int sk_family, sk_protocol, sk_state, sk_shutdown;
	gfp_t sk_allocation;
	bool sk_use_task_frag;
	long sk_sndtimeo, sk_rcvtimeo;
};

bool sk_stream_is_writeable(const struct sock *sk);
#define sock_writeable(sk) sk_stream_is_writeable(sk)

struct sim_pipe;
struct socket {
	struct sock *sk;
	int type;
	struct sock sock;
	struct sim_pipe *in, *out;
	int refs;
	bool closed;
	struct host *host;
};

struct kvec { void *iov_base; size_t iov_len; };
struct iov_iter {
	const struct kvec *kvec;
	const struct bio_vec *bvec;
	size_t nr, done, count;	/* @done: of the first vector */
};
struct msghdr { struct iov_iter msg_iter; int msg_flags; };

static inline void iov_iter_kvec(struct iov_iter *i, unsigned int dir, const struct kvec *v,
				 unsigned long nr, size_t count)
{
	(void)dir;
	*i = (struct iov_iter) { .kvec = v, .nr = nr, .count = count };
}

static inline void iov_iter_bvec(struct iov_iter *i, unsigned int dir, const struct bio_vec *v,
				 unsigned long nr, size_t count)
{
	(void)dir;
	*i = (struct iov_iter) { .bvec = v, .nr = nr, .count = count };
}

static inline size_t msg_data_left(const struct msghdr *m) { return m->msg_iter.count; }
int sock_sendmsg(struct socket *s, struct msghdr *m);
int sock_recvmsg(struct socket *s, struct msghdr *m, int flags);
int kernel_sock_shutdown(struct socket *s, int how);
int kernel_getpeername(struct socket *s, struct sockaddr *a);
struct socket *sockfd_lookup(int fd, int *err);
void sockfd_put(struct socket *s);
static inline void tcp_sock_set_nodelay(struct sock *sk) { (void)sk; }

#define get_random_u64() sim_random()

/* ---- tracepoints: each becomes a call of sim_trace_<name>(), see sim.h ---- */

#define TP_PROTO(...)	__VA_ARGS__
#define TP_ARGS(...)	__VA_ARGS__
#define TRACE_EVENT(name, proto, args, ...) \
	void sim_trace_##name(proto) __attribute__((weak)); \
	static inline bool trace_##name##_enabled(void) { return sim_trace_##name; } \
	static inline void trace_##name(proto) { if (sim_trace_##name) sim_trace_##name(args); }

#endif /* SIM_KERNEL_H */
