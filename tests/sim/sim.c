// SPDX-License-Identifier: GPL-2.0-only
/*
 * One schedule. Two nodes; lanes on the primary's host that carry out the plan's operations; a
 * connector, which makes a link whenever there is none; the plan's actions, each at its step; at the
 * end a verdict. What must hold is checked by model.c and here; see README.
 *
 * Nothing here depends on anything but the plan and the scheduler's seed.
 */
#include <stdio.h>
#include "trace.h"
#include "sim_priv.h"

#define TICK		(8 * SIM_MS)
#define STUCK		(40 * SIM_SEC)
#define EARLY_CUT	(200 * SIM_MS)
#define MAX_LANES	8

const struct plan *plan;
struct node nodes[2];
struct node *pri, *sec;
struct world w;

static struct node *of_host(struct host *h)
{
	return h->owner;
}

/* ---- what the module tells ---- */

void sim_trace_dmo_write(dev_t dev, u64 nr, u32 volume, u64 lba, u32 sectors, u64 seq, bool zero)
{
	(void)dev;
	(void)nr;
	(void)zero;
	if (sim_host() == pri->host)
		model_write(volume, lba, sectors, seq);
}

void sim_trace_dmo_cut(dev_t dev, u64 nr, u64 seq, u64 epoch, u64 n)
{
	(void)dev;
	(void)nr;
	if (sim_host() == pri->host)
		model_cut(seq, (struct dmo_cut){ epoch, n });
}

/* Nothing changes a byte on its way here, so neither side may say that the other sent nonsense. */
static void blame(const char *why)
{
	static const char * const nonsense[] = {
		"checksum", "expected", "beyond", "outside of", "out of order", "before the handshake",
		"totals", "was not begun", "was not synced", "does not take", "invalid",
	};
	u32 i;

	if (!why || !why[0])
		sim_fail("a link ended without a reason");
	for (i = 0; why && i < ARRAY_SIZE(nonsense); i++)
		if (strstr(why, nonsense[i]))
			sim_fail("a link ended with: %s", why);
}

void may_be_silent(void)
{
	w.silence = true;
}

/* Disks that hang, and whatever else takes its time, cost no link: PINGs go on. */
static void blame_silence(const char *why)
{
	if (!why || (!strstr(why, "nothing received") && !strstr(why, "took and sent nothing")))
		return;
	if (!w.silence && sim_now > w.silence_until)
		sim_fail("nothing keeps the hosts from talking, but a link ended with: %s", why);
}

void sim_on_copy_end(void)
{
	w.copy_begun = false;
}

void sim_on_event(struct host *h, u32 event, u64 epoch, u64 n, int volume, const char *why)
{
	struct dmo_cut cut = { epoch, n };

	(void)volume;
	/* what was sent of the cycle that ends may be complete there, or not */
	if (event == DMO_EVENT_SWITCH && w.turn_in && w.conn && !conn_dead(w.conn) &&
	    (h == pri->host || h == twin.host)) {
		w.twin_turn = !w.conn_twin && twin.started;
		conn_cut_at(w.conn, w.turn_in, false);
		w.turn_in = 0;
		COVER("other: the link changes hands with a cycle's end");
	}
	if (!of_host(h))
		return;			/* a probe's, or the other primary's */
	switch (event) {
	case DMO_EVENT_COMMIT:
		model_note_committed(cut);
		break;
	case DMO_EVENT_INCONSISTENT:
		if (of_host(h) == pri) {
			w.sec_may_be_inconsistent = w.copy_begun = true;
			w.copy_ended = false;
		}
		break;
	case DMO_EVENT_CONSISTENT:
		if (of_host(h) == pri) {
			w.copy_ended = true;
		} else {
			w.sec_may_be_inconsistent = w.copy_begun;
			w.sec_stale = false;
		}
		break;
	case DMO_EVENT_MERGE:
		COVER("merge");
		if (strstr(why, "full copy"))
			COVER("merge: the peer needs a full copy");
		if (strstr(why, "no memory"))
			COVER("merge: no memory for a copy-out");
		if (strstr(why, "can't be read"))
			COVER("merge: a block can't be read");
		break;
	case DMO_EVENT_LINK_UP:
		COVER("link: handshake -> up");
		break;
	case DMO_EVENT_SWITCH:
		/* the COMMIT of the one before may be on its way */
		note_known();
		if (w.cut_on_switch && w.conn && of_host(h) == pri && dmo_cut_cmp(m.committed, m.complete) < 0) {
			w.cut_on_switch--;
			conn_cut(w.conn, false);
		}
		break;
	case DMO_EVENT_LINK_DOWN:
		blame(why);
		blame_silence(why);
		break;
	}
}

static void stored(struct sim_disk *d, u64 sector, u32 nr, bool error)
{
	u32 v;

	(void)error;
	for (v = 0; v < pri->nr_volumes; v++)
		if (pri->data[v] == d)
			model_stored(pri, v, sector, nr);
}

static void watch(struct node *n, bool on)
{
	u32 v;

	for (v = 0; v < n->nr_volumes; v++)
		disk_observe(n->data[v], on ? stored : NULL, NULL);
}

/* ---- the host's operations ---- */

#define MAX_PAGES	64

static u64 op_tag(u32 op, u32 sector, u32 scribble)
{
	struct sim_rng r = { ((u64)op << 40 | (u64)scribble << 32 | sector) + 0x5eed };

	return rng_next(&r) | 1;
}

struct run_op {
	const struct op *o;
	u32 index;
	struct page *page[MAX_PAGES];
	struct bio_vec vec[MAX_PAGES];
	struct bio bio;
	struct completion done;
};

static void op_end(struct bio *bio)
{
	complete(bio->bi_private);
}

static void fill(struct run_op *x, u32 scribble)
{
	u32 i;

	for (i = 0; i < x->o->nr; i++)
		sector_fill((char *)page_address(x->page[i / 8]) + i % 8 * 512,
			    op_tag(x->index, i, scribble));
}

/* Was any version of @s since @since this one? */
static bool was_stored(u32 s, u32 since, u64 tag, bool any)
{
	u32 i;

	for (i = m.head[s]; i >= since && i != NO_VERSION; i = versions[i].prev)
		if (any || versions[i].tag == tag)
			return true;
	return false;
}

/* Was it zero already when the first version since @since came? */
static bool was_zero(u32 s, u32 since)
{
	u32 i;

	for (i = m.head[s]; i >= since && i != NO_VERSION; i = versions[i].prev)
		;
	return i == NO_VERSION || !versions[i].tag;
}

/* What ended well must be on the disk; with FUA, on the medium. */
static void check_written(struct run_op *x, u32 since)
{
	const struct op *o = x->o;
	bool zero = o->type != OP_WRITE;
	u32 i, s;

	/* a discard writes where it must, and may leave what there was */
	if (o->type == OP_DISCARD && plan->no_write_zeroes)
		return;
	for (i = 0; i < o->nr; i++) {
		s = o->vol * MODEL_SECTORS + o->lba + i;
		if (o->type == OP_ZERO && plan->no_write_zeroes && was_zero(s, since))
			continue;
		if (!was_stored(s, since, zero ? 0 : op_tag(x->index, i, 0), o->scribble))
			sim_fail("operation %u ended, but sector %u of volume %u was not written",
				 x->index, o->lba + i, o->vol);
		if (o->fua && o->type != OP_DISCARD && !w.data_faults[index_of(pri)]) {
			u64 tag = block_tag(disk_medium(pri->data[o->vol], (o->lba + i) / 8),
					    (o->lba + i) % 8);

			if (!was_stored(s, since, tag, false))
				sim_fail("operation %u with FUA ended, but sector %u of volume %u is not durable",
					 x->index, o->lba + i, o->vol);
		}
	}
}

