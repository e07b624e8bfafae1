#include "app/survey/resolve.h"

#include <string.h>

#include "base/clock.h"
#include "policy/caa.h"
#include "policy/dane.h"
#include "policy/verdict.h"

struct resolving {
	const struct probe_options *options;
	const struct exclude *exclude;
	const struct target *target;
	struct arena *arena;
	struct target_facts *facts;
	int64_t deadline;
	bool cancelled;
};

static void
begin(struct target_facts *facts, const char *text, const char *name, struct arena *arena)
{
	facts_init_target_facts(facts);
	facts->schema = arena_strdup(arena, "mxtls-probe/1");
	facts->type = arena_strdup(arena, "domain");
	facts->domain = arena_strdup(arena, text);
	facts->alabel = name == NULL ? NULL : arena_strdup(arena, name);
	facts->timestamp = clock_wall();
}

void
survey_no_target(
    const char *text, const char *reason, struct arena *arena, struct target_facts *facts)
{
	begin(facts, text, NULL, arena);
	facts_init_summary_facts(&facts->summary);
	strs_add(&facts->summary.reasons, arena, reason);
	facts->summary.exit_status = verdict_exit(facts->summary.verdict);
}

/* --- one host ------------------------------------------------------------------------------------ */

static void
refuse(struct resolving *r, struct host_facts *host, const char *error)
{
	host->status = HOST_BLOCKLISTED;
	host->error = arena_printf(r->arena, "%s %s", host->ip, error);
}

/* Nothing is sent to who asked for that, nor, because of a stranger's zone, into our own network. */
static void
check_address(
    struct resolving *r, const char *name, const struct addr *addr, struct host_facts *host)
{
	bool from_dns = r->target->kind != TARGET_ADDRESS;

	if (r->exclude != NULL && exclude_addr(r->exclude, addr))
		refuse(r, host, "is excluded");
	else if (r->exclude != NULL && from_dns && name != NULL && exclude_name(r->exclude, name))
		refuse(r, host, "is an address of a host that is excluded");
	else if (from_dns && !r->options->allow_private && addr_is_private(addr))
		refuse(r, host, "is a private address");
}

static void
other_family(struct resolving *r, const struct mx_host *host, struct exchange_facts *facts)
{
	const struct probe_options *options = r->options;
	struct exchange_facts unused;
	struct addr *addrs;
	size_t n;

	if (options->family == MX_FAMILY_BOTH || facts->dns_status != DNS_NODATA)
		return;
	enum mx_family other = options->family == MX_FAMILY_IPV4 ? MX_FAMILY_IPV6 : MX_FAMILY_IPV4;
	if (mx_addresses(options->resolver, host, other, r->arena, &addrs, &n, &unused, r->deadline,
		NULL) == 0)
		facts->dns_status = DNS_OK;
}

static void
tlsa(struct resolving *r, struct exchange_facts *facts, uint16_t port)
{
	enum dnssec mx_dnssec =
	    r->target->kind == TARGET_DOMAIN ? r->facts->dns.dnssec : DNSSEC_SECURE;
	struct fail why;

	if (r->target->kind == TARGET_ADDRESS)
		return;
	if (r->options->no_dane)
		facts->tlsa.reason = arena_strdup(r->arena, "not asked for");
	else if (dane_lookup(r->options->resolver, facts, port, mx_dnssec, r->arena, &facts->tlsa,
		     r->deadline, &why) != 0)
		r->cancelled |= why.code == FAIL_CANCELLED;
}

static void
caa(struct resolving *r, struct exchange_facts *facts)
{
	struct fail why;

	if (!r->options->caa || r->target->kind == TARGET_ADDRESS ||
	    caa_lookup(
		r->options->resolver, facts->name, r->arena, &facts->caa, r->deadline, &why) == 0)
		return;
	r->cancelled |= why.code == FAIL_CANCELLED;
	facts->caa.status = CAA_DNS_ERROR;
	facts->caa.reason = arena_strdup(r->arena, why.text);
}

