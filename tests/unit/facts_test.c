#include "base/facts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "test.h"

static char *
at(const void *facts, size_t offset)
{
	return (char *)(uintptr_t)facts + offset;
}

static size_t
list_count(const struct fact_field *field, const void *facts)
{
	return *(size_t *)(void *)at(facts, field->offset_n);
}

/* Give every field of the table a value that differs from its neighbours'. */
static void
fill(const struct fact_table *table, void *facts, struct arena *arena, int64_t *counter)
{
	table->init(facts);
	for (size_t i = 0; i < table->field_count; i++) {
		const struct fact_field *field = &table->fields[i];
		void *p = at(facts, field->offset);
		int64_t n = ++*counter;
		switch (field->kind) {
		case FACT_KIND_STR:
			*(char **)p = arena_printf(arena, "text %d", (int)n);
			break;
		case FACT_KIND_STRS:
			for (int64_t k = 0; k < n % 4; k++)
				strs_add(p, arena, arena_printf(arena, "%d.%d", (int)n, (int)k));
			break;
		case FACT_KIND_INT:
		case FACT_KIND_COUNT:
			*(int64_t *)p = n % 7 == 0 ? INT64_MAX - n : n;
			break;
		case FACT_KIND_BOOL:
			*(bool *)p = n % 2 == 0;
			break;
		case FACT_KIND_TRI:
			*(enum tri *)p = n % 2 == 0 ? TRI_YES : TRI_NO;
			break;
		case FACT_KIND_SECS:
			*(double *)p = (double)n + 0.000001 * (double)(n * 7919 % 1000000);
			break;
		case FACT_KIND_TIME:
			*(int64_t *)p = n % 2 == 0 ? 1700000000 + n * 86399 : -86399 * n;
			break;
		case FACT_KIND_WORD: {
			int words = 0;
			while (field->word_str(words) != NULL)
				words++;
			*(int *)p = (int)(n % words);
			break;
		}
		case FACT_KIND_SUB:
			fill(field->sub, p, arena, counter);
			break;
		case FACT_KIND_LIST:
		case FACT_KIND_KEYED:
			for (int k = 0; k < 3; k++)
				fill(field->sub,
				    arena_push(arena, p,
					(size_t *)(void *)at(facts, field->offset_n),
					field->sub->size),
				    arena, counter);
			break;
		}
	}
}

static void
same_strs(const struct strs *a, const struct strs *b)
{
	CHECK_INT(a->n, b->n);
	for (size_t i = 0; i < a->n && i < b->n; i++)
		CHECK_STR(a->v[i], b->v[i]);
}

/* got was read from what want was written to. */
static void
same(const struct fact_table *table, const void *got, const void *want)
{
	for (size_t i = 0; i < table->field_count; i++) {
		const struct fact_field *field = &table->fields[i];
		const void *g = at(got, field->offset), *w = at(want, field->offset);
		TEST_ROW("%s.%s", table->name, field->path);
		switch (field->kind) {
		case FACT_KIND_STR:
			CHECK_STR(*(char *const *)g, *(char *const *)w);
			break;
		case FACT_KIND_STRS:
			same_strs(g, w);
			break;
		case FACT_KIND_INT:
		case FACT_KIND_COUNT:
		case FACT_KIND_TIME:
			CHECK_INT(*(const int64_t *)g, *(const int64_t *)w);
			break;
		case FACT_KIND_BOOL:
			CHECK_INT(*(const bool *)g, *(const bool *)w);
			break;
		case FACT_KIND_TRI:
		case FACT_KIND_WORD:
			CHECK_INT(*(const int *)g, *(const int *)w);
			break;
		case FACT_KIND_SECS: {
			double off = *(const double *)g - *(const double *)w;
			CHECK(off < 1e-6 && off > -1e-6);
			break;
		}
		case FACT_KIND_SUB:
			same(field->sub, g, w);
			break;
		case FACT_KIND_LIST:
		case FACT_KIND_KEYED:
			CHECK_INT(list_count(field, got), list_count(field, want));
			for (size_t k = 0; k < list_count(field, got); k++)
				same(field->sub, *(char *const *)g + k * field->sub->size,
				    *(char *const *)w + k * field->sub->size);
			break;
		}
	}
}

