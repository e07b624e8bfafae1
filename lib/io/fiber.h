#ifndef IO_FIBER_H
#define IO_FIBER_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

#include "base/list.h"
#include "io/sched.h"

/* Private to lib/io: what sched.c and wait.c share. */

struct fiber {
	ucontext_t context;
	void *stack;      /* usable part, above the guard page */
	void *fake_stack; /* ASan */
	unsigned valgrind_id;
	fiber_fn *fn;
	void *arg;
	const char *name;
	int64_t cap;
	bool daemon, idle, joining, ended;
	struct list all, ready; /* links */

	/* while it waits */
	bool waiting;
	bool watched;          /* counted in sched.watching */
	int64_t wait_deadline; /* the caller's, without the cap */
	ev_timer timer;
	bool timed_out;
};

struct sched {
	struct ev_loop *loop; /* NULL: not running, or running without fibers */
	ucontext_t context;
	struct fiber *current; /* NULL: outside of fibers */
	struct list all, ready;
	unsigned live, daemons, peak;
	unsigned
	    watching; /* waiting fibers that hold a watcher: 0 with nothing ready is a deadlock */
	int64_t stop_cap, idle_cap; /* of all fibers; of idle ones */
	int64_t plain_cap;          /* cap outside of fibers, and without fibers */
	bool plain_idle;            /* fiber_idle, likewise */
	void *fake_stack;
	const void *stack_bottom;
	size_t stack_size;
};

extern struct sched sched;

/* Put a fiber that waits into the ready list; harmless when it is there already. */
void fiber_ready(struct fiber *f);

/*
 * Suspend the running fiber until fiber_ready, its deadline or its cap. Returns true when it was
 * made ready, false with timed_out when time ran out. has_watcher: something but the timer can wake it.
 */
bool fiber_suspend(int64_t deadline, bool has_watcher);

#endif
