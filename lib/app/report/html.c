#include "app/report/html.h"

#include <string.h>

#include "base/clock.h"
#include "base/text.h"

#define TITLE_BYTES 300

/* Tables that are charts of their own section, or that are no distribution. */
static const struct section {
	const char *id, *title, *sub;
	enum report_table tables[8];
	size_t n;
} sections[] = {
	{ "tls", "Protocol",
	    "What was negotiated, with a client that offers everything up to TLS 1.3.",
	    { REPORT_TABLE_VERSION, REPORT_TABLE_GROUP, REPORT_TABLE_CIPHER }, 3 },
	{ "certificates", "Certificates",
	    "Of the server itself; where a server has one for RSA and one for ECDSA, both count.",
	    { REPORT_TABLE_IDENTITY, REPORT_TABLE_KEY, REPORT_TABLE_ISSUER, REPORT_TABLE_DAYS_LEFT,
		REPORT_TABLE_LIFETIME, REPORT_TABLE_SIGNATURE },
	    6 },
	{ "policies", "Policies",
	    "What domains publish so that senders can insist on encryption, and report failures.",
	    { REPORT_TABLE_DANE, REPORT_TABLE_MTA_STS, REPORT_TABLE_TLSA, REPORT_TABLE_TLSRPT },
	    4 },
	{ "reach", "Reach and failures", "How sessions went, and what keeps senders from trusting.",
	    { REPORT_TABLE_RESULT, REPORT_TABLE_STATUS, REPORT_TABLE_IPV6, REPORT_TABLE_MX_STATUS,
		REPORT_TABLE_NOT_ASKED },
	    5 },
};
#define SECTIONS (sizeof(sections) / sizeof(sections[0]))

void
html_head(struct buf *out, const char *title)
{
	buf_puts(out, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
		      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
		      "<meta name=\"color-scheme\" content=\"light dark\">"
		      "<meta name=\"generator\" content=\"mxtls " MXTLS_VERSION "\"><title>");
	html_text(out, title, TITLE_BYTES);
	buf_puts(out, "</title><style>");
	buf_puts(out, report_style);
	buf_puts(out,
	    "</style></head><body><a class=\"skip\" href=\"#main\">Skip to the figures</a>"
	    "<div class=\"wrap\">\n");
}

static void
link_to(struct buf *out, const char *id, const char *text)
{
	buf_printf(out, "<a href=\"#%s\">%s</a>", id, text);
}

static void
masthead(struct buf *out, const struct report *report)
{
	const struct report_survey *survey = report_newest(report);
	struct buf subtitle;

	buf_init(&subtitle, 200);
	report_subtitle(report, &subtitle);
	buf_puts(out, "<header><h1>");
	html_text(out, report_title(report), TITLE_BYTES);
	buf_puts(out, "</h1><p class=\"lead\">");
	html_text(out, buf_str(&subtitle), 200);
	buf_puts(out,
	    ": do the mail servers that receive their mail offer encryption, can senders tell "
	    "that they talk to the right one, and do policies make them insist?</p><nav "
	    "aria-label=\"Sections\">");
	buf_free(&subtitle);
	link_to(out, "adoption", "Adoption");
	if (report->surveys_n > 1)
		link_to(out, "trend", "Trend");
	if (report->compare.old != NULL)
		link_to(out, "changes", "Changes");
	link_to(out, "denominators", "What was measured");
	link_to(out, "verdicts", "Verdicts");
	for (size_t i = 0; i < SECTIONS; i++)
		link_to(out, sections[i].id, sections[i].title);
	for (int id = 0; id < REPORT_BREAKDOWNS; id++)
		if (report_view_breakdown(survey, (enum report_breakdown_id)id)->n > 0)
			link_to(out, report_breakdowns[id].id, report_breakdowns[id].title);
	if (survey->findings.offered > 0)
		link_to(out, "findings", "Worst findings");
	link_to(out, "method", "Method");
	buf_puts(out, "</nav></header><main id=\"main\">\n");
	if (report->left_out + report->late > 0) {
		buf_puts(out, "<p class=\"note\">");
		html_number(out, report->left_out);
		buf_puts(out, " lines of the files were no records, and ");
		html_number(out, report->late);
		buf_puts(out, " records came too late; they are left out.</p>");
	}
	if (survey->hosts.left_out + survey->addresses.left_out > 0)
		buf_puts(out,
		    "<p class=\"note\">There are more servers than this report can tell "
		    "apart: the figures by MX host and address leave the last ones out.</p>");
}

