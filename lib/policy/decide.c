#include "policy/decide.h"

#include <stdio.h>
#include <string.h>

#include "policy/certname.h"

static void
set(struct decision *d, enum decide_action action, enum fail_code code, const char *reason)
{
	d->action = action;
	d->code = code;
	d->reason = reason;
	d->clear_later = false;
}

static const struct tls_facts *
last_handshake(const struct host_facts *host)
{
	return host->tls_n == 0 ? NULL : &host->tls[host->tls_n - 1];
}

/* True when the session ended in a way that leaves no connection to go on with. */
static bool
session_over(const struct host_facts *host, struct decision *d)
{
	enum fail_code code = FAIL_NONE;

	switch (host->status) {
	case HOST_CONNECT_REFUSED:
		code = FAIL_CONNECT_REFUSED;
		break;
	case HOST_CONNECT_TIMEOUT:
		code = FAIL_CONNECT_TIMEOUT;
		break;
	case HOST_CONNECT_UNREACHABLE:
		code = FAIL_CONNECT_UNREACHABLE;
		break;
	case HOST_CLOSED:
		code = FAIL_EOF;
		break;
	case HOST_IO_TIMEOUT:
		code = FAIL_TIMEOUT;
		break;
	case HOST_PROTOCOL_ERROR:
		code = FAIL_REPLY_SYNTAX;
		break;
	case HOST_LINE_TOO_LONG:
		code = FAIL_REPLY_TOO_LONG;
		break;
	case HOST_POST_TLS_ERROR:
		code = FAIL_TLS_IO;
		break;
	case HOST_BLOCKLISTED:
		code = FAIL_CONNECT_PRIVATE;
		break;
	case HOST_CANCELLED:
		code = FAIL_CANCELLED;
		break;
	case HOST_DNS_ERROR:
		code = FAIL_DNS_SERVFAIL;
		break;
	case HOST_UNKNOWN_ERROR:
		code = FAIL_IO;
		break;
	/* refusals: the connection stands, the facts about EHLO and STARTTLS say more */
	case HOST_TEMPORARY:
	case HOST_REJECTED:
	case HOST_APPLICATION_ERROR:
	case HOST_HANDSHAKE_ERROR:
	case HOST_NOT_TRIED:
	case HOST_SKIPPED:
	case HOST_SUCCESS:
		return false;
	}
	set(d, DECIDE_SKIP, code, fail_info(code)->text);
	return true;
}

/* Neither EHLO nor HELO worked: nothing is known about STARTTLS. */
static void
decide_no_ehlo(const struct host_facts *host, struct decision *d)
{
	int64_t code = host->ehlo_code > 0 ? host->ehlo_code : host->banner_code;

	if (host->status == HOST_TEMPORARY || (code >= 400 && code < 500))
		set(d, DECIDE_SKIP, FAIL_REPLY_TEMPORARY, "the server refuses us for now");
	else if (host->status == HOST_REJECTED || code >= 500)
		set(d, DECIDE_SKIP, FAIL_REPLY_PERMANENT, "the server refuses us");
	else
		set(d, DECIDE_SKIP, FAIL_REPLY_UNEXPECTED, "no complete reply to EHLO");
}

static void
decide_not_offered(const struct demand *demand, struct decision *d)
{
	if (demand->require_tls)
		set(d, DECIDE_SKIP, FAIL_REQUIRETLS_TLS, "REQUIRETLS: TLS is not offered");
	else if (demand->need_tls)
		set(d, DECIDE_SKIP, FAIL_STARTTLS_NOT_OFFERED, "TLS is required, but not offered");
	else
		set(d, DECIDE_DELIVER_CLEAR, FAIL_STARTTLS_NOT_OFFERED, "STARTTLS is not offered");
}

/* True when the rule allows clear text after TLS was tried and failed. */
static bool
clear_after_failure(const struct demand *demand, int64_t message_age_s)
{
	if (!demand->want_tls || demand->need_tls)
		return false;
	return demand->fallback == FALLBACK_NOW ||
	       (demand->fallback == FALLBACK_DELAYED && message_age_s >= DECIDE_DELAYED_S);
}

