#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "app/identity.h"
#include "app/send/tlsrpt_report.h"
#include "app/send/tlsrpt_store.h"
#include "app/store/places.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/gzip.h"
#include "base/json.h"
#include "base/limits.h"
#include "command.h"
#include "io/sched.h"
#include "io/signals.h"
#include "policy.h"
#include "policy/tlsrpt.h"

/* policy tlsrpt: what is kept of a day's sessions, on standard output, or as the reports of RFC 8460. */

#define DAY_S 86400

struct job {
	const struct policy_options *options;
	struct arena *arena;
	struct dns_resolver *resolver; /* NULL: without a folder nobody is asked */
	struct tlsrpt_report report;   /* what all have in common */
	struct tlsrpt_day day;
	int dir; /* where reports go; -1: standard output */
	const char *folder;
	struct strs domains; /* A-labels; empty: all */
	size_t seen, written, unwanted;
	int status;
};

static void
fail(struct job *job, struct fail *why, const char *domain)
{
	int status;

	fail_prefix(why, "%s", domain);
	status = command_fail(&cmd_policy, why);
	/* a file that cannot be written outweighs a domain that cannot be asked now */
	if (job->status == EX_OK || job->status == EX_TEMPFAIL)
		job->status = status;
}

/* --- one report ----------------------------------------------------------------------------------- */

static void
print_json(const struct tlsrpt_report *report, const char *file, const struct strs *rua)
{
	int64_t good, failed;
	struct buf out;
	struct json j;

	tlsrpt_report_count(report, &good, &failed);
	buf_init(&out, LIMIT_RECORD_BYTES);
	json_init(&j, &out);
	json_object_begin(&j);
	json_key(&j, slice_str("domain"));
	json_put_str(&j, report->domain);
	json_key(&j, slice_str("day"));
	json_put_str(&j, report->day);
	json_key(&j, slice_str("successful"));
	json_put_int(&j, good);
	json_key(&j, slice_str("failed"));
	json_put_int(&j, failed);
	json_key(&j, slice_str("file"));
	json_put_str(&j, file);
	json_key(&j, slice_str("rua"));
	json_array_begin(&j);
	for (size_t i = 0; rua != NULL && i < rua->n; i++)
		json_put_str(&j, rua->v[i]);
	json_array_end(&j);
	json_object_end(&j);
	printf("%s\n", buf_str(&out));
	buf_free(&out);
}

static void
show(const struct job *job, const struct tlsrpt_report *report)
{
	struct buf out;

	if (job->options->json) {
		print_json(report, NULL, NULL);
		return;
	}
	buf_init(&out, LIMIT_TLSRPT_REPORT_BYTES);
	tlsrpt_report_text(report, &out);
	printf("%s", buf_str(&out));
	buf_free(&out);
}

static void
print_written(const struct job *job, const struct tlsrpt_report *report, const char *name,
    const struct strs *rua)
{
	const char *path = arena_printf(job->arena, "%s/%s", job->folder, name);

	if (job->options->json) {
		print_json(report, path, rua);
		return;
	}
	printf("%s", path);
	for (size_t i = 0; i < rua->n; i++)
		printf(" %s", rua->v[i]);
	printf("\n");
}

static int
write_report(
    struct job *job, const struct tlsrpt_report *report, const struct strs *rua, struct fail *why)
{
	bool compress = !job->options->plain;
	const char *name = tlsrpt_report_name(report, compress, job->arena);
	struct buf text, packed;
	int rc = 0;

	buf_init(&text, LIMIT_TLSRPT_REPORT_BYTES);
	buf_init(&packed, LIMIT_TLSRPT_REPORT_BYTES);
	tlsrpt_report_json(report, &text);
	if (text.full)
		rc = fail_set(why, FAIL_STORAGE, "the report is longer than %d bytes",
		    LIMIT_TLSRPT_REPORT_BYTES);
	else if (compress)
		rc = gzip(slice_make(text.data, text.len), &packed, why);
	const struct buf *out = compress ? &packed : &text;
	if (rc == 0 && (rc = file_replace(job->dir, name, out->data, out->len)) != 0)
		fail_errno(why,
		    errno == ENOSPC || errno == EDQUOT ? FAIL_STORAGE_FULL : FAIL_STORAGE, "%s/%s",
		    job->folder, name);
	if (rc == 0) {
		job->written++;
		print_written(job, report, name, rua);
	}
	buf_free(&packed);
	buf_free(&text);
	return rc;
}

/* RFC 8460 s3: a report is made for a domain that asks for it, and no other. */
static void
report_one(struct job *job, const struct tlsrpt_report *report)
{
	struct tlsrpt_facts wanted;
	struct fail why;

	if (tlsrpt_lookup(job->resolver, report->domain, job->arena, &wanted,
		clock_deadline(job->options->deadline_ms), &why) != 0) {
		fail(job, &why, report->domain);
	} else if (wanted.status == TLSRPT_DNS_ERROR) {
		fail_set(&why, FAIL_DNS_SERVFAIL, "_smtp._tls: %s", wanted.reason);
		fail(job, &why, report->domain);
	} else if (wanted.status != TLSRPT_VALID) {
		job->unwanted++;
	} else if (write_report(job, report, &wanted.rua, &why) != 0) {
		fail(job, &why, report->domain);
	}
}

