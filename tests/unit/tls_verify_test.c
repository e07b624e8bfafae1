#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "test.h"
#include "test_certs.h"
#include "tls/trust.h"
#include "tls/verify.h"

#define DAY 86400

/* --- names ------------------------------------------------------------------------------------ */

TEST(names_match_by_rfc_6125)
{
	static const struct {
		const char *title;
		struct test_cert_spec spec;
		const char *host;
		const char *matched; /* NULL: no match */
	} rows[] = {
		{ "exact", { .dns = { DNS_NAME("mx.example.com") } }, "mx.example.com",
		    "mx.example.com" },
		{ "any case", { .dns = { DNS_NAME("MX.Example.COM") } }, "mx.eXample.com",
		    "MX.Example.COM" },
		{ "second name", { .dns = { DNS_NAME("a.example"), DNS_NAME("b.example") } },
		    "b.example", "b.example" },
		{ "another host", { .dns = { DNS_NAME("mx.example.com") } }, "mx2.example.com",
		    NULL },
		{ "a parent", { .dns = { DNS_NAME("example.com") } }, "mx.example.com", NULL },
		{ "a child", { .dns = { DNS_NAME("mx.example.com") } }, "example.com", NULL },
		{ "trailing dot in the question", { .dns = { DNS_NAME("mx.example.com") } },
		    "mx.example.com.", "mx.example.com" },
		{ "two trailing dots", { .dns = { DNS_NAME("mx.example.com") } },
		    "mx.example.com..", NULL },
		{ "trailing dot in the certificate", { .dns = { DNS_NAME("mx.example.com.") } },
		    "mx.example.com", NULL },
		{ "leading dot in the question", { .dns = { DNS_NAME("mx.example.com") } },
		    ".example.com", NULL },
		{ "leading dot in the certificate", { .dns = { DNS_NAME(".example.com") } },
		    "mx.example.com", NULL },
		{ "the empty name", { .dns = { DNS_NAME("") } }, "", NULL },
		{ "the root", { .dns = { DNS_NAME(".") } }, ".", NULL },
		{ "wildcard, one label (s6.4.3)", { .dns = { DNS_NAME("*.example.com") } },
		    "mx.example.com", "*.example.com" },
		{ "wildcard, two labels", { .dns = { DNS_NAME("*.example.com") } },
		    "a.mx.example.com", NULL },
		{ "wildcard, no label", { .dns = { DNS_NAME("*.example.com") } }, "example.com",
		    NULL },
		{ "wildcard inside", { .dns = { DNS_NAME("mx.*.example.com") } },
		    "mx.a.example.com", NULL },
		{ "partial, front", { .dns = { DNS_NAME("mx*.example.com") } }, "mx1.example.com",
		    NULL },
		{ "partial, back", { .dns = { DNS_NAME("*x.example.com") } }, "mx.example.com",
		    NULL },
		{ "partial, IDNA", { .dns = { DNS_NAME("xn--*.example.com") } },
		    "xn--a.example.com", NULL },
		{ "a wildcard of everything", { .dns = { DNS_NAME("*") } }, "example", NULL },
		{ "a wildcard of a top-level domain", { .dns = { DNS_NAME("*.com") } },
		    "example.com", NULL },
		{ "an asterisk asked for", { .dns = { DNS_NAME("mx.example.com") } },
		    "*.example.com", NULL },
		{ "common name without any other", { .cn = "mx.example.com" }, "mx.example.com",
		    "mx.example.com" },
		{ "common name beside a DNS name",
		    { .cn = "mx.example.com", .dns = { DNS_NAME("other.example") } },
		    "mx.example.com", NULL },
		{ "common name beside an e-mail address",
		    { .cn = "mx.example.com", .email = "a@example.com" }, "mx.example.com",
		    "mx.example.com" },
		{ "common name beside an unreadable extension",
		    { .cn = "mx.example.com", .broken_san = "\x30\x82" }, "mx.example.com", NULL },
		{ "no name at all", { 0 }, "mx.example.com", NULL },
		{ "NUL in a DNS name (CVE-2009-2408)",
		    { .dns = { DNS_NAME("mx.example.com\0.evil.example") } }, "mx.example.com",
		    NULL },
		{ "NUL in a DNS name, end of it",
		    { .dns = { DNS_NAME("evil.example\0mx.example.com") } }, "mx.example.com",
		    NULL },
		{ "NUL behind a wildcard", { .dns = { DNS_NAME("*.example.com\0.evil.example") } },
		    "mx.example.com", NULL },
		{ "line break in a DNS name", { .dns = { DNS_NAME("mx.example.com\n") } },
		    "mx.example.com", NULL },
		{ "IPv4", { .ip = { DNS_NAME("\xc0\x00\x02\x01") } }, "192.0.2.1", "192.0.2.1" },
		{ "IPv4 in brackets", { .ip = { DNS_NAME("\xc0\x00\x02\x01") } }, "[192.0.2.1]",
		    "192.0.2.1" },
		{ "another IPv4", { .ip = { DNS_NAME("\xc0\x00\x02\x01") } }, "192.0.2.2", NULL },
		{ "IPv6", { .ip = { DNS_NAME("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01") } },
		    "[2001:db8::1]", "2001:db8::1" },
		{ "an address as DNS name", { .dns = { DNS_NAME("192.0.2.1") } }, "192.0.2.1",
		    NULL },
		{ "an address as common name", { .cn = "192.0.2.1" }, "192.0.2.1", NULL },
		{ "a wildcard is no address", { .dns = { DNS_NAME("*.0.2.1") } }, "192.0.2.1",
		    NULL },
		{ "underscore", { .dns = { DNS_NAME("_mx.example.com") } }, "_mx.example.com",
		    "_mx.example.com" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct test_cert c = test_cert_make(&rows[i].spec, NULL);
		char *matched = NULL;
		struct arena arena;

		TEST_ROW("%s", rows[i].title);
		arena_init(&arena);
		CHECK_INT(tls_cert_names(c.cert, rows[i].host, &arena, &matched),
		    rows[i].matched != NULL);
		CHECK_STR(matched, rows[i].matched);
		arena_free(&arena);
		test_cert_free(&c);
	}
	TEST_ROW("a name of 300 bytes");
	struct test_cert c = test_cert_make(&rows[0].spec, NULL);
	char name[301];
	memset(name, 'a', 300);
	name[300] = '\0';
	CHECK(!tls_cert_names(c.cert, name, NULL, NULL));
	test_cert_free(&c);
}

/* --- chains ----------------------------------------------------------------------------------- */

/* The people of the tests: roots, intermediates and leaves. */
static struct {
	struct test_cert root, middle, strange_root, leaf, direct, old, future, wrong_use, alone,
	    strange, client_ca_leaf;
} pki;

static void
make_pki(void)
{
	static bool made;
	static const struct test_cert_spec root = {
		.cn = "Test Root", .ca = true, .from_days = -400, .to_days = 4000
	};
	static const struct test_cert_spec middle = {
		.cn = "Test Middle", .ca = true, .from_days = -400, .to_days = 4000
	};
	struct test_cert_spec mx = { .cn = "mx.example.com",
		.dns = { DNS_NAME("mx.example.com") } };

	if (made)
		return;
	made = true;
	tls_init();
	pki.root = test_cert_make(&root, NULL);
	pki.strange_root = test_cert_make(&root, NULL);
	pki.middle = test_cert_make(&middle, &pki.root);
	pki.leaf = test_cert_make(&mx, &pki.middle);
	pki.direct = test_cert_make(&mx, &pki.root);
	pki.alone = test_cert_make(&mx, NULL);
	pki.strange = test_cert_make(&mx, &pki.strange_root);
	/* a leaf that plays CA */
	pki.client_ca_leaf = test_cert_make(&mx, &pki.direct);
	mx.purpose = "clientAuth";
	pki.wrong_use = test_cert_make(&mx, &pki.root);
	mx.purpose = NULL;
	mx.from_days = -100, mx.to_days = -10;
	pki.old = test_cert_make(&mx, &pki.root);
	mx.from_days = 10, mx.to_days = 100;
	pki.future = test_cert_make(&mx, &pki.root);
	test_write_certs("root.pem", &pki.root, 1);
}

struct chain {
	const struct test_cert *leaf;
	const struct test_cert *more[3];
};

static int
peer_chain(int fd, const void *arg)
{
	const struct chain *chain = arg;
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	SSL *ssl;
	char data[10];

	SSL_CTX_set_security_level(ctx, 0);
	SSL_CTX_set_mode(ctx, SSL_MODE_NO_AUTO_CHAIN);
	if (chain->leaf != NULL)
		SSL_CTX_use_cert_and_key(ctx, chain->leaf->cert, chain->leaf->key, NULL, 1);
	for (size_t i = 0; i < 3 && chain->more[i] != NULL; i++)
		SSL_CTX_add1_chain_cert(ctx, chain->more[i]->cert);
	ssl = SSL_new(ctx);
	SSL_CTX_free(ctx);
	SSL_set_fd(ssl, fd);
	int accepted = SSL_accept(ssl);
	while (accepted == 1 && SSL_read(ssl, data, sizeof(data)) > 0)
		;
	SSL_free(ssl);
	return accepted != 1;
}

struct judged {
	struct arena arena;
	struct tls_facts facts;
	struct verify_facts verify;
	struct cert_facts *certs;
	size_t certs_n;
};

static void
judge_as(const struct chain *chain, const char *host, struct tls_trust *trust, int64_t at,
    int level, struct judged *j)
{
	struct tls_client_options options = { 0 };
	struct tls_ctx *ctx = tls_ctx_client(&options, NULL);
	struct test_peer peer = test_peer_start(peer_chain, chain);
	struct fail why = { 0 };

	memset(j, 0, sizeof(*j));
	arena_init(&j->arena);
	struct tls *tls = tls_client(ctx, peer.fd, NULL, KEY_ANY, &why);
	CHECK_INT(tls_handshake(tls, clock_deadline(10000), &why), 0);
	CHECK_STR(why.text, "");
	facts_init_tls_facts(&j->facts);
	tls_gather(tls, &j->arena, &j->facts, &j->certs, &j->certs_n);
	tls_verify(tls, trust, host, "example.com", at, level, &j->arena, &j->verify);
	tls_close_notify(tls);
	tls_free(tls);
	tls_ctx_free(ctx);
	CHECK_INT(test_peer_end(&peer), 0);
}

static void
judge(const struct chain *chain, struct tls_trust *trust, int64_t at, int level, struct judged *j)
{
	judge_as(chain, "mx.example.com", trust, at, level, j);
}

/* The codes of all errors: "0:10 0:20", sorted as found. */
static void
error_codes(const struct verify_facts *verify, char *out, size_t n)
{
	out[0] = '\0';
	for (size_t i = 0; i < verify->errors.n; i++) {
		int depth = -1, code = -1;
		size_t used = strlen(out);
		sscanf(verify->errors.v[i], "%d:%d:", &depth, &code);
		snprintf(out + used, n - used, "%s%d:%d", i > 0 ? " " : "", depth, code);
	}
}

TEST(chains_are_judged_with_every_error_listed)
{
	make_pki();
	const struct {
		const char *title;
		struct chain chain;
		int at_days;
		enum tri trusted;
		const char *errors;
		enum tri expired, self_signed, order;
	} rows[] = {
		{ "trusted, with its intermediate", { &pki.leaf, { &pki.middle } }, 0, TRI_YES, "",
		    TRI_NO, TRI_NO, TRI_YES },
		{ "trusted, the root sent too", { &pki.leaf, { &pki.middle, &pki.root } }, 0,
		    TRI_YES, "", TRI_NO, TRI_NO, TRI_YES },
		{ "trusted, sent in disorder", { &pki.leaf, { &pki.root, &pki.middle } }, 0,
		    TRI_YES, "", TRI_NO, TRI_NO, TRI_NO },
		{ "trusted, with a stranger in the chain", { &pki.direct, { &pki.strange_root } },
		    0, TRI_YES, "", TRI_NO, TRI_NO, TRI_NO },
		{ "without its intermediate", { &pki.leaf, { NULL } }, 0, TRI_NO, "0:20 0:21",
		    TRI_NO, TRI_NO, TRI_YES },
		{ "self-signed", { &pki.alone, { NULL } }, 0, TRI_NO, "0:18", TRI_NO, TRI_YES,
		    TRI_YES },
		{ "untrusted root, sent", { &pki.strange, { &pki.strange_root } }, 0, TRI_NO,
		    "1:19", TRI_NO, TRI_NO, TRI_YES },
		{ "untrusted root of the same name, not sent", { &pki.strange, { NULL } }, 0,
		    TRI_NO, "0:20 0:21", TRI_NO, TRI_NO, TRI_YES },
		{ "expired", { &pki.old, { NULL } }, 0, TRI_NO, "0:10", TRI_YES, TRI_NO, TRI_YES },
		{ "expired, at a time it was not", { &pki.old, { NULL } }, -20, TRI_YES, "", TRI_NO,
		    TRI_NO, TRI_YES },
		{ "not yet valid", { &pki.future, { NULL } }, 0, TRI_NO, "0:9", TRI_YES, TRI_NO,
		    TRI_YES },
		{ "not yet valid, at a time it is", { &pki.future, { NULL } }, 20, TRI_YES, "",
		    TRI_NO, TRI_NO, TRI_YES },
		{ "valid now, at a time it is not", { &pki.direct, { NULL } }, 91, TRI_NO, "0:10",
		    TRI_YES, TRI_NO, TRI_YES },
		{ "expired and self-signed", { &pki.alone, { NULL } }, 91, TRI_NO, "0:18 0:10",
		    TRI_YES, TRI_YES, TRI_YES },
		{ "expired and untrusted", { &pki.strange, { NULL } }, 91, TRI_NO, "0:20 0:21 0:10",
		    TRI_YES, TRI_NO, TRI_YES },
		{ "for clients, not for servers", { &pki.wrong_use, { NULL } }, 0, TRI_NO, "0:26",
		    TRI_NO, TRI_NO, TRI_YES },
		{ "issued by a leaf", { &pki.client_ca_leaf, { &pki.direct } }, 0, TRI_NO,
		    "1:79 1:26", TRI_NO, TRI_NO, TRI_YES },
	};
	struct tls_trust *trust =
	    tls_trust_new(test_write_certs("root.pem", &pki.root, 1), NULL, NULL);

	CHECK(trust != NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct judged j;
		char codes[200];

		TEST_ROW("%s", rows[i].title);
		judge(&rows[i].chain, trust, clock_wall() + (int64_t)rows[i].at_days * DAY, 0, &j);
		error_codes(&j.verify, codes, sizeof(codes));
		CHECK_INT(j.verify.trusted, rows[i].trusted);
		CHECK_STR(codes, rows[i].errors);
		CHECK_INT(j.verify.expired, rows[i].expired);
		CHECK_INT(j.verify.self_signed, rows[i].self_signed);
		CHECK_INT(j.verify.matches_mx, TRI_YES);
		CHECK_STR(j.verify.matched_name, "mx.example.com");
		CHECK_INT(j.verify.matches_domain, TRI_NO);
		CHECK_STR(j.verify.matched_domain_name, NULL);
		CHECK_INT(j.verify.missing_intermediate,
		    strstr(codes, "0:20") != NULL ? TRI_YES : TRI_NO);
		CHECK_INT(j.facts.chain_order_ok, rows[i].order);
		if (j.verify.errors.n > 0) {
			CHECK_INT(j.verify.code, atoi(strchr(j.verify.errors.v[0], ':') + 1));
			CHECK_STR(
			    j.verify.error, X509_verify_cert_error_string((long)j.verify.code));
		} else {
			CHECK_INT(j.verify.code, 0);
			CHECK_STR(j.verify.error, NULL);
		}
		arena_free(&j.arena);
	}
	tls_trust_free(trust);
}

TEST(whether_an_intermediate_is_missing_below_an_untrusted_root_is_unknown)
{
	struct judged j;

	make_pki();
	struct tls_trust *trust =
	    tls_trust_new(test_write_certs("strange.pem", &pki.strange_root, 1), NULL, NULL);
	judge(&(struct chain){ &pki.leaf, { &pki.middle } }, trust, clock_wall(), 0, &j);
	CHECK_INT(j.verify.trusted, TRI_NO);
	CHECK_INT(j.verify.missing_intermediate, TRI_UNKNOWN);
	arena_free(&j.arena);
	tls_trust_free(trust);
}

TEST(the_name_that_matched_the_mail_domain_is_told)
{
	static const struct test_cert_spec spec = { .dns = { DNS_NAME("mx.example.com"),
							DNS_NAME("*.com") } };
	struct test_cert c = test_cert_make(&spec, NULL);
	struct judged j;

	make_pki();
	struct tls_trust *trust =
	    tls_trust_new(test_write_certs("root.pem", &pki.root, 1), NULL, NULL);
	judge(&(struct chain){ &c, { NULL } }, trust, clock_wall(), 0, &j);
	CHECK_STR(j.verify.matched_name, "mx.example.com");
	CHECK_INT(j.verify.matches_domain, TRI_NO);
	test_cert_free(&c);
	arena_free(&j.arena);
	static const struct test_cert_spec domain = { .dns = { DNS_NAME("EXAMPLE.com") } };
	c = test_cert_make(&domain, NULL);
	judge(&(struct chain){ &c, { NULL } }, trust, clock_wall(), 0, &j);
	CHECK_INT(j.verify.matches_mx, TRI_NO);
	CHECK_INT(j.verify.matches_domain, TRI_YES);
	CHECK_STR(j.verify.matched_domain_name, "EXAMPLE.com");
	test_cert_free(&c);
	arena_free(&j.arena);
	tls_trust_free(trust);
}

TEST(a_self_signed_leaf_in_the_ca_file_is_trusted)
{
	struct judged j;

	make_pki();
	struct tls_trust *trust =
	    tls_trust_new(test_write_certs("own.pem", &pki.alone, 1), NULL, NULL);
	judge(&(struct chain){ &pki.alone, { NULL } }, trust, clock_wall(), 0, &j);
	CHECK_INT(j.verify.trusted, TRI_YES);
	CHECK_INT(j.verify.self_signed, TRI_YES);
	arena_free(&j.arena);
	tls_trust_free(trust);
}

TEST(an_rsa_key_of_768_bits_is_too_weak_for_level_1_only)
{
	static const struct test_cert_spec weak = { .cn = "mx.example.com",
		.key = KEY_RSA,
		.rsa_bits = 768,
		.dns = { DNS_NAME("mx.example.com") } };
	struct judged j;
	char codes[100];

	make_pki();
	struct test_cert c = test_cert_make(&weak, &pki.root);
	struct tls_trust *trust =
	    tls_trust_new(test_write_certs("root.pem", &pki.root, 1), NULL, NULL);
	for (int level = 0; level <= 1; level++) {
		TEST_ROW("level %d", level);
		judge(&(struct chain){ &c, { NULL } }, trust, clock_wall(), level, &j);
		error_codes(&j.verify, codes, sizeof(codes));
		CHECK_STR(codes, level == 0 ? "" : "0:66");
		CHECK_INT(j.verify.trusted, level == 0 ? TRI_YES : TRI_NO);
		arena_free(&j.arena);
	}
	tls_trust_free(trust);
	test_cert_free(&c);
}

TEST(a_chain_deeper_than_the_limit_is_refused)
{
	struct test_cert_spec ca = { .cn = "Deep", .ca = true };
	struct test_cert_spec mx = { .cn = "mx.example.com" };
	struct test_cert chain[LIMIT_CHAIN_DEPTH + 2];
	char name[32];

	make_pki();
	for (int i = 0; i < LIMIT_CHAIN_DEPTH + 1; i++) {
		snprintf(name, sizeof(name), "Deep %d", i);
		ca.cn = name;
		chain[i] = test_cert_make(&ca, i == 0 ? &pki.root : &chain[i - 1]);
	}
	chain[LIMIT_CHAIN_DEPTH + 1] = test_cert_make(&mx, &chain[LIMIT_CHAIN_DEPTH]);
	/* through our own server: more certificates than struct chain has room for */
	struct test_cert order[LIMIT_CHAIN_DEPTH + 2];
	for (int i = 0; i < LIMIT_CHAIN_DEPTH + 2; i++)
		order[i] = chain[LIMIT_CHAIN_DEPTH + 1 - i];
	const char *cert = test_write_certs("deep.pem", order, LIMIT_CHAIN_DEPTH + 2);
	const char *key = test_write_key("deep.key", &order[0], NULL);
	struct tls_server_options options = { .cert_files = &cert, .key_files = &key, .n = 1 };
	struct tls_ctx *server = tls_ctx_server(&options, NULL);
	struct tls_ctx *client = tls_ctx_client(&(struct tls_client_options){ 0 }, NULL);
	struct tls_trust *trust =
	    tls_trust_new(test_write_certs("root.pem", &pki.root, 1), NULL, NULL);
	struct verify_facts verify;
	struct arena arena;
	int fds[2];

	CHECK(server != NULL && client != NULL && trust != NULL);
	arena_init(&arena);
	CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	struct tls *s = tls_server(server, fds[0], NULL);
	struct tls *c = tls_client(client, fds[1], NULL, KEY_ANY, NULL);
	/* step by step in one process: neither may wait, so OpenSSL is called directly */
	for (int i = 0; i < 10; i++) {
		s->budget_bytes = c->budget_bytes = LIMIT_TLS_TURN_BYTES;
		SSL_do_handshake(c->ssl);
		SSL_do_handshake(s->ssl);
	}
	CHECK_INT(tls_handshake(c, clock_deadline(1000), NULL), 0);
	tls_verify(c, trust, NULL, NULL, clock_wall(), 0, &arena, &verify);
	CHECK_INT(verify.trusted, TRI_NO);
	CHECK_INT(verify.matches_mx, TRI_UNKNOWN);
	CHECK_INT(verify.matches_domain, TRI_UNKNOWN);
	CHECK_INT(verify.code, X509_V_ERR_CERT_CHAIN_TOO_LONG);
	tls_free(s);
	tls_free(c);
	close(fds[0]);
	close(fds[1]);
	tls_ctx_free(server);
	tls_ctx_free(client);
	tls_trust_free(trust);
	arena_free(&arena);
	for (int i = 0; i < LIMIT_CHAIN_DEPTH + 2; i++)
		test_cert_free(&chain[i]);
}

/* --- chains that were judged before -------------------------------------------------------------- */

TEST(a_chain_that_comes_again_is_judged_as_before)
{
	make_pki();
	const struct {
		const char *title;
		struct chain chain;
		const char *host;
		int64_t at_s; /* from now */
		int level;
		size_t hits; /* so far */
		enum tri trusted, matches;
		const char *errors;
	} rows[] = {
		{ "new", { &pki.leaf, { &pki.middle } }, "mx.example.com", 0, 0, 0, TRI_YES,
		    TRI_YES, "" },
		{ "again", { &pki.leaf, { &pki.middle } }, "mx.example.com", 1, 0, 1, TRI_YES,
		    TRI_YES, "" },
		{ "another name is another question", { &pki.leaf, { &pki.middle } },
		    "mx.example.net", 1, 0, 2, TRI_YES, TRI_NO, "" },
		{ "another level", { &pki.leaf, { &pki.middle } }, "mx.example.com", 1, 1, 2,
		    TRI_YES, TRI_YES, "" },
		{ "the leaf alone", { &pki.leaf, { NULL } }, "mx.example.com", 1, 0, 2, TRI_NO,
		    TRI_YES, "0:20 0:21" },
		{ "the leaf alone, again", { &pki.leaf, { NULL } }, "mx.example.net", 1, 0, 3,
		    TRI_NO, TRI_NO, "0:20 0:21" },
		{ "the first one has not changed", { &pki.leaf, { &pki.middle } }, "mx.example.com",
		    1, 0, 4, TRI_YES, TRI_YES, "" },
		{ "one more certificate", { &pki.leaf, { &pki.middle, &pki.root } },
		    "mx.example.com", 1, 0, 4, TRI_YES, TRI_YES, "" },
		{ "another order", { &pki.leaf, { &pki.root, &pki.middle } }, "mx.example.com", 1,
		    0, 4, TRI_YES, TRI_YES, "" },
		{ "the same names, another issuer", { &pki.strange, { NULL } }, "mx.example.com", 1,
		    0, 4, TRI_NO, TRI_YES, "0:20 0:21" },
		{ "when it has ended", { &pki.leaf, { &pki.middle } }, "mx.example.com",
		    (int64_t)91 * DAY, 0, 4, TRI_NO, TRI_YES, "0:10" },
		{ "when it had not begun", { &pki.leaf, { &pki.middle } }, "mx.example.com",
		    (int64_t)-2 * DAY, 0, 4, TRI_NO, TRI_YES, "0:9" },
		{ "when it had not begun, again", { &pki.leaf, { &pki.middle } }, "mx.example.com",
		    (int64_t)-2 * DAY, 0, 5, TRI_NO, TRI_YES, "0:9" },
		{ "long after", { &pki.leaf, { &pki.middle } }, "mx.example.com",
		    2 * LIMIT_CHAIN_JUDGED_S, 0, 5, TRI_YES, TRI_YES, "" },
	};
	struct tls_trust *trust =
	    tls_trust_new(test_write_certs("root.pem", &pki.root, 1), NULL, NULL);
	int64_t now = clock_wall();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct judged j;
		char codes[200];

		TEST_ROW("%s", rows[i].title);
		judge_as(
		    &rows[i].chain, rows[i].host, trust, now + rows[i].at_s, rows[i].level, &j);
		error_codes(&j.verify, codes, sizeof(codes));
		CHECK_INT((long)trust->judged.hits, (long)rows[i].hits);
		CHECK_INT(j.verify.trusted, rows[i].trusted);
		CHECK_INT(j.verify.matches_mx, rows[i].matches);
		CHECK_STR(codes, rows[i].errors);
		if (j.verify.errors.n > 0) {
			CHECK_INT(j.verify.code, atoi(strchr(j.verify.errors.v[0], ':') + 1));
			CHECK_STR(
			    j.verify.error, X509_verify_cert_error_string((long)j.verify.code));
		} else {
			CHECK_INT(j.verify.code, 0);
			CHECK_STR(j.verify.error, NULL);
		}
		CHECK_INT(j.verify.missing_intermediate,
		    strstr(codes, "0:20") != NULL ? TRI_YES : TRI_NO);
		arena_free(&j.arena);
	}
	tls_trust_free(trust);
}

