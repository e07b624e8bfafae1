#include "io/sched.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/fiber.h"

#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif
#ifndef VALGRIND_STACK_REGISTER
#define VALGRIND_STACK_REGISTER(start, end) 0
#define VALGRIND_STACK_DEREGISTER(id) ((void)(id))
#endif

#if defined(__SANITIZE_ADDRESS__)
#define FIBER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIBER_ASAN 1
#endif
#endif

#ifdef FIBER_ASAN
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#define STACK_BYTES (128 * 1024)
#else
#define STACK_BYTES (64 * 1024)
#define __sanitizer_start_switch_fiber(save, bottom, size) ((void)0)
#define __sanitizer_finish_switch_fiber(saved, bottom_r, size_r) ((void)0)
#define __lsan_register_root_region(p, n) ((void)0)
#define __lsan_unregister_root_region(p, n) ((void)0)
#endif

#define POOL_STACKS 256 /* kept for reuse: their touched pages stay in memory */

struct sched sched = {
	.stop_cap = DEADLINE_NEVER, .idle_cap = DEADLINE_NEVER, .plain_cap = DEADLINE_NEVER
};

static void *pool[POOL_STACKS];
static unsigned pool_n;

/* --- stacks ------------------------------------------------------------------------------------ */

static size_t
guard_bytes(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static void *
stack_new(void)
{
	size_t guard = guard_bytes();

	if (pool_n > 0)
		return pool[--pool_n];
	char *map = mmap(NULL, guard + STACK_BYTES, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
	if (map == MAP_FAILED)
		return NULL;
	if (mprotect(map, guard, PROT_NONE) != 0) {
		munmap(map, guard + STACK_BYTES);
		return NULL;
	}
	__lsan_register_root_region(map + guard, STACK_BYTES);
	return map + guard;
}

static void
stack_free(void *stack)
{
	if (pool_n < POOL_STACKS) {
		pool[pool_n++] = stack;
		return;
	}
	__lsan_unregister_root_region(stack, STACK_BYTES);
	munmap((char *)stack - guard_bytes(), guard_bytes() + STACK_BYTES);
}

static void
pool_free(void)
{
	while (pool_n > 0) {
		char *stack = pool[--pool_n];
		__lsan_unregister_root_region(stack, STACK_BYTES);
		munmap(stack - guard_bytes(), guard_bytes() + STACK_BYTES);
	}
}

/* --- switching --------------------------------------------------------------------------------- */

static void
fiber_entry(void)
{
	__sanitizer_finish_switch_fiber(NULL, &sched.stack_bottom, &sched.stack_size);
	struct fiber *f = sched.current;
	f->fn(f->arg);
	f->ended = true;
	__sanitizer_start_switch_fiber(NULL, sched.stack_bottom, sched.stack_size);
	setcontext(&sched.context);
	abort();
}

static void
fiber_resume(struct fiber *f)
{
	sched.current = f;
	__sanitizer_start_switch_fiber(&sched.fake_stack, f->stack, STACK_BYTES);
	swapcontext(&sched.context, &f->context);
	__sanitizer_finish_switch_fiber(sched.fake_stack, NULL, NULL);
	sched.current = NULL;
	if (!f->ended)
		return;
	list_remove(&f->all);
	sched.live--;
	if (f->daemon)
		sched.daemons--;
	VALGRIND_STACK_DEREGISTER(f->valgrind_id);
	stack_free(f->stack);
	free(f);
}

static void
fiber_yield(void)
{
	struct fiber *f = sched.current;

	__sanitizer_start_switch_fiber(&f->fake_stack, sched.stack_bottom, sched.stack_size);
	swapcontext(&f->context, &sched.context);
	__sanitizer_finish_switch_fiber(f->fake_stack, &sched.stack_bottom, &sched.stack_size);
}

/* --- waiting ----------------------------------------------------------------------------------- */

void
fiber_ready(struct fiber *f)
{
	if (list_empty(&f->ready))
		list_append(&sched.ready, &f->ready);
}

static int64_t
wait_end(const struct fiber *f)
{
	return f->wait_deadline < f->cap ? f->wait_deadline : f->cap;
}

static void
timer_arm(struct fiber *f, int64_t now)
{
	int64_t end = wait_end(f);

	ev_timer_stop(sched.loop, &f->timer);
	if (end == DEADLINE_NEVER)
		return;
	/* libev counts from its cached now, so this can fire early: timer_fired looks at the clock */
	double after = end <= now ? 0.0 : (double)(end - now) / 1000.0;
	ev_timer_set(&f->timer, after, 0.0);
	ev_timer_start(sched.loop, &f->timer);
}

static void
timer_fired(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct fiber *f = timer->data;
	int64_t now = clock_ms();

	(void)loop;
	(void)revents;
	if (now < wait_end(f)) {
		ev_now_update(sched.loop);
		timer_arm(f, now);
		return;
	}
	f->timed_out = true;
	fiber_ready(f);
}

bool
fiber_suspend(int64_t deadline, bool has_watcher)
{
	struct fiber *f = sched.current;

	f->wait_deadline = deadline;
	f->timed_out = false;
	f->waiting = true;
	f->watched = has_watcher || wait_end(f) != DEADLINE_NEVER;
	if (f->watched)
		sched.watching++;
	timer_arm(f, clock_ms());
	fiber_yield();
	ev_timer_stop(sched.loop, &f->timer);
	if (f->watched)
		sched.watching--;
	f->waiting = false;
	return !f->timed_out;
}

/* --- the loop ---------------------------------------------------------------------------------- */

/* Nothing can happen any more, but fibers live: a bug. Say who waits for nobody. */
static void
sched_deadlock(void)
{
	log_error("internal error: %u fibers wait for each other:", sched.live);
	for (struct list *l = sched.all.next; l != &sched.all; l = l->next)
		log_error("  %s", LIST_ITEM(l, struct fiber, all)->name);
	abort();
}

enum which { WORKERS, IDLE_WORKERS, DAEMONS };

static bool
is_which(const struct fiber *f, enum which which)
{
	if (f->joining)
		return false;
	return which == DAEMONS ? f->daemon : !f->daemon && (which == WORKERS || f->idle);
}

static void
caps_lower(int64_t cap, enum which which)
{
	int64_t now = clock_ms();

	for (struct list *l = sched.all.next; l != &sched.all; l = l->next) {
		struct fiber *f = LIST_ITEM(l, struct fiber, all);
		if (!is_which(f, which) || f->cap <= cap)
			continue;
		f->cap = cap;
		if (!f->waiting)
			continue;
		if (!f->watched) {
			f->watched = true;
			sched.watching++;
		}
		timer_arm(f, now);
	}
}

/* Run every fiber that is ready now; what becomes ready meanwhile waits for the next look at the loop. */
static void
run_batch(void)
{
	struct list batch;

	list_init(&batch);
	while (!list_empty(&sched.ready)) {
		struct list *l = sched.ready.next;
		list_remove(l);
		list_append(&batch, l);
	}
	while (!list_empty(&batch)) {
		struct fiber *f = LIST_ITEM(batch.next, struct fiber, ready);
		list_remove(&f->ready);
		fiber_resume(f);
	}
}

static void
sched_loop(void)
{
	for (;;) {
		run_batch();
		if (sched.live == 0)
			return;
		if (sched.live == sched.daemons)
			caps_lower(0, DAEMONS);
		bool idle = list_empty(&sched.ready);
		if (idle && sched.watching == 0)
			sched_deadlock();
		ev_run(sched.loop, idle ? EVRUN_ONCE : EVRUN_NOWAIT);
	}
}

bool
sched_wants_fibers(void)
{
	const char *value = secure_getenv("MXTLS_NO_FIBERS");

	return value == NULL || strcmp(value, "1") != 0;
}

void
sched_run(fiber_fn *fn, void *arg)
{
	struct fail why;

	sched.stop_cap = sched.idle_cap = sched.plain_cap = DEADLINE_NEVER;
	if (!sched_wants_fibers()) {
		fn(arg);
		return;
	}
	list_init(&sched.all);
	list_init(&sched.ready);
	/* never the default loop: it would reap every child of the process */
	sched.loop = ev_loop_new(EVFLAG_NOENV);
	if (sched.loop == NULL) {
		log_error("cannot create an event loop");
		exit(71);
	}
	if (fiber_spawn(fn, arg, "main", DEADLINE_NEVER, &why) != 0) {
		log_error("%s", why.text);
		exit(71);
	}
	sched_loop();
	ev_loop_destroy(sched.loop);
	sched.loop = NULL;
	pool_free();
}

bool
sched_has_fibers(void)
{
	return sched.loop != NULL;
}

void
sched_forked(void)
{
	/* the loop's descriptors belong to the parent: leave them, libev's close would only waste time */
	memset(&sched, 0, sizeof(sched));
	sched.stop_cap = sched.idle_cap = sched.plain_cap = DEADLINE_NEVER;
	pool_n = 0;
}

/* --- fibers ------------------------------------------------------------------------------------ */

static int
run_inline(fiber_fn *fn, void *arg, int64_t cap)
{
	int64_t old = sched.plain_cap;

	if (cap < old)
		sched.plain_cap = cap;
	fn(arg);
	/* a stop that came meanwhile stays in force */
	sched.plain_cap = old < sched.stop_cap ? old : sched.stop_cap;
	return 0;
}

int
fiber_spawn(fiber_fn *fn, void *arg, const char *name, int64_t cap, struct fail *why)
{
	if (sched.loop == NULL)
		return run_inline(fn, arg, cap);
	if (sched.live >= LIMIT_FIBERS)
		return fail_set(why, FAIL_OS, "more than %d sessions at once", LIMIT_FIBERS);
	struct fiber *f = mem_alloc(sizeof(*f));
	f->stack = stack_new();
	if (f->stack == NULL) {
		free(f);
		return fail_errno(why, FAIL_OS, "no memory for another session");
	}
	f->fn = fn;
	f->arg = arg;
	f->name = name;
	f->cap = cap < sched.stop_cap ? cap : sched.stop_cap;
	ev_init(&f->timer, timer_fired);
	f->timer.data = f;
	f->valgrind_id = VALGRIND_STACK_REGISTER(f->stack, (char *)f->stack + STACK_BYTES);
	getcontext(&f->context);
	f->context.uc_stack.ss_sp = f->stack;
	f->context.uc_stack.ss_size = STACK_BYTES;
	f->context.uc_link = NULL;
	makecontext(&f->context, fiber_entry, 0);
	list_append(&sched.all, &f->all);
	list_init(&f->ready);
	fiber_ready(f);
	if (++sched.live > sched.peak)
		sched.peak = sched.live;
	return 0;
}

static int64_t *
cap_here(void)
{
	return sched.current != NULL ? &sched.current->cap : &sched.plain_cap;
}

int64_t
fiber_cap(void)
{
	return *cap_here();
}

int64_t
fiber_cap_lower(int64_t cap)
{
	int64_t *here = cap_here(), old = *here;

	if (cap < old)
		*here = cap;
	return old;
}

void
fiber_cap_restore(int64_t old_cap)
{
	bool daemon = sched.current != NULL && sched.current->daemon;

	/* a stop that came meanwhile stays in force */
	*cap_here() = daemon || old_cap < sched.stop_cap ? old_cap : sched.stop_cap;
}

void
fiber_uncap(void)
{
	*cap_here() = DEADLINE_NEVER;
}

void
fiber_daemon(void)
{
	struct fiber *f = sched.current;

	if (f == NULL || f->daemon)
		return;
	f->daemon = true;
	f->cap = DEADLINE_NEVER;
	sched.daemons++;
}

void
sched_stop(int64_t cap)
{
	if (cap < sched.stop_cap)
		sched.stop_cap = cap;
	if (cap < sched.plain_cap)
		sched.plain_cap = cap;
	if (sched.loop != NULL)
		caps_lower(cap, WORKERS);
}

void
sched_stop_idle(int64_t cap)
{
	if (cap < sched.idle_cap)
		sched.idle_cap = cap;
	if (sched.loop != NULL)
		caps_lower(cap, IDLE_WORKERS);
}

void
fiber_idle(bool idle)
{
	struct fiber *f = sched.current;

	if (f == NULL) {
		sched.plain_idle = idle;
		return;
	}
	if (f->daemon)
		return;
	f->idle = idle;
	if (idle && sched.idle_cap < f->cap)
		f->cap = sched.idle_cap;
}

bool
sched_stopping(void)
{
	return sched.stop_cap != DEADLINE_NEVER;
}

unsigned
sched_live(void)
{
	return sched.live;
}

unsigned
sched_peak(void)
{
	return sched.peak;
}
