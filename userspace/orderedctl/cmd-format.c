// SPDX-License-Identifier: GPL-2.0-only
/*
 * format: lay out a metadata device. The order of the writes makes a format
 * that is cut short look unformatted: first the old superblocks go, then the
 * areas are written, then the new superblocks, a flush after each.
 */
#include "format/ondisk.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/random.h>
#include <unistd.h>

#include "lib/metafile.h"
#include "orderedctl/ctl.h"
#include "orderedctl/outage.h"

#define ZERO_CHUNK	(1u << 20)
#define PROBES	64		/* blocks of the journal that are looked at */

static struct dmo_super new_sb = {
	.cycle_ms = DMO_CYCLE_MS_DEFAULT,
	.budget_mib = DMO_BUDGET_MIB_DEFAULT,
	.link_timeout_ms = DMO_LINK_TIMEOUT_MS_DEFAULT,
};
static const char *meta;
static bool plain, assume_equal, force;
static uint64_t rate;

/* Devices named as volumes: the metadata must not go onto one of them. */
static struct {
	u32 major, minor;
	bool given;
} data_dev[DMO_MAX_VOLUMES];

static int parse_role(const struct ctl_opt *o, const char *text)
{
	if (!strcmp(text, "primary")) {
		new_sb.role = DMO_ROLE_PRIMARY;
	} else if (!strcmp(text, "secondary")) {
		new_sb.role = DMO_ROLE_SECONDARY;
	} else {
		ctl_err("--%s: \"%s\" is no role; give primary or secondary", o->name, text);
		return CTL_USAGE;
	}
	return 0;
}

static int parse_uuid(const struct ctl_opt *o, const char *text)
{
	if (!ord_uuid_parse(text, new_sb.uuid) && memchr_inv(new_sb.uuid, 0, DMO_UUID_LEN))
		return 0;
	ctl_err("--%s: \"%s\" is not a UUID; take the one that format printed at the peer", o->name,
		text);
	return CTL_USAGE;
}

/* A label must not be mistaken for a UUID, a path or a device number. */
static int parse_label(const struct ctl_opt *o, const char *text)
{
	uint8_t uuid[DMO_UUID_LEN];
	size_t len = strlen(text), ok;

	ok = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
	if (!len || len >= DMO_LABEL_LEN || ok != len || *text == '-' ||
	    !ord_uuid_parse(text, uuid)) {
		ctl_err("--%s: \"%s\" can't be a label; give 1 to %d letters, digits, '.', '_' or '-', not '-' first and not a UUID",
			o->name, text, DMO_LABEL_LEN - 1);
		return CTL_USAGE;
	}
	memcpy(new_sb.label, text, len + 1);
	return 0;
}

/* ":512" ... ":4096" at the end of @text is cut off into @lbs. */
static void cut_lbs(char *text, u32 *lbs)
{
	static const u32 sizes[] = { 512, 1024, 2048, 4096 };
	char *colon = strrchr(text, ':');
	char want[8];
	size_t i;

	for (i = 0; colon && i < ARRAY_SIZE(sizes); i++) {
		snprintf(want, sizeof(want), "%u", sizes[i]);
		if (!strcmp(colon + 1, want)) {
			*lbs = sizes[i];
			*colon = '\0';
			return;
		}
	}
}

