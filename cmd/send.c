#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "app/alias.h"
#include "app/deliver.h"
#include "app/envelope.h"
#include "app/identity.h"
#include "app/maillog.h"
#include "app/masquerade.h"
#include "app/submit.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "command.h"
#include "io/sched.h"
#include "io/signals.h"
#include "route.h"
#include "send.h"
#include "smtp/address.h"

static const struct opt_word deliveries[] = { { "auto", DELIVERY_AUTO }, { "now", DELIVERY_NOW },
	{ "background", DELIVERY_BACKGROUND }, { "queue", DELIVERY_QUEUE }, { NULL, 0 } };

#define ROW(kind, member, ...) OPT_ROW(kind, struct send_options, member, __VA_ARGS__)
static const struct opt send_opts[] = {
	OPT_GROUP("Message"),
	ROW(FLAG, from_headers, "from-headers", 't', NULL,
	    "take recipients from To, Cc and Bcc, too"),
	ROW(FLAG, ignore_dots, "ignore-dots", 'i', NULL,
	    "a line of one dot is text, not the end of the message"),
	ROW(STR, sender, "from", 'f', "SENDER", "envelope sender; '' is the null sender",
	    .empty_ok = true),
	ROW(STR, full_name, "full-name", 'F', "NAME",
	    "name in the From field, where the message has none"),
	ROW(STR, maildomain, "maildomain", 0, "DOMAIN",
	    "domain of addresses without one (default: /etc/mailname, or this host's name)"),
	ROW(STR, masquerade, "masquerade", 0, "ADDRESS",
	    "replaces senders at this host, in the envelope and in From; @DOMAIN or a whole "
	    "address"),
	ROW(FLAG, masquerade_always, "masquerade-always", 0, NULL,
	    "replace every sender, whatever -f and From say"),
	ROW(SIZE, max_size, "max-size", 0, "SIZE", "refuse messages that are bigger", .min = 1,
	    .max = LIMIT_SUBMIT_BYTES, .initial = "100M"),

	OPT_GROUP("Users of this host"),
	ROW(STR, aliases, "aliases", 0, "FILE", "who gets whose mail", .initial = "/etc/aliases"),
	ROW(FLAG, alias_files, "alias-files", 0, NULL,
	    "lists in other files (:include:) count in an alias file that only root may write to"),
	ROW(STR, root_to, "root-to", 0, "ADDRESS", "gets root's mail, where no alias does"),
	ROW(STR, default_recipient, "default-recipient", 0, "ADDRESS",
	    "gets the mail of users that have neither alias nor mailbox"),
	ROW(STR, local, "local", 0, "WHERE",
	    "users' mailboxes: mbox[:DIR], maildir[:DIR], lmtp:unix:PATH or lmtp:ADDRESS:PORT"),
	ROW(STRS, local_domains, "local-domain", 0, "DOMAIN",
	    "mail to it is for users, as that to localhost and this host's name"),

	OPT_GROUP("Route and policy"),
	ROW(STR, policy, "policy", 0, "FILE", "TLS policy (default: that of the configuration)"),
	ROW(STR, via, "via", 0, "HOST:PORT",
	    "hand all mail to this smarthost; [HOST] looks up no MX"),
	ROW(STR, auth, "auth", 0, "FILE",
	    "log in there with the credentials in FILE, once the server has proved who it is"),
	ROW(INT, port, "port", 0, "PORT", "TCP port of MX hosts", .min = 1, .max = 65535,
	    .initial = "25"),
	ROW(STR, ca_file, "ca-file", 0, "FILE", "trust the root certificates in FILE (PEM)"),
	ROW(STR, ca_dir, "ca-dir", 0, "DIR", "trust the root certificates in DIR (hashed names)"),

	OPT_GROUP("Queue"),
	ROW(WORD, delivery, "delivery", 0, "WHEN",
	    "when to try for the first time; auto: in the background, with -v or --json now",
	    .words = deliveries, .initial = "auto"),
	ROW(STR, queue, "queue", 0, "DIR", "the queue (default: ~/.local/state/mxtls/queue)"),
	ROW(FLAG, no_queue, "no-queue", 0, NULL,
	    "try now and keep nothing: status 75 for what may work later"),

	OPT_GROUP("Connections"),
	ROW(STR, helo, "helo", 0, "NAME", "name to greet with (default: this host's full name)"),
	ROW(DURATION, timeout_ms, "timeout", 0, "TIME", "wait for one reply at most", .min = 1,
	    .initial = "5m"),
	ROW(DURATION, deadline_ms, "deadline", 0, "TIME", "give up for now after", .min = 1,
	    .initial = "30m"),
	ROW(STRS, resolvers, "resolver", 0, "ADDRESS[:PORT]",
	    "ask this resolver (default: those of /etc/resolv.conf)"),
	ROW(FLAG, trust_ad, "trust-ad", 0, NULL,
	    "believe the resolver that it validated DNSSEC, although it is not on this host"),

	OPT_GROUP("Configuration and output"),
	ROW(STR, config, "config", 0, "FILE", "settings (default: mxtls.conf of the configuration)",
	    .not_in_file = true),
	ROW(STR, log, "log", 0, "FILE", "append to this log; syslog is the system's, none is none",
	    .initial = "none"),
	ROW(WORD, log_format, "log-format", 0, "FORMAT", "of the line for each recipient",
	    .words = maillog_formats, .initial = "text"),
	ROW(FLAG, json, "json", 0, NULL, "one JSON object a recipient on standard output"),
	ROW(FLAG, quiet, "quiet", 0, NULL, "say nothing of recipients that got the message"),
	ROW(FLAG, verbose, "verbose", 'v', NULL, "show the SMTP dialogue on standard error"),
	OPT_TABLE_END,
};

