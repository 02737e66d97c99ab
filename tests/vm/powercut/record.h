/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What dm-recorder writes down, and tests/images/ reads: entries in the one order in which things
 * happened to all disks of the machine, each followed by @bytes of data, padded to 8. In the order
 * of the recording machine; all fields are native, the log never leaves the architecture.
 */
#ifndef DMO_RECORD_LOG_H
#define DMO_RECORD_LOG_H

#include <linux/types.h>

#define REC_MAGIC	0x31436552u	/* "ReC1" */
#define REC_TEXT	64		/* bytes of a disk's text and of a mark, NUL included */

enum rec_type {
	REC_DISK = 1,	/* @disk, @sectors its size; data: "host name" */
	REC_INIT,	/* what @disk held at @sector when the log began; zeroes are left out */
	REC_SUBMIT,	/* @op, @flags, @id; data as it was when the I/O was submitted */
	REC_COMPLETE,	/* of @id */
	REC_MARK,	/* data: text of whoever ran the scenario */
	REC_WRITE,	/* dmo_write: @disk volume id, @sector, @sectors, @seq, @op REC_OP_ZERO */
	REC_CUT,	/* dmo_cut: @seq, tag @id.@n */
	REC_END,	/* whole; @id entries before it */
};

enum rec_op {
	REC_OP_WRITE = 1,
	REC_OP_ZERO,	/* write-zeroes or discard: this disk zeroes */
	REC_OP_FLUSH,	/* no data */
};

#define REC_PREFLUSH	(1u << 0)
#define REC_FUA		(1u << 1)
#define REC_CHANGED	(1u << 2)	/* of REC_COMPLETE: the data was changed under way */

struct rec_entry {
	__u32 magic;
	__u8 type;
	__u8 op;
	__u16 flags;
	__u32 disk;
	__u32 bytes;
	__u64 id;
	__u64 sector;
	__u64 sectors;
	__u64 seq;
	__u64 n;
};

#define REC_SIZE(bytes)	(sizeof(struct rec_entry) + (((bytes) + 7ul) & ~7ul))

#endif /* DMO_RECORD_LOG_H */
