// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "util.h"

#define RING		32
#define RING_LEN	160

static int interrupted;

static void __printf(2, 0) message(const char *prefix, const char *fmt, va_list ap)
{
	fflush(stdout);
	fprintf(stderr, "orderedctl: %s", prefix);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
}

void ord_err(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	message("", fmt, ap);
	va_end(ap);
}

void ord_note(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	message("note: ", fmt, ap);
	va_end(ap);
}

/* Digits only: strtoull alone would take "-1" and " 7". */
static int parse_digits(const char *text, char **end, uint64_t *out)
{
	if (*text < '0' || *text > '9')
		return -1;
	errno = 0;
	*out = strtoull(text, end, 10);
	return errno ? -1 : 0;
}

int ord_number(const char *what, const char *text, uint64_t min, uint64_t max,
	       const char *unit, uint64_t *out)
{
	char *end;
	uint64_t v;

	if (parse_digits(text, &end, &v) || *end) {
		ord_err("%s: \"%s\" is not a number; give %" PRIu64 " to %" PRIu64 "%s%s",
			what, text, min, max, *unit ? " " : "", unit);
		return ORD_USAGE;
	}
	if (v < min || v > max) {
		ord_err("%s: %s is out of range; give %" PRIu64 " to %" PRIu64 "%s%s",
			what, text, min, max, *unit ? " " : "", unit);
		return ORD_USAGE;
	}
	*out = v;
	return 0;
}

int ord_size(const char *text, uint64_t *bytes)
{
	static const char suffix[] = "KMGTP";
	uint64_t v, unit = 1;
	const char *p;
	char *end;

	if (parse_digits(text, &end, &v))
		return -1;
	if (*end == 's') {
		unit = 512;
		end++;
	} else if (*end) {
		p = strchr(suffix, *end & ~0x20);
		if (!p || !*p)
			return -1;
		unit = 1ULL << (10 * (p - suffix + 1));
		end++;
		if (end[0] == 'i' && end[1] == 'B')
			end += 2;
	}
	if (*end || v > UINT64_MAX / unit)
		return -1;
	*bytes = v * unit;
	return 0;
}

static char *ring(void)
{
	static char bufs[RING][RING_LEN];
	static unsigned int next;

	return bufs[next++ % RING];
}

const char *fmt_bytes(uint64_t bytes)
{
	static const char * const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double v = (double)bytes;
	unsigned int u = 0;
	char *buf = ring();

	while (v >= 1024 && u + 1 < ARRAY_LEN(units)) {
		v /= 1024;
		u++;
	}
	if (!u)
		snprintf(buf, RING_LEN, "%" PRIu64 " bytes", bytes);
	else
		snprintf(buf, RING_LEN, "%.*f %s", v < 10 ? 2 : v < 100 ? 1 : 0, v, units[u]);
	return buf;
}

const char *fmt_size_exact(uint64_t bytes)
{
	static const char suffix[] = "TGMK";
	char *buf = ring();
	int i;

	for (i = 0; i < 4; i++) {
		unsigned int shift = 40 - 10 * i;

		if (bytes && !(bytes & ((1ULL << shift) - 1))) {
			snprintf(buf, RING_LEN, "%" PRIu64 "%c", bytes >> shift, suffix[i]);
			return buf;
		}
	}
	if (bytes % 512)
		snprintf(buf, RING_LEN, "%" PRIu64, bytes);
	else
		snprintf(buf, RING_LEN, "%" PRIu64 "s", bytes / 512);
	return buf;
}

const char *fmt_ms(uint64_t ms)
{
	uint64_t s = ms / 1000;
	char *buf = ring();

	if (ms < 1000)
		snprintf(buf, RING_LEN, "%" PRIu64 " ms", ms);
	else if (s < 60)
		snprintf(buf, RING_LEN, "%.2f s", (double)ms / 1000);
	else if (s < 3600)
		snprintf(buf, RING_LEN, "%" PRIu64 " min %" PRIu64 " s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(buf, RING_LEN, "%" PRIu64 " h %" PRIu64 " min", s / 3600, s / 60 % 60);
	else
		snprintf(buf, RING_LEN, "%" PRIu64 " d %" PRIu64 " h", s / 86400, s / 3600 % 24);
	return buf;
}

const char *fmt_time(uint64_t ns)
{
	time_t t = (time_t)(ns / 1000000000);
	char *buf = ring();
	char date[64];
	struct tm tm;

	if (!gmtime_r(&t, &tm) || !strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm))
		snprintf(date, sizeof(date), "@%" PRIu64, ns / 1000000000);
	snprintf(buf, RING_LEN, "%s.%03uZ", date, (unsigned int)(ns / 1000000 % 1000));
	return buf;
}

const char *fmt_uuid(const uint8_t *u)
{
	char *buf = ring();

	snprintf(buf, RING_LEN,
		 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		 u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7],
		 u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]);
	return buf;
}

const char *fmt_cut(uint64_t epoch, uint64_t n)
{
	char *buf = ring();

	snprintf(buf, RING_LEN, "%" PRIu64 ".%" PRIu64, epoch, n);
	return buf;
}

const char *fmt_dev(uint32_t major, uint32_t minor)
{
	char *buf = ring();

	snprintf(buf, RING_LEN, "%" PRIu32 ":%" PRIu32, major, minor);
	return buf;
}

const char *fmt_meta(const char *name, uint32_t major, uint32_t minor)
{
	char *buf = ring();

	if (*name && strlen(name) < RING_LEN - 6) {
		snprintf(buf, RING_LEN, "/dev/%s", name);
		if (!access(buf, F_OK))
			return buf;
	}
	return fmt_dev(major, minor);
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

	if (!ord_interrupted())
		nanosleep(&ts, NULL);
}

static void on_signal(int sig)
{
	(void)sig;
	__atomic_store_n(&interrupted, 1, __ATOMIC_RELAXED);
}

bool ord_interrupted(void)
{
	return __atomic_load_n(&interrupted, __ATOMIC_RELAXED);
}

void ord_catch_signals(void)
{
	struct sigaction sa = { .sa_handler = on_signal };	/* no SA_RESTART */

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
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
