#ifndef DNS_DNS_H
#define DNS_DNS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/facts.h"
#include "base/fail.h"
#include "io/addr.h"

/*
 * A stub resolver on io_wait: own query with EDNS0, DO and AD over UDP, TCP after truncation, parsing by
 * libresolv (ns_initparse, ns_parserr). Answers are cached by their TTL and joined while in
 * flight. The search list is never applied.
 *
 * DNSSEC: the AD bit counts only from a resolver that may be trusted (DECISIONS B10): loopback
 * (but not 127.0.0.11), "options trust-ad" in resolv.conf, or trust_ad below.
 */

enum dns_type {
	DNS_A = 1,
	DNS_NS = 2,
	DNS_CNAME = 5,
	DNS_PTR = 12,
	DNS_MX = 15,
	DNS_TXT = 16,
	DNS_AAAA = 28,
	DNS_TLSA = 52
};

struct dns_record {
	uint32_t ttl;
	uint16_t preference; /* MX */
	const char *
	    name; /* MX exchange, NS, PTR, CNAME target: lower case, no trailing dot; "" is the root (null MX) */
	unsigned char address[16];         /* A: 4 bytes, AAAA: 16 */
	uint8_t usage, selector, matching; /* TLSA */
	const unsigned char *data;         /* TXT: strings joined; TLSA: association data */
	size_t data_len;
};

/* Immutable and counted: dns_answer_release. */
struct dns_answer {
	int refs;
	enum dns_status status;
	enum dnssec dnssec;
	int rcode;         /* RFC 1035 and 6895 number, -1 without an answer */
	int ede;           /* RFC 8914 extended error, -1 without */
	const char *cname; /* canonical name at the end of the alias chain, NULL without alias */
	uint32_t ttl;      /* smallest of the answer; negative TTL (RFC 2308) otherwise */
	const struct dns_record *records;
	size_t n;
	char resolver[ADDR_TEXT_BYTES]; /* who answered, "" without */
	double duration_s;
	const char *error; /* for people, NULL when status is OK, NODATA or NXDOMAIN */
	struct arena arena;
};

struct dns_options {
	const struct addr *servers; /* n == 0: from resolv.conf */
	size_t n;
	const char *resolv_conf; /* NULL: /etc/resolv.conf */
	bool trust_ad;
	int64_t timeout_ms; /* per try, 0: 3000 (or resolv.conf's) */
	int tries;          /* over all servers, 0: 2 (or resolv.conf's attempts) */
};

struct dns_resolver;

/* Reads resolv.conf when no servers are given. Fails with CONFIG. */
struct dns_resolver *dns_resolver_new(const struct dns_options *options, struct fail *why);
void dns_resolver_free(struct dns_resolver *resolver);

/*
 * Look up one name (A-labels, with or without trailing dot, any case; never relative). Every outcome
 * about the name is an answer (status); 0 with *answer_r counted. -1 only when there is no outcome:
 * CANCELLED or TIMEOUT (our own deadline, before the tries were used up), DNS_NAME (not a name), OS.
 */
int dns_query(struct dns_resolver *resolver, const char *name, enum dns_type type,
    const struct dns_answer **answer_r, int64_t deadline, struct fail *why);
void dns_answer_release(const struct dns_answer *answer);

/* The fail code of an answer that is neither OK nor NODATA nor NXDOMAIN (DNS_TIMEOUT, DNS_SERVFAIL, DNS_BOGUS...). */
enum fail_code dns_answer_fail(const struct dns_answer *answer);

/* How many queries went out on the wire, for tests and benches. */
unsigned long dns_queries_sent(const struct dns_resolver *resolver);

/*
 * Check and normalise a domain name: U-labels become A-labels (libidn2, IDNA2008 non-transitional), lower
 * case, one trailing dot dropped, labels 1-63 of letters, digits, hyphen and underscore, 253 bytes
 * at most. Returns a string in arena, or NULL with why (DNS_NAME, naming what is wrong).
 */
const char *dns_name_normalize(const char *name, struct arena *arena, struct fail *why);

/* Pure: parse a whole response message to a query for (name, type). Used by dns_query, unit tests and the fuzzer. */
struct dns_answer *dns_message_parse(
    const unsigned char *data, size_t n, const char *name, enum dns_type type, bool trust_ad);

#endif