static void check_read(struct run_op *x, u32 since)
{
	const struct op *o = x->o;
	u32 i, k, s;

	for (i = 0; i < o->nr; i++) {
		u64 tag = block_tag(page_address(x->page[i / 8]), i % 8);

		s = o->vol * MODEL_SECTORS + o->lba + i;
		for (k = m.head[s]; k >= since && k != NO_VERSION; k = versions[k].prev)
			if (versions[k].tag == tag)
				break;
		if (versions[k].tag != tag)
			sim_fail("operation %u read %016llx from sector %u of volume %u, which holds %016llx",
				 x->index, tag, o->lba + i, o->vol, versions[m.head[s]].tag);
	}
}

/* After a good flush all that had ended before it is on the medium. */
static void check_flushed(u32 volume, u32 upto)
{
	u32 i, k;

	for (i = max(w.flush_checked, 1u); i < upto; i++) {
		struct version *v = &versions[i];
		u32 sector = v->sector % MODEL_SECTORS;
		u64 tag;

		if (v->sector / MODEL_SECTORS != volume || v->era != m.era || !v->seq)
			continue;
		tag = block_tag(disk_medium(pri->data[volume], sector / 8), sector % 8);
		for (k = m.head[v->sector]; k > i && versions[k].tag != tag; k = versions[k].prev)
			;
		if (versions[k].tag != tag)
			sim_fail("a flush ended, but sector %u of volume %u is not durable", sector,
				 volume);
	}
	if (pri->nr_volumes == 1)
		w.flush_checked = upto;
}

static void run_op(struct node *n, u32 index)
{
	const struct op *o = &plan->ops[index];
	struct run_op *x = sim_kmalloc_host(n->host, sizeof(*x), __GFP_ZERO);
	u32 i, pages = 0, since = m.nr_versions;
	bool data = o->type == OP_WRITE || o->type == OP_READ;
	u64 began = sim_now;
	u32 op;

	x->o = o;
	x->index = index;
	if (data) {
		pages = (o->nr + 7) / 8;
		for (i = 0; i < pages; i++)
			x->page[i] = virt_to_page(sim_kmalloc_host(n->host, PAGE_SIZE, 0));
	}
	op = o->type == OP_READ ? REQ_OP_READ : o->type == OP_DISCARD ? REQ_OP_DISCARD :
	     o->type == OP_ZERO ? REQ_OP_WRITE_ZEROES : REQ_OP_WRITE;
	if (o->type == OP_FLUSH)
		op |= REQ_PREFLUSH;
	else if (o->fua && (o->type == OP_WRITE || o->type == OP_ZERO))
		op |= REQ_FUA;
	if (o->type == OP_WRITE && index & 1)
		op |= REQ_POLLED;
	bio_init(&x->bio, dm_bdev(n->md[o->vol]), x->vec, MAX_PAGES, op);
	if (o->type != OP_FLUSH) {
		x->bio.bi_iter.bi_sector = o->lba;
		x->bio.bi_iter.bi_size = data ? 0 : o->nr << 9;
	}
	for (i = 0; i < pages; i++)
		__bio_add_page(&x->bio, x->page[i], min(o->nr - i * 8, 8u) << 9, 0);
	if (o->type == OP_WRITE)
		fill(x, 0);
	init_completion(&x->done);
	x->bio.bi_private = &x->done;
	x->bio.bi_end_io = op_end;
	pr_sim("host: ", "op %u begins, type %u volume %u %u+%u", index, o->type, o->vol, o->lba,
	       o->nr);
	submit_bio(&x->bio);
	for (i = 1; o->scribble && !x->done.done && i < 20; i++) {
		fill(x, i);
		sim_sleep(sim_delay(1, 200));
	}
	wait_for_completion(&x->done);
	pr_sim("host: ", "op %u ends: %u", index, x->bio.bi_status);
	if (sim_now - began > STUCK)
		sim_fail("operation %u took %llu ms", index, (sim_now - began) / SIM_MS);
	if (x->bio.bi_status) {
		COVER("host: an operation fails");
		if (!w.data_faults[index_of(n)])
			sim_fail("operation %u failed, but no disk had", index);
	} else if (o->type == OP_READ) {
		check_read(x, since);
	} else if (o->type == OP_FLUSH) {
		check_flushed(o->vol, since);
	} else {
		check_written(x, since);
	}
	for (i = 0; i < pages; i++)
		put_page(x->page[i]);
	sim_kfree(x);
}

static void lane(void *arg)
{
	struct node *n = arg;

	while (w.next_op < plan->nr_ops && pri == n && !w.stop_lanes) {
		u32 i = w.next_op++;

		if (plan->ops[i].off)
			continue;
		run_op(n, i);
		w.done_ops++;
		if (plan->ops[i].think_us)
			sim_sleep(plan->ops[i].think_us * SIM_US);
	}
	w.lanes--;
}

static void start_lanes(struct node *n)
{
	u32 i;

	for (i = w.lanes; i < plan->lanes; i++) {
		w.lanes++;
		sim_spawn(n->host, lane, n, "lane", false);
	}
}

/* ---- starting, stopping ---- */

static void apply_budget(struct node *n, u32 slots)
{
	struct dmo_session *s = node_session(n);
	u64 budget = 1 << 20;

	if (!s || !s->pri)
		return;
	if (slots)
		budget = s->pri->store->fixed * 2 + slots * 4200ull;
	w.budget_lowered = true;
	dmo_primary_set(s->pri, s->pri->cycle_ms, budget);
}

static void check_cut(struct node *x, struct dmo_cut cut, const char *what);

/* @n is the primary from here on, and has taken no write yet. */
static void take_over(struct node *n, struct dmo_cut cut)
{
	check_cut(n, cut, "promotion");
	if (sim_failed)
		sim_fail("%s", sim_why);
	pri = n;
	sec = &nodes[!index_of(n)];
	watch(sec, false);
	watch(pri, true);
	model_lineage();
	model_era(pri);
	w.flush_checked = m.nr_versions;
	w.alone = true;
	m.equal_start = false;
}

/* The tables are active. */
void note_activation(struct node *n)
{
	struct dmo_session *s = node_session(n);
	u64 activation;
	u32 i;

	if (!s || !s->pri)
		return;
	activation = dmo_line_newest(&s->meta->sb.line);
	for (i = 0; i < w.nr_activations; i++)
		if (w.activations[i] == activation)
			sim_fail("an activation bears the id of another one");
	if (w.nr_activations < ARRAY_SIZE(w.activations))
		w.activations[w.nr_activations++] = activation;
}

void started(struct node *n)
{
	struct dmo_session *s = node_session(n);

	if (n == sec && s->pri && !w.alone && w.promotion_tried) {
		COVER("promotion: done, but its host died before it was told");
		crash(pri, 1);
		take_over(n, s->pri->cut);
	}
	n->host->fails.atomic = w.healing ? 0 : plan->atomic_fails;
	n->host->fails.nth = 0;
	if (n == pri) {
		apply_budget(n, plan->slots);
		start_lanes(n);
	} else if (s->sec) {
		s->sec->budget = plan->sec_budget;
	}
}