static int
read_text(const char *text, struct arena *arena, struct target_facts *facts_r, struct fail *why)
{
	return facts_read_json(&fact_table_target_facts, text, strlen(text), arena, facts_r, why);
}

TEST(a_copy_is_the_same_and_shares_nothing)
{
	struct target_facts facts, copy;
	struct arena arena, other;
	int64_t counter = 0;

	arena_init(&arena);
	arena_init(&other);
	fill(&fact_table_target_facts, &facts, &arena, &counter);
	facts_copy(&fact_table_target_facts, &copy, &facts, &other);
	same(&fact_table_target_facts, &copy, &facts);
	CHECK(copy.exchanges[2].hosts[2].tls != facts.exchanges[2].hosts[2].tls);
	/* the same again when what it was made from is gone */
	arena_free(&arena);
	arena_init(&arena);
	counter = 0;
	fill(&fact_table_target_facts, &facts, &arena, &counter);
	same(&fact_table_target_facts, &copy, &facts);
	struct exchange_facts *more =
	    arena_push(&other, &copy.exchanges, &copy.exchanges_n, sizeof(*copy.exchanges));
	facts_init_exchange_facts(more);
	CHECK_STR(copy.exchanges[2].name, facts.exchanges[2].name);
	arena_free(&arena);
	arena_free(&other);
}

TEST(a_filled_record_reads_back_as_it_was_written)
{
	struct target_facts facts, back;
	struct arena arena;
	struct fail why = { 0 };
	struct buf out;
	int64_t counter = 0;

	arena_init(&arena);
	buf_init(&out, 1 << 20);
	fill(&fact_table_target_facts, &facts, &arena, &counter);
	CHECK_INT(facts_write_json(&fact_table_target_facts, &facts, &out), 0);
	CHECK(memchr(out.data, '\n', out.len) == NULL);
	CHECK_INT(
	    facts_read_json(&fact_table_target_facts, out.data, out.len, &arena, &back, &why), 0);
	CHECK_STR(why.text, "");
	CHECK_INT(back.exchanges[2].hosts[2].tls_n, 3);
	same(&fact_table_target_facts, &back, &facts);

	/* what was read may be appended to: the capacity of lists is right */
	struct exchange_facts *more =
	    arena_push(&arena, &back.exchanges, &back.exchanges_n, sizeof(*back.exchanges));
	facts_init_exchange_facts(more);
	CHECK_INT(back.exchanges_n, 4);
	CHECK_STR(back.exchanges[2].name, facts.exchanges[2].name);
	buf_free(&out);
	arena_free(&arena);
}

