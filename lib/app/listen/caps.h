#ifndef APP_LISTEN_CAPS_H
#define APP_LISTEN_CAPS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "io/addr.h"

/*
 * How many connections are open, in all and of one network (an IPv4 address, an IPv6 /64), over all
 * processes that accept them: a table in memory that they share. Each process counts in a row of its
 * own, so that the counts of one that dies can be taken away. Networks are told apart by a keyed hash
 * of 16384 values: two that fall together share a cap, and nobody can choose that.
 */
#define LISTEN_CAPS_ROWS 128
#define LISTEN_CAPS_SLOTS 16384

/*
 * And how many came within a minute, of each network, in a table that outlives the processes: the minute that runs, and
 * of the one before the part that is not over for a minute yet.
 */
struct listen_caps;

/* Before the first fork. Never fails but for want of memory, which ends the process. */
struct listen_caps *listen_caps_new(void);
void listen_caps_free(struct listen_caps *caps);

/* Take a row for this process; once in each that calls the functions below. False when no row is free. */
bool listen_caps_join(struct listen_caps *caps);
/* That process has ended: its connections are closed. */
void listen_caps_forget(struct listen_caps *caps, pid_t pid);

enum listen_cap { LISTEN_CAP_NONE, LISTEN_CAP_ALL, LISTEN_CAP_NETWORK, LISTEN_CAP_RATE };
/* Count a connection in, or tell which cap is reached. *slot_r: for listen_caps_leave. */
enum listen_cap listen_caps_enter(struct listen_caps *caps, const struct addr *peer,
    unsigned max_all, unsigned max_network, unsigned *slot_r);
void listen_caps_leave(struct listen_caps *caps, unsigned slot);

/*
 * One more connection of this network in the minute until now_ms (monotonic), or RATE, which counts none: max_minute are
 * there already. At most LISTEN_CAPS_MINUTE_MAX can be told apart.
 */
#define LISTEN_CAPS_MINUTE_MAX 65535
enum listen_cap listen_caps_rate(
    struct listen_caps *caps, const struct addr *peer, unsigned max_minute, int64_t now_ms);

/* Open connections: of all processes, of this one. */
unsigned listen_caps_open(const struct listen_caps *caps);
unsigned listen_caps_own(const struct listen_caps *caps);

#endif
