#ifndef APP_QUEUE_WAKE_H
#define APP_QUEUE_WAKE_H

#include "app/queue/queuefile.h"
#include "base/fail.h"

/*
 * Waking the runner: a FIFO in the spool, "wake". Whoever puts a message there says so; `queue run --loop`
 * looks after its queue at once then, instead of at its next turn. Only a hint: nothing is lost with it. In system mode
 * mxtls-submit may write to it, so any user may say what he likes.
 */
#define SPOOL_WAKE_QUEUE 1    /* something is to be done in q/ */
#define SPOOL_WAKE_INCOMING 2 /* something came into incoming/, or out of it */
#define SPOOL_WAKE_ASKED 4    /* a user asks for a run */

/*
 * Open it, made when missing: non-blocking, for both sides. Returns a descriptor, or -1. Fails with STORAGE, PERMISSION (not
 * ours).
 */
int spool_wake_open(const struct spool *s, struct fail *why);

/* Say one of the above. fd -1 is allowed. Never waits. */
void spool_wake(int fd, unsigned call);

/* All that was said so far, as bits. Never waits. */
unsigned spool_wake_take(int fd);

#endif
