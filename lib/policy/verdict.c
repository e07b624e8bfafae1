#include "policy/verdict.h"

#include <string.h>

#include "policy/bar.h"
#include "policy/dane.h"
#include "policy/decide.h"
#include "policy/findings.h"
#include "policy/verdict_sts.h"

/* While one target is summarised. */
struct summing {
	struct target_facts *facts;
	struct summary_facts *summary;
	struct arena *arena;
	int64_t now;
	enum verdict primary, backup; /* lowest rung so far, UNKNOWN when none was measured */
	enum verdict best;            /* highest rung so far, of all hosts */
	int64_t completed;            /* addresses that completed STARTTLS */
	size_t unresolved, failed;    /* MX hosts without address, and whose lookup failed */
	/* measured addresses where a sender that enforces DANE delivers, and where it does not */
	size_t enforced_good, enforced_bad;
	struct verdict_sts sts; /* and one that uses MTA-STS */
};

/* Rungs stand in their enum from best to worst. */
static enum verdict
lower(enum verdict a, enum verdict b)
{
	if (a == VERDICT_UNKNOWN || b == VERDICT_UNKNOWN)
		return a == VERDICT_UNKNOWN ? b : a;
	return a > b ? a : b;
}

static enum verdict
higher(enum verdict a, enum verdict b)
{
	if (a == VERDICT_UNKNOWN || b == VERDICT_UNKNOWN)
		return a == VERDICT_UNKNOWN ? b : a;
	return a < b ? a : b;
}

/* text NULL: there is none. */
static void
reason(struct summing *s, const char *text)
{
	if (text != NULL)
		strs_add(&s->summary->reasons, s->arena, text);
}

/* "mx.example.com [192.0.2.1]: text" */
static void
host_reason(struct summing *s, const struct exchange_facts *mx, const struct host_facts *host,
    const char *text, const char *detail)
{
	const char *where = findings_where(mx, host, s->arena);

	detail = detail == NULL ? "" : arena_printf(s->arena, ": %s", detail);
	reason(s, arena_printf(s->arena, "%s: %s%s", where, text, detail));
}

static bool
is_class(int64_t code, int digit)
{
	return code >= digit * 100 && code < (digit + 1) * 100;
}

/* Why an address is on the rung plaintext, or NULL when it is not. */
static const char *
plaintext_reason(const struct host_facts *host)
{
	if (host->ehlo_unsupported) /* DECISIONS 18 */
		return "no STARTTLS: the server does not know EHLO, only HELO (ehlo-unsupported)";
	switch (host->starttls_state) {
	case STARTTLS_NOT_OFFERED:
		return host->keyword_masked
			   ? "no STARTTLS in a complete EHLO reply, but a keyword made of X: "
			     "something on the way strips it"
			   : "no STARTTLS in a complete EHLO reply";
	case STARTTLS_REFUSED:
		return is_class(host->starttls_code, 5)
			   ? "STARTTLS is advertised, but refused for good"
			   : NULL;
	case STARTTLS_FAILED:
		if (host->status == HOST_IO_TIMEOUT || host->status == HOST_CANCELLED)
			return NULL;
		if (host->implicit_tls)
			return "the TLS handshake fails";
		return host->post_220_bytes > 0
			   ? "bytes in clear after the reply to STARTTLS: response injection"
			   : "STARTTLS is accepted, but the handshake fails";
	case STARTTLS_IMPLICIT:
	case STARTTLS_UNKNOWN:
	case STARTTLS_OFFERED:
	case STARTTLS_DONE:
		break;
	}
	return NULL;
}

bool
verdict_host_measured(const struct host_facts *host)
{
	bool tls =
	    host->starttls_state == STARTTLS_DONE || host->starttls_state == STARTTLS_IMPLICIT;

	for (size_t i = 0; tls && i < host->tls_n; i++)
		if (host->tls[i].complete == TRI_YES)
			return true;
	return plaintext_reason(host) != NULL;
}

static const char *
plaintext_detail(const struct host_facts *host)
{
	if (host->starttls_state == STARTTLS_REFUSED)
		return host->starttls_reply;
	/* of an injection the reason says it all */
	if (host->starttls_state == STARTTLS_FAILED && host->post_220_bytes == 0)
		return host->error;
	return NULL;
}

