#include "app/message/long_lines.h"

#include <string.h>

#include "app/message/header_rewrite.h"
#include "base/limits.h"

#define QP_LINE_BYTES 75 /* RFC 2045 s6.7: 76 with the = of a soft line break */

void
long_lines_init(struct long_lines *w)
{
	memset(w, 0, sizeof(*w));
	buf_init(&w->section, LIMIT_HEADER_BYTES + LONG_LINES_HELD);
	buf_init(&w->held, LONG_LINES_HELD + 8);
	w->root = true;
}

void
long_lines_fini(struct long_lines *w)
{
	buf_free(&w->section);
	buf_free(&w->held);
}

void
long_lines_again(struct long_lines *w)
{
	w->second = true;
	w->where = LONG_HEADER;
	w->part = 0;
	w->depth = 0;
	w->root = true;
	w->locked = w->digest_part = w->in_line = false;
	buf_reset(&w->section);
	buf_reset(&w->held);
	w->line = 0;
}

static void
put(struct long_lines *w, struct slice s, struct buf *out)
{
	if (w->second)
		buf_append(out, s.p, s.n);
}

/* --- marks -------------------------------------------------------------------------------------- */

static void
mark(struct long_lines *w)
{
	if (!w->may_encode || w->part >= LONG_LINES_PARTS)
		return;
	w->marks[w->part / 8] |= (unsigned char)(1U << (w->part % 8));
	w->found = true;
}

static bool
is_marked(const struct long_lines *w)
{
	return w->part < LONG_LINES_PARTS && (w->marks[w->part / 8] >> (w->part % 8) & 1U) != 0;
}

/* --- headers ------------------------------------------------------------------------------------ */

/* The header of a part that gets encoded. */
static void
write_header(struct long_lines *w, const struct header *header, bool has_type, struct buf *out)
{
	for (size_t i = 0; i < header->n; i++)
		if (!slice_is_case(header->v[i].name, "Content-Transfer-Encoding"))
			buf_append(out, header->v[i].raw.p, header->v[i].raw.n);
	if (w->root && header_find(header, "MIME-Version") == NULL)
		buf_puts(out, "MIME-Version: 1.0\r\n");
	if (w->root && !has_type)
		buf_printf(out, "Content-Type: text/plain; charset=%s\r\n",
		    !w->root_8bit  ? "US-ASCII"
		    : w->root_utf8 ? "UTF-8"
				   : "unknown-8bit");
	buf_puts(out, "Content-Transfer-Encoding: quoted-printable\r\n");
}

static void
enter_multipart(struct long_lines *w, const struct mime_content *content)
{
	if (content->boundary[0] == '\0' || w->depth == LONG_LINES_DEPTH) {
		w->locked |= w->depth == LONG_LINES_DEPTH;
		return;
	}
	memcpy(w->stack[w->depth].boundary, content->boundary, sizeof(content->boundary));
	w->stack[w->depth].locked = w->locked || content->type == MIME_SIGNED;
	w->stack[w->depth].digest = content->type == MIME_DIGEST;
	w->depth++;
}

static void
begin_header(struct long_lines *w)
{
	w->where = LONG_HEADER;
	buf_reset(&w->section);
	w->line = 0;
	w->part++;
	w->root = false;
}

/* The section is complete, up to length bytes; what follows in it is its empty line or the body's first. */
static void
header_end(struct long_lines *w, size_t length, bool empty_line, struct buf *out)
{
	struct mime_content content;
	struct header header;
	struct arena arena;
	struct slice rest = slice_make(w->section.data + length, w->section.len - length);

	arena_init(&arena);
	header_parse(slice_make(w->section.data, length), &arena, &header);
	mime_content_read(&header, &content);
	if (w->digest_part && !content.has_type)
		content.type = MIME_RFC822;
	w->digest_part = false;
	if (w->root && header_is_signed(&header))
		w->locked = true;
	w->may_encode = content.type == MIME_LEAF && !content.encoded && !w->locked;
	w->encoding = w->second && is_marked(w);
	w->column = 0;
	w->blank = 0;
	w->utf8_left = 0;
	w->has_8bit = w->not_utf8 = false;
	w->where = LONG_BODY;
	if (w->encoding)
		write_header(w, &header, content.has_type, out);
	else
		put(w, slice_make(w->section.data, length), out);
	if (empty_line)
		put(w, rest, out);
	else if (w->encoding) /* the body may not begin without one any more */
		buf_puts(out, "\r\n");
	if (content.type == MIME_MULTIPART || content.type == MIME_SIGNED ||
	    content.type == MIME_DIGEST)
		enter_multipart(w, &content);
	else if (content.type == MIME_RFC822 && !content.encoded && empty_line)
		begin_header(w);
	arena_free(&arena);
}

/* --- bodies ------------------------------------------------------------------------------------- */

static void
qp_byte(struct long_lines *w, char c, bool encode, struct buf *out)
{
	size_t n = encode ? 3 : 1;

	if (w->column + n > QP_LINE_BYTES) {
		buf_puts(out, "=\r\n");
		w->column = 0;
	}
	if (encode)
		buf_printf(out, "=%02X", (unsigned char)c);
	else
		buf_putc(out, c);
	w->column += n;
}

