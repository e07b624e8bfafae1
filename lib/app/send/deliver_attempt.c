#include <stdlib.h>
#include <string.h>

#include "app/send/credentials.h"
#include "app/send/deliver_impl.h"
#include "app/send/throttle.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "policy/dane.h"
#include "smtp/auth.h"

/* One connection of a delivery, up to the decision: what is demanded, the session, and what to do by it. */

#define CONNECT_MS 30000

/* Without a constraint that is the domain's own rule again (an address literal has an ip: rule as its own). */
size_t
deliver_constraints(const struct deliver_group *g, const struct deliver_host *host,
    const struct addr *to, const struct rule *out[LIMIT_CONSTRAINTS + 1])
{
	struct addr unused;
	const char *name =
	    addr_parse_ip(slice_str(host->mx->name), 0, &unused) ? NULL : host->mx->name;
	size_t n = rules_constraints(g->options->rules, name, to, out, LIMIT_CONSTRAINTS + 1),
	       kept = 0;

	if (n > LIMIT_CONSTRAINTS)
		return n;
	for (size_t i = 0; i < n; i++)
		if (out[i] != g->origin)
			out[kept++] = out[i];
	return kept;
}

/* With a smarthost the domain's policy is not consulted (DECISIONS E30); a literal has none. */
static void
look_up_sts(struct deliver_group *g, unsigned flags)
{
	struct fail why;

	facts_init_sts_facts(&g->sts);
	g->sts_known = true;
	if (g->options->mtasts == NULL || g->rule.via_host != NULL || g->literal)
		return;
	g->sts_failed = mtasts_lookup(g->options->mtasts, g->domain, flags, g->arena, &g->sts,
			    g->deadline, &why) != 0;
	if (g->sts_failed)
		g->sts.reason = arena_strdup(g->arena, why.text);
}

static enum sts_effect
sts_effect(struct deliver_group *g, const struct deliver_host *host)
{
	if (!g->sts_known)
		look_up_sts(g, 0);
	if (g->sts_failed)
		return STS_EFFECT_ERROR;
	if (g->sts.status != STS_VALID)
		return STS_EFFECT_NONE;
	switch (g->sts.mode) {
	case STS_MODE_ENFORCE:
		return mtasts_mx_matches(&g->sts.mx, host->mx->name) ? STS_EFFECT_MATCH
								     : STS_EFFECT_NO_MATCH;
	case STS_MODE_TESTING:
		return STS_EFFECT_TESTING;
	case STS_MODE_NONE:
	case STS_MODE_UNKNOWN:
		break;
	}
	return STS_EFFECT_NONE;
}

bool
deliver_sts_changed(struct deliver_group *g)
{
	struct sts_facts old = g->sts;

	if (!g->sts_known || !mtasts_is_enforced(&old))
		return false;
	look_up_sts(g, MTASTS_AGAIN);
	if (g->sts_failed || g->sts.status != STS_VALID || g->sts.mode != old.mode ||
	    g->sts.mx.n != old.mx.n)
		return true;
	for (size_t i = 0; i < old.mx.n; i++)
		if (strcmp(g->sts.mx.v[i], old.mx.v[i]) != 0)
			return true;
	return false;
}

/* By the name that the rule is about: a literal has none. */
static void
look_up_sticky(struct deliver_group *g)
{
	struct fail why;

	if (g->sticky_known || !g->rule.sticky || g->literal)
		return;
	g->sticky_known = g->sticky_failed = true;
	if (g->options->sticky == NULL)
		return;
	g->sticky_failed = sticky_load(g->options->sticky, rule_nexthop(&g->rule, g->domain),
			       &g->sticky, &why) != 0;
	if (g->sticky_failed)
		log_error("sticky: %s", why.text);
}

/* A message leaves over TLS: that is what the next ones get as well. */
static void
note_sticky(const struct deliver_attempt *a)
{
	const struct deliver_group *g = a->g;
	const struct host_facts *facts = &a->c->facts;
	struct fail why;

	if (!g->sticky_known || g->sticky_failed || g->look != NULL || facts->tls_n == 0)
		return;
	enum sticky level = decide_certificate(&facts->tls[facts->tls_n - 1].verify,
				RULE_MATCH_HOSTNAME) == FAIL_NONE
				? STICKY_CERT
				: STICKY_TLS;
	if (level > g->sticky.level &&
	    sticky_seen(g->options->sticky, rule_nexthop(&g->rule, g->domain), level, &why) != 0)
		log_error("sticky: %s", why.text);
}

