#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/ocsp.h>

#include "base/clock.h"
#include "test.h"
#include "test_certs.h"
#include "tls/internal.h"

#define WAIT_MS 10000

/* The group that client and server choose when nobody restricts them. */
#if OPENSSL_VERSION_NUMBER >= 0x30500000L
#define GROUP_1_3 "X25519MLKEM768"
#else
#define GROUP_1_3 "x25519"
#endif

static const struct test_cert_spec mx = { .cn = "mx.example.com",
	.dns = { DNS_NAME("mx.example.com") } };
static const struct test_cert_spec mx_rsa = {
	.cn = "mx.example.com", .key = KEY_RSA, .dns = { DNS_NAME("mx.example.com") }
};

/* Contexts are made once: a server with both kinds of keys, and a client that takes anything. */
static struct test_cert ecdsa, rsa;

static struct tls_ctx *
server_ctx(void)
{
	static struct tls_ctx *ctx;
	const char *certs[2], *keys[2];
	struct tls_server_options options = { .cert_files = certs, .key_files = keys, .n = 2 };

	if (ctx != NULL)
		return ctx;
	ecdsa = test_cert_make(&mx, NULL);
	rsa = test_cert_make(&mx_rsa, NULL);
	certs[0] = test_write_certs("e.pem", &ecdsa, 1);
	certs[1] = test_write_certs("r.pem", &rsa, 1);
	keys[0] = test_write_key("e.key", &ecdsa, NULL);
	keys[1] = test_write_key("r.key", &rsa, NULL);
	ctx = tls_ctx_server(&options, NULL);
	return ctx;
}

static struct tls_ctx *
client_ctx(enum tls_version min, enum tls_version max, int level)
{
	struct tls_client_options options = { .min = min, .max = max, .security_level = level };

	tls_init();
	return tls_ctx_client(&options, NULL);
}

/* --- peers ------------------------------------------------------------------------------------ */

/*
 * Our own server: echoes until the client closes. Exit status: 0, 1 = handshake failed, 2 = echo
 * did.
 */
static int
peer_echo(int fd, const void *arg)
{
	struct fail why;
	struct tls *tls = tls_server(server_ctx(), fd, &why);
	char data[4096];
	ssize_t n = 1;
	int status = 0;

	(void)arg;
	if (tls_handshake(tls, clock_deadline(WAIT_MS), &why) != 0)
		status = 1;
	while (status == 0 && n > 0) {
		n = tls_read(tls, data, sizeof(data), clock_deadline(WAIT_MS), &why);
		if (n < 0)
			status = 3;
		else if (tls_write(tls, data, (size_t)n, clock_deadline(WAIT_MS), &why) != 0)
			status = n == 0 ? 0 : 2;
	}
	tls_close_notify(tls);
	tls_free(tls);
	return status;
}

/* A server that knows nothing of lib/tls, with settings a test may want. */
enum raw_end { END_NOTIFY, END_CUT, END_FLOOD_UPDATES, END_ALERT, END_STOP_READING };

struct raw {
	const struct test_cert *cert;
	int min, max;
	const char *ciphers;
	const char *groups;
	const char *field; /* named group of RFC 7919 for DHE up to TLS 1.2 */
	bool ask_client_cert, tickets;
	const struct test_cert *issuer; /* staple a response by this one */
	enum raw_end end;
};

/* An OCSP response "good"; OpenSSL 3.6 staples none that is not about the certificate. */
static int
raw_staple(SSL *ssl, void *arg)
{
	const struct raw *raw = arg;
	OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
	OCSP_CERTID *id = OCSP_cert_to_id(NULL, raw->cert->cert, raw->issuer->cert);
	ASN1_TIME *now = X509_gmtime_adj(NULL, 0);
	unsigned char *der = NULL;

	OCSP_basic_add1_status(basic, id, V_OCSP_CERTSTATUS_GOOD, 0, NULL, now, NULL);
	OCSP_basic_sign(basic, raw->issuer->cert, raw->issuer->key, EVP_sha256(), NULL, 0);
	OCSP_RESPONSE *response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
	int n = i2d_OCSP_RESPONSE(response, &der);
	SSL_set_tlsext_status_ocsp_resp(ssl, der, n);
	OCSP_RESPONSE_free(response);
	OCSP_BASICRESP_free(basic);
	OCSP_CERTID_free(id);
	ASN1_TIME_free(now);
	return SSL_TLSEXT_ERR_OK;
}

static SSL *
raw_accept(int fd, const struct raw *raw)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	SSL *ssl;

	SSL_CTX_set_security_level(ctx, 0);
	SSL_CTX_set_min_proto_version(ctx, raw->min);
	SSL_CTX_set_max_proto_version(ctx, raw->max);
	SSL_CTX_use_cert_and_key(ctx, raw->cert->cert, raw->cert->key, NULL, 1);
	if (raw->ciphers != NULL)
		SSL_CTX_set_cipher_list(ctx, raw->ciphers);
	if (raw->groups != NULL) { /* copied: OpenSSL's macro casts const away */
		char *groups = OPENSSL_strdup(raw->groups);
		SSL_CTX_set1_groups_list(ctx, groups);
		OPENSSL_free(groups);
	}
	if (raw->ask_client_cert)
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	if (raw->issuer != NULL) {
		SSL_CTX_set_tlsext_status_cb(ctx, raw_staple);
		SSL_CTX_set_tlsext_status_arg(ctx, (void *)(uintptr_t)raw);
	}
	if (!raw->tickets) {
		SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
		SSL_CTX_set_num_tickets(ctx, 0);
	}
	SSL_CTX_set_dh_auto(ctx, raw->field == NULL);
	if (raw->field != NULL)
		SSL_CTX_set0_tmp_dh_pkey(ctx, test_dh_params(raw->field));
	ssl = SSL_new(ctx);
	SSL_CTX_free(ctx);
	SSL_set_fd(ssl, fd);
	if (SSL_accept(ssl) == 1)
		return ssl;
	SSL_free(ssl);
	return NULL;
}

