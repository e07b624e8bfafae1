#ifndef POLICY_TXT_H
#define POLICY_TXT_H

#include "base/arena.h"
#include "base/fail.h"
#include "base/slice.h"
#include "dns/dns.h"

/*
 * TXT records of a name below a mail domain, for the policies that are announced there.
 */
struct txt {
	struct slice *texts; /* of each record, its strings joined; in arena */
	size_t n;            /* 0: no such name, or no TXT record there */
	/* not NULL: the lookup failed, and nothing is known; for people */
	const char *error;
	enum fail_code code; /* with error: DNS_TIMEOUT, DNS_SERVFAIL, ... */
};

/*
 * Look up prefix.domain (domain: A-labels, without trailing dot). Fails with CANCELLED, TIMEOUT,
 * DNS_NAME (longer than a name may be), OS.
 */
int txt_lookup(struct dns_resolver *resolver, const char *prefix, const char *domain,
    struct arena *arena, struct txt *txt_r, int64_t deadline, struct fail *why);

#endif
