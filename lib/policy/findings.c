#include "policy/findings.h"

char *
findings_where(const struct exchange_facts *mx, const struct host_facts *host, struct arena *arena)
{
	const char *name = mx->name == NULL ? "?" : mx->name;
	const char *ip = host->ip == NULL ? "?" : host->ip;

	if (host->port > 0 && host->port != 25)
		return arena_printf(arena, "%s [%s]:%d", name, ip, (int)host->port);
	return arena_printf(arena, "%s [%s]", name, ip);
}

static void
add(struct target_facts *facts, struct arena *arena, char *text)
{
	strs_add(&facts->summary.reasons, arena, text);
}

static const char *
injection_text(const struct host_facts *host)
{
	switch (host->injection) {
	case INJECTION_VULNERABLE:
		return "obeys, inside TLS, commands sent in clear before it (CVE-2011-0411)";
	case INJECTION_INCONCLUSIVE:
		return "whether it obeys commands sent in clear before TLS could not be shown";
	case INJECTION_NOT_TESTED:
	case INJECTION_SAFE:
		break;
	}
	return NULL;
}

static void
host_findings(struct target_facts *facts, const struct exchange_facts *mx,
    const struct host_facts *host, struct arena *arena)
{
	const char *injection = injection_text(host);
	const char *where = findings_where(mx, host, arena);

	if (injection != NULL)
		add(facts, arena,
		    arena_printf(arena, "%s: %s%s%s", where, injection,
			host->injection_reason == NULL ? "" : ": ",
			host->injection_reason == NULL ? "" : host->injection_reason));
	/* without STARTTLS the verdict says it */
	if (host->keyword_masked && host->starttls_state != STARTTLS_NOT_OFFERED)
		add(facts, arena,
		    arena_printf(arena,
			"%s: an EHLO keyword made of X: something on the way changes the dialogue",
			where));
}

/* "1 more address of mx.example.com was not probed" */
static char *
left_out(struct arena *arena, int64_t n, const char *one, const char *many, const char *of)
{
	return arena_printf(arena, "%lld more %s%s%s %s not probed", (long long)n,
	    n == 1 ? one : many, of[0] == '\0' ? "" : " of ", of, n == 1 ? "was" : "were");
}

void
findings_add(struct target_facts *facts, struct arena *arena)
{
	for (size_t i = 0; i < facts->exchanges_n; i++) {
		const struct exchange_facts *mx = &facts->exchanges[i];
		for (size_t j = 0; j < mx->hosts_n; j++)
			host_findings(facts, mx, &mx->hosts[j], arena);
		if (mx->addresses_left_out > 0)
			add(facts, arena,
			    left_out(arena, mx->addresses_left_out, "address", "addresses",
				mx->name == NULL ? "?" : mx->name));
	}
	if (facts->exchanges_left_out > 0)
		add(facts, arena,
		    left_out(arena, facts->exchanges_left_out, "MX host", "MX hosts", ""));
}
