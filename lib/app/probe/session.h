#ifndef APP_PROBE_SESSION_H
#define APP_PROBE_SESSION_H

#include "app/session.h"

/*
 * One SMTP session with one address, to see how it does TLS: connect, greeting, EHLO, STARTTLS,
 * handshake, EHLO, QUIT. Nothing else is ever sent: no MAIL, RCPT or AUTH. Arguments as of
 * session_init.
 */
void probe_session(const struct session_options *options, const struct addr *to, const char *host,
    const char *domain, enum key_type keys, struct arena *arena, struct host_facts *facts,
    struct cert_facts **certs_inout, size_t *certs_n_inout, int64_t deadline);

#endif
