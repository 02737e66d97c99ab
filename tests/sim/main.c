// SPDX-License-Identifier: GPL-2.0-only
/*
 * sim: deterministic simulation of a pair of hosts, a schedule a seed.
 *
 *   sim --schedules N [--first SEED] [--jobs J] [--coverage]   that many seeds; the table of transitions
 *   sim --seed N [--trace] [--plan]                one, again
 *   sim --seed N --shrink                          a failing one, reduced
 *   sim --seed N --without 3,a1,... --sched K      what --shrink said: less operations and actions (a)
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "cover.h"
#include "plan.h"
#undef snprintf

#define MAX_JOBS	64
#define MAX_FAILURES	16
#define COVER_FROM	50000		/* schedules: then every transition must have been taken, */
#define RARE_FROM	1000000		/* and with as many the rare ones too */

struct worker {
	volatile u64 seed;		/* in hand */
	u64 next, upto;			/* its share */
	u64 done, steps;
	u64 cover[MAX_COVER];
};

static struct shared {
	u64 next;			/* atomic */
	u64 end;
	u32 nr_failures;		/* atomic */
	struct { u64 seed; char why[512]; } failures[MAX_FAILURES];
	struct worker workers[MAX_JOBS];
} *sh;
static u64 *hashes;
static u64 first = 1;

