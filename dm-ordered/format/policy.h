/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shares and thresholds that are chosen: no format and no rule demands them. All in one place, so
 * that they can be seen beside each other. Pure; arguments and results in the same unit.
 */
#ifndef DMO_POLICY_H
#define DMO_POLICY_H

/*
 * Memory. The cycle thread is woken up, and turns slots into references, when more of the
 * budget is used than the first; it stops at the second.
 */
#define DMO_DEMOTE_ABOVE(budget)	((budget) - (budget) / 16)
#define DMO_DEMOTE_TO(budget)		((budget) - (budget) / 8)
/* Bitmaps of references, at most: else their unit grows. */
#define DMO_REFS_SHARE(budget)		((budget) / 4)

/*
 * Chunks, by what fits the peer's journal (@chunk_max). A chunk of the first is cut before its time; of the second
 * is warned of. After a pass of a direct copy, slots of more than the third become references, since a
 * direct copy can't send them.
 */
#define DMO_EARLY_CUT(chunk_max)	((chunk_max) / 4)
#define DMO_LARGE_CHUNK(chunk_max)	((chunk_max) / 5 * 4)
#define DMO_PASS_SLOTS(chunk_max)	((chunk_max) / 2)

/*
 * The ring. A chunk may have so much of it; the other half is for the one before, while that is restored.
 * With more than near in use it is nearly full, until it is clear again.
 */
#define DMO_CHUNK_SHARE(ring)		((ring) / 2)
#define DMO_RING_NEAR(ring)		((ring) / 8 * 7)
#define DMO_RING_CLEAR(ring)		((ring) / 2)

/* Dirty bitmaps of a peer, at most: else their regions grow. */
#define DMO_BITMAP_SHARE(device)	((device) / 4)

#endif /* DMO_POLICY_H */
