#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "policy/verdict.h"
#include "test.h"

/*
 * Targets in a short notation: MX hosts separated by spaces, '1' primary or '2' backup, then one
 * letter for each of its addresses:
 *   p  complete handshake, trusted, right name        e  not trusted
 *   n  names another host                             x  expired
 *   u  handshake, not verified                        d  pkix with RSA, not trusted with ECDSA
 *   a  pkix, the other key type failed (absent)       i  pkix, TLS from the first byte
 *   -  complete EHLO without STARTTLS                 h  HELO only
 *   s  the same, with a keyword of X                  5  STARTTLS 554
 *   4  STARTTLS 454                                   f  220, handshake failed
 *   c  220, closed in the handshake                   t  220, handshake timed out
 *   j  bytes after the 220                            o  offered, closed after STARTTLS
 *   ?  connection timed out                           g  greeting 421
 *   r  greeting 554
 *   v  self-signed, matches a TLSA record            w  pkix, matches none
 *   y  not trusted, and matches none                  z  matches with RSA, not with ECDSA
 *   b  expired, matches                               k  both kinds match, pkix
 * A host without addresses: '=' NODATA, '!' NXDOMAIN, '*' SERVFAIL, '%' bogus, '#' address literal.
 * TLSA records of the host: U usable, M the same behind unsigned MX records, N unusable, B bogus, E the
 * lookup failed, O none. The MTA-STS policy: Y names the host, W does not; its mode is policy_mode.
 */
struct build {
	struct arena arena;
	struct target_facts target;
};

static enum sts_mode policy_mode; /* of the next one that is built */

static struct tls_facts *
add_tls(struct build *b, struct host_facts *host, enum tri trusted, enum tri name)
{
	struct tls_facts *tls = arena_push(&b->arena, &host->tls, &host->tls_n, sizeof(*tls));

	facts_init_tls_facts(tls);
	tls->complete = TRI_YES;
	tls->version_value = 0x304;
	tls->verify.trusted = trusted;
	tls->verify.matches_mx = name;
	tls->verify.expired = TRI_NO;
	if (trusted == TRI_NO)
		tls->verify.error = arena_strdup(&b->arena, "unable to get issuer");
	return tls;
}

static void
add_handshake(struct build *b, struct host_facts *host, char letter)
{
	enum tri trusted = strchr("exvyb", letter) != NULL ? TRI_NO : TRI_YES;
	struct tls_facts *tls;

	host->starttls_state = letter == 'i' ? STARTTLS_IMPLICIT : STARTTLS_DONE;
	host->status = HOST_SUCCESS;
	if (letter == 'u') {
		add_tls(b, host, TRI_UNKNOWN, TRI_UNKNOWN)->verify.expired = TRI_UNKNOWN;
		return;
	}
	tls = add_tls(b, host, trusted, letter == 'n' ? TRI_NO : TRI_YES);
	if (letter == 'x' || letter == 'b')
		tls->verify.expired = TRI_YES;
	if (strchr("vbkz", letter) != NULL)
		tls->dane = DANE_VALID;
	if (letter == 'w' || letter == 'y')
		tls->dane = DANE_MISMATCH;
	if (letter == 'z' || letter == 'k') {
		tls->offer = KEY_RSA;
		tls = add_tls(b, host, TRI_YES, TRI_YES);
		tls->offer = KEY_ECDSA;
		tls->dane = letter == 'k' ? DANE_VALID : DANE_MISMATCH;
	}
	if (letter == 'd')
		add_tls(b, host, TRI_NO, TRI_YES)->offer = KEY_ECDSA;
	if (letter == 'a') {
		tls = add_tls(b, host, TRI_UNKNOWN, TRI_UNKNOWN);
		tls->complete = TRI_NO;
		tls->offer = KEY_ECDSA;
	}
}

static void
fill_host(struct build *b, struct host_facts *host, char letter)
{
	static const struct {
		char letter;
		enum starttls_state state;
		enum host_status status;
		int ehlo, starttls;
	} rows[] = {
		{ '-', STARTTLS_NOT_OFFERED, HOST_SUCCESS, 250, -1 },
		{ 's', STARTTLS_NOT_OFFERED, HOST_SUCCESS, 250, -1 },
		{ 'h', STARTTLS_NOT_OFFERED, HOST_SUCCESS, 502, -1 },
		{ '5', STARTTLS_REFUSED, HOST_APPLICATION_ERROR, 250, 554 },
		{ '4', STARTTLS_REFUSED, HOST_TEMPORARY, 250, 454 },
		{ 'f', STARTTLS_FAILED, HOST_HANDSHAKE_ERROR, 250, 220 },
		{ 'c', STARTTLS_FAILED, HOST_CLOSED, 250, 220 },
		{ 't', STARTTLS_FAILED, HOST_IO_TIMEOUT, 250, 220 },
		{ 'j', STARTTLS_FAILED, HOST_PROTOCOL_ERROR, 250, 220 },
		{ 'o', STARTTLS_OFFERED, HOST_CLOSED, 250, -1 },
		{ '?', STARTTLS_UNKNOWN, HOST_CONNECT_TIMEOUT, -1, -1 },
		{ 'g', STARTTLS_UNKNOWN, HOST_TEMPORARY, -1, -1 },
		{ 'r', STARTTLS_UNKNOWN, HOST_REJECTED, -1, -1 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].letter != letter)
			continue;
		host->starttls_state = rows[i].state;
		host->status = rows[i].status;
		host->ehlo_code = rows[i].ehlo;
		host->starttls_code = rows[i].starttls;
		host->ehlo_unsupported = letter == 'h';
		host->keyword_masked = letter == 's';
		host->post_220_bytes = letter == 'j' ? 12 : 0;
		if (rows[i].starttls > 400)
			host->starttls_reply =
			    arena_printf(&b->arena, "%d TLS not available", rows[i].starttls);
		if (rows[i].state == STARTTLS_FAILED && letter != 'j')
			host->error = arena_strdup(&b->arena, "no shared cipher");
		return;
	}
	add_handshake(b, host, letter);
}

