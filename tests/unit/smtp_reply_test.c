#include <stdio.h>
#include <stdlib.h>

#include "smtp/client.h"
#include "smtp/ehlo.h"
#include "smtp/reply.h"
#include "test.h"

/* Feed lines separated by '|' into a reply; the last return value. */
static int
feed(struct smtp_reply *r, const char *text, struct fail *why)
{
	struct slice rest = slice_str(text);
	int ret = 0;

	smtp_reply_reset(r);
	while (ret == 0 && rest.n > 0) {
		size_t end = slice_find(rest, '|');
		ret = smtp_reply_feed(r, slice_sub(rest, 0, end), why);
		rest = slice_sub(rest, end + 1, rest.n);
	}
	return ret;
}

TEST(replies_by_RFC_5321_s4_2)
{
	static const struct {
		const char *lines;
		int ret, code, lines_n;
		enum fail_code fail;
	} rows[] = {
		{ "220 hello", 1, 220, 1, FAIL_NONE },
		{ "220", 1, 220, 1, FAIL_NONE }, /* code alone: s4.2.1 */
		{ "220 ", 1, 220, 1, FAIL_NONE },
		{ "250-a|250-b|250 c", 1, 250, 3, FAIL_NONE },
		{ "250-a|250-", 0, 250, 2, FAIL_NONE },
		{ "250-a|251 b", -1, 250, 1, FAIL_REPLY_SYNTAX },
		{ "250-a|25", -1, 250, 1, FAIL_REPLY_SYNTAX },
		{ "250-a|", 0, 250, 1, FAIL_NONE },
		{ "2200 hello", -1, 0, 0, FAIL_REPLY_SYNTAX },
		{ "220hello", -1, 0, 0, FAIL_REPLY_SYNTAX },
		{ "220\thello", -1, 0, 0, FAIL_REPLY_SYNTAX },
		{ "hello", -1, 0, 0, FAIL_REPLY_SYNTAX },
		{ "150 no", -1, 0, 0, FAIL_REPLY_SYNTAX },
		{ "650 no", -1, 0, 0, FAIL_REPLY_SYNTAX },
		{ " 220 hello", -1, 0, 0, FAIL_REPLY_SYNTAX },
		{ "HTTP/1.1 400 Bad Request", -1, 0, 0, FAIL_REPLY_SYNTAX },
		{ "22", -1, 0, 0, FAIL_REPLY_SYNTAX },
		{ "2a0 x", -1, 0, 0, FAIL_REPLY_SYNTAX },
	};
	struct smtp_reply r;

	smtp_reply_init(&r);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fail why;
		fail_clear(&why);
		TEST_ROW("%s", rows[i].lines);
		CHECK_INT(feed(&r, rows[i].lines, &why), rows[i].ret);
		CHECK_INT(why.code, rows[i].fail);
		CHECK_INT(r.code, rows[i].code);
		CHECK_INT(r.lines, rows[i].lines_n);
	}
	smtp_reply_free(&r);
}

TEST(a_reply_has_a_maximum_of_lines_and_of_bytes)
{
	struct smtp_reply r;
	struct fail why;
	static char line[2004];

	smtp_reply_init(&r);
	for (int i = 0; i < LIMIT_REPLY_LINES; i++)
		CHECK_INT(smtp_reply_feed(&r, slice_str("250-x"), &why), 0);
	CHECK_INT(smtp_reply_feed(&r, slice_str("250-x"), &why), -1);
	CHECK_INT(why.code, FAIL_REPLY_TOO_LONG);
	smtp_reply_reset(&r);
	memset(line, 'x', sizeof(line));
	memcpy(line, "250-", 4);
	int fed = 0;
	while (smtp_reply_feed(&r, slice_make(line, sizeof(line)), &why) == 0)
		fed++;
	CHECK_INT(why.code, FAIL_REPLY_TOO_LONG);
	CHECK_INT(fed, LIMIT_REPLY_BYTES / 2000);
	smtp_reply_free(&r);
}

