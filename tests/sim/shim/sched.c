// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fibers, virtual time, and what sleeps: wait queues, mutexes, kthreads, workqueues.
 *
 * sim_run() is the scheduler, on the main stack. Each turn it picks one of the fibers that can run
 * and, as one more candidate, the next event that is due; time passes a little with every turn,
 * and jumps to the next event when nothing can run. Interrupts are fibers too: they may have
 * to spin for a lock whose holder lost its turn ("another CPU"), but must not sleep.
 *
 * A fiber may lose its turn while it holds a spinlock, since others run on other CPUs meanwhile;
 * whoever wants the lock spins, that is, leaves the run queue until it is free.
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "sim.h"
#undef snprintf
#undef vsnprintf

#if defined(__SANITIZE_ADDRESS__)
#define SIM_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SIM_ASAN 1
#endif
#endif
#ifdef SIM_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define STACK_SIZE	(256 << 10)
#else
#define STACK_SIZE	(64 << 10)
#endif
#define MAX_FIBERS	4096
#define MAX_EVENTS	65536

struct fiber {
	void *sp;
	char *stack;
	struct host *host;
	void (*fn)(void *arg);
	void *arg;
	const char *name;
	u32 id;
	u32 run_index;		/* in runq, from 1; 0: not there */
	int spins;		/* spinlocks held */
	int irq_off;
	bool irq;
	bool live;
	bool stolen;		/* could run, but has no CPU */
	spinlock_t *spins_for;
	struct list_head node;	/* live or pool */
	struct sim_event timer, steal;
	struct task_struct task;
	struct task_struct *tp;	/* what current is: &task, or a kthread's */
#ifdef SIM_ASAN
	void *fake;
#endif
};

void sim_switch(void **save, void *to);

long sim_turn;
u64 sim_now, sim_steps, sim_hash, sim_stop_at;
bool sim_stop, sim_failed, sim_tracing;
char sim_why[512];
struct sim_rng sim_sched;

static struct sim_params params;
static struct sim_rng cpu_rng;
static struct fiber *cur;
static void *main_sp;
static struct fiber *runq[MAX_FIBERS];
static u32 nr_run, nr_spinning, next_id;
static LIST_HEAD(live);
static LIST_HEAD(pool);
static struct sim_event *heap[MAX_EVENTS];
static u32 nr_heap;
static u64 event_order;
static jmp_buf run_env;
static bool in_run;
static struct host *data_host;
#ifdef SIM_ASAN
static void *main_fake;
static const void *main_bottom;
static size_t main_size;
#endif

/* ---- hosts and the module's variables ---- */

extern char __start_dmo_data[], __stop_dmo_data[];
static char pristine[SIM_MAX_DATA];
static size_t data_len;

static __attribute__((no_sanitize("address"))) void raw_copy(char *to, const char *from, size_t n)
{
	volatile u64 *t = (volatile u64 *)to;
	const u64 *f = (const u64 *)from;

	for (; n >= 8; n -= 8)
		*t++ = *f++;
}

void host_enter(struct host *h)
{
	if (h == data_host || !h)
		return;
	if (data_host)
		raw_copy(data_host->data, __start_dmo_data, data_len);
	raw_copy(__start_dmo_data, h->data, data_len);
	data_host = h;
}

struct host *host_entered(void)
{
	return data_host;
}

#define MAX_HOSTS 64
static struct host hosts[MAX_HOSTS];
static u32 nr_hosts;

struct host *host_new(const char *name)
{
	struct host *h = &hosts[nr_hosts];
	char *data = h->data;

	if (nr_hosts == MAX_HOSTS)
		abort();
	memset(h, 0, sizeof(*h));
	h->data = data ?: aligned_alloc(64, SIM_MAX_DATA);
	h->id = nr_hosts++;
	sim_strscpy(h->name, name, sizeof(h->name));
	INIT_LIST_HEAD(&h->allocs);
	INIT_LIST_HEAD(&h->mds);
	return h;
}

void host_boot(struct host *h)
{
	raw_copy(h->data, pristine, data_len);
	if (data_host == h)
		raw_copy(__start_dmo_data, pristine, data_len);
	h->up = true;
	h->system_wq = NULL;
	h->target = NULL;
}

/* ---- events ---- */

