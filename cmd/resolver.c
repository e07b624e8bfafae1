#include "command.h"
#include "dns/dns.h"

int
command_resolver(const struct strs *servers, bool trust_ad, struct arena *arena,
    struct dns_resolver **resolver_r, struct fail *why)
{
	struct dns_options dns = { .n = servers->n, .trust_ad = trust_ad };
	struct addr *addrs = arena_alloc(arena, (dns.n + 1) * sizeof(*addrs));

	for (size_t i = 0; i < dns.n; i++)
		if (addr_parse(slice_str(servers->v[i]), 53, &addrs[i], why) != 0)
			return fail_prefix(why, "option --resolver");
	dns.servers = addrs;
	*resolver_r = dns_resolver_new(&dns, why);
	return *resolver_r == NULL ? -1 : 0;
}