/* ID:SIZE[:LBS] or ID:DATA[:LBS]; a device's name may hold colons itself. */
static int parse_volume(const struct ctl_opt *o, const char *text)
{
	struct dmo_super *sb = &new_sb;
	struct dmo_volume_info *v = &sb->volumes[sb->nr_volumes];
	char buf[PATH_MAX], id[16];
	struct dmo_reason why;
	const char *colon = strchr(text, ':');
	struct ord_dev_info dev;
	uint64_t n, bytes;
	bool is_dev;
	int fd;

	(void)o;
	if (sb->nr_volumes == DMO_MAX_VOLUMES) {
		ctl_err("--volume: a session has at most %d volumes; use several sessions",
			DMO_MAX_VOLUMES);
		return CTL_USAGE;
	}
	if (!colon || (size_t)(colon - text) >= sizeof(id) || strlen(colon + 1) >= sizeof(buf)) {
		ctl_err("--volume: \"%s\" is not ID:SIZE or ID:DATA; say for example 1:10G or 1:/dev/sdb",
			text);
		return CTL_USAGE;
	}
	snprintf(id, sizeof(id), "%.*s", (int)(colon - text), text);
	if (ctl_number("--volume: id", id, 0, 65535, "", &n))
		return CTL_USAGE;
	if (dmo_super_volume(sb, (u32)n)) {
		ctl_err("--volume: id %s is given twice; choose another", id);
		return CTL_USAGE;
	}
	v->id = (u32)n;
	v->lbs = 0;
	strcpy(buf, colon + 1);
	is_dev = buf[0] == '/' || buf[0] == '.';
	if (!is_dev || access(buf, F_OK))
		cut_lbs(buf, &v->lbs);
	if (is_dev) {
		fd = ord_dev_open(buf, O_RDONLY, false, &dev, &why);
		if (fd < 0) {
			ctl_err("--volume: %s", why.text);
			return CTL_FAIL;
		}
		close(fd);
		data_dev[sb->nr_volumes].major = dev.major;
		data_dev[sb->nr_volumes].minor = dev.minor;
		data_dev[sb->nr_volumes].given = true;
		bytes = dev.bytes;
		if (v->lbs && v->lbs < dev.lbs) {
			ctl_err("--volume: %s has logical blocks of %u bytes; give that, or a larger size",
				buf, dev.lbs);
			return CTL_FAIL;
		}
		if (!v->lbs)
			v->lbs = dev.lbs;
		bytes -= bytes % v->lbs;
	} else if (ord_size(buf, 1, &bytes)) {
		ctl_err("--volume: \"%s\" is neither a size nor a path; say for example 10G, 1.5T, 20971520s (sectors), or /dev/sdb",
			buf);
		return CTL_USAGE;
	}
	if (!v->lbs)
		v->lbs = 512;
	if (bytes % v->lbs) {
		ctl_err("--volume: size of volume %u is %llu bytes, not a multiple of its logical block size %u",
			v->id, (unsigned long long)bytes, v->lbs);
		return CTL_USAGE;
	}
	v->sectors = bytes / DMO_SECTOR;
	if (v->sectors < DMO_MIN_VOLUME_SECTORS || v->sectors > DMO_MAX_SESSION_SECTORS) {
		ctl_err("--volume: size of volume %u is %s; give 1 MiB to 64 TiB", v->id,
			ord_fmt_bytes(bytes));
		return CTL_USAGE;
	}
	sb->nr_volumes++;
	return 0;
}

static int random_bytes(void *buf, size_t len)
{
	if (getrandom(buf, len, 0) == (ssize_t)len)
		return 0;
	ctl_err("the kernel gave no random numbers: %s", strerror(errno));
	return -1;
}

static int write_at(int fd, const void *buf, size_t len, u64 off)
{
	const char *p = buf;

	while (len) {
		ssize_t n = pwrite(fd, p, len, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			ctl_err("can't write the metadata device at byte %llu: %s",
				(unsigned long long)off, n ? strerror(errno) : "no space");
			return -1;
		}
		p += n;
		off += (u64)n;
		len -= (size_t)n;
	}
	return 0;
}

static int write_zeroes(int fd, u64 block, u64 nr)
{
	u64 off = block * DMO_BLOCK, left = nr * DMO_BLOCK;
	char *zero = calloc(1, ZERO_CHUNK);
	int rc = 0;

	if (!zero) {
		ctl_err("out of memory");
		return -1;
	}
	while (left && !rc) {
		size_t n = left < ZERO_CHUNK ? (size_t)left : ZERO_CHUNK;

		rc = write_at(fd, zero, n, off);
		off += n;
		left -= n;
	}
	free(zero);
	return rc;
}

