#ifndef BENCH_BARRIER_H
#define BENCH_BARRIER_H

#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "io/io.h"

/*
 * Fibers that wait until all of them are here, again and again. With hold the first opening says
 * "NAME COUNT" on stdout and waits for a byte, or the end, of stdin: the moment at which memory is
 * measured from outside.
 */
struct barrier {
	const char *name;
	unsigned needed, arrived;
	bool hold;
	struct waitq waiting;
};

static inline void
barrier_init(struct barrier *b, const char *name, unsigned needed, bool hold)
{
	*b = (struct barrier){ .name = name, .needed = needed, .hold = hold };
	waitq_init(&b->waiting);
}

static inline void
barrier_open(struct barrier *b, int64_t deadline)
{
	char byte;

	if (b->hold) {
		b->hold = false;
		printf("%s %u\n", b->name, b->arrived);
		fflush(stdout);
		if (io_wait(STDIN_FILENO, IO_READ, deadline, NULL) == 0 &&
		    read(STDIN_FILENO, &byte, 1) < 0)
			perror("stdin");
	}
	b->arrived = 0;
	io_wake(&b->waiting, -1);
}

/* 0, or -1 with TIMEOUT when the others do not come. */
static inline int
barrier_wait(struct barrier *b, int64_t deadline, struct fail *why)
{
	if (++b->arrived >= b->needed) {
		barrier_open(b, deadline);
		return 0;
	}
	if (io_park(&b->waiting, deadline, why) == 0)
		return 0;
	b->arrived--;
	return -1;
}

/* One that will not come: the others go on without. */
static inline void
barrier_leave(struct barrier *b, int64_t deadline)
{
	if (--b->needed > 0 && b->arrived >= b->needed)
		barrier_open(b, deadline);
}

#endif
