#ifndef POLICY_TLSRPT_H
#define POLICY_TLSRPT_H

#include "base/arena.h"
#include "base/facts.h"
#include "base/fail.h"
#include "base/slice.h"
#include "dns/dns.h"

/*
 * Where a mail domain wants reports about TLS to be sent: the _smtp._tls record of RFC 8460 s3.
 */

/*
 * Pure: the record among n TXT texts. Texts that do not begin with "v=TLSRPTv1;" do not count, and
 * exactly one must be left. Sets record, rua, status (NONE, VALID, INVALID) and reason.
 */
void
tlsrpt_read(const struct slice *texts, size_t n, struct arena *arena, struct tlsrpt_facts *facts_r);

/*
 * Look the record of a domain up. domain: A-labels, without trailing dot. Every outcome about the
 * domain is 0, with a status. Fails with CANCELLED, TIMEOUT, DNS_NAME (too long for the prefix), OS.
 */
int tlsrpt_lookup(struct dns_resolver *resolver, const char *domain, struct arena *arena,
    struct tlsrpt_facts *facts_r, int64_t deadline, struct fail *why);

#endif