static void
delta(struct buf *out, const struct report *report, enum report_figure figure)
{
	char points[16];

	if (report->compare.old == NULL)
		return;
	struct report_share from = report->compare.old->figures[figure][REPORT_DOMAINS];
	struct report_share to = report_newest(report)->figures[figure][REPORT_DOMAINS];
	report_view_points(from, to, points);
	if (points[0] == '-' && points[1] == '\0')
		return;
	bool up = points[0] == '+', down = points[0] == '-';
	bool good = report_figures[figure].good ? up : down;
	buf_printf(out, "<span class=\"delta %s\">%s points</span>",
	    !up && !down ? "flat"
	    : good       ? "up"
			 : "down",
	    points);
}

/* "97.1" large, "%" small. */
static void
big(struct buf *out, struct report_share share)
{
	char text[16];

	report_view_percent(share.n, share.of, text);
	char *space = strchr(text, ' ');
	if (space != NULL)
		*space = '\0';
	html_text(out, text, sizeof(text));
	if (space != NULL)
		buf_puts(out, "<small>%</small>");
}

static void
figure_card(struct buf *out, const struct report *report, enum report_figure figure, bool large)
{
	const struct report_figure_info *info = &report_figures[figure];
	const struct report_share *shares = report_newest(report)->figures[figure];

	buf_printf(out, "<section class=\"card%s\" id=\"f-%s\"><h3>%s", large ? "" : " small",
	    info->id, info->title);
	delta(out, report, figure);
	buf_puts(out, "</h3><p class=\"big\">");
	big(out, shares[REPORT_DOMAINS]);
	buf_puts(out, "</p>");
	html_bar(
	    out, info->good ? "fd" : "fbad", shares[REPORT_DOMAINS].n, shares[REPORT_DOMAINS].of);
	buf_printf(out, "<p class=\"means\">%c%s</p><p class=\"of\">", text_upper(info->meaning[0]),
	    info->meaning + 1);
	html_number(out, shares[REPORT_DOMAINS].n);
	buf_puts(out, " of ");
	html_number(out, shares[REPORT_DOMAINS].of);
	buf_printf(out, " domains %s</p><ul class=\"levels\">", html_basis(info->basis));
	for (int level = REPORT_HOSTS; level < REPORT_LEVELS; level++)
		if ((info->levels & 1u << level) != 0) {
			buf_printf(out, "<li>%s ", report_level_titles[level]);
			html_percent(out, shares[level].n, shares[level].of);
			buf_puts(out, "</li>");
		}
	buf_puts(out, "</ul></section>\n");
}

static void
figures_table(struct buf *out, const struct report *report)
{
	const struct report_survey *survey = report_newest(report);

	buf_puts(out,
	    "<details><summary>Table</summary><table id=\"t-figures\"><caption>Count, and share "
	    "of those that the figure is about</caption><thead><tr><th scope=\"col\">Figure</th>");
	for (int level = 0; level < REPORT_LEVELS; level++)
		buf_printf(out, "<th scope=\"col\">%s</th>", report_level_titles[level]);
	buf_puts(out, "</tr></thead><tbody>");
	for (int i = 0; i < REPORT_FIGURES_N; i++) {
		buf_printf(out, "<tr data-value=\"%s\"><th scope=\"row\">%s</th>",
		    report_figures[i].id, report_figures[i].title);
		for (int level = 0; level < REPORT_LEVELS; level++) {
			const struct report_share *share = &survey->figures[i][level];
			buf_puts(out, "<td>");
			if ((report_figures[i].levels & 1u << level) != 0) {
				html_number(out, share->n);
				buf_puts(out, "<span class=\"of\">");
				html_percent(out, share->n, share->of);
				buf_puts(out, " of ");
				html_number(out, share->of);
				buf_puts(out, "</span>");
			}
			buf_puts(out, "</td>");
		}
		buf_puts(out, "</tr>");
	}
	buf_puts(out, "</tbody></table></details>\n");
}

