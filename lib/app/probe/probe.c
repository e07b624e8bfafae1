#include "app/probe/probe.h"

#include <stdlib.h>
#include <string.h>

#include "app/probe/address.h"
#include "app/probe/enum.h"
#include "app/probe/injection.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "io/gate.h"
#include "io/sched.h"
#include "io/signals.h"
#include "io/socket.h"
#include "policy/caa.h"
#include "policy/dane.h"
#include "policy/port25.h"
#include "policy/verdict.h"

#define DEEP_LOOK_MS 600000    /* for --enum at one address: 400 connections, 1 s apart, fit */
#define INJECTION_WAIT_MS 2000 /* a server that answers at all does so at once */
#define SESSIONS_PER_TARGET 32 /* at once: a domain may name LIMIT_MX_HOSTS * LIMIT_MX_ADDRESSES */

struct run {
	const struct probe_options *options;
	probe_next_fn *next;
	probe_done_fn *done;
	void *ctx;
	struct gate targets;
	struct map addresses; /* struct address by IP, while somebody is there or waits */
	struct port25 port25;
};

/* One session at a time at each address. */
struct address {
	struct gate gate;
	unsigned users;
};

/*
 * One target while it is probed. Each fiber that works for it holds a reference; the last to end
 * judges and hands over. So nobody waits for the others, and after a stop nobody is waited for.
 */
struct probing {
	struct run *run;
	size_t number;
	unsigned refs;
	struct arena arena; /* everything that was found out */
	struct target target;
	struct target_facts facts;
	const char *domain; /* NULL: the target is a host or an address */
	struct session_options session;
	uint16_t port;
	int64_t start_ms, deadline;
	struct gate slots;
	bool cancelled;
};

/* The arguments of fibers, in the target's arena. */
struct exchange_job {
	struct probing *probing;
	const struct mx_host *host;
	struct exchange_facts *facts;
	struct session_options session; /* the target's, and the host's TLSA records */
};

struct session_job {
	struct probing *probing;
	const struct session_options *options;
	const char *host; /* NULL: the target is an address */
	struct addr to;
	struct host_facts *facts;
};

/* --- one target --------------------------------------------------------------------------------- */

void
probe_judge(const struct probe_options *options, struct target_facts *facts, struct arena *arena)
{
	int64_t now = clock_wall();

	for (size_t i = 0; i < facts->exchanges_n; i++)
		dane_advise(&facts->exchanges[i], facts->certs, facts->certs_n, arena);
	verdict_summarize(facts, arena, now);
	bar_apply(
	    &options->bar, facts, arena, options->session.at != 0 ? options->session.at : now);
}

static void
probing_unref(struct probing *p)
{
	struct run *run = p->run;

	if (--p->refs > 0)
		return;
	p->facts.duration = (double)(clock_ms() - p->start_ms) / 1000;
	probe_judge(run->options, &p->facts, &p->arena);
	if (!p->cancelled)
		port25_note(&run->port25, &p->facts);
	if (port25_concerns(&run->port25, &p->facts))
		strs_add(&p->facts.summary.reasons, &p->arena, port25_finding(&run->port25));
	run->done(run->ctx, p->number, p->cancelled ? NULL : &p->facts);
	arena_free(&p->arena);
	free(p);
	gate_leave(&run->targets);
}

/* Where no further fiber can be had the work is done here and now: slower, but done. */
static void
start(struct probing *p, fiber_fn *fn, void *arg, const char *name)
{
	p->refs++;
	if (fiber_spawn(fn, arg, name, DEADLINE_NEVER, NULL) != 0)
		fn(arg);
}

/* --- sessions ----------------------------------------------------------------------------------- */

static struct address *
address_hold(struct run *run, struct slice ip)
{
	struct address *address = map_get(&run->addresses, ip);

	if (address == NULL) {
		address = mem_alloc(sizeof(*address));
		gate_init(&address->gate, 1);
		map_set(&run->addresses, ip, address);
	}
	address->users++;
	return address;
}

static void
address_release(struct run *run, struct slice ip, struct address *address)
{
	if (--address->users > 0)
		return;
	map_remove(&run->addresses, ip);
	free(address);
}