/* Somebody who breaks TLS on purpose looks like that; and so does an operator's mistake. */
static void
alarm_sticky(const struct deliver_attempt *a, const char *reason)
{
	const struct deliver_group *g = a->g;

	if (a->demand.sticky != STICKY_NONE && g->look == NULL)
		log_error(
		    "ALARM: %s offers less than it did (%s was seen): %s: %s; if that is meant, "
		    "run: mxtls policy forget %s",
		    rule_nexthop(&g->rule, g->domain), sticky_str(a->demand.sticky),
		    a->host->mx->name, reason, rule_nexthop(&g->rule, g->domain));
}

void
deliver_demand(struct deliver_group *g, struct deliver_host *host, const struct addr *to,
    struct demand *demand_r)
{
	const struct rule *more[LIMIT_CONSTRAINTS + 1];
	struct decide_site site = { .rule = &g->rule,
		.more = more,
		.host = host->mx->name,
		.nexthop = rule_nexthop(&g->rule, g->domain),
		.mx_secure = g->mx_dnssec == DNSSEC_SECURE,
		.require_tls = message_demands_tls(g->message),
		.tls_required_no = g->message->tls_required_no };
	struct fail why;

	site.more_n = deliver_constraints(g, host, to, more);
	for (size_t i = 0; i < site.more_n && i < LIMIT_CONSTRAINTS + 1; i++)
		host->one_by_one |= more[i]->no_pipelining;
	host->dane_asked = decide_asks_dane(&site);
	host->sts_asked = decide_asks_sts(&site);
	if (host->dane_asked && !host->tlsa_known) {
		/* a lookup that fails has the status error: the host is not used */
		dane_lookup(g->options->resolver, &host->facts, addr_port(to), g->mx_dnssec,
		    g->arena, &host->facts.tlsa, g->deadline, &why);
		host->tlsa_known = true;
	}
	if (host->dane_asked)
		site.tlsa = host->facts.tlsa.status;
	/* where DANE comes first there is nothing to fetch */
	if (host->sts_asked && (site.tlsa != TLSA_USABLE || g->rule.no_dane))
		site.sts = sts_effect(g, host);
	look_up_sticky(g);
	site.sticky = g->sticky.level;
	site.sticky_unknown = g->sticky_failed;
	decide_demand(&site, demand_r);
}

const struct cert_facts *
deliver_leaf(const struct deliver_conn *c)
{
	const struct tls_facts *tls =
	    c->facts.tls_n == 0 ? NULL : &c->facts.tls[c->facts.tls_n - 1];

	return tls == NULL ? NULL : facts_leaf(c->certs, c->certs_n, tls);
}

/*
 * Log in, where the rule asks for it. What the level proved was checked by decide(); without such a level the
 * administrator has said so, and each use is logged (DECISIONS A5).
 */
static int
authenticate(struct deliver_attempt *a, struct fail *why)
{
	const struct rule *rule = &a->g->rule;
	bool proved = a->c->session.in_tls && level_needs_identity(rule->level);
	struct credentials credentials;
	struct auth_identity identity = { .host = rule->via_host,
		.port = (uint16_t)a->c->facts.port };

	if (rule->auth == NULL || a->c->logged_in)
		return 0;
	if (!proved && !rule->auth_insecure)
		return fail_set(why, FAIL_AUTH, "the server has not proved who it is: no login");
	if (!proved)
		log_warn("%s: auth-insecure: the credentials of %s go to %s %s", rule_str(rule),
		    rule->auth, a->host->mx->name,
		    a->c->session.in_tls ? "without proof of who it is" : "in clear");
	if (credentials_load(rule->auth, a->g->arena, &credentials, why) != 0 ||
	    credentials_secret(&credentials, a->g->arena, &identity.secret,
		session_step(&a->c->session), why) != 0)
		return -1;
	identity.user = credentials.user;
	identity.token = credentials.token;
	identity.mechanisms = credentials.mechanisms;
	if (smtp_auth(&a->c->session.client, &identity, session_step(&a->c->session), why) != 0)
		return -1;
	a->c->logged_in = true;
	return 0;
}

static void
send_it(struct deliver_attempt *a, struct fail *why)
{
	if (a->g->look != NULL)
		return;
	if (authenticate(a, why) == 0) {
		deliver_transactions(a, why);
		return;
	}
	a->g->other_failure = true;
	deliver_note_failure_all(a, NULL, why, STAGE_SESSION);
}

/* The context for a demand: what proves identity has another security level. */
static struct tls_ctx *
tls_for(struct deliver_group *g, const struct demand *demand, struct fail *why)
{
	struct tls_client_options tls = { .min = g->rule.tls_min,
		.max = g->rule.tls_max,
		.ciphers = g->rule.ciphers,
		.cert_file = g->rule.client_cert,
		/* else what the server has: weak TLS beats clear text (reference send.md 4.5) */
		.security_level = demand->strict ? 1 : 0 };

	if (g->tls[demand->strict] != NULL)
		return g->tls[demand->strict];
	if (demand->strict && !g->rule.min_given && tls.min < TLS_VERSION_1_2)
		tls.min = TLS_VERSION_1_2;
	g->tls[demand->strict] = deliver_tls_ctx(&tls, why);
	return g->tls[demand->strict];
}

