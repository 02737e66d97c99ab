// SPDX-License-Identifier: GPL-2.0-only
/*
 * Disks that are not what they were. A second primary of the session: a copy of all disks of the primary
 * that starts as well, on a host of its own, takes writes, and has the link in turn with the
 * first; or takes the place of it.
 *
 * The model knows nothing of what the other primary does. So, from when it has the link until a
 * cut that the primary made later is complete, the secondary is left alone (DOUBT_FOREIGN); then all is
 * checked as before: whatever it got there must be gone.
 *
 * And disks of either node that are put back, exchanged or replaced while it is down, after a clean stop or
 * a power cut. What must come of it is told by the metadata device alone, as it is then: is there a
 * data device of another identity, or a block of which the witness says that it was another one?
 *
 *   yes	the node is refused. It starts when what was there is there again; or with
 *		accept_data_device, and then a copy of everything must follow.
 *   no		the node starts: all of it put back to one moment, or what the witness doesn't
 *		look at. Then the test undoes it, unless a copy comes anyway, as at a primary.
 *
 * After a clean stop the witness must look at least at the first two and the last block.
 */
#include <stdio.h>
#include "sim_priv.h"
#undef snprintf

struct node twin;

/* Copies of a node's disks. */
struct disks {
	struct sim_disk *meta, *data[NODE_VOLUMES];
	bool there;
	enum doubt doubt;
};

static struct {
	bool made;			/* the host is there */
	struct disks image[2];		/* of each node, to be put back */
	struct disks right;		/* of the one that is tampered with, as it went down */
} o;

enum stage { STAGE_STOPPING, STAGE_STOPPED, STAGE_STARTING, STAGE_STARTED };
enum phase { PHASE_TAMPERED, PHASE_UNDONE, PHASE_ACCEPTED };

static struct {
	struct node *n;
	enum tampering kind;
	struct sim_rng rng;
	bool clean;			/* it was stopped, not cut off */
	bool restored;			/* what speaks against the disks are entries of a restore alone */
	bool wrong;			/* its disks are not those that belong together */
	bool refuse;			/* and that must be seen */
	enum stage stage;
	enum phase phase;
	int rc;				/* of the start */
} t;

void other_begin(void)
{
	memset(&twin, 0, sizeof(twin));
	memset(&o, 0, sizeof(o));
	memset(&t, 0, sizeof(t));
}

static void calm(struct sim_disk *d)
{
	disk_set_latency(d, plan->disk_us, plan->slow_percent, 20);
}

struct twin_write {
	struct page *page;
	struct bio_vec vec;
	struct bio bio;
};

static void write_one(struct node *n)
{
	struct twin_write *x = sim_kmalloc_host(n->host, sizeof(*x), __GFP_ZERO);
	u32 i, v = rng_below(&sim_sched, n->nr_volumes), nr = rng_range(&sim_sched, 1, 8);
	u32 lba = rng_below(&sim_sched, rng_chance(&sim_sched, 70) ? 64 : (u32)n->sectors[v] - 8);
	int rc;

	x->page = virt_to_page(sim_kmalloc_host(n->host, PAGE_SIZE, 0));
	bio_init(&x->bio, dm_bdev(n->md[v]), &x->vec, 1, REQ_OP_WRITE);
	x->bio.bi_iter.bi_sector = lba;
	__bio_add_page(&x->bio, x->page, nr << 9, 0);
	for (i = 0; i < nr; i++)
		sector_fill((char *)page_address(x->page) + i * 512, rng_next(&sim_sched) | 1);
	rc = submit_bio_wait(&x->bio);
	if (rc)
		sim_fail("a write of the other primary failed: %d", rc);
	put_page(x->page);
	sim_kfree(x);
}

static void twin_main(void *unused)
{
	int rc = node_start(&twin);
	u32 i, n;

	(void)unused;
	if (rc)
		sim_fail("a copy of the primary's disks, all of one moment, does not start: %d", rc);
	note_activation(&twin);
	n = rng_range(&sim_sched, 4, 40);
	for (i = 0; i < n; i++) {
		write_one(&twin);
		sim_sleep(sim_delay(10, 3000));
	}
}

void twin_start(u32 seed)
{
	struct node_format f = the_format(DMO_ROLE_PRIMARY);
	struct sim_rng rng = { seed }, *r = &rng;
	enum disk_survive how = rng_below(r, 4);
	u32 v;

	if (twin.host && twin.host->up)
		return;
	if (!o.made)
		node_init(&twin, "t", &f);
	o.made = true;
	twin.host->owner = NULL;	/* what it says is no event of the pair's */
	disk_copy_from(twin.meta, pri->meta, how, r);
	calm(twin.meta);
	for (v = 0; v < twin.nr_volumes; v++) {
		disk_copy_from(twin.data[v], pri->data[v], how, r);
		disk_faults(twin.data[v])->zero_unsupported = plan->no_write_zeroes;
		calm(twin.data[v]);
	}
	node_boot(&twin);
	COVER("other: a copy of the primary starts as well");
	sim_spawn(twin.host, twin_main, NULL, "twin", false);
}