/* What needs further connections to the same address, once it was measured. */
static void
deep_look(const struct session_job *job, struct address *address)
{
	struct probing *p = job->probing;
	const struct probe_options *options = p->run->options;
	struct host_facts *facts = job->facts;
	/* the name that was asked for, not the records */
	struct session_options session = *job->options;
	session.exchange = NULL;
	bool begun = facts->starttls_state == STARTTLS_DONE ||
		     facts->starttls_state == STARTTLS_FAILED ||
		     facts->starttls_state == STARTTLS_IMPLICIT;

	if (options->enum_what == 0 && !options->check_injection)
		return;
	if (gate_enter(&address->gate, DEADLINE_NEVER, NULL) != 0)
		return;
	if (options->check_injection && begun)
		injection_check(&(struct injection_options){ .session = &session,
				    .wait_ms = INJECTION_WAIT_MS,
				    .pace_ms = options->pace_ms },
		    &job->to, job->host, &p->arena, facts, clock_deadline(DEEP_LOOK_MS));
	if (options->enum_what != 0 && begun)
		enum_host(&(struct enum_options){ .what = options->enum_what,
			      .session = &session,
			      .pace_ms = options->pace_ms },
		    &job->to, job->host, &p->arena, &facts->deep, clock_deadline(DEEP_LOOK_MS));
	gate_leave(&address->gate);
	if (options->enum_what == 0 || begun)
		return;
	facts->deep.complete = TRI_NO;
	facts->deep.reason = arena_strdup(&p->arena, "there was no handshake to repeat");
}

static void
session_fiber(void *arg)
{
	struct session_job *job = arg;
	struct probing *p = job->probing;
	char ip[ADDR_TEXT_BYTES];

	addr_ip_str(&job->to, ip);
	struct address *address = address_hold(p->run, slice_str(ip));
	probe_address(&(struct address_job){ .session = job->options,
	    .both_keys = p->run->options->both_keys,
	    .retries = p->run->options->retries,
	    .turn = &address->gate,
	    .to = &job->to,
	    .host = job->host,
	    .domain = p->domain,
	    .arena = &p->arena,
	    .facts = job->facts,
	    .certs = &p->facts.certs,
	    .certs_n = &p->facts.certs_n,
	    .deadline = p->deadline });
	deep_look(job, address);
	address_release(p->run, slice_str(ip), address);
	if (job->facts->status == HOST_CANCELLED)
		p->cancelled = true;
	gate_leave(&p->slots);
	probing_unref(p);
}

/* --- MX hosts ----------------------------------------------------------------------------------- */

static void
session_start(struct exchange_job *job, const struct addr *addr, struct host_facts *facts)
{
	struct probing *p = job->probing;
	struct session_job *session = arena_alloc(&p->arena, sizeof(*session));

	session->probing = p;
	session->options = &job->session;
	session->host = p->target.kind == TARGET_ADDRESS ? NULL : job->host->name;
	session->to = *addr;
	addr_set_port(&session->to, p->port);
	session->facts = facts;
	if (gate_enter(&p->slots, DEADLINE_NEVER, NULL) != 0) {
		p->cancelled = true;
		return;
	}
	start(p, session_fiber, session, "session");
}

/*
 * With -4 or -6: a host without an address of that family may have one of the other, which is not
 * the same as having none.
 */
static void
check_other_family(struct exchange_job *job)
{
	struct probing *p = job->probing;
	const struct probe_options *options = p->run->options;
	struct exchange_facts unused;
	struct addr *addrs;
	size_t n;

	if (options->family == MX_FAMILY_BOTH || job->facts->dns_status != DNS_NODATA)
		return;
	enum mx_family other = options->family == MX_FAMILY_IPV4 ? MX_FAMILY_IPV6 : MX_FAMILY_IPV4;
	if (mx_addresses(options->resolver, job->host, other, &p->arena, &addrs, &n, &unused,
		p->deadline, NULL) == 0)
		job->facts->dns_status = DNS_OK;
}

/*
 * TLSA before the first session: the server's name in it depends on them (RFC 7672 s8.1). A host that
 * the user named needs no proof of how it was found.
 */
static void
look_up_tlsa(struct exchange_job *job)
{
	struct probing *p = job->probing;
	enum dnssec mx_dnssec = p->domain == NULL ? DNSSEC_SECURE : p->facts.dns.dnssec;
	struct fail why;

	job->session = p->session;
	if (p->target.kind == TARGET_ADDRESS)
		return;
	if (p->run->options->no_dane) {
		job->facts->tlsa.reason = arena_strdup(&p->arena, "not asked for");
		return;
	}
	if (dane_lookup(p->run->options->resolver, job->facts, p->port, mx_dnssec, &p->arena,
		&job->facts->tlsa, p->deadline, &why) != 0)
		p->cancelled |= why.code == FAIL_CANCELLED;
	job->session.exchange = job->facts;
	job->session.mx_dnssec = mx_dnssec;
	/* RFC 7672 s8.1; a name that the user asks for stays */
	if (job->session.sni == NULL && dane_is_enforced(job->facts->tlsa.status))
		job->session.sni = job->facts->tlsa.base_domain;
}

