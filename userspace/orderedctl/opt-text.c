// SPDX-License-Identifier: GPL-2.0-only
/* What the tables of options say to people, to the shell and in the man page: see opt.h. */
#include <ctype.h>
#include <string.h>

#include "orderedctl/ctl.h"

#define WIDTH	78

static const struct {
	const char *word, *meaning;
} words[] = {
	{ "SESSION", "a session: its label, its UUID, or its metadata device (a path, or MAJOR:MINOR)" },
	{ "NAME", "a volume, as it is called in /dev/mapper" },
	{ "META", "a metadata device" },
	{ "DATA", "a data device" },
	{ "ID", "the number of a volume in its session, 0 to 65535" },
	{ "TIME", "seconds, or a number with ms, s, m (minutes), h or d: 1.5h" },
	{ "MS", "milliseconds, or as TIME" },
	{ "SIZE", "bytes, or a number with K, M, G, T, P or KiB ... (powers of 1024), KB, MB ... (of 1000), s (sectors of 512): 1.5T" },
	{ "MIB", "MiB, or as SIZE" },
	{ "RATE", "a SIZE a second, or a number with kbit, Mbit or Gbit: 5M, 100Mbit" },
	{ "LBS", "the size of a logical block: 512, 1024, 2048 or 4096" },
	{ "UUID", "as format prints it" },
	{ "LABEL", "up to 63 letters, digits, '.', '_' and '-', not '-' first" },
	{ "HOST", "a name, an IPv4 address, or an IPv6 address in brackets" },
	{ "PORT", "of TCP, 1 to 65535" },
	{ "PATH", "of a unix socket, absolute" },
};

/* -- pieces of usage lines ---------------------------------------------------- */

/* A line in the making, broken where it gets too long. */
struct line {
	FILE *f;
	bool man;
	size_t column, indent;
};

/* For the man page: literals bold, words for something in italics. */
static void put_marked(FILE *f, const char *text)
{
	char font = 'R';

	for (; *text; text++) {
		char want = isupper((unsigned char)*text) ? 'I' :
			    strchr("[]|. ", *text) ? 'R' : 'B';

		if (want != font)
			fprintf(f, "\\f%c", want);
		font = want;
		if (*text == '-')
			fputc('\\', f);
		fputc(*text, f);
	}
	if (font != 'R')
		fputs("\\fR", f);
}

static void put_piece(struct line *l, const char *text)
{
	if (l->man) {
		if (l->column)
			fputc(' ', l->f);
		put_marked(l->f, text);
		l->column = 1;
		return;
	}
	if (l->column > l->indent && l->column + 1 + strlen(text) > WIDTH) {
		fprintf(l->f, "\n%*s", (int)l->indent, "");
		l->column = l->indent;
	}
	fprintf(l->f, " %s", text);
	l->column += 1 + strlen(text);
}

static const char *opt_piece(const struct ctl_opt *o, char *buf, size_t len)
{
	snprintf(buf, len, "%s--%s%s%s%s%s%s", o->must ? "" : "[", o->name,
		 o->may ? "[=" : o->arg ? " " : "", o->arg ? o->arg : "", o->may ? "]" : "",
		 o->must ? "" : "]", o->many ? " ..." : "");
	return buf;
}

static void put_form(struct line *l, const struct ctl_command *cmd, unsigned int form)
{
	const struct ctl_operand *a;
	const struct ctl_opt *o;
	char buf[128];

	for (a = cmd->operands; a && a->word; a++) {
		if (a->forms && !(a->forms & form))
			continue;
		snprintf(buf, sizeof(buf), a->optional ? "[%s]" : "%s", a->word);
		put_piece(l, buf);
	}
	for (o = cmd->opts; o && o->name; o++)
		if (!o->forms || o->forms & form)
			put_piece(l, opt_piece(o, buf, sizeof(buf)));
}

/* The forms that a command has, at least CTL_FORM(0). */
static unsigned int forms_of(const struct ctl_command *cmd)
{
	const struct ctl_operand *a;
	unsigned int forms = 0;
	const struct ctl_opt *o;

	for (a = cmd->operands; a && a->word; a++)
		forms |= a->forms;
	for (o = cmd->opts; o && o->name; o++)
		forms |= o->forms;
	return forms ? forms : CTL_FORM(0);
}

/* -- for people -------------------------------------------------------------- */

void ctl_opt_usage(FILE *f, const struct ctl_command *cmd, const char *first)
{
	unsigned int forms = forms_of(cmd), n;

	for (n = 0; forms >> n; n++) {
		struct line l = { .f = f, .indent = strlen(first) + 11 };

		if (!(forms & CTL_FORM(n)))
			continue;
		if (n)
			fprintf(f, "%*s", (int)strlen(first), "");
		else
			fputs(first, f);
		fprintf(f, "orderedctl %s", cmd->name);
		l.column = l.indent + strlen(cmd->name);
		put_form(&l, cmd, CTL_FORM(n));
		fputc('\n', f);
	}
}

/* @text, broken into lines of WIDTH behind @indent blanks. */
static void wrap(FILE *f, const char *text, size_t indent)
{
	size_t column = indent;

	while (*text) {
		size_t n = strcspn(text, " ");

		if (column > indent && column + 1 + n > WIDTH) {
			fprintf(f, "\n%*s", (int)indent, "");
			column = indent;
		}
		if (column > indent) {
			fputc(' ', f);
			column++;
		}
		fwrite(text, 1, n, f);
		column += n;
		text += n + strspn(text + n, " ");
	}
	fputc('\n', f);
}

