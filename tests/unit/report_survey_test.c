#include <stdio.h>
#include <stdlib.h>

#include "app/report/survey.h"
#include "base/arena.h"
#include "test.h"

/*
 * A small survey, made by hand and counted by hand: nine MX hosts with eleven addresses, thirteen
 * domains. The tables below say what they are; the tests say how often each value is there.
 */

struct handshake {
	const char *version, *cipher, *group;
	int cert; /* index into certs */
	bool trusted, named, expired, self_signed, incomplete;
	enum dane dane;
};

static const struct cert {
	enum key_type key;
	int bits;
	const char *signature, *issuer;
	int days_left, lifetime;
	bool self_signed;
} certs[] = {
	{ KEY_RSA, 2048, "RSA-SHA256", "CN=R11,O=Let's Encrypt,C=US", 80, 90, false },
	{ KEY_ECDSA, 256, "ecdsa-with-SHA384", "CN=E6,O=Let's Encrypt,C=US", 80, 90, false },
	{ KEY_RSA, 4096, "RSA-SHA256", "CN=Sub,O=DigiCert\\, Inc.,C=US", 10, 397, false },
	{ KEY_RSA, 1024, "RSA-SHA1", "CN=localhost", 0, 3653, true },
	{ KEY_ECDSA, 384, "RSA-SHA256", "CN=Private CA", 2, 200, false },
};

#define TLS13 "TLSv1.3", "TLS_AES_256_GCM_SHA384"
#define TLS12 "TLSv1.2", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
static const struct handshake handshakes[] = {
	/* 0, 1: a good host with both kinds of keys, TLSA records match */
	{ TLS13, "X25519MLKEM768", 0, true, true, false, false, false, DANE_VALID },
	{ TLS13, "X25519MLKEM768", 1, true, true, false, false, false, DANE_VALID },
	/* 2: good, without TLSA */
	{ TLS12, "x25519", 2, true, true, false, false, false, DANE_NONE },
	/* 3: old, self-signed, expired, another name */
	{ "TLSv1.0", "TLS_RSA_WITH_AES_128_CBC_SHA", NULL, 3, false, false, true, true, false,
	    DANE_NONE },
	/* 4: trusted, but another name */
	{ TLS13, "x25519", 4, true, false, false, false, false, DANE_NONE },
	/* 5: TLSA records do not match; the issuer's certificate is missing */
	{ TLS12, "secp256r1", 2, false, true, false, false, true, DANE_MISMATCH },
};

static const struct address {
	const char *ip;
	enum host_status status;
	enum starttls_state state;
	int tls[2]; /* handshakes; -1: none */
	const char *result;
} addresses[] = {
	{ "192.0.2.1", HOST_SUCCESS, STARTTLS_DONE, { 0, 1 }, NULL },
	{ "2001:db8::1", HOST_SUCCESS, STARTTLS_DONE, { 0, 1 }, NULL },
	{ "192.0.2.2", HOST_SUCCESS, STARTTLS_DONE, { 2, -1 }, NULL },
	{ "192.0.2.3", HOST_SUCCESS, STARTTLS_DONE, { 3, -1 }, "certificate-expired" },
	{ "192.0.2.4", HOST_SUCCESS, STARTTLS_NOT_OFFERED, { -1, -1 }, "starttls-not-supported" },
	{ "192.0.2.5", HOST_SUCCESS, STARTTLS_DONE, { 4, -1 }, "certificate-host-mismatch" },
	{ "192.0.2.6", HOST_SUCCESS, STARTTLS_NOT_OFFERED, { -1, -1 }, "starttls-not-supported" },
	{ "192.0.2.7", HOST_CONNECT_TIMEOUT, STARTTLS_UNKNOWN, { -1, -1 }, NULL },
	{ "2001:db8::7", HOST_TEMPORARY, STARTTLS_UNKNOWN, { -1, -1 }, NULL },
	{ "192.0.2.8", HOST_SUCCESS, STARTTLS_DONE, { 5, -1 }, "tlsa-invalid" },
	{ "192.0.2.9", HOST_BLOCKLISTED, STARTTLS_UNKNOWN, { -1, -1 }, NULL },
};