static void
resolve_host(struct resolving *r, const struct mx_host *host, struct exchange_facts *facts)
{
	uint16_t port = probe_port(r->options, r->target);
	struct addr *addrs;
	size_t n = 0;
	struct fail why;

	if (mx_addresses(r->options->resolver, host, r->options->family, r->arena, &addrs, &n,
		facts, r->deadline, &why) != 0) {
		n = 0;
		r->cancelled |= why.code == FAIL_CANCELLED;
		if (why.code == FAIL_TIMEOUT)
			facts->dns_status = DNS_TIMEOUT;
		other_family(r, host, facts);
	}
	if (n == 0)
		return;
	tlsa(r, facts, port);
	caa(r, facts);
	facts->hosts = arena_alloc(r->arena, n * sizeof(*facts->hosts));
	facts->hosts_n = n;
	for (size_t i = 0; i < n; i++) {
		char ip[ADDR_TEXT_BYTES];
		facts_init_host_facts(&facts->hosts[i]);
		addr_ip_str(&addrs[i], ip);
		facts->hosts[i].ip = arena_strdup(r->arena, ip);
		facts->hosts[i].port = port;
		check_address(r, host->name, &addrs[i], &facts->hosts[i]);
	}
}

/* --- the target ---------------------------------------------------------------------------------- */

static void
mail_domain(struct resolving *r, struct mx_list *list)
{
	struct fail why;

	if (mx_lookup(r->options->resolver, r->target->name, r->options->seed, r->arena, list,
		r->deadline, &why) == 0)
		return;
	r->cancelled |= why.code == FAIL_CANCELLED;
	list->n = 0;
	list->status = MX_DNS_ERROR;
	list->dns.status = why.code == FAIL_TIMEOUT ? DNS_TIMEOUT : list->dns.status;
	list->dns.error = arena_strdup(r->arena, why.text);
}

static void
literal(struct resolving *r, struct mx_list *list)
{
	struct mx_host *host = arena_push(r->arena, &list->hosts, &list->n, sizeof(*host));

	list->status = MX_LITERAL;
	host->name = r->target->name;
	host->primary = true;
}

int
survey_resolve(const struct probe_options *options, const struct exclude *exclude,
    const struct target *target, struct arena *arena, struct target_facts *facts, int64_t deadline)
{
	struct resolving r = { .options = options,
		.exclude = exclude,
		.target = target,
		.arena = arena,
		.facts = facts,
		.deadline = deadline };
	struct mx_list list;
	int64_t start = clock_ms();

	begin(facts, target->text, target->name, arena);
	facts->rank = target->rank;
	memset(&list, 0, sizeof(list));
	facts_init_dns_facts(&list.dns);
	if (target->kind == TARGET_DOMAIN)
		mail_domain(&r, &list);
	else
		literal(&r, &list);
	facts->mx_status = list.status;
	facts->dns = list.dns;
	if (list.n > 1 && options->first_mx)
		probe_keep_first(&list);
	facts->exchanges_left_out = (int64_t)list.dropped;
	if (list.n > 0)
		facts->exchanges = arena_alloc(arena, list.n * sizeof(*facts->exchanges));
	facts->exchanges_n = list.n;
	for (size_t i = 0; i < list.n; i++)
		facts_init_exchange_facts(&facts->exchanges[i]);
	for (size_t i = 0; i < list.n && !r.cancelled; i++)
		resolve_host(&r, &list.hosts[i], &facts->exchanges[i]);
	facts->duration = (double)(clock_ms() - start) / 1000;
	return r.cancelled ? -1 : 0;
}

int
survey_policy(const struct probe_options *options, const struct target *target, struct arena *arena,
    struct target_facts *facts, int64_t deadline)
{
	struct fail why;

	if (target->kind != TARGET_DOMAIN || !probe_policy_wanted(facts->mx_status))
		return 0;
	return probe_policy_gather(&options->policy, target->name, arena, facts, deadline, &why);
}