static void start_main(void *arg)
{
	struct node *n = arg;
	int rc;

	for (;;) {
		if (n == pri && !n->loaded) {
			model_era(n);
			w.flush_checked = m.nr_versions;
		}
		rc = node_start(n);
		if (!rc)
			break;
		COVER("start: failed");
		if (rc == -ESTALE && !w.meta_faults[index_of(n)])
			sim_fail("a node whose disks nobody touched is refused");
		if (sim_tracing)
			sim_log("start failed: ", "%d %s", rc, n->why.text);
		/* an operator tries again */
		n->host->fails.nth = 0;
		sim_sleep(20 * SIM_MS);
		if (w.healing && rc != -ENOMEM && rc != -EIO && rc != -EUCLEAN)
			sim_fail("start failed with %d", rc);
	}
	note_activation(n);
	started(n);
	w.busy[index_of(n)] = false;
}

static void start(struct node *n)
{
	w.busy[index_of(n)] = true;
	sim_spawn(n->host, start_main, n, "start", false);
}

static void add_pending(u8 type, u32 steps, u32 a, u32 b)
{
	if (w.nr_pending == MAX_PENDING)
		return;
	w.pending[w.nr_pending++] = (struct act) {
		.type = type, .step = (u32)(sim_steps - w.start_step) + steps, .a = a, .b = b,
	};
}

/* What of the primary is known just before it, or its peer, dies. */
void note_known(void)
{
	struct dmo_session *s = node_session(pri);

	if (s && s->pri) {
		if (w.doubt && dmo_cut_cmp(s->pri->peer.complete, w.doubt_cut) > 0 &&
		    model_find(s->pri->peer.complete)) {
			w.doubt = DOUBT_NONE;
			COVER("other: the secondary is the primary's again");
		}
		model_note_complete(s->pri->peer.complete);
		model_note_committed(s->pri->peer.committed);
	}
}

void doubt_sec(enum doubt doubt)
{
	w.doubt = max(w.doubt, doubt);
	w.doubt_cut = model_newest();
	w.sec_may_be_inconsistent = true;
	w.copy_ended = false;
}

static void see_inflight(u64 start, u32 nr, u32 op, const void *data, void *arg)
{
	const struct dmo_disk_rec *r = data;
	u64 block = start / 8;

	(void)arg;
	(void)nr;
	if (!op_is_write(op))
		return;
	if (block == DMO_SB_BLOCK0 || block == DMO_SB_BLOCK1)
		COVER("crash: superblock being written");
	else if (block == DMO_STATE_BLOCK0 || block == DMO_STATE_BLOCK1)
		COVER("crash: state block being written");
	else if (r && le32_to_cpu(r->type) == DMO_REC_DATA)
		COVER("crash: DATA being written");
	else if (r && le32_to_cpu(r->type) == DMO_REC_LAST)
		COVER("crash: LAST being written");
	else if (r && le32_to_cpu(r->type) == DMO_REC_COMMIT)
		COVER("crash: COMMIT being written");
	else if (r && le32_to_cpu(r->type) == DMO_REC_JUMP)
		COVER("crash: JUMP being written");
}

/* The store of a session's primary; NULL: there is none, or it may be on its way to be freed. */
static struct dmo_store *live_store(const struct dmo_session *s)
{
	return s && s->pri && !s->dying ? s->pri->store : NULL;
}

static void cover_crash(struct node *n)
{
	struct dmo_session *s = node_session(n);
	struct dmo_store *st = live_store(s);
	u32 v;

	disk_each_inflight(n->meta, see_inflight, NULL);
	if (disk_stalled(n->meta)) {
		COVER("crash: a flush or FUA write is overtaken");
		if (s && s->sec && s->sec->j.head.seq != w.stall_seq)
			COVER("crash: records overtake it");
		if (s && s->sec && s->sec->full && dmo_restore_in_hand(s->sec->restore_state))
			COVER("crash: the ring is full until it ends");
	}
	if (disk_unflushed(n->meta))
		COVER("crash: journal writes not flushed");
	if (!s) {
		COVER("crash: while starting");
		return;
	}
	if (s->sec) {
		if (dmo_restore_in_hand(s->sec->restore_state))
			COVER("crash: restore in hand");
		if (s->sec->j.open_records)
			COVER("crash: chunk open");
		if (dmo_copy_direct(s->sec->copy_state) ||
		    s->sec->copy_state == DMO_COPY_FINISHED)
			COVER("crash: in a direct copy");
		if (s->promoting)
			COVER("crash: in a promotion");
	}
	if (st && dmo_store_older(st)->state == DMO_CHUNK_DRAINING)
		COVER("crash: primary, older chunk draining");
	if (st && dmo_store_older(st)->state == DMO_CHUNK_SHIPPING)
		COVER("crash: primary, older chunk shipping");
	for (v = 0; v < n->nr_volumes; v++)
		if (disk_unflushed(n->data[v]))
			COVER("crash: data writes not flushed");
}

void crash(struct node *n, u32 seed)
{
	struct sim_rng r = { seed };
	u32 v;

	if (!n->host->up)
		return;
	note_known();
	cover_crash(n);
	may_be_silent();
	node_crash(n, rng_below(&r, 4), &r);
	w.large_since = 0;
	if (n == pri) {
		w.lanes = 0;
		w.stop_lanes = false;
	} else {
		w.promoting = false;
	}
	w.conn_busy = 0;
	w.busy[index_of(n)] = false;
	for (v = 0; v < NODE_VOLUMES; v++)
		w.suspended[index_of(n)][v] = false;
	pr_sim("driver: ", "%s lost its power", n->host->name);
}

void boot(struct node *n)
{
	node_boot(n);
	start(n);
}

/* ---- the network ---- */

struct attach { struct node *n; int fd; struct sim_conn *conn; };
static struct attach attaches[64];

static void attach_main(void *arg)
{
	struct attach *a = arg;
	int rc = node_attach(a->n, a->fd);

	if (rc && sim_tracing)
		sim_log("attach: ", "%d %s", rc, a->n->why.text);
	conn_close_fd(a->fd);
	if (rc)
		conn_cut(a->conn, false);
	if (w.conn == a->conn && w.conn_busy)
		w.conn_busy--;
}

static bool may_connect(struct node *n)
{
	struct dmo_session *s;

	if (!n->started || (n != &twin && w.busy[index_of(n)]))
		return false;
	s = node_session(n);
	return s && (!s->link || dmo_link_ended(s->link));
}

static void connect_nodes(void)
{
	bool other = w.twin_turn && twin.started;
	struct node *ends[] = { other ? &twin : &nodes[0], other ? sec : &nodes[1] };
	int i, fds[2];

	if (!w.connect || w.conn_busy || sim_now < w.conn_next)
		return;
	if (w.conn && !conn_dead(w.conn))
		return;
	if (!may_connect(ends[0]) || !may_connect(ends[1]))
		return;
	/* those that are refused are tried less and less often */
	if (w.conn && sim_now - w.conn_since < 200 * SIM_MS)
		w.conn_wait = min(w.conn_wait * 2 + TICK, 500 * SIM_MS);
	else
		w.conn_wait = 0;
	w.conn_since = sim_now;
	w.conn_next = sim_now + w.conn_wait;
	w.conn = conn_new(ends[0]->host, ends[1]->host, &plan->net, fds);
	w.conn_busy = 2;
	w.conn_twin = other;
	/* of the one before it somebody may hear later */
	if (w.silence)
		w.silence_until = sim_now + 3 * SIM_SEC;
	w.silence = false;
	if (other) {
		doubt_sec(DOUBT_FOREIGN);
		w.may_diverge = true;
	}
	else if (w.doubt)
		w.doubt_cut = model_newest();
	for (i = 0; i < 2; i++) {
		struct attach *a = &attaches[w.nr_attach++ % ARRAY_SIZE(attaches)];

		*a = (struct attach) { ends[i], fds[i], w.conn };
		sim_spawn(ends[i]->host, attach_main, a, "attach", false);
	}
}

