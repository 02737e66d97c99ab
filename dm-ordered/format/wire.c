// SPDX-License-Identifier: GPL-2.0-only
/*
 * Wire format: encode, decode, validate, and the verdict of the handshake.
 * Pure: no I/O, no locks, no allocation; see wire.h for the format.
 *
 * Nothing that a peer sends is used before its length, range and checksum are
 * known to be good. A header is judged by itself first, so that no more is
 * received than its type can mean.
 */
#include "format/codec.h"
#include "format/wire.h"

/* of the longest HELLO */
#define HELLO_MAX	(sizeof(struct dmo_wire_hello) + DMO_MAX_LINE * sizeof(struct dmo_disk_pos) + \
			 DMO_MAX_VOLUMES * sizeof(struct dmo_wire_volume))

static_assert(sizeof(struct dmo_wire_hdr) == DMO_WIRE_HDR);
static_assert(offsetof(struct dmo_wire_hdr, csum) == 4);
static_assert(offsetof(struct dmo_wire_hdr, number) == 16);
static_assert(offsetof(struct dmo_wire_hdr, payload_len) == 24);
static_assert(offsetof(struct dmo_wire_hdr, tag) == 32);
static_assert(offsetof(struct dmo_wire_hdr, arg) == 48);
static_assert(sizeof(struct dmo_wire_last) == 64);
static_assert(offsetof(struct dmo_wire_last, total_csum) == 40);
static_assert(offsetof(struct dmo_wire_last, activation) == 48);
static_assert(sizeof(struct dmo_wire_last_link) == 24);
static_assert(sizeof(struct dmo_wire_volume) == 16);
static_assert(sizeof(struct dmo_wire_hello) == 192);
static_assert(offsetof(struct dmo_wire_hello, uuid) == 8);
static_assert(offsetof(struct dmo_wire_hello, needs) == 32);
static_assert(offsetof(struct dmo_wire_hello, attach_id) == 56);
static_assert(offsetof(struct dmo_wire_hello, copy_id) == 72);
static_assert(offsetof(struct dmo_wire_hello, complete) == 88);
static_assert(offsetof(struct dmo_wire_hello, activation) == 136);
static_assert(offsetof(struct dmo_wire_hello, chunk_max) == 168);
static_assert(offsetof(struct dmo_wire_hello, nr_line) == 176);
static_assert(HELLO_MAX <= DMO_WIRE_MAX_PAYLOAD);
static_assert(DMO_WIRE_MAX_DESC * sizeof(struct dmo_desc) <= DMO_WIRE_MAX_PAYLOAD);

static const char bad_peer[] = "the peer or the connection is faulty";

const char *dmo_frame_name(u16 type)
{
	switch (type) {
	case DMO_FRAME_HELLO:
		return "HELLO";
	case DMO_FRAME_ACCEPT:
		return "ACCEPT";
	case DMO_FRAME_REFUSE:
		return "REFUSE";
	case DMO_FRAME_FAIL:
		return "FAIL";
	case DMO_FRAME_PING:
		return "PING";
	case DMO_FRAME_DATA:
		return "DATA";
	case DMO_FRAME_LAST:
		return "LAST";
	case DMO_FRAME_DROP:
		return "DROP";
	case DMO_FRAME_COMMIT:
		return "COMMIT";
	case DMO_FRAME_DIRECT_BEGIN:
		return "DIRECT_BEGIN";
	case DMO_FRAME_DIRECT:
		return "DIRECT";
	case DMO_FRAME_SYNC:
		return "SYNC";
	case DMO_FRAME_FENCE:
		return "FENCE";
	case DMO_FRAME_COMPLETE:
		return "COMPLETE";
	case DMO_FRAME_DROPPED:
		return "DROPPED";
	case DMO_FRAME_COMMITTED:
		return "COMMITTED";
	case DMO_FRAME_RESTORED:
		return "RESTORED";
	case DMO_FRAME_DIRECT_READY:
		return "DIRECT_READY";
	case DMO_FRAME_SYNCED:
		return "SYNCED";
	case DMO_FRAME_CONDITION:
		return "CONDITION";
	case DMO_FRAME_FENCED:
		return "FENCED";
	}
	return "unknown";
}

/* -- frames ------------------------------------------------------------- */

