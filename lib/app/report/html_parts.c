#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/report/html.h"
#include "base/text.h"

#define NAME_BYTES 200 /* shown of a name or a reason */
#define LABEL_MIN 15.0 /* percent that a part of a bar must have to hold its label */

void
html_text(struct buf *out, const char *text, size_t max_bytes)
{
	struct buf safe;

	buf_init(&safe, max_bytes + 8);
	text_escape(&safe, slice_str(text), max_bytes);
	for (size_t i = 0; i < safe.len; i++)
		switch (safe.data[i]) {
		case '&':
			buf_puts(out, "&amp;");
			break;
		case '<':
			buf_puts(out, "&lt;");
			break;
		case '>':
			buf_puts(out, "&gt;");
			break;
		case '"':
			buf_puts(out, "&quot;");
			break;
		case '\'':
			buf_puts(out, "&#39;");
			break;
		case '_': /* names of ciphers may break there */
			buf_puts(out, "_<wbr>");
			break;
		default:
			buf_putc(out, safe.data[i]);
		}
	buf_free(&safe);
}

void
html_attribute(struct buf *out, const char *text, size_t max_bytes)
{
	struct buf escaped;

	buf_init(&escaped, max_bytes * 8);
	html_text(&escaped, text, max_bytes);
	for (const char *p = buf_str(&escaped); *p != '\0'; p++) {
		buf_putc(out, *p);
		if (strncmp(p, "_<wbr>", 6) == 0)
			p += 5;
	}
	buf_free(&escaped);
}

void
html_number(struct buf *out, uint64_t n)
{
	char text[32];

	report_view_number(n, text);
	buf_puts(out, text);
}

void
html_percent(struct buf *out, uint64_t n, uint64_t of)
{
	char text[16];

	report_view_percent(n, of, text);
	html_text(out, text, sizeof(text));
}

static double
share(uint64_t n, uint64_t of)
{
	return of == 0 ? 0 : 100.0 * (double)n / (double)of;
}

void
html_bar(struct buf *out, const char *colour, uint64_t n, uint64_t max)
{
	buf_printf(out,
	    "<svg height=\"12\" aria-hidden=\"true\"><rect class=\"track\" width=\"100%%\" "
	    "height=\"12\" "
	    "rx=\"3\"/><rect class=\"%s\" width=\"%.2f%%\" height=\"12\" rx=\"3\"/></svg>",
	    colour, share(n, max));
}

void
html_segments(struct buf *out, const uint64_t *parts, const int *colours, size_t n, uint64_t of)
{
	double at = 0;
	char text[16];

	buf_puts(out, "<svg class=\"segs\" height=\"28\" aria-hidden=\"true\">");
	buf_puts(out, "<rect class=\"track\" width=\"100%\" height=\"28\" rx=\"4\"/>");
	for (size_t i = 0; i < n; i++) {
		double width = share(parts[i], of);
		if (parts[i] == 0)
			continue;
		buf_printf(out, "<rect class=\"f%d\" x=\"%.3f%%\" width=\"%.3f%%\" height=\"28\"/>",
		    colours[i], at, width);
		if (width >= LABEL_MIN) {
			report_view_percent(parts[i], of, text);
			buf_printf(out, "<text x=\"%.3f%%\" y=\"18\">", at + width / 2);
			html_text(out, text, sizeof(text));
			buf_puts(out, "</text>");
		}
		at += width;
	}
	buf_puts(out, "</svg>");
}

