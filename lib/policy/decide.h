#ifndef POLICY_DECIDE_H
#define POLICY_DECIDE_H

#include "base/facts.h"
#include "base/fail.h"
#include "base/limits.h"
#include "policy/rules.h"
#include "policy/sticky.h"

/*
 * The send decision, in two pure steps. First what is demanded at one address of an MX host: by
 * the rule of the destination, the mx: and ip: rules that match there, what the domain publishes,
 * and what the message asks for. Then, at each step of a session (after EHLO, after the reply to
 * STARTTLS, after the handshake, and again whenever the session has failed), what to do next, by
 * the demand and the facts found there. There is no other place where clear text is allowed.
 */

/* What the MTA-STS policy of the domain says about one MX host (RFC 8461 s5). */
enum sts_effect {
	STS_EFFECT_NONE, /* no policy (mode none, not published, never fetched), or not looked for */
	STS_EFFECT_TESTING,  /* nothing is enforced */
	STS_EFFECT_MATCH,    /* enforce, and the host is listed */
	STS_EFFECT_NO_MATCH, /* enforce, and it is not */
	STS_EFFECT_ERROR     /* what was remembered cannot be read, or time was up: nobody knows */
};

/* What is known of a host before it is connected to. */
struct decide_site {
	const struct rule *rule;        /* of the destination (rules_match) */
	const struct rule *const *more; /* rules_constraints */
	size_t more_n;                  /* above LIMIT_CONSTRAINTS: the host is not used */
	const char *host;      /* name, that of the certificate for MTA-STS; an address is none */
	const char *nexthop;   /* rule_nexthop() */
	enum tlsa_status tlsa; /* NOT_CHECKED when decide_asks_dane says no */
	enum sts_effect sts;
	/*
	 * The way to the host is proved: signed MX records, or a host that the administrator named (RFC
	 * 8689 s4.2.1; an enforced MTA-STS policy proves it, too)
	 */
	bool mx_secure;
	bool require_tls, tls_required_no; /* of the message */
	/* sticky=yes: what was seen of the destination; not where the message says TLS-Required: No */
	enum sticky sticky;
	bool sticky_unknown; /* what is remembered cannot be read */
};

/* Whether TLSA records, or the MTA-STS policy, can matter: any of the rules uses it, or REQUIRETLS does. */
bool decide_asks_dane(const struct decide_site *site);
bool decide_asks_sts(const struct decide_site *site);

/*
 * What must hold before a message may leave: everything in here, not one of it. Levels have no order
 * (a pin is not "more" than DANE), so demands add up instead.
 */
struct demand {
	bool connect; /* false: not even a connection; code and reason say why */
	enum fail_code code;
	const char *reason; /* a constant */
	bool want_tls, need_tls;
	enum rule_fallback fallback; /* when TLS is wanted and not needed */
	bool dane;                   /* a TLSA record must match */
	bool sts;                    /* a trusted chain for the host's name, SAN only */
	bool pkix;                   /* a trusted chain for the host's name (REQUIRETLS) */
	bool require_tls;            /* the server must offer REQUIRETLS inside TLS */
	const struct rule *rules[LIMIT_CONSTRAINTS + 1]; /* whose own identity check must pass */
	size_t rules_n;
	bool strict; /* the server must prove who it is: security level 1 */
	enum tls_version min;
	const char *host, *nexthop; /* of the site */
	enum sticky sticky; /* raised by what was seen before, and nothing else asks for as much */
	bool lowered;       /* a lower=yes rule took the place of the domain's */
};

/*
 * rule, more: all must hold (DECISIONS E32), except that rules with lower=yes take the domain
 * rule's place where that is may, auto or dane, neither DANE nor an enforced MTA-STS policy applies,
 * and the message does not ask for REQUIRETLS.
 *
 * By level:                none  may  auto  encrypt  verify  secure  fingerprint  dane  dane-only
 *   TLS                     -    try  try   must     must    must    must         try   must
 *   own identity check      -    -    -     -        chain   chain   pin          -     -
 *   TLSA usable             -    -    match match    match   -       -            match match
 *   ... of an unsigned MX   -    -    match match    match   -       -            match skip
 *   TLSA none usable        -    -    TLS   -        -       -       -            TLS   skip
 *   TLSA bogus, error       -    -    skip  skip     skip    -       -            skip  skip
 *   TLSA none               -    -    -     -        -       -       -            -     skip
 *   MTA-STS enforce *       -    -    chain chain    chain   -       -            -     -
 *   ... unknown *            -    -    skip  skip     skip    -       -            -     -
 *   ... host not listed *   -    -    skip  skip     skip    -       -            -     -
 * (*) not where TLSA is usable: DANE comes first (RFC 8461 s2). match, chain and TLS include must;
 * skip is without a connection.
 *
 * What sticky=yes remembers is demanded beside all that, also where a lower=yes rule has its say: TLS, and a trusted certificate for
 * the host's name where one was seen and neither DANE nor MTA-STS proves it.
 *
 * TLS-Required: No (RFC 8689 s5) makes may of auto and dane, with fallback=now unless the rule says
 * never; where REQUIRETLS was asked for, too, that one holds (s4.1).
 */
