#include "queue.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "app/queue/incoming.h"
#include "app/queue/run.h"
#include "app/queue/system.h"
#include "app/queue/wake.h"
#include "app/send/maillog.h"
#include "app/send/tlsrpt_store.h"
#include "app/store/places.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/sched.h"
#include "io/signals.h"
#include "queue_intake.h"

#define CALLED_AGAIN_MS 10000

static const struct opt_word formats[] = { { "text", QUEUE_FORMAT_TEXT },
	{ "json", QUEUE_FORMAT_JSON }, { "nagios", QUEUE_FORMAT_NAGIOS },
	{ "prometheus", QUEUE_FORMAT_PROMETHEUS }, { NULL, 0 } };

#define ROW(kind, member, ...) OPT_ROW(kind, struct queue_options, member, __VA_ARGS__)
static const struct opt queue_opts[] = {
	OPT_GROUP("Queue"),
	ROW(STR, queue, "queue", 0, "DIR", "the queue (default: ~/.local/state/mxtls/queue)"),
	ROW(FLAG, all, "all", 0, NULL,
	    "run: also what is not due yet; hold, release, remove: every message",
	    .not_in_file = true),
	ROW(STR, from, "from", 0, "TEXT", "only messages whose sender has TEXT in it",
	    .not_in_file = true),
	ROW(STR, to, "to", 0, "TEXT", "only messages with a recipient that has TEXT in it",
	    .not_in_file = true),
	ROW(DURATION, loop_ms, "loop", 0, "TIME", "run: do not end, run again each TIME",
	    .min = 1000),
	ROW(DURATION, lifetime_ms, "lifetime", 0, "TIME", "return what is not delivered after",
	    .min = 1, .initial = "5d"),
	ROW(DURATION, delay_notice_ms, "delay-notice", 0, "TIME",
	    "tell the sender once when a message is older; 0: never", .initial = "4h"),

	ROUTE_OPTS(struct queue_options),
	ROUTE_OPTS_DKIM(struct queue_options),
	ROUTE_OPTS_LOCAL(struct queue_options),

	ROUTE_OPTS_CONNECTION(struct queue_options, "5m"),
	ROW(DURATION, deadline_ms, "deadline", 0, "TIME", "leave a message for now after", .min = 1,
	    .initial = "30m"),
	ROUTE_OPTS_RESOLVER(struct queue_options),

	OPT_GROUP("Configuration and output"),
	ROW(STR, config, "config", 0, "FILE", "settings (default: mxtls.conf of the configuration)",
	    .not_in_file = true),
	ROW(STR, maildomain, "maildomain", 0, "DOMAIN",
	    "domain of MAILER-DAEMON in reports (default: /etc/mailname, or this host's name)"),
	ROW(STR, log, "log", 0, "FILE", "append to this log; syslog is the system's, none is none",
	    .initial = "none"),
	ROW(WORD, log_format, "log-format", 0, "FORMAT", "of the line for each recipient",
	    .words = maillog_formats, .initial = "text"),
	ROW(WORD, format, "format", 0, "FORMAT", "text; json for each action; the others of check",
	    .words = formats, .initial = "text", .not_in_file = true),
	OPT_ROW(SET, struct queue_options, format, "json", 0, NULL, "as --format json",
	    .value = QUEUE_FORMAT_JSON, .not_in_file = true),
	OPT_ROW(SET, struct queue_options, format, "nagios", 0, NULL, "as --format nagios",
	    .value = QUEUE_FORMAT_NAGIOS, .not_in_file = true),
	OPT_ROW(SET, struct queue_options, format, "prometheus", 0, NULL, "as --format prometheus",
	    .value = QUEUE_FORMAT_PROMETHEUS, .not_in_file = true),
	ROW(DURATION, warn_ms, "warn", 0, "TIME", "check: warning when a message is older",
	    .initial = "4h", .not_in_file = true),
	ROW(DURATION, crit_ms, "crit", 0, "TIME", "check: critical when a message is older",
	    .initial = "1d", .not_in_file = true),
	ROW(FLAG, route.verbose, "verbose", 'v', NULL,
	    "tell what becomes of each recipient, and show the SMTP dialogue, on standard error"),
	OPT_TABLE_END,
};

static const char *const usage[] = { "list|run|flush|check [OPTION]... [ID]...",
	"show|hold|release|remove [OPTION]... ID...", NULL };

static const char *const actions[] = { "list", "show", "run", "flush", "hold", "release", "remove",
	"check", NULL };

