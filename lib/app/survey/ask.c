/*
 * From the names of a target to the servers that have to be asked for it.
 */
#include <stdlib.h>
#include <string.h>

#include "app/survey/impl.h"
#include "app/survey/join.h"
#include "app/survey/resolve.h"
#include "base/clock.h"
#include "base/limits.h"
#include "policy/psl.h"

/* DECISIONS D28: thousands of names at one address are not asked for one by one. */
static bool
enough_names(struct survey *s, const struct addr *to, uint32_t number)
{
	struct survey_address *address = survey_address(&s->table, to);

	if (s->options->names_per_address > 0 && address->names >= s->options->names_per_address) {
		struct survey_server *server = survey_server_at(&s->table, number);
		server->state = SURVEY_SKIPPED;
		server->at = address->first;
		return true;
	}
	if (address->names++ == 0)
		address->first = number;
	return false;
}

/* Ask the server; the domain's facts are in the spool at that place. */
static void
queue_server(struct survey *s, uint32_t number, const struct exchange_facts *mx,
    const struct host_facts *host, const struct survey_job *where, bool literal)
{
	char provider[LIMIT_DOMAIN_BYTES + 1];
	uint32_t slot_number = pool_take(&s->jobs);
	struct survey_slot *slot = pool_at(&s->jobs, slot_number);
	struct addr to;

	addr_parse_ip(slice_str(host->ip), (uint16_t)host->port, &to);
	/* a name without registrable domain is its own provider; an address has none */
	if (!psl_registrable(slice_str(mx->name), provider))
		provider[0] = '\0';
	slot->survey = s;
	slot->number = slot_number;
	slot->job = *where;
	slot->job.server = number;
	survey_server_at(&s->table, number)->state = SURVEY_QUEUED;
	bool ours = literal || (s->probe->allow_private && addr_is_private(&to));
	if (!ours)
		survey_check_helo(s, &to);
	survey_polite_add(&s->polite, &slot->job, &to, slice_str(provider), ours, clock_ms());
	io_wake(&s->work, -1);
}

/*
 * The server that has to finish first, 0 when it has already: then what it did is known, or known to
 * be unknown in this pass. *ask_r: nobody has asked for it.
 */
static uint32_t
server_to_wait_for(struct survey *s, const struct exchange_facts *mx, const struct host_facts *host,
    bool literal, struct arena *arena, bool *ask_r)
{
	struct addr to;
	bool made;
	uint32_t number = survey_server_of(s, mx, host, literal, arena, &made);

	*ask_r = false;
	if (number == 0)
		return 0;
	struct survey_server *server = survey_server_at(&s->table, number);
	addr_parse_ip(slice_str(host->ip), (uint16_t)host->port, &to);
	if (server->state == SURVEY_NEW && server->pass == 0 && server->at == 0) {
		server->at = 1; /* counted among the names of its address */
		s->status->servers++;
		enough_names(s, &to, number);
	}
	if (server->state == SURVEY_SKIPPED) {
		number = (uint32_t)server->at;
		server = survey_server_at(&s->table, number);
	}
	if (server->state == SURVEY_FINISHED && (server->measured || server->pass >= s->pass))
		return 0;
	*ask_r = server->state != SURVEY_QUEUED;
	return number;
}

/* Into the spool, once; with the place. */
static bool
spool_target(struct survey *s, const struct target_facts *facts, uint64_t *at)
{
	struct buf line;
	bool ok = true;

	if (*at != UINT64_MAX)
		return true;
	buf_init(&line, SURVEY_LINE_BYTES);
	if (facts_write_json_brief(&fact_table_target_facts, facts, &line) != 0 ||
	    !survey_file_append(&s->spool, line.data, line.len, at)) {
		if (!s->spool.failed)
			fail_set(&s->spool.why, FAIL_IO, "%s: too many records", facts->domain);
		survey_broken(s, &s->spool.why);
		ok = false;
	}
	buf_free(&line);
	return ok;
}

/* True when the record has to wait for servers; they are asked. */
static bool
wait_for_servers(
    struct survey *s, const struct target_facts *facts, uint64_t seq, struct arena *arena)
{
	uint64_t at = UINT64_MAX;
	uint32_t waiting = 0;
	bool literal = facts->mx_status == MX_LITERAL && facts->exchanges_n == 1 &&
		       addr_is_literal(facts->exchanges[0].name);

	for (size_t i = 0; i < facts->exchanges_n; i++) {
		const struct exchange_facts *mx = &facts->exchanges[i];
		for (size_t j = 0; j < mx->hosts_n; j++) {
			struct survey_job where = { .exchange = (uint8_t)i, .host = (uint8_t)j };
			bool ask;
			uint32_t number =
			    server_to_wait_for(s, mx, &mx->hosts[j], literal, arena, &ask);
			if (number == 0)
				continue;
			if (!spool_target(s, facts, &at))
				return true;
			if (waiting == 0)
				waiting = survey_waiting_new(&s->table, at, seq);
			survey_wait(&s->table, number, waiting);
			where.at = at;
			if (ask)
				queue_server(s, number, mx, &mx->hosts[j], &where, literal);
		}
	}
	return waiting != 0;
}

/* The lookups are done: room for the next line; a policy may take a minute. */
static int
policy(struct survey *s, struct survey_line_job *job, struct target_facts *facts)
{
	int ret;

	s->resolving--;
	s->fetching++;
	io_wake(&s->changed, -1);
	ret = survey_policy(
	    s->probe, &job->target, &job->arena, facts, clock_deadline(s->probe->deadline_ms));
	s->fetching--;
	s->resolving++;
	return ret;
}

void
survey_resolve_fiber(void *arg)
{
	struct survey_line_job *job = arg;
	struct survey *s = job->survey;
	struct target_facts facts;

	if (survey_resolve(s->probe, s->options->exclude, &job->target, &job->arena, &facts,
		clock_deadline(s->probe->deadline_ms)) == 0 &&
	    policy(s, job, &facts) == 0 && !s->failed &&
	    !wait_for_servers(s, &facts, job->seq, &job->arena))
		survey_finish(s, &facts, job->seq, &job->arena);
	arena_free(&job->arena);
	free(job);
	s->resolving--;
	s->lines--;
	io_wake(&s->changed, -1);
	if (s->lines == 0)
		io_wake(&s->ended, -1);
}