static const struct mx {
	const char *name;
	int addresses[2]; /* -1: none */
	enum tlsa_status tlsa;
	int usage; /* of its TLSA record; -1: none */
} hosts[] = {
	{ "mx1.good.example", { 0, 1 }, TLSA_USABLE, 3 },
	{ "mx2.good.example", { 2, -1 }, TLSA_NONE, -1 },
	{ "mx.self.example", { 3, -1 }, TLSA_INSECURE, -1 },
	{ "mx.half.co.uk", { 4, 5 }, TLSA_INSECURE, -1 },
	{ "mx.clear.example", { 6, -1 }, TLSA_USABLE, 2 },
	{ "mx.gone.example", { 7, 8 }, TLSA_ERROR, -1 },
	{ "mx.wrong.example", { 9, -1 }, TLSA_USABLE, 3 },
	{ "mx.left.example", { 10, -1 }, TLSA_BOGUS, -1 },
	{ "mx.nowhere.example", { -1, -1 }, TLSA_NOT_CHECKED, -1 },
	{ "MX1.Good.Example", { 0, 1 }, TLSA_USABLE, 3 }, /* the first one again */
};

static const struct domain {
	const char *name;
	int rank;
	enum mx_status mx_status;
	int mx[2]; /* the first is primary */
	enum verdict verdict;
	enum sts_status sts;
	enum sts_mode mode;
	bool sts_mismatch, tlsrpt;
} domains[] = {
	{ "a.example", 1, MX_HAS_MX, { 0, -1 }, VERDICT_DANE, STS_VALID, STS_MODE_ENFORCE, false,
	    true },
	{ "b.example", 150, MX_HAS_MX, { 0, 1 }, VERDICT_PKIX, STS_VALID, STS_MODE_TESTING, false,
	    false },
	{ "c.example", 5000, MX_HAS_MX, { 2, -1 }, VERDICT_ENCRYPTED, STS_FETCH_ERROR,
	    STS_MODE_UNKNOWN, false, false },
	{ "d.co.uk", -1, MX_HAS_MX, { 3, -1 }, VERDICT_PLAINTEXT, STS_VALID, STS_MODE_ENFORCE, true,
	    true },
	{ "e.test", -1, MX_IMPLICIT, { 4, -1 }, VERDICT_PLAINTEXT, STS_NONE, STS_MODE_UNKNOWN,
	    false, false },
	{ "f.test", -1, MX_HAS_MX, { 5, -1 }, VERDICT_UNKNOWN, STS_DNS_ERROR, STS_MODE_UNKNOWN,
	    false, false },
	{ "g.test", -1, MX_HAS_MX, { 6, -1 }, VERDICT_BROKEN, STS_VALID, STS_MODE_NONE, false,
	    false },
	{ "h.test", -1, MX_HAS_MX, { 7, -1 }, VERDICT_UNKNOWN, STS_WEBPKI_INVALID, STS_MODE_UNKNOWN,
	    false, false },
	{ "i.test", -1, MX_HAS_MX, { 8, -1 }, VERDICT_UNDELIVERABLE, STS_POLICY_INVALID,
	    STS_MODE_UNKNOWN, false, false },
	{ "j.test", -1, MX_NULL, { -1, -1 }, VERDICT_NO_MAIL, STS_NONE, STS_MODE_UNKNOWN, false,
	    false },
	{ "k.test", -1, MX_NXDOMAIN, { -1, -1 }, VERDICT_UNDELIVERABLE, STS_NONE, STS_MODE_UNKNOWN,
	    false, false },
	{ "l.test", -1, MX_DNS_ERROR, { -1, -1 }, VERDICT_UNKNOWN, STS_DNS_ERROR, STS_MODE_UNKNOWN,
	    false, false },
	{ "m.example", 99, MX_HAS_MX, { 9, -1 }, VERDICT_DANE, STS_NONE, STS_MODE_UNKNOWN, false,
	    false },
};

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

