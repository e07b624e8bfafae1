#include "base/limits.h"
#include "policy/mtasts.h"
#include "policy/tlsrpt.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

/* --- the record (RFC 8461 s3.1) ------------------------------------------------------------------ */

TEST(records_of_mta_sts)
{
	static const struct {
		const char *text, *id; /* id NULL: refused */
		const char *why;       /* in the reason */
	} rows[] = {
		{ "v=STSv1; id=20160831085700Z;", "20160831085700Z", NULL },
		{ "v=STSv1;id=1", "1", NULL },
		{ "v=STSv1; id=a; ", "a", NULL },
		{ "v=STSv1\t ;\t id=Zz9 ; x=y", "Zz9", NULL },
		{ "v=STSv1; id=12345678901234567890123456789012",
		    "12345678901234567890123456789012", NULL },
		/* unknown fields are ignored, of two ids the first counts */
		{ "v=STSv1; a.b-c_d=!:<>~; id=1; z9=1", "1", NULL },
		{ "v=STSv1; id=1; id=2;", "1", NULL },
		{ "v=STSv1; id=", NULL, "letters and digits" },
		{ "v=STSv1; id=123456789012345678901234567890123", NULL, "letters and digits" },
		{ "v=STSv1; id=2024-01-01", NULL, "letters and digits" },
		{ "v=STSv1; id=1 2", NULL, "letters and digits" },
		{ "v=STSv1; ID=1", NULL, "no id" },
		{ "v=STSv1;", NULL, "no id" },
		{ "v=STSv1; x=y;", NULL, "no id" },
		{ "v=STSv1; id", NULL, "not name=value" },
		{ "v=STSv1;; id=1", NULL, "not name=value" },
		{ "v=STSv1; id=1;;", NULL, "not name=value" },
		{ "v=STSv1; =1; id=1", NULL, "not name=value" },
		{ "v=STSv1; -a=1; id=1", NULL, "not name=value" },
		{ "v=STSv1; a=; id=1", NULL, "not allowed" },
		{ "v=STSv1; a=b=c; id=1", NULL, "not allowed" },
		{ "v=STSv1; a=b c; id=1", NULL, "not allowed" },
		{ "v=STSv1 id=1", NULL, "begin" },
		{ "v=STSv1", NULL, "begin" },
		{ "v=STSv10; id=1", NULL, "begin" },
		{ "V=STSv1; id=1", NULL, "begin" },
		{ "v=stsv1; id=1", NULL, "begin" },
		{ " v=STSv1; id=1", NULL, "begin" },
		{ "", NULL, "begin" },
	};
	struct arena arena;

	arena_init(&arena);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fail why;
		const char *id;
		TEST_ROW("%s", rows[i].text);
		fail_clear(&why);
		int ret = mtasts_record_parse(slice_str(rows[i].text), &arena, &id, &why);
		CHECK_INT(ret, rows[i].id != NULL ? 0 : -1);
		if (ret == 0)
			CHECK_STR(id, rows[i].id);
		else
			CHECK_INT(why.code, FAIL_STS_RECORD);
		if (rows[i].why != NULL)
			CHECK(strstr(why.text, rows[i].why) != NULL);
	}
	arena_free(&arena);
}

