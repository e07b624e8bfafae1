#ifndef APP_SEND_SUGGEST_H
#define APP_SEND_SUGGEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/fail.h"
#include "base/slice.h"

/*
 * Which policy would fit a domain, by what was seen of it: in records of a survey (mxtls probe), and in the delivery log
 * (--log-format json). Nothing is proposed that a single observation speaks against. Pure over the lines; memory grows with
 * the number of domains, up to LIMIT_SUGGEST_DOMAINS.
 */
enum suggestion {
	SUGGEST_TOO_FEW, /* seen fewer than min_seen times */
	SUGGEST_PUBLISHED, /* DANE or an enforced MTA-STS policy: level auto, the default, goes by it */
	SUGGEST_VERIFY,  /* always a trusted certificate for the MX host */
	SUGGEST_ENCRYPT, /* always TLS, not always such a certificate */
	SUGGEST_NONE,    /* never TLS */
	SUGGEST_MIXED    /* now this, now that: level auto */
};
#define SUGGESTIONS (SUGGEST_MIXED + 1)
/* "verify"..., the level that would do; "auto" where nothing better does. */
const char *suggestion_level(enum suggestion suggestion);

struct suggest_domain {
	char *name;              /* A-labels */
	int64_t first, last;     /* Unix seconds; 0: not known */
	unsigned seen;           /* observations: records, messages */
	unsigned records;        /* of them: of surveys */
	unsigned tls, verified;  /* with TLS, of them with a trusted certificate for the host */
	unsigned clear, failed;  /* STARTTLS not offered; TLS failed */
	bool dane, sts, testing; /* published, when last seen */
	bool broken;             /* ... and such that senders who go by it fail */
	uint64_t last_message;   /* hash: further recipients of a message tell nothing new */
};

struct suggest;

struct suggest *suggest_new(void);
void suggest_free(struct suggest *s);

/*
 * One line of a survey, or of the log: which of both it is shows by itself. Lines of other kinds, of smarthosts, and of
 * what tells nothing about TLS are passed over. Fails with MESSAGE: not such a line.
 */
int suggest_line(struct suggest *s, struct slice line, struct fail *why);

/* All domains, by name; valid until the next line. */
const struct suggest_domain *const *suggest_domains(struct suggest *s, size_t *n_r);
/* Domains beyond the limit, which were left out. */
uint64_t suggest_left_out(const struct suggest *s);

enum suggestion suggest_judge(const struct suggest_domain *d, unsigned min_seen);
/* Why, for people: "5 times, always ...". */
void suggest_reason(const struct suggest_domain *d, enum suggestion suggestion, struct buf *out);

#endif
