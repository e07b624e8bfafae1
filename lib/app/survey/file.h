#ifndef APP_SURVEY_FILE_H
#define APP_SURVEY_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/fail.h"
#include "base/slice.h"

/*
 * Files of lines that a survey appends to, and reads lines of again. What cannot be written whole is
 * taken back, so that the file is valid to its last line, and after that nothing more is written. A
 * process that is killed may leave one torn line at the end; survey_file_open cuts it.
 */
struct survey_file {
	int fd;
	char *path;
	int64_t size;   /* of the whole lines */
	bool is_stream; /* a pipe or a terminal: nothing can be taken back or read */
	bool failed;
	struct fail why; /* of the first failure */
};

/* Longest line that can be read again, and where a file must end for that. */
#define SURVEY_LINE_BYTES ((1 << 24) - 1)
#define SURVEY_FILE_BYTES ((int64_t)1 << 40)

/*
 * path NULL or "-": standard output. keep: what is there stays, but for a torn line at its end, whose
 * length goes to *torn_r. Fails with CANT_CREATE.
 */
int survey_file_open(
    struct survey_file *f, const char *path, bool keep, int64_t *torn_r, struct fail *why);
/* A file without name in the folder of path (NULL: the one for temporary files). */
int survey_file_open_unnamed(struct survey_file *f, const char *path, struct fail *why);
void survey_file_close(struct survey_file *f);

/*
 * Append one line, which brings its newline. *at_r (may be NULL): what survey_file_read takes.
 * False when it could not be written whole: then nothing of it is there.
 */
bool survey_file_append(struct survey_file *f, const char *line, size_t n, uint64_t *at_r);
/* Read a line that was appended into out (emptied before). False with why set in f. */
bool survey_file_read(struct survey_file *f, uint64_t at, struct buf *out);
/* Forget all lines. */
void survey_file_clear(struct survey_file *f);

uint64_t survey_file_at(int64_t offset, size_t n);

/*
 * Lines from an offset to the end of the file, one after the other.
 */
struct survey_lines {
	struct survey_file *file;
	int64_t offset, end;
	uint64_t number; /* of the last line, from 1 where offset was 0 */
	struct buf text;
	size_t used; /* of text */
};
void survey_lines_init(struct survey_lines *l, struct survey_file *f, int64_t from, int64_t end);
void survey_lines_free(struct survey_lines *l);
/* The next line without its newline, valid until the next call; and where it begins. False at the end. */
bool survey_lines_next(struct survey_lines *l, struct slice *line_r, int64_t *offset_r);

#endif
