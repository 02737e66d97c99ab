// SPDX-License-Identifier: GPL-2.0-only
/*
 * Recovery of a secondary from an arbitrary journal: scan, recover, restore, promote, with the module's
 * own files on the simulator's disks.
 *
 * Input: a header, then items of 16 bytes that a writer follows (struct item). With nothing but zeroes in
 * their fields they are a good journal; each field makes something wrong of it: sequences, chains,
 * totals, tags, descriptors, bytes of records written before (signed again or not), old records put
 * somewhere else, torn sectors. The mutator below works on items and on bytes.
 *
 * A second opinion (scan() below), written from Documentation/on-disk-format.rst and sharing no code with
 * jscan.c or ondisk.c, says which chunks there are, which are committed, and whether the whole must be
 * refused. Then:
 *   refused   with a reason, and no byte of the data devices changed
 *   accepted  the same newest boundary, committed cut and consistency; what is restored on the data
 *             devices is exactly the committed chunks; a power cut, at once or at any step, and another
 *             recovery give the same; promotion gives exactly all complete chunks
 * and in every case no leak, no hang, nothing that the simulator objects to.
 */
#include <stdio.h>
#include <stdlib.h>
#include "fuzz.h"
#include "node.h"
#undef snprintf

/* ASan knows nothing of the stacks of fibers; what the module leaves is counted by the shim. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0:detect_stack_use_after_return=0";
}

#define MAX_RING	320
#define NR_VOLS		2
#define VOL_BLOCKS	257
#define PREFILLED	24
#define MAX_RECS	256
#define STEP		(1ull << 40)	/* journal.c raises the floor by that */

static const u64 vol_sectors[NR_VOLS] = { 2048, 2051 };

/* -- input ----------------------------------------------------------------- */

struct head {			/* 32 bytes */
	u8 ring;		/* blocks above 256 */
	u8 how;			/* HEAD_* */
	u16 tail;
	u8 restored, committed;	/* n of the state's cuts, epoch 1 if not 0 */
	u8 floor;		/* 0: right; 1: low; else near the end of numbers */
	u8 seed;
	u16 crash;		/* step of the first recovery at which the power fails; 0: later */
	u8 survive;
	u8 first;		/* sequences begin near the end of numbers: 255 */
	u8 late;		/* damage after recovery: 0 none, else what is XORed */
	u8 late_chunk, late_record, late_block;
	u16 late_at;
	u16 unreadable;		/* block of the ring, from 1 */
	u8 nth;			/* allocation that fails in a first recovery */
	u16 reach;		/* 0: not known */
	u8 rest[9];
} __packed;

enum {
	HEAD_CONSISTENT = 1,
	HEAD_COPY = 2,		/* a direct copy was under way */
	HEAD_OLD_STATE = 4,	/* the other slot is older, and elsewhere */
	HEAD_TORN_STATE = 8,	/* ... or damaged */
	HEAD_SWAP = 16,		/* slots exchanged */
	HEAD_PROMOTE = 32,
	HEAD_TURNS = 64,	/* a schedule of its own */
};

struct item {			/* 16 bytes */
	u8 kind;
	u8 how;			/* ITEM_* */
	s8 seq;			/* off by */
	u8 prev;		/* XOR */
	u8 nr;
	u8 block;
	u8 mask;		/* XOR 0xff */
	u8 volume;
	u16 at;
	s8 total[3];		/* of LAST, off by */
	s8 tag;			/* off by */
	u8 a, b;
} __packed;

enum { K_DATA, K_LAST, K_COMMIT, K_JUMP, K_PATCH, K_COPY, K_MOVE, K_BACK, K_FILL, K_TEAR, KINDS };

enum {
	ITEM_UNSIGNED = 1,
	ITEM_STAY = 2,		/* the writer does not go on behind it */
	ITEM_EVIL = 4,		/* fields that have few good values take any */
	ITEM_BAD_DATA = 8,	/* data that its checksum is not of */
	ITEM_CROSS = 16,	/* may cross the end of the ring */
};

/* -- the ring, and who writes it ------------------------------------------- */

static u8 ring[MAX_RING][DMO_BLOCK];
static bool written[MAX_RING];
static u32 unreadable;		/* block, or MAX_RING */
static u32 ring_size;
static u32 reach;		/* blocks from the tail; 0: not known */
static const u8 uuid[] = "dm-ordered-sim-1";

static struct {
	u32 pos;
	u64 seq;
	u32 prev;
	u64 records, descs;
	u32 csum;
	u64 tag;
	u64 top;		/* highest sequence used */
	struct { u32 pos, blocks; u64 seq; u32 csum; } recs[MAX_RECS];
	u32 nr;
} w;

static void sign(u8 *rec)
{
	put_le(rec + 8, own_csum(rec, DMO_BLOCK, 8), 4);
}

static u32 mask_csum(const u8 *block, u8 mask)
{
	u32 crc = 0, i;

	for (i = 0; i < 8; i++)
		if (mask >> i & 1)
			crc = dmo_crc(crc, block + 512 * i, 512);
	return crc;
}

