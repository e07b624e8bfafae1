#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/store/commit_wire.h"
#include "app/store/maildir.h"
#include "base/clock.h"
#include "base/mem.h"
#include "io/io.h"
#include "io/sched.h"
#include "scratch.h"
#include "test.h"

#define FILE_AT(fd_, tmp_dir, tmp, dst_dir, dst) \
	{ \
		.fd = fd_, .tmp_dirfd = tmp_dir, .tmp_name = tmp, .dst_dirfd = dst_dir, \
		.dst_name = dst \
	}

static struct scratch dir;
static struct maildir md;
static struct commit commit;
static struct fail why;

static void
begin(unsigned helpers)
{
	scratch_begin(&dir);
	CHECK_INT(maildir_open(&md, scratch_path(&dir, "box"), &why), 0);
	CHECK_INT(commit_start(&commit, helpers, &why), 0);
}

static void
end(void)
{
	commit_stop(&commit, clock_deadline(10000));
	maildir_close(&md);
	scratch_end(&dir);
}

static char big[STORAGE_BUFFER_BYTES + 1];
static bool large; /* messages have their file before the commit */

static int
deliver(struct commit *c, int64_t deadline, struct fail *reason)
{
	struct maildir_file f, *one = &f;

	memset(big, 'x', sizeof(big) - 1);
	if (maildir_create(&f, &md, slice_str("Subject: x\r\n\r\ntext\r\n"), reason) != 0)
		return -1;
	if (large && maildir_write(&f, slice_str(big), reason) != 0) {
		maildir_abort(&f);
		return -1;
	}
	return maildir_commit(&one, 1, c, deadline, reason);
}

/* --- packets ---------------------------------------------------------------------------------------- */

static bool
packet_ok(struct slice bytes, size_t fds_n)
{
	struct commit_packet *p = mem_alloc(sizeof(*p));

	p->fds_n = fds_n;
	bool ok = commit_packet_parse(bytes, p);
	free(p);
	return ok;
}

TEST(a_packet_is_parsed_as_it_was_formatted_and_no_shorter_one_is)
{
	struct commit_file files[] = { FILE_AT(10, 11, "t1", 12, "n1"),
		FILE_AT(13, 11, "t2", 12, "n22") };
	struct commit_packet *p = mem_alloc(sizeof(*p));
	struct buf out;

	buf_init(&out, COMMIT_PACKET_BYTES);
	CHECK_INT(commit_packet_format(&out, 77, COMMIT_SYNC, files, 2, p->fds, &p->fds_n), 0);
	CHECK_INT(p->fds_n, 4);
	CHECK(commit_packet_parse(slice_make(out.data, out.len), p));
	CHECK_INT(p->req.id, 77);
	CHECK_INT(p->req.steps, COMMIT_SYNC);
	CHECK_INT(p->req.n, 2);
	CHECK_INT(p->req.files[1].fd, 13);
	CHECK_INT(p->req.files[1].tmp_dirfd, 11);
	CHECK_INT(p->req.files[1].dst_dirfd, 12);
	CHECK_STR(p->req.files[1].tmp_name, "t2");
	CHECK_STR(p->req.files[1].dst_name, "n22");
	for (size_t n = 0; n < out.len; n++) {
		TEST_ROW("%zu bytes", n);
		CHECK(!packet_ok(slice_make(out.data, n), 4));
	}
	/* the head: 8 bytes of id, 4 of steps, 4 of the number of files; an entry begins with the stamp */
	static const uint32_t counts[] = { 0, 1, 3, COMMIT_PACKET_FILES + 1, UINT32_MAX };
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		TEST_ROW("%u files", counts[i]);
		memcpy(out.data + 12, &counts[i], 4);
		CHECK(!packet_ok(slice_make(out.data, out.len), 4));
	}
	memcpy(out.data + 12, &(uint32_t){ 2 }, 4);
	TEST_ROW("too much data");
	memcpy(out.data + 16 + 8, &(uint32_t){ COMMIT_DATA_BYTES + 1 }, 4);
	CHECK(!packet_ok(slice_make(out.data, out.len), 4));
	memcpy(out.data + 16 + 8, &(uint32_t){ 0 }, 4);
	CHECK(packet_ok(slice_make(out.data, out.len), 4));
	CHECK_INT(commit_packet_format(&out, 77, COMMIT_SYNC, files, 0, p->fds, &p->fds_n), -1);
	CHECK_INT(commit_packet_format(
		      &out, 77, COMMIT_SYNC, files, COMMIT_PACKET_FILES + 1, p->fds, &p->fds_n),
	    -1);
	TEST_ROW("descriptors missing");
	CHECK(!packet_ok(slice_make(out.data, out.len), 3));
	buf_putc(&out, 'x');
	TEST_ROW("one byte more");
	CHECK(!packet_ok(slice_make(out.data, out.len), 4));
	buf_free(&out);
	free(p);
}

