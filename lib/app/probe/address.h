#ifndef APP_PROBE_ADDRESS_H
#define APP_PROBE_ADDRESS_H

#include "app/session.h"
#include "io/gate.h"

/*
 * Measuring one address of an MX host: a session, a second one for the other kind of certificate
 * (DECISIONS C21), and another try for what stayed unknown. A measured result is never asked for
 * again.
 */
struct address_job {
	const struct session_options *session;
	bool both_keys;    /* RSA and ECDSA */
	unsigned retries;  /* further tries for what is unknown, both sessions together */
	struct gate *turn; /* held during sessions, not during back-off */
	const struct addr *to;
	const char *host; /* as of session_init, like all below */
	const char *domain;
	struct arena *arena;
	struct host_facts *facts;
	struct cert_facts **certs;
	size_t *certs_n;
	int64_t deadline; /* the time spent waiting for the turn is added to it */
};

/*
 * Fill facts: those of the session that measured the address, or else of the try that got
 * furthest; attempts counts every connection. facts->tls has an entry for each kind of certificate, with
 * its key_status. Cancelled before its end: status is HOST_CANCELLED.
 */
void probe_address(struct address_job *job);

/*
 * Pure: the kind of certificate to ask for in the second session, given the first one's leaf; KEY_ANY
 * when there is nothing to ask for, since the first handshake did not complete.
 */
enum key_type
probe_other_key(const struct host_facts *facts, const struct cert_facts *certs, size_t certs_n);

/* Pure: whether another try may find out what this one did not. */
bool probe_worth_retry(const struct host_facts *facts);

#endif