TEST(unknown_values_are_null_and_stay_unknown)
{
	struct target_facts facts, back;
	struct arena arena;
	struct fail why;
	struct buf out;

	arena_init(&arena);
	buf_init(&out, 1 << 16);
	facts_init_target_facts(&facts);
	CHECK_INT(facts_write_json(&fact_table_target_facts, &facts, &out), 0);
	CHECK_STR(buf_str(&out),
	    "{\"schema\":null,\"type\":null,\"seq\":null,\"domain\":null,\"alabel\":null,\"rank\":"
	    "null,\"timestamp\":null,"
	    "\"duration\":null,\"mx_status\":\"unknown\",\"dns\":{\"resolver\":null,"
	    "\"status\":\"not_asked\",\"dnssec\":\"not_checked\",\"ttl\":null,\"duration\":null,"
	    "\"error\":null},\"exchanges\":[],\"exchanges_left_out\":0,\"mta_sts\":{"
	    "\"record\":null,\"id\":null,\"policy_status\":\"not_checked\",\"mode\":\"unknown\","
	    "\"max_age\":null,\"mx\":[],\"unmatched_mx\":[],\"policy_host\":null,\"ip\":null,"
	    "\"http_status\":null,\"content_type\":null,\"certificate_starts\":null,\"certificate_"
	    "expires\":null,\"duration\":"
	    "null,\"cached\":false,"
	    "\"fetched\":null,\"expires\":null,\"result_type\":null,\"reason\":null,"
	    "\"findings\":[]},\"tlsrpt\":{\"record\":null,\"rua\":[],\"status\":\"not_checked\","
	    "\"reason\":null},\"certificates\":{},"
	    "\"summary\":{"
	    "\"starttls\":\"unknown\",\"verdict\":\"unknown\",\"mixed\":false,\"reasons\":[],"
	    "\"hosts\":0,\"measured\":0,\"unknown\":0,\"exit_status\":null,\"min_days_left\":null}"
	    "}");
	CHECK_INT(read_text(buf_str(&out), &arena, &back, &why), 0);
	same(&fact_table_target_facts, &back, &facts);
	CHECK_INT(read_text("{}", &arena, &back, &why), 0);
	same(&fact_table_target_facts, &back, &facts);
	buf_free(&out);
	arena_free(&arena);
}

TEST(dotted_paths_nest_and_neighbours_share_their_object)
{
	struct cert_facts cert;
	struct buf out;

	buf_init(&out, 1 << 16);
	facts_init_cert_facts(&cert);
	cert.not_before = 1;
	cert.not_after = 1769860800;
	cert.key_bits = 256;
	cert.key_type = KEY_ECDSA;
	CHECK_INT(facts_write_json(&fact_table_cert_facts, &cert, &out), 0);
	CHECK(strstr(buf_str(&out),
		  "\"serial_number\":null,\"validity\":{\"start\":\"1970-01-01T00:00:01Z\","
		  "\"end\":\"2026-01-31T12:00:00Z\",\"days_left\":null},"
		  "\"signature_algorithm\":{\"name\":null},"
		  "\"subject_key_info\":{\"key_algorithm\":{\"name\":\"ecdsa\",\"bits\":256}},"
		  "\"is_ca\":false") != NULL);
	buf_free(&out);
}

TEST(certificates_are_keyed_by_fingerprint)
{
	struct target_facts facts;
	struct arena arena;
	struct fail why;

	arena_init(&arena);
	CHECK_INT(read_text("{\"certificates\":{\"aa\":{\"subject_dn\":\"CN=a\"},"
			    "\"bb\":{\"fingerprint_sha256\":\"cc\"}}}",
		      &arena, &facts, &why),
	    0);
	CHECK_INT(facts.certs_n, 2);
	CHECK_STR(facts.certs[0].fingerprint, "aa");
	CHECK_STR(facts.certs[0].subject, "CN=a");
	CHECK_STR(facts.certs[1].fingerprint, "bb"); /* the key decides */
	arena_free(&arena);
}

