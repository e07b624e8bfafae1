#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "app/queue/incoming.h"
#include "app/queue/item.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "queue.h"

/* queue list and queue show. */

struct lister {
	struct queue_command *q;
	struct buf line;
	size_t messages, rcpts, bad;
	int64_t bytes;
};

/* "12 s", "5 min", "3 h", "2 days" */
static void
put_span(struct buf *out, int64_t s)
{
	static const struct {
		int64_t from, unit;
		const char *word;
	} rows[] = { { 2 * 86400, 86400, "days" }, { 2 * 3600, 3600, "h" }, { 120, 60, "min" },
		{ 0, 1, "s" } };

	if (s < 0)
		s = 0;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (s >= rows[i].from) {
			buf_printf(out, "%" PRId64 " %s", s / rows[i].unit, rows[i].word);
			return;
		}
}

static void
put_address(struct buf *out, const char *address)
{
	buf_putc(out, '<');
	text_escape(out, slice_str(address), 4 * LIMIT_PATH_BYTES);
	buf_putc(out, '>');
}

static void
put_rcpt(struct lister *l, const struct queue_entry *entry, size_t i)
{
	const struct queue_progress *r = &entry->journal->rcpts[i];
	struct queue_reason reason;
	struct queue_dest space;
	int64_t now = clock_wall();

	queue_reason_of(l->q, entry, i, &space, &reason);
	buf_puts(&l->line, "    ");
	put_address(&l->line, entry->envelope->rcpts[i].address);
	if (r->state != QUEUE_RCPT_PENDING)
		buf_printf(&l->line, " %s", queue_rcpt_state_str(r->state));
	else if (entry->journal->held)
		buf_puts(&l->line, " held");
	else if (reason.next > now) {
		buf_puts(&l->line, " again in ");
		put_span(&l->line, reason.next - now);
	} else
		buf_puts(&l->line, " due");
	if (reason.tries > 0 && r->state == QUEUE_RCPT_PENDING)
		buf_printf(&l->line, ", tried %u times", reason.tries);
	if (reason.text[0] != '\0') {
		buf_puts(&l->line, ": ");
		text_escape(&l->line, slice_str(reason.text), 2 * LIMIT_JOURNAL_TEXT_BYTES);
	}
	buf_putc(&l->line, '\n');
}

static void
put_text(struct lister *l, const struct queue_entry *entry)
{
	char date[32];

	if (entry->bad) {
		buf_printf(&l->line, "%s  cannot be read: ", entry->id);
		text_escape(&l->line, slice_str(entry->why.text), LIMIT_LOG_LINE_BYTES);
		buf_putc(&l->line, '\n');
		return;
	}
	text_date_rfc3339(entry->envelope->time, date);
	buf_printf(&l->line, "%s  %s  %" PRId64 " bytes  from ", entry->id, date, entry->bytes);
	put_address(&l->line, entry->envelope->sender);
	if (entry->locked)
		buf_puts(&l->line, "  being tried now");
	if (entry->journal->held && entry->journal->held_why[0] != '\0') {
		buf_puts(&l->line, "\n    held: ");
		text_escape(
		    &l->line, slice_str(entry->journal->held_why), 2 * LIMIT_JOURNAL_TEXT_BYTES);
	}
	buf_putc(&l->line, '\n');
	for (size_t i = 0; i < entry->envelope->rcpts_n; i++)
		put_rcpt(l, entry, i);
}

/* --- JSON ------------------------------------------------------------------------------------------- */

static void
member(struct json *j, const char *key, const char *value)
{
	json_key(j, slice_str(key));
	json_put_str(j, value);
}

static void
json_rcpt(struct lister *l, struct json *j, const struct queue_entry *entry, size_t i)
{
	const struct queue_progress *r = &entry->journal->rcpts[i];
	struct queue_reason reason;
	struct queue_dest space;

	queue_reason_of(l->q, entry, i, &space, &reason);
	json_object_begin(j);
	member(j, "recipient", entry->envelope->rcpts[i].address);
	member(j, "status", queue_rcpt_state_str(r->state));
	json_key(j, slice_str("tries"));
	json_put_int(j, r->tries);
	json_key(j, slice_str("last"));
	json_put_time(j, r->time);
	json_key(j, slice_str("next"));
	json_put_time(j, r->state == QUEUE_RCPT_PENDING ? reason.next : 0);
	member(j, "enhanced", r->enhanced[0] == '\0' ? NULL : r->enhanced);
	member(j, "exchange", r->host[0] == '\0' ? NULL : r->host);
	member(j, "reason", reason.text[0] == '\0' ? NULL : reason.text);
	json_object_end(j);
}

static void
put_json(struct lister *l, const struct queue_entry *entry, const struct slice *header)
{
	const struct queue_envelope *e = entry->envelope;
	struct json j;

	json_init(&j, &l->line);
	json_object_begin(&j);
	member(&j, "id", entry->id);
	member(&j, "error", entry->bad ? entry->why.text : NULL);
	if (!entry->bad) {
		json_key(&j, slice_str("arrived"));
		json_put_time(&j, e->time);
		json_key(&j, slice_str("bytes"));
		json_put_int(&j, entry->bytes);
		member(&j, "sender", e->sender);
		member(&j, "envid", e->envid);
		json_key(&j, slice_str("held"));
		json_put_bool(&j, entry->journal->held);
		member(&j, "held_reason",
		    entry->journal->held_why[0] == '\0' ? NULL : entry->journal->held_why);
		json_key(&j, slice_str("active"));
		json_put_bool(&j, entry->locked);
		json_key(&j, slice_str("recipients"));
		json_array_begin(&j);
		for (size_t i = 0; i < e->rcpts_n; i++)
			json_rcpt(l, &j, entry, i);
		json_array_end(&j);
	}
	if (header != NULL) {
		json_key(&j, slice_str("header"));
		json_put_slice(&j, *header);
	}
	json_object_end(&j);
	buf_putc(&l->line, '\n');
}

