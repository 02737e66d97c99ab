// SPDX-License-Identifier: GPL-2.0-only
/*
 * Record buffers; see record.h.
 *
 * A record that is to be kept must not take from the reserve, or the reserve
 * would be gone until the chunk is committed and restored, and nothing could
 * be received that commits it. So it is allocated beside the pools, and if that
 * fails it becomes one that is not kept. Freed are both kinds to the pools,
 * which fill their reserve first.
 */
#include <linux/slab.h>
#include "journal/record.h"

static struct kmem_cache *record_cache;

int dmo_record_init(void)
{
	record_cache = kmem_cache_create("dm_ordered_record", sizeof(struct dmo_record), 0, 0,
					 NULL);
	return record_cache ? 0 : -ENOMEM;
}

void dmo_record_exit(void)
{
	kmem_cache_destroy(record_cache);
}

int dmo_rpool_init(struct dmo_rpool *p, atomic64_t *used)
{
	int rc;

	p->used = used;
	rc = mempool_init_slab_pool(&p->records, 2, record_cache);
	if (rc)
		return rc;
	rc = mempool_init_page_pool(&p->pages, DMO_RECORD_PAGES, 0);
	if (rc)
		mempool_exit(&p->records);
	return rc;
}

void dmo_rpool_exit(struct dmo_rpool *p)
{
	mempool_exit(&p->pages);
	mempool_exit(&p->records);
}

static void free_record(struct dmo_record *r)
{
	struct dmo_rpool *p = r->pool;
	u32 i;

	atomic64_sub(dmo_record_size(r->nr_pages - 1), p->used);
	for (i = 0; i < r->nr_pages; i++)
		mempool_free(r->pages[i], &p->pages);
	mempool_free(r, &p->records);
}

static void init_record(struct dmo_record *r, struct dmo_rpool *p)
{
	memset(r, 0, offsetof(struct dmo_record, pages));
	INIT_LIST_HEAD(&r->node);
	refcount_set(&r->refs, 1);
	r->pool = p;
}

/* Without the reserve; NULL if memory is short. */
static struct dmo_record *alloc_kept(struct dmo_rpool *p, u32 nr_pages)
{
	const gfp_t gfp = GFP_NOIO | __GFP_NORETRY | __GFP_NOWARN | __GFP_NOMEMALLOC;
	struct dmo_record *r = kmem_cache_alloc(record_cache, gfp);

	if (!r)
		return NULL;
	init_record(r, p);
	atomic64_add(dmo_record_size(nr_pages - 1), p->used);
	for (; r->nr_pages < nr_pages; r->nr_pages++) {
		r->pages[r->nr_pages] = alloc_page(gfp);
		if (!r->pages[r->nr_pages]) {
			atomic64_sub((u64)(nr_pages - r->nr_pages) * PAGE_SIZE, p->used);
			free_record(r);
			return NULL;
		}
	}
	r->kept = true;
	return r;
}

void dmo_record_grow(struct dmo_record *r, u32 nr_blocks)
{
	u32 nr_pages = 1 + nr_blocks;

	if (WARN_ON_ONCE(nr_pages > DMO_RECORD_PAGES || r->kept))
		return;
	for (; r->nr_pages < nr_pages; r->nr_pages++) {
		r->pages[r->nr_pages] = mempool_alloc(&r->pool->pages, GFP_NOIO);
		atomic64_add(PAGE_SIZE, r->pool->used);
	}
}

struct dmo_record *dmo_record_alloc(struct dmo_rpool *p, u32 nr_blocks, bool keep)
{
	struct dmo_record *r = keep ? alloc_kept(p, 1 + nr_blocks) : NULL;

	if (r)
		return r;
	r = mempool_alloc(&p->records, GFP_NOIO);
	init_record(r, p);
	atomic64_add(sizeof(*r), p->used);
	dmo_record_grow(r, nr_blocks);
	return r;
}

void dmo_record_put(struct dmo_record *r)
{
	if (refcount_dec_and_test(&r->refs))
		free_record(r);
}

void dmo_record_put_list(struct list_head *list)
{
	struct dmo_record *r, *next;

	list_for_each_entry_safe(r, next, list, node) {
		list_del_init(&r->node);
		dmo_record_put(r);
	}
}
