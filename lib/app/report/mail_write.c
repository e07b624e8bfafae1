#include <stdlib.h>
#include <string.h>

#include "app/prose.h"
#include "app/report/mail.h"
#include "app/report/view.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/text.h"

/* The report on logs of mail: for programs, and as text and Markdown. */

static const struct {
	const char *id, *title;
	size_t offset;
	enum report_mail_way way;
} others[] = {
	{ "refused", "senders, recipients and messages refused",
	    offsetof(struct report_mail_counts, refused), REPORT_MAIL_RECEIVED },
	{ "tls_failed", "TLS handshakes that failed",
	    offsetof(struct report_mail_counts, tls_failed), REPORT_MAIL_RECEIVED },
	{ "turned_away", "connections not served", offsetof(struct report_mail_counts, turned_away),
	    REPORT_MAIL_RECEIVED },
	{ "deferred", "attempts that were put off", offsetof(struct report_mail_counts, deferred),
	    REPORT_MAIL_SENT },
	{ "failed", "recipients that were given up", offsetof(struct report_mail_counts, failed),
	    REPORT_MAIL_SENT },
};
#define OTHERS (sizeof(others) / sizeof(others[0]))

static uint64_t
other(const struct report_mail_counts *counts, size_t i)
{
	return *(const uint64_t *)((const char *)counts + others[i].offset);
}

static const struct inbound_table *
table_of(const struct report_mail_counts *counts, bool networks)
{
	return networks ? &counts->stats.networks : &counts->stats.domains;
}

/* --- for programs -------------------------------------------------------------------------------- */

static void
key(struct json *j, const char *name)
{
	json_key(j, slice_str(name));
}

static void
json_rows(struct json *j, const struct report *report, const struct report_mail_counts *counts,
    bool networks)
{
	const struct inbound_table *table = table_of(counts, networks);
	struct inbound_row **rows = inbound_table_sorted(table);
	char name[64];

	key(j, networks ? "networks" : "domains");
	json_array_begin(j);
	for (size_t i = 0; i < table->n; i++) {
		struct inbound_row row = *rows[i];
		if (report->options.anonymize) {
			report_mail_name(
			    row.name, true, networks ? "network" : "domain", i, name, sizeof(name));
			row.name = name;
		}
		inbound_row_json(&counts->stats, j, &row);
	}
	json_array_end(j);
	key(j, networks ? "other_networks" : "other_domains");
	inbound_row_json(&counts->stats, j, &table->other);
	free(rows);
}

static void
json_tally(struct json *j, const struct report_tally *tally)
{
	size_t *order = mem_array(tally->n + 1, sizeof(*order));
	size_t n = report_tally_order(tally, order);

	json_object_begin(j);
	for (size_t i = 0; i < n; i++) {
		key(j, tally->rows[order[i]].name);
		json_put_int(j, (int64_t)tally->rows[order[i]].n[REPORT_DOMAINS]);
	}
	json_object_end(j);
	free(order);
}

static void
json_way(struct json *j, const struct report *report, enum report_mail_way way)
{
	const struct report_mail_counts *counts = &report->mail->ways[way];
	const struct {
		const char *id;
		uint64_t n;
	} numbers[] = { { "messages", counts->stats.total.messages },
		{ "tls", counts->stats.total.tls }, { "post_quantum", counts->post_quantum } };

	key(j, report_mail_infos[way].id);
	if (counts->lines == 0) {
		json_put_null(j);
		return;
	}
	json_object_begin(j);
	key(j, "first");
	json_put_time(j, counts->first);
	key(j, "last");
	json_put_time(j, counts->last);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		key(j, numbers[i].id);
		json_put_int(j, (int64_t)numbers[i].n);
	}
	key(j, "percent");
	json_put_secs(j, report_view_share(counts->stats.total.tls, counts->stats.total.messages));
	key(j, "last_clear");
	json_put_time(j, counts->stats.total.last_clear);
	for (int i = 0; i < REPORT_MAIL_TALLIES; i++) {
		key(j, report_mail_tally_ids[i]);
		json_tally(j, &counts->tallies[i]);
	}
	for (size_t i = 0; i < OTHERS; i++)
		if (others[i].way == way) {
			key(j, others[i].id);
			json_put_int(j, (int64_t)other(counts, i));
		}
	json_rows(j, report, counts, false);
	json_rows(j, report, counts, true);
	json_object_end(j);
}

