/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The shim from outside: one simulation at a time, hosts with disks, a network of socket pairs.
 * Driver code runs on the main stack (events, hooks) or in fibers of a host; only fibers may sleep.
 * What the driver itself allocates (malloc) is its own affair: a crash of a host takes only what
 * the module allocated.
 */
#ifndef SIM_H
#define SIM_H

#include "kernel.h"

/* ---- randomness ---- */

struct sim_rng { u64 s; };
static inline u64 rng_next(struct sim_rng *r)
{
	u64 z = r->s += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static inline u32 rng_below(struct sim_rng *r, u32 n)	/* n > 0 */
{
	return (u32)(((rng_next(r) >> 32) * n) >> 32);
}

static inline u32 rng_range(struct sim_rng *r, u32 lo, u32 hi) { return lo + rng_below(r, hi - lo + 1); }
static inline bool rng_chance(struct sim_rng *r, u32 percent) { return rng_below(r, 100) < percent; }

/* ---- the simulation ---- */

#define SIM_US	1000ull
#define SIM_MS	1000000ull
#define SIM_SEC	1000000000ull

struct sim_params {
	u32 turn;		/* preemption points in a fiber's turn, mean */
	u32 step_ns;		/* virtual time of a turn, at most */
	u32 steal_ns;		/* for how long a fiber's CPU is taken away, at most; 0: never */
	u32 steal_in;		/* one turn in so many */
	bool first_in;		/* run fibers in the order they woke up (a mutation of the scheduler) */
};

extern u64 sim_now;		/* virtual ns */
extern u64 sim_steps;		/* scheduler choices so far */
extern u64 sim_hash;		/* of all of them */
extern u64 sim_stop_at;		/* step at which sim_run() returns SIM_AT_STEP */
extern bool sim_stop;		/* sim_run() returns SIM_STOPPED at the next turn */
extern struct sim_rng sim_sched;	/* scheduler, disks, network */
extern bool sim_failed;
extern char sim_why[512];
extern const char *sim_product_name;

/** sim_begin - forget everything, begin anew: hosts, disks, sockets are gone */
void sim_begin(u64 seed, const struct sim_params *p);

enum sim_end { SIM_IDLE, SIM_TIME, SIM_AT_STEP, SIM_STOPPED, SIM_FAILED };
/** sim_run - until @until (ns), nothing more to do, a stop or a failure */
enum sim_end sim_run(u64 until);
/** sim_fail_note - a failure found outside of a fiber */
void sim_fail_note(const char *fmt, ...) __printf(1, 2);

/** sim_push - put all hosts aside as they are; sim_pop - go on with them, what was made meanwhile
 * is gone. One level, main stack.
 */
void sim_push(void);
void sim_pop(void);

void sim_event_set(struct sim_event *e, u64 when, void (*fn)(void *), void *arg, struct host *h);
void sim_event_cancel(struct sim_event *e);

struct fiber *sim_spawn(struct host *h, void (*fn)(void *), void *arg, const char *name, bool irq);
void sim_sleep(u64 ns);		/* fiber */
struct host *sim_host(void);	/* of the running fiber */

/* ---- hosts ---- */

#define SIM_MAX_DATA	(256 << 10)

struct sim_fails {
	u32 atomic;		/* of 256: GFP_NOWAIT allocations that fail */
	u32 nth;		/* the n-th other one that may fail does; 0: none */
};

struct host {
	char name[8];
	u32 id;
	bool up;
	struct list_head allocs;	/* small and large ones */
	u64 nr_allocs, bytes;
	struct sim_fails fails;
	u64 failed_allocs;
	struct workqueue_struct *system_wq;
	struct list_head mds;
	struct target_type *target;
	char *data;			/* the module's variables while another host runs */
	void *owner;			/* driver's */
};

struct host *host_new(const char *name);
/** host_boot - the module's variables are as at insmod; nothing runs yet */
void host_boot(struct host *h);
/** host_kill - power off: fibers, memory, timers, sockets are gone; disks are cut separately */
void host_kill(struct host *h);
/** host_enter - make the module's variables those of @h (driver code on the main stack) */
void host_enter(struct host *h);
struct host *host_entered(void);

/* ---- disks: disk.c ---- */

struct sim_buf { u32 refs; u8 data[4096]; };	/* immutable once shared */

enum disk_survive { DISK_NOTHING, DISK_ALL, DISK_BLOCKS, DISK_SECTORS };

struct disk_faults {
	u32 write, read, flush;		/* of 256: fail */
	bool zero_unsupported;
	u64 from, to;			/* sectors; to 0: all */
};

struct sim_disk;
typedef void (*disk_observer)(struct sim_disk *d, u64 sector, u32 nr, bool error);

/** disk_new - all zero; @base: NULL or nr_blocks buffers to begin with (shared, not taken over) */
struct sim_disk *disk_new(struct host *h, const char *name, u64 sectors);
struct block_device *disk_bdev(struct sim_disk *d);
/** disk_set_backend - @fn takes all bios, in place of the model here, and ends them */
typedef void (*disk_backend)(void *arg, struct bio *bio);
void disk_set_backend(struct sim_disk *d, disk_backend fn, void *arg);
u64 disk_sectors(struct sim_disk *d);
void disk_set_latency(struct sim_disk *d, u32 base_us, u32 slow_percent, u32 slow_ms);
struct disk_faults *disk_faults(struct sim_disk *d);
/** disk_set_ident - what dmo_ident_read() says of it; at first "" */
void disk_set_ident(struct sim_disk *d, const char *ident);
const char *disk_ident(struct sim_disk *d);
/** disk_hold - requests are taken but not completed while held */
void disk_hold(struct sim_disk *d, bool hold);
bool disk_is_held(const struct sim_disk *d);
/** disk_stall - the @nth flush or FUA write from now on is taken but not completed, so that all others
 * overtake it; @fn is told. @below: count only FUA writes in front of that sector; 0: all. What was
 * stalled before goes on; @nth 0: that only
 */
void disk_stall(struct sim_disk *d, u32 nth, u64 below, void (*fn)(struct sim_disk *d));
bool disk_stalled(struct sim_disk *d);
void disk_observe(struct sim_disk *d, disk_observer fn, void *arg);
void *disk_observer_arg(struct sim_disk *d);
/** disk_power_cut - what was not flushed survives as @how says; in-flight requests are forgotten */
void disk_power_cut(struct sim_disk *d, enum disk_survive how, struct sim_rng *r);
/** disk_write_now, disk_read_now - past the model, durable; for images and checks */
void disk_write_now(struct sim_disk *d, u64 sector, u32 nr, const void *data);
void disk_read_now(struct sim_disk *d, u64 sector, u32 nr, void *data);
/** disk_block - what reads see of a 4 KiB block; NULL: zeroes */
const void *disk_block(struct sim_disk *d, u64 block);
/** disk_copy_from - become what @from would be after such a power cut of it */
void disk_copy_from(struct sim_disk *d, struct sim_disk *from, enum disk_survive how,
		    struct sim_rng *r);
u64 disk_unflushed(struct sim_disk *d);	/* writes not flushed, in flight included */
u32 disk_inflight(struct sim_disk *d);
/** disk_medium - what is durable of a block; NULL: zeroes */
const void *disk_medium(struct sim_disk *d, u64 block);
void disk_each_inflight(struct sim_disk *d, void (*fn)(u64 start, u32 nr, u32 op, const void *data,
						       void *arg), void *arg);
u64 disk_errors(struct sim_disk *d);	/* injected so far */

/* ---- mapped devices: dm.c ---- */

/** dm_create - table in @line ("data meta id [1 allow_reads]"); fiber. 0 or errno */
int dm_create(struct host *h, const char *name, u64 sectors, const char *line,
	      struct mapped_device **md);
int dm_resume(struct mapped_device *md);	/* activates a table loaded before */
void dm_suspend(struct mapped_device *md);
int dm_load(struct mapped_device *md, u64 sectors, const char *line);
void dm_remove(struct mapped_device *md);	/* suspend first is not needed */
struct block_device *dm_bdev(struct mapped_device *md);
void *dm_active_private(struct mapped_device *md);

/* ---- network: sock.c ---- */

struct sim_net {
	u32 delay_us, jitter_us;	/* a way */
	u32 window;			/* bytes in flight or unread, a way */
	u32 short_reads;		/* percent */
};

struct sim_conn;
/** conn_new - connected socket pair; fd[0] on @a, fd[1] on @b */
struct sim_conn *conn_new(struct host *a, struct host *b, const struct sim_net *n, int fd[2]);
/** conn_cut - now: what is under way is lost from a random byte on. @silent: nobody is told */
void conn_cut(struct sim_conn *c, bool silent);
/** conn_cut_at - when so many bytes were sent in both directions */
void conn_cut_at(struct sim_conn *c, u64 bytes, bool silent);
bool conn_dead(struct sim_conn *c);
/** conn_close_fd - the driver's own reference */
void conn_close_fd(int fd);
void conn_block(struct sim_conn *c, bool block);	/* nothing arrives meanwhile */

/* ---- what the driver provides ---- */

/* Tracepoints, as trace.h declares them, may be defined by the driver as sim_trace_NAME(). */
/* An event of the module; @volume -1 and @why NULL: none. */
void sim_on_copy_end(void);	/* cover.c: the end of a copy is complete */
void sim_on_event(struct host *h, u32 event, u64 epoch, u64 n, int volume, const char *why);

/* ---- inside the shim ---- */

void mem_begin(void);
void mem_kill(struct host *h);
void *sim_kmalloc_host(struct host *h, size_t size, gfp_t gfp);
void disk_begin(void);
void disk_push(void);
void disk_pop(void);
void dm_kill(struct host *h);
void sock_begin(void);
void sock_kill(struct host *h);
bool sim_alloc_fails(gfp_t gfp);
u64 sim_delay(u32 base_us, u32 jitter_us);
void sim_reserve_init(struct sim_reserve *r, int min);
void sim_reserve_wait(struct sim_reserve *r);
bool sim_reserve_refill(struct sim_reserve *r);
bool sim_in_irq(void);
void sim_stack_poison(void *p, size_t n, bool poison);

#endif /* SIM_H */