static const char *const examples[] = {
	"mxtls queue list",
	"What waits, and why.",
	"mxtls queue run --loop 5m",
	"Deliver what is due, every five minutes.",
	"mxtls queue run --all --to example.com",
	"Try everything for example.com now.",
	"mxtls queue check --nagios --warn 1h --crit 6h",
	"For a monitoring system.",
	NULL,
};

bool
queue_is_chosen(const struct queue_command *q, const struct queue_entry *entry)
{
	const struct queue_options *o = q->options;
	bool ids = q->ids_n == 0, rcpts = o->to == NULL;

	if (q->only_owner && (!entry->envelope->owned || entry->envelope->uid != q->owner))
		return false;

	for (size_t i = 0; i < q->ids_n && !ids; i++)
		ids = strcmp(q->ids[i], entry->id) == 0;
	for (size_t i = 0; i < entry->envelope->rcpts_n && !rcpts; i++)
		rcpts = strstr(entry->envelope->rcpts[i].address, o->to) != NULL;
	return ids && rcpts &&
	       (o->from == NULL || strstr(entry->envelope->sender, o->from) != NULL);
}

/* --- run ------------------------------------------------------------------------------------------- */

struct run_job {
	struct queue_command *q;
	struct route route;
	struct queue_run_options run;
	struct intake *intake; /* of system mode, or NULL */
	bool bad_policy; /* the policy has become one that cannot be read: nothing is delivered */
	int status;
};

/* A line for each recipient: in the log, with --json on standard output, with -v on standard error. */
static void
note(void *ctx, const struct queue_item *item, const struct deliver_result *r)
{
	const struct run_job *job = ctx;
	struct maillog_message m = { .id = item->id, .sender = item->envelope->sender };
	struct buf line;

	maillog_result(&m, r, job->q->options->log_format == MAILLOG_JSON);
	buf_init(&line, LIMIT_RECORD_BYTES);
	if (job->q->options->format == QUEUE_FORMAT_JSON) { /* from the process that delivers */
		maillog_json(&m, r, clock_wall(), &line);
		buf_putc(&line, '\n');
		fwrite(line.data, 1, line.len, stdout);
		fflush(stdout);
	}
	if (!job->q->options->route.verbose) {
		buf_free(&line);
		return;
	}
	buf_reset(&line);
	deliver_result_text(r, &line);
	fprintf(stderr, "mxtls queue: %s: %s\n", item->id, buf_str(&line));
	buf_free(&line);
}

static void
use_route(struct run_job *job)
{
	const struct queue_options *o = job->q->options;

	route_work(&job->run.work, &job->q->spool, &job->route, o->maildomain, &job->q->arena);
	job->run.work.lifetime_s = o->lifetime_ms / 1000;
	job->run.work.delay_notice_s = o->delay_notice_ms / 1000;
	job->run.work.note = note;
	job->run.work.note_ctx = job;
}

/*
 * With --loop the policy may have changed. A new one that cannot be read is not taken for the old one, which may have
 * been weaker: all waits until it can (DESIGN 4).
 */
static bool
refresh_policy(struct run_job *job)
{
	struct fail why;
	bool bad = route_reload_policy(&job->route, &job->q->options->route, &why) != 0;

	if (bad && !job->bad_policy)
		log_error("%s; nothing is delivered until this is mended", why.text);
	else if (!bad && job->bad_policy)
		log_warn("the policy can be read again");
	job->bad_policy = bad;
	job->run.work.deliver.rules = job->route.rules;
	return !bad;
}

/* The reports that the pass made go out in the same run. */
static int
one_run(struct run_job *job, struct queue_run *run, struct fail *why)
{
	char start[QUEUE_ID_BYTES];

	queue_id_make(start, clock_wall_us(), 0);
	int rc = queue_run_pass(run, NULL, why);
	if (rc > 0 && job->q->options->loop_ms == 0) {
		queue_run_wait(run);
		if (queue_run_counts(run)->reports > 0 && !sched_stopping()) {
			job->run.ids = (struct strs){ 0 };
			job->run.sender_part = job->run.recipient_part = NULL;
			rc = queue_run_pass(run, start, why);
		}
	}
	return rc;
}

static void
sweep(struct run_job *job)
{
	struct fail why;

	if (spool_sweep(&job->q->spool, &why) < 0)
		log_error("%s", why.text);
	if (job->route.deliver.tlsrpt_dir != NULL &&
	    tlsrpt_store_tidy(job->route.deliver.tlsrpt_dir, clock_wall(), &why) != 0)
		log_error("%s", why.text);
	if (job->q->spool.incoming >= 0)
		incoming_sweep(&job->q->spool);
}