void twin_end(u32 seed, bool takes)
{
	struct sim_rng rng = { seed }, *r = &rng;
	u32 v;

	w.twin_turn = false;
	if (!twin.host || !twin.host->up)
		return;
	may_be_silent();
	node_crash(&twin, rng_below(r, 4), r);
	if (w.conn_twin)
		w.conn_busy = 0;
	if (!takes || w.alone || w.promoting)
		return;
	COVER("other: a copy takes the place of the primary");
	w.may_diverge = true;
	crash(pri, seed);
	disk_copy_from(pri->meta, twin.meta, DISK_ALL, r);
	for (v = 0; v < pri->nr_volumes; v++)
		disk_copy_from(pri->data[v], twin.data[v], DISK_ALL, r);
	model_lineage();
	boot(pri);
}

/* ---- images ---- */

static void copy_disks(struct disks *to, struct node *n, enum disk_survive how, struct sim_rng *r)
{
	u32 v;

	if (!to->meta) {
		to->meta = disk_new(NULL, "image", disk_sectors(n->meta));
		for (v = 0; v < n->nr_volumes; v++)
			to->data[v] = disk_new(NULL, "image", n->sectors[v]);
	}
	disk_copy_from(to->meta, n->meta, how, r);
	for (v = 0; v < n->nr_volumes; v++)
		disk_copy_from(to->data[v], n->data[v], how, r);
	to->there = true;
	to->doubt = w.doubt;
}

static void put_meta(struct node *n, const struct disks *from)
{
	disk_copy_from(n->meta, from->meta, DISK_ALL, &t.rng);
}

static void put_data(struct node *n, u32 v, const struct disks *from, u32 which)
{
	disk_copy_from(n->data[v], from->data[which], DISK_ALL, &t.rng);
}

static void put_all(struct node *n, const struct disks *from)
{
	u32 v;

	put_meta(n, from);
	for (v = 0; v < n->nr_volumes; v++)
		put_data(n, v, from, v);
}

void take_image(struct node *n, u32 seed)
{
	struct sim_rng rng = { seed }, *r = &rng;

	if (!n->started || w.tampering)
		return;
	copy_disks(&o.image[index_of(n)], n, rng_below(r, 4), r);
	COVER("other: an image is taken");
}

/* ---- what the metadata device says ---- */

/* The superblock in force. Return: false: none */
static bool read_super(struct node *n, struct dmo_super *sb)
{
	static const u64 at[2] = { DMO_SB_BLOCK0, DMO_SB_BLOCK1 };
	static struct dmo_super copy[2];
	static u8 buf[DMO_SB_BYTES];
	struct dmo_reason why;
	int rc[2], i;

	for (i = 0; i < 2; i++) {
		disk_read_now(n->meta, at[i] * 8, DMO_SB_BYTES / 512, buf);
		rc[i] = dmo_super_decode(buf, &copy[i], disk_sectors(n->meta) / 8, &why);
	}
	i = dmo_super_choose(rc[0], &copy[0], rc[1], &copy[1]);
	if (i >= 0)
		*sb = copy[i];
	return i >= 0;
}

/* The witness in force. Return: false: none */
static bool read_witness(struct node *n, const struct dmo_super *sb, struct dmo_witness *wit)
{
	static const u64 at[2] = { DMO_WIT_BLOCK0, DMO_WIT_BLOCK1 };
	static struct dmo_witness_vol vols[2][NODE_VOLUMES];
	static u8 buf[DMO_WIT_BYTES];
	struct dmo_witness copy[2] = { { .vols = vols[0] }, { .vols = vols[1] } };
	struct dmo_reason why;
	bool bad[2];
	int i;

	for (i = 0; i < 2; i++) {
		disk_read_now(n->meta, at[i] * 8, DMO_WIT_BYTES / 512, buf);
		bad[i] = dmo_witness_decode(buf, sb, &copy[i], &why);
	}
	i = bad[0] || (!bad[1] && copy[1].generation > copy[0].generation);
	*wit = copy[i];
	return !bad[i];
}

static u32 csum_now(struct node *n, u32 v, u64 block)
{
	static const u8 zero[DMO_BLOCK];

	return dmo_crc(0, disk_block(n->data[v], block) ?: zero, DMO_BLOCK);
}