static void
adoption(struct buf *out, const struct report *report)
{
	static const enum report_figure first[] = { REPORT_FIGURE_STARTTLS, REPORT_FIGURE_TRUSTED,
		REPORT_FIGURE_DANE, REPORT_FIGURE_STS };
	static const enum report_figure second[] = { REPORT_FIGURE_TLS13, REPORT_FIGURE_PQ,
		REPORT_FIGURE_IPV6, REPORT_FIGURE_TLSRPT };
	static const enum report_figure third[] = { REPORT_FIGURE_PLAINTEXT, REPORT_FIGURE_OLD_TLS,
		REPORT_FIGURE_EXPIRED, REPORT_FIGURE_BROKEN };

	buf_puts(out,
	    "<h2 id=\"adoption\">Adoption</h2><p class=\"sub\">Large: share of domains. Below: the "
	    "same by MX host and by address, which a few large providers move less.");
	if (report->compare.old != NULL && report->compare.old->day[0] != '\0')
		buf_printf(out, " Points: since %s.", report->compare.old->day);
	buf_puts(out, "</p>"
		      "<div class=\"grid\">");
	for (size_t i = 0; i < 4; i++)
		figure_card(out, report, first[i], true);
	for (size_t i = 0; i < 4; i++)
		figure_card(out, report, second[i], false);
	for (size_t i = 0; i < 4; i++)
		figure_card(out, report, third[i], false);
	buf_puts(out, "</div>");
	figures_table(out, report);
}

static void
denominators(struct buf *out, const struct report_survey *survey)
{
	uint64_t all = survey->denominators[REPORT_DOMAINS].names;

	buf_puts(out,
	    "<h2 id=\"denominators\">What was measured</h2><p class=\"sub\">Every share on this "
	    "page "
	    "says of which of these it is one.</p><div class=\"card wide\"><ul class=\"rows\">");
	for (size_t i = 0; i < REPORT_DENOMINATORS; i++) {
		uint64_t n = report_denominator(survey, i, REPORT_DOMAINS);
		buf_printf(out, "<li><span class=\"name\">%s</span>", report_denominators[i].title);
		html_bar(out, "fd", n, all);
		buf_puts(out, "<span class=\"val\">");
		html_number(out, n);
		buf_puts(out, " domains</span></li>");
	}
	buf_puts(out,
	    "</ul><details><summary>Table</summary><table id=\"t-denominators\"><thead><tr><th "
	    "scope=\"col\">What 100 percent are</th>");
	for (int level = 0; level < REPORT_LEVELS; level++)
		buf_printf(out, "<th scope=\"col\">%s</th>", report_level_titles[level]);
	buf_puts(out, "</tr></thead><tbody>");
	for (size_t i = 0; i < REPORT_DENOMINATORS; i++) {
		buf_printf(out,
		    "<tr data-value=\"%s\"><th scope=\"row\">%s<span class=\"of\"> %s</span></th>",
		    report_denominators[i].id, report_denominators[i].title,
		    report_denominators[i].meaning);
		for (int level = 0; level < REPORT_LEVELS; level++) {
			buf_puts(out, "<td>");
			if ((report_denominators[i].levels & 1u << level) != 0)
				html_number(
				    out, report_denominator(survey, i, (enum report_level)level));
			buf_puts(out, "</td>");
		}
		buf_puts(out, "</tr>");
	}
	buf_puts(out, "</tbody></table></details></div>\n");
}

