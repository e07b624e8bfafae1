#include <stdio.h>

#include "policy/decide.h"
#include "test.h"

/*
 * The whole matrix of level, fallback and event, written out by hand from the table in
 * mxtls-policy(5) and DECISIONS 18 and 33. One letter for each decision:
 *   S starttls   P deliver in clear   T deliver over TLS   R reconnect in clear   X skip
 *   L skip, in clear later
 * Four levels (none may encrypt verify) with three letters each: fallback never, delayed, now.
 */
enum chain { NO_TLS, GOOD, NOT_VERIFIED, EXPIRED, OTHER_NAME, UNTRUSTED, UNTRUSTED_OTHER };

struct event {
	const char *name;
	struct {
		enum host_status status;
		int ehlo, starttls;
		bool no_ehlo;
		enum starttls_state state;
		int injected;
		bool implicit;
		int version;
		enum chain chain;
	} facts;
	const char *fresh; /* message age 0 */
	const char *old;   /* 300 s; NULL: the same */
	const char *retry; /* clear_retry, age 300; NULL: as old */
	enum fail_code
	    code; /* of every skip in the row, and of level verify where it delivers not */
};

#define V12 TLS_VERSION_1_2
#define V10 TLS_VERSION_1_0
static const struct event events[] = {
	{ "RFC 5321 s4.1.1.1: EHLO 250 without STARTTLS",
	    { 0, 250, -1, false, STARTTLS_NOT_OFFERED, 0, false, 0, NO_TLS }, "PPP PPP XXX XXX",
	    NULL, NULL, FAIL_STARTTLS_NOT_OFFERED },
	{ "EHLO 502, HELO 250: state not-offered",
	    { 0, 502, -1, true, STARTTLS_NOT_OFFERED, 0, false, 0, NO_TLS }, "PPP PPP XXX XXX",
	    NULL, NULL, FAIL_STARTTLS_NOT_OFFERED },
	{ "EHLO 502, HELO 250: state unknown",
	    { 0, 502, -1, true, STARTTLS_UNKNOWN, 0, false, 0, NO_TLS }, "PPP PPP XXX XXX", NULL,
	    NULL, FAIL_STARTTLS_NOT_OFFERED },
	{ "greeting 421", { HOST_TEMPORARY, -1, -1, false, STARTTLS_UNKNOWN, 0, false, 0, NO_TLS },
	    "XXX XXX XXX XXX", NULL, NULL, FAIL_REPLY_TEMPORARY },
	{ "greeting 554", { HOST_REJECTED, -1, -1, false, STARTTLS_UNKNOWN, 0, false, 0, NO_TLS },
	    "XXX XXX XXX XXX", NULL, NULL, FAIL_REPLY_PERMANENT },
	{ "EHLO 450", { 0, 450, -1, false, STARTTLS_UNKNOWN, 0, false, 0, NO_TLS },
	    "XXX XXX XXX XXX", NULL, NULL, FAIL_REPLY_TEMPORARY },
	{ "EHLO 421", { 0, 421, -1, false, STARTTLS_UNKNOWN, 0, false, 0, NO_TLS },
	    "XXX XXX XXX XXX", NULL, NULL, FAIL_REPLY_TEMPORARY },
	{ "EHLO 550, and HELO refused as well",
	    { 0, 550, -1, false, STARTTLS_UNKNOWN, 0, false, 0, NO_TLS }, "XXX XXX XXX XXX", NULL,
	    NULL, FAIL_REPLY_PERMANENT },
	{ "nothing known", { 0, -1, -1, false, STARTTLS_UNKNOWN, 0, false, 0, NO_TLS },
	    "XXX XXX XXX XXX", NULL, NULL, FAIL_REPLY_UNEXPECTED },
	{ "closed before EHLO was answered",
	    { HOST_CLOSED, -1, -1, false, STARTTLS_UNKNOWN, 0, false, 0, NO_TLS },
	    "XXX XXX XXX XXX", NULL, NULL, FAIL_EOF },
	{ "connection refused",
	    { HOST_CONNECT_REFUSED, -1, -1, false, STARTTLS_UNKNOWN, 0, false, 0, NO_TLS },
	    "XXX XXX XXX XXX", NULL, NULL, FAIL_CONNECT_REFUSED },
	{ "connecting timed out",
	    { HOST_CONNECT_TIMEOUT, -1, -1, false, STARTTLS_UNKNOWN, 0, false, 0, NO_TLS },
	    "XXX XXX XXX XXX", NULL, NULL, FAIL_CONNECT_TIMEOUT },
	{ "STARTTLS offered", { 0, 250, -1, false, STARTTLS_OFFERED, 0, false, 0, NO_TLS },
	    "PPP SSS SSS SSS", NULL, "PPP SPP SSS SSS", FAIL_NONE },
	{ "closed instead of a reply to STARTTLS (DECISIONS 33)",
	    { HOST_CLOSED, 250, -1, false, STARTTLS_OFFERED, 0, false, 0, NO_TLS },
	    "XXX XXX XXX XXX", NULL, NULL, FAIL_EOF },
	{ "no reply to STARTTLS in time",
	    { HOST_IO_TIMEOUT, 250, -1, false, STARTTLS_OFFERED, 0, false, 0, NO_TLS },
	    "XXX XXX XXX XXX", NULL, NULL, FAIL_TIMEOUT },
	{ "STARTTLS 454", { 0, 250, 454, false, STARTTLS_REFUSED, 0, false, 0, NO_TLS },
	    "PPP XPP XXX XXX", NULL, NULL, FAIL_STARTTLS_REJECTED },
	{ "STARTTLS 454, noted as temporary",
	    { HOST_TEMPORARY, 250, 454, false, STARTTLS_REFUSED, 0, false, 0, NO_TLS },
	    "PPP XPP XXX XXX", NULL, NULL, FAIL_STARTTLS_REJECTED },
	{ "STARTTLS 502", { 0, 250, 502, false, STARTTLS_REFUSED, 0, false, 0, NO_TLS },
	    "PPP XPP XXX XXX", NULL, NULL, FAIL_STARTTLS_REJECTED },
	{ "STARTTLS 554, then closed",
	    { HOST_CLOSED, 250, 554, false, STARTTLS_REFUSED, 0, false, 0, NO_TLS },
	    "XXX XXX XXX XXX", NULL, NULL, FAIL_EOF },
	{ "STARTTLS 421: a host failure (DECISIONS 33)",
	    { 0, 250, 421, false, STARTTLS_REFUSED, 0, false, 0, NO_TLS }, "XXX XXX XXX XXX", NULL,
	    NULL, FAIL_STARTTLS_REJECTED },
	{ "220, then the handshake failed",
	    { HOST_HANDSHAKE_ERROR, 250, 220, false, STARTTLS_FAILED, 0, false, 0, NO_TLS },
	    "XXX XXR XXX XXX", "XXX XLR XXX XXX", NULL, FAIL_TLS_HANDSHAKE },
	{ "220, then closed in the handshake",
	    { HOST_CLOSED, 250, 220, false, STARTTLS_FAILED, 0, false, 0, NO_TLS },
	    "XXX XXR XXX XXX", "XXX XLR XXX XXX", NULL, FAIL_TLS_HANDSHAKE },
	{ "bytes behind the 220", { 0, 250, 220, false, STARTTLS_FAILED, 5, false, 0, NO_TLS },
	    "XXX XXX XXX XXX", NULL, NULL, FAIL_RESPONSE_INJECTION },
	{ "bytes behind the 220, and a good handshake all the same",
	    { 0, 250, 220, false, STARTTLS_DONE, 1, false, V12, GOOD }, "XXX XXX XXX XXX", NULL,
	    NULL, FAIL_RESPONSE_INJECTION },
	{ "good certificate", { 0, 250, 220, false, STARTTLS_DONE, 0, false, V12, GOOD },
	    "TTT TTT TTT TTT", NULL, NULL, FAIL_NONE },
	{ "good certificate, TLS 1.3",
	    { 0, 250, 220, false, STARTTLS_DONE, 0, false, TLS_VERSION_1_3, GOOD },
	    "TTT TTT TTT TTT", NULL, NULL, FAIL_NONE },
	{ "certificate not verified",
	    { 0, 250, 220, false, STARTTLS_DONE, 0, false, V12, NOT_VERIFIED }, "TTT TTT TTT XXX",
	    NULL, NULL, FAIL_CERT_UNTRUSTED },
	{ "certificate expired", { 0, 250, 220, false, STARTTLS_DONE, 0, false, V12, EXPIRED },
	    "TTT TTT TTT XXX", NULL, NULL, FAIL_CERT_EXPIRED },
	{ "certificate of another host",
	    { 0, 250, 220, false, STARTTLS_DONE, 0, false, V12, OTHER_NAME }, "TTT TTT TTT XXX",
	    NULL, NULL, FAIL_CERT_MISMATCH },
	{ "certificate not trusted",
	    { 0, 250, 220, false, STARTTLS_DONE, 0, false, V12, UNTRUSTED }, "TTT TTT TTT XXX",
	    NULL, NULL, FAIL_CERT_UNTRUSTED },
	{ "certificate not trusted, of another host",
	    { 0, 250, 220, false, STARTTLS_DONE, 0, false, V12, UNTRUSTED_OTHER },
	    "TTT TTT TTT XXX", NULL, NULL, FAIL_CERT_MISMATCH },
	{ "TLS 1.0 below verify's minimum of 1.2",
	    { 0, 250, 220, false, STARTTLS_DONE, 0, false, V10, GOOD }, "TTT TTT TTT XXX", NULL,
	    NULL, FAIL_TLS_TOO_OLD },
	{ "unknown TLS version: below every minimum",
	    { 0, 250, 220, false, STARTTLS_DONE, 0, false, -1, GOOD }, "TTT XXR XXX XXX",
	    "TTT XLR XXX XXX", NULL, FAIL_TLS_TOO_OLD },
	{ "state done without a handshake",
	    { 0, 250, 220, false, STARTTLS_DONE, 0, false, 0, NO_TLS }, "XXX XXR XXX XXX",
	    "XXX XLR XXX XXX", NULL, FAIL_TLS_HANDSHAKE },
	{ "closed after a good handshake",
	    { HOST_CLOSED, 250, 220, false, STARTTLS_DONE, 0, false, V12, GOOD }, "XXX XXX XXX XXX",
	    NULL, NULL, FAIL_EOF },
	{ "error after a good handshake",
	    { HOST_POST_TLS_ERROR, 250, 220, false, STARTTLS_DONE, 0, false, V12, GOOD },
	    "XXX XXX XXX XXX", NULL, NULL, FAIL_TLS_IO },
	{ "TLS from the first byte", { 0, 250, -1, false, STARTTLS_IMPLICIT, 0, true, V12, GOOD },
	    "TTT TTT TTT TTT", NULL, NULL, FAIL_NONE },
	{ "TLS from the first byte, not trusted",
	    { 0, 250, -1, false, STARTTLS_IMPLICIT, 0, true, V12, UNTRUSTED }, "TTT TTT TTT XXX",
	    NULL, NULL, FAIL_CERT_UNTRUSTED },
	{ "TLS from the first byte failed, noted as a failed handshake",
	    { HOST_HANDSHAKE_ERROR, -1, -1, false, STARTTLS_FAILED, 0, true, 0, NO_TLS },
	    "XXX XXX XXX XXX", NULL, NULL, FAIL_TLS_HANDSHAKE },
	{ "TLS from the first byte failed: no clear text to go back to",
	    { HOST_HANDSHAKE_ERROR, -1, -1, false, STARTTLS_IMPLICIT, 0, true, 0, NO_TLS },
	    "XXX XXX XXX XXX", NULL, NULL, FAIL_TLS_HANDSHAKE },
};

