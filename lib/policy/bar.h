#ifndef POLICY_BAR_H
#define POLICY_BAR_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/facts.h"

/*
 * What a probe asks of a target beyond its verdict: --require, and how long certificates must
 * still be good (DECISIONS C 16, 17, 19). Pure.
 */

/* How much time a certificate must have left. */
struct bar_limit {
	bool given;   /* false: the default */
	bool percent; /* n is a share of the certificate's lifetime, not days */
	int64_t n;
};

struct bar {
	/* DANE, MTA_STS, PKIX or ENCRYPTED; UNKNOWN: nothing is required */
	enum verdict require;
	struct bar_limit warn, crit;
};

/* "14" or "14d" (days, at most 3650), "33%" (0 to 100). 0 switches off. False when it is neither. */
bool bar_limit_parse(const char *text, struct bar_limit *limit_r);

/*
 * The limits of one certificate, in seconds before its end; defaults: the lesser of 14 days and a
 * third of its lifetime, and the lesser of 3 days and a tenth.
 */
void
bar_limits(const struct bar *bar, const struct cert_facts *cert, int64_t *warn_r, int64_t *crit_r);

/*
 * 2 when the certificate ends within the critical limit after at, or has ended; 1 within the
 * other; else 0. A limit of 0 is off.
 */
int bar_expiry(const struct bar *bar, const struct cert_facts *cert, int64_t at);

/*
 * Exit status for a verdict: verdict_exit when nothing is required; otherwise 0 for the rung or a
 * better one, 3 for unknown and 2 for everything else. In broken-some and backup-plaintext not every
 * host is on a rung, so they fail.
 */
int bar_verdict(const struct bar *bar, enum verdict verdict);

/*
 * Whether the end of the certificate matters: it proves the host's identity, or would if it were
 * not for its dates, and not by DANE-EE, which does not look at dates (RFC 7672 s3.1.1).
 */
bool bar_concerns(const struct exchange_facts *mx, const struct tls_facts *tls);

/* Whether a chain would be trusted if its leaf were not expired, or not valid yet. */
bool bar_only_dates_are_wrong(const struct verify_facts *verify);
/* Whether an entry of verify_facts.errors, "0:10:certificate has expired", is about dates. */
bool bar_is_date_error(const char *error);

/*
 * Set facts->summary.exit_status and add the reasons for it that the verdict does not give. After
 * verdict_summarize. A server that is vulnerable to command injection (--check-injection) makes it
 * 2, whatever the verdict and what is required: no rung of the ladder speaks about that. The limits
 * hold for the certificate of the MTA-STS policy host, too.
 *
 * at  Unix seconds to judge certificates as of
 */
void bar_apply(const struct bar *bar, struct target_facts *facts, struct arena *arena, int64_t at);

#endif
