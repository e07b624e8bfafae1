/*
 * Asking servers.
 */
#include "app/probe/address.h"
#include "app/survey/impl.h"
#include "base/clock.h"
#include "io/sched.h"

#define WORKER_TRIES 2 /* of a session whose process ends */

/* The server has a line: who waited for nothing else gets a record. */
static void
server_finished(struct survey *s, uint32_t number)
{
	uint32_t ready = survey_wake(&s->table, number);

	while (ready != 0) {
		struct survey_waiting *waiting = survey_waiting_at(&s->table, ready);
		uint32_t next = waiting->next;
		waiting->next = s->ready;
		s->ready = ready;
		ready = next;
	}
	io_wake(&s->records, -1);
}

/* facts are in arena, which is empty afterwards; line: the same. */
static void
store_result(struct survey *s, uint32_t number, struct server_facts *facts, struct arena *arena,
    const struct buf *line)
{
	struct survey_server *server = survey_server_at(&s->table, number);

	if (!survey_file_append(&s->cache, line->data, line->len, &server->at)) {
		survey_broken(s, &s->cache.why);
		return;
	}
	server->state = SURVEY_FINISHED;
	server->pass = (uint8_t)s->pass;
	server->measured = !probe_worth_retry(&facts->host);
	survey_results_put(&s->results, server->at, arena, facts);
	server_finished(s, number);
}

/* RFC 5321 s4.2.1: come back later. */
static bool
wants_rest(const struct host_facts *host)
{
	return host->status == HOST_TEMPORARY || host->banner_code == 421 ||
	       host->ehlo_code == 421 || (host->starttls_code >= 400 && host->starttls_code < 500);
}

/* The facts of the domain that asked first, and of them the address that is to be asked. */
static bool
read_job(struct survey *s, const struct survey_job *job, struct arena *arena, struct buf *text,
    struct exchange_facts **mx_r, bool *literal_r)
{
	struct target_facts target;

	if (!survey_file_read(&s->spool, job->at, text)) {
		survey_broken(s, &s->spool.why);
		return false;
	}
	if (facts_read_json(
		&fact_table_target_facts, buf_str(text), text->len, arena, &target, &s->why) != 0) {
		survey_broken(s, &s->why);
		return false;
	}
	struct exchange_facts *list = target.exchanges; /* in arena */
	*mx_r = list + job->exchange;
	*literal_r = target.mx_status == MX_LITERAL && addr_is_literal((*mx_r)->name);
	return true;
}

/*
 * In a worker. When its process is killed in the middle, another has the session; a server that nobody
 * comes back from is one that nothing is known of.
 */
static int
ask_worker(struct survey *s, const struct survey_job *job, struct slice target,
    const struct exchange_facts *mx, bool literal, struct arena *arena, struct server_facts *facts,
    struct buf *line, struct fail *why)
{
	const struct host_facts *host = &mx->hosts[job->host];

	for (unsigned try = 1; try <= WORKER_TRIES; try++) {
		if (survey_workers_ask(&s->workers, target, job->exchange, job->host, s->pass,
			host->ip, line, why) == 0)
			return facts_read_json(
			    &fact_table_server_facts, buf_str(line), line->len, arena, facts, why);
		if (why->code == FAIL_CANCELLED)
			return -1;
		buf_reset(line);
	}
	survey_server_init(mx, job->host, literal, s->pass, arena, facts);
	facts->host.attempts = WORKER_TRIES;
	facts->host.status = HOST_UNKNOWN_ERROR;
	facts->host.error = arena_strdup(arena, why->text);
	survey_server_line(facts, line);
	return 0;
}

/* Here, or in a worker. False when it was cancelled. */
static bool
ask(struct survey *s, const struct survey_job *job, struct slice target, struct exchange_facts *mx,
    bool literal, struct arena *arena, struct server_facts *facts, struct buf *line)
{
	struct fail why;

	if (s->workers.n == 0) {
		survey_ask_server(s->probe, mx, job->host, literal, s->pass, arena, facts);
		if (facts->host.status != HOST_CANCELLED)
			survey_server_line(facts, line);
	} else if (ask_worker(s, job, target, mx, literal, arena, facts, line, &why) != 0) {
		if (why.code != FAIL_CANCELLED)
			survey_broken(s, &why);
		return false;
	}
	return facts->host.status != HOST_CANCELLED;
}

/* Returns whether the server asked for a rest. */
static bool
run_session(struct survey *s, struct survey_job *job)
{
	struct server_facts facts;
	struct exchange_facts *mx;
	struct arena arena;
	struct buf text, line;
	bool literal, rest = false;

	arena_init(&arena);
	buf_init(&text, SURVEY_LINE_BYTES);
	buf_init(&line, SURVEY_LINE_BYTES);
	if (read_job(s, job, &arena, &text, &mx, &literal) &&
	    ask(s, job, slice_make(buf_str(&text), text.len), mx, literal, &arena, &facts, &line)) {
		s->status->connections += (uint64_t)facts.host.attempts;
		rest = wants_rest(&facts.host);
		store_result(s, job->server, &facts, &arena, &line);
	}
	buf_free(&line);
	buf_free(&text);
	arena_free(&arena);
	return rest;
}

static void
session_fiber(void *arg)
{
	struct survey_slot *slot = arg;
	struct survey *s = slot->survey;
	bool rest = run_session(s, &slot->job);

	s->running--;
	survey_polite_done(&s->polite, &slot->job, rest, clock_ms());
	pool_give(&s->jobs, slot->number);
	io_wake(&s->work, -1);
	io_wake(&s->changed, -1);
	if (s->running == 0)
		io_wake(&s->ended, -1);
}

/* Begin what may begin; returns when there may be more, DEADLINE_NEVER when an event says so. */
int64_t
survey_begin_sessions(struct survey *s)
{
	int64_t when = DEADLINE_NEVER;

	while (!survey_stopping(s) && s->running < s->sessions_max) {
		struct survey_job *job = survey_polite_next(&s->polite, clock_ms(), &when);
		if (job == NULL)
			return when;
		struct survey_slot *slot = LIST_ITEM(job, struct survey_slot, job);
		s->running++;
		s->status->sessions++;
		if (fiber_spawn(session_fiber, slot, "session", DEADLINE_NEVER, NULL) != 0)
			session_fiber(slot);
	}
	return DEADLINE_NEVER;
}
