#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "smtp/data.h"
#include "test.h"

#define S(lit) lit, sizeof(lit) - 1

struct row {
	const char *in;
	size_t n;
	enum smtp_data_event event;
	size_t used;
	const char *out;
	size_t out_n;
};

/* Feed in pieces of at most step bytes until something else than MORE comes. */
static enum smtp_data_event
feed(struct smtp_data_scanner *scanner, struct slice in, size_t step, struct buf *out,
    size_t *used_r)
{
	enum smtp_data_event event = SMTP_DATA_MORE;
	size_t used;

	*used_r = 0;
	while (event == SMTP_DATA_MORE && *used_r < in.n) {
		/* an exact copy, so that a sanitizer sees a read past the end */
		size_t n = in.n - *used_r < step ? in.n - *used_r : step;
		char *copy = malloc(n);
		memcpy(copy, in.p + *used_r, n);
		event = smtp_data_scan(scanner, slice_make(copy, n), out, &used);
		free(copy);
		CHECK(event != SMTP_DATA_MORE || used == n);
		*used_r += used;
	}
	return event;
}

TEST(only_cr_lf_dot_cr_lf_ends_the_data_whatever_the_split)
{
	static const struct row rows[] = {
		{ S(".\r\n"), SMTP_DATA_END, 3, S("") },
		{ S(".\r\nRSET\r\n"), SMTP_DATA_END, 3, S("") },
		{ S("a\r\n.\r\nQUIT\r\n"), SMTP_DATA_END, 6, S("a\r\n") },
		{ S("..\r\n.\r\n"), SMTP_DATA_END, 7, S(".\r\n") },
		{ S("...\r\n.\r\n"), SMTP_DATA_END, 8, S("..\r\n") },
		{ S(".a\r\n.\r\n"), SMTP_DATA_END, 7, S("a\r\n") },
		{ S("a.\r\n.\r\n"), SMTP_DATA_END, 7, S("a.\r\n") },
		{ S("\r\n\r\n.\r\n"), SMTP_DATA_END, 7, S("\r\n\r\n") },
		{ S("a\r\n. \r\n"), SMTP_DATA_MORE, 7, S("a\r\n \r\n") },
		{ S("a\r\n."), SMTP_DATA_MORE, 4, S("a\r\n") },
		{ S("a\r\n.\r"), SMTP_DATA_MORE, 5, S("a\r\n") },
		{ S("a\r"), SMTP_DATA_MORE, 2, S("a") },
		{ S(""), SMTP_DATA_MORE, 0, S("") },
		/* every mix around a dot that some server has taken for the end */
		{ S("a\n.\n"), SMTP_DATA_BARE_LF, 2, S("a") },
		{ S("a\n.\r\n"), SMTP_DATA_BARE_LF, 2, S("a") },
		{ S("a\r.\r"), SMTP_DATA_BARE_CR, 2, S("a") },
		{ S("a\r.\r\n"), SMTP_DATA_BARE_CR, 2, S("a") },
		{ S("a\r\n.\n"), SMTP_DATA_BARE_LF, 5, S("a\r\n") },
		{ S("a\r\n.\rb"), SMTP_DATA_BARE_CR, 5, S("a\r\n") },
		{ S("a\r\n.\r\r\n"), SMTP_DATA_BARE_CR, 5, S("a\r\n") },
		{ S("a\r\r\n.\r\n"), SMTP_DATA_BARE_CR, 2, S("a") },
		{ S("a\n\r\n.\r\n"), SMTP_DATA_BARE_LF, 2, S("a") },
		{ S("a\r\n\0.\r\n"), SMTP_DATA_NUL, 4, S("a\r\n") },
		{ S("a\r\n.\0\r\n"), SMTP_DATA_NUL, 5, S("a\r\n") },
		{ S("a\r\n.\r\0\n"), SMTP_DATA_BARE_CR, 5, S("a\r\n") },
		{ S("a\r\0\n.\r\n"), SMTP_DATA_BARE_CR, 2, S("a") },
		{ S("\n.\r\n"), SMTP_DATA_BARE_LF, 1, S("") },
		{ S("\0"), SMTP_DATA_NUL, 1, S("") },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct row *row = &rows[i];
		for (size_t step = 1; step <= row->n + 1; step++) {
			struct smtp_data_scanner scanner;
			struct buf out;
			size_t used;

			TEST_ROW("row %zu in pieces of %zu", i, step);
			buf_init(&out, row->n + 1);
			smtp_data_scan_init(&scanner);
			CHECK_INT(feed(&scanner, slice_make(row->in, row->n), step, &out, &used),
			    row->event);
			CHECK_INT(used, row->used);
			CHECK_MEM(buf_str(&out), out.len, row->out, row->out_n);
			CHECK_INT(scanner.bytes, out.len);
			CHECK(!out.full);
			buf_free(&out);
		}
	}
}

