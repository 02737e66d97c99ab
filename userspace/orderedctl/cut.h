/* SPDX-License-Identifier: GPL-2.0-only */
/* What switch and drain share: the end of the current cycle. */
#ifndef CTL_CUT_H
#define CTL_CUT_H

#include "lib/model.h"

/*
 * ctl_cut - end the current cycle of @s, which must be a primary
 * @cut: the boundary that it became
 * Return: an exit code, after it said what failed.
 */
int ctl_cut(const struct ord_session *s, struct ord_cut *cut);

#endif /* CTL_CUT_H */
