#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "dns/answer.h"
#include "dns/cache.h"
#include "dns/exchange.h"
#include "dns/resolvconf.h"
#include "io/gate.h"
#include "io/join.h"
#include "io/sched.h"

#define DEFAULT_TIMEOUT_MS 3000
#define DEFAULT_TRIES 2
/* How long it is believed that a server validates, or does not; and that it could not tell. */
#define VALIDATES_KNOWN_MS (3600 * 1000)
#define VALIDATES_UNKNOWN_MS (LIMIT_DNS_FAILURE_TTL_S * 1000)

#define KEY_BYTES (2 + LIMIT_DOMAIN_BYTES)

struct server {
	struct addr addr;
	char text[ADDR_TEXT_BYTES]; /* address and port */
	bool trust_ad;
	enum tri validates;
	int64_t validates_until; /* ms; 0: not asked yet */
	struct fail why;         /* where validates is not YES */
};

struct dns_resolver {
	int refs; /* the owner's, and one of each lookup in flight */
	struct server *servers;
	size_t n;
	int64_t timeout_ms;
	int tries;
	unsigned long sent;
	struct dns_cache cache;
	struct join_table jobs;
	struct gate wire;
};

/* A lookup that several fibers wait for. It is the job's result, too. */
struct lookup {
	struct dns_resolver *resolver;
	char name[LIMIT_DOMAIN_BYTES];
	enum dns_type type;
	struct dns_answer *answer; /* NULL: there is no outcome, why tells */
	struct fail why;
};

/* RFC 6840 s5.8 wants a secure path to the resolver. Docker's forwarder on 127.0.0.11 is none. */
static bool
loopback_trusted(const struct addr *a)
{
	struct addr docker;

	addr_parse_ip(slice_str("127.0.0.11"), 0, &docker);
	return addr_is_loopback(a) && !addr_equal_ip(a, &docker);
}

static void
set_servers(struct dns_resolver *r, const struct addr *servers, size_t n, bool trust_ad)
{
	r->servers = mem_array(n, sizeof(*r->servers));
	r->n = n;
	for (size_t i = 0; i < n; i++) {
		struct server *s = &r->servers[i];
		s->addr = servers[i];
		s->trust_ad = trust_ad || loopback_trusted(&servers[i]);
		addr_str(&servers[i], s->text);
	}
}

struct dns_resolver *
dns_resolver_new(const struct dns_options *options, struct fail *why)
{
	struct resolvconf rc = { .timeout_ms = -1, .attempts = -1 };

	if (options->n > LIMIT_DNS_SERVERS) {
		fail_set(why, FAIL_CONFIG, "%zu resolvers, at most %d are possible", options->n,
		    LIMIT_DNS_SERVERS);
		return NULL;
	}
	if (options->n == 0 && resolvconf_load(options->resolv_conf, &rc, why) != 0)
		return NULL;
	struct dns_resolver *r = mem_alloc(sizeof(*r));
	r->refs = 1;
	if (options->n > 0)
		set_servers(r, options->servers, options->n, options->trust_ad);
	else
		set_servers(r, rc.servers, rc.n, options->trust_ad || rc.trust_ad);
	r->timeout_ms = options->timeout_ms > 0 ? options->timeout_ms
			: rc.timeout_ms > 0     ? rc.timeout_ms
						: DEFAULT_TIMEOUT_MS;
	r->tries = options->tries > 0 ? options->tries
		   : rc.attempts > 0  ? rc.attempts
				      : DEFAULT_TRIES;
	dns_cache_init(&r->cache);
	join_table_init(&r->jobs);
	gate_init(&r->wire, LIMIT_DNS_IN_FLIGHT);
	return r;
}

static void
resolver_release(struct dns_resolver *r)
{
	if (--r->refs > 0)
		return;
	join_table_free(&r->jobs); /* again: a lookup in flight may have started another */
	dns_cache_free(&r->cache);
	free(r->servers);
	free(r);
}

void
dns_resolver_free(struct dns_resolver *resolver)
{
	if (resolver == NULL)
		return;
	join_table_free(&resolver->jobs);
	resolver_release(resolver);
}

void
dns_resolver_list(const struct dns_resolver *resolver, struct arena *arena, struct strs *list_r)
{
	for (size_t i = 0; i < resolver->n; i++)
		strs_add(list_r, arena, resolver->servers[i].text);
}

unsigned long
dns_queries_sent(const struct dns_resolver *resolver)
{
	return resolver->sent;
}