/* Smallest and largest payload of a type, and the step between its sizes. */
static bool payload_range(u16 type, u32 *lo, u32 *hi, u32 *step)
{
	*step = 1;
	switch (type) {
	case DMO_FRAME_HELLO:
		*step = 8;
		*lo = sizeof(struct dmo_wire_hello) + sizeof(struct dmo_wire_volume);
		*hi = HELLO_MAX;
		return true;
	case DMO_FRAME_REFUSE:
	case DMO_FRAME_FAIL:
		*lo = 1;
		*hi = DMO_REASON_LEN - 1;
		return true;
	case DMO_FRAME_DATA:
	case DMO_FRAME_DIRECT:
		*step = sizeof(struct dmo_desc);
		*lo = *step;
		*hi = DMO_WIRE_MAX_DESC * *step;
		return true;
	case DMO_FRAME_LAST:
		*step = sizeof(struct dmo_wire_last_link);
		*lo = sizeof(struct dmo_wire_last) + *step;
		*hi = sizeof(struct dmo_wire_last) + DMO_WIRE_MAX_LINKS * *step;
		return true;
	case DMO_FRAME_ACCEPT:
	case DMO_FRAME_PING:
	case DMO_FRAME_DROP:
	case DMO_FRAME_COMMIT:
	case DMO_FRAME_DIRECT_BEGIN:
	case DMO_FRAME_SYNC:
	case DMO_FRAME_COMPLETE:
	case DMO_FRAME_DROPPED:
	case DMO_FRAME_COMMITTED:
	case DMO_FRAME_RESTORED:
	case DMO_FRAME_DIRECT_READY:
	case DMO_FRAME_SYNCED:
	case DMO_FRAME_CONDITION:
		*lo = 0;
		*hi = 0;
		return true;
	}
	return false;
}

static bool has_tag(u16 type)
{
	switch (type) {
	case DMO_FRAME_DATA:
	case DMO_FRAME_LAST:
	case DMO_FRAME_DROP:
	case DMO_FRAME_COMMIT:
	case DMO_FRAME_COMPLETE:
	case DMO_FRAME_DROPPED:
	case DMO_FRAME_COMMITTED:
	case DMO_FRAME_RESTORED:
		return true;
	}
	return false;
}

static bool has_arg(u16 type)
{
	switch (type) {
	case DMO_FRAME_DATA:
	case DMO_FRAME_DIRECT_BEGIN:
	case DMO_FRAME_DIRECT:
	case DMO_FRAME_SYNC:
	case DMO_FRAME_DROPPED:
	case DMO_FRAME_DIRECT_READY:
	case DMO_FRAME_SYNCED:
	case DMO_FRAME_CONDITION:
		return true;
	}
	return false;
}

static int check_type(u16 type, u64 expect, struct dmo_reason *why)
{
	u32 lo, hi, step;

	if (type == DMO_FRAME_FENCE || type == DMO_FRAME_FENCED)
		return dmo_refuse(why, -EPROTO,
				  "frame %llu, %s: of several links, a feature that is not on: %s",
				  expect, dmo_frame_name(type), bad_peer);
	if (!payload_range(type, &lo, &hi, &step))
		return dmo_refuse(why, -EPROTO, "frame %llu: type %u is unknown: %s",
				  expect, type, bad_peer);
	return 0;
}

/* Tag and arg: zero where the type has none. */
static int check_tag(struct dmo_frame_hdr *h, struct dmo_reason *why)
{
	if (h->tag.epoch > DMO_WIRE_MAX_EPOCH)
		return dmo_refuse(why, -EPROTO,
				  "frame %llu, %s: epoch of the tag is %llu, expected at most %llu: %s",
				  h->number, dmo_frame_name(h->type), h->tag.epoch,
				  DMO_WIRE_MAX_EPOCH, bad_peer);
	if ((!has_tag(h->type) && !dmo_cut_is_zero(h->tag)) || (!has_arg(h->type) && h->arg))
		return dmo_refuse(why, -EPROTO,
				  "frame %llu, %s: tag is (%llu,%llu), argument %llu, where it has none: %s",
				  h->number, dmo_frame_name(h->type), h->tag.epoch, h->tag.n,
				  h->arg, bad_peer);
	return 0;
}

