#include <stdio.h>
#include <stdlib.h>

#include "app/report/lines.h"
#include "app/report/report.h"
#include "base/limits.h"
#include "base/mem.h"
#include "scratch.h"
#include "test.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

/* --- lines --------------------------------------------------------------------------------------- */

TEST(report_lines_come_with_their_numbers_and_the_last_one_may_be_torn)
{
	static const struct {
		enum report_line kind;
		const char *text;
		int number;
	} rows[] = { { REPORT_LINE, "one", 1 }, { REPORT_LINE, "", 2 }, { REPORT_LINE, "crlf", 3 },
		{ REPORT_LINE, "", 4 }, { REPORT_LINE, "a\rb", 5 },
		{ REPORT_LINE_TORN, "torn\r", 6 }, { REPORT_LINES_END, "", 6 },
		{ REPORT_LINES_END, "", 6 } };
	static const char text[] = "one\n\ncrlf\r\n\r\na\rb\ntorn\r";
	struct scratch s;
	struct report_lines lines;
	struct slice line;
	struct fail why;

	scratch_begin(&s);
	scratch_write(&s, "lines", text, sizeof(text) - 1);
	CHECK_INT(report_lines_open(&lines, scratch_path(&s, "lines"), &why), 0);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		TEST_ROW("call %zu", i);
		CHECK_INT(report_lines_next(&lines, &line, &why), rows[i].kind);
		CHECK_MEM(line.p, line.n, rows[i].text, strlen(rows[i].text));
		CHECK_INT(lines.line, rows[i].number);
	}
	report_lines_close(&lines);
	CHECK_INT(report_lines_open(&lines, scratch_path(&s, "none"), &why), -1);
	CHECK_INT(why.code, FAIL_NO_INPUT);
	scratch_end(&s);
}

TEST(report_lines_longer_than_the_buffer_are_whole)
{
	enum { LONG = 3 * 1024 * 1024 };
	char *text = malloc(LONG + 8);
	struct scratch s;
	struct report_lines lines;
	struct slice line;
	struct fail why;

	memset(text, 'x', LONG);
	memcpy(text + LONG, "\nshort\n", 7);
	scratch_begin(&s);
	scratch_write(&s, "lines", text, LONG + 7);
	CHECK_INT(report_lines_open(&lines, scratch_path(&s, "lines"), &why), 0);
	CHECK_INT(report_lines_next(&lines, &line, &why), REPORT_LINE);
	CHECK_INT(line.n, LONG);
	CHECK_INT(report_lines_next(&lines, &line, &why), REPORT_LINE);
	CHECK_MEM(line.p, line.n, "short", 5);
	report_lines_close(&lines);
	scratch_end(&s);
	free(text);
}

/* --- counting ------------------------------------------------------------------------------------ */

TEST(report_set_keeps_a_value_a_name_and_takes_no_more_than_its_maximum)
{
	enum { MAX = 5000 };
	struct report_set set;
	char name[16];
	bool added;
	int wrong = 0;

	report_set_init(&set, MAX);
	CHECK(report_set_find(&set, slice_str("n1")) == NULL);
	for (int i = 0; i < MAX; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		uint32_t *value = report_set_add(&set, slice_str(name), &added);
		wrong += value == NULL || !added || *value != 0;
		if (value != NULL)
			*value = (uint32_t)i;
	}
	CHECK_INT(wrong, 0);
	CHECK(report_set_add(&set, slice_str("another"), &added) == NULL);
	CHECK(!added);
	for (int i = 0; i < MAX; i++) { /* those that are there are found, however full it is */
		snprintf(name, sizeof(name), "n%d", i);
		uint32_t *value = report_set_add(&set, slice_str(name), &added);
		wrong += value == NULL || added || *value != (uint32_t)i ||
			 report_set_find(&set, slice_str(name)) != value;
	}
	CHECK_INT(wrong, 0);
	CHECK(report_set_find(&set, slice_str("n5000")) == NULL);
	report_set_free(&set);
}

static void
add_count(struct report_tally *tally, const char *value, enum report_level level, uint64_t n)
{
	size_t row = report_tally_row(tally, slice_str(value));

	tally->rows[row].n[level] += n;
}

