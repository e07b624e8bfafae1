#ifndef TLS_PEM_H
#define TLS_PEM_H

#include "base/slice.h"
#include "tls/tls.h"

/*
 * Certificates that a file holds, before any server uses them. Pure.
 */

/*
 * The certificates of a PEM text in their order, as DER in arena; other PEM blocks are skipped, at
 * most LIMIT_CHAIN_CERTS are taken. Fails with MESSAGE (none, or a damaged one).
 */
int tls_pem_certs(const void *text, size_t n, struct arena *arena, struct slice **certs_r,
    size_t *certs_n_r, struct fail *why);

/*
 * Whether a certificate (DER) names a host, by the rules of tls_verify. *matched_r: the name that
 * did, in arena. False also for what is no certificate.
 */
bool tls_pem_names(struct slice der, const char *host, struct arena *arena, char **matched_r);

#endif