void
html_line(struct buf *out, const double *values, size_t n, double max)
{
	const double w = 300, h = 72;
	struct buf points;
	double first = -1, last = 0;

	buf_init(&points, 64 * n + 64);
	for (size_t i = 0; i < n; i++) {
		if (values[i] < 0)
			continue;
		double x = n > 1 ? w * (double)i / (double)(n - 1) : 0;
		if (first < 0)
			first = x;
		last = x;
		buf_printf(&points, "%.1f,%.1f ", x, h - h * values[i] / max);
	}
	buf_printf(out,
	    "<svg viewBox=\"0 0 %.0f %.0f\" height=\"72\" preserveAspectRatio=\"none\" "
	    "aria-hidden=\"true\"><line class=\"base\" x2=\"%.0f\" y1=\"%.0f\" y2=\"%.0f\"/>",
	    w, h, w, h, h);
	if (first >= 0)
		buf_printf(out, "<polygon class=\"area\" points=\"%.1f,%.0f %s%.1f,%.0f\"/>", first,
		    h, buf_str(&points), last, h);
	buf_printf(out, "<polyline class=\"line\" points=\"%s\"/></svg>", buf_str(&points));
	buf_free(&points);
}

const char *
html_basis(enum report_basis basis)
{
	switch (basis) {
	case REPORT_BASIS_NAMES:
		return "in the list";
	case REPORT_BASIS_MAIL:
		return "that accept mail";
	case REPORT_BASIS_MEASURED:
		return "measured";
	case REPORT_BASIS_TLS:
		return "with TLS";
	case REPORT_BASIS_TLSA:
		return "with TLSA records";
	}
	return "";
}

static enum report_level
first_level(const struct report_table_info *info)
{
	for (int level = 0; level < REPORT_LEVELS; level++)
		if ((info->levels & 1u << level) != 0)
			return (enum report_level)level;
	return REPORT_DOMAINS;
}

static void
table_head(struct buf *out, const struct report_tally *tally)
{
	const struct report_table_info *info = tally->info;

	buf_printf(out, "<details><summary>Table</summary><table id=\"t-%s\"><caption>", info->id);
	html_text(out, info->note, NAME_BYTES);
	buf_puts(out, "</caption><thead><tr><th scope=\"col\">");
	html_text(out, info->title, NAME_BYTES);
	buf_puts(out, "</th>");
	for (int level = 0; level < REPORT_LEVELS; level++) {
		if ((info->levels & 1u << level) == 0)
			continue;
		buf_printf(out, "<th scope=\"col\" data-of=\"%llu\">%s<span class=\"of\"> of ",
		    (unsigned long long)tally->of[level], report_level_titles[level]);
		html_number(out, tally->of[level]);
		buf_puts(out, "</span></th>");
	}
	buf_puts(out, "</tr></thead><tbody>");
}

void
html_table(struct buf *out, const struct report *report, enum report_table table)
{
	const struct report_tally *tally = &report_newest(report)->tallies[table];
	size_t n;
	struct report_view_row *rows = report_view_rows(report, table, report->options.top, &n);

	table_head(out, tally);
	for (size_t i = 0; i < n; i++) {
		buf_puts(out, "<tr data-value=\"");
		html_attribute(out, rows[i].name, NAME_BYTES);
		buf_puts(out, "\"><th scope=\"row\">");
		html_text(out, rows[i].label, NAME_BYTES);
		buf_puts(out, "</th>");
		for (int level = 0; level < REPORT_LEVELS; level++) {
			if ((tally->info->levels & 1u << level) == 0)
				continue;
			buf_puts(out, "<td>");
			html_number(out, rows[i].n[level]);
			buf_puts(out, "<span class=\"of\">");
			html_percent(out, rows[i].n[level], tally->of[level]);
			buf_puts(out, "</span></td>");
		}
		buf_puts(out, "</tr>");
	}
	if (n == 0)
		buf_puts(out, "<tr><td>none</td></tr>");
	buf_puts(out, "</tbody></table></details>\n");
	free(rows);
}