TEST(normalized_LF_ends_lines_but_never_the_data_DECISIONS_F43)
{
	static const struct row rows[] = {
		{ S("a\nb\r\n.\r\nQUIT\r\n"), SMTP_DATA_END, 8, S("a\r\nb\r\n") },
		{ S("a\n.\nb"), SMTP_DATA_MORE, 5, S("a\r\n\r\nb") },
		{ S("a\n.\r\nb"), SMTP_DATA_MORE, 6, S("a\r\n\r\nb") },
		{ S("a\r\n.\nb"), SMTP_DATA_MORE, 6, S("a\r\n\r\nb") },
		{ S("a\r\n.\n.\r\nb"), SMTP_DATA_MORE, 9, S("a\r\n\r\n\r\nb") },
		{ S("a\n..\r\n.\r\n"), SMTP_DATA_END, 9, S("a\r\n.\r\n") },
		{ S("a\n\r\n.\r\n"), SMTP_DATA_END, 7, S("a\r\n\r\n") },
		{ S("\n.\r\n.\r\n"), SMTP_DATA_END, 7, S("\r\n\r\n") },
		{ S(".\n\n.\r\n"), SMTP_DATA_MORE, 6, S("\r\n\r\n\r\n") },
		{ S(".\r\n"), SMTP_DATA_END, 3, S("") },
		/* CR and NUL are what they were */
		{ S("a\n.\r.\r\n"), SMTP_DATA_BARE_CR, 4, S("a\r\n") },
		{ S("a\r\n.\r\r\n"), SMTP_DATA_BARE_CR, 5, S("a\r\n") },
		{ S("a\n\0.\r\n"), SMTP_DATA_NUL, 3, S("a\r\n") },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct row *row = &rows[i];
		for (size_t step = 1; step <= row->n + 1; step++) {
			struct smtp_data_scanner scanner;
			struct buf out;
			size_t used;

			TEST_ROW("row %zu in pieces of %zu", i, step);
			buf_init(&out, 2 * row->n + 1);
			smtp_data_scan_init(&scanner);
			scanner.normalize_lf = true;
			CHECK_INT(feed(&scanner, slice_make(row->in, row->n), step, &out, &used),
			    row->event);
			CHECK_INT(used, row->used);
			CHECK_MEM(buf_str(&out), out.len, row->out, row->out_n);
			CHECK_INT(scanner.bytes, out.len);
			CHECK(!out.full);
			buf_free(&out);
		}
	}
}

/* All events until the end or the end of input, as letters. */
static void
events(const char *in, size_t n, char *letters)
{
	static const char letter[] = { '-', 'E', 'R', 'L', '0' };
	struct smtp_data_scanner scanner;
	struct slice rest = slice_make(in, n);
	enum smtp_data_event event;

	smtp_data_scan_init(&scanner);
	do {
		size_t used;
		event = smtp_data_scan(&scanner, rest, NULL, &used);
		rest = slice_sub(rest, used, rest.n);
		*letters++ = letter[event];
	} while (event != SMTP_DATA_END && event != SMTP_DATA_MORE);
	*letters++ = rest.n == 0 ? '.' : '!';
	*letters = '\0';
}

TEST(after_a_wrong_byte_the_true_end_is_still_found_and_no_other)
{
	static const struct {
		const char *in;
		size_t n;
		const char *want; /* events; '.' when nothing is left, '!' when something is */
	} rows[] = {
		{ S("a\n.\r\nb\r\n.\r\n"), "LE." },
		{ S("a\r.\r\nb\r\n.\r\nQUIT"), "RE!" },
		{ S("a\r\n.\n.\r\nb\r\n.\r\n"), "LE." },
		{ S("a\r\n.\0\r\nb\r\n.\r\n"), "0E." },
		{ S("a\r\n\0.\r\nb\r\n.\r\n"), "0E." },
		{ S("a\r\n.\r.\r\nb\r\n.\r\n"), "RE." },
		{ S("a\r\n.\r\r\n.\r\n"), "RE." },
		{ S("a\n\n\n.\n.\r\r.\r"), "LLLLRR-." },
		{ S("\n.\n\n.\r\n.\r\n"), "LLLE." },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char letters[64];
		TEST_ROW("row %zu", i);
		events(rows[i].in, rows[i].n, letters);
		CHECK_STR(letters, rows[i].want);
	}
}

