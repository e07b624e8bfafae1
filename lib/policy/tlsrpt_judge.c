#include "policy/tlsrpt_judge.h"

#include <inttypes.h>
#include <string.h>

#include "policy/dane.h"
#include "policy/mtasts.h"

static void
fail_with(struct tlsrpt_verdict *v, enum fail_code code)
{
	const char *word = fail_info(code)->result_type;

	v->counts = true;
	v->result = word;
	/* words of our own are no result types: a reader may refuse them */
	if (word[0] == '\0' || (word[0] == 'x' && word[1] == '-')) {
		v->result = fail_info(FAIL_TLS_HANDSHAKE)->result_type;
		v->reason = word[0] == '\0' ? fail_info(code)->token : word + 2;
	}
}

/* --- which policy --------------------------------------------------------------------------------- */

/* TLSA records where they can be known; what cannot be looked up counts, too (RFC 7672 s2.1.1). */
static bool
is_tlsa(const struct tlsrpt_site *site)
{
	if (site->refused == FAIL_DANE_REQUIRED)
		return true;
	if (!site->dane_asked)
		return false;
	switch (site->tlsa->status) {
	case TLSA_USABLE:
	case TLSA_INSECURE_MX:
	case TLSA_UNUSABLE:
	case TLSA_BOGUS:
	case TLSA_ERROR:
		return true;
	case TLSA_NOT_CHECKED:
	case TLSA_NONE:
	case TLSA_INSECURE:
		break;
	}
	return false;
}

static bool
has_sts(const struct tlsrpt_site *site)
{
	return site->sts->status == STS_VALID &&
	       (site->sts->mode == STS_MODE_ENFORCE || site->sts->mode == STS_MODE_TESTING);
}

/* A record that leads to no policy. */
static bool
sts_failed(const struct tlsrpt_site *site, struct tlsrpt_verdict *v)
{
	switch (site->sts->status) {
	case STS_RECORD_INVALID:
		fail_with(v, FAIL_STS_RECORD);
		return true;
	case STS_FETCH_ERROR:
		fail_with(v, FAIL_HTTP);
		return true;
	case STS_WEBPKI_INVALID:
		fail_with(v, FAIL_HTTP_CERT);
		return true;
	case STS_POLICY_INVALID:
		fail_with(v, FAIL_STS_POLICY);
		return true;
	case STS_NOT_CHECKED:
	case STS_NONE:
	case STS_VALID:
	case STS_DNS_ERROR:
		break;
	}
	return false;
}

/* --- what happened -------------------------------------------------------------------------------- */

/* "handshake failure", where the server or we said so by an alert; else OpenSSL's words. */
static const char *
handshake_reason(const struct host_facts *host)
{
	const struct tls_facts *tls = host->tls_n == 0 ? NULL : &host->tls[host->tls_n - 1];

	if (tls != NULL && tls->alert != NULL)
		return tls->alert;
	if (tls != NULL && tls->error != NULL)
		return tls->error;
	return host_status_str(host->status);
}

/* False when there is no complete handshake to look at; v says why, unless nothing is known. */
static bool
has_tls(const struct host_facts *host, struct tlsrpt_verdict *v)
{
	if (host->post_220_bytes > 0) {
		fail_with(v, FAIL_RESPONSE_INJECTION);
		return false;
	}
	if (host->ehlo_unsupported) { /* proved by HELO (DECISIONS C18) */
		fail_with(v, FAIL_STARTTLS_NOT_OFFERED);
		return false;
	}
	switch (host->starttls_state) {
	case STARTTLS_UNKNOWN:
	case STARTTLS_OFFERED:
		break;
	case STARTTLS_NOT_OFFERED:
		if (host->ehlo_code == 250)
			fail_with(v, FAIL_STARTTLS_NOT_OFFERED);
		break;
	case STARTTLS_REFUSED:
		fail_with(v, FAIL_STARTTLS_REJECTED);
		break;
	case STARTTLS_FAILED:
		if (host->status == HOST_CANCELLED)
			break;
		fail_with(v, FAIL_TLS_HANDSHAKE);
		v->reason = handshake_reason(host);
		break;
	case STARTTLS_DONE:
	case STARTTLS_IMPLICIT:
		return host->tls_n > 0 && host->tls[host->tls_n - 1].complete == TRI_YES;
	}
	return false;
}

