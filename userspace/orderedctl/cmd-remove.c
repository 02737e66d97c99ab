// SPDX-License-Identifier: GPL-2.0-only
/* remove: deactivate one volume, or all those of a session. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/holders.h"
#include "orderedctl/ctl.h"
#include "orderedctl/kernel.h"
#include "orderedctl/session.h"
#include "orderedctl/volume.h"

static const char *name, *session;
static uint64_t wait_ms = CTL_VOLUME_WAIT_MS;

static int remove_one(const struct ord_dm_volume *v)
{
	uint64_t deadline = ord_mono_ms() + wait_ms;
	int lock = ord_session_lock(v->meta_major, v->meta_minor), rc;

	/* somebody may have opened it since it was looked at */
	do {
		rc = ctl_volume_wait(v, wait_ms);
		if (rc)
			break;
		rc = ord_dm_volume_remove(ctl_dm(), v->name);
	} while (rc == -EBUSY && ord_mono_ms() < deadline);
	if (lock >= 0)
		close(lock);
	if (rc < -1)
		ctl_err("can't remove \"%s\": %s: %s", v->name, strerror(-rc), ord_dm_why(ctl_dm()));
	return rc ? -1 : 0;
}

/* Is it a session that is meant? There is none without volumes. */
static bool is_session(const struct ord_dm_volumes *all)
{
	struct ord_sessions list;
	bool found = false;
	unsigned int i;

	if (!all->nr || ord_nl_sessions(ctl_nl(), &list))
		return false;
	for (i = 0; i < list.nr; i++)
		found |= !strcmp(list.v[i].label, name) || !strcmp(ord_fmt_uuid(list.v[i].uuid), name);
	ord_sessions_free(&list);
	return found;
}

static int remove_name(const struct ord_dm_volumes *all)
{
	unsigned int i;
	int rc;

	for (i = 0; i < all->nr; i++)
		if (!strcmp(all->v[i].name, name))
			return remove_one(&all->v[i]) ? CTL_FAIL : CTL_OK;
	rc = ord_dm_exists(ctl_dm(), name);
	if (rc > 0)
		ctl_err("\"%s\" is not a volume of dm-ordered; use \"dmsetup remove\" if you mean it",
			name);
	else if (is_session(all))
		ctl_err("\"%s\" is a session; all its volumes go with \"orderedctl remove --session %s\"",
			name, name);
	else
		ctl_err("there is no device \"%s\"; \"orderedctl status\" lists the volumes", name);
	return CTL_FAIL;
}

static int remove_session(const struct ord_dm_volumes *all, const struct ord_session *s)
{
	unsigned int i;
	int rc = 0;

	/* none goes unless all can */
	for (i = 0; i < all->nr; i++)
		if (ord_same_meta(s, all->v[i].meta_major, all->v[i].meta_minor))
			rc |= ctl_volume_wait(&all->v[i], wait_ms);
	if (rc)
		return CTL_FAIL;
	for (i = 0; i < all->nr; i++)
		if (ord_same_meta(s, all->v[i].meta_major, all->v[i].meta_minor))
			rc |= remove_one(&all->v[i]);
	return rc ? CTL_FAIL : CTL_OK;
}

static int run(const struct ctl_command *cmd)
{
	struct ord_sessions list;
	struct ord_session *s;
	struct ord_dm_volumes all;
	int rc;

	(void)cmd;
	if (ord_dm_volumes_get(ctl_dm(), &all)) {
		ctl_err("can't read the device-mapper devices: %s", ord_dm_why(ctl_dm()));
		return CTL_FAIL;
	}
	if (!session) {
		rc = remove_name(&all);
	} else {
		s = ctl_session(&list, session);
		rc = s ? remove_session(&all, s) : CTL_FAIL;
		if (s)
			ord_sessions_free(&list);
	}
	ord_dm_volumes_free(&all);
	return rc;
}

enum { ONE, ALL };

static const struct ctl_operand operands[] = { { "NAME", &name, .forms = CTL_FORM(ONE) }, { 0 } };

static const struct ctl_opt opts[] = {
	{ "session", "SESSION", "all volumes of it", ctl_opt_text, &session, .forms = CTL_FORM(ALL),
	  .must = true },
	CTL_WAIT("wait", &wait_ms, "for how long, if something has a volume open; default: 5s"),
	{ 0 }
};

const struct ctl_command ctl_cmd_remove = {
	.name = "remove",
	.what = "deactivate a volume, or all volumes of a session",
	.operands = operands,
	.opts = opts,
	.run = run,
};
