#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "test.h"
#include "test_certs.h"
#include "tls/internal.h"

static const struct test_cert_spec mx = { .cn = "mx.example.com",
	.dns = { DNS_NAME("mx.example.com") } };
static const struct test_cert_spec mx_rsa = {
	.cn = "mx.example.com", .key = KEY_RSA, .dns = { DNS_NAME("mx.example.com") }
};

TEST(tls_versions_are_parsed_in_the_forms_people_write)
{
	static const struct {
		const char *text;
		int version; /* -1: refused */
	} rows[] = { { "TLSv1", 0x301 }, { "TLSv1.0", 0x301 }, { "tlsv1.1", 0x302 },
		{ "TLS1.2", 0x303 }, { "TLSV1.3", 0x304 }, { "1.2", 0x303 }, { "TLSv1.4", -1 },
		{ "SSLv3", -1 }, { "", -1 }, { "TLSv", -1 }, { "TLSv1.2 ", -1 },
		{ "TLSv1.2x", -1 } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum tls_version v = TLS_VERSION_ANY;
		TEST_ROW("%s", rows[i].text);
		CHECK_INT(tls_version_parse(rows[i].text, &v), rows[i].version >= 0);
		CHECK_INT(v, rows[i].version >= 0 ? rows[i].version : 0);
	}
	TEST_ROW("names");
	CHECK_STR(tls_version_str(TLS_VERSION_1_0), "TLSv1.0");
	CHECK_STR(tls_version_str(TLS_VERSION_1_3), "TLSv1.3");
	CHECK(strncmp(tls_library_version(), "OpenSSL ", 8) == 0);
}

TEST(tls_init_keeps_session_keys_off_the_disk)
{
	setenv("SSLKEYLOGFILE", "/nonexistent", 1);
	tls_init();
	CHECK(getenv("SSLKEYLOGFILE") == NULL);
}