static void
fill_chain(enum chain chain, struct tls_facts *tls)
{
	struct verify_facts *verify = &tls->verify;

	tls->complete = TRI_YES;
	if (chain == NOT_VERIFIED)
		return;
	verify->trusted = verify->matches_mx = TRI_YES;
	verify->expired = verify->self_signed = verify->matches_domain = TRI_NO;
	if (chain == EXPIRED) {
		verify->expired = TRI_YES;
		verify->trusted = TRI_NO;
	}
	if (chain == OTHER_NAME || chain == UNTRUSTED_OTHER)
		verify->matches_mx = TRI_NO;
	if (chain == UNTRUSTED || chain == UNTRUSTED_OTHER)
		verify->trusted = TRI_NO;
}

/* The facts of an event; tls is an array of two: the first handshake is another session's. */
static void
fill_facts(const struct event *event, struct host_facts *host, struct tls_facts tls[2])
{
	facts_init_host_facts(host);
	facts_init_tls_facts(&tls[0]);
	facts_init_tls_facts(&tls[1]);
	host->status = event->facts.status;
	host->ehlo_code = event->facts.ehlo;
	host->starttls_code = event->facts.starttls;
	host->ehlo_unsupported = event->facts.no_ehlo;
	host->starttls_state = event->facts.state;
	host->post_220_bytes = event->facts.injected;
	host->implicit_tls = event->facts.implicit;
	if (event->facts.chain == NO_TLS)
		return;
	/* an earlier, perfect handshake must never stand for this one */
	tls[0].version_value = TLS_VERSION_1_3;
	fill_chain(GOOD, &tls[0]);
	tls[1].version_value = event->facts.version;
	fill_chain(event->facts.chain, &tls[1]);
	host->tls = tls;
	host->tls_n = 2;
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

static const enum rule_level levels[] = { LEVEL_NONE, LEVEL_MAY, LEVEL_ENCRYPT, LEVEL_VERIFY };

/* What a rule alone demands: nothing is published. */
static void
demand_of(const struct rule *rule, struct demand *d_r)
{
	struct decide_site site = {
		.rule = rule, .host = "mx.example", .nexthop = "example", .tlsa = TLSA_NONE
	};

	decide_demand(&site, d_r);
}

static void
check_event(const struct event *event, const char *want, int64_t age, bool retry)
{
	struct host_facts host;
	struct tls_facts tls[2];
	char got[16] = "";
	size_t n = 0;

	fill_facts(event, &host, tls);
	for (size_t level = 0; level < 4; level++) {
		for (int fallback = FALLBACK_NEVER; fallback <= FALLBACK_NOW; fallback++) {
			struct rule rule = { .level = levels[level],
				.fallback = (enum rule_fallback)fallback,
				.match = RULE_MATCH_HOSTNAME,
				.tls_min = level == 3 ? TLS_VERSION_1_2 : TLS_VERSION_1_0 };
			struct demand demand;
			struct decision d;
			demand_of(&rule, &demand);
			decide(&demand, &host, NULL, age, retry, &d);
			TEST_ROW("%s: %s, fallback=%s, age %d%s", event->name,
			    level_str(rule.level), fallback_str(rule.fallback), (int)age,
			    retry ? ", clear retry" : "");
			got[n++] = letter(&d);
			CHECK(d.reason != NULL && (d.reason[0] != '\0') == (got[n - 1] != 'S'));
			if (got[n - 1] == 'X' || got[n - 1] == 'L')
				CHECK_STR(fail_info(d.code)->token, fail_info(event->code)->token);
			if (got[n - 1] == 'T' || got[n - 1] == 'S')
				CHECK_INT(d.code, FAIL_NONE);
		}
		got[n++] = level < 3 ? ' ' : '\0';
	}
	TEST_ROW("%s, age %d%s", event->name, (int)age, retry ? ", clear retry" : "");
	CHECK_STR(got, want);
}

TEST(decide_follows_the_table_for_every_level_fallback_and_event)
{
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		const struct event *event = &events[i];
		const char *old = event->old == NULL ? event->fresh : event->old;
		check_event(event, event->fresh, 0, false);
		check_event(event, event->fresh, DECIDE_DELAYED_S - 1, false);
		check_event(event, old, DECIDE_DELAYED_S, false);
		check_event(event, old, 1000000, false);
		check_event(event, event->retry == NULL ? old : event->retry, 300, true);
	}
}

