#ifndef APP_PROBE_POLICY_H
#define APP_PROBE_POLICY_H

#include "app/exclude.h"
#include "base/facts.h"
#include "policy/mtasts_lookup.h"

/*
 * What a mail domain publishes about its TLS, beside what its servers do: MTA-STS and TLSRPT.
 */
struct probe_policy {
	struct dns_resolver *resolver;
	struct http *http;     /* of mtasts */
	struct mtasts *mtasts; /* NULL: it is not asked for */
	bool tlsrpt;
};

struct probe_policy_options {
	struct dns_resolver *resolver;
	const struct tls_trust *trust;
	int family; /* of addresses: 0 both, 4, 6 */
	bool allow_private, mta_sts, tlsrpt;
	int64_t timeout_ms; /* of the fetch of one policy, at most the minute of RFC 8461 */
};

void probe_policy_init(struct probe_policy *policy_r, const struct probe_policy_options *options);
/* Policy hosts that are not to be asked. exclude must outlive policy; NULL: nobody. */
void probe_policy_exclude(const struct probe_policy *policy, const struct exclude *exclude);
/* Also of one that is all zero. */
void probe_policy_fini(struct probe_policy *policy);

/* False where there is nothing to ask: the domain has no mail hosts that a policy could be about. */
bool probe_policy_wanted(enum mx_status mx_status);

/*
 * Look both up, into facts->sts and facts->tlsrpt. domain: A-labels. deadline: for the DNS; the
 * policy itself has a time of its own, since requests of ours to one host wait for each other.
 * Every outcome about the domain is 0. Fails with CANCELLED; then what was found stays.
 */
int probe_policy_gather(const struct probe_policy *policy, const char *domain, struct arena *arena,
    struct target_facts *facts, int64_t deadline, struct fail *why);

#endif
