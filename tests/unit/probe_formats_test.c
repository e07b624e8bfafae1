#include "app/probe/csv.h"
#include "app/probe/nagios.h"
#include "app/probe/prometheus.h"
#include "policy/verdict.h"
#include "test.h"

#define NOW 1767225600 /* 2026-01-01 */

/* Records are read from JSON, as "report" will. */
static void
read_record(const char *json, struct arena *arena, struct target_facts *facts)
{
	struct bar bar = { 0 };
	struct fail why;

	fail_clear(&why);
	CHECK_INT(
	    facts_read_json(&fact_table_target_facts, json, strlen(json), arena, facts, &why), 0);
	CHECK_STR(why.text, "");
	verdict_summarize(facts, arena, NOW);
	bar_apply(&bar, facts, arena, NOW);
}

static const char good[] =
    "{\"domain\":\"a.test\",\"rank\":7,\"timestamp\":\"2026-01-01T00:00:00Z\",\"duration\":1.5,"
    "\"mx_status\":\"has_mx\",\"exchanges\":[{\"name\":\"mx.a.test\",\"preference\":10,"
    "\"primary\":true,\"status\":\"NOERROR\",\"tlsa\":{\"status\":\"none\"},\"hosts\":[{\"ip\":"
    "\"192.0.2.1\",\"port\":25,\"attempts\":2,\"status\":\"success\",\"banner\":\"mx ESMTP\","
    "\"starttls_state\":\"done\",\"timing\":{\"connect\":0.25,\"tls\":0.5},\"tls\":["
    "{\"sigalg_offer\":\"any\",\"complete\":true,\"key_status\":\"present\",\"version\":{\"name\":"
    "\"TLSv1.3\"},\"cipher_suite\":{\"name\":\"TLS_AES_128_GCM_SHA256\"},\"group\":\"x25519\","
    "\"chain\":[\"aa\"],\"validation\":{\"browser_trusted\":true,\"matches_mx\":true,"
    "\"matched_name\":\"*.a.test\",\"expired\":false},\"dane\":\"none\"},"
    "{\"sigalg_offer\":\"ecdsa\",\"complete\":false,\"key_status\":\"absent\",\"error\":"
    "\"alert\"}]}]}],\"certificates\":{\"aa\":{\"fingerprint_sha256\":\"aa\","
    "\"spki_subject_fingerprint\":\"bb\",\"subject_dn\":\"CN=mx, O=\\\"A\\\"\",\"issuer_dn\":"
    "\"CN=CA\",\"validity\":{\"start\":\"2025-12-01T00:00:00Z\",\"end\":\"2026-03-01T00:00:00Z\"},"
    "\"signature_algorithm\":{\"name\":\"RSA-SHA256\"},\"subject_key_info\":{\"key_algorithm\":"
    "{\"name\":\"rsa\",\"bits\":2048}}}}}";

/* A server that tries everything: formulas, quotes, separators, newlines, terminal sequences. */
#define HOSTILE(domain) \
	"{\"domain\":\"" domain "\",\"mx_status\":\"literal\",\"exchanges\":[{\"name\":" \
	"\"m\\\"x\\\\\",\"primary\":true,\"hosts\":[{\"ip\":\"192.0.2.9\",\"port\":25," \
	"\"attempts\":1,\"status\":\"success\",\"banner\":\"=cmd|' /C calc'!A0\\n,\\\"x\\\"\"," \
	"\"starttls_state\":\"refused\",\"starttls_code\":554,\"starttls\":\"554 a|b=1 " \
	"<b>\\u001b[2J" \
	"\\nMXTLS OK\",\"timing\":{\"connect\":0}}]}]}"

