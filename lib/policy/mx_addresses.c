#include <string.h>

#include "base/limits.h"
#include "policy/mx.h"

/* One lookup of two. */
struct half {
	const struct dns_answer *answer; /* NULL: not asked */
	size_t at;                       /* next record to take */
};

/* From weak to strong; what both lookups prove is what the weaker one proves. */
static int
dnssec_rank(enum dnssec dnssec)
{
	switch (dnssec) {
	case DNSSEC_BOGUS:
		return 0;
	case DNSSEC_INDETERMINATE:
		return 1;
	case DNSSEC_NOT_CHECKED:
		return 2;
	case DNSSEC_INSECURE:
		return 3;
	case DNSSEC_SECURE:
		break;
	}
	return 4;
}

static void
add_finding(struct exchange_facts *facts, struct arena *arena, const char *text)
{
	facts->finding = facts->finding == NULL
			     ? arena_strdup(arena, text)
			     : arena_printf(arena, "%s; %s", facts->finding, text);
}

/* RFC 2181 s10.3: an MX record must not name an alias. */
static void
note_cname(const struct mx_host *host, const struct dns_answer *answer, struct arena *arena,
    struct exchange_facts *facts)
{
	if (answer->cname == NULL || facts->cname != NULL)
		return;
	facts->cname = arena_strdup(arena, answer->cname);
	if (host->from_mx)
		add_finding(facts, arena,
		    arena_printf(arena,
			"the MX record names an alias (CNAME, RFC 2181 s10.3): put %s into it",
			answer->cname));
}

/* How much an outcome says: addresses, then failures (which may hide addresses), then "none". */
static int
status_rank(enum dns_status status)
{
	switch (status) {
	case DNS_NOT_ASKED:
		return 0;
	case DNS_NXDOMAIN:
		return 1;
	case DNS_NODATA:
		return 2;
	case DNS_MALFORMED:
	case DNS_REFUSED:
	case DNS_SERVFAIL:
	case DNS_TIMEOUT:
		return 3;
	case DNS_OK:
		break;
	}
	return 4;
}

static void
note_answer(const struct mx_host *host, const struct dns_answer *answer, bool first,
    struct arena *arena, struct exchange_facts *facts)
{
	if (first || dnssec_rank(answer->dnssec) < dnssec_rank(facts->dnssec))
		facts->dnssec = answer->dnssec;
	if (status_rank(answer->status) > status_rank(facts->dns_status))
		facts->dns_status = answer->status;
	if (answer->n > 0 && (facts->ttl < 0 || (int64_t)answer->ttl < facts->ttl))
		facts->ttl = answer->ttl;
	note_cname(host, answer, arena, facts);
}

static bool
is_known(const struct addr *addrs, size_t n, const struct addr *addr)
{
	for (size_t i = 0; i < n; i++)
		if (addr_equal_ip(&addrs[i], addr))
			return true;
	return false;
}

static void
take_address(const struct addr *addr, struct arena *arena, struct addr **addrs, size_t *n,
    struct exchange_facts *facts)
{
	bool ipv4 = addr->sa.ss_family == AF_INET;
	char text[ADDR_TEXT_BYTES];

	if (is_known(*addrs, *n, addr))
		return;
	if (*n >= LIMIT_MX_ADDRESSES) {
		facts->addresses_left_out++;
		return;
	}
	*(struct addr *)arena_push(arena, addrs, n, sizeof(*addr)) = *addr;
	addr_ip_str(addr, text);
	strs_add(ipv4 ? &facts->ipv4_addresses : &facts->ipv6_addresses, arena, text);
}

/* By turns, so that the limit leaves addresses of both families. */
static void
take_addresses(struct half halves[2], struct arena *arena, struct addr **addrs, size_t *n,
    struct exchange_facts *facts)
{
	for (bool more = true; more;) {
		more = false;
		for (size_t i = 0; i < 2; i++) {
			struct half *half = &halves[i];
			struct addr addr;
			if (half->answer == NULL || half->answer->status != DNS_OK ||
			    half->at >= half->answer->n)
				continue;
			addr_from_bytes(
			    half->answer->records[half->at++].address, i == 0 ? 4 : 16, 0, &addr);
			take_address(&addr, arena, addrs, n, facts);
			more = true;
		}
	}
}