/* Bar of the first level, marks of the others on it. */
static void
marked_bar(struct buf *out, const struct report_tally *tally, const struct report_view_row *row)
{
	enum report_level first = first_level(tally->info);

	buf_printf(out,
	    "<svg height=\"14\" aria-hidden=\"true\"><rect class=\"track\" y=\"1\" width=\"100%%\" "
	    "height=\"12\" rx=\"3\"/><rect class=\"fd\" y=\"1\" width=\"%.2f%%\" height=\"12\" "
	    "rx=\"3\"/>",
	    share(row->n[first], tally->of[first]));
	if (row->n[REPORT_HOSTS] > 0 && (tally->info->levels & 1u << REPORT_HOSTS) != 0 &&
	    first != REPORT_HOSTS)
		buf_printf(out,
		    "<svg x=\"%.2f%%\"><rect class=\"fh mark\" x=\"-2\" y=\"-1\" width=\"4\" "
		    "height=\"16\" rx=\"1\"/></svg>",
		    share(row->n[REPORT_HOSTS], tally->of[REPORT_HOSTS]));
	if (row->n[REPORT_ADDRESSES] > 0 && (tally->info->levels & 1u << REPORT_ADDRESSES) != 0 &&
	    first != REPORT_ADDRESSES)
		buf_printf(out,
		    "<svg x=\"%.2f%%\"><path class=\"fa mark\" d=\"M0 2l5 5-5 5-5-5z\"/></svg>",
		    share(row->n[REPORT_ADDRESSES], tally->of[REPORT_ADDRESSES]));
	buf_puts(out, "</svg>");
}

void
html_distribution(struct buf *out, const struct report *report, enum report_table table)
{
	const struct report_tally *tally = &report_newest(report)->tallies[table];
	const struct report_table_info *info = tally->info;
	enum report_level first = first_level(info);
	size_t n;
	struct report_view_row *rows = report_view_rows(report, table, 8, &n);

	buf_printf(out, "<section class=\"card\" id=\"%s\"><h3>", info->id);
	html_text(out, info->title, NAME_BYTES);
	buf_puts(out, "</h3><p class=\"of\">of ");
	html_number(out, tally->of[first]);
	buf_printf(out, " %s %s</p><ul class=\"rows\">", report_level_titles[first],
	    html_basis(info->basis));
	for (size_t i = 0; i < n; i++) {
		if (rows[i].merged > 0) /* its parts overlap: no bar for the rest */
			continue;
		buf_puts(out, "<li><span class=\"name\">");
		html_text(out, rows[i].label, NAME_BYTES);
		buf_puts(out, "</span>");
		marked_bar(out, tally, &rows[i]);
		buf_puts(out, "<span class=\"val\">");
		html_percent(out, rows[i].n[first], tally->of[first]);
		buf_puts(out, "</span></li>");
	}
	if (n == 0)
		buf_puts(out, "<li><span class=\"name\">none</span></li>");
	buf_puts(out, "</ul>");
	free(rows);
	html_table(out, report, table);
	buf_puts(out, "</section>\n");
}

/* Suffix of the class of a cell's background. */
static const char *
tint(uint64_t n, uint64_t of)
{
	static const char *const steps[] = { "0", "1", "2", "3", "4", "5" };

	return n == 0 ? "z" : steps[(int)(share(n, of) / 20.0)];
}

static void
group_row(struct buf *out, const char *name, const struct report_group *group)
{
	buf_puts(out, "<tr><th scope=\"row\">");
	html_text(out, name, NAME_BYTES);
	buf_puts(out, "</th><td data-label=\"domains\">");
	html_number(out, group->domains);
	buf_puts(out, "</td>");
	for (int m = 0; m < REPORT_METRICS_N; m++) {
		buf_printf(out, "<td data-label=\"%s\" class=\"h%s\" data-n=\"%llu\">",
		    report_metrics[m].title, tint(group->n[m], group->domains),
		    (unsigned long long)group->n[m]);
		html_percent(out, group->n[m], group->domains);
		buf_puts(out, "</td>");
	}
	buf_puts(out, "</tr>");
}

