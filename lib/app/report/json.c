#include <stdlib.h>

#include "app/report/view.h"
#include "base/clock.h"
#include "base/json.h"

/* The report for programs: one JSON object, "mxtls-report/1". */

static void
key(struct json *j, const char *name)
{
	json_key(j, slice_str(name));
}

static void
put_count(struct json *j, const char *name, uint64_t n)
{
	key(j, name);
	json_put_int(j, (int64_t)n);
}

static void
put_text(struct json *j, const char *name, const char *text)
{
	key(j, name);
	json_put_str(j, text);
}

static void
write_survey(struct json *j, const struct report_survey *survey)
{
	put_text(j, "day", survey->day[0] == '\0' ? NULL : survey->day);
	key(j, "first");
	json_put_time(j, survey->first);
	key(j, "last");
	json_put_time(j, survey->last);
	put_count(j, "records", survey->records);
	put_count(j, "files", survey->files);
}

static void
write_denominators(struct json *j, const struct report_survey *survey)
{
	json_object_begin(j);
	for (int level = 0; level < REPORT_LEVELS; level++) {
		key(j, report_level_ids[level]);
		json_object_begin(j);
		for (size_t i = 0; i < REPORT_DENOMINATORS; i++)
			if ((report_denominators[i].levels & 1u << level) != 0)
				put_count(j, report_denominators[i].id,
				    report_denominator(survey, i, (enum report_level)level));
		json_object_end(j);
	}
	json_object_end(j);
}

static void
write_figures(struct json *j, const struct report_survey *survey)
{
	json_object_begin(j);
	for (int i = 0; i < REPORT_FIGURES_N; i++) {
		key(j, report_figures[i].id);
		json_object_begin(j);
		put_text(j, "title", report_figures[i].title);
		for (int level = 0; level < REPORT_LEVELS; level++) {
			if ((report_figures[i].levels & 1u << level) == 0)
				continue;
			const struct report_share *share = &survey->figures[i][level];
			key(j, report_level_ids[level]);
			json_object_begin(j);
			put_count(j, "n", share->n);
			put_count(j, "of", share->of);
			key(j, "percent");
			json_put_secs(j, report_view_share(share->n, share->of));
			json_object_end(j);
		}
		json_object_end(j);
	}
	json_object_end(j);
}

static void
write_table(struct json *j, const struct report *report, enum report_table table)
{
	const struct report_tally *tally = &report_newest(report)->tallies[table];
	size_t n;
	struct report_view_row *rows = report_view_rows(report, table, 0, &n);

	key(j, tally->info->id);
	json_object_begin(j);
	put_text(j, "title", tally->info->title);
	put_text(j, "note", tally->info->note);
	key(j, "of");
	json_object_begin(j);
	for (int level = 0; level < REPORT_LEVELS; level++)
		if ((tally->info->levels & 1u << level) != 0)
			put_count(j, report_level_ids[level], tally->of[level]);
	json_object_end(j);
	key(j, "rows");
	json_array_begin(j);
	for (size_t i = 0; i < n; i++) {
		json_object_begin(j);
		put_text(j, "value", rows[i].name);
		for (int level = 0; level < REPORT_LEVELS; level++)
			if ((tally->info->levels & 1u << level) != 0)
				put_count(j, report_level_ids[level], rows[i].n[level]);
		json_object_end(j);
	}
	json_array_end(j);
	free(rows);
	json_object_end(j);
}

static void
write_group(struct json *j, const char *name, const struct report_group *group)
{
	put_text(j, "name", name);
	put_count(j, "domains", group->domains);
	for (int m = 0; m < REPORT_METRICS_N; m++)
		put_count(j, report_metrics[m].id, group->n[m]);
}

static void
write_breakdown(struct json *j, const struct report *report, enum report_breakdown_id id)
{
	const struct report_breakdown *b = report_view_breakdown(report_newest(report), id);
	size_t top = b->n < report->options.top ? b->n : report->options.top;
	struct report_group rest;
	char name[64];

	key(j, report_breakdowns[id].id);
	json_object_begin(j);
	key(j, "rows");
	json_array_begin(j);
	for (size_t i = 0; i < top; i++) {
		json_object_begin(j);
		write_group(j, report_view_group(report, id, i, name, sizeof(name)), &b->groups[i]);
		json_object_end(j);
	}
	json_array_end(j);
	size_t groups = report_breakdown_rest(b, top, &rest);
	key(j, "other");
	json_object_begin(j);
	put_count(j, "groups", groups);
	write_group(j, NULL, &rest);
	json_object_end(j);
	json_object_end(j);
}