/* --- system mode ------------------------------------------------------------------------------------ */

static bool
set_up_intake(struct run_job *job)
{
	struct queue_command *q = job->q;

	job->intake = intake_new(q, &job->route, job->run.wake, &q->why);
	if (job->intake != NULL)
		return true;
	job->status = command_fail(&cmd_queue, &q->why);
	return false;
}

/* What came in, tried at once. */
static void
take_in(struct run_job *job, struct queue_run *run, bool run_it)
{
	char after[QUEUE_ID_BYTES];
	struct fail why;

	if (intake_take(job->intake, after, &why) != 0 && why.code != FAIL_CANCELLED)
		log_error("%s", why.text);
	if (run_it && !job->bad_policy && after[0] != '\0' &&
	    queue_run_pass(run, after, &why) < 0 && why.code != FAIL_CANCELLED)
		log_error("%s", why.text);
}

#define PAUSE_MS 20
#define PAUSE_FACTOR 3

/*
 * Between two passes: until the next is due, or somebody says that there is something. Before that a pause of
 * some times what the last one took, since each looks at the whole queue, beside the children who deliver it.
 * What comes in meanwhile is tried by itself.
 */
static bool
wait_for_turn(struct run_job *job, struct queue_run *run, int64_t began, int64_t next)
{
	int64_t now = clock_ms(), spent = PAUSE_FACTOR * (now - began);
	int64_t pause = spent > PAUSE_MS ? spent : PAUSE_MS;
	struct fail why;

	for (;;) {
		int wake = job->run.wake;
		if (queue_run_wants_more(run) && now + CALLED_AGAIN_MS < next)
			next = now + CALLED_AGAIN_MS;
		if ((wake < 0 ? io_sleep(next, &why) : io_wait(wake, IO_READ, next, &why)) != 0)
			return why.code == FAIL_TIMEOUT;
		if (wake < 0)
			return true;
		unsigned calls = spool_wake_take(wake);
		if ((calls & SPOOL_WAKE_INCOMING) != 0 && job->intake != NULL)
			take_in(job, run, true);
		if ((calls & SPOOL_WAKE_QUEUE) != 0 && now + pause < next)
			next = now + pause;
		/* any user may ask for a run: not more often than that */
		if ((calls & SPOOL_WAKE_ASKED) != 0 && now + CALLED_AGAIN_MS < next)
			next = now + CALLED_AGAIN_MS;
	}
}

static void
run_main(void *arg)
{
	struct run_job *job = arg;
	struct queue_command *q = job->q;
	struct queue_run *run;
	int64_t next = clock_ms(), began;
	int rc;

	signals_stop_on(0);
	run = queue_run_new(&job->run, &q->why);
	if (run == NULL) {
		job->status = command_fail(&cmd_queue, &q->why);
		return;
	}
	if (q->options->loop_ms > 0 && (job->run.wake = spool_wake_open(&q->spool, &q->why)) < 0)
		log_warn("%s", q->why.text);
	bool ok = q->spool.incoming < 0 || set_up_intake(job), first = true;
	while (ok) {
		began = clock_ms();
		bool ready = first || refresh_policy(job);
		first = false;
		sweep(job);
		if (job->intake != NULL)
			take_in(job, run, false);
		if (job->intake != NULL && q->options->loop_ms == 0)
			intake_join(job->intake);
		rc = ready ? one_run(job, run, &q->why) : 0;
		if (rc < 0 && q->why.code != FAIL_CANCELLED)
			job->status = command_fail(&cmd_queue, &q->why);
		if (next <= clock_ms())
			next = clock_deadline(q->options->loop_ms);
		ok = q->options->loop_ms > 0 && wait_for_turn(job, run, began, next);
	}
	if (job->intake != NULL) {
		intake_join(job->intake);
		intake_free(job->intake);
	}
	queue_run_wait(run);
	if (queue_run_counts(run)->errors > 0 && job->status == EX_OK)
		job->status = EX_IOERR;
	queue_run_free(run);
	if (job->run.wake >= 0)
		close(job->run.wake);
}

