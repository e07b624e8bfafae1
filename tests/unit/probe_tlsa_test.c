#include <stdio.h>
#include <time.h>

#include "app/probe/tlsa.h"
#include "test.h"
#include "test_certs.h"
#include "tls/cert.h"
#include "tls/dane.h"
#include "tls/verify.h"

static struct arena arena;
static struct target_facts facts;
static struct exchange_facts mx;

static void
set_up(void)
{
	arena_init(&arena);
	facts_init_target_facts(&facts);
	facts_init_exchange_facts(&mx);
	facts.domain = facts.alabel = arena_strdup(&arena, "example.test");
	facts.mx_status = MX_HAS_MX;
	facts.dns.dnssec = DNSSEC_SECURE;
	facts.exchanges = &mx;
	facts.exchanges_n = 1;
	mx.name = arena_strdup(&arena, "mx.example.test");
	mx.dnssec = DNSSEC_SECURE;
}

static struct slice
der(const struct test_cert *cert)
{
	unsigned char *data = NULL;
	int n = i2d_X509(cert->cert, &data);
	char *copy = arena_alloc(&arena, (size_t)n);

	memcpy(copy, data, (size_t)n);
	OPENSSL_free(data);
	return slice_make(copy, (size_t)n);
}

/* --- print ---------------------------------------------------------------------------------------- */

static struct cert_facts certs[2];

/* Two handshakes with one leaf each. */
static void
add_keys(void)
{
	struct host_facts *host = arena_push(&arena, &mx.hosts, &mx.hosts_n, sizeof(*host));
	static const char *const names[] = { "aa", "bb" };

	facts_init_host_facts(host);
	host->port = 25;
	for (size_t i = 0; i < 2; i++) {
		struct tls_facts *tls = arena_push(&arena, &host->tls, &host->tls_n, sizeof(*tls));
		facts_init_tls_facts(tls);
		tls->complete = TRI_YES;
		strs_add(&tls->chain, &arena, names[i]);
		facts_init_cert_facts(&certs[i]);
		certs[i].fingerprint = arena_strdup(&arena, names[i]);
		certs[i].spki_fingerprint = arena_printf(&arena, "%s00", names[i]);
		certs[i].key_type = i == 0 ? KEY_RSA : KEY_ECDSA;
	}
	facts.certs = certs;
	facts.certs_n = 2;
}

static void
check_print(const char *next, int want_status, const char *want)
{
	struct buf out;

	buf_init(&out, 10000);
	CHECK_INT(probe_tlsa_print(&facts, next, &out), want_status);
	CHECK_STR(buf_str(&out), want);
	buf_free(&out);
}

TEST(records_to_publish_one_for_each_key_and_the_next)
{
	struct tlsa_record_facts record;

	set_up();
	check_print(NULL, 3, "; mx.example.test: no certificate was seen\n");
	add_keys();
	check_print(NULL, 0,
	    "_25._tcp.mx.example.test. IN TLSA 3 1 1 aa00 ; rsa\n"
	    "_25._tcp.mx.example.test. IN TLSA 3 1 1 bb00 ; ecdsa\n");
	/* published: only the very same record; behind an alias at the name where they are looked for */
	facts_init_tlsa_record_facts(&record);
	record.usage = 3;
	record.selector = 1;
	record.matching_type = 1;
	record.data = arena_strdup(&arena, "bb00");
	mx.tlsa.records = &record;
	mx.tlsa.records_n = 1;
	mx.tlsa.base_domain = arena_strdup(&arena, "real.example.test");
	check_print("cc00", 0,
	    "_25._tcp.real.example.test. IN TLSA 3 1 1 aa00 ; rsa\n"
	    "_25._tcp.real.example.test. IN TLSA 3 1 1 bb00 ; ecdsa, published\n"
	    "_25._tcp.real.example.test. IN TLSA 3 1 1 cc00 ; next\n");
	record.selector = 0;
	check_print(NULL, 0,
	    "_25._tcp.real.example.test. IN TLSA 3 1 1 aa00 ; rsa\n"
	    "_25._tcp.real.example.test. IN TLSA 3 1 1 bb00 ; ecdsa\n");
	arena_free(&arena);
}

