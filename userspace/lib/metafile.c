// SPDX-License-Identifier: GPL-2.0-only
#include "lib/metafile.h"

#include <fcntl.h>
#include <unistd.h>

static const u64 sb_block[2] = { DMO_SB_BLOCK0, DMO_SB_BLOCK1 };
static const u64 st_block[2] = { DMO_STATE_BLOCK0, DMO_STATE_BLOCK1 };

static void read_super(struct ord_metafile *m, int i, void *buf)
{
	int rc = ord_dev_pread(m->fd, buf, DMO_SB_BYTES, sb_block[i] * DMO_BLOCK);

	if (rc) {
		m->sb_rc[i] = -EIO;
		dmo_refuse(&m->sb_why[i], 0, "superblock: can't be read: %s", strerror(-rc));
		return;
	}
	m->sb_magic[i] = !memcmp(buf, DMO_SB_MAGIC, strlen(DMO_SB_MAGIC));
	m->sb_rc[i] = dmo_super_decode(buf, &m->sb[i], m->blocks, &m->sb_why[i]);
}

static void read_state(struct ord_metafile *m, int i, void *buf)
{
	const struct dmo_super *sb = &m->sb[m->chosen];
	int rc = ord_dev_pread(m->fd, buf, DMO_BLOCK, st_block[i] * DMO_BLOCK);

	if (rc) {
		m->st_rc[i] = -EIO;
		dmo_refuse(&m->st_why[i], 0, "state block: can't be read: %s", strerror(-rc));
		return;
	}
	m->st_rc[i] = dmo_state_decode(buf, sb->uuid, &m->st[i], &m->st_why[i]);
	if (!m->st_rc[i])
		m->st_rc[i] = dmo_state_check(&m->st[i], sb, &m->st_why[i]);
}

/* An unreadable copy counts as a damaged one. */
static int for_choice(int rc)
{
	return rc == -EIO ? -EUCLEAN : rc;
}

int ord_metafile_open(struct ord_metafile *m, const char *path, int flags, struct dmo_reason *why)
{
	void *buf;
	int i;

	memset(m, 0, sizeof(*m));
	m->fd = ord_dev_open(path, flags, true, &m->dev, why);
	if (m->fd < 0)
		return m->fd;
	m->blocks = m->dev.bytes / DMO_BLOCK;
	if (posix_memalign(&buf, DMO_BLOCK, DMO_SB_BYTES)) {
		close(m->fd);
		return dmo_refuse(why, -ENOMEM, "out of memory");
	}
	for (i = 0; i < 2; i++)
		read_super(m, i, buf);
	m->chosen = dmo_super_choose(for_choice(m->sb_rc[0]), &m->sb[0],
				     for_choice(m->sb_rc[1]), &m->sb[1]);
	if (m->chosen == -ENODATA) {
		const char *sig = ord_dev_signature(m->fd);

		snprintf(m->holds, sizeof(m->holds), "%s", sig ?: "");
	}
	m->st_chosen = -ENODATA;
	if (m->chosen >= 0) {
		for (i = 0; i < 2; i++)
			read_state(m, i, buf);
		if (!m->st_rc[0] && !m->st_rc[1])
			m->st_chosen = m->st[1].generation > m->st[0].generation;
		else if (!m->st_rc[0] || !m->st_rc[1])
			m->st_chosen = !m->st_rc[1];
		else
			m->st_chosen = -EUCLEAN;
	}
	free(buf);
	return 0;
}

void ord_metafile_close(struct ord_metafile *m)
{
	if (m->fd >= 0)
		close(m->fd);
	m->fd = -1;
}

int ord_metafile_witness(const struct ord_metafile *m, int i, struct dmo_witness *w, struct dmo_reason *why)
{
	static const u64 at[2] = { DMO_WIT_BLOCK0, DMO_WIT_BLOCK1 };
	const struct dmo_super *sb = &m->sb[m->chosen];
	void *buf;
	int rc;

	if (!(sb->incompat & DMO_INCOMPAT_WITNESS))
		return dmo_refuse(why, -ENODATA, "no volume was activated yet");
	if (posix_memalign(&buf, DMO_BLOCK, DMO_WIT_BYTES))
		return dmo_refuse(why, -ENOMEM, "out of memory");
	rc = ord_dev_pread(m->fd, buf, DMO_WIT_BYTES, at[i] * DMO_BLOCK);
	if (rc)
		rc = dmo_refuse(why, -EIO, "witness: can't be read: %s", strerror(-rc));
	else
		rc = dmo_witness_decode(buf, sb, w, why);
	free(buf);
	return rc;
}

const struct dmo_super *ord_metafile_super(const struct ord_metafile *m, struct dmo_reason *why)
{
	int i;

	if (m->chosen >= 0)
		return &m->sb[m->chosen];
	if (!m->sb_rc[0] && !m->sb_rc[1]) {
		char a[DMO_UUID_TEXT], b[DMO_UUID_TEXT];

		dmo_refuse(why, 0,
			   "the two superblock copies are of different sessions, %s and %s (a format was cut short): format it again",
			   dmo_uuid_text(m->sb[0].uuid, a), dmo_uuid_text(m->sb[1].uuid, b));
		return NULL;
	}
	if (m->holds[0]) {
		dmo_refuse(why, 0,
			   "it holds %s and no metadata of dm-ordered: did you exchange --meta and --data?",
			   m->holds);
		return NULL;
	}
	for (i = 0; i < 2; i++)
		if (for_choice(m->sb_rc[i]) == m->chosen)
			break;
	dmo_refuse(why, 0, "%s", m->sb_why[i < 2 ? i : 0].text);
	return NULL;
}
