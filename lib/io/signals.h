#ifndef IO_SIGNALS_H
#define IO_SIGNALS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fail.h"

/*
 * Signals reach the program through the loop only (a self-pipe that a fiber reads). SIGPIPE and
 * SIGXFSZ are ignored. INT and TERM: stop; a second one: stop at once; a third: default action
 * (DESIGN 8).
 */

/* Ignore SIGPIPE and SIGXFSZ; open /dev/null on closed descriptors 0, 1, 2. First thing in main. */
void signals_init(void);

/* Catch the signal from now on: it is queued for signals_wait. */
void signals_catch(int signo);
/* Default action again. */
void signals_default(int signo);

/*
 * Wait for the next caught signal: its number, or -1 with TIMEOUT or CANCELLED. One fiber only.
 */
int signals_wait(int64_t deadline, struct fail *why);
/* Readable (IO_READ) when a caught signal waits; for io_wait_many beside other descriptors. */
int signals_fd(void);
/* The next caught signal if one waits, else 0; never waits. */
int signals_next(void);

/*
 * Stop on INT and TERM as DESIGN 8 says: the first lowers all caps to now + grace_ms, the second to
 * now, the third kills. Call inside sched_run; starts a daemon fiber. Without fibers the first
 * signal cancels every wait at once.
 */
void signals_stop_on(int64_t grace_ms);
/*
 * Without fibers, from now on (also in children): a stop cancels only waits between two pieces of work
 * (fiber_idle); whoever waits for signals_fd or ends the process decides about the rest.
 */
void signals_stop_by_hand(void);
/* Whether a wait outside of fibers has to end now. idle: as fiber_idle said. */
bool signals_stop_now(bool idle);
/* After fork in the child: the parent's signals and their pipe are the parent's. */
void signals_forked(void);
/* From now on SIGUSR1 only sets a mark; signals_status_wanted tells it, once for each. */
void signals_status_on(void);
bool signals_status_wanted(void);
/* First INT or TERM that was caught, or 0: decides exit status 130 or 143. */
int signals_stop_seen(void);

#endif