static void
verdict_bars(struct buf *out, const struct report *report)
{
	static const enum verdict order[] = { VERDICT_DANE, VERDICT_MTA_STS, VERDICT_PKIX,
		VERDICT_ENCRYPTED, VERDICT_BACKUP_PLAINTEXT, VERDICT_BROKEN_SOME, VERDICT_PLAINTEXT,
		VERDICT_BROKEN, VERDICT_UNKNOWN, VERDICT_NO_MAIL, VERDICT_UNDELIVERABLE };
	enum { N = sizeof(order) / sizeof(order[0]) };
	const struct report_tally *tally = &report_newest(report)->tallies[REPORT_TABLE_VERDICT];
	uint64_t parts[N], of = tally->of[REPORT_DOMAINS];
	int colours[N];

	for (size_t i = 0; i < N; i++) {
		parts[i] = tally->rows[order[i]].n[REPORT_DOMAINS];
		colours[i] = html_verdict_colour(order[i]);
	}
	buf_puts(out, "<div class=\"card\"><h3>Domains by verdict</h3><p class=\"of\">of ");
	html_number(out, of);
	buf_puts(out, " names</p><div class=\"stack\">");
	html_segments(out, parts, colours, N, of);
	buf_puts(out, "</div><ul class=\"rows\">");
	for (size_t i = 0; i < N; i++) {
		char colour[4] = { 'f', (char)('0' + colours[i]), '\0' };
		if (parts[i] == 0)
			continue;
		buf_printf(out, "<li><span class=\"name dotted\"><span class=\"dot b%d\"></span>",
		    colours[i]);
		buf_puts(out, "<span>");
		html_text(out, report_tally_label(tally, order[i]), TITLE_BYTES);
		buf_puts(out, "</span></span>");
		html_bar(out, colour, parts[i], of);
		buf_puts(out, "<span class=\"val\">");
		html_percent(out, parts[i], of);
		buf_puts(out, "</span></li>");
	}
	buf_puts(out, "</ul>");
	html_table(out, report, REPORT_TABLE_VERDICT);
	buf_puts(out, "</div>\n");
}

static void
starttls_bars(struct buf *out, const struct report *report)
{
	static const int colours[] = { 2, 4, 6, 8 };
	const struct report_tally *tally = &report_newest(report)->tallies[REPORT_TABLE_STARTTLS];

	buf_puts(out,
	    "<div class=\"card\"><h3>STARTTLS at the addresses that answered</h3><ul class=\"key\" "
	    "style=\"margin-top:12px\">");
	for (size_t i = 0; i < 4; i++)
		buf_printf(out, "<li><span class=\"dot b%d\" style=\"margin:0\"></span>%s</li>",
		    colours[i], tally->rows[i].name);
	buf_puts(out, "</ul><div class=\"stack\">");
	for (int level = 0; level < REPORT_LEVELS; level++) {
		uint64_t parts[4];
		for (size_t i = 0; i < 4; i++)
			parts[i] = tally->rows[i].n[level];
		buf_printf(out, "<h3><span>by %s</span><span class=\"of\">",
		    level == REPORT_DOMAINS ? "domain"
		    : level == REPORT_HOSTS ? "MX host"
					    : "address");
		html_number(out, tally->of[level]);
		buf_puts(out, "</span></h3>");
		html_segments(out, parts, colours, 4, tally->of[level]);
	}
	buf_puts(out, "</div>");
	html_table(out, report, REPORT_TABLE_STARTTLS);
	buf_puts(out, "</div>\n");
}

static void
verdicts(struct buf *out, const struct report *report)
{
	buf_puts(out,
	    "<h2 id=\"verdicts\">Verdicts</h2><p class=\"sub\">One for each domain: the lowest "
	    "rung "
	    "over all its primary MX hosts. What could not be measured makes nothing better "
	    "or worse.</p><div class=\"two\">");
	verdict_bars(out, report);
	starttls_bars(out, report);
	buf_puts(out, "</div>\n");
}

