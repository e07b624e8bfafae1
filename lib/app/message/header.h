#ifndef APP_MESSAGE_HEADER_H
#define APP_MESSAGE_HEADER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/fail.h"
#include "base/slice.h"
#include "smtp/header_address.h"

/*
 * The header section of a message: where it ends, its fields, whom a submitted one names as
 * recipients, and the section as it leaves. Pure functions over counted bytes whose lines end in
 * CR LF. Fields are kept in their order and, unless they are deleted or rewritten, byte for byte.
 */

/* What one line, or the beginning of one, is. */
enum header_line {
	HEADER_LINE_FIELD,     /* "name:", also with blanks before the colon (RFC 5322 s4.5) */
	HEADER_LINE_MORE,      /* begins with a blank: goes on with the field above */
	HEADER_LINE_END,       /* empty: the body begins behind it */
	HEADER_LINE_BODY,      /* none of these: the body begins with it */
	HEADER_LINE_UNDECIDED, /* not enough bytes yet */
};

/* line: from its start, with its CR LF when complete. first: there is no field above. */
enum header_line header_line_kind(struct slice line, bool first);

/*
 * Whether a message whose text begins with these bytes has the separator line of mbox files in
 * front of it ("From ", also with '>' before): 1 yes, 0 no, -1 not enough bytes yet.
 */
int header_is_from_line(struct slice text);

struct header_field {
	struct slice raw;   /* all of it, with its continuation lines and CR LF */
	struct slice name;  /* without the blanks before the colon */
	struct slice value; /* behind the colon, still folded, without the last CR LF */
};

struct header {
	struct header_field *v;
	size_t n;
};

/*
 * Take a section apart. text: only lines of kind FIELD and MORE, FIELD first; slices point into it.
 */
void header_parse(struct slice text, struct arena *arena, struct header *header_r);

/* The first field of that name (any case) or NULL. */
const struct header_field *header_find(const struct header *header, const char *name);
size_t header_count(const struct header *header, const char *name);

/* Where name (any case) stands in a list that ends in NULL, as one bit; 0 when it does not. */
unsigned header_name_bit(struct slice name, const char *const *names);

/*
 * The topmost block of consecutive Resent- fields (RFC 5322 s3.6.6): first and one past its last
 * index; both header->n when there is none. A second Resent-Date, -From, -Sender or -Message-ID
 * begins the next block.
 */
void header_resent_block(const struct header *header, size_t *from_r, size_t *to_r);

/*
 * Recipients for -t, appended to list: of Resent-To, Resent-Cc and Resent-Bcc if the topmost
 * Resent- block has one of them, and then of no other field; else of all To, Cc and Bcc. Bad parts
 * are in list->errors. Fails as header_address_parse.
 */
int header_recipients(const struct header *header, size_t max, struct arena *arena,
    struct header_addresses *list, struct fail *why);

struct header_rewrite;

/*
 * Values to add where the field is missing; NULL: never. If the message has a Resent- block, the
 * Resent- forms are added in front of the block instead: the rest of a resent message is not ours
 * to change.
 */
struct header_additions {
	const char *date;
	const char *message_id; /* with its angle brackets */
	const char *from;       /* as header_mailbox_write makes it */
	/* how the fields that stay are changed (app/message/header_rewrite.h); NULL: byte for byte */
	const struct header_rewrite *rewrite;
};

/*
 * Append the section as it leaves, with the empty line at its end: without Bcc, Resent-Bcc,
 * Return-Path and Content-Length, with what is missing. Returns 0, or -1 when out is full.
 */
int header_write(
    const struct header *header, const struct header_additions *additions, struct buf *out);

/*
 * Append a mailbox with a display name for a header: NAME <MAILBOX>, folded by CR LF SP where it is
 * long. name: any bytes or NULL; white space and control characters in it become single spaces, so
 * that it cannot begin a new field; it is quoted where it must be, and encoded by RFC 2047 (UTF-8,
 * B) when it is not ASCII, bytes that are not UTF-8 as '?'. mailbox: checked by the caller.
 * Returns 0, or -1 when out is full.
 */
int header_mailbox_write(const char *name, const char *mailbox, struct buf *out);

#endif
