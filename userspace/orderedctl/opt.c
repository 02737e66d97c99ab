// SPDX-License-Identifier: GPL-2.0-only
/* The parsers of what an option takes, and of a command line by its table: see opt.h. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "orderedctl/ctl.h"

#define MAX_OPTS	32
#define MAX_OPERANDS	4
#define ALL_FORMS	0xffu

/* -- values ------------------------------------------------------------------ */

int ctl_number(const char *what, const char *text, uint64_t min, uint64_t max,
	       const char *unit, uint64_t *out)
{
	uint64_t v;

	if (ord_u64(text, &v)) {
		ctl_err("%s: \"%s\" is not a number; give %" PRIu64 " to %" PRIu64 "%s%s",
			what, text, min, max, *unit ? " " : "", unit);
		return CTL_USAGE;
	}
	if (v < min || v > max) {
		ctl_err("%s: %s is out of range; give %" PRIu64 " to %" PRIu64 "%s%s",
			what, text, min, max, *unit ? " " : "", unit);
		return CTL_USAGE;
	}
	*out = v;
	return 0;
}

int ctl_opt_flag(const struct ctl_opt *o, const char *text)
{
	(void)text;
	*(bool *)o->to = true;
	return 0;
}

int ctl_opt_text(const struct ctl_opt *o, const char *text)
{
	if (!*text) {
		ctl_err("--%s: nothing is given; give %s", o->name, o->arg);
		return CTL_USAGE;
	}
	*(const char **)o->to = text;
	return 0;
}

int ctl_opt_number(const struct ctl_opt *o, const char *text)
{
	char what[64];
	uint64_t v;

	snprintf(what, sizeof(what), "--%s", o->name);
	if (ctl_number(what, text, o->min, o->max, "", &v))
		return CTL_USAGE;
	*(uint32_t *)o->to = (uint32_t)v;
	return 0;
}

/* The range in what a number alone counts, as it is in the man page. */
static int out_of_range(const struct ctl_opt *o, const char *text, const char *unit)
{
	ctl_err("--%s: %s is out of range; give %" PRIu64 " to %" PRIu64 " %s", o->name, text,
		o->min / o->unit, o->max / o->unit, unit);
	return CTL_USAGE;
}

int ctl_opt_size(const struct ctl_opt *o, const char *text)
{
	uint64_t v;

	if (ord_size(text, o->unit, &v)) {
		ctl_err("--%s: \"%s\" is not a size; say for example 10G, 1.5T or 512M", o->name,
			text);
		return CTL_USAGE;
	}
	if (o->max && (v < o->min || v > o->max)) {
		ctl_err("--%s: %s is out of range; give %s to %s", o->name, text,
			ord_fmt_size_exact(o->min), ord_fmt_size_exact(o->max));
		return CTL_USAGE;
	}
	*(uint64_t *)o->to = v;
	return 0;
}

int ctl_opt_mib(const struct ctl_opt *o, const char *text)
{
	uint64_t v;

	if (ord_size(text, o->unit, &v)) {
		ctl_err("--%s: \"%s\" is not a number of MiB; give one, or a size like 1.5G",
			o->name, text);
		return CTL_USAGE;
	}
	if (v < o->min || v > o->max)
		return out_of_range(o, text, "MiB");
	*(uint32_t *)o->to = (uint32_t)(v >> 20);
	return 0;
}

int ctl_opt_rate(const struct ctl_opt *o, const char *text)
{
	uint64_t v;

	if (ord_rate(text, &v) || !v) {
		ctl_err("--%s: \"%s\" is not a rate; say for example 5M (MiB a second) or 100Mbit",
			o->name, text);
		return CTL_USAGE;
	}
	*(uint64_t *)o->to = v;
	return 0;
}

