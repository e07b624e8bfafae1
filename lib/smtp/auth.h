#ifndef SMTP_AUTH_H
#define SMTP_AUTH_H

#include <stdint.h>

#include "base/buf.h"
#include "smtp/client.h"

/*
 * AUTH (RFC 4954), the client's side: PLAIN (RFC 4616), LOGIN, and with a token OAUTHBEARER (RFC
 * 7628) and XOAUTH2. Where it is safe to use is the caller's business; what is secret is not shown
 * in the transcript.
 */
enum auth_mechanism {
	AUTH_PLAIN = 1 << 0,
	AUTH_LOGIN = 1 << 1,
	AUTH_XOAUTH2 = 1 << 2,
	AUTH_OAUTHBEARER = 1 << 3
};
#define AUTH_ALL 15u
#define AUTH_TOKEN ((unsigned)(AUTH_XOAUTH2 | AUTH_OAUTHBEARER)) /* take a token, no password */

/* "PLAIN", ...; one bit only. */
const char *auth_mechanism_str(unsigned mechanism);
/* The bit of a word in any case; 0 for a mechanism that is not ours. */
unsigned auth_mechanism_parse(struct slice word);

struct auth_identity {
	const char *user;
	const char *secret;  /* password or token; no NUL, no line ends */
	bool token;          /* secret is a token */
	unsigned mechanisms; /* allowed ones, of enum auth_mechanism */
	const char *host;    /* for OAUTHBEARER: name and port of the server */
	uint16_t port;
};

/* Pure: the mechanism to use with a server that offers these: the best of both, or 0. */
unsigned auth_choose(const struct auth_identity *identity, unsigned offered);

/* Pure: append the initial response, not encoded. LOGIN has none. */
void auth_response(unsigned mechanism, const struct auth_identity *identity, struct buf *out);

/*
 * Log in with the best mechanism that client->ehlo offers. The initial response goes with the
 * command where both fit into a command line (RFC 4954 s4), else behind the first 334.
 * Fails with AUTH: none in common, or the server said no (smtp_code); TIMEOUT, EOF... as smtp_cmd.
 */
int smtp_auth(struct smtp_client *client, const struct auth_identity *identity, int64_t deadline,
    struct fail *why);

#endif
