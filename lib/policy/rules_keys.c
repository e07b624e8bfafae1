#include <string.h>

#include "base/text.h"
#include "dns/dns.h"
#include "policy/rules_impl.h"

/* One line of key=value words, while it is read. */
struct keys {
	struct rule *rule;
	const char *folder;
	struct arena *arena;
	struct fail *why;
};

/* What a key needs of the level: where it would have no effect it is an error, not a comment. */
enum scope { SCOPE_ANY, SCOPE_MAY, SCOPE_TLS, SCOPE_IDENTITY };

typedef int key_fn(struct keys *k, const char *key, struct slice value);

static int
bad_value(struct keys *k, const char *key, struct slice value, const char *expected)
{
	return fail_set(k->why, FAIL_POLICY_FILE, "%s=%.*s: expected %s", key,
	    (int)(value.n > 100 ? 100 : value.n), value.p, expected);
}

static int
not_yet(struct keys *k, const char *key, struct slice value)
{
	return fail_set(k->why, FAIL_POLICY_FILE, "%s=%.*s is not supported yet", key,
	    (int)(value.n > 100 ? 100 : value.n), value.p);
}

static int
key_min(struct keys *k, const char *key, struct slice value)
{
	char *text = arena_slice(k->arena, value);

	if (!slice_starts_case(value, "TLS") || !tls_version_parse(text, &k->rule->tls_min))
		return bad_value(k, key, value, "TLSv1.0, TLSv1.1, TLSv1.2 or TLSv1.3");
	return 0;
}

static int
key_fallback(struct keys *k, const char *key, struct slice value)
{
	for (int i = FALLBACK_NEVER; i <= FALLBACK_NOW; i++) {
		if (!slice_is(value, fallback_str((enum rule_fallback)i)))
			continue;
		k->rule->fallback = (enum rule_fallback)i;
		return 0;
	}
	return bad_value(k, key, value, "never, delayed or now");
}

static int
key_on_fail(struct keys *k, const char *key, struct slice value)
{
	int64_t ms;

	if (slice_is(value, "defer"))
		return 0;
	if (slice_is(value, "bounce") || (slice_starts_case(value, "after:") &&
					     text_duration_ms(slice_sub(value, 6, value.n), &ms)))
		return not_yet(k, key, value);
	return bad_value(k, key, value, "defer, bounce or after:TIME");
}

static int
key_match(struct keys *k, const char *key, struct slice value)
{
	struct slice rest = value;
	unsigned match = 0;

	while (rest.n > 0) {
		size_t comma = slice_find(rest, ',');
		struct slice word = slice_sub(rest, 0, comma);
		if (slice_is(word, "hostname"))
			match |= RULE_MATCH_HOSTNAME;
		else if (slice_is(word, "nexthop"))
			match |= RULE_MATCH_NEXTHOP;
		else if (slice_is(word, "dot-nexthop") || slice_find(word, '.') < word.n)
			return not_yet(k, key, word);
		else
			return bad_value(k, key, value, "hostname, nexthop, or both with a comma");
		if (comma + 1 == rest.n) /* a comma at the end */
			return bad_value(k, key, value, "a name behind each comma");
		rest = slice_sub(rest, comma + 1, rest.n);
	}
	k->rule->match = match;
	return 0;
}

static int
key_ca(struct keys *k, const char *key, struct slice value)
{
	(void)key;
	k->rule->ca_file = rules_path(k->folder, value, k->arena);
	return 0;
}

static int
key_via(struct keys *k, const char *key, struct slice value)
{
	struct rule rule = { .port = 0 };
	struct fail why;

	if (rule_via_parse(value, k->arena, &rule, &why) != 0)
		return fail_set(k->why, FAIL_POLICY_FILE, "%s=%s", key, why.text);
	if (rule.port != 0 && k->rule->port != 0)
		return fail_set(k->why, FAIL_POLICY_FILE, "the port is in via= and in port=");
	k->rule->via_host = rule.via_host;
	k->rule->via_brackets = rule.via_brackets;
	if (rule.port != 0)
		k->rule->port = rule.port;
	return 0;
}

