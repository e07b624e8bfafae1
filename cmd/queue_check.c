#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "app/queue/item.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "queue.h"

/* queue check: how the queue is, for people and monitoring systems (DECISIONS E39). */

#define RUN_MAX_S 3600    /* without a run for that long nobody runs it */
#define REASON_BYTES 120  /* of a reason, by which they are counted */
#define REASONS_MAX 10000 /* different ones; beyond that they are not told apart */

enum state { STATE_OK, STATE_WARNING, STATE_CRITICAL };

struct check {
	struct queue_command *q;
	uint64_t messages, recipients, held, deadly, bad;
	int64_t oldest; /* arrival, Unix seconds; 0: none */
	int64_t last_run;
	struct map reasons; /* uint64_t each */
	const char *top;    /* "" for none */
	uint64_t top_n;
	enum state state;
	const char *problem; /* NULL when OK */
};

static void
count_reason(struct check *c, const char *text)
{
	struct slice key = slice_sub(slice_str(text), 0, REASON_BYTES);
	uint64_t *n = map_get(&c->reasons, key);

	if (n == NULL) {
		if (c->reasons.n >= REASONS_MAX)
			return;
		n = mem_alloc(sizeof(*n));
		*n = 0;
		map_set(&c->reasons, key, n);
	}
	if (++*n > c->top_n) {
		c->top_n = *n;
		c->top = arena_slice(&c->q->arena, key);
	}
}

static int
check_one(void *ctx, const struct queue_entry *entry)
{
	struct check *c = ctx;
	struct queue_reason reason;
	struct queue_dest space;

	if (!queue_is_chosen(c->q, entry))
		return 0;
	c->messages++;
	if (entry->bad) {
		c->bad++;
		return 0;
	}
	c->held += entry->journal->held;
	c->deadly += entry->journal->held && entry->journal->held_why[0] != '\0';
	/* somebody wants held ones to be old */
	if (!entry->journal->held && (c->oldest == 0 || entry->envelope->time < c->oldest))
		c->oldest = entry->envelope->time;
	for (size_t i = 0; i < entry->envelope->rcpts_n; i++) {
		if (entry->journal->rcpts[i].state != QUEUE_RCPT_PENDING)
			continue;
		c->recipients++;
		queue_reason_of(c->q, entry, i, &space, &reason);
		if (reason.text[0] != '\0')
			count_reason(c, reason.text);
	}
	return 0;
}

static int64_t
age_of(int64_t time)
{
	int64_t age = clock_wall() - time;

	return time == 0 || age < 0 ? 0 : age;
}

static void
worse(struct check *c, enum state state, const char *problem)
{
	if (state > c->state) {
		c->state = state;
		c->problem = problem;
	}
}

static void
judge(struct check *c)
{
	int64_t age_ms = age_of(c->oldest) * 1000;

	if (c->oldest != 0 && c->last_run == 0 && age_of(c->oldest) > RUN_MAX_S)
		worse(c, STATE_CRITICAL, "nobody runs the queue");
	else if (c->oldest != 0 && c->last_run != 0 && age_of(c->last_run) > RUN_MAX_S)
		worse(c, STATE_CRITICAL, "no run for more than an hour");
	if (age_ms > c->q->options->crit_ms)
		worse(c, STATE_CRITICAL, "a message is too old");
	if (age_ms > c->q->options->warn_ms)
		worse(c, STATE_WARNING, "a message is old");
	if (c->deadly > 0)
		worse(c, STATE_WARNING, "a message is held since its delivery crashes");
	if (c->bad > 0)
		worse(c, STATE_WARNING, "files cannot be read");
}

static void
put_line(const struct check *c, struct buf *out)
{
	buf_printf(out, "%" PRIu64 " messages, %" PRIu64 " recipients", c->messages, c->recipients);
	if (c->held > 0)
		buf_printf(out, ", %" PRIu64 " held", c->held);
	if (c->oldest != 0)
		buf_printf(out, ", oldest %" PRId64 " min", age_of(c->oldest) / 60);
	if (c->last_run != 0)
		buf_printf(out, ", last run %" PRId64 " min ago", age_of(c->last_run) / 60);
	else
		buf_puts(out, ", never run");
	if (c->problem != NULL)
		buf_printf(out, "; %s", c->problem);
	if (c->top_n > 0) {
		buf_printf(out, "; most wait because (%" PRIu64 "): ", c->top_n);
		text_escape(out, slice_str(c->top), 2 * REASON_BYTES);
	}
}

