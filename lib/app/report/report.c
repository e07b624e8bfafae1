#include "app/report/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "app/report/lines.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/text.h"

#define PEEK_LINES 100 /* read of a file to find its day */

/* What the figures are made of. */
static const char *const wanted[] = { "domain", "alabel", "rank", "timestamp", "mx_status",
	"dns.dnssec", "exchanges_left_out", "exchanges.name", "exchanges.primary",
	"exchanges.ipv4_addresses", "exchanges.ipv6_addresses", "exchanges.tlsa.status",
	"exchanges.tlsa.records.usage", "exchanges.tlsa.records.selector",
	"exchanges.tlsa.records.matching_type", "exchanges.hosts.ref", "exchanges.hosts.ip",
	"exchanges.hosts.port", "exchanges.hosts.status", "exchanges.hosts.ehlo_unsupported",
	"exchanges.hosts.starttls_state", "exchanges.hosts.starttls_code",
	"exchanges.hosts.post_220_bytes", "exchanges.hosts.keyword_masked",
	"exchanges.hosts.result_type", "exchanges.hosts.tls.complete",
	"exchanges.hosts.tls.key_status", "exchanges.hosts.tls.version.name",
	"exchanges.hosts.tls.cipher_suite.name", "exchanges.hosts.tls.group",
	"exchanges.hosts.tls.chain", "exchanges.hosts.tls.validation.browser_trusted",
	"exchanges.hosts.tls.validation.matches_mx", "exchanges.hosts.tls.validation.expired",
	"exchanges.hosts.tls.validation.self_signed",
	"exchanges.hosts.tls.validation.missing_intermediate", "exchanges.hosts.tls.dane",
	"mta_sts.policy_status", "mta_sts.mode", "mta_sts.unmatched_mx", "mta_sts.result_type",
	"tlsrpt.status", "certificates.issuer_dn", "certificates.signature_algorithm.name",
	"certificates.subject_key_info.key_algorithm", "certificates.validity",
	"certificates.self_signed", "summary", NULL };

/* Likewise of the lines of --dedupe-output, and of the first line. */
static const char *const wanted_host[] = { "ref", "host.ip", "host.port", "host.status",
	"host.ehlo_unsupported", "host.starttls_state", "host.starttls_code", "host.post_220_bytes",
	"host.keyword_masked", "host.result_type", "host.tls.complete", "host.tls.key_status",
	"host.tls.version.name", "host.tls.cipher_suite.name", "host.tls.group", "host.tls.chain",
	"host.tls.validation.browser_trusted", "host.tls.validation.matches_mx",
	"host.tls.validation.expired", "host.tls.validation.self_signed",
	"host.tls.validation.missing_intermediate", "host.tls.dane", NULL };
static const char *const wanted_cert[] = { "certificate.fingerprint_sha256",
	"certificate.issuer_dn", "certificate.signature_algorithm.name",
	"certificate.subject_key_info.key_algorithm", "certificate.validity",
	"certificate.self_signed", NULL };
static const char *const wanted_meta[] = { "start", NULL };

struct report *
report_new(const struct report_options *options)
{
	struct report *report = mem_alloc(sizeof(*report));

	report->options = *options;
	report->scan = facts_scan_new(&fact_table_target_facts, wanted);
	report->scan_host = facts_scan_new(&fact_table_survey_host_facts, wanted_host);
	report->scan_cert = facts_scan_new(&fact_table_survey_cert_facts, wanted_cert);
	report->scan_meta = facts_scan_new(&fact_table_survey_meta_facts, wanted_meta);
	arena_init(&report->arena);
	report_set_init(&report->compare.verdicts, LIMIT_REPORT_DOMAINS);
	report_findings_init(&report->compare.worsened, LIMIT_REPORT_FINDINGS);
	return report;
}

void
report_free(struct report *report)
{
	for (size_t i = 0; i < report->surveys_n; i++)
		report_survey_free(report->surveys[i]);
	free(report->surveys);
	report_survey_free(report->compare.old);
	report_set_free(&report->compare.verdicts);
	report_findings_free(&report->compare.worsened);
	report_mail_free(report->mail_reader);
	facts_scan_free(report->scan);
	facts_scan_free(report->scan_host);
	facts_scan_free(report->scan_cert);
	facts_scan_free(report->scan_meta);
	arena_free(&report->arena);
	free(report);
}

