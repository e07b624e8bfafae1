#ifndef APP_QUEUE_DEST_H
#define APP_QUEUE_DEST_H

#include <stdbool.h>
#include <stdint.h>

#include "app/queue/queuefile.h"
#include "app/send/deliver.h"
#include "base/limits.h"

/*
 * Destinations of the queue: a next hop, named by the domain, or by the smarthost. dest/NAME is there while
 * somebody tries it (flock), and while it is known not to answer: then it says since when, why, and
 * when it is tried again. Losing such a file costs one attempt, so none is synced.
 */
#define QUEUE_DEST_BYTES 256

/* All mail for users of this host, where it says how that is delivered. */
#define QUEUE_DEST_LOCAL "local:"

/* The destination of a recipient's domain under a policy, as a file name. */
void queue_dest_name(
    const struct deliver_options *options, const char *domain, char out[QUEUE_DEST_BYTES]);

struct queue_dest {
	int fd; /* -1: not locked */
	char name[QUEUE_DEST_BYTES];
	/* it does not answer; tries 0: nothing is known against it */
	unsigned tries;
	int64_t since, next; /* Unix seconds */
	char enhanced[16], host[LIMIT_DOMAIN_BYTES + 1], text[LIMIT_JOURNAL_TEXT_BYTES + 1];
};

/* What is known of it, without a lock. */
void queue_dest_read(const struct spool *spool, const char *name, struct queue_dest *d_r);

/*
 * 1: locked and read; 0: somebody else tries it; -1. Where the disk has no room for the file it is not locked (fd -1) and 1: others may
 * try it as well, other messages, and nothing is remembered against it. Fails with STORAGE.
 */
int queue_dest_lock(
    const struct spool *spool, const char *name, struct queue_dest *d_r, struct fail *why);

/* Whether an outcome is about the destination, so that no other message would fare better now. */
bool queue_dest_is_to_blame(const struct deliver_result *r);
/* It did not answer: remember that, and when to try again. */
void
queue_dest_failed(const struct spool *spool, struct queue_dest *d, const struct deliver_result *r);
/* It answered. */
void queue_dest_answered(struct queue_dest *d);
/* End the lock, and the file when nothing is known against it. */
void queue_dest_close(const struct spool *spool, struct queue_dest *d);

#endif
