#ifndef SUBMIT_H
#define SUBMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "app/queue/submission.h"

/*
 * mxtls-submit: in system mode the program behind sendmail (DECISIONS A1). It runs with the group of the spool and
 * may do one thing with it: put files into incoming/. It opens no socket, runs no command but mxtls, and that without
 * the group, reads no configuration, no secret, no user database, and opens no file that its caller names. All that needs these is
 * the runner's, who trusts nothing that lies in incoming/.
 */

/* The open spool, and the file on its way. */
struct submit_spool {
	int root, incoming;
	char tmp_name[4 + QUEUE_ID_BYTES];   /* "": none is there */
	char reply_name[6 + QUEUE_ID_BYTES]; /* likewise */
	int reply;                           /* read end of the FIFO; -1: none */
};

enum submit_runner { SUBMIT_RUNNER_AWAKE, SUBMIT_RUNNER_ABSENT };

/* A stop was asked for: before the commit that is status 75, and nothing is stored. */
extern volatile int submit_stopped;

/* main.c: "NAME: text" on standard error; returns the exit status. */
int submit_fail(const struct fail *why);

/* store.c. Fails with PERMISSION (not setgid, or no spool), CANT_CREATE. */
int submit_spool_open(struct submit_spool *s, struct fail *why);
/* Take away what has no use any more: the file that was not committed, the FIFO. */
void submit_spool_close(struct submit_spool *s);
/* The FIFO for the answer. Fails with STORAGE, STORAGE_FULL. */
int submit_reply_make(struct submit_spool *s, const char *id, struct fail *why);
/*
 * Put the submission into incoming/, with the message on standard input as its text (kind SEND); durable when it returns 0.
 * Fills id and time. Fails with NO_RECIPIENT, ADDRESS, MESSAGE_TOO_BIG, USAGE, NO_INPUT, QUEUE_FULL, STORAGE, STORAGE_FULL, CANCELLED.
 */
int
submit_store(struct submit_spool *spool, struct submission *s, bool ignore_dots, struct fail *why);

/*
 * room.c. Whether a message of so many bytes (0: not known yet) may be put there: not too many wait for the runner, of all and of
 * our caller, and the disk keeps some room. Users that ask at once may each get the last place. Fails with QUEUE_FULL.
 */
int submit_room(const struct submit_spool *s, int64_t bytes, struct fail *why);

/* ask.c. Tell the runner that there is something (SYSTEM_WAKE_*); 0: only look whether it is there. */
enum submit_runner submit_wake(const struct submit_spool *s, char what);
/* Copy the answer to fd, for at most timeout_ms; its status, or -1 when none came. */
int submit_wait(const struct submit_spool *s, int fd, int64_t timeout_ms);
/* Nobody runs the queue, and has not for an hour: say so (DECISIONS E31). */
void submit_warn_no_runner(const struct submit_spool *s, const char *id);

#endif