TEST(reply_text_for_people_and_enhanced_status)
{
	struct smtp_reply r;
	struct fail why;
	char out[64], enhanced[16];

	smtp_reply_init(&r);
	CHECK_INT(smtp_reply_feed(&r, slice_make("550-5.7.1 no\0\033[", 15), &why), 0);
	CHECK_INT(smtp_reply_feed(&r, slice_str("550 more"), &why), 1);
	smtp_reply_str(&r, out, sizeof(out));
	CHECK_STR(out, "550 5.7.1 no??[ / more");
	smtp_reply_enhanced(&r, enhanced);
	CHECK_STR(enhanced, "5.7.1");
	CHECK_INT(smtp_reply_fail(&r, "RCPT", &why), -1);
	CHECK_INT(why.code, FAIL_REPLY_PERMANENT);
	CHECK_INT(why.smtp_code, 550);
	CHECK_INT(feed(&r, "451 busy", &why), 1);
	smtp_reply_enhanced(&r, enhanced);
	CHECK_STR(enhanced, "");
	smtp_reply_fail(&r, "MAIL", &why);
	CHECK_INT(why.code, FAIL_REPLY_TEMPORARY);
	CHECK_STR(why.text, "MAIL: 451 busy");
	CHECK_INT(feed(&r, "354 go", &why), 1);
	smtp_reply_fail(&r, "MAIL", &why);
	CHECK_INT(why.code, FAIL_REPLY_UNEXPECTED);
	smtp_reply_free(&r);
}

TEST(ehlo_knows_STARTTLS_as_a_whole_word_in_any_case_on_any_line_but_the_first)
{
	static const struct {
		const char *lines;
		unsigned caps;
		unsigned long size;
		bool masked;
	} rows[] = {
		{ "250-mx.example|250-PIPELINING|250 STARTTLS", EHLO_PIPELINING | EHLO_STARTTLS, 0,
		    false },
		{ "250-mx.example|250 starttls", EHLO_STARTTLS, 0, false },
		{ "250-mx.example|250-StartTLS|250 HELP", EHLO_STARTTLS, 0, false },
		{ "250-mx.example|250  STARTTLS ", EHLO_STARTTLS, 0, false },
		{ "250-STARTTLS|250 HELP", 0, 0, false }, /* the first line is the greeting */
		{ "250 STARTTLS", 0, 0, false },
		{ "250-mx|250 STARTTLSX", 0, 0, false },
		{ "250-mx|250 XSTARTTLS", 0, 0, false },
		{ "250-mx|250 X-STARTTLS", 0, 0, false },
		{ "250-mx|250 HELP STARTTLS", 0, 0, false },
		{ "250-mx|250 AUTH=STARTTLS", 0, 0, false },
		{ "250-mx|250 STARTTLS REQUIRED", EHLO_STARTTLS, 0, false },
		{ "250-mx|250 XXXXXXXA", 0, 0, true },
		{ "250-mx|250-XXXXXXXX|250 HELP", 0, 0, true },
		{ "250-mx|250 XEXCH50", 0, 0, false },
		{ "250-mx|250 XXX", 0, 0, false },
		{ "250-mx|250-SIZE 10240000|250 8BITMIME", EHLO_SIZE | EHLO_8BITMIME, 10240000,
		    false },
		{ "250-mx|250 SIZE", EHLO_SIZE, 0, false },
		{ "250-mx|250 SIZE x", EHLO_SIZE, 0, false },
		{ "250-mx|250-AUTH PLAIN|250-DSN|250-SMTPUTF8|250 REQUIRETLS",
		    EHLO_AUTH | EHLO_DSN | EHLO_SMTPUTF8 | EHLO_REQUIRETLS, 0, false },
	};
	struct smtp_reply r;

	smtp_reply_init(&r);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ehlo ehlo;
		struct fail why;
		TEST_ROW("%s", rows[i].lines);
		CHECK_INT(feed(&r, rows[i].lines, &why), 1);
		ehlo_parse(&r, &ehlo);
		CHECK(ehlo.known);
		CHECK_INT(ehlo.caps, rows[i].caps);
		CHECK_INT(ehlo.size, rows[i].size);
		CHECK_INT(ehlo.masked, rows[i].masked);
	}
	smtp_reply_free(&r);
}

TEST(a_greeting_that_a_firewall_has_written_over_is_known_by_its_asterisks)
{
	static const struct {
		const char *text;
		bool masked;
	} rows[] = { { "****2******0*0**", true }, { "********0*2*2*0 *****2", true },
		{ "****", true }, { "mx.example ESMTP", false }, { "", false }, { "***", false },
		{ "2020 02", false }, { "**** mx.example ****", false } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		TEST_ROW("%s", rows[i].text);
		CHECK_INT(ehlo_banner_masked(slice_str(rows[i].text)), rows[i].masked);
	}
	CHECK(!ehlo_banner_masked(slice_make("****\0", 5)));
}

