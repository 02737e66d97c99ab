/* SPDX-License-Identifier: GPL-2.0-only */
#include "../nlshim.h"
#include_next <linux/dm-ioctl.h>