static int sync_fd(int fd)
{
	if (!fsync(fd))
		return 0;
	ctl_err("can't flush the metadata device: %s", strerror(errno));
	return -1;
}

static int write_states(int fd, const struct dmo_super *sb)
{
	struct dmo_state st = { 0 };
	char buf[DMO_BLOCK];
	u64 seq;

	/*
	 * The journal starts at a random sequence and predecessor, so that
	 * records from before a format under the same UUID are no successors.
	 */
	if (random_bytes(&seq, sizeof(seq)) ||
	    random_bytes(&st.tail_prev_csum, sizeof(st.tail_prev_csum)))
		return -1;
	st.tail_seq = (seq >> 8) | 1;
	st.seq_floor = st.tail_seq;
	st.reach = 1;	/* nothing was written */
	memset(buf, 0, sizeof(buf));
	st.generation = 1;
	dmo_state_encode(&st, sb->uuid, buf);
	if (write_at(fd, buf, sizeof(buf), (u64)DMO_STATE_BLOCK0 * DMO_BLOCK))
		return -1;
	st.generation = 2;
	dmo_state_encode(&st, sb->uuid, buf);
	return write_at(fd, buf, sizeof(buf), (u64)DMO_STATE_BLOCK1 * DMO_BLOCK);
}

static int write_supers(int fd, struct dmo_super *sb)
{
	static const u64 block[2] = { DMO_SB_BLOCK0, DMO_SB_BLOCK1 };
	void *buf = malloc(DMO_SB_BYTES);
	int rc = 0, i;

	if (!buf) {
		ctl_err("out of memory");
		return -1;
	}
	for (i = 0; i < 2 && !rc; i++) {
		sb->generation = (u64)i + 1;
		dmo_super_encode(sb, buf);
		rc = write_at(fd, buf, DMO_SB_BYTES, block[i] * DMO_BLOCK);
	}
	free(buf);
	return rc;
}

/*
 * Of the ring only its first block, so that nothing old is found there. But a device that can't be read where
 * it was never written (dm-integrity that wasn't wiped) would stop a recovery, which reads on behind
 * the end of what there is: there all of it.
 */
static int write_journal(int fd, const struct dmo_super *sb)
{
	bool readable = true;
	void *buf;
	int i;

	if (posix_memalign(&buf, DMO_BLOCK, DMO_BLOCK)) {
		ctl_err("out of memory");
		return -1;
	}
	for (i = 0; i < PROBES && readable; i++)
		readable = !ord_dev_pread(fd, buf, DMO_BLOCK,
					  (sb->journal_start + sb->journal_blocks * i / PROBES) * DMO_BLOCK);
	free(buf);
	if (!readable)
		fprintf(stderr, "the journal can't be read where it was never written: writing all of its %s\n",
			ord_fmt_bytes(sb->journal_blocks * DMO_BLOCK));
	return write_zeroes(fd, sb->journal_start, readable ? 1 : sb->journal_blocks);
}

static int write_all(int fd, struct dmo_super *sb)
{
	if (write_zeroes(fd, DMO_SB_BLOCK0, DMO_SB_BLOCKS) ||
	    write_zeroes(fd, DMO_SB_BLOCK1, DMO_SB_BLOCKS) || sync_fd(fd))
		return -1;
	if (write_zeroes(fd, DMO_GROUP_START, DMO_GROUP_BLOCKS) ||
	    write_zeroes(fd, sb->bitmap_start, sb->bitmap_blocks) ||
	    write_zeroes(fd, DMO_WIT_BLOCK0, 2 * DMO_WIT_BLOCKS) ||
	    write_journal(fd, sb) || write_states(fd, sb) || sync_fd(fd))
		return -1;
	if (write_supers(fd, sb) || sync_fd(fd))
		return -1;
	return 0;
}