/* The header block @rec and @nr data blocks behind it go to the ring. */
static void put_record(const struct item *it, u8 *rec, u8 (*data)[DMO_BLOCK], u32 nr)
{
	u32 i, blocks = 1 + nr;

	if (w.pos + blocks > ring_size && !(it->how & ITEM_CROSS))
		w.pos = 0;
	memcpy(rec, "dmORDrec", 8);
	put_le(rec + 12, w.prev ^ it->prev, 4);
	memcpy(rec + 16, uuid, 16);
	put_le(rec + 32, w.seq + (u64)it->seq, 8);
	sign(rec);
	if (it->how & ITEM_UNSIGNED)
		rec[8] ^= 1;
	memcpy(ring[w.pos], rec, DMO_BLOCK);
	for (i = 0; i < blocks; i++) {
		u32 p = (w.pos + i) % ring_size;

		if (i)
			memcpy(ring[p], data[i - 1], DMO_BLOCK);
		written[p] = true;
	}
	if (w.nr < MAX_RECS) {
		w.recs[w.nr].pos = w.pos;
		w.recs[w.nr].blocks = blocks;
		w.recs[w.nr].seq = w.seq;
		w.recs[w.nr++].csum = (u32)get_le(rec + 8, 4);
	}
	if (w.seq > w.top)
		w.top = w.seq;
	if (it->how & ITEM_STAY)
		return;
	w.pos = (w.pos + blocks) % ring_size;
	w.seq++;
	w.prev = (u32)get_le(rec + 8, 4);
}

static void put_data(const struct item *it, u32 nr)
{
	static u8 rec[DMO_BLOCK], data[DMO_REC_MAX_DESC][DMO_BLOCK];
	u32 i, blocks = 0;

	memset(rec, 0, sizeof(rec));
	for (i = 0; i < nr; i++) {
		u8 *d = rec + 160 + 24 * i, mask = it->mask ^ 0xff;
		bool zero = it->kind == K_DATA && it->a >> (i % 8) & 1;

		put_le(d, it->how & ITEM_EVIL ? it->volume : it->volume % NR_VOLS, 4);
		d[4] = zero ? DMO_DESC_ZERO : DMO_DESC_DATA;
		d[5] = zero ? 0xff : mask ? mask : 1;
		put_le(d + 8, it->block + i + (it->how & ITEM_EVIL ? it->at : 0), 8);
		put_le(d + 16, zero ? 1 + it->b % 16 : 512 * __builtin_popcount(d[5]), zero ? 8 : 4);
		if (zero)
			continue;
		memset(data[blocks], 1 + w.nr, DMO_BLOCK);
		put_le(data[blocks], w.seq, 8);
		put_le(d + 20, mask_csum(data[blocks], d[5]) ^ (it->how & ITEM_BAD_DATA ? it->at : 0), 4);
		blocks++;
	}
	put_le(rec + 40, DMO_REC_DATA, 4);
	put_le(rec + 48, nr, 4);
	put_le(rec + 52, blocks, 4);
	w.records++;
	w.descs += nr;
	w.csum = dmo_crc(w.csum, rec + 160, nr * 24);
	put_record(it, rec, data, blocks);
}

static void put_other(const struct item *it)
{
	static u8 rec[DMO_BLOCK];
	u64 tag = w.tag + (it->kind == K_LAST) + (u64)it->tag;

	memset(rec, 0, sizeof(rec));
	put_le(rec + 56, it->how & ITEM_EVIL ? it->a : 1, 8);
	put_le(rec + 64, tag, 8);
	switch (it->kind) {
	case K_LAST:
		put_le(rec + 40, DMO_REC_LAST, 4);
		put_le(rec + 44, it->how & ITEM_EVIL ? it->b : it->b & 1, 4);
		put_le(rec + 72, 3, 8);
		put_le(rec + 80, 4, 8);
		put_le(rec + 88, 1000 + w.nr, 8);
		put_le(rec + 96, w.records + (u64)it->total[0], 8);
		put_le(rec + 104, w.descs + (u64)it->total[1], 8);
		put_le(rec + 112, w.csum + (u32)it->total[2], 4);
		put_le(rec + 128, 17, 8);
		w.records = 0;
		w.descs = 0;
		w.csum = 0;
		w.tag = tag;
		break;
	case K_COMMIT:
		put_le(rec + 40, DMO_REC_COMMIT, 4);
		break;
	case K_JUMP:
		memset(rec + 56, 0, 16);
		put_le(rec + 40, DMO_REC_JUMP, 4);
		put_le(rec + 120, it->how & ITEM_EVIL ? it->at : w.seq + 1 + it->at, 8);
		w.records = 0;
		w.descs = 0;
		w.csum = 0;
		break;
	}
	put_record(it, rec, NULL, 0);
	if (it->kind == K_JUMP && !(it->how & ITEM_STAY))
		w.seq = get_le(rec + 120, 8);
}

/* Up to the tail, but for a few blocks: the ring is never full, or is it? */
static void fill(const struct item *it, u32 tail)
{
	u32 left = (tail + ring_size - w.pos) % ring_size, n;

	if (!left)
		left = ring_size;
	if (w.pos + left > ring_size)
		left = ring_size - w.pos;
	n = it->a % 8 < left ? left - it->a % 8 : 0;
	while (n >= 2) {
		u32 nr = n > 129 ? 64 : n - 1;

		put_data(it, nr);
		n -= 1 + nr;
	}
}