TEST(one_record_among_the_texts)
{
	static const struct {
		const char *texts[4];
		enum sts_status status;
		const char *id, *record, *reason; /* NULL: none */
	} rows[] = {
		{ { NULL }, STS_NONE, NULL, NULL, NULL },
		{ { "v=STSv1; id=1" }, STS_VALID, "1", "v=STSv1; id=1", NULL },
		{ { "v=spf1 -all", "v=STSv1; id=1", "" }, STS_VALID, "1", "v=STSv1; id=1", NULL },
		{ { "v=STSv1; id=1", "v=STSv1; id=2" }, STS_RECORD_INVALID, NULL, "v=STSv1; id=1",
		    "there are 2 records" },
		{ { "v=STSv1; id=1", "v=STSv1; id=1" }, STS_RECORD_INVALID, NULL, "v=STSv1; id=1",
		    "there are 2 records" },
		/* what does not begin right is discarded, and does not make a second one */
		{ { "v=STSv1; id=1", "v=STSv2; id=2" }, STS_VALID, "1", "v=STSv1; id=1", NULL },
		{ { "v=STSv1;" }, STS_RECORD_INVALID, NULL, "v=STSv1;", "no id" },
		{ { "v=spf1 -all" }, STS_NONE, NULL, NULL, "not one of MTA-STS" },
		{ { "V=STSV1; id=1" }, STS_RECORD_INVALID, NULL, "V=STSV1; id=1", "begin" },
		{ { "\"v=STSv1; id=1\"" }, STS_RECORD_INVALID, NULL, "\"v=STSv1; id=1\"", "begin" },
	};
	struct arena arena;

	arena_init(&arena);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sts_facts facts;
		struct slice texts[4];
		size_t n = 0;
		TEST_ROW("%s", rows[i].texts[0] == NULL ? "nothing" : rows[i].texts[0]);
		for (; n < 4 && rows[i].texts[n] != NULL; n++)
			texts[n] = slice_str(rows[i].texts[n]);
		facts_init_sts_facts(&facts);
		CHECK_STR(sts_status_str(mtasts_record_read(texts, n, &arena, &facts)),
		    sts_status_str(rows[i].status));
		CHECK_INT(facts.status, rows[i].status);
		CHECK_STR(facts.id, rows[i].id);
		CHECK_STR(facts.record, rows[i].record);
		if (rows[i].reason == NULL)
			CHECK_STR(facts.reason, NULL);
		else
			CHECK(facts.reason != NULL && strstr(facts.reason, rows[i].reason) != NULL);
	}
	arena_free(&arena);
}

/* --- the policy (s3.2) --------------------------------------------------------------------------- */

#define HEAD "version: STSv1\nmode: enforce\n"
#define TAIL "max_age: 604800\n"

static const char *
joined(const struct strs *list, char *out, size_t n)
{
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = 0; i < list->n; i++)
		len += (size_t)snprintf(out + len, n - len, "%s%s", i == 0 ? "" : " ", list->v[i]);
	return out;
}

