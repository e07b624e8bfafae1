#ifndef APP_QUEUE_QUEUEFILE_H
#define APP_QUEUE_QUEUEFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "app/queue/envelope.h"
#include "app/store/commit.h"
#include "app/store/storage.h"
#include "base/arena.h"
#include "base/fail.h"
#include "base/slice.h"

/*
 * The spool and its message files (DECISIONS E37): one immutable file a message, q/<id>, mode 0600:
 *
 *   envelope with its empty line (app/queue/envelope.h)
 *   text: lines end in LF, no dot-stuffing, the last LF may be missing
 *   "mxtls-end LLLLLLLLLLLLLLLLLLLL CCCCCCCC\n", the trailer of QUEUE_TRAILER_BYTES
 *
 * L: bytes of envelope and text, 20 decimal digits; C: their CRC-32C, 8 lower-case hex digits. The
 * trailer is the last thing of the file and begins right behind the text. A file without its exact
 * trailer is torn and never delivered.
 *
 * Directories of a spool, all 0700 and ours: tmp/ (being written, under flock, same name as later
 * in q/), q/ (accepted), j/ (journals), dest/ (destinations that are being tried or do not answer),
 * corrupt/ (damaged files, and reports that nobody takes); in system mode also incoming/, 1770, where
 * others put messages. A file is accepted by the rename
 * into q/ and the fsync of q/. A file in q/ that is also in tmp/ under its name (two links: a crash
 * where the file system knows no exclusive rename) is whole; queuefile_open drops the name in tmp/.
 */
#define QUEUE_TRAILER_BYTES 40

/* How much it may hold (app/queue/room.h); 0: no bound. */
struct queue_bounds {
	int64_t messages, bytes;
	int64_t min_free; /* bytes of the file system that stay free */
};

/* The messages in the hands of this process (app/queue/attempt.h). */
#define QUEUE_ATTEMPTS 16
struct queue_attempts {
	int fd, block; /* -1: none */
	int pid;       /* whose this is: after a fork it is not the child's; 0: nobody's yet */
	unsigned busy; /* bits: lines that are used */
};

struct spool {
	int root, tmp, q, j, dest, corrupt;
	int incoming; /* of system mode (app/queue/incoming.h); -1: none */
	int64_t
	    unlinked_ms; /* since when something unlinked in q/ is not synced; 0: nothing is (spool_flush) */
	struct queue_attempts attempts;
	struct queue_bounds bounds; /* set by whoever takes messages in; 0: none */
};

/*
 * Open the spool at path; it and its directories are made and synced when missing, the parent must
 * exist. Each must be a directory of ours that nobody else may write to, and no link. Fails with
 * CANT_CREATE, PERMISSION, STORAGE, STORAGE_FULL.
 */
int spool_open(struct spool *s, const char *path, struct fail *why);
void spool_close(struct spool *s);

/* Unlink what was left in tmp/ for more than 36 h and is not locked. As maildir_sweep. */
int spool_sweep(const struct spool *s, struct fail *why);

/* A message on its way into the queue. Owned by the caller from create until abort or commit. */
struct queue_writer {
	const struct spool *spool;
	char id[QUEUE_ID_BYTES];
	bool owned; /* of the envelope, as uid */
	uint32_t uid;
	struct storage_file file;
};

/*
 * Start a message: fills envelope->id (made new when it is empty) and, when it is 0, envelope->time. hold: the file is
 * made at once and locked (flock, and app/queue/item.h's locks of all recipients), and stays so until
 * queuefile_release, so that its submitter may deliver it first. Otherwise a message of less than STORAGE_BUFFER_BYTES stays in memory until the commit,
 * which makes its file, and whoever comes first delivers it. Fails with STORAGE, STORAGE_FULL, and
 * as queue_envelope_format; then there is nothing to abort.
 */
int queuefile_create(struct queue_writer *w, const struct spool *s, struct queue_envelope *envelope,
    bool hold, struct fail *why);

/*
 * The next piece of the text, CRLF or LF lines, cut anywhere. Fails with STORAGE, STORAGE_FULL; abort
 * then.
 */
int queuefile_write(struct queue_writer *w, struct slice text, struct fail *why);

/* Give up before the commit: nothing is left. */
void queuefile_abort(struct queue_writer *w);

/*
 * Trailer, sync, name: 0 when the message is durable in the queue; then queuefile_release ends the
 * writer and the lock. -1: nothing is in the queue and nothing is left to abort. Fails as
 * commit_files.
 */
int queuefile_commit(struct queue_writer *w, struct commit *c, int64_t deadline, struct fail *why);
void queuefile_release(struct queue_writer *w);

/* A message read from the queue. Owned by the caller; strings of the envelope live in its arena. */
struct queuefile {
	int fd;
	struct queue_envelope envelope;
	int64_t text_offset; /* in fd: pread it */
	int64_t text_bytes;
	int64_t wire_bytes; /* of the text with lines ended by CR LF, also the last one */
	struct arena arena;
};

/*
 * Open (for reading, and for the locks of app/queue/item.h) and verify q/<id>: a regular file with one link, ours, that nobody else may write to; whole
 * by its trailer; the envelope is of version 1 and says the same id. Reads the whole file once and
 * blocks on the disk: in the queue's children only. Fails with NO_INPUT (errnum ENOENT: gone),
 * QUEUE_FILE (move it to corrupt/), STORAGE (the disk); then there is nothing to close.
 */
int queuefile_open(const struct spool *s, const char *id, struct queuefile *qf_r, struct fail *why);
/* The same, but the text is not read, so a torn file shows only when its envelope is; wire_bytes is 0. */
int queuefile_peek(const struct spool *s, const char *id, struct queuefile *qf_r, struct fail *why);
void queuefile_close(struct queuefile *qf);

#endif
