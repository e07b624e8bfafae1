#ifndef SMTP_ADDRESS_H
#define SMTP_ADDRESS_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/fail.h"
#include "base/slice.h"

/*
 * Addresses as they stand in MAIL and RCPT (RFC 5321 s4.1.2 and s4.1.3, with the UTF-8 of RFC 6531
 * s3.3) and on command lines. Pure functions; the syntax of message headers, which knows comments
 * and display names, is in smtp/header_address.h.
 *
 * What is accepted is a little more than the RFC in one point, since such domains exist: underscores
 * in domains. Nothing that is accepted holds a control character, NUL, or a byte outside of
 * well-formed UTF-8, so that an accepted path can be written into a command as it is.
 */
struct smtp_path {
	bool null;          /* <> */
	struct slice local; /* as written, with its quotes and backslashes; into the input */
	struct slice
	    domain;   /* as written, a literal with its brackets; empty for a bare postmaster */
	bool literal; /* domain is an address literal, [192.0.2.1] or [IPv6:2001:db8::1] */
	bool utf8;    /* some byte above 0x7f: the address needs SMTPUTF8 (if only the domain
	                        has them, its A-labels do not) */
};

/*
 * Parse one path at the start of text.
 *
 * allow_null             accept "<>" (MAIL FROM)
 * allow_bare_postmaster  accept "<postmaster>", in any case, without a domain (RCPT TO, s4.5.1)
 * path_r                 slices point into text
 * rest_r                 what follows '>', untouched; may be NULL
 * Returns 0, or -1 with why set.
 * Fails with ADDRESS; the text says what is wrong. Refused are source routes (<@a,@b:c@d>, which
 * s4.1.1.3 lets a server decline), white space around or in the address, control bytes, bytes that
 * are not UTF-8, and parts longer than LIMIT_LOCAL_PART_BYTES, LIMIT_DOMAIN_BYTES and
 * LIMIT_PATH_BYTES.
 */
int smtp_path_parse(struct slice text, bool allow_null, bool allow_bare_postmaster,
    struct smtp_path *path_r, struct slice *rest_r, struct fail *why);

/* The same for a mailbox without brackets that is the whole text: local@domain. */
int smtp_mailbox_parse(struct slice text, struct smtp_path *path_r, struct fail *why);

/*
 * Append a path as it was written, without brackets: local@domain, the local part alone without a domain, nothing for
 * the null path. Returns 0, or -1 when out is full.
 */
int smtp_path_append(const struct smtp_path *path, struct buf *out);

/* The same as a string in arena. */
char *smtp_path_text(const struct smtp_path *path, struct arena *arena);

/*
 * Append a local part as it must be written (s4.1.2: unquoted if it is a Dot-string, else quoted
 * with as few backslashes as possible). local is the meaning, without quotes: a b becomes "a b".
 * Returns 0, or -1 when it holds a byte that no local part can carry (control bytes, not UTF-8) or
 * out is full; out is unchanged then.
 */
int smtp_local_quote(struct buf *out, struct slice local);

/* Append the meaning of a written local part (smtp_path.local): "a\ b" becomes a b. -1: out is full. */
int smtp_local_unquote(struct buf *out, struct slice written);

/* RFC 3461 s4: text as xtext, for ENVID and ORCPT: '+', '=' and all that is not printable ASCII as +XX. */
const char *smtp_xtext(struct slice text, struct arena *arena);

/* Length of the quoted string at the start of s, with both quotes; 0 when it does not end. s begins with a quote. */
size_t smtp_quoted_length(struct slice s);
/* Whether c may stand in an atom (RFC 5322 atext, and any byte above 0x7f: RFC 6532). */
bool smtp_is_atext(char c);

#endif
