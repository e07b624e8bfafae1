#include "app/queue_wake.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/storage.h"

int
spool_wake_open(const struct spool *s, struct fail *why)
{
	struct stat st;

	if (mkfifoat(s->root, "wake", 0600) != 0 && errno != EEXIST)
		return storage_fail(why, "queue: wake");
	/* open for reading as well: opening never waits, and writing never raises SIGPIPE */
	int fd = openat(s->root, "wake", O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return storage_fail(why, "queue: wake");
	if (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode))
		return fd;
	close(fd);
	return fail_set(why, FAIL_STORAGE, "queue: wake is no FIFO");
}

void
spool_wake(int fd)
{
	/* full: it was said often enough */
	if (fd >= 0 && write(fd, "", 1) < 0)
		return;
}

void
spool_wake_drain(int fd)
{
	char bytes[4096];

	while (fd >= 0 && read(fd, bytes, sizeof(bytes)) == (ssize_t)sizeof(bytes))
		;
}