static void
put_nagios(const struct check *c, struct buf *out)
{
	static const char *const words[] = { "OK", "WARNING", "CRITICAL" };
	struct buf line;

	buf_init(&line, 8192);
	put_line(c, &line);
	/* a bar would begin the numbers */
	for (size_t i = 0; i < line.len; i++)
		if (line.data[i] == '|')
			line.data[i] = '/';
	buf_printf(out, "MXTLS QUEUE %s - %s | messages=%" PRIu64 " recipients=%" PRIu64,
	    words[c->state], buf_str(&line), c->messages, c->recipients);
	buf_printf(out, " held=%" PRIu64 " oldest=%" PRId64 "s;%" PRId64 ";%" PRId64, c->held,
	    age_of(c->oldest), c->q->options->warn_ms / 1000, c->q->options->crit_ms / 1000);
	if (c->last_run != 0)
		buf_printf(out, " last_run=%" PRId64 "s", age_of(c->last_run));
	buf_putc(out, '\n');
	buf_free(&line);
}

static void
put_metric(struct buf *out, const char *name, const char *help, int64_t value)
{
	buf_printf(out,
	    "# HELP mxtls_queue_%s %s\n# TYPE mxtls_queue_%s gauge\nmxtls_queue_%s %" PRId64 "\n",
	    name, help, name, name, value);
}

static void
put_prometheus(const struct check *c, struct buf *out)
{
	put_metric(out, "messages", "Messages in the queue.", (int64_t)c->messages);
	put_metric(out, "recipients", "Recipients that wait.", (int64_t)c->recipients);
	put_metric(out, "held_messages", "Messages that are held.", (int64_t)c->held);
	put_metric(out, "unreadable_files", "Files that cannot be read.", (int64_t)c->bad);
	put_metric(out, "oldest_age_seconds",
	    "Age of the oldest message that is not held; 0 for none.", age_of(c->oldest));
	put_metric(out, "last_run_timestamp_seconds", "When the last run began; 0 for never.",
	    c->last_run);
	if (c->top_n == 0)
		return;
	buf_puts(out, "# HELP mxtls_queue_top_reason_recipients Recipients that wait for the most "
		      "frequent reason.\n# TYPE mxtls_queue_top_reason_recipients gauge\n"
		      "mxtls_queue_top_reason_recipients{reason=\"");
	for (const char *p = c->top; *p != '\0'; p++) {
		if (*p == '"' || *p == '\\')
			buf_putc(out, '\\');
		buf_putc(out, *p);
	}
	buf_printf(out, "\"} %" PRIu64 "\n", c->top_n);
}

static void
put_json(const struct check *c, struct buf *out)
{
	static const char *const words[] = { "ok", "warning", "critical" };
	const struct {
		const char *key;
		int64_t value;
	} rows[] = { { "messages", (int64_t)c->messages }, { "recipients", (int64_t)c->recipients },
		{ "held", (int64_t)c->held }, { "unreadable", (int64_t)c->bad },
		{ "oldest_age_seconds", age_of(c->oldest) } };
	struct json j;

	json_init(&j, out);
	json_object_begin(&j);
	json_key(&j, slice_str("state"));
	json_put_str(&j, words[c->state]);
	json_key(&j, slice_str("problem"));
	json_put_str(&j, c->problem);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_key(&j, slice_str(rows[i].key));
		json_put_int(&j, rows[i].value);
	}
	json_key(&j, slice_str("last_run"));
	json_put_time(&j, c->last_run);
	json_key(&j, slice_str("top_reason"));
	json_put_str(&j, c->top_n == 0 ? NULL : c->top);
	json_key(&j, slice_str("top_reason_recipients"));
	json_put_int(&j, (int64_t)c->top_n);
	json_object_end(&j);
	buf_putc(out, '\n');
}

static void
free_value(struct slice key, void *value, void *ctx)
{
	(void)key;
	(void)ctx;
	free(value);
}

int
queue_cannot_tell(struct queue_command *q)
{
	if (q->options->format != QUEUE_FORMAT_NAGIOS)
		return command_fail(&cmd_queue, &q->why);
	printf("MXTLS QUEUE UNKNOWN - %s\n", q->why.text);
	return 3;
}

int
queue_check(struct queue_command *q)
{
	struct check c = { .q = q, .top = "" };
	struct buf out;

	map_init(&c.reasons);
	c.last_run = spool_last_run(&q->spool);
	int rc = queue_scan(&q->spool, NULL, check_one, &c, &q->why);
	map_each(&c.reasons, free_value, NULL);
	map_free(&c.reasons);
	if (rc < 0)
		return queue_cannot_tell(q);
	judge(&c);
	buf_init(&out, 64 * 1024);
	switch (q->options->format) {
	case QUEUE_FORMAT_NAGIOS:
		put_nagios(&c, &out);
		break;
	case QUEUE_FORMAT_PROMETHEUS:
		put_prometheus(&c, &out);
		break;
	case QUEUE_FORMAT_JSON:
		put_json(&c, &out);
		break;
	default:
		put_line(&c, &out);
		buf_putc(&out, '\n');
	}
	fwrite(out.data, 1, out.len, stdout);
	buf_free(&out);
	return q->options->format == QUEUE_FORMAT_PROMETHEUS ? EX_OK : (int)c.state;
}
