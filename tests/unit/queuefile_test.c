#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/queue/queuefile.h"
#include "base/clock.h"
#include "base/crc32c.h"
#include "base/limits.h"
#include "base/mem.h"
#include "scratch.h"
#include "test.h"

static struct scratch dir;
static struct spool spool;
static struct fail why;

static void
begin(void)
{
	scratch_begin(&dir);
	CHECK_INT(spool_open(&spool, scratch_path(&dir, "spool"), &why), 0);
}

static void
end(void)
{
	spool_close(&spool);
	scratch_end(&dir);
}

/* --- the envelope ----------------------------------------------------------------------------------- */

#define HEAD "mxtls-queue 1\nid 0123456789abcdef\ntime 1767225600\n"

TEST(an_envelope_is_written_as_documented_and_read_back)
{
	struct queue_rcpt rcpts[] = { { "a@example.net", QUEUE_NOTIFY_SUCCESS | QUEUE_NOTIFY_DELAY,
					  "rfc822;a@example.net" },
		{ "\"b c%>\"@example.net", QUEUE_NOTIFY_NEVER, NULL },
		{ "j\xc3\xbcrgen@example.net", 0, NULL } };
	struct queue_envelope e = { .id = "0123456789abcdef",
		.time = 1767225600,
		.flags = QUEUE_8BITMIME | QUEUE_REQUIRETLS,
		.sender = "me@example.org",
		.ret = QUEUE_RET_HDRS,
		.envid = "QQ 1",
		.owned = true,
		.uid = 1000,
		.rcpts = rcpts,
		.rcpts_n = 3 };
	static const char want[] =
	    HEAD "flags 8bitmime requiretls\n"
		 "sender <me@example.org> ret=hdrs envid=QQ%201 uid=1000\n"
		 "rcpt <a@example.net> notify=success,delay orcpt=rfc822;a@example.net\n"
		 "rcpt <\"b%20c%25>\"@example.net> notify=never\n"
		 "rcpt <j%C3%BCrgen@example.net>\n\n";
	struct queue_envelope back;
	struct arena a;
	struct buf out;
	size_t length;

	buf_init(&out, 4096);
	arena_init(&a);
	CHECK_INT(queue_envelope_format(&out, &e, &why), 0);
	CHECK_STR(buf_str(&out), want);
	buf_puts(&out, "rest");
	CHECK_INT(queue_envelope_parse(slice_make(out.data, out.len), &a, &back, &length, &why), 0);
	CHECK_INT(length, sizeof(want) - 1);
	CHECK_INT(back.flags, e.flags);
	CHECK_INT(back.time, e.time);
	CHECK_INT(back.ret, e.ret);
	CHECK_STR(back.sender, e.sender);
	CHECK_STR(back.envid, e.envid);
	CHECK(back.owned && back.uid == 1000);
	CHECK_INT(back.rcpts_n, 3);
	for (size_t i = 0; i < 3; i++) {
		CHECK_STR(back.rcpts[i].address, rcpts[i].address);
		CHECK_INT(back.rcpts[i].notify, rcpts[i].notify);
		CHECK((back.rcpts[i].orcpt != NULL) == (rcpts[i].orcpt != NULL));
	}
	CHECK_STR(back.rcpts[0].orcpt, rcpts[0].orcpt);
	arena_free(&a);
	buf_free(&out);
}