static bool before(const struct sim_event *a, const struct sim_event *b)
{
	return a->when != b->when ? a->when < b->when : a->order < b->order;
}

static void sift_up(u32 i)
{
	struct sim_event *e = heap[i];

	for (; i > 1 && before(e, heap[i / 2]); i /= 2) {
		heap[i] = heap[i / 2];
		heap[i]->index = i;
	}
	heap[i] = e;
	e->index = i;
}

static void sift_down(u32 i)
{
	struct sim_event *e = heap[i];
	u32 c;

	for (; (c = 2 * i) <= nr_heap; i = c) {
		if (c < nr_heap && before(heap[c + 1], heap[c]))
			c++;
		if (!before(heap[c], e))
			break;
		heap[i] = heap[c];
		heap[i]->index = i;
	}
	heap[i] = e;
	e->index = i;
}

void sim_event_cancel(struct sim_event *e)
{
	u32 i = e->index;
	struct sim_event *last;

	if (!i)
		return;
	e->index = 0;
	if (i > nr_heap || heap[i] != e)	/* of an earlier simulation */
		return;
	last = heap[nr_heap--];
	if (last == e)
		return;
	heap[i] = last;
	last->index = i;
	sift_up(i);
	sift_down(last->index);
}

void sim_event_set(struct sim_event *e, u64 when, void (*fn)(void *), void *arg, struct host *h)
{
	if (e->index)
		sim_event_cancel(e);
	if (nr_heap == MAX_EVENTS - 1)
		sim_fail("too many events");
	e->when = when;
	e->order = event_order++;
	e->fn = fn;
	e->arg = arg;
	e->host = h;
	heap[++nr_heap] = e;
	sift_up(nr_heap);
}

static void drop_events(struct host *h)
{
	u32 i, n = 0;

	for (i = 1; i <= nr_heap; i++) {
		if (heap[i]->host == h)
			heap[i]->index = 0;
		else
			heap[++n] = heap[i];
	}
	nr_heap = n;
	for (i = 1; i <= nr_heap; i++)
		heap[i]->index = i;
	for (i = nr_heap / 2; i; i--)
		sift_down(i);
}

/* ---- fibers ---- */

static void make_runnable(struct fiber *f)
{
	if (f->run_index || !f->live || f->spins_for || f->stolen)
		return;
	if (nr_run == MAX_FIBERS)
		abort();
	runq[nr_run++] = f;
	f->run_index = nr_run;
}

static void leave_runq(struct fiber *f)
{
	u32 i = f->run_index;

	if (!i)
		return;
	f->run_index = 0;
	nr_run--;
	if (params.first_in) {
		memmove(&runq[i - 1], &runq[i], (nr_run - (i - 1)) * sizeof(runq[0]));
		for (; i <= nr_run; i++)
			runq[i - 1]->run_index = i;
		return;
	}
	if (i - 1 != nr_run) {
		runq[i - 1] = runq[nr_run];
		runq[i - 1]->run_index = i;
	}
}

static void give_back(void *arg)
{
	struct fiber *f = arg;

	f->stolen = false;
	make_runnable(f);
}

/* A virtual CPU may stand still for long, wherever it is; all others go on meanwhile. */
static bool steal(struct fiber *f)
{
	if (!params.steal_ns || f->irq || rng_below(&sim_sched, params.steal_in))
		return false;
	leave_runq(f);
	f->stolen = true;
	sim_event_set(&f->steal, sim_now + rng_below(&sim_sched, params.steal_ns), give_back, f,
		      f->host);
	return true;
}

static void to_main(bool dying)
{
	struct fiber *f = cur;

#ifdef SIM_ASAN
	__sanitizer_start_switch_fiber(dying ? NULL : &f->fake, main_bottom, main_size);
#endif
	sim_switch(&f->sp, main_sp);
#ifdef SIM_ASAN
	__sanitizer_finish_switch_fiber(f->fake, &main_bottom, &main_size);
#endif
}

static void to_fiber(struct fiber *f)
{
	cur = f;
	host_enter(f->host);
#ifdef SIM_ASAN
	__sanitizer_start_switch_fiber(&main_fake, f->stack, STACK_SIZE);
#endif
	sim_switch(&main_sp, f->sp);
#ifdef SIM_ASAN
	__sanitizer_finish_switch_fiber(main_fake, NULL, NULL);
#endif
	cur = NULL;
}