/* Something on the device that a format would destroy? */
static int refuse_content(const struct ord_metafile *m, const char *path)
{
	const char *sig;
	int i;

	for (i = 0; i < 2; i++) {
		const struct dmo_super *sb = &m->sb[i];

		if (!m->sb_rc[i]) {
			ctl_err("%s holds the dm-ordered session %s%s%s (%s); use --force to give it up",
				path, ord_fmt_uuid(sb->uuid), *sb->label ? " " : "", sb->label,
				dmo_role_name(sb->role));
			return -1;
		}
	}
	for (i = 0; i < 2; i++) {
		if (m->sb_magic[i]) {
			ctl_err("%s holds dm-ordered metadata that can't be used (%s); see \"orderedctl dump\", or use --force to give it up",
				path, m->sb_why[i].text);
			return -1;
		}
	}
	sig = ord_dev_signature(m->fd);
	if (sig) {
		ctl_err("%s holds %s; check the name, or use --force to overwrite it", path, sig);
		return -1;
	}
	return 0;
}

/* What a secondary with this journal takes as a whole. */
static void print_chunk(const struct dmo_super *sb)
{
	u64 max = dmo_chunk_max(sb->journal_blocks);

	printf("largest chunk %s", ord_fmt_bytes(max));
	if (rate)
		printf(": an outage of %s at %s/s\n",
		       ord_fmt_ms(ctl_outage_ms_of(max, rate, sb->cycle_ms)), ord_fmt_bytes(rate));
	else
		printf(": what is collected while there is no link (see \"orderedctl size\"); with more, a secondary is INCONSISTENT until it is copied\n");
}

static void print_result(const struct dmo_super *sb, const char *path)
{
	const char *other = sb->role == DMO_ROLE_PRIMARY ? "secondary" : "primary";
	const char *name = *sb->label ? sb->label : "NAME";
	u32 i;

	printf("uuid %s\n", ord_fmt_uuid(sb->uuid));
	printf("journal %s of %s\n", ord_fmt_bytes(sb->journal_blocks * DMO_BLOCK),
	       ord_fmt_bytes(sb->meta_blocks * DMO_BLOCK));
	print_chunk(sb);
	printf("peer: orderedctl format --role %s --uuid %s", other, ord_fmt_uuid(sb->uuid));
	if (*sb->label)
		printf(" --label %s", sb->label);
	for (i = 0; i < sb->nr_volumes; i++)
		printf(" --volume %u:%s:%u", sb->volumes[i].id,
		       ord_fmt_size_exact(sb->volumes[i].sectors * DMO_SECTOR), sb->volumes[i].lbs);
	if (sb->flags & DMO_SBF_PLAIN)
		printf(" --plain");
	if (sb->flags & DMO_SBF_ASSUME_EQUAL)
		printf(" --assume-equal");
	if (sb->cycle_ms != DMO_CYCLE_MS_DEFAULT)
		printf(" --cycle-ms %u", sb->cycle_ms);
	if (sb->budget_mib != DMO_BUDGET_MIB_DEFAULT)
		printf(" --budget-mib %u", sb->budget_mib);
	if (sb->link_timeout_ms != DMO_LINK_TIMEOUT_MS_DEFAULT)
		printf(" --link-timeout %u", sb->link_timeout_ms);
	printf(" PEER-META\n");
	for (i = 0; i < sb->nr_volumes; i++)
		printf("here: dmsetup create %s-%u --table '0 %llu ordered DATA %s %u'\n", name,
		       sb->volumes[i].id, (unsigned long long)sb->volumes[i].sectors, path,
		       sb->volumes[i].id);
}