/* "1s to 1d", or "" where all is allowed. */
static const char *range(const struct ctl_opt *o, char *buf, size_t len)
{
	*buf = '\0';
	if (!o->max || !o->unit)
		return buf;
	if (!strcmp(o->arg, "TIME") || !strcmp(o->arg, "MS"))
		snprintf(buf, len, "%s to %s", ord_fmt_ms_exact(o->min), ord_fmt_ms_exact(o->max));
	else
		snprintf(buf, len, "%s to %s", ord_fmt_size_exact(o->min), ord_fmt_size_exact(o->max));
	return buf;
}

/* What is said of an option, in one line. */
static const char *help_text(const struct ctl_opt *o, char *buf, size_t len)
{
	char limits[64];

	range(o, limits, sizeof(limits));
	snprintf(buf, len, "%s%s%s%s%s", o->help, *limits ? " (" : "", limits, *limits ? ")" : "",
		 o->many ? "; may be given several times" : "");
	return buf;
}

void ctl_opt_help(FILE *f, const struct ctl_command *cmd)
{
	const struct ctl_opt *o;
	char buf[512];

	for (o = cmd->opts; o && o->name; o++) {
		fprintf(f, "  --%s%s%s%s\n        ", o->name, o->may ? "[=" : o->arg ? " " : "",
			o->arg ? o->arg : "", o->may ? "]" : "");
		wrap(f, help_text(o, buf, sizeof(buf)), 8);
	}
}

void ctl_opt_words(FILE *f)
{
	size_t i;

	for (i = 0; i < ORD_ARRAY_LEN(words); i++) {
		fprintf(f, "  %-8s ", words[i].word);
		wrap(f, words[i].meaning, 11);
	}
}

/* -- for the man page --------------------------------------------------------- */

static void put_escaped(const char *text)
{
	for (; *text; text++) {
		if (*text == '-' || *text == '\\')
			putchar('\\');
		putchar(*text);
	}
}

void ctl_opt_man_usage(const struct ctl_command *cmd)
{
	unsigned int forms = forms_of(cmd), n;
	bool first = true;

	for (n = 0; forms >> n; n++) {
		struct line l = { .f = stdout, .man = true, .column = 1 };

		if (!(forms & CTL_FORM(n)))
			continue;
		printf(".%s\n\\fB%s\\fR", first ? "TP" : "TQ", cmd->name);
		put_form(&l, cmd, CTL_FORM(n));
		putchar('\n');
		first = false;
	}
}

void ctl_opt_man_options(const struct ctl_command *cmd)
{
	const struct ctl_opt *o;
	char buf[512];

	if (!cmd->opts)
		return;
	puts(".RS");
	for (o = cmd->opts; o->name; o++) {
		printf(".TP\n\\fB\\-\\-");
		put_escaped(o->name);
		printf("\\fR");
		if (o->arg) {
			fputs(o->may ? "[=" : " ", stdout);
			put_marked(stdout, o->arg);
			fputs(o->may ? "]" : "", stdout);
		}
		putchar('\n');
		snprintf(buf, sizeof(buf), "%c", toupper((unsigned char)o->help[0]));
		fputs(buf, stdout);
		put_escaped(help_text(o, buf, sizeof(buf)) + 1);
		puts(".");
	}
	puts(".RE");
}

void ctl_opt_man_words(void)
{
	size_t i;

	for (i = 0; i < ORD_ARRAY_LEN(words); i++) {
		printf(".TP\n.I %s\n", words[i].word);
		/* a line that begins with ' is a request */
		fputs("\\&", stdout);
		put_escaped(words[i].meaning);
		puts(".");
	}
}

/* -- for the shell ------------------------------------------------------------ */

static const struct ctl_opt *opt_called(const struct ctl_command *cmd, const char *word, size_t len)
{
	const struct ctl_opt *o;

	if (strncmp(word, "--", 2) || len < 2)
		return NULL;
	for (o = cmd->opts; o && o->name; o++)
		if (strlen(o->name) == len - 2 && !strncmp(o->name, word + 2, len - 2))
			return o;
	return NULL;
}

/* Literals to choose from are written with '|'; else a word says what it is. */
static void propose_arg(const char *arg, void (*of)(const char *word))
{
	char buf[128], *p, *save;

	snprintf(buf, sizeof(buf), "%s", arg);
	for (p = strtok_r(buf, "|", &save); p; p = strtok_r(NULL, "|", &save)) {
		if (islower((unsigned char)*p) && !strpbrk(p, ":="))
			puts(p);
		else
			of(p);
	}
}

void ctl_opt_propose(const struct ctl_command *cmd, int argc, char **argv, void (*of)(const char *word))
{
	const char *cur = argc ? argv[argc - 1] : "", *eq = strchr(cur, '=');
	const struct ctl_opt *o = NULL;
	const struct ctl_operand *a;
	int i, operands = 0;
	bool options = true;

	for (i = 0; i + 1 < argc; i++) {
		o = NULL;
		if (options && !strcmp(argv[i], "--")) {
			options = false;
		} else if (options && argv[i][0] == '-') {
			o = opt_called(cmd, argv[i], strlen(argv[i]));
			if (o && (!o->arg || o->may))
				o = NULL;
			if (o && i + 2 < argc) {	/* its value is there */
				i++;
				o = NULL;
			}
		} else {
			operands++;
		}
	}
	if (!o && options && eq)
		o = opt_called(cmd, cur, (size_t)(eq - cur));
	if (o) {
		if (o->arg)
			propose_arg(o->arg, of);
		return;
	}
	if (options && *cur == '-') {
		for (o = cmd->opts; o && o->name; o++)
			printf("--%s%s\n", o->name, o->arg && !o->may ? "=" : "");
		puts("--help");
		return;
	}
	for (a = cmd->operands; a && a->word && operands; a++)
		operands--;
	if (a && a->word && !a->fresh)
		propose_arg(a->word, of);
}
