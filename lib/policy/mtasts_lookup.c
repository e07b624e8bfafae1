/*
 * Finding the policy of a domain.
 */
#include "policy/mtasts_lookup.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "io/join.h"
#include "io/sched.h"
#include "policy/txt.h"

#define POLICY_PATH "/.well-known/mta-sts.txt" /* s3.3 */
#define TIMEOUT_MS 60000                       /* s3.3 suggests one minute */

struct mtasts {
	struct mtasts_options options;
	struct join_table jobs;            /* by domain and id */
	struct map entries;                /* struct kept by domain */
	struct kept *ring[LIMIT_STS_KEPT]; /* the oldest one goes first */
	size_t ring_at;
};

struct kept {
	char *domain;
	struct mtasts_entry *entry; /* never changed, only replaced: a lookup may hold it */
};

/* One lookup of a policy, and its result for whoever waits. */
struct lookup {
	struct mtasts *mtasts;
	char *domain;
	char *id; /* NULL: there is no record */
	enum sts_status record;
	bool again;

	struct arena arena; /* of facts */
	struct sts_facts facts;
	int result;
	struct fail why;
};

/* --- memory --------------------------------------------------------------------------------------- */

struct mtasts *
mtasts_new(const struct mtasts_options *options)
{
	struct mtasts *m = mem_alloc(sizeof(*m));

	m->options = *options;
	if (m->options.timeout_ms == 0)
		m->options.timeout_ms = TIMEOUT_MS;
	join_table_init(&m->jobs);
	map_init(&m->entries);
	return m;
}

static void
entry_drop(struct mtasts_entry *entry)
{
	mtasts_entry_free(entry);
	free(entry);
}

static void
kept_free(struct mtasts *m, struct kept *kept)
{
	if (kept == NULL)
		return;
	map_remove(&m->entries, slice_str(kept->domain));
	entry_drop(kept->entry);
	free(kept->domain);
	free(kept);
}

void
mtasts_free(struct mtasts *m)
{
	if (m == NULL)
		return;
	for (size_t i = 0; i < LIMIT_STS_KEPT; i++)
		kept_free(m, m->ring[i]);
	join_table_free(&m->jobs);
	map_free(&m->entries);
	free(m);
}

/* Takes entry over. */
static void
keep(struct mtasts *m, const char *domain, struct mtasts_entry *entry)
{
	struct kept *kept = map_get(&m->entries, slice_str(domain));

	if (kept != NULL) {
		entry_drop(kept->entry);
		kept->entry = entry;
		return;
	}
	kept_free(m, m->ring[m->ring_at]);
	kept = mem_alloc(sizeof(*kept));
	kept->domain = mem_strdup(domain);
	kept->entry = entry;
	m->ring[m->ring_at] = kept;
	m->ring_at = (m->ring_at + 1) % LIMIT_STS_KEPT;
	map_set(&m->entries, slice_str(domain), kept);
}

static char *
copy(struct arena *arena, const char *text)
{
	return text == NULL ? NULL : arena_strdup(arena, text);
}

static void
copy_policy(
    struct mtasts_entry *to, const char *id, struct slice text, const struct mtasts_policy *policy)
{
	to->has_policy = true;
	to->id = copy(&to->arena, id);
	to->text = arena_strndup(&to->arena, text.p, text.n);
	to->text_n = text.n;
	to->policy = *policy;
	to->policy.mx = (struct strs){ NULL, 0, 0 };
	for (size_t i = 0; i < policy->mx.n; i++)
		strs_add(&to->policy.mx, &to->arena, policy->mx.v[i]);
}

static struct mtasts_entry *
entry_copy(const struct mtasts_entry *from)
{
	struct mtasts_entry *to = mem_alloc(sizeof(*to));

	mtasts_entry_init(to);
	if (from->has_policy)
		copy_policy(to, from->id, slice_make(from->text, from->text_n), &from->policy);
	to->fetched = from->fetched;
	to->failures = from->failures;
	to->failed = from->failed;
	to->failed_id = copy(&to->arena, from->failed_id);
	to->failed_status = from->failed_status;
	to->failed_reason = copy(&to->arena, from->failed_reason);
	to->stored = from->stored;
	return to;
}

