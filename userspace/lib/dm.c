// SPDX-License-Identifier: GPL-2.0-only
/*
 * libdevmapper prints its errors itself unless told not to; here they are kept
 * for ord_dm_why(). A target's constructor can only give its reason to the kernel
 * log, so the log is marked before a call and read after one that failed.
 */
#include <errno.h>
#include <fcntl.h>
#include <libdevmapper.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <syslog.h>
#include <unistd.h>

#include "lib/dev.h"
#include "lib/dm.h"
#include "lib/util.h"

#define TARGET	"ordered"

struct ord_dm {
	char why[1024];
	int kmsg;		/* the kernel log; -1: not open, or may not be read */
	bool ready;
};

/* Whose call is in hand in this thread: libdevmapper's log function is told nothing of the kind. */
static _Thread_local struct ord_dm *caller;

static void __printf(2, 3) why_add(struct ord_dm *dm, const char *fmt, ...)
{
	size_t len = strlen(dm->why);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(dm->why + len, sizeof(dm->why) - len, fmt, ap);
	va_end(ap);
}

struct ord_dm *ord_dm_new(void)
{
	struct ord_dm *dm = calloc(1, sizeof(*dm));

	if (dm)
		dm->kmsg = -1;
	return dm;
}

void ord_dm_free(struct ord_dm *dm)
{
	if (!dm)
		return;
	if (dm->kmsg >= 0)
		close(dm->kmsg);
	if (caller == dm)
		caller = NULL;
	free(dm);
}

const char *ord_dm_why(const struct ord_dm *dm)
{
	return dm->why;
}

static void __printf(5, 6) on_log(int level, const char *file, int line,
				  int dm_errno_or_class, const char *fmt, ...)
{
	va_list ap;
	char text[512];

	(void)file;
	(void)line;
	(void)dm_errno_or_class;
	if ((level & 7) > LOG_ERR || !caller)	/* bits above are flags */
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	why_add(caller, "%s%s", *caller->why ? "; " : "", text);
}

/* From here on the kernel's messages belong to the call in hand. */
static void log_mark(struct ord_dm *dm)
{
	if (dm->kmsg < 0)
		dm->kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (dm->kmsg >= 0)
		lseek(dm->kmsg, 0, SEEK_END);
	*dm->why = '\0';
}

/* A record is "prio,seq,time,flags;text\n key=value\n ...". */
static void log_collect(struct ord_dm *dm)
{
	char rec[2048], *text, *end;
	unsigned int nr = 0;
	ssize_t n;

	if (dm->kmsg < 0)
		return;
	while (nr < 8) {
		n = read(dm->kmsg, rec, sizeof(rec) - 1);
		if (n < 0 && errno == EPIPE)	/* overwritten meanwhile */
			continue;
		if (n <= 0)
			break;
		rec[n] = '\0';
		text = strchr(rec, ';');
		if (!text)
			continue;
		end = strchr(++text, '\n');
		if (end)
			*end = '\0';
		if (!strstr(text, "device-mapper") && !strstr(text, "ordered"))
			continue;
		why_add(dm, "%s%s", nr ? " | " : *dm->why ? "; the kernel log says: " :
			"the kernel log says: ", text);
		nr++;
	}
}

/* Before each call: libdevmapper's messages are for @dm from here on. */
static int begin(struct ord_dm *dm)
{
	char version[64];

	caller = dm;
	if (dm->ready)
		return 0;
	*dm->why = '\0';
	dm_log_with_errno_init(on_log);
	if (!dm_driver_version(version, sizeof(version))) {
		snprintf(dm->why, sizeof(dm->why), "%s", geteuid() ?
			 "device-mapper can't be reached; run it as root" :
			 "this kernel has no device-mapper; load it with \"modprobe dm-mod\"");
		return -ENODEV;
	}
	/* Without udev nobody would answer the cookies; libdevmapper makes the nodes then. */
	if (access("/run/udev/control", F_OK)) {
		dm_udev_set_sync_support(0);
		dm_udev_set_checking(0);
	}
	dm->ready = true;
	return 0;
}

