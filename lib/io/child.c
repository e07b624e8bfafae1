#include "io/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "io/io.h"
#include "io/sched.h"
#include "io/signals.h"
#include "io/user.h"

#define PIPE_BYTES 65536 /* what one holds: pipe(7) */

static int
compare_ints(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

static void
close_from_to(unsigned from, unsigned to)
{
	if (from > to || syscall(SYS_close_range, from, to, 0) == 0)
		return;
	/* before Linux 5.9 */
	long max = sysconf(_SC_OPEN_MAX);
	for (unsigned fd = from; fd <= to && fd < (unsigned)max; fd++)
		close((int)fd);
}

/* Close everything above 2 but keep[n] (at most 16) and two more (-1: none). */
static void
close_others(const int *keep, size_t n, int one_more, int two_more)
{
	int sorted[18] = { one_more, two_more };
	unsigned from = 3;

	if (n > 16)
		n = 16;
	for (size_t i = 0; i < n; i++)
		sorted[i + 2] = keep[i];
	n += 2;
	qsort(sorted, n, sizeof(sorted[0]), compare_ints);
	for (size_t i = 0; i < n; i++) {
		if (sorted[i] < (int)from)
			continue;
		close_from_to(from, (unsigned)sorted[i] - 1);
		from = (unsigned)sorted[i] + 1;
	}
	close_from_to(from, ~0U);
}

static void
reset_signals(void)
{
	sigset_t none;

	for (int signo = 1; signo < NSIG; signo++)
		signal(signo, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static bool
have_pidfd(void)
{
	static int known; /* 1: yes, -1: no (before Linux 5.3, or under valgrind) */

	if (known == 0) {
		int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
		known = fd >= 0 ? 1 : -1;
		if (fd >= 0)
			close(fd);
	}
	return known > 0;
}

static void
parent_setup(struct child *c_r, pid_t pid, const int ends[2])
{
	setpgid(pid, pid);
	c_r->pid = pid;
	if (ends[0] < 0) {
		c_r->wait_fd = (int)syscall(SYS_pidfd_open, pid, 0);
	} else {
		close(ends[1]);
		c_r->wait_fd = ends[0];
	}
}

/*
 * Fork with every signal blocked, so that no handler of ours runs in the child. Returns 0 in the child, with
 * default signal actions and *held_r the descriptor that must stay open (-1: none); the pid or -1 in the parent.
 */
static pid_t
fork_child(struct child *c_r, int *held_r, struct fail *why)
{
	sigset_t all, old;
	int ends[2] = { -1, -1 };

	if (!have_pidfd() && (pipe(ends) != 0 || fcntl(ends[0], F_SETFD, FD_CLOEXEC) != 0))
		return (pid_t)fail_errno(why, FAIL_OS, "pipe");
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	pid_t pid = fork();
	if (pid == 0) {
		reset_signals();
		/* a group of its own: child_kill reaches what it starts */
		setpgid(0, 0);
		*held_r = ends[1];
		return 0;
	}
	int saved = errno;
	sigprocmask(SIG_SETMASK, &old, NULL);
	if (pid < 0) {
		if (ends[0] >= 0) {
			close(ends[0]);
			close(ends[1]);
		}
		errno = saved;
		return (pid_t)fail_errno(why, FAIL_OS, "fork");
	}
	parent_setup(c_r, pid, ends);
	if (c_r->wait_fd >= 0)
		return pid;
	fail_errno(why, FAIL_OS, "pidfd_open");
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return -1;
}

int
child_fork(struct child *c_r, int (*fn)(void *arg), void *arg, const int *keep_fds, size_t n,
    struct fail *why)
{
	int held;
	pid_t pid = fork_child(c_r, &held, why);

	if (pid < 0)
		return -1;
	if (pid > 0)
		return 0;
	close_others(keep_fds, n, held, log_forked());
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	sched_forked();
	signals_forked();
	_exit(fn(arg));
}

/* Make fd the descriptor number to; fd -1: /dev/null. */
static void
place_fd(int fd, int to)
{
	if (fd < 0)
		fd = open("/dev/null", to == 0 ? O_RDONLY : O_WRONLY);
	if (fd == to)
		fcntl(fd, F_SETFD, 0);
	else if (dup2(fd, to) < 0)
		_exit(127);
}

/* For good; what is not certain ends the process. */
static void
become(const struct user *user)
{
	/* a process of root's may work as another, and go back */
	if (geteuid() != 0 && getuid() == 0 && seteuid(0) != 0)
		_exit(127);
	if (user_become(user, NULL, NULL) != 0 || chdir("/") != 0)
		_exit(127);
	umask(077);
}

static int
exec_child(struct child *c_r, const struct user *user, char *const argv[], char *const envp[],
    int in, int out, int err, struct fail *why)
{
	int held;
	pid_t pid = fork_child(c_r, &held, why);

	if (pid < 0)
		return -1;
	if (pid > 0)
		return 0;
	/* move them out of the way first: one may be the number that another goes to */
	int fds[3] = { in, out, err };
	for (int i = 0; i < 3; i++)
		if (fds[i] >= 0 && fds[i] < 3 && fds[i] != i)
			fds[i] = fcntl(fds[i], F_DUPFD, 3);
	for (int i = 0; i < 3; i++)
		place_fd(fds[i], i);
	close_others(NULL, 0, held, -1);
	if (user != NULL)
		become(user);
	execve(argv[0], argv, envp);
	_exit(127);
}

int
child_exec(struct child *c_r, char *const argv[], char *const envp[], int in, int out, int err,
    struct fail *why)
{
	return exec_child(c_r, NULL, argv, envp, in, out, err, why);
}

int
child_exec_as(struct child *c_r, uid_t uid, gid_t gid, char *const argv[], char *const envp[],
    int in, int out, int err, struct fail *why)
{
	struct user user = { uid, gid };

	return exec_child(c_r, &user, argv, envp, in, out, err, why);
}

int
child_wait(struct child *c, int *status_r, int64_t deadline, struct fail *why)
{
	for (;;) {
		pid_t pid = waitpid(c->pid, status_r, WNOHANG);
		if (pid == c->pid)
			break;
		if (pid < 0 && errno != EINTR)
			return fail_errno(why, FAIL_OS, "waitpid");
		if (io_wait(c->wait_fd, IO_READ, deadline, why) != 0)
			return -1;
	}
	close(c->wait_fd);
	c->wait_fd = -1;
	return 0;
}

bool
child_output(int out, struct buf *output)
{
	char chunk[1024];

	for (size_t taken = 0; taken < PIPE_BYTES;) {
		ssize_t n = read(out, chunk, sizeof(chunk));
		if (n <= 0)
			return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
		size_t room = output->max - output->len;
		buf_append(output, chunk, (size_t)n < room ? (size_t)n : room);
		taken += (size_t)n;
	}
	return true;
}

int
child_gather(
    struct child *c, int out, struct buf *output, int *status_r, int64_t deadline, struct fail *why)
{
	for (bool open = true;;) {
		struct io_fd fds[2] = { { .fd = c->wait_fd, .events = IO_READ },
			{ .fd = out, .events = IO_READ } };
		int ready = io_wait_many(fds, open ? 2 : 1, deadline, why);
		open = open && child_output(out, output);
		if (ready < 0)
			return -1;
		if (fds[0].revents != 0)
			return child_wait(c, status_r, deadline, why);
	}
}

void
child_kill(struct child *c, int signal)
{
	/* not reaped yet as long as the descriptor is open: the number is still its own */
	if (c->wait_fd < 0)
		return;
	uid_t as = geteuid();
	/* it may have become another user by now, which root's process may still end */
	bool back = as != 0 && getuid() == 0 && seteuid(0) == 0;
	if (kill(-c->pid, signal) != 0)
		kill(c->pid, signal);
	if (back && seteuid(as) != 0)
		abort();
}

/* Without fibers a stop ends every wait. */
static bool
ends_by_itself(struct child *c, int *status_r, int64_t deadline)
{
	struct pollfd p = { .fd = c->wait_fd, .events = POLLIN };

	if (sched_has_fibers()) {
		int64_t cap = fiber_cap();
		fiber_uncap();
		int rc = child_wait(c, status_r, deadline, NULL);
		fiber_cap_restore(cap);
		return rc == 0;
	}
	for (int64_t left; (left = deadline - clock_ms()) > 0;)
		if (poll(&p, 1, left > 60000 ? 60000 : (int)left) > 0)
			return child_wait(c, status_r, deadline, NULL) == 0;
	return false;
}

bool
child_end(struct child *c, int *status_r, int64_t grace_ms)
{
	child_kill(c, SIGTERM);
	if (ends_by_itself(c, status_r, clock_deadline(grace_ms)))
		return false;
	child_kill(c, SIGKILL);
	/* it does not take long, and is waited for whatever was said meanwhile */
	while (waitpid(c->pid, status_r, 0) < 0 && errno == EINTR)
		;
	close(c->wait_fd);
	c->wait_fd = -1;
	return true;
}
