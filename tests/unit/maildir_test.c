#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/store/maildir.h"
#include "base/clock.h"
#include "base/crc32c.h"
#include "scratch.h"
#include "test.h"

static struct scratch dir;
static struct maildir md;
static struct fail why;

/* More than stays in memory: the file is made at once. */
static char big[STORAGE_BUFFER_BYTES + 1];

static void
begin(void)
{
	memset(big, 'x', sizeof(big) - 1);

	scratch_begin(&dir);
	CHECK_INT(maildir_open(&md, scratch_path(&dir, "box"), &why), 0);
}

static void
end(void)
{
	maildir_close(&md);
	scratch_end(&dir);
}

static int
deliver(const char *head, const char *const *pieces)
{
	struct maildir_file f, *one = &f;

	if (maildir_create(&f, &md, slice_str(head), &why) != 0)
		return -1;
	for (; *pieces != NULL; pieces++)
		if (maildir_write(&f, slice_str(*pieces), &why) != 0) {
			maildir_abort(&f);
			return -1;
		}
	return maildir_commit(&one, 1, NULL, DEADLINE_NEVER, &why);
}

TEST(crc32c_has_the_values_of_rfc_3720_b_4)
{
	unsigned char zeros[32] = { 0 }, ones[32], up[32], down[32];

	for (int i = 0; i < 32; i++) {
		ones[i] = 0xff;
		up[i] = (unsigned char)i;
		down[i] = (unsigned char)(31 - i);
	}
	CHECK_INT(crc32c(0, zeros, 32), 0x8a9136aa);
	CHECK_INT(crc32c(0, ones, 32), 0x62a8ab43);
	CHECK_INT(crc32c(0, up, 32), 0x46dd794e);
	CHECK_INT(crc32c(0, down, 32), 0x113fdb5c);
	CHECK_INT(crc32c(0, "123456789", 9), 0xe3069283);
	for (size_t i = 0; i <= 32; i++) {
		TEST_ROW("split at %zu", i);
		CHECK_INT(crc32c(crc32c(0, up, i), up + i, 32 - i), 0x46dd794e);
	}
}

TEST(a_new_maildir_has_three_private_directories)
{
	static const char *const names[] = { "box", "box/tmp", "box/new", "box/cur" };
	struct stat st;

	begin();
	for (size_t i = 0; i < 4; i++) {
		TEST_ROW("%s", names[i]);
		CHECK_INT(stat(scratch_path(&dir, names[i]), &st), 0);
		CHECK_INT(st.st_mode & 07777, 0700);
	}
	CHECK_INT(maildir_open(&md, scratch_path(&dir, "no/box"), &why), -1);
	CHECK_INT(why.code, FAIL_CANT_CREATE);
	end();
}

TEST(a_delivery_has_its_head_first_and_lf_lines_and_the_time_of_delivery)
{
	static const char *const pieces[] = { "Subject: x\r\n\r\na\r", "\nb\rc\r", "\r\n.d\r\n",
		"end\r", NULL };
	struct stat st;

	begin();
	CHECK_INT(deliver("Return-Path: <a@b>\r\nDelivered-To: c@d\n", pieces), 0);
	CHECK_INT(scratch_count(&dir, "box/tmp"), 0);
	CHECK_INT(scratch_count(&dir, "box/cur"), 0);
	const char *name = scratch_only(&dir, "box/new");
	CHECK_STR(scratch_read(&dir, name),
	    "Return-Path: <a@b>\nDelivered-To: c@d\nSubject: x\n\na\nb\rc\r\n.d\nend\r");
	CHECK_INT(stat(scratch_path(&dir, name), &st), 0);
	CHECK_INT(st.st_mode & 07777, 0600);
	CHECK_INT(st.st_nlink, 1);
	CHECK(llabs((long long)st.st_mtim.tv_sec - (long long)clock_wall()) < 30);
	end();
}

