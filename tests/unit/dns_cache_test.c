#include <stdio.h>

#include "base/limits.h"
#include "dns/answer.h"
#include "dns/cache.h"
#include "test.h"

static struct dns_answer *
answer(enum dns_status status, enum dnssec dnssec, uint32_t ttl)
{
	struct dns_answer a = { .status = status, .dnssec = dnssec, .ttl = ttl };

	return dns_answer_pack(&a);
}

static void
put(struct dns_cache *cache, const char *key, uint32_t ttl, int64_t now)
{
	struct dns_answer *a = answer(DNS_OK, DNSSEC_INSECURE, ttl);

	dns_cache_put(cache, slice_str(key), a, now);
	dns_answer_release(a);
}

static bool
has(struct dns_cache *cache, const char *key, int64_t now)
{
	return dns_cache_get(cache, slice_str(key), now) != NULL;
}

TEST(cache_ttl_is_that_of_the_answer_cut_to_the_limits)
{
	static const struct {
		enum dns_status status;
		enum dnssec dnssec;
		uint32_t ttl, want;
	} rows[] = {
		{ DNS_OK, DNSSEC_SECURE, 300, 300 },
		{ DNS_OK, DNSSEC_SECURE, 0, 0 },
		{ DNS_OK, DNSSEC_SECURE, INT32_MAX, LIMIT_DNS_TTL_S },
		{ DNS_OK, DNSSEC_NOT_CHECKED, 300, 300 },
		{ DNS_OK, DNSSEC_INDETERMINATE, 300, 5 },
		{ DNS_OK, DNSSEC_INDETERMINATE, 2, 2 },
		{ DNS_NODATA, DNSSEC_INSECURE, 300, 300 },
		{ DNS_NODATA, DNSSEC_INSECURE, 0, 0 },
		{ DNS_NODATA, DNSSEC_INSECURE, 86400, LIMIT_DNS_NEGATIVE_TTL_S },
		{ DNS_NXDOMAIN, DNSSEC_SECURE, 86400, LIMIT_DNS_NEGATIVE_TTL_S },
		{ DNS_SERVFAIL, DNSSEC_BOGUS, 0, 5 },
		{ DNS_SERVFAIL, DNSSEC_INDETERMINATE, 0, 5 },
		{ DNS_TIMEOUT, DNSSEC_NOT_CHECKED, 0, 5 },
		{ DNS_MALFORMED, DNSSEC_NOT_CHECKED, 0, 5 },
		{ DNS_REFUSED, DNSSEC_NOT_CHECKED, 0, 5 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct dns_answer *a = answer(rows[i].status, rows[i].dnssec, rows[i].ttl);
		TEST_ROW("%s %s %u", dns_status_str(a->status), dnssec_str(a->dnssec), a->ttl);
		CHECK_INT(dns_answer_cache_ttl(a), rows[i].want);
		dns_answer_release(a);
	}
}

TEST(cache_forgets_when_the_ttl_is_over)
{
	struct dns_cache cache;

	dns_cache_init(&cache);
	put(&cache, "a", 10, 1000);
	CHECK(has(&cache, "a", 1000));
	CHECK(has(&cache, "a", 10999));
	CHECK(!has(&cache, "b", 1000));
	CHECK(!has(&cache, "a", 11000));
	CHECK_INT(cache.n, 0);
	CHECK_INT(cache.bytes, 0);
	put(&cache, "a", 0, 1000);
	CHECK_INT(cache.n, 0);
	/* a new answer takes the place of the old one, even when it may not be kept */
	put(&cache, "a", 10, 1000);
	put(&cache, "a", 20, 1000);
	CHECK_INT(cache.n, 1);
	CHECK(has(&cache, "a", 20000));
	put(&cache, "a", 0, 1000);
	CHECK_INT(cache.n, 0);
	dns_cache_free(&cache);
}

TEST(cache_drops_the_least_recently_used_beyond_its_limits)
{
	struct dns_cache cache;

	dns_cache_init(&cache);
	cache.max_entries = 3;
	put(&cache, "a", 10, 0);
	put(&cache, "b", 10, 0);
	put(&cache, "c", 10, 0);
	CHECK(has(&cache, "a", 1));
	put(&cache, "d", 10, 1);
	CHECK_INT(cache.n, 3);
	CHECK(!has(&cache, "b", 1));
	CHECK(has(&cache, "a", 1) && has(&cache, "c", 1) && has(&cache, "d", 1));
	size_t bytes = cache.bytes;
	cache.max_bytes = bytes;
	cache.max_entries = 100;
	put(&cache, "e", 10, 1);
	CHECK_INT(cache.n, 3);
	CHECK_INT(cache.bytes, bytes);
	CHECK(!has(&cache, "a", 1));
	cache.max_bytes = 10;
	put(&cache, "f", 10, 1);
	CHECK(!has(&cache, "f", 1));
	dns_cache_free(&cache);
}

TEST(cache_keeps_its_own_reference_of_an_answer)
{
	struct dns_answer *a = answer(DNS_OK, DNSSEC_SECURE, 10);
	struct dns_cache cache;

	dns_cache_init(&cache);
	dns_cache_put(&cache, slice_str("a"), a, 0);
	CHECK_INT(a->refs, 2);
	dns_cache_free(&cache);
	CHECK_INT(a->refs, 1);
	dns_answer_release(a);
	dns_answer_release(NULL);
}