/* Does what the metadata device of @n knows speak against its data devices? */
static bool contradicts(struct node *n)
{
	static struct dmo_super sb;
	struct dmo_witness wit;
	u32 v, i, old = 0, restored = 0;

	if (!read_super(n, &sb)) {
		sim_fail_note("a copy of a metadata device has no superblock");
		return false;
	}
	if (!(sb.incompat & DMO_INCOMPAT_WITNESS))
		return false;
	if (!read_witness(n, &sb, &wit)) {
		sim_fail_note("a copy of a metadata device has no witness that is whole");
		return false;
	}
	for (v = 0; v < n->nr_volumes; v++) {
		const struct dmo_witness_vol *k = &wit.vols[v];

		if (k->ident[0] && strcmp(k->ident, disk_ident(n->data[v])))
			return true;
		if (sb.role == DMO_ROLE_PRIMARY && sb.flags & DMO_SBF_OPEN)
			continue;
		for (i = 0; i < wit.entries; i++)
			if (k->entry[i].block != DMO_WITNESS_NONE &&
			    k->entry[i].csum != csum_now(n, v, k->entry[i].block))
				*(i < wit.entries - DMO_WITNESS_RESTORED ? &old : &restored) += 1;
	}
	t.restored = restored && !old && !t.clean;
	return old || restored;
}

/* ---- disks that are others ---- */

static bool same_block(struct sim_disk *a, struct sim_disk *b, u64 block)
{
	static const u8 zero[DMO_BLOCK];
	const void *x = disk_block(a, block), *y = disk_block(b, block);

	return x == y || !memcmp(x ?: zero, y ?: zero, DMO_BLOCK);
}

static bool same_disk(struct sim_disk *a, struct sim_disk *b)
{
	u64 i;

	for (i = 0; i < disk_sectors(a) / 8; i++)
		if (!same_block(a, b, i))
			return false;
	return true;
}

static bool is_wrong(struct node *n)
{
	bool same = same_disk(n->meta, o.right.meta);
	u32 v;

	for (v = 0; v < n->nr_volumes; v++)
		same = same && same_disk(n->data[v], o.right.data[v]);
	return !same && t.kind != TAMPER_BACK;
}

/* Blocks that the witness of a clean stop must know, other than what they were? */
static bool ends_differ(struct node *n)
{
	u32 v;

	for (v = 0; v < n->nr_volumes; v++)
		if (!same_block(n->data[v], o.right.data[v], 0) ||
		    !same_block(n->data[v], o.right.data[v], 1) ||
		    !same_block(n->data[v], o.right.data[v], n->sectors[v] / 8 - 1))
			return true;
	return false;
}

static void foreign_data(struct sim_disk *d)
{
	u8 data[DMO_BLOCK];
	u64 b;
	u32 k;

	for (b = 0; b < disk_sectors(d) / 8; b++) {
		for (k = 0; k < 8; k++)
			sector_fill(data + k * 512, rng_next(&t.rng) | 1);
		if (rng_chance(&t.rng, 30))
			disk_write_now(d, b * 8, 8, data);
	}
	if (plan->idents)
		disk_set_ident(d, "naa another");
}

static void exchange_disks(struct node *n)
{
	struct disks *image = &o.image[index_of(n)];
	u32 v, which = rng_below(&t.rng, n->nr_volumes);
	bool all = rng_chance(&t.rng, 60);

	switch (t.kind) {
	case TAMPER_BACK:
		put_all(n, image);
		COVER("other: all disks of a node are put back");
		break;
	case TAMPER_BACK_META:
		put_meta(n, image);
		COVER("other: the metadata is put back");
		break;
	case TAMPER_BACK_DATA:
		for (v = 0; v < n->nr_volumes; v++)
			if (all || v == which)
				put_data(n, v, image, v);
		COVER("other: the data is put back");
		break;
	case TAMPER_EXCHANGE:
		put_data(n, 0, &o.right, 1);
		put_data(n, 1, &o.right, 0);
		COVER("other: two data devices are exchanged");
		break;
	case TAMPER_FOREIGN:
		foreign_data(n->data[which]);
		COVER("other: a data device of somebody else");
		break;
	case TAMPER_PEERS:
		for (v = 0; v < n->nr_volumes; v++)
			disk_copy_from(n->data[v], nodes[!index_of(n)].data[v], DISK_NOTHING, &t.rng);
		COVER("other: the data devices of the other node");
		break;
	default:
		for (v = 0; v < n->nr_volumes && plan->idents; v++)
			disk_set_ident(n->data[v], v ? "naa moved1" : "naa moved0");
		COVER("other: the data has moved to other devices");
		break;
	}
}

/* ---- a node goes down, and comes again ---- */

