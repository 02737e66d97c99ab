// SPDX-License-Identifier: GPL-2.0-only
/* Names of the uapi enums. The man page promises them: add, never change. */
#include <inttypes.h>
#include <stdio.h>

#include "lib/util.h"

static const char * const roles[] = {
	[DMO_ROLE_PRIMARY] = "primary",
	[DMO_ROLE_SECONDARY] = "secondary",
};

static const char * const states[] = {
	[DMO_STATE_INACTIVE] = "inactive",
	[DMO_STATE_DISCONNECTED] = "disconnected",
	[DMO_STATE_REPLICATING] = "replicating",
	[DMO_STATE_COPYING] = "copying",
	[DMO_STATE_FAILED] = "failed",
	[DMO_STATE_BUSY] = "busy",
};

static const char * const links[] = {
	[DMO_LINK_NONE] = "none",
	[DMO_LINK_HANDSHAKE] = "handshake",
	[DMO_LINK_UP] = "up",
};

static const char * const chunks[] = {
	[DMO_CHUNK_NONE] = "none",
	[DMO_CHUNK_ACTIVE] = "active",
	[DMO_CHUNK_DRAINING] = "draining",
	[DMO_CHUNK_SHIPPING] = "shipping",
	[DMO_CHUNK_COMPLETE] = "complete",
	[DMO_CHUNK_COMMITTED] = "committed",
};

static const char * const events[] = {
	[DMO_EVENT_LINK_UP] = "link-up",
	[DMO_EVENT_LINK_DOWN] = "link-down",
	[DMO_EVENT_SWITCH] = "switch",
	[DMO_EVENT_COMMIT] = "commit",
	[DMO_EVENT_MERGE] = "merge",
	[DMO_EVENT_INCONSISTENT] = "inconsistent",
	[DMO_EVENT_CONSISTENT] = "consistent",
	[DMO_EVENT_ERROR] = "error",
	[DMO_EVENT_PROMOTED] = "promoted",
	[DMO_EVENT_PEER] = "peer",
	[DMO_EVENT_LARGE] = "large",
};

static const struct {
	const char *name, *text;
} conditions[] = {
	[DMO_COND_GOOD] = { "good", "nothing" },
	[DMO_COND_JOURNAL] = { "journal", "its journal is nearly full: its data devices are slow" },
	[DMO_COND_SUSPENDED] = { "suspended", "a volume is suspended: nothing is restored" },
	[DMO_COND_RESTORE_ERROR] = {
		"restore-error", "a data device fails: nothing is restored"
	},
	[DMO_COND_DAMAGED] = { "damaged", "its journal is damaged: it is INCONSISTENT" },
	[DMO_COND_META_ERROR] = { "meta-error", "its metadata device failed" },
};

static const struct {
	const char *name, *text, *remedy;
} blocks[] = {
	[DMO_BLOCK_NOTHING] = { "nothing", "nothing", "" },
	[DMO_BLOCK_NO_LINK] = {
		"no-link", "there is no link to the peer",
		"make one with \"orderedctl connect\" on one side and \"orderedctl listen\" on the other"
	},
	[DMO_BLOCK_INACTIVE] = {
		"inactive", "a volume of the session has no active table",
		"activate the volumes shown as inactive with \"orderedctl create\""
	},
	[DMO_BLOCK_SUSPENDED] = {
		"suspended", "a volume is suspended",
		"resume it with \"dmsetup resume\""
	},
	[DMO_BLOCK_DRAIN] = {
		"drain", "a local write of the closed cycle has not ended",
		"if it lasts, look for a slow or failing data device in the kernel log"
	},
	[DMO_BLOCK_SEND] = {
		"send", "the link takes no more data for now",
		"if it lasts, the link is slower than the writes, or the network is cut"
	},
	[DMO_BLOCK_PEER] = {
		"peer", "the peer has not answered yet",
		"if it lasts, see \"orderedctl status\" at the peer"
	},
	[DMO_BLOCK_READ_ERROR] = {
		"read-error", "a block that must be sent can't be read",
		"see the reason; a good write to the block, or a repaired data device, helps"
	},
	[DMO_BLOCK_JOURNAL_FULL] = {
		"journal-full", "the journal is full until restore frees some of it",
		"if it lasts, the data devices are too slow, or the metadata device too small"
	},
	[DMO_BLOCK_META_ERROR] = {
		"meta-error", "the metadata device failed",
		"see the reason and the kernel log, repair the device, activate the session again"
	},
	[DMO_BLOCK_RESTORE_ERROR] = {
		"restore-error", "a data device of the secondary failed",
		"see the reason and the kernel log, repair the device, activate the session again"
	},
	[DMO_BLOCK_BUSY] = {
		"busy", "a command or a suspend is in hand and waits",
		"see the reason; if it lasts, look for a disk that hangs"
	},
};

static const char *name_of(char *buf, const char * const *names, unsigned int nr, uint32_t v)
{
	if (v < nr && names[v])
		return names[v];
	snprintf(buf, ORD_TEXT_LEN, "unknown-%" PRIu32, v);
	return buf;
}

const char *ord_role_name_to(char *buf, uint32_t role)
{
	return name_of(buf, roles, ORD_ARRAY_LEN(roles), role);
}

const char *ord_state_name_to(char *buf, uint32_t state)
{
	return name_of(buf, states, ORD_ARRAY_LEN(states), state);
}

const char *ord_link_name_to(char *buf, uint32_t state)
{
	return name_of(buf, links, ORD_ARRAY_LEN(links), state);
}

const char *ord_chunk_name_to(char *buf, uint32_t state)
{
	return name_of(buf, chunks, ORD_ARRAY_LEN(chunks), state);
}

const char *ord_event_name_to(char *buf, uint32_t event)
{
	return name_of(buf, events, ORD_ARRAY_LEN(events), event);
}

const char *ord_condition_name_to(char *buf, uint32_t cond)
{
	if (cond < ORD_ARRAY_LEN(conditions))
		return conditions[cond].name;
	return name_of(buf, NULL, 0, cond);
}

const char *ord_condition_text(uint32_t cond)
{
	if (cond < ORD_ARRAY_LEN(conditions))
		return conditions[cond].text;
	return "something this orderedctl does not know";
}

const char *ord_block_name_to(char *buf, uint32_t reason)
{
	if (reason < ORD_ARRAY_LEN(blocks))
		return blocks[reason].name;
	return name_of(buf, NULL, 0, reason);
}

const char *ord_block_text(uint32_t reason)
{
	if (reason < ORD_ARRAY_LEN(blocks))
		return blocks[reason].text;
	return "something this orderedctl does not know";
}

const char *ord_block_remedy(uint32_t reason)
{
	if (reason < ORD_ARRAY_LEN(blocks))
		return blocks[reason].remedy;
	return "use an orderedctl as new as the module";
}
