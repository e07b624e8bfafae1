#include "policy/spf.h"

#include <netinet/in.h>
#include <string.h>

#include "base/limits.h"
#include "policy/mx.h"

/* Looking SPF records up and going through them (RFC 7208 s4). */

struct check {
	struct dns_resolver *resolver;
	const struct addr *addr;
	struct arena *arena;
	int64_t deadline;
	unsigned lookups; /* s4.6.4 */
	const char *text;
	struct fail *why;
};

static int evaluate(struct check *c, const char *domain, bool outer, enum spf_result *result_r);

static bool
has_macro(const char *domain)
{
	return strchr(domain, '%') != NULL;
}

/* s4.6.4: at most ten terms that ask the DNS. False: permerror. */
static bool
count_lookup(struct check *c, enum spf_result *result_r)
{
	if (++c->lookups <= LIMIT_SPF_LOOKUPS)
		return true;
	*result_r = SPF_PERMERROR;
	c->text = arena_printf(c->arena, "more than %d lookups", LIMIT_SPF_LOOKUPS);
	return false;
}

static bool
address_matches(const struct check *c, const struct addr *addr, const struct spf_term *t)
{
	return spf_in_network(
	    c->addr, addr, addr->sa.ss_family == AF_INET6 ? t->prefix6 : t->prefix4);
}

/* One of the addresses of a host of our family. 1, 0, -1; *failed_r: the lookup did. */
static int
host_matches(struct check *c, const char *host, const struct spf_term *t, bool *failed_r)
{
	struct mx_host mx = { .name = host, .primary = true };
	bool six = c->addr->sa.ss_family == AF_INET6;
	struct exchange_facts unused;
	struct addr *addrs;
	struct fail why;
	size_t n;

	if (mx_addresses(c->resolver, &mx, six ? MX_FAMILY_IPV6 : MX_FAMILY_IPV4, c->arena, &addrs,
		&n, &unused, c->deadline, &why) != 0) {
		if (why.code == FAIL_CANCELLED || why.code == FAIL_TIMEOUT || why.code == FAIL_OS) {
			*c->why = why;
			return -1;
		}
		*failed_r |= why.code != FAIL_NO_MX_ADDRESS && why.code != FAIL_DNS_NAME &&
			     why.code != FAIL_MX_LITERAL && why.code != FAIL_NXDOMAIN;
		return 0;
	}
	for (size_t i = 0; i < n; i++)
		if (address_matches(c, &addrs[i], t))
			return 1;
	return 0;
}

