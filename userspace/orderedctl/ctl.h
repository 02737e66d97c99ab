/* SPDX-License-Identifier: GPL-2.0-only */
/* The command table and what commands share. */
#ifndef ORD_CTL_H
#define ORD_CTL_H

#include <stdbool.h>
#include <stdint.h>

#include "orderedctl/opt.h"
#include "lib/util.h"

#define FORM(n)		(1u << (n))
#define TIMEOUT_MAX_MS	86400000	/* of all options that say how long to wait */

struct command {
	const char *name;
	const char *what;	/* one line */
	const struct operand *operands;	/* NULL: none */
	const struct opt *opts;	/* NULL: none */
	/* an option; where it is given a usage error ends with a monitoring plugin's UNKNOWN */
	const char *plugin;
	/* with what was given in the targets of the tables; returns an exit code */
	int (*run)(const struct command *cmd);
};

extern const struct command cmd_format, cmd_create, cmd_remove, cmd_connect, cmd_listen,
	cmd_disconnect, cmd_status, cmd_switch, cmd_drain, cmd_set, cmd_promote, cmd_monitor,
	cmd_dump, cmd_list, cmd_wait, cmd_size;

/* Says what is wrong, and how the command is used; returns ORD_USAGE. */
int __printf(2, 3) ctl_usage_error(const struct command *cmd, const char *fmt, ...);

/* Rows of tables that several commands have. */
#define CTL_LINK_TIMEOUT(_to, _help) \
	{ "link-timeout", "MS", _help, opt_time32, _to, \
	  .unit = 1, .min = DMO_LINK_TIMEOUT_MS_MIN, .max = DMO_LINK_TIMEOUT_MS_MAX }
#define CTL_CYCLE(_to, _help) \
	{ "cycle-ms", "MS", _help, opt_time32, _to, \
	  .unit = 1, .min = DMO_CYCLE_MS_MIN, .max = DMO_CYCLE_MS_MAX }
#define CTL_BUDGET(_to, _help) \
	{ "budget-mib", "MIB", _help, opt_mib, _to, .unit = 1 << 20, \
	  .min = (uint64_t)DMO_BUDGET_MIB_MIN << 20, .max = (uint64_t)DMO_BUDGET_MIB_MAX << 20 }
#define CTL_WAIT(_name, _to, _help) \
	{ _name, "TIME", _help, opt_time, _to, .unit = 1000, .min = 1000, .max = TIMEOUT_MAX_MS }

#endif /* ORD_CTL_H */
