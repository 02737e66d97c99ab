// SPDX-License-Identifier: GPL-2.0-only
/*
 * Coverage of named transitions. The module's functions that the transitions go through are wrapped
 * by the linker (--wrap, see WRAP in the Makefile); what they were called with, and what state they
 * met, is counted, and nothing is changed.
 */
#include "cover.h"
#include "journal/jwalk.h"
#include "link/link_priv.h"
#include "node.h"
#include "primary/primary_priv.h"
#include "secondary/secondary_priv.h"

u64 cover_count[MAX_COVER];

void cover_init(void)
{
	u32 n = cover_nr(), i;

	if (n > MAX_COVER)
		__builtin_trap();
	for (i = 0; i < n; i++)
		*__start_cover_points[i].slot = i;
}

u32 cover_nr(void)
{
	return (u32)(__stop_cover_points - __start_cover_points);
}

const char *cover_name(u32 i)
{
	return __start_cover_points[i].name;
}

/* ---- chunk states ---- */

int __real_dmo_chunk_next(enum dmo_chunk_state *st, enum dmo_chunk_event ev);
int __wrap_dmo_chunk_next(enum dmo_chunk_state *st, enum dmo_chunk_event ev);
int __wrap_dmo_chunk_next(enum dmo_chunk_state *st, enum dmo_chunk_event ev)
{
	switch (ev) {
	case DMO_CHUNK_EV_OPEN:
		COVER("chunk: none, open -> active");
		break;
	case DMO_CHUNK_EV_CUT:
		COVER("chunk: active, cut -> draining");
		break;
	case DMO_CHUNK_EV_DRAINED:
		COVER("chunk: draining, drained -> shipping");
		break;
	case DMO_CHUNK_EV_COMPLETE:
		COVER("chunk: shipping, complete -> complete");
		break;
	case DMO_CHUNK_EV_LINK_LOST:
		COVER("chunk: shipping, link lost");
		break;
	case DMO_CHUNK_EV_MERGED:
		COVER("chunk: shipping, merged -> none");
		break;
	case DMO_CHUNK_EV_RELEASED:
		COVER("chunk: complete, released -> none");
		break;
	case DMO_CHUNK_EV_COMMITTED:
		break;		/* the primary frees at COMPLETE */
	}
	return __real_dmo_chunk_next(st, ev);
}

int __real_dmo_merge_next(enum dmo_merge *st, enum dmo_merge_event ev);
int __wrap_dmo_merge_next(enum dmo_merge *st, enum dmo_merge_event ev);
int __wrap_dmo_merge_next(enum dmo_merge *st, enum dmo_merge_event ev)
{
	switch (ev) {
	case DMO_MERGE_EV_WANT:
		if (*st == DMO_MERGE_NONE)
			COVER("merge: none, want -> wanted");
		else if (*st == DMO_MERGE_WANTED)
			COVER("merge: wanted, want");
		else
			COVER("merge: running, want");
		break;
	case DMO_MERGE_EV_BEGIN:
		if (*st == DMO_MERGE_NONE)
			COVER("merge: none, begin -> running");
		else
			COVER("merge: wanted, begin -> running");
		break;
	case DMO_MERGE_EV_DONE:
		COVER("merge: running, done -> none");
		break;
	case DMO_MERGE_EV_NEEDLESS:
		if (*st == DMO_MERGE_NONE)
			COVER("merge: none, needless");
		else
			COVER("merge: wanted, needless -> none");
		break;
	}
	return __real_dmo_merge_next(st, ev);
}

/* ---- the link to the peer ---- */

int __real_dmo_peer_next(enum dmo_peer_link *st, enum dmo_peer_event ev);
int __wrap_dmo_peer_next(enum dmo_peer_link *st, enum dmo_peer_event ev);
int __wrap_dmo_peer_next(enum dmo_peer_link *st, enum dmo_peer_event ev)
{
	enum dmo_peer_link was = *st;

	switch (ev) {
	case DMO_PEER_EV_CAME:
		if (was == DMO_PEER_AWAY)
			COVER("peer: away, came -> new");
		else
			COVER("peer: lost, came -> returned");
		break;
	case DMO_PEER_EV_TAKE:
		COVER("peer: new, take -> taken");
		break;
	case DMO_PEER_EV_READY:
		COVER("peer: taken, ready -> up");
		break;
	case DMO_PEER_EV_GONE:
		switch (was) {
		case DMO_PEER_AWAY:
			COVER("peer: away, gone -> lost");
			break;
		case DMO_PEER_NEW:
			COVER("peer: new, gone -> lost");
			break;
		case DMO_PEER_TAKEN:
			COVER("peer: taken, gone -> lost");
			break;
		case DMO_PEER_UP:
			COVER("peer: up, gone -> lost");
			break;
		case DMO_PEER_LOST:
			COVER("peer: lost, gone -> lost");
			break;
		case DMO_PEER_RETURNED:
			COVER("rare: peer: returned, gone -> lost");
			break;
		}
		break;
	case DMO_PEER_EV_SETTLED:
		if (was == DMO_PEER_LOST)
			COVER("peer: lost, settled -> away");
		else
			COVER("peer: returned, settled -> new");
		break;
	}
	return __real_dmo_peer_next(st, ev);
}

