/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The table of options and operands that each command has. What is parsed, what --help says, what the
 * shell completes and what the man page lists all come from it, so that they can't differ.
 *
 * An option is given by its whole name. There are no abbreviations, so that an
 * option to come changes the meaning of no script, and no single letters but
 * -h and -V. Given twice it is refused, unless it is one of many.
 */
#ifndef CTL_OPT_H
#define CTL_OPT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct ctl_opt {
	const char *name;	/* without the dashes; NULL ends the table */
	const char *arg;	/* what it takes, in the words of ctl_opt_words(); NULL: nothing */
	const char *help;	/* a phrase; the range is added */
	/* into @to; returns 0, or an exit code after it said what is wrong */
	int (*parse)(const struct ctl_opt *o, const char *text);
	void *to;
	uint64_t unit;		/* what a number alone counts: 1 or 1000 ms, bytes */
	uint64_t min, max;	/* in ms, bytes, or just numbers; max 0: anything */
	unsigned int forms;	/* bit n: belongs to form n of the command; 0: to all */
	bool must;		/* in its forms */
	bool many;		/* may be given again */
	bool may;		/* the value may be left out; else it is --name=VALUE */
};

struct ctl_operand {
	const char *word;	/* as arg above; NULL ends the table */
	const char **to;
	unsigned int forms;
	bool optional;
	bool fresh;		/* a name to be: nothing to propose */
};

/*
 * ctl_number - parse a decimal number and check its range
 * On failure prints an error that names @what, the range and @unit.
 * Return: 0 or CTL_USAGE.
 */
int ctl_number(const char *what, const char *text, uint64_t min, uint64_t max,
	       const char *unit, uint64_t *out);

/* Parsers, by the type of @to. */
int ctl_opt_flag(const struct ctl_opt *o, const char *text);	/* bool */
int ctl_opt_text(const struct ctl_opt *o, const char *text);	/* const char * */
int ctl_opt_number(const struct ctl_opt *o, const char *text);	/* uint32_t */
int ctl_opt_size(const struct ctl_opt *o, const char *text);	/* uint64_t bytes */
int ctl_opt_mib(const struct ctl_opt *o, const char *text);	/* uint32_t, of bytes */
int ctl_opt_rate(const struct ctl_opt *o, const char *text);	/* uint64_t bytes a second */
int ctl_opt_time(const struct ctl_opt *o, const char *text);	/* uint64_t ms */
int ctl_opt_time32(const struct ctl_opt *o, const char *text);	/* uint32_t ms */

struct ctl_command;

/*
 * ctl_opt_parse - all arguments of a command into the targets of its tables
 * Return: 0, or an exit code after it said what is wrong.
 */
int ctl_opt_parse(const struct ctl_command *cmd, int argc, char **argv);

/* How the command is used, a line a form, with @first in front of the first. */
void ctl_opt_usage(FILE *f, const struct ctl_command *cmd, const char *first);
/* Its options, one by one. */
void ctl_opt_help(FILE *f, const struct ctl_command *cmd);
/* The words for what is to be given, and their meaning. */
void ctl_opt_words(FILE *f);

/* Parts of the man page. */
void ctl_opt_man_usage(const struct ctl_command *cmd);
void ctl_opt_man_options(const struct ctl_command *cmd);
void ctl_opt_man_words(void);

/* What completes @word to be, as words of ctl_opt_words(): see orderedctl.c; proposals, one a line. */
void ctl_opt_propose(const struct ctl_command *cmd, int argc, char **argv, void (*of)(const char *word));

/* The nearest of @nr names to @text, if it is near enough to be meant; else NULL. */
const char *ctl_opt_nearest(const char *text, const char *(*name)(unsigned int i, const void *arg),
			    const void *arg);

#endif /* CTL_OPT_H */