static void
raw_end(SSL *ssl, int fd, const struct raw *raw)
{
	char data[1000];

	switch (raw->end) {
	case END_NOTIFY:
		SSL_shutdown(ssl);
		break;
	case END_FLOOD_UPDATES:
		for (int i = 0; i < 1000; i++)
			if (SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED) != 1 ||
			    SSL_do_handshake(ssl) != 1)
				break;
		break;
	case END_ALERT: /* a record of nobody's: the client answers by alert */
		if (write(fd, "\x17\x03\x03\x00\x20xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 37) == 37)
			SSL_read(ssl, data, sizeof(data));
		break;
	case END_STOP_READING:
		usleep(1000 * 1000);
		break;
	case END_CUT:
		break;
	}
}

/* Says "hello", then ends in the way the test asks for. */
static int
peer_raw(int fd, const void *arg)
{
	const struct raw *raw = arg;
	SSL *ssl;

	ssl = raw_accept(fd, raw);
	if (ssl == NULL)
		return 1;
	SSL_write(ssl, "hello", 5);
	raw_end(ssl, fd, raw);
	SSL_free(ssl);
	return 0;
}

/* Plain bytes instead of TLS, after the ClientHello. */
static int
peer_bytes(int fd, const void *arg)
{
	char data[4096];
	const char *text = arg;

	if (read(fd, data, sizeof(data)) <= 0)
		return 1;
	if (write(fd, text, strlen(text)) < 0)
		return 1;
	/* until the client gives up, so that it is its own judgement */
	while (read(fd, data, sizeof(data)) > 0)
		;
	return 0;
}

static int
peer_closes(int fd, const void *arg)
{
	char data[4096];

	(void)arg;
	return read(fd, data, sizeof(data)) <= 0;
}

static int
peer_silent(int fd, const void *arg)
{
	char data[4096];

	(void)arg;
	while (read(fd, data, sizeof(data)) > 0)
		;
	return 0;
}

/* One byte of an endless record at a time: always some progress. */
static int
peer_trickles(int fd, const void *arg)
{
	static const char start[] = "\x16\x03\x03\x40\x00\x02\x00\x3f\xfc";

	(void)arg;
	if (write(fd, start, sizeof(start) - 1) < 0)
		return 0;
	while (write(fd, "x", 1) == 1)
		usleep(2000);
	return 0;
}

/*
 * A client with an ALPN list. Exit status: 0 = handshake done, else the alert that came, 1 = else.
 */
static int alert_seen;

static void
raw_info(const SSL *ssl, int where, int value)
{
	(void)ssl;
	if (where & SSL_CB_READ && where & SSL_CB_ALERT && alert_seen == 0)
		alert_seen = value & 0xff;
}

struct raw_client {
	const char *alpn; /* with its length byte */
	int min, max;
	bool renegotiate, expect_ticket, garbage;
	const char *sni;
};

static int
client_dialogue(SSL *ssl, const struct raw_client *raw)
{
	const unsigned char *alpn;
	unsigned int alpn_n;
	char data[100];

	if (SSL_connect(ssl) != 1)
		return alert_seen != 0 ? alert_seen : 1;
	if (raw->renegotiate) {
		SSL_renegotiate(ssl);
		if (SSL_do_handshake(ssl) == 1 && SSL_write(ssl, "x", 1) == 1)
			SSL_read(ssl, data, sizeof(data));
		return alert_seen != 0 ? alert_seen : 1;
	}
	SSL_get0_alpn_selected(ssl, &alpn, &alpn_n);
	if (raw->alpn != NULL && (alpn_n != 4 || memcmp(alpn, "smtp", 4) != 0))
		return 2;
	/* something of the server's, behind which tickets would have come */
	if (SSL_write(ssl, "ping", 4) != 4 || SSL_read(ssl, data, sizeof(data)) != 4)
		return 3;
	if (SSL_SESSION_has_ticket(SSL_get_session(ssl)))
		return 4;
	/* TLS 1.2: a session id would be an offer to resume from a cache */
	unsigned int id_n = 0;
	SSL_SESSION_get_id(SSL_get_session(ssl), &id_n);
	if (SSL_version(ssl) == TLS1_2_VERSION && id_n > 0)
		return 5;
	SSL_shutdown(ssl);
	return 0;
}

static int
peer_client(int fd, const void *arg)
{
	const struct raw_client *raw = arg;
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(ctx);
	int status;

	SSL_set_security_level(ssl, 0);
	SSL_set_fd(ssl, fd);
	SSL_set_info_callback(ssl, raw_info);
	SSL_set_min_proto_version(ssl, raw->min);
	SSL_set_max_proto_version(ssl, raw->max);
	if (raw->sni != NULL) {
		char *sni = OPENSSL_strdup(raw->sni);
		SSL_set_tlsext_host_name(ssl, sni);
		OPENSSL_free(sni);
	}
	if (raw->alpn != NULL)
		SSL_set_alpn_protos(
		    ssl, (const unsigned char *)raw->alpn, (unsigned)strlen(raw->alpn));
	status = client_dialogue(ssl, raw);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	return status;
}

/* --- a client session for tests --------------------------------------------------------------- */

struct session {
	struct tls_ctx *ctx;
	struct test_peer peer;
	struct tls *tls;
	struct fail why;
	struct arena arena;
	struct tls_facts facts;
	struct cert_facts *certs;
	size_t certs_n;
};

static void
session_start(struct session *s, int (*peer)(int, const void *), const void *arg,
    struct tls_client_options options, enum key_type keys)
{
	memset(s, 0, sizeof(*s));
	server_ctx();
	tls_init();
	arena_init(&s->arena);
	s->ctx = tls_ctx_client(&options, &s->why);
	s->peer = test_peer_start(peer, arg);
	s->tls = tls_client(s->ctx, s->peer.fd, "mx.example.com.", keys, &s->why);
	CHECK(s->tls != NULL);
}

static int
session_handshake(struct session *s)
{
	return tls_handshake(s->tls, clock_deadline(WAIT_MS), &s->why);
}

static void
session_gather(struct session *s)
{
	facts_init_tls_facts(&s->facts);
	tls_gather(s->tls, &s->arena, &s->facts, &s->certs, &s->certs_n);
}

static int
session_end(struct session *s)
{
	tls_free(s->tls);
	tls_ctx_free(s->ctx);
	arena_free(&s->arena);
	return test_peer_end(&s->peer);
}

static int64_t
soon(void)
{
	return clock_deadline(WAIT_MS);
}

/* --- handshakes and what they show ------------------------------------------------------------ */

TEST(handshakes_of_every_version_and_key_type_show_the_right_facts)
{
	static const struct {
		const char *name;
		enum tls_version version;
		enum key_type offer, got;
		const char *cipher, *hex, *group, *scheme;
		int bits;
	} rows[] = {
		{ "1.3 any: the server prefers ECDSA", TLS_VERSION_1_3, KEY_ANY, KEY_ECDSA,
		    "TLS_AES_256_GCM_SHA384", "0x1302", GROUP_1_3, "ecdsa_secp256r1_sha256", 256 },
		{ "1.3 ecdsa", TLS_VERSION_1_3, KEY_ECDSA, KEY_ECDSA, "TLS_AES_256_GCM_SHA384",
		    "0x1302", GROUP_1_3, "ecdsa_secp256r1_sha256", 256 },
		{ "1.3 rsa", TLS_VERSION_1_3, KEY_RSA, KEY_RSA, "TLS_AES_256_GCM_SHA384", "0x1302",
		    GROUP_1_3, "rsa_pss_rsae_sha256", 256 },
		{ "1.2 any", TLS_VERSION_1_2, KEY_ANY, KEY_ECDSA,
		    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "0xc02c", "x25519",
		    "ecdsa_secp256r1_sha256", 256 },
		{ "1.2 ecdsa", TLS_VERSION_1_2, KEY_ECDSA, KEY_ECDSA,
		    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "0xc02c", "x25519",
		    "ecdsa_secp256r1_sha256", 256 },
		{ "1.2 rsa", TLS_VERSION_1_2, KEY_RSA, KEY_RSA,
		    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "0xc030", "x25519",
		    "rsa_pss_rsae_sha256", 256 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct session s;
		char want[65], reply[10];

		TEST_ROW("%s", rows[i].name);
		session_start(&s, peer_echo, NULL,
		    (struct tls_client_options){ .min = rows[i].version, .max = rows[i].version },
		    rows[i].offer);
		CHECK_INT(session_handshake(&s), 0);
		CHECK_STR(s.why.text, "");
		CHECK_INT(tls_write(s.tls, "ping", 4, soon(), &s.why), 0);
		CHECK_INT(tls_read(s.tls, reply, sizeof(reply), soon(), &s.why), 4);
		session_gather(&s);
		CHECK_INT(s.facts.complete, TRI_YES);
		CHECK_INT(s.facts.offer, rows[i].offer);
		CHECK_STR(s.facts.version_name, tls_version_str(rows[i].version));
		CHECK_INT(s.facts.version_value, rows[i].version);
		CHECK_STR(s.facts.cipher_name, rows[i].cipher);
		CHECK_STR(s.facts.cipher_hex, rows[i].hex);
		CHECK_INT(s.facts.cipher_bits, rows[i].bits);
		CHECK_STR(s.facts.group, rows[i].group);
		CHECK_STR(s.facts.signature_scheme, rows[i].scheme);
		CHECK_STR(s.facts.alpn, NULL);
		CHECK_INT(s.facts.session_ticket, TRI_NO);
		CHECK_INT(s.facts.ocsp_staple, TRI_NO);
		CHECK_INT(s.facts.client_cert_requested, TRI_NO);
		CHECK_STR(s.facts.alert, NULL);
		CHECK_STR(s.facts.error, NULL);
		CHECK_INT(s.facts.chain_order_ok, TRI_YES);
		CHECK_INT(s.facts.verify.trusted, TRI_UNKNOWN);
		CHECK_INT(s.facts.chain.n, 1);
		CHECK_INT(s.certs_n, 1);
		if (s.certs_n == 1) {
			tls_cert_fingerprint(rows[i].got == KEY_RSA ? rsa.cert : ecdsa.cert, want);
			CHECK_STR(s.facts.chain.v[0], want);
			CHECK_STR(s.certs[0].fingerprint, want);
			CHECK_INT(s.certs[0].key_type, rows[i].got);
		}
		CHECK_STR(tls_session_version(s.tls), tls_version_str(rows[i].version));
		CHECK_STR(tls_session_cipher(s.tls), rows[i].cipher);
		CHECK_STR(tls_session_group(s.tls), rows[i].group);
		/* the same certificate is listed once */
		session_gather(&s);
		CHECK_INT(s.certs_n, 1);
		tls_close_notify(s.tls);
		CHECK_INT(session_end(&s), 0);
	}
}

TEST(weak_and_odd_servers_are_measured_not_refused)
{
	static const struct test_cert_spec small_rsa = {
		.cn = "mx", .key = KEY_RSA, .rsa_bits = 1024
	};
	static const struct test_cert_spec ed = { .cn = "mx", .key = KEY_EDDSA };
	struct test_cert small = test_cert_make(&small_rsa, NULL),
			 eddsa = test_cert_make(&ed, NULL);
	const struct {
		const char *name;
		struct raw raw;
		const char *version, *group, *scheme;
	} rows[] = {
		{ "TLS 1.0", { .cert = &rsa, .max = TLS1_VERSION }, "TLSv1.0", "x25519",
		    "rsa_pkcs1_md5_sha1" },
		{ "TLS 1.1 with ECDSA", { .cert = &ecdsa, .max = TLS1_1_VERSION }, "TLSv1.1",
		    "x25519", "ecdsa_sha1" },
		{ "RSA key exchange", { .cert = &rsa, .max = TLS1_2_VERSION, .ciphers = "kRSA" },
		    "TLSv1.2", NULL, NULL },
		{ "finite field of 1024 bits",
		    { .cert = &small, .max = TLS1_2_VERSION, .ciphers = "kDHE" }, "TLSv1.2",
		    "dh1024", "rsa_pss_rsae_sha256" },
		{ "finite field of RFC 7919 in TLS 1.2",
		    { .cert = &rsa,
			.max = TLS1_2_VERSION,
			.ciphers = "kDHE",
			.field = "ffdhe2048" },
		    "TLSv1.2", "ffdhe2048", "rsa_pss_rsae_sha256" },
		{ "P-384", { .cert = &ecdsa, .groups = "P-384" }, "TLSv1.3", "secp384r1",
		    "ecdsa_secp256r1_sha256" },
		{ "P-521 in TLS 1.2", { .cert = &ecdsa, .max = TLS1_2_VERSION, .groups = "P-521" },
		    "TLSv1.2", "secp521r1", "ecdsa_secp256r1_sha256" },
		{ "Ed25519", { .cert = &eddsa }, "TLSv1.3", GROUP_1_3, "ed25519" },
		{ "Ed25519 in TLS 1.2", { .cert = &eddsa, .max = TLS1_2_VERSION }, "TLSv1.2",
		    "x25519", "ed25519" },
	};

	server_ctx();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct session s;
		struct raw raw = rows[i].raw;

		TEST_ROW("%s", rows[i].name);
		session_start(&s, peer_raw, &raw, (struct tls_client_options){ 0 }, KEY_ANY);
		CHECK_INT(session_handshake(&s), 0);
		CHECK_STR(s.why.text, "");
		session_gather(&s);
		CHECK_STR(s.facts.version_name, rows[i].version);
		CHECK_STR(s.facts.group, rows[i].group);
		CHECK_STR(s.facts.signature_scheme, rows[i].scheme);
		CHECK_INT(session_end(&s), 0);
	}
	test_cert_free(&small);
	test_cert_free(&eddsa);
}

TEST(only_the_key_type_asked_for_is_offered)
{
	static const struct {
		enum key_type offer;
		bool server_rsa;
		int max;
		bool works;
	} rows[] = {
		{ KEY_RSA, true, TLS1_3_VERSION, true },
		{ KEY_RSA, false, TLS1_3_VERSION, false },
		{ KEY_ECDSA, false, TLS1_3_VERSION, true },
		{ KEY_ECDSA, true, TLS1_3_VERSION, false },
		{ KEY_RSA, true, TLS1_2_VERSION, true },
		{ KEY_RSA, false, TLS1_2_VERSION, false },
		{ KEY_ECDSA, false, TLS1_2_VERSION, true },
		{ KEY_ECDSA, true, TLS1_2_VERSION, false },
		{ KEY_ECDSA, true, TLS1_VERSION, false },
		{ KEY_RSA, true, TLS1_VERSION, true },
		{ KEY_EDDSA, true, TLS1_3_VERSION, false },
		{ KEY_EDDSA, false, TLS1_3_VERSION, false },
	};

	server_ctx();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct session s;
		struct raw raw = { .cert = rows[i].server_rsa ? &rsa : &ecdsa, .max = rows[i].max };

		TEST_ROW("offer %s, server %s, up to %s", key_type_str(rows[i].offer),
		    rows[i].server_rsa ? "rsa" : "ecdsa",
		    tls_version_str((enum tls_version)rows[i].max));
		session_start(&s, peer_raw, &raw, (struct tls_client_options){ 0 }, rows[i].offer);
		CHECK_INT(session_handshake(&s), rows[i].works ? 0 : -1);
		session_gather(&s);
		CHECK_INT(s.facts.offer, rows[i].offer);
		CHECK_INT(s.facts.complete, rows[i].works ? TRI_YES : TRI_NO);
		if (!rows[i].works)
			CHECK_STR(s.facts.alert, "received handshake_failure");
		CHECK_INT(session_end(&s), rows[i].works ? 0 : 1);
	}
	TEST_ROW("a kind there is no offer for");
	struct fail why;
	struct tls_ctx *ctx = client_ctx(0, 0, 0);
	CHECK(tls_client(ctx, 0, NULL, KEY_OTHER, &why) == NULL);
	CHECK_INT(why.code, FAIL_TLS_CONFIG);
	tls_ctx_free(ctx);
}

