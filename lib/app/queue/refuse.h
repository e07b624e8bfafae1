#ifndef APP_QUEUE_REFUSE_H
#define APP_QUEUE_REFUSE_H

#include "app/queue/work.h"

/*
 * A message that was taken over, and turns out to be none that can be sent: report that to its sender. Nothing is left
 * of it but the report, which is in the queue when this returns 0; for the null sender there is none.
 *
 * envelope   its recipients are all refused; id and time are filled when they are empty
 * fd         the text, lines ended by LF or CR LF, from where it stands
 * Fails with STORAGE, STORAGE_FULL, and as queuefile_create.
 */
int queue_refuse(struct queue_work *work, struct queue_envelope *envelope, int fd,
    const struct fail *reason, struct fail *why);

#endif
