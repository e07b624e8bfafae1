#ifndef APP_SESSION_H
#define APP_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/facts.h"
#include "base/fail.h"
#include "net/dial.h"
#include "smtp/client.h"
#include "tls/verify.h"

/*
 * An SMTP session with one address up to the point where a message could be sent, written down as facts: what
 * probe reports and what send decides by. Three steps: open (connect, greeting, EHLO), starttls
 * (STARTTLS, handshake, verification, EHLO), close (QUIT when the dialogue is in step). Whatever the
 * peer does is a fact: a step that fails leaves status and error in the facts too.
 */
struct session_options {
	struct tls_ctx *tls;
	struct tls_trust *trust;
	const char *helo;   /* FQDN or literal; NULL: the literal of our end of the connection */
	const char *sni;    /* server name to send; NULL: the MX host's, "": none */
	int64_t timeout_ms; /* for each reply, and the handshake */
	int64_t connect_ms; /* for connecting; 0: timeout_ms */
	int64_t at;         /* Unix seconds to judge certificates as of; 0: now */
	int auth_level;     /* of tls_verify */
	bool implicit_tls;
	/*
	 * The host whose TLSA records are compared with the handshake, and what led to it, as for
	 * dane_check; NULL: none
	 */
	struct exchange_facts *exchange;
	enum dnssec mx_dnssec;
	struct dial_options dial;
	bool keep_raw; /* of each certificate its DER form, too */
	bool verbose;  /* the dialogue on stderr, as ADDRESS C: and S: lines */
};

struct session {
	struct session_options options;
	const struct addr *to;
	const char *host, *domain, *sni; /* sni: NULL is none */
	enum key_type keys;
	struct arena *arena;
	struct host_facts *facts;
	struct cert_facts **certs;
	size_t *certs_n;
	int64_t deadline;

	struct smtp_client client; /* conn is NULL once the connection is gone */
	const char *helo;
	struct tls *failed_tls; /* after a failed handshake */
	bool open, in_tls, handshaking;
	char name[ADDR_TEXT_BYTES]; /* of the address, for the transcript */
};

/*
 * Prepare; connects nothing.
 *
 * to          address and port
 * host        name of the MX host, A-labels: what the certificate must name, and the SNI unless
 *             options say otherwise. NULL: the target is an address, which a certificate must name then
 * domain      mail domain, for matches_domain; NULL: none
 * keys        kinds of certificates to ask for. Each session adds at most one entry to facts->tls
 * facts       initialised with facts_init_host_facts
 * certs_inout see tls_gather
 * deadline    of the whole session
 * All pointers must outlive the session.
 */
void session_init(struct session *s, const struct session_options *options, const struct addr *to,
    const char *host, const char *domain, enum key_type keys, struct arena *arena,
    struct host_facts *facts, struct cert_facts **certs_inout, size_t *certs_n_inout,
    int64_t deadline);

/*
 * Connect, greeting, EHLO, HELO where EHLO is not known (DECISIONS C18); with implicit_tls the handshake
 * before all that. 0, or -1 with why and the facts' status and error set.
 */
int session_open(struct session *s, struct fail *why);

/*
 * STARTTLS, the switch, the handshake and its verification, EHLO again. Call after session_open
 * returned 0 with starttls_state offered. 0, or -1 as above: with starttls_state refused the session goes on in clear, else
 * it is over.
 */
int session_starttls(struct session *s, struct fail *why);

/*
 * End the session: QUIT, its reply and close when the last failure (why, code NONE: none) left the dialogue in
 * step, else just close. Must follow session_init, whatever happened since.
 */
void session_close(struct session *s, const struct fail *why);

/* The deadline of the next reply. */
int64_t session_step(const struct session *s);

/*
 * Pure: the status of a session that ended with this failure.
 *
 * in_tls      the failure came after a complete handshake
 * handshaking it came between the 220 (or the connection, with implicit TLS) and that
 */
enum host_status session_status(enum fail_code code, bool in_tls, bool handshaking);

#endif
