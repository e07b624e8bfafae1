#include "app/report/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/mem.h"

#define BLOCK_BYTES (256 * 1024)

int
report_lines_open(struct report_lines *l, const char *path, struct fail *why)
{
	memset(l, 0, sizeof(*l));
	l->name = path;
	if (strcmp(path, "-") == 0) {
		l->name = "standard input";
		l->fd = STDIN_FILENO;
		return 0;
	}
	l->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (l->fd < 0)
		return fail_errno(why, FAIL_NO_INPUT, "cannot read %s", path);
#ifdef POSIX_FADV_SEQUENTIAL
	(void)posix_fadvise(l->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
#endif
	return 0;
}

/* Read more behind what is there. Returns -1 on failure; at_end when there is no more. */
static int
fill(struct report_lines *l, struct fail *why)
{
	if (l->begin > 0) {
		memmove(l->data, l->data + l->begin, l->end - l->begin);
		l->end -= l->begin;
		l->begin = 0;
	}
	if (l->cap - l->end < BLOCK_BYTES) {
		l->cap = l->cap == 0 ? (size_t)2 * BLOCK_BYTES : l->cap * 2;
		l->data = mem_realloc(l->data, l->cap);
	}
	ssize_t n;
	do
		n = read(l->fd, l->data + l->end, l->cap - l->end);
	while (n < 0 && errno == EINTR);
	if (n < 0) {
		l->failed = true;
		return fail_errno(why, FAIL_NO_INPUT, "cannot read %s", l->name);
	}
	l->end += (size_t)n;
	l->at_end = n == 0;
	return 0;
}

/* Pass over the rest of a line that is too long. */
static enum report_line
pass_over(struct report_lines *l, struct fail *why)
{
	char *newline = NULL;

	while (newline == NULL && !l->at_end) {
		l->begin = l->end = 0;
		if (fill(l, why) != 0)
			return REPORT_LINES_FAILED;
		newline = memchr(l->data, '\n', l->end);
	}
	l->begin = newline == NULL ? l->end : (size_t)(newline + 1 - l->data);
	return REPORT_LINE_TOO_LONG;
}

enum report_line
report_lines_next(struct report_lines *l, struct slice *line_r, struct fail *why)
{
	size_t looked = 0; /* bytes behind begin without a line feed */
	char *newline = NULL;

	*line_r = slice_make("", 0);
	if (l->failed)
		return REPORT_LINES_FAILED;
	for (;;) {
		if (l->end - l->begin > looked)
			newline =
			    memchr(l->data + l->begin + looked, '\n', l->end - l->begin - looked);
		if (newline != NULL || l->at_end)
			break;
		looked = l->end - l->begin;
		if (looked > LIMIT_RECORD_BYTES) {
			l->line++;
			return pass_over(l, why);
		}
		if (fill(l, why) != 0)
			return REPORT_LINES_FAILED;
	}
	if (newline == NULL && l->begin == l->end)
		return REPORT_LINES_END;
	l->line++;
	const char *start = l->data + l->begin;
	if (newline == NULL) {
		*line_r = slice_make(start, l->end - l->begin);
		l->begin = l->end;
		return REPORT_LINE_TORN;
	}
	size_t n = (size_t)(newline - start);
	l->begin += n + 1;
	if (n > 0 && start[n - 1] == '\r')
		n--;
	*line_r = slice_make(start, n);
	return REPORT_LINE;
}

void
report_lines_close(struct report_lines *l)
{
	if (l->fd > STDIN_FILENO)
		close(l->fd);
	free(l->data);
	memset(l, 0, sizeof(*l));
	l->fd = -1;
}