TEST(an_envelope_that_could_break_a_command_or_a_limit_is_not_written)
{
	static char longest[LIMIT_PATH_BYTES + 2];
	static const struct {
		const char *id, *sender, *rcpt;
		unsigned notify;
		const char *envid, *orcpt;
		enum fail_code want;
	} rows[] = {
		{ "0123456789abcdef", "", "a@b", 0, NULL, NULL, FAIL_NONE },
		{ "0123456789abcdef", "x\r\ny@b", "a@b", 0, NULL, NULL, FAIL_ADDRESS },
		{ "0123456789abcdef", "x@b", "a\n@b", 0, NULL, NULL, FAIL_ADDRESS },
		{ "0123456789abcdef", "x@b", "a\x7f@b", 0, NULL, NULL, FAIL_ADDRESS },
		{ "0123456789abcdef", "x@b", "a\t@b", 0, NULL, NULL, FAIL_ADDRESS },
		{ "0123456789abcdef", "x@b", "", 0, NULL, NULL, FAIL_ADDRESS },
		{ "0123456789abcdef", "x@b", longest, 0, NULL, NULL, FAIL_ADDRESS },
		{ "0123456789abcdef", longest, "a@b", 0, NULL, NULL, FAIL_ADDRESS },
		{ "0123456789abcdef", "x@b", "a@b", 0, "e\nv", NULL, FAIL_ADDRESS },
		{ "0123456789abcdef", "x@b", "a@b", 0, NULL, "o\nr", FAIL_ADDRESS },
		{ "0123456789abcdef", "x@b", "a@b", 3, NULL, NULL, FAIL_USAGE },
		{ "0123456789abcde", "x@b", "a@b", 0, NULL, NULL, FAIL_USAGE },
		{ "../../etc/passwd", "x@b", "a@b", 0, NULL, NULL, FAIL_USAGE },
		{ "0123456789abcdef", "x@b", NULL, 0, NULL, NULL, FAIL_NO_RECIPIENT },
	};
	struct buf out;

	memset(longest, 'x', sizeof(longest) - 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		TEST_ROW("row %zu", i);
		struct queue_rcpt r = { rows[i].rcpt, rows[i].notify, rows[i].orcpt };
		struct queue_envelope e = { .time = 1,
			.sender = rows[i].sender,
			.envid = rows[i].envid,
			.rcpts = &r,
			.rcpts_n = r.address != NULL };
		strcpy(e.id, rows[i].id);
		fail_clear(&why);
		buf_init(&out, 4096);
		CHECK_INT(
		    queue_envelope_format(&out, &e, &why), rows[i].want == FAIL_NONE ? 0 : -1);
		CHECK_INT(why.code, rows[i].want);
		buf_free(&out);
	}
}

