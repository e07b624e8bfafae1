#include "send_job.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "app/identity.h"
#include "app/message/envelope.h"
#include "app/queue/refuse.h"
#include "app/queue/system.h"
#include "app/send/maillog.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/sched.h"
#include "io/signals.h"
#include "smtp/address.h"

static void
log_result(struct send_job *job, const char *id, const struct deliver_result *r)
{
	struct maillog_message m = {
		.id = id, .message_id = job->message.message_id, .sender = job->message.sender
	};

	maillog_result(&m, r, job->options->log_format == MAILLOG_JSON);
}

/* Of each recipient of our message; a report that is sent in its turn has another id. */
static void
note(void *ctx, const struct queue_item *item, const struct deliver_result *r)
{
	struct send_job *job = ctx;

	if (job->stored_id != NULL && strcmp(item->id, job->stored_id) == 0) {
		log_result(job, item->id, r);
	} else {
		struct maillog_message m = { .id = item->id, .sender = item->envelope->sender };
		maillog_result(&m, r, job->options->log_format == MAILLOG_JSON);
	}
}

static enum send_delivery
delivery_of(const struct send_options *options)
{
	if (options->delivery != DELIVERY_AUTO)
		return (enum send_delivery)options->delivery;
	if (options->route.verbose || options->json)
		return DELIVERY_NOW;
	if (options->when == SENDMAIL_NOW)
		return DELIVERY_NOW;
	return options->when == SENDMAIL_QUEUE_ONLY ? DELIVERY_QUEUE : DELIVERY_BACKGROUND;
}

static enum send_delivery
delivery(const struct send_job *job)
{
	return job->keep_only ? DELIVERY_QUEUE : delivery_of(job->options);
}

/*
 * With a policy that cannot be read nothing is delivered. Programs that call sendmail ask nobody, and do not come again:
 * their messages wait in the queue until the file is mended.
 */
static int
open_route(struct send_job *job, struct route_options *route)
{
	const struct send_options *options = job->options;

	if (route_open(job->route, route, &job->arena, &job->why) == 0)
		return 0;
	if (!options->sendmail || options->no_queue || job->why.code != FAIL_POLICY_FILE)
		return -1;
	struct fail policy = job->why;
	route->store_only = route->no_policy = job->keep_only = true;
	if (route_open(job->route, route, &job->arena, &job->why) != 0)
		return -1;
	log_error("%s; what is sent stays in the queue until this is mended", policy.text);
	return 0;
}

static int
set_up(struct send_job *job)
{
	const struct send_options *options = job->options;
	struct route_options route = options->route;

	if (job->route == NULL) {
		job->route = &job->own_route;
		route.store_only = !options->no_queue && delivery_of(options) == DELIVERY_QUEUE;
		if (system_enter(options->queue, true, &job->why) != 0 ||
		    open_route(job, &route) != 0)
			return -1;
	}
	if (options->no_queue)
		return 0;
	if (job->spool == NULL) {
		if (route_spool(&job->own_spool, options->queue, &job->arena, &job->why) != 0)
			return -1;
		job->spool = &job->own_spool;
		job->spool->bounds = options->bounds;
	}
	route_work(&job->work, job->spool, job->route, job->maildomain, &job->arena);
	job->work.note = note;
	job->work.note_ctx = job;
	job->work.no_reports =
	    options->errors == SENDMAIL_ERRORS_TEXT || options->errors == SENDMAIL_ERRORS_QUIET;
	return 0;
}

/* A file that cannot be read: then it is not known who gets the mail. One wrong line is only told. */
static int
load_aliases(struct send_job *job)
{
	const struct aliases *a = &job->aliases;

	if (aliases_load(job->options->route.aliases, &job->aliases, &job->why) != 0)
		return -1;
	job->have_aliases = true;
	for (size_t i = 0; i < a->errors_n; i++)
		log_warn("%s:%u: %s", a->file, a->errors[i].line, a->errors[i].why);
	return 0;
}

/* Who we are, for addresses without a domain and senders of this host. */
static int
set_up_names(struct send_job *job)
{
	const struct send_options *options = job->options;

	job->maildomain =
	    options->maildomain != NULL ? options->maildomain : identity_maildomain(&job->arena);
	if (options->maildomain != NULL &&
	    dns_name_normalize(options->maildomain, &job->arena, &job->why) == NULL)
		return fail_prefix(&job->why, "option --maildomain");
	if (load_aliases(job) != 0)
		return -1;
	if (options->masquerade == NULL)
		return 0;
	if (masquerade_parse(options->masquerade, &job->arena, &job->masquerade, &job->why) != 0)
		return fail_prefix(&job->why, "option --masquerade");
	job->masquerade.always = options->masquerade_always;
	masquerade_names(job->maildomain, &job->arena, &job->masquerade.ours);
	return 0;
}

