#include "app/send/tlsrpt_report.h"

#include <inttypes.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"

#define DAY_S 86400

size_t
tlsrpt_report_rows(const struct tlsrpt_day *day, size_t from)
{
	size_t n = 0;

	while (
	    from + n < day->n && strcmp(day->rows[from + n]->domain, day->rows[from]->domain) == 0)
		n++;
	return n;
}

void
tlsrpt_report_count(const struct tlsrpt_report *report, int64_t *good, int64_t *failed)
{
	*good = *failed = 0;
	for (size_t i = 0; i < report->n; i++)
		*(report->rows[i]->result == NULL ? good : failed) += report->rows[i]->sessions;
}

static bool
same_strs(const struct strs *a, const struct strs *b)
{
	for (size_t i = 0; i < a->n && i < b->n; i++)
		if (strcmp(a->v[i], b->v[i]) != 0)
			return false;
	return a->n == b->n;
}

/* Rows from "from" on with one policy. */
static struct tlsrpt_report
same_policy(const struct tlsrpt_report *report, size_t from)
{
	const struct tlsrpt_session_facts *first = report->rows[from];
	struct tlsrpt_report part = *report;

	part.rows = &report->rows[from];
	for (part.n = 0; from + part.n < report->n; part.n++) {
		const struct tlsrpt_session_facts *row = part.rows[part.n];
		if (row->type != first->type || !same_strs(&row->policy, &first->policy) ||
		    !same_strs(&row->mx, &first->mx) ||
		    strcmp(row->policy_domain == NULL ? "" : row->policy_domain,
			first->policy_domain == NULL ? "" : first->policy_domain) != 0)
			break;
	}
	return part;
}

/* --- JSON ----------------------------------------------------------------------------------------- */

static void
member(struct json *j, const char *name, const char *value)
{
	if (value == NULL)
		return;
	json_key(j, slice_str(name));
	json_put_str(j, value);
}

static void
number(struct json *j, const char *name, int64_t value)
{
	json_key(j, slice_str(name));
	json_put_int(j, value);
}

static void
strings(struct json *j, const char *name, const struct strs *list)
{
	if (list->n == 0)
		return;
	json_key(j, slice_str(name));
	json_array_begin(j);
	for (size_t i = 0; i < list->n; i++)
		json_put_str(j, list->v[i]);
	json_array_end(j);
}

static void
json_failure(struct json *j, const struct tlsrpt_session_facts *row)
{
	json_object_begin(j);
	member(j, "result-type", row->result);
	member(j, "sending-mta-ip", row->source_ip);
	member(j, "receiving-mx-hostname", row->host);
	member(j, "receiving-ip", row->ip);
	number(j, "failed-session-count", row->sessions);
	member(j, "failure-reason-code", row->reason);
	json_object_end(j);
}

static void
json_policy(struct json *j, const struct tlsrpt_report *part)
{
	const struct tlsrpt_session_facts *first = part->rows[0];
	int64_t good, failed;

	tlsrpt_report_count(part, &good, &failed);
	json_object_begin(j);
	json_key(j, slice_str("policy"));
	json_object_begin(j);
	member(j, "policy-type", tlsrpt_policy_str(first->type));
	strings(j, "policy-string", &first->policy);
	member(j, "policy-domain",
	    first->policy_domain != NULL ? first->policy_domain : first->domain);
	strings(j, "mx-host", &first->mx);
	json_object_end(j);
	json_key(j, slice_str("summary"));
	json_object_begin(j);
	number(j, "total-successful-session-count", good);
	number(j, "total-failure-session-count", failed);
	json_object_end(j);
	if (failed > 0) {
		json_key(j, slice_str("failure-details"));
		json_array_begin(j);
		for (size_t i = 0; i < part->n; i++)
			if (part->rows[i]->result != NULL)
				json_failure(j, part->rows[i]);
		json_array_end(j);
	}
	json_object_end(j);
}

/* The same report has the same id, whoever makes it again. */
static void
report_id(const struct tlsrpt_report *report, struct buf *out)
{
	buf_printf(out, "%sT00:00:00Z_%s@%s", report->day, report->domain, report->sender);
}

void
tlsrpt_report_json(const struct tlsrpt_report *report, struct buf *out)
{
	struct buf text;
	struct json j;

	buf_init(&text, 2048);
	json_init(&j, out);
	json_object_begin(&j);
	member(&j, "organization-name", report->organization);
	json_key(&j, slice_str("date-range"));
	json_object_begin(&j);
	buf_printf(&text, "%sT00:00:00Z", report->day);
	member(&j, "start-datetime", buf_str(&text));
	buf_reset(&text);
	buf_printf(&text, "%sT23:59:59Z", report->day);
	member(&j, "end-datetime", buf_str(&text));
	json_object_end(&j);
	member(&j, "contact-info", report->contact);
	buf_reset(&text);
	report_id(report, &text);
	member(&j, "report-id", buf_str(&text));
	json_key(&j, slice_str("policies"));
	json_array_begin(&j);
	for (size_t i = 0; i < report->n;) {
		struct tlsrpt_report part = same_policy(report, i);
		json_policy(&j, &part);
		i += part.n;
	}
	json_array_end(&j);
	json_object_end(&j);
	buf_putc(out, '\n');
	buf_free(&text);
}

const char *
tlsrpt_report_name(const struct tlsrpt_report *report, bool compressed, struct arena *arena)
{
	int64_t start = tlsrpt_day_parse(report->day);

	return arena_printf(arena, "%s!%s!%" PRId64 "!%" PRId64 ".json%s", report->sender,
	    report->domain, start, start + DAY_S - 1, compressed ? ".gz" : "");
}

/* --- for people ----------------------------------------------------------------------------------- */

static void
text_failure(const struct tlsrpt_session_facts *row, struct buf *out)
{
	buf_printf(out, "  %" PRId64 " ", row->sessions);
	text_escape(out, slice_str(row->result), 100);
	if (row->host != NULL) {
		buf_puts(out, " at ");
		text_escape(out, slice_str(row->host), 300);
	}
	if (row->ip != NULL) {
		buf_puts(out, " [");
		text_escape(out, slice_str(row->ip), 100);
		buf_puts(out, "]");
	}
	if (row->reason != NULL) {
		buf_puts(out, ": ");
		text_escape(out, slice_str(row->reason), 200);
	}
	buf_putc(out, '\n');
}

void
tlsrpt_report_text(const struct tlsrpt_report *report, struct buf *out)
{
	int64_t good, failed;

	for (size_t i = 0; i < report->n;) {
		struct tlsrpt_report part = same_policy(report, i);
		tlsrpt_report_count(&part, &good, &failed);
		text_escape(out, slice_str(report->domain), 300);
		buf_printf(out, ": %s: %" PRId64 " good, %" PRId64 " failed\n",
		    tlsrpt_policy_str(part.rows[0]->type), good, failed);
		for (size_t k = 0; k < part.n; k++)
			if (part.rows[k]->result != NULL)
				text_failure(part.rows[k], out);
		i += part.n;
	}
}