TEST(report_tally_orders_by_count_and_sums_up_what_has_no_room)
{
	static const char *const order[] = { "often", "seldom a", "seldom b", "hosts only" };
	struct report_tally tally;
	size_t *rows = mem_array(LIMIT_REPORT_ROWS + 1, sizeof(*rows));
	char name[16];

	report_tally_init(&tally, REPORT_TABLE_ISSUER);
	add_count(&tally, "seldom b", 0, 1);
	add_count(&tally, "never", 0, 0);
	add_count(&tally, "often", 0, 7);
	add_count(&tally, "hosts only", 1, 3);
	add_count(&tally, "seldom a", 0, 1);
	CHECK_INT(report_tally_row(&tally, slice_str("often")), 2);
	CHECK_INT(report_tally_order(&tally, rows), COUNT_OF(order));
	for (size_t i = 0; i < COUNT_OF(order); i++)
		CHECK_STR(tally.rows[rows[i]].name, order[i]);
	for (int i = 0; tally.n < LIMIT_REPORT_ROWS; i++) {
		snprintf(name, sizeof(name), "v%d", i);
		report_tally_row(&tally, slice_str(name));
	}
	CHECK(!tally.full);
	size_t other = report_tally_row(&tally, slice_str("one too many"));
	CHECK(tally.full);
	CHECK_STR(tally.rows[other].name, "(other)");
	CHECK_INT(report_tally_row(&tally, slice_str("and another")), other);
	CHECK_INT(report_tally_row(&tally, slice_str("often")), 2);
	report_tally_free(&tally);
	free(rows);
}

TEST(report_tally_words_are_the_values_of_their_enums)
{
	struct report_tally tally;

	/* a word for every value, in its place */
#define CHECK_WORDS(table, type, last, str) \
	do { \
		report_tally_init(&tally, table); \
		CHECK_INT(tally.n, (last) + 1); \
		for (int i = 0; i <= (int)(last); i++) \
			CHECK_STR(tally.rows[i].name, str((enum type)i)); \
		report_tally_free(&tally); \
	} while (0)
	CHECK_WORDS(REPORT_TABLE_VERDICT, verdict, VERDICT_UNDELIVERABLE, verdict_str);
	CHECK_WORDS(REPORT_TABLE_MX_STATUS, mx_status, MX_DNS_ERROR, mx_status_str);
	CHECK_WORDS(REPORT_TABLE_STATUS, host_status, HOST_UNKNOWN_ERROR, host_status_str);
	CHECK_WORDS(REPORT_TABLE_TLSRPT, tlsrpt_status, TLSRPT_DNS_ERROR, tlsrpt_status_str);
}

TEST(report_breakdown_largest_first_and_the_rest_in_one)
{
	struct report_breakdown b;
	struct report_unit unit;
	struct report_group rest;

	report_unit_init(&unit);
	unit.tls13 = true;
	report_breakdown_init(&b, 3);
	for (int i = 0; i < 2; i++)
		report_breakdown_add(&b, slice_str("two"), &unit);
	report_breakdown_add(&b, slice_str("b one"), &unit);
	report_breakdown_add(&b, slice_str("a one"), &unit);
	report_breakdown_add(&b, slice_str("no room"), &unit);
	report_breakdown_add(&b, slice_str("two"), &unit);
	report_breakdown_sort(&b);
	CHECK_INT(b.n, 3);
	CHECK_STR(b.groups[0].name, "two");
	CHECK_INT(b.groups[0].domains, 3);
	CHECK_STR(b.groups[1].name, "a one");
	report_breakdown_rest(&b, 1, &rest);
	CHECK_INT(rest.domains, 3);
	CHECK_INT(rest.n[REPORT_METRIC_TLS13], 3);
	report_breakdown_free(&b);
}