static void follow(const struct item *it, u32 tail)
{
	u32 r = w.nr ? it->nr % w.nr : 0, i, p;
	static u8 copy[DMO_BLOCK];

	switch (it->kind % KINDS) {
	case K_DATA:
		put_data(it, it->nr < 200 ? 1 + it->nr % 8 : it->nr - 127u);
		break;
	case K_LAST:
	case K_COMMIT:
	case K_JUMP:
		put_other(it);
		break;
	case K_PATCH:		/* bytes of a record written before */
		if (!w.nr)
			break;
		p = (w.recs[r].pos + it->at / DMO_BLOCK % w.recs[r].blocks) % ring_size;
		ring[p][it->at % DMO_BLOCK] ^= it->a;
		ring[p][(it->at + 1u) % DMO_BLOCK] ^= it->b;
		if (!(it->how & ITEM_UNSIGNED))
			sign(ring[w.recs[r].pos]);
		break;
	case K_COPY:		/* an old record at another place */
		if (!w.nr)
			break;
		p = it->how & ITEM_EVIL ? it->at % ring_size : w.pos;
		for (i = 0; i < w.recs[r].blocks; i++) {
			memcpy(copy, ring[(w.recs[r].pos + i) % ring_size], DMO_BLOCK);
			memcpy(ring[(p + i) % ring_size], copy, DMO_BLOCK);
			written[(p + i) % ring_size] = true;
		}
		if (!(it->how & ITEM_STAY))
			w.pos = (p + i) % ring_size;
		break;
	case K_MOVE:
		w.pos = it->at % ring_size;
		if (it->how & ITEM_EVIL)
			w.seq += (u64)it->seq << (it->a % 56);
		break;
	case K_BACK:		/* go on behind an old record: what follows it stays */
		if (!w.nr)
			break;
		w.pos = (w.recs[r].pos + w.recs[r].blocks) % ring_size;
		w.seq = w.recs[r].seq + 1;
		w.prev = w.recs[r].csum;
		if (it->how & ITEM_EVIL)
			w.records = w.descs = w.csum = 0;
		break;
	case K_FILL:
		fill(it, tail);
		break;
	case K_TEAR:		/* sectors that never reached the medium */
		if (!w.nr)
			break;
		p = (w.recs[r].pos + it->at % w.recs[r].blocks) % ring_size;
		for (i = 0; i < 8; i++)
			if (it->a >> i & 1)
				memset(ring[p] + 512 * i, 0, 512);
		break;
	}
}

/* -- second opinion: what is there ------------------------------------------- */

struct cut { u64 epoch, n; };

static int cmp(struct cut a, struct cut b)
{
	return a.epoch != b.epoch ? (a.epoch < b.epoch ? -1 : 1) : a.n < b.n ? -1 : a.n > b.n;
}

static struct cut cut_at(const u8 *p)
{
	return (struct cut){ get_le(p, 8), get_le(p + 8, 8) };
}

static struct {
	struct { struct cut tag; u32 first, nr; u64 flags; } chunks[MAX_RECS];
	u32 nr_chunks;
	u32 data[MAX_RECS];	/* positions of accepted DATA records that are of a chunk */
	u32 nr_data;
	struct cut committed;	/* highest of a COMMIT, or of the state */
	struct cut complete, restorable;
	u32 to_restore;		/* chunks that are committed */
	u64 good_used;
	bool bad_desc;		/* an accepted record speaks of blocks that there are not */
	bool bad_tag;		/* a chunk that is not above what is restored */
	bool unread;		/* what decides can't be read: the end is not known */
	bool copy_ended, end_restorable;	/* the newest such chunk is committed */
	u64 good_seq, max_seq;
} m;

/* Blocks that a descriptor speaks of. */
static u64 desc_blocks(const u8 *d)
{
	return d[4] == DMO_DESC_DATA ? 1 : get_le(d + 16, 8);
}

/* No more blocks than any device has: 2^51. */
static bool desc_form(const u8 *d)
{
	u64 most = ~0ull >> 13;

	if (get_le(d + 6, 2) || get_le(d + 8, 8) > most)
		return false;
	if (d[4] == DMO_DESC_DATA)
		return d[5] && get_le(d + 16, 4) == 512u * __builtin_popcount(d[5]);
	return d[4] == DMO_DESC_ZERO && d[5] == 0xff && desc_blocks(d) && desc_blocks(d) <= most;
}

static bool desc_fits(const u8 *d)
{
	u64 v = get_le(d, 4), block = get_le(d + 8, 8), i;

	if (v >= NR_VOLS || block + desc_blocks(d) > (vol_sectors[v] + 7) / 8)
		return false;
	for (i = 0; i < 8; i++)
		if (d[4] == DMO_DESC_DATA && d[5] >> i & 1 && block * 8 + i >= vol_sectors[v])
			return false;
	return true;
}

static bool record_form(const u8 *p)
{
	u64 type = get_le(p + 40, 4), flags = get_le(p + 44, 4), nr = get_le(p + 48, 4), i, data = 0;

	if (memcmp(p, "dmORDrec", 8) || get_le(p + 8, 4) != own_csum(p, DMO_BLOCK, 8) ||
	    memcmp(p + 16, uuid, 16))
		return false;
	if (type == DMO_REC_DATA ? !nr || nr > 128 : nr)
		return false;
	if (flags & ~(type == DMO_REC_LAST ? 1ull : 0))
		return false;
	if (get_le(p + 116, 4) || (type != DMO_REC_LAST && get_le(p + 128, 8)))
		return false;
	for (i = 136; i < 160; i++)
		if (p[i])
			return false;
	for (i = 0; i < nr; i++) {
		if (!desc_form(p + 160 + 24 * i))
			return false;
		data += p[160 + 24 * i + 4] == DMO_DESC_DATA;
	}
	if (get_le(p + 52, 4) != data)
		return false;
	switch (type) {
	case DMO_REC_DATA:
		return true;
	case DMO_REC_LAST:
	case DMO_REC_COMMIT:
		return get_le(p + 56, 8) || get_le(p + 64, 8);
	case DMO_REC_JUMP:
		return get_le(p + 120, 8) > get_le(p + 32, 8);
	}
	return false;
}

