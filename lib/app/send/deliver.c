#include "app/send/deliver.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "app/message/dkim.h"
#include "app/send/deliver_impl.h"
#include "base/clock.h"
#include "io/gate.h"
#include "io/sched.h"

#define PARALLEL_GROUPS 20 /* next hops at once */

size_t
deliver_pending(const struct deliver_group *g)
{
	size_t n = 0;

	for (size_t i = 0; i < g->n; i++)
		n += g->members[i]->status == DELIVER_PENDING;
	return n;
}

/* What the hosts said tells more than that there is no further one. */
static bool
keep_reason(const struct deliver_result *r, const struct fail *why)
{
	/* that one of the hosts is this one is the reason only when no other might take it later */
	if (r->why.code == FAIL_CONNECT_SELF)
		return why == NULL || !fail_is_temporary(why);
	return r->why.code != FAIL_NONE;
}

/*
 * on-fail=: a message whose TLS no host can satisfy, while every one of them could be asked, fails for good.
 * REQUIRETLS asks for that itself (RFC 8689 s4.2.1, DECISIONS E35).
 */
static bool
gives_up(const struct deliver_group *g, const struct deliver_result *r)
{
	if (g->other_failure || !decide_is_policy_failure(r->why.code))
		return false;
	return message_demands_tls(g->message) || g->rule.on_fail == ON_FAIL_BOUNCE ||
	       (g->rule.on_fail == ON_FAIL_AFTER && g->age_s >= g->rule.on_fail_after_s);
}

static void
give_up(const struct deliver_group *g, struct deliver_result *r)
{
	r->status = DELIVER_FAILED;
	r->exit_status = EX_UNAVAILABLE;
	if (!message_demands_tls(g->message))
		r->enhanced[0] = '5';
	else if (r->why.code != FAIL_REQUIRETLS && r->why.code != FAIL_REQUIRETLS_TLS)
		snprintf(r->enhanced, sizeof(r->enhanced), "%s",
		    fail_info(FAIL_REQUIRETLS_TLS)->enhanced);
	else
		snprintf(r->enhanced, sizeof(r->enhanced), "%s", fail_info(r->why.code)->enhanced);
}

void
deliver_fail_pending(struct deliver_group *g, const struct fail *why)
{
	struct fail no_host;

	fail_set(&no_host, FAIL_NO_MX_ADDRESS, NULL);
	for (size_t i = 0; i < g->n; i++) {
		struct deliver_result *r = g->members[i];
		if (r->status != DELIVER_PENDING)
			continue;
		if (keep_reason(r, why)) {
			r->status =
			    r->why.code == FAIL_CONNECT_SELF ? DELIVER_FAILED : DELIVER_DEFERRED;
			if (why == NULL && gives_up(g, r))
				give_up(g, r);
			continue;
		}
		r->why = why != NULL ? *why : no_host;
		const struct fail_info *info = fail_info(r->why.code);
		/* a smarthost that is not found is somebody's mistake, which is no reason to return all mail */
		bool permanent = info->enhanced[0] == '5' && g->rule.via_host == NULL;
		r->status = permanent ? DELIVER_FAILED : DELIVER_DEFERRED;
		r->exit_status = info->exit_status;
		if (r->status == DELIVER_DEFERRED && info->class != FAIL_CLASS_LOCAL)
			r->exit_status = EX_TEMPFAIL;
		snprintf(r->enhanced, sizeof(r->enhanced), "%s", info->enhanced);
		if (!permanent)
			r->enhanced[0] = '4';
	}
}

/* --- one group: hosts, addresses ------------------------------------------------------------------ */

/* A host as its name, or as the address itself where it is a literal: [192.0.2.1], [IPv6:2001:db8::1]. */
static const char *
host_name(const char *name, struct arena *arena)
{
	struct slice text = slice_str(name);
	char ip[ADDR_TEXT_BYTES];
	struct addr addr;

	if (text.n > 2 && text.p[0] == '[')
		text = slice_sub(text, 1, text.n - 1);
	if (slice_starts_case(text, "IPv6:")) /* RFC 5321 s4.1.3 */
		text = slice_sub(text, 5, text.n);
	if (!addr_parse_ip(text, 0, &addr))
		return name;
	addr_ip_str(&addr, ip);
	return arena_strdup(arena, ip);
}

