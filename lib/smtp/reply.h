#ifndef SMTP_REPLY_H
#define SMTP_REPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/limits.h"
#include "net/conn.h"

/*
 * SMTP replies (RFC 5321 s4.2): a code, and one to LIMIT_REPLY_LINES lines of text. The struct is
 * the caller's and is used again for each reply; what it returned is valid until the next one.
 */
struct smtp_reply {
	int code; /* 200-599, 0 before the first line */
	size_t lines;
	struct buf text;                  /* all lines, one after the other */
	uint32_t ends[LIMIT_REPLY_LINES]; /* where line i ends in text */
};

void smtp_reply_init(struct smtp_reply *reply);
void smtp_reply_free(struct smtp_reply *reply);
void smtp_reply_reset(struct smtp_reply *reply);

/*
 * Add one line, without its line end. Pure. Returns 1 when the reply is complete, 0 when more
 * lines must follow, -1 with why: REPLY_SYNTAX (no three digits of 2xx-5xx, a code that differs
 * from the first line's, a fourth byte that is neither SP nor '-'), REPLY_TOO_LONG.
 */
int smtp_reply_feed(struct smtp_reply *reply, struct slice line, struct fail *why);

/* Text of line i (< lines) without code; may hold any byte but CR, LF. */
struct slice smtp_reply_line(const struct smtp_reply *reply, size_t i);

/*
 * Read one complete reply (RFC 5321 s4.2), joining continuation lines.
 *
 * conn      open stream, plain or TLS
 * deadline  absolute, for the whole reply
 * Fails with TIMEOUT, EOF, REPLY_SYNTAX, REPLY_TOO_LONG, LINE_TOO_LONG, IO, TLS_IO, TLS_TRUNCATED, CANCELLED.
 */
int
smtp_reply_read(struct conn *conn, struct smtp_reply *reply_r, int64_t deadline, struct fail *why);

/* The enhanced status (RFC 3463) at the start of the first line, "4.7.0" into out; "" when there is none. */
void smtp_reply_enhanced(const struct smtp_reply *reply, char out[16]);

/* The whole reply as one sanitised line for people: "250 first / second", at most n bytes with the NUL. */
void smtp_reply_str(const struct smtp_reply *reply, char *out, size_t n);

/*
 * Turn an unwanted reply into a failure: 4xx REPLY_TEMPORARY, 5xx REPLY_PERMANENT, else
 * REPLY_UNEXPECTED, with why->smtp_code and "what: reply". Returns -1.
 */
int smtp_reply_fail(const struct smtp_reply *reply, const char *what, struct fail *why);

#endif
