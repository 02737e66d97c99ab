// SPDX-License-Identifier: GPL-2.0-only
/* status: what the sessions are, do, and wait for. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/verdict.h"
#include "orderedctl/ctl.h"
#include "orderedctl/kernel.h"
#include "orderedctl/print.h"
#include "orderedctl/session.h"

static const char *session;
static bool json, dump, checking;
static uint64_t watch_ms, max_lag_ms;

static int show(void (*print)(const struct ord_sessions *list))
{
	struct ord_sessions all, one = { .nr = 1 };

	if (session) {
		one.v = ctl_session(&all, session);
		if (!one.v) {
			if (watch_ms && isdigit((unsigned char)*session))
				ctl_note("if \"%s\" is how often to look, write --watch=%s", session,
					 session);
			return CTL_FAIL;
		}
	} else if (ord_nl_sessions(ctl_nl(), &all)) {
		ctl_err("can't read the sessions: %s", ord_nl_why(ctl_nl()));
		return CTL_FAIL;
	}
	print(session ? &one : &all);
	ord_sessions_free(&all);
	return CTL_OK;
}

/* For monitoring: one line, and the worst of the verdicts as exit code. */
static int check(void)
{
	enum ord_verdict_level worst = ORD_V_OK;
	struct ord_sessions all = { 0 };
	struct ord_session *one = NULL;
	struct ord_verdict v;
	unsigned int i;

	if (session) {
		one = ctl_session(&all, session);
	} else if (ord_nl_sessions(ctl_nl(), &all)) {
		printf("ORDERED UNKNOWN - can't read the sessions: %s\n", ord_nl_why(ctl_nl()));
		return ORD_V_UNKNOWN;
	}
	if (session && !one) {
		printf("ORDERED UNKNOWN - there is no session \"%s\"\n", session);
		return ORD_V_UNKNOWN;
	}
	if (!all.nr) {
		printf("ORDERED UNKNOWN - no sessions\n");
		return ORD_V_UNKNOWN;
	}
	for (i = 0; i < all.nr; i++) {
		if (one && one != &all.v[i])
			continue;
		ord_verdict_of(&all.v[i], max_lag_ms, &v);
		if (v.level > worst)
			worst = v.level;
	}
	printf("ORDERED %s -", ord_verdict_name(worst));
	for (i = 0; i < all.nr; i++) {
		if (one && one != &all.v[i])
			continue;
		ord_verdict_of(&all.v[i], max_lag_ms, &v);
		printf(" %s%s%s;", v.line, *v.why ? ": " : "", v.why);
	}
	putchar('\n');
	ord_sessions_free(&all);
	return (int)worst;
}

static int watch(void (*print)(const struct ord_sessions *list))
{
	bool tty = isatty(STDOUT_FILENO) && print == ctl_print_pretty;
	int rc;

	ctl_catch_signals();
	for (;;) {
		if (tty)
			fputs("\033[H\033[J", stdout);
		rc = show(print);
		if (!tty && print == ctl_print_pretty)
			putchar('\n');
		if (fflush(stdout) || rc)
			return rc;	/* main() says of the output */
		ctl_sleep_ms(watch_ms);
		if (ctl_interrupted())
			return CTL_OK;
	}
}

static int run(const struct ctl_command *cmd)
{
	void (*print)(const struct ord_sessions *list) = json ? ctl_print_json : dump ? ctl_print_dump :
							  ctl_print_pretty;

	(void)cmd;
	if (checking)
		return check();
	return watch_ms ? watch(print) : show(print);
}

static int parse_watch(const struct ctl_opt *o, const char *text)
{
	return ctl_opt_time(o, text ? text : "1");
}

enum { PEOPLE, JSON, DUMP, PLUGIN };
#define SHOWN	(CTL_FORM(PEOPLE) | CTL_FORM(JSON) | CTL_FORM(DUMP))

static const struct ctl_operand operands[] = {
	{ "SESSION", &session, .optional = true },
	{ 0 }
};

static const struct ctl_opt opts[] = {
	{ "json", NULL, "an array of one object a session; see FIELDS in orderedctl(8)", ctl_opt_flag,
	  &json, .forms = CTL_FORM(JSON), .must = true },
	{ "dump", NULL, "lines of fields separated by tabs; see FIELDS in orderedctl(8)", ctl_opt_flag,
	  &dump, .forms = CTL_FORM(DUMP), .must = true },
	{ "watch", "TIME", "again and again, each second or as said", parse_watch, &watch_ms,
	  .unit = 1000, .min = 1000, .max = CTL_TIMEOUT_MAX_MS, .forms = SHOWN, .may = true },
	{ "check", NULL, "for monitoring: one line, and the exit status 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN (which wrong usage is, too)",
	  ctl_opt_flag, &checking, .forms = CTL_FORM(PLUGIN), .must = true },
	{ "max-lag", "TIME", "more than that, or no copy at all, is CRITICAL", ctl_opt_time,
	  &max_lag_ms, .unit = 1000, .min = 1000, .max = CTL_TIMEOUT_MAX_MS,
	  .forms = CTL_FORM(PLUGIN) },
	{ 0 }
};

const struct ctl_command ctl_cmd_status = {
	.name = "status",
	.what = "role, state, cuts, lag, link, and what blocks",
	.operands = operands,
	.opts = opts,
	.plugin = "check",
	.run = run,
};
