#ifndef APP_QUEUE_ATTEMPT_H
#define APP_QUEUE_ATTEMPT_H

#include <sys/types.h>

#include "app/queue/queuefile.h"

/*
 * Which messages are being worked on, so that one that kills whoever works on it is found out: it is noted before the
 * work begins, and struck out when it ends, well or not. What is left by a process that is gone was in its hands when it
 * died.
 *
 * The file "working" of a spool: blocks of QUEUE_ATTEMPT_BLOCK bytes, one a process, who holds a lock (fcntl, open file description)
 * on its first byte as long as it lives; in it one line "ID PID" for each message in hand, all else is NUL. Nothing of it is
 * synced: a process that dies leaves it to the others all the same, and after a power cut nobody is to blame.
 *
 * What is left in a block that nobody holds is charged to the message's journal (K) by the next pass of a runner. A message that
 * is charged is tried alone from then on, so that it is not blamed for what another did; when it comes through, the charge is
 * dropped (E); with QUEUE_CRASHES_MAX of them it is held, and says why (H).
 */
#define QUEUE_CRASHES_MAX 3
#define QUEUE_ATTEMPT_LINE 32
#define QUEUE_ATTEMPT_BLOCK (QUEUE_ATTEMPTS * QUEUE_ATTEMPT_LINE)

/*
 * Work on the message begins: returns a number for queue_attempt_end. -1: it could not be noted, since the disk is full or there
 * are too many; then it goes on without.
 */
int queue_attempt_begin(struct spool *spool, const char *id);
/* It has ended. -1 is allowed. */
void queue_attempt_end(struct spool *spool, int attempt);

/* Strike out what a child has noted that we killed ourselves: its messages are not to blame. After it is gone. */
void queue_attempts_forgive(struct spool *spool, pid_t pid);
/* Charge what the dead have left. Failures are logged. */
void queue_attempts_charge(struct spool *spool);
/* Of a process that ends: close the file. */
void queue_attempts_close(struct spool *spool);

#endif
