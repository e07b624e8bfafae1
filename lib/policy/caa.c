#include "policy/caa.h"

#include <string.h>

#include "base/limits.h"
#include "io/addr.h"

static void
take_records(const struct dns_answer *answer, struct arena *arena, struct caa_facts *facts)
{
	for (size_t i = 0; i < answer->n && i < LIMIT_CAA_RECORDS; i++) {
		const struct dns_record *from = &answer->records[i];
		struct caa_record_facts *to =
		    arena_push(arena, &facts->records, &facts->records_n, sizeof(*to));
		size_t n = from->data_len;
		facts_init_caa_record_facts(to);
		to->flags = from->flags;
		to->tag = arena_strdup(arena, from->name);
		to->value =
		    arena_slice(arena, slice_make((const char *)from->data,
					   n < LIMIT_CAA_VALUE_BYTES ? n : LIMIT_CAA_VALUE_BYTES));
	}
}

/* True when the search ends with this answer. */
static bool
take_answer(
    const struct dns_answer *answer, const char *name, struct arena *arena, struct caa_facts *facts)
{
	enum fail_code code = dns_answer_fail(answer);

	facts->dnssec = answer->dnssec;
	if (code != FAIL_NONE && code != FAIL_NXDOMAIN) {
		facts->status = CAA_DNS_ERROR;
		facts->reason = arena_printf(arena, "%s: %s", name,
		    answer->error != NULL ? answer->error : fail_info(code)->text);
		return true;
	}
	if (answer->status != DNS_OK)
		return false;
	facts->status = CAA_FOUND;
	facts->domain = arena_strdup(arena, name);
	take_records(answer, arena, facts);
	return true;
}

int
caa_lookup(struct dns_resolver *resolver, const char *host, struct arena *arena,
    struct caa_facts *facts, int64_t deadline, struct fail *why)
{
	facts_init_caa_facts(facts);
	if (host == NULL || addr_is_literal(host)) {
		facts->reason = arena_strdup(arena, "an address has no CAA records");
		return 0;
	}
	for (const char *name = host; name != NULL;) {
		const struct dns_answer *answer;
		if (dns_query(resolver, name, DNS_CAA, &answer, deadline, why) != 0)
			return -1;
		bool ends = take_answer(answer, name, arena, facts);
		dns_answer_release(answer);
		if (ends)
			return 0;
		const char *dot = strchr(name, '.');
		name = dot == NULL ? NULL : dot + 1;
	}
	facts->status = CAA_NONE;
	return 0;
}
