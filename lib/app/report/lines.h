#ifndef APP_REPORT_LINES_H
#define APP_REPORT_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fail.h"
#include "base/slice.h"

/*
 * The lines of a file, one after the other, in one buffer that holds the longest of them. Blocks: for
 * programs that do nothing else.
 */
struct report_lines {
	const char *name; /* for messages; the caller's */
	int fd;
	char *data;
	size_t cap, begin, end; /* bytes begin..end are read and not yet given out */
	uint64_t line;          /* number of the last line given out */
	bool at_end, failed;
};

enum report_line {
	REPORT_LINE,          /* a line, without its line feed (and CR in front of it) */
	REPORT_LINE_TORN,     /* what stands behind the last line feed */
	REPORT_LINE_TOO_LONG, /* a line above LIMIT_RECORD_BYTES, passed over */
	REPORT_LINES_END,
	REPORT_LINES_FAILED /* why is set: IO */
};

/* path: "-" is standard input. Fails with NO_INPUT. */
int report_lines_open(struct report_lines *l, const char *path, struct fail *why);
/* line_r points into the buffer until the next call. Empty lines are lines. */
enum report_line report_lines_next(struct report_lines *l, struct slice *line_r, struct fail *why);
void report_lines_close(struct report_lines *l);

#endif
