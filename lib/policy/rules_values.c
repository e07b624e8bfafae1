#include <string.h>

#include "base/text.h"
#include "dns/dns.h"
#include "policy/rules_impl.h"

/* A name of match=: a set's word, or a host name. */
static int
match_word(struct rules_keys *k, const char *key, struct slice word, struct slice value)
{
	static const struct {
		const char *word;
		unsigned bit;
	} words[] = { { "hostname", RULE_MATCH_HOSTNAME }, { "nexthop", RULE_MATCH_NEXTHOP },
		{ "dot-nexthop", RULE_MATCH_DOT_NEXTHOP } };
	struct fail why;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!slice_is(word, words[i].word))
			continue;
		k->rule->match |= words[i].bit;
		return 0;
	}
	if (slice_find(word, '.') == word.n)
		return rules_bad_value(k, key, value,
		    "hostname, nexthop, dot-nexthop, or names of hosts, with commas");
	const char *name = dns_name_normalize(arena_slice(k->arena, word), k->arena, &why);
	if (name == NULL)
		return fail_set(k->why, FAIL_POLICY_FILE, "%s=%s", key, why.text);
	strs_add(&k->rule->match_names, k->arena, name);
	return 0;
}

typedef int word_fn(struct rules_keys *k, const char *key, struct slice word, struct slice value);

/* Each word of a list with commas; none may be empty. */
static int
each_word(struct rules_keys *k, const char *key, struct slice value, word_fn *fn)
{
	struct slice rest = value;

	while (rest.n > 0) {
		size_t comma = slice_find(rest, ',');
		if (comma == 0 || comma + 1 == rest.n)
			return rules_bad_value(k, key, value, "a word on each side of a comma");
		if (fn(k, key, slice_sub(rest, 0, comma), value) != 0)
			return -1;
		rest = slice_sub(rest, comma + 1, rest.n);
	}
	return 0;
}

int
rules_value_match(struct rules_keys *k, const char *key, struct slice value)
{
	return each_word(k, key, value, match_word);
}

static int
pin_word(struct rules_keys *k, const char *key, struct slice word, struct slice value)
{
	char hex[65];
	unsigned char bytes[32];
	size_t n = 0;

	for (size_t i = 0; i < word.n; i++) {
		/* AB:CD:..., as openssl x509 -fingerprint prints it */
		if (word.p[i] == ':' && i % 3 == 2)
			continue;
		if (n == 64) {
			n++;
			break;
		}
		hex[n++] = text_lower(word.p[i]);
	}
	hex[n > 64 ? 64 : n] = '\0';
	if (n != 64 || !text_unhex(slice_make(hex, 64), bytes))
		return rules_bad_value(k, key, value,
		    "the 64 hexadecimal digits of a SHA-256, with or without colons");
	strs_add(&k->rule->pins, k->arena, hex);
	return 0;
}

int
rules_value_pins(struct rules_keys *k, const char *key, struct slice value)
{
	return each_word(k, key, value, pin_word);
}

static int
source_word(struct rules_keys *k, const char *key, struct slice word, struct slice value)
{
	struct addr addr;

	if (!addr_parse_ip(word, 0, &addr))
		return rules_bad_value(k, key, value, "an IPv4 address, an IPv6 address, or both");
	struct addr *slot = &k->rule->source[addr.sa.ss_family == AF_INET ? 0 : 1];
	if (slot->len != 0)
		return rules_bad_value(k, key, value, "one address a family");
	*slot = addr;
	return 0;
}

int
rules_value_source(struct rules_keys *k, const char *key, struct slice value)
{
	return each_word(k, key, value, source_word);
}

/* N/TIME: "60/1h", "10/m" */
int
rules_value_rate(struct rules_keys *k, const char *key, struct slice value)
{
	size_t slash = slice_find(value, '/');
	struct slice time = slice_sub(value, slash + 1, value.n);
	unsigned long long n;
	char one[] = "1?";

	if (time.n == 1) { /* 10/m is 10/1m */
		one[1] = time.p[0];
		time = slice_make(one, 2);
	}
	if (slash == value.n || !slice_number(slice_sub(value, 0, slash), 1000000, &n) || n == 0 ||
	    !text_duration_ms(time, &k->rule->rate_ms) || k->rule->rate_ms == 0)
		return rules_bad_value(k, key, value, "NUMBER/TIME, such as 30/1m");
	k->rule->rate = (unsigned)n;
	return 0;
}

int
rules_value_via(struct rules_keys *k, const char *key, struct slice value)
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
	rule_inout->implicit_tls = rule_inout->port == RULE_PORT_SUBMISSIONS;
	rule_inout->match = RULE_MATCH_NEXTHOP | (brackets ? RULE_MATCH_HOSTNAME : 0);
	return 0;
}
