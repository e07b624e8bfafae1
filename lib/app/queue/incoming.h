#ifndef APP_QUEUE_INCOMING_H
#define APP_QUEUE_INCOMING_H

#include "app/queue/queuefile.h"
#include "app/queue/submission.h"
#include "app/store/tempfile.h"
#include "base/arena.h"

/*
 * incoming/ of a spool in system mode: what mxtls-submit put there for its callers (app/queue/submission.h). Nothing in it is
 * trusted: whoever found a hole in that program may put there whatever he likes. A file counts when it is a regular one with
 * one name, not too big, whole by its trailer, and its owner is the user that it names. It is read once, into memory of ours, and all
 * that is done afterwards is done with the copy. Blocks on the disk: in children only, but for incoming_names.
 */

/* Ids of submissions, oldest first, at most LIMIT_INCOMING; replies_r: of those that somebody waits for. Fails with STORAGE. */
int incoming_names(const struct spool *spool, struct arena *arena, struct strs *plain_r,
    struct strs *replies_r, struct fail *why);

struct incoming {
	struct submission submission; /* strings in arena */
	struct tempfile text;
	int fd; /* of the file: locked, so that nobody else takes it */
	struct arena arena;
};

/*
 * Read one. Fails with NO_INPUT (gone, or another has it), QUEUE_FILE (incoming_set_aside it), STORAGE, STORAGE_FULL,
 * CANT_CREATE; then there is nothing to close.
 */
int
incoming_open(const struct spool *spool, const char *id, struct incoming *in_r, struct fail *why);
void incoming_close(struct incoming *in);

/* It is in q/ now, or answered. incoming_sync makes that durable, for all that were unlinked. */
void incoming_unlink(const struct spool *spool, const char *id);
void incoming_sync(const struct spool *spool);

/* Out of the way: to corrupt/, or unlinked when it is no file of its own. Logged. */
void incoming_set_aside(const struct spool *spool, const char *id, const struct fail *why);

/* For writing to whoever waits for the answer: a FIFO of the same owner that somebody reads. -1: nobody. Never blocks. */
int incoming_reply_open(const struct spool *spool, const struct submission *s);

/* Unlink what was left by submitters that died, older than STORAGE_STALE_SECONDS. */
void incoming_sweep(const struct spool *spool);

#endif