static void
judge_tlsa(const struct tlsrpt_site *site, const struct host_facts *host, struct tlsrpt_verdict *v)
{
	v->type = TLSRPT_POLICY_TLSA;
	if (site->refused == FAIL_DANE_REQUIRED || site->tlsa->status == TLSA_BOGUS ||
	    site->tlsa->status == TLSA_ERROR) {
		fail_with(
		    v, site->refused == FAIL_DANE_REQUIRED ? FAIL_DANE_REQUIRED : FAIL_TLSA_LOOKUP);
		return;
	}
	if (host == NULL || !has_tls(host, v))
		return;
	v->counts = true;
	if (dane_is_enforced(site->tlsa->status) && host->tls[host->tls_n - 1].dane != DANE_VALID)
		fail_with(v, FAIL_TLSA_INVALID);
}

static void
judge_sts(const struct tlsrpt_site *site, const struct host_facts *host,
    const struct cert_facts *leaf, struct tlsrpt_verdict *v)
{
	v->type = TLSRPT_POLICY_STS;
	if (sts_failed(site, v))
		return;
	if (!mtasts_mx_matches(&site->sts->mx, site->host)) {
		fail_with(v, FAIL_STS_MX);
		return;
	}
	if (host == NULL || !has_tls(host, v))
		return;
	v->counts = true;
	enum fail_code code =
	    decide_sts_certificate(&host->tls[host->tls_n - 1].verify, leaf, site->host);
	if (code != FAIL_NONE)
		fail_with(v, code);
}

void
tlsrpt_judge(const struct tlsrpt_site *site, const struct host_facts *host,
    const struct cert_facts *leaf, struct tlsrpt_verdict *v)
{
	struct tlsrpt_verdict failed = { 0 };

	bool sts = site->sts_asked && site->sts != NULL;

	*v = (struct tlsrpt_verdict){ 0 };
	/* records of no use prove nothing; where MTA-STS applies beside them, it asks for more */
	if (is_tlsa(site) && !(site->tlsa->status == TLSA_UNUSABLE && sts && has_sts(site))) {
		judge_tlsa(site, host, v);
		return;
	}
	if (!sts)
		return;
	if (has_sts(site) || sts_failed(site, &failed)) {
		judge_sts(site, host, leaf, v);
		return;
	}
	/* "no policy" is only said where both were looked for, and could be */
	if (!site->dane_asked || site->sts->status == STS_DNS_ERROR ||
	    site->sts->status == STS_NOT_CHECKED || host == NULL)
		return;
	v->counts = has_tls(host, v) || v->counts;
}

/* --- the policy ----------------------------------------------------------------------------------- */

static void
add_line(struct tlsrpt_session_facts *facts, struct arena *arena, const char *line)
{
	if (facts->policy.n < LIMIT_TLSRPT_POLICY_LINES)
		strs_add(&facts->policy, arena, line);
}

/* RFC 6698 s2.2 without spaces inside: "3 1 1 8bd1da95..." */
static void
tlsa_text(const struct tlsrpt_site *site, struct arena *arena, struct tlsrpt_session_facts *facts)
{
	for (size_t i = 0; i < site->tlsa->records_n; i++) {
		const struct tlsa_record_facts *r = &site->tlsa->records[i];
		size_t n = r->data == NULL ? 0 : strlen(r->data);
		/* a whole certificate (matching type 0) would be some KiB of digits: its beginning tells which */
		add_line(facts, arena,
		    arena_printf(arena, "%" PRId64 " %" PRId64 " %" PRId64 " %.*s", r->usage,
			r->selector, r->matching_type, n < 128 ? (int)n : 128,
			r->data == NULL ? "" : r->data));
	}
	if (site->tlsa->base_domain != NULL)
		facts->policy_domain = arena_strdup(arena, site->tlsa->base_domain);
}

static void
sts_text(const struct tlsrpt_site *site, struct arena *arena, struct tlsrpt_session_facts *facts)
{
	add_line(facts, arena, "version: STSv1");
	add_line(facts, arena, arena_printf(arena, "mode: %s", sts_mode_str(site->sts->mode)));
	for (size_t i = 0; i < site->sts->mx.n && i < LIMIT_TLSRPT_POLICY_LINES - 3; i++) {
		add_line(facts, arena, arena_printf(arena, "mx: %s", site->sts->mx.v[i]));
		strs_add(&facts->mx, arena, site->sts->mx.v[i]);
	}
	add_line(facts, arena, arena_printf(arena, "max_age: %" PRId64, site->sts->max_age));
}

void
tlsrpt_policy_text(const struct tlsrpt_site *site, enum tlsrpt_policy type, struct arena *arena,
    struct tlsrpt_session_facts *facts)
{
	facts->policy_domain = arena_strdup(arena, site->domain);
	if (type == TLSRPT_POLICY_TLSA && site->tlsa != NULL)
		tlsa_text(site, arena, facts);
	else if (type == TLSRPT_POLICY_STS && has_sts(site))
		sts_text(site, arena, facts);
}