/* ---- looked at now and then ---- */

/*
 * A chunk that takes a share of the secondary's journal is cut, however long the cycle is: it
 * would become too large for it, and the secondary INCONSISTENT.
 */
static void check_early_cut(struct dmo_primary *p)
{
	struct dmo_chunk *c = dmo_store_active(p->store);
	u64 bytes = dmo_store_bytes(c);
	bool held = disk_is_held(pri->meta);
	u32 v;

	/* the cycle thread may wait for a write that does not end; what fits no more is not cut, but copied */
	for (v = 0; v < pri->nr_volumes; v++)
		held |= disk_is_held(pri->data[v]);
	if (p->peer.link != DMO_PEER_UP || p->peer.drop_pending || c->other->state != DMO_CHUNK_NONE ||
	    p->peer.copy.direct != DMO_DIRECT_OFF || p->peer.hello.flags & DMO_SBF_INCONSISTENT ||
	    bytes < p->peer.hello.chunk_max / 4 || bytes > p->peer.hello.chunk_max || held) {
		w.large_since = 0;
	} else if (!w.large_since) {
		w.large_since = sim_now;
	} else if (sim_now - w.large_since > EARLY_CUT) {
		sim_fail_note("a chunk of %llu KiB is not cut for %llu ms, and %llu KiB fit the secondary's journal",
			      bytes >> 10, (sim_now - w.large_since) / SIM_MS,
			      p->peer.hello.chunk_max >> 10);
	}
}

static void check_states(void)
{
	struct dmo_session *s = node_session(pri);
	struct dmo_store *st = live_store(s);

	if (st) {
		u64 used = (u64)atomic64_read(&st->used) + st->fixed;

		/* what a refused allocation has added for a moment */
		if (used <= st->budget)
			w.budget_lowered = false;
		else if (!w.budget_lowered && used > st->budget + 16 * 4200)
			sim_fail_note("%llu bytes used of a budget of %llu", used, st->budget);
		check_early_cut(s->pri);
		note_known();
	}
}

static void command(struct node *n, u32 type, u32 a, u32 b);

static void tick(void *unused)
{
	(void)unused;
	connect_nodes();
	check_states();
	tamper_tick();
	if (++w.ticks % 16 == 0)
		command(w.ticks % 32 ? pri : sec, ACT_STATUS, 0, 0);
	sim_event_set(&w.tick, sim_now + TICK, tick, NULL, NULL);
}

/* ---- probe: what would be left if the secondary's power was cut now? ---- */

static void fail_unless(bool ok, const char *what, const char *why)
{
	if (!ok)
		sim_fail_note("%s%s%s", what, why ? ": " : "", why ?: "");
}

static void check_cut(struct node *x, struct dmo_cut cut, const char *what)
{
	if (w.doubt)
		model_check(x, cut, what);
	else if (dmo_cut_cmp(cut, m.committed) < 0)
		sim_fail_note("%s: the cut is %llu.%llu, but %llu.%llu was committed", what, cut.epoch,
			      cut.n, m.committed.epoch, m.committed.n);
	else if (dmo_cut_cmp(cut, m.complete) < 0)
		sim_fail_note("%s: the cut is %llu.%llu, but the primary knows %llu.%llu as complete",
			      what, cut.epoch, cut.n, m.complete.epoch, m.complete.n);
	else
		model_check(x, cut, what);
}

/* What is committed is restored: without INCONSISTENT the data devices are what they were at that cut. */
static void check_restored(struct node *x, struct dmo_secondary *s)
{
	model_check(x, s->j.restored, "probe after the restore");
	if (w.doubt)
		return;
	if (!sim_failed && dmo_cut_cmp(s->j.restored, m.committed) < 0)
		sim_fail_note("probe: restored %llu.%llu, but %llu.%llu was committed",
			      s->j.restored.epoch, s->j.restored.n, m.committed.epoch,
			      m.committed.n);
	if (!sim_failed && dmo_cut_cmp(s->j.complete, m.complete) < 0)
		sim_fail_note("probe: complete is %llu.%llu, but the primary knows %llu.%llu",
			      s->j.complete.epoch, s->j.complete.n, m.complete.epoch,
			      m.complete.n);
}

static void verdict(struct node *x, struct sim_rng *r)
{
	struct dmo_session *s = node_session(x);
	struct node_promotion pr = { 0 };
	bool inconsistent;
	int rc;

	if (s && s->pri && w.promotion_tried) {
		COVER("probe: the promotion was durable");
		check_cut(x, s->pri->cut, "probe of a promotion");
		return;
	}
	fail_unless(s && s->sec, "probe: no secondary after the start", x->why.text);
	if (sim_failed)
		return;
	inconsistent = dmo_copy_inconsistent(s->sec->copy_state);
	if (inconsistent && !w.sec_may_be_inconsistent) {
		sim_fail_note("probe: INCONSISTENT, but no copy was begun");
		return;
	}
	if (rng_chance(r, 40)) {
		COVER("probe: restored without a promotion");
		fail_unless(node_settle(x, 20 * SIM_SEC), "probe: the restore does not end", NULL);
		if (sim_failed)
			return;
		if (!dmo_copy_inconsistent(s->sec->copy_state)) {
			check_restored(x, s->sec);
			return;
		}
		fail_unless(inconsistent, "probe: INCONSISTENT after the restore, but not before", NULL);
	}
	rc = node_call(x, node_do_promote, &pr, 60 * SIM_SEC);
	if (sim_failed)
		return;
	if (rc == -EUCLEAN && inconsistent && !w.copy_ended) {
		if (rng_chance(r, 30)) {
			pr.force = true;
			rc = node_call(x, node_do_promote, &pr, 60 * SIM_SEC);
			fail_unless(!rc, "probe: forced promotion failed", x->why.text);
		}
		return;
	}
	if (inconsistent)
		COVER("probe: promoted at the end of a copy");
	fail_unless(!rc, "probe: promotion failed", x->why.text);
	if (!sim_failed)
		check_cut(x, pr.cut, "probe after promotion");
	if (!sim_failed && rng_chance(r, 10)) {
		rc = node_call(x, node_do_stop, NULL, 60 * SIM_SEC);
		fail_unless(!rc, "probe: stop failed", x->why.text);
	}
}

struct node_format the_format(u32 role)
{
	struct node_format f = {
		.role = role,
		.flags = plan->assume_equal ? DMO_SBF_ASSUME_EQUAL : 0,
		.nr_volumes = plan->nr_volumes,
		.meta_blocks = DMO_DATA_START + plan->nr_volumes + plan->ring,
		.cycle_ms = plan->cycle_ms,
		.link_timeout_ms = plan->timeout_ms,
	};

	memcpy(f.sectors, plan->sectors, sizeof(f.sectors));
	return f;
}

/* A snapshot is taken now: of a boundary, unless INCONSISTENT says that it isn't, or a restore failed. */
static void check_snapshot(struct dmo_secondary *s)
{
	if (!s || !s->gates || dmo_copy_inconsistent(s->copy_state) ||
	    dmo_restore_failing(s->restore_state) || w.sec_stale || w.doubt ||
	    dmo_journal_frees(&s->j))
		return;
	COVER("snapshot under suspend");
	model_check(sec, s->j.restored, "snapshot under suspend");
}