static void
add_tls(struct arena *arena, struct host_facts *host, const struct handshake *from)
{
	struct tls_facts *tls = arena_push(arena, &host->tls, &host->tls_n, sizeof(*tls));

	facts_init_tls_facts(tls);
	tls->complete = TRI_YES;
	tls->version_name = arena_strdup(arena, from->version);
	tls->cipher_name = arena_strdup(arena, from->cipher);
	tls->group = from->group == NULL ? NULL : arena_strdup(arena, from->group);
	tls->dane = from->dane;
	tls->verify.trusted = from->trusted ? TRI_YES : TRI_NO;
	tls->verify.matches_mx = from->named ? TRI_YES : TRI_NO;
	tls->verify.expired = from->expired ? TRI_YES : TRI_NO;
	tls->verify.self_signed = from->self_signed ? TRI_YES : TRI_NO;
	tls->verify.missing_intermediate = from->incomplete ? TRI_YES : TRI_NO;
	strs_add(&tls->chain, arena, arena_printf(arena, "%d", from->cert));
}

static void
add_host(struct arena *arena, struct exchange_facts *mx, const struct address *from)
{
	struct host_facts *host = arena_push(arena, &mx->hosts, &mx->hosts_n, sizeof(*host));

	facts_init_host_facts(host);
	host->ip = arena_strdup(arena, from->ip);
	host->port = 25;
	host->status = from->status;
	host->starttls_state = from->state;
	host->result_type = from->result == NULL ? NULL : arena_strdup(arena, from->result);
	strs_add(strchr(from->ip, ':') == NULL ? &mx->ipv4_addresses : &mx->ipv6_addresses, arena,
	    from->ip);
	for (size_t i = 0; i < 2; i++)
		if (from->tls[i] >= 0)
			add_tls(arena, host, &handshakes[from->tls[i]]);
}

static void
add_mx(struct arena *arena, struct target_facts *target, const struct mx *from, bool primary)
{
	struct exchange_facts *mx =
	    arena_push(arena, &target->exchanges, &target->exchanges_n, sizeof(*mx));

	facts_init_exchange_facts(mx);
	mx->name = arena_strdup(arena, from->name);
	mx->primary = primary;
	mx->tlsa.status = from->tlsa;
	if (from->usage >= 0) {
		struct tlsa_record_facts *record =
		    arena_push(arena, &mx->tlsa.records, &mx->tlsa.records_n, sizeof(*record));
		facts_init_tlsa_record_facts(record);
		record->usage = from->usage;
		record->selector = record->matching_type = 1;
	}
	for (size_t i = 0; i < 2; i++)
		if (from->addresses[i] >= 0)
			add_host(arena, mx, &addresses[from->addresses[i]]);
}

static void
build(struct arena *arena, struct target_facts *target, const struct domain *from)
{
	facts_init_target_facts(target);
	target->domain = target->alabel = arena_strdup(arena, from->name);
	target->rank = from->rank;
	target->timestamp = 1795500000 + (from - domains);
	target->mx_status = from->mx_status;
	target->summary.verdict = from->verdict;
	strs_add(&target->summary.reasons, arena, "a reason");
	target->sts.status = from->sts;
	target->sts.mode = from->mode;
	if (from->sts_mismatch)
		strs_add(&target->sts.unmatched_mx, arena, "mx.elsewhere.example");
	target->tlsrpt.status = from->tlsrpt ? TLSRPT_VALID : TLSRPT_NONE;
	for (size_t i = 0; i < 2; i++)
		if (from->mx[i] >= 0)
			add_mx(arena, target, &hosts[from->mx[i]], i == 0);
	for (size_t i = 0; i < COUNT_OF(certs); i++) {
		struct cert_facts *cert =
		    arena_push(arena, &target->certs, &target->certs_n, sizeof(*cert));
		facts_init_cert_facts(cert);
		cert->fingerprint = arena_printf(arena, "%zu", i);
		cert->key_type = certs[i].key;
		cert->key_bits = certs[i].bits;
		cert->signature_algorithm = arena_strdup(arena, certs[i].signature);
		cert->issuer = arena_strdup(arena, certs[i].issuer);
		cert->days_left = certs[i].days_left;
		cert->not_before = 1000000000;
		cert->not_after = cert->not_before + certs[i].lifetime * 86400;
		cert->self_signed = certs[i].self_signed;
	}
}

static struct report_survey *
survey(void)
{
	struct report_survey *s = report_survey_new("2026-11-24");
	struct target_facts target;
	struct arena arena;

	for (size_t i = 0; i < COUNT_OF(domains); i++) {
		arena_init(&arena);
		build(&arena, &target, &domains[i]);
		report_survey_add(s, &target);
		arena_free(&arena);
	}
	report_survey_close(s);
	return s;
}

