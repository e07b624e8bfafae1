#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "app/message/long_lines.h"
#include "app/send/submit_text.h"
#include "base/buf.h"
#include "base/limits.h"

/*
 * The first byte seeds the splits; bytes 'L' of the rest stand for a thousand bytes. What comes out
 * must not depend on the splits, must be lines, and is the input when nothing was found.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
expand(struct slice in, struct buf *out)
{
	struct submit_text t;
	struct buf raw;

	buf_init(&raw, 1000 * in.n + 1);
	for (size_t i = 0; i < in.n; i++)
		for (size_t n = in.p[i] == 'L' ? 1000 : 1; n > 0; n--)
			buf_putc(&raw, in.p[i]);
	submit_text_init(&t, true);
	submit_text_feed(&t, slice_make(raw.data, raw.len), out);
	submit_text_end(&t, out);
	buf_free(&raw);
}

static bool
run(struct slice in, unsigned seed, struct buf *out)
{
	static struct long_lines w;
	unsigned s = seed;

	long_lines_init(&w);
	for (int second = 0; second < 2; second++) {
		for (size_t at = 0; at < in.n;) {
			s = s * 1103515245 + 12345;
			size_t n = seed == 0 ? in.n : 1 + (s >> 16) % 700;
			long_lines_feed(&w, slice_sub(in, at, at + n), second ? out : NULL);
			at += n;
		}
		long_lines_end(&w, second ? out : NULL);
		if (!second)
			long_lines_again(&w);
	}
	bool found = w.found;
	long_lines_fini(&w);
	return found;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf in, one, other;

	if (size < 2 || size > 2000)
		return 0;
	struct slice rest = slice_make((const char *)data + 1, size - 1);
	buf_init(&in, 2000 * rest.n + 8);
	buf_init(&one, 8000 * rest.n + 1000);
	buf_init(&other, 8000 * rest.n + 1000);
	expand(rest, &in);
	struct slice text = slice_make(in.data, in.len);
	bool found = run(text, 0, &one);
	if (run(text, 1U + data[0], &other) != found || one.full || one.len != other.len ||
	    (one.len > 0 && memcmp(one.data, other.data, one.len) != 0))
		abort();
	if (!found && (one.len != in.len || memcmp(one.data, in.data, in.len) != 0))
		abort();
	for (size_t i = 0; i < one.len; i++)
		if (one.data[i] == '\n' && (i == 0 || one.data[i - 1] != '\r'))
			abort();
	buf_free(&in);
	buf_free(&one);
	buf_free(&other);
	return 0;
}
