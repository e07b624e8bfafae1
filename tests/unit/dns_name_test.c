#include <stdio.h>
#include <string.h>

#include "dns/dns.h"
#include "test.h"

static const char a63[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

TEST(name_normalize_gives_lower_case_a_labels_without_final_dot)
{
	static const struct {
		const char *in, *want;
	} rows[] = {
		{ "example.org", "example.org" },
		{ "Example.ORG.", "example.org" },
		{ "a", "a" },
		{ "1.2", "1.2" },
		{ "_25._tcp.MX.example.org", "_25._tcp.mx.example.org" },
		{ "a-b--c.example", "a-b--c.example" },
		/* not judged: it may be in the DNS */
		{ "xn--zzzzzzzz.example", "xn--zzzzzzzz.example" },
		{ "b\xc3\xbc"
		  "cher.example",
		    "xn--bcher-kva.example" },
		{ "B\xc3\x9c"
		  "CHER.Example.",
		    "xn--bcher-kva.example" },
		/* decomposed: u and U+0308 (NFC first) */
		{ "bu\xcc\x88"
		  "cher.example",
		    "xn--bcher-kva.example" },
		{ "_mta-sts.b\xc3\xbc"
		  "cher.example",
		    "_mta-sts.xn--bcher-kva.example" },
		/* RFC 5891, non-transitional: sharp s is not ss */
		{ "fa\xc3\x9f.example", "xn--fa-hia.example" },
		{ "\xe4\xbe\x8b\xe3\x81\x88.\xe3\x83\x86\xe3\x82\xb9\xe3\x83\x88",
		    "xn--r8jz45g.xn--zckzah" },
		/* U+3002, the ideographic full stop, separates labels */
		{ "\xe4\xbe\x8b\xe3\x81\x88\xe3\x80\x82test", "xn--r8jz45g.test" },
	};
	struct arena arena;

	arena_init(&arena);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct fail why;
		fail_clear(&why);
		TEST_ROW("%s", rows[i].in);
		CHECK_STR(dns_name_normalize(rows[i].in, &arena, &why), rows[i].want);
		CHECK_STR(why.text, "");
	}
	arena_free(&arena);
}

TEST(name_normalize_refuses_what_is_no_domain_name_and_says_why)
{
	static const struct {
		const char *in, *part;
	} rows[] = {
		{ "", "empty domain name" },
		{ ".", "empty domain name" },
		{ "..", "empty label" },
		{ "a..b", "empty label" },
		{ ".a", "empty label" },
		{ "a..", "empty label" },
		{ "a b", "' '" },
		{ "a@b.example", "'@'" },
		{ "mx.example.org,", "','" },
		{ "[192.0.2.1]", "'['" },
		{ "2001:db8::1", "':'" },
		{ "a/b", "'/'" },
		{ "*.example", "'*'" },
		{ "a\\032b.example", "'\\'" },
		{ "a\nb.example", "a?b.example" },
		{ "a\x7f.example", "not a domain name" },
		{ "a\xff.example", "not UTF-8" },
		{ "\xc0\xae.example", "not UTF-8" },
		/* U+2100 would become a/c */
		{ "\xe2\x84\x80.example", "\xe2\x84\x80" },
		/* a label must not begin with a combining mark */
		{ "\xcc\x88"
		  "a.example",
		    "combining" },
	};
	struct arena arena;

	arena_init(&arena);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct fail why;
		fail_clear(&why);
		TEST_ROW("%s", rows[i].in);
		CHECK(dns_name_normalize(rows[i].in, &arena, &why) == NULL);
		CHECK_INT(why.code, FAIL_DNS_NAME);
		if (strstr(why.text, rows[i].part) == NULL)
			CHECK_STR(why.text, rows[i].part);
	}
	arena_free(&arena);
}

TEST(name_normalize_keeps_the_lengths_of_rfc_1035_s2_3_4)
{
	struct arena arena;
	struct fail why;
	char name[5000];

	arena_init(&arena);
	CHECK_STR(dns_name_normalize(a63, &arena, &why), a63);
	snprintf(name, sizeof(name), "%sa.example", a63);
	CHECK(dns_name_normalize(name, &arena, &why) == NULL);
	CHECK(strstr(why.text, "label of 64 bytes") != NULL);
	/* 63 * 3 + 61 + 3 dots = 253 */
	snprintf(name, sizeof(name), "%s.%s.%s.%.61s", a63, a63, a63, a63);
	CHECK_INT(strlen(name), 253);
	CHECK_STR(dns_name_normalize(name, &arena, &why), name);
	strcat(name, ".");
	CHECK_INT(strlen(dns_name_normalize(name, &arena, &why)), 253);
	snprintf(name, sizeof(name), "%s.%s.%s.%.62s", a63, a63, a63, a63);
	CHECK(dns_name_normalize(name, &arena, &why) == NULL);
	CHECK(strstr(why.text, "254 bytes") != NULL);
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	CHECK(dns_name_normalize(name, &arena, &why) == NULL);
	CHECK_INT(why.code, FAIL_DNS_NAME);
	/* a U-label that fits as UTF-8 and not as A-label */
	name[0] = '\0';
	for (int i = 0; i < 60; i++)
		strcat(name, i % 2 == 0 ? "\xc3\xbc" : "\xe4\xbe\x8b");
	CHECK(dns_name_normalize(name, &arena, &why) == NULL);
	CHECK_INT(why.code, FAIL_DNS_NAME);
	arena_free(&arena);
}
