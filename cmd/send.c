#include <sysexits.h>

#include "base/limits.h"
#include "command.h"

struct send_options {
	const char *sender, *full_name; /* NULL: not given; sender "" or "<>" is the null sender */
	const char *policy, *via, *helo, *ca_file, *ca_dir;
	struct strs resolvers; /* ADDR[:PORT] each */
	int64_t port, timeout_ms, deadline_ms, max_size;
	int verbose;
	bool from_headers, ignore_dots, trust_ad, json;
};

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

	OPT_GROUP("Output"),
	ROW(FLAG, json, "json", 0, NULL, "one JSON object a recipient on standard output"),
	ROW(COUNT, verbose, "verbose", 'v', NULL,
	    "one line a recipient on standard error; twice: the dialogue"),
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

	if (operands->n == 0 && !options->from_headers)
		return command_usage_error(&cmd_send, "no recipient: expected addresses, or -t");
	fprintf(stderr, "mxtls send: not built yet\n");
	return EX_SOFTWARE;
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
	.order = OPT_FIRST, /* other programs put strangers' addresses behind the options */
	.examples = examples,
	.run = send_run,
};
