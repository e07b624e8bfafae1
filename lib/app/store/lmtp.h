#ifndef APP_STORE_LMTP_H
#define APP_STORE_LMTP_H

#include "app/send/deliver.h"
#include "io/addr.h"

/*
 * LMTP (RFC 2033) as a client: a message to a local mail store, such as Dovecot's, over a Unix socket or a
 * TCP connection on this machine. One transaction; after the final dot each recipient has an answer of
 * its own. 8BITMIME and SMTPUTF8 (RFC 6531) are asked for where they are needed and offered.
 */
struct lmtp_target {
	const char *path; /* of a Unix socket; NULL: addr */
	struct addr addr;
};

/* "unix:PATH", "/PATH" or "ADDRESS:PORT". Strings point into text. Fails with USAGE. */
int lmtp_target_parse(const char *text, struct lmtp_target *target_r, struct fail *why);

/* One recipient, and what became of it. */
struct lmtp_rcpt {
	const char *mailbox; /* local@domain */
	bool done;           /* the store has it */
	struct fail why;     /* else */
	char enhanced[16];   /* the server's, "" without */
	char reply[400];     /* its last word, "" without */
};

/*
 * Deliver message to n recipients; each gets done or why. helo: our name in LHLO.
 */
void lmtp_deliver(const struct lmtp_target *target, const char *helo, const struct message *message,
    struct lmtp_rcpt *rcpts, size_t n, int64_t timeout_ms, int64_t deadline);

#endif