/* Forwards and backwards around a second; a store that has seen nothing is the witness. */
static void
walk(const struct chain *chain, struct tls_trust *kept, int64_t edge)
{
	for (int step = 0; step < 14; step++) {
		int64_t at = edge + (step < 7 ? step - 3 : 10 - step);
		struct tls_trust *fresh =
		    tls_trust_new(test_write_certs("root.pem", &pki.root, 1), NULL, NULL);
		struct judged a, b;

		TEST_ROW("%ld s away", (long)(at - edge));
		judge(chain, kept, at, 0, &a);
		judge(chain, fresh, at, 0, &b);
		CHECK_INT((long)fresh->judged.hits, 0);
		CHECK_INT(a.verify.trusted, b.verify.trusted);
		CHECK_INT(a.verify.code, b.verify.code);
		CHECK_INT((long)a.verify.errors.n, (long)b.verify.errors.n);
		CHECK_INT(a.verify.expired, b.verify.expired);
		arena_free(&a.arena);
		arena_free(&b.arena);
		tls_trust_free(fresh);
	}
}

TEST(what_was_judged_before_a_certificate_begins_or_ends_does_not_hold_after_it)
{
	make_pki();
	const struct chain chain = { &pki.leaf, { &pki.middle } };
	/* the leaf's dates, and those of an issuer that is sent, and of one that is not */
	const ASN1_TIME *edges[] = { X509_get0_notBefore(pki.leaf.cert),
		X509_get0_notAfter(pki.leaf.cert), X509_get0_notAfter(pki.middle.cert),
		X509_get0_notAfter(pki.root.cert) };
	struct tls_trust *kept =
	    tls_trust_new(test_write_certs("root.pem", &pki.root, 1), NULL, NULL);
	int64_t edge;

	for (size_t i = 0; i < sizeof(edges) / sizeof(edges[0]); i++) {
		size_t before = kept->judged.hits;
		CHECK(tls_time(edges[i], &edge));
		walk(&chain, kept, edge);
		CHECK(kept->judged.hits > before);
	}
	tls_trust_free(kept);
}

