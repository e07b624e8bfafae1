#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/limits.h"
#include "base/text.h"
#include "test.h"
#include "test_certs.h"
#include "tls/dane.h"
#include "tls/internal.h"

#define DAY 86400

/*
 * Certificates by letter, all of them for mx.example.test where nothing else is said:
 *   L good leaf of I         X leaf of I, expired       W leaf of I, for other.test
 *   I intermediate of R      R root                     S self-signed leaf
 *   J intermediate of R, expired, and K its leaf
 *   N signed by R but no CA, and M its leaf             Z a stranger's root
 *   C leaf of I with a client's purpose only            V leaf of I for *.example.test
 *   P leaf of I for m*.example.test
 */
static struct test_cert certs[128];

static struct test_cert *
cert(char letter)
{
	static const struct {
		char letter, issuer;
		struct test_cert_spec spec;
	} rows[] = {
		{ 'R', 0, { .cn = "root", .ca = true } },
		{ 'Z', 0, { .cn = "stranger", .ca = true } },
		{ 'I', 'R', { .cn = "intermediate", .ca = true } },
		{ 'J', 'R',
		    { .cn = "old intermediate", .ca = true, .from_days = -90, .to_days = -1 } },
		{ 'N', 'R', { .cn = "no ca" } },
		{ 'L', 'I', { .dns = { DNS_NAME("mx.example.test") } } },
		{ 'X', 'I',
		    { .dns = { DNS_NAME("mx.example.test") }, .from_days = -90, .to_days = -1 } },
		{ 'W', 'I', { .dns = { DNS_NAME("other.test") } } },
		{ 'S', 0, { .dns = { DNS_NAME("mx.example.test") } } },
		{ 'K', 'J', { .dns = { DNS_NAME("mx.example.test") } } },
		{ 'M', 'N', { .dns = { DNS_NAME("mx.example.test") } } },
		{ 'C', 'I', { .dns = { DNS_NAME("mx.example.test") }, .purpose = "clientAuth" } },
		{ 'V', 'I', { .dns = { DNS_NAME("*.example.test") } } },
		{ 'P', 'I', { .dns = { DNS_NAME("m*.example.test") } } },
	};
	struct test_cert *c = &certs[(unsigned char)letter];

	for (size_t i = 0; c->cert == NULL && i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].letter == letter)
			*c = test_cert_make(
			    &rows[i].spec, rows[i].issuer == 0 ? NULL : cert(rows[i].issuer));
	if (c->cert == NULL)
		abort();
	return c;
}

__attribute__((destructor)) static void
free_certs(void)
{
	for (size_t i = 0; i < sizeof(certs) / sizeof(certs[0]); i++)
		test_cert_free(&certs[i]);
}

static struct slice
der_of(char letter, bool key, struct arena *arena)
{
	unsigned char *der = NULL;
	int n = key ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert(letter)->cert), &der)
		    : i2d_X509(cert(letter)->cert, &der);
	struct slice copy = slice_make(arena_strndup(arena, (char *)der, (size_t)n), (size_t)n);

	OPENSSL_free(der);
	return copy;
}

struct binary {
	int usage, selector, matching;
	struct slice data;
};

/* "311L": usage, selector, matching type, whose certificate. */
static struct binary
make_record(const char *text, struct arena *arena)
{
	struct binary r = { text[0] - '0', text[1] - '0', text[2] - '0', { NULL, 0 } };
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int n = 0;

	r.data = der_of(text[3], r.selector == 1, arena);
	if (r.matching == 0)
		return r;
	EVP_Digest(
	    r.data.p, r.data.n, digest, &n, r.matching == 1 ? EVP_sha256() : EVP_sha512(), NULL);
	r.data = slice_make(arena_strndup(arena, (char *)digest, n), n);
	return r;
}

struct ask {
	struct arena arena;
	struct slice chain[40];
	size_t chain_n;
	struct tlsa_record_facts records[40];
	struct tls_dane_fit fits[40];
	struct tls_dane_question question;
	const char *names[4];
	struct binary binary[40];
};

static void
ask_init(struct ask *a, const char *chain, const char *name)
{
	memset(a, 0, sizeof(*a));
	arena_init(&a->arena);
	for (const char *p = chain; *p != '\0'; p++)
		a->chain[a->chain_n++] = der_of(*p, false, &a->arena);
	a->names[0] = name;
	a->question = (struct tls_dane_question){
		.records = a->records, .names = a->names, .names_n = 1, .at = time(NULL)
	};
}