static void fiber_free(struct fiber *f)
{
	leave_runq(f);
	sim_event_cancel(&f->timer);
	sim_event_cancel(&f->steal);
	if (f->spins_for)
		nr_spinning--;
	f->live = false;
	list_move(&f->node, &pool);
}

static void fiber_main(void)
{
	struct fiber *f = cur;

#ifdef SIM_ASAN
	__sanitizer_finish_switch_fiber(NULL, &main_bottom, &main_size);
#endif
	f->fn(f->arg);
	if (f->spins || f->irq_off)
		sim_fail("fiber %s ends with a spinlock held", f->name);
	fiber_free(f);
	to_main(true);
	abort();
}

struct fiber *sim_spawn(struct host *h, void (*fn)(void *), void *arg, const char *name, bool irq)
{
	struct fiber *f;
	char *stack;
	void **sp;

	if (list_empty(&pool)) {
		f = calloc(1, sizeof(*f));
		f->stack = mmap(NULL, STACK_SIZE + 4096, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (f->stack == MAP_FAILED)
			abort();
		mprotect(f->stack, 4096, PROT_NONE);
		f->stack += 4096;
	} else {
		f = list_first_entry(&pool, struct fiber, node);
		list_del(&f->node);
	}
	stack = f->stack;
	memset(f, 0, sizeof(*f));
	f->stack = stack;
#ifdef SIM_ASAN
	ASAN_UNPOISON_MEMORY_REGION(stack, STACK_SIZE);
#endif
	f->host = h;
	f->fn = fn;
	f->arg = arg;
	f->name = name;
	f->irq = irq;
	f->id = next_id++;
	f->tp = &f->task;
	f->task.fiber = f;
	f->live = true;
	sp = (void **)(stack + STACK_SIZE);
	*--sp = NULL;			/* alignment, and the end of the stack */
	*--sp = (void *)fiber_main;
	sp -= 6;
	memset(sp, 0, 6 * sizeof(*sp));
	f->sp = sp;
	list_add_tail(&f->node, &live);
	make_runnable(f);
	return f;
}

struct host *sim_host(void)
{
	return cur ? cur->host : data_host;
}

bool sim_in_irq(void)
{
	return cur && cur->irq;
}

struct task_struct *sim_current(void)
{
	return cur->tp;
}

static void new_turn(void)
{
	/* now and then a long one */
	u32 n = params.turn;

	sim_turn = rng_below(&sim_sched, 8) ? rng_below(&sim_sched, 2 * n + 1) : 16 * n;
}

/* The fiber goes on later; it stays runnable. */
static void yield(void)
{
	to_main(false);
}

void sim_preempt(void)
{
	if (!cur) {
		sim_turn = 1000;
		return;
	}
	if (nr_run == 1 && (!nr_heap || heap[1]->when > sim_now + params.step_ns)) {
		/* nobody else */
		sim_now += params.step_ns / 2;
		new_turn();
		return;
	}
	yield();
}

void sim_fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (!sim_failed) {
		int n;

		sim_vsnprintf(sim_why, sizeof(sim_why), fmt, ap);
		n = strlen(sim_why);
		if (cur)
			snprintf(sim_why + n, sizeof(sim_why) - n, " [%s, fiber %s]",
				 cur->host ? cur->host->name : "-", cur->name);
	}
	va_end(ap);
	sim_failed = true;
	if (getenv("SIM_ABORT"))
		abort();
	if (!cur && in_run)
		longjmp(run_env, 1);
	if (!cur) {
		fprintf(stderr, "failure outside of a fiber: %s\n", sim_why);
		abort();
	}
	for (;;)
		to_main(false);
}

void sim_fail_note(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (!sim_failed)
		sim_vsnprintf(sim_why, sizeof(sim_why), fmt, ap);
	va_end(ap);
	sim_failed = true;
}

void sim_log(const char *prefix, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	sim_vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fprintf(stderr, "%10.3f ms %7llu %-4s %-10s %s%s\n", sim_now / 1e6, sim_steps,
		cur && cur->host ? cur->host->name : "-", cur ? cur->name : "-", prefix, text);
}

