/* SPDX-License-Identifier: GPL-2.0-only */
/* Numbers, units, times, names: what everything else here uses. Nothing here prints. */
#ifndef ORD_UTIL_H
#define ORD_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/model.h"

#define ORD_ARRAY_LEN(a)	(sizeof(a) / sizeof((a)[0]))

#ifndef __printf
#define ord_attribute(x)	__attribute__((x))
#define __printf(a, b)		ord_attribute(format(printf, a, b))
#endif

/* ord_u64 - a decimal number, digits and nothing else; 0, or -1: it is none, or too large */
int ord_u64(const char *text, uint64_t *out);

/*
 * Numbers with a unit, and maybe a fraction: 1.5T. They print nothing, round down
 * and return 0 or -1. A size is in bytes, or with K, M, G, T, P or KiB and so on (powers of
 * 1024), KB, MB and so on (of 1000), or s (sectors of 512 bytes). A rate is a size, or a number of
 * kbit, Mbit or Gbit, and may end in /s. A time is with ms, s, m or min, h, d.
 * @base: what a number alone counts
 */
int ord_size(const char *text, uint64_t base, uint64_t *bytes);
int ord_rate(const char *text, uint64_t *bytes_s);
int ord_time(const char *text, uint64_t base_ms, uint64_t *ms);

/*
 * The fmt functions return a text in one of a ring of buffers; it stays valid
 * for the next 31 calls.
 */
const char *ord_fmt_bytes(uint64_t bytes);		/* 12.3 GiB */
const char *ord_fmt_size_exact(uint64_t bytes);	/* as ord_size() takes it: 10G, 2049s */
const char *ord_fmt_ms(uint64_t ms);		/* 1.20 s, 2 h 3 min */
const char *ord_fmt_ms_exact(uint64_t ms);	/* as ord_time() takes it: 10m, 1500ms */
const char *ord_fmt_time(uint64_t ns);		/* 2024-05-01T12:00:03.123Z */
const char *ord_fmt_uuid(const uint8_t *uuid);
const char *ord_fmt_cut(uint64_t epoch, uint64_t n);	/* EPOCH.N */
const char *ord_fmt_dev(uint32_t major, uint32_t minor);	/* MAJOR:MINOR */
/* /dev/NAME if it exists, else MAJOR:MINOR */
const char *ord_fmt_meta(const char *name, uint32_t major, uint32_t minor);

int ord_uuid_parse(const char *text, uint8_t *uuid);	/* 0 or -1 */

/* Replaces what isn't printable ASCII, so that no peer writes to our terminal. */
void ord_sanitize(char *text);

uint64_t ord_mono_ms(void);
uint64_t ord_wall_ns(void);
void ord_sleep_ms(uint64_t ms);	/* returns early when a signal came */

/* For how long to wait: for a while, or until whoever waits has been told to stop, by a signal for example. */
struct ord_until {
	uint64_t deadline;	/* ord_mono_ms(); 0: none */
	bool (*stop)(void *arg);	/* asked twice a second at least; NULL: nobody can */
	void *arg;
};

bool ord_stopped(const struct ord_until *until);

/* Names of the uapi enums, as --json and --dump promise them; never NULL. */
const char *ord_role_name(uint32_t role);
const char *ord_state_name(uint32_t state);
const char *ord_link_name(uint32_t state);
const char *ord_chunk_name(uint32_t state);
const char *ord_block_name(uint32_t reason);
const char *ord_event_name(uint32_t event);

/* What the peer suffers from: its name, and in words. */
const char *ord_condition_name(uint32_t cond);
const char *ord_condition_text(uint32_t cond);

/* What blocks, in words, and what to do about it. */
const char *ord_block_text(uint32_t reason);
const char *ord_block_remedy(uint32_t reason);

#endif /* ORD_UTIL_H */
