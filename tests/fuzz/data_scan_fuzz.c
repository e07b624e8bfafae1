#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "smtp/data.h"

/*
 * The first byte seeds the splits (and, when odd, lets a bare LF be CR LF), the rest is data. Scanning must not depend on the splits; the
 * end must be where a search for CR LF . CR LF finds it (unless something is wrong before); text
 * that scans cleanly, stuffed again, is the input.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool normalize;

/* All the way to the end or to the end of input; returns bytes used, events in a checksum. */
static size_t
scan(struct slice in, unsigned seed, struct buf *out, struct smtp_data_scanner *scanner,
    uint64_t *events_r)
{
	size_t at = 0;

	smtp_data_scan_init(scanner);
	scanner->normalize_lf = normalize;
	*events_r = 1;
	while (at < in.n) {
		size_t used, step = in.n;
		if (seed != 0) {
			seed = seed * 1103515245 + 12345;
			step = 1 + (seed >> 16) % 5;
		}
		struct slice piece = slice_sub(in, at, at + step);
		enum smtp_data_event event = smtp_data_scan(scanner, piece, out, &used);
		if (used > piece.n || (event == SMTP_DATA_MORE && used != piece.n))
			abort();
		at += used;
		if (event != SMTP_DATA_MORE)
			*events_r = *events_r * 31 + at * 7 + event;
		if (event == SMTP_DATA_END)
			break;
	}
	return at;
}

/* The end by definition; 0 when there is none. Only valid when nothing is wrong before. */
static size_t
reference_end(struct slice in)
{
	if (in.n >= 3 && memcmp(in.p, ".\r\n", 3) == 0)
		return 3;
	for (size_t i = 0; i + 5 <= in.n; i++)
		if (memcmp(in.p + i, "\r\n.\r\n", 5) == 0)
			return i + 5;
	return 0;
}

/* Out of a scanner only CR LF, and stuffing it gives back what came in. */
static void
check_clean(struct slice in, size_t used, const struct buf *text)
{
	struct smtp_data_stuffer stuffer;
	struct smtp_data_scanner scanner;
	struct buf again, twice;
	uint64_t events;
	size_t room = text->len * 2 + 8;

	if (used != reference_end(in))
		abort();
	buf_init(&again, room);
	buf_init(&twice, 2 * room);
	smtp_data_stuff_init(&stuffer);
	if (smtp_data_stuff(&stuffer, slice_make(text->data, text->len), &again, NULL) != 0 ||
	    smtp_data_stuff_end(&stuffer, &again, NULL) != 0)
		abort();
	if (scan(slice_make(again.data, again.len), 0, &twice, &scanner, &events) != again.len)
		abort();
	if (!slice_eq(slice_make(text->data, text->len), slice_make(twice.data, twice.len)))
		abort();
	buf_free(&again);
	buf_free(&twice);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct smtp_data_scanner one, other;
	uint64_t one_events, other_events;
	struct buf a, b;

	if (size == 0)
		return 0;
	struct slice in = slice_make((const char *)data + 1, size - 1);
	normalize = data[0] % 2 != 0;
	buf_init(&a, 2 * in.n + 1);
	buf_init(&b, 2 * in.n + 1);
	size_t used = scan(in, 0, &a, &one, &one_events);
	if (scan(in, 1 + data[0], &b, &other, &other_events) != used ||
	    one_events != other_events || a.full ||
	    !slice_eq(slice_make(a.data, a.len), slice_make(b.data, b.len)) ||
	    memcmp(&one.bytes, &other.bytes, sizeof(one.bytes)) != 0 ||
	    one.line_bytes_max != other.line_bytes_max || one.has_8bit != other.has_8bit ||
	    one.bytes != a.len)
		abort();
	/* exactly one event, and that is the end: nothing was wrong */
	if (one_events == 31 + used * 7 + SMTP_DATA_END)
		check_clean(in, used, &a);
	buf_free(&a);
	buf_free(&b);
	return 0;
}
