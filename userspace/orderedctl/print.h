/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sessions as text for people, as JSON and as tab-separated lines: three
 * writers over one table of fields (print.c). The names and the order are
 * promised in orderedctl(8).
 */
#ifndef CTL_PRINT_H
#define CTL_PRINT_H

#include "lib/model.h"

void ctl_print_pretty(const struct ord_sessions *list);
void ctl_print_json(const struct ord_sessions *list);
void ctl_print_dump(const struct ord_sessions *list);

/* An event of now, as a line; @ev NULL: some were lost. */
void ctl_print_event(uint64_t now, const struct ord_event *ev, bool json);

/* The field names, one a line, in the order of --dump: for tests and the man page. */
void ctl_print_fields(void);

#endif /* CTL_PRINT_H */
