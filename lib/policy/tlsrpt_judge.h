#ifndef POLICY_TLSRPT_JUDGE_H
#define POLICY_TLSRPT_JUDGE_H

#include "policy/decide.h"

/*
 * As what a session counts in a report about TLS (RFC 8460 s4.3, s4.4): by what the domain publishes, whatever the
 * sender's own rule makes of it. Pure.
 */
struct tlsrpt_site {
	const char *domain;            /* of the recipients */
	const char *host;              /* MX host */
	bool dane_asked, sts_asked;    /* the rule looked for them */
	const struct tlsa_facts *tlsa; /* of the host */
	const struct sts_facts *sts;   /* of the domain; may be NULL where not asked for */
	/* why it was not even connected to (demand.code), or NONE */
	enum fail_code refused;
};

struct tlsrpt_verdict {
	bool counts; /* false: nothing was found out about TLS, or about what is published */
	enum tlsrpt_policy type;
	const char *result; /* NULL: success; a word of RFC 8460 s4.3 */
	const char *reason; /* failure-reason-code, or NULL; points into host, or a constant */
};

/*
 * host, leaf  as for decide(); NULL where there was no connection
 *
 *   TLSA records apply      no STARTTLS, a failed handshake, no record that matches; bogus or no answer
 *   MTA-STS applies         the same, and a certificate that is not for the host, not valid, or not trusted; a host
 *                           that is not listed. testing as enforce. A policy that cannot be had is a failure of
 *                           each session, however it went
 *   neither is published    no STARTTLS, a failed handshake
 */
void tlsrpt_judge(const struct tlsrpt_site *site, const struct host_facts *host,
    const struct cert_facts *leaf, struct tlsrpt_verdict *v_r);

/* The policy of a verdict as a report tells it (s4.4): policy, mx and policy_domain of facts_inout. */
void tlsrpt_policy_text(const struct tlsrpt_site *site, enum tlsrpt_policy type,
    struct arena *arena, struct tlsrpt_session_facts *facts_inout);

#endif
