#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sysexits.h>

#include "app/report/lines.h"
#include "app/send/suggest.h"
#include "app/store/places.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/text.h"
#include "command.h"
#include "policy.h"

/* policy suggest: lines for the policy file, by what surveys and the delivery log tell. Nothing is changed. */

struct job {
	const struct policy_options *options;
	struct suggest *suggest;
	struct rules *rules; /* the policy in use */
	uint64_t lines, bad;
	uint64_t bytes; /* of the policy printed */
};

__attribute__((format(printf, 2, 3))) static void
say(struct job *job, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	int n = vprintf(fmt, args);
	va_end(args);
	job->bytes += n > 0 ? (uint64_t)n : 0;
}

/* Lines that cannot be read are told one by one, up to a point. */
static void
complain(struct job *job, const struct report_lines *l, const struct fail *why)
{
	job->bad++;
	if (job->bad <= LIMIT_REPORT_FAULTS)
		fprintf(stderr, "mxtls policy: %s:%" PRIu64 ": %s\n", l->name, l->line, why->text);
}

static int
read_file(struct job *job, const char *path, struct fail *why)
{
	struct report_lines l;
	struct slice line;
	enum report_line kind;
	struct fail bad;

	if (report_lines_open(&l, path, why) != 0)
		return -1;
	while ((kind = report_lines_next(&l, &line, why)) != REPORT_LINES_END &&
	       kind != REPORT_LINES_FAILED) {
		if (kind == REPORT_LINE && slice_trim(line).n == 0)
			continue;
		job->lines++;
		if (kind == REPORT_LINE_TOO_LONG)
			fail_set(&bad, FAIL_MESSAGE, "the line is too long");
		else if (kind == REPORT_LINE_TORN)
			fail_set(&bad, FAIL_MESSAGE, "the last line is cut off");
		else if (suggest_line(job->suggest, line, &bad) == 0)
			continue;
		complain(job, &l, &bad);
	}
	report_lines_close(&l);
	return kind == REPORT_LINES_FAILED ? -1 : 0;
}

/* --- output --------------------------------------------------------------------------------------- */

/* The rule that the policy in use has for the domain itself; NULL: only its default. */
static const struct rule *
rule_of(const struct job *job, const struct suggest_domain *d)
{
	const struct rule *rule = rules_match(job->rules, d->name);

	return rule == rules_fallback(job->rules) ? NULL : rule;
}

static void
print_json(const struct job *job, const struct suggest_domain *d, struct buf *out)
{
	enum suggestion suggestion = suggest_judge(d, (unsigned)job->options->min_seen);
	const struct rule *rule = rule_of(job, d);
	const struct {
		const char *name;
		unsigned value;
	} numbers[] = { { "seen", d->seen }, { "records", d->records }, { "tls", d->tls },
		{ "verified", d->verified }, { "clear", d->clear }, { "failed", d->failed } };
	struct json j;

	buf_reset(out);
	json_init(&j, out);
	json_object_begin(&j);
	json_key(&j, slice_str("domain"));
	json_put_str(&j, d->name);
	json_key(&j, slice_str("suggest"));
	json_put_str(&j, suggestion == SUGGEST_TOO_FEW ? NULL : suggestion_level(suggestion));
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		json_key(&j, slice_str(numbers[i].name));
		json_put_int(&j, numbers[i].value);
	}
	json_key(&j, slice_str("dane"));
	json_put_bool(&j, d->dane);
	json_key(&j, slice_str("mta_sts"));
	json_put_str(&j, d->sts ? "enforce" : d->testing ? "testing" : NULL);
	json_key(&j, slice_str("broken"));
	json_put_bool(&j, d->broken);
	json_key(&j, slice_str("first"));
	json_put_time(&j, d->first);
	json_key(&j, slice_str("last"));
	json_put_time(&j, d->last);
	json_key(&j, slice_str("rule"));
	json_put_str(&j, rule == NULL ? NULL : rule_str(rule));
	json_key(&j, slice_str("level"));
	json_put_str(&j, rule == NULL ? NULL : level_str(rule->level));
	json_object_end(&j);
	printf("%s\n", buf_str(out));
}

static void
print_domain(struct job *job, const struct suggest_domain *d, enum suggestion suggestion,
    const char *group, struct buf *out)
{
	const struct rule *rule = rule_of(job, d);

	buf_reset(out);
	suggest_reason(d, suggestion, out);
	say(job, "# %s: %s\n", d->name, buf_str(out));
	if (rule != NULL)
		say(job, "#   has level %s by %s already\n", level_str(rule->level),
		    rule_str(rule));
	else if (group != NULL)
		say(job, "group %s %s%s\n", group, d->name,
		    strchr(d->name, '.') == NULL ? "." : "");
}

