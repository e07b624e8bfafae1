#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <time.h>

#include "base/clock.h"
#include "io/fiber.h"
#include "io/io.h"
#include "io/signals.h"

static int64_t
earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* The reason why a wait ended without result: the cap is looked at first. */
static int
wait_failed(struct fail *why)
{
	if (fiber_cap() <= clock_ms())
		return fail_set(why, FAIL_CANCELLED, NULL);
	return fail_set(why, FAIL_TIMEOUT, NULL);
}

/* --- outside of fibers -------------------------------------------------------------------------- */

/* mask: the signals that are blocked while it waits, NULL for those that are now. */
static int
poll_once(struct io_fd *fds, size_t n, int timeout_ms, const sigset_t *mask)
{
	struct pollfd p[IO_WAIT_MAX];
	struct timespec left = { timeout_ms / 1000, timeout_ms % 1000 * 1000000L };

	for (size_t i = 0; i < n; i++) {
		p[i].fd = fds[i].fd;
		p[i].events = (short)((fds[i].events & IO_READ ? POLLIN : 0) |
				      (fds[i].events & IO_WRITE ? POLLOUT : 0));
		p[i].revents = 0;
	}
	int ready = ppoll(p, (nfds_t)n, timeout_ms < 0 ? NULL : &left, mask);
	for (size_t i = 0; i < n; i++) {
		fds[i].revents = 0;
		if (p[i].revents & POLLIN)
			fds[i].revents |= IO_READ;
		if (p[i].revents & POLLOUT)
			fds[i].revents |= IO_WRITE;
		/* let the next read or write find out what the error is */
		if (p[i].revents & ~(POLLIN | POLLOUT))
			fds[i].revents = fds[i].events;
	}
	return ready;
}

static int
wait_unblocked(
    struct io_fd *fds, size_t n, int64_t deadline, const sigset_t *mask, struct fail *why)
{
	for (;;) {
		int64_t now = clock_ms(), end = earlier(deadline, fiber_cap());
		int64_t left = end == DEADLINE_NEVER ? -1 : end - now;
		if (signals_stop_now(sched.plain_idle))
			sched_stop(now);
		if (fiber_cap() <= now)
			return wait_failed(why);
		if (end != DEADLINE_NEVER && left < 0)
			left = 0;
		int ready = poll_once(
		    fds, n, left > 60000 || left < 0 ? (left < 0 ? -1 : 60000) : (int)left, mask);
		if (ready > 0)
			return ready;
		if (ready < 0 && errno != EINTR && errno != EAGAIN)
			return fail_errno(why, FAIL_OS, "poll");
		if (end != DEADLINE_NEVER && clock_ms() >= end)
			return wait_failed(why);
	}
}

/* A stop that comes between the look at it and poll(2) must end the wait, too: it is let in there. */
static int
wait_blocking(struct io_fd *fds, size_t n, int64_t deadline, struct fail *why)
{
	sigset_t stops, before;

	sigemptyset(&stops);
	sigaddset(&stops, SIGINT);
	sigaddset(&stops, SIGTERM);
	sigprocmask(SIG_BLOCK, &stops, &before);
	int ready = wait_unblocked(fds, n, deadline, &before, why);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return ready;
}

/* --- inside a fiber ------------------------------------------------------------------------------ */

struct fiber_io {
	ev_io io; /* first: io_fired casts back */
	struct io_fd *fd;
	struct fiber *fiber;
};

static void
io_fired(struct ev_loop *loop, ev_io *io, int revents)
{
	struct fiber_io *w = (struct fiber_io *)(void *)io;

	(void)loop;
	w->fd->revents =
	    (short)((revents & EV_READ ? IO_READ : 0) | (revents & EV_WRITE ? IO_WRITE : 0));
	if (revents & EV_ERROR)
		w->fd->revents = w->fd->events;
	/* called once per descriptor; the fiber is made ready once */
	fiber_ready(w->fiber);
}