static const char *const usage[] = { "[OPTION]... RECIPIENT... < MESSAGE",
	"-t [OPTION]... [RECIPIENT]... < MESSAGE", NULL };

static const char *const examples[] = {
	"mxtls send -f me@example.org you@example.com < message",
	"Straight to the MX hosts of example.com.",
	"mxtls send -t -i --policy policy < message",
	"Recipients from the header, TLS by a policy file.",
	"mxtls send --via '[smtp.example.org]:587' you@example.com < message",
	"By a smarthost.",
	NULL,
};

/* Everything that one run needs and must give back. */
struct job {
	const struct command *self;
	const struct send_options *options;
	struct arena arena;
	const char *maildomain;
	struct masquerade masquerade;
	struct aliases aliases;
	bool have_aliases;
	struct message message;
	bool have_message;
	struct route route;
	struct spool spool;
	bool have_spool;
	struct queue_work work;
	const char *stored_id; /* in the queue; NULL: not stored */
	struct deliver_result *results;
	int64_t deadline;
	struct fail why;
};

static void
log_result(struct job *job, const char *id, const struct deliver_result *r)
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
	struct job *job = ctx;

	if (job->stored_id != NULL && strcmp(item->id, job->stored_id) == 0) {
		log_result(job, item->id, r);
	} else {
		struct maillog_message m = { .id = item->id, .sender = item->envelope->sender };
		maillog_result(&m, r, job->options->log_format == MAILLOG_JSON);
	}
}

static int
set_up(struct job *job)
{
	const struct send_options *options = job->options;
	struct route_options r = { .policy = options->policy,
		.local = options->local,
		.local_domains = options->local_domains,
		.via = options->via,
		.auth = options->auth,
		.helo = options->helo,
		.ca_file = options->ca_file,
		.ca_dir = options->ca_dir,
		.resolvers = options->resolvers,
		.port = options->port,
		.timeout_ms = options->timeout_ms,
		.trust_ad = options->trust_ad,
		.verbose = options->verbose };

	if (route_open(&job->route, &r, &job->arena, &job->why) != 0)
		return -1;
	if (options->no_queue)
		return 0;
	if (route_spool(&job->spool, options->queue, &job->arena, &job->why) != 0)
		return -1;
	job->have_spool = true;
	route_work(&job->work, &job->spool, &job->route, job->maildomain, &job->arena);
	job->work.note = note;
	job->work.note_ctx = job;
	job->work.no_reports =
	    options->errors == SENDMAIL_ERRORS_TEXT || options->errors == SENDMAIL_ERRORS_QUIET;
	return 0;
}

