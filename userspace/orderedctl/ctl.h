/* SPDX-License-Identifier: GPL-2.0-only */
/* The command table and what commands share. */
#ifndef CTL_CTL_H
#define CTL_CTL_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/util.h"
#include "orderedctl/opt.h"

/* Exit codes, promised in the man page. */
#define CTL_OK		0
#define CTL_FAIL	1
#define CTL_USAGE	2
#define CTL_REFUSED	4	/* a link, by one of the two sessions, and would be again */

#define CTL_FORM(n)		(1u << (n))
#define CTL_TIMEOUT_MAX_MS	86400000	/* of all options that say how long to wait */

struct ctl_command {
	const char *name;
	const char *what;	/* one line */
	const struct ctl_operand *operands;	/* NULL: none */
	const struct ctl_opt *opts;	/* NULL: none */
	/* an option; where it is given a usage error ends with a monitoring plugin's UNKNOWN */
	const char *plugin;
	/* with what was given in the targets of the tables; returns an exit code */
	int (*run)(const struct ctl_command *cmd);
};

extern const struct ctl_command ctl_cmd_format, ctl_cmd_create, ctl_cmd_remove, ctl_cmd_connect,
	ctl_cmd_listen, ctl_cmd_disconnect, ctl_cmd_status, ctl_cmd_switch, ctl_cmd_drain,
	ctl_cmd_set, ctl_cmd_promote, ctl_cmd_monitor, ctl_cmd_dump, ctl_cmd_list, ctl_cmd_wait,
	ctl_cmd_size;

/* "orderedctl: ..." to stderr: what failed, why, what to do. */
void __printf(1, 2) ctl_err(const char *fmt, ...);
const char *ctl_last_err(void);	/* what that said last, without the prefix */
/* "orderedctl: note: ..." to stderr: the command goes on. */
void __printf(1, 2) ctl_note(const char *fmt, ...);

/* Says what is wrong, and how the command is used; returns CTL_USAGE. */
int __printf(2, 3) ctl_usage_error(const struct ctl_command *cmd, const char *fmt, ...);

/* From here on SIGINT and SIGTERM are noted; system calls return EINTR. */
void ctl_catch_signals(void);
bool ctl_interrupted(void);
void ctl_sleep_ms(uint64_t ms);	/* returns early, or at once, when one came */

/* Rows of tables that several commands have. */
#define CTL_LINK_TIMEOUT(_to, _help) \
	{ "link-timeout", "MS", _help, ctl_opt_time32, _to, \
	  .unit = 1, .min = DMO_LINK_TIMEOUT_MS_MIN, .max = DMO_LINK_TIMEOUT_MS_MAX }
#define CTL_CYCLE(_to, _help) \
	{ "cycle-ms", "MS", _help, ctl_opt_time32, _to, \
	  .unit = 1, .min = DMO_CYCLE_MS_MIN, .max = DMO_CYCLE_MS_MAX }
#define CTL_BUDGET(_to, _help) \
	{ "budget-mib", "MIB", _help, ctl_opt_mib, _to, .unit = 1 << 20, \
	  .min = (uint64_t)DMO_BUDGET_MIB_MIN << 20, .max = (uint64_t)DMO_BUDGET_MIB_MAX << 20 }
#define CTL_WAIT(_name, _to, _help) \
	{ _name, "TIME", _help, ctl_opt_time, _to, \
	  .unit = 1000, .min = 1000, .max = CTL_TIMEOUT_MAX_MS }

#endif /* CTL_CTL_H */