/* Failures that are ours, or the end of the caller's time; all others are the server's. */
static bool
no_outcome(const struct fail *f, int64_t deadline)
{
	return f->code == FAIL_CANCELLED || f->code == FAIL_OS || f->code == FAIL_INTERNAL ||
	       f->code == FAIL_DNS_NAME || (f->code == FAIL_TIMEOUT && clock_ms() >= deadline);
}

/*
 * One try at one server. That it does not answer is an answer too (DNS_TIMEOUT). -1 as dns_query.
 */
static int
ask_server(struct dns_resolver *r, struct server *s, const char *name, enum dns_type type, bool cd,
    struct dns_answer **answer_r, int64_t deadline, struct fail *why)
{
	struct fail failed;
	char error[sizeof(failed.text) + ADDR_TEXT_BYTES];

	if (gate_enter(&r->wire, deadline, why) != 0)
		return -1;
	int64_t try_deadline = clock_deadline(r->timeout_ms);
	int rc = dns_exchange(&s->addr, s->trust_ad, cd, name, type, &r->sent, answer_r,
	    try_deadline < deadline ? try_deadline : deadline, &failed);
	gate_leave(&r->wire);
	if (rc != 0) {
		if (no_outcome(&failed, deadline)) {
			if (why != NULL)
				*why = failed;
			return -1;
		}
		if (failed.code == FAIL_TIMEOUT)
			snprintf(error, sizeof(error), "no answer from %s within %lld ms", s->text,
			    (long long)r->timeout_ms);
		else
			snprintf(error, sizeof(error), "no answer: %s", failed.text);
		*answer_r = dns_answer_failed(
		    DNS_TIMEOUT, s->trust_ad ? DNSSEC_INDETERMINATE : DNSSEC_NOT_CHECKED, error);
	}
	snprintf(
	    (*answer_r)->resolver, sizeof((*answer_r)->resolver), "%s", rc == 0 ? s->text : "");
	return 0;
}

/*
 * Ask ". NS" (DECISIONS B10): the root is signed, so a server that validates says AD. REFUSED is an
 * answer as good as one without AD; SERVFAIL, silence and nonsense are none.
 */
static void
find_out_validates(struct dns_resolver *r, struct server *s, int64_t deadline)
{
	struct dns_answer *answer = NULL;
	struct fail why;

	fail_clear(&why);
	s->validates = TRI_UNKNOWN;
	for (int i = 0; i < r->tries && s->validates == TRI_UNKNOWN; i++) {
		if (ask_server(r, s, ".", DNS_NS, false, &answer, deadline, &why) != 0)
			break;
		if (answer->dnssec == DNSSEC_SECURE)
			s->validates = TRI_YES;
		else if (dns_answer_usable(answer) || answer->status == DNS_REFUSED)
			s->validates = TRI_NO;
		else
			fail_set(&why, dns_answer_fail(answer), "%s", answer->error);
		dns_answer_release(answer);
	}
	if (s->validates == TRI_NO)
		fail_set(&s->why, FAIL_CONFIG, "resolver %s does not validate", s->text);
	else if (s->validates == TRI_UNKNOWN)
		fail_set(&s->why, why.code, "does resolver %s validate? %s", s->text, why.text);
	s->validates_until =
	    clock_deadline(s->validates == TRI_UNKNOWN ? VALIDATES_UNKNOWN_MS : VALIDATES_KNOWN_MS);
}

struct validate_arg {
	struct dns_resolver *resolver;
	struct server *server;
};

static void
validate_job(struct join_job *job)
{
	struct validate_arg *arg = job->arg;

	find_out_validates(arg->resolver, arg->server, job->cap);
	join_forget(job);
	resolver_release(arg->resolver);
	free(arg);
}

static enum tri
server_validates(struct dns_resolver *r, struct server *s, int64_t deadline, struct fail *why)
{
	/* types of lookups are below 0xff00 */
	unsigned char key[3] = { 0xff, 0xff, (unsigned char)(s - r->servers) };
	struct validate_arg *arg;
	bool started;
	int rc = 0;

	if (clock_ms() < s->validates_until) {
		if (s->validates != TRI_YES && why != NULL)
			*why = s->why;
		return s->validates;
	}
	if (sched_has_fibers()) {
		arg = mem_alloc(sizeof(*arg));
		arg->resolver = r;
		arg->server = s;
		struct join_job *job =
		    join_start(&r->jobs, slice_make((const char *)key, sizeof(key)), validate_job,
			arg, DEADLINE_NEVER, &started, why);
		if (started)
			r->refs++;
		else
			free(arg);
		if (job == NULL)
			return TRI_UNKNOWN;
		rc = join_wait(job, deadline, why);
		join_release(job);
	} else {
		find_out_validates(r, s, deadline);
	}
	if (rc != 0)
		return TRI_UNKNOWN;
	if (s->validates != TRI_YES && why != NULL)
		*why = s->why;
	return s->validates;
}

