#ifndef APP_SURVEY_INPUT_H
#define APP_SURVEY_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/fail.h"
#include "base/slice.h"

/*
 * The list of a survey, line by line: never held in memory but for a window of some thousand lines,
 * out of which they come in random order, so that neighbours in the list (domains of one hoster)
 * are not asked at the same time. A line that is too long is cut behind LIMIT_SURVEY_LINE_BYTES.
 */
struct survey_input_line {
	uint64_t seq; /* in the list, from 1 */
	char *text;   /* heap, without line end */
	size_t n;
};

struct survey_input {
	int fd;
	bool is_pipe; /* waits for the other end */
	bool at_end;
	struct buf text;
	size_t used;  /* of text */
	bool cutting; /* in a line that is too long */
	uint64_t seq;
	struct survey_input_line *window;
	size_t window_n;
	uint64_t random;
};

/* path "-": standard input. Fails with NO_INPUT. seed: of the order. */
int survey_input_open(struct survey_input *in, const char *path, uint64_t seed, struct fail *why);
void survey_input_close(struct survey_input *in);

/*
 * The next line, whose text the caller frees. 1, 0 at the end, or -1 with why: CANCELLED, TIMEOUT,
 * NO_INPUT (cannot be read).
 */
int survey_input_next(
    struct survey_input *in, struct survey_input_line *line_r, int64_t deadline, struct fail *why);

/*
 * SHA-256 in hex and number of lines of a list, read from end to end; before the loop starts, since it
 * blocks. False for what cannot be read twice: standard input, a pipe.
 */
bool survey_input_sum(const char *path, char sha256[65], uint64_t *lines_r);

#endif