TEST(staple_ticket_and_request_for_a_client_certificate_are_noticed)
{
	static const struct test_cert_spec root = { .cn = "Root", .ca = true };
	struct test_cert ca = test_cert_make(&root, NULL), leaf = test_cert_make(&mx, &ca);

	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		struct session s;
		char data[10];
		struct raw raw = { .cert = &leaf,
			.max = version,
			.ask_client_cert = true,
			.issuer = &ca,
			.tickets = true };

		TEST_ROW("%s", tls_version_str((enum tls_version)version));
		server_ctx();
		session_start(&s, peer_raw, &raw, (struct tls_client_options){ 0 }, KEY_ANY);
		CHECK_INT(session_handshake(&s), 0);
		session_gather(&s);
		/* TLS 1.3 sends tickets after the handshake: not seen yet is not "no" */
		CHECK_INT(
		    s.facts.session_ticket, version == TLS1_2_VERSION ? TRI_YES : TRI_UNKNOWN);
		CHECK_INT(tls_read(s.tls, data, sizeof(data), soon(), &s.why), 5);
		session_gather(&s);
		CHECK_INT(s.facts.session_ticket, TRI_YES);
		CHECK_INT(s.facts.ocsp_staple, TRI_YES);
		CHECK_INT(s.facts.client_cert_requested, TRI_YES);
		CHECK_INT(session_end(&s), 0);
	}
	test_cert_free(&ca);
	test_cert_free(&leaf);
}