static void
decide_offered(const struct demand *demand, int64_t age, bool clear_retry, struct decision *d)
{
	if (!demand->want_tls)
		set(d, DECIDE_DELIVER_CLEAR, FAIL_NONE, "the policy uses no TLS here");
	else if (clear_retry && clear_after_failure(demand, age))
		set(d, DECIDE_DELIVER_CLEAR, FAIL_TLS_HANDSHAKE,
		    "TLS failed on another connection");
	else
		set(d, DECIDE_STARTTLS, FAIL_NONE, "");
}

static void
decide_refused(const struct demand *demand, const struct host_facts *host, struct decision *d)
{
	/* 421 announces that the connection closes (RFC 5321 s3.8): a host failure, DECISIONS 33 */
	if (host->starttls_code == 421)
		set(d, DECIDE_SKIP, FAIL_STARTTLS_REJECTED, "the server left at STARTTLS (421)");
	else if (demand->need_tls || demand->fallback == FALLBACK_NEVER)
		set(d, DECIDE_SKIP, FAIL_STARTTLS_REJECTED,
		    "STARTTLS was advertised, then refused");
	else
		set(d, DECIDE_DELIVER_CLEAR, FAIL_STARTTLS_REJECTED,
		    "STARTTLS was advertised, then refused");
}

static void
decide_failed(const struct demand *demand, const struct host_facts *host, int64_t age,
    enum fail_code code, struct decision *d)
{
	const char *reason = fail_info(code)->text;
	/* a port where TLS comes first has no clear text to go back to */
	bool clear = clear_after_failure(demand, age) && !host->implicit_tls &&
		     host->starttls_state != STARTTLS_IMPLICIT;

	if (clear && demand->fallback == FALLBACK_NOW) {
		set(d, DECIDE_RECONNECT_CLEAR, code, reason);
		return;
	}
	set(d, DECIDE_SKIP, code, reason);
	d->clear_later = clear;
}

static bool
names_match(const struct verify_facts *verify, unsigned match)
{
	return ((match & RULE_MATCH_HOSTNAME) != 0 && verify->matches_mx == TRI_YES) ||
	       ((match & RULE_MATCH_NEXTHOP) != 0 && verify->matches_domain == TRI_YES);
}

/* Only what was compared is a mismatch; what was not is no proof either. */
static bool
names_differ(const struct verify_facts *verify, unsigned match)
{
	return !names_match(verify, match) &&
	       (((match & RULE_MATCH_HOSTNAME) != 0 && verify->matches_mx == TRI_NO) ||
		   ((match & RULE_MATCH_NEXTHOP) != 0 && verify->matches_domain == TRI_NO));
}

enum fail_code
decide_certificate(const struct verify_facts *verify, unsigned match)
{
	if (verify->expired == TRI_YES)
		return FAIL_CERT_EXPIRED;
	if (names_differ(verify, match))
		return FAIL_CERT_MISMATCH;
	if (verify->trusted != TRI_YES || !names_match(verify, match))
		return FAIL_CERT_UNTRUSTED;
	return FAIL_NONE;
}

static const char *
certificate_reason(enum fail_code code, const struct verify_facts *verify)
{
	bool untrusted = verify->trusted == TRI_NO;

	if (code == FAIL_CERT_MISMATCH && untrusted)
		return "the certificate names another host, and is not trusted";
	if (code == FAIL_CERT_UNTRUSTED && verify->self_signed == TRI_YES)
		return "the certificate is self-signed, and not trusted";
	if (code == FAIL_CERT_UNTRUSTED && !untrusted)
		return "the certificate was not verified";
	return fail_info(code)->text;
}

/* The names that a rule's match= asks for; verify knows two of them. */
static bool
rule_names_match(const struct rule *rule, const struct demand *demand,
    const struct verify_facts *verify, const struct cert_facts *leaf)
{
	char below[1 + LIMIT_DOMAIN_BYTES + 1];

	if (names_match(verify, rule->match))
		return true;
	if (leaf == NULL)
		return false;
	for (size_t i = 0; i < rule->match_names.n; i++)
		if (certname_matches(leaf, rule->match_names.v[i], true))
			return true;
	if ((rule->match & RULE_MATCH_DOT_NEXTHOP) == 0 || demand->nexthop == NULL)
		return false;
	snprintf(below, sizeof(below), ".%s", demand->nexthop);
	return certname_matches(leaf, below, true);
}