/* ---- the direct copy ---- */

static void cover_direct_lost(enum dmo_direct was)
{
	switch (was) {
	case DMO_DIRECT_OFF:
		COVER("direct: off, lost");
		break;
	case DMO_DIRECT_BEGIN:
		COVER("direct: begin, lost -> off");
		break;
	case DMO_DIRECT_RUN:
		COVER("direct: run, lost -> off");
		break;
	case DMO_DIRECT_PASSED:
		COVER("direct: passed, lost -> off");
		break;
	case DMO_DIRECT_SYNCED:
		COVER("rare: direct: synced, lost -> off");
		break;
	case DMO_DIRECT_FINISH:
		COVER("direct: finish, lost");
		break;
	}
}

int __real_dmo_direct_next(enum dmo_direct *st, enum dmo_direct_event ev);
int __wrap_dmo_direct_next(enum dmo_direct *st, enum dmo_direct_event ev);
int __wrap_dmo_direct_next(enum dmo_direct *st, enum dmo_direct_event ev)
{
	switch (ev) {
	case DMO_DIRECT_EV_BEGIN:
		COVER("direct: off, begin -> begin");
		break;
	case DMO_DIRECT_EV_READY:
		COVER("direct: begin, ready -> run");
		break;
	case DMO_DIRECT_EV_PASSED:
		COVER("direct: run, passed -> passed");
		break;
	case DMO_DIRECT_EV_SYNCED:
		COVER("direct: passed, synced -> synced");
		break;
	case DMO_DIRECT_EV_AGAIN:
		COVER("direct: synced, again -> run");
		break;
	case DMO_DIRECT_EV_FINISH:
		COVER("direct: synced, finish -> finish");
		break;
	case DMO_DIRECT_EV_ENDED:
		if (*st == DMO_DIRECT_OFF)
			COVER("direct: off, ended");
		else
			COVER("direct: finish, ended -> off");
		break;
	case DMO_DIRECT_EV_MERGED:
		if (*st == DMO_DIRECT_OFF)
			COVER("direct: off, merged");
		else
			COVER("direct: finish, merged -> off");
		break;
	case DMO_DIRECT_EV_LOST:
		cover_direct_lost(*st);
		break;
	case DMO_DIRECT_EV_ANEW:
		COVER("direct: off, anew");
		break;
	}
	return __real_dmo_direct_next(st, ev);
}

/* ---- the store ---- */

u64 __real_dmo_store_demote(struct dmo_store *st, u64 target);
u64 __wrap_dmo_store_demote(struct dmo_store *st, u64 target);
u64 __wrap_dmo_store_demote(struct dmo_store *st, u64 target)
{
	u64 n = __real_dmo_store_demote(st, target);

	if (n)
		COVER("store: slots demoted to references");
	return n;
}

void __real_dmo_store_merge(struct dmo_store *st);
void __wrap_dmo_store_merge(struct dmo_store *st);
void __wrap_dmo_store_merge(struct dmo_store *st)
{
	struct dmo_chunk *new = dmo_store_active(st), *old = new->other;
	u32 i;

	if (atomic64_read(&old->slots) && atomic64_read(&new->slots))
		COVER("store: merge of slots with slots");
	if (atomic64_read(&old->refs) && atomic64_read(&new->slots))
		COVER("store: merge of references with slots");
	if (atomic64_read(&old->slots) && atomic64_read(&new->refs))
		COVER("store: merge of slots with references");
	if (atomic64_read(&old->zeroes))
		COVER("store: merge of zeroes");
	__real_dmo_store_merge(st);
	for (i = 0; i < DMO_STRIPES; i++)
		if (!list_empty(&dmo_stripe_lists(&st->stripes[i], old)->sent) ||
		    !list_empty(&dmo_stripe_lists(&st->stripes[i], old)->unsent))
			sim_fail("a merge left slots of the older chunk behind");
}

void __real_dmo_store_resend(struct dmo_store *st);
void __wrap_dmo_store_resend(struct dmo_store *st);
void __wrap_dmo_store_resend(struct dmo_store *st)
{
	u32 i, any = 0;

	for (i = 0; i < DMO_STRIPES; i++)
		any |= !list_empty(&st->stripes[i].lists[0].sent) |
		       !list_empty(&st->stripes[i].lists[1].sent);
	if (any)
		COVER("store: slots to be sent again");
	__real_dmo_store_resend(st);
}

