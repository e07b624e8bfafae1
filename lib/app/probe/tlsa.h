#ifndef APP_PROBE_TLSA_H
#define APP_PROBE_TLSA_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/facts.h"
#include "base/slice.h"

/*
 * For the person who runs a server with DANE, or is about to: the TLSA records to publish, and
 * whether a certificate fits what is published. Pure.
 */

/*
 * The records "3 1 1" of every key that was seen at each host, one a line as in a zone file, with a
 * comment that tells the kind of key and whether the record is published already.
 *
 * next  hex of the SHA-256 of the next public key, NULL for none: one more record for each host
 * Returns 0, or 3 when there is a host whose keys were not seen, which a comment says.
 */
int probe_tlsa_print(const struct target_facts *facts, const char *next, struct buf *out);

/*
 * Whether each MX host of the target could use a chain (certs: DER, leaf first): what a sender that
 * enforces DANE finds; whether the leaf names the host and is valid at "at", where DANE-EE does not
 * make that irrelevant (RFC 7672 s3.1.1); and whether it leads to a trusted root, where no TLSA
 * record makes that irrelevant. A line for each host.
 *
 * verify  what tls_verify_certs says about the chain as of "at"; names in it do not matter
 * dane    false: TLSA records were not asked for, and do not count
 * Returns 0 when the chain is good at every host, 2 when it is not at one, else 3: what is published
 * could not be found out, or whether it is trusted.
 */
int probe_tlsa_check(const struct target_facts *facts, const struct slice *certs, size_t certs_n,
    const struct verify_facts *verify, bool dane, int64_t at, struct arena *arena, struct buf *out);

#endif
