#ifndef APP_REPORT_BREAKDOWN_H
#define APP_REPORT_BREAKDOWN_H

#include <stddef.h>
#include <stdint.h>

#include "app/report/unit.h"
#include "base/map.h"
#include "base/slice.h"

/*
 * Domains by what they have in common: provider, top-level domain, rank. One row a group, with the
 * number of its domains that accept mail and of those that have a property.
 */

/* METRIC(ID, "id", "title", whether a domain, a struct report_unit *, has it) */
#define REPORT_METRICS(METRIC) \
	METRIC(MEASURED, "measured", "measured", domain->measured > 0) \
	METRIC( \
	    STARTTLS, "starttls", "STARTTLS", report_unit_starttls(domain) == REPORT_STARTTLS_ALL) \
	METRIC(TRUSTED, "trusted", "trusted", report_unit_proved(domain)) \
	METRIC(DANE, "dane", "DANE", domain->dane == REPORT_DANE_VALID) \
	METRIC(STS, "mta_sts", "MTA-STS", domain->sts == REPORT_STS_ENFORCE) \
	METRIC(TLS13, "tls13", "TLS 1.3", domain->tls13) \
	METRIC(PQ, "post_quantum", "post-quantum", domain->post_quantum) \
	METRIC(IPV6, "ipv6", "IPv6", domain->ipv6_reachable) \
	METRIC(BROKEN, "broken", "broken", \
	    domain->verdict == VERDICT_BROKEN || domain->verdict == VERDICT_BROKEN_SOME)

enum report_metric {
#define METRIC(id, token, title, has) REPORT_METRIC_##id,
	REPORT_METRICS(METRIC)
#undef METRIC
	    REPORT_METRICS_N
};

struct report_metric_info {
	const char *id, *title;
};
extern const struct report_metric_info report_metrics[REPORT_METRICS_N];

struct report_group {
	char *name;
	uint64_t domains;
	uint64_t n[REPORT_METRICS_N];
};

struct report_breakdown {
	struct report_group *groups;
	size_t n, cap, max;
	struct map by_name;        /* index + 1 */
	struct report_group other; /* the groups that found no room; name NULL */
};

/* max  groups at most */
void report_breakdown_init(struct report_breakdown *b, size_t max);
void report_breakdown_free(struct report_breakdown *b);
/* Make a group, so that groups that are not sorted stand in the order in which they are opened. */
void report_breakdown_open(struct report_breakdown *b, struct slice name);
/* One domain that accepts mail, in the group of this name. */
void report_breakdown_add(
    struct report_breakdown *b, struct slice name, const struct report_unit *domain);
/* Sort by the number of domains, then by name. Nothing may be added afterwards. */
void report_breakdown_sort(struct report_breakdown *b);
/* The groups from top on, and those without room, as one; returns how many groups these are (at least). */
size_t
report_breakdown_rest(const struct report_breakdown *b, size_t top, struct report_group *rest_r);

#endif
