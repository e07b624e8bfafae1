#ifndef POLICY_MX_H
#define POLICY_MX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/facts.h"
#include "base/fail.h"
#include "dns/dns.h"

/*
 * From a mail domain to hosts (RFC 5321 s5.1), and from a host to addresses. The two lookups
 * wait; what they make of the answers is pure.
 */

struct mx_host {
	const char *name;    /* lower case, no trailing dot */
	uint16_t preference; /* 0 for an implicit MX */
	bool primary;        /* of the lowest preference */
	bool from_mx; /* named by an MX record; else the domain itself, or a host asked for */
	/*
	 * What is wrong with the MX record, with advice: one sentence; NULL when nothing is. A
	 * finding does not mean that the host cannot be used, mx_addresses tells that.
	 */
	const char *finding;
};

struct mx_list {
	enum mx_status status;
	struct mx_host *hosts; /* best first; empty unless has_mx, implicit or null_with_other */
	size_t n;
	size_t dropped;       /* hosts beyond LIMIT_MX_HOSTS, of the highest preferences */
	enum fail_code code;  /* with dns_error: DNS_TIMEOUT, DNS_SERVFAIL, DNS_BOGUS... */
	struct dns_facts dns; /* the MX lookup, for the record */
};

/*
 * Pure: what the answer to an MX query says. Hosts are sorted by preference; those of one
 * preference are shuffled by seed (s5.1: "MUST randomize"), the same way for the same seed in
 * whatever order the records came. A host named twice keeps its lower preference. A null MX is
 * ignored beside others (RFC 7505 s3). NODATA gives implicit with the domain as its only host:
 * whether that has an address remains to be asked.
 *
 * domain  A-labels without trailing dot
 */
void mx_from_answer(const struct dns_answer *mx, const char *domain, uint32_t seed,
    struct arena *arena, struct mx_list *list_r);

/*
 * Look a mail domain up: MX, and where there is none, whether the domain itself has an address
 * (status implicit, or none, or dns_error when that cannot be told). Every outcome about the
 * domain is 0 with a status. Fails with CANCELLED, TIMEOUT, DNS_NAME, OS.
 */
int mx_lookup(struct dns_resolver *resolver, const char *domain, uint32_t seed, struct arena *arena,
    struct mx_list *list_r, int64_t deadline, struct fail *why);

/*
 * 0 when there is a host to go to; otherwise -1 with why: NULL_MX, NXDOMAIN, NO_MX, or the code of
 * the lookup that failed. For whoever delivers.
 */
int mx_list_check(const struct mx_list *list, const char *domain, struct fail *why);

/* Which addresses to ask for: the number that options -4 and -6 stand for. */
enum mx_family { MX_FAMILY_BOTH = 0, MX_FAMILY_IPV4 = 4, MX_FAMILY_IPV6 = 6 };

/*
 * The addresses of a host, at most LIMIT_MX_ADDRESSES (facts_r->addresses_left_out counts the others),
 * each once, port 0: IPv4 and IPv6 by turns, in the order of the answers. One that is itself an address (a target in brackets) is taken
 * without a lookup, unless an MX record names it.
 *
 * facts_r  initialised here: name, preference, primary, finding, cname, status, dnssec (the weaker
 *          of both lookups), ttl (the smaller), addresses; hosts stays empty
 * Returns 0 with at least one address, or -1 with why, and facts_r filled all the same.
 * Fails with MX_LITERAL, DNS_NAME (no host name), NO_MX_ADDRESS (neither A nor AAAA), the codes
 * of a failed lookup (DNS_SERVFAIL, ...), CANCELLED, TIMEOUT, OS.
 */
int mx_addresses(struct dns_resolver *resolver, const struct mx_host *host, enum mx_family family,
    struct arena *arena, struct addr **addrs_r, size_t *n_r, struct exchange_facts *facts_r,
    int64_t deadline, struct fail *why);

/* A seed for mx_lookup: MXTLS_SEED (a number) where it is set, else random. Not pure. */
uint32_t mx_seed(void);

#endif