TEST(a_client_context_refuses_settings_that_cannot_work)
{
	static const struct {
		struct tls_client_options options;
		const char *text; /* part of the reason; NULL: works */
	} rows[] = {
		{ { .min = 0 }, NULL },
		{ { .security_level = 1 }, NULL },
		{ { .min = TLS_VERSION_1_2,
		      .max = TLS_VERSION_1_2,
		      .security_level = 1,
		      .ciphers = "ECDHE+AESGCM" },
		    NULL },
		{ { .min = TLS_VERSION_1_3, .max = TLS_VERSION_1_2 },
		    "minimum TLS version TLSv1.3 is above the maximum TLSv1.2" },
		{ { .ciphers = "no-such-cipher" },
		    "cipher list \"no-such-cipher\": no cipher match" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fail why = { 0 };
		TEST_ROW("row %zu", i);
		struct tls_ctx *ctx = tls_ctx_client(&rows[i].options, &why);
		CHECK_INT(ctx != NULL, rows[i].text == NULL);
		if (rows[i].text != NULL) {
			CHECK_INT(why.code, FAIL_TLS_CONFIG);
			CHECK_STR(why.text, rows[i].text);
		}
		tls_ctx_free(ctx);
	}
}

static struct tls_ctx *
server_of(const char *cert, const char *key, struct fail *why)
{
	struct tls_server_options options = { .cert_files = &cert, .key_files = &key, .n = 1 };

	return tls_ctx_server(&options, why);
}

static void
check_refused(const char *cert, const char *key, const char *names_file, const char *says)
{
	struct fail why = { 0 };
	struct tls_ctx *ctx = server_of(cert, key, &why);

	CHECK(ctx == NULL);
	CHECK_INT(why.code, FAIL_TLS_CONFIG);
	if (strstr(why.text, names_file) == NULL || strstr(why.text, says) == NULL)
		test_fail(__FILE__, __LINE__, "\"%s\" lacks \"%s\" or \"%s\"", why.text, names_file,
		    says);
	tls_ctx_free(ctx);
}

TEST(a_server_context_refuses_bad_files_and_names_them)
{
	struct test_cert a = test_cert_make(&mx, NULL), b = test_cert_make(&mx, NULL);
	const char *cert = test_write_certs("a.pem", &a, 1);
	const char *key = test_write_key("a.key", &a, NULL);
	const char *other = test_write_key("b.key", &b, NULL);
	const char *locked = test_write_key("locked.key", &a, "secret");
	const char *junk = test_write_file("junk.pem", "not PEM\n");
	const char *empty = test_write_file("empty.pem", "");
	const char *missing = test_path("missing.pem");
	const char *damaged = test_write_certs("damaged.pem", &a, 1);
	FILE *f = fopen(damaged, "a");

	fputs("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", f);
	fclose(f);
	tls_init();
	TEST_ROW("missing certificate");
	check_refused(missing, key, missing, "No such file");
	TEST_ROW("missing key");
	check_refused(cert, missing, missing, "No such file");
	TEST_ROW("directory");
	check_refused("/", key, "/", "is a directory");
	TEST_ROW("junk certificate");
	check_refused(junk, key, junk, "no PEM certificate");
	TEST_ROW("empty certificate");
	check_refused(empty, key, empty, "no PEM certificate");
	TEST_ROW("junk key");
	check_refused(cert, junk, junk, "no PEM private key");
	TEST_ROW("a certificate where the key should be");
	check_refused(cert, cert, cert, "no PEM private key");
	TEST_ROW("key of another certificate");
	check_refused(cert, other, other, "does not belong to the certificate");
	TEST_ROW("encrypted key: no prompt");
	check_refused(cert, locked, locked, "encrypted");
	TEST_ROW("damaged intermediate");
	check_refused(damaged, key, damaged, "damaged certificate after the first");
	test_cert_free(&a);
	test_cert_free(&b);
}

TEST(a_server_context_refuses_two_certificates_of_one_kind_and_takes_one_of_each)
{
	struct test_cert a = test_cert_make(&mx, NULL), b = test_cert_make(&mx, NULL);
	struct test_cert r = test_cert_make(&mx_rsa, NULL);
	const char *certs[] = { test_write_certs("a.pem", &a, 1),
		test_write_certs("b.pem", &b, 1) };
	const char *keys[] = { test_write_key("a.key", &a, NULL),
		test_write_key("b.key", &b, NULL) };
	struct tls_server_options options = { .cert_files = certs, .key_files = keys, .n = 2 };
	struct fail why = { 0 };
	char want[65], got[65];

	CHECK(tls_ctx_server(&options, &why) == NULL);
	CHECK_INT(why.code, FAIL_TLS_CONFIG);
	CHECK(strstr(why.text, certs[1]) != NULL);
	certs[1] = test_write_certs("r.pem", &r, 1);
	keys[1] = test_write_key("r.key", &r, NULL);
	struct tls_ctx *ctx = tls_ctx_server(&options, &why);
	CHECK(ctx != NULL);
	if (ctx != NULL) {
		tls_cert_fingerprint(a.cert, want);
		tls_ctx_server_fingerprint(ctx, got);
		CHECK_STR(got, want);
	}
	tls_ctx_free(ctx);
	options.n = 0;
	CHECK(tls_ctx_server(&options, &why) == NULL);
	CHECK_STR(why.text, "no server certificate given");
	test_cert_free(&a);
	test_cert_free(&b);
	test_cert_free(&r);
}

TEST(certificates_belong_together_when_they_have_a_name_in_common_written_alike)
{
	static const struct test_cert_spec specs[] = {
		{ .dns = { DNS_NAME("mx.test"), DNS_NAME("mx2.test") } },
		{ .dns = { DNS_NAME("mx2.test") } },
		{ .dns = { DNS_NAME("*.test") } },
		{ .cn = "mx.test" },
		{ .dns = { DNS_NAME("MX.test") } },
	};
	static const enum tls_names want[5][5] = {
		{ TLS_NAMES_ALL, TLS_NAMES_SOME, TLS_NAMES_NONE, TLS_NAMES_NONE, TLS_NAMES_SOME },
		{ TLS_NAMES_ALL, TLS_NAMES_ALL, TLS_NAMES_NONE, TLS_NAMES_NONE, TLS_NAMES_NONE },
		{ TLS_NAMES_NONE, TLS_NAMES_NONE, TLS_NAMES_ALL, TLS_NAMES_NONE, TLS_NAMES_NONE },
		{ TLS_NAMES_NONE, TLS_NAMES_NONE, TLS_NAMES_NONE, TLS_NAMES_ALL, TLS_NAMES_NONE },
		{ TLS_NAMES_ALL, TLS_NAMES_NONE, TLS_NAMES_NONE, TLS_NAMES_NONE, TLS_NAMES_ALL },
	};
	struct test_cert certs[5];

	for (size_t i = 0; i < 5; i++)
		certs[i] = test_cert_make(&specs[i], NULL);
	for (size_t i = 0; i < 5; i++)
		for (size_t k = 0; k < 5; k++) {
			TEST_ROW("%zu and %zu", i, k);
			CHECK_INT(tls_certs_compare(certs[i].cert, certs[k].cert), want[i][k]);
		}
	for (size_t i = 0; i < 5; i++)
		test_cert_free(&certs[i]);
}

TEST(an_expired_server_certificate_is_a_warning_not_a_refusal)
{
	static const struct test_cert_spec old = { .cn = "mx", .from_days = -30, .to_days = -1 };
	struct test_cert a = test_cert_make(&old, NULL);
	struct fail why = { 0 };

	log_level_set(LOG_LEVEL_ERROR);
	struct tls_ctx *ctx = server_of(
	    test_write_certs("old.pem", &a, 1), test_write_key("old.key", &a, NULL), &why);
	log_level_set(LOG_LEVEL_WARN);
	CHECK(ctx != NULL);
	tls_ctx_free(ctx);
	test_cert_free(&a);
}

TEST(a_self_signed_certificate_has_the_name_and_nothing_injected)
{
	static const struct {
		const char *name;
		const char *san; /* NULL: refused */
	} rows[] = { { "mx.example.com", "mx.example.com" },
		{ "mx.example.com.", "mx.example.com" }, { "192.0.2.1", "192.0.2.1" },
		{ "[2001:db8::1]", "2001:db8::1" }, { "a,DNS:evil.example", "a,DNS:evil.example" },
		{ "", NULL }, { ".", NULL }, { ".example.com", NULL } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fail why = { 0 };
		struct cert_facts facts;
		struct arena arena;
		X509 *cert = NULL;
		EVP_PKEY *key = NULL;

		TEST_ROW("%s", rows[i].name);
		arena_init(&arena);
		CHECK_INT(
		    tls_selfsigned(rows[i].name, &cert, &key, &why), rows[i].san == NULL ? -1 : 0);
		if (cert != NULL) {
			tls_cert_facts(cert, &arena, &facts);
			CHECK_INT(facts.names.n, 1);
			CHECK_STR(facts.names.v[0], rows[i].san);
			CHECK_INT(facts.key_type, KEY_ECDSA);
			CHECK_INT(facts.key_bits, 256);
			CHECK(facts.self_signed);
			CHECK(!facts.is_ca);
			CHECK(tls_cert_names(cert, rows[i].name, &arena, NULL) || i == 4);
		} else {
			CHECK_INT(why.code, FAIL_TLS_CONFIG);
		}
		X509_free(cert);
		EVP_PKEY_free(key);
		arena_free(&arena);
	}
	TEST_ROW("longer than a common name may be");
	char label[201];
	memset(label, 'a', 200);
	label[200] = '\0';
	struct tls_server_options options = { .self_signed_name = label };
	struct tls_ctx *ctx = tls_ctx_server(&options, NULL);
	CHECK(ctx != NULL);
	tls_ctx_free(ctx);
}
