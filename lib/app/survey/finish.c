/*
 * From finished servers to records.
 */
#include <string.h>

#include "app/probe/csv.h"
#include "app/survey/impl.h"
#include "app/survey/join.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "policy/verdict.h"

#define SECONDS_PER_DAY 86400

static char present; /* what a map's values point at */

/* --- servers ------------------------------------------------------------------------------------- */

static bool
address_of(const struct host_facts *host, struct addr *to_r)
{
	return host->status == HOST_NOT_TRIED && host->ip != NULL &&
	       addr_parse_ip(slice_str(host->ip), (uint16_t)host->port, to_r);
}

uint32_t
survey_server_of(struct survey *s, const struct exchange_facts *mx, const struct host_facts *host,
    bool literal, struct arena *arena, bool *made_r)
{
	struct addr to;

	*made_r = false;
	if (!address_of(host, &to))
		return 0;
	return survey_server(&s->table, &to, literal ? NULL : mx->name,
	    survey_tlsa_digest(&mx->tlsa, arena), made_r);
}

/* A target that is an address has no name but that. */
static bool
is_literal(const struct target_facts *facts)
{
	return facts->mx_status == MX_LITERAL && facts->exchanges_n == 1 &&
	       addr_is_literal(facts->exchanges[0].name);
}

/* --- lines of their own (--dedupe-output) -------------------------------------------------------- */

static void
put_line(const struct fact_table *table, const void *facts, struct buf *out)
{
	facts_write_json_brief(table, facts, out);
	buf_putc(out, '\n');
}

static void
tell_certs(
    struct survey *s, const struct server_facts *server, struct arena *arena, struct buf *out)
{
	for (size_t i = 0; i < server->certs_n; i++) {
		struct slice print = slice_str(server->certs[i].fingerprint);
		struct survey_cert_facts line;
		if (print.n == 0 || map_get(&s->told_certs, print) != NULL)
			continue;
		map_set(&s->told_certs, print, &present);
		facts_init_survey_cert_facts(&line);
		line.schema = arena_strdup(arena, "mxtls-probe/1");
		line.type = arena_strdup(arena, "certificate");
		line.cert = server->certs[i];
		int64_t at = s->probe->session.at != 0 ? s->probe->session.at : clock_wall();
		if (line.cert.not_after != 0)
			line.cert.days_left = line.cert.not_after <= at
						  ? 0
						  : (line.cert.not_after - at) / SECONDS_PER_DAY;
		put_line(&fact_table_survey_cert_facts, &line, out);
	}
}

static void
tell_host(struct survey *s, uint32_t number, const struct server_facts *server, const char *ref,
    struct arena *arena, struct buf *out)
{
	struct survey_server *entry = survey_server_at(&s->table, number);
	struct survey_host_facts line;

	if (entry->told)
		return;
	entry->told = true;
	tell_certs(s, server, arena, out);
	facts_init_survey_host_facts(&line);
	line.schema = arena_strdup(arena, "mxtls-probe/1");
	line.type = arena_strdup(arena, "host");
	line.ref = arena_strdup(arena, ref);
	line.name = server->name;
	line.host = server->host;
	put_line(&fact_table_survey_host_facts, &line, out);
}

/* What is left in the domain's record: the reference, and what depends on the domain. */
static void
refer(struct host_facts *host, const char *ref, struct arena *arena)
{
	struct host_facts whole = *host;

	facts_init_host_facts(host);
	host->ref = arena_strdup(arena, ref);
	host->ip = whole.ip;
	host->port = whole.port;
	host->result_type = whole.result_type;
	host->tls = arena_alloc(arena, (whole.tls_n + 1) * sizeof(*host->tls));
	host->tls_n = whole.tls_n;
	for (size_t i = 0; i < whole.tls_n; i++) {
		facts_init_tls_facts(&host->tls[i]);
		host->tls[i].dane = whole.tls[i].dane;
		host->tls[i].verify.matches_domain = whole.tls[i].verify.matches_domain;
		host->tls[i].verify.matched_domain_name = whole.tls[i].verify.matched_domain_name;
	}
}

static bool
dedupe_host(struct survey *s, struct exchange_facts *mx, struct host_facts *host, bool literal,
    struct arena *arena, struct buf *out)
{
	struct host_facts asked = *host;
	struct addr to;
	bool made;

	if (host->status == HOST_SKIPPED || host->status == HOST_BLOCKLISTED)
		return true;
	asked.status = HOST_NOT_TRIED;
	uint32_t number = survey_server_of(s, mx, &asked, literal, arena, &made);
	struct survey_server *entry = number == 0 ? NULL : survey_server_at(&s->table, number);
	if (entry == NULL || entry->state != SURVEY_FINISHED || !address_of(&asked, &to))
		return true;
	const struct server_facts *server = survey_results_get(&s->results, entry->at, &s->why);
	if (server == NULL)
		return false;
	const char *ref = survey_ref(&to, server->name, server->tlsa_digest, arena);
	tell_host(s, number, server, ref, arena, out);
	refer(host, ref, arena);
	return true;
}

