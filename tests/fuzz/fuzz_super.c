// SPDX-License-Identifier: GPL-2.0-only
/*
 * The superblock and the state block, both copies of each, as the kernel and
 * orderedctl read them; and orderedctl's dump of the whole.
 *
 * Decoding must accept what is right by a second opinion, written from
 * Documentation/on-disk-format.rst, and nothing else, with the right kind of
 * error; what is accepted encodes to the same bytes, but for the partition table. The
 * dump must show any device without a crash and without bytes that a terminal
 * could take for commands, and end with what it promises.
 *
 * Input: how (bits HOW_*), size of the device, two superblock headers, two states, changes of any bytes;
 * and, the same in both copies, peers, activations of the line (each behind how many there are), volumes.
 * What the input doesn't hold is zero.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "fuzz.h"
#include "lib/metafile.h"
#include "orderedctl/ctl.h"
#include "format/ondisk.h"

#define SB_USED		216
#define ST_USED		168
#define MAX_VOLUME_BYTES	(DMO_MAX_VOLUMES * 64)

enum {
	HOW_SIGN_SB0 = 1, HOW_SIGN_SB1 = 2, HOW_SIGN_ST0 = 4, HOW_SIGN_ST1 = 8,
	HOW_MAGIC = 16,
	HOW_ALIKE = 32,		/* the second copy is the first one, and what is given is XORed */
	HOW_DUMP = 64, HOW_JOURNAL = 128, HOW_JSON = 256,
	HOW_FIT = 512,		/* the device is as large as the superblock says */
	HOW_UUID = 1024,	/* state blocks of the first superblock's session */
	HOW_COUNTS = 2048,	/* the headers say how many peers and activations there are */
};

static u8 sb_raw[2][DMO_SB_BYTES], st_raw[2][DMO_BLOCK];

/* -- second opinions ------------------------------------------------------- */

typedef unsigned __int128 u128;

static bool all_zero(const u8 *p, size_t n)
{
	while (n--)
		if (*p++)
			return false;
	return true;
}

static u128 bitmap_size(u64 sectors, u64 shift)
{
	u128 bits = ((u128)sectors * 512 + ((u128)1 << shift) - 1) >> shift;

	return (bits + 4096 * 8 - 1) / (4096 * 8);
}

static bool volume_good(const u8 *sb, u32 i)
{
	const u8 *v = sb + 4096 + 64 * i;
	u64 lbs = get_le(v + 4, 4), sectors = get_le(v + 8, 8), shift = get_le(v + 24, 4);
	u128 bitmap = get_le(v + 16, 8), size;
	u32 j;

	if (get_le(v, 4) > 65535 || (lbs != 512 && lbs != 1024 && lbs != 2048 && lbs != 4096))
		return false;
	if (sectors < 2048 || sectors > 1ull << 37 || sectors % (lbs / 512))
		return false;
	if (shift ? shift < 12 || shift > 30 : bitmap != 0)
		return false;
	size = shift ? bitmap_size(sectors, shift) : 0;
	for (j = 0; shift && j < get_le(sb + 212, 4); j++)
		if (bitmap + size > get_le(sb + 512 + 64 * j + 16, 8))
			return false;
	for (j = 0; j < i; j++) {
		const u8 *w = sb + 4096 + 64 * j;
		u128 other = get_le(w + 16, 8);

		if (get_le(w, 4) == get_le(v, 4))
			return false;
		if (shift && get_le(w + 24, 4) && other < bitmap + size &&
		    bitmap < other + bitmap_size(get_le(w + 8, 8), get_le(w + 24, 4)))
			return false;
	}
	return true;
}

