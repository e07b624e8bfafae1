#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

/*
 * Text at the borders: ASCII case, sanitising of remote bytes, durations, sizes, hex, and "did you
 * mean". Pure functions.
 */

char text_lower(char c);
char text_upper(char c);
/* Lower-case a string in place (ASCII only). */
void text_lower_str(char *s);

bool text_is_ascii(struct slice s); /* no byte above 0x7f */
/* A control character (C0 but HT, DEL) in it: no line of text that people write. */
bool text_has_control(struct slice s);

/* Length in bytes of the well-formed UTF-8 character at the start of s; 0 when there is none. */
size_t text_utf8_char(struct slice s);
bool text_is_utf8(struct slice s);

/* Replace, in place, control characters (C0, DEL, C1) and bytes that are not UTF-8 by '?'. */
void text_sanitize(char *s);

/*
 * Append remote bytes for a terminal or a log: printable UTF-8 stays, everything else becomes
 * \xHH, a backslash \\. At most max_bytes of output, then "...".
 */
void text_escape(struct buf *out, struct slice s, size_t max_bytes);

/*
 * A duration: digits with ms, s, m, h or d, or digits alone (seconds). The result is in
 * milliseconds, 0 up to ten years. False when it is none.
 */
bool text_duration_ms(struct slice s, int64_t *ms_r);

/* A size in bytes: digits with an optional k, M or G (powers of 1000) or Ki, Mi, Gi (of 1024). */
bool text_size(struct slice s, int64_t *bytes_r);

/* Lower-case hex of n bytes into out (2n + 1 bytes). */
void text_hex(const unsigned char *data, size_t n, char *out);
/* The way back, either case: hex.n / 2 bytes into out; false when it is not hex of whole bytes. */
bool text_unhex(struct slice hex, unsigned char *out);

/* Append base64 with padding (RFC 4648 s4), in one line. */
void text_base64(struct slice s, struct buf *out);

/*
 * The candidate nearest to word by edit distance (insert, delete, replace, swap), or NULL when
 * none is near enough to be meant (at most a third of its length).
 */
const char *text_nearest(const char *word, const char *const *candidates, size_t n);

/* RFC 5322 s3.3 date-time of a wall clock second, in UTC ("+0000"). Into out, 64 bytes. */
void text_date_rfc5322(int64_t unix_seconds, char out[64]);
/* RFC 3339 UTC, "2026-01-31T12:00:00Z". Into out, 32 bytes. */
void text_date_rfc3339(int64_t unix_seconds, char out[32]);

#endif
