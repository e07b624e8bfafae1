#include <stdio.h>
#include <string.h>

#include "policy/decide.h"
#include "test.h"

/*
 * The lower half of the matrix of reference send.md 4.5: level by what is published, at a server that
 * offers nothing, fails the handshake, shows a certificate that proves nothing, one of a trusted chain
 * for the host, and one that matches a TLSA record. One letter a cell, as in decide_test.c; C: skip without a
 * connection.
 *   columns: not offered, refused, handshake failed, certificate bad, chain good, TLSA good
 * fallback is delayed, the message new.
 */
enum event { NOT_OFFERED, REFUSED, FAILED, BAD, CHAIN, TLSA, EVENTS };

static const struct {
	const char *published;
	enum tlsa_status tlsa;
	enum sts_effect sts;
	/* none may auto encrypt verify secure fingerprint dane dane-only */
	const char *want[LEVEL_COUNT];
} rows[] = {
	{ "nothing", TLSA_NONE, STS_EFFECT_NONE,
	    { "PPXTTT", "PPXTTT", "PPXTTT", "XXXTTT", "XXXXTX", "XXXXTX", "XXXXXX", "PPXTTT",
		"CCCCCC" } },
	{ "nothing that could be validated", TLSA_NOT_CHECKED, STS_EFFECT_NONE,
	    { "PPXTTT", "PPXTTT", "PPXTTT", "XXXTTT", "XXXXTX", "XXXXTX", "XXXXXX", "PPXTTT",
		"CCCCCC" } },
	{ "unsigned addresses", TLSA_INSECURE, STS_EFFECT_NONE,
	    { "PPXTTT", "PPXTTT", "PPXTTT", "XXXTTT", "XXXXTX", "XXXXTX", "XXXXXX", "PPXTTT",
		"CCCCCC" } },
	{ "TLSA", TLSA_USABLE, STS_EFFECT_NONE,
	    { "PPXTTT", "PPXTTT", "XXXXXT", "XXXXXT", "XXXXXX", "XXXXTX", "XXXXXX", "XXXXXT",
		"XXXXXT" } },
	{ "TLSA, but unsigned MX", TLSA_INSECURE_MX, STS_EFFECT_NONE,
	    { "PPXTTT", "PPXTTT", "XXXXXT", "XXXXXT", "XXXXXX", "XXXXTX", "XXXXXX", "XXXXXT",
		"CCCCCC" } },
	{ "TLSA, none usable", TLSA_UNUSABLE, STS_EFFECT_NONE,
	    { "PPXTTT", "PPXTTT", "XXXTTT", "XXXTTT", "XXXXTX", "XXXXTX", "XXXXXX", "XXXTTT",
		"CCCCCC" } },
	{ "TLSA bogus", TLSA_BOGUS, STS_EFFECT_NONE,
	    { "PPXTTT", "PPXTTT", "CCCCCC", "CCCCCC", "CCCCCC", "XXXXTX", "XXXXXX", "CCCCCC",
		"CCCCCC" } },
	{ "TLSA lookup failed", TLSA_ERROR, STS_EFFECT_MATCH,
	    { "PPXTTT", "PPXTTT", "CCCCCC", "CCCCCC", "CCCCCC", "XXXXTX", "XXXXXX", "CCCCCC",
		"CCCCCC" } },
	{ "MTA-STS enforce", TLSA_NONE, STS_EFFECT_MATCH,
	    { "PPXTTT", "PPXTTT", "XXXXTX", "XXXXTX", "XXXXTX", "XXXXTX", "XXXXXX", "PPXTTT",
		"CCCCCC" } },
	{ "MTA-STS enforce, host not listed", TLSA_INSECURE, STS_EFFECT_NO_MATCH,
	    { "PPXTTT", "PPXTTT", "CCCCCC", "CCCCCC", "CCCCCC", "XXXXTX", "XXXXXX", "PPXTTT",
		"CCCCCC" } },
	{ "MTA-STS testing", TLSA_NONE, STS_EFFECT_TESTING,
	    { "PPXTTT", "PPXTTT", "PPXTTT", "XXXTTT", "XXXXTX", "XXXXTX", "XXXXXX", "PPXTTT",
		"CCCCCC" } },
	/* RFC 8461 s2: DANE is first, and what fails it cannot be mended by MTA-STS */
	{ "TLSA and MTA-STS", TLSA_USABLE, STS_EFFECT_MATCH,
	    { "PPXTTT", "PPXTTT", "XXXXXT", "XXXXXT", "XXXXXX", "XXXXTX", "XXXXXX", "XXXXXT",
		"XXXXXT" } },
	{ "TLSA and MTA-STS, host not listed", TLSA_USABLE, STS_EFFECT_NO_MATCH,
	    { "PPXTTT", "PPXTTT", "XXXXXT", "XXXXXT", "XXXXXX", "XXXXTX", "XXXXXX", "XXXXXT",
		"XXXXXT" } },
	/* DECISIONS B12: in addition to MTA-STS; no certificate here does both */
	{ "TLSA with unsigned MX, and MTA-STS", TLSA_INSECURE_MX, STS_EFFECT_MATCH,
	    { "PPXTTT", "PPXTTT", "XXXXXX", "XXXXXX", "XXXXXX", "XXXXTX", "XXXXXX", "XXXXXT",
		"CCCCCC" } },
	/* MTA-STS may still add to what DANE leaves open */
	{ "TLSA none usable, and MTA-STS", TLSA_UNUSABLE, STS_EFFECT_MATCH,
	    { "PPXTTT", "PPXTTT", "XXXXTX", "XXXXTX", "XXXXTX", "XXXXTX", "XXXXXX", "XXXTTT",
		"CCCCCC" } },
};

