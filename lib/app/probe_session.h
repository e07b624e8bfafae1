#ifndef APP_PROBE_SESSION_H
#define APP_PROBE_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/facts.h"
#include "base/fail.h"
#include "net/conn.h"
#include "net/dial.h"
#include "tls/verify.h"

/*
 * One SMTP session with one address, to see how it does TLS: connect, greeting, EHLO, STARTTLS,
 * handshake, EHLO, QUIT. Nothing else is ever sent: no MAIL, RCPT or AUTH. Whatever the peer
 * does is a fact, not an error.
 */

struct probe_session_options {
	struct tls_ctx *tls;
	struct tls_trust *trust;
	const char *helo;   /* FQDN or literal; NULL: the literal of our end of the connection */
	int64_t timeout_ms; /* for connecting, each reply, and the handshake */
	int64_t at;         /* Unix seconds to judge certificates as of; 0: now */
	bool implicit_tls;
	struct dial_options dial;
	bool verbose; /* the dialogue on stderr, as ADDRESS C: and S: lines */
};

/*
 * Probe one address.
 *
 * to          address and port
 * host        name of the MX host, A-labels: SNI, and what the certificate must name. NULL: the
 *             target is an address, which a certificate must name then
 * domain      mail domain, for matches_domain; NULL: none
 * keys        kinds of certificates to ask for. Each session adds one entry to facts->tls
 * facts       initialised with facts_init_host_facts
 * certs_inout see tls_gather
 * deadline    of the whole session
 */
void
probe_session(const struct probe_session_options *options, const struct addr *to, const char *host,
    const char *domain, enum key_type keys, struct arena *arena, struct host_facts *facts,
    struct cert_facts **certs_inout, size_t *certs_n_inout, int64_t deadline);

/*
 * Pure: the status of a session that ended with this failure.
 *
 * in_tls      the failure came after a complete handshake
 * handshaking it came between the 220 (or the connection, with implicit TLS) and that
 */
enum host_status probe_session_status(enum fail_code code, bool in_tls, bool handshaking);

#endif
