#ifndef POLICY_DECIDE_H
#define POLICY_DECIDE_H

#include "base/facts.h"
#include "base/fail.h"
#include "policy/rules.h"

/*
 * The send decision: what to do next at one address of an MX host, by the rule of the destination
 * and the facts found there. Pure. It is asked at each step of a session: after EHLO, after the
 * reply to STARTTLS, after the handshake (with its verification), and again whenever the session
 * has failed; the facts say which step it is. There is no other place where clear text is allowed.
 */

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
 * rule           of the destination (rules_match)
 * host           what is known of the address; the last entry of tls[] is the handshake of this
 *                session, its verify done with "host" the MX host and "domain" rule_nexthop()
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
 *   verify             X            X                 X                  X               T
 * A server without EHLO (but with HELO) counts as "not offered". TLS below the rule's minimum is a
 * failed handshake. Whatever the level: a closed connection, 421, a timeout, and bytes behind
 * the 220 reply to STARTTLS (response injection) skip the host.
 */
void decide(const struct rule *rule, const struct host_facts *host, int64_t message_age_s,
    bool clear_retry, struct decision *d_r);

/*
 * Whether a verification proves one of the names in match (RULE_MATCH_*): NONE, or the most precise
 * of CERT_EXPIRED, CERT_MISMATCH, CERT_UNTRUSTED (the general one). What was not
 * verified is not proved.
 */
enum fail_code decide_certificate(const struct verify_facts *verify, unsigned match);

/*
 * What went wrong at a host in the words of RFC 8460 s4.3 (or our own, with x-), for
 * host_facts.result_type; NULL when nothing did, or when it says nothing about TLS
 * ("starttls-not-supported" is only said after a complete 250 reply to EHLO).
 */
const char *host_result_type(const struct host_facts *host);

#endif
