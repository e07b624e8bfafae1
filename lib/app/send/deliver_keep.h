#ifndef APP_SEND_DELIVER_KEEP_H
#define APP_SEND_DELIVER_KEEP_H

#include <stddef.h>

/*
 * Connections that outlive a message, for those who deliver many in one process (deliver_options.keep). A
 * connection is found again only for the same address of the same host for the same next hop, under the same rule
 * and the same demand, message's wishes (REQUIRETLS, TLS-Required: No) and TLSA records included; and
 * then decide() must say for the new message, too, that it may leave on it. What was begun under one
 * policy is never used under another. TLS sessions are not resumed at all: each connection has a
 * handshake of its own, whose certificate is judged.
 *
 * A connection keeps its place of concurrency= (app/send/throttle.h) until it is closed; rate= counts each
 * message on it.
 */
#define DELIVER_KEEP_MESSAGES \
	100 /* transactions on one connection; the server's LIMITS may say less */
#define DELIVER_KEEP_MS 300000    /* from its beginning on */
#define DELIVER_KEEP_IDLE_MS 5000 /* not used for longer: it may be gone */

struct deliver_keep;

/* Lives in one process, for fibers of one thread. */
struct deliver_keep *deliver_keep_new(void);
/*
 * End connections that carry no message now, until there are at most so many with those that do: as there are
 * deliveries still to come at once. Waits for replies to QUIT as session_close does.
 */
void deliver_keep_trim(struct deliver_keep *keep, size_t most);
/* After deliver_keep_trim to 0 and the end of all deliveries. */
void deliver_keep_free(struct deliver_keep *keep);

#endif
