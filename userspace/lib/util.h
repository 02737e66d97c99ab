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
 * Texts are made in a buffer of ORD_TEXT_LEN, the caller's, and cut should they be longer; the function returns
 * it, or a constant. The macros make the buffer, too: it lasts to the end of the block that they are used in, so
 * what they give must not be returned, nor carried out of a block or the one statement behind an if.
 */
#define ORD_TEXT_LEN	256
#define ORD_TEXT	((char[ORD_TEXT_LEN]) { "" })

char *ord_fmt_bytes_to(char *buf, uint64_t bytes);
char *ord_fmt_size_exact_to(char *buf, uint64_t bytes);
char *ord_fmt_ms_to(char *buf, uint64_t ms);
char *ord_fmt_ms_exact_to(char *buf, uint64_t ms);
char *ord_fmt_time_to(char *buf, uint64_t ns);
char *ord_fmt_uuid_to(char *buf, const uint8_t *uuid);
char *ord_fmt_cut_to(char *buf, uint64_t epoch, uint64_t n);
char *ord_fmt_dev_to(char *buf, uint32_t major, uint32_t minor);
char *ord_fmt_meta_to(char *buf, const char *name, uint32_t major, uint32_t minor);

/* 12.3 GiB */
#define ord_fmt_bytes(bytes)		ord_fmt_bytes_to(ORD_TEXT, bytes)
/* as ord_size() takes it: 10G, 2049s */
#define ord_fmt_size_exact(bytes)	ord_fmt_size_exact_to(ORD_TEXT, bytes)
/* 1.20 s, 2 h 3 min */
#define ord_fmt_ms(ms)			ord_fmt_ms_to(ORD_TEXT, ms)
/* as ord_time() takes it: 10m, 1500ms */
#define ord_fmt_ms_exact(ms)		ord_fmt_ms_exact_to(ORD_TEXT, ms)
/* ns since 1970: 2024-05-01T12:00:03.123Z */
#define ord_fmt_time(ns)		ord_fmt_time_to(ORD_TEXT, ns)
#define ord_fmt_uuid(uuid)		ord_fmt_uuid_to(ORD_TEXT, uuid)
/* EPOCH.N */
#define ord_fmt_cut(epoch, n)		ord_fmt_cut_to(ORD_TEXT, epoch, n)
/* MAJOR:MINOR */
#define ord_fmt_dev(major, minor)	ord_fmt_dev_to(ORD_TEXT, major, minor)
/* /dev/NAME if it exists, else MAJOR:MINOR */
#define ord_fmt_meta(name, major, minor)	ord_fmt_meta_to(ORD_TEXT, name, major, minor)

/* 8-4-4-4-12 hexadecimal digits, of either case, into DMO_UUID_LEN bytes: 0; or -1, and @uuid is as it was */
int ord_uuid_parse(const char *text, uint8_t *uuid);

/* Replaces what isn't printable ASCII, so that no peer writes to our terminal. */
void ord_sanitize(char *text);

uint64_t ord_mono_ms(void);	/* CLOCK_MONOTONIC */
uint64_t ord_wall_ns(void);	/* since 1970 */
void ord_sleep_ms(uint64_t ms);	/* returns early when a signal came */

/* For how long to wait: for a while, or until whoever waits has been told to stop, by a signal for example. */
struct ord_until {
	uint64_t deadline;	/* ord_mono_ms(); 0: none */
	bool (*stop)(void *arg);	/* asked twice a second at least; NULL: nobody can */
	void *arg;
};

bool ord_stopped(const struct ord_until *until);	/* asks; the deadline is not looked at */

/* Names of the uapi enums, as --json and --dump promise them; never NULL. */
const char *ord_role_name_to(char *buf, uint32_t role);
const char *ord_state_name_to(char *buf, uint32_t state);
const char *ord_link_name_to(char *buf, uint32_t state);
const char *ord_chunk_name_to(char *buf, uint32_t state);
const char *ord_block_name_to(char *buf, uint32_t reason);
const char *ord_event_name_to(char *buf, uint32_t event);
const char *ord_condition_name_to(char *buf, uint32_t cond);

#define ord_role_name(role)		ord_role_name_to(ORD_TEXT, role)
#define ord_state_name(state)		ord_state_name_to(ORD_TEXT, state)
#define ord_link_name(state)		ord_link_name_to(ORD_TEXT, state)
#define ord_chunk_name(state)		ord_chunk_name_to(ORD_TEXT, state)
#define ord_block_name(reason)		ord_block_name_to(ORD_TEXT, reason)
#define ord_event_name(event)		ord_event_name_to(ORD_TEXT, event)
#define ord_condition_name(cond)	ord_condition_name_to(ORD_TEXT, cond)

/* What the peer suffers from, in words. */
const char *ord_condition_text(uint32_t cond);

/* What blocks, in words, and what to do about it. */
const char *ord_block_text(uint32_t reason);
const char *ord_block_remedy(uint32_t reason);

#endif /* ORD_UTIL_H */
