#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/report/html.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"

/* The page about logs of mail: how much of it was encrypted, by whom, by what. */

#define NAME_BYTES 300
#define KINDS 8 /* bars of one chart */

static const char *
title_of(const struct report *report)
{
	return report->options.title != NULL ? report_title(report) : "Encrypted mail";
}

static void
date(struct buf *out, int64_t when)
{
	char text[32];

	if (when == 0) {
		buf_puts(out, "never");
		return;
	}
	text_date_rfc3339(when, text);
	buf_printf(out, "%.10s", text);
}

static void
card(struct buf *out, const char *title, const char *means, bool good, uint64_t n, uint64_t of)
{
	char text[16];

	report_view_percent(n, of, text);
	char *space = strchr(text, ' ');
	if (space != NULL)
		*space = '\0';
	buf_printf(out, "<section class=\"card\"><h3>%s</h3><p class=\"big\">%s%s</p>", title, text,
	    space == NULL ? "" : "<small>%</small>");
	html_bar(out, good ? "fd" : "fbad", n, of);
	buf_printf(out, "<p class=\"means\">%s</p><p class=\"of\">", means);
	html_number(out, n);
	buf_puts(out, " of ");
	html_number(out, of);
	buf_puts(out, "</p></section>\n");
}

static void
number_card(struct buf *out, const char *title, uint64_t n, const char *means)
{
	buf_printf(out, "<section class=\"card small\"><h3>%s</h3><p class=\"big\">", title);
	html_number(out, n);
	buf_printf(out, "</p><p class=\"means\">%s</p></section>\n", means);
}

static void
tally(struct buf *out, const struct report_mail_counts *counts, const char *way, int which)
{
	const struct report_tally *t = &counts->tallies[which];
	size_t *order = mem_array(t->n + 1, sizeof(*order));
	size_t n = report_tally_order(t, order);
	uint64_t of = counts->stats.total.tls;

	buf_printf(out, "<div class=\"card\"><h3>%s</h3><p class=\"of\">of ",
	    report_mail_tally_titles[which]);
	html_number(out, of);
	buf_puts(out, " messages over TLS</p><ul class=\"rows\">");
	for (size_t i = 0; i < n && i < KINDS; i++) {
		const struct report_row *row = &t->rows[order[i]];
		buf_puts(out, "<li><span class=\"name\">");
		html_text(out, row->name, NAME_BYTES);
		buf_puts(out, "</span>");
		html_bar(out, "fd", row->n[REPORT_DOMAINS], of);
		buf_puts(out, "<span class=\"val\">");
		html_percent(out, row->n[REPORT_DOMAINS], of);
		buf_puts(out, "</span></li>");
	}
	buf_printf(out,
	    "</ul><details><summary>Table</summary><table id=\"t-%s-%s\"><thead><tr><th "
	    "scope=\"col\">%s</th><th scope=\"col\">messages</th></tr></thead><tbody>",
	    way, report_mail_tally_ids[which], report_mail_tally_titles[which]);
	for (size_t i = 0; i < n; i++) {
		const struct report_row *row = &t->rows[order[i]];
		buf_puts(out, "<tr data-value=\"");
		html_attribute(out, row->name, NAME_BYTES);
		buf_puts(out, "\"><th scope=\"row\">");
		html_text(out, row->name, NAME_BYTES);
		buf_puts(out, "</th><td>");
		html_number(out, row->n[REPORT_DOMAINS]);
		buf_puts(out, "</td></tr>");
	}
	if (n == 0)
		buf_puts(out, "<tr><th scope=\"row\">none</th></tr>");
	buf_puts(out, "</tbody></table></details></div>\n");
	free(order);
}

static void
row_of(struct buf *out, const struct report_mail_counts *counts, const char *name,
    const struct inbound_row *row)
{
	const char *version = report_mail_most_version(row);

	buf_puts(out, "<tr data-value=\"");
	html_attribute(out, name, NAME_BYTES);
	buf_puts(out, "\"><th scope=\"row\">");
	html_text(out, name, NAME_BYTES);
	buf_puts(out, "</th><td data-label=\"messages\">");
	html_number(out, row->messages);
	buf_puts(out, "</td><td data-label=\"encrypted\">");
	html_percent(out, row->tls, row->messages);
	buf_puts(out, "</td><td data-label=\"last in clear\">");
	date(out, row->last_clear);
	buf_puts(out, "</td><td data-label=\"mostly\">");
	html_text(out, version, NAME_BYTES);
	if (version[0] == '\0')
		buf_puts(out, "in clear");
	buf_puts(out, "<span class=\"of\">");
	html_text(out, report_mail_most(&counts->stats, row->ciphers), NAME_BYTES);
	buf_puts(out, " ");
	html_text(out, report_mail_most(&counts->stats, row->groups), NAME_BYTES);
	buf_puts(out, "</span></td></tr>");
}

