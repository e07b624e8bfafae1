#ifndef POLICY_MTASTS_CACHE_H
#define POLICY_MTASTS_CACHE_H

#include "base/buf.h"
#include "policy/mtasts_lookup.h"

/*
 * MTA-STS policies that outlive the process: a directory of domains (policy/domain_store.h). Who started with other resolvers or
 * certificates than the system's opens it read-only. A damaged file is refused, too: a policy is not lost by accident.
 */
struct mtasts_cache;

/*
 * read_only  never create, save or forget anything; the directory may be missing
 * Fails with STORAGE (it cannot be made or is no directory), PERMISSION (others may write in it).
 */
struct mtasts_cache *mtasts_cache_open(const char *dir, bool read_only, struct fail *why);
/* NULL is allowed. */
void mtasts_cache_free(struct mtasts_cache *cache);

/* For mtasts_options; valid as long as the cache is open. */
const struct mtasts_store *mtasts_cache_store(const struct mtasts_cache *cache);

/* Drop a domain (A-labels). Returns 1, or 0 when it was not there; -1 with STORAGE or DNS_NAME. */
int mtasts_cache_forget(struct mtasts_cache *cache, const char *domain, struct fail *why);

/*
 * Pure: the text of a file. entry_r is initialised by the caller. A policy in it that does not
 * parse, a cut or a changed file, one of another domain: STORAGE.
 */
void mtasts_cache_write(const struct mtasts_entry *entry, const char *domain, struct buf *out);
int mtasts_cache_parse(
    struct slice text, const char *domain, struct mtasts_entry *entry_r, struct fail *why);

#endif