static void mix(u64 v)
{
	sim_hash = (sim_hash ^ v) * 0x9e3779b97f4a7c15ull;
	sim_hash ^= sim_hash >> 29;
}

static enum sim_end run(u64 until)
{
	while (!sim_failed) {
		struct sim_event *e = nr_heap ? heap[1] : NULL;
		bool due = e && e->when <= sim_now;
		u32 pick;

		if (sim_stop) {
			sim_stop = false;
			return SIM_STOPPED;
		}
		if (sim_steps >= sim_stop_at)
			return SIM_AT_STEP;
		if (!nr_run && !due) {
			if (!e)
				return SIM_IDLE;
			if (e->when > until) {
				sim_now = until;
				return SIM_TIME;
			}
			sim_now = e->when;
			due = true;
		} else if (sim_now > until) {
			return SIM_TIME;
		}
		sim_steps++;
		pick = params.first_in ? (due ? nr_run : 0) :
		       nr_run + due > 1 ? rng_below(&sim_sched, nr_run + due) : 0;
		if (pick == nr_run) {
			mix(1);
			sim_event_cancel(e);
			e->fn(e->arg);
		} else {
			struct fiber *f = runq[pick];

			if (steal(f))
				continue;
			mix(f->id + 2);
			if (params.first_in) {		/* to the end of the queue */
				leave_runq(f);
				make_runnable(f);
			}
			new_turn();
			to_fiber(f);
			sim_now += rng_below(&sim_sched, params.step_ns);
		}
	}
	return SIM_FAILED;
}

enum sim_end sim_run(u64 until)
{
	enum sim_end end = SIM_FAILED;

	in_run = true;
	if (!setjmp(run_env))
		end = run(until);
	in_run = false;
	return end;
}

void sim_begin(u64 seed, const struct sim_params *p)
{
	struct fiber *f, *n;

	if (!data_len) {
		data_len = (__stop_dmo_data - __start_dmo_data + 7) & ~7ul;
		if (data_len > SIM_MAX_DATA)
			abort();
		raw_copy(pristine, __start_dmo_data, data_len);
	}
	nr_heap = 0;
	list_for_each_entry_safe(f, n, &live, node)
		fiber_free(f);
	nr_run = 0;
	nr_spinning = 0;
	next_id = 0;
	event_order = 0;
	while (nr_hosts)
		mem_kill(&hosts[--nr_hosts]);
	data_host = NULL;
	params = *p;
	sim_sched.s = seed;
	cpu_rng.s = seed ^ 0x1234567;
	sim_now = 1000 * SIM_SEC;
	sim_steps = 0;
	sim_hash = seed ? 0x51ed270b : 0;
	sim_stop_at = U64_MAX;
	sim_stop = false;
	sim_failed = false;
	sim_why[0] = '\0';
	sim_turn = 0;
	mem_begin();
	disk_begin();
	sock_begin();
}

void host_kill(struct host *h)
{
	struct fiber *f, *n;

	list_for_each_entry_safe(f, n, &live, node)
		if (f->host == h)
			fiber_free(f);
	drop_events(h);
	dm_kill(h);
	sock_kill(h);
	mem_kill(h);
	if (data_host == h)
		data_host = NULL;
	h->up = false;
}

/* ---- another world for a while ---- */

static struct {
	struct fiber *runq[MAX_FIBERS];
	struct sim_event *heap[MAX_EVENTS];
	u32 nr_run, nr_heap, nr_hosts, nr_spinning;
	u64 now, steps, stop_at;
	bool stop;
} saved;

void sim_push(void)
{
	memcpy(saved.runq, runq, nr_run * sizeof(runq[0]));
	memcpy(saved.heap, heap, (nr_heap + 1) * sizeof(heap[0]));
	saved.nr_run = nr_run;
	saved.nr_heap = nr_heap;
	saved.nr_hosts = nr_hosts;
	saved.nr_spinning = nr_spinning;
	saved.now = sim_now;
	saved.steps = sim_steps;
	saved.stop_at = sim_stop_at;
	saved.stop = sim_stop;
	nr_run = 0;
	nr_heap = 0;
	nr_spinning = 0;
	sim_stop = false;
	sim_stop_at = U64_MAX;
	disk_push();
}

