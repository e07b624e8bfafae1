#ifndef CMD_LISTEN_WORKERS_H
#define CMD_LISTEN_WORKERS_H

#include <stdbool.h>

#include "app/listen/listener.h"
#include "app/listen/receive.h"
#include "io/sandbox.h"

/*
 * `listen --workers`: this process binds, reads keys and counts; workers in a sandbox talk with clients.
 * One that dies takes its own sessions with it and is replaced. SIGHUP: the log is opened and the keys are
 * read again, then new workers take over.
 */
struct listen_workers {
	unsigned n;
	const struct user *user; /* whom workers become; NULL: nobody else */
	struct listener *listener;
	struct receiver *receiver;
	struct inbound_stats *stats;
	/* In a worker, before it may not fork any more: helpers. */
	int (*begin)(void *arg, struct fail *why);
	/* In a worker, until it is told to stop: its exit status. */
	int (*serve)(void *arg);
	/* In the supervisor, every 10 seconds (wanted: SIGUSR1): counts are written. */
	void (*status)(void *arg, bool wanted);
	/* In the supervisor: 1 there are new keys, 0 not, -1 with why. */
	int (*reload)(void *arg, bool force, struct fail *why);
	void *arg;
};

/* Serve until told to stop. Fails with OS. */
int listen_workers_run(struct listen_workers *workers, struct fail *why);

/*
 * --self-check: what a worker would be kept from, a line each on stdout. The exit status: 0, 69 when something is
 * not prevented, 71 when the sandbox cannot be entered.
 */
int listen_workers_check(struct listen_workers *workers, struct fail *why);

#endif