int dmo_frame_decode_hdr(const void *buf, u64 expect, struct dmo_frame_hdr *h, struct dmo_reason *why)
{
	const struct dmo_wire_hdr *d = buf;
	u32 lo, hi, step, max_data = 0;
	int rc;

	if (le32_to_cpu(d->magic) != DMO_WIRE_MAGIC)
		return dmo_refuse(why, -EPROTO,
				  "frame %llu: magic is 0x%08x, expected 0x%08x: is the peer a dm-ordered?",
				  expect, le32_to_cpu(d->magic), DMO_WIRE_MAGIC);
	if (le16_to_cpu(d->version) != DMO_WIRE_VERSION)
		return dmo_refuse(why, -EPROTONOSUPPORT,
				  "frame %llu: wire version is %u, this side speaks %u: use the same release on both sides",
				  expect, le16_to_cpu(d->version), DMO_WIRE_VERSION);
	h->type = le16_to_cpu(d->type);
	rc = check_type(h->type, expect, why);
	if (rc)
		return rc;
	if (d->flags)
		return dmo_refuse(why, -EPROTO, "frame %llu, %s: flags are 0x%x, expected 0: %s",
				  expect, dmo_frame_name(h->type), le32_to_cpu(d->flags), bad_peer);
	if (memchr_inv(d->reserved, 0, sizeof(d->reserved)))
		return dmo_refuse(why, -EPROTO,
				  "frame %llu, %s: reserved bytes are not zero: %s",
				  expect, dmo_frame_name(h->type), bad_peer);
	h->number = le64_to_cpu(d->number);
	if (h->number != expect)
		return dmo_refuse(why, -EPROTO,
				  "frame %s: number is %llu, expected %llu: frames are lost, repeated or out of order: %s",
				  dmo_frame_name(h->type), h->number, expect, bad_peer);
	h->payload_len = le32_to_cpu(d->payload_len);
	payload_range(h->type, &lo, &hi, &step);
	if (h->payload_len < lo || h->payload_len > hi || (h->payload_len - lo) % step)
		return dmo_refuse(why, -EPROTO,
				  "frame %llu, %s: payload is %u bytes, expected %u to %u in steps of %u: %s",
				  expect, dmo_frame_name(h->type), h->payload_len, lo, hi, step,
				  bad_peer);
	if (h->type == DMO_FRAME_DATA || h->type == DMO_FRAME_DIRECT)
		max_data = h->payload_len / (u32)sizeof(struct dmo_desc) * DMO_BLOCK;
	h->data_len = le32_to_cpu(d->data_len);
	if (h->data_len > max_data || h->data_len % DMO_SECTOR)
		return dmo_refuse(why, -EPROTO,
				  "frame %llu, %s: data is %u bytes, expected at most %u in steps of 512: %s",
				  expect, dmo_frame_name(h->type), h->data_len, max_data, bad_peer);
	h->tag = dmo_get_cut(&d->tag);
	h->arg = le64_to_cpu(d->arg);
	return check_tag(h, why);
}

static u32 frame_csum(const void *hdr, const void *payload, u32 payload_len)
{
	static const u8 zero[4];
	const u8 *p = hdr;
	u32 crc;

	crc = dmo_crc(0, p, offsetof(struct dmo_wire_hdr, csum));
	crc = dmo_crc(crc, zero, sizeof(zero));
	crc = dmo_crc(crc, p + offsetof(struct dmo_wire_hdr, version),
		      DMO_WIRE_HDR - offsetof(struct dmo_wire_hdr, version));
	return payload_len ? dmo_crc(crc, payload, payload_len) : crc;
}

int dmo_frame_check_csum(const void *hdr, const void *payload, u32 payload_len, struct dmo_reason *why)
{
	const struct dmo_wire_hdr *d = hdr;
	u32 want = frame_csum(hdr, payload, payload_len);

	if (le32_to_cpu(d->csum) == want)
		return 0;
	return dmo_refuse(why, -EBADMSG,
			  "frame %llu, %s: checksum is 0x%08x, its content gives 0x%08x: %s",
			  le64_to_cpu(d->number), dmo_frame_name(le16_to_cpu(d->type)),
			  le32_to_cpu(d->csum), want, bad_peer);
}

