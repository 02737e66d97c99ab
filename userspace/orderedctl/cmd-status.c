// SPDX-License-Identifier: GPL-2.0-only
/* status: what the sessions are, do, and wait for. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "orderedctl/ctl.h"
#include "lib/lookup.h"
#include "lib/nl.h"
#include "orderedctl/print.h"
#include "lib/verdict.h"

static const char *session;
static bool json, dump, checking;
static uint64_t watch_ms, max_lag_ms;

static int show(void (*print)(const struct ord_sessions *list))
{
	struct ord_sessions all, one = { .nr = 1 };

	if (session) {
		one.v = lookup_session(&all, session);
		if (!one.v) {
			if (watch_ms && isdigit((unsigned char)*session))
				ord_note("if \"%s\" is how often to look, write --watch=%s", session,
					 session);
			return ORD_FAIL;
		}
	} else if (knl_sessions(&all)) {
		ord_err("can't read the sessions: %s", knl_why());
		return ORD_FAIL;
	}
	print(session ? &one : &all);
	ord_sessions_free(&all);
	return ORD_OK;
}

/* For monitoring: one line, and the worst of the verdicts as exit code. */
static int check(void)
{
	enum verdict_level worst = V_OK;
	struct ord_sessions all = { 0 };
	struct ord_session *one = NULL;
	struct verdict v;
	unsigned int i;

	if (session) {
		one = lookup_session(&all, session);
	} else if (knl_sessions(&all)) {
		printf("ORDERED UNKNOWN - can't read the sessions: %s\n", knl_why());
		return V_UNKNOWN;
	}
	if (session && !one) {
		printf("ORDERED UNKNOWN - there is no session \"%s\"\n", session);
		return V_UNKNOWN;
	}
	if (!all.nr) {
		printf("ORDERED UNKNOWN - no sessions\n");
		return V_UNKNOWN;
	}
	for (i = 0; i < all.nr; i++) {
		if (one && one != &all.v[i])
			continue;
		verdict_of(&all.v[i], max_lag_ms, &v);
		if (v.level > worst)
			worst = v.level;
	}
	printf("ORDERED %s -", verdict_name(worst));
	for (i = 0; i < all.nr; i++) {
		if (one && one != &all.v[i])
			continue;
		verdict_of(&all.v[i], max_lag_ms, &v);
		printf(" %s%s%s;", v.line, *v.why ? ": " : "", v.why);
	}
	putchar('\n');
	ord_sessions_free(&all);
	return (int)worst;
}

static int watch(void (*print)(const struct ord_sessions *list))
{
	bool tty = isatty(STDOUT_FILENO) && print == print_pretty;
	int rc;

	ord_catch_signals();
	for (;;) {
		if (tty)
			fputs("\033[H\033[J", stdout);
		rc = show(print);
		if (!tty && print == print_pretty)
			putchar('\n');
		if (fflush(stdout) || rc)
			return rc;	/* main() says of the output */
		ord_sleep_ms(watch_ms);
		if (ord_interrupted())
			return ORD_OK;
	}
}

static int run(const struct command *cmd)
{
	void (*print)(const struct ord_sessions *list) = json ? print_json : dump ? print_dump :
							  print_pretty;

	(void)cmd;
	if (checking)
		return check();
	return watch_ms ? watch(print) : show(print);
}

static int parse_watch(const struct opt *o, const char *text)
{
	return opt_time(o, text ? text : "1");
}

enum { PEOPLE, JSON, DUMP, PLUGIN };
#define SHOWN	(FORM(PEOPLE) | FORM(JSON) | FORM(DUMP))

static const struct operand operands[] = {
	{ "SESSION", &session, .optional = true },
	{ 0 }
};

static const struct opt opts[] = {
	{ "json", NULL, "an array of one object a session; see FIELDS in orderedctl(8)", opt_flag,
	  &json, .forms = FORM(JSON), .must = true },
	{ "dump", NULL, "lines of fields separated by tabs; see FIELDS in orderedctl(8)", opt_flag,
	  &dump, .forms = FORM(DUMP), .must = true },
	{ "watch", "TIME", "again and again, each second or as said", parse_watch, &watch_ms,
	  .unit = 1000, .min = 1000, .max = TIMEOUT_MAX_MS, .forms = SHOWN, .may = true },
	{ "check", NULL, "for monitoring: one line, and the exit status 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN (which wrong usage is, too)",
	  opt_flag, &checking, .forms = FORM(PLUGIN), .must = true },
	{ "max-lag", "TIME", "more than that, or no copy at all, is CRITICAL", opt_time,
	  &max_lag_ms, .unit = 1000, .min = 1000, .max = TIMEOUT_MAX_MS, .forms = FORM(PLUGIN) },
	{ 0 }
};

const struct command cmd_status = {
	.name = "status",
	.what = "role, state, cuts, lag, link, and what blocks",
	.operands = operands,
	.opts = opts,
	.plugin = "check",
	.run = run,
};
