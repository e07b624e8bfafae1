#ifndef TLS_SIGN_H
#define TLS_SIGN_H

#include "base/buf.h"
#include "base/fail.h"
#include "base/slice.h"

/* Private keys that sign something else than a handshake: DKIM's. */
enum tls_sign_type { TLS_SIGN_RSA, TLS_SIGN_ED25519 };
struct tls_sign_key;

/* A key of a PEM text without passphrase. Fails with CREDENTIALS: none, damaged, another kind, RSA below 1024 bits (RFC 8301 s3.2). */
struct tls_sign_key *tls_sign_key_new(struct slice pem, struct fail *why);
void tls_sign_key_free(struct tls_sign_key *key);
enum tls_sign_type tls_sign_key_type(const struct tls_sign_key *key);

/*
 * Append the signature over the SHA-256 of data: PKCS #1 v1.5 (RFC 6376 s3.3.1), or Ed25519 over the hash
 * itself (RFC 8463 s3). Fails with INTERNAL.
 */
int tls_sign(
    const struct tls_sign_key *key, struct slice data, struct buf *signature, struct fail *why);

/*
 * Append the public key as a DKIM record has it: SubjectPublicKeyInfo of RSA (RFC 6376 s3.6.1), the 32 bytes of
 * Ed25519 (RFC 8463 s4). Fails with INTERNAL.
 */
int tls_sign_key_public(const struct tls_sign_key *key, struct buf *out, struct fail *why);

#endif
