#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "app/identity.h"
#include "app/probe/enum.h"
#include "app/probe/injection.h"
#include "app/probe/probe.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "command.h"
#include "dns/dns.h"
#include "io/sched.h"
#include "io/signals.h"
#include "net/helo.h"
#include "policy/verdict.h"
#include "probe_cert.h"
#include "probe_opts.h"
#include "probe_output.h"
#include "probe_save.h"
#include "probe_values.h"

#define GRACE_MS 2000      /* for sessions in flight after Ctrl-C */
#define TARGETS_AT_ONCE 64 /* where nothing else is asked for */
#define ENUM_TARGETS_MAX 100
#define INJECTION_TARGETS_MAX 10

static const char *const usage[] = { "[OPTION]... TARGET...", "[OPTION]... -f FILE",
	"--list-fields", NULL };

static const char *const examples[] = {
	"mxtls probe example.com",
	"All MX hosts of a mail domain, each at every address.",
	"mxtls probe --json '[mx.example.com]:587'",
	"One host and port, without MX lookup, as one JSON object.",
	"mxtls probe -f domains.txt -o records.ndjson",
	"Every domain of a list.",
	"mxtls probe --nagios --require dane example.com",
	"A line and a status for a monitoring system.",
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

	enum probe_format format;
	struct probe_output output;
	struct probe_cert cert;
	struct probe_save save;
	int trouble; /* exit status of what could not be written, 0 without */
	size_t ended, interrupted;
	int worst; /* exit status so far */
};

/* --print-tlsa, --check-cert */
static void
add_cert(struct job *job, const struct target_facts *facts)
{
	struct buf text;

	buf_init(&text, LIMIT_RECORD_BYTES);
	job->worst = verdict_exit_worst(
	    job->worst, probe_cert_add(&job->cert, facts, job->output.at, &text));
	probe_output_bytes(&job->output, buf_str(&text), text.len);
	buf_free(&text);
}

/* What is printed instead of records. */
static bool
has_own_lines(const struct probe_cli *cli)
{
	return cli->print_tlsa || cli->check_cert != NULL;
}

