#include "policy/mx.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/limits.h"

/* By preference, then by name: so the shuffle does not depend on the order of the answer. */
static int
compare_hosts(const void *a, const void *b)
{
	const struct mx_host *x = a, *y = b;

	if (x->preference != y->preference)
		return x->preference < y->preference ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* splitmix32: a seed of any quality gives a usable sequence. */
static uint32_t
next_random(uint32_t *state)
{
	uint32_t z = *state += 0x9e3779b9u;

	z = (z ^ z >> 16) * 0x85ebca6bu;
	z = (z ^ z >> 13) * 0xc2b2ae35u;
	return z ^ z >> 16;
}

static void
shuffle(struct mx_host *hosts, size_t n, uint32_t *state)
{
	for (size_t i = n; i > 1; i--) {
		size_t j = next_random(state) % i;
		struct mx_host host = hosts[i - 1];
		hosts[i - 1] = hosts[j];
		hosts[j] = host;
	}
}

/* RFC 5321 s5.1: equal preferences must be randomized, to spread the load. */
static void
shuffle_equals(struct mx_host *hosts, size_t n, uint32_t seed)
{
	for (size_t i = 0, end; i < n; i = end) {
		for (end = i + 1; end < n && hosts[end].preference == hosts[i].preference;)
			end++;
		shuffle(hosts + i, end - i, &seed);
	}
}

/* True for mx.example.com.example.com: somebody forgot the dot at the end in the zone file. */
static bool
is_doubled(struct slice name, struct slice domain)
{
	struct slice head;

	if (name.n < 2 * domain.n + 1)
		return false;
	head = slice_sub(name, 0, name.n - domain.n - 1);
	if (name.p[head.n] != '.' || !slice_eq_case(slice_sub(name, head.n + 1, name.n), domain) ||
	    !slice_eq_case(slice_sub(head, head.n - domain.n, head.n), domain))
		return false;
	return head.n == domain.n || head.p[head.n - domain.n - 1] == '.';
}

/* DECISIONS 13: what is wrong with an MX record, as far as its name tells. */
static const char *
find_fault(const char *name, const char *domain, struct arena *arena)
{
	struct fail why;

	if (addr_is_literal(name))
		return arena_printf(arena,
		    "the MX record names an address, not a host (RFC 1035 s3.3.9): give the "
		    "address "
		    "a name with an A or AAAA record, and put that name into the MX record");
	if (dns_name_normalize(name, arena, &why) == NULL)
		return arena_printf(arena, "the MX record does not name a host: %s", why.text);
	if (is_doubled(slice_str(name), slice_str(domain)))
		return arena_printf(arena,
		    "the MX record ends in %s.%s: in the zone file the final dot seems to be "
		    "missing",
		    domain, domain);
	return NULL;
}

static void
fill_dns_facts(const struct dns_answer *answer, struct arena *arena, struct dns_facts *facts)
{
	facts_init_dns_facts(facts);
	facts->status = answer->status;
	facts->dnssec = answer->dnssec;
	facts->duration = answer->duration_s;
	if (answer->resolver[0] != '\0')
		facts->resolver = arena_strdup(arena, answer->resolver);
	if (answer->error != NULL)
		facts->error = arena_strdup(arena, answer->error);
	if (dns_answer_fail(answer) == FAIL_NONE || answer->status == DNS_NXDOMAIN)
		facts->ttl = answer->ttl;
}

/* Sorted hosts of one name each: the first, which has the lower preference, stays. */
static size_t
drop_duplicates(struct mx_host *hosts, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		bool seen = false;
		/* at most LIMIT_DNS_RECORDS hosts */
		for (size_t j = 0; j < kept && !seen; j++)
			seen = strcmp(hosts[j].name, hosts[i].name) == 0;
		if (!seen)
			hosts[kept++] = hosts[i];
	}
	return kept;
}

static void
take_records(const struct dns_answer *mx, const char *domain, uint32_t seed, struct arena *arena,
    struct mx_list *list)
{
	size_t nulls = 0;

	for (size_t i = 0; i < mx->n; i++) {
		const char *name = mx->records[i].name;
		if (name == NULL || name[0] == '\0') { /* RFC 7505 s3: the root */
			nulls++;
			continue;
		}
		struct mx_host *host =
		    arena_push(arena, &list->hosts, &list->n, sizeof(*list->hosts));
		host->name = arena_strdup(arena, name);
		host->preference = mx->records[i].preference;
		host->from_mx = true;
	}
	list->status = list->n == 0 ? MX_NULL : nulls > 0 ? MX_NULL_WITH_OTHER : MX_HAS_MX;
	if (list->n == 0)
		return;
	qsort(list->hosts, list->n, sizeof(*list->hosts), compare_hosts);
	list->n = drop_duplicates(list->hosts, list->n);
	shuffle_equals(list->hosts, list->n, seed);
	if (list->n > LIMIT_MX_HOSTS) {
		list->dropped = list->n - LIMIT_MX_HOSTS;
		list->n = LIMIT_MX_HOSTS;
	}
	for (size_t i = 0; i < list->n; i++) {
		struct mx_host *host = &list->hosts[i];
		host->primary = host->preference == list->hosts[0].preference;
		host->finding = find_fault(host->name, domain, arena);
	}
}

