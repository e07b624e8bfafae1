#include <stdio.h>
#include <stdlib.h>

#include "app/report/report.h"
#include "base/arena.h"
#include "base/limits.h"
#include "test.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))
#define IN(more) "{\"event\":\"message\",\"time\":\"2026-11-24T10:00:00Z\"," more "}"
#define TAKEN(from, network, tls) \
	IN("\"network\":\"" network "\"," tls ",\"from_domain\":\"" from "\",\"accepted\":true")
#define TLS13 \
	"\"tls\":true,\"tls_version\":\"TLSv1.3\",\"tls_cipher\":\"TLS_AES_256_GCM_SHA384\"," \
	"\"tls_group\":\"X25519MLKEM768\""
#define TLS12 \
	"\"tls\":true,\"tls_version\":\"TLSv1.2\",\"tls_cipher\":\"TLS_RSA_WITH_AES_128_CBC_SHA\""
#define CLEAR "\"tls\":false"
#define OUT(to, status, more) \
	"{\"time\":\"2026-11-24T11:00:00Z\",\"id\":\"x\",\"message_id\":null,\"sender\":\"a@b\"," \
	"\"recipient\":\"" to "\",\"status\":\"" status "\"," more "}"
#define OUT13 \
	"\"ip\":\"2001:db8:1:2::3\",\"starttls\":\"done\",\"tls\":{\"version\":\"TLSv1.3\"," \
	"\"cipher\":\"C\",\"group\":\"x25519\"}"
/* the handshake failed, and the rule allowed clear text */
#define OUT_FELL_BACK \
	"\"ip\":\"192.0.2.9\",\"starttls\":\"failed\",\"tls\":{\"version\":\"TLSv1.3\"," \
	"\"cipher\":null,\"group\":null}"

static int
feed(struct report_mail *mail, const char *line)
{
	struct facts_scan_note note = { 0 };
	struct arena arena;
	struct fail why;

	arena_init(&arena);
	int result = report_mail_line(mail, slice_str(line), &arena, &note, &why);
	arena_free(&arena);
	return result;
}

TEST(report_mail_tells_lines_of_logs_from_others)
{
	static const struct {
		const char *line;
		int want;
	} rows[] = {
		{ TAKEN("a", "n", TLS13), 1 },
		{ IN("\"accepted\":false"), 1 },
		{ "{\"event\":\"invented\"}", 1 },
		{ OUT("a@b", "delivered", OUT13), 1 },
		{ "{\"recipient\":\"a@b\",\"status\":\"deferred\"}", 1 },
		{ "{\"recipient\":\"a@b\"}", 0 },
		{ "{\"status\":\"delivered\"}", 0 },
		{ "{\"recipient\":1,\"status\":\"delivered\"}", 0 },
		{ "{}", 0 },
		{ "", 0 },
		{ "mxtls: 7 messages", 0 },
		{ "{\"event\":\"message\",\"time\":", -1 },
		{ "{\"event\":\"message\",\"network\":7}", -1 },
	};
	struct report_mail *mail = report_mail_new();

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		TEST_ROW("%s", rows[i].line);
		CHECK_INT(feed(mail, rows[i].line), rows[i].want);
	}
	report_mail_free(mail);
}

static const struct inbound_row *
row(const struct inbound_table *table, const char *name)
{
	static const struct inbound_row none;

	for (size_t i = 0; i < table->n; i++)
		if (strcmp(table->rows[i].name, name) == 0)
			return &table->rows[i];
	return &none;
}

