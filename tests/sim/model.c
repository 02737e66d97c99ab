// SPDX-License-Identifier: GPL-2.0-only
/* See model.h. */
#include "model.h"

#define MAX_VERSIONS	400000
#define MAX_CUTS	4096
#define WORDS		64

struct model m;
struct version versions[MAX_VERSIONS];
static struct cut_record cuts[MAX_CUTS];

/* ---- contents: 512 bytes that one number makes, or anything else ---- */

/* products of the constant need no multiplication: the loops below become vectors */
static inline u64 word(u64 tag, u32 i)
{
	return tag ^ ((u64)(i * 0x9e3779b9u) << 32 | i * 0x85ebca6bu);
}

void sector_fill(void *data, u64 tag)
{
	u64 *w = data;
	u32 i;

	if (!tag) {
		memset(data, 0, 512);
		return;
	}
	for (i = 0; i < WORDS; i++)
		w[i] = word(tag, i);
}

__attribute__((optimize("O3")))
u64 sector_tag(const void *data)
{
	const u64 *w = data;
	u64 bad = 0, any = 0, sum = 0;
	u32 i;

	for (i = 0; i < WORDS; i++) {
		bad |= w[i] ^ word(w[0], i);
		any |= w[i];
	}
	if (!any)
		return 0;
	if (!bad)
		return w[0];
	/* of two writes, or of none of ours */
	for (i = 0; i < WORDS; i++)
		sum = (sum ^ w[i]) * 0x100000001b3ull + (sum >> 29);
	return sum | 1;
}

u64 block_tag(const void *block, u32 sector)
{
	return block ? sector_tag((const char *)block + sector * 512) : 0;
}

/* ---- history ---- */

void model_reset(void)
{
	memset(&m, 0, sizeof(m));
	m.nr_versions = 1;
}

static void push(u32 sector, u32 era, u64 seq, u64 tag)
{
	struct version *v = &versions[m.head[sector]];

	if (m.head[sector] != NO_VERSION && v->era == era && v->seq > seq)
		sim_fail("sector %u of volume %u: a write of cycle %llu is stored behind one of %llu",
			 sector % MODEL_SECTORS, sector / MODEL_SECTORS, seq, v->seq);
	if (m.nr_versions == MAX_VERSIONS)
		sim_fail("too many versions");
	versions[m.nr_versions] = (struct version) { tag, seq, era, m.head[sector], sector };
	m.head[sector] = m.nr_versions++;
}

void model_era(struct node *n)
{
	u32 v, s, k;
	u64 b;

	m.era++;
	for (v = 0; v < n->nr_volumes; v++) {
		for (b = 0; b * 8 < n->sectors[v]; b++) {
			const void *data = disk_block(n->data[v], b);

			for (k = 0; k < 8 && b * 8 + k < n->sectors[v]; k++) {
				s = v * MODEL_SECTORS + b * 8 + k;
				if (!data && m.head[s] == NO_VERSION)
					continue;
				if (versions[m.head[s]].tag != block_tag(data, k))
					push(s, m.era, 0, block_tag(data, k));
			}
		}
	}
}

void model_write(u32 volume, u64 lba, u32 sectors, u64 seq)
{
	u64 *p = &m.pending[volume * MODEL_SECTORS + lba];

	while (sectors--)
		*p++ = seq;
}

void model_stored(struct node *n, u32 volume, u64 sector, u32 nr)
{
	for (; nr; nr--, sector++) {
		u32 s = volume * MODEL_SECTORS + (u32)sector;

		push(s, m.era, m.pending[s], block_tag(disk_block(n->data[volume], sector / 8),
						       sector % 8));
	}
}

void model_cut(u64 seq, struct dmo_cut cut)
{
	if (m.nr_cuts == MAX_CUTS)
		sim_fail("too many cuts");
	if (m.nr_cuts > m.lineage && dmo_cut_cmp(cut, cuts[m.nr_cuts - 1].cut) <= 0)
		sim_fail("cut %llu.%llu is not above the last one, %llu.%llu", cut.epoch, cut.n,
			 cuts[m.nr_cuts - 1].cut.epoch, cuts[m.nr_cuts - 1].cut.n);
	cuts[m.nr_cuts++] = (struct cut_record) { cut, seq, m.era };
}

const struct cut_record *model_find(struct dmo_cut cut)
{
	u32 i;

	for (i = m.nr_cuts; i--; )
		if (!dmo_cut_cmp(cuts[i].cut, cut))
			return &cuts[i];
	return NULL;
}

struct dmo_cut model_newest(void)
{
	return m.nr_cuts ? cuts[m.nr_cuts - 1].cut : (struct dmo_cut){ 0 };
}

void model_lineage(void)
{
	m.lineage = m.nr_cuts;
}

void model_note_committed(struct dmo_cut cut)
{
	if (dmo_cut_cmp(cut, m.committed) > 0)
		m.committed = cut;
}

void model_note_complete(struct dmo_cut cut)
{
	if (dmo_cut_cmp(cut, m.complete) > 0)
		m.complete = cut;
}

/* ---- comparison ---- */

static u64 tag_at(u32 sector, u32 era, u64 seq)
{
	u32 i = m.head[sector];

	while (i != NO_VERSION && (versions[i].era > era ||
				   (versions[i].era == era && versions[i].seq > seq)))
		i = versions[i].prev;
	return i == NO_VERSION ? 0 : versions[i].tag;
}

static void compare(struct node *n, u32 era, u64 seq, const char *what)
{
	u32 v, s, k, bad = 0;
	u64 b;

	for (v = 0; v < n->nr_volumes; v++) {
		for (b = 0; b * 8 < n->sectors[v]; b++) {
			const void *data = disk_block(n->data[v], b);

			for (k = 0; k < 8 && b * 8 + k < n->sectors[v]; k++) {
				u64 want, have;

				s = v * MODEL_SECTORS + b * 8 + k;
				if (!data && m.head[s] == NO_VERSION)
					continue;
				want = tag_at(s, era, seq);
				have = block_tag(data, k);
				if (want == have)
					continue;
				if (!bad++)
					sim_fail_note("%s: volume %u, sector %llu holds %016llx instead of %016llx of era %u cycle %llu",
						      what, v, b * 8 + k, have, want, era, seq);
				if (sim_tracing && bad < 20) {
					u32 i;

					sim_log("differs: ", "volume %u sector %llu: %016llx, wanted %016llx",
						v, b * 8 + k, have, want);
					for (i = m.head[s]; i != NO_VERSION; i = versions[i].prev)
						sim_log("  history: ", "era %u seq %llu %016llx",
							versions[i].era, versions[i].seq,
							versions[i].tag);
				}
			}
		}
	}
}

void model_check(struct node *n, struct dmo_cut cut, const char *what)
{
	const struct cut_record *c = model_find(cut);

	if (dmo_cut_is_zero(cut) && m.equal_start)
		compare(n, 1, 0, what);
	else if (!c)
		sim_fail_note("%s: the cut %llu.%llu was never made", what, cut.epoch, cut.n);
	else
		compare(n, c->era, c->seq, what);
}

void model_check_now(struct node *n, const char *what)
{
	compare(n, U32_MAX, U64_MAX, what);
}
