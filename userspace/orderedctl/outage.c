// SPDX-License-Identifier: GPL-2.0-only
#include "orderedctl/outage.h"

u64 ctl_outage_blocks(u64 ms, u64 bytes_s, u64 cycle)
{
	unsigned __int128 bytes = (unsigned __int128)bytes_s * (ms + 2 * cycle) / 1000;

	bytes = (bytes + DMO_BLOCK - 1) / DMO_BLOCK;
	return bytes > U64_MAX / DMO_BLOCK / 2 ? U64_MAX / DMO_BLOCK / 2 : (u64)bytes;
}

u64 ctl_outage_ms_of(u64 chunk_max, u64 bytes_s, u64 cycle)
{
	u64 low = 0, high = chunk_max, mid;

	/* blocks of data that a chunk of so many bytes holds */
	for (high /= DMO_BLOCK; low < high; ) {
		mid = low + (high - low + 1) / 2;
		if (dmo_chunk_bytes(0, mid, 0) <= chunk_max)
			low = mid;
		else
			high = mid - 1;
	}
	mid = (u64)((unsigned __int128)low * DMO_BLOCK * 1000 / bytes_s);
	return mid > 2 * cycle ? mid - 2 * cycle : 0;
}