static void
qp(struct long_lines *w, struct slice piece, struct buf *out)
{
	for (size_t i = 0; i < piece.n; i++) {
		char c = piece.p[i];
		if (c == '\r') /* submit_text leaves none but those in front of LF */
			continue;
		if (w->blank != 0) /* at the end of a line it must not stand as it is */
			qp_byte(w, w->blank, c == '\n', out);
		w->blank = 0;
		if (c == '\n') {
			buf_puts(out, "\r\n");
			w->column = 0;
		} else if (c == ' ' || c == '\t') {
			w->blank = c;
		} else {
			/* "From " and dots at the start of a line survive everything when encoded */
			bool odd = c == '=' || (unsigned char)c < ' ' || (unsigned char)c > '~' ||
				   (w->column == 0 && (c == 'F' || c == '.'));
			qp_byte(w, c, odd, out);
		}
	}
}

/* Whether the text is UTF-8, near enough to name its charset. */
static void
look_at(struct long_lines *w, struct slice piece)
{
	for (size_t i = 0; i < piece.n; i++) {
		unsigned char c = (unsigned char)piece.p[i];
		w->has_8bit |= c > 0x7f;
		if (w->utf8_left > 0) {
			w->not_utf8 |= (c & 0xc0) != 0x80;
			w->utf8_left--;
		} else if (c > 0x7f) {
			w->utf8_left = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
			w->not_utf8 |= c < 0xc2 || c > 0xf4;
		}
	}
	if (w->root) {
		w->root_8bit = w->has_8bit;
		w->root_utf8 = !w->not_utf8;
	}
}

/* A line is the delimiter of a multipart that is open: those inside of it are over. */
static bool
delimiter(struct long_lines *w, struct slice line, struct buf *out)
{
	for (size_t i = w->depth; i > 0; i--) {
		int kind = mime_is_delimiter(line, w->stack[i - 1].boundary);
		if (kind == 0)
			continue;
		w->encoding = w->may_encode = false;
		put(w, line, out);
		w->locked = w->stack[i - 1].locked;
		w->digest_part = w->stack[i - 1].digest;
		w->depth = i;
		if (kind == 1) {
			begin_header(w);
			return true;
		}
		w->depth--; /* its epilogue, which belongs to the part around it: never encoded */
		return true;
	}
	return false;
}

/* A line of the body, or a piece of one that is too long to be held. */
static void
body_piece(struct long_lines *w, struct slice piece, bool first, bool last, struct buf *out)
{
	if (first && last && delimiter(w, piece, out))
		return;
	if (!w->second) {
		if (w->may_encode && w->root)
			look_at(w, piece);
		if (!first || piece.n > LIMIT_TEXT_LINE_BYTES + (last ? 2 : 0))
			mark(w);
	} else if (w->encoding) {
		qp(w, piece, out);
	} else {
		put(w, piece, out);
	}
}

static void
body_bytes(struct long_lines *w, struct slice bytes, bool complete, struct buf *out)
{
	while (bytes.n > 0) {
		struct slice part = slice_sub(bytes, 0, LONG_LINES_HELD - w->held.len);
		buf_append(&w->held, part.p, part.n);
		bytes = slice_sub(bytes, part.n, bytes.n);
		bool last = bytes.n == 0 && complete;
		if (!last && w->held.len < LONG_LINES_HELD)
			return;
		body_piece(w, slice_make(w->held.data, w->held.len), !w->in_line, last, out);
		buf_reset(&w->held);
		w->in_line = !last;
		if (w->where == LONG_HEADER)
			return; /* it was a delimiter, and nothing is left of its line */
	}
}

/* --- input -------------------------------------------------------------------------------------- */

/* The last line of section is complete. */
static void
header_line(struct long_lines *w, struct buf *out)
{
	struct slice line = slice_make(w->section.data + w->line, w->section.len - w->line);
	enum header_line kind = header_line_kind(line, w->line == 0);

	/* a delimiter ends a header, too, that has no empty line */
	if (kind == HEADER_LINE_FIELD || kind == HEADER_LINE_MORE) {
		w->line = w->section.len;
		return;
	}
	if (kind == HEADER_LINE_END) {
		header_end(w, w->line, true, out);
		return;
	}
	char copy[LONG_LINES_HELD];
	size_t n = line.n;
	if (n > sizeof(copy)) { /* a first line of the body that is too long: as it is */
		header_end(w, w->line, false, out);
		w->encoding = w->may_encode = false;
		put(w, line, out);
		return;
	}
	memcpy(copy, line.p, n);
	header_end(w, w->line, false, out);
	if (w->where == LONG_BODY)
		body_bytes(w, slice_make(copy, n), true, out);
}

static void
header_bytes(struct long_lines *w, struct slice bytes, bool complete, struct buf *out)
{
	if (buf_append(&w->section, bytes.p, bytes.n) != 0) {
		/* more than any header has: not looked into */
		put(w, slice_make(w->section.data, w->section.len), out);
		put(w, bytes, out);
		buf_reset(&w->section);
		w->encoding = w->may_encode = false;
		w->where = LONG_BODY;
		w->in_line = !complete;
	} else if (complete) {
		header_line(w, out);
	}
}

void
long_lines_feed(struct long_lines *w, struct slice text, struct buf *out)
{
	while (text.n > 0) {
		size_t n = slice_find(text, '\n');
		bool complete = n < text.n;
		n += complete;
		struct slice bytes = slice_sub(text, 0, n);
		if (w->where == LONG_HEADER)
			header_bytes(w, bytes, complete, out);
		else
			body_bytes(w, bytes, complete, out);
		text = slice_sub(text, n, text.n);
	}
}

void
long_lines_end(struct long_lines *w, struct buf *out)
{
	if (w->where == LONG_HEADER)
		header_end(w, w->section.len, false, out);
	else if (w->held.len > 0)
		body_piece(w, slice_make(w->held.data, w->held.len), !w->in_line, true, out);
	buf_reset(&w->held);
}