void __real_dmo_store_full(struct dmo_store *st);
void __wrap_dmo_store_full(struct dmo_store *st);
void __wrap_dmo_store_full(struct dmo_store *st)
{
	COVER("store: full copy, all becomes references");
	__real_dmo_store_full(st);
}

bool __real_dmo_store_reship(struct dmo_store *st, struct dmo_vol *v);
bool __wrap_dmo_store_reship(struct dmo_store *st, struct dmo_vol *v);
bool __wrap_dmo_store_reship(struct dmo_store *st, struct dmo_vol *v)
{
	bool ok = __real_dmo_store_reship(st, v);

	COVER("store: reship after a failed flush");
	if (!ok)
		COVER("store: a flush failed during the reship");
	return ok;
}

void __real_dmo_store_make_refs(struct dmo_chunk *c, struct dmo_vol *v, u64 first, u64 last);
void __wrap_dmo_store_make_refs(struct dmo_chunk *c, struct dmo_vol *v, u64 first, u64 last);
void __wrap_dmo_store_make_refs(struct dmo_chunk *c, struct dmo_vol *v, u64 first, u64 last)
{
	COVER("store: blocks become references");
	__real_dmo_store_make_refs(c, v, first, last);
}

struct dmo_slot *__real_dmo_slot_alloc(struct dmo_store *st, bool with_page);
struct dmo_slot *__wrap_dmo_slot_alloc(struct dmo_store *st, bool with_page);
struct dmo_slot *__wrap_dmo_slot_alloc(struct dmo_store *st, bool with_page)
{
	struct dmo_slot *s = __real_dmo_slot_alloc(st, with_page);

	if (!s)
		COVER("store: no memory for a slot");
	return s;
}

bool __real_dmo_range_lock(struct dmo_store *st, struct dmo_range *r);
bool __wrap_dmo_range_lock(struct dmo_store *st, struct dmo_range *r);
bool __wrap_dmo_range_lock(struct dmo_store *st, struct dmo_range *r)
{
	bool held = __real_dmo_range_lock(st, r);

	if (!held)
		COVER("write: waits for a block lock");
	return held;
}

/* ---- write ---- */

void __real_dmo_copyout_start(struct dmo_io *io);
void __wrap_dmo_copyout_start(struct dmo_io *io);
void __wrap_dmo_copyout_start(struct dmo_io *io)
{
	COVER("write: copy-out");
	__real_dmo_copyout_start(io);
}

void __real_dmo_primary_want_merge(struct dmo_primary *p, struct dmo_io *io, const char *why);
void __wrap_dmo_primary_want_merge(struct dmo_primary *p, struct dmo_io *io, const char *why);
void __wrap_dmo_primary_want_merge(struct dmo_primary *p, struct dmo_io *io, const char *why)
{
	switch (why[0]) {
	case 'n':
		COVER("write: merge wanted, no memory for the copy-out");
		break;
	case 'a':
		COVER("write: merge wanted, the block can't be read");
		break;
	default:
		COVER("write: copy-out meets a merge");
	}
	__real_dmo_primary_want_merge(p, io, why);
}

void __real_dmo_primary_end(struct dmo_io *io, blk_status_t status);
void __wrap_dmo_primary_end(struct dmo_io *io, blk_status_t status);
void __wrap_dmo_primary_end(struct dmo_io *io, blk_status_t status)
{
	if (io->kind == DMO_IO_FLUSH && status)
		COVER("write: a flush fails");
	if (io->kind == DMO_IO_FLUSH && !status)
		COVER("write: a flush");
	if (io->kind == DMO_IO_WRITE && status)
		COVER("write: a local write fails");
	if (io->kind == DMO_IO_WRITE && io->chunk != dmo_store_active(io->p->store))
		COVER("write: ends after its cycle was cut");
	if (io->kind == DMO_IO_WRITE && io->zero)
		COVER("write: discard or write-zeroes");
	__real_dmo_primary_end(io, status);
}

/* ---- the primary and its peer ---- */

int __real_dmo_primary_frame(struct dmo_primary *p, const struct dmo_frame_hdr *h, char *why);
int __wrap_dmo_primary_frame(struct dmo_primary *p, const struct dmo_frame_hdr *h, char *why);
int __wrap_dmo_primary_frame(struct dmo_primary *p, const struct dmo_frame_hdr *h, char *why)
{
	int rc;

	switch (h->type) {
	case DMO_FRAME_COMPLETE:
		COVER("primary: COMPLETE");
		if (dmo_store_older(p->store)->state != DMO_CHUNK_SHIPPING)
			COVER("primary: COMPLETE of a chunk merged meanwhile");
		break;
	case DMO_FRAME_COMMITTED:
		COVER("primary: COMMITTED");
		break;
	case DMO_FRAME_RESTORED:
		COVER("primary: RESTORED");
		break;
	case DMO_FRAME_DROPPED:
		if (h->arg)
			COVER("primary: DROPPED, kept");
		else
			COVER("primary: DROPPED");
		break;
	case DMO_FRAME_SYNCED:
		COVER("primary: SYNCED");
		break;
	}
	rc = __real_dmo_primary_frame(p, h, why);
	return rc;
}

