// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/lookup.h"
#include "lib/metafile.h"
#include "lib/nl.h"
#include "lib/util.h"

static int __printf(3, 4) fail(char *why, int rc, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, ORD_LOOKUP_WHY_LEN, fmt, ap);
	va_end(ap);
	return rc;
}

char *ord_session_name_to(char *buf, const struct ord_session *s)
{
	snprintf(buf, ORD_TEXT_LEN, "%s (%s on %s)", *s->label ? s->label : ord_fmt_uuid(s->uuid),
		 ord_role_name(s->role), ord_fmt_meta(s->meta_name, s->meta_major, s->meta_minor));
	return buf;
}

/* No session is on this device: say what the device holds. */
static int explain_device(const char *path, char *why)
{
	struct dmo_reason reason;
	const struct dmo_super *sb;
	struct ord_metafile m;

	if (ord_metafile_open(&m, path, O_RDONLY, &reason))
		return fail(why, -ENODEV, "no active session has its metadata on %s: %s", path,
			    reason.text);
	sb = ord_metafile_super(&m, &reason);
	if (sb)
		fail(why, 0, "the session on %s (%s%s%s, %s) is not active; activate its volumes with \"orderedctl create\"",
		     path, ord_fmt_uuid(sb->uuid), *sb->label ? ", " : "", sb->label,
		     dmo_role_name(sb->role));
	else
		fail(why, 0, "no active session has its metadata on %s: %s", path, reason.text);
	ord_metafile_close(&m);
	return -ENODEV;
}

/* Is it what a volume is called? Then its session. */
static const struct ord_session *session_of_volume(const struct ord_sessions *list,
						   const struct ord_name *n)
{
	unsigned int i, k;

	for (i = 0; n->kind == ORD_BY_LABEL && i < list->nr; i++)
		for (k = 0; k < list->v[i].nr_volumes; k++)
			if (!strcmp(list->v[i].volumes[k].dm_name, n->text))
				return &list->v[i];
	return NULL;
}

static int explain_none(const struct ord_sessions *list, const struct ord_name *n, char *why)
{
	static const char * const what[] = {
		[ORD_BY_DEVICE] = "its metadata on device",
		[ORD_BY_UUID] = "the UUID",
		[ORD_BY_LABEL] = "the label",
	};
	const struct ord_session *s = session_of_volume(list, n);

	if (s)
		return fail(why, -ENODEV, "\"%s\" is a volume; its session is %s: name that", n->text,
			    ord_session_name(s));
	if (n->kind == ORD_BY_DEVICE && strchr(n->text, '/'))
		return explain_device(n->text, why);
	return fail(why, -ENODEV, "no active session has %s \"%s\"; \"orderedctl list\" lists those there are",
		    what[n->kind], n->text);
}

bool ord_name_fits(const struct ord_name *n, const struct ord_session *s)
{
	switch (n->kind) {
	case ORD_BY_DEVICE:
		return ord_same_meta(s, n->major, n->minor);
	case ORD_BY_UUID:
		return !memcmp(s->uuid, n->uuid, DMO_UUID_LEN);
	case ORD_BY_LABEL:
		return *s->label && !strcmp(s->label, n->text);
	}
	return false;
}

int ord_name_parse(struct ord_name *n, const char *text, char *why)
{
	struct dmo_reason reason;
	char c;
	int rc;

	memset(n, 0, sizeof(*n));
	n->text = text;
	n->kind = ORD_BY_LABEL;
	if (strchr(text, '/')) {
		n->kind = ORD_BY_DEVICE;
		rc = ord_dev_stat(text, &n->major, &n->minor, &reason);
		return rc ? fail(why, rc, "%s", reason.text) : 0;
	}
	if (sscanf(text, "%u:%u%c", &n->major, &n->minor, &c) == 2)
		n->kind = ORD_BY_DEVICE;
	else if (!ord_uuid_parse(text, n->uuid))
		n->kind = ORD_BY_UUID;
	return 0;
}

int ord_lookup_pick(const struct ord_sessions *list, const struct ord_name *n,
		    struct ord_session **s, char *why)
{
	unsigned int i, nr = 0;

	for (i = 0; i < list->nr; i++) {
		if (ord_name_fits(n, &list->v[i])) {
			*s = &list->v[i];
			nr++;
		}
	}
	if (nr == 1)
		return 0;
	if (nr)
		return fail(why, -ENOTUNIQ, "\"%s\" fits several sessions; name one by its metadata device",
			    n->text);
	return explain_none(list, n, why);
}

int ord_lookup_read(struct ord_nl *nl, struct ord_sessions *list, const struct ord_name *n,
		    char *why)
{
	int rc;

	if (n->kind == ORD_BY_DEVICE)
		rc = ord_nl_session_at(nl, list, n->major, n->minor);
	else
		rc = ord_nl_sessions(nl, list);
	if (rc && rc != -ENODEV)
		return fail(why, rc, "can't read the sessions: %s", ord_nl_why(nl));
	return 0;
}