static int
mx_matches(struct check *c, const char *domain, const struct spf_term *t, bool *failed_r)
{
	struct mx_list list;

	if (mx_lookup(c->resolver, domain, 0, c->arena, &list, c->deadline, c->why) != 0)
		return c->why->code == FAIL_DNS_NAME ? 0 : -1;
	*failed_r |= list.status == MX_DNS_ERROR;
	for (size_t i = 0; i < list.n && list.status != MX_IMPLICIT; i++) {
		int rc = host_matches(c, list.hosts[i].name, t, failed_r);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* s5.2: an include matches when it passes; that there is none is an error. */
static int
include_matches(struct check *c, const char *domain, enum spf_result *result_r)
{
	enum spf_result inner;

	if (evaluate(c, domain, false, &inner) != 0)
		return -1;
	if (inner == SPF_PASS)
		return 1;
	if (inner != SPF_NONE && inner != SPF_PERMERROR && inner != SPF_UNKNOWN)
		return 0;
	*result_r = inner == SPF_UNKNOWN ? SPF_UNKNOWN : SPF_PERMERROR;
	if (inner == SPF_NONE)
		c->text = arena_printf(c->arena, "include:%s, which has no SPF record", domain);
	return 2;
}

/* 1 it matches, 0 not, 2 the result is there, -1. */
static int
term_matches(
    struct check *c, const char *domain, const struct spf_term *t, enum spf_result *result_r)
{
	const char *target = t->domain != NULL ? t->domain : domain;
	bool failed = false;
	int rc = 0;

	if (t->mechanism == SPF_ALL)
		return 1;
	if (t->mechanism == SPF_IP4 || t->mechanism == SPF_IP6)
		return address_matches(c, &t->addr, t);
	if (!count_lookup(c, result_r))
		return 2;
	/* nobody should use ptr (s5.5); what it says, and macros, is left open */
	if (has_macro(target) || t->mechanism == SPF_PTR || t->mechanism == SPF_EXISTS) {
		*result_r = SPF_UNKNOWN;
		c->text =
		    arena_printf(c->arena, "%s: a term with macros, ptr or exists decides", domain);
		return 2;
	}
	if (t->mechanism == SPF_INCLUDE)
		return include_matches(c, target, result_r);
	rc = t->mechanism == SPF_A ? host_matches(c, target, t, &failed)
				   : mx_matches(c, target, t, &failed);
	if (rc == 0 && failed) {
		*result_r = SPF_UNKNOWN;
		c->text = arena_printf(c->arena, "%s cannot be looked up now", target);
		return 2;
	}
	return rc;
}

/* The record of a domain: 1, 0 without (result_r), -1. */
static int
find_record(struct check *c, const char *domain, struct slice *text_r, enum spf_result *result_r)
{
	const struct dns_answer *answer;
	size_t found = 0;

	if (dns_query(c->resolver, domain, DNS_TXT, &answer, c->deadline, c->why) != 0) {
		*result_r = SPF_PERMERROR;
		c->text = "not a name";
		return c->why->code == FAIL_DNS_NAME ? 0 : -1;
	}
	enum fail_code code = dns_answer_fail(answer);
	for (size_t i = 0; answer->status == DNS_OK && i < answer->n; i++) {
		struct slice text =
		    slice_make((const char *)answer->records[i].data, answer->records[i].data_len);
		if (spf_is_record(text) && found++ == 0)
			*text_r = slice_make(arena_strndup(c->arena, text.p, text.n), text.n);
	}
	dns_answer_release(answer);
	if (found == 1)
		return 1;
	*result_r = found > 1                                    ? SPF_PERMERROR
		    : code != FAIL_NONE && code != FAIL_NXDOMAIN ? SPF_UNKNOWN
								 : SPF_NONE;
	c->text = arena_printf(c->arena, "%s: %s", domain,
	    found > 1                             ? "more than one SPF record"
	    : found == 0 && *result_r == SPF_NONE ? "no SPF record"
						  : fail_info(code)->text);
	return 0;
}

static int
evaluate(struct check *c, const char *domain, bool outer, enum spf_result *result_r)
{
	struct spf_record record;
	struct slice text;
	struct fail bad;

	int rc = find_record(c, domain, &text, result_r);
	if (rc <= 0)
		return rc;
	if (outer)
		c->text = arena_slice(c->arena, text);
	if (spf_parse(text, c->arena, &record, &bad) != 0) {
		*result_r = SPF_PERMERROR;
		c->text = arena_printf(c->arena, "%s: %s", domain, bad.text);
		return 0;
	}
	for (size_t i = 0; i < record.n; i++) {
		rc = term_matches(c, domain, &record.terms[i], result_r);
		if (rc == 1)
			*result_r = record.terms[i].result;
		if (rc != 0)
			return rc < 0 ? -1 : 0;
	}
	*result_r = SPF_NEUTRAL;
	if (record.redirect == NULL)
		return 0;
	if (has_macro(record.redirect)) {
		*result_r = SPF_UNKNOWN;
		return 0;
	}
	if (!count_lookup(c, result_r))
		return 0;
	rc = evaluate(c, record.redirect, false, result_r);
	/* s6.1 */
	if (rc == 0 && *result_r == SPF_NONE)
		*result_r = SPF_PERMERROR;
	return rc;
}

int
spf_check(struct dns_resolver *resolver, const char *domain, const struct addr *addr,
    struct arena *arena, enum spf_result *result_r, const char **text_r, int64_t deadline,
    struct fail *why)
{
	struct check c = { .resolver = resolver,
		.addr = addr,
		.arena = arena,
		.deadline = deadline,
		.text = "",
		.why = why };

	int rc = evaluate(&c, domain, true, result_r);
	*text_r = c.text;
	return rc;
}
