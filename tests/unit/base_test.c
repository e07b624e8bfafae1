#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/fail.h"
#include "base/map.h"
#include "base/text.h"
#include "test.h"

TEST(buf_keeps_its_maximum_and_its_terminator)
{
	struct buf b;

	buf_init(&b, 8);
	CHECK_INT(buf_puts(&b, "12345"), 0);
	CHECK_INT(buf_puts(&b, "6789"), -1);
	CHECK(b.full);
	CHECK_STR(buf_str(&b), "12345");
	CHECK_INT(buf_puts(&b, "678"), 0);
	CHECK_STR(buf_str(&b), "12345678");
	buf_consume(&b, 3);
	CHECK_STR(buf_str(&b), "45678");
	CHECK_INT(buf_printf(&b, "%d", 1234), -1);
	buf_reset(&b);
	CHECK(!b.full);
	CHECK_INT(buf_printf(&b, "%d", 1234), 0);
	char *s = buf_steal(&b);
	CHECK_STR(s, "1234");
	free(s);
	CHECK_STR(buf_str(&b), "");
	buf_free(&b);
}

TEST(arena_push_keeps_elements_while_it_grows)
{
	struct arena a;
	int *v = NULL;
	size_t n = 0;

	arena_init(&a);
	for (int i = 0; i < 100; i++)
		*(int *)arena_push(&a, &v, &n, sizeof(*v)) = i;
	CHECK_INT(n, 100);
	for (int i = 0; i < 100; i++)
		CHECK_INT(v[i], i);
	arena_reset(&a);
	char *zeroed = arena_alloc(&a, 100);
	for (int i = 0; i < 100; i++)
		CHECK_INT(zeroed[i], 0);
	arena_free(&a);
}

TEST(map_finds_what_was_set_and_nothing_else)
{
	struct map m;
	static char values[1000];
	char key[16];

	map_init(&m);
	for (int i = 0; i < 1000; i++) {
		int n = snprintf(key, sizeof(key), "key%d", i);
		CHECK(map_set(&m, slice_make(key, (size_t)n), &values[i]) == NULL);
	}
	CHECK(map_get(&m, slice_str("key500")) == &values[500]);
	CHECK(map_get(&m, slice_str("key1000")) == NULL);
	CHECK(map_set(&m, slice_str("key1"), &values[2]) == &values[1]);
	CHECK(map_remove(&m, slice_str("key500")) == &values[500]);
	CHECK(map_remove(&m, slice_str("key500")) == NULL);
	CHECK_INT(m.n, 999);
	map_free(&m);
}

TEST(fail_text_never_carries_control_characters)
{
	struct fail why;

	CHECK_INT(fail_set(&why, FAIL_EOF, "host %s", "a\033[31m\r\n\xff"), -1);
	CHECK_STR(why.text, "host a?[31m???");
	fail_prefix(&why, "[192.0.2.1]");
	CHECK_STR(why.text, "[192.0.2.1]: host a?[31m???");
	CHECK_INT(why.code, FAIL_EOF);
	fail_set(&why, FAIL_NULL_MX, NULL);
	CHECK_STR(why.text, "the domain accepts no mail (null MX)");
	CHECK(!fail_is_temporary(&why));
	CHECK_INT(fail_code_parse("null-mx"), FAIL_NULL_MX);
	CHECK_INT(fail_code_parse("nonsense"), FAIL_COUNT);
}

TEST(text_durations)
{
	static const struct {
		const char *text;
		int64_t ms; /* -1: refused */
	} rows[] = { { "30", 30000 }, { "500ms", 500 }, { "2m", 120000 }, { "1h", 3600000 },
		{ "1d", 86400000 }, { "0", 0 }, { "", -1 }, { "-1", -1 }, { "1x", -1 }, { "s", -1 },
		{ "1.5s", -1 }, { "99999999999999999999", -1 }, { "3654d", -1 }, { " 1", -1 } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t ms = -1;
		TEST_ROW("%s", rows[i].text);
		CHECK_INT(text_duration_ms(slice_str(rows[i].text), &ms), rows[i].ms >= 0);
		CHECK_INT(ms, rows[i].ms);
	}
}

TEST(text_escape_leaves_nothing_a_terminal_obeys)
{
	struct buf b;

	buf_init(&b, 1000);
	text_escape(&b, slice_make("a\0\033[\xc2\x9b\\ü\xe2\x80\xae", 12), 1000);
	CHECK_STR(buf_str(&b), "a\\x00\\x1b[\\xc2\\x9b\\\\ü\\xe2\\x80\\xae");
	buf_reset(&b);
	text_escape(&b, slice_str("aaaaaaaaaaaaaaaaaaaa"), 10);
	CHECK_STR(buf_str(&b), "aaaaaaa...");
	buf_free(&b);
}

TEST(text_nearest_suggests_only_what_is_near)
{
	static const char *const words[] = { "timeout", "port", "json", "helo" };

	CHECK_STR(text_nearest("timeuot", words, 4), "timeout");
	CHECK_STR(text_nearest("prot", words, 4), "port");
	CHECK_STR(text_nearest("xyzzy", words, 4), NULL);
}

TEST(text_hex_and_back)
{
	static const struct {
		const char *hex;
		bool ok;
		const char *again;
	} rows[] = {
		{ "", true, "" },
		{ "00", true, "00" },
		{ "0123456789abcdef", true, "0123456789abcdef" },
		{ "FfAa", true, "ffaa" },
		{ "0", false, NULL },
		{ "000", false, NULL },
		{ "0g", false, NULL },
		{ "g0", false, NULL },
		{ "0x", false, NULL },
		{ " 0", false, NULL },
		{ "\x10\x19", false, NULL }, /* digits but for one bit */
		{ "aA`@", false, NULL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned char bytes[20];
		char again[41];
		TEST_ROW("%s", rows[i].hex);
		CHECK_INT(text_unhex(slice_str(rows[i].hex), bytes), rows[i].ok);
		if (!rows[i].ok)
			continue;
		text_hex(bytes, strlen(rows[i].hex) / 2, again);
		CHECK_STR(again, rows[i].again);
	}
}

TEST(text_dates)
{
	char out[64];

	text_date_rfc5322(784887151, out);
	CHECK_STR(out, "Tue, 15 Nov 1994 08:12:31 +0000");
	text_date_rfc3339(784887151, out);
	CHECK_STR(out, "1994-11-15T08:12:31Z");
}

TEST(slices_compare_bytes_not_strings)
{
	unsigned long long v;

	CHECK(!slice_is(slice_make("a\0b", 3), "a"));
	CHECK(slice_is_case(slice_str("StartTLS"), "STARTTLS"));
	CHECK(!slice_is_case(slice_str("STARTTLSX"), "STARTTLS"));
	CHECK(slice_starts_case(slice_str("size 10"), "SIZE"));
	CHECK(!slice_starts_case(slice_str("siz"), "SIZE"));
	CHECK(slice_number(slice_str("18446744073709551615"), ~0ULL, &v) && v == ~0ULL);
	CHECK(!slice_number(slice_str("18446744073709551616"), ~0ULL, &v));
	CHECK(!slice_number(slice_str("256"), 255, &v));
	CHECK(slice_number(slice_str("255"), 255, &v) && v == 255);
	CHECK(!slice_number(slice_str(""), 255, &v));
}
