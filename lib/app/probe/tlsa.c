#include "app/probe/tlsa.h"

#include <string.h>

#include "base/text.h"
#include "policy/bar.h"
#include "policy/dane.h"
#include "policy/verdict.h"
#include "tls/cert.h"
#include "tls/pem.h"

#define NAME_BYTES 512
#define KEYS_SHOWN 16 /* of one host; a server has one or two */

static void
put(struct buf *out, const char *text)
{
	text_escape(out, slice_str(text == NULL ? "?" : text), NAME_BYTES);
}

/* What goes into a zone file: a name of letters, digits, hyphen, underscore and dots; no address. */
static bool
is_zone_name(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-_.";

	return name != NULL && strspn(name, "0123456789.") < strlen(name) &&
	       strspn(name, allowed) == strlen(name);
}

/* --- print --------------------------------------------------------------------------------------- */

static bool
is_published(const struct tlsa_facts *tlsa, const char *spki)
{
	for (size_t i = 0; i < tlsa->records_n; i++) {
		const struct tlsa_record_facts *record = &tlsa->records[i];
		if (record->usage == 3 && record->selector == 1 && record->matching_type == 1 &&
		    record->data != NULL && strcmp(record->data, spki) == 0)
			return true;
	}
	return false;
}

/* Where the records are looked for: behind an alias the canonical name, when that is secure. */
static const char *
base_of(const struct exchange_facts *mx)
{
	return mx->tlsa.base_domain != NULL ? mx->tlsa.base_domain : mx->name;
}

static void
print_record(const struct exchange_facts *mx, int64_t port, const char *spki, const char *what,
    struct buf *out)
{
	buf_printf(out, "_%lld._tcp.%s. IN TLSA 3 1 1 %s ; %s%s\n", (long long)port, base_of(mx),
	    spki, what, is_published(&mx->tlsa, spki) ? ", published" : "");
}

static size_t
print_keys(const struct target_facts *facts, const struct exchange_facts *mx, struct buf *out)
{
	const char *seen[KEYS_SHOWN];
	size_t n = 0;

	for (size_t i = 0; i < mx->hosts_n; i++)
		for (size_t j = 0; j < mx->hosts[i].tls_n; j++) {
			const struct cert_facts *leaf =
			    facts_leaf(facts->certs, facts->certs_n, &mx->hosts[i].tls[j]);
			size_t k = 0;
			if (leaf == NULL || leaf->spki_fingerprint == NULL || n == KEYS_SHOWN)
				continue;
			while (k < n && strcmp(seen[k], leaf->spki_fingerprint) != 0)
				k++;
			if (k < n)
				continue;
			seen[n++] = leaf->spki_fingerprint;
			print_record(mx, mx->hosts[i].port, leaf->spki_fingerprint,
			    key_type_str(leaf->key_type), out);
		}
	return n;
}

int
probe_tlsa_print(const struct target_facts *facts, const char *next, struct buf *out)
{
	int status = facts->exchanges_n == 0 ? 3 : 0;

	if (facts->exchanges_n == 0) {
		buf_puts(out, "; ");
		put(out, facts->domain);
		buf_printf(out, ": no MX host (%s)\n", mx_status_str(facts->mx_status));
	}
	for (size_t i = 0; i < facts->exchanges_n; i++) {
		const struct exchange_facts *mx = &facts->exchanges[i];
		if (mx->hosts_n > 0 && is_zone_name(base_of(mx)) &&
		    print_keys(facts, mx, out) > 0) {
			if (next != NULL)
				print_record(mx, mx->hosts[0].port, next, "next", out);
			continue;
		}
		status = 3;
		buf_puts(out, "; ");
		put(out, mx->name == NULL ? facts->domain : mx->name);
		buf_puts(out, is_zone_name(base_of(mx)) ? ": no certificate was seen\n"
							: ": has no name for a TLSA record\n");
	}
	return status;
}

/* --- check --------------------------------------------------------------------------------------- */

struct checking {
	const struct target_facts *facts;
	const struct slice *certs;
	size_t certs_n;
	struct cert_facts leaf;
	const struct verify_facts *verify;
	bool dane;
	int64_t at;
	struct arena *arena;
	struct buf *out;
};

/* How DANE proves a chain at a host. */
enum proof { PROOF_NONE, PROOF_TA, PROOF_EE };

/* What the records of a host say. */
static enum proof
check_records(struct checking *c, const struct exchange_facts *mx, int *status)
{
	bool literal = c->facts->mx_status == MX_LITERAL;
	enum dnssec mx_dnssec = literal ? DNSSEC_SECURE : c->facts->dns.dnssec;
	const char *names[DANE_NAMES];
	struct tls_dane_question question = { .records = mx->tlsa.records,
		.records_n = mx->tlsa.records_n,
		.names = names,
		.names_n = dane_names(mx, literal ? NULL : c->facts->alabel, mx_dnssec, names),
		.at = c->at };
	struct tls_dane_fit *fits = arena_alloc(c->arena, (mx->tlsa.records_n + 1) * sizeof(*fits));
	enum dane dane = DANE_NOT_CHECKED;
	bool ee = false;

	if (tls_dane_chain(c->certs, c->certs_n, &question, c->arena, fits, &dane, NULL) != 0)
		dane = DANE_MISMATCH;
	for (size_t i = 0; i < mx->tlsa.records_n; i++)
		ee |= fits[i].matched == TRI_YES && mx->tlsa.records[i].usable &&
		      mx->tlsa.records[i].usage == 3;
	if (dane == DANE_VALID) {
		buf_puts(c->out, "a TLSA record matches");
		return ee ? PROOF_EE : PROOF_TA;
	}
	*status = 2;
	if (mx->tlsa.records_n == 1)
		buf_puts(c->out, "the only TLSA record does not match");
	else
		buf_printf(c->out, "none of %zu TLSA records matches", mx->tlsa.records_n);
	return PROOF_NONE;
}

