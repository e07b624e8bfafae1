#include "app/message/dkim.h"

#include "test.h"

/* RFC 6376 s3.4.5, and what s3.4.4 says about the end of a body. */
TEST(relaxed_forms)
{
	static const char *const fields[][2] = {
		{ "A: X\r\n", "a:X\r\n" },
		{ "B : Y\t\r\n\tZ  \r\n", "b:Y Z\r\n" },
		{ "SUBJect:\r\n  two \t  words\r\n", "subject:two words\r\n" },
		{ "C:\r\n", "c:\r\n" },
		{ "D: \r\n \r\n", "d:\r\n" },
	};
	static const char *const bodies[][2] = {
		{ " C \r\nD \t E\r\n\r\n\r\n", " C\r\nD E\r\n" },
		{ "", "" },
		{ "\r\n\r\n", "" },
		{ " \t\r\n", "" },
		{ "a", "a\r\n" },
		{ "\r\n\r\na\r\n \r\nb", "\r\n\r\na\r\n\r\nb\r\n" },
		{ "a \t b\t\r\n", "a b\r\n" },
	};
	struct header header;
	struct arena a;
	struct buf out;

	arena_init(&a);
	buf_init(&out, 1000);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		TEST_ROW("%s", fields[i][0]);
		buf_reset(&out);
		header_parse(slice_str(fields[i][0]), &a, &header);
		dkim_relax_field(&header.v[0], &out);
		CHECK_STR(buf_str(&out), fields[i][1]);
	}
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		struct slice text = slice_str(bodies[i][0]);
		for (size_t step = 1; step < 5; step++) {
			struct dkim_body body = { 0 };
			TEST_ROW("%s %zu", bodies[i][0], step);
			buf_reset(&out);
			for (size_t at = 0; at < text.n; at += step)
				dkim_body_feed(&body, slice_sub(text, at, at + step), &out);
			dkim_body_end(&body, &out);
			CHECK_STR(buf_str(&out), bodies[i][1]);
		}
	}
	buf_free(&out);
	arena_free(&a);
}
