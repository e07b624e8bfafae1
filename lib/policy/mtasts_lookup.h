#ifndef POLICY_MTASTS_LOOKUP_H
#define POLICY_MTASTS_LOOKUP_H

#include "dns/dns.h"
#include "http/http.h"
#include "policy/mtasts.h"

/*
 * Finding the MTA-STS policy of a domain (RFC 8461 s3.3, s5): its record by DNS, the policy by
 * HTTPS, and what was remembered of it. An unexpired policy applies also when the record is gone or
 * the DNS or the policy host fails (DECISIONS E34).
 *
 * What is known of a domain is kept in memory (LIMIT_STS_KEPT domains), and, when there is a
 * store, there. Whoever asks for one domain at the same time shares one fetch.
 */

/* What is remembered of a domain. All strings live in its arena. */
struct mtasts_entry {
	struct arena arena;
	bool has_policy;
	char *id;   /* of the record when the policy was fetched */
	char *text; /* the policy as it came */
	size_t text_n;
	struct mtasts_policy policy; /* what it says */
	int64_t fetched;             /* Unix seconds */
	/* the last fetch that failed since then; failures 0: none did */
	int64_t failures;
	int64_t failed;                /* Unix seconds */
	char *failed_id;               /* of the record then */
	enum sts_status failed_status; /* FETCH_ERROR, WEBPKI_INVALID or POLICY_INVALID */
	char *failed_reason;
	bool stored; /* the policy is older than this process: it came from the store */
};

void mtasts_entry_init(struct mtasts_entry *entry);
void mtasts_entry_free(struct mtasts_entry *entry);
/* Until when the policy applies, Unix seconds; 0 without one. */
int64_t mtasts_entry_expires(const struct mtasts_entry *entry);

/*
 * Where entries outlive the process. domain is A-labels in lower case, without trailing dot; it comes
 * from dns_name_normalize and is checked again by a store that makes file names of it.
 */
struct mtasts_store {
	/* Fill entry_r (initialised); nothing when there is none. Fails with STORAGE. */
	int (*load)(void *ctx, const char *domain, struct mtasts_entry *entry_r, struct fail *why);
	/* NULL: it may be read only. Fails with STORAGE. */
	int (*save)(
	    void *ctx, const char *domain, const struct mtasts_entry *entry, struct fail *why);
	void *ctx;
};

enum mtasts_step {
	MTASTS_USE,    /* what is remembered applies */
	MTASTS_FETCH,  /* fetch the policy; when that fails, what is unexpired applies */
	MTASTS_NOTHING /* there is no policy (a fetch failed lately, or there is no record) */
};

/*
 * Pure: what to do about a domain. A policy of the record's id is taken from memory until it is a
 * day old (or half of its max_age), then fetched again (s10.2). After a failed fetch for one id: 5
 * minutes, then twice as long each time, at most a day (s3.3).
 *
 * record  VALID with id, or what was found instead
 * again   ask anew, whatever failed a moment ago: before a permanent failure (s5.1)
 * now     Unix seconds
 */
enum mtasts_step mtasts_plan(const struct mtasts_entry *entry, enum sts_status record,
    const char *id, bool again, int64_t now);

struct mtasts_options {
	struct dns_resolver *resolver;
	struct http *http;
	const struct mtasts_store *store; /* NULL: only memory */
	int64_t timeout_ms;               /* of a fetch, from the connection on; 0: 60 s (s3.3) */
};

struct mtasts;

/* What options points at must outlive it. */
struct mtasts *mtasts_new(const struct mtasts_options *options);
/* No lookup may be under way. NULL is allowed. */
void mtasts_free(struct mtasts *mtasts);

enum { MTASTS_AGAIN = 1 /* see mtasts_plan */ };

/*
 * The policy of a domain (A-labels, lower case, no trailing dot): facts_r->status says what senders find;
 * VALID comes with mode, max_age and mx. Every outcome about the domain is 0. The hosts are held
 * against it by mtasts_match_exchanges.
 *
 * deadline  for the record, and for waiting for the rest; a fetch that others wait for goes on
 * Fails with CANCELLED, OS, TIMEOUT (there is no result yet), or STORAGE: the store cannot be read,
 * and there is no policy without it. A sender defers then.
 */
int mtasts_lookup(struct mtasts *mtasts, const char *domain, unsigned flags, struct arena *arena,
    struct sts_facts *facts_r, int64_t deadline, struct fail *why);

#endif