/* RFC 3461: what was asked for in sendmail's letters, as SMTP writes it. */
static void
set_notifications(struct send_job *job)
{
	const struct send_options *options = job->options;
	struct message *message = &job->message;

	message->ret = options->ret;
	message->envid =
	    options->envid == NULL ? NULL : smtp_xtext(slice_str(options->envid), &message->arena);
	message->require_tls = options->requiretls;
	for (size_t i = 0; i < message->recipient_n; i++)
		message->recipients[i].notify = options->notify;
}

static uid_t
user_of(const struct send_job *job)
{
	return job->owner != NULL ? *job->owner : getuid();
}

static struct message_options
message_options(struct send_job *job)
{
	const struct send_options *options = job->options;

	job->user = user_of(job);
	return (struct message_options){ .recipients_from_header = options->from_headers,
		.ignore_dots = options->ignore_dots,
		.sender = options->sender,
		.login = job->owner == NULL ? NULL : identity_login(*job->owner, &job->arena),
		.time = job->time,
		.full_name = options->full_name,
		.named_by = &job->user,
		.maildomain = job->maildomain,
		.masquerade = &job->masquerade,
		.aliases = &job->aliases,
		.alias_files = options->route.alias_files,
		.alias_programs = options->route.alias_programs,
		.root_to = options->root_to,
		.default_recipient = options->default_recipient,
		.local = &job->route->local,
		.max_bytes = options->max_size };
}

/* Mail that will wait for somebody to say where it goes: nobody looks for it in a queue. */
static void
tell_homeless(const struct send_job *job)
{
	const struct local *local = &job->route->local;

	for (size_t i = 0; local->kind == LOCAL_NONE && i < job->message.recipient_n; i++) {
		const struct message_recipient *r = &job->message.recipients[i];
		if (!r->literal && local_is_domain(NULL, r->domain) &&
		    !aliases_is_value_name(r->local)) {
			log_error("%s: %s", r->original, LOCAL_ADVICE);
			return;
		}
	}
}

int
send_job_read(struct send_job *job, int fd, const struct strs *operands)
{
	struct message_options m = message_options(job);

	m.operands = operands->v;
	m.operand_n = operands->n;
	/* from here on a stop is an end with 75: the temporary file is gone, and nothing was taken over */
	signals_catch(SIGINT);
	signals_catch(SIGTERM);
	if (message_read(fd, &m, &job->message, DEADLINE_NEVER, &job->why) != 0)
		return -1;
	job->have_message = true;
	if (job->owner != NULL) {
		job->message.owned = true;
		job->message.owner = *job->owner;
	}
	if (job->queue_id != NULL)
		memcpy(job->message.queue_id, job->queue_id, QUEUE_ID_BYTES);
	set_notifications(job);
	tell_homeless(job);
	for (size_t i = 0; i < job->message.problem_n; i++)
		log_warn("send: %s: %s: not sent there", job->message.problems[i].text,
		    job->message.problems[i].why);
	return 0;
}

static void
deliver_main(void *arg)
{
	struct send_job *job = arg;

	/* nothing is stored: what is under way gets a moment to come to its end */
	signals_stop_on(5000);
	deliver(&job->route->deliver, &job->message, job->results, &job->arena, job->deadline);
}

/* A line a recipient: deliveries on stdout unless quiet, failures on stderr; JSON all on stdout. */
static void
report(const struct send_job *job)
{
	struct buf line;

	buf_init(&line, 64 * 1024);
	for (size_t i = 0; i < job->message.recipient_n; i++) {
		const struct deliver_result *r = &job->results[i];
		buf_reset(&line);
		if (job->options->json) {
			deliver_result_json(r, &line);
			printf("%s\n", buf_str(&line));
			continue;
		}
		deliver_result_text(r, &line);
		if (r->status == DELIVER_DEFERRED && job->stored_id != NULL) {
			if (job->options->quiet)
				continue; /* it is ours now, and will be tried again */
			buf_printf(&line, "; kept in the queue as %s", job->stored_id);
		}
		if (r->status != DELIVER_DONE)
			fprintf(stderr, "mxtls %s: %s\n", job->self->name, buf_str(&line));
		else if (!job->options->quiet)
			printf("%s\n", buf_str(&line));
	}
	buf_free(&line);
}

/* Straight through: nothing is stored, and what could not be delivered is the caller's. */
static int
send_now(struct send_job *job)
{
	job->results = arena_alloc(&job->arena, job->message.recipient_n * sizeof(*job->results));
	job->deadline = clock_deadline(job->options->deadline_ms);
	sched_run(deliver_main, job);
	for (size_t i = 0; i < job->message.recipient_n; i++)
		log_result(job, NULL, &job->results[i]);
	report(job);
	return deliver_exit(job->results, job->message.recipient_n);
}

static enum submit_errors
errors_of(const struct send_options *options)
{
	static const enum submit_errors words[] = { SUBMIT_ERRORS_MAIL, SUBMIT_ERRORS_PRINT,
		SUBMIT_ERRORS_MAIL_OK, SUBMIT_ERRORS_PRINT };

	return words[options->errors];
}

