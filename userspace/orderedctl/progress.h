/* SPDX-License-Identifier: GPL-2.0-only */
/* How far it has come, while a command waits. */
#ifndef CTL_PROGRESS_H
#define CTL_PROGRESS_H

#include "lib/model.h"

/* On a terminal a line that is written over and over, "@what: ..."; @what NULL: end it. */
void ctl_progress_line(const struct ord_session *s, const char *what);

#endif /* CTL_PROGRESS_H */