/* --- which survey -------------------------------------------------------------------------------- */

static void
day_of(int64_t when, char day[11])
{
	char text[32];

	day[0] = '\0';
	if (when == 0)
		return;
	text_date_rfc3339(when, text);
	snprintf(day, 11, "%.10s", text);
}

/* The survey that records of a day belong to; NULL when there is no room for one more. */
static struct report_survey *
survey_of_day(struct report *report, const char *day)
{
	if (report->reading_old) {
		if (report->compare.old == NULL)
			report->compare.old = report_survey_new(day);
		return report->compare.old;
	}
	for (size_t i = 0; i < report->surveys_n; i++)
		if (report->options.grouping == REPORT_AS_ONE ||
		    (report->options.grouping == REPORT_BY_DAY &&
			strcmp(report->surveys[i]->day, day) == 0))
			return report->surveys[i];
	if (report->surveys_n == LIMIT_REPORT_SURVEYS)
		return NULL;
	report->surveys = mem_grow(report->surveys, report->surveys_n, &report->surveys_cap,
	    sizeof(struct report_survey *));
	struct report_survey *survey = report_survey_new(day);
	report->surveys[report->surveys_n++] = survey;
	return survey;
}

/* --- lines --------------------------------------------------------------------------------------- */

/* Be in a survey: that of this time when there is none yet, or when another one begins. */
static int
enter_survey(struct report *report, int64_t when, bool begins, struct fail *why)
{
	char day[11];

	/* a file is one survey, whatever it holds */
	bool stay = !begins || report->options.grouping == REPORT_BY_FILE;
	if (report->current != NULL && stay)
		return 0;
	day_of(when, day);
	struct report_survey *survey = survey_of_day(report, day);
	if (survey == NULL)
		return fail_set(why, FAIL_MESSAGE,
		    "of one more survey than the %d that can be kept", LIMIT_REPORT_SURVEYS);
	if (report->current != survey)
		survey->files++;
	report->current = survey;
	return 0;
}

static int
read_domain(struct report *report, struct slice line, struct fail *why)
{
	struct target_facts *target = &report->target;
	const char *missing;

	arena_reset(&report->arena);
	if (facts_scan_read(
		report->scan, line.p, line.n, &report->arena, target, &report->note, why) != 0)
		return -1;
	if (enter_survey(report, target->timestamp, false, why) != 0)
		return -1;
	if (report->current->closed) {
		report->late++;
		return 0;
	}
	if (!report_survey_knows(report->current, target, &missing))
		return fail_set(why, FAIL_MESSAGE,
		    "refers to the host %.200s, which no line before tells about", missing);
	report->records++;
	report_survey_add(report->current, target);
	if (report->reading_old)
		report_compare_old(&report->compare, target);
	else if (report->compare.old != NULL &&
		 strcmp(report->current->day, report->newest_day) >= 0)
		report_compare_new(&report->compare, target);
	return 0;
}

static int
read_meta(struct report *report, struct slice line, struct fail *why)
{
	struct survey_meta_facts meta;

	arena_reset(&report->arena);
	if (facts_scan_read(
		report->scan_meta, line.p, line.n, &report->arena, &meta, &report->note, why) != 0)
		return -1;
	if (meta.start == 0)
		return 0;
	if (enter_survey(report, meta.start, true, why) != 0)
		return -1;
	report->current->start = meta.start;
	return 0;
}

static int
read_host(struct report *report, struct slice line, struct fail *why)
{
	struct survey_host_facts host;

	arena_reset(&report->arena);
	if (facts_scan_read(
		report->scan_host, line.p, line.n, &report->arena, &host, &report->note, why) != 0)
		return -1;
	if (host.ref == NULL)
		return fail_set(why, FAIL_MESSAGE, "a host without \"ref\"");
	if (report->current == NULL)
		return fail_set(why, FAIL_MESSAGE, "a host before the survey's first line");
	if (!report->current->closed && !report_survey_host(report->current, host.ref, &host.host))
		return fail_set(why, FAIL_MESSAGE, "more hosts than can be kept");
	return 0;
}

