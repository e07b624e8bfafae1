#include "app/report/mail.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/report/unit.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/text.h"
#include "dns/dns.h"
#include "io/addr.h"

const struct report_mail_info report_mail_infos[REPORT_MAIL_WAYS] = {
	[REPORT_MAIL_RECEIVED] = { "received", "Mail received", "domain of the sender, as claimed",
	    "network of the client" },
	[REPORT_MAIL_SENT] = { "sent", "Mail sent", "domain of the recipient",
	    "network of the server" },
};
const char *const report_mail_tally_ids[REPORT_MAIL_TALLIES] = { "version", "cipher", "group" };
const char *const report_mail_tally_titles[REPORT_MAIL_TALLIES] = { "TLS version", "Cipher suite",
	"Key exchange group" };

struct report_mail *
report_mail_new(void)
{
	static const char *const wanted[] = { "event", "time", "network", "tls", "tls_version",
		"tls_cipher", "tls_group", "from_domain", "accepted", "suppressed", NULL };
	struct report_mail *mail = mem_alloc(sizeof(*mail));

	memset(mail, 0, sizeof(*mail));
	mail->inbound = facts_scan_new(&fact_table_inbound_facts, wanted);
	mail->delivery = facts_scan_new(&fact_table_delivery_facts, NULL);
	return mail;
}

void
report_mail_free(struct report_mail *mail)
{
	if (mail == NULL)
		return;
	for (int way = 0; way < REPORT_MAIL_WAYS; way++) {
		if (mail->ways[way].lines == 0)
			continue;
		inbound_stats_free(&mail->ways[way].stats);
		for (int i = 0; i < REPORT_MAIL_TALLIES; i++)
			report_tally_free(&mail->ways[way].tallies[i]);
	}
	facts_scan_free(mail->inbound);
	facts_scan_free(mail->delivery);
	free(mail);
}

/* One more line; the tables are made for the first. */
static void
add_line(struct report_mail_counts *counts)
{
	static const enum report_table tables[REPORT_MAIL_TALLIES] = { REPORT_TABLE_VERSION,
		REPORT_TABLE_CIPHER, REPORT_TABLE_GROUP };

	if (counts->lines++ > 0)
		return;
	inbound_stats_init(&counts->stats, LIMIT_REPORT_SENDERS, 0);
	for (int i = 0; i < REPORT_MAIL_TALLIES; i++)
		report_tally_init(&counts->tallies[i], tables[i]);
}

static void
tally_add(struct report_tally *tally, const char *value)
{
	size_t row = report_tally_row(tally, slice_str(value == NULL ? "(unknown)" : value));

	tally->rows[row].n[REPORT_DOMAINS]++;
}

/* A message that was taken. */
static void
add(struct report_mail_counts *counts, const struct inbound_facts *facts)
{
	inbound_stats_add(&counts->stats, facts);
	if (facts->time != 0 && (counts->first == 0 || facts->time < counts->first))
		counts->first = facts->time;
	if (facts->time > counts->last)
		counts->last = facts->time;
	if (facts->tls != TRI_YES)
		return;
	tally_add(&counts->tallies[REPORT_MAIL_VERSION], facts->tls_version);
	tally_add(&counts->tallies[REPORT_MAIL_CIPHER], facts->tls_cipher);
	tally_add(&counts->tallies[REPORT_MAIL_GROUP], facts->tls_group);
	counts->post_quantum += report_is_post_quantum(facts->tls_group);
}

static void
add_received(struct report_mail_counts *counts, const struct inbound_facts *facts)
{
	uint64_t n = 1 + (facts->suppressed > 0 ? (uint64_t)facts->suppressed : 0);

	add_line(counts);
	switch (facts->event) {
	case INBOUND_MESSAGE:
		if (facts->accepted == TRI_YES)
			add(counts, facts);
		else
			counts->refused += n;
		break;
	case INBOUND_REFUSED:
		counts->refused += n;
		break;
	case INBOUND_TLS_FAILED:
		counts->tls_failed += n;
		break;
	case INBOUND_TURNED_AWAY:
		counts->turned_away += n;
		break;
	case INBOUND_SESSION:
	case INBOUND_NOTE:
	case INBOUND_UNKNOWN:
		break;
	}
}

