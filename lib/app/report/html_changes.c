#include <stdlib.h>

#include "app/report/html.h"
#include "base/mem.h"

/* What changed between surveys: the trend of several, and the comparison with an older one. */

static const enum report_figure shown[] = { REPORT_FIGURE_STARTTLS, REPORT_FIGURE_TRUSTED,
	REPORT_FIGURE_TLS13, REPORT_FIGURE_PQ, REPORT_FIGURE_DANE, REPORT_FIGURE_STS,
	REPORT_FIGURE_IPV6, REPORT_FIGURE_PLAINTEXT };
#define SHOWN (sizeof(shown) / sizeof(shown[0]))

static double
percent(struct report_share share)
{
	return share.of == 0 ? -1 : 100.0 * (double)share.n / (double)share.of;
}

/* A round number above all values: 1, 2, 5, 10, 20, 50, 100. */
static double
ceiling(const double *values, size_t n)
{
	static const double rounds[] = { 1, 2, 5, 10, 20, 50, 100 };
	double max = 0;

	for (size_t i = 0; i < n; i++)
		if (values[i] > max)
			max = values[i];
	for (size_t i = 0; i < sizeof(rounds) / sizeof(rounds[0]); i++)
		if (max <= rounds[i])
			return rounds[i];
	return 100;
}

static void
trend_card(struct buf *out, const struct report *report, enum report_figure figure)
{
	size_t n = report->surveys_n;
	double *values = mem_array(n, sizeof(*values));
	struct report_share first = report->surveys[0]->figures[figure][REPORT_DOMAINS];
	struct report_share last = report_newest(report)->figures[figure][REPORT_DOMAINS];

	for (size_t i = 0; i < n; i++)
		values[i] = percent(report->surveys[i]->figures[figure][REPORT_DOMAINS]);
	double max = ceiling(values, n);
	buf_printf(out,
	    "<section class=\"card\"><h3>%s</h3><p class=\"of\">%% of domains %s, scale 0 to %.0f "
	    "%%</p>"
	    "<div style=\"margin-top:16px\">",
	    report_figures[figure].title, html_basis(report_figures[figure].basis), max);
	html_line(out, values, n, max);
	buf_printf(out, "</div><p class=\"ends\"><span>%s<br>", report->surveys[0]->day);
	html_percent(out, first.n, first.of);
	buf_printf(
	    out, "</span><span style=\"text-align:right\">%s<br><b>", report_newest(report)->day);
	html_percent(out, last.n, last.of);
	buf_puts(out, "</b></span></p></section>\n");
	free(values);
}

void
html_trend(struct buf *out, const struct report *report)
{
	buf_puts(out, "<h2 id=\"trend\">Trend</h2><p class=\"sub\">");
	html_number(out, report->surveys_n);
	buf_puts(
	    out, " surveys, by domain. Each chart has a scale of its own.</p><div class=\"grid\">");
	for (size_t i = 0; i < SHOWN; i++)
		trend_card(out, report, shown[i]);
	buf_puts(out,
	    "</div><details><summary>Table</summary><div class=\"card\"><table class=\"heat\" "
	    "id=\"t-trend\"><thead><tr><th scope=\"col\">day</th><th scope=\"col\">names</th>");
	for (size_t i = 0; i < SHOWN; i++)
		buf_printf(out, "<th scope=\"col\">%s</th>", report_figures[shown[i]].title);
	buf_puts(out, "</tr></thead><tbody>");
	for (size_t s = 0; s < report->surveys_n; s++) {
		const struct report_survey *survey = report->surveys[s];
		buf_printf(
		    out, "<tr><th scope=\"row\">%s</th><td data-label=\"names\">", survey->day);
		html_number(out, survey->records);
		buf_puts(out, "</td>");
		for (size_t i = 0; i < SHOWN; i++) {
			struct report_share share = survey->figures[shown[i]][REPORT_DOMAINS];
			buf_printf(out, "<td data-label=\"%s\" data-n=\"%llu\">",
			    report_figures[shown[i]].title, (unsigned long long)share.n);
			html_percent(out, share.n, share.of);
			buf_puts(out, "</td>");
		}
		buf_puts(out, "</tr>");
	}
	buf_puts(out, "</tbody></table></div></details>\n");
}

