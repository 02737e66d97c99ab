/* SPDX-License-Identifier: GPL-2.0-only */
/* libc's own headers come here too, and want the system's. */
#include_next <linux/types.h>
