#include <errno.h>
#include <string.h>
#include <sysexits.h>

#include "app/report/report.h"
#include "base/limits.h"
#include "command.h"

enum { REPORT_TEXT, REPORT_JSON, REPORT_TSV, REPORT_HTML, REPORT_MARKDOWN };

struct report_cli {
	const char *output, *title; /* NULL: not given */
	struct strs old;
	int64_t top;
	int format, grouping;
	bool anonymize, name_domains, verbose;
};

static const struct opt_word formats[] = { { "text", REPORT_TEXT }, { "json", REPORT_JSON },
	{ "tsv", REPORT_TSV }, { "html", REPORT_HTML }, { "markdown", REPORT_MARKDOWN },
	{ NULL, 0 } };
static const struct opt_word groupings[] = { { "day", REPORT_BY_DAY }, { "file", REPORT_BY_FILE },
	{ "all", REPORT_AS_ONE }, { NULL, 0 } };

#define ROW(kind, member, ...) OPT_ROW(kind, struct report_cli, member, __VA_ARGS__)
static const struct opt report_opts[] = {
	OPT_GROUP("Output"),
	ROW(WORD, format, "format", 0, "FORMAT", "how to write the report", .words = formats,
	    .initial = "text"),
	ROW(SET, format, "json", 0, NULL, "one JSON object: --format=json", .value = REPORT_JSON),
	ROW(SET, format, "html", 0, NULL, "a page in one file: --format=html",
	    .value = REPORT_HTML),
	ROW(STR, output, "output", 'o', "FILE", "write the report to FILE"),
	ROW(STR, title, "title", 0, "TEXT", "title of the report"),
	ROW(INT, top, "top", 0, "N", "rows of a long table, and findings", .min = 1,
	    .max = LIMIT_REPORT_FINDINGS, .initial = "20"),

	ROW(FLAG, verbose, "verbose", 'v', NULL,
	    "tell how many records each file had, on standard error"),

	OPT_GROUP("Surveys"),
	ROW(STRS, old, "compare", 0, "FILE",
	    "tell what changed since the survey in FILE, and what got worse"),
	ROW(WORD, grouping, "survey", 0, "WHAT",
	    "what makes one survey: all records of a day, each file, or all files together",
	    .words = groupings, .initial = "day"),

	OPT_GROUP("Names"),
	ROW(FLAG, name_domains, "name-domains", 0, NULL,
	    "name the domains of findings also when there are more than 1,000 domains"),
	ROW(FLAG, anonymize, "anonymize", 0, NULL,
	    "leave out the names of domains, hosts and providers"),
	OPT_TABLE_END,
};

static const char *const usage[] = { "[OPTION]... FILE...", NULL };

static const char *const examples[] = {
	"mxtls report survey.ndjson",
	"Figures of a survey as text.",
	"mxtls report --html -o report.html survey.ndjson",
	"A page to publish.",
	"mxtls report --compare january.ndjson february.ndjson",
	"What changed, and which domains got worse.",
	"mxtls report --html -o trend.html 2026-*.ndjson",
	"The newest of several surveys, with the trend of all.",
	"mxtls report listen.log delivery.log",
	"How much mail came and went encrypted, by domain and network.",
	NULL,
};

static void
complain(const char *text)
{
	fprintf(stderr, "mxtls report: %s\n", text);
}

static void
write_report(const struct report *report, int format, struct buf *out)
{
	switch (format) {
	case REPORT_JSON:
		report_write_json(report, out);
		break;
	case REPORT_TSV:
		report_write_tsv(report, out);
		break;
	case REPORT_HTML:
		report_write_html(report, out);
		break;
	case REPORT_MARKDOWN:
		report_write_markdown(report, out);
		break;
	default:
		report_write_text(report, out);
		break;
	}
}

