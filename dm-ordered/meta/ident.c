// SPDX-License-Identifier: GPL-2.0-only
/* Identity of a data device: see ident.h. */
#include <linux/blkdev.h>
#include <linux/device-mapper.h>
#include <linux/dm-ioctl.h>
#include "format/ondisk.h"
#include "meta/ident.h"

static bool dm_ident(struct block_device *bdev, char *out)
{
	struct mapped_device *md = dm_get_md(bdev->bd_dev);
	char *uuid;

	if (!md)
		return false;
	uuid = kzalloc(DM_UUID_LEN, GFP_KERNEL);
	if (uuid && !dm_copy_name_and_uuid(md, NULL, uuid) && uuid[0])
		snprintf(out, DMO_IDENT_LEN, "dm %s", uuid);
	kfree(uuid);
	dm_put(md);
	return true;
}

static void disk_ident(struct gendisk *disk, char *out)
{
	static const struct {
		enum blk_unique_id type;
		const char *name;
	} types[] = {
		{ BLK_UID_NAA, "naa" }, { BLK_UID_EUI64, "eui" }, { BLK_UID_T10, "t10" },
	};
	u8 id[16];
	int i, n;

	if (!disk->fops->get_unique_id)
		return;
	for (i = 0; i < ARRAY_SIZE(types); i++) {
		memset(id, 0, sizeof(id));
		n = disk->fops->get_unique_id(disk, id, types[i].type);
		if (n <= 0)
			continue;
		snprintf(out, DMO_IDENT_LEN, "%s %*phN", types[i].name,
			 min_t(int, n, sizeof(id)), id);
		return;
	}
}

void dmo_ident_read(struct block_device *bdev, char *out)
{
	memset(out, 0, DMO_IDENT_LEN);
	if (dm_ident(bdev, out))
		return;
	if (bdev_is_partition(bdev)) {
		if (bdev->bd_meta_info && bdev->bd_meta_info->uuid[0])
			snprintf(out, DMO_IDENT_LEN, "partuuid %s", bdev->bd_meta_info->uuid);
		return;
	}
	disk_ident(bdev->bd_disk, out);
}
