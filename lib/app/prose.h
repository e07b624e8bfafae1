#ifndef APP_PROSE_H
#define APP_PROSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/facts.h"

/*
 * What reports for people are made of, as text and as Markdown: headings, sentences, and tables whose first
 * column is text and whose other columns are numbers or text.
 */
#define PROSE_COLUMNS_MAX 16

struct prose {
	struct buf *out;
	bool markdown;
	/* the table being made */
	struct arena arena; /* the caller's to init and free */
	struct strs cells;
	size_t columns;
	bool left[PROSE_COLUMNS_MAX]; /* text, not a number */
};

void prose_heading(struct prose *p, const char *text);
/* An explanation: text without its full stop. */
void prose_sentence(struct prose *p, const char *text);

/* A table: begin, then the headers and the rows cell by cell, then end. */
void prose_table_begin(struct prose *p, size_t columns);
/* Bytes of strangers: no control characters, and nothing that Markdown would obey. */
void prose_cell(struct prose *p, const char *text);
void prose_number_cell(struct prose *p, uint64_t n);
void prose_percent_cell(struct prose *p, uint64_t n, uint64_t of);
void prose_table_end(struct prose *p);

#endif