/* Which of the certificates of a server that has several, or was asked for one kind. */
static const char *
key_type_phrase(const struct summing *s, const struct host_facts *host, const struct tls_facts *tls)
{
	const struct cert_facts *leaf = facts_leaf(s->facts->certs, s->facts->certs_n, tls);
	enum key_type type = tls->offer;
	size_t complete = 0;

	for (size_t i = 0; i < host->tls_n; i++)
		complete += host->tls[i].complete == TRI_YES;
	if (complete > 1 && leaf != NULL)
		type = leaf->key_type;
	return type == KEY_RSA ? " (RSA)" : type == KEY_ECDSA ? " (ECDSA)" : "";
}

/* "certificate (RSA) phrase: detail" */
static void
certificate_reason(struct summing *s, const struct exchange_facts *mx,
    const struct host_facts *host, const struct tls_facts *tls, const char *phrase,
    const char *detail)
{
	const char *key = key_type_phrase(s, host, tls);

	host_reason(s, mx, host, arena_printf(s->arena, "certificate%s %s", key, phrase), detail);
}

/* True when DANE proves the identity, and the MX records are secure (DECISIONS B12). */
static bool
dane_proves(const struct exchange_facts *mx, const struct tls_facts *tls)
{
	return tls->dane == DANE_VALID && mx->tlsa.status == TLSA_USABLE;
}

/* The first error that is not about dates. */
static const char *
trust_detail(const struct summing *s, const struct verify_facts *verify)
{
	if (verify->missing_intermediate == TRI_YES)
		return "its issuer's certificate is not sent";
	for (size_t i = 0; i < verify->errors.n; i++) {
		struct slice text = slice_str(verify->errors.v[i]);
		if (bar_is_date_error(verify->errors.v[i]))
			continue;
		for (int colons = 0; colons < 2; colons++)
			text = slice_sub(text, slice_find(text, ':') + 1, text.n);
		return arena_strndup(s->arena, text.p, text.n);
	}
	return verify->error;
}

/* All that speaks against a certificate: one thing must not hide the others. */
static void
identity_reasons(struct summing *s, const struct exchange_facts *mx, const struct host_facts *host,
    const struct tls_facts *tls)
{
	const struct verify_facts *verify = &tls->verify;

	if (verify->expired == TRI_YES)
		certificate_reason(s, mx, host, tls, "is not valid at this time", NULL);
	if (verify->matches_mx == TRI_NO)
		certificate_reason(s, mx, host, tls, "names another host", NULL);
	if (verify->trusted == TRI_NO && !bar_only_dates_are_wrong(verify))
		certificate_reason(s, mx, host, tls, "is not trusted", trust_detail(s, verify));
	if (verify->trusted == TRI_UNKNOWN || verify->matches_mx == TRI_UNKNOWN)
		certificate_reason(s, mx, host, tls, "was not verified", verify->error);
}

/* The rung of one complete handshake; says why when it is not pkix. */
static enum verdict
handshake_rung(struct summing *s, const struct exchange_facts *mx, const struct host_facts *host,
    const struct tls_facts *tls)
{
	const struct verify_facts *verify = &tls->verify;

	if (dane_proves(mx, tls)) {
		if (verify->expired == TRI_YES) /* DECISIONS 19: a note */
			certificate_reason(s, mx, host, tls,
			    "is not valid at this time, which DANE-EE does not look at", NULL);
		return VERDICT_DANE;
	}
	if (tls->dane == DANE_MISMATCH)
		certificate_reason(s, mx, host, tls, "matches no TLSA record", NULL);
	if (decide_certificate(verify, RULE_MATCH_HOSTNAME) == FAIL_NONE) {
		return verdict_sts_proves(&s->sts, mx, tls) ? VERDICT_MTA_STS : VERDICT_PKIX;
	}
	identity_reasons(s, mx, host, tls);
	return VERDICT_ENCRYPTED;
}