TEST(a_name_that_is_more_than_one_component_is_refused_at_both_ends)
{
	static const char *const names[] = { "", ".", "..", "a/b", "/", "../x" };
	struct commit_file file = FILE_AT(10, 11, "name", 12, "aaaaaaaa");
	struct buf out;
	int fds[COMMIT_PACKET_FDS];
	size_t n;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		TEST_ROW("%s", names[i]);
		struct commit_file bad = file;
		bad.dst_name = names[i];
		buf_init(&out, COMMIT_PACKET_BYTES);
		CHECK_INT(commit_packet_format(&out, 1, 3, &bad, 1, fds, &n), -1);
		buf_free(&out);
	}
	buf_init(&out, COMMIT_PACKET_BYTES);
	CHECK_INT(commit_packet_format(&out, 1, 3, &file, 1, fds, &n), 0);
	CHECK(packet_ok(slice_make(out.data, out.len), n));
	memcpy(out.data + out.len - 8, "../aaaaa", 8);
	CHECK(!packet_ok(slice_make(out.data, out.len), n));
	memcpy(out.data + out.len - 8, "aaaa\0aaa", 8);
	CHECK(!packet_ok(slice_make(out.data, out.len), n));
	buf_free(&out);
}

/* --- the work --------------------------------------------------------------------------------------- */

TEST(files_are_made_durable_with_and_without_helpers)
{
	for (unsigned i = 0; i < 2 * (COMMIT_HELPERS_MAX + 1); i++) {
		unsigned helpers = i / 2;
		large = i % 2 == 1;
		TEST_ROW("%u helpers, %s", helpers, large ? "large" : "small");
		begin(helpers);
		for (int k = 0; k < 5; k++)
			CHECK_INT(deliver(&commit, clock_deadline(10000), &why), 0);
		CHECK_INT(deliver(NULL, DEADLINE_NEVER, &why), 0);
		CHECK_INT(commit_files(&commit, NULL, 0, DEADLINE_NEVER, &why), 0);
		CHECK_INT(scratch_count(&dir, "box/new"), 6);
		CHECK_INT(scratch_count(&dir, "box/tmp"), 0);
		end();
	}
}

/* n recipients of one message; the one at bad (n: none) has its final name taken. */
static void
deliver_many(size_t n, size_t bad, int want)
{
	struct maildir_file *files = mem_array(n, sizeof(*files));
	struct maildir_file **list = mem_array(n, sizeof(*list));
	char planted[512] = "";

	memset(big, 'x', sizeof(big) - 1);
	for (size_t i = 0; i < n; i++) {
		list[i] = &files[i];
		CHECK_INT(maildir_create(&files[i], &md, slice_str("x\n"), &why), 0);
		if (bad < n)
			CHECK_INT(maildir_write(&files[i], slice_str(big), &why), 0);
		if (i != bad)
			continue;
		snprintf(planted, sizeof(planted), "box/new/%s", files[i].name);
		scratch_write(&dir, planted, "theirs", 6);
	}
	CHECK_INT(maildir_commit(list, n, &commit, clock_deadline(20000), &why), want);
	CHECK_INT(scratch_count(&dir, "box/tmp"), 0);
	CHECK_INT(scratch_count(&dir, "box/new"), want == 0 ? (int)n : 1);
	if (want != 0) {
		CHECK_INT(why.code, FAIL_STORAGE);
		CHECK_STR(scratch_read(&dir, planted), "theirs");
	}
	free(files);
	free(list);
}

