/* The search of --enum, against servers that exist only as rules. */
#include <stdio.h>
#include <string.h>

#include "app/probe/enum.h"
#include "test.h"

#define LIST_MAX 40

struct server {
	unsigned versions; /* bit by version - SSLv3 */
	uint16_t suites[5][LIST_MAX], groups[LIST_MAX], groups13[LIST_MAX]; /* ended by 0 */
	bool prefers;        /* its own order counts, not the client's */
	uint16_t cert_curve; /* up to TLS 1.2 this must be in the offer */
	bool answers_lower;  /* to a version it does not have, with the newest below */
	bool silent;         /* instead of an alert */
	int late_version;    /* never answers to this one */
	int stop_at;         /* this connection is refused, 0: none */
	bool strange_suite, strange_group;

	int connections, refusals;
	struct hello_offer last;
};

static uint16_t
choose(const struct server *s, const uint16_t *mine, const uint16_t *theirs, size_t theirs_n)
{
	for (size_t i = 0; s->prefers && mine[i] != 0; i++)
		for (size_t j = 0; j < theirs_n; j++)
			if (theirs[j] == mine[i])
				return mine[i];
	for (size_t j = 0; !s->prefers && j < theirs_n; j++)
		for (size_t i = 0; mine[i] != 0; i++)
			if (theirs[j] == mine[i])
				return mine[i];
	return 0;
}

static bool
has(const uint16_t *list, size_t n, uint16_t number)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] == number)
			return true;
	return false;
}

static bool
curve_suite(uint16_t suite)
{
	const char *name = hello_suite_name(suite);

	return name != NULL && strncmp(name, "TLS_ECDHE_", 10) == 0;
}

/* What a server of these rules says. */
static void
decide(struct server *s, const struct hello_offer *offer, int v, struct hello_answer *answer)
{
	const uint16_t *groups = v == 4 && s->groups13[0] != 0 ? s->groups13 : s->groups;

	answer->kind = HELLO_ALERT;
	answer->alert = 40;
	while (v >= 0 && (s->versions >> v & 1) == 0 && s->answers_lower)
		v--;
	if (v < 0 || (s->versions >> v & 1) == 0) {
		answer->alert = 70;
		return;
	}
	uint16_t suite = choose(s, s->suites[v], offer->suites, offer->suites_n);
	uint16_t group = choose(s, groups, offer->groups, offer->groups_n);
	if (v == 4 && offer->key_share == HELLO_KEY_SHARE_X25519 &&
	    has(offer->groups, offer->groups_n, 0x1d) && has(groups, LIST_MAX, 0x1d))
		group = 0x1d;
	if (suite == 0 || (v == 4 && group == 0))
		return;
	if (v < 4 && curve_suite(suite) &&
	    (group == 0 ||
		(s->cert_curve != 0 && !has(offer->groups, offer->groups_n, s->cert_curve))))
		return;
	answer->kind = HELLO_SERVER_HELLO;
	answer->alert = 0;
	answer->version = (uint16_t)(HELLO_SSL3 + v);
	answer->suite = s->strange_suite ? 0x4242 : suite;
	answer->group = v == 4 || curve_suite(suite) ? group : 0;
	if (s->strange_group && answer->group != 0)
		answer->group = 0x4242;
	if (v == 4 && !(offer->key_share == HELLO_KEY_SHARE_X25519 && group == 0x1d))
		answer->kind = HELLO_RETRY;
}

static int
ask(void *ctx, const struct hello_offer *offer, bool key_exchange, struct hello_answer *answer,
    struct fail *why)
{
	struct server *s = ctx;
	int v = (offer->versions_n > 0 ? offer->versions[0] : offer->client_version) - HELLO_SSL3;

