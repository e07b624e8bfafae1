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
 * (but not 127.0.0.11), "options trust-ad" in resolv.conf, or trust_ad below. Before the first
 * statement about an answer of such a server, it is asked ". NS", once an hour, joined. What the
 * state of an answer that is OK, NODATA or NXDOMAIN says:
 *   SECURE         AD from a trusted server that validates
 *   INSECURE       no AD from a trusted server that validates
 *   NOT_CHECKED    the server is not trusted, or ". NS" came without AD: it does not validate
 *   INDETERMINATE  it should have been checked, but a query failed (". NS" got no answer, or a
 *                  trusted server failed and another one answered): as good as a failed lookup.
 *                  Whoever decides about DANE must not take it for INSECURE or NOT_CHECKED.
 * BOGUS comes with SERVFAIL and an extended error 6 to 12 (RFC 8914), from any server: it only ever
 * stops us. A trusted server that validates and says SERVFAIL without such a word is asked again with
 * checking disabled, and then once more as before: an answer to the one and SERVFAIL to the other is
 * BOGUS, too. Other failures are INDETERMINATE from a trusted server, NOT_CHECKED otherwise.
 */

enum dns_type {
	DNS_A = 1,
	DNS_NS = 2,
	DNS_CNAME = 5,
	DNS_PTR = 12,
	DNS_MX = 15,
	DNS_TXT = 16,
	DNS_AAAA = 28,
	DNS_TLSA = 52,
	DNS_CAA = 257
};

struct dns_record {
	uint32_t ttl;
	uint16_t preference; /* MX */
	/*
	 * MX exchange, NS, PTR, CNAME target: lower case, no trailing dot; "" is the root (null MX). CAA: the
	 * tag, lower case
	 */
	const char *name;
	unsigned char address[16];         /* A: 4 bytes, AAAA: 16 */
	uint8_t usage, selector, matching; /* TLSA */
	uint8_t flags;                     /* CAA */
	/* TXT: strings joined; TLSA: association data, CAA: value (both may be empty) */
	const unsigned char *data;
	size_t data_len;
};

/*
 * Immutable and counted: dns_answer_release. One block of memory; every string and data field in
 * it is followed by a NUL. Names from the net are presentation format (RFC 1035 s5.1): odd bytes
 * in labels are escaped (\032, \.), so they hold printable ASCII only, and dns_name_normalize
 * refuses such a name.
 */
struct dns_answer {
	int refs;
	enum dns_status status;
	enum dnssec dnssec;
	int rcode;         /* RFC 1035 and 6895 number, -1 without an answer */
	int ede;           /* RFC 8914 extended error, -1 without */
	const char *cname; /* canonical name at the end of the alias chain, NULL without alias */
	uint32_t ttl;      /* smallest of the answer; negative TTL (RFC 2308) otherwise */
	/* at most LIMIT_DNS_RECORDS (more are dropped), in the order of the answer */
	const struct dns_record *records;
	size_t n;
	char resolver[ADDR_TEXT_BYTES]; /* who answered, "" without */
	double duration_s;
	const char *error; /* for people, NULL when status is OK, NODATA or NXDOMAIN */
	size_t bytes;      /* of the block */
};

struct dns_options {
	const struct addr *servers; /* n == 0: from resolv.conf */
	size_t n;
	const char *resolv_conf; /* NULL: /etc/resolv.conf */
	bool trust_ad;
	int64_t timeout_ms; /* per try, 0: 3000 (or resolv.conf's) */
	int tries;          /* rounds over all servers, 0: 2 (or resolv.conf's attempts) */
};

struct dns_resolver;

/*
 * Reads resolv.conf when no servers are given; servers are copied. Sends nothing.
 * Fails with CONFIG (resolv.conf cannot be read, too many servers).
 */
struct dns_resolver *dns_resolver_new(const struct dns_options *options, struct fail *why);
/* Answers that were handed out stay valid; lookups in flight end by themselves. NULL is allowed. */
void dns_resolver_free(struct dns_resolver *resolver);

/* Address and port of each server, in arena. */
void
dns_resolver_list(const struct dns_resolver *resolver, struct arena *arena, struct strs *list_r);

/*
 * Look up one name (A-labels, with or without trailing dot, any case; never relative). Every outcome
 * about the name is an answer (status); 0 with *answer_r counted. -1 only when there is no outcome:
 * CANCELLED or TIMEOUT (our own deadline, before the tries were used up), DNS_NAME (not a name), OS.
 */
int dns_query(struct dns_resolver *resolver, const char *name, enum dns_type type,
    const struct dns_answer **answer_r, int64_t deadline, struct fail *why);
void dns_answer_release(const struct dns_answer *answer);

/*
 * The fail code of an answer: DNS_TIMEOUT, DNS_SERVFAIL, DNS_BOGUS, DNS_REFUSED, DNS_MALFORMED; NXDOMAIN; NONE
 * when it is OK or NODATA.
 */
enum fail_code dns_answer_fail(const struct dns_answer *answer);

/*
 * Whether statements about DNSSEC can be made at all: asks the first server ". NS", unless that was
 * done within the hour. YES, or NO or UNKNOWN with the reason in why (CONFIG: not trusted, or does not
 * validate; else the failure of the query). For "policy check" and the log; dns_query asks by itself.
 */
enum tri dns_resolver_validates(struct dns_resolver *resolver, int64_t deadline, struct fail *why);

/* How many queries went out on the wire (". NS" too, TCP too), for tests and benches. */
unsigned long dns_queries_sent(const struct dns_resolver *resolver);

/*
 * Check and normalise a domain name: U-labels become A-labels (libidn2, IDNA2008 non-transitional), lower
 * case, one trailing dot dropped, labels 1-63 of letters, digits, hyphen and underscore, 253 bytes
 * at most. Returns a string in arena, or NULL with why (DNS_NAME, naming what is wrong).
 */
const char *dns_name_normalize(const char *name, struct arena *arena, struct fail *why);

/* Pure: the name that PTR records of an address are at (RFC 1035 s3.5, RFC 3596 s2.5); in arena. */
const char *dns_reverse_name(const struct addr *addr, struct arena *arena);

/*
 * Pure: parse a whole response message to a query for (name, type). Never NULL; what cannot be
 * parsed is DNS_MALFORMED with error. trust_ad: AD counts (the caller has asked ". NS").
 * Used by dns_query, unit tests and the fuzzer.
 */
struct dns_answer *dns_message_parse(
    const unsigned char *data, size_t n, const char *name, enum dns_type type, bool trust_ad);

#endif
