#ifndef APP_MESSAGE_MIME_H
#define APP_MESSAGE_MIME_H

#include <stdbool.h>

#include "app/message/header.h"
#include "base/slice.h"

/*
 * What must be known of MIME (RFC 2045, RFC 2046) to leave a message's structure whole. Pure.
 */
#define MIME_BOUNDARY_BYTES 200 /* RFC 2046 s5.1.1 says 70; longer ones exist */

enum mime_type {
	MIME_LEAF, /* anything else; also without, or with an unreadable Content-Type */
	MIME_MULTIPART,
	MIME_SIGNED, /* multipart/signed and multipart/encrypted: not a byte inside may change */
	MIME_DIGEST, /* multipart/digest: its parts are messages */
	MIME_RFC822, /* message/rfc822, message/global: a header section follows */
	MIME_OPAQUE  /* other message types: RFC 2046 s5.2 allows no encoding */
};

struct mime_content {
	enum mime_type type;
	char boundary[MIME_BOUNDARY_BYTES + 1]; /* of a multipart; "" when it has none */
	bool encoded; /* Content-Transfer-Encoding is none of 7bit, 8bit and binary */
	bool has_type;
};

/* Read Content-Type and Content-Transfer-Encoding of a part's header. */
void mime_content_read(const struct header *header, struct mime_content *content_r);

/* Whether a line (with or without its end) is the delimiter of boundary: 0 no, 1 yes, 2 the closing one. */
int mime_is_delimiter(struct slice line, const char *boundary);

#endif
