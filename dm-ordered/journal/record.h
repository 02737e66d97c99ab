/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Record buffers of a secondary: the pages of one journal record, from the
 * socket to the ring and, if memory lasts, to the data devices.
 */
#ifndef DMO_RECORD_H
#define DMO_RECORD_H

#include <linux/list.h>
#include <linux/mempool.h>
#include <linux/mm.h>
#include <linux/refcount.h>
#include "format/ondisk.h"

#define DMO_RECORD_PAGES	(1 + DMO_REC_MAX_DESC)

/**
 * struct dmo_rpool - where record buffers come from
 * @used: bytes in all record buffers; may be shared between pools
 *
 * The reserve is one record of the largest size. One thread at a time
 * allocates from a pool, and what others hold of it comes back when their I/O
 * ends, so an allocation always ends too.
 */
struct dmo_rpool {
	mempool_t records;
	mempool_t pages;
	atomic64_t *used;
};

/**
 * struct dmo_record - one record's blocks
 * @node: in the list of its chunk's kept records, if @kept
 * @refs: one for whoever made it, one for every I/O in flight, one for that list
 * @private: of whoever does the I/O
 * @pos, @seq, @csum: where it is in the ring, once it is
 * @nr_pages: pages there; pages[0] is the descriptor block, then a page a DATA
 *	descriptor. The first DMO_BLOCK bytes of each are used.
 * @kept: made to be kept: nothing of it is of the reserve
 */
struct dmo_record {
	struct list_head node;
	refcount_t refs;
	struct dmo_rpool *pool;
	void *private;
	u64 pos, seq;
	u32 csum;
	u32 nr_desc, nr_blocks;
	u32 nr_pages;
	bool kept;
	struct page *pages[DMO_RECORD_PAGES];
};

static inline void *dmo_record_block(const struct dmo_record *r, u32 i)
{
	return page_address(r->pages[i]);
}

static inline struct dmo_desc *dmo_record_desc(const struct dmo_record *r)
{
	return dmo_record_block(r, 0) + DMO_REC_HDR;
}

/* Bytes that a record of @nr_blocks data blocks takes in memory. */
static inline u64 dmo_record_size(u32 nr_blocks)
{
	return sizeof(struct dmo_record) + (u64)(1 + nr_blocks) * PAGE_SIZE;
}

int dmo_record_init(void);	/* module init: slab */
void dmo_record_exit(void);

int dmo_rpool_init(struct dmo_rpool *p, atomic64_t *used);
void dmo_rpool_exit(struct dmo_rpool *p);

/**
 * dmo_record_alloc - a buffer for a record of @nr_blocks data blocks
 * @keep: it is to stay for long; @kept says whether it may (there was memory
 *	besides the reserve)
 * Context: sleeps, GFP_NOIO, one thread at a time a pool. Never fails.
 */
struct dmo_record *dmo_record_alloc(struct dmo_rpool *p, u32 nr_blocks, bool keep);

/**
 * dmo_record_grow - more pages, up to @nr_blocks data blocks; context as above
 */
void dmo_record_grow(struct dmo_record *r, u32 nr_blocks);

static inline void dmo_record_get(struct dmo_record *r)
{
	refcount_inc(&r->refs);
}

/**
 * dmo_record_put - any context
 */
void dmo_record_put(struct dmo_record *r);

/**
 * dmo_record_put_list - empty a list of kept records
 */
void dmo_record_put_list(struct list_head *list);

#endif /* DMO_RECORD_H */