int __real_dmo_primary_produce(struct dmo_primary *p, struct dmo_link *l, char *why);
int __wrap_dmo_primary_produce(struct dmo_primary *p, struct dmo_link *l, char *why);
int __wrap_dmo_primary_produce(struct dmo_primary *p, struct dmo_link *l, char *why)
{
	bool sent = p->peer.last_sent;
	int rc = __real_dmo_primary_produce(p, l, why);

	if (!sent && p->peer.last_sent)
		COVER("primary: LAST sent");
	if (p->peer.read_error)
		COVER("primary: a reference can't be read");
	return rc;
}

void __real_dmo_primary_link_up(struct dmo_primary *p, const struct dmo_hello *peer,
				enum dmo_relation rel);
void __wrap_dmo_primary_link_up(struct dmo_primary *p, const struct dmo_hello *peer,
				enum dmo_relation rel);
void __wrap_dmo_primary_link_up(struct dmo_primary *p, const struct dmo_hello *peer,
				enum dmo_relation rel)
{
	const struct dmo_chunk *older = dmo_store_older(p->store);
	bool based = p->peer.tracked == DMO_TRACKED_BASED;

	switch (rel) {
	case DMO_REL_FRESH:
		COVER("handshake: fresh secondary");
		break;
	case DMO_REL_EQUAL:
		COVER("handshake: assumed equal");
		break;
	case DMO_REL_SAME:
		COVER("handshake: same activation");
		if (based && older->state == DMO_CHUNK_SHIPPING &&
		    !dmo_cut_cmp(peer->complete, older->cut))
			COVER("handshake: COMPLETE was lost with the old link");
		if (based && older->state == DMO_CHUNK_DRAINING)
			COVER("handshake: while the older chunk drains");
		break;
	case DMO_REL_ANCESTOR:
		COVER("handshake: secondary has an ancestor");
		break;
	case DMO_REL_REFUSE:
		break;
	}
	if (based && (peer->flags & DMO_SBF_INCONSISTENT) && peer->copy_id == p->peer.copy.id)
		COVER("handshake: the copy goes on");
	__real_dmo_primary_link_up(p, peer, rel);
}

void __real_dmo_primary_link_down(struct dmo_primary *p);
void __wrap_dmo_primary_link_down(struct dmo_primary *p);
void __wrap_dmo_primary_link_down(struct dmo_primary *p)
{
	if (dmo_store_older(p->store)->state == DMO_CHUNK_SHIPPING && p->peer.last_sent)
		COVER("link: lost between LAST and COMPLETE");
	if (p->peer.drop_pending)
		COVER("link: lost between DROP and DROPPED");
	__real_dmo_primary_link_down(p);
}

/* ---- link ---- */

void __real_dmo_link_end(struct dmo_link *l, const char *why, u16 words);
void __wrap_dmo_link_end(struct dmo_link *l, const char *why, u16 words);
void __wrap_dmo_link_end(struct dmo_link *l, const char *why, u16 words)
{
	if (l->state == DMO_LINK_HANDSHAKE)
		COVER("link: handshake -> ended");
	if (l->state == DMO_LINK_UP)
		COVER("link: up -> ended");
	if (strstr(why, "in the midst of a frame"))
		COVER("link: closed in the midst of a frame");
	/* the receiver's as a rule; the sender's own comes later by up to a poll */
	if (strstr(why, "nothing received") || strstr(why, "took and sent nothing"))
		COVER("link: time-out");
	if (strstr(why, "no handshake"))
		COVER("link: time-out of the handshake");
	if (strstr(why, "the peer gave up"))
		COVER("link: FAIL received");
	if (strstr(why, "refused by the peer"))
		COVER("rare: link: REFUSE received");
	if (words == DMO_FRAME_REFUSE && !l->tx_number)
		COVER("rare: link: refused before the own HELLO is out");
	__real_dmo_link_end(l, why, words);
}

/* Whoever refuses says HELLO first, so that the peer may judge, too: also when it was about to be sent just then. */
int __real_dmo_link_send_thread(void *data);
int __wrap_dmo_link_send_thread(void *data);
int __wrap_dmo_link_send_thread(void *data)
{
	struct dmo_link *l = data;
	int rc = __real_dmo_link_send_thread(data);

	if (l->words == DMO_FRAME_REFUSE && l->tx_mid_frame && !atomic64_read(&l->tx_bytes))
		sim_fail("a peer is refused, and gets neither HELLO nor the reason");
	return rc;
}

void __real_dmo_link_stop(struct dmo_link *l);
void __wrap_dmo_link_stop(struct dmo_link *l);
void __wrap_dmo_link_stop(struct dmo_link *l)
{
	if (l->state == DMO_LINK_UP)
		COVER("link: up, stopped by command");
	__real_dmo_link_stop(l);
	COVER("link: ended -> freed");
}

