#include "app/target.h"
#include "test.h"

struct row {
	const char *text;
	enum target_kind kind;
	const char *name;
	int port;
};

static const struct row good[] = {
	{ "example.com", TARGET_DOMAIN, "example.com", 0 },
	{ "Example.COM.", TARGET_DOMAIN, "example.com", 0 },
	{ " example.com\r\n", TARGET_DOMAIN, "example.com", 0 },
	{ "\texample.com ", TARGET_DOMAIN, "example.com", 0 },
	{ "example.com:587", TARGET_DOMAIN, "example.com", 587 },
	{ "example.com:65535", TARGET_DOMAIN, "example.com", 65535 },
	{ "localhost", TARGET_DOMAIN, "localhost", 0 },
	{ "localhost:2525", TARGET_DOMAIN, "localhost", 2525 },
	{ "_dmarc.example.com", TARGET_DOMAIN, "_dmarc.example.com", 0 },
	{ "b\xc3\xbc"
	  "cher.example",
	    TARGET_DOMAIN, "xn--bcher-kva.example", 0 },
	{ "xn--bcher-kva.example", TARGET_DOMAIN, "xn--bcher-kva.example", 0 },
	{ "1.example", TARGET_DOMAIN, "1.example", 0 },
	{ "3com", TARGET_DOMAIN, "3com", 0 },
	{ "user@example.com", TARGET_DOMAIN, "example.com", 0 },
	{ "user@example.com:26", TARGET_DOMAIN, "example.com", 26 },
	{ "\"a@b:c\"@example.com", TARGET_DOMAIN, "example.com", 0 },
	{ "user@[192.0.2.1]", TARGET_ADDRESS, "192.0.2.1", 0 },
	{ "user@[IPv6:2001:db8::1]:25", TARGET_ADDRESS, "2001:db8::1", 25 },
	{ "[mx.example.com]", TARGET_HOST, "mx.example.com", 0 },
	{ "[mx.example.com]:25", TARGET_HOST, "mx.example.com", 25 },
	{ "[MX.Example.com.]:25", TARGET_HOST, "mx.example.com", 25 },
	{ "[b\xc3\xbc"
	  "cher.example]",
	    TARGET_HOST, "xn--bcher-kva.example", 0 },
	{ "[localhost]:25", TARGET_HOST, "localhost", 25 },
	{ "192.0.2.1", TARGET_ADDRESS, "192.0.2.1", 0 },
	{ "192.0.2.1:465", TARGET_ADDRESS, "192.0.2.1", 465 },
	{ "[192.0.2.1]", TARGET_ADDRESS, "192.0.2.1", 0 },
	{ "[192.0.2.1]:25", TARGET_ADDRESS, "192.0.2.1", 25 },
	{ "2001:db8::1", TARGET_ADDRESS, "2001:db8::1", 0 },
	{ "2001:DB8:0:0::25", TARGET_ADDRESS, "2001:db8::25", 0 },
	{ "[2001:db8::1]", TARGET_ADDRESS, "2001:db8::1", 0 },
	{ "[2001:db8::1]:25", TARGET_ADDRESS, "2001:db8::1", 25 },
	{ "[IPv6:2001:db8::1]", TARGET_ADDRESS, "2001:db8::1", 0 },
	{ "[ipv6:::1]:1", TARGET_ADDRESS, "::1", 1 },
};

TEST(a_target_is_a_domain_a_mailbox_a_host_in_brackets_or_an_address)
{
	struct arena arena;
	struct target target;
	struct fail why;

	arena_init(&arena);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		TEST_ROW("%s", good[i].text);
		fail_clear(&why);
		int ret = target_parse(slice_str(good[i].text), &arena, &target, &why);
		CHECK_STR(why.text, "");
		CHECK_INT(ret, 0);
		if (ret != 0)
			continue;
		CHECK_INT(target.kind, good[i].kind);
		CHECK_STR(target.name, good[i].name);
		CHECK_INT(target.port, good[i].port);
		if (target.kind == TARGET_ADDRESS) {
			char text[ADDR_TEXT_BYTES];
			addr_ip_str(&target.addr, text);
			CHECK_STR(text, good[i].name);
			CHECK_INT(addr_port(&target.addr), 0);
		}
	}
	arena_free(&arena);
}

TEST(a_target_keeps_its_text_without_the_space_around_it)
{
	struct arena arena;
	struct target target;

	arena_init(&arena);
	CHECK_INT(target_parse(slice_str("  User@Example.com \n"), &arena, &target, NULL), 0);
	CHECK_STR(target.text, "User@Example.com");
	arena_free(&arena);
}

