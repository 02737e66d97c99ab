// SPDX-License-Identifier: GPL-2.0-only
/* set: change the parameters of an active session. */
#include "ctl.h"
#include "lookup.h"
#include "nl.h"

enum { OPT_CYCLE = 256, OPT_BUDGET, OPT_TIMEOUT };

static const struct option opts[] = {
	{ "cycle-ms", required_argument, NULL, OPT_CYCLE },
	{ "budget-mib", required_argument, NULL, OPT_BUDGET },
	{ "link-timeout", required_argument, NULL, OPT_TIMEOUT },
	{ 0 }
};

static int run(const struct command *cmd, int argc, char **argv)
{
	struct knl_params p = { 0 };
	struct ord_sessions list;
	struct ord_session *s;
	uint64_t n = 0;
	int c, rc;

	while ((c = ctl_getopt(cmd, argc, argv)) != -1) {
		switch (c) {
		case OPT_CYCLE:
			rc = ord_number("--cycle-ms", optarg, DMO_CYCLE_MS_MIN, DMO_CYCLE_MS_MAX,
					"ms", &n);
			p.cycle_ms = (uint32_t)n;
			break;
		case OPT_BUDGET:
			rc = ord_number("--budget-mib", optarg, DMO_BUDGET_MIB_MIN,
					DMO_BUDGET_MIB_MAX, "MiB", &n);
			p.budget_mib = (uint32_t)n;
			break;
		case OPT_TIMEOUT:
			rc = ord_number("--link-timeout", optarg, DMO_LINK_TIMEOUT_MS_MIN,
					DMO_LINK_TIMEOUT_MS_MAX, "ms", &n);
			p.link_timeout_ms = (uint32_t)n;
			break;
		default:
			return ORD_USAGE;
		}
		if (rc)
			return rc;
	}
	if (argc - optind != 1)
		return ctl_usage_error(cmd, "name one session");
	if (!p.cycle_ms && !p.budget_mib && !p.link_timeout_ms)
		return ctl_usage_error(cmd, "say what to set");
	s = lookup_session(&list, argv[optind]);
	if (!s)
		return ORD_FAIL;
	rc = knl_set(s, &p);
	if (rc)
		ord_err("can't set parameters of %s: %s", lookup_name(s), knl_why());
	ord_sessions_free(&list);
	return rc ? ORD_FAIL : ORD_OK;
}

const struct command cmd_set = {
	.name = "set",
	.args = "SESSION [--cycle-ms N] [--budget-mib N] [--link-timeout MS]",
	.what = "change cycle length, memory budget or link time-out, durably",
	.opts = opts,
	.run = run,
};
