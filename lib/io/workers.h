#ifndef IO_WORKERS_H
#define IO_WORKERS_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/fail.h"

#define WORKERS_MAX 64
/* What workers are told beside TERM; other signals than those that a process group gets as a whole. */
#define WORKERS_RETIRE SIGUSR2
#define WORKERS_HURRY SIGALRM
#define WORKERS_KEEP_MAX 12 /* what child_fork can keep, less what a caller may add */

/*
 * A supervisor and its workers: forked before there is work, all alike. One that dies takes only its own
 * work with it and is replaced, slower each time when it dies young. Outside of fibers.
 *
 * INT, TERM: the workers are told to finish (TERM); at a second signal to end at once (WORKERS_HURRY); those that are
 * still there after drain_ms, or at a third, are killed. HUP: reload() prepares what the next workers get; when it succeeds new ones take over and
 * the old ones are told to take no more work (WORKERS_RETIRE), and to finish (TERM) when they still have some
 * after retire_ms; when it fails everything stays.
 */
struct workers {
	unsigned n;       /* 1 to WORKERS_MAX */
	const char *name; /* for the log: "worker" */
	/* In the child, with the descriptors keep_fds[keep_n] beside 0-2; its exit status, 0 for good. */
	int (*work)(void *arg, unsigned number);
	/* In the supervisor; NULL: HUP starts new workers with what there is. */
	int (*reload)(void *arg, struct fail *why);
	/* In the supervisor, after the end of a worker; NULL for none. */
	void (*ended)(void *arg, pid_t pid);
	/* In the supervisor, when read_fd (-1: none) can be read, and once at the end; NULL for none. */
	void (*readable)(void *arg);
	int read_fd;
	/* In the supervisor, once, before its workers are told to finish; NULL for none. */
	void (*stopping)(void *arg);
	/* In the supervisor on USR1; NULL: it is not caught. */
	void (*status)(void *arg);
	/* In the supervisor every tick_ms (0: never); true: as if HUP had come. */
	bool (*tick)(void *arg);
	int64_t tick_ms;
	void *arg;
	int64_t retire_ms, drain_ms;
	int keep_fds[WORKERS_KEEP_MAX];
	size_t keep_n;
};

/*
 * Serve until told to stop; INT, TERM, HUP (and USR1) are caught here. Returns 0 when all workers ended as told, or -1 with
 * why: OS (the first workers could not be started).
 */
int workers_run(struct workers *workers, struct fail *why);

/* In a worker, after it became another user: end when the supervisor dies (TERM; Linux only). */
void workers_follow(void);

#endif
