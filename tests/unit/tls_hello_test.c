/*
 * Our ClientHello and our reading of the answer, against OpenSSL's server in memory, and against
 * answers written by hand where no library gives them any more.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>

#include "base/clock.h"
#include "io/socket.h"
#include "test.h"
#include "test_certs.h"
#include "tls/hello.h"

static const unsigned char zeros[96] = { 0 };

/* --- hex ------------------------------------------------------------------------------------------- */

/* Spaces are skipped. */
static size_t
unhex(const char *hex, char *out)
{
	size_t n = 0;
	unsigned byte;

	for (; *hex != '\0'; hex += 2) {
		while (*hex == ' ')
			hex++;
		sscanf(hex, "%2x", &byte);
		out[n++] = (char)(unsigned char)byte;
	}
	return n;
}

#define RANDOM "0101010101010101010101010101010101010101010101010101010101010101"
#define RETRY "cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c"

static int
feed(const char *hex, size_t piece, bool key_exchange, struct hello_answer *answer_r,
    struct fail *why)
{
	struct hello_reader reader;
	static char data[4096];
	size_t n = unhex(hex, data);
	int ret = 0;

	fail_clear(why);
	hello_reader_init(&reader, key_exchange);
	for (size_t at = 0; at < n && ret == 0; at += piece)
		ret = hello_feed(
		    &reader, slice_make(data + at, n - at < piece ? n - at : piece), why);
	*answer_r = reader.answer;
	hello_reader_fini(&reader);
	return ret;
}

/* --- parsing --------------------------------------------------------------------------------------- */

