#ifndef TLS_SHA256_H
#define TLS_SHA256_H

#include <stddef.h>

/*
 * SHA-256 of what comes in pieces.
 */
struct tls_sha256;

struct tls_sha256 *tls_sha256_new(void);
void tls_sha256_add(struct tls_sha256 *sum, const void *data, size_t n);
/* The sum in lower-case hex; frees. */
void tls_sha256_end(struct tls_sha256 *sum, char hex_r[65]);

#endif