/* The hosts of the next hop, best first. */
int
deliver_find_hosts(struct deliver_group *g, struct mx_list *list_r, struct fail *why)
{
	const char *name = g->rule.via_host != NULL ? g->rule.via_host : g->domain;

	g->mx_dnssec = DNSSEC_SECURE; /* of a host that was named, nothing is to be proved */
	if ((g->rule.via_host != NULL && g->rule.via_brackets) ||
	    (g->rule.via_host == NULL && g->literal)) {
		memset(list_r, 0, sizeof(*list_r));
		list_r->status = MX_LITERAL;
		list_r->hosts = arena_alloc(g->arena, sizeof(struct mx_host));
		list_r->n = 1;
		list_r->hosts[0] =
		    (struct mx_host){ .name = host_name(name, g->arena), .primary = true };
		return 0;
	}
	if (mx_lookup(g->options->resolver, name, g->options->seed, g->arena, list_r, g->deadline,
		why) != 0)
		return -1;
	g->mx_dnssec = list_r->dns.dnssec;
	return mx_list_check(list_r, name, why);
}

static uint16_t
port_of(const struct deliver_group *g)
{
	return g->rule.port != 0 ? g->rule.port : g->options->port;
}

/* Our own time is over, or somebody stopped us. */
static bool
must_end(const struct deliver_group *g)
{
	int64_t now = clock_ms();

	return now >= g->deadline || fiber_cap() <= now;
}

static void
try_address(struct deliver_group *g, struct deliver_host *host, const struct addr *to)
{
	struct decision last;

	deliver_try(g, host, to, false, &last);
	if (last.action == DECIDE_RECONNECT_CLEAR) {
		deliver_try(g, host, to, true, &last);
	} else if (last.action == DECIDE_SKIP && last.clear_later) {
		struct deliver_later *later =
		    arena_push(g->arena, &g->later, &g->later_n, sizeof(*later));
		later->host = host;
		later->addr = *to;
	}
}

static enum mx_family
family_of(const struct rule *rule)
{
	switch (rule->family) {
	case FAMILY_IPV6_ONLY:
		return MX_FAMILY_IPV6;
	case FAMILY_IPV4_ONLY:
		return MX_FAMILY_IPV4;
	case FAMILY_ANY:
	case FAMILY_IPV6_FIRST:
		break;
	}
	return MX_FAMILY_BOTH;
}

/* ipv6=prefer: those of IPv6 first, each family in its order. */
static void
sort_addresses(const struct rule *rule, struct addr *addrs, size_t n)
{
	size_t next = 0;

	for (size_t i = 0; rule->family == FAMILY_IPV6_FIRST && i < n; i++) {
		struct addr addr = addrs[i];
		if (addr.sa.ss_family != AF_INET6)
			continue;
		memmove(&addrs[next + 1], &addrs[next], (i - next) * sizeof(addr));
		addrs[next++] = addr;
	}
}

int
deliver_addresses(struct deliver_group *g, struct deliver_host *host, struct addr **addrs_r,
    size_t *n_r, struct fail *why)
{
	if (mx_addresses(g->options->resolver, host->mx, family_of(&g->rule), g->arena, addrs_r,
		n_r, &host->facts, g->deadline, why) != 0)
		return -1;
	sort_addresses(&g->rule, *addrs_r, *n_r);
	for (size_t i = 0; i < *n_r; i++)
		addr_set_port(&(*addrs_r)[i], port_of(g));
	return 0;
}

/* Every address of one host, until nobody is pending. Returns 0, or -1 with why when it has none. */
static int
try_host(struct deliver_group *g, const struct mx_host *mx, struct fail *why)
{
	struct deliver_host *host = arena_alloc(g->arena, sizeof(*host));
	struct addr *addrs;
	size_t n;

	host->mx = mx;
	if (deliver_addresses(g, host, &addrs, &n, why) != 0)
		return -1;
	for (size_t i = 0; i < n && deliver_pending(g) > 0 && !must_end(g); i++)
		try_address(g, host, &addrs[i]);
	return 0;
}

int
deliver_set_up_trust(struct deliver_group *g, struct fail *why)
{
	const char *ca_file = g->rule.ca_file, *ca_dir = NULL;

	if (ca_file == NULL) {
		ca_file = g->options->ca_file;
		ca_dir = g->options->ca_dir;
	}
	g->trust = deliver_tls_trust(ca_file, ca_dir, why);
	return g->trust == NULL ? -1 : 0;
}

/* fallback=delayed: nobody has taken the message over TLS, and it is old enough (reference send.md 4.5). */
static void
ask_in_clear(struct deliver_group *g)
{
	struct decision last;

	for (size_t i = 0; i < g->later_n && deliver_pending(g) > 0 && !must_end(g); i++)
		deliver_try(g, g->later[i].host, &g->later[i].addr, true, &last);
}

