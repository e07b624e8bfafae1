/*
 * One server, and the line that is kept of it.
 */
#include "app/probe/address.h"
#include "app/survey/join.h"
#include "app/survey/workers.h"
#include "base/clock.h"
#include "policy/dane.h"

void
survey_server_init(const struct exchange_facts *mx, size_t host, bool literal, unsigned pass,
    struct arena *arena, struct server_facts *facts)
{
	facts_init_server_facts(facts);
	facts->name = literal ? NULL : mx->name;
	facts->tlsa_digest = survey_tlsa_digest(&mx->tlsa, arena);
	facts->pass = pass;
	facts->host.ip = mx->hosts[host].ip;
	facts->host.port = mx->hosts[host].port;
	facts->records = mx->tlsa.records;
	facts->records_n = mx->tlsa.records_n;
}

void
survey_ask_server(const struct probe_options *probe, struct exchange_facts *mx, size_t host,
    bool literal, unsigned pass, struct arena *arena, struct server_facts *facts)
{
	struct session_options session = probe->session;
	struct gate turn;
	struct addr to;

	survey_server_init(mx, host, literal, pass, arena, facts);
	if (facts->host.ip == NULL ||
	    !addr_parse_ip(slice_str(facts->host.ip), (uint16_t)facts->host.port, &to))
		return;
	if (!literal) {
		session.exchange = mx;
		/* RFC 7672 s8.1; a name that the user asks for stays */
		if (session.sni == NULL && dane_is_enforced(mx->tlsa.status))
			session.sni = mx->tlsa.base_domain;
	}
	gate_init(&turn, 1);
	probe_address(&(struct address_job){ .session = &session,
	    .both_keys = probe->both_keys,
	    .turn = &turn,
	    .to = &to,
	    .host = facts->name,
	    .arena = arena,
	    .facts = &facts->host,
	    .certs = &facts->certs,
	    .certs_n = &facts->certs_n,
	    .deadline = clock_deadline(probe->deadline_ms) });
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

void
survey_server_line(struct server_facts *facts, struct buf *line)
{
	if (facts_write_json_brief(&fact_table_server_facts, facts, line) == 0 &&
	    buf_putc(line, '\n') == 0)
		return;
	buf_reset(line);
	shorten(facts);
	facts_write_json_brief(&fact_table_server_facts, facts, line);
	buf_putc(line, '\n');
}
