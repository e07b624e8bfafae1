#ifndef APP_QUEUE_ITEM_H
#define APP_QUEUE_ITEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/message/message.h"
#include "app/queue/journal.h"
#include "app/queue/queuefile.h"
#include "base/arena.h"
#include "base/fail.h"

/*
 * One message of the queue in the hands of one process: its recipients' locks, its journal, its end.
 *
 * Who may try a recipient: whoever holds its lock, one byte of q/<id> at the recipient's number, by
 * fcntl's open file description locks: they end with the process, so none is ever stale, and any
 * number of runners and submitters may work on one message without giving it to anybody twice. The
 * journal is read after the locks were got: it then tells of those who held them before. The last byte,
 * "finish", is held by whoever makes a report or ends the message, for as long as the disk takes.
 *
 * Written down at once: a delivery, before the connection goes on. All recipients at once: the message
 * is unlinked, and that is all. Everything else goes into the journal. What is lost by a kill is at most
 * the word about the recipient in flight, which then gets the message twice. To write may fail for want
 * of space: queue_item_reserve makes room before anything goes out that needs it.
 *
 * All functions block on the disk: for the children of send and queue only.
 */
struct queue_item {
	struct spool *spool;
	char id[QUEUE_ID_BYTES];
	int fd; /* of q/<id>; owned */
	const struct queue_envelope *envelope;
	int64_t text_offset, text_bytes, wire_bytes; /* as queuefile; 0 when adopted */
	struct queue_journal journal; /* as of the last lock or load, and what we did since */
	int journal_fd;               /* for appending; -1: not opened */
	bool over;                    /* the message has left the queue */
	/* private */
	struct queuefile qf;
	bool journal_made;
	struct arena arena;
};

/* Open q/<id> and verify it. Fails as queuefile_open; then there is nothing to close. */
int queue_item_open(struct queue_item *item, struct spool *spool, const char *id, struct fail *why);

/*
 * Take over from a writer that has committed, with its locks of all recipients: the writer needs no
 * release. envelope must live as long as the item.
 */
void queue_item_adopt(struct queue_item *item, struct spool *spool, struct queue_writer *w,
    const struct queue_envelope *envelope);

/*
 * Only its journal, of no recipient, to tell something of the message as a whole without looking into it. Fails with NO_INPUT (it
 * has left the queue), STORAGE; then there is nothing to close.
 */
int queue_item_open_journal(
    struct queue_item *item, struct spool *spool, const char *id, struct fail *why);

/* Close; the locks end. */
void queue_item_close(struct queue_item *item);

/*
 * Lock recipients without waiting. got[i] tells whether rcpts[i] is ours now. Then the journal is
 * read. Returns how many are ours, or -1. Fails with NO_INPUT (the message has left the queue), STORAGE.
 */
int queue_item_lock(
    struct queue_item *item, const size_t *rcpts, size_t n, bool *got, struct fail *why);
/* All of them or none: 1, 0 when somebody has one, -1 as above. For remove. */
int queue_item_lock_all(struct queue_item *item, struct fail *why);

/* The finish lock; waits for the disk of others. Reads the journal. Fails as queue_item_lock. */
int queue_item_finish_lock(struct queue_item *item, struct fail *why);
void queue_item_finish_unlock(struct queue_item *item);

/* Room in the journal for what is to be told, when that may need it. Fails with STORAGE, STORAGE_FULL: do not deliver. */
int queue_item_reserve(struct queue_item *item, struct fail *why);

/*
 * Append an event, and let the journal in memory know. sync: it is on the disk before this returns. Fails
 * with STORAGE, STORAGE_FULL.
 */
int queue_item_append(
    struct queue_item *item, const struct queue_event *event, bool sync, struct fail *why);

/* Unlink the message and its journal; q/ is synced by spool_flush. Fails with STORAGE. */
int queue_item_end(struct queue_item *item, struct fail *why);

/*
 * Sync what was unlinked in q/, at once or when it is older than a second: after a power cut what was
 * delivered in that second may go again. Failures are logged.
 */
void spool_flush(struct spool *spool, bool now);

/*
 * The message with some of its recipients, for deliver(). End it with queue_item_message_fini; the
 * descriptor of the text stays the item's. Fails with QUEUE_FILE (an address that is none), STORAGE.
 */
int queue_item_message(const struct queue_item *item, const size_t *rcpts, size_t n,
    struct message *message_r, struct fail *why);
void queue_item_message_fini(struct message *message);

/* Move a file that cannot be read to corrupt/, and log it. */
void queue_item_set_aside(struct spool *spool, const char *id, const struct fail *why);

/* Read the journal of a message, on top of a new j. Pure but for the file. Fails with STORAGE. */
int queue_journal_load(const struct spool *spool, const char *id, struct queue_journal *j,
    struct arena *a, struct fail *why);

#endif
