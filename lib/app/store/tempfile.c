#include "app/store/tempfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int
open_in(const char *dir)
{
	char path[4096];
	int fd = -1;

#ifdef O_TMPFILE
	fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
#endif
	if (fd >= 0)
		return fd;
	/* not every system and file system has it */
	int n = snprintf(path, sizeof(path), "%s/mxtls-XXXXXX", dir);
	if (n < 0 || (size_t)n >= sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = mkostemp(path, O_CLOEXEC); /* mode 0600 */
	if (fd >= 0)
		unlink(path);
	return fd;
}

int
tempfile_open(struct tempfile *file, int64_t max_bytes, struct fail *why)
{
	const char *const dirs[] = { secure_getenv("TMPDIR"), "/tmp", "/var/tmp" };
	const char *last = "";

	file->fd = -1;
	file->bytes = 0;
	file->max_bytes = max_bytes;
	for (size_t i = 0; i < sizeof(dirs) / sizeof(*dirs) && file->fd < 0; i++) {
		if (dirs[i] == NULL || dirs[i][0] != '/')
			continue;
		last = dirs[i];
		file->fd = open_in(dirs[i]);
	}
	if (file->fd < 0)
		return fail_errno(why, FAIL_CANT_CREATE, "temporary file in %s", last);
	return 0;
}

int
tempfile_write(struct tempfile *file, struct slice text, struct fail *why)
{
	if (file->bytes > file->max_bytes || (uint64_t)(file->max_bytes - file->bytes) < text.n)
		return fail_set(why, FAIL_MESSAGE_TOO_BIG, "message is bigger than %lld bytes",
		    (long long)file->max_bytes);
	while (text.n > 0) {
		ssize_t n = write(file->fd, text.p, text.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == ENOSPC || errno == EDQUOT))
			return fail_errno(why, FAIL_STORAGE_FULL, "temporary file of the message");
		if (n < 0)
			return fail_errno(why, FAIL_STORAGE, "temporary file of the message");
		text = slice_sub(text, (size_t)n, text.n);
		file->bytes += n;
	}
	return 0;
}

void
tempfile_close(struct tempfile *file)
{
	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
}
