#include "policy/findings.h"

#include <string.h>

#include "base/slice.h"

#define TLS_1_2 0x303

char *
findings_where(const struct exchange_facts *mx, const struct host_facts *host, struct arena *arena)
{
	const char *name = mx->name == NULL ? "?" : mx->name;
	const char *ip = host->ip == NULL ? "?" : host->ip;
	const char *port = "";

	if (host->port > 0 && host->port != 25)
		port = arena_printf(arena, ":%d", (int)host->port);
	if (strcmp(name, ip) == 0) /* the target is an address */
		return arena_printf(arena, "[%s]%s", ip, port);
	return arena_printf(arena, "%s [%s]%s", name, ip, port);
}

/* Once, however many handshakes show it. */
static void
add(struct target_facts *facts, struct arena *arena, char *text)
{
	for (size_t i = 0; i < facts->summary.reasons.n; i++)
		if (strcmp(facts->summary.reasons.v[i], text) == 0)
			return;
	strs_add(&facts->summary.reasons, arena, text);
}

/* --- weak handshakes ----------------------------------------------------------------------------- */

static bool
is_weak_digest(const char *algorithm)
{
	struct slice name = slice_str(algorithm);

	for (size_t i = 0; i < name.n; i++) {
		struct slice rest = slice_sub(name, i, name.n);
		/* not SHA-1xx: there is none */
		if (slice_starts_case(rest, "sha1") || slice_starts_case(rest, "md5"))
			return true;
	}
	return false;
}

/* "dh1024" */
static bool
is_small_field(const char *group)
{
	struct slice name = slice_str(group);
	unsigned long long bits;

	return slice_starts_case(name, "dh") &&
	       slice_number(slice_sub(name, 2, name.n), 100000, &bits) && bits < 2048;
}

unsigned
findings_weak(const struct tls_facts *tls, const struct cert_facts *leaf)
{
	unsigned weak = 0;

	if (tls->complete != TRI_YES)
		return 0;
	if (tls->version_value >= 0 && tls->version_value < TLS_1_2)
		weak |= FINDINGS_OLD_TLS;
	if (is_small_field(tls->group))
		weak |= FINDINGS_SMALL_DH;
	if (leaf == NULL)
		return weak;
	if ((leaf->key_type == KEY_RSA && leaf->key_bits >= 0 && leaf->key_bits < 2048) ||
	    (leaf->key_type == KEY_ECDSA && leaf->key_bits >= 0 && leaf->key_bits < 224))
		weak |= FINDINGS_SMALL_KEY;
	if (is_weak_digest(leaf->signature_algorithm))
		weak |= FINDINGS_WEAK_DIGEST;
	return weak;
}

static void
weak_findings(
    struct target_facts *facts, const char *where, const struct tls_facts *tls, struct arena *arena)
{
	const struct cert_facts *leaf = facts_leaf(facts->certs, facts->certs_n, tls);
	unsigned weak = findings_weak(tls, leaf);

	if (tls->complete == TRI_YES && tls->chain_order_ok == TRI_NO)
		add(facts, arena,
		    arena_printf(arena, "%s: its certificates are not sent in order", where));
	if ((weak & FINDINGS_OLD_TLS) != 0)
		add(facts, arena,
		    arena_printf(arena, "%s: %s is too old to be safe (RFC 8996)", where,
			tls->version_name == NULL ? "its TLS" : tls->version_name));
	if ((weak & FINDINGS_SMALL_DH) != 0)
		add(facts, arena,
		    arena_printf(
			arena, "%s: key exchange with %s, which is small", where, tls->group));
	if ((weak & FINDINGS_SMALL_KEY) != 0)
		add(facts, arena,
		    arena_printf(arena, "%s: certificate has a small key (%s, %lld bits)", where,
			key_type_str(leaf->key_type), (long long)leaf->key_bits));
	if ((weak & FINDINGS_WEAK_DIGEST) != 0)
		add(facts, arena,
		    arena_printf(arena, "%s: certificate has a weak signature (%s)", where,
			leaf->signature_algorithm));
}

/* --- the rest ------------------------------------------------------------------------------------ */

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

	for (size_t i = 0; i < host->tls_n; i++)
		weak_findings(facts, where, &host->tls[i], arena);
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
