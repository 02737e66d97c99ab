// SPDX-License-Identifier: GPL-2.0-only
/* What the encoders and decoders share; see codec.h. */
#include "format/codec.h"

const char dmo_damaged[] =
	"use the other copy or format the device again";

u32 dmo_csum_of(const void *buf, size_t len)
{
	static const u8 zero[4];
	const u8 *p = buf;
	u32 crc;

	crc = dmo_crc(0, p, DMO_CSUM_OFF);
	crc = dmo_crc(crc, zero, sizeof(zero));
	return dmo_crc(crc, p + DMO_CSUM_OFF + 4, len - DMO_CSUM_OFF - 4);
}

int dmo_get_line(const struct dmo_disk_pos *d, u32 nr, struct dmo_line *line, const char *what,
		 struct dmo_reason *why)
{
	struct dmo_pos pos;
	u32 i;

	line->nr = 0;
	if (nr > DMO_MAX_LINE)
		return dmo_refuse(why, -EINVAL, "%s: line has %u activations, expected at most %u",
				  what, nr, DMO_MAX_LINE);
	for (i = 0; i < nr; i++) {
		pos = dmo_get_pos(&d[i]);
		if (!pos.activation || dmo_line_has(line, pos.activation))
			return dmo_refuse(why, -EINVAL,
					  "%s: line has activation %016llx at %u, expected one that is not 0 and not there twice",
					  what, pos.activation, i);
		line->at[line->nr++] = pos;
	}
	return 0;
}