void dmo_frame_encode(void *buf, const struct dmo_frame_hdr *h, const void *payload)
{
	struct dmo_wire_hdr *d = buf;

	memset(d, 0, sizeof(*d));
	d->magic = cpu_to_le32(DMO_WIRE_MAGIC);
	d->version = cpu_to_le16(DMO_WIRE_VERSION);
	d->type = cpu_to_le16(h->type);
	d->number = cpu_to_le64(h->number);
	d->payload_len = cpu_to_le32(h->payload_len);
	d->data_len = cpu_to_le32(h->data_len);
	dmo_put_cut(&d->tag, h->tag);
	d->arg = cpu_to_le64(h->arg);
	d->csum = cpu_to_le32(frame_csum(buf, payload, h->payload_len));
}

void dmo_last_encode(const struct dmo_last *l, void *buf)
{
	struct dmo_wire_last *d = buf;

	memset(d, 0, DMO_WIRE_LAST_LEN);
	dmo_put_cut(&d->table, l->table);
	d->time_ns = cpu_to_le64(l->time_ns);
	d->total_records = cpu_to_le64(l->total_records);
	d->total_desc = cpu_to_le64(l->total_desc);
	d->total_csum = cpu_to_le32(l->total_csum);
	d->flags = cpu_to_le32(l->flags);
	d->activation = cpu_to_le64(l->activation);
	d->nr_links = cpu_to_le32(1);
	d->links[0].first = cpu_to_le64(l->first);
	d->links[0].nr = cpu_to_le64(l->total_records);
}

int dmo_last_decode(const void *buf, u32 len, struct dmo_last *l, struct dmo_reason *why)
{
	const struct dmo_wire_last *d = buf;

	if (len != DMO_WIRE_LAST_LEN)
		return dmo_refuse(why, -EPROTO, "LAST: payload is %u bytes, expected %u: %s",
				  len, (u32)DMO_WIRE_LAST_LEN, bad_peer);
	if (le32_to_cpu(d->nr_links) != 1)
		return dmo_refuse(why, -EPROTO,
				  "LAST: number of links is %u, expected 1: several are a feature that is not on: %s",
				  le32_to_cpu(d->nr_links), bad_peer);
	l->table = dmo_get_cut(&d->table);
	l->time_ns = le64_to_cpu(d->time_ns);
	l->total_records = le64_to_cpu(d->total_records);
	l->total_desc = le64_to_cpu(d->total_desc);
	l->total_csum = le32_to_cpu(d->total_csum);
	l->flags = le32_to_cpu(d->flags);
	l->activation = le64_to_cpu(d->activation);
	l->first = le64_to_cpu(d->links[0].first);
	if (l->flags & ~DMO_LASTF_END_OF_COPY)
		return dmo_refuse(why, -EPROTO, "LAST: flags are 0x%x, expected only 0x%x: %s",
				  l->flags, DMO_LASTF_END_OF_COPY, bad_peer);
	if (!l->activation)
		return dmo_refuse(why, -EPROTO, "LAST: activation is 0: %s", bad_peer);
	if (d->reserved || d->links[0].reserved || d->links[0].link)
		return dmo_refuse(why, -EPROTO,
				  "LAST: link is %u, reserved fields are 0x%x and 0x%x, expected zeroes: %s",
				  le32_to_cpu(d->links[0].link), le32_to_cpu(d->reserved),
				  le32_to_cpu(d->links[0].reserved), bad_peer);
	if (le64_to_cpu(d->links[0].nr) != l->total_records || !l->first != !l->total_records)
		return dmo_refuse(why, -EPROTO,
				  "LAST: %llu frames from %llu on its only link, expected the total of %llu: %s",
				  le64_to_cpu(d->links[0].nr), l->first, l->total_records, bad_peer);
	return 0;
}

int dmo_condition_decode(u64 arg, u32 *cond, u64 *ms, struct dmo_reason *why)
{
	*cond = arg & 0xff;
	*ms = arg >> 8;
	if (*cond <= DMO_COND_MAX)
		return 0;
	return dmo_refuse(why, -EPROTO, "CONDITION: condition is %u, expected at most %u: %s",
			  *cond, DMO_COND_MAX, bad_peer);
}

static bool descs_overlap(const struct dmo_desc *a, const struct dmo_desc *b)
{
	u64 x = le64_to_cpu(a->block), y = le64_to_cpu(b->block);

	return a->volume == b->volume &&
	       x < y + dmo_desc_blocks(b) && y < x + dmo_desc_blocks(a);
}

static bool desc_follows(const struct dmo_desc *a, const struct dmo_desc *b)
{
	u32 v = le32_to_cpu(a->volume), w = le32_to_cpu(b->volume);

	return v < w ||
	       (v == w && le64_to_cpu(a->block) + dmo_desc_blocks(a) <= le64_to_cpu(b->block));
}