static char *mx_names[] = { (char *)(uintptr_t) "mx.box.test", (char *)(uintptr_t) "box.test" };

static void
make_facts(
    enum event event, struct host_facts *host, struct tls_facts *tls, struct cert_facts *leaf)
{
	facts_init_host_facts(host);
	facts_init_tls_facts(tls);
	facts_init_cert_facts(leaf);
	host->ehlo_code = 250;
	host->starttls_state = event == NOT_OFFERED ? STARTTLS_NOT_OFFERED
			       : event == REFUSED   ? STARTTLS_REFUSED
			       : event == FAILED    ? STARTTLS_FAILED
						    : STARTTLS_DONE;
	if (event < BAD)
		return;
	host->tls = tls;
	host->tls_n = 1;
	tls->complete = TRI_YES;
	tls->version_value = TLS_VERSION_1_3;
	tls->verify.expired = TRI_NO;
	tls->verify.trusted = event == CHAIN ? TRI_YES : TRI_NO;
	tls->verify.matches_mx = tls->verify.matches_domain = event == CHAIN ? TRI_YES : TRI_NO;
	tls->dane = event == TLSA ? DANE_VALID : DANE_MISMATCH;
	leaf->fingerprint = (char *)(uintptr_t) "aa";
	leaf->spki_fingerprint = (char *)(uintptr_t) "bb";
	if (event == CHAIN) {
		leaf->names.v = mx_names;
		leaf->names.n = 2;
	}
}

static char
letter(const struct decision *d)
{
	switch (d->action) {
	case DECIDE_STARTTLS:
		return 'S';
	case DECIDE_DELIVER_CLEAR:
		return 'P';
	case DECIDE_DELIVER_TLS:
		return 'T';
	case DECIDE_RECONNECT_CLEAR:
		return 'R';
	case DECIDE_SKIP:
		break;
	}
	return d->clear_later ? 'L' : 'X';
}

static struct rule
rule_of(enum rule_level level)
{
	static char *pin = (char *)(uintptr_t) "cc";

	return (struct rule){ .level = level,
		.fallback = FALLBACK_DELAYED,
		.match = RULE_MATCH_HOSTNAME,
		.pins = { .v = &pin, .n = 1 },
		.tls_min = level_needs_identity(level) ? TLS_VERSION_1_2 : TLS_VERSION_1_0 };
}

static void
cells(const struct decide_site *site, int64_t age, char got[EVENTS + 1])
{
	struct demand demand;

	decide_demand(site, &demand);
	CHECK(demand.connect == (demand.reason == NULL));
	for (int event = 0; event < EVENTS; event++) {
		struct host_facts host;
		struct tls_facts tls;
		struct cert_facts leaf;
		struct decision d;
		make_facts((enum event)event, &host, &tls, &leaf);
		decide(&demand, &host, &leaf, age, false, &d);
		got[event] = letter(&d);
		if (!demand.connect) {
			CHECK_INT(d.action, DECIDE_SKIP);
			CHECK_INT(d.code, demand.code);
			got[event] = 'C';
		}
	}
	got[EVENTS] = '\0';
}

