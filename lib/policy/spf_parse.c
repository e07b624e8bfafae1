#include <netinet/in.h>
#include <string.h>

#include "base/limits.h"
#include "policy/spf.h"

/* The text of an SPF record (RFC 7208 s4.6, s12). Pure. */

const char *
spf_result_str(enum spf_result result)
{
	static const char *const words[] = { "unknown", "none", "pass", "fail", "softfail",
		"neutral", "permerror" };

	return words[result];
}

bool
spf_is_record(struct slice text)
{
	static const char version[] = "v=spf1";

	return slice_starts_case(text, version) &&
	       (text.n == strlen(version) || text.p[strlen(version)] == ' ');
}

static int
bad(struct fail *why, struct slice term, const char *what)
{
	return fail_set(why, FAIL_MESSAGE, "\"%.*s\": %s", (int)(term.n < 100 ? term.n : 100),
	    term.n == 0 ? "" : term.p, what);
}

static bool
take_prefix(struct slice text, unsigned max, unsigned *bits_r)
{
	unsigned long long bits;

	if (!slice_number(text, max, &bits) || (text.n > 1 && text.p[0] == '0'))
		return false;
	*bits_r = (unsigned)bits;
	return true;
}

/* "/24", "//64", "/24//64" behind a domain: cut off. */
static bool
take_dual_cidr(struct slice *rest, struct spf_term *t)
{
	size_t slash = slice_find(*rest, '/');
	struct slice cidr = slice_sub(*rest, slash, rest->n);

	t->prefix4 = 32;
	t->prefix6 = 128;
	/* a macro may hold one: %{d/} is none, "/" only delimits inside braces */
	*rest = slice_sub(*rest, 0, slash);
	if (cidr.n == 0)
		return true;
	size_t second = 0;
	while (second + 1 < cidr.n && !(cidr.p[second] == '/' && cidr.p[second + 1] == '/'))
		second++;
	bool six = second + 1 < cidr.n;
	struct slice four = slice_sub(cidr, 1, six ? second : cidr.n);
	if ((!six || second > 0) && !take_prefix(four, 32, &t->prefix4))
		return false;
	return !six || take_prefix(slice_sub(cidr, second + 2, cidr.n), 128, &t->prefix6);
}

static bool
take_network(struct slice text, struct spf_term *t)
{
	bool six = t->mechanism == SPF_IP6;
	size_t slash = slice_find(text, '/');
	unsigned *bits = six ? &t->prefix6 : &t->prefix4;

	*bits = six ? 128 : 32;
	if (!addr_parse_ip(slice_sub(text, 0, slash), 0, &t->addr) ||
	    (t->addr.sa.ss_family == AF_INET6) != six)
		return false;
	return slash == text.n ||
	       take_prefix(slice_sub(text, slash + 1, text.n), six ? 128 : 32, bits);
}

static bool
is_domain_spec(struct slice text)
{
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] <= ' ' || text.p[i] > '~')
			return false;
	return text.n > 0 && text.n <= LIMIT_DOMAIN_BYTES;
}