static u64 sched_seed(u64 seed, u64 k)
{
	struct sim_rng r = { seed * 0x632be59bd9b4e019ull + k };

	return rng_next(&r) | 1;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void note_failure(u64 seed, const char *why)
{
	u32 i = __atomic_fetch_add(&sh->nr_failures, 1, __ATOMIC_SEQ_CST);

	if (i >= MAX_FAILURES)
		return;
	sh->failures[i].seed = seed;
	sim_snprintf(sh->failures[i].why, sizeof(sh->failures[i].why), "%s", why);
}

static void run_worker(struct worker *wk)
{
	static struct plan p;
	struct result r;
	u64 i, k;

	/* what is left of the share of one that has crashed */
	for (k = wk->next; k < wk->upto || sh->nr_failures < MAX_FAILURES; ) {
		if (k >= wk->upto) {
			k = __atomic_fetch_add(&sh->next, 32, __ATOMIC_SEQ_CST);
			if (k >= sh->end)
				break;
			wk->upto = k + 32 < sh->end ? k + 32 : sh->end;
		}
		for (; k < wk->upto; k++) {
			wk->seed = first + k;
			wk->next = k + 1;
			plan_make(&p, first + k);
			plan_run(&p, sched_seed(first + k, 0), &r);
			hashes[k] = r.hash;
			wk->done++;
			wk->steps += r.steps;
			if (r.failed)
				note_failure(first + k, r.why);
		}
	}
	for (i = 0; i < MAX_COVER; i++)
		wk->cover[i] += cover_count[i];
}

static int compare_hashes(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

static u64 count_distinct(u64 n)
{
	u64 i, distinct = 0;

	qsort(hashes, n, sizeof(*hashes), compare_hashes);
	for (i = 0; i < n; i++)
		distinct += hashes[i] && (!i || hashes[i] != hashes[i - 1]);
	return distinct;
}

static pid_t start_worker(u32 i)
{
	pid_t pid = fork();

	if (pid < 0)
		exit(2);
	if (!pid) {
		memset(cover_count, 0, sizeof(cover_count));
		run_worker(&sh->workers[i]);
		_exit(0);
	}
	return pid;
}

static int print_coverage(bool all, u64 schedules)
{
	u32 i, k, n = cover_nr(), missing = 0, names = 0, taken = 0;

	for (i = 0; i < n; i++) {
		u64 hits = 0;

		/* inlined copies of one place count as one */
		for (k = 0; k < i && strcmp(cover_name(k), cover_name(i)); k++)
			;
		if (k < i)
			continue;
		names++;
		for (k = i; k < n; k++) {
			u32 j;

			if (strcmp(cover_name(k), cover_name(i)))
				continue;
			for (j = 0; j < MAX_JOBS; j++)
				hits += sh->workers[j].cover[k];
		}
		if (!hits && (strncmp(cover_name(i), "rare: ", 6) || schedules >= RARE_FROM))
			missing++;
		taken += !!hits;
		if (all || !hits)
			printf("%12llu  %s\n", hits, cover_name(i));
	}
	printf("transitions: %u of %u taken\n", taken, names);
	return (int)missing;
}

static int run_many(u64 n, u32 jobs, bool coverage)
{
	u64 done = 0, steps = 0, distinct;
	double began = now(), took, cpu;
	struct rusage u;
	pid_t pids[MAX_JOBS];
	u32 i, left = jobs;
	int missing, status;

	sh = mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	hashes = mmap(NULL, (n + 1) * sizeof(*hashes), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (sh == MAP_FAILED || hashes == MAP_FAILED)
		return 2;
	sh->end = n;
	for (i = 0; i < jobs; i++)
		pids[i] = start_worker(i);
	while (left) {
		pid_t pid = wait(&status);
		char why[64];

		if (pid < 0)
			break;
		for (i = 0; i < jobs && pids[i] != pid; i++)
			;
		if (i == jobs)
			continue;
		if (WIFEXITED(status) && !WEXITSTATUS(status)) {
			left--;
			continue;
		}
		sim_snprintf(why, sizeof(why), "the process ended with status 0x%x", status);
		note_failure(sh->workers[i].seed, why);
		if (sh->nr_failures < MAX_FAILURES)
			pids[i] = start_worker(i);
		else
			left--;
	}
	took = now() - began;
	for (i = 0; i < jobs; i++) {
		done += sh->workers[i].done;
		steps += sh->workers[i].steps;
	}
	missing = print_coverage(coverage, n);
	distinct = count_distinct(n);
	getrusage(RUSAGE_CHILDREN, &u);
	cpu = (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	      (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
	printf("schedules: %llu run, %llu distinct, %llu steps each, %.1f s, %.0f a second of a core\n",
	       done, distinct, done ? steps / done : 0, took, (double)done / cpu);
	for (i = 0; i < sh->nr_failures && i < MAX_FAILURES; i++)
		printf("FAILED seed %llu: %s\n", sh->failures[i].seed, sh->failures[i].why);
	if (sh->nr_failures)
		return 1;
	if (missing && n >= COVER_FROM) {
		printf("FAILED coverage: %d transitions were never taken\n", missing);
		return 1;
	}
	return 0;
}

/* ---- one, and less of it ---- */

/* In a process of its own: it may crash or hang. Return: failed */
static bool fails(const struct plan *p, u64 sched, char *why, size_t size)
{
	int fd[2], status;
	ssize_t n;
	pid_t pid;

	if (pipe(fd))
		exit(2);
	fflush(stdout);
	pid = fork();
	if (!pid) {
		struct result r;
		int null = open("/dev/null", O_WRONLY);

		dup2(null, 2);
		alarm(20);
		plan_run(p, sched, &r);
		if (r.failed && write(fd[1], r.why, strlen(r.why)) < 0)
			_exit(2);
		_exit(r.failed);
	}
	close(fd[1]);
	n = read(fd[0], why, size - 1);
	why[n > 0 ? n : 0] = '\0';
	close(fd[0]);
	waitpid(pid, &status, 0);
	if (n <= 0)
		sim_snprintf(why, size, "the process ended with status 0x%x", status);
	return status != 0;
}

static bool *off_flag(struct plan *p, u32 i)
{
	return i < p->nr_acts ? &p->acts[i].off : &p->ops[i - p->nr_acts].off;
}

/* The same failure, as far as its words go: numbers may differ. */
static bool same(const char *a, const char *b)
{
	u32 n = 0;

	for (; *a && *b && *a == *b; a++, b++)
		n++;
	return (!*a && !*b) || n >= 18;
}

static bool fails_somehow(const struct plan *p, u64 seed, u64 *k, const char *like, char *why,
			  size_t size)
{
	u64 i;

	for (i = 0; i < 40; i++) {
		u64 try = i ? *k + i : *k;

		if (fails(p, sched_seed(seed, try), why, size) && same(like, why)) {
			*k = try;
			return true;
		}
	}
	return false;
}

static int shrink(struct plan *p, u64 seed, u64 k)
{
	u32 n = p->nr_acts + p->nr_ops, i, size, left = 0;
	char like[512], why[512];
	bool was[MAX_OPS + MAX_ACTS], any, changed;

	if (!fails(p, sched_seed(seed, k), like, sizeof(like))) {
		printf("seed %llu does not fail\n", seed);
		return 0;
	}
	printf("seed %llu: %s\n", seed, like);
	do {
		changed = false;
		for (size = n / 2; size; size /= 2) {
			for (i = 0; i + size <= n; i += size) {
				u32 j;

				any = false;
				for (j = 0; j < size; j++) {
					was[j] = *off_flag(p, i + j);
					any |= !was[j];
					*off_flag(p, i + j) = true;
				}
				if (!any)
					continue;
				if (fails_somehow(p, seed, &k, like, why, sizeof(why))) {
					changed = true;
					continue;
				}
				for (j = 0; j < size; j++)
					*off_flag(p, i + j) = was[j];
			}
		}
	} while (changed);
	fails(p, sched_seed(seed, k), why, sizeof(why));
	plan_print(p);
	printf("%s\nsim --seed %llu --sched %llu --without ", why, seed, k);
	for (i = 0; i < n; i++)
		if (*off_flag(p, i))
			printf("%s%s%u", left++ ? "," : "", i < p->nr_acts ? "a" : "",
			       i < p->nr_acts ? i : i - p->nr_acts);
	printf("\n");
	return 1;
}

static void without(struct plan *p, const char *list)
{
	while (list && *list) {
		bool a = *list == 'a';
		u32 i = (u32)strtoul(list + a, (char **)&list, 10);

		if (a && i < MAX_ACTS)
			p->acts[i].off = true;
		else if (!a && i < MAX_OPS)
			p->ops[i].off = true;
		if (*list == ',')
			list++;
	}
}

static int run_one(u64 seed, u64 k, const char *list, bool do_shrink, bool show)
{
	static struct plan p;
	struct result r, again;

	plan_make(&p, seed);
	without(&p, list);
	if (do_shrink)
		return shrink(&p, seed, k);
	if (show)
		plan_print(&p);
	plan_run(&p, sched_seed(seed, k), &r);
	printf("seed %llu: %s, %llu steps, hash %016llx\n", seed, r.failed ? r.why : "ok", r.steps,
	       r.hash);
	if (sim_tracing)
		return r.failed;
	plan_run(&p, sched_seed(seed, k), &again);
	if (again.hash != r.hash || again.steps != r.steps) {
		printf("FAILED: a second run is another one: %llu steps, hash %016llx\n", again.steps,
		       again.hash);
		return 1;
	}
	return r.failed;
}

int main(int argc, char **argv)
{
	u64 seed = 0, k = 0, n = 0;
	bool do_shrink = false, show = false, coverage = false;
	u32 jobs = (u32)sysconf(_SC_NPROCESSORS_ONLN);
	const char *list = NULL;
	int i;

	for (i = 1; i < argc; i++) {
		const char *a = argv[i], *v = i + 1 < argc ? argv[i + 1] : "";

		if (!strcmp(a, "--trace")) {
			sim_tracing = true;
		} else if (!strcmp(a, "--shrink")) {
			do_shrink = true;
		} else if (!strcmp(a, "--plan")) {
			show = true;
		} else if (!strcmp(a, "--coverage")) {
			coverage = true;
		} else if (i + 1 == argc) {
			break;
		} else {
			i++;
			if (!strcmp(a, "--seed"))
				seed = strtoull(v, NULL, 0);
			else if (!strcmp(a, "--sched"))
				k = strtoull(v, NULL, 0);
			else if (!strcmp(a, "--schedules"))
				n = strtoull(v, NULL, 0);
			else if (!strcmp(a, "--first"))
				first = strtoull(v, NULL, 0);
			else if (!strcmp(a, "--jobs"))
				jobs = (u32)strtoul(v, NULL, 0);
			else if (!strcmp(a, "--without"))
				list = v;
			else
				break;
		}
	}
	if (i < argc || (!seed && !n)) {
		fprintf(stderr, "usage: see the top of tests/sim/main.c\n");
		return 2;
	}
	if (!jobs || jobs > MAX_JOBS)
		jobs = jobs ? MAX_JOBS : 1;
	cover_init();
	if (seed)
		return run_one(seed, k, list, do_shrink, show);
	return run_many(n, jobs, coverage);
}
