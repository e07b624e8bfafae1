#include <stdio.h>
#include <string.h>

#include "app/probe/enum.h"

#define VERSIONS 5 /* SSLv3 to TLS 1.3 */

struct search {
	unsigned what;
	const char *server_name;
	const unsigned char *random;
	enum_ask_fn *ask;
	void *ctx;
	struct arena *arena;
	struct enum_facts *facts;
	bool stopped;
	struct hello_answer first[VERSIONS]; /* to the offer of everything; kind NOTHING: refused */
};

int
enum_parse(struct slice list, unsigned *what_r, struct fail *why)
{
	static const struct {
		const char *word;
		unsigned what;
	} words[] = { { "versions", ENUM_VERSIONS }, { "ciphers", ENUM_CIPHERS },
		{ "groups", ENUM_GROUPS }, { "all", ENUM_VERSIONS | ENUM_CIPHERS | ENUM_GROUPS } };
	struct slice rest = list;

	*what_r = 0;
	for (bool more = true; more;) {
		size_t end = slice_find(rest, ','), i = 0;
		struct slice word = slice_sub(rest, 0, end);
		more = end < rest.n;
		rest = slice_sub(rest, end + 1, rest.n);
		while (i < 4 && !slice_is(word, words[i].word))
			i++;
		if (i == 4)
			return fail_set(why, FAIL_USAGE,
			    "\"%.*s\" is not known: expected versions, ciphers, groups (a list "
			    "with commas) or all",
			    (int)(word.n > 100 ? 100 : word.n), word.p);
		*what_r |= words[i].what;
	}
	return 0;
}

struct enum_plan
enum_plan(unsigned what)
{
	struct enum_plan plan = { VERSIONS, VERSIONS };

	/* one version with one suite is refused once; more than that only the server knows */
	if ((what & ENUM_CIPHERS) != 0)
		plan.min++;
	if ((what & ENUM_GROUPS) != 0)
		plan.min++;
	/* a server that closes instead of refusing is asked twice */
	plan.max = what == ENUM_VERSIONS ? 2 * VERSIONS : ENUM_CONNECTIONS_MAX;
	return plan;
}

/* --- one offer ----------------------------------------------------------------------------------- */

/* The first reason is the one that counts: the others follow from it. */
static void
incomplete(struct search *s, const char *text)
{
	s->facts->complete = TRI_NO;
	if (s->facts->reason == NULL)
		s->facts->reason = arena_strdup(s->arena, text);
}

static int
ask(struct search *s, const struct hello_offer *offer, struct hello_answer *answer_r,
    struct fail *why)
{
	memset(answer_r, 0, sizeof(*answer_r));
	if (s->facts->connections >= ENUM_CONNECTIONS_MAX) {
		fail_set(why, FAIL_CANCELLED, "more are not opened to one address");
		return ENUM_STOP;
	}
	s->facts->connections++;
	/* TLS 1.3, the one with supported_versions, tells all in its ServerHello */
	return s->ask(s->ctx, offer, offer->versions_n == 0, answer_r, why);
}

static bool
contains(const uint16_t *list, size_t n, uint16_t number)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] == number)
			return true;
	return false;
}

/*
 * Offer, and tell whether the server accepts: true, with an answer in the version offered. A server that says
 * nothing at all is asked again, since a refusal is to be told from an accident; twice the same is a refusal, as
 * servers without a suite in common do (RFC 5246 s7.2.2 wants an alert). False: refused, or nothing more can be
 * found out, and then facts say so.
 */
static bool
accepts(struct search *s, const struct hello_offer *offer, uint16_t version,
    struct hello_answer *answer_r)
{
	struct fail why;
	char text[sizeof(why.text) + 64];

