// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of the module. One region of pages; small objects are carved from pages in size classes,
 * with a header; large ones are runs of pages, described by their first struct page. Everything is
 * in its host's list, so that a power cut can take it back and a clean stop can find a leak.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "sim.h"

#if defined(__SANITIZE_ADDRESS__)
#define SIM_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SIM_ASAN 1
#endif
#endif
#ifdef SIM_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(p, n)	ASAN_POISON_MEMORY_REGION(p, n)
#define UNPOISON(p, n)	ASAN_UNPOISON_MEMORY_REGION(p, n)
#else
#define POISON(p, n)	((void)0)
#define UNPOISON(p, n)	((void)0)
#endif

#define REGION_PAGES	65536		/* 256 MiB of addresses, used from the start */
#define MIN_SHIFT	6
#define MAX_SHIFT	23
#define MAGIC		0x51a110c8u

struct head {			/* of a small object */
	struct list_head own;
	struct host *host;
	u32 size;
	u16 class;
	u16 used;
};

struct idle { struct idle *next; };	/* a free one */

char *sim_region;
struct page *sim_pages;
static u32 next_page = 1;	/* the first one is ZERO_PAGE */
static struct idle *idle[MAX_SHIFT + 1];

void sim_stack_poison(void *p, size_t n, bool poison)
{
	if (poison)
		POISON(p, n);
	else
		UNPOISON(p, n);
}

