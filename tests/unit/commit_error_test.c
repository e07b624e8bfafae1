#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "app/store/commit_wire.h"
#include "base/clock.h"
#include "base/mem.h"
#include "io/io.h"
#include "io/sched.h"
#include "scratch.h"
#include "test.h"

/*
 * Every error path of the commit module: the calls that it makes fail when and as told, in the helper
 * as well. These definitions take the place of libc's in this program.
 */
struct arm {
	char call[16];
	int skip;  /* calls that work before */
	int times; /* that fail then */
	int error; /* 0: returns 0 */
};
static struct arm *arm; /* shared with the helpers */

static int
struck(const char *call)
{
	if (arm == NULL || strcmp(arm->call, call) != 0 || arm->times == 0)
		return 0;
	if (arm->skip > 0) {
		arm->skip--;
		return 0;
	}
	arm->times--;
	errno = arm->error;
	return 1;
}

static void
arm_call(const char *call, int skip, int times, int error)
{
	if (arm == NULL)
		arm = mmap(
		    NULL, sizeof(*arm), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	memset(arm, 0, sizeof(*arm));
	strncpy(arm->call, call, sizeof(arm->call) - 1);
	arm->skip = skip;
	arm->times = times;
	arm->error = error;
}

int
memfd_create(const char *name, unsigned flags)
{
	return struck("memfd_create") ? -1 : (int)syscall(SYS_memfd_create, name, flags);
}

ssize_t
write(int fd, const void *data, size_t n)
{
	return struck("write") ? -1 : syscall(SYS_write, fd, data, n);
}

int
ftruncate(int fd, off_t length)
{
	return struck("ftruncate") ? -1 : (int)syscall(SYS_ftruncate, fd, length);
}

ssize_t
sendfile(int out, int in, off_t *offset, size_t n)
{
	if (struck("sendfile"))
		return arm->error == 0 ? 0 : -1;
	return syscall(SYS_sendfile, out, in, offset, n);
}

#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 34)
pid_t
fork(void)
{
	return struck("fork") ? -1 : _Fork();
}
#define CAN_FAIL_FORK 1
#else
#define CAN_FAIL_FORK 0
#endif

int
socketpair(int domain, int type, int protocol, int fds[2])
{
	return struck("socketpair") ? -1
				    : (int)syscall(SYS_socketpair, domain, type, protocol, fds);
}

ssize_t
sendmsg(int fd, const struct msghdr *msg, int flags)
{
	return struck("sendmsg") ? -1 : syscall(SYS_sendmsg, fd, msg, flags);
}

ssize_t
recv(int fd, void *data, size_t n, int flags)
{
	return struck("recv") ? -1 : syscall(SYS_recvfrom, fd, data, n, flags, NULL, NULL);
}

ssize_t
recvmsg(int fd, struct msghdr *msg, int flags)
{
	if (struck("recvmsg"))
		return -1;
	ssize_t n = syscall(SYS_recvmsg, fd, msg, flags);
	if (struck("truncated"))
		msg->msg_flags |= MSG_CTRUNC;
	if (struck("foreign")) /* not descriptors */
		CMSG_FIRSTHDR(msg)->cmsg_type = SCM_RIGHTS + 1;
	return n;
}

ssize_t
send(int fd, const void *data, size_t n, int flags)
{
	return struck("send") ? -1 : syscall(SYS_sendto, fd, data, n, flags, NULL, 0);
}

int
renameat2(int a, const char *from, int b, const char *to, unsigned flags)
{
	return struck("renameat2") ? -1 : (int)syscall(SYS_renameat2, a, from, b, to, flags);
}

int
linkat(int a, const char *from, int b, const char *to, int flags)
{
	return struck("linkat") ? -1 : (int)syscall(SYS_linkat, a, from, b, to, flags);
}

int
fsync(int fd)
{
	return struck("fsync") ? -1 : (int)syscall(SYS_fsync, fd);
}

int
fstat(int fd, struct stat *st)
{
	return struck("fstat") ? -1 : fstatat(fd, "", st, AT_EMPTY_PATH);
}

/* gcov's figures of the helpers, which leave without exit(3) */
extern void __gcov_dump(void) __attribute__((weak));

void
_exit(int status)
{
	if (__gcov_dump != NULL)
		__gcov_dump();
	for (;;)
		syscall(SYS_exit_group, status);
}

/* --- the tests ------------------------------------------------------------------------------------ */

static struct scratch dir;
static int tmp = -1, dst = -1;
static struct commit commit;
static struct fail why;

static int
open_dir(const char *name)
{
	mkdir(scratch_path(&dir, name), 0700);
	return open(scratch_path(&dir, name), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void
nothing(void *arg)
{
	(void)arg;
}

static void
begin(unsigned helpers)
{
	sched_run(nothing, NULL); /* a stop of the test before is over */
	scratch_begin(&dir);
	tmp = open_dir("tmp");
	dst = open_dir("dst");
	CHECK_INT(commit_start(&commit, helpers, &why), 0);
}

static void
end(void)
{
	arm_call("", 0, 0, 0);
	commit_stop(&commit, clock_deadline(10000));
	close(tmp);
	close(dst);
	scratch_end(&dir);
}

static int
commit_text(const char *name, size_t n, int64_t deadline)
{
	char *text = mem_alloc(n + 1);
	struct commit_file file = { .fd = -1,
		.data = slice_make(text, n),
		.tmp_dirfd = tmp,
		.tmp_name = name,
		.dst_dirfd = dst,
		.dst_name = name };

	fail_clear(&why);
	int rc = commit_files(&commit, &file, 1, deadline, &why);
	free(text);
	return rc;
}

TEST(every_call_of_a_commit_may_fail_and_says_so_with_nothing_left)
{
	static const struct {
		unsigned helpers;
		const char *call;
		int skip, times, error;
		enum fail_code code;
	} rows[] = {
		{ 1, "memfd_create", 0, 1, EMFILE, FAIL_STORAGE },
		{ 1, "write", 0, 1, EINTR, FAIL_NONE },
		{ 1, "write", 0, 1, ENOSPC, FAIL_STORAGE_FULL },
		{ 1, "ftruncate", 0, 1, EIO, FAIL_STORAGE },
		{ 1, "sendmsg", 0, 1, EAGAIN, FAIL_NONE },
		{ 1, "sendmsg", 0, 3, ETOOMANYREFS, FAIL_NONE },
		{ 1, "sendmsg", 0, 1, EMSGSIZE, FAIL_STORAGE },
		{ 1, "recv", 0, 1, EAGAIN, FAIL_NONE }, { 1, "recv", 0, 1, EINTR, FAIL_NONE },
		{ 1, "sendfile", 0, 1, EINTR, FAIL_NONE }, { 1, "sendfile", 0, 1, 0, FAIL_STORAGE },
		{ 1, "sendfile", 0, 1, EDQUOT, FAIL_STORAGE_FULL },
		{ 1, "recvmsg", 0, 1, EINTR, FAIL_NONE }, { 1, "truncated", 0, 1, 1, FAIL_STORAGE },
		{ 1, "send", 0, 1, EINTR, FAIL_NONE }, { 1, "renameat2", 0, 1, EINVAL, FAIL_NONE },
		{ 1, "renameat2", 0, 1, EIO, FAIL_STORAGE },
		{ 1, "fsync", 0, 1, EIO, FAIL_STORAGE },
		{ 1, "fsync", 1, 1, ENOSPC, FAIL_STORAGE_FULL },
		{ 0, "write", 0, 1, EINTR, FAIL_NONE }, { 0, "write", 0, 1, EIO, FAIL_STORAGE },
		{ 0, "renameat2", 0, 1, ENOSYS, FAIL_NONE },
		{ 0, "fstat", 0, 1, EIO, FAIL_STORAGE }, /* of the directory to sync */
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		TEST_ROW("%s, %d calls, error %d, %u helpers", rows[i].call, rows[i].times,
		    rows[i].error, rows[i].helpers);
		begin(rows[i].helpers);
		arm_call(rows[i].call, rows[i].skip, rows[i].times, rows[i].error);
		int rc = commit_text("name", 5000, clock_deadline(20000));
		CHECK_INT(arm->times, 0); /* it happened */
		arm_call("", 0, 0, 0);
		CHECK_INT(rc, rows[i].code == FAIL_NONE ? 0 : -1);
		CHECK_INT(why.code, rows[i].code);
		CHECK_INT(scratch_count(&dir, "dst"), rows[i].code == FAIL_NONE);
		CHECK_INT(scratch_count(&dir, "tmp"), 0);
		/* and it goes on */
		CHECK_INT(commit_text("next", 100, clock_deadline(20000)), 0);
		end();
	}
}

TEST(a_link_that_fails_behind_a_rename_that_is_not_known_fails_the_commit)
{
	begin(0);
	scratch_write(&dir, "dst/name", "x", 1);
	arm_call("renameat2", 0, 1, EINVAL);
	CHECK_INT(commit_text("name", 100, DEADLINE_NEVER), -1);
	CHECK_INT(why.errnum, EEXIST);
	CHECK_STR(scratch_read(&dir, "dst/name"), "x");
	CHECK_INT(scratch_count(&dir, "tmp"), 0);
	end();
}

TEST(many_files_of_one_request_are_all_synced_or_none_is_named)
{
	enum { MANY = COMMIT_PACKET_FILES + 10 };
	static struct commit_file files[MANY];
	static char names[MANY][8];

	begin(1);
	for (size_t i = 0; i < MANY; i++) {
		snprintf(names[i], sizeof(names[i]), "n%zu", i);
		files[i] = (struct commit_file){ .fd = -1,
			.data = slice_str("text"),
			.tmp_dirfd = tmp,
			.tmp_name = names[i],
			.dst_dirfd = dst,
			.dst_name = names[i] };
	}
	arm_call("fsync", MANY - 1, 1, EIO);
	CHECK_INT(commit_files(&commit, files, MANY, clock_deadline(20000), &why), -1);
	CHECK_INT(why.code, FAIL_STORAGE);
	CHECK_INT(scratch_count(&dir, "dst"), 0);
	CHECK_INT(scratch_count(&dir, "tmp"), 0);
	CHECK_INT(commit_files(&commit, files, MANY, clock_deadline(20000), &why), 0);
	CHECK_INT(scratch_count(&dir, "dst"), MANY);
	end();
}

TEST(what_cannot_be_asked_is_refused)
{
	begin(1);
	CHECK_INT(commit_files(&commit, NULL, 0, DEADLINE_NEVER, &why), 0);
	CHECK_INT(commit_text("a/b", 100, clock_deadline(20000)), -1);
	CHECK_INT(why.code, FAIL_INTERNAL);
	CHECK_INT(commit_text("big", COMMIT_DATA_BYTES + 1, clock_deadline(20000)), -1);
	CHECK_INT(why.code, FAIL_INTERNAL);
	end();
}

TEST(helpers_that_cannot_be_had_are_told_at_the_start)
{
	scratch_begin(&dir);
	for (int skip = 0; skip < 2; skip++) {
		arm_call("socketpair", skip, 1, EMFILE);
		CHECK_INT(commit_start(&commit, 2, &why), -1);
		CHECK_INT(why.code, FAIL_OS);
		CHECK_INT(commit.n, 0);
		arm_call("fork", skip, 1, EAGAIN);
		CHECK_INT(commit_start(&commit, 2, &why), CAN_FAIL_FORK ? -1 : 0);
		commit_stop(&commit, clock_deadline(10000));
	}
	arm_call("", 0, 0, 0);
	CHECK_INT(commit_start(&commit, 99, &why), 0);
	CHECK_INT(commit.n, COMMIT_HELPERS_MAX);
	commit_stop(&commit, clock_deadline(10000));
	scratch_end(&dir);
}

TEST(a_helper_that_does_not_end_is_killed)
{
	begin(1);
	kill(commit.helpers[0].child.pid, SIGSTOP);
	commit_stop(&commit, clock_deadline(50));
	CHECK_INT(commit.n, 0);
	end();
}

TEST(a_helper_that_cannot_be_replaced_now_is_replaced_later)
{
	begin(1);
	commit.restart = false;
	child_kill(&commit.helpers[0].child, SIGKILL);
	CHECK_INT(commit_text("lost", 100, clock_deadline(20000)), -1);
	commit.restart = true;
	commit.helpers[0].started_ms = 0;
	arm_call("socketpair", 0, 1, EMFILE);
	CHECK_INT(commit_text("name", 100, clock_deadline(20000)), 0);
	CHECK_INT(arm->times, 0);
	CHECK_INT(scratch_count(&dir, "dst"), 1);
	end();
}

/* --- the socket to the helper stays full ----------------------------------------------------------- */

static int result;
static enum fail_code result_code;
static int64_t until;

static void
commit_fiber(void *arg)
{
	(void)arg;
	result = commit_text("name", 100, until);
	result_code = why.code;
}

static void
stopper(void *arg)
{
	(void)arg;
	fiber_spawn(commit_fiber, NULL, "commit", DEADLINE_NEVER, &why);
	io_sleep(clock_deadline(20), NULL);
	sched_stop(clock_ms());
}

TEST(a_full_socket_ends_with_the_deadline_or_with_a_stop)
{
	begin(1);
	arm_call("sendmsg", 0, 1000000, EAGAIN);
	CHECK_INT(commit_text("name", 100, clock_deadline(20)), -1);
	CHECK_INT(why.code, FAIL_TIMEOUT);
	if (!sched_wants_fibers()) { /* who stops it would be another fiber */
		end();
		return;
	}
	until = DEADLINE_NEVER;
	sched_run(stopper, NULL);
	CHECK_INT(result, -1);
	CHECK_INT(result_code, FAIL_CANCELLED);
	CHECK_INT(scratch_count(&dir, "dst"), 0);
	end();
}

static void
waiter(void *arg)
{
	(void)arg;
	/* no helper lives, and none may come yet */
	commit.helpers[0].started_ms = clock_ms() + 10000;
	stopper(NULL);
}

TEST(a_stop_ends_the_wait_for_a_helper)
{
	if (!sched_wants_fibers()) /* who stops it would be another fiber */
		return;
	begin(1);
	commit.restart = false;
	child_kill(&commit.helpers[0].child, SIGKILL);
	CHECK_INT(commit_text("lost", 100, clock_deadline(20000)), -1);
	commit.restart = true;
	sched_run(waiter, NULL);
	CHECK_INT(result, -1);
	CHECK_INT(result_code, FAIL_CANCELLED);
	end();
}

/* Between the request and its sending the helper's end closes: found by another fiber's read. */
static void
die_while_full(void *arg)
{
	(void)arg;
	fiber_spawn(commit_fiber, NULL, "commit", DEADLINE_NEVER, &why);
	io_sleep(clock_deadline(5), NULL);
	commit.helpers[0].dead = true;
	commit.restart = false;
}

TEST(a_helper_found_dead_while_its_socket_is_full_is_not_waited_for)
{
	if (!sched_wants_fibers()) /* who stops it would be another fiber */
		return;
	begin(1);
	arm_call("sendmsg", 0, 1000000, EAGAIN);
	until = clock_deadline(20000);
	sched_run(die_while_full, NULL);
	CHECK_INT(result, -1);
	CHECK_INT(result_code, FAIL_STORAGE);
	commit.helpers[0].dead = false;
	end();
}

TEST(files_that_their_owner_took_back_are_not_named)
{
	struct commit_file file = { .fd = -1,
		.data = slice_str("text"),
		.tmp_dirfd = -1,
		.tmp_name = "name",
		.dst_dirfd = -1,
		.dst_name = "name",
		.made = -1,
		.stamp_ns = 1000000000 };
	struct commit_request req = { .steps = COMMIT_SYNC | COMMIT_NAME, .n = 1 }, *one = &req;

	begin(0);
	file.tmp_dirfd = tmp;
	file.dst_dirfd = dst;
	req.files = &file;
	CHECK_INT(commit_data_open(&file, &why), 0);
	CHECK(!commit_revoked(&file));
	/* after the copy was begun: the size says so */
	arm_call("ftruncate", 0, 1, EIO);
	commit_revoke(&file, 1); /* cannot be told */
	CHECK(!commit_revoked(&file));
	CHECK_INT(ftruncate(file.from, 4), 0);
	commit_batch(&one, 1);
	CHECK_INT(req.why.code, FAIL_TIMEOUT);
	CHECK_INT(scratch_count(&dir, "dst"), 0);
	CHECK_INT(scratch_count(&dir, "tmp"), 0);
	close(file.from);
	end();
}