TEST(demand_is_what_level_and_published_policies_ask_for_together)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (int level = 0; level < LEVEL_COUNT; level++) {
			struct rule rule = rule_of((enum rule_level)level);
			struct decide_site site = { .rule = &rule,
				.host = "mx.box.test",
				.nexthop = "box.test",
				.tlsa = rows[i].tlsa,
				.sts = rows[i].sts };
			char got[EVENTS + 1];
			TEST_ROW("%s: %s", rows[i].published, level_str(rule.level));
			cells(&site, 0, got);
			CHECK_STR(got, rows[i].want[level]);
			/* dane=no and sts=no: as if nothing were published */
			if (!level_uses_sts(rule.level))
				continue;
			rule.no_dane = rule.no_sts = true;
			cells(&site, 0, got);
			CHECK_STR(got, rows[0].want[level]);
		}
}

TEST(auto_and_dane_fall_back_as_may_does_and_only_where_nothing_is_published)
{
	static const struct {
		enum rule_level level;
		enum rule_fallback fallback;
		enum tlsa_status tlsa;
		int age;
		const char *want;
	} rows2[] = {
		{ LEVEL_AUTO, FALLBACK_NOW, TLSA_NONE, 0, "PPRTTT" },
		{ LEVEL_AUTO, FALLBACK_NEVER, TLSA_NONE, 0, "PXXTTT" },
		{ LEVEL_AUTO, FALLBACK_DELAYED, TLSA_NONE, 300, "PPLTTT" },
		{ LEVEL_DANE, FALLBACK_NOW, TLSA_INSECURE, 0, "PPRTTT" },
		{ LEVEL_AUTO, FALLBACK_NOW, TLSA_UNUSABLE, 300, "XXXTTT" },
		{ LEVEL_AUTO, FALLBACK_NOW, TLSA_USABLE, 300, "XXXXXT" },
		{ LEVEL_DANE, FALLBACK_NOW, TLSA_USABLE, 300, "XXXXXT" },
		{ LEVEL_ENCRYPT, FALLBACK_NOW, TLSA_NONE, 300, "XXXTTT" },
	};

	for (size_t i = 0; i < sizeof(rows2) / sizeof(rows2[0]); i++) {
		struct rule rule = rule_of(rows2[i].level);
		struct decide_site site = { .rule = &rule, .tlsa = rows2[i].tlsa };
		char got[EVENTS + 1];
		rule.fallback = rows2[i].fallback;
		TEST_ROW("%zu", i);
		cells(&site, rows2[i].age, got);
		CHECK_STR(got, rows2[i].want);
	}
}