TEST(fingerprints_are_those_that_the_openssl_command_computes)
{
	struct cert_facts facts;
	struct arena arena;
	char command[512], line[256] = "";

	server_ctx();
	arena_init(&arena);
	tls_cert_facts(ecdsa.cert, &arena, &facts);
	static const char *const pipes[] = {
		"openssl x509 -in '%s' -outform DER | openssl dgst -sha256 -r | cut -c1-64",
		"openssl x509 -in '%s' -noout -pubkey | openssl pkey -pubin -outform DER | "
		"openssl dgst -sha256 -r | cut -c1-64"
	};
	for (int i = 0; i < 2; i++) {
		TEST_ROW("%s", i == 0 ? "certificate" : "public key");
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(
		    command, sizeof(command), pipes[i], test_write_certs("cli.pem", &ecdsa, 1));
#pragma GCC diagnostic pop
		FILE *f = popen(command, "r");
		CHECK(fgets(line, sizeof(line), f) != NULL);
		line[strcspn(line, "\n")] = '\0';
		CHECK_INT(pclose(f), 0);
		CHECK_STR(i == 0 ? facts.fingerprint : facts.spki_fingerprint, line);
	}
	arena_free(&arena);
}

/* --- failures --------------------------------------------------------------------------------- */

TEST(what_is_not_tls_fails_the_handshake_with_a_reason)
{
	static const struct {
		const char *name, *bytes;
		const char *text; /* part of the reason */
	} rows[] = {
		{ "an SMTP reply", "500 5.5.1 what?\r\n", "what came is not TLS" },
		{ "the start of a record", "\x16\x03\x03\x01\x02\x03\x04\x05\x06\x07", "" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct session s;
		TEST_ROW("%s", rows[i].name);
		session_start(
		    &s, peer_bytes, rows[i].bytes, (struct tls_client_options){ 0 }, KEY_ANY);
		CHECK_INT(tls_handshake(s.tls, clock_deadline(i == 1 ? 100 : WAIT_MS), &s.why), -1);
		CHECK(strstr(s.why.text, rows[i].text) != NULL);
		CHECK_INT(s.why.code, i == 1 ? FAIL_TIMEOUT : FAIL_TLS_HANDSHAKE);
		session_gather(&s);
		CHECK_INT(s.facts.complete, TRI_NO);
		CHECK_STR(s.facts.error, s.why.text);
		CHECK_STR(s.facts.version_name, NULL);
		CHECK_STR(s.facts.cipher_name, NULL);
		CHECK_INT(s.certs_n, 0);
		CHECK_INT(session_end(&s), 0);
	}
}

static int
peer_alert(int fd, const void *arg)
{
	unsigned char record[] = { 0x15, 3, 1, 0, 2, 2, *(const unsigned char *)arg };
	char data[4096];

	if (read(fd, data, sizeof(data)) <= 0)
		return 1;
	return write(fd, record, sizeof(record)) != (ssize_t)sizeof(record);
}

TEST(alerts_are_named_by_their_iana_names)
{
	static const struct {
		unsigned char number;
		const char *alert;
	} rows[] = { { 40, "received handshake_failure" }, { 70, "received protocol_version" },
		{ 80, "received internal_error" }, { 112, "received unrecognized_name" },
		{ 116, "received certificate_required" }, { 123, "received alert 123" } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct session s;

		TEST_ROW("alert %d", rows[i].number);
		session_start(
		    &s, peer_alert, &rows[i].number, (struct tls_client_options){ 0 }, KEY_ANY);
		CHECK_INT(session_handshake(&s), -1);
		CHECK_INT(s.why.code, FAIL_TLS_HANDSHAKE);
		CHECK(strstr(s.why.text, rows[i].alert + strlen("received ")) != NULL);
		session_gather(&s);
		CHECK_STR(s.facts.alert, rows[i].alert);
		CHECK_INT(session_end(&s), 0);
	}
}

TEST(a_server_of_tls_1_3_only_tells_an_older_client_by_alert)
{
	struct session s;
	struct raw raw = { .cert = &ecdsa, .min = TLS1_3_VERSION };

	server_ctx();
	session_start(
	    &s, peer_raw, &raw, (struct tls_client_options){ .max = TLS_VERSION_1_2 }, KEY_ANY);
	CHECK_INT(session_handshake(&s), -1);
	CHECK_INT(s.why.code, FAIL_TLS_HANDSHAKE);
	session_gather(&s);
	CHECK_STR(s.facts.alert, "received protocol_version");
	CHECK_INT(session_end(&s), 1);
	TEST_ROW("and we tell an older server");
	raw = (struct raw){ .cert = &rsa, .max = TLS1_1_VERSION };
	session_start(&s, peer_raw, &raw,
	    (struct tls_client_options){ .min = TLS_VERSION_1_2, .security_level = 1 }, KEY_ANY);
	CHECK_INT(session_handshake(&s), -1);
	session_gather(&s);
	CHECK_STR(s.facts.alert, "received protocol_version");
	CHECK_INT(session_end(&s), 1);
}

TEST(a_handshake_ends_at_eof_and_at_its_deadline)
{
	static const struct {
		const char *name;
		int (*peer)(int, const void *);
		int64_t ms;
		enum fail_code code;
	} rows[] = { { "closed", peer_closes, WAIT_MS, FAIL_EOF },
		{ "silent", peer_silent, 150, FAIL_TIMEOUT },
		{ "one byte at a time", peer_trickles, 150, FAIL_TIMEOUT },
		{ "a deadline in the past", peer_silent, -1, FAIL_TIMEOUT } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct session s;
		int64_t start;

		TEST_ROW("%s", rows[i].name);
		session_start(&s, rows[i].peer, NULL, (struct tls_client_options){ 0 }, KEY_ANY);
		start = clock_ms();
		CHECK_INT(tls_handshake(s.tls, start + rows[i].ms, &s.why), -1);
		CHECK(clock_ms() - start < 3000);
		CHECK(rows[i].ms < 0 || rows[i].ms == WAIT_MS || clock_ms() - start >= rows[i].ms);
		CHECK_INT(s.why.code, rows[i].code);
		/* dead: the same failure again, at once */
		struct fail again;
		CHECK_INT(tls_handshake(s.tls, soon(), &again), -1);
		CHECK_INT(again.code, rows[i].code);
		CHECK_INT(tls_write(s.tls, "x", 1, soon(), &again), -1);
		CHECK_INT(again.code, rows[i].code);
		tls_close_notify(s.tls);
		CHECK_INT(session_end(&s), 0);
	}
}

TEST(the_end_of_a_stream_without_close_notify_is_truncation)
{
	static const struct {
		const char *name;
		enum raw_end end;
		ssize_t read;
		enum fail_code read_code, write_code;
	} rows[] = {
		{ "close_notify", END_NOTIFY, 0, FAIL_NONE, FAIL_EOF },
		{ "cut", END_CUT, -1, FAIL_TLS_TRUNCATED, FAIL_TLS_TRUNCATED },
		{ "a record of nobody's", END_ALERT, -1, FAIL_TLS_IO, FAIL_TLS_IO },
		{ "key updates without end", END_FLOOD_UPDATES, -1, FAIL_TLS_IO, FAIL_TLS_IO },
	};

	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			struct raw raw = { .cert = &ecdsa, .max = version, .tickets = true };
			struct session s;
			char data[100];

			raw.end = rows[i].end;
			if (raw.end == END_FLOOD_UPDATES && version == TLS1_2_VERSION)
				continue;
			TEST_ROW(
			    "%s, %s", rows[i].name, tls_version_str((enum tls_version)version));
			server_ctx();
			session_start(
			    &s, peer_raw, &raw, (struct tls_client_options){ 0 }, KEY_ANY);
			CHECK_INT(session_handshake(&s), 0);
			CHECK_INT(tls_read(s.tls, data, 2, soon(), &s.why), 2);
			CHECK_INT(tls_pending(s.tls), 3);
			CHECK_INT(tls_read(s.tls, data, sizeof(data), soon(), &s.why), 3);
			CHECK_MEM(data, 3, "llo", 3);
			CHECK_INT(tls_pending(s.tls), 0);
			fail_clear(&s.why);
			CHECK_INT(
			    tls_read(s.tls, data, sizeof(data), soon(), &s.why), rows[i].read);
			CHECK_INT(s.why.code, rows[i].read_code);
			/* and so for ever */
			fail_clear(&s.why);
			CHECK_INT(
			    tls_read(s.tls, data, sizeof(data), soon(), &s.why), rows[i].read);
			CHECK_INT(s.why.code, rows[i].read_code);
			CHECK_INT(tls_write(s.tls, "x", 1, soon(), &s.why), -1);
			CHECK_INT(s.why.code, rows[i].write_code);
			session_gather(&s);
			CHECK_INT(s.facts.complete, TRI_YES);
			if (raw.end == END_ALERT)
				CHECK_STR(s.facts.alert, "sent bad_record_mac");
			else
				CHECK_STR(s.facts.alert, NULL);
			CHECK_INT(session_end(&s), 0);
		}
	}
}

