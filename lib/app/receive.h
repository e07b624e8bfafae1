#ifndef APP_RECEIVE_H
#define APP_RECEIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "app/commit.h"
#include "app/maildir.h"
#include "base/arena.h"
#include "base/flood.h"
#include "base/map.h"
#include "smtp/server.h"

/*
 * What `listen` does with mail: which recipients are taken, the trace field, and the delivery. One
 * receiver serves all sessions; each session has a receipt of its own. The 250 goes out when the
 * message is durable in its maildir, or, with discard, when it was read to its end.
 */
enum receive_delivery { RECEIVE_DISCARD, RECEIVE_MAILDIR };

struct receiver {
	const char *hostname;
	struct map accept; /* of accepted domains, lower-case A-labels; values are not used */
	enum receive_delivery delivery;
	struct maildir maildir;
	struct commit *commit; /* NULL: commit in this process */
	bool log_json;
	struct flood flood; /* bounds the log */

	/* counters */
	uint64_t messages, messages_tls;
};

/* No domain accepted, discard. hostname is kept, not copied. */
void receiver_init(struct receiver *r, const char *hostname);
void receiver_fini(struct receiver *r);

/* Accept mail for a domain (U- or A-labels). Fails with USAGE naming it. */
int receiver_accept(struct receiver *r, const char *domain, struct fail *why);

/* "maildir:DIR" or "discard"; opens the maildir. Fails with USAGE, CANT_CREATE, STORAGE, STORAGE_FULL. */
int receiver_deliver(struct receiver *r, const char *spec, struct fail *why);

struct receipt;

/* The state of one session, the app pointer of smtp_server_run with receive_ops. */
struct receipt *receipt_new(struct receiver *r);
void receipt_free(struct receipt *receipt);

extern const struct smtp_server_ops receive_ops;

/*
 * The Received field (RFC 5321 s4.4, RFC 3848, RFC 8314 s4.3, DECISIONS F40), folded, each line with CRLF. Pure. recipient
 * NULL: no for clause (several recipients: none may learn of the others).
 */
void received_field(const struct smtp_session *session, const char *hostname, const char *id,
    const struct smtp_path *recipient, int64_t unix_seconds, struct buf *out);

#endif
