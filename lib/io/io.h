#ifndef IO_IO_H
#define IO_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fail.h"
#include "base/list.h"

/*
 * The only place that waits. Inside a fiber these calls yield to the event loop; outside of one
 * they block in poll(2), so the same protocol code runs in ten thousand fibers, in a unit test and
 * in a fuzzer. A function may wait if and only if it takes a deadline: absolute milliseconds on
 * the monotonic clock (base/clock.h), DEADLINE_NEVER for none. Inside a fiber the wait ends at
 * min(deadline, the fiber's cap); a cap in the past is cancellation.
 *
 * Every wait may let other fibers run: what was looked at before it and is shared must be looked
 * at again after it.
 */

#define IO_READ 1
#define IO_WRITE 2

#define IO_WAIT_MAX 8

struct io_fd {
	int fd;
	short events;  /* IO_READ, IO_WRITE or both */
	short revents; /* filled: which of them, errors and hang-ups count as ready */
};

/*
 * Wait until one of n (0 to IO_WAIT_MAX) descriptors is ready or the deadline passes.
 * Returns the number of ready descriptors (>= 1), or -1 with why set.
 * Fails with TIMEOUT (deadline), CANCELLED (the fiber's cap), OS.
 */
int io_wait_many(struct io_fd *fds, size_t n, int64_t deadline, struct fail *why);

/* One descriptor: 0 when ready, else -1 as above. */
int io_wait(int fd, short events, int64_t deadline, struct fail *why);

/* Sleep until the deadline: 0 when it is reached, -1 with CANCELLED. */
int io_sleep(int64_t deadline, struct fail *why);

/*
 * Give other fibers their turn, and come back whether or not anything happened. 0, or -1 with TIMEOUT
 * (the deadline has passed) or CANCELLED. For loops that would run on for as long as a peer likes.
 */
int io_yield(int64_t deadline, struct fail *why);

/*
 * Waiting for other fibers. A waitq is a queue of parked fibers, first in, first out. Outside of
 * a fiber there is nobody who could wake us: io_park fails at once with INTERNAL.
 */
struct waitq {
	struct list waiters;
};

void waitq_init(struct waitq *q);
bool waitq_empty(const struct waitq *q);

/* Park until woken: 0, or -1 with TIMEOUT or CANCELLED (then we are no longer in the queue). */
int io_park(struct waitq *q, int64_t deadline, struct fail *why);

/*
 * Wait until *running is 0; whoever lowers it calls io_wake(q, 1). Not cancelled and without deadline:
 * for a fiber whose memory its children use, and who end by their own deadlines and caps. Outside of
 * fibers children have ended before they were waited for.
 */
void io_join(struct waitq *q, const unsigned *running);

/* Wake the first n waiters (n < 0: all). They run after the caller yields. Returns how many. */
int io_wake(struct waitq *q, int n);

#endif