TEST(report_buckets)
{
	static const struct {
		int days, row;
	} left[] = { { 0, 0 }, { 1, 1 }, { 3, 1 }, { 4, 2 }, { 7, 2 }, { 8, 3 }, { 14, 3 },
		{ 15, 4 }, { 30, 4 }, { 31, 5 }, { 60, 5 }, { 61, 6 }, { 90, 6 }, { 91, 7 },
		{ 180, 7 }, { 181, 8 }, { 365, 8 }, { 366, 9 }, { 36500, 9 } },
	  lifetime[] = { { 1, 0 }, { 10, 0 }, { 11, 1 }, { 47, 1 }, { 48, 2 }, { 100, 2 },
		  { 101, 3 }, { 200, 3 }, { 201, 4 }, { 398, 4 }, { 399, 5 }, { 825, 5 },
		  { 826, 6 }, { 3650, 6 }, { 3651, 7 } };

	for (size_t i = 0; i < COUNT_OF(left); i++)
		CHECK_INT(report_bucket_days_left(left[i].days), left[i].row);
	for (size_t i = 0; i < COUNT_OF(lifetime); i++)
		CHECK_INT(report_bucket_lifetime(lifetime[i].days), lifetime[i].row);
}

TEST(report_issuer_is_the_organisation_else_the_name)
{
	static const struct {
		const char *dn, *want;
	} rows[] = {
		{ "CN=R11,O=Let's Encrypt,C=US", "Let's Encrypt" },
		{ "O=Let's Encrypt,C=US", "Let's Encrypt" },
		{ "CN=Private CA", "Private CA" },
		{ "CN=a\\,O=not this,O=Acme\\, Inc.+OU=x", "Acme, Inc." },
		{ "CN=x,O=\\C3\\A9tat", "\303\251tat" },
		{ "CN=x,O=,OU=y", "x" },
		{ "FOO=bar", "FOO=bar" },
		{ "", "" },
		{ "O=end\\", "end\\" },
	};
	char out[64], small[4];

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		report_issuer(rows[i].dn, out, sizeof(out));
		CHECK_STR(out, rows[i].want);
	}
	report_issuer("O=long", small, sizeof(small));
	CHECK_STR(small, "lon");
}

TEST(report_findings_worst_first_and_only_so_many)
{
	static const struct {
		const char *domain;
		int rank;
		enum verdict verdict;
	} offers[] = {
		{ "plain2", 20, VERDICT_PLAINTEXT },
		{ "some", 1, VERDICT_BROKEN_SOME },
		{ "broken none", -1, VERDICT_BROKEN },
		{ "plain1", 10, VERDICT_PLAINTEXT },
		{ "broken 99", 99, VERDICT_BROKEN },
		{ "plain1 later", 10, VERDICT_PLAINTEXT },
	};
	static const char *const order[] = { "broken 99", "broken none", "plain1", "plain1 later" };
	struct report_findings findings;

	report_findings_init(&findings, COUNT_OF(order));
	for (size_t i = 0; i < COUNT_OF(offers); i++) {
		char name[20];
		snprintf(name, sizeof(name), "%s", offers[i].domain);
		struct report_finding finding = {
			.domain = name, .rank = offers[i].rank, .verdict = offers[i].verdict
		};
		report_findings_add(&findings, &finding);
	}
	CHECK_INT(findings.offered, 6);
	CHECK_INT(findings.n, COUNT_OF(order));
	for (size_t i = 0; i < findings.n; i++)
		CHECK_STR(findings.list[i].domain, order[i]);
	report_findings_free(&findings);
}

/* --- files --------------------------------------------------------------------------------------- */

#define RECORD(day, name, verdict) \
	"{\"schema\":\"mxtls-probe/1\",\"type\":\"domain\",\"domain\":\"" name \
	"\",\"rank\":null,\"timestamp\":\"" day "T10:00:00Z\",\"mx_status\":\"has_mx\"," \
	"\"summary\":{\"verdict\":\"" verdict "\",\"reasons\":[\"why\"]}}\n"
#define META(day) \
	"{\"schema\":\"mxtls-probe/1\",\"type\":\"meta\",\"start\":\"" day "T00:00:00Z\"}\n"

static char told[2000];

static void
complain(const char *text)
{
	const char *name = strstr(text, "/a.ndjson"); /* without the folder */

	snprintf(told + strlen(told), sizeof(told) - strlen(told), "%s\n",
	    name == NULL ? text : name + 1);
}

static struct report *
begin(enum report_grouping grouping)
{
	struct report_options options = { .grouping = grouping, .top = 10, .complain = complain };

	told[0] = '\0';
	return report_new(&options);
}