static void
write_findings(struct json *j, const struct report *report, const struct report_findings *findings,
    bool with_before)
{
	size_t n = findings->n < report->options.top ? findings->n : report->options.top;

	put_count(j, "total", findings->offered);
	key(j, "named");
	json_put_bool(j, report_names_domains(report));
	key(j, "rows");
	json_array_begin(j);
	for (size_t i = 0; i < n && report_names_domains(report); i++) {
		const struct report_finding *finding = &findings->list[i];
		json_object_begin(j);
		put_text(j, "domain", finding->domain);
		key(j, "rank");
		if (finding->rank < 0)
			json_put_null(j);
		else
			json_put_int(j, finding->rank);
		if (with_before)
			put_text(j, "before", verdict_str(finding->before));
		put_text(j, "verdict", verdict_str(finding->verdict));
		put_text(j, "reason", finding->reason);
		json_object_end(j);
	}
	json_array_end(j);
}

static void
write_moves(struct json *j, const struct report_compare *compare)
{
	json_array_begin(j);
	for (int from = 0; from < REPORT_VERDICTS; from++)
		for (int to = 0; to < REPORT_VERDICTS; to++) {
			if (from == to || compare->moves[from][to] == 0)
				continue;
			json_object_begin(j);
			put_text(j, "from", verdict_str((enum verdict)from));
			put_text(j, "to", verdict_str((enum verdict)to));
			put_count(j, "domains", compare->moves[from][to]);
			json_object_end(j);
		}
	json_array_end(j);
}

static void
write_compare(struct json *j, const struct report *report)
{
	const struct report_compare *compare = &report->compare;

	json_object_begin(j);
	key(j, "old");
	json_object_begin(j);
	write_survey(j, compare->old);
	key(j, "figures");
	write_figures(j, compare->old);
	json_object_end(j);
	put_count(j, "common", compare->common);
	put_count(j, "added", compare->added);
	put_count(j, "gone", compare->gone);
	put_count(j, "same", compare->same);
	put_count(j, "better", compare->better);
	put_count(j, "worse", compare->worse);
	put_count(j, "lost", compare->lost);
	put_count(j, "found", compare->found);
	key(j, "moves");
	write_moves(j, compare);
	key(j, "worsened");
	json_object_begin(j);
	write_findings(j, report, &compare->worsened, true);
	json_object_end(j);
	json_object_end(j);
}

static void
write_trend(struct json *j, const struct report *report)
{
	json_array_begin(j);
	for (size_t i = 0; i < report->surveys_n; i++) {
		json_object_begin(j);
		write_survey(j, report->surveys[i]);
		key(j, "figures");
		write_figures(j, report->surveys[i]);
		json_object_end(j);
	}
	json_array_end(j);
}

static void
write_input(struct json *j, const struct report *report)
{
	const struct report_survey *survey = report_newest(report);

	json_object_begin(j);
	put_count(j, "lines", report->lines);
	put_count(j, "lines_left_out", report->left_out);
	put_count(j, "records_left_out", report->late);
	put_count(j, "unknown_words", report->note.unknown_words);
	put_count(j, "mx_hosts_left_out", survey->hosts.left_out);
	put_count(j, "addresses_left_out", survey->addresses.left_out);
	json_object_end(j);
}

void
report_write_json(const struct report *report, struct buf *out)
{
	if (report->mail != NULL) {
		report_mail_json(report, out);
		return;
	}

	const struct report_survey *survey = report_newest(report);
	struct json j;

	json_init(&j, out);
	json_object_begin(&j);
	put_text(&j, "schema", "mxtls-report/1");
	key(&j, "generated");
	json_put_time(&j, clock_wall());
	key(&j, "survey");
	json_object_begin(&j);
	write_survey(&j, survey);
	json_object_end(&j);
	key(&j, "input");
	write_input(&j, report);
	key(&j, "denominators");
	write_denominators(&j, survey);
	key(&j, "figures");
	write_figures(&j, survey);
	key(&j, "tables");
	json_object_begin(&j);
	for (int table = 0; table < REPORT_TABLES; table++)
		write_table(&j, report, (enum report_table)table);
	json_object_end(&j);
	for (int id = 0; id < REPORT_BREAKDOWNS; id++)
		write_breakdown(&j, report, (enum report_breakdown_id)id);
	key(&j, "findings");
	json_object_begin(&j);
	write_findings(&j, report, &survey->findings, false);
	json_object_end(&j);
	key(&j, "trend");
	write_trend(&j, report);
	key(&j, "compare");
	if (report->compare.old == NULL)
		json_put_null(&j);
	else
		write_compare(&j, report);
	json_object_end(&j);
	buf_putc(out, '\n');
}