int dmo_frame_check_descs(const struct dmo_desc *d, u32 nr, u32 data_len,
			  const struct dmo_volume_info *vols, u32 nr_vols, struct dmo_reason *why)
{
	const struct dmo_volume_info *v = NULL;
	bool ascending = true;
	u32 bytes = 0, i, j;

	if (!nr || nr > DMO_WIRE_MAX_DESC)
		return dmo_refuse(why, -EPROTO, "frame has %u descriptors, expected 1 to %u: %s",
				  nr, DMO_WIRE_MAX_DESC, bad_peer);
	for (i = 0; i < nr; i++) {
		u32 id = le32_to_cpu(d[i].volume);

		/* mostly the volume of the one before */
		for (j = 0; (!v || v->id != id) && j < nr_vols; j++)
			if (vols[j].id == id)
				v = &vols[j];
		if (dmo_desc_check(&d[i], v, v ? 1 : 0, why))
			return -EPROTO;
		/* in ascending order nothing can be there twice */
		if (i && !desc_follows(&d[i - 1], &d[i]))
			ascending = false;
		for (j = 0; !ascending && j < i; j++)
			if (descs_overlap(&d[j], &d[i]))
				return dmo_refuse(why, -EPROTO,
						  "frame has block %llu of volume %u twice: %s",
						  max_t(u64, le64_to_cpu(d[i].block),
							le64_to_cpu(d[j].block)),
						  id, bad_peer);
		if (d[i].type == DMO_DESC_DATA)
			bytes += hweight8(d[i].mask) * DMO_SECTOR;
	}
	if (bytes != data_len)
		return dmo_refuse(why, -EPROTO,
				  "frame has %u bytes of data, its descriptors carry %u: %s",
				  data_len, bytes, bad_peer);
	return 0;
}

/* -- handshake ---------------------------------------------------------- */

u32 dmo_hello_encode(const struct dmo_hello *h, void *buf)
{
	struct dmo_wire_hello *d = buf;
	u32 nr = min_t(u32, h->nr_volumes, DMO_MAX_VOLUMES);
	u32 nr_line = min_t(u32, h->line.nr, DMO_MAX_LINE);
	struct dmo_wire_volume *v = (void *)&d->line[nr_line];
	u32 i;

	memset(d, 0, sizeof(*d));
	d->version_min = cpu_to_le16(h->version_min);
	d->version_max = cpu_to_le16(h->version_max);
	d->flags = cpu_to_le32(h->flags);
	memcpy(d->uuid, h->uuid, DMO_UUID_LEN);
	d->role = cpu_to_le32(h->role);
	d->nr_volumes = cpu_to_le32(nr);
	d->needs = cpu_to_le64(h->needs);
	d->can = cpu_to_le64(h->can);
	d->on = cpu_to_le64(h->on);
	d->attach_id = cpu_to_le64(h->attach_id);
	d->epoch = cpu_to_le64(h->epoch);
	d->copy_id = cpu_to_le64(h->copy_id);
	d->copy_step = cpu_to_le32(h->copy_step);
	dmo_put_cut(&d->complete, h->complete);
	dmo_put_cut(&d->committed, h->committed);
	dmo_put_cut(&d->restored, h->restored);
	d->activation = cpu_to_le64(h->activation);
	d->chunk_max = cpu_to_le64(h->chunk_max);
	d->nr_line = cpu_to_le32(nr_line);
	d->peer = cpu_to_le32(h->peer);
	for (i = 0; i < nr_line; i++)
		dmo_put_pos(&d->line[i], h->line.at[i]);
	for (i = 0; i < nr; i++) {
		v[i].id = cpu_to_le32(h->volumes[i].id);
		v[i].lbs = cpu_to_le32(h->volumes[i].lbs);
		v[i].sectors = cpu_to_le64(h->volumes[i].sectors);
	}
	return (u32)((void *)&v[nr] - buf);
}