static void
rows_of(struct buf *out, const struct report *report, enum report_mail_way way, bool networks)
{
	const struct report_mail_info *info = &report_mail_infos[way];
	const struct report_mail_counts *counts = &report->mail->ways[way];
	const struct inbound_table *table =
	    networks ? &counts->stats.networks : &counts->stats.domains;
	struct inbound_row **rows = inbound_table_sorted(table);
	size_t top = table->n < report->options.top ? table->n : report->options.top;
	const char *kind = networks ? "network" : "domain";
	struct inbound_row rest;
	char name[64];

	buf_printf(out,
	    "<section class=\"card\" style=\"margin-top:16px\"><h3>By %s</h3><table class=\"text\" "
	    "id=\"t-%s-%ss\"><thead><tr><th scope=\"col\">%s</th><th "
	    "scope=\"col\">messages</th><th "
	    "scope=\"col\">encrypted</th><th scope=\"col\">last in clear</th><th "
	    "scope=\"col\">mostly</th></tr></thead><tbody>",
	    networks ? info->networks : info->domains, info->id, kind, kind);
	for (size_t i = 0; i < top; i++)
		row_of(out, counts,
		    report_mail_name(
			rows[i]->name, report->options.anonymize, kind, i, name, sizeof(name)),
		    rows[i]);
	if (report_mail_rest(table, rows, top, &rest) > 0) {
		snprintf(name, sizeof(name), "all others (%zu%s)", table->n - top,
		    table->other.messages > 0 ? " and more" : "");
		row_of(out, counts, name, &rest);
	}
	buf_puts(out, "</tbody></table></section>\n");
	free(rows);
}

static void
section(struct buf *out, const struct report *report, enum report_mail_way way)
{
	const struct report_mail_info *info = &report_mail_infos[way];
	const struct report_mail_counts *counts = &report->mail->ways[way];
	const struct inbound_row *total = &counts->stats.total;

	buf_printf(out, "<h2 id=\"%s\">%s</h2><p class=\"sub\">", info->id, info->title);
	html_number(out, total->messages);
	buf_puts(out, way == REPORT_MAIL_RECEIVED ? " messages that were taken"
						  : " deliveries, one for each recipient");
	if (total->messages > 0) {
		buf_puts(out, ", ");
		date(out, counts->first);
		buf_puts(out, " to ");
		date(out, counts->last);
	}
	buf_puts(out, ".</p><div class=\"grid\">");
	card(out, "Encrypted", "Share of messages over TLS", true, total->tls, total->messages);
	card(out, "TLS 1.3", "Of the messages over TLS", true, total->versions[4], total->tls);
	card(out, "Post-quantum", "Key exchange with ML-KEM, of the messages over TLS", true,
	    counts->post_quantum, total->tls);
	card(out, "In clear", "Share of messages without TLS", false, total->messages - total->tls,
	    total->messages);
	if (way == REPORT_MAIL_RECEIVED) {
		number_card(out, "Refused", counts->refused, "Senders, recipients and messages");
		number_card(out, "Failed handshakes", counts->tls_failed, "After STARTTLS");
		number_card(out, "Turned away", counts->turned_away, "Connections not served");
	} else {
		number_card(out, "Put off", counts->deferred, "Attempts that are made again");
		number_card(out, "Given up", counts->failed, "Recipients that got nothing");
	}
	buf_puts(out, "</div><div class=\"two\" style=\"margin-top:16px\">");
	tally(out, counts, info->id, REPORT_MAIL_VERSION);
	tally(out, counts, info->id, REPORT_MAIL_GROUP);
	tally(out, counts, info->id, REPORT_MAIL_CIPHER);
	buf_puts(out, "</div>\n");
	rows_of(out, report, way, false);
	rows_of(out, report, way, true);
}

void
report_mail_html(const struct report *report, struct buf *out)
{
	char generated[32];

	html_head(out, title_of(report));
	buf_puts(out, "<header><h1>");
	html_text(out, title_of(report), NAME_BYTES);
	buf_puts(out, "</h1><p class=\"lead\">How much mail came and went encrypted, with whom, "
		      "and by what.</p><nav aria-label=\"Sections\">");
	for (int way = 0; way < REPORT_MAIL_WAYS; way++)
		if (report->mail->ways[way].lines > 0)
			buf_printf(out, "<a href=\"#%s\">%s</a>", report_mail_infos[way].id,
			    report_mail_infos[way].title);
	buf_puts(out, "</nav></header><main id=\"main\">\n");
	if (report->left_out > 0) {
		buf_puts(out, "<p class=\"note\">");
		html_number(out, report->left_out);
		buf_puts(out, " of the lines were of no log; they are left out.</p>");
	}
	for (int way = 0; way < REPORT_MAIL_WAYS; way++)
		if (report->mail->ways[way].lines > 0)
			section(out, report, (enum report_mail_way)way);
	text_date_rfc3339(clock_wall(), generated);
	buf_printf(out,
	    "</main><footer>Made with mxtls " MXTLS_VERSION " on %.10s from %llu lines of logs%s. "
	    "Domains of senders are as they claim.</footer></div></body></html>\n",
	    generated, (unsigned long long)report->lines,
	    report->options.anonymize ? ", without names" : "");
}