TEST(judgements_are_bounded_and_the_least_recently_used_goes_first)
{
	struct verify_facts facts, got;
	struct tls_judged judged;
	struct arena arena;

	arena_init(&arena);
	facts_init_verify_facts(&facts);
	facts.trusted = TRI_NO;
	facts.code = 10;
	facts.error = arena_strdup(&arena, "bad");
	strs_add(&facts.errors, &arena, "0:10:bad");
	tls_judged_init(&judged);
	judged.max = 2;
	tls_judged_put(&judged, slice_str("a"), 100, 200, &facts);
	tls_judged_put(&judged, slice_str("b"), 100, 200, &facts);
	facts_init_verify_facts(&got);
	CHECK(tls_judged_get(&judged, slice_str("a"), 100, &arena, &got));
	CHECK_INT(got.trusted, TRI_NO);
	CHECK_INT(got.code, 10);
	CHECK_STR(got.error, "bad");
	CHECK_INT((long)got.errors.n, 1);
	CHECK_STR(got.errors.v[0], "0:10:bad");
	tls_judged_put(&judged, slice_str("c"), 100, 200, &facts);
	CHECK_INT((long)judged.n, 2);
	CHECK(!tls_judged_get(&judged, slice_str("b"), 150, &arena, &got));
	CHECK(tls_judged_get(&judged, slice_str("a"), 199, &arena, &got));
	CHECK(tls_judged_get(&judged, slice_str("c"), 150, &arena, &got));
	CHECK(!tls_judged_get(&judged, slice_str("c"), 99, &arena, &got));
	CHECK(!tls_judged_get(&judged, slice_str("c"), 200, &arena, &got));
	/* the same question, another answer */
	facts.trusted = TRI_YES;
	facts.errors.n = 0;
	tls_judged_put(&judged, slice_str("c"), 200, 300, &facts);
	CHECK_INT((long)judged.n, 2);
	CHECK(tls_judged_get(&judged, slice_str("c"), 200, &arena, &got));
	CHECK_INT(got.trusted, TRI_YES);
	CHECK_INT((long)got.errors.n, 0);
	tls_judged_free(&judged);
	arena_free(&arena);
}

