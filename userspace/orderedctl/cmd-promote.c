// SPDX-License-Identifier: GPL-2.0-only
/*
 * promote: make a secondary a writable primary at its newest boundary. The
 * kernel changes the role; the tables made for a secondary are then loaded
 * anew. The command may be repeated: what is done already stays done.
 */
#include "format/ondisk.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/metafile.h"
#include "orderedctl/ctl.h"
#include "orderedctl/kernel.h"
#include "orderedctl/progress.h"
#include "orderedctl/session.h"
#include "orderedctl/volume.h"

#define POLL_MS		50
#define PROGRESS_MS	500

static const char *session;
static bool force;
static uint64_t wait_ms = CTL_VOLUME_WAIT_MS;

static bool is_ours(const struct ord_session *s, const struct ord_dm_volume *v)
{
	return ord_same_meta(s, v->meta_major, v->meta_minor);
}

static int preflight(const struct ord_session *s, const struct ord_dm_volumes *all)
{
	unsigned int i;
	int rc = 0;

	/* with more complete than restored the end of the copy may be among it; the kernel knows */
	if (s->flags & DMO_F_INCONSISTENT && !force &&
	    !ord_cut_cmp(s->cut_complete, s->cut_restored)) {
		ctl_err("%s is INCONSISTENT: its data is no point in time, since a full copy has not ended; finish the copy, or use --force to take it as it is",
			ord_session_name(s));
		rc = -1;
	}
	for (i = 0; i < s->nr_volumes; i++) {
		if (s->volumes[i].active)
			continue;
		ctl_err("volume %u of %s is not active; activate it with \"orderedctl create\"",
			s->volumes[i].id, ord_session_name(s));
		rc = -1;
	}
	for (i = 0; i < all->nr; i++) {
		if (is_ours(s, &all->v[i]) && ctl_volume_wait(&all->v[i], rc ? 0 : wait_ms))
			rc = -1;
	}
	if (!rc && s->link_state == DMO_LINK_UP)
		ctl_note("the link to %s is up and will be dropped; make sure that the old primary is not written any more",
			 *s->link_peer ? s->link_peer : "the peer");
	return rc;
}

/*
 * Is a table of the role in force in use? A promotion leaves the volumes
 * inactive: their tables were made for a secondary.
 */
static bool is_active(const struct ord_session *s, uint32_t id)
{
	unsigned int i;

	for (i = 0; i < s->nr_volumes; i++)
		if (s->volumes[i].id == id)
			return s->volumes[i].active;
	return false;
}

/* Loads the tables of the volumes that are not active anew; @nr counts them. */
static int reload_tables(const struct ord_session *s, const struct ord_dm_volumes *all,
			 unsigned int *nr)
{
	unsigned int i;
	int rc, ret = 0;

	*nr = 0;
	for (i = 0; i < all->nr; i++) {
		const struct ord_dm_volume *v = &all->v[i];

		if (!is_ours(s, v) || is_active(s, v->id))
			continue;
		(*nr)++;
		rc = ord_dm_volume_reload(ctl_dm(), v);
		if (!rc)
			continue;
		ctl_err("can't reload \"%s\": %s: %s; give the command again when that is cured",
			v->name, strerror(-rc), ord_dm_why(ctl_dm()));
		ret = -1;
	}
	return ret;
}

/* The time of @cut: what the kernel told before, or the state block says. */
static uint64_t cut_time(const struct ord_session *before, struct ord_cut cut)
{
	struct ord_metafile m;
	struct dmo_reason why;
	const struct dmo_state *st;
	uint64_t ns = 0;

	if (before->cut_time_ns && !ord_cut_cmp(before->cut_committed, cut))
		return before->cut_time_ns;
	if (ord_metafile_open(&m, ord_fmt_meta(before->meta_name, before->meta_major, before->meta_minor),
			      O_RDONLY, &why))
		return 0;
	if (m.st_chosen >= 0) {
		st = &m.st[m.st_chosen];
		if (st->restored.epoch == cut.epoch && st->restored.n == cut.n)
			ns = st->restored_ns;
	}
	ord_metafile_close(&m);
	return ns;
}