static int format(struct dmo_super *sb, const char *path)
{
	struct dmo_reason why;
	struct ord_metafile m;
	int rc = CTL_FAIL;
	u32 i;

	if (ord_metafile_open(&m, path, O_RDWR | O_EXCL, &why)) {
		ctl_err("%s", why.text);
		return CTL_FAIL;
	}
	for (i = 0; m.dev.is_block && i < sb->nr_volumes; i++) {
		if (data_dev[i].given && data_dev[i].major == m.dev.major &&
		    data_dev[i].minor == m.dev.minor) {
			ctl_err("%s is also the data device of volume %u; the metadata needs a device of its own",
				path, sb->volumes[i].id);
			goto out;
		}
	}
	if (!force && refuse_content(&m, path))
		goto out;
	if (dmo_super_layout(sb, m.blocks, &why) || dmo_super_check(sb, &why)) {
		ctl_err("%s: %s", path, why.text);
		goto out;
	}
	if (dmo_ref_unit(sb->volumes, sb->nr_volumes, (u64)sb->budget_mib << 20, &why) < 0) {
		ctl_err("%s (--budget-mib)", why.text);
		goto out;
	}
	if (force && ord_dev_wipe(m.fd)) {
		ctl_err("%s: a signature of what was there can't be removed: see \"wipefs %s\"", path, path);
		goto out;
	}
	if (write_all(m.fd, sb))
		goto out;
	print_result(sb, path);
	rc = CTL_OK;
out:
	ord_metafile_close(&m);
	return rc;
}

static int run(const struct ctl_command *cmd)
{
	struct dmo_super *sb = &new_sb;

	if (!plain)
		return ctl_usage_error(cmd, "--plain is missing: this version makes no authenticated links, so the session could never be linked; with --plain its links are neither authenticated nor encrypted, and belong into a protected network");
	sb->flags |= DMO_SBF_PLAIN;
	if (assume_equal)
		sb->flags |= DMO_SBF_ASSUME_EQUAL;
	sb->created_ns = ord_wall_ns();
	if (!memchr_inv(sb->uuid, 0, DMO_UUID_LEN)) {
		if (random_bytes(sb->uuid, DMO_UUID_LEN))
			return CTL_FAIL;
		sb->uuid[6] = (sb->uuid[6] & 0x0f) | 0x40;	/* version 4, RFC 9562 */
		sb->uuid[8] = (sb->uuid[8] & 0x3f) | 0x80;
	}
	if (sb->role == DMO_ROLE_SECONDARY && !assume_equal)
		sb->flags |= DMO_SBF_INCONSISTENT;
	return format(sb, meta);
}

static const struct ctl_operand operands[] = { { "META", &meta }, { 0 } };

static const struct ctl_opt opts[] = {
	{ "role", "primary|secondary", "which side this is", parse_role, .must = true },
	{ "volume", "ID:SIZE[:LBS]|ID:DATA[:LBS]",
	  "a volume of 1M to 64T; of a device its size and the size of its logical blocks (else 512) are taken; up to 256, the same at both sides",
	  parse_volume, .must = true, .many = true },
	{ "uuid", "UUID", "take this one, for the second side; default: a new one", parse_uuid },
	{ "label", "LABEL", "a name for the session", parse_label },
	{ "plain", NULL, "allow links without authentication and encryption, for networks that are protected otherwise; without it there can be none, so it must be said",
	  ctl_opt_flag, &plain },
	{ "assume-equal", NULL, "both sides' data devices are known to be the same (both new and zeroed, or copied by other means): no first full copy; if they differ, they stay so",
	  ctl_opt_flag, &assume_equal },
	CTL_CYCLE(&new_sb.cycle_ms, "length of a cycle, 1000 by default"),
	CTL_BUDGET(&new_sb.budget_mib, "memory for blocks on their way, 256 by default"),
	CTL_LINK_TIMEOUT(&new_sb.link_timeout_ms, "a link that is silent for so long is given up, 10000 by default"),
	{ "rate", "RATE", "of distinct data written: say for how long an outage the journal is",
	  ctl_opt_rate, &rate },
	{ "force", NULL, "overwrite a session's metadata or another known content; never a device that is in use",
	  ctl_opt_flag, &force },
	{ 0 }
};

const struct ctl_command ctl_cmd_format = {
	.name = "format",
	.what = "lay out a metadata device (data devices are not touched)",
	.operands = operands,
	.opts = opts,
	.run = run,
};
