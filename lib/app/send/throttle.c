#include "app/send/throttle.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crc32c.h"
#include "io/io.h"

#define LOOK_AGAIN_MS 200

static int
open_file(const char *dir, const struct rule *rule, char kind, unsigned n, struct fail *why)
{
	char path[4096];
	const char *text = rule_str(rule);
	int used = snprintf(path, sizeof(path), "%s/%c%08" PRIx32 ".%u", dir == NULL ? "" : dir,
	    kind, crc32c(0, text, strlen(text)), n);

	if (dir == NULL || used >= (int)sizeof(path))
		return fail_set(why, FAIL_CONFIG,
		    "%s: no folder to keep count in: concurrency= and rate= cannot be kept", text);
	if (mkdir(dir, 0700) != 0 && errno != EEXIST)
		return fail_errno(why, FAIL_STORAGE, "cannot make %s", dir);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	return fd >= 0 ? fd : fail_errno(why, FAIL_STORAGE, "%s", path);
}

static int
pause_until(int64_t until, int64_t deadline, const struct rule *rule, struct fail *why)
{
	if (until > deadline)
		return fail_set(why, FAIL_TIMEOUT,
		    "%s: no turn in time under its concurrency= and rate=", rule_str(rule));
	return io_sleep(until, why);
}

int
throttle_enter(
    const char *dir, const struct rule *rule, int *fd_r, int64_t deadline, struct fail *why)
{
	*fd_r = -1;
	while (rule->concurrency > 0) {
		for (unsigned i = 0; i < rule->concurrency; i++) {
			int fd = open_file(dir, rule, 'c', i, why);
			if (fd < 0)
				return -1;
			if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
				*fd_r = fd;
				return 0;
			}
			close(fd);
		}
		if (pause_until(clock_deadline(LOOK_AGAIN_MS), deadline, rule, why) != 0)
			return -1;
	}
	return 0;
}

void
throttle_leave(int fd)
{
	if (fd >= 0)
		close(fd);
}

int64_t
throttle_next(int64_t *due_inout, unsigned rate, int64_t rate_ms, int64_t now_ms)
{
	int64_t each = rate_ms / rate > 0 ? rate_ms / rate : 1;
	int64_t due = *due_inout;

	/* nothing to be paid, or a clock that was set back */
	if (due < now_ms || due > now_ms + 2 * rate_ms)
		due = now_ms;
	/* at most rate at once, then one each so often */
	if (due + each - now_ms > rate_ms)
		return due + each - rate_ms;
	*due_inout = due + each;
	return now_ms;
}

static int64_t
wall_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* One look at the file, which is locked: how long to wait, 0: go on; -1 when it cannot be written. */
static int64_t
look(int fd, const struct rule *rule)
{
	char text[32] = "";
	int64_t due = 0, now = wall_ms(), next;

	if (pread(fd, text, sizeof(text) - 1, 0) > 0)
		sscanf(text, "%" SCNd64, &due);
	next = throttle_next(&due, rule->rate, rule->rate_ms, now);
	if (next > now)
		return next - now;
	int n = snprintf(text, sizeof(text), "%020" PRId64 "\n", due);
	return pwrite(fd, text, (size_t)n, 0) == n ? 0 : -1;
}

int
throttle_pace(const char *dir, const struct rule *rule, int64_t deadline, struct fail *why)
{
	while (rule->rate > 0) {
		int fd = open_file(dir, rule, 'r', 0, why);
		if (fd < 0)
			return -1;
		/* held for two system calls */
		int64_t wait_ms = flock(fd, LOCK_EX | LOCK_NB) != 0 ? 10 : look(fd, rule);
		if (wait_ms < 0)
			fail_errno(why, FAIL_STORAGE, "%s: rate= cannot be kept", rule_str(rule));
		close(fd);
		if (wait_ms <= 0)
			return (int)wait_ms;
		if (pause_until(clock_deadline(wait_ms), deadline, rule, why) != 0)
			return -1;
	}
	return 0;
}
