/*
 * Finding the TLSA records of an MX host.
 */
#include "policy/dane.h"

#include <string.h>

#include "base/limits.h"
#include "base/text.h"
#include "io/addr.h"

#define TLSA_NAME_BYTES (sizeof("_65535._tcp.") + LIMIT_DOMAIN_BYTES)

bool
dane_is_enforced(enum tlsa_status status)
{
	return status == TLSA_USABLE || status == TLSA_INSECURE_MX;
}

bool
dane_needs_tls(enum tlsa_status status)
{
	return dane_is_enforced(status) || status == TLSA_UNUSABLE;
}

/* --- the plan ------------------------------------------------------------------------------------ */

static void
settle(struct dane_plan *plan, enum tlsa_status status, const char *reason)
{
	plan->n = 0;
	plan->ask_cname = false;
	plan->status = status;
	plan->reason = reason;
}

static void
plan_addresses(const struct exchange_facts *mx, struct dane_plan *plan)
{
	switch (mx->dnssec) {
	case DNSSEC_SECURE:
		/* RFC 7672 s2.2.2: the canonical name first, then the alias */
		if (mx->cname != NULL)
			plan->names[plan->n++] = mx->cname;
		plan->names[plan->n++] = mx->name;
		return;
	case DNSSEC_INSECURE:
		/* RFC 7672 s2.2.2: an alias in a signed zone may have records all the same */
		if (mx->cname == NULL)
			settle(plan, TLSA_INSECURE, "the address records are not signed");
		else
			plan->ask_cname = true;
		return;
	case DNSSEC_BOGUS:
		settle(plan, TLSA_BOGUS, "DNSSEC validation of the address records failed");
		return;
	case DNSSEC_INDETERMINATE:
		settle(plan, TLSA_ERROR, "the state of the address records could not be found out");
		return;
	case DNSSEC_NOT_CHECKED:
		break;
	}
	settle(plan, TLSA_NOT_CHECKED, "the resolver is not trusted to validate");
}

void
dane_plan(const struct exchange_facts *mx, enum dnssec mx_dnssec, struct dane_plan *plan_r)
{
	*plan_r = (struct dane_plan){ .status = TLSA_NOT_CHECKED };
	if (mx->name == NULL || addr_is_literal(mx->name))
		settle(plan_r, TLSA_NONE, "an address has no TLSA records");
	else if (mx_dnssec == DNSSEC_BOGUS) /* RFC 7672 s2.1.1: as good as unreachable */
		settle(plan_r, TLSA_BOGUS, "DNSSEC validation of the MX records failed");
	else if (mx_dnssec == DNSSEC_INDETERMINATE)
		settle(plan_r, TLSA_ERROR, "the state of the MX records could not be found out");
	else if (mx->dns_status == DNS_NOT_ASKED)
		settle(plan_r, TLSA_NOT_CHECKED, "the address was not looked up");
	else
		plan_addresses(mx, plan_r);
}

/* A failed query, or one whose state could not be found out: never "no TLSA". True when it was. */
static bool
query_failed(const struct dns_answer *answer, enum tlsa_status *status_r)
{
	enum fail_code code = dns_answer_fail(answer);

	if (answer->dnssec == DNSSEC_BOGUS || code == FAIL_DNS_BOGUS)
		*status_r = TLSA_BOGUS;
	else if ((code != FAIL_NONE && code != FAIL_NXDOMAIN) ||
		 answer->dnssec == DNSSEC_INDETERMINATE ||
		 /* the addresses were checked: this must have been, too */
		 answer->dnssec == DNSSEC_NOT_CHECKED)
		*status_r = TLSA_ERROR;
	else
		return false;
	return true;
}

