#include "app/spool.h"

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
spool_open(struct spool *spool, int64_t max_bytes, struct fail *why)
{
	const char *const dirs[] = { secure_getenv("TMPDIR"), "/tmp", "/var/tmp" };
	const char *last = "";

	spool->fd = -1;
	spool->bytes = 0;
	spool->max_bytes = max_bytes;
	for (size_t i = 0; i < sizeof(dirs) / sizeof(*dirs) && spool->fd < 0; i++) {
		if (dirs[i] == NULL || dirs[i][0] != '/')
			continue;
		last = dirs[i];
		spool->fd = open_in(dirs[i]);
	}
	if (spool->fd < 0)
		return fail_errno(why, FAIL_CANT_CREATE, "temporary file in %s", last);
	return 0;
}

int
spool_write(struct spool *spool, struct slice text, struct fail *why)
{
	if (spool->bytes > spool->max_bytes || (uint64_t)(spool->max_bytes - spool->bytes) < text.n)
		return fail_set(why, FAIL_MESSAGE_TOO_BIG, "message is bigger than %lld bytes",
		    (long long)spool->max_bytes);
	while (text.n > 0) {
		ssize_t n = write(spool->fd, text.p, text.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == ENOSPC || errno == EDQUOT))
			return fail_errno(why, FAIL_STORAGE_FULL, "temporary file of the message");
		if (n < 0)
			return fail_errno(why, FAIL_STORAGE, "temporary file of the message");
		text = slice_sub(text, (size_t)n, text.n);
		spool->bytes += n;
	}
	return 0;
}

void
spool_close(struct spool *spool)
{
	if (spool->fd >= 0)
		close(spool->fd);
	spool->fd = -1;
}