TEST(an_envelope_that_we_would_not_write_is_damage)
{
	static const char *const rows[] = {
		"",
		"\n",
		"mxtls-queue 2\nid 0123456789abcdef\ntime 1\nflags\nsender <>\nrcpt <a@b>\n\n",
		"mxtls-queue 1 \nid 0123456789abcdef\ntime 1\nflags\nsender <>\nrcpt <a@b>\n\n",
		"mxtls-queue 1\nid 0123456789abcdeF\ntime 1\nflags\nsender <>\nrcpt <a@b>\n\n",
		"mxtls-queue 1\nid ../../../../../a\ntime 1\nflags\nsender <>\nrcpt <a@b>\n\n",
		"mxtls-queue 1\nid 0123456789abcdef\ntime 01\nflags\nsender <>\nrcpt <a@b>\n\n",
		"mxtls-queue 1\nid 0123456789abcdef\ntime -1\nflags\nsender <>\nrcpt <a@b>\n\n",
		"mxtls-queue 1\nid 0123456789abcdef\ntime \nflags\nsender <>\nrcpt <a@b>\n\n",
		"mxtls-queue 1\nid 0123456789abcdef\ntime 99999999999999\nflags\nsender <>\nrcpt "
		"<a@b>\n\n",
		"mxtls-queue 1\r\nid 0123456789abcdef\r\ntime 1\r\nflags\r\nsender <>\r\nrcpt "
		"<a@b>\r\n\r\n",
		HEAD "flags 7bit\nsender <>\nrcpt <a@b>\n\n",
		HEAD "flags requiretls 8bitmime\nsender <>\nrcpt <a@b>\n\n",
		HEAD "flags \nsender <>\nrcpt <a@b>\n\n",
		HEAD "sender <>\nrcpt <a@b>\n\n",
		HEAD "flags\nsender a@b\nrcpt <a@b>\n\n",
		HEAD "flags\nsender <a@b\nrcpt <a@b>\n\n",
		HEAD "flags\nsender <a b>\nrcpt <a@b>\n\n",
		HEAD "flags\nsender <> ret=none\nrcpt <a@b>\n\n",
		HEAD "flags\nsender <> envid=%\nrcpt <a@b>\n\n",
		HEAD "flags\nsender <> uid=\nrcpt <a@b>\n\n",
		HEAD "flags\nsender <> uid=01\nrcpt <a@b>\n\n",
		HEAD "flags\nsender <> uid=4294967296\nrcpt <a@b>\n\n",
		HEAD "flags\nsender <> uid=1 envid=a\nrcpt <a@b>\n\n",
		HEAD "flags\nsender <>x\nrcpt <a@b>\n\n",
		HEAD "flags\nsender <>\n\n",
		HEAD "flags\nsender <>\nrcpt <>\n\n",
		HEAD "flags\nsender <>\nrcpt <a@b>\n",
		HEAD "flags\nsender <>\nrcpt <a@b>",
		HEAD "flags\nsender <>\nrcpt <a@b> \n\n",
		HEAD "flags\nsender <>\nrcpt <a@b> notify=\n\n",
		HEAD "flags\nsender <>\nrcpt <a@b> notify=failure,success\n\n",
		HEAD "flags\nsender <>\nrcpt <a@b> notify=never,success\n\n",
		HEAD "flags\nsender <>\nrcpt <a@b> orcpt=a notify=never\n\n",
		HEAD "flags\nsender <>\nrcpt <a%0D%0Ab@b>\n\n",
		HEAD "flags\nsender <>\nrcpt <a%00@b>\n\n",
		HEAD "flags\nsender <>\nrcpt <a%41@b>\n\n",
		HEAD "flags\nsender <>\nrcpt <a%c3%bc@b>\n\n",
		HEAD "flags\nsender <>\nrcpt <a%2\n\n",
		HEAD "flags\nsender <>\nrcpt <a\xc3\xbc@b>\n\n",
		HEAD "flags\nsender <>\nbcc <a@b>\n\n",
	};
	struct queue_envelope e;
	struct arena a;
	size_t length;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		TEST_ROW("%s", rows[i]);
		arena_init(&a);
		fail_clear(&why);
		CHECK_INT(queue_envelope_parse(slice_str(rows[i]), &a, &e, &length, &why), -1);
		CHECK_INT(why.code, FAIL_QUEUE_FILE);
		arena_free(&a);
	}
}

TEST(ids_are_sixteen_safe_characters_that_sort_by_time)
{
	char a[QUEUE_ID_BYTES], b[QUEUE_ID_BYTES];

	queue_id_make(a, 0, 0);
	CHECK_STR(a, "0000000000000000");
	queue_id_make(a, INT64_MAX, UINT32_MAX);
	CHECK_STR(a, "zzzzzzzzzzzzzzzz");
	for (int64_t t = 1; t < 1LL << 54; t = t * 3 + 1) {
		queue_id_make(a, t, 0xffffffff);
		queue_id_make(b, t + 1, 0);
		TEST_ROW("%s %s", a, b);
		CHECK(strcmp(a, b) < 0);
		CHECK(queue_id_valid(slice_str(a)) && queue_id_valid(slice_str(b)));
	}
	static const char *const bad[] = { "", "0123456789abcde", "0123456789abcdefg",
		"0123456789ABCDEF", "0123456789abcdei", "0123456789abcd/.", "................" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		TEST_ROW("%s", bad[i]);
		CHECK(!queue_id_valid(slice_str(bad[i])));
	}
}

/* --- files ------------------------------------------------------------------------------------------ */

static const char body[] = "Subject: x\r\n\r\nline\r\n.dot\r\nlast";

/* Queue one message; its id, good until the next call. */
static const char *
queue_one(struct slice text)
{
	static char id[QUEUE_ID_BYTES];
	struct queue_rcpt r = { "a@b", 0, NULL };
	struct queue_envelope e = { .sender = "x@y", .rcpts = &r, .rcpts_n = 1 };
	struct queue_writer w;

	CHECK_INT(queuefile_create(&w, &spool, &e, false, &why), 0);
	CHECK_INT(queuefile_write(&w, text, &why), 0);
	CHECK_INT(queuefile_commit(&w, NULL, DEADLINE_NEVER, &why), 0);
	queuefile_release(&w);
	CHECK_STR(w.id, e.id);
	strcpy(id, e.id);
	return id;
}

