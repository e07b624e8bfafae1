#include "app/survey/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/mem.h"

#define BLOCK 65536 /* read at once */

uint64_t
survey_file_at(int64_t offset, size_t n)
{
	return (uint64_t)offset << 24 | n;
}

/* The end of the last whole line. */
static int64_t
whole_lines(int fd, int64_t size)
{
	char block[BLOCK / 16];

	while (size > 0) {
		size_t n = size < (int64_t)sizeof(block) ? (size_t)size : sizeof(block);
		if (pread(fd, block, n, size - (int64_t)n) != (ssize_t)n)
			return -1;
		for (size_t i = n; i > 0; i--)
			if (block[i - 1] == '\n')
				return size - (int64_t)(n - i);
		size -= (int64_t)n;
	}
	return 0;
}

static int
open_kept(struct survey_file *f, int64_t *torn_r, struct fail *why)
{
	struct stat st;

	if (fstat(f->fd, &st) != 0)
		return fail_errno(why, FAIL_CANT_CREATE, "cannot look at %s", f->path);
	f->size = whole_lines(f->fd, st.st_size);
	if (f->size < 0 || (f->size < st.st_size && ftruncate(f->fd, f->size) != 0))
		return fail_errno(why, FAIL_CANT_CREATE, "cannot go on with %s", f->path);
	if (torn_r != NULL)
		*torn_r = st.st_size - f->size;
	return 0;
}

int
survey_file_open(
    struct survey_file *f, const char *path, bool keep, int64_t *torn_r, struct fail *why)
{
	struct stat st;

	memset(f, 0, sizeof(*f));
	if (torn_r != NULL)
		*torn_r = 0;
	if (path == NULL || strcmp(path, "-") == 0) {
		f->fd = STDOUT_FILENO;
		f->path = mem_strdup("standard output");
		f->is_stream = true;
		return 0;
	}
	f->path = mem_strdup(path);
	f->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | (keep ? 0 : O_TRUNC), 0666);
	if (f->fd < 0 && errno == EINVAL) /* a pipe by name cannot be read, too */
		f->fd = open(path, O_WRONLY | O_CLOEXEC);
	if (f->fd < 0)
		return fail_errno(why, FAIL_CANT_CREATE, "cannot create %s", path);
	f->is_stream = fstat(f->fd, &st) != 0 || !S_ISREG(st.st_mode);
	return keep && !f->is_stream ? open_kept(f, torn_r, why) : 0;
}

int
survey_file_open_unnamed(struct survey_file *f, const char *path, struct fail *why)
{
	const char *tmp = secure_getenv("TMPDIR");
	const char *dir = tmp != NULL && tmp[0] == '/' ? tmp : "/tmp";
	struct buf name;

	memset(f, 0, sizeof(*f));
	buf_init(&name, LIMIT_CONFIG_LINE_BYTES);
	if (path != NULL)
		buf_printf(&name, "%s.XXXXXX", path);
	else
		buf_printf(&name, "%s/mxtls-survey.XXXXXX", dir);
	f->path = buf_steal(&name);
	f->fd = file_nameless(f->path, O_RDWR, 0600);
	if (f->fd >= 0)
		return 0;
	f->fd = mkostemp(f->path, O_CLOEXEC);
	if (f->fd < 0)
		return fail_errno(why, FAIL_CANT_CREATE, "cannot create a file beside %s",
		    path == NULL ? dir : path);
	unlink(f->path);
	return 0;
}

void
survey_file_close(struct survey_file *f)
{
	if (f->path == NULL)
		return;
	if (f->fd > STDERR_FILENO)
		close(f->fd);
	free(f->path);
	memset(f, 0, sizeof(*f));
}

static bool
broken(struct survey_file *f, const char *what)
{
	if (!f->failed)
		fail_errno(&f->why, FAIL_IO, "cannot %s %s", what, f->path);
	f->failed = true;
	return false;
}

