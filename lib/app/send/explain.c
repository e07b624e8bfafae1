#include "app/send/explain.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "app/send/deliver_impl.h"
#include "smtp/address.h"

/* The domain of an address, or of a text that is one alone: A-labels, or a literal. */
static int
parse(
    const char *text, struct arena *arena, const char **domain_r, bool *literal_r, struct fail *why)
{
	struct slice s = slice_str(text);
	struct smtp_path path;

	*literal_r = false;
	if (slice_find(s, '@') == s.n && (s.n == 0 || s.p[0] != '[')) {
		*domain_r = dns_name_normalize(text, arena, why);
		return *domain_r == NULL ? -1 : 0;
	}
	if (slice_find(s, '@') == s.n)
		s = slice_str(arena_printf(arena, "x@%s", text));
	if (smtp_mailbox_parse(s, &path, why) != 0)
		return -1;
	*literal_r = path.literal;
	*domain_r = path.literal ? arena_slice(arena, path.domain)
				 : dns_name_normalize(arena_slice(arena, path.domain), arena, why);
	return *domain_r == NULL ? -1 : 0;
}

static void
look_at_address(struct deliver_group *g, struct deliver_host *host, const struct addr *to,
    bool connect, struct explain_address *out)
{
	const struct rule *more[LIMIT_CONSTRAINTS + 1];
	struct deliver_look *look;
	struct decision last;

	addr_ip_str(to, out->ip);
	out->port = addr_port(to);
	out->more_n = deliver_constraints(g, host, to, more);
	if (out->more_n > LIMIT_CONSTRAINTS)
		out->more_n = LIMIT_CONSTRAINTS;
	memcpy(out->more, more, out->more_n * sizeof(more[0]));
	deliver_demand(g, host, to, &out->demand);
	if (!connect || !out->demand.connect)
		return;
	look = g->look = arena_alloc(g->arena, sizeof(*look));
	deliver_try(g, host, to, false, &last);
	out->connected = true;
	out->decision = look->decision;
	out->facts = look->facts;
	if (look->why.code != FAIL_NONE)
		out->error = arena_strdup(g->arena, look->why.text);
}

static void
look_at_host(
    struct deliver_group *g, const struct mx_host *mx, bool connect, struct explain_host *out)
{
	struct deliver_host *host = arena_alloc(g->arena, sizeof(*host));
	struct addr *addrs;
	struct fail why;

	host->mx = mx;
	out->name = mx->name;
	out->preference = mx->from_mx ? mx->preference : -1;
	if (deliver_addresses(g, host, &addrs, &out->n, &why) != 0) {
		out->n = 0;
		out->error = arena_strdup(g->arena, why.text);
		return;
	}
	out->addresses = arena_alloc(g->arena, out->n * sizeof(*out->addresses));
	for (size_t i = 0; i < out->n; i++)
		look_at_address(g, host, &addrs[i], connect, &out->addresses[i]);
	if (host->tlsa_known)
		out->tlsa = &host->facts.tlsa;
}

/* Whether a message would leave at this address, as far as is known. */
static bool
takes(const struct explain_address *a)
{
	return a->demand.connect && (!a->connected || a->decision.action != DECIDE_SKIP);
}

static int
outcome(const struct explain *e, const struct deliver_group *g)
{
	bool policy = !g->other_failure && e->n > 0;

	if (e->why.code != FAIL_NONE)
		return fail_info(e->why.code)->enhanced[0] == '5'
			   ? fail_info(e->why.code)->exit_status
			   : EX_TEMPFAIL;
	for (size_t i = 0; i < e->n; i++) {
		policy &= e->hosts[i].error == NULL;
		for (size_t k = 0; k < e->hosts[i].n; k++) {
			const struct explain_address *a = &e->hosts[i].addresses[k];
			if (takes(a))
				return EX_OK;
			policy &= decide_is_policy_failure(
			    a->demand.connect ? a->decision.code : a->demand.code);
		}
	}
	return policy && (g->message->require_tls || g->rule.on_fail == ON_FAIL_BOUNCE)
		   ? EX_UNAVAILABLE
		   : EX_TEMPFAIL;
}

int
explain(const struct explain_options *options, const char *text, struct arena *arena,
    struct explain *explain_r, int64_t deadline, struct fail *why)
{
	struct message *message = arena_alloc(arena, sizeof(*message));
	struct deliver_group *g = arena_alloc(arena, sizeof(*g));
	struct explain *e = explain_r;
	struct mx_list list;

	*e = (struct explain){ .text = text };
	if (parse(text, arena, &e->domain, &g->literal, why) != 0)
		return -1;
	message->sender = "sender"; /* anybody: no report */
	message->require_tls = options->require_tls;
	message->tls_required_no = options->tls_required_no;
	g->options = options->deliver;
	g->message = message;
	g->arena = arena;
	g->deadline = deadline;
	g->domain = e->domain;
	e->rule = g->origin = rules_match(options->deliver->rules, e->domain);
	e->effective = g->rule = deliver_effective_rule(options->deliver, g->origin);
	if (deliver_set_up_trust(g, why) != 0)
		return -1;
	fail_clear(&e->why);
	if (deliver_find_hosts(g, &list, &e->why) == 0) {
		e->n = list.n;
		e->hosts = arena_alloc(arena, list.n * sizeof(*e->hosts));
		for (size_t i = 0; i < list.n; i++)
			look_at_host(g, &list.hosts[i], options->connect, &e->hosts[i]);
	}
	e->mx_dnssec = g->mx_dnssec;
	if (g->sts_known && g->options->mtasts != NULL && g->rule.via_host == NULL && !g->literal)
		e->sts = &g->sts;
	if (g->sticky_known && !g->sticky_failed)
		e->sticky = &g->sticky;
	e->exit_status = outcome(e, g);
	return 0;
}
