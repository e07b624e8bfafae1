#include <string.h>

#include "app/header.h"
#include "base/limits.h"
#include "base/text.h"
#include "smtp/address.h"

#define NAME_BYTES 300 /* display names: long enough for any, and a line stays below 998 */
/* RFC 2047 s2: at most 75 bytes a word: 63 of B for =?UTF-8?B? and ?=, so 45 bytes of text */
#define WORD_BYTES 45

/* Printable, single spaces, well-formed UTF-8, cut at a character. */
static void
clean_name(struct slice name, struct buf *out, bool *ascii_r)
{
	*ascii_r = true;
	for (size_t i = 0; i < name.n && out->len < NAME_BYTES;) {
		unsigned char c = (unsigned char)name.p[i];
		size_t len = text_utf8_char(slice_sub(name, i, name.n));

		if (len == 0) {
			buf_putc(out, '?');
			len = 1;
		} else if (c <= ' ' || c == 0x7f ||
			   (len == 2 && c == 0xc2 && (unsigned char)name.p[i + 1] < 0xa0)) {
			if (out->len > 0 && out->data[out->len - 1] != ' ')
				buf_putc(out, ' ');
		} else {
			buf_append(out, name.p + i, len);
			*ascii_r &= len == 1;
		}
		i += len;
	}
	if (out->len > 0 && out->data[out->len - 1] == ' ')
		out->data[--out->len] = '\0';
}

static void
base64(struct slice s, struct buf *out)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < s.n; i += 3) {
		unsigned long v = 0;
		for (size_t j = 0; j < 3; j++)
			v = v << 8 | (i + j < s.n ? (unsigned char)s.p[i + j] : 0U);
		for (size_t j = 0; j < 4; j++)
			buf_putc(out, i + j > s.n ? '=' : digits[v >> (18 - 6 * j) & 63]);
	}
}

/* RFC 2047 s5: words of whole characters; the space between two of them is not part of the text. */
static void
encode_words(struct slice name, struct buf *out)
{
	bool first = true;

	while (name.n > 0) {
		size_t n = 0, len;
		while (n < name.n && (len = text_utf8_char(slice_sub(name, n, name.n))) > 0 &&
		       n + len <= WORD_BYTES)
			n += len;
		if (n == 0)
			return; /* not UTF-8: clean_name leaves none */
		buf_puts(out, first ? "=?UTF-8?B?" : "\r\n =?UTF-8?B?");
		base64(slice_sub(name, 0, n), out);
		buf_puts(out, "?=");
		name = slice_sub(name, n, name.n);
		first = false;
	}
}

static bool
needs_quotes(struct slice name)
{
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] != ' ' && !smtp_is_atext(name.p[i]))
			return true;
	/* what looks like an encoded word would be decoded */
	return name.n >= 2 && memmem(name.p, name.n, "=?", 2) != NULL;
}

int
header_mailbox_write(const char *name, const char *mailbox, struct buf *out)
{
	struct buf clean;
	bool ascii;

	buf_init(&clean, NAME_BYTES + 8);
	clean_name(slice_str(name), &clean, &ascii);
	struct slice s = slice_make(clean.data, clean.len);
	if (s.n == 0) {
		buf_puts(out, mailbox);
	} else {
		if (!ascii) {
			encode_words(s, out);
		} else if (!needs_quotes(s)) {
			buf_append(out, s.p, s.n);
		} else {
			buf_putc(out, '"');
			for (size_t i = 0; i < s.n; i++) {
				if (s.p[i] == '"' || s.p[i] == '\\')
					buf_putc(out, '\\');
				buf_putc(out, s.p[i]);
			}
			buf_putc(out, '"');
		}
		buf_printf(out, "%s<%s>", s.n + strlen(mailbox) > 60 ? "\r\n " : " ", mailbox);
	}
	buf_free(&clean);
	return out->full ? -1 : 0;
}