TEST(rules_for_hosts_only_strengthen_unless_lower_is_said)
{
	static const struct {
		enum rule_level level, more;
		bool lower;
		enum tlsa_status tlsa;
		enum sts_effect sts;
		const char *want;
	} rows3[] = {
		/* all must hold */
		{ LEVEL_MAY, LEVEL_ENCRYPT, false, TLSA_NONE, STS_EFFECT_NONE, "XXXTTT" },
		{ LEVEL_NONE, LEVEL_ENCRYPT, false, TLSA_NONE, STS_EFFECT_NONE, "XXXTTT" },
		{ LEVEL_AUTO, LEVEL_VERIFY, false, TLSA_NONE, STS_EFFECT_NONE, "XXXXTX" },
		{ LEVEL_AUTO, LEVEL_VERIFY, false, TLSA_USABLE, STS_EFFECT_NONE, "XXXXXX" },
		{ LEVEL_VERIFY, LEVEL_FINGERPRINT, false, TLSA_NONE, STS_EFFECT_NONE, "XXXXXX" },
		{ LEVEL_MAY, LEVEL_DANE_ONLY, false, TLSA_NONE, STS_EFFECT_NONE, "CCCCCC" },
		{ LEVEL_MAY, LEVEL_DANE, false, TLSA_USABLE, STS_EFFECT_NONE, "XXXXXT" },
		/* and never weaken */
		{ LEVEL_ENCRYPT, LEVEL_MAY, false, TLSA_NONE, STS_EFFECT_NONE, "XXXTTT" },
		{ LEVEL_VERIFY, LEVEL_NONE, false, TLSA_NONE, STS_EFFECT_NONE, "XXXXTX" },
		{ LEVEL_MAY, LEVEL_NONE, false, TLSA_NONE, STS_EFFECT_NONE, "PPXTTT" },
		/* lower=yes: where the domain's level takes clear text anyway */
		{ LEVEL_AUTO, LEVEL_NONE, true, TLSA_NONE, STS_EFFECT_NONE, "PPXTTT" },
		{ LEVEL_MAY, LEVEL_NONE, true, TLSA_NONE, STS_EFFECT_NONE, "PPXTTT" },
		{ LEVEL_DANE, LEVEL_NONE, true, TLSA_INSECURE, STS_EFFECT_NONE, "PPXTTT" },
		{ LEVEL_AUTO, LEVEL_NONE, true, TLSA_NONE, STS_EFFECT_TESTING, "PPXTTT" },
		/* not where something is enforced, or may be */
		{ LEVEL_AUTO, LEVEL_NONE, true, TLSA_USABLE, STS_EFFECT_NONE, "XXXXXT" },
		{ LEVEL_AUTO, LEVEL_NONE, true, TLSA_INSECURE_MX, STS_EFFECT_NONE, "XXXXXT" },
		{ LEVEL_AUTO, LEVEL_NONE, true, TLSA_UNUSABLE, STS_EFFECT_NONE, "XXXTTT" },
		{ LEVEL_AUTO, LEVEL_NONE, true, TLSA_ERROR, STS_EFFECT_NONE, "CCCCCC" },
		{ LEVEL_AUTO, LEVEL_NONE, true, TLSA_NONE, STS_EFFECT_MATCH, "XXXXTX" },
		{ LEVEL_AUTO, LEVEL_NONE, true, TLSA_NONE, STS_EFFECT_NO_MATCH, "CCCCCC" },
		/* nor below what the administrator has asked for by the domain */
		{ LEVEL_ENCRYPT, LEVEL_NONE, true, TLSA_NONE, STS_EFFECT_NONE, "XXXTTT" },
		{ LEVEL_VERIFY, LEVEL_MAY, true, TLSA_NONE, STS_EFFECT_NONE, "XXXXTX" },
		{ LEVEL_DANE_ONLY, LEVEL_NONE, true, TLSA_NONE, STS_EFFECT_NONE, "CCCCCC" },
	};

	for (size_t i = 0; i < sizeof(rows3) / sizeof(rows3[0]); i++) {
		struct rule rule = rule_of(rows3[i].level), more = rule_of(rows3[i].more);
		const struct rule *list[] = { &more };
		struct decide_site site = { .rule = &rule,
			.more = list,
			.more_n = 1,
			.host = "mx.box.test",
			.tlsa = rows3[i].tlsa,
			.sts = rows3[i].sts };
		char got[EVENTS + 1];
		more.lower = rows3[i].lower;
		TEST_ROW("%zu: %s + %s", i, level_str(rule.level), level_str(more.level));
		cells(&site, 0, got);
		CHECK_STR(got, rows3[i].want);
	}
}

TEST(more_rules_than_can_be_kept_skip_the_host)
{
	struct rule rule = rule_of(LEVEL_NONE), more = rule_of(LEVEL_NONE);
	const struct rule *list[LIMIT_CONSTRAINTS + 1];
	struct decide_site site = { .rule = &rule, .more = list, .more_n = LIMIT_CONSTRAINTS };
	struct demand demand;

	for (size_t i = 0; i <= LIMIT_CONSTRAINTS; i++)
		list[i] = &more;
	decide_demand(&site, &demand);
	CHECK(demand.connect);
	site.more_n++;
	decide_demand(&site, &demand);
	CHECK(!demand.connect);
	CHECK_INT(demand.code, FAIL_POLICY_FILE);
}

