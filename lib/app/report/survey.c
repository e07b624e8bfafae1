#include "app/report/survey.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "base/text.h"
#include "policy/psl.h"

#define PROVIDERS_OF_ONE 8 /* providers looked at of one domain */
#define COUNTED 1
#define WAITING 2 /* and above: index + 2 */

#define D (1u << REPORT_DOMAINS)
#define H (1u << REPORT_HOSTS)
#define A (1u << REPORT_ADDRESSES)
#define FIGURE(id_, token, better, level_bits, base, text, means, has) \
	[REPORT_FIGURE_##id_] = { .id = token, \
		.title = text, \
		.meaning = means, \
		.good = better, \
		.levels = level_bits, \
		.basis = REPORT_BASIS_##base },
const struct report_figure_info report_figures[REPORT_FIGURES_N] = { REPORT_FIGURES(FIGURE) };
#undef FIGURE
#undef D
#undef H
#undef A

struct report_survey *
report_survey_new(const char *day)
{
	struct report_survey *survey = mem_alloc(sizeof(*survey));

	snprintf(survey->day, sizeof(survey->day), "%s", day);
	for (int i = 0; i < REPORT_TABLES; i++)
		report_tally_init(&survey->tallies[i], (enum report_table)i);
	report_breakdown_init(&survey->providers, LIMIT_REPORT_PROVIDERS);
	report_breakdown_init(&survey->tlds, LIMIT_REPORT_ROWS);
	report_breakdown_init(&survey->ranks, LIMIT_REPORT_ROWS);
	report_findings_init(&survey->findings, LIMIT_REPORT_FINDINGS);
	report_store_init(&survey->leaves);
	report_store_init(&survey->refs);
	report_set_init(&survey->hosts.seen, LIMIT_REPORT_SERVERS);
	report_set_init(&survey->addresses.seen, LIMIT_REPORT_SERVERS);
	return survey;
}

static void
free_servers(struct report_servers *servers)
{
	for (size_t i = 0; i < servers->waiting_n; i++)
		free(servers->waiting[i]);
	free(servers->waiting);
	servers->waiting = NULL;
	servers->waiting_n = servers->waiting_cap = 0;
	report_set_free(&servers->seen);
}

void
report_survey_free(struct report_survey *survey)
{
	if (survey == NULL)
		return;
	for (int i = 0; i < REPORT_TABLES; i++)
		report_tally_free(&survey->tallies[i]);
	report_breakdown_free(&survey->providers);
	report_breakdown_free(&survey->tlds);
	report_breakdown_free(&survey->ranks);
	report_findings_free(&survey->findings);
	report_store_free(&survey->leaves);
	report_store_free(&survey->refs);
	free_servers(&survey->hosts);
	free_servers(&survey->addresses);
	free(survey->tool);
	free(survey->options);
	free(survey);
}

static void
count_figures(struct report_survey *survey, const struct report_unit *unit, enum report_level level)
{
#define FIGURE(id_, token, good, levels_, basis_, title_, meaning_, has) \
	if ((report_figures[REPORT_FIGURE_##id_].levels & 1u << level) != 0 && \
	    report_unit_counts(unit, report_figures[REPORT_FIGURE_##id_].basis)) { \
		survey->figures[REPORT_FIGURE_##id_][level].of++; \
		survey->figures[REPORT_FIGURE_##id_][level].n += (has) ? 1 : 0; \
	}
	REPORT_FIGURES(FIGURE)
#undef FIGURE
}

static void
count(struct report_survey *survey, const struct report_unit *unit, enum report_level level)
{
	struct report_denominators *d = &survey->denominators[level];

	d->names++;
	d->resolved += unit->resolved;
	d->accept_mail += unit->accepts_mail;
	if (unit->accepts_mail) {
		d->reachable += unit->reachable > 0;
		d->measured += unit->measured > 0;
		d->with_tls += unit->handshakes > 0;
	}
	report_unit_count(unit, level, survey->tallies);
	count_figures(survey, unit, level);
}

/* A sighting of a server: the first measured one counts; an unmeasured one waits for it. */
static void
sight(struct report_survey *survey, struct report_servers *servers, struct slice name,
    const struct report_unit *unit, enum report_level level)
{
	bool added;
	uint32_t *value = report_set_add(&servers->seen, name, &added);

	if (value == NULL) {
		servers->left_out++;
		return;
	}
	if (*value == COUNTED || (!added && unit->measured == 0))
		return;
	if (unit->measured > 0) {
		if (!added) {
			free(servers->waiting[*value - WAITING]);
			servers->waiting[*value - WAITING] = NULL;
		}
		*value = COUNTED;
		count(survey, unit, level);
		return;
	}
	servers->waiting = mem_grow(servers->waiting, servers->waiting_n, &servers->waiting_cap,
	    sizeof(struct report_unit *));
	servers->waiting[servers->waiting_n] = report_unit_pack(unit);
	*value = (uint32_t)(WAITING + servers->waiting_n++);
}

static struct slice
lower(const char *name, char *out, size_t out_size)
{
	size_t n = 0;

	for (; name[n] != '\0' && n + 1 < out_size; n++)
		out[n] = text_lower(name[n]);
	return slice_make(out, n);
}

static void
add_host(struct report_survey *survey, const struct target_facts *target,
    const struct exchange_facts *mx)
{
	char name[LIMIT_DOMAIN_BYTES + 16];

	report_unit_init(&survey->host);
	for (size_t i = 0; i < mx->hosts_n; i++) {
		const struct host_facts *host = &mx->hosts[i];
		const struct report_unit *stored =
		    host->ref == NULL ? NULL
				      : report_store_get(&survey->refs, slice_str(host->ref));
		if (stored != NULL)
			report_unit_referred(&survey->address, stored, host, survey->tallies);
		else
			report_unit_address(
			    &survey->address, target, &survey->leaves, host, survey->tallies);
		report_unit_merge(&survey->host, &survey->address);
		if (host->ip == NULL)
			continue;
		int n = snprintf(name, sizeof(name), "%s %lld", host->ip, (long long)host->port);
		sight(survey, &survey->addresses, slice_make(name, (size_t)n), &survey->address,
		    REPORT_ADDRESSES);
	}
	report_unit_host(&survey->host, mx, survey->tallies);
	report_unit_merge_host(&survey->domain, &survey->host);
	if (mx->name != NULL && mx->name[0] != '\0')
		sight(survey, &survey->hosts, lower(mx->name, name, sizeof(name)), &survey->host,
		    REPORT_HOSTS);
}

/* The domain counts once for each provider of its primary MX hosts. */
static void
add_providers(struct report_survey *survey, const struct target_facts *target)
{
	char found[PROVIDERS_OF_ONE][LIMIT_DOMAIN_BYTES + 1];
	size_t n = 0;

	for (size_t i = 0; i < target->exchanges_n && n < PROVIDERS_OF_ONE; i++) {
		const struct exchange_facts *mx = &target->exchanges[i];
		if (!mx->primary || mx->name == NULL || mx->name[0] == '\0')
			continue;
		if (!psl_registrable(slice_str(mx->name), found[n])) {
			struct slice name = lower(mx->name, found[n], sizeof(found[n]));
			found[n][name.n] = '\0';
		}
		bool again = false;
		for (size_t j = 0; j < n; j++)
			again |= strcmp(found[j], found[n]) == 0;
		if (again)
			continue;
		report_breakdown_add(&survey->providers, slice_str(found[n]), &survey->domain);
		n++;
	}
}

static void
add_tld(struct report_survey *survey, const struct target_facts *target)
{
	const char *name = target->alabel != NULL ? target->alabel : target->domain;
	char tld[64];

	if (target->mx_status == MX_LITERAL || name == NULL)
		return;
	const char *dot = strrchr(name, '.');
	struct slice label = lower(dot == NULL ? name : dot + 1, tld, sizeof(tld));
	if (label.n > 0)
		report_breakdown_add(&survey->tlds, label, &survey->domain);
}

static void
add_ranks(struct report_survey *survey, const struct target_facts *target)
{
	static const struct {
		int64_t limit;
		const char *name;
	} ranks[] = { { 100, "top 100" }, { 1000, "top 1,000" }, { 10000, "top 10,000" },
		{ 100000, "top 100,000" }, { 1000000, "top 1,000,000" },
		{ INT64_MAX, "all with a rank" } };

	if (target->rank < 0)
		return;
	bool opened = survey->ranks.n > 0;
	for (size_t i = 0; !opened && i < sizeof(ranks) / sizeof(ranks[0]); i++)
		report_breakdown_open(&survey->ranks, slice_str(ranks[i].name));
	for (size_t i = 0; i < sizeof(ranks) / sizeof(ranks[0]); i++)
		if (target->rank <= ranks[i].limit)
			report_breakdown_add(
			    &survey->ranks, slice_str(ranks[i].name), &survey->domain);
}

static void
add_finding(struct report_survey *survey, const struct target_facts *target)
{
	const struct summary_facts *summary = &target->summary;
	struct report_finding finding = { .domain = target->alabel,
		.reason = summary->reasons.n > 0 ? summary->reasons.v[0] : NULL,
		.rank = target->rank,
		.verdict = summary->verdict };

	if (finding.domain == NULL)
		finding.domain = target->domain;
	if (finding.domain == NULL)
		return;
	if (summary->verdict == VERDICT_BROKEN || summary->verdict == VERDICT_PLAINTEXT ||
	    summary->verdict == VERDICT_BROKEN_SOME || summary->verdict == VERDICT_BACKUP_PLAINTEXT)
		report_findings_add(&survey->findings, &finding);
}

void
report_survey_add(struct report_survey *survey, const struct target_facts *target)
{
	survey->records++;
	if (target->timestamp != 0) {
		if (survey->first == 0 || target->timestamp < survey->first)
			survey->first = target->timestamp;
		if (target->timestamp > survey->last)
			survey->last = target->timestamp;
	}
	report_unit_init(&survey->domain);
	for (size_t i = 0; i < target->exchanges_n; i++)
		add_host(survey, target, &target->exchanges[i]);
	report_unit_domain(&survey->domain, target, survey->tallies);
	count(survey, &survey->domain, REPORT_DOMAINS);
	if (survey->domain.accepts_mail) {
		add_providers(survey, target);
		add_tld(survey, target);
		add_ranks(survey, target);
	}
	add_finding(survey, target);
}

bool
report_survey_knows(
    const struct report_survey *survey, const struct target_facts *target, const char **missing_r)
{
	for (size_t i = 0; i < target->exchanges_n; i++)
		for (size_t j = 0; j < target->exchanges[i].hosts_n; j++) {
			const char *ref = target->exchanges[i].hosts[j].ref;
			*missing_r = ref;
			if (ref != NULL && report_store_get(&survey->refs, slice_str(ref)) == NULL)
				return false;
		}
	return true;
}

bool
report_survey_host(struct report_survey *survey, const char *ref, struct host_facts *host)
{
	host->result_type = NULL; /* the domain's own */
	report_unit_address(&survey->address, NULL, &survey->leaves, host, survey->tallies);
	return report_store_put(&survey->refs, slice_str(ref), &survey->address);
}

bool
report_survey_cert(struct report_survey *survey, const struct cert_facts *cert)
{
	struct cert_facts leaf = *cert;

	/* its line does not say when it was seen, so: days left at the start of the survey */
	if (leaf.days_left < 0 && leaf.not_after != 0 && survey->start != 0)
		leaf.days_left =
		    leaf.not_after <= survey->start ? 0 : (leaf.not_after - survey->start) / 86400;
	report_unit_init(&survey->address);
	report_unit_leaf(&survey->address, &leaf, survey->tallies);
	return report_store_put(&survey->leaves, slice_str(cert->fingerprint), &survey->address);
}

static void
count_waiting(struct report_survey *survey, struct report_servers *servers, enum report_level level)
{
	for (size_t i = 0; i < servers->waiting_n; i++)
		if (servers->waiting[i] != NULL)
			count(survey, servers->waiting[i], level);
	free_servers(servers);
}

void
report_survey_close(struct report_survey *survey)
{
	if (survey->closed)
		return;
	survey->closed = true;
	report_store_free(&survey->leaves);
	report_store_free(&survey->refs);
	count_waiting(survey, &survey->hosts, REPORT_HOSTS);
	count_waiting(survey, &survey->addresses, REPORT_ADDRESSES);
	report_breakdown_sort(&survey->providers);
	report_breakdown_sort(&survey->tlds);
}
