#include "app/message/field_filter.h"

#include <string.h>

#define NAME_BYTES 64 /* ours are shorter */

void
field_filter_init(struct field_filter *f, const char *id)
{
	memset(f, 0, sizeof(*f));
	f->id = slice_str(id);
	f->state = FIELD_NAME;
	f->line_start = true;
	buf_init(&f->pending, FIELD_FILTER_BYTES);
}

void
field_filter_free(struct field_filter *f)
{
	buf_free(&f->pending);
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct slice
pending(const struct field_filter *f)
{
	return slice_make(buf_str(&f->pending), f->pending.len);
}

/* What the pending bytes are worth once the field is decided. */
static void
decide(struct field_filter *f, enum field_filter_state state, struct buf *out)
{
	if (state != FIELD_DROP)
		buf_append(out, f->pending.data, f->pending.len);
	buf_reset(&f->pending);
	f->state = state;
}

/* The colon of a field has come: which one is it? */
static void
name_known(struct field_filter *f, struct buf *out)
{
	struct slice name = slice_trim(slice_sub(pending(f), 0, f->pending.len - 1));

	if (slice_is_case(name, FIELD_MARK))
		decide(f, FIELD_DROP, out);
	else if (slice_is_case(name, "Authentication-Results"))
		f->state = FIELD_RESULTS;
	else
		decide(f, FIELD_KEEP, out);
}

/* Skip blanks and comments (RFC 5322 s3.2.2). Where they end, or s.n when they do not. */
static size_t
skip_comments(struct slice s, size_t at)
{
	unsigned depth = 0;

	for (; at < s.n; at++) {
		char c = s.p[at];
		if (depth > 0 && c == '\\')
			at++;
		else if (c == '(')
			depth++;
		else if (c == ')' && depth > 0)
			depth--;
		else if (depth == 0 && !is_blank(c))
			return at;
	}
	return s.n;
}

/* The authserv-id, when all of it is there: 1 it is ours, 0 it is not, -1 more is needed. complete: the field is. */
static int
results_ours(const struct field_filter *f, bool complete)
{
	struct slice s = pending(f);
	size_t at = skip_comments(s, slice_find(s, ':') + 1), end = at;
	bool quoted = at < s.n && s.p[at] == '"';

	if (quoted)
		end = ++at;
	while (end < s.n && (quoted ? s.p[end] != '"'
				    : !is_blank(s.p[end]) && s.p[end] != ';' && s.p[end] != '('))
		end++;
	if (end == s.n && !complete)
		return -1;
	/* none at all, or one with a backslash: not for us to tell, so nobody shall believe it */
	if (end == at || slice_find(slice_sub(s, at, end), '\\') < end - at)
		return 1;
	return slice_eq_case(slice_sub(s, at, end), f->id);
}

/* The field before this line is complete. */
static void
field_ends(struct field_filter *f, struct buf *out)
{
	if (f->state == FIELD_RESULTS)
		decide(f, results_ours(f, true) == 1 ? FIELD_DROP : FIELD_KEEP, out);
	else if (f->state == FIELD_NAME) /* a line without a colon */
		decide(f, FIELD_KEEP, out);
	f->state = FIELD_NAME;
}

static void
header_byte(struct field_filter *f, char c, struct buf *out)
{
	if (f->line_start) {
		f->line_start = false;
		if (c != ' ' && c != '\t')
			field_ends(f, out);
		if (c == '\r') { /* an empty line: text is strict about CRLF */
			decide(f, FIELD_BODY, out);
			buf_putc(out, c);
			return;
		}
	}
	f->line_start = c == '\n';
	if (f->state == FIELD_KEEP)
		buf_putc(out, c);
	if (f->state != FIELD_NAME && f->state != FIELD_RESULTS)
		return;
	buf_putc(&f->pending, c);
	if (f->state == FIELD_NAME && c == ':')
		name_known(f, out);
	else if (f->state == FIELD_NAME && (c == '\n' || f->pending.len == NAME_BYTES))
		decide(f, FIELD_KEEP, out);
	else if (f->state == FIELD_RESULTS && (is_blank(c) || c == ';' || c == '(' || c == '"')) {
		int ours = results_ours(f, false);
		if (ours >= 0)
			decide(f, ours == 1 ? FIELD_DROP : FIELD_KEEP, out);
	}
	if (f->pending.len == FIELD_FILTER_BYTES)
		decide(f, FIELD_DROP, out);
}

void
field_filter_feed(struct field_filter *f, struct slice text, struct buf *out)
{
	size_t i = 0;

	for (; i < text.n && f->state != FIELD_BODY; i++)
		header_byte(f, text.p[i], out);
	buf_append(out, text.p + i, text.n - i);
}

void
field_filter_end(struct field_filter *f, struct buf *out)
{
	if (f->state != FIELD_BODY)
		field_ends(f, out);
}