TEST(crlf_becomes_lf_wherever_the_text_is_cut)
{
	static const char text[] = "a\r\n\r\n\r\r\nb\r\rc\n\r\nd";
	struct storage_file f;

	begin();
	for (size_t i = 0; i < sizeof(text); i++) {
		for (size_t k = i; k < sizeof(text); k++) {
			TEST_ROW("cut at %zu and %zu", i, k);
			struct slice all = slice_make(text, sizeof(text) - 1);
			storage_file_init(&f);
			CHECK_INT(storage_file_create(&f, md.tmp, "t", &why), 0);
			CHECK_INT(storage_file_text(&f, slice_sub(all, 0, i), &why), 0);
			CHECK_INT(storage_file_text(&f, slice_sub(all, i, k), &why), 0);
			CHECK_INT(storage_file_text(&f, slice_sub(all, k, all.n), &why), 0);
			CHECK_INT(storage_file_text_end(&f, &why), 0);
			CHECK_INT(storage_file_flush(&f, &why), 0);
			storage_file_close(&f);
			CHECK_STR(scratch_read(&dir, "box/tmp/t"), "a\n\n\r\nb\r\rc\n\nd");
			unlink(scratch_path(&dir, "box/tmp/t"));
		}
	}
	end();
}

TEST(a_message_larger_than_the_buffer_is_complete)
{
	struct maildir_file f, *one = &f;
	static char line[30001];
	struct stat st;

	begin();
	memset(line, 'x', sizeof(line) - 1);
	CHECK_INT(maildir_create(&f, &md, slice_str("h\n"), &why), 0);
	for (int i = 0; i < 20; i++) {
		CHECK_INT(maildir_write(&f, slice_make(line, (size_t)(i * 1500)), &why), 0);
		CHECK_INT(maildir_write(&f, slice_str("\r\n"), &why), 0);
	}
	CHECK_INT(maildir_commit(&one, 1, NULL, DEADLINE_NEVER, &why), 0);
	CHECK_INT(stat(scratch_path(&dir, scratch_only(&dir, "box/new")), &st), 0);
	CHECK_INT(st.st_size, 2 + 190 * 1500 + 20);
	end();
}

TEST(an_aborted_delivery_leaves_nothing)
{
	struct maildir_file f;

	begin();
	CHECK_INT(maildir_create(&f, &md, slice_str("h\n"), &why), 0);
	CHECK_INT(scratch_count(&dir, "box/tmp"), 0);
	maildir_abort(&f);
	CHECK_INT(maildir_create(&f, &md, slice_str("h\n"), &why), 0);
	CHECK_INT(maildir_write(&f, slice_str(big), &why), 0);
	CHECK_INT(scratch_count(&dir, "box/tmp"), 1);
	CHECK_INT(scratch_count(&dir, "box/new"), 0);
	maildir_abort(&f);
	maildir_abort(&f);
	CHECK_INT(scratch_count(&dir, "box/tmp"), 0);
	end();
}

TEST(names_have_no_slash_and_no_colon)
{
	static const struct {
		const char *host, *want;
	} rows[] = {
		{ "mx.example.org", "1700000000.M000042P7Q9.mx.example.org" },
		{ "a/b:c", "1700000000.M000042P7Q9.a\\057b\\072c" },
		{ "a b\nc\xff", "1700000000.M000042P7Q9.a_b_c_" },
		{ "../x", "1700000000.M000042P7Q9...\\057x" },
		{ "", "1700000000.M000042P7Q9." },
	};
	char out[MAILDIR_NAME_BYTES], longhost[400];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		TEST_ROW("%s", rows[i].host);
		maildir_name(out, 1700000000000042, 7, 9, rows[i].host);
		CHECK_STR(out, rows[i].want);
	}
	for (size_t n = 100; n < sizeof(longhost) - 1; n++) {
		memset(longhost, n % 3 == 0 ? '/' : 'h', n);
		longhost[n] = '\0';
		maildir_name(out, INT64_MAX, 0x7fffffff, ~0UL, longhost);
		CHECK(strlen(out) < MAILDIR_NAME_BYTES);
	}
}

static int64_t
same_time(void)
{
	return 1700000000000000;
}

