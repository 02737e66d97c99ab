/* SPDX-License-Identifier: GPL-2.0-only */
/* The command table and what commands share. */
#ifndef ORD_CTL_H
#define ORD_CTL_H

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>

#include "util.h"

struct command {
	const char *name;
	const char *args;	/* usage, after the name */
	const char *what;	/* one line */
	const struct option *opts;	/* NULL: none; also for completion */
	/* argv[0] is the command's name; returns an exit code */
	int (*run)(const struct command *cmd, int argc, char **argv);
};

extern const struct command cmd_format, cmd_create, cmd_remove, cmd_connect, cmd_listen,
	cmd_disconnect, cmd_status, cmd_switch, cmd_drain, cmd_set, cmd_promote, cmd_monitor,
	cmd_dump;

/*
 * ctl_getopt - the next option of the command, by its table
 * Return: its val, -1 at the end (optind is then the first operand, operands
 * having been moved there), '?' after it said what is wrong.
 */
int ctl_getopt(const struct command *cmd, int argc, char **argv);

/* Says how the command is used; returns ORD_USAGE. */
int ctl_usage(const struct command *cmd);

/* "what" is missing, or too much: an error with the usage; returns ORD_USAGE. */
int __printf(2, 3) ctl_usage_error(const struct command *cmd, const char *fmt, ...);

/* A time-out in seconds, 1 to 86400, into ms. Return: 0 or ORD_USAGE. */
int ctl_seconds(const char *what, const char *text, uint64_t *ms);

#endif /* ORD_CTL_H */