/* A file that cannot be read: then it is not known who gets the mail. One wrong line is only told. */
static int
load_aliases(struct job *job)
{
	const struct aliases *a = &job->aliases;

	if (aliases_load(job->options->aliases, &job->aliases, &job->why) != 0)
		return -1;
	job->have_aliases = true;
	for (size_t i = 0; i < a->errors_n; i++)
		log_warn("%s:%u: %s", a->file, a->errors[i].line, a->errors[i].why);
	return 0;
}

/* Who we are, for addresses without a domain and senders of this host. */
static int
set_up_names(struct job *job)
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
set_notifications(struct job *job)
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

static struct message_options
message_options(struct job *job)
{
	const struct send_options *options = job->options;

	return (struct message_options){ .recipients_from_header = options->from_headers,
		.ignore_dots = options->ignore_dots,
		.sender = options->sender,
		.full_name = options->full_name != NULL ? options->full_name
							: identity_full_name(&job->arena),
		.maildomain = job->maildomain,
		.masquerade = &job->masquerade,
		.aliases = &job->aliases,
		.alias_files = options->alias_files,
		.root_to = options->root_to,
		.default_recipient = options->default_recipient,
		.local = &job->route.local,
		.max_bytes = options->max_size };
}

/* Mail that will wait for somebody to say where it goes: nobody looks for it in a queue. */
static void
tell_homeless(const struct job *job)
{
	const struct local *local = &job->route.local;

	for (size_t i = 0; local->kind == LOCAL_NONE && i < job->message.recipient_n; i++) {
		const struct message_recipient *r = &job->message.recipients[i];
		if (!r->literal && local_is_domain(NULL, r->domain)) {
			log_error("%s: %s", r->original, LOCAL_ADVICE);
			return;
		}
	}
}

static int
read_message(struct job *job, const struct strs *operands)
{
	struct message_options m = message_options(job);

	m.operands = operands->v;
	m.operand_n = operands->n;
	/* from here on a stop is an end with 75: the temporary file is gone, and nothing was taken over */
	signals_catch(SIGINT);
	signals_catch(SIGTERM);
	if (message_read(STDIN_FILENO, &m, &job->message, DEADLINE_NEVER, &job->why) != 0)
		return -1;
	job->have_message = true;
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
	struct job *job = arg;

	/* nothing is stored: what is under way gets a moment to come to its end */
	signals_stop_on(5000);
	deliver(&job->route.deliver, &job->message, job->results, &job->arena, job->deadline);
}

/* A line a recipient: deliveries on stdout unless quiet, failures on stderr; JSON all on stdout. */
static void
report(const struct job *job)
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
send_now(struct job *job)
{
	job->results = arena_alloc(&job->arena, job->message.recipient_n * sizeof(*job->results));
	job->deadline = clock_deadline(job->options->deadline_ms);
	sched_run(deliver_main, job);
	for (size_t i = 0; i < job->message.recipient_n; i++)
		log_result(job, NULL, &job->results[i]);
	report(job);
	return deliver_exit(job->results, job->message.recipient_n);
}

