#include <string.h>

#include "app/send/deliver_impl.h"
#include "app/send/tlsrpt_store.h"
#include "base/clock.h"
#include "io/socket.h"
#include "policy/tlsrpt_judge.h"

/* What a session counts as in the reports of RFC 8460, written down after it. */

/*
 * By a smarthost, or with roots of the administrator's own, nothing is found out about what the domain publishes
 * (DECISIONS E30); a literal publishes nothing.
 */
static bool
is_kept(const struct deliver_group *g)
{
	return g->options->tlsrpt_dir != NULL && g->look == NULL && g->rule.via_host == NULL &&
	       g->rule.ca_file == NULL && !g->literal;
}

static void
note_addresses(struct deliver_attempt *a, const struct addr *to, struct tlsrpt_session_facts *facts)
{
	const struct rule *rule = &a->g->rule;
	int family = to->sa.ss_family == AF_INET6;
	struct addr source;
	char ip[ADDR_TEXT_BYTES];

	addr_ip_str(to, ip);
	facts->ip = arena_strdup(a->g->arena, ip);
	if (rule->source[family].len != 0)
		source = rule->source[family];
	else if (!socket_source(to, &source))
		return;
	addr_ip_str(&source, ip);
	facts->source_ip = arena_strdup(a->g->arena, ip);
}

void
deliver_note_tls(struct deliver_attempt *a, const struct addr *to)
{
	struct deliver_group *g = a->g;
	struct deliver_host *host = a->host;
	const struct host_facts *session = a->demand.connect ? &a->c->facts : NULL;
	struct tlsrpt_site site = { .domain = g->domain,
		.host = host->mx->name,
		.dane_asked = host->dane_asked,
		.sts_asked = host->sts_asked && g->sts_known && !g->sts_failed,
		.tlsa = &host->facts.tlsa,
		.sts = &g->sts,
		.refused = a->demand.connect ? FAIL_NONE : a->demand.code };
	struct tlsrpt_session_facts facts;
	struct tlsrpt_verdict v;

	/* what is known without a connection is the same at every address; out of time, it is not known */
	if (!is_kept(g) || (session == NULL && (host->told || clock_ms() >= g->deadline)))
		return;
	host->told |= session == NULL;
	tlsrpt_judge(&site, session, session == NULL ? NULL : deliver_leaf(a->c), &v);
	if (!v.counts)
		return;
	facts_init_tlsrpt_session_facts(&facts);
	facts.domain = arena_strdup(g->arena, g->domain);
	facts.type = v.type;
	tlsrpt_policy_text(&site, v.type, g->arena, &facts);
	if (v.result != NULL) {
		facts.result = arena_strdup(g->arena, v.result);
		facts.reason = v.reason == NULL ? NULL : arena_strdup(g->arena, v.reason);
		facts.host = arena_strdup(g->arena, host->mx->name);
		if (session != NULL)
			note_addresses(a, to, &facts);
	}
	tlsrpt_store_append(g->options->tlsrpt_dir, &facts, clock_wall());
}
