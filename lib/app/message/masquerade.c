#include "app/message/masquerade.h"

#include <string.h>

#include "app/identity.h"
#include "base/slice.h"
#include "dns/dns.h"
#include "smtp/address.h"

int
masquerade_parse(
    const char *text, struct arena *arena, struct masquerade *masquerade_r, struct fail *why)
{
	struct slice all = slice_str(text);
	struct smtp_path path;
	size_t at = slice_find(all, '@');

	memset(masquerade_r, 0, sizeof(*masquerade_r));
	const char *domain = text;
	if (at == 0) {
		domain = text + 1;
	} else if (at < all.n) {
		if (smtp_mailbox_parse(all, &path, why) != 0)
			return -1;
		masquerade_r->local = arena_slice(arena, path.local);
		domain = arena_slice(arena, path.domain);
	}
	masquerade_r->domain = dns_name_normalize(domain, arena, why);
	return masquerade_r->domain == NULL ? -1 : 0;
}

static void
add(struct strs *list, struct arena *arena, const char *name)
{
	for (size_t i = 0; name != NULL && i < list->n; i++)
		if (strcmp(list->v[i], name) == 0)
			return;
	if (name != NULL)
		strs_add(list, arena, name);
}

void
masquerade_names(const char *maildomain, struct arena *arena, struct strs *ours)
{
	add(ours, arena, identity_nodename(arena));
	add(ours, arena, identity_hostname(arena));
	if (maildomain != NULL)
		add(ours, arena, dns_name_normalize(maildomain, arena, NULL));
}

bool
masquerade_is_ours(const struct masquerade *masquerade, const char *domain)
{
	static const char *const local[] = { "localhost", "localdomain" };

	if (domain == NULL)
		return true;
	struct slice d = slice_str(domain);
	if (d.n > 0 && d.p[d.n - 1] == '.')
		d.n--;
	for (size_t i = 0; i < masquerade->ours.n; i++)
		if (slice_is_case(d, masquerade->ours.v[i]))
			return true;
	/* names that mean this host everywhere: localhost, box.localdomain */
	for (size_t i = 0; i < 2; i++) {
		size_t n = strlen(local[i]);
		if (d.n >= n && slice_is_case(slice_sub(d, d.n - n, d.n), local[i]) &&
		    (d.n == n || d.p[d.n - n - 1] == '.'))
			return true;
	}
	return false;
}

bool
masquerade_applies(const struct masquerade *masquerade, const char *domain)
{
	return masquerade != NULL && masquerade->domain != NULL &&
	       (masquerade->always || masquerade_is_ours(masquerade, domain));
}