/* Each has bitmaps of its own in the bitmap area. Not even one of no blocks is within another's. */
static bool peers_good(const u8 *sb)
{
	u128 area = get_le(sb + 144, 8), end = area + get_le(sb + 152, 8);
	u64 nr = get_le(sb + 212, 4), i, j;

	for (i = 0; i < nr; i++) {
		const u8 *p = sb + 512 + 64 * i;
		u128 at = get_le(p + 8, 8), to = at + get_le(p + 16, 8);

		if (!get_le(p, 4) || get_le(p, 4) > 8 || at < area || to > end)
			return false;
		for (j = 0; j < i; j++) {
			const u8 *q = sb + 512 + 64 * j;

			if (get_le(q, 4) == get_le(p, 4) ||
			    (at < (u128)get_le(q + 8, 8) + get_le(q + 16, 8) && get_le(q + 8, 8) < to))
				return false;
		}
	}
	return nr;
}

/* Each activation once, and none of them 0. */
static bool line_good(const u8 *sb)
{
	u64 nr = get_le(sb + 208, 4), i, j;

	for (i = 0; i < nr; i++) {
		if (!get_le(sb + 1024 + 24 * i, 8))
			return false;
		for (j = 0; j < i; j++)
			if (get_le(sb + 1024 + 24 * i, 8) == get_le(sb + 1024 + 24 * j, 8))
				return false;
	}
	return true;
}

/* Zero: reserved bytes, and what has no use yet; not the partition table. */
static bool places_good(const u8 *sb)
{
	u64 volumes = get_le(sb + 204, 4), line = get_le(sb + 208, 4), peers = get_le(sb + 212, 4), i;

	for (i = 0; i < peers; i++)
		if (!all_zero(sb + 512 + 64 * i + 4, 4) || !all_zero(sb + 512 + 64 * i + 24, 40))
			return false;
	for (i = 0; i < line; i++)
		if (!all_zero(sb + 1024 + 24 * i + 8, 16))
			return false;
	for (i = 0; i < volumes; i++)
		if (!all_zero(sb + 4096 + 64 * i + 28, 36))
			return false;
	return all_zero(sb + 216, 230) && all_zero(sb + 512 + 64 * peers, 512 - 64 * peers) &&
	       all_zero(sb + 1024 + 24 * line, 1536 - 24 * line) && all_zero(sb + 2560, 1536) &&
	       all_zero(sb + 4096 + 64 * volumes, 16384 - 64 * volumes) && all_zero(sb + 20480, 12288);
}

/* What dmo_super_decode() has to return. */
static int super_verdict(const u8 *sb, u64 dev_blocks)
{
	u128 meta = get_le(sb + 136, 8), bm = get_le(sb + 144, 8), bms = get_le(sb + 152, 8);
	u128 j = get_le(sb + 160, 8), js = get_le(sb + 168, 8), total = 0;
	u64 nr = get_le(sb + 204, 4);
	u32 i, end;

	if (memcmp(sb, "dmORDsup", 8))
		return -ENODATA;
	if (get_le(sb + 8, 4) != own_csum(sb, DMO_SB_BYTES, 8))
		return -EUCLEAN;
	if (get_le(sb + 12, 4) != 2 || get_le(sb + 32, 8) || get_le(sb + 40, 8) & ~1ull ||
	    get_le(sb + 132, 4) & ~0xfull)
		return -EPROTONOSUPPORT;
	if (nr > 256 || get_le(sb + 208, 4) > 64 || get_le(sb + 212, 4) > 8 || !line_good(sb))
		return -EUCLEAN;
	if (!places_good(sb))
		return -EPROTONOSUPPORT;
	if (!nr || all_zero(sb + 48, 16))
		return -EUCLEAN;
	for (end = 0; end < 64 && sb[64 + end] >= 0x20 && sb[64 + end] < 0x7f; end++)
		;
	if (end == 64 || !all_zero(sb + 64 + end, 64 - end))
		return -EUCLEAN;
	if (get_le(sb + 128, 4) != 1 && get_le(sb + 128, 4) != 2)
		return -EUCLEAN;
	if (meta < 384 || meta * 4096 >> 64 || js < 256 || j < 128 || j + js > meta)
		return -EUCLEAN;
	if (bms && (bm < 128 || bm + bms > meta || (bm < j + js && j < bm + bms)))
		return -EUCLEAN;
	if (get_le(sb + 192, 4) < 1 || get_le(sb + 192, 4) > 3600000 ||
	    get_le(sb + 196, 4) < 1 || get_le(sb + 196, 4) > 1048576 ||
	    get_le(sb + 200, 4) < 100 || get_le(sb + 200, 4) > 600000 || !peers_good(sb))
		return -EUCLEAN;
	for (i = 0; i < nr; i++) {
		if (!volume_good(sb, i))
			return -EUCLEAN;
		total += get_le(sb + 4096 + 64 * i + 8, 8);
	}
	return total > 1ull << 37 || dev_blocks < meta ? -EUCLEAN : 0;
}

