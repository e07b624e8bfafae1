#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "test.h"
#include "test_certs.h"
#include "tls/cert.h"
#include "tls/internal.h"

static void
parse(const struct test_cert *c, struct arena *arena, struct cert_facts *facts)
{
	unsigned char *der = NULL;
	struct fail why = { 0 };
	int n = i2d_X509(c->cert, &der);

	arena_init(arena);
	CHECK_INT(tls_cert_parse(der, (size_t)n, arena, facts, &why), 0);
	CHECK_STR(why.text, "");
	OPENSSL_free(der);
}

TEST(certificate_facts_of_each_kind_of_key)
{
	static const struct {
		enum key_type key;
		int bits;
		const char *signature;
	} rows[] = { { KEY_RSA, 2048, "RSA-SHA256" }, { KEY_ECDSA, 256, "ecdsa-with-SHA256" },
		{ KEY_EDDSA, 0, "ED25519" } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct test_cert_spec spec = { .cn = "mx.example.com",
			.key = rows[i].key,
			.dns = { DNS_NAME("mx.example.com"), DNS_NAME("*.example.com") },
			.ip = { DNS_NAME("\xc0\x00\x02\x01"), DNS_NAME("\x01\x02\x03") } };
		struct test_cert c = test_cert_make(&spec, NULL);
		struct cert_facts facts;
		struct arena arena;
		char hex[65];

		TEST_ROW("%s", key_type_str(rows[i].key));
		parse(&c, &arena, &facts);
		tls_cert_fingerprint(c.cert, hex);
		CHECK_STR(facts.fingerprint, hex);
		CHECK_INT(strlen(facts.spki_fingerprint), 64);
		CHECK_STR(facts.subject, "CN=mx.example.com");
		CHECK_STR(facts.issuer, "CN=mx.example.com");
		CHECK_STR(facts.common_name, "mx.example.com");
		CHECK_INT(facts.names.n, 4);
		CHECK_STR(facts.names.v[0], "mx.example.com");
		CHECK_STR(facts.names.v[1], "*.example.com");
		CHECK_STR(facts.names.v[2], "192.0.2.1");
		CHECK_STR(facts.names.v[3], "\\x01\\x02\\x03");
		CHECK_INT(strlen(facts.serial), 4);
		CHECK(facts.not_before <= clock_wall() - 86400 &&
		      facts.not_before > clock_wall() - 86500);
		CHECK(facts.not_after > clock_wall() + 89 * 86400);
		CHECK_STR(facts.signature_algorithm, rows[i].signature);
		CHECK_INT(facts.key_type, rows[i].key);
		/* releases of OpenSSL differ about Ed25519: 253 or 256 */
		if (rows[i].bits != 0)
			CHECK_INT(facts.key_bits, rows[i].bits);
		else
			CHECK(facts.key_bits == 253 || facts.key_bits == 256);
		CHECK(!facts.is_ca);
		CHECK(facts.self_signed);
		arena_free(&arena);
		test_cert_free(&c);
	}
}

TEST(names_with_bytes_that_could_deceive_are_escaped)
{
	static const struct {
		struct slice name;
		const char *text;
	} rows[] = { { DNS_NAME("good.example\0.evil.example"), "good.example\\x00.evil.example" },
		{ DNS_NAME("a\r\nb"), "a\\x0d\\x0ab" }, { DNS_NAME("a\033[31m"), "a\\x1b[31m" },
		{ DNS_NAME("a\\x00"), "a\\\\x00" }, { DNS_NAME("\xff"), "\\xff" },
		{ DNS_NAME(""), "" } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct test_cert_spec spec = { .dns = { rows[i].name } };
		struct test_cert c = test_cert_make(&spec, NULL);
		struct cert_facts facts;
		struct arena arena;

		TEST_ROW("row %zu", i);
		parse(&c, &arena, &facts);
		CHECK_INT(facts.names.n, 1);
		CHECK_STR(facts.names.v[0], rows[i].text);
		CHECK_STR(facts.common_name, NULL);
		CHECK_STR(facts.subject, "");
		arena_free(&arena);
		test_cert_free(&c);
	}
}