/* Beside the sessions: nobody waits for it. */
static void
look_up_caa(struct exchange_job *job)
{
	struct probing *p = job->probing;
	struct fail why;

	if (!p->run->options->caa || p->target.kind == TARGET_ADDRESS)
		return;
	if (caa_lookup(p->run->options->resolver, job->facts->name, &p->arena, &job->facts->caa,
		p->deadline, &why) == 0)
		return;
	p->cancelled |= why.code == FAIL_CANCELLED;
	job->facts->caa.status = CAA_DNS_ERROR;
	job->facts->caa.reason = arena_strdup(&p->arena, why.text);
}

static void
exchange_fiber(void *arg)
{
	struct exchange_job *job = arg;
	struct probing *p = job->probing;
	struct exchange_facts *facts = job->facts;
	struct addr *addrs;
	size_t n = 0;
	struct fail why;

	if (mx_addresses(p->run->options->resolver, job->host, p->run->options->family, &p->arena,
		&addrs, &n, facts, p->deadline, &why) != 0) {
		n = 0;
		p->cancelled |= why.code == FAIL_CANCELLED;
		if (why.code == FAIL_TIMEOUT)
			facts->dns_status = DNS_TIMEOUT;
		check_other_family(job);
	}
	if (n > 0) {
		look_up_tlsa(job);
		facts->hosts = arena_alloc(&p->arena, n * sizeof(*facts->hosts));
		facts->hosts_n = n;
	}
	for (size_t i = 0; i < n; i++) {
		char ip[ADDR_TEXT_BYTES];
		facts_init_host_facts(&facts->hosts[i]);
		addr_ip_str(&addrs[i], ip);
		facts->hosts[i].ip = arena_strdup(&p->arena, ip);
		facts->hosts[i].port = p->port;
	}
	for (size_t i = 0; i < n && !p->run->options->lookup_only; i++)
		session_start(job, &addrs[i], &facts->hosts[i]);
	if (n > 0)
		look_up_caa(job);
	probing_unref(p);
}

void
probe_keep_first(struct mx_list *list)
{
	struct mx_host *first = &list->hosts[0];

	for (size_t i = 1; i < list->n && list->hosts[i].preference == first->preference; i++)
		if (strcmp(list->hosts[i].name, first->name) < 0)
			first = &list->hosts[i];
	list->hosts[0] = *first;
	list->dropped += list->n - 1;
	list->n = 1;
}

static void
exchanges_start(struct probing *p, struct mx_list *list)
{
	if (list->n > 1 && p->run->options->first_mx)
		probe_keep_first(list);
	p->facts.exchanges_left_out = (int64_t)list->dropped;
	if (list->n > 0)
		p->facts.exchanges = arena_alloc(&p->arena, list->n * sizeof(*p->facts.exchanges));
	p->facts.exchanges_n = list->n;
	for (size_t i = 0; i < list->n; i++)
		facts_init_exchange_facts(&p->facts.exchanges[i]);
	for (size_t i = 0; i < list->n; i++) {
		struct exchange_job *job = arena_alloc(&p->arena, sizeof(*job));
		job->probing = p;
		job->host = &list->hosts[i];
		job->facts = &p->facts.exchanges[i];
		start(p, exchange_fiber, job, "exchange");
	}
}

/* Brackets and addresses: the only host is the one that was asked for. */
static void
literal_host(struct probing *p, struct mx_list *list)
{
	struct mx_host *host = arena_push(&p->arena, &list->hosts, &list->n, sizeof(*host));

	list->status = MX_LITERAL;
	host->name = p->target.name;
	host->primary = true;
}

static void
mail_domain_hosts(struct probing *p, struct mx_list *list)
{
	struct fail why;

	if (mx_lookup(p->run->options->resolver, p->domain, p->run->options->seed, &p->arena, list,
		p->deadline, &why) == 0) {
		if (list->dropped > 0)
			log_warn(
			    "%s has %zu more MX hosts than are probed", p->domain, list->dropped);
		return;
	}
	p->cancelled |= why.code == FAIL_CANCELLED;
	list->n = 0;
	list->status = MX_DNS_ERROR;
	list->dns.status = why.code == FAIL_TIMEOUT ? DNS_TIMEOUT : list->dns.status;
	list->dns.error = arena_strdup(&p->arena, why.text);
}

