#include "dns/cache.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "dns/answer.h"

struct entry {
	struct list link;
	const struct dns_answer *answer;
	int64_t expires_ms;
	size_t bytes;
	size_t key_len;
	char key[];
};

/* What the map and malloc need for an entry, beside its own bytes. */
#define ENTRY_OVERHEAD_BYTES 96

void
dns_cache_init(struct dns_cache *cache)
{
	memset(cache, 0, sizeof(*cache));
	map_init(&cache->map);
	list_init(&cache->used);
	cache->max_entries = LIMIT_DNS_CACHE_ENTRIES;
	cache->max_bytes = LIMIT_DNS_CACHE_BYTES;
}

static void
entry_drop(struct dns_cache *cache, struct entry *e)
{
	map_remove(&cache->map, slice_make(e->key, e->key_len));
	list_remove(&e->link);
	cache->n--;
	cache->bytes -= e->bytes;
	dns_answer_release(e->answer);
	free(e);
}

static struct entry *
oldest(struct dns_cache *cache)
{
	return LIST_ITEM(cache->used.next, struct entry, link);
}

void
dns_cache_free(struct dns_cache *cache)
{
	while (!list_empty(&cache->used))
		entry_drop(cache, oldest(cache));
	map_free(&cache->map);
}

const struct dns_answer *
dns_cache_get(struct dns_cache *cache, struct slice key, int64_t now_ms)
{
	struct entry *e = map_get(&cache->map, key);

	if (e == NULL)
		return NULL;
	if (e->expires_ms <= now_ms) {
		entry_drop(cache, e);
		return NULL;
	}
	list_remove(&e->link);
	list_append(&cache->used, &e->link);
	return e->answer;
}

void
dns_cache_put(
    struct dns_cache *cache, struct slice key, const struct dns_answer *answer, int64_t now_ms)
{
	struct entry *old = map_get(&cache->map, key);
	uint32_t ttl_s = dns_answer_cache_ttl(answer);
	size_t bytes = sizeof(struct entry) + 2 * key.n + answer->bytes + ENTRY_OVERHEAD_BYTES;

	if (old != NULL)
		entry_drop(cache, old);
	if (ttl_s == 0 || bytes > cache->max_bytes)
		return;
	while (!list_empty(&cache->used) &&
	       (cache->n >= cache->max_entries || cache->bytes + bytes > cache->max_bytes))
		entry_drop(cache, oldest(cache));
	struct entry *e = mem_alloc(sizeof(*e) + key.n);
	e->answer = dns_answer_hold(answer);
	e->expires_ms = now_ms + (int64_t)ttl_s * 1000;
	e->bytes = bytes;
	e->key_len = key.n;
	memcpy(e->key, key.p, key.n);
	list_append(&cache->used, &e->link);
	map_set(&cache->map, slice_make(e->key, e->key_len), e);
	cache->n++;
	cache->bytes += bytes;
}