static void
check_refused(const char *id, const char *text)
{
	struct queuefile qf;

	fail_clear(&why);
	CHECK_INT(queuefile_open(&spool, id, &qf, &why), -1);
	CHECK_INT(why.code, FAIL_QUEUE_FILE);
	if (strstr(why.text, text) == NULL)
		CHECK_STR(why.text, text);
}

TEST(a_spool_has_four_private_directories_and_refuses_open_ones)
{
	static const char *const names[] = { "spool", "spool/tmp", "spool/q", "spool/j",
		"spool/corrupt" };
	struct stat st;

	begin();
	for (size_t i = 0; i < 5; i++) {
		TEST_ROW("%s", names[i]);
		CHECK_INT(stat(scratch_path(&dir, names[i]), &st), 0);
		CHECK_INT(st.st_mode & 07777, 0700);
		CHECK_INT(chmod(scratch_path(&dir, names[i]), 0770), 0);
		struct spool other;
		CHECK_INT(spool_open(&other, scratch_path(&dir, "spool"), &why), -1);
		CHECK_INT(why.code, FAIL_PERMISSION);
		CHECK_INT(chmod(scratch_path(&dir, names[i]), 0700), 0);
	}
	CHECK_INT(rmdir(scratch_path(&dir, "spool/j")), 0);
	CHECK_INT(symlink("../..", scratch_path(&dir, "spool/j")), 0);
	struct spool other;
	CHECK_INT(spool_open(&other, scratch_path(&dir, "spool"), &why), -1);
	CHECK_INT(why.code, FAIL_STORAGE);
	end();
}

TEST(a_message_comes_out_of_the_queue_as_it_went_in)
{
	struct queuefile qf;
	char text[100] = "", path[64];
	struct stat st;

	begin();
	const char *id = queue_one(slice_str(body));
	CHECK_INT(scratch_count(&dir, "spool/tmp"), 0);
	CHECK_INT(scratch_count(&dir, "spool/q"), 1);
	CHECK_INT(queuefile_open(&spool, id, &qf, &why), 0);
	CHECK_STR(qf.envelope.sender, "x@y");
	CHECK_STR(qf.envelope.rcpts[0].address, "a@b");
	CHECK(llabs((long long)(qf.envelope.time - clock_wall())) < 30);
	static const char want[] = "Subject: x\n\nline\n.dot\nlast";
	CHECK_INT(qf.text_bytes, sizeof(want) - 1);
	CHECK_INT(pread(qf.fd, text, (size_t)qf.text_bytes, qf.text_offset), sizeof(want) - 1);
	CHECK_STR(text, want);
	queuefile_close(&qf);
	snprintf(path, sizeof(path), "spool/q/%s", id);
	CHECK_INT(stat(scratch_path(&dir, path), &st), 0);
	CHECK_INT(st.st_mode & 07777, 0600);
	id = queue_one(slice_str(""));
	CHECK_INT(queuefile_open(&spool, id, &qf, &why), 0);
	CHECK_INT(qf.text_bytes, 0);
	queuefile_close(&qf);
	CHECK_INT(queuefile_open(&spool, "0000000000000000", &qf, &why), -1);
	CHECK_INT(why.code, FAIL_NO_INPUT);
	CHECK_INT(why.errnum, ENOENT);
	check_refused("../q", "not a queue id");
	end();
}

