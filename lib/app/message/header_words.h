#ifndef APP_MESSAGE_HEADER_WORDS_H
#define APP_MESSAGE_HEADER_WORDS_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/slice.h"

/*
 * Encoded words (RFC 2047): text of header fields that is not ASCII, as ASCII. Pure.
 *
 * Text that is UTF-8 is said to be; any other is "unknown-8bit" (RFC 1428), since a guess would be a
 * lie. Words are of whole characters, at most 75 bytes, and a line with one has at most 76 (s2).
 */

/*
 * Append text as encoded words. out holds the line so far, which is folded in front of the first word
 * when that ends in a blank and the word would not fit. Text must hold no CR or LF.
 */
void header_words_encode(struct slice text, struct buf *out);

/* Append unstructured text (Subject): words with 8-bit bytes encoded, all else as it is, folding too. */
void header_words_text(struct slice value, struct buf *out);

/*
 * Append a piece of an address list that holds no address, such as display names and comments:
 * atoms, quoted strings and words of comments with 8-bit bytes encoded, all else as it is.
 */
void header_words_phrase(struct slice piece, struct buf *out);

#endif
