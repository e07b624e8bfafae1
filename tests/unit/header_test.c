#include <stdio.h>
#include <string.h>

#include "app/message/header.h"
#include "base/arena.h"
#include "base/buf.h"
#include "test.h"

TEST(lines_of_a_header_are_told_from_the_body)
{
	static const struct {
		const char *line;
		bool first;
		enum header_line kind;
	} rows[] = {
		{ "To: x\r\n", true, HEADER_LINE_FIELD },
		{ "To:", true, HEADER_LINE_FIELD },
		{ "To", true, HEADER_LINE_UNDECIDED },
		{ "To\r\n", true, HEADER_LINE_BODY },
		{ "To :x\r\n", true, HEADER_LINE_FIELD },
		{ "To \t:x\r\n", true, HEADER_LINE_FIELD },
		{ "To \t", true, HEADER_LINE_UNDECIDED },
		{ "To x:y\r\n", true, HEADER_LINE_BODY },
		{ "X-a_b!:\r\n", true, HEADER_LINE_FIELD },
		{ ":x\r\n", true, HEADER_LINE_BODY },
		{ "http://x\r\n", false, HEADER_LINE_FIELD },
		{ "T\xc3\xb6: x\r\n", false, HEADER_LINE_BODY },
		{ "T\x7f: x\r\n", false, HEADER_LINE_BODY },
		{ "\r\n", true, HEADER_LINE_END },
		{ "\r\n", false, HEADER_LINE_END },
		{ " x\r\n", true, HEADER_LINE_BODY },
		{ " x\r\n", false, HEADER_LINE_MORE },
		{ "\t", false, HEADER_LINE_MORE },
		{ " \r\n", false, HEADER_LINE_MORE },
		{ "", false, HEADER_LINE_UNDECIDED },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		TEST_ROW("%s", rows[i].line);
		CHECK_INT(header_line_kind(slice_str(rows[i].line), rows[i].first), rows[i].kind);
	}
	char name[1100];
	memset(name, 'a', sizeof(name));
	CHECK_INT(header_line_kind(slice_make(name, 256), true), HEADER_LINE_UNDECIDED);
	CHECK_INT(header_line_kind(slice_make(name, 257), true), HEADER_LINE_BODY);
	name[256] = ':';
	CHECK_INT(header_line_kind(slice_make(name, 258), true), HEADER_LINE_FIELD);
	name[256] = 'a';
	name[257] = ':';
	CHECK_INT(header_line_kind(slice_make(name, 258), true), HEADER_LINE_BODY);
}

