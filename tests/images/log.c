// SPDX-License-Identifier: GPL-2.0-only
/* A log of dm-recorder (../vm/powercut/record.h), taken apart. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "../vm/powercut/record.h"
#include "images.h"

#define MAX_RECORDED	32u

static const struct rec_entry *at(const uint8_t *map, size_t len, size_t off)
{
	const struct rec_entry *e = (const void *)(map + off);

	if (off + sizeof(*e) > len || e->magic != REC_MAGIC || off + REC_SIZE(e->bytes) > len)
		die("the log is damaged at byte %zu", off);
	return e;
}

/* where a recorded disk is */
struct where {
	struct disks *m;
	struct trace *t;
	uint32_t nr;
};

/* "sec a-sd1": host, and a name that ends in m (metadata) or d and the volume's number */
static struct where add_disk(struct log *l, const struct rec_entry *e, const char *text)
{
	char host[REC_TEXT], name[REC_TEXT];
	struct where w = { 0 };
	struct disk *d;
	const char *p;

	if (sscanf(text, "%63s %63s", host, name) != 2)
		die("disk %u has the text '%s'", e->disk, text);
	if (!strcmp(host, "sec"))
		w = (struct where) { &l->sec, &l->sec_trace, l->sec.nr };
	else if (!strcmp(host, "pri"))
		w = (struct where) { &l->pri, &l->pri_trace, l->pri.nr };
	if (!w.m || w.nr == MAX_DISKS)
		die("no place for disk '%s'", text);
	d = &w.m->d[w.m->nr++];
	p = strrchr(name, 'd');
	d->volume = p ? atoi(p + 1) : 0;
	if ((!d->volume && name[strlen(name) - 1] != 'm') || d->volume > (int)MAX_VOLS)
		die("disk '%s' is neither data nor metadata", text);
	snprintf(d->name, sizeof(d->name), "%.31s", name);
	d->sectors = e->sectors;
	d->data = must(calloc(e->sectors, SECTOR));
	d->hash = must(calloc(e->sectors, sizeof(*d->hash)));
	return w;
}

static const char *const mark_names[MARK_NR] = {
	[MARK_COMPLETE] = "complete",
	[MARK_COMMITTED] = "committed",
	[MARK_RESTORED] = "restored",
	[MARK_DIRECT] = "direct",
};

static void add_mark(struct log *l, uint32_t pos, const char *text)
{
	unsigned long long epoch = 0, n = 0;
	char word[REC_TEXT];
	unsigned int i;

	if (sscanf(text, "%63s %llu.%llu", word, &epoch, &n) < 1)
		return;
	for (i = 0; i < MARK_CUT; i++) {
		if (strcmp(word, mark_names[i]))
			continue;
		if (l->nr_marks % 256 == 0)
			l->marks = must(realloc(l->marks, (l->nr_marks + 256) * sizeof(*l->marks)));
		l->marks[l->nr_marks++] = (struct point) { pos, i, { epoch, n } };
	}
}

/* ---- the oracle ---- */

struct building {
	struct oracle *o;
	struct wr **expect[MAX_VOLS];	/* of each sector: the write whose data is to come */
	uint32_t room_w;
};

static void traced_write(struct building *b, uint32_t pos, const struct rec_entry *e)
{
	uint32_t v = e->disk - 1, i;
	struct oracle *o = b->o;
	struct wr *w;

	if (v >= o->nr_vols || e->sector + e->sectors > o->sectors[v])
		die("entry %u: a write beyond volume %u", pos, e->disk);
	if (o->nr_w == b->room_w) {
		b->room_w = b->room_w ? 2 * b->room_w : 1024;
		o->w = must(realloc(o->w, b->room_w * sizeof(*o->w)));
	}
	w = must(calloc(1, sizeof(*w)));
	*w = (struct wr) { .pos = pos, .volume = v, .nr = (uint32_t)e->sectors,
		.sector = e->sector, .seq = e->seq, .zero = e->op == REC_OP_ZERO };
	w->data = must(calloc(w->nr, SECTOR));
	w->old = must(calloc(w->nr, SECTOR));
	o->w[o->nr_w++] = w;
	for (i = 0; i < w->nr; i++) {
		if (b->expect[v][w->sector + i])
			die("entry %u: volume %u, sector %llu: a write was captured while another was under way",
			    pos, e->disk, (unsigned long long)w->sector + i);
		b->expect[v][w->sector + i] = w;
	}
}

static const uint8_t zeroes[SECTOR];

