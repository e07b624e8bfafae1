#ifndef POLICY_VERDICT_STS_H
#define POLICY_VERDICT_STS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/facts.h"

/*
 * What senders that use MTA-STS find at the MX hosts of a domain: a part of the verdict. Pure.
 */
struct verdict_sts {
	const struct target_facts *facts;
	/* the policy is valid, of mode enforce or testing; else nothing is counted */
	bool applies;
	/*
	 * Addresses where a sender that enforces the policy delivers, does not (or hosts, when that is
	 * certain of the host), and where that is not known.
	 */
	size_t good, bad, open;
};

/* Hold the MX hosts against the policy (mtasts_match_exchanges), and begin to count. */
void verdict_sts_begin(struct verdict_sts *sts_r, struct target_facts *facts, struct arena *arena);

/* Whether a complete handshake puts its address on the rung mta-sts-enforce, if it is on pkix. */
bool verdict_sts_proves(
    const struct verdict_sts *sts, const struct exchange_facts *mx, const struct tls_facts *tls);

/* An MX host: a reason when the policy does not name it, else NULL. */
char *
verdict_sts_exchange(struct verdict_sts *sts, const struct exchange_facts *mx, struct arena *arena);
/* One of its addresses, by its rung. */
void verdict_sts_host(struct verdict_sts *sts, const struct exchange_facts *mx,
    const struct host_facts *host, enum verdict rung);

/* After all of them: BROKEN, BROKEN_SOME, or UNKNOWN when the policy breaks nothing (DECISIONS 15). */
enum verdict verdict_sts_decide(const struct verdict_sts *sts);
/* And what is to be said of the policy itself; NULL when it is as it should be, or there is none. */
char *verdict_sts_note(const struct verdict_sts *sts, struct arena *arena);

#endif