/* What the domain publishes, beside the sessions with its hosts. */
static void
policy_fiber(void *arg)
{
	struct probing *p = arg;
	struct fail why;

	if (probe_policy_gather(
		&p->run->options->policy, p->domain, &p->arena, &p->facts, p->deadline, &why) != 0)
		p->cancelled = true;
	probing_unref(p);
}

static void
target_fiber(void *arg)
{
	struct probing *p = arg;
	struct mx_list *list = arena_alloc(&p->arena, sizeof(*list));

	facts_init_dns_facts(&list->dns);
	if (p->domain != NULL)
		mail_domain_hosts(p, list);
	else
		literal_host(p, list);
	p->facts.mx_status = list->status;
	p->facts.dns = list->dns;
	exchanges_start(p, list);
	/* last: without fibers it would take the time of the sessions */
	if (p->domain != NULL && probe_policy_wanted(list->status))
		start(p, policy_fiber, p, "policy");
	probing_unref(p);
}

/* --- all targets -------------------------------------------------------------------------------- */

uint16_t
probe_port(const struct probe_options *options, const struct target *target)
{
	if (target->port != 0)
		return target->port;
	if (options->port != 0)
		return options->port;
	return options->session.implicit_tls ? 465 : 25; /* RFC 8314 s7.3 */
}

static void
probing_init(struct probing *p)
{
	const struct probe_options *options = p->run->options;
	bool from_dns = p->target.kind != TARGET_ADDRESS;

	p->refs = 0;
	p->start_ms = clock_ms();
	p->deadline = clock_deadline(options->deadline_ms);
	p->domain = p->target.kind == TARGET_DOMAIN ? p->target.name : NULL;
	p->port = probe_port(options, &p->target);
	p->session = options->session;
	/* DECISIONS A9: a stranger's zone must not aim us at our own network */
	p->session.dial.refuse = from_dns && !options->allow_private ? DIAL_REFUSE_PRIVATE : 0;
	gate_init(&p->slots, SESSIONS_PER_TARGET);
	facts_init_target_facts(&p->facts);
	p->facts.schema = arena_strdup(&p->arena, "mxtls-probe/1");
	p->facts.type = arena_strdup(&p->arena, "domain");
	p->facts.domain = arena_strdup(&p->arena, p->target.text);
	p->facts.alabel = arena_strdup(&p->arena, p->target.name);
	p->facts.rank = p->target.rank;
	p->facts.timestamp = clock_wall();
}

static bool
stopped(void)
{
	return sched_stopping() || signals_stop_seen() != 0;
}

static void
main_fiber(void *arg)
{
	struct run *run = arg;

	signals_stop_on(run->options->grace_ms);
	for (size_t number = 0;; number++) {
		if (gate_enter(&run->targets, DEADLINE_NEVER, NULL) != 0)
			return;
		struct probing *p = mem_alloc(sizeof(*p));
		arena_init(&p->arena);
		if (stopped() || !run->next(run->ctx, &p->arena, &p->target)) {
			arena_free(&p->arena);
			free(p);
			gate_leave(&run->targets);
			return;
		}
		p->run = run;
		p->number = number;
		probing_init(p);
		start(p, target_fiber, p, "target");
	}
}

/* Each target needs a descriptor at least; a few more are in use anyway. */
static unsigned
concurrency_possible(unsigned wanted)
{
	const unsigned others = 64;
	unsigned limit = socket_descriptor_limit();

	limit = limit > 2 * others ? limit - others : others;
	if (wanted <= limit)
		return wanted;
	log_warn("only %u targets at once: more descriptors are not allowed (ulimit -n)", limit);
	return limit;
}

void
probe_run(const struct probe_options *options, probe_next_fn *next, probe_done_fn *done, void *ctx)
{
	struct run run = { .options = options, .next = next, .done = done, .ctx = ctx };

	gate_init(&run.targets, concurrency_possible(options->concurrency));
	map_init(&run.addresses);
	sched_run(main_fiber, &run);
	if (port25_finding(&run.port25) != NULL)
		log_warn("%s", port25_finding(&run.port25));
	map_free(&run.addresses);
}