/* The name of the delivery that comes k after this one, with the clock standing still. */
static void
name_after(const char *name, unsigned long k, char out[MAILDIR_NAME_BYTES])
{
	const char *q = strchr(name, 'Q');
	char *rest;
	unsigned long counter = strtoul(q + 1, &rest, 10);

	snprintf(
	    out, MAILDIR_NAME_BYTES, "%.*s%lu%s", (int)(q + 1 - name), name, counter + k, rest);
}

/* The name that was just used; the next ones follow by name_after. */
static void
used_name(char out[MAILDIR_NAME_BYTES])
{
	struct maildir_file f;

	md.now_us = same_time;
	CHECK_INT(maildir_create(&f, &md, slice_str(big), &why), 0);
	memcpy(out, f.name, MAILDIR_NAME_BYTES);
	maildir_abort(&f);
}

TEST(a_name_that_exists_is_passed_over_and_never_replaced)
{
	const char *pieces[] = { "mine\r\n", NULL, NULL };
	char name[MAILDIR_NAME_BYTES], next[MAILDIR_NAME_BYTES], planted[512];

	for (int spill = 0; spill <= 1; spill++) {
		TEST_ROW("%s", spill ? "large" : "small");
		begin();
		pieces[1] = spill ? big : NULL;
		used_name(name);
		name_after(name, 1, next);
		snprintf(planted, sizeof(planted), "box/tmp/%s", next);
		scratch_write(&dir, planted, "theirs", 6);
		name_after(name, 2, next);
		snprintf(planted, sizeof(planted), "box/new/%s", next);
		scratch_write(&dir, planted, "theirs", 6);
		CHECK_INT(deliver("", pieces), 0);
		name_after(name, 3, next);
		CHECK_INT(scratch_count(&dir, "box/tmp"), 1);
		CHECK_INT(scratch_count(&dir, "box/new"), 2);
		CHECK_STR(scratch_read(&dir, planted), "theirs");
		snprintf(planted, sizeof(planted), "box/new/%s", next);
		CHECK_INT(strlen(scratch_read(&dir, planted)), spill ? 5 + strlen(big) : 5);
		end();
	}
}

TEST(a_name_taken_at_the_last_moment_is_a_failure_and_keeps_the_other_file)
{
	struct maildir_file f, *one = &f;
	char planted[512];

	begin();
	CHECK_INT(maildir_create(&f, &md, slice_str(big), &why), 0);
	snprintf(planted, sizeof(planted), "box/new/%s", f.name);
	scratch_write(&dir, planted, "theirs", 6);
	CHECK_INT(maildir_commit(&one, 1, NULL, DEADLINE_NEVER, &why), -1);
	CHECK_INT(why.code, FAIL_STORAGE);
	CHECK_STR(scratch_read(&dir, planted), "theirs");
	CHECK_INT(scratch_count(&dir, "box/tmp"), 0);
	end();
}

/* Small and large messages, so that every way into the file meets the buffer's end. */
TEST(messages_around_the_size_of_the_buffer_are_complete)
{
	static char text[2 * STORAGE_BUFFER_BYTES + 16];
	struct maildir_file f, *one = &f;
	struct stat st;

	memset(text, 'x', sizeof(text));
	for (size_t n = STORAGE_BUFFER_BYTES - 8; n < STORAGE_BUFFER_BYTES + 8; n++) {
		for (size_t cut = 0; cut <= n; cut += n - 3) {
			TEST_ROW("%zu bytes in %zu and the rest", n, cut);
			begin();
			CHECK_INT(maildir_create(&f, &md, slice_make(text, cut), &why), 0);
			CHECK_INT(maildir_write(&f, slice_make(text, n - cut), &why), 0);
			CHECK_INT(maildir_write(&f, slice_str("\r"), &why), 0);
			CHECK_INT(maildir_write(&f, slice_str("\n"), &why), 0);
			CHECK_INT(maildir_commit(&one, 1, NULL, DEADLINE_NEVER, &why), 0);
			CHECK_INT(stat(scratch_path(&dir, scratch_only(&dir, "box/new")), &st), 0);
			CHECK_INT(st.st_size, n + 1);
			end();
		}
	}
}

