#ifndef POLICY_SPF_H
#define POLICY_SPF_H

#include "base/arena.h"
#include "base/fail.h"
#include "base/slice.h"
#include "dns/dns.h"
#include "io/addr.h"

/*
 * Whether a domain lets an address send its mail (SPF, RFC 7208), as far as a sender wants to know it of himself.
 * Terms with macros (s7) are not expanded: where one of them decides, the result is unknown.
 */
enum spf_result {
	SPF_UNKNOWN,  /* a macro, or a lookup that failed: s2.6.6 and our own limit */
	SPF_NONE,     /* no record */
	SPF_PASS,     /* "+" */
	SPF_FAIL,     /* "-" */
	SPF_SOFTFAIL, /* "~" */
	SPF_NEUTRAL,  /* "?", or no term matches */
	SPF_PERMERROR /* a record that cannot be understood, two records, too many lookups */
};
/* "pass", "softfail"... */
const char *spf_result_str(enum spf_result result);

enum spf_mechanism { SPF_ALL, SPF_INCLUDE, SPF_A, SPF_MX, SPF_PTR, SPF_IP4, SPF_IP6, SPF_EXISTS };

struct spf_term {
	enum spf_result result; /* of a match, by its qualifier */
	enum spf_mechanism mechanism;
	const char *domain; /* NULL: that of the record; may hold macros */
	struct addr addr;   /* IP4, IP6 */
	unsigned prefix4, prefix6;
};

struct spf_record {
	struct spf_term *terms;
	size_t n;
	const char *redirect; /* NULL: none */
};

/* Pure: whether a TXT text is such a record at all (s4.5). */
bool spf_is_record(struct slice text);
/* Pure (s4.6, s12): strings in arena. Fails with MESSAGE, naming the term. */
int
spf_parse(struct slice text, struct arena *arena, struct spf_record *record_r, struct fail *why);
/* Pure: an address in a network of so many bits, of the same family. */
bool spf_in_network(const struct addr *addr, const struct addr *network, unsigned bits);

/*
 * domain  A-labels
 * text_r  in arena, for people: the record, or what is wrong
 * Every outcome about the domain is 0. Fails with CANCELLED, TIMEOUT, OS.
 */
int spf_check(struct dns_resolver *resolver, const char *domain, const struct addr *addr,
    struct arena *arena, enum spf_result *result_r, const char **text_r, int64_t deadline,
    struct fail *why);

#endif
