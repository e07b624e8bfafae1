#include <string.h>

#include "base/limits.h"
#include "base/text.h"
#include "policy/rules_impl.h"

static const struct rules_pattern *
find(const struct rules *rules, struct slice key)
{
	return map_get(&rules->patterns, key);
}

/*
 * key: '*', then the domain. Its suffixes that start with a dot are the keys of the .SUFFIX
 * patterns, so only whole labels are ever compared.
 */
static const struct rules_pattern *
find_domain(const struct rules *rules, char *key, size_t n)
{
	struct slice domain = slice_make(key + 1, n - 1);
	const struct rules_pattern *found = find(rules, domain);
	size_t dot = slice_find(domain, '.');

	if (found != NULL || dot == domain.n)
		return found;
	/* *.SUFFIX is one label more: only the first suffix; it beats .SUFFIX (DECISIONS 32) */
	char *star = key + dot, saved = *star;
	*star = '*';
	found = find(rules, slice_make(star, n - dot));
	*star = saved;
	while (found == NULL && dot < domain.n) {
		domain = slice_sub(domain, dot, domain.n);
		found = find(rules, domain);
		dot = 1 + slice_find(slice_sub(domain, 1, domain.n), '.');
	}
	return found;
}

/* --- addresses ------------------------------------------------------------------------------- */

/* An address as its bytes; one of IPv4 inside of IPv6 (::ffff:192.0.2.1) is the former. */
static unsigned
address_bytes(const struct addr *addr, unsigned char out[16])
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (addr->sa.ss_family == AF_INET) {
		memcpy(out, &((const struct sockaddr_in *)&addr->sa)->sin_addr, 4);
		return 4;
	}
	memcpy(out, &((const struct sockaddr_in6 *)&addr->sa)->sin6_addr, 16);
	if (memcmp(out, mapped, sizeof(mapped)) != 0)
		return 16;
	memmove(out, out + 12, 4);
	return 4;
}

bool
rules_network_parse(struct slice text, struct rules_network *network_r)
{
	size_t slash = slice_find(text, '/');
	unsigned long long bits;
	struct addr addr;

	if (!addr_parse_ip(slice_sub(text, 0, slash), 0, &addr))
		return false;
	network_r->n = address_bytes(&addr, network_r->bytes);
	bits = 8ull * network_r->n;
	if (slash < text.n && !slice_number(slice_sub(text, slash + 1, text.n), bits, &bits))
		return false;
	network_r->bits = (unsigned)bits;
	for (unsigned i = (unsigned)bits; i < 8 * network_r->n; i++) /* one form of each network */
		network_r->bytes[i / 8] &= (unsigned char)~(0x80u >> i % 8);
	return true;
}

bool
rules_network_has(const struct rules_network *network, const struct addr *addr)
{
	unsigned char bytes[16];
	unsigned whole = network->bits / 8, rest = network->bits % 8;

	if (address_bytes(addr, bytes) != network->n || memcmp(bytes, network->bytes, whole) != 0)
		return false;
	return rest == 0 || ((bytes[whole] ^ network->bytes[whole]) >> (8 - rest)) == 0;
}

/* "[192.0.2.1]", "[IPv6:2001:db8::1]" (RFC 5321 s4.1.3) */
static bool
literal(const char *domain, struct addr *addr_r)
{
	struct slice text = slice_str(domain);

	if (text.n < 3 || text.p[0] != '[' || text.p[text.n - 1] != ']')
		return false;
	text = slice_sub(text, 1, text.n - 1);
	if (slice_starts_case(text, "IPv6:"))
		text = slice_sub(text, 5, text.n);
	return addr_parse_ip(text, 0, addr_r);
}

/* The longest network that has the address. */
static const struct rules_pattern *
find_network(const struct rules *rules, const struct addr *addr)
{
	for (size_t i = 0; i < rules->networks_n; i++)
		if (rules_network_has(&rules->networks[i]->network, addr))
			return rules->networks[i];
	return NULL;
}