	fail_clear(&why);
	int step = ask(s, offer, answer_r, &why);
	if (step == ENUM_SILENT)
		step = ask(s, offer, answer_r, &why);
	switch ((enum enum_step)step) {
	case ENUM_ANSWER:
		break;
	case ENUM_SILENT:
		return false;
	case ENUM_LATE:
		snprintf(text, sizeof(text), "%s: no answer to the ClientHello",
		    hello_version_name(version));
		incomplete(s, text);
		return false;
	case ENUM_STOP:
		s->stopped = true;
		snprintf(text, sizeof(text), "at connection %lld: %s",
		    (long long)s->facts->connections, why.text);
		incomplete(s, text);
		return false;
	}
	if (answer_r->kind == HELLO_ALERT || answer_r->version != version)
		return false;
	if (contains(offer->suites, offer->suites_n, answer_r->suite))
		return true;
	/* RFC 8446 s4.1.3: a server that does so would make us go round in circles */
	snprintf(text, sizeof(text), "%s: the server chose a suite that was not offered: 0x%04x",
	    hello_version_name(version), answer_r->suite);
	incomplete(s, text);
	return false;
}

/* An offer of everything that belongs to one version. */
static void
offer_all(const struct search *s, struct hello_offer *offer, uint16_t version, uint16_t *suites,
    uint16_t *groups)
{
	hello_offer_init(offer, version, s->random);
	offer->server_name = s->server_name;
	offer->suites = suites;
	offer->suites_n = hello_suites(version, suites);
	offer->groups = groups;
	offer->groups_n = offer->extensions ? hello_groups(version, true, groups) : 0;
}

/* --- versions ------------------------------------------------------------------------------------ */

static void
search_versions(struct search *s)
{
	uint16_t suites[HELLO_SUITES_MAX], groups[HELLO_GROUPS_MAX];
	struct hello_offer offer;

	/* the newest first: if the server has enough of us soon, what matters most is known */
	for (int i = VERSIONS - 1; i >= 0 && !s->stopped; i--) {
		uint16_t version = (uint16_t)(HELLO_SSL3 + i);
		offer_all(s, &offer, version, suites, groups);
		if (!accepts(s, &offer, version, &s->first[i]))
			s->first[i].kind = HELLO_NOTHING;
	}
	for (int i = 0; i < VERSIONS; i++)
		if (s->first[i].kind != HELLO_NOTHING)
			strs_add(&s->facts->versions, s->arena,
			    hello_version_name((uint16_t)(HELLO_SSL3 + i)));
}

/* --- ciphers ------------------------------------------------------------------------------------- */

static size_t
without(uint16_t *list, size_t n, uint16_t number)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		if (list[i] != number)
			list[kept++] = list[i];
	return kept;
}

static void
add_cipher(struct search *s, const struct hello_answer *answer)
{
	struct enum_cipher_facts *cipher =
	    arena_push(s->arena, &s->facts->ciphers, &s->facts->ciphers_n, sizeof(*cipher));
	char name[HELLO_NAME_BYTES];

	facts_init_enum_cipher_facts(cipher);
	cipher->version = arena_strdup(s->arena, hello_version_name(answer->version));
	cipher->name = arena_strdup(s->arena, hello_suite_str(answer->suite, name));
	cipher->hex = arena_printf(s->arena, "0x%04x", answer->suite);
	if (answer->group != 0)
		cipher->group = arena_strdup(s->arena, hello_group_str(answer->group, name));
	if (answer->dh_bits != 0)
		cipher->dh_bits = answer->dh_bits;
}

/* Offer all, and remove what was taken, until nothing is (DECISIONS C24). */
static void
search_ciphers(struct search *s, uint16_t version)
{
	uint16_t suites[HELLO_SUITES_MAX], groups[HELLO_GROUPS_MAX];
	struct hello_answer answer = s->first[version - HELLO_SSL3];
	struct hello_offer offer;

	offer_all(s, &offer, version, suites, groups);
	do {
		add_cipher(s, &answer);
		offer.suites_n = without(suites, offer.suites_n, answer.suite);
	} while (offer.suites_n > 0 && accepts(s, &offer, version, &answer));
}

/* --- groups -------------------------------------------------------------------------------------- */

static void
add_group(struct search *s, uint16_t version, uint16_t group)
{
	struct enum_group_facts *facts =
	    arena_push(s->arena, &s->facts->groups, &s->facts->groups_n, sizeof(*facts));
	char name[HELLO_NAME_BYTES];

	facts_init_enum_group_facts(facts);
	facts->version = arena_strdup(s->arena, hello_version_name(version));
	facts->name = arena_strdup(s->arena, hello_group_str(group, name));
	facts->hex = arena_printf(s->arena, "0x%04x", group);
}