static int
key_port(struct keys *k, const char *key, struct slice value)
{
	unsigned long long port;

	if (!slice_number(value, 65535, &port) || port == 0)
		return bad_value(k, key, value, "a number from 1 to 65535");
	if (k->rule->port != 0)
		return fail_set(k->why, FAIL_POLICY_FILE, "the port is in via= and in port=");
	k->rule->port = (uint16_t)port;
	return 0;
}

static const struct {
	const char *key;
	enum scope scope;
	key_fn *parse;
} keys[] = {
	{ "min", SCOPE_TLS, key_min },
	{ "fallback", SCOPE_MAY, key_fallback },
	{ "on-fail", SCOPE_ANY, key_on_fail },
	{ "match", SCOPE_IDENTITY, key_match },
	{ "ca", SCOPE_IDENTITY, key_ca },
	{ "via", SCOPE_ANY, key_via },
	{ "port", SCOPE_ANY, key_port },
	{ "max", SCOPE_ANY, not_yet },
	{ "ciphers", SCOPE_ANY, not_yet },
	{ "sha256", SCOPE_ANY, not_yet },
	{ "sni", SCOPE_ANY, not_yet },
	{ "client-cert", SCOPE_ANY, not_yet },
	{ "sts", SCOPE_ANY, not_yet },
	{ "dane", SCOPE_ANY, not_yet },
	{ "sticky", SCOPE_ANY, not_yet },
	{ "lower", SCOPE_ANY, not_yet },
	{ "private", SCOPE_ANY, not_yet },
	{ "auth", SCOPE_ANY, not_yet },
	{ "auth-insecure", SCOPE_ANY, not_yet },
	{ "source", SCOPE_ANY, not_yet },
	{ "ipv6", SCOPE_ANY, not_yet },
	{ "concurrency", SCOPE_ANY, not_yet },
	{ "rate", SCOPE_ANY, not_yet },
	{ "log", SCOPE_ANY, not_yet },
};
#define KEY_COUNT (sizeof(keys) / sizeof(keys[0]))

static int
check_scope(struct keys *k, size_t key)
{
	enum rule_level level = k->rule->level;
	const char *needs = NULL;

	if (keys[key].scope == SCOPE_MAY && !level_has_fallback(level))
		needs = "is for level may: other levels never change to clear text";
	if (keys[key].scope == SCOPE_TLS && !level_wants_tls(level))
		needs = "is for levels with TLS: may, encrypt, verify";
	if (keys[key].scope == SCOPE_IDENTITY && !level_needs_identity(level))
		needs = "is for levels that check the certificate: verify";
	if (needs == NULL)
		return 0;
	return fail_set(k->why, FAIL_POLICY_FILE, "%s= has no effect at level %s, it %s",
	    keys[key].key, level_str(level), needs);
}

static int
unknown_key(struct keys *k, struct slice word, struct slice name)
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
parse_word(struct keys *k, struct slice word, unsigned *seen)
{
	size_t equals = slice_find(word, '='), i = 0;
	struct slice name = slice_sub(word, 0, equals);

	while (i < KEY_COUNT && (equals == word.n || !slice_is(name, keys[i].key)))
		i++;
	if (i == KEY_COUNT)
		return unknown_key(k, word, name);
	if (equals + 1 == word.n)
		return fail_set(k->why, FAIL_POLICY_FILE, "%s= has no value", keys[i].key);
	if ((*seen & 1u << i) != 0)
		return fail_set(k->why, FAIL_POLICY_FILE, "%s= twice in one line", keys[i].key);
	*seen |= 1u << i;
	if (keys[i].parse == not_yet)
		return not_yet(k, keys[i].key, slice_sub(word, equals + 1, word.n));
	if (check_scope(k, i) != 0)
		return -1;
	return keys[i].parse(k, keys[i].key, slice_sub(word, equals + 1, word.n));
}