TEST(a_link_in_place_of_a_directory_is_refused)
{
	static const char *const names[] = { "box/tmp", "box/new", "box/cur" };

	for (size_t i = 0; i < 3; i++) {
		TEST_ROW("%s", names[i]);
		scratch_begin(&dir);
		CHECK_INT(mkdir(scratch_path(&dir, "box"), 0700), 0);
		CHECK_INT(mkdir(scratch_path(&dir, "elsewhere"), 0700), 0);
		CHECK_INT(symlink("../elsewhere", scratch_path(&dir, names[i])), 0);
		CHECK_INT(maildir_open(&md, scratch_path(&dir, "box"), &why), -1);
		CHECK_INT(why.code, FAIL_STORAGE);
		CHECK_INT(unlink(scratch_path(&dir, names[i])), 0);
		CHECK_INT(mkfifo(scratch_path(&dir, names[i]), 0600), 0);
		CHECK_INT(maildir_open(&md, scratch_path(&dir, "box"), &why), -1);
		CHECK_INT(scratch_count(&dir, "elsewhere"), 0);
		scratch_end(&dir);
	}
}

/* What is planted under the next name in tmp/ is not written through. */
TEST(a_planted_link_or_fifo_in_tmp_is_passed_over)
{
	static const char *const pieces[] = { "mine\r\n", NULL };
	char name[MAILDIR_NAME_BYTES], next[MAILDIR_NAME_BYTES], planted[512];

	begin();
	scratch_write(&dir, "victim", "theirs", 6);
	used_name(name);
	for (unsigned long k = 1; k <= 3; k++) {
		name_after(name, k, next);
		snprintf(planted, sizeof(planted), "box/tmp/%s", next);
		if (k == 1)
			CHECK_INT(symlink("../../victim", scratch_path(&dir, planted)), 0);
		else if (k == 2)
			CHECK_INT(mkfifo(scratch_path(&dir, planted), 0600), 0);
		else
			CHECK_INT(
			    link(scratch_path(&dir, "victim"), scratch_path(&dir, planted)), 0);
	}
	CHECK_INT(deliver("", pieces), 0);
	CHECK_STR(scratch_read(&dir, "victim"), "theirs");
	CHECK_STR(scratch_read(&dir, scratch_only(&dir, "box/new")), "mine\n");
	end();
}

TEST(the_sweep_takes_files_older_than_36_hours_only)
{
	struct timespec old[2] = { { .tv_sec = clock_wall() - 37 * 3600 },
		{ .tv_sec = clock_wall() - 37 * 3600 } };

	begin();
	scratch_write(&dir, "box/tmp/young", "x", 1);
	scratch_write(&dir, "box/tmp/old", "x", 1);
	scratch_write(&dir, "box/tmp/locked", "x", 1);
	scratch_write(&dir, "box/new/old", "x", 1);
	scratch_write(&dir, "victim", "x", 1);
	CHECK_INT(symlink("../../victim", scratch_path(&dir, "box/tmp/link")), 0);
	CHECK_INT(utimensat(AT_FDCWD, scratch_path(&dir, "box/tmp/old"), old, 0), 0);
	CHECK_INT(utimensat(AT_FDCWD, scratch_path(&dir, "box/tmp/locked"), old, 0), 0);
	CHECK_INT(utimensat(AT_FDCWD, scratch_path(&dir, "box/new/old"), old, 0), 0);
	CHECK_INT(utimensat(AT_FDCWD, scratch_path(&dir, "victim"), old, 0), 0);
	int fd = open(scratch_path(&dir, "box/tmp/locked"), O_RDONLY);
	CHECK_INT(flock(fd, LOCK_EX), 0);
	CHECK_INT(storage_sweep(md.tmp, clock_wall() - STORAGE_STALE_SECONDS, true, &why), 1);
	CHECK_INT(scratch_count(&dir, "box/tmp"), 3);
	CHECK_INT(maildir_sweep(&md, &why), 1);
	CHECK_INT(scratch_count(&dir, "box/tmp"), 2);
	CHECK_INT(scratch_count(&dir, "box/new"), 1);
	CHECK_INT(access(scratch_path(&dir, "victim"), F_OK), 0);
	close(fd);
	end();
}
