#include <stdlib.h>

#include "app/report/view.h"
#include "base/limits.h"
#include "base/text.h"

/* The report as rows of tab-separated values, one count a row: table, value, level, count, of. */

static void
put_row(struct buf *out, const char *table, const char *value, const char *level, uint64_t n,
    uint64_t of)
{
	buf_puts(out, table);
	buf_putc(out, '\t');
	/* \x09 for a tab: a row stays a row */
	text_escape(out, slice_str(value), LIMIT_CERT_TEXT_BYTES);
	buf_printf(out, "\t%s\t%llu\t%llu\n", level, (unsigned long long)n, (unsigned long long)of);
}

static void
put_table(struct buf *out, const struct report *report, enum report_table table)
{
	const struct report_tally *tally = &report_newest(report)->tallies[table];
	size_t n;
	struct report_view_row *rows = report_view_rows(report, table, 0, &n);

	for (size_t i = 0; i < n; i++)
		for (int level = 0; level < REPORT_LEVELS; level++)
			if ((tally->info->levels & 1u << level) != 0)
				put_row(out, tally->info->id, rows[i].name, report_level_ids[level],
				    rows[i].n[level], tally->of[level]);
	free(rows);
}

static void
put_breakdown(struct buf *out, const struct report *report, enum report_breakdown_id id)
{
	const struct report_breakdown *b = report_view_breakdown(report_newest(report), id);
	uint64_t all = report_newest(report)->denominators[REPORT_DOMAINS].accept_mail;
	size_t top = b->n < report->options.top ? b->n : report->options.top;
	char name[64];

	for (size_t i = 0; i < top; i++) {
		const struct report_group *group = &b->groups[i];
		const char *text = report_view_group(report, id, i, name, sizeof(name));
		put_row(out, report_breakdowns[id].id, text, "domains", group->domains, all);
		for (int m = 0; m < REPORT_METRICS_N; m++)
			put_row(out, report_breakdowns[id].id, text, report_metrics[m].id,
			    group->n[m], group->domains);
	}
}

static void
put_compare(struct buf *out, const struct report_compare *compare)
{
	static const char table[] = "compare";

	put_row(out, table, "added", "domains", compare->added, compare->added + compare->common);
	put_row(out, table, "gone", "domains", compare->gone, compare->gone + compare->common);
	put_row(out, table, "same", "domains", compare->same, compare->common);
	put_row(out, table, "better", "domains", compare->better, compare->common);
	put_row(out, table, "worse", "domains", compare->worse, compare->common);
	put_row(out, table, "lost", "domains", compare->lost, compare->common);
	put_row(out, table, "found", "domains", compare->found, compare->common);
	for (int from = 0; from < REPORT_VERDICTS; from++)
		for (int to = 0; to < REPORT_VERDICTS; to++)
			if (from != to && compare->moves[from][to] > 0)
				put_row(out, "move", verdict_str((enum verdict)from),
				    verdict_str((enum verdict)to), compare->moves[from][to],
				    compare->common);
}

void
report_write_tsv(const struct report *report, struct buf *out)
{
	if (report->mail != NULL) {
		report_mail_tsv(report, out);
		return;
	}

	const struct report_survey *survey = report_newest(report);

	buf_puts(out, "table\tvalue\tlevel\tcount\tof\n");
	for (size_t i = 0; i < REPORT_DENOMINATORS; i++)
		for (int level = 0; level < REPORT_LEVELS; level++)
			if ((report_denominators[i].levels & 1u << level) != 0)
				put_row(out, "denominator", report_denominators[i].id,
				    report_level_ids[level],
				    report_denominator(survey, i, (enum report_level)level),
				    survey->denominators[level].names);
	for (int i = 0; i < REPORT_FIGURES_N; i++)
		for (int level = 0; level < REPORT_LEVELS; level++)
			if ((report_figures[i].levels & 1u << level) != 0)
				put_row(out, "figure", report_figures[i].id,
				    report_level_ids[level], survey->figures[i][level].n,
				    survey->figures[i][level].of);
	for (int table = 0; table < REPORT_TABLES; table++)
		put_table(out, report, (enum report_table)table);
	for (int id = 0; id < REPORT_BREAKDOWNS; id++)
		put_breakdown(out, report, (enum report_breakdown_id)id);
	if (report->compare.old != NULL)
		put_compare(out, &report->compare);
}