int ctl_opt_time(const struct ctl_opt *o, const char *text)
{
	const char *unit = o->unit == 1 ? "ms" : "seconds";
	uint64_t v;

	if (ord_time(text, o->unit, &v)) {
		ctl_err("--%s: \"%s\" is not a time; give a number of %s, or for example 500ms, 10m or 1.5h",
			o->name, text, unit);
		return CTL_USAGE;
	}
	if (v < o->min || v > o->max)
		return out_of_range(o, text, unit);
	*(uint64_t *)o->to = v;
	return 0;
}

int ctl_opt_time32(const struct ctl_opt *o, const char *text)
{
	struct ctl_opt wide = *o;
	uint64_t v;

	wide.to = &v;
	if (ctl_opt_time(&wide, text))
		return CTL_USAGE;
	*(uint32_t *)o->to = (uint32_t)v;
	return 0;
}

/* -- did you mean ------------------------------------------------------------ */

/* How many letters must be put in, taken out, changed or exchanged; at most 9. */
static unsigned int distance(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b), i, j;
	unsigned int d[34][34];

	if (n > 32 || m > 32)
		return 9;
	for (i = 0; i <= n; i++)
		d[i][0] = (unsigned int)i;
	for (j = 0; j <= m; j++)
		d[0][j] = (unsigned int)j;
	for (i = 1; i <= n; i++) {
		for (j = 1; j <= m; j++) {
			unsigned int v = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);

			if (d[i - 1][j] + 1 < v)
				v = d[i - 1][j] + 1;
			if (d[i][j - 1] + 1 < v)
				v = d[i][j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    d[i - 2][j - 2] + 1 < v)
				v = d[i - 2][j - 2] + 1;
			d[i][j] = v;
		}
	}
	return d[n][m] < 9 ? d[n][m] : 9;
}

const char *ctl_opt_nearest(const char *text, const char *(*name)(unsigned int i, const void *arg),
			    const void *arg)
{
	unsigned int best = strlen(text) < 3 ? 1 : strlen(text) < 6 ? 2 : 3, i, d;
	const char *near = NULL, *n;

	for (i = 0; (n = name(i, arg)); i++) {
		/* a beginning of it is as good as a slip */
		d = strlen(text) > 1 && !strncmp(n, text, strlen(text)) ? 1 : distance(text, n);
		if (d < best || (d == best && !near)) {
			best = d;
			near = n;
		}
	}
	return near;
}

static const char *opt_name(unsigned int i, const void *arg)
{
	const struct ctl_opt *opts = arg;

	return opts ? opts[i].name : NULL;
}

/* -- a command line ---------------------------------------------------------- */

struct parse {
	const struct ctl_command *cmd;
	unsigned int forms;	/* that fit what was given so far */
	char by[64];		/* what narrowed them last */
	bool given[MAX_OPTS];
	unsigned int nr_operands;
};

static int narrow(struct parse *p, unsigned int forms, const char *dashes, const char *what)
{
	if (!forms)
		return 0;
	if (!(p->forms & forms))
		return ctl_usage_error(p->cmd, "%s%s does not go together with %s", dashes, what,
				       p->by);
	if (p->forms & ~forms)
		snprintf(p->by, sizeof(p->by), "%s%s", dashes, what);
	p->forms &= forms;
	return 0;
}

static const struct ctl_opt *find_opt(const struct ctl_command *cmd, const char *name, size_t len)
{
	const struct ctl_opt *o;

	for (o = cmd->opts; o && o->name; o++)
		if (strlen(o->name) == len && !strncmp(o->name, name, len))
			return o;
	return NULL;
}

static int unknown(const struct ctl_command *cmd, const char *word)
{
	const char *name = word + strspn(word, "-"), *near;
	char text[64];

	snprintf(text, sizeof(text), "%.*s", (int)strcspn(name, "="), name);
	near = *text ? ctl_opt_nearest(text, opt_name, cmd->opts) : NULL;
	/* one letter alone is near to nothing */
	if (near && (word[1] == '-' || text[1]))
		return ctl_usage_error(cmd, "there is no option \"%.60s\" here; did you mean --%s?",
				       word, near);
	if (word[1] != '-')
		return ctl_usage_error(cmd, "there is no option \"%.60s\": options are whole words with two dashes, and are not bundled",
				       word);
	return ctl_usage_error(cmd, "there is no option \"%.60s\" here", word);
}

