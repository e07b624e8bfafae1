#include "base/json.h"
#include "policy/bar.h"
#include "policy/verdict.h"
#include "test.h"

#define NOW 1767225600 /* 2026-01-01 */
#define DAY 86400

TEST(limits_are_days_or_a_share_of_the_lifetime)
{
	static const struct {
		const char *text;
		bool ok, percent;
		int n;
	} rows[] = { { "14", true, false, 14 }, { "14d", true, false, 14 }, { "0", true, false, 0 },
		{ "33%", true, true, 33 }, { "100%", true, true, 100 }, { "0%", true, true, 0 },
		{ "3650", true, false, 3650 }, { "3651", false, false, 0 },
		{ "101%", false, false, 0 }, { "", false, false, 0 }, { "%", false, false, 0 },
		{ "d", false, false, 0 }, { "-1", false, false, 0 }, { "+1", false, false, 0 },
		{ "1.5", false, false, 0 }, { "14 d", false, false, 0 }, { "14h", false, false, 0 },
		{ "14%%", false, false, 0 }, { "99999999999999999999", false, false, 0 } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct bar_limit limit = { 0 };
		TEST_ROW("\"%s\"", rows[i].text);
		CHECK_INT(bar_limit_parse(rows[i].text, &limit), rows[i].ok);
		CHECK_INT(limit.given, rows[i].ok);
		CHECK_INT(limit.percent, rows[i].percent);
		CHECK_INT(limit.n, rows[i].n);
	}
}

TEST(expiry_by_the_defaults_and_by_given_limits_decisions_c19)
{
	static const struct {
		const char *warn, *crit;
		int lifetime_days; /* 0: start not known */
		int left_hours;
		int want;
	} rows[] = { /* the lesser of 14 days and a third, of 3 days and a tenth */
		{ NULL, NULL, 90, 14 * 24 + 1, 0 }, { NULL, NULL, 90, 14 * 24 - 1, 1 },
		{ NULL, NULL, 90, 3 * 24 + 1, 1 }, { NULL, NULL, 90, 3 * 24 - 1, 2 },
		{ NULL, NULL, 6, 2 * 24 + 1, 0 }, { NULL, NULL, 6, 2 * 24 - 1, 1 },
		{ NULL, NULL, 6, 15, 1 }, { NULL, NULL, 6, 14, 2 },
		{ NULL, NULL, 0, 14 * 24 - 1, 1 }, { NULL, NULL, 0, 3 * 24 - 1, 2 },
		/* ended */
		{ NULL, NULL, 90, -1, 2 }, { NULL, "0", 90, -1, 1 }, { "0", "0", 90, -1, 0 },
		{ "30", NULL, 90, 29 * 24, 1 }, { "30", "20", 90, 19 * 24, 2 },
		{ "50%", "20%", 90, 46 * 24, 0 }, { "50%", "20%", 90, 44 * 24, 1 },
		{ "50%", "20%", 90, 17 * 24, 2 },
		/* the worse one counts also when they are the wrong way round */
		{ "1", "5", 90, 4 * 24, 2 },
		/* a share of what is not known is nothing */
		{ "50%", "50%", 0, 1, 0 }
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct bar bar = { 0 };
		struct cert_facts cert = { .not_after = NOW + rows[i].left_hours * 3600 };
		if (rows[i].lifetime_days > 0)
			cert.not_before = cert.not_after - rows[i].lifetime_days * DAY;
		if (rows[i].warn != NULL)
			CHECK(bar_limit_parse(rows[i].warn, &bar.warn));
		if (rows[i].crit != NULL)
			CHECK(bar_limit_parse(rows[i].crit, &bar.crit));
		TEST_ROW("row %zu", i);
		CHECK_INT(bar_expiry(&bar, &cert, NOW), rows[i].want);
	}
	CHECK_INT(bar_expiry(&(struct bar){ 0 }, &(struct cert_facts){ 0 }, NOW), 0);
}

/* One row for each verdict: without a bar, and for each bar (DECISIONS C 14 to 17). */
TEST(require_moves_the_bar)
{
	static const struct {
		enum verdict verdict;
		int none, dane, sts, pkix, encrypted;
	} rows[] = { { VERDICT_DANE, 0, 0, 0, 0, 0 }, { VERDICT_MTA_STS, 0, 2, 0, 0, 0 },
		{ VERDICT_PKIX, 0, 2, 2, 0, 0 }, { VERDICT_ENCRYPTED, 1, 2, 2, 2, 0 },
		{ VERDICT_BACKUP_PLAINTEXT, 1, 2, 2, 2, 2 }, { VERDICT_BROKEN_SOME, 1, 2, 2, 2, 2 },
		{ VERDICT_PLAINTEXT, 2, 2, 2, 2, 2 }, { VERDICT_BROKEN, 2, 2, 2, 2, 2 },
		{ VERDICT_NO_MAIL, 0, 2, 2, 2, 2 }, { VERDICT_UNDELIVERABLE, 2, 2, 2, 2, 2 },
		{ VERDICT_UNKNOWN, 3, 3, 3, 3, 3 } };
	static const enum verdict bars[] = { VERDICT_UNKNOWN, VERDICT_DANE, VERDICT_MTA_STS,
		VERDICT_PKIX, VERDICT_ENCRYPTED };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const int want[] = { rows[i].none, rows[i].dane, rows[i].sts, rows[i].pkix,
			rows[i].encrypted };
		for (size_t j = 0; j < 5; j++) {
			struct bar bar = { .require = bars[j] };
			TEST_ROW("%s, bar %zu", verdict_str(rows[i].verdict), j);
			CHECK_INT(bar_verdict(&bar, rows[i].verdict), want[j]);
		}
	}
}

