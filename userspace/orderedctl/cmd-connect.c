// SPDX-License-Identifier: GPL-2.0-only
/* connect: to the peer, and the link to the kernel. */
#include "orderedctl/ctl.h"
#include "orderedctl/link.h"

static struct ctl_link_args given;

static int run(const struct ctl_command *cmd)
{
	return ctl_link(cmd, &given, false);
}

static const struct ctl_operand operands[] = {
	{ "SESSION", &given.session }, { "HOST:PORT|unix:PATH", &given.address }, { 0 }
};

static const struct ctl_opt opts[] = {
	CTL_WAIT("timeout", &given.timeout_ms,
		 "how long to try to connect, and then for the handshake; default: 30s"),
	CTL_LINK_KEEP(&given.keep),
	CTL_LINK_OWN_TIMEOUT(&given.link_timeout_ms),
	{ 0 }
};

const struct ctl_command ctl_cmd_connect = {
	.name = "connect",
	.what = "connect to the peer and give the link to the kernel",
	.operands = operands,
	.opts = opts,
	.run = run,
};
