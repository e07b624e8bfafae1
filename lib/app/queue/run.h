#ifndef APP_QUEUE_RUN_H
#define APP_QUEUE_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "app/queue/work.h"
#include "base/arena.h"
#include "io/io.h"

/*
 * The runner of the queue. A pass looks at every message, sorts what is due by destination, and gives
 * each destination to a child of its own (DESIGN 8), QUEUE_CHILDREN of them at once; one that does not
 * come to an end soon no longer counts, so that dead destinations hold up nobody. A child tries one
 * message; when the destination answers, some more at once; when it does not, the others
 * wait with it (app/queue/dest.h).
 *
 * Any number of runners may work on one queue. While one is handing out, others that come find that
 * all is taken care of and return; a destination that a child of another has in hand is left to it; a
 * recipient is tried by whoever holds its lock (app/queue/item.h).
 */
#define QUEUE_CHILDREN 20 /* destinations at once, of those that began less than a minute ago */
#define QUEUE_CHILDREN_MAX 200 /* destinations at once, in all */
#define QUEUE_SLOW_MS 60000
#define QUEUE_PER_DESTINATION 10    /* messages at once to one destination */
#define QUEUE_CHILD_MS (60 * 60000) /* a child begins no message after that */

struct queue_run_options {
	struct queue_work work;
	bool all;           /* also what is not due yet */
	int64_t attempt_ms; /* for one message */
	/* only these messages; NULL and empty: all */
	struct strs ids;
	const char *sender_part, *recipient_part;
	/*
	 * Wakes whoever runs the passes (app/queue/wake.h), -1: nobody. A pass leaves a destination alone that
	 * still has its child; when that one ends, what came meanwhile deserves a pass.
	 */
	int wake;
};

/* What happened; of all children together. */
struct queue_run_counts {
	uint64_t delivered, deferred, failed; /* recipients */
	uint64_t reports;                     /* made */
	uint64_t errors;                      /* of the disk, or children that died */
};

struct queue_run;

/* Inside sched_run. options and what it points to must live until queue_run_free. Fails with OS. */
struct queue_run *queue_run_new(struct queue_run_options *options, struct fail *why);

/*
 * One pass: returns when everything that is due has its child, which may be at work for long. after:
 * only messages with later ids; NULL: all. Returns 1, 0 when another runner is handing out, or -1. Fails
 * with STORAGE, STORAGE_FULL, CANCELLED.
 */
int queue_run_pass(struct queue_run *run, const char *after, struct fail *why);
/* Whether something was left to another process, whose end nobody here is told of: look again in a while. */
bool queue_run_wants_more(const struct queue_run *run);

/* Wait for all children; a stop is passed on to them. */
void queue_run_wait(struct queue_run *run);

const struct queue_run_counts *queue_run_counts(const struct queue_run *run);
/* After queue_run_wait. */
void queue_run_free(struct queue_run *run);

#endif
