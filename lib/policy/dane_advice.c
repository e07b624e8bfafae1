/*
 * What to do about TLSA records.
 */
#include <string.h>

#include "policy/dane.h"

enum { USAGE_DANE_TA = 2, USAGE_DANE_EE = 3 };

/* What the handshakes with one host showed. */
struct seen {
	size_t handshakes; /* complete, and compared */
	bool valid;
	bool both_kinds; /* RSA and ECDSA were asked for */
	/* usable records, by whether they match */
	size_t ee, ee_matched, ta, ta_matched;
};

static void
see(const struct exchange_facts *mx, struct seen *seen)
{
	memset(seen, 0, sizeof(*seen));
	for (size_t i = 0; i < mx->hosts_n; i++)
		for (size_t k = 0; k < mx->hosts[i].tls_n; k++) {
			const struct tls_facts *tls = &mx->hosts[i].tls[k];
			/* a second kind that fails is absent: that is an answer, too */
			seen->both_kinds |= tls->offer != KEY_ANY;
			seen->handshakes += tls->dane != DANE_NOT_CHECKED;
			seen->valid |= tls->dane == DANE_VALID;
		}
	for (size_t i = 0; i < mx->tlsa.records_n; i++) {
		const struct tlsa_record_facts *record = &mx->tlsa.records[i];
		bool matched = record->matched == TRI_YES;
		if (!record->usable)
			continue;
		if (record->usage == USAGE_DANE_EE)
			seen->ee++, seen->ee_matched += matched;
		else
			seen->ta++, seen->ta_matched += matched;
	}
}

static enum rollover
judge_rollover(const struct seen *seen)
{
	bool spare = (seen->ee_matched > 0 && seen->ee > seen->ee_matched) ||
		     (seen->ta_matched > 0 && seen->ta > seen->ta_matched);

	if (seen->handshakes == 0)
		return ROLLOVER_UNKNOWN;
	if (seen->ee_matched > 0 && seen->ta_matched > 0)
		return ROLLOVER_EE_TA;
	/* the record that matches nothing may be that of the other kind of key */
	if (spare)
		return seen->both_kinds ? ROLLOVER_CUR_NEXT : ROLLOVER_UNKNOWN;
	return ROLLOVER_NONE;
}

static void
add_once(struct strs *advice, struct arena *arena, const char *text)
{
	for (size_t i = 0; i < advice->n; i++)
		if (strcmp(advice->v[i], text) == 0)
			return;
	strs_add(advice, arena, text);
}

static const char *
key_phrase(enum key_type type)
{
	return type == KEY_RSA ? " RSA" : type == KEY_ECDSA ? " ECDSA" : "";
}

/* A key that no record describes: say which record would. */
static void
advise_mismatches(const struct exchange_facts *mx, const struct host_facts *host,
    const struct cert_facts *certs, size_t certs_n, struct arena *arena, struct strs *advice)
{
	const char *base = mx->tlsa.base_domain;

	for (size_t i = 0; i < host->tls_n; i++) {
		const struct tls_facts *tls = &host->tls[i];
		bool unusable = tls->dane == DANE_UNUSABLE;
		if ((tls->dane != DANE_MISMATCH && !unusable) || tls->chain.n == 0)
			continue;
		const struct cert_facts *leaf = facts_leaf(certs, certs_n, tls);
		if (leaf == NULL || leaf->spki_fingerprint == NULL)
			continue;
		add_once(advice, arena,
		    arena_printf(arena,
			"no %sTLSA record matches the%s key of the server: publish "
			"_%d._tcp.%s. IN TLSA 3 1 1 %s",
			unusable ? "usable " : "", key_phrase(leaf->key_type), (int)host->port,
			base == NULL ? "?" : base, leaf->spki_fingerprint));
	}
}

