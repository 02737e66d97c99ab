/* SPDX-License-Identifier: GPL-2.0-only */
/* Loads what is on the metadata device: superblock and state block (meta.h), witness (witness.h). */
#ifndef DMO_LOAD_H
#define DMO_LOAD_H

#include "meta/meta.h"

/**
 * dmo_meta_load - read, check and decode superblock and state block
 * @bdev: metadata device
 * @why: text for the caller's error
 * Context: may sleep, does I/O. Changes nothing on disk; a damaged copy is
 * logged (DMWARN), and it or an older one is overwritten by the activation (sb_stale).
 * Return: object or ERR_PTR.
 */
struct dmo_meta *dmo_meta_load(struct block_device *bdev, struct dmo_reason *why);
void dmo_meta_free(struct dmo_meta *m);

#endif /* DMO_LOAD_H */