static int errno_of(struct dm_task *dmt)
{
	int err = dmt ? dm_task_get_errno(dmt) : ENOMEM;

	return err ? -err : -EIO;
}

/* Runs one task for device @name; with @cookie, udev is waited for. */
static int run(int type, const char *name, uint64_t sectors, const char *params,
	       bool cookie, uint16_t udev_flags)
{
	struct dm_task *dmt = dm_task_create(type);
	uint32_t c = 0;
	int rc = 0;

	if (!dmt || !dm_task_set_name(dmt, name) ||
	    (params && !dm_task_add_target(dmt, 0, sectors, TARGET, params)) ||
	    (type == DM_DEVICE_REMOVE && !dm_task_retry_remove(dmt)) ||
	    (cookie && !dm_task_set_cookie(dmt, &c, udev_flags)) || !dm_task_run(dmt))
		rc = errno_of(dmt);
	if (cookie)
		dm_udev_wait(c);
	if (dmt)
		dm_task_destroy(dmt);
	dm_task_update_nodes();
	return rc;
}

static int parse_dev(const char *text, uint32_t *major, uint32_t *minor)
{
	struct stat st;
	char c;

	if (sscanf(text, "%u:%u%c", major, minor, &c) == 2)
		return 0;
	if (stat(text, &st) || !S_ISBLK(st.st_mode))
		return -1;
	*major = major(st.st_rdev);
	*minor = minor(st.st_rdev);
	return 0;
}

static int parse_params(struct ord_dm_volume *v)
{
	char data[128], meta[128];

	if (sscanf(v->params, "%127s %127s %u", data, meta, &v->id) != 3)
		return -1;
	if (parse_dev(data, &v->data_major, &v->data_minor) ||
	    parse_dev(meta, &v->meta_major, &v->meta_minor))
		return -1;
	return 0;
}

/* Return: 1 and *@v when @name is one "ordered" target, 0 when not, -errno */
static int get_volume(const char *name, struct ord_dm_volume *v)
{
	struct dm_task *dmt = dm_task_create(DM_DEVICE_TABLE);
	uint64_t start, length;
	char *type = NULL, *params = NULL;
	struct dm_info info;
	int rc = 0;

	memset(v, 0, sizeof(*v));
	if (!dmt || !dm_task_set_name(dmt, name) || !dm_task_run(dmt) ||
	    !dm_task_get_info(dmt, &info)) {
		rc = errno_of(dmt);
		if (rc == -ENXIO)	/* gone meanwhile */
			rc = 0;
		goto out;
	}
	if (!info.exists || info.target_count != 1)
		goto out;
	dm_get_next_target(dmt, NULL, &start, &length, &type, &params);
	if (!type || strcmp(type, TARGET) || !params || strlen(params) >= sizeof(v->params) ||
	    strlen(name) >= sizeof(v->name))
		goto out;
	strcpy(v->name, name);
	strcpy(v->params, params);
	v->major = info.major;
	v->minor = info.minor;
	v->open_count = info.open_count;
	v->suspended = info.suspended;
	v->sectors = length;
	rc = !parse_params(v);
out:
	if (dmt)
		dm_task_destroy(dmt);
	return rc;
}

void ord_dm_volumes_free(struct ord_dm_volumes *list)
{
	free(list->v);
	list->v = NULL;
	list->nr = 0;
}

int ord_dm_volumes_get(struct ord_dm *dm, struct ord_dm_volumes *list)
{
	struct dm_names *names;
	struct dm_task *dmt;
	unsigned int next = 0;
	int rc;

	memset(list, 0, sizeof(*list));
	rc = begin(dm);
	if (rc)
		return rc;
	*dm->why = '\0';
	dmt = dm_task_create(DM_DEVICE_LIST);
	names = dmt && dm_task_run(dmt) ? dm_task_get_names(dmt) : NULL;
	if (!names) {
		rc = errno_of(dmt);
		goto out;
	}
	if (!names->dev)
		goto out;
	do {
		struct ord_dm_volume *v;

		names = (struct dm_names *)((char *)names + next);
		next = names->next;
		v = realloc(list->v, (list->nr + 1) * sizeof(*v));
		if (!v) {
			rc = -ENOMEM;
			break;
		}
		list->v = v;
		rc = get_volume(names->name, &v[list->nr]);
		if (rc < 0)
			break;
		list->nr += (unsigned int)rc;
		rc = 0;
	} while (next);
out:
	if (dmt)
		dm_task_destroy(dmt);
	if (rc)
		ord_dm_volumes_free(list);
	return rc;
}

