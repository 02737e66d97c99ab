// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "lib/lookup.h"
#include "lib/metafile.h"
#include "lib/nl.h"
#include "lib/util.h"

struct name {
	const char *text;
	enum { BY_DEVICE, BY_UUID, BY_LABEL } kind;
	uint32_t major, minor;
	uint8_t uuid[DMO_UUID_LEN];
};

const char *ord_session_name(const struct ord_session *s)
{
	static char buf[4][256];
	static unsigned int next;
	char *p = buf[next++ % 4];

	snprintf(p, sizeof(buf[0]), "%s (%s on %s)", *s->label ? s->label : ord_fmt_uuid(s->uuid),
		 ord_role_name(s->role), ord_fmt_meta(s->meta_name, s->meta_major, s->meta_minor));
	return p;
}

/* No session is on this device: say what the device holds. */
static void explain_device(const char *path)
{
	char why[DMO_REASON_LEN];
	const struct dmo_super *sb;
	struct ord_metafile m;

	if (ord_metafile_open(&m, path, O_RDONLY, why)) {
		ord_err("no active session has its metadata on %s: %s", path, why);
		return;
	}
	sb = ord_metafile_super(&m, why);
	if (sb)
		ord_err("the session on %s (%s%s%s, %s) is not active; activate its volumes with \"orderedctl create\"",
			path, ord_fmt_uuid(sb->uuid), *sb->label ? ", " : "", sb->label,
			dmo_role_name(sb->role));
	else
		ord_err("no active session has its metadata on %s: %s", path, why);
	ord_metafile_close(&m);
}

/* Is it what a volume is called? Then its session. */
static const struct ord_session *session_of_volume(const struct ord_sessions *list,
						   const struct name *n)
{
	unsigned int i, k;

	for (i = 0; n->kind == BY_LABEL && i < list->nr; i++)
		for (k = 0; k < list->v[i].nr_volumes; k++)
			if (!strcmp(list->v[i].volumes[k].dm_name, n->text))
				return &list->v[i];
	return NULL;
}

static void explain_none(const struct ord_sessions *list, const struct name *n)
{
	static const char * const what[] = {
		[BY_DEVICE] = "its metadata on device",
		[BY_UUID] = "the UUID",
		[BY_LABEL] = "the label",
	};
	const struct ord_session *s = session_of_volume(list, n);

	if (s)
		ord_err("\"%s\" is a volume; its session is %s: name that", n->text, ord_session_name(s));
	else if (n->kind == BY_DEVICE && strchr(n->text, '/'))
		explain_device(n->text);
	else
		ord_err("no active session has %s \"%s\"; \"orderedctl list\" lists those there are",
			what[n->kind], n->text);
}

static bool fits(const struct ord_session *s, const struct name *n)
{
	switch (n->kind) {
	case BY_DEVICE:
		return ord_same_meta(s, n->major, n->minor);
	case BY_UUID:
		return !memcmp(s->uuid, n->uuid, DMO_UUID_LEN);
	case BY_LABEL:
		return *s->label && !strcmp(s->label, n->text);
	}
	return false;
}

static void print_candidates(const struct ord_sessions *list, const struct name *n)
{
	unsigned int i;

	ord_err("\"%s\" fits several sessions; name one by its metadata device:", n->text);
	for (i = 0; i < list->nr; i++) {
		const struct ord_session *s = &list->v[i];

		if (fits(s, n))
			fprintf(stderr, "  %-9s  %s  %s%s%s\n", ord_role_name(s->role),
				ord_fmt_meta(s->meta_name, s->meta_major, s->meta_minor),
				ord_fmt_uuid(s->uuid), *s->label ? "  " : "", s->label);
	}
}

/* What kind of name is @text? Return: 0, or -1 after an error was printed. */
static int parse(const char *text, struct name *n)
{
	char why[DMO_REASON_LEN], c;

	memset(n, 0, sizeof(*n));
	n->text = text;
	n->kind = BY_LABEL;
	if (strchr(text, '/')) {
		if (ord_dev_stat(text, &n->major, &n->minor, why)) {
			ord_err("%s", why);
			return -1;
		}
		n->kind = BY_DEVICE;
	} else if (sscanf(text, "%u:%u%c", &n->major, &n->minor, &c) == 2) {
		n->kind = BY_DEVICE;
	} else if (!ord_uuid_parse(text, n->uuid)) {
		n->kind = BY_UUID;
	}
	return 0;
}

static struct ord_session *pick(const struct ord_sessions *list, const struct name *n)
{
	struct ord_session *found = NULL;
	unsigned int i, nr = 0;

	for (i = 0; i < list->nr; i++) {
		if (fits(&list->v[i], n)) {
			found = &list->v[i];
			nr++;
		}
	}
	if (nr == 1)
		return found;
	if (nr)
		print_candidates(list, n);
	else
		explain_none(list, n);
	return NULL;
}

struct ord_session *ord_lookup_pick(const struct ord_sessions *list, const char *text)
{
	struct name n;

	return parse(text, &n) ? NULL : pick(list, &n);
}

struct ord_session *ord_lookup_session(struct ord_sessions *list, const char *text)
{
	struct ord_session *s;
	struct name n;
	int rc;

	memset(list, 0, sizeof(*list));
	if (parse(text, &n))
		return NULL;
	if (n.kind == BY_DEVICE)
		rc = ord_nl_session_at(list, n.major, n.minor);
	else
		rc = ord_nl_sessions(list);
	if (rc && rc != -ENODEV) {
		ord_err("can't read the sessions: %s", ord_nl_why());
		return NULL;
	}
	s = pick(list, &n);
	if (!s)
		ord_sessions_free(list);
	return s;
}