/* A copy of what is remembered, the caller's. -1: the store cannot be read; the entry is empty. */
static int
recall(struct mtasts *m, const char *domain, struct mtasts_entry **entry_r, struct fail *why)
{
	const struct mtasts_store *store = m->options.store;
	const struct kept *kept = map_get(&m->entries, slice_str(domain));

	if (kept != NULL) {
		*entry_r = entry_copy(kept->entry);
		return 0;
	}
	*entry_r = mem_alloc(sizeof(**entry_r));
	mtasts_entry_init(*entry_r);
	if (store == NULL)
		return 0;
	if (store->load(store->ctx, domain, *entry_r, why) != 0) {
		mtasts_entry_free(*entry_r);
		mtasts_entry_init(*entry_r);
		return -1;
	}
	(*entry_r)->stored = (*entry_r)->has_policy;
	return 0;
}

/* Takes entry over. */
static void
remember(struct mtasts *m, const char *domain, struct mtasts_entry *entry)
{
	const struct mtasts_store *store = m->options.store;
	struct fail why;

	if (store != NULL && store->save != NULL &&
	    store->save(store->ctx, domain, entry, &why) != 0)
		log_warn("MTA-STS policy of %s: %s", domain, why.text);
	keep(m, domain, entry);
}

/* --- the fetch ------------------------------------------------------------------------------------ */

static enum sts_status
fetch_failed(
    struct sts_facts *facts, struct arena *arena, enum sts_status status, const char *reason)
{
	facts->status = status;
	facts->reason = arena_strdup(arena, reason);
	text_sanitize(facts->reason);
	return status;
}

static enum sts_status
judge_reply(struct sts_facts *facts, const struct http_reply *reply, struct arena *arena,
    struct mtasts_policy *policy_r)
{
	struct fail why;

	if (reply->location != NULL)
		return fetch_failed(facts, arena, STS_FETCH_ERROR,
		    arena_printf(arena,
			"%s answers with a redirect to %s, which senders must not follow "
			"(RFC 8461 s3.3)",
			facts->policy_host, reply->location));
	if (reply->status != 200)
		return fetch_failed(facts, arena, STS_FETCH_ERROR,
		    arena_printf(arena, "%s answers with status %d to " POLICY_PATH,
			facts->policy_host, reply->status));
	if (!mtasts_media_type_ok(reply->content_type))
		return fetch_failed(facts, arena, STS_POLICY_INVALID,
		    reply->content_type == NULL
			? "the answer has no media type, and must have text/plain"
			: arena_printf(arena, "the media type is %s, and must be text/plain",
			      reply->content_type));
	if (mtasts_policy_parse(reply->body, arena, policy_r, &facts->findings, &why) != 0)
		return fetch_failed(facts, arena, STS_POLICY_INVALID, why.text);
	return STS_VALID;
}

/* Get the policy; what the facts say of the fetch is filled. -1: CANCELLED. */
static int
fetch(struct lookup *l, struct http_reply *reply, struct mtasts_policy *policy_r, struct fail *why)
{
	struct sts_facts *facts = &l->facts;
	const struct http_request request = { .host = facts->policy_host,
		.path = POLICY_PATH,
		.max_bytes = LIMIT_STS_POLICY_BYTES,
		.timeout_ms = l->mtasts->options.timeout_ms };
	struct fail problem;

	int result =
	    http_get(l->mtasts->options.http, &request, &l->arena, reply, DEADLINE_NEVER, &problem);
	if (reply->ip[0] != '\0')
		facts->ip = arena_strdup(&l->arena, reply->ip);
	facts->duration = reply->duration_s;
	if (result != 0) {
		if (problem.code == FAIL_CANCELLED) {
			*why = problem;
			return -1;
		}
		fetch_failed(facts, &l->arena,
		    problem.code == FAIL_HTTP_CERT ? STS_WEBPKI_INVALID : STS_FETCH_ERROR,
		    problem.text);
		return 0;
	}
	facts->http_status = reply->status;
	facts->cert_starts = reply->cert_starts;
	facts->cert_expires = reply->cert_expires;
	facts->content_type = copy(&l->arena, reply->content_type);
	facts->status = judge_reply(facts, reply, &l->arena, policy_r);
	return 0;
}