TEST(several_recipients_get_their_copies_all_or_none)
{
	/* those with a bad one are large: small ones would get another name */
	static const struct {
		size_t n, bad;
	} rows[] = { { 1, 1 }, { 3, 3 }, { 100, 100 }, { 3, 0 }, { 3, 1 }, { 3, 2 }, { 80, 80 },
		{ 81, 81 }, { 100, 99 }, { 100, 0 } };

	for (unsigned helpers = 0; helpers <= 2; helpers += 2) {
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			TEST_ROW("%u helpers, %zu files, bad %zu", helpers, rows[i].n, rows[i].bad);
			begin(helpers);
			deliver_many(rows[i].n, rows[i].bad, rows[i].bad < rows[i].n ? -1 : 0);
			end();
		}
	}
}

TEST(a_file_whose_fsync_fails_is_lost_and_so_are_the_others_of_its_request)
{
	for (unsigned helpers = 0; helpers <= 2; helpers += 2) {
		TEST_ROW("%u helpers", helpers);
		begin(helpers);
		scratch_write(&dir, "box/tmp/a", "x", 1);
		CHECK_INT(mkfifo(scratch_path(&dir, "box/tmp/b"), 0600), 0);
		int fd = open(scratch_path(&dir, "box/tmp/a"), O_WRONLY);
		/* a fifo cannot be synced */
		int fifo = open(scratch_path(&dir, "box/tmp/b"), O_RDWR);
		struct commit_file files[] = { FILE_AT(fd, md.tmp, "a", md.new, "a"),
			FILE_AT(fifo, md.tmp, "b", md.new, "b") };
		CHECK_INT(commit_files(&commit, files, 2, clock_deadline(10000), &why), -1);
		CHECK_INT(why.code, FAIL_STORAGE);
		CHECK_INT(why.errnum, EINVAL);
		CHECK(strstr(why.text, "fsync of tmp/b") != NULL);
		CHECK_INT(scratch_count(&dir, "box/tmp"), 0);
		CHECK_INT(scratch_count(&dir, "box/new"), 0);
		close(fd);
		close(fifo);
		end();
	}
}

TEST(a_failing_directory_takes_its_files_with_it_and_no_others)
{
	struct commit_request reqs[2], *list[] = { &reqs[0], &reqs[1] };

	begin(0);
	scratch_write(&dir, "box/tmp/a", "x", 1);
	scratch_write(&dir, "box/tmp/b", "x", 1);
	int a = open(scratch_path(&dir, "box/tmp/a"), O_WRONLY);
	int b = open(scratch_path(&dir, "box/tmp/b"), O_WRONLY);
	/* O_PATH descriptors can be renamed into, not synced */
	int bad = open(scratch_path(&dir, "box/cur"), O_PATH | O_DIRECTORY);
	struct commit_file fa = FILE_AT(a, md.tmp, "a", bad, "a"),
			   fb = FILE_AT(b, md.tmp, "b", md.new, "b");
	reqs[0] = (struct commit_request){ .steps = 3, .files = &fa, .n = 1 };
	reqs[1] = (struct commit_request){ .steps = 3, .files = &fb, .n = 1 };
	commit_batch(list, 2);
	CHECK_INT(reqs[0].why.code, FAIL_STORAGE);
	CHECK_INT(reqs[1].why.code, FAIL_NONE);
	CHECK_INT(scratch_count(&dir, "box/tmp"), 0);
	CHECK_INT(scratch_count(&dir, "box/cur"), 0);
	CHECK_INT(scratch_count(&dir, "box/new"), 1);
	close(a);
	close(b);
	close(bad);
	end();
}

/* --- fibers ----------------------------------------------------------------------------------------- */

#define MANY 200

static unsigned good, failed_n;

static void
one_fiber(void *arg)
{
	struct fail reason;

	if (deliver(&commit, arg != NULL ? *(int64_t *)arg : clock_deadline(30000), &reason) == 0)
		good++;
	else
		failed_n++;
}

static void
many_fibers(void *arg)
{
	for (int i = 0; i < MANY; i++)
		CHECK_INT(fiber_spawn(one_fiber, arg, "commit", DEADLINE_NEVER, &why), 0);
}

TEST(two_hundred_fibers_commit_at_once)
{
	for (unsigned helpers = 1; helpers <= 3; helpers++) {
		large = helpers == 2;
		TEST_ROW("%u helpers", helpers);
		begin(helpers);
		good = failed_n = 0;
		sched_run(many_fibers, NULL);
		CHECK_INT(good, MANY);
		CHECK_INT(scratch_count(&dir, "box/new"), MANY);
		CHECK_INT(scratch_count(&dir, "box/tmp"), 0);
		for (unsigned i = 0; i < helpers; i++)
			CHECK_INT(commit.helpers[i].outstanding, 0);
		CHECK_INT(commit.gate.held, 0);
		end();
	}
}