/* argv[*at] is an option; its value may be the next word. */
static int take_option(struct parse *p, int argc, char **argv, int *at)
{
	const char *word = argv[*at], *eq = strchr(word, '='), *value = eq ? eq + 1 : NULL;
	const struct ctl_command *cmd = p->cmd;
	const struct ctl_opt *o = NULL;
	int rc;

	if (word[1] == '-')
		o = find_opt(cmd, word + 2, eq ? (size_t)(eq - word - 2) : strlen(word + 2));
	if (!o)
		return unknown(cmd, word);
	if (p->given[o - cmd->opts] && !o->many)
		return ctl_usage_error(cmd, "option --%s is given twice", o->name);
	p->given[o - cmd->opts] = true;
	rc = narrow(p, o->forms, "--", o->name);
	if (rc)
		return rc;
	if (!o->arg && value)
		return ctl_usage_error(cmd, "option --%s takes no value", o->name);
	if (o->arg && !value && !o->may) {
		if (*at + 1 >= argc)
			return ctl_usage_error(cmd, "option --%s needs a value, %s", o->name,
					       o->arg);
		value = argv[++*at];
		if (!strncmp(value, "--", 2) && find_opt(cmd, value + 2, strcspn(value + 2, "=")))
			return ctl_usage_error(cmd, "option --%s needs a value, %s; \"%.60s\" is the next option (if you mean it, write --%s=%.60s)",
					       o->name, o->arg, value, o->name, value);
	}
	return o->parse(o, value);
}

static int take_operand(struct parse *p, const char *word)
{
	const struct ctl_operand *list = p->cmd->operands;

	if (!list || !list[p->nr_operands].word)
		return ctl_usage_error(p->cmd, "\"%.60s\" is one argument too many", word);
	list += p->nr_operands++;
	if (!*word)
		return ctl_usage_error(p->cmd, "%s is empty", list->word);
	*list->to = word;
	return narrow(p, list->forms, "", list->word);
}

static int lacks(const struct parse *p, const char *dashes, const char *what, unsigned int forms)
{
	/* what narrowed the forms is why it is needed */
	bool why = forms && *p->by;

	return ctl_usage_error(p->cmd, "%s%s is missing%s%s", dashes, what,
			       why ? "; it belongs to " : "", why ? p->by : "");
}

/* Of the forms that fit the first is meant: what does it lack? */
static int check_missing(const struct parse *p)
{
	unsigned int form = p->forms & -p->forms, i;
	const struct ctl_operand *a = p->cmd->operands;
	const struct ctl_opt *o = p->cmd->opts;

	for (i = 0; o && o[i].name; i++)
		if (o[i].must && !p->given[i] && (!o[i].forms || o[i].forms & form))
			return lacks(p, "--", o[i].name, o[i].forms);
	for (i = p->nr_operands; a && a[i].word; i++)
		if (!a[i].optional && (!a[i].forms || a[i].forms & form))
			return lacks(p, "", a[i].word, a[i].forms);
	return 0;
}

int ctl_opt_parse(const struct ctl_command *cmd, int argc, char **argv)
{
	struct parse p = { .cmd = cmd, .forms = ALL_FORMS };
	bool options = true;
	int i, rc = 0;

	for (i = 0; i < argc && !rc; i++) {
		if (options && !strcmp(argv[i], "--"))
			options = false;
		else if (options && argv[i][0] == '-' && argv[i][1])
			rc = take_option(&p, argc, argv, &i);
		else
			rc = take_operand(&p, argv[i]);
	}
	return rc ? rc : check_missing(&p);
}