TEST(a_session_without_handshake_is_not_judged)
{
	struct tls_ctx *ctx;
	struct verify_facts verify;
	struct arena arena;

	make_pki();
	ctx = tls_ctx_client(&(struct tls_client_options){ 0 }, NULL);
	arena_init(&arena);
	struct tls *tls = tls_client(ctx, 0, NULL, KEY_ANY, NULL);
	struct tls_trust *trust = tls_trust_new(NULL, NULL, NULL);
	tls_verify(tls, trust, "a", "b", clock_wall(), 0, &arena, &verify);
	CHECK_INT(verify.trusted, TRI_UNKNOWN);
	CHECK_INT(verify.matches_mx, TRI_UNKNOWN);
	CHECK_STR(verify.error, "the handshake is not complete");
	tls_trust_free(trust);
	tls_free(tls);
	tls_ctx_free(ctx);
	arena_free(&arena);
}

/* --- trust stores ----------------------------------------------------------------------------- */

TEST(a_hashed_directory_is_enough)
{
	char link_path[256];
	struct judged j;

	make_pki();
	const char *dir = test_path("hashed");
	CHECK_INT(mkdir(dir, 0700), 0);
	snprintf(
	    link_path, sizeof(link_path), "%s/%08lx.0", dir, X509_subject_name_hash(pki.root.cert));
	CHECK_INT(symlink(test_write_certs("root.pem", &pki.root, 1), link_path), 0);
	struct tls_trust *trust = tls_trust_new(NULL, dir, NULL);
	CHECK(trust != NULL);
	if (trust == NULL)
		return;
	judge(&(struct chain){ &pki.leaf, { &pki.middle } }, trust, clock_wall(), 1, &j);
	CHECK_INT(j.verify.trusted, TRI_YES);
	arena_free(&j.arena);
	judge(&(struct chain){ &pki.strange, { NULL } }, trust, clock_wall(), 1, &j);
	CHECK_INT(j.verify.trusted, TRI_NO);
	arena_free(&j.arena);
	tls_trust_free(trust);
}

