#include "app/send/submit_text.h"

#include <string.h>

void
submit_text_init(struct submit_text *t, bool ignore_dots)
{
	memset(t, 0, sizeof(*t));
	t->ignore_dots = ignore_dots;
	t->line_start = true;
}

/* What was held back is text after all. */
static void
release_held(struct submit_text *t, struct buf *out)
{
	if (t->dot)
		buf_putc(out, '.');
	t->dot = false;
	t->bare_crs += t->crs;
	for (; t->crs > 0; t->crs--) {
		buf_putc(out, ' ');
		t->line_start = false;
	}
}

static void
line_end(struct submit_text *t, struct buf *out)
{
	if (t->dot && t->crs < 2) {
		t->ended = true;
		return;
	}
	if (t->dot)
		buf_putc(out, '.');
	buf_append(out, "\r\n", 2);
	t->dot = false;
	t->crs = 0;
	t->line_start = true;
}

static void
odd_byte(struct submit_text *t, char c, struct buf *out)
{
	if (c == '\n') {
		line_end(t, out);
	} else if (c == '\r') {
		if (t->crs < 2) {
			t->crs++;
			return;
		}
		t->crs = 1;
		release_held(t, out);
		t->crs = 2;
	} else { /* NUL */
		t->nuls++;
		if (t->dot) { /* not a lone dot: other bytes are on its line */
			buf_putc(out, '.');
			t->dot = false;
		}
		t->line_start = false;
	}
}

size_t
submit_text_feed(struct submit_text *t, struct slice in, struct buf *out)
{
	size_t i = 0;

	while (i < in.n && !t->ended) {
		size_t run = i;
		while (run < in.n && in.p[run] != '\r' && in.p[run] != '\n' && in.p[run] != '\0')
			run++;
		if (run == i) {
			odd_byte(t, in.p[i++], out);
			continue;
		}
		release_held(t, out);
		if (t->line_start && !t->ignore_dots && in.p[i] == '.') {
			t->dot = true;
			t->line_start = false;
			i++;
			continue;
		}
		t->line_start = false;
		buf_append(out, in.p + i, run - i);
		i = run;
	}
	return i;
}

void
submit_text_end(struct submit_text *t, struct buf *out)
{
	if (!t->ended && (!t->line_start || t->crs > 0))
		line_end(t, out);
}

void
submit_fold_init(struct submit_fold *fold, bool header)
{
	fold->has_8bit = false;
	fold->folds = 0;
	fold->header = header;
	fold->folded = false;
	fold->n = 0;
}

static bool
is_blank(struct slice s)
{
	return slice_trim(s).n == 0;
}

/* Where to cut a line of LIMIT_TEXT_LINE_BYTES + 1 bytes. *space_r: there is a space to begin with. */
static size_t
cut_position(const struct submit_fold *fold, bool *space_r)
{
	struct slice line = slice_make(fold->line, fold->n);
	size_t cut = LIMIT_TEXT_LINE_BYTES;

	/* not between a field's name and its colon */
	size_t min =
	    fold->folded || line.p[0] == ' ' || line.p[0] == '\t' ? 0 : slice_find(line, ':');
	*space_r = true;
	for (size_t i = cut; fold->header && i > min; i--)
		if ((line.p[i] == ' ' || line.p[i] == '\t') && !is_blank(slice_sub(line, 0, i)))
			return i;
	*space_r = false;
	/* not inside of a UTF-8 character, which has at most three bytes 10xxxxxx */
	for (size_t i = cut; i + 3 >= cut; i--)
		if (((unsigned char)line.p[i] & 0xc0) != 0x80)
			return i;
	return cut;
}

static void
cut_line(struct submit_fold *fold, struct buf *out)
{
	bool space;
	size_t cut = cut_position(fold, &space), rest = fold->n - cut;

	buf_append(out, fold->line, cut);
	buf_append(out, "\r\n", 2);
	memmove(fold->line + (space ? 0 : 1), fold->line + cut, rest);
	if (!space)
		fold->line[0] = ' ';
	fold->n = rest + (space ? 0 : 1);
	fold->folded = true;
	fold->folds++;
}

static void
finish_line(struct submit_fold *fold, struct buf *out)
{
	/* of a header field, white space alone on a line would look like its end to some */
	bool drop = fold->header && fold->folded && is_blank(slice_make(fold->line, fold->n));

	if (!drop) {
		buf_append(out, fold->line, fold->n);
		buf_append(out, "\r\n", 2);
	}
	fold->n = 0;
	fold->folded = false;
}

void
submit_fold_feed(struct submit_fold *fold, struct slice in, struct buf *out)
{
	for (size_t i = 0; i < in.n; i++) {
		char c = in.p[i];
		if (c == '\r') /* step 1 leaves none but those in front of LF */
			continue;
		if (c == '\n') {
			finish_line(fold, out);
			continue;
		}
		fold->has_8bit |= (unsigned char)c > 0x7f;
		fold->line[fold->n++] = c;
		if (fold->n > LIMIT_TEXT_LINE_BYTES)
			cut_line(fold, out);
	}
}
