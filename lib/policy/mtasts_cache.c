#include "policy/mtasts_cache.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/mem.h"
#include "policy/domain_store.h"

struct mtasts_cache {
	struct domain_store *domains;
	char *path; /* for texts */
	struct mtasts_store store;
};

static int
cache_load(void *ctx, const char *domain, struct mtasts_entry *entry, struct fail *why)
{
	struct mtasts_cache *cache = ctx;
	struct buf text;

	buf_init(&text, LIMIT_STS_CACHE_BYTES + FILE_BLOCK_BYTES);
	int rc = domain_store_read(cache->domains, domain, &text, why);
	if (rc > 0) {
		rc = mtasts_cache_parse(slice_make(buf_str(&text), text.len), domain, entry, why);
		if (rc != 0)
			fail_prefix(why, "%s/%s", cache->path, domain);
	}
	buf_free(&text);
	return rc;
}

static int
cache_save(void *ctx, const char *domain, const struct mtasts_entry *entry, struct fail *why)
{
	struct mtasts_cache *cache = ctx;
	struct buf text;

	buf_init(&text, LIMIT_STS_CACHE_BYTES);
	mtasts_cache_write(entry, domain, &text);
	int rc = domain_store_write(cache->domains, domain, &text, why);
	buf_free(&text);
	return rc;
}

int
mtasts_cache_forget(struct mtasts_cache *cache, const char *domain, struct fail *why)
{
	return domain_store_forget(cache->domains, domain, why);
}

struct mtasts_cache *
mtasts_cache_open(const char *dir, bool read_only, struct fail *why)
{
	struct domain_store *domains = domain_store_open(dir, read_only, why);

	if (domains == NULL)
		return NULL;
	struct mtasts_cache *cache = mem_alloc(sizeof(*cache));
	cache->domains = domains;
	cache->path = mem_strdup(dir);
	cache->store = (struct mtasts_store){
		.load = cache_load, .save = read_only ? NULL : cache_save, .ctx = cache
	};
	return cache;
}

void
mtasts_cache_free(struct mtasts_cache *cache)
{
	if (cache == NULL)
		return;
	domain_store_close(cache->domains);
	free(cache->path);
	free(cache);
}

const struct mtasts_store *
mtasts_cache_store(const struct mtasts_cache *cache)
{
	return &cache->store;
}
