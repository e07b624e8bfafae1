#include "app/prose.h"

#include <string.h>

#include "app/report/view.h"
#include "base/text.h"

#define CELL_BYTES 120 /* of output; longer ones are cut */

void
prose_heading(struct prose *p, const char *text)
{
	buf_printf(p->out, p->markdown ? "\n## %s\n" : "\n%s\n", text);
}

void
prose_sentence(struct prose *p, const char *text)
{
	if (p->markdown)
		buf_printf(p->out, "\n%c%s.\n", text_upper(text[0]), text + 1);
	else
		buf_printf(p->out, "  (%s)\n", text);
}

void
prose_cell(struct prose *p, const char *text)
{
	struct buf safe, cell;

	buf_init(&safe, CELL_BYTES + 8);
	buf_init(&cell, (CELL_BYTES + 8) * 2);
	text_escape(&safe, slice_str(text), CELL_BYTES);
	for (size_t i = 0; i < safe.len; i++) {
		if (p->markdown && strchr("\\|`*_<>[]#&~", safe.data[i]) != NULL)
			buf_putc(&cell, '\\');
		buf_putc(&cell, safe.data[i]);
	}
	strs_add(&p->cells, &p->arena, buf_str(&cell));
	buf_free(&safe);
	buf_free(&cell);
}

void
prose_number_cell(struct prose *p, uint64_t n)
{
	char text[32];

	report_view_number(n, text);
	strs_add(&p->cells, &p->arena, text);
}

void
prose_percent_cell(struct prose *p, uint64_t n, uint64_t of)
{
	char text[16];

	report_view_percent(n, of, text);
	strs_add(&p->cells, &p->arena, text);
}

void
prose_table_begin(struct prose *p, size_t columns)
{
	memset(&p->cells, 0, sizeof(p->cells));
	arena_reset(&p->arena);
	p->columns = columns;
	memset(p->left, 0, sizeof(p->left));
	p->left[0] = true;
}

/* Columns on a terminal: code points, which is right for what we print. */
static size_t
width(const char *text)
{
	size_t n = 0;

	for (; *text != '\0'; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static void
pad(struct buf *out, size_t n)
{
	while (n-- > 0)
		buf_putc(out, ' ');
}

static void
write_row(struct prose *p, size_t row, const size_t *widths)
{
	if (p->markdown)
		buf_puts(p->out, "|");
	for (size_t c = 0; c < p->columns; c++) {
		const char *text = p->cells.v[row * p->columns + c];
		size_t fill = widths[c] - width(text);
		bool last = c + 1 == p->columns && !p->markdown;
		buf_puts(p->out, p->markdown ? " " : "  ");
		if (!p->left[c])
			pad(p->out, fill);
		buf_puts(p->out, text);
		if (p->left[c] && !last)
			pad(p->out, fill);
		if (p->markdown)
			buf_puts(p->out, " |");
	}
	buf_putc(p->out, '\n');
}

static void
write_rule(struct prose *p, const size_t *widths)
{
	buf_puts(p->out, "|");
	for (size_t c = 0; c < p->columns; c++) {
		buf_puts(p->out, " ");
		for (size_t i = 0; i + 1 < (widths[c] < 3 ? 3 : widths[c]); i++)
			buf_putc(p->out, '-');
		buf_puts(p->out, p->left[c] ? "- |" : ": |");
	}
	buf_putc(p->out, '\n');
}

void
prose_table_end(struct prose *p)
{
	size_t widths[PROSE_COLUMNS_MAX] = { 0 };
	size_t rows = p->cells.n / p->columns;

	for (size_t i = 0; i < p->cells.n; i++) {
		size_t w = width(p->cells.v[i]);
		if (w > widths[i % p->columns])
			widths[i % p->columns] = w;
	}
	buf_putc(p->out, '\n');
	for (size_t row = 0; row < rows; row++) {
		write_row(p, row, widths);
		if (row == 0 && p->markdown)
			write_rule(p, widths);
	}
}