TEST(policies)
{
	static const struct {
		const char *text;
		enum sts_mode mode; /* UNKNOWN: refused */
		int64_t max_age;
		const char *mx;
		const char *finding; /* in the first finding, or in the reason */
	} rows[] = {
		/* the example of the RFC, with LF and with CRLF, with and without an end */
		{ "version: STSv1\nmode: enforce\nmx: mail.example.com\nmx: *.example.net\n"
		  "mx: backupmx.example.com\nmax_age: 604800\n",
		    STS_MODE_ENFORCE, 604800, "mail.example.com *.example.net backupmx.example.com",
		    NULL },
		{ "version: STSv1\r\nmode: testing\r\nmx: MX.example\r\nmax_age: 604800",
		    STS_MODE_TESTING, 604800, "mx.example", NULL },
		{ "version:STSv1\nmode:\t none \nmax_age:86400  \r\n", STS_MODE_NONE, 86400, "",
		    NULL },
		{ HEAD "mx: a\n" TAIL, STS_MODE_ENFORCE, 604800, "a", NULL },
		{ HEAD "mx: a_b.xn--bcher-kva.example\n" TAIL, STS_MODE_ENFORCE, 604800,
		    "a_b.xn--bcher-kva.example", NULL },
		/* order is free */
		{ "max_age: 604800\nmx: a.example\nmode: enforce\nversion: STSv1\n",
		    STS_MODE_ENFORCE, 604800, "a.example", NULL },
		/* unknown keys */
		{ HEAD "mx: a.example\nnew.key-1_: \xc3\xbc x\n" TAIL, STS_MODE_ENFORCE, 604800,
		    "a.example", NULL },
		{ HEAD "mx: a.example\nMX: b.example\n" TAIL, STS_MODE_ENFORCE, 604800, "a.example",
		    "lower case" },
		/* of two the first counts */
		{ HEAD "mode: none\nmx: a.example\n" TAIL, STS_MODE_ENFORCE, 604800, "a.example",
		    "mode is there twice" },
		{ HEAD "mx: a.example\nmax_age: 86400\n" TAIL, STS_MODE_ENFORCE, 86400, "a.example",
		    "max_age is there twice" },
		{ HEAD "version: STSv2\nmx: a.example\n" TAIL, STS_MODE_ENFORCE, 604800,
		    "a.example", "version is there twice" },
		/* max_age */
		{ HEAD "mx: a.example\nmax_age: 0\n", STS_MODE_ENFORCE, 0, "a.example",
		    "less than a day" },
		{ HEAD "mx: a.example\nmax_age: 86399\n", STS_MODE_ENFORCE, 86399, "a.example",
		    "less than a day" },
		{ HEAD "mx: a.example\nmax_age: 86400\n", STS_MODE_ENFORCE, 86400, "a.example",
		    NULL },
		{ HEAD "mx: a.example\nmax_age: 31557600\n", STS_MODE_ENFORCE, 31557600,
		    "a.example", NULL },
		{ HEAD "mx: a.example\nmax_age: 31557601\n", STS_MODE_ENFORCE, 31557600,
		    "a.example", "above the maximum" },
		{ HEAD "mx: a.example\nmax_age: 9999999999\n", STS_MODE_ENFORCE, 31557600,
		    "a.example", "above the maximum" },
		{ HEAD "mx: a.example\nmax_age: 10000000000\n", 0, 0, "", "line 4: max_age" },
		{ HEAD "mx: a.example\nmax_age: -1\n", 0, 0, "", "line 4: max_age" },
		{ HEAD "mx: a.example\nmax_age: 1d\n", 0, 0, "", "line 4: max_age" },
		{ HEAD "mx: a.example\nmax_age:\n", 0, 0, "", "line 4: max_age" },
		/* empty lines: not right, but they harm nobody */
		{ HEAD "mx: a.example\n" TAIL "\n\r\n", STS_MODE_ENFORCE, 604800, "a.example",
		    NULL },
		{ HEAD "\nmx: a.example\n" TAIL, STS_MODE_ENFORCE, 604800, "a.example",
		    "empty lines" },
		/* what is missing */
		{ "", 0, 0, "", "empty" },
		{ "version: STSv1\n", 0, 0, "", "no \"mode:\"" },
		{ "mode: enforce\nmx: a.example\n" TAIL, 0, 0, "", "no \"version:\"" },
		{ HEAD TAIL, 0, 0, "", "no \"mx:\"" },
		{ HEAD "mx: a.example\n", 0, 0, "", "no \"max_age:\"" },
		{ "version: STSv1\nMode: enforce\nmx: a.example\n" TAIL, 0, 0, "", "no \"mode:\"" },
		/* values */
		{ "version: STSv2\nmode: enforce\nmx: a.example\n" TAIL, 0, 0, "",
		    "line 1: the version" },
		{ "version: stsv1\nmode: enforce\nmx: a.example\n" TAIL, 0, 0, "",
		    "line 1: the version" },
		{ "version: STSv1\nmode: Enforce\nmx: a.example\n" TAIL, 0, 0, "",
		    "line 2: the mode" },
		{ HEAD "mx: a.example.\n" TAIL, 0, 0, "", "line 3: mx must be written without" },
		{ HEAD "mx: b\xc3\xbc"
		       "cher.example\n" TAIL,
		    0, 0, "", "A-labels" },
		{ HEAD "mx:\n" TAIL, 0, 0, "", "line 3: mx" },
		{ HEAD "mx: *\n" TAIL, 0, 0, "", "line 3: mx" },
		{ HEAD "mx: *.\n" TAIL, 0, 0, "", "line 3: mx" },
		{ HEAD "mx: *.*.example\n" TAIL, 0, 0, "", "line 3: mx" },
		{ HEAD "mx: a.*.example\n" TAIL, 0, 0, "", "line 3: mx" },
		{ HEAD "mx: a..example\n" TAIL, 0, 0, "", "line 3: mx" },
		{ HEAD "mx: .example\n" TAIL, 0, 0, "", "line 3: mx" },
		{ HEAD "mx: -a.example\n" TAIL, 0, 0, "", "line 3: mx" },
		{ HEAD "mx: a.example, b.example\n" TAIL, 0, 0, "", "line 3: mx" },
		{ HEAD "mx: [192.0.2.1]\n" TAIL, 0, 0, "", "line 3: mx" },
		/* lines */
		{ HEAD "mx a.example\n" TAIL, 0, 0, "", "line 3: expected" },
		{ HEAD " mx: a.example\n" TAIL, 0, 0, "", "line 3: expected" },
		{ HEAD "mx : a.example\n" TAIL, 0, 0, "", "line 3: expected" },
		{ HEAD ": a.example\n" TAIL, 0, 0, "", "line 3: expected" },
		{ HEAD "-x: a\nmx: a.example\n" TAIL, 0, 0, "", "line 3: expected" },
		{ HEAD "mx: a.example\nnew:\n" TAIL, 0, 0, "", "line 4: not a value" },
		{ HEAD "mx: a.example\nnew: \xff\n" TAIL, 0, 0, "", "line 4: not a value" },
		{ HEAD "mx: a.example\n# comment\n" TAIL, 0, 0, "", "line 4: expected" },
		{ HEAD "mx: a.example\rmax_age: 1\n", 0, 0, "", "line 3: control" },
		{ HEAD "mx: a.example\x1b[31m\n" TAIL, 0, 0, "", "line 3: control" },
		{ "\xef\xbb\xbfversion: STSv1\n", 0, 0, "", "byte order mark" },
		{ "<!DOCTYPE html>\n<html>", 0, 0, "", "web page" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mtasts_policy policy;
		struct strs findings = { NULL, 0, 0 };
		struct arena arena;
		struct fail why;
		char mx[1000];
		TEST_ROW("%s", rows[i].text);
		arena_init(&arena);
		fail_clear(&why);
		int ret =
		    mtasts_policy_parse(slice_str(rows[i].text), &arena, &policy, &findings, &why);
		CHECK_INT(ret, rows[i].mode == STS_MODE_UNKNOWN ? -1 : 0);
		const char *said = ret != 0 ? why.text : findings.n > 0 ? findings.v[0] : NULL;
		if (ret == 0) {
			CHECK_STR(sts_mode_str(policy.mode), sts_mode_str(rows[i].mode));
			CHECK_INT(policy.max_age, rows[i].max_age);
			CHECK_STR(joined(&policy.mx, mx, sizeof(mx)), rows[i].mx);
		} else {
			CHECK_INT(why.code, FAIL_STS_POLICY);
		}
		if (rows[i].finding == NULL)
			CHECK_STR(said, NULL);
		else if (said == NULL || strstr(said, rows[i].finding) == NULL)
			CHECK_STR(said, rows[i].finding);
		arena_free(&arena);
	}
}

TEST(a_policy_has_a_maximum)
{
	size_t n = LIMIT_STS_POLICY_BYTES + 1;
	char *text = malloc(n);
	struct mtasts_policy policy;
	struct strs findings = { NULL, 0, 0 };
	struct arena arena;
	struct fail why;

	arena_init(&arena);
	for (size_t i = 0; i < n; i++)
		text[i] = "mx:a\n"[i % 5];
	CHECK_INT(mtasts_policy_parse(slice_make(text, n), &arena, &policy, &findings, &why), -1);
	CHECK(strstr(why.text, "64 KiB") != NULL);
	/* up to it, whatever it is made of */
	CHECK_INT(
	    mtasts_policy_parse(slice_make(text, n - 1), &arena, &policy, &findings, &why), -1);
	CHECK(policy.mx.n > 10000);
	CHECK_INT(mtasts_policy_parse(slice_make("a\0b: c", 6), &arena, &policy, NULL, &why), -1);
	arena_free(&arena);
	free(text);
}

/* --- matching (s4.1) ----------------------------------------------------------------------------- */

TEST(mx_patterns)
{
	static const struct {
		const char *patterns[3], *host;
		bool matches;
	} rows[] = {
		{ { "mx.example.com" }, "mx.example.com", true },
		{ { "mx.example.com" }, "MX.Example.COM", true },
		{ { "mx.example.com" }, "mx.example.com.", true },
		{ { "mx.example.com" }, "mx2.example.com", false },
		{ { "mx.example.com" }, "example.com", false },
		{ { "mx.example.com" }, "a.mx.example.com", false },
		{ { "*.example.com" }, "mx.example.com", true },
		{ { "*.example.com" }, "mx.EXAMPLE.com.", true },
		{ { "*.example.com" }, "example.com", false },
		{ { "*.example.com" }, "a.mx.example.com", false },
		{ { "*.example.com" }, ".example.com", false },
		{ { "*.example.com" }, "mxexample.com", false },
		{ { "*.com" }, "example.com", true },
		{ { "*.example.com" }, "*.example.com", true },
		{ { "a.example", "b.example" }, "b.example", true },
		{ { "a.example", "*.b.example" }, "x.b.example", true },
		{ { "xn--bcher-kva.example" }, "xn--bcher-kva.example", true },
		{ { NULL }, "a.example", false },
		{ { "a" }, "a", true },
		{ { "a" }, "", false },
		{ { "*.example" }, "", false },
	};
	struct arena arena;

	arena_init(&arena);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct strs patterns = { NULL, 0, 0 };
		TEST_ROW("%s", rows[i].host);
		for (size_t j = 0; j < 3 && rows[i].patterns[j] != NULL; j++)
			strs_add(&patterns, &arena, rows[i].patterns[j]);
		CHECK_INT(mtasts_mx_matches(&patterns, rows[i].host), rows[i].matches);
	}
	arena_free(&arena);
}

