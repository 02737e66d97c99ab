// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <unistd.h>

#include "lib/util.h"
#include "lib/verdict.h"
#include "orderedctl/progress.h"

void ctl_progress_line(const struct ord_session *s, const char *what)
{
	static bool shown;
	const char *text;

	if (!isatty(STDERR_FILENO))
		return;
	if (what) {
		text = ord_progress_text(s);
		fprintf(stderr, "\r\033[K%s: %s%s%s", what, ord_state_name(s->state),
			text ? ", " : "", text ? text : "");
		if (!text && s->role == DMO_ROLE_PRIMARY && s->older.bytes + s->active.bytes)
			fprintf(stderr, ", at most %s to send",
				ord_fmt_bytes(s->older.bytes + s->active.bytes));
		else if (!text && s->role == DMO_ROLE_SECONDARY && s->journal_used)
			fprintf(stderr, ", %s in the journal", ord_fmt_bytes(s->journal_used));
	} else if (shown) {
		fputs("\r\033[K", stderr);
	}
	shown = what;
	fflush(stderr);
}