static void
note_expiry(struct summing *s, const struct tls_facts *tls)
{
	const struct cert_facts *leaf = facts_leaf(s->facts->certs, s->facts->certs_n, tls);

	if (leaf == NULL || leaf->not_after == 0)
		return;
	if (s->summary->min_days_left < 0 || leaf->days_left < s->summary->min_days_left)
		s->summary->min_days_left = leaf->days_left;
}

static void
count_days(struct summing *s)
{
	for (size_t i = 0; i < s->facts->certs_n; i++) {
		struct cert_facts *cert = &s->facts->certs[i];
		int64_t days = (cert->not_after - s->now) / 86400;
		if (cert->not_after != 0) /* -1 would mean unknown */
			cert->days_left = days < 0 ? 0 : days;
	}
}

/* The lowest rung over the key types; UNKNOWN without a complete handshake. */
static enum verdict
tls_rung(struct summing *s, const struct exchange_facts *mx, const struct host_facts *host)
{
	enum verdict rung = VERDICT_UNKNOWN;

	for (size_t i = 0; i < host->tls_n; i++) {
		const struct tls_facts *tls = &host->tls[i];
		if (tls->complete != TRI_YES) /* DECISIONS 21: a key type that is not there */
			continue;
		enum verdict one = handshake_rung(s, mx, host, tls);
		rung = lower(rung, one);
		s->best = higher(s->best, one);
		note_expiry(s, tls);
	}
	return rung;
}

static void
count_rung(struct summing *s, const struct exchange_facts *mx, enum verdict rung)
{
	if (rung == VERDICT_UNKNOWN) {
		s->summary->unknown++;
		return;
	}
	s->summary->measured++;
	s->best = higher(s->best, rung);
	if (mx->primary)
		s->primary = lower(s->primary, rung);
	else
		s->backup = lower(s->backup, rung);
}

/* What a sender that enforces DANE does with a measured address (RFC 7672 s2.2). */
static void
count_enforced(struct summing *s, const struct exchange_facts *mx, const struct host_facts *host,
    enum verdict rung)
{
	bool good = false, bad = false;

	if (mx->tlsa.status == TLSA_BOGUS || mx->tlsa.status == TLSA_ERROR)
		return; /* the whole host, see sum_tlsa */
	if (!dane_needs_tls(mx->tlsa.status)) {
		good = rung != VERDICT_UNKNOWN;
	} else if (rung == VERDICT_PLAINTEXT) {
		bad = true;
	} else if (!dane_is_enforced(mx->tlsa.status)) {
		good = rung != VERDICT_UNKNOWN;
	} else {
		/* which key a sender gets to see depends on the sender */
		for (size_t i = 0; i < host->tls_n; i++) {
			good |= host->tls[i].dane == DANE_VALID;
			bad |= host->tls[i].dane == DANE_MISMATCH;
		}
	}
	s->enforced_good += good;
	s->enforced_bad += bad;
}

/*
 * In the words of RFC 8460 s4.3. Where DANE applies, it decides about the certificate: PKIX neither
 * excuses a mismatch nor spoils a match (RFC 7672 s3.1).
 */
static const char *
result_type(const struct exchange_facts *mx, const struct host_facts *host)
{
	const char *type = host_result_type(host);
	bool mismatch = false, valid = false;

	/* what comes before the certificate stands */
	if (type != NULL && strncmp(type, "certificate-", 12) != 0)
		return type;
	for (size_t i = 0; i < host->tls_n; i++) {
		mismatch |= host->tls[i].dane == DANE_MISMATCH;
		valid |= host->tls[i].dane == DANE_VALID;
	}
	if (mx->tlsa.status == TLSA_BOGUS)
		return fail_info(FAIL_DNS_BOGUS)->result_type;
	if (mismatch)
		return fail_info(FAIL_TLSA_INVALID)->result_type;
	return valid ? NULL : type;
}