static void
read_text(struct report *report, struct scratch *s, const char *name, const char *text, bool old)
{
	char path[200];
	char *paths[] = { path };
	struct fail why;

	scratch_write(s, name, text, strlen(text));
	snprintf(path, sizeof(path), "%s", scratch_path(s, name));
	if (old)
		CHECK_INT(report_read_old(report, paths, 1, &why), 0);
	else
		CHECK_INT(report_read(report, paths, 1, &why), 0);
}

TEST(report_tells_torn_and_foreign_lines_with_file_and_number)
{
	struct scratch s;
	struct report *report = begin(REPORT_BY_DAY);

	scratch_begin(&s);
	read_text(report, &s, "a.ndjson",
	    META("2026-01-01")
		RECORD("2026-01-01", "a", "pkix") "\n[1]\n{\"x\":1}\n" RECORD("2026-01-01", "b",
		    "pkix") "{\"schema\":\"mxtls-probe/2\"}\n"
			    "{\"schema\":\"mxtls-probe/1\",\"type\":\"host\"}\n"
			    "{\"schema\":\"mxtls-probe/1\",\"type\":\"certificate\"}\n"
			    "{\"schema\":\"mxtls-probe/1\",\"type\":\"domain\",\"doma",
	    false);
	CHECK(report_finish(report));
	CHECK_STR(told,
	    "a.ndjson:4: not JSON: column 1: expected an object\n"
	    "a.ndjson:5: no record of mxtls probe: it has no \"schema\"\n"
	    "a.ndjson:7: no record of mxtls probe: schema \"mxtls-probe/2\", expected "
	    "\"mxtls-probe/1\"\n"
	    "a.ndjson:8: a host without \"ref\"\n"
	    "a.ndjson:9: a certificate without fingerprint\n"
	    "a.ndjson:10: not JSON: cut off at column 48, expected the end of a string\n");
	CHECK_INT(report_newest(report)->records, 2);
	CHECK_INT(report->lines, 9);
	CHECK_INT(report->left_out, 6);
	report_free(report);
	scratch_end(&s);
}

TEST(report_compare_counts_moves_by_their_direction)
{
	struct scratch s;
	struct report *report = begin(REPORT_BY_DAY);
	const struct report_compare *c = &report->compare;
#define OLD(name, verdict) RECORD("2026-01-01", name, verdict)
#define NEW(name, verdict) RECORD("2026-02-01", name, verdict)

	scratch_begin(&s);
	read_text(report, &s, "old.ndjson",
	    OLD("same", "pkix") OLD("better", "plaintext") OLD("worse", "dane") OLD("worst", "pkix")
		OLD("lost", "pkix") OLD("found", "unknown") OLD("gone", "pkix")
		    OLD("closed", "pkix") OLD("Twice", "encrypted"),
	    true);
	read_text(report, &s, "new.ndjson",
	    NEW("same", "pkix") NEW("better", "encrypted") NEW("worse", "mta-sts-enforce") NEW(
		"worst", "broken") NEW("lost", "unknown") NEW("found", "pkix") NEW("added", "pkix")
		NEW("closed", "no-mail") NEW("twice", "encrypted") NEW("twice", "plaintext"),
	    false);
	CHECK(report_finish(report));
	CHECK_INT(c->common, 8);
	CHECK_INT(c->added, 1);
	CHECK_INT(c->gone, 1);
	CHECK_INT(c->same, 2);
	CHECK_INT(c->better, 1);
	CHECK_INT(c->worse, 2);
	CHECK_INT(c->lost, 1);
	CHECK_INT(c->found, 1);
	CHECK_INT(c->moves[VERDICT_PLAINTEXT][VERDICT_ENCRYPTED], 1);
	CHECK_INT(c->moves[VERDICT_DANE][VERDICT_MTA_STS], 1);
	CHECK_INT(c->moves[VERDICT_PKIX][VERDICT_BROKEN], 1);
	CHECK_INT(c->moves[VERDICT_PKIX][VERDICT_NO_MAIL], 1);
	CHECK_INT(c->worsened.n, 2);
	if (c->worsened.n == 2) {
		CHECK_STR(c->worsened.list[0].domain, "worst");
		CHECK_INT(c->worsened.list[0].before, VERDICT_PKIX);
		CHECK_STR(c->worsened.list[1].domain, "worse");
	}
	CHECK_STR(told, "");
	report_free(report);
	scratch_end(&s);
}

