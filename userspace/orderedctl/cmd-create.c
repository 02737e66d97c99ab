// SPDX-License-Identifier: GPL-2.0-only
/*
 * create: activate volumes. A device-mapper constructor can tell its reason
 * only to the kernel log, so everything it would refuse is checked here first,
 * for all volumes before the first one is made.
 */
#include "format/ondisk.h"

#include <fcntl.h>
#include <unistd.h>

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/holders.h"
#include "lib/metafile.h"
#include "orderedctl/ctl.h"
#include "orderedctl/kernel.h"

struct map {
	const char *name;
	const char *data;
	u32 id;
	u32 major, minor;
	u64 sectors;
};

struct job {
	const char *meta;
	u32 meta_major, meta_minor;
	struct dmo_super sb;
	struct ord_dm_volumes there;	/* what is active already */
	bool allow_reads;
	bool accept;
	struct map maps[DMO_MAX_VOLUMES];
	unsigned int nr;
};

static struct job job;
static const char *name, *data;
static uint32_t id;

/* ID=DATA,NAME; the name is behind the last comma. */
static int parse_map(const struct ctl_opt *o, const char *text)
{
	const char *eq = strchr(text, '='), *comma = strrchr(text, ',');
	struct map *m = &job.maps[job.nr];
	char *copy;
	uint64_t n;

	(void)o;
	if (!eq || !comma || comma < eq || comma == eq + 1 || !comma[1]) {
		ctl_err("--map: \"%s\" is not ID=DATA,NAME; say for example 1=/dev/sdb,db", text);
		return CTL_USAGE;
	}
	if (job.nr == DMO_MAX_VOLUMES) {
		ctl_err("--map: a session has at most %d volumes", DMO_MAX_VOLUMES);
		return CTL_USAGE;
	}
	copy = strdup(text);	/* kept to the end */
	if (!copy) {
		ctl_err("out of memory");
		return CTL_FAIL;
	}
	copy[eq - text] = '\0';
	copy[comma - text] = '\0';
	if (ctl_number("--map: id", copy, 0, 65535, "", &n)) {
		free(copy);
		return CTL_USAGE;
	}
	m->id = (u32)n;
	m->data = copy + (eq - text) + 1;
	m->name = copy + (comma - text) + 1;
	job.nr++;
	return 0;
}

static int check_name(const char *name)
{
	int rc;

	if (!*name || strlen(name) >= ORD_NAME_LEN || strchr(name, '/') || strchr(name, ' ')) {
		ctl_err("\"%s\" can't be the name of a device; give 1 to %d characters without '/' and blanks",
			name, ORD_NAME_LEN - 1);
		return CTL_USAGE;
	}
	rc = ord_dm_exists(ctl_dm(), name);
	if (rc > 0)
		ctl_err("a device-mapper device \"%s\" is there already; choose another name, or remove it with \"orderedctl remove %s\"",
			name, name);
	else if (rc)
		ctl_err("can't look for device \"%s\": %s", name, ord_dm_why(ctl_dm()));
	return rc ? CTL_FAIL : 0;
}

static int check_meta(struct job *j)
{
	struct dmo_reason why;
	const struct dmo_super *sb;
	struct ord_metafile m;
	bool ours = false;
	unsigned int i;

	if (ord_metafile_open(&m, j->meta, O_RDONLY, &why)) {
		ctl_err("%s", why.text);
		return CTL_FAIL;
	}
	sb = ord_metafile_super(&m, &why);
	if (sb)
		j->sb = *sb;
	j->meta_major = m.dev.major;
	j->meta_minor = m.dev.minor;
	if (sb && m.st_chosen < 0) {
		dmo_refuse(&why, 0, "neither state block can be used: %s", m.st_why[0].text);
		sb = NULL;
	}
	ord_metafile_close(&m);
	if (!m.dev.is_block) {
		ctl_err("%s is a regular file; make it a block device with losetup", j->meta);
		return CTL_FAIL;
	}
	if (!sb) {
		ctl_err("metadata device %s: %s", j->meta, why.text);
		return CTL_FAIL;
	}
	for (i = 0; i < 2; i++)
		if (m.sb_rc[i])
			ctl_note("%s: superblock copy %u is not usable (%s); the kernel will write it anew",
				 j->meta, i, m.sb_why[i].text);
	for (i = 0; i < j->there.nr; i++) {
		const struct ord_dm_volume *v = &j->there.v[i];

		if (v->meta_major == j->meta_major && v->meta_minor == j->meta_minor)
			ours = true;
		if (v->data_major == j->meta_major && v->data_minor == j->meta_minor) {
			ctl_err("metadata device %s is the data device of volume \"%s\"; check the name",
				j->meta, v->name);
			return CTL_FAIL;
		}
	}
	if (!ours && ord_dev_in_use(j->meta)) {
		ctl_err("metadata device %s is in use by something else (mounted, or part of another device); free it first",
			j->meta);
		return CTL_FAIL;
	}
	return 0;
}