TEST(tls_required_no_caps_what_is_not_the_administrators_word)
{
	/* RFC 8689 s5 */
	static const struct {
		enum rule_level level;
		enum rule_fallback fallback;
		enum tlsa_status tlsa;
		enum sts_effect sts;
		const char *want;
	} rows4[] = {
		{ LEVEL_AUTO, FALLBACK_DELAYED, TLSA_USABLE, STS_EFFECT_MATCH, "PPRTTT" },
		{ LEVEL_AUTO, FALLBACK_DELAYED, TLSA_BOGUS, STS_EFFECT_NO_MATCH, "PPRTTT" },
		{ LEVEL_DANE, FALLBACK_DELAYED, TLSA_USABLE, STS_EFFECT_NONE, "PPRTTT" },
		{ LEVEL_MAY, FALLBACK_NEVER, TLSA_NONE, STS_EFFECT_NONE, "PXXTTT" },
		{ LEVEL_NONE, FALLBACK_DELAYED, TLSA_NONE, STS_EFFECT_NONE, "PPXTTT" },
		{ LEVEL_ENCRYPT, FALLBACK_DELAYED, TLSA_NONE, STS_EFFECT_NONE, "XXXTTT" },
		{ LEVEL_VERIFY, FALLBACK_DELAYED, TLSA_NONE, STS_EFFECT_MATCH, "XXXXTX" },
		{ LEVEL_DANE_ONLY, FALLBACK_DELAYED, TLSA_USABLE, STS_EFFECT_NONE, "XXXXXT" },
	};

	for (size_t i = 0; i < sizeof(rows4) / sizeof(rows4[0]); i++) {
		struct rule rule = rule_of(rows4[i].level);
		struct decide_site site = { .rule = &rule,
			.host = "mx.box.test",
			.tlsa = rows4[i].tlsa,
			.sts = rows4[i].sts,
			.tls_required_no = true };
		char got[EVENTS + 1];
		rule.fallback = rows4[i].fallback;
		TEST_ROW("%s", level_str(rule.level));
		cells(&site, 0, got);
		CHECK_STR(got, rows4[i].want);
		CHECK_INT(decide_asks_dane(&site), rule.level == LEVEL_ENCRYPT ||
						       rule.level == LEVEL_VERIFY ||
						       rule.level == LEVEL_DANE_ONLY);
	}
}

TEST(requiretls_needs_a_proved_way_a_proved_server_and_its_word)
{
	/* RFC 8689 s4.2.1 */
	static const struct {
		enum rule_level level;
		bool mx_secure;
		enum tlsa_status tlsa;
		enum sts_effect sts;
		const char *word, *want;
	} rows5[] = {
		{ LEVEL_MAY, true, TLSA_NONE, STS_EFFECT_NONE, "REQUIRETLS", "XXXXTX" },
		{ LEVEL_AUTO, true, TLSA_NONE, STS_EFFECT_NONE, "requiretls", "XXXXTX" },
		{ LEVEL_NONE, true, TLSA_NONE, STS_EFFECT_NONE, "REQUIRETLS", "XXXXTX" },
		{ LEVEL_AUTO, true, TLSA_USABLE, STS_EFFECT_NONE, "REQUIRETLS", "XXXXXT" },
		{ LEVEL_AUTO, false, TLSA_NONE, STS_EFFECT_MATCH, "REQUIRETLS", "XXXXTX" },
		{ LEVEL_AUTO, false, TLSA_NONE, STS_EFFECT_NONE, "REQUIRETLS", "CCCCCC" },
		{ LEVEL_AUTO, false, TLSA_NONE, STS_EFFECT_TESTING, "REQUIRETLS", "CCCCCC" },
		{ LEVEL_AUTO, true, TLSA_ERROR, STS_EFFECT_NONE, "REQUIRETLS", "CCCCCC" },
		{ LEVEL_AUTO, true, TLSA_NONE, STS_EFFECT_NONE, "REQUIRETLSX", "XXXXXX" },
		{ LEVEL_VERIFY, true, TLSA_NONE, STS_EFFECT_NONE, "SIZE", "XXXXXX" },
	};

	for (size_t i = 0; i < sizeof(rows5) / sizeof(rows5[0]); i++) {
		struct rule rule = rule_of(rows5[i].level);
		struct decide_site site = { .rule = &rule,
			.host = "mx.box.test",
			.mx_secure = rows5[i].mx_secure,
			.tlsa = rows5[i].tlsa,
			.sts = rows5[i].sts,
			.require_tls = true,
			/* the parameter beats the header field (s4.1) */
			.tls_required_no = true };
		struct demand demand;
		char *word = (char *)(uintptr_t)rows5[i].word;
		TEST_ROW("%zu", i);
		CHECK(decide_asks_dane(&site));
		CHECK(decide_asks_sts(&site));
		decide_demand(&site, &demand);
		for (int event = 0; event < EVENTS; event++) {
			struct host_facts host;
			struct tls_facts tls;
			struct cert_facts leaf;
			struct decision d;
			make_facts((enum event)event, &host, &tls, &leaf);
			host.ehlo_tls.v = &word;
			host.ehlo_tls.n = 1;
			decide(&demand, &host, &leaf, 1000, false, &d);
			TEST_ROW("%zu, event %d", i, event);
			CHECK_INT(demand.connect ? letter(&d) : 'C', rows5[i].want[event]);
			if (demand.connect && event == NOT_OFFERED)
				CHECK_INT(d.code, FAIL_REQUIRETLS_TLS);
		}
	}
}

