#include <string.h>

#include "base/text.h"
#include "dns/dns.h"
#include "policy/rules_impl.h"

/* What a key needs of the level: where it would have no effect it is an error, not a comment. */
enum scope {
	SCOPE_ANY,
	SCOPE_FALLBACK,
	SCOPE_TLS,
	SCOPE_CHAIN, /* verify, secure */
	SCOPE_PINS,
	SCOPE_DANE, /* what is published adds to it */
	SCOPE_STS
};

typedef int key_fn(struct rules_keys *k, const char *key, struct slice value);

int
rules_bad_value(struct rules_keys *k, const char *key, struct slice value, const char *expected)
{
	return fail_set(k->why, FAIL_POLICY_FILE, "%s=%.*s: expected %s", key,
	    (int)(value.n > 100 ? 100 : value.n), value.p, expected);
}

static int
version(struct rules_keys *k, const char *key, struct slice value, enum tls_version *version_r)
{
	char *text = arena_slice(k->arena, value);

	if (!slice_starts_case(value, "TLS") || !tls_version_parse(text, version_r))
		return rules_bad_value(k, key, value, "TLSv1.0, TLSv1.1, TLSv1.2 or TLSv1.3");
	return 0;
}

static int
key_min(struct rules_keys *k, const char *key, struct slice value)
{
	k->rule->min_given = true;
	return version(k, key, value, &k->rule->tls_min);
}

static int
key_max(struct rules_keys *k, const char *key, struct slice value)
{
	return version(k, key, value, &k->rule->tls_max);
}

/* yes or no into *no_r. */
static int
no(struct rules_keys *k, const char *key, struct slice value, bool *no_r)
{
	*no_r = slice_is(value, "no");
	return *no_r || slice_is(value, "yes") ? 0 : rules_bad_value(k, key, value, "yes or no");
}

static int
yes(struct rules_keys *k, const char *key, struct slice value, bool *yes_r)
{
	*yes_r = slice_is(value, "yes");
	return *yes_r || slice_is(value, "no") ? 0 : rules_bad_value(k, key, value, "yes or no");
}

static int
key_dane(struct rules_keys *k, const char *key, struct slice value)
{
	return no(k, key, value, &k->rule->no_dane);
}

static int
key_sts(struct rules_keys *k, const char *key, struct slice value)
{
	return no(k, key, value, &k->rule->no_sts);
}

static int
key_pipelining(struct rules_keys *k, const char *key, struct slice value)
{
	return no(k, key, value, &k->rule->no_pipelining);
}

static int
key_lower(struct rules_keys *k, const char *key, struct slice value)
{
	return yes(k, key, value, &k->rule->lower);
}

static int
key_sticky(struct rules_keys *k, const char *key, struct slice value)
{
	return yes(k, key, value, &k->rule->sticky);
}

static int
key_auth_insecure(struct rules_keys *k, const char *key, struct slice value)
{
	return yes(k, key, value, &k->rule->auth_insecure);
}

static int
key_private(struct rules_keys *k, const char *key, struct slice value)
{
	k->rule->private_deny = slice_is(value, "deny");
	return k->rule->private_deny || slice_is(value, "allow")
		   ? 0
		   : rules_bad_value(k, key, value, "allow or deny");
}

static int
key_log(struct rules_keys *k, const char *key, struct slice value)
{
	k->rule->trace = slice_is(value, "trace");
	return k->rule->trace ? 0 : rules_bad_value(k, key, value, "trace");
}

static int
key_ipv6(struct rules_keys *k, const char *key, struct slice value)
{
	static const struct {
		const char *word;
		enum rule_family family;
	} words[] = { { "prefer", FAMILY_IPV6_FIRST }, { "only", FAMILY_IPV6_ONLY },
		{ "no", FAMILY_IPV4_ONLY } };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!slice_is(value, words[i].word))
			continue;
		k->rule->family = words[i].family;
		return 0;
	}
	return rules_bad_value(k, key, value, "prefer, only or no");
}

static int
key_sni(struct rules_keys *k, const char *key, struct slice value)
{
	struct fail why;

	k->rule->sni = dns_name_normalize(arena_slice(k->arena, value), k->arena, &why);
	return k->rule->sni != NULL ? 0
				    : fail_set(k->why, FAIL_POLICY_FILE, "%s=%s", key, why.text);
}

