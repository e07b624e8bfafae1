#ifndef APP_MESSAGE_DKIM_H
#define APP_MESSAGE_DKIM_H

#include <stddef.h>
#include <stdint.h>

#include "app/message/header.h"
#include "app/message/message.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/fail.h"

/*
 * DKIM signatures (RFC 6376, RFC 8463), relaxed/relaxed, with SHA-256: the last thing done to a message before it
 * leaves, in front of the text. A message whose From is at a key's domain, or below it, gets a signature by
 * each key of that domain; any other leaves as it is. A key that cannot be used defers the message: it never
 * leaves unsigned because of that (DECISIONS A8).
 */
struct dkim_key {
	const char *domain, *selector, *file;
	struct tls_sign_key *key;
};

struct dkim {
	struct dkim_key *keys;
	size_t n;
};

/*
 * Keys of settings "DOMAIN SELECTOR FILE". Files by the rules of secrets (app/send/credentials.h). An Ed25519
 * key needs an RSA key beside it for the same domain: many receivers know no other (RFC 8463 s5). Strings
 * live in arena; dkim_close frees the keys, also after a failure. Fails with USAGE, CREDENTIALS.
 */
int
dkim_open(struct dkim *dkim, const struct strs *settings, struct arena *arena, struct fail *why);
void dkim_close(struct dkim *dkim);

/*
 * Signature fields for the text of message, each with its CR LF, appended to out: nothing when no key
 * fits. Reads the text once. now: Unix seconds. Fails with STORAGE, INTERNAL, MESSAGE_TOO_BIG (header).
 */
int dkim_sign(const struct dkim *dkim, const struct message *message, int64_t now, struct buf *out,
    struct fail *why);

/* The pure parts. A header field in relaxed form (s3.4.2), with its CR LF. */
void dkim_relax_field(const struct header_field *field, struct buf *out);

/* The body in relaxed form (s3.4.4), incremental: feed CR LF lines in any pieces; out needs text.n + 8. */
struct dkim_body {
	size_t empty; /* lines held back: at the end they do not count */
	bool blank;   /* white space held back: at the end of a line it does not count */
	bool in_line; /* the line has content */
};
void dkim_body_feed(struct dkim_body *body, struct slice text, struct buf *out);
void dkim_body_end(struct dkim_body *body, struct buf *out);

#endif
