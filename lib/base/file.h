#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"

/*
 * Whole reads and writes of a blocking descriptor, whatever signals come. They say what failed by errno, since only
 * the caller knows the name and the kind of failure.
 */

/*
 * Append everything up to the end of the file to out. Returns 0, or -1 with errno: that of read(2), or EFBIG when
 * out has no room for another block of FILE_BLOCK_BYTES.
 */
#define FILE_BLOCK_BYTES 16384
int file_read_all(int fd, struct buf *out);

/* Write n bytes. Returns 0, or -1 with errno; some of them may have been written then. */
int file_write_all(int fd, const char *p, size_t n);

/*
 * Write a file of a folder as a whole: beside it, as NAME.part, which is our own and never followed, then renamed; not
 * synced. name has fewer than FILE_NAME_BYTES bytes. Returns 0, or -1 with errno, and nothing changed.
 */
#define FILE_NAME_BYTES 1024
int file_replace(int dir, const char *name, const char *data, size_t n);

/* The folder of a path: "." when it names none. Allocated. */
char *file_folder(const char *path);
/*
 * A new file without a name in the folder of this path, which no kill leaves behind; flags and mode as of open(2). -1 with
 * errno, also where the system or the file system has no such files.
 */
int file_nameless(const char *beside, int flags, mode_t mode);

#endif