static void
fill_unresolved(struct build *b, struct exchange_facts *mx, char letter)
{
	mx->dns_status = letter == '='   ? DNS_NODATA
			 : letter == '!' ? DNS_NXDOMAIN
			 : letter == '*' ? DNS_SERVFAIL
			 : letter == '%' ? DNS_SERVFAIL
					 : DNS_NOT_ASKED;
	if (letter == '%')
		mx->dnssec = DNSSEC_BOGUS;
	if (letter == '#')
		mx->finding = arena_strdup(&b->arena, "the MX record names an address");
}

static bool
fill_tlsa(struct exchange_facts *mx, char letter)
{
	static const struct {
		char letter;
		enum tlsa_status status;
	} rows[] = { { 'U', TLSA_USABLE }, { 'M', TLSA_INSECURE_MX }, { 'N', TLSA_UNUSABLE },
		{ 'B', TLSA_BOGUS }, { 'E', TLSA_ERROR }, { 'O', TLSA_NONE } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].letter == letter) {
			mx->tlsa.status = rows[i].status;
			return true;
		}
	return false;
}

static void
build(struct build *b, const char *notation)
{
	struct exchange_facts *mx = NULL;

	arena_init(&b->arena);
	facts_init_target_facts(&b->target);
	b->target.mx_status = MX_HAS_MX;
	b->target.sts.mode = policy_mode;
	b->target.sts.status = policy_mode == STS_MODE_UNKNOWN ? STS_NOT_CHECKED : STS_VALID;
	for (const char *p = notation; *p != '\0'; p++) {
		if (*p == '1' || *p == '2') {
			mx = arena_push(
			    &b->arena, &b->target.exchanges, &b->target.exchanges_n, sizeof(*mx));
			facts_init_exchange_facts(mx);
			mx->name = arena_printf(&b->arena, "mx%zu.example", b->target.exchanges_n);
			mx->primary = *p == '1';
			mx->dns_status = DNS_OK;
		} else if (strchr("=!*%#", *p) != NULL) {
			fill_unresolved(b, mx, *p);
		} else if (*p == 'Y' || *p == 'W') {
			strs_add(&b->target.sts.mx, &b->arena,
			    *p == 'Y' ? mx->name : "mx.other.example");
		} else if (*p != ' ' && !fill_tlsa(mx, *p)) {
			struct host_facts *host =
			    arena_push(&b->arena, &mx->hosts, &mx->hosts_n, sizeof(*host));
			facts_init_host_facts(host);
			host->ip = arena_printf(
			    &b->arena, "192.0.2.%zu", b->target.exchanges_n * 10 + mx->hosts_n);
			host->port = 25;
			fill_host(b, host, *p);
		}
	}
	verdict_summarize(&b->target, &b->arena, 1000000000);
}