TEST(report_compare_directions)
{
	static const enum verdict ladder[] = { VERDICT_DANE, VERDICT_MTA_STS, VERDICT_PKIX,
		VERDICT_ENCRYPTED, VERDICT_BACKUP_PLAINTEXT, VERDICT_BROKEN_SOME, VERDICT_PLAINTEXT,
		VERDICT_BROKEN, VERDICT_UNDELIVERABLE };
	int n = COUNT_OF(ladder);

	for (int i = 0; i < n; i++) {
		TEST_ROW("%s", verdict_str(ladder[i]));
		for (int j = 0; j < n; j++)
			CHECK_INT(report_compare_direction(ladder[i], ladder[j]), j > i   ? 1
										  : j < i ? -1
											  : 0);
		CHECK_INT(report_compare_direction(ladder[i], VERDICT_UNKNOWN), 0);
		CHECK_INT(report_compare_direction(VERDICT_UNKNOWN, ladder[i]), 0);
		CHECK_INT(report_compare_direction(VERDICT_NO_MAIL, ladder[i]), 0);
	}
}

TEST(report_surveys_by_day_by_file_and_as_one)
{
	static const struct {
		enum report_grouping grouping;
		int surveys;
		const char *newest;
		int records; /* of the newest */
	} rows[] = { { REPORT_BY_DAY, 2, "2026-02-01", 3 }, { REPORT_BY_FILE, 3, "2026-02-01", 2 },
		{ REPORT_AS_ONE, 1, "2026-01-01", 4 } };

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct scratch s;
		char paths[3][200];
		char *list[] = { paths[0], paths[1], paths[2] };
		static const char *const texts[] = { META("2026-02-01")
							 RECORD("2026-02-01", "a", "pkix"),
			META("2026-01-01") RECORD("2026-01-01", "a", "pkix"),
			RECORD("2026-02-01", "b", "pkix") RECORD("2026-02-02", "c", "pkix") };
		struct report *report = begin(rows[i].grouping);
		struct fail why;

		TEST_ROW("grouping %zu", i);
		scratch_begin(&s);
		for (size_t j = 0; j < 3; j++) {
			char name[8];
			snprintf(name, sizeof(name), "f%zu", j);
			scratch_write(&s, name, texts[j], strlen(texts[j]));
			snprintf(paths[j], sizeof(paths[j]), "%s", scratch_path(&s, name));
		}
		CHECK_INT(report_read(report, list, 3, &why), 0);
		CHECK(report_finish(report));
		CHECK_INT(report->surveys_n, rows[i].surveys);
		CHECK_STR(report_newest(report)->day, rows[i].newest);
		CHECK_INT(report_newest(report)->records, rows[i].records);
		CHECK_STR(told, "");
		report_free(report);
		scratch_end(&s);
	}
}

TEST(report_keeps_only_so_many_surveys)
{
	struct scratch s;
	struct report *report = begin(REPORT_BY_DAY);
	struct buf text;

	buf_init(&text, 1 << 20);
	for (int i = 0; i < LIMIT_REPORT_SURVEYS + 2; i++)
		buf_printf(&text,
		    "{\"schema\":\"mxtls-probe/"
		    "1\",\"type\":\"meta\",\"start\":\"%d-%02d-%02dT00:00:00Z\"}\n",
		    2000 + i / 336, i / 28 % 12 + 1, i % 28 + 1);
	buf_putc(&text, '\0');
	scratch_begin(&s);
	read_text(report, &s, "a.ndjson", text.data, false);
	CHECK_INT(report->surveys_n, LIMIT_REPORT_SURVEYS);
	CHECK_INT(report->left_out, 2);
	CHECK(strstr(told, "a.ndjson:1001: of one more survey than the 1000 that can be kept\n") !=
	      NULL);
	report_free(report);
	buf_free(&text);
	scratch_end(&s);
}