static void print_result(struct ord_cut cut, uint64_t ns)
{
	uint64_t now = ord_wall_ns();

	printf("cut %s", ord_fmt_cut(cut.epoch, cut.n));
	if (ns) {
		printf(", of %s", ord_fmt_time(ns));
		if (now > ns)
			printf(", %s ago", ord_fmt_ms((now - ns) / 1000000));
	}
	putchar('\n');
}

/*
 * The kernel answers when all is restored, which may take as long as the journal is large. Somebody else looks
 * meanwhile, on a socket of its own, and tells how far it has come.
 */
static pid_t begin_telling(const struct ord_session *s)
{
	struct ord_session look = { .meta_major = s->meta_major, .meta_minor = s->meta_minor };
	pid_t parent = getpid(), pid;

	if (!isatty(STDERR_FILENO))
		return -1;
	pid = fork();
	if (pid)
		return pid;
	ctl_catch_signals();
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	ctl_kernel_close();
	if (!ord_nl_open(ctl_nl())) {
		ctl_sleep_ms(PROGRESS_MS);
		while (!ctl_interrupted() && getppid() == parent && !ord_nl_refresh(ctl_nl(), &look)) {
			ctl_progress_line(&look, "promote");
			ctl_sleep_ms(PROGRESS_MS);
		}
		ctl_progress_line(&look, NULL);
	}
	_exit(0);
}

static void end_telling(pid_t pid)
{
	if (pid < 0)
		return;
	kill(pid, SIGTERM);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static int change_role(struct ord_session *s)
{
	struct ord_dm_volumes all;
	struct ord_cut cut;
	unsigned int nr;
	uint64_t ns, deadline;
	pid_t teller;
	int rc;

	if (ord_dm_volumes_get(ctl_dm(), &all)) {
		ctl_err("can't read the device-mapper devices: %s", ord_dm_why(ctl_dm()));
		return CTL_FAIL;
	}
	if (s->role == DMO_ROLE_PRIMARY) {
		rc = reload_tables(s, &all, &nr);
		if (!rc)
			ctl_note("%s is a primary already%s", ord_session_name(s),
				 nr ? "; its tables were loaded anew" : "");
		ord_dm_volumes_free(&all);
		return rc ? CTL_FAIL : CTL_OK;
	}
	rc = preflight(s, &all);
	if (!rc) {
		teller = begin_telling(s);
		deadline = ord_mono_ms() + wait_ms;
		/* somebody may have opened a volume since it was looked at */
		while ((rc = ord_nl_promote(ctl_nl(), s, force, &cut)) == -EBUSY && ord_mono_ms() < deadline)
			ctl_sleep_ms(POLL_MS);
		end_telling(teller);
		if (rc)
			ctl_err("can't promote %s: %s", ord_session_name(s), ord_nl_why(ctl_nl()));
	}
	if (!rc) {
		ns = cut_time(s, cut);
		if (ord_nl_refresh(ctl_nl(), s)) {
			ctl_note("can't read the session again: %s", ord_nl_why(ctl_nl()));
			s->nr_volumes = 0;	/* so all are loaded anew */
		}
		rc = reload_tables(s, &all, &nr);
		print_result(cut, ns);
	}
	ord_dm_volumes_free(&all);
	return rc ? CTL_FAIL : CTL_OK;
}

static int run(const struct ctl_command *cmd)
{
	struct ord_sessions list;
	struct ord_session *s;
	int rc;

	(void)cmd;
	s = ctl_session(&list, session);
	if (!s)
		return CTL_FAIL;
	rc = change_role(s);
	ord_sessions_free(&list);
	return rc;
}

static const struct ctl_operand operands[] = { { "SESSION", &session }, { 0 } };

static const struct ctl_opt opts[] = {
	{ "force", NULL, "even while INCONSISTENT: the data is then a mixture of states, to be repaired or thrown away",
	  ctl_opt_flag, &force },
	CTL_WAIT("wait", &wait_ms, "for how long, if something has a volume open; default: 5s"),
	{ 0 }
};

const struct ctl_command ctl_cmd_promote = {
	.name = "promote",
	.what = "make a secondary a writable primary, at its newest boundary",
	.operands = operands,
	.opts = opts,
	.run = run,
};