static void
save_chains(struct job *job, const struct target_facts *facts)
{
	struct fail why;

	if (probe_save_add(&job->save, facts, &why) == 0)
		return;
	job->trouble = command_fail(&cmd_probe, &why);
	if (job->format == FORMAT_NAGIOS)
		probe_nagios_trouble(&job->output.nagios, why.text);
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
	if (has_own_lines(job->cli)) {
		add_cert(job, facts);
		return;
	}
	save_chains(job, facts);
	job->worst = verdict_exit_worst(job->worst, (int)facts->summary.exit_status);
	probe_output_add(&job->output, number, facts);
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
	if (job->format == FORMAT_NAGIOS)
		probe_nagios_trouble(&job->output.nagios, why.text);
	else
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
	if (job->format == FORMAT_NAGIOS)
		probe_nagios_trouble(&job->output.nagios, why.text);
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

/* Whether any target may need the DNS: only addresses are known not to. */
static bool
needs_resolver(const struct job *job)
{
	bool needed = job->cli->input != NULL;
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

static int
parse_bar(const struct probe_cli *cli, struct bar *bar_r, struct fail *why)
{
	*bar_r = (struct bar){ .require = (enum verdict)cli->require };
	if (probe_value_limit("warn", cli->warn, &bar_r->warn, why) != 0)
		return -1;
	return probe_value_limit("crit", cli->crit, &bar_r->crit, why);
}

/* DECISIONS C17 */
static int
exit_status(const struct job *job, int nagios)
{
	if (signals_stop_seen() != 0) {
		fprintf(stderr, "mxtls probe: interrupted: %zu target%s done\n", job->ended,
		    job->ended == 1 ? "" : "s");
		return 128 + signals_stop_seen();
	}
	if (job->format == FORMAT_NAGIOS)
		return nagios;
	if (job->bad_operand)
		return EX_USAGE;
	if (job->bad_line)
		return EX_DATAERR;
	if (job->trouble != 0)
		return job->trouble;
	bool list = job->cli->input != NULL && !has_own_lines(job->cli);
	return list && job->cli->require == VERDICT_UNKNOWN ? EX_OK : job->worst;
}

/* What domains publish, where a record is wanted. */
static void
set_policy(const struct probe_cli *cli, const struct job *job, struct probe_options *probe)
{
	bool record = job->format != FORMAT_NONE;

	probe->caa = cli->caa;
	probe_policy_init(
	    &probe->policy, &(struct probe_policy_options){ .resolver = probe->resolver,
				.trust = probe->session.trust,
				.family = (int)probe->family,
				.allow_private = cli->allow_private,
				.mta_sts = record && !cli->no_mta_sts,
				.tlsrpt = record && !cli->no_tlsrpt,
				.timeout_ms = cli->deadline_ms });
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
	if (parse_bar(cli, &probe->bar, why) != 0)
		return -1;
	if (cli->at != NULL && probe_value_at(cli->at, &probe->session.at, why) != 0)
		return -1;
	if (probe_value_sni(cli->sni, arena, &probe->session.sni, why) != 0)
		return -1;
	if (cli->source != NULL) {
		if (probe_value_source(cli->source, source, &family, why) != 0)
			return -1;
		probe->session.dial.source = source;
	}
	probe->family = (enum mx_family)family;
	probe->session.helo =
	    cli->helo == NULL ? identity_hostname(arena) : helo_parse(cli->helo, arena, why);
	if (cli->helo != NULL && probe->session.helo == NULL)
		return fail_prefix(why, "option --helo");
	if (cli->input != NULL)
		tls_init_few_algorithms();
	else
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
	if (!needs_resolver(job) && cli->resolvers.n == 0)
		return 0;
	if (command_resolver(&cli->resolvers, cli->trust_ad, arena, &probe->resolver, why) != 0)
		return -1;
	set_policy(cli, job, probe);
	return 0;
}

static bool
wants_pem_on_stdout(const struct probe_cli *cli)
{
	return cli->pem != NULL && strcmp(cli->pem, "-") == 0;
}

/* --format wins over the name of the file. */
static enum probe_format
choose_format(const struct probe_cli *cli)
{
	if (cli->format == FORMAT_DEFAULT &&
	    (has_own_lines(cli) || (wants_pem_on_stdout(cli) && cli->output == NULL)))
		return FORMAT_NONE;
	return cli->format != FORMAT_DEFAULT ? (enum probe_format)cli->format
					     : probe_format_of(cli->output);
}

/* DECISIONS C17: a monitoring system reads one line of stdout, and knows no other status than 0 to 3. */
static int
fail_as(enum probe_format format, const struct fail *why)
{
	struct probe_nagios line;
	struct buf text;

	if (format != FORMAT_NAGIOS)
		return command_fail(&cmd_probe, why);
	probe_nagios_init(&line);
	probe_nagios_trouble(&line, why->text);
	buf_init(&text, LIMIT_RECORD_BYTES);
	int status = probe_nagios_write(&line, &text);
	fputs(buf_str(&text), stdout);
	buf_free(&text);
	probe_nagios_free(&line);
	return status;
}

/* The command line cannot be parsed, so --nagios is looked for by hand. */
static int
parse_failed(int argc, char **argv, const struct fail *why)
{
	enum probe_format format = FORMAT_DEFAULT;

	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--nagios") == 0 || strcmp(argv[i], "--format=nagios") == 0 ||
		    (strcmp(argv[i], "--format") == 0 && i + 1 < argc &&
			strcmp(argv[i + 1], "nagios") == 0))
			format = FORMAT_NAGIOS;
	return fail_as(format, why);
}

static int
load_certs(struct job *job, struct arena *arena, struct fail *why)
{
	const struct probe_cli *cli = job->cli;

	if (has_own_lines(cli) && job->format != FORMAT_NONE)
		return fail_set(why, FAIL_USAGE, "--%s has no other format than its own",
		    cli->print_tlsa ? "print-tlsa" : "check-cert");
	job->cert = (struct probe_cert){ .print = cli->print_tlsa, .dane = !cli->no_dane };
	return probe_cert_load(cli->check_cert, cli->next_cert, arena, &job->cert, why);
}

/* DECISIONS C25: standard output is for one thing. */
static int
open_save(struct job *job, struct fail *why)
{
	const struct probe_cli *cli = job->cli;
	bool to_stdout = cli->output == NULL || strcmp(cli->output, "-") == 0;

	if (cli->pem != NULL && has_own_lines(cli))
		return fail_set(why, FAIL_USAGE, "--pem does not go with --%s",
		    cli->print_tlsa ? "print-tlsa" : "check-cert");
	if (wants_pem_on_stdout(cli) && to_stdout && job->format != FORMAT_NONE)
		return fail_set(why, FAIL_USAGE,
		    "--pem - writes to standard output, where the records go, too: name a file for "
		    "them (--output), or a folder (--pem DIR)");
	return probe_save_open(&job->save, cli->pem, why);
}

/*
 * A list whose records are JSON or CSV; the options of a survey make no sense for anything else, and
 * CSV has no lines that say how it was made, or that others refer to.
 */
static int
check_survey(const struct job *job, bool *survey_r, struct fail *why)
{
	const struct probe_survey_cli *cli = &job->cli->survey;
	const char *json_only = cli->resume ? "resume" : cli->dedupe ? "dedupe-output" : NULL;
	const char *only = json_only != NULL          ? json_only
			   : cli->exclude != NULL     ? "exclude"
			   : cli->rate != 0           ? "rate"
			   : cli->shard != NULL       ? "shard"
			   : cli->workers != 0        ? "workers"
			   : cli->status_file != NULL ? "status-file"
						      : NULL;

	*survey_r = job->cli->input != NULL &&
		    (job->format == FORMAT_JSON || job->format == FORMAT_CSV) &&
		    job->operands->n == 0 && job->cli->pem == NULL;
	if (*survey_r && (json_only == NULL || job->format == FORMAT_JSON))
		return 0;
	if (!*survey_r && only == NULL)
		return 0;
	return fail_set(why, FAIL_USAGE,
	    "option --%s is for surveys: targets by --file only, records as JSON%s, no --pem", only,
	    json_only == NULL ? " or CSV" : "");
}

static int
run_survey(const struct probe_cli *cli, enum probe_format format, const struct probe_options *probe,
    struct arena *arena)
{
	return probe_survey_run(&(struct probe_survey){ .cli = &cli->survey,
				    .probe = probe,
				    .input = cli->input,
				    .output = cli->output,
				    .ca_file = cli->ca_file,
				    .ca_dir = cli->ca_dir,
				    .sni = cli->sni,
				    .source = cli->source,
				    .all_mx = cli->mx == MX_ALL,
				    .csv = format == FORMAT_CSV },
	    arena);
}

static int64_t
judged_at(const struct probe_options *probe)
{
	return probe->session.at != 0 ? probe->session.at : clock_wall();
}

static int
probe_targets(const struct probe_cli *cli, const struct strs *operands, struct arena *arena)
{
	struct job job = { .cli = cli, .operands = operands, .format = choose_format(cli) };
	struct probe_options probe;
	struct addr source;
	struct fail why;
	bool survey;
	int status;

	memset(&probe, 0, sizeof(probe));
	if (check_survey(&job, &survey, &why) != 0 || load_certs(&job, arena, &why) != 0 ||
	    open_save(&job, &why) != 0 ||
	    (cli->input != NULL && !survey &&
		probe_list_read(cli->input, arena, &job.lines, &why) != 0) ||
	    setup(cli, &job, arena, &source, &probe, &why) != 0 ||
	    probe_cert_judge(&job.cert, probe.session.trust, judged_at(&probe), arena, &why) != 0 ||
	    (!survey && probe_output_open(&job.output, job.format, cli->output, &probe.bar,
			    judged_at(&probe), &why) != 0)) {
		status = fail_as(job.format, &why);
	} else if (survey) {
		status = run_survey(cli, job.format, &probe, arena);
	} else {
		job.family = (int)probe.family;
		probe.lookup_only = cli->check_cert != NULL;
		probe.session.keep_raw = cli->pem != NULL;
		if (probe.concurrency == 0)
			probe.concurrency = TARGETS_AT_ONCE;
		deep_announce(cli, probe.enum_what);
		probe_run(&probe, next_target, target_done, &job);
		status = exit_status(&job, probe_output_end(&job.output));
		if (!probe_output_close(&job.output))
			status = EX_IOERR;
	}
	probe_save_close(&job.save);
	probe_policy_fini(&probe.policy);
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
	struct fail why;

	if (cli->list_fields) {
		facts_list_fields(&fact_table_target_facts, stdout);
		return EX_OK;
	}
	if (operands->n == 0 && cli->input == NULL) {
		fail_set(&why, FAIL_USAGE,
		    "no target: expected a mail domain, [host]:port or an address");
		return fail_as(choose_format(cli), &why);
	}
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
	.parse_failed = parse_failed,
};
