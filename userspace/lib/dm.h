/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Device-mapper devices with one "ordered" target. Functions return 0 or a
 * negative errno; ord_dm_why() then tells why: libdevmapper's message, and what
 * the kernel said in its log while the call ran, where it may be read.
 */
#ifndef ORD_DM_H
#define ORD_DM_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/model.h"

struct ord_dm_volume {
	char name[ORD_NAME_LEN];
	uint32_t major, minor;
	int open_count;
	bool suspended;
	uint64_t sectors;
	char params[256];		/* the table line, after "ordered" */
	uint32_t data_major, data_minor;
	uint32_t meta_major, meta_minor;
	uint32_t id;
};

struct ord_dm_volumes {
	struct ord_dm_volume *v;
	unsigned int nr;
};

/*
 * What the calls share: what was said last, and the kernel's log. libdevmapper itself has state of its
 * own, the device nodes that are to be made, and no lock: of all threads one at a time may call.
 */
struct ord_dm;

struct ord_dm *ord_dm_new(void);	/* NULL: out of memory */
void ord_dm_free(struct ord_dm *dm);	/* NULL is nothing */

/* Of the call that failed last; until the next one. */
const char *ord_dm_why(const struct ord_dm *dm);

/* All devices whose table is one "ordered" target; free with ord_dm_volumes_free(). */
int ord_dm_volumes_get(struct ord_dm *dm, struct ord_dm_volumes *list);
void ord_dm_volumes_free(struct ord_dm_volumes *list);

/* Is there a device of this name, whatever its table? 1, 0 or -errno */
int ord_dm_exists(struct ord_dm *dm, const char *name);

/* How often a device is open; -errno: it can't be told, or there is none. */
int ord_dm_open_count(struct ord_dm *dm, const char *name);

/*
 * ord_dm_volume_create - create, load and resume; nothing stays when a step fails
 * @probe: let udev look for file systems on it
 */
int ord_dm_volume_create(struct ord_dm *dm, const char *name, uint64_t sectors, const char *params, bool probe);
/* -EBUSY: somebody has it open, and has had for a while: libdevmapper tries again by itself. */
int ord_dm_volume_remove(struct ord_dm *dm, const char *name);
/* Loads the same line again, suspends, resumes, drops the page cache. */
int ord_dm_volume_reload(struct ord_dm *dm, const struct ord_dm_volume *v);

#endif /* ORD_DM_H */