void
report_mail_json(const struct report *report, struct buf *out)
{
	struct json j;

	json_init(&j, out);
	json_object_begin(&j);
	key(&j, "schema");
	json_put_str(&j, "mxtls-report-mail/1");
	key(&j, "generated");
	json_put_time(&j, clock_wall());
	key(&j, "lines");
	json_put_int(&j, (int64_t)report->lines);
	key(&j, "lines_left_out");
	json_put_int(&j, (int64_t)report->left_out);
	for (int way = 0; way < REPORT_MAIL_WAYS; way++)
		json_way(&j, report, (enum report_mail_way)way);
	json_object_end(&j);
	buf_putc(out, '\n');
}

static void
tsv_row(struct buf *out, enum report_mail_way way, const char *table, const char *value,
    const char *level, uint64_t n, uint64_t of)
{
	buf_printf(out, "%s.%s\t", report_mail_infos[way].id, table);
	text_escape(out, slice_str(value), LIMIT_CERT_TEXT_BYTES);
	buf_printf(out, "\t%s\t%llu\t%llu\n", level, (unsigned long long)n, (unsigned long long)of);
}

static void
tsv_rows(struct buf *out, const struct report *report, enum report_mail_way way, bool networks)
{
	const struct report_mail_counts *counts = &report->mail->ways[way];
	const struct inbound_table *table = table_of(counts, networks);
	struct inbound_row **rows = inbound_table_sorted(table);
	const char *kind = networks ? "network" : "domain";
	char text[64];

	for (size_t i = 0; i < table->n; i++) {
		const char *name = report_mail_name(
		    rows[i]->name, report->options.anonymize, kind, i, text, sizeof(text));
		tsv_row(out, way, kind, name, "messages", rows[i]->messages,
		    counts->stats.total.messages);
		tsv_row(out, way, kind, name, "tls", rows[i]->tls, rows[i]->messages);
		for (size_t v = 0; v < INBOUND_VERSIONS; v++)
			if (rows[i]->versions[v] > 0)
				tsv_row(out, way, kind, name, inbound_versions[v],
				    rows[i]->versions[v], rows[i]->tls);
	}
	free(rows);
}

void
report_mail_tsv(const struct report *report, struct buf *out)
{
	buf_puts(out, "table\tvalue\tlevel\tcount\tof\n");
	for (int w = 0; w < REPORT_MAIL_WAYS; w++) {
		enum report_mail_way way = (enum report_mail_way)w;
		const struct report_mail_counts *counts = &report->mail->ways[way];
		const struct inbound_row *total = &counts->stats.total;
		if (counts->lines == 0)
			continue;
		tsv_row(out, way, "all", "all", "messages", total->messages, total->messages);
		tsv_row(out, way, "all", "all", "tls", total->tls, total->messages);
		tsv_row(out, way, "all", "all", "post_quantum", counts->post_quantum, total->tls);
		for (size_t i = 0; i < OTHERS; i++)
			if (others[i].way == way)
				tsv_row(out, way, "all", "all", others[i].id, other(counts, i),
				    other(counts, i));
		for (int t = 0; t < REPORT_MAIL_TALLIES; t++)
			for (size_t i = 0; i < counts->tallies[t].n; i++)
				tsv_row(out, way, report_mail_tally_ids[t],
				    counts->tallies[t].rows[i].name, "messages",
				    counts->tallies[t].rows[i].n[REPORT_DOMAINS], total->tls);
		tsv_rows(out, report, way, false);
		tsv_rows(out, report, way, true);
	}
}

/* --- for people ---------------------------------------------------------------------------------- */

static void
prose_row(struct prose *p, const struct report_mail_counts *counts, const char *name,
    const struct inbound_row *row)
{
	char date[32] = "never";

	if (row->last_clear != 0)
		text_date_rfc3339(row->last_clear, date);
	date[10] = '\0';
	prose_cell(p, name);
	prose_number_cell(p, row->messages);
	prose_percent_cell(p, row->tls, row->messages);
	prose_cell(p, date);
	prose_cell(p, report_mail_most_version(row));
	prose_cell(p, report_mail_most(&counts->stats, row->ciphers));
	prose_cell(p, report_mail_most(&counts->stats, row->groups));
}