TEST(csv_one_row_for_each_handshake)
{
	struct arena arena;
	struct target_facts facts;
	struct buf out;

	arena_init(&arena);
	buf_init(&out, 1 << 20);
	read_record(good, &arena, &facts);
	probe_csv_write(&facts, &out);
	CHECK_STR(buf_str(&out),
	    "a.test,7,2026-01-01T00:00:00Z,has_mx,pkix,0,not_checked,unknown,not_checked,mx.a.test,"
	    "10,yes,none,,not_checked,192.0.2.1,25,2,"
	    "success,done,,,\"mx "
	    "ESMTP\",any,present,TLSv1.3,TLS_AES_128_GCM_SHA256,x25519,yes,,yes,"
	    "*.a.test,none,rsa,2048,RSA-SHA256,\"CN=mx, O=\"\"A\"\"\",CN=CA,2025-12-01T00:00:00Z,"
	    "2026-03-01T00:00:00Z,59,aa,bb\n"
	    "a.test,7,2026-01-01T00:00:00Z,has_mx,pkix,0,not_checked,unknown,not_checked,mx.a.test,"
	    "10,yes,none,,not_checked,192.0.2.1,25,2,"
	    "success,done,,,\"mx ESMTP\",ecdsa,absent,,,,,,,,not_checked,,,,,,,,,,\n");
	buf_free(&out);
	arena_free(&arena);
}

TEST(csv_cells_are_no_formulas_and_rows_are_lines)
{
	static const char *const banners[][2] = { { "=1+1", "'=1+1" }, { "+1", "'+1" },
		{ "-1", "'-1" }, { "@SUM(A1)", "'@SUM(A1)" }, { "a=b", "a=b" },
		{ "\\t=1", "'\\x09=1" }, { "\\r=1", "'\\x0d=1" }, { "a\\nb", "a\\x0ab" },
		{ "a\\\"b", "\"a\"\"b\"" }, { "a,b", "\"a,b\"" }, { "a;b", "\"a;b\"" },
		{ "=\\\"x\\\"", "\"'=\"\"x\"\"\"" }, { "\\u001b[31m", "\\x1b[31m" },
		{ "\\u202e", "\\xe2\\x80\\xae" }, { "", "" } };

	for (size_t i = 0; i < sizeof(banners) / sizeof(banners[0]); i++) {
		struct arena arena;
		struct target_facts facts;
		struct buf out;
		arena_init(&arena);
		buf_init(&out, 1 << 20);
		TEST_ROW("%s", banners[i][0]);
		read_record(arena_printf(&arena,
				"{\"domain\":\"a\",\"mx_status\":\"literal\",\"exchanges\":[{"
				"\"name\":\"a\","
				"\"hosts\":[{\"ip\":\"b\",\"error\":\"e\",\"banner\":\"%s\"}]}]}",
				banners[i][0]),
		    &arena, &facts);
		probe_csv_write(&facts, &out);
		char *want = arena_printf(&arena, ",e,%s,,,,,,,,,,,,,,,,,,,,\n", banners[i][1]);
		const char *at = strstr(buf_str(&out), ",e,");
		CHECK_STR(at == NULL ? buf_str(&out) : at, want);
		buf_free(&out);
		arena_free(&arena);
	}
}

TEST(csv_header_has_as_many_columns_as_rows_and_every_target_a_row)
{
	static const char *const records[] = { good, HOSTILE("x"),
		"{\"domain\":\"null.test\",\"mx_status\":\"null_mx\"}",
		"{\"domain\":\"b.test\",\"mx_status\":\"has_mx\",\"exchanges\":[{\"name\":\"mx\","
		"\"status\":\"NXDOMAIN\"}]}" };

	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
		struct arena arena;
		struct target_facts facts;
		struct buf out;
		size_t columns = 0, rows = 0;
		arena_init(&arena);
		buf_init(&out, 1 << 20);
		probe_csv_header(&out);
		read_record(records[i], &arena, &facts);
		probe_csv_write(&facts, &out);
		TEST_ROW("record %zu", i);
		for (size_t j = 0, commas = 0, quoted = 0; j < out.len; j++) {
			quoted ^= out.data[j] == '"';
			commas += out.data[j] == ',' && !quoted;
			if (out.data[j] != '\n')
				continue;
			columns = columns == 0 ? commas : columns;
			CHECK_INT(commas, columns);
			CHECK_INT(quoted, 0);
			commas = 0;
			rows++;
		}
		CHECK_INT(columns, 42);
		CHECK_INT(rows, i == 0 ? 3 : 2);
		buf_free(&out);
		arena_free(&arena);
	}
}

