#include <string.h>

#include "base/limits.h"
#include "smtp/dsn.h"
#include "test.h"

TEST(NOTIFY_takes_NEVER_alone_or_each_of_three_words_once_RFC_3461_s4_1)
{
	static const struct {
		const char *text;
		unsigned want; /* 0: refused */
	} rows[] = { { "NEVER", SMTP_NOTIFY_NEVER }, { "never", SMTP_NOTIFY_NEVER },
		{ "SUCCESS", SMTP_NOTIFY_SUCCESS },
		{ "failure,Delay", SMTP_NOTIFY_FAILURE | SMTP_NOTIFY_DELAY },
		{ "DELAY,FAILURE,SUCCESS",
		    SMTP_NOTIFY_FAILURE | SMTP_NOTIFY_DELAY | SMTP_NOTIFY_SUCCESS },
		{ "", 0 }, { ",", 0 }, { "SUCCESS,", 0 }, { ",SUCCESS", 0 },
		{ "SUCCESS,SUCCESS", 0 }, { "NEVER,SUCCESS", 0 }, { "SUCCESS,NEVER", 0 },
		{ "NEVER,NEVER", 0 }, { "SUCCESS FAILURE", 0 }, { "ALWAYS", 0 },
		{ "SUCCESSX", 0 } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned notify = 0;

		TEST_ROW("%s", rows[i].text);
		CHECK_INT(smtp_notify_parse(slice_str(rows[i].text), &notify), rows[i].want != 0);
		CHECK_INT(notify, rows[i].want);
	}
}

TEST(ORCPT_ENVID_and_RET_take_what_RFC_3461_s4_2_to_s4_4_allow)
{
	static const struct {
		const char *text;
		bool orcpt, envid;
	} rows[] = { { "rfc822;u@ok.test", true, true }, { "rfc822;u+2Bx@ok.test", true, true },
		{ "x-local;", true, true }, { "rfc822;u+2bx@ok.test", false, false },
		{ "rfc822;u+", false, false }, { "rfc822;u+2", false, false },
		{ "rfc822;a=b", false, false }, { "rfc822;a b", false, false },
		{ ";u@ok.test", false, true }, { "u@ok.test", false, true }, { "", false, false },
		{ "rfc 822;u", false, false }, { "rfc822;\x7f", false, false },
		{ "rfc822;\xc3\xbc", false, false }, { "\xc3\xbc;u", false, false } };
	enum smtp_ret ret = SMTP_RET_NONE;
	char text[LIMIT_ORCPT_BYTES + 2];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		TEST_ROW("%s", rows[i].text);
		CHECK_INT(smtp_orcpt_valid(slice_str(rows[i].text)), rows[i].orcpt);
		CHECK_INT(smtp_envid_valid(slice_str(rows[i].text)), rows[i].envid);
	}
	memset(text, 'x', sizeof(text));
	text[1] = ';';
	CHECK(smtp_orcpt_valid(slice_make(text, LIMIT_ORCPT_BYTES)));
	CHECK(!smtp_orcpt_valid(slice_make(text, LIMIT_ORCPT_BYTES + 1)));
	CHECK(smtp_envid_valid(slice_make(text, LIMIT_ENVID_BYTES)));
	CHECK(!smtp_envid_valid(slice_make(text, LIMIT_ENVID_BYTES + 1)));
	CHECK(smtp_ret_parse(slice_str("Full"), &ret) && ret == SMTP_RET_FULL);
	CHECK(smtp_ret_parse(slice_str("HDRS"), &ret) && ret == SMTP_RET_HDRS);
	CHECK(!smtp_ret_parse(slice_str("HDR"), &ret) && !smtp_ret_parse(slice_str(""), &ret));
}