TEST(what_is_no_name_goes_into_no_zone_file)
{
	static const char *const names[] = { "192.0.2.1", "2001:db8::1", "mx.test. A 192.0.2.1\n;",
		"mx;.test", "mx\\032.test", "$INCLUDE", "(" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct buf out;
		set_up();
		add_keys();
		mx.name = arena_strdup(&arena, names[i]);
		TEST_ROW("%s", names[i]);
		buf_init(&out, 1000);
		CHECK_INT(probe_tlsa_print(&facts, NULL, &out), 3);
		/* one comment line */
		CHECK(buf_str(&out)[0] == ';');
		CHECK(strchr(buf_str(&out), '\n') == buf_str(&out) + out.len - 1);
		CHECK(strstr(buf_str(&out), "has no name for a TLSA record") != NULL);
		buf_free(&out);
		arena_free(&arena);
	}
	set_up();
	facts.exchanges_n = 0;
	facts.mx_status = MX_NULL;
	check_print(NULL, 3, "; example.test: no MX host (null_mx)\n");
	arena_free(&arena);
}

/* --- check ---------------------------------------------------------------------------------------- */

static struct test_cert root, issuer, leaf, old, self;

static void
make_certs(void)
{
	static const struct test_cert_spec root_spec = { .cn = "root", .ca = true },
					   issuer_spec = { .cn = "issuer", .ca = true },
					   leaf_spec = { .cn = "mx",
						   .dns = { DNS_NAME("mx.example.test") } },
					   old_spec = { .cn = "old",
						   .dns = { DNS_NAME("old.example.test") },
						   .from_days = -90,
						   .to_days = -1 };

	if (leaf.cert != NULL)
		return;
	root = test_cert_make(&root_spec, NULL);
	issuer = test_cert_make(&issuer_spec, &root);
	leaf = test_cert_make(&leaf_spec, &issuer);
	old = test_cert_make(&old_spec, &issuer);
	self = test_cert_make(&leaf_spec, NULL);
}

static void
add_record(const char *text)
{
	struct tlsa_record_facts *record =
	    arena_push(&arena, &mx.tlsa.records, &mx.tlsa.records_n, sizeof(*record));
	int usage, selector, type, at;

	sscanf(text, "%d %d %d %n", &usage, &selector, &type, &at);
	facts_init_tlsa_record_facts(record);
	record->usage = usage;
	record->selector = selector;
	record->matching_type = type;
	record->data = arena_strdup(&arena, text + at);
	record->usable = true;
}

/* How the host's records are: of which certificate, and by which usage. */
static const struct {
	const char *what;
	const struct test_cert *chain[3];
	bool no_root; /* the root is not trusted */
	enum tlsa_status tlsa;
	const struct test_cert *of;
	int usage;
	bool no_dane;
	int status;
	const char *want;
} rows[] = {
	{ "no DANE, all good", { &leaf, &issuer }, false, TLSA_NONE, NULL, 0, false, 0,
	    "TLSA: none; the name matches mx.example.test; it leads to a trusted root" },
	{ "TLSA is not asked for", { &leaf, &issuer }, false, TLSA_NOT_CHECKED, NULL, 0, true, 0,
	    "the name matches mx.example.test; it leads to a trusted root" },
	{ "no issuer", { &leaf }, false, TLSA_NONE, NULL, 0, false, 2,
	    "TLSA: none; the name matches mx.example.test; it is not trusted: unable to get local "
	    "issuer certificate, unable to verify the first certificate" },
	{ "self-signed", { &self }, false, TLSA_NONE, NULL, 0, false, 2,
	    "TLSA: none; the name matches mx.example.test; it is not trusted: self-signed "
	    "certificate" },
	{ "dates and name", { &old, &issuer }, false, TLSA_NONE, NULL, 0, false, 2,
	    "TLSA: none; the certificate names another host; it is not valid at this time" },
	{ "DANE-EE by a certificate that is bad in every other way", { &old }, true, TLSA_USABLE,
	    &old, 3, false, 0,
	    "a TLSA record matches; the certificate names another host, which DANE-EE does not "
	    "look at; it is not valid at this time, which DANE-EE does not look at; it is not "
	    "trusted, which DANE does not need: unable to get local issuer certificate, unable to "
	    "verify the first certificate, certificate has expired" },
	{ "DANE-TA", { &leaf, &issuer }, true, TLSA_USABLE, &issuer, 2, false, 0,
	    "a TLSA record matches; the name matches mx.example.test; it is not trusted, which "
	    "DANE does not need: unable to get local issuer certificate" },
	{ "DANE-TA, trusted as well", { &leaf, &issuer }, false, TLSA_INSECURE_MX, &issuer, 2,
	    false, 0,
	    "a TLSA record matches; the name matches mx.example.test; it leads to a trusted "
	    "root" },
	{ "a record of another key", { &leaf, &issuer }, false, TLSA_USABLE, &old, 3, false, 2,
	    "the only TLSA record does not match; the name matches mx.example.test; it leads to a "
	    "trusted root" },
	{ "unsigned zone", { &leaf, &issuer }, false, TLSA_INSECURE, NULL, 0, false, 0,
	    "TLSA: insecure; the name matches mx.example.test; it leads to a trusted root" },
	{ "TLSA is bogus", { &leaf, &issuer }, false, TLSA_BOGUS, NULL, 0, false, 3,
	    "TLSA: bogus; the name matches mx.example.test; it leads to a trusted root" },
	{ "TLSA is not known, and the certificate bad", { &self }, false, TLSA_ERROR, NULL, 0,
	    false, 2,
	    "TLSA: error; the name matches mx.example.test; it is not trusted: self-signed "
	    "certificate" },
};