TEST(an_answer_in_a_group_is_yes_or_no_to_its_own_command_or_astray_rfc2920)
{
	enum { YES = SMTP_ANSWER_YES, NO = SMTP_ANSWER_NO, ASTRAY = SMTP_ANSWER_ASTRAY };
	static const struct {
		int code, mail, rcpt, data;
	} rows[] = { { 200, NO, NO, ASTRAY }, { 220, NO, NO, ASTRAY }, { 221, NO, NO, ASTRAY },
		{ 250, YES, YES, ASTRAY }, { 251, NO, YES, ASTRAY }, { 252, NO, NO, ASTRAY },
		{ 299, NO, NO, ASTRAY }, { 300, ASTRAY, ASTRAY, ASTRAY },
		{ 334, ASTRAY, ASTRAY, ASTRAY }, { 354, ASTRAY, ASTRAY, YES },
		{ 399, ASTRAY, ASTRAY, ASTRAY }, { 400, NO, NO, NO }, { 421, NO, NO, NO },
		{ 452, NO, NO, NO }, { 503, NO, NO, NO }, { 554, NO, NO, NO },
		{ 599, NO, NO, NO } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		TEST_ROW("%d", rows[i].code);
		CHECK_INT(smtp_answer(SMTP_STEP_MAIL, rows[i].code), rows[i].mail);
		CHECK_INT(smtp_answer(SMTP_STEP_RCPT, rows[i].code), rows[i].rcpt);
		CHECK_INT(smtp_answer(SMTP_STEP_DATA, rows[i].code), rows[i].data);
	}
}

TEST(ehlo_limits_are_numbers_that_are_understood_rfc9422)
{
	static const struct {
		const char *lines;
		unsigned mail, rcpt, domains;
	} rows[] = {
		{ "250-mx|250 LIMITS MAILMAX=20 RCPTMAX=50 RCPTDOMAINMAX=1", 20, 50, 1 },
		{ "250-mx|250 limits rcptmax=7", 0, 7, 0 },
		{ "250-mx|250 LIMITS", 0, 0, 0 },
		{ "250-mx|250 LIMITS MAILMAX= RCPTMAX=-1 RCPTDOMAINMAX=1x", 0, 0, 0 },
		{ "250-mx|250 LIMITS MAILMAX=99999999999 OTHER=3 RCPTMAX=4", 0, 4, 0 },
		{ "250-mx|250 LIMITSX MAILMAX=3", 0, 0, 0 },
		{ "250-mx|250 HELP MAILMAX=3", 0, 0, 0 },
	};
	struct smtp_reply r;

	smtp_reply_init(&r);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ehlo ehlo;
		struct fail why;
		TEST_ROW("%s", rows[i].lines);
		CHECK_INT(feed(&r, rows[i].lines, &why), 1);
		ehlo_parse(&r, &ehlo);
		CHECK_INT(ehlo.mail_max, rows[i].mail);
		CHECK_INT(ehlo.rcpt_max, rows[i].rcpt);
		CHECK_INT(ehlo.rcpt_domain_max, rows[i].domains);
	}
	smtp_reply_free(&r);
}

TEST(ehlo_lines_differ_by_keyword)
{
	struct smtp_reply r;
	struct arena arena;
	struct strs a = { 0 }, b = { 0 }, missing = { 0 };
	struct fail why;

	smtp_reply_init(&r);
	arena_init(&arena);
	CHECK_INT(feed(&r, "250-mx|250-SIZE 1|250-STARTTLS|250 HELP", &why), 1);
	ehlo_lines(&r, &arena, &a);
	CHECK_INT(feed(&r, "250-mx|250-size 2|250-AUTH PLAIN|250 HELP", &why), 1);
	ehlo_lines(&r, &arena, &b);
	ehlo_difference(&b, &a, &arena, &missing);
	CHECK_INT(missing.n, 1);
	CHECK_STR(missing.v[0], "AUTH PLAIN");
	missing.n = 0;
	ehlo_difference(&a, &b, &arena, &missing);
	CHECK_INT(missing.n, 1);
	CHECK_STR(missing.v[0], "STARTTLS");
	arena_free(&arena);
	smtp_reply_free(&r);
}