const struct rule *
rules_match(const struct rules *rules, const char *domain)
{
	char key[1 + LIMIT_DOMAIN_BYTES + 1];
	size_t n = strnlen(domain, LIMIT_DOMAIN_BYTES + 1);
	const struct rules_pattern *found = NULL;
	struct addr addr;

	if (literal(domain, &addr)) {
		found = find_network(rules, &addr);
		return found == NULL ? rules->fallback : found->rule;
	}
	if (n > 0 && domain[n - 1] == '.')
		n--;
	/* no domain name: too long, or what would be taken for a pattern */
	if (n == 0 || n > LIMIT_DOMAIN_BYTES || strchr("[.*", domain[0]) != NULL)
		return rules->fallback;
	key[0] = '*';
	for (size_t i = 0; i < n; i++)
		key[1 + i] = text_lower(domain[i]);
	found = find_domain(rules, key, 1 + n);
	return found == NULL ? rules->fallback : found->rule;
}

/* --- mx: and ip: ------------------------------------------------------------------------------- */

struct constraints {
	const struct rule **out;
	size_t max, n;
};

static void
add(struct constraints *c, const struct rules_pattern *pattern)
{
	if (pattern == NULL)
		return;
	for (size_t i = 0; i < c->n && i < c->max; i++)
		if (c->out[i] == pattern->rule)
			return;
	if (c->n < c->max)
		c->out[c->n] = pattern->rule;
	c->n++;
}

/* All of them count: mx:NAME, mx:*.SUFFIX, and mx:.SUFFIX of every length. */
static void
add_mx(const struct rules *rules, const char *host, struct constraints *c)
{
	char key[4 + LIMIT_DOMAIN_BYTES + 1] = "mx:";
	size_t n = strnlen(host, LIMIT_DOMAIN_BYTES + 1);

	if (n > 0 && host[n - 1] == '.')
		n--;
	if (n == 0 || n > LIMIT_DOMAIN_BYTES || strchr("[.*", host[0]) != NULL)
		return;
	for (size_t i = 0; i < n; i++)
		key[3 + i] = text_lower(host[i]);
	add(c, find(rules, slice_make(key, 3 + n)));
	for (size_t dot = slice_find(slice_make(key + 3, n), '.'), first = 1; dot < n; first = 0) {
		char suffix[4 + LIMIT_DOMAIN_BYTES + 1] = "mx:*";
		memcpy(suffix + 4, key + 3 + dot, n - dot);
		if (first)
			add(c, find(rules, slice_make(suffix, 4 + n - dot)));
		memcpy(suffix + 3, key + 3 + dot, n - dot);
		add(c, find(rules, slice_make(suffix, 3 + n - dot)));
		dot += 1 + slice_find(slice_make(key + 3 + dot + 1, n - dot - 1), '.');
	}
}

size_t
rules_constraints(const struct rules *rules, const char *host, const struct addr *addr,
    const struct rule **out, size_t max)
{
	struct constraints c = { out, max, 0 };

	if (host != NULL && rules->has_mx)
		add_mx(rules, host, &c);
	for (size_t i = 0; addr != NULL && i < rules->networks_n; i++)
		if (rules_network_has(&rules->networks[i]->network, addr))
			add(&c, rules->networks[i]);
	return c.n;
}

/* --- all patterns ---------------------------------------------------------------------------------- */

struct each {
	void (*fn)(void *ctx, const char *text, const struct rule *rule);
	void *ctx;
};

static void
each_pattern(struct slice key, void *value, void *ctx)
{
	const struct rules_pattern *pattern = value;
	struct each *each = ctx;

	(void)key;
	if (!pattern->is_ip && !pattern->is_mx)
		each->fn(each->ctx, pattern->text, pattern->rule);
}

void
rules_each_pattern(const struct rules *rules,
    void (*fn)(void *ctx, const char *text, const struct rule *rule), void *ctx)
{
	struct each each = { fn, ctx };

	map_each(&rules->patterns, each_pattern, &each);
}