/* The line for several records; NULL ends them. */
static void
nagios(const char *const *records, const char *trouble, int want_status, const char *want)
{
	struct probe_nagios n;
	struct bar bar = { 0 };
	struct buf out;

	probe_nagios_init(&n);
	buf_init(&out, 1 << 20);
	size_t count = 0;
	while (records[count] != NULL)
		count++;
	/* they end in any order */
	for (size_t i = count; i-- > 0;) {
		struct arena arena;
		struct target_facts facts;
		arena_init(&arena);
		read_record(records[i], &arena, &facts);
		probe_nagios_add(&n, i, &facts, &bar, NOW);
		arena_free(&arena);
	}
	if (trouble != NULL)
		probe_nagios_trouble(&n, trouble);
	CHECK_INT(probe_nagios_write(&n, &out), want_status);
	CHECK_STR(buf_str(&out), want);
	buf_free(&out);
	probe_nagios_free(&n);
}

static const char null_mx[] = "{\"domain\":\"null.test\",\"mx_status\":\"null_mx\"}";
static const char absent[] = "{\"domain\":\"no.test\",\"mx_status\":\"nxdomain\"}";
static const char unknown[] = "{\"domain\":\"u.test\",\"mx_status\":\"dns_error\"}";

TEST(nagios_one_line_with_performance_data)
{
	nagios((const char *const[]){ good, NULL }, NULL, 0,
	    "MXTLS OK - a.test: pkix, 59 days left | 'a.test days_left'=59;14:;3: "
	    "'a.test addresses'=1;;;0 'a.test unknown'=0;;;0 'a.test time'=1.500s;;;0\n");
	nagios((const char *const[]){ absent, NULL }, NULL, 2,
	    "MXTLS CRITICAL - no.test: undeliverable (the domain does not exist) | 'no.test "
	    "addresses'=0;;;0 'no.test unknown'=0;;;0\n");
	nagios((const char *const[]){ unknown, NULL }, NULL, 3,
	    "MXTLS UNKNOWN - u.test: unknown (the MX lookup failed) | 'u.test addresses'=0;;;0 "
	    "'u.test unknown'=0;;;0\n");
}

TEST(nagios_several_targets_worst_first)
{
	nagios((const char *const[]){ null_mx, unknown, absent, NULL }, NULL, 2,
	    "MXTLS CRITICAL - 3 targets: 1 critical, 1 unknown, 1 ok; no.test: undeliverable (the "
	    "domain does not exist); u.test: unknown (the MX lookup failed) | 'null.test "
	    "addresses'=0;;;0 'null.test unknown'=0;;;0 'u.test addresses'=0;;;0 'u.test "
	    "unknown'=0;;;0 'no.test addresses'=0;;;0 'no.test unknown'=0;;;0\n");
}

TEST(nagios_what_could_not_be_done_is_unknown_decisions_c17)
{
	static const char *const none[] = { NULL };

	nagios(none, "cannot read x|y", 3, "MXTLS UNKNOWN - cannot read x/y\n");
	nagios(none, NULL, 3, "MXTLS UNKNOWN - no target was probed\n");
	nagios((const char *const[]){ null_mx, NULL }, "\"..\": bad", 3,
	    "MXTLS UNKNOWN - null.test: no-mail; \"..\": bad | 'null.test addresses'=0;;;0 "
	    "'null.test unknown'=0;;;0\n");
	/* 2 is worse than 3 */
	nagios((const char *const[]){ absent, NULL }, "bad", 2,
	    "MXTLS CRITICAL - no.test: undeliverable (the domain does not exist); bad | 'no.test "
	    "addresses'=0;;;0 'no.test unknown'=0;;;0\n");
}

TEST(nagios_remote_text_has_no_separator_markup_or_newline)
{
	nagios((const char *const[]){ HOSTILE("[x]='|'"), NULL }, NULL, 2,
	    "MXTLS CRITICAL - [x]='/': plaintext (m\"x\\\\ [192.0.2.9]: STARTTLS is advertised, "
	    "but "
	    "refused for good: 554 a/b=1 (b)\\x1b[2J\\x0aMXTLS OK) | '[x]__/_ addresses'=1;;;0 "
	    "'[x]__/_ unknown'=0;;;0\n");
}

