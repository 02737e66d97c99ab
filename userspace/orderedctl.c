// SPDX-License-Identifier: GPL-2.0-only
/*
 * orderedctl: one-shot commands for dm-ordered. A command is a file cmd-*.c
 * with an entry in the table below; the table is also where usage, help and
 * completion come from.
 */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "dm.h"
#include "nl.h"
#include "print.h"

#ifndef ORDERED_VERSION
#define ORDERED_VERSION "unknown"
#endif

static const struct command * const commands[] = {
	&cmd_format, &cmd_create, &cmd_remove, &cmd_connect, &cmd_listen, &cmd_disconnect,
	&cmd_status, &cmd_switch, &cmd_drain, &cmd_set, &cmd_promote, &cmd_monitor, &cmd_dump,
};

int ctl_usage(const struct command *cmd)
{
	fprintf(stderr, "usage: orderedctl %s %s\n", cmd->name, cmd->args);
	return ORD_USAGE;
}

int ctl_usage_error(const struct command *cmd, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	ord_err("%s: %s", cmd->name, text);
	return ctl_usage(cmd);
}

int ctl_getopt(const struct command *cmd, int argc, char **argv)
{
	static const struct option none[] = { { 0 } };
	int c;

	opterr = 0;
	c = getopt_long(argc, argv, ":", cmd->opts ? cmd->opts : none, NULL);
	if (c == ':')
		ctl_usage_error(cmd, "option %s needs a value", argv[optind - 1]);
	else if (c == '?')
		ctl_usage_error(cmd, "option %s is unknown here, or takes no value",
				argv[optind - 1]);
	return c == ':' ? '?' : c;
}

int ctl_seconds(const char *what, const char *text, uint64_t *ms)
{
	uint64_t s;

	if (ord_number(what, text, 1, 86400, "seconds", &s))
		return ORD_USAGE;
	*ms = s * 1000;
	return 0;
}

static const struct command *find(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(commands); i++)
		if (!strcmp(commands[i]->name, name))
			return commands[i];
	return NULL;
}

static void general_help(FILE *f)
{
	size_t i;

	fputs("usage: orderedctl COMMAND ...\n\n"
	      "SESSION is the metadata device, the label or the UUID of a session.\n\n", f);
	for (i = 0; i < ARRAY_LEN(commands); i++)
		fprintf(f, "  %-11s %s\n", commands[i]->name, commands[i]->what);
	fputs("\n  orderedctl help COMMAND    how it is used\n"
	      "  orderedctl --version\n\n"
	      "Exit status: 0 done, 1 failed, 2 wrong usage. See orderedctl(8).\n", f);
}

static int run_help(int argc, char **argv)
{
	const struct command *cmd;

	if (argc < 2) {
		general_help(stdout);
		return ORD_OK;
	}
	cmd = find(argv[1]);
	if (!cmd) {
		ord_err("there is no command \"%s\"; \"orderedctl help\" lists them", argv[1]);
		return ORD_USAGE;
	}
	printf("orderedctl %s %s\n    %s\n", cmd->name, cmd->args, cmd->what);
	return ORD_OK;
}

/* For the shell's completion: names, one a line; never an error. */
static int complete(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	size_t i;

	if (!strcmp(what, "commands")) {
		for (i = 0; i < ARRAY_LEN(commands); i++)
			puts(commands[i]->name);
		puts("help");
	} else if (!strcmp(what, "options") && argc > 2) {
		const struct command *cmd = find(argv[2]);
		const struct option *o = cmd ? cmd->opts : NULL;

		for (; o && o->name; o++)
			printf("--%s%s\n", o->name, o->has_arg == required_argument ? "=" : "");
	} else if (!strcmp(what, "sessions")) {
		struct ord_sessions list;
		unsigned int k;

		if (!knl_sessions(&list)) {
			for (k = 0; k < list.nr; k++) {
				const struct ord_session *s = &list.v[k];

				if (*s->label)
					puts(s->label);
				puts(fmt_uuid(s->uuid));
				puts(fmt_meta(s->meta_name, s->meta_major, s->meta_minor));
			}
			ord_sessions_free(&list);
		}
	} else if (!strcmp(what, "volumes")) {
		struct dm_volumes list;
		unsigned int k;

		if (!dm_volumes_get(&list)) {
			for (k = 0; k < list.nr; k++)
				puts(list.v[k].name);
			dm_volumes_free(&list);
		}
	} else if (!strcmp(what, "fields")) {
		print_fields();
	}
	return ORD_OK;
}

int main(int argc, char **argv)
{
	const struct command *cmd;
	int rc;

	signal(SIGPIPE, SIG_IGN);
	if (argc < 2) {
		general_help(stderr);
		return ORD_USAGE;
	}
	if (!strcmp(argv[1], "--version")) {
		printf("orderedctl %s (metadata format %d, netlink version %d)\n", ORDERED_VERSION,
		       1, DM_ORDERED_GENL_VERSION);
		return ORD_OK;
	}
	if (!strcmp(argv[1], "help") || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		return run_help(argc - 1, argv + 1);
	if (!strcmp(argv[1], "complete"))
		return complete(argc - 1, argv + 1);
	cmd = find(argv[1]);
	if (!cmd) {
		ord_err("there is no command \"%s\"; \"orderedctl help\" lists them", argv[1]);
		return ORD_USAGE;
	}
	if (argc > 2 && (!strcmp(argv[2], "--help") || !strcmp(argv[2], "-h")))
		return run_help(2, argv);
	rc = cmd->run(cmd, argc - 1, argv + 1);
	knl_close();
	if (fflush(stdout) || ferror(stdout)) {
		ord_err("can't write the output");
		rc = rc ? rc : ORD_FAIL;
	}
	return rc;
}