static const struct {
	const char *text, *reason;
} bad[] = {
	{ "", "it is empty" },
	{ " \t\n", "it is empty" },
	{ "user@", "it is empty" },
	{ ":25", "a port alone" },
	{ "@example.com", "local" },
	{ "a b@example.com", "" },
	{ "a@b@example.com", "" },
	{ "example..com", "empty" },
	{ ".example.com", "empty" },
	{ "example.com:", "port" },
	{ "example.com:0", "port" },
	{ "example.com:65536", "port" },
	{ "example.com:smtp", "port" },
	{ "example.com:25:25", "IPv6" },
	{ "example.com/path", "" },
	{ "https://example.com", "" },
	{ "exa mple.com", "" },
	{ "example.com,example.org", "" },
	{ "300.1.1.1", "neither a name nor an address" },
	{ "192.0.2", "neither a name nor an address" },
	{ "192.0.2.1.", "neither a name nor an address" },
	{ "25", "neither a name nor an address" },
	{ "2001:db8::zz", "IPv6" },
	{ "2001:db8::1:25:1:2:3:4:5:6", "IPv6" },
	{ "[2001:db8::1", "closing bracket" },
	{ "[2001:db8::1]25", "follows the bracket" },
	{ "[192.0.2.1:25]", "behind the bracket" },
	{ "[mx.example.com:25]", "behind the bracket" },
	{ "[IPv6:192.0.2.1]", "IPv6:" },
	{ "[IPv6:mx.example.com]", "IPv6:" },
	{ "[]", "" },
	{ "[mx.example.com]:", "port" },
	{ "mx.example.com]", "" },
	{ "b\xfc"
	  "cher.example",
	    "UTF-8" },
	{ "\x1b[31m.example", "" },
};

TEST(what_is_no_target_is_named_with_the_reason_and_what_was_expected)
{
	struct arena arena;
	struct target target;
	struct fail why;

	arena_init(&arena);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		TEST_ROW("%s", bad[i].text);
		fail_clear(&why);
		CHECK_INT(target_parse(slice_str(bad[i].text), &arena, &target, &why), -1);
		CHECK_INT(why.code, FAIL_USAGE);
		CHECK(strstr(why.text, bad[i].reason) != NULL);
		CHECK(strstr(why.text, "is no target: ") != NULL);
		CHECK(strstr(why.text, "expected a mail domain") != NULL);
		CHECK(strchr(why.text, '\033') == NULL);
	}
	arena_free(&arena);
}

TEST(a_nul_or_an_endless_target_is_refused)
{
	struct arena arena;
	struct target target;
	struct fail why;
	char text[5000];

	arena_init(&arena);
	CHECK_INT(target_parse(slice_make("exam\0ple.com", 12), &arena, &target, &why), -1);
	CHECK_INT(target_parse(slice_make("u\0@example.com", 14), &arena, &target, &why), -1);
	memset(text, 'a', sizeof(text));
	CHECK_INT(target_parse(slice_make(text, sizeof(text)), &arena, &target, &why), -1);
	CHECK(strstr(why.text, "too long") != NULL);
	text[1000] = '@';
	CHECK_INT(target_parse(slice_make(text, 1010), &arena, &target, &why), -1);
	CHECK(strstr(why.text, "before the @ is too long") != NULL);
	arena_free(&arena);
}

TEST(a_line_of_a_list_may_have_a_rank_and_a_comment)
{
	static const struct {
		const char *line;
		int ret;
		const char *text;
		int64_t rank;
	} rows[] = {
		{ "example.com", 1, "example.com", -1 },
		{ "1,example.com\r\n", 1, "example.com", 1 },
		{ " 1000000 , user@example.com ", 1, "user@example.com", 1000000 },
		{ "0,[192.0.2.1]:25", 1, "[192.0.2.1]:25", 0 },
		{ "9223372036854775807,example.com", 1, "example.com", INT64_MAX },
		{ "9223372036854775808,example.com", -1, NULL, 0 },
		{ "-1,example.com", -1, NULL, 0 },
		{ "one,example.com", -1, NULL, 0 },
		{ ",example.com", -1, NULL, 0 },
		{ "1,", -1, NULL, 0 },
		{ "1,2,example.com", -1, NULL, 0 },
		{ "1,example.com,more", -1, NULL, 0 },
		{ "", 0, NULL, 0 },
		{ " \t\r\n", 0, NULL, 0 },
		{ "# example.com", 0, NULL, 0 },
		{ "  #", 0, NULL, 0 },
		{ "2,example.com # the second", 1, "example.com", 2 },
		{ "example.com\t#", 1, "example.com", -1 },
		{ "a#b@example.com", 1, "a#b@example.com", -1 },
		{ "example.com#", -1, NULL, 0 },
	};
	struct arena arena;
	struct target target;
	struct fail why;

	arena_init(&arena);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		TEST_ROW("%s", rows[i].line);
		CHECK_INT(
		    target_parse_line(slice_str(rows[i].line), &arena, &target, &why), rows[i].ret);
		if (rows[i].ret <= 0)
			continue;
		CHECK_STR(target.text, rows[i].text);
		CHECK_INT(target.rank, rows[i].rank);
	}
	CHECK_INT(target_parse(slice_str("1,example.com"), &arena, &target, &why), -1);
	CHECK_INT(target_parse(slice_str("example.com"), &arena, &target, &why), 0);
	CHECK_INT(target.rank, -1);
	arena_free(&arena);
}
