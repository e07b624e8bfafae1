#ifndef IO_USER_H
#define IO_USER_H

#include <sys/types.h>

#include "base/fail.h"

/* Being somebody else: the one place where a process of root gives its rights away. */
struct user {
	uid_t uid;
	gid_t gid;
};

/* Look NAME up in the system's users. Fails with USAGE: there is none, or it is root. */
int user_find(const char *name, struct user *user_r, struct fail *why);

/*
 * Become that user for good, groups first: with the supplementary groups of the user named groups_of, NULL for none. What
 * is not certain is not done. Fails with OS; then this process must not go on.
 */
int user_become(const struct user *user, const char *groups_of, struct fail *why);

/*
 * Be that user until user_return, as far as files are concerned: what is made in between is the user's, and what
 * the user may not do fails. Fails with OS.
 */
int user_borrow(const struct user *user, struct fail *why);
void user_return(void);

#endif
