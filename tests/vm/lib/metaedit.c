// SPDX-License-Identifier: GPL-2.0-only
/*
 * dmometa: change bytes of a metadata device.
 *
 *   dmometa DEV super COPY OFFSET BYTES VALUE	in a copy (0, 1) of the superblock; its checksum is made right
 *   dmometa DEV state SLOT OFFSET BYTES VALUE	in a slot of the state block, likewise
 *   dmometa DEV flip BLOCK OFFSET		one byte of a block is inverted, checksums stay
 */
#define _GNU_SOURCE
#include "kcompat.h"
#include <fcntl.h>
#include <unistd.h>
#include "format/ondisk.h"

static int usage(void)
{
	fprintf(stderr, "dmometa: wrong arguments\n");
	return 2;
}

int main(int argc, char **argv)
{
	static u8 buf[DMO_SB_BYTES];
	u64 block, at, nr, value;
	size_t len, csum_at;
	int fd, copy;
	u32 csum;

	if (argc < 5)
		return usage();
	fd = open(argv[1], O_RDWR | O_SYNC);
	if (fd < 0) {
		perror(argv[1]);
		return 1;
	}
	if (!strcmp(argv[2], "flip")) {
		off_t off = (off_t)(strtoull(argv[3], NULL, 0) * DMO_BLOCK + strtoull(argv[4], NULL, 0));

		if (pread(fd, buf, 1, off) != 1)
			return 1;
		buf[0] ^= 0xff;
		return pwrite(fd, buf, 1, off) == 1 && !close(fd) ? 0 : 1;
	}
	if (argc != 7)
		return usage();
	copy = atoi(argv[3]);
	at = strtoull(argv[4], NULL, 0);
	nr = strtoull(argv[5], NULL, 0);
	value = strtoull(argv[6], NULL, 0);
	if (!strcmp(argv[2], "super")) {
		block = copy ? DMO_SB_BLOCK1 : DMO_SB_BLOCK0;
		len = DMO_SB_BYTES;
		csum_at = offsetof(struct dmo_disk_super, csum);
	} else {
		block = copy ? DMO_STATE_BLOCK1 : DMO_STATE_BLOCK0;
		len = DMO_STATE_BYTES;
		csum_at = offsetof(struct dmo_disk_state, csum);
	}
	if (nr > 8 || at + nr > len || pread(fd, buf, len, (off_t)(block * DMO_BLOCK)) != (ssize_t)len)
		return usage();
	value = htole64(value);
	memcpy(buf + at, &value, nr);
	memset(buf + csum_at, 0, sizeof(csum));
	csum = htole32(dmo_crc(0, buf, len));
	memcpy(buf + csum_at, &csum, sizeof(csum));
	return pwrite(fd, buf, len, (off_t)(block * DMO_BLOCK)) == (ssize_t)len && !close(fd) ? 0 : 1;
}