void sim_pop(void)
{
	while (nr_hosts > saved.nr_hosts)
		host_kill(&hosts[--nr_hosts]);
	disk_pop();
	memcpy(runq, saved.runq, saved.nr_run * sizeof(runq[0]));
	memcpy(heap, saved.heap, (saved.nr_heap + 1) * sizeof(heap[0]));
	nr_run = saved.nr_run;
	nr_heap = saved.nr_heap;
	nr_spinning = saved.nr_spinning;
	sim_now = saved.now;
	sim_steps = saved.steps;
	sim_stop_at = saved.stop_at;
	sim_stop = saved.stop;
}

u32 sim_cpu(void)
{
	cpu_rng.s = cpu_rng.s * 6364136223846793005ull + 1442695040888963407ull;
	return cpu_rng.s >> 63;
}

u64 sim_random(void)
{
	return rng_next(&cpu_rng);
}

/* ---- time ---- */

unsigned long sim_jiffies(void)
{
	/* near the wrap of its lower half, as in a kernel that has booted just now */
	return sim_now / (NSEC_PER_SEC / HZ) + (unsigned int)(-300 * HZ) - 1000 * HZ;
}

ktime_t ktime_get(void)
{
	return sim_now;
}

u64 ktime_get_real_ns(void)
{
	return sim_now + 1700000000ull * NSEC_PER_SEC;
}

/* ---- sleeping ---- */

void sim_might_sleep(const char *file, int line)
{
	if (!cur)
		return;
	if (cur->spins || cur->irq || cur->irq_off)
		sim_fail("sleeping in atomic context at %s:%d", file, line);
}

void sim_set_state(unsigned int state)
{
	sim_point();
	cur->tp->state = state;
}

static void wake_fiber(struct fiber *f)
{
	f->tp->state = TASK_RUNNING;
	sim_event_cancel(&f->timer);
	make_runnable(f);
}

void schedule(void)
{
	might_sleep();
	if (cur->tp->state != TASK_RUNNING)
		leave_runq(cur);
	yield();
}

static void timed_out(void *arg)
{
	wake_fiber(arg);
}

long schedule_timeout(long timeout)
{
	unsigned long end = sim_jiffies() + timeout;
	long left;

	if (timeout != MAX_SCHEDULE_TIMEOUT && cur->tp->state != TASK_RUNNING)
		sim_event_set(&cur->timer, sim_now + timeout * (NSEC_PER_SEC / HZ), timed_out, cur,
			      cur->host);
	schedule();
	if (timeout == MAX_SCHEDULE_TIMEOUT)
		return timeout;
	sim_event_cancel(&cur->timer);
	left = end - sim_jiffies();
	return left < 0 ? 0 : left;
}

void sim_sleep(u64 ns)
{
	cur->tp->state = TASK_IDLE;
	sim_event_set(&cur->timer, sim_now + ns, timed_out, cur, cur->host);
	schedule();
}

void cond_resched(void)
{
	might_sleep();
	sim_point();
}

void sim_wait_begin(wait_queue_head_t *q, struct sim_waiter *w, const char *file, int line)
{
	sim_might_sleep(file, line);
	if (!w->fiber) {
		w->fiber = cur;
		list_add_tail(&w->node, &q->head);
	}
	cur->tp->state = TASK_IDLE;
	sim_point();
}

void sim_wait_end(struct sim_waiter *w)
{
	cur->tp->state = TASK_RUNNING;
	list_del(&w->node);
	w->fiber = NULL;
}

void wake_up(wait_queue_head_t *q)
{
	struct sim_waiter *w;

	list_for_each_entry(w, &q->head, node)
		wake_fiber(w->fiber);
	sim_point();
}

void complete(struct completion *c)
{
	if (c->done != UINT_MAX)
		c->done++;
	wake_up(&c->wait);
}

unsigned long wait_for_completion_timeout(struct completion *c, unsigned long timeout)
{
	long r = __sim_wait(c->wait, c->done, (long)timeout);

	if (c->done && c->done != UINT_MAX)
		c->done--;
	return r;
}

void wait_for_completion(struct completion *c)
{
	wait_for_completion_timeout(c, MAX_SCHEDULE_TIMEOUT);
}

/* ---- spinlocks ---- */