TEST(report_mail_counts_what_came)
{
	static const char *const lines[] = {
		TAKEN("a.example", "192.0.2.0/24", TLS13),
		TAKEN("a.example", "192.0.2.0/24", TLS12),
		TAKEN("a.example", "2001:db8::/48", CLEAR),
		TAKEN("", "192.0.2.0/24", TLS13),
		IN("\"network\":\"192.0.2.0/24\",\"from_domain\":\"a.example\",\"accepted\":false"),
		"{\"event\":\"refused\",\"suppressed\":4}",
		"{\"event\":\"tls-failed\"}",
		"{\"event\":\"turned-away\",\"suppressed\":1}",
		"{\"event\":\"session\",\"messages\":9}",
	};
	struct report_mail *mail = report_mail_new();
	const struct report_mail_counts *c = &mail->ways[REPORT_MAIL_RECEIVED];
	const struct inbound_row *a;

	for (size_t i = 0; i < COUNT_OF(lines); i++)
		CHECK_INT(feed(mail, lines[i]), 1);
	CHECK_INT(c->stats.total.messages, 4);
	CHECK_INT(c->stats.total.tls, 3);
	CHECK_INT(c->post_quantum, 2);
	CHECK_INT(c->refused, 6);
	CHECK_INT(c->tls_failed, 1);
	CHECK_INT(c->turned_away, 2);
	CHECK_INT(c->lines, COUNT_OF(lines));
	a = row(&c->stats.domains, "a.example");
	CHECK_INT(a->messages, 3);
	CHECK_INT(a->tls, 2);
	CHECK(a->last_clear == c->last && c->last == c->first && c->last != 0);
	CHECK_STR(report_mail_most_version(a), "TLSv1.3");
	CHECK_STR(report_mail_most(&c->stats, a->ciphers), "TLS_AES_256_GCM_SHA384");
	CHECK_INT(row(&c->stats.domains, "")->messages, 1);
	CHECK_INT(row(&c->stats.domains, "")->last_clear, 0);
	CHECK_INT(row(&c->stats.networks, "192.0.2.0/24")->messages, 3);
	CHECK_INT(row(&c->stats.networks, "2001:db8::/48")->tls, 0);
	CHECK_INT(c->tallies[REPORT_MAIL_GROUP].n, 2); /* X25519MLKEM768 and (unknown) */
	CHECK_INT(report_mail_messages(mail, REPORT_MAIL_SENT), 0);
	report_mail_free(mail);
}

TEST(report_mail_counts_what_went)
{
	static const char *const lines[] = {
		OUT("u@A.Example", "delivered", OUT13),
		OUT("v@a.example", "delivered", OUT_FELL_BACK),
		OUT("w@b.example", "deferred", OUT_FELL_BACK),
		OUT("x@b.example", "failed", "\"ip\":null"),
		OUT("local", "delivered", "\"ip\":null"), /* a mailbox here */
	};
	struct report_mail *mail = report_mail_new();
	const struct report_mail_counts *c = &mail->ways[REPORT_MAIL_SENT];

	for (size_t i = 0; i < COUNT_OF(lines); i++)
		CHECK_INT(feed(mail, lines[i]), 1);
	CHECK_INT(c->stats.total.messages, 2);
	CHECK_INT(c->stats.total.tls, 1);
	CHECK_INT(c->deferred, 1);
	CHECK_INT(c->failed, 1);
	CHECK_INT(row(&c->stats.domains, "a.example")->messages, 2);
	CHECK_INT(row(&c->stats.domains, "b.example")->messages, 0);
	CHECK_INT(row(&c->stats.networks, "2001:db8:1::/48")->tls, 1);
	CHECK_INT(row(&c->stats.networks, "192.0.2.0/24")->tls, 0);
	CHECK(row(&c->stats.networks, "192.0.2.0/24")->last_clear != 0);
	report_mail_free(mail);
}

TEST(report_mail_keeps_memory_bounded_and_loses_no_message)
{
	struct report_mail *mail = report_mail_new();
	const struct report_mail_counts *c = &mail->ways[REPORT_MAIL_RECEIVED];
	struct inbound_row rest;
	char line[200];
	enum { EXTRA = 50 };

	for (int i = 0; i < LIMIT_REPORT_SENDERS + EXTRA; i++) {
		snprintf(line, sizeof(line), TAKEN("d%d.example", "n", CLEAR), i);
		CHECK_INT(feed(mail, line), 1);
	}
	CHECK_INT(c->stats.domains.n, LIMIT_REPORT_SENDERS);
	CHECK_INT(c->stats.domains.other.messages, EXTRA);
	struct inbound_row **rows = inbound_table_sorted(&c->stats.domains);
	CHECK(report_mail_rest(&c->stats.domains, rows, 10, &rest) > 0);
	CHECK_INT(rest.messages, LIMIT_REPORT_SENDERS + EXTRA - 10);
	free(rows);
	report_mail_free(mail);
}
