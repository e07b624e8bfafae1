#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "app/identity.h"
#include "app/enum.h"
#include "app/injection.h"
#include "app/probe.h"
#include "app/probe_text.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/text.h"
#include "command.h"
#include "dns/dns.h"
#include "io/sched.h"
#include "io/signals.h"
#include "net/helo.h"
#include "policy/verdict.h"

#define GRACE_MS 2000 /* for sessions in flight after Ctrl-C */
#define ENUM_TARGETS_MAX 100
#define INJECTION_TARGETS_MAX 10

enum { FORMAT_TEXT, FORMAT_JSON };
enum { MX_ALL, MX_FIRST };
enum { KEYS_BOTH, KEYS_ANY };

struct probe_cli {
	const char *input, *output;                              /* target list, records */
	const char *ca_file, *ca_dir, *helo, *source, *at, *sni; /* NULL: not given */
	const char *deep;                                        /* --enum, NULL: no deep look */
	struct strs resolvers;                                   /* ADDR[:PORT] each */
	int64_t port; /* 0: 25, or 465 with implicit TLS */
	int64_t timeout_ms, deadline_ms, concurrency, retries, pace_ms;
	int format, family, mx, keys; /* family: 0 both, 4, 6 */
	bool verbose, implicit_tls, trust_ad, allow_private, list_fields, no_dane, check_injection;
};

static const struct opt_word formats[] = { { "text", FORMAT_TEXT }, { "json", FORMAT_JSON },
	{ NULL, 0 } };
static const struct opt_word mxs[] = { { "all", MX_ALL }, { "first", MX_FIRST }, { NULL, 0 } };
static const struct opt_word key_types[] = { { "rsa,ecdsa", KEYS_BOTH }, { "ecdsa,rsa", KEYS_BOTH },
	{ "any", KEYS_ANY }, { NULL, 0 } };

