#include "io/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "io/io.h"
#include "io/sched.h"

static int pipe_fds[2] = { -1, -1 };
static volatile sig_atomic_t stop_seen;
static volatile sig_atomic_t status_wanted;
static bool by_hand;

static void
on_signal(int signo)
{
	int saved = errno;
	unsigned char byte = (unsigned char)signo;

	if (stop_seen == 0 && (signo == SIGINT || signo == SIGTERM))
		stop_seen = signo;
	if (write(pipe_fds[1], &byte, 1) < 0) {
		/* a full pipe: enough signals wait already */
	}
	errno = saved;
}

void
signals_init(void)
{
	int fd;

	/* parents close descriptors 0-2; a file opened there would get our talk written into it */
	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= 2 && fcntl(fd, F_SETFD, 0) == 0);
	if (fd > 2)
		close(fd);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
}

void
signals_catch(int signo)
{
	struct sigaction sa;

	if (pipe_fds[0] < 0 && pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) != 0)
		abort();
	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = on_signal;
	sigemptyset(&sa.sa_mask);
	/* no SA_RESTART: without fibers poll(2) must notice */
	sigaction(signo, &sa, NULL);
}

static void
on_status(int signo)
{
	(void)signo;
	status_wanted = 1;
}

void
signals_status_on(void)
{
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = on_status;
	sigemptyset(&sa.sa_mask);
	sa.sa_flags = SA_RESTART;
	sigaction(SIGUSR1, &sa, NULL);
}

bool
signals_status_wanted(void)
{
	bool wanted = status_wanted != 0;

	status_wanted = 0;
	return wanted;
}

void
signals_default(int signo)
{
	signal(signo, SIG_DFL);
}

int
signals_fd(void)
{
	return pipe_fds[0];
}

int
signals_next(void)
{
	unsigned char byte;

	return pipe_fds[0] >= 0 && read(pipe_fds[0], &byte, 1) == 1 ? byte : 0;
}

int
signals_wait(int64_t deadline, struct fail *why)
{
	for (;;) {
		int signo = signals_next();
		if (signo != 0)
			return signo;
		if (io_wait(pipe_fds[0], IO_READ, deadline, why) != 0)
			return -1;
	}
}

void
signals_stop_by_hand(void)
{
	by_hand = true;
}

bool
signals_stop_now(bool idle)
{
	return stop_seen != 0 && (!by_hand || idle);
}

void
signals_forked(void)
{
	/* closed already: by now the numbers may be those of other files */
	pipe_fds[0] = pipe_fds[1] = -1;
	stop_seen = 0;
}

int
signals_stop_seen(void)
{
	return stop_seen;
}

static void
stop_fiber(void *arg)
{
	int64_t grace_ms = *(int64_t *)arg;
	struct fail why;

	free(arg);
	fiber_daemon();
	if (signals_wait(DEADLINE_NEVER, &why) < 0)
		return;
	sched_stop(clock_deadline(grace_ms));
	if (signals_wait(DEADLINE_NEVER, &why) < 0)
		return;
	sched_stop(clock_ms());
	signals_default(SIGINT);
	signals_default(SIGTERM);
	while (signals_wait(DEADLINE_NEVER, &why) >= 0)
		;
}

void
signals_stop_on(int64_t grace_ms)
{
	int64_t *arg;

	signals_catch(SIGINT);
	signals_catch(SIGTERM);
	if (!sched_has_fibers())
		return;
	arg = malloc(sizeof(*arg));
	if (arg == NULL)
		return;
	*arg = grace_ms;
	if (fiber_spawn(stop_fiber, arg, "signals", DEADLINE_NEVER, NULL) != 0)
		free(arg);
}