static int
read_mechanism(struct slice term, struct arena *arena, struct spf_term *t, struct fail *why)
{
	static const struct {
		const char *name;
		bool domain, needed, cidr;
	} rows[] = { [SPF_ALL] = { "all", false, false, false },
		[SPF_INCLUDE] = { "include", true, true, false },
		[SPF_A] = { "a", true, false, true },
		[SPF_MX] = { "mx", true, false, true },
		[SPF_PTR] = { "ptr", true, false, false },
		[SPF_IP4] = { "ip4", false, true, false },
		[SPF_IP6] = { "ip6", false, true, false },
		[SPF_EXISTS] = { "exists", true, true, false } };
	size_t end = 0;

	while (end < term.n && term.p[end] != ':' && term.p[end] != '/')
		end++;
	struct slice name = slice_sub(term, 0, end), value = slice_sub(term, end, term.n);
	size_t i = 0;
	while (i < sizeof(rows) / sizeof(rows[0]) && !slice_is_case(name, rows[i].name))
		i++;
	if (i == sizeof(rows) / sizeof(rows[0]))
		return bad(why, term, "no such mechanism");
	t->mechanism = (enum spf_mechanism)i;
	bool colon = value.n > 0 && value.p[0] == ':';
	value = slice_sub(value, colon, value.n);
	if (t->mechanism == SPF_IP4 || t->mechanism == SPF_IP6)
		return colon && take_network(value, t) ? 0 : bad(why, term, "not a network");
	if (rows[i].cidr && !take_dual_cidr(&value, t))
		return bad(why, term, "the length of a prefix is wrong");
	if (!colon && value.n == 0 && !rows[i].needed)
		return 0;
	if (!colon || !rows[i].domain || !is_domain_spec(value))
		return bad(why, term, "not a domain behind it");
	t->domain = arena_slice(arena, value);
	return 0;
}

static enum spf_result
take_qualifier(struct slice *term)
{
	static const char signs[] = "+-~?";
	static const enum spf_result results[] = { SPF_PASS, SPF_FAIL, SPF_SOFTFAIL, SPF_NEUTRAL };
	const char *sign = term->n == 0 || term->p[0] == '\0' ? NULL : strchr(signs, term->p[0]);

	if (sign == NULL)
		return SPF_PASS;
	*term = slice_sub(*term, 1, term->n);
	return results[sign - signs];
}

/* NAME=VALUE: a modifier. Others than redirect are for others (s6). */
static bool
is_modifier(struct slice term)
{
	size_t equals = slice_find(term, '=');

	if (equals == term.n || equals == 0)
		return false;
	return slice_find(slice_sub(term, 0, equals), ':') == equals &&
	       slice_find(slice_sub(term, 0, equals), '/') == equals;
}

int
spf_parse(struct slice text, struct arena *arena, struct spf_record *record, struct fail *why)
{
	*record = (struct spf_record){ 0 };
	if (text.n > LIMIT_SPF_BYTES)
		return fail_set(why, FAIL_MESSAGE, "longer than %d bytes", LIMIT_SPF_BYTES);
	slice_cut(&text, ' '); /* the version */
	while (text.n > 0) {
		struct slice term = slice_cut(&text, ' ');
		if (term.n == 0)
			continue;
		if (is_modifier(term)) {
			struct slice value = slice_sub(term, slice_find(term, '=') + 1, term.n);
			if (!slice_starts_case(term, "redirect="))
				continue;
			if (record->redirect != NULL || !is_domain_spec(value))
				return bad(why, term, "not one domain to go to");
			record->redirect = arena_slice(arena, value);
			continue;
		}
		struct spf_term *t = arena_push(arena, &record->terms, &record->n, sizeof(*t));
		t->result = take_qualifier(&term);
		if (read_mechanism(term, arena, t, why) != 0)
			return -1;
	}
	return 0;
}

bool
spf_in_network(const struct addr *addr, const struct addr *network, unsigned bits)
{
	const unsigned char *a, *b;

	if (addr->sa.ss_family != network->sa.ss_family)
		return false;
	if (addr->sa.ss_family == AF_INET6) {
		a = ((const struct sockaddr_in6 *)&addr->sa)->sin6_addr.s6_addr;
		b = ((const struct sockaddr_in6 *)&network->sa)->sin6_addr.s6_addr;
	} else {
		a = (const unsigned char *)&((const struct sockaddr_in *)&addr->sa)->sin_addr;
		b = (const unsigned char *)&((const struct sockaddr_in *)&network->sa)->sin_addr;
	}
	if (memcmp(a, b, bits / 8) != 0)
		return false;
	return bits % 8 == 0 || (a[bits / 8] ^ b[bits / 8]) >> (8 - bits % 8) == 0;
}
