// SPDX-License-Identifier: GPL-2.0-only
/*
 * A relay between the two ends of a link; see spoil.h. A thread a direction reads whole headers, so
 * that it knows where frames begin. One relay at a time.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "spoil.h"

#define HEADER 64		/* struct dmo_wire_hdr */

static struct spoil_fault fault;
static int ends[2];
static pthread_t threads[2];
static atomic_uint hit_type;

static bool get(int fd, unsigned char *buf, size_t len)
{
	while (len) {
		ssize_t n = read(fd, buf, len);

		if (n <= 0)
			return false;
		buf += n;
		len -= (size_t)n;
	}
	return true;
}

static bool put(int fd, const unsigned char *buf, size_t len)
{
	while (len) {
		ssize_t n = send(fd, buf, len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		buf += n;
		len -= (size_t)n;
	}
	return true;
}

static size_t le32_at(const unsigned char *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return le32toh(v);
}

/* Which byte of a frame of @len bytes the fault is at. */
static size_t fault_at(size_t len)
{
	if (fault.where == SPOIL_BEFORE)
		return 0;
	if (fault.where == SPOIL_IN_HEADER)
		return 20;
	return len > HEADER ? HEADER + (len - HEADER) / 2 : HEADER - 1;
}

static void *pump(void *arg)
{
	int dir = (int)(intptr_t)arg;
	unsigned char *frame = NULL;
	unsigned int nr;

	for (nr = 1; ; nr++) {
		unsigned char header[HEADER];
		size_t len, at;

		if (!get(ends[dir], header, HEADER))
			break;
		len = HEADER + le32_at(header + 24) + le32_at(header + 28);
		frame = realloc(frame, len);
		if (!frame)
			break;
		memcpy(frame, header, HEADER);
		if (!get(ends[dir], frame + HEADER, len - HEADER))
			break;
		if (fault.what != SPOIL_NOTHING && fault.dir == dir && fault.frame == nr) {
			hit_type = header[10];
			at = fault_at(len);
			if (fault.what == SPOIL_CLOSE) {
				put(ends[!dir], frame, at);
				break;
			}
			frame[at] ^= 1 << (nr & 7);
		}
		if (!put(ends[!dir], frame, len))
			break;
	}
	free(frame);
	shutdown(ends[0], SHUT_RDWR);
	shutdown(ends[1], SHUT_RDWR);
	return NULL;
}

void spoil_start(int a, int b, const struct spoil_fault *f)
{
	fault = *f;
	hit_type = 0;
	ends[0] = a;
	ends[1] = b;
	for (intptr_t i = 0; i < 2; i++)
		if (pthread_create(&threads[i], NULL, pump, (void *)i))
			abort();
}

bool spoil_hit(unsigned int *type)
{
	*type = hit_type;
	return *type;
}

void spoil_stop(void)
{
	int i;

	shutdown(ends[0], SHUT_RDWR);
	shutdown(ends[1], SHUT_RDWR);
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	close(ends[0]);
	close(ends[1]);
}