/* All domains of one kind: a group where the level is worth a line, else comments. */
static void
print_kind(struct job *job, enum suggestion kind, const struct suggest_domain *const *v, size_t n,
    struct buf *out)
{
	static const char *const titles[SUGGESTIONS] = { NULL,
		"publish what level auto, the default, goes by: no line needed",
		"always verified: a trusted certificate for the MX host",
		"always encrypted, but not always with such a certificate",
		"never TLS: in clear by level auto, too",
		"now this, now that: left to level auto" };
	bool line = kind == SUGGEST_VERIFY || kind == SUGGEST_ENCRYPT ||
		    (kind == SUGGEST_NONE && job->options->none);
	const char *level = suggestion_level(kind);
	char group[40];
	bool any = false, grouped = false;

	snprintf(group, sizeof(group), "suggested-%s", level);
	for (size_t i = 0; i < n; i++) {
		if (suggest_judge(v[i], (unsigned)job->options->min_seen) != kind)
			continue;
		if (!any)
			say(job, "\n# %s\n", titles[kind]);
		any = true;
		grouped |= line && rule_of(job, v[i]) == NULL;
		print_domain(job, v[i], kind, line ? group : NULL, out);
	}
	if (grouped)
		say(job, "policy %s %s\n", group, level);
}

static void
print_policy(struct job *job, const struct suggest_domain *const *v, size_t n, struct buf *out)
{
	size_t few = 0;
	char now[32];

	text_date_rfc3339(clock_wall(), now);
	for (size_t i = 0; i < n; i++)
		few += suggest_judge(v[i], (unsigned)job->options->min_seen) == SUGGEST_TOO_FEW;
	say(job,
	    "# mxtls policy suggest, %s: %zu domains, by %" PRIu64 " lines\n"
	    "# %zu of them were seen fewer than %" PRId64 " times (--min-seen): nothing is said "
	    "about them\n",
	    now, n, job->lines - job->bad, few, job->options->min_seen);
	for (enum suggestion kind = SUGGEST_PUBLISHED; kind <= SUGGEST_MIXED; kind++)
		print_kind(job, kind, v, n, out);
}

static void
print(struct job *job)
{
	size_t n;
	const struct suggest_domain *const *v = suggest_domains(job->suggest, &n);
	struct buf out;

	buf_init(&out, LIMIT_RECORD_BYTES);
	if (job->options->json)
		for (size_t i = 0; i < n && !ferror(stdout); i++)
			print_json(job, v[i], &out);
	else
		print_policy(job, v, n, &out);
	buf_free(&out);
	if (job->bytes > LIMIT_CONFIG_BYTES)
		fprintf(stderr,
		    "mxtls policy: this is longer than a policy may be, %d bytes: take a part of "
		    "it, or "
		    "a higher --min-seen\n",
		    LIMIT_CONFIG_BYTES);
	if (suggest_left_out(job->suggest) > 0)
		fprintf(stderr,
		    "mxtls policy: %" PRIu64 " lines were left out: more than %d domains\n",
		    suggest_left_out(job->suggest), LIMIT_SUGGEST_DOMAINS);
	if (job->bad > LIMIT_REPORT_FAULTS)
		fprintf(
		    stderr, "mxtls policy: %" PRIu64 " lines in all cannot be read\n", job->bad);
}

/* --- set-up --------------------------------------------------------------------------------------- */

static int
read_all(struct job *job, const struct strs *operands, struct fail *why)
{
	for (size_t i = 1; i < operands->n; i++)
		if (read_file(job, operands->v[i], why) != 0)
			return -1;
	for (size_t i = 0; i < job->options->logs.n; i++)
		if (read_file(job, job->options->logs.v[i], why) != 0)
			return -1;
	return 0;
}

int
policy_suggest(
    const struct policy_options *options, const struct strs *operands, struct arena *arena)
{
	const char *path =
	    options->route.policy != NULL ? options->route.policy : places_config("policy", arena);
	struct job job = { .options = options };
	int status = EX_OK;
	struct fail why;

	if (operands->n < 2 && options->logs.n == 0)
		return command_usage_error(&cmd_policy,
		    "suggest by what? Expected files of mxtls probe, or --log FILE; - is standard "
		    "input");
	job.rules = path == NULL ? rules_default() : rules_load(path, &why);
	if (job.rules == NULL)
		return command_fail(&cmd_policy, &why);
	job.suggest = suggest_new();
	if (read_all(&job, operands, &why) != 0) {
		status = command_fail(&cmd_policy, &why);
	} else {
		print(&job);
		if (job.bad > 0)
			status = EX_DATAERR;
	}
	suggest_free(job.suggest);
	rules_free(job.rules);
	return status;
}