TEST(report_denominators_by_domain_host_and_address)
{
	struct report_survey *s = survey();
	const struct report_denominators *d = &s->denominators[REPORT_DOMAINS];

	CHECK_INT(s->records, 13);
	CHECK_INT(s->first, 1795500000);
	CHECK_INT(s->last, 1795500012);
	CHECK_INT(d->names, 13);
	CHECK_INT(d->resolved, 11);    /* not k, and of l nobody knows */
	CHECK_INT(d->accept_mail, 10); /* not j either */
	CHECK_INT(d->reachable, 8);    /* not h: left out; not i: no address; f has a 4xx */
	CHECK_INT(d->measured, 7);     /* nor f */
	CHECK_INT(d->with_tls, 6);     /* nor e */
	d = &s->denominators[REPORT_HOSTS];
	CHECK_INT(d->names, 9);
	CHECK_INT(d->resolved, 8);
	CHECK_INT(d->reachable, 7);
	CHECK_INT(d->measured, 6);
	CHECK_INT(d->with_tls, 5);
	d = &s->denominators[REPORT_ADDRESSES];
	CHECK_INT(d->names, 11);
	CHECK_INT(d->reachable, 9);
	CHECK_INT(d->measured, 8);
	CHECK_INT(d->with_tls, 6);
	report_survey_free(s);
}