TEST(remote_bytes_become_valid_json_on_one_line)
{
	static const struct {
		const char *bytes, *json, *back; /* back NULL: as bytes */
	} rows[] = {
		{ "", "\"\"", NULL }, { "220 mx ESMTP", "\"220 mx ESMTP\"", NULL },
		{ "a\"b\\c/", "\"a\\\"b\\\\c/\"", NULL },
		{ "\x01\x1f\t\r\n\b\f", "\"\\u0001\\u001f\\t\\r\\n\\u0008\\u000c\"", NULL },
		{ "\x7f", "\"\\u007f\"", NULL },
		{ "gr\xc3\xbc\xc3\x9f", "\"gr\xc3\xbc\xc3\x9f\"", NULL },
		{ "\xc2\x9b"
		  "31m",
		    "\"\\u009b31m\"", NULL }, /* a C1 control: CSI */
		{ "\xe2\x80\xa8\xe2\x80\xae\xe2\x81\xa6", "\"\\u2028\\u202e\\u2066\"", NULL },
		{ "\xe2\x80\xa7\xe2\x80\xaf", "\"\xe2\x80\xa7\xe2\x80\xaf\"", NULL },
		{ "\xf0\x9f\x93\xa7", "\"\xf0\x9f\x93\xa7\"", NULL },
		{ "\xe9t\xe9", "\"\\u00e9t\\u00e9\"", "\xc3\xa9t\xc3\xa9" }, /* Latin-1 */
		{ "\xff\xfe", "\"\\u00ff\\u00fe\"", "\xc3\xbf\xc3\xbe" },
		{ "\xc0\xaf", "\"\\u00c0\\u00af\"", "\xc3\x80\xc2\xaf" }, /* overlong */
		{ "\xed\xa0\x80", "\"\\u00ed\\u00a0\\u0080\"",
		    "\xc3\xad\xc2\xa0\xc2\x80" }, /* surrogate */
		{ "\xf4\x90\x80\x80", "\"\\u00f4\\u0090\\u0080\\u0080\"",
		    "\xc3\xb4\xc2\x90\xc2\x80\xc2\x80" }, /* past U+10FFFF */
		{ "cut \xe2\x82", "\"cut \\u00e2\\u0082\"",
		    "cut \xc3\xa2\xc2\x82" }, /* cut short */
		{ "\xef\xbb\xbf\xef\xbf\xbf", "\"\xef\xbb\xbf\xef\xbf\xbf\"",
		    NULL }, /* BOM, U+FFFF */
	};
	struct host_facts host, back;
	struct arena arena;
	struct fail why = { 0 };
	struct buf out;

	arena_init(&arena);
	buf_init(&out, 1 << 16);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		TEST_ROW("%zu: %s", i, rows[i].json);
		buf_reset(&out);
		CHECK_INT(json_text(&out, slice_str(rows[i].bytes)), 0);
		CHECK_STR(buf_str(&out), rows[i].json);
		facts_init_host_facts(&host);
		host.banner = arena_strdup(&arena, rows[i].bytes);
		strs_add(&host.ehlo, &arena, rows[i].bytes);
		buf_reset(&out);
		CHECK_INT(facts_write_json(&fact_table_host_facts, &host, &out), 0);
		CHECK_INT(
		    facts_read_json(&fact_table_host_facts, out.data, out.len, &arena, &back, &why),
		    0);
		CHECK_STR(why.text, "");
		const char *want = rows[i].back == NULL ? rows[i].bytes : rows[i].back;
		CHECK_STR(back.banner, want);
		CHECK_STR(back.ehlo.n == 1 ? back.ehlo.v[0] : NULL, want);
	}
	buf_free(&out);
	arena_free(&arena);
}

TEST(a_full_buffer_is_an_error)
{
	struct target_facts facts;
	struct buf out;

	buf_init(&out, 100);
	facts_init_target_facts(&facts);
	CHECK_INT(facts_write_json(&fact_table_target_facts, &facts, &out), -1);
	CHECK(out.len <= 100);
	buf_free(&out);
}

