#ifndef APP_STORE_MAILDIR_H
#define APP_STORE_MAILDIR_H

#include <stddef.h>
#include <stdint.h>

#include "app/store/commit.h"
#include "app/store/storage.h"
#include "base/fail.h"
#include "base/slice.h"

/*
 * Delivery into maildirs, maildir(5): a message is written into tmp/ and appears in new/ complete,
 * synced and never over another one. Lines end in LF on disk. Nothing is ever opened in new/ or
 * cur/, and no name comes from the message.
 */
#define MAILDIR_NAME_BYTES 192

/* An open maildir. Owned by the caller; must outlive the deliveries into it. */
struct maildir {
	int tmp, new;
	int64_t (*now_us)(void); /* clock_wall_us; tests set it to force equal names */
};

/*
 * Open the maildir at path; path and its tmp, new and cur are made (0700) and synced when missing,
 * the parent of path must exist. tmp, new and cur may not be links and are on one file system.
 * Fails with CANT_CREATE, STORAGE, STORAGE_FULL.
 */
int maildir_open(struct maildir *md, const char *path, struct fail *why);
/* The same in an open directory, which stays the caller's. */
int maildir_open_at(struct maildir *md, int root, struct fail *why);
void maildir_close(struct maildir *md);

/*
 * Unlink what was left in tmp/ for more than 36 h. Returns how many, or -1. Reads the disk: before
 * the event loop or in a child. Fails with STORAGE.
 */
int maildir_sweep(const struct maildir *md, struct fail *why);

/* One delivery into one maildir. Owned by the caller from maildir_create until commit or abort. */
struct maildir_file {
	const struct maildir *maildir;
	char name[MAILDIR_NAME_BYTES]; /* in tmp/ and later in new/ */
	struct storage_file file;
};

/*
 * Start a delivery. head: the first lines of the file (Return-Path, Delivered-To), each ended by
 * CRLF or LF. A message of less than STORAGE_BUFFER_BYTES stays in memory until the commit, which
 * makes its file; a larger one is written into tmp/. A name that exists in tmp/ or new/ is passed
 * over. Fails with STORAGE, STORAGE_FULL; then there is nothing to abort.
 */
int maildir_create(
    struct maildir_file *f, const struct maildir *md, struct slice head, struct fail *why);

/* The next piece of the text, CRLF lines, cut anywhere. Fails with STORAGE, STORAGE_FULL; abort then. */
int maildir_write(struct maildir_file *f, struct slice text, struct fail *why);

/* Give up: nothing is left. */
void maildir_abort(struct maildir_file *f);

/*
 * Finish n deliveries of one message, all or none (DECISIONS F42): 0 when each is durable in its
 * new/, -1 when none is. Either way all are closed and nothing is left to abort. The file's mtime
 * is the time of this call. Fails as commit_files.
 */
int maildir_commit(struct maildir_file *const *files, size_t n, struct commit *c, int64_t deadline,
    struct fail *why);

/*
 * The unique name "seconds.MmicrosecondsPpidQcounter.host" into out. Pure. In host '/' and ':'
 * become \057 and \072 (maildir(5)), any other byte but letters, digits, '-', '.' and '_' becomes
 * '_'; long ones are cut.
 */
void maildir_name(char out[MAILDIR_NAME_BYTES], int64_t now_us, long pid, unsigned long counter,
    const char *host);

#endif