TEST(fibers_out_of_time_take_their_files_back_and_the_rest_goes_on)
{
	int64_t soon;

	for (int i = 0; i < 2; i++) {
		large = i == 1;
		TEST_ROW("%s", large ? "large" : "small");
		begin(2);
		good = failed_n = 0;
		for (int k = 0; k < 2; k++)
			kill(commit.helpers[k].child.pid, SIGSTOP);
		soon = clock_deadline(100);
		sched_run(many_fibers, &soon);
		CHECK_INT(failed_n, MANY);
		CHECK_INT(scratch_count(&dir, "box/tmp"), 0);
		/* the helpers find requests that nobody wants any more */
		for (int k = 0; k < 2; k++)
			kill(commit.helpers[k].child.pid, SIGCONT);
		sched_run(many_fibers, NULL);
		CHECK_INT(good, MANY);
		CHECK_INT(scratch_count(&dir, "box/new"), MANY);
		CHECK_INT(scratch_count(&dir, "box/tmp"), 0);
		CHECK_INT(commit.gate.held, 0);
		end();
	}
}

static void
killer(void *arg)
{
	(void)arg;
	many_fibers(NULL);
	for (int i = 0; i < 4; i++) {
		io_sleep(clock_ms() + 3, &why);
		child_kill(&commit.helpers[i % 2].child, SIGKILL);
	}
	/* the last ones are dead, not dying, when the test goes on */
	io_sleep(clock_ms() + 100, &why);
}

/* Whoever was told yes has its file, whoever was told no has none. */
TEST(killed_helpers_fail_what_they_had_and_are_replaced)
{
	for (int i = 0; i < 2; i++) {
		large = i == 1;
		TEST_ROW("%s", large ? "large" : "small");
		begin(2);
		good = failed_n = 0;
		sched_run(killer, NULL);
		CHECK_INT(good + failed_n, MANY);
		CHECK_INT(scratch_count(&dir, "box/new"), (int)good);
		/* of small ones a killed helper may leave the one that it was making */
		CHECK(scratch_count(&dir, "box/tmp") <= (large ? 0 : 4));
		CHECK_INT(commit.gate.held, 0);
		CHECK_INT(deliver(&commit, clock_deadline(10000), &why), 0);
		end();
	}
}

TEST(without_restart_a_dead_helper_is_a_temporary_failure_not_a_hang)
{
	begin(1);
	commit.restart = false;
	child_kill(&commit.helpers[0].child, SIGKILL);
	CHECK_INT(deliver(&commit, clock_deadline(10000), &why), -1);
	CHECK_INT(why.code, FAIL_STORAGE);
	CHECK_INT(deliver(&commit, clock_deadline(10000), &why), -1);
	CHECK_INT(why.code, FAIL_STORAGE);
	CHECK_STR(why.text, "no commit helper process is left");
	CHECK_INT(scratch_count(&dir, "box/new"), 0);
	CHECK_INT(scratch_count(&dir, "box/tmp"), 0);
	end();
}

TEST(a_stopped_helper_outside_of_fibers_is_a_timeout)
{
	begin(1);
	kill(commit.helpers[0].child.pid, SIGSTOP);
	CHECK_INT(deliver(&commit, clock_deadline(50), &why), -1);
	CHECK_INT(why.code, FAIL_TIMEOUT);
	kill(commit.helpers[0].child.pid, SIGCONT);
	CHECK_INT(deliver(&commit, clock_deadline(10000), &why), 0);
	CHECK_INT(scratch_count(&dir, "box/new"), 1);
	CHECK_INT(scratch_count(&dir, "box/tmp"), 0);
	end();
}

TEST(helpers_end_when_our_end_closes)
{
	int status;

	begin(2);
	for (int i = 0; i < 2; i++) {
		close(commit.helpers[i].fd);
		commit.helpers[i].fd = -1;
		CHECK_INT(
		    child_wait(&commit.helpers[i].child, &status, clock_deadline(5000), &why), 0);
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	end();
}

TEST(no_descriptor_is_left_open)
{
	int before, after;

	before = dup(0);
	close(before);
	begin(3);
	good = 0;
	sched_run(many_fibers, NULL);
	end();
	after = dup(0);
	close(after);
	CHECK_INT(after, before);
}