static bool
rule_names_known(
    const struct rule *rule, const struct verify_facts *verify, const struct cert_facts *leaf)
{
	return names_differ(verify, rule->match) ||
	       (leaf != NULL &&
		   (rule->match_names.n > 0 || (rule->match & RULE_MATCH_DOT_NEXTHOP) != 0));
}

/* RFC 5280 s6 as OpenSSL did it, and the names of the rule. */
static enum fail_code
check_chain(const struct rule *rule, const struct demand *demand, const struct verify_facts *verify,
    const struct cert_facts *leaf)
{
	if (verify->expired == TRI_YES)
		return FAIL_CERT_EXPIRED;
	if (!rule_names_match(rule, demand, verify, leaf))
		return rule_names_known(rule, verify, leaf) ? FAIL_CERT_MISMATCH
							    : FAIL_CERT_UNTRUSTED;
	return verify->trusted == TRI_YES ? FAIL_NONE : FAIL_CERT_UNTRUSTED;
}

static enum fail_code
check_pins(const struct rule *rule, const struct cert_facts *leaf)
{
	for (size_t i = 0; leaf != NULL && i < rule->pins.n; i++)
		if ((leaf->fingerprint != NULL &&
			strcmp(leaf->fingerprint, rule->pins.v[i]) == 0) ||
		    (leaf->spki_fingerprint != NULL &&
			strcmp(leaf->spki_fingerprint, rule->pins.v[i]) == 0))
			return FAIL_NONE;
	return FAIL_CERT_PIN;
}

enum fail_code
decide_sts_certificate(
    const struct verify_facts *verify, const struct cert_facts *leaf, const char *host)
{
	enum fail_code code = decide_certificate(verify, RULE_MATCH_HOSTNAME);

	if (code != FAIL_NONE)
		return code;
	return leaf != NULL && host != NULL && certname_matches(leaf, host, false)
		   ? FAIL_NONE
		   : FAIL_CERT_MISMATCH;
}

static enum fail_code
check_identity(
    const struct demand *demand, const struct tls_facts *tls, const struct cert_facts *leaf)
{
	enum fail_code code = FAIL_NONE;

	if (demand->dane && tls->dane != DANE_VALID)
		return FAIL_TLSA_INVALID;
	if (demand->sts)
		code = decide_sts_certificate(&tls->verify, leaf, demand->host);
	if (code == FAIL_NONE && demand->pkix)
		code = decide_certificate(&tls->verify, RULE_MATCH_HOSTNAME);
	for (size_t i = 0; code == FAIL_NONE && i < demand->rules_n; i++)
		code = demand->rules[i]->level == LEVEL_FINGERPRINT
			   ? check_pins(demand->rules[i], leaf)
			   : check_chain(demand->rules[i], demand, &tls->verify, leaf);
	return code;
}

static bool
offers_require_tls(const struct host_facts *host)
{
	for (size_t i = 0; i < host->ehlo_tls.n; i++)
		if (slice_is_case(slice_str(host->ehlo_tls.v[i]), "REQUIRETLS"))
			return true;
	return false;
}

static void
decide_tls(const struct demand *demand, const struct host_facts *host,
    const struct cert_facts *leaf, int64_t age, struct decision *d)
{
	const struct tls_facts *tls = last_handshake(host);
	enum fail_code code;

	if (tls == NULL || tls->complete != TRI_YES) {
		decide_failed(demand, host, age, FAIL_TLS_HANDSHAKE, d);
		return;
	}
	/* an unknown version (-1) is below every minimum */
	if (demand->want_tls && tls->version_value < (int64_t)demand->min) {
		decide_failed(demand, host, age, FAIL_TLS_TOO_OLD, d);
		return;
	}
	code = check_identity(demand, tls, leaf);
	if (code != FAIL_NONE)
		set(d, DECIDE_SKIP, code, certificate_reason(code, &tls->verify));
	else if (demand->require_tls && !offers_require_tls(host))
		set(d, DECIDE_SKIP, FAIL_REQUIRETLS, "the server does not offer REQUIRETLS");
	else
		set(d, DECIDE_DELIVER_TLS, FAIL_NONE, "over TLS");
}

