#ifndef POLICY_DOMAIN_STORE_H
#define POLICY_DOMAIN_STORE_H

#include <stddef.h>

#include "base/buf.h"
#include "base/fail.h"

/*
 * What is remembered of domains beyond the process: a directory with one file for each, named by it.
 * A file is replaced as a whole (written beside it, synced, renamed), so readers need no lock and
 * writers only overtake each other. All calls may block on the disk: for processes that deliver,
 * not for those that serve ten thousand sessions.
 *
 * Only the owner of the directory writes (DECISIONS A7). A file that somebody else could have written is
 * refused: what is remembered is not lost by accident.
 */
struct domain_store;

/*
 * read_only  never create, write or forget anything; the directory may be missing
 * Fails with STORAGE (it cannot be made or is no directory), PERMISSION (others may write in it).
 */
struct domain_store *domain_store_open(const char *dir, bool read_only, struct fail *why);
/* NULL is allowed. */
void domain_store_close(struct domain_store *store);

/* Append the file of a domain (A-labels) to text: 1, or 0 when there is none; -1 with STORAGE, DNS_NAME. */
int domain_store_read(
    struct domain_store *store, const char *domain, struct buf *text, struct fail *why);
/* Replace it. Fails with STORAGE, DNS_NAME. */
int domain_store_write(
    struct domain_store *store, const char *domain, const struct buf *text, struct fail *why);
/* Drop it: 1, or 0 when it was not there; -1 with STORAGE, DNS_NAME. */
int domain_store_forget(struct domain_store *store, const char *domain, struct fail *why);
/* How many there are, counted to at most max. -1 with STORAGE. Reads the directory. */
long domain_store_count(struct domain_store *store, long max, struct fail *why);

#endif