int ord_dm_exists(struct ord_dm *dm, const char *name)
{
	struct dm_task *dmt;
	struct dm_info info;
	int rc;

	rc = begin(dm);
	if (rc)
		return rc;
	dmt = dm_task_create(DM_DEVICE_INFO);
	if (!dmt || !dm_task_set_name(dmt, name) || !dm_task_run(dmt) ||
	    !dm_task_get_info(dmt, &info))
		rc = errno_of(dmt);
	else
		rc = info.exists ? 1 : 0;
	if (dmt)
		dm_task_destroy(dmt);
	return rc;
}

int ord_dm_open_count(struct ord_dm *dm, const char *name)
{
	struct dm_task *dmt;
	struct dm_info info;
	int rc;

	rc = begin(dm);
	if (rc)
		return rc;
	dmt = dm_task_create(DM_DEVICE_INFO);
	if (!dmt || !dm_task_set_name(dmt, name) || !dm_task_run(dmt) ||
	    !dm_task_get_info(dmt, &info))
		rc = errno_of(dmt);
	else
		rc = info.exists ? info.open_count : -ENXIO;
	if (dmt)
		dm_task_destroy(dmt);
	return rc;
}

int ord_dm_volume_create(struct ord_dm *dm, const char *name, uint64_t sectors, const char *params, bool probe)
{
	uint16_t flags = probe ? 0 : DM_UDEV_DISABLE_SUBSYSTEM_RULES_FLAG |
				     DM_UDEV_DISABLE_DISK_RULES_FLAG |
				     DM_UDEV_DISABLE_OTHER_RULES_FLAG;
	int rc = begin(dm);

	if (rc)
		return rc;
	log_mark(dm);
	rc = run(DM_DEVICE_CREATE, name, 0, NULL, false, 0);
	if (rc)
		goto fail;
	rc = run(DM_DEVICE_RELOAD, name, sectors, params, false, 0);
	if (!rc)
		rc = run(DM_DEVICE_RESUME, name, 0, NULL, true, flags);
	if (!rc)
		return 0;
	log_collect(dm);
	run(DM_DEVICE_REMOVE, name, 0, NULL, true, 0);
	return rc;
fail:
	log_collect(dm);
	return rc;
}

int ord_dm_volume_remove(struct ord_dm *dm, const char *name)
{
	int rc = begin(dm);

	if (rc)
		return rc;
	log_mark(dm);
	rc = run(DM_DEVICE_REMOVE, name, 0, NULL, true, 0);
	if (rc)
		log_collect(dm);
	return rc;
}

int ord_dm_volume_reload(struct ord_dm *dm, const struct ord_dm_volume *v)
{
	char path[ORD_NAME_LEN + 32];
	int rc = begin(dm);

	if (rc)
		return rc;
	log_mark(dm);
	rc = run(DM_DEVICE_RELOAD, v->name, v->sectors, v->params, false, 0);
	if (!rc) {
		rc = run(DM_DEVICE_SUSPEND, v->name, 0, NULL, false, 0);
		if (!rc)
			rc = run(DM_DEVICE_RESUME, v->name, 0, NULL, true, 0);
		if (rc)
			run(DM_DEVICE_CLEAR, v->name, 0, NULL, false, 0);
	}
	if (rc) {
		log_collect(dm);
		return rc;
	}
	snprintf(path, sizeof(path), "%s/%s", dm_dir(), v->name);
	rc = ord_dev_flush(path);
	if (rc)
		why_add(dm, "can't drop the page cache of %s: %s", path, strerror(-rc));
	return rc;
}