/* Both copies say the same unless one is being written. */
static bool lose_copy(struct node *x, struct sim_rng *r)
{
	static const u64 at[][2] = {
		{ DMO_SB_BLOCK0, DMO_SB_BLOCKS }, { DMO_SB_BLOCK1, DMO_SB_BLOCKS },
		{ DMO_STATE_BLOCK0, 1 }, { DMO_STATE_BLOCK1, 1 },
	};
	struct disk_faults *f = disk_faults(x->meta);
	u32 i = rng_below(r, ARRAY_SIZE(at));

	if (!plan->one_copy || disk_inflight(sec->meta))
		return false;
	f->read = 256;
	f->from = at[i][0] * 8;
	f->to = f->from + at[i][1] * 8;
	COVER("probe: a copy of the superblock or state block can't be read");
	return true;
}

static void probe_start(void *arg)
{
	node_start(arg);
}

static void probe(u32 seed)
{
	struct node_format f = the_format(DMO_ROLE_SECONDARY);
	enum disk_survive how;
	struct sim_rng rng = { seed }, *r = &rng;
	struct node x;
	u32 v, depth;

	note_known();
	if (sim_failed || w.alone || w.sec_stale || w.doubt == DOUBT_FOREIGN || w.tampering)
		return;
	how = rng_below(r, 4);
	cover_crash(sec);
	sim_push();
	node_init(&x, "x", &f);
	x.host->owner = NULL;
	disk_copy_from(x.meta, sec->meta, how, r);
	for (v = 0; v < x.nr_volumes; v++) {
		disk_copy_from(x.data[v], sec->data[v], how, r);
		disk_set_latency(x.data[v], 20, 0, 0);
		disk_faults(x.data[v])->zero_unsupported = plan->no_write_zeroes;
	}
	disk_set_latency(x.meta, 20, 0, 0);
	depth = plan->theme != THEME_COMMIT && rng_chance(r, 60) ? 0 : rng_range(r, 1, 3);
	if (plan->one_copy && lose_copy(&x, r))
		depth = 0;
	for (; depth && !sim_failed; depth--) {
		node_boot(&x);
		sim_spawn(x.host, probe_start, &x, "start", false);
		sim_stop_at = sim_steps + rng_range(r, 1, plan->theme == THEME_COMMIT ? 600 : 250);
		sim_run(sim_now + SIM_SEC);
		cover_crash(&x);
		COVER("probe: crash of the recovery");
		if (!sim_failed)
			node_crash(&x, rng_below(r, 4), r);
	}
	sim_stop_at = U64_MAX;
	if (!sim_failed) {
		int rc;

		node_boot(&x);
		rc = node_call(&x, node_do_start, NULL, 20 * SIM_SEC);
		if (!sim_failed && rc)
			sim_fail_note("probe: start failed: %d %s", rc, x.why.text);
		if (!sim_failed)
			verdict(&x, r);
	}
	sim_pop();
	COVER("probe");
}

/* ---- actions ---- */

struct command {
	struct node *n;
	u32 type, a, b;
};

static struct command commands[2];

/* Everything of it, in good order. Fiber of its host. */
void stop_node(struct node *n)
{
	u32 v;

	for (v = 0; v < n->nr_volumes; v++)
		if (w.suspended[index_of(n)][v] && !dm_resume(n->md[v]))
			w.suspended[index_of(n)][v] = false;
	/* the host's users go first */
	if (n == pri) {
		w.stop_lanes = true;
		while (w.lanes)
			sim_sleep(2 * SIM_MS);
		w.stop_lanes = false;
	}
	note_known();
	may_be_silent();
	node_stop(n);
}

/* A command of the operator, one at a time on a node. */
static void command_main(void *arg)
{
	struct command *c = arg;
	struct node *n = c->n;
	struct dmo_session_status *st;
	u32 i = index_of(n), v = c->a / 2 % n->nr_volumes, was;
	struct dmo_session *s;
	struct dmo_cut cut;
	struct dmo_reason why;
	char line[64];
	u64 began;
	int rc = 0;

	switch (c->type) {
	case ACT_SWITCH:
		s = node_session(n);
		dmo_session_switch(s, &cut, &why);
		COVER("command: switch");
		break;
	case ACT_SET:
		s = node_session(n);
		was = s->meta->sb.cycle_ms;
		rc = dmo_session_set(s, c->a % 30 + 1, 0, 0, &why);
		fail_unless(s->meta->sb.cycle_ms == (rc ? was : c->a % 30 + 1),
			    "set: what is in force isn't what was answered", why.text);
		COVER("command: set");
		break;
	case ACT_SUSPEND:
		may_be_silent();
		dm_suspend(n->md[v]);
		w.suspended[i][v] = true;
		if (n == sec && node_session(n))
			check_snapshot(node_session(n)->sec);
		add_pending(ACT_RESUME, c->b, c->a, 0);
		COVER("command: suspend");
		break;
	case ACT_RESUME:
		rc = dm_resume(n->md[v]);
		w.suspended[i][v] = rc;
		break;
	case ACT_RELOAD:
		snprintf(line, sizeof(line), "%s-data%u %s-meta %u 1 allow_reads", n->host->name, v,
			 n->host->name, v);
		rc = dm_load(n->md[v], n->sectors[v], line);
		if (!rc)
			rc = dm_resume(n->md[v]);
		if (!rc)
			w.suspended[i][v] = false;
		else
			w.suspended[i][v] = true;
		COVER("command: reload");
		break;
	case ACT_DETACH:
		/* whoever waits for a disk closes the connection when that has answered */
		may_be_silent();
		node_detach(n);
		COVER("command: detach");
		break;
	case ACT_STATUS:
		st = sim_kmalloc_host(n->host, sizeof(*st), 0);
		began = sim_now;
		node_status(n, st);
		if (sim_now - began > SIM_SEC)
			sim_fail("status took %llu ms", (sim_now - began) / SIM_MS);
		sim_kfree(st);
		COVER("command: status");
		break;
	case ACT_RESTART:
		stop_node(n);
		COVER("command: stop and start");
		start_main(n);
		return;
	}
	if (rc && sim_tracing)
		sim_log("command: ", "%u failed: %d", c->type, rc);
	w.busy[i] = false;
}

static void command(struct node *n, u32 type, u32 a, u32 b)
{
	u32 i = index_of(n);

	if (w.busy[i] || !n->started) {
		if (type == ACT_RESUME)
			add_pending(type, 50, a, b);
		return;
	}
	w.busy[i] = true;
	commands[i] = (struct command) { n, type, a, b };
	sim_spawn(n->host, command_main, &commands[i], "command", false);
}

/* what follows an action */
#define ACT_UNHOLD	ACT_NR
#define ACT_NET_ON	(ACT_NR + 1)
#define ACT_STALLED	(ACT_NR + 2)	/* a: seed, b: how often */

/* A write of a metadata disk is overtaken from here on. */
static void on_stall(struct sim_disk *d)
{
	struct node *n = d == pri->meta ? pri : sec;
	struct dmo_session *s = node_session(n);
	struct sim_rng r = { w.stall_seed };

	w.stall_seq = s && s->sec ? s->sec->j.head.seq : 0;
	add_pending(ACT_STALLED, rng_below(&r, 600), (u32)rng_next(&r), rng_below(&r, 4));
	sim_stop = true;
}