TEST(numbers_out_of_range_are_null_not_nonsense)
{
	static const struct {
		double secs;
		const char *json;
	} rows[] = { { 0, "0.0" }, { 0.25, "0.25" }, { 1, "1.0" }, { 0.0000004, "0.0" },
		{ 0.0000016, "0.000002" }, { 1.999999, "1.999999" }, { 1.9999999, "2.0" },
		{ 123456.05, "123456.05" }, { 1e9, "1000000000.0" }, { 1.1e9, "null" },
		{ -1, "null" }, { (double)INFINITY, "null" } };
	static const struct {
		int64_t t;
		const char *json;
	} times[] = { { 0, "null" }, { 1, "\"1970-01-01T00:00:01Z\"" },
		{ -1, "\"1969-12-31T23:59:59Z\"" }, { 951782400, "\"2000-02-29T00:00:00Z\"" },
		{ 253402300799, "\"9999-12-31T23:59:59Z\"" }, { 253402300800, "null" },
		{ -30610224000, "\"1000-01-01T00:00:00Z\"" }, { -30610224001, "null" },
		{ INT64_MAX, "null" }, { INT64_MIN, "null" } };
	struct json j;
	struct buf out;

	buf_init(&out, 1 << 10);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		buf_reset(&out);
		json_init(&j, &out);
		json_put_secs(&j, rows[i].secs);
		CHECK_STR(buf_str(&out), rows[i].json);
	}
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		buf_reset(&out);
		json_init(&j, &out);
		json_put_time(&j, times[i].t);
		CHECK_STR(buf_str(&out), times[i].json);
	}
	buf_reset(&out);
	json_init(&j, &out);
	json_array_begin(&j);
	json_put_int(&j, INT64_MIN);
	json_put_int(&j, INT64_MAX);
	json_put_int(&j, -1);
	json_put_bool(&j, true);
	json_object_begin(&j);
	json_key(&j, slice_str("a\"b"));
	json_put_null(&j);
	json_key(&j, slice_str("c"));
	json_array_begin(&j);
	json_array_end(&j);
	json_object_end(&j);
	json_put_str(&j, NULL);
	json_array_end(&j);
	CHECK_STR(buf_str(&out), "[-9223372036854775808,9223372036854775807,-1,true,"
				 "{\"a\\\"b\":null,\"c\":[]},null]");
	buf_free(&out);
}

TEST(only_exact_times_are_read)
{
	static const struct {
		const char *text;
		int64_t t; /* 0: refused */
	} rows[] = { { "2026-01-31T12:00:00Z", 1769860800 }, { "1969-12-31T23:59:59Z", -1 },
		{ "2000-02-29T00:00:00Z", 951782400 }, { "2026-02-29T00:00:00Z", 0 },
		{ "2026-1-31T12:00:00Z", 0 }, { "2026-01-31 12:00:00Z", 0 },
		{ "2026-01-31T12:00:00", 0 }, { "2026-01-31T12:00:00+00:00", 0 },
		{ " 2026-01-31T12:00:00Z", 0 }, { "2026-01-31T24:00:00Z", 0 },
		{ "2016-12-31T23:59:60Z", 0 }, { "", 0 }, { "now", 0 } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t t = 0;
		TEST_ROW("%s", rows[i].text);
		CHECK_INT(json_time_parse(rows[i].text, &t), rows[i].t != 0);
		CHECK_INT(t, rows[i].t);
	}
}

TEST(read_errors_name_the_path_and_what_was_expected)
{
	static const struct {
		const char *json, *error;
	} rows[] = {
		{ "[]", "the record is an array, expected an object" },
		{ "7", "the record is a number, expected an object" },
		{ "{\"domain\":7}", "domain is a number, expected a string" },
		{ "{\"duration\":\"1\"}", "duration is a string, expected a number from 0" },
		{ "{\"duration\":-1}", "duration is a number, expected a number from 0" },
		{ "{\"mx_status\":\"maybe\"}", "mx_status has the unknown word \"maybe\"" },
		{ "{\"mx_status\":true}", "mx_status is true, expected a word" },
		{ "{\"timestamp\":\"yesterday\"}",
		    "timestamp is a string, expected a time such as \"2026-01-31T12:00:00Z\"" },
		{ "{\"dns\":[]}", "dns is an array, expected an object" },
		{ "{\"dns\":{\"ttl\":1.5}}",
		    "dns.ttl is a number, expected a whole number from 0" },
		{ "{\"exchanges\":{}}", "exchanges is an object, expected an array of objects" },
		{ "{\"exchanges\":[{},null]}", "exchanges[1] is null, expected an object" },
		{ "{\"exchanges\":[{\"hosts\":[{},{\"port\":\"25\"}]}]}",
		    "exchanges[0].hosts[1].port is a string, expected a whole number from 0" },
		{ "{\"exchanges\":[{\"hosts\":[{\"tls\":[{\"validation\":{\"errors\":[\"a\",1]}}]}]"
		  "}]}",
		    "exchanges[0].hosts[0].tls[0].validation.errors[1] is a number, expected a "
		    "string" },
		{ "{\"exchanges\":[{\"hosts\":[{\"tls\":[{\"version\":1}]}]}]}",
		    "exchanges[0].hosts[0].tls[0].version is a number, expected an object" },
		{ "{\"exchanges\":[{\"hosts\":[{\"tls\":[{\"version\":{\"name\":false}}]}]}]}",
		    "exchanges[0].hosts[0].tls[0].version.name is false, expected a string" },
		{ "{\"certificates\":[]}",
		    "certificates is an array, expected an object of objects" },
		{ "{\"certificates\":{\"ab\":{\"is_ca\":0}}}",
		    "certificates.ab.is_ca is a number, expected true or false" },
	};
	struct target_facts facts;
	struct arena arena;
	struct fail why;

	arena_init(&arena);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		TEST_ROW("%s", rows[i].json);
		fail_clear(&why);
		CHECK_INT(read_text(rows[i].json, &arena, &facts, &why), -1);
		CHECK_INT(why.code, FAIL_MESSAGE);
		CHECK_STR(why.text, rows[i].error);
	}
	arena_free(&arena);
}