static bool
is_chosen(const struct job *job, const char *domain)
{
	for (size_t i = 0; i < job->domains.n; i++)
		if (strcmp(job->domains.v[i], domain) == 0)
			return true;
	return job->domains.n == 0;
}

static void
report_all(void *arg)
{
	struct job *job = arg;

	signals_stop_on(1000);
	for (size_t i = 0; i < job->day.n && !ferror(stdout) && !sched_stopping();) {
		struct tlsrpt_report report = job->report;
		report.domain = job->day.rows[i]->domain;
		report.rows = &job->day.rows[i];
		report.n = tlsrpt_report_rows(&job->day, i);
		i += report.n;
		if (!is_chosen(job, report.domain))
			continue;
		job->seen++;
		if (job->dir >= 0)
			report_one(job, &report);
		else
			show(job, &report);
	}
}

/* --- set-up --------------------------------------------------------------------------------------- */

/* Which day: one that is over, where reports are to be written. */
static int
choose_day(struct job *job, struct fail *why)
{
	char day[TLSRPT_DAY_BYTES];
	int64_t now = clock_wall(), start;

	if (job->options->day == NULL) {
		tlsrpt_day_str(now - DAY_S, day);
		job->report.day = arena_strdup(job->arena, day);
		return 0;
	}
	start = tlsrpt_day_parse(job->options->day);
	if (start < 0)
		return fail_set(why, FAIL_USAGE,
		    "option --day: \"%.40s\" is not a day, expected one like 2026-01-31",
		    job->options->day);
	if (job->dir >= 0 && start + DAY_S > now)
		return fail_set(why, FAIL_USAGE,
		    "%s is not over (UTC): reports are about whole days; without a folder, what is "
		    "known so far is shown",
		    job->options->day);
	job->report.day = job->options->day;
	return 0;
}

/* Who we are, in the report. */
static int
introduce(struct job *job, struct fail *why)
{
	const struct policy_options *o = job->options;
	const char *domain = o->maildomain;

	if (domain == NULL)
		domain = identity_maildomain(job->arena);
	if (domain == NULL)
		return fail_set(why, FAIL_CONFIG,
		    "whose reports are they? This host has no full name: --maildomain DOMAIN");
	domain = dns_name_normalize(domain, job->arena, why);
	if (domain == NULL)
		return fail_prefix(why, "option --maildomain");
	job->report.sender = domain;
	job->report.organization = o->organization != NULL ? o->organization : domain;
	job->report.contact =
	    o->contact != NULL ? o->contact : arena_printf(job->arena, "postmaster@%s", domain);
	return 0;
}

static int
set_up(struct job *job, const char *store, struct fail *why)
{
	const struct policy_options *o = job->options;

	if (job->folder != NULL) {
		job->dir = open(job->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (job->dir < 0)
			return fail_errno(why, FAIL_CANT_CREATE, "folder %s", job->folder);
	}
	for (size_t i = 0; i < o->domains.n; i++) {
		const char *domain = dns_name_normalize(o->domains.v[i], job->arena, why);
		if (domain == NULL)
			return fail_prefix(why, "option --domain");
		strs_add(&job->domains, job->arena, domain);
	}
	if (choose_day(job, why) != 0)
		return -1;
	if (job->folder != NULL &&
	    (introduce(job, why) != 0 || command_resolver(&o->route.resolvers, o->route.trust_ad,
					     job->arena, &job->resolver, why) != 0))
		return -1;
	return tlsrpt_store_load(store, job->report.day, &job->day, why);
}

static void
sum_up(const struct job *job)
{
	if (job->seen == 0)
		fprintf(stderr, "mxtls policy: no results kept of %s%s\n", job->report.day,
		    job->domains.n > 0 ? " for that" : "");
	if (job->unwanted > 0)
		fprintf(
		    stderr, "mxtls policy: domains that ask for no report: %zu\n", job->unwanted);
	if (job->day.bad > 0)
		fprintf(stderr, "mxtls policy: %" PRIu64 " damaged lines of %s were passed over\n",
		    job->day.bad, job->report.day);
	if (job->day.dropped > 0)
		fprintf(stderr,
		    "mxtls policy: %" PRIu64 " sessions of %s are left out: more than %d different "
		    "results\n",
		    job->day.dropped, job->report.day, LIMIT_TLSRPT_ROWS);
}

int
policy_tlsrpt(
    const struct policy_options *options, const struct strs *operands, struct arena *arena)
{
	struct job job = { .options = options, .arena = arena, .dir = -1, .status = EX_OK };
	struct fail why;
	const char *store = places_state("tlsrpt", arena, &why);

	if (operands->n > 2)
		return command_usage_error(&cmd_policy, "tlsrpt takes one folder");
	if (operands->n == 2)
		job.folder = operands->v[1];
	tlsrpt_day_init(&job.day);
	if (store == NULL || set_up(&job, store, &why) != 0) {
		job.status = command_fail(&cmd_policy, &why);
	} else {
		sched_run(report_all, &job);
		sum_up(&job);
	}
	tlsrpt_day_free(&job.day);
	dns_resolver_free(job.resolver);
	if (job.dir >= 0)
		close(job.dir);
	return job.status;
}