/*
 * A context costs more than a delivery in clear, so it is made when TLS begins; before anything is said where its
 * making may fail for what the rule says: such a rule is never half followed.
 */
static bool
needs_tls_early(const struct rule *rule)
{
	return rule->implicit_tls || rule->client_cert != NULL || rule->ciphers != NULL;
}

static int
make_tls(struct deliver_attempt *a, struct fail *why)
{
	struct session_options *options = &a->c->session.options;

	if (options->tls == NULL)
		options->tls = tls_for(a->g, &a->demand, why);
	if (options->tls != NULL)
		return 0;
	a->g->other_failure = true;
	deliver_note_failure_all(a, NULL, why, STAGE_SESSION);
	return -1;
}

/* Ask decide() until it says deliver, skip, or reconnect. */
static void
negotiate(struct deliver_attempt *a, bool clear_retry, struct decision *d, struct fail *why)
{
	for (;;) {
		decide(&a->demand, &a->c->facts, deliver_leaf(a->c), a->g->age_s, clear_retry, d);
		switch (d->action) {
		case DECIDE_STARTTLS:
			if (make_tls(a, why) != 0) {
				*d = (struct decision){ .action = DECIDE_SKIP };
				return;
			}
			/* what went wrong is in the facts, and the next decision reads them */
			session_starttls(&a->c->session, why);
			continue;
		case DECIDE_DELIVER_CLEAR:
			a->clear_reason = d->reason;
			send_it(a, why);
			return;
		case DECIDE_DELIVER_TLS:
			note_sticky(a);
			send_it(a, why);
			return;
		case DECIDE_RECONNECT_CLEAR:
			return;
		case DECIDE_SKIP:
			/* the session's own failure, where there is one, tells more than the rule's view of it */
			if (why->code == FAIL_NONE)
				fail_set(why, d->code, "%s", d->reason);
			else if (a->demand.require_tls && decide_is_policy_failure(d->code))
				why->code = d->code;
			a->g->other_failure |= !decide_is_policy_failure(d->code);
			if (decide_is_policy_failure(d->code))
				alarm_sticky(a, d->reason);
			deliver_note_failure_all(a, NULL, why, STAGE_SESSION);
			return;
		}
	}
}

/* The address that connections come from; one of the other family makes the host unreachable. */
static const struct addr *
source_for(const struct rule *rule, const struct addr *to)
{
	int family = to->sa.ss_family == AF_INET6;

	if (rule->source[family].len != 0)
		return &rule->source[family];
	return rule->source[!family].len != 0 ? &rule->source[!family] : NULL;
}

static unsigned
refused_addresses(const struct deliver_group *g)
{
	/* an address that came from DNS must not lead back to us; one the administrator wrote may (DECISIONS A9) */
	if (g->rule.via_host != NULL || g->literal)
		return 0;
	return DIAL_REFUSE_LOOP | (g->rule.private_deny ? DIAL_REFUSE_PRIVATE : 0);
}

/* RFC 7672 s8.1: the TLSA base domain, where DANE applies. */
static const char *
server_name(const struct deliver_attempt *a)
{
	if (a->g->rule.sni != NULL)
		return a->g->rule.sni;
	return a->demand.dane ? a->host->facts.tlsa.base_domain : NULL;
}

static struct session_options
session_options_of(struct deliver_attempt *a, const struct addr *to)
{
	struct deliver_group *g = a->g;
	int64_t timeout_ms = g->options->timeout_ms;

	return (struct session_options){ .tls = NULL,
		.trust = g->trust,
		.helo = g->options->helo,
		.sni = server_name(a),
		.timeout_ms = timeout_ms,
		.connect_ms = timeout_ms < CONNECT_MS ? timeout_ms : CONNECT_MS,
		.verbose = g->options->verbose || g->rule.trace,
		.auth_level = a->demand.strict ? 1 : 0,
		.implicit_tls = g->rule.implicit_tls,
		.exchange = a->demand.dane ? &a->host->facts : NULL,
		.mx_dnssec = g->mx_dnssec,
		.dial = { .source = source_for(&g->rule, to), .refuse = refused_addresses(g) } };
}

/* concurrency=: a place for one more connection. One that is idle has to make room before anybody waits. */
static int
take_place(struct deliver_group *g, struct deliver_conn *c, struct fail *why)
{
	c->origin = g->origin;
	if (g->rule.concurrency > 0 && g->options->keep != NULL)
		c->place = deliver_keep_place(g->options->keep, g->origin);
	if (c->place >= 0)
		return 0;
	return throttle_enter(g->options->throttle_dir, &g->rule, &c->place, g->deadline, why);
}

