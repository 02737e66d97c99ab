/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the encoders and decoders of the on-disk and wire formats share.
 *
 * A checksum covers its whole structure, the checksum field itself counted as
 * zero. It lies at the same place in all structures on disk and will in every
 * later version of the format, so that it is checked before the version is
 * believed: a flipped bit must not make a structure look newer.
 */
#ifndef DMO_CODEC_H
#define DMO_CODEC_H

#include "format/ondisk.h"

#define DMO_CSUM_OFF	8	/* of the checksum in all structures on disk */

/**
 * dmo_csum_of - checksum of a structure of @len bytes whose own is at DMO_CSUM_OFF
 */
u32 dmo_csum_of(const void *buf, size_t len);

/* what to do about damage, in refusals */
extern const char dmo_damaged[];

static inline void dmo_put_cut(struct dmo_disk_cut *d, struct dmo_cut c)
{
	d->epoch = cpu_to_le64(c.epoch);
	d->n = cpu_to_le64(c.n);
}

static inline struct dmo_cut dmo_get_cut(const struct dmo_disk_cut *d)
{
	return (struct dmo_cut){ .epoch = le64_to_cpu(d->epoch), .n = le64_to_cpu(d->n) };
}

static inline void dmo_put_pos(struct dmo_disk_pos *d, struct dmo_pos pos)
{
	d->activation = cpu_to_le64(pos.activation);
	dmo_put_cut(&d->cut, pos.cut);
}

static inline struct dmo_pos dmo_get_pos(const struct dmo_disk_pos *d)
{
	return (struct dmo_pos){ le64_to_cpu(d->activation), dmo_get_cut(&d->cut) };
}

/**
 * dmo_get_line - decode and check a line of @nr entries: each activation once, none of them 0
 * @what: whose, for @why
 * Return: 0, or -EINVAL with @why
 */
int dmo_get_line(const struct dmo_disk_pos *d, u32 nr, struct dmo_line *line, const char *what,
		 struct dmo_reason *why);

#endif /* DMO_CODEC_H */
