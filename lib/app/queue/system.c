#include "app/queue/system.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/log.h"
#include "io/user.h"

static enum { UNKNOWN, USER, SYSTEM } mode;
static bool has_root, gave_up;

/* Of a spool of system mode: who owns it. */
static bool
spool_owner(const char *path, struct stat *st_r)
{
	char incoming[4096];
	struct stat st;
	int n = snprintf(incoming, sizeof(incoming), "%s/" SYSTEM_INCOMING, path);

	return n > 0 && (size_t)n < sizeof(incoming) && stat(path, st_r) == 0 &&
	       S_ISDIR(st_r->st_mode) && st_r->st_uid != 0 && lstat(incoming, &st) == 0 &&
	       S_ISDIR(st.st_mode);
}

bool
system_mode(void)
{
	struct stat st;

	if (mode == UNKNOWN)
		mode = spool_owner(SYSTEM_SPOOL, &st) && (geteuid() == 0 || geteuid() == st.st_uid)
			   ? SYSTEM
			   : USER;
	return mode == SYSTEM;
}

void
system_mode_set(void)
{
	mode = SYSTEM;
}

int
system_enter(const char *path, bool keep_root, struct fail *why)
{
	struct stat st;

	if (path == NULL && system_mode())
		path = SYSTEM_SPOOL;
	if (path != NULL && !spool_owner(path, &st)) {
		/* another queue was named: what belongs to it is not the system's */
		mode = USER;
		return 0;
	}
	if (geteuid() != 0 || path == NULL)
		return 0;
	const struct passwd *pw = getpwuid(st.st_uid);
	const char *name = pw != NULL ? pw->pw_name : NULL;
	struct user queue_owner = { st.st_uid, st.st_gid };
	has_root = keep_root;
	if (!keep_root)
		return user_become(&queue_owner, name, why) == 0
			   ? 0
			   : fail_prefix(why, "becoming the queue's owner");
	if ((name != NULL ? initgroups(name, st.st_gid) : setgroups(0, NULL)) != 0 ||
	    setegid(st.st_gid) != 0 || seteuid(st.st_uid) != 0)
		return fail_errno(why, FAIL_OS, "becoming the queue's owner");
	return 0;
}

bool
system_has_root(void)
{
	return has_root;
}

static uid_t owner; /* while raised */

int
system_raise(struct fail *why)
{
	if (!has_root)
		return 0;
	owner = geteuid();
	return seteuid(0) == 0 ? 0 : fail_errno(why, FAIL_OS, "becoming root again");
}

void
system_lower(void)
{
	if (has_root && seteuid(owner) != 0)
		abort();
}

void
system_drop(void)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();

	if (!has_root)
		return;
	if (seteuid(0) != 0 || setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0 ||
	    setuid(0) == 0) {
		log_error("root's rights cannot be given up");
		_exit(EX_OSERR);
	}
	has_root = false;
	gave_up = true;
}

bool
system_gave_up_root(void)
{
	return gave_up;
}

char *
system_submit_path(struct arena *arena)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	if (n <= 0)
		return NULL;
	path[n] = '\0';
	for (int up = 0; up < 2; up++) {
		char *slash = strrchr(path, '/');
		if (slash == NULL)
			return NULL;
		*slash = '\0';
	}
	return arena_printf(arena, "%s/libexec/mxtls-submit", path);
}
