// SPDX-License-Identifier: GPL-2.0-only
/* status: what the sessions are, do, and wait for. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"
#include "lookup.h"
#include "nl.h"
#include "print.h"

enum { OPT_JSON = 256, OPT_DUMP, OPT_WATCH };

static const struct option opts[] = {
	{ "json", no_argument, NULL, OPT_JSON },
	{ "dump", no_argument, NULL, OPT_DUMP },
	{ "watch", optional_argument, NULL, OPT_WATCH },
	{ 0 }
};

static int show(const char *session, void (*print)(const struct ord_sessions *list))
{
	struct ord_sessions all, one = { .nr = 1 };

	if (session) {
		one.v = lookup_session(&all, session);
		if (!one.v)
			return ORD_FAIL;
	} else if (knl_sessions(&all)) {
		ord_err("can't read the sessions: %s", knl_why());
		return ORD_FAIL;
	}
	print(session ? &one : &all);
	ord_sessions_free(&all);
	return ORD_OK;
}

static int watch(const char *session, void (*print)(const struct ord_sessions *list), uint64_t ms)
{
	bool tty = isatty(STDOUT_FILENO) && print == print_pretty;
	int rc;

	ord_catch_signals();
	for (;;) {
		if (tty)
			fputs("\033[H\033[J", stdout);
		rc = show(session, print);
		if (!tty && print == print_pretty)
			putchar('\n');
		if (fflush(stdout) || rc)
			return rc ? rc : ORD_FAIL;
		ord_sleep_ms(ms);
		if (ord_interrupted())
			return ORD_OK;
	}
}

static int run(const struct command *cmd, int argc, char **argv)
{
	void (*print)(const struct ord_sessions *list) = print_pretty;
	const char *session = NULL;
	uint64_t ms = 0;
	int c;

	while ((c = ctl_getopt(cmd, argc, argv)) != -1) {
		switch (c) {
		case OPT_JSON:
			print = print_json;
			break;
		case OPT_DUMP:
			print = print_dump;
			break;
		case OPT_WATCH:
			ms = 1000;
			if (optarg && ctl_seconds("--watch", optarg, &ms))
				return ORD_USAGE;
			break;
		default:
			return ORD_USAGE;
		}
	}
	if (argc - optind > 1)
		return ctl_usage_error(cmd, "name one session, or none for all");
	if (optind < argc)
		session = argv[optind];
	return ms ? watch(session, print, ms) : show(session, print);
}

const struct command cmd_status = {
	.name = "status",
	.args = "[SESSION] [--json | --dump] [--watch[=SECONDS]]",
	.what = "role, state, cuts, lag, link, and what blocks",
	.opts = opts,
	.run = run,
};