static const struct {
	const char *what, *hex;
	bool key_exchange;
	int ret;
	enum hello_kind kind;
	unsigned version, suite, group, dh_bits, alert;
} answers[] = {
	{ "a fatal alert", "15 0303 0002 02 28", false, 1, HELLO_ALERT, 0, 0, 0, 0, 40 },
	{ "close_notify", "15 0301 0002 01 00", false, 1, HELLO_ALERT, 0, 0, 0, 0, 0 },
	{ "a warning is not the answer (RFC 6066 s3)", "15 0301 0002 01 70 15 0303 0002 02 46",
	    false, 1, HELLO_ALERT, 0, 0, 0, 0, 70 },
	{ "only a warning", "15 0301 0002 01 70", false, 0, HELLO_NOTHING, 0, 0, 0, 0, 0 },
	{ "SSLv3, no extensions", "16 0300 002a 02 000026 0300 " RANDOM " 00 000a 00", false, 1,
	    HELLO_SERVER_HELLO, 0x300, 0x000a, 0, 0, 0 },
	{ "TLS 1.3 (RFC 8446 s4.2.1: supported_versions counts)",
	    "16 0303 0038 02 000034 0303 " RANDOM " 00 1301 00 000c 002b 0002 0304 0033 0002 001d",
	    true, 1, HELLO_SERVER_HELLO, 0x304, 0x1301, 0x1d, 0, 0 },
	{ "HelloRetryRequest (RFC 8446 s4.1.4)",
	    "16 0303 0038 02 000034 0303 " RETRY " 00 1302 00 000c 002b 0002 0304 0033 0002 11ec",
	    false, 1, HELLO_RETRY, 0x304, 0x1302, 0x11ec, 0, 0 },
	{ "HelloRetryRequest in three records",
	    "16 0303 0002 02 00 16 0303 0001 00 16 0303 0035 34 0303 " RETRY
	    " 00 1302 00 000c 002b 0002 0304 0033 0002 0017",
	    true, 1, HELLO_RETRY, 0x304, 0x1302, 0x17, 0, 0 },
	{ "a ServerHello up to TLS 1.2 is enough when no group is asked for",
	    "16 0303 002a 02 000026 0303 " RANDOM " 00 c02f 00", false, 1, HELLO_SERVER_HELLO,
	    0x303, 0xc02f, 0, 0, 0 },
	{ "otherwise it is not", "16 0303 002a 02 000026 0303 " RANDOM " 00 c02f 00", true, 0,
	    HELLO_SERVER_HELLO, 0x303, 0xc02f, 0, 0, 0 },
	{ "a named curve behind a certificate (RFC 8422 s5.4), three messages in one record",
	    "16 0303 0037 02 000026 0303 " RANDOM " 00 c02f 00 0b 000001 00 0c 000004 03 0018 41",
	    true, 1, HELLO_SERVER_HELLO, 0x303, 0xc02f, 0x18, 0, 0 },
	{ "an explicit curve has no number",
	    "16 0303 0030 02 000026 0301 " RANDOM " 00 c014 00 0c 000002 01 00", true, 1,
	    HELLO_SERVER_HELLO, 0x301, 0xc014, 0, 0, 0 },
	{ "the size of a DHE prime, leading zeros not counted",
	    "16 0302 0037 02 000026 0302 " RANDOM " 00 0033 00 0c 000009 0004 00 01ffff 0001 02",
	    true, 1, HELLO_SERVER_HELLO, 0x302, 0x0033, 0, 17, 0 },
	{ "an RSA suite has no ServerKeyExchange: ServerHelloDone ends it",
	    "16 0303 002e 02 000026 0303 " RANDOM " 00 002f 00 0e 000000", true, 1,
	    HELLO_SERVER_HELLO, 0x303, 0x002f, 0, 0, 0 },
	{ "an unknown suite is taken as it is",
	    "16 0303 0030 02 000026 0303 " RANDOM " 00 fefe 00 0c 000002 03 00", true, 1,
	    HELLO_SERVER_HELLO, 0x303, 0xfefe, 0, 0, 0 },
	{ "an alert behind the ServerHello does not unsay it",
	    "16 0303 002a 02 000026 0303 " RANDOM " 00 c02f 00 15 0303 0002 02 28", true, 1,
	    HELLO_SERVER_HELLO, 0x303, 0xc02f, 0, 0, 0 },
	{ "a HelloRequest in front is ignored (RFC 5246 s7.4.1.1)",
	    "16 0303 0004 00000000 15 0303 0002 02 28", false, 1, HELLO_ALERT, 0, 0, 0, 0, 40 },
	{ "nothing yet", "16 0303 00", false, 0, HELLO_NOTHING, 0, 0, 0, 0, 0 },

	{ "SMTP in clear", "353535", false, -1, HELLO_NOTHING, 0, 0, 0, 0, 0 },
	{ "another major version", "16 02", false, -1, HELLO_NOTHING, 0, 0, 0, 0, 0 },
	{ "application data", "17 0303 0001 00", false, -1, HELLO_NOTHING, 0, 0, 0, 0, 0 },
	{ "a record of more than 2^14 bytes", "16 0303 4001", false, -1, HELLO_NOTHING, 0, 0, 0, 0,
	    0 },
	{ "an empty handshake record (RFC 8446 s5.1)", "16 0303 0000", false, -1, HELLO_NOTHING, 0,
	    0, 0, 0, 0 },
	{ "an alert of one byte", "15 0303 0001 02", false, -1, HELLO_NOTHING, 0, 0, 0, 0, 0 },
	{ "a certificate first", "16 0303 0005 0b 000001 00", false, -1, HELLO_NOTHING, 0, 0, 0, 0,
	    0 },
	{ "a ServerHello that is too short", "16 0303 0006 02 000002 0303", false, -1,
	    HELLO_NOTHING, 0, 0, 0, 0, 0 },
	{ "a session id of 33 bytes",
	    "16 0303 004b 02 000047 0303 " RANDOM " 21 " RANDOM " 01 c02f 00", false, -1,
	    HELLO_NOTHING, 0, 0, 0, 0, 0 },
	{ "an extension past the end of its list",
	    "16 0303 0032 02 00002e 0303 " RANDOM " 00 1301 00 0006 002b 0003 0304", false, -1,
	    HELLO_NOTHING, 0, 0, 0, 0, 0 },
	{ "a byte behind the list of extensions",
	    "16 0303 002d 02 000029 0303 " RANDOM " 00 1301 00 0000 00", false, -1, HELLO_NOTHING,
	    0, 0, 0, 0, 0 },
	{ "supported_versions of three bytes",
	    "16 0303 0033 02 00002f 0303 " RANDOM " 00 1301 00 0007 002b 0003 030400", false, -1,
	    HELLO_NOTHING, 0, 0, 0, 0, 0 },
	{ "a retry with a share",
	    "16 0303 0033 02 00002f 0303 " RETRY " 00 1301 00 0007 0033 0003 001d00", false, -1,
	    HELLO_NOTHING, 0, 0, 0, 0, 0 },
	{ "half a ServerKeyExchange",
	    "16 0303 0030 02 000026 0303 " RANDOM " 00 c02f 00 0c 000002 03 00", true, -1,
	    HELLO_SERVER_HELLO, 0x303, 0xc02f, 0, 0, 0 },
};

