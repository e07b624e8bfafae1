#ifndef IO_CHILD_H
#define IO_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/fail.h"

/*
 * Child processes: the one fork, the one exec and the one reaper. A child is waited for by a pidfd;
 * where there is none, by a pipe that closes with the last process that holds it. SIGCHLD is not used.
 */
struct child {
	pid_t pid;
	int wait_fd; /* readable when the child has ended */
};

/*
 * Fork; in the child close every descriptor but 0-2 and keep_fds[n], reset signals, forget the
 * scheduler, and _exit(fn(arg)). Fails with OS.
 */
int child_fork(struct child *c_r, int (*fn)(void *arg), void *arg, const int *keep_fds, size_t n,
    struct fail *why);

/*
 * Run argv[0] (an absolute path; no shell, no PATH) with environment envp and the descriptors as its 0, 1, 2
 * (-1: /dev/null). Fails with OS; a program that cannot be executed shows as exit status 127.
 */
int child_exec(struct child *c_r, char *const argv[], char *const envp[], int in, int out, int err,
    struct fail *why);

/*
 * The same for a process of root, as another user: with this user and group alone, no supplementary
 * groups, umask 077, in folder "/". It becomes 127 rather than keep any right of ours.
 */
int child_exec_as(struct child *c_r, uid_t uid, gid_t gid, char *const argv[], char *const envp[],
    int in, int out, int err, struct fail *why);

/* Wait for its end: *status_r as of waitpid(2). Fails with TIMEOUT, CANCELLED; then it can be waited for again. */
int child_wait(struct child *c, int *status_r, int64_t deadline, struct fail *why);

/*
 * Take what waits in a pipe that a child writes to: out, our end of it, non-blocking. As much as output may hold is
 * kept, the rest is dropped. At most a pipe's content a call, so that one that never stops writing does not hold us.
 * False at the end of it.
 */
bool child_output(int out, struct buf *output);

/*
 * child_wait, taking its output meanwhile. What it started and left behind may hold the pipe open for longer: that is
 * not waited for. Fails like child_wait; what was taken by then is in output.
 */
int child_gather(struct child *c, int out, struct buf *output, int *status_r, int64_t deadline,
    struct fail *why);

/* Send a signal to the child's process group; harmless when it has ended. */
void child_kill(struct child *c, int signal);

/*
 * Make an end of it, in spite of a stop of ours: TERM, and KILL when it has not ended after grace_ms, or at another stop; then it
 * is reaped. status_r as child_wait. Returns whether it took KILL.
 */
bool child_end(struct child *c, int *status_r, int64_t grace_ms);

#endif
