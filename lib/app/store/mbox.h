#ifndef APP_STORE_MBOX_H
#define APP_STORE_MBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "app/store/storage.h"
#include "base/fail.h"
#include "base/slice.h"

/*
 * Delivery into mbox files, mboxrd (RFC 4155 with lines that look like separators quoted reversibly):
 *
 *   From SENDER Tue Nov 24 08:00:00 2026
 *   head and text, lines ended by LF, ">" in front of each line of ">"* "From "
 *   (an empty line)
 *
 * A file is locked while one message is appended, by OFD lock, which fcntl(2) locks of mail readers
 * respect, and by FILE.lock where the folder lets us make one (Debian policy 11.6). FILE.lock says "PID mxtls"
 * and is itself locked by flock(2): whoever finds one of these unlocked knows that its maker was
 * killed, and removes it; other programs' are taken for left behind after ten minutes. So the text should be
 * at hand before mbox_begin: not the time to wait for a peer. A failure cuts the file back to what it
 * was. After a kill a part of the message may be left, never of an older one. Blocks on the disk.
 */
struct mbox_file {
	struct storage_file out; /* its descriptor is the file's */
	int64_t start;           /* size before the message */
	char *dotlock;           /* its path; NULL: none */
	int dotlock_fd;          /* of it, with its flock */
	/* private */
	bool matching; /* the line so far may be a separator: quotes times '>', from_n of "From " */
	size_t quotes, from_n;
	bool ended; /* the text so far ends in LF */
};

/*
 * Open, lock and begin: the separator is written. The file is made (0600) when it is missing and
 * create is set; it must be a regular file of our own with one link, and is not reached through a
 * link.
 *
 * path      the file
 * sender    "" for the null sender, written MAILER-DAEMON
 * when      Unix seconds, UTC
 * head      first lines of the message (Return-Path, Delivered-To), each ended by CRLF or LF
 * deadline  for the locks
 * Fails with PERMISSION (not ours, no regular file, a link), CANT_CREATE, STORAGE, STORAGE_FULL,
 * TIMEOUT (locked), CANCELLED; then there is nothing to abort.
 */
int mbox_begin(struct mbox_file *f, const char *path, bool create, const char *sender, int64_t when,
    struct slice head, int64_t deadline, struct fail *why);

/* The next piece of the text, CRLF or LF lines, cut anywhere. Fails with STORAGE, STORAGE_FULL; abort then. */
int mbox_write(struct mbox_file *f, struct slice text, struct fail *why);

/* 0: the message is durable. -1: the file is what it was. Either way unlocked and closed. Fails as above. */
int mbox_commit(struct mbox_file *f, struct fail *why);

/* Give up: the file is what it was; unlocked and closed. */
void mbox_abort(struct mbox_file *f);

#endif
