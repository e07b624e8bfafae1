#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "app/message/field_filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* The first byte cuts the text in pieces: the result must not depend on it, and what is filtered stays as it is. */
static void
filter(const char *text, size_t n, size_t step, struct buf *out)
{
	struct field_filter f;

	field_filter_init(&f, "mx.test");
	for (size_t i = 0; i < n; i += step)
		field_filter_feed(&f, slice_make(text + i, n - i < step ? n - i : step), out);
	field_filter_end(&f, out);
	field_filter_free(&f);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct buf whole, pieces, again;
	const char *text = (const char *)data + 1;

	if (n < 2 || n > 20000)
		return 0;
	buf_init(&whole, 65536);
	buf_init(&pieces, 65536);
	buf_init(&again, 65536);
	filter(text, n - 1, n, &whole);
	filter(text, n - 1, (size_t)data[0] % 40 + 1, &pieces);
	filter(buf_str(&whole), whole.len, 1000, &again);
	if (whole.len != pieces.len || whole.full ||
	    memcmp(buf_str(&whole), buf_str(&pieces), whole.len) != 0)
		abort();
	if (whole.len > n - 1 || again.len != whole.len)
		abort();
	buf_free(&whole);
	buf_free(&pieces);
	buf_free(&again);
	return 0;
}
