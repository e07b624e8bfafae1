#include <sysexits.h>

#include "base/limits.h"
#include "command.h"
#include "tls/tls.h"

enum { STARTTLS_OFF, STARTTLS_OFFER, STARTTLS_REQUIRE };
enum { LOG_TEXT, LOG_JSON };

struct listen_options {
	const char *hostname, *deliver; /* NULL: not given */
	struct strs certs, keys, accept;
	int64_t max_size, max_recipients, max_connections, max_connections_per_address;
	int64_t timeout_ms, drain_ms, commit_helpers;
	int tls, min_tls, log, verbose; /* min_tls: enum tls_version */
	bool self_signed, stdio;
};

/* Postfix's words (smtpd_tls_security_level) are understood, too (DECISIONS F44). */
static const struct opt_word tls_words[] = { { "off", STARTTLS_OFF }, { "offered", STARTTLS_OFFER },
	{ "required", STARTTLS_REQUIRE }, { "none", STARTTLS_OFF }, { "may", STARTTLS_OFFER },
	{ "encrypt", STARTTLS_REQUIRE }, { NULL, 0 } };

static const struct opt_word versions[] = { { "TLSv1.0", TLS_VERSION_1_0 },
	{ "TLSv1.1", TLS_VERSION_1_1 }, { "TLSv1.2", TLS_VERSION_1_2 },
	{ "TLSv1.3", TLS_VERSION_1_3 }, { NULL, 0 } };

static const struct opt_word logs[] = { { "text", LOG_TEXT }, { "json", LOG_JSON }, { NULL, 0 } };

#define ROW(kind, member, ...) OPT_ROW(kind, struct listen_options, member, __VA_ARGS__)
static const struct opt listen_opts[] = {
	OPT_GROUP("STARTTLS"),
	ROW(WORD, tls, "tls", 0, "MODE",
	    "offer STARTTLS, or require it (not for a public MX: RFC 3207)", .words = tls_words,
	    .initial = "offered"),
	ROW(STRS, certs, "cert", 0, "FILE", "certificate chain, PEM, leaf first"),
	ROW(STRS, keys, "key", 0, "FILE", "private key of the --cert in the same place, PEM"),
	ROW(FLAG, self_signed, "self-signed", 0, NULL,
	    "make a certificate for the host name at start, for tests"),
	ROW(WORD, min_tls, "min-tls", 0, "VERSION", "oldest TLS version", .words = versions,
	    .initial = "TLSv1.2"),

	OPT_GROUP("Mail"),
	ROW(STRS, accept, "accept", 0, "DOMAIN",
	    "take mail for this domain; none is taken without"),
	ROW(STR, deliver, "deliver", 0, "WHERE", "maildir:DIR, or discard"),
	ROW(STR, hostname, "hostname", 0, "NAME",
	    "own name in the greeting and in Received (default: this host's full name)"),
	ROW(SIZE, max_size, "max-size", 0, "SIZE", "refuse messages that are bigger", .min = 1,
	    .initial = "25M"),
	ROW(INT, max_recipients, "max-recipients", 0, "N", "recipients of one message", .min = 1,
	    .max = 10000, .initial = "100"),

	OPT_GROUP("Connections"),
	ROW(FLAG, stdio, "stdio", 0, NULL, "one session on standard input and output"),
	ROW(INT, max_connections, "max-connections", 0, "N", "connections at once", .min = 1,
	    .max = LIMIT_FIBERS, .initial = "1000"),
	ROW(INT, max_connections_per_address, "max-connections-per-address", 0, "N",
	    "connections at once from one address or IPv6 /64", .min = 1, .max = LIMIT_FIBERS,
	    .initial = "50"),
	ROW(DURATION, timeout_ms, "timeout", 0, "TIME", "wait for one command at most", .min = 1,
	    .initial = "300s"),
	ROW(DURATION, drain_ms, "drain", 0, "TIME", "after SIGTERM, wait for sessions at most",
	    .initial = "30s"),
	ROW(INT, commit_helpers, "commit-helpers", 0, "N", "processes that write messages to disk",
	    .min = 0, .max = 16, .initial = "2"),

	OPT_GROUP("Output"),
	ROW(WORD, log, "log", 0, "FORMAT", "format of the log on standard error", .words = logs,
	    .initial = "text"),
	ROW(COUNT, verbose, "verbose", 'v', NULL, "log sessions, too; twice: the dialogue"),
	OPT_TABLE_END,
};

static const char *const usage[] = { "[OPTION]... ADDRESS:PORT", "[OPTION]... --stdio", NULL };

static const char *const examples[] = {
	"mxtls listen --self-signed --accept a.example --deliver discard 127.0.0.1:2525",
	"A receiver to try things with.",
	"mxtls listen --tls required --cert chain.pem --key key.pem \\\n"
	"      --accept example.org --deliver maildir:/var/mail/in '[::]:25'",
	"One that takes no mail in clear.",
	NULL,
};

static int
listen_run(const void *arg, const struct strs *operands)
{
	const struct listen_options *options = arg;

	if (operands->n != (options->stdio ? 0 : 1))
		return command_usage_error(&cmd_listen,
		    options->stdio ? "--stdio takes no ADDRESS:PORT" : "expected one ADDRESS:PORT");
	fprintf(stderr, "mxtls listen: not built yet\n");
	return EX_SOFTWARE;
}

const struct command cmd_listen = {
	.name = "listen",
	.summary = "receive mail, STARTTLS off, offered or required",
	.usage = usage,
	.description =
	    "Receive mail by SMTP on ADDRESS:PORT and deliver it; port 0 takes a free one. The "
	    "port is printed as soon as connections are taken. SIGTERM finishes running sessions.",
	.opts = listen_opts,
	.options_size = sizeof(struct listen_options),
	.order = OPT_ANYWHERE,
	.examples = examples,
	.run = listen_run,
};
