#include "app/report/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define ANONYMOUS_MIN \
	5             /* domains and hosts that an issuer must have to be named with --anonymize */
#define SHORT_TABLE 6 /* rows of a table that people see whole, zeros and all */

const struct report_breakdown_info report_breakdowns[REPORT_BREAKDOWNS] = {
	[REPORT_PROVIDERS] = { "providers", "Providers", "provider",
	    "registrable domain of the primary MX hosts; a domain with two providers counts in "
	    "both" },
	[REPORT_TLDS] = { "tlds", "Top-level domains", "TLD", "last label of the domain" },
	[REPORT_RANKS] = { "ranks", "Rank", "rank",
	    "each row includes those above it; only domains from a list with ranks" },
};

#define BOTH (1u << REPORT_DOMAINS | 1u << REPORT_HOSTS)
#define ALL (BOTH | 1u << REPORT_ADDRESSES)
const struct report_denominator_info report_denominators[REPORT_DENOMINATORS] = {
	{ "names", "names", "in the list; distinct MX hosts and addresses",
	    offsetof(struct report_denominators, names), ALL },
	{ "resolved", "resolved", "domains that exist, MX hosts with an address",
	    offsetof(struct report_denominators, resolved), BOTH },
	{ "accept_mail", "accept mail", "with MX records or an address",
	    offsetof(struct report_denominators, accept_mail), 1u << REPORT_DOMAINS },
	{ "reachable", "reachable", "a connection to one address at least",
	    offsetof(struct report_denominators, reachable), ALL },
	{ "measured", "measured", "an answer about STARTTLS from one address at least",
	    offsetof(struct report_denominators, measured), ALL },
	{ "with_tls", "with TLS", "one complete handshake at least",
	    offsetof(struct report_denominators, with_tls), ALL },
};

uint64_t
report_denominator(const struct report_survey *survey, size_t which, enum report_level level)
{
	const char *d = (const char *)&survey->denominators[level];

	return *(const uint64_t *)(const void *)(d + report_denominators[which].offset);
}

static void
merge(struct report_view_row *rest, const struct report_view_row *row)
{
	for (size_t level = 0; level < REPORT_LEVELS; level++)
		rest->n[level] += row->n[level];
	rest->merged++;
}

static bool
is_zero(const struct report_view_row *row)
{
	return row->n[0] + row->n[1] + row->n[2] == 0;
}

/* A CA of one's own may name its owner. */
static bool
must_hide(const struct report *report, enum report_table table, const struct report_view_row *row)
{
	return report->options.anonymize && table == REPORT_TABLE_ISSUER && row->name[0] != '(' &&
	       (row->n[REPORT_DOMAINS] < ANONYMOUS_MIN || row->n[REPORT_HOSTS] < ANONYMOUS_MIN);
}

struct report_view_row *
report_view_rows(const struct report *report, enum report_table table, size_t top, size_t *n_r)
{
	const struct report_tally *tally = &report_newest(report)->tallies[table];
	struct report_view_row *rows = mem_array(tally->n + 1, sizeof(*rows));
	struct report_view_row rest = { .name = "(rest)", .label = "all others" };
	size_t *order = mem_array(tally->n + 1, sizeof(*order));
	size_t ordered = report_tally_order(tally, order), n = 0;

	for (size_t i = 0; i < ordered; i++) {
		const struct report_row *from = &tally->rows[order[i]];
		struct report_view_row row = { .name = from->name,
			.label = report_tally_label(tally, order[i]) };
		memcpy(row.n, from->n, sizeof(row.n));
		bool by_words = !tally->info->by_count;
		if (by_words && top > 0 && ordered > SHORT_TABLE && is_zero(&row))
			continue;
		if (must_hide(report, table, &row) || (!by_words && top > 0 && n >= top))
			merge(&rest, &row);
		else
			rows[n++] = row;
	}
	if (rest.merged > 0)
		rows[n++] = rest;
	free(order);
	*n_r = n;
	return rows;
}

const struct report_breakdown *
report_view_breakdown(const struct report_survey *survey, enum report_breakdown_id id)
{
	switch (id) {
	case REPORT_TLDS:
		return &survey->tlds;
	case REPORT_RANKS:
		return &survey->ranks;
	default:
		return &survey->providers;
	}
}

const char *
report_view_group(
    const struct report *report, enum report_breakdown_id id, size_t i, char *out, size_t out_size)
{
	if (id != REPORT_PROVIDERS || !report->options.anonymize)
		return report_view_breakdown(report_newest(report), id)->groups[i].name;
	snprintf(out, out_size, "provider %zu", i + 1);
	return out;
}

void
report_view_number(uint64_t n, char out[32])
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n), at = 0;

	for (int i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			out[at++] = ',';
		out[at++] = digits[i];
	}
	out[at] = '\0';
}

void
report_view_percent(uint64_t n, uint64_t of, char out[16])
{
	double percent = of == 0 ? 0 : 100.0 * (double)n / (double)of;

	if (of == 0)
		snprintf(out, 16, "-");
	else if (n == 0 || n == of)
		snprintf(out, 16, "%s %%", n == 0 ? "0" : "100");
	else if (percent < 0.1)
		snprintf(out, 16, "<0.1 %%");
	else if (percent > 99.9)
		snprintf(out, 16, ">99.9 %%");
	else
		snprintf(out, 16, "%.1f %%", percent);
}

void
report_view_points(struct report_share from, struct report_share to, char out[16])
{
	if (from.of == 0 || to.of == 0) {
		snprintf(out, 16, "-");
		return;
	}
	double points =
	    100.0 * (double)to.n / (double)to.of - 100.0 * (double)from.n / (double)from.of;
	if (points > -0.05 && points < 0.05)
		snprintf(out, 16, "0.0");
	else
		snprintf(out, 16, "%+.1f", points);
}

double
report_view_share(uint64_t n, uint64_t of)
{
	return of == 0 ? -1 : (double)(int64_t)(10000.0 * (double)n / (double)of + 0.5) / 100.0;
}

const char *
report_title(const struct report *report)
{
	return report->options.title != NULL ? report->options.title
					     : "STARTTLS between mail servers";
}

void
report_subtitle(const struct report *report, struct buf *out)
{
	const struct report_survey *survey = report_newest(report);
	char number[32];

	report_view_number(survey->records, number);
	buf_printf(out, "%s %s", number, survey->records == 1 ? "name" : "names");
	if (survey->day[0] != '\0')
		buf_printf(out, " on %s", survey->day);
}