void
html_breakdown(struct buf *out, const struct report *report, enum report_breakdown_id id)
{
	const struct report_breakdown_info *info = &report_breakdowns[id];
	const struct report_breakdown *b = report_view_breakdown(report_newest(report), id);
	size_t top = b->n < report->options.top ? b->n : report->options.top;
	struct report_group rest;
	char name[64];

	if (b->n == 0)
		return;
	buf_printf(out,
	    "<h2 id=\"%s\">%s</h2><p class=\"sub\">Domains that accept mail: ", info->id,
	    info->title);
	html_text(out, info->note, NAME_BYTES);
	buf_printf(out,
	    ".</p><div class=\"card\"><table class=\"heat\" id=\"t-%s\"><caption>Shares are of the "
	    "domains in the row; more tint is more</caption><thead><tr><th "
	    "scope=\"col\">%s</th><th "
	    "scope=\"col\">domains</th>",
	    info->id, info->column);
	for (int m = 0; m < REPORT_METRICS_N; m++)
		buf_printf(out, "<th scope=\"col\">%s</th>", report_metrics[m].title);
	buf_puts(out, "</tr></thead><tbody>");
	for (size_t i = 0; i < top; i++)
		group_row(out, report_view_group(report, id, i, name, sizeof(name)), &b->groups[i]);
	size_t groups = report_breakdown_rest(b, top, &rest);
	if (groups > 0) {
		snprintf(name, sizeof(name), "all others (%zu%s)", groups,
		    b->other.domains > 0 ? " and more" : "");
		group_row(out, name, &rest);
	}
	buf_puts(out, "</tbody></table></div>\n");
}

int
html_verdict_colour(enum verdict verdict)
{
	switch (verdict) {
	case VERDICT_DANE:
		return 1;
	case VERDICT_MTA_STS:
		return 2;
	case VERDICT_PKIX:
		return 3;
	case VERDICT_ENCRYPTED:
		return 4;
	case VERDICT_BACKUP_PLAINTEXT:
	case VERDICT_BROKEN_SOME:
		return 5;
	case VERDICT_PLAINTEXT:
		return 6;
	case VERDICT_BROKEN:
		return 7;
	case VERDICT_UNKNOWN:
	case VERDICT_NO_MAIL:
	case VERDICT_UNDELIVERABLE:
		break;
	}
	return 8;
}

static void
chip(struct buf *out, const char *label, enum verdict verdict)
{
	buf_printf(out, "<td data-label=\"%s\"><span class=\"chip b%d\">%s</span></td>", label,
	    html_verdict_colour(verdict), verdict_str(verdict));
}

void
html_findings(struct buf *out, const struct report *report, const struct report_findings *findings,
    bool with_before, const char *id)
{
	size_t n = findings->n < report->options.top ? findings->n : report->options.top;

	if (!report_names_domains(report)) {
		buf_puts(out, "<p class=\"note\">The names of the ");
		html_number(out, findings->offered);
		buf_puts(out, " domains are left out of this page.</p>\n");
		return;
	}
	buf_printf(out,
	    "<div class=\"card\"><table class=\"text\" id=\"t-%s\"><thead><tr><th "
	    "scope=\"col\">domain"
	    "</th>%s<th scope=\"col\">%s</th><th scope=\"col\">reason</th></tr></thead><tbody>",
	    id, with_before ? "<th scope=\"col\">before</th>" : "",
	    with_before ? "now" : "verdict");
	for (size_t i = 0; i < n; i++) {
		const struct report_finding *finding = &findings->list[i];
		buf_puts(out, "<tr><th scope=\"row\">");
		html_text(out, finding->domain, NAME_BYTES);
		buf_puts(out, "</th>");
		if (with_before)
			chip(out, "before", finding->before);
		chip(out, with_before ? "now" : "verdict", finding->verdict);
		buf_puts(out, "<td>");
		html_text(out, finding->reason == NULL ? "" : finding->reason, NAME_BYTES);
		buf_puts(out, "</td></tr>");
	}
	buf_puts(out, "</tbody></table>");
	if (findings->offered > n) {
		buf_puts(out, "<p class=\"of\">and ");
		html_number(out, findings->offered - n);
		buf_puts(out, " more</p>");
	}
	buf_puts(out, "</div>\n");
}