static bool is_next(u32 pos, u64 seq, u32 prev, u64 used)
{
	const u8 *p = ring[pos];
	u64 blocks;

	if (used >= ring_size || pos == unreadable || !record_form(p))
		return false;
	blocks = 1 + get_le(p + 52, 4);
	return get_le(p + 32, 8) == seq && seq != ~0ull && get_le(p + 12, 4) == prev &&
	       blocks <= ring_size - pos && blocks <= ring_size - used;
}

static bool data_good(u32 pos)
{
	const u8 *p = ring[pos];
	u32 nr = (u32)get_le(p + 48, 4), i, at = pos + 1;

	for (i = 0; i < nr; i++) {
		const u8 *d = p + 160 + 24 * i;

		if (d[4] == DMO_DESC_DATA && get_le(d + 20, 4) != mask_csum(ring[at++], d[5]))
			return false;
	}
	return true;
}

/* May a record that was written bear @seq, if the scan ended before @end? */
static bool was_used(u64 seq, u64 end, u64 floor)
{
	return seq >= end && (seq < floor || seq - end < ring_size);
}

static void scan(u32 pos, u64 seq, u32 prev, u64 floor, struct cut restored, struct cut committed)
{
	u64 used = 0, records = 0, descs = 0, end_used = 0;
	struct cut commit = { 0, 0 }, newest = { 0, 0 };
	u32 csum = 0, first = 0, i, j, end = pos, good = pos;
	bool doubt = false;	/* where a JUMP may be can't be read */

	memset(&m, 0, sizeof(m));
	m.good_seq = seq;
	m.max_seq = seq ? seq - 1 : 0;
	for (;;) {
		const u8 *p;
		u64 nr;

		if (!is_next(pos, seq, prev, used)) {
			bool again = pos && used + (ring_size - pos) < ring_size;

			if (!again || !is_next(0, seq, prev, used + (ring_size - pos))) {
				m.unread = pos == unreadable || (again && !unreadable);
				break;
			}
			doubt |= pos == unreadable && pos == good;
			used += ring_size - pos;
			pos = 0;
		}
		p = ring[pos];
		nr = get_le(p + 48, 4);
		if (unreadable > pos && unreadable <= pos + get_le(p + 52, 4)) {
			m.unread = true;
			break;
		}
		if (!data_good(pos))
			break;
		switch (get_le(p + 40, 4)) {
		case DMO_REC_DATA:
			records++;
			descs += nr;
			csum = dmo_crc(csum, p + 160, nr * 24);
			m.data[m.nr_data++] = pos;
			for (i = 0; i < nr; i++)
				m.bad_desc |= !desc_fits(p + 160 + 24 * i);
			break;
		case DMO_REC_LAST:
			if (cmp(cut_at(p + 56), newest) <= 0 || cmp(cut_at(p + 56), commit) <= 0 ||
			    get_le(p + 96, 8) != records || get_le(p + 104, 8) != descs ||
			    get_le(p + 112, 4) != csum)
				goto out;
			newest = cut_at(p + 56);
			m.chunks[m.nr_chunks].tag = newest;
			m.chunks[m.nr_chunks].flags = get_le(p + 44, 4);
			m.chunks[m.nr_chunks].first = first;
			m.chunks[m.nr_chunks++].nr = m.nr_data - first;
			first = m.nr_data;
			records = descs = csum = 0;
			break;
		case DMO_REC_COMMIT:
			if (cmp(cut_at(p + 56), commit) > 0)
				commit = cut_at(p + 56);
			break;
		case DMO_REC_JUMP:
			m.nr_data = first;
			records = descs = csum = 0;
			break;
		}
		i = 1 + (u32)get_le(p + 52, 4);
		m.max_seq = seq;
		used += i;
		pos = (pos + i) % ring_size;
		seq = get_le(p + 40, 4) == DMO_REC_JUMP ? get_le(p + 120, 8) : seq + 1;
		prev = (u32)get_le(p + 8, 4);
		if (get_le(p + 40, 4) == DMO_REC_LAST || get_le(p + 40, 4) == DMO_REC_COMMIT) {
			m.good_used = used;
			m.good_seq = seq;
			good = pos;
			doubt = false;
		}
		end = pos;
		end_used = used;
		if (m.bad_desc)
			return;
	}
out:
	m.unread |= doubt;
	if (cmp(commit, committed) > 0)
		committed = commit;
	/* a COMMIT behind the end, within reach, of a sequence to come, tells what was; or one skipped */
	for (i = 0; i < ring_size; i++) {
		const u8 *p = ring[i];
		bool skipped = end < good && i >= good && i + 129 >= ring_size;

		if (end_used + (i + ring_size - end) % ring_size >= (reach ?: ring_size) && !skipped)
			continue;
		if (i != unreadable && record_form(p) && get_le(p + 40, 4) == DMO_REC_COMMIT &&
		    was_used(get_le(p + 32, 8), seq, floor) && cmp(cut_at(p + 56), committed) > 0)
			committed = cut_at(p + 56);
	}
	m.committed = committed;
	m.complete = restored;
	m.restorable = restored;
	for (j = 0; j < m.nr_chunks; j++) {
		if (cmp(m.chunks[j].tag, m.complete) <= 0)
			m.bad_tag = true;
		m.complete = m.chunks[j].tag;
		m.copy_ended |= m.chunks[j].flags & 1;
		if (m.chunks[j].flags & 1)
			m.end_restorable = cmp(m.complete, committed) <= 0;
		if (cmp(m.complete, committed) <= 0) {
			m.to_restore = j + 1;
			m.restorable = m.complete;
		}
	}
}

