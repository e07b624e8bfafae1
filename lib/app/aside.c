#include "app/aside.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "io/child.h"

#define KEEP_MAX 15

struct aside {
	aside_fn *fn;
	void *arg;
	int report_fd;
};

static int
child_main(void *arg)
{
	const struct aside *a = arg;
	struct fail why = { 0 };

	if (a->fn(a->arg, &why) == 0)
		return 0;
	return write(a->report_fd, &why, sizeof(why)) == (ssize_t)sizeof(why) ? 1 : 2;
}

int
aside_run(aside_fn *fn, void *arg, const int *keep_fds, size_t n, const char *who, int64_t deadline,
    struct fail *why)
{
	struct aside a = { .fn = fn, .arg = arg };
	int keep[KEEP_MAX + 1], ends[2], status = 0;
	struct child child;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return fail_errno(why, FAIL_OS, "pipe");
	n = n > KEEP_MAX ? KEEP_MAX : n;
	memcpy(keep, keep_fds, n * sizeof(keep[0]));
	keep[n] = a.report_fd = ends[1];
	int rc = child_fork(&child, child_main, &a, keep, n + 1, why);
	close(ends[1]);
	if (rc == 0 && (rc = child_wait(&child, &status, deadline, why)) != 0) {
		/* it holds its locks no longer than we wait */
		child_kill(&child, SIGKILL);
		child_wait(&child, &status, DEADLINE_NEVER, NULL);
	} else if (rc == 0 && status != 0) {
		struct fail reason;
		rc = -1;
		if (read(ends[0], &reason, sizeof(reason)) != (ssize_t)sizeof(reason))
			fail_set(why, FAIL_OS, "the process that %s ended badly", who);
		else if (why != NULL)
			*why = reason;
	}
	close(ends[0]);
	return rc;
}