void sim_spin_lock(spinlock_t *l, int irq)
{
	sim_point();
	if (!cur)
		return;
	if (irq == 1 && (cur->irq || cur->irq_off))
		sim_fail("spin_lock_irq with interrupts off");
	if (l->locked && l->owner == cur)
		sim_fail("spinlock taken twice");
	cur->irq_off += !!irq;
	while (l->locked) {
		cur->spins_for = l;
		nr_spinning++;
		leave_runq(cur);
		yield();
	}
	l->used |= cur->irq ? 1 : cur->irq_off ? 0 : 2;
	if (l->used == 3)
		sim_fail("a spinlock is taken in interrupts, and with interrupts on");
	l->locked = true;
	l->owner = cur;
	cur->spins++;
}

void sim_spin_unlock(spinlock_t *l, int irq)
{
	struct fiber *f;

	if (!cur)
		return;
	if (!l->locked || l->owner != cur)
		sim_fail("spinlock released that is not held");
	l->locked = false;
	l->owner = NULL;
	cur->spins--;
	cur->irq_off -= !!irq;
	if (unlikely(nr_spinning)) {
		list_for_each_entry(f, &live, node) {
			if (f->spins_for != l)
				continue;
			f->spins_for = NULL;
			nr_spinning--;
			make_runnable(f);
		}
	}
	sim_point();
}

bool sim_spin_held(const spinlock_t *l)
{
	return !cur || (l->locked && l->owner == cur);
}

/* ---- mutex, rwsem: first come, first served ---- */

struct lock_waiter {
	struct list_head node;
	struct fiber *fiber;
	bool write, granted;
};

static void wait_for_lock(struct list_head *waiters, struct lock_waiter *w)
{
	w->fiber = cur;
	w->granted = false;
	list_add_tail(&w->node, waiters);
	while (!w->granted) {
		cur->tp->state = TASK_UNINTERRUPTIBLE;
		schedule();
	}
}

static void grant(struct lock_waiter *w)
{
	list_del(&w->node);
	w->granted = true;
	wake_fiber(w->fiber);
}

void mutex_lock(struct mutex *m)
{
	struct lock_waiter w;

	might_sleep();
	sim_point();
	if (m->owner == cur)
		sim_fail("mutex taken twice");
	if (m->owner)
		wait_for_lock(&m->waiters, &w);	/* handed over */
	m->owner = cur;
}

int mutex_trylock(struct mutex *m)
{
	sim_point();
	if (m->owner)
		return 0;
	m->owner = cur;
	return 1;
}

void mutex_unlock(struct mutex *m)
{
	if (m->owner != cur)
		sim_fail("mutex released that is not held");
	m->owner = NULL;
	if (!list_empty(&m->waiters)) {
		struct lock_waiter *w = list_first_entry(&m->waiters, struct lock_waiter, node);

		m->owner = w->fiber;
		grant(w);
	}
	sim_point();
}

bool sim_mutex_held(const struct mutex *m)
{
	return !cur || m->owner == cur;
}

static void rwsem_grant(struct rw_semaphore *s)
{
	struct lock_waiter *w;

	while (!list_empty(&s->waiters) && !s->writer) {
		w = list_first_entry(&s->waiters, struct lock_waiter, node);
		if (w->write && s->readers)
			return;
		if (w->write)
			s->writer = w->fiber;
		else
			s->readers++;
		grant(w);
	}
}

void down_read(struct rw_semaphore *s)
{
	struct lock_waiter w = { .write = false };

	might_sleep();
	sim_point();
	if (s->writer == cur)
		sim_fail("down_read under one's own down_write");
	if (s->writer || !list_empty(&s->waiters))
		wait_for_lock(&s->waiters, &w);
	else
		s->readers++;
}

int down_read_trylock(struct rw_semaphore *s)
{
	sim_point();
	if (s->writer || !list_empty(&s->waiters))
		return 0;
	s->readers++;
	return 1;
}

void up_read(struct rw_semaphore *s)
{
	if (s->readers <= 0)
		sim_fail("up_read without a reader");
	s->readers--;
	rwsem_grant(s);
	sim_point();
}