static void
sum_host(struct summing *s, const struct exchange_facts *mx, struct host_facts *host)
{
	const char *plain = plaintext_reason(host), *type = result_type(mx, host);
	enum verdict rung = VERDICT_UNKNOWN;

	s->summary->hosts++;
	if (host->result_type == NULL && type != NULL)
		host->result_type = arena_strdup(s->arena, type);
	if (plain != NULL) {
		rung = VERDICT_PLAINTEXT;
		host_reason(s, mx, host, plain, plaintext_detail(host));
	} else if (host->starttls_state == STARTTLS_DONE ||
		   host->starttls_state == STARTTLS_IMPLICIT) {
		rung = tls_rung(s, mx, host);
		s->completed += rung != VERDICT_UNKNOWN;
	}
	if (rung == VERDICT_UNKNOWN) {
		const char *text =
		    host->starttls_state == STARTTLS_REFUSED
			? "not measured: STARTTLS is refused for now"
			: arena_printf(s->arena, "not measured: %s", host_status_str(host->status));
		host_reason(s, mx, host, text,
		    host->starttls_state == STARTTLS_REFUSED ? host->starttls_reply : host->error);
	}
	count_rung(s, mx, rung);
	count_enforced(s, mx, host, rung);
	verdict_sts_host(&s->sts, mx, host, rung);
}

/* What the TLSA lookup says about the whole host. */
static void
sum_tlsa(struct summing *s, const struct exchange_facts *mx, const char *name)
{
	const char *text = NULL;

	switch (mx->tlsa.status) {
	case TLSA_BOGUS:
		s->enforced_bad++;
		text = "TLSA: senders that use DANE avoid this host";
		break;
	case TLSA_ERROR:
		text = "TLSA: senders that use DANE avoid this host for now";
		break;
	case TLSA_UNUSABLE:
		text = "TLSA proves nothing";
		break;
	case TLSA_INSECURE_MX:
		text = "TLSA does not count as DANE";
		break;
	case TLSA_NOT_CHECKED:
	case TLSA_NONE:
	case TLSA_INSECURE:
	case TLSA_USABLE:
		return;
	}
	reason(
	    s, arena_printf(s->arena, "%s: %s: %s", name, text,
		   mx->tlsa.reason == NULL ? tlsa_status_str(mx->tlsa.status) : mx->tlsa.reason));
}

static void
sum_exchange(struct summing *s, struct exchange_facts *mx)
{
	const char *name = mx->name == NULL ? "?" : mx->name;

	if (mx->finding != NULL)
		reason(s, arena_printf(s->arena, "%s: %s", name, mx->finding));
	sum_tlsa(s, mx, name);
	reason(s, verdict_sts_exchange(&s->sts, mx, s->arena));
	for (size_t i = 0; i < mx->hosts_n; i++)
		sum_host(s, mx, &mx->hosts[i]);
	if (mx->hosts_n > 0)
		return;
	switch (mx->dns_status) {
	case DNS_OK: /* has addresses, none of a family that was asked for, or all were left out */
		reason(s, arena_printf(s->arena, "%s: no address was tried", name));
		break;
	case DNS_NODATA:
	case DNS_NXDOMAIN:
		s->unresolved++;
		reason(s, arena_printf(s->arena, "%s: %s", name,
			      mx->dns_status == DNS_NODATA ? "has no address" : "does not exist"));
		break;
	case DNS_NOT_ASKED: /* not a name to ask for: the finding says so */
		s->unresolved += mx->finding != NULL;
		break;
	case DNS_SERVFAIL:
	case DNS_REFUSED:
	case DNS_TIMEOUT:
	case DNS_MALFORMED:
		s->failed++;
		/* once, whether or not the TLSA records were to be looked up */
		s->enforced_bad += mx->dnssec == DNSSEC_BOGUS && mx->tlsa.status != TLSA_BOGUS;
		reason(s, arena_printf(s->arena, "%s: address lookup failed (%s%s)", name,
			      mx->dnssec == DNSSEC_BOGUS ? "DNSSEC bogus, " : "",
			      dns_status_str(mx->dns_status)));
		break;
	}
}

