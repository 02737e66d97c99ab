// SPDX-License-Identifier: GPL-2.0-only
/*
 * size: how large a metadata device has to be, or what one is good for. By the functions that format lays
 * it out with and that the kernel decides with whether a chunk fits (ondisk.c).
 */
#include "format/ondisk.h"

#include <fcntl.h>
#include <unistd.h>

#include "lib/dev.h"
#include "orderedctl/ctl.h"
#include "orderedctl/outage.h"

#define MIB_BLOCKS	256

static struct dmo_super sb;	/* what of it a layout needs */
static uint64_t rate, outage_ms, meta_bytes, cycle_ms = DMO_CYCLE_MS_DEFAULT;
static uint32_t budget_mib = DMO_BUDGET_MIB_DEFAULT;

/* -- a device that is large enough ----------------------------------------------- */

static u64 volume_blocks(void)
{
	u64 blocks = 0;
	u32 i;

	for (i = 0; i < sb.nr_volumes; i++)
		blocks += (sb.volumes[i].sectors + DMO_BLOCK_SECTORS - 1) / DMO_BLOCK_SECTORS;
	return blocks;
}

/* Does a chunk of @bytes fit the journal of a device of so many MiB? */
static bool fits(u64 mib, u64 bytes)
{
	struct dmo_reason why;

	return !dmo_super_layout(&sb, mib * MIB_BLOCKS, &why) &&
	       dmo_chunk_max(sb.journal_blocks) >= bytes;
}

/*
 * The smallest size in MiB from which on every device is large enough. Bitmaps become finer
 * as the device grows, up to a size at which they take a quarter of it: until there a larger one may
 * have the smaller journal.
 */
static u64 smallest(u64 bytes)
{
	u64 low = 1, high = 2, mid;
	struct dmo_reason why;

	if (!dmo_super_layout(&sb, U64_MAX >> (DMO_BLOCK_SHIFT + 1), &why))
		low = sb.bitmap_blocks * 4 / MIB_BLOCKS + 1;
	if (fits(low, bytes)) {
		while (low > 1 && fits(low - 1, bytes))
			low--;
		return low;
	}
	for (high = 2 * low; !fits(high, bytes); high *= 2)
		;
	while (low + 1 < high) {
		mid = low + (high - low) / 2;
		if (fits(mid, bytes))
			high = mid;
		else
			low = mid;
	}
	return high;
}

/* -- the command ------------------------------------------------------------------ */

/* Beyond the memory budget a block is a reference, of a unit that may be larger. */
static void note_unit(u64 blocks)
{
	uint64_t mib = budget_mib;
	struct dmo_reason why;
	int shift = dmo_ref_unit(sb.volumes, sb.nr_volumes, mib << 20, &why);

	if (shift <= 0 || blocks <= (mib << 20) / DMO_BLOCK / 4 * 3)
		return;
	while (dmo_ref_unit(sb.volumes, sb.nr_volumes, mib << 20, &why) > 0)
		mib++;
	ctl_note("what does not fit the memory budget of %s counts in units of %s, whole, however little of them was written; with --budget-mib %llu units are of 4 KiB",
		 ord_fmt_bytes((uint64_t)budget_mib << 20), ord_fmt_bytes((uint64_t)DMO_BLOCK << shift),
		 (unsigned long long)mib);
}

static void print_outage(uint64_t chunk_max)
{
	uint64_t ms = ctl_outage_ms_of(chunk_max, rate, cycle_ms);

	if (chunk_max >= dmo_chunk_bytes(0, volume_blocks(), 0))
		printf("outage         any: all the volumes fit\n");
	else if (!ms)
		printf("outage         none: not even two cycles of %s at %s/s fit\n",
		       ord_fmt_ms(cycle_ms), ord_fmt_bytes(rate));
	else
		printf("outage         %s at %s/s, cycles of %s\n", ord_fmt_ms(ms), ord_fmt_bytes(rate),
		       ord_fmt_ms(cycle_ms));
}