static struct sim_disk *disk_of(u32 a, struct node **n, bool *meta)
{
	*n = a & 1 ? pri : sec;
	*meta = a & 2;
	return *meta ? (*n)->meta : (*n)->data[a / 4 % (*n)->nr_volumes];
}

static void heal_disk(struct sim_disk *d)
{
	struct disk_faults *f = disk_faults(d);

	f->write = 0;
	f->read = 0;
	f->flush = 0;
	f->to = 0;
}

static void fault(u32 a, u32 b)
{
	struct node *n;
	bool meta;
	struct sim_disk *d = disk_of(a, &n, &meta);
	struct disk_faults *f = disk_faults(d);
	u32 chance = b & 0x100 ? 256 : 20 + (b & 0x7f);

	/* what a medium lost is no matter of recovery: nothing is read while a node starts */
	if (!n->started || w.busy[index_of(n)])
		return;
	switch (b >> 9 & 3) {
	case 0:
	case 3:
		f->write = chance;
		COVER("fault: writes fail");
		break;
	case 1:
		f->flush = chance;
		COVER("fault: flushes fail");
		break;
	case 2:
		f->read = chance;
		COVER("fault: reads fail");
		break;
	}
	if (meta)
		w.meta_faults[index_of(n)] = true;
	else
		w.data_faults[index_of(n)] = true;
	add_pending(ACT_HEAL, 10 + (b >> 12 & 255), a, 0);
}

/* A primary or secondary that lost its metadata device is started again. */
static bool needs_restart(struct node *n)
{
	struct dmo_session *s = node_session(n);

	return s && (dmo_meta_failed(s->meta) || (s->sec && dmo_restore_damaged(s->sec->restore_state)));
}

static void promote_main(void *arg)
{
	struct node *n = arg;
	struct dmo_cut cut = { 0 };
	int rc;

	rc = node_promote(n, false, &cut);
	if (rc) {
		w.promoting = false;
		if (sim_tracing)
			sim_log("promotion: ", "%d %s", rc, n->why.text);
		w.busy[index_of(n)] = false;
		return;
	}
	/* an operator tries again */
	while (node_reload(n)) {
		sim_sleep(10 * SIM_MS);
		if (!needs_restart(n))
			continue;
		node_stop(n);
		w.promoting = false;
		start_main(n);
		return;
	}
	w.promoting = false;
	COVER("promotion: the roles change");
	take_over(n, cut);
	started(n);
	w.busy[index_of(n)] = false;
}

/* The primary is lost. */
static void promote(u32 seed)
{
	struct dmo_session *s;
	u32 v;

	if (!sec->started || w.busy[index_of(sec)] || w.alone || w.sec_stale || w.doubt)
		return;
	crash(pri, seed);
	/*
	 * A copy of the secondary as it is now may become the new primary's one. Not after a try that
	 * failed halfway: it may have written the new role.
	 */
	s = node_session(sec);
	if (!dmo_meta_failed(s->meta)) {
		disk_copy_from(w.spare_meta, sec->meta, DISK_ALL, &sim_sched);
		for (v = 0; v < sec->nr_volumes; v++)
			disk_copy_from(w.spare_data[v], sec->data[v], DISK_ALL, &sim_sched);
	}
	w.busy[index_of(sec)] = true;
	w.promoting = w.promotion_tried = true;
	sim_spawn(sec->host, promote_main, sec, "promote", false);
}

/* The old primary is to be the new one's secondary: its data is given up. */
static void give_up_old(void)
{
	struct node_format f = the_format(DMO_ROLE_SECONDARY);
	u32 v;

	if (!w.alone)
		return;
	crash(sec, 1);
	f.flags = 0;
	if (plan->probe_seed & 2) {
		COVER("promotion: an old secondary joins the new primary");
		disk_copy_from(sec->meta, w.spare_meta, DISK_ALL, &sim_sched);
		for (v = 0; v < sec->nr_volumes; v++)
			disk_copy_from(sec->data[v], w.spare_data[v], DISK_ALL, &sim_sched);
		w.sec_stale = true;
	} else {
		node_format(sec, &f);
	}
	w.alone = false;
	w.promotion_tried = false;
	w.sec_may_be_inconsistent = true;
	w.copy_ended = false;
	m.complete = (struct dmo_cut){ 0 };
	m.committed = (struct dmo_cut){ 0 };
	boot(sec);
}

/*
 * The primary knows nothing of what the secondary has: it was put back to an older state, or the secondary
 * had the link with another primary. They refuse each other (R6) until the operator gives the secondary's
 * data up.
 */
static void settle_divergence(void)
{
	struct node_format f = the_format(DMO_ROLE_SECONDARY);
	struct dmo_session *p = node_session(pri), *s = node_session(sec);
	u32 refused = READ_ONCE(s->refused) | READ_ONCE(p->refused);

	if (!(refused & DMO_F_REFUSED) || refused & DMO_F_STRANGER)
		return;
	if (!w.may_diverge) {
		sim_fail_note("two sides refuse each other, and nothing was put back");
		return;
	}
	COVER("handshake: diverged, and the secondary is formatted again");
	crash(sec, 1);
	f.flags = 0;
	node_format(sec, &f);
	doubt_sec(DOUBT_FOREIGN);
	m.complete = (struct dmo_cut){ 0 };
	m.committed = (struct dmo_cut){ 0 };
	boot(sec);
}

static bool both_run(void)
{
	return pri->started && sec->started && !w.busy[0] && !w.busy[1] && !w.alone && !w.promoting &&
	       !w.tampering && node_session(pri) && node_session(sec);
}

static void power_on(void)
{
	int i;

	for (i = 0; i < 2; i++) {
		if (nodes[i].host->up)
			continue;
			/* it stays away while the other one takes over */
		if ((w.alone && &nodes[i] == sec) || w.promoting)
			continue;
		boot(&nodes[i]);
	}
}

/* A write is overtaken by others: what if the power fails now? It does, or the write goes on. */
static void stalled(u32 seed, u32 again)
{
	struct node *n = disk_stalled(sec->meta) ? sec : pri;

	if (!disk_stalled(n->meta))
		return;
	if (n == sec)
		probe(seed);
	if (again) {
		add_pending(ACT_STALLED, 20 + seed % 400, seed * 7 + 1, again - 1);
	} else if (seed & 1 && !w.alone && !w.promoting) {
		crash(n, seed);
		boot(n);
	} else {
		disk_stall(n->meta, 0, 0, NULL);
		COVER("fault: a write is overtaken by others");
	}
}