static int state_verdict(const u8 *st, const u8 *uuid)
{
	if (memcmp(st, "dmORDsta", 8))
		return -ENODATA;
	if (get_le(st + 8, 4) != own_csum(st, 512, 8))
		return -EUCLEAN;
	if (memcmp(st + 24, uuid, 16))
		return -ENODATA;
	/* flags; sent, cleared, reserved */
	return get_le(st + 12, 4) || !all_zero(st + 168, 344) ? -EPROTONOSUPPORT : 0;
}

/* -- the product ----------------------------------------------------------- */

/* Another device, the same volumes: what is laid out passes the checks. */
static void try_layout(const struct dmo_super *sb, u64 dev_blocks)
{
	struct dmo_super *new = exact(sb, sizeof(*sb));
	struct dmo_reason *why = why_new();

	if (dmo_super_layout(new, dev_blocks, why)) {
		why_said(why->text);
	} else {
		must(new->meta_blocks == dev_blocks, "another size");
		must(!dmo_super_check(new, why), "%s", why->text);
	}
	free(why);
	free(new);
}

/* The partition table, as the document has it. */
static void put_mbr(u8 *d, u64 blocks)
{
	static const u8 entry[] = { 0, 0xff, 0xff, 0xff, 0xda, 0xff, 0xff, 0xff, 1 };

	memset(d + 446, 0, 66);
	memcpy(d + 446, entry, sizeof(entry));
	put_le(d + 458, blocks * 8 - 1 < UINT32_MAX ? blocks * 8 - 1 : UINT32_MAX, 4);
	put_le(d + 510, 0xaa55, 2);
}

static int try_super(const u8 *raw, struct dmo_super *sb, u64 dev_blocks)
{
	static u8 again[DMO_SB_BYTES];
	u8 *d = exact(raw, DMO_SB_BYTES);
	struct dmo_reason *why = why_new();
	int rc = dmo_super_decode(d, sb, dev_blocks, why);

	must(rc == super_verdict(d, dev_blocks), "rc %d, wanted %d: %s", rc,
	     super_verdict(d, dev_blocks), rc ? why->text : "accepted");
	if (rc) {
		why_said(why->text);
	} else {
		put_mbr(d, get_le(d + 136, 8));
		put_le(d + 8, own_csum(d, DMO_SB_BYTES, 8), 4);
		dmo_super_encode(sb, again);
		must(!memcmp(d, again, DMO_SB_BYTES), "encodes to other bytes");
		must(!dmo_super_check(sb, why), "%s", why->text);
		try_layout(sb, dev_blocks);
	}
	free(why);
	free(d);
	return rc;
}

static int try_state(const u8 *raw, const struct dmo_super *sb, struct dmo_state *st)
{
	u8 *d = exact(raw, DMO_STATE_BYTES), again[DMO_STATE_BYTES];
	struct dmo_reason *why = why_new();
	int rc = dmo_state_decode(d, sb->uuid, st, why);

	must(rc == state_verdict(d, sb->uuid), "rc %d: %s", rc, rc ? why->text : "accepted");
	if (!rc) {
		dmo_state_encode(st, sb->uuid, again);
		must(!memcmp(d, again, DMO_STATE_BYTES), "encodes to other bytes");
		rc = dmo_state_check(st, sb, why);
		must(!rc == (st->tail < sb->journal_blocks && st->reach <= sb->journal_blocks), "rc %d", rc);
	}
	if (rc)
		why_said(why->text);
	free(why);
	free(d);
	return rc;
}