TEST(a_ca_file_that_cannot_serve_is_refused_at_the_start)
{
	struct fail why;

	make_pki();
	const char *missing = test_path("missing.pem"),
		   *junk = test_write_file("junk.pem", "junk\n");
	const char *unhashed = test_path("unhashed"), *nowhere = test_path("nowhere");
	CHECK_INT(mkdir(unhashed, 0700), 0);
	const struct {
		const char *file, *dir, *names, *says;
	} rows[] = { { missing, NULL, missing, "No such file" },
		{ junk, NULL, junk, "no PEM certificate" }, { unhashed, NULL, unhashed, "" },
		{ NULL, nowhere, nowhere, "No such file" },
		{ NULL, unhashed, unhashed, "no hashed certificates" } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		fail_clear(&why);
		TEST_ROW("row %zu", i);
		CHECK(tls_trust_new(rows[i].file, rows[i].dir, &why) == NULL);
		CHECK_INT(why.code, FAIL_TLS_CONFIG);
		CHECK(strstr(why.text, rows[i].names) != NULL);
		CHECK(strstr(why.text, rows[i].says) != NULL);
	}
}

TEST(the_trust_store_is_loaded_by_the_first_chain_and_fails_closed)
{
	struct judged j;

	make_pki();
	const char *file = test_write_certs("gone.pem", &pki.root, 1);
	struct tls_trust *trust = tls_trust_new(file, NULL, NULL);
	CHECK(trust->store == NULL);
	CHECK_INT(unlink(file), 0);
	judge(&(struct chain){ &pki.direct, { NULL } }, trust, clock_wall(), 0, &j);
	CHECK_INT(j.verify.trusted, TRI_UNKNOWN);
	CHECK_INT(j.verify.matches_mx, TRI_YES);
	CHECK(strstr(j.verify.error, "cannot load the CA certificates") != NULL);
	CHECK(trust->store == NULL);
	arena_free(&j.arena);
	test_write_certs("gone.pem", &pki.root, 1);
	judge(&(struct chain){ &pki.direct, { NULL } }, trust, clock_wall(), 0, &j);
	CHECK_INT(j.verify.trusted, TRI_YES);
	CHECK(trust->store != NULL);
	arena_free(&j.arena);
	tls_trust_free(trust);
}

TEST(the_system_store_does_not_trust_the_test_root)
{
	struct judged j;

	make_pki();
	struct tls_trust *trust = tls_trust_new(NULL, NULL, NULL);
	CHECK(trust != NULL);
	judge(&(struct chain){ &pki.direct, { NULL } }, trust, clock_wall(), 0, &j);
	CHECK(j.verify.trusted != TRI_YES);
	arena_free(&j.arena);
	tls_trust_free(trust);
}