/* Is one of the devices below a volume of this very session? */
static int on_lower(uint32_t major, uint32_t minor, void *arg)
{
	const struct job *j = arg;
	unsigned int i;

	for (i = 0; i < j->there.nr; i++) {
		const struct ord_dm_volume *v = &j->there.v[i];

		if (v->major == major && v->minor == minor && v->meta_major == j->meta_major &&
		    v->meta_minor == j->meta_minor)
			return (int)i + 1;
	}
	return 0;
}

static int check_stack(struct job *j, const char *what, const char *path, u32 major, u32 minor)
{
	int rc = ord_dev_stack_visit(major, minor, on_lower, j);

	if (!rc)
		return 0;
	ctl_err("%s device %s lies on volume \"%s\" of the same session; give a device below it",
		what, path, j->there.v[rc - 1].name);
	return CTL_FAIL;
}

/* Against what is active already, in this session or another. */
static int check_there(const struct job *j, const struct map *m)
{
	unsigned int i;

	for (i = 0; i < j->there.nr; i++) {
		const struct ord_dm_volume *v = &j->there.v[i];

		if (v->data_major == m->major && v->data_minor == m->minor) {
			ctl_err("data device %s is in use by volume \"%s\"; a data device serves one volume",
				m->data, v->name);
			return CTL_FAIL;
		}
		if (v->meta_major == m->major && v->meta_minor == m->minor) {
			ctl_err("data device %s is the metadata device of volume \"%s\"; check the name",
				m->data, v->name);
			return CTL_FAIL;
		}
		if (v->meta_major == j->meta_major && v->meta_minor == j->meta_minor &&
		    v->id == m->id) {
			ctl_err("volume %u of this session is active already, as \"%s\"; remove that first, or give another id",
				m->id, v->name);
			return CTL_FAIL;
		}
	}
	return 0;
}

static void list_ids(const struct dmo_super *sb, char *text, size_t len)
{
	size_t at = 0;
	u32 i;

	*text = '\0';
	for (i = 0; i < sb->nr_volumes && at < len; i++)
		at += (size_t)snprintf(text + at, len - at, "%s%u", i ? ", " : "",
				       sb->volumes[i].id);
}

static int check_map(struct job *j, unsigned int nr)
{
	struct map *m = &j->maps[nr];
	struct dmo_reason why;
	char ids[256];
	const struct dmo_volume_info *v;
	struct ord_dev_info dev;
	unsigned int i;
	int fd, rc;

	rc = check_name(m->name);
	if (rc)
		return rc;
	v = dmo_super_volume(&j->sb, m->id);
	if (!v) {
		list_ids(&j->sb, ids, sizeof(ids));
		ctl_err("volume id %u is unknown to the session on %s; it has %s", m->id, j->meta,
			ids);
		return CTL_FAIL;
	}
	m->sectors = v->sectors;
	fd = ord_dev_open(m->data, O_RDONLY, false, &dev, &why);
	if (fd < 0) {
		ctl_err("data device: %s", why.text);
		return CTL_FAIL;
	}
	close(fd);
	m->major = dev.major;
	m->minor = dev.minor;
	if (m->major == j->meta_major && m->minor == j->meta_minor) {
		ctl_err("%s is both data and metadata device; the metadata needs a device of its own",
			m->data);
		return CTL_FAIL;
	}
	if (dev.bytes / DMO_SECTOR < v->sectors) {
		ctl_err("data device %s has %llu sectors (%s), volume %u needs %llu (%s); use a larger device",
			m->data, (unsigned long long)dev.bytes / DMO_SECTOR, ord_fmt_bytes(dev.bytes),
			v->id, (unsigned long long)v->sectors,
			ord_fmt_bytes(v->sectors * DMO_SECTOR));
		return CTL_FAIL;
	}
	if (dev.lbs > v->lbs) {
		ctl_err("data device %s has logical blocks of %u bytes, volume %u was formatted with %u; use another device, or format both sides with %u",
			m->data, dev.lbs, v->id, v->lbs, dev.lbs);
		return CTL_FAIL;
	}
	for (i = 0; i < nr; i++) {
		const struct map *o = &j->maps[i];

		if (o->id == m->id || !strcmp(o->name, m->name) ||
		    (o->major == m->major && o->minor == m->minor)) {
			ctl_err("%s and %s share an id, a name or a data device; each volume needs its own",
				o->name, m->name);
			return CTL_USAGE;
		}
	}
	rc = check_there(j, m);
	if (!rc)
		rc = check_stack(j, "data", m->data, m->major, m->minor);
	if (rc)
		return rc;
	if (ord_dev_in_use(m->data)) {
		ctl_err("data device %s is in use (mounted, or part of another device); free it first",
			m->data);
		return CTL_FAIL;
	}
	return 0;
}