/* --- list ------------------------------------------------------------------------------------------- */

static int
list_one(void *ctx, const struct queue_entry *entry)
{
	struct lister *l = ctx;

	if (!queue_is_chosen(l->q, entry))
		return 0;
	l->messages++;
	l->rcpts += entry->envelope->rcpts_n;
	l->bytes += entry->bytes;
	buf_reset(&l->line);
	if (l->q->options->format == QUEUE_FORMAT_JSON)
		put_json(l, entry, NULL);
	else
		put_text(l, entry);
	/* nobody reads on: head(1) */
	return fwrite(l->line.data, 1, l->line.len, stdout) == l->line.len ? 0 : 1;
}

/* In system mode: what the runner did not take in yet, and nobody has looked into. */
static size_t
count_incoming(struct queue_command *q)
{
	struct strs plain = { 0 }, replies = { 0 };
	struct arena arena;
	struct fail why;

	if (q->spool.incoming < 0 || q->only_owner)
		return 0;
	arena_init(&arena);
	if (incoming_names(&q->spool, &arena, &plain, &replies, &why) != 0)
		log_error("%s", why.text);
	size_t n = plain.n + replies.n;
	arena_free(&arena);
	return n;
}

static void
put_totals(struct queue_command *q, const struct lister *l)
{
	size_t incoming = count_incoming(q);

	if (l->messages > 0)
		printf("-- %zu messages, %zu recipients, %" PRId64 " bytes\n", l->messages,
		    l->rcpts, l->bytes);
	else if (incoming == 0)
		printf("Mail queue is empty\n");
	if (incoming > 0)
		printf("-- %zu in incoming wait for the runner\n", incoming);
}

int
queue_list(struct queue_command *q)
{
	struct lister l = { .q = q };
	int status = EX_OK;

	buf_init(&l.line, LIMIT_RECORD_BYTES);
	if (queue_scan(&q->spool, NULL, list_one, &l, &q->why) < 0)
		status = command_fail(&cmd_queue, &q->why);
	else if (q->options->format == QUEUE_FORMAT_TEXT)
		put_totals(q, &l);
	buf_free(&l.line);
	return status;
}

/* --- show ------------------------------------------------------------------------------------------- */

/* The header section, LF lines. */
static void
read_header(struct queue_command *q, const char *id, struct buf *out)
{
	struct queuefile qf;
	struct fail why;
	char chunk[8192];

	if (queuefile_peek(&q->spool, id, &qf, &why) != 0)
		return;
	for (int64_t at = 0; at < qf.text_bytes && out->len < LIMIT_HEADER_BYTES;) {
		int64_t left = qf.text_bytes - at;
		ssize_t n = pread(qf.fd, chunk,
		    left < (int64_t)sizeof(chunk) ? (size_t)left : sizeof(chunk),
		    qf.text_offset + at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		buf_append(out, chunk, (size_t)n);
		at += n;
		char *end = memmem(out->data, out->len, "\n\n", 2);
		if (end != NULL) {
			out->len = (size_t)(end + 1 - out->data);
			break;
		}
	}
	queuefile_close(&qf);
}

static int
show_one(void *ctx, const struct queue_entry *entry)
{
	struct lister *l = ctx;
	struct buf header;

	buf_init(&header, LIMIT_HEADER_BYTES + 8192);
	if (!entry->bad)
		read_header(l->q, entry->id, &header);
	struct slice text = slice_make(header.data, header.len);
	buf_reset(&l->line);
	if (l->q->options->format == QUEUE_FORMAT_JSON) {
		put_json(l, entry, &text);
	} else {
		put_text(l, entry);
		buf_putc(&l->line, '\n');
		while (text.n > 0) {
			size_t n = slice_find(text, '\n');
			buf_puts(&l->line, "  ");
			text_escape(&l->line, slice_sub(text, 0, n), LIMIT_HEADER_BYTES);
			buf_putc(&l->line, '\n');
			text = slice_sub(text, n + 1, text.n);
		}
	}
	fwrite(l->line.data, 1, l->line.len, stdout);
	buf_free(&header);
	return 0;
}

int
queue_show(struct queue_command *q)
{
	struct lister l = { .q = q };
	int status = EX_OK;

	if (q->ids_n == 0)
		return command_usage_error(&cmd_queue, "which message? Expected an ID");
	buf_init(&l.line, LIMIT_RECORD_BYTES);
	for (size_t i = 0; i < q->ids_n; i++) {
		if (queue_scan_one(&q->spool, q->ids[i], show_one, &l) > 0)
			continue;
		fail_set(&q->why, FAIL_NO_INPUT, "no message \"%.40s\" in the queue", q->ids[i]);
		status = command_fail(&cmd_queue, &q->why);
	}
	buf_free(&l.line);
	return status;
}