TEST(verdict_is_the_lowest_measured_rung_of_the_primaries)
{
	static const struct {
		const char *hosts;
		enum verdict verdict;
		int exit;
		enum quantity starttls;
		bool mixed;
		int measured, unknown;
	} rows[] = {
		/* one rung each */
		{ "1p", VERDICT_PKIX, 0, QUANTITY_ALL, false, 1, 0 },
		{ "1i", VERDICT_PKIX, 0, QUANTITY_ALL, false, 1, 0 },
		{ "1e", VERDICT_ENCRYPTED, 1, QUANTITY_ALL, false, 1, 0 },
		{ "1n", VERDICT_ENCRYPTED, 1, QUANTITY_ALL, false, 1, 0 },
		{ "1x", VERDICT_ENCRYPTED, 1, QUANTITY_ALL, false, 1, 0 },
		{ "1u", VERDICT_ENCRYPTED, 1, QUANTITY_ALL, false, 1, 0 },
		{ "1-", VERDICT_PLAINTEXT, 2, QUANTITY_NONE, false, 1, 0 },
		{ "1s", VERDICT_PLAINTEXT, 2, QUANTITY_NONE, false, 1, 0 },
		{ "1h", VERDICT_PLAINTEXT, 2, QUANTITY_NONE, false, 1, 0 },
		{ "15", VERDICT_PLAINTEXT, 2, QUANTITY_NONE, false, 1, 0 },
		{ "1f", VERDICT_PLAINTEXT, 2, QUANTITY_NONE, false, 1, 0 },
		{ "1c", VERDICT_PLAINTEXT, 2, QUANTITY_NONE, false, 1, 0 },
		{ "1j", VERDICT_PLAINTEXT, 2, QUANTITY_NONE, false, 1, 0 },
		/* a "no" must be earned */
		{ "1?", VERDICT_UNKNOWN, 3, QUANTITY_UNKNOWN, false, 0, 1 },
		{ "1g", VERDICT_UNKNOWN, 3, QUANTITY_UNKNOWN, false, 0, 1 },
		{ "1r", VERDICT_UNKNOWN, 3, QUANTITY_UNKNOWN, false, 0, 1 },
		{ "14", VERDICT_UNKNOWN, 3, QUANTITY_UNKNOWN, false, 0, 1 },
		{ "1o", VERDICT_UNKNOWN, 3, QUANTITY_UNKNOWN, false, 0, 1 },
		{ "1t", VERDICT_UNKNOWN, 3, QUANTITY_UNKNOWN, false, 0, 1 },
		{ "1?gr4ot", VERDICT_UNKNOWN, 3, QUANTITY_UNKNOWN, false, 0, 6 },
		/* unknown changes no measured result */
		{ "1p?", VERDICT_PKIX, 0, QUANTITY_ALL, false, 1, 1 },
		{ "1? 1p", VERDICT_PKIX, 0, QUANTITY_ALL, false, 1, 1 },
		{ "1g-", VERDICT_PLAINTEXT, 2, QUANTITY_NONE, false, 1, 1 },
		{ "1e4 1*", VERDICT_ENCRYPTED, 1, QUANTITY_ALL, false, 1, 1 },
		/* mixed: the lowest */
		{ "1ppp", VERDICT_PKIX, 0, QUANTITY_ALL, false, 3, 0 },
		{ "1pe", VERDICT_ENCRYPTED, 1, QUANTITY_ALL, true, 2, 0 },
		{ "1e 1p", VERDICT_ENCRYPTED, 1, QUANTITY_ALL, true, 2, 0 },
		{ "1p 1-", VERDICT_PLAINTEXT, 2, QUANTITY_SOME, true, 2, 0 },
		{ "1-p", VERDICT_PLAINTEXT, 2, QUANTITY_SOME, true, 2, 0 },
		{ "1pe-?", VERDICT_PLAINTEXT, 2, QUANTITY_SOME, true, 3, 1 },
		{ "1pf", VERDICT_PLAINTEXT, 2, QUANTITY_SOME, true, 2, 0 },
		/* key types (DECISIONS 14, 21) */
		{ "1d", VERDICT_ENCRYPTED, 1, QUANTITY_ALL, true, 1, 0 },
		{ "1a", VERDICT_PKIX, 0, QUANTITY_ALL, false, 1, 0 },
		/* backups */
		{ "1p 2p", VERDICT_PKIX, 0, QUANTITY_ALL, false, 2, 0 },
		{ "1p 2-", VERDICT_BACKUP_PLAINTEXT, 1, QUANTITY_SOME, true, 2, 0 },
		{ "1e 2-", VERDICT_BACKUP_PLAINTEXT, 1, QUANTITY_SOME, true, 2, 0 },
		{ "1p 2p 2p-", VERDICT_BACKUP_PLAINTEXT, 1, QUANTITY_SOME, true, 4, 0 },
		{ "1- 2-", VERDICT_PLAINTEXT, 2, QUANTITY_NONE, false, 2, 0 },
		{ "1- 2p", VERDICT_PLAINTEXT, 2, QUANTITY_SOME, true, 2, 0 },
		{ "1p 2e", VERDICT_PKIX, 0, QUANTITY_ALL, true, 2, 0 },
		{ "1p 2?", VERDICT_PKIX, 0, QUANTITY_ALL, false, 1, 1 },
		/* no primary measured */
		{ "1? 2p", VERDICT_UNKNOWN, 3, QUANTITY_ALL, false, 1, 1 },
		{ "1? 2-", VERDICT_BACKUP_PLAINTEXT, 1, QUANTITY_NONE, false, 1, 1 },
		{ "1! 2p", VERDICT_UNKNOWN, 3, QUANTITY_ALL, false, 1, 0 },
		/* no MX resolves (DECISIONS 16) */
		{ "1!", VERDICT_UNDELIVERABLE, 2, QUANTITY_UNKNOWN, false, 0, 0 },
		{ "1= 2!", VERDICT_UNDELIVERABLE, 2, QUANTITY_UNKNOWN, false, 0, 0 },
		{ "1#", VERDICT_UNDELIVERABLE, 2, QUANTITY_UNKNOWN, false, 0, 0 },
		{ "1# 2p", VERDICT_UNKNOWN, 3, QUANTITY_ALL, false, 1, 0 },
		{ "1! 1*", VERDICT_UNKNOWN, 3, QUANTITY_UNKNOWN, false, 0, 0 },
		{ "1*", VERDICT_UNKNOWN, 3, QUANTITY_UNKNOWN, false, 0, 0 },
		{ "1! 1?", VERDICT_UNKNOWN, 3, QUANTITY_UNKNOWN, false, 0, 1 },
		{ "1! 1p", VERDICT_PKIX, 0, QUANTITY_ALL, false, 1, 0 },
		{ "1", VERDICT_UNKNOWN, 3, QUANTITY_UNKNOWN, false, 0, 0 },
		{ "", VERDICT_UNKNOWN, 3, QUANTITY_UNKNOWN, false, 0, 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct build b;
		const struct summary_facts *summary = &b.target.summary;
		TEST_ROW("%s", rows[i].hosts);
		build(&b, rows[i].hosts);
		CHECK_STR(verdict_str(summary->verdict), verdict_str(rows[i].verdict));
		CHECK_INT(verdict_exit(summary->verdict), rows[i].exit);
		CHECK_STR(quantity_str(summary->starttls), quantity_str(rows[i].starttls));
		CHECK_INT(summary->mixed, rows[i].mixed);
		CHECK_INT(summary->measured, rows[i].measured);
		CHECK_INT(summary->unknown, rows[i].unknown);
		CHECK_INT(summary->hosts, rows[i].measured + rows[i].unknown);
		arena_free(&b.arena);
	}
}

TEST(verdict_with_an_mta_sts_policy)
{
	static const struct {
		enum sts_mode mode;
		const char *hosts;
		enum verdict verdict;
		int exit;
		const char *reason; /* one of the reasons has this in it */
	} rows[] = {
		/* the rung: a policy that names every host, and certificates that fit */
		{ STS_MODE_ENFORCE, "1Yp", VERDICT_MTA_STS, 0, NULL },
		{ STS_MODE_ENFORCE, "1Ypp 2Yp", VERDICT_MTA_STS, 0, NULL },
		{ STS_MODE_ENFORCE, "1Yp?", VERDICT_MTA_STS, 0, NULL },
		{ STS_MODE_ENFORCE, "1Ya", VERDICT_MTA_STS, 0, NULL },
		{ STS_MODE_ENFORCE, "1YUk", VERDICT_DANE, 0, NULL },
		{ STS_MODE_ENFORCE, "1YUk 1Yp", VERDICT_MTA_STS, 0, NULL },
		{ STS_MODE_ENFORCE, "1Y?", VERDICT_UNKNOWN, 3, NULL },
		{ STS_MODE_ENFORCE, "1Y?g 2Y4", VERDICT_UNKNOWN, 3, NULL },
		/* DECISIONS 15: nothing that a sender could use */
		{ STS_MODE_ENFORCE, "1Ye", VERDICT_BROKEN, 2, "is not trusted" },
		{ STS_MODE_ENFORCE, "1Yn", VERDICT_BROKEN, 2, "names another host" },
		{ STS_MODE_ENFORCE, "1Yx", VERDICT_BROKEN, 2, "not valid at this time" },
		{ STS_MODE_ENFORCE, "1Y-", VERDICT_BROKEN, 2, NULL },
		{ STS_MODE_ENFORCE, "1Wp", VERDICT_BROKEN, 2,
		    "mx1.example: the MTA-STS policy does not name this host: senders" },
		{ STS_MODE_ENFORCE, "1W?", VERDICT_BROKEN, 2, NULL },
		{ STS_MODE_ENFORCE, "1Wp 2Ye", VERDICT_BROKEN, 2, NULL },
		{ STS_MODE_ENFORCE, "1W!", VERDICT_UNDELIVERABLE, 2, NULL },
		/* DANE is of no use to a sender that knows only MTA-STS */
		{ STS_MODE_ENFORCE, "1YUv", VERDICT_BROKEN, 2, NULL },
		/* and the other way round */
		{ STS_MODE_ENFORCE, "1YUw", VERDICT_BROKEN, 2, NULL },
		{ STS_MODE_ENFORCE, "1YUw 1Yp", VERDICT_BROKEN_SOME, 1, NULL },
		/* some */
		{ STS_MODE_ENFORCE, "1Yp 1Wp", VERDICT_BROKEN_SOME, 1, NULL },
		{ STS_MODE_ENFORCE, "1Yp 2Wp", VERDICT_BROKEN_SOME, 1, NULL },
		{ STS_MODE_ENFORCE, "1Yp 2W?", VERDICT_BROKEN_SOME, 1, NULL },
		{ STS_MODE_ENFORCE, "1Yd", VERDICT_BROKEN_SOME, 1, NULL },
		{ STS_MODE_ENFORCE, "1Ype", VERDICT_BROKEN_SOME, 1, NULL },
		{ STS_MODE_ENFORCE, "1Yp 1Y-", VERDICT_PLAINTEXT, 2, NULL },
		{ STS_MODE_ENFORCE, "1Yp 2Y-", VERDICT_BROKEN_SOME, 1, NULL },
		/* what was not measured may be good */
		{ STS_MODE_ENFORCE, "1Wp 2Y?", VERDICT_BROKEN_SOME, 1, NULL },
		{ STS_MODE_ENFORCE, "1Ye?", VERDICT_BROKEN_SOME, 1, NULL },
		{ STS_MODE_ENFORCE, "1Wp 2Y*", VERDICT_BROKEN_SOME, 1, NULL },
		{ STS_MODE_ENFORCE, "1Wp 2Y", VERDICT_BROKEN_SOME, 1, NULL },
		{ STS_MODE_ENFORCE, "1Wp 2Y!", VERDICT_BROKEN, 2, NULL },
		{ STS_MODE_ENFORCE, "1Wp 2Y=", VERDICT_BROKEN, 2, NULL },
		/* testing: a note, and the rung as without */
		{ STS_MODE_TESTING, "1Yp", VERDICT_PKIX, 0, "the mode is testing: senders" },
		{ STS_MODE_TESTING, "1Ye", VERDICT_ENCRYPTED, 1, "would deliver nowhere" },
		{ STS_MODE_TESTING, "1Wp", VERDICT_PKIX, 0, "would deliver nowhere" },
		{ STS_MODE_TESTING, "1Wp 1Yp", VERDICT_PKIX, 0, "would avoid some" },
		{ STS_MODE_TESTING, "1YUv", VERDICT_DANE, 0, "would deliver nowhere" },
		/* none asks for nothing */
		{ STS_MODE_NONE, "1p", VERDICT_PKIX, 0, "the mode is none" },
		{ STS_MODE_NONE, "1e", VERDICT_ENCRYPTED, 1, NULL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct build b;
		bool said = rows[i].reason == NULL;
		TEST_ROW("%s %s", sts_mode_str(rows[i].mode), rows[i].hosts);
		policy_mode = rows[i].mode;
		build(&b, rows[i].hosts);
		policy_mode = STS_MODE_UNKNOWN;
		CHECK_STR(verdict_str(b.target.summary.verdict), verdict_str(rows[i].verdict));
		CHECK_INT(verdict_exit(b.target.summary.verdict), rows[i].exit);
		for (size_t j = 0; !said && j < b.target.summary.reasons.n; j++)
			said = strstr(b.target.summary.reasons.v[j], rows[i].reason) != NULL;
		CHECK(said);
		arena_free(&b.arena);
	}
}

TEST(a_certificate_without_san_is_no_good_for_mta_sts)
{
	struct build b;
	struct cert_facts *cert;

	/* RFC 8461 s4.2: a common name is enough for nobody */
	for (int names = 0; names < 3; names++) {
		TEST_ROW("%d names", names);
		policy_mode = STS_MODE_ENFORCE;
		build(&b, "1Yp");
		policy_mode = STS_MODE_UNKNOWN;
		cert = arena_push(&b.arena, &b.target.certs, &b.target.certs_n, sizeof(*cert));
		facts_init_cert_facts(cert);
		cert->fingerprint = arena_strdup(&b.arena, "aa");
		if (names == 1)
			strs_add(&cert->names, &b.arena, "192.0.2.1");
		if (names == 2)
			strs_add(&cert->names, &b.arena, "mx1.example");
		strs_add(&b.target.exchanges[0].hosts[0].tls[0].chain, &b.arena, "aa");
		verdict_summarize(&b.target, &b.arena, 1000000000);
		CHECK_STR(verdict_str(b.target.summary.verdict),
		    names == 2 ? "mta-sts-enforce" : "broken");
		arena_free(&b.arena);
	}
}

TEST(a_policy_that_cannot_be_had_is_a_reason)
{
	static const enum sts_status states[] = { STS_RECORD_INVALID, STS_FETCH_ERROR,
		STS_WEBPKI_INVALID, STS_POLICY_INVALID, STS_DNS_ERROR };
	struct build b;

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		TEST_ROW("%s", sts_status_str(states[i]));
		build(&b, "1p");
		CHECK_INT(b.target.summary.reasons.n, 0);
		b.target.sts.status = states[i];
		b.target.sts.reason = arena_strdup(&b.arena, "because");
		verdict_summarize(&b.target, &b.arena, 1000000000);
		CHECK_INT(b.target.summary.verdict, VERDICT_PKIX);
		CHECK_INT(b.target.summary.reasons.n, 1);
		CHECK(strstr(b.target.summary.reasons.v[0], sts_status_str(states[i])) != NULL);
		CHECK(strstr(b.target.summary.reasons.v[0], "because") != NULL);
		arena_free(&b.arena);
	}
}

TEST(verdict_with_tlsa_records)
{
	static const struct {
		const char *hosts;
		enum verdict verdict;
		int exit;
		bool mixed;
		const char *type; /* result_type of the first address */
	} rows[] = {
		/* DECISIONS 14: every address and key type */
		{ "1Uv", VERDICT_DANE, 0, false, NULL },
		{ "1Uk", VERDICT_DANE, 0, false, NULL },
		{ "1Ub", VERDICT_DANE, 0, false, NULL },
		{ "1Uvvk 1Uv", VERDICT_DANE, 0, false, NULL },
		{ "1Uv 2Uv", VERDICT_DANE, 0, false, NULL },
		{ "1Uv?", VERDICT_DANE, 0, false, NULL },
		{ "1Uv 1Op", VERDICT_PKIX, 0, true, NULL },
		{ "1Uv 1p", VERDICT_PKIX, 0, true, NULL },
		{ "1Uv 1e", VERDICT_ENCRYPTED, 1, true, NULL },
		{ "1Uv 2p", VERDICT_DANE, 0, true, NULL },
		{ "1Uv 2-", VERDICT_BACKUP_PLAINTEXT, 1, true, NULL },
		/* DECISIONS B12: behind unsigned MX records it is never dane */
		{ "1Mk", VERDICT_PKIX, 0, false, NULL },
		{ "1Mv", VERDICT_ENCRYPTED, 1, false, NULL },
		/* DECISIONS 15: nothing that an enforcing sender could use */
		{ "1Uw", VERDICT_BROKEN, 2, false, "tlsa-invalid" },
		{ "1Uy", VERDICT_BROKEN, 2, false, "tlsa-invalid" },
		{ "1Mw", VERDICT_BROKEN, 2, false, "tlsa-invalid" },
		{ "1Uww 1Uw", VERDICT_BROKEN, 2, false, "tlsa-invalid" },
		{ "1U-", VERDICT_BROKEN, 2, false, "starttls-not-supported" },
		{ "1N-", VERDICT_BROKEN, 2, false, "starttls-not-supported" },
		{ "1U5", VERDICT_BROKEN, 2, false, "x-starttls-rejected" },
		{ "1Uf", VERDICT_BROKEN, 2, false, "validation-failure" },
		{ "1Uw 2U-", VERDICT_BROKEN, 2, true, "tlsa-invalid" },
		{ "1Uw 1U?", VERDICT_BROKEN, 2, false, "tlsa-invalid" },
		{ "1Bp", VERDICT_BROKEN, 2, false, "dnssec-invalid" },
		{ "1B-", VERDICT_BROKEN, 2, false, "starttls-not-supported" },
		{ "1Be", VERDICT_BROKEN, 2, false, "dnssec-invalid" },
		{ "1%", VERDICT_BROKEN, 2, false, NULL },
		{ "1B%", VERDICT_BROKEN, 2, false, NULL },
		{ "1B?", VERDICT_BROKEN, 2, false, "dnssec-invalid" },
		/* some of them */
		{ "1Uvw", VERDICT_BROKEN_SOME, 1, true, NULL },
		{ "1Uz", VERDICT_BROKEN_SOME, 1, true, "tlsa-invalid" },
		{ "1Uw 1Uv", VERDICT_BROKEN_SOME, 1, true, "tlsa-invalid" },
		{ "1Uw 1p", VERDICT_BROKEN_SOME, 1, false, "tlsa-invalid" },
		{ "1Uv 2Uw", VERDICT_BROKEN_SOME, 1, true, NULL },
		{ "1Uv 2%", VERDICT_BROKEN_SOME, 1, false, NULL },
		{ "1Uv 1Bp", VERDICT_BROKEN_SOME, 1, true, NULL },
		{ "1Uw 1O-", VERDICT_PLAINTEXT, 2, true, "tlsa-invalid" },
		{ "1Uv 1U-", VERDICT_PLAINTEXT, 2, true, NULL },
		{ "1Uv 2U-", VERDICT_BROKEN_SOME, 1, true, NULL },
		/* records that nobody can use ask for TLS only */
		{ "1Np", VERDICT_PKIX, 0, false, NULL },
		{ "1Ne", VERDICT_ENCRYPTED, 1, false, "certificate-not-trusted" },
		/* a failed lookup is no finding about the domain */
		{ "1Ep", VERDICT_PKIX, 0, false, NULL },
		{ "1Ee", VERDICT_ENCRYPTED, 1, false, "certificate-not-trusted" },
		{ "1E-", VERDICT_PLAINTEXT, 2, false, "starttls-not-supported" },
		{ "1Uw 1Ep", VERDICT_BROKEN, 2, false, "tlsa-invalid" },
		/* and what was not measured is none */
		{ "1U?", VERDICT_UNKNOWN, 3, false, NULL },
		{ "1U4", VERDICT_UNKNOWN, 3, false, "x-starttls-rejected" },
		{ "1Up", VERDICT_PKIX, 0, false, NULL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct build b;
		const struct summary_facts *summary = &b.target.summary;
		TEST_ROW("%s", rows[i].hosts);
		build(&b, rows[i].hosts);
		CHECK_STR(verdict_str(summary->verdict), verdict_str(rows[i].verdict));
		CHECK_INT(verdict_exit(summary->verdict), rows[i].exit);
		CHECK_INT(summary->mixed, rows[i].mixed);
		if (b.target.exchanges[0].hosts_n > 0)
			CHECK_STR(b.target.exchanges[0].hosts[0].result_type, rows[i].type);
		arena_free(&b.arena);
	}
}

TEST(verdict_broken_when_the_mx_records_are_bogus)
{
	struct build b;

	build(&b, "");
	b.target.mx_status = MX_DNS_ERROR;
	b.target.dns.dnssec = DNSSEC_BOGUS;
	verdict_summarize(&b.target, &b.arena, 0);
	CHECK_STR(verdict_str(b.target.summary.verdict), "broken");
	b.target.dns.dnssec = DNSSEC_INDETERMINATE;
	verdict_summarize(&b.target, &b.arena, 0);
	CHECK_STR(verdict_str(b.target.summary.verdict), "unknown");
	arena_free(&b.arena);
}

TEST(verdict_reasons_name_host_and_address)
{
	static const struct {
		const char *hosts, *reasons; /* joined by " | " */
	} rows[] = {
		{ "1p", "" },
		{ "1a", "" },
		{ "1-", "mx1.example [192.0.2.11]: no STARTTLS in a complete EHLO reply" },
		{ "1s", "mx1.example [192.0.2.11]: no STARTTLS in a complete EHLO reply, but a "
			"keyword made of X: something on the way strips it" },
		{ "1h",
		    "mx1.example [192.0.2.11]: no STARTTLS: the server does not know EHLO, only "
		    "HELO (ehlo-unsupported)" },
		{ "15",
		    "mx1.example [192.0.2.11]: STARTTLS is advertised, but refused for good: 554 "
		    "TLS not available" },
		{ "14", "mx1.example [192.0.2.11]: not measured: STARTTLS is refused for now: 454 "
			"TLS not available" },
		{ "1f",
		    "mx1.example [192.0.2.11]: STARTTLS is accepted, but the handshake fails: no "
		    "shared cipher" },
		{ "1j", "mx1.example [192.0.2.11]: bytes in clear after the reply to STARTTLS: "
			"response injection" },
		{ "1e", "mx1.example [192.0.2.11]: certificate is not trusted: unable to get "
			"issuer" },
		{ "1n", "mx1.example [192.0.2.11]: certificate names another host" },
		{ "1x", "mx1.example [192.0.2.11]: certificate is not valid at this time" },
		{ "1u", "mx1.example [192.0.2.11]: certificate was not verified" },
		{ "1d",
		    "mx1.example [192.0.2.11]: certificate (ECDSA) is not trusted: unable to get "
		    "issuer" },
		{ "1?", "mx1.example [192.0.2.11]: not measured: connection-timeout" },
		{ "1g", "mx1.example [192.0.2.11]: not measured: temporary-rejection" },
		{ "1o", "mx1.example [192.0.2.11]: not measured: connection-closed" },
		{ "1p- 2e?",
		    "mx1.example [192.0.2.12]: no STARTTLS in a complete EHLO reply | mx2.example "
		    "[192.0.2.21]: certificate is not trusted: unable to get issuer | mx2.example "
		    "[192.0.2.22]: not measured: connection-timeout" },
		{ "1= 1! 1* 1#",
		    "mx1.example: has no address | mx2.example: does not exist | mx3.example: "
		    "address lookup failed (SERVFAIL) | mx4.example: the MX record names an "
		    "address" },
		{ "1! 2p", "mx1.example: does not exist | no primary MX host could be measured" },
		{ "1", "mx1.example: no address was tried" },
		{ "1Uv", "" },
		{ "1Ub", "mx1.example [192.0.2.11]: certificate is not valid at this time, which "
			 "DANE-EE does not look at" },
		{ "1Uw", "mx1.example [192.0.2.11]: certificate matches no TLSA record" },
		{ "1Uz", "mx1.example [192.0.2.11]: certificate (ECDSA) matches no TLSA record" },
		{ "1Uy",
		    "mx1.example [192.0.2.11]: certificate matches no TLSA record | mx1.example "
		    "[192.0.2.11]: certificate is not trusted: unable to get issuer" },
		{ "1Bp", "mx1.example: TLSA: senders that use DANE avoid this host: bogus" },
		{ "1Ep", "mx1.example: TLSA: senders that use DANE avoid this host for now: "
			 "error" },
		{ "1Np", "mx1.example: TLSA proves nothing: unusable" },
		{ "1Mk", "mx1.example: TLSA does not count as DANE: dane-insecure-mx" },
		{ "1%", "mx1.example: address lookup failed (DNSSEC bogus, SERVFAIL)" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct build b;
		struct buf joined;
		TEST_ROW("%s", rows[i].hosts);
		build(&b, rows[i].hosts);
		buf_init(&joined, 10000);
		for (size_t j = 0; j < b.target.summary.reasons.n; j++)
			buf_printf(
			    &joined, "%s%s", j == 0 ? "" : " | ", b.target.summary.reasons.v[j]);
		CHECK_STR(buf_str(&joined), rows[i].reasons);
		buf_free(&joined);
		arena_free(&b.arena);
	}
}

TEST(verdict_of_what_the_mx_lookup_alone_decides)
{
	static const struct {
		enum mx_status status;
		const char *hosts;
		enum verdict verdict;
		int exit;
		const char *reason;
	} rows[] = {
		{ MX_NULL, "", VERDICT_NO_MAIL, 0,
		    "null MX: the domain accepts no mail (RFC 7505)" },
		{ MX_NXDOMAIN, "", VERDICT_UNDELIVERABLE, 2, "the domain does not exist" },
		{ MX_NONE, "", VERDICT_UNDELIVERABLE, 2,
		    "the domain has neither an MX record nor an address" },
		{ MX_DNS_ERROR, "", VERDICT_UNKNOWN, 3, "the MX lookup failed: SERVFAIL" },
		{ MX_UNKNOWN, "", VERDICT_UNKNOWN, 3, "not looked up" },
		{ MX_NULL_WITH_OTHER, "1p", VERDICT_PKIX, 0,
		    "a null MX beside other MX records: it is ignored, and should be removed (RFC "
		    "7505 s3)" },
		{ MX_IMPLICIT, "1p", VERDICT_PKIX, 0, NULL },
		{ MX_LITERAL, "1p", VERDICT_PKIX, 0, NULL },
		{ MX_LITERAL, "1-", VERDICT_PLAINTEXT, 2,
		    "mx1.example [192.0.2.11]: no STARTTLS in a complete EHLO reply" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct build b;
		struct summary_facts *summary = &b.target.summary;
		TEST_ROW("%s", mx_status_str(rows[i].status));
		build(&b, rows[i].hosts);
		b.target.mx_status = rows[i].status;
		b.target.dns.error = arena_strdup(&b.arena, "SERVFAIL");
		verdict_summarize(&b.target, &b.arena, 0);
		CHECK_STR(verdict_str(summary->verdict), verdict_str(rows[i].verdict));
		CHECK_INT(verdict_exit(summary->verdict), rows[i].exit);
		CHECK_INT(summary->reasons.n, rows[i].reason != NULL);
		if (rows[i].reason != NULL && summary->reasons.n > 0)
			CHECK_STR(summary->reasons.v[0], rows[i].reason);
		arena_free(&b.arena);
	}
}

TEST(verdict_names_ports_other_than_25_and_fills_result_types)
{
	struct build b;

	build(&b, "1-p?");
	CHECK_STR(b.target.exchanges[0].hosts[0].result_type, "starttls-not-supported");
	CHECK_STR(b.target.exchanges[0].hosts[1].result_type, NULL);
	CHECK_STR(b.target.exchanges[0].hosts[2].result_type, NULL);
	b.target.exchanges[0].hosts[0].port = 587;
	b.target.exchanges[0].hosts[0].result_type = arena_strdup(&b.arena, "x-kept");
	b.target.exchanges[0].hosts[2].error = arena_strdup(&b.arena, "no route");
	verdict_summarize(&b.target, &b.arena, 0);
	CHECK_STR(b.target.summary.reasons.v[0],
	    "mx1.example [192.0.2.11]:587: no STARTTLS in a complete EHLO reply");
	CHECK_STR(b.target.summary.reasons.v[1],
	    "mx1.example [192.0.2.13]: not measured: connection-timeout: no route");
	CHECK_INT(b.target.summary.reasons.n, 2);
	CHECK_STR(b.target.exchanges[0].hosts[0].result_type, "x-kept");
	arena_free(&b.arena);
}

static void
add_leaf(struct build *b, size_t host, const char *fingerprint, int64_t not_after)
{
	struct tls_facts *tls = &b->target.exchanges[0].hosts[host].tls[0];
	struct cert_facts *cert =
	    arena_push(&b->arena, &b->target.certs, &b->target.certs_n, sizeof(*cert));

	facts_init_cert_facts(cert);
	cert->fingerprint = arena_strdup(&b->arena, fingerprint);
	cert->not_after = not_after;
	strs_add(&tls->chain, &b->arena, fingerprint);
	strs_add(&tls->chain, &b->arena, "ca");
}

TEST(verdict_counts_the_days_of_the_first_leaf_to_expire)
{
	static const struct {
		int64_t a, b, days;
	} rows[] = {
		{ 1000000000 + 10 * 86400, 1000000000 + 20 * 86400, 10 },
		{ 1000000000 + 20 * 86400 - 1, 1000000000 + 20 * 86400, 19 },
		{ 1000000000 + 86399, 1000000000 + 20 * 86400, 0 },
		{ 1000000000 - 86400 * 30, 1000000000 + 20 * 86400, 0 },
		{ 0, 1000000000 + 20 * 86400, 20 },
		{ 0, 0, -1 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct build b;
		TEST_ROW("%zu", i);
		build(&b, "1pp");
		add_leaf(&b, 0, "aa", rows[i].a);
		add_leaf(&b, 1, "bb", rows[i].b);
		/* one that is not a leaf of anybody expires first */
		struct cert_facts *ca =
		    arena_push(&b.arena, &b.target.certs, &b.target.certs_n, sizeof(*ca));
		facts_init_cert_facts(ca);
		ca->fingerprint = arena_strdup(&b.arena, "ca");
		ca->not_after = 1;
		verdict_summarize(&b.target, &b.arena, 1000000000);
		CHECK_INT(b.target.summary.min_days_left, rows[i].days);
		CHECK_INT(b.target.certs[0].days_left < 0, rows[i].a == 0);
		CHECK_INT(b.target.certs[2].days_left, 0);
		arena_free(&b.arena);
	}
}

TEST(verdict_names_the_kind_of_certificate_of_a_server_that_has_two)
{
	struct build b;

	build(&b, "1d");
	add_leaf(&b, 0, "aa", 0);
	b.target.certs[0].key_type = KEY_RSA;
	/* the first handshake, which asked for any, is the bad one */
	b.target.exchanges[0].hosts[0].tls[0].verify.matches_mx = TRI_NO;
	verdict_summarize(&b.target, &b.arena, 0);
	CHECK_STR(b.target.summary.reasons.v[0],
	    "mx1.example [192.0.2.11]: certificate (RSA) names another host");
	CHECK_STR(b.target.summary.reasons.v[1],
	    "mx1.example [192.0.2.11]: certificate (ECDSA) is not trusted: unable to get issuer");
	arena_free(&b.arena);
}

TEST(verdict_says_which_hosts_were_left_out_and_when_an_issuer_is_missing)
{
	struct build b;

	build(&b, "1e");
	b.target.exchanges[0].hosts[0].tls[0].verify.missing_intermediate = TRI_YES;
	b.target.exchanges_left_out = 1;
	verdict_summarize(&b.target, &b.arena, 0);
	CHECK_STR(b.target.summary.reasons.v[0], "mx1.example [192.0.2.11]: certificate is not "
						 "trusted: its issuer's certificate is not sent");
	CHECK_STR(b.target.summary.reasons.v[1], "1 more MX host was not probed");
	b.target.exchanges_left_out = 2;
	verdict_summarize(&b.target, &b.arena, 0);
	CHECK_STR(b.target.summary.reasons.v[1], "2 more MX hosts were not probed");
	arena_free(&b.arena);
}

TEST(verdict_of_implicit_tls_does_not_speak_of_starttls)
{
	struct build b;

	build(&b, "1f");
	b.target.exchanges[0].hosts[0].implicit_tls = true;
	b.target.exchanges[0].hosts[0].port = 465;
	verdict_summarize(&b.target, &b.arena, 0);
	CHECK_INT(b.target.summary.verdict, VERDICT_PLAINTEXT);
	CHECK_STR(b.target.summary.reasons.v[0],
	    "mx1.example [192.0.2.11]:465: the TLS handshake fails: no shared cipher");
	arena_free(&b.arena);
}

TEST(findings_are_reasons_and_no_rungs)
{
	static const struct {
		enum injection injection;
		const char *why, *want;
	} rows[] = {
		{ INJECTION_NOT_TESTED, "there is no STARTTLS", NULL },
		{ INJECTION_SAFE, "dropped", NULL },
		{ INJECTION_VULNERABLE, "answered",
		    "mx1.example [192.0.2.11]: obeys, inside TLS, commands sent in clear before it "
		    "(CVE-2011-0411): answered" },
		{ INJECTION_INCONCLUSIVE, NULL,
		    "mx1.example [192.0.2.11]: whether it obeys commands sent in clear before TLS "
		    "could not be shown" },
	};
	struct build b;

	build(&b, "1p");
	struct host_facts *host = &b.target.exchanges[0].hosts[0];
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		TEST_ROW("%s", injection_str(rows[i].injection));
		host->injection = rows[i].injection;
		host->injection_reason =
		    rows[i].why == NULL ? NULL : arena_strdup(&b.arena, rows[i].why);
		verdict_summarize(&b.target, &b.arena, 0);
		CHECK_INT(b.target.summary.verdict, VERDICT_PKIX);
		CHECK_INT(b.target.summary.reasons.n, rows[i].want != NULL);
		if (rows[i].want != NULL)
			CHECK_STR(b.target.summary.reasons.v[0], rows[i].want);
	}
	host->injection = INJECTION_SAFE;
	host->keyword_masked = true;
	b.target.exchanges[0].addresses_left_out = 1;
	verdict_summarize(&b.target, &b.arena, 0);
	CHECK_INT(b.target.summary.verdict, VERDICT_PKIX);
	CHECK_STR(b.target.summary.reasons.v[0],
	    "mx1.example [192.0.2.11]: an EHLO keyword made of X: something on the way changes the "
	    "dialogue");
	CHECK_STR(b.target.summary.reasons.v[1], "1 more address of mx1.example was not probed");
	arena_free(&b.arena);
}

TEST(verdict_measured_is_what_has_a_rung)
{
	static const char measured[] = "penxudai-sh5fcj", unknown[] = "4to?gr";
	struct build b;

	for (size_t i = 0; i < sizeof(measured) - 1 + sizeof(unknown) - 1; i++) {
		bool is = i < sizeof(measured) - 1;
		char letter = is ? measured[i] : unknown[i - (sizeof(measured) - 1)];
		char hosts[] = { '1', letter, '\0' };
		TEST_ROW("%c", letter);
		build(&b, hosts);
		CHECK_INT(verdict_host_measured(&b.target.exchanges[0].hosts[0]), is);
		CHECK_INT(b.target.summary.measured, is);
		arena_free(&b.arena);
	}
}

TEST(verdict_exit_statuses_and_the_worst_of_them)
{
	/* DECISIONS 17: 2, then 1, then 3, then 0 */
	static const int order[] = { 0, 3, 1, 2 };

	for (size_t i = 0; i < 4; i++)
		for (size_t j = 0; j < 4; j++) {
			TEST_ROW("%d and %d", order[i], order[j]);
			CHECK_INT(verdict_exit_worst(order[i], order[j]), order[i > j ? i : j]);
		}
	CHECK_INT(verdict_exit(VERDICT_DANE), 0);
	CHECK_INT(verdict_exit(VERDICT_MTA_STS), 0);
	CHECK_INT(verdict_exit(VERDICT_BROKEN_SOME), 1);
	CHECK_INT(verdict_exit(VERDICT_BROKEN), 2);
}
