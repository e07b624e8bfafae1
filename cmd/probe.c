#include <sysexits.h>

#include "base/facts.h"
#include "base/limits.h"
#include "command.h"

enum { FORMAT_TEXT, FORMAT_JSON };

struct probe_options {
	const char *input, *output;                        /* target list, records */
	const char *ca_file, *ca_dir, *helo, *source, *at; /* NULL: not given */
	struct strs resolvers;                             /* ADDR[:PORT] each */
	int64_t port;                                      /* 0: 25, or 465 with implicit TLS */
	int64_t timeout_ms, deadline_ms, concurrency;
	int format, family, verbose; /* family: 0 both, 4, 6 */
	bool implicit_tls, trust_ad, allow_private, list_fields;
};

static const struct opt_word formats[] = { { "text", FORMAT_TEXT }, { "json", FORMAT_JSON },
	{ NULL, 0 } };

#define ROW(kind, member, ...) OPT_ROW(kind, struct probe_options, member, __VA_ARGS__)
static const struct opt probe_opts[] = {
	OPT_GROUP("Targets"),
	ROW(STR, input, "file", 'f', "FILE",
	    "probe the targets in FILE, one a line, too; - is standard input"),
	ROW(INT, port, "port", 0, "PORT",
	    "TCP port of targets that name none (default: 25, or 465 with --implicit-tls)",
	    .min = 1, .max = 65535),
	ROW(FLAG, implicit_tls, "implicit-tls", 0, NULL,
	    "TLS from the first byte (submissions, port 465) instead of STARTTLS"),
	ROW(SET, family, NULL, '4', NULL, "IPv4 addresses only", .value = 4),
	ROW(SET, family, NULL, '6', NULL, "IPv6 addresses only", .value = 6),
	ROW(FLAG, allow_private, "allow-private", 0, NULL,
	    "connect to private and loopback addresses that DNS gives, too"),

	OPT_GROUP("Output"),
	ROW(WORD, format, "format", 0, "FORMAT", "how to write the records", .words = formats,
	    .initial = "text"),
	ROW(SET, format, "json", 0, NULL, "one JSON object a line: --format=json",
	    .value = FORMAT_JSON),
	ROW(STR, output, "output", 'o', "FILE", "write the records to FILE"),
	ROW(FLAG, list_fields, "list-fields", 0, NULL,
	    "list the fields of a record, with kind and meaning, and exit"),
	ROW(COUNT, verbose, "verbose", 'v', NULL,
	    "tell on standard error what is done; twice: more"),

	OPT_GROUP("Judging certificates"),
	ROW(STR, ca_file, "ca-file", 0, "FILE", "trust the root certificates in FILE (PEM)"),
	ROW(STR, ca_dir, "ca-dir", 0, "DIR", "trust the root certificates in DIR (hashed names)"),
	ROW(STR, at, "at", 0, "TIME",
	    "judge as of TIME: +14d, -1d, or 2026-01-31T12:00:00Z (default: now)"),

	OPT_GROUP("Connections"),
	ROW(STR, helo, "helo", 0, "NAME", "name to greet with (default: this host's full name)"),
	ROW(STR, source, "source", 0, "ADDRESS", "connect from this address"),
	ROW(DURATION, timeout_ms, "timeout", 0, "TIME", "wait for one reply at most", .min = 1,
	    .initial = "30s"),
	ROW(DURATION, deadline_ms, "deadline", 0, "TIME", "finish with one target in at most",
	    .min = 1, .initial = "180s"),
	ROW(INT, concurrency, "concurrency", 0, "N", "sessions at once", .min = 1,
	    .max = LIMIT_FIBERS, .initial = "1000"),

	OPT_GROUP("DNS"),
	ROW(STRS, resolvers, "resolver", 0, "ADDRESS[:PORT]",
	    "ask this resolver (default: those of /etc/resolv.conf)"),
	ROW(FLAG, trust_ad, "trust-ad", 0, NULL,
	    "believe the resolver that it validated DNSSEC, although it is not on this host"),
	OPT_TABLE_END,
};

static const char *const usage[] = { "[OPTION]... TARGET...", "[OPTION]... -f FILE",
	"--list-fields", NULL };

static const char *const examples[] = {
	"mxtls probe example.com",
	"All MX hosts of a mail domain, each at every address.",
	"mxtls probe --json '[mx.example.com]:587'",
	"One host and port, without MX lookup, as one JSON object.",
	"mxtls probe -f domains.txt -o records.ndjson --json",
	"Every domain of a list.",
	NULL,
};

static int
probe_run(const void *arg, const struct strs *operands)
{
	const struct probe_options *options = arg;

	if (options->list_fields) {
		facts_list_fields(&fact_table_target_facts, stdout);
		return EX_OK;
	}
	if (operands->n == 0 && options->input == NULL)
		return command_usage_error(&cmd_probe, "no target: expected a mail domain, "
						       "[host]:port or an address");
	fprintf(stderr, "mxtls probe: not built yet\n");
	return EX_SOFTWARE;
}

const struct command cmd_probe = {
	.name = "probe",
	.summary = "find out how mail domains and hosts do TLS",
	.usage = usage,
	.description =
	    "Connect to every address of every MX host of the targets, use STARTTLS, and report "
	    "what each offered: protocol, cipher, certificates, and whether they prove who it is. "
	    "A TARGET is a mail domain (example.com, example.com:587), a host in brackets without "
	    "MX lookup ([mx.example.com]:25), or an address.",
	.opts = probe_opts,
	.options_size = sizeof(struct probe_options),
	.order = OPT_ANYWHERE,
	.examples = examples,
	.run = probe_run,
};