TEST(the_scanner_counts_lines_bytes_and_8bit)
{
	struct smtp_data_scanner scanner;
	size_t used;

	smtp_data_scan_init(&scanner);
	smtp_data_scan(&scanner, slice_str("..234\r\n1234567\r\n12"), NULL, &used);
	CHECK_INT(scanner.bytes, 6 + 9 + 2);
	CHECK_INT(scanner.line_bytes, 2);
	CHECK_INT(scanner.line_bytes_max, 7);
	CHECK(!scanner.has_8bit);
	smtp_data_scan(&scanner, slice_str("3456789\xe4"), NULL, &used);
	CHECK_INT(scanner.line_bytes_max, 10);
	CHECK(scanner.has_8bit);
}

TEST(dots_are_stuffed_whatever_the_split_rfc_5321_s4_5_2)
{
	static const char *const rows[][2] = {
		{ "", ".\r\n" },
		{ "a", "a\r\n.\r\n" },
		{ "a\r\n", "a\r\n.\r\n" },
		{ ".", "..\r\n.\r\n" },
		{ ".\r\n", "..\r\n.\r\n" },
		{ "..\r\n.a\r\n", "...\r\n..a\r\n.\r\n" },
		{ "a.\r\nb.c\r\n", "a.\r\nb.c\r\n.\r\n" },
		{ "\r\n.\r\n\r\n", "\r\n..\r\n\r\n.\r\n" },
		{ "a\r\n.\r\nMAIL FROM:<x>\r\n", "a\r\n..\r\nMAIL FROM:<x>\r\n.\r\n" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		size_t n = strlen(rows[i][0]);
		for (size_t step = 1; step <= n + 1; step++) {
			struct smtp_data_stuffer stuffer;
			struct buf out;

			TEST_ROW("row %zu in pieces of %zu", i, step);
			buf_init(&out, 100);
			smtp_data_stuff_init(&stuffer);
			for (size_t at = 0; at < n; at += step) {
				struct slice piece =
				    slice_sub(slice_str(rows[i][0]), at, at + step);
				CHECK_INT(smtp_data_stuff(&stuffer, piece, &out, NULL), 0);
			}
			CHECK_INT(smtp_data_stuff_end(&stuffer, &out, NULL), 0);
			CHECK_STR(buf_str(&out), rows[i][1]);
			buf_free(&out);
		}
	}
}

TEST(what_we_refuse_to_accept_is_never_written_C19)
{
	static const struct {
		const char *in;
		size_t n;
		const char *why;
	} rows[] = {
		{ S("a\n.\n"), "bare LF" },
		{ S("a\r.\r\n"), "bare CR" },
		{ S("a\r\r\n"), "bare CR" },
		{ S("a\r\n.\r"), "bare CR" },
		{ S("\r"), "bare CR" },
		{ S("\n"), "bare LF" },
		{ S("a\0b"), "NUL" },
		{ S("\r\n.\0\r\n"), "NUL" },
		{ S("\r\0\n"), "bare CR" },
		{ S("a\r\n\n.\r\n"), "bare LF" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct smtp_data_stuffer stuffer;
		struct fail why = { 0 };
		struct buf out;

		TEST_ROW("row %zu", i);
		buf_init(&out, 100);
		smtp_data_stuff_init(&stuffer);
		int failed =
		    smtp_data_stuff(&stuffer, slice_make(rows[i].in, rows[i].n), &out, &why);
		if (failed == 0)
			failed = smtp_data_stuff_end(&stuffer, &out, &why);
		CHECK_INT(failed, -1);
		CHECK_INT(why.code, FAIL_MESSAGE);
		CHECK(strstr(why.text, rows[i].why) != NULL);
		for (size_t j = 0; j < out.len; j++)
			CHECK(out.data[j] != '\0' &&
			      (out.data[j] == '\n') == (j > 0 && out.data[j - 1] == '\r'));
		buf_free(&out);
	}
}

TEST(a_full_buffer_is_told_not_cut)
{
	struct smtp_data_stuffer stuffer;
	struct fail why = { 0 };
	struct buf out;

	buf_init(&out, 4);
	smtp_data_stuff_init(&stuffer);
	CHECK_INT(smtp_data_stuff(&stuffer, slice_str("12345\r\n"), &out, &why), -1);
	CHECK_INT(why.code, FAIL_INTERNAL);
	buf_free(&out);
}