TEST(an_answer_is_read_whole_and_in_pieces)
{
	static const size_t pieces[] = { 4096, 1, 2, 3, 7 };
	struct hello_answer answer;
	struct fail why;

	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
		for (size_t j = 0; j < sizeof(pieces) / sizeof(pieces[0]); j++) {
			TEST_ROW("%s, %zu bytes at a time", answers[i].what, pieces[j]);
			CHECK_INT(
			    feed(answers[i].hex, pieces[j], answers[i].key_exchange, &answer, &why),
			    answers[i].ret);
			CHECK_INT(answer.kind, answers[i].kind);
			CHECK_INT(answer.version, answers[i].version);
			CHECK_INT(answer.suite, answers[i].suite);
			CHECK_INT(answer.group, answers[i].group);
			CHECK_INT(answer.dh_bits, answers[i].dh_bits);
			CHECK_INT(answer.alert, answers[i].alert);
			if (answers[i].ret < 0)
				CHECK_INT(why.code, FAIL_TLS_HANDSHAKE);
		}
}

TEST(a_flight_without_end_is_cut_off)
{
	struct hello_reader reader;
	static char record[5 + 16384] = { 22, 3, 3, 64, 0, 2, 127, 127, 127 };
	struct fail why;
	int ret = 0, records = 0;

	hello_reader_init(&reader, false);
	for (; ret == 0 && records < 100; records++)
		ret = hello_feed(&reader, slice_make(record, sizeof(record)), &why);
	CHECK_INT(ret, -1);
	CHECK_INT(why.code, FAIL_TLS_HANDSHAKE);
	CHECK_INT(records, 16);
	hello_reader_fini(&reader);
}

/* --- building -------------------------------------------------------------------------------------- */

TEST(the_client_hello_of_sslv3_has_no_extensions)
{
	static const uint16_t suites[] = { 0x000a, 0x0005 };
	struct hello_offer offer;
	struct buf out;
	char want[200];
	size_t n = unhex("16 0300 0031 01 00002d 0300 "
			 "0000000000000000000000000000000000000000000000000000000000000000 00 "
			 "0006 000a 0005 00ff 01 00",
	    want);

	hello_offer_init(&offer, HELLO_SSL3, zeros);
	offer.suites = suites;
	offer.suites_n = 2;
	buf_init(&out, 1000);
	CHECK_INT(hello_build(&offer, &out, NULL), 0);
	CHECK_MEM(out.data, out.len, want, n);
	buf_free(&out);
}

TEST(the_client_hello_of_tls_1_3_byte_by_byte)
{
	static const uint16_t suites[] = { 0x1301 }, groups[] = { 0x11ec };
	struct hello_offer offer;
	struct buf out;
	char want[400];
	size_t n = unhex("16 0301 0095 01 000091 0303 "
			 "0000000000000000000000000000000000000000000000000000000000000000 20 "
			 "0000000000000000000000000000000000000000000000000000000000000000 "
			 "0002 1301 01 00 0046 "
			 "0000 000f 000d 00 000a 6d782e61622e74657374 "
			 "ff01 0001 00 000a 0004 0002 11ec 000b 0002 0100 "
			 "000d 0004 0002 0403 0010 0007 0005 04736d7470 "
			 "002b 0003 02 0304 0033 0002 0000",
	    want);
	static const uint16_t signatures[] = { 0x0403 };

	hello_offer_init(&offer, HELLO_TLS13, zeros);
	offer.suites = suites;
	offer.suites_n = 1;
	offer.groups = groups;
	offer.groups_n = 1;
	offer.signatures = signatures;
	offer.signatures_n = 1;
	offer.server_name = "mx.ab.test";
	offer.alpn_smtp = true;
	offer.key_share = HELLO_KEY_SHARE_EMPTY;
	buf_init(&out, 1000);
	CHECK_INT(hello_build(&offer, &out, NULL), 0);
	CHECK_MEM(out.data, out.len, want, n);
	buf_free(&out);
}

