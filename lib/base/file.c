#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

int
file_read_all(int fd, struct buf *out)
{
	for (;;) {
		char *to = buf_reserve(out, FILE_BLOCK_BYTES);
		if (to == NULL) {
			errno = EFBIG;
			return -1;
		}
		ssize_t n = read(fd, to, FILE_BLOCK_BYTES);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -1 : 0;
		buf_commit(out, (size_t)n);
	}
}

int
file_write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t done = write(fd, p, n);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -1;
		p += done;
		n -= (size_t)done;
	}
	return 0;
}

int
file_replace(int dir, const char *name, const char *data, size_t n)
{
	char part[FILE_NAME_BYTES + 8];
	int error;

	snprintf(part, sizeof(part), "%s.part", name);
	unlinkat(dir, part, 0); /* of a run that was killed */
	int fd = openat(dir, part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
	if (fd < 0)
		return -1;
	bool ok = file_write_all(fd, data, n) == 0;
	error = errno;
	/* some file systems tell only now that the disk is full */
	if (close(fd) != 0 && ok) {
		ok = false;
		error = errno;
	}
	if (ok && renameat(dir, part, dir, name) != 0) {
		ok = false;
		error = errno;
	}
	if (ok)
		return 0;
	unlinkat(dir, part, 0);
	errno = error;
	return -1;
}

char *
file_folder(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (slash == NULL)
		return mem_strdup(".");
	return mem_strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

int
file_nameless(const char *beside, int flags, mode_t mode)
{
#ifdef O_TMPFILE
	char *folder = file_folder(beside);
	int fd = open(folder, O_TMPFILE | O_CLOEXEC | flags, mode);
	int error = errno;

	free(folder);
	errno = error;
	return fd;
#else
	(void)beside;
	(void)flags;
	(void)mode;
	errno = EOPNOTSUPP;
	return -1;
#endif
}