static int run(const struct ctl_command *cmd)
{
	struct dmo_reason why;
	u64 blocks, bytes = 0;

	(void)cmd;
	if (dmo_ref_unit(sb.volumes, sb.nr_volumes, (u64)budget_mib << 20, &why) < 0) {
		ctl_err("--budget-mib: %s", why.text);
		return CTL_FAIL;
	}
	blocks = ctl_outage_blocks(outage_ms, rate, cycle_ms);
	if (blocks > volume_blocks())
		blocks = volume_blocks();
	if (!meta_bytes)
		meta_bytes = smallest(dmo_chunk_bytes(0, blocks, 0)) * MIB_BLOCKS * DMO_BLOCK;
	if (dmo_super_layout(&sb, meta_bytes / DMO_BLOCK, &why)) {
		ctl_err("--meta: %s", why.text);
		return CTL_FAIL;
	}
	bytes = dmo_chunk_max(sb.journal_blocks);
	printf("metadata       %s, at each side\n", ord_fmt_size_exact(meta_bytes));
	printf("journal        %s\n", ord_fmt_bytes(sb.journal_blocks * DMO_BLOCK));
	printf("largest chunk  %s\n", ord_fmt_bytes(bytes));
	print_outage(bytes);
	note_unit(outage_ms ? blocks : bytes / DMO_BLOCK);
	return CTL_OK;
}

/* SIZE or DATA, a device of which it is taken. */
static int parse_volumes(const struct ctl_opt *o, const char *text)
{
	struct dmo_volume_info *v = &sb.volumes[sb.nr_volumes];
	struct dmo_reason why;
	struct ord_dev_info dev;
	uint64_t bytes;
	u64 sum = 0;
	u32 i;
	int fd;

	if (sb.nr_volumes == DMO_MAX_VOLUMES) {
		ctl_err("--%s: a session has at most %d volumes; use several sessions", o->name,
			DMO_MAX_VOLUMES);
		return CTL_USAGE;
	}
	if (*text == '/' || *text == '.') {
		fd = ord_dev_open(text, O_RDONLY, false, &dev, &why);
		if (fd < 0) {
			ctl_err("--%s: %s", o->name, why.text);
			return CTL_FAIL;
		}
		close(fd);
		bytes = dev.bytes;
	} else if (ord_size(text, 1, &bytes)) {
		ctl_err("--%s: \"%s\" is neither a size nor a path; say for example 10G, 1.5T or /dev/sdb",
			o->name, text);
		return CTL_USAGE;
	}
	v->id = sb.nr_volumes;
	v->lbs = DMO_SECTOR;
	v->sectors = bytes / DMO_SECTOR;
	for (i = 0; i <= sb.nr_volumes; i++)
		sum += sb.volumes[i].sectors;
	if (v->sectors < DMO_MIN_VOLUME_SECTORS || sum > DMO_MAX_SESSION_SECTORS) {
		ctl_err("--%s: %s is out of range; give 1 MiB to 64 TiB, all volumes together",
			o->name, text);
		return CTL_USAGE;
	}
	sb.nr_volumes++;
	return 0;
}

enum { FOR_OUTAGE, FOR_META };

static const struct ctl_opt opts[] = {
	{ "volumes", "SIZE|DATA", "a volume of the session, 1M to 64T all together", parse_volumes,
	  .must = true, .many = true },
	{ "rate", "RATE", "distinct data written, blocks of 4 KiB; what is written again in the same cycle, or the same outage, counts once",
	  ctl_opt_rate, &rate, .must = true },
	{ "outage", "TIME", "for how long there may be no link", ctl_opt_time, &outage_ms,
	  .unit = 1000, .min = 1000, .max = 100ULL * 86400000, .forms = CTL_FORM(FOR_OUTAGE),
	  .must = true },
	{ "meta", "SIZE", "a metadata device of that size: for how long an outage is it?", ctl_opt_size,
	  &meta_bytes, .unit = 1, .min = 1 << 20, .max = 1ULL << 50, .forms = CTL_FORM(FOR_META),
	  .must = true },
	{ "cycle", "TIME", "length of a cycle; default: 1s", ctl_opt_time, &cycle_ms, .unit = 1000,
	  .min = DMO_CYCLE_MS_MIN, .max = DMO_CYCLE_MS_MAX },
	CTL_BUDGET(&budget_mib, "memory for blocks on their way, 256 by default"),
	{ 0 }
};

const struct ctl_command ctl_cmd_size = {
	.name = "size",
	.what = "how large a metadata device has to be, or what one is good for",
	.opts = opts,
	.run = run,
};