enum tri
dns_resolver_validates(struct dns_resolver *resolver, int64_t deadline, struct fail *why)
{
	struct server *s = &resolver->servers[0];

	if (!s->trust_ad) {
		fail_set(why, FAIL_CONFIG,
		    "resolver %s is not on this machine: its AD bit is not trusted", s->text);
		return TRI_NO;
	}
	return server_validates(resolver, s, deadline, why);
}

/* Of two failures keep the one that says more. */
static void
keep_failure(struct dns_answer **best, struct dns_answer *answer)
{
	static const int rank[] = {
		[DNS_TIMEOUT] = 1, [DNS_MALFORMED] = 2, [DNS_REFUSED] = 3, [DNS_SERVFAIL] = 4
	};

	if (*best != NULL && rank[(*best)->status] >= rank[answer->status]) {
		dns_answer_release(answer);
		return;
	}
	dns_answer_release(*best);
	*best = answer;
}

/* The DNSSEC state of a usable answer: see dns.h. */
static void
judge(struct dns_resolver *r, struct server *s, bool trusted_failed, struct dns_answer *answer,
    int64_t deadline)
{
	if (s->trust_ad) {
		enum tri validates = server_validates(r, s, deadline, NULL);
		if (validates == TRI_NO)
			answer->dnssec = DNSSEC_NOT_CHECKED;
		else if (validates == TRI_UNKNOWN)
			answer->dnssec = DNSSEC_INDETERMINATE;
	}
	/* who silences the validating resolver must not get DANE switched off by the next one */
	if (trusted_failed && answer->dnssec == DNSSEC_NOT_CHECKED)
		answer->dnssec = DNSSEC_INDETERMINATE;
}

/*
 * SERVFAIL from a server that validates, without a word why (RFC 8914 is young): when the answer can
 * be had with checking disabled, it was validation that failed (RFC 4035 s3.2.2, s5.5). Or the
 * failure was a passing one; so it is asked once more as before, and only a second SERVFAIL counts.
 * -1 as dns_query, the answer is released then.
 */
static int
explain_servfail(struct dns_resolver *r, struct server *s, const char *name, enum dns_type type,
    struct dns_answer **answer, int64_t deadline, struct fail *why)
{
	struct dns_answer *other = NULL;

	if ((*answer)->status != DNS_SERVFAIL || (*answer)->dnssec == DNSSEC_BOGUS ||
	    !s->trust_ad || server_validates(r, s, deadline, NULL) != TRI_YES)
		return 0;
	if (ask_server(r, s, name, type, true, &other, deadline, why) != 0) {
		dns_answer_release(*answer);
		return -1;
	}
	bool unchecked = dns_answer_usable(other);
	dns_answer_release(other);
	if (!unchecked)
		return 0;
	dns_answer_release(*answer);
	if (ask_server(r, s, name, type, false, answer, deadline, why) != 0)
		return -1;
	if ((*answer)->status != DNS_SERVFAIL || (*answer)->dnssec == DNSSEC_BOGUS)
		return 0;
	other = dns_answer_failed(DNS_SERVFAIL, DNSSEC_BOGUS,
	    "SERVFAIL, but not with checking disabled: DNSSEC validation fails");
	other->rcode = (*answer)->rcode;
	other->ede = (*answer)->ede;
	snprintf(other->resolver, sizeof(other->resolver), "%s", s->text);
	dns_answer_release(*answer);
	*answer = other;
	return 0;
}

/*
 * Ask the servers in turn, in rounds, until one has a usable answer. A server that gave a definite
 * failure is not asked again; a bogus answer ends it: the next server may not validate.
 */
static int
lookup_run(struct dns_resolver *r, const char *name, enum dns_type type,
    struct dns_answer **answer_r, int64_t deadline, struct fail *why)
{
	bool done[LIMIT_DNS_SERVERS] = { false }, trusted_failed = false;
	struct dns_answer *best = NULL, *answer;