static void
tiles(struct buf *out, const struct report_compare *compare)
{
	const struct {
		const char *title, *meaning, *class;
		uint64_t n;
	} rows[] = { { "Better", "on a higher rung now", "up", compare->better },
		{ "Worse", "on a lower rung now", "down", compare->worse },
		{ "The same", "verdict as before", "", compare->same } };
	const struct {
		const char *what;
		uint64_t n;
	} others[] = { { "measured now, not then", compare->found },
		{ "measured then, not now", compare->lost }, { "new in the list", compare->added },
		{ "gone from the list", compare->gone } };

	buf_puts(out, "<div class=\"grid\" id=\"t-compare\">");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		buf_printf(out, "<section class=\"card small\"><h3>%s</h3><p class=\"big %s\">",
		    rows[i].title, rows[i].n > 0 ? rows[i].class : "");
		html_number(out, rows[i].n);
		buf_printf(out, "</p><p class=\"of\">%s</p></section>", rows[i].meaning);
	}
	buf_puts(out, "<section class=\"card small\"><h3>Not to compare</h3><ul class=\"plain\">");
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		buf_printf(out, "<li><span>%s</span><span>", others[i].what);
		html_number(out, others[i].n);
		buf_puts(out, "</span></li>");
	}
	buf_puts(out, "</ul></section></div>\n");
}

static void
figures_then_and_now(struct buf *out, const struct report *report)
{
	char points[16];

	buf_puts(out,
	    "<section class=\"card\"><h3>Figures, by domain</h3><table "
	    "id=\"t-then\"><thead><tr><th "
	    "scope=\"col\">figure</th><th scope=\"col\">then</th><th scope=\"col\">now</th><th "
	    "scope=\"col\">points</th></tr></thead><tbody>");
	for (int i = 0; i < REPORT_FIGURES_N; i++) {
		struct report_share from = report->compare.old->figures[i][REPORT_DOMAINS];
		struct report_share to = report_newest(report)->figures[i][REPORT_DOMAINS];
		report_view_points(from, to, points);
		bool up = points[0] == '+', down = points[0] == '-' && points[1] != '\0';
		bool good = report_figures[i].good ? up : down;
		buf_printf(out, "<tr><th scope=\"row\">%s</th><td>", report_figures[i].title);
		html_percent(out, from.n, from.of);
		buf_puts(out, "</td><td>");
		html_percent(out, to.n, to.of);
		buf_printf(out, "</td><td class=\"%s\">%s</td></tr>",
		    !up && !down ? ""
		    : good       ? "up"
				 : "down",
		    points);
	}
	buf_puts(out, "</tbody></table></section>\n");
}

static void
verdict_cell(struct buf *out, enum verdict verdict)
{
	buf_printf(out, "<td><span class=\"chip b%d\">%s</span></td>", html_verdict_colour(verdict),
	    verdict_str(verdict));
}

static void
moves(struct buf *out, const struct report_compare *compare)
{
	buf_puts(out,
	    "<section class=\"card\"><h3>Verdicts that changed</h3><table "
	    "id=\"t-moves\"><thead><tr>"
	    "<th scope=\"col\">then</th><th scope=\"col\" style=\"text-align:left\">now</th><th "
	    "scope=\"col\">domains</th></tr></thead><tbody>");
	for (int from = 0; from < REPORT_VERDICTS; from++)
		for (int to = 0; to < REPORT_VERDICTS; to++) {
			if (from == to || compare->moves[from][to] == 0)
				continue;
			buf_puts(out, "<tr>");
			verdict_cell(out, (enum verdict)from);
			buf_printf(out,
			    "<td style=\"text-align:left\"><span class=\"chip "
			    "b%d\">%s</span></td><td>",
			    html_verdict_colour((enum verdict)to), verdict_str((enum verdict)to));
			html_number(out, compare->moves[from][to]);
			buf_puts(out, "</td></tr>");
		}
	buf_puts(out, "</tbody></table></section>\n");
}

void
html_compare(struct buf *out, const struct report *report)
{
	const struct report_compare *compare = &report->compare;

	buf_printf(out, "<h2 id=\"changes\">Changes since %s</h2><p class=\"sub\">",
	    compare->old->day[0] == '\0' ? "the older survey" : compare->old->day);
	html_number(out, compare->common);
	buf_puts(out, " domains are in both surveys.</p>");
	tiles(out, compare);
	buf_puts(out, "<div class=\"two\" style=\"margin-top:16px\">");
	figures_then_and_now(out, report);
	moves(out, compare);
	buf_puts(out, "</div>\n");
	if (compare->worsened.offered > 0) {
		buf_puts(out, "<h2 id=\"worsened\">What got worse</h2><p class=\"sub\">");
		html_number(out, compare->worsened.offered);
		buf_puts(out, " domains are on a lower rung than before.</p>");
		html_findings(out, report, &compare->worsened, true, "worsened");
	}
}