/* Every row that is not zero, in any order: what a table has beyond them is a fault. */
static const struct expected {
	enum report_table table;
	const char *value;
	int n[REPORT_LEVELS];
} expected[] = {
	{ REPORT_TABLE_VERDICT, "dane", { 2, 0, 0 } },
	{ REPORT_TABLE_VERDICT, "pkix", { 1, 0, 0 } },
	{ REPORT_TABLE_VERDICT, "encrypted", { 1, 0, 0 } },
	{ REPORT_TABLE_VERDICT, "plaintext", { 2, 0, 0 } },
	{ REPORT_TABLE_VERDICT, "broken", { 1, 0, 0 } },
	{ REPORT_TABLE_VERDICT, "no-mail", { 1, 0, 0 } },
	{ REPORT_TABLE_VERDICT, "undeliverable", { 2, 0, 0 } },
	{ REPORT_TABLE_VERDICT, "unknown", { 3, 0, 0 } },
	{ REPORT_TABLE_MX_STATUS, "has_mx", { 9, 0, 0 } },
	{ REPORT_TABLE_MX_STATUS, "implicit_mx", { 1, 0, 0 } },
	{ REPORT_TABLE_MX_STATUS, "null_mx", { 1, 0, 0 } },
	{ REPORT_TABLE_MX_STATUS, "nxdomain", { 1, 0, 0 } },
	{ REPORT_TABLE_MX_STATUS, "dns_error", { 1, 0, 0 } },
	{ REPORT_TABLE_STARTTLS, "all", { 5, 4, 6 } },  /* a b c g m */
	{ REPORT_TABLE_STARTTLS, "some", { 1, 1, 0 } }, /* d */
	{ REPORT_TABLE_STARTTLS, "none", { 1, 1, 2 } }, /* e */
	{ REPORT_TABLE_STARTTLS, "unknown", { 3, 3, 3 } },
	{ REPORT_TABLE_IDENTITY, "trusted", { 4, 3, 4 } },              /* a b d m */
	{ REPORT_TABLE_IDENTITY, "name-match", { 4, 3, 4 } },           /* a b g m */
	{ REPORT_TABLE_IDENTITY, "trusted-and-match", { 3, 2, 3 } },    /* a b m */
	{ REPORT_TABLE_IDENTITY, "expired", { 1, 1, 1 } },              /* c */
	{ REPORT_TABLE_IDENTITY, "self-signed", { 1, 1, 1 } },          /* c */
	{ REPORT_TABLE_IDENTITY, "missing-intermediate", { 1, 1, 1 } }, /* g */
	{ REPORT_TABLE_VERSION, "TLSv1.3", { 4, 2, 3 } },               /* a b d m */
	{ REPORT_TABLE_VERSION, "TLSv1.2", { 2, 2, 2 } },               /* b g */
	{ REPORT_TABLE_VERSION, "TLSv1.0", { 1, 1, 1 } },               /* c */
	{ REPORT_TABLE_CIPHER, "TLS_AES_256_GCM_SHA384", { 4, 2, 3 } },
	{ REPORT_TABLE_CIPHER, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", { 2, 2, 2 } },
	{ REPORT_TABLE_CIPHER, "TLS_RSA_WITH_AES_128_CBC_SHA", { 1, 1, 1 } },
	{ REPORT_TABLE_GROUP, "X25519MLKEM768", { 3, 1, 2 } }, /* a b m */
	{ REPORT_TABLE_GROUP, "x25519", { 2, 2, 2 } },         /* b d */
	{ REPORT_TABLE_GROUP, "secp256r1", { 1, 1, 1 } },      /* g */
	{ REPORT_TABLE_KEY, "rsa 2048", { 3, 1, 2 } },
	{ REPORT_TABLE_KEY, "ecdsa 256", { 3, 1, 2 } },
	{ REPORT_TABLE_KEY, "rsa 4096", { 2, 2, 2 } },
	{ REPORT_TABLE_KEY, "rsa 1024", { 1, 1, 1 } },
	{ REPORT_TABLE_KEY, "ecdsa 384", { 1, 1, 1 } },
	{ REPORT_TABLE_SIGNATURE, "RSA-SHA256", { 5, 4, 5 } }, /* a b d g m */
	{ REPORT_TABLE_SIGNATURE, "ecdsa-with-SHA384", { 3, 1, 2 } },
	{ REPORT_TABLE_SIGNATURE, "RSA-SHA1", { 1, 1, 1 } },
	{ REPORT_TABLE_ISSUER, "Let's Encrypt", { 3, 1, 2 } },
	{ REPORT_TABLE_ISSUER, "DigiCert, Inc.", { 2, 2, 2 } },
	{ REPORT_TABLE_ISSUER, "(self-signed)", { 1, 1, 1 } },
	{ REPORT_TABLE_ISSUER, "Private CA", { 1, 1, 1 } },
	{ REPORT_TABLE_DAYS_LEFT, "61-90", { 3, 1, 2 } },
	{ REPORT_TABLE_DAYS_LEFT, "8-14", { 2, 2, 2 } },
	{ REPORT_TABLE_DAYS_LEFT, "0", { 1, 1, 1 } },
	{ REPORT_TABLE_DAYS_LEFT, "1-3", { 1, 1, 1 } },
	{ REPORT_TABLE_LIFETIME, "48-100", { 3, 1, 2 } },
	{ REPORT_TABLE_LIFETIME, "201-398", { 2, 2, 2 } },
	{ REPORT_TABLE_LIFETIME, "3651+", { 1, 1, 1 } },
	{ REPORT_TABLE_LIFETIME, "101-200", { 1, 1, 1 } },
	{ REPORT_TABLE_DANE, "valid", { 2, 1, 0 } },   /* a m */
	{ REPORT_TABLE_DANE, "partial", { 1, 0, 0 } }, /* b: the backup has none */
	{ REPORT_TABLE_DANE, "none", { 0, 1, 0 } },
	{ REPORT_TABLE_DANE, "insecure", { 2, 2, 0 } }, /* c d */
	{ REPORT_TABLE_DANE, "no-tls", { 1, 1, 0 } },   /* e */
	{ REPORT_TABLE_DANE, "error", { 1, 1, 0 } },    /* f */
	{ REPORT_TABLE_DANE, "mismatch", { 1, 1, 0 } }, /* g */
	{ REPORT_TABLE_DANE, "bogus", { 1, 1, 0 } },    /* h */
	{ REPORT_TABLE_DANE, "not_checked", { 1, 1, 0 } },
	{ REPORT_TABLE_TLSA, "3 1 1", { 4, 2, 0 } },
	{ REPORT_TABLE_TLSA, "2 1 1", { 1, 1, 0 } },
	{ REPORT_TABLE_MTA_STS, "enforce", { 1, 0, 0 } },
	{ REPORT_TABLE_MTA_STS, "testing", { 1, 0, 0 } },
	{ REPORT_TABLE_MTA_STS, "enforce-mx-mismatch", { 1, 0, 0 } },
	{ REPORT_TABLE_MTA_STS, "mode-none", { 1, 0, 0 } },
	{ REPORT_TABLE_MTA_STS, "none", { 2, 0, 0 } }, /* e m: j and k accept no mail */
	{ REPORT_TABLE_MTA_STS, "fetch-error", { 1, 0, 0 } },
	{ REPORT_TABLE_MTA_STS, "dns-error", { 1, 0, 0 } },
	{ REPORT_TABLE_MTA_STS, "webpki-invalid", { 1, 0, 0 } },
	{ REPORT_TABLE_MTA_STS, "policy-invalid", { 1, 0, 0 } },
	{ REPORT_TABLE_TLSRPT, "valid", { 2, 0, 0 } },
	{ REPORT_TABLE_TLSRPT, "none", { 8, 0, 0 } },
	{ REPORT_TABLE_IPV6, "aaaa", { 4, 2, 2 } }, /* a b f m */
	{ REPORT_TABLE_IPV6, "reachable", { 4, 2, 2 } },
	{ REPORT_TABLE_IPV6, "starttls", { 3, 1, 1 } }, /* not f */
	{ REPORT_TABLE_RESULT, "certificate-expired", { 1, 1, 1 } },
	{ REPORT_TABLE_RESULT, "starttls-not-supported", { 2, 2, 2 } },
	{ REPORT_TABLE_RESULT, "certificate-host-mismatch", { 1, 1, 1 } },
	{ REPORT_TABLE_RESULT, "tlsa-invalid", { 1, 1, 1 } },
	{ REPORT_TABLE_STATUS, "success", { 7, 6, 8 } },
	{ REPORT_TABLE_STATUS, "connection-timeout", { 1, 1, 1 } },
	{ REPORT_TABLE_STATUS, "temporary-rejection", { 1, 1, 1 } },
	{ REPORT_TABLE_STATUS, "blocklisted-target", { 1, 1, 1 } },
	{ REPORT_TABLE_NOT_ASKED, "excluded", { 1, 1, 1 } },
};

static const struct expected *
find_expected(enum report_table table, const char *value)
{
	for (size_t i = 0; i < COUNT_OF(expected); i++)
		if (expected[i].table == table && strcmp(expected[i].value, value) == 0)
			return &expected[i];
	return NULL;
}

TEST(report_counts_every_value_of_every_table_by_domain_host_and_address)
{
	struct report_survey *s = survey();
	size_t found = 0;

	for (int table = 0; table < REPORT_TABLES; table++) {
		const struct report_tally *tally = &s->tallies[table];
		for (size_t i = 0; i < tally->n; i++) {
			const struct report_row *row = &tally->rows[i];
			const struct expected *want =
			    find_expected((enum report_table)table, row->name);
			TEST_ROW("%s %s", tally->info->id, row->name);
			found += want != NULL;
			for (int level = 0; level < REPORT_LEVELS; level++)
				CHECK_INT(row->n[level], want == NULL ? 0 : want->n[level]);
		}
	}
	TEST_ROW("rows");
	CHECK_INT(found, COUNT_OF(expected));
	report_survey_free(s);
}

TEST(report_tables_say_what_a_hundred_percent_are)
{
	static const struct {
		enum report_table table;
		int of[REPORT_LEVELS];
	} rows[] = {
		{ REPORT_TABLE_VERDICT, { 13, 0, 0 } },
		{ REPORT_TABLE_STARTTLS, { 10, 9, 11 } },
		{ REPORT_TABLE_VERSION, { 6, 5, 6 } },
		{ REPORT_TABLE_IDENTITY, { 6, 5, 6 } },
		{ REPORT_TABLE_DANE, { 10, 9, 0 } },
		{ REPORT_TABLE_TLSA, { 5, 3, 0 } }, /* a b e g m */
		{ REPORT_TABLE_MTA_STS, { 10, 0, 0 } },
		{ REPORT_TABLE_IPV6, { 10, 9, 11 } },
	};
	struct report_survey *s = survey();

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		TEST_ROW("%s", report_tables[rows[i].table].id);
		for (int level = 0; level < REPORT_LEVELS; level++)
			CHECK_INT(s->tallies[rows[i].table].of[level], rows[i].of[level]);
	}
	report_survey_free(s);
}

