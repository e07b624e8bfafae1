#ifndef APP_QUEUE_ROOM_H
#define APP_QUEUE_ROOM_H

#include <stdbool.h>
#include <stdint.h>

#include "app/queue/envelope.h"
#include "app/queue/queuefile.h"

/*
 * How much a queue may hold (reference listen.md 2.3 Q14): messages, bytes, and what it leaves free of its file system for the
 * runner, who has to write down what it did. Asked before a message is taken over; reports are never refused.
 *
 * The file "count" of a spool says how much there is: two numbers, messages and bytes of their files, and behind them the same for
 * the users of system mode, one bucket for each uid modulo ROOM_BUCKETS. Who puts a file into q/ or takes one out changes
 * them under a lock (fcntl) that is held for a read and a write; nothing of it is synced. They are as good as that: a process
 * that dies between the file and the number leaves it wrong, until the next pass of a runner, which looks at every message anyhow,
 * puts it right; those who ask at the same time may each get what is left for one. So the bound may be passed by as many messages
 * as are submitted at once, never by more.
 */
#define ROOM_BUCKETS 4096
#define ROOM_SHARE 4 /* one user of a host may have a fourth of its queue */

/*
 * Whether a message of so many bytes may come in, to_come of which are not on the disk yet; owner: NULL, or the user of this host
 * whose it is. Fails with QUEUE_FULL, the text says what is full and which setting says so. What cannot be found out is no reason.
 */
int spool_room(const struct spool *spool, int64_t bytes, int64_t to_come, const uint32_t *owner,
    struct fail *why);

/* A message came in (+1), or went (-1): the size of its file. */
void spool_count(
    const struct spool *spool, const struct queue_envelope *envelope, int sign, int64_t bytes);

/* What a pass over all messages finds. What comes and goes meanwhile is kept. */
struct room_recount {
	int64_t messages, bytes;
	int64_t *users;  /* 2 * ROOM_BUCKETS; NULL: no system mode */
	int64_t *before; /* what stood there when it began: 2, and 2 * ROOM_BUCKETS */
};
void room_recount_begin(struct room_recount *r, const struct spool *spool);
void room_recount_add(struct room_recount *r, const struct queue_envelope *envelope, int64_t bytes);
/* good: all messages were seen. Frees r. */
void room_recount_end(struct room_recount *r, const struct spool *spool, bool good);

/*
 * What keeps a full disk from stopping the runner, who has to write down what became of recipients before it may go on: the file
 * "ballast" of a spool holds some room, and is given up when there is none left. Made anew by the next pass that finds enough.
 * What is free for a moment anybody may take: it is no promise, and whoever finds no room still does not deliver.
 */
#define BALLAST_BYTES (256 * 1024)
#define BALLAST_PART 50 /* of the file system at most */
void spool_ballast_fill(const struct spool *spool);
/* True: there was some, and now there is room. */
bool spool_ballast_drop(const struct spool *spool);

#endif