TEST(decide_sends_no_clear_text_where_tls_is_needed)
{
	/* whatever is put together, also what no session can show */
	static const int versions[] = { -1, 0x301, 0x304 };
	size_t clear = 0;

	for (int state = 0; state <= STARTTLS_IMPLICIT; state++)
		for (int status = 0; status <= HOST_UNKNOWN_ERROR; status++)
			for (int bits = 0; bits < 16; bits++)
				for (size_t v = 0; v < 3; v++)
					for (int fallback = 0; fallback < 3; fallback++) {
						struct host_facts host;
						struct tls_facts tls;
						struct decision d;
						facts_init_host_facts(&host);
						facts_init_tls_facts(&tls);
						host.starttls_state = (enum starttls_state)state;
						host.status = (enum host_status)status;
						host.ehlo_unsupported = bits & 1;
						tls.complete = bits & 2 ? TRI_YES : TRI_NO;
						tls.version_value = versions[v];
						host.tls = &tls;
						host.tls_n = bits & 4 ? 1 : 0;
						struct rule rule = { .level = LEVEL_ENCRYPT,
							.fallback = (enum rule_fallback)fallback,
							.match = RULE_MATCH_HOSTNAME,
							.tls_min = TLS_VERSION_1_0 };
						struct demand demand;
						demand_of(&rule, &demand);
						decide(&demand, &host, NULL, 1000, bits & 8, &d);
						clear += d.action == DECIDE_DELIVER_CLEAR ||
							 d.action == DECIDE_RECONNECT_CLEAR;
						/* and nothing was verified */
						rule.level = LEVEL_VERIFY;
						demand_of(&rule, &demand);
						decide(&demand, &host, NULL, 1000, bits & 8, &d);
						CHECK(d.action == DECIDE_SKIP ||
						      d.action == DECIDE_STARTTLS);
					}
	CHECK_INT(clear, 0);
}