void
dane_plan_cname(
    const struct dns_answer *cname, const struct exchange_facts *mx, struct dane_plan *plan_inout)
{
	enum tlsa_status status;

	plan_inout->ask_cname = false;
	if (query_failed(cname, &status)) {
		settle(plan_inout, status, "the CNAME lookup failed");
	} else if (cname->dnssec == DNSSEC_SECURE && cname->status == DNS_OK) {
		plan_inout->names[0] = mx->name;
		plan_inout->n = 1;
	} else if (cname->dnssec == DNSSEC_SECURE) {
		settle(plan_inout, TLSA_ERROR, "the alias is gone: the zone is changing");
	} else {
		settle(plan_inout, TLSA_INSECURE, "neither alias nor addresses are signed");
	}
}

/* --- the answer ---------------------------------------------------------------------------------- */

static char *
hex(const struct dns_record *record, struct arena *arena)
{
	char *text = arena_alloc(arena, 2 * record->data_len + 1);

	text_hex(record->data, record->data_len, text);
	return text;
}

static void
take_records(const struct dns_answer *answer, struct arena *arena, struct tlsa_facts *tlsa)
{
	tlsa->records = NULL;
	tlsa->records_n = 0;
	for (size_t i = 0; i < answer->n && i < LIMIT_TLSA_RECORDS; i++) {
		const struct dns_record *from = &answer->records[i];
		struct tlsa_record_facts *to =
		    arena_push(arena, &tlsa->records, &tlsa->records_n, sizeof(*to));
		facts_init_tlsa_record_facts(to);
		to->usage = from->usage;
		to->selector = from->selector;
		to->matching_type = from->matching;
		to->data = hex(from, arena);
	}
}

static void
conclude(struct tlsa_facts *tlsa, enum tlsa_status status, struct arena *arena, const char *reason)
{
	tlsa->status = status;
	tlsa->reason = reason == NULL ? NULL : arena_strdup(arena, reason);
}

static void
conclude_records(
    struct tlsa_facts *tlsa, size_t dropped, enum dnssec mx_dnssec, struct arena *arena)
{
	size_t usable = dane_judge_records(tlsa->records, tlsa->records_n, arena);

	if (usable == 0)
		conclude(tlsa, TLSA_UNUSABLE, arena, "no record has a form that SMTP uses");
	else if (mx_dnssec == DNSSEC_SECURE)
		conclude(tlsa, TLSA_USABLE, arena, NULL);
	else
		conclude(tlsa, TLSA_INSECURE_MX, arena,
		    mx_dnssec == DNSSEC_INSECURE ? "the MX records are not signed"
						 : "the MX records were not validated");
	if (dropped > 0)
		tlsa->reason = arena_printf(arena, "%s%s%zu more records were not looked at",
		    tlsa->reason == NULL ? "" : tlsa->reason, tlsa->reason == NULL ? "" : "; ",
		    dropped);
}

bool
dane_from_answer(const struct dns_answer *answer, enum dnssec mx_dnssec, struct arena *arena,
    struct tlsa_facts *tlsa)
{
	enum tlsa_status status;

	tlsa->dnssec = answer->dnssec;
	tlsa->ttl = -1;
	if (query_failed(answer, &status)) {
		conclude(tlsa, status, arena,
		    answer->error != NULL ? answer->error
					  : "the state of the TLSA records could not be found out");
		return true;
	}
	tlsa->ttl = answer->ttl;
	if (answer->dnssec != DNSSEC_SECURE) { /* RFC 7672 s2.2: as if there were none */
		conclude(tlsa, TLSA_INSECURE, arena, "the answer about TLSA is not signed");
		return false;
	}
	if (answer->status != DNS_OK || answer->n == 0) {
		conclude(tlsa, TLSA_NONE, arena, NULL);
		return false;
	}
	take_records(answer, arena, tlsa);
	conclude_records(tlsa, answer->n - tlsa->records_n, mx_dnssec, arena);
	return true;
}

/* --- the lookup ---------------------------------------------------------------------------------- */

/* -1: no outcome, status is error. */
static int
ask_base(struct dns_resolver *resolver, const char *base, uint16_t port, enum dnssec mx_dnssec,
    struct arena *arena, struct tlsa_facts *tlsa, bool *settled_r, int64_t deadline,
    struct fail *why)
{
	const struct dns_answer *answer;
	char *name = arena_printf(arena, "_%u._tcp.%s", (unsigned)port, base);
	struct fail failed;

