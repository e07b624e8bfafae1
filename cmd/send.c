#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/deliver.h"
#include "app/identity.h"
#include "app/masquerade.h"
#include "app/places.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "command.h"
#include "io/sched.h"
#include "io/signals.h"
#include "net/helo.h"
#include "policy/mx.h"
#include "send.h"
#include "smtp/address.h"
#include "tls/verify.h"

static const struct opt_word log_formats[] = { { "text", LOG_FORMAT_TEXT },
	{ "json", LOG_FORMAT_JSON }, { NULL, 0 } };

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

	OPT_GROUP("Route and policy"),
	ROW(STR, policy, "policy", 0, "FILE", "TLS policy (default: that of the configuration)"),
	ROW(STR, via, "via", 0, "HOST:PORT",
	    "hand all mail to this smarthost; [HOST] looks up no MX"),
	ROW(INT, port, "port", 0, "PORT", "TCP port of MX hosts", .min = 1, .max = 65535,
	    .initial = "25"),
	ROW(STR, ca_file, "ca-file", 0, "FILE", "trust the root certificates in FILE (PEM)"),
	ROW(STR, ca_dir, "ca-dir", 0, "DIR", "trust the root certificates in DIR (hashed names)"),

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
	    .words = log_formats, .initial = "text"),
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
	struct message message;
	bool have_message;
	struct rules *rules;
	struct rule via;
	struct deliver_options deliver;
	struct deliver_result *results;
	int64_t deadline;
	struct fail why;
};

/* The policy: a file that is named or lies where it belongs; any error in it and nothing is sent. */
static int
load_policy(struct job *job)
{
	const char *path = job->options->policy;

	if (path == NULL)
		path = places_config("policy", &job->arena);
	job->rules = path == NULL ? rules_default() : rules_load(path, &job->why);
	return job->rules == NULL ? -1 : 0;
}

static bool
is_address(const struct rule *via)
{
	struct addr a;

	return via->via_brackets && addr_parse_ip(slice_str(via->via_host), 0, &a);
}

/* Certificates that were named must be there, whether this message needs them or not. */
static int
check_trust(const struct send_options *options, struct fail *why)
{
	if (options->ca_file == NULL && options->ca_dir == NULL)
		return 0;
	struct tls_trust *trust = tls_trust_new(options->ca_file, options->ca_dir, why);
	if (trust == NULL)
		return -1;
	tls_trust_free(trust);
	return 0;
}

static int
set_up_route(struct job *job)
{
	const struct send_options *options = job->options;
	struct deliver_options *d = &job->deliver;

	if (options->via != NULL) {
		if (rule_via_parse(slice_str(options->via), &job->arena, &job->via, &job->why) != 0)
			return fail_prefix(&job->why, "option --via");
		d->via = &job->via;
	}
	d->rules = job->rules;
	d->ca_file = options->ca_file;
	d->ca_dir = options->ca_dir;
	if (check_trust(options, &job->why) != 0)
		return -1;
	d->port = (uint16_t)options->port;
	d->timeout_ms = options->timeout_ms;
	d->verbose = options->verbose;
	d->seed = mx_seed();
	d->helo = options->helo != NULL ? helo_parse(options->helo, &job->arena, &job->why)
					: identity_hostname(&job->arena);
	if (options->helo != NULL && d->helo == NULL)
		return fail_prefix(&job->why, "option --helo");
	/* a smarthost given by its address asks no DNS: no resolv.conf is no reason to fail then */
	if (d->via != NULL && is_address(d->via) && options->resolvers.n == 0)
		return 0;
	return command_resolver(
	    &options->resolvers, options->trust_ad, &job->arena, &d->resolver, &job->why);
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

static int
read_message(struct job *job, const struct strs *operands)
{
	const struct send_options *options = job->options;
	struct message_options m = { .recipients_from_header = options->from_headers,
		.ignore_dots = options->ignore_dots,
		.sender = options->sender,
		.full_name = options->full_name != NULL ? options->full_name
							: identity_full_name(&job->arena),
		.maildomain = job->maildomain,
		.masquerade = &job->masquerade,
		.operands = operands->v,
		.operand_n = operands->n,
		.max_bytes = options->max_size };

	/* from here on a stop is an end with 75: the temporary file is gone, and nothing was taken over */
	signals_catch(SIGINT);
	signals_catch(SIGTERM);
	if (message_read(STDIN_FILENO, &m, &job->message, DEADLINE_NEVER, &job->why) != 0)
		return -1;
	job->have_message = true;
	set_notifications(job);
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
	deliver(&job->deliver, &job->message, job->results, &job->arena, job->deadline);
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
		if (r->status != DELIVER_DONE)
			fprintf(stderr, "mxtls %s: %s\n", job->self->name, buf_str(&line));
		else if (!job->options->quiet)
			printf("%s\n", buf_str(&line));
	}
	buf_free(&line);
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
	tls_init();
	/* the policy and the route are looked at before the message is read: their errors cost nothing */
	if (load_policy(job) != 0 || set_up_names(job) != 0 || set_up_route(job) != 0 ||
	    read_message(job, operands) != 0) {
		status = command_fail(self, &job->why);
	} else {
		job->results =
		    arena_alloc(&job->arena, job->message.recipient_n * sizeof(*job->results));
		job->deadline = clock_deadline(options->deadline_ms);
		sched_run(deliver_main, job);
		report(job);
		status = deliver_exit(job->results, job->message.recipient_n);
	}
	if (job->have_message)
		message_fini(&job->message);
	dns_resolver_free(job->deliver.resolver);
	rules_free(job->rules);
	arena_free(&job->arena);
	free(job);
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
