// SPDX-License-Identifier: GPL-2.0-only
/* All suites as one module, for a kernel that checks more than the User-mode one. */
#include <linux/module.h>

MODULE_DESCRIPTION("KUnit suites of dm-ordered; they run when the module is loaded");
MODULE_LICENSE("GPL");
