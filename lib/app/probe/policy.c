#include "app/probe/policy.h"

#include "base/clock.h"
#include "policy/tlsrpt.h"

#define FETCH_MS 60000 /* RFC 8461 s3.3 */

void
probe_policy_init(struct probe_policy *policy, const struct probe_policy_options *options)
{
	int64_t timeout = options->timeout_ms < FETCH_MS ? options->timeout_ms : FETCH_MS;

	*policy = (struct probe_policy){ .resolver = options->resolver, .tlsrpt = options->tlsrpt };
	if (!options->mta_sts)
		return;
	policy->http = http_new(&(struct http_options){ .resolver = options->resolver,
	    .trust = options->trust,
	    .family = options->family,
	    .allow_private = options->allow_private });
	policy->mtasts = mtasts_new(&(struct mtasts_options){
	    .resolver = options->resolver, .http = policy->http, .timeout_ms = timeout });
}

static bool
is_excluded(const void *exclude, const char *name, const struct addr *addr)
{
	return addr != NULL ? exclude_addr(exclude, addr) : exclude_name(exclude, name);
}

void
probe_policy_exclude(const struct probe_policy *policy, const struct exclude *exclude)
{
	if (policy->http != NULL && exclude != NULL)
		http_refuse(policy->http, is_excluded, exclude);
}

void
probe_policy_fini(struct probe_policy *policy)
{
	mtasts_free(policy->mtasts);
	http_free(policy->http);
}

bool
probe_policy_wanted(enum mx_status mx_status)
{
	return mx_status == MX_HAS_MX || mx_status == MX_IMPLICIT ||
	       mx_status == MX_NULL_WITH_OTHER;
}

static int
gather_tlsrpt(const struct probe_policy *policy, const char *domain, struct arena *arena,
    struct tlsrpt_facts *facts, int64_t deadline, struct fail *why)
{
	if (tlsrpt_lookup(policy->resolver, domain, arena, facts, deadline, why) == 0)
		return 0;
	if (why->code == FAIL_DNS_NAME) { /* no name that long exists */
		facts->status = TLSRPT_NONE;
		return 0;
	}
	facts->status = TLSRPT_DNS_ERROR;
	facts->reason = arena_strdup(arena, why->text);
	return why->code == FAIL_CANCELLED ? -1 : 0;
}

static int
gather_sts(const struct probe_policy *policy, const char *domain, struct arena *arena,
    struct sts_facts *facts, struct fail *why)
{
	if (mtasts_lookup(policy->mtasts, domain, 0, arena, facts, DEADLINE_NEVER, why) == 0)
		return 0;
	facts->status = STS_FETCH_ERROR;
	facts->reason = arena_strdup(arena, why->text);
	return why->code == FAIL_CANCELLED ? -1 : 0;
}

int
probe_policy_gather(const struct probe_policy *policy, const char *domain, struct arena *arena,
    struct target_facts *facts, int64_t deadline, struct fail *why)
{
	if (!policy->tlsrpt)
		facts->tlsrpt.reason = arena_strdup(arena, "not asked for");
	else if (gather_tlsrpt(policy, domain, arena, &facts->tlsrpt, deadline, why) != 0)
		return -1;
	if (policy->mtasts == NULL) {
		facts->sts.reason = arena_strdup(arena, "not asked for");
		return 0;
	}
	return gather_sts(policy, domain, arena, &facts->sts, why);
}