#define ROW(kind, member, ...) OPT_ROW(kind, struct probe_cli, member, __VA_ARGS__)
static const struct opt probe_opts[] = {
	OPT_GROUP("Targets"),
	ROW(STR, input, "file", 'f', "FILE",
	    "probe the targets in FILE, one a line, too; - is standard input"),
	ROW(INT, port, "port", 0, "PORT",
	    "TCP port of targets that name none (default: 25, or 465 with --implicit-tls)",
	    .min = 1, .max = 65535),
	ROW(FLAG, implicit_tls, "implicit-tls", 0, NULL,
	    "TLS from the first byte (submissions, port 465) instead of STARTTLS"),
	ROW(WORD, mx, "mx", 0, "WHICH", "MX hosts to probe: all of them, or the first",
	    .words = mxs, .initial = "all"),
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
	ROW(FLAG, verbose, "verbose", 'v', NULL, "show each SMTP dialogue on standard error"),

	OPT_GROUP("Judging certificates"),
	ROW(STR, ca_file, "ca-file", 0, "FILE", "trust the root certificates in FILE (PEM)"),
	ROW(STR, ca_dir, "ca-dir", 0, "DIR", "trust the root certificates in DIR (hashed names)"),
	ROW(STR, at, "at", 0, "TIME",
	    "judge as of TIME: +14d, -1d, 2026-01-31, or 2026-01-31T12:00:00Z (default: now)"),

	OPT_GROUP("Deep look (many connections to each address, one after the other)"),
	ROW(STR, deep, "enum", 0, "WHAT",
	    "find out versions, ciphers and groups that the server takes: a list with commas, or "
	    "all"),
	ROW(FLAG, check_injection, "check-injection", 0, NULL,
	    "test whether a command in clear behind STARTTLS is obeyed inside TLS (CVE-2011-0411)"),
	ROW(DURATION, pace_ms, "pace", 0, "TIME", "wait between two connections to an address",
	    .initial = "1s"),

	OPT_GROUP("Connections"),
	ROW(WORD, keys, "key-types", 0, "TYPES",
	    "certificates to ask each address for: RSA and ECDSA, or any, with one connection "
	    "less",
	    .words = key_types, .initial = "rsa,ecdsa"),
	ROW(INT, retries, "retries", 0, "N",
	    "further tries where a server did not say whether it does TLS", .max = 10,
	    .initial = "1"),
	ROW(STR, sni, "sni", 0, "NAME",
	    "server name to ask for: auto (the MX host's), none, or NAME (default: auto)"),
	ROW(STR, helo, "helo", 0, "NAME", "name to greet with (default: this host's full name)"),
	ROW(STR, source, "source", 0, "ADDRESS", "connect from this address"),
	ROW(DURATION, timeout_ms, "timeout", 0, "TIME", "wait for one reply at most", .min = 1,
	    .initial = "30s"),
	ROW(DURATION, deadline_ms, "deadline", 0, "TIME", "finish with one target in at most",
	    .min = 1, .initial = "180s"),
	ROW(INT, concurrency, "concurrency", 0, "N", "targets at once", .min = 1, .max = 10000,
	    .initial = "64"),

	OPT_GROUP("DNS"),
	ROW(STRS, resolvers, "resolver", 0, "ADDRESS[:PORT]",
	    "ask this resolver (default: those of /etc/resolv.conf)"),
	ROW(FLAG, trust_ad, "trust-ad", 0, NULL,
	    "believe the resolver that it validated DNSSEC, although it is not on this host"),
	ROW(FLAG, no_dane, "no-dane", 0, NULL, "do not look up TLSA records"),
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

/* --- output -------------------------------------------------------------------------------------- */

/* A run: where targets come from, and where records go. */
struct job {
	const struct probe_cli *cli;
	const struct strs *operands; /* of the command line */
	struct strs lines;           /* of --file */
	size_t operand, line;        /* the next ones */
	bool bad_operand, bad_line;
	int family; /* of addresses: 0 both, 4, 6 */

	FILE *out;
	bool colour;
	bool write_failed;
	int write_error;
	/* Text waits for the targets before it; a record is text, "" when there is none. */
	char **waiting;
	size_t waiting_cap, printed;
	size_t ended, interrupted;
	int worst; /* exit status so far */
};

/* A reader that went away, or a full disk: nothing more can be told, so nothing more is found out. */
static void
write_record(struct job *job, const char *text, size_t n)
{
	if (job->write_failed || n == 0)
		return;
	if (fwrite(text, 1, n, job->out) == n && fflush(job->out) == 0)
		return;
	job->write_failed = true;
	job->write_error = errno;
	sched_stop(clock_ms());
}

static void
write_waiting(struct job *job, bool all)
{
	for (; job->printed < job->waiting_cap; job->printed++) {
		char *text = job->waiting[job->printed];
		if (text == NULL && !all)
			return;
		if (text == NULL)
			continue;
		write_record(job, text, strlen(text));
		free(text);
		job->waiting[job->printed] = NULL;
	}
}

/* Records for people come in the order of the targets. */
static void
write_text(struct job *job, size_t number, const struct target_facts *facts)
{
	struct buf text;
	size_t old = job->waiting_cap;

	while (job->waiting_cap <= number)
		job->waiting =
		    mem_grow(job->waiting, job->waiting_cap, &job->waiting_cap, sizeof(char *));
	for (size_t i = old; i < job->waiting_cap; i++)
		job->waiting[i] = NULL;
	buf_init(&text, LIMIT_RECORD_BYTES);
	if (number > 0)
		buf_putc(&text, '\n');
	probe_text_write(facts, clock_wall(), job->colour, &text);
	job->waiting[number] = buf_steal(&text);
	write_waiting(job, false);
}

/* Records for programs come as they are finished. */
static void
write_json(struct job *job, const struct target_facts *facts)
{
	struct buf text;

	buf_init(&text, LIMIT_RECORD_BYTES);
	facts_write_json(&fact_table_target_facts, facts, &text);
	buf_putc(&text, '\n');
	if (!text.full)
		write_record(job, text.data, text.len);
	else /* cannot be: LIMIT_TARGET_BYTES */
		fprintf(stderr, "mxtls probe: %s: the record is too long\n", facts->alabel);
	buf_free(&text);
}

static void
target_done(void *ctx, size_t number, const struct target_facts *facts)
{
	struct job *job = ctx;

	if (facts == NULL) {
		job->interrupted++;
		return;
	}
	job->ended++;
	job->worst = verdict_exit_worst(job->worst, verdict_exit(facts->summary.verdict));
	if (job->cli->format == FORMAT_JSON)
		write_json(job, facts);
	else
		write_text(job, number, facts);
}

/* --- targets ------------------------------------------------------------------------------------- */

/* An address must be of the family that was asked for. */
static int
check_family(const struct job *job, const struct target *target, struct fail *why)
{
	int family = target->addr.sa.ss_family == AF_INET6 ? 6 : 4;

	if (target->kind == TARGET_ADDRESS && job->family != 0 && family != job->family)
		return fail_set(why, FAIL_USAGE,
		    "%s cannot be probed: only IPv%d is asked for (-%d, or the family of --source)",
		    target->text, job->family, job->family);
	return 0;
}

static bool
parse_operand(struct job *job, struct arena *arena, struct target *target_r)
{
	const char *text = job->operands->v[job->operand++];
	struct fail why;

	if (target_parse(slice_str(text), arena, target_r, &why) == 0 &&
	    check_family(job, target_r, &why) == 0)
		return true;
	command_fail(&cmd_probe, &why);
	job->bad_operand = true;
	return false;
}

static bool
parse_line(struct job *job, struct arena *arena, struct target *target_r)
{
	struct slice text = slice_str(job->lines.v[job->line++]);
	struct fail why;
	int ret = target_parse_line(text, arena, target_r, &why);

	if (ret > 0)
		ret = check_family(job, target_r, &why) == 0 ? 1 : -1;
	if (ret >= 0)
		return ret > 0;
	fprintf(stderr, "mxtls probe: %s:%zu: %s\n", job->cli->input, job->line, why.text);
	job->bad_line = true;
	return false;
}

static bool
next_target(void *ctx, struct arena *arena, struct target *target_r)
{
	struct job *job = ctx;

	while (job->operand < job->operands->n)
		if (parse_operand(job, arena, target_r))
			return true;
	while (job->line < job->lines.n)
		if (parse_line(job, arena, target_r))
			return true;
	return false;
}

/* The whole list, before the loop starts: reading may block. */
static int
read_list(const char *path, struct arena *arena, struct strs *lines, struct fail *why)
{
	bool is_stdin = strcmp(path, "-") == 0;
	FILE *file = is_stdin ? stdin : fopen(path, "re");
	char *line = NULL;
	size_t size = 0;
	ssize_t n;

	if (file == NULL)
		return fail_errno(why, FAIL_NO_INPUT, "cannot read %s", path);
	while ((n = getline(&line, &size, file)) >= 0) {
		while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
			n--;
		strs_add_slice(lines, arena, slice_make(line, (size_t)n));
	}
	free(line);
	int ret = ferror(file) ? fail_errno(why, FAIL_NO_INPUT, "cannot read %s", path) : 0;
	if (!is_stdin)
		fclose(file);
	return ret;
}

/* Whether any target may need the DNS: only addresses are known not to. */
static bool
needs_resolver(const struct job *job)
{
	bool needed = job->lines.n > 0;
	struct arena arena;
	struct target target;

	arena_init(&arena);
	for (size_t i = 0; i < job->operands->n && !needed; i++)
		needed = target_parse(slice_str(job->operands->v[i]), &arena, &target, NULL) == 0 &&
			 target.kind != TARGET_ADDRESS;
	arena_free(&arena);
	return needed;
}

/* --- set-up -------------------------------------------------------------------------------------- */

/* "+14d", "-1d", a day, or RFC 3339. */
static int
parse_at(const char *text, int64_t *at_r, struct fail *why)
{
	struct slice s = slice_str(text);
	char day[32];
	int64_t ms;

	if (s.n > 1 && (s.p[0] == '+' || s.p[0] == '-') &&
	    text_duration_ms(slice_sub(s, 1, s.n), &ms)) {
		*at_r = clock_wall() + (s.p[0] == '+' ? ms : -ms) / 1000;
		return 0;
	}
	snprintf(day, sizeof(day), "%.10sT00:00:00Z", text);
	if (json_time_parse(s.n == 10 ? day : text, at_r))
		return 0;
	return fail_set(why, FAIL_USAGE,
	    "option --at: \"%s\" is no time: expected +14d, -1d, 2026-01-31 or "
	    "2026-01-31T12:00:00Z",
	    text);
}

static int
parse_source(const char *text, struct addr *source_r, int *family, struct fail *why)
{
	if (!addr_parse_ip(slice_str(text), 0, source_r))
		return fail_set(why, FAIL_USAGE,
		    "option --source: \"%s\" is no address: expected 192.0.2.1 or 2001:db8::1",
		    text);
	int have = source_r->sa.ss_family == AF_INET ? 4 : 6;
	if (*family != 0 && *family != have)
		return fail_set(why, FAIL_USAGE,
		    "option --source: %s is no IPv%d address, but only those are asked for with "
		    "-%d",
		    text, *family, *family);
	*family = have; /* the other one cannot be reached from there */
	if (dial_source_check(source_r, why) != 0)
		return fail_prefix(why, "option --source");
	return 0;
}

/* auto, none or a name, as session_options take it. */
static int
parse_sni(const char *text, struct arena *arena, const char **sni_r, struct fail *why)
{
	struct fail name_why;

	*sni_r = NULL;
	if (text == NULL || strcmp(text, "auto") == 0)
		return 0;
	*sni_r = strcmp(text, "none") == 0 ? "" : dns_name_normalize(text, arena, &name_why);
	if (*sni_r == NULL)
		return fail_set(why, FAIL_USAGE,
		    "option --sni: %s; expected auto, none or a host name", name_why.text);
	return 0;
}

/* DECISIONS C24: what opens more than one connection is for a few servers that one cares for. */
static int
deep_check(const struct probe_cli *cli, size_t targets, unsigned *what_r, struct fail *why)
{
	const char *option = cli->deep != NULL ? "enum" : "check-injection";
	size_t most = cli->check_injection ? INJECTION_TARGETS_MAX : ENUM_TARGETS_MAX;

	*what_r = 0;
	if (cli->deep != NULL && enum_parse(slice_str(cli->deep), what_r, why) != 0)
		return fail_prefix(why, "option --enum");
	if (cli->deep == NULL && !cli->check_injection)
		return 0;
	if (cli->input != NULL)
		return fail_set(why, FAIL_USAGE,
		    "option --%s is for targets of the command line, not for those of --file",
		    option);
	if (targets > most)
		return fail_set(why, FAIL_USAGE, "option --%s is for at most %zu targets, not %zu",
		    cli->check_injection ? "check-injection" : option, most, targets);
	return 0;
}

/* Said before it begins: how often an address is going to be called. */
static void
deep_announce(const struct probe_cli *cli, unsigned what)
{
	struct enum_plan plan = enum_plan(what);

	if (cli->check_injection)
		fprintf(stderr,
		    "mxtls probe: --check-injection opens %d connections to each address\n",
		    INJECTION_CONNECTIONS);
	if (what != 0)
		fprintf(stderr,
		    "mxtls probe: --enum opens %u to %u connections to each address, one after the "
		    "other, %.1f s apart\n",
		    plan.min, plan.max, (double)cli->pace_ms / 1000);
}

/* Everything that a probe needs and that may fail before it starts. */
static int
setup(const struct probe_cli *cli, const struct job *job, struct arena *arena, struct addr *source,
    struct probe_options *probe, struct fail *why)
{
	/* DECISIONS C22: old versions and weak keys are reported, not handshake errors */
	const struct tls_client_options tls = { .security_level = 0, .alpn = true };
	int family = cli->family;

	*probe = (struct probe_options){ .port = (uint16_t)cli->port,
		.first_mx = cli->mx == MX_FIRST,
		.both_keys = cli->keys == KEYS_BOTH,
		.retries = (unsigned)cli->retries,
		.deadline_ms = cli->deadline_ms,
		.allow_private = cli->allow_private,
		.no_dane = cli->no_dane,
		.seed = mx_seed(),
		.concurrency = (unsigned)cli->concurrency,
		.grace_ms = GRACE_MS,
		.check_injection = cli->check_injection,
		.pace_ms = cli->pace_ms };
	if (deep_check(cli, job->operands->n, &probe->enum_what, why) != 0)
		return -1;
	probe->session = (struct session_options){ .timeout_ms = cli->timeout_ms,
		.implicit_tls = cli->implicit_tls,
		.verbose = cli->verbose };
	if (cli->at != NULL && parse_at(cli->at, &probe->session.at, why) != 0)
		return -1;
	if (parse_sni(cli->sni, arena, &probe->session.sni, why) != 0)
		return -1;
	if (cli->source != NULL) {
		if (parse_source(cli->source, source, &family, why) != 0)
			return -1;
		probe->session.dial.source = source;
	}
	probe->family = (enum mx_family)family;
	probe->session.helo =
	    cli->helo == NULL ? identity_hostname(arena) : helo_parse(cli->helo, arena, why);
	if (cli->helo != NULL && probe->session.helo == NULL)
		return fail_prefix(why, "option --helo");
	tls_init();
	probe->session.tls = tls_ctx_client(&tls, why);
	if (probe->session.tls == NULL)
		return -1;
	probe->session.trust = tls_trust_new(cli->ca_file, cli->ca_dir, why);
	if (probe->session.trust == NULL) {
		if (why->code == FAIL_TLS_CONFIG) /* a file that the caller named */
			why->code = FAIL_NO_INPUT;
		return -1;
	}
	return needs_resolver(job) || cli->resolvers.n > 0
		   ? command_resolver(&cli->resolvers, cli->trust_ad, arena, &probe->resolver, why)
		   : 0;
}

static int
open_output(const struct probe_cli *cli, struct job *job, struct fail *why)
{
	const char *no_color = getenv("NO_COLOR");

	job->out = stdout;
	if (cli->output != NULL && strcmp(cli->output, "-") != 0) {
		job->out = fopen(cli->output, "we");
		if (job->out == NULL)
			return fail_errno(why, FAIL_CANT_CREATE, "cannot create %s", cli->output);
	}
	/* no-color.org: set and not empty */
	job->colour = (no_color == NULL || no_color[0] == '\0') && isatty(fileno(job->out)) == 1;
	return 0;
}

/* Whether all records are where they belong. stdout is main's business. */
static bool
close_output(struct job *job)
{
	if (job->out == stdout || job->out == NULL)
		return true;
	if (fclose(job->out) == 0 && !job->write_failed)
		return true;
	fprintf(stderr, "mxtls probe: cannot write to %s: %s\n", job->cli->output,
	    strerror(job->write_failed ? job->write_error : errno));
	return false;
}

/* DECISIONS C17 */
static int
exit_status(const struct job *job)
{
	if (signals_stop_seen() != 0) {
		fprintf(stderr, "mxtls probe: interrupted: %zu target%s done\n", job->ended,
		    job->ended == 1 ? "" : "s");
		return 128 + signals_stop_seen();
	}
	if (job->bad_operand)
		return EX_USAGE;
	if (job->bad_line)
		return EX_DATAERR;
	return job->cli->input != NULL ? EX_OK : job->worst;
}

static int
probe_targets(const struct probe_cli *cli, const struct strs *operands, struct arena *arena)
{
	struct job job = { .cli = cli, .operands = operands };
	struct probe_options probe;
	struct addr source;
	struct fail why;
	int status;

	memset(&probe, 0, sizeof(probe));
	if ((cli->input != NULL && read_list(cli->input, arena, &job.lines, &why) != 0) ||
	    setup(cli, &job, arena, &source, &probe, &why) != 0 ||
	    open_output(cli, &job, &why) != 0) {
		status = command_fail(&cmd_probe, &why);
	} else {
		job.family = (int)probe.family;
		deep_announce(cli, probe.enum_what);
		probe_run(&probe, next_target, target_done, &job);
		write_waiting(&job, true);
		status = exit_status(&job);
		if (!close_output(&job))
			status = EX_IOERR;
	}
	free(job.waiting);
	dns_resolver_free(probe.resolver);
	tls_trust_free(probe.session.trust);
	tls_ctx_free(probe.session.tls);
	return status;
}

static int
probe_run_command(const void *arg, const struct strs *operands)
{
	const struct probe_cli *cli = arg;
	struct arena arena;

	if (cli->list_fields) {
		facts_list_fields(&fact_table_target_facts, stdout);
		return EX_OK;
	}
	if (operands->n == 0 && cli->input == NULL)
		return command_usage_error(&cmd_probe, "no target: expected a mail domain, "
						       "[host]:port or an address");
	arena_init(&arena);
	int status = probe_targets(cli, operands, &arena);
	arena_free(&arena);
	return status;
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
	.options_size = sizeof(struct probe_cli),
	.order = OPT_ANYWHERE,
	.examples = examples,
	.run = probe_run_command,
};
