// SPDX-License-Identifier: GPL-2.0-only
/* drain: end the cycle, and wait until the secondary has it on its disks. */
#include <stdio.h>

#include "orderedctl/ctl.h"
#include "orderedctl/cut.h"
#include "orderedctl/kernel.h"
#include "orderedctl/progress.h"
#include "orderedctl/session.h"

#define POLL_MS	50

static const char *session;
static uint64_t timeout_ms;

/* Would waiting for longer, after @waited_ms, change nothing? */
static bool hopeless(const struct ord_session *s, uint64_t waited_ms)
{
	if (s->state == DMO_STATE_FAILED || s->link_state == DMO_LINK_NONE)
		return true;
	switch (s->block) {
	case DMO_BLOCK_NO_LINK:
	case DMO_BLOCK_INACTIVE:
	case DMO_BLOCK_SUSPENDED:
	case DMO_BLOCK_META_ERROR:
		return true;
	case DMO_BLOCK_READ_ERROR:
	case DMO_BLOCK_RESTORE_ERROR:
		/* tried again within 3 s: it may have been repaired just now */
		return waited_ms >= 4000 && s->block_ms >= 4000;
	default:
		return false;
	}
}

static int say_stuck(const struct ord_session *s, struct ord_cut cut, const char *what)
{
	uint32_t block = s->block;

	ctl_progress_line(s, NULL);

	if (s->link_state == DMO_LINK_NONE && block == DMO_BLOCK_NOTHING)
		block = DMO_BLOCK_NO_LINK;
	ctl_err("%s: cut %s %s: it has restored %s; %s%s%s%s%s%s", ord_session_name(s),
		ord_fmt_cut(cut.epoch, cut.n), what,
		ord_fmt_cut(s->cut_restored.epoch, s->cut_restored.n),
		block == DMO_BLOCK_NOTHING ? "nothing blocks, it only takes longer" :
		ord_block_text(block),
		*s->reason ? " (" : "", s->reason, *s->reason ? ")" : "",
		*ord_block_remedy(block) ? "; " : "", ord_block_remedy(block));
	return CTL_FAIL;
}

static int wait_restored(struct ord_session *s, struct ord_cut cut)
{
	uint64_t start = ord_mono_ms();
	unsigned int stuck = 0;

	ctl_catch_signals();
	for (;;) {
		if (ord_nl_refresh(ctl_nl(), s)) {
			ctl_err("can't read %s: %s", ord_session_name(s), ord_nl_why(ctl_nl()));
			return CTL_FAIL;
		}
		ctl_progress_line(s, "drain");
		if (ord_cut_cmp(s->cut_restored, cut) >= 0)
			return CTL_OK;
		/* twice, so that a passing moment (a reload) is none */
		stuck = hopeless(s, ord_mono_ms() - start) ? stuck + 1 : 0;
		if (stuck > 2)
			return say_stuck(s, cut, "will not reach the secondary's disks");
		if (ctl_interrupted()) {
			ctl_err("interrupted; the cut is under way still");
			return CTL_FAIL;
		}
		if (timeout_ms && ord_mono_ms() - start >= timeout_ms)
			return say_stuck(s, cut, "did not reach the secondary's disks in time");
		ctl_sleep_ms(POLL_MS);
	}
}

static int run(const struct ctl_command *cmd)
{
	struct ord_sessions list;
	struct ord_session *s;
	struct ord_cut cut;
	int rc;

	(void)cmd;
	s = ctl_session(&list, session);
	if (!s)
		return CTL_FAIL;
	rc = ctl_cut(s, &cut);
	if (!rc)
		rc = wait_restored(s, cut);
	ctl_progress_line(s, NULL);
	if (!rc)
		printf("%s\n", ord_fmt_cut(cut.epoch, cut.n));
	ord_sessions_free(&list);
	return rc;
}

static const struct ctl_operand operands[] = { { "SESSION", &session }, { 0 } };

static const struct ctl_opt opts[] = {
	CTL_WAIT("timeout", &timeout_ms, "how long to wait; default: for ever"),
	{ 0 }
};

const struct ctl_command ctl_cmd_drain = {
	.name = "drain",
	.what = "end the cycle and wait until the secondary has it on its disks",
	.operands = operands,
	.opts = opts,
	.run = run,
};