/* OpenSSL's list for TLS up to 1.2; tried out here, so that a bad one is an error with its line. */
static int
key_ciphers(struct rules_keys *k, const char *key, struct slice value)
{
	struct tls_client_options options = { .ciphers = arena_slice(k->arena, value) };
	struct fail why;

	k->rule->ciphers = options.ciphers;
	struct tls_ctx *ctx = tls_ctx_client(&options, &why);
	if (ctx == NULL)
		return rules_bad_value(
		    k, key, value, "a cipher list of OpenSSL, such as ECDHE+AESGCM:!aNULL");
	tls_ctx_free(ctx);
	return 0;
}

static int
key_concurrency(struct rules_keys *k, const char *key, struct slice value)
{
	unsigned long long n;

	if (!slice_number(value, 1000, &n) || n == 0)
		return rules_bad_value(k, key, value, "a number from 1 to 1000");
	k->rule->concurrency = (unsigned)n;
	return 0;
}

static int
key_fallback(struct rules_keys *k, const char *key, struct slice value)
{
	for (int i = FALLBACK_NEVER; i <= FALLBACK_NOW; i++) {
		if (!slice_is(value, fallback_str((enum rule_fallback)i)))
			continue;
		k->rule->fallback = (enum rule_fallback)i;
		return 0;
	}
	return rules_bad_value(k, key, value, "never, delayed or now");
}

static int
key_on_fail(struct rules_keys *k, const char *key, struct slice value)
{
	int64_t ms;

	if (slice_is(value, "defer")) {
		k->rule->on_fail = ON_FAIL_DEFER;
	} else if (slice_is(value, "bounce")) {
		k->rule->on_fail = ON_FAIL_BOUNCE;
	} else if (slice_starts_case(value, "after:") &&
		   text_duration_ms(slice_sub(value, 6, value.n), &ms)) {
		k->rule->on_fail = ON_FAIL_AFTER;
		k->rule->on_fail_after_s = ms / 1000;
	} else {
		return rules_bad_value(k, key, value, "defer, bounce or after:TIME");
	}
	return 0;
}

static int
key_ca(struct rules_keys *k, const char *key, struct slice value)
{
	(void)key;
	k->rule->ca_file = rules_path(k->folder, value, k->arena);
	return 0;
}

static int
key_client_cert(struct rules_keys *k, const char *key, struct slice value)
{
	(void)key;
	k->rule->client_cert = rules_path(k->folder, value, k->arena);
	return 0;
}

static int
key_auth(struct rules_keys *k, const char *key, struct slice value)
{
	(void)key;
	k->rule->auth = rules_path(k->folder, value, k->arena);
	return 0;
}

static int
key_port(struct rules_keys *k, const char *key, struct slice value)
{
	unsigned long long port;

	if (!slice_number(value, 65535, &port) || port == 0)
		return rules_bad_value(k, key, value, "a number from 1 to 65535");
	if (k->rule->port != 0)
		return fail_set(k->why, FAIL_POLICY_FILE, "the port is in via= and in port=");
	k->rule->port = (uint16_t)port;
	return 0;
}

static const struct {
	const char *key;
	enum scope scope;
	key_fn *parse;
	bool repeat; /* may stand in a line more than once */
} keys[] = {
	{ "min", SCOPE_TLS, key_min, false },
	{ "max", SCOPE_TLS, key_max, false },
	{ "ciphers", SCOPE_TLS, key_ciphers, false },
	{ "match", SCOPE_CHAIN, rules_value_match, false },
	{ "sha256", SCOPE_PINS, rules_value_pins, true },
	{ "ca", SCOPE_CHAIN, key_ca, false },
	{ "sni", SCOPE_TLS, key_sni, false },
	{ "client-cert", SCOPE_TLS, key_client_cert, false },
	{ "fallback", SCOPE_FALLBACK, key_fallback, false },
	{ "on-fail", SCOPE_TLS, key_on_fail, false },
	{ "dane", SCOPE_DANE, key_dane, false },
	{ "sts", SCOPE_STS, key_sts, false },
	{ "lower", SCOPE_ANY, key_lower, false },
	{ "via", SCOPE_ANY, rules_value_via, false },
	{ "port", SCOPE_ANY, key_port, false },
	{ "auth", SCOPE_ANY, key_auth, false },
	{ "auth-insecure", SCOPE_ANY, key_auth_insecure, false },
	{ "source", SCOPE_ANY, rules_value_source, false },
	{ "ipv6", SCOPE_ANY, key_ipv6, false },
	{ "private", SCOPE_ANY, key_private, false },
	{ "pipelining", SCOPE_ANY, key_pipelining, false },
	{ "concurrency", SCOPE_ANY, key_concurrency, false },
	{ "rate", SCOPE_ANY, rules_value_rate, false },
	{ "log", SCOPE_ANY, key_log, false },
	{ "sticky", SCOPE_TLS, key_sticky, false },
};
#define KEY_COUNT (sizeof(keys) / sizeof(keys[0]))

