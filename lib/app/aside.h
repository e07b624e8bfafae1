#ifndef APP_ASIDE_H
#define APP_ASIDE_H

#include <stddef.h>
#include <stdint.h>

#include "base/fail.h"

/*
 * Work that blocks, or that another user must do, in a child process of its own: fn(arg) runs there, and its
 * result comes back. Nothing else does: the child's memory is a copy.
 */
typedef int aside_fn(void *arg, struct fail *why);

/*
 * keep_fds[n]: descriptors that the child needs beside 0-2 (at most 15). Out of time or stopped, the child is
 * killed. who: for the message when the child ends badly. Returns what fn returned, 0 or -1 with its why; also fails with OS, TIMEOUT, CANCELLED.
 */
int aside_run(aside_fn *fn, void *arg, const int *keep_fds, size_t n, const char *who,
    int64_t deadline, struct fail *why);

#endif