void down_write(struct rw_semaphore *s)
{
	struct lock_waiter w = { .write = true };

	might_sleep();
	sim_point();
	if (s->writer == cur)
		sim_fail("down_write twice");
	if (s->writer || s->readers || !list_empty(&s->waiters))
		wait_for_lock(&s->waiters, &w);
	else
		s->writer = cur;
}

void up_write(struct rw_semaphore *s)
{
	if (s->writer != cur)
		sim_fail("up_write without down_write");
	s->writer = NULL;
	rwsem_grant(s);
	sim_point();
}

/* ---- kthreads ---- */

static void kthread_main(void *arg)
{
	struct task_struct *t = arg;

	if (!t->should_stop)
		t->exit_code = t->fn(t->data);
	t->exited = true;
	t->fiber = NULL;
	/* the waiter in kthread_stop(), if it is there already */
	if (t->refs)
		wake_fiber((struct fiber *)(uintptr_t)t->data);
}

static struct task_struct *new_kthread(int (*fn)(void *), void *data, const char *name)
{
	struct task_struct *t = kzalloc(sizeof(*t), GFP_KERNEL);
	struct fiber *f;

	if (!t)
		return ERR_PTR(-ENOMEM);
	t->fn = fn;
	t->data = data;
	f = sim_spawn(sim_host(), kthread_main, t, name, false);
	leave_runq(f);
	f->tp = t;
	t->fiber = f;
	return t;
}

struct task_struct *kthread_create(int (*fn)(void *), void *data, const char *fmt, ...)
{
	return new_kthread(fn, data, fmt);
}

struct task_struct *kthread_run(int (*fn)(void *), void *data, const char *fmt, ...)
{
	struct task_struct *t = new_kthread(fn, data, fmt);

	if (!IS_ERR(t))
		wake_up_process(t);
	return t;
}

int wake_up_process(struct task_struct *t)
{
	t->started = true;
	if (t->fiber)
		wake_fiber(t->fiber);
	sim_point();
	return 1;
}

bool kthread_should_stop(void)
{
	sim_point();
	return cur->tp->should_stop;
}

int kthread_stop(struct task_struct *t)
{
	int code;

	might_sleep();
	t->should_stop = true;
	if (!t->exited)
		wake_up_process(t);
	while (!t->exited) {
		t->refs = 1;
		t->data = cur;
		cur->tp->state = TASK_UNINTERRUPTIBLE;
		schedule();
	}
	code = t->exit_code;
	kfree(t);
	return code;
}

/* ---- work ---- */

#define MAX_WORKERS	16

struct workqueue_struct {
	struct host *host;
	struct list_head pending;
	u32 running, max;
	struct { struct work_struct *work; work_func_t func; } now[MAX_WORKERS];
	wait_queue_head_t idle;
};

static void init_wq(struct workqueue_struct *wq, int max_active)
{
	wq->host = sim_host();
	wq->max = max_active ? min(max_active, MAX_WORKERS) : MAX_WORKERS;
	INIT_LIST_HEAD(&wq->pending);
	init_waitqueue_head(&wq->idle);
}

struct workqueue_struct *alloc_workqueue(const char *fmt, unsigned int flags, int max_active, ...)
{
	struct workqueue_struct *wq = kzalloc(sizeof(*wq), GFP_KERNEL);

	(void)fmt;
	(void)flags;
	if (wq)
		init_wq(wq, max_active);
	return wq;
}

struct workqueue_struct *sim_system_wq(void)
{
	struct host *h = sim_host();

	if (!h->system_wq) {	/* it was there before the module */
		h->system_wq = sim_kmalloc_host(h, sizeof(*h->system_wq), __GFP_ZERO);
		init_wq(h->system_wq, 0);
	}
	return h->system_wq;
}

static bool work_runs(struct workqueue_struct *wq, struct work_struct *w)
{
	u32 i;

	for (i = 0; i < MAX_WORKERS; i++)
		if (wq->now[i].work == w && wq->now[i].func == w->func)
			return true;
	return false;
}

static struct work_struct *take_work(struct workqueue_struct *wq)
{
	struct work_struct *w;

	list_for_each_entry(w, &wq->pending, entry) {
		if (work_runs(wq, w))
			continue;	/* never twice at a time */
		list_del_init(&w->entry);
		w->pending = 0;
		return w;
	}
	return NULL;
}