static int
wait_fiber(struct io_fd *fds, size_t n, int64_t deadline, struct fail *why)
{
	struct fiber_io ios[IO_WAIT_MAX];
	struct fiber *self = sched.current;
	int ready = 0;

	for (size_t i = 0; i < n; i++) {
		fds[i].revents = 0;
		ev_io_init(&ios[i].io, io_fired, fds[i].fd,
		    (fds[i].events & IO_READ ? EV_READ : 0) |
			(fds[i].events & IO_WRITE ? EV_WRITE : 0));
		ios[i].fd = &fds[i];
		ios[i].fiber = self;
		ev_io_start(sched.loop, &ios[i].io);
	}
	fiber_suspend(deadline, n > 0);
	for (size_t i = 0; i < n; i++) {
		ev_io_stop(sched.loop, &ios[i].io);
		if (fds[i].revents != 0)
			ready++;
	}
	return ready > 0 ? ready : wait_failed(why);
}

int
io_wait_many(struct io_fd *fds, size_t n, int64_t deadline, struct fail *why)
{
	int64_t now = clock_ms();

	if (n > IO_WAIT_MAX)
		return fail_set(why, FAIL_INTERNAL, "io_wait_many: %zu descriptors", n);
	/* a cap in the past is cancellation: clean-up never waits */
	if (fiber_cap() <= now)
		return fail_set(why, FAIL_CANCELLED, NULL);
	if (sched.current == NULL)
		return wait_blocking(fds, n, deadline, why);
	if (deadline <= now) {
		int ready = n == 0 ? 0 : poll_once(fds, n, 0, NULL);
		return ready > 0 ? ready : wait_failed(why);
	}
	return wait_fiber(fds, n, deadline, why);
}

int
io_wait(int fd, short events, int64_t deadline, struct fail *why)
{
	struct io_fd one = { fd, events, 0 };

	return io_wait_many(&one, 1, deadline, why) < 0 ? -1 : 0;
}

int
io_sleep(int64_t deadline, struct fail *why)
{
	struct fail reason;

	io_wait_many(NULL, 0, deadline, &reason);
	if (reason.code == FAIL_TIMEOUT)
		return 0;
	if (why != NULL)
		*why = reason;
	return -1;
}

int
io_yield(int64_t deadline, struct fail *why)
{
	int64_t now = clock_ms();

	if (sched.current == NULL && signals_stop_now(sched.plain_idle))
		sched_stop(now);
	if (fiber_cap() <= now || deadline <= now)
		return wait_failed(why);
	if (sched.current == NULL)
		return 0;
	fiber_ready(sched.current);
	fiber_suspend(DEADLINE_NEVER, true);
	return 0;
}

/* --- waiting for other fibers --------------------------------------------------------------------- */

struct waiter {
	struct list link;
	struct fiber *fiber;
	bool woken;
};

void
waitq_init(struct waitq *q)
{
	list_init(&q->waiters);
}

bool
waitq_empty(const struct waitq *q)
{
	return list_empty(&q->waiters);
}

int
io_park(struct waitq *q, int64_t deadline, struct fail *why)
{
	struct waiter self = { .fiber = sched.current, .woken = false };

	if (sched.current == NULL)
		return fail_set(why, FAIL_INTERNAL, "io_park outside of a fiber");
	if (fiber_cap() <= clock_ms())
		return fail_set(why, FAIL_CANCELLED, NULL);
	list_append(&q->waiters, &self.link);
	fiber_suspend(deadline, false);
	/* woken and out of time at once: what was handed over must not be lost */
	if (self.woken)
		return 0;
	list_remove(&self.link);
	return wait_failed(why);
}

void
io_join(struct waitq *q, const unsigned *running)
{
	struct fiber *self = sched.current;

	if (self == NULL)
		return;
	int64_t cap = self->cap;
	self->joining = true;
	self->cap = DEADLINE_NEVER;
	while (*running > 0)
		io_park(q, DEADLINE_NEVER, NULL);
	self->joining = false;
	fiber_cap_restore(cap);
}

int
io_wake(struct waitq *q, int n)
{
	int woken = 0;

	while (!list_empty(&q->waiters) && (n < 0 || woken < n)) {
		struct waiter *w = LIST_ITEM(q->waiters.next, struct waiter, link);
		list_remove(&w->link);
		w->woken = true;
		fiber_ready(w->fiber);
		woken++;
	}
	return woken;
}