static void
check_row(size_t i, struct tls_trust *trust)
{
	struct verify_facts verify;
	struct slice chain[3];
	struct buf out;
	size_t n = 0;

	set_up();
	for (; n < 3 && rows[i].chain[n] != NULL; n++)
		chain[n] = der(rows[i].chain[n]);
	mx.tlsa.status = rows[i].tlsa;
	if (rows[i].of != NULL) {
		struct slice of = der(rows[i].of);
		char *text = NULL;
		CHECK_INT(tls_tlsa_record(of.p, of.n, rows[i].usage, 1, 1, &arena, &text, NULL), 0);
		add_record(text);
	}
	CHECK_INT(
	    tls_verify_certs(chain, n, trust, NULL, NULL, time(NULL), 0, &arena, &verify, NULL), 0);
	buf_init(&out, 10000);
	CHECK_INT(
	    probe_tlsa_check(&facts, chain, n, &verify, !rows[i].no_dane, time(NULL), &arena, &out),
	    rows[i].status);
	CHECK_STR(buf_str(&out), arena_printf(&arena, "mx.example.test: %s\n", rows[i].want));
	buf_free(&out);
	arena_free(&arena);
}

TEST(a_certificate_before_it_is_used)
{
	make_certs();
	struct tls_trust *with = tls_trust_new(test_write_certs("root", &root, 1), NULL, NULL);
	struct tls_trust *without = tls_trust_new(test_write_certs("self", &old, 1), NULL, NULL);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		TEST_ROW("%s", rows[i].what);
		check_row(i, rows[i].no_root ? without : with);
	}
	tls_trust_free(with);
	tls_trust_free(without);
}

TEST(trust_that_cannot_be_judged_is_status_3)
{
	struct verify_facts verify;
	struct buf out;

	make_certs();
	set_up();
	struct slice chain = der(&leaf);
	facts_init_verify_facts(&verify);
	verify.error = arena_strdup(&arena, "no CA certificates on this system");
	buf_init(&out, 1000);
	mx.tlsa.status = TLSA_NONE;
	CHECK_INT(probe_tlsa_check(&facts, &chain, 1, &verify, true, time(NULL), &arena, &out), 3);
	CHECK(strstr(buf_str(&out), "; whether it is trusted is not known: no CA certificates on "
				    "this system\n") != NULL);
	buf_reset(&out);
	facts.exchanges_n = 0;
	CHECK_INT(probe_tlsa_check(&facts, &chain, 1, &verify, true, time(NULL), &arena, &out), 3);
	CHECK_STR(buf_str(&out), "example.test: no MX host (has_mx)\n");
	/* what is no certificate is no good one */
	chain = slice_make("nonsense", 8);
	CHECK_INT(probe_tlsa_check(&facts, &chain, 1, &verify, true, time(NULL), &arena, &out), 2);
	CHECK_INT(
	    tls_verify_certs(&chain, 1, NULL, NULL, NULL, time(NULL), 0, &arena, &verify, NULL),
	    -1);
	CHECK_INT(
	    tls_verify_certs(NULL, 0, NULL, NULL, NULL, time(NULL), 0, &arena, &verify, NULL), -1);
	buf_free(&out);
	arena_free(&arena);
}