TEST(an_offer_that_does_not_fit_is_refused)
{
	static const uint16_t suites[9000] = { 1 };
	struct hello_offer offer;
	struct buf out;
	struct fail why;

	hello_offer_init(&offer, HELLO_TLS12, zeros);
	buf_init(&out, 100000);
	CHECK_INT(hello_build(&offer, &out, &why), -1);
	CHECK_INT(why.code, FAIL_INTERNAL);
	buf_reset(&out);
	offer.suites = suites;
	offer.suites_n = 9000;
	CHECK_INT(hello_build(&offer, &out, &why), -1);
	buf_free(&out);
	buf_init(&out, 60);
	offer.suites_n = 10;
	CHECK_INT(hello_build(&offer, &out, &why), -1);
	buf_free(&out);
}

/* --- names ----------------------------------------------------------------------------------------- */

TEST(names_of_suites_groups_versions_and_alerts)
{
	char out[HELLO_NAME_BYTES], alert[32];

	CHECK_STR(hello_suite_str(0x1302, out), "TLS_AES_256_GCM_SHA384");
	CHECK_STR(hello_suite_str(0x0005, out), "TLS_RSA_WITH_RC4_128_SHA");
	CHECK_STR(hello_suite_str(0xcca9, out), "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256");
	CHECK_STR(hello_suite_str(0xabcd, out), "0xabcd");
	CHECK_STR(hello_group_str(0x11ec, out), "X25519MLKEM768");
	CHECK_STR(hello_group_str(0x0017, out), "secp256r1");
	CHECK_STR(hello_group_str(0x4242, out), "0x4242");
	CHECK_STR(hello_version_name(HELLO_SSL3), "SSLv3");
	CHECK_STR(hello_version_name(HELLO_TLS13), "TLSv1.3");
	CHECK(hello_version_name(0x0305) == NULL);
	CHECK(hello_version_name(0x0200) == NULL);
	CHECK_STR(hello_alert_str(40, alert), "handshake_failure");
	CHECK_STR(hello_alert_str(99, alert), "alert 99");
}

/* OpenSSL knows its suites' IANA names: no number may have another one here. */
TEST(the_suites_of_openssl_are_in_the_table_under_the_same_names)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	int seen = 0;

	SSL_CTX_set_security_level(ctx, 0);
	CHECK_INT(SSL_CTX_set_cipher_list(ctx, "ALL:COMPLEMENTOFALL"), 1);
	STACK_OF(SSL_CIPHER) *list = SSL_CTX_get_ciphers(ctx);
	for (int i = 0; i < sk_SSL_CIPHER_num(list); i++) {
		const SSL_CIPHER *cipher = sk_SSL_CIPHER_value(list, i);
		const char *theirs = SSL_CIPHER_standard_name(cipher);
		const char *ours = hello_suite_name(SSL_CIPHER_get_protocol_id(cipher));
		if (strstr(theirs, "PSK") != NULL || strstr(theirs, "SRP") != NULL)
			continue;
		TEST_ROW("%s", theirs);
		CHECK_STR(ours == NULL ? "missing" : ours, theirs);
		seen++;
	}
	CHECK(seen > 60);
	SSL_CTX_free(ctx);
}

TEST(suites_and_groups_are_offered_where_they_belong)
{
	uint16_t suites[HELLO_SUITES_MAX], groups[HELLO_GROUPS_MAX];
	size_t old = hello_suites(HELLO_SSL3, suites), n12, n;

	CHECK_INT(hello_suites(HELLO_TLS11, suites), old);
	n12 = hello_suites(HELLO_TLS12, suites);
	CHECK(n12 > 200 && old < n12);
	for (size_t i = 0; i < n12; i++) {
		CHECK(suites[i] >> 8 != 0x13);
		CHECK(i == 0 || suites[i] > suites[i - 1]);
	}
	n = hello_suites(HELLO_TLS13, suites);
	CHECK(n >= 5 && n < 30);
	CHECK(hello_suites_curve(HELLO_TLS12, suites) > 40);
	CHECK(hello_suites_curve(HELLO_TLS10, suites) < hello_suites_curve(HELLO_TLS12, suites));
	n = hello_groups(HELLO_TLS12, false, groups);
	for (size_t i = 0; i < n; i++)
		CHECK(groups[i] < 0x100);
	CHECK_INT(hello_groups(HELLO_TLS12, true, groups), n + 5);
	CHECK(hello_groups(HELLO_TLS13, false, groups) > n + 10);
}

/* --- OpenSSL's server ------------------------------------------------------------------------------ */

