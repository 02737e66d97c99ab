/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What must be true, told without the product: every content that a sector of the primary's disks
 * ever had, with the cycle that the tracepoint named for it; which cut ends which cycle; what was
 * acknowledged. An era begins with every activation of a primary, since a power cut changes what
 * its disks hold and cycle numbers may be used again, under another epoch.
 */
#ifndef MODEL_H
#define MODEL_H

#include "node.h"

#define MODEL_SECTORS	2400	/* a volume */
#define NO_VERSION	0	/* index of the version "zero, before all" */

struct version {
	u64 tag;		/* content of 512 bytes, 0: zeroes */
	u64 seq;
	u32 era;
	u32 prev;		/* of the same sector */
	u32 sector;		/* volume * MODEL_SECTORS + sector */
};

struct cut_record {
	struct dmo_cut cut;
	u64 seq;
	u32 era;
};

struct model {
	u32 head[NODE_VOLUMES * MODEL_SECTORS];		/* newest version of a sector */
	u64 pending[NODE_VOLUMES * MODEL_SECTORS];	/* seq of the write that is under way */
	u32 nr_versions;
	u32 era;
	u32 nr_cuts;
	u32 lineage;		/* the first one since the last promotion */
	struct dmo_cut committed;	/* highest known as committed by anybody */
	struct dmo_cut complete;	/* highest known as complete by a primary */
	bool equal_start;	/* at cut 0.0 the secondary holds what the primary began with */
};

extern struct model m;
extern struct version versions[];

void model_reset(void);
/** model_era - the disks of @n hold what a primary begins with now */
void model_era(struct node *n);
void model_write(u32 volume, u64 lba, u32 sectors, u64 seq);
void model_cut(u64 seq, struct dmo_cut cut);
/* The disk's content of these sectors may have changed. */
void model_stored(struct node *n, u32 volume, u64 sector, u32 nr);
/** model_check - is what @n's data disks show the image at @cut? Fails the simulation if not. */
void model_check(struct node *n, struct dmo_cut cut, const char *what);
/** model_check_now - ... and the newest content */
void model_check_now(struct node *n, const char *what);
u64 sector_tag(const void *data);
void sector_fill(void *data, u64 tag);
u64 block_tag(const void *block, u32 sector);
void model_note_committed(struct dmo_cut cut);
void model_note_complete(struct dmo_cut cut);
const struct cut_record *model_find(struct dmo_cut cut);
/** model_newest - the newest cut that a primary made, by time; zero: none was */
struct dmo_cut model_newest(void);
/** model_lineage - cuts from here on may be below those before */
void model_lineage(void);

#endif /* MODEL_H */
