#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/report_view.h"
#include "base/limits.h"
#include "base/text.h"

/*
 * The report for people, as text and as Markdown: headings, sentences, and tables whose first
 * column is text and whose other columns are numbers or text.
 */
#define COLUMNS_MAX 16
#define CELL_BYTES 120 /* of output; longer ones are cut */

struct prose {
	struct buf *out;
	bool markdown;
	/* the table being made */
	struct arena arena;
	struct strs cells;
	size_t columns;
	bool left[COLUMNS_MAX]; /* text, not a number */
};

static void
heading(struct prose *p, const char *text)
{
	buf_printf(p->out, p->markdown ? "\n## %s\n" : "\n%s\n", text);
}

static void
sentence(struct prose *p, const char *text)
{
	if (p->markdown)
		buf_printf(p->out, "\n%c%s.\n", text_upper(text[0]), text + 1);
	else
		buf_printf(p->out, "  (%s)\n", text);
}

/* Bytes of strangers: no control characters, and nothing that Markdown would obey. */
static void
cell(struct prose *p, const char *text)
{
	struct buf safe, cell;

	buf_init(&safe, CELL_BYTES + 8);
	buf_init(&cell, (CELL_BYTES + 8) * 2);
	text_escape(&safe, slice_str(text), CELL_BYTES);
	for (size_t i = 0; i < safe.len; i++) {
		if (p->markdown && strchr("\\|`*_<>[]#&~", safe.data[i]) != NULL)
			buf_putc(&cell, '\\');
		buf_putc(&cell, safe.data[i]);
	}
	strs_add(&p->cells, &p->arena, buf_str(&cell));
	buf_free(&safe);
	buf_free(&cell);
}

static void
number_cell(struct prose *p, uint64_t n)
{
	char text[32];

	report_view_number(n, text);
	strs_add(&p->cells, &p->arena, text);
}

static void
percent_cell(struct prose *p, uint64_t n, uint64_t of)
{
	char text[16];

	report_view_percent(n, of, text);
	strs_add(&p->cells, &p->arena, text);
}

/* Headers are the first row of cells: as many as there are columns. */
static void
table_begin(struct prose *p, size_t columns)
{
	memset(&p->cells, 0, sizeof(p->cells));
	arena_reset(&p->arena);
	p->columns = columns;
	memset(p->left, 0, sizeof(p->left));
	p->left[0] = true;
}