static int
queue_run(struct queue_command *q)
{
	struct run_job *job = mem_alloc(sizeof(*job));

	memset(job, 0, sizeof(*job));
	job->q = q;
	job->run.wake = -1;
	if (route_open(&job->route, &job->q->options->route, &q->arena, &q->why) != 0) {
		free(job);
		return command_fail(&cmd_queue, &q->why);
	}
	use_route(job);
	job->run.all = q->options->all;
	job->run.attempt_ms = q->options->deadline_ms;
	job->run.sender_part = q->options->from;
	job->run.recipient_part = q->options->to;
	for (size_t i = 0; i < q->ids_n; i++)
		strs_add(&job->run.ids, &q->arena, q->ids[i]);
	sched_run(run_main, job);
	int status = job->status;
	int signo = signals_stop_seen();
	route_close(&job->route);
	free(job);
	return signo != 0 && q->options->loop_ms == 0 ? 128 + signo : status;
}

/* --- hold, release, remove -------------------------------------------------------------------------- */

enum change { CHANGE_HOLD, CHANGE_RELEASE, CHANGE_REMOVE };

struct change_job {
	struct queue_command *q;
	enum change change;
	size_t done;
	int status;
};

static int
change_item(enum change change, struct queue_item *item, struct fail *why)
{
	struct queue_event e = { .kind = change == CHANGE_HOLD ? 'H' : 'R', .time = clock_wall() };
	int rc;

	if (change == CHANGE_REMOVE) {
		rc = queue_item_lock_all(item, why);
		if (rc == 0)
			return fail_set(why, FAIL_TIMEOUT,
			    "queue file %s: being delivered now; not removed", item->id);
		return rc < 0 ? -1 : queue_item_end(item, why);
	}
	if (queue_item_finish_lock(item, why) != 0)
		return -1;
	rc = item->journal.held == (change == CHANGE_HOLD) ? 0
							   : queue_item_append(item, &e, true, why);
	queue_item_finish_unlock(item);
	return rc;
}

/* --json: what was done to a message; why: it was not. */
static void
tell_changed(const struct change_job *job, const char *id, const struct fail *why)
{
	static const char *const words[] = { "hold", "release", "remove" };
	struct buf line;
	struct json j;

	if (job->q->options->format != QUEUE_FORMAT_JSON)
		return;
	buf_init(&line, LIMIT_RECORD_BYTES);
	json_init(&j, &line);
	json_object_begin(&j);
	json_key(&j, slice_str("id"));
	json_put_str(&j, id);
	json_key(&j, slice_str("action"));
	json_put_str(&j, words[job->change]);
	json_key(&j, slice_str("error"));
	json_put_str(&j, why == NULL ? NULL : why->text);
	json_object_end(&j);
	printf("%s\n", buf_str(&line));
	buf_free(&line);
}

static int
change_one(void *ctx, const struct queue_entry *entry)
{
	struct change_job *job = ctx;
	struct queue_item item;
	struct fail why;

	if (!queue_is_chosen(job->q, entry))
		return 0;
	job->done++;
	if (queue_item_open(&item, &job->q->spool, entry->id, &why) == 0) {
		int rc = change_item(job->change, &item, &why);
		queue_item_close(&item);
		if (rc == 0) {
			tell_changed(job, entry->id, NULL);
			return 0;
		}
	}
	tell_changed(job, entry->id, &why);
	if (why.code != FAIL_NO_INPUT)
		job->status = command_fail(&cmd_queue, &why);
	return 0;
}

static int
no_such_message(const char *id)
{
	struct fail why;

	fail_set(&why, FAIL_NO_INPUT, "no message \"%.40s\" in the queue", id);
	return command_fail(&cmd_queue, &why);
}

static int
queue_change(struct queue_command *q, enum change change)
{
	struct change_job job = { .q = q, .change = change };
	const struct queue_options *o = q->options;

	if (q->ids_n == 0 && !o->all && o->from == NULL && o->to == NULL)
		return command_usage_error(
		    &cmd_queue, "which messages? Expected an ID, --from, --to or --all");
	for (size_t i = 0; i < q->ids_n; i++) {
		if (queue_id_valid(slice_str(q->ids[i])) &&
		    queue_scan_one(&q->spool, q->ids[i], change_one, &job) > 0)
			continue;
		job.status = no_such_message(q->ids[i]);
	}
	if (q->ids_n == 0 && queue_scan(&q->spool, NULL, change_one, &job, &q->why) != 0)
		job.status = command_fail(&cmd_queue, &q->why);
	spool_flush(&q->spool, true);
	if (o->format == QUEUE_FORMAT_TEXT && (job.done != q->ids_n || q->ids_n == 0))
		printf("%zu messages\n", job.done);
	return job.status;
}

static int
queue_hold(struct queue_command *q)
{
	return queue_change(q, CHANGE_HOLD);
}