bool
decide_is_policy_failure(enum fail_code code)
{
	switch (code) {
	case FAIL_STARTTLS_NOT_OFFERED:
	case FAIL_STARTTLS_REJECTED:
	case FAIL_TLS_HANDSHAKE:
	case FAIL_CERT_UNTRUSTED:
	case FAIL_CERT_EXPIRED:
	case FAIL_CERT_MISMATCH:
	case FAIL_CERT_PIN:
	case FAIL_TLSA_INVALID:
	case FAIL_TLS_TOO_OLD:
	case FAIL_DANE_REQUIRED:
	case FAIL_STS_MX:
	case FAIL_REQUIRETLS:
	case FAIL_REQUIRETLS_TLS:
		return true;
	default:
		return false;
	}
}

void
decide(const struct demand *demand, const struct host_facts *host, const struct cert_facts *leaf,
    int64_t message_age_s, bool clear_retry, struct decision *d_r)
{
	if (!demand->connect) {
		set(d_r, DECIDE_SKIP, demand->code, demand->reason);
		return;
	}
	/* who could write behind the 220 may also have removed or added it: not even clear text */
	if (host->post_220_bytes > 0) {
		set(d_r, DECIDE_SKIP, FAIL_RESPONSE_INJECTION, "bytes after the reply to STARTTLS");
		return;
	}
	/* a close in the middle of the handshake is a failed handshake */
	if (host->starttls_state != STARTTLS_FAILED && session_over(host, d_r))
		return;
	if (host->ehlo_unsupported) { /* RFC 5321 s3.2: HELO answered, so no extensions */
		decide_not_offered(demand, d_r);
		return;
	}
	switch (host->starttls_state) {
	case STARTTLS_UNKNOWN:
		decide_no_ehlo(host, d_r);
		break;
	case STARTTLS_NOT_OFFERED:
		decide_not_offered(demand, d_r);
		break;
	case STARTTLS_OFFERED:
		decide_offered(demand, message_age_s, clear_retry, d_r);
		break;
	case STARTTLS_REFUSED:
		decide_refused(demand, host, d_r);
		break;
	case STARTTLS_FAILED:
		decide_failed(demand, host, message_age_s, FAIL_TLS_HANDSHAKE, d_r);
		break;
	case STARTTLS_DONE:
	case STARTTLS_IMPLICIT:
		decide_tls(demand, host, leaf, message_age_s, d_r);
		break;
	}
}

static const char *
tls_result_type(const struct host_facts *host)
{
	enum fail_code code = FAIL_NONE;
	bool old = false;

	for (size_t i = 0; i < host->tls_n && code == FAIL_NONE; i++) {
		const struct tls_facts *tls = &host->tls[i];
		if (tls->complete != TRI_YES)
			continue; /* a further handshake that failed: no such key (DECISIONS 21) */
		if (tls->version_value >= 0 && tls->version_value < TLS_VERSION_1_2)
			old = true;
		if (tls->verify.trusted != TRI_UNKNOWN)
			code = decide_certificate(&tls->verify, RULE_MATCH_HOSTNAME);
	}
	if (code == FAIL_NONE && old)
		code = FAIL_TLS_TOO_OLD;
	return code == FAIL_NONE ? NULL : fail_info(code)->result_type;
}

const char *
host_result_type(const struct host_facts *host)
{
	if (host->post_220_bytes > 0)
		return fail_info(FAIL_RESPONSE_INJECTION)->result_type;
	if (host->ehlo_unsupported)
		return "x-ehlo-unsupported";
	switch (host->starttls_state) {
	case STARTTLS_UNKNOWN:
	case STARTTLS_OFFERED:
		break;
	case STARTTLS_NOT_OFFERED:
		if (host->ehlo_code != 250)
			break;
		return host->keyword_masked ? "x-starttls-stripped-suspected"
					    : fail_info(FAIL_STARTTLS_NOT_OFFERED)->result_type;
	case STARTTLS_REFUSED:
		return fail_info(FAIL_STARTTLS_REJECTED)->result_type;
	case STARTTLS_FAILED:
		if (host->status == HOST_CANCELLED)
			break;
		return fail_info(FAIL_TLS_HANDSHAKE)->result_type;
	case STARTTLS_DONE:
	case STARTTLS_IMPLICIT:
		return tls_result_type(host);
	}
	return NULL;
}