static SSL_CTX *
server(enum key_type key, int min, int max, const char *ciphers, const char *groups)
{
	static struct test_cert certs[2];
	static const struct test_cert_spec specs[] = { { .cn = "mx", .key = KEY_RSA },
		{ .cn = "mx", .key = KEY_ECDSA } };
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	struct test_cert *cert = &certs[key == KEY_ECDSA];

	if (cert->cert == NULL)
		*cert = test_cert_make(&specs[key == KEY_ECDSA], NULL);
	SSL_CTX_set_security_level(ctx, 0);
	SSL_CTX_set_min_proto_version(ctx, min);
	SSL_CTX_set_max_proto_version(ctx, max);
	SSL_CTX_set_dh_auto(ctx, 1);
	if (SSL_CTX_use_certificate(ctx, cert->cert) != 1 ||
	    SSL_CTX_use_PrivateKey(ctx, cert->key) != 1 ||
	    (ciphers != NULL && SSL_CTX_set_cipher_list(ctx, ciphers) != 1) ||
	    (groups != NULL && SSL_CTX_set1_groups_list(ctx, (char *)(uintptr_t)groups) != 1)) {
		ERR_print_errors_fp(stderr);
		exit(1);
	}
	return ctx;
}

static uint16_t
number_of(const char *name, int change)
{
	EVP_PKEY *key = test_dh_params(name);
	unsigned char prime[1024], generator[8];
	BIGNUM *p = NULL, *g = NULL;

	EVP_PKEY_get_bn_param(key, "p", &p);
	EVP_PKEY_get_bn_param(key, "g", &g);
	int n = BN_bn2bin(p, prime), m = BN_bn2bin(g, generator);
	prime[n / 2] ^= (unsigned char)change;
	uint16_t group = hello_dh_group(slice_make((const char *)prime, (size_t)n),
	    slice_make((const char *)generator, (size_t)m));
	BN_free(p);
	BN_free(g);
	EVP_PKEY_free(key);
	return group;
}

TEST(a_prime_of_rfc_7919_is_named_and_no_other)
{
	CHECK_INT(number_of("ffdhe2048", 0), 0x100);
	CHECK_INT(number_of("ffdhe3072", 0), 0x101);
	CHECK_INT(number_of("ffdhe4096", 0), 0x102);
	CHECK_INT(number_of("ffdhe6144", 0), 0x103);
	CHECK_INT(number_of("ffdhe8192", 0), 0x104);
	CHECK_INT(number_of("ffdhe2048", 2), 0);
	CHECK_INT(number_of("modp_2048", 0), 0); /* RFC 3526 */
	CHECK_INT(hello_dh_group(slice_make("\0", 1), slice_make("\2", 1)), 0);
	CHECK_INT(hello_group_number("ffdhe2048"), 0x100);
	CHECK_INT(hello_group_number("nonsense"), 0);
	CHECK_INT(hello_group_number(NULL), 0);
}

/* The server's first words to an offer. */
static struct hello_answer
answer_of(SSL_CTX *ctx, const struct hello_offer *offer, bool key_exchange)
{
	SSL *ssl = SSL_new(ctx);
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	struct hello_reader reader;
	struct hello_answer answer;
	struct buf hello;
	char *data;

	buf_init(&hello, 20000);
	CHECK_INT(hello_build(offer, &hello, NULL), 0);
	BIO_write(in, hello.data, (int)hello.len);
	SSL_set_bio(ssl, in, out);
	SSL_accept(ssl);
	ERR_clear_error();
	long n = BIO_get_mem_data(out, &data);
	hello_reader_init(&reader, key_exchange);
	CHECK_INT(hello_feed(&reader, slice_make(data, (size_t)n), NULL), 1);
	answer = reader.answer;
	hello_reader_fini(&reader);
	buf_free(&hello);
	SSL_free(ssl);
	return answer;
}

static void
offer_all(struct hello_offer *offer, uint16_t version, uint16_t *suites, uint16_t *groups)
{
	hello_offer_init(offer, version, zeros);
	memset(offer->key, 9, sizeof(offer->key));
	offer->suites = suites;
	offer->suites_n = hello_suites(version, suites);
	offer->groups = groups;
	offer->groups_n = offer->extensions ? hello_groups(version, true, groups) : 0;
	offer->server_name = "mx.example.com";
}