/* The primary's data device is written to: that is what a write captured just before must carry. */
static void local_write(struct building *b, uint32_t pos, const struct rec_entry *e, int volume)
{
	const uint8_t *data = (const void *)(e + 1);
	uint32_t v = (uint32_t)volume - 1;
	uint64_t i;

	for (i = 0; i < e->sectors; i++) {
		const uint8_t *p = e->op == REC_OP_WRITE ? data + i * SECTOR : zeroes;
		struct wr *w = b->expect[v][e->sector + i];

		if (!w)
			die("entry %u: volume %d, sector %llu: written, but not captured", pos, volume,
			    (unsigned long long)(e->sector + i));
		b->expect[v][e->sector + i] = NULL;
		if (w->zero && memcmp(p, zeroes, SECTOR))
			die("entry %u: volume %d: a discard writes something", pos, volume);
		memcpy(w->data + (e->sector + i - w->sector) * SECTOR, p, SECTOR);
	}
}

static int by_seq(const void *a, const void *b)
{
	const struct wr *x = *(struct wr *const *)a, *y = *(struct wr *const *)b;

	if (x->seq != y->seq)
		return x->seq < y->seq ? -1 : 1;
	return x->pos < y->pos ? -1 : x->pos > y->pos;
}

/* Two writes to a sector must have come in the order of their cycles. */
static void check_order(const struct oracle *o)
{
	const struct wr **last[MAX_VOLS];
	uint32_t v, i, s;

	for (v = 0; v < o->nr_vols; v++)
		last[v] = must(calloc(o->sectors[v], sizeof(**last)));
	for (i = 0; i < o->nr_w; i++) {
		const struct wr *w = o->w[i];

		for (s = 0; s < w->nr; s++) {
			const struct wr **p = &last[w->volume][w->sector + s];

			if (*p && (*p)->pos > w->pos)
				die("volume %u, sector %llu: cycle %llu was captured at entry %u, before it cycle %llu at entry %u",
				    w->volume + 1, (unsigned long long)w->sector + s,
				    (unsigned long long)w->seq, w->pos,
				    (unsigned long long)(*p)->seq, (*p)->pos);
			*p = w;
		}
	}
	for (v = 0; v < o->nr_vols; v++)
		free(last[v]);
}

/* Apply or take back one write. */
static void step(struct oracle *o, bool forth)
{
	struct wr *w = forth ? o->w[o->at++] : o->w[--o->at];
	uint8_t *p = o->now[w->volume] + w->sector * SECTOR;

	if (forth)
		memcpy(w->old, p, w->nr * SECTOR);
	memcpy(p, forth ? w->data : w->old, w->nr * SECTOR);
}

bool oracle_seek(struct oracle *o, struct cut cut, uint32_t pos)
{
	uint64_t seq = 0;
	uint32_t i;

	if (cut.n || cut.epoch) {
		for (i = 0; i < o->nr_cuts && cut_cmp(o->cuts[i].cut, cut); i++)
			;
		if (i == o->nr_cuts || o->cuts[i].pos > pos)
			return false;
		seq = cut.n;
	}
	while (o->at < o->nr_w && o->w[o->at]->seq <= seq)
		step(o, true);
	while (o->at && o->w[o->at - 1]->seq > seq)
		step(o, false);
	return true;
}

void oracle_explain(const struct oracle *o, uint32_t volume, uint64_t sector, const uint8_t *data)
{
	uint32_t i;

	for (i = 0; i < o->nr_w; i++) {
		const struct wr *w = o->w[i];

		if (w->volume == volume && w->sector <= sector && sector < w->sector + w->nr)
			printf("volume %u, sector %llu: cycle %llu, captured at entry %u%s%s%s\n", volume + 1,
			       (unsigned long long)sector, (unsigned long long)w->seq, w->pos,
			       w->zero ? ", zeroed" : "", i < o->at ? "" : ", later",
			       memcmp(data, w->data + (sector - w->sector) * SECTOR, SECTOR) ?
			       "" : ": this is there");
	}
}

static void start_oracle(struct log *l, struct building *b)
{
	struct oracle *o = &l->oracle;
	uint32_t i;

	b->o = o;
	for (i = 0; i < l->sec.nr; i++) {
		const struct disk *d = &l->sec.d[i];
		uint32_t v = (uint32_t)d->volume - 1;

		if (!d->volume)
			continue;
		if (d->volume > (int)o->nr_vols)
			o->nr_vols = (uint32_t)d->volume;
		o->sectors[v] = d->sectors;
		b->expect[v] = must(calloc(d->sectors, sizeof(*b->expect[v])));
	}
}