static enum proof
check_tlsa(struct checking *c, const struct exchange_facts *mx, int *status)
{
	enum proof proof = PROOF_NONE;

	if (!c->dane)
		return PROOF_NONE;
	if (dane_is_enforced(mx->tlsa.status)) {
		proof = check_records(c, mx, status);
		buf_puts(c->out, "; ");
		return proof;
	}
	buf_printf(c->out, "TLSA: %s", tlsa_status_str(mx->tlsa.status));
	if (mx->tlsa.reason != NULL) {
		buf_puts(c->out, " (");
		put(c->out, mx->tlsa.reason);
		buf_putc(c->out, ')');
	}
	buf_puts(c->out, "; ");
	if (mx->tlsa.status == TLSA_NOT_CHECKED || mx->tlsa.status == TLSA_ERROR ||
	    mx->tlsa.status == TLSA_BOGUS)
		*status = 3;
	return PROOF_NONE;
}

/* RFC 7672 s3.1.1: DANE-EE looks at neither names nor dates. */
static void
check_leaf(struct checking *c, const char *name, enum proof proof, int *status)
{
	const char *unless = proof == PROOF_EE ? ", which DANE-EE does not look at" : "";
	char *matched = NULL;

	if (name != NULL && tls_pem_names(c->certs[0], name, c->arena, &matched)) {
		buf_puts(c->out, "the name matches ");
		put(c->out, matched);
	} else {
		buf_printf(c->out, "the certificate names another host%s", unless);
		*status = proof == PROOF_EE ? *status : 2;
	}
	if (c->leaf.not_after <= c->at || c->leaf.not_before > c->at) {
		buf_printf(c->out, "; it is not valid at this time%s", unless);
		*status = proof == PROOF_EE ? *status : 2;
	}
}

/* What wrong dates say is said; DANE needs no trusted root, but senders without DANE may. */
static void
check_trust(struct checking *c, enum proof proof, int *status)
{
	const struct verify_facts *verify = c->verify;
	const char *unless = proof != PROOF_NONE ? ", which DANE does not need" : "";

	if (verify->trusted == TRI_YES) {
		buf_puts(c->out, "; it leads to a trusted root");
		return;
	}
	if (verify->trusted == TRI_NO && bar_only_dates_are_wrong(verify))
		return;
	buf_printf(c->out,
	    verify->trusted == TRI_NO ? "; it is not trusted%s: "
				      : "; whether it is trusted is not known%s: ",
	    unless);
	for (size_t i = 0; i < verify->errors.n; i++) {
		struct slice text = slice_str(verify->errors.v[i]);
		for (int colons = 0; colons < 2; colons++)
			text = slice_sub(text, slice_find(text, ':') + 1, text.n);
		buf_puts(c->out, i > 0 ? ", " : "");
		text_escape(c->out, text, NAME_BYTES);
	}
	if (verify->errors.n == 0)
		put(c->out, verify->error);
	if (proof == PROOF_NONE)
		*status = verdict_exit_worst(*status, verify->trusted == TRI_NO ? 2 : 3);
}

static int
check_exchange(struct checking *c, const struct exchange_facts *mx)
{
	const char *name = mx->name != NULL ? mx->name : c->facts->alabel;
	int status = 0;

	put(c->out, name);
	buf_puts(c->out, ": ");
	enum proof proof = check_tlsa(c, mx, &status);
	check_leaf(c, name, proof, &status);
	check_trust(c, proof, &status);
	buf_putc(c->out, '\n');
	return status;
}

int
probe_tlsa_check(const struct target_facts *facts, const struct slice *certs, size_t certs_n,
    const struct verify_facts *verify, bool dane, int64_t at, struct arena *arena, struct buf *out)
{
	struct checking c = { .facts = facts,
		.verify = verify,
		.certs = certs,
		.certs_n = certs_n,
		.dane = dane,
		.at = at,
		.arena = arena,
		.out = out };
	int status = facts->exchanges_n == 0 ? 3 : 0;

	if (certs_n == 0 || tls_cert_parse(certs[0].p, certs[0].n, arena, &c.leaf, NULL) != 0)
		return 2;
	if (facts->exchanges_n == 0) {
		put(out, facts->domain);
		buf_printf(out, ": no MX host (%s)\n", mx_status_str(facts->mx_status));
	}
	for (size_t i = 0; i < facts->exchanges_n; i++)
		status = verdict_exit_worst(status, check_exchange(&c, &facts->exchanges[i]));
	return status;
}
