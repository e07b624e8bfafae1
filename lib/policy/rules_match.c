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

const struct rule *
rules_match(const struct rules *rules, const char *domain)
{
	char key[1 + LIMIT_DOMAIN_BYTES + 1];
	size_t n = strnlen(domain, LIMIT_DOMAIN_BYTES + 1);
	const struct rules_pattern *found = NULL;

	if (n > 0 && domain[n - 1] == '.')
		n--;
	/* no domain name: too long, an address literal, or what would be taken for a pattern */
	if (n == 0 || n > LIMIT_DOMAIN_BYTES || strchr("[.*", domain[0]) != NULL)
		return rules->fallback;
	key[0] = '*';
	for (size_t i = 0; i < n; i++)
		key[1 + i] = text_lower(domain[i]);
	found = find_domain(rules, key, 1 + n);
	return found == NULL ? rules->fallback : found->rule;
}
