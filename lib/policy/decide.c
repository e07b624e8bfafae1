#include "policy/decide.h"

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
decide_not_offered(const struct rule *rule, struct decision *d)
{
	if (level_needs_tls(rule->level))
		set(d, DECIDE_SKIP, FAIL_STARTTLS_NOT_OFFERED, "TLS is required, but not offered");
	else
		set(d, DECIDE_DELIVER_CLEAR, FAIL_STARTTLS_NOT_OFFERED, "STARTTLS is not offered");
}

/* True when the rule allows clear text after TLS was tried and failed. */
static bool
clear_after_failure(const struct rule *rule, int64_t message_age_s)
{
	if (!level_has_fallback(rule->level))
		return false;
	return rule->fallback == FALLBACK_NOW ||
	       (rule->fallback == FALLBACK_DELAYED && message_age_s >= DECIDE_DELAYED_S);
}

static void
decide_offered(const struct rule *rule, int64_t age, bool clear_retry, struct decision *d)
{
	if (!level_wants_tls(rule->level))
		set(d, DECIDE_DELIVER_CLEAR, FAIL_NONE, "the policy uses no TLS here");
	else if (clear_retry && clear_after_failure(rule, age))
		set(d, DECIDE_DELIVER_CLEAR, FAIL_TLS_HANDSHAKE,
		    "TLS failed on another connection");
	else
		set(d, DECIDE_STARTTLS, FAIL_NONE, "");
}

static void
decide_refused(const struct rule *rule, const struct host_facts *host, struct decision *d)
{
	/* 421 announces that the connection closes (RFC 5321 s3.8): a host failure, DECISIONS 33 */
	if (host->starttls_code == 421)
		set(d, DECIDE_SKIP, FAIL_STARTTLS_REJECTED, "the server left at STARTTLS (421)");
	else if (level_needs_tls(rule->level) ||
		 (level_has_fallback(rule->level) && rule->fallback == FALLBACK_NEVER))
		set(d, DECIDE_SKIP, FAIL_STARTTLS_REJECTED,
		    "STARTTLS was advertised, then refused");
	else
		set(d, DECIDE_DELIVER_CLEAR, FAIL_STARTTLS_REJECTED,
		    "STARTTLS was advertised, then refused");
}

static void
decide_failed(const struct rule *rule, const struct host_facts *host, int64_t age,
    enum fail_code code, struct decision *d)
{
	const char *reason = fail_info(code)->text;
	/* a port where TLS comes first has no clear text to go back to */
	bool clear = clear_after_failure(rule, age) && !host->implicit_tls &&
		     host->starttls_state != STARTTLS_IMPLICIT;

	if (clear && rule->fallback == FALLBACK_NOW) {
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

static void
decide_tls(const struct rule *rule, const struct host_facts *host, int64_t age, struct decision *d)
{
	const struct tls_facts *tls = last_handshake(host);
	enum fail_code code = FAIL_NONE;

	if (tls == NULL || tls->complete != TRI_YES) {
		decide_failed(rule, host, age, FAIL_TLS_HANDSHAKE, d);
		return;
	}
	/* an unknown version (-1) is below every minimum */
	if (level_wants_tls(rule->level) && tls->version_value < (int64_t)rule->tls_min) {
		decide_failed(rule, host, age, FAIL_TLS_TOO_OLD, d);
		return;
	}
	if (level_needs_identity(rule->level))
		code = decide_certificate(&tls->verify, rule->match);
	if (code != FAIL_NONE)
		set(d, DECIDE_SKIP, code, certificate_reason(code, &tls->verify));
	else
		set(d, DECIDE_DELIVER_TLS, FAIL_NONE, "over TLS");
}

void
decide(const struct rule *rule, const struct host_facts *host, int64_t message_age_s,
    bool clear_retry, struct decision *d_r)
{
	if (!level_is_supported(rule->level)) { /* the parser lets none through */
		set(d_r, DECIDE_SKIP, FAIL_POLICY_FILE, "the policy's level is not supported yet");
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
		decide_not_offered(rule, d_r);
		return;
	}
	switch (host->starttls_state) {
	case STARTTLS_UNKNOWN:
		decide_no_ehlo(host, d_r);
		break;
	case STARTTLS_NOT_OFFERED:
		decide_not_offered(rule, d_r);
		break;
	case STARTTLS_OFFERED:
		decide_offered(rule, message_age_s, clear_retry, d_r);
		break;
	case STARTTLS_REFUSED:
		decide_refused(rule, host, d_r);
		break;
	case STARTTLS_FAILED:
		decide_failed(rule, host, message_age_s, FAIL_TLS_HANDSHAKE, d_r);
		break;
	case STARTTLS_DONE:
	case STARTTLS_IMPLICIT:
		decide_tls(rule, host, message_age_s, d_r);
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
