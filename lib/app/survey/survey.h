#ifndef APP_SURVEY_H
#define APP_SURVEY_H

#include "app/exclude.h"
#include "app/probe/probe.h"
#include "app/survey/polite.h"

/*
 * Probing a long list (DECISIONS D). The work is on the graph of mail servers, not on the list: each
 * distinct server is asked once, and what it did is told in the record of every domain that shares
 * it. Memory grows with the number of distinct servers; what they did is in OUTPUT.cache, and
 * domains that wait for a server are small entries. A record is written once and is final: a
 * domain with something unknown goes to OUTPUT.retry, to be asked about again when the list is at
 * its end.
 *
 * Whatever ends the process, OUTPUT is valid to its last line, and a survey with resume goes on
 * with what is missing.
 */

struct survey_status {
	uint64_t lines;   /* of the list, 0 = not known */
	uint64_t read;    /* lines that were read so far, in this process */
	uint64_t skipped; /* of them without a target, or of another shard */
	uint64_t before;  /* records that were there already */
	uint64_t written; /* records */
	uint64_t retry;   /* domains that wait for the next pass */
	uint64_t servers; /* distinct ones that were asked for */
	uint64_t sessions, connections;
	uint64_t resolving, waiting, queued, running; /* now */
	unsigned pass;
	uint64_t verdicts[VERDICT_UNDELIVERABLE + 1];
	int64_t start_ms;
	int worst; /* exit status of the worst record (verdict_exit_worst) */
};

struct survey_options {
	const struct probe_options *probe; /* its retries: further passes */
	const char *input;                 /* the list; "-": standard input */
	const char *output;                /* NULL or "-": standard output, without resume */
	bool resume;
	bool csv;               /* rows (probe_csv.h), nothing to go on with; without dedupe */
	bool dedupe;            /* hosts and certificates in lines of their own */
	unsigned shard, shards; /* this is part shard (from 1) of shards; 0: all of it */
	unsigned names_per_address;
	unsigned workers; /* processes for the sessions; 0: this one has them */
	struct survey_limits limits;
	const struct exclude *exclude; /* may be NULL */
	const struct survey_meta_facts
	    *meta; /* the first line, but for what is known of the list */
	/* Called now and then with what there is to tell; may be NULL. Must not wait. */
	void (*progress)(const struct survey_status *status, void *ctx);
	void *ctx;
};

/*
 * Run the scheduler until every line has its record, or it was stopped (signals_stop_seen). status_r
 * is filled also when this fails.
 * Fails with CANT_CREATE, NO_INPUT, USAGE (an unfinished survey is there and resume is not given, or
 * another list is), IO (a file cannot be written any more), CONNECT_TIMEOUT (port 25 is blocked).
 */
int
survey_run(const struct survey_options *options, struct survey_status *status_r, struct fail *why);

#endif