static void
ask_record(struct ask *a, const char *text)
{
	struct tlsa_record_facts *record = &a->records[a->question.records_n];
	struct binary *binary = &a->binary[a->question.records_n++];

	*binary = make_record(text, &a->arena);
	facts_init_tlsa_record_facts(record);
	record->usage = binary->usage;
	record->selector = binary->selector;
	record->matching_type = binary->matching;
	record->data = arena_alloc(&a->arena, 2 * binary->data.n + 1);
	text_hex((const unsigned char *)binary->data.p, binary->data.n, record->data);
	record->usable = true;
}

static enum dane
ask_run(struct ask *a)
{
	enum dane dane = DANE_NOT_CHECKED;
	struct fail why;

	CHECK_INT(
	    tls_dane_chain(a->chain, a->chain_n, &a->question, &a->arena, a->fits, &dane, &why), 0);
	return dane;
}

/* "yes 0", "no 1 depth 1: certificate has expired", "?" */
static const char *
fit_str(const struct tls_dane_fit *fit)
{
	static char text[300];

	if (fit->matched == TRI_UNKNOWN)
		return "?";
	snprintf(text, sizeof(text), "%s %d%s%s", fit->matched == TRI_YES ? "yes" : "no",
	    fit->depth, fit->note == NULL ? "" : " ", fit->note == NULL ? "" : fit->note);
	return text;
}

#define NAMED "the certificate names another host"