TEST(decide_treats_tls_below_min_as_a_failed_handshake)
{
	static const struct {
		const char *name;
		enum rule_level level;
		enum rule_fallback fallback;
		int version;
		enum tls_version min;
		char want;
	} rows[] = {
		{ "equal is enough", LEVEL_ENCRYPT, FALLBACK_NEVER, 0x303, TLS_VERSION_1_2, 'T' },
		{ "encrypt", LEVEL_ENCRYPT, FALLBACK_NOW, 0x302, TLS_VERSION_1_2, 'X' },
		{ "verify 1.3", LEVEL_VERIFY, FALLBACK_NOW, 0x303, TLS_VERSION_1_3, 'X' },
		{ "verify min=TLSv1.0", LEVEL_VERIFY, FALLBACK_NOW, 0x301, TLS_VERSION_1_0, 'T' },
		{ "may now", LEVEL_MAY, FALLBACK_NOW, 0x302, TLS_VERSION_1_2, 'R' },
		{ "may delayed", LEVEL_MAY, FALLBACK_DELAYED, 0x302, TLS_VERSION_1_2, 'X' },
		{ "may never", LEVEL_MAY, FALLBACK_NEVER, 0x302, TLS_VERSION_1_2, 'X' },
	};
	struct event event = {
		.facts = { .ehlo = 250, .starttls = 220, .state = STARTTLS_DONE, .chain = GOOD }
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct host_facts host;
		struct tls_facts tls[2];
		struct decision d;
		struct rule rule = { .level = rows[i].level,
			.fallback = rows[i].fallback,
			.match = RULE_MATCH_HOSTNAME,
			.tls_min = rows[i].min };
		TEST_ROW("%s", rows[i].name);
		event.facts.version = rows[i].version;
		fill_facts(&event, &host, tls);
		rule.min_given = true;
		struct demand demand;
		demand_of(&rule, &demand);
		decide(&demand, &host, NULL, 0, false, &d);
		CHECK_INT(letter(&d), rows[i].want);
		if (rows[i].want != 'T')
			CHECK_INT(d.code, FAIL_TLS_TOO_OLD);
	}
}

