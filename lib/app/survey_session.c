/*
 * Asking servers.
 */
#include <string.h>

#include "app/probe_address.h"
#include "app/survey_impl.h"
#include "app/survey_join.h"
#include "base/clock.h"
#include "io/sched.h"
#include "policy/dane.h"

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

/* Facts that do not fit into a line: what counts stays. */
static void
shorten(struct server_facts *facts)
{
	facts->certs_n = 0;
	facts->records_n = 0;
	facts->host.tls_n = 0;
	facts->host.ehlo.n = facts->host.ehlo_tls.n = 0;
	facts->host.ext_added.n = facts->host.ext_removed.n = 0;
	facts->host.banner = facts->host.starttls_reply = NULL;
	facts->host.starttls_state = STARTTLS_UNKNOWN;
	facts->host.status = HOST_LINE_TOO_LONG;
}

/* facts are in arena, which is empty afterwards. */
static void
store_result(struct survey *s, uint32_t number, struct server_facts *facts, struct arena *arena)
{
	struct survey_server *server = survey_server_at(&s->table, number);
	struct buf line;

	buf_init(&line, SURVEY_LINE_BYTES);
	if (facts_write_json_brief(&fact_table_server_facts, facts, &line) != 0 ||
	    buf_putc(&line, '\n') != 0) {
		buf_reset(&line);
		shorten(facts);
		facts_write_json_brief(&fact_table_server_facts, facts, &line);
		buf_putc(&line, '\n');
	}
	if (survey_file_append(&s->cache, line.data, line.len, &server->at)) {
		server->state = SURVEY_FINISHED;
		server->pass = (uint8_t)s->pass;
		server->measured = !probe_worth_retry(&facts->host);
		survey_results_put(&s->results, server->at, arena, facts);
		server_finished(s, number);
	} else {
		survey_broken(s, &s->cache.why);
	}
	buf_free(&line);
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
read_job(struct survey *s, const struct survey_job *job, struct arena *arena,
    struct exchange_facts **mx_r, bool *literal_r)
{
	struct target_facts target;
	struct buf text;
	bool ok;

	buf_init(&text, SURVEY_LINE_BYTES);
	ok = survey_file_read(&s->spool, job->at, &text);
	if (!ok)
		survey_broken(s, &s->spool.why);
	else if (facts_read_json(&fact_table_target_facts, buf_str(&text), text.len, arena, &target,
		     &s->why) != 0)
		survey_broken(s, &s->why), ok = false;
	buf_free(&text);
	if (!ok)
		return false;
	struct exchange_facts *list = target.exchanges; /* in arena */
	*mx_r = list + job->exchange;
	*literal_r = target.mx_status == MX_LITERAL && addr_is_literal((*mx_r)->name);
	return true;
}

/* Returns whether the server asked for a rest. */
static bool
run_session(struct survey *s, struct survey_job *job)
{
	struct session_options session = s->probe->session;
	struct server_facts facts;
	struct exchange_facts *mx;
	struct arena arena;
	struct gate turn;
	struct addr to;
	bool literal, rest = false;

	arena_init(&arena);
	if (read_job(s, job, &arena, &mx, &literal) &&
	    addr_parse_ip(
		slice_str(mx->hosts[job->host].ip), (uint16_t)mx->hosts[job->host].port, &to)) {
		facts_init_server_facts(&facts);
		facts.name = literal ? NULL : mx->name;
		facts.tlsa_digest = survey_tlsa_digest(&mx->tlsa, &arena);
		facts.pass = s->pass;
		facts.host.ip = mx->hosts[job->host].ip;
		facts.host.port = mx->hosts[job->host].port;
		if (!literal) {
			session.exchange = mx;
			/* RFC 7672 s8.1; a name that the user asks for stays */
			if (session.sni == NULL && dane_is_enforced(mx->tlsa.status))
				session.sni = mx->tlsa.base_domain;
		}
		gate_init(&turn, 1);
		probe_address(&(struct address_job){ .session = &session,
		    .both_keys = s->probe->both_keys,
		    .turn = &turn,
		    .to = &to,
		    .host = facts.name,
		    .arena = &arena,
		    .facts = &facts.host,
		    .certs = &facts.certs,
		    .certs_n = &facts.certs_n,
		    .deadline = clock_deadline(s->probe->deadline_ms) });
		facts.records = mx->tlsa.records;
		facts.records_n = mx->tlsa.records_n;
		s->status->connections += (uint64_t)facts.host.attempts;
		rest = wants_rest(&facts.host);
		if (facts.host.status != HOST_CANCELLED)
			store_result(s, job->server, &facts, &arena);
	}
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
