#ifndef APP_QUEUE_RUN_IMPL_H
#define APP_QUEUE_RUN_IMPL_H

#include "app/queue/run.h"
#include "base/map.h"
#include "io/gate.h"

/* Private to queue_run*.c. */

/* A message whose recipients have several destinations: ended by the last of them. */
struct queue_shared {
	char id[QUEUE_ID_BYTES];
	unsigned left; /* jobs not over */
};

struct queue_job_message {
	char id[QUEUE_ID_BYTES];
	bool late;                   /* queue_work_is_late */
	bool suspect;                /* somebody died at it: it is tried alone */
	struct queue_shared *shared; /* NULL: it has this destination only */
	size_t *rcpts;
	size_t n;
};

/* What one child is to do: one destination. */
struct queue_job {
	struct queue_run *run;
	struct queue_pass *pass;
	struct queue_job *next;
	struct queue_dest dest;
	const struct rule *rule;
	bool mixed;           /* domains of other rules, too: a smarthost */
	unsigned concurrency; /* the least of its rules; 0: none has one */
	bool dead; /* the destination does not answer: only late messages have to be told */
	struct queue_job_message *v;
	size_t n, cap;
	size_t late_n;
	size_t at; /* in the child: the next message */
};

/* One pass; lives until its last child has ended. */
struct queue_pass {
	struct arena arena;
	struct map jobs; /* by the destination's name */
	struct queue_job *first, *last;
	struct strs finish; /* ids that have to be reported or ended, and nothing else */
	unsigned users;
};

struct queue_run {
	struct queue_run_options *options;
	struct queue_run_counts *counts; /* shared memory */
	struct gate slots;
	unsigned children;
	bool skipped; /* a destination, since it still had a child */
	bool missed;  /* the last pass, since another runner was handing out */
	struct waitq done;
};

/* The child's main; arg: struct queue_job. */
int queue_child_main(void *arg);

/* Report and end one message. */
void queue_run_finish(struct queue_run *run, const char *id);

#endif
