#ifndef POLICY_STICKY_H
#define POLICY_STICKY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/fail.h"
#include "base/slice.h"

/*
 * sticky=yes: the best that was seen of a destination is remembered, and less is not enough from then on (as chasquid's security
 * levels). The third line of defence, where a domain publishes neither DANE nor MTA-STS; whoever takes STARTTLS out of a
 * session gets a deferral and an alarm instead of clear text. Until `mxtls policy forget DOMAIN`.
 */
enum sticky { STICKY_NONE, STICKY_TLS, STICKY_CERT /* trusted, for the name of the MX host */ };
const char *sticky_str(enum sticky level);

struct sticky_entry {
	enum sticky level;
	int64_t since; /* first seen, Unix seconds */
};

/* Pure: the text of a file, "mxtls-sticky 1 DOMAIN LEVEL SINCE\n"; anything else is damage: STORAGE. */
void sticky_write(const struct sticky_entry *entry, const char *domain, struct buf *out);
int
sticky_parse(struct slice text, const char *domain, struct sticky_entry *entry_r, struct fail *why);

/*
 * A directory of domains (policy/domain_store.h), of at most LIMIT_STICKY_DOMAINS; opened when it is first needed, and made then
 * unless read_only.
 */
struct sticky_store;
struct sticky_store *sticky_new(const char *dir, bool read_only);
/* NULL is allowed. */
void sticky_free(struct sticky_store *store);

/* What is remembered; NONE when nothing is. Fails with STORAGE, DNS_NAME: then nobody knows, and nothing should be sent. */
int sticky_load(
    struct sticky_store *store, const char *domain, struct sticky_entry *entry_r, struct fail *why);
/*
 * It was seen: written down when it is more than what was. Nothing where the store is read-only. Fails with STORAGE, STORAGE_FULL (too many domains).
 */
int
sticky_seen(struct sticky_store *store, const char *domain, enum sticky level, struct fail *why);
/* Drop it: 1, or 0 when nothing was remembered; -1 with STORAGE, DNS_NAME. */
int sticky_forget(struct sticky_store *store, const char *domain, struct fail *why);

#endif
