#include <string.h>

#include "base/limits.h"
#include "http/internal.h"

static bool
is_refused(const struct http *http, const char *name, const struct addr *addr)
{
	return http->refuse != NULL && http->refuse(http->refuse_ctx, name, addr);
}

static void
take(const struct http *http, const struct dns_answer *answer, enum dns_type type,
    struct http_target *target, size_t *private, size_t *refused)
{
	for (size_t i = 0; answer->status == DNS_OK && i < answer->n; i++) {
		struct addr addr;
		addr_from_bytes(answer->records[i].address, type == DNS_A ? 4 : 16, 0, &addr);
		if (!http->options.allow_private && addr_is_private(&addr))
			(*private)++;
		else if (is_refused(http, NULL, &addr))
			(*refused)++;
		else if (target->n < HTTP_ADDRESSES)
			target->addrs[target->n++] = addr;
	}
}

/* An alias says who serves it (a provider, for thousands of domains); else the address does. */
static void
name_server(const char *cname, struct http_target *target)
{
	char ip[ADDR_TEXT_BYTES];

	if (cname == NULL) {
		addr_ip_str(&target->addrs[0], ip);
		cname = ip;
	}
	snprintf(target->server, sizeof(target->server), "%s", cname);
}

int
http_resolve(const struct http *http, const char *host, struct http_target *target,
    int64_t deadline, struct fail *why)
{
	static const enum dns_type types[] = { DNS_A, DNS_AAAA };
	size_t private = 0, refused = 0;
	char cname[LIMIT_DOMAIN_BYTES + 1] = "";
	struct fail problem;
	bool exists = false;

	fail_clear(&problem);
	memset(target, 0, sizeof(*target));
	for (size_t i = 0; i < 2; i++) {
		const struct dns_answer *answer;
		if (http->options.family == (i == 0 ? 6 : 4))
			continue;
		if (dns_query(http->options.resolver, host, types[i], &answer, deadline, why) != 0)
			return fail_prefix(why, "%s", host);
		enum fail_code code = dns_answer_fail(answer);
		exists |= answer->status == DNS_OK || answer->status == DNS_NODATA;
		if (code != FAIL_NONE && code != FAIL_NXDOMAIN)
			fail_set(&problem, code, "%s: %s", host,
			    answer->error == NULL ? fail_info(code)->text : answer->error);
		if (answer->cname != NULL && cname[0] == '\0')
			snprintf(cname, sizeof(cname), "%s", answer->cname);
		take(http, answer, types[i], target, &private, &refused);
		dns_answer_release(answer);
	}
	bool name_refused =
	    is_refused(http, host, NULL) || (cname[0] != '\0' && is_refused(http, cname, NULL));
	if (target->n > 0 && !name_refused) {
		name_server(cname[0] == '\0' ? NULL : cname, target);
		return 0;
	}
	if (problem.code != FAIL_NONE) {
		if (why != NULL)
			*why = problem;
		return -1;
	}
	if (refused > 0 || name_refused)
		return fail_set(why, FAIL_CONNECT_PRIVATE, "%s is excluded", host);
	if (private > 0)
		return fail_set(why, FAIL_CONNECT_PRIVATE,
		    "%s has only private addresses, which are refused", host);
	return fail_set(why, FAIL_HTTP, exists ? "%s has no address" : "%s does not exist", host);
}
