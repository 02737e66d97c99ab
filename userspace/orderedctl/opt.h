/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The table of options and operands that each command has. What is parsed, what --help says, what the
 * shell completes and what the man page lists all come from it, so that they can't differ.
 *
 * An option is given by its whole name. There are no abbreviations, so that an
 * option to come changes the meaning of no script, and no single letters but
 * -h and -V. Given twice it is refused, unless it is one of many.
 */
#ifndef ORD_OPT_H
#define ORD_OPT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct opt {
	const char *name;	/* without the dashes; NULL ends the table */
	const char *arg;	/* what it takes, in the words of opt_words(); NULL: nothing */
	const char *help;	/* a phrase; the range is added */
	/* into @to; returns 0, or an exit code after it said what is wrong */
	int (*parse)(const struct opt *o, const char *text);
	void *to;
	uint64_t unit;		/* what a number alone counts: 1 or 1000 ms, bytes */
	uint64_t min, max;	/* in ms, bytes, or just numbers; max 0: anything */
	unsigned int forms;	/* bit n: belongs to form n of the command; 0: to all */
	bool must;		/* in its forms */
	bool many;		/* may be given again */
	bool may;		/* the value may be left out; else it is --name=VALUE */
};

struct operand {
	const char *word;	/* as arg above; NULL ends the table */
	const char **to;
	unsigned int forms;
	bool optional;
	bool fresh;		/* a name to be: nothing to propose */
};

/* Parsers, by the type of @to. */
int opt_flag(const struct opt *o, const char *text);	/* bool */
int opt_text(const struct opt *o, const char *text);	/* const char * */
int opt_number(const struct opt *o, const char *text);	/* uint32_t */
int opt_size(const struct opt *o, const char *text);	/* uint64_t bytes */
int opt_mib(const struct opt *o, const char *text);	/* uint32_t, of bytes */
int opt_rate(const struct opt *o, const char *text);	/* uint64_t bytes a second */
int opt_time(const struct opt *o, const char *text);	/* uint64_t ms */
int opt_time32(const struct opt *o, const char *text);	/* uint32_t ms */

struct command;

/*
 * opt_parse - all arguments of a command into the targets of its tables
 * Return: 0, or an exit code after it said what is wrong.
 */
int opt_parse(const struct command *cmd, int argc, char **argv);

/* How the command is used, a line a form, with @first in front of the first. */
void opt_usage(FILE *f, const struct command *cmd, const char *first);
/* Its options, one by one. */
void opt_help(FILE *f, const struct command *cmd);
/* The words for what is to be given, and their meaning. */
void opt_words(FILE *f);

/* Parts of the man page. */
void opt_man_usage(const struct command *cmd);
void opt_man_options(const struct command *cmd);
void opt_man_words(void);

/* What completes @word to be, as words of opt_words(): see orderedctl.c; proposals, one a line. */
void opt_propose(const struct command *cmd, int argc, char **argv, void (*of)(const char *word));

/* The nearest of @nr names to @text, if it is near enough to be meant; else NULL. */
const char *opt_nearest(const char *text, const char *(*name)(unsigned int i, const void *arg),
			const void *arg);

#endif /* ORD_OPT_H */
