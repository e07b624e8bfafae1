#include <string.h>

#include "app/message/header.h"
#include "app/message/header_words.h"
#include "base/limits.h"
#include "base/text.h"
#include "smtp/address.h"

#define NAME_BYTES 300 /* display names: long enough for any, and a line stays below 998 */

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
			header_words_encode(s, out);
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
