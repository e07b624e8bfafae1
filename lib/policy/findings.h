#ifndef POLICY_FINDINGS_H
#define POLICY_FINDINGS_H

#include "base/arena.h"
#include "base/facts.h"

/*
 * What a probe finds beside the rungs of its verdict, and what it did not look at: reasons that
 * change no verdict. Pure.
 */

/*
 * Add to facts->summary.reasons: what --check-injection found, a masked EHLO keyword beside STARTTLS,
 * MX hosts and addresses that were not probed. The last ones count in no rung, so a good verdict
 * must not hide them.
 */
void findings_add(struct target_facts *facts, struct arena *arena);

/* "mx.example.com [192.0.2.1]", with ":port" behind it where that is not 25. */
char *
findings_where(const struct exchange_facts *mx, const struct host_facts *host, struct arena *arena);

#endif
