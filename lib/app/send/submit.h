#ifndef APP_SEND_SUBMIT_H
#define APP_SEND_SUBMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "app/message/message.h"
#include "app/queue/work.h"
#include "app/send/deliver.h"

/*
 * Submission: store, try at once, otherwise keep. submit_store() is the commit: before it nothing was
 * taken over (exit 75 or the status of the failure), after it everything was (DECISIONS E31). The
 * submitter then holds the message's locks, so no runner touches it until the try is over or the
 * process is gone.
 */
enum submit_mode {
	SUBMIT_BACKGROUND, /* -odb: try in a child that outlives us */
	SUBMIT_FOREGROUND, /* -odi: try, and tell the result */
	SUBMIT_QUEUE       /* -odq: leave it to the runner */
};

/* What becomes of a permanent failure in the foreground (-oe). */
enum submit_errors {
	SUBMIT_ERRORS_MAIL,   /* -oem: a report by mail, and the exit status */
	SUBMIT_ERRORS_PRINT,  /* -oep, -oeq: the exit status; no report by mail */
	SUBMIT_ERRORS_MAIL_OK /* -oee: a report by mail, and status 0 */
};

struct submit {
	struct queue_work *work;
	const struct message *message;
	struct queue_envelope envelope;
	struct queue_item item;
	struct deliver_result
	    *results; /* of the foreground; as deliver(); in the message's arena */
};

/*
 * Store message; it must live until submit_end. On success item.id is its id. On failure nothing is
 * stored and nothing is to be ended. Fails as queuefile_commit, with ADDRESS, STORAGE, STORAGE_FULL.
 */
int submit_store(
    struct submit *s, struct queue_work *work, const struct message *message, struct fail *why);

/*
 * Try now, and fill results. Call outside of sched_run. A failure to write outcomes down is logged.
 */
void submit_try(struct submit *s, int64_t deadline_ms);

/*
 * Try in a child with descriptors 0-2 on /dev/null; returns at once. Fails with OS: then the message
 * waits for the runner.
 */
int submit_background(struct submit *s, int64_t deadline_ms, struct fail *why);

/*
 * When the message stays in the queue and nobody has run that for an hour: say so on standard error and
 * in the log, with what to do (DECISIONS E31). submit_background says it by itself.
 */
void submit_warn_no_runner(const struct submit *s);

/* Give the locks back and free. The message stays where it is. */
void submit_end(struct submit *s);

/*
 * Exit status after submit_try: what was kept counts as 0.
 */
int submit_exit(const struct submit *s, enum submit_errors errors);

#endif