static int
read_cert(struct report *report, struct slice line, struct fail *why)
{
	struct survey_cert_facts line_facts;

	arena_reset(&report->arena);
	if (facts_scan_read(report->scan_cert, line.p, line.n, &report->arena, &line_facts,
		&report->note, why) != 0)
		return -1;
	if (line_facts.cert.fingerprint == NULL)
		return fail_set(why, FAIL_MESSAGE, "a certificate without fingerprint");
	if (report->current == NULL)
		return fail_set(why, FAIL_MESSAGE, "a certificate before the survey's first line");
	if (!report->current->closed && !report_survey_cert(report->current, &line_facts.cert))
		return fail_set(why, FAIL_MESSAGE, "more certificates than can be kept");
	return 0;
}

/* What a line is about, by its "type". */
static const struct report_kind {
	const char *type;
	int (*read)(struct report *report, struct slice line, struct fail *why);
} kinds[] = {
	{ "domain", read_domain },
	{ "host", read_host },
	{ "certificate", read_cert },
	{ "meta", read_meta },
};

/* A line of a log, if it is one. What comes first, logs or surveys, is what the report is about. */
static bool
read_mail(struct report *report, struct slice line, int *result_r, struct fail *why)
{
	bool surveys = report->records > 0 || report->reading_old || report->compare.old != NULL;

	if (report->mail_reader == NULL)
		report->mail_reader = report_mail_new();
	int found = report_mail_line(report->mail_reader, line, &report->arena, &report->note, why);
	if (found > 0 && surveys)
		found = fail_set(why, FAIL_MESSAGE,
		    "a line of a log of mail among records of a survey: make a report on each");
	if (found > 0)
		report->mail = report->mail_reader;
	*result_r = found > 0 ? 0 : -1;
	return found != 0;
}

static int
read_line(struct report *report, struct slice line, struct fail *why)
{
	struct slice word;
	int result;

	report->lines++;
	if (!facts_scan_peek(line.p, line.n, "schema", &word)) {
		if (read_mail(report, line, &result, why))
			return result;
		/* tell a torn line from another kind of line */
		if (facts_scan_read(report->scan, line.p, line.n, &report->arena, &report->target,
			NULL, why) != 0)
			return -1;
		return fail_set(
		    why, FAIL_MESSAGE, "no record of mxtls probe: it has no \"schema\"");
	}
	if (report->mail != NULL)
		return fail_set(why, FAIL_MESSAGE,
		    "a line with a schema in a log of mail: make a report on each kind of file");
	if (!slice_is(word, "mxtls-probe/1"))
		return fail_set(why, FAIL_MESSAGE,
		    "no record of mxtls probe: schema \"%.*s\", expected \"mxtls-probe/1\"",
		    (int)(word.n < 60 ? word.n : 60), word.p);
	if (!facts_scan_peek(line.p, line.n, "type", &word))
		return read_domain(report, line, why);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (slice_is(word, kinds[i].type))
			return kinds[i].read(report, line, why);
	return fail_set(why, FAIL_MESSAGE, "a line of the unknown type \"%.*s\"",
	    (int)(word.n < 60 ? word.n : 60), word.p);
}

/* --- files --------------------------------------------------------------------------------------- */

static void
complain(struct report *report, const struct report_lines *lines, uint64_t faults, const char *text)
{
	char message[800];

	report->left_out++;
	if (report->options.complain == NULL || faults > LIMIT_REPORT_FAULTS)
		return;
	if (faults == LIMIT_REPORT_FAULTS)
		text = "left out, as all further ones of this file that are no records";
	snprintf(message, sizeof(message), "%s:%llu: %s", lines->name,
	    (unsigned long long)lines->line, text);
	report->options.complain(message);
}

static int
read_file(struct report *report, const char *path, struct fail *why)
{
	struct report_lines lines;
	struct slice line;
	struct fail fault;
	uint64_t faults = 0, before;
	enum report_line kind;

	if (report_lines_open(&lines, path, why) != 0)
		return -1;
	report->current = NULL;
	before = report->records;
	while ((kind = report_lines_next(&lines, &line, why)) != REPORT_LINES_END &&
	       kind != REPORT_LINES_FAILED) {
		if (kind == REPORT_LINE_TOO_LONG)
			fail_set(&fault, FAIL_MESSAGE, "longer than a record can be");
		else if (line.n == 0 || read_line(report, line, &fault) == 0)
			continue;
		complain(report, &lines, faults++, fault.text);
	}
	if (report->options.verbose && report->options.complain != NULL) {
		char text[800];
		snprintf(text, sizeof(text), "%s: %llu records%s%s", lines.name,
		    (unsigned long long)(report->records - before),
		    report->current == NULL ? "" : ", survey of ",
		    report->current == NULL ? "" : report->current->day);
		report->options.complain(text);
	}
	report_lines_close(&lines);
	return kind == REPORT_LINES_FAILED ? -1 : 0;
}