/* Return: the superblock to use, or an error. @state: the state slot, or -1 */
static int try_all(u64 dev_blocks, int *state)
{
	static struct dmo_super sb[2];
	static struct dmo_state st[2];
	int rc[2], use, i;

	for (i = 0; i < 2; i++)
		rc[i] = try_super(sb_raw[i], &sb[i], dev_blocks);
	use = dmo_super_choose(rc[0], &sb[0], rc[1], &sb[1]);
	if (rc[0] == -EPROTONOSUPPORT || rc[1] == -EPROTONOSUPPORT)
		must(use == -EPROTONOSUPPORT, "use %d", use);
	else if (rc[0] && rc[1])
		must(use == (rc[0] == -EUCLEAN || rc[1] == -EUCLEAN ? -EUCLEAN : -ENODATA),
		     "use %d", use);
	else if (rc[0] || rc[1])
		must(use == !!rc[0], "use %d", use);
	else if (memcmp(sb[0].uuid, sb[1].uuid, 16))
		must(use == -EUCLEAN, "use %d", use);
	else
		must(use == (sb[1].generation > sb[0].generation), "use %d", use);
	*state = -1;
	for (i = 0; use >= 0 && i < 2; i++)
		if (!try_state(st_raw[i], &sb[use], &st[i]) &&
		    (*state < 0 || st[1].generation > st[0].generation))
			*state = i;
	return use;
}

/* -- dump ------------------------------------------------------------------ */

/* What it says on stderr is not ours to read. */
void __wrap_ctl_err(const char *fmt, ...);
void __wrap_ctl_err(const char *fmt, ...)
{
}

int ctl_usage_error(const struct ctl_command *cmd, const char *fmt, ...)
{
	return CTL_USAGE;
}

static void dump(u16 how, u64 dev_blocks, int use, int state)
{
	static struct ord_metafile m;
	struct dmo_reason *why;
	static const u64 sb_at[2] = { DMO_SB_BLOCK0, DMO_SB_BLOCK1 };
	static const u64 st_at[2] = { DMO_STATE_BLOCK0, DMO_STATE_BLOCK1 };
	static char path[64];
	static int fd = -1;
	char *argv[] = { path, NULL, NULL }, *text = NULL;
	int argc = 1, rc, i;
	const struct ctl_opt *o;
	FILE *terminal = stdout;
	size_t len = 0;

	if (dev_blocks > 1ull << 40)
		return;
	if (fd < 0) {
		fd = memfd_create("dump", MFD_CLOEXEC);
		must(fd >= 0, "no memory file");
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	}
	must(!ftruncate(fd, 0) && !ftruncate(fd, (off_t)(DMO_DATA_START * DMO_BLOCK)), "truncate");
	for (i = 0; i < 2; i++)
		must(pwrite(fd, sb_raw[i], DMO_SB_BYTES, (off_t)(sb_at[i] * DMO_BLOCK)) > 0 &&
		     pwrite(fd, st_raw[i], DMO_BLOCK, (off_t)(st_at[i] * DMO_BLOCK)) > 0, "write");
	must(!ftruncate(fd, (off_t)(dev_blocks * DMO_BLOCK)), "truncate");
	why = why_new();
	must(!ord_metafile_open(&m, path, O_RDONLY, why), "%s", why->text);
	must(use < 0 ? m.chosen < 0 : m.chosen == use, "copy %d, wanted %d", m.chosen, use);
	must(state < 0 ? m.st_chosen < 0 : m.st_chosen == state, "slot %d, wanted %d", m.st_chosen, state);
	ord_metafile_close(&m);
	free(why);
	if (how & HOW_JOURNAL)
		argv[argc++] = "--journal";
	if (how & HOW_JSON)
		argv[argc++] = "--json";
	stdout = open_memstream(&text, &len);
	must(stdout, "no memory stream");
	for (o = ctl_cmd_dump.opts; o->name; o++)	/* of the run before */
		*(bool *)o->to = false;
	must(!ctl_opt_parse(&ctl_cmd_dump, argc, argv), "the arguments are refused");
	rc = ctl_cmd_dump.run(&ctl_cmd_dump);
	fclose(stdout);
	stdout = terminal;
	must(rc == (use >= 0 && state >= 0 ? CTL_OK : CTL_FAIL), "exit status %d", rc);
	must(len, "nothing was said");
	while (len--)
		must(text[len] == '\n' || (text[len] >= 0x20 && text[len] < 0x7f), "byte 0x%02x",
		     (u8)text[len]);
	free(text);
}

