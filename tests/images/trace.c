// SPDX-License-Identifier: GPL-2.0-only
/* What was done to the disks of a host, in order. */
#include <stdlib.h>
#include "images.h"

uint32_t trace_submit(struct trace *t, const struct io *io, uint32_t pos)
{
	if (t->nr_io == t->room_io) {
		t->room_io = t->room_io ? 2 * t->room_io : 256;
		t->io = must(realloc(t->io, t->room_io * sizeof(*t->io)));
	}
	if (t->nr_ev + 2 > t->room_ev) {
		t->room_ev = t->room_ev ? 2 * t->room_ev : 512;
		t->ev = must(realloc(t->ev, t->room_ev * sizeof(*t->ev)));
	}
	t->io[t->nr_io] = *io;
	t->io[t->nr_io].submit = t->nr_ev;
	t->io[t->nr_io].complete = NEVER;
	t->io[t->nr_io].hash = NULL;
	t->ev[t->nr_ev++] = (struct event) { .io = t->nr_io, .pos = pos };
	return t->nr_io++;
}

void trace_complete(struct trace *t, uint32_t io, uint32_t pos)
{
	if (t->nr_ev == t->room_ev) {
		t->room_ev *= 2;
		t->ev = must(realloc(t->ev, t->room_ev * sizeof(*t->ev)));
	}
	t->io[io].complete = t->nr_ev;
	t->ev[t->nr_ev++] = (struct event) { .io = io, .complete = true, .pos = pos };
}

void trace_empty(struct trace *t)
{
	uint32_t i;

	for (i = 0; i < t->nr_io; i++)
		free(t->io[i].hash);
	t->nr_io = 0;
	t->nr_ev = 0;
}