/* --- the lookup ----------------------------------------------------------------------------------- */

static void
apply_entry(struct lookup *l, const struct mtasts_entry *entry)
{
	struct sts_facts *facts = &l->facts;

	mtasts_facts_policy(facts, &entry->policy, &l->arena);
	if (l->record != STS_VALID)
		facts->id = copy(&l->arena, entry->id);
	facts->cached = entry->stored;
	facts->fetched = entry->fetched;
	facts->expires = mtasts_entry_expires(entry);
}

/* An unexpired policy, in spite of what was found now: said, since somebody may have blocked it. */
static void
apply_in_spite(struct lookup *l, const struct mtasts_entry *entry)
{
	struct sts_facts *facts = &l->facts;
	enum sts_status found = facts->status;
	const char *reason = facts->reason;

	apply_entry(l, entry);
	if (found != STS_VALID)
		facts->reason = arena_printf(&l->arena, "the cached policy applies: %s%s%s",
		    found == STS_NONE ? "there is no record" : sts_status_str(found),
		    reason == NULL ? "" : ": ", reason == NULL ? "" : reason);
}

static void
apply_failure(struct lookup *l, const struct mtasts_entry *entry)
{
	if (l->record != STS_VALID || entry->failures == 0)
		return;
	l->facts.status = entry->failed_status;
	l->facts.reason = copy(&l->arena, entry->failed_reason);
}

static void
note_failure(struct lookup *l, struct mtasts_entry *entry)
{
	bool same = entry->failed_id != NULL && strcmp(entry->failed_id, l->id) == 0;

	entry->failures = same ? entry->failures + 1 : 1;
	entry->failed = clock_wall();
	entry->failed_id = arena_strdup(&entry->arena, l->id);
	entry->failed_status = l->facts.status;
	entry->failed_reason = copy(&entry->arena, l->facts.reason);
}

/* Fetch, and take over what came of it. entry is ours. */
static int
refresh(struct lookup *l, struct mtasts_entry *entry, struct fail *why)
{
	struct mtasts_policy policy;
	struct http_reply reply;

	if (fetch(l, &reply, &policy, why) != 0) {
		entry_drop(entry);
		return -1;
	}
	if (l->facts.status == STS_VALID) {
		struct mtasts_entry *fresh = mem_alloc(sizeof(*fresh));
		mtasts_entry_init(fresh);
		copy_policy(fresh, l->id, reply.body, &policy);
		fresh->fetched = clock_wall();
		entry_drop(entry);
		entry = fresh;
		apply_entry(l, entry);
	} else {
		note_failure(l, entry);
		if (clock_wall() < mtasts_entry_expires(entry))
			apply_in_spite(l, entry);
	}
	remember(l->mtasts, l->domain, entry);
	return 0;
}

static int
look(struct lookup *l, struct fail *why)
{
	struct mtasts_entry *entry;
	struct fail store;
	int recalled = recall(l->mtasts, l->domain, &entry, &store);

	switch (mtasts_plan(entry, l->record, l->id, l->again, clock_wall())) {
	case MTASTS_FETCH:
		if (refresh(l, entry, why) != 0)
			return -1;
		break;
	case MTASTS_USE:
		apply_failure(l, entry);
		apply_in_spite(l, entry);
		keep(l->mtasts, l->domain, entry);
		break;
	case MTASTS_NOTHING:
		apply_failure(l, entry);
		entry_drop(entry);
		break;
	}
	if (recalled == 0 || l->facts.status == STS_VALID)
		return 0;
	*why = store;
	return -1;
}

static void
set_result_type(struct sts_facts *facts, struct arena *arena)
{
	static const enum fail_code codes[] = { [STS_RECORD_INVALID] = FAIL_STS_RECORD,
		[STS_FETCH_ERROR] = FAIL_HTTP,
		[STS_WEBPKI_INVALID] = FAIL_HTTP_CERT,
		[STS_POLICY_INVALID] = FAIL_STS_POLICY };
	size_t n = sizeof(codes) / sizeof(codes[0]);

	if ((size_t)facts->status < n && codes[facts->status] != FAIL_NONE)
		facts->result_type =
		    arena_strdup(arena, fail_info(codes[facts->status])->result_type);
}

