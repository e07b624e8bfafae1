#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/prose.h"
#include "app/report/view.h"
#include "base/limits.h"
#include "base/text.h"

/* The report for people, as text and as Markdown. */

/* --- the parts ----------------------------------------------------------------------------------- */

static void
write_denominators(struct prose *p, const struct report_survey *survey)
{
	prose_table_begin(p, 1 + REPORT_LEVELS);
	prose_cell(p, "what 100 percent are");
	for (int level = 0; level < REPORT_LEVELS; level++)
		prose_cell(p, report_level_titles[level]);
	for (size_t i = 0; i < REPORT_DENOMINATORS; i++) {
		prose_cell(p, report_denominators[i].title);
		for (int level = 0; level < REPORT_LEVELS; level++) {
			if ((report_denominators[i].levels & 1u << level) == 0)
				prose_cell(p, "");
			else
				prose_number_cell(
				    p, report_denominator(survey, i, (enum report_level)level));
		}
	}
	prose_table_end(p);
}

static void
level_headers(struct prose *p)
{
	for (int level = 0; level < REPORT_LEVELS; level++) {
		prose_cell(p, report_level_titles[level]);
		prose_cell(p, "share");
	}
}

static const char *
basis_text(enum report_basis basis)
{
	switch (basis) {
	case REPORT_BASIS_NAMES:
		return "all names";
	case REPORT_BASIS_MAIL:
		return "those that accept mail";
	case REPORT_BASIS_MEASURED:
		return "those measured";
	case REPORT_BASIS_TLS:
		return "those with TLS";
	case REPORT_BASIS_TLSA:
		return "those with TLSA records";
	}
	return "";
}

static void
write_figures(struct prose *p, const struct report_survey *survey)
{
	prose_heading(p, "Adoption");
	prose_table_begin(p, 2 + REPORT_LEVELS * 2);
	p->left[7] = true;
	prose_cell(p, "figure");
	level_headers(p);
	prose_cell(p, "share of");
	for (int i = 0; i < REPORT_FIGURES_N; i++) {
		prose_cell(p, report_figures[i].title);
		for (int level = 0; level < REPORT_LEVELS; level++) {
			const struct report_share *share = &survey->figures[i][level];
			bool has = (report_figures[i].levels & 1u << level) != 0;
			if (has) {
				prose_number_cell(p, share->n);
				prose_percent_cell(p, share->n, share->of);
			} else {
				prose_cell(p, "");
				prose_cell(p, "");
			}
		}
		prose_cell(p, basis_text(report_figures[i].basis));
	}
	prose_table_end(p);
}

static void
write_table(struct prose *p, const struct report *report, enum report_table table)
{
	const struct report_tally *tally = &report_newest(report)->tallies[table];
	size_t n, levels = 0;
	struct report_view_row *rows = report_view_rows(report, table, report->options.top, &n);
	char title[200];

	for (int level = 0; level < REPORT_LEVELS; level++)
		levels += (tally->info->levels & 1u << level) != 0;
	snprintf(
	    title, sizeof(title), "%s, of %s", tally->info->title, basis_text(tally->info->basis));
	prose_heading(p, title);
	prose_sentence(p, tally->info->note);
	prose_table_begin(p, 1 + levels * 2);
	prose_cell(p, tally->info->title);
	for (int level = 0; level < REPORT_LEVELS; level++)
		if ((tally->info->levels & 1u << level) != 0) {
			prose_cell(p, report_level_titles[level]);
			prose_cell(p, "share");
		}
	for (size_t i = 0; i < n; i++) {
		prose_cell(p, rows[i].label);
		for (int level = 0; level < REPORT_LEVELS; level++)
			if ((tally->info->levels & 1u << level) != 0) {
				prose_number_cell(p, rows[i].n[level]);
				prose_percent_cell(p, rows[i].n[level], tally->of[level]);
			}
	}
	if (n == 0) {
		prose_cell(p, "none");
		for (size_t i = 0; i < levels * 2; i++)
			prose_cell(p, "");
	}
	prose_table_end(p);
	free(rows);
}

static void
group_row(struct prose *p, const char *name, const struct report_group *group)
{
	prose_cell(p, name);
	prose_number_cell(p, group->domains);
	for (int m = 0; m < REPORT_METRICS_N; m++)
		prose_percent_cell(p, group->n[m], group->domains);
}

