#ifndef POLICY_VERDICT_H
#define POLICY_VERDICT_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/facts.h"

/*
 * The verdict of probe about one target, from its facts (DECISIONS C 14-18, the ladder of
 * mxtls-probe(1)). Pure. "How good" and "could it be measured" are kept apart: what could not be
 * measured is counted, and never makes a measured result better or worse.
 */

/*
 * Fill facts->summary, result_type of each host that has none, days_left of the certificates, and
 * sts_match of the MX hosts.
 * Strings live in arena.
 *
 * now  Unix seconds, for the days left
 *
 * The rung of one address:
 *   plaintext  a complete EHLO reply without STARTTLS; EHLO not known to the server, but HELO;
 *              STARTTLS refused with 5xx; or 220 and then no handshake (other than by a timeout of ours)
 *   encrypted  a complete handshake
 *   pkix       whose certificate is trusted and names the MX host, for every key type
 *   mta-sts-enforce  the same, behind a valid MTA-STS policy of mode enforce that names the host
 *   dane       whose certificate matches a TLSA record behind secure MX records, for every key type
 *   none       anything else: not measured
 * The verdict is the lowest rung over all measured addresses of the primary MX hosts;
 * backup-plaintext when that is better than plaintext and another MX host is on plaintext; unknown
 * when no primary address was measured and no backup is on plaintext.
 *
 * Beside that, what senders that enforce DANE find, at all MX hosts: an address is bad for them
 * when a certificate there matches no TLSA record, or TLSA records ask for TLS and there is none; a
 * host when its addresses or TLSA records are bogus. Nothing but bad ones: broken; bad and good
 * ones: broken-some, unless the rung is lower. Bogus MX records: broken. A failed TLSA lookup is a
 * reason, and counts neither way.
 *
 * Likewise, and apart from it, what senders that enforce MTA-STS find: an MX host that the policy
 * does not name is bad for them, and an address of one that it names when it is on plaintext or a
 * certificate there is not trusted, or does not name the host by a subject alternative name. In
 * mode testing that is a reason; so is a record without a policy to be had.
 */
void verdict_summarize(struct target_facts *facts, struct arena *arena, int64_t now);

/* Whether the address is on a rung: what is not may be asked again. */
bool verdict_host_measured(const struct host_facts *host);

/* Exit status of a probe of one target: 0 good, 1 weak, 2 bad, 3 not measured. */
int verdict_exit(enum verdict verdict);

/* The exit status of two targets together: worst first 2, 1, 3, 0 (DECISIONS 17). Start with 0. */
int verdict_exit_worst(int a, int b);

#endif
