#ifndef TLS_CERT_H
#define TLS_CERT_H

#include "base/arena.h"
#include "base/facts.h"
#include "base/fail.h"

/*
 * Certificates as facts. Pure: no I/O, no clock. Names that hold control characters, NUL or bytes
 * that are not UTF-8 are escaped (\x00), so that no name can pose as another one in a record; texts
 * are cut at LIMIT_CERT_TEXT_BYTES, names at LIMIT_SANS.
 */

/*
 * Facts of one certificate from its DER form (n bytes, nothing behind it).
 * Fails with MESSAGE.
 */
int tls_cert_parse(
    const void *der, size_t n, struct arena *arena, struct cert_facts *facts_r, struct fail *why);

#endif
