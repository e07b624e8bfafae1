#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/text.h"

/*
 * Any bytes become a JSON string that jansson parses back to them, each byte that is not UTF-8 as
 * its Latin-1 code point.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The text that the string must stand for. */
static void
expect(struct slice s, struct buf *out)
{
	while (s.n > 0) {
		size_t len = text_utf8_char(s);
		if (len == 0) {
			unsigned char c = (unsigned char)s.p[0];
			buf_putc(out, (char)(0xc0 | c >> 6));
			buf_putc(out, (char)(0x80 | (c & 0x3f)));
			len = 1;
		} else {
			buf_append(out, s.p, len);
		}
		s = slice_sub(s, len, s.n);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf out, want;
	json_error_t error;

	buf_init(&out, size * 6 + 2);
	buf_init(&want, size * 2);
	expect(slice_make((const char *)data, size), &want);
	if (json_text(&out, slice_make((const char *)data, size)) != 0)
		abort();
	for (size_t i = 0; i < out.len; i++)
		if ((unsigned char)out.data[i] < 0x20 || out.data[i] == 0x7f)
			abort();
	json_t *value = json_loadb(out.data, out.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
	if (value == NULL || !json_is_string(value) || json_string_length(value) != want.len ||
	    (want.len > 0 && memcmp(json_string_value(value), want.data, want.len) != 0))
		abort();
	json_decref(value);
	buf_free(&out);
	buf_free(&want);
	return 0;
}
