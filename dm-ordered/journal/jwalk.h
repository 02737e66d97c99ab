/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads a complete chunk back, record by record: from memory where it was
 * kept, else from the ring, verified anew.
 */
#ifndef DMO_JWALK_H
#define DMO_JWALK_H

#include "journal/journal.h"

/**
 * struct dmo_jwalk - a walk over one boundary's records
 * @at: where it stands
 * @kept: next kept record not yet passed, or the list's head
 * @hint: data blocks of the last record read: as many are read at once
 */
struct dmo_jwalk {
	struct dmo_journal *j;
	struct dmo_rpool *pool;
	struct dmo_boundary *b;
	struct dmo_jpos at;
	struct list_head *kept;
	u32 hint;
};

void dmo_jwalk_init(struct dmo_jwalk *w, struct dmo_journal *j, struct dmo_rpool *pool,
		    struct dmo_boundary *b);

/**
 * dmo_jwalk_next - the next DATA record
 * @r: with a reference for the caller
 * Return: 1, 0 when the chunk is at its end, -EIO if the ring can't be read (by
 * now), -EUCLEAN if what is there is not what was put there; @why names block and field.
 * Context: sleeps; allocates from @pool, see record.h.
 */
int dmo_jwalk_next(struct dmo_jwalk *w, struct dmo_record **r, struct dmo_reason *why);

#endif /* DMO_JWALK_H */
