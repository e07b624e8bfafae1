#ifndef QUEUE_INTAKE_H
#define QUEUE_INTAKE_H

#include <stdint.h>

#include "app/queue/run.h"
#include "queue.h"

/*
 * The runner's side of system mode (DECISIONS A1): submissions come out of incoming/ into q/. One child
 * takes in all that nobody waits for, as fast as the disk does; whoever waits (-odi, -v, mailq) gets a child of his
 * own, up to INTAKE_WAITED of them. They read what strangers wrote, so they have no way back to root. A child that dies leaves the
 * submission that it had in hand in corrupt/, and the others to the next.
 */
#define INTAKE_WAITED 20

struct intake;

/*
 * Inside sched_run. NULL with why when it cannot be: CONFIG (mxtls.conf), OS, STORAGE. q, its spool, and route must
 * outlive it. wake: of the runner, -1 for one that does not stay.
 */
struct intake *intake_new(struct queue_command *q, struct route *route, int wake, struct fail *why);
void intake_free(struct intake *in);

/*
 * Take in what is there. after_r: a string that is less than the ids of all that came into q/ and was not tried, "" when
 * nothing did: for queue_run_pass. Fails with STORAGE, OS, CANCELLED: the rest is for the next time.
 */
int intake_take(struct intake *in, char after_r[QUEUE_ID_BYTES], struct fail *why);

/* Wait for those who are waited for. */
void intake_join(struct intake *in);

#endif