struct input {
	char *path;
	size_t order;
	char day[11]; /* "": unknown, as of what is no file */
};

/* The day of the first record in a file; what can be read only once is not looked into. */
static void
peek_day(struct report *report, struct input *input)
{
	struct report_lines lines;
	struct slice line;
	struct stat st;
	struct fail why;

	if (strcmp(input->path, "-") == 0 || stat(input->path, &st) != 0 || !S_ISREG(st.st_mode) ||
	    report_lines_open(&lines, input->path, &why) != 0)
		return;
	for (int i = 0; i < PEEK_LINES && input->day[0] == '\0'; i++) {
		enum report_line kind = report_lines_next(&lines, &line, &why);
		if (kind == REPORT_LINES_END || kind == REPORT_LINES_FAILED)
			break;
		arena_reset(&report->arena);
		struct survey_meta_facts meta;
		struct slice type;
		if (facts_scan_peek(line.p, line.n, "type", &type) && slice_is(type, "meta")) {
			if (facts_scan_read(report->scan_meta, line.p, line.n, &report->arena,
				&meta, NULL, &why) == 0)
				day_of(meta.start, input->day);
		} else if (facts_scan_read(report->scan, line.p, line.n, &report->arena,
			       &report->target, NULL, &why) == 0) {
			day_of(report->target.timestamp, input->day);
		}
	}
	report_lines_close(&lines);
}

static int
by_day(const void *a, const void *b)
{
	const struct input *x = a, *y = b;
	int order = strcmp(x->day, y->day);

	if (order != 0)
		return order;
	return x->order < y->order ? -1 : 1;
}

/* No file that comes has records of these days. */
static void
close_before(struct report *report, const char *day)
{
	for (size_t i = 0; i < report->surveys_n; i++)
		if (report->options.grouping == REPORT_BY_FILE ||
		    (report->options.grouping == REPORT_BY_DAY &&
			strcmp(report->surveys[i]->day, day) < 0))
			report_survey_close(report->surveys[i]);
}

int
report_read(struct report *report, char *const *paths, size_t n, struct fail *why)
{
	struct input *inputs = mem_array(n, sizeof(*inputs));
	int result = 0;

	for (size_t i = 0; i < n; i++) {
		inputs[i].path = paths[i];
		inputs[i].order = i;
		peek_day(report, &inputs[i]);
	}
	qsort(inputs, n, sizeof(*inputs), by_day);
	if (n > 0 && report->options.grouping != REPORT_AS_ONE)
		memcpy(report->newest_day, inputs[n - 1].day, sizeof(report->newest_day));
	for (size_t i = 0; i < n && result == 0; i++) {
		close_before(report, inputs[i].day);
		result = read_file(report, inputs[i].path, why);
	}
	free(inputs);
	return result;
}

int
report_read_old(struct report *report, char *const *paths, size_t n, struct fail *why)
{
	int result = 0;

	report->reading_old = true;
	for (size_t i = 0; i < n && result == 0; i++)
		result = read_file(report, paths[i], why);
	report->reading_old = false;
	return result;
}

static int
surveys_by_day(const void *a, const void *b)
{
	struct report_survey *const *x = a, *const *y = b;

	return strcmp((*x)->day, (*y)->day);
}

bool
report_finish(struct report *report)
{
	for (size_t i = 0; i < report->surveys_n; i++)
		report_survey_close(report->surveys[i]);
	/* files are read in this order, but one of them may hold several days */
	if (report->surveys_n > 1 && report->options.grouping == REPORT_BY_DAY)
		qsort(
		    report->surveys, report->surveys_n, sizeof(report->surveys[0]), surveys_by_day);
	if (report->compare.old != NULL) {
		report_survey_close(report->compare.old);
		report_compare_finish(&report->compare);
	}
	return report->surveys_n > 0 || report->mail != NULL;
}

const struct report_survey *
report_newest(const struct report *report)
{
	return report->surveys[report->surveys_n - 1];
}

bool
report_names_domains(const struct report *report)
{
	if (report->options.anonymize)
		return false;
	return report->options.name_domains || report_newest(report)->records <= REPORT_NAMES_MAX;
}
