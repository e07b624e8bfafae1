#ifndef TLS_TLSA_H
#define TLS_TLSA_H

#include "base/slice.h"
#include "tls/internal.h"

/*
 * TLSA data as OpenSSL sees it; for tlsa.c, dane.c, pem.c and verify.c only. The numbers are those of RFC 6698 s2.1
 * and RFC 7218.
 */
enum { TLSA_DANE_TA = 2, TLSA_DANE_EE = 3 };
enum { TLSA_SELECTOR_CERT = 0, TLSA_SELECTOR_SPKI = 1 };
enum { TLSA_MATCHING_FULL = 0, TLSA_MATCHING_SHA256 = 1, TLSA_MATCHING_SHA512 = 2 };

/* Whether data is the association data of a certificate. selector 0 to 1, matching_type 0 to 2. */
bool tls_tlsa_fits(X509 *cert, int selector, int matching_type, struct slice data);

/* Exactly n bytes of DER, or NULL. The caller frees. */
X509 *tls_tlsa_cert(const void *der, size_t n);
/*
 * n certificates of DER as a chain, the first LIMIT_CHAIN_CERTS of them; NULL when one is no certificate. The
 * caller frees chain and certificates.
 */
STACK_OF(X509) * tls_tlsa_chain(const struct slice *certs, size_t n);
EVP_PKEY *tls_tlsa_key(const void *der, size_t n);

#endif