void decide_demand(const struct decide_site *site, struct demand *d_r);

/* "dane", "sts", "pkix", "pin", "enc" or "none": how a session with TLS, or without, was protected. */
const char *decide_protection(const struct demand *demand, bool in_tls);

enum decide_action {
	DECIDE_SKIP,           /* this host is of no use now: the next one, or defer */
	DECIDE_STARTTLS,       /* send STARTTLS */
	DECIDE_DELIVER_TLS,    /* send the message on this connection, which has TLS */
	DECIDE_DELIVER_CLEAR,  /* send the message on this connection, which has none */
	DECIDE_RECONNECT_CLEAR /* a new connection to this host, decided with clear_retry */
};

struct decision {
	enum decide_action action;
	/*
	 * Why the host is skipped; for DELIVER_CLEAR and RECONNECT_CLEAR what made it so
	 * (STARTTLS_NOT_OFFERED...; NONE at level none); NONE otherwise.
	 */
	enum fail_code code;
	const char *reason; /* one phrase for people, a constant; "" for STARTTLS */
	/*
	 * With SKIP: when no other host has taken the message over TLS, this one may be tried
	 * again on a new connection in clear, decided with clear_retry (fallback=delayed).
	 */
	bool clear_later;
};

/* fallback=delayed allows clear text from this message age on (Postfix: minimal_backoff_time). */
#define DECIDE_DELAYED_S 300

/*
 * demand         of decide_demand
 * host           what is known of the address; the last entry of tls[] is the handshake of this
 *                session, its verify done with "host" the MX host and "domain" rule_nexthop(), its dane
 *                with the host's TLSA records
 * leaf           the certificate of that handshake, NULL: not known (then it proves no name and no pin)
 * message_age_s  since the message was accepted; 0 where there is no queue
 * clear_retry    this connection was made because of RECONNECT_CLEAR or clear_later: STARTTLS is
 *                not sent although offered. It is checked again that the rule allows it.
 * d_r            set completely
 *
 * The table (P clear text, T TLS, X skip), as in mxtls-policy(5):
 *   level              not offered  STARTTLS refused  handshake failed  certificate bad  good
 *   none               P            never sent
 *   may now            P            P                 new connection, P  T               T
 *   may delayed        P            P                 X, later P         T               T
 *   may never          P            X                 X                  T               T
 *   encrypt            X            X                 X                  T               T
 *   verify, secure...  X            X                 X                  X               T
 * A server without EHLO (but with HELO) counts as "not offered". TLS below the minimum is a
 * failed handshake. Whatever the level: a closed connection, 421, a timeout, and bytes behind
 * the 220 reply to STARTTLS (response injection) skip the host.
 */
void decide(const struct demand *demand, const struct host_facts *host,
    const struct cert_facts *leaf, int64_t message_age_s, bool clear_retry, struct decision *d_r);

/*
 * Whether a failure says that a host could not satisfy the policy (on-fail applies), in contrast to one
 * that could not be asked.
 */
bool decide_is_policy_failure(enum fail_code code);

/*
 * Whether a verification proves one of the names in match (RULE_MATCH_HOSTNAME, RULE_MATCH_NEXTHOP):
 * NONE, or the most precise of CERT_EXPIRED, CERT_MISMATCH, CERT_UNTRUSTED (the general one). What
 * was not verified is not proved.
 */
enum fail_code decide_certificate(const struct verify_facts *verify, unsigned match);

/*
 * The same for an MTA-STS policy (RFC 8461 s4.1, s4.2): for the name of the MX host, and names of the SAN only. leaf
 * NULL: not known.
 */
enum fail_code decide_sts_certificate(
    const struct verify_facts *verify, const struct cert_facts *leaf, const char *host);

/*
 * What went wrong at a host in the words of RFC 8460 s4.3 (or our own, with x-), for
 * host_facts.result_type; NULL when nothing did, or when it says nothing about TLS
 * ("starttls-not-supported" is only said after a complete 250 reply to EHLO).
 */
const char *host_result_type(const struct host_facts *host);

#endif