TEST(media_types)
{
	static const struct {
		const char *type;
		bool ok;
	} rows[] = { { "text/plain", true }, { "text/plain; charset=utf-8", true },
		{ "Text/Plain;charset=us-ascii", true }, { " text/plain ", true },
		{ "text/html", false }, { "text/plainx", false }, { "", false }, { NULL, false },
		{ "application/octet-stream", false } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		TEST_ROW("%s", rows[i].type == NULL ? "(null)" : rows[i].type);
		CHECK_INT(mtasts_media_type_ok(rows[i].type), rows[i].ok);
	}
}

TEST(hosts_are_held_against_the_policy)
{
	struct exchange_facts mx[3];
	struct mtasts_policy policy = { .mode = STS_MODE_TESTING, .max_age = 7 };
	struct sts_facts sts;
	struct arena arena;

	arena_init(&arena);
	facts_init_sts_facts(&sts);
	for (int i = 0; i < 3; i++) {
		facts_init_exchange_facts(&mx[i]);
		mx[i].name = arena_printf(&arena, "mx%d.example", i);
	}
	/* without a policy nothing is said */
	mtasts_match_exchanges(&sts, mx, 3, &arena);
	CHECK_INT(mx[0].sts_match, TRI_UNKNOWN);
	strs_add(&policy.mx, &arena, "mx0.example");
	strs_add(&policy.mx, &arena, "mx2.example");
	mtasts_facts_policy(&sts, &policy, &arena);
	CHECK(!mtasts_is_enforced(&sts));
	mtasts_match_exchanges(&sts, mx, 3, &arena);
	CHECK_INT(mx[0].sts_match, TRI_YES);
	CHECK_INT(mx[1].sts_match, TRI_NO);
	CHECK_INT(mx[2].sts_match, TRI_YES);
	CHECK_INT(sts.unmatched_mx.n, 1);
	CHECK_STR(sts.unmatched_mx.v[0], "mx1.example");
	CHECK_STR(sts.result_type, "x-sts-mx-mismatch");
	sts.mode = STS_MODE_ENFORCE;
	CHECK(mtasts_is_enforced(&sts));
	arena_free(&arena);
}

