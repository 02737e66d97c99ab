// SPDX-License-Identifier: GPL-2.0-only
#include <signal.h>

#include "orderedctl/ctl.h"

static int interrupted;

static void on_signal(int sig)
{
	(void)sig;
	__atomic_store_n(&interrupted, 1, __ATOMIC_RELAXED);
}

bool ctl_interrupted(void)
{
	return __atomic_load_n(&interrupted, __ATOMIC_RELAXED);
}

void ctl_catch_signals(void)
{
	struct sigaction sa = { .sa_handler = on_signal };	/* no SA_RESTART */

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
}

void ctl_sleep_ms(uint64_t ms)
{
	if (!ctl_interrupted())
		ord_sleep_ms(ms);
}