TEST(report_figures_on_top)
{
	static const struct {
		enum report_figure figure;
		struct report_share share[REPORT_LEVELS];
	} rows[] = {
		{ REPORT_FIGURE_STARTTLS, { { 5, 7 }, { 4, 6 }, { 6, 8 } } },
		{ REPORT_FIGURE_TRUSTED, { { 3, 7 }, { 2, 6 }, { 3, 8 } } },
		{ REPORT_FIGURE_TLS13, { { 4, 6 }, { 2, 5 }, { 3, 6 } } },
		{ REPORT_FIGURE_PQ, { { 3, 6 }, { 1, 5 }, { 2, 6 } } },
		{ REPORT_FIGURE_DANE, { { 2, 10 }, { 1, 9 }, { 0, 0 } } },
		{ REPORT_FIGURE_STS, { { 1, 10 }, { 0, 0 }, { 0, 0 } } },
		{ REPORT_FIGURE_TLSRPT, { { 2, 10 }, { 0, 0 }, { 0, 0 } } },
		{ REPORT_FIGURE_IPV6, { { 4, 10 }, { 2, 9 }, { 0, 0 } } },
		{ REPORT_FIGURE_PLAINTEXT, { { 1, 7 }, { 1, 6 }, { 2, 8 } } },
		{ REPORT_FIGURE_OLD_TLS, { { 1, 6 }, { 1, 5 }, { 1, 6 } } },
		{ REPORT_FIGURE_EXPIRED, { { 1, 6 }, { 1, 5 }, { 1, 6 } } },
		{ REPORT_FIGURE_BROKEN, { { 1, 10 }, { 0, 0 }, { 0, 0 } } },
	};
	struct report_survey *s = survey();

	CHECK_INT(COUNT_OF(rows), REPORT_FIGURES_N);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		TEST_ROW("%s", report_figures[rows[i].figure].id);
		for (int level = 0; level < REPORT_LEVELS; level++) {
			CHECK_INT(s->figures[rows[i].figure][level].n, rows[i].share[level].n);
			CHECK_INT(s->figures[rows[i].figure][level].of, rows[i].share[level].of);
		}
	}
	report_survey_free(s);
}