TEST(what_is_not_json_is_refused)
{
	static const char *const rows[] = { "", "{", "{} {}", "{\"domain\":\"a\\u0000b\"}",
		"{\"domain\":\"\xff\"}", "{\"domain\":\"a\",\"domain\":\"b\"}", "{domain:1}",
		"{\"duration\":1e999}", "{\"dns\":{\"ttl\":99999999999999999999}}", "nul" };
	struct target_facts facts;
	struct arena arena;
	struct fail why;

	arena_init(&arena);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		TEST_ROW("%s", rows[i]);
		fail_clear(&why);
		CHECK_INT(read_text(rows[i], &arena, &facts, &why), -1);
		CHECK_INT(why.code, FAIL_MESSAGE);
		CHECK(strncmp(why.text, "not JSON: line 1, column ", 25) == 0);
	}
	arena_free(&arena);
}

TEST(a_nul_byte_is_no_json) /* jansson 2.14 takes one behind an integer */
{
	static const char text[] = "{\"dns\":{\"ttl\":84400\0}}";
	struct target_facts facts;
	struct arena arena;
	struct fail why = { 0 };

	arena_init(&arena);
	CHECK_INT(
	    facts_read_json(&fact_table_target_facts, text, sizeof(text) - 1, &arena, &facts, &why),
	    -1);
	CHECK_STR(why.text, "not JSON: byte 20 is NUL");
	arena_free(&arena);
}

TEST(nesting_is_bounded_but_brackets_in_strings_do_not_count)
{
	struct target_facts facts;
	struct arena arena;
	struct fail why = { 0 };
	char text[4096];

	arena_init(&arena);
	memset(text, '[', 2000);
	text[2000] = '\0';
	CHECK_INT(read_text(text, &arena, &facts, &why), -1);
	CHECK_STR(why.text, "JSON is nested deeper than 32");
	snprintf(text, sizeof(text), "{\"x\":%.*s%.*s}", 31, "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", 31,
	    "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]");
	CHECK_INT(read_text(text, &arena, &facts, &why), 0);
	CHECK_INT(read_text("{\"domain\":\"\\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"}",
		      &arena, &facts, &why),
	    0);
	CHECK_STR(facts.domain, "\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[");
	arena_free(&arena);
}

TEST(unknown_members_are_ignored_wherever_they_stand)
{
	struct target_facts facts;
	struct arena arena;
	struct fail why = { 0 };

	arena_init(&arena);
	CHECK_INT(read_text("{\"seq\":12,\"domain\":\"a.example\",\"mta_stz\":{\"mode\":[1,2]},"
			    "\"exchanges\":[{\"tlsa\":null,\"name\":\"mx\",\"hosts\":null}],"
			    "\"dns\":null}",
		      &arena, &facts, &why),
	    0);
	CHECK_STR(facts.domain, "a.example");
	CHECK_STR(facts.exchanges[0].name, "mx");
	CHECK_INT(facts.exchanges[0].hosts_n, 0);
	CHECK_INT(facts.dns.ttl, -1);
	arena_free(&arena);
}

