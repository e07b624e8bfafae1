#include "io/user.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

int
user_find(const char *name, struct user *user_r, struct fail *why)
{
	errno = 0;
	const struct passwd *entry = getpwnam(name);

	if (entry == NULL && errno != 0)
		return fail_errno(why, FAIL_OS, "cannot look up user '%s'", name);
	if (entry == NULL)
		return fail_set(why, FAIL_USAGE, "there is no user '%s'", name);
	if (entry->pw_uid == 0)
		return fail_set(
		    why, FAIL_USAGE, "user '%s' is root, expected one without rights", name);
	*user_r = (struct user){ entry->pw_uid, entry->pw_gid };
	return 0;
}

int
user_become(const struct user *user, const char *groups_of, struct fail *why)
{
	unsigned long number = user->uid;
	uid_t real, effective, saved;
	int groups = groups_of != NULL ? initgroups(groups_of, user->gid) : setgroups(0, NULL);

	if (groups != 0 || setresgid(user->gid, user->gid, user->gid) != 0 ||
	    setresuid(user->uid, user->uid, user->uid) != 0)
		return fail_errno(why, FAIL_OS, "cannot become user %lu", number);
	if (getresuid(&real, &effective, &saved) != 0 || real != user->uid ||
	    effective != user->uid || saved != user->uid || getegid() != user->gid ||
	    (user->uid != 0 && setuid(0) == 0))
		return fail_set(why, FAIL_OS, "user %lu: the way back to root is open", number);
	return 0;
}

int
user_borrow(const struct user *user, struct fail *why)
{
	if (setgroups(0, NULL) == 0 && setegid(user->gid) == 0 && seteuid(user->uid) == 0)
		return 0;
	fail_errno(why, FAIL_OS, "cannot be user %lu for a moment", (unsigned long)user->uid);
	user_return();
	return -1;
}

void
user_return(void)
{
	if (seteuid(getuid()) != 0 || setegid(getgid()) != 0)
		abort(); /* nobody may go on as somebody else */
}
