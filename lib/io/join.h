#ifndef IO_JOIN_H
#define IO_JOIN_H

#include <stdint.h>

#include "base/map.h"
#include "io/io.h"

/*
 * Shared work: many fibers that want the same thing (one DNS name, one server) start it once and
 * wait for it together. The job runs in a fiber of its own under its own deadline; waiters have
 * theirs; a waiter that gives up never cancels the job. Results are immutable and counted.
 *
 * A job lives as long as somebody holds it (join_release); while it is in the table it can be
 * joined. Whether finished results stay in the table is the owner's choice (join_forget).
 */
struct join_table {
	struct map jobs;
};

struct join_job {
	char *key; /* owned */
	size_t key_len;
	struct join_table *table; /* NULL once forgotten */
	int refs;
	bool done;
	void *result; /* set by the job's function before it returns; then constant */
	void (*result_free)(void *result); /* called with the last release; may be NULL */
	void *arg;                         /* for the function */
	void (*fn)(struct join_job *job);
	struct waitq waiting;
	int64_t cap;
};

void join_table_init(struct join_table *t);
/* Forget all; jobs in flight go on and free themselves with their last reference. */
void join_table_free(struct join_table *t);

/*
 * The job of this key, started when there is none: fn(job) runs in its own fiber (cap: its
 * deadline) and sets job->result and job->result_free. arg is given to a new job only; *started_r tells
 * whether it was (so that the caller knows who owns arg). Returns a counted reference, to be
 * released with join_release, or NULL with why (OS).
 */
struct join_job *join_start(struct join_table *t, struct slice key, void (*fn)(struct join_job *),
    void *arg, int64_t cap, bool *started_r, struct fail *why);

/* Wait until it is done: 0, or -1 with TIMEOUT or CANCELLED. */
int join_wait(struct join_job *job, int64_t deadline, struct fail *why);

/* Take the job out of the table, so that the next one asks anew. */
void join_forget(struct join_job *job);
void join_release(struct join_job *job);

#endif
