// SPDX-License-Identifier: GPL-2.0-only
/*
 * orderedctl: one-shot commands for dm-ordered. A command is a file cmd-*.c
 * with an entry in the table below; its options and operands are tables, too:
 * opt.h says what comes from them.
 */
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/verdict.h"
#include "orderedctl/ctl.h"
#include "orderedctl/kernel.h"
#include "orderedctl/print.h"

#ifndef ORDERED_VERSION
#define ORDERED_VERSION "unknown"
#endif

static const struct ctl_command * const commands[] = {
	&ctl_cmd_size, &ctl_cmd_format, &ctl_cmd_create, &ctl_cmd_remove, &ctl_cmd_connect,
	&ctl_cmd_listen, &ctl_cmd_disconnect, &ctl_cmd_list, &ctl_cmd_status, &ctl_cmd_wait,
	&ctl_cmd_switch, &ctl_cmd_drain, &ctl_cmd_set, &ctl_cmd_promote, &ctl_cmd_monitor,
	&ctl_cmd_dump,
};

int ctl_usage_error(const struct ctl_command *cmd, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	ctl_err("%s: %s", cmd->name, text);
	ctl_opt_usage(stderr, cmd, "usage: ");
	return CTL_USAGE;
}

static const struct ctl_command *find(const char *name)
{
	size_t i;

	for (i = 0; i < ORD_ARRAY_LEN(commands); i++)
		if (!strcmp(commands[i]->name, name))
			return commands[i];
	return NULL;
}

static const char *command_name(unsigned int i, const void *arg)
{
	(void)arg;
	return i < ORD_ARRAY_LEN(commands) ? commands[i]->name : i == ORD_ARRAY_LEN(commands) ? "help" :
	       NULL;
}

static int no_command(const char *name)
{
	const char *near = ctl_opt_nearest(name, command_name, NULL);

	if (*name == '-')
		ctl_err("\"%.60s\" comes behind a command, as in \"orderedctl status --json\"; \"orderedctl help\" lists the commands",
			name);
	else
		ctl_err("there is no command \"%.60s\"; %s%s%s\"orderedctl help\" lists them", name,
			near ? "did you mean \"" : "", near ? near : "", near ? "\"? " : "");
	return CTL_USAGE;
}

/* -- help -------------------------------------------------------------------- */

static void general_help(FILE *f)
{
	size_t i;

	fputs("usage: orderedctl COMMAND ...\n\n", f);
	for (i = 0; i < ORD_ARRAY_LEN(commands); i++)
		fprintf(f, "  %-11s %s\n", commands[i]->name, commands[i]->what);
	fputs("\n  orderedctl help COMMAND, orderedctl COMMAND --help (-h)\n"
	      "  orderedctl --version (-V)\n\n"
	      "What is given:\n", f);
	ctl_opt_words(f);
	fputs("\nExit status: 0 done, 1 failed, 2 wrong usage. See orderedctl(8).\n", f);
}

static int command_help(const struct ctl_command *cmd)
{
	ctl_opt_usage(stdout, cmd, "");
	printf("    %s\n", cmd->what);
	if (cmd->opts)
		putchar('\n');
	ctl_opt_help(stdout, cmd);
	return CTL_OK;
}

static int run_help(int argc, char **argv)
{
	const struct ctl_command *cmd;

	if (!argc) {
		general_help(stdout);
		return CTL_OK;
	}
	if (argc > 1) {
		ctl_err("help: \"%.60s\" is one argument too many; give one command", argv[1]);
		return CTL_USAGE;
	}
	cmd = find(argv[0]);
	return cmd ? command_help(cmd) : no_command(argv[0]);
}

static int run_version(void)
{
	printf("orderedctl %s (metadata format %d, netlink version %d)\n", ORDERED_VERSION, 1,
	       DM_ORDERED_GENL_VERSION);
	return CTL_OK;
}

/* -- completion, man page ------------------------------------------------------ */

static void propose_commands(void)
{
	size_t i;

	for (i = 0; i < ORD_ARRAY_LEN(commands); i++)
		puts(commands[i]->name);
	puts("help");
}

static void propose_sessions(void)
{
	struct ord_sessions list;
	unsigned int i;

	if (ord_nl_sessions(ctl_nl(), &list))
		return;
	for (i = 0; i < list.nr; i++) {
		const struct ord_session *s = &list.v[i];

		if (*s->label)
			puts(s->label);
		puts(ord_fmt_uuid(s->uuid));
		puts(ord_fmt_meta(s->meta_name, s->meta_major, s->meta_minor));
	}
	ord_sessions_free(&list);
}