static int check_hello_volume(const struct dmo_hello *h, u32 i, struct dmo_reason *why)
{
	const struct dmo_volume_info *v = &h->volumes[i];
	u32 j;

	if (v->id > U16_MAX)
		return dmo_refuse(why, -EPROTO, "HELLO: volume id is %u, expected at most %u: %s",
				  v->id, U16_MAX, bad_peer);
	if (v->lbs < DMO_SECTOR || v->lbs > DMO_BLOCK || !is_power_of_2(v->lbs))
		return dmo_refuse(why, -EPROTO,
				  "HELLO: volume %u: logical block size is %u, expected 512, 1024, 2048 or 4096: %s",
				  v->id, v->lbs, bad_peer);
	if (v->sectors < DMO_MIN_VOLUME_SECTORS || v->sectors > DMO_MAX_SESSION_SECTORS ||
	    v->sectors & (v->lbs / DMO_SECTOR - 1))
		return dmo_refuse(why, -EPROTO,
				  "HELLO: volume %u: size is %llu sectors, expected %u to %llu and whole logical blocks: %s",
				  v->id, v->sectors, DMO_MIN_VOLUME_SECTORS,
				  DMO_MAX_SESSION_SECTORS, bad_peer);
	for (j = 0; j < i; j++)
		if (h->volumes[j].id == v->id)
			return dmo_refuse(why, -EPROTO,
					  "HELLO: volume id %u is there twice, expected once: %s",
					  v->id, bad_peer);
	return 0;
}

/* Cuts that no secondary can be at, and epochs that leave none above them. */
static int check_hello_cuts(const struct dmo_hello *h, struct dmo_reason *why)
{
	u64 epoch = max(max(h->epoch, h->complete.epoch), max(h->committed.epoch, h->restored.epoch));

	if (epoch > DMO_WIRE_MAX_EPOCH)
		return dmo_refuse(why, -EPROTO, "HELLO: epoch is %llu, expected at most %llu: %s",
				  epoch, DMO_WIRE_MAX_EPOCH, bad_peer);
	if (h->role != DMO_ROLE_SECONDARY)
		return 0;
	if (dmo_cut_cmp(h->committed, h->complete) > 0 ||
	    dmo_cut_cmp(h->restored, h->committed) > 0)
		return dmo_refuse(why, -EPROTO,
				  "HELLO: restored is %llu.%llu, committed %llu.%llu, complete %llu.%llu, expected none above the next: %s",
				  h->restored.epoch, h->restored.n, h->committed.epoch,
				  h->committed.n, h->complete.epoch, h->complete.n, bad_peer);
	return 0;
}

/* What has its place, but no use yet. */
static int check_hello_places(const struct dmo_wire_hello *d, const struct dmo_hello *h,
			      struct dmo_reason *why)
{
	u32 i;

	if ((h->needs | h->on) & ~h->can)
		return dmo_refuse(why, -EPROTO,
				  "HELLO: features needed are 0x%llx, on are 0x%llx, known are only 0x%llx: %s",
				  h->needs, h->on, h->can, bad_peer);
	if (d->link)
		return dmo_refuse(why, -EPROTO, "HELLO: link is %u, expected 0: %s",
				  le32_to_cpu(d->link), bad_peer);
	if (h->role == DMO_ROLE_PRIMARY && !h->line.nr)
		return dmo_refuse(why, -EPROTO, "HELLO: a primary's line is empty: %s", bad_peer);
	if (h->role == DMO_ROLE_PRIMARY && h->activation)
		return dmo_refuse(why, -EPROTO,
				  "HELLO: a primary has boundaries of activation %016llx, expected 0: %s",
				  h->activation, bad_peer);
	if (h->peer > DMO_MAX_PEERS || (h->role == DMO_ROLE_SECONDARY && h->peer))
		return dmo_refuse(why, -EPROTO, "HELLO: peer is %u, expected at most %u: %s",
				  h->peer, h->role == DMO_ROLE_SECONDARY ? 0 : DMO_MAX_PEERS, bad_peer);
	for (i = 0; i < h->line.nr && dmo_cut_is_zero(h->line.at[i].cut); i++)
		;
	if (d->reserved || i < h->line.nr || memchr_inv(&d->cleared, 0, sizeof(d->cleared)))
		return dmo_refuse(why, -EPROTO,
				  "HELLO: what was sent or cleared, or a reserved field, is not zero: %s", bad_peer);
	return 0;
}