/* One address with one handshake, whose certificate ends in 2 days. */
static void
apply(const char *validation, const char *tlsa, const char *bar_level, int want_status,
    const char *want_reason)
{
	struct arena arena;
	struct target_facts facts;
	struct fail why;
	struct bar bar = { 0 };

	arena_init(&arena);
	char *json = arena_printf(&arena,
	    "{\"domain\":\"a.test\",\"mx_status\":\"has_mx\",\"exchanges\":[{\"name\":\"mx.a."
	    "test\","
	    "\"primary\":true,%s\"hosts\":[{\"ip\":\"192.0.2.1\",\"port\":25,\"starttls_state\":"
	    "\"done\",\"tls\":[{\"complete\":true,\"chain\":[\"aa\"],%s}]}]}],\"certificates\":{"
	    "\"aa\":{\"fingerprint_sha256\":\"aa\",\"validity\":{\"start\":\"2025-10-01T00:00:"
	    "00Z\","
	    "\"end\":\"2026-01-03T12:00:00Z\"},\"subject_key_info\":{\"key_algorithm\":{\"name\":"
	    "\"rsa\"}}}}}",
	    tlsa, validation);
	fail_clear(&why);
	CHECK_INT(
	    facts_read_json(&fact_table_target_facts, json, strlen(json), &arena, &facts, &why), 0);
	CHECK_STR(why.text, "");
	if (bar_level != NULL)
		CHECK(verdict_parse(bar_level, &bar.require));
	verdict_summarize(&facts, &arena, NOW);
	bar_apply(&bar, &facts, &arena, NOW);
	CHECK_INT(facts.summary.exit_status, want_status);
	const struct strs *reasons = &facts.summary.reasons;
	CHECK_STR(reasons->n == 0 ? "" : reasons->v[reasons->n - 1], want_reason);
	arena_free(&arena);
}

#define GOOD "\"validation\":{\"browser_trusted\":true,\"matches_mx\":true,\"expired\":false}"
#define UNTRUSTED "\"validation\":{\"browser_trusted\":false,\"matches_mx\":true,\"expired\":false}"
#define EXPIRED "\"validation\":{\"browser_trusted\":false,\"matches_mx\":true,\"expired\":true}"
#define EXPIRED_SELF \
	"\"validation\":{\"browser_trusted\":false,\"matches_mx\":true,\"expired\":true," \
	"\"self_signed\":true}"
#define EXPIRED_ONLY \
	"\"validation\":{\"browser_trusted\":false,\"matches_mx\":true,\"expired\":true," \
	"\"errors\":[\"0:10:certificate has expired\"]}"
#define EXPIRED_STRANGER \
	"\"validation\":{\"browser_trusted\":false,\"matches_mx\":true,\"expired\":true," \
	"\"errors\":[\"0:10:certificate has expired\",\"1:20:unable to get local issuer\"]}"
#define TLSA(usage) \
	"\"tlsa\":{\"status\":\"usable\",\"records\":[{\"usage\":" usage \
	",\"selector\":1,\"matching_type\":1,\"usable\":true,\"matched\":true}]},"
#define ENDS "mx.a.test [192.0.2.1]: certificate (rsa) ends in 2 days, on 2026-01-03"

TEST(the_end_of_a_certificate_counts_where_it_proves_who_the_server_is)
{
	apply(GOOD, "", NULL, 2, ENDS);
	apply(GOOD, "", "pkix", 2, ENDS);
	apply(GOOD, "", "encrypted", 0, "");
	apply(GOOD, "", "dane", 2, ENDS);
	apply(EXPIRED, "", NULL, 2,
	    ENDS); /* of this clock it has two days left: only the facts say expired */
	apply(EXPIRED_ONLY, "", NULL, 2, ENDS);
	apply(EXPIRED, "", "encrypted", 0,
	    "mx.a.test [192.0.2.1]: certificate is not valid at this time");
	/* it proves nothing anyway */
	apply(UNTRUSTED, "", NULL, 1, "mx.a.test [192.0.2.1]: certificate is not trusted");
	apply(EXPIRED_SELF, "", "pkix", 2, "required is pkix or better");
	apply(EXPIRED_STRANGER, "", NULL, 1,
	    "mx.a.test [192.0.2.1]: certificate is not trusted: unable to get local issuer");
	/* DANE-EE does not look at dates (RFC 7672 s3.1.1), DANE-TA does */
	apply("\"dane\":\"valid\"," UNTRUSTED, TLSA("3"), NULL, 0, "");
	apply("\"dane\":\"valid\"," UNTRUSTED, TLSA("2"), NULL, 2, ENDS);
}