static void
lookup_free(void *arg)
{
	struct lookup *l = arg;

	arena_free(&l->arena);
	free(l->domain);
	free(l->id);
	free(l);
}

static void
lookup_job(struct join_job *job)
{
	struct lookup *l = job->arg;

	l->result = look(l, &l->why);
	job->result = l;
	job->result_free = lookup_free;
	join_forget(job); /* from here on the memory answers */
}

/* The record first. Every outcome is 0. */
static int
read_record(struct mtasts *m, const char *domain, struct arena *arena, struct sts_facts *facts,
    int64_t deadline, struct fail *why)
{
	struct txt txt;
	struct fail problem;

	if (txt_lookup(m->options.resolver, "_mta-sts", domain, arena, &txt, deadline, &problem) !=
	    0) {
		switch (problem.code) {
		case FAIL_DNS_NAME: /* no name that long exists */
			facts->status = STS_NONE;
			return 0;
		case FAIL_TIMEOUT:
			facts->status = STS_DNS_ERROR;
			facts->reason = arena_strdup(arena, problem.text);
			return 0;
		default:
			if (why != NULL)
				*why = problem;
			return -1;
		}
	}
	if (txt.error != NULL) {
		facts->status = STS_DNS_ERROR;
		facts->reason = arena_printf(arena, "_mta-sts.%s: %s", domain, txt.error);
		return 0;
	}
	mtasts_record_read(txt.texts, txt.n, arena, facts);
	if (facts->reason != NULL)
		text_sanitize(facts->reason);
	return 0;
}

static struct lookup *
lookup_new(struct mtasts *m, const char *domain, bool again, const struct sts_facts *facts)
{
	struct lookup *l = mem_alloc(sizeof(*l));

	l->mtasts = m;
	l->domain = mem_strdup(domain);
	l->id = facts->status == STS_VALID ? mem_strdup(facts->id) : NULL;
	l->record = facts->status;
	l->again = again;
	arena_init(&l->arena);
	facts_copy(&fact_table_sts_facts, &l->facts, facts, &l->arena);
	return l;
}

static int
take_result(
    const struct lookup *l, struct arena *arena, struct sts_facts *facts_r, struct fail *why)
{
	if (l->result != 0) {
		if (why != NULL)
			*why = l->why;
		return -1;
	}
	facts_copy(&fact_table_sts_facts, facts_r, &l->facts, arena);
	set_result_type(facts_r, arena);
	return 0;
}

/* In a fiber: share the fetch with whoever asks for the same. */
static int
look_together(struct mtasts *m, struct lookup *l, struct arena *arena, struct sts_facts *facts_r,
    int64_t deadline, struct fail *why)
{
	const char *key = arena_printf(
	    arena, "%s %s%s", l->domain, l->id == NULL ? "" : l->id, l->again ? " again" : "");
	bool started;
	struct join_job *job =
	    join_start(&m->jobs, slice_str(key), lookup_job, l, DEADLINE_NEVER, &started, why);

	if (!started)
		lookup_free(l);
	if (job == NULL)
		return -1;
	int result = join_wait(job, deadline, why);
	if (result == 0)
		result = take_result(job->result, arena, facts_r, why);
	join_release(job);
	return result;
}

int
mtasts_lookup(struct mtasts *m, const char *domain, unsigned flags, struct arena *arena,
    struct sts_facts *facts_r, int64_t deadline, struct fail *why)
{
	struct fail ignored;

	facts_init_sts_facts(facts_r);
	facts_r->policy_host = arena_printf(arena, "mta-sts.%s", domain);
	if (why == NULL)
		why = &ignored;
	if (read_record(m, domain, arena, facts_r, deadline, why) != 0)
		return -1;
	struct lookup *l = lookup_new(m, domain, (flags & MTASTS_AGAIN) != 0, facts_r);
	if (sched_has_fibers())
		return look_together(m, l, arena, facts_r, deadline, why);
	l->result = look(l, &l->why);
	int result = take_result(l, arena, facts_r, why);
	lookup_free(l);
	return result;
}