static void decode_hello_fixed(const struct dmo_wire_hello *d, struct dmo_hello *h)
{
	h->version_min = le16_to_cpu(d->version_min);
	h->version_max = le16_to_cpu(d->version_max);
	h->flags = le32_to_cpu(d->flags);
	memcpy(h->uuid, d->uuid, DMO_UUID_LEN);
	h->role = le32_to_cpu(d->role);
	h->nr_volumes = le32_to_cpu(d->nr_volumes);
	h->needs = le64_to_cpu(d->needs);
	h->can = le64_to_cpu(d->can);
	h->on = le64_to_cpu(d->on);
	h->attach_id = le64_to_cpu(d->attach_id);
	h->epoch = le64_to_cpu(d->epoch);
	h->copy_id = le64_to_cpu(d->copy_id);
	h->copy_step = le32_to_cpu(d->copy_step);
	h->complete = dmo_get_cut(&d->complete);
	h->committed = dmo_get_cut(&d->committed);
	h->restored = dmo_get_cut(&d->restored);
	h->activation = le64_to_cpu(d->activation);
	h->chunk_max = le64_to_cpu(d->chunk_max);
	h->peer = le32_to_cpu(d->peer);
}

static int decode_hello_volumes(const struct dmo_wire_hello *d, u32 len, struct dmo_hello *h,
				struct dmo_reason *why)
{
	u32 nr = h->nr_volumes, nr_line = le32_to_cpu(d->nr_line), i, want;
	const struct dmo_wire_volume *v;
	int rc;

	h->nr_volumes = 0;
	if (!nr || nr > DMO_MAX_VOLUMES)
		return dmo_refuse(why, -EPROTO,
				  "HELLO: number of volumes is %u, expected 1 to %u: %s",
				  nr, DMO_MAX_VOLUMES, bad_peer);
	if (nr_line > DMO_MAX_LINE)
		return dmo_refuse(why, -EPROTO,
				  "HELLO: line has %u activations, expected at most %u: %s",
				  nr_line, DMO_MAX_LINE, bad_peer);
	want = sizeof(*d) + nr_line * sizeof(d->line[0]) + nr * sizeof(*v);
	if (len != want)
		return dmo_refuse(why, -EPROTO,
				  "HELLO: payload is %u bytes, expected %u for %u activations and %u volumes: %s",
				  len, want, nr_line, nr, bad_peer);
	if (dmo_get_line(d->line, nr_line, &h->line, "HELLO", why))
		return -EPROTO;
	v = (const void *)&d->line[nr_line];
	h->nr_volumes = nr;
	for (i = 0; i < nr; i++) {
		h->volumes[i].id = le32_to_cpu(v[i].id);
		h->volumes[i].lbs = le32_to_cpu(v[i].lbs);
		h->volumes[i].sectors = le64_to_cpu(v[i].sectors);
		rc = check_hello_volume(h, i, why);
		if (rc)
			return rc;
	}
	return 0;
}

int dmo_hello_decode(const void *buf, u32 len, struct dmo_hello *h, struct dmo_reason *why)
{
	const struct dmo_wire_hello *d = buf;
	int rc;

	memset(h, 0, sizeof(*h));
	if (len < sizeof(*d))
		return dmo_refuse(why, -EPROTO, "HELLO: payload is %u bytes, expected at least %u: %s",
				  len, (u32)sizeof(*d), bad_peer);
	decode_hello_fixed(d, h);
	rc = decode_hello_volumes(d, len, h, why);
	if (rc)
		return rc;
	if (h->version_min > h->version_max)
		return dmo_refuse(why, -EPROTO,
				  "HELLO: versions are %u to %u, expected the smaller first: %s",
				  h->version_min, h->version_max, bad_peer);
	if (h->role != DMO_ROLE_PRIMARY && h->role != DMO_ROLE_SECONDARY)
		return dmo_refuse(why, -EPROTO, "HELLO: role is %u, expected %u or %u: %s",
				  h->role, DMO_ROLE_PRIMARY, DMO_ROLE_SECONDARY, bad_peer);
	rc = check_hello_places(d, h, why);
	return rc ?: check_hello_cuts(h, why);
}

static const struct dmo_volume_info *hello_volume(const struct dmo_hello *h, u32 id)
{
	u32 i;

	for (i = 0; i < h->nr_volumes; i++)
		if (h->volumes[i].id == id)
			return &h->volumes[i];
	return NULL;
}