static void
write_breakdown(struct prose *p, const struct report *report, enum report_breakdown_id id)
{
	const struct report_breakdown *b = report_view_breakdown(report_newest(report), id);
	size_t top = b->n < report->options.top ? b->n : report->options.top;
	struct report_group rest;
	char name[64];

	if (b->n == 0)
		return;
	prose_heading(p, report_breakdowns[id].title);
	prose_sentence(p, report_breakdowns[id].note);
	prose_table_begin(p, 2 + REPORT_METRICS_N);
	prose_cell(p, report_breakdowns[id].column);
	prose_cell(p, "domains");
	for (int m = 0; m < REPORT_METRICS_N; m++)
		prose_cell(p, report_metrics[m].title);
	for (size_t i = 0; i < top; i++)
		group_row(p, report_view_group(report, id, i, name, sizeof(name)), &b->groups[i]);
	size_t groups = report_breakdown_rest(b, top, &rest);
	if (groups > 0) {
		snprintf(name, sizeof(name), "all others (%zu%s)", groups,
		    b->other.domains > 0 ? " and more" : "");
		group_row(p, name, &rest);
	}
	prose_table_end(p);
}

static void
write_findings(struct prose *p, const struct report *report, const struct report_findings *findings,
    bool with_before)
{
	size_t n = findings->n < report->options.top ? findings->n : report->options.top;
	size_t columns = with_before ? 4 : 3;

	if (!report_names_domains(report)) {
		prose_sentence(
		    p, report->options.anonymize
			   ? "names are left out"
			   : "names only with --name-domains, since there are more than 1,000");
		return;
	}
	if (n == 0)
		return;
	prose_table_begin(p, columns);
	memset(p->left, true, sizeof(p->left));
	prose_cell(p, "domain");
	if (with_before)
		prose_cell(p, "before");
	prose_cell(p, "verdict");
	prose_cell(p, "reason");
	for (size_t i = 0; i < n; i++) {
		const struct report_finding *finding = &findings->list[i];
		prose_cell(p, finding->domain);
		if (with_before)
			prose_cell(p, verdict_str(finding->before));
		prose_cell(p, verdict_str(finding->verdict));
		prose_cell(p, finding->reason == NULL ? "" : finding->reason);
	}
	prose_table_end(p);
	if (findings->offered > n) {
		char text[100], number[32];
		report_view_number(findings->offered - n, number);
		snprintf(text, sizeof(text), "and %s more", number);
		prose_sentence(p, text);
	}
}

static void
write_moves(struct prose *p, const struct report_compare *compare)
{
	prose_table_begin(p, 3);
	p->left[1] = true;
	prose_cell(p, "verdict before");
	prose_cell(p, "verdict now");
	prose_cell(p, "domains");
	size_t headers = p->cells.n;
	for (int from = 0; from < REPORT_VERDICTS; from++)
		for (int to = 0; to < REPORT_VERDICTS; to++)
			if (from != to && compare->moves[from][to] > 0) {
				prose_cell(p, verdict_str((enum verdict)from));
				prose_cell(p, verdict_str((enum verdict)to));
				prose_number_cell(p, compare->moves[from][to]);
			}
	if (p->cells.n > headers)
		prose_table_end(p);
}

static void
write_changes(struct prose *p, const struct report *report)
{
	const struct report_compare *compare = &report->compare;
	const struct report_survey *now = report_newest(report);
	char points[16];

	prose_table_begin(p, 4);
	prose_cell(p, "figure, by domain");
	prose_cell(p, "before");
	prose_cell(p, "now");
	prose_cell(p, "points");
	for (int i = 0; i < REPORT_FIGURES_N; i++) {
		struct report_share from = compare->old->figures[i][REPORT_DOMAINS];
		struct report_share to = now->figures[i][REPORT_DOMAINS];
		prose_cell(p, report_figures[i].title);
		prose_percent_cell(p, from.n, from.of);
		prose_percent_cell(p, to.n, to.of);
		report_view_points(from, to, points);
		prose_cell(p, points);
	}
	prose_table_end(p);
}