/* The domain of a mailbox, as names are compared. */
static char *
domain_of(const char *mailbox, struct arena *arena)
{
	const char *at = strrchr(mailbox, '@');

	if (at == NULL)
		return arena_strdup(arena, "");
	const char *name = dns_name_normalize(at + 1, arena, NULL);
	char *domain = arena_strdup(arena, name != NULL ? name : at + 1);
	text_lower_str(domain);
	return domain;
}

static void
add_sent(struct report_mail_counts *counts, const struct delivery_facts *facts, struct arena *arena)
{
	struct inbound_facts message;
	char network[ADDR_TEXT_BYTES];
	struct addr addr;

	add_line(counts);
	if (strcmp(facts->status, "delivered") != 0) {
		counts->deferred += strcmp(facts->status, "deferred") == 0;
		counts->failed += strcmp(facts->status, "failed") == 0;
		return;
	}
	/* a mailbox or a program of this machine */
	if (facts->ip == NULL || !addr_parse_ip(slice_str(facts->ip), 0, &addr))
		return;
	facts_init_inbound_facts(&message);
	message.event = INBOUND_MESSAGE;
	message.accepted = TRI_YES;
	message.time = facts->time;
	message.from_domain = domain_of(facts->recipient, arena);
	addr_network_str(&addr, 24, 48, network);
	message.network = arena_strdup(arena, network);
	if (facts->tls_version != NULL &&
	    (facts->starttls == STARTTLS_DONE || facts->starttls == STARTTLS_IMPLICIT)) {
		message.tls = TRI_YES;
		message.tls_version = facts->tls_version;
		message.tls_cipher = facts->tls_cipher;
		message.tls_group = facts->tls_group;
	} else {
		message.tls = TRI_NO;
	}
	add(counts, &message);
}

int
report_mail_line(struct report_mail *mail, struct slice line, struct arena *arena,
    struct facts_scan_note *note, struct fail *why)
{
	struct delivery_facts delivery;
	struct inbound_facts inbound;
	struct slice word;

	arena_reset(arena);
	if (facts_scan_peek(line.p, line.n, "event", &word)) {
		if (facts_scan_read(mail->inbound, line.p, line.n, arena, &inbound, note, why) != 0)
			return -1;
		add_received(&mail->ways[REPORT_MAIL_RECEIVED], &inbound);
		return 1;
	}
	/* others have no member that says what they are: those of a delivery have both of these */
	if (facts_scan_read(mail->delivery, line.p, line.n, arena, &delivery, NULL, why) != 0 ||
	    delivery.recipient == NULL || delivery.status == NULL)
		return 0;
	add_sent(&mail->ways[REPORT_MAIL_SENT], &delivery, arena);
	return 1;
}

uint64_t
report_mail_messages(const struct report_mail *mail, enum report_mail_way way)
{
	return mail->ways[way].stats.total.messages;
}

const char *
report_mail_name(
    const char *name, bool anonymize, const char *kind, size_t i, char *out, size_t out_size)
{
	if (anonymize) {
		snprintf(out, out_size, "%s %zu", kind, i + 1);
		return out;
	}
	return name[0] == '\0' ? "<>" : name;
}

const char *
report_mail_most(const struct inbound_stats *stats, const struct inbound_count *counts)
{
	const struct inbound_count *most = NULL;

	for (size_t i = 0; i < INBOUND_STATS_KINDS && counts[i].kind != 0; i++)
		if (most == NULL || counts[i].n > most->n)
			most = &counts[i];
	return most == NULL ? "" : stats->kinds.v[most->kind - 1];
}

const char *
report_mail_most_version(const struct inbound_row *row)
{
	size_t most = 0;

	for (size_t i = 1; i < INBOUND_VERSIONS; i++)
		if (row->versions[i] >= row->versions[most])
			most = i;
	return row->versions[most] == 0 ? "" : inbound_versions[most];
}

size_t
report_mail_rest(const struct inbound_table *table, struct inbound_row *const *rows, size_t top,
    struct inbound_row *rest_r)
{
	memset(rest_r, 0, sizeof(*rest_r));
	for (size_t i = top; i <= table->n; i++) {
		const struct inbound_row *row = i < table->n ? rows[i] : &table->other;
		rest_r->messages += row->messages;
		rest_r->tls += row->tls;
		for (size_t v = 0; v < INBOUND_VERSIONS; v++)
			rest_r->versions[v] += row->versions[v];
		if (row->last_clear > rest_r->last_clear)
			rest_r->last_clear = row->last_clear;
	}
	return (table->n > top ? table->n - top : 0) + (table->other.messages > 0);
}
