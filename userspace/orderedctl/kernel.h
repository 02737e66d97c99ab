/* SPDX-License-Identifier: GPL-2.0-only */
/* The way to the kernel: one of each for the one command that a process is for. */
#ifndef CTL_KERNEL_H
#define CTL_KERNEL_H

#include "lib/dm.h"
#include "lib/nl.h"

/* Made when they are first asked for; never NULL. */
struct ord_nl *ctl_nl(void);
struct ord_dm *ctl_dm(void);

/* Closes both; what asks for one again, as a child does, gets a new one. */
void ctl_kernel_close(void);

#endif /* CTL_KERNEL_H */
