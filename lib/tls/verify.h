#ifndef TLS_VERIFY_H
#define TLS_VERIFY_H

#include "base/slice.h"
#include "tls/tls.h"

/*
 * Judging a chain after the handshake. The trust store is opened once; the CA bundle is read only
 * when a chain must be judged, hashed directories on demand (DESIGN 8).
 */
struct tls_trust;

/*
 * ca_file, ca_dir: PEM bundle and hashed directory; both NULL: the system's (the directory
 * /etc/ssl/certs when it is hashed, else OpenSSL's default file, else where systems keep it; none
 * found: a warning, and every chain's trust is unknown). A file that is given and cannot be read
 * or holds no certificate, a directory without hash links: TLS_CONFIG at once, never "verification
 * silently off".
 */
struct tls_trust *tls_trust_new(const char *ca_file, const char *ca_dir, struct fail *why);
void tls_trust_free(struct tls_trust *trust);
/* Where the certificates are, for another library that judges chains; either may be NULL. */
void tls_trust_places(const struct tls_trust *trust, const char **file_r, const char **dir_r);

/*
 * Verify the chain of a completed client session into *verify_r (initialised here): trust with
 * every error listed, name match against host and against domain (either may be NULL: stays
 * unknown), dates and self-signature of the leaf. at: Unix seconds to verify as of. Name rules:
 * RFC 6125, wildcard for one whole left-most label only, CN only without any DNS SAN (send's STS
 * levels will forbid it); an IP literal, with or without brackets, matches IP SANs. One trailing
 * dot of the question is cut; names go in as A-labels. auth_level: OpenSSL security level for the
 * chain, 0 or 1. Trust is unknown, with error set, when it could not be judged (no handshake,
 * trust store not loadable); a policy takes only "yes".
 */
void
tls_verify(const struct tls *tls, struct tls_trust *trust, const char *host, const char *domain,
    int64_t at, int auth_level, struct arena *arena, struct verify_facts *verify_r);

/*
 * The same for certificates in DER, leaf first, as a server would send them; at most LIMIT_CHAIN_CERTS
 * are looked at. Fails with MESSAGE (none, or one of them is no certificate).
 */
int tls_verify_certs(const struct slice *certs, size_t n, struct tls_trust *trust, const char *host,
    const char *domain, int64_t at, int auth_level, struct arena *arena,
    struct verify_facts *verify_r, struct fail *why);

#endif
