// SPDX-License-Identifier: GPL-2.0-only
/* Strings, checksums and error numbers. */
#define _GNU_SOURCE
#include "sim.h"

/* ---- printf: what the module uses of it, and the kernel's %p extensions ---- */

struct out { char *p, *end; size_t n; };

static inline void put(struct out *o, char c)
{
	if (o->p < o->end)
		*o->p++ = c;
	o->n++;
}

static void put_number(struct out *o, u64 v, unsigned int base, bool neg, int width, bool zero)
{
	char tmp[24];
	int n = 0;

	do {
		tmp[n++] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	if (neg && zero)
		put(o, '-');
	if (neg && !zero)
		tmp[n++] = '-';
	for (; width > n; width--)
		put(o, zero ? '0' : ' ');
	while (n)
		put(o, tmp[--n]);
}

static inline void put_run(struct out *o, const char *s, size_t n)
{
	size_t room = o->end - o->p, k = n < room ? n : room;

	memcpy(o->p, s, k);
	o->p += k;
	o->n += n;
}

static void put_string(struct out *o, const char *s, int max, int width)
{
	int n;

	if (!s)
		s = "(null)";
	n = (int)(max < 0 ? strlen(s) : strnlen(s, max));
	put_run(o, s, n);
	for (; n < width; n++)
		put(o, ' ');
}

static const char *put_pointer(struct out *o, const char *f, const void *p)
{
	switch (*f) {
	case 'g':
		put_string(o, ((const struct block_device *)p)->name, -1, 0);
		return f + 1;
	case 'U': {
		const u8 *u = p;
		int i;

		for (i = 0; i < 16; i++) {
			if (i == 4 || i == 6 || i == 8 || i == 10)
				put(o, '-');
			put_number(o, u[i], 16, false, 2, true);
		}
		return f[1] == 'b' ? f + 2 : f + 1;
	}
	case 'I':
		put_string(o, "192.0.2.1:7000", -1, 0);
		while (*f == 'I' || *f == 'S' || *f == 'p' || *f == 'c')
			f++;
		return f;
	}
	put_number(o, (uintptr_t)p, 16, false, 0, false);
	return f;
}

int sim_vsnprintf(char *buf, size_t size, const char *f, va_list ap)
{
	struct out o = { buf, size ? buf + size - 1 : buf, 0 };

	while (*f) {
		int width = 0, max = -1, longs = 0;
		bool zero = false;

		if (*f != '%') {
			const char *next = strchrnul(f, '%');

			put_run(&o, f, next - f);
			f = next;
			continue;
		}
		f++;
		if (*f == '-')
			f++;
		if (*f == '0') {
			zero = true;
			f++;
		}
		while (*f >= '0' && *f <= '9')
			width = width * 10 + *f++ - '0';
		if (*f == '.') {
			for (f++, max = 0; *f >= '0' && *f <= '9'; f++)
				max = max * 10 + *f - '0';
		}
		while (*f == 'l' || *f == 'z') {
			longs += *f == 'z' ? 2 : 1;
			f++;
		}
		switch (*f++) {
		case 'd': {
			s64 v = longs ? va_arg(ap, s64) : va_arg(ap, int);

			put_number(&o, v < 0 ? -(u64)v : (u64)v, 10, v < 0, width, zero);
			break;
		}
		case 'u':
			put_number(&o, longs ? va_arg(ap, u64) : va_arg(ap, u32), 10, false, width,
				   zero);
			break;
		case 'x':
			put_number(&o, longs ? va_arg(ap, u64) : va_arg(ap, u32), 16, false, width,
				   zero);
			break;
		case 's':
			put_string(&o, va_arg(ap, const char *), max, width);
			break;
		case 'c':
			put(&o, (char)va_arg(ap, int));
			break;
		case 'p':
			f = put_pointer(&o, f, va_arg(ap, const void *));
			break;
		case '%':
			put(&o, '%');
			break;
		default:
			sim_fail("printf: unknown conversion %c", f[-1]);
		}
	}
	if (size)
		*o.p = '\0';
	return (int)o.n;
}

int sim_snprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = sim_vsnprintf(buf, size, fmt, ap);
	va_end(ap);
	return n;
}

