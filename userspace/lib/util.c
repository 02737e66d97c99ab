// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "lib/util.h"

/* Digits only: strtoull alone would take "-1" and " 7". */
static int parse_digits(const char *text, char **end, uint64_t *out)
{
	if (*text < '0' || *text > '9')
		return -1;
	errno = 0;
	*out = strtoull(text, end, 10);
	return errno ? -1 : 0;
}

int ord_u64(const char *text, uint64_t *out)
{
	char *end;

	return parse_digits(text, &end, out) || *end ? -1 : 0;
}

struct unit {
	const char *name;
	uint64_t n;
};

static const struct unit sizes[] = {
	{ "s", 512 }, { "B", 1 },
	{ "K", 1ULL << 10 }, { "KiB", 1ULL << 10 }, { "KB", 1000 },
	{ "M", 1ULL << 20 }, { "MiB", 1ULL << 20 }, { "MB", 1000000 },
	{ "G", 1ULL << 30 }, { "GiB", 1ULL << 30 }, { "GB", 1000000000 },
	{ "T", 1ULL << 40 }, { "TiB", 1ULL << 40 }, { "TB", 1000000000000 },
	{ "P", 1ULL << 50 }, { "PiB", 1ULL << 50 }, { "PB", 1000000000000000 },
	{ NULL, 0 }
};

static const struct unit bits[] = {
	{ "kbit", 125 }, { "Mbit", 125000 }, { "Gbit", 125000000 },
	{ NULL, 0 }
};

static const struct unit times[] = {
	{ "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "min", 60000 }, { "h", 3600000 },
	{ "d", 86400000 },
	{ NULL, 0 }
};

/* Up to nine digits behind a point, as billionths. */
static int parse_fraction(char **p, uint64_t *billionths)
{
	uint64_t v = 0, digit = 100000000;
	const char *start = ++*p;

	for (; **p >= '0' && **p <= '9'; ++*p, digit /= 10) {
		if (!digit)
			return -1;
		v += digit * (uint64_t)(**p - '0');
	}
	*billionths = v;
	return *p == start ? -1 : 0;
}

/* NUMBER[.NUMBER][UNIT], rounded down; @base: what a number alone counts. */
static int scaled(const char *text, const struct unit *units, uint64_t base, uint64_t *out)
{
	unsigned __int128 v;
	uint64_t whole, part = 0, unit = base;
	char *end;

	if (parse_digits(text, &end, &whole) || (*end == '.' && parse_fraction(&end, &part)))
		return -1;
	if (*end) {
		for (; units->name && strcasecmp(units->name, end); units++)
			;
		if (!units->name)
			return -1;
		unit = units->n;
	}
	v = (unsigned __int128)whole * unit + (unsigned __int128)part * unit / 1000000000;
	if (v > UINT64_MAX)
		return -1;
	*out = (uint64_t)v;
	return 0;
}

int ord_size(const char *text, uint64_t base, uint64_t *bytes)
{
	if (scaled(text, sizes, base, bytes))
		return -1;
	/* 1.1T is meant about so: any block size may follow */
	if (strchr(text, '.') && *bytes >= 4096)
		*bytes &= ~4095ULL;
	return 0;
}

int ord_rate(const char *text, uint64_t *bytes_s)
{
	size_t len = strlen(text);
	char buf[64];

	if (len >= sizeof(buf))
		return -1;
	memcpy(buf, text, len + 1);
	if (len > 2 && !strcmp(buf + len - 2, "/s"))
		buf[len - 2] = '\0';
	return scaled(buf, sizes, 1, bytes_s) ? scaled(buf, bits, 1, bytes_s) : 0;
}

int ord_time(const char *text, uint64_t base_ms, uint64_t *ms)
{
	return scaled(text, times, base_ms, ms);
}

char *ord_fmt_bytes_to(char *buf, uint64_t bytes)
{
	static const char * const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double v = (double)bytes;
	unsigned int u = 0;

	while (v >= 1024 && u + 1 < ORD_ARRAY_LEN(units)) {
		v /= 1024;
		u++;
	}
	if (!u)
		snprintf(buf, ORD_TEXT_LEN, "%" PRIu64 " bytes", bytes);
	else
		snprintf(buf, ORD_TEXT_LEN, "%.*f %s", v < 10 ? 2 : v < 100 ? 1 : 0, v, units[u]);
	return buf;
}

char *ord_fmt_size_exact_to(char *buf, uint64_t bytes)
{
	static const char suffix[] = "TGMK";
	int i;

	for (i = 0; i < 4; i++) {
		unsigned int shift = 40 - 10 * i;

		if (bytes && !(bytes & ((1ULL << shift) - 1))) {
			snprintf(buf, ORD_TEXT_LEN, "%" PRIu64 "%c", bytes >> shift, suffix[i]);
			return buf;
		}
	}
	if (bytes % 512)
		snprintf(buf, ORD_TEXT_LEN, "%" PRIu64, bytes);
	else
		snprintf(buf, ORD_TEXT_LEN, "%" PRIu64 "s", bytes / 512);
	return buf;
}

char *ord_fmt_ms_to(char *buf, uint64_t ms)
{
	uint64_t s = ms / 1000;

	if (ms < 1000)
		snprintf(buf, ORD_TEXT_LEN, "%" PRIu64 " ms", ms);
	else if (s < 60)
		snprintf(buf, ORD_TEXT_LEN, "%.2f s", (double)ms / 1000);
	else if (s < 3600)
		snprintf(buf, ORD_TEXT_LEN, "%" PRIu64 " min %" PRIu64 " s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(buf, ORD_TEXT_LEN, "%" PRIu64 " h %" PRIu64 " min", s / 3600, s / 60 % 60);
	else
		snprintf(buf, ORD_TEXT_LEN, "%" PRIu64 " d %" PRIu64 " h", s / 86400, s / 3600 % 24);
	return buf;
}

char *ord_fmt_ms_exact_to(char *buf, uint64_t ms)
{
	static const struct unit units[] = {
		{ "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 },
	};
	const struct unit *u = units;

	while (ms ? ms % u->n : u->n > 1)
		u++;
	snprintf(buf, ORD_TEXT_LEN, "%" PRIu64 "%s", ms / u->n, u->name);
	return buf;
}

char *ord_fmt_time_to(char *buf, uint64_t ns)
{
	time_t t = (time_t)(ns / 1000000000);
	char date[64];
	struct tm tm;

	if (!gmtime_r(&t, &tm) || !strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm))
		snprintf(date, sizeof(date), "@%" PRIu64, ns / 1000000000);
	snprintf(buf, ORD_TEXT_LEN, "%s.%03uZ", date, (unsigned int)(ns / 1000000 % 1000));
	return buf;
}

char *ord_fmt_uuid_to(char *buf, const uint8_t *u)
{
	snprintf(buf, ORD_TEXT_LEN,
		 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		 u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7],
		 u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]);
	return buf;
}

