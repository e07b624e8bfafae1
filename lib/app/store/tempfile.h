#ifndef APP_STORE_TEMPFILE_H
#define APP_STORE_TEMPFILE_H

#include <stdint.h>

#include "base/fail.h"
#include "base/slice.h"

/*
 * An unlinked temporary file of mode 0600 that takes the text of one message while it is read, so
 * that a big one is never held in memory: in $TMPDIR (not for a setuid or setgid program), else
 * /tmp, else /var/tmp. It is gone when its descriptor is closed, however the process ends.
 * These calls block on the disk.
 */
struct tempfile {
	int fd;        /* -1: none */
	int64_t bytes; /* written so far */
	int64_t max_bytes;
};

/* Fails with CANT_CREATE, naming the folder tried last. */
int tempfile_open(struct tempfile *file, int64_t max_bytes, struct fail *why);

/* Append. Fails with MESSAGE_TOO_BIG (max_bytes), STORAGE_FULL (disk or quota full), STORAGE. */
int tempfile_write(struct tempfile *file, struct slice text, struct fail *why);

void tempfile_close(struct tempfile *file);

#endif
