// SPDX-License-Identifier: GPL-2.0-only
/*
 * What all who know the on-disk format use: refusals, names, lines. The structures are encoded,
 * decoded and validated by super.c, state.c (state block and witness) and rec.c (records).
 */
#include "format/ondisk.h"

int dmo_refuse(struct dmo_reason *why, int rc, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why->text, sizeof(why->text), fmt, ap);
	va_end(ap);
	return rc;
}

const char *dmo_uuid_text(const u8 *uuid, char *out)
{
	static const char hex[] = "0123456789abcdef";
	char *p = out;
	int i;

	for (i = 0; i < DMO_UUID_LEN; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		*p++ = hex[uuid[i] >> 4];
		*p++ = hex[uuid[i] & 15];
	}
	*p = '\0';
	return out;
}

const char *dmo_role_name(u32 role)
{
	switch (role) {
	case DMO_ROLE_PRIMARY:
		return "primary";
	case DMO_ROLE_SECONDARY:
		return "secondary";
	}
	return "unknown";
}

void dmo_line_add(struct dmo_line *line, u64 activation)
{
	line->nr = min_t(u32, line->nr + 1, DMO_MAX_LINE);
	memmove(&line->at[1], &line->at[0], (line->nr - 1) * sizeof(line->at[0]));
	line->at[0] = (struct dmo_pos){ .activation = activation };
}

bool dmo_line_has(const struct dmo_line *line, u64 activation)
{
	u32 i;

	for (i = 0; i < line->nr; i++)
		if (line->at[i].activation == activation)
			return true;
	return false;
}
