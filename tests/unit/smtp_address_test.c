#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/limits.h"
#include "smtp/address.h"
#include "test.h"

/* A string literal with its length, so that rows can hold NUL. */
#define S(lit) lit, sizeof(lit) - 1

struct good {
	const char *text;
	size_t n;
	const char *local, *domain, *rest;
	bool literal, utf8;
};

TEST(paths_of_rfc_5321_s4_1_2_are_taken_apart)
{
	static const struct good rows[] = {
		{ S("<a@b>"), "a", "b", "", false, false },
		{ S("<Smith@bar.com> SIZE=1"), "Smith", "bar.com", " SIZE=1", false, false },
		{ S("<a.b.c@d.e.f>"), "a.b.c", "d.e.f", "", false, false },
		{ S("<a+b=c@x>"), "a+b=c", "x", "", false, false },
		{ S("<!#$%&'*+-/=?^_`{|}~@x>"), "!#$%&'*+-/=?^_`{|}~", "x", "", false, false },
		{ S("<\"a b\"@x>"), "\"a b\"", "x", "", false, false },
		{ S("<\"a@b\"@x>"), "\"a@b\"", "x", "", false, false },
		{ S("<\"a>b\"@x>y"), "\"a>b\"", "x", "y", false, false },
		{ S("<\"\\\"\"@x>"), "\"\\\"\"", "x", "", false, false },
		{ S("<\"\\\\\"@x>"), "\"\\\\\"", "x", "", false, false },
		{ S("<\"@\"@x>"), "\"@\"", "x", "", false, false },
		{ S("<\"a..b\"@x>"), "\"a..b\"", "x", "", false, false },
		{ S("<\" \"@x>"), "\" \"", "x", "", false, false },
		{ S("<a@[192.0.2.1]>"), "a", "[192.0.2.1]", "", true, false },
		{ S("<a@[IPv6:2001:db8::1]>"), "a", "[IPv6:2001:db8::1]", "", true, false },
		{ S("<a@[ipv6:::1]>"), "a", "[ipv6:::1]", "", true, false },
		{ S("<a@[IPv6:::ffff:192.0.2.1]>"), "a", "[IPv6:::ffff:192.0.2.1]", "", true,
		    false },
		{ S("<a@1.example>"), "a", "1.example", "", false, false },
		{ S("<a@a_b.example>"), "a", "a_b.example", "", false, false },
		{ S("<a@xn--bcher-kva.example>"), "a", "xn--bcher-kva.example", "", false, false },
		{ S("<j\xc3\xb6rg@x>"), "j\xc3\xb6rg", "x", "", false, true },
		{ S("<a@b\xc3\xbc"
		    "cher.example>"),
		    "a",
		    "b\xc3\xbc"
		    "cher.example",
		    "", false, true },
		{ S("<\"\xe6\x97\xa5 \xe6\x9c\xac\"@x>"), "\"\xe6\x97\xa5 \xe6\x9c\xac\"", "x", "",
		    false, true },
		{ S("<-@x>"), "-", "x", "", false, false },
		{ S("<a@b><c@d>"), "a", "b", "<c@d>", false, false },
		{ S("<a@b>\0\r\n"), "a", "b", NULL, false, false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct good *row = &rows[i];
		struct slice text = slice_make(row->text, row->n), rest;
		struct smtp_path path;
		struct fail why = { 0 };

		TEST_ROW("%s", row->text);
		CHECK_INT(smtp_path_parse(text, false, false, &path, &rest, &why), 0);
		CHECK_STR(why.text, "");
		CHECK_MEM(path.local.p, path.local.n, row->local, strlen(row->local));
		CHECK_MEM(path.domain.p, path.domain.n, row->domain, strlen(row->domain));
		if (row->rest != NULL)
			CHECK_MEM(rest.p, rest.n, row->rest, strlen(row->rest));
		else
			CHECK_MEM(rest.p, rest.n, "\0\r\n", 3);
		CHECK_INT(path.literal, row->literal);
		CHECK_INT(path.utf8, row->utf8);
		CHECK(!path.null);

		/* the same without brackets */
		struct slice bare = slice_sub(text, 1, row->n - rest.n - 1);
		CHECK_INT(smtp_mailbox_parse(bare, &path, &why), 0);
		CHECK_MEM(path.local.p, path.local.n, row->local, strlen(row->local));
		CHECK_MEM(path.domain.p, path.domain.n, row->domain, strlen(row->domain));
	}
}

struct bad {
	const char *text;
	size_t n;
	const char *why; /* part of the text */
};

TEST(forty_bad_arguments_are_refused_and_told_apart_C16)
{
	static const struct bad rows[] = {
		{ S(""), "angle brackets" },
		{ S("a@b"), "angle brackets" },
		{ S(" <a@b>"), "angle brackets" },
		{ S("<"), "no closing angle bracket" },
		{ S("<a@b"), "no closing angle bracket" },
		{ S("<a@b\r\n"), "no closing angle bracket" },
		{ S("<\"a>@b"), "no closing angle bracket" },
		{ S("<\"a@b>"), "no closing angle bracket" },
		{ S("<\"a\\\">"), "no closing angle bracket" },
		{ S("<>"), "null address" },
		{ S("<a@b\r>"), "control character" },
		{ S("<a@b\n>"), "control character" },
		{ S("<a\r\nRCPT TO:<c@d>@b>"), "control character" },
		{ S("<a@b\r\nDATA\r\n>"), "control character" },
		{ S("<a\0@b>"), "control character" },
		{ S("<a@\0b>"), "control character" },
		{ S("<\"a\rb\"@c>"), "control character" },
		{ S("<\"a\nb\"@c>"), "control character" },
		{ S("<\"a\\\nb\"@c>"), "control character" },
		{ S("<\"a\0b\"@c>"), "control character" },
		{ S("<a\t@b>"), "control character" },
		{ S("<a\x7f@b>"), "control character" },
		{ S("<a\xc2\x85@b>"), "control character" },
		{ S("<a@b\x1b[31m>"), "control character" },
		{ S("<a\x80@b>"), "byte 0x80 is not UTF-8" },
		{ S("<a\xff@b>"), "byte 0xff is not UTF-8" },
		{ S("<a@b\xfc"
		    "cher>"),
		    "byte 0xfc is not UTF-8" },
		{ S("<a\xc0\xaf@b>"), "is not UTF-8" },
		{ S("<a\xed\xa0\x80@b>"), "is not UTF-8" },
		{ S("<a\xe6\x97@b>"), "is not UTF-8" },
		{ S("<\"a\xff\"@b>"), "is not UTF-8" },
		{ S("<@b>"), "empty local part" },
		{ S("<\"\"@b>"), "empty local part" },
		{ S("<a@>"), "empty domain" },
		{ S("<a>"), "no domain" },
		{ S("<postmaster>"), "no domain" },
		{ S("<\"a\">"), "no domain" },
		{ S("< a@b>"), "' ' is not allowed" },
		{ S("<a@b >"), "' ' is not allowed in a domain" },
		{ S("<a b@c>"), "' ' is not allowed" },
		{ S("<a@b@c>"), "'@' is not allowed in a domain" },
		{ S("<a,b@c>"), "',' is not allowed" },
		{ S("<a(c)@b>"), "'(' is not allowed" },
		{ S("<a\\@b@c>"), "'\\' is not allowed" },
		{ S("<<a@b>"), "'<' is not allowed" },
		{ S("<\"a\"b@c>"), "'b' is not allowed" },
		{ S("<a\"b\"@c>"), "'\"' is not allowed" },
		{ S("<.a@b>"), "misplaced dot" },
		{ S("<a.@b>"), "misplaced dot" },
		{ S("<a..b@c>"), "misplaced dot" },
		{ S("<a@.b>"), "empty label" },
		{ S("<a@b.>"), "empty label" },
		{ S("<a@b..c>"), "empty label" },
		{ S("<a@-b>"), "hyphen" },
		{ S("<a@b-.c>"), "hyphen" },
		{ S("<a@b/c>"), "'/' is not allowed in a domain" },
		{ S("<@a,@b:c@d>"), "source routes" },
		{ S("<@a:c@d>"), "source routes" },
		{ S("<a@[192.0.2.1>"), "no closing bracket" },
		{ S("<a@[>"), "no closing bracket" },
		{ S("<a@[]>"), "not an address literal" },
		{ S("<a@[192.0.2]>"), "not an address literal" },
		{ S("<a@[192.0.2.256]>"), "not an address literal" },
		{ S("<a@[2001:db8::1]>"), "not an address literal" },
		{ S("<a@[IPv6:fe80::1%lo]>"), "not an address literal" },
		{ S("<a@[IPv6:]>"), "not an address literal" },
		{ S("<a@[Foo:bar]>"), "not an address literal" },
		{ S("<a@[192.0.2.1]x>"), "no closing bracket" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct slice text = slice_make(rows[i].text, rows[i].n), rest;
		struct smtp_path path;
		struct fail why = { 0 };

		TEST_ROW("row %zu: %s", i, rows[i].text);
		CHECK_INT(smtp_path_parse(text, false, false, &path, &rest, &why), -1);
		CHECK_INT(why.code, FAIL_ADDRESS);
		if (strstr(why.text, rows[i].why) == NULL)
			CHECK_STR(why.text, rows[i].why);
	}
}

TEST(null_path_and_bare_postmaster_only_where_they_are_allowed)
{
	struct smtp_path path;
	struct slice rest;

	CHECK_INT(smtp_path_parse(slice_str("<> X"), true, false, &path, &rest, NULL), 0);
	CHECK(path.null);
	CHECK_INT(path.local.n + path.domain.n, 0);
	CHECK_MEM(rest.p, rest.n, " X", 2);
	CHECK_INT(smtp_path_parse(slice_str("<>"), false, true, &path, &rest, NULL), -1);
	/* s4.5.1: in any case */
	CHECK_INT(smtp_path_parse(slice_str("<PostMaster>"), false, true, &path, &rest, NULL), 0);
	CHECK_MEM(path.local.p, path.local.n, "PostMaster", 10);
	CHECK_INT(path.domain.n, 0);
	CHECK(!path.null);
	CHECK_INT(smtp_path_parse(slice_str("<postmasters>"), false, true, &path, &rest, NULL), -1);
	CHECK_INT(smtp_path_parse(slice_str("<postmaster>"), true, false, &path, &rest, NULL), -1);
	CHECK_INT(smtp_mailbox_parse(slice_str("postmaster"), &path, NULL), -1);
	CHECK_INT(smtp_mailbox_parse(slice_str(""), &path, NULL), -1);
	CHECK_INT(smtp_mailbox_parse(slice_str("<a@b>"), &path, NULL), -1);
	CHECK_INT(smtp_mailbox_parse(slice_str("a@b "), &path, NULL), -1);
}

static int
parse_long(size_t local, size_t label, size_t labels, struct fail *why)
{
	char text[1024];
	size_t n = 0;
	struct smtp_path path;

	for (size_t i = 0; i < local; i++)
		text[n++] = 'a';
	text[n++] = '@';
	for (size_t i = 0; i < labels; i++) {
		if (i > 0)
			text[n++] = '.';
		for (size_t j = 0; j < label; j++)
			text[n++] = 'd';
	}
	return smtp_mailbox_parse(slice_make(text, n), &path, why);
}

TEST(parts_may_be_as_long_as_limits_h_says_and_no_longer)
{
	struct fail why = { 0 };

	CHECK_INT(parse_long(LIMIT_LOCAL_PART_BYTES, 1, 1, &why), 0);
	CHECK_INT(parse_long(LIMIT_LOCAL_PART_BYTES + 1, 1, 1, &why), -1);
	CHECK_INT(parse_long(1, 63, 3, &why), 0);
	CHECK_INT(parse_long(1, 64, 1, &why), -1);
	CHECK_INT(parse_long(2, 62, 4, &why), 0); /* 254 bytes, 256 with the brackets */
	CHECK_INT(parse_long(3, 62, 4, &why), -1);
	CHECK(strstr(why.text, "longer than 254 bytes") != NULL);
}

TEST(local_parts_are_quoted_as_rfc_5321_s4_1_2_wants_and_back)
{
	static const char *const rows[][2] = {
		{ "a", "a" },
		{ "a.b", "a.b" },
		{ "a..b", "\"a..b\"" },
		{ ".a", "\".a\"" },
		{ "a.", "\"a.\"" },
		{ ".", "\".\"" },
		{ "a b", "\"a b\"" },
		{ "a\"b", "\"a\\\"b\"" },
		{ "a\\b", "\"a\\\\b\"" },
		{ "a@b", "\"a@b\"" },
		{ "a,b", "\"a,b\"" },
		{ "\xc3\xa4", "\xc3\xa4" },
		{ "\xc3\xa4 b", "\"\xc3\xa4 b\"" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct buf out, back;
		struct smtp_path path;

		TEST_ROW("%s", rows[i][0]);
		buf_init(&out, 1000);
		buf_init(&back, 1000);
		CHECK_INT(smtp_local_quote(&out, slice_str(rows[i][0])), 0);
		CHECK_STR(buf_str(&out), rows[i][1]);
		CHECK_INT(smtp_local_unquote(&back, slice_make(out.data, out.len)), 0);
		CHECK_STR(buf_str(&back), rows[i][0]);
		buf_puts(&out, "@x");
		CHECK_INT(smtp_mailbox_parse(slice_make(out.data, out.len), &path, NULL), 0);
		buf_free(&out);
		buf_free(&back);
	}
	struct buf out;
	buf_init(&out, 4);
	CHECK_INT(smtp_local_quote(&out, slice_str("")), -1);
	CHECK_INT(smtp_local_quote(&out, slice_str("a\n")), -1);
	CHECK_INT(smtp_local_quote(&out, slice_make("\0", 1)), -1);
	CHECK_INT(smtp_local_quote(&out, slice_str("\xff")), -1);
	CHECK_INT(smtp_local_quote(&out, slice_str("a b")), -1); /* needs five */
	CHECK_INT(out.len, 0);
	buf_reset(&out);
	CHECK_INT(smtp_local_unquote(&out, slice_str("\"a\\\\\\\"\\ \"")), 0);
	CHECK_STR(buf_str(&out), "a\\\" ");
	buf_free(&out);
}