static enum send_delivery
delivery_of(const struct send_options *options)
{
	if (options->delivery != DELIVERY_AUTO)
		return (enum send_delivery)options->delivery;
	if (options->verbose || options->json)
		return DELIVERY_NOW;
	if (options->when == SENDMAIL_NOW)
		return DELIVERY_NOW;
	return options->when == SENDMAIL_QUEUE_ONLY ? DELIVERY_QUEUE : DELIVERY_BACKGROUND;
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
act_on_stored(struct job *job, struct submit *s)
{
	const struct send_options *options = job->options;
	struct fail why;

	switch (delivery_of(options)) {
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
store_and_try(struct job *job)
{
	struct submit s;

	if (submit_store(&s, &job->work, &job->message, &job->why) != 0)
		return command_fail(job->self, &job->why);
	job->stored_id = s.item.id;
	int status = act_on_stored(job, &s);
	if (delivery_of(job->options) != DELIVERY_BACKGROUND)
		submit_warn_no_runner(&s);
	submit_end(&s);
	return status;
}

static void
job_close(struct job *job)
{
	if (job->have_message)
		message_fini(&job->message);
	if (job->have_aliases)
		aliases_free(&job->aliases);
	if (job->have_spool)
		spool_close(&job->spool);
	route_close(&job->route);
	arena_free(&job->arena);
	free(job);
}

int
send_message(
    const struct command *self, const struct send_options *options, const struct strs *operands)
{
	struct job *job;
	int status;

	if (operands->n == 0 && !options->from_headers)
		return command_usage_error(self, "no recipient: expected addresses, or -t");
	job = mem_alloc(sizeof(*job));
	job->self = self;
	job->options = options;
	arena_init(&job->arena);
	/* the policy and the route are looked at before the message is read: their errors cost nothing */
	if (set_up_names(job) != 0 || set_up(job) != 0 || read_message(job, operands) != 0)
		status = command_fail(self, &job->why);
	else
		status = options->no_queue ? send_now(job) : store_and_try(job);
	job_close(job);
	return status;
}

/* Everything of one address: who would get the mail, or why nobody. */
static int
verify(struct job *job, const char *given)
{
	struct message_options m = message_options(job);
	struct header none = { NULL, 0 };
	struct message message = { .recipient_n = 0 };
	char *operand = arena_strdup(&job->arena, given);

	arena_init(&message.arena);
	m.recipients_from_header = false;
	m.operands = &operand;
	m.operand_n = 1;
	int rc = envelope_recipients(&m, &none, &message, &job->why);
	if (rc == 0) {
		printf("%s:", given);
		for (size_t i = 0; i < message.recipient_n; i++)
			printf("%s%s", i > 0 ? ", " : " ", message.recipients[i].mailbox);
		printf("\n");
	} else {
		command_fail(job->self, &job->why);
	}
	arena_free(&message.arena);
	return rc;
}

int
send_verify(
    const struct command *self, const struct send_options *options, const struct strs *operands)
{
	struct job *job = mem_alloc(sizeof(*job));
	int status = EX_OK;

	job->self = self;
	job->options = options;
	arena_init(&job->arena);
	if (set_up_names(job) != 0 || set_up(job) != 0)
		status = command_fail(self, &job->why);
	for (size_t i = 0; status != EX_CONFIG && i < operands->n; i++)
		if (verify(job, operands->v[i]) != 0)
			status = fail_info(job->why.code)->exit_status;
	job_close(job);
	return status;
}

static int
send_run(const void *arg, const struct strs *operands)
{
	const struct send_options *options = arg;

	if (log_open(options->log, "mxtls") != 0) {
		struct fail why;
		fail_errno(&why, FAIL_CONFIG, "log %s", options->log);
		return command_fail(&cmd_send, &why);
	}
	return send_message(&cmd_send, options, operands);
}

const struct command cmd_send = {
	.name = "send",
	.summary = "deliver a message by a TLS policy for each destination",
	.usage = usage,
	.description =
	    "Read a message from standard input and deliver it to the MX hosts of each recipient, "
	    "or to a smarthost, with the TLS that the policy asks for. Options stand before the "
	    "first recipient.",
	.opts = send_opts,
	.options_size = sizeof(struct send_options),
	.status_stands = true,
	.config = true,
	.order = OPT_FIRST, /* other programs put strangers' addresses behind the options */
	.examples = examples,
	.run = send_run,
};