static int
queue_release(struct queue_command *q)
{
	return queue_change(q, CHANGE_RELEASE);
}

static int
queue_remove(struct queue_command *q)
{
	return queue_change(q, CHANGE_REMOVE);
}

/* --- which ------------------------------------------------------------------------------------------ */

static int
which(const char *word)
{
	for (int i = 0; actions[i] != NULL; i++)
		if (strcmp(word, actions[i]) == 0)
			return i;
	return -1;
}

/* The policy tells by whom a recipient's mail goes: only for reasons, so a broken one does no harm here. */
static void
load_reasons(struct queue_command *q)
{
	const char *path = q->options->route.policy;
	struct fail why;

	if (path == NULL)
		path = places_config("policy", &q->arena);
	q->rules = path == NULL ? rules_default() : rules_load(path, &why);
	q->deliver.rules = q->rules;
	if (q->options->route.via != NULL &&
	    rule_via_parse(slice_str(q->options->route.via), &q->arena, &q->via, &why) == 0)
		q->deliver.via = &q->via;
}

void
queue_reason_of(struct queue_command *q, const struct queue_entry *entry, size_t rcpt,
    struct queue_dest *space, struct queue_reason *reason_r)
{
	const struct queue_progress *r = &entry->journal->rcpts[rcpt];
	const char *at = strrchr(entry->envelope->rcpts[rcpt].address, '@');
	char name[QUEUE_DEST_BYTES];

	*reason_r = (struct queue_reason){ .text = r->text, .next = r->next, .tries = r->tries };
	if (r->state != QUEUE_RCPT_PENDING || q->rules == NULL || at == NULL)
		return;
	queue_dest_name(&q->deliver, at + 1, name);
	queue_dest_read(&q->spool, name, space);
	if (space->tries == 0)
		return;
	if (space->next > reason_r->next)
		reason_r->next = space->next;
	if (r->text[0] == '\0')
		reason_r->text = space->text;
}

static int
queue_command_run(const void *arg, const struct strs *operands)
{
	static int (*const run[])(struct queue_command *) = { queue_list, queue_show, queue_run,
		queue_run, queue_hold, queue_release, queue_remove, queue_check };
	const struct queue_options *options = arg;
	struct queue_command q = { .options = options };

	int action = operands->n == 0 ? 0 : which(operands->v[0]);
	if (operands->n == 0)
		return command_usage_error(&cmd_queue,
		    "no action: expected list, show, run, flush, hold, release, remove or check");
	if (action < 0)
		return command_usage_error(&cmd_queue,
		    "unknown action \"%.40s\": expected list, show, run, flush, hold, release, "
		    "remove "
		    "or check",
		    operands->v[0]);
	if (options->format > QUEUE_FORMAT_JSON && run[action] != queue_check)
		return command_usage_error(
		    &cmd_queue, "formats nagios and prometheus are of check only");
	q.ids = operands->v + 1;
	q.ids_n = operands->n - 1;
	for (size_t i = 0; i < q.ids_n; i++)
		if (!queue_id_valid(slice_str(q.ids[i])))
			return command_usage_error(
			    &cmd_queue, "\"%.40s\" is not a queue id", q.ids[i]);
	arena_init(&q.arena);
	int status = EX_OK;
	if (log_open(options->log, "mxtls") != 0) {
		fail_errno(&q.why, FAIL_CONFIG, "log %s", options->log);
		status = command_fail(&cmd_queue, &q.why);
	} else if (system_enter(options->queue, run[action] == queue_run, &q.why) != 0 ||
		   route_spool(&q.spool, options->queue, &q.arena, &q.why) != 0) {
		status = run[action] == queue_check ? queue_cannot_tell(&q)
						    : command_fail(&cmd_queue, &q.why);
	} else {
		load_reasons(&q);
		status = run[action](&q);
		rules_free(q.rules);
		spool_close(&q.spool);
	}
	arena_free(&q.arena);
	return status;
}

const struct command cmd_queue = {
	.name = "queue",
	.summary = "look at the queue, deliver from it, change it",
	.usage = usage,
	.description =
	    "The queue keeps what mxtls send could not deliver at once. run delivers what is due "
	    "(flush is another word for it); cron or a timer calls it, or --loop does. list, "
	    "show and check tell what waits and why.",
	.opts = queue_opts,
	.options_size = sizeof(struct queue_options),
	.config = true,
	.order = OPT_ANYWHERE,
	.operand_words = actions,
	.examples = examples,
	.run = queue_command_run,
};
