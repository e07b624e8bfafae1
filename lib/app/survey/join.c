#include "app/survey/join.h"

#include <stdlib.h>
#include <string.h>

#include "app/probe/address.h"
#include "base/buf.h"
#include "base/limits.h"
#include "base/text.h"
#include "policy/certname.h"
#include "policy/dane.h"
#include "policy/verdict.h"
#include "tls/dane.h"
#include "tls/sha256.h"

/* --- names of servers ---------------------------------------------------------------------------- */

static int
compare_strings(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

char *
survey_tlsa_digest(const struct tlsa_facts *tlsa, struct arena *arena)
{
	struct strs records = { 0 };
	char hex[65];

	if (!dane_is_enforced(tlsa->status))
		return NULL;
	for (size_t i = 0; i < tlsa->records_n; i++) {
		const struct tlsa_record_facts *r = &tlsa->records[i];
		strs_add(&records, arena,
		    arena_printf(arena, "%d %d %d %s\n", (int)r->usage, (int)r->selector,
			(int)r->matching_type, r->data == NULL ? "" : r->data));
	}
	qsort(records.v, records.n, sizeof(*records.v), compare_strings);
	/* the server's name in the handshake (RFC 7672 s8.1) */
	if (tlsa->base_domain != NULL)
		strs_add(&records, arena, tlsa->base_domain);
	struct tls_sha256 *sum = tls_sha256_new();
	for (size_t i = 0; i < records.n; i++)
		tls_sha256_add(sum, records.v[i], strlen(records.v[i]));
	tls_sha256_end(sum, hex);
	return arena_strndup(arena, hex, 16);
}

char *
survey_ref(const struct addr *to, const char *name, const char *digest, struct arena *arena)
{
	char text[ADDR_TEXT_BYTES];

	addr_str(to, text);
	return arena_printf(arena, "%s%s%s%s%s", text, name == NULL ? "" : "/",
	    name == NULL ? "" : name, digest == NULL ? "" : "#", digest == NULL ? "" : digest);
}

bool
survey_ref_parse(const char *ref, struct arena *arena, struct addr *to_r, const char **name_r,
    const char **digest_r)
{
	struct slice text = slice_str(ref);
	size_t hash = slice_find(text, '#');
	struct slice rest = slice_sub(text, 0, hash);
	size_t slash = slice_find(rest, '/');

	*digest_r = hash == text.n ? NULL : arena_slice(arena, slice_sub(text, hash + 1, text.n));
	*name_r = slash == rest.n ? NULL : arena_slice(arena, slice_sub(rest, slash + 1, rest.n));
	return addr_parse(slice_sub(rest, 0, slash), -1, to_r, NULL) == 0;
}

/* --- certificates -------------------------------------------------------------------------------- */

static void
add_certs(struct target_facts *target, const struct server_facts *server, struct arena *arena)
{
	for (size_t i = 0; i < server->certs_n; i++) {
		const struct cert_facts *cert = &server->certs[i];
		if (cert->fingerprint == NULL ||
		    facts_cert(target->certs, target->certs_n, cert->fingerprint) != NULL)
			continue;
		struct cert_facts *to =
		    arena_push(arena, &target->certs, &target->certs_n, sizeof(*to));
		*to = *cert;
	}
}

/* --- TLSA ---------------------------------------------------------------------------------------- */

static bool
same_record(const struct tlsa_record_facts *a, const struct tlsa_record_facts *b)
{
	return a->usage == b->usage && a->selector == b->selector &&
	       a->matching_type == b->matching_type && a->data != NULL && b->data != NULL &&
	       strcmp(a->data, b->data) == 0;
}

/* What the server's handshakes made of each record; the best of all servers of the host stays. */
static void
join_records(struct tlsa_facts *tlsa, const struct server_facts *server)
{
	for (size_t i = 0; i < tlsa->records_n; i++) {
		struct tlsa_record_facts *to = &tlsa->records[i];
		for (size_t j = 0; j < server->records_n; j++) {
			const struct tlsa_record_facts *from = &server->records[j];
			if (!same_record(to, from) || from->matched == TRI_UNKNOWN ||
			    to->matched == TRI_YES ||
			    (to->matched == TRI_NO && from->matched == TRI_NO && to->depth >= 0))
				continue;
			to->matched = from->matched;
			to->depth = from->depth;
			to->note = from->note;
		}
	}
}

/* RFC 7672 s3.2.3: behind secure MX records the certificate may also name the mail domain. */
static bool
named_by_domain(struct exchange_facts *mx, const struct cert_facts *leaf, const char *domain)
{
	bool found = false;
	char *name;

	if (leaf == NULL || domain == NULL || mx->tlsa.status != TLSA_USABLE ||
	    certname_find(leaf, domain, true, &name) != TRI_YES)
		return false;
	for (size_t i = 0; i < mx->tlsa.records_n; i++) {
		struct tlsa_record_facts *r = &mx->tlsa.records[i];
		if (r->usage != 2 || !r->usable || r->note == NULL ||
		    strcmp(r->note, TLS_DANE_OTHER_NAME) != 0)
			continue;
		r->matched = TRI_YES;
		r->note = NULL;
		found = true;
	}
	return found;
}

static enum dane
join_dane(
    struct exchange_facts *mx, enum dane dane, const struct cert_facts *leaf, const char *domain)
{
	switch (mx->tlsa.status) {
	case TLSA_NOT_CHECKED:
	case TLSA_BOGUS:
	case TLSA_ERROR:
		return DANE_NOT_CHECKED;
	case TLSA_NONE:
	case TLSA_INSECURE:
		return DANE_NONE;
	case TLSA_UNUSABLE:
		return DANE_UNUSABLE;
	case TLSA_USABLE:
	case TLSA_INSECURE_MX:
		break;
	}
	return dane == DANE_MISMATCH && named_by_domain(mx, leaf, domain) ? DANE_VALID : dane;
}

/* --- one address --------------------------------------------------------------------------------- */

/* What is known of the address, but for its certificate: that may be another one for each name. */
static void
without_certificate(struct host_facts *host, unsigned names, struct arena *arena)
{
	struct tls_facts *tls;

	if (host->starttls_state != STARTTLS_DONE && host->starttls_state != STARTTLS_IMPLICIT)
		return;
	host->tls = NULL;
	host->tls_n = 0;
	tls = arena_push(arena, &host->tls, &host->tls_n, sizeof(*tls));
	facts_init_tls_facts(tls);
	tls->key_status = KEY_STATUS_SKIPPED;
	host->status = HOST_SKIPPED;
	host->result_type = NULL;
	host->sni = NULL;
	host->attempts = 0;
	host->error =
	    arena_printf(arena, "%u names were asked for at this address, which has to do", names);
}

void
survey_join(struct target_facts *target, struct exchange_facts *mx, struct host_facts *host,
    const struct server_facts *server, const char *domain, unsigned skipped, struct arena *arena)
{
	*host = server->host;
	host->ref = NULL;
	if (skipped > 0) {
		without_certificate(host, skipped, arena);
		if (host->status == HOST_SKIPPED)
			return;
	}
	add_certs(target, server, arena);
	join_records(&mx->tlsa, server);
	if (host->tls_n == 0)
		return;
	host->tls = arena_alloc(arena, host->tls_n * sizeof(*host->tls));
	memcpy(host->tls, server->host.tls, host->tls_n * sizeof(*host->tls));
	for (size_t i = 0; i < host->tls_n; i++) {
		struct tls_facts *tls = &host->tls[i];
		const struct cert_facts *leaf = facts_leaf(server->certs, server->certs_n, tls);
		if (tls->complete == TRI_YES)
			tls->dane = join_dane(mx, tls->dane, leaf, domain);
		if (leaf != NULL && domain != NULL && tls->complete == TRI_YES)
			tls->verify.matches_domain =
			    certname_find(leaf, domain, true, &tls->verify.matched_domain_name);
	}
}

/* --- the second pass ----------------------------------------------------------------------------- */

static bool
lookup_failed(enum dns_status status, enum dnssec dnssec)
{
	return dnssec != DNSSEC_BOGUS && (status == DNS_SERVFAIL || status == DNS_REFUSED ||
					     status == DNS_TIMEOUT || status == DNS_MALFORMED);
}

bool
survey_worth_retry(const struct target_facts *target)
{
	if (target->mx_status == MX_DNS_ERROR && target->dns.dnssec != DNSSEC_BOGUS)
		return true;
	for (size_t i = 0; i < target->exchanges_n; i++) {
		const struct exchange_facts *mx = &target->exchanges[i];
		if (lookup_failed(mx->dns_status, mx->dnssec) || mx->tlsa.status == TLSA_ERROR)
			return true;
		for (size_t j = 0; j < mx->hosts_n; j++)
			if (mx->hosts[j].status != HOST_SKIPPED && probe_worth_retry(&mx->hosts[j]))
				return true;
	}
	return false;
}