static void act(const struct act *a)
{
	struct node *n;
	bool meta;
	u32 i;

	pr_sim("driver: ", "action %u (%u, %u)", a->type, a->a, a->b);
	if (w.tampering && a->type < ACT_NR && a->type != ACT_HEAL && a->type != ACT_RESUME)
		return;
	switch (a->type) {
	case ACT_CUT:
		if (a->b)
			may_be_silent();
		if (plan->theme == THEME_COMMIT)
			w.cut_on_switch++;
		else if (w.conn && !conn_dead(w.conn) && !a->a)
			conn_cut(w.conn, a->b);
		else if (w.conn && !conn_dead(w.conn))
			conn_cut_at(w.conn, a->a, a->b);
		break;
	case ACT_CRASH_SEC:
		if (w.alone)
			break;
		crash(sec, a->a);
		boot(sec);
		if (a->b)
			add_pending(ACT_CRASH_SEC, 1 + a->a % 200, a->a * 7 + 1, a->b - 1);
		break;
	case ACT_CRASH_PRI:
		/* not under a promotion's feet */
		if (w.promoting)
			break;
		crash(pri, a->a);
		boot(pri);
		break;
	case ACT_CRASH_BOTH:
		crash(sec, a->a);
		crash(pri, a->a * 3 + 1);
		power_on();
		if (a->b)
			add_pending(ACT_CRASH_BOTH, 1 + a->a % 200, a->a * 7 + 1, a->b - 1);
		break;
	case ACT_PROBE:
		probe(a->a);
		break;
	case ACT_FAULT:
		fault(a->a, a->b);
		break;
	case ACT_HEAL:
		heal_disk(disk_of(a->a, &n, &meta));
		break;
	case ACT_BUDGET:
		apply_budget(pri, a->a);
		break;
	case ACT_HOLD:
		disk_hold(disk_of(a->a, &n, &meta), true);
		add_pending(ACT_UNHOLD, a->b, a->a, 0);
		COVER("fault: a disk does not answer");
		break;
	case ACT_UNHOLD:
		disk_hold(disk_of(a->a, &n, &meta), false);
		break;
	case ACT_NET:
		may_be_silent();
		if (w.conn)
			conn_block(w.conn, true);
		add_pending(ACT_NET_ON, a->b, 0, 0);
		break;
	case ACT_NET_ON:
		if (w.conn)
			conn_block(w.conn, false);
		break;
	case ACT_STALL:
		w.stall_seed = a->a;
		n = a->a % 8 ? sec : pri;
		disk_stall(n->meta, 1 + a->b % 4, a->b & 0x300 ? DMO_DATA_START * 8 : 0, on_stall);
		break;
	case ACT_STALLED:
		stalled(a->a, a->b);
		break;
	case ACT_ALLOC:
		nodes[a->a & 1].host->fails.atomic = a->b;
		break;
	case ACT_NTH:
		nodes[a->a & 1].host->fails.nth = a->b;
		break;
	case ACT_SWITCH:
	case ACT_SET:
		command(pri, a->type, a->a, a->b);
		break;
	case ACT_SUSPEND:
	case ACT_RESUME:
	case ACT_RELOAD:
	case ACT_DETACH:
	case ACT_STATUS:
	case ACT_RESTART:
		command(a->a & 1 ? pri : sec, a->type, a->a, a->b);
		break;
	case ACT_PROMOTE:
		promote(a->a);
		break;
	case ACT_TWIN:
		twin_start(a->a);
		break;
	case ACT_TURN:
		may_be_silent();
		w.turn_in = a->a;
		if (a->a)
			break;
		w.twin_turn = !w.twin_turn && twin.started;
		if (w.conn && w.twin_turn != w.conn_twin)
			conn_cut(w.conn, a->b);
		break;
	case ACT_TWIN_ENDS:
		twin_end(a->a, a->b);
		break;
	case ACT_IMAGE:
		take_image(a->a & 1 ? pri : sec, a->a);
		break;
	case ACT_TAMPER:
		tamper(a->b & 1 ? pri : sec, a->b >> 1, a->a);
		break;
	case ACT_REJOIN:
		if (a->a & 1) {
			give_up_old();
		} else if (w.alone && !sec->host->up) {
			COVER("split brain: the old primary comes back");
			node_boot(sec);
			w.busy[index_of(sec)] = true;
			sim_spawn(sec->host, start_main, sec, "start", false);
		}
		break;
	}
	for (i = 0; i < 2; i++)
		if (needs_restart(&nodes[i]) && !w.busy[i] && rng_below(&sim_sched, 4) == 0)
			command(&nodes[i], ACT_RESTART, 0, 0);
	if (both_run() && rng_below(&sim_sched, 4) == 0)
		settle_divergence();
}

/* ---- the end ---- */

static void heal(void)
{
	u32 i, v;

	w.healing = true;
	twin_end(1, false);
	for (i = 0; i < 2; i++) {
		struct node *n = &nodes[i];

		n->host->fails.atomic = 0;
		n->host->fails.nth = 0;
		heal_disk(n->meta);
		disk_hold(n->meta, false);
		disk_stall(n->meta, 0, 0, NULL);
		disk_set_latency(n->meta, 20, 0, 0);
		for (v = 0; v < n->nr_volumes; v++) {
			heal_disk(n->data[v]);
			disk_hold(n->data[v], false);
			disk_set_latency(n->data[v], 20, 0, 0);
		}
	}
	if (w.conn)
		conn_block(w.conn, false);
	give_up_old();
	power_on();
	w.connect = true;
}

/* One pass of an operator who wants everything to run. */
static void mend(void)
{
	u32 i, v;

	give_up_old();
	power_on();
	if (both_run())
		settle_divergence();
	for (i = 0; i < 2; i++) {
		struct node *n = &nodes[i];

		if (w.busy[i] || !n->started)
			continue;
		for (v = 0; v < n->nr_volumes; v++)
			if (w.suspended[i][v])
				command(n, ACT_RESUME, (n == pri) | v * 2, 0);
		if (!w.busy[i] && needs_restart(n))
			command(n, ACT_RESTART, 0, 0);
	}
}

static bool drained(void)
{
	struct dmo_session *p = node_session(pri), *s;
	struct dmo_primary *x;
	bool ok;

	if (!pri->started || !sec->started || w.busy[0] || w.busy[1] || w.lanes)
		return false;
	if (!p || !p->pri || p->role != DMO_ROLE_PRIMARY)
		return false;
	x = p->pri;
	ok = x->peer.link == DMO_PEER_UP && dmo_store_older(x->store)->state == DMO_CHUNK_NONE &&
	     x->peer.copy.direct == DMO_DIRECT_OFF && x->merge == DMO_MERGE_NONE &&
	     dmo_store_empty(x->store->chunks[0]) && dmo_store_empty(x->store->chunks[1]) &&
	     !dmo_cut_cmp(x->peer.complete, x->peer.committed) &&
	     !dmo_cut_cmp(x->peer.complete, x->peer.restored);
	s = node_session(sec);
	/* one whose peer has found another, or an earlier self, may not have noticed yet */
	if (w.doubt && (w.conn_twin || !w.conn || conn_dead(w.conn) || !s || !s->link ||
			!dmo_link_is_up(s->link)))
		return false;
	return ok && s && s->sec && !dmo_copy_inconsistent(s->sec->copy_state) &&
	       node_idle(sec) && node_idle(pri) &&
	       !dmo_cut_cmp(s->sec->j.restored, s->sec->j.complete);
}

static void describe_stuck(void)
{
	struct dmo_session *p = node_session(pri), *s;
	struct dmo_chunk *c = live_store(p) ? dmo_store_active(p->pri->store) : NULL;
	char text[400];
	int n;

	n = snprintf(text, sizeof(text), "started %d %d busy %d %d lanes %u ops %u/%u", pri->started,
		     sec->started, w.busy[0], w.busy[1], w.lanes, w.done_ops, plan->nr_ops);
	if (c)
		n += snprintf(text + n, sizeof(text) - n,
			      "; primary %s older %u direct %s active %lld/%lld/%lld older %lld/%lld/%lld complete %llu.%llu committed %llu.%llu restored %llu.%llu",
			      dmo_peer_link_name(p->pri->peer.link), c->other->state, dmo_direct_name(p->pri->peer.copy.direct),
			      c->slots.counter, c->zeroes.counter, c->refs.counter,
			      c->other->slots.counter, c->other->zeroes.counter, c->other->refs.counter,
			      p->pri->peer.complete.epoch, p->pri->peer.complete.n, p->pri->peer.committed.epoch,
			      p->pri->peer.committed.n, p->pri->peer.restored.epoch, p->pri->peer.restored.n);
	s = node_session(sec);
	if (s && s->sec)
		snprintf(text + n, sizeof(text) - n, "; secondary inconsistent %d complete %llu.%llu restored %llu.%llu why.text %.60s",
			 dmo_copy_inconsistent(s->sec->copy_state), s->sec->j.complete.epoch,
			 s->sec->j.complete.n,
			 s->sec->j.restored.epoch, s->sec->j.restored.n, s->why.text);
	sim_fail_note("stuck: not drained after %llu s: %s", STUCK / SIM_SEC, text);
}