/* Whether an address of the host leads back to us. */
static bool
is_self(const struct deliver_group *g, const struct mx_host *mx)
{
	struct exchange_facts unused;
	struct addr *addrs;
	struct fail why;
	size_t n;

	if (mx_addresses(g->options->resolver, mx, family_of(&g->rule), g->arena, &addrs, &n,
		&unused, g->deadline, &why) != 0)
		return false;
	for (size_t i = 0; i < n; i++)
		if (dial_is_self(&addrs[i]))
			return true;
	return false;
}

/*
 * RFC 5321 s5.1: where we are among the hosts, those that are not before us in preference are not for us:
 * they would bring the message back. True when that is so from host i on.
 */
static bool
ends_at_self(struct deliver_group *g, const struct mx_list *list, size_t i)
{
	const struct mx_host *self = NULL;

	if (g->rule.via_host != NULL || g->literal || must_end(g) ||
	    (i > 0 && list->hosts[i - 1].preference == list->hosts[i].preference))
		return false;
	for (size_t k = i; k < list->n && self == NULL; k++) {
		if (list->hosts[k].preference != list->hosts[i].preference)
			break;
		if (is_self(g, &list->hosts[k]))
			self = &list->hosts[k];
	}
	for (size_t k = 0; self != NULL && k < g->n; k++) {
		struct deliver_result *r = g->members[k];
		if (r->status != DELIVER_PENDING || r->why.code != FAIL_NONE)
			continue;
		fail_set(&r->why, FAIL_CONNECT_SELF,
		    "%s is this host, and no other one is before it in preference: mail loop",
		    self->name);
		r->exchange = self->name;
		r->exit_status = fail_info(FAIL_CONNECT_SELF)->exit_status;
		snprintf(
		    r->enhanced, sizeof(r->enhanced), "%s", fail_info(FAIL_CONNECT_SELF)->enhanced);
	}
	return self != NULL;
}

/* Each host in turn. why_r: of a host that could not even be found, or NONE. */
static void
ask_hosts(struct deliver_group *g, const struct mx_list *list, struct fail *why_r)
{
	struct fail host_why;

	fail_clear(why_r);
	g->other_failure = false;
	g->later_n = 0;
	for (size_t i = 0; i < list->n && deliver_pending(g) > 0 && !must_end(g); i++) {
		if (ends_at_self(g, list, i))
			break;
		/* a host that can be found later outweighs one that never will */
		if (try_host(g, &list->hosts[i], &host_why) != 0 &&
		    (why_r->code == FAIL_NONE || !fail_is_temporary(why_r)))
			*why_r = host_why;
	}
	ask_in_clear(g);
	if (must_end(g) && deliver_pending(g) > 0)
		fail_set(why_r, clock_ms() >= g->deadline ? FAIL_TIMEOUT : FAIL_CANCELLED,
		    "out of time before every host was asked");
}

static bool
would_give_up(const struct deliver_group *g)
{
	for (size_t i = 0; i < g->n; i++)
		if (g->members[i]->status == DELIVER_PENDING && gives_up(g, g->members[i]))
			return true;
	return false;
}

static void
run_group(struct deliver_group *g)
{
	struct mx_list list;
	struct fail why;

	if (g->message->accepted_at > 0 && clock_wall() > g->message->accepted_at)
		g->age_s = clock_wall() - g->message->accepted_at;
	if (deliver_set_up_trust(g, &why) != 0 || deliver_find_hosts(g, &list, &why) != 0) {
		deliver_fail_pending(g, &why);
		return;
	}
	ask_hosts(g, &list, &why);
	/* RFC 8461 s5.1: not for good by a policy that may have changed */
	bool for_good = g->options->last_try ? deliver_pending(g) > 0
					     : why.code == FAIL_NONE && would_give_up(g);
	if (for_good && !must_end(g) && deliver_sts_changed(g))
		ask_hosts(g, &list, &why);
	deliver_fail_pending(g, why.code == FAIL_NONE ? NULL : &why);
}

/* --- all groups ------------------------------------------------------------------------------------ */

struct group_job {
	struct deliver_group group;
	struct gate *gate;
	unsigned *running;
	struct waitq *done;
	const struct fail *unsigned_why; /* why the message cannot leave: it should be signed */
};

static void
group_fiber(void *arg)
{
	struct group_job *job = arg;
	struct fail why;

	if (gate_enter(job->gate, job->group.deadline, &why) == 0) {
		if (job->group.local)
			deliver_local(&job->group);
		else if (job->unsigned_why->code != FAIL_NONE)
			deliver_fail_pending(&job->group, job->unsigned_why);
		else
			run_group(&job->group);
		deliver_own_name(&job->group);
		gate_leave(job->gate);
	} else {
		deliver_fail_pending(&job->group, &why);
	}
	--*job->running;
	io_wake(job->done, 1);
}

