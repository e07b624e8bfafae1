#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "app/message/header.h"
#include "app/message/header_rewrite.h"
#include "app/send/submit_text.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/limits.h"

/*
 * The first byte seeds the splits and says whether dots are ignored; the rest is what a program
 * writes. Lines must not depend on the splits and never hold a bare CR, LF or NUL, nor be longer
 * than 998 bytes; the fields of the header must add up to it; no Bcc leaves.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t
step(unsigned *seed, size_t left)
{
	if (*seed == 0)
		return left;
	*seed = *seed * 1103515245 + 12345;
	return 1 + (*seed >> 16) % 7;
}

static void
normalize(struct slice in, unsigned seed, bool ignore_dots, struct buf *out)
{
	struct submit_text t;
	size_t at = 0;

	submit_text_init(&t, ignore_dots);
	while (at < in.n && !t.ended) {
		struct slice piece = slice_sub(in, at, at + step(&seed, in.n));
		size_t room = out->len + 2 * piece.n + 3;
		at += submit_text_feed(&t, piece, out);
		if (out->len > room)
			abort();
	}
	submit_text_end(&t, out);
	if (t.ended && ignore_dots)
		abort();
}

static void
fold(struct slice in, unsigned seed, bool header, struct buf *out)
{
	static struct submit_fold f;

	submit_fold_init(&f, header);
	for (size_t at = 0; at < in.n;) {
		struct slice piece = slice_sub(in, at, at + step(&seed, in.n));
		size_t room = out->len + piece.n + piece.n / 100 + LIMIT_TEXT_LINE_BYTES + 8;
		submit_fold_feed(&f, piece, out);
		if (out->len > room)
			abort();
		at += piece.n;
	}
}

static void
check_wire(const struct buf *text)
{
	size_t line = 0;

	for (size_t i = 0; i < text->len; i++) {
		char c = text->data[i];
		if (c == '\0' || (c == '\r' && text->data[i + 1] != '\n') ||
		    (c == '\n' && (i == 0 || text->data[i - 1] != '\r')))
			abort();
		line = c == '\n' ? 0 : line + (c != '\r');
		if (line > LIMIT_TEXT_LINE_BYTES)
			abort();
	}
	if (text->len > 0 && text->data[text->len - 1] != '\n')
		abort();
}

static void
check_equal(const struct buf *a, const struct buf *b)
{
	if (a->full || b->full || a->len != b->len ||
	    (a->len > 0 && memcmp(a->data, b->data, a->len) != 0))
		abort();
}

/* Length of the header section at the start of text. */
static size_t
section_length(struct slice text)
{
	size_t at = 0;

	while (at < text.n) {
		struct slice line = slice_sub(text, at, text.n);
		line.n = slice_find(line, '\n') + 1;
		enum header_line kind = header_line_kind(line, at == 0);
		/* what a beginning decides, the whole line decides alike */
		for (size_t n = 0; n < line.n && n < 40; n++) {
			enum header_line part = header_line_kind(slice_sub(line, 0, n), at == 0);
			if (part != HEADER_LINE_UNDECIDED && part != kind)
				abort();
		}
		if (kind != HEADER_LINE_FIELD && kind != HEADER_LINE_MORE)
			break;
		at += line.n;
	}
	return at;
}

static void
check_no_bcc(const struct buf *out, struct arena *arena)
{
	struct slice text = slice_make(out->data, out->len);
	struct header again;

	size_t n = section_length(text);
	if (n + 2 != text.n)
		abort(); /* a field was torn: the section would end early */
	header_parse(slice_sub(text, 0, n), arena, &again);
	if (header_find(&again, "Bcc") != NULL || header_find(&again, "Resent-Bcc") != NULL)
		abort();
	if (header_find(&again, "From") == NULL && header_find(&again, "Resent-From") == NULL)
		abort();
}

static void
check_header(struct slice text)
{
	static const struct masquerade masquerade = { .domain = "m.example", .always = true };
	static const struct header_rewrite rewrite = { "d.example", &masquerade };
	static const struct header_additions adds[] = { { "D", "<I>", "F", NULL },
		{ "D", "<I>", "F", &rewrite } };
	struct header_addresses list = { 0 };
	struct header header;
	struct arena arena;
	struct buf out, folded;

	arena_init(&arena);
	struct slice section = slice_sub(text, 0, section_length(text));
	header_parse(section, &arena, &header);
	const char *at = section.p;
	for (size_t i = 0; i < header.n; i++) {
		if (header.v[i].raw.p != at || header.v[i].raw.n == 0 || header.v[i].name.n == 0)
			abort();
		at += header.v[i].raw.n;
	}
	if (section.n > 0 ? at != section.p + section.n : header.n > 0)
		abort();
	header_recipients(&header, 100, &arena, &list, NULL);
	for (size_t i = 0; i < 2; i++) {
		buf_init(&out, 12 * section.n + 1000);
		buf_init(&folded, 24 * section.n + 3000);
		if (header_write(&header, &adds[i], &out) != 0)
			abort();
		check_no_bcc(&out, &arena);
		fold(slice_make(out.data, out.len), 0, true, &folded);
		check_wire(&folded);
		check_no_bcc(&folded, &arena);
		buf_free(&out);
		buf_free(&folded);
	}
	arena_free(&arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf one, other, folded, folded_other;

	if (size == 0)
		return 0;
	struct slice in = slice_make((const char *)data + 1, size - 1);
	unsigned seed = 1U + data[0];
	buf_init(&one, 2 * in.n + 8);
	buf_init(&other, 2 * in.n + 8);
	buf_init(&folded, 4 * in.n + 3000);
	buf_init(&folded_other, 4 * in.n + 3000);
	normalize(in, 0, data[0] & 1, &one);
	normalize(in, seed, data[0] & 1, &other);
	check_equal(&one, &other);
	struct slice text = slice_make(one.data, one.len);
	fold(text, 0, data[0] & 2, &folded);
	fold(text, seed, data[0] & 2, &folded_other);
	check_equal(&folded, &folded_other);
	check_wire(&folded);
	check_header(text);
	buf_free(&one);
	buf_free(&other);
	buf_free(&folded);
	buf_free(&folded_other);
	return 0;
}