static void compare_nodes(void)
{
	static const u8 zero[DMO_BLOCK];
	u32 v;
	u64 b;

	model_check_now(pri, "drained, the primary");
	for (v = 0; v < pri->nr_volumes && !sim_failed; v++) {
		for (b = 0; b * 8 < pri->sectors[v]; b++) {
			const void *x = disk_block(pri->data[v], b), *y = disk_block(sec->data[v], b);
			u64 left = pri->sectors[v] - b * 8;

			if (x == y)
				continue;
			if (!memcmp(x ?: zero, y ?: zero, left < 8 ? left * 512 : DMO_BLOCK))
				continue;
			sim_fail_note("drained, but block %llu of volume %u differs", b, v);
			return;
		}
	}
	if (!sim_failed) {
		struct dmo_session *s = node_session(sec);

		model_check(sec, s->sec->j.restored, "drained, the secondary");
	}
	COVER("end: drained and equal");
}

static void drain(void)
{
	u64 until = sim_now + STUCK, kick = sim_now;

	heal();
	while (!sim_failed && !drained()) {
		if (sim_now > until) {
			describe_stuck();
			return;
		}
		sim_stop_at = sim_steps + 200;
		sim_run(min(until + 1, sim_now + 5 * SIM_MS));
		check_states();
		if (sim_now > kick) {
			kick = sim_now + 20 * SIM_MS;
			mend();
		}
	}
	sim_stop_at = U64_MAX;
	if (!sim_failed)
		compare_nodes();
}

static void stop_all(void)
{
	int i, rc;

	w.connect = false;
	for (i = 0; i < 2 && !sim_failed; i++) {
		rc = node_call(&nodes[i], node_do_stop, NULL, 20 * SIM_SEC);
		if (!sim_failed && rc)
			sim_fail_note("clean stop failed: %d", rc);
	}
	COVER("end: clean stop");
}

static void end_promote(void)
{
	u64 until = sim_now + STUCK;

	heal();
	while (!sim_failed && (!sec->started || w.busy[index_of(sec)])) {
		if (sim_now > until) {
			sim_fail_note("the secondary does not start");
			return;
		}
		sim_stop_at = sim_steps + 200;
		sim_run(sim_now + 5 * SIM_MS);
		mend();
	}
	if (sim_failed)
		return;
	w.connect = false;
	promote(plan->probe_seed);
	while (!sim_failed && w.busy[index_of(w.alone ? pri : sec)]) {
		if (sim_now > until) {
			sim_fail_note("the promotion does not end");
			return;
		}
		sim_stop_at = sim_steps + 200;
		sim_run(sim_now + 5 * SIM_MS);
	}
	sim_stop_at = U64_MAX;
	COVER("end: promotion");
	/* and the other way round */
	if (!sim_failed && plan->probe_seed & 1)
		drain();
}

/* ---- a schedule ---- */

static void prefill(struct node *n, u64 salt)
{
	struct sim_rng r = { salt };
	u8 data[DMO_BLOCK];
	u32 i, k;

	for (i = 0; i < 12; i++) {
		u32 v = rng_below(&r, n->nr_volumes);
		u64 b = rng_below(&r, 256);

		for (k = 0; k < 8; k++)
			sector_fill(data + k * 512, rng_next(&r) | 1);
		disk_write_now(n->data[v], b * 8, 8, data);
	}
}

static void set_up(void)
{
	static const char * const idents[2][2] = { { "naa a0", "naa a1" }, { "naa b0", "naa b1" } };
	struct node_format f;
	u32 i, v;

	for (i = 0; i < 2; i++) {
		struct node *n = &nodes[i];

		f = the_format(i ? DMO_ROLE_SECONDARY : DMO_ROLE_PRIMARY);
		node_init(n, i ? "b" : "a", &f);
		node_format(n, &f);
		if (plan->prefill)
			prefill(n, plan->assume_equal ? 1 : i + 1);
		disk_set_latency(n->meta, plan->disk_us, plan->slow_percent, 20);
		for (v = 0; v < n->nr_volumes; v++) {
			disk_set_latency(n->data[v], plan->disk_us, plan->slow_percent, 20);
			disk_faults(n->data[v])->zero_unsupported = plan->no_write_zeroes;
			if (plan->idents)
				disk_set_ident(n->data[v], idents[i][v]);
		}
	}
	w.spare_meta = disk_new(NULL, "spare", disk_sectors(nodes[1].meta));
	for (v = 0; v < plan->nr_volumes; v++)
		w.spare_data[v] = disk_new(NULL, "spare", plan->sectors[v]);
	pri = &nodes[0];
	sec = &nodes[1];
	watch(pri, true);
	model_era(pri);
	m.equal_start = plan->assume_equal;
	w.sec_may_be_inconsistent = !plan->assume_equal;
	for (i = 0; i < 2; i++)
		boot(&nodes[i]);
	w.connect = true;
	tick(NULL);
}

static void work(void)
{
	u32 next = 0, i, best;

	w.start_step = sim_steps;
	for (;;) {
		const struct act *a = NULL;
		u32 at = plan->steps;
		struct act now;

		while (next < plan->nr_acts && plan->acts[next].off)
			next++;
		if (next < plan->nr_acts && plan->acts[next].step < at) {
			a = &plan->acts[next];
			at = a->step;
		}
		best = U32_MAX;
		for (i = 0; i < w.nr_pending; i++) {
			if (w.pending[i].step < at) {
				at = w.pending[i].step;
				best = i;
			}
		}
		sim_stop_at = w.start_step + at;
		if (sim_run(sim_now + STUCK) == SIM_STOPPED)
			continue;	/* there is a new one */
		if (sim_failed)
			return;
		if (best != U32_MAX) {
			now = w.pending[best];
			w.pending[best] = w.pending[--w.nr_pending];
			act(&now);
		} else if (a) {
			act(a);
			next++;
		} else {
			break;
		}
		if (sim_failed)
			return;
	}
	sim_stop_at = U64_MAX;
}

void plan_run(const struct plan *p, u64 sched_seed, struct result *r)
{
	plan = p;
	memset(&w, 0, sizeof(w));
	model_reset();
	sim_begin(sched_seed, &p->params);
	other_begin();
	set_up();
	work();
	if (!sim_failed) {
		switch (p->end) {
		case END_DRAIN:
			drain();
			break;
		case END_PROBE:
			probe(p->probe_seed);
			break;
		case END_PROMOTE:
			end_promote();
			break;
		}
	}
	if (!sim_failed && p->stop_clean && p->end == END_DRAIN)
		stop_all();
	r->failed = sim_failed;
	r->hash = sim_hash;
	r->steps = sim_steps;
	memcpy(r->why, sim_why, sizeof(r->why));
}