/* The rule of a recipient's group: --via takes the place of the rule's own route, never of its level. */
struct rule
deliver_effective_rule(const struct deliver_options *options, const struct rule *rule)
{
	struct rule effective = *rule;

	if (options->via == NULL)
		return effective;
	effective.via_host = options->via->via_host;
	effective.via_brackets = options->via->via_brackets;
	effective.port = options->via->port;
	effective.implicit_tls = options->via->implicit_tls;
	effective.match = options->via->match;
	/* what the rule says about its own route is not about this one */
	memset(&effective.match_names, 0, sizeof(effective.match_names));
	effective.sni = effective.client_cert = NULL;
	effective.auth_insecure = false;
	effective.auth = options->via->auth;
	/* the floor where a password is shown (DECISIONS A5) */
	if (effective.auth != NULL && !level_needs_identity(effective.level)) {
		effective.level = LEVEL_VERIFY;
		if (effective.tls_min < TLS_VERSION_1_2)
			effective.tls_min = TLS_VERSION_1_2;
	}
	return effective;
}

static bool
same_way(const struct group_job *job, const struct rule *origin, const char *domain, bool local)
{
	if (local || job->group.local)
		return local && job->group.local;
	/* one connection per next hop and rule: never a strict domain on a weaker rule's connection */
	if (job->group.origin != origin)
		return false;
	return job->group.rule.via_host != NULL || strcmp(job->group.domain, domain) == 0;
}

static struct group_job *
group_for(struct group_job *jobs, size_t *n_inout, const struct deliver_options *options,
    const struct message *message, const struct message_recipient *to)
{
	const struct rule *origin = rules_match(options->rules, to->domain);
	bool local = !to->literal && deliver_is_local(options, to->domain);

	for (size_t i = 0; i < *n_inout; i++)
		if (same_way(&jobs[i], origin, to->domain, local))
			return &jobs[i];
	struct group_job *job = &jobs[(*n_inout)++];
	job->group.options = options;
	job->group.message = message;
	job->group.domain = to->domain;
	job->group.literal = to->literal;
	job->group.local = local;
	job->group.origin = origin;
	job->group.rule = deliver_effective_rule(options, origin);
	return job;
}

static size_t
make_groups(const struct deliver_options *options, const struct message *message,
    struct deliver_result *results, struct group_job *jobs, struct arena *arena)
{
	size_t n = 0;

	for (size_t i = 0; i < message->recipient_n; i++) {
		struct deliver_result *r = &results[i];
		memset(r, 0, sizeof(*r));
		r->to = &message->recipients[i];
		struct group_job *job = group_for(jobs, &n, options, message, r->to);
		r->rule = job->group.origin;
		r->level = job->group.rule.level;
		r->via = job->group.rule.via_host;
		struct deliver_result **slot = arena_push(
		    arena, &job->group.members, &job->group.n, sizeof(struct deliver_result *));
		*slot = r;
	}
	return n;
}

/* Signature fields, in arena; why_r tells why there are none although there should be. */
static struct slice
sign(const struct deliver_options *options, const struct message *message, struct arena *arena,
    struct fail *why_r)
{
	struct slice fields = { NULL, 0 };
	struct buf out;

	fail_clear(why_r);
	if (options->dkim == NULL || options->dkim->n == 0)
		return fields;
	buf_init(&out, DELIVER_SIGNATURE_BYTES);
	if (dkim_sign(options->dkim, message, clock_wall(), &out, why_r) == 0)
		fields = slice_make(arena_strndup(arena, buf_str(&out), out.len), out.len);
	buf_free(&out);
	return fields;
}

void
deliver(const struct deliver_options *options, const struct message *message,
    struct deliver_result *results, struct arena *arena, int64_t deadline)
{
	struct group_job *jobs = arena_alloc(arena, message->recipient_n * sizeof(*jobs));
	size_t n = make_groups(options, message, results, jobs, arena);
	struct gate gate;
	struct waitq done;
	unsigned running = (unsigned)n;
	struct fail why, unsigned_why;
	struct slice signature = sign(options, message, arena, &unsigned_why);

	gate_init(&gate, PARALLEL_GROUPS);
	waitq_init(&done);
	for (size_t i = 0; i < n; i++) {
		jobs[i].group.arena = arena;
		jobs[i].group.deadline = deadline;
		jobs[i].group.signature = signature;
		jobs[i].unsigned_why = &unsigned_why;
		jobs[i].gate = &gate;
		jobs[i].running = &running;
		jobs[i].done = &done;
		if (fiber_spawn(group_fiber, &jobs[i], "delivery", deadline, &why) != 0) {
			deliver_fail_pending(&jobs[i].group, &why);
			running--;
		}
	}
	/* the groups end by their own deadline or cap; their memory is ours */
	io_join(&done, &running);
}