int sim_scnprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = sim_vsnprintf(buf, size, fmt, ap);
	va_end(ap);
	return size ? min(n, (int)size - 1) : 0;
}

ssize_t sim_strscpy(char *dst, const char *src, size_t n)
{
	size_t i;

	if (!n)
		return -E2BIG;
	for (i = 0; i < n - 1 && src[i]; i++)
		dst[i] = src[i];
	dst[i] = '\0';
	return src[i] ? -E2BIG : (ssize_t)i;
}

int kstrtou32(const char *s, unsigned int base, u32 *res)
{
	u64 v = 0;

	(void)base;
	if (!s || !*s)
		return -EINVAL;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return -EINVAL;
		v = v * 10 + *s - '0';
		if (v > U32_MAX)
			return -ERANGE;
	}
	*res = (u32)v;
	return 0;
}

void *memchr_inv(const void *p, int c, size_t n)
{
	const u8 *b = p;

	if (!n)
		return NULL;
	if (*b == (u8)c && !memcmp(b, b + 1, n - 1))
		return NULL;
	for (; n; n--, b++)
		if (*b != (u8)c)
			return (void *)b;
	return NULL;
}

/*
 * CRC-32C. The instruction takes one operand in three cycles but one can start each cycle: long
 * runs go in three lanes, whose sums are shifted over each other by tables.
 */
#define LANE	1024

static u32 shift_table[4][256];

static u32 shift(u32 crc)
{
	return shift_table[0][crc & 255] ^ shift_table[1][crc >> 8 & 255] ^
	       shift_table[2][crc >> 16 & 255] ^ shift_table[3][crc >> 24];
}

static __attribute__((target("sse4.2"))) u32 crc_plain(u64 c, const u8 *p, size_t len)
{
	u64 v;

	for (; len >= 8; len -= 8, p += 8) {
		memcpy(&v, p, 8);
		c = __builtin_ia32_crc32di(c, v);
	}
	for (; len; len--, p++)
		c = __builtin_ia32_crc32qi((u32)c, *p);
	return (u32)c;
}

static __attribute__((constructor)) void make_tables(void)
{
	static const u8 zero[LANE];
	u32 i, k;

	for (k = 0; k < 4; k++)
		for (i = 0; i < 256; i++)
			shift_table[k][i] = crc_plain(i << (8 * k), zero, LANE);
}

__attribute__((target("sse4.2"))) u32 crc32c(u32 crc, const void *data, size_t len)
{
	const u8 *p = data;
	u64 a, b, c, v;
	u32 i;

	while (len >= 3 * LANE) {
		a = crc;
		b = 0;
		c = 0;
		for (i = 0; i < LANE; i += 8) {
			memcpy(&v, p + i, 8);
			a = __builtin_ia32_crc32di(a, v);
			memcpy(&v, p + LANE + i, 8);
			b = __builtin_ia32_crc32di(b, v);
			memcpy(&v, p + 2 * LANE + i, 8);
			c = __builtin_ia32_crc32di(c, v);
		}
		crc = shift(shift((u32)a) ^ (u32)b) ^ (u32)c;
		p += 3 * LANE;
		len -= 3 * LANE;
	}
	return crc_plain(crc, p, len);
}

int blk_status_to_errno(blk_status_t s)
{
	switch (s) {
	case BLK_STS_OK:
		return 0;
	case BLK_STS_NOTSUPP:
		return -EOPNOTSUPP;
	case BLK_STS_RESOURCE:
		return -ENOMEM;
	}
	return -EIO;
}

blk_status_t errno_to_blk_status(int e)
{
	switch (e) {
	case 0:
		return BLK_STS_OK;
	case -EOPNOTSUPP:
		return BLK_STS_NOTSUPP;
	case -ENOMEM:
		return BLK_STS_RESOURCE;
	}
	return BLK_STS_IOERR;
}