TEST(decide_certificate_proves_only_the_names_that_match_allows)
{
	static const struct {
		enum tri trusted, mx, domain, expired;
		unsigned match;
		enum fail_code want;
	} rows[] = {
		{ TRI_YES, TRI_YES, TRI_NO, TRI_NO, RULE_MATCH_HOSTNAME, FAIL_NONE },
		{ TRI_YES, TRI_YES, TRI_NO, TRI_NO, RULE_MATCH_NEXTHOP, FAIL_CERT_MISMATCH },
		{ TRI_YES, TRI_NO, TRI_YES, TRI_NO, RULE_MATCH_NEXTHOP, FAIL_NONE },
		{ TRI_YES, TRI_NO, TRI_YES, TRI_NO, RULE_MATCH_HOSTNAME, FAIL_CERT_MISMATCH },
		{ TRI_YES, TRI_NO, TRI_YES, TRI_NO, 3, FAIL_NONE },
		{ TRI_YES, TRI_YES, TRI_NO, TRI_NO, 3, FAIL_NONE },
		{ TRI_YES, TRI_NO, TRI_NO, TRI_NO, 3, FAIL_CERT_MISMATCH },
		{ TRI_YES, TRI_UNKNOWN, TRI_UNKNOWN, TRI_NO, 3, FAIL_CERT_UNTRUSTED },
		{ TRI_YES, TRI_YES, TRI_YES, TRI_NO, 0, FAIL_CERT_UNTRUSTED },
		{ TRI_NO, TRI_YES, TRI_YES, TRI_NO, 3, FAIL_CERT_UNTRUSTED },
		{ TRI_UNKNOWN, TRI_YES, TRI_YES, TRI_NO, 3, FAIL_CERT_UNTRUSTED },
		{ TRI_NO, TRI_YES, TRI_YES, TRI_YES, 3, FAIL_CERT_EXPIRED },
		{ TRI_YES, TRI_YES, TRI_YES, TRI_YES, 3, FAIL_CERT_EXPIRED },
		{ TRI_NO, TRI_NO, TRI_NO, TRI_YES, 3, FAIL_CERT_EXPIRED },
		{ TRI_NO, TRI_NO, TRI_NO, TRI_NO, 1, FAIL_CERT_MISMATCH },
		{ TRI_UNKNOWN, TRI_UNKNOWN, TRI_UNKNOWN, TRI_UNKNOWN, 1, FAIL_CERT_UNTRUSTED },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct verify_facts verify;
		TEST_ROW("%zu", i);
		facts_init_verify_facts(&verify);
		verify.trusted = rows[i].trusted;
		verify.matches_mx = rows[i].mx;
		verify.matches_domain = rows[i].domain;
		verify.expired = rows[i].expired;
		CHECK_STR(fail_info(decide_certificate(&verify, rows[i].match))->token,
		    fail_info(rows[i].want)->token);
	}
}