/* --- TLSRPT (RFC 8460 s3) ------------------------------------------------------------------------ */

TEST(records_of_tlsrpt)
{
	static const struct {
		const char *texts[3];
		enum tlsrpt_status status;
		const char *rua, *reason;
	} rows[] = {
		{ { NULL }, TLSRPT_NONE, "", NULL },
		{ { "v=spf1 -all" }, TLSRPT_NONE, "", NULL },
		{ { "v=TLSRPTv1;rua=mailto:reports@example.com" }, TLSRPT_VALID,
		    "mailto:reports@example.com", NULL },
		{ { "v=TLSRPTv1; rua=https://reports.example.com/v1/tlsrpt;" }, TLSRPT_VALID,
		    "https://reports.example.com/v1/tlsrpt", NULL },
		{ { "v=TLSRPTv1 ; rua=mailto:a@b.example , https://c.example/ ; x=y" },
		    TLSRPT_VALID, "mailto:a@b.example https://c.example/", NULL },
		{ { "x", "v=TLSRPTv1; rua=mailto:a@b" }, TLSRPT_VALID, "mailto:a@b", NULL },
		{ { "v=TLSRPTv1; rua=mailto:a@b", "v=TLSRPTv1; rua=mailto:a@b" }, TLSRPT_INVALID,
		    "", "there are 2 records" },
		{ { "v=TLSRPTv1;" }, TLSRPT_INVALID, "", "no rua" },
		{ { "v=TLSRPTv1; rua=" }, TLSRPT_INVALID, "", "empty" },
		{ { "v=TLSRPTv1; rua=a@b.example" }, TLSRPT_INVALID, "", "neither mailto" },
		{ { "v=TLSRPTv1; rua=http://a.example/" }, TLSRPT_INVALID, "", "neither mailto" },
		{ { "v=TLSRPTv1; rua=mailto:nobody" }, TLSRPT_INVALID, "", "neither mailto" },
		{ { "v=TLSRPTv1; rua=mailto:a@b c" }, TLSRPT_INVALID, "", "neither mailto" },
		{ { "v=TLSRPTv1; rua=mailto:a@b!10m" }, TLSRPT_INVALID, "", "neither mailto" },
		{ { "v=TLSRPTv1; rua" }, TLSRPT_INVALID, "", "not name=value" },
		{ { "v=TLSRPTv1 rua=mailto:a@b" }, TLSRPT_INVALID, "", "begin" },
		{ { "v=tlsrptv1; rua=mailto:a@b" }, TLSRPT_INVALID, "", "begin" },
	};
	struct arena arena;

	arena_init(&arena);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct tlsrpt_facts facts;
		struct slice texts[3];
		size_t n = 0;
		char rua[500];
		TEST_ROW("%s", rows[i].texts[0] == NULL ? "nothing" : rows[i].texts[0]);
		for (; n < 3 && rows[i].texts[n] != NULL; n++)
			texts[n] = slice_str(rows[i].texts[n]);
		tlsrpt_read(texts, n, &arena, &facts);
		CHECK_STR(tlsrpt_status_str(facts.status), tlsrpt_status_str(rows[i].status));
		CHECK_STR(joined(&facts.rua, rua, sizeof(rua)), rows[i].rua);
		if (rows[i].reason == NULL)
			CHECK_STR(facts.reason, NULL);
		else
			CHECK(facts.reason != NULL && strstr(facts.reason, rows[i].reason) != NULL);
	}
	arena_free(&arena);
}
