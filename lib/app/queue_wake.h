#ifndef APP_QUEUE_WAKE_H
#define APP_QUEUE_WAKE_H

#include "app/queuefile.h"
#include "base/fail.h"

/*
 * Waking the runner: a FIFO in the spool, "wake". Whoever puts a message there says so; `queue run --loop`
 * looks after its queue at once then, instead of at its next turn. Only a hint: nothing is lost with it.
 */

/* Open it, made when missing: non-blocking, for both sides. Returns a descriptor, or -1 with STORAGE. */
int spool_wake_open(const struct spool *s, struct fail *why);

/* Say that there is something. fd -1 is allowed. Never waits. */
void spool_wake(int fd);

/* Forget what was said so far. Never waits. */
void spool_wake_drain(int fd);

#endif
