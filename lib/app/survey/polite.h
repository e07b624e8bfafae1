#ifndef APP_SURVEY_POLITE_H
#define APP_SURVEY_POLITE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/map.h"
#include "io/addr.h"

/*
 * Which session of a survey may begin when (DECISIONS D27): one at a time at each address, some time
 * apart; so many at once and in a second in each /24 or /48; so many at once at each provider; so many
 * in a second overall. Who may begin at the same moment begins in random order. Pure: no I/O, the clock
 * is the caller's, and what it remembers is bounded by what waits and runs.
 */

struct survey_limits {
	int64_t apart_ms;         /* between two sessions at one address */
	unsigned network_at_once; /* in a /24 or /48 */
	double network_a_second;
	unsigned provider_at_once;
	unsigned big_at_once; /* at the providers that serve a good part of all domains */
	double a_second;      /* overall; 0: no limit */
	int64_t back_off_ms;  /* at an address that said 4xx; twice as long each further time */
	int64_t back_off_max_ms;
};

/* The defaults; a part of n machines that work at the same time gets an n-th of everything. */
struct survey_limits survey_limits_default(unsigned shards);

/* Waits for its turn, then runs. Owned by the caller; all but what the caller sets is private. */
struct survey_job {
	uint32_t server;
	uint64_t at;            /* in the spool: the domain that asked first */
	uint8_t exchange, host; /* which of its addresses it is */
	/* private */
	struct list link;
	struct survey_place *place;
	struct survey_lane *provider, *network;
};

struct survey_polite {
	struct survey_limits limits;
	struct map places;
	struct map lanes;
	struct survey_place **heap; /* of places by the time of their next session */
	size_t heap_n, heap_cap;
	size_t queued; /* jobs that wait */
	double tokens; /* of a_second */
	int64_t tokens_ms;
	uint64_t random;
};

/* seed: of the random order */
void survey_polite_init(
    struct survey_polite *p, const struct survey_limits *limits, uint64_t seed, int64_t now_ms);
/* Jobs stay the caller's; none may run. */
void survey_polite_free(struct survey_polite *p);

/*
 * Queue a job.
 *
 * provider  registrable domain of its MX host, lower case
 * exempt    a server of our own: no more than one session at a time at its address
 */
void survey_polite_add(struct survey_polite *p, struct survey_job *job, const struct addr *to,
    struct slice provider, bool exempt, int64_t now_ms);

/*
 * A job that begins now, or NULL; then *when_r is when to ask again, INT64_MAX when not before a
 * job is done or added.
 */
struct survey_job *survey_polite_next(struct survey_polite *p, int64_t now_ms, int64_t *when_r);

/* A job that survey_polite_next gave has ended. back_off: the server asked for less (421, 4xx). */
void
survey_polite_done(struct survey_polite *p, struct survey_job *job, bool back_off, int64_t now_ms);

#endif
