#ifndef APP_LISTEN_LISTENER_H
#define APP_LISTEN_LISTENER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/exclude.h"
#include "app/listen/address.h"
#include "app/listen/caps.h"
#include "app/listen/receive.h"

/*
 * The accept loop of `listen`: connections within their caps become sessions, each in a fiber, or,
 * without fibers, in a child process. TERM and INT drain: no new connection, idle sessions get 421, those in
 * a transaction may finish within drain_ms; a second one ends them at once. A worker (io/workers.h) is told by its
 * supervisor: WORKERS_RETIRE, WORKERS_HURRY; further TERMs mean nothing to it.
 */
enum listener_look { LISTENER_TIME, LISTENER_HANGUP, LISTENER_STATUS };

struct listener {
	struct listener_address {
		int fd;
		const struct smtp_server_config *config;
	} at[LISTEN_ADDRESSES];
	size_t n;
	struct receiver *receiver;
	const struct exclude *allow; /* networks of clients that are served; NULL: all */
	struct listen_caps *caps;    /* counts the connections of all processes that serve */
	unsigned max_connections, max_per_network; /* a network: an IPv4 address or an IPv6 /64 */
	unsigned
	    max_per_minute; /* of a network, but loopback and those that may relay; 0: no limit */
	int64_t drain_ms;
	bool supervised; /* this process is a worker */
	/* every 10 seconds, and at once on SIGHUP and SIGUSR1: look what changed or is due. May be NULL */
	void (*look)(void *ctx, enum listener_look what);
	void *look_ctx;

	/* private */
	bool busy; /* more than 80 % of max_connections are open: for smtp_server_config.busy */
	int64_t look_at; /* when the next look is due */
	int reserve_fd;  /* given up for a moment when descriptors run out */
	uint64_t accepted, refused;
};

/*
 * Serve until told to stop; inside sched_run, with TERM and INT caught (signals_catch). Closes the
 * listening sockets. Returns 0, or -1 with why when waiting itself fails (OS).
 */
int listener_run(struct listener *l, struct fail *why);

#endif