TEST(levels_answer_by_predicate)
{
	static const struct {
		const char *word;
		enum rule_level level;
		bool wants, needs, identity;
	} rows[] = {
		{ "none", LEVEL_NONE, false, false, false },
		{ "may", LEVEL_MAY, true, false, false },
		{ "auto", LEVEL_AUTO, true, false, false },
		{ "encrypt", LEVEL_ENCRYPT, true, true, false },
		{ "verify", LEVEL_VERIFY, true, true, true },
		{ "secure", LEVEL_SECURE, true, true, true },
		{ "fingerprint", LEVEL_FINGERPRINT, true, true, true },
		{ "dane", LEVEL_DANE, true, false, false },
		{ "dane-only", LEVEL_DANE_ONLY, true, true, true },
	};

	CHECK_INT(sizeof(rows) / sizeof(rows[0]), LEVEL_COUNT);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum rule_level level = LEVEL_NONE;
		TEST_ROW("%s", rows[i].word);
		CHECK(level_parse(slice_str(rows[i].word), &level));
		CHECK_INT(level, rows[i].level);
		CHECK_STR(level_str(level), rows[i].word);
		CHECK_INT(level_wants_tls(level), rows[i].wants);
		CHECK_INT(level_needs_tls(level), rows[i].needs);
		CHECK_INT(level_needs_identity(level), rows[i].identity);
	}
	enum rule_level level;
	CHECK(!level_parse(slice_str("Verify"), &level));
	CHECK(!level_parse(slice_str(""), &level));
}