/* What the data devices must hold. */
static struct { u8 *block[VOL_BLOCKS]; } disk[NR_VOLS];

static u8 *model_block(u64 v, u64 b)
{
	if (!disk[v].block[b])
		disk[v].block[b] = calloc(1, DMO_BLOCK);
	return disk[v].block[b];
}

static void model_reset(void)
{
	u64 v, b;

	for (v = 0; v < NR_VOLS; v++)
		for (b = 0; b < VOL_BLOCKS; b++) {
			free(disk[v].block[b]);
			disk[v].block[b] = NULL;
			if (b < PREFILLED)
				memset(model_block(v, b), 0xe0 + (int)v, DMO_BLOCK);
		}
}

static void model_apply(u32 from, u32 to)
{
	u32 c, r, i, s;

	for (c = from; c < to; c++) {
		for (r = 0; r < m.chunks[c].nr; r++) {
			u32 pos = m.data[m.chunks[c].first + r], at = pos + 1;

			for (i = 0; i < get_le(ring[pos] + 48, 4); i++) {
				const u8 *d = ring[pos] + 160 + 24 * i;
				u64 v = get_le(d, 4), b = get_le(d + 8, 8), n = desc_blocks(d);

				for (; d[4] == DMO_DESC_ZERO && n; n--, b++)
					memset(model_block(v, b), 0, DMO_BLOCK);
				if (d[4] != DMO_DESC_DATA)
					continue;
				for (s = 0; s < 8; s++)
					if (d[5] >> s & 1)
						memcpy(model_block(v, b) + 512 * s,
						       ring[at] + 512 * s, 512);
				at++;
			}
		}
	}
}

/*
 * What recovery finds must be what it would find again: no writer leaves a record from the floor on, nor
 * a COMMIT beyond the reach, both of which recovery raises. Return: was there one? It is no more.
 */
static bool outlaw(u32 tail, u64 floor)
{
	u64 far = max((u64)(reach ?: ring_size), m.good_used);
	bool any = false;
	u32 i;

	floor = max(floor, max(m.good_seq, m.max_seq) + 1);
	for (i = 0; i < ring_size; i++)
		if (record_form(ring[i]) &&
		    (get_le(ring[i] + 32, 8) >= floor || (get_le(ring[i] + 40, 4) == DMO_REC_COMMIT &&
		     (i + ring_size - tail) % ring_size >= far))) {
			memset(ring[i], 0, DMO_BLOCK);
			any = true;
		}
	return any;
}

/* -- the module ------------------------------------------------------------ */

static struct node node;
static char error[512];		/* the last one it logged */

void __wrap_sim_log(const char *prefix, const char *fmt, ...);
void __wrap_sim_log(const char *prefix, const char *fmt, ...)
{
	va_list ap;

	if (strncmp(prefix, "error", 5))
		return;
	va_start(ap, fmt);
	sim_vsnprintf(error, sizeof(error), fmt, ap);
	va_end(ap);
}

static void compare(const char *when)
{
	static const u8 zero[DMO_BLOCK];
	u64 v, b;

	for (v = 0; v < NR_VOLS; v++)
		for (b = 0; b < (vol_sectors[v] + 7) / 8; b++) {
			const u8 *is = disk_block(node.data[v], b), *want = disk[v].block[b];
			u64 n = min_t(u64, 8, vol_sectors[v] - 8 * b) * 512;

			if (is != want)
				must(!memcmp(is ?: zero, want ?: zero, n), "%s: volume %llu, block %llu",
				     when, v, b);
		}
}

static void settle(void)
{
	must(node_settle(&node, 20 * SIM_SEC), "the restore does not end: %s %s", sim_why, error);
}

/* @late: INCONSISTENT ends with a restore that may be done by now */
static void check_status(const char *when, bool consistent, bool late)
{
	struct dmo_session_status st;

	must(!node_call(&node, node_do_status, &st, SIM_SEC), "%s: no status: %s", when, sim_why);
	must(st.sec.complete.epoch == m.complete.epoch && st.sec.complete.n == m.complete.n,
	     "%s: boundary %llu.%llu, wanted %llu.%llu", when, st.sec.complete.epoch,
	     st.sec.complete.n, m.complete.epoch, m.complete.n);
	must(st.sec.committed.epoch == m.restorable.epoch && st.sec.committed.n == m.restorable.n,
	     "%s: committed %llu.%llu, wanted %llu.%llu", when, st.sec.committed.epoch,
	     st.sec.committed.n, m.restorable.epoch, m.restorable.n);
	must(late || !(st.flags & DMO_F_INCONSISTENT) == consistent, "%s: flags 0x%x: %s %s", when, st.flags,
	     st.why.text, error);
}