TEST(a_read_that_timed_out_can_be_repeated_and_a_farewell_written)
{
	struct session s;
	char data[10];

	session_start(&s, peer_echo, NULL, (struct tls_client_options){ 0 }, KEY_ANY);
	CHECK_INT(session_handshake(&s), 0);
	CHECK_INT(tls_read(s.tls, data, sizeof(data), clock_deadline(50), &s.why), -1);
	CHECK_INT(s.why.code, FAIL_TIMEOUT);
	CHECK_INT(tls_write(s.tls, "QUIT\r\n", 6, soon(), &s.why), 0);
	CHECK_INT(tls_read(s.tls, data, sizeof(data), soon(), &s.why), 6);
	tls_close_notify(s.tls);
	CHECK_INT(tls_write(s.tls, "x", 1, soon(), &s.why), -1);
	CHECK_INT(s.why.code, FAIL_EOF);
	CHECK_INT(session_end(&s), 0);
}

TEST(last_words_arrive_with_the_close_behind_them)
{
	struct pollfd p = { .events = POLLIN };
	char raw[200];
	struct session s;

	session_start(&s, peer_echo, NULL, (struct tls_client_options){ 0 }, KEY_ANY);
	CHECK_INT(session_handshake(&s), 0);
	CHECK_INT(tls_write_last(s.tls, "QUIT\r\n", 6, soon(), &s.why), 0);
	CHECK_INT(tls_write(s.tls, "x", 1, soon(), &s.why), -1);
	CHECK_INT(s.why.code, FAIL_EOF);
	/* RFC 8446 s5.2: the echo of six bytes is a record of 5 + 6 + 1 + 16 */
	p.fd = s.peer.fd;
	CHECK_INT(poll(&p, 1, WAIT_MS), 1);
	CHECK(recv(s.peer.fd, raw, sizeof(raw), MSG_PEEK) >= 28);
	CHECK_INT(session_end(&s), 0);
}

