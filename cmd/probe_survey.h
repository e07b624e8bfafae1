#ifndef PROBE_SURVEY_H
#define PROBE_SURVEY_H

#include <stdbool.h>
#include <stdint.h>

#include "app/probe/probe.h"
#include "base/facts.h"
#include "base/opt.h"

/*
 * mxtls probe -f FILE with JSON: a survey. Its options, its first line, its progress, its exit status.
 */
struct probe_survey_cli {
	bool resume, dedupe;
	const char *shard, *exclude, *status_file;
	int64_t rate, names, back_off_ms, workers;
};

/* Rows for the option table of a struct that has a struct probe_survey_cli as its member "survey". */
#define PROBE_SURVEY_ROWS(ROW) \
	OPT_GROUP("Surveys (--file with JSON)"), \
	    ROW(FLAG, survey.resume, "resume", 0, NULL, \
		"go on with the survey that --output has the beginning of"), \
	    ROW(FLAG, survey.dedupe, "dedupe-output", 0, NULL, \
		"write what a server did, and each certificate, once, in lines of their own"), \
	    ROW(STR, survey.exclude, "exclude", 0, "FILE", \
		"leave out the domains, addresses and networks in FILE, one a line"), \
	    ROW(INT, survey.rate, "rate", 0, "N", \
		"begin at most N sessions a second (default: no limit beside those that spare " \
		"servers)", \
		.min = 1, .max = 100000), \
	    ROW(INT, survey.names, "names-per-address", 0, "N", \
		"ask an address for the certificates of at most N names", .min = 1, \
		.max = 1000000, .initial = "50"), \
	    ROW(DURATION, survey.back_off_ms, "back-off", 0, "TIME", \
		"leave an address alone that said 421 or 4xx; longer each time", \
		.initial = "60s"), \
	    ROW(STR, survey.shard, "shard", 0, "K/N", \
		"do part K of N, the same one each time, at an N-th of the speed"), \
	    ROW(INT, survey.workers, "workers", 0, "N", \
		"have the sessions in N processes, for more cores (default: in this one)", \
		.min = 1, .max = 256), \
	    ROW(STR, survey.status_file, "status-file", 0, "FILE", \
		"keep a line of JSON in FILE that tells how far it is")

struct probe_survey {
	const struct probe_survey_cli *cli;
	const struct probe_options *probe;
	const char *input, *output;
	const char *ca_file, *ca_dir, *sni, *source; /* as they were given */
	bool all_mx, csv;
};

/* Runs it; returns the exit status. Says on stderr what went wrong. */
int probe_survey_run(const struct probe_survey *survey, struct arena *arena);

#endif
