#include "app/message/header_words.h"

#include <string.h>

#include "base/limits.h"
#include "base/text.h"
#include "smtp/address.h"

#define LINE_BYTES 76 /* RFC 2047 s2 */
/* RFC 2047 s2: at most 75 bytes a word, and what frames it is longer for unknown-8bit */
#define UTF8_BYTES 45
#define UNKNOWN_BYTES 39
#define RUN_BYTES 8192 /* of one run of words; a longer one goes on in the next */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Bytes behind the last line end of out. */
static size_t
column(const struct buf *out)
{
	size_t i = out->len;

	while (i > 0 && out->data[i - 1] != '\n')
		i--;
	return out->len - i;
}

/* Fold in front of the blank that out ends in. */
static void
fold(struct buf *out)
{
	char blank = out->data[out->len - 1];

	out->len--;
	buf_puts(out, "\r\n");
	buf_putc(out, blank);
}

static size_t
chunk_bytes(struct slice text, bool utf8)
{
	size_t n = 0, len;

	if (!utf8)
		return text.n < UNKNOWN_BYTES ? text.n : UNKNOWN_BYTES;
	while (n < text.n && (len = text_utf8_char(slice_sub(text, n, text.n))) > 0 &&
	       n + len <= UTF8_BYTES)
		n += len;
	return n;
}

void
header_words_encode(struct slice text, struct buf *out)
{
	bool utf8 = text_is_utf8(text), first = true;
	const char *charset = utf8 ? "UTF-8" : "unknown-8bit";

	while (text.n > 0 && !out->full) {
		size_t n = chunk_bytes(text, utf8);
		size_t length = strlen(charset) + 7 + (n + 2) / 3 * 4;
		if (!first)
			buf_puts(out, "\r\n ");
		else if (column(out) > 1 && is_blank(out->data[out->len - 1]) &&
			 column(out) + length > LINE_BYTES)
			fold(out);
		buf_printf(out, "=?%s?B?", charset);
		text_base64(slice_sub(text, 0, n), out);
		buf_puts(out, "?=");
		text = slice_sub(text, n, text.n);
		first = false;
	}
}

/* --- runs: words to be encoded, and the blanks between them, which decoders drop ------------------- */

struct run {
	struct buf text;
	struct slice
	    blanks; /* behind the last word; they belong to the run if another word follows */
};

static void
run_word(struct run *run, struct slice word)
{
	if (run->text.len > 0 && run->blanks.n > 0)
		buf_putc(&run->text, ' ');
	run->blanks.n = 0;
	for (size_t i = 0; i < word.n; i++)
		buf_putc(&run->text, word.p[i]);
}

/* Whether this word would still fit. */
static bool
run_fits(const struct run *run, struct slice word)
{
	return run->text.len + word.n + 1 <= RUN_BYTES;
}

/* separate: in a phrase a blank must stand on either side (RFC 2047 s5) */
static void
run_end(struct run *run, bool separate, struct buf *out)
{
	if (run->text.len == 0)
		return;
	if (separate && out->len > 0 && !is_blank(out->data[out->len - 1]) &&
	    out->data[out->len - 1] != '(')
		buf_putc(out, ' ');
	header_words_encode(slice_make(run->text.data, run->text.len), out);
	if (run->blanks.n > 0)
		buf_append(out, run->blanks.p, run->blanks.n);
	else if (separate)
		buf_putc(out, ' ');
	buf_reset(&run->text);
	run->blanks.n = 0;
}

static size_t
blanks_length(struct slice s, size_t at)
{
	size_t i = at;

	while (i < s.n && (is_blank(s.p[i]) || s.p[i] == '\r' || s.p[i] == '\n'))
		i++;
	return i - at;
}

static void
take_blanks(struct run *run, struct slice blanks, struct buf *out)
{
	if (run->text.len > 0)
		run->blanks = blanks;
	else
		buf_append(out, blanks.p, blanks.n);
}

void
header_words_text(struct slice value, struct buf *out)
{
	struct run run = { .blanks = { NULL, 0 } };

	if (text_is_ascii(value)) {
		buf_append(out, value.p, value.n);
		return;
	}
	buf_init(&run.text, RUN_BYTES + 8);
	for (size_t i = 0; i < value.n;) {
		size_t n = blanks_length(value, i);
		if (n > 0) {
			take_blanks(&run, slice_sub(value, i, i + n), out);
			i += n;
			continue;
		}
		while (i + n < value.n && blanks_length(value, i + n) == 0)
			n++;
		struct slice word = slice_sub(value, i, i + n);
		i += n;
		if (text_is_ascii(word) || word.n > RUN_BYTES / 2) {
			run_end(&run, false, out);
			if (word.n > RUN_BYTES / 2)
				header_words_encode(word, out);
			else
				buf_append(out, word.p, word.n);
			continue;
		}
		if (!run_fits(&run, word))
			run_end(&run, false, out);
		run_word(&run, word);
	}
	run_end(&run, false, out);
	buf_free(&run.text);
}

/* --- phrases ------------------------------------------------------------------------------------ */

static bool
is_delimiter(char c)
{
	return strchr("()<>@,;:\"\r\n \t", c) != NULL;
}

static size_t
word_length(struct slice s)
{
	size_t n = 0;

	while (n < s.n && s.p[n] != '\0' && !is_delimiter(s.p[n]))
		n += s.p[n] == '\\' && n + 1 < s.n ? 2 : 1;
	return n > 0 ? n : 1;
}

/* The meaning of a quoted string. */
static void
unquote(struct slice quoted, struct buf *out)
{
	for (size_t i = 1; i + 1 < quoted.n; i++) {
		if (quoted.p[i] == '\\' && i + 2 < quoted.n)
			i++;
		if (quoted.p[i] != '\r' && quoted.p[i] != '\n')
			buf_putc(out, quoted.p[i]);
	}
}

void
header_words_phrase(struct slice piece, struct buf *out)
{
	struct run run = { .blanks = { NULL, 0 } };
	unsigned depth = 0; /* of comments */
	struct buf meaning;

	if (text_is_ascii(piece)) {
		buf_append(out, piece.p, piece.n);
		return;
	}
	buf_init(&run.text, RUN_BYTES + 8);
	buf_init(&meaning, piece.n + 1);
	for (size_t i = 0; i < piece.n;) {
		size_t n = blanks_length(piece, i);
		if (n > 0) {
			take_blanks(&run, slice_sub(piece, i, i + n), out);
			i += n;
			continue;
		}
		struct slice rest = slice_sub(piece, i, piece.n), word;
		bool quoted = depth == 0 && rest.p[0] == '"' && (n = smtp_quoted_length(rest)) > 0;
		if (!quoted)
			n = word_length(rest);
		word = slice_sub(rest, 0, n);
		i += n;
		if (text_is_ascii(word)) {
			bool closes = depth > 0 && word.p[0] == ')';
			run_end(&run, !closes, out);
			buf_append(out, word.p, word.n);
			if (word.p[0] == '(')
				depth++;
			else if (closes)
				depth--;
			continue;
		}
		if (quoted) {
			buf_reset(&meaning);
			unquote(word, &meaning);
			word = slice_make(meaning.data, meaning.len);
		}
		if (!run_fits(&run, word))
			run_end(&run, true, out);
		if (run_fits(&run, word))
			run_word(&run, word);
		else
			header_words_encode(word, out);
	}
	run_end(&run, false, out);
	buf_free(&meaning);
	buf_free(&run.text);
}
