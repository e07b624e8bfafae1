#ifndef APP_MESSAGE_HEADER_REWRITE_H
#define APP_MESSAGE_HEADER_REWRITE_H

#include "app/message/header.h"
#include "app/message/masquerade.h"

/*
 * Fields of a submitted message as receivers far away can use them: addresses get their domain
 * ("From: root (Cron Daemon)" is refused by many), senders at this host their masquerade, 8-bit text
 * becomes encoded words (RFC 2047), so that nothing but the addresses themselves ever needs
 * SMTPUTF8. Names, comments, groups and folding stay; what cannot be parsed stays as it is. Pure.
 */
struct header_rewrite {
	const char *domain; /* of addresses without one; NULL: they stay */
	const struct masquerade
	    *masquerade; /* of From, Sender, Reply-To and Resent-; may be NULL */
};

/*
 * Append a field, with its CR LF. Returns 0, or -1 when out is full.
 */
int header_rewrite_field(
    const struct header_field *field, const struct header_rewrite *rewrite, struct buf *out);

/* Whether the message carries a signature over its header (DKIM, ARC), which a rewrite would break. */
bool header_is_signed(const struct header *header);

#endif
