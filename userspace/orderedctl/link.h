/* SPDX-License-Identifier: GPL-2.0-only */
/* What connect and listen share: the making of a link. */
#ifndef CTL_LINK_H
#define CTL_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "orderedctl/ctl.h"

struct ctl_link_args {
	const char *session, *address;
	uint64_t timeout_ms;		/* 0: not given */
	uint32_t link_timeout_ms;	/* 0: as the session has it */
	bool keep;
};

/*
 * ctl_link - make one link, or keep one until interrupted
 * @listening: wait for the peer's connection; else connect to it
 * Return: an exit code, after it said what failed.
 */
int ctl_link(const struct ctl_command *cmd, const struct ctl_link_args *given, bool listening);

/* Rows of the tables of both. */
#define CTL_LINK_KEEP(_to) \
	{ "keep", NULL, "stay in the foreground, say when the link comes and goes, and make a new one when it is down, until interrupted; a link that is up then stays up", \
	  ctl_opt_flag, _to }
#define CTL_LINK_OWN_TIMEOUT(_to) \
	CTL_LINK_TIMEOUT(_to, "for this link: give it up when it is silent for so long; default: as the session has it")

#endif /* CTL_LINK_H */
