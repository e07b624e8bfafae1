#ifndef APP_PROBE_PEM_H
#define APP_PROBE_PEM_H

#include "base/buf.h"
#include "base/facts.h"

/*
 * Chains of certificates as PEM (RFC 7468), as servers sent them, and what their files are called.
 * Pure; the certificates must have their raw form (session_options.keep_raw).
 */

/*
 * The chain of a handshake to out: a line that tells where it is from, then for each certificate a
 * line with its subject and its block. Parsers skip such lines (RFC 7468 s2); remote text in them is
 * escaped. False, and nothing is written, when the server sent no certificate.
 */
bool probe_pem_write(const struct target_facts *facts, const struct exchange_facts *mx,
    const struct host_facts *host, const struct tls_facts *tls, struct buf *out);

/* Longest name, with its NUL: below what file systems take, with room for a suffix. */
#define PROBE_PEM_NAME_BYTES 240

/*
 * "mx.example.com_192.0.2.1_25_rsa.pem": host (left out where it is the address), address, port and
 * the kind of key of the leaf. The same server has the same name in every run. Letters, digits, "-", "_"
 * and dots only, no dot or hyphen first: other bytes are "_", the colons of IPv6 "-"; a long host
 * name is cut and gets a checksum.
 */
void probe_pem_name(const struct target_facts *facts, const struct exchange_facts *mx,
    const struct host_facts *host, const struct tls_facts *tls, char out[PROBE_PEM_NAME_BYTES]);

#endif
