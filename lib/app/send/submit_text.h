#ifndef APP_SEND_SUBMIT_TEXT_H
#define APP_SEND_SUBMIT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/slice.h"

/*
 * The text of a message as local programs write it to sendmail, made into what SMTP can carry: two
 * pure, incremental steps, independent of how the bytes are split.
 *
 * Step 1, lines. LF and CR LF, mixed as they come, become CR LF; a last line without an end gets
 * one. CR CR LF (text translated twice) is one line end; any other CR becomes a space, and a NUL is
 * deleted, so that nothing the sender writes is a line end for one program and none for the next
 * (SMTP smuggling). Unless dots are ignored (-i), a line of one dot, ended by LF, CR LF or the end
 * of input, ends the message.
 */
struct submit_text {
	uint64_t nuls;     /* deleted */
	uint64_t bare_crs; /* made spaces */
	bool ended; /* a lone dot was seen: the rest of the input is not part of the message */
	/* private */
	bool ignore_dots;
	bool line_start;
	bool dot;     /* a dot at the start of a line is held back */
	unsigned crs; /* CRs held back, at most two */
};

void submit_text_init(struct submit_text *t, bool ignore_dots);

/*
 * Feed bytes; lines are appended to out, which needs room for 2 * in.n + 3 bytes. Returns how many
 * bytes were consumed: all, or up to the end of the lone dot's line.
 */
size_t submit_text_feed(struct submit_text *t, struct slice in, struct buf *out);

/* The input is at its end: complete the last line (out needs 5 bytes). */
void submit_text_end(struct submit_text *t, struct buf *out);

/*
 * Step 2, length. A line above LIMIT_TEXT_LINE_BYTES (RFC 5322 s2.1.1: 998 without CR LF) is cut
 * there, and its rest goes on behind CR LF and a space, as Postfix does; no UTF-8 character is cut in
 * two. In a header the line is cut at the last white space instead, where there is one, which does
 * not change its meaning. (Encoding such bodies as quoted-printable keeps them intact; this is the
 * floor under it.)
 */
struct submit_fold {
	bool has_8bit;  /* some byte above 0x7f */
	uint64_t folds; /* cuts made */
	/* private */
	bool header;
	bool folded; /* line is the rest of a cut one */
	size_t n;
	char line[LIMIT_TEXT_LINE_BYTES + 1];
};

void submit_fold_init(struct submit_fold *fold, bool header);

/*
 * Feed text of step 1 (any split), get text with short lines appended to out, which needs room for
 * in.n + in.n / 100 + LIMIT_TEXT_LINE_BYTES + 8 bytes.
 */
void submit_fold_feed(struct submit_fold *fold, struct slice in, struct buf *out);

#endif
