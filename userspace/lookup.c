// SPDX-License-Identifier: GPL-2.0-only
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "lookup.h"
#include "metafile.h"
#include "nl.h"
#include "util.h"

enum kind { BY_DEVICE, BY_UUID, BY_LABEL };

const char *lookup_name(const struct ord_session *s)
{
	static char buf[4][256];
	static unsigned int next;
	char *p = buf[next++ % 4];

	snprintf(p, sizeof(buf[0]), "%s (%s on %s)", *s->label ? s->label : fmt_uuid(s->uuid),
		 ord_role_name(s->role), fmt_meta(s->meta_name, s->meta_major, s->meta_minor));
	return p;
}

/* No session is on this device: say what the device holds. */
static void explain_device(const char *path)
{
	char why[DMO_REASON_LEN];
	const struct dmo_super *sb;
	struct metafile m;

	if (metafile_open(&m, path, O_RDONLY, why)) {
		ord_err("no active session has its metadata on %s: %s", path, why);
		return;
	}
	sb = metafile_super(&m, why);
	if (sb)
		ord_err("the session on %s (%s%s%s, %s) is not active; activate its volumes with \"orderedctl create\"",
			path, fmt_uuid(sb->uuid), *sb->label ? ", " : "", sb->label,
			dmo_role_name(sb->role));
	else
		ord_err("no active session has its metadata on %s: %s", path, why);
	metafile_close(&m);
}

static bool fits(const struct ord_session *s, enum kind kind, const char *text,
		 uint32_t major, uint32_t minor, const uint8_t *uuid)
{
	switch (kind) {
	case BY_DEVICE:
		return ord_same_meta(s, major, minor);
	case BY_UUID:
		return !memcmp(s->uuid, uuid, DMO_UUID_LEN);
	case BY_LABEL:
		return *s->label && !strcmp(s->label, text);
	}
	return false;
}

static void print_candidates(const struct ord_sessions *list, const char *text, enum kind kind,
			     const uint8_t *uuid)
{
	unsigned int i;

	ord_err("\"%s\" fits several sessions; name one by its metadata device:", text);
	for (i = 0; i < list->nr; i++) {
		const struct ord_session *s = &list->v[i];

		if (fits(s, kind, text, 0, 0, uuid))
			fprintf(stderr, "  %-9s  %s  %s%s%s\n", ord_role_name(s->role),
				fmt_meta(s->meta_name, s->meta_major, s->meta_minor),
				fmt_uuid(s->uuid), *s->label ? "  " : "", s->label);
	}
}

struct ord_session *lookup_pick(const struct ord_sessions *list, const char *text)
{
	uint32_t major = 0, minor = 0;
	struct ord_session *found = NULL;
	uint8_t uuid[DMO_UUID_LEN] = { 0 };
	char why[DMO_REASON_LEN], c;
	enum kind kind = BY_LABEL;
	unsigned int i, nr = 0;

	if (strchr(text, '/')) {
		if (dev_stat(text, &major, &minor, why)) {
			ord_err("%s", why);
			return NULL;
		}
		kind = BY_DEVICE;
	} else if (sscanf(text, "%u:%u%c", &major, &minor, &c) == 2) {
		kind = BY_DEVICE;
	} else if (!ord_uuid_parse(text, uuid)) {
		kind = BY_UUID;
	}
	for (i = 0; i < list->nr; i++) {
		if (fits(&list->v[i], kind, text, major, minor, uuid)) {
			found = &list->v[i];
			nr++;
		}
	}
	if (nr == 1)
		return found;
	if (nr)
		print_candidates(list, text, kind, uuid);
	else if (kind == BY_DEVICE && strchr(text, '/'))
		explain_device(text);
	else
		ord_err("no active session has %s \"%s\"; \"orderedctl status\" lists those there are",
			kind == BY_UUID ? "the UUID" : kind == BY_LABEL ? "the label" :
			"its metadata on device", text);
	return NULL;
}

struct ord_session *lookup_session(struct ord_sessions *list, const char *text)
{
	struct ord_session *s;

	if (knl_sessions(list)) {
		ord_err("can't read the sessions: %s", knl_why());
		return NULL;
	}
	s = lookup_pick(list, text);
	if (!s)
		ord_sessions_free(list);
	return s;
}