TEST(separator_lines_of_mbox_files_are_recognised)
{
	static const struct {
		const char *text;
		int want;
	} rows[] = {
		{ "From a@b Mon", 1 },
		{ ">From a", 1 },
		{ ">>>From a", 1 },
		{ "From", -1 },
		{ "Fr", -1 },
		{ ">", -1 },
		{ "", -1 },
		{ "From: a", 0 },
		{ "from a", 0 },
		{ " From a", 0 },
		{ "FromX", 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		TEST_ROW("%s", rows[i].text);
		CHECK_INT(header_is_from_line(slice_str(rows[i].text)), rows[i].want);
	}
}

TEST(recipients_are_those_of_the_header_or_of_the_topmost_resent_block)
{
	static const char *const rows[][2] = {
		{ "To: a@b\r\n", "a@b" },
		{ "to: a@b\r\nCC: c@d\r\nbCc: e@f\r\n", "a@b c@d e@f" },
		{ "To : a@b\r\n", "a@b" },
		{ "To: a@b\r\nTo: c@d\r\n", "a@b c@d" },
		{ "To: a@b,\r\n c@d,\r\n\te@f\r\n", "a@b c@d e@f" },
		{ "To:\r\n a@b\r\n", "a@b" },
		{ "To:\r\nCc: a@b\r\n", "a@b" },
		{ "To: undisclosed-recipients:;\r\nBcc: a@b\r\n", "a@b" },
		{ "Apparently-To: a@b\r\nX-To: c@d\r\nSubject: To: e@f\r\n", "" },
		{ "Subject: x\r\n To: a@b\r\n", "" },
		/* RFC 5322 s3.6.6 */
		{ "Resent-To: r@s\r\nTo: a@b\r\nCc: c@d\r\nBcc: e@f\r\n", "r@s" },
		{ "To: a@b\r\nResent-From: x@y\r\nResent-To: r@s\r\nResent-Cc: t@u\r\n"
		  "Resent-Bcc: v@w\r\nBcc: e@f\r\n",
		    "r@s t@u v@w" },
		{ "Resent-To: r@s\r\nReceived: x\r\nResent-To: old@s\r\nTo: a@b\r\n", "r@s" },
		{ "Resent-From: x@y\r\nResent-To: r@s\r\nResent-From: o@y\r\nResent-To: old@s\r\n",
		    "r@s" },
		{ "Resent-Date: x\r\nResent-To: r@s\r\nResent-To: t@u\r\nTo: a@b\r\n", "r@s t@u" },
		{ "Resent-From: x@y\r\nReceived: x\r\nResent-To: old@s\r\nTo: a@b\r\n", "a@b" },
		{ "Resent-Bcc: r@s\r\nTo: a@b\r\n", "r@s" },
		{ "Resent-To:;\r\nTo: a@b\r\n", "" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct header_addresses list = { 0 };
		struct header header;
		struct arena arena;
		struct buf out;

		TEST_ROW("%s", rows[i][0]);
		arena_init(&arena);
		buf_init(&out, 1000);
		header_parse(slice_str(rows[i][0]), &arena, &header);
		CHECK_INT(header_recipients(&header, 100, &arena, &list, NULL), 0);
		for (size_t j = 0; j < list.n; j++)
			buf_printf(&out, "%s%s", j > 0 ? " " : "", list.v[j].mailbox);
		CHECK_STR(buf_str(&out), rows[i][1]);
		buf_free(&out);
		arena_free(&arena);
	}
}

TEST(bcc_never_leaves_and_what_is_missing_is_added)
{
	static const char *const rows[][2] = {
		{ "", "Message-ID: I\r\nDate: D\r\nFrom: F\r\n\r\n" },
		{ "From: a\r\nDate: b\r\nMessage-ID: c\r\n",
		    "From: a\r\nDate: b\r\nMessage-ID: c\r\n\r\n" },
		{ "FROM : a\r\ndate:b\r\nMessage-Id:\r\n c\r\n",
		    "FROM : a\r\ndate:b\r\nMessage-Id:\r\n c\r\n\r\n" },
		{ "From: a\r\nBcc: b\r\nDate: d\r\nMessage-ID: e\r\n",
		    "From: a\r\nDate: d\r\nMessage-ID: e\r\n\r\n" },
		/* folded, consecutive, last, with blanks before the colon, in any case (C17) */
		{ "Bcc: b,\r\n c,\r\n\td\r\nBCC:\r\n e\r\nFrom: a\r\nDate: d\r\nbcc : f,\r\n "
		  "g\r\nMessage-ID: e\r\nBcc:\r\n h\r\n \r\n i\r\n",
		    "From: a\r\nDate: d\r\nMessage-ID: e\r\n\r\n" },
		{ "From: a\r\nReturn-Path: <x>\r\nContent-Length: 5\r\nResent-Bcc: y,\r\n "
		  "z\r\nDate: d\r\nMessage-ID: e\r\n",
		    "From: a\r\nResent-Message-ID: I\r\nResent-Date: D\r\nResent-From: F\r\n"
		    "Date: d\r\nMessage-ID: e\r\n\r\n" },
		{ "X-Bcc: a\r\nBccc: b\r\nBc: c\r\nFrom: a\r\nDate: d\r\nMessage-ID: e\r\n",
		    "X-Bcc: a\r\nBccc: b\r\nBc: c\r\nFrom: a\r\nDate: d\r\nMessage-ID: e\r\n\r\n" },
		/* a resent message: only its new block is completed, in place */
		{ "Received: x\r\nResent-To: r\r\nResent-From: s\r\nTo: a\r\n",
		    "Received: x\r\nResent-Message-ID: I\r\nResent-Date: D\r\nResent-To: r\r\n"
		    "Resent-From: s\r\nTo: a\r\n\r\n" },
	};
	static const struct header_additions add = { "D", "I", "F", NULL };

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct header header;
		struct arena arena;
		struct buf out;

		TEST_ROW("%s", rows[i][0]);
		arena_init(&arena);
		buf_init(&out, 1000);
		header_parse(slice_str(rows[i][0]), &arena, &header);
		CHECK_INT(header_write(&header, &add, &out), 0);
		CHECK_STR(buf_str(&out), rows[i][1]);
		buf_free(&out);
		arena_free(&arena);
	}
}

TEST(display_names_are_quoted_encoded_and_begin_no_field)
{
	static const char *const rows[][2] = {
		{ NULL, "a@b" },
		{ "", "a@b" },
		{ " \r\n ", "a@b" },
		{ "John Doe", "John Doe <a@b>" },
		{ "Cron-Daemon_1", "Cron-Daemon_1 <a@b>" },
		{ "John Q. Doe", "\"John Q. Doe\" <a@b>" },
		{ "Doe, John", "\"Doe, John\" <a@b>" },
		{ "a \"b\" \\c", "\"a \\\"b\\\" \\\\c\" <a@b>" },
		{ "(Cron Daemon)", "\"(Cron Daemon)\" <a@b>" },
		{ "=?x?Q?y?=", "\"=?x?Q?y?=\" <a@b>" },
		{ "x\r\nBcc: c@d", "\"x Bcc: c@d\" <a@b>" },
		{ "x\ny\tz\x7f\x1b[0m", "\"x y z [0m\" <a@b>" },
		{ "  a   b  ", "a b <a@b>" },
		{ "J\xc3\xb6rg", "=?UTF-8?B?SsO2cmc=?= <a@b>" },
		{ "\xe6\x97\xa5\xe6\x9c\xac", "=?UTF-8?B?5pel5pys?= <a@b>" },
		{ "J\xf6rg", "J?rg <a@b>" },
		{ "J\xf6rg\xc3\xb6", "=?UTF-8?B?Sj9yZ8O2?= <a@b>" },
		{ "x\xc2\x85\xc3\xb6", "=?UTF-8?B?eCDDtg==?= <a@b>" },
		/* words of whole characters, at most 75 bytes */
		{ "\xc3\xb6\xc3\xb6\xc3\xb6\xc3\xb6\xc3\xb6\xc3\xb6\xc3\xb6\xc3\xb6\xc3\xb6\xc3\xb6"
		  "\xc3\xb6\xc3\xb6\xc3\xb6\xc3\xb6\xc3\xb6\xc3\xb6\xc3\xb6\xc3\xb6\xc3\xb6\xc3\xb6"
		  "\xc3\xb6\xc3\xb6\xc3\xb6",
		    "=?UTF-8?B?"
		    "w7bDtsO2w7bDtsO2w7bDtsO2w7bDtsO2w7bDtsO2w7bDtsO2w7bDtsO2w7Y=?=\r\n "
		    "=?UTF-8?B?w7Y=?= <a@b>" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct buf out;

		TEST_ROW("%zu %s", i, rows[i][0]);
		buf_init(&out, 1000);
		CHECK_INT(header_mailbox_write(rows[i][0], "a@b", &out), 0);
		CHECK_STR(buf_str(&out), rows[i][1]);
		buf_free(&out);
	}
}
