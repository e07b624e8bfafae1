#include "app/queue/wake.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/queue/system_paths.h"
#include "app/store/storage.h"

static const struct {
	unsigned call;
	char byte;
} bytes_of[] = { { SPOOL_WAKE_QUEUE, '\0' }, { SPOOL_WAKE_INCOMING, SYSTEM_WAKE_INCOMING },
	{ SPOOL_WAKE_ASKED, SYSTEM_WAKE_ASKED } };

enum { CALLS = sizeof(bytes_of) / sizeof(bytes_of[0]) };

/* In system mode the group of incoming/ may write to it. */
static int
make(const struct spool *s, struct fail *why)
{
	mode_t mask = umask(0);
	int rc = mkfifoat(s->root, SYSTEM_WAKE, s->incoming >= 0 ? 0620 : 0600);

	umask(mask);
	return rc != 0 && errno != EEXIST ? storage_fail(why, "queue: wake") : 0;
}

static int
check(const struct spool *s, int fd, struct fail *why)
{
	struct stat st, dir;

	if (fstat(fd, &st) != 0)
		return storage_fail(why, "queue: wake");
	if (!S_ISFIFO(st.st_mode))
		return fail_set(why, FAIL_STORAGE, "queue: wake is no FIFO");
	if (st.st_uid != geteuid())
		return fail_set(why, FAIL_PERMISSION, "queue: wake is not ours");
	if (s->incoming < 0)
		return 0;
	if (fstat(s->incoming, &dir) != 0 ||
	    (st.st_gid != dir.st_gid && fchown(fd, (uid_t)-1, dir.st_gid) != 0) ||
	    ((st.st_mode & 0777) != 0620 && fchmod(fd, 0620) != 0))
		return storage_fail(why, "queue: wake");
	return 0;
}

int
spool_wake_open(const struct spool *s, struct fail *why)
{
	if (make(s, why) != 0)
		return -1;
	/* open for reading as well: opening never waits, and writing never raises SIGPIPE */
	int fd =
	    openat(s->root, SYSTEM_WAKE, O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return storage_fail(why, "queue: wake");
	if (check(s, fd, why) == 0)
		return fd;
	close(fd);
	return -1;
}

void
spool_wake(int fd, unsigned call)
{
	for (size_t i = 0; i < CALLS; i++)
		/* full: it was said often enough */
		if (fd >= 0 && bytes_of[i].call == call && write(fd, &bytes_of[i].byte, 1) < 0)
			return;
}

unsigned
spool_wake_take(int fd)
{
	char bytes[4096];
	unsigned calls = 0;
	ssize_t n;

	do {
		n = fd < 0 ? 0 : read(fd, bytes, sizeof(bytes));
		for (ssize_t k = 0; k < n; k++)
			for (size_t i = 0; i < CALLS; i++)
				if (bytes[k] == bytes_of[i].byte)
					calls |= bytes_of[i].call;
	} while (n == (ssize_t)sizeof(bytes));
	return calls;
}