TEST(the_file_is_locked_until_it_is_released)
{
	struct queue_rcpt r = { "a@b", 0, NULL };
	struct queue_envelope e = { .sender = "", .rcpts = &r, .rcpts_n = 1 };
	struct queue_writer w;
	struct commit c;

	begin();
	CHECK_INT(commit_start(&c, 1, &why), 0);
	CHECK_INT(queuefile_create(&w, &spool, &e, true, &why), 0);
	int fd = open(scratch_path(&dir, scratch_only(&dir, "spool/tmp")), O_RDONLY);
	CHECK_INT(flock(fd, LOCK_EX | LOCK_NB), -1);
	CHECK_INT(queuefile_commit(&w, &c, clock_deadline(10000), &why), 0);
	CHECK_INT(flock(fd, LOCK_EX | LOCK_NB), -1);
	queuefile_release(&w);
	/* the helper's copy of the descriptor is closed before it answers */
	CHECK_INT(flock(fd, LOCK_EX | LOCK_NB), 0);
	close(fd);
	CHECK_INT(queuefile_create(&w, &spool, &e, true, &why), 0);
	queuefile_abort(&w);
	CHECK_INT(scratch_count(&dir, "spool/tmp"), 0);
	commit_stop(&c, clock_deadline(5000));
	end();
}

TEST(a_torn_file_is_refused_at_every_length_and_with_zeros_from_every_byte)
{
	struct queuefile qf;
	char path[64], whole[1024];

	begin();
	const char *id = queue_one(slice_str(body));
	snprintf(path, sizeof(path), "spool/q/%s", id);
	size_t n = strlen(scratch_read(&dir, path));
	memcpy(whole, scratch_read(&dir, path), n);
	for (size_t i = 0; i < n; i++) {
		TEST_ROW("cut at %zu of %zu", i, n);
		scratch_write(&dir, path, whole, i);
		check_refused(id, "torn");
		char copy[1024];
		TEST_ROW("zeros from %zu of %zu", i, n);
		memcpy(copy, whole, n);
		memset(copy + i, 0, n - i);
		scratch_write(&dir, path, copy, n);
		check_refused(id, "torn");
		TEST_ROW("one bit of byte %zu", i);
		memcpy(copy, whole, n);
		copy[i] = (char)(copy[i] ^ 4);
		scratch_write(&dir, path, copy, n);
		check_refused(id, "torn");
	}
	memcpy(whole + n, "x", 1);
	scratch_write(&dir, path, whole, n + 1);
	check_refused(id, "torn");
	scratch_write(&dir, path, whole, n);
	CHECK_INT(queuefile_open(&spool, id, &qf, &why), 0);
	queuefile_close(&qf);
	end();
}

/* A text that ends like a queue file does not end the file. */
TEST(a_trailer_inside_the_text_is_text)
{
	struct queuefile qf;

	begin();
	const char *id = queue_one(slice_str("x\r\nmxtls-end 00000000000000000002 00000000\r\n"));
	CHECK_INT(queuefile_open(&spool, id, &qf, &why), 0);
	CHECK_INT(qf.text_bytes, 42);
	queuefile_close(&qf);
	end();
}

TEST(planted_links_fifos_and_foreign_files_are_refused)
{
	static const char other[] = "0000000000000001";
	char path[64], target[64];

	begin();
	const char *id = queue_one(slice_str(body));
	snprintf(path, sizeof(path), "spool/q/%s", id);
	snprintf(target, sizeof(target), "spool/q/%s", other);
	TEST_ROW("symbolic link");
	CHECK_INT(symlink(id, scratch_path(&dir, target)), 0);
	check_refused(other, "not a regular file");
	unlink(scratch_path(&dir, target));
	TEST_ROW("fifo");
	CHECK_INT(mkfifo(scratch_path(&dir, target), 0600), 0);
	check_refused(other, "not a regular file");
	unlink(scratch_path(&dir, target));
	TEST_ROW("directory");
	CHECK_INT(mkdir(scratch_path(&dir, target), 0700), 0);
	check_refused(other, "not a regular file");
	rmdir(scratch_path(&dir, target));
	TEST_ROW("hard link");
	CHECK_INT(link(scratch_path(&dir, path), scratch_path(&dir, target)), 0);
	check_refused(id, "has other names");
	unlink(scratch_path(&dir, path));
	TEST_ROW("another message's file");
	check_refused(other, "its id is");
	TEST_ROW("writable by others");
	id = queue_one(slice_str(body));
	snprintf(path, sizeof(path), "spool/q/%s", id);
	CHECK_INT(chmod(scratch_path(&dir, path), 0620), 0);
	check_refused(id, "others may write");
	CHECK_INT(chmod(scratch_path(&dir, path), 0600), 0);
	if (geteuid() == 0) {
		TEST_ROW("another owner");
		CHECK_INT(chown(scratch_path(&dir, path), 65534, 65534), 0);
		check_refused(id, "not ours");
	}
	end();
}