static void
distributions(struct buf *out, const struct report *report, const struct section *section)
{
	buf_printf(out, "<h2 id=\"%s\">%s</h2><p class=\"sub\">%s</p>", section->id, section->title,
	    section->sub);
	buf_puts(out,
	    "<ul class=\"key\"><li><svg aria-hidden=\"true\"><rect class=\"fd\" width=\"14\" "
	    "height=\"12\" rx=\"3\"/></svg>domains</li><li><svg aria-hidden=\"true\"><rect "
	    "class=\"fh\" x=\"5\" width=\"4\" height=\"12\" rx=\"1\"/></svg>MX hosts</li><li><svg "
	    "aria-hidden=\"true\"><path class=\"fa\" d=\"M7 1l5 5-5 5-5-5z\"/></svg>addresses"
	    "</li></ul><div class=\"two\">\n");
	for (size_t i = 0; i < section->n; i++)
		html_distribution(out, report, section->tables[i]);
	buf_puts(out, "</div>\n");
}

static void
method(struct buf *out, const struct report *report)
{
	char generated[32];

	buf_puts(out, "<h2 id=\"method\">Method</h2><dl>");
	for (size_t i = 0; i < REPORT_DENOMINATORS; i++)
		buf_printf(out, "<dt>%s</dt><dd>%s</dd>", report_denominators[i].title,
		    report_denominators[i].meaning);
	buf_puts(out,
	    "<dt>STARTTLS</dt><dd>only a complete reply to EHLO without the keyword counts as "
	    "none; "
	    "time-outs, 4xx replies and cut connections are unknown</dd>"
	    "<dt>trusted</dt><dd>a chain to a root in the set of the prober, in time, for the name "
	    "of "
	    "the MX host, at every handshake at every address</dd>"
	    "<dt>several values</dt><dd>a domain counts once for each TLS version, cipher, key, "
	    "issuer "
	    "and so on that shows at any of its addresses: shares can add up to more than 100 "
	    "%</dd>"
	    "<dt>MX hosts, addresses</dt><dd>each counts once, as it was when it was first measured"
	    "</dd><dt>providers</dt><dd>registrable domain of the MX host, by the Public Suffix "
	    "List"
	    "</dd></dl>");
	text_date_rfc3339(clock_wall(), generated);
	buf_printf(out,
	    "</main><footer>Made with mxtls " MXTLS_VERSION
	    " on %.10s from %llu records%s. No mail was "
	    "sent: a session is greeting, EHLO, STARTTLS, EHLO, "
	    "QUIT.</footer></div></body></html>\n",
	    generated, (unsigned long long)report_newest(report)->records,
	    report->options.anonymize ? ", without names" : "");
}

void
report_write_html(const struct report *report, struct buf *out)
{
	if (report->mail != NULL) {
		report_mail_html(report, out);
		return;
	}

	const struct report_survey *survey = report_newest(report);

	html_head(out, report_title(report));
	masthead(out, report);
	adoption(out, report);
	if (report->surveys_n > 1)
		html_trend(out, report);
	if (report->compare.old != NULL)
		html_compare(out, report);
	denominators(out, survey);
	verdicts(out, report);
	for (size_t i = 0; i < SECTIONS; i++)
		distributions(out, report, &sections[i]);
	for (int id = 0; id < REPORT_BREAKDOWNS; id++)
		html_breakdown(out, report, (enum report_breakdown_id)id);
	if (survey->findings.offered > 0) {
		buf_puts(out, "<h2 id=\"findings\">Worst findings</h2><p class=\"sub\">");
		html_number(out, survey->findings.offered);
		buf_puts(out, " domains in clear, or whose own policy makes senders fail.</p>");
		html_findings(out, report, &survey->findings, false, "findings");
	}
	method(out, report);
}
