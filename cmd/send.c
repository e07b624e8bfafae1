#include "app/send/maillog.h"
#include "base/limits.h"
#include "base/log.h"
#include "command.h"
#include "send.h"

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
	ROW(STR, root_to, "root-to", 0, "ADDRESS", "gets root's mail, where no alias does"),
	ROW(STR, default_recipient, "default-recipient", 0, "ADDRESS",
	    "gets the mail of users that have neither alias nor mailbox"),
	ROUTE_OPTS_LOCAL(struct send_options),

	ROUTE_OPTS(struct send_options),
	ROUTE_OPTS_DKIM(struct send_options),

	OPT_GROUP("Queue"),
	ROW(WORD, delivery, "delivery", 0, "WHEN",
	    "when to try for the first time; auto: in the background, with -v or --json now",
	    .words = deliveries, .initial = "auto"),
	ROW(STR, queue, "queue", 0, "DIR", "the queue (default: ~/.local/state/mxtls/queue)"),
	ROUTE_OPTS_BOUNDS(struct send_options),
	ROW(FLAG, no_queue, "no-queue", 0, NULL,
	    "try now and keep nothing: status 75 for what may work later"),

	ROUTE_OPTS_CONNECTION(struct send_options, "5m"),
	ROW(DURATION, deadline_ms, "deadline", 0, "TIME", "give up for now after", .min = 1,
	    .initial = "30m"),
	ROUTE_OPTS_RESOLVER(struct send_options),

	OPT_GROUP("Configuration and output"),
	ROW(STR, config, "config", 0, "FILE", "settings (default: mxtls.conf of the configuration)",
	    .not_in_file = true),
	ROW(STR, log, "log", 0, "FILE", "append to this log; syslog is the system's, none is none",
	    .initial = "none"),
	ROW(WORD, log_format, "log-format", 0, "FORMAT", "of the line for each recipient",
	    .words = maillog_formats, .initial = "text"),
	ROW(FLAG, json, "json", 0, NULL, "one JSON object a recipient on standard output"),
	ROW(FLAG, quiet, "quiet", 0, NULL, "say nothing of recipients that got the message"),
	ROW(FLAG, route.verbose, "verbose", 'v', NULL, "show the SMTP dialogue on standard error"),
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