enum dmo_relation __real_dmo_hello_judge(const struct dmo_hello *own, const struct dmo_hello *peer,
					 char *why);
enum dmo_relation __wrap_dmo_hello_judge(const struct dmo_hello *own, const struct dmo_hello *peer,
					 char *why);
enum dmo_relation __wrap_dmo_hello_judge(const struct dmo_hello *own, const struct dmo_hello *peer,
					 char *why)
{
	enum dmo_relation rel = __real_dmo_hello_judge(own, peer, why);

	if (rel == DMO_REL_REFUSE)
		COVER("handshake: refused");
	return rel;
}

/* ---- states of the secondary; no ring is damaged here, and no copy begins within another ---- */

#define STEP(from, e, text) do { \
	if (was == (from) && ev == (e)) \
		COVER(text); \
	} while (0)

int __real_dmo_restore_next(enum dmo_restore_state *st, enum dmo_restore_event ev);
int __wrap_dmo_restore_next(enum dmo_restore_state *st, enum dmo_restore_event ev);
int __wrap_dmo_restore_next(enum dmo_restore_state *st, enum dmo_restore_event ev)
{
	enum dmo_restore_state was = *st;
	int rc = __real_dmo_restore_next(st, ev);

	if (rc)
		sim_fail("restore: event %d is illegal in state %s", ev, dmo_restore_state_name(was));
	STEP(DMO_RESTORE_IDLE, DMO_RESTORE_EV_BEGIN, "restore state: idle, begin -> running");
	STEP(DMO_RESTORE_RUNNING, DMO_RESTORE_EV_DONE, "restore state: running, done");
	STEP(DMO_RESTORE_RUNNING, DMO_RESTORE_EV_FAILED, "restore state: running, failed -> failing");
	STEP(DMO_RESTORE_RUNNING, DMO_RESTORE_EV_END, "restore state: running, end -> idle");
	STEP(DMO_RESTORE_FAILING, DMO_RESTORE_EV_DONE, "restore state: failing, done -> running");
	STEP(DMO_RESTORE_FAILING, DMO_RESTORE_EV_FAILED, "restore state: failing, failed");
	STEP(DMO_RESTORE_FAILING, DMO_RESTORE_EV_END, "restore state: failing, end -> waiting");
	STEP(DMO_RESTORE_WAITING, DMO_RESTORE_EV_BEGIN, "restore state: waiting, begin -> failing");
	return rc;
}

int __real_dmo_copy_next(enum dmo_copy_state *st, enum dmo_copy_event ev);
int __wrap_dmo_copy_next(enum dmo_copy_state *st, enum dmo_copy_event ev);
int __wrap_dmo_copy_next(enum dmo_copy_state *st, enum dmo_copy_event ev)
{
	enum dmo_copy_state was = *st;
	int rc = __real_dmo_copy_next(st, ev);

	if (rc)
		sim_fail("copy: event %d is illegal in state %s", ev, dmo_copy_state_name(was));
	STEP(DMO_COPY_NONE, DMO_COPY_EV_LOST, "copy state: none, lost -> needed");
	STEP(DMO_COPY_NEEDED, DMO_COPY_EV_LOST, "copy state: needed, lost");
	STEP(DMO_COPY_ENDED, DMO_COPY_EV_LOST, "rare: copy state: ended, lost -> needed");
	STEP(DMO_COPY_DONE, DMO_COPY_EV_LOST, "copy state: done, lost -> needed");
	STEP(DMO_COPY_NEEDED, DMO_COPY_EV_READY, "copy state: needed, ready -> direct");
	STEP(DMO_COPY_DIRECT, DMO_COPY_EV_READY, "copy state: direct, ready");
	STEP(DMO_COPY_DIRECT, DMO_COPY_EV_WRITE, "copy state: direct, write -> written");
	STEP(DMO_COPY_WRITTEN, DMO_COPY_EV_WRITE, "copy state: written, write");
	STEP(DMO_COPY_DIRECT, DMO_COPY_EV_SYNCED, "copy state: direct, synced");
	STEP(DMO_COPY_WRITTEN, DMO_COPY_EV_SYNCED, "copy state: written, synced -> direct");
	STEP(DMO_COPY_NEEDED, DMO_COPY_EV_END, "copy state: needed, end -> ended");
	STEP(DMO_COPY_DIRECT, DMO_COPY_EV_END, "copy state: direct, end -> finished");
	STEP(DMO_COPY_NONE, DMO_COPY_EV_CONSISTENT, "copy state: none, consistent");
	STEP(DMO_COPY_ENDED, DMO_COPY_EV_CONSISTENT, "copy state: ended, consistent -> none");
	STEP(DMO_COPY_FINISHED, DMO_COPY_EV_CONSISTENT, "copy state: finished, consistent -> done");
	STEP(DMO_COPY_NONE, DMO_COPY_EV_LINK_LOST, "copy state: none, link lost");
	STEP(DMO_COPY_NEEDED, DMO_COPY_EV_LINK_LOST, "copy state: needed, link lost");
	STEP(DMO_COPY_DIRECT, DMO_COPY_EV_LINK_LOST, "copy state: direct, link lost -> needed");
	STEP(DMO_COPY_WRITTEN, DMO_COPY_EV_LINK_LOST, "copy state: written, link lost -> needed");
	STEP(DMO_COPY_FINISHED, DMO_COPY_EV_LINK_LOST, "copy state: finished, link lost -> ended");
	STEP(DMO_COPY_ENDED, DMO_COPY_EV_LINK_LOST, "copy state: ended, link lost");
	STEP(DMO_COPY_DONE, DMO_COPY_EV_LINK_LOST, "copy state: done, link lost -> none");
	return rc;
}