TEST(the_last_common_name_counts_and_texts_are_utf8)
{
	struct test_cert_spec spec = { .cn = "first" };
	struct test_cert c = test_cert_make(&spec, NULL);
	struct cert_facts facts;
	struct arena arena;

	X509_NAME_add_entry_by_txt(X509_get_subject_name(c.cert), "CN", MBSTRING_UTF8,
	    (const unsigned char *)"M\xc3\xbcller, Inc\n", -1, -1, 0);
	CHECK(X509_sign(c.cert, c.key, EVP_sha256()) > 0);
	parse(&c, &arena, &facts);
	CHECK_STR(facts.common_name, "M\xc3\xbcller, Inc\\x0a");
	CHECK_STR(facts.subject, "CN=M\xc3\xbcller\\, Inc\\0A,CN=first");
	CHECK(!facts.self_signed);
	arena_free(&arena);
	test_cert_free(&c);
}

TEST(ca_and_issued_certificates_are_told_apart)
{
	static const struct test_cert_spec root = { .cn = "Root", .ca = true };
	static const struct test_cert_spec same_name = { .cn = "Root" };
	struct test_cert ca = test_cert_make(&root, NULL), leaf = test_cert_make(&same_name, &ca);
	struct cert_facts facts;
	struct arena arena;

	parse(&ca, &arena, &facts);
	CHECK(facts.is_ca);
	CHECK(facts.self_signed);
	arena_free(&arena);
	/* issuer and subject are equal, the signature is another's */
	parse(&leaf, &arena, &facts);
	CHECK(!facts.is_ca);
	CHECK(!facts.self_signed);
	arena_free(&arena);
	test_cert_free(&ca);
	test_cert_free(&leaf);
}

TEST(names_and_texts_of_a_certificate_are_bounded)
{
	struct test_cert_spec spec = { .cn = "mx" };
	struct test_cert c = test_cert_make(&spec, NULL);
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	struct cert_facts facts;
	struct arena arena;
	char *big = malloc(5000);

	memset(big, 'a', 4999);
	big[4999] = '\0';
	for (int i = 0; i < LIMIT_SANS + 50; i++) {
		GENERAL_NAME *name = GENERAL_NAME_new();
		ASN1_IA5STRING *text = ASN1_IA5STRING_new();
		ASN1_STRING_set(text, i == 0 ? big : "mx.example.com", -1);
		GENERAL_NAME_set0_value(name, GEN_DNS, text);
		sk_GENERAL_NAME_push(names, name);
	}
	CHECK(X509_add1_ext_i2d(c.cert, NID_subject_alt_name, names, 0, 0) == 1);
	for (int i = 0; i < 100; i++)
		X509_NAME_add_entry_by_txt(X509_get_subject_name(c.cert), "OU", MBSTRING_UTF8,
		    (const unsigned char *)"\xc3\xbc of a unit with a long name", -1, -1, 0);
	CHECK(X509_sign(c.cert, c.key, EVP_sha256()) > 0);
	parse(&c, &arena, &facts);
	CHECK_INT(facts.names.n, LIMIT_SANS);
	CHECK_INT(strlen(facts.names.v[0]), LIMIT_CERT_TEXT_BYTES);
	CHECK(strlen(facts.subject) <= LIMIT_CERT_TEXT_BYTES + 3);
	CHECK_STR(facts.subject + strlen(facts.subject) - 3, "...");
	arena_free(&arena);
	GENERAL_NAMES_free(names);
	test_cert_free(&c);
	free(big);
}

TEST(what_is_no_certificate_is_refused)
{
	static const struct test_cert_spec spec = { .cn = "mx" };
	struct test_cert c = test_cert_make(&spec, NULL);
	unsigned char *der = NULL;
	struct cert_facts facts;
	struct arena arena;
	struct fail why;
	int n = i2d_X509(c.cert, &der);
	unsigned char *more = calloc(1, LIMIT_CHAIN_BYTES + 1);

	arena_init(&arena);
	memcpy(more, der, (size_t)n);
	static const struct {
		const char *title;
		int delta; /* to the right length */
	} rows[] = { { "one byte short", -1 }, { "one byte more", 1 },
		{ "too long", LIMIT_CHAIN_BYTES }, { "nothing", INT32_MIN } };
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t len = rows[i].delta == INT32_MIN           ? 0
			     : rows[i].delta == LIMIT_CHAIN_BYTES ? LIMIT_CHAIN_BYTES + 1
								  : (size_t)(n + rows[i].delta);
		TEST_ROW("%s", rows[i].title);
		fail_clear(&why);
		CHECK_INT(tls_cert_parse(more, len, &arena, &facts, &why), -1);
		CHECK_INT(why.code, FAIL_MESSAGE);
	}
	arena_free(&arena);
	free(more);
	OPENSSL_free(der);
	test_cert_free(&c);
}