static bool
dedupe(struct survey *s, struct target_facts *facts, struct arena *arena, struct buf *out)
{
	bool literal = is_literal(facts);

	for (size_t i = 0; i < facts->exchanges_n; i++)
		for (size_t j = 0; j < facts->exchanges[i].hosts_n; j++)
			if (!dedupe_host(s, &facts->exchanges[i], &facts->exchanges[i].hosts[j],
				literal, arena, out))
				return false;
	facts->certs = NULL;
	facts->certs_n = 0;
	return true;
}

/* --- records ------------------------------------------------------------------------------------- */

void
survey_write(struct survey *s, struct target_facts *facts, uint64_t seq, struct arena *arena)
{
	enum verdict verdict = facts->summary.verdict;
	struct buf out;
	bool ok = true;

	facts->seq = (int64_t)seq;
	buf_init(&out, LIMIT_RECORD_BYTES);
	if (s->options->dedupe)
		ok = dedupe(s, facts, arena, &out);
	if (s->options->csv)
		probe_csv_write(facts, &out);
	else if (s->options->dedupe)
		put_line(&fact_table_target_facts, facts, &out);
	else if (facts_write_json(&fact_table_target_facts, facts, &out) == 0)
		buf_putc(&out, '\n');
	if (ok && out.full) { /* cannot be: LIMIT_TARGET_BYTES for each server, and few have that */
		log_warn("%s: the record is too long", facts->domain);
		ok = fail_set(&s->why, FAIL_IO, "a record is too long") == 0;
	}
	if (!ok || !survey_file_append(&s->output, out.data, out.len, NULL)) {
		survey_broken(s, ok ? &s->output.why : &s->why);
		buf_free(&out);
		return;
	}
	buf_free(&out);
	survey_bit_set(&s->written, seq);
	s->status->written++;
	s->status->verdicts[verdict]++;
	s->status->worst = verdict_exit_worst(s->status->worst, (int)facts->summary.exit_status);
}

static void
put_off(struct survey *s, const struct target_facts *facts, uint64_t seq)
{
	struct buf line;

	buf_init(&line, LIMIT_SURVEY_LINE_BYTES);
	buf_printf(&line, "%llu ", (unsigned long long)seq);
	if (facts->rank >= 0)
		buf_printf(&line, "%lld,", (long long)facts->rank);
	buf_puts(&line, facts->domain);
	buf_putc(&line, '\n');
	if (!survey_file_append(&s->retry, line.data, line.len, NULL))
		survey_broken(s, &s->retry.why);
	buf_free(&line);
	survey_bit_set(&s->retried, seq);
	s->status->retry++;
}

/* The facts of every server into the target's; false when one cannot be read. */
static bool
join_all(struct survey *s, struct target_facts *facts, struct arena *arena)
{
	const char *domain = facts->mx_status == MX_LITERAL ? NULL : facts->alabel;
	bool literal = is_literal(facts), made;

	for (size_t i = 0; i < facts->exchanges_n; i++) {
		struct exchange_facts *mx = &facts->exchanges[i];
		for (size_t j = 0; j < mx->hosts_n; j++) {
			struct host_facts *host = &mx->hosts[j];
			uint32_t number = survey_server_of(s, mx, host, literal, arena, &made);
			if (number == 0)
				continue;
			struct survey_server *entry = survey_server_at(&s->table, number);
			unsigned skipped = 0;
			if (entry->state == SURVEY_SKIPPED) {
				skipped = s->options->names_per_address;
				entry = survey_server_at(&s->table, (uint32_t)entry->at);
			}
			const struct server_facts *server =
			    survey_results_get(&s->results, entry->at, &s->why);
			if (server == NULL)
				return false;
			survey_join(facts, mx, host, server, domain, skipped, arena);
		}
	}
	return true;
}

/* DECISIONS C23: what goes wrong everywhere says nothing about anybody. */
static bool
port25_is_blocked(struct survey *s, const struct target_facts *facts)
{
	struct fail why;

	if (s->probe->session.implicit_tls)
		return false;
	port25_note(&s->port25, facts);
	if (!port25_concerns(&s->port25, facts))
		return false;
	fail_set(&why, FAIL_CONNECT_TIMEOUT,
	    "%s, with an output of its own: what was seen from here says nothing",
	    port25_finding(&s->port25));
	survey_broken(s, &why);
	return true;
}

void
survey_finish(struct survey *s, struct target_facts *facts, uint64_t seq, struct arena *arena)
{
	if (s->failed)
		return;
	survey_results_trim(&s->results);
	if (!join_all(s, facts, arena)) {
		survey_broken(s, &s->why);
		return;
	}
	if (port25_is_blocked(s, facts))
		return;
	probe_judge(s->probe, facts, arena);
	if (s->pass < s->passes && survey_worth_retry(facts))
		put_off(s, facts, seq);
	else
		survey_write(s, facts, seq, arena);
}