TEST(nagios_a_thousand_targets_stay_one_short_line)
{
	struct probe_nagios n;
	struct bar bar = { 0 };
	struct buf out;
	struct arena arena;
	struct target_facts facts;

	arena_init(&arena);
	read_record(absent, &arena, &facts);
	probe_nagios_init(&n);
	buf_init(&out, 1 << 20);
	for (size_t i = 0; i < 1000; i++)
		probe_nagios_add(&n, i, &facts, &bar, NOW);
	CHECK_INT(probe_nagios_write(&n, &out), 2);
	CHECK(out.len < 8192);
	CHECK(slice_find(slice_make(out.data, out.len), '\n') == out.len - 1);
	CHECK(strstr(buf_str(&out), "1000 targets: 1000 critical; ") != NULL);
	buf_free(&out);
	probe_nagios_free(&n);
	arena_free(&arena);
}

TEST(prometheus_one_block_for_each_metric)
{
	struct probe_prometheus p;
	struct arena arena;
	struct target_facts facts;
	struct buf out;

	arena_init(&arena);
	buf_init(&out, 1 << 20);
	probe_prometheus_init(&p);
	read_record(good, &arena, &facts);
	probe_prometheus_add(&p, &facts);
	probe_prometheus_add(&p, &facts); /* a duplicate would spoil the file */
	read_record(HOSTILE("b\\\"\\\\\\n"), &arena, &facts);
	probe_prometheus_add(&p, &facts);
	CHECK_INT(probe_prometheus_write(&p, &out), 0);
	const char *rest = strstr(buf_str(&out), "# HELP mxtls_exit_status");
	CHECK(rest != NULL);
	CHECK_STR(rest,
	    "# HELP mxtls_exit_status Exit status of the probe: 0 good, 1 weak, 2 bad, 3 not "
	    "measured.\n"
	    "# TYPE mxtls_exit_status gauge\n"
	    "mxtls_exit_status{domain=\"a.test\"} 0\n"
	    "mxtls_exit_status{domain=\"b\\\"\\\\\\\\\\\\x0a\"} 2\n"
	    "# HELP mxtls_starttls_supported 1 when a TLS handshake completed, 0 when the server "
	    "does "
	    "not do TLS.\n"
	    "# TYPE mxtls_starttls_supported gauge\n"
	    "mxtls_starttls_supported{domain=\"a.test\",mx=\"mx.a.test\",ip=\"192.0.2.1\"} 1\n"
	    "mxtls_starttls_supported{domain=\"b\\\"\\\\\\\\\\\\x0a\",mx=\"m\\\"x\\\\\\\\\",ip="
	    "\"192."
	    "0.2.9\"} 0\n"
	    "# HELP mxtls_cert_not_after_timestamp_seconds When the certificate of the server "
	    "ends.\n"
	    "# TYPE mxtls_cert_not_after_timestamp_seconds gauge\n"
	    "mxtls_cert_not_after_timestamp_seconds{domain=\"a.test\",mx=\"mx.a.test\",ip=\"192.0."
	    "2."
	    "1\",keytype=\"rsa\"} 1772323200\n"
	    "# HELP mxtls_cert_verified 1 when the certificate is trusted and names the MX host.\n"
	    "# TYPE mxtls_cert_verified gauge\n"
	    "mxtls_cert_verified{domain=\"a.test\",mx=\"mx.a.test\",ip=\"192.0.2.1\",keytype="
	    "\"rsa\"} "
	    "1\n"
	    "# HELP mxtls_probe_phase_seconds How long a phase of the session took.\n"
	    "# TYPE mxtls_probe_phase_seconds gauge\n"
	    "mxtls_probe_phase_seconds{domain=\"a.test\",mx=\"mx.a.test\",ip=\"192.0.2.1\",phase="
	    "\"connect\"} 0.250000\n"
	    "mxtls_probe_phase_seconds{domain=\"a.test\",mx=\"mx.a.test\",ip=\"192.0.2.1\",phase="
	    "\"tls\"} 0.500000\n"
	    "mxtls_probe_phase_seconds{domain=\"b\\\"\\\\\\\\\\\\x0a\",mx=\"m\\\"x\\\\\\\\\",ip="
	    "\"192."
	    "0.2.9\",phase=\"connect\"} 0.000000\n"
	    "# HELP mxtls_probe_duration_seconds How long the probe took.\n"
	    "# TYPE mxtls_probe_duration_seconds gauge\n"
	    "mxtls_probe_duration_seconds{domain=\"a.test\"} 1.500000\n"
	    "# HELP mxtls_probe_timestamp_seconds When the probe began.\n"
	    "# TYPE mxtls_probe_timestamp_seconds gauge\n"
	    "mxtls_probe_timestamp_seconds{domain=\"a.test\"} 1767225600\n");
	probe_prometheus_free(&p);
	buf_free(&out);
	arena_free(&arena);
}