/* What was not given, once the level and the route are known. */
static void
fill_in(struct rule *rule)
{
	bool identity = level_needs_identity(rule->level);

	/* authenticated levels speak TLS 1.2 and up; at the others any TLS is better than none */
	if (rule->tls_min == TLS_VERSION_ANY)
		rule->tls_min = identity ? TLS_VERSION_1_2 : TLS_VERSION_1_0;
	if (rule->match != 0)
		return;
	rule->match = RULE_MATCH_HOSTNAME;
	if (rule->via_host != NULL) /* DECISIONS 30: the smarthost's name */
		rule->match = RULE_MATCH_NEXTHOP | (rule->via_brackets ? RULE_MATCH_HOSTNAME : 0);
}

int
rules_keys_parse(struct slice words, const char *folder, struct arena *arena,
    struct rule *rule_inout, struct fail *why)
{
	struct keys k = { .rule = rule_inout, .folder = folder, .arena = arena, .why = why };
	unsigned seen = 0; /* a bit for each row of keys */
	struct slice word;

	rule_inout->fallback = FALLBACK_DELAYED;
	rule_inout->on_fail = ON_FAIL_DEFER;
	while ((word = rules_word(&words)).n > 0)
		if (parse_word(&k, word, &seen) != 0)
			return -1;
	fill_in(rule_inout);
	return 0;
}

/* The host in brackets: an address, or a name. */
static const char *
bracket_host(struct slice host, struct arena *arena, struct fail *why)
{
	struct slice ip = host;
	struct addr addr;
	char text[ADDR_TEXT_BYTES];

	if (slice_starts_case(ip, "IPv6:")) /* RFC 5321 s4.1.3 */
		ip = slice_sub(ip, 5, ip.n);
	if (addr_parse_ip(ip, 0, &addr)) {
		addr_ip_str(&addr, text);
		return arena_strdup(arena, text);
	}
	return dns_name_normalize(arena_slice(arena, host), arena, why);
}

int
rule_via_parse(struct slice text, struct arena *arena, struct rule *rule_inout, struct fail *why)
{
	static const char expected[] = "HOST, HOST:PORT, [HOST] or [HOST]:PORT";
	bool brackets = text.n > 0 && text.p[0] == '[';
	size_t end = slice_find(text, brackets ? ']' : ':');
	struct slice host = slice_sub(text, brackets ? 1 : 0, end);
	struct slice rest = slice_sub(text, brackets ? end + 1 : end, text.n);
	unsigned long long port = 0;
	struct fail name_why;
	struct addr addr;
	const char *name = NULL;

	if ((brackets && end == text.n) || host.n == 0 ||
	    (rest.n > 0 &&
		(rest.p[0] != ':' || !slice_number(slice_sub(rest, 1, rest.n), 65535, &port) ||
		    port == 0)))
		return fail_set(why, FAIL_USAGE, "\"%.*s\": expected %s",
		    (int)(text.n > 100 ? 100 : text.n), text.p, expected);
	if (!brackets && addr_parse_ip(host, 0, &addr))
		return fail_set(why, FAIL_USAGE, "\"%.*s\": an address stands in brackets: [%.*s]",
		    (int)text.n, text.p, (int)host.n, host.p);
	if (brackets)
		name = bracket_host(host, arena, &name_why);
	else
		name = dns_name_normalize(arena_slice(arena, host), arena, &name_why);
	if (name == NULL)
		return fail_set(why, FAIL_USAGE, "%s", name_why.text);
	rule_inout->via_host = name;
	rule_inout->via_brackets = brackets;
	if (port != 0)
		rule_inout->port = (uint16_t)port;
	rule_inout->match = RULE_MATCH_NEXTHOP | (brackets ? RULE_MATCH_HOSTNAME : 0);
	return 0;
}