TEST(openssl_takes_our_hello_in_the_versions_it_has)
{
	static const struct {
		int min, max;
		unsigned accepts; /* bit by version - SSL3 */
	} rows[] = {
		{ TLS1_VERSION, TLS1_3_VERSION, 0x1e },
		{ TLS1_2_VERSION, TLS1_3_VERSION, 0x18 },
		{ TLS1_2_VERSION, TLS1_2_VERSION, 0x08 },
		{ TLS1_VERSION, TLS1_1_VERSION, 0x06 },
		{ TLS1_3_VERSION, TLS1_3_VERSION, 0x10 },
	};
	uint16_t suites[HELLO_SUITES_MAX], groups[HELLO_GROUPS_MAX];
	struct hello_offer offer;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		SSL_CTX *ctx = server(
		    KEY_RSA, rows[i].min, rows[i].max, "ALL:COMPLEMENTOFALL", "P-256:X25519");
		for (unsigned v = 0; v < 5; v++) {
			uint16_t version = (uint16_t)(HELLO_SSL3 + v);
			TEST_ROW(
			    "%x to %x, %s", rows[i].min, rows[i].max, hello_version_name(version));
			offer_all(&offer, version, suites, groups);
			struct hello_answer answer = answer_of(ctx, &offer, true);
			if ((rows[i].accepts >> v & 1) != 0) {
				CHECK(answer.kind == HELLO_SERVER_HELLO ||
				      answer.kind == HELLO_RETRY);
				CHECK_INT(answer.version, version);
				CHECK(hello_suite_name(answer.suite) != NULL);
			} else if (answer.kind == HELLO_SERVER_HELLO) {
				/* RFC 5246 sE.1: an older one instead is no yes */
				CHECK(answer.version < version);
				CHECK_INT(answer.version, rows[i].max);
			} else {
				CHECK_INT(answer.kind, HELLO_ALERT);
				CHECK(answer.alert == 70 || answer.alert == 40);
			}
		}
		SSL_CTX_free(ctx);
	}
}

TEST(one_group_and_no_share_draws_a_retry_or_alert_40)
{
	static const struct {
		const char *ours;
		uint16_t group;
		bool has;
	} rows[] = {
		{ "x25519", 0x1d, true },
		{ "secp256r1", 0x17, false },
		{ "secp384r1", 0x18, true },
		{ "X25519MLKEM768", 0x11ec, false },
		{ "MLKEM768", 0x0201, false },
		{ "ffdhe3072", 0x0101, true },
	};
	uint16_t suites[HELLO_SUITES_MAX], groups[HELLO_GROUPS_MAX];
	SSL_CTX *ctx =
	    server(KEY_RSA, TLS1_2_VERSION, TLS1_3_VERSION, NULL, "P-384:X25519:ffdhe3072");
	struct hello_offer offer;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		TEST_ROW("%s", rows[i].ours);
		offer_all(&offer, HELLO_TLS13, suites, groups);
		groups[0] = rows[i].group;
		offer.groups_n = 1;
		offer.key_share = HELLO_KEY_SHARE_EMPTY;
		struct hello_answer answer = answer_of(ctx, &offer, true);
		CHECK_INT(answer.kind, rows[i].has ? HELLO_RETRY : HELLO_ALERT);
		CHECK_INT(answer.group, rows[i].has ? rows[i].group : 0);
		CHECK_INT(answer.alert, rows[i].has ? 0 : 40);
	}
	SSL_CTX_free(ctx);
}