static int start(void)
{
	int rc;

	error[0] = '\0';
	rc = node_call(&node, node_do_start, NULL, 100 * SIM_SEC);
	must(!sim_failed, "%s", sim_why);
	return rc;
}

static u64 floor_of(const struct head *h)
{
	return !h->floor ? w.top + 1000 : h->floor == 1 ? 7 : ~0ull - h->floor * (STEP / 100);
}

static void write_image(const struct head *h, u32 tail)
{
	static const u64 slots[2] = { DMO_STATE_BLOCK0, DMO_STATE_BLOCK1 };
	u64 start = disk_sectors(node.meta) / 8 - ring_size, v, b;
	static u8 st[2][DMO_BLOCK];
	u32 i;

	memset(st, 0, sizeof(st));
	for (i = 0; i < 2; i++) {
		u8 *s = st[i];

		memcpy(s, "dmORDsta", 8);
		put_le(s + 16, 7, 8);
		memcpy(s + 24, uuid, 16);
		put_le(s + 40, 1, 8);
		put_le(s + 64, h->committed ? 1 : 0, 8);
		put_le(s + 72, h->committed, 8);
		put_le(s + 80, h->restored ? 1 : 0, 8);
		put_le(s + 88, h->restored, 8);
		put_le(s + 96, 12345, 8);
		put_le(s + 104, tail, 8);
		put_le(s + 112, h->first == 255 ? ~0ull - 20 : 1000, 8);
		put_le(s + 120, 0xabcd, 4);
		put_le(s + 128, floor_of(h), 8);
		put_le(s + 152, reach, 8);
		put_le(s + 160, h->restored ? 17 : 0, 8);
	}
	if (h->how & HEAD_OLD_STATE) {
		put_le(st[1] + 16, 6, 8);
		put_le(st[1] + 104, (tail + 5) % ring_size, 8);
		put_le(st[1] + 72, 77, 8);
	}
	for (i = 0; i < 2; i++)
		put_le(st[i] + 8, own_csum(st[i], 512, 8), 4);
	if (h->how & HEAD_TORN_STATE)
		st[1][100] ^= 0x10;
	for (i = 0; i < 2; i++)
		disk_write_now(node.meta, slots[i] * 8, 8, st[i ^ !!(h->how & HEAD_SWAP)]);
	for (i = 0; i < ring_size; i++)
		if (written[i])
			disk_write_now(node.meta, (start + i) * 8, 8, ring[i]);
	for (v = 0; v < NR_VOLS; v++)
		for (b = 0; b < PREFILLED; b++)
			disk_write_now(node.data[v], b * 8, 8, disk[v].block[b]);
}

static void make_node(const struct head *h)
{
	struct sim_params params = { .turn = 1000, .step_ns = 20000, .first_in = true };
	struct node_format f = { .role = DMO_ROLE_SECONDARY, .nr_volumes = NR_VOLS };
	u32 i;

	if (h->how & HEAD_TURNS)
		params = (struct sim_params){ .turn = 20, .step_ns = 20000 };
	sim_begin(h->seed, &params);
	sim_tracing = true;
	for (i = 0; i < NR_VOLS; i++)
		f.sectors[i] = vol_sectors[i];
	f.meta_blocks = 128 + NR_VOLS + ring_size;	/* a block of dirty bitmap a volume */
	f.flags = h->how & HEAD_CONSISTENT ? DMO_SBF_ASSUME_EQUAL : 0;
	node_init(&node, "s", &f);
	node_format(&node, &f);
	if (h->how & HEAD_COPY) {
		static u8 sb[DMO_SB_BYTES];

		for (i = 0; i < 2; i++) {
			disk_read_now(node.meta, (i ? DMO_SB_BLOCK1 : DMO_SB_BLOCK0) * 8, 64, sb);
			put_le(sb + 176, 4711, 8);
			sb[132] |= DMO_SBF_INCONSISTENT;
			put_le(sb + 8, own_csum(sb, DMO_SB_BYTES, 8), 4);
			disk_write_now(node.meta, (i ? DMO_SB_BLOCK1 : DMO_SB_BLOCK0) * 8, 64, sb);
		}
	}
}

/* Must this be refused? */
static bool hopeless(const struct head *h)
{
	u64 floor = floor_of(h);

	if (m.bad_desc || m.bad_tag || m.unread || m.good_used + 2 > ring_size)
		return true;
	floor = max(floor, max(m.good_seq, m.max_seq) + 1);
	return floor > ~0ull - 2 * STEP;
}

static void power_cut(const struct head *h)
{
	struct sim_rng r = { h->seed };

	node_crash(&node, h->survive % 4, &r);
	node_boot(&node);
}

/*
 * A byte of a complete chunk that isn't committed changes. Return: the chunk, or -1: nothing that
 * matters was changed.
 */
static int late_damage(const struct head *h)
{
	u32 n = m.nr_chunks - m.to_restore, c, pos, at, i, sector = h->late_at % DMO_BLOCK / 512;
	u64 start = disk_sectors(node.meta) / 8 - ring_size;
	static u8 block[DMO_BLOCK];
	int nr = -1;

	if (!h->late || !n)
		return -1;
	c = m.to_restore + h->late_chunk % n;
	if (!m.chunks[c].nr)
		return -1;
	pos = m.data[m.chunks[c].first + h->late_record % m.chunks[c].nr];
	if (record_form(ring[0]) && get_le(ring[0] + 32, 8) == get_le(ring[pos] + 32, 8))
		return -1;	/* it is at the beginning, too, and is found there */
	at = pos + h->late_block % (1 + (u32)get_le(ring[pos] + 52, 4));
	memcpy(block, ring[at], DMO_BLOCK);
	block[h->late_at % DMO_BLOCK] ^= h->late;
	disk_write_now(node.meta, (start + at) * 8, 8, block);
	if (at == pos)
		return (int)c;
	for (i = 0; nr != (int)(at - pos) - 1; i++)
		nr += ring[pos][160 + 24 * i + 4] == DMO_DESC_DATA;
	return ring[pos][160 + 24 * (i - 1) + 5] >> sector & 1 ? (int)c : -1;
}