static char *
kept_text(struct deliver_conn *c, const char *text)
{
	return text == NULL ? NULL : arena_strdup(c->arena, text);
}

/* A new connection for the attempt, which takes the key. */
static int
begin_new(struct deliver_attempt *a, struct session_options *options, char *key,
    const struct addr *to, struct fail *why)
{
	struct deliver_group *g = a->g;
	struct deliver_conn *c = a->c = deliver_conn_new(g);

	c->key = key;
	c->to = *to;
	c->most = DELIVER_KEEP_MESSAGES;
	c->begun_ms = c->used_ms = clock_ms();
	options->sni = kept_text(c, options->sni);
	session_init(&c->session, options, &c->to, kept_text(c, a->host->mx->name),
	    kept_text(c, rule_nexthop(&g->rule, g->domain)), KEY_ANY, c->arena, &c->facts,
	    &c->certs, &c->certs_n, g->deadline);
	c->begun = true;
	if (needs_tls_early(&g->rule) && make_tls(a, why) != 0)
		return -1;
	if (take_place(g, c, why) != 0 ||
	    throttle_pace(g->options->throttle_dir, &g->rule, g->deadline, why) != 0) {
		g->other_failure = true;
		deliver_note_failure_all(a, NULL, why, STAGE_SESSION);
		return -1;
	}
	session_open(&c->session, why);
	return 0;
}

/* rate= counts the message; the connection is none of its. */
static int
begin_kept(struct deliver_attempt *a, struct fail *why)
{
	struct deliver_group *g = a->g;

	if (throttle_pace(g->options->throttle_dir, &g->rule, g->deadline, why) == 0)
		return 0;
	g->other_failure = true;
	deliver_note_failure_all(a, NULL, why, STAGE_SESSION);
	return -1;
}

/* Over a connection that another message has left, or a new one. */
static void
run_session(struct deliver_attempt *a, const struct addr *to, bool clear_retry,
    struct decision *last_r, struct fail *why)
{
	struct deliver_keep *keep = a->g->options->keep;
	struct session_options options = session_options_of(a, to);
	/* what is made for clear text after TLS has failed is for this message only */
	char *key = keep == NULL || clear_retry ? NULL : deliver_keep_key(a, &options, to);

	a->again = false;
	a->c = key == NULL ? NULL : deliver_keep_take(keep, a, key);
	bool kept = a->c != NULL;
	int rc = kept ? begin_kept(a, why) : begin_new(a, &options, key, to, why);
	if (a->c->key != key)
		free(key);
	if (rc == 0)
		negotiate(a, clear_retry, last_r, why);
	/* each once; a connection that was made for clear text says nothing about TLS */
	if (rc == 0 && !kept && !clear_retry)
		deliver_note_tls(a, to);
	if (rc == 0 && deliver_keep_put(keep, a->c))
		return;
	deliver_conn_close(a->c, why);
}

void
deliver_try(struct deliver_group *g, struct deliver_host *host, const struct addr *to,
    bool clear_retry, struct decision *last_r)
{
	struct deliver_attempt *a = arena_alloc(g->arena, sizeof(*a));
	struct fail why;

	*last_r = (struct decision){ .action = DECIDE_SKIP };
	a->g = g;
	a->host = host;
	a->in = mem_array(g->n, sizeof(*a->in));
	a->asked = mem_array(g->n, sizeof(*a->asked));
	a->now = mem_array(g->n, sizeof(*a->now));
	fail_clear(&why);
	deliver_demand(g, host, to, &a->demand);
	if (a->demand.connect) {
		do {
			fail_clear(&why);
			run_session(a, to, clear_retry, last_r, &why);
		} while (a->again);
	} else {
		a->c = deliver_conn_new(g);
		a->c->facts.ip = arena_alloc(a->c->arena, ADDR_TEXT_BYTES);
		addr_ip_str(to, a->c->facts.ip);
		a->c->facts.port = addr_port(to);
		const char *more = a->demand.code == FAIL_STS_LOOKUP ? g->sts.reason : NULL;
		fail_set(&why, a->demand.code, "%s: %s%s%s", host->mx->name, a->demand.reason,
		    more == NULL ? "" : ": ", more == NULL ? "" : more);
		g->other_failure |= !decide_is_policy_failure(why.code);
		deliver_note_failure_all(a, NULL, &why, STAGE_SESSION);
	}
	/* nothing is kept then: it is in the group's arena */
	if (g->look != NULL)
		*g->look = (struct deliver_look){ *last_r, a->c->facts, why };
	if (!a->demand.connect) {
		if (!clear_retry)
			deliver_note_tls(a, to);
		deliver_conn_close(a->c, &why);
	}
	free(a->in);
	free(a->asked);
	free(a->now);
}