/* ---- the secondary ---- */

int __real_dmo_secondary_frame(struct dmo_secondary *s, struct dmo_link *l,
			       const struct dmo_frame_hdr *h, const void *payload, char *why);
int __wrap_dmo_secondary_frame(struct dmo_secondary *s, struct dmo_link *l,
			       const struct dmo_frame_hdr *h, const void *payload, char *why);
int __wrap_dmo_secondary_frame(struct dmo_secondary *s, struct dmo_link *l,
			       const struct dmo_frame_hdr *h, const void *payload, char *why)
{
	bool inconsistent = dmo_copy_inconsistent(s->copy_state), needs_copy = dmo_sec_needs_copy(s);
	u64 open = s->j.open_records;
	int rc = __real_dmo_secondary_frame(s, l, h, payload, why);

	if (rc) {
		COVER("secondary: a frame ends the link");
		return rc;
	}
	switch (h->type) {
	case DMO_FRAME_DATA:
		COVER("secondary: DATA");
		if (dmo_restore_in_hand(s->restore_state))
			COVER("secondary: DATA while a restore runs");
		break;
	case DMO_FRAME_LAST:
		COVER("secondary: LAST");
		if (needs_copy && !dmo_sec_needs_copy(s)) {
			COVER("secondary: a copy comes to its end");
			sim_on_copy_end();
		}
		if (inconsistent && !needs_copy)
			COVER("rare: secondary: LAST before the end of a copy is restored");
		break;
	case DMO_FRAME_COMMIT:
		COVER("secondary: COMMIT");
		if (open)
			COVER("secondary: COMMIT within an open chunk");
		break;
	case DMO_FRAME_DROP:
		COVER("secondary: DROP");
		break;
	case DMO_FRAME_DIRECT_BEGIN:
		if (!inconsistent && dmo_copy_inconsistent(s->copy_state))
			COVER("secondary: consistent -> inconsistent");
		if (inconsistent && !needs_copy)
			COVER("rare: secondary: DIRECT_BEGIN before the end of a copy is restored");
		if (open)
			COVER("secondary: DIRECT_BEGIN drops early data");
		break;
	case DMO_FRAME_DIRECT:
		COVER("secondary: DIRECT");
		break;
	case DMO_FRAME_SYNC:
		COVER("secondary: SYNC");
		break;
	}
	return rc;
}

int __real_dmo_secondary_may_promote(struct dmo_secondary *s, bool force, char *why);
int __wrap_dmo_secondary_may_promote(struct dmo_secondary *s, bool force, char *why);
int __wrap_dmo_secondary_may_promote(struct dmo_secondary *s, bool force, char *why)
{
	int rc = __real_dmo_secondary_may_promote(s, force, why);

	if (rc)
		COVER("promotion: refused, inconsistent");
	return rc;
}

int __real_dmo_secondary_finish(struct dmo_secondary *s, bool force, struct dmo_cut *cut, char *why);
int __wrap_dmo_secondary_finish(struct dmo_secondary *s, bool force, struct dmo_cut *cut, char *why);
int __wrap_dmo_secondary_finish(struct dmo_secondary *s, bool force, struct dmo_cut *cut, char *why)
{
	bool open = s->j.open_records, uncommitted = s->j.uncommitted;
	bool restoring = dmo_restore_in_hand(s->restore_state);
	bool inconsistent = dmo_copy_inconsistent(s->copy_state), needs_copy = dmo_sec_needs_copy(s);
	int rc = __real_dmo_secondary_finish(s, force, cut, why);

	if (!rc) {
		COVER("promotion: done");
		if (open)
			COVER("promotion: drops an open chunk");
		if (uncommitted)
			COVER("promotion: commits a complete chunk");
		if (restoring)
			COVER("promotion: waits for a restore");
		if (needs_copy)
			COVER("promotion: forced");
		else if (inconsistent)
			COVER("promotion: restores the end of a copy");
	} else {
		COVER("promotion: failed");
	}
	return rc;
}

