#ifndef APP_STORE_STORAGE_H
#define APP_STORE_STORAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/fail.h"
#include "base/slice.h"

/*
 * What the maildir and the queue share: directories that are ours and no links, temporary files
 * that nobody else had, a buffered writer, and the sweep of what was left behind. No function here
 * syncs message data (app/store/commit.h does) and none waits for a peer; opening, creating and sweeping
 * touch the disk.
 */

/*
 * Failure of a system call on storage, from errno: STORAGE_FULL (452 4.3.1) for ENOSPC, EDQUOT and
 * EFBIG, else STORAGE (451 4.3.0). Arguments as of fail_errno; returns -1.
 */
int storage_fail(struct fail *why, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * What is free of the file system of fd, and what has to stay so: floor bytes, but of a small one no more than a
 * STORAGE_FLOOR_PARTth. False: it cannot be found out.
 */
#define STORAGE_FLOOR_PART 20
bool storage_room(int fd, int64_t floor, int64_t *free_r, int64_t *least_r);

/*
 * Open the directory at path, made with mode 0700 when it is missing; its parent must exist. A link
 * at path is followed (the administrator chose it). What was made is synced. Returns a descriptor
 * or -1. Fails with CANT_CREATE, STORAGE, STORAGE_FULL.
 */
int storage_root_open(const char *path, struct fail *why);

/*
 * Open the directory name below parent, made with mode 0700 when it is missing (then *made_r is set
 * to true and the caller syncs parent); never through a link. Returns a descriptor or -1.
 * Fails with STORAGE, STORAGE_FULL.
 */
int storage_dir_open(int parent, const char *name, bool *made_r, struct fail *why);

/*
 * A file being written. Bytes gather in memory (STORAGE_BUFFER_BYTES) and go to the page cache by
 * write(2). Until storage_file_create it is in memory only: whoever writes more than
 * storage_file_fits creates it first. The first failure stays: every later call returns it, so that
 * a caller may check once.
 */
#define STORAGE_BUFFER_BYTES 16384
struct storage_file {
	int fd; /* owned; -1 when there is none */
	struct buf pending;
	uint64_t bytes; /* put in so far */
	uint32_t crc;   /* CRC-32C of them, when checksum is set */
	bool checksum;
	bool cr;         /* the text so far ends in a CR whose LF may follow */
	struct fail why; /* the first failure, code NONE for none */
};

void storage_file_init(struct storage_file *f);
/* True when n bytes more of text can be put without a file. */
bool storage_file_fits(const struct storage_file *f, size_t n);

/*
 * Create name in dirfd, where it must not exist, mode 0600, for writing. Fails with STORAGE (errnum
 * EEXIST when the name is taken), STORAGE_FULL; then fd is still -1.
 */
int storage_file_create(struct storage_file *f, int dirfd, const char *name, struct fail *why);

/* Bytes as they are. Fails with STORAGE, STORAGE_FULL. */
int storage_file_put(struct storage_file *f, struct slice bytes, struct fail *why);

/* Text: CRLF becomes LF, also when it is split over two calls; a CR alone stays. Fails as above. */
int storage_file_text(struct storage_file *f, struct slice text, struct fail *why);

/* The text is complete: a CR that waited for its LF is put. Fails as above. */
int storage_file_text_end(struct storage_file *f, struct fail *why);

/* Write out what is in memory. Fails as above. */
int storage_file_flush(struct storage_file *f, struct fail *why);

/* Close the descriptor and free the memory; the file stays where it is. May be called twice. */
void storage_file_close(struct storage_file *f);

#define STORAGE_STALE_SECONDS (36 * 3600) /* maildir(5) and qmail's number */

/*
 * Unlink the regular files of a directory whose modification time is before older_than (Unix
 * seconds); with unlocked_only those that nobody holds by flock(2). Links and directories are left
 * alone. Returns how many were unlinked, or -1. Reads the disk: before the event loop or in a child.
 * Fails with STORAGE.
 */
int storage_sweep(int dirfd, int64_t older_than, bool unlocked_only, struct fail *why);

#endif
