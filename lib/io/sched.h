#ifndef IO_SCHED_H
#define IO_SCHED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fail.h"

/*
 * Fibers on libev: one thread, one loop, many stacks. The scheduler owns fibers and stacks; only
 * it frees or pools them. With MXTLS_NO_FIBERS=1 in the environment (or on systems without
 * ucontext) fiber_spawn runs the function to completion before it returns, and waits block.
 *
 * Stacks are 64 KiB (128 KiB under ASan) between guard pages: no large arrays in functions that
 * run in fibers, no recursion on network input.
 */

typedef void fiber_fn(void *arg);

/*
 * Run fn(arg) as the first fiber in a new loop; returns when every fiber has ended. Not
 * re-entrant: one scheduler per process (a forked child may start its own after sched_forked).
 */
void sched_run(fiber_fn *fn, void *arg);

/* Whether sched_run will have real fibers. */
bool sched_wants_fibers(void);
/* True inside sched_run with real fibers. */
bool sched_has_fibers(void);

/* After fork in the child: forget the parent's loop and fibers (their stacks are leaked on purpose). */
void sched_forked(void);

/*
 * Start a fiber. It runs after the caller yields. name: for logs, kept not copied. cap: absolute
 * deadline of all its waits, DEADLINE_NEVER for none. Returns 0, or -1 with why (OS: no memory for
 * a stack, or LIMIT_FIBERS live ones).
 */
int fiber_spawn(fiber_fn *fn, void *arg, const char *name, int64_t cap, struct fail *why);

/* The running fiber's cap; DEADLINE_NEVER outside of fibers. */
int64_t fiber_cap(void);
/* Lower (never raise) the running fiber's cap for a phase; returns the old one for fiber_cap_restore. */
int64_t fiber_cap_lower(int64_t cap);
void fiber_cap_restore(int64_t old_cap);
/* The running fiber waits in spite of the stop that came, to see others to their end; another one, or the second, stops it again. */
void fiber_uncap(void);

/*
 * Lower the caps of all live fibers, and of all to come, to at most cap: stopping with grace is
 * sched_stop(now + grace), stopping at once is sched_stop(now). Daemons keep theirs.
 */
void sched_stop(int64_t cap);
bool sched_stopping(void);

/*
 * Between two pieces of work: a server's session that waits for a command. sched_stop_idle lowers only
 * the caps of fibers that are idle, and of others once they become so: they end at once
 * while those at work go on until sched_stop's cap.
 */
void fiber_idle(bool idle);
void sched_stop_idle(int64_t cap);

/*
 * The running fiber becomes a daemon: sched_run does not wait for it and sched_stop does not touch
 * it; when only daemons are left they are cancelled (caps in the past) and must return. For the
 * fiber that waits for signals and for log writers. Only where sched_has_fibers().
 */
void fiber_daemon(void);

/* Number of live fibers, the running one included; high-water mark for benches. */
unsigned sched_live(void);
unsigned sched_peak(void);

#endif