TEST(report_groups_by_provider_tld_and_rank)
{
	static const struct {
		const char *name;
		int domains, starttls, dane;
	} providers[] = { { "good.example", 3, 3, 2 }, { "clear.example", 1, 0, 0 },
		{ "gone.example", 1, 0, 0 }, { "half.co.uk", 1, 0, 0 }, { "left.example", 1, 0, 0 },
		{ "nowhere.example", 1, 0, 0 }, { "self.example", 1, 1, 0 },
		{ "wrong.example", 1, 1, 0 } },
	  tlds[] = { { "test", 5, 1, 0 }, { "example", 4, 4, 2 }, { "uk", 1, 0, 0 } },
	  ranks[] = { { "top 100", 2, 2, 2 }, { "top 1,000", 3, 3, 2 }, { "top 10,000", 4, 4, 2 },
		  { "top 100,000", 4, 4, 2 }, { "top 1,000,000", 4, 4, 2 },
		  { "all with a rank", 4, 4, 2 } };
	struct report_survey *s = survey();
#define CHECK_GROUPS(breakdown, rows) \
	do { \
		CHECK_INT((breakdown)->n, COUNT_OF(rows)); \
		for (size_t i = 0; i < COUNT_OF(rows) && i < (breakdown)->n; i++) { \
			const struct report_group *group = &(breakdown)->groups[i]; \
			TEST_ROW("%s", rows[i].name); \
			CHECK_STR(group->name, rows[i].name); \
			CHECK_INT(group->domains, rows[i].domains); \
			CHECK_INT(group->n[REPORT_METRIC_STARTTLS], rows[i].starttls); \
			CHECK_INT(group->n[REPORT_METRIC_DANE], rows[i].dane); \
		} \
	} while (0)

	CHECK_GROUPS(&s->providers, providers);
	CHECK_GROUPS(&s->tlds, tlds);
	CHECK_GROUPS(&s->ranks, ranks);
	report_survey_free(s);
}

TEST(report_names_the_worst_first)
{
	static const char *const order[] = { "g.test", "d.co.uk", "e.test" };
	struct report_survey *s = survey();

	CHECK_INT(s->findings.offered, 3);
	for (size_t i = 0; i < s->findings.n && i < COUNT_OF(order); i++)
		CHECK_STR(s->findings.list[i].domain, order[i]);
	report_survey_free(s);
}