/* What the MX lookup alone decides; false when the hosts do. */
static bool
decided_by_dns(struct summing *s)
{
	switch (s->facts->mx_status) {
	case MX_NULL:
		s->summary->verdict = VERDICT_NO_MAIL;
		reason(s, "null MX: the domain accepts no mail (RFC 7505)");
		return true;
	case MX_NXDOMAIN:
		s->summary->verdict = VERDICT_UNDELIVERABLE;
		reason(s, "the domain does not exist");
		return true;
	case MX_NONE:
		s->summary->verdict = VERDICT_UNDELIVERABLE;
		reason(s, "the domain has neither an MX record nor an address");
		return true;
	case MX_DNS_ERROR:
		if (s->facts->dns.dnssec == DNSSEC_BOGUS) /* DECISIONS 15 */
			s->summary->verdict = VERDICT_BROKEN;
		reason(s,
		    s->facts->dns.error == NULL
			? "the MX lookup failed"
			: arena_printf(s->arena, "the MX lookup failed: %s", s->facts->dns.error));
		return true;
	case MX_UNKNOWN:
		reason(s, "not looked up");
		return true;
	case MX_NULL_WITH_OTHER:
		reason(s, "a null MX beside other MX records: it is ignored, and should be removed "
			  "(RFC 7505 s3)");
		return false;
	case MX_LITERAL:
	case MX_HAS_MX:
	case MX_IMPLICIT:
		break;
	}
	return false;
}

static enum quantity
how_many(int64_t n, int64_t of)
{
	if (of == 0)
		return QUANTITY_UNKNOWN;
	return n == of ? QUANTITY_ALL : n == 0 ? QUANTITY_NONE : QUANTITY_SOME;
}

/* DECISIONS 15: what the domain publishes makes senders that enforce it fail. */
static enum verdict
decided_by_enforcing(const struct summing *s)
{
	enum verdict dane = VERDICT_UNKNOWN;

	if (s->enforced_bad > 0)
		dane = s->enforced_good == 0 ? VERDICT_BROKEN : VERDICT_BROKEN_SOME;
	return lower(dane, verdict_sts_decide(&s->sts));
}

static enum verdict
decided_by_hosts(struct summing *s)
{
	size_t exchanges = s->facts->exchanges_n;

	if (s->backup == VERDICT_PLAINTEXT && s->primary < VERDICT_PLAINTEXT)
		return VERDICT_BACKUP_PLAINTEXT;
	if (s->primary != VERDICT_UNKNOWN)
		return s->primary;
	/* DECISIONS 16: no MX resolves, and that is certain of each */
	if (exchanges > 0 && s->unresolved == exchanges)
		return VERDICT_UNDELIVERABLE;
	if (s->summary->measured > 0)
		reason(s, "no primary MX host could be measured");
	return VERDICT_UNKNOWN;
}

void
verdict_summarize(struct target_facts *facts, struct arena *arena, int64_t now)
{
	struct summing s = {
		.facts = facts, .summary = &facts->summary, .arena = arena, .now = now
	};

	facts_init_summary_facts(s.summary);
	verdict_sts_begin(&s.sts, facts, arena);
	if (decided_by_dns(&s))
		return;
	count_days(&s);
	for (size_t i = 0; i < facts->exchanges_n; i++)
		sum_exchange(&s, &facts->exchanges[i]);
	findings_add(facts, arena);
	s.summary->starttls = how_many(s.completed, s.summary->measured);
	s.summary->mixed = lower(s.primary, s.backup) != s.best;
	reason(&s, verdict_sts_note(&s.sts, arena));
	s.summary->verdict = lower(decided_by_hosts(&s), decided_by_enforcing(&s));
}

int
verdict_exit(enum verdict verdict)
{
	switch (verdict) {
	case VERDICT_DANE:
	case VERDICT_MTA_STS:
	case VERDICT_PKIX:
	case VERDICT_NO_MAIL:
		return 0;
	case VERDICT_ENCRYPTED:
	case VERDICT_BACKUP_PLAINTEXT:
	case VERDICT_BROKEN_SOME:
		return 1;
	case VERDICT_PLAINTEXT:
	case VERDICT_BROKEN:
	case VERDICT_UNDELIVERABLE:
		return 2;
	case VERDICT_UNKNOWN:
		break;
	}
	return 3;
}

int
verdict_exit_worst(int a, int b)
{
	static const int rank[] = { [0] = 0, [3] = 1, [1] = 2, [2] = 3 };

	return rank[a & 3] >= rank[b & 3] ? a : b;
}