static void starting(void *unused)
{
	struct node *n = t.n;

	(void)unused;
	if (n == pri) {
		model_era(n);
		w.flush_checked = m.nr_versions;
	}
	t.rc = node_start(n);
	if (!t.rc)
		note_activation(n);
	t.stage = STAGE_STARTED;
}

static void come_up(enum phase phase)
{
	t.phase = phase;
	t.stage = STAGE_STARTING;
	node_boot(t.n);
	t.n->accept = phase == PHASE_ACCEPTED;
	t.n->host->fails.atomic = 0;
	t.n->host->fails.nth = 0;
	w.busy[index_of(t.n)] = true;
	sim_spawn(t.n->host, starting, NULL, "start", false);
}

static void undo(void)
{
	crash(t.n, (u32)rng_next(&t.rng));
	put_all(t.n, &o.right);
	come_up(PHASE_UNDONE);
}

static void stopping(void *unused)
{
	(void)unused;
	stop_node(t.n);
	t.stage = STAGE_STOPPED;
}

static void stopped(void)
{
	struct node *n = t.n;

	/* after a clean stop nothing can be lost any more */
	crash(n, (u32)rng_next(&t.rng));
	copy_disks(&o.right, n, DISK_ALL, &t.rng);
	exchange_disks(n);
	t.wrong = is_wrong(n);
	t.refuse = contradicts(n);
	if (sim_failed)
		return;
	if (t.kind == TAMPER_BACK && t.refuse)
		sim_fail_note("the witness in an image of one moment speaks against its data");
	if (t.clean && t.kind != TAMPER_BACK && t.kind != TAMPER_BACK_META && ends_differ(n) && !t.refuse)
		sim_fail_note("the witness of a clean stop knows nothing of the first and the last blocks");
	come_up(PHASE_TAMPERED);
}

void tamper(struct node *n, enum tampering kind, u32 seed)
{
	u32 i = index_of(n);

	if (w.tampering || w.alone || w.promoting || w.busy[i] || !n->started)
		return;
	if (kind <= TAMPER_BACK_META && !o.image[i].there)
		return;
	if (kind == TAMPER_EXCHANGE && n->nr_volumes < 2)
		kind = TAMPER_FOREIGN;
	memset(&t, 0, sizeof(t));
	t.n = n;
	t.kind = kind;
	t.rng.s = seed;
	t.clean = rng_chance(&t.rng, 60);
	w.tampering = true;
	if (t.clean) {
		w.busy[i] = true;
		sim_spawn(n->host, stopping, NULL, "stop", false);
	} else {
		stopped();
	}
}

static void settled(void)
{
	struct node *n = t.n;
	struct dmo_session *s = node_session(n);

	n->accept = false;
	w.tampering = false;
	if (n == pri && t.phase != PHASE_UNDONE) {
		/* an epoch of an earlier moment */
		model_lineage();
		w.may_diverge = true;
	} else if (t.phase == PHASE_ACCEPTED) {
		if (!dmo_copy_inconsistent(s->sec->copy_state))
			sim_fail_note("another data device is accepted, and not INCONSISTENT");
		doubt_sec(DOUBT_FOREIGN);
	} else if (t.phase == PHASE_TAMPERED && t.kind == TAMPER_BACK) {
		doubt_sec(max(DOUBT_OLDER, o.image[index_of(n)].doubt));
	}
	w.busy[index_of(n)] = false;
	started(n);
}

/* It has started, or was refused. */
static void judge(void)
{
	if (t.rc && t.rc != -ESTALE) {
		sim_fail_note("a start with other disks fails with %d", t.rc);
	} else if (t.phase != PHASE_TAMPERED) {
		if (t.rc)
			sim_fail_note(t.phase == PHASE_UNDONE ? "the disks are right again, but refused" :
				      "other disks are refused in spite of accept_data_device");
		else
			settled();
	} else if (t.rc && !t.refuse) {
		sim_fail_note("disks are refused, but nothing speaks against them");
	} else if (!t.rc && t.refuse) {
		sim_fail_note("disks are taken that are not what they were");
	} else if (!t.rc && t.wrong && t.n == sec) {
		COVER("other: nothing that the witness looks at differs");
		undo();
	} else if (!t.rc) {
		settled();
	} else if (rng_chance(&t.rng, 50)) {
		if (t.restored)
			COVER("other: refused by what a restore has left, after a power cut");
		COVER("other: refused, and put right");
		undo();
	} else {
		COVER("other: refused, and accepted");
		crash(t.n, (u32)rng_next(&t.rng));
		come_up(PHASE_ACCEPTED);
	}
}

void tamper_tick(void)
{
	if (!w.tampering || sim_failed)
		return;
	if (t.stage == STAGE_STOPPED)
		stopped();
	else if (t.stage == STAGE_STARTED)
		judge();
}
