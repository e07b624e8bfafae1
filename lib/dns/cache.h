#ifndef DNS_CACHE_H
#define DNS_CACHE_H

#include "base/list.h"
#include "base/map.h"
#include "dns/dns.h"

/*
 * Answers by key until their time is over; the least recently used go first when
 * LIMIT_DNS_CACHE_ENTRIES or LIMIT_DNS_CACHE_BYTES is reached. The cache holds a reference of each.
 * No I/O and no clock: now is what the caller says, in ms.
 */
struct dns_cache {
	struct map map;
	struct list used; /* least recently used first */
	size_t n, bytes;
	size_t max_entries, max_bytes; /* from the limits; tests lower them */
};

void dns_cache_init(struct dns_cache *cache);
void dns_cache_free(struct dns_cache *cache);

/* The answer, not counted (hold it before anything else happens), or NULL. */
const struct dns_answer *dns_cache_get(struct dns_cache *cache, struct slice key, int64_t now_ms);

/* Keep it for its TTL (dns_answer_cache_ttl; 0: not at all), in place of an older one. */
void dns_cache_put(
    struct dns_cache *cache, struct slice key, const struct dns_answer *answer, int64_t now_ms);

#endif
