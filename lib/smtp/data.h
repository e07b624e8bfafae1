#ifndef SMTP_DATA_H
#define SMTP_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/fail.h"
#include "base/slice.h"

/*
 * The text after DATA, in both directions: dot-stuffing and the one end of data, CR LF . CR LF
 * (RFC 5321 s4.1.1.4 and s4.5.2). Pure, incremental, and independent of where the bytes are split.
 *
 * Two programs that disagree on where a message ends let a sender smuggle a second one, so there is
 * one rule for both sides: a CR, a LF or a NUL that is not part of CR LF is never written, and
 * never taken for the end of a line or of the data.
 */

/* Outgoing. Zeroed memory is not a valid start: call smtp_data_stuff_init. */
struct smtp_data_stuffer {
	bool line_start; /* the next byte is the first of a line */
	bool cr;         /* the last byte was a CR */
};

void smtp_data_stuff_init(struct smtp_data_stuffer *stuffer);

/*
 * Append a chunk of message text (lines end in CR LF; any split) with its dots stuffed to out: at
 * most 2 * text.n bytes, plus one.
 * Returns 0, or -1 with why set and out unusable: the session must be cut then, since data once
 * begun cannot be taken back.
 * Fails with MESSAGE (bare CR, bare LF or NUL), INTERNAL (out is full).
 */
int smtp_data_stuff(
    struct smtp_data_stuffer *stuffer, struct slice text, struct buf *out, struct fail *why);

/*
 * Append the end of data: ". CR LF", after a CR LF if the last line has none. Fails as above, when
 * the text ended in a bare CR.
 */
int smtp_data_stuff_end(struct smtp_data_stuffer *stuffer, struct buf *out, struct fail *why);

/* Incoming. */
enum smtp_data_event {
	SMTP_DATA_MORE,    /* all of the input was consumed, the end is not there yet */
	SMTP_DATA_END,     /* CR LF . CR LF: what follows used_r is the next command */
	SMTP_DATA_BARE_CR, /* a CR that no LF follows */
	SMTP_DATA_BARE_LF, /* a LF that no CR precedes; not with normalize_lf */
	SMTP_DATA_NUL
};

struct smtp_data_scanner {
	uint64_t bytes; /* message text so far, un-stuffed, with its CR LF: what SIZE= counts */
	uint64_t line_bytes;     /* the line being read, un-stuffed, without CR LF */
	uint64_t line_bytes_max; /* longest line so far; for LIMIT_TEXT_LINE_BYTES */
	bool has_8bit;           /* some byte above 0x7f */
	/*
	 * Set after init, for clients that are known not to know better: a bare LF becomes CR LF in the text, and a
	 * dot behind it is un-stuffed. It is never a part of the end, which stays CR LF . CR LF.
	 */
	bool normalize_lf;
	unsigned char state; /* private */
};

void smtp_data_scan_init(struct smtp_data_scanner *scanner);

/*
 * Feed bytes as they came.
 *
 * in      what was read after the reply 354, in pieces of any size
 * out     gets the un-stuffed text, lines ended by CR LF; needs room for in.n + 1 bytes, with
 *         normalize_lf for twice as many. NULL: the
 *         text is dropped (message too big, or refused), the end is still found and bytes counted.
 *         Text that out has no room for is lost and marked in out->full.
 * used_r  how many bytes of in were consumed: all with MORE; up to the final LF with END; with an
 *         error, up to and with the wrong byte
 *
 * After END the scanner must be initialised again. After an error the caller may close, or go on
 * feeding the rest (with out NULL or not) to read to the true end before it refuses: the wrong
 * byte was dropped, has ended no line, and begins none.
 */
enum smtp_data_event
smtp_data_scan(struct smtp_data_scanner *scanner, struct slice in, struct buf *out, size_t *used_r);

#endif