/* From here on the message is ours: the status says so (DECISIONS E31). */
static int
act_on_stored(struct send_job *job, struct submit *s)
{
	const struct send_options *options = job->options;
	struct fail why;

	switch (delivery(job)) {
	case DELIVERY_NOW:
		submit_try(s, options->deadline_ms);
		job->results = s->results;
		report(job);
		return submit_exit(s, errors_of(options));
	case DELIVERY_QUEUE:
		break;
	default:
		if (submit_background(s, options->deadline_ms, &why) != 0)
			log_error("%s; the queue's runner will try", why.text);
	}
	if (!options->quiet)
		printf("%s: queued\n", s->item.id);
	return EX_OK;
}

/* Store, try, otherwise keep. */
static int
store_and_try(struct send_job *job)
{
	struct submit s;

	if (submit_store(&s, &job->work, &job->message, &job->why) != 0)
		return command_fail(job->self, &job->why);
	job->stored_id = s.item.id;
	memcpy(job->id, s.item.id, sizeof(job->id));
	if (job->stored != NULL)
		job->stored(job->stored_ctx);
	int status = act_on_stored(job, &s);
	if (delivery(job) != DELIVERY_BACKGROUND && job->owner == NULL)
		submit_warn_no_runner(&s);
	submit_end(&s);
	return status;
}

void
send_job_forget(struct send_job *job)
{
	if (job->have_message)
		message_fini(&job->message);
	job->have_message = false;
	job->stored_id = NULL;
	job->results = NULL;
}

int
send_job_submit(struct send_job *job)
{
	return job->options->no_queue ? send_now(job) : store_and_try(job);
}

void
send_job_close(struct send_job *job)
{
	send_job_forget(job);
	if (job->have_aliases)
		aliases_free(&job->aliases);
	if (job->spool == &job->own_spool)
		spool_close(job->spool);
	if (job->route == &job->own_route)
		route_close(job->route);
	arena_free(&job->arena);
	free(job);
}

struct send_job *
send_job_open(const struct command *self, const struct send_options *options, bool *ok_r)
{
	return send_job_open_in(self, options, NULL, NULL, ok_r);
}

struct send_job *
send_job_open_in(const struct command *self, const struct send_options *options,
    struct route *route, struct spool *spool, bool *ok_r)
{
	struct send_job *job = mem_alloc(sizeof(*job));

	job->self = self;
	job->options = options;
	job->route = route;
	job->spool = spool;
	arena_init(&job->arena);
	*ok_r = set_up_names(job) == 0 && set_up(job) == 0;
	return job;
}

int
send_message(
    const struct command *self, const struct send_options *options, const struct strs *operands)
{
	int status;
	bool ok;

	if (operands->n == 0 && !options->from_headers)
		return command_usage_error(self, "no recipient: expected addresses, or -t");
	struct send_job *job = send_job_open(self, options, &ok);
	if (!ok || send_job_read(job, STDIN_FILENO, operands) != 0)
		status = command_fail(self, &job->why);
	else
		status = send_job_submit(job);
	send_job_close(job);
	return status;
}

int
send_job_recipients(
    struct send_job *job, const char *given, struct message *message_r, struct fail *why)
{
	struct message_options m = message_options(job);
	struct header none = { NULL, 0 };

	*message_r = (struct message){ .recipient_n = 0 };
	arena_init(&message_r->arena);
	char *operand = arena_strdup(&message_r->arena, given);
	m.recipients_from_header = false;
	m.operands = &operand;
	m.operand_n = 1;
	return envelope_recipients(&m, &none, message_r, why);
}

/* For the report: whom it was meant for, as far as that can be told. */
static const char *
refused_recipient(const struct strs *operands, struct arena *arena)
{
	char *text = arena_strndup(arena, operands->n > 0 ? operands->v[0] : "", 200);

	for (char *c = text; *c != '\0'; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	return text[0] != '\0' ? text : "undisclosed-recipients";
}

int
send_job_refuse(struct send_job *job, const struct strs *operands, int fd, const struct fail *why,
    struct fail *failed)
{
	struct message_options options = message_options(job);
	const char *domain = envelope_domain(&options, &job->arena);
	struct queue_rcpt rcpt = { .address = refused_recipient(operands, &job->arena) };
	struct queue_envelope e = { .rcpts = &rcpt, .rcpts_n = 1, .time = job->time };
	struct message message = { .recipient_n = 0 };

	arena_init(&message.arena);
	if (envelope_sender(&options, domain, &message, NULL) != 0) {
		options.sender = NULL;
		if (envelope_sender(&options, domain, &message, failed) != 0)
			return -1;
	}
	e.sender = message.sender;
	if (job->owner != NULL) {
		e.owned = true;
		e.uid = *job->owner;
	}
	if (job->queue_id != NULL)
		memcpy(e.id, job->queue_id, sizeof(e.id));
	int rc = queue_refuse(&job->work, &e, fd, why, failed);
	arena_free(&message.arena);
	return rc;
}
