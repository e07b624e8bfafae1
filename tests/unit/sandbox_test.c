#include "io/sandbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"

struct told {
	char text[2048];
	size_t n;
};

static void
tell(void *ctx, const char *what, bool held, const char *lack)
{
	struct told *told = ctx;

	told->n +=
	    (size_t)snprintf(told->text + told->n, sizeof(told->text) - told->n, "%s: %s\n", what,
		held           ? "held"
		: lack != NULL ? lack
			       : "not held");
}

/* What a kernel lacks is no failure of this test: but then it must have been said. */
static int
check(const struct sandbox *sandbox, const struct user *user, struct told *told)
{
	struct fail why = { 0 };

	memset(told, 0, sizeof(*told));
	int bad = sandbox_check(sandbox, user, tell, told, &why);
	CHECK_STR(why.text, "");
	const char *open = strstr(told->text, "not held");
	TEST_ROW("%s", open == NULL ? "" : open - 40);
	CHECK(open == NULL);
	return bad;
}

TEST(a_sandbox_without_programs_and_sockets_holds)
{
	char dir[] = "/tmp/mxtls-sandbox-XXXXXX";
	const char *const dirs[] = { mkdtemp(dir) };
	struct sandbox sandbox = { .dirs = dirs, .dirs_n = 1 };
	struct user nobody = { 65534, 65534 };
	bool root = geteuid() == 0;
	const char *under = getenv("UNDER"); /* make valgrind */
	struct told told;

	/* valgrind dies itself when it is not allowed to run a program */
	if (under != NULL && strstr(under, "valgrind") != NULL)
		sandbox.programs = true;
	CHECK(dirs[0] != NULL);
	if (root)
		CHECK_INT(chown(dir, 65534, 65534), 0);
	int bad = check(&sandbox, root ? &nobody : NULL, &told);
	CHECK(strstr(told.text, "no privileges by setuid programs: held\n") != NULL);
	CHECK(strstr(told.text, "no way to become root: held\n") != NULL);
	CHECK(strstr(told.text, "files of the delivery can be made: held\n") != NULL);
	if (bad == 0 && !sandbox.programs) {
		CHECK(strstr(told.text, "no file of others is read: held\n") != NULL);
		CHECK(strstr(told.text, "no file is made elsewhere: held\n") != NULL);
		CHECK(strstr(told.text, "no new socket: held\n") != NULL);
		CHECK(strstr(told.text, "no program is run: held\n") != NULL);
	}
	rmdir(dir);
}

TEST(a_sandbox_that_may_run_programs_says_nothing_of_files)
{
	struct sandbox sandbox = { .programs = true };
	struct told told;

	check(&sandbox, NULL, &told);
	CHECK(strstr(told.text, "no program is run") == NULL);
	CHECK(strstr(told.text, "no file is made elsewhere") == NULL);
	CHECK(strstr(told.text, "no privileges by setuid programs: held\n") != NULL);
}

TEST(a_folder_that_is_missing_is_told)
{
	const char *const dirs[] = { "/nonexistent/folder" };
	struct sandbox sandbox = { .dirs = dirs, .dirs_n = 1 };
	struct told told = { .n = 0 };
	struct fail why = { 0 };

	int bad = sandbox_check(&sandbox, NULL, tell, &told, &why);
	/* where there is no landlock, the folder is missed when a file is made there */
	if (bad == -1)
		CHECK_STR(why.text,
		    "landlock: cannot open /nonexistent/folder: No such file or directory");
	else
		CHECK(bad > 0);
}

TEST(users_are_found_and_root_is_refused)
{
	struct user user;
	struct fail why = { 0 };

	CHECK_INT(user_find("nobody", &user, &why), 0);
	CHECK_INT(user.uid, 65534);
	CHECK_INT(user_find("root", &user, &why), -1);
	CHECK_STR(why.text, "user 'root' is root, expected one without rights");
	CHECK_INT(user_find("no such user", &user, &why), -1);
	CHECK_STR(why.text, "there is no user 'no such user'");
}