TEST(each_usage_selector_and_matching_type_proves_what_the_rfc_says)
{
	static const struct {
		const char *title, *chain, *record;
		enum dane dane;
		const char *fit;
	} rows[] = {
		{ "3 1 1", "LI", "311L", DANE_VALID, "yes 0" },
		{ "3 0 1", "LI", "301L", DANE_VALID, "yes 0" },
		{ "3 1 2", "LI", "312L", DANE_VALID, "yes 0" },
		{ "3 0 2", "LI", "302L", DANE_VALID, "yes 0" },
		{ "3 0 0", "LI", "300L", DANE_VALID, "yes 0" },
		{ "3 1 0", "LI", "310L", DANE_VALID, "yes 0" },
		{ "3 1 1 of another key", "LI", "311X", DANE_MISMATCH, "no -1" },
		{ "3 1 1 of the issuer: not the server's own key", "LI", "311I", DANE_MISMATCH,
		    "no -1" },
		{ "3 1 1, expired (RFC 7672 s3.1.1)", "XI", "311X", DANE_VALID, "yes 0" },
		{ "3 1 1, another name (RFC 7672 s3.1.1)", "WI", "311W", DANE_VALID, "yes 0" },
		{ "3 1 1, no issuer sent", "L", "311L", DANE_VALID, "yes 0" },
		{ "3 1 1, self-signed", "S", "311S", DANE_VALID, "yes 0" },
		{ "3 1 1, for clients only", "CI", "311C", DANE_VALID, "yes 0" },
		{ "2 1 1", "LI", "211I", DANE_VALID, "yes 1" },
		{ "2 0 1", "LI", "201I", DANE_VALID, "yes 1" },
		{ "2 0 2", "LI", "202I", DANE_VALID, "yes 1" },
		{ "2 0 0", "LI", "200I", DANE_VALID, "yes 1" },
		{ "2 1 0", "LI", "210I", DANE_VALID, "yes 1" },
		{ "2 1 1 of a root that is sent", "LIR", "211R", DANE_VALID, "yes 2" },
		{ "2 1 1 in the middle", "LIR", "211I", DANE_VALID, "yes 1" },
		{ "2 1 1, sent in another order", "LRI", "211R", DANE_VALID, "yes 1" },
		{ "2 1 1, among strangers", "LZNIR", "211R", DANE_VALID, "yes 4" },
		{ "2 1 1 of a root that is not sent (RFC 7672 s3.1.2)", "LI", "211R", DANE_MISMATCH,
		    "no -1" },
		{ "2 0 0 of a root that is not sent", "LI", "200R", DANE_VALID, "yes 2" },
		{ "2 0 0 of an intermediate that is not sent", "L", "200I", DANE_VALID, "yes 1" },
		{ "2 1 0, a key whose certificate is not sent", "LI", "210R", DANE_VALID, "yes 2" },
		{ "2 1 0, the same, of the leaf's issuer", "L", "210I", DANE_VALID, "yes 1" },
		{ "2 0 0 of a root, intermediate missing", "L", "200R", DANE_MISMATCH, "no -1" },
		{ "2 0 0 of a stranger", "LI", "200Z", DANE_MISMATCH, "no -1" },
		{ "2 1 0 of a stranger", "LI", "210Z", DANE_MISMATCH, "no -1" },
		{ "2 1 1 of the leaf: no issuer", "LI", "211L", DANE_MISMATCH, "no -1" },
		{ "2 0 1 of a self-signed leaf", "S", "201S", DANE_MISMATCH, "no -1" },
		{ "2 0 0 of a self-signed leaf", "S", "200S", DANE_MISMATCH, "no -1" },
		{ "2 1 0 of a self-signed leaf: it is signed by that key", "S", "210S", DANE_VALID,
		    "yes 1" },
		{ "2 1 1, leaf expired: dates count", "XI", "211I", DANE_MISMATCH,
		    "no 1 depth 0: certificate has expired" },
		{ "2 1 1, issuer expired", "KJR", "211R", DANE_MISMATCH,
		    "no 2 depth 1: certificate has expired" },
		{ "2 1 1 of the expired issuer: a trust anchor has no dates (RFC 5280 s6.1)", "KJ",
		    "211J", DANE_VALID, "yes 1" },
		{ "2 0 0 of the expired issuer, not sent", "K", "200J", DANE_VALID, "yes 1" },
		{ "2 1 0 of the expired issuer, not sent: a key has no dates", "K", "210J",
		    DANE_VALID, "yes 1" },
		{ "2 1 1, another name", "WI", "211I", DANE_MISMATCH, "no 1 " NAMED },
		{ "2 0 0, another name", "WI", "200R", DANE_MISMATCH, "no 2 " NAMED },
		{ "2 1 0, another name", "WI", "210R", DANE_MISMATCH, "no 2 " NAMED },
		{ "2 1 1, wildcard", "VI", "211I", DANE_VALID, "yes 1" },
		{ "2 1 1, partial wildcard", "PI", "211I", DANE_MISMATCH, "no 1 " NAMED },
		{ "2 1 1, for clients only", "CI", "211I", DANE_MISMATCH,
		    "no 1 depth 0: unsuitable certificate purpose" },
		{ "2 1 1 of a certificate that has signed nothing here", "LIZ", "211Z",
		    DANE_MISMATCH, "no 2 depth 1: unable to get local issuer certificate" },
		{ "2 1 1, intermediate missing", "LR", "211R", DANE_MISMATCH,
		    "no 1 depth 0: unable to get local issuer certificate" },
		{ "usage 0", "LI", "011L", DANE_MISMATCH, "?" },
		{ "usage 1", "LI", "111L", DANE_MISMATCH, "?" },
		{ "usage 4", "LI", "411L", DANE_MISMATCH, "?" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ask a;
		TEST_ROW("%s", rows[i].title);
		ask_init(&a, rows[i].chain, "mx.example.test");
		ask_record(&a, rows[i].record);
		CHECK_STR(dane_str(ask_run(&a)), dane_str(rows[i].dane));
		CHECK_STR(fit_str(&a.fits[0]), rows[i].fit);
		arena_free(&a.arena);
	}
}

TEST(an_issuer_that_is_no_ca_cannot_vouch)
{
	struct ask a;

	ask_init(&a, "MNR", "mx.example.test");
	ask_record(&a, "211R");
	CHECK_STR(dane_str(ask_run(&a)), "mismatch");
	CHECK_STR(fit_str(&a.fits[0]), "no 2 depth 1: invalid CA certificate");
	arena_free(&a.arena);
}

TEST(a_chain_beyond_the_limits_is_not_followed)
{
	struct ask a;
	char chain[40];

	/* only the first LIMIT_CHAIN_CERTS are looked at */
	memset(chain, 'Z', sizeof(chain));
	chain[0] = 'L';
	chain[LIMIT_CHAIN_CERTS] = 'I';
	chain[LIMIT_CHAIN_CERTS + 1] = '\0';
	ask_init(&a, chain, "mx.example.test");
	ask_record(&a, "211I");
	CHECK_STR(dane_str(ask_run(&a)), "mismatch");
	arena_free(&a.arena);
	chain[LIMIT_CHAIN_CERTS - 1] = 'I';
	ask_init(&a, chain, "mx.example.test");
	ask_record(&a, "211I");
	CHECK_STR(dane_str(ask_run(&a)), "valid");
	CHECK_INT(a.fits[0].depth, LIMIT_CHAIN_CERTS - 1);
	arena_free(&a.arena);
}

TEST(the_chains_built_for_one_handshake_are_bounded)
{
	struct ask a;

	ask_init(&a, "LI", "mx.example.test");
	for (int i = 0; i < LIMIT_DANE_VERIFICATIONS; i++)
		ask_record(&a, "200Z");
	ask_record(&a, "200R");
	ask_record(&a, "311L");
	CHECK_STR(dane_str(ask_run(&a)), "valid");
	CHECK_STR(fit_str(&a.fits[LIMIT_DANE_VERIFICATIONS]), "no -1");
	CHECK_STR(fit_str(&a.fits[LIMIT_DANE_VERIFICATIONS + 1]), "yes 0");
	arena_free(&a.arena);
	/* but a certificate that was sent is judged once, for however many records */
	ask_init(&a, "LI", "mx.example.test");
	for (int i = 0; i < 30; i++)
		ask_record(&a, i % 2 == 0 ? "211I" : "201I");
	ask_record(&a, "200R");
	CHECK_STR(dane_str(ask_run(&a)), "valid");
	for (int i = 0; i < 30; i++)
		CHECK_STR(fit_str(&a.fits[i]), "yes 1");
	CHECK_STR(fit_str(&a.fits[30]), "yes 2");
	arena_free(&a.arena);
}

TEST(every_record_is_compared_and_only_usable_ones_count)
{
	struct ask a;

	ask_init(&a, "LI", "mx.example.test");
	ask_record(&a, "311X");
	ask_record(&a, "311L");
	ask_record(&a, "211I");
	ask_record(&a, "111L");
	ask_record(&a, "301L");
	CHECK_STR(dane_str(ask_run(&a)), "valid");
	CHECK_STR(fit_str(&a.fits[0]), "no -1");
	CHECK_STR(fit_str(&a.fits[1]), "yes 0");
	CHECK_STR(fit_str(&a.fits[2]), "yes 1");
	CHECK_STR(fit_str(&a.fits[3]), "?");
	CHECK_STR(fit_str(&a.fits[4]), "yes 0");
	for (size_t i = 0; i < 5; i++)
		a.records[i].usable = i == 0;
	CHECK_STR(dane_str(ask_run(&a)), "mismatch");
	CHECK_STR(fit_str(&a.fits[1]), "yes 0");
	a.records[0].usable = false;
	CHECK_STR(dane_str(ask_run(&a)), "unusable");
	a.question.records_n = 0;
	CHECK_STR(dane_str(ask_run(&a)), "unusable");
	arena_free(&a.arena);
}

TEST(any_of_the_reference_names_will_do)
{
	static const struct {
		const char *names[4];
		const char *dane;
	} rows[] = {
		{ { "mx.example.test" }, "valid" },
		{ { "MX.Example.Test." }, "valid" },
		{ { "example.test", "mx.example.test" }, "valid" },
		{ { NULL, "mx.example.test" }, "valid" },
		{ { "a.test", "b.test", "c.test", "mx.example.test" }, "valid" },
		{ { "example.test", "mx2.example.test" }, "mismatch" },
		{ { "" }, "mismatch" },
		{ { NULL }, "mismatch" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ask a;
		TEST_ROW("%zu", i);
		ask_init(&a, "LI", NULL);
		memcpy(a.names, rows[i].names, sizeof(a.names));
		a.question.names_n = 4;
		ask_record(&a, "211I");
		CHECK_STR(dane_str(ask_run(&a)), rows[i].dane);
		/* DANE-EE does not look */
		ask_record(&a, "311L");
		CHECK_STR(dane_str(ask_run(&a)), "valid");
		arena_free(&a.arena);
	}
}

TEST(dates_are_those_of_the_time_asked_about)
{
	static const struct {
		const char *chain, *record;
		int days;
		const char *dane;
	} rows[] = {
		{ "LI", "211I", 0, "valid" },
		{ "LI", "211I", 89, "valid" },
		{ "LI", "211I", 91, "mismatch" },
		{ "LI", "211I", -2, "mismatch" },
		{ "LI", "311L", 91, "valid" },
		{ "LI", "311L", -2, "valid" },
		{ "XI", "211I", -2, "valid" }, /* an issuer to be */
		{ "XIR", "211R", -2, "mismatch" },
		{ "XI", "210R", -2, "mismatch" },
		{ "X", "210I", -2, "valid" },
		{ "X", "210I", 0, "mismatch" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ask a;
		TEST_ROW("%s %s %d", rows[i].chain, rows[i].record, rows[i].days);
		ask_init(&a, rows[i].chain, "mx.example.test");
		ask_record(&a, rows[i].record);
		a.question.at += rows[i].days * DAY;
		CHECK_STR(dane_str(ask_run(&a)), rows[i].dane);
		arena_free(&a.arena);
	}
}

TEST(data_that_is_damaged_is_not_compared)
{
	static const char *const data[] = { NULL, "", "0", "zz", "00", "0x10" };
	struct ask a;

	ask_init(&a, "LI", "mx.example.test");
	ask_record(&a, "311L");
	for (size_t i = 0; i < sizeof(data) / sizeof(data[0]); i++) {
		TEST_ROW("%s", data[i] == NULL ? "NULL" : data[i]);
		a.records[0].data = data[i] == NULL ? NULL : arena_strdup(&a.arena, data[i]);
		CHECK_STR(dane_str(ask_run(&a)), "mismatch");
		CHECK_STR(fit_str(&a.fits[0]), "?");
	}
	a.question.records_n = 0;
	ask_record(&a, "311L");
	for (char *p = a.records[0].data; *p != '\0'; p++)
		*p = text_upper(*p);
	CHECK_STR(dane_str(ask_run(&a)), "valid");
	arena_free(&a.arena);
}

TEST(a_chain_that_is_not_made_of_certificates_is_refused)
{
	struct ask a;
	enum dane dane = DANE_VALID;
	struct fail why;

	ask_init(&a, "LI", "mx.example.test");
	ask_record(&a, "311L");
	a.chain[1].n--;
	CHECK_INT(tls_dane_chain(a.chain, 2, &a.question, &a.arena, a.fits, &dane, &why), -1);
	CHECK_INT(why.code, FAIL_MESSAGE);
	a.chain[1] = slice_str("x");
	CHECK_INT(tls_dane_chain(a.chain, 2, &a.question, &a.arena, a.fits, &dane, &why), -1);
	/* no certificate at all */
	CHECK_INT(tls_dane_chain(NULL, 0, &a.question, &a.arena, a.fits, &dane, &why), 0);
	CHECK_STR(dane_str(dane), "mismatch");
	a.records[0].usage = 2;
	CHECK_INT(tls_dane_chain(NULL, 0, &a.question, &a.arena, a.fits, &dane, &why), 0);
	CHECK_STR(dane_str(dane), "mismatch");
	arena_free(&a.arena);
}

TEST(before_the_handshake_is_complete_nothing_is_compared)
{
	struct tls session = { .complete = false };
	struct ask a;

	ask_init(&a, "LI", "mx.example.test");
	ask_record(&a, "311L");
	a.fits[0].matched = TRI_YES;
	CHECK_STR(dane_str(tls_dane(&session, &a.question, &a.arena, a.fits)), "not_checked");
	CHECK_STR(fit_str(&a.fits[0]), "?");
	arena_free(&a.arena);
}

/* --- OpenSSL's opinion --------------------------------------------------------------------------- */

static SSL *
reference_session(struct ask *a)
{
	static SSL_CTX *ctx;
	SSL *ssl;

	if (ctx == NULL) {
		ctx = SSL_CTX_new(TLS_client_method());
		SSL_CTX_dane_enable(ctx);
		SSL_CTX_dane_set_flags(ctx, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
	}
	ssl = SSL_new(ctx);
	if (ssl == NULL || SSL_dane_enable(ssl, a->names[0]) <= 0)
		abort();
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	X509_VERIFY_PARAM_set_time(SSL_get0_param(ssl), (time_t)a->question.at);
	return ssl;
}

/* 1 verified, 0 not, -1: no record is usable to OpenSSL. As its ssl_verify_cert_chain does it. */
static int
reference(struct ask *a, const char *chain)
{
	SSL *ssl = reference_session(a);
	STACK_OF(X509) *stack = sk_X509_new_null();
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	bool any = false;
	int rc = -1;

	for (size_t i = 0; i < a->question.records_n; i++) {
		const struct binary *b = &a->binary[i];
		int added = SSL_dane_tlsa_add(ssl, (uint8_t)b->usage, (uint8_t)b->selector,
		    (uint8_t)b->matching, (const unsigned char *)b->data.p, b->data.n);
		any |= added == 1;
		CHECK_INT(
		    added == 1, tls_tlsa_is_sound(b->selector, b->matching, b->data.p, b->data.n));
	}
	for (const char *p = chain; *p != '\0'; p++)
		sk_X509_push(stack, cert(*p)->cert);
	if (any && X509_STORE_CTX_init(ctx, store, sk_X509_value(stack, 0), stack) == 1) {
		X509_STORE_CTX_set0_dane(ctx, SSL_get0_dane(ssl));
		X509_STORE_CTX_set_default(ctx, "ssl_server");
		X509_VERIFY_PARAM_set1(X509_STORE_CTX_get0_param(ctx), SSL_get0_param(ssl));
		X509_VERIFY_PARAM_set_auth_level(X509_STORE_CTX_get0_param(ctx), 0);
		rc = X509_verify_cert(ctx) == 1;
	}
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	sk_X509_free(stack);
	SSL_free(ssl);
	return rc;
}

static const char *const chains[] = { "LI", "LIR", "LRI", "L", "LR", "XI", "XIR", "WI", "WIR", "S",
	"SR", "KJ", "KJR", "K", "MN", "MNR", "CI", "CIR", "VI", "PI", "LZIR" };

/*
 * The n-th record that may have to do with a chain: usage, selector, matching type, certificate. Those
 * it sends, its issuers, and a stranger.
 */
static bool
nth_record(const char *chain, size_t n, char out[5])
{
	char letters[40];

	snprintf(letters, sizeof(letters), "%s%s%s%sZ", chain,
	    strchr(chain, 'R') == NULL ? "R" : "",
	    strchr(chain, 'I') == NULL && strpbrk(chain, "LXWCVP") != NULL ? "I" : "",
	    chain[0] == 'K' && chain[1] != 'J' ? "J" : "");
	if (n / 12 >= strlen(letters))
		return false;
	snprintf(out, 5, "%c%c%c%c", n % 2 == 0 ? '2' : '3', n / 2 % 2 == 0 ? '0' : '1',
	    (char)('0' + n / 4 % 3), letters[n / 12]);
	return true;
}

static size_t
compare_with_openssl(const char *chain, const char *first, const char *second, int days)
{
	struct ask a;

	TEST_ROW("%s %s %s %d", chain, first, second == NULL ? "" : second, days);
	ask_init(&a, chain, "mx.example.test");
	a.question.at += days * DAY;
	ask_record(&a, first);
	if (second != NULL)
		ask_record(&a, second);
	bool ours = ask_run(&a) == DANE_VALID;
	CHECK_INT(ours, reference(&a, chain) == 1);
	arena_free(&a.arena);
	return ours;
}

TEST(openssl_agrees_about_every_record_and_chain)
{
	size_t valid = 0, all = 0;
	char record[5];

	for (size_t c = 0; c < sizeof(chains) / sizeof(chains[0]); c++)
		for (size_t n = 0; nth_record(chains[c], n, record); n++) {
			valid += compare_with_openssl(chains[c], record, NULL, 0);
			all++;
			if (n % 5 == c % 5) /* all certificates have expired then */
				valid += compare_with_openssl(chains[c], record, NULL, 5000);
		}
	TEST_ROW("%zu, %zu valid", all, valid);
	CHECK(all > 900 && valid > 200 && valid < all / 2);
}

TEST(openssl_agrees_about_pairs_of_records)
{
	size_t valid = 0, all = 0;
	char first[5], second[5];

	/* a sample of all pairs in which each record and each chain has its turns */
	for (size_t c = 0; c < sizeof(chains) / sizeof(chains[0]); c++)
		for (size_t n = 0; nth_record(chains[c], n, first); n++)
			for (size_t k = (n + c) % 29; nth_record(chains[c], k, second); k += 29) {
				/* digest agility is not done here, but in dane_judge_records */
				if (first[0] == second[0] && first[1] == second[1] &&
				    first[2] != second[2])
					continue;
				valid += compare_with_openssl(chains[c], first, second, 0);
				all++;
			}
	TEST_ROW("%zu, %zu valid", all, valid);
	CHECK(all > 1000 && valid > 300 && valid < all * 2 / 3);
}

/* --- form, and printing -------------------------------------------------------------------------- */

TEST(association_data_has_the_form_of_its_matching_type)
{
	struct arena arena;
	arena_init(&arena);
	struct slice whole = der_of('L', false, &arena), key = der_of('L', true, &arena);
	char longer[3000];
	memcpy(longer, whole.p, whole.n);
	longer[whole.n] = 0;
	const struct {
		const char *title;
		int selector, matching;
		const char *data;
		size_t n;
		bool sound;
	} rows[] = {
		{ "SHA-256", 1, 1, longer, 32, true },
		{ "SHA-256, short", 1, 1, longer, 31, false },
		{ "SHA-256, long", 1, 1, longer, 33, false },
		{ "SHA-256, as hex text", 1, 1, longer, 64, false },
		{ "SHA-512", 0, 2, longer, 64, true },
		{ "SHA-512, short", 0, 2, longer, 32, false },
		{ "empty digest", 0, 1, longer, 0, false },
		{ "certificate", 0, 0, whole.p, whole.n, true },
		{ "certificate, cut", 0, 0, whole.p, whole.n - 1, false },
		{ "certificate, a byte behind it", 0, 0, longer, whole.n + 1, false },
		{ "certificate, but it is a key", 0, 0, key.p, key.n, false },
		{ "certificate, empty", 0, 0, longer, 0, false },
		{ "key", 1, 0, key.p, key.n, true },
		{ "key, cut", 1, 0, key.p, key.n - 1, false },
		{ "key, but it is a certificate", 1, 0, whole.p, whole.n, false },
		{ "key, empty", 1, 0, longer, 0, false },
		{ "selector 2", 2, 1, longer, 32, false },
		{ "selector 255", 255, 1, longer, 32, false },
		{ "matching type 3", 1, 3, longer, 48, false },
		{ "matching type 255", 1, 255, longer, 32, false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		TEST_ROW("%s", rows[i].title);
		CHECK_INT(
		    tls_tlsa_is_sound(rows[i].selector, rows[i].matching, rows[i].data, rows[i].n),
		    rows[i].sound);
	}
	arena_free(&arena);
}

TEST(records_are_printed_ready_for_a_zone_file)
{
	static const char *const kinds[] = { "311", "301", "312", "211", "201", "300", "310" };
	struct arena arena;
	struct fail why;
	char *text;

	arena_init(&arena);
	struct slice der = der_of('L', false, &arena);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		char name[5];
		TEST_ROW("%s", kinds[i]);
		snprintf(name, sizeof(name), "%sL", kinds[i]);
		struct binary want = make_record(name, &arena);
		char *hex = arena_alloc(&arena, 2 * want.data.n + 1);
		text_hex((const unsigned char *)want.data.p, want.data.n, hex);
		text = NULL;
		CHECK_INT(tls_tlsa_record(der.p, der.n, want.usage, want.selector, want.matching,
			      &arena, &text, &why),
		    0);
		CHECK_STR(text, arena_printf(&arena, "%d %d %d %s", want.usage, want.selector,
				    want.matching, hex));
	}
	CHECK_INT(tls_tlsa_record("x", 1, 3, 1, 1, &arena, &text, &why), -1);
	CHECK_INT(why.code, FAIL_MESSAGE);
	CHECK_INT(tls_tlsa_record(der.p, der.n - 1, 3, 1, 1, &arena, &text, &why), -1);
	CHECK_INT(tls_tlsa_record(der.p, der.n, 4, 1, 1, &arena, &text, &why), -1);
	CHECK_INT(why.code, FAIL_USAGE);
	CHECK_INT(tls_tlsa_record(der.p, der.n, 3, 2, 1, &arena, &text, &why), -1);
	CHECK_INT(tls_tlsa_record(der.p, der.n, 3, 1, 3, &arena, &text, &why), -1);
	CHECK_INT(tls_tlsa_record(der.p, der.n, 3, -1, 1, &arena, &text, &why), -1);
	arena_free(&arena);
}
