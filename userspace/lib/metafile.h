/* SPDX-License-Identifier: GPL-2.0-only */
/* A metadata device or an image of one, read without the kernel module. */
#ifndef ORD_METAFILE_H
#define ORD_METAFILE_H

#include "format/ondisk.h"
#include "lib/dev.h"

struct ord_metafile {
	struct ord_dev_info dev;
	int fd;
	u64 blocks;
	int sb_rc[2];		/* as dmo_super_decode(); -EIO: unreadable */
	bool sb_magic[2];	/* our magic is there, whatever follows */
	struct dmo_reason sb_why[2];
	struct dmo_super sb[2];
	int chosen;		/* copy in force, or negative errno */
	char holds[128];	/* -ENODATA: what there is instead, in words; "": nothing known */
	int st_rc[2];
	struct dmo_reason st_why[2];
	struct dmo_state st[2];
	int st_chosen;		/* slot in force, or negative errno */
};

/*
 * ord_metafile_open - open @path and read superblocks and state blocks
 * @flags: of open(2)
 * Damage is no failure here: it is told in the struct.
 * Return: 0 or -errno with @why when nothing could be read.
 */
int ord_metafile_open(struct ord_metafile *m, const char *path, int flags, struct dmo_reason *why);
void ord_metafile_close(struct ord_metafile *m);

/*
 * ord_metafile_witness - read and decode copy @i of the witness; there is a superblock in force
 * @w: its vols has DMO_MAX_VOLUMES entries
 * Return: 0, or -errno with @why; -ENODATA: there is none yet.
 */
int ord_metafile_witness(const struct ord_metafile *m, int i, struct dmo_witness *w, struct dmo_reason *why);

/*
 * ord_metafile_super - the superblock in force
 * Return: it, or NULL with @why in words for the operator.
 */
const struct dmo_super *ord_metafile_super(const struct ord_metafile *m, struct dmo_reason *why);

#endif /* ORD_METAFILE_H */
