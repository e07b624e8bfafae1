#ifndef APP_QUEUE_SCAN_H
#define APP_QUEUE_SCAN_H

#include "app/queue/journal.h"
#include "app/queue/queuefile.h"

/*
 * Going through the queue, oldest message first: envelopes and journals, not the texts. Reads two
 * directories and the first block of each file; no memory but one name for each message. Takes no lock:
 * what is told may have changed the moment after.
 */
struct queue_entry {
	const char *id;
	int64_t bytes;      /* of the text, LF lines; 0 when bad */
	int64_t file_bytes; /* of the file; likewise */
	bool bad;           /* cannot be read: why tells; envelope and journal are empty */
	bool locked;        /* somebody is at it */
	struct fail why;
	const struct queue_envelope *envelope;
	const struct queue_journal *journal;
};

/* Return 0, or something else to stop; then queue_scan returns it. The entry lives until the return. */
typedef int queue_scan_fn(void *ctx, const struct queue_entry *entry);

/*
 * after: only ids that are later than it; NULL: all. Journals without a message are removed. Fails
 * with STORAGE (the directories); then nothing or a part was told. Returns -1 then.
 */
int
queue_scan(struct spool *spool, const char *after, queue_scan_fn *fn, void *ctx, struct fail *why);

/* One message: 1, or 0 when it is not there. fn is called as above. */
int queue_scan_one(struct spool *spool, const char *id, queue_scan_fn *fn, void *ctx);

/* When the last run began, in Unix seconds; 0: never. */
int64_t spool_last_run(const struct spool *spool);
/* A run begins. Also proves that the spool can be written. Fails with STORAGE, STORAGE_FULL. */
int spool_note_run(const struct spool *spool, struct fail *why);

#endif
