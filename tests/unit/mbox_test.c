#include "app/store/mbox.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "scratch.h"
#include "test.h"

static struct scratch scratch;
static char path[256];

static void
use(const char *name)
{
	snprintf(path, sizeof(path), "%s", scratch_path(&scratch, name));
}

static const char *
content(void)
{
	static char text[65536];
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	close(fd);
	text[n < 0 ? 0 : n] = '\0';
	return text;
}

static int
deliver(const char *sender, const char *text, size_t step, struct fail *why)
{
	struct mbox_file f;
	struct slice s = slice_str(text);

	if (mbox_begin(&f, path, true, sender, 1796000000, slice_str("Return-Path: <a>\r\n"),
		clock_deadline(300), why) != 0)
		return -1;
	for (size_t i = 0; i < s.n; i += step)
		if (mbox_write(&f, slice_sub(s, i, i + step), why) != 0) {
			mbox_abort(&f);
			return -1;
		}
	return mbox_commit(&f, why);
}

#define HEAD "From a@b Mon Nov 30 00:53:20 2026\nReturn-Path: <a>\n"

TEST(messages_are_appended_with_separators_quoted)
{
	static const char *const rows[][2] = {
		{ "S: x\r\n\r\nbody\r\n", "S: x\n\nbody\n\n" },
		{ "no end", "no end\n\n" },
		{ "", "\n" },
		{ "From x\r\n>From y\r\n>>From z\r\nFrom\r\n>Fro\r\n From a\r\n",
		    ">From x\n>>From y\n>>>From z\nFrom\n>Fro\n From a\n\n" },
		{ "a\r\nFrom ", "a\n>From \n\n" },
		{ ">>", ">>\n\n" },
		{ "Fro", "Fro\n\n" },
	};
	struct fail why;
	char want[1000];

	scratch_begin(&scratch);
	use("box");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (size_t step = 1; step < 60; step += 7) {
			TEST_ROW("%zu %zu", i, step);
			unlink(path);
			CHECK_INT(deliver("a@b", rows[i][0], step, &why), 0);
			snprintf(want, sizeof(want), "%s%s", HEAD, rows[i][1]);
			CHECK_STR(content(), want);
		}
	}
	/* a second one, behind what another program left without its last line end */
	FILE *out = fopen(path, "w");
	fputs("From old\n\ncut", out);
	fclose(out);
	CHECK_INT(deliver("", "x\r\n", 100, &why), 0);
	CHECK_INT(deliver("a b@c", "y\r\n", 100, &why), 0);
	CHECK_STR(content(), "From old\n\ncut\n\nFrom MAILER-DAEMON Mon Nov 30 00:53:20 "
			     "2026\nReturn-Path: <a>\nx\n\n"
			     "From a-b@c Mon Nov 30 00:53:20 2026\nReturn-Path: <a>\ny\n\n");
	struct stat st;
	CHECK_INT(stat(path, &st), 0);
	scratch_end(&scratch);
}

TEST(what_is_no_mailbox_of_ours_is_refused)
{
	char other[300];
	struct fail why;

	scratch_begin(&scratch);
	use("real");
	CHECK_INT(deliver("a@b", "x", 1, &why), 0);
	snprintf(other, sizeof(other), "%s.hard", path);
	CHECK_INT(link(path, other), 0);
	CHECK_INT(deliver("a@b", "x", 1, &why), -1);
	CHECK_INT(why.code, FAIL_PERMISSION);
	unlink(other);
	CHECK_INT(symlink(path, other), 0);
	snprintf(path, sizeof(path), "%.250s", other);
	CHECK_INT(deliver("a@b", "x", 1, &why), -1);
	CHECK_INT(why.code, FAIL_PERMISSION);
	unlink(path);
	CHECK_INT(mkfifo(path, 0600), 0);
	CHECK_INT(deliver("a@b", "x", 1, &why), -1);
	CHECK_INT(why.code, FAIL_PERMISSION);
	unlink(path);
	struct mbox_file f;
	CHECK_INT(mbox_begin(&f, path, false, "", 0, slice_str(""), 0, &why), -1);
	CHECK_INT(access(path, F_OK), -1);
	scratch_end(&scratch);
}

TEST(locks_of_others_are_respected_and_stale_ones_are_not)
{
	char lock[300];
	struct fail why;
	struct mbox_file f;

	scratch_begin(&scratch);
	use("locked");
	CHECK_INT(deliver("a@b", "x", 1, &why), 0);
	snprintf(lock, sizeof(lock), "%s.lock", path);
	CHECK_INT(access(lock, F_OK), -1); /* ours is gone */
	close(open(lock, O_CREAT | O_WRONLY, 0600));
	CHECK_INT(deliver("a@b", "x", 1, &why), -1);
	CHECK_INT(why.code, FAIL_TIMEOUT);
	CHECK_INT(access(lock, F_OK), 0); /* another's stays */
	struct timespec old[2] = { { 1000000, 0 }, { 1000000, 0 } };
	CHECK_INT(utimensat(AT_FDCWD, lock, old, 0), 0);
	CHECK_INT(deliver("a@b", "x", 1, &why), 0);
	/* one of ours that nobody holds any more was left by a kill; one that is held is respected */
	int held = open(lock, O_CREAT | O_RDWR | O_TRUNC | O_CLOEXEC, 0600);
	CHECK_INT(write(held, "1 mxtls\n", 8), 8);
	CHECK_INT(flock(held, LOCK_EX), 0);
	CHECK_INT(mbox_begin(&f, path, false, "", 0, slice_str(""), clock_deadline(300), &why), -1);
	CHECK_INT(why.code, FAIL_TIMEOUT);
	close(held);
	CHECK_INT(mbox_begin(&f, path, false, "", 0, slice_str(""), clock_deadline(300), &why), 0);
	CHECK_INT(mbox_commit(&f, &why), 0);
	CHECK_INT(access(lock, F_OK), -1);
	/* the lock of a mail reader: fcntl, from another open file */
	CHECK_INT(mbox_begin(&f, path, false, "", 0, slice_str(""), clock_deadline(300), &why), 0);
	struct mbox_file g;
	unlink(lock);
	CHECK_INT(mbox_begin(&g, path, false, "", 0, slice_str(""), clock_deadline(300), &why), -1);
	CHECK_INT(why.code, FAIL_TIMEOUT);
	mbox_abort(&f);
	scratch_end(&scratch);
}

TEST(a_failure_leaves_the_mailbox_as_it_was)
{
	static char big[40000];
	struct rlimit limit, small = { 20000, RLIM_INFINITY };
	struct fail why;

	scratch_begin(&scratch);
	use("full");
	CHECK_INT(deliver("a@b", "x\r\n", 100, &why), 0);
	char *before = strdup(content());
	memset(big, 'y', sizeof(big) - 1);
	getrlimit(RLIMIT_FSIZE, &limit);
	small.rlim_max = limit.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &small);
	CHECK_INT(deliver("a@b", big, 1000, &why), -1);
	CHECK_INT(why.code, FAIL_STORAGE_FULL);
	setrlimit(RLIMIT_FSIZE, &limit);
	CHECK_STR(content(), before);
	CHECK_INT(deliver("a@b", "z\r\n", 100, &why), 0);
	CHECK(strstr(content(), "\nz\n\n") != NULL);
	free(before);
	scratch_end(&scratch);
}
