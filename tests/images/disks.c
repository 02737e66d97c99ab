// SPDX-License-Identifier: GPL-2.0-only
/* The disks of a host in memory, with a hash that follows every change, and a way back. */
#include <stdlib.h>
#include <string.h>
#include "images.h"

static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

uint64_t sector_hash(const uint8_t *p)
{
	uint64_t h[4] = { 1, 2, 3, 4 }, w[4];
	unsigned int i, k;

	for (i = 0; i < SECTOR; i += sizeof(w)) {
		memcpy(w, p + i, sizeof(w));
		for (k = 0; k < 4; k++) {
			h[k] = (h[k] ^ w[k]) * 0x9fb21c651e98df25ull;
			h[k] ^= h[k] >> 32;
		}
	}
	h[0] = mix(h[0] ^ mix(h[1] ^ mix(h[2] ^ mix(h[3]))));
	return h[0] | 1;	/* 0: not known */
}

static uint64_t zero_hash(void)
{
	static const uint8_t zero[SECTOR];
	static uint64_t h;

	if (!h)
		h = sector_hash(zero);
	return h;
}

static uint64_t term(uint32_t disk, uint64_t sector, uint64_t hash)
{
	return mix(hash ^ (((uint64_t)disk << 40 | sector) + 1) * 0x9e3779b97f4a7c15ull);
}

void disks_rehash(struct disks *m)
{
	uint32_t i;
	uint64_t s;

	m->hash = 0;
	for (i = 0; i < m->nr; i++) {
		struct disk *d = &m->d[i];

		for (s = 0; s < d->sectors; s++) {
			d->hash[s] = sector_hash(d->data + s * SECTOR);
			m->hash ^= term(i, s, d->hash[s]);
		}
	}
}

static void keep(struct disks *m, uint32_t disk, uint64_t sector)
{
	struct disk *d = &m->d[disk];

	if (m->nr_undo == m->room_undo) {
		m->room_undo = m->room_undo ? 2 * m->room_undo : 4096;
		m->undo = must(realloc(m->undo, m->room_undo * sizeof(*m->undo)));
		m->undo_data = must(realloc(m->undo_data, m->room_undo * SECTOR));
	}
	m->undo[m->nr_undo] = (struct undo) { disk, sector, d->hash[sector] };
	memcpy(m->undo_data + m->nr_undo * SECTOR, d->data + sector * SECTOR, SECTOR);
	m->nr_undo++;
}

void disks_set(struct disks *m, uint32_t disk, uint64_t sector, const uint8_t *data, uint64_t hash)
{
	struct disk *d = &m->d[disk];

	if (!hash)
		hash = data ? sector_hash(data) : zero_hash();
	if (hash == d->hash[sector])
		return;
	if (m->undoing)
		keep(m, disk, sector);
	m->hash ^= term(disk, sector, d->hash[sector]) ^ term(disk, sector, hash);
	d->hash[sector] = hash;
	if (data)
		memcpy(d->data + sector * SECTOR, data, SECTOR);
	else
		memset(d->data + sector * SECTOR, 0, SECTOR);
}

void disks_io(struct disks *m, struct io *io, uint32_t sector)
{
	if (io->op == IO_ZERO) {
		disks_set(m, io->disk, io->sector + sector, NULL, 0);
		return;
	}
	if (!io->hash)
		io->hash = must(calloc(io->nr, sizeof(*io->hash)));
	if (!io->hash[sector])
		io->hash[sector] = sector_hash(io->data + sector * SECTOR);
	disks_set(m, io->disk, io->sector + sector, io->data + sector * SECTOR, io->hash[sector]);
}

void disks_undo(struct disks *m, size_t upto)
{
	while (m->nr_undo > upto) {
		struct undo *u = &m->undo[--m->nr_undo];
		struct disk *d = &m->d[u->disk];

		m->hash ^= term(u->disk, u->sector, d->hash[u->sector]) ^
			   term(u->disk, u->sector, u->hash);
		d->hash[u->sector] = u->hash;
		memcpy(d->data + u->sector * SECTOR, m->undo_data + m->nr_undo * SECTOR, SECTOR);
	}
}