void
mx_from_answer(const struct dns_answer *mx, const char *domain, uint32_t seed, struct arena *arena,
    struct mx_list *list_r)
{
	memset(list_r, 0, sizeof(*list_r));
	fill_dns_facts(mx, arena, &list_r->dns);
	list_r->code = dns_answer_fail(mx);
	if (mx->status == DNS_NXDOMAIN) {
		list_r->status = MX_NXDOMAIN;
	} else if (list_r->code != FAIL_NONE) {
		list_r->status = MX_DNS_ERROR;
	} else if (mx->status == DNS_OK && mx->n > 0) {
		take_records(mx, domain, seed, arena, list_r);
	} else {
		/* RFC 5321 s5.1: without MX the domain is its own host */
		struct mx_host *host = arena_push(arena, &list_r->hosts, &list_r->n, sizeof(*host));
		list_r->status = MX_IMPLICIT;
		host->name = arena_strdup(arena, domain);
		host->primary = true;
	}
}

/* The implicit MX needs an address: ask A, then AAAA, until there is one. */
static int
check_implicit(struct dns_resolver *resolver, const char *domain, struct arena *arena,
    struct mx_list *list, int64_t deadline, struct fail *why)
{
	static const enum dns_type types[] = { DNS_A, DNS_AAAA };
	enum fail_code failed = FAIL_NONE;

	for (size_t i = 0; i < 2; i++) {
		const struct dns_answer *answer;
		if (dns_query(resolver, domain, types[i], &answer, deadline, why) != 0)
			return -1;
		enum fail_code code = dns_answer_fail(answer);
		bool found = code == FAIL_NONE && answer->status == DNS_OK && answer->n > 0;
		if (code != FAIL_NONE && code != FAIL_NXDOMAIN) {
			failed = code;
			list->dns.error =
			    answer->error == NULL ? NULL : arena_strdup(arena, answer->error);
		}
		dns_answer_release(answer);
		if (found) {
			list->dns.error = NULL;
			return 0;
		}
	}
	list->n = 0;
	list->code = failed;
	list->status = failed == FAIL_NONE ? MX_NONE : MX_DNS_ERROR;
	return 0;
}

int
mx_lookup(struct dns_resolver *resolver, const char *domain, uint32_t seed, struct arena *arena,
    struct mx_list *list_r, int64_t deadline, struct fail *why)
{
	const struct dns_answer *answer;

	memset(list_r, 0, sizeof(*list_r));
	facts_init_dns_facts(&list_r->dns);
	if (dns_query(resolver, domain, DNS_MX, &answer, deadline, why) != 0)
		return -1;
	mx_from_answer(answer, domain, seed, arena, list_r);
	dns_answer_release(answer);
	if (list_r->status != MX_IMPLICIT)
		return 0;
	return check_implicit(resolver, domain, arena, list_r, deadline, why);
}

int
mx_list_check(const struct mx_list *list, const char *domain, struct fail *why)
{
	switch (list->status) {
	case MX_LITERAL:
	case MX_HAS_MX:
	case MX_IMPLICIT:
	case MX_NULL_WITH_OTHER:
		return 0;
	case MX_NULL:
		return fail_set(why, FAIL_NULL_MX, "%s accepts no mail (null MX)", domain);
	case MX_NXDOMAIN:
		return fail_set(why, FAIL_NXDOMAIN, "the domain %s does not exist", domain);
	case MX_NONE:
		return fail_set(
		    why, FAIL_NO_MX, "%s has neither an MX record nor an address", domain);
	case MX_DNS_ERROR:
	case MX_UNKNOWN:
		break;
	}
	return fail_set(why, list->code == FAIL_NONE ? FAIL_INTERNAL : list->code,
	    "MX lookup of %s: %s", domain,
	    list->dns.error == NULL ? fail_info(list->code)->text : list->dns.error);
}

uint32_t
mx_seed(void)
{
	unsigned long long value;
	uint32_t seed = 0;

	if (slice_number(slice_str(secure_getenv("MXTLS_SEED")), UINT32_MAX, &value))
		return (uint32_t)value;
	if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
		seed = 1; /* an order, though always the same: no reason to stop */
	return seed;
}