static void propose_volumes(void)
{
	struct ord_dm_volumes list;
	unsigned int i;

	if (ord_dm_volumes_get(ctl_dm(), &list))
		return;
	for (i = 0; i < list.nr; i++)
		puts(list.v[i].name);
	ord_dm_volumes_free(&list);
}

/* "/" asks the shell for its files. */
static void propose(const char *word)
{
	if (!strcmp(word, "SESSION"))
		propose_sessions();
	else if (!strcmp(word, "NAME"))
		propose_volumes();
	else if (!strcmp(word, "META") || !strcmp(word, "DATA"))
		puts("/");
}

/* @argv: the words behind "orderedctl"; the last is the one to complete. */
static void complete_words(int argc, char **argv)
{
	const struct ctl_command *cmd = argc > 1 ? find(argv[0]) : NULL;

	if (cmd) {
		ctl_opt_propose(cmd, argc - 1, argv + 1, propose);
	} else if (argc < 2) {
		propose_commands();
		puts("--help\n--version");
	} else if (argc == 2 && !strcmp(argv[0], "help")) {
		propose_commands();
	}
}

static void options_of(const struct ctl_command *cmd)
{
	const struct ctl_opt *o;

	for (o = cmd->opts; o && o->name; o++)
		puts(o->name);
}

/* For the shell's completion, the making of the man page and the tests; never an error. */
static int complete(int argc, char **argv)
{
	const char *what = argc ? argv[0] : "";
	const struct ctl_command *cmd = argc > 1 ? find(argv[1]) : NULL;

	if (!strcmp(what, "words"))
		complete_words(argc - 1, argv + 1);
	else if (!strcmp(what, "commands"))
		propose_commands();
	else if (!strcmp(what, "fields"))
		ctl_print_fields();
	else if (!strcmp(what, "man-words"))
		ctl_opt_man_words();
	else if (cmd && !strcmp(what, "options"))
		options_of(cmd);
	else if (cmd && !strcmp(what, "man-usage"))
		ctl_opt_man_usage(cmd);
	else if (cmd && !strcmp(what, "man-options"))
		ctl_opt_man_options(cmd);
	return CTL_OK;
}

/* -- the command line ----------------------------------------------------------- */

static bool has_word(int argc, char **argv, const char *word, const char *letter)
{
	int i;

	for (i = 0; i < argc && strcmp(argv[i], "--"); i++)
		if (!strcmp(argv[i], word) || (letter && !strcmp(argv[i], letter)))
			return true;
	return false;
}

/* Monitoring takes 2 for CRITICAL, and shows what is on standard output. */
static int badly_used(const struct ctl_command *cmd, int argc, char **argv, int rc)
{
	char plugin[32];

	if (!cmd->plugin)
		return rc;
	snprintf(plugin, sizeof(plugin), "--%s", cmd->plugin);
	if (!has_word(argc, argv, plugin, NULL))
		return rc;
	printf("ORDERED UNKNOWN - %s\n", ctl_last_err());
	return ORD_V_UNKNOWN;
}

static int run_command(const struct ctl_command *cmd, int argc, char **argv)
{
	int rc;

	if (has_word(argc, argv, "--help", "-h"))
		return command_help(cmd);
	if (has_word(argc, argv, "--version", "-V"))
		return run_version();
	rc = ctl_opt_parse(cmd, argc, argv);
	if (rc)
		return badly_used(cmd, argc, argv, rc);
	rc = cmd->run(cmd);
	ctl_kernel_close();
	return rc;
}

static int dispatch(int argc, char **argv)
{
	const struct ctl_command *cmd;

	if (!argc) {
		general_help(stderr);
		return CTL_USAGE;
	}
	if (!strcmp(argv[0], "--version") || !strcmp(argv[0], "-V"))
		return run_version();
	if (!strcmp(argv[0], "help") || !strcmp(argv[0], "--help") || !strcmp(argv[0], "-h"))
		return run_help(argc - 1, argv + 1);
	if (!strcmp(argv[0], "complete"))
		return complete(argc - 1, argv + 1);
	cmd = find(argv[0]);
	return cmd ? run_command(cmd, argc - 1, argv + 1) : no_command(argv[0]);
}

/* "orderedctl status | head -1" has all it wants. */
static bool reader_is_gone(void)
{
	struct pollfd p = { .fd = STDOUT_FILENO };

	return poll(&p, 1, 0) > 0 && p.revents & POLLERR;
}

int main(int argc, char **argv)
{
	int rc;

	signal(SIGPIPE, SIG_IGN);
	rc = dispatch(argc - 1, argv + 1);
	if ((fflush(stdout) || ferror(stdout)) && !reader_is_gone()) {
		ctl_err("can't write the output");
		rc = rc ? rc : CTL_FAIL;
	}
	return rc;
}