	CHECK_INT(key_exchange, v < 4);
	CHECK_INT(offer->extensions, v > 0);
	s->last = *offer;
	if (++s->connections == s->stop_at) {
		fail_set(why, FAIL_REPLY_TEMPORARY, "greeting: 421 too many connections");
		return ENUM_STOP;
	}
	if (s->late_version != 0 && v == s->late_version - HELLO_SSL3) {
		fail_set(why, FAIL_TIMEOUT, "no answer");
		return ENUM_LATE;
	}
	decide(s, offer, v, answer);
	if (answer->kind == HELLO_ALERT)
		s->refusals++;
	if (answer->kind == HELLO_ALERT && s->silent) {
		answer->kind = HELLO_NOTHING;
		fail_set(why, FAIL_EOF, "closed");
		return ENUM_SILENT;
	}
	return ENUM_ANSWER;
}

static struct arena arena;

static void
search(struct server *s, unsigned what, struct enum_facts *facts)
{
	static const unsigned char random[96];

	arena_reset(&arena);
	facts_init_enum_facts(facts);
	enum_search(what, "mx.example.com", random, ask, s, &arena, facts);
	CHECK_INT(facts->connections, s->connections);
}

static const char *
versions(const struct enum_facts *facts)
{
	static char out[200];

	out[0] = '\0';
	for (size_t i = 0; i < facts->versions.n; i++)
		snprintf(out + strlen(out), sizeof(out) - strlen(out), "%s%s", i > 0 ? " " : "",
		    facts->versions.v[i]);
	return out;
}

static const char *
ciphers(const struct enum_facts *facts, const char *version)
{
	static char out[1000];

	out[0] = '\0';
	for (size_t i = 0; i < facts->ciphers_n; i++)
		if (strcmp(facts->ciphers[i].version, version) == 0)
			snprintf(out + strlen(out), sizeof(out) - strlen(out), "%s%s",
			    out[0] != '\0' ? " " : "", facts->ciphers[i].hex);
	return out;
}

static const char *
groups(const struct enum_facts *facts, const char *version)
{
	static char out[1000];

	out[0] = '\0';
	for (size_t i = 0; i < facts->groups_n; i++)
		if (strcmp(facts->groups[i].version, version) == 0)
			snprintf(out + strlen(out), sizeof(out) - strlen(out), "%s%s",
			    out[0] != '\0' ? " " : "", facts->groups[i].name);
	return out;
}

#define ALL (ENUM_VERSIONS | ENUM_CIPHERS | ENUM_GROUPS)
static const struct server modern = { .versions = 0x18,
	.suites = { [3] = { 0xc030, 0xc02f, 0x009d }, [4] = { 0x1302, 0x1301 } },
	.groups = { 0x17, 0x1d, 0x18 },
	.groups13 = { 0x11ec, 0x1d, 0x17 },
	.prefers = true };

TEST(versions_are_one_connection_each)
{
	static const struct {
		const char *what;
		unsigned versions;
		bool answers_lower;
		const char *want;
	} rows[] = {
		{ "1.2 and 1.3", 0x18, false, "TLSv1.2 TLSv1.3" },
		{ "all", 0x1f, false, "SSLv3 TLSv1.0 TLSv1.1 TLSv1.2 TLSv1.3" },
		{ "1.2 only, answers 1.3 by 1.2", 0x08, true, "TLSv1.2" },
		{ "1.0 only, answers by 1.0", 0x02, true, "TLSv1.0" },
		{ "with a gap", 0x12, false, "TLSv1.0 TLSv1.3" },
		{ "none", 0, false, "" },
	};
	struct enum_facts facts;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		TEST_ROW("%s", rows[i].what);
		struct server s = { .versions = rows[i].versions,
			.answers_lower = rows[i].answers_lower,
			.groups = { 0x17 } };
		for (int v = 0; v < 4; v++)
			s.suites[v][0] = 0x002f;
		s.suites[4][0] = 0x1301;
		search(&s, ENUM_VERSIONS, &facts);
		CHECK_STR(versions(&facts), rows[i].want);
		CHECK_INT(facts.connections, 5);
		CHECK_INT(facts.complete, TRI_YES);
		CHECK_INT(facts.ciphers_n + facts.groups_n, 0);
	}
}