static void
prose_rows(struct prose *p, const struct report *report, enum report_mail_way way, bool networks)
{
	const struct report_mail_counts *counts = &report->mail->ways[way];
	const struct inbound_table *table = table_of(counts, networks);
	struct inbound_row **rows = inbound_table_sorted(table);
	size_t top = table->n < report->options.top ? table->n : report->options.top;
	const char *what =
	    networks ? report_mail_infos[way].networks : report_mail_infos[way].domains;
	struct inbound_row rest;
	char title[120], name[64];

	snprintf(title, sizeof(title), "%s, by %s", report_mail_infos[way].title, what);
	prose_heading(p, title);
	prose_sentence(p, "version, cipher and group: those of most of its messages");
	prose_table_begin(p, 7);
	for (size_t i = 4; i < 7; i++)
		p->left[i] = true;
	prose_cell(p, networks ? "network" : "domain");
	prose_cell(p, "messages");
	prose_cell(p, "encrypted");
	prose_cell(p, "last in clear");
	prose_cell(p, "version");
	prose_cell(p, "cipher");
	prose_cell(p, "group");
	for (size_t i = 0; i < top; i++)
		prose_row(p, counts,
		    report_mail_name(rows[i]->name, report->options.anonymize,
			networks ? "network" : "domain", i, name, sizeof(name)),
		    rows[i]);
	if (report_mail_rest(table, rows, top, &rest) > 0) {
		snprintf(name, sizeof(name), "all others (%zu%s)", table->n - top,
		    table->other.messages > 0 ? " and more" : "");
		prose_row(p, counts, name, &rest);
	}
	prose_table_end(p);
	free(rows);
}

static void
prose_tally(struct prose *p, const struct report_mail_counts *counts, int which)
{
	const struct report_tally *tally = &counts->tallies[which];
	size_t *order = mem_array(tally->n + 1, sizeof(*order));
	size_t n = report_tally_order(tally, order);

	if (n > 0) {
		prose_table_begin(p, 3);
		prose_cell(p, report_mail_tally_titles[which]);
		prose_cell(p, "messages");
		prose_cell(p, "share");
		for (size_t i = 0; i < n; i++) {
			const struct report_row *row = &tally->rows[order[i]];
			prose_cell(p, row->name);
			prose_number_cell(p, row->n[REPORT_DOMAINS]);
			prose_percent_cell(p, row->n[REPORT_DOMAINS], counts->stats.total.tls);
		}
		prose_table_end(p);
	}
	free(order);
}

static void
prose_way(struct prose *p, const struct report *report, enum report_mail_way way)
{
	const struct report_mail_counts *counts = &report->mail->ways[way];
	const struct inbound_row *total = &counts->stats.total;
	char first[32] = "", last[32] = "", text[120], number[32];

	text_date_rfc3339(counts->first, first);
	text_date_rfc3339(counts->last, last);
	report_view_number(total->messages, number);
	snprintf(text, sizeof(text), "%s: %s %s", report_mail_infos[way].title, number,
	    way == REPORT_MAIL_RECEIVED ? "messages" : "messages to a recipient each");
	if (total->messages > 0)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), ", %.10s to %.10s",
		    first, last);
	prose_heading(p, text);
	prose_table_begin(p, 3);
	prose_cell(p, "");
	prose_cell(p, "number");
	prose_cell(p, "share");
	prose_cell(p, "encrypted, of all messages");
	prose_number_cell(p, total->tls);
	prose_percent_cell(p, total->tls, total->messages);
	prose_cell(p, "post-quantum, of the encrypted");
	prose_number_cell(p, counts->post_quantum);
	prose_percent_cell(p, counts->post_quantum, total->tls);
	for (size_t i = 0; i < OTHERS; i++)
		if (others[i].way == way) {
			prose_cell(p, others[i].title);
			prose_number_cell(p, other(counts, i));
			prose_cell(p, "");
		}
	prose_table_end(p);
	for (int t = 0; t < REPORT_MAIL_TALLIES; t++)
		prose_tally(p, counts, t);
	if (total->messages > 0) {
		prose_rows(p, report, way, false);
		prose_rows(p, report, way, true);
	}
}

void
report_mail_prose(const struct report *report, struct buf *out, bool markdown)
{
	struct prose p = { .out = out, .markdown = markdown };
	char text[100];

	arena_init(&p.arena);
	buf_printf(out, markdown ? "# %s\n" : "%s\n",
	    report->options.title != NULL ? report_title(report) : "Encrypted mail");
	if (report->left_out > 0) {
		snprintf(text, sizeof(text), "lines that were of no log, and left out: %llu",
		    (unsigned long long)report->left_out);
		prose_sentence(&p, text);
	}
	for (int way = 0; way < REPORT_MAIL_WAYS; way++)
		if (report->mail->ways[way].lines > 0)
			prose_way(&p, report, (enum report_mail_way)way);
	arena_free(&p.arena);
}