void mem_begin(void)
{
	if (sim_region)
		return;
	sim_region = mmap(NULL, (size_t)REGION_PAGES << PAGE_SHIFT, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	sim_pages = mmap(NULL, REGION_PAGES * sizeof(*sim_pages), PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (sim_region == MAP_FAILED || sim_pages == MAP_FAILED)
		abort();
}

static void *bump(u32 pages)
{
	void *p = sim_region + ((size_t)next_page << PAGE_SHIFT);

	if (next_page + pages > REGION_PAGES)
		sim_fail("the simulated memory is used up");
	next_page += pages;
	return p;
}

static u32 shift_for(size_t n)
{
	u32 s = n <= (1u << MIN_SHIFT) ? MIN_SHIFT : 64 - __builtin_clzll(n - 1);

	if (s > MAX_SHIFT)
		sim_fail("an allocation of %zu bytes", n);
	return s;
}

static void *take(u32 shift)
{
	struct idle *o = idle[shift];
	u32 i;

	if (o) {
		UNPOISON(o, sizeof(*o));
		idle[shift] = o->next;
		return o;
	}
	if (shift >= PAGE_SHIFT)
		return bump(1u << (shift - PAGE_SHIFT));
	o = bump(1);
	for (i = 1; i < PAGE_SIZE >> shift; i++) {
		struct idle *p = (void *)((char *)o + (i << shift));

		p->next = idle[shift];
		idle[shift] = p;
	}
	return o;
}

static void give(void *p, u32 shift)
{
	struct idle *o = p;

	o->next = idle[shift];
	idle[shift] = o;
	POISON(p, 1ul << shift);
}

bool sim_alloc_fails(gfp_t gfp)
{
	struct host *h = sim_host();

	if (gfp & (GFP_NOWAIT | GFP_ATOMIC)) {
		if (!h->fails.atomic || rng_below(&sim_sched, 256) >= h->fails.atomic)
			return false;
	} else {
		if (!h->fails.nth || --h->fails.nth)
			return false;
	}
	h->failed_allocs++;
	return true;
}

static void charge(struct host *h, struct list_head *own, u64 size)
{
	list_add_tail(own, &h->allocs);
	h->nr_allocs++;
	h->bytes += size;
}

void *sim_kmalloc_host(struct host *h, size_t size, gfp_t gfp)
{
	char *p;

	if (size + sizeof(struct head) <= PAGE_SIZE / 2) {
		u32 shift = shift_for(size + sizeof(struct head));
		struct head *o = take(shift);

		UNPOISON(o, sizeof(*o) + size);
		o->size = size;
		o->class = shift;
		o->host = h;
		o->used = 1;
		charge(h, &o->own, size);
		p = (char *)(o + 1);
	} else {
		u32 shift = shift_for(size < PAGE_SIZE ? PAGE_SIZE : size);
		struct page *g;

		p = take(shift);
		UNPOISON(p, size);
		g = virt_to_page(p);
		g->class = shift;
		g->size = size;
		g->host = h;
		g->used = 1;
		g->count = 1;
		charge(h, &g->own, size);
	}
	if (gfp & __GFP_ZERO)
		memset(p, 0, size);
	return p;
}

void *sim_kmalloc(size_t size, gfp_t gfp)
{
	sim_point();
	if (gfp & (GFP_KERNEL | GFP_NOIO))
		might_sleep();
	if (size > 64ul << 20 || sim_alloc_fails(gfp))
		return NULL;
	return sim_kmalloc_host(sim_host(), size, gfp);
}

static void uncharge(struct host *h, struct list_head *own, u64 size)
{
	list_del(own);
	h->nr_allocs--;
	h->bytes -= size;
}

static void free_large(struct page *g)
{
	if (g->used != 1)
		sim_fail("kfree of what is free already");
	g->used = 0;
	g->count = 0;
	uncharge(g->host, &g->own, g->size);
	give(page_address(g), g->class);
}

void sim_kfree(const void *p)
{
	struct head *o;

	if (!p)
		return;
	sim_point();
	if (!offset_in_page(p)) {
		free_large(virt_to_page(p));
		return;
	}
	o = (struct head *)p - 1;
	if (o->used != 1)
		sim_fail("kfree of what is free already");
	o->used = 0;
	uncharge(o->host, &o->own, o->size);
	give(o, o->class);
}

struct page *alloc_page(gfp_t gfp)
{
	void *p = sim_kmalloc(PAGE_SIZE, gfp);

	return p ? virt_to_page(p) : NULL;
}

void sim_free_page(struct page *p)
{
	free_large(p);
}

void mem_kill(struct host *h)
{
	while (!list_empty(&h->allocs)) {
		struct list_head *l = h->allocs.next;

		list_del(l);
		if ((char *)l >= (char *)sim_pages &&
		    (char *)l < (char *)(sim_pages + REGION_PAGES)) {
			struct page *g = container_of(l, struct page, own);

			g->used = 0;
			g->count = 0;
			give(page_address(g), g->class);
		} else {
			struct head *o = container_of(l, struct head, own);

			o->used = 0;
			give(o, o->class);
		}
	}
	h->nr_allocs = 0;
	h->bytes = 0;
}

void *sim_alloc_percpu(size_t size)
{
	if (size > SIM_CPU_STRIDE)
		sim_fail("per-CPU object of %zu bytes", size);
	return kzalloc(SIM_CPUS * SIM_CPU_STRIDE, GFP_KERNEL);
}

struct kmem_cache *kmem_cache_create(const char *name, size_t size, size_t align,
				     unsigned long flags, void *ctor)
{
	struct kmem_cache *c = kzalloc(sizeof(*c), GFP_KERNEL);

	(void)align;
	(void)flags;
	(void)ctor;
	if (c) {
		c->size = size;
		c->name = name;
	}
	return c;
}

void kmem_cache_destroy(struct kmem_cache *c)
{
	if (c && c->objects)
		sim_fail("%ld objects remain in %s", c->objects, c->name);
	kfree(c);
}

/* ---- mempools ---- */

static int pool_init(mempool_t *p, int min, struct kmem_cache *c)
{
	memset(p, 0, sizeof(*p));
	if (sim_alloc_fails(GFP_KERNEL))
		return -ENOMEM;
	p->cache = c;
	sim_reserve_init(&p->reserve, min);
	return 0;
}

int mempool_init_slab_pool(mempool_t *p, int min, struct kmem_cache *c)
{
	return pool_init(p, min, c);
}

int mempool_init_page_pool(mempool_t *p, int min, int order)
{
	(void)order;
	return pool_init(p, min, NULL);
}

void mempool_exit(mempool_t *p)
{
	if (p->reserve.init && p->reserve.left != p->reserve.min)
		sim_fail("%d elements of a mempool are missing", p->reserve.min - p->reserve.left);
	p->reserve.init = false;
}

/*
 * The pools' allocator is short of memory as often as GFP_NOWAIT is. Elements bear no mark of where
 * they came from: as in the kernel, those that are freed fill the reserve first. So what
 * is counted is the reserve's level, while the memory always comes from the heap.
 */
void *mempool_alloc(mempool_t *p, gfp_t gfp)
{
	struct host *h = sim_host();

	sim_point();
	if (gfp & (GFP_KERNEL | GFP_NOIO))
		might_sleep();
	if (h->fails.atomic && rng_below(&sim_sched, 256) < h->fails.atomic)
		sim_reserve_wait(&p->reserve);
	if (p->cache) {
		p->cache->objects++;
		return sim_kmalloc_host(h, p->cache->size, 0);
	}
	return virt_to_page(sim_kmalloc_host(h, PAGE_SIZE, 0));
}

void mempool_free(void *e, mempool_t *p)
{
	sim_reserve_refill(&p->reserve);
	if (p->cache) {
		kmem_cache_free(p->cache, e);
		return;
	}
	put_page(e);
}