static bool
write_all(struct survey_file *f, const char *data, size_t n)
{
	for (size_t done = 0; done < n;) {
		ssize_t now = f->is_stream
				  ? write(f->fd, data + done, n - done)
				  : pwrite(f->fd, data + done, n - done, f->size + (int64_t)done);
		if (now < 0 && errno == EINTR)
			continue;
		if (now == 0)
			errno = ENOSPC;
		if (now <= 0)
			return false;
		done += (size_t)now;
	}
	return true;
}

bool
survey_file_append(struct survey_file *f, const char *line, size_t n, uint64_t *at_r)
{
	if (f->failed)
		return false;
	if (at_r != NULL && (n > SURVEY_LINE_BYTES || f->size >= SURVEY_FILE_BYTES)) {
		errno = EFBIG;
		return broken(f, "write to");
	}
	if (!write_all(f, line, n)) {
		int saved = errno;
		if (!f->is_stream && ftruncate(f->fd, f->size) != 0) {
			/* a torn line stays: --resume cuts it */
		}
		errno = saved;
		return broken(f, "write to");
	}
	if (at_r != NULL)
		*at_r = survey_file_at(f->size, n);
	f->size += (int64_t)n;
	return true;
}

bool
survey_file_read(struct survey_file *f, uint64_t at, struct buf *out)
{
	size_t n = at & SURVEY_LINE_BYTES;
	char *to;

	buf_reset(out);
	to = buf_reserve(out, n);
	if (to == NULL) {
		errno = EFBIG;
		return broken(f, "read");
	}
	for (size_t done = 0; done < n;) {
		ssize_t now = pread(f->fd, to + done, n - done, (off_t)(at >> 24) + (off_t)done);
		if (now < 0 && errno == EINTR)
			continue;
		if (now == 0)
			errno = EIO;
		if (now <= 0)
			return broken(f, "read");
		done += (size_t)now;
	}
	buf_commit(out, n);
	return true;
}

void
survey_file_clear(struct survey_file *f)
{
	if (f->size == 0 || f->failed)
		return;
	if (ftruncate(f->fd, 0) == 0)
		f->size = 0;
}

/* --- reading all lines --------------------------------------------------------------------------- */

void
survey_lines_init(struct survey_lines *l, struct survey_file *f, int64_t from, int64_t end)
{
	memset(l, 0, sizeof(*l));
	l->file = f;
	l->offset = from;
	l->end = end;
	buf_init(&l->text, LIMIT_RECORD_BYTES);
}

void
survey_lines_free(struct survey_lines *l)
{
	buf_free(&l->text);
}

static bool
read_block(struct survey_lines *l)
{
	int64_t from = l->offset + (int64_t)(l->text.len - l->used);
	size_t n = l->end - from < BLOCK ? (size_t)(l->end - from) : BLOCK;

	if (from >= l->end)
		return false;
	buf_consume(&l->text, l->used);
	l->used = 0;
	char *to = buf_reserve(&l->text, n);
	if (to == NULL)
		return false;
	ssize_t got = pread(l->file->fd, to, n, from);
	if (got <= 0)
		return false;
	buf_commit(&l->text, (size_t)got);
	return true;
}

bool
survey_lines_next(struct survey_lines *l, struct slice *line_r, int64_t *offset_r)
{
	size_t looked = 0;

	for (;;) {
		struct slice rest = slice_make(l->text.data == NULL ? "" : l->text.data + l->used,
		    l->text.data == NULL ? 0 : l->text.len - l->used);
		size_t n = looked + slice_find(slice_sub(rest, looked, rest.n), '\n');
		if (n < rest.n) {
			*line_r = slice_sub(rest, 0, n);
			*offset_r = l->offset;
			l->used += n + 1;
			l->offset += (int64_t)n + 1;
			l->number++;
			return true;
		}
		looked = rest.n;
		if (!read_block(l))
			return false;
	}
}
