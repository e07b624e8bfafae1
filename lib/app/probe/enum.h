#ifndef APP_PROBE_ENUM_H
#define APP_PROBE_ENUM_H

#include <stdint.h>

#include "app/session.h"
#include "tls/hello.h"

/*
 * The deep look at one address (--enum): which protocol versions, cipher suites and key exchange
 * groups a server takes, by ClientHellos of our own (tls/hello.h), whatever the local OpenSSL
 * supports. A server tells one choice a connection, so this takes many connections: one after the
 * other, paced, each a full SMTP session up to STARTTLS. The first sign that the server wants no more of
 * it (421, 4xx, a refused connection) ends it.
 */
enum enum_what { ENUM_VERSIONS = 1 << 0, ENUM_CIPHERS = 1 << 1, ENUM_GROUPS = 1 << 2 };

/* At most this many connections to one address; ordinary servers need 20 to 150. */
#define ENUM_CONNECTIONS_MAX 400

/* "versions,ciphers,groups", any of them, or "all". Pure. Returns 0, or -1 with why (USAGE). */
int enum_parse(struct slice list, unsigned *what_r, struct fail *why);

/*
 * How many connections a deep look opens to one address, before it starts. Versions: one each.
 * Ciphers: for each version as many as are taken. Groups: as many as are taken and one or two more, for TLS
 * 1.3 and for the newest older version. Pure.
 */
struct enum_plan {
	unsigned min, max;
};
struct enum_plan enum_plan(unsigned what);

/* --- the search, without a network ----------------------------------------------------------------
 */
enum enum_step {
	ENUM_ANSWER, /* answer_r is filled: accepted or an alert */
	ENUM_SILENT, /* closed, or something that is not TLS, in place of an answer */
	ENUM_LATE,   /* nothing came in time */
	ENUM_STOP    /* no ClientHello was sent, or no further one may be: why says it */
};

/*
 * One connection with one ClientHello.
 *
 * key_exchange  as of hello_ask
 * why           for everything but ANSWER
 * Returns one of enum enum_step.
 */
typedef int enum_ask_fn(void *ctx, const struct hello_offer *offer, bool key_exchange,
    struct hello_answer *answer_r, struct fail *why);

/*
 * Find out what was asked for.
 *
 * what         of enum enum_what, not 0
 * server_name  SNI, or NULL
 * random       for the ClientHellos
 * facts        initialised with facts_init_enum_facts; complete and reason tell how it ended
 */
void enum_search(unsigned what, const char *server_name, const unsigned char random[96],
    enum_ask_fn *ask, void *ctx, struct arena *arena, struct enum_facts *facts);

/* --- the search at an address ---------------------------------------------------------------------
 */
struct enum_options {
	unsigned what;
	const struct session_options *session; /* its tls and trust are not used */
	int64_t pace_ms;                       /* between the end of a connection and the next */
};

/*
 * Look at one address.
 *
 * to        address and port
 * host      name of the MX host, as of session_init
 * deadline  of all of it; each connection has session->timeout_ms for each reply
 */
void enum_host(const struct enum_options *options, const struct addr *to, const char *host,
    struct arena *arena, struct enum_facts *facts, int64_t deadline);

#endif