/* Chunk @c is damaged: what was before it is there, and what it does not speak of is as it was. */
static void compare_but(u32 c)
{
	u32 r, i;

	model_apply(m.to_restore, c);
	for (r = 0; r < m.chunks[c].nr; r++) {
		u32 pos = m.data[m.chunks[c].first + r];

		for (i = 0; i < get_le(ring[pos] + 48, 4); i++) {
			const u8 *d = ring[pos] + 160 + 24 * i;
			u64 v = get_le(d, 4), b = get_le(d + 8, 8), n = desc_blocks(d);

			for (; n; n--, b++)
				if (disk_block(node.data[v], b))
					memcpy(model_block(v, b), disk_block(node.data[v], b), DMO_BLOCK);
				else
					memset(model_block(v, b), 0, DMO_BLOCK);
		}
	}
	compare("damaged");
}

static void finish(const struct head *h, bool promotable)
{
	struct node_promotion pr = { .force = !promotable };
	struct dmo_session_status st;
	int bad = -1, rc;

	if (h->how & HEAD_PROMOTE) {
		bad = late_damage(h);
		rc = node_call(&node, node_do_promote, &pr, 100 * SIM_SEC);
		must(!sim_failed && rc != -ETIMEDOUT, "%s", sim_why);
		if (bad < 0) {
			must(!rc, "no promotion: %d %s %s", rc, node.why.text, error);
			must(pr.cut.epoch == m.complete.epoch && pr.cut.n == m.complete.n,
			     "promoted at %llu.%llu", pr.cut.epoch, pr.cut.n);
			model_apply(m.to_restore, m.nr_chunks);
			compare("promoted");
		} else {
			must(rc && node.why.text[0], "damage in chunk %d: rc %d, %s", bad, rc, node.why.text);
			must(!node_call(&node, node_do_status, &st, SIM_SEC), "no status: %s", sim_why);
			/* it might be at the beginning of the ring, which can't be read just now */
			must((rc == -EUCLEAN && st.flags & DMO_F_INCONSISTENT) ||
			     (rc == -EIO && !unreadable), "damage in chunk %d: rc %d, flags 0x%x, %s", bad,
			     rc, st.flags, node.why.text);
			compare_but((u32)bad);
		}
	}
	must(!node_call(&node, node_do_stop, NULL, 100 * SIM_SEC) && !sim_failed, "stop: %s", sim_why);
}

/*
 * A later recovery may be refused where the first was not: each raises the floor of the sequences, till
 * there is no more room for it; and behind the JUMP of the first may lie the block that can't be read.
 */
static bool rightly_refused(const struct head *h, int rc)
{
	if (!(rc && floor_of(h) > ~0ull - 10 * STEP && strstr(error, "sequence floor")) &&
	    !(rc == -EIO && unreadable < MAX_RING && strstr(error, "can't be read")))
		return false;
	must(!node_call(&node, node_do_stop, NULL, 100 * SIM_SEC) && !sim_failed, "stop: %s", sim_why);
	return true;
}

/* Two copies are of use only if the older one says the same. */
static void check_copies(void)
{
	static u8 sb[2][DMO_SB_BYTES];

	disk_read_now(node.meta, DMO_SB_BLOCK0 * 8, 64, sb[0]);
	disk_read_now(node.meta, DMO_SB_BLOCK1 * 8, 64, sb[1]);
	must(!memcmp(sb[0], sb[1], DMO_SB_BYTES), "the superblock's copies differ: generations %llu, %llu",
	     get_le(sb[0] + 16, 8), get_le(sb[1] + 16, 8));
}