static void worker(void *arg)
{
	struct workqueue_struct *wq = arg;
	struct work_struct *w;
	u32 i;

	for (i = 0; wq->now[i].func; i++)
		;
	wq->now[i].func = (work_func_t)1;
	for (;;) {
		w = take_work(wq);
		if (!w)
			break;
		wq->now[i].work = w;
		wq->now[i].func = w->func;
		w->func(w);
		if (cur->spins || cur->irq_off)
			sim_fail("work ends with a spinlock held");
		wq->now[i].work = NULL;
		wq->now[i].func = (work_func_t)1;
		wake_up(&wq->idle);
	}
	wq->now[i].func = NULL;
	wq->running--;
	/* one that was queued while it ran elsewhere */
	if (!list_empty(&wq->pending) && wq->running < wq->max) {
		struct work_struct *p;

		list_for_each_entry(p, &wq->pending, entry) {
			if (work_runs(wq, p))
				continue;
			wq->running++;
			sim_spawn(wq->host, worker, wq, "worker", false);
			break;
		}
	}
	wake_up(&wq->idle);
}

bool queue_work(struct workqueue_struct *wq, struct work_struct *w)
{
	sim_point();
	if (w->pending)
		return false;
	w->pending = 1;
	list_add_tail(&w->entry, &wq->pending);
	if (wq->running < wq->max) {
		wq->running++;
		sim_spawn(wq->host, worker, wq, "worker", false);
	}
	sim_point();
	return true;
}

static void delayed_due(void *arg)
{
	struct delayed_work *d = arg;
	u32 turn = sim_turn;

	d->work.pending = 0;
	sim_turn = 1000;
	queue_work(d->wq, &d->work);
	sim_turn = turn;
}

bool queue_delayed_work(struct workqueue_struct *wq, struct delayed_work *d, unsigned long delay)
{
	sim_point();
	if (d->work.pending)
		return false;
	if (!delay)
		return queue_work(wq, &d->work);
	d->work.pending = 2;		/* the timer */
	d->wq = wq;
	sim_event_set(&d->timer, sim_now + delay * (NSEC_PER_SEC / HZ), delayed_due, d, wq->host);
	return true;
}

bool mod_delayed_work(struct workqueue_struct *wq, struct delayed_work *d, unsigned long delay)
{
	bool was = d->work.pending;

	sim_point();
	if (d->work.pending == 2) {
		sim_event_cancel(&d->timer);
		d->work.pending = 0;
	} else if (d->work.pending == 1) {
		list_del_init(&d->work.entry);
		d->work.pending = 0;
	}
	queue_delayed_work(wq, d, delay);
	return was;
}

static bool cancel_sync(struct work_struct *w)
{
	bool was = w->pending == 1;
	struct fiber *f;

	if (was) {
		list_del_init(&w->entry);
		w->pending = 0;
	}
	might_sleep();
	/* which queue it runs on is the business of the workers */
again:
	list_for_each_entry(f, &live, node) {
		struct workqueue_struct *wq = f->arg;

		if (f->fn != worker || !work_runs(wq, w))
			continue;
		wait_event(wq->idle, !work_runs(wq, w));
		goto again;
	}
	return was;
}

bool cancel_work_sync(struct work_struct *w)
{
	return cancel_sync(w);
}

bool cancel_delayed_work_sync(struct delayed_work *d)
{
	if (d->work.pending == 2) {
		sim_event_cancel(&d->timer);
		d->work.pending = 0;
	}
	return cancel_sync(&d->work);
}

void destroy_workqueue(struct workqueue_struct *wq)
{
	wait_event(wq->idle, !wq->running && list_empty(&wq->pending));
	kfree(wq);
}

/* ---- reserves ---- */

void sim_reserve_init(struct sim_reserve *r, int min)
{
	r->left = r->min = min;
	r->init = true;
	init_waitqueue_head(&r->wait);
}

/* One of the reserve, when there is one. */
void sim_reserve_wait(struct sim_reserve *r)
{
	if (r->left > 0) {
		r->left--;
		return;
	}
	wait_event(r->wait, r->left > 0);
	r->left--;
}

bool sim_reserve_refill(struct sim_reserve *r)
{
	if (r->left >= r->min)
		return false;
	r->left++;
	wake_up(&r->wait);
	return true;
}