TEST(a_write_that_cannot_finish_kills_the_session)
{
	struct raw raw = { .cert = &ecdsa, .end = END_STOP_READING };
	size_t n = 4 * 1000 * 1000;
	char *data = calloc(1, n);
	struct session s;

	server_ctx();
	session_start(&s, peer_raw, &raw, (struct tls_client_options){ 0 }, KEY_ANY);
	CHECK_INT(session_handshake(&s), 0);
	CHECK_INT(tls_write(s.tls, data, n, clock_deadline(100), &s.why), -1);
	CHECK_INT(s.why.code, FAIL_TIMEOUT);
	CHECK_INT(tls_write(s.tls, "x", 1, soon(), &s.why), -1);
	CHECK_INT(s.why.code, FAIL_TIMEOUT);
	CHECK_INT(tls_read(s.tls, data, n, soon(), &s.why), -1);
	CHECK_INT(session_end(&s), 0);
	free(data);
}

TEST(a_write_to_a_peer_that_has_gone_fails_without_a_signal)
{
	struct session s;

	session_start(&s, peer_echo, NULL, (struct tls_client_options){ 0 }, KEY_ANY);
	CHECK_INT(session_handshake(&s), 0);
	kill(s.peer.pid, SIGKILL);
	struct pollfd p = { s.peer.fd, POLLIN, 0 };
	poll(&p, 1, WAIT_MS);
	signal(SIGPIPE, SIG_DFL);
	CHECK_INT(tls_write(s.tls, "x", 1, soon(), &s.why), -1);
	CHECK_INT(s.why.code, FAIL_EOF);
	CHECK_INT(session_end(&s), -1);
}