TEST(tokens_and_values_of_words_belong_together)
{
	enum starttls_state state = STARTTLS_DONE;

	CHECK_STR(starttls_state_str(STARTTLS_NOT_OFFERED), "not-offered");
	CHECK(starttls_state_parse("refused", &state));
	CHECK_INT(state, STARTTLS_REFUSED);
	CHECK(!starttls_state_parse("REFUSED", &state));
	CHECK_INT(state, STARTTLS_REFUSED);
	CHECK_STR(verdict_str((enum verdict)999), "?");
	CHECK_STR(tri_str(TRI_YES), "yes");
}

TEST(the_field_list_has_every_field_with_its_full_path)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	facts_list_fields(&fact_table_target_facts, f);
	fclose(f);
	static const char *const lines[] = {
		"schema\tstring or null\tname and version of this format: mxtls-probe/1\n",
		"\ndns\tobject\tthe MX lookup\n",
		"\ndns.ttl\tinteger or null\ttime to live of the MX records, in seconds\n",
		"\nexchanges[].hosts[].tls[].validation.errors\tstrings\t",
		"\nexchanges[].hosts[].timing.tls\tseconds or null\thandshake\n",
		"\ncertificates[].validity.end\ttime or null\tvalid until\n",
		"\nsummary.starttls\tword\thow many measured addresses completed STARTTLS: "
		"unknown, "
		"none, some, all\n",
	};
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		TEST_ROW("%s", lines[i]);
		CHECK(strstr(text, lines[i]) != NULL);
	}
	free(text);
}

TEST(brief_json_leaves_out_what_says_nothing_and_reads_back_the_same)
{
	struct target_facts facts, back;
	struct host_facts host;
	struct exchange_facts mx;
	struct arena arena;
	struct buf out, whole, again;
	struct fail why;

	arena_init(&arena);
	buf_init(&out, 65536);
	buf_init(&whole, 65536);
	buf_init(&again, 65536);
	facts_init_target_facts(&facts);
	CHECK_INT(facts_write_json_brief(&fact_table_target_facts, &facts, &out), 0);
	/* whoever looks for the verdict finds it */
	CHECK_STR(
	    buf_str(&out), "{\"summary\":{\"starttls\":\"unknown\",\"verdict\":\"unknown\"}}");
	facts_init_host_facts(&host);
	host.ip = arena_strdup(&arena, "192.0.2.1");
	host.port = 25;
	host.attempts = 2;
	host.timing.tls = 0;
	facts_init_exchange_facts(&mx);
	mx.preference = 0;
	mx.hosts = &host;
	mx.hosts_n = 1;
	facts.exchanges = &mx;
	facts.exchanges_n = 1;
	facts.summary.mixed = true;
	buf_reset(&out);
	facts_write_json_brief(&fact_table_target_facts, &facts, &out);
	CHECK_STR(buf_str(&out),
	    "{\"exchanges\":[{\"preference\":0,\"hosts\":[{\"ip\":\"192.0.2.1\",\"port\":25,"
	    "\"attempts\":2,\"timing\":{\"tls\":0.0}}]}],"
	    "\"summary\":{\"starttls\":\"unknown\",\"verdict\":\"unknown\",\"mixed\":true}}");
	CHECK_INT(
	    facts_read_json(&fact_table_target_facts, out.data, out.len, &arena, &back, &why), 0);
	facts_write_json(&fact_table_target_facts, &facts, &whole);
	facts_write_json(&fact_table_target_facts, &back, &again);
	CHECK_STR(buf_str(&again), buf_str(&whole));
	buf_free(&out);
	buf_free(&whole);
	buf_free(&again);
	arena_free(&arena);
}
