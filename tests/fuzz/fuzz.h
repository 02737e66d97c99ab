/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shared by the fuzzers: what must hold, the input as a stream, exact copies.
 *
 * An input can't be expected to bear right checksums. So its first bytes say,
 * among other things, which structures are to be signed before the product
 * sees them; the rest is the structures. Both kinds of input are thus reached by
 * plain mutation.
 */
#ifndef DMO_FUZZ_H
#define DMO_FUZZ_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "compat.h"
#include "format/ondisk.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

/* What an oracle says; the fuzzer's driver takes abort() for a finding. */
#define must(cond, fmt, ...) do { \
	if (!(cond)) { \
		fprintf(stderr, "%s:%d: %s: " fmt "\n", __FILE__, __LINE__, #cond, ##__VA_ARGS__); \
		abort(); \
	} \
} while (0)

struct in {
	const u8 *p;
	size_t left;
};

/* The next @n bytes of the input; what isn't there is 0. */
static inline void in_bytes(struct in *in, void *to, size_t n)
{
	size_t have = n < in->left ? n : in->left;

	memset(to, 0, n);
	if (have)
		memcpy(to, in->p, have);
	in->p += have;
	in->left -= have;
}

static inline u8 in_u8(struct in *in)
{
	u8 v;

	in_bytes(in, &v, sizeof(v));
	return v;
}

static inline u16 in_u16(struct in *in)
{
	u16 v;

	in_bytes(in, &v, sizeof(v));
	return v;
}

static inline u32 in_u32(struct in *in)
{
	u32 v;

	in_bytes(in, &v, sizeof(v));
	return v;
}

static inline u64 in_u64(struct in *in)
{
	u64 v;

	in_bytes(in, &v, sizeof(v));
	return v;
}

/* In memory of its own, of exactly that size: reading past it is seen. */
static inline void *exact(const void *p, size_t n)
{
	void *m = malloc(n ? n : 1);

	must(m, "out of memory");
	if (n)
		memcpy(m, p, n);
	return m;
}

/* A buffer for a refusal's text, of exactly the size promised. */
static inline struct dmo_reason *why_new(void)
{
	struct dmo_reason *why = malloc(sizeof(*why));

	must(why, "out of memory");
	memset(why, 0x7f, sizeof(*why));
	return why;
}

/* A refusal says why, in printable ASCII. */
static inline void why_said(const char *why)
{
	size_t n = strnlen(why, DMO_REASON_LEN), i;

	must(n, "a refusal without a text");
	must(n < DMO_REASON_LEN, "a text without an end");
	for (i = 0; i < n; i++)
		must(why[i] >= 0x20 && why[i] < 0x7f, "byte 0x%02x in \"%s\"", (u8)why[i], why);
}

/* Checksum of @n bytes whose checksum field is the four bytes at @at. */
static inline u32 own_csum(const void *buf, size_t n, size_t at)
{
	const u8 zero[4] = { 0 };
	u32 crc = dmo_crc(0, buf, at);

	crc = dmo_crc(crc, zero, 4);
	return dmo_crc(crc, (const u8 *)buf + at + 4, n - at - 4);
}

static inline u64 get_le(const u8 *p, u32 bytes)
{
	u64 v = 0;

	while (bytes--)
		v = v << 8 | p[bytes];
	return v;
}

static inline void put_le(u8 *p, u64 v, u32 bytes)
{
	for (; bytes; bytes--, v >>= 8)
		*p++ = (u8)v;
}

#endif /* DMO_FUZZ_H */
