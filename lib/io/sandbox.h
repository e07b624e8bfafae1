#ifndef IO_SANDBOX_H
#define IO_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fail.h"
#include "io/user.h"

/*
 * What a process gives up for good before it talks with strangers (reference listen.md 6.7): other
 * users' rights, files outside of its folders, programs, new sockets, system calls that a mail receiver never
 * makes. Linux only: no_new_privs, landlock (from the second version of its interface), seccomp by
 * libseccomp, which is opened when needed. What the kernel or the machine lacks is told, not fatal.
 */
struct sandbox {
	/* below these, files may be read, made, written, linked, removed; by name, or open */
	const char *const *dirs;
	size_t dirs_n;
	const int *dir_fds;
	size_t dir_fds_n;
	bool processes; /* may fork */
	bool programs;  /* may run programs: they need files, sockets and processes of their own */
	bool sockets;   /* may open new sockets; those that are open already stay as they are */
};

/* What could not be given up, as text for the log. */
struct sandbox_lacks {
	char text[3][120];
	size_t n;
};

/*
 * Enter it; there is no way back. Open what is needed from elsewhere (logs, the time zone) before.
 * 0, or -1 with why when something that this system has did not work (OS).
 */
int sandbox_enter(const struct sandbox *sandbox, struct sandbox_lacks *lacks_r, struct fail *why);

/*
 * Prove it: a child enters the sandbox (after becoming user, NULL for nobody else) and tries what it should not be
 * able to do. tell is called for each trial with what was tried, and whether it was prevented (held) or what is lacking
 * (lack, NULL for nothing).
 * The number of trials that were not prevented, or -1 with why (OS).
 */
typedef void sandbox_tell_fn(void *ctx, const char *what, bool held, const char *lack);
int sandbox_check(const struct sandbox *sandbox, const struct user *user, sandbox_tell_fn *tell,
    void *ctx, struct fail *why);

#endif
