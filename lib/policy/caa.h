#ifndef POLICY_CAA_H
#define POLICY_CAA_H

#include "base/facts.h"
#include "base/fail.h"
#include "dns/dns.h"

/*
 * Which CAs may issue certificates for a host: RFC 8659. Asked at the host, then at each name above
 * it up to the top-level domain, until there are records (s3); those found first are all that
 * count.
 *
 * host: A-labels, without trailing dot. Every outcome about the host is 0, with a status. Fails
 * with CANCELLED, TIMEOUT, DNS_NAME, OS.
 */
int caa_lookup(struct dns_resolver *resolver, const char *host, struct arena *arena,
    struct caa_facts *facts_r, int64_t deadline, struct fail *why);

#endif