	tlsa->base_domain = arena_strdup(arena, base);
	*settled_r = true;
	if (dns_query(resolver, name, DNS_TLSA, &answer, deadline, &failed) != 0) {
		bool no_name = failed.code == FAIL_DNS_NAME;
		/* a name that is too long with its prefix cannot have records */
		conclude(tlsa, no_name ? TLSA_NONE : TLSA_ERROR, arena, failed.text);
		*settled_r = !no_name;
		if (!no_name && why != NULL)
			*why = failed;
		return no_name ? 0 : -1;
	}
	*settled_r = dane_from_answer(answer, mx_dnssec, arena, tlsa);
	dns_answer_release(answer);
	return 0;
}

static int
ask_cname(struct dns_resolver *resolver, const struct exchange_facts *mx, struct arena *arena,
    struct dane_plan *plan, struct tlsa_facts *tlsa, int64_t deadline, struct fail *why)
{
	const struct dns_answer *answer;
	struct fail failed;

	if (dns_query(resolver, mx->name, DNS_CNAME, &answer, deadline, &failed) != 0) {
		settle(plan, TLSA_ERROR, "the CNAME lookup failed");
		conclude(tlsa, TLSA_ERROR, arena, failed.text);
		if (why != NULL)
			*why = failed;
		return -1;
	}
	dane_plan_cname(answer, mx, plan);
	dns_answer_release(answer);
	return 0;
}

/* Why the addresses were not checked: the resolver's own words, when it has any. */
static void
explain_not_checked(
    struct dns_resolver *resolver, struct arena *arena, struct tlsa_facts *tlsa, int64_t deadline)
{
	struct fail why;

	fail_clear(&why);
	if (dns_resolver_validates(resolver, deadline, &why) != TRI_YES && why.text[0] != '\0')
		tlsa->reason = arena_strdup(arena, why.text);
}

int
dane_lookup(struct dns_resolver *resolver, const struct exchange_facts *mx, uint16_t port,
    enum dnssec mx_dnssec, struct arena *arena, struct tlsa_facts *tlsa_r, int64_t deadline,
    struct fail *why)
{
	struct dane_plan plan;
	bool settled = false;

	facts_init_tlsa_facts(tlsa_r);
	dane_plan(mx, mx_dnssec, &plan);
	if (plan.ask_cname && ask_cname(resolver, mx, arena, &plan, tlsa_r, deadline, why) != 0)
		return -1;
	if (plan.n == 0) {
		conclude(tlsa_r, plan.status, arena, plan.reason);
		if (plan.status == TLSA_NOT_CHECKED && mx->dns_status != DNS_NOT_ASKED)
			explain_not_checked(resolver, arena, tlsa_r, deadline);
		return 0;
	}
	/* RFC 7672 s2.2.3: the next name only when the first securely or provably has none */
	for (size_t i = 0; i < plan.n && !settled; i++)
		if (ask_base(resolver, plan.names[i], port, mx_dnssec, arena, tlsa_r, &settled,
			deadline, why) != 0)
			return -1;
	return 0;
}

/* --- names --------------------------------------------------------------------------------------- */

static void
add_name(const char *names[DANE_NAMES], size_t *n, const char *name)
{
	if (name == NULL)
		return;
	for (size_t i = 0; i < *n; i++)
		if (slice_is_case(slice_str(names[i]), name))
			return;
	names[(*n)++] = name;
}

size_t
dane_names(const struct exchange_facts *mx, const char *domain, enum dnssec mx_dnssec,
    const char *names[DANE_NAMES])
{
	size_t n = 0;

	/* the base domain is one of the next two */
	add_name(names, &n, mx->tlsa.base_domain);
	add_name(names, &n, mx->name);
	/* an unsigned alias may be anybody's word */
	if (mx->dnssec == DNSSEC_SECURE)
		add_name(names, &n, mx->cname);
	if (mx_dnssec == DNSSEC_SECURE && n < DANE_NAMES)
		add_name(names, &n, domain);
	return n;
}