TEST(ciphers_take_as_many_connections_as_are_taken_and_one_for_each_version)
{
	struct server s = modern;
	struct enum_facts facts;

	search(&s, ENUM_CIPHERS, &facts);
	/* in the server's order */
	CHECK_STR(ciphers(&facts, "TLSv1.2"), "0xc030 0xc02f 0x009d");
	CHECK_STR(ciphers(&facts, "TLSv1.3"), "0x1302 0x1301");
	CHECK_STR(facts.ciphers[0].name, "TLS_AES_256_GCM_SHA384");
	CHECK_STR(facts.ciphers[0].group, "x25519");
	CHECK(facts.ciphers[4].group == NULL);
	CHECK_INT(facts.complete, TRI_YES);
	/* five versions of which two are taken, then 2 + 1 and 1 + 1: the first ones are known */
	CHECK_INT(facts.connections, 5 + 3 + 2);
	s = modern;
	s.prefers = false;
	search(&s, ENUM_CIPHERS, &facts);
	CHECK_STR(ciphers(&facts, "TLSv1.2"), "0x009d 0xc02f 0xc030");
}

TEST(groups_are_found_by_empty_shares_and_key_exchanges)
{
	struct server s = modern;
	struct enum_facts facts;

	search(&s, ENUM_GROUPS, &facts);
	CHECK_STR(groups(&facts, "TLSv1.3"), "x25519 X25519MLKEM768 secp256r1");
	CHECK_STR(groups(&facts, "TLSv1.2"), "secp256r1 x25519 secp384r1");
	CHECK_STR(facts.groups[1].hex, "0x11ec");
	CHECK_INT(facts.complete, TRI_YES);
	/* up to TLS 1.2 the refusal is tried again with the last group behind the rest */
	CHECK_INT(facts.connections, 5 + 3 + 4);
	CHECK_INT(
	    s.last.suites_n, hello_suites_curve(HELLO_TLS12, (uint16_t[HELLO_SUITES_MAX]){ 0 }));
}

TEST(the_curve_of_an_ecdsa_certificate_does_not_hide_the_other_groups)
{
	static const struct {
		bool prefers;
		const char *want;
	} rows[] = { { false, "secp256r1 secp384r1 x25519" }, { true, "secp256r1" } };
	struct enum_facts facts;

	for (size_t i = 0; i < 2; i++) {
		TEST_ROW("prefers %d", rows[i].prefers);
		struct server s = { .versions = 0x08,
			.suites = { [3] = { 0xc02b } },
			.groups = { 0x17, 0x1d, 0x18 },
			.cert_curve = 0x17,
			.prefers = rows[i].prefers };
		search(&s, ENUM_GROUPS, &facts);
		CHECK_STR(groups(&facts, "TLSv1.2"), rows[i].want);
		CHECK_INT(facts.complete, TRI_YES);
	}
}

TEST(a_server_without_ecdhe_has_no_groups)
{
	struct server s = { .versions = 0x0b, .groups = { 0x17 } };
	struct enum_facts facts;

	for (int v = 0; v < 4; v++)
		s.suites[v][0] = 0x002f;
	search(&s, ALL, &facts);
	CHECK_INT(facts.groups_n, 0);
	CHECK_STR(versions(&facts), "SSLv3 TLSv1.0 TLSv1.2");
	CHECK_STR(ciphers(&facts, "SSLv3"), "0x002f");
	CHECK_INT(facts.connections, 5 + 1 + 3);
}

TEST(a_server_that_closes_instead_of_refusing_is_asked_twice)
{
	struct server s = modern;
	struct enum_facts facts;

	s.silent = true;
	search(&s, ALL, &facts);
	CHECK_STR(versions(&facts), "TLSv1.2 TLSv1.3");
	CHECK_STR(ciphers(&facts, "TLSv1.2"), "0xc030 0xc02f 0x009d");
	CHECK_INT(facts.complete, TRI_YES);
	CHECK_INT(s.refusals % 2, 0);
}

