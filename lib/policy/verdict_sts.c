#include "policy/verdict_sts.h"

#include "io/addr.h"
#include "policy/decide.h"
#include "policy/mtasts.h"

void
verdict_sts_begin(struct verdict_sts *sts, struct target_facts *facts, struct arena *arena)
{
	enum sts_mode mode = facts->sts.mode;

	mtasts_match_exchanges(&facts->sts, facts->exchanges, facts->exchanges_n, arena);
	*sts = (struct verdict_sts){ .facts = facts,
		.applies = facts->sts.status == STS_VALID &&
			   (mode == STS_MODE_ENFORCE || mode == STS_MODE_TESTING),
		/* hosts that nobody looked at may be good */
		.open = facts->exchanges_left_out > 0 };
}

/* RFC 8461 s4.2: by a subject alternative name, never by the common name alone. */
static bool
named_by_san(const struct target_facts *facts, const struct tls_facts *tls)
{
	const struct cert_facts *leaf = facts_leaf(facts->certs, facts->certs_n, tls);

	for (size_t i = 0; leaf != NULL && i < leaf->names.n; i++)
		if (!addr_is_literal(leaf->names.v[i]))
			return true;
	return leaf == NULL;
}

/* Good enough for a sender that enforces the policy (s4.1, s4.2). */
static bool
is_valid(const struct verdict_sts *sts, const struct tls_facts *tls)
{
	return decide_certificate(&tls->verify, RULE_MATCH_HOSTNAME) == FAIL_NONE &&
	       named_by_san(sts->facts, tls);
}

bool
verdict_sts_proves(
    const struct verdict_sts *sts, const struct exchange_facts *mx, const struct tls_facts *tls)
{
	return mtasts_is_enforced(&sts->facts->sts) && mx->sts_match == TRI_YES &&
	       is_valid(sts, tls);
}

char *
verdict_sts_exchange(struct verdict_sts *sts, const struct exchange_facts *mx, struct arena *arena)
{
	if (!sts->applies)
		return NULL;
	if (mx->sts_match == TRI_YES) {
		bool none = mx->dns_status == DNS_NODATA || mx->dns_status == DNS_NXDOMAIN;
		sts->open += mx->hosts_n == 0 && !none && mx->finding == NULL;
		return NULL;
	}
	sts->bad++;
	return arena_printf(arena,
	    mtasts_is_enforced(&sts->facts->sts)
		? "%s: the MTA-STS policy does not name this host: senders that use MTA-STS avoid "
		  "it"
		: "%s: the MTA-STS policy does not name this host; in mode enforce senders would "
		  "avoid it",
	    mx->name == NULL ? "?" : mx->name);
}

void
verdict_sts_host(struct verdict_sts *sts, const struct exchange_facts *mx,
    const struct host_facts *host, enum verdict rung)
{
	bool good = false, bad = rung == VERDICT_PLAINTEXT;

	if (!sts->applies || mx->sts_match != TRI_YES)
		return;
	if (rung == VERDICT_UNKNOWN) {
		sts->open++;
		return;
	}
	/* which key a sender gets to see depends on the sender */
	for (size_t i = 0; i < host->tls_n; i++) {
		if (host->tls[i].complete != TRI_YES)
			continue;
		bool valid = is_valid(sts, &host->tls[i]);
		good |= valid;
		bad |= !valid;
	}
	sts->good += good;
	sts->bad += bad;
}

enum verdict
verdict_sts_decide(const struct verdict_sts *sts)
{
	if (sts->bad == 0 || !mtasts_is_enforced(&sts->facts->sts))
		return VERDICT_UNKNOWN;
	return sts->good + sts->open == 0 ? VERDICT_BROKEN : VERDICT_BROKEN_SOME;
}

/* DECISIONS 15: in mode testing it is a note. */
static const char *
testing_note(const struct verdict_sts *sts)
{
	if (sts->bad == 0)
		return "MTA-STS: the mode is testing: senders deliver whatever they find";
	if (sts->good + sts->open == 0)
		return "MTA-STS: the mode is testing; with enforce, senders would deliver nowhere";
	return "MTA-STS: the mode is testing; with enforce, senders would avoid some MX hosts";
}

char *
verdict_sts_note(const struct verdict_sts *sts, struct arena *arena)
{
	const struct sts_facts *facts = &sts->facts->sts;

	switch (facts->status) {
	case STS_NOT_CHECKED:
	case STS_NONE:
		return NULL;
	case STS_VALID:
		if (facts->mode == STS_MODE_NONE)
			return arena_strdup(
			    arena, "MTA-STS: the mode is none: senders ask for nothing");
		return facts->mode == STS_MODE_TESTING ? arena_strdup(arena, testing_note(sts))
						       : NULL;
	case STS_RECORD_INVALID:
	case STS_FETCH_ERROR:
	case STS_WEBPKI_INVALID:
	case STS_POLICY_INVALID:
	case STS_DNS_ERROR:
		break;
	}
	return arena_printf(arena, "MTA-STS: %s: %s", sts_status_str(facts->status),
	    facts->reason == NULL ? "no reason known" : facts->reason);
}