/* Words about the form of a usable record. */
static void
advise_form(const struct tlsa_record_facts *record, struct arena *arena, struct strs *advice)
{
	int usage = (int)record->usage, selector = (int)record->selector;
	int matching = (int)record->matching_type;

	if (usage == USAGE_DANE_EE && selector == 0)
		add_once(advice, arena,
		    arena_printf(arena,
			"the TLSA record 3 0 %d has to change with every certificate: 3 1 1 stays "
			"while the key stays",
			matching));
	if (matching == 0)
		add_once(advice, arena,
		    arena_printf(arena,
			"the TLSA record %d %d 0 carries all of its data: its SHA-256 digest "
			"(%d %d 1) is enough",
			usage, selector, usage, selector));
}

static void
advise_records(const struct tlsa_facts *tlsa, struct arena *arena, struct strs *advice)
{
	size_t sha512 = 0, others = 0;

	for (size_t i = 0; i < tlsa->records_n; i++) {
		const struct tlsa_record_facts *record = &tlsa->records[i];
		if (record->usable) {
			advise_form(record, arena, advice);
			sha512 += record->matching_type == 2;
			others += record->matching_type != 2;
		} else if (dane_is_superseded(record)) { /* it serves those who know no other */
			others++;
		} else {
			add_once(advice, arena,
			    arena_printf(arena, "remove the TLSA record %d %d %d: %s",
				(int)record->usage, (int)record->selector,
				(int)record->matching_type,
				record->note == NULL ? "it is not usable" : record->note));
		}
	}
	/* RFC 6698 s6: SHA-256 is what everybody must know */
	if (sha512 > 0 && others == 0)
		add_once(advice, arena,
		    "the TLSA records have SHA-512 digests only, which not every sender knows: "
		    "publish SHA-256, too (3 1 1)");
}

static void
advise_rollover(const struct exchange_facts *mx, const struct seen *seen, struct arena *arena,
    struct strs *advice)
{
	if (mx->tlsa.rollover != ROLLOVER_NONE || !seen->valid)
		return;
	if (seen->ee_matched == 0) {
		/* issuers outlive certificates */
		add_once(advice, arena,
		    "the TLSA records name the present issuer only: before another one signs, "
		    "publish its record (2 1 1) or that of the server's key (3 1 1)");
		return;
	}
	add_once(advice, arena,
	    arena_printf(arena,
		"%s: before the key changes, publish the record of the next key (3 1 1) or of the "
		"issuer (2 1 1), or mail is deferred meanwhile",
		seen->ee + seen->ta == 1 ? "there is only one TLSA record"
					 : "every TLSA record is about a present key"));
}

void
dane_advise(
    struct exchange_facts *mx, const struct cert_facts *certs, size_t certs_n, struct arena *arena)
{
	struct strs *advice = &mx->tlsa.advice;
	struct seen seen;

	*advice = (struct strs){ NULL, 0, 0 };
	if (mx->tlsa.status == TLSA_BOGUS)
		add_once(advice, arena,
		    "DNSSEC validation fails: sign the zone again, and check the DS record at its "
		    "parent");
	if (mx->tlsa.status == TLSA_ERROR)
		add_once(advice, arena,
		    "if it stays like this, the name servers of the host answer TLSA queries "
		    "wrongly or not at all: senders that use DANE defer mail");
	if (!dane_needs_tls(mx->tlsa.status))
		return;
	see(mx, &seen);
	mx->tlsa.rollover = judge_rollover(&seen);
	for (size_t i = 0; i < mx->hosts_n; i++)
		advise_mismatches(mx, &mx->hosts[i], certs, certs_n, arena, advice);
	advise_records(&mx->tlsa, arena, advice);
	if (mx->tlsa.status == TLSA_INSECURE_MX)
		add_once(advice, arena,
		    "the MX host has TLSA records, but the MX records are not signed: sign the "
		    "zone "
		    "of the mail domain");
	advise_rollover(mx, &seen, arena, advice);
}