TEST(a_server_that_obeys_injected_commands_is_bad_whatever_is_required)
{
	static const char json[] =
	    "{\"domain\":\"a.test\",\"mx_status\":\"has_mx\",\"exchanges\":[{\"name\":\"mx.a."
	    "test\","
	    "\"primary\":true,\"hosts\":[{\"ip\":\"192.0.2.1\",\"port\":25,\"starttls_state\":"
	    "\"done\",\"injection\":\"vulnerable\",\"tls\":[{\"complete\":true," GOOD "}]}]}]}";
	struct arena arena;
	struct target_facts facts;
	struct bar bar = { .require = VERDICT_ENCRYPTED };

	arena_init(&arena);
	CHECK_INT(
	    facts_read_json(&fact_table_target_facts, json, sizeof(json) - 1, &arena, &facts, NULL),
	    0);
	verdict_summarize(&facts, &arena, NOW);
	bar_apply(&bar, &facts, &arena, NOW);
	CHECK_INT(facts.summary.verdict, VERDICT_PKIX);
	CHECK_INT(facts.summary.exit_status, 2);
	bar.require = VERDICT_UNKNOWN;
	bar_apply(&bar, &facts, &arena, NOW);
	CHECK_INT(facts.summary.exit_status, 2);
	arena_free(&arena);
}

/* A good MX, and a policy host whose certificate was made for so many days, with so many left. */
static void
apply_sts(const char *mode, int64_t lifetime, int64_t left, const char *warn, int want_status,
    const char *want_reason)
{
	const char json[] = "{\"domain\":\"a.test\",\"mta_sts\":{\"policy_status\":\"valid\"}}";
	struct target_facts facts;
	struct arena arena;
	struct bar bar = { .require = VERDICT_UNKNOWN };

	arena_init(&arena);
	TEST_ROW("%s %lld of %lld", mode, (long long)left, (long long)lifetime);
	CHECK_INT(
	    facts_read_json(&fact_table_target_facts, json, sizeof(json) - 1, &arena, &facts, NULL),
	    0);
	CHECK(warn == NULL || bar_limit_parse(warn, &bar.warn));
	facts.sts.mode = strcmp(mode, "none") == 0 ? STS_MODE_NONE : STS_MODE_ENFORCE;
	facts.sts.policy_host = arena_strdup(&arena, "mta-sts.a.test");
	facts.sts.cert_expires = NOW + left * 86400 + 3600;
	facts.sts.cert_starts = lifetime == 0 ? 0 : NOW + (left - lifetime) * 86400;
	facts.summary.verdict = VERDICT_MTA_STS;
	bar_apply(&bar, &facts, &arena, NOW);
	CHECK_INT(facts.summary.exit_status, want_status);
	CHECK_STR(facts.summary.reasons.n == 0 ? "" : facts.summary.reasons.v[0], want_reason);
	arena_free(&arena);
}

TEST(limits_hold_for_the_certificate_of_the_mta_sts_policy_host)
{
	apply_sts("enforce", 90, 30, NULL, 0, "");
	apply_sts("enforce", 90, 10, NULL, 1,
	    "MTA-STS: the certificate of mta-sts.a.test ends in 10 days, on 2026-01-11");
	apply_sts("enforce", 90, 1, NULL, 2,
	    "MTA-STS: the certificate of mta-sts.a.test ends in 1 day, on 2026-01-02");
	apply_sts("enforce", 90, 30, "40", 1,
	    "MTA-STS: the certificate of mta-sts.a.test ends in 30 days, on 2026-01-31");
	apply_sts("enforce", 90, 30, "50%", 1,
	    "MTA-STS: the certificate of mta-sts.a.test ends in 30 days, on 2026-01-31");
	/* one for six days is good until a third of them is left */
	apply_sts("enforce", 6, 3, NULL, 0, "");
	apply_sts("enforce", 0, 10, NULL, 1,
	    "MTA-STS: the certificate of mta-sts.a.test ends in 10 days, on 2026-01-11");
	apply_sts("none", 90, 1, NULL, 0, "");
	/* ended: then the policy could not be fetched, and the verdict has that */
	apply_sts("enforce", 90, -2, NULL, 0, "");
}