/* Columns on a terminal: code points, which is right for what we print. */
static size_t
width(const char *text)
{
	size_t n = 0;

	for (; *text != '\0'; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static void
pad(struct buf *out, size_t n)
{
	while (n-- > 0)
		buf_putc(out, ' ');
}

static void
write_row(struct prose *p, size_t row, const size_t *widths)
{
	if (p->markdown)
		buf_puts(p->out, "|");
	for (size_t c = 0; c < p->columns; c++) {
		const char *text = p->cells.v[row * p->columns + c];
		size_t fill = widths[c] - width(text);
		bool last = c + 1 == p->columns && !p->markdown;
		buf_puts(p->out, p->markdown ? " " : "  ");
		if (!p->left[c])
			pad(p->out, fill);
		buf_puts(p->out, text);
		if (p->left[c] && !last)
			pad(p->out, fill);
		if (p->markdown)
			buf_puts(p->out, " |");
	}
	buf_putc(p->out, '\n');
}

static void
write_rule(struct prose *p, const size_t *widths)
{
	buf_puts(p->out, "|");
	for (size_t c = 0; c < p->columns; c++) {
		buf_puts(p->out, " ");
		for (size_t i = 0; i + 1 < (widths[c] < 3 ? 3 : widths[c]); i++)
			buf_putc(p->out, '-');
		buf_puts(p->out, p->left[c] ? "- |" : ": |");
	}
	buf_putc(p->out, '\n');
}

static void
table_end(struct prose *p)
{
	size_t widths[COLUMNS_MAX] = { 0 };
	size_t rows = p->cells.n / p->columns;

	for (size_t i = 0; i < p->cells.n; i++) {
		size_t w = width(p->cells.v[i]);
		if (w > widths[i % p->columns])
			widths[i % p->columns] = w;
	}
	buf_putc(p->out, '\n');
	for (size_t row = 0; row < rows; row++) {
		write_row(p, row, widths);
		if (row == 0 && p->markdown)
			write_rule(p, widths);
	}
}

/* --- the parts ----------------------------------------------------------------------------------- */

static void
write_denominators(struct prose *p, const struct report_survey *survey)
{
	table_begin(p, 1 + REPORT_LEVELS);
	cell(p, "what 100 percent are");
	for (int level = 0; level < REPORT_LEVELS; level++)
		cell(p, report_level_titles[level]);
	for (size_t i = 0; i < REPORT_DENOMINATORS; i++) {
		cell(p, report_denominators[i].title);
		for (int level = 0; level < REPORT_LEVELS; level++) {
			if ((report_denominators[i].levels & 1u << level) == 0)
				cell(p, "");
			else
				number_cell(
				    p, report_denominator(survey, i, (enum report_level)level));
		}
	}
	table_end(p);
}

static void
level_headers(struct prose *p)
{
	for (int level = 0; level < REPORT_LEVELS; level++) {
		cell(p, report_level_titles[level]);
		cell(p, "share");
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
	heading(p, "Adoption");
	table_begin(p, 2 + REPORT_LEVELS * 2);
	p->left[7] = true;
	cell(p, "figure");
	level_headers(p);
	cell(p, "share of");
	for (int i = 0; i < REPORT_FIGURES_N; i++) {
		cell(p, report_figures[i].title);
		for (int level = 0; level < REPORT_LEVELS; level++) {
			const struct report_share *share = &survey->figures[i][level];
			bool has = (report_figures[i].levels & 1u << level) != 0;
			if (has) {
				number_cell(p, share->n);
				percent_cell(p, share->n, share->of);
			} else {
				cell(p, "");
				cell(p, "");
			}
		}
		cell(p, basis_text(report_figures[i].basis));
	}
	table_end(p);
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
	heading(p, title);
	sentence(p, tally->info->note);
	table_begin(p, 1 + levels * 2);
	cell(p, tally->info->title);
	for (int level = 0; level < REPORT_LEVELS; level++)
		if ((tally->info->levels & 1u << level) != 0) {
			cell(p, report_level_titles[level]);
			cell(p, "share");
		}
	for (size_t i = 0; i < n; i++) {
		cell(p, rows[i].label);
		for (int level = 0; level < REPORT_LEVELS; level++)
			if ((tally->info->levels & 1u << level) != 0) {
				number_cell(p, rows[i].n[level]);
				percent_cell(p, rows[i].n[level], tally->of[level]);
			}
	}
	if (n == 0) {
		cell(p, "none");
		for (size_t i = 0; i < levels * 2; i++)
			cell(p, "");
	}
	table_end(p);
	free(rows);
}

static void
group_row(struct prose *p, const char *name, const struct report_group *group)
{
	cell(p, name);
	number_cell(p, group->domains);
	for (int m = 0; m < REPORT_METRICS_N; m++)
		percent_cell(p, group->n[m], group->domains);
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
	heading(p, report_breakdowns[id].title);
	sentence(p, report_breakdowns[id].note);
	table_begin(p, 2 + REPORT_METRICS_N);
	cell(p, report_breakdowns[id].column);
	cell(p, "domains");
	for (int m = 0; m < REPORT_METRICS_N; m++)
		cell(p, report_metrics[m].title);
	for (size_t i = 0; i < top; i++)
		group_row(p, report_view_group(report, id, i, name, sizeof(name)), &b->groups[i]);
	size_t groups = report_breakdown_rest(b, top, &rest);
	if (groups > 0) {
		snprintf(name, sizeof(name), "all others (%zu%s)", groups,
		    b->other.domains > 0 ? " and more" : "");
		group_row(p, name, &rest);
	}
	table_end(p);
}

static void
write_findings(struct prose *p, const struct report *report, const struct report_findings *findings,
    bool with_before)
{
	size_t n = findings->n < report->options.top ? findings->n : report->options.top;
	size_t columns = with_before ? 4 : 3;

	if (!report_names_domains(report)) {
		sentence(
		    p, report->options.anonymize
			   ? "names are left out"
			   : "names only with --name-domains, since there are more than 1,000");
		return;
	}
	if (n == 0)
		return;
	table_begin(p, columns);
	memset(p->left, true, sizeof(p->left));
	cell(p, "domain");
	if (with_before)
		cell(p, "before");
	cell(p, "verdict");
	cell(p, "reason");
	for (size_t i = 0; i < n; i++) {
		const struct report_finding *finding = &findings->list[i];
		cell(p, finding->domain);
		if (with_before)
			cell(p, verdict_str(finding->before));
		cell(p, verdict_str(finding->verdict));
		cell(p, finding->reason == NULL ? "" : finding->reason);
	}
	table_end(p);
	if (findings->offered > n) {
		char text[100], number[32];
		report_view_number(findings->offered - n, number);
		snprintf(text, sizeof(text), "and %s more", number);
		sentence(p, text);
	}
}

static void
write_moves(struct prose *p, const struct report_compare *compare)
{
	table_begin(p, 3);
	p->left[1] = true;
	cell(p, "verdict before");
	cell(p, "verdict now");
	cell(p, "domains");
	size_t headers = p->cells.n;
	for (int from = 0; from < REPORT_VERDICTS; from++)
		for (int to = 0; to < REPORT_VERDICTS; to++)
			if (from != to && compare->moves[from][to] > 0) {
				cell(p, verdict_str((enum verdict)from));
				cell(p, verdict_str((enum verdict)to));
				number_cell(p, compare->moves[from][to]);
			}
	if (p->cells.n > headers)
		table_end(p);
}

static void
write_changes(struct prose *p, const struct report *report)
{
	const struct report_compare *compare = &report->compare;
	const struct report_survey *now = report_newest(report);
	char points[16];

	table_begin(p, 4);
	cell(p, "figure, by domain");
	cell(p, "before");
	cell(p, "now");
	cell(p, "points");
	for (int i = 0; i < REPORT_FIGURES_N; i++) {
		struct report_share from = compare->old->figures[i][REPORT_DOMAINS];
		struct report_share to = now->figures[i][REPORT_DOMAINS];
		cell(p, report_figures[i].title);
		percent_cell(p, from.n, from.of);
		percent_cell(p, to.n, to.of);
		report_view_points(from, to, points);
		cell(p, points);
	}
	table_end(p);
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
	heading(p, title);
	table_begin(p, 2);
	cell(p, "domains");
	cell(p, "number");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cell(p, rows[i].what);
		number_cell(p, rows[i].n);
	}
	table_end(p);
	write_changes(p, report);
	write_moves(p, compare);
	if (compare->worsened.offered > 0) {
		heading(p, "What got worse");
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

	heading(p, "Trend, by domain");
	table_begin(p, 2 + n);
	cell(p, "day");
	cell(p, "names");
	for (size_t i = 0; i < n; i++)
		cell(p, report_figures[shown[i]].title);
	for (size_t s = 0; s < report->surveys_n; s++) {
		const struct report_survey *survey = report->surveys[s];
		cell(p, survey->day);
		number_cell(p, survey->records);
		for (size_t i = 0; i < n; i++)
			percent_cell(p, survey->figures[shown[i]][REPORT_DOMAINS].n,
			    survey->figures[shown[i]][REPORT_DOMAINS].of);
	}
	table_end(p);
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
		sentence(p, text);
	}
	if (survey->hosts.left_out + survey->addresses.left_out > 0)
		sentence(p, "there are more servers than this report can tell apart: the columns "
			    "of MX hosts and addresses leave the last ones out");
}

static void
write_all(const struct report *report, struct buf *out, bool markdown)
{
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
		heading(&p, "Worst findings");
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