TEST(secure_and_fingerprint_take_their_own_proof_only)
{
	static char *sans[] = { (char *)(uintptr_t) "mail.box.test" };
	static char *pins[] = { (char *)(uintptr_t) "00", (char *)(uintptr_t) "bb" };
	struct rule rule = rule_of(LEVEL_SECURE);
	struct decide_site site = { .rule = &rule, .host = "mx.box.test", .nexthop = "box.test" };
	struct demand demand;
	struct host_facts host;
	struct tls_facts tls;
	struct cert_facts leaf;
	struct decision d;

	make_facts(CHAIN, &host, &tls, &leaf);
	tls.verify.matches_mx = TRI_YES; /* what DNS named is no proof at secure */
	tls.verify.matches_domain = TRI_NO;
	rule.match = RULE_MATCH_NEXTHOP | RULE_MATCH_DOT_NEXTHOP;
	leaf.names.v = sans;
	leaf.names.n = 1;
	decide_demand(&site, &demand);
	decide(&demand, &host, &leaf, 0, false, &d);
	CHECK_INT(d.action, DECIDE_DELIVER_TLS);
	sans[0] = (char *)(uintptr_t) "mail.xbox.test";
	decide(&demand, &host, &leaf, 0, false, &d);
	CHECK_INT(d.code, FAIL_CERT_MISMATCH);
	decide(&demand, &host, NULL, 0, false, &d);
	CHECK_INT(d.action, DECIDE_SKIP);
	rule.match_names = (struct strs){ .v = sans, .n = 1 };
	decide(&demand, &host, &leaf, 0, false, &d);
	CHECK_INT(d.action, DECIDE_DELIVER_TLS);
	tls.verify.trusted = TRI_NO;
	decide(&demand, &host, &leaf, 0, false, &d);
	CHECK_INT(d.code, FAIL_CERT_UNTRUSTED);

	/* a pin: names, dates and trust do not matter; the key's pin is as good as the certificate's */
	rule = rule_of(LEVEL_FINGERPRINT);
	rule.pins = (struct strs){ .v = pins, .n = 2 };
	tls.verify.expired = TRI_YES;
	decide_demand(&site, &demand);
	CHECK_STR(decide_protection(&demand, true), "pin");
	decide(&demand, &host, &leaf, 0, false, &d);
	CHECK_INT(d.action, DECIDE_DELIVER_TLS);
	pins[1] = (char *)(uintptr_t) "b";
	decide(&demand, &host, &leaf, 0, false, &d);
	CHECK_INT(d.code, FAIL_CERT_PIN);
	decide(&demand, &host, NULL, 0, false, &d);
	CHECK_INT(d.code, FAIL_CERT_PIN);
}

TEST(mta_sts_takes_no_common_name)
{
	struct rule rule = rule_of(LEVEL_AUTO);
	struct decide_site site = { .rule = &rule, .host = "mx.box.test", .sts = STS_EFFECT_MATCH };
	struct demand demand;
	struct host_facts host;
	struct tls_facts tls;
	struct cert_facts leaf;
	struct decision d;

	make_facts(CHAIN, &host, &tls, &leaf);
	leaf.names.n = 0;
	leaf.common_name = (char *)(uintptr_t) "mx.box.test";
	decide_demand(&site, &demand);
	CHECK_STR(decide_protection(&demand, true), "sts");
	decide(&demand, &host, &leaf, 0, false, &d);
	CHECK_INT(d.code, FAIL_CERT_MISMATCH);
}
