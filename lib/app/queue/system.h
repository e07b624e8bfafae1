#ifndef APP_QUEUE_SYSTEM_H
#define APP_QUEUE_SYSTEM_H

#include <stdbool.h>
#include <sys/types.h>

#include "app/queue/system_paths.h"
#include "base/fail.h"

/*
 * System mode (DECISIONS A1, A2): one queue for a host, at SYSTEM_SPOOL, owned by a user of its own. It is there when
 * that spool has its incoming/, and then it is meant by its owner and by root: settings come from SYSTEM_CONFIG alone, and what is remembered is in
 * SYSTEM_STATE. For everybody else, and on hosts without, all stays in the user's own directories.
 *
 * Root never works on that queue as root: it becomes the owner before it opens anything of it. Only a runner keeps the
 * way back, and takes it in the child that becomes the user whose mailbox it writes to.
 */

/* Whether this process works for the system. Looked up once. */
bool system_mode(void);
/* It does, whoever runs it: mxtls as mxtls-submit starts it. */
void system_mode_set(void);

/*
 * Before anything of a queue is opened. path: the spool, NULL: the default one. As root, and where the spool is of system mode and
 * another's: become its owner, with his groups; keep_root: with the way back. Fails with OS, PERMISSION.
 */
int system_enter(const char *path, bool keep_root, struct fail *why);

/* PREFIX/libexec/mxtls-submit of this PREFIX/bin/mxtls, in arena; NULL: unknown. */
struct arena;
char *system_submit_path(struct arena *arena);

/* There is a way back to root. */
bool system_has_root(void);
/* Take it, for a few system calls that do not wait; then go again. Fails with OS. */
int system_raise(struct fail *why);
void system_lower(void);
/* Whether system_drop took it from this process. */
bool system_gave_up_root(void);
/* No way back any more; nothing when there was none. Ends the process when it cannot be done. */
void system_drop(void);

#endif