TEST(the_server_key_exchange_of_tls_1_2_names_curve_or_prime)
{
	uint16_t suites[HELLO_SUITES_MAX], groups[HELLO_GROUPS_MAX];
	struct hello_offer offer;
	SSL_CTX *ctx = server(KEY_ECDSA, TLS1_VERSION, TLS1_2_VERSION, NULL, "P-384:P-256");

	offer_all(&offer, HELLO_TLS12, suites, groups);
	struct hello_answer answer = answer_of(ctx, &offer, true);
	CHECK_INT(answer.kind, HELLO_SERVER_HELLO);
	CHECK(answer.group == 0x17 || answer.group == 0x18);
	/* RFC 8422 s5.1: the curve of an ECDSA certificate must be on offer, too */
	groups[0] = 0x18;
	offer.groups_n = 1;
	CHECK_INT(answer_of(ctx, &offer, true).kind, HELLO_ALERT);
	SSL_CTX_free(ctx);
	ctx = server(KEY_RSA, TLS1_VERSION, TLS1_2_VERSION, "DHE-RSA-AES128-SHA", NULL);
	offer_all(&offer, HELLO_TLS10, suites, groups);
	answer = answer_of(ctx, &offer, true);
	CHECK_INT(answer.suite, 0x0033);
	CHECK(answer.dh_bits == 2048 || answer.dh_bits == 3072);
	CHECK_INT(answer.group, 0); /* of OpenSSL's own choice, a prime of RFC 3526 */
	SSL_CTX_set_dh_auto(ctx, 0);
	SSL_CTX_set0_tmp_dh_pkey(ctx, test_dh_params("ffdhe3072"));
	answer = answer_of(ctx, &offer, true);
	CHECK_INT(answer.dh_bits, 3072);
	CHECK_STR(hello_group_name((uint16_t)answer.group), "ffdhe3072");
	SSL_CTX_free(ctx);
	ctx = server(KEY_RSA, TLS1_VERSION, TLS1_2_VERSION, "AES128-SHA", NULL);
	answer = answer_of(ctx, &offer, true);
	CHECK_INT(answer.suite, 0x002f);
	CHECK_INT(answer.dh_bits, 0);
	SSL_CTX_free(ctx);
}

/* --- asking ---------------------------------------------------------------------------------------- */

/* arg: what to say, and whether to close behind it. */
struct script {
	const char *hex;
	bool close;
};

static int
peer_say(int fd, const void *arg)
{
	const struct script *script = arg;
	char data[4096];

	if (read(fd, data, sizeof(data)) < 50 || data[0] != 22)
		return 1;
	size_t n = unhex(script->hex, data);
	if (n > 0 && write(fd, data, n) != (ssize_t)n)
		return 2;
	if (!script->close)
		while (read(fd, data, sizeof(data)) > 0)
			;
	return 0;
}

TEST(asking_ends_with_an_answer_or_says_why_not)
{
	static const struct {
		const char *what;
		struct script script;
		int ret;
		enum hello_kind kind;
		enum fail_code code;
	} rows[] = {
		{ "an alert", { "15 0303 0002 02 28", false }, 0, HELLO_ALERT, FAIL_NONE },
		{ "closed", { "", true }, -1, HELLO_NOTHING, FAIL_EOF },
		{ "closed in the middle", { "16 0303 0030 02", true }, -1, HELLO_NOTHING,
		    FAIL_EOF },
		{ "silence", { "", false }, -1, HELLO_NOTHING, FAIL_TIMEOUT },
		{ "not TLS", { "353534", false }, -1, HELLO_NOTHING, FAIL_TLS_HANDSHAKE },
		{ "a ServerHello, then silence: it counts",
		    { "16 0303 002a 02 000026 0303 " RANDOM " 00 c02f 00", false }, 0,
		    HELLO_SERVER_HELLO, FAIL_NONE },
	};
	uint16_t suites[HELLO_SUITES_MAX], groups[HELLO_GROUPS_MAX];
	struct hello_offer offer;
	struct hello_answer answer;
	struct fail why;

	offer_all(&offer, HELLO_TLS12, suites, groups);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		TEST_ROW("%s", rows[i].what);
		struct test_peer peer = test_peer_start(peer_say, &rows[i].script);
		fail_clear(&why);
		CHECK_INT(hello_ask(peer.fd, &offer, true, &answer, clock_deadline(300), &why),
		    rows[i].ret);
		CHECK_INT(answer.kind, rows[i].kind);
		CHECK_INT(why.code, rows[i].code);
		CHECK_INT(test_peer_end(&peer), 0);
	}
}

/* As bytes on the wire: what a server that reads on sees last. */
static int
peer_farewell(int fd, const void *arg)
{
	unsigned char data[64];
	size_t n = 0;
	ssize_t got;

	(void)arg;
	while (n < sizeof(data) && (got = read(fd, data + n, sizeof(data) - n)) > 0)
		n += (size_t)got;
	return n == 14 && data[0] == 21 && data[6] == 90 && data[13] == 0 ? 0 : 1;
}

TEST(closing_says_farewell)
{
	struct test_peer peer = test_peer_start(peer_farewell, NULL);

	hello_close(dup(peer.fd));
	CHECK_INT(test_peer_end(&peer), 0);
}
