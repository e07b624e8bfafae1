#ifndef TLS_JUDGED_H
#define TLS_JUDGED_H

#include <stdint.h>

#include "base/facts.h"
#include "base/list.h"
#include "base/map.h"
#include "base/slice.h"

/*
 * Judgements of chains that were seen before: a hosting provider shows the same chain on every
 * address, and a signature costs more to check than a whole SMTP session. Only what depends on
 * nothing but chain, trust store, level and time is kept; names are of a host, not of a chain.
 * The least recently used go first when LIMIT_CHAINS_JUDGED is reached. No I/O, no clock.
 */
struct tls_judged {
	struct map map;
	struct list used; /* least recently used first */
	size_t n, max;    /* max: from the limit; tests lower it */
	size_t hits;
};

void tls_judged_init(struct tls_judged *judged);
void tls_judged_free(struct tls_judged *judged);

/*
 * Take trusted, code, error, errors and missing_intermediate of a judgement that holds at this time
 * (Unix seconds) into facts, texts in arena. False when there is none.
 */
bool tls_judged_get(struct tls_judged *judged, struct slice key, int64_t at, struct arena *arena,
    struct verify_facts *facts);

/* Keep these fields for times from <= at < to, in place of an older judgement with this key. */
void tls_judged_put(struct tls_judged *judged, struct slice key, int64_t from, int64_t to,
    const struct verify_facts *facts);

#endif