static void
write_compare(struct prose *p, const struct report *report)
{
	const struct report_compare *compare = &report->compare;
	const struct {
		const char *what;
		uint64_t n;
	} rows[] = { { "in both surveys", compare->common }, { "better", compare->better },
		{ "worse", compare->worse }, { "the same", compare->same },
		{ "not measured any more", compare->lost }, { "measured now", compare->found },
		{ "new in the list", compare->added }, { "gone from the list", compare->gone } };
	char title[100];

	snprintf(title, sizeof(title), "Changes since %s",
	    compare->old->day[0] == '\0' ? "the older survey" : compare->old->day);
	prose_heading(p, title);
	prose_table_begin(p, 2);
	prose_cell(p, "domains");
	prose_cell(p, "number");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		prose_cell(p, rows[i].what);
		prose_number_cell(p, rows[i].n);
	}
	prose_table_end(p);
	write_changes(p, report);
	write_moves(p, compare);
	if (compare->worsened.offered > 0) {
		prose_heading(p, "What got worse");
		write_findings(p, report, &compare->worsened, true);
	}
}

static void
write_trend(struct prose *p, const struct report *report)
{
	static const int shown[] = { REPORT_FIGURE_STARTTLS, REPORT_FIGURE_TRUSTED,
		REPORT_FIGURE_TLS13, REPORT_FIGURE_PQ, REPORT_FIGURE_DANE, REPORT_FIGURE_STS,
		REPORT_FIGURE_IPV6 };
	size_t n = sizeof(shown) / sizeof(shown[0]);

	prose_heading(p, "Trend, by domain");
	prose_table_begin(p, 2 + n);
	prose_cell(p, "day");
	prose_cell(p, "names");
	for (size_t i = 0; i < n; i++)
		prose_cell(p, report_figures[shown[i]].title);
	for (size_t s = 0; s < report->surveys_n; s++) {
		const struct report_survey *survey = report->surveys[s];
		prose_cell(p, survey->day);
		prose_number_cell(p, survey->records);
		for (size_t i = 0; i < n; i++)
			prose_percent_cell(p, survey->figures[shown[i]][REPORT_DOMAINS].n,
			    survey->figures[shown[i]][REPORT_DOMAINS].of);
	}
	prose_table_end(p);
}

static void
write_left_out(struct prose *p, const struct report *report)
{
	const struct report_survey *survey = report_newest(report);
	char text[200];

	if (report->left_out + report->late > 0) {
		snprintf(text, sizeof(text),
		    "%llu lines were no records, %llu records came too late",
		    (unsigned long long)report->left_out, (unsigned long long)report->late);
		prose_sentence(p, text);
	}
	if (survey->hosts.left_out + survey->addresses.left_out > 0)
		prose_sentence(p,
		    "there are more servers than this report can tell apart: the columns "
		    "of MX hosts and addresses leave the last ones out");
}

static void
write_all(const struct report *report, struct buf *out, bool markdown)
{
	if (report->mail != NULL) {
		report_mail_prose(report, out, markdown);
		return;
	}

	struct prose p = { .out = out, .markdown = markdown };
	const struct report_survey *survey = report_newest(report);

	arena_init(&p.arena);
	buf_printf(out, markdown ? "# %s\n\n" : "%s: ", report_title(report));
	report_subtitle(report, out);
	buf_puts(out, markdown ? ".\n" : "\n");
	write_left_out(&p, report);
	write_denominators(&p, survey);
	write_figures(&p, survey);
	if (report->surveys_n > 1)
		write_trend(&p, report);
	if (report->compare.old != NULL)
		write_compare(&p, report);
	for (int table = 0; table < REPORT_TABLES; table++)
		write_table(&p, report, (enum report_table)table);
	for (int id = 0; id < REPORT_BREAKDOWNS; id++)
		write_breakdown(&p, report, (enum report_breakdown_id)id);
	if (survey->findings.offered > 0) {
		prose_heading(&p, "Worst findings");
		write_findings(&p, report, &survey->findings, false);
	}
	arena_free(&p.arena);
}

void
report_write_text(const struct report *report, struct buf *out)
{
	write_all(report, out, false);
}

void
report_write_markdown(const struct report *report, struct buf *out)
{
	write_all(report, out, true);
}