char *ord_fmt_cut_to(char *buf, uint64_t epoch, uint64_t n)
{
	snprintf(buf, ORD_TEXT_LEN, "%" PRIu64 ".%" PRIu64, epoch, n);
	return buf;
}

char *ord_fmt_dev_to(char *buf, uint32_t major, uint32_t minor)
{
	snprintf(buf, ORD_TEXT_LEN, "%" PRIu32 ":%" PRIu32, major, minor);
	return buf;
}

char *ord_fmt_meta_to(char *buf, const char *name, uint32_t major, uint32_t minor)
{

	if (*name && strlen(name) < ORD_TEXT_LEN - 6) {
		snprintf(buf, ORD_TEXT_LEN, "/dev/%s", name);
		if (!access(buf, F_OK))
			return buf;
	}
	return ord_fmt_dev_to(buf, major, minor);
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

int ord_uuid_parse(const char *text, uint8_t *uuid)
{
	uint8_t out[DMO_UUID_LEN];
	int i;

	for (i = 0; i < DMO_UUID_LEN; i++) {
		int hi, lo;

		if ((i == 4 || i == 6 || i == 8 || i == 10) && *text++ != '-')
			return -1;
		hi = hex(text[0]);
		lo = hi < 0 ? -1 : hex(text[1]);
		if (lo < 0)
			return -1;
		out[i] = (uint8_t)(hi << 4 | lo);
		text += 2;
	}
	if (*text)
		return -1;
	memcpy(uuid, out, sizeof(out));
	return 0;
}

void ord_sanitize(char *text)
{
	for (; *text; text++)
		if (*text < 0x20 || *text > 0x7e)
			*text = '?';
}

uint64_t ord_mono_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

uint64_t ord_wall_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

void ord_sleep_ms(uint64_t ms)
{
	struct timespec ts = {
		.tv_sec = (time_t)(ms / 1000),
		.tv_nsec = (long)(ms % 1000) * 1000000,
	};

	nanosleep(&ts, NULL);
}

bool ord_stopped(const struct ord_until *until)
{
	return until->stop && until->stop(until->arg);
}

void ord_sessions_free(struct ord_sessions *list)
{
	unsigned int i;

	for (i = 0; i < list->nr; i++)
		free(list->v[i].volumes);
	free(list->v);
	list->v = NULL;
	list->nr = 0;
}
