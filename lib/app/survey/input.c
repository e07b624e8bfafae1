#include "app/survey/input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "io/io.h"
#include "tls/sha256.h"

#define WINDOW 4096
#define BLOCK 65536

int
survey_input_open(struct survey_input *in, const char *path, uint64_t seed, struct fail *why)
{
	struct stat st;

	memset(in, 0, sizeof(*in));
	in->random = seed == 0 ? 1 : seed;
	buf_init(&in->text, 2 * BLOCK);
	in->fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	if (in->fd < 0)
		return fail_errno(why, FAIL_NO_INPUT, "cannot read %s", path);
	in->window = mem_array(WINDOW, sizeof(*in->window));
	if (fstat(in->fd, &st) == 0 && S_ISDIR(st.st_mode)) {
		errno = EISDIR;
		return fail_errno(why, FAIL_NO_INPUT, "cannot read %s", path);
	}
	in->is_pipe = !S_ISREG(st.st_mode);
	return 0;
}

void
survey_input_close(struct survey_input *in)
{
	for (size_t i = 0; i < in->window_n; i++)
		free(in->window[i].text);
	free(in->window);
	buf_free(&in->text);
	if (in->fd > STDERR_FILENO)
		close(in->fd);
	memset(in, 0, sizeof(*in));
}

/* 1 when there is more in the buffer, 0 at the end. */
static int
read_block(struct survey_input *in, int64_t deadline, struct fail *why)
{
	buf_consume(&in->text, in->used);
	in->used = 0;
	if (in->is_pipe && io_wait(in->fd, IO_READ, deadline, why) != 0)
		return -1;
	char *to = buf_reserve(&in->text, BLOCK);
	ssize_t n = read(in->fd, to, BLOCK);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 1;
	if (n < 0)
		return fail_errno(why, FAIL_NO_INPUT, "cannot read the list");
	if (n == 0)
		in->at_end = true;
	buf_commit(&in->text, (size_t)n);
	return n > 0;
}

static void
add_line(struct survey_input *in, struct slice line)
{
	struct survey_input_line *to = &in->window[in->window_n++];

	while (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	to->seq = ++in->seq;
	to->text = mem_strndup(line.p, line.n);
	to->n = line.n;
}

/* A line of the buffer into the window; false when it holds no whole one. */
static bool
take_line(struct survey_input *in)
{
	struct slice rest = slice_make(buf_str(&in->text) + in->used, in->text.len - in->used);
	size_t n = slice_find(rest, '\n');
	bool whole = n < rest.n;

	if (!whole && !(in->at_end && rest.n > 0 && !in->cutting) && n <= LIMIT_SURVEY_LINE_BYTES &&
	    !in->cutting)
		return false;
	if (!in->cutting)
		add_line(in,
		    slice_sub(rest, 0, n < LIMIT_SURVEY_LINE_BYTES ? n : LIMIT_SURVEY_LINE_BYTES));
	bool added = !in->cutting;
	in->cutting = !whole && !in->at_end;
	in->used += whole ? n + 1 : rest.n;
	return added || whole;
}

/* Fill the window; wait only as long as it is empty. */
static int
fill(struct survey_input *in, int64_t deadline, struct fail *why)
{
	struct fail failed;

	while (in->window_n < WINDOW) {
		if (in->used < in->text.len && take_line(in))
			continue;
		if (in->at_end)
			return 0;
		/* a pipe that has nothing now does not hold up what is there */
		if (read_block(in, in->window_n > 0 ? clock_ms() : deadline, &failed) >= 0)
			continue;
		if (in->window_n > 0 && failed.code == FAIL_TIMEOUT)
			return 0;
		if (why != NULL)
			*why = failed;
		return -1;
	}
	return 0;
}

int
survey_input_next(
    struct survey_input *in, struct survey_input_line *line_r, int64_t deadline, struct fail *why)
{
	if (fill(in, deadline, why) != 0)
		return -1;
	if (in->window_n == 0)
		return 0;
	in->random ^= in->random << 13;
	in->random ^= in->random >> 7;
	in->random ^= in->random << 17;
	size_t i = in->random % in->window_n;
	*line_r = in->window[i];
	in->window[i] = in->window[--in->window_n];
	return 1;
}

bool
survey_input_sum(const char *path, char sha256[65], uint64_t *lines_r)
{
	struct stat st;
	int fd = strcmp(path, "-") == 0 ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	char *block, last = '\n';
	ssize_t n;

	sha256[0] = '\0';
	*lines_r = 0;
	if (fd < 0)
		return false;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return false;
	}
	struct tls_sha256 *sum = tls_sha256_new();
	block = mem_alloc(BLOCK);
	while ((n = read(fd, block, BLOCK)) > 0) {
		tls_sha256_add(sum, block, (size_t)n);
		for (ssize_t i = 0; i < n; i++)
			*lines_r += block[i] == '\n';
		last = block[n - 1];
	}
	*lines_r += last != '\n';
	tls_sha256_end(sum, sha256);
	free(block);
	close(fd);
	return n == 0;
}
