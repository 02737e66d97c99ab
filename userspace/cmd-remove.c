// SPDX-License-Identifier: GPL-2.0-only
/* remove: deactivate one volume, or all those of a session. */
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "dm.h"
#include "lookup.h"

enum { OPT_SESSION = 256 };

static const struct option opts[] = {
	{ "session", required_argument, NULL, OPT_SESSION },
	{ 0 }
};

static int check_closed(const struct dm_volume *v)
{
	if (v->open_count <= 0)
		return 0;
	ord_err("volume \"%s\" is open (mounted, or part of another device); close it first",
		v->name);
	return -1;
}

static int remove_one(const struct dm_volume *v)
{
	int rc = dm_volume_remove(v->name);

	if (!rc)
		return 0;
	ord_err("can't remove \"%s\": %s: %s", v->name, strerror(-rc), dm_why());
	return -1;
}

static int remove_name(const struct dm_volumes *all, const char *name)
{
	unsigned int i;
	int rc;

	for (i = 0; i < all->nr; i++)
		if (!strcmp(all->v[i].name, name))
			return check_closed(&all->v[i]) || remove_one(&all->v[i]) ?
			       ORD_FAIL : ORD_OK;
	rc = dm_exists(name);
	if (rc > 0)
		ord_err("\"%s\" is not a volume of dm-ordered; use \"dmsetup remove\" if you mean it",
			name);
	else
		ord_err("there is no device \"%s\"; \"orderedctl status\" lists the volumes", name);
	return ORD_FAIL;
}

static int remove_session(const struct dm_volumes *all, const struct ord_session *s)
{
	unsigned int i;
	int rc = 0;

	for (i = 0; i < all->nr; i++)
		if (ord_same_meta(s, all->v[i].meta_major, all->v[i].meta_minor))
			rc |= check_closed(&all->v[i]);
	if (rc)
		return ORD_FAIL;
	for (i = 0; i < all->nr; i++)
		if (ord_same_meta(s, all->v[i].meta_major, all->v[i].meta_minor))
			rc |= remove_one(&all->v[i]);
	return rc ? ORD_FAIL : ORD_OK;
}

static int run(const struct command *cmd, int argc, char **argv)
{
	const char *session = NULL;
	struct ord_sessions list;
	struct ord_session *s;
	struct dm_volumes all;
	int c, rc;

	while ((c = ctl_getopt(cmd, argc, argv)) != -1) {
		if (c != OPT_SESSION)
			return ORD_USAGE;
		session = optarg;
	}
	if (argc - optind != !session)
		return ctl_usage_error(cmd, "give one NAME, or --session");
	if (dm_volumes_get(&all)) {
		ord_err("can't read the device-mapper devices: %s", dm_why());
		return ORD_FAIL;
	}
	if (!session) {
		rc = remove_name(&all, argv[optind]);
	} else {
		s = lookup_session(&list, session);
		rc = s ? remove_session(&all, s) : ORD_FAIL;
		if (s)
			ord_sessions_free(&list);
	}
	dm_volumes_free(&all);
	return rc;
}

const struct command cmd_remove = {
	.name = "remove",
	.args = "NAME | --session SESSION",
	.what = "deactivate a volume, or all volumes of a session",
	.opts = opts,
	.run = run,
};
