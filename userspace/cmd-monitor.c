// SPDX-License-Identifier: GPL-2.0-only
/* monitor: the kernel's events, one a line, until interrupted. */
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "lookup.h"
#include "nl.h"

enum { OPT_JSON = 256 };

static const struct option opts[] = {
	{ "json", no_argument, NULL, OPT_JSON },
	{ 0 }
};

static void print_text(uint64_t now, const struct ord_event *ev)
{
	printf("%s %s %s %s", fmt_time(now), ord_event_name(ev->event), fmt_uuid(ev->uuid),
	       fmt_dev(ev->meta_major, ev->meta_minor));
	if (ORD_HAS(ev, DMO_A_CUT))
		printf(" cut=%s", fmt_cut(ev->cut.epoch, ev->cut.n));
	if (ORD_HAS(ev, DMO_A_SEQ))
		printf(" seq=%" PRIu64, ev->seq);
	if (ORD_HAS(ev, DMO_A_VOLUME_ID))
		printf(" volume=%" PRIu32, ev->volume_id);
	if (*ev->reason)
		printf(" reason=\"%s\"", ev->reason);
	putchar('\n');
}

static void add_u64(struct json_object *j, const char *key, bool there, uint64_t v)
{
	json_object_object_add(j, key, there ? json_object_new_uint64(v) : NULL);
}

static void print_json(uint64_t now, const struct ord_event *ev)
{
	struct json_object *j = json_object_new_object(), *cut = NULL;

	json_object_object_add(j, "time_ns", json_object_new_uint64(now));
	json_object_object_add(j, "event", json_object_new_string(ord_event_name(ev->event)));
	json_object_object_add(j, "uuid", json_object_new_string(fmt_uuid(ev->uuid)));
	add_u64(j, "meta_major", true, ev->meta_major);
	add_u64(j, "meta_minor", true, ev->meta_minor);
	if (ORD_HAS(ev, DMO_A_CUT)) {
		cut = json_object_new_object();
		add_u64(cut, "epoch", true, ev->cut.epoch);
		add_u64(cut, "n", true, ev->cut.n);
	}
	json_object_object_add(j, "cut", cut);
	add_u64(j, "seq", ORD_HAS(ev, DMO_A_SEQ), ev->seq);
	add_u64(j, "volume", ORD_HAS(ev, DMO_A_VOLUME_ID), ev->volume_id);
	json_object_object_add(j, "reason",
			       *ev->reason ? json_object_new_string(ev->reason) : NULL);
	puts(json_object_to_json_string_ext(j, JSON_C_TO_STRING_PLAIN |
					    JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(j);
}

static void print_lost(uint64_t now, bool json)
{
	if (json)
		printf("{\"time_ns\":%" PRIu64 ",\"event\":\"lost\",\"reason\":\"the kernel had more events than this reader took\"}\n",
		       now);
	else
		printf("%s lost: the kernel had more events than this reader took; see \"orderedctl status\" for what is now\n",
		       fmt_time(now));
}

static int monitor(const struct ord_session *s, bool json)
{
	struct pollfd p = { .fd = knl_events_fd(), .events = POLLIN };
	struct ord_event ev;
	int rc;

	ord_catch_signals();
	while (!ord_interrupted()) {
		rc = knl_events_next(&ev);
		if (rc == -ENOBUFS) {
			print_lost(ord_wall_ns(), json);
		} else if (rc < 0) {
			ord_err("%s", knl_why());
			return ORD_FAIL;
		} else if (!rc) {
			poll(&p, 1, 1000);
			continue;
		} else if (s && !ord_same_meta(s, ev.meta_major, ev.meta_minor)) {
			continue;
		} else if (json) {
			print_json(ord_wall_ns(), &ev);
		} else {
			print_text(ord_wall_ns(), &ev);
		}
		if (fflush(stdout))
			return ORD_FAIL;
	}
	return ORD_OK;
}

static int run(const struct command *cmd, int argc, char **argv)
{
	struct ord_sessions list = { 0 };
	struct ord_session *s = NULL;
	bool json = false;
	int c, rc;

	while ((c = ctl_getopt(cmd, argc, argv)) != -1) {
		if (c != OPT_JSON)
			return ORD_USAGE;
		json = true;
	}
	if (argc - optind > 1)
		return ctl_usage_error(cmd, "name one session, or none for all");
	if (knl_events_open()) {
		ord_err("%s", knl_why());
		return ORD_FAIL;
	}
	if (optind < argc) {
		s = lookup_session(&list, argv[optind]);
		if (!s)
			return ORD_FAIL;
	}
	rc = monitor(s, json);
	ord_sessions_free(&list);
	return rc;
}

const struct command cmd_monitor = {
	.name = "monitor",
	.args = "[SESSION] [--json]",
	.what = "print events as they happen, until interrupted",
	.opts = opts,
	.run = run,
};
