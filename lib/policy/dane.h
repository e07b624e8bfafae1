#ifndef POLICY_DANE_H
#define POLICY_DANE_H

#include <stdint.h>

#include "base/arena.h"
#include "base/facts.h"
#include "base/fail.h"
#include "dns/dns.h"
#include "tls/dane.h"

/*
 * DANE for SMTP (RFC 7672): from an MX host to its TLSA records, from those and a handshake to
 * proof or mismatch, and from both to advice. Only dane_lookup waits; the rest is pure.
 *
 * What each status asks of whoever delivers:
 *   usable, dane-insecure-mx  TLS, and a chain that matches (valid)
 *   unusable                  TLS, any certificate
 *   none, insecure            nothing: as if DANE were not there
 *   bogus, error              not to use this host now
 *   not_checked               nothing can be said
 */

/* True when a chain must match a record: usable, dane-insecure-mx. */
bool dane_is_enforced(enum tlsa_status status);
/* True when TLS must not be given up: the former and unusable. */
bool dane_needs_tls(enum tlsa_status status);

/*
 * Look up the TLSA records of one MX host, _port._tcp.<base>.
 *
 * mx         filled by mx_addresses; its name, cname and the state of its addresses are used. When
 *            the lookup of one family failed, and that may hide something (INDETERMINATE, BOGUS),
 *            the host's TLSA records are not asked for: error, bogus
 * mx_dnssec  state of what led to the host: the MX answer, also one without MX records (implicit MX);
 *            SECURE for a host that the user named. Without a secure MX, secure records at a
 *            host are dane-insecure-mx (DECISIONS B12)
 * tlsa_r     initialised here; also filled when this fails
 * Every outcome about the host is 0 with a status. Fails with CANCELLED, TIMEOUT (our deadline), OS;
 * then the status is error.
 */
int dane_lookup(struct dns_resolver *resolver, const struct exchange_facts *mx, uint16_t port,
    enum dnssec mx_dnssec, struct arena *arena, struct tlsa_facts *tlsa_r, int64_t deadline,
    struct fail *why);

/*
 * The decision before any query: where TLSA records may be (RFC 7672 s2.2.2, s2.2.3).
 */
struct dane_plan {
	const char *names[2]; /* TLSA base domains, in the order to ask */
	size_t n;             /* 0: nothing to ask, status tells why */
	/*
	 * The addresses behind the alias are not secure; the alias itself may be. When the CNAME
	 * record at the name is secure, the name is the base domain.
	 */
	bool ask_cname;
	enum tlsa_status status;
	const char *reason; /* a constant */
};
void dane_plan(const struct exchange_facts *mx, enum dnssec mx_dnssec, struct dane_plan *plan_r);

/*
 * What the answer to the CNAME query of a plan says: the plan without ask_cname.
 */
void dane_plan_cname(
    const struct dns_answer *cname, const struct exchange_facts *mx, struct dane_plan *plan_inout);

/*
 * What an answer to a TLSA query says: status, dnssec, ttl, records (each judged by
 * dane_judge_records), reason. True when this settles it; false when the next base domain may be
 * asked (none, or not signed).
 */
bool dane_from_answer(const struct dns_answer *answer, enum dnssec mx_dnssec, struct arena *arena,
    struct tlsa_facts *tlsa);

/*
 * Set usable and note of each record: usages 2 and 3, selectors 0 and 1, matching types 0 to 2, data
 * of the right form (RFC 7672 s3.1, s3.2); and of records with the same usage and selector only those
 * with the strongest digest, and those without digest (RFC 7671 s9).
 * Returns how many are usable.
 */
size_t dane_judge_records(struct tlsa_record_facts *records, size_t n, struct arena *arena);
/* True for a record that would count if there were none with a stronger digest. */
bool dane_is_superseded(const struct tlsa_record_facts *record);

/*
 * Names that a certificate under DANE-TA may have (RFC 7672 s3.2.3): TLSA base domain, MX host, its
 * canonical name, and the mail domain when the MX records are secure. Fills names, returns how many.
 * domain: NULL for none.
 */
#define DANE_NAMES 3
size_t dane_names(const struct exchange_facts *mx, const char *domain, enum dnssec mx_dnssec,
    const char *names[DANE_NAMES]);

/*
 * Compare a handshake with the host's records: sets tls->dane, and matched, depth and note of
 * the records of mx->tlsa, which keep the best of all handshakes. session: of this handshake, or NULL
 * when there was none.
 * domain, mx_dnssec: as for dane_names. at, auth_level: as for tls_verify.
 */
void dane_check(const struct tls *session, struct exchange_facts *mx, const char *domain,
    enum dnssec mx_dnssec, int64_t at, int auth_level, struct arena *arena, struct tls_facts *tls);

/* The same from what tls_dane or tls_dane_chain found; returns what tls->dane is to be. */
enum dane dane_note_fits(
    struct tlsa_facts *tlsa, enum dane dane, const struct tls_dane_fit *fits, struct arena *arena);

/*
 * Set mx->tlsa.advice, what to do about the host's TLSA records, and mx->tlsa.rollover. Both need the
 * handshakes in mx->hosts with their dane, and certs, the certificates of the target. With RSA and ECDSA keys a record for each is no rollover scheme, and unless the server
 * was asked for both kinds nothing is said about records that match none.
 */
void dane_advise(
    struct exchange_facts *mx, const struct cert_facts *certs, size_t certs_n, struct arena *arena);

#endif