void __real_dmo_secondary_gate(struct dmo_secondary *s, bool closed);
void __wrap_dmo_secondary_gate(struct dmo_secondary *s, bool closed);
void __wrap_dmo_secondary_gate(struct dmo_secondary *s, bool closed)
{
	if (closed && dmo_restore_in_hand(s->restore_state))
		COVER("restore: gated while in hand");
	if (!closed)
		COVER("restore: gate opened");
	__real_dmo_secondary_gate(s, closed);
}

void __real_dmo_restore_work(struct work_struct *work);
void __wrap_dmo_restore_work(struct work_struct *work);
void __wrap_dmo_restore_work(struct work_struct *work)
{
	struct dmo_secondary *s = container_of(to_delayed_work(work), struct dmo_secondary,
					       restore_work);
	struct dmo_cut was = s->j.restored;

	if (dmo_restore_failing(s->restore_state))
		COVER("restore: tried again");
	__real_dmo_restore_work(work);
	if (dmo_cut_cmp(s->j.restored, was) > 0)
		COVER("restore: done");
	if (dmo_restore_failing(s->restore_state))
		COVER("restore: failed");
}

int __real_dmo_jwalk_next(struct dmo_jwalk *w, struct dmo_record **r, char *why);
int __wrap_dmo_jwalk_next(struct dmo_jwalk *w, struct dmo_record **r, char *why);
int __wrap_dmo_jwalk_next(struct dmo_jwalk *w, struct dmo_record **r, char *why)
{
	int rc = __real_dmo_jwalk_next(w, r, why);

	if (rc > 0 && (*r)->kept)
		COVER("restore: a record from memory");
	if (rc > 0 && !(*r)->kept)
		COVER("restore: a record from the ring");
	return rc;
}

int __real_dmo_meta_write_super(struct dmo_meta *m);
int __wrap_dmo_meta_write_super(struct dmo_meta *m);
int __wrap_dmo_meta_write_super(struct dmo_meta *m)
{
	bool was = dmo_meta_failed(m);
	int rc = __real_dmo_meta_write_super(m);

	if (rc && !was)
		COVER("metadata: a superblock write failed");
	return rc;
}

int __real_dmo_meta_write_state(struct dmo_meta *m);
int __wrap_dmo_meta_write_state(struct dmo_meta *m);
int __wrap_dmo_meta_write_state(struct dmo_meta *m)
{
	bool was = dmo_meta_failed(m);
	int rc = __real_dmo_meta_write_state(m);

	if (rc && !was)
		COVER("metadata: a state write failed");
	return rc;
}

/* variadic: what is in the registers goes through */
void __real_dmo_meta_fail(struct dmo_meta *m, const char *fmt, u64 a, u64 b, u64 c);
void __wrap_dmo_meta_fail(struct dmo_meta *m, const char *fmt, u64 a, u64 b, u64 c);
void __wrap_dmo_meta_fail(struct dmo_meta *m, const char *fmt, u64 a, u64 b, u64 c)
{
	if (!dmo_meta_failed(m))
		COVER("metadata: a journal write failed");
	__real_dmo_meta_fail(m, fmt, a, b, c);
}

/* ---- the journal ---- */

int __real_dmo_journal_append(struct dmo_journal *j, struct dmo_record *r);
int __wrap_dmo_journal_append(struct dmo_journal *j, struct dmo_record *r);
int __wrap_dmo_journal_append(struct dmo_journal *j, struct dmo_record *r)
{
	u64 was = j->head.pos;
	int rc = __real_dmo_journal_append(j, r);

	COVER("journal: DATA");
	if (!rc && r->pos < was)
		COVER("journal: DATA wraps");
	if (!rc && !was)
		COVER("journal: DATA at the ring's start");
	return rc;
}

int __real_dmo_journal_last(struct dmo_journal *j, struct dmo_boundary *b);
int __wrap_dmo_journal_last(struct dmo_journal *j, struct dmo_boundary *b);
int __wrap_dmo_journal_last(struct dmo_journal *j, struct dmo_boundary *b)
{
	if (!j->open_records)
		COVER("journal: LAST alone");
	if (b->flags & DMO_LASTF_END_OF_COPY)
		COVER("journal: LAST with END_OF_COPY");
	COVER("journal: LAST");
	return __real_dmo_journal_last(j, b);
}

int __real_dmo_journal_commit(struct dmo_journal *j, struct dmo_cut tag);
int __wrap_dmo_journal_commit(struct dmo_journal *j, struct dmo_cut tag);
int __wrap_dmo_journal_commit(struct dmo_journal *j, struct dmo_cut tag)
{
	int rc = __real_dmo_journal_commit(j, tag);

	if (rc > 0)
		COVER("journal: COMMIT");
	if (!rc)
		COVER("journal: COMMIT of what is committed");
	return rc;
}