TEST(result_types_are_those_of_rfc_8460_s4_3)
{
	static const struct {
		const char *name;
		enum starttls_state state;
		enum host_status status;
		int ehlo, injected;
		bool no_ehlo, masked;
		int version;
		enum chain chain;
		const char *want;
	} rows[] = {
		{ "complete 250", STARTTLS_NOT_OFFERED, 0, 250, 0, false, false, 0, NO_TLS,
		    "starttls-not-supported" },
		{ "state says no, code says 421", STARTTLS_NOT_OFFERED, 0, 421, 0, false, false, 0,
		    NO_TLS, NULL },
		{ "state says no, no code", STARTTLS_NOT_OFFERED, 0, -1, 0, false, false, 0, NO_TLS,
		    NULL },
		{ "XXXXXXXA", STARTTLS_NOT_OFFERED, 0, 250, 0, false, true, 0, NO_TLS,
		    "x-starttls-stripped-suspected" },
		{ "HELO only", STARTTLS_NOT_OFFERED, 0, 502, 0, true, false, 0, NO_TLS,
		    "x-ehlo-unsupported" },
		{ "421", STARTTLS_UNKNOWN, HOST_TEMPORARY, 421, 0, false, false, 0, NO_TLS, NULL },
		{ "554", STARTTLS_UNKNOWN, HOST_REJECTED, -1, 0, false, false, 0, NO_TLS, NULL },
		{ "timeout", STARTTLS_UNKNOWN, HOST_IO_TIMEOUT, -1, 0, false, false, 0, NO_TLS,
		    NULL },
		{ "no reply to STARTTLS", STARTTLS_OFFERED, HOST_CLOSED, 250, 0, false, false, 0,
		    NO_TLS, NULL },
		{ "refused", STARTTLS_REFUSED, 0, 250, 0, false, false, 0, NO_TLS,
		    "x-starttls-rejected" },
		{ "injection", STARTTLS_FAILED, 0, 250, 3, false, false, 0, NO_TLS,
		    "x-response-injection" },
		{ "handshake", STARTTLS_FAILED, HOST_HANDSHAKE_ERROR, 250, 0, false, false, 0,
		    NO_TLS, "validation-failure" },
		{ "we stopped", STARTTLS_FAILED, HOST_CANCELLED, 250, 0, false, false, 0, NO_TLS,
		    NULL },
		{ "good", STARTTLS_DONE, HOST_SUCCESS, 250, 0, false, false, 0x304, GOOD, NULL },
		{ "expired", STARTTLS_DONE, 0, 250, 0, false, false, 0x304, EXPIRED,
		    "certificate-expired" },
		{ "other name", STARTTLS_DONE, 0, 250, 0, false, false, 0x304, OTHER_NAME,
		    "certificate-host-mismatch" },
		{ "untrusted", STARTTLS_DONE, 0, 250, 0, false, false, 0x301, UNTRUSTED,
		    "certificate-not-trusted" },
		{ "untrusted, implicit TLS", STARTTLS_IMPLICIT, 0, 250, 0, false, false, 0x304,
		    UNTRUSTED, "certificate-not-trusted" },
		{ "nobody verified", STARTTLS_DONE, 0, 250, 0, false, false, 0x304, NOT_VERIFIED,
		    NULL },
		{ "TLS 1.1", STARTTLS_DONE, 0, 250, 0, false, false, 0x302, GOOD,
		    "x-tls-version-too-old" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct event event = { .facts = { .status = rows[i].status,
					   .ehlo = rows[i].ehlo,
					   .starttls = -1,
					   .no_ehlo = rows[i].no_ehlo,
					   .state = rows[i].state,
					   .injected = rows[i].injected,
					   .version = rows[i].version,
					   .chain = rows[i].chain } };
		struct host_facts host;
		struct tls_facts tls[2];
		TEST_ROW("%s", rows[i].name);
		fill_facts(&event, &host, tls);
		host.keyword_masked = rows[i].masked;
		CHECK_STR(host_result_type(&host), rows[i].want);
	}
}