static const char *
scope_needs(enum scope scope, enum rule_level level)
{
	switch (scope) {
	case SCOPE_ANY:
		break;
	case SCOPE_FALLBACK:
		return level_has_fallback(level) ? NULL
						 : "is for levels may, auto and dane: other levels "
						   "never change to clear text";
	case SCOPE_TLS:
		return level_wants_tls(level) ? NULL : "is for levels with TLS";
	case SCOPE_CHAIN:
		return level == LEVEL_VERIFY || level == LEVEL_SECURE
			   ? NULL
			   : "is for levels verify and secure";
	case SCOPE_PINS:
		return level == LEVEL_FINGERPRINT ? NULL : "is for level fingerprint";
	case SCOPE_DANE:
		return level_uses_dane(level) && level_uses_sts(level)
			   ? NULL
			   : "is for levels auto, encrypt and verify";
	case SCOPE_STS:
		return level_uses_sts(level) ? NULL : "is for levels auto, encrypt and verify";
	}
	return NULL;
}

static int
check_scope(struct rules_keys *k, size_t key)
{
	enum rule_level level = k->rule->level;
	const char *needs = scope_needs(keys[key].scope, level);

	if (needs == NULL)
		return 0;
	return fail_set(k->why, FAIL_POLICY_FILE, "%s= has no effect at level %s, it %s",
	    keys[key].key, level_str(level), needs);
}

static int
unknown_key(struct rules_keys *k, struct slice word, struct slice name)
{
	const char *names[KEY_COUNT];

	if (name.n == word.n)
		return fail_set(k->why, FAIL_POLICY_FILE, "\"%.*s\": expected key=value",
		    (int)(word.n > 100 ? 100 : word.n), word.p);
	for (size_t i = 0; i < KEY_COUNT; i++)
		names[i] = keys[i].key;
	return fail_set(k->why, FAIL_POLICY_FILE, "unknown key \"%.*s\"%s",
	    (int)(name.n > 100 ? 100 : name.n), name.p,
	    rules_did_you_mean(name, names, KEY_COUNT, k->arena));
}

static int
parse_word(struct rules_keys *k, struct slice word, unsigned *seen)
{
	size_t equals = slice_find(word, '='), i = 0;
	struct slice name = slice_sub(word, 0, equals);

	while (i < KEY_COUNT && (equals == word.n || !slice_is(name, keys[i].key)))
		i++;
	if (i == KEY_COUNT)
		return unknown_key(k, word, name);
	if (equals + 1 == word.n)
		return fail_set(k->why, FAIL_POLICY_FILE, "%s= has no value", keys[i].key);
	if ((*seen & 1u << i) != 0 && !keys[i].repeat)
		return fail_set(k->why, FAIL_POLICY_FILE, "%s= twice in one line", keys[i].key);
	*seen |= 1u << i;
	if (check_scope(k, i) != 0)
		return -1;
	return keys[i].parse(k, keys[i].key, slice_sub(word, equals + 1, word.n));
}

/* DECISIONS A5: credentials go only to a server that has proved who it is. */
static int
check_auth(const struct rule *rule, struct fail *why)
{
	if (rule->auth == NULL)
		return rule->auth_insecure
			   ? fail_set(why, FAIL_POLICY_FILE, "auth-insecure= needs auth=")
			   : 0;
	if (rule->via_host == NULL)
		return fail_set(why, FAIL_POLICY_FILE, "auth= needs via=, the server to log in at");
	if (rule->auth_insecure || level_needs_identity(rule->level))
		return 0;
	return fail_set(why, FAIL_POLICY_FILE,
	    "auth= at level %s would show the password to anybody who answers: expected level "
	    "verify, secure, fingerprint or dane-only (or auth-insecure=yes)",
	    level_str(rule->level));
}