/* -- input ----------------------------------------------------------------- */

/* Peers, line, volumes: the same in both copies. */
static void take_lists(struct in *in, u16 how)
{
	u8 peers, line;
	u32 i;

	peers = in_u8(in) % (DMO_MAX_PEERS + 1);
	for (i = 0; i < peers; i++)
		in_bytes(in, sb_raw[0] + 512 + 64 * i, 24);
	line = in_u8(in) % (DMO_MAX_LINE + 1);
	for (i = 0; i < line; i++)
		in_bytes(in, sb_raw[0] + 1024 + 24 * i, 8);
	in_bytes(in, sb_raw[0] + 4096, MAX_VOLUME_BYTES);
	memcpy(sb_raw[1] + 512, sb_raw[0] + 512, DMO_SB_BYTES - 512);
	for (i = 0; how & HOW_COUNTS && i < 2; i++) {
		put_le(sb_raw[i] + 208, line, 4);
		put_le(sb_raw[i] + 212, peers, 4);
	}
}

static void take_copies(struct in *in, u16 how)
{
	u8 patches[8 * 4], *p = patches;
	u32 i, n;

	memset(sb_raw, 0, sizeof(sb_raw));
	memset(st_raw, 0, sizeof(st_raw));
	for (i = 0; i < 2; i++)
		in_bytes(in, sb_raw[i], SB_USED);
	for (i = 0; i < 2; i++)
		in_bytes(in, st_raw[i], ST_USED);
	if (how & HOW_ALIKE) {
		for (i = 0; i < SB_USED; i++)
			sb_raw[1][i] ^= sb_raw[0][i];
		for (i = 0; i < ST_USED; i++)
			st_raw[1][i] ^= st_raw[0][i];
	}
	n = in_u8(in) % 8;
	in_bytes(in, patches, n * 4);
	take_lists(in, how);
	for (; n; n--, p += 4) {
		u32 at = p[1] | p[2] << 8;

		if (at & 0x8000)
			st_raw[*p & 1][(at & 0x7fff) % DMO_BLOCK] ^= p[3];
		else
			sb_raw[*p & 1][at] ^= p[3];
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct in in = { data, size };
	u16 how = in_u16(&in);
	u64 dev_blocks = in_u32(&in);
	int use, state, i;

	take_copies(&in, how);
	for (i = 0; i < 2; i++) {
		if (how & HOW_MAGIC) {
			memcpy(sb_raw[i], DMO_SB_MAGIC, 8);
			memcpy(st_raw[i], DMO_STATE_MAGIC, 8);
		}
		if (how & HOW_UUID)
			memcpy(st_raw[i] + 24, sb_raw[0] + 48, 16);
		if (how & HOW_SIGN_SB0 << i)
			put_le(sb_raw[i] + 8, own_csum(sb_raw[i], DMO_SB_BYTES, 8), 4);
		if (how & HOW_SIGN_ST0 << i)
			put_le(st_raw[i] + 8, own_csum(st_raw[i], DMO_STATE_BYTES, 8), 4);
	}
	if (how & HOW_FIT)
		dev_blocks = get_le(sb_raw[0] + 136, 8);
	use = try_all(dev_blocks, &state);
	if (how & HOW_DUMP && dev_blocks >= DMO_STATE_BLOCK1 + 1)
		dump(how, dev_blocks, use, state);
	return 0;
}