TEST(much_data_arrives_whole)
{
	size_t n = 1000 * 1000, have = 0;
	char *data = malloc(n), *got = malloc(n);
	struct session s;

	for (size_t i = 0; i < n; i++)
		data[i] = (char)(i * 31 + i / 256);
	session_start(&s, peer_echo, NULL, (struct tls_client_options){ 0 }, KEY_ANY);
	CHECK_INT(session_handshake(&s), 0);
	for (size_t at = 0; at < n; at += 100 * 1000) {
		CHECK_INT(tls_write(s.tls, data + at, 100 * 1000, soon(), &s.why), 0);
		while (have < at + 100 * 1000) {
			ssize_t k = tls_read(s.tls, got + have, n - have, soon(), &s.why);
			if (k <= 0)
				break;
			have += (size_t)k;
		}
	}
	CHECK_INT(have, n);
	CHECK(memcmp(data, got, n) == 0);
	CHECK_INT(session_end(&s), 3);
	free(data);
	free(got);
}

/* --- our server, seen by a stranger ----------------------------------------------------------- */

TEST(our_server_takes_only_smtp_gives_no_tickets_and_does_not_renegotiate)
{
	static const struct {
		const char *name;
		struct raw_client client;
		int status; /* the client's: 0, or the alert it got */
		const char *alert;
	} rows[] = {
		{ "TLS 1.3", { .sni = "mx.example.com" }, 0, NULL },
		{ "TLS 1.2", { .max = TLS1_2_VERSION, .sni = "other.example" }, 0, NULL },
		{ "ALPN smtp", { .alpn = "\x04smtp" }, 0, NULL },
		{ "ALPN h2 and smtp", { .alpn = "\x02h2\x04smtp" }, 0, NULL },
		{ "ALPN h2 (RFC 7301 s3.2)", { .alpn = "\x02h2\x08http/1.1" }, 120,
		    "sent no_application_protocol" },
		{ "ALPN smtp2", { .alpn = "\x05smtp2" }, 120, "sent no_application_protocol" },
		{ "TLS 1.1", { .max = TLS1_1_VERSION }, 70, "sent protocol_version" },
		{ "renegotiation", { .max = TLS1_2_VERSION, .renegotiate = true }, 100,
		    "received handshake_failure" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct test_peer peer;
		struct tls_facts facts;
		struct cert_facts *certs = NULL;
		struct arena arena;
		struct fail why = { 0 };
		size_t certs_n = 0;
		char data[10];

		TEST_ROW("%s", rows[i].name);
		server_ctx();
		arena_init(&arena);
		facts_init_tls_facts(&facts);
		peer = test_peer_start(peer_client, &rows[i].client);
		struct tls *tls = tls_server(server_ctx(), peer.fd, &why);
		int rc = tls_handshake(tls, soon(), &why);
		CHECK_INT(rc, rows[i].status == 0 || rows[i].client.renegotiate ? 0 : -1);
		if (rc == 0 && !rows[i].client.renegotiate) {
			CHECK_INT(tls_read(tls, data, sizeof(data), soon(), &why), 4);
			CHECK_INT(tls_write(tls, data, 4, soon(), &why), 0);
			CHECK_INT(tls_read(tls, data, sizeof(data), soon(), &why), 0);
			CHECK_STR(tls_session_sni(tls), rows[i].client.sni);
		} else if (rc == 0) {
			/* refused by a warning; then OpenSSL as a client gives up */
			CHECK(tls_read(tls, data, sizeof(data), soon(), &why) <= 0);
		}
		tls_gather(tls, &arena, &facts, &certs, &certs_n);
		CHECK_STR(facts.alert, rows[i].alert);
		CHECK_STR(facts.alpn, rc == 0 && rows[i].client.alpn != NULL ? "smtp" : NULL);
		CHECK_INT(certs_n, 0);
		tls_free(tls);
		CHECK_INT(test_peer_end(&peer), rows[i].status);
		arena_free(&arena);
	}
}

TEST(our_server_survives_strangers_that_speak_no_tls)
{
	static const char *const texts[] = { "GET / HTTP/1.1\r\n\r\n", "EHLO x\r\n",
		"\r\n\r\n\r\n\r\n" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct fail why = { 0 };
		int fds[2];

		TEST_ROW("%s", texts[i]);
		CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
		CHECK_INT(write(fds[1], texts[i], strlen(texts[i])), (ssize_t)strlen(texts[i]));
		struct tls *tls = tls_server(server_ctx(), fds[0], &why);
		CHECK_INT(tls_handshake(tls, soon(), &why), -1);
		CHECK_INT(why.code, FAIL_TLS_HANDSHAKE);
		tls_free(tls);
		close(fds[0]);
		close(fds[1]);
	}
}

/* The ClientHello as it goes over the wire. */
static size_t
client_hello(const char *name, unsigned char *out, size_t out_bytes)
{
	struct tls_ctx *ctx = client_ctx(0, 0, 0);
	struct fail why = { 0 };
	ssize_t n = 0;
	int fds[2];

	CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	struct tls *tls = tls_client(ctx, fds[0], name, KEY_ANY, &why);
	if (tls != NULL) {
		CHECK_INT(tls_handshake(tls, 0, &why), -1);
		n = read(fds[1], out, out_bytes);
	}
	tls_free(tls);
	close(fds[0]);
	close(fds[1]);
	tls_ctx_free(ctx);
	return n > 0 ? (size_t)n : 0;
}

TEST(server_names_are_sent_without_dot_and_never_for_addresses)
{
	static const struct {
		const char *name, *on_wire; /* NULL: no server name */
	} rows[] = { { "mx.example.com", "mx.example.com" },
		{ "mx.example.com.", "mx.example.com" }, { "192.0.2.1", NULL },
		{ "[192.0.2.1]", NULL }, { "2001:db8::1", NULL }, { "[2001:db8::1]", NULL },
		{ NULL, NULL } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		/* extension 0, its length, list length, type 0, name length (RFC 6066 s3) */
		unsigned char hello[4096], want[64] = { 0 };

		TEST_ROW("%s", rows[i].name == NULL ? "none" : rows[i].name);
		size_t n = client_hello(rows[i].name, hello, sizeof(hello));
		CHECK(n > 100);
		if (rows[i].on_wire != NULL) {
			unsigned char len = (unsigned char)strlen(rows[i].on_wire);
			unsigned char head[] = { 0, 0, 0, (unsigned char)(len + 5), 0,
				(unsigned char)(len + 3), 0, 0, len };
			memcpy(want, head, sizeof(head));
			memcpy(want + sizeof(head), rows[i].on_wire, len);
			CHECK(memmem(hello, n, want, sizeof(head) + len) != NULL);
			CHECK(memmem(hello, n, "mx.example.com.", 15) == NULL);
		} else {
			CHECK(memmem(hello, n, "192.0.2.1", 9) == NULL);
			CHECK(memmem(hello, n, "2001:db8", 8) == NULL);
		}
	}
	TEST_ROW("a name no DNS can hold");
	unsigned char hello[100];
	char label[300];
	memset(label, 'a', sizeof(label) - 1);
	label[sizeof(label) - 1] = '\0';
	CHECK_INT(client_hello(label, hello, sizeof(hello)), 0);
}