TEST(a_message_whose_temporary_name_survived_a_crash_is_whole)
{
	struct queuefile qf;
	char path[64], tmp[64];

	begin();
	const char *id = queue_one(slice_str(body));
	snprintf(path, sizeof(path), "spool/q/%s", id);
	snprintf(tmp, sizeof(tmp), "spool/tmp/%s", id);
	CHECK_INT(link(scratch_path(&dir, path), scratch_path(&dir, tmp)), 0);
	CHECK_INT(queuefile_open(&spool, id, &qf, &why), 0);
	queuefile_close(&qf);
	CHECK_INT(scratch_count(&dir, "spool/tmp"), 0);
	end();
}

TEST(a_file_without_envelope_but_with_a_trailer_that_fits_is_damage)
{
	char file[256];

	begin();
	int n = snprintf(file, sizeof(file), "hello\n");
	n += snprintf(file + n, sizeof(file) - (size_t)n, "mxtls-end %020d %08x\n", n,
	    crc32c(0, file, (size_t)n));
	scratch_write(&dir, "spool/q/0123456789abcdef", file, (size_t)n);
	check_refused("0123456789abcdef", "envelope line 1");
	end();
}

TEST(ten_thousand_recipients_and_a_large_text_fit)
{
	struct queue_rcpt *rcpts = mem_array(LIMIT_SUBMIT_RECIPIENTS, sizeof(*rcpts));
	struct queue_envelope e = { .sender = "x@y", .rcpts = rcpts };
	char(*names)[40] = mem_array(LIMIT_SUBMIT_RECIPIENTS, sizeof(*names));
	char *text = mem_alloc(3000001);
	struct queue_writer w;
	struct queuefile qf;

	begin();
	e.rcpts_n = LIMIT_SUBMIT_RECIPIENTS;
	for (size_t i = 0; i < e.rcpts_n; i++) {
		snprintf(names[i], sizeof(names[i]), "user%zu@example.net", i);
		rcpts[i].address = names[i];
	}
	memset(text, 'x', 3000001);
	CHECK_INT(queuefile_create(&w, &spool, &e, true, &why), 0);
	CHECK_INT(queuefile_write(&w, slice_make(text, 3000001), &why), 0);
	CHECK_INT(queuefile_commit(&w, NULL, DEADLINE_NEVER, &why), 0);
	queuefile_release(&w);
	CHECK_INT(queuefile_open(&spool, e.id, &qf, &why), 0);
	CHECK_INT(qf.envelope.rcpts_n, LIMIT_SUBMIT_RECIPIENTS);
	CHECK_STR(qf.envelope.rcpts[9999].address, "user9999@example.net");
	CHECK_INT(qf.text_bytes, 3000001);
	queuefile_close(&qf);
	free(rcpts);
	free(names);
	free(text);
	end();
}

TEST(the_spool_sweep_leaves_what_is_locked)
{
	struct queue_rcpt r = { "a@b", 0, NULL };
	struct queue_envelope e = { .sender = "", .rcpts = &r, .rcpts_n = 1 };
	struct timespec old[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
	struct queue_writer w;

	begin();
	CHECK_INT(queuefile_create(&w, &spool, &e, true, &why), 0);
	CHECK_INT(futimens(w.file.fd, old), 0);
	CHECK_INT(spool_sweep(&spool, &why), 0);
	queuefile_release(&w);
	CHECK_INT(scratch_count(&dir, "spool/tmp"), 1);
	CHECK_INT(spool_sweep(&spool, &why), 1);
	CHECK_INT(scratch_count(&dir, "spool/tmp"), 0);
	end();
}
