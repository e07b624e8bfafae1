#ifndef APP_MESSAGE_LONG_LINES_H
#define APP_MESSAGE_LONG_LINES_H

#include <stdbool.h>
#include <stdint.h>

#include "app/message/mime.h"
#include "base/buf.h"
#include "base/slice.h"

/*
 * Messages with lines above LIMIT_TEXT_LINE_BYTES (RFC 5322 s2.1.1), such as the output of cron jobs:
 * quoted-printable keeps them whole. Two passes over the text: the first finds the parts that have
 * such lines, the second writes the text with these parts encoded. Only leaf parts that have no
 * encoding yet, never multipart or message parts as a whole, nothing inside multipart/signed or
 * multipart/encrypted, nothing of a message whose header is signed (DECISIONS E36, RFC 2045 s6.4);
 * what stays too long is left to submit_fold. Pure, incremental, of constant size whatever is fed.
 *
 *   long_lines_init, long_lines_feed..., long_lines_end          out NULL
 *   long_lines_again, long_lines_feed..., long_lines_end         with out
 */
#define LONG_LINES_PARTS 8192 /* parts beyond are not encoded */
#define LONG_LINES_DEPTH 16   /* multiparts in multiparts; what lies deeper is not encoded */
#define LONG_LINES_HELD 1024  /* of a line: longer than a line may be, and than any delimiter */

struct long_lines {
	bool found; /* after the first pass: some part is to be encoded */

	/* private */
	bool second;
	enum { LONG_HEADER, LONG_BODY } where;
	unsigned char marks[LONG_LINES_PARTS / 8];
	size_t part; /* index of the part being read */
	bool may_encode, encoding, root, locked;
	bool digest_part; /* a part of multipart/digest: a message unless it says otherwise */
	bool has_8bit, not_utf8;
	unsigned utf8_left; /* bytes of a character that are still to come */
	bool root_8bit;     /* what the first pass saw of the root's own body */
	bool root_utf8;
	struct {
		char boundary[MIME_BOUNDARY_BYTES + 1];
		bool locked, digest;
	} stack[LONG_LINES_DEPTH];
	size_t depth;
	struct buf section; /* the header being read */
	size_t line;        /* offset in section of its last line */
	struct buf held;    /* the beginning of a line of the body */
	bool in_line;       /* held was given on, the line goes on */
	size_t column;      /* of encoded output */
	char blank;         /* a blank that may be the last of its line; 0: none */
};

void long_lines_init(struct long_lines *w);
void long_lines_fini(struct long_lines *w);
/* Start over, for the second pass. */
void long_lines_again(struct long_lines *w);

/*
 * Feed text with CR LF lines, header section first, split anyhow. out gets what is complete, in the
 * second pass; its maximum must allow for 4 * text.n + 2 * LIMIT_HEADER_BYTES bytes.
 */
void long_lines_feed(struct long_lines *w, struct slice text, struct buf *out);
void long_lines_end(struct long_lines *w, struct buf *out);

#endif