	for (size_t k = 0; k < r->n * (size_t)r->tries; k++) {
		struct server *s = &r->servers[k % r->n];
		if (done[k % r->n])
			continue;
		if (ask_server(r, s, name, type, false, &answer, deadline, why) != 0 ||
		    explain_servfail(r, s, name, type, &answer, deadline, why) != 0) {
			dns_answer_release(best);
			return -1;
		}
		if (dns_answer_usable(answer)) {
			judge(r, s, trusted_failed, answer, deadline);
			dns_answer_release(best);
			*answer_r = answer;
			return 0;
		}
		trusted_failed |= s->trust_ad && s->validates != TRI_NO;
		done[k % r->n] = answer->status == DNS_SERVFAIL || answer->status == DNS_REFUSED;
		bool bogus = answer->dnssec == DNSSEC_BOGUS;
		keep_failure(&best, answer);
		if (bogus)
			break;
	}
	*answer_r = best;
	return 0;
}

static struct slice
make_key(char key[KEY_BYTES], const char *name, enum dns_type type)
{
	size_t n = strlen(name);

	key[0] = (char)((unsigned)type >> 8);
	key[1] = (char)type;
	memcpy(key + 2, name, n);
	return slice_make(key, 2 + n);
}

/* Look up and remember. */
static int
lookup_now(struct dns_resolver *r, const char *name, enum dns_type type,
    struct dns_answer **answer_r, int64_t deadline, struct fail *why)
{
	char key[KEY_BYTES];
	int64_t start = clock_ms();

	if (lookup_run(r, name, type, answer_r, deadline, why) != 0)
		return -1;
	(*answer_r)->duration_s = (double)(clock_ms() - start) / 1000;
	dns_cache_put(&r->cache, make_key(key, name, type), *answer_r, clock_ms());
	return 0;
}

static void
lookup_free(void *result)
{
	struct lookup *l = result;

	dns_answer_release(l->answer);
	free(l);
}

static void
lookup_job(struct join_job *job)
{
	struct lookup *l = job->arg;

	if (lookup_now(l->resolver, l->name, l->type, &l->answer, job->cap, &l->why) != 0)
		l->answer = NULL;
	job->result = l;
	job->result_free = lookup_free;
	join_forget(job); /* from here on the cache answers */
	resolver_release(l->resolver);
}

/* In a fiber: share the lookup with whoever asks the same. */
static int
lookup_joined(struct dns_resolver *r, struct slice key, const char *name, enum dns_type type,
    const struct dns_answer **answer_r, int64_t deadline, struct fail *why)
{
	struct lookup *l = mem_alloc(sizeof(*l));
	bool started;

	l->resolver = r;
	memcpy(l->name, name, strlen(name) + 1);
	l->type = type;
	/* the tries end it; our deadline is not that of those who join later */
	struct join_job *job =
	    join_start(&r->jobs, key, lookup_job, l, DEADLINE_NEVER, &started, why);
	if (started)
		r->refs++;
	else
		free(l);
	if (job == NULL)
		return -1;
	int rc = join_wait(job, deadline, why);
	if (rc == 0) {
		const struct lookup *done = job->result;
		if (done->answer != NULL)
			*answer_r = dns_answer_hold(done->answer);
		else
			rc = fail_set(why, done->why.code, "%s", done->why.text);
	}
	join_release(job);
	return rc;
}

int
dns_query(struct dns_resolver *resolver, const char *name, enum dns_type type,
    const struct dns_answer **answer_r, int64_t deadline, struct fail *why)
{
	char key_bytes[KEY_BYTES], text[LIMIT_DOMAIN_BYTES];
	struct dns_answer *answer;
	struct arena arena;

	arena_init(&arena);
	const char *normal = dns_name_normalize(name, &arena, why);
	if (normal != NULL)
		memcpy(text, normal, strlen(normal) + 1);
	arena_free(&arena);
	if (normal == NULL)
		return -1;
	struct slice key = make_key(key_bytes, text, type);
	const struct dns_answer *cached = dns_cache_get(&resolver->cache, key, clock_ms());
	if (cached != NULL) {
		*answer_r = dns_answer_hold(cached);
		return 0;
	}
	if (sched_has_fibers())
		return lookup_joined(resolver, key, text, type, answer_r, deadline, why);
	if (lookup_now(resolver, text, type, &answer, deadline, why) != 0)
		return -1;
	*answer_r = answer;
	return 0;
}
