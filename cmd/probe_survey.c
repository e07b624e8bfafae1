#include "probe_survey.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "app/survey/input.h"
#include "app/survey/survey.h"
#include "base/clock.h"
#include "base/limits.h"
#include "command.h"
#include "dns/dns.h"
#include "io/signals.h"
#include "policy/verdict.h"
#include "probe_progress.h"
#include "tls/tls.h"

/* --- options ------------------------------------------------------------------------------------- */

/* "2/8" */
static int
parse_shard(const char *text, unsigned *shard_r, unsigned *shards_r, struct fail *why)
{
	struct slice s = slice_str(text);
	size_t slash = slice_find(s, '/');
	unsigned long long k = 0, n = 0;

	*shard_r = *shards_r = 0;
	if (text == NULL)
		return 0;
	if (!slice_number(slice_sub(s, 0, slash), 10000, &k) ||
	    !slice_number(slice_sub(s, slash + 1, s.n), 10000, &n) || k == 0 || k > n)
		return fail_set(why, FAIL_USAGE,
		    "option --shard: \"%s\" is no part K/N, with K from 1 to N, and N at most "
		    "10000",
		    text);
	*shard_r = (unsigned)k;
	*shards_r = (unsigned)n;
	return 0;
}

/* --- the first line ------------------------------------------------------------------------------ */

static char *
sha256_of(const char *path, struct arena *arena, int64_t *lines_r)
{
	char sum[65];
	uint64_t lines;

	if (!survey_input_sum(path, sum, &lines))
		return NULL;
	if (lines_r != NULL)
		*lines_r = (int64_t)lines;
	return arena_strdup(arena, sum);
}

static char *
ca_sha256(const struct probe_survey *survey, struct arena *arena)
{
	/* Debian's hashed directory has the same roots as this file beside it */
	static const char *const bundles[] = { "/etc/ssl/certs/ca-certificates.crt",
		"/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem" };

	if (survey->ca_file != NULL)
		return sha256_of(survey->ca_file, arena, NULL);
	if (survey->ca_dir != NULL)
		return NULL;
	for (size_t i = 0; i < sizeof(bundles) / sizeof(bundles[0]); i++)
		if (access(bundles[i], R_OK) == 0)
			return sha256_of(bundles[i], arena, NULL);
	return NULL;
}

static void
fill_meta(const struct probe_survey *survey, struct arena *arena, struct survey_meta_facts *meta)
{
	const struct probe_options *probe = survey->probe;

	facts_init_survey_meta_facts(meta);
	meta->schema = arena_strdup(arena, "mxtls-probe/1");
	meta->type = arena_strdup(arena, "meta");
	meta->version = arena_strdup(arena, MXTLS_VERSION);
	meta->openssl = arena_strdup(arena, tls_library_version());
	meta->ca_sha256 = ca_sha256(survey, arena);
	if (probe->resolver != NULL)
		dns_resolver_list(probe->resolver, arena, &meta->resolvers);
	meta->source = survey->source == NULL ? NULL : arena_strdup(arena, survey->source);
	meta->helo = probe->session.helo == NULL ? NULL : arena_strdup(arena, probe->session.helo);
	meta->start = clock_wall();
	meta->input_sha256 = sha256_of(survey->input, arena, &meta->input_lines);
	meta->shard = survey->cli->shard == NULL ? NULL : arena_strdup(arena, survey->cli->shard);
	meta->dedupe = survey->cli->dedupe;
	meta->port = probe->port == 0 ? -1 : probe->port;
	meta->implicit_tls = probe->session.implicit_tls;
	meta->family = probe->family == MX_FAMILY_BOTH ? -1 : (int64_t)probe->family;
	meta->mx = arena_strdup(arena, survey->all_mx ? "all" : "first");
	meta->key_types = arena_strdup(arena, probe->both_keys ? "rsa,ecdsa" : "any");
	meta->sni = arena_strdup(arena, survey->sni == NULL ? "auto" : survey->sni);
	meta->dane = !probe->no_dane;
	meta->mta_sts = probe->policy.mtasts != NULL;
	meta->tlsrpt = probe->policy.tlsrpt;
	meta->caa = probe->caa;
	meta->at = probe->session.at;
	meta->retries = probe->retries;
	meta->timeout = (double)probe->session.timeout_ms / 1000;
	meta->deadline = (double)probe->deadline_ms / 1000;
	meta->concurrency = probe->concurrency;
}

/* --- the run ------------------------------------------------------------------------------------- */

/* DECISIONS C17: a list has status 0 when every record was written, unless something is required. */
static int
exit_status(const struct probe_survey *survey, const struct survey_status *status)
{
	if (signals_stop_seen() != 0) {
		fprintf(stderr, "mxtls probe: interrupted: %llu records are written",
		    (unsigned long long)(status->before + status->written));
		if (!survey->csv && survey->output != NULL && strcmp(survey->output, "-") != 0)
			fprintf(stderr, "; --resume goes on with what is missing");
		fputc('\n', stderr);
		return 128 + signals_stop_seen();
	}
	return survey->probe->bar.require == VERDICT_UNKNOWN ? EX_OK : status->worst;
}

int
probe_survey_run(const struct probe_survey *survey, struct arena *arena)
{
	const struct probe_survey_cli *cli = survey->cli;
	struct probe_options probe = *survey->probe;
	struct survey_meta_facts meta;
	struct survey_status status;
	struct exclude exclude;
	struct survey_options options = { .probe = &probe,
		.input = survey->input,
		.output = survey->output,
		.csv = survey->csv,
		.resume = cli->resume,
		.dedupe = cli->dedupe,
		.names_per_address = (unsigned)cli->names,
		.workers = (unsigned)cli->workers,
		.meta = &meta };
	struct probe_progress progress;
	struct fail why;
	int ret;

	options.progress = probe_progress_show;
	options.ctx = &progress;
	probe_progress_init(&progress, cli->status_file);
	exclude_init(&exclude);
	ret = parse_shard(cli->shard, &options.shard, &options.shards, &why);
	if (ret == 0 && cli->exclude != NULL) {
		ret = exclude_load(&exclude, cli->exclude, &why);
		options.exclude = &exclude;
	}
	if (ret == 0) {
		options.limits = survey_limits_default(options.shards);
		options.limits.apart_ms =
		    probe.pace_ms * (options.shards == 0 ? 1 : options.shards);
		options.limits.a_second =
		    (double)cli->rate / (options.shards == 0 ? 1 : options.shards);
		options.limits.back_off_ms = cli->back_off_ms;
		/* "finishes what is in flight within the deadline" */
		probe.grace_ms = probe.deadline_ms;
		fill_meta(survey, arena, &meta);
		if (cli->resume && meta.input_sha256 == NULL)
			ret = fail_set(&why, FAIL_USAGE,
			    "option --resume: %s cannot be read twice; give a file",
			    strcmp(survey->input, "-") == 0 ? "standard input" : survey->input);
	}
	if (ret == 0) {
		ret = survey_run(&options, &status, &why);
		probe_progress_end(&progress, &status,
		    ret != 0                   ? "failed"
		    : signals_stop_seen() != 0 ? "interrupted"
					       : "finished");
	}
	exclude_free(&exclude);
	if (ret == 0)
		return exit_status(survey, &status);
	if (why.code == FAIL_IO && why.errnum == EPIPE) /* head(1): main sees it, too */
		return EX_OK;
	command_fail(&cmd_probe, &why);
	if (why.code == FAIL_CONNECT_TIMEOUT)
		return EX_UNAVAILABLE;
	return why.code == FAIL_IO ? EX_IOERR : fail_info(why.code)->exit_status;
}