/* One offer of groups: the one that was taken, or 0. */
static uint16_t
take_group(struct search *s, struct hello_offer *offer, uint16_t version)
{
	struct hello_answer answer;
	char text[100];

	if (!accepts(s, offer, version, &answer))
		return 0;
	if (answer.group == 0 || contains(offer->groups, offer->groups_n, answer.group))
		return answer.group;
	snprintf(text, sizeof(text), "%s: the server chose a group that was not offered: 0x%04x",
	    hello_version_name(version), answer.group);
	incomplete(s, text);
	return 0;
}

/*
 * With an ECDSA certificate a server of TLS 1.2 needs the certificate's own curve in the offer
 * (RFC 8422 s5.1), so the search ends when that one was taken and removed. Go on with it behind the rest,
 * until it is chosen itself.
 */
static void
search_groups_behind(
    struct search *s, struct hello_offer *offer, uint16_t *groups, uint16_t version, uint16_t last)
{
	size_t n = offer->groups_n;
	uint16_t group;

	if (last == 0 || n == 0 || s->stopped)
		return;
	do {
		groups[n] = last;
		offer->groups_n = n + 1;
		group = take_group(s, offer, version);
		if (group == 0 || group == last)
			return;
		add_group(s, version, group);
		n = without(groups, n, group);
	} while (n > 0);
}

/*
 * A list of groups and no share at all draws the name of the server's choice: in TLS 1.3 a
 * HelloRetryRequest (RFC 8446 s4.1.4), before that the ServerKeyExchange. What the first answer said is known.
 */
static void
search_groups(struct search *s, uint16_t version)
{
	uint16_t suites[HELLO_SUITES_MAX], groups[HELLO_GROUPS_MAX + 1];
	const struct hello_answer *first = &s->first[version - HELLO_SSL3];
	struct hello_offer offer;
	uint16_t group, last = 0;

	offer_all(s, &offer, version, suites, groups);
	if (version >= HELLO_TLS13) {
		offer.key_share = HELLO_KEY_SHARE_EMPTY;
	} else {
		offer.suites_n = hello_suites_curve(version, suites);
		offer.groups_n = hello_groups(version, false, groups);
	}
	group = contains(groups, offer.groups_n, first->group) ? first->group : 0;
	if (group == 0)
		group = take_group(s, &offer, version);
	while (group != 0) {
		add_group(s, version, group);
		last = group;
		offer.groups_n = without(groups, offer.groups_n, group);
		group = offer.groups_n == 0 ? 0 : take_group(s, &offer, version);
	}
	if (version < HELLO_TLS13)
		search_groups_behind(s, &offer, groups, version, last);
}

void
enum_search(unsigned what, const char *server_name, const unsigned char random[96],
    enum_ask_fn *ask_fn, void *ctx, struct arena *arena, struct enum_facts *facts)
{
	struct search s = { .what = what,
		.server_name = server_name,
		.random = random,
		.ask = ask_fn,
		.ctx = ctx,
		.arena = arena,
		.facts = facts };
	bool groups_of_old = false;

	facts->complete = TRI_YES;
	search_versions(&s);
	for (int i = VERSIONS - 1; i >= 0 && (what & ENUM_GROUPS) != 0 && !s.stopped; i--) {
		uint16_t version = (uint16_t)(HELLO_SSL3 + i);
		/* SSLv3 has no extensions, so nothing to choose a group by */
		if (s.first[i].kind == HELLO_NOTHING || version == HELLO_SSL3 || groups_of_old)
			continue;
		search_groups(&s, version);
		groups_of_old = version < HELLO_TLS13;
	}
	for (int i = VERSIONS - 1; i >= 0 && (what & ENUM_CIPHERS) != 0 && !s.stopped; i--)
		if (s.first[i].kind != HELLO_NOTHING)
			search_ciphers(&s, (uint16_t)(HELLO_SSL3 + i));
}
