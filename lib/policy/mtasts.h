#ifndef POLICY_MTASTS_H
#define POLICY_MTASTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/facts.h"
#include "base/fail.h"
#include "base/slice.h"

/*
 * MTA-STS (RFC 8461): what its record, its policy and its patterns say. Pure; the lookup is in
 * policy/mtasts_lookup.h. The syntax is that of the RFC to the letter, since a policy that only
 * some senders understand is worth a finding, not a guess; what the RFC tells senders to overlook
 * is overlooked and told.
 */

struct mtasts_policy {
	enum sts_mode mode;
	int64_t max_age; /* seconds, 0 to LIMIT_STS_MAX_AGE_S */
	struct strs mx;  /* patterns in lower case: "mx.example.com", "*.example.com" */
};

/*
 * The _mta-sts record among n TXT texts (s3.1): texts that do not begin with "v=STSv1;" do not
 * count, and exactly one must be left.
 *
 * facts_inout  record and id are set with VALID, record where there was one with RECORD_INVALID;
 *              reason, findings; status too
 * Returns the status: NONE, RECORD_INVALID, or VALID: there is an id, and a policy to be fetched.
 */
enum sts_status mtasts_record_read(
    const struct slice *texts, size_t n, struct arena *arena, struct sts_facts *facts_inout);

/*
 * One record: "v=STSv1; id=20160831085700Z;" (s3.1). id_r is a string in arena. Unknown fields are
 * ignored, of two ids the first counts. Fails with STS_RECORD, which says what is wrong.
 */
int
mtasts_record_parse(struct slice text, struct arena *arena, const char **id_r, struct fail *why);

/*
 * A policy (s3.2): lines of "key: value", ended by CRLF or LF, the last line maybe by neither.
 * version, mode, max_age and, unless the mode is none, at least one mx are needed; unknown keys
 * are ignored; of two values of a key other than mx the first counts. max_age above the RFC's
 * maximum counts as the maximum.
 *
 * text        as it came; at most LIMIT_STS_POLICY_BYTES
 * findings    NULL, or what is odd is added to it (at most LIMIT_STS_FINDINGS in it)
 * Returns 0, or -1 with STS_POLICY, naming the line and what was expected.
 */
int mtasts_policy_parse(struct slice text, struct arena *arena, struct mtasts_policy *policy_r,
    struct strs *findings, struct fail *why);

/*
 * Whether one of the patterns names the host (s4.1): the same name, or "*." and the same name
 * without its first label. Any case; one trailing dot of the host is cut.
 */
bool mtasts_mx_matches(const struct strs *patterns, const char *host);

/* True for a media type of "text/plain", with whatever parameters (s3.2); NULL is none. */
bool mtasts_media_type_ok(const char *content_type);

/* The policy becomes part of the facts: status VALID, mode, max_age, mx. Strings are copied. */
void mtasts_facts_policy(
    struct sts_facts *facts, const struct mtasts_policy *policy, struct arena *arena);

/*
 * Hold the MX hosts of a domain against its policy: sts_match of each, and of the policy
 * unmatched_mx and, where that matters, result_type. Without a policy (status not VALID, or mode
 * none) nothing is set.
 */
void mtasts_match_exchanges(
    struct sts_facts *sts, struct exchange_facts *exchanges, size_t n, struct arena *arena);

/* True when senders must deliver only where the policy allows it: it is valid, of mode enforce. */
bool mtasts_is_enforced(const struct sts_facts *sts);

#endif