/* Keys that contradict each other, or miss another one. */
static int
check_together(const struct rule *rule, struct fail *why)
{
	if (rule->level == LEVEL_FINGERPRINT && rule->pins.n == 0)
		return fail_set(why, FAIL_POLICY_FILE,
		    "level fingerprint needs sha256=, of the certificate or of its public key");
	if (rule->tls_max != TLS_VERSION_ANY && rule->tls_min > rule->tls_max)
		return fail_set(why, FAIL_POLICY_FILE,
		    "the oldest TLS version is %s, the newest %s", tls_version_str(rule->tls_min),
		    tls_version_str(rule->tls_max));
	if (rule->level == LEVEL_SECURE && (rule->match & RULE_MATCH_HOSTNAME) != 0 &&
	    rule->via_host == NULL)
		return fail_set(why, FAIL_POLICY_FILE,
		    "match=hostname at level secure: the names of MX hosts come from the DNS, "
		    "which "
		    "secure does not trust; level verify does");
	return check_auth(rule, why);
}

/* What was not given, once the level and the route are known. */
static void
fill_in(struct rule *rule)
{
	bool identity = level_needs_identity(rule->level);

	/* authenticated levels speak TLS 1.2 and up; at the others any TLS is better than none */
	if (rule->tls_min == TLS_VERSION_ANY)
		rule->tls_min = identity ? TLS_VERSION_1_2 : TLS_VERSION_1_0;
	if (rule->port == RULE_PORT_SUBMISSIONS && rule->via_host != NULL)
		rule->implicit_tls = true;
	if (rule->match != 0 || rule->match_names.n > 0)
		return;
	rule->match = RULE_MATCH_HOSTNAME;
	if (rule->via_host != NULL) /* DECISIONS 30: the smarthost's name */
		rule->match = RULE_MATCH_NEXTHOP | (rule->via_brackets ? RULE_MATCH_HOSTNAME : 0);
	else if (rule->level == LEVEL_SECURE) /* as Postfix: nexthop, dot-nexthop */
		rule->match = RULE_MATCH_NEXTHOP | RULE_MATCH_DOT_NEXTHOP;
}

int
rules_keys_parse(struct slice words, const char *folder, struct arena *arena,
    struct rule *rule_inout, struct fail *why)
{
	struct rules_keys k = { .rule = rule_inout, .folder = folder, .arena = arena, .why = why };
	unsigned seen = 0; /* a bit for each row of keys */
	struct slice word;

	rule_inout->fallback = FALLBACK_DELAYED;
	rule_inout->on_fail = ON_FAIL_DEFER;
	while ((word = rules_word(&words)).n > 0)
		if (parse_word(&k, word, &seen) != 0)
			return -1;
	fill_in(rule_inout);
	return check_together(rule_inout, why);
}

int
rules_check_constraint(const struct rule *rule, bool is_ip, const char *pattern, struct fail *why)
{
	const char *key = NULL;

	if (rule->via_host != NULL || rule->port != 0 || rule->auth != NULL)
		key = "via=, port= or auth=";
	else if (rule->ciphers != NULL || rule->ca_file != NULL || rule->client_cert != NULL ||
		 rule->sni != NULL || rule->tls_max != TLS_VERSION_ANY)
		key = "max=, ciphers=, ca=, sni= or client-cert=";
	else if (rule->source[0].len != 0 || rule->source[1].len != 0 ||
		 rule->family != FAMILY_ANY || rule->private_deny)
		key = "source=, ipv6= or private=";
	else if (rule->concurrency != 0 || rule->rate != 0 || rule->on_fail != ON_FAIL_DEFER ||
		 rule->trace || rule->sticky)
		key = "concurrency=, rate=, on-fail=, log= or sticky=";
	if (key != NULL)
		return fail_set(why, FAIL_POLICY_FILE,
		    "%s: a policy for hosts can only add to the domain's, it has no %s", pattern,
		    key);
	if (!is_ip && rule->level == LEVEL_NONE && !rule->lower)
		return fail_set(why, FAIL_POLICY_FILE,
		    "%s: level none has no effect for a host, it can only add to the domain's "
		    "policy (lower=yes would take away from levels may, auto and dane)",
		    pattern);
	return 0;
}
