/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The checker: does an image of the secondary's volumes agree with the histories of those who wrote to
 * the primary? It knows nothing of the product but what users are told of it: what is written by the time
 * a cut is asked for is in that cut; what a trace of the writes says; that one write within an aligned MiB
 * is whole or not there.
 *
 * A history is text, a line an event, in the order in which it happened at its host:
 *   H 1 <run> <host> <lanes> <first> <count> <volume>:<sectors>,...	first line; lanes: of all hosts
 *   I <us> <lane> <seq> D|Z|X <flags> <volume> <lba> <sectors> <clock>	before the write is submitted
 *   A <us> <lane> <seq> <status>		after it ended; 0 or a negative errno
 *   M <us> <id>				a cut is asked for
 *   N <us> <id> <epoch> <n>			it will be this one
 *   C <us> <epoch> <n>				the primary says that this cut is committed
 * D: data, Z: zeroes, X: discard. Other lines tell people something. A line without an end never happened:
 * what it announces was not yet done when the host died.
 *
 * A version of a sector is a write to it. The workload keeps to the rule that a sector has one owner at a
 * time, so its versions are totally ordered, by the order of their issues.
 *
 * Check A: a write that is visible brings with it all that had been completed when it was issued (its clock;
 *   unless only the tokens' clocks are to count, also all that the same host's history has as ended
 *   before its issue). The image is a set closed under that, unless in some sector the next version
 *   after the visible one is among what was brought along. A sector that is zero may be at any of the versions
 *   that zeroed it; which one, does not show. The least closed set is sought, each such sector as early as
 *   possible, and only if there is none that is a failure: so two zeroings in a row of a sector
 *   count as one, and a lost one of them isn't missed.
 * Check B: the trace says in which cycle each write was; the digest of the image must be that of the
 *   cut, and, the image apart, no write may be in an earlier cycle than one that had ended before its issue.
 * Check C: the image's cut isn't older than any commit seen in a history; what had ended before a cut of
 *   at most that age was asked for is there; the oldest lost write is no older than allowed.
 */
#ifndef CK_CHECK_H
#define CK_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ck_cut {
	uint64_t epoch, n;
};

enum ck_kind {
	CK_DAMAGED,	/* a sector's checksum or content is wrong */
	CK_ADDRESS,	/* a sector's content belongs elsewhere */
	CK_UNKNOWN,	/* a version that was never issued */
	CK_ORDER,	/* A: a version is missing that one that is there follows */
	CK_TORN,	/* A: part of a write is missing */
	CK_MISSING,	/* C: a version is missing that must be there */
	CK_DIGEST,	/* B: not the state at the cut */
	CK_CYCLES,	/* B: cycles against the order of writes */
	CK_TRACE,	/* B: the trace has lost something, or tells of what nobody did */
	CK_COMMIT,	/* C: the cut is older than a commit */
	CK_RPO,		/* C: what was lost is too old */
	CK_HISTORY,	/* histories that contradict themselves */
	CK_KINDS
};

extern const char * const ck_kind_names[CK_KINDS];

struct ck_options {
	bool tokens_only;	/* A: the order of a history's lines does not count, only clocks */
	bool all;		/* everything acknowledged must be there */
	bool has_cut, b;	/* cut of the image is known; check B, too */
	struct ck_cut cut;
	uint64_t rpo_us;	/* 0: no bound */
	uint32_t atomic;	/* sectors; 0: any write may be torn */
};

struct ck_result {
	unsigned int failures[CK_KINDS];
	unsigned int failed;		/* all of them */
	bool b_done;
	char b_why[160];		/* why B could not be done */
	uint64_t ops, acked, sectors, zero, stamped, initial, lost, oldest_lost_us, marks, commits;
	uint64_t events, cuts, required, after_cut;
	uint64_t digest;
};

struct ck;

struct ck *ck_new(void);
void ck_free(struct ck *c);
/* Failures are told to @say, the first ones of each kind. */
void ck_say(struct ck *c, void (*say)(void *arg, const char *text), void *arg);
/* Return: 0, or -1 with the reason told as CK_HISTORY or CK_TRACE. */
int ck_add_history(struct ck *c, const char *name, const char *text, size_t len);
/* Text of trace_pipe; only events of @dev ("major:minor"; NULL: all are of one session). */
int ck_add_trace(struct ck *c, const char *name, const char *text, size_t len, const char *dev);
/* The image must stay until ck_free(). */
void ck_add_image(struct ck *c, uint32_t volume, const void *image, uint64_t sectors);
/* All of it: once. */
void ck_check(struct ck *c, const struct ck_options *o, struct ck_result *r);

#endif
