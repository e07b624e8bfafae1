#ifndef APP_SEND_THROTTLE_H
#define APP_SEND_THROTTLE_H

#include <stdint.h>

#include "base/fail.h"
#include "policy/rules.h"

/*
 * concurrency= and rate= of a policy, over all processes of one user: files in a folder of his own. A place is
 * a lock (flock), so nothing is left behind by a process that was killed; the pace of a rate is a time in a
 * file, and a lost file costs nothing but that. Rules are told apart by file and line.
 *
 * dir: NULL fails with CONFIG where the rule has a limit, since it could not be kept.
 */

/*
 * Take a place: the lock's descriptor, or -1 for a rule without concurrency=. Waits until one is free. Returns 0, or
 * -1 with TIMEOUT, CANCELLED, STORAGE, CONFIG.
 */
int throttle_enter(
    const char *dir, const struct rule *rule, int *fd_r, int64_t deadline, struct fail *why);
/* -1 is allowed. */
void throttle_leave(int fd);

/* Wait for one more connection of a rule with rate=. Fails as throttle_enter. */
int throttle_pace(const char *dir, const struct rule *rule, int64_t deadline, struct fail *why);

/*
 * Pure: when the next connection may be made, ms of any clock: now or later. *due_inout is what the file holds: when
 * the connections made so far are paid for. It is changed only when the result is now.
 */
int64_t throttle_next(int64_t *due_inout, unsigned rate, int64_t rate_ms, int64_t now_ms);

#endif
