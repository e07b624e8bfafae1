#include "base/facts_scan.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/limits.h"
#include "test.h"

static const char *const wanted[] = { "domain", "summary.verdict", "exchanges.name",
	"exchanges.hosts.tls.version", "exchanges.hosts.timing.connect",
	"exchanges.tlsa.records.usage", "certificates.validity.days_left", NULL };

struct reading {
	struct arena arena;
	struct target_facts facts;
	struct facts_scan_note note;
	struct fail why;
};

static int
read_text(struct reading *r, const char *const *want, const char *text)
{
	struct facts_scan *scan = facts_scan_new(&fact_table_target_facts, want);

	memset(r, 0, sizeof(*r));
	arena_init(&r->arena);
	int result =
	    facts_scan_read(scan, text, strlen(text), &r->arena, &r->facts, &r->note, &r->why);
	facts_scan_free(scan);
	return result;
}

static const char record[] =
    "{\"schema\":\"mxtls-probe/1\", \"domain\":\"a\\u00e9\\ud83d\\ude00\\n\", \"rank\":7,"
    "\"exchanges\":[{\"name\":\"mx1\",\"tlsa\":{\"records\":[{\"usage\":3,\"data\":\"00\"}]},"
    "\"hosts\":["
    "{\"ip\":\"192.0.2.1\",\"ehlo\":[\"a\\\"]}\",\"b\"],\"timing\":{\"connect\":0.25},"
    "\"tls\":[{\"version\":{\"name\":\"TLSv1.3\",\"value\":772}},{\"version\":{\"name\":\"TLSv1."
    "2\"}}]}]},"
    "{\"name\":\"mx2\",\"hosts\":[]}],"
    "\"certificates\":{\"ab\":{\"validity\":{\"days_left\":12},\"names\":[\"x\"]}},"
    "\"summary\":{\"verdict\":\"pkix\",\"reasons\":[\"no\"]},\"more\":{\"a\":[1,2.5e3,true,null,{}]"
    "}}";

TEST(facts_scan_reads_what_is_wanted)
{
	struct reading r;

	CHECK_INT(read_text(&r, wanted, record), 0);
	CHECK_STR(r.facts.domain, "a\xc3\xa9\xf0\x9f\x98\x80\n");
	CHECK_INT(r.facts.rank, -1); /* not wanted */
	CHECK(r.facts.schema == NULL);
	CHECK_INT(r.facts.summary.verdict, VERDICT_PKIX);
	CHECK_INT(r.facts.exchanges_n, 2);
	CHECK_STR(r.facts.exchanges[1].name, "mx2");
	const struct host_facts *host = &r.facts.exchanges[0].hosts[0];
	CHECK(host->ip == NULL && host->ehlo.n == 0);
	CHECK(host->timing.connect > 0.24 && host->timing.connect < 0.26);
	CHECK_INT(host->tls_n, 2);
	CHECK_STR(host->tls[0].version_name, "TLSv1.3");
	CHECK_INT(host->tls[0].version_value, 772);
	CHECK_STR(host->tls[1].version_name, "TLSv1.2");
	CHECK_INT(r.facts.exchanges[0].tlsa.records[0].usage, 3);
	CHECK_INT(r.facts.certs_n, 1);
	CHECK_STR(r.facts.certs[0].fingerprint, "ab");
	CHECK_INT(r.facts.certs[0].days_left, 12);
	arena_free(&r.arena);
}

TEST(facts_scan_without_a_list_of_paths_reads_as_facts_read_json)
{
	struct reading r;
	struct target_facts slow;
	struct buf a, b;

	CHECK_INT(read_text(&r, NULL, record), 0);
	CHECK_INT(facts_read_json(
		      &fact_table_target_facts, record, strlen(record), &r.arena, &slow, &r.why),
	    0);
	buf_init(&a, LIMIT_RECORD_BYTES);
	buf_init(&b, LIMIT_RECORD_BYTES);
	facts_write_json(&fact_table_target_facts, &r.facts, &a);
	facts_write_json(&fact_table_target_facts, &slow, &b);
	CHECK_STR(buf_str(&a), buf_str(&b));
	buf_free(&a);
	buf_free(&b);
	arena_free(&r.arena);
}

TEST(facts_scan_says_what_is_wrong)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{ "", "not JSON: cut off at column 1, expected an object" },
		{ "nonsense", "not JSON: column 1: expected an object" },
		{ "{\"domain\":\"a\"", "not JSON: cut off at column 14, expected a comma or }" },
		{ "{\"domain\":\"a",
		    "not JSON: cut off at column 13, expected the end of a string" },
		{ "{\"domain\":\"a\\",
		    "not JSON: cut off at column 14, expected the end of a string" },
		{ "{\"domain\":7}", "not JSON: column 11: expected a string" },
		{ "{\"domain\":\"\\ud800x\"}",
		    "not JSON: column 20: expected both halves of a surrogate pair" },
		{ "{\"domain\":\"\\q\"}", "not JSON: column 15: expected a known escape" },
		{ "{\"exchanges\":{}}", "column 14: \"exchanges\" should be an array of objects" },
		{ "{\"summary\":{\"verdict\":1}}", "column 23: \"verdict\" should be a word" },
		{ "{\"exchanges\":[{\"hosts\":[{\"tls\":[{\"version\":{\"value\":1.5}}]}]}]}",
		    "column 56: \"version.value\" should be a whole number from 0" },
		{ "{\"x\":[1,2}", "not JSON: column 10: expected a comma or ]" },
		{ "{\"x\":}", "not JSON: column 6: expected a value" },
		{ "{} {}", "not JSON: column 4: expected the end of the record" },
		{ "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
		    "not JSON: column 1: expected an object" },
		{ "{\"x\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "JSON is nested deeper than 32" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct reading r;
		TEST_ROW("%s", rows[i].text);
		CHECK_INT(read_text(&r, wanted, rows[i].text), -1);
		CHECK_STR(r.why.text, rows[i].why);
		arena_free(&r.arena);
	}
}

TEST(facts_scan_takes_new_words_as_unknown)
{
	struct reading r;

	CHECK_INT(read_text(&r, wanted, "{\"summary\":{\"verdict\":\"quantum\"}}"), 0);
	CHECK_INT(r.facts.summary.verdict, VERDICT_UNKNOWN);
	CHECK_INT(r.note.unknown_words, 1);
	CHECK_STR(r.note.word, "verdict: quantum");
	arena_free(&r.arena);
}

TEST(facts_scan_peek)
{
	static const struct {
		const char *text, *name, *want;
	} rows[] = {
		{ "{\"schema\":\"mxtls-probe/1\",\"type\":\"host\"}", "type", "host" },
		{ "{\"schema\":\"mxtls-probe/1\",\"type\":\"host\"}", "schema", "mxtls-probe/1" },
		{ "{\"a\":1,\"b\":[{}],\"c\":null,\"type\":\"host\"", "type", "host" },
		{ "{\"a\":1,\"b\":[{}],\"c\":null,\"d\":0,\"type\":\"host\"}", "type", NULL },
		{ "{\"type\":5}", "type", NULL },
		{ "{\"type\":\"a\\n\"}", "type", NULL },
		{ "{\"type\":\"a", "type", NULL },
		{ "{}", "type", NULL },
		{ "", "type", NULL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct slice got;
		TEST_ROW("%s", rows[i].text);
		bool found =
		    facts_scan_peek(rows[i].text, strlen(rows[i].text), rows[i].name, &got);
		CHECK(found == (rows[i].want != NULL));
		CHECK(slice_is(got, rows[i].want == NULL ? "" : rows[i].want));
	}
}