TEST(prometheus_has_no_sample_for_what_was_not_measured)
{
	struct probe_prometheus p;
	struct arena arena;
	struct target_facts facts;
	struct buf out;

	arena_init(&arena);
	buf_init(&out, 1 << 20);
	probe_prometheus_init(&p);
	read_record("{\"domain\":\"c.test\",\"mx_status\":\"literal\",\"exchanges\":[{\"name\":"
		    "\"mx\",\"primary\":true,\"hosts\":[{\"ip\":\"192.0.2.1\",\"status\":"
		    "\"io-timeout\"}]}]}",
	    &arena, &facts);
	probe_prometheus_add(&p, &facts);
	CHECK_INT(probe_prometheus_write(&p, &out), 0);
	CHECK(strstr(buf_str(&out), "mxtls_starttls_supported") == NULL);
	CHECK(strstr(buf_str(&out), "mxtls_verdict{domain=\"c.test\",verdict=\"unknown\"} 1\n") !=
	      NULL);
	CHECK(
	    strstr(buf_str(&out), "mxtls_verdict{domain=\"c.test\",verdict=\"pkix\"} 0\n") != NULL);
	probe_prometheus_free(&p);
	buf_free(&out);
	arena_free(&arena);
}

TEST(prometheus_tells_the_policy_of_a_domain)
{
	static const char *const lines[] = {
		"mxtls_sts_status{domain=\"d.test\",status=\"none\"} 0\n",
		"mxtls_sts_status{domain=\"d.test\",status=\"valid\"} 1\n",
		"mxtls_sts_status{domain=\"d.test\",status=\"dns-error\"} 0\n",
		"mxtls_sts_mode{domain=\"d.test\",mode=\"testing\"} 0\n",
		"mxtls_sts_mode{domain=\"d.test\",mode=\"enforce\"} 1\n",
		"mxtls_sts_match{domain=\"d.test\",mx=\"mx.d.test\"} 1\n",
		"mxtls_sts_match{domain=\"d.test\",mx=\"mx2.d.test\"} 0\n",
		"mxtls_sts_cert_not_after_timestamp_seconds{domain=\"d.test\"} 1767225600\n",
		"mxtls_tlsrpt_record{domain=\"d.test\"} 0\n",
	};
	struct probe_prometheus p;
	struct arena arena;
	struct target_facts facts;
	struct buf out;

	arena_init(&arena);
	buf_init(&out, 1 << 20);
	probe_prometheus_init(&p);
	read_record("{\"domain\":\"d.test\",\"mx_status\":\"has_mx\",\"exchanges\":[{\"name\":"
		    "\"mx.d.test\"},{\"name\":\"mx2.d.test\"}],\"mta_sts\":{\"policy_status\":"
		    "\"valid\",\"mode\":\"enforce\",\"mx\":[\"mx.d.test\"],\"certificate_expires\":"
		    "\"2026-01-01T00:00:00Z\"},\"tlsrpt\":{\"status\":\"none\"}}",
	    &arena, &facts);
	probe_prometheus_add(&p, &facts);
	CHECK_INT(probe_prometheus_write(&p, &out), 0);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		TEST_ROW("%s", lines[i]);
		CHECK(strstr(buf_str(&out), lines[i]) != NULL);
	}
	probe_prometheus_free(&p);
	buf_free(&out);
	arena_free(&arena);
}