int __real_dmo_journal_drop(struct dmo_journal *j, bool always);
int __wrap_dmo_journal_drop(struct dmo_journal *j, bool always);
int __wrap_dmo_journal_drop(struct dmo_journal *j, bool always)
{
	u64 head = j->head.seq;
	bool open = j->open_records;
	int rc = __real_dmo_journal_drop(j, always);

	if (!rc && open)
		COVER("journal: JUMP drops records");
	if (!rc && always && !open && j->head.seq != head)
		COVER("journal: JUMP in recovery");
	return rc;
}

int __real_dmo_journal_release(struct dmo_journal *j, struct dmo_boundary *upto);
int __wrap_dmo_journal_release(struct dmo_journal *j, struct dmo_boundary *upto);
int __wrap_dmo_journal_release(struct dmo_journal *j, struct dmo_boundary *upto)
{
	u64 was = j->tail.pos;
	int rc = __real_dmo_journal_release(j, upto);

	if (!rc && j->tail.pos < was)
		COVER("journal: the tail wraps");
	if (!rc && j->tail.pos != was)
		COVER("journal: the tail moves");
	return rc;
}

bool __real_dmo_journal_fits_data(struct dmo_journal *j, u32 nr_blocks);
bool __wrap_dmo_journal_fits_data(struct dmo_journal *j, u32 nr_blocks);
bool __wrap_dmo_journal_fits_data(struct dmo_journal *j, u32 nr_blocks)
{
	bool ok = __real_dmo_journal_fits_data(j, nr_blocks);

	if (!ok)
		COVER("journal: full, waits for the restore");
	return ok;
}

/* ---- recovery ---- */

int __real_dmo_recover(struct dmo_secondary *s, char *why);
int __wrap_dmo_recover(struct dmo_secondary *s, char *why);
int __wrap_dmo_recover(struct dmo_secondary *s, char *why)
{
	bool inconsistent = dmo_copy_inconsistent(s->copy_state);
	int rc = __real_dmo_recover(s, why);
	struct dmo_boundary *b;
	u32 n = 0;

	if (rc) {
		COVER("recovery: fails");
		return rc;
	}
	list_for_each_entry(b, &s->j.boundaries, node)
		n++;
	if (!n)
		COVER("recovery: finds no chunk");
	if (n > 1)
		COVER("recovery: finds several chunks");
	if (s->j.uncommitted)
		COVER("recovery: finds a chunk not committed");
	if (dmo_journal_oldest(&s->j))
		COVER("recovery: finds a chunk committed, not restored");
	if (dmo_copy_inconsistent(s->copy_state) && !dmo_sec_needs_copy(s))
		COVER("recovery: finds the end of a copy");
	if (inconsistent && dmo_sec_needs_copy(s))
		COVER("recovery: stays inconsistent");
	return rc;
}

enum dmo_jscan_next __real_dmo_jscan_header(struct dmo_jscan *s, const void *buf, struct dmo_rec *rec);
enum dmo_jscan_next __wrap_dmo_jscan_header(struct dmo_jscan *s, const void *buf, struct dmo_rec *rec);
enum dmo_jscan_next __wrap_dmo_jscan_header(struct dmo_jscan *s, const void *buf, struct dmo_rec *rec)
{
	u64 seq = s->at.seq;
	bool open = s->open;
	enum dmo_jscan_next next = __real_dmo_jscan_header(s, buf, rec);

	if (s->at.seq != seq && rec->type == DMO_REC_JUMP)
		COVER("scan: JUMP");
	if (s->at.seq != seq && rec->type == DMO_REC_JUMP && open)
		COVER("rare: scan: JUMP drops records");
	if (s->at.seq != seq && rec->type == DMO_REC_COMMIT && open)
		COVER("scan: COMMIT within an open chunk");
	if (s->wrapped_try)
		COVER("scan: looks at the ring's start");
	if (next == DMO_JSCAN_END) {
		if (s->records)
			COVER("scan: ends in an open chunk");
		else
			COVER("scan: ends behind a chunk");
		if (strstr(s->why.text, "record: checksum is"))
			COVER("scan: ends at a torn header");
	}
	return next;
}

enum dmo_jscan_next __real_dmo_jscan_body(struct dmo_jscan *s, const void *hdr,
					  const struct dmo_rec *rec, const void *data);
enum dmo_jscan_next __wrap_dmo_jscan_body(struct dmo_jscan *s, const void *hdr,
					  const struct dmo_rec *rec, const void *data);
enum dmo_jscan_next __wrap_dmo_jscan_body(struct dmo_jscan *s, const void *hdr,
					  const struct dmo_rec *rec, const void *data)
{
	enum dmo_jscan_next next = __real_dmo_jscan_body(s, hdr, rec, data);

	if (next == DMO_JSCAN_END)
		COVER("scan: ends at a torn body");
	return next;
}