static void add_cut(struct oracle *o, uint32_t pos, const struct rec_entry *e)
{
	if (e->seq != e->n)
		die("entry %u: cycle %llu ended at a cut of another number, %llu", pos,
		    (unsigned long long)e->seq, (unsigned long long)e->n);
	if (o->nr_cuts % 256 == 0)
		o->cuts = must(realloc(o->cuts, (o->nr_cuts + 256) * sizeof(*o->cuts)));
	o->cuts[o->nr_cuts++] = (struct point) { pos, MARK_CUT, { e->id, e->n } };
}

/* ---- */

static void add_submit(struct where *w, const struct rec_entry *e, uint32_t pos, uint32_t *io_of,
		       size_t nr)
{
	struct io io = {
		.op = e->op, .flags = (uint8_t)e->flags, .disk = w->nr, .nr = (uint32_t)e->sectors,
		.sector = e->sector, .data = e->bytes ? (const void *)(e + 1) : NULL,
	};

	if ( e->op < IO_WRITE || e->op > IO_FLUSH ||
	    (e->op == REC_OP_WRITE && e->bytes != e->sectors * SECTOR) ||
	    e->sector + e->sectors > w->m->d[w->nr].sectors)
		die("entry %u: bad I/O", pos);
	io_of[nr] = trace_submit(w->t, &io, pos);
}

void log_read(struct log *l, const char *path)
{
	struct where disks[MAX_RECORDED] = { { 0 } }, *w;
	const struct rec_entry *e = NULL;
	struct building b = { 0 };
	uint64_t off = 0, first_id = 0;
	uint32_t pos = 0, *io_of, i;
	struct stat st;
	uint8_t *map;
	size_t max;
	int fd;

	memset(l, 0, sizeof(*l));
	l->path = path;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) || !st.st_size)
		die("%s can't be read", path);
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		die("%s can't be mapped", path);
	close(fd);
	max = (size_t)st.st_size / sizeof(*e) + 2;
	io_of = must(malloc(max * sizeof(*io_of)));
	for (; off < (uint64_t)st.st_size; off += REC_SIZE(e->bytes), pos++) {
		e = at(map, (size_t)st.st_size, off);
		w = e->disk < MAX_RECORDED ? &disks[e->disk] : NULL;
		if (e->type <= REC_COMPLETE && (!w || (e->type != REC_DISK && !w->m)))
			die("entry %u: there is no disk %u", pos, e->disk);
		if (e->type > REC_INIT && !b.o)
			start_oracle(l, &b);
		switch (e->type) {
		case REC_DISK:
			*w = add_disk(l, e, (const char *)(e + 1));
			break;
		case REC_INIT:
			memcpy(w->m->d[w->nr].data + e->sector * SECTOR, e + 1, e->bytes);
			break;
		case REC_SUBMIT:
			if (!first_id)
				first_id = e->id;
			add_submit(w, e, pos, io_of, e->id - first_id);
			if (w->m == &l->pri && w->m->d[w->nr].volume && e->sectors)
				local_write(&b, pos, e, w->m->d[w->nr].volume);
			break;
		case REC_COMPLETE:
			if (e->flags & REC_CHANGED)
				die("entry %u: %s: data was changed while it was written", pos,
				    w->m->d[w->nr].name);
			trace_complete(w->t, io_of[e->id - first_id], pos);
			break;
		case REC_MARK:
			add_mark(l, pos, (const char *)(e + 1));
			break;
		case REC_WRITE:
			traced_write(&b, pos, e);
			break;
		case REC_CUT:
			add_cut(&l->oracle, pos, e);
			break;
		case REC_END:
			if (e->id != pos)
				die("the log has %u entries, should have %llu", pos,
				    (unsigned long long)e->id);
			break;
		default:
			die("entry %u is of no known type, %u", pos, e->type);
		}
	}
	if (!e || e->type != REC_END)
		die("the log has no end");
	if (!l->oracle.nr_vols || !l->pri.nr)
		die("the log is of no session");
	for (i = 0; i < l->sec.nr; i++)
		if (l->sec.d[i].volume && memcmp(l->sec.d[i].data, l->pri.d[i].data,
						 l->sec.d[i].sectors * SECTOR))
			die("%s and %s were not equal at the beginning", l->sec.d[i].name,
			    l->pri.d[i].name);
	free(io_of);
	qsort(l->oracle.w, l->oracle.nr_w, sizeof(*l->oracle.w), by_seq);
	check_order(&l->oracle);
	for (i = 0; i < l->sec.nr; i++) {
		const struct disk *d = &l->sec.d[i];

		if (!d->volume)
			continue;
		l->oracle.now[d->volume - 1] = must(malloc(d->sectors * SECTOR));
		memcpy(l->oracle.now[d->volume - 1], d->data, d->sectors * SECTOR);
	}
	disks_rehash(&l->sec);
	disks_rehash(&l->pri);
}