/* Nothing found: which of the two answers is the reason. */
static int
no_address(const struct mx_host *host, const struct half halves[2], struct fail *why)
{
	for (size_t i = 0; i < 2; i++) {
		const struct dns_answer *answer = halves[i].answer;
		enum fail_code code = answer == NULL ? FAIL_NONE : dns_answer_fail(answer);
		if (code != FAIL_NONE && code != FAIL_NXDOMAIN)
			return fail_set(why, code, "%s lookup of %s: %s", i == 0 ? "A" : "AAAA",
			    host->name,
			    answer->error == NULL ? fail_info(code)->text : answer->error);
	}
	return fail_set(why, FAIL_NO_MX_ADDRESS, "%s has no address", host->name);
}

static int
ask(struct dns_resolver *resolver, const struct mx_host *host, enum mx_family family,
    struct half halves[2], struct arena *arena, struct exchange_facts *facts, int64_t deadline,
    struct fail *why)
{
	bool first = true;

	for (size_t i = 0; i < 2; i++) {
		if (family == (i == 0 ? MX_FAMILY_IPV6 : MX_FAMILY_IPV4))
			continue;
		if (dns_query(resolver, host->name, i == 0 ? DNS_A : DNS_AAAA, &halves[i].answer,
			deadline, why) != 0) {
			halves[i].answer = NULL;
			return -1;
		}
		note_answer(host, halves[i].answer, first, arena, facts);
		first = false;
	}
	return 0;
}

static int
take_literal(const struct mx_host *host, const struct addr *addr, enum mx_family family,
    struct arena *arena, struct addr **addrs_r, size_t *n_r, struct exchange_facts *facts,
    struct fail *why)
{
	int have = addr->sa.ss_family == AF_INET ? MX_FAMILY_IPV4 : MX_FAMILY_IPV6;

	if (host->from_mx)
		return fail_set(why, FAIL_MX_LITERAL,
		    "the MX record names the address %s, not a host", host->name);
	if (family != MX_FAMILY_BOTH && (int)family != have)
		return fail_set(
		    why, FAIL_NO_MX_ADDRESS, "%s is no IPv%d address", host->name, (int)family);
	take_address(addr, arena, addrs_r, n_r, facts);
	return 0;
}

/* The text between brackets, or all of it. */
static struct slice
without_brackets(const char *name)
{
	struct slice text = slice_str(name);

	if (text.n > 2 && text.p[0] == '[' && text.p[text.n - 1] == ']')
		return slice_sub(text, 1, text.n - 1);
	return text;
}

int
mx_addresses(struct dns_resolver *resolver, const struct mx_host *host, enum mx_family family,
    struct arena *arena, struct addr **addrs_r, size_t *n_r, struct exchange_facts *facts_r,
    int64_t deadline, struct fail *why)
{
	struct half halves[2] = { { NULL, 0 }, { NULL, 0 } };
	struct addr addr;
	int result;

	*addrs_r = NULL;
	*n_r = 0;
	facts_init_exchange_facts(facts_r);
	facts_r->name = arena_strdup(arena, host->name);
	facts_r->preference = host->from_mx ? host->preference : -1;
	facts_r->primary = host->primary;
	if (host->finding != NULL)
		add_finding(facts_r, arena, host->finding);
	if (addr_parse_ip(without_brackets(host->name), 0, &addr))
		return take_literal(host, &addr, family, arena, addrs_r, n_r, facts_r, why);
	result = ask(resolver, host, family, halves, arena, facts_r, deadline, why);
	take_addresses(halves, arena, addrs_r, n_r, facts_r);
	/* one lookup was enough, if the other one ran into our deadline */
	if (*n_r > 0)
		result = 0;
	else if (result == 0)
		result = no_address(host, halves, why);
	else if (facts_r->dns_status == DNS_NOT_ASKED && facts_r->finding == NULL)
		facts_r->dns_status = DNS_TIMEOUT;
	dns_answer_release(halves[0].answer);
	dns_answer_release(halves[1].answer);
	return result;
}