/* Do the volume lists agree? @p is the primary's, @s the secondary's. */
static bool judge_volumes(const struct dmo_hello *p, const struct dmo_hello *s, struct dmo_reason *why)
{
	u32 i;

	for (i = 0; i < s->nr_volumes; i++) {
		if (!hello_volume(p, s->volumes[i].id)) {
			dmo_refuse(why, 0,
				   "volume %u is on the secondary (%u volumes) but not on the primary (%u): list the same volumes on both sides",
				   s->volumes[i].id, s->nr_volumes, p->nr_volumes);
			return false;
		}
	}
	for (i = 0; i < p->nr_volumes; i++) {
		const struct dmo_volume_info *v = &p->volumes[i];
		const struct dmo_volume_info *w = hello_volume(s, v->id);

		if (!w) {
			dmo_refuse(why, 0,
				   "volume %u is on the primary (%u volumes) but not on the secondary (%u): list the same volumes on both sides",
				   v->id, p->nr_volumes, s->nr_volumes);
			return false;
		}
		if (v->lbs != w->lbs) {
			dmo_refuse(why, 0,
				   "volume %u: logical block size is %u on the primary, %u on the secondary: use devices with the same",
				   v->id, v->lbs, w->lbs);
			return false;
		}
		if (v->sectors > w->sectors) {
			dmo_refuse(why, 0,
				   "volume %u: size is %llu sectors on the primary, only %llu on the secondary: grow the secondary's volume first",
				   v->id, v->sectors, w->sectors);
			return false;
		}
	}
	return true;
}

/* What are the two sides' data to each other (R6)? */
static enum dmo_relation judge_data(const struct dmo_hello *p, const struct dmo_hello *s,
				    struct dmo_reason *why)
{
	u64 ours = dmo_line_newest(&p->line), its = dmo_line_newest(&s->line);

	if (!its) {
		if (p->flags & s->flags & DMO_SBF_ASSUME_EQUAL &&
		    !(s->flags & DMO_SBF_INCONSISTENT))
			return DMO_REL_EQUAL;
		return DMO_REL_FRESH;
	}
	if (its == ours)
		return DMO_REL_SAME;
	if (dmo_line_has(&p->line, its))
		return DMO_REL_ANCESTOR;
	if (ours && dmo_line_has(&s->line, ours))
		dmo_refuse(why, 0,
			   "the secondary's data is newer: of activation %016llx, the primary's of %016llx, which went before it: exchange the roles, or format the secondary again to discard its data",
			   its, ours);
	else
		dmo_refuse(why, 0,
			   "the data has diverged: the secondary's is of activation %016llx, which the primary (activation %016llx) knows nothing of; was it put back to an older state? Format again the side whose data is to be discarded",
			   its, ours);
	return DMO_REL_REFUSE;
}

enum dmo_relation dmo_hello_judge(const struct dmo_hello *own, const struct dmo_hello *peer,
				  struct dmo_reason *why)
{
	const struct dmo_hello *p = own, *s = peer;
	char mine[DMO_UUID_TEXT], theirs[DMO_UUID_TEXT];

	if (own->version_max < peer->version_min || peer->version_max < own->version_min) {
		dmo_refuse(why, 0,
			   "wire versions are %u to %u here, %u to %u at the peer: use releases that share one",
			   own->version_min, own->version_max, peer->version_min,
			   peer->version_max);
		return DMO_REL_REFUSE;
	}
	if ((own->needs & ~peer->can) | (peer->needs & ~own->can)) {
		dmo_refuse(why, 0,
			   "features needed are 0x%llx here, 0x%llx at the peer, known are 0x%llx and 0x%llx: use the same release on both sides",
			   own->needs, peer->needs, own->can, peer->can);
		return DMO_REL_REFUSE;
	}
	if (memcmp(own->uuid, peer->uuid, DMO_UUID_LEN)) {
		dmo_refuse(why, 0,
			   "session UUID is %s here, %s at the peer: connect the two sides of one session",
			   dmo_uuid_text(own->uuid, mine), dmo_uuid_text(peer->uuid, theirs));
		return DMO_REL_REFUSE;
	}
	if (own->role == peer->role) {
		dmo_refuse(why, 0,
			   "role is %s here and at the peer: a primary and a secondary are needed",
			   dmo_role_name(own->role));
		return DMO_REL_REFUSE;
	}
	if (own->role == DMO_ROLE_SECONDARY) {
		p = peer;
		s = own;
	}
	if (!judge_volumes(p, s, why))
		return DMO_REL_REFUSE;
	return judge_data(p, s, why);
}
