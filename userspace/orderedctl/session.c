// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/lookup.h"
#include "orderedctl/ctl.h"
#include "orderedctl/kernel.h"
#include "orderedctl/session.h"

static void print_candidates(const struct ord_sessions *list, const struct ord_name *n)
{
	unsigned int i;

	for (i = 0; i < list->nr; i++) {
		const struct ord_session *s = &list->v[i];

		if (ord_name_fits(n, s))
			fprintf(stderr, "  %-9s  %s  %s%s%s\n", ord_role_name(s->role),
				ord_fmt_meta(s->meta_name, s->meta_major, s->meta_minor),
				ord_fmt_uuid(s->uuid), *s->label ? "  " : "", s->label);
	}
}

static struct ord_session *pick(const struct ord_sessions *list, const struct ord_name *n)
{
	char why[ORD_LOOKUP_WHY_LEN];
	struct ord_session *s = NULL;
	int rc = ord_lookup_pick(list, n, &s, why);

	if (!rc)
		return s;
	ctl_err("%s%s", why, rc == -ENOTUNIQ ? ":" : "");
	if (rc == -ENOTUNIQ)
		print_candidates(list, n);
	return NULL;
}

struct ord_session *ctl_session_pick(const struct ord_sessions *list, const char *text)
{
	char why[ORD_LOOKUP_WHY_LEN];
	struct ord_name n;

	if (!ord_name_parse(&n, text, why))
		return pick(list, &n);
	ctl_err("%s", why);
	return NULL;
}

struct ord_session *ctl_session(struct ord_sessions *list, const char *text)
{
	char why[ORD_LOOKUP_WHY_LEN];
	struct ord_session *s;
	struct ord_name n;

	memset(list, 0, sizeof(*list));
	if (ord_name_parse(&n, text, why) || ord_lookup_read(ctl_nl(), list, &n, why)) {
		ctl_err("%s", why);
		return NULL;
	}
	s = pick(list, &n);
	if (!s)
		ord_sessions_free(list);
	return s;
}
