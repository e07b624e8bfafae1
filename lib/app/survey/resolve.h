#ifndef APP_SURVEY_RESOLVE_H
#define APP_SURVEY_RESOLVE_H

#include "app/exclude.h"
#include "app/probe/probe.h"

/*
 * The DNS part of one target of a survey: MX hosts, their addresses, their TLSA records. What follows
 * from it alone stands in the facts; addresses that are to be asked have the status not-tried.
 */

/*
 * Fill facts (initialised here). Returns 0, or -1 when it was cancelled and nothing is known.
 *
 * exclude   may be NULL
 * deadline  for all lookups together: what is not known by then is a timeout
 */
int survey_resolve(const struct probe_options *options, const struct exclude *exclude,
    const struct target *target, struct arena *arena, struct target_facts *facts, int64_t deadline);

/* What the domain publishes (probe_policy_gather); the same return, after survey_resolve. */
int survey_policy(const struct probe_options *options, const struct target *target,
    struct arena *arena, struct target_facts *facts, int64_t deadline);

/* A line that is no target, as a record. */
void survey_no_target(
    const char *text, const char *reason, struct arena *arena, struct target_facts *facts);

#endif