static int create_one(const struct job *j, const struct map *m)
{
	bool probe = j->sb.role == DMO_ROLE_PRIMARY || j->allow_reads;
	char params[128];
	int rc;

	snprintf(params, sizeof(params), "%u:%u %u:%u %u %d%s%s", m->major, m->minor, j->meta_major,
		 j->meta_minor, m->id, j->allow_reads + j->accept,
		 j->allow_reads ? " allow_reads" : "", j->accept ? " accept_data_device" : "");
	rc = ord_dm_volume_create(ctl_dm(), m->name, m->sectors, params, probe);
	if (!rc)
		return CTL_OK;
	ctl_err("can't create \"%s\" (volume %u on %s): %s: %s", m->name, m->id, m->data,
		strerror(-rc), ord_dm_why(ctl_dm()));
	return CTL_FAIL;
}

static int create_locked(struct job *j)
{
	unsigned int i;
	int rc;

	if (ord_dm_volumes_get(ctl_dm(), &j->there)) {
		ctl_err("can't read the device-mapper devices: %s", ord_dm_why(ctl_dm()));
		return CTL_FAIL;
	}
	rc = check_meta(j);
	if (!rc)
		rc = check_stack(j, "metadata", j->meta, j->meta_major, j->meta_minor);
	for (i = 0; i < j->nr && !rc; i++)
		rc = check_map(j, i);
	for (i = 0; i < j->nr && !rc; i++) {
		rc = create_one(j, &j->maps[i]);
		if (!rc)
			continue;
		while (i--)
			if (ord_dm_volume_remove(ctl_dm(), j->maps[i].name))
				ctl_err("and can't remove \"%s\" again: %s", j->maps[i].name,
					ord_dm_why(ctl_dm()));
		break;
	}
	ord_dm_volumes_free(&j->there);
	return rc;
}

/* Two commands for volumes of one session, as units of a boot give them, take turns. */
static int create(struct job *j)
{
	struct stat st;
	int lock = -1, rc;

	if (!stat(j->meta, &st) && S_ISBLK(st.st_mode))
		lock = ord_session_lock(major(st.st_rdev), minor(st.st_rdev));
	rc = create_locked(j);
	if (lock >= 0)
		close(lock);
	return rc;
}

static int run(const struct ctl_command *cmd)
{
	(void)cmd;
	if (!job.nr) {
		job.maps[0].name = name;
		job.maps[0].data = data;
		job.maps[0].id = id;
		job.nr = 1;
	}
	return create(&job);
}

enum { ONE, SEVERAL };

static const struct ctl_operand operands[] = {
	{ "NAME", &name, .forms = CTL_FORM(ONE), .fresh = true },
	{ 0 }
};

static const struct ctl_opt opts[] = {
	{ "meta", "META", "the session's metadata device", ctl_opt_text, &job.meta, .must = true },
	{ "volume", "ID", "which volume of the session", ctl_opt_number, &id, .max = 65535,
	  .forms = CTL_FORM(ONE), .must = true },
	{ "data", "DATA", "its data device", ctl_opt_text, &data, .forms = CTL_FORM(ONE), .must = true },
	{ "map", "ID=DATA,NAME", "a volume, its data device and what to call it", parse_map,
	  .forms = CTL_FORM(SEVERAL), .must = true, .many = true },
	{ "allow-reads", NULL, "a secondary's volume may be read; what is read may be in the midst of a restore",
	  ctl_opt_flag, &job.allow_reads },
	{ "accept-data-device", NULL, "take a data device that is not as the session left it; the next link copies everything",
	  ctl_opt_flag, &job.accept },
	{ 0 }
};

const struct ctl_command ctl_cmd_create = {
	.name = "create",
	.what = "activate a volume, or several at once, as /dev/mapper/NAME",
	.operands = operands,
	.opts = opts,
	.run = run,
};
