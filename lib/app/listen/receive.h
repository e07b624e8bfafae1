#ifndef APP_LISTEN_RECEIVE_H
#define APP_LISTEN_RECEIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "app/listen/accept.h"
#include "app/listen/inbound_stats.h"
#include "app/store/store.h"
#include "base/flood.h"
#include "smtp/server.h"

/*
 * What `listen` does with mail: which recipients are taken (app/listen/accept.h), where it goes (app/store/store.h), the
 * hop limit and the log. One receiver serves all sessions; each session has a receipt of its own. The 250 goes
 * out when the store has the message for good.
 */
struct receiver {
	struct accept accept;
	struct store store;
	bool log_json;
	bool normalize_lf;  /* of clients that may relay: a bare LF is CRLF (DECISIONS F43) */
	struct flood flood; /* bounds the log */
	struct inbound_stats *stats; /* NULL: nobody asks */
	uint64_t
	    stop_after; /* messages, then SIGTERM to this process, or the supervisor; 0: never */
	int tell_fd;    /* or a supervisor counts (app/listen/inbound_tell.h); -1 */

	/* counters */
	uint64_t messages, messages_tls;
};

/* Nothing accepted, discard. hostname is kept, not copied. receiver must not move. */
void receiver_init(struct receiver *r, const char *hostname);
void receiver_fini(struct receiver *r);

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