static int
put(const struct report_cli *cli, const struct buf *text, struct fail *why)
{
	if (cli->output == NULL || strcmp(cli->output, "-") == 0) {
		fwrite(text->data, 1, text->len, stdout); /* main looks whether it was written */
		return 0;
	}
	FILE *file = fopen(cli->output, "we");
	if (file == NULL)
		return fail_errno(why, FAIL_CANT_CREATE, "cannot create %s", cli->output);
	bool ok = fwrite(text->data, 1, text->len, file) == text->len;
	int error = errno;
	if (fclose(file) != 0 && ok) {
		ok = false;
		error = errno;
	}
	errno = error;
	return ok ? 0 : fail_errno(why, FAIL_CANT_CREATE, "cannot write to %s", cli->output);
}

/* Tell what was passed over without a line of its own. */
static void
tell(const struct report *report)
{
	if (report->note.unknown_words > 0)
		fprintf(stderr,
		    "mxtls report: %zu unknown words, counted as unknown (such as %s): were the "
		    "records written by a newer mxtls?\n",
		    report->note.unknown_words, report->note.word);
	if (report->late > 0)
		fprintf(stderr,
		    "mxtls report: %llu records of an earlier day than those of the file before "
		    "were left out; name that file first\n",
		    (unsigned long long)report->late);
}

static int
run_report(const struct report_cli *cli, const struct strs *files, struct report *report)
{
	struct buf text;
	struct fail why;
	int status = EX_OK;

	if (report_read_old(report, cli->old.v, cli->old.n, &why) != 0 ||
	    report_read(report, files->v, files->n, &why) != 0)
		return command_fail(&cmd_report, &why);
	if (cli->old.n > 0 && report->compare.old == NULL) {
		fail_set(&why, FAIL_MESSAGE, "option --compare: there is no record in %s",
		    cli->old.v[0]);
		return command_fail(&cmd_report, &why);
	}
	if (!report_finish(report)) {
		fail_set(&why, FAIL_MESSAGE, "there is no record in %s%s", files->v[0],
		    files->n > 1 ? " or the other files" : "");
		return command_fail(&cmd_report, &why);
	}
	tell(report);
	buf_init(&text, LIMIT_REPORT_BYTES);
	write_report(report, cli->format, &text);
	if (text.full) {
		fail_set(&why, FAIL_CANT_CREATE, "the report is larger than %d MiB",
		    LIMIT_REPORT_BYTES >> 20);
		status = command_fail(&cmd_report, &why);
	} else if (put(cli, &text, &why) != 0)
		status = command_fail(&cmd_report, &why);
	buf_free(&text);
	return status;
}

static int
report_run_command(const void *arg, const struct strs *operands)
{
	const struct report_cli *cli = arg;
	struct report_options options = { .grouping = (enum report_grouping)cli->grouping,
		.anonymize = cli->anonymize,
		.name_domains = cli->name_domains,
		.top = (size_t)cli->top,
		.title = cli->title,
		.complain = complain,
		.verbose = cli->verbose };

	if (operands->n == 0)
		return command_usage_error(&cmd_report, "no file: expected records of mxtls probe "
							"--json, or logs, or - for standard input");
	if (cli->anonymize && cli->name_domains)
		return command_usage_error(
		    &cmd_report, "--anonymize and --name-domains exclude each other");
	struct report *report = report_new(&options);
	int status = run_report(cli, operands, report);
	report_free(report);
	return status;
}

const struct command cmd_report = {
	.name = "report",
	.summary = "make figures of surveys, and of logs of mail",
	.usage = usage,
	.description =
	    "Read the records that mxtls probe --json wrote, of one survey or several, and write "
	    "how many domains, MX hosts and addresses do what about TLS, and of how many that is. "
	    "Or read the logs of listen (--log json), send and queue (--log-format json), and "
	    "write "
	    "how much mail was encrypted. A FILE of - is standard input. Files of one day are one "
	    "survey; of several surveys the "
	    "newest is reported, with the trend of all.",
	.opts = report_opts,
	.options_size = sizeof(struct report_cli),
	.order = OPT_ANYWHERE,
	.examples = examples,
	.run = report_run_command,
};