TEST(the_first_refused_connection_ends_it_with_what_is_known)
{
	struct enum_facts facts;

	for (int at = 1; at <= 16; at++) {
		TEST_ROW("connection %d", at);
		struct server s = modern;
		s.stop_at = at;
		search(&s, ALL, &facts);
		CHECK_INT(facts.complete, TRI_NO);
		CHECK_INT(facts.connections, at);
		CHECK(strstr(facts.reason, "421 too many connections") != NULL);
	}
	/* the newest versions come first */
	struct server s = modern;
	s.stop_at = 3;
	search(&s, ALL, &facts);
	CHECK_STR(versions(&facts), "TLSv1.2 TLSv1.3");
	CHECK_STR(facts.reason, "at connection 3: greeting: 421 too many connections");
}

TEST(a_version_that_gets_no_answer_leaves_the_others_alone)
{
	struct server s = modern;
	struct enum_facts facts;

	s.late_version = HELLO_TLS10;
	search(&s, ALL, &facts);
	CHECK_INT(facts.complete, TRI_NO);
	CHECK_STR(facts.reason, "TLSv1.0: no answer to the ClientHello");
	CHECK_STR(versions(&facts), "TLSv1.2 TLSv1.3");
	CHECK_INT(facts.ciphers_n, 5);
}

TEST(a_choice_that_was_not_offered_ends_the_round_not_the_program)
{
	struct server s = modern;
	struct enum_facts facts;

	s.strange_suite = true;
	search(&s, ALL, &facts);
	CHECK_INT(facts.complete, TRI_NO);
	CHECK(strstr(facts.reason, "a suite that was not offered: 0x4242") != NULL);
	CHECK_INT(facts.connections, 5);
	s = modern;
	s.strange_group = true;
	search(&s, ALL, &facts);
	CHECK_INT(facts.complete, TRI_NO);
	CHECK(strstr(facts.reason, "a group that was not offered: 0x4242") != NULL);
	CHECK_INT(facts.groups_n, 0);
	CHECK_INT(facts.ciphers_n, 5);
}

/* Takes whatever comes first, for ever. */
static int
ask_greedy(void *ctx, const struct hello_offer *offer, bool key_exchange,
    struct hello_answer *answer, struct fail *why)
{
	(void)ctx;
	(void)key_exchange;
	(void)why;
	answer->kind = HELLO_SERVER_HELLO;
	answer->version = offer->versions_n > 0 ? offer->versions[0] : offer->client_version;
	answer->suite = offer->suites[offer->suites_n / 2];
	return ENUM_ANSWER;
}

TEST(there_is_a_last_connection)
{
	static const unsigned char random[96];
	struct enum_facts facts;

	arena_reset(&arena);
	facts_init_enum_facts(&facts);
	enum_search(ALL, NULL, random, ask_greedy, NULL, &arena, &facts);
	CHECK_INT(facts.connections, ENUM_CONNECTIONS_MAX);
	CHECK_INT(facts.complete, TRI_NO);
	CHECK_INT(enum_plan(ALL).max, ENUM_CONNECTIONS_MAX);
}

TEST(the_plan_is_told_before_it_starts)
{
	CHECK_INT(enum_plan(ENUM_VERSIONS).min, 5);
	CHECK_INT(enum_plan(ENUM_VERSIONS).max, 10);
	CHECK_INT(enum_plan(ALL).min, 7);
}

TEST(the_words_of_enum)
{
	static const struct {
		const char *text;
		unsigned what;
	} rows[] = {
		{ "versions", ENUM_VERSIONS },
		{ "ciphers,groups", ENUM_CIPHERS | ENUM_GROUPS },
		{ "groups,versions,ciphers", ALL },
		{ "all", ALL },
		{ "versions,versions", ENUM_VERSIONS },
		{ "", 0 },
		{ "versions,", 0 },
		{ ",", 0 },
		{ "Versions", 0 },
		{ "cipher", 0 },
		{ "versions ciphers", 0 },
	};
	unsigned what;
	struct fail why;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		TEST_ROW("'%s'", rows[i].text);
		int ret = enum_parse(slice_str(rows[i].text), &what, &why);
		CHECK_INT(ret, rows[i].what == 0 ? -1 : 0);
		if (ret == 0)
			CHECK_INT(what, rows[i].what);
		else
			CHECK_INT(why.code, FAIL_USAGE);
	}
}
