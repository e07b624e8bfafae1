#include <string.h>

#include "app/message/field_filter.h"
#include "test.h"

/* Feed the text in pieces of step bytes. */
static const char *
filtered(const char *text, size_t step, struct buf *out)
{
	struct field_filter f;
	size_t n = strlen(text);

	field_filter_init(&f, "mx.test");
	buf_reset(out);
	for (size_t i = 0; i < n; i += step)
		field_filter_feed(&f, slice_make(text + i, n - i < step ? n - i : step), out);
	field_filter_end(&f, out);
	field_filter_free(&f);
	return buf_str(out);
}

#define LONG_30 "123456789012345678901234567890"
#define LONG_300 LONG_30 LONG_30 LONG_30 LONG_30 LONG_30 LONG_30 LONG_30 LONG_30 LONG_30 LONG_30
#define COMMENT_2100 "(" LONG_300 LONG_300 LONG_300 LONG_300 LONG_300 LONG_300 LONG_300 ")"

TEST(fields_that_only_we_may_add_are_taken_out_RFC_8601_s5_and_nothing_else)
{
	static const struct {
		const char *text, *want; /* want NULL: as it is */
	} rows[] = {
		{ "", NULL },
		{ "\r\nbody\r\n", NULL },
		{ "Subject: x\r\n\r\nX-Received-In-Clear: no\r\n", NULL },
		{ "X-Received-In-Clear: no\r\nSubject: x\r\n\r\nbody\r\n",
		    "Subject: x\r\n\r\nbody\r\n" },
		{ "Subject: x\r\nx-RECEIVED-in-clear \t: no\r\n folded\r\n\tagain\r\nTo: y\r\n\r\n",
		    "Subject: x\r\nTo: y\r\n\r\n" },
		{ "X-Received-In-Clear-Not: a\r\nX-Received-In: b\r\nX-Received-In-Clear\r\n : "
		  "c\r\n"
		  "\r\n",
		    NULL },
		{ "X-Received-In-Clear: a\r\nX-Received-In-Clear: b\r\n", "" },
		{ "Authentication-Results: mx.test; x-tls=pass\r\nA: b\r\n\r\n", "A: b\r\n\r\n" },
		{ "authentication-results : MX.Test;x-tls=pass\r\nA: b\r\n\r\n", "A: b\r\n\r\n" },
		{ "Authentication-Results: other.test; spf=pass\r\n\tmx.test\r\nA: b\r\n\r\n",
		    NULL },
		{ "Authentication-Results: mx.test.other; spf=pass\r\n\r\n", NULL },
		{ "Authentication-Results: a.mx.test; spf=pass\r\n\r\n", NULL },
		{ "Authentication-Results:\r\n\tmx.test;\r\n\tx-tls=pass\r\nA: b\r\n\r\n",
		    "A: b\r\n\r\n" },
		{ "Authentication-Results: (a (nested \\) one) and\r\n this) mx.test 1; "
		  "none\r\n\r\n",
		    "\r\n" },
		{ "Authentication-Results: (mx.test) other.test; none\r\n\r\n", NULL },
		{ "Authentication-Results: mx.test(comment); none\r\n\r\n", "\r\n" },
		{ "Authentication-Results: \"mx.test\"; none\r\n\r\n", "\r\n" },
		{ "Authentication-Results: \"other.test\"; none\r\n\r\n", NULL },
		{ "Authentication-Results: \"mx\\.test\"; none\r\n\r\n", "\r\n" },
		{ "Authentication-Results: mx.test\r\n\r\n", "\r\n" },
		{ "Authentication-Results: other.test\r\n\r\n", NULL },
		{ "Authentication-Results: mx.test", "" },
		{ "Authentication-Results: other.test", NULL },
		/* whose it is cannot be told */
		{ "Authentication-Results:\r\n\r\n", "\r\n" },
		{ "Authentication-Results: ; x-tls=pass\r\n\r\n", "\r\n" },
		{ "Authentication-Results: (never ends\r\nA: b\r\n\r\n", "A: b\r\n\r\n" },
		{ "Authentication-Results: " COMMENT_2100 " other.test; none\r\nA: b\r\n\r\n",
		    "A: b\r\n\r\n" },
		{ "A" LONG_300 ": long\r\n" LONG_300 "\r\nX-Received-In-Clear: 1\r\n\r\n",
		    "A" LONG_300 ": long\r\n" LONG_300 "\r\n\r\n" },
		{ " folded to nothing\r\nX-Received-In-Clear: 1\r\n\r\n",
		    " folded to nothing\r\n\r\n" },
		{ ":\r\nX-Received-In-Clear: 1\r\n: \r\n\r\n", ":\r\n: \r\n\r\n" },
	};
	static const size_t steps[] = { 1, 2, 3, 7, 64, 10000 };
	struct buf out;

	buf_init(&out, 65536);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t k = 0; k < sizeof(steps) / sizeof(steps[0]); k++) {
			TEST_ROW("%zu in pieces of %zu", i, steps[k]);
			CHECK_STR(filtered(rows[i].text, steps[k], &out),
			    rows[i].want == NULL ? rows[i].text : rows[i].want);
		}
	buf_free(&out);
}