static void run(const struct head *h, u32 tail)
{
	struct cut restored = { h->restored ? 1 : 0, h->restored };
	struct cut committed = { h->committed ? 1 : 0, h->committed };
	bool consistent = h->how & HEAD_CONSISTENT && !(h->how & HEAD_COPY), ended;
	u64 seq = h->first == 255 ? ~0ull - 20 : 1000;
	char text[64];
	int rc;

	do {
		scan(tail, seq, 0xabcd, floor_of(h), restored, committed);
	} while (outlaw(tail, floor_of(h)));
	make_node(h);
	model_reset();
	write_image(h, tail);
	if (unreadable < MAX_RING) {
		u64 at = (disk_sectors(node.meta) / 8 - ring_size + unreadable) * 8;

		*disk_faults(node.meta) = (struct disk_faults){ .read = 256, .from = at, .to = at + 8 };
	}
	node_boot(&node);
	if (hopeless(h)) {
		rc = start();
		must(rc && rc != -ETIMEDOUT,
		     "rc %d of what can't be: descriptor %d, tag %d, unreadable %d, %llu of %u blocks",
		     rc, m.bad_desc, m.bad_tag, m.unread, m.good_used, ring_size);
		must(error[0], "error %d without a reason", rc);
		snprintf(text, sizeof(text), "block %u can't be read", unreadable);
		must(!m.unread || m.bad_desc || strstr(error, text), "%s, but it is said: %s", text, error);
		compare("refused");
		must(!node_call(&node, node_do_stop, NULL, 100 * SIM_SEC) && !sim_failed, "stop: %s",
		     sim_why);
		return;
	}
	if (h->crash || h->nth) {
		node.host->fails.nth = h->nth;
		if (h->crash)
			sim_stop_at = sim_steps + h->crash;
		start();
		sim_stop_at = ~0ull;
		node.host->fails.nth = 0;
		power_cut(h);
	}
	ended = h->how & HEAD_COPY && m.copy_ended && cmp(m.committed, m.complete) <= 0;
	if (cmp(m.committed, m.complete) > 0)
		consistent = false;
	else if (ended)
		consistent = m.end_restorable;
	rc = start();
	if ((h->crash || h->nth) && rightly_refused(h, rc))
		return;
	must(!rc, "refused: %d %s", rc, error);
	must(consistent || h->crash || h->nth || !(h->how & HEAD_CONSISTENT) || h->how & HEAD_COPY || error[0],
	     "damage without a word");
	check_status("recovered", consistent, ended && consistent);
	if (!(h->survive & 4)) {
		settle();
		check_status("restored", consistent, false);
		model_apply(0, m.to_restore);
		compare("restored");
		power_cut(h);
		rc = start();
		if (rightly_refused(h, rc))
			return;
		must(!rc, "refused the second time: %d %s", rc, error);
		check_status("again", consistent, false);
		settle();
	} else {
		power_cut(h);
		rc = start();
		if (rightly_refused(h, rc))
			return;
		must(!rc, "refused the second time: %d %s", rc, error);
		check_status("again", consistent, ended && consistent);
		settle();
		check_status("restored", consistent, false);
		model_apply(0, m.to_restore);
	}
	compare("again");
	check_copies();
	finish(h, consistent || ended);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct in in = { data, size };
	struct head h;
	struct item it;
	u32 tail;

	in_bytes(&in, &h, sizeof(h));
	ring_size = 256 + h.ring % (MAX_RING - 256);
	tail = h.tail % ring_size;
	reach = h.reach % (ring_size + 1);
	unreadable = h.unreadable ? (h.unreadable - 1u) % ring_size : MAX_RING;
	memset(written, 0, sizeof(written));
	memset(ring, 0, ring_size * sizeof(ring[0]));
	memset(&w, 0, sizeof(w));
	w.pos = tail;
	w.seq = h.first == 255 ? ~0ull - 20 : 1000;
	w.prev = 0xabcd;
	w.tag = h.restored;
	while (in.left && w.nr < MAX_RECS) {
		in_bytes(&in, &it, sizeof(it));
		it.kind %= KINDS;
		follow(&it, tail);
	}
	run(&h, tail);
	return 0;
}

/* -- mutation: whole items, or any bytes ---------------------------------------- */

size_t LLVMFuzzerMutate(u8 *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(u8 *data, size_t size, size_t max_size, unsigned int seed);

size_t LLVMFuzzerCustomMutator(u8 *data, size_t size, size_t max_size, unsigned int seed)
{
	struct sim_rng r = { seed };
	struct item *items = (void *)(data + sizeof(struct head)), t;
	u32 n, max, i, j;

	if (max_size < sizeof(struct head) + sizeof(t) || rng_below(&r, 4) == 0)
		return LLVMFuzzerMutate(data, size, max_size);
	if (size < sizeof(struct head)) {
		memset(data + size, 0, sizeof(struct head) - size);
		size = sizeof(struct head);
	}
	n = (u32)((size - sizeof(struct head)) / sizeof(t));
	max = (u32)((max_size - sizeof(struct head)) / sizeof(t));
	i = n ? rng_below(&r, n) : 0;
	j = n ? rng_below(&r, n) : 0;
	switch (rng_below(&r, 8)) {
	case 0:			/* a new one, good */
	case 1:
		memset(&t, 0, sizeof(t));
		t.kind = (u8)rng_below(&r, KINDS);
		t.nr = (u8)rng_next(&r);
		t.block = (u8)rng_below(&r, 40);
		t.at = (u16)rng_next(&r);
		if (n >= max)
			return LLVMFuzzerMutate(data, size, max_size);
		memmove(items + i + 1, items + i, (n - i) * sizeof(t));
		items[i] = t;
		n++;
		break;
	case 2:			/* one twice, somewhere */
		if (n >= max || !n)
			return LLVMFuzzerMutate(data, size, max_size);
		t = items[j];
		memmove(items + i + 1, items + i, (n - i) * sizeof(t));
		items[i] = t;
		n++;
		break;
	case 3:			/* one less */
		if (!n)
			break;
		memmove(items + i, items + i + 1, (n - i - 1) * sizeof(t));
		n--;
		break;
	case 4:			/* exchanged */
		if (!n)
			break;
		t = items[i];
		items[i] = items[j];
		items[j] = t;
		break;
	case 5:			/* the head */
		LLVMFuzzerMutate(data, sizeof(struct head), sizeof(struct head));
		break;
	default:		/* bytes of one */
		if (n)
			LLVMFuzzerMutate((void *)&items[i], sizeof(t), sizeof(t));
	}
	return sizeof(struct head) + n * sizeof(t);
}
