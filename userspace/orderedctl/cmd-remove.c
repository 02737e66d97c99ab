// SPDX-License-Identifier: GPL-2.0-only
/* remove: deactivate one volume, or all those of a session. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "orderedctl/ctl.h"
#include "lib/dm.h"
#include "lib/holders.h"
#include "lib/lookup.h"
#include "lib/nl.h"

static const char *name, *session;
static uint64_t wait_ms = HOLDERS_WAIT_MS;

static int remove_one(const struct dm_volume *v)
{
	uint64_t deadline = ord_mono_ms() + wait_ms;
	int lock = session_lock(v->meta_major, v->meta_minor), rc;

	/* somebody may have opened it since it was looked at */
	do {
		rc = holders_wait(v, wait_ms);
		if (rc)
			break;
		rc = dm_volume_remove(v->name);
	} while (rc == -EBUSY && ord_mono_ms() < deadline);
	if (lock >= 0)
		close(lock);
	if (rc < -1)
		ord_err("can't remove \"%s\": %s: %s", v->name, strerror(-rc), dm_why());
	return rc ? -1 : 0;
}

/* Is it a session that is meant? There is none without volumes. */
static bool is_session(const struct dm_volumes *all)
{
	struct ord_sessions list;
	bool found = false;
	unsigned int i;

	if (!all->nr || knl_sessions(&list))
		return false;
	for (i = 0; i < list.nr; i++)
		found |= !strcmp(list.v[i].label, name) || !strcmp(fmt_uuid(list.v[i].uuid), name);
	ord_sessions_free(&list);
	return found;
}

static int remove_name(const struct dm_volumes *all)
{
	unsigned int i;
	int rc;

	for (i = 0; i < all->nr; i++)
		if (!strcmp(all->v[i].name, name))
			return remove_one(&all->v[i]) ? ORD_FAIL : ORD_OK;
	rc = dm_exists(name);
	if (rc > 0)
		ord_err("\"%s\" is not a volume of dm-ordered; use \"dmsetup remove\" if you mean it",
			name);
	else if (is_session(all))
		ord_err("\"%s\" is a session; all its volumes go with \"orderedctl remove --session %s\"",
			name, name);
	else
		ord_err("there is no device \"%s\"; \"orderedctl status\" lists the volumes", name);
	return ORD_FAIL;
}

static int remove_session(const struct dm_volumes *all, const struct ord_session *s)
{
	unsigned int i;
	int rc = 0;

	/* none goes unless all can */
	for (i = 0; i < all->nr; i++)
		if (ord_same_meta(s, all->v[i].meta_major, all->v[i].meta_minor))
			rc |= holders_wait(&all->v[i], wait_ms);
	if (rc)
		return ORD_FAIL;
	for (i = 0; i < all->nr; i++)
		if (ord_same_meta(s, all->v[i].meta_major, all->v[i].meta_minor))
			rc |= remove_one(&all->v[i]);
	return rc ? ORD_FAIL : ORD_OK;
}

static int run(const struct command *cmd)
{
	struct ord_sessions list;
	struct ord_session *s;
	struct dm_volumes all;
	int rc;

	(void)cmd;
	if (dm_volumes_get(&all)) {
		ord_err("can't read the device-mapper devices: %s", dm_why());
		return ORD_FAIL;
	}
	if (!session) {
		rc = remove_name(&all);
	} else {
		s = lookup_session(&list, session);
		rc = s ? remove_session(&all, s) : ORD_FAIL;
		if (s)
			ord_sessions_free(&list);
	}
	dm_volumes_free(&all);
	return rc;
}

enum { ONE, ALL };

static const struct operand operands[] = { { "NAME", &name, .forms = FORM(ONE) }, { 0 } };

static const struct opt opts[] = {
	{ "session", "SESSION", "all volumes of it", opt_text, &session, .forms = FORM(ALL),
	  .must = true },
	CTL_WAIT("wait", &wait_ms, "for how long, if something has a volume open; default: 5s"),
	{ 0 }
};

const struct command cmd_remove = {
	.name = "remove",
	.what = "deactivate a volume, or all volumes of a session",
	.operands = operands,
	.opts = opts,
	.run = run,
};
