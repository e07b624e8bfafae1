#ifndef APP_SURVEY_IMPL_H
#define APP_SURVEY_IMPL_H

#include "app/survey/file.h"
#include "app/survey/input.h"
#include "app/survey/results.h"
#include "app/survey/survey.h"
#include "app/survey/table.h"
#include "app/survey/workers.h"
#include "io/io.h"
#include "policy/port25.h"

/* One survey; what survey.c, survey_store.c and survey_finish.c share. */

/* A session that waits or runs. */
struct survey_slot {
	struct survey_job job;
	struct survey *survey;
	uint32_t number; /* its own */
};

/* A line of the list while its names are looked up. */
struct survey_line_job {
	struct survey *survey;
	uint64_t seq;
	struct arena arena;
	struct target target;
};

/* A set of line numbers. */
struct survey_bits {
	unsigned char *v;
	size_t n; /* bytes */
};

struct survey {
	const struct survey_options *options;
	const struct probe_options *probe;
	struct survey_status *status;

	/* the list */
	struct survey_input input;
	struct survey_lines retry_lines; /* in further passes */
	struct survey_bits written;      /* lines that have their record */
	struct survey_bits retried;      /* lines that are in the file for the next pass */
	struct survey_bits seen;         /* lines that were taken from that file in this pass */
	bool input_is_open;

	/* files */
	struct survey_file output, cache, retry, spool;

	/* servers, and who waits */
	struct survey_table table;
	struct survey_polite polite;
	struct pool jobs; /* struct survey_slot */
	struct survey_results results;
	struct survey_workers workers; /* none: sessions are had here */
	struct map told_certs; /* with --dedupe-output: fingerprints that are in the output */
	struct port25 port25;

	unsigned pass, passes;
	unsigned lines, resolving, fetching; /* of the list: under way, in the DNS, at policies */
	unsigned running;                    /* sessions */
	unsigned sessions_max;
	uint32_t ready;      /* domains that wait no longer: a list by survey_waiting.next */
	unsigned complaints; /* about lines of the list */
	bool helo_checked;
	bool over;            /* nothing more is to come: helpers end */
	struct waitq changed; /* the main fiber: room for more, or all done */
	struct waitq work;    /* the fiber that begins sessions */
	struct waitq records; /* the one that writes */
	struct waitq ended;
	unsigned helpers;
	bool failed;
	struct fail why;
};

/* True when no new work is to be begun. */
bool survey_stopping(const struct survey *s);
/* A failure after which nothing can go on. */
void survey_broken(struct survey *s, const struct fail *why);

/* --- survey_session.c: asking servers ------------------------------------------------------------ */

/* Begin what may begin; returns when there may be more, DEADLINE_NEVER when an event says so. */
int64_t survey_begin_sessions(struct survey *s);

/* --- survey_helo.c: who we say we are ------------------------------------------------------------ */

/*
 * Warn when the name in EHLO is not what a PTR record says of the address that connections to this
 * one come from: then those who are asked cannot tell who asks. Once; waits in a fiber of its own.
 */
void survey_check_helo(struct survey *s, const struct addr *to);

/* --- survey_ask.c: from names to servers --------------------------------------------------------- */

/* A fiber with a struct survey_line_job, which it frees. */
void survey_resolve_fiber(void *arg);

/* --- survey_store.c: files ----------------------------------------------------------------------- */

int survey_store_open(struct survey *s, struct fail *why);
/* all: every record is there, so nothing is left to resume. */
void survey_store_close(struct survey *s, bool all);
bool survey_bit(const struct survey_bits *bits, uint64_t i);
void survey_bit_set(struct survey_bits *bits, uint64_t i);

/* --- survey_finish.c: records -------------------------------------------------------------------- */

/*
 * Every server of the target is finished: the record, or the line for the next pass. seq: of its line.
 */
void survey_finish(struct survey *s, struct target_facts *facts, uint64_t seq, struct arena *arena);
/* A record that needs no server. */
void survey_write(struct survey *s, struct target_facts *facts, uint64_t seq, struct arena *arena);
/* The server of one address of a target; 0 when there is none to ask. *made_r: it is new. */
uint32_t survey_server_of(struct survey *s, const struct exchange_facts *mx,
    const struct host_facts *host, bool literal, struct arena *arena, bool *made_r);

#endif
