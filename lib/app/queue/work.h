#ifndef APP_QUEUE_WORK_H
#define APP_QUEUE_WORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/queue/dest.h"
#include "app/queue/item.h"
#include "app/send/deliver.h"

/*
 * Work on one message of the queue: try it, write down what became of it, report to its sender, end it.
 * Used by the submitter, who tries at once, and by the children of the runner.
 */
#define QUEUE_LIFETIME_S (5 * 24 * 3600) /* RFC 5321 s4.5.4.1: at least 4 to 5 days */
#define QUEUE_DELAY_NOTICE_S (4 * 3600)
#define QUEUE_KEPT_REPORTS 100 /* undeliverable reports kept in corrupt/ */

struct queue_work {
	struct spool *spool;
	struct deliver_options deliver;     /* delivered and its ctx are ours */
	const char *host;                   /* our name in reports: FQDN or address literal */
	const char *domain;                 /* of MAILER-DAEMON */
	int64_t lifetime_s, delay_notice_s; /* delay_notice_s 0: none */
	bool no_reports;                    /* the submitter tells by itself (-oep) */
	/* Told of each recipient once it is known; NULL: nobody. */
	void (*note)(void *ctx, const struct queue_item *item, const struct deliver_result *r);
	void *note_ctx;
};

/*
 * Deliver to recipients that are locked and pending, and write down each outcome.
 *
 * rcpts      n numbers in the envelope, ascending
 * message    their message, recipients in the same order; NULL: made of the queue file
 * results_r  n elements; strings in arena. With message NULL results_r[i].to dies with this call.
 * deadline   of the attempt
 * Returns 0, also when nothing could be delivered; -1 when the disk refuses to take outcomes: then nobody
 * should go on with this message now. Fails with STORAGE, STORAGE_FULL, QUEUE_FILE.
 */
int queue_work_try(struct queue_work *work, struct queue_item *item, const size_t *rcpts, size_t n,
    const struct message *message, struct deliver_result *results_r, struct arena *arena,
    int64_t deadline, struct fail *why);

/*
 * Whether a message is to be tried although its destination is known not to answer: its time is over, and what stood in
 * the way was a policy, which may be another one now (RFC 8461 s5.1).
 */
bool queue_work_tries_again(
    const struct queue_work *work, const struct queue_item *item, const struct queue_dest *dest);

/*
 * The recipients were not tried because their destination is known not to answer: write that down as if
 * they had been, and expire them when they are too old. Fails as queue_work_try.
 */
int queue_work_defer(struct queue_work *work, struct queue_item *item, const size_t *rcpts,
    size_t n, const struct queue_dest *dest, struct fail *why);

/*
 * The round of this message is over: make the report that is due, the notice of a delay, and end it
 * when nothing is left. report_r: the id of a report that was queued, "" for none; it is locked by nobody. Fails with
 * STORAGE, STORAGE_FULL; then it is done by whoever comes next.
 */
int queue_work_finish(struct queue_work *work, struct queue_item *item,
    char report_r[QUEUE_ID_BYTES], struct fail *why);

/* Whether the notice of a delay is due, or the lifetime over: there is something to tell its sender. */
bool queue_work_is_late(const struct queue_work *work, const struct queue_envelope *envelope,
    const struct queue_journal *journal);

#endif
